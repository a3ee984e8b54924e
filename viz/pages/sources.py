"""The library code shown beside a step: the body of a forward, a rule, the current line of the backward pass."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from functools import lru_cache
from typing import Any

from glassgrad import autograd as ag

CODE_LINES = 12


@lru_cache(maxsize=512)
def source_of(function: Any, argument: str = "") -> tuple[str, str] | None:
    """The source lines of a function and their position; None if there is no source.

    ``argument``: the name under which a lambda was given as a rule, to distinguish several on one line.
    """
    function = inspect.unwrap(function)
    try:
        file = inspect.getsourcefile(function)
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    if file is None:
        return None
    tree = _parsed(file)
    found = None if tree is None else _found(tree, function.__code__, argument)
    if isinstance(found, ast.Lambda):
        first, said = found.lineno, ast.get_source_segment("".join(linecache.getlines(file)), found) or ""
    elif found is not None:
        body = found.body[1:] if found.body[1:] and ast.get_docstring(found, clean=False) is not None else found.body
        shown = _computing(body)
        first, every = shown[0].lineno, linecache.getlines(file)
        parts = [shown] if shown == body else [[statement] for statement in shown]
        said = "".join(textwrap.dedent("".join(every[p[0].lineno - 1 : p[-1].end_lineno])) for p in parts)
    else:
        first, said = max(first, 1), "".join(lines)
    kept = textwrap.dedent(said).strip("\n").splitlines()
    if len(kept) > CODE_LINES:
        kept = [*kept[:CODE_LINES], f"# {len(kept) - CODE_LINES} more lines"]
    return "\n".join(kept), f"{function.__module__}, line {first}"


@lru_cache(maxsize=64)
def _parsed(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None


def _found(tree: ast.Module, code: Any, argument: str) -> Any:
    """The definition of this code object."""
    named = code.co_name != "<lambda>"
    for node in ast.walk(tree):
        if named and isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            top = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if top <= code.co_firstlineno <= node.lineno:
                return node
        if not named and isinstance(node, ast.keyword) and isinstance(node.value, ast.Lambda):
            names = tuple(a.arg for a in node.value.args.args)
            sought = argument, code.co_firstlineno, code.co_varnames[: code.co_argcount]
            if (node.arg, node.value.lineno, names) == sought:
                return node.value
    return None


def _computing(body: list[Any]) -> list[Any]:
    """The statements that compute, without those that only raise errors."""
    shown: list[Any] = []
    for statement in body:
        if isinstance(statement, ast.Try) and not statement.finalbody:
            shown += _computing(statement.body)
        elif not (isinstance(statement, ast.If) and [type(s) for s in statement.body] == [ast.Raise]):
            shown.append(statement)
    return shown or body


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
