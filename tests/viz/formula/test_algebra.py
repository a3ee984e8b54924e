"""Simplified formulas: shorter, and worth the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz import explain

Y = np.array([0.0, 1.0, 0.0])


def leaf(value: Any, name: str) -> ag.Tensor:
    return ag.Tensor(value, requires_grad=True, name=name)


def lines(y: ag.Tensor, wrt: ag.Tensor) -> list[str]:
    """The section "in one line"."""
    text = explain(y, wrt=wrt).text
    return [line.strip() for line in text.partition("in one line\n")[2].split("\n\n")[0].splitlines()]


@pytest.mark.parametrize(
    ("function", "value", "slope"),
    [
        (lambda x: x + x + 1, "2·x + 1", "1 + 1 = 2"),
        (lambda x: (1 - x) * (2 - x), "(1 - x)·(2 - x)", "t2 · (-1) + t1 · (-1) = 2·x - 3"),
        (lambda x: x * x * x - x, "x³ - x", "x · x + x · x + t1 - 1 = 3·x² - 1"),
        (lambda x: (3 * x - ag.Tensor(1.0)) ** 2, "(3·x - 1)²", "2·t2 · 3 = 6·(3·x - 1)"),
        (lambda x: ag.log(ag.exp(x) * 1.0), "x", "1 / t2 · t1 = 1"),
        (lambda x: x / 3 + x / 3, "2/3·x", "1/3 + 1/3 = 2/3"),
        (lambda x: (x + 1) / (x + 1) + x, "x + 1", None),
    ],
)
def test_like_terms_are_collected(function: Callable[[ag.Tensor], ag.Tensor], value: str, slope: str | None) -> None:
    x = leaf(1.5, "x")
    first, second = lines(function(x), x)
    assert first == f"L = {value}"
    if slope is not None:
        assert second == f"∂L/∂x = {slope}"


@pytest.mark.parametrize(
    "log_softmax",
    [lambda z: ag.log(ag.softmax(z, axis=-1)), lambda z: ag.log_softmax(z, axis=-1)],
    ids=["softmax and log", "log_softmax"],
)
def test_softmax_and_log_reach_softmax_minus_target(log_softmax: Callable[[ag.Tensor], ag.Tensor]) -> None:
    z, y = leaf([0.1, -0.2, 0.6], "z"), ag.Tensor(Y, name="y")
    _, gradient = lines(-(y * log_softmax(z)).sum(), z)
    assert gradient.endswith(" = softmax(z) - y, because sum(y) = 1")
    y = ag.Tensor(2 * Y, name="y")  # no probabilities
    _, gradient = lines(-(y * log_softmax(z)).sum(), z)
    assert gradient.endswith(" = softmax(z) × sum(y) - y")


def test_a_mean_of_squares_is_called_so() -> None:
    z, y = leaf([0.1, -0.2, 0.6], "z"), ag.Tensor(Y, name="y")
    assert lines(ag.mean((z - y) ** 2), z) == ["L = mean((z - y)²)", "z̄ = 2/3·t1 = 2/3·(z - y)"]
    told = explain(nn.functional.mse_loss(z, y), wrt=z)
    assert told.forward[0].text == "L = mean((z - y)²)"
    assert told.forward[0].right.tex == r"\operatorname{mean}\left(\left(z - y\right)^2\right)"
    assert told.backward[0].text == "z̄ = 2/3·(z - y)"


@pytest.mark.filterwarnings("ignore:invalid value")
def test_nothing_is_cancelled_where_it_is_not_a_number() -> None:
    x = leaf(0.0, "x")
    assert "x / x" in lines(x / x + x, x)[0]


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda x: (x * 10) ** 400, "(10·x)⁴⁰⁰"),
        (lambda x: (x * 1e-200) ** 2, "(1e-200·x)²"),
        (lambda x: 1 / (x * 1e-320), "1 / (1e-320·x)"),
    ],
)
def test_a_factor_whose_power_is_no_float64_stays(function: Callable[[ag.Tensor], ag.Tensor], value: str) -> None:
    x = leaf(0.5, "x")
    with np.errstate(all="ignore"):
        y = function(x)
    assert lines(y, x)[0] == f"L = {value}"


def test_numbers_with_more_digits_than_are_written_are_not_made() -> None:
    x = leaf(1.1, "x")
    (only,) = lines((0.123 * x) ** 2 * (0.457 * x), x)  # the product of the numbers would be 0.006914
    assert only == "∂L/∂x = t3 · 2·t1 · 0.123 + t2 · 0.457 = 0.246·t3·t1 + 0.457·t2"


@pytest.mark.parametrize(
    ("factors", "whole"),
    [([1e-200, 1e-200, 1e300], "1e-100·x"), ([1e200, 1e200, 1e-300], "1e100·x"), ([1e-200, 1e-200], "1e-200·1e-200·x")],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_product_that_no_float_can_hold_is_not_written_as_0_or_inf(factors: list[float], whole: str) -> None:
    x = leaf(2.0, "x")
    y = x
    for factor in factors:
        y = y * factor
    assert lines(y, x)[0].replace("·(1e-200·x)", "·1e-200·x") == f"L = {whole}"
