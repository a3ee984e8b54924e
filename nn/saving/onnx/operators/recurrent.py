"""RNN, LSTM and GRU: loops over time, each one operation."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.functional.recurrence import step_of
from glassgrad.nn.saving.onnx.operators.elementwise import ACTIVATIONS, UNARY
from glassgrad.nn.saving.onnx.table import ints, like, operator, parts_of

NAMED: dict[str, Callable[..., Any]] = {name.lower(): function for name, function in (UNARY | ACTIVATIONS).items()}
"""Activation functions by their names in lower case."""

# The cells. Each takes a flag and activation functions, and gives a step: of the projected input (batch, gates ·
# hidden), the states and the weights to the new states.


def _rnn(_, f):
    return lambda z, states, weight: [f(ag.add(z, ag.linear(states[0], weight)))]


def _gru(linear_before_reset, f, g):
    def gru(z, states, gates, new, *bias):
        (h,) = states
        n = h.shape[-1]
        update, reset = parts_of(f(ag.add(z[..., : 2 * n], ag.linear(h, gates))), 2)
        if linear_before_reset:
            from_state = ag.multiply(reset, ag.linear(h, new, *bias))
        else:
            from_state = ag.linear(ag.multiply(reset, h), new)
        candidate = g(ag.add(z[..., 2 * n :], from_state))
        return [ag.add(ag.multiply(ag.subtract(1.0, update), candidate), ag.multiply(update, h))]

    return gru


def _lstm(_, f, g, h):
    def lstm(z, states, weight):
        enter, leave, keep, new = parts_of(ag.add(z, ag.linear(states[0], weight)), 4)
        c = ag.add(ag.multiply(f(keep), states[1]), ag.multiply(f(enter), g(new)))
        return [ag.multiply(f(leave), h(c)), c]

    return lstm


CELLS: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "rnn": (_rnn, ["tanh"]), "gru": (_gru, ["sigmoid", "tanh"]), "lstm": (_lstm, ["sigmoid", "tanh", "tanh"]),
}  # fmt: skip
"""The cells, and their activation functions by default."""


@functools.cache
def _step_of(kind, activations, flag):
    """One step of a loop; the same function for the same options, so that the loop is recorded once."""
    return step_of(CELLS[kind][0](flag, *(NAMED[name] for name in activations)), kind)


def _recurrent(
    kind, x, w, r, b, sequence_lens, initial, *, activations=None, direction="forward", hidden_size=None, layout=0,
    linear_before_reset=0, output_sequence=0,
):  # fmt: skip
    """The outputs (time, directions, batch, hidden) and the last states (directions, batch, hidden).

    After the end of its sequence (``sequence_lens``) a sample's output is 0 and its states stay.
    """
    choice(direction, "direction", ("forward", "reverse", "bidirectional"))
    count = 2 if direction == "bidirectional" else 1
    if x.ndim != 3 or w.ndim != 3 or r.ndim != 3 or w.shape[0] != count or r.shape[0] != count:
        raise ShapeError(f"x {x.shape}, W {w.shape} and R {r.shape} do not fit {count} directions")
    steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
    usual = CELLS[kind][1]
    names = [str(name).lower() for name in activations or usual * count]
    if len(names) != len(usual) * count or not set(names) <= set(NAMED):
        raise DomainError(f"activations {names} are not {len(usual)} known ones for each of {count} directions")
    masks = []
    if sequence_lens is not None and min(ints(sequence_lens), default=steps) < steps:
        masks = [like(x, (numpy.arange(steps)[:, None] < numpy.asarray(ints(sequence_lens)))[..., None])]
    outs, lasts = [], []
    for i in range(count):
        states: list[Any] = [like(x, numpy.zeros((batch, hidden), x.dtype)) if s is None else s[i] for s in initial]
        biases = [] if b is None else parts_of(b[i], 2)  # of the inputs and of the state
        weights = parts_of(r[i], [2 * hidden, hidden], 0) if kind == "gru" else [r[i]]
        if linear_before_reset and biases:
            of_gates, of_new = parts_of(biases.pop(), [2 * hidden, hidden])
            weights.append(of_new)
            biases.append(ag.pad(of_gates, pad_width=[(0, hidden)]))
        z = ag.linear(x, w[i], ag.add(*biases) if biases else None)
        step = _step_of(kind, tuple(names[i * len(usual) : (i + 1) * len(usual)]), bool(linear_before_reset))
        states, ys = repeated(step, states, [z, *masks], weights, reverse=i == 1 or direction == "reverse")
        outs.append(ys[0])
        lasts.append(states)
    return ag.stack(outs, axis=1), *(ag.stack(s) for s in zip(*lasts, strict=True))


def _one_state(kind, x, w, r, b=None, sequence_lens=None, initial_h=None, **options):
    return _recurrent(kind, x, w, r, b, sequence_lens, [initial_h], **options)


operator("RNN", known="sequence_lens", passes=_recurrent)(functools.partial(_one_state, "rnn"))
operator("GRU", known="sequence_lens", passes=_recurrent)(functools.partial(_one_state, "gru"))
operator("LSTM", known="sequence_lens", passes=_recurrent)(
    lambda x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, **options: _recurrent(
        "lstm", x, w, r, b, sequence_lens, [initial_h, initial_c], **options
    )
)
