"""The library code shown beside a step: a forward, a rule, the current line of the backward pass."""

from __future__ import annotations

import inspect
import re
import textwrap
from functools import lru_cache
from typing import Any

from glassgrad import autograd as ag

CODE_LINES = 12
DOCSTRING = re.compile(r'^ *""".*?"""\n', re.DOTALL | re.MULTILINE)


@lru_cache(maxsize=512)
def source_of(function: Any) -> tuple[str, str] | None:
    """The source lines of a function without its docstring, and their position; None if there is no source.

    A lambda that was given as a rule has the lines of the call that gave it.
    """
    function = inspect.unwrap(function)
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    kept = textwrap.dedent(DOCSTRING.sub("", "".join(lines), count=1)).strip("\n").splitlines()
    if len(kept) > CODE_LINES:
        kept = [*kept[:CODE_LINES], f"# {len(kept) - CODE_LINES} more lines"]
    return "\n".join(kept), f"{function.__module__}, line {max(first, 1)}"


@lru_cache(maxsize=4)
def walk_line(part: str) -> tuple[str, str] | None:
    """The line of the engine's backward pass that contains this text."""
    module = inspect.getmodule(ag.backward_steps)
    try:
        lines = inspect.getsource(module).splitlines()  # type: ignore[arg-type]
    except OSError:
        return None
    for number, line in enumerate(lines, 1):
        if part in line:
            return line.strip(), f"{ag.backward_steps.__module__}, line {number}"
    return None
