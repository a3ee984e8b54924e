"""Matrix products in C: in blocks, by BLAS, along both operands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.compiler.targets.c import blocks, executable
from autograd.compiler.trace import Trace
from tests.autograd.compiler.targets.c.native import faults, needs_compiler
from tests.autograd.compiler.targets.c.test_source import FAST
from tests.autograd.compiler.targets.node import Case

SIZES = [(1, 40, 7), (3, 2, 5), (21, 33, 1), (16, 2, 100), (40, 10, 70)]
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
@pytest.mark.parametrize("registers", [(32, 64), (16, 32), (32, 16)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_right_for_every_kind_of_vector(monkeypatch, registers, dtype):
    monkeypatch.setattr(blocks, "registers", lambda: registers)
    monkeypatch.setattr(executable, "numpys_blas", lambda: None)
    assert not faults([*products(dtype)], flags=FAST)


@needs_compiler
def test_products_are_right_beside_blas():
    assert not faults([*products("float32")])
