"""Numbers of Python's that vary from call to call: one program where only arithmetic is done with them, eager's values
and dtypes always."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import TraceError
from tests.autograd.compiler.oracle import traces
from tests.training import updating

FLOATS = (1.5, 2.5, 0.1, -3.0, 7.0)
WHOLE = (1, 2, 3, 4, 5)

ARITHMETIC: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "x * s": (lambda x, s: x * s, FLOATS, "float32"),
    "s - x": (lambda x, s: s - x, FLOATS, "float16"),
    "x / s": (lambda x, s: x / s, (1.0, 0.0, -0.0, math.inf, math.nan), "float64"),
    "integers": (lambda x, s: x * s, FLOATS, "int64"),
    "arithmetic": (lambda x, s: x * (1 - s * 2 + s / 3) ** 2, FLOATS, "float32"),
    "1 / s": (lambda x, s: x * (1 / s), FLOATS, "float32"),
    "power": (lambda x, s: x**s, FLOATS, "float32"),
    "where": (lambda x, s: ag.where(x > s, x, s), FLOATS, "float32"),
    "of an array": (lambda x, s: x * (np.ones(3, "float32") * s), FLOATS, "float32"),
    "of a NumPy number": (lambda x, s: x * (np.float32(2) * s), FLOATS, "float32"),
    "a comparison of an array": (lambda x, s: x > s, FLOATS, "float32"),
    "isinstance": (lambda x, s: x * s if isinstance(s, float) else x, FLOATS, "float32"),
    "a Tensor of it": (lambda x, s: x * ag.Tensor(s), FLOATS, "float32"),
    "slope": (lambda x, s: nn.functional.leaky_relu(-x, s), FLOATS, "float32"),
}
"""What makes one program of a float that varies."""

ASKED: tuple[Callable[..., Any], ...] = (
    lambda x, s: x * 2 if s > 1 else x * s, lambda x, s: x * float(s), lambda x, s: x * math.exp(s),
    lambda x, s: x * len(f"{s:.3g}"), lambda x, s: x * {2.5: 2.0}.get(s, 1.0),
    lambda x, s: x * ag.Tensor([s, 1.0, s]), lambda x, s: x * np.array([s, 1.0, s]),
    lambda x, s: x * ag.full((3,), s), lambda x, s: ag.clip(x, 0.0, abs(s)), lambda x, s: x * abs(s**0.5),
    lambda x, s: x * (s % 2 + s // 2), lambda x, s: nn.functional.huber_loss(x, 0 * x, delta=s),
    lambda x, s: x if s.real else -x,
)  # fmt: skip
"""What asks for the value of a float."""

PLAIN: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "a whole power": (lambda x, n: x * 2**n, (1, 2, -3, 4, 5), "float32"),
    "integers": (lambda x, n: x * n, WHOLE, "int64"),
    "bytes": (lambda x, n: x * n, WHOLE, "uint8"),
    "an epoch": (lambda x, n: x * 0.95**n, WHOLE, "float32"),
    "a large one": (lambda x, n: x * n, (1, 2, 2**24 + 1, 10**17 + 1), "float32"),
    "range": (lambda x, n: sum([x] * n), WHOLE, "float32"),
    "an index": (lambda x, n: x[n - 1], (1, 2, 3, 2, 1), "float32"),
    "types": (lambda x, s: x * s, (1.5, 2, True, np.float64(2), np.float32(3), 3j, 4.0, 5, 2.5), "float32"),
}
"""Numbers of which each value makes a program."""


def calls(function: Callable[..., Any], values: Any, dtype: str) -> list[Any]:
    x = ag.asarray(np.array([1, 2, 3], dtype))
    with np.errstate(all="ignore"):
        results = [function(x, value) for value in values]
    return [(type(y), np.asarray(getattr(y, "data", y))) for y in results]


def agree(found: list[Any], expected: list[Any]) -> None:
    for (kind, y), (other, z) in zip(found, expected, strict=True):
        assert (kind, y.dtype) == (other, z.dtype)
        np.testing.assert_array_equal(y, z)


@pytest.mark.parametrize("name", ARITHMETIC)
def test_a_float_that_only_arithmetic_is_done_with_makes_one_program(name: str) -> None:
    function, values, dtype = ARITHMETIC[name]
    with traces() as count:
        agree(calls(ag.compile(function), values, dtype), calls(function, values, dtype))
    assert count() == 1


@pytest.mark.parametrize("name", PLAIN)
def test_another_number_makes_a_program_for_each_value(name: str) -> None:
    function, values, dtype = PLAIN[name]
    agree(calls(ag.compile(function), values, dtype), calls(function, values, dtype))


@pytest.mark.parametrize("function", ASKED)
def test_the_value_of_a_float_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TraceError, match=r"numbers.py:\d+ asks for the value of .* float64 .* Let an int, a text or a"):
        calls(ag.compile(function), FLOATS, "float32")


def test_a_float_alone_is_differentiated_and_returned() -> None:
    compiled = ag.compile(ag.value_and_grad(lambda s: s**3)), ag.compile(lambda s: (s, s / 3), check=True)
    with traces() as count:
        for s in FLOATS:
            assert [t.item() for t in compiled[0](s)] == [s**3, 3 * s**2]
            assert repr(compiled[1](s)) == repr((s, s / 3))
    assert count() == 2


def test_the_value_of_a_learning_rate_is_refused() -> None:
    optimizer = nn.optim.SGD([ag.Tensor(1.0, requires_grad=True)], lr=0.5)
    with pytest.raises(TraceError, match="asks for the value of lr"):
        ag.trace(lambda x: x * 2 if optimizer.param_groups[0]["lr"] > 0.1 else x, ag.ones(3))


def test_a_number_divided_by_zero_is_infinite() -> None:
    compiled, x = ag.compile(lambda x, s: x * (1 / s)), ag.ones(3)
    with np.errstate(all="ignore"):
        assert [compiled(x, s)[0].item() for s in (0.0, 1.0, 2.0, 0.0)] == [math.inf, 1.0, 0.5, math.inf]


class Options:
    scale = 1.0


def test_a_number_kept_by_the_step_is_refused() -> None:
    kept = Options()

    @ag.compile
    def step(x: Any, s: float) -> Any:
        if kept.scale == 1.0:
            kept.scale = s
        return x * s

    with pytest.raises(TraceError, match=r"s \(\) float64, which kept.scale keeps after the call"):
        step(ag.ones(3), 2.0)


def test_a_training_step_with_a_factor() -> None:
    def losses(wrap: Callable[[Any], Any]) -> list[float]:
        model = nn.MLP([2, 4, 1], seed=0, dtype="float64")

        def loss_of(x: Any, y: Any, epoch: float, factor: float) -> Any:
            penalty = sum((p * p).sum() for p in model.parameters())
            return nn.functional.mse_loss(model(x), y) * (1 - factor) + factor / (1 + epoch) * penalty

        step = wrap(updating(nn.optim.Adam(model.parameters()), loss_of))
        x, y = ag.ones((4, 2)), ag.zeros((4, 1))
        return [step(x, y, epoch, 0.9**epoch / 2).item() for epoch in FLOATS[:3]]

    with traces() as count:
        assert losses(ag.compile) == pytest.approx(losses(lambda f: f), rel=1e-10)
    assert count() == 1


def test_the_source_says_what_is_read_at_each_call() -> None:
    compiled = ag.compile(lambda x, scale: x * (scale * 2 + 1))
    for s in (1.0, 2.0):
        compiled(ag.ones(3), s)
    assert "scale[()] = scale_of[0]" in compiled.source
    assert "read at each call" in compiled.source
