"""The body of a loop: one step as a list of operations.

`autograd.ops.loops.scan` runs bodies; `autograd.compiler.tracing.bodies` records them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import Shape, size
from glassgrad.autograd.engine.operation import OPS, Op
from glassgrad.autograd.engine.tensor import Tensor

Typed = tuple[Shape, Any]
"""A shape and a dtype."""

Function = Callable[..., list[Any]]


class Step(NamedTuple):
    """One operation of a body. ``args`` and ``out`` are numbers of values; bit i of ``mask`` says that a gradient flows
    to argument i.
    """

    op: Op
    args: tuple[int, ...]
    params: dict[str, Any]
    out: int
    mask: int = -1


class Body:
    """A function of arrays as a list of operations: what a loop does at one step.

    Values have numbers: first the inputs, of which ``carries`` are passed from a step to the next, ``xs`` have one
    entry for each step and ``consts`` are the same at all steps (all three are counts); then the ``constants``, with
    their values, and the results of ``steps``. ``types`` are the shapes and dtypes of all of them, ``outputs`` the
    numbers of the new carries and of the results ``ys``. ``name`` is the function's, ``names`` are those of the inputs.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        counts: tuple[int, int, int],
        types: dict[int, Typed],
        constants: dict[int, Any],
        steps: Sequence[Step],
        outputs: Sequence[int],
        record: Callable[..., Any],
    ) -> None:
        self.name, self.names, self.types, self.constants = name, tuple(names), types, constants
        self.carries, self.xs, self.consts = counts
        self.outputs, self.record = tuple(outputs), record
        self.steps = needed(steps, self.outputs)
        self.runs = 0
        """How many steps have been run in NumPy: a body that is run often is compiled."""
        self.kernel: Any = None
        """The compiled body; ``False`` where it can't be compiled."""
        self.program: Any = None
        """One step as a program, made at its first use."""
        self.derivatives: dict[Any, Any] = {}
        """What `autograd.ops.loops.derivative.derivative_of` has found."""
        self._functions: dict[Any, tuple[Function, Function]] = {}

    @property
    def inputs(self) -> range:
        """The numbers of the inputs."""
        return range(self.carries + self.xs + self.consts)

    @property
    def dtypes(self) -> list[Any]:
        """The dtypes of the outputs, each once."""
        return list(dict.fromkeys(self.types[out][1] for out in self.outputs))

    def parts(self, length: int, dtype: Any) -> list[tuple[int, slice, Shape]]:
        """The outputs of ``dtype`` in the packed result: the number of each output, its position, its shape. The
        carries are those after the last step; the ys of all steps are stacked.
        """
        found, start = [], 0
        for i, out in enumerate(self.outputs):
            shape, kind = self.types[out]
            shape = shape if i < self.carries else (length, *shape)
            if kind == dtype:
                found.append((i, slice(start, start + size(shape)), shape))
                start += size(shape)
        return found

    def run(self, *inputs: Any) -> list[Any]:
        """The outputs for these inputs, Tensors or arrays, recorded as operations where Tensors require grad."""
        values = {**dict(enumerate(inputs)), **self.constants}
        for step in self.steps:
            given = [
                x.detach() if isinstance(x, Tensor) and x.requires_grad and not step.mask >> i & 1 else x
                for i, x in enumerate(values[a] for a in step.args)
            ]
            values[step.out] = step.op(*given, **step.params)
        return [values[out] for out in self.outputs]

    def functions(self, xp: Any) -> tuple[Function, Function]:
        """The body as functions of the arrays of a namespace: ``before(xp, *consts)`` computes the values that are the
        same at all steps, ``step(xp, *inputs, *before)`` those of one step."""
        key = xp.module
        if key not in self._functions:
            self._functions[key] = self._made(xp)
        return self._functions[key]

    def _made(self, xp: Any) -> tuple[Function, Function]:
        first = self.carries + self.xs
        constants: dict[Any, Any] = {}
        for number, value in self.constants.items():
            elsewhere = getattr(value, "shape", ()) and xp is not backends.NUMPY and not xp.absorbs
            constants[number] = xp.asarray(value) if elsewhere else value
        same = invariant(self.steps, {*self.inputs[first:], *self.constants})
        early: list[_Call] = []
        late: list[_Call] = []
        for step in self.steps:
            function, args = _returned(step.op) if step.op.foreign else step.op.forward, step.args
            if xp.absorbs and OPS.get(step.op.name) is step.op:  # in a trace
                function = partial(_traced, step.op.name)
            if step.out in same and step.op.name in ("matrix_transpose", "permute_dims"):
                function = partial(_apart, function)
            elif step.out not in same and step.op.name == "linear" and args[1] in same:
                columns: Any = "columns", args[1]
                early.append((_turned, args[1:2], {}, columns))
                function, args = _by_columns, (args[0], columns, *args[2:])
            (early if step.out in same else late).append((function, args, step.params, step.out))
        known = list(dict.fromkeys(out for *_, out in early))

        def before(xp: Any, *consts: Any) -> list[Any]:
            return _run(xp, early, constants | dict(zip(self.inputs[first:], consts, strict=True)), known)

        def step_of(xp: Any, *given: Any) -> list[Any]:
            return _run(xp, late, constants | dict(zip([*self.inputs, *known], given, strict=True)), self.outputs)

        return before, step_of

    def __deepcopy__(self, memo: Any) -> Body:
        return self  # it is immutable

    def __repr__(self) -> str:
        return f"<body {self.name}, {len(self.steps)} operations>"


def renumbered(
    name: str, inputs: list[int], counts: tuple[int, int, int], recording: Any, steps: list[Step], outputs: list[int]
) -> Body:
    """A body of ``steps`` of a recording, with its values renumbered, ``inputs`` first."""
    numbers: dict[int, int] = {old: new for new, old in enumerate(inputs)}
    types = {new: recording.types[old] for old, new in numbers.items()}
    constants = {}

    def number(old: int) -> int:
        if old not in numbers:
            new = numbers[old] = len(numbers)
            types[new] = recording.types[old]
            if old in recording.constants:
                constants[new] = recording.constants[old]
        return numbers[old]

    made = [s._replace(args=tuple(map(number, s.args)), out=number(s.out)) for s in steps]
    names = [recording.names.get(i, f"v{i}") for i in inputs]
    return Body(name, names, counts, types, constants, made, list(map(number, outputs)), recording.record)


def _returned(operation: Op) -> Callable[..., Any]:
    """The forward of a user's operation, with its result converted to an array."""

    def forward(xp: Any, *arrays: Any, **params: Any) -> Any:
        return backends.asarray(operation.forward(xp, *arrays, **params))

    return forward


def _traced(name: str, xp: Any, *arrays: Any, **params: Any) -> Any:
    return xp.followed(name, arrays, params)


_Call = tuple[Callable[..., Any], Sequence[Any], dict[str, Any], Any]
"""A function of arrays, the numbers of its arguments, its parameters, and the number of its result."""


def _run(xp: Any, calls: Sequence[_Call], values: dict[Any, Any], outputs: Sequence[Any]) -> list[Any]:
    """The outputs of these calls, from the values known before."""
    for function, args, params, out in calls:
        values[out] = function(xp, *[values[a] for a in args], **params)
    return [values[out] for out in outputs]


def _by_columns(xp: Any, x: Any, columns: Any, bias: Any = None) -> Any:
    """`linear` with the weight's transpose, which is row-major: the product takes half of the time."""
    z = xp.matmul(x, columns)
    if bias is not None:
        z += bias
    return z


def _apart(function: Callable[..., Any], xp: Any, x: Any, **params: Any) -> Any:
    """A transposed array as a row-major copy."""
    turned = function(xp, x, **params)
    return xp.reshape(xp.reshape(turned, (-1,)), turned.shape)


_turned = partial(_apart, lambda xp, x: x.T)


def needed(steps: Iterable[Step], outputs: Iterable[int]) -> list[Step]:
    """The steps that outputs depend on."""
    found, wanted = [], set(outputs)
    for step in reversed(list(steps)):
        if step.out in wanted:
            found.append(step)
            wanted.update(step.args)
    return found[::-1]


def invariant(steps: Iterable[Step], known: Iterable[int]) -> set[int]:
    """The values that depend only on ``known`` ones, including these."""
    found = set(known)
    for step in steps:
        if found.issuperset(step.args):
            found.add(step.out)
    return found
