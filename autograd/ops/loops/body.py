"""The body of a loop: one step as a list of operations.

`autograd.ops.loops.scan` runs bodies; `autograd.compiler.tracing.bodies` records them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import Shape, size
from glassgrad.autograd.engine.operation import OPS, Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.readings.levels import detached

Typed = tuple[Shape, Any]
"""A shape and a dtype."""


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
        self.derivatives: dict[Any, Any] = {}
        """What `autograd.ops.loops.derivative.derivative_of` has found."""

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

    @cached_property
    def split(self) -> tuple[list[Step], list[Step]]:
        """The steps whose results are the same at all steps of the loop, and the others; `linear` as a product with the
        transposed weight, which is the same.
        """
        same = invariant(self.steps, {*self.inputs[self.carries + self.xs :], *self.constants})
        early: list[Step] = []
        late: list[Step] = []
        for step in self.steps:
            if step.out in same or step.op.name != "linear" or step.args[1] not in same:
                (early if step.out in same else late).append(step)
                continue
            (x, weight, *rest), turned, product = step.args, -2 * step.out, -2 * step.out - 1
            bias = [b for b in rest if self.constants.get(b, b) is not None]
            early.append(Step(OPS["permute_dims"], (weight,), {"axes": (1, 0)}, turned))
            late.append(Step(OPS["matmul"], (x, turned), {}, product if bias else step.out))
            late += [Step(OPS["add"], (product, *bias), {}, step.out)] if bias else []
        return early, late

    def before(self, xp: Any, consts: Sequence[Any]) -> dict[int, Any]:
        """The values that are the same at all steps, as arrays of a namespace, by number. They are row-major, as are
        transposed weights then, with which products take half of the time."""
        elsewhere = xp is not backends.NUMPY and not xp.absorbs
        values = {
            number: xp.asarray(value) if elsewhere and hasattr(value, "shape") else value
            for number, value in self.constants.items()
        }
        values |= zip(self.inputs[self.carries + self.xs :], consts, strict=True)
        for step in self.split[0]:
            computed(xp, [step], values)
            found = values[step.out]
            values[step.out] = xp.reshape(xp.reshape(found, (-1,)), found.shape)
        return values

    def step(self, xp: Any, given: Sequence[Any], same: dict[int, Any]) -> list[Any]:
        """The outputs of one step for the carries and rows ``given``."""
        values = same | dict(enumerate(given))
        computed(xp, self.split[1], values)
        return [values[out] for out in self.outputs]

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


def computed(xp: Any, steps: Iterable[Step], values: dict[int, Any]) -> None:
    """Add the results of these operations on arrays of a namespace to ``values``."""
    for op, args, params, out, mask in steps:
        given = [values[a] for a in args]
        if xp.absorbs and OPS.get(op.name) is op:  # in a trace, or at a level
            given = [x if mask >> i & 1 else detached(x) for i, x in enumerate(given)]
            values[out] = xp.followed(op.name, given, params)
        else:
            found = op.forward(xp, *given, **params)
            values[out] = backends.asarray(found) if op.foreign else found


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
