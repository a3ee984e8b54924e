"""A program in JavaScript: one offline function over typed arrays, for pages that compute as the library does."""

from __future__ import annotations

from glassgrad.autograd.compiler.targets.javascript.script import PART, Script

__all__ = ["PART", "Script"]
