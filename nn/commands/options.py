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


def count(text: str, least: int = 1) -> int:
    """The whole number in the ``text`` of an option."""
    if not text.isdecimal() or int(text[:20]) < least:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def positive(text: str) -> float:
    """The number in the ``text`` of an option."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def int_range(text: str) -> tuple[int, int]:
    """The bounds in ``text``: ``1:4`` as (1, 4), ``3`` as (3, 3)."""
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ArgumentTypeError(f"{text!r} is not a range: give one as 1:4, or a number")
    return low, high


Count = Annotated[int, {"type": count, "metavar": "N"}]
From0 = Annotated[int, {"type": partial(count, least=0), "metavar": "N"}]
Positive = Annotated[float, {"type": positive, "metavar": "X"}]
Range = Annotated[tuple[int, int], {"type": int_range, "metavar": "A:B"}]
Folder = Annotated[Path | None, {"type": Path, "metavar": "DIR"}]
