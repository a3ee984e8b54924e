"""Questions that tell an argument from its stand-in: which object it is, its class, its text, its form in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import TraceError
from tests.autograd.compiler.oracle import agree

W = ag.Tensor([1.0, 2.0, 3.0])
BY_ID = {id(W): 5.0}
NUMBERS = np.arange(3.0)

IDENTITY: dict[str, Callable[..., Any]] = {
    "one argument twice": lambda x, y: x * 2 if x is y else x * y,
    "a set": lambda x, y: x * 2 if x in {y} else x * 3,
    "computed with, too": lambda x, y: (x * W, x is W, y * W, y is W),
}


@pytest.mark.parametrize("name", IDENTITY)
def test_a_tensor_that_is_also_captured_is_refused(name: str) -> None:
    compiled, f = ag.compile(IDENTITY[name]), IDENTITY[name]
    other, more = ag.Tensor([1.0, 5.0, 6.0]), ag.Tensor([4.0, 0.5, 6.0])
    captures = name == "computed with, too"
    calls = [(W, W), (W, other), (other, W), (other, other), (other, more), (more, other), (W, W), (more, more)]
    for x, y in calls * 2:
        if captures and (x is W or y is W):
            with pytest.raises(TraceError, match=r"was given \(3,\) float64, which it also captures"):
                compiled(x, y)
        else:
            agree(compiled(x, y), f(x, y), name)


@pytest.mark.parametrize("raw", [False, True])
def test_an_argument_that_is_given_twice(raw: bool) -> None:
    """The first call of an autoencoder's step; its program was run for two arrays as if they were one."""
    compiled = ag.compile(lambda x, y: x + 2 * y)
    x, y = (part.data if raw else part for part in (ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 5.0])))
    for pair in ((x, x), (x, y), (y, y), (y, x)):
        agree(compiled(*pair), pair[0] + 2 * pair[1], "given twice")
    assert len(compiled.programs) == 2


def test_a_tensor_that_is_another_at_each_call() -> None:
    """One program serves all that the function does not find."""
    compiled = ag.compile(UNSEEN["a Tensor that is found, and not computed with"])
    for _ in range(5):
        compiled(ag.ones(3))
    assert len(compiled.programs) == 1


class Own(ag.Tensor):
    """A class of the user's, with attributes."""


def test_a_tensor_has_its_class() -> None:
    def f(x: Any) -> Any:
        return x * (2 if isinstance(x, nn.Parameter) else 3 if isinstance(x, Own) else 4)

    compiled = ag.compile(f)
    with ag.no_grad():
        for x in (ag.ones(2), nn.Parameter([1.0, 2.0]), Own([1.0, 2.0]), ag.ones(2), Own([3.0, 2.0])):
            agree(compiled(x), f(x), type(x).__name__)


class Model:
    """Its own class is no argument's."""

    def __call__(self, x: Any) -> Any:
        return x * len(type(self).__name__)


def test_the_type_of_the_object_itself_can_be_asked_for() -> None:
    agree(ag.compile(Model())(NUMBERS), Model()(NUMBERS), "type(self)")


@pytest.mark.parametrize("show", [print, str, "{}".format])
def test_a_text_is_refused(show: Any) -> None:
    for x in (W, NUMBERS):
        with pytest.raises(
            TraceError, match=r"test_told_apart.py:\d+ asks for a value of x .* read or print it outside"
        ):
            ag.compile(lambda x: (show(x), x * 2)[1])(x)


def reshaped(a: Any) -> None:
    a.shape = (*a.shape[:-1], 2, -1)


def frozen(a: Any) -> None:
    a.flags.writeable = False


def turned(a: Any) -> None:
    a.dtype = "int64"


@pytest.mark.parametrize("size", [6, 12_000])
@pytest.mark.parametrize("change", [reshaped, frozen, turned])
@pytest.mark.parametrize("program", [False, True])
def test_the_form_of_a_captured_array(change: Any, size: int, program: bool) -> None:
    a = np.arange(float(size))

    def f(x: Any) -> Any:
        more = (x.sum() + a) if program else 0
        return x * a.ndim * (1 if a.flags.writeable else 7), a.dtype.kind, more

    compiled = ag.compile(f)
    agree(compiled(W), f(W), "before")
    a[0] = 5.0
    agree(compiled(W), f(W), "other numbers")
    change(a)
    for _ in range(2):
        agree(compiled(W), f(W), "another form")


def test_a_captured_array_is_returned_as_a_copy() -> None:
    a = np.arange(3.0)
    compiled = ag.compile(lambda x: (x + a, a))
    for _ in range(3):
        result, copy = compiled(W)
        assert copy is not a
        agree((result, copy), (W + a, a), "a copy")
        a[0] += 1


def test_an_error_that_the_function_catches() -> None:
    def f(x: Any, n: Any) -> Any:
        try:
            return x + n
        except ValueError:
            return x * 2

    compiled = ag.compile(f)
    for counts in ([1, 2, 0], [1, 2], [0, 0, 1]):
        agree(compiled(W, ag.Tensor(counts)), f(W, ag.Tensor(counts)), str(counts))


UNSEEN: dict[str, Callable[[Any], Any]] = {
    "the id of an argument that the function does not find": lambda x: x * BY_ID.get(id(x), 1.0),
    "a Tensor that is found, and not computed with": lambda x: x * 2 if x is W else x * 3,
    "an argument that is returned": lambda x: x,
}
"""Functions that differ; docs/compile.md lists them under "Not seen"."""


@pytest.mark.parametrize("name", UNSEEN)
def test_the_documented_blind_spots_exist(name: str) -> None:
    x: Any = NUMBERS if "array" in name else W
    eager, compiled = UNSEEN[name](x), ag.compile(UNSEEN[name])(x)
    if "returned" in name:
        assert eager is x
        assert compiled is not x
        agree(compiled, eager, "a copy")
    else:
        assert not np.array_equal(np.asarray(eager), np.asarray(compiled))
