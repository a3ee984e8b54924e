"""Programs in C and in JavaScript compute what they compute in Python: every operation, every training step."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.targets import language, nests
from glassgrad.autograd.compiler.targets.c.source import Source
from glassgrad.autograd.compiler.targets.javascript.script import Script
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT, C
from glassgrad.autograd.compiler.trace import Trace
from tests.autograd.compiler.targets.cases import (
    IN_C,
    IN_JAVASCRIPT,
    NAMES,
    TARGETS,
    Target,
    case_of,
    exchange,
    expressions,
    networks,
    operations,
    poolings,
    random_steps,
    sample,
)
from tests.autograd.compiler.targets.node import Case
from tests.sampling import waiting

pytestmark = pytest.mark.parametrize("target", TARGETS)

REFUSED = {
    "argsort", "bitwise_left_shift", "bitwise_right_shift", "cholesky", "concat",
    "cumulative_prod", "cumulative_sum", "det", "dft", "eigenvectors", "eigvalsh", "erfinv", "fold", "inv",
    "inverse_dft", "inverse_real_dft", "lgamma", "log_abs_det", "nextafter",
    "orthogonal_complement", "pinv", "polygamma", "prod", "qr_factors", "real_dft", "reciprocal_gaps",
    "round", "scatter_along_axis", "searchsorted", "sign_det", "singular_vectors", "solve", "svdvals",
    "take_along_axis", "tile", "tril", "triu", "unfold",
}  # fmt: skip
"""The operations that can't be written, or whose derivatives can't: factorizations, those that no network of nn, no
loss and no page needs, and joining without an axis."""


@pytest.mark.parametrize("every", [8, waiting(1)])
def test_every_operation(target: Target, every: int, tmp_path: Any) -> None:
    names = NAMES[::every]
    cases, refused = operations(target, names, 2)
    assert not target.module.faults(cases, tmp_path, fast=True)
    assert refused == REFUSED & {*names}


def test_20_steps_of_every_optimizer_layer_and_loss(target: Target, tmp_path: Any) -> None:
    assert not target.module.faults(networks(target), tmp_path, fast=True)


@pytest.mark.parametrize("count", [8, waiting(35)])
def test_random_steps_with_state(target: Target, count: int, tmp_path: Any) -> None:
    cases, refused = random_steps(target, range(count))
    assert len(cases) >= count / 2
    known = "draws by standard_", "float16", "random numbers can't be drawn", "that can be written", "whole numbers"
    assert all(any(reason in said for reason in known) for said in refused), refused
    assert not target.module.faults(cases, tmp_path, rounding=True)


@pytest.mark.parametrize("every", [16, waiting(1)])
def test_every_expression_at_peculiar_numbers(target: Target, every: int, tmp_path: Any) -> None:
    with np.errstate(all="ignore"):
        cases = expressions(target)
        tested = {case.name.partition(" ")[0] for case in cases}
        assert set(target.expressions) - tested <= {"copy", "broadcast_to", "power"}
        assert not target.module.faults(cases[::every], tmp_path)


@pytest.mark.check
def test_the_places_of_maxima_at_peculiar_numbers(target: Target, tmp_path: Any) -> None:
    assert not target.module.faults(poolings(target), tmp_path, fast=True)


def test_the_error_function_at_subnormal_and_infinite_numbers_is_that_of_eager(target: Target, tmp_path: Any) -> None:
    special = pytest.importorskip("scipy.special")
    x = np.array([2e-310, -1e-310, 0.0, -0.0, -0.5, -1.0, -12.25, 3.0, 1e308, np.inf, -np.inf, np.nan])
    x = np.concatenate([x, np.linspace(-6, 26, 1501), np.geomspace(1e-9, 26, 500)])
    case = target.written(Case("erfc", Trace(ag.erfc, (ag.Tensor(x),), {}).program, "", [[x]]))
    target.module.run([case], tmp_path)
    np.testing.assert_allclose(case.results[0][0], special.erfc(x), rtol=1e-13)


def sign(x: Any) -> Any:
    return 1 / ag.sign(x)


def moved(x: Any, y: Any) -> Any:
    """Arrays of more than 64 elements, which are copied at once where they lie row by row."""
    parts = [ag.concat([x, y.T]), ag.stack([x.T, y]), ag.flip(x), ag.roll(x, 3), ag.concat([x[1:], x[:1]], axis=0)]
    filled = ag.setitem(x, y.T, index=(slice(None), slice(0, 120)))
    return [*parts, ag.reshape(x.T, (2, 120)), ag.reshape(x[:, ::2], (-1,)), filled, ag.setitem(y, x.T, index=...)]


def one_new_value_for_two(x: Any) -> Any:
    a, b = STATES[:2]
    new = a.data * 0.5 + x.data
    a.data, b.data = new, new * 1
    return x * 2


def a_state_that_keeps_its_value(x: Any) -> Any:
    w = STATES[2]
    w.data = (w - 0.5 * ag.zeros((), dtype="float64")).data
    return x * 2


STATES = [ag.Tensor(values, dtype="float64") for values in ([1.0, 2.0], [3.0, 4.0], 1.0)]
STEPS = [
    (sign, [ag.Tensor([-0.0, 0.0])], 1),
    (moved, [ag.asarray(np.arange(240.0).reshape(2, 120)), ag.asarray(np.arange(120.0)[:, None] * [1, -1])], 1),
    (one_new_value_for_two, [ag.ones(2, dtype="float64")], 3),
    (a_state_that_keeps_its_value, [ag.ones(2, dtype="float64")], 20),
]


def test_steps(target: Target, tmp_path: Any) -> None:
    with np.errstate(divide="ignore"):
        cases = [case_of(target, f.__name__, f, *args, count=n) for f, args, n in STEPS]
        assert not target.module.faults([*cases, exchange(target)], tmp_path)


# ------------------------------------------------------------------------------------------------------- planted faults


def _too_early(source: Source) -> None:
    for _, block in source._busy:
        source.pool.give(block)
    source._busy = []


def _off_by_one(shape: Any) -> Any:
    return tuple(s + (axis == 0 and len(shape) > 1) for axis, s in enumerate(contiguous(shape)))


def _losing(script: Script, name: str, parts: list[list[str]]) -> list[str]:
    return called(script, name, parts[:1])


def _uncounted(text: Any) -> Any:
    return lambda written: re.sub(r"if \(\$p0 < 0\).*", "", text(written))


contiguous, called = nests.contiguous, Script.called
MUTANTS: dict[str, dict[str, tuple[Any, str, Any]]] = {
    IN_C.name: {
        "the operands of subtract are swapped": (C.expressions, "subtract", "{1} - {0}"),
        "a sum begins at 1": (C.reductions, "sum", ("{a} + {b}", "1")),
        "memory is given away too early": (Source, "_release", _too_early),
        "states are not updated": (Source, "commits", lambda source, program: [*map(source.view, program.updates)][:0]),
        "an index from the end is not counted from there": (Source, "_joined", _uncounted(Source._joined)),
    },
    IN_JAVASCRIPT.name: {
        "the operands of subtract are swapped": (JAVASCRIPT.expressions, "subtract", "{1} - {0}"),
        "float32 is not rounded": (language.ROUNDED, "float32", "{}"),
        "a sum begins at 1": (JAVASCRIPT.reductions, "sum", ("{a} + {b}", "1")),
        "a stride is off by one": (nests, "contiguous", _off_by_one),
        "the cut loses lines": (Script, "called", _losing),
        "states are not updated": (Script, "commits", lambda script, program: []),
        "an index from the end is not counted from there": (Script, "text", _uncounted(Script.text)),
    },
}
"""Faults: in which table or class, under which name, and the wrong row or function."""


@pytest.mark.check
def test_planted_faults_are_found(target: Target, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not target.module.faults(sample(target), tmp_path, fast=True)
    for name, (place, key, wrong) in MUTANTS[target.name].items():
        with monkeypatch.context() as planted:
            if isinstance(place, dict):
                planted.setitem(place, key, wrong)
            else:
                planted.setattr(place, key, wrong)
            assert target.module.faults(sample(target), tmp_path, fast=True), f"nothing is found where {name}"
