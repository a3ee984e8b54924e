"""A program in JavaScript: one offline function over typed arrays, for pages that compute as the library does."""

from __future__ import annotations

from glassgrad.autograd.compiler.ir.program import Program, method
from glassgrad.autograd.compiler.targets.javascript.script import PART, Script


@method("javascript")
def javascript(program: Program, name: str | None = None, *, comments: bool = True, states: bool = True) -> str:
    """The program as the text of a JavaScript function; see `Program.javascript`."""
    return Script(program, name, comments=comments, states=states).text()


__all__ = ["PART", "Script", "javascript"]
