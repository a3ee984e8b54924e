"""The error of everything that draws."""

from glassgrad.autograd.errors import AutogradError


class DrawingError(AutogradError, ValueError):
    """A picture that can't be drawn as requested; the message says what to give instead."""
