"""The sentences that say that a drawn graph is not the recorded one any more, or has other gradients.

A picture recomputes the graph from the present values of its leaves. After an optimizer's step these are no longer the
values that the graph was recorded with, and nothing has kept those: what is drawn must say so.
"""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.engine.backward import Hook
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.evaluate import Evaluation
from glassgrad.viz.recorded.names import Names

LISTED = 3  # changed values that are named; more are counted


def notice(seen: Evaluation, names: Names) -> tuple[str, ...]:
    """The sentences that say that numbers are not those of the recorded forward and its backward pass, and what to do;
    empty if they are.
    """
    without = _without_hooks(seen, names)
    if not seen.changed and not seen.was:
        return without
    called = [names[place].shown for place in seen.changed if names.place(place) is not None]
    first = say("recomputed with present values: those of its leaves have changed since this graph was recorded")
    if called:
        first = say(
            "recomputed with the present values of {names}, written to after this graph was recorded",
            names=_listed(called),
        )
    then = [_then(names[place].shown, own, seen.value(place)) for place, own in seen.was.items() if own.size == 1]
    out = say("to see the recorded numbers, draw before the step, or keep them with viz.snapshot for viz.diff")
    return first, *then, out, *without


def _without_hooks(seen: Evaluation, names: Names) -> tuple[str, ...]:
    """The sentence that names the values whose hooks would have changed the gradients."""
    hooked = [
        node for node in seen.gradients if node.op is not None and any(isinstance(h, Hook) for h in node.hooks or ())
    ]
    if not hooked:
        return ()
    listed = _listed([names[node].shown for node in hooked])
    return (say("gradients are those without the hooks of {names}, which only a backward pass calls", names=listed),)


def _listed(called: list[str]) -> str:
    more = say(" and {n} more", n=len(called) - LISTED) if len(called) > LISTED else ""
    return say(", ").join(called[:LISTED]) + more


def _then(name: str, own: Any, value: Any) -> str:
    """The value of an output then, beside the present one."""
    if own.shape != value.shape:
        was, now = numbers.shape(own.shape), numbers.shape(value.shape)
    else:
        was, now = map(numbers.scalar, (own, value))
    return say("{name} was {was} when it was recorded, and is {now} here", name=name, was=was, now=now)
