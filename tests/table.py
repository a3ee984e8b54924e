"""The table of operations: for each what it may be given, and what NumPy makes of that.

A `Row` drives every test of `tests/autograd/ops/test_table.py`. Its cases are drawn by Hypothesis: the shapes, and
elements from a `Domain`, a list of numbers that has no kink or pole of the operation near any of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Strategy = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Case:
    """One call: ``op(*arrays, **params)``."""

    arrays: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.arrays, self.params))


@dataclass(frozen=True)
class Row:
    """What the generic tests know of an operation.

    ``cases``: draws a `Case`, in float64. ``reference``: the value by NumPy (or plain Python), called as the operation
    is. ``edges``: cases with empty and 0-d arrays. ``torch``: the value by PyTorch, called with its module first, or
    ``None``. ``keeps_dtype``: whether float32 in means float32 out. ``standard``: the cases that the array API standard
    has, where that is not all.
    """

    cases: Strategy
    reference: Callable[..., Any]
    edges: tuple[Case, ...] = ()
    torch: Callable[..., Any] | None = None
    keeps_dtype: bool = True
    standard: Strategy | None = None


# ------------------------------------------------------------------------------------------------------------- elements


@dataclass(frozen=True)
class Domain:
    """48 numbers from ``low`` to ``high``, none near one to ``avoid``; ``odd`` and ``even`` share none."""

    low: float = -3.0
    high: float = 3.0
    avoid: tuple[float, ...] = ()
    gap: float = 0.03

    @property
    def numbers(self) -> list[float]:
        raster = [self.low + (i + 0.5) * (self.high - self.low) / 48 for i in range(48)]
        return [x for x in raster if all(abs(x - a) > self.gap for a in self.avoid)]

    @property
    def even(self) -> list[float]:
        return self.numbers[::2]

    @property
    def odd(self) -> list[float]:
        return self.numbers[1::2]


REAL = Domain()
POSITIVE = Domain(0.2, 4.0)
NONZERO = Domain(avoid=(0.0,), gap=0.2)
INSIDE = Domain(-0.9, 0.9)
INTEGERS = tuple(float(i) for i in range(-4, 5))
STEPS = Domain(-3.4, 3.4, avoid=tuple(i / 2 for i in range(-7, 8)))


def filled(shape: tuple[int, ...], numbers: list[float] | Domain = REAL, unique: bool = False) -> Strategy:
    """Arrays of a shape; ``unique`` ones have no two equal elements, so that none is near to changing places."""
    elements = st.sampled_from(numbers.numbers if isinstance(numbers, Domain) else numbers)
    return hnp.arrays(np.float64, shape, elements=elements, unique=unique)


def integers(shape: tuple[int, ...], low: int, high: int) -> Strategy:
    return hnp.arrays(np.int64, shape, elements=st.integers(low, high))


def booleans(shape: tuple[int, ...]) -> Strategy:
    return hnp.arrays(np.bool_, shape, elements=st.booleans())


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 3) -> Strategy:
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, max_side=max_side) | (
        st.just(()) if min_dims == 0 else st.nothing()
    )


def broadcastable(count: int) -> Strategy:
    return hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, max_side=3).map(
        lambda drawn: drawn.input_shapes
    )


# ---------------------------------------------------------------------------------------------------------------- cases


@st.composite
def one(draw: Any, domain: Domain = REAL, min_dims: int = 0, unique: bool = False, **params: Strategy) -> Case:
    """An array of any shape, and the parameters."""
    x = draw(filled(draw(shapes(min_dims)), domain, unique))
    return Case((x,), {name: draw(values) for name, values in params.items()})


@st.composite
def two(draw: Any, x: Any = REAL, y: Any = REAL) -> Case:
    """Two arrays that broadcast."""
    a, b = draw(broadcastable(2))
    return Case((draw(filled(a, x)), draw(filled(b, y))))


def apart(domain: Domain = REAL) -> Strategy:
    """Two arrays that broadcast, with no element of one near an element of the other."""
    return two(domain.even, domain.odd)


@st.composite
def truths(draw: Any, count: int) -> Case:
    return Case(tuple(draw(booleans(shape)) for shape in draw(broadcastable(count))))


@st.composite
def choices(draw: Any) -> Case:
    condition, x, y = draw(broadcastable(3))
    return Case((draw(booleans(condition)), draw(filled(x)), draw(filled(y))))


def axes_of(ndim: int) -> Strategy:
    """An axis, some axes, or all."""
    if ndim == 0:
        return st.none()
    several = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True).map(tuple)
    return st.none() | st.integers(-ndim, ndim - 1) | several


@st.composite
def reduced(draw: Any, domain: Domain = REAL, unique: bool = False, **params: Strategy) -> Case:
    x = draw(filled(draw(shapes()), domain, unique))
    given = {"axis": draw(axes_of(x.ndim)), "keepdims": draw(st.booleans())}
    return Case((x,), given | {name: draw(values) for name, values in params.items()})


@st.composite
def spread(draw: Any) -> Case:
    """An array to take a variance of: with at least two elements that differ along the axes, so that it is not 0."""
    x = draw(filled(draw(shapes(min_dims=1, max_dims=2).map(lambda s: tuple(n + 1 for n in s))), unique=True))
    return Case(
        (x,),
        {"axis": draw(axes_of(x.ndim)), "keepdims": draw(st.booleans()), "correction": draw(st.sampled_from((0, 1)))},
    )


@st.composite
def placed(draw: Any, domain: Domain = REAL, unique: bool = False) -> Case:
    """Along one axis, as argmax takes it: None is the flattened array."""
    x = draw(filled(draw(shapes()), domain, unique))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1)) if x.ndim else None
    return Case((x,), {"axis": axis, "keepdims": draw(st.booleans())})


@st.composite
def along(draw: Any, count: int = 1, unique: bool = False, none: bool = False, **params: Strategy) -> Case:
    """Arrays of one shape and one of its axes."""
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1) | (st.none() if none and len(shape) == 1 else st.nothing()))
    arrays = tuple(draw(filled(shape, unique=unique)) for _ in range(count))
    return Case(arrays, {"axis": axis} | {name: draw(values) for name, values in params.items()})


@st.composite
def products(draw: Any) -> Case:
    """What matmul takes: vectors, matrices, and stacks of them that broadcast."""
    signature = hnp.mutually_broadcastable_shapes(signature="(m?,n),(n,p?)->(m?,p?)", max_dims=2, max_side=3)
    a, b = draw(signature).input_shapes
    return Case((draw(filled(a)), draw(filled(b))))


@st.composite
def layers(draw: Any) -> Case:
    batch, inputs, outputs = draw(shapes(max_dims=2)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    bias = (draw(filled((outputs,))),) if draw(st.booleans()) else ()
    return Case((draw(filled((*batch, inputs))), draw(filled((outputs, inputs))), *bias))


@st.composite
def vectors(draw: Any) -> Case:
    x, y = draw(hnp.mutually_broadcastable_shapes(signature="(n),(n)->()", max_dims=2, max_side=3)).input_shapes
    return Case((draw(filled(x)), draw(filled(y))))


@st.composite
def contractions(draw: Any) -> Case:
    """One to three arrays with distinct labels each, and some of the labels, in any order, for the result."""
    sizes = {label: draw(st.integers(1, 3)) for label in "ijkl"}
    label_lists = st.lists(st.sampled_from("ijkl"), unique=True, max_size=3)
    terms = ["".join(draw(label_lists)) for _ in range(draw(st.integers(1, 3)))]
    present = sorted(set("".join(terms)))
    result = "".join(draw(st.permutations(present)))[: draw(st.integers(0, len(present)))]
    arrays = tuple(draw(filled(tuple(sizes[label] for label in term))) for term in terms)
    return Case(arrays, {"subscripts": f"{','.join(terms)}->{result}"})


@st.composite
def reshapes(draw: Any) -> Case:
    x = draw(filled(draw(shapes())))
    factors = draw(st.permutations([n for n in (*x.shape, 1) for n in ((1, n) if n < 2 else (n,))]))
    shape = tuple(factors)
    return Case((x,), {"shape": (*shape[:-1], -1) if draw(st.booleans()) else shape})


@st.composite
def expansions(draw: Any) -> Case:
    x = draw(filled(draw(shapes(max_dims=2))))
    count = draw(st.integers(1, 2))
    axes = st.lists(st.integers(0, x.ndim + count - 1), min_size=count, max_size=count, unique=True).map(tuple)
    return Case((x,), {"axis": draw(axes if count > 1 else axes | st.integers(-x.ndim - 1, x.ndim))})


@st.composite
def squeezes(draw: Any) -> Case:
    axes = draw(st.lists(st.integers(0, 2), min_size=1, unique=True))
    shape = tuple(1 if i in axes else draw(st.integers(1, 3)) for i in range(3))
    return Case((draw(filled(shape)),), {"axis": tuple(axes) if len(axes) > 1 else axes[0]})


@st.composite
def permutations(draw: Any) -> Case:
    x = draw(filled(draw(shapes())))
    return Case((x,), {"axes": tuple(draw(st.permutations(range(x.ndim))))})


@st.composite
def broadcasts(draw: Any) -> Case:
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    return Case((draw(filled(drawn.input_shapes[0])),), {"shape": drawn.result_shape})


@st.composite
def joins(draw: Any) -> Case:
    shape = draw(shapes(min_dims=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    place = 0 if axis is None else axis % len(shape)
    arrays = tuple(draw(filled((*shape[:place], n, *shape[place + 1 :]))) for n in lengths)
    return Case(arrays, {"axis": axis})


@st.composite
def stacks(draw: Any) -> Case:
    shape = draw(shapes(max_dims=2))
    arrays = tuple(draw(filled(shape)) for _ in range(draw(st.integers(1, 3))))
    return Case(arrays, {"axis": draw(st.integers(-len(shape) - 1, len(shape)))})


@st.composite
def flips(draw: Any) -> Case:
    x = draw(filled(draw(shapes())))
    return Case((x,), {"axis": draw(axes_of(x.ndim))})


@st.composite
def rolls(draw: Any) -> Case:
    x = draw(filled(draw(shapes(min_dims=1))))
    axis = draw(axes_of(x.ndim))
    shifts = st.integers(-4, 4)
    return Case(
        (x,), {"shift": tuple(draw(shifts) for _ in axis) if isinstance(axis, tuple) else draw(shifts), "axis": axis}
    )


@st.composite
def repeats(draw: Any) -> Case:
    x = draw(filled(draw(shapes(min_dims=1))))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    counts = st.tuples(*[st.integers(0, 3)] * (x.size if axis is None else x.shape[axis]))
    return Case((x,), {"repeats": draw(st.integers(0, 3) | counts), "axis": axis})


@st.composite
def tiles(draw: Any) -> Case:
    times = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple)
    return Case((draw(filled(draw(shapes(max_dims=2)))),), {"repetitions": draw(times | st.integers(1, 3))})


@st.composite
def pads(draw: Any) -> Case:
    x = draw(filled(draw(shapes(min_dims=1))))
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    width = draw(st.integers(0, 2) | pair | st.tuples(*[pair] * x.ndim))
    return Case((x,), {"pad_width": width, "constant_values": draw(st.sampled_from((0, 1.5)))})


def indices_of(shape: tuple[int, ...]) -> Strategy:
    """Slices, integers, ellipses and new axes; a mask; arrays of integers, with duplicates."""
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    if not shape:
        return basic
    masks = st.integers(1, len(shape)).flatmap(lambda k: booleans(shape[:k]))
    return basic | masks | hnp.integer_array_indices(shape, result_shape=shapes(1, 2))


def standard_slices_of(shape: tuple[int, ...]) -> Strategy:
    """What the array API standard can assign to: slices and integers."""
    return hnp.basic_indices(shape, allow_ellipsis=False).map(lambda i: (*(i if isinstance(i, tuple) else (i,)), ...))


def standard_indices_of(shape: tuple[int, ...]) -> Strategy:
    """What the standard can take: these, and arrays of integers for all axes."""
    slices = standard_slices_of(shape)
    return slices | hnp.integer_array_indices(shape, result_shape=shapes(1, 2)) if shape else slices


@st.composite
def indexed(draw: Any, indices: Callable[..., Strategy] = indices_of) -> Case:
    x = draw(filled(draw(shapes())))
    return Case((x,), {"index": draw(indices(x.shape))})


@st.composite
def scatters(draw: Any, indices: Callable[..., Strategy] = indices_of) -> Case:
    shape = draw(shapes())
    index = draw(indices(shape))
    return Case((draw(filled(np.empty(shape)[index].shape)),), {"index": index, "shape": shape})


@st.composite
def assignments(draw: Any, indices: Callable[..., Strategy] = indices_of) -> Case:
    x = draw(filled(draw(shapes())))
    index = draw(indices(x.shape))
    target = x[index].shape
    narrow = tuple(1 if draw(st.booleans()) else n for n in target)[draw(st.integers(0, len(target))) :]
    # NumPy takes a leading axis of length 1 too, but neither for a single element nor where a mask is the whole index.
    wide = (1, *target) if target and not isinstance(index, np.ndarray) else target
    shape = draw(st.sampled_from((narrow, target, wide)))
    return Case((x, draw(filled(shape))), {"index": index})


@st.composite
def takes(draw: Any) -> Case:
    x = draw(filled(draw(shapes(min_dims=1))))
    axis = draw(st.integers(-x.ndim, x.ndim - 1) | st.none())
    length = x.size if axis is None else x.shape[axis]
    return Case((x, draw(integers(draw(st.integers(0, 4).map(lambda n: (n,))), 0, length - 1))), {"axis": axis})


@st.composite
def scatter_takes(draw: Any) -> Case:
    (x, indices), params = draw(takes())
    picked = np.take(x, indices, axis=params["axis"])
    return Case((draw(filled(picked.shape)), indices), {"axis": params["axis"], "shape": x.shape})


@st.composite
def takes_along(draw: Any) -> Case:
    x = draw(filled(draw(shapes(min_dims=1))))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    shape = tuple(draw(st.integers(1, 4)) if i == axis % x.ndim else n for i, n in enumerate(x.shape))
    return Case((x, draw(integers(shape, 0, x.shape[axis] - 1))), {"axis": axis})


@st.composite
def scatters_along(draw: Any) -> Case:
    (x, indices), params = draw(takes_along())
    return Case((draw(filled(indices.shape)), indices), {"axis": params["axis"], "shape": x.shape})


REDUCTIONS = st.sampled_from(("mean", "sum", "none"))


@st.composite
def classifications(draw: Any) -> Case:
    """Logits with labels, one-hot integers, or soft labels that need not sum to 1."""
    batch, classes = draw(shapes(max_dims=2)), draw(st.integers(1, 4))
    logits = draw(filled((*batch, classes)))
    labels = integers(batch, 0, classes - 1)
    target = draw(labels | labels.map(lambda y: np.eye(classes, dtype=np.int64)[y]) | filled(logits.shape, POSITIVE))
    return Case((logits, target), {"reduction": draw(REDUCTIONS)})


@st.composite
def compared(draw: Any, x: Domain = REAL, y: Domain = REAL) -> Case:
    shape = draw(shapes())
    return Case((draw(filled(shape, x)), draw(filled(shape, y))), {"reduction": draw(REDUCTIONS)})


@st.composite
def labelled(draw: Any) -> Case:
    classes = draw(st.integers(1, 4))
    return Case((draw(integers(draw(shapes(max_dims=2)), 0, classes - 1)),), {"classes": classes})


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


# ------------------------------------------------------------------------------------------------------------ the table

SCALAR, EMPTY = np.float64(0.7), np.zeros((0, 3))
UNARY_EDGES = (Case((SCALAR,)), Case((EMPTY,)))
BINARY_EDGES = (Case((SCALAR, np.float64(0.4))), Case((EMPTY, SCALAR)), Case((EMPTY, np.ones((2, 0, 1)))))
REDUCED_EDGES = (Case((SCALAR,)), Case((SCALAR,), {"axis": (), "keepdims": True}), Case((EMPTY,), {"axis": 1}))


def unary(
    reference: Any, domain: Domain = REAL, torch: str | None = None, edge: float = 0.7, **params: Strategy
) -> Row:
    edges = (Case((np.float64(edge),)), Case((EMPTY,)))
    return Row(one(domain, **params), reference, edges, torch=_named(torch))


def binary(reference: Any, cases: Strategy | None = None, torch: str | None = None) -> Row:
    return Row(two() if cases is None else cases, reference, BINARY_EDGES, torch=_named(torch))


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


TABLE: dict[str, Row] = {
    # elementwise
    "add": binary(np.add, torch="add"),
    "subtract": binary(np.subtract, torch="subtract"),
    "multiply": binary(np.multiply, torch="multiply"),
    "divide": binary(np.divide, two(REAL, NONZERO), torch="divide"),
    "negative": unary(np.negative, torch="negative"),
    "positive": unary(np.positive, torch="positive"),
    "reciprocal": unary(lambda x: 1 / x, NONZERO, torch="reciprocal"),
    "remainder": binary(
        np.remainder, two([k + f for k in range(-3, 3) for f in (0.3, 0.7)], [-2.0, -1.0, 1.0, 2.0]), torch="remainder"
    ),
    "floor_divide": binary(
        np.floor_divide, two([k + f for k in range(-3, 3) for f in (0.3, 0.7)], [-2.0, -1.0, 1.0, 2.0])
    ),
    "power": binary(np.power, two(POSITIVE, REAL), torch="pow"),
    "square": unary(np.square, torch="square"),
    "sqrt": unary(np.sqrt, POSITIVE, torch="sqrt"),
    "hypot": binary(np.hypot, two(NONZERO, REAL), torch="hypot"),
    "exp": unary(np.exp, torch="exp"),
    "expm1": unary(np.expm1, torch="expm1"),
    "log": unary(np.log, POSITIVE, torch="log"),
    "log1p": unary(np.log1p, Domain(-0.8, 3.0), torch="log1p"),
    "log2": unary(np.log2, POSITIVE, torch="log2"),
    "log10": unary(np.log10, POSITIVE, torch="log10"),
    "logaddexp": binary(np.logaddexp, torch="logaddexp"),
    "sin": unary(np.sin, torch="sin"),
    "cos": unary(np.cos, torch="cos"),
    "tan": unary(np.tan, Domain(-1.3, 1.3), torch="tan"),
    "asin": unary(np.arcsin, INSIDE, torch="asin"),
    "acos": unary(np.arccos, INSIDE, torch="acos"),
    "atan": unary(np.arctan, torch="atan"),
    "atan2": binary(np.arctan2, two(NONZERO, NONZERO), torch="atan2"),
    "sinh": unary(np.sinh, torch="sinh"),
    "cosh": unary(np.cosh, torch="cosh"),
    "tanh": unary(np.tanh, torch="tanh"),
    "asinh": unary(np.arcsinh, torch="asinh"),
    "acosh": unary(np.arccosh, Domain(1.2, 4.0), torch="acosh", edge=1.5),
    "atanh": unary(np.arctanh, INSIDE, torch="atanh"),
    "abs": unary(np.abs, NONZERO, torch="abs"),
    "sign": unary(np.sign, NONZERO, torch="sign"),
    "floor": unary(np.floor, STEPS, torch="floor"),
    "ceil": unary(np.ceil, STEPS, torch="ceil"),
    "round": unary(np.round, STEPS, torch="round"),
    "trunc": unary(np.trunc, STEPS, torch="trunc"),
    "maximum": binary(np.maximum, apart(), torch="maximum"),
    "minimum": binary(np.minimum, apart(), torch="minimum"),
    "clip": unary(
        clip,
        Domain(avoid=(-1.0, 2.0), gap=0.05),
        torch="clip",
        min=st.sampled_from((None, -1.0)),
        max=st.just(2.0),
    ),
    "where": Row(
        choices(),
        np.where,
        (Case((np.bool_(True), SCALAR, SCALAR)), Case((np.zeros((0, 3), dtype=bool), EMPTY, SCALAR))),
        torch=_named("where"),
    ),
    "sigmoid": unary(sigmoid, torch="sigmoid"),
    "relu": unary(lambda x: np.maximum(x, 0), NONZERO, torch="relu"),
    "leaky_relu": unary(
        lambda x, slope=0.01: np.where(x > 0, x, slope * x), NONZERO, slope=st.sampled_from((0.01, 0.3))
    ),
    "softplus": unary(lambda x: np.log1p(np.exp(x)), torch="nn.functional.softplus"),
    "gelu": unary(lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, torch="nn.functional.gelu"),
    "erf": unary(erf, Domain(-6.5, 6.5, avoid=(-4.0, -0.46875, 0.46875, 4.0)), torch="erf"),
    "equal": binary(np.equal, two(INTEGERS, INTEGERS), torch="eq"),
    "not_equal": binary(np.not_equal, two(INTEGERS, INTEGERS), torch="ne"),
    "less": binary(np.less, two(INTEGERS, INTEGERS), torch="lt"),
    "less_equal": binary(np.less_equal, two(INTEGERS, INTEGERS), torch="le"),
    "greater": binary(np.greater, two(INTEGERS, INTEGERS), torch="gt"),
    "greater_equal": binary(np.greater_equal, two(INTEGERS, INTEGERS), torch="ge"),
    "logical_and": Row(truths(2), np.logical_and, torch=_named("logical_and")),
    "logical_or": Row(truths(2), np.logical_or, torch=_named("logical_or")),
    "logical_xor": Row(truths(2), np.logical_xor, torch=_named("logical_xor")),
    "logical_not": Row(truths(1), np.logical_not, torch=_named("logical_not")),
    "bitwise_and": Row(truths(2), np.bitwise_and, torch=_named("bitwise_and")),
    "bitwise_or": Row(truths(2), np.bitwise_or, torch=_named("bitwise_or")),
    "bitwise_xor": Row(truths(2), np.bitwise_xor, torch=_named("bitwise_xor")),
    "bitwise_invert": Row(truths(1), np.bitwise_invert, torch=_named("bitwise_not")),
    "isfinite": unary(np.isfinite, torch="isfinite"),
    "isinf": unary(np.isinf, torch="isinf"),
    "isnan": unary(np.isnan, torch="isnan"),
    "astype": Row(
        one(dtype=st.sampled_from(("float32", "float64"))).map(
            lambda case: Case(case.arrays, {"dtype": np.dtype(case.params["dtype"])})
        ),
        lambda x, dtype: np.asarray(x).astype(dtype),
        (Case((SCALAR,), {"dtype": np.dtype("float32")}), Case((EMPTY,), {"dtype": np.dtype("float32")})),
        keeps_dtype=False,
    ),
    "to_device": Row(one(device=st.just("cpu")), lambda x, device: x, (Case((SCALAR,), {"device": "cpu"}),)),
    # reductions
    "sum": Row(reduced(), np.sum, (*REDUCED_EDGES, Case((EMPTY,))), torch=_reducing("sum")),
    "mean": Row(reduced(), np.mean, REDUCED_EDGES, torch=_reducing("mean")),
    "var": Row(spread(), np.var, REDUCED_EDGES, torch=_reducing("var")),
    "std": Row(spread(), np.std, REDUCED_EDGES, torch=_reducing("std")),
    "logsumexp": Row(
        reduced(), logsumexp, (Case((SCALAR,), {"axis": None, "keepdims": False}),), torch=_reducing("logsumexp")
    ),
    "max": Row(reduced(unique=True), np.max, REDUCED_EDGES, torch=_reducing("amax")),
    "min": Row(reduced(unique=True), np.min, REDUCED_EDGES, torch=_reducing("amin")),
    "prod": Row(reduced(Domain(-2.0, 2.0)), np.prod, (*REDUCED_EDGES, Case((EMPTY,)))),
    "argmax": Row(placed(unique=True), np.argmax, (Case((SCALAR,)),)),
    "argmin": Row(placed(unique=True), np.argmin, (Case((SCALAR,)),)),
    "all": Row(reduced(), np.all, (*REDUCED_EDGES, Case((EMPTY,)))),
    "any": Row(reduced(), np.any, (*REDUCED_EDGES, Case((EMPTY,)))),
    "cumulative_sum": Row(
        along(none=True, include_initial=st.booleans()),
        np.cumulative_sum,
        (Case((EMPTY,), {"axis": 0}), Case((EMPTY,), {"axis": 1, "include_initial": True})),
    ),
    "cumulative_prod": Row(
        along(none=True, include_initial=st.booleans()),
        np.cumulative_prod,
        (Case((EMPTY,), {"axis": 0}), Case((EMPTY,), {"axis": 1, "include_initial": True})),
    ),
    "linear_recurrence": Row(along(2), linear_recurrence, (Case((EMPTY, EMPTY)), Case((EMPTY, EMPTY), {"axis": 0}))),
    # linalg
    "matmul": Row(
        products(),
        np.matmul,
        (
            Case((np.ones((2, 0)), np.ones((0, 3)))),
            Case((EMPTY, np.ones(3))),
            Case((np.ones((0, 2, 2)), np.ones((2, 2)))),
        ),
        torch=_named("matmul"),
    ),
    "matrix_transpose": Row(one(min_dims=2), np.matrix_transpose, (Case((EMPTY,)),), torch=lambda torch, x: x.mT),
    "linear": Row(
        layers(),
        lambda x, weight, bias=0.0: x @ weight.T + bias,
        (Case((np.ones(3), np.ones((2, 3)), np.ones(2))), Case((EMPTY, np.ones((2, 3)), np.ones(2)))),
        torch=_named("nn.functional.linear"),
    ),
    "vecdot": Row(vectors(), lambda x, y, axis=-1: np.sum(x * y, axis=axis), (Case((EMPTY, np.ones(3))),)),
    "contract": Row(
        contractions(),
        lambda *arrays, subscripts: np.einsum(subscripts, *arrays),
        (
            Case((SCALAR, SCALAR), {"subscripts": ",->"}),
            Case((EMPTY, np.ones(3)), {"subscripts": "ij,j->i"}),
            Case((EMPTY,), {"subscripts": "ij->j"}),
        ),
        torch=lambda torch, *tensors, subscripts: torch.einsum(subscripts, *tensors),
    ),
    # shaping
    "reshape": Row(
        reshapes(),
        np.reshape,
        (Case((SCALAR,), {"shape": (1, 1)}), Case((EMPTY,), {"shape": (3, 0)})),
        torch=_named("reshape"),
    ),
    "expand_dims": Row(expansions(), np.expand_dims, (Case((EMPTY,), {"axis": 0}),)),
    "squeeze": Row(squeezes(), np.squeeze, (Case((np.ones((0, 1)),), {"axis": 1}),)),
    "permute_dims": Row(
        permutations(),
        np.transpose,
        (Case((SCALAR,), {"axes": ()}), Case((EMPTY,), {"axes": (1, 0)})),
        torch=lambda torch, x, axes: torch.permute(x, axes),
    ),
    "broadcast_to": Row(
        broadcasts(),
        np.broadcast_to,
        (Case((SCALAR,), {"shape": (2, 0)}), Case((EMPTY,), {"shape": (2, 0, 3)})),
        torch=lambda torch, x, shape: torch.broadcast_to(x, shape),
    ),
    "concat": Row(
        joins(),
        lambda *arrays, axis=0: np.concat(arrays, axis=axis),
        (Case((EMPTY, np.ones((2, 3)))), Case((SCALAR, np.ones(2)), {"axis": None})),
    ),
    "stack": Row(
        stacks(),
        lambda *arrays, axis=0: np.stack(arrays, axis=axis),
        (Case((SCALAR, SCALAR)), Case((EMPTY, EMPTY), {"axis": -1})),
        torch=lambda torch, *tensors, axis: torch.stack(tensors, dim=axis),
    ),
    "flip": Row(flips(), np.flip, (Case((SCALAR,)), Case((EMPTY,)))),
    "roll": Row(rolls(), np.roll, (Case((EMPTY,), {"shift": 1}), Case((EMPTY,), {"shift": 1, "axis": 1}))),
    "repeat": Row(
        repeats(),
        np.repeat,
        (
            Case((SCALAR,), {"repeats": 2}),
            Case((EMPTY,), {"repeats": 2, "axis": 1}),
            Case((EMPTY,), {"repeats": (1, 0, 2), "axis": 1}),
        ),
    ),
    "tile": Row(
        tiles(),
        lambda x, repetitions: np.tile(x, reps=repetitions),
        (Case((SCALAR,), {"repetitions": (2,)}), Case((EMPTY,), {"repetitions": (2, 2)})),
        torch=lambda torch, x, repetitions: torch.tile(
            x, (repetitions,) if isinstance(repetitions, int) else repetitions
        ),
    ),
    "pad": Row(pads(), np.pad, (Case((EMPTY,), {"pad_width": 1}),)),
    "tril": Row(one(min_dims=2, k=st.integers(-2, 2)), np.tril, (Case((EMPTY,)),)),
    "triu": Row(one(min_dims=2, k=st.integers(-2, 2)), np.triu, (Case((EMPTY,)),)),
    # indexing
    "getitem": Row(
        indexed(),
        lambda x, index: x[index],
        (Case((SCALAR,), {"index": None}), Case((EMPTY,), {"index": (slice(None), [0, 0])})),
        standard=indexed(standard_indices_of),
    ),
    "setitem": Row(
        assignments(),
        assigned,
        (Case((SCALAR, SCALAR), {"index": ()}), Case((EMPTY, SCALAR), {"index": (slice(None), 0)})),
        standard=assignments(standard_slices_of),
    ),
    "last_written": Row(
        indexed(),
        last_written,
        (Case((SCALAR,), {"index": ()}), Case((EMPTY,), {"index": (slice(None), [0, 0])})),
        standard=indexed(standard_slices_of),
    ),
    "scatter_add": Row(
        scatters(),
        scattered,
        (
            Case((SCALAR,), {"index": (), "shape": ()}),
            Case((np.ones((0, 2)),), {"index": (slice(None), [0, 0]), "shape": (0, 3)}),
        ),
        standard=scatters(standard_indices_of),
    ),
    "take": Row(
        takes(),
        np.take,
        (Case((np.ones(3), np.int64(1)), {"axis": 0}), Case((EMPTY, np.array([0, 0])), {"axis": 1})),
    ),
    "scatter_take": Row(
        scatter_takes(),
        scattered_take,
        (Case((np.ones((0, 2)), np.array([0, 0])), {"axis": 1, "shape": (0, 3)}),),
    ),
    "take_along_axis": Row(
        takes_along(),
        np.take_along_axis,
        (Case((EMPTY, np.zeros((0, 1), dtype=np.int64)), {"axis": 1}),),
        torch=lambda torch, x, indices, axis: torch.take_along_dim(x, indices, dim=axis),
    ),
    "scatter_along_axis": Row(
        scatters_along(),
        scattered_along,
        (Case((np.ones((0, 1)), np.zeros((0, 1), dtype=np.int64)), {"axis": 1, "shape": (0, 3)}),),
    ),
    "argsort": Row(along(unique=True, descending=st.booleans()), argsort),
    # what a network ends in
    "softmax": Row(
        along(), softmax, (Case((np.zeros((0, 3)),)),), torch=lambda torch, x, axis: torch.softmax(x, dim=axis)
    ),
    "log_softmax": Row(
        along(),
        lambda x, axis=-1: np.log(softmax(x, axis=axis)),
        (Case((np.zeros((0, 3)),)),),
        torch=lambda torch, x, axis: torch.log_softmax(x, dim=axis),
    ),
    "one_hot": Row(
        labelled(),
        lambda labels, classes: np.eye(classes)[labels],
        (Case((np.int64(1),), {"classes": 2}),),
        keeps_dtype=False,
    ),
    "cross_entropy": Row(classifications(), cross_entropy, (Case((np.ones(3), np.int64(2)), {"reduction": "mean"}),)),
    "binary_cross_entropy_with_logits": Row(
        compared(REAL, INSIDE),
        binary_cross_entropy,
        (Case((SCALAR, SCALAR), {"reduction": "mean"}),),
        torch=_named("nn.functional.binary_cross_entropy_with_logits"),
    ),
    "squared_error": Row(
        compared(),
        lambda x, y, reduction: reduction_of((x - y) ** 2, reduction),
        (Case((SCALAR, SCALAR), {"reduction": "mean"}),),
        torch=_named("nn.functional.mse_loss"),
    ),
}
