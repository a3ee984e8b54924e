"""Random calls of an operation, drawn by Hypothesis from its declaration.

A `Source` draws shapes, arrays and choices, and `case_of` makes a `Case`, one call, of them. A plain source draws fresh
arrays, to test the operation alone; the source of a random program returns values that the program has computed, so
that the same declaration extends the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import isfunction, signature
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glassgrad.autograd.common.shapes import Shape, broadcast_shapes
from glassgrad.autograd.common.validation import whole
from glassgrad.autograd.engine.declare.operation import OPS, REQUIRED, Op
from glassgrad.autograd.errors import ShapeError
from glassgrad.autograd.testing.inputs.declarations import (
    DECLARED,
    Array,
    Axis,
    Choice,
    Declaration,
    Pattern,
    declaration,
)
from glassgrad.autograd.testing.inputs.domains import REAL, Domain

Strategy = st.SearchStrategy[Any]


class Case:
    """One call: ``op(*arrays, **params)``."""

    def __init__(self, *arrays: Any, **params: Any) -> None:
        self.arrays, self.params = arrays, params

    def __iter__(self) -> Iterator[Any]:
        return iter((self.arrays, self.params))


# --------------------------------------------------------------------------------------------------- shapes and arrays


def filled(shape: Shape, domain: Domain = REAL, unique: bool = False) -> Strategy:
    """Float64 arrays of a shape; ``unique``: no two elements are equal, so that small steps keep their order."""
    # From simple to complicated, the order in which Hypothesis shrinks: few digits, small, positive.
    elements = st.sampled_from(sorted(domain.numbers, key=lambda x: (len(repr(abs(x))), abs(x), x < 0)))
    return hnp.arrays(np.float64, shape, elements=elements, fill=st.nothing(), unique=unique)


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 3, min_side: int = 1) -> st.SearchStrategy[Shape]:
    """Shapes of arrays."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


WAYS: tuple[tuple[Shape, Shape], ...] = (
    *(((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 1), (1, 3)), ((2, 3), (2, 1)), ((2, 3), ())),
    *(((3,), (2, 3)), ((1, 3), (2, 3)), ((1, 3), (2, 1)), ((2, 1), (2, 3)), ((), (2, 3))),
)
"""Pairs of shapes that broadcast: an axis is missing or of length 1 on either side or both."""


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 3, min_side: int = 1
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """``count`` shapes that broadcast against each other.

    >>> from hypothesis import find
    >>> from glassgrad.autograd.testing.strategies import broadcastable_shapes
    >>> find(broadcastable_shapes(max_dims=1), lambda pair: len(pair[0]) < len(pair[1]))
    ((), (1,))
    """
    drawn = hnp.mutually_broadcastable_shapes(
        num_shapes=count, max_dims=max_dims, max_side=3, min_side=min(min_side, 1)
    ).map(lambda drawn: drawn.input_shapes)
    return drawn | st.sampled_from(WAYS) if count == 2 and max_dims >= 2 and min_side else drawn


def broadcasts(*given: Shape) -> bool:
    """Whether shapes broadcast against each other."""
    try:
        broadcast_shapes(*given)
    except ShapeError:
        return False
    return True


def one_axis(ndim: int) -> Strategy:
    """An axis, counted from either end."""
    return st.integers(-ndim, ndim - 1)


def some_axes(ndim: int) -> Strategy:
    """An axis, or a tuple of some, counted from either end."""
    several = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True)
    ends = st.lists(st.sampled_from((0, ndim)), min_size=ndim, max_size=ndim)
    return one_axis(ndim) | st.tuples(several, ends).map(lambda drawn: tuple(a - drawn[1][a] for a in drawn[0]))


def count_of(max_examples: int | None) -> int:
    """How many examples to draw: ``max_examples``, by default as many as the settings of Hypothesis say."""
    return settings().max_examples if max_examples is None else whole(max_examples, "max_examples")


def search(values: Strategy, holds: Callable[[Any], None], count: int) -> None:
    """Call ``holds`` with ``count`` values of a strategy. The error raised is that of the simplest one that fails."""
    options = settings(
        deadline=None, database=None, max_examples=count, phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck), verbosity=Verbosity.quiet,
    )  # fmt: skip
    options(given(values)(holds))()


# -------------------------------------------------------------------------------------------------------------- sources

KINDS = ("small", "wide", "same", "empty")
"""Kinds of calls that reveal wrong rules: special numbers and ties in small arrays; all special numbers in a vector;
one array for two arguments; empty arrays."""


class Source:
    """Draws the shapes, arrays and choices of a call, all new."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def side(self) -> int:
        """The length of an axis."""
        return self.draw(st.integers(1, 3))

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 1) -> Shape:
        """The shape of an array that any operation may take."""
        return self.draw(shapes(min_dims, max_dims, min_side=min_side))

    def broadcastable(self, count: int) -> tuple[Shape, ...]:
        """Shapes that broadcast against each other."""
        return self.draw(broadcastable_shapes(count))

    def known(self, fits: Callable[[Shape], object]) -> Shape | None:
        """The shape of an existing value for which ``fits`` is true; ``None`` here, where all values are new."""
        return None

    def array(self, shape: Shape, domain: Domain = REAL, unique: bool = False) -> Any:
        """A float64 array; ``unique``: no two elements are near each other."""
        return self.draw(filled(shape, domain, unique))

    def apart(self, shapes: Sequence[Shape], domain: Domain = REAL) -> list[Any]:
        """Arrays in which all elements differ, also across arrays."""
        return [self.array(shape, domain.share(i, len(shapes)), unique=True) for i, shape in enumerate(shapes)]

    def case(self, cases: Strategy) -> Case:
        """A call drawn from a strategy of pairs (arrays, parameters)."""
        arrays, params = self.draw(cases)
        return Case(*arrays, **params)


class Corners(Source):
    """Draws difficult inputs: special numbers of a domain among ordinary ones, in calls of one of `KINDS`."""

    WIDE = 32

    def __init__(self, draw: st.DrawFn, kind: str) -> None:
        super().__init__(draw)
        self.kind, self.least = kind, int(kind != "empty")
        self.only_side = draw(st.integers(1, 3)) if kind == "same" else None

    def side(self) -> int:
        """The length of an axis: 0 in "empty" calls, one length for all axes in "same" calls."""
        return self.only_side or self.draw(st.integers(self.least, 3))

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 1) -> Shape:
        """A shape: wide in "wide" calls, with empty axes in "empty" ones."""
        if self.kind == "wide" and min_dims <= 1 <= max_dims:
            return (self.WIDE,)
        return super().shape(min_dims, max_dims, min(min_side, self.least))

    def broadcastable(self, count: int) -> tuple[Shape, ...]:
        """Shapes that broadcast: equal in "wide" and "same" calls, with empty axes in "empty" ones."""
        if self.kind in ("wide", "same"):
            return (self.shape(),) * count
        return self.draw(broadcastable_shapes(count, min_side=self.least))

    def array(self, shape: Shape, domain: Domain = REAL, unique: bool = False) -> Any:
        """A float64 array of special and some ordinary numbers; in "wide" calls it contains all of these numbers."""
        if unique:
            return self.apart([shape], domain)[0]
        numbers = [*domain.special, *domain.numbers[:: max(1, len(domain.numbers) // 10)]]
        if self.kind == "wide" and shape == (self.WIDE,):
            first = self.draw(st.integers(0, len(numbers) - 1))
            return np.asarray(numbers)[(first + np.arange(self.WIDE)) % len(numbers)]
        return self.draw(filled(shape, replace(domain, only=tuple(numbers))))

    def apart(self, shapes: Sequence[Shape], domain: Domain = REAL) -> list[Any]:
        """Arrays in which all elements differ, some of them special numbers."""
        count, numbers = len(shapes), domain.separate
        shares = [replace(domain, only=tuple(numbers[i::count])) for i in range(count)]
        return [self.draw(filled(shape, share, unique=True)) for shape, share in zip(shapes, shares, strict=True)]


def case_of(declaration: Declaration, source: Source) -> Case:
    """A random call of an operation that fits its declaration."""
    if declaration.cases is not None:
        case: Case = declaration.cases(source)
        return case
    named = _arguments(declaration, source)
    takes = [taken for _, taken in named]
    needs_axis = any(isinstance(p, Axis) and not p.none for p in declaration.params.values())
    arrays = drawn_arrays(source, takes, declaration.op.broadcasts, int(needs_axis))
    given = dict(reversed([(name, x) for (name, _), x in zip(named, arrays, strict=True)]))
    params: dict[str, Any] = {}
    for name, values in declaration.params.items():
        params[name] = _parameter(source, values, declaration.op, given | params)
    return Case(*arrays, **params)


def _arguments(declaration: Declaration, source: Source) -> list[tuple[str, Array]]:
    """The declared arguments that one call is given: one to three of ``*arrays``, or all but the last optional ones."""
    op = declaration.op
    if op.variadic:
        return list(declaration.arrays.items()) * source.draw(st.sampled_from((2, 1, 3)))
    most = len(op.args) - (source.draw(st.integers(0, len(op.optional))) if op.optional else 0)
    return list(declaration.arrays.items())[:most]


def drawn_arrays(source: Source, takes: Sequence[Array], broadcasts: bool = False, min_dims: int = 0) -> list[Any]:
    """An array for each of ``takes``, with consistent shapes."""
    sizes: dict[str, int] = {}
    drawn = _shapes(source, [array.pattern for array in takes], sizes, broadcasts, min_dims)
    apart = [i for i, taken in enumerate(takes) if taken.distinct]
    found: dict[int, Any] = {}
    if len(apart) > 1:
        arrays = source.apart([drawn[i] for i in apart], takes[apart[0]].domain)
        found = dict(zip(apart, arrays, strict=True))
    for i, (taken, shape) in enumerate(zip(takes, drawn, strict=True)):
        x = found[i] if i in found else _array(source, taken, shape, sizes)
        # A value of a program, which is float64, stays as it is.
        found[i] = x.astype(taken.dtype, copy=False) if type(x) is np.ndarray else x
    return [found[i] for i in range(len(takes))]


def _shapes(
    source: Source, patterns: Sequence[Pattern], sizes: dict[str, int], broadcasts: bool, min_dims: int
) -> list[Shape]:
    """A shape for each argument; the sizes that they have in common go into ``sizes``."""
    dotted = [pattern for pattern in patterns if pattern.rest]
    free = not any(pattern.sides for pattern in dotted)
    if broadcasts and len(dotted) > 1:
        rests = (
            source.broadcastable(len(dotted)) if free else source.draw(broadcastable_shapes(len(dotted), max_dims=2))
        )
    else:
        rests = ((source.shape(min_dims) if free else source.draw(shapes(max_dims=2))),) * len(dotted) if dotted else ()
    for name in (name for pattern in patterns for name in pattern.names):
        if name not in sizes:
            sizes[name] = source.side()
    left = iter(rests)
    return [pattern.shape(sizes, next(left) if pattern.rest else ()) for pattern in patterns]


def _array(source: Source, taken: Array, shape: Shape, sizes: dict[str, int]) -> Any:
    if taken.kind == "real":
        return source.array(shape, taken.domain, taken.distinct)
    if taken.kind == "boolean":
        return source.draw(hnp.arrays(np.bool_, shape, elements=st.booleans()))
    below = sizes[taken.below] if isinstance(taken.below, str) else taken.below
    if below <= taken.low and 0 not in shape:
        reject()
    return source.draw(hnp.arrays(np.int64, shape, elements=st.integers(taken.low, max(below - 1, taken.low))))


def _parameter(source: Source, takes: Any, op: Op, given: dict[str, Any]) -> Any:
    """A value of a parameter; ``given`` are the arguments and the parameters before it."""
    if isinstance(takes, st.SearchStrategy):
        return source.draw(takes)
    if isinstance(takes, Choice):
        return source.draw(st.sampled_from(takes))
    if isinstance(takes, Axis):
        ndim = len(given[takes.of or op.args[0]].shape)
        axes = some_axes(ndim) if takes.several else one_axis(ndim)
        if not ndim:
            return None if takes.none else reject()
        return source.draw(axes | st.none() if takes.none else axes)
    if isfunction(takes):
        return source.draw(takes(*(given[name] for name in signature(takes).parameters)))
    return takes


def differentiable_operations() -> list[Op]:
    """The registered operations that have a rule and whose inputs can be drawn.

    Casts and copies come last, because Hypothesis prefers what comes first.
    """
    found = [op for op in OPS.values() if op.rules and (op.name in DECLARED or _assumable(op))]
    return sorted(found, key=lambda op: op.__module__.startswith("glassgrad.autograd.functions."))


def _assumable(op: Op) -> bool:
    """Whether an operation without a declaration can be called with default inputs."""
    own = op.__module__.startswith("glassgrad.autograd.ops.")
    return not own and all(op.params[p] is not REQUIRED for p in declaration(op, None, {}).fixed)
