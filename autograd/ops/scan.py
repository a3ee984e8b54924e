"""A loop as one operation: `scan_packed` runs the same `Body` at each of ``length`` steps.

The derivative of a loop is a loop in the other direction, whose body computes the gradients of one step. So the rule
calls the operation again, and derivatives of any order are loops. `autograd.scan` is the function for users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autograd import backends
from autograd.backward import backward_steps
from autograd.errors import DTypeError, ShapeError
from autograd.graph import vertex_of
from autograd.modes import MODE, TRACER
from autograd.operation import Op, op
from autograd.shapes import Shape, size
from autograd.tensor import Tensor

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
    mask: int


class Body:
    """A function of arrays as a list of operations: what a loop does at one step.

    Values have numbers: first the inputs, which are ``carries`` (what a step hands on to the next), ``xs`` (what each
    step gets of its own) and ``consts`` (the same at all steps), so many of each; then the ``constants``, with their
    values, and what ``steps`` compute. ``types`` are the shapes and dtypes of all of them, ``outputs`` the numbers of
    the new carries and of the results ``ys``. ``name`` is the function's, ``names`` are those of the inputs.
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
        self.steps = _needed(steps, self.outputs)
        self._derivatives: dict[Any, Derivative] = {}
        self._functions: dict[Any, Any] = {}

    @property
    def inputs(self) -> range:
        """The numbers of the inputs."""
        return range(self.carries + self.xs + self.consts)

    @property
    def invariant(self) -> set[int]:
        """The values that are the same at all steps."""
        found = {*self.inputs[self.carries + self.xs :], *self.constants}
        for step in self.steps:
            if found.issuperset(step.args):
                found.add(step.out)
        return found

    @property
    def dtypes(self) -> list[Any]:
        """The dtypes of the outputs, each once."""
        return list(dict.fromkeys(self.types[out][1] for out in self.outputs))

    def parts(self, length: int, dtype: Any) -> list[tuple[int, slice, Shape]]:
        """Where the outputs of ``dtype`` lie in the packed result: the number of the output, its place, its shape. The
        carries are those after the last step; the ys of all steps are stacked."""
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

    def functions(self, xp: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """``before(xp, *consts)``, which computes what is the same at all steps, and ``step(xp, *inputs, *before)``."""
        key = xp.module, xp.place
        if key not in self._functions:
            self._functions[key] = self._written(xp)
        return self._functions[key]  # type: ignore[no-any-return]

    def _written(self, xp: Any) -> Any:
        """Both as Python functions without a loop over steps."""
        names: dict[str, Any] = {}
        for number, value in self.constants.items():
            elsewhere = getattr(value, "shape", ()) and xp is not backends.NUMPY and not xp.absorbs
            names[f"v{number}"] = xp.asarray(value) if elsewhere else value
        invariant = self.invariant
        before: list[tuple[int, str]] = []
        within: list[tuple[int, str]] = []
        for i, step in enumerate(self.steps):
            names[f"f{i}"] = partial_returned(step.op) if step.op.foreign else step.op.forward
            names[f"p{i}"] = step.params
            given = ", ".join(["xp", *(f"v{a}" for a in step.args), *([f"**p{i}"] if step.params else [])])
            (before if step.out in invariant else within).append((step.out, f"    v{step.out} = f{i}({given})"))
        made = [out for out, _ in before]
        inputs = [f"v{i}" for i in self.inputs]
        source = [
            f"def before({', '.join(['xp', *inputs[self.carries + self.xs :]])}):",
            *(line for _, line in before),
            f"    return [{', '.join(f'v{out}' for out in made)}]",
            f"def step({', '.join(['xp', *inputs, *(f'v{out}' for out in made)])}):",
            *(line for _, line in within),
            f"    return [{', '.join(f'v{out}' for out in self.outputs)}]",
        ]
        exec(compile("\n".join(source), f"<body of {self.name}>", "exec"), names)
        return names["before"], names["step"]

    def derivative(self, wanted: tuple[bool, ...]) -> Derivative:
        """How gradients go through a step, to those of the inputs that are ``wanted`` and to all carries."""
        if wanted not in self._derivatives:
            number = len(self._derivatives) + 1
            self._derivatives[wanted] = _derivative(self, wanted, f"_{number}" if number > 1 else "")
        return self._derivatives[wanted]

    def __deepcopy__(self, memo: Any) -> Body:
        return self  # nothing of it changes

    def __repr__(self) -> str:
        return f"<body {self.name}, {len(self.steps)} operations>"


def partial_returned(operation: Op) -> Callable[..., Any]:
    """The forward of a user's operation, whose result is made an array."""

    def forward(xp: Any, *arrays: Any, **params: Any) -> Any:
        return backends.asarray(operation.forward(xp, *arrays, **params))

    return forward


def _needed(steps: Iterable[Step], outputs: Iterable[int]) -> list[Step]:
    """The steps that outputs depend on."""
    found, wanted = [], set(outputs)
    for step in reversed(list(steps)):
        if step.out in wanted:
            found.append(step)
            wanted.update(step.args)
    return found[::-1]


@dataclass
class Loop:
    """What `scan_packed` runs: ``body`` at ``length`` steps, the last first where ``reverse``.

    ``dtype``: which outputs are packed, those of this dtype. ``wanted``: for each input whether its gradient may be
    asked for; all may, where it is empty. ``recompute``: so many steps at a time are computed again for the gradients,
    from the carry before them, so that only these carries are kept; 0 to keep what each step's rules need.
    """

    body: Body
    length: int
    dtype: Any
    reverse: bool = False
    wanted: tuple[bool, ...] = field(default=(), compare=False)
    recompute: int = field(default=0, compare=False)
    kept: list[Any] | None = field(default=None, compare=False)
    """What the forward computed and the rule needs: the arrays that it was computed from, and packed results by dtype.
    The rule computes it again where it is not there; ``None`` where nothing is to be kept, as within a program."""

    @property
    def derivative(self) -> Derivative:
        """That of the body, for the gradients that are wanted."""
        return self.body.derivative(self.wanted or (True,) * len(self.body.inputs))

    def __repr__(self) -> str:
        order = "_in_reverse" if self.reverse else ""
        return f"{self.body.name}_{self.length}_times{order}"


def looped(xp: Any, arrays: Sequence[Any], body: Body, length: int, reverse: bool, recompute: int = 0) -> list[Any]:
    """The last carries, and the ys stacked, of ``body`` run over ``arrays``: carries, xs and consts."""
    wanted = tuple(isinstance(x, Tensor) and x.requires_grad for x in arrays)
    found: dict[int, Any] = {}
    keeps = any(wanted) and not recompute and MODE.get().grad and TRACER.get() is None
    for dtype in body.dtypes:
        loop = Loop(body, length, dtype, reverse, wanted, recompute, [] if keeps else None)
        packed = xp.scan_packed(*arrays, loop=loop)
        packed = packed.detach() if isinstance(packed, Tensor) and not backends.is_real(dtype) else packed
        for i, place, shape in body.parts(length, dtype):
            found[i] = xp.reshape(packed[place], shape=shape)
    return [found[i] for i in range(len(body.outputs))]


@op("scan", text="scan({arrays})", tex=r"\operatorname{{scan}}({arrays})")
def scan_packed(xp, *arrays, loop):
    """The last carries and all ys of a loop, flat, one behind the other: what `autograd.scan` takes apart.

    ``arrays``: the carries, the xs (the steps along their first axis) and the consts of ``loop.body``. ``loop``: a
    `Loop`; its ``body`` and ``length`` say what the operation does, in a picture as well.
    """
    parts = loop.body.parts(loop.length, loop.dtype)
    total = parts[-1][1].stop if parts else 0
    xp.opaque((total,), loop.dtype)
    _check(arrays, loop)
    if loop.kept is not None:
        body = loop.derivative.forward
        packed = _run(xp, arrays, body, loop)
        loop.kept[:] = arrays, packed
        return packed[loop.dtype][:total]
    return _run(xp, arrays, loop.body, loop)[loop.dtype]


def _check(arrays: Sequence[Any], loop: Loop) -> None:
    """Refuse arrays that the body was not recorded for."""
    body = loop.body
    steps = range(body.carries, body.carries + body.xs)
    shapes = [(loop.length, *body.types[i][0]) if i in steps else body.types[i][0] for i in body.inputs]
    given = [tuple(x.shape) for x in arrays]
    if given != shapes:
        raise ShapeError(f"scan_packed: {body.name} was recorded for arrays of shapes {shapes}, and is given {given}.")
    for x, i in zip(arrays, body.inputs, strict=True):
        if backends.is_complex(x.dtype) and not backends.is_complex(body.types[i][1]):
            raise DTypeError(f"scan_packed: {body.name} was recorded for {body.types[i][1]}, and is given {x.dtype}.")


def _run(xp: Any, arrays: Sequence[Any], body: Body, loop: Loop) -> dict[Any, Any]:
    """The packed outputs of each dtype."""
    before, step = body.functions(xp)
    first = body.carries + body.xs
    carries, xs, consts = arrays[: body.carries], arrays[body.carries : first], arrays[first:]
    consts = [*consts, *before(xp, *consts)]
    length = loop.length
    stacks: list[Any] = [[None] * length for _ in body.outputs[body.carries :]]
    flat: dict[Any, Any] = dict.fromkeys(body.dtypes)
    if xp.in_place:
        for dtype in flat:
            parts = body.parts(length, dtype)
            flat[dtype] = xp.empty(parts[-1][1].stop, dtype=dtype)
            for i, place, shape in parts:
                if i >= body.carries:
                    stacks[i - body.carries] = flat[dtype][place].reshape(shape)
    for t in reversed(range(length)) if loop.reverse else range(length):
        rows = [x[t] for x in xs] if xp.in_place else [x[t, ...] for x in xs]
        outputs = step(xp, *carries, *rows, *consts)
        carries = outputs[: body.carries]
        for stack, value in zip(stacks, outputs[body.carries :], strict=True):
            stack[t] = value
    results = [*carries, *stacks]
    for dtype, buffer in flat.items():
        parts = body.parts(length, dtype)
        if buffer is None:
            rows = [results[i] if i < body.carries else _stacked(xp, results[i], shape, dtype) for i, _, shape in parts]
            flat[dtype] = xp.concat([xp.reshape(row, (-1,)) for row in rows])
            continue
        for i, place, _ in parts:
            if i < body.carries:
                buffer[place] = results[i].reshape(-1)
    return flat


def _stacked(xp: Any, rows: list[Any], shape: Shape, dtype: Any) -> Any:
    return xp.stack(rows) if rows else xp.zeros(shape, dtype=getattr(xp, str(dtype)))


# ----------------------------------------------------------------------------------------------------------- gradients


class Derivative(NamedTuple):
    """The two bodies between which a step and its gradients are split.

    ``forward``: the body, with what the gradients need as further ys, the values ``kept``. ``backward``: from one step
    to the one before. Its carries are the gradients of the carries (``through``, by their numbers) and the sums of the
    gradients of consts (``sums``). Its xs are the gradients of the ys (``ends``), the values ``kept`` and the ``xs``
    that it reads. Its consts are those of the body that it reads (``consts``), its ys the gradients of xs (``slopes``).
    """

    forward: Body
    backward: Body
    through: list[int]
    sums: list[int]
    ends: list[int]
    kept: list[int]
    xs: list[int]
    consts: list[int]
    slopes: list[int]


def _derivative(body: Body, wanted: tuple[bool, ...], suffix: str) -> Derivative:
    def is_real(number: int) -> bool:
        return bool(backends.is_real(body.types[number][1]))

    first = body.carries + body.xs
    through = [i for i in range(body.carries) if is_real(i)]
    slopes = [i for i in range(body.carries, first) if wanted[i] and is_real(i)]
    sums = [i for i in range(first, len(wanted)) if wanted[i] and is_real(i)]
    ends = [i for i in range(body.carries, len(body.outputs)) if is_real(body.outputs[i])]
    seeds = [body.types[body.outputs[i]] for i in (*through, *ends)]
    joint = body.record(
        lambda given, mark: _pulled(body, given, mark, through, ends, [*through, *slopes, *sums], sums),
        [*(body.types[i] for i in body.inputs), *seeds, *(body.types[i] for i in sums)],
        f"gradient_of_{body.name}",
        [*body.names, *(f"d_{i}" for i in range(len(seeds))), *(f"d_{body.names[i]}" for i in sums)],
    )
    count = len(body.inputs)
    ours, theirs = joint.steps[: joint.mark], joint.steps[joint.mark :]
    results = joint.outputs[len(body.outputs) :]
    slopes = [i for i, out in zip((*through, *slopes), results, strict=False) if i >= body.carries and out is not None]
    through_out, others = results[: len(through)], [out for out in results[len(through) :] if out is not None]
    for k, out in enumerate(through_out):
        if out is None:  # a carry that nothing reads
            zero = through_out[k] = max(joint.types) + 1
            joint.types[zero] = shape, dtype = body.types[through[k]]
            joint.constants[zero] = backends.NUMPY.zeros(shape, dtype=dtype)[()]
    results = [*through_out, *others[len(slopes) :], *others[: len(slopes)]]
    theirs = _needed(theirs, results)
    known = {*body.inputs, *joint.constants, *(s.out for s in ours)}
    invariant = {*range(first, count), *joint.constants}
    for step in ours:
        if invariant.issuperset(step.args):
            invariant.add(step.out)
    read = dict.fromkeys(a for a in (*(a for s in theirs for a in s.args), *results) if a in known)
    theirs = [*_needed((s for s in ours if s.out in invariant), read), *theirs]
    read = dict.fromkeys(a for a in (*(a for s in theirs for a in s.args), *results) if a in known)
    kept = [a for a in read if a not in invariant and not body.carries <= a < first]
    xs = [a for a in read if body.carries <= a < first]
    consts = [a for a in read if first <= a < count]
    types = joint.types
    forward = Body(
        f"forward_of_{body.name}{suffix}", body.names, (body.carries, body.xs, body.consts), types,
        joint.constants, ours, [*joint.outputs[: len(body.outputs)], *kept], body.record,
    )  # fmt: skip
    seeds_at = [*range(count, count + len(seeds))]
    carried = [*seeds_at[: len(through)], *range(count + len(seeds), count + len(seeds) + len(sums))]
    inputs = [*carried, *seeds_at[len(through) :], *kept, *xs, *consts]
    backward = _renumbered(
        f"gradient_of_{body.name}{suffix}", inputs,
        (len(carried), len(ends) + len(kept) + len(xs), len(consts)), joint, theirs, results,
    )  # fmt: skip
    return Derivative(forward, backward, through, sums, ends, kept, xs, consts, slopes)


def _pulled(
    body: Body, given: Sequence[Any], mark: Callable[[], None], through: Any, ends: Any, wanted: Any, sums: Any
) -> list[Any]:
    """The outputs of a step, and the gradients of the ``wanted`` inputs, those of consts added to their sums."""
    count = len(body.inputs)
    outputs = body.run(*given[:count])
    mark()
    seeds = given[count : count + len(through) + len(ends)]
    pairs = [
        (outputs[i], seed)
        for i, seed in zip((*through, *ends), seeds, strict=True)
        if isinstance(outputs[i], Tensor) and outputs[i].requires_grad
    ]
    places = {vertex_of(given[i]): i for i in wanted}
    found: dict[int, Any] = {}
    if pairs:
        walk = backward_steps(
            [y for y, _ in pairs], [g for _, g in pairs], create_graph=True, inputs=[given[i] for i in wanted]
        )
        for vertex, g, _ in walk:
            if vertex in places:
                found[places[vertex]] = g
    totals = dict(zip(sums, given[count + len(seeds) :], strict=True))
    for i, total in totals.items():
        found[i] = total if i not in found else total + found[i]
    return [*outputs, *(found.get(i) for i in wanted)]


def _renumbered(
    name: str, inputs: list[int], counts: tuple[int, int, int], joint: Any, steps: list[Step], outputs: list[int]
) -> Body:
    """The body of these steps, in which values have other numbers."""
    numbers: dict[int, int] = {old: new for new, old in enumerate(inputs)}
    types = {new: joint.types[old] for old, new in numbers.items()}
    constants = {}

    def number(old: int) -> int:
        if old not in numbers:
            new = numbers[old] = len(numbers)
            types[new] = joint.types[old]
            if old in joint.constants:
                constants[new] = joint.constants[old]
        return numbers[old]

    made = [s._replace(args=tuple(map(number, s.args)), out=number(s.out)) for s in steps]
    return Body(
        name, [joint.names.get(i, f"v{i}") for i in inputs], counts, types, constants, made, list(map(number, outputs)),
        joint.record,
    )  # fmt: skip


def _gradients(
    xp: Any, arrays: Sequence[Any], carried: list[Any], ends: list[Any], loop: Loop, packed: Any
) -> tuple[list[Any], list[Any]]:
    """The gradients of the carries before the steps with the sums of those of consts, and the gradients of the xs.

    ``carried``: the gradients of the carries behind the steps, and the sums so far. ``ends``: those of the ys.
    """
    body = loop.body
    derivative = loop.derivative
    forward, count = derivative.forward, len(body.outputs)
    if packed is None:
        kept = looped(xp, arrays, forward, loop.length, loop.reverse)[count:] if derivative.kept else []
    else:
        parts = {
            i: xp.reshape(packed[dtype][place], shape)
            for dtype in forward.dtypes
            for i, place, shape in forward.parts(loop.length, dtype)
            if i >= count
        }
        kept = [parts[i] for i in range(count, len(forward.outputs))]
    given = [*carried, *ends, *kept, *(arrays[i] for i in derivative.xs), *(arrays[i] for i in derivative.consts)]
    found = looped(xp, given, derivative.backward, loop.length, not loop.reverse)
    return found[: len(carried)], found[len(carried) :]


def _rule(xp: Any, g: Any, arrays: Sequence[Any], loop: Loop) -> list[Any]:
    body, length = loop.body, loop.length
    derivative = loop.derivative
    parts = {i: xp.reshape(g[place], shape=shape) for i, place, shape in body.parts(length, loop.dtype)}

    def slope(i: int) -> Any:
        """The gradient of an output; zero for one that is packed in another array."""
        shape, dtype = body.types[body.outputs[i]]
        shape = shape if i < body.carries else (length, *shape)
        return parts[i] if i in parts else _zeros(xp, shape, dtype, g)

    carried = [slope(i) for i in derivative.through]
    carried += [_zeros(xp, *body.types[i], g) for i in derivative.sums]
    ends = [slope(i) for i in derivative.ends]
    packed = None
    if loop.kept:
        before, packed = loop.kept
        packed = packed if all(x is y for x, y in zip(arrays, before, strict=True)) else None
        loop.kept.clear()
    if not loop.recompute:
        carried, slopes = _gradients(xp, arrays, carried, ends, loop, packed)
    else:
        carried, slopes = _recomputed(xp, arrays, carried, ends, loop)
    found = dict(zip((*derivative.through, *derivative.sums), carried, strict=True))
    found |= dict(zip(derivative.slopes, slopes, strict=True))
    return [found.get(i) for i in range(len(arrays))]


def _recomputed(
    xp: Any, arrays: Sequence[Any], carried: list[Any], ends: list[Any], loop: Loop
) -> tuple[list[Any], list[Any]]:
    """`_gradients`, a few steps at a time, which are computed again from the carry before them."""
    body, length = loop.body, loop.length
    first = body.carries + body.xs
    pieces = [slice(i, min(i + loop.recompute, length)) for i in range(0, length, loop.recompute)]
    pieces = pieces[::-1] if loop.reverse else pieces

    def piece_of(carries: Sequence[Any], piece: slice) -> list[Any]:
        return [*carries, *(x[piece, ...] for x in arrays[body.carries : first]), *arrays[first:]]

    starts = [list(arrays[: body.carries])]
    for piece in pieces[:-1]:
        found = looped(xp, piece_of(starts[-1], piece), body, piece.stop - piece.start, loop.reverse)
        starts.append(found[: body.carries])
    rows: list[list[Any]] = []
    for start, piece in zip(reversed(starts), reversed(pieces), strict=True):
        inner = Loop(body, piece.stop - piece.start, loop.dtype, loop.reverse, loop.wanted)
        carried, slopes = _gradients(xp, piece_of(start, piece), carried, [y[piece, ...] for y in ends], inner, None)
        rows.append(slopes)
    rows = rows if loop.reverse else rows[::-1]
    return carried, [xp.concat(list(column), axis=0) for column in zip(*rows, strict=True)]


def _zeros(xp: Any, shape: Shape, dtype: Any, like: Any) -> Any:
    zeros = xp.zeros(shape, dtype=getattr(xp, str(dtype)))
    return zeros.to(like.device) if isinstance(like, Tensor) else zeros


scan_packed.vjp(arrays=_rule)
