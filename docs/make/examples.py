"""Examples of the reference for names whose docstrings have none: examples.txt has the code, and it is run here."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

CODE = Path(__file__).with_suffix(".txt")


@cache
def codes() -> dict[str, str]:
    """The code of each example by the public name that it shows."""
    parts = re.split(r"^# ((?:autograd|nn|viz)\.[\w.]+)\n", CODE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: code.rstrip("\n") for name, code in zip(parts[1::2], parts[2::2], strict=True)}


def session(code: str) -> str:
    """A Python session that runs ``code``: prompts, and what is printed or raised.

    >>> session("x = 2\\nx + 1")
    '>>> x = 2\\n>>> x + 1\\n3'
    """
    import numpy as np

    from glassgrad import autograd as ag
    from glassgrad import nn, viz

    names: dict[str, Any] = {"ag": ag, "nn": nn, "np": np, "viz": viz, "__name__": "example"}
    shown = []
    for statement in ast.parse(code).body:
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
        lines = code.splitlines()[first - 1 : statement.end_lineno]
        shown.append("\n".join((">>> " if i == 0 else "... ") + line for i, line in enumerate(lines)).rstrip())
        printed = io.StringIO()
        tree = ast.Interactive([statement])
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(tree, "<example>", "single"), names)
            except Exception as error:
                name = type(error).__name__ if type(error).__module__ == "builtins" else _full_name(type(error))
                print(f"Traceback (most recent call last):\n    ...\n{name}: {error}")
        shown.append(printed.getvalue().rstrip())
    return "\n".join(text for text in shown if text)


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@cache
def example(name: str) -> str:
    """The session that shows a public name; '' where there is none."""
    if name not in codes():
        return ""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return session(codes()[name])
        finally:
            os.chdir(before)
