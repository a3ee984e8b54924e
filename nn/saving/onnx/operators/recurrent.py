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


def _activations(names, default, directions):
    """The names of the activation functions of each direction."""
    wanted = [str(name).lower() for name in (names or [*default] * directions)]
    if len(wanted) != len(default) * directions or not set(wanted) <= set(NAMED):
        raise DomainError(f"activations {wanted} are not {len(default)} known ones for each of {directions} directions")
    return [tuple(wanted[i * len(default) : (i + 1) * len(default)]) for i in range(directions)]


# -------------------------------------------------------------------------------------------------------------- cells

# Each takes the projected input (batch, gates · hidden), the states, the weights, activation functions by number, and a
# flag; it returns the new states.


def _rnn(z, states, weights, f, _):
    return [f(0, ag.add(z, ag.linear(states[0], weights[0])))]


def _gru(z, states, weights, f, linear_before_reset):
    (h,), (gates, new, *bias) = states, weights
    n = h.shape[-1]
    update, reset = parts_of(f(0, ag.add(z[..., : 2 * n], ag.linear(h, gates))), 2)
    if linear_before_reset:
        from_state = ag.multiply(reset, ag.linear(h, new, *bias))
    else:
        from_state = ag.linear(ag.multiply(reset, h), new)
    candidate = f(1, ag.add(z[..., 2 * n :], from_state))
    return [ag.add(ag.multiply(ag.subtract(1.0, update), candidate), ag.multiply(update, h))]


def _lstm(z, states, weights, f, input_forget):
    (h, c), (weight, *peepholes) = states, weights
    enter, leave, keep, new = parts_of(ag.add(z, ag.linear(h, weight)), 4)
    if peepholes:
        of_enter, of_leave, of_keep = parts_of(peepholes[0], 3)
        enter, keep = ag.add(enter, ag.multiply(of_enter, c)), ag.add(keep, ag.multiply(of_keep, c))
    enter = f(0, enter)
    keep = ag.subtract(1.0, enter) if input_forget else f(0, keep)
    c = ag.add(ag.multiply(keep, c), ag.multiply(enter, f(1, new)))
    leave = ag.add(leave, ag.multiply(of_leave, c)) if peepholes else leave
    return [ag.multiply(f(0, leave), f(2, c, bounded=False)), c]


CELLS: dict[str, Callable[..., list[Any]]] = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}


@functools.cache
def _step_of(kind, activations, clip, flag):
    """One step of a loop; the same function for the same options, so that the loop is recorded once."""

    def f(number, x, bounded=True):
        return NAMED[activations[number]](ag.clip(x, -clip, clip) if clip and bounded else x)

    return step_of(lambda z, states, *weights: CELLS[kind](z, states, weights, f, flag), kind)


def _recurrent(
    kind, usual, x, w, r, sequence_lens, initial, weights, flag=0, *, activations=None, clip=None, direction="forward",
    hidden_size=None, layout=0, output_sequence=0,
):  # fmt: skip
    """The outputs (time, directions, batch, hidden) and the last states (directions, batch, hidden).

    ``usual``: the activation functions by default. ``weights(direction)`` gives those of a step, and the bias that is
    added to the inputs at once. After the end of its sequence (``sequence_lens``) a sample's output is 0 and its states
    stay.
    """
    functions = _activations(activations, usual, w.shape[0])
    choice(direction, "direction", ("forward", "reverse", "bidirectional"))
    count = 2 if direction == "bidirectional" else 1
    if x.ndim != 3 or w.ndim != 3 or r.ndim != 3 or w.shape[0] != count or r.shape[0] != count:
        raise ShapeError(f"x {x.shape}, W {w.shape} and R {r.shape} do not fit {count} directions")
    steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
    masks = []
    if sequence_lens is not None and min(ints(sequence_lens), default=steps) < steps:
        masks = [like(x, (numpy.arange(steps)[:, None] < numpy.asarray(ints(sequence_lens)))[..., None])]
    outs, lasts = [], []
    for i in range(count):
        states: list[Any] = [like(x, numpy.zeros((batch, hidden), x.dtype)) if s is None else s[i] for s in initial]
        of_step, bias = weights(i)
        z = ag.linear(x, w[i], bias)
        step = _step_of(kind, functions[i], clip, bool(flag))
        states, ys = repeated(step, states, [z, *masks], of_step, reverse=i == 1 or direction == "reverse")
        outs.append(ys[0])
        lasts.append(states)
    return ag.stack(outs, axis=1), *(ag.stack(s) for s in zip(*lasts, strict=True))


def _halves(b, i):
    """The bias of the inputs and that of the state, of one direction."""
    if b is None:
        return None, None
    n = b.shape[1] // 2
    return b[i, :n], b[i, n:]


# ---------------------------------------------------------------------------------------------------------- operators


@operator("RNN", known="sequence_lens", passes=_recurrent)
def rnn(x, w, r, b=None, sequence_lens=None, initial_h=None, **options):
    """``h ← f(W x + R h + b)``."""

    def weights(i):
        inputs, state = _halves(b, i)
        return [r[i]], None if inputs is None else ag.add(inputs, state)

    return _recurrent("rnn", ("tanh",), x, w, r, sequence_lens, [initial_h], weights, **options)


@operator("GRU", known="sequence_lens", passes=_recurrent)
def gru(x, w, r, b=None, sequence_lens=None, initial_h=None, *, linear_before_reset=0, **options):
    """The gated recurrent unit; its gates are update, reset, new."""

    def weights(i):
        n = 2 * r.shape[2]
        found = [r[i, :n], r[i, n:]]
        inputs, state = _halves(b, i)
        if inputs is None:
            return found, None
        if not linear_before_reset:
            return found, ag.add(inputs, state)
        with_gates = ag.pad(state[:n], pad_width=[(0, n // 2)])
        return [*found, state[n:]], ag.add(inputs, with_gates)

    usual = "sigmoid", "tanh"
    return _recurrent("gru", usual, x, w, r, sequence_lens, [initial_h], weights, linear_before_reset, **options)


@operator("LSTM", known="sequence_lens", passes=_recurrent)
def lstm(x, w, r, b=None, sequence_lens=None, initial_h=None, initial_c=None, p=None, *, input_forget=0, **options):
    """Long short-term memory; its gates are input, output, forget, cell."""

    def weights(i):
        inputs, state = _halves(b, i)
        peepholes = [] if p is None else [p[i]]
        return [r[i], *peepholes], None if inputs is None else ag.add(inputs, state)

    states, usual = [initial_h, initial_c], ("sigmoid", "tanh", "tanh")
    return _recurrent("lstm", usual, x, w, r, sequence_lens, states, weights, input_forget, **options)
