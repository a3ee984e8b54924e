"""The NumPy arrays that a compiled function is given: operators, ufuncs, elements, views, and what is refused."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import TraceError
from tests.autograd.compiler.oracle import agree
from tests.sampling import sampled

V = ag.Tensor([[1.0, -2.0, 3.0], [0.5, 0.0, 1.0]], name="v")


def given(dtype: str) -> Any:
    return (np.array([[1, 0, 2], [3, 1, 2]]) + (0.25 if dtype[0] in "fc" else 0)).astype(dtype)


WITH_TENSORS: dict[str, Callable[[Any], Any]] = {
    "a sum": lambda x: V * x.sum(),
    "along an axis": lambda x: x.max(1) * V.T + x.min(axis=1),
    "joined": lambda x: np.concatenate([x, V]),
    "joined behind": lambda x: np.concatenate([V, x], axis=1),
    "stacked": lambda x: np.stack([x, V]),
    "chosen": lambda x: np.where(x > 1, V, x),
    "a product": lambda x: np.dot(x, V.T),
    "flat": lambda x: V.reshape(-1) * x.reshape(6),
    "turned": lambda x: V.T * x.T + x.transpose() - x.transpose(1, 0) * x.transpose((1, 0)),
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


def test_functions_of_numpys_whose_results_are_new_arrays() -> None:
    def f(x: Any) -> Any:
        more = np.concatenate([x, np.ones((1, 3))]), np.stack([x, x], axis=-1), np.where(x > 1, x, 0), np.clip(x, 0, 2)
        return *more, (x - x.mean(0)) / x.std(axis=0), x.clip(max=1), np.argmax(x, 1), x.cumsum(), np.sum(x), x.max(1)

    for dtype in "float64", "float32", "int64", "bool":
        x = np.array([[1, 0, 2], [3, 1, 2]]).astype(dtype)
        with np.errstate(all="ignore"):
            found, expected = ag.compile(f)(x), f(x)
        assert [*map(type, found)] == [*map(type, expected)]
        agree(found, expected, dtype)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "a function": lambda x: V * np.sort(x),
    "a function of a list": lambda x: np.hstack([x, x * 2]) * V.sum(),
    "a method": lambda x: V * x.repeat(2),
    "a method with a view": lambda x: V.reshape(-1) * x.ravel(),
    "a place for the result": lambda x: np.clip(x, 0, 1, out=x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_of_numpys_is_refused_even_where_the_error_is_caught(name: str) -> None:
    def f(x: Any) -> Any:
        try:
            return REFUSED[name](x)
        except TraceError:
            return V

    with pytest.raises(TraceError, match=r"test_arrays.py:\d+ gives x.* to NumPy .* of that name in autograd"):
        ag.compile(f)(given("float64"))


def test_the_same_array_is_returned_where_numpy_returns_it() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        same, copy = y.astype("float64", copy=False), y.astype("float64")
        y[0] = 1.0
        return same, copy

    agree(ag.compile(f)(given("float64")), f(given("float64")), "one array by several names")


ALL_DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "complex64", "complex128",
)  # fmt: skip
BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lt", "le", "gt", "ge", "eq", "ne",
    "lshift", "rshift",
)  # fmt: skip
IN_PLACE = (
    "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "ilshift", "irshift",
)  # fmt: skip
NUMBERS = (True, 2, 2.0, 0, -1, 0.5, 2j, np.float32(2), np.float64(2), np.int8(2), np.int64(2), np.bool_(True))


def operations_on(x: Any, others: list[Any]) -> dict[str, Callable[[Any, list[Any]], Any]]:
    """Operators on ``x`` and each of the others, except those that NumPy refuses."""

    def with_others(name: str, i: int | None) -> list[tuple[str, Callable[[Any, list[Any]], Any]]]:
        operate = getattr(operator, name)
        if i is None:
            return [(name, lambda x, ys: operate(x))]
        if name in IN_PLACE:
            return [(f"{name} {i}", lambda x, ys: operate(x.copy(), ys[i]))]
        forms = [(f"{name} {i}", lambda x, ys: operate(x, ys[i]))]
        return [*forms, (f"{name} {i} swapped", lambda x, ys: operate(ys[i], x))]

    names = [*BINARY, *(IN_PLACE if isinstance(x, np.ndarray) else ())]
    pairs = [(name, i) for name in names for i in range(len(others))]
    pairs += [(name, None) for name in ("neg", "pos", "abs", "invert")]
    found = {}
    for text, form in [form for pair in pairs for form in with_others(*pair)]:
        try:
            form(x, others)
        except Exception:  # what NumPy refuses, in an error of any kind
            continue
        found[text] = form
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(3,), ()], ids=str)
@pytest.mark.parametrize("dtype", sampled(ALL_DTYPES, 4))
def test_operators_have_numpys_dtypes(dtype: str, shape: tuple[int, ...]) -> None:
    x = np.array([1, 2, 3])[: 3 if shape else 1].astype(dtype).reshape(shape)
    arrays = [np.array([3, 1, 2])[: 3 if shape else 1].astype(other).reshape(shape) for other in ALL_DTYPES]
    count = 0
    for values in arrays, list(NUMBERS):
        operations = operations_on(x, values)
        texts, forms = [*operations], [*operations.values()]
        count += len(forms)
        if values is arrays:
            found = ag.compile(lambda x, *ys, forms=forms: [form(x, ys) for form in forms])(x, *values)
        else:
            found = ag.compile(lambda x, forms=forms: [form(x, NUMBERS) for form in forms])(x)
        for text, form, got in zip(texts, forms, found, strict=True):
            wanted = form(x, values)
            assert type(got) is type(wanted), (text, dtype)
            agree(got, wanted, f"{text} of {dtype}")
    assert count > 100


NUMBERS_AND_ARRAYS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda a: a,
    "a copy": lambda a: a.copy(),
    "another dtype": lambda a: a.astype("float32"),
    "a sum": lambda a: a.sum(),
    "an element": lambda a: a[()],
    "a view": lambda a: a[...],
    "a Tensor": ag.asarray,
    "kinds": lambda a: [isinstance(x, kind) for x in (a, a + 1, a[()]) for kind in (np.ndarray, np.floating, float)],
}
ALIASES: dict[str, Callable[[Any], Any]] = {
    "the same": lambda a: a,
    "an element": lambda a: a.reshape(-1)[0],
    "a view": lambda a: a[...],
    "a sum": lambda a: a.sum(),
    "a sum as an array": lambda a: a.sum().reshape(1),
    "joined": lambda a: a.reshape(1),
    "a copy": lambda a: a.copy(),
    "a Tensor": lambda a: ag.asarray(a).detach(),
}


@pytest.mark.parametrize("shape", [(), (1,)], ids=str)
@pytest.mark.parametrize("name", NUMBERS_AND_ARRAYS)
def test_arrays_without_axes_are_no_numbers(name: str, shape: tuple[int, ...]) -> None:
    f = NUMBERS_AND_ARRAYS[name]
    x = np.full(shape, -2.0)
    found, expected = ag.compile(f)(x), f(x)
    assert type(found) is type(expected)
    agree(found, expected, name)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("shape", [(), (1,)], ids=str)
@pytest.mark.parametrize("name", ALIASES)
def test_writes_are_seen_through_other_names(name: str, shape: tuple[int, ...], first: bool) -> None:
    def f(x: Any) -> Any:
        t = x.copy()
        u = ALIASES[name](t)
        if first:
            t *= 3
        elif isinstance(u, ag.Tensor):
            t += 1
        else:
            u *= 3
        return t, u

    for x in np.full(shape, 2.0), np.full(shape, -1.0):
        for found, expected in zip(ag.compile(f)(x), f(x), strict=True):
            assert type(found) is type(expected)
            agree(found, expected, name)


@functools.singledispatch
def doubled(x: Any) -> str:
    return f"no array: {x}"


@doubled.register
def _(x: np.ndarray) -> Any:
    return x * 2


def matched(x: Any) -> Any:
    match x:
        case np.ndarray():
            return x.sum(axis=0)
        case ag.Tensor():
            return x * 3


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 1 if isinstance(x, np.ndarray) else x,
        lambda x: x * 2 if x.__class__ is np.ndarray else x * 3,
        lambda x: [x, isinstance(x, type), np.isscalar(x[0, 0])],
        doubled,
        matched,
    ],
)
def test_an_array_is_an_instance_of_its_class(f: Callable[[Any], Any]) -> None:
    compiled = ag.compile(f)
    for x in given("float64"), given("float64") + 1:
        agree(compiled(x), f(x), "chosen by its class")


@pytest.mark.parametrize("kind", [float, np.generic, np.ndarray, np.float64])
def test_a_number_of_numpy_among_the_arguments_is_an_instance_of_its_class(kind: type) -> None:
    def chosen(x: Any) -> Any:
        return x * 2 if isinstance(x, kind) else x * 3

    compiled = ag.compile(chosen)
    for x in np.float64(2), np.array(2.0), np.float32(2), np.int64(2):
        agree(compiled(x), chosen(x), f"{type(x).__name__} is {kind.__name__}")


def test_the_data_of_a_tensor_of_shape_zero_is_a_number() -> None:
    """Seed 205624410 of the search: after a write it was an array."""

    def step(x: Any) -> Any:
        total = x.sum()
        with ag.no_grad():
            w[...] = w - 0.5
            total[...] = 2.0
        return w.data, total.data, x[0, 0, ...].data

    w, x = ag.Tensor(2.0, name="w"), ag.Tensor(given("float64"))
    kinds = [type(part) for part in step(x)]
    w = ag.Tensor(2.0, name="w")
    assert [type(part) for part in ag.compile(step)(x)] == kinds == [np.float64] * 3
