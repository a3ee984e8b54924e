"""The table of operations: what NumPy makes of each, and what else a test must know of it.

A `Row` drives every test of `tests/autograd/ops/test_table.py`. Its cases are drawn by Hypothesis. What an operation
may be given is said in `autograd.testing.recipes`, from where a row takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.testing import recipes
from autograd.testing.recipes import Case, standard_indices_of, standard_slices_of

Strategy = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Row:
    """What the generic tests know of an operation.

    ``reference``: the value by NumPy (or plain Python), called as the operation is. ``edges``: cases with empty and 0-d
    arrays. ``torch``: the value by PyTorch, called with its module first, or ``None``. ``keeps_dtype``: whether float32
    in means float32 out. ``standard``: the cases that the array API standard has, where that is not all. ``cases``
    draws a `Case`, in float64; it is the recipe's.
    """

    reference: Callable[..., Any]
    edges: tuple[Case, ...] = ()
    torch: Callable[..., Any] | None = None
    keeps_dtype: bool = True
    standard: Strategy | None = None
    cases: Strategy = field(default_factory=st.nothing)


# ----------------------------------------------------------------------------------------------------------- references


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


erf = np.vectorize(math.erf, otypes=[np.float64])


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return np.clip(x, min, max)


def softmax(x: Any, *, axis: Any = -1) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def logsumexp(x: Any, *, axis: Any, keepdims: bool) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def standardize(x: Any, *, axis: Any = -1, eps: float = 1e-5) -> Any:
    return (x - np.mean(x, axis=axis, keepdims=True)) / np.sqrt(np.var(x, axis=axis, keepdims=True) + eps)


def reduction_of(losses: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](losses)


def cross_entropy(logits: Any, target: Any, *, reduction: str) -> Any:
    if target.ndim < logits.ndim:
        target = np.eye(logits.shape[-1])[target]
    return reduction_of(-np.sum(target * np.log(softmax(logits)), axis=-1), reduction)


def binary_cross_entropy(logits: Any, target: Any, *, reduction: str) -> Any:
    p = sigmoid(logits)
    return reduction_of(-(target * np.log(p) + (1 - target) * np.log(1 - p)), reduction)


def linear_recurrence(a: Any, b: Any, *, axis: int = -1) -> Any:
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    y = np.empty_like(b)
    before: Any = 0.0
    for i in range(len(b)):
        before = y[i] = b[i] + a[i] * before
    return np.moveaxis(y, 0, axis)


def assigned(x: Any, value: Any, *, index: Any) -> Any:
    y = np.array(x)
    y[index] = value
    return y


def last_written(x: Any, *, index: Any) -> Any:
    written = np.full(x.shape, -1)
    picked = x[index]
    order = np.arange(picked.size).reshape(picked.shape)
    written[index] = order
    return np.where(written[index] == order, picked, 0.0)


def scattered(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape, dtype=x.dtype)
    np.add.at(y, index, x)
    return y


def scattered_take(x: Any, indices: Any, *, axis: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(math.prod(shape) if axis is None else shape, dtype=x.dtype)
    np.add.at(y, (*[slice(None)] * ((axis or 0) % y.ndim), indices), x)
    return y.reshape(shape)


def scattered_along(x: Any, indices: Any, *, axis: int, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape, dtype=x.dtype)
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = indices[place]
        y[tuple(target)] += x[place]
    return y


def argsort(x: Any, *, axis: int, descending: bool) -> Any:
    return np.argsort(-x if descending else x, axis=axis, stable=True)


def reciprocal_gaps(x: Any) -> Any:
    gaps = x[..., None, :] - x[..., :, None]
    return np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps != 0)


def solved(x: Any, y: Any) -> Any:
    return np.linalg.solve(x, y[:, None])[..., 0] if y.ndim == 1 else np.linalg.solve(x, y)


def cofactors(x: Any) -> Any:
    out = np.empty_like(x)
    for i, j in np.ndindex(x.shape[-2:]):
        minor = np.delete(np.delete(x, i, axis=-2), j, axis=-1)
        out[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


def singular_vectors(x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    return np.concat([u.mT, vh], axis=-1)


def qr_factors(x: Any) -> Any:
    q, r = np.linalg.qr(x)
    return np.concat([q.mT, r], axis=-1)


# ------------------------------------------------------------------------------------------------------------ the table

SCALAR, EMPTY = np.float64(0.7), np.zeros((0, 3))
NO_MATRIX, NO_MATRICES, ONE_BY_ONE = np.zeros((0, 0)), np.zeros((0, 2, 2)), np.array([[2.0]])
UNARY_EDGES = (Case((SCALAR,)), Case((EMPTY,)))
BINARY_EDGES = (Case((SCALAR, np.float64(0.4))), Case((EMPTY, SCALAR)), Case((EMPTY, np.ones((2, 0, 1)))))
REDUCED_EDGES = (Case((SCALAR,)), Case((SCALAR,), {"axis": (), "keepdims": True}), Case((EMPTY,), {"axis": 1}))


def unary(reference: Any, torch: str | None = None, edge: float = 0.7) -> Row:
    return Row(reference, (Case((np.float64(edge),)), Case((EMPTY,))), torch=_named(torch))


def binary(reference: Any, torch: str | None = None) -> Row:
    return Row(reference, BINARY_EDGES, torch=_named(torch))


def _named(name: str | None) -> Callable[..., Any] | None:
    """PyTorch's function of a name, dots included."""

    def call(torch: Any, *tensors: Any, **params: Any) -> Any:
        found = torch
        for part in (name or "").split("."):
            found = getattr(found, part)
        return found(*tensors, **params)

    return call if name else None


def _reducing(name: str) -> Callable[..., Any]:
    """PyTorch's reduction, which takes no ``axis=None``."""

    def call(torch: Any, x: Any, axis: Any = None, keepdims: bool = False, **params: Any) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else axis
        return getattr(torch, name)(x, dim=axes, keepdim=keepdims, **params)

    return call


def _standardizing(torch: Any, x: Any, axis: Any, eps: float) -> Any:
    axes = tuple(range(x.ndim)) if axis is None else axis
    variance, mean = torch.var_mean(x, dim=axes, keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(variance + eps)


def _clamp(torch: Any, *tensors: Any, **numbers: Any) -> Any:
    return torch.clamp(*torch.broadcast_tensors(*tensors), **numbers)


def _norm(torch: Any, x: Any, axis: Any, keepdims: bool, ord: float) -> Any:
    return torch.linalg.vector_norm(x, ord=ord, dim=axis, keepdim=keepdims)


TABLE: dict[str, Row] = {
    # elementwise
    "add": binary(np.add, torch="add"),
    "subtract": binary(np.subtract, torch="subtract"),
    "multiply": binary(np.multiply, torch="multiply"),
    "divide": binary(np.divide, torch="divide"),
    "through": binary(np.multiply),
    "over": binary(np.divide),
    "negative": unary(np.negative, torch="negative"),
    "positive": unary(np.positive, torch="positive"),
    "reciprocal": unary(lambda x: 1 / x, torch="reciprocal"),
    "remainder": binary(np.remainder, torch="remainder"),
    "floor_divide": binary(np.floor_divide),
    "power": binary(np.power, torch="pow"),
    "square": unary(np.square, torch="square"),
    "sqrt": unary(np.sqrt, torch="sqrt"),
    "hypot": binary(np.hypot, torch="hypot"),
    "exp": unary(np.exp, torch="exp"),
    "expm1": unary(np.expm1, torch="expm1"),
    "log": unary(np.log, torch="log"),
    "log1p": unary(np.log1p, torch="log1p"),
    "log2": unary(np.log2, torch="log2"),
    "log10": unary(np.log10, torch="log10"),
    "logaddexp": binary(np.logaddexp, torch="logaddexp"),
    "sin": unary(np.sin, torch="sin"),
    "cos": unary(np.cos, torch="cos"),
    "tan": unary(np.tan, torch="tan"),
    "asin": unary(np.arcsin, torch="asin"),
    "acos": unary(np.arccos, torch="acos"),
    "atan": unary(np.arctan, torch="atan"),
    "atan2": binary(np.arctan2, torch="atan2"),
    "sinh": unary(np.sinh, torch="sinh"),
    "cosh": unary(np.cosh, torch="cosh"),
    "tanh": unary(np.tanh, torch="tanh"),
    "asinh": unary(np.arcsinh, torch="asinh"),
    "acosh": unary(np.arccosh, torch="acosh", edge=1.5),
    "atanh": unary(np.arctanh, torch="atanh"),
    "abs": unary(np.abs, torch="abs"),
    "sign": unary(np.sign, torch="sign"),
    "floor": unary(np.floor, torch="floor"),
    "ceil": unary(np.ceil, torch="ceil"),
    "round": unary(np.round, torch="round"),
    "trunc": unary(np.trunc, torch="trunc"),
    "maximum": binary(np.maximum, torch="maximum"),
    "minimum": binary(np.minimum, torch="minimum"),
    "clip": Row(clip, (Case((SCALAR,)), Case((EMPTY, SCALAR)), Case((SCALAR, EMPTY, EMPTY))), torch=_clamp),
    "copysign": binary(np.copysign, torch="copysign"),
    "nextafter": Row(np.nextafter, BINARY_EDGES, keeps_dtype=True),
    "signbit": unary(np.signbit, torch="signbit"),
    "real": unary(np.real),
    "imag": unary(np.imag),
    "conj": unary(np.conj),
    "bitwise_left_shift": Row(np.left_shift, torch=_named("bitwise_left_shift")),
    "bitwise_right_shift": Row(np.right_shift, torch=_named("bitwise_right_shift")),
    "nonzero_indices": Row(lambda x: np.stack(np.nonzero(x)), (Case((EMPTY,)),)),
    "count_nonzero": Row(np.count_nonzero, REDUCED_EDGES),
    "searchsorted": Row(
        lambda x, y, sorter=None, side="left": np.searchsorted(x, y, side=side, sorter=sorter),
        (Case((np.ones(0), SCALAR)), Case((np.ones(2), EMPTY), {"side": "right"})),
    ),
    "unique_parts": Row(lambda x, part: getattr(np.unique_all(x), part), (Case((EMPTY,), {"part": "counts"}),)),
    "where": Row(
        np.where,
        (Case((np.bool_(True), SCALAR, SCALAR)), Case((np.zeros((0, 3), dtype=bool), EMPTY, SCALAR))),
        torch=_named("where"),
    ),
    "sigmoid": unary(sigmoid, torch="sigmoid"),
    "relu": unary(lambda x: np.maximum(x, 0), torch="relu"),
    "leaky_relu": unary(lambda x, slope=0.01: np.where(x > 0, x, slope * x)),
    "softplus": unary(lambda x: np.log1p(np.exp(x)), torch="nn.functional.softplus"),
    "gelu": unary(lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, torch="nn.functional.gelu"),
    "erf": unary(erf, torch="erf"),
    "equal": binary(np.equal, torch="eq"),
    "not_equal": binary(np.not_equal, torch="ne"),
    "less": binary(np.less, torch="lt"),
    "less_equal": binary(np.less_equal, torch="le"),
    "greater": binary(np.greater, torch="gt"),
    "greater_equal": binary(np.greater_equal, torch="ge"),
    "logical_and": Row(np.logical_and, torch=_named("logical_and")),
    "logical_or": Row(np.logical_or, torch=_named("logical_or")),
    "logical_xor": Row(np.logical_xor, torch=_named("logical_xor")),
    "logical_not": Row(np.logical_not, torch=_named("logical_not")),
    "bitwise_and": Row(np.bitwise_and, torch=_named("bitwise_and")),
    "bitwise_or": Row(np.bitwise_or, torch=_named("bitwise_or")),
    "bitwise_xor": Row(np.bitwise_xor, torch=_named("bitwise_xor")),
    "bitwise_invert": Row(np.bitwise_invert, torch=_named("bitwise_not")),
    "isfinite": unary(np.isfinite, torch="isfinite"),
    "isinf": unary(np.isinf, torch="isinf"),
    "isnan": unary(np.isnan, torch="isnan"),
    "astype": Row(
        lambda x, dtype: np.asarray(x).astype(dtype),
        (Case((SCALAR,), {"dtype": np.dtype("float32")}), Case((EMPTY,), {"dtype": np.dtype("float32")})),
        keeps_dtype=False,
    ),
    "to_device": Row(lambda x, device: x, (Case((SCALAR,), {"device": "cpu"}),)),
    # reductions
    "sum": Row(np.sum, (*REDUCED_EDGES, Case((EMPTY,))), torch=_reducing("sum")),
    "mean": Row(np.mean, REDUCED_EDGES, torch=_reducing("mean")),
    "var": Row(np.var, REDUCED_EDGES, torch=_reducing("var")),
    "std": Row(np.std, REDUCED_EDGES, torch=_reducing("std")),
    "across": Row(
        lambda x, *, add: add(x),
        (Case((SCALAR,), {"add": recipes.twice}), Case((EMPTY,), {"add": recipes.twice})),
        torch=lambda torch, x, *, add: add(x),
    ),
    "standardize": Row(
        standardize,
        (Case((SCALAR,), {"axis": None}), Case((np.zeros((0, 3)),)), Case((np.ones((2, 3)),), {"axis": (0, 1)})),
        torch=_standardizing,
    ),
    "logsumexp": Row(logsumexp, (Case((SCALAR,), {"axis": None, "keepdims": False}),), torch=_reducing("logsumexp")),
    "max": Row(np.max, REDUCED_EDGES, torch=_reducing("amax")),
    "min": Row(np.min, REDUCED_EDGES, torch=_reducing("amin")),
    "prod": Row(np.prod, (*REDUCED_EDGES, Case((EMPTY,)))),
    "argmax": Row(np.argmax, (Case((SCALAR,)),)),
    "argmin": Row(np.argmin, (Case((SCALAR,)),)),
    "all": Row(np.all, (*REDUCED_EDGES, Case((EMPTY,)))),
    "any": Row(np.any, (*REDUCED_EDGES, Case((EMPTY,)))),
    "cumulative_sum": Row(
        np.cumulative_sum,
        (Case((EMPTY,), {"axis": 0}), Case((EMPTY,), {"axis": 1, "include_initial": True})),
    ),
    "cumulative_prod": Row(
        np.cumulative_prod,
        (Case((EMPTY,), {"axis": 0}), Case((EMPTY,), {"axis": 1, "include_initial": True})),
    ),
    "linear_recurrence": Row(linear_recurrence, (Case((EMPTY, EMPTY)), Case((EMPTY, EMPTY), {"axis": 0}))),
    # linalg
    "matmul": Row(
        np.matmul,
        (
            Case((np.ones((2, 0)), np.ones((0, 3)))),
            Case((EMPTY, np.ones(3))),
            Case((np.ones((0, 2, 2)), np.ones((2, 2)))),
        ),
        torch=_named("matmul"),
    ),
    "matrix_transpose": Row(np.matrix_transpose, (Case((EMPTY,)),), torch=lambda torch, x: x.mT),
    "linear": Row(
        lambda x, weight, bias=0.0: x @ weight.T + bias,
        (Case((np.ones(3), np.ones((2, 3)), np.ones(2))), Case((EMPTY, np.ones((2, 3)), np.ones(2)))),
        torch=_named("nn.functional.linear"),
    ),
    "vecdot": Row(lambda x, y, axis=-1: np.sum(x * y, axis=axis), (Case((EMPTY, np.ones(3))),)),
    "contract": Row(
        lambda *arrays, subscripts: np.einsum(subscripts, *arrays),
        (
            Case((SCALAR, SCALAR), {"subscripts": ",->"}),
            Case((EMPTY, np.ones(3)), {"subscripts": "ij,j->i"}),
            Case((EMPTY,), {"subscripts": "ij->j"}),
        ),
        torch=lambda torch, *tensors, subscripts: torch.einsum(subscripts, *tensors),
    ),
    "inv": Row(np.linalg.inv, (Case((NO_MATRIX,)), Case((NO_MATRICES,))), torch=_named("linalg.inv")),
    "solve": Row(solved, (Case((NO_MATRIX, np.zeros(0))), Case((np.eye(2), np.ones((2, 0)))))),
    "pinv": Row(np.linalg.pinv, (Case((NO_MATRICES,)),), torch=_named("linalg.pinv")),
    "det": Row(np.linalg.det, (Case((NO_MATRICES,)), Case((ONE_BY_ONE,))), torch=_named("linalg.det")),
    "cofactors": Row(cofactors, (Case((NO_MATRICES,)), Case((ONE_BY_ONE,)))),
    "log_abs_det": Row(
        lambda x: np.linalg.slogdet(x)[1],
        (Case((NO_MATRIX,)), Case((NO_MATRICES,))),
        torch=lambda torch, x: torch.linalg.slogdet(x)[1],
    ),
    "sign_det": Row(lambda x: np.linalg.slogdet(x)[0], (Case((NO_MATRIX,)), Case((NO_MATRICES,)))),
    "cholesky": Row(
        np.linalg.cholesky,
        (Case((NO_MATRIX,)), Case((NO_MATRICES,)), Case((ONE_BY_ONE,), {"upper": True})),
        torch=_named("linalg.cholesky"),
    ),
    "eigvalsh": Row(np.linalg.eigvalsh, (Case((NO_MATRIX,)), Case((NO_MATRICES,))), torch=_named("linalg.eigvalsh")),
    "eigenvectors": Row(lambda x: np.linalg.eigh(x)[1], (Case((NO_MATRIX,)), Case((NO_MATRICES,)))),
    "svdvals": Row(np.linalg.svdvals, (Case((NO_MATRICES,)),), torch=_named("linalg.svdvals")),
    "singular_vectors": Row(singular_vectors, (Case((NO_MATRICES,)), Case((ONE_BY_ONE,)))),
    "qr_factors": Row(qr_factors, (Case((NO_MATRICES,)), Case((ONE_BY_ONE,)))),
    "reciprocal_gaps": Row(reciprocal_gaps, (Case((EMPTY,)), Case((np.zeros((3, 0)),)), Case((np.ones(1),)))),
    "orthogonal_complement": Row(
        lambda x: np.linalg.qr(x, mode="complete")[0][..., x.shape[-1] :],
        (Case((np.eye(3)[:, :0],)),),
    ),
    "diagonal": Row(
        np.linalg.diagonal,
        (Case((EMPTY,)), Case((np.ones((2, 3)),), {"offset": 5})),
        torch=lambda torch, x, offset: torch.diagonal(x, offset, -2, -1),
    ),
    "matrix_trace": Row(np.linalg.trace, (Case((EMPTY,)), Case((np.ones((2, 3)),), {"offset": 5}))),
    "cross": Row(
        lambda x, y, axis=-1: np.cross(x, y, axis=axis),
        (Case((EMPTY, np.ones(3))),),
        torch=lambda torch, x, y, axis: torch.linalg.cross(*torch.broadcast_tensors(x, y), dim=axis),
    ),
    "vector_norm": Row(
        np.linalg.vector_norm,
        (Case((np.float64(-2.0),)), Case((EMPTY,)), Case((np.zeros(3),)), Case((EMPTY,), {"axis": 1, "ord": 1})),
        torch=_norm,
    ),
    # shaping
    "reshape": Row(
        np.reshape,
        (Case((SCALAR,), {"shape": (1, 1)}), Case((EMPTY,), {"shape": (3, 0)})),
        torch=_named("reshape"),
    ),
    "expand_dims": Row(np.expand_dims, (Case((EMPTY,), {"axis": 0}),)),
    "squeeze": Row(np.squeeze, (Case((np.ones((0, 1)),), {"axis": 1}),)),
    "permute_dims": Row(
        np.transpose,
        (Case((SCALAR,), {"axes": ()}), Case((EMPTY,), {"axes": (1, 0)})),
        torch=lambda torch, x, axes: torch.permute(x, axes),
    ),
    "broadcast_to": Row(
        np.broadcast_to,
        (Case((SCALAR,), {"shape": (2, 0)}), Case((EMPTY,), {"shape": (2, 0, 3)})),
        torch=lambda torch, x, shape: torch.broadcast_to(x, shape),
    ),
    "concat": Row(
        lambda *arrays, axis=0: np.concat(arrays, axis=axis),
        (Case((EMPTY, np.ones((2, 3)))), Case((SCALAR, np.ones(2)), {"axis": None})),
    ),
    "stack": Row(
        lambda *arrays, axis=0: np.stack(arrays, axis=axis),
        (Case((SCALAR, SCALAR)), Case((EMPTY, EMPTY), {"axis": -1})),
        torch=lambda torch, *tensors, axis: torch.stack(tensors, dim=axis),
    ),
    "flip": Row(np.flip, (Case((SCALAR,)), Case((EMPTY,)))),
    "roll": Row(np.roll, (Case((EMPTY,), {"shift": 1}), Case((EMPTY,), {"shift": 1, "axis": 1}))),
    "repeat": Row(
        np.repeat,
        (
            Case((SCALAR,), {"repeats": 2}),
            Case((EMPTY,), {"repeats": 2, "axis": 1}),
            Case((EMPTY,), {"repeats": (1, 0, 2), "axis": 1}),
        ),
    ),
    "tile": Row(
        lambda x, repetitions: np.tile(x, reps=repetitions),
        (Case((SCALAR,), {"repetitions": (2,)}), Case((EMPTY,), {"repetitions": (2, 2)})),
        torch=lambda torch, x, repetitions: torch.tile(
            x, (repetitions,) if isinstance(repetitions, int) else repetitions
        ),
    ),
    "pad": Row(np.pad, (Case((EMPTY,), {"pad_width": 1}),)),
    "tril": Row(np.tril, (Case((EMPTY,)),)),
    "triu": Row(np.triu, (Case((EMPTY,)),)),
    # indexing
    "getitem": Row(
        lambda x, index: x[index],
        (Case((SCALAR,), {"index": None}), Case((EMPTY,), {"index": (slice(None), [0, 0])})),
        standard=recipes.indexed(standard_indices_of).cases,
    ),
    "setitem": Row(
        assigned,
        (Case((SCALAR, SCALAR), {"index": ()}), Case((EMPTY, SCALAR), {"index": (slice(None), 0)})),
        standard=recipes.assignments(standard_slices_of).cases,
    ),
    "last_written": Row(
        last_written,
        (Case((SCALAR,), {"index": ()}), Case((EMPTY,), {"index": (slice(None), [0, 0])})),
        standard=recipes.indexed(standard_slices_of).cases,
    ),
    "scatter_add": Row(
        scattered,
        (
            Case((SCALAR,), {"index": (), "shape": ()}),
            Case((np.ones((0, 2)),), {"index": (slice(None), [0, 0]), "shape": (0, 3)}),
        ),
        standard=recipes.scatters(standard_indices_of).cases,
    ),
    "take": Row(
        np.take,
        (Case((np.ones(3), np.int64(1)), {"axis": 0}), Case((EMPTY, np.array([0, 0])), {"axis": 1})),
    ),
    "scatter_take": Row(
        scattered_take,
        (Case((np.ones((0, 2)), np.array([0, 0])), {"axis": 1, "shape": (0, 3)}),),
    ),
    "take_along_axis": Row(
        np.take_along_axis,
        (Case((EMPTY, np.zeros((0, 1), dtype=np.int64)), {"axis": 1}),),
        torch=lambda torch, x, indices, axis: torch.take_along_dim(x, indices, dim=axis),
    ),
    "scatter_along_axis": Row(
        scattered_along,
        (Case((np.ones((0, 1)), np.zeros((0, 1), dtype=np.int64)), {"axis": 1, "shape": (0, 3)}),),
    ),
    "argsort": Row(argsort),
    # what a network ends in
    "softmax": Row(softmax, (Case((np.zeros((0, 3)),)),), torch=lambda torch, x, axis: torch.softmax(x, dim=axis)),
    "log_softmax": Row(
        lambda x, axis=-1: np.log(softmax(x, axis=axis)),
        (Case((np.zeros((0, 3)),)),),
        torch=lambda torch, x, axis: torch.log_softmax(x, dim=axis),
    ),
    "one_hot": Row(
        lambda labels, classes: np.eye(classes)[labels],
        (Case((np.int64(1),), {"classes": 2}),),
        keeps_dtype=False,
    ),
    "cross_entropy": Row(cross_entropy, (Case((np.ones(3), np.int64(2)), {"reduction": "mean"}),)),
    "binary_cross_entropy_with_logits": Row(
        binary_cross_entropy,
        (Case((SCALAR, SCALAR), {"reduction": "mean"}),),
        torch=_named("nn.functional.binary_cross_entropy_with_logits"),
    ),
    "squared_error": Row(
        lambda x, y, reduction: reduction_of((x - y) ** 2, reduction),
        (Case((SCALAR, SCALAR), {"reduction": "mean"}),),
        torch=_named("nn.functional.mse_loss"),
    ),
}

TABLE = {name: replace(row, cases=recipes.RECIPES[name].cases) for name, row in TABLE.items()}
