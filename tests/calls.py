"""Random calls of operations whose arguments constrain each other by more than their shapes.

Each function makes a call from a `Source`; a row of `tests.operations` names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glassgrad.autograd.common.shapes import Shape, broadcast_shapes
from glassgrad.autograd.compiler.scan import body_of
from glassgrad.autograd.errors import ShapeError
from glassgrad.autograd.functions.dtypes import float64
from glassgrad.autograd.ops.elementwise import tanh
from glassgrad.autograd.ops.loops.body import Body
from glassgrad.autograd.ops.loops.scan import Loop
from glassgrad.autograd.ops.windows import windows_of
from glassgrad.autograd.testing.declarations import POSITIVE, Domain
from glassgrad.autograd.testing.strategies import Source, Strategy, filled, shapes, some_axes


class Case:
    """One call: ``op(*arrays, **params)``."""

    def __init__(self, *arrays: Any, **params: Any) -> None:
        self.arrays, self.params = arrays, params

    def __iter__(self) -> Iterator[Any]:
        return iter((self.arrays, self.params))


def broadcasts(*given: Shape) -> bool:
    """Whether shapes broadcast against each other."""
    try:
        broadcast_shapes(*given)
    except ShapeError:
        return False
    return True


def integer_arrays(shape: Shape, low: int, high: int) -> Strategy:
    """Int64 arrays of a shape, with elements from ``low`` to ``high``."""
    return hnp.arrays(np.int64, shape, elements=st.integers(low, high))


def boolean_arrays(shape: Shape) -> Strategy:
    """Boolean arrays of a shape."""
    return hnp.arrays(np.bool_, shape, elements=st.booleans())


def axes_of(ndim: int) -> Strategy:
    """An axis, a tuple of some, or ``None`` for all."""
    return st.none() | some_axes(ndim) if ndim else st.none()


REDUCTIONS = st.sampled_from(("mean", "sum", "none"))


def limited(source: Source) -> Case:
    """Arguments of clip: an array, and limits that are numbers, ``None``, or arrays (sometimes with min > max)."""
    domain = Domain(avoid=(-1.0, 1.5, 2.0), gap=0.05, limits=(-math.inf, math.inf))
    if source.draw(st.booleans()):
        numbers = {"min": source.draw(st.sampled_from((None, -1.0))), "max": 2.0}
        return Case(source.array(source.shape(), domain), **numbers)
    x, low, high = source.broadcastable(3)
    limits = source.array(low, Domain(only=(-1.0, 2.0))), source.array(high, Domain(only=(1.5,)))
    return Case(source.array(x, domain), *limits)


def searches(source: Source) -> Case:
    """Arguments of searchsorted: a sorted array, or an unsorted one with its sorter, and values to look up."""
    x = source.draw(filled((source.draw(st.integers(1, 5)),)))
    order = np.argsort(x)
    side = {"side": source.draw(st.sampled_from(("left", "right")))}
    y = source.draw(filled(source.shape()))
    return Case(x, y, order, **side) if source.draw(st.booleans()) else Case(x[order], y, **side)


def spread(source: Source) -> Case:
    """Arguments of var and std: at least two distinct elements along the axes, so that the variance is not 0."""
    shape = source.known(lambda s: 1 <= len(s) <= 2 and min(s) >= 2)
    shape = source.draw(shapes(1, 2, 4, min_side=2)) if shape is None else shape
    return Case(
        source.array(shape, unique=True),
        axis=source.draw(axes_of(len(shape))),
        keepdims=source.draw(st.booleans()),
        correction=source.draw(st.sampled_from((0, 1))),
    )


def _signature(source: Source, signature: str) -> tuple[Shape, ...]:
    drawn = hnp.mutually_broadcastable_shapes(signature=signature, max_dims=2, max_side=3)
    return source.draw(drawn).input_shapes


def _multiplies(x: Shape, y: Shape) -> bool:
    """Whether arrays of these shapes can be multiplied by ``@``."""
    if not (x and y) or x[-1] != y[-1 if len(y) == 1 else -2]:
        return False
    return broadcasts(x[:-2], y[:-2])


def products(source: Source) -> Case:
    """Arguments of matmul: vectors, matrices, and stacks of them that broadcast."""
    x = source.known(lambda s: len(s) >= 1)
    y = None if x is None else source.known(partial(_multiplies, x))
    if x is None or y is None:
        x, y = _signature(source, "(m?,n),(n,p?)->(m?,p?)")
    return Case(source.array(x), source.array(y))


def contractions(source: Source) -> Case:
    """Arguments of einsum: one to three arrays with distinct labels each, and a result with some of these labels."""
    first = source.shape()
    sizes = dict(zip("ijkl", first, strict=False))
    for label in "ijkl"[len(first) :]:
        sizes[label] = source.draw(st.integers(1, 3))
    label_lists = st.lists(st.sampled_from("ijkl"), unique=True, max_size=3)
    terms = ["ijkl"[: len(first)], *("".join(source.draw(label_lists)) for _ in range(source.draw(st.integers(0, 2))))]
    present = sorted(set("".join(terms)))
    result = "".join(source.draw(st.permutations(present)))[: source.draw(st.integers(0, len(present)))]
    arrays = tuple(source.array(tuple(sizes[label] for label in term)) for term in terms)
    return Case(*arrays, subscripts=f"{','.join(terms)}->{result}")


SPECTRUM = (0.5, 1.2, 2.1)
"""Eigenvalues or singular values so far from 0 and from each other that no rounding and no small step confuses them."""


def _rotation(rng: np.random.Generator, n: int) -> Any:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def _matrices(source: Source, kind: str) -> Any:
    """A stack of matrices with singular values from `SPECTRUM`; of definite ones these are the eigenvalues."""
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
    """Matrices that are far from singular and have well-separated singular values."""
    return Case(_matrices(source, kind), **{name: source.draw(values) for name, values in params.items()})


def equations(source: Source) -> Case:
    """Arguments of solve: a square matrix, and right-hand sides as columns."""
    matrix = _matrices(source, "square")
    batch: Shape = matrix.shape[:-2] if source.draw(st.booleans()) else ()
    return Case(matrix, source.array((*batch, matrix.shape[-1], source.draw(st.integers(1, 2)))))


def orthonormal(source: Source) -> Case:
    """Orthonormal columns of integers, which ask for no gradient: that of `orthogonal_complement` is refused."""
    rng, m = np.random.default_rng(source.draw(st.integers(0, 999))), source.draw(st.integers(1, 3))
    columns = rng.permutation(np.diag(rng.choice((-1, 1), m)))
    return Case(columns[:, : source.draw(st.integers(0, m))])


def spatial(source: Source) -> Case:
    """Arguments of cross: two arrays that broadcast, with 3 elements along one axis."""
    a, b = source.broadcastable(2)
    axis = source.draw(st.integers(-min(len(a), len(b)) - 1, -1))
    x, y = ((*s[: len(s) + 1 + axis], 3, *s[len(s) + 1 + axis :]) for s in (a, b))
    return Case(source.array(x), source.array(y), axis=axis)


def shapes_of_as_many(x: Any) -> Strategy:
    """Strategy of ``shape`` for reshape: of as many elements as ``x``, sometimes with -1 for the last axis."""
    factors = st.permutations([n for n in (*x.shape, 1) for n in ((1, n) if n < 2 else (n,))]).map(tuple)
    return factors | factors.map(lambda shape: (*shape[:-1], -1))


def new_axes(x: Any) -> Strategy:
    """Strategy of ``axis`` for expand_dims: the position of a new axis, or of one or two in a tuple."""
    ndim = len(x.shape)
    positions = (st.lists(st.integers(0, ndim + n - 1), min_size=n, max_size=n, unique=True) for n in (1, 2))
    return st.integers(-ndim - 1, ndim) | st.one_of(*positions).map(tuple)


def squeezes(source: Source) -> Case:
    """Arguments of squeeze: an array and some of its axes of length 1."""
    shape = source.known(lambda s: 1 in s)
    if shape is None:
        ones = source.draw(st.lists(st.integers(0, 2), min_size=1, unique=True))
        shape = tuple(1 if i in ones else source.draw(st.integers(1, 3)) for i in range(3))
    candidates = [i for i, n in enumerate(shape) if n == 1]
    axes = source.draw(st.lists(st.sampled_from(candidates), min_size=1, unique=True))
    return Case(source.array(shape), axis=tuple(axes) if len(axes) > 1 else axes[0])


def wider_shapes(x: Any) -> Strategy:
    """Strategy of shapes that ``x`` broadcasts to."""
    sides = st.tuples(*(st.integers(1, 3) if n == 1 else st.just(n) for n in x.shape))
    return st.tuples(shapes(max_dims=3 - len(x.shape)), sides).map(lambda drawn: (*drawn[0], *drawn[1]))


def joins(source: Source) -> Case:
    """Arguments of concat: arrays that differ in the length of one axis only, some of them empty."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    place = 0 if axis is None else axis % len(shape)
    more = source.draw(st.lists(st.integers(0, 3), max_size=2))
    lengths = source.draw(st.permutations([shape[place], *more]))
    arrays = tuple(source.array((*shape[:place], n, *shape[place + 1 :])) for n in lengths)
    return Case(*arrays, axis=axis)


REPETITIONS = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple) | st.integers(1, 3)


def widths(x: Any) -> Strategy:
    """Strategy of ``pad_width``: a width, a pair, or a pair for each axis."""
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return st.integers(0, 2) | pair | st.tuples(*[pair] * len(x.shape))


def fourier(source: Source) -> Case:
    """Arguments of a Fourier transform, of at least two elements, so that an inverse of real ones exists."""
    shape = source.shape(1, 3, 2)
    n, norm = source.draw(st.sampled_from((None, 1, 2, 3, 5))), st.sampled_from(("backward", "ortho", "forward"))
    axis = source.draw(st.integers(-len(shape), len(shape) - 1))
    return Case(source.array(shape), n=n, axis=axis, norm=source.draw(norm))


def rolls(source: Source) -> Case:
    """Arguments of roll: one shift, or one for each of several axes."""
    shape = source.shape(min_dims=1)
    axis = source.draw(axes_of(len(shape)))
    shifts = st.integers(-4, 4)
    shift = tuple(source.draw(shifts) for _ in axis) if isinstance(axis, tuple) else source.draw(shifts)
    return Case(source.array(shape), shift=shift, axis=axis)


def indices_of(shape: Shape) -> Strategy:
    """Strategy of indices: slices, integers, ellipses and new axes; masks; integer arrays with duplicates."""
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    if not shape:
        return basic
    masks = st.integers(1, len(shape)).flatmap(lambda k: boolean_arrays(shape[:k]))
    return basic | masks | hnp.integer_array_indices(shape, result_shape=shapes(1, 2))


def _picked(shape: Shape, index: Any) -> Shape:
    """The shape of ``x[index]``."""
    picked: Shape = np.empty(shape)[index].shape
    return picked


def scatters(source: Source) -> Case:
    """Arguments of scatter_add: values, and the index into zeros of a shape where they are added."""
    shape = source.shape()
    index = source.draw(indices_of(shape))
    return Case(source.array(_picked(shape, index)), index=index, shape=shape)


def assignments(source: Source) -> Case:
    """Arguments of setitem: an array, an index, and a value that broadcasts to the indexed part."""
    before = source.shape()
    index = source.draw(indices_of(before))
    target = _picked(before, index)
    narrow = tuple(1 if source.draw(st.booleans()) else n for n in target)
    narrow = narrow[source.draw(st.integers(0, len(target))) :]
    # NumPy takes a leading axis of length 1 too, but neither for a single element nor where a mask is the whole index.
    wide = (1, *target) if target and not isinstance(index, np.ndarray) else target
    shape = source.draw(st.sampled_from((narrow, target, wide)))
    return Case(source.array(before), source.array(shape), index=index)


def takes(source: Source, scattered: bool = False) -> Case:
    """Arguments of take: an array, and positions along an axis or in the flattened array; or those of its adjoint."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    length = math.prod(shape) if axis is None else shape[axis]
    indices = source.draw(integer_arrays((source.draw(st.integers(0, 4)),), 0, length - 1))
    if not scattered:
        return Case(source.array(shape), indices, axis=axis)
    return Case(source.array(np.take(np.empty(shape), indices, axis=axis).shape), indices, axis=axis, shape=shape)


def takes_along(source: Source, scattered: bool = False) -> Case:
    """Arguments of take_along_axis: an array, and positions along an axis; or those of its adjoint."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1))
    other = tuple(source.draw(st.integers(1, 4)) if i == axis % len(shape) else n for i, n in enumerate(shape))
    indices = source.draw(integer_arrays(other, 0, shape[axis] - 1))
    if not scattered:
        return Case(source.array(shape), indices, axis=axis)
    return Case(source.array(other), indices, axis=axis, shape=shape)


def classifications(source: Source) -> Case:
    """Arguments of cross_entropy: logits with labels, one-hot integers, or soft labels that need not sum to 1."""
    logits = source.shape(min_dims=1)
    classes = logits[-1]
    labels = integer_arrays(logits[:-1], 0, classes - 1)
    kind = source.draw(st.sampled_from(("labels", "one-hot", "soft")))
    if kind == "soft":
        target = source.array(logits, POSITIVE)
    else:
        target = source.draw(labels if kind == "labels" else labels.map(lambda y: np.eye(classes, dtype=np.int64)[y]))
    return Case(source.array(logits), target, reduction=source.draw(REDUCTIONS))


def compared(source: Source) -> Case:
    """Arguments of an elementwise loss: two arrays of one shape, and a reduction."""
    shape = source.shape()
    return Case(source.array(shape), source.array(shape), reduction=source.draw(REDUCTIONS))


# -------------------------------------------------------------------------------------------------------------- windows


def _geometry(source: Source, kernel: str, reach: int = 2) -> tuple[dict[str, Any], Shape, Shape, Shape]:
    """Random windows: parameters, shape of the input, size of a window, and number of windows along each axis.

    ``reach`` is the largest dilation; with 1 each window covers at least one element that is not padding.
    """
    axes = source.draw(st.integers(1, 2))

    def each(low: int, high: int) -> Shape:
        return tuple(source.draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    size, stride, dilation, more = each(1, 3), each(1, 2), each(1, reach), each(0, 2)
    pads = tuple((source.draw(st.integers(0, k // 2)), source.draw(st.integers(0, k // 2))) for k in size)
    space = tuple(max(1, d * (k - 1) + 1 - sum(p)) + m for d, k, p, m in zip(dilation, size, pads, more, strict=True))
    counts = windows_of("", space, size, stride, pads, dilation).counts
    params = {"stride": stride, "padding": pads, "dilation": dilation} | ({kernel: size} if kernel else {})
    return params, space, size, counts


def convolutions(source: Source, given: str) -> Case:
    """Arguments of a convolution, or of its derivative with respect to one factor, which takes the other two.

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
    return Case(*arrays, **(params | {"groups": groups} | extra))


def poolings(source: Source, given: str) -> Case:
    """Arguments of a pooling or of one of its derivatives.

    ``given`` has a letter for each argument: x has the shape of the input, y that of the output, c that of the unfolded
    windows. X is an input whose maxima are taken: no two of its elements are near each other.
    """
    params, space, size, counts = _geometry(source, "size", 1 if "X" in given else 2)
    n, channels = source.draw(st.integers(1, 2)), 1 if "X" in given else source.draw(st.integers(1, 2))
    shapes = {"x": (n, channels, *space), "X": (n, channels, *space), "y": (n, channels, *counts)}
    if given == "c":
        shapes["c"] = (n, channels * math.prod(size), math.prod(counts))
    arrays = tuple(source.array(shapes[name], unique=name == "X") for name in given)
    return Case(*arrays, **(params | ({"space": space} if given in ("y", "c") else {})))


def scans(source: Source) -> Case:
    """Arguments of scan: a carry, the inputs of up to three steps, a weight, and the loop."""
    steps = source.draw(st.integers(1, 3))
    small = Domain(-1.0, 1.0)
    arrays = tuple(source.array(shape, small) for shape in ((2,), (steps, 2), (2,)))
    return Case(*arrays, loop=Loop(_body_of_scans(), steps, float64, source.draw(st.booleans())))


@cache
def _body_of_scans() -> Body:
    def step(given: list[Any], mark: Any) -> list[Any]:
        carry, x, weight = given
        carry = tanh(carry * weight + x)
        return [carry, carry * x]

    return body_of(step, [((2,), float64)] * 3, "step", ["carry", "x", "weight"], (1, 1))[0]
