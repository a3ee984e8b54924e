"""The exercises of each chapter: one module a chapter, with the function ``exercises()``."""

from __future__ import annotations

from typing import Any

TWO = ("You forgot the 2 of the square's derivative.", "你忘了平方求导时的因子 2。")
"""The answer to the most common mistake."""


def said(x: Any) -> str:
    """A number in a sentence, to four significant digits."""
    return f"{float(x):.4g}"
