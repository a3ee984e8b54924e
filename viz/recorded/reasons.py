"""The reason for an operand's gradient: a sentence for each argument of an operation.

A sentence says how the operand enters the result, and the consequence for its gradient. An operation without one here,
such as a user's own, gets a sentence made from its local derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.names import PARAM
from glassgrad.viz.recorded.scene import Card, Socket

PASSES = "{tail} is added as it is: when {it} grows by h, {out} grows by h, so the gradient passes unchanged."
MOVED = "{head} has the entries of {tail} in another arrangement: each gradient goes back to where its entry came from."
SAME = "{head} has the same numbers as {tail}, so the gradient passes unchanged."
COPIED = "An entry of {tail} was copied to several places of {head}: its gradient is the sum of theirs."
PIECE = "{tail} is one piece of {head}: it gets this piece of the gradient."
PICKED = (
    "Only the entries that were picked reach {head}: they get its gradient, added up where one was picked several "
    "times, and all others get 0."
)

REASONS = {
    "add.x": PASSES,
    "add.y": PASSES,
    "subtract.x": (
        "The difference follows {tail}: when {it} grows by h, {out} grows by h, so the gradient passes unchanged."
    ),
    "subtract.y": "{tail} is subtracted: when {it} grows by h, {out} falls by h, so the gradient changes its sign.",
    "negative.x": "The sign is reversed: when {it} grows by h, {out} falls by h, so the gradient changes its sign.",
    "positive.x": SAME,
    "multiply.x": (
        "{tail} is multiplied by {other}: when {it} grows by h, {out} grows by {times}, so the gradient is multiplied "
        "by {factor}."
    ),
    "divide.x": (
        "{tail} is divided by {other}: when {it} grows by h, {out} grows by {share}, so the gradient is divided by "
        "{factor}."
    ),
    "divide.y": (
        "{tail} is the divisor: when {it} grows by a small h, {out} changes by {slope} times h, so the gradient is "
        "multiplied by that."
    ),
    "power.x": (
        "The slope of {formula} is {slope}: when {it} grows by a small h, {out} grows by {slope} times h, so the "
        "gradient is multiplied by that."
    ),
    "exp.x": (
        "The exponential function is its own slope: when {it} grows by a small h, {out} grows by {head} times h, so "
        "the gradient is multiplied by {head}."
    ),
    "log.x": (
        "A logarithm counts relative changes: when {it} grows by a small h, {out} grows by h / {tail}, so the "
        "gradient is divided by {tail}."
    ),
    "sigmoid.x": (
        "The sigmoid is steepest at 0, with slope 1/4, and flat at both ends. Its slope here is {slope}: the gradient "
        "is multiplied by that."
    ),
    "tanh.x": (
        "tanh is steepest at 0, with slope 1, and flat at both ends. Its slope here is {slope}: the gradient is "
        "multiplied by that."
    ),
    "relu.x": (
        "Where {tail} is positive, {head} grows as it does, and the gradient passes unchanged. Where it is negative, "
        "{head} stays 0 whatever {tail} does, so the gradient is 0."
    ),
    "leaky_relu.x": (
        "Where {tail} is positive, {head} grows as it does, and the gradient passes unchanged. Where it is negative, "
        "{head} grows less, and only that share of the gradient passes."
    ),
    "abs.x": (
        "Where {tail} is positive, {head} grows as it does; where it is negative, {head} falls as {tail} grows. So "
        "the gradient is multiplied by the sign of {tail}."
    ),
    "maximum.x": (
        "Only the larger of the two reaches {head}: {tail} gets the gradient where it is larger, and 0 where the "
        "other one is."
    ),
    "minimum.x": (
        "Only the smaller of the two reaches {head}: {tail} gets the gradient where it is smaller, and 0 where the "
        "other one is."
    ),
    "clip.x": (
        "Between the limits {head} follows {tail}, and the gradient passes unchanged. Outside of them {head} does not "
        "move, so the gradient is 0."
    ),
    "where.x": (
        "{tail} is taken where the condition holds: there the gradient passes unchanged. Elsewhere {tail} does not "
        "reach {head} and gets 0."
    ),
    "where.y": (
        "{tail} is taken where the condition does not hold: there the gradient passes unchanged. Elsewhere {tail} "
        "does not reach {head} and gets 0."
    ),
    "sum.x": (
        "Every entry counts once in its sum: when one grows by h, the sum grows by h, so each gets the gradient of "
        "its sum."
    ),
    "mean.x": (
        "Each of {count} entries counts 1/{count} in its mean: when one grows by h, the mean grows by h/{count}, so "
        "each gets 1/{count} of the gradient."
    ),
    "max.x": (
        "Only the largest entry reaches {head}: it gets the gradient. The others may change a little without any "
        "effect, and get 0."
    ),
    "min.x": (
        "Only the smallest entry reaches {head}: it gets the gradient. The others may change a little without any "
        "effect, and get 0."
    ),
    "prod.x": "Each entry is multiplied by all the others, so the gradient is multiplied by their product.",
    "cumulative_sum.x": "An entry is part of its own sum and of every later one: its gradient is the sum of theirs.",
    "logsumexp.x": (
        "An entry counts by its share exp(entry) / Σ exp, which is its softmax: the gradient is divided among the "
        "entries by these shares."
    ),
    "softmax.x": (
        "The entries of {head} add up to 1: when one of them grows, the others lose their share. So from each "
        "upstream gradient their mean, weighted with {head}, is subtracted, and what is left is multiplied by {head}."
    ),
    "log_softmax.x": (
        "The probabilities behind {head} add up to 1: when one of them grows, the others lose their share. So each "
        "entry gets its own upstream gradient, less its probability times the sum of all."
    ),
    "cross_entropy.logits": (
        "The loss falls when the right class gets a higher score, and rises when another one does: the gradient of a "
        "score is its probability minus its target{averaged}."
    ),
    "binary_cross_entropy_with_logits.logits": (
        "The loss falls when a score moves towards its target: the gradient of a score is its probability minus its "
        "target{averaged}."
    ),
    "squared_error.x": (
        "The square of a difference has twice the difference as its slope: the farther {tail} is from {other}, the "
        "larger the gradient is{averaged}."
    ),
    "squared_error.y": (
        "The square of a difference has twice the difference as its slope, with the opposite sign for what is "
        "subtracted{averaged}."
    ),
    "standardize.x": (
        "Mean and standard deviation are taken out: when all entries move alike, {head} does not change. So the parts "
        "of the gradient that move the mean or the deviation are taken out, too."
    ),
    "matmul.x": (
        "Entry (i, k) of {tail} is multiplied by {other} (k, j) on its way to entry (i, j) of {head}, so its gradient "
        "is upstream (i, j) times {other} (k, j), summed over the columns j."
    ),
    "matmul.y": (
        "{Entry} (k, j) multiplies {other} (i, k) on its way to entry (i, j) of {head}, so its gradient is upstream "
        "(i, j) times {other} (i, k), summed over the rows i."
    ),
    "linear.x": (
        "Input j reaches every output i through weight (i, j), so its gradient is upstream i times that weight, "
        "summed over the outputs."
    ),
    "linear.weight": (
        "Weight (i, j) multiplies input j on its way to output i, so its gradient is upstream i times input "
        "j{over_rows}."
    ),
    "linear.bias": "The bias is added to every row of the batch, so its gradient is the sum over the rows.{rows}",
    "conv.bias": "The bias of a channel is added to each of its entries, so its gradient is the sum over them.",
    "vecdot.x": "Each entry is multiplied by its partner in {other}, so the gradient is multiplied by {other}.",
    "concat.arrays": PIECE,
    "stack.arrays": PIECE,
    "pad.x": "The border does not come from {tail}: it gets the gradient without the border.",
    "setitem.x": "The entries that were overwritten do not reach {head} and get 0; all others get its gradient.",
    "setitem.value": "{tail} stands at the places that were written to, and gets the gradient from there.",
    "tril.x": "Only the entries that were kept reach {head}: they get its gradient, and the others 0.",
    "triu.x": "Only the entries that were kept reach {head}: they get its gradient, and the others 0.",
    "max_pool.x": (
        "Only the largest entry of a window reaches {head}: it gets the gradient, and the others of the window 0."
    ),
    "sum_pool.x": (
        "Each entry counts once in the sum of every window that it is in, so its gradient is the sum of theirs."
    ),
    "multiply_no_nan.x": "{tail} is multiplied by {other}, so the gradient is multiplied by {other}.",
    "xdivy.x": "{tail} is divided by {other}, so the gradient is divided by {other}.",
}
REASONS |= {
    f"{op}.{arg}": sentence
    for ops, arg, sentence in (
        (("reshape", "expand_dims", "squeeze", "permute_dims", "matrix_transpose", "flip", "roll"), "x", MOVED),
        (("broadcast_to", "repeat", "tile", "unfold"), "x", COPIED),
        (("getitem", "take", "take_along_axis", "diagonal", "last_written"), "x", PICKED),
        (("astype", "to_device"), "x", SAME),
        (("multiply",), "y", REASONS["multiply.x"]),
        (("multiply_no_nan",), "y", REASONS["multiply_no_nan.x"]),
        (("maximum",), "y", REASONS["maximum.x"]),
        (("minimum",), "y", REASONS["minimum.x"]),
        (("vecdot",), "y", REASONS["vecdot.x"]),
    )
    for op in ops
}


def reason(socket: Socket, slope: str | None = None, told: Callable[[Card], str] | None = None) -> str:
    """The reason for the gradient that goes through ``socket``, in one or two sentences.

    ``slope``: the local derivative as it is written, where the operation works entry by entry. ``told``: how the number
    of another operand is written, with 4 digits by default.

    >>> from glassgrad import autograd as ag
    >>> x, w = ag.Tensor(3.0, name="x"), ag.Tensor(2.0, requires_grad=True, name="w")
    >>> from glassgrad.viz.recorded.scene import Scene
    >>> reason(Scene(w * x, gradients=True).cards[-1].sockets[0])
    'w is multiplied by x = 3: when it grows by h, L grows by 3·h, so the gradient is multiplied by 3.'
    """
    sentence = REASONS.get(f"{socket.head.operation.op.name}.{socket.argument}")
    if sentence is None or ("{slope}" in sentence and slope is None) or not _fits(socket):
        sentence = SLOPE if slope is not None else MIXED
    return say(sentence).format_map(_Words(socket, slope, told or (lambda card: numbers.scalar(card.value[()]))))


SLOPE = (
    "The local derivative of {formula} is {slope}: when {it} grows by a small h, {out} grows by {slope} times h, so the"
    " gradient is multiplied by that."
)
MIXED = (
    "An entry of {tail} may reach several entries of {head}, so its gradient is the sum over all of them of upstream"
    " gradient times local derivative: {sent}."
)


def _fits(socket: Socket) -> bool:
    """Whether sentences about rows and columns apply: for matrices, and for layers with a batch."""
    node = socket.head.operation
    if node.op.name == "matmul":
        return all(s.tail.value.ndim == 2 for s in socket.head.sockets) and len(socket.head.sockets) == 2
    if node.op.name == "linear" and socket.argument == "bias":
        return socket.head.value.ndim > 1
    return True


class _Words(dict[str, Any]):
    """The values of the fields of a sentence, of which those in `FIELDS` are made where a sentence has them."""

    def __init__(self, socket: Socket, slope: str | None, told: Callable[[Card], str]) -> None:
        super().__init__(tail=socket.tail.name, head=socket.head.name, slope=slope)
        self.socket, self.told = socket, told
        self.scalar = socket.tail.shape == () == socket.head.shape
        shape = socket.head.shape
        self.rows = int(np.prod(shape[:-1], dtype=int)) if len(shape) > 1 else 1

    def __missing__(self, field: str) -> str:
        return FIELDS[field](self)

    @property
    def other(self) -> tuple[str, str | None]:
        """The other operand: its name (empty for a number), and its number (None if it has axes)."""
        node = self.socket.head.operation
        given = node.inputs[1 - self.socket.index]
        card = self.socket.scene.card(given)
        if card is not None:
            return card.name, None if card.shape else self.told(card)
        return "", numbers.constant(np.asarray(getattr(given, "data", given))[()])

    @property
    def number(self) -> str | None:
        """The number by which the other operand is called, if not by its name."""
        name, number = self.other
        return number if number is not None and (self.scalar or not name) else None


def _other(words: _Words) -> str:
    name, number = words.other
    return name if not number or not words.scalar else f"{name} = {number}" if name else number


def _times(words: _Words) -> str:
    name, number = words.other
    if words.number is None and number is None:
        return say("h times the entry of {name}", name=name)
    return f"{words.number or name}·h"


def _averaged(words: _Words) -> str:
    node, shape = words.socket.head.operation, words.socket.tail.shape
    examples = node.op.name == "cross_entropy"
    count = int(np.prod(shape[:-1] if examples else shape, dtype=int))
    if node.params.get("reduction") != "mean" or count < 2:
        return ""
    if examples:
        return say(", divided by the {n} examples, as the loss is their mean", n=count)
    return say(", divided by the {n} entries, as the loss is their mean", n=count)


FIELDS: dict[str, Callable[[_Words], str]] = {
    "it": lambda w: say("it" if w.scalar else "an entry"),
    "out": lambda w: say("{name}" if w.scalar else "that of {name}", name=w["head"]),
    "Entry": lambda w: say("Weight") if w.socket.tail.role == PARAM else say("Entry of {name} at", name=w["tail"]),
    "formula": lambda w: w.socket.scene.formula(w.socket.head).text,
    "sent": lambda w: w.socket.sent.text,
    "other": _other,
    "factor": lambda w: w.number or w.other[0],
    "share": lambda w: f"h / {numbers.bracketed(w['factor'])}",
    "times": _times,
    "count": lambda w: numbers.count(w.socket.tail.value.size // max(w.socket.head.value.size, 1)),
    "averaged": _averaged,
    "over_rows": lambda w: say(", summed over the {n} rows of the batch", n=w.rows) if w.rows > 1 else "",
    "rows": lambda w: say(" The batch has one row here.") if w.rows == 1 else "",
}
