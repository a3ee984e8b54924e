"""Control flow and sequences. A body is a function of its inputs that gives a list of its outputs."""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.saving.onnx.table import STEPS, bounded, number, operator

operator("If", known="cond")(
    lambda cond, *, then_branch, else_branch: tuple((then_branch if number(cond) else else_branch)())
)


def _stacked(values):
    """Values as the entries of a new axis."""
    if not values:
        return numpy.zeros((0,), "float32")
    bounded((len(values), *values[0].shape), values[0].dtype)
    return ag.stack(values)


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


@operator("Scan", since=9)
def scan(*values, body, num_scan_inputs, scan_input_directions=(0,), scan_output_directions=(0,), outputs):
    """Run a body over the entries of first axes, and pass states from one call to the next; the outputs are stacked."""
    values = tuple(map(ag.asarray, values))
    states, scans = values[:-num_scan_inputs], values[-num_scan_inputs:]
    directions = {*scan_input_directions, *(scan_output_directions if outputs > len(states) else ())}
    if len(directions) > 1:
        raise DomainError("it runs over some values forward and over others backward, which is not supported")

    def step(carries, parts):
        out = tuple(map(ag.asarray, body(*carries, *parts)))
        return out[: len(states)], out[len(states) :]

    step.__name__ = "scan"
    carries, outs = ag.scan(step, states, scans, reverse=directions == {1})
    return (*carries, *outs)


@operator("Optional")
def optional(value=None, *, type=None):
    """A value that may be missing."""
    return value
