"""Each rule gives the same bits for all numbers: zeros of both signs, infinities, NaN, the smallest and the largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.passes import optimize
from tests.autograd.compiler.oracle import flat
from tests.sampling import sampled


def special(dtype: str) -> Any:
    """Numbers for which most of what one would simplify is wrong."""
    info = np.finfo(dtype)
    tiny, small, large = float(info.smallest_subnormal), float(info.tiny), float(info.max)
    numbers = [0.0, 1.0, 1.5, 3.0, 7 * tiny, tiny, small, 3 * small / 2, large, large / 2, large / 3, np.inf]
    return np.array([sign * number for number in numbers for sign in (1, -1)] + [np.nan], dtype)


def same_bits(found: Any, expected: Any, where: str) -> None:
    """Raise unless both are the same numbers, zeros with their signs; one NaN is as good as another."""
    for x, y in zip(map(np.asarray, flat(found)), map(np.asarray, flat(expected)), strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype), where
        np.testing.assert_array_equal(x, y, err_msg=where)
        if x.dtype.kind == "f":
            signs = np.signbit(x) == np.signbit(y)
            np.testing.assert_array_equal(signs | np.isnan(x), True, err_msg=where)


def check_exactly(f: Callable[..., Any], *inputs: ag.Tensor) -> list[str]:
    """What is left of ``f`` after all passes. Raises unless it gives eager's bits, after each of them and compiled."""
    with np.errstate(all="ignore"):
        expected = f(*inputs)
        program = ag.trace(f, *inputs)
        arrays = [x.data for x in inputs]
        for name, better in optimize.steps(program):
            same_bits(better.run(*arrays)[0], expected, f"after {name}:\n{program}")
        compiled = ag.compile(f)
        same_bits(compiled(*inputs), expected, f"compiled:\n{program}")
    return [i.op for i in better.instructions if i.op not in ("reshape", "copy")]


RULES = """
x - 0.0 => []
x + -0.0 => []
-0.0 + x => []
x * 1.0 => []
1.0 * x => []
x + (-y) => ["subtract"]
(-y) + x => ["subtract"]
x - (-y) => ["add"]
ag.negative(-x) => []
ag.positive(x) => []
ag.square(x) => ["multiply"]
x**1 => []
x**2 => ["multiply"]
x**0.5 => ["sqrt"]
ag.atan2(x + y, y + x) => ["add", "atan2"]
ag.atan2(x * y, y * x) => ["multiply", "atan2"]
(x == y) & (y == x) => ["equal", "bitwise_and"]
x * ag.broadcast_to(y[:1], (25,)) => ["getitem", "multiply"]
ag.exp(x[:5, None].T.T) => ["getitem", "exp"]
ag.atan2(x + 0.0, -1.0) => None
ag.atan2(0.0 + x, -1.0) => None
ag.atan2(x - -0.0, -1.0) => None
ag.atan2(0.0 - x, -1.0) => None
1 / -(x - y) => None
x * 0.0 => None
x * -1.0 => None
x - x => None
x / x => None
x / 49.0 => None
x**0 => None
x**-1 => None
(x * 2.0) * 3.0 => None
(x * y) / y => None
(x + y) - y => None
1 / ag.maximum(x, y) - 1 / ag.maximum(y, x) => None
1 / ag.minimum(x, y) - 1 / ag.minimum(y, x) => None
x * (ag.ones(25, dtype=x.dtype) * 0.0 - 0.0) => None
"""
"""What is the same for all numbers is done, with the instructions that are left; what is true of most is not."""


@pytest.mark.parametrize("dtype", sampled(["float32", "float16", "float64"], 3))
@pytest.mark.parametrize("rule", RULES.strip().splitlines())
def test_a_rule_is_exact(rule: str, dtype: str) -> None:
    if (rule[:6], dtype) == ("x**0.5", "float16"):
        pytest.skip("NumPy's operator computes it as a root, and its function power does not")
    f, left = (eval(part, {"ag": ag}) for part in f"lambda x, y: {rule}".split(" => "))
    numbers = special(dtype)
    x, y = ag.Tensor(numbers), ag.Tensor(numbers)
    found = check_exactly(f, x, y)
    if left is not None:
        assert [op for op in found if op != "getitem" or "getitem" in left] == left
    for shift in range(1, len(numbers)):  # every number meets every other
        y = ag.Tensor(np.roll(numbers, shift))
        with np.errstate(all="ignore"):
            same_bits(optimize.optimize(ag.trace(f, x, y)).run(x.data, y.data)[0], f(x, y), f"{rule}, {shift}")


@pytest.mark.parametrize("dtypes", [("int8", "int64"), ("uint8", "int64"), ("uint8", "uint8"), ("int32", "float64")])
def test_integers_are_negated_in_their_own_dtype(dtypes: tuple[str, str]) -> None:
    """-(-128) is -128 in int8, and -1 is 255 in uint8."""
    info = np.iinfo(dtypes[0])
    y = ag.Tensor(np.array([info.min, info.max, 0, 1, 5], dtypes[0]))
    x = ag.Tensor(np.array([0, 1, 2, 100, 7], dtypes[1]))
    for f in (lambda x, y: x + (-y), lambda x, y: x - (-y), lambda x, y: ag.negative(-y), lambda x, y: -(x - y)):
        check_exactly(f, x, y)


def test_integers_and_truths() -> None:
    x = ag.Tensor(np.array([7, -7, 0, np.iinfo("int64").max, np.iinfo("int64").min]))
    of_all: list[Any] = [lambda x: x * 1, lambda x: x + 0, lambda x: ag.sum(x[:, None], axis=1)]
    of_integers: list[Any] = [
        *of_all, lambda x: x - 0, lambda x: x**1, lambda x: x**2, lambda x: ag.negative(-x), ag.square, ag.mean,
        lambda x: x / 4, lambda x: x / 3, lambda x: x * 2 * 3, lambda x: -(x - 3), lambda x: x // 2, lambda x: x % 3,
        lambda x: x * 2.5, lambda x: x * 3 / 2,
    ]  # fmt: skip
    for f in of_integers:
        check_exactly(f, x)
        check_exactly(f, ag.Tensor([250, 7], dtype="uint8"))
    for f in (*of_all, lambda x: ag.any(x[:, None], axis=1)):
        check_exactly(f, ag.Tensor([True, False]))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int64"])
def test_labels_of_any_integer_dtype(dtype: str) -> None:
    """The place of a label among all logits is not a number of a label's dtype."""
    logits = ag.Tensor(np.random.default_rng(0).standard_normal((300, 10)))
    labels = ag.Tensor((np.arange(300) % 10).astype(dtype))
    expected = nn.functional.cross_entropy(logits, labels)
    assert ag.compile(nn.functional.cross_entropy)(logits, labels).item() == pytest.approx(expected.item(), rel=1e-12)


# --------------------------------------------------------------------------------------- nothing over- or underflows


@pytest.mark.parametrize("scale", [3.0, 1e-3, 2.0, 0.5, 1e30, 1e-30])
def test_scales_are_not_joined(scale: float) -> None:
    x = ag.Tensor(special("float32"))
    check_exactly(lambda x: x * scale * scale, x)
    check_exactly(lambda x: x * scale / scale, x)
    a = ag.Tensor(np.asarray(scale, "float32"))
    check_exactly(lambda x, a: x * a * a, x, a)
