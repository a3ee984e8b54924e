"""Options of a command: the parameters of its function, with their help in its docstring and their types below."""

from __future__ import annotations

import inspect
import math
import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any


def add_options(parser: ArgumentParser, function: Callable[..., Any]) -> None:
    """Let ``parser`` take the parameters of ``function``: those by position as they come, others as ``--name``.

    The annotation of each says how argparse reads it, and the docstring what it is for. ``**options`` are the
    parameters of the class in their annotation.
    """
    doc = inspect.getdoc(function) or ""
    helps = dict(re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", doc, re.MULTILINE))
    for name, p in inspect.signature(function, eval_str=True).parameters.items():
        (how,) = p.annotation.__metadata__
        if p.kind is p.VAR_KEYWORD:
            add_options(parser, how)
        elif p.default is p.empty:
            parser.add_argument(name, help=helps.get(name), **how)
        else:
            parser.add_argument(f"--{name}", help=helps.get(name), default=SUPPRESS, **how)


def at_least(low: float, text: str) -> Any:
    """The number in the ``text`` of an option: a whole one if ``low`` is."""
    try:
        value = type(low)(text)
    except ValueError:
        value = math.nan
    if not low <= value < math.inf:
        kind = "number above 0" if low % 1 else f"whole number of at least {low}"
        raise ArgumentTypeError(f"{text!r} is not a {kind}")
    return value


def int_range(text: str) -> tuple[int, int]:
    """The bounds in ``text``: ``1:4`` as (1, 4), ``3`` as (3, 3)."""
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ArgumentTypeError(f"{text!r} is not a range: give one as 1:4, or a number")
    return low, high


Count = Annotated[int, {"type": partial(at_least, 1), "metavar": "N"}]
From0 = Annotated[int, {"type": partial(at_least, 0), "metavar": "N"}]
Positive = Annotated[float, {"type": partial(at_least, 1e-12), "metavar": "X"}]
Range = Annotated[tuple[int, int], {"type": int_range, "metavar": "A:B"}]
Folder = Annotated[Path | None, {"type": Path, "metavar": "DIR"}]
