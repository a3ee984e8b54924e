"""NumPy's own functions and methods of the NumPy arrays that a compiled function is given."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd.compiler.tracing.traced import FUNCTIONS, METHODS
from autograd.errors import TraceError
from tests.autograd.compiler.oracle import agree

DTYPES = ("float64", "float32", "float16", "int64", "int8", "uint8", "bool", "complex128")
V = ag.Tensor([[1.0, -2.0, 3.0], [0.5, 0.0, 1.0]], name="v")


def given(dtype: str) -> Any:
    return (np.array([[1, 0, 2], [3, 1, 2]]) + (0.25 if dtype[0] in "fc" else 0)).astype(dtype)


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "clip": (0, 2), "cumprod": (0,), "cumsum": (1,), "repeat": (2,), "swapaxes": (0, 1), "take": ([0, -1],),
    "broadcast_to": ((2, 2, 3),), "expand_dims": (1,), "moveaxis": (0, 1), "pad": (1,), "reshape": ((3, 2),),
    "roll": (1,), "tile": (2,),
}  # fmt: skip
CALLS: dict[str, Callable[[Any], Any]] = {
    "concatenate": lambda x: np.concatenate([x, x]),
    "concatenate with another": lambda x: np.concatenate([x, np.ones((1, 3), "float32")]),
    "stack": lambda x: np.stack([x, x], axis=-1),
    "hstack": lambda x: np.hstack([x, x]),
    "vstack": lambda x: np.vstack([x, x]),
    "dot": lambda x: np.dot(x, x.T),
    "inner": lambda x: np.inner(x, x),
    "outer": lambda x: np.outer(x, x),
    "einsum": lambda x: np.einsum("ij->ji", x),
    "where": lambda x: np.where(x != 1, x, 0),
    "where of numbers": lambda x: np.where(x, x, x + 1),
    "argsort": lambda x: np.argsort(x, axis=0, stable=True),
    "the method clip": lambda x: x.clip(1),
    "the method clip by a keyword": lambda x: x.clip(max=1),
    "the method conj": lambda x: x.conj(),
}


def test_methods_and_functions_are_those_of_numpy() -> None:
    for name in {*FUNCTIONS, *CALLS}:
        for dtype in DTYPES:
            x = given(dtype)
            forms = [CALLS[name]] if name in CALLS else []
            if name not in CALLS:
                function: Any = np.linalg.norm if name == "linalg.norm" else getattr(np, name)
                forms.append(lambda x, f=function, name=name: f(x, *ARGUMENTS.get(name, ())))
            if name in METHODS:
                forms.append(lambda x, name=name: getattr(x, name)(*ARGUMENTS.get(name, ())))
            for form in forms:
                with np.errstate(all="ignore"):
                    try:
                        expected = form(x)
                    except TypeError:  # the clip of complex numbers
                        continue
                    try:
                        found = ag.compile(form)(x)
                    except TraceError:  # refused, in a sentence
                        assert dtype not in ("float64", "float32"), name
                        continue
                assert type(found) is type(expected), (name, dtype)
                agree(found, expected, f"{name} of {dtype}")


WITH_TENSORS: dict[str, Callable[[Any], Any]] = {
    "a sum": lambda x: V * x.sum(),
    "along an axis": lambda x: x.max(1) * V.T + x.mean(axis=1),
    "joined": lambda x: np.concatenate([x, V]),
    "joined behind": lambda x: np.concatenate([V, x], axis=1),
    "joined before": lambda x: np.concatenate([x, x * 2]) * V.sum(),
    "stacked": lambda x: np.stack([x, V]),
    "chosen": lambda x: np.where(x > 1, V, x),
    "a product": lambda x: np.dot(x, V.T),
    "flat": lambda x: V.reshape(-1) * x.ravel() + x.flatten(),
    "turned": lambda x: V.T * x.transpose() + x.transpose(1, 0) - x.transpose((1, 0)),
    "another name": lambda x: np.arctan(x) * np.absolute(x) + V,
    "a copy": lambda x: V * x.copy(),
}


@pytest.mark.parametrize("name", WITH_TENSORS)
def test_arrays_meet_tensors(name: str) -> None:
    f = WITH_TENSORS[name]
    compiled = ag.compile(f)
    for x in (given("float64"), -given("float64")):
        agree(compiled(x), f(x), name)
    assert len(compiled.programs) == 1


def test_an_array_and_a_tensor_of_one_shape_have_programs_of_their_own() -> None:
    compiled = ag.compile(lambda x, y: (x * 2, y if isinstance(y, ag.Tensor) else -y))
    x = given("float64")
    for args in ((x, V), (V, x), (x, x), (V, V)):
        found, expected = compiled(*args), compiled.function(*args)
        assert [*map(type, found)] == [*map(type, expected)]
        agree(found, expected, "arrays and Tensors")
    assert len(compiled.programs) == 4


def test_a_copy_is_written_to_alone() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        copy, flat, turned = y.copy(), y.flatten(), y.transpose()
        y[0] = 1.0
        turned[1] = 7.0
        return copy, flat, turned, y

    agree(ag.compile(f)(given("float64")), f(given("float64")), "copies and a view")


def test_a_call_that_only_numpy_takes_is_refused_even_where_the_error_is_caught() -> None:
    def f(x: Any) -> Any:
        try:
            return V * np.sum(x, initial=2.0)
        except (TypeError, TraceError):
            return V

    with pytest.raises(TraceError, match=r"test_arrays.py:\d+ calls np.sum of x .*'initial'"):
        ag.compile(f)(given("float64"))


def test_the_same_array_is_returned_where_numpy_returns_it() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        same, conjugate, copy = y.astype("float64", copy=False), y.conj(), y.astype("float64")
        y[0] = 1.0
        return same, conjugate, copy

    agree(ag.compile(f)(given("float64")), f(given("float64")), "one array by several names")


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.einsum("ii->i", x[:, :2] * 2.0),  # a view there, a copy here
        lambda x: np.linalg.norm(x.astype("int64"), ord=np.inf, axis=1),
        lambda x: np.sum(x, dtype=bool),
        lambda x: x.reshape(-1, order="F"),
    ],
)
def test_calls_with_another_result_are_refused(f: Callable[[Any], Any]) -> None:
    with pytest.raises(TraceError, match=r"test_arrays.py:\d+ calls np\..* while the function is traced"):
        ag.compile(f)(given("float64"))


def test_an_argument_without_axes_is_not_written_to() -> None:
    def f(x: Any) -> Any:
        x *= 2.0
        return x

    with pytest.raises(TraceError, match="writes to the argument x"):
        ag.compile(f)(np.array(2.0))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.ravel("K"),  # the order of memory is no part of a trace
        lambda x: x.T.flatten("A"),
        lambda x: np.ravel(x, order="K"),
        lambda x: x.argsort(),  # the order of equal elements is NumPy's choice
        lambda x: x.astype("int64", casting="safe"),
        lambda x: np.split(x, 2),  # a list there, a tuple here
        lambda x: np.linalg.eigh(x @ x.T),  # of one triangle there, of both here
        lambda x: np.fabs(x.astype("int64")),
        lambda x: np.add(x, 1, where=x > 1),
        np.add.reduce,
        lambda x: x.sort(),
        lambda x: x.dot(V),
        lambda x: x.view("int8"),
        lambda x: np.asarray(x) + V,
        lambda x: x == None,  # noqa: E711
        lambda x: x * Fraction(1, 2),
    ],
)
def test_others_are_refused(f: Callable[[Any], Any]) -> None:
    with pytest.raises(TraceError, match=r"test_arrays.py:\d+ gives .* to NumPy while the function is traced"):
        ag.compile(f)(given("float64"))
