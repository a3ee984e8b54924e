"""Every operation, given what is not an array in place of each of its arrays, and arrays that only look unusual."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import AutogradError
from tests.bad_input.corpus import Explodes, Nameless, Sparse
from tests.operations import TABLE
from tests.sampling import sampled

every_operation = pytest.mark.parametrize("name", sampled(sorted(TABLE), 2))
few = settings(max_examples=3)


def call(name: str, arrays: tuple[Any, ...], params: dict[str, Any]) -> Any:
    op = ag.OPS[name]
    return op([*arrays], **params) if op.variadic else op(*arrays, **params)


def masked(x: np.ndarray) -> Any:
    if not x.size:
        return Sparse()
    hidden = np.zeros(x.shape, bool)
    hidden.flat[:1] = True
    return np.ma.masked_array(x, hidden)


NO_ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "a text": lambda x: "text",
    "bytes": lambda x: b"bytes",
    "a dict": lambda x: {"x": x},
    "a set": lambda x: {1.0},
    "a generator": lambda x: (n for n in x.flat),
    "a module": lambda x: nn.Sigmoid(),
    "a function": lambda x: np.exp,
    "ragged lists": lambda x: [[1.0], [1.0, 2.0]],
    "a list with a text": lambda x: [1.0, "2.0"],
    "a list with None": lambda x: [1.0, None],
    "an array of objects": lambda x: x.astype(object),
    "an array of texts": lambda x: x.astype(str),
    "an array of dates": lambda x: np.zeros(x.shape, "datetime64[D]"),
    "an array of fields": lambda x: np.zeros(x.shape, [("a", float)]),
    "an array with a mask": masked,
    "a sparse array": lambda x: Sparse(),
    "an object whose conversion raises": lambda x: Explodes(),
    "an object without a repr": lambda x: Nameless(),
    "an integer too large": lambda x: [2**64],
}

UNUSUAL: dict[str, Callable[[np.ndarray], Any]] = {
    "lists": lambda x: x.tolist() if x.size else x,  # an empty one tells no dtype
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "every other element": lambda x: np.stack([x, x], axis=-1)[..., 0],
    "backwards": lambda x: x[::-1].copy()[::-1] if x.ndim else x,
    "column by column": lambda x: np.array(x, order="F"),
    "the other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "a mask that hides nothing": np.ma.masked_array,
    "a subclass": lambda x: x.view(type("Sub", (np.ndarray,), {})),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
}


def replaced(arrays: tuple[Any, ...], form: Callable[[np.ndarray], Any]) -> Iterator[tuple[Any, ...]]:
    """The arrays with each in turn in that form."""
    for i, array in enumerate(arrays):
        if isinstance(array, np.ndarray | np.generic):
            yield (*arrays[:i], form(np.asarray(array)), *arrays[i + 1 :])


@every_operation
@few
@given(data=st.data())
def test_an_argument_that_is_not_an_array_raises_with_the_operations_name(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    before = [np.array(x) for x in arrays]
    for kind, form in NO_ARRAYS.items():
        for given_arrays in replaced(arrays, form):
            with pytest.raises(AutogradError) as refusal:
                call(name, given_arrays, params)
            assert str(refusal.value).startswith(name), f"{kind}: {refusal.value}"
    for x, y in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, y)


@every_operation
@few
@given(data=st.data())
def test_arrays_in_unusual_forms_are_the_same_arrays(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    expected = call(name, arrays, params)
    for form in UNUSUAL.values():
        for given_arrays in replaced(arrays, form):
            value = call(name, given_arrays, params)
            assert value.shape == expected.shape
            assert value.dtype == expected.dtype
            assert value.dtype.isnative
            np.testing.assert_allclose(value.data, expected.data, rtol=1e-13, equal_nan=True)


@every_operation
@few
@given(data=st.data())
def test_complex_numbers_are_computed_with_or_refused(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    for given_arrays in replaced(arrays, lambda x: x.astype(complex) + 1j):
        with np.errstate(all="ignore"):
            try:
                assert isinstance(call(name, given_arrays, params), ag.Tensor | tuple)
            except AutogradError as refusal:
                assert name in str(refusal) or "complex" in str(refusal)  # noqa: PT017
