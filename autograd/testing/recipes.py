"""What each operation can be called with, said once: `RECIPES`.

A recipe makes a `Case`, one call of an operation, out of what a `Source` gives: shapes, arrays and choices. A plain
source draws fresh ones, so that the operation is tested by itself; a program's source hands out values that the program
has computed before, so that the same recipe continues the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd.errors import DeclarationError, ShapeError
from autograd.operation import OPS, REQUIRED, Op
from autograd.shapes import Shape, broadcast_shapes
from autograd.testing.domains import INSIDE, INTEGERS, NONZERO, POSITIVE, REAL, STEPS, Domain

Strategy = st.SearchStrategy[Any]
P = ParamSpec("P")


@dataclass(frozen=True)
class Case:
    """One call: ``op(*arrays, **params)``."""

    arrays: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.arrays, self.params))


# --------------------------------------------------------------------------------------------------------------- arrays


def simplest_first(numbers: list[float]) -> list[float]:
    """The order in which an example that fails is made simpler: few digits, small, positive."""
    return sorted(numbers, key=lambda x: (len(repr(abs(x))), abs(x), x < 0))


def filled(shape: Shape, numbers: list[float] | Domain = REAL, unique: bool = False) -> Strategy:
    """Float64 arrays of a shape; ``unique``: no two elements are equal, so that none is near to changing places."""
    elements = simplest_first(numbers.numbers if isinstance(numbers, Domain) else numbers)
    return hnp.arrays(np.float64, shape, elements=st.sampled_from(elements), fill=st.nothing(), unique=unique)


def integers(shape: Shape, low: int, high: int) -> Strategy:
    """Int64 arrays of a shape, with elements from ``low`` to ``high``."""
    return hnp.arrays(np.int64, shape, elements=st.integers(low, high))


def booleans(shape: Shape) -> Strategy:
    """Boolean arrays of a shape."""
    return hnp.arrays(np.bool_, shape, elements=st.booleans())


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 3, min_side: int = 1) -> st.SearchStrategy[Shape]:
    """Shapes of arrays."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


WAYS: tuple[tuple[Shape, Shape], ...] = (
    *(((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 1), (1, 3)), ((2, 3), (2, 1)), ((2, 3), ())),
    *(((3,), (2, 3)), ((1, 3), (2, 3)), ((1, 3), (2, 1)), ((2, 1), (2, 3)), ((), (2, 3))),
)
"""The ways in which two shapes broadcast: by an axis that is missing or of length 1, on either side or on both."""


def broadcastable(count: int, max_dims: int = 3, max_side: int = 3) -> st.SearchStrategy[tuple[Shape, ...]]:
    """``count`` shapes that broadcast."""
    any_way = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, max_side=max_side).map(
        lambda drawn: drawn.input_shapes
    )
    return any_way | st.sampled_from(WAYS) if count == 2 and max_dims >= 2 and max_side >= 3 else any_way


def axes_of(ndim: int) -> Strategy:
    """An axis, some axes, or all."""
    if ndim == 0:
        return st.none()
    several = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True).map(tuple)
    return st.none() | st.integers(-ndim, ndim - 1) | several


class Source:
    """Where a recipe gets what it needs: everything drawn afresh."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 1) -> Shape:
        """The shape of an array that any recipe may ask for."""
        return self.draw(shapes(min_dims, max_dims, min_side=min_side))

    def broadcastable(self, count: int) -> tuple[Shape, ...]:
        """Shapes that broadcast against each other."""
        return self.draw(broadcastable(count))

    def known(self, fits: Callable[[Shape], bool]) -> Shape | None:
        """The shape of a value that is there already, and that ``fits``."""
        return None

    def array(self, shape: Shape, domain: Domain = REAL, unique: bool = False) -> Any:
        """A float64 array; ``unique``: no two elements are near each other."""
        return self.draw(filled(shape, domain, unique))

    def apart(self, shapes: tuple[Shape, Shape], domain: Domain = REAL) -> tuple[Any, Any]:
        """Two arrays, no element of one near an element of the other."""
        return self.array(shapes[0], domain.even), self.array(shapes[1], domain.odd)


class Recipe:
    """How cases of an operation are made: ``make(source)`` makes one, and ``cases`` draws them."""

    def __init__(self, make: Callable[[Source], Case]) -> None:
        self.make = make

    @property
    def cases(self) -> st.SearchStrategy[Case]:
        """Cases with fresh arrays."""
        return st.composite(lambda draw: self.make(Source(draw)))()


def recipe(function: Callable[Concatenate[Source, P], Case]) -> Callable[P, Recipe]:
    """A function ``(source, *options)`` as one that takes the options and gives a `Recipe`."""

    @wraps(function)
    def with_options(*args: P.args, **options: P.kwargs) -> Recipe:
        return Recipe(lambda source: function(source, *args, **options))

    return with_options


# -------------------------------------------------------------------------------------------------------------- recipes


def _drawn(source: Source, params: dict[str, Strategy]) -> dict[str, Any]:
    return {name: source.draw(values) for name, values in params.items()}


@recipe
def one(source: Source, /, domain: Domain = REAL, min_dims: int = 0, unique: bool = False, **params: Strategy) -> Case:
    """An array of any shape, and the parameters."""
    return Case((source.array(source.shape(min_dims), domain, unique),), _drawn(source, params))


@recipe
def two(source: Source, x: Domain = REAL, y: Domain = REAL) -> Case:
    """Two arrays that broadcast."""
    a, b = source.broadcastable(2)
    return Case((source.array(a, x), source.array(b, y)))


@recipe
def apart(source: Source, domain: Domain = REAL) -> Case:
    """Two arrays that broadcast, with no element of one near an element of the other."""
    a, b = source.broadcastable(2)
    return Case(source.apart((a, b), domain))


@recipe
def truths(source: Source, count: int) -> Case:
    """Booleans that broadcast."""
    return Case(tuple(source.draw(booleans(shape)) for shape in source.broadcastable(count)))


@recipe
def limited(source: Source) -> Case:
    """What is limited, and its limits: numbers or none, or arrays, which may be the wrong way round."""
    domain = Domain(avoid=(-1.0, 1.5, 2.0), gap=0.05, limits=(-math.inf, math.inf))
    if source.draw(st.booleans()):
        numbers = {"min": source.draw(st.sampled_from((None, -1.0))), "max": 2.0}
        return Case((source.array(source.shape(), domain),), numbers)
    x, low, high = source.broadcastable(3)
    limits = source.array(low, Domain(only=(-1.0, 2.0))), source.array(high, Domain(only=(1.5,)))
    return Case((source.array(x, domain), *limits))


@recipe
def shifts(source: Source) -> Case:
    """Integers, and by how many places their bits are moved."""
    x, y = source.broadcastable(2)
    return Case((source.draw(integers(x, -99, 99)), source.draw(integers(y, 0, 5))))


@recipe
def searches(source: Source) -> Case:
    """An array in order, or an order of it, and what to find a place for."""
    x = source.draw(filled((source.draw(st.integers(1, 5)),)))
    order = np.argsort(x)
    side = {"side": source.draw(st.sampled_from(("left", "right")))}
    y = source.draw(filled(source.shape()))
    return Case((x, y, order), side) if source.draw(st.booleans()) else Case((x[order], y), side)


@recipe
def choices(source: Source) -> Case:
    """A condition and two arrays that broadcast."""
    condition, x, y = source.broadcastable(3)
    return Case((source.draw(booleans(condition)), source.array(x), source.array(y)))


@recipe
def reduced(source: Source, /, domain: Domain = REAL, unique: bool = False, **params: Strategy) -> Case:
    """What a reduction takes: any array, any axes."""
    shape = source.shape()
    given = {"axis": source.draw(axes_of(len(shape))), "keepdims": source.draw(st.booleans())}
    return Case((source.array(shape, domain, unique),), given | _drawn(source, params))


@recipe
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


@recipe
def placed(source: Source, domain: Domain = REAL, unique: bool = False) -> Case:
    """Along one axis, as argmax takes it: None is the flattened array."""
    shape = source.shape()
    axis = source.draw(st.none() | st.integers(-len(shape), len(shape) - 1)) if shape else None
    return Case((source.array(shape, domain, unique),), {"axis": axis, "keepdims": source.draw(st.booleans())})


@recipe
def along(source: Source, /, count: int = 1, unique: bool = False, none: bool = False, **params: Strategy) -> Case:
    """Arrays of one shape and one of its axes."""
    shape = source.shape(min_dims=1)
    axes = st.integers(-len(shape), len(shape) - 1)
    axis = source.draw(axes | st.none() if none and len(shape) == 1 else axes)
    arrays = tuple(source.array(shape, unique=unique) for _ in range(count))
    return Case(arrays, {"axis": axis} | _drawn(source, params))


def _signature(source: Source, signature: str) -> tuple[Shape, ...]:
    drawn = hnp.mutually_broadcastable_shapes(signature=signature, max_dims=2, max_side=3)
    return source.draw(drawn).input_shapes


def _multiplies(x: Shape, y: Shape) -> bool:
    """Whether ``x @ y`` exists."""
    if not (x and y) or x[-1] != y[-1 if len(y) == 1 else -2]:
        return False
    return broadcasts(x[:-2], y[:-2])


def broadcasts(*given: Shape) -> bool:
    """Whether shapes broadcast against each other."""
    try:
        broadcast_shapes(*given)
    except ShapeError:
        return False
    return True


@recipe
def products(source: Source) -> Case:
    """What matmul takes: vectors, matrices, and stacks of them that broadcast."""
    x = source.known(lambda s: len(s) >= 1)
    y = None if x is None else source.known(partial(_multiplies, x))
    if x is None or y is None:
        x, y = _signature(source, "(m?,n),(n,p?)->(m?,p?)")
    return Case((source.array(x), source.array(y)))


@recipe
def layers(source: Source) -> Case:
    """A batch of any shape, a weight, and a bias or none."""
    batch = source.known(lambda s: 1 <= len(s) <= 3)
    batch = (*source.draw(shapes(max_dims=2)), source.draw(st.integers(1, 4))) if batch is None else batch
    weight = source.known(lambda s: len(s) == 2 and s[1] == batch[-1])
    weight = (source.draw(st.integers(1, 4)), batch[-1]) if weight is None else weight
    bias = (source.array(weight[:1]),) if source.draw(st.booleans()) else ()
    return Case((source.array(batch), source.array(weight), *bias))


def _pairs(x: Shape, y: Shape) -> bool:
    """Whether there are dot products along the last axis."""
    return len(y) >= 1 and x[-1] == y[-1] and broadcasts(x, y)


@recipe
def vectors(source: Source) -> Case:
    """Vectors along the last axis, the others broadcast."""
    x = source.known(lambda s: len(s) >= 1)
    y = None if x is None else source.known(partial(_pairs, x))
    if x is None or y is None:
        x, y = _signature(source, "(n),(n)->()")
    return Case((source.array(x), source.array(y)))


@recipe
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


@recipe
def matrices(source: Source, /, kind: str = "any", **params: Strategy) -> Case:
    """Matrices that are far from singular, and from having two equal singular values."""
    return Case((_matrices(source, kind),), _drawn(source, params))


@recipe
def equations(source: Source) -> Case:
    """A square matrix, and one right side or some."""
    matrix = _matrices(source, "square")
    columns = source.draw(st.sampled_from(((), (1,), (2,))))
    stacked = source.draw(st.booleans())
    batch: Shape = matrix.shape[:-2] if columns and stacked else ()
    return Case((matrix, source.array((*batch, matrix.shape[-1], *columns))))


@recipe
def orthonormal(source: Source) -> Case:
    """A matrix with orthonormal columns."""
    rng, m = np.random.default_rng(source.draw(st.integers(0, 999))), source.draw(st.integers(1, 3))
    return Case((_rotation(rng, m)[:, : source.draw(st.integers(0, m))],))


@recipe
def spatial(source: Source) -> Case:
    """Two arrays that broadcast, of vectors of three elements."""
    a, b = source.broadcastable(2)
    axis = source.draw(st.integers(-min(len(a), len(b)) - 1, -1))
    x, y = ((*s[: len(s) + 1 + axis], 3, *s[len(s) + 1 + axis :]) for s in (a, b))
    return Case((source.array(x), source.array(y)), {"axis": axis})


@recipe
def reshapes(source: Source) -> Case:
    """A shape of as many elements, -1 for one entry of some."""
    before = source.shape()
    factors = source.draw(st.permutations([n for n in (*before, 1) for n in ((1, n) if n < 2 else (n,))]))
    shape = tuple(factors)
    return Case((source.array(before),), {"shape": (*shape[:-1], -1) if source.draw(st.booleans()) else shape})


@recipe
def expansions(source: Source) -> Case:
    """New axes."""
    shape = source.shape(max_dims=2)
    count = source.draw(st.integers(1, 2))
    ndim = len(shape)
    axes = st.lists(st.integers(0, ndim + count - 1), min_size=count, max_size=count, unique=True).map(tuple)
    axis = source.draw(axes if count > 1 else axes | st.integers(-ndim - 1, ndim))
    return Case((source.array(shape),), {"axis": axis})


@recipe
def squeezes(source: Source) -> Case:
    """Axes of length 1."""
    shape = source.known(lambda s: 1 in s)
    if shape is None:
        ones = source.draw(st.lists(st.integers(0, 2), min_size=1, unique=True))
        shape = tuple(1 if i in ones else source.draw(st.integers(1, 3)) for i in range(3))
    candidates = [i for i, n in enumerate(shape) if n == 1]
    axes = source.draw(st.lists(st.sampled_from(candidates), min_size=1, unique=True))
    return Case((source.array(shape),), {"axis": tuple(axes) if len(axes) > 1 else axes[0]})


@recipe
def permutations(source: Source) -> Case:
    """An order of the axes."""
    shape = source.shape()
    return Case((source.array(shape),), {"axes": tuple(source.draw(st.permutations(range(len(shape)))))})


@recipe
def widened(source: Source) -> Case:
    """A shape to broadcast to."""
    shape = source.shape()
    wide = [source.draw(st.integers(1, 3)) if n == 1 else n for n in shape]
    lead = source.draw(shapes(max_dims=3 - len(shape)))
    return Case((source.array(shape),), {"shape": (*lead, *wide)})


@recipe
def joins(source: Source) -> Case:
    """Arrays that differ in the length of one axis only, empty ones among them."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    place = 0 if axis is None else axis % len(shape)
    more = source.draw(st.lists(st.integers(0, 3), max_size=2))
    lengths = source.draw(st.permutations([shape[place], *more]))
    arrays = tuple(source.array((*shape[:place], n, *shape[place + 1 :])) for n in lengths)
    return Case(arrays, {"axis": axis})


@recipe
def stacks(source: Source) -> Case:
    """Arrays of one shape."""
    shape = source.shape(max_dims=2)
    arrays = tuple(source.array(shape) for _ in range(source.draw(st.integers(1, 3))))
    return Case(arrays, {"axis": source.draw(st.integers(-len(shape) - 1, len(shape)))})


@recipe
def flips(source: Source) -> Case:
    """An axis, some axes, or all."""
    shape = source.shape()
    return Case((source.array(shape),), {"axis": source.draw(axes_of(len(shape)))})


@recipe
def rolls(source: Source) -> Case:
    """A shift, or one for each of some axes."""
    shape = source.shape(min_dims=1)
    axis = source.draw(axes_of(len(shape)))
    shifts = st.integers(-4, 4)
    shift = tuple(source.draw(shifts) for _ in axis) if isinstance(axis, tuple) else source.draw(shifts)
    return Case((source.array(shape),), {"shift": shift, "axis": axis})


@recipe
def repeats(source: Source) -> Case:
    """How often an element is repeated: a number, or one for each."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    counts = st.tuples(*[st.integers(0, 3)] * (math.prod(shape) if axis is None else shape[axis]))
    return Case((source.array(shape),), {"repeats": source.draw(st.integers(0, 3) | counts), "axis": axis})


@recipe
def tiles(source: Source) -> Case:
    """How often an array is repeated along each axis."""
    times = st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple)
    return Case((source.array(source.shape(max_dims=2)),), {"repetitions": source.draw(times | st.integers(1, 3))})


@recipe
def pads(source: Source) -> Case:
    """A width, a pair, or a pair for each axis."""
    shape = source.shape(min_dims=1)
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    width = source.draw(st.integers(0, 2) | pair | st.tuples(*[pair] * len(shape)))
    return Case((source.array(shape),), {"pad_width": width, "constant_values": source.draw(st.sampled_from((0, 1.5)))})


def indices_of(shape: Shape) -> Strategy:
    """Slices, integers, ellipses and new axes; a mask; arrays of integers, with duplicates."""
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    if not shape:
        return basic
    masks = st.integers(1, len(shape)).flatmap(lambda k: booleans(shape[:k]))
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


@recipe
def indexed(source: Source, indices: Callable[[Shape], Strategy] = indices_of) -> Case:
    """An index."""
    shape = source.shape()
    return Case((source.array(shape),), {"index": source.draw(indices(shape))})


@recipe
def scatters(source: Source, indices: Callable[[Shape], Strategy] = indices_of) -> Case:
    """An index into zeros of a shape, and what to add there."""
    shape = source.shape()
    index = source.draw(indices(shape))
    return Case((source.array(_picked(shape, index)),), {"index": index, "shape": shape})


@recipe
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


@recipe
def takes(source: Source) -> Case:
    """Positions along an axis, or in the flattened array."""
    shape = source.shape(min_dims=1)
    axis = source.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    return Case((source.array(shape), _positions(source, shape, axis)), {"axis": axis})


def _positions(source: Source, shape: Shape, axis: int | None) -> Any:
    length = math.prod(shape) if axis is None else shape[axis]
    return source.draw(integers((source.draw(st.integers(0, 4)),), 0, length - 1))


@recipe
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
    return shape, axis, source.draw(integers(other, 0, shape[axis] - 1))


@recipe
def takes_along(source: Source) -> Case:
    """A position along an axis for each place of the result."""
    shape, axis, indices = _lengths_along(source)
    return Case((source.array(shape), indices), {"axis": axis})


@recipe
def scatters_along(source: Source) -> Case:
    """Positions along an axis of zeros of a shape, and what to add there."""
    shape, axis, indices = _lengths_along(source)
    return Case((source.array(indices.shape), indices), {"axis": axis, "shape": shape})


REDUCTIONS = st.sampled_from(("mean", "sum", "none"))


@recipe
def classifications(source: Source) -> Case:
    """Logits with labels, one-hot integers, or soft labels that need not sum to 1."""
    logits = source.shape(min_dims=1)
    classes = logits[-1]
    labels = integers(logits[:-1], 0, classes - 1)
    kind = source.draw(st.sampled_from(("labels", "one-hot", "soft")))
    if kind == "soft":
        target = source.array(logits, POSITIVE)
    else:
        target = source.draw(labels if kind == "labels" else labels.map(lambda y: np.eye(classes, dtype=np.int64)[y]))
    return Case((source.array(logits), target), {"reduction": source.draw(REDUCTIONS)})


@recipe
def compared(source: Source, x: Domain = REAL, y: Domain = REAL) -> Case:
    """Two arrays of one shape."""
    shape = source.shape()
    return Case((source.array(shape, x), source.array(shape, y)), {"reduction": source.draw(REDUCTIONS)})


@recipe
def labelled(source: Source) -> Case:
    """Labels."""
    classes = source.draw(st.integers(1, 4))
    return Case((source.draw(integers(source.shape(max_dims=2), 0, classes - 1)),), {"classes": classes})


THIRDS = Domain(only=tuple(k + f for k in range(-3, 3) for f in (0.3, 0.7)))
UNITS = Domain(only=(1.0, 2.0, -1.0, -2.0))
DTYPES = st.sampled_from(("float64", "float32")).map(np.dtype)

class _Twice:
    """The sum of two that have the same, written as a program can be run."""

    def __call__(self, x: Any) -> Any:
        return x + x

    def __repr__(self) -> str:
        return "ag.testing.recipes.twice"

    def __reduce__(self) -> str:
        return "twice"  # a copy is itself


twice = _Twice()

RECIPES: dict[str, Recipe] = {
    # elementwise
    **dict.fromkeys(("negative", "positive", "square", "exp", "expm1", "sin", "cos", "atan", "sinh"), one()),
    **dict.fromkeys(("cosh", "tanh", "asinh", "sigmoid", "softplus", "gelu", "isfinite", "isinf", "isnan"), one()),
    **dict.fromkeys(("reciprocal", "abs", "sign", "relu"), one(NONZERO)),
    **dict.fromkeys(("sqrt", "log", "log2", "log10"), one(POSITIVE)),
    **dict.fromkeys(("floor", "ceil", "round", "trunc"), one(STEPS)),
    **dict.fromkeys(("asin", "acos", "atanh"), one(INSIDE)),
    **dict.fromkeys(("add", "subtract", "multiply", "logaddexp", "through"), two()),
    **dict.fromkeys(("remainder", "floor_divide"), two(THIRDS, UNITS)),
    **dict.fromkeys(("maximum", "minimum"), apart()),
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), two(INTEGERS, INTEGERS)),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), truths(2)),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), truths(2)),
    **dict.fromkeys(("logical_not", "bitwise_invert"), truths(1)),
    **dict.fromkeys(("divide", "over"), two(REAL, NONZERO)),
    "power": two(Domain(0.2, 4.0), Domain(limits=(-4.0, 4.0))),
    "hypot": two(NONZERO, REAL),
    "log1p": one(Domain(-0.8, 3.0, limits=(-0.8, math.inf))),
    "tan": one(Domain(-1.3, 1.3)),
    "atan2": two(NONZERO, NONZERO),
    "acosh": one(Domain(1.2, 4.0, limits=(1.2, math.inf))),
    "clip": limited(),
    "where": choices(),
    **dict.fromkeys(("copysign", "nextafter"), two(NONZERO, NONZERO)),
    **dict.fromkeys(("signbit", "real", "imag", "conj"), one()),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), shifts()),
    "nonzero_indices": one(INTEGERS, min_dims=1),
    "count_nonzero": reduced(INTEGERS),
    "searchsorted": searches(),
    "unique_parts": one(INTEGERS, part=st.sampled_from(("indices", "inverse_indices", "counts"))),
    "leaky_relu": one(NONZERO, slope=st.sampled_from((0.01, 0.3))),
    "erf": one(Domain(-6.5, 6.5, avoid=(-4.0, -0.46875, 0.46875, 4.0), limits=(-math.inf, math.inf))),
    "astype": one(dtype=DTYPES),
    "to_device": one(device=st.just("cpu")),
    # reductions
    **dict.fromkeys(("sum", "mean", "logsumexp", "all", "any"), reduced()),
    "across": one(add=st.just(twice)),
    **dict.fromkeys(("var", "std"), spread()),
    "standardize": along(none=True, eps=st.sampled_from((0.1, 1.0))),
    **dict.fromkeys(("max", "min"), reduced(unique=True)),
    **dict.fromkeys(("argmax", "argmin"), placed(unique=True)),
    **dict.fromkeys(("cumulative_sum", "cumulative_prod"), along(none=True, include_initial=st.booleans())),
    "prod": reduced(Domain(-2.0, 2.0)),
    "linear_recurrence": along(2),
    # linalg
    "matmul": products(),
    "matrix_transpose": one(min_dims=2),
    "linear": layers(),
    "vecdot": vectors(),
    "contract": contractions(),
    **dict.fromkeys(("inv", "det", "cofactors", "log_abs_det", "sign_det"), matrices("square")),
    **dict.fromkeys(("eigvalsh", "eigenvectors"), matrices("symmetric")),
    **dict.fromkeys(("svdvals", "singular_vectors", "qr_factors", "pinv"), matrices()),
    **dict.fromkeys(("diagonal", "matrix_trace"), one(min_dims=2, offset=st.integers(-3, 3))),
    "solve": equations(),
    "cholesky": matrices("definite", upper=st.booleans()),
    "orthogonal_complement": orthonormal(),
    "reciprocal_gaps": one(min_dims=1, unique=True),
    "cross": spatial(),
    "vector_norm": reduced(
        Domain(only=tuple((-1) ** i * (0.3 + i / 16) for i in range(48))),
        unique=True,
        ord=st.sampled_from((-math.inf, -1, 0, 0.5, 1, 1.5, 2, 3, math.inf)),
    ),
    # shaping
    "reshape": reshapes(),
    "expand_dims": expansions(),
    "squeeze": squeezes(),
    "permute_dims": permutations(),
    "broadcast_to": widened(),
    "concat": joins(),
    "stack": stacks(),
    "flip": flips(),
    "roll": rolls(),
    "repeat": repeats(),
    "tile": tiles(),
    "pad": pads(),
    **dict.fromkeys(("tril", "triu"), one(min_dims=2, k=st.integers(-2, 2))),
    # indexing
    **dict.fromkeys(("getitem", "last_written"), indexed()),
    "setitem": assignments(),
    "scatter_add": scatters(),
    "take": takes(),
    "scatter_take": scatter_takes(),
    "take_along_axis": takes_along(),
    "scatter_along_axis": scatters_along(),
    "argsort": along(unique=True, descending=st.booleans()),
    # what a network ends in
    **dict.fromkeys(("softmax", "log_softmax"), along()),
    "one_hot": labelled(),
    "cross_entropy": classifications(),
    "binary_cross_entropy_with_logits": compared(REAL, INSIDE),
    "squared_error": compared(),
}
"""What is known of each operation by its name; `recipe_of` has an answer for others."""


def recipe_of(op: Op) -> Recipe:
    """How to call an operation: what is known of it, else arrays that broadcast, or of one shape, and its defaults.

    Raises `DeclarationError` for one with a parameter that has neither a default nor a declared strategy.
    """
    known = RECIPES.get(op.name)
    return known if known is not None else declared(op)


def declared(op: Op, domains: dict[str, Domain] | None = None, params: dict[str, Strategy] | None = None) -> Recipe:
    """The recipe of an operation that takes arrays which broadcast (where it does), else of one shape."""
    domains, params = domains or {}, params or {}
    if missing := [p for p, default in op.params.items() if default is REQUIRED and p not in params]:
        raise DeclarationError(
            f"{op.name} needs {', '.join(missing)}, and nothing says what to give: declare it once with "
            f"autograd.testing.strategies.declare({op.name}, {missing[0]}=<a strategy>)."
        )

    def make(source: Source) -> Case:
        count = 2 if op.variadic else len(op.args)
        domain = [domains.get(op.args[0 if op.variadic else i], REAL) for i in range(count)]
        given = source.broadcastable(count) if op.broadcasts else (source.shape(),) * count
        arrays = tuple(source.array(s, d) for s, d in zip(given, domain, strict=True))
        return Case(arrays, _drawn(source, params))

    return Recipe(make)


def known_operations() -> list[Op]:
    """The registered operations that have a derivative and can be called with what is known of them."""
    return [
        op
        for op in OPS.values()
        if op.rules and (op.name in RECIPES or not any(d is REQUIRED for d in op.params.values()))
    ]
