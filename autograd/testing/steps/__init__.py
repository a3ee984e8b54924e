"""Random training steps, and their comparison in several readings: eager, traced, after each pass, and compiled."""

from glassgrad.autograd.testing.steps.step import TrainingStep

__all__ = ["TrainingStep"]
