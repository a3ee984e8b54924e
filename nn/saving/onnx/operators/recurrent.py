"""RNN, LSTM and GRU: loops over time, each one operation."""

from __future__ import annotations

import functools
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.functional.recurrence import STEPS, step_of
from glassgrad.nn.saving.onnx.table import ints, like, operator, parts_of


def _gru(z, states, weight):
    """A GRU, of gates in the order of `nn`, whose reset gate multiplies the state and not its product."""
    (h,) = states
    n = h.shape[-1]
    reset, update = parts_of(ag.sigmoid(ag.add(z[..., : 2 * n], ag.linear(h, weight[: 2 * n]))), 2)
    new = ag.tanh(ag.add(z[..., 2 * n :], ag.linear(ag.multiply(reset, h), weight[2 * n :])))
    return [ag.add(new, ag.multiply(update, ag.subtract(h, new)))]


ACTIVATIONS = {"rnn": ["tanh"], "relu": ["relu"], "gru": ["sigmoid", "tanh"], "lstm": ["sigmoid", "tanh", "tanh"]}
"""The activation functions by the kind of the cell."""

CELLS = {"rnn": STEPS["tanh"], "relu": STEPS["relu"], "lstm": STEPS["lstm"], "gru": step_of(_gru, "gru")}

GATES = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
"""The place in ONNX's weights of each gate of a cell."""


def _ordered(kind, weight):
    """A weight or bias of ONNX, (gates · hidden, ...), with its gates in the order of the cell."""
    if kind not in GATES:
        return weight
    rows = numpy.arange(weight.shape[0]).reshape(len(GATES[kind]), -1)[[*GATES[kind]]]
    return ag.take(weight, like(weight, rows.reshape(-1)), axis=0)


def _recurrent(
    kind, x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, *, activations=None,
    direction="forward", hidden_size=None, layout=0, linear_before_reset=0, output_sequence=0, input_forget=0,
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
    if names not in ([], ACTIVATIONS[cell] * count) or input_forget:
        raise DomainError(f"activations {names} or input_forget: only those of PyTorch's layers are supported")
    step = STEPS["gru"] if linear_before_reset else CELLS[cell]
    masks = []
    if sequence_lens is not None and min(ints(sequence_lens), default=steps) < steps:
        masks = [like(x, (numpy.arange(steps)[:, None] < numpy.asarray(ints(sequence_lens)))[..., None])]
    outs, lasts = [], []
    for i in range(count):
        states: list[Any] = [
            like(x, numpy.zeros((batch, hidden), x.dtype)) if s is None else s[i]
            for s in (initial_h, initial_c)[: 1 + (kind == "lstm")]
        ]
        biases: list[Any] = [None] if b is None else [_ordered(kind, part) for part in parts_of(b[i], 2)]
        weights = [_ordered(kind, r[i])]
        if linear_before_reset and b is not None:  # the reset gate multiplies it
            weights.append(biases.pop())
        z = ag.linear(x, _ordered(kind, w[i]), functools.reduce(ag.add, biases))
        states, ys = repeated(step, states, [z, *masks], weights, reverse=i == 1 or direction == "reverse")
        outs.append(ys[0])
        lasts.append(states)
    return ag.stack(outs, axis=1), *(ag.stack(s) for s in zip(*lasts, strict=True))


for _kind in ("rnn", "gru", "lstm"):
    operator(_kind.upper(), known="sequence_lens")(functools.partial(_recurrent, _kind))
