"""The table of primitives: what a row infers is what it computes, for every row."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.ir import inference
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS, compute, infer, is_view, row_of
from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.errors import DeclarationError
from tests.declared import declared

DTYPES = ("bool", "uint8", "int8", "int64", "float16", "float32", "float64", "complex64", "complex128")


def like(array: Any) -> Any:
    """What inference sees of an array: no numbers."""
    return SimpleNamespace(shape=array.shape, dtype=array.dtype, kind="temporary")


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
def test_elementwise_rows(name: str) -> None:
    """In every dtype, and refused exactly where NumPy refuses it."""
    count = getattr(np, name).nin
    for dtypes in itertools.product(DTYPES, repeat=count):
        arrays = [np.ones((2, 1) if i else (3,), dtype) for i, dtype in enumerate(dtypes)]
        try:
            with np.errstate(all="ignore"):
                expected = compute(name, {}, arrays)
        except TypeError:
            with pytest.raises(TypeError):
                infer(name, {}, list(map(like, arrays)))
        else:
            assert infer(name, {}, list(map(like, arrays))) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(name: str, keepdims: bool) -> None:
    for dtype, axis, shape in itertools.product(DTYPES, [None, (), (0,), (0, 1)], [(2, 3), (0, 3), (2, 0)]):
        x, params = np.ones(shape, dtype), {"axis": axis, "keepdims": keepdims}
        try:
            expected = compute(name, params, [x])
        except ValueError:
            with pytest.raises(ValueError, match="zero-size"):
                infer(name, params, [like(x)])
        else:
            assert infer(name, params, [like(x)]) == (expected.shape, expected.dtype)


X, Y, V, S = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4), np.arange(3.0), np.eye(3) * 2
K, J = np.array([[0, 1], [1, 0]]), np.array([2, 0])
ROWS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("matmul", [X, Y], {}), ("matmul", [V, Y], {}), ("matmul", [V, V], {}), ("matmul", [np.ones((5, 2, 3)), Y], {}),
    ("where", [X > 1, X, V], {}), ("astype", [X], {"dtype": np.dtype("int8")}), ("copy", [X], {}),
    ("reshape", [X], {"shape": (3, 2)}), ("broadcast_to", [V], {"shape": (4, 3)}),
    ("permute_dims", [np.ones((2, 3, 4))], {"axes": (2, 0, 1)}),
    ("piece", [np.arange(9.0)], {"start": 2, "shape": (2, 3)}), ("pack", [X, V], {}),
    ("take_sure", [X, K], {"axis": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "arrays", "params"), ROWS)
def test_rows_of_shapes(op: str, arrays: Any, params: Any) -> None:
    found = compute(op, params, arrays)
    assert infer(op, params, list(map(like, arrays))) == (found.shape, found.dtype)


INDICES = [
    0, -1, slice(None), slice(4, 0, -2), ..., None, True, False, (), (0, 1), (slice(1, None), None, 2), (..., 0), [], J,
    (None, ..., None), [1, 0], (J, slice(None), J), (slice(None), J, 0), (0, slice(None), J), (J, None, 0), (True, J),
    (slice(None), K, J), np.array([True, False]), (slice(None), np.array([True, False, True]), J), (J, ..., J),
    np.ones((2, 3), bool),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_indexing(index: Any) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    if isinstance(index, tuple) and any(part is J for part in index):
        index = tuple(np.array([1, 0]) if part is J else part for part in index)
    elif index is J:
        index = np.array([1, 0])
    assert inference.getitem(x, index=index) == (x[index].shape, x.dtype)
    assert inference.written(x, x[index], index=index) == (x.shape, x.dtype)


@pytest.mark.parametrize(
    "index", [2, -3, (0, 0, 0, 0), (..., ...), 1.5, "a", np.ones(3, bool), (0, np.array([0.5]))], ids=repr
)
def test_indices_that_numpy_refuses(index: Any) -> None:
    x = np.zeros((2, 3, 4))
    with pytest.raises(IndexError):
        x[index]
    with pytest.raises(IndexError):
        inference.getitem(x, index=index)


def test_other_names_have_no_row() -> None:
    for name in ("f2py.os.system", "no_such_function", "ndarray", "pi", "linalg.linalg.svd", "add.at", "__doc__"):
        with pytest.raises(DeclarationError, match=f"a program has no operation '{name}'"):
            row_of(name)


def test_a_function_without_a_rule_is_found_by_calling_it() -> None:
    kronecker = declared(lambda xp, x, y: xp.kron(x, y), "kronecker")
    program = ag.trace(kronecker, np.ones((2, 3)), np.ones((4, 1)))
    assert [(i.op, i.out.shape) for i in program.instructions] == [("kron", (8, 3))]


@pytest.mark.parametrize(
    ("op", "params", "count", "expected"),
    [
        ("reshape", {"shape": (6,)}, 1, True),
        ("piece", {}, 1, True),
        ("getitem", {"index": (0, slice(None), None, ...)}, 1, True),
        ("getitem", {"index": [0, 1]}, 1, False),
        ("getitem", {"index": True}, 1, False),
        ("getitem", {"index": 0}, 2, False),
        ("add", {}, 2, False),
        ("copy", {}, 1, False),
    ],
)
def test_views(op: str, params: Any, count: int, expected: bool) -> None:
    x = Value("input", (2, 3), np.dtype("float64"), "x")
    assert is_view(Instruction(op, (x,) * count, params, x)) is expected
