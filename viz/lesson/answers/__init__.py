"""The exercises of each chapter: one module a chapter, with the function ``exercises()``."""

from __future__ import annotations

from typing import Any

from viz.drawing import numbers


def said(x: Any) -> str:
    """A number in a sentence, to four significant digits."""
    value = float(x)
    return numbers.scalar(value) if abs(value) >= 1e-4 or value == 0 else f"{value:.2g}"
