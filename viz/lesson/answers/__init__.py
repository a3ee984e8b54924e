"""The exercises of each chapter: one module a chapter, with the function ``exercises()``."""

from __future__ import annotations

from typing import Any


def said(x: Any) -> str:
    """A number in a sentence, to four significant digits."""
    return f"{float(x):.4g}"
