"""Runs the code of a chapter in this process and collects the outputs that a notebook would show.

An output has the form that nbformat gives it, so that outputs of a Jupyter kernel can be used instead.
"""

from __future__ import annotations

import ast
import io
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any, TypeAlias

from glassgrad.viz.drawing import words

Output: TypeAlias = dict[str, Any]

_KINDS = {"image/svg+xml": "_repr_svg_", "text/html": "_repr_html_"}


def run(codes: Iterable[str], name: str = "lesson", language: str = "en") -> list[list[Output]]:
    """The outputs of each cell, run in order in one namespace; pages and pictures have the words of ``language``.

    A cell that needs a package which is not installed, or the results of such a cell, has an ``error`` output that says
    so; the others run.

    >>> run(["x = 2", "print(x)\\nx + 1"])[1][1]["data"]["text/plain"]
    '3'
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    made: list[list[Output]] = []
    missing = ""
    with words.speaking(language):
        for number, code in enumerate(codes, 1):
            try:
                made.append(_cell(code, names, f"{name}, cell {number}"))
            except (ImportError, NameError) as error:
                if isinstance(error, ImportError):
                    missing = str(error)
                elif not missing:
                    raise
                told = {"output_type": "error", "ename": type(error).__name__, "evalue": missing, "traceback": []}
                made.append([told])
    return made


def _cell(code: str, names: dict[str, Any], place: str) -> list[Output]:
    tree = ast.parse(code, place)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    written, value = io.StringIO(), None
    with redirect_stdout(written), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(tree, place, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), place, "eval"), names)
    outputs: list[Output] = []
    if written.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": written.getvalue()})
    if value is not None:
        outputs.append({"output_type": "execute_result", "data": shown(value), "metadata": {}, "execution_count": None})
    return outputs


def shown(value: Any) -> dict[str, str]:
    """The representations of a value in a notebook, by media type."""
    data: dict[str, str] = {"text/plain": repr(value)}
    if hasattr(value, "_repr_mimebundle_"):
        data |= value._repr_mimebundle_()
    else:
        data |= {kind: getattr(value, method)() for kind, method in _KINDS.items() if hasattr(value, method)}
    return data
