"""Random training steps, and their comparison in several readings: eager, traced, after each pass, and compiled."""

from autograd.testing.steps.step import TrainingStep

__all__ = ["TrainingStep"]
