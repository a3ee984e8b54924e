"""Calls of this package's operations whose arguments depend on each other in more ways than by the lengths of sides.

Each function makes a call from a `Source`; a row of `autograd.testing.operations` names it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd.bodies import Body
from autograd.compiler.scan import body_of
from autograd.dtypes import float64
from autograd.ops.elementwise import tanh
from autograd.ops.scan import Loop
from autograd.ops.windows import output_space
from autograd.shapes import Shape
from autograd.testing.domains import POSITIVE, Domain
from autograd.testing.sampling import (
    Case,
    Source,
    Strategy,
    axes_of,
    boolean_arrays,
    broadcasts,
    filled,
    integer_arrays,
    shapes,
)

REDUCTIONS = st.sampled_from(("mean", "sum", "none"))


def limited(source: Source) -> Case:
    """What is limited, and its limits: numbers or none, or arrays, which may be the wrong way round."""
    domain = Domain(avoid=(-1.0, 1.5, 2.0), gap=0.05, limits=(-math.inf, math.inf))
    if source.draw(st.booleans()):
        numbers = {"min": source.draw(st.sampled_from((None, -1.0))), "max": 2.0}
        return Case((source.array(source.shape(), domain),), numbers)
    x, low, high = source.broadcastable(3)
    limits = source.array(low, Domain(only=(-1.0, 2.0))), source.array(high, Domain(only=(1.5,)))
    return Case((source.array(x, domain), *limits))


def searches(source: Source) -> Case:
    """An array in order, or an order of it, and what to find a place for."""
    x = source.draw(filled((source.draw(st.integers(1, 5)),)))
    order = np.argsort(x)
    side = {"side": source.draw(st.sampled_from(("left", "right")))}
    y = source.draw(filled(source.shape()))
    return Case((x, y, order), side) if source.draw(st.booleans()) else Case((x[order], y), side)


def spread(source: Source) -> Case:
    """An array to take a variance of: with at least two elements that differ along the axes, so that it is not 0."""
    shape = source.known(lambda s: 1 <= len(s) <= 2 and min(s) >= 2)
    shape = source.draw(shapes(1, 2, 4, min_side=2)) if shape is None else shape
    return Case(
        (source.array(shape, unique=True),),
        {
            "axis": source.draw(axes_of(len(shape))),
            "keepdims": source.draw(st.booleans()),
            "correction": source.draw(st.sampled_from((0, 1))),
        },
    )


def _signature(source: Source, signature: str) -> tuple[Shape, ...]:
    drawn = hnp.mutually_broadcastable_shapes(signature=signature, max_dims=2, max_side=3)
    return source.draw(drawn).input_shapes


def _multiplies(x: Shape, y: Shape) -> bool:
    """Whether ``x @ y`` exists."""
    if not (x and y) or x[-1] != y[-1 if len(y) == 1 else -2]:
        return False
    return broadcasts(x[:-2], y[:-2])


def products(source: Source) -> Case:
    """What matmul takes: vectors, matrices, and stacks of them that broadcast."""
    x = source.known(lambda s: len(s) >= 1)
    y = None if x is None else source.known(partial(_multiplies, x))
    if x is None or y is None:
        x, y = _signature(source, "(m?,n),(n,p?)->(m?,p?)")
    return Case((source.array(x), source.array(y)))


def contractions(source: Source) -> Case:
    """One to three arrays with distinct labels each, and some of the labels, in any order, for the result."""
    first = source.shape()
    sizes = dict(zip("ijkl", first, strict=False))
    for label in "ijkl"[len(first) :]:
        sizes[label] = source.draw(st.integers(1, 3))
    label_lists = st.lists(st.sampled_from("ijkl"), unique=True, max_size=3)
    terms = ["ijkl"[: len(first)], *("".join(source.draw(label_lists)) for _ in range(source.draw(st.integers(0, 2))))]
    present = sorted(set("".join(terms)))
    result = "".join(source.draw(st.permutations(present)))[: source.draw(st.integers(0, len(present)))]
    arrays = tuple(source.array(tuple(sizes[label] for label in term)) for term in terms)
    return Case(arrays, {"subscripts": f"{','.join(terms)}->{result}"})


SPECTRUM = (0.5, 1.2, 2.1)
"""Eigenvalues or singular values so far from 0 and from each other that no rounding and no small step confuses them."""


def _rotation(rng: np.random.Generator, n: int) -> Any:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def _matrices(source: Source, kind: str) -> Any:
    """A stack of matrices with the singular values of `SPECTRUM`, of any shape, or square, or symmetric, or positive
    definite, which are then their eigenvalues.
    """
    batch = source.draw(st.sampled_from(((), (), (1,), (2,))))
    m, n = source.draw(st.integers(1, 3)), source.draw(st.integers(1, 3))
    n = n if kind == "any" else m
    rng = np.random.default_rng(source.draw(st.integers(0, 999)))

    def matrix() -> Any:
        values = rng.permutation(SPECTRUM)[: min(m, n)]
        if kind in ("symmetric", "definite"):
            axes = _rotation(rng, m)
            return (axes * (values if kind == "definite" else values * rng.choice((-1, 1), m))) @ axes.T
        return (_rotation(rng, m)[:, : min(m, n)] * values) @ _rotation(rng, n)[: min(m, n)]

    made = np.stack([matrix() for _ in range(math.prod(batch))]).reshape((*batch, m, n))
    return 0.5 * (made + made.mT) if kind in ("symmetric", "definite") else made


def matrices(source: Source, kind: str = "any", **params: Strategy) -> Case:
    """Matrices that are far from singular, and from having two equal singular values."""
    return Case((_matrices(source, kind),), {name: source.draw(values) for name, values in params.items()})


def equations(source: Source) -> Case:
    """A square matrix, and one right side or some."""
    matrix = _matrices(source, "square")
    columns = source.draw(st.sampled_from(((), (1,), (2,))))
    stacked = source.draw(st.booleans())
    batch: Shape = matrix.shape[:-2] if columns and stacked else ()
    return Case((matrix, source.array((*batch, matrix.shape[-1], *columns))))


def orthonormal(source: Source) -> Case:
    """A matrix with orthonormal columns."""
    rng, m = np.random.default_rng(source.draw(st.integers(0, 999))), source.draw(st.integers(1, 3))
    return Case((_rotation(rng, m)[:, : source.draw(st.integers(0, m))],))


def spatial(source: Source) -> Case:
    """Two arrays that broadcast, of vectors of three elements."""
    a, b = source.broadcastable(2)
    axis = source.draw(st.integers(-min(len(a), len(b)) - 1, -1))
    x, y = ((*s[: len(s) + 1 + axis], 3, *s[len(s) + 1 + axis :]) for s in (a, b))
    return Case((source.array(x), source.array(y)), {"axis": axis})


def reshapes(source: Source) -> Case:
    """A shape of as many elements, -1 for one entry of some."""
    before = source.shape()
    factors = source.draw(st.permutations([n for n in (*before, 1) for n in ((1, n) if n < 2 else (n,))]))
    shape = tuple(factors)
    return Case((source.array(before),), {"shape": (*shape[:-1], -1) if source.draw(st.booleans()) else shape})


def expansions(source: Source) -> Case:
    """New axes."""
    shape = source.shape(max_dims=2)
    count = source.draw(st.integers(1, 2))
    ndim = len(shape)
    axes = st.lists(st.integers(0, ndim + count - 1), min_size=count, max_size=count, unique=True).map(tuple)
    axis = source.draw(axes if count > 1 else axes | st.integers(-ndim - 1, ndim))
    return Case((source.array(shape),), {"axis": axis})


def squeezes(source: Source) -> Case:
    """Axes of length 1."""
    shape = source.known(lambda s: 1 in s)
    if shape is None:
        ones = source.draw(st.lists(st.integers(0, 2), min_size=1, unique=True))
        shape = tuple(1 if i in ones else source.draw(st.integers(1, 3)) for i in range(3))
    candidates = [i for i, n in enumerate(shape) if n == 1]
    axes = source.draw(st.lists(st.sampled_from(candidates), min_size=1, unique=True))
    return Case((source.array(shape),), {"axis": tuple(axes) if len(axes) > 1 else axes[0]})


def widened(source: Source) -> Case:
    """A shape to broadcast to."""
    shape = source.shape()
    wide = [source.draw(st.integers(1, 3)) if n == 1 else n for n in shape]
    lead = source.draw(shapes(max_dims=3 - len(shape)))
    return Case((source.array(shape),), {"shape": (*lead, *wide)})


def joins(source: Source) -> Case:
    """Arrays that differ in the length of one axis only, empty ones among them."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    place = 0 if axis is None else axis % len(shape)
    more = source.draw(st.lists(st.integers(0, 3), max_size=2))
    lengths = source.draw(st.permutations([shape[place], *more]))
    arrays = tuple(source.array((*shape[:place], n, *shape[place + 1 :])) for n in lengths)
    return Case(arrays, {"axis": axis})


def widths(x: Any) -> Strategy:
    """A width to pad by, a pair, or a pair for each axis."""
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return st.integers(0, 2) | pair | st.tuples(*[pair] * len(x.shape))


def rolls(source: Source) -> Case:
    """A shift, or one for each of some axes."""
    shape = source.shape(min_dims=1)
    axis = source.draw(axes_of(len(shape)))
    shifts = st.integers(-4, 4)
    shift = tuple(source.draw(shifts) for _ in axis) if isinstance(axis, tuple) else source.draw(shifts)
    return Case((source.array(shape),), {"shift": shift, "axis": axis})


def repeats(source: Source) -> Case:
    """How often an element is repeated: a number, or one for each."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    counts = st.tuples(*[st.integers(0, 3)] * (math.prod(shape) if axis is None else shape[axis]))
    return Case((source.array(shape),), {"repeats": source.draw(st.integers(0, 3) | counts), "axis": axis})


def tiles(source: Source) -> Case:
    """How often an array is repeated along each axis."""
    times = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple)
    return Case((source.array(source.shape(max_dims=2)),), {"repetitions": source.draw(times | st.integers(1, 3))})


def indices_of(shape: Shape) -> Strategy:
    """Slices, integers, ellipses and new axes; a mask; arrays of integers, with duplicates."""
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    if not shape:
        return basic
    masks = st.integers(1, len(shape)).flatmap(lambda k: boolean_arrays(shape[:k]))
    return basic | masks | hnp.integer_array_indices(shape, result_shape=shapes(1, 2))


def standard_slices_of(shape: Shape) -> Strategy:
    """What the array API standard can assign to: slices and integers."""
    return hnp.basic_indices(shape, allow_ellipsis=False).map(lambda i: (*(i if isinstance(i, tuple) else (i,)), ...))


def standard_indices_of(shape: Shape) -> Strategy:
    """What the standard can take: these, and arrays of integers for all axes."""
    slices = standard_slices_of(shape)
    return slices | hnp.integer_array_indices(shape, result_shape=shapes(1, 2)) if shape else slices


def _picked(shape: Shape, index: Any) -> Shape:
    """The shape of ``x[index]``."""
    picked: Shape = np.empty(shape)[index].shape
    return picked


def scatters(source: Source, indices: Callable[[Shape], Strategy] = indices_of) -> Case:
    """An index into zeros of a shape, and what to add there."""
    shape = source.shape()
    index = source.draw(indices(shape))
    return Case((source.array(_picked(shape, index)),), {"index": index, "shape": shape})


def assignments(source: Source, indices: Callable[[Shape], Strategy] = indices_of) -> Case:
    """An index, and a value that is broadcast to it."""
    before = source.shape()
    index = source.draw(indices(before))
    target = _picked(before, index)
    narrow = tuple(1 if source.draw(st.booleans()) else n for n in target)
    narrow = narrow[source.draw(st.integers(0, len(target))) :]
    # NumPy takes a leading axis of length 1 too, but neither for a single element nor where a mask is the whole index.
    wide = (1, *target) if target and not isinstance(index, np.ndarray) else target
    shape = source.draw(st.sampled_from((narrow, target, wide)))
    return Case((source.array(before), source.array(shape)), {"index": index})


def takes(source: Source) -> Case:
    """Positions along an axis, or in the flattened array."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    return Case((source.array(shape), _positions(source, shape, axis)), {"axis": axis})


def _positions(source: Source, shape: Shape, axis: int | None) -> Any:
    length = math.prod(shape) if axis is None else shape[axis]
    return source.draw(integer_arrays((source.draw(st.integers(0, 4)),), 0, length - 1))


def scatter_takes(source: Source) -> Case:
    """Positions along an axis of zeros of a shape, and what to add there."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    indices = _positions(source, shape, axis)
    picked = np.take(np.empty(shape), indices, axis=axis).shape
    return Case((source.array(picked), indices), {"axis": axis, "shape": shape})


def _lengths_along(source: Source) -> tuple[Shape, int, Any]:
    """A shape, one of its axes, and for each place of another length along it a position."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1))
    other = tuple(source.draw(st.integers(1, 4)) if i == axis % len(shape) else n for i, n in enumerate(shape))
    return shape, axis, source.draw(integer_arrays(other, 0, shape[axis] - 1))


def takes_along(source: Source) -> Case:
    """A position along an axis for each place of the result."""
    shape, axis, indices = _lengths_along(source)
    return Case((source.array(shape), indices), {"axis": axis})


def scatters_along(source: Source) -> Case:
    """Positions along an axis of zeros of a shape, and what to add there."""
    shape, axis, indices = _lengths_along(source)
    return Case((source.array(indices.shape), indices), {"axis": axis, "shape": shape})


def classifications(source: Source) -> Case:
    """Logits with labels, one-hot integers, or soft labels that need not sum to 1."""
    logits = source.shape(min_dims=1)
    classes = logits[-1]
    labels = integer_arrays(logits[:-1], 0, classes - 1)
    kind = source.draw(st.sampled_from(("labels", "one-hot", "soft")))
    if kind == "soft":
        target = source.array(logits, POSITIVE)
    else:
        target = source.draw(labels if kind == "labels" else labels.map(lambda y: np.eye(classes, dtype=np.int64)[y]))
    return Case((source.array(logits), target), {"reduction": source.draw(REDUCTIONS)})


def compared(source: Source) -> Case:
    """Two arrays of one shape."""
    shape = source.shape()
    return Case((source.array(shape), source.array(shape)), {"reduction": source.draw(REDUCTIONS)})


# -------------------------------------------------------------------------------------------------------------- windows


def _geometry(source: Source, kernel: str, reach: int = 2) -> tuple[dict[str, Any], Shape, Shape, Shape]:
    """How windows slide: the parameters, and the space, the windows' size and their number along each axis. ``reach``:
    the largest dilation; with 1 each window sees an element that is not padding.
    """
    axes = source.draw(st.integers(1, 2))

    def each(low: int, high: int) -> Shape:
        return tuple(source.draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    size, stride, dilation, more = each(1, 3), each(1, 2), each(1, reach), each(0, 2)
    pads = tuple((source.draw(st.integers(0, k // 2)), source.draw(st.integers(0, k // 2))) for k in size)
    space = tuple(max(1, d * (k - 1) + 1 - sum(p)) + m for d, k, p, m in zip(dilation, size, pads, more, strict=True))
    counts = output_space("", space, size, stride, pads, dilation)
    params = {"stride": stride, "padding": pads, "dilation": dilation} | ({kernel: size} if kernel else {})
    return params, space, size, counts


def convolutions(source: Source, given: str) -> Case:
    """A convolution, or its derivative with respect to one factor: called with the other two.

    ``given``: the two factors that are its arguments, out of x, w and y.
    """
    params, space, size, counts = _geometry(source, "" if "w" in given else "size")
    n, inside, outside, groups = (source.draw(st.integers(1, 2)) for _ in range(4))
    shapes = {
        "x": (n, groups * inside, *space),
        "w": (groups * outside, inside, *size),
        "y": (n, groups * outside, *counts),
    }
    arrays = [source.array(shapes[name]) for name in given]
    if given == "xw" and source.draw(st.booleans()):
        arrays.append(source.array((groups * outside,)))
    extra = {} if "x" in given else {"space": space}
    return Case(tuple(arrays), params | {"groups": groups} | extra)


def poolings(source: Source, given: str) -> Case:
    """A pooling of x, or one of its derivatives: ``given`` says for each argument whether it has the shape of the input
    (x) or of the output (y). An array that is looked through for maxima has no two near elements.
    """
    params, space, size, counts = _geometry(source, "size", 1 if "X" in given else 2)
    n, channels = source.draw(st.integers(1, 2)), 1 if "X" in given else source.draw(st.integers(1, 2))
    shapes = {"x": (n, channels, *space), "X": (n, channels, *space), "y": (n, channels, *counts)}
    if given == "c":
        shapes["c"] = (n, channels * math.prod(size), math.prod(counts))
    arrays = tuple(source.array(shapes[name], unique=name == "X") for name in given)
    return Case(arrays, params | ({"space": space} if given in ("y", "c") else {}))


def scans(source: Source) -> Case:
    """A carry, the inputs of up to three steps and a weight, and a loop over them."""
    steps = source.draw(st.integers(1, 3))
    small = Domain(-1.0, 1.0)
    arrays = tuple(source.array(shape, small) for shape in ((2,), (steps, 2), (2,)))
    reverse, recompute = source.draw(st.booleans()), source.draw(st.integers(0, 2))
    return Case(arrays, {"loop": Loop(_body_of_scans(), steps, float64, reverse, recompute=recompute)})


@cache
def _body_of_scans() -> Body:
    def step(given: list[Any], mark: Any) -> list[Any]:
        carry, x, weight = given
        carry = tanh(carry * weight + x)
        return [carry, carry * x]

    return body_of(step, [((2,), float64)] * 3, "step", ["carry", "x", "weight"], (1, 1))[0]
