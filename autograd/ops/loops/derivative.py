"""The derivative of a loop's body: a forward that keeps values, and a backward that gives the gradients of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.engine.backward import backward_steps
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.autograd.engine.operation import OPS
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.ops.loops.body import Body, Step, Typed, invariant, needed, renumbered


class AfterLoop(NamedTuple):
    """The gradient of the const ``of``, or a part of it, which is computed after the loop: leftᵀ · right, where these
    values of the body have the rows of all steps below each other.
    """

    of: int
    left: int
    right: int


class Derivative(NamedTuple):
    """A body and its gradients, as two bodies. The lists hold numbers of values of the body.

    ``forward``: the body, with the values ``kept`` for the gradients as further ys. ``backward``: the gradients of one
    step. Its carries are the gradients of the carries ``through`` and the totals of the gradients of the consts
    ``sums``. Its xs are the gradients of the ys ``ends``, the values ``kept``, and the ``xs`` that it reads; its consts
    are the ``consts`` that it reads. Its ys are the gradients of the xs ``slopes``, and the values ``sent`` (with their
    places among the outputs) from which the gradients ``after_loop`` are computed.
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
    sent: dict[int, int]
    after_loop: list[AfterLoop]


def derivative_of(body: Body, wanted: tuple[bool, ...]) -> Derivative:
    """The two bodies of a step and its gradients, with respect to the ``wanted`` inputs and all carries."""
    if wanted not in body.derivatives:
        number = len(body.derivatives) + 1
        body.derivatives[wanted] = _derivative(body, wanted, f"_{number}" if number > 1 else "")
    return body.derivatives[wanted]  # type: ignore[no-any-return]


def _derivative(body: Body, wanted: tuple[bool, ...], suffix: str) -> Derivative:
    def has_gradient(number: int) -> bool:
        return bool(backends.is_inexact(body.types[number][1]))

    def new(kind: Typed) -> int:
        """The number of another value of this type."""
        types[len(types)] = kind
        return len(types) - 1

    first, count = body.carries + body.xs, len(body.inputs)
    through = [i for i in range(body.carries) if has_gradient(i)]
    others = [i for i in range(body.carries, count) if wanted[i] and has_gradient(i)]
    ends = [i for i in range(body.carries, len(body.outputs)) if has_gradient(body.outputs[i])]
    seeds = [body.types[body.outputs[i]] for i in (*through, *ends)]
    joint = body.record(
        lambda given, mark: _pulled(body, given, mark, through, ends, [*through, *others]),
        [*(body.types[i] for i in body.inputs), *seeds],
        f"gradient_of_{body.name}",
        [*body.names, *(f"d_{i}" for i in range(len(seeds)))],
    )
    types, constants = joint.types, joint.constants
    for found, number in joint.captured:  # arrays that are constants of the body
        constants[number] = found.data if isinstance(found, Tensor) else found
    ours = joint.steps[: joint.mark]
    results = dict(zip((*through, *others), joint.outputs[len(body.outputs) :], strict=True))
    same = invariant(joint.steps, {*range(first, count), *constants})
    steps = _joined(joint.steps[joint.mark :], types, joint.outputs)
    makers = {step.out: step for step in (*joint.steps, *steps)}
    of_loops = any("loop" in step.params for step in body.steps)  # whose rows of all steps would take much memory
    after_loop: list[AfterLoop] = []
    sums, slopes = [], []
    carried = [*range(count, count + len(through))]  # the numbers of the carries of the backward body
    totals = []
    for i in others:
        if results[i] is None:
            continue
        if i < first:
            slopes.append(i)
            continue
        left: list[int] = []
        for part in _addends(results[i], makers, types):
            late = None if of_loops else _after_loop(i, part, makers, same, types)
            after_loop += [late] if late is not None else []
            left += [] if late is not None else [part]
        if left:
            sums.append(i)
            carried.append(total := new(body.types[i]))
            for part in left:
                before, total = total, new(body.types[i])
                steps.append(Step(OPS["add"], (before, part), {}, total))
            totals.append(total)
    known = {*range(count), *constants, *(s.out for s in ours)}
    parts = dict.fromkeys(a for late in after_loop for a in (late.left, late.right))
    sent = [a for a in parts if a not in known and a not in same]
    outputs = [*(results[i] for i in through), *totals, *(results[i] for i in slopes)]
    carries = len(through) + len(sums)
    outputs += [a for a in sent if a not in outputs[carries:]]
    places = {a: outputs.index(a, carries) for a in sent}
    theirs = needed(steps, outputs)
    theirs = [*needed((s for s in ours if s.out in same), (a for s in theirs for a in s.args)), *theirs]
    made = {s.out for s in theirs}
    read = dict.fromkeys(a for a in (*(a for s in theirs for a in s.args), *outputs) if a in known and a not in made)
    kept = [a for a in (read | parts) if a in known and a not in same and not body.carries <= a < first]
    xs = [a for a in read if body.carries <= a < first]
    consts = [a for a in read if first <= a < count]
    forward = Body(
        f"forward_of_{body.name}{suffix}", body.names, (body.carries, body.xs, body.consts), types,
        constants, ours, [*joint.outputs[: len(body.outputs)], *kept], body.record,
    )  # fmt: skip
    inputs = [*carried, *range(count + len(through), count + len(seeds)), *kept, *xs, *consts]
    counts = len(carried), len(inputs) - len(carried) - len(consts), len(consts)
    backward = renumbered(f"gradient_of_{body.name}{suffix}", inputs, counts, joint, theirs, outputs)
    return Derivative(forward, backward, through, sums, ends, kept, xs, consts, slopes, places, after_loop)


def _pulled(
    body: Body, given: Sequence[Any], mark: Callable[[], None], through: Any, ends: Any, wanted: Any
) -> list[Any]:
    """The outputs of a step, and the gradients of the ``wanted`` inputs: where there is none, zeros for a carry that
    goes ``through``, else ``None``."""
    count = len(body.inputs)
    outputs = body.run(*given[:count])
    mark()
    pairs = [
        (outputs[i], seed)
        for i, seed in zip((*through, *ends), given[count:], strict=True)
        if isinstance(outputs[i], Tensor) and outputs[i].requires_grad
    ]
    places = {vertex_of(given[i]): i for i in wanted}
    kinds = [(i, *body.types[i]) for i in through]
    found: dict[int, Any] = {i: backends.NUMPY.zeros(shape, dtype=dtype)[()] for i, shape, dtype in kinds}
    if pairs:
        ys, seeds = zip(*pairs, strict=True)
        for vertex, g, _ in backward_steps(ys, seeds, create_graph=True, inputs=[given[i] for i in wanted]):
            if vertex in places:
                found[places[vertex]] = g
    return [*outputs, *(found.get(i) for i in wanted)]


def _addends(value: int, makers: dict[int, Step], types: dict[int, Typed]) -> list[int]:
    """The values of one shape that add up to ``value``."""
    maker = makers.get(value)
    if maker is None or maker.op.name != "add" or any(types[a] != types[value] for a in maker.args):
        return [value]
    return [part for arg in maker.args for part in _addends(arg, makers, types)]


def _after_loop(
    of: int, value: int, makers: dict[int, Step], same: set[int], types: dict[int, Typed]
) -> AfterLoop | None:
    """How to compute ``value``, a contribution to the gradient of the const ``of``, for all steps at once after the
    loop: from the matrix whose transpose is multiplied; ``None`` where it has to be computed at each step.
    """
    maker = makers.get(value)
    if maker is None or maker.op.name != "matmul" or any(len(types[a][0]) != len("mn") for a in maker.args):
        return None
    left, right = maker.args
    turned = makers.get(left)
    if turned is None or turned.op.name not in ("matrix_transpose", "permute_dims"):
        return None
    source = turned.args[0]
    is_turned = tuple(turned.params.get("axes", (1, 0))) == (1, 0)
    return AfterLoop(of, source, right) if is_turned and same.isdisjoint((value, source, right)) else None


def _joined(steps: Sequence[Step], types: dict[int, Typed], outputs: Iterable[int | None]) -> list[Step]:
    """The steps, with one `concat` in place of each sum of gradients of the slices of an array along its last axis."""
    makers = {step.out: step for step in steps}
    found: list[Step] = []
    for step in steps:
        parts = _addends(step.out, makers, types) if step.op.name == "add" else []
        slices = sorted(_slice(makers.get(part), types[part][0]) for part in parts)
        starts, stops = [start for start, _, _ in slices], [stop for _, stop, _ in slices]
        shape = types[step.out][0]
        if slices and [*starts, *shape[-1:]] == [0, *stops]:
            step = Step(OPS["concat"], tuple(part for *_, part in slices), {"axis": len(shape) - 1}, step.out)
        found.append(step)
    return needed(found, [out for out in outputs if out is not None])


def _slice(step: Step | None, shape: Shape) -> tuple[int, int, int]:
    """The slice of the last axis that a step puts a value into, and the value; negative where it does otherwise."""
    index = step.params["index"] if step is not None and step.op.name == "scatter_add" else None
    *others, last = index if isinstance(index, tuple) else (index,)
    before = [part for part in others if part is not ...]
    is_last = len(before) + 1 == len(shape) or len(before) < len(others)
    if step is None or not is_last or not all(isinstance(part, slice) for part in (*before, last)):
        return -1, -1, -1
    start, stop, by = last.indices(shape[-1])
    return (start, stop, step.args[0]) if by == 1 and all(part == slice(None) for part in before) else (-1, -1, -1)
