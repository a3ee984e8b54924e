"""Compiled is eager, for every operation and for random programs of them: values, gradients, gradients of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.tracing.traced import Traced
from glassgrad.autograd.testing.strategies import programs
from tests.autograd.compiler.oracle import check, orders
from tests.calls import Case
from tests.operations import TABLE
from tests.sampling import sampled

BY_VALUES = ("nonzero_indices", "unique_parts")
"""Operations whose result has a shape that depends on values, which a program doesn't know."""

OPS = {
    name: op for name, op in ag.OPS.items() if op.__module__.startswith("glassgrad.autograd.") and name not in BY_VALUES
}
few = settings(max_examples=max(2, settings.default.max_examples // 5))  # type: ignore[union-attr]

LAYOUTS = {
    "as it is": lambda x: x,
    "Fortran's": lambda x: np.array(x, order="F"),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "read-only": lambda x: np.broadcast_to(x, x.shape),
}


def inputs_of(name: str, case: Case, dtype: str = "float64", layout: Any = LAYOUTS["as it is"]) -> list[ag.Tensor]:
    """The arrays of a case as Tensors, those that have a rule requiring grad."""
    op, found = OPS[name], []
    for i, x in enumerate(case.arrays):
        array = layout(np.asarray(x).astype(dtype) if np.asarray(x).dtype.kind == "f" else np.asarray(x))
        tensor = ag.asarray(array[()] if not array.ndim else array).detach()
        ruled = op.args[0 if op.variadic else i] in op.rules
        found.append(tensor.requires_grad_(ruled and array.dtype.kind == "f"))
    return found


def check_all_orders(name: str, case: Case, inputs: list[ag.Tensor]) -> None:
    def f(*xs: Any) -> ag.Tensor:
        return OPS[name](*xs, **case.params)  # type: ignore[no-any-return]

    for order, function in orders(f, 3 if f(*inputs).requires_grad else 1):
        check(function, *inputs, name=f"{order} of {name}")


@pytest.mark.parametrize("name", sampled(sorted(OPS), 2))
@few
@given(data=st.data())
def test_operation(name: str, data: st.DataObject) -> None:
    case = data.draw(TABLE[name].cases)
    dtype = data.draw(st.sampled_from(("float64", "float32")))
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    check_all_orders(name, case, inputs_of(name, case, dtype, layout))


@pytest.mark.parametrize("name", sampled(sorted(OPS), 2))
@few
@given(data=st.data())
def test_a_result_is_a_view_in_a_trace_where_it_is_in_eager_mode(name: str, data: st.DataObject) -> None:
    case = data.draw(TABLE[name].cases)
    inputs = [x for x in inputs_of(name, case, layout=LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]) if x.size]

    def views(*xs: Any) -> list[tuple[int, int]]:
        """The results, by number, that share the memory of an argument."""
        found = OPS[name](*xs, **case.params)
        results = [found] if isinstance(found, ag.Tensor) else [*found]
        return [(i, j) for i, y in enumerate(results) for j, x in enumerate(xs) if x.shape and y.size and shares(x, y)]

    def shares(x: ag.Tensor, y: ag.Tensor) -> bool:
        if not y.shape:  # its value is read as a number
            return False
        if isinstance(x._data, Traced):
            return x._data.memory is y._data.memory
        return np.may_share_memory(x.data, y.data)

    traced: list[Any] = []
    if len(inputs) == len(case.arrays):
        eager = views(*inputs)
        ag.trace(lambda *xs: traced.append(views(*xs)), *inputs)
        assert traced == [eager]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{i}", marks=[pytest.mark.check] if i or number % 3 else [])
        for number, name in enumerate(sorted(OPS))
        for i, case in enumerate(TABLE[name].edges)
    ],
)
def test_empty_and_0d_arrays(name: str, case: Case) -> None:
    check_all_orders(name, case, inputs_of(name, case))


@given(program=programs())
def test_random_program(program: Any) -> None:
    for order, function in orders(program):
        check(function, *program.tensors(), name=f"{order} of {program}")


@few
@given(program=programs())
def test_random_program_in_float32(program: Any) -> None:
    single = program.astype("float32")
    check(single, *single.tensors(), name=repr(single))
