"""Programs for a page: traced in float64, written as JavaScript, with the limits of size that a live page has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import autograd as ag
from autograd.common.shapes import size
from autograd.compiler.ir.names import unique
from autograd.compiler.ir.program import Program
from autograd.compiler.passes.optimize import optimize
from autograd.compiler.targets.javascript.script import PASSES
from autograd.compiler.targets.language import JAVASCRIPT
from autograd.errors import AutogradError
from viz.drawing import numbers, style
from viz.drawing.errors import DrawingError
from viz.pages.live import LINES, PRODUCTS, RATE, STATES


@contextmanager
def in_double(tensors: Iterable[ag.Tensor]) -> Iterator[None]:
    """A context in which these Tensors are in float64; afterwards they have the arrays that they had before.

    A page computes in float64, which is as fast there as float32, and in which differences can check a gradient.
    """
    before = [(tensor, tensor.data) for tensor in dict.fromkeys(tensors) if tensor.dtype.kind == "f"]
    try:
        for tensor, array in before:
            tensor.data = array.astype("float64")
        yield
    finally:
        for tensor, array in before:
            tensor.data = array


def traced(function: Callable[..., Any], *args: Any, who: str) -> Program:
    """The program of ``function``. Raises `DrawingError` where it has none."""
    try:
        return ag.trace(function, *args)
    except AutogradError as error:
        raise DrawingError(f"{who}: {error}") from error


def written(program: Program, name: str, *, who: str, **options: Any) -> str:
    """The program in JavaScript. Raises `DrawingError` where it has no reading."""
    try:
        return program.javascript(name, **options)
    except AutogradError as error:
        raise DrawingError(f"{who}: {error}") from error


def shared_names(programs: Sequence[Program]) -> None:
    """Give each state one name in all of the programs, so that they can share a memory."""
    names: dict[ag.Tensor, str] = {}
    states = [state for program in programs for state in program.states]
    for state in states:
        names.setdefault(state.origin, state.name)
    if len(set(names.values())) < len(names) or any(state.name != names[state.origin] for state in states):
        taken = {value.name for program in programs for value in program.values()}
        for origin, name in names.items():
            names[origin] = unique(name, taken, JAVASCRIPT.words)
            taken.add(names[origin])
        for state in states:
            state.name = names[state.origin]


def too_large(multiplications: float, programs: Sequence[Program]) -> str:
    """Why these programs are too large for a page that computes; empty where they are not."""
    states = sum(size(state.shape) for state in {s.origin: s for program in programs for s in program.states}.values())
    lines = max(len(optimize(program, PASSES).instructions) for program in programs)
    if multiplications > PRODUCTS:
        return (
            f"it is {numbers.count(round(multiplications))} multiplications a step, about"
            f" {multiplications / RATE:.2g} ms in a browser, and a page does {numbers.count(PRODUCTS)}"
        )
    if states > STATES:
        return f"{numbers.count(states)} numbers are {10.6 * states / 1e6:.2g} MB of page"
    if lines > LINES:
        return f"its program has {numbers.count(lines)} lines, and a page computes {numbers.count(LINES)}"
    return ""


def asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")


def ramps() -> str:
    """The two ramps as variables ``--v0`` to ``--v6`` and ``--g0`` to ``--g6``; on a dark page 0 is dark."""

    def block(ramp: tuple[str, ...], gradients: tuple[str, ...]) -> str:
        return "".join(f"--v{k}:{c};" for k, c in enumerate(ramp)) + "".join(
            f"--g{k}:{c};" for k, c in enumerate(gradients)
        )

    light, dark = block(style.VALUE_RAMP, style.GRAD_RAMP), block(style.VALUE_RAMP_DARK, style.GRAD_RAMP_DARK)
    return (
        f":root{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}"
    )
