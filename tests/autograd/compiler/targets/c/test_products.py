"""Matrix products in C: in blocks, by BLAS, along both operands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.targets.c import blocks, executable
from glassgrad.autograd.compiler.targets.c.source import END
from glassgrad.autograd.compiler.trace import Trace
from tests.autograd.compiler.targets.c.native import faults, needs_compiler
from tests.autograd.compiler.targets.node import Case
from tests.sampling import sampled

SIZES = [
    (1, 40, 7),
    (3, 2, 5),
    (21, 33, 1),
    (16, 2, 100),
    (40, 10, 70),
    (5, 20, 2500),
    (20, 1, 16),
    (1, 8, 60),
    (12, 60, 9),
]
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
    assert not faults([*products(dtype)], fast=True)


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


@needs_compiler
@pytest.mark.parametrize(("stack", "n"), [((), 64), ((), 61), ((2,), 64)])
def test_a_product_that_is_subtracted_from_a_state_is_rounded_before(stack, n):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((*stack, *shape), "f4") for shape in ((3, 1), (1, n)))
    a, *_ = states = [nn.Parameter(rng.standard_normal((*stack, 3, n), "f4")) for _ in range(3)]
    rate, products = np.float32(0.1), [x @ y, x @ y**2, x @ a.data[..., :1, :]]
    expected = [state.data - rate * product for state, product in zip(states, products, strict=True)]

    @ag.compile(target="c")
    def step(x: Any, y: Any, rate: Any) -> None:
        products = x @ y, x @ y**2, x @ a.detach()[..., :1, :]
        for state, product in zip(states, products, strict=True):
            values = state.data
            values -= (rate * product).data
            state.data = values

    step(*map(ag.asarray, (x, y, rate)))
    np.testing.assert_array_equal([state.data for state in states], expected)
    assert ("GG_APART" in step.source.partition(END)[2]) is not bool(stack)
