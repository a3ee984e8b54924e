"""Programs as nested loops over arrays: all that JavaScript and C have in common."""

from __future__ import annotations

from glassgrad.autograd.compiler.targets.nested import readings, scan, windows  # noqa: F401  (which `READINGS` and `WHOLE` then have)
from glassgrad.autograd.compiler.targets.nested.script import READINGS, WHOLE, Script

__all__ = ["READINGS", "WHOLE", "Script"]
