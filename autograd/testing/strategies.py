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
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

try:
    from hypothesis import reject
    from hypothesis import strategies as st
except ModuleNotFoundError as error:  # pragma: no cover  (the tests need it themselves)
    raise ModuleNotFoundError(
        "autograd.testing.strategies draws examples with Hypothesis, which is not installed: pip install hypothesis. "
        "autograd.testing.gradcheck works without it."
    ) from error

from glassgrad.autograd.common.shapes import Shape, broadcast_shapes, size
from glassgrad.autograd.common.validation import check_instance, whole
from glassgrad.autograd.engine.declare.operation import OPS, Op
from glassgrad.autograd.engine.modes import no_grad
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DeclarationError
from glassgrad.autograd.testing.inputs.declarations import (
    DECLARED,
    Array,
    Declaration,
    declaration,
    declaration_of,
    operation,
)
from glassgrad.autograd.testing.inputs.domains import (
    COUNT,
    INSIDE,
    INTEGERS,
    NONZERO,
    POSITIVE,
    REAL,
    STEPS,
    UNIT,
    Domain,
    distinct,
)
from glassgrad.autograd.testing.inputs.sampling import (
    KINDS,
    Corners,
    Source,
    broadcastable_shapes,
    broadcasts,
    case_of,
    differentiable_operations,
    drawn_arrays,
    filled,
    shapes,
)
from glassgrad.autograd.testing.programs import Program, Ref, Step, depending, names_used

__all__ = [
    "INSIDE", "INTEGERS", "NONZERO", "POSITIVE", "REAL", "STEPS", "UNIT", "broadcastable_shapes", "operations",
    "programs", "shapes", "tensors",
]  # fmt: skip

LARGEST = 1e3  # bound of values and slopes, beyond which differences lose their digits
MOST = COUNT  # the largest number of elements of a value, so that these can all differ
NUDGE = 1e-5  # how far inputs are moved to see the slope

COMPANIONS = {"add": {}, "multiply": {}, "sin": {}, "tanh": {}, "sum": {}, "matmul": {"x": "n k", "y": "k m"}}
"""The operations of this package that are drawn beside a user's own, and what they take."""

for _name, _takes in COMPANIONS.items():
    DECLARED.setdefault(_name, declaration(OPS[_name], None, _takes))


@st.composite
def tensors(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    domain: Domain = REAL,
    unique: bool = False,
    requires_grad: bool = True,
    dtype: str = "float64",
) -> Tensor:
    """Tensors of a ``shape`` (or shapes drawn from a strategy; by default up to three axes of up to three elements).

    Their elements are numbers of ``domain``, all different with ``unique``.

    >>> from hypothesis import find
    >>> from glassgrad.autograd.testing.strategies import POSITIVE, tensors
    >>> find(tensors((2,), domain=POSITIVE), lambda x: True)
    Tensor([0.2297, 0.2297], requires_grad=True)
    """
    check_instance(domain, Domain, "domain", "a Domain, such as POSITIVE")
    if shape is None or isinstance(shape, st.SearchStrategy):
        shape = draw(shapes() if shape is None else shape)
    sides = shape if isinstance(shape, tuple | list) else (shape,)
    shape = tuple(whole(n, "an axis of the shape", 0) for n in sides)
    return Tensor(draw(filled(shape, domain, unique)), requires_grad=requires_grad, dtype=dtype)


@st.composite
def arguments(draw: st.DrawFn, takes: Sequence[Any]) -> list[Any]:
    """Lists of arguments: an array for each `Array` of ``takes``, a value of each strategy, and the rest as it is."""
    source = Corners(draw, draw(st.sampled_from(("small", "wide")))) if draw(st.booleans()) else Source(draw)
    found = iter(drawn_arrays(source, [t for t in takes if isinstance(t, Array)]))
    return [next(found) if isinstance(t, Array) else draw(t) if hasattr(t, "example") else t for t in takes]


@st.composite
def operations(draw: st.DrawFn, *ops: Op | str, corners: bool = False) -> Program:
    """One operation with arrays and parameters that it takes, as a `Program` of one step.

    ``ops``: the operations to draw from, or their names; by default your own that have a derivative, all that are
    declared, and a few of this package. ``corners``: at the
    inputs where rules go wrong: ±0, ±1, up to ±1000 as far as the domain goes, ties, empty arrays, and one Tensor for
    two arguments. Raises `DeclarationError` for an operation that is not registered, or has no rule.

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
    declared = declaration_of(draw(st.sampled_from(_chosen(ops))))
    return draw(calls_of(declared, draw(st.sampled_from(kinds_of(declared))) if corners else ""))


def kinds_of(declared: Declaration) -> list[str]:
    """The `KINDS` of difficult calls that an operation can take."""
    without = {"empty"} if not declared.takes_empty else set()
    ruled = [name for name, taken in declared.arrays.items() if name in declared.op.rules and not taken.distinct]
    without |= {"same"} if len(ruled) < 2 else set()
    return [kind for kind in KINDS if kind not in without]


@st.composite
def calls_of(draw: st.DrawFn, declared: Declaration, kind: str = "") -> Program:
    """Calls of a declared operation: ordinary ones, or those of one of the ``KINDS``."""
    case = case_of(declared, Corners(draw, kind) if kind else Source(draw))
    program = Program.of(declared.op, *case.arrays, **case.params)
    pairs = _interchangeable(declared, program) if kind == "same" else []
    if not program.inputs or (kind == "empty" and not _takes_empty(program)) or (kind == "same" and not pairs):
        reject()
    return program.shared(*pairs[0]) if pairs else program


def _takes_empty(program: Program) -> bool:
    """Whether an input is empty and the operation accepts that; the maximum of an empty array is an error."""
    if all(np.size(x) for x in program.inputs.values()):
        return False
    try:
        with no_grad(), np.errstate(all="ignore"):
            program()
    except Exception:
        return False
    return True


def _interchangeable(declared: Declaration, program: Program) -> list[tuple[str, str]]:
    """Pairs of inputs of which the first may also be given in place of the second."""
    if declared.cases is not None or declared.op.variadic:
        return []
    takes = {
        str(arg): taken
        for arg, taken in zip(program.steps[0].args, declared.arrays.values(), strict=False)
        if isinstance(arg, Ref)
    }
    return [
        (one, other)
        for one, other in combinations(program.inputs, 2)
        if np.shape(program.inputs[one]) == np.shape(program.inputs[other])
        and not takes[other].distinct
        and takes[other].domain.holds(program.inputs[one])
    ]


def _chosen(ops: Sequence[Op | str]) -> list[Op]:
    found = list(map(operation, ops))
    if without := [op.name for op in found if not op.rules]:
        raise DeclarationError(f"{', '.join(without)} has no rule, so there is no derivative to test: leave it out.")
    return found or differentiable_operations()


class _Value(NamedTuple):
    """A value of a program under construction, at its inputs and at inputs nearby."""

    arg: Any
    here: Any
    nearby: Any

    @property
    def shape(self) -> Shape:
        """The shape of the value."""
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
        shapes = [value.shape for value in reversed(self.values) if fits(value.shape)]
        found: Shape | None = self._again(list(dict.fromkeys(shapes)))
        return found

    def broadcastable(self, count: int) -> tuple[Shape, ...]:
        """The shape of an existing value, and shapes that broadcast to it."""
        first = self.known(lambda s: len(s) <= 3)
        if first is None:
            return super().broadcastable(count)
        found = [first]
        while len(found) < count:
            other = self.known(partial(_broadcasts, first))
            narrow = tuple(1 if self.draw(st.booleans()) else n for n in first) if other is None else other
            found.append(narrow[self.draw(st.integers(0, len(narrow))) :] if other is None else narrow)
        return tuple(self.draw(st.permutations(found)))

    def array(self, shape: Shape, domain: Domain = REAL, unique: bool = False) -> Any:
        """An existing value in the domain, or a new input or constant."""
        of_shape = [value for value in reversed(self.values) if value.shape == shape]
        known = self._again([v for v in of_shape if domain.holds(v.here) and (not unique or distinct(v.here))])
        return self._new(shape, domain, unique) if known is None else known

    def apart(self, shapes: Sequence[Shape], domain: Domain = REAL) -> list[Any]:
        """New values whose elements all differ."""
        return [self._new(shape, domain.share(i, len(shapes)), unique=True) for i, shape in enumerate(shapes)]

    def _new(self, shape: Shape, domain: Domain, unique: bool = False) -> _Value:
        if unique and size(shape) > len(domain.numbers):
            reject()
        here = self.draw(filled(shape, domain, unique))[()]
        constant = self.inputs and self.draw(st.sampled_from((False, False, False, True)))
        return self._kept(here if shape else float(here), here, here) if constant else self._input(here)

    def _input(self, here: Any) -> _Value:
        name = f"x{len(self.inputs)}"
        self.inputs[name] = here
        return self._kept(Ref(name), here, here + NUDGE * np.cos(np.arange(here.size)).reshape(np.shape(here)))

    def _kept(self, *parts: Any) -> _Value:
        self.values.append(_Value(*parts))
        return self.values[-1]

    def step(self, op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> None:
        """Append a call of an operation, unless its value is not finite, too large, or too steep."""
        given, ruled = [], []
        for i, x in enumerate(arrays):
            ruled.append(op.args[0 if op.variadic else i] in op.rules)
            made = ruled[-1] and getattr(x, "dtype", None) == np.float64  # by declared cases, such as a matrix
            given.append(x if isinstance(x, _Value) else self._input(x) if made else _Value(x, x, x))
        numbers = [type(v.arg) is float for v in given]
        if not op.broadcasts or all(number or not rule for number, rule in zip(numbers, ruled, strict=True)):
            # The operation makes float64 arrays of Python numbers.
            given = [v._replace(arg=v.here) if number else v for v, number in zip(given, numbers, strict=True)]
        try:
            with no_grad(), np.errstate(all="ignore"):
                here, nearby = (op(*values, **params).data for values in zip(*(v[1:] for v in given), strict=True))
        except Exception:  # the declaration may not be complete
            return
        if here.dtype != np.float64 or not 0 < here.size <= MOST or here.shape != nearby.shape:
            return
        if (np.abs(here) <= LARGEST).all() and (np.abs(nearby - here) <= LARGEST * NUDGE).all():
            name = f"v{len(self.steps)}"
            self.steps.append(Step(name, op, tuple(v.arg for v in given), params))
            self._kept(Ref(name), here, nearby)


def _broadcasts(one: Shape, other: Shape) -> bool:
    return broadcasts(one, other) and size(broadcast_shapes(one, other)) <= MOST


@st.composite
def programs(draw: st.DrawFn, *ops: Op | str, max_steps: int = 10, max_outputs: int = 3) -> Program:
    """Programs of at most ``max_steps`` operations, in which values are reused, broadcast, indexed and reduced.

    ``ops``: the operations to draw from, or their names; by default your own that have a derivative, all that are
    declared, and a few of this package. A program has up to ``max_outputs`` outputs, and at least one input that they
    depend on. It is well conditioned: no value and no slope is large, and no value is near a kink or a pole of the
    operation that takes it, as far as that is declared. A failing program is shrunk, and prints as Python.

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
        case = case_of(declaration_of(op), growing)
        growing.step(op, case.arrays, case.params)
    used, flowing = names_used(growing.steps), depending(growing.inputs, growing.steps)
    ends = [step.name for step in growing.steps if step.name in flowing and step.name not in used]
    if not ends:
        reject()
    alone = {end: Program(growing.inputs, tuple(growing.steps), (end,)).needed() for end in ends}
    ends.sort(key=lambda end: -len(alone[end].steps))
    outputs = [ends[0], *(end for end in ends[1:max_outputs] if draw(st.booleans()))]
    return Program(growing.inputs, tuple(growing.steps), tuple(outputs)).needed()
