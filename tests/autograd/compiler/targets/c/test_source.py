"""Programs in C: their text, digits and dtypes; `test_programs` has what they compute."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.targets.c.executable import source_of
from glassgrad.autograd.compiler.targets.language import safe_c
from glassgrad.autograd.errors import TargetError
from tests.autograd.compiler.targets.c.native import faults, needs_compiler
from tests.autograd.compiler.targets.cases import IN_C, case_of, single, squared, training
from tests.autograd.compiler.targets.node import Case
from tests.autograd.compiler.test_training import OPTIMIZERS
from tests.sampling import waiting


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_is_not_fused_with_a_sum_of_another_operation(dtype):
    x = np.random.default_rng(0).standard_normal(1000).astype(dtype)
    difference = ag.compile(lambda a, b: ag.sqrt(a * a - b * b), target="c")
    assert not difference(ag.Tensor(x), ag.Tensor(x.copy())).data.any()


@needs_compiler
def test_long_sums_of_float32_keep_their_digits():
    x = np.full((300_000, 3), 0.1, "f4")

    def sums(x: Any) -> Any:
        pairs = ag.reshape(x, (1000, 300, 3))
        mean = ag.mean(x * 2, axis=0)
        return ag.sum(x, axis=0), mean * 150_000, ag.sum(x, axis=0) * 2 - 30_000, ag.sum(pairs, axis=(0, 1))

    exact = np.float64(x[0, 0]) * len(x)
    for found in ag.compile(sums, target="c")(ag.asarray(x)):
        np.testing.assert_allclose(found.data, exact, rtol=3e-6)
    for shape, axis in (((3, 300_000), 1), ((900_000,), 0)):
        total = ag.compile(lambda x, axis=axis: ag.sum(x, axis=axis), target="c")(ag.asarray(x.reshape(shape)))
        np.testing.assert_allclose(total.data, np.float64(x[0, 0]) * shape[axis], rtol=1e-6)
    columns = ag.compile(lambda x: ag.sum(ag.reshape(x, (100, 100, 30, 3))[:, ::2], axis=(0, 2)), target="c")
    np.testing.assert_allclose(columns(ag.asarray(x)).data, np.full((50, 3), 300.0), rtol=3e-6)


def test_nothing_in_a_text_ends_a_comment():
    assert safe_c("a */ int x; /* ??/\n\\\u202e σ") == "a * / int x; / * ? ?/ \\   σ"
    assert "x*/" not in source_of(sum_of(["x*/", "y"]), {}).text()


def sum_of(names: list[str]) -> Program:
    """A program that adds inputs of these names."""
    inputs = [Value("input", (3,), np.dtype("f8"), name) for name in names]
    total, instructions = inputs[0], []
    for k, value in enumerate(inputs[1:]):
        out = Value("temporary", (3,), np.dtype("f8"), f"part{k}")
        instructions.append(Instruction("add", (total, value), {}, out))
        total = out
    return Program("double", inputs, instructions, [total])


@needs_compiler
def test_names_that_mean_something_in_c():
    names = ["int", "table", "σ", "i", "acc", "gg_run", "main", "__LINE__", "x", "x_object"]
    assert not faults([Case("names", sum_of(names), "", [[np.arange(3.0) + k for k in range(len(names))]])])


@needs_compiler
def test_loops_that_end_within_a_vector():
    rng, cases = np.random.default_rng(0), []
    for n, dtype in itertools.product((5, 9, 15, 17, 30, 100), ("float32", "float64")):
        x, b = (ag.asarray(rng.standard_normal(shape).astype(dtype)) for shape in ((4, n), (n,)))
        x.data[1, -1] = x.data[2, 0] = np.nan
        w = ag.asarray(rng.standard_normal(n).astype(dtype))

        def step(x: Any, b: Any, w: Any = w) -> Any:
            shifted = x + b
            w.data = (w - 0.5 * b * w).data
            return ag.tanh(shifted), shifted, ag.max(shifted, axis=1), ag.min(x, axis=1), ag.max(b), ag.max(x, axis=0)

        cases.append(case_of(IN_C, f"{n} {dtype}", step, x, b, count=2))
    assert not faults(cases, rounding=True)


@needs_compiler
def test_loops_that_differ_in_a_function_or_a_dtype_are_not_shared():
    x, y, i = np.linspace(0.1, 2.0, 6), np.linspace(0.2, 1.0, 6, dtype="f4"), np.arange(-3, 3)

    def several(x: Any, y: Any, i: Any) -> Any:
        return [ag.exp(x), ag.log(x[::-1]), ag.exp(y), ag.log(y[::-1]), ag.sum(x), ag.max(x), ag.max(y), i + 3, i * 3]

    assert not faults(
        [case_of(IN_C, "several", several, ag.asarray(x), ag.asarray(y), ag.asarray(i), count=1)], rounding=True
    )


@needs_compiler
def test_loops_that_differ_in_names_alone_are_shared():
    model = nn.MLP([4, 4, 4, 4, 4], seed=0).to("float64")
    x = np.random.default_rng(0).standard_normal((3, 4))
    case = training(IN_C, "alike", model, OPTIMIZERS["SGD"], squared, x)
    assert len(re.findall(r"^static void layers_\d+_loop", case.source, flags=re.MULTILINE)) == 2
    assert not faults([case])


@needs_compiler
@pytest.mark.parametrize("n", [3, waiting(40)])
def test_products_of_several_dtypes(n):
    rng, cases = np.random.default_rng(0), []
    for one in ("f4", "f8"):
        for other in ("f4", "f8", "i4"):
            x, y = rng.integers(-4, 5, (n, n)).astype(one), rng.integers(-4, 5, (n, n)).astype(other)
            cases += [
                single(IN_C, "matmul", [x, y]),
                single(IN_C, "matmul", [x, y[0]]),
                single(IN_C, "matmul", [x[0], y]),
            ]
            cases += [single(IN_C, "matmul", [np.stack([x, x]), y]), single(IN_C, "matmul", [x[0], y[0]])]
    assert not faults(cases)
    with pytest.raises(TargetError, match="is a product of whole numbers or of truths: cast them to float32"):
        single(IN_C, "matmul", [np.ones((2, 2), "i8")] * 2)


@needs_compiler
def test_casts_out_of_range_are_those_of_numpy():
    with np.errstate(all="ignore"):
        x = np.float64([0.5, -1.9, 127, 300.7, -129, 65536, 2**31, 2**31 - 1, -3e9, 2**33 + 5, 2**63, -1e30])
        x = np.concatenate([x, [np.inf, -np.inf, np.nan]])
        assert not faults(
            [single(IN_C, "astype", [y], dtype=np.dtype(to)) for y in (x, np.float32(x)) for to in ("i8", "?")]
        )
