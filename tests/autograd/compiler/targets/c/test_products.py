"""Matrix products in C: in blocks, by BLAS, along both operands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.targets.c import blocks, executable
from glassgrad.autograd.compiler.trace import Trace
from tests.autograd.compiler.targets.c.native import FAST, faults, needs_compiler
from tests.autograd.compiler.targets.cases import IN_C, case_of
from tests.autograd.compiler.targets.node import Case
from tests.sampling import sampled

SIZES = [(1, 40, 7), (3, 2, 5), (21, 33, 1), (16, 2, 100), (40, 10, 70), (5, 20, 2500), (20, 1, 16), (1, 8, 60)]
"""Rows, columns, and the length of the sum."""


def operands(shape: tuple[int, int]) -> Iterator[Any]:
    """Functions that make a matrix of this shape, which lies in some way, of one that lies row by row."""
    yield shape, lambda x: x
    yield shape[::-1], lambda x: x.T
    yield (shape[0] * 2, shape[1] * 3), lambda x: x[::2, 1::3]


def products(dtype: str) -> Iterator[Case]:
    """Products of matrices of whole numbers, whose results are exact."""
    rng = np.random.default_rng(0)
    for m, n, k in SIZES:
        for (one, first), (other, second) in itertools.product(operands((m, k)), operands((k, n))):
            x, y = (ag.asarray(rng.integers(-4, 5, shape).astype(dtype)) for shape in (one, other))

            def function(x: Any, y: Any, first: Any = first, second: Any = second) -> Any:
                return first(x) @ second(y)

            yield Case(f"{m}x{k}x{n}", Trace(function, (x, y), {}).program, "", [[x.data, y.data]])


@needs_compiler
@pytest.mark.parametrize("registers", sampled([(32, 64), (16, 32), (32, 16)], 3))
@pytest.mark.parametrize("dtype", sampled(["float32", "float64"], 2))
def test_products_are_right_for_every_kind_of_vector(monkeypatch, registers, dtype):
    monkeypatch.setattr(blocks, "registers", lambda: registers)
    monkeypatch.setattr(executable, "numpys_blas", lambda: None)
    assert not faults([*products(dtype)], flags=FAST)


@needs_compiler
@pytest.mark.parametrize("registers", [(32, 64), (16, 32)])
@pytest.mark.parametrize("flip", [False, True])
def test_products_are_subtracted_where_a_state_lies(monkeypatch, registers, flip):
    monkeypatch.setattr(blocks, "registers", lambda: registers)
    rng, cases = np.random.default_rng(0), []
    for m, n, k in [*SIZES, (1, 60, 30), (50, 1, 70), (60, 70, 80), (64, 128, 40)]:
        w, x, y = (rng.standard_normal(shape) for shape in ((m, n), (k, m), (k, n)))
        w = ag.asarray(w.T.copy().T if flip else w)

        def step(x: Any, y: Any, w: Any = w) -> Any:
            mean = w.mean()
            w.data = (w - 0.125 * (x.T @ y)).data
            return mean

        cases.append(case_of(IN_C, f"{m}x{k}x{n}", step, ag.asarray(x), ag.asarray(y), count=3))
    assert not faults(cases, flags=FAST)
    assert not any("update_" in case.source for case in cases)  # loops of their own


@needs_compiler
def test_a_state_that_is_read_otherwise_is_not_written_too_early():
    def step(kind: str) -> Case:
        w, v = (ag.asarray(np.random.default_rng(0).standard_normal((3, 3))) for _ in range(2))

        def run(x: Any) -> Any:
            old, factor = w * 1, 0.5 * ag.ones((), dtype="float64") if kind == "factor" else 0.5
            product = (w if kind == "of itself" else w.T if kind == "of its view" else x) @ x
            w.data = (w - factor * product).data
            if kind == "kept elsewhere":
                v.data = old.data
            if kind == "exchanged":
                v.data = v.data - 0.25 * (old @ x).data
            return (product if kind == "used again" else w if kind == "returned" else old.sum()) * 1

        return case_of(IN_C, kind, run, ag.asarray(np.random.default_rng(1).standard_normal((3, 3))), count=3)

    kinds = ["of itself", "of its view", "kept elsewhere", "exchanged", "used again", "returned", "factor", "plain"]
    cases = [step(kind) for kind in kinds]
    assert not faults(cases)
    in_place = {case.name for case in cases if "subtract_product" in case.source}
    assert in_place == {"plain", "factor", "exchanged"}


@pytest.mark.check
@needs_compiler
def test_products_are_right_beside_blas():
    assert not faults([*products("float32")])


@needs_compiler
@pytest.mark.parametrize("blas", [True, False])
def test_long_products_of_float32_keep_their_digits(monkeypatch, blas):
    if not blas:
        monkeypatch.setattr(executable, "numpys_blas", lambda: None)
    x, state = np.full((3, 300_001), 0.1, "f4"), ag.zeros(3, dtype="float32")

    def products(x: Any) -> Any:
        state.data = (state - 0.5 * (x @ x[0])).data
        return x[0] @ x[0], x @ x[1], x[1] @ x.T, x @ x.T, x[:2] @ x.T, state * -2

    exact = np.float64(x[0, 0]) ** 2 * x.shape[1]
    for found in ag.compile(products, target="c")(ag.asarray(x)):
        np.testing.assert_allclose(found.data, exact, rtol=2e-5)
