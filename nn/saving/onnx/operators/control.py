"""Control flow and sequences. A body is a function of its inputs that gives a list of its outputs."""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError, IndexingError, ShapeError, SizeError, TraceError
from glassgrad.nn.saving.onnx.table import ALLOWED, STEPS, along, axis_in, ints, number, operator, parts_of

operator("If", known="cond")(
    lambda cond, *, then_branch, else_branch: tuple((then_branch if number(cond) else else_branch)())
)


def _stacked(values, axis=0):
    """Values as the entries of a new axis."""
    size = sum(getattr(value, "size", 0) * value.dtype.itemsize for value in values)
    if size > ALLOWED.get():
        raise SizeError(f"a loop collects {size / 2**30:,.1f} GiB; the limit is {ALLOWED.get() / 2**30:.3g} GiB")
    return ag.stack(values, axis=axis) if values else numpy.zeros((0,), "float32")


@operator("Loop", known="count")
def loop(count=None, cond=None, *carried, body):
    """Run a body up to ``count`` times, as long as its first result is true."""
    trips = STEPS + 1 if count is None else int(number(count))
    going, states, collected = cond is None or bool(number(cond)), list(carried), []
    step = 0
    while going and step < trips:
        if step >= STEPS:
            raise DomainError(f"it runs its body more than {STEPS:,} times, the limit")
        out = body(numpy.asarray(step, "int64"), numpy.asarray(True), *states)
        going, states = bool(number(out[0])), out[1 : 1 + len(carried)]
        collected.append(out[1 + len(carried) :])
        step += 1
    if not collected:
        return tuple(states)
    return (*states, *(_stacked(of_one) for of_one in zip(*collected, strict=True)))


def _one_loop(body, states, scans, reverse):
    """A Scan as one operation, whose body is traced once."""

    def step(carries, parts):
        out = [ag.asarray(value) for value in body(*carries, *parts)]
        return tuple(out[: len(states)]), tuple(out[len(states) :])

    step.__name__ = "scan"
    carries, stacked = ag.scan(step, tuple(map(ag.asarray, states)), tuple(map(ag.asarray, scans)), reverse=reverse)
    return (*carries, *stacked)


@operator("Scan", since=9)
def scan(
    *values, body, num_scan_inputs, scan_input_axes=None, scan_input_directions=None, scan_output_axes=None,
    scan_output_directions=None,
):  # fmt: skip
    """Run a body over the entries of axes, and pass states from one call to the next; the outputs are stacked."""
    states, scans = list(values[:-num_scan_inputs]), values[-num_scan_inputs:]
    axes = [axis_in(a, x.ndim) for a, x in zip(scan_input_axes or [0] * num_scan_inputs, scans, strict=True)]
    steps = {x.shape[a] for a, x in zip(axes, scans, strict=True)}
    if len(steps) != 1:
        raise ShapeError(f"the scanned values have different lengths: {sorted(steps)}")
    (length,) = steps
    turned, turned_outputs = scan_input_directions or [0] * num_scan_inputs, scan_output_directions or ()
    turns = {bool(d) for d in (*turned, *(turned_outputs or [0]))}
    if length > 1 and not any(axes) and not any(scan_output_axes or ()) and len(turns) == 1:
        try:
            return _one_loop(body, states, scans, turns.pop())
        except TraceError:
            pass  # the body needs known values, for instance for a condition: run it step by step
    collected = []
    for t in range(length):
        at = [length - 1 - t if d else t for d in turned]
        out = body(*states, *(along(x, a, i) for x, a, i in zip(scans, axes, at, strict=True)))
        collected.append(out[len(states) :])
        states = out[: len(states)]
    stacked = []
    for i, of_one in enumerate(zip(*collected, strict=True)):
        ordered = of_one[::-1] if turned_outputs and turned_outputs[i] else of_one
        axis = axis_in(scan_output_axes[i], of_one[0].ndim + 1) if scan_output_axes else 0
        stacked.append(_stacked(ordered, axis))
    return (*states, *stacked)


# ---------------------------------------------------------------------------------------------------------- sequences


operator("SequenceEmpty")(lambda *, dtype=1: [])
operator("SequenceConstruct")(lambda *values: [*values])
operator("SequenceLength")(lambda sequence: numpy.asarray(len(sequence), "int64"))
operator("OptionalHasElement")(lambda value=None: numpy.asarray(value is not None))


def _place(sequence, position, more=0):
    i = int(number(position))
    if not -len(sequence) <= i < len(sequence) + more:
        raise IndexingError(f"position {i} is not in a sequence of {len(sequence)}")
    return i


operator("SequenceAt", known="position")(lambda sequence, position: sequence[_place(sequence, position)])


@operator("SequenceInsert", known="position")
def sequence_insert(sequence, value, position=None):
    """A sequence with one value more."""
    i = len(sequence) if position is None else _place(sequence, position, 1)
    return [*sequence[:i], value, *sequence[i:]]


@operator("SequenceErase", known="position")
def sequence_erase(sequence, position=None):
    """A sequence with one value fewer."""
    i = _place(sequence, -1 if position is None else position) % len(sequence)
    return [*sequence[:i], *sequence[i + 1 :]]


operator("ConcatFromSequence")(
    lambda sequence, *, axis, new_axis=0: (ag.stack if new_axis else ag.concat)(sequence, axis=axis)
)


@operator("SplitToSequence", known="split")
def split_to_sequence(x, split=None, *, axis=0, keepdims=1):
    """Parts of ``x`` along an axis, as a sequence."""
    axis = axis_in(axis, x.ndim)
    n = x.shape[axis]
    if n > STEPS:
        raise SizeError(f"axis {axis} has {n:,} entries; a sequence has at most {STEPS:,}")
    if split is None and not keepdims:
        return [along(x, axis, i) for i in range(n)]
    length = 1 if split is None else int(number(split)) if split.ndim == 0 else None
    if length is not None and length < 1:
        raise ShapeError(f"parts must have at least one element; split is {length}")
    lengths = ints(split) if length is None else [min(length, n - i) for i in range(0, n, length)]
    return parts_of(x, lengths, axis)


@operator("Optional")
def optional(value=None, *, type=None):
    """A value that may be missing."""
    return value


@operator("OptionalGetElement")
def optional_get_element(value):
    """The value. Raises an error if it is missing."""
    if value is None:
        raise DomainError("its value is missing")
    return value
