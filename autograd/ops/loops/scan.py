"""A loop as one operation: `scan_packed` runs the same `Body` at each of ``length`` steps.

The derivative of a loop is a loop in the other direction, whose body computes the gradients of one step. So the rule
calls the operation again, and derivatives of any order are loops. `autograd.scan` is the function for users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.shapes import Shape, size
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, DTypeError
from glassgrad.autograd.ops.loops.body import Body
from glassgrad.autograd.ops.loops.derivative import Derivative, derivative_of
from glassgrad.autograd.readings.levels import RECORDER, TRANSPOSING, Lifted


@dataclass
class Loop:
    """The loop that `scan_packed` runs: ``body`` at ``length`` steps, the last step first with ``reverse``.

    ``dtype``: the dtype of the outputs that are packed. ``wanted``: for each input, whether its gradient may be asked
    for; empty for all. ``saving``: the body's forward that also returns what the rule needs, if that is run; otherwise
    the rule runs it.
    """

    body: Body
    length: int
    dtype: Any
    reverse: bool = False
    wanted: tuple[bool, ...] = field(default=(), compare=False)
    saving: Body | None = None

    def __hash__(self) -> int:
        return hash((id(self.ran), self.length, str(self.dtype), self.reverse))

    @property
    def ran(self) -> Body:
        """The body that is run."""
        return self.saving or self.body

    @property
    def derivative(self) -> Derivative:
        """The backward rule of the body, for the gradients that are needed."""
        return derivative_of(self.body, self.wanted or (True,) * len(self.body.inputs))

    def __repr__(self) -> str:
        return f"{self.body.name}_{self.length}_times{'_in_reverse' * self.reverse}"


def looped(xp: Any, arrays: Sequence[Any], body: Body, length: int, reverse: bool) -> list[Any]:
    """The last carries and the stacked ys, from running ``body`` over ``arrays``: the carries, xs and consts."""
    wanted = tuple(map(_may_be_differentiated, arrays))
    found: dict[int, Any] = {}
    # Within a body nothing is saved: of a scan of scans only the carries before each inner one are kept.
    saves = any(wanted) and MODE.get().grad and RECORDER.get() is None
    saving = derivative_of(body, wanted).forward if saves else None
    for dtype in body.dtypes:
        packed = xp.scan_packed(*arrays, loop=Loop(body, length, dtype, reverse, wanted, saving))
        packed = packed.detach() if isinstance(packed, Tensor) and not backends.is_inexact(dtype) else packed
        for i, place, shape in body.parts(length, dtype):
            found[i] = xp.reshape(packed[place], shape=shape)
    return [found[i] for i in range(len(body.outputs))]


def _may_be_differentiated(x: Any) -> bool:
    """Whether the gradient of an argument, or its tangent, may be asked for."""
    if isinstance(x, Tensor):
        return x.requires_grad or isinstance(x.data, Lifted) or (TRANSPOSING.get() and RECORDER.get() is not None)
    return isinstance(x, Lifted)


@op("scan", text="scan({arrays})", tex=r"\operatorname{{scan}}({arrays})")
def scan_packed(xp, *arrays, loop):
    """The last carries and all ys of a loop, flattened and joined; `autograd.scan` splits them.

    ``arrays``: the carries, the xs (the steps along their first axis) and the consts of ``loop.body``. ``loop``: a
    `Loop`; its ``body`` and ``length`` say what the operation does, in a picture as well.
    """
    parts = loop.ran.parts(loop.length, loop.dtype)
    xp.opaque((parts[-1][1].stop if parts else 0,), loop.dtype)
    _check(arrays, loop.body)
    return _run(xp, arrays, loop)


def _check(arrays: Sequence[Any], body: Body) -> None:
    """Raise for complex arrays where the body was recorded for real ones."""
    for x, i in zip(arrays, body.inputs, strict=True):
        if backends.is_complex(x.dtype) and not backends.is_complex(body.types[i][1]):
            raise DTypeError(f"scan_packed: {body.name} was recorded for {body.types[i][1]}, and is given {x.dtype}.")


def scan_into(out: Any, *arrays: Any, loop: Loop) -> None:
    """`scan_packed` of NumPy's arrays, written into ``out``."""
    _run(backends.NUMPY, arrays, loop, out)


def _run(xp: Any, arrays: Sequence[Any], loop: Loop, out: Any = None) -> Any:
    """The packed outputs of the loop's dtype, in ``out`` if that is given."""
    body, length = loop.ran, loop.length
    first = body.carries + body.xs
    carries, xs, consts = arrays[: body.carries], list(arrays[body.carries : first]), list(arrays[first:])
    same = body.before(xp, consts)
    stacks: list[Any] = [[None] * length for _ in body.outputs[body.carries :]]
    parts = body.parts(length, loop.dtype)
    if xp.in_place:
        out = xp.empty(parts[-1][1].stop, dtype=loop.dtype) if out is None else out
        for i, place, shape in parts:
            if i >= body.carries:
                stacks[i - body.carries] = out[place].reshape(shape)
    order = range(length)[::-1] if loop.reverse else range(length)
    found = _by_kernel(xp, body, carries, xs, same, stacks, order)
    carries = carries if found is None else found
    for t in order if found is None else ():
        rows = [x[t] if xp.in_place else xp.getitem(x, index=(t, ...)) for x in xs]
        outputs = body.step(xp, [*carries, *rows], same)
        carries = outputs[: body.carries]
        for stack, value in zip(stacks, outputs[body.carries :], strict=True):
            stack[t] = value
    results = [*carries, *stacks]
    if out is None:
        rows = [
            results[i] if i < body.carries else _stacked(xp, results[i], shape, loop.dtype) for i, _, shape in parts
        ]
        return xp.concat([xp.reshape(row, (-1,)) for row in rows])
    for i, place, _ in parts:
        if i < body.carries:
            out[place] = results[i].reshape(-1)
    return out


KERNELS: list[Any] = []
"""The function of the compiler that compiles a body, once the compiler is imported."""

HOT, LONG = 64, 2000
"""A body is compiled before a run if it has run `HOT` steps before, or if the run has `LONG` steps. Compiling takes as
long as about 200 steps, and a body may be recorded for one run alone."""


def _by_kernel(
    xp: Any, body: Body, carries: Sequence[Any], rows: list[Any], same: dict[int, Any], stacks: list[Any], order: range
) -> list[Any] | None:
    """The last carries, computed by the body's kernel; ``None`` where there is none for these arrays."""
    if xp is not backends.NUMPY or not KERNELS or body.kernel is False:
        return None
    before, body.runs = body.runs, body.runs + len(order)
    if body.kernel is None:
        if (before < HOT and len(order) < LONG) or TRACER.get() is not None:
            return None
        try:
            KERNELS[0](body)
        except AutogradError:  # it can't be compiled
            body.kernel = False
            return None
    kernel = body.kernel
    given = [x.dtype for x in (*carries, *rows, *(same[i] for i in body.inputs[body.carries + body.xs :]))]
    if given != [body.types[i][1] for i in body.inputs] or not kernel.lock.acquire(blocking=False):
        return None
    try:
        return kernel(carries, rows, same, stacks, order)  # type: ignore[no-any-return]
    finally:
        kernel.lock.release()


def _stacked(xp: Any, rows: list[Any], shape: Shape, dtype: Any) -> Any:
    return xp.stack(rows) if rows else xp.zeros(shape, dtype=getattr(xp, str(dtype)))


# ----------------------------------------------------------------------------------------------------------- gradients


def _rule(xp: Any, g: Any, arrays: Sequence[Any], loop: Loop, out: Any) -> list[Any]:
    body, length = loop.body, loop.length
    parts = {i: xp.reshape(g[place], shape=shape) for i, place, shape in body.parts(length, loop.dtype)}

    def slope(i: int) -> Any:
        """The gradient of an output; zero for an output of another dtype."""
        shape, dtype = body.types[body.outputs[i]]
        shape = shape if i < body.carries else (length, *shape)
        return parts[i] if i in parts else _zeros(xp, shape, dtype, g)

    derivative, count = loop.derivative, len(body.outputs)
    through, ends = ([slope(i) for i in numbers] for numbers in (derivative.through, derivative.ends))
    forward, backward = derivative.forward, derivative.backward
    plain = not isinstance(out, Tensor | Lifted)  # otherwise the saved values have derivatives, too
    if plain and loop.saving is forward and forward.dtypes == [loop.dtype]:
        kept = [xp.reshape(out[place], shape) for i, place, shape in forward.parts(length, loop.dtype) if i >= count]
    else:
        kept = looped(xp, arrays, forward, length, loop.reverse)[count:] if derivative.kept else []
    totals = [_zeros(xp, *loop.body.types[i], arrays[0]) for i in derivative.sums]
    more = [arrays[i] for i in (*derivative.xs, *derivative.consts)]
    given = [*through, *totals, *ends, *kept, *more]
    results = looped(xp, given, backward, length, not loop.reverse)
    found = dict(zip((*derivative.through, *derivative.sums, *derivative.slopes), results, strict=False))
    values = dict(enumerate(arrays)) | dict(zip(derivative.kept, kept, strict=True))
    values |= {i: results[place] for i, place in derivative.sent.items()}
    for late in derivative.after_loop:
        left, right = (_rows(xp, values[number]) for number in (late.left, late.right))
        part = xp.matmul(xp.matrix_transpose(left), right)
        found[late.of] = found[late.of] + part if late.of in found else part
    return [found.get(i) for i in range(len(arrays))]


def _rows(xp: Any, x: Any) -> Any:
    """The rows of all steps below each other."""
    return xp.reshape(x, shape=(size(x.shape[:-1]), x.shape[-1]))


def _zeros(xp: Any, shape: Shape, dtype: Any, like: Any) -> Any:
    zeros = xp.zeros(shape, dtype=getattr(xp, str(dtype)))
    return zeros.to(like.device) if isinstance(like, Tensor) else zeros


scan_packed.vjp(arrays=_rule)
