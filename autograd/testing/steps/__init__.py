"""Random training steps, and the comparison of their readings: eager, traced, after each pass, and compiled."""

from autograd.testing.steps.step import TrainingStep

__all__ = ["TrainingStep"]
