"""Programs in C: many of them compiled at once, and what they computed."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from glassgrad.autograd.compiler.passes.optimize import optimize
from glassgrad.autograd.compiler.targets.c.build import FLAGS, compiled, compiler
from glassgrad.autograd.compiler.targets.c.executable import PASSES, Table, function_in_c, source_of
from glassgrad.autograd.compiler.targets.c.source import END, Source
from glassgrad.autograd.errors import TargetError
from tests.autograd.compiler.targets.node import Case


def _missing() -> str:
    try:
        compiler()
    except TargetError as error:
        return str(error)
    return ""


TOGETHER = 40
"""Programs in one library: more take the compiler too long."""

FAST: tuple[str, ...] = ("-std=gnu11", "-O0", "-fwrapv", "-fopenmp-simd", "-shared", "-fPIC", "-w")
"""Flags for many programs, each of which runs once."""

MISSING = _missing()
needs_compiler = pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")


def written(case: Case) -> Source:
    """The program of a case, optimized, as a text in C; the case gets the text."""
    program = optimize(case.program, PASSES)
    homes = {s: case.initial[s] if s in case.initial else s.origin.data for s in program.states}  # noqa: SIM401  (not all have one)
    homes = {s: np.array(array) for s, array in homes.items()}
    source = source_of(program, homes)
    case.source = source.text()
    return source


def _apart(own: str, number: int) -> str:
    """A program in names that no other has."""
    names = {*re.findall(r"^static .*void ([\w$]+)\(", own, flags=re.MULTILINE), "table", "gg_run", "step"}
    own, *_ = own.partition("GG_EXPORT int gg_loop")
    return re.sub(r"[A-Za-z_$][\w$]*", lambda m: f"{m[0]}_{number}" if m[0] in names else m[0], own)


def run(cases: Sequence[Case], folder: Any = None, *, fast: bool = False) -> None:
    """Run all cases in one library, and put what they computed into them."""
    sources = [written(case) for case in cases]
    parts = [case.source.partition(END) for case in cases]
    bodies = [_apart(body, number) for number, (*_, body) in enumerate(parts)]
    text = "\n".join([*parts[0][:1], *bodies])
    library = ctypes.PyDLL(str(compiled(text, FAST if fast else FLAGS)))
    for number, (case, source) in enumerate(zip(cases, sources, strict=True)):
        _run(case, source, function_in_c(getattr(library, f"gg_run_{number}"), source))


def _run(case: Case, source: Source, function: Any) -> None:
    homes = source.homes
    case.restart()
    table = Table(source, homes)
    for knob, array in table.knobs.items():
        array[()] = case.initial.get(knob, 0)
    for arrays in case.steps:
        results = [np.empty(value.shape, value.dtype) for value in source.returned]
        given = [np.array(x, order="C") for x in arrays]
        before = [x.copy() for x in given]
        code = function(table.address, *map(id, [*given, *results]))
        if code:
            case.error = f"it returned {code}"
            return
        for x, kept in zip(given, before, strict=True):
            np.testing.assert_array_equal(x, kept, err_msg=f"{case.name} wrote to an input")
        case.results.append([result.astype("f8").reshape(-1) for result in results])
    kept = {**case.initial, **homes}  # a state may have no home where its new value is found to be the old one
    found = {state: kept[state] for state in case.program.updates}
    case.states = {state.name: np.asarray(array).astype("f8").reshape(-1) for state, array in found.items()}


def faults(cases: Sequence[Case], folder: Any = None, *, rounding: bool = False, fast: bool = False) -> list[str]:
    """How the cases differ from `Program.run`, run in C."""
    for first in range(0, len(cases), TOGETHER):
        run(cases[first : first + TOGETHER], fast=fast)
    return [fault for case in cases if (fault := case.at_fault(rounding))]
