"""The table of operations: one row for each operation of this package.

A row says what the operation takes (as `autograd.testing.declare` does for your own operations), and by which function
of NumPy or plain Python its values are tested; gradients are by differences, and with PyTorch's own samples
(`tests/conformance`). The generic tests, the random programs, and the tests of graphs, pictures and compiled code read
this table. A new operation needs a row here::

    "sinc": Row(np.sinc),
    "log": Row(np.log, {"x": POSITIVE}),
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from glassgrad.autograd.backends.spaces import scipy_special
from glassgrad.autograd.engine.operation import OPS, Op
from glassgrad.autograd.errors import DeclarationError
from glassgrad.autograd.testing.declarations import (
    DECLARED,
    INSIDE,
    INTEGERS,
    NONZERO,
    POSITIVE,
    STEPS,
    Declaration,
    Domain,
    array,
    axes,
    axis,
    booleans,
    declaration,
    integers,
)
from glassgrad.autograd.testing.strategies import Source, Strategy, case_of, one_axis
from tests import calls
from tests.calls import Case

Cases = Callable[[Source], Case]


@dataclass(frozen=True)
class Row:
    """The inputs and references of one operation.

    ``reference``: its value by NumPy or plain Python, called as the operation is. ``takes``: what each argument and
    parameter takes, or a function that makes calls from a `Source`. ``edges``: calls with empty and 0-d arrays.
    ``keeps_dtype``: whether float32 in means float32 out.
    """

    reference: Callable[..., Any]
    takes: Mapping[str, Any] | Cases = field(default_factory=dict)
    edges: tuple[Case, ...] | None = None
    keeps_dtype: bool = True
    name: str = ""

    @property
    def cases(self) -> st.SearchStrategy[Case]:
        """Calls with fresh arrays."""
        return cases(DECLARED[self.name])


def cases(declaration: Declaration) -> st.SearchStrategy[Case]:
    """Calls of an operation, with new arrays."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Case:
        arrays, params = case_of(declaration, Source(draw))
        return Case(*arrays, **params)

    return drawn()


def _declared(op: Op, takes: Mapping[str, Any] | Cases) -> Declaration:
    return declaration(op, takes, {}) if callable(takes) else declaration(op, None, takes)


# ----------------------------------------------------------------------------------------------------------- references


def _scan(carry: Any, xs: Any, weight: Any, loop: Any) -> Any:
    ys = np.empty_like(xs)
    for t in reversed(range(len(xs))) if loop.reverse else range(len(xs)):
        carry = np.tanh(carry * weight + xs[t])
        ys[t] = carry * xs[t]
    return np.concat([carry, ys.reshape(-1)])


def _pad(x: Any, pad_width: Any, constant_values: Any = 0, mode: str = "constant") -> Any:
    if mode == "constant":
        return np.pad(x, pad_width, constant_values=constant_values)
    return np.pad(x, pad_width, mode=mode)  # type: ignore[call-overload]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _windows(x: Any, size: Any, stride: Any, padding: Any, dilation: Any, value: float = 0.0) -> Any:
    """The windows of x as (n, channels, *windows, *size)."""
    count = x.ndim - 2
    size, stride, dilation = (np.broadcast_to(v, (count,)) for v in (size, stride, dilation))
    pads = ((p, p) if np.ndim(p) == 0 else p for p in ((padding,) * count if np.ndim(padding) == 0 else padding))
    x = np.pad(x, ((0, 0), (0, 0), *pads), constant_values=value)
    for i, (k, s, d) in enumerate(zip(size, stride, dilation, strict=True), 2):
        count = (x.shape[i] - d * (k - 1) - 1) // s + 1
        x = np.moveaxis(np.take(x, s * np.arange(count)[:, None] + d * np.arange(k), axis=i), i + 1, -1)
    return x


def _conv(x: Any, weight: Any, bias: Any = None, *, groups: int = 1, **windows: Any) -> Any:
    seen = _windows(x, weight.shape[2:], **({"stride": 1, "padding": 0, "dilation": 1} | windows))
    n, axes = len(x), weight.ndim - 2
    seen = seen.reshape(n, groups, x.shape[1] // groups, *seen.shape[2:])
    weight = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    taps = range(4 + axes, 4 + 2 * axes)
    out = np.einsum(
        seen, [0, 1, 2, *range(4, 4 + axes), *taps], weight, [1, 3, 2, *taps], [0, 1, 3, *range(4, 4 + axes)]
    )
    out = out.reshape(n, out.shape[1] * out.shape[2], *out.shape[3:])
    return out if bias is None else out + bias.reshape(-1, *(1,) * axes)


def _transposed(function: Callable[..., Any], y: Any, shape: Any) -> Any:
    """The adjoint of a linear ``function`` of arrays of ``shape``, applied to ``y``: from a unit array per element."""
    units = np.eye(math.prod(shape)).reshape(math.prod(shape), *shape)
    return np.array([np.sum(function(unit) * y) for unit in units]).reshape(shape)


def _max_pool(x: Any, **windows: Any) -> Any:
    return _windows(x, value=-np.inf, **_filled(windows)).max(axis=tuple(range(x.ndim, 2 * x.ndim - 2)))


def _sum_pool(x: Any, **windows: Any) -> Any:
    return _windows(x, **_filled(windows)).sum(axis=tuple(range(x.ndim, 2 * x.ndim - 2)))


def _filled(windows: dict[str, Any]) -> dict[str, Any]:
    """Parameters of windows, completed by the defaults of the operation."""
    return {"stride": windows["size"], "padding": 0, "dilation": 1} | windows


def _at_max(y: Any, x: Any, **windows: Any) -> Any:
    seen, wanted, inside = (
        _windows(a, value=value, **_filled(windows)) for a, value in ((x, -np.inf), (y, 0.0), (np.ones(x.shape), 0.0))
    )
    shape = (*seen.shape[: x.ndim], math.prod(seen.shape[x.ndim :]))
    seen, wanted, inside = (a.reshape(shape) for a in (seen, wanted, inside))
    first = ((seen == seen.max(axis=-1, keepdims=True)) & (inside == 1)).argmax(axis=-1)
    last = seen.shape[-1] - 1 - np.isnan(seen)[..., ::-1].argmax(axis=-1)
    found = np.where(np.isnan(seen).any(axis=-1), last, first)
    return np.take_along_axis(wanted, found[..., None], axis=-1)[..., 0]


def _unfold(x: Any, **windows: Any) -> Any:
    seen = _windows(x, **({"stride": 1, "padding": 0, "dilation": 1} | windows))
    axes = x.ndim - 2
    seen = np.moveaxis(seen, range(2 + axes, 2 + 2 * axes), range(2, 2 + axes))
    taps, count = math.prod(seen.shape[2 : 2 + axes]), math.prod(seen.shape[2 + axes :])
    return seen.reshape(len(x), x.shape[1] * taps, count)


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return np.clip(x, min, max)


def _softmax(x: Any, *, axis: Any = -1) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _logsumexp(x: Any, *, axis: Any, keepdims: bool) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def _standardize(x: Any, *, axis: Any = -1, eps: float = 1e-5) -> Any:
    return (x - np.mean(x, axis=axis, keepdims=True)) / np.sqrt(np.var(x, axis=axis, keepdims=True) + eps)


def _reduction_of(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else np.mean(losses) if reduction == "mean" else np.sum(losses)


def _cross_entropy(logits: Any, target: Any, *, reduction: str) -> Any:
    if target.ndim < logits.ndim:
        target = np.eye(logits.shape[-1])[target]
    return _reduction_of(-np.sum(target * np.log(_softmax(logits)), axis=-1), reduction)


def _binary_cross_entropy(logits: Any, target: Any, *, reduction: str) -> Any:
    p = _sigmoid(logits)
    return _reduction_of(-(target * np.log(p) + (1 - target) * np.log(1 - p)), reduction)


def _assigned(x: Any, value: Any, *, index: Any) -> Any:
    y = np.array(x)
    y[index] = value
    return y


def _last_written(x: Any, *, index: Any) -> Any:
    written = np.full(x.shape, -1)
    picked = x[index]
    order = np.arange(picked.size).reshape(picked.shape)
    written[index] = order
    return np.where(written[index] == order, picked, 0.0)


def _scattered(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape, dtype=x.dtype)
    np.add.at(y, index, x)
    return y


def _scattered_take(x: Any, indices: Any, *, axis: Any, shape: tuple[int, ...]) -> Any:
    y = np.zeros(math.prod(shape) if axis is None else shape, dtype=x.dtype)
    np.add.at(y, (*[slice(None)] * ((axis or 0) % y.ndim), indices), x)
    return y.reshape(shape)


def _scattered_along(x: Any, indices: Any, *, axis: int, shape: tuple[int, ...]) -> Any:
    y = np.zeros(shape, dtype=x.dtype)
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = indices[place]
        y[tuple(target)] += x[place]
    return y


def _argsort(x: Any, *, axis: int, descending: bool, stable: bool) -> Any:
    return np.argsort(-x if descending else x, axis=axis, stable=True)


def _reciprocal_gaps(x: Any) -> Any:
    gaps = x[..., None, :] - x[..., :, None]
    return np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps != 0)


def _singular_vectors(x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    return np.concat([u.mT, vh], axis=-1)


def _qr_factors(x: Any) -> Any:
    q, r = np.linalg.qr(x)
    return np.concat([q.mT, r], axis=-1)


# ------------------------------------------------------------------------------------------------------------ the table

BOOLS = st.booleans()
THIRDS = Domain(only=tuple(k + f for k in range(-3, 3) for f in (0.3, 0.7)))
UNITS = Domain(only=(1.0, 2.0, -1.0, -2.0))
DISTINCT = array(distinct=True)
TRUTHS = {"x": booleans(), "y": booleans()}
MATRIX = {"x": "... n m"}
ALONG = {"axis": axis()}
REDUCED = {"axis": axes(), "keepdims": BOOLS}

SQUARE, SYMMETRIC = (partial(calls.matrices, kind=kind) for kind in ("square", "symmetric"))

SCALAR, EMPTY = np.float64(0.7), np.zeros((0, 3))
NO_MATRIX, NO_MATRICES, ONE_BY_ONE = np.zeros((0, 0)), np.zeros((0, 2, 2)), np.array([[2.0]])
PLACE_EDGES = (Case(SCALAR), Case(SCALAR, axis=-1), Case(SCALAR, axis=0, keepdims=True))
UNARY_EDGES = (Case(SCALAR), Case(EMPTY))
BINARY_EDGES = (Case(SCALAR, np.float64(0.4)), Case(EMPTY, SCALAR), Case(EMPTY, np.ones((2, 0, 1))))
REDUCED_EDGES = (Case(SCALAR), Case(SCALAR, axis=(), keepdims=True), Case(EMPTY, axis=1))
MATRIX_EDGES = (Case(NO_MATRIX), Case(NO_MATRICES))


def running(x: Any) -> Strategy:
    """Strategy of the axis of a cumulative function; ``None`` only for a vector."""
    ndim = len(x.shape)
    return one_axis(ndim) | st.none() if ndim == 1 else one_axis(ndim)


class _Twice:
    """The function ``x + x``, with a repr that can be run in a printed program."""

    def __call__(self, x: Any) -> Any:
        return x + x

    def __repr__(self) -> str:
        return "(lambda x: x + x)"

    def __reduce__(self) -> str:
        return "twice"  # copied and pickled by name


twice = _Twice()


def _alike(names: str, takes: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Row]:
    """Rows of operations that NumPy has under the same name."""
    return {name: Row(getattr(np, name), takes or {}, **options) for name in names.split()}


TABLE: dict[str, Row] = {
    # elementwise: NumPy has these under the same name
    **_alike(
        "add subtract multiply negative positive square exp expm1 logaddexp sin cos sinh cosh "
        "tanh atan asinh sinc exp2 signbit isfinite isinf isnan"
    ),
    **_alike("reciprocal abs sign", {"x": NONZERO}),
    **_alike("sqrt log log2 log10", {"x": POSITIVE}),
    **_alike("asin acos atanh", {"x": INSIDE}),
    **_alike("floor ceil round trunc", {"x": STEPS}),
    **_alike("maximum minimum", {"x": DISTINCT, "y": DISTINCT}),
    **_alike("atan2 copysign", {"x": NONZERO, "y": NONZERO}),
    **_alike("not_equal less less_equal greater greater_equal", {"x": INTEGERS, "y": INTEGERS}),
    **_alike("logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor", TRUTHS, edges=()),
    **_alike(
        "bitwise_left_shift bitwise_right_shift", {"x": integers(low=-99, below=100), "y": integers(below=6)}, edges=()
    ),
    # elementwise
    "divide": Row(np.divide, {"y": NONZERO}),
    "multiply_no_nan": Row(np.multiply),
    "xdivy": Row(np.divide, {"y": NONZERO}),
    "remainder": Row(np.remainder, {"x": THIRDS, "y": UNITS}),
    "floor_divide": Row(np.floor_divide, {"x": THIRDS, "y": UNITS}),
    "power": Row(np.power, {"x": Domain(0.2, 4.0), "y": Domain(limits=(-4.0, 4.0))}),
    "hypot": Row(np.hypot, {"x": NONZERO}),
    "log1p": Row(np.log1p, {"x": Domain(-0.8, 3.0, limits=(-0.8, math.inf))}),
    "tan": Row(np.tan, {"x": Domain(-1.3, 1.3)}),
    "acosh": Row(
        np.arccosh, {"x": Domain(1.2, 4.0, limits=(1.2, math.inf))}, edges=(Case(np.float64(1.5)), Case(EMPTY))
    ),
    "clip": Row(_clip, calls.limited, edges=(Case(SCALAR), Case(EMPTY, SCALAR), Case(SCALAR, EMPTY, EMPTY))),
    "nextafter": Row(np.nextafter, {"x": NONZERO, "y": NONZERO}),
    "real": Row(np.real),
    "imag": Row(np.imag),
    "conj": Row(np.conj),
    "nonzero_indices": Row(lambda x: np.stack(np.nonzero(x)), {"x": array("... n", INTEGERS)}, edges=(Case(EMPTY),)),
    "count_nonzero": Row(np.count_nonzero, {"x": INTEGERS} | REDUCED, edges=REDUCED_EDGES),
    "searchsorted": Row(
        lambda x, y, sorter=None, side="left": np.searchsorted(x, y, side=side, sorter=sorter),
        calls.searches,
        edges=(Case(np.ones(0), SCALAR), Case(np.ones(2), EMPTY, side="right")),
    ),
    "unique_parts": Row(
        lambda x, part: getattr(np.unique_all(x), part),
        {"x": INTEGERS, "part": st.sampled_from(("indices", "inverse_indices", "counts"))},
        edges=(Case(EMPTY, part="counts"),),
    ),
    "where": Row(
        np.where,
        {"condition": booleans()},
        edges=(
            Case(np.bool_(True), SCALAR, SCALAR),
            Case(np.zeros((0, 3), dtype=bool), EMPTY, SCALAR),
            Case(np.array([0, 2, 1]), np.ones(3), SCALAR),  # numbers as a condition: true where not 0
        ),
    ),
    "sigmoid": Row(_sigmoid),
    "relu": Row(lambda x: np.maximum(x, 0), {"x": NONZERO}),
    "leaky_relu": Row(
        lambda x, slope=0.01: np.where(x > 0, x, slope * x), {"x": NONZERO, "slope": st.sampled_from((0.01, 0.3))}
    ),
    "softplus": Row(lambda x: np.log1p(np.exp(x))),
    "gelu": Row(lambda x: x * (1 + _erf(x / math.sqrt(2))) / 2),
    "erf": Row(_erf, {"x": Domain(-6.5, 6.5, avoid=(-0.5, 0.5), limits=(-math.inf, math.inf))}),
    "xlogy": Row(lambda x, y: x * np.log(y), {"y": POSITIVE}),
    "erfc": Row(np.vectorize(math.erfc, otypes=[np.float64])),
    "erfinv": Row(lambda x: scipy_special().erfinv(x), {"x": INSIDE}),
    "lgamma": Row(np.vectorize(math.lgamma, otypes=[np.float64]), {"x": POSITIVE}),
    "polygamma": Row(
        lambda x, order: scipy_special().polygamma(order, x),
        {"x": POSITIVE, "order": st.sampled_from((0, 1, 2))},
        edges=(Case(EMPTY, order=1),),
    ),
    "heaviside": Row(np.heaviside, {"x": NONZERO}),
    "equal": Row(np.equal, {"x": INTEGERS, "y": INTEGERS}),
    "logical_not": Row(np.logical_not, {"x": booleans()}, ()),
    "bitwise_invert": Row(np.bitwise_invert, {"x": booleans()}, ()),
    "astype": Row(
        lambda x, dtype: np.asarray(x).astype(dtype),
        {"dtype": st.sampled_from(("float64", "float32")).map(np.dtype)},
        edges=(Case(SCALAR, dtype=np.dtype("float32")), Case(EMPTY, dtype=np.dtype("float32"))),
        keeps_dtype=False,
    ),
    "to_device": Row(lambda x, device: x, {"device": "cpu"}, edges=(Case(SCALAR, device="cpu"),)),
    # reductions
    "sum": Row(np.sum, REDUCED, (*REDUCED_EDGES, Case(EMPTY))),
    "mean": Row(np.mean, REDUCED, REDUCED_EDGES),
    "mean_square": Row(lambda x, **over: np.mean(x * x, **over), REDUCED, REDUCED_EDGES),
    "var": Row(np.var, calls.spread, REDUCED_EDGES),
    "std": Row(np.std, calls.spread, REDUCED_EDGES),
    "all_reduce": Row(
        lambda x, *, add: add(x), {"add": twice}, edges=(Case(SCALAR, add=twice), Case(EMPTY, add=twice))
    ),
    "standardize": Row(
        _standardize,
        {"x": "... n", "axis": running, "eps": st.sampled_from((0.1, 1.0))},
        edges=(Case(SCALAR, axis=None), Case(np.zeros((0, 3))), Case(np.ones((2, 3)), axis=(0, 1))),
    ),
    "logsumexp": Row(_logsumexp, REDUCED, (Case(SCALAR, axis=None, keepdims=False),)),
    "max": Row(np.max, {"x": DISTINCT} | REDUCED, REDUCED_EDGES),
    "min": Row(np.min, {"x": DISTINCT} | REDUCED, REDUCED_EDGES),
    "prod": Row(np.prod, {"x": Domain(-2.0, 2.0)} | REDUCED, edges=(*REDUCED_EDGES, Case(EMPTY))),
    **{
        name: Row(getattr(np, name), {"x": DISTINCT, "axis": axis(none=True), "keepdims": BOOLS}, edges=PLACE_EDGES)
        for name in ("argmax", "argmin")
    },
    "all": Row(np.all, REDUCED, edges=(*REDUCED_EDGES, Case(EMPTY))),
    "any": Row(np.any, REDUCED, edges=(*REDUCED_EDGES, Case(EMPTY))),
    **{
        name: Row(
            getattr(np, name),
            {"x": "... n", "axis": running, "include_initial": BOOLS},
            edges=(Case(EMPTY, axis=0), Case(EMPTY, axis=1, include_initial=True)),
        )
        for name in ("cumulative_sum", "cumulative_prod")
    },
    # fft
    **{
        name: Row(
            getattr(np.fft, numpys),
            calls.fourier,
            edges=(Case(np.ones((0, 3))), Case(np.ones(1), n=3)),
            keeps_dtype=False,
        )
        for name, numpys in (
            ("dft", "fft"),
            ("inverse_dft", "ifft"),
            ("real_dft", "rfft"),
            ("inverse_real_dft", "irfft"),
        )
    },
    # linalg
    "matmul": Row(
        np.matmul,
        calls.products,
        edges=(
            Case(np.ones((2, 0)), np.ones((0, 3))),
            Case(EMPTY, np.ones(3)),
            Case(np.ones((0, 2, 2)), np.ones((2, 2))),
        ),
    ),
    "matrix_transpose": Row(np.matrix_transpose, MATRIX, (Case(EMPTY),)),
    "linear": Row(
        lambda x, weight, bias=0.0: x @ weight.T + bias,
        {"x": "... k", "weight": "m k", "bias": "m"},
        edges=(Case(np.ones(3), np.ones((2, 3)), np.ones(2)), Case(EMPTY, np.ones((2, 3)), np.ones(2))),
    ),
    "conv": Row(_conv, partial(calls.convolutions, given="xw"), edges=(Case(np.ones((0, 2, 4)), np.ones((3, 2, 2))),)),
    "conv_input": Row(
        lambda y, weight, space, groups, **windows: _transposed(
            lambda x: _conv(x, weight, groups=groups, **windows), y, (len(y), weight.shape[1] * groups, *space)
        ),
        partial(calls.convolutions, given="yw"),
        edges=(Case(np.ones((0, 3, 3)), np.ones((3, 2, 2)), space=(4,), groups=1),),
    ),
    "conv_weight": Row(
        lambda x, y, size, groups, **windows: _transposed(
            lambda w: _conv(x, w, groups=groups, **windows), y, (y.shape[1], x.shape[1] // groups, *size)
        ),
        partial(calls.convolutions, given="xy"),
        edges=(Case(np.ones((0, 2, 4)), np.ones((0, 3, 3)), size=(2,), groups=1),),
    ),
    "max_pool": Row(_max_pool, partial(calls.poolings, given="X"), edges=(Case(np.ones((0, 2, 4)), size=(2,)),)),
    "max_unpool": Row(
        lambda y, x, **windows: _transposed(lambda z: _at_max(z, x, **windows), y, x.shape),
        partial(calls.poolings, given="yX"),
        edges=(Case(np.ones((0, 2, 2)), np.ones((0, 2, 4)), size=(2,)),),
    ),
    "at_max": Row(
        _at_max, partial(calls.poolings, given="xX"), edges=(Case(np.ones((0, 2, 4)), np.ones((0, 2, 4)), size=(2,)),)
    ),
    "sum_pool": Row(_sum_pool, partial(calls.poolings, given="x"), edges=(Case(np.ones((0, 2, 4)), size=(2,)),)),
    "sum_unpool": Row(
        lambda y, space, **windows: _transposed(lambda x: _sum_pool(x, **windows), y, (*y.shape[:2], *space)),
        partial(calls.poolings, given="y"),
        edges=(Case(np.ones((0, 2, 2)), size=(2,), space=(4,)),),
    ),
    "unfold": Row(_unfold, partial(calls.poolings, given="x"), edges=(Case(np.ones((0, 2, 4)), size=(2,)),)),
    "fold": Row(
        lambda y, space, size, **windows: _transposed(
            lambda x: _unfold(x, size=size, **windows), y, (len(y), y.shape[1] // math.prod(size), *space)
        ),
        partial(calls.poolings, given="c"),
        edges=(Case(np.ones((0, 4, 3)), size=(2,), space=(4,)),),
    ),
    "vecdot": Row(
        lambda x, y, axis=-1: np.sum(x * y, axis=axis),
        {"x": "... k", "y": "... k", "axis": -1},
        edges=(Case(EMPTY, np.ones(3)),),
    ),
    "contract": Row(
        lambda *arrays, subscripts: np.einsum(subscripts, *arrays),
        calls.contractions,
        edges=(
            Case(SCALAR, SCALAR, subscripts=",->"),
            Case(EMPTY, np.ones(3), subscripts="ij,j->i"),
            Case(EMPTY, subscripts="ij->j"),
        ),
    ),
    "inv": Row(np.linalg.inv, SQUARE, MATRIX_EDGES),
    "solve": Row(
        np.linalg.solve, calls.equations, edges=(Case(NO_MATRIX, NO_MATRIX), Case(np.eye(2), np.ones((2, 0))))
    ),
    "pinv": Row(np.linalg.pinv, calls.matrices, (Case(NO_MATRICES),)),
    "det": Row(np.linalg.det, SQUARE, (Case(NO_MATRICES), Case(ONE_BY_ONE))),
    "log_abs_det": Row(lambda x: np.linalg.slogdet(x)[1], SQUARE, edges=MATRIX_EDGES),
    "sign_det": Row(lambda x: np.linalg.slogdet(x)[0], SQUARE, edges=MATRIX_EDGES),
    "cholesky": Row(
        np.linalg.cholesky,
        partial(calls.matrices, kind="definite", upper=BOOLS),
        edges=(*MATRIX_EDGES, Case(ONE_BY_ONE, upper=True)),
    ),
    "eigvalsh": Row(np.linalg.eigvalsh, SYMMETRIC, MATRIX_EDGES),
    "eigenvectors": Row(lambda x: np.linalg.eigh(x)[1], SYMMETRIC, edges=MATRIX_EDGES),
    "svdvals": Row(np.linalg.svdvals, calls.matrices, (Case(NO_MATRICES),)),
    "singular_vectors": Row(_singular_vectors, calls.matrices, edges=(Case(NO_MATRICES), Case(ONE_BY_ONE))),
    "qr_factors": Row(_qr_factors, calls.matrices, edges=(Case(NO_MATRICES), Case(ONE_BY_ONE))),
    "reciprocal_gaps": Row(
        _reciprocal_gaps,
        {"x": array("... n", distinct=True)},
        edges=(Case(EMPTY), Case(np.zeros((3, 0))), Case(np.ones(1))),
    ),
    "orthogonal_complement": Row(
        lambda x: np.linalg.qr(x, mode="complete")[0][..., x.shape[-1] :],
        calls.orthonormal,
        edges=(Case(np.eye(3, 0, dtype=np.int64)),),
        keeps_dtype=False,
    ),
    "diagonal": Row(
        np.linalg.diagonal,
        MATRIX | {"offset": st.integers(-3, 3)},
        edges=(Case(EMPTY), Case(np.ones((2, 3)), offset=5)),
    ),
    "cross": Row(lambda x, y, axis=-1: np.cross(x, y, axis=axis), calls.spatial, edges=(Case(EMPTY, np.ones(3)),)),
    "vector_norm": Row(
        np.linalg.vector_norm,
        {
            "x": array(domain=Domain(only=tuple((-1) ** i * (0.3 + i / 16) for i in range(48))), distinct=True),
            "ord": st.sampled_from((-math.inf, -1, 0, 0.5, 1, 1.5, 2, 3, math.inf)),
        }
        | REDUCED,
        edges=(Case(np.float64(-2.0)), Case(EMPTY), Case(np.zeros(3)), Case(EMPTY, axis=1, ord=1)),
    ),
    # loops
    "scan_packed": Row(_scan, calls.scans, edges=(), keeps_dtype=False),
    # shaping
    "reshape": Row(
        np.reshape, {"shape": calls.shapes_of_as_many}, edges=(Case(SCALAR, shape=(1, 1)), Case(EMPTY, shape=(3, 0)))
    ),
    "expand_dims": Row(np.expand_dims, {"axis": calls.new_axes}, edges=(Case(EMPTY, axis=0),)),
    "squeeze": Row(np.squeeze, calls.squeezes, edges=(Case(np.ones((0, 1)), axis=1),)),
    "permute_dims": Row(
        np.transpose,
        {"axes": lambda x: st.permutations(range(len(x.shape))).map(tuple)},
        edges=(Case(SCALAR, axes=()), Case(EMPTY, axes=(1, 0))),
    ),
    "broadcast_to": Row(
        np.broadcast_to, {"shape": calls.wider_shapes}, edges=(Case(SCALAR, shape=(2, 0)), Case(EMPTY, shape=(2, 0, 3)))
    ),
    "concat": Row(
        lambda *arrays, axis=0: np.concat(arrays, axis=axis),
        calls.joins,
        edges=(Case(EMPTY, np.ones((2, 3))), Case(SCALAR, np.ones(2), axis=None)),
    ),
    "stack": Row(
        lambda *arrays, axis=0: np.stack(arrays, axis=axis),
        {"axis": lambda arrays: st.integers(-len(arrays.shape) - 1, len(arrays.shape))},
        edges=(Case(SCALAR, SCALAR), Case(EMPTY, EMPTY, axis=-1)),
    ),
    "flip": Row(np.flip, {"axis": axes()}),
    "roll": Row(np.roll, calls.rolls, edges=(Case(EMPTY, shift=1), Case(EMPTY, shift=1, axis=1))),
    "tile": Row(
        lambda x, repetitions: np.tile(x, reps=repetitions),
        {"repetitions": calls.REPETITIONS},
        edges=(Case(SCALAR, repetitions=(2,)), Case(EMPTY, repetitions=(2, 2))),
    ),
    "pad": Row(
        _pad,
        {
            "x": "... n",
            "pad_width": calls.widths,
            "constant_values": st.sampled_from((0, 1.5)),
            "mode": st.sampled_from(("constant", "reflect", "edge", "wrap")),
        },
        edges=(Case(EMPTY, pad_width=1),),
    ),
    **{
        name: Row(getattr(np, name), MATRIX | {"k": st.integers(-2, 2)}, edges=(Case(EMPTY),))
        for name in ("tril", "triu")
    },
    # indexing
    "getitem": Row(
        lambda x, index: x[index],
        {"index": lambda x: calls.indices_of(x.shape)},
        edges=(Case(SCALAR, index=None), Case(EMPTY, index=(slice(None), [0, 0]))),
    ),
    "setitem": Row(
        _assigned,
        calls.assignments,
        edges=(Case(SCALAR, SCALAR, index=()), Case(EMPTY, SCALAR, index=(slice(None), 0))),
    ),
    "last_written": Row(
        _last_written,
        {"index": lambda x: calls.indices_of(x.shape)},
        edges=(Case(SCALAR, index=()), Case(EMPTY, index=(slice(None), [0, 0]))),
    ),
    "scatter_add": Row(
        _scattered,
        calls.scatters,
        edges=(Case(SCALAR, index=(), shape=()), Case(np.ones((0, 2)), index=(slice(None), [0, 0]), shape=(0, 3))),
    ),
    "take": Row(
        np.take, calls.takes, edges=(Case(np.ones(3), np.int64(1), axis=0), Case(EMPTY, np.array([0, 0]), axis=1))
    ),
    "scatter_take": Row(
        _scattered_take,
        partial(calls.takes, scattered=True),
        edges=(Case(np.ones((0, 2)), np.array([0, 0]), axis=1, shape=(0, 3)),),
    ),
    "take_along_axis": Row(
        np.take_along_axis, calls.takes_along, edges=(Case(EMPTY, np.zeros((0, 1), dtype=np.int64), axis=1),)
    ),
    "scatter_along_axis": Row(
        _scattered_along,
        partial(calls.takes_along, scattered=True),
        edges=(Case(np.ones((0, 1)), np.zeros((0, 1), dtype=np.int64), axis=1, shape=(0, 3)),),
    ),
    "argsort": Row(_argsort, {"x": DISTINCT, "axis": axis(), "descending": BOOLS}, edges=()),
    # losses
    "softmax": Row(_softmax, ALONG, (Case(EMPTY),)),
    "log_softmax": Row(lambda x, axis=-1: np.log(_softmax(x, axis=axis)), ALONG, edges=(Case(EMPTY),)),
    "one_hot": Row(
        lambda labels, classes: np.eye(classes)[labels],
        {"labels": integers(below=2), "classes": st.integers(2, 4)},
        edges=(Case(np.int64(1), classes=2),),
        keeps_dtype=False,
    ),
    "sequence_mask": Row(
        lambda lengths, length: np.arange(length).reshape(-1, *(1,) * lengths.ndim) < lengths,
        {"lengths": integers(low=1, below=4), "length": st.integers(3, 4)},
        edges=(Case(np.int64(1), length=2),),
        keeps_dtype=False,
    ),
    "cross_entropy": Row(
        _cross_entropy, calls.classifications, edges=(Case(np.ones(3), np.int64(2), reduction="mean"),)
    ),
    "binary_cross_entropy_with_logits": Row(
        _binary_cross_entropy,
        {"target": INSIDE, "reduction": calls.REDUCTIONS},
        edges=(Case(SCALAR, SCALAR, reduction="mean"),),
    ),
    "squared_error": Row(
        lambda x, y, reduction: _reduction_of((x - y) ** 2, reduction),
        calls.compared,
        edges=(Case(SCALAR, SCALAR, reduction="mean"),),
    ),
}
"""Every operation of this package, by its name."""


def _named(name: str, row: Row) -> Row:
    """The row with the name of its operation. Also declares what the operation takes."""
    if name not in OPS:
        raise DeclarationError(f"TABLE has a row for {name!r}, which is not an operation: remove or rename the row.")
    op = OPS[name]
    DECLARED[name] = _declared(op, row.takes)
    usual = {1: UNARY_EDGES, 2: BINARY_EDGES}.get(len(op.args), ())
    return replace(row, name=name, edges=usual if row.edges is None else row.edges)


TABLE = {name: _named(name, row) for name, row in TABLE.items()}
