"""RNN, LSTM and GRU: loops over time, each one operation."""

from __future__ import annotations

import functools
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.functional.recurrence import step_of
from glassgrad.nn.saving.onnx.table import ints, like, operator, parts_of

# The cells: steps of the projected input (batch, gates · hidden), the states and the weights to the new states.


def _rnn(z, states, weight, activation=ag.tanh):
    return [activation(ag.add(z, ag.linear(states[0], weight)))]


def _gru(z, states, gates, new, *bias, before_reset=False):
    (h,) = states
    n = h.shape[-1]
    update, reset = parts_of(ag.sigmoid(ag.add(z[..., : 2 * n], ag.linear(h, gates))), 2)
    if before_reset:
        from_state = ag.multiply(reset, ag.linear(h, new, *bias))
    else:
        from_state = ag.linear(ag.multiply(reset, h), new)
    candidate = ag.tanh(ag.add(z[..., 2 * n :], from_state))
    return [ag.add(ag.multiply(ag.subtract(1.0, update), candidate), ag.multiply(update, h))]


def _lstm(z, states, weight):
    enter, leave, keep, new = parts_of(ag.add(z, ag.linear(states[0], weight)), 4)
    c = ag.add(ag.multiply(ag.sigmoid(keep), states[1]), ag.multiply(ag.sigmoid(enter), ag.tanh(new)))
    return [ag.multiply(ag.sigmoid(leave), ag.tanh(c)), c]


ACTIVATIONS = {"rnn": ["tanh"], "relu": ["relu"], "gru": ["sigmoid", "tanh"], "lstm": ["sigmoid", "tanh", "tanh"]}
"""The activation functions by the kind of the cell."""

STEPS = {
    "rnn": step_of(_rnn, "rnn"),
    "relu": step_of(functools.partial(_rnn, activation=ag.relu), "rnn"),
    "gru": step_of(_gru, "gru"),
    "gru before reset": step_of(functools.partial(_gru, before_reset=True), "gru"),
    "lstm": step_of(_lstm, "lstm"),
}


def _recurrent(
    kind, x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, *, activations=None,
    direction="forward", hidden_size=None, layout=0, linear_before_reset=0, output_sequence=0,
):  # fmt: skip
    """The outputs (time, directions, batch, hidden) and the last states (directions, batch, hidden).

    After the end of its sequence (``sequence_lens``) a sample's output is 0 and its states stay.
    """
    choice(direction, "direction", ("forward", "reverse", "bidirectional"))
    count = 2 if direction == "bidirectional" else 1
    if x.ndim != 3 or w.ndim != 3 or r.ndim != 3 or w.shape[0] != count or r.shape[0] != count:
        raise ShapeError(f"x {x.shape}, W {w.shape} and R {r.shape} do not fit {count} directions")
    steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
    names = [str(name).lower() for name in activations or ()]
    cell = "relu" if kind == "rnn" and "relu" in names else kind
    if names not in ([], ACTIVATIONS[cell] * count):
        raise DomainError(f"activations {names}: only those of PyTorch's layers are supported")
    step = STEPS["gru before reset" if linear_before_reset else cell]
    masks = []
    if sequence_lens is not None and min(ints(sequence_lens), default=steps) < steps:
        masks = [like(x, (numpy.arange(steps)[:, None] < numpy.asarray(ints(sequence_lens)))[..., None])]
    outs, lasts = [], []
    for i in range(count):
        states: list[Any] = [
            like(x, numpy.zeros((batch, hidden), x.dtype)) if s is None else s[i]
            for s in (initial_h, initial_c)[: 1 + (kind == "lstm")]
        ]
        biases = [] if b is None else parts_of(b[i], 2)  # of the inputs and of the state
        weights = parts_of(r[i], [2 * hidden, hidden], 0) if kind == "gru" else [r[i]]
        if linear_before_reset and biases:
            of_gates, of_new = parts_of(biases.pop(), [2 * hidden, hidden])
            weights.append(of_new)
            biases.append(ag.pad(of_gates, pad_width=[(0, hidden)]))
        z = ag.linear(x, w[i], ag.add(*biases) if biases else None)
        states, ys = repeated(step, states, [z, *masks], weights, reverse=i == 1 or direction == "reverse")
        outs.append(ys[0])
        lasts.append(states)
    return ag.stack(outs, axis=1), *(ag.stack(s) for s in zip(*lasts, strict=True))


for _kind in ("rnn", "gru", "lstm"):
    operator(_kind.upper(), known="sequence_lens")(functools.partial(_recurrent, _kind))
