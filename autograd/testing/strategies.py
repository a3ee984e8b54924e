"""Hypothesis strategies: shapes, Tensors, operations and programs.

With these you test your own operation on unexpected examples, in three lines::

    @given(strategies.operations(softsign))
    def test_softsign(call):
        gradcheck(call, *call.tensors())

and together with others: `programs` draws from your own operations and a few of this package. An operation is assumed
to take real numbers, in arrays that broadcast if it says so, else of one shape; `autograd.testing.declare` declares
anything else. For a test of one operation in every respect there is `autograd.testing.assert_rule`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import isfunction, signature
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

try:
    from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ModuleNotFoundError as error:  # pragma: no cover  (the tests need it themselves)
    raise ModuleNotFoundError(
        "autograd.testing.strategies draws examples with Hypothesis, which is not installed: pip install hypothesis. "
        "autograd.testing.gradcheck works without it."
    ) from error

from glassgrad.autograd.common.shapes import Shape, size
from glassgrad.autograd.common.validation import whole
from glassgrad.autograd.engine.modes import no_grad
from glassgrad.autograd.engine.operation import OPS, REQUIRED, Op
from glassgrad.autograd.errors import DeclarationError
from glassgrad.autograd.testing import declarations
from glassgrad.autograd.testing.declarations import COUNT, DECLARED, REAL, Array, Axis, Declaration, Domain
from glassgrad.autograd.testing.programs import Program, Ref, Step, depending

__all__ = [
    "INSIDE", "INTEGERS", "NONZERO", "POSITIVE", "REAL", "STEPS", "UNIT", "broadcastable_shapes", "operations",
    "programs", "shapes",
]  # fmt: skip

Strategy = st.SearchStrategy[Any]

POSITIVE, NONZERO, INSIDE = declarations.POSITIVE, declarations.NONZERO, declarations.INSIDE
UNIT, STEPS, INTEGERS = declarations.UNIT, declarations.STEPS, declarations.INTEGERS


# --------------------------------------------------------------------------------------------------- shapes and arrays


def filled(shape: Shape, domain: Domain = REAL, unique: bool = False) -> Strategy:
    """Float64 arrays of a shape; ``unique``: no two elements are equal, so that small steps keep their order."""
    # From simple to complicated, the order in which Hypothesis shrinks: few digits, small, positive.
    elements = st.sampled_from(sorted(domain.numbers, key=lambda x: (len(repr(abs(x))), abs(x), x < 0)))
    return hnp.arrays(np.float64, shape, elements=elements, fill=st.nothing(), unique=unique)


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 3, min_side: int = 1) -> st.SearchStrategy[Shape]:
    """Shapes of arrays."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 3, min_side: int = 1
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """``count`` shapes that broadcast against each other.

    >>> from hypothesis import find
    >>> from glassgrad.autograd.testing.strategies import broadcastable_shapes
    >>> find(broadcastable_shapes(max_dims=1), lambda pair: len(pair[0]) < len(pair[1]))
    ((), (1,))
    """
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, max_side=3, min_side=min_side)
    return drawn.map(lambda drawn: drawn.input_shapes)


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
    """Draws the shapes, arrays and choices of a call, all new; of one of `KINDS` difficult ones: special numbers of a
    domain among ordinary ones.
    """

    WIDE = 32

    def __init__(self, draw: st.DrawFn, kind: str = "") -> None:
        self.draw, self.kind, self.least = draw, kind, int(kind != "empty")
        self.only_side = draw(st.integers(1, 3)) if kind == "same" else None

    def side(self) -> int:
        """The length of an axis: perhaps 0 in "empty" calls, one length for all axes in "same" calls."""
        return self.only_side or self.draw(st.integers(self.least, 3))

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 1) -> Shape:
        """The shape of an array that any operation may take: wide in "wide" calls, with empty axes in "empty" ones."""
        if self.kind == "wide" and min_dims <= 1 <= max_dims:
            return (self.WIDE,)
        return self.draw(shapes(min_dims, max_dims, min_side=min_side * self.least))

    def broadcastable(self, count: int) -> tuple[Shape, ...]:
        """Shapes that broadcast against each other: equal in "wide" and "same" calls."""
        if self.kind in ("wide", "same"):
            return (self.shape(),) * count
        return self.draw(broadcastable_shapes(count, min_side=self.least))

    def known(self, fits: Callable[[Shape], object]) -> Shape | None:
        """The shape of an existing value for which ``fits`` is true; ``None`` here, where all values are new."""
        return None

    def array(self, shape: Shape, domain: Domain = REAL, unique: bool = False) -> Any:
        """A float64 array; ``unique``: no two elements are near each other. In "wide" calls it has all special numbers,
        and some ordinary ones.
        """
        if not self.kind or unique:
            return self.draw(filled(shape, domain, unique))
        numbers = [*domain.special, *domain.numbers[:: max(1, len(domain.numbers) // 10)]]
        if self.kind == "wide" and shape == (self.WIDE,):
            first = self.draw(st.integers(0, len(numbers) - 1))
            return np.asarray(numbers)[(first + np.arange(self.WIDE)) % len(numbers)]
        return self.draw(filled(shape, replace(domain, only=tuple(numbers))))


def case_of(declaration: Declaration, source: Source) -> tuple[Sequence[Any], dict[str, Any]]:
    """A random call of an operation that fits its declaration: its arrays and parameters."""
    if declaration.cases is not None:
        arrays, params = declaration.cases(source) if callable(declaration.cases) else source.draw(declaration.cases)
        return arrays, params
    named = _arguments(declaration, source)
    takes = [taken for _, taken in named]
    needs_axis = any(isinstance(p, Axis) and not p.none for p in declaration.params.values())
    arrays, params = drawn_arrays(source, takes, declaration.op.broadcasts, int(needs_axis)), {}
    given = dict(reversed([(name, x) for (name, _), x in zip(named, arrays, strict=True)]))
    for name, values in declaration.params.items():
        params[name] = _parameter(source, values, declaration.op, given | params)
    return arrays, params


def _arguments(declaration: Declaration, source: Source) -> list[tuple[str, Array]]:
    """The declared arguments that one call is given: one to three of ``*arrays``, or all but the last optional ones."""
    op = declaration.op
    if op.variadic:
        return list(declaration.arrays.items()) * source.draw(st.sampled_from((2, 1, 3)))
    most = len(op.args) - (source.draw(st.integers(0, len(op.optional))) if op.optional else 0)
    return list(declaration.arrays.items())[:most]


def drawn_arrays(source: Source, takes: Sequence[Array], broadcasts: bool = False, min_dims: int = 0) -> list[Any]:
    """An array for each of ``takes``, with consistent shapes."""
    dotted = [taken for taken in takes if "..." in taken.sides]
    free, count = all(taken.sides == ["..."] for taken in dotted), len(dotted)
    if broadcasts and count > 1:
        rests = source.broadcastable(count) if free else source.draw(broadcastable_shapes(count, max_dims=2))
    else:
        rests = ((source.shape(min_dims) if free else source.draw(shapes(max_dims=2))),) * count if dotted else ()
    sizes: dict[str, int] = {}
    for name in (name for taken in takes for name in taken.names):
        if name not in sizes:
            sizes[name] = source.side()
    left = iter(rests)
    drawn = [taken.shaped(sizes, next(left) if "..." in taken.sides else ()) for taken in takes]
    return [_array(source, taken, shape, sizes) for taken, shape in zip(takes, drawn, strict=True)]


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
    if isinstance(takes, declarations.Choice):
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
    return not own and all(op.params[p] is not REQUIRED for p in declarations.declaration(op, None, {}).fixed)


# ----------------------------------------------------------------------------------------------------------- strategies

LARGEST = 1e3  # bound of values, beyond which differences lose their digits
MOST = COUNT  # the largest number of elements of a value, so that these can all differ

COMPANIONS = {"add": {}, "multiply": {}, "sin": {}, "tanh": {}, "sum": {}, "matmul": {"x": "n k", "y": "k m"}}
"""The operations of this package that are drawn beside a user's own, and what they take."""

for _name, _takes in COMPANIONS.items():
    DECLARED.setdefault(_name, declarations.declaration(OPS[_name], None, _takes))


@st.composite
def operations(draw: st.DrawFn, *ops: Op | str, corners: bool = False) -> Program:
    """One operation with arrays and parameters that it takes, as a `Program` of one step.

    ``ops``: the operations to draw from, or their names; by default your own that have a derivative, all that are
    declared, and a few of this package. ``corners``: at the inputs where rules go wrong: ±0, ±1, up to ±1000 as far as
    the domain goes, ties, empty arrays, and one Tensor for two arguments. Raises `DeclarationError` for an operation
    that is not registered, or has no rule.

    >>> from glassgrad import autograd as ag
    >>> from hypothesis import find
    >>> from glassgrad.autograd.testing.strategies import operations
    >>> find(operations(ag.log), lambda call: call.inputs["x0"].shape == (2,))
    from glassgrad import autograd as ag
    <BLANKLINE>
    x0 = ag.Tensor([0.2297, 0.2297], requires_grad=True, name="x0")
    v0 = ag.log(x0)  # (2,)
    outputs = (v0,)
    """
    declared = declarations.declaration_of(draw(st.sampled_from(_chosen(ops))))
    return draw(calls_of(declared, draw(st.sampled_from(kinds_of(declared))) if corners else ""))


def kinds_of(declared: Declaration) -> list[str]:
    """The `KINDS` of difficult calls that an operation can take."""
    ruled = [name for name, taken in declared.arrays.items() if name in declared.op.rules and not taken.distinct]
    able = {"empty": declared.takes_empty, "same": len(ruled) >= 2 and not declared.op.variadic}
    return [kind for kind in KINDS if able.get(kind, True)]


@st.composite
def calls_of(draw: st.DrawFn, declared: Declaration, kind: str = "") -> Program:
    """Calls of a declared operation: ordinary ones, or those of one of the ``KINDS``."""
    arrays, params = case_of(declared, Source(draw, kind))
    program = Program.of(declared.op, *arrays, **params)
    if not program.inputs or (kind == "empty" and not _takes_empty(program)):
        reject()
    if kind == "same":
        pairs = [pair for pair in combinations(program.inputs, 2) if _interchangeable(declared, program, *pair)]
        return program.shared(*pairs[0]) if pairs else reject()
    return program


def _takes_empty(program: Program) -> bool:
    """Whether an input is empty and the operation accepts that; the maximum of an empty array is an error."""
    try:
        with no_grad(), np.errstate(all="ignore"):
            return not all(np.size(x) for x in program.inputs.values()) and bool(program())
    except Exception:
        return False


def _interchangeable(declared: Declaration, program: Program, one: str, other: str) -> bool:
    """Whether the first of two inputs may also be given in place of the second."""
    (taken,) = (declared.arrays[name] for arg, name in program.steps[0].named_args if arg == Ref(other))
    x, y = program.inputs[one], program.inputs[other]
    return np.shape(x) == np.shape(y) and not taken.distinct and taken.domain.holds(x)


def _chosen(ops: Sequence[Op | str]) -> list[Op]:
    found = list(map(declarations.operation, ops))
    if without := [op.name for op in found if not op.rules]:
        raise DeclarationError(f"{', '.join(without)} has no rule, so there is no derivative to test: leave it out.")
    return found or differentiable_operations()


class _Value(NamedTuple):
    """A value of a program under construction: an argument of its steps, and the array."""

    arg: Any
    here: Any

    @property
    def shape(self) -> Shape:
        """The shape of the value, for which parameters may ask."""
        return np.shape(self.here)


class _Growing(Source):
    """A source that continues a program: it reuses values of the program wherever they fit."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(draw)
        self.inputs: dict[str, Any] = {}
        self.steps: list[Step] = []
        self.values: list[_Value] = []  # the latest last

    def _again(self, found: Sequence[Any]) -> Any:
        """The latest that fits or any other, with equal chances, so that programs get long; ``None`` once in seven
        times, and in the simplest example.
        """
        if not found or self.draw(st.integers(0, 6)) == 0:
            return None
        return found[0] if len(found) == 1 or self.draw(st.booleans()) else self.draw(st.sampled_from(found))

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 1) -> Shape:
        """The shape of an existing value, or a new one."""
        known = self.known(lambda s: min_dims <= len(s) <= max_dims and min(s, default=min_side) >= min_side)
        return super().shape(min_dims, max_dims, min_side) if known is None else known

    def known(self, fits: Callable[[Shape], object]) -> Shape | None:
        """The shape of an existing value for which ``fits`` is true; ``None`` to draw a new one."""
        shapes = dict.fromkeys(value.shape for value in reversed(self.values))
        found: Shape | None = self._again([shape for shape in shapes if fits(shape)])
        return found

    def broadcastable(self, count: int) -> tuple[Shape, ...]:
        """The shape of an existing value, and shapes that broadcast to it."""
        first = self.known(lambda s: len(s) <= 3)
        if first is None:
            return super().broadcastable(count)
        found = [first]
        for _ in range(count - 1):
            narrow = tuple(1 if self.draw(st.booleans()) else n for n in first)
            found.append(narrow[self.draw(st.integers(0, len(narrow))) :])
        return tuple(self.draw(st.permutations(found)))

    def array(self, shape: Shape, domain: Domain = REAL, unique: bool = False) -> Any:
        """An existing value in the domain, or a new input or constant."""
        fitting = [v for v in reversed(self.values) if v.shape == shape and domain.holds(v.here)]
        known = self._again([v for v in fitting if not unique or declarations.distinct(v.here)])
        return self._new(shape, domain, unique) if known is None else known

    def _new(self, shape: Shape, domain: Domain, unique: bool = False) -> _Value:
        if unique and size(shape) > len(domain.numbers):
            reject()
        here = self.draw(filled(shape, domain, unique))[()]
        return self._input(here, constant=self.inputs and self.draw(st.sampled_from((False, False, False, True))))

    def _input(self, here: Any, constant: Any = False) -> _Value:
        name = f"x{len(self.inputs)}"
        self.inputs |= {} if constant else {name: here}
        self.values.append(_Value(here if constant else Ref(name), here))
        return self.values[-1]

    def step(self, op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> None:
        """Append a call of an operation, unless its value is not finite or too large."""
        given = []
        for i, x in enumerate(arrays):
            ruled = op.args[0 if op.variadic else i] in op.rules
            made = ruled and getattr(x, "dtype", None) == np.float64  # by declared cases, such as a matrix
            given.append(x if isinstance(x, _Value) else self._input(x) if made else _Value(x, x))
        try:
            with no_grad(), np.errstate(all="ignore"):
                here = op(*(v.here for v in given), **params).data
        except Exception:  # the declaration may not be complete
            return
        if here.dtype == np.float64 and 0 < here.size <= MOST and (np.abs(here) <= LARGEST).all():
            name = f"v{len(self.steps)}"
            self.steps.append(Step(name, op, tuple(v.arg for v in given), params))
            self.values.append(_Value(Ref(name), here))


@st.composite
def programs(draw: st.DrawFn, *ops: Op | str, max_steps: int = 10, max_outputs: int = 3) -> Program:
    """Programs of at most ``max_steps`` operations, in which values are reused, broadcast, indexed and reduced.

    ``ops``: the operations to draw from, or their names; by default your own that have a derivative, all that are
    declared, and a few of this package. A program has up to ``max_outputs`` outputs, and at least one input that they
    depend on. No value is large, and each lies in the domain of the operation that takes it, as far as that is
    declared. A failing program is shrunk, and prints as Python.

    >>> from glassgrad import autograd as ag
    >>> from hypothesis import find
    >>> from glassgrad.autograd.testing.strategies import programs
    >>> find(programs(ag.sin, max_outputs=1), lambda program: len(program.steps) == 2)  # doctest: +ELLIPSIS
    from glassgrad import autograd as ag
    <BLANKLINE>
    x0 = ag.Tensor(..., requires_grad=True, name="x0")
    v0 = ag.sin(x0)  # (...)
    v1 = ag.sin(v0)  # (...)
    outputs = (v1,)
    """
    whole(max_outputs, "max_outputs")
    chosen, growing = _chosen(ops), _Growing(draw)
    for _ in range(draw(st.integers(1, whole(max_steps, "max_steps")))):
        op = draw(st.sampled_from(chosen))
        growing.step(op, *case_of(declarations.declaration_of(op), growing))
    flowing = depending(growing.inputs, growing.steps)
    used = {name for step in growing.steps for name in step.needs}
    ends = [step.name for step in growing.steps if step.name in flowing and step.name not in used]
    if not ends:
        reject()
    alone = {end: Program(growing.inputs, tuple(growing.steps), (end,)).needed() for end in ends}
    ends.sort(key=lambda end: -len(alone[end].steps))
    outputs = [ends[0], *(end for end in ends[1:max_outputs] if draw(st.booleans()))]
    return Program(growing.inputs, tuple(growing.steps), tuple(outputs)).needed()
