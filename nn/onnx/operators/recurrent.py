"""RNN, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

import autograd as ag
from autograd.errors import DomainError, ShapeError
from nn.onnx.operators import elementwise
from nn.onnx.table import ints, operator, rank

Cell = Callable[..., tuple[Any, ...]]

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda x, alpha, beta: ag.relu(x),
    "tanh": lambda x, alpha, beta: ag.tanh(x),
    "sigmoid": lambda x, alpha, beta: ag.sigmoid(x),
    "affine": lambda x, alpha, beta: x * (1.0 if alpha is None else alpha) + (0.0 if beta is None else beta),
    "leakyrelu": lambda x, alpha, beta: ag.leaky_relu(x, slope=0.01 if alpha is None else alpha),
    "thresholdedrelu": lambda x, alpha, beta: elementwise.thresholded_relu(x, alpha=1.0 if alpha is None else alpha),
    "scaledtanh": lambda x, alpha, beta: (
        (1.0 if alpha is None else alpha) * ag.tanh(x * (1.0 if beta is None else beta))
    ),
    "hardsigmoid": lambda x, alpha, beta: elementwise.hard_sigmoid(
        x, alpha=0.2 if alpha is None else alpha, beta=0.5 if beta is None else beta
    ),
    "elu": lambda x, alpha, beta: elementwise.elu(x, alpha=1.0 if alpha is None else alpha),
    "softsign": lambda x, alpha, beta: elementwise.softsign(x),
    "softplus": lambda x, alpha, beta: ag.softplus(x),
}
"""Activation functions by their names in lower case, with their two parameters."""

TAKES_ALPHA = ("affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu")
TAKES_BETA = ("affine", "scaledtanh", "hardsigmoid")


def _activations(names: Any, default: Sequence[str], directions: int, alphas: Any, betas: Any) -> list[list[Any]]:
    """The activation functions of each direction."""
    wanted = [str(name).lower() for name in (names or [*default] * directions)]
    if len(wanted) != len(default) * directions or not set(wanted) <= set(ACTIVATIONS):
        raise DomainError(f"activations {wanted} are not {len(default)} known ones for each of {directions} directions")
    left, right = [*(alphas or ())], [*(betas or ())]
    found = []
    for name in wanted:
        alpha = left.pop(0) if left and name in TAKES_ALPHA else None
        beta = right.pop(0) if right and name in TAKES_BETA else None
        found.append(lambda x, f=ACTIVATIONS[name], a=alpha, b=beta: f(x, a, b))
    return [found[i * len(default) : (i + 1) * len(default)] for i in range(directions)]


def _clipped(clip: float | None) -> Callable[[Any], Any]:
    return (lambda x: x) if not clip else (lambda x: ag.clip(x, -clip, clip))


def _part(x: Any, index: Any) -> Any:
    return ag.getitem(x, index=index)


def _gates(z: Any, count: int) -> list[Any]:
    """``z`` (batch, count · hidden) in its parts."""
    n = z.shape[-1] // count
    return [_part(z, (..., slice(i * n, (i + 1) * n))) for i in range(count)]


def _run(
    x: Any, states: Sequence[Any], lengths: list[int] | None, backward: bool, projected: Any, step: Cell
) -> tuple[list[Any], tuple[Any, ...]]:
    """``step(input, *states)`` over the steps of ``x`` (time, batch, ...): the outputs, and the states at the end.

    ``lengths``: after the end of its sequence a sample's output is 0 and its states stay.
    """
    steps = x.shape[0]
    outputs: list[Any] = [None] * steps
    for t in reversed(range(steps)) if backward else range(steps):
        new = step(_part(projected, t), *states)
        if lengths is not None and min(lengths) <= t:
            alive = numpy.asarray([[t < n] for n in lengths])
            outputs[t] = ag.where(alive, new[0], 0.0)
            new = tuple(ag.where(alive, a, b) for a, b in zip(new, states, strict=True))
        else:
            outputs[t] = new[0]
        states = new
    return outputs, tuple(states)


def _recurrent(
    x: Any, w: Any, r: Any, b: Any, sequence_lens: Any, initial: Sequence[Any], gates: int, direction: str, layout: int,
    hidden_size: int | None, cell: Callable[[int, Any, Any], tuple[Cell, Any]],
) -> tuple[Any, ...]:  # fmt: skip
    """The outputs (time, directions, batch, hidden) and the last states (directions, batch, hidden).

    ``cell(direction, r, b)`` gives the step and the bias that is added to the inputs at once.
    """
    if direction not in ("forward", "reverse", "bidirectional"):
        raise DomainError(f"direction is forward, reverse or bidirectional, not {direction!r}")
    count = 2 if direction == "bidirectional" else 1
    if rank(x) != 3 or rank(w) != 3 or rank(r) != 3 or w.shape[0] != count or r.shape[1] != gates * r.shape[2]:
        raise ShapeError(f"x {x.shape}, W {w.shape} and R {r.shape} do not fit {gates} gates and {count} directions")
    if layout:
        x = ag.permute_dims(x, axes=(1, 0, 2))
        initial = [s if s is None else ag.permute_dims(s, axes=(1, 0, 2)) for s in initial]
    steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
    lengths = None if sequence_lens is None else [min(n, steps) for n in ints(sequence_lens)]
    outs, lasts = [], []
    for i in range(count):
        first = [numpy.zeros((batch, hidden), x.dtype) if s is None else _part(s, i) for s in initial]
        step, bias = cell(i, _part(r, i), None if b is None else _part(b, i))
        projected = ag.linear(x, _part(w, i), bias)
        backward = i == 1 or direction == "reverse"
        outputs, states = _run(x, first, lengths, backward, projected, step)
        outs.append(outputs)
        lasts.append(states)
    sequences = [ag.stack(of_one) if of_one else numpy.zeros((0, batch, hidden), x.dtype) for of_one in outs]
    y = ag.expand_dims(sequences[0], axis=1) if count == 1 else ag.stack(sequences, axis=1)
    last = [ag.stack(of_one) for of_one in zip(*lasts, strict=True)]
    if layout:
        y, last = ag.permute_dims(y, axes=(2, 0, 1, 3)), [ag.permute_dims(s, axes=(1, 0, 2)) for s in last]
    return y, *last


def _halves(b: Any) -> tuple[Any, Any]:
    """The bias of the inputs and that of the state."""
    if b is None:
        return None, None
    n = b.shape[0] // 2
    return _part(b, slice(0, n)), _part(b, slice(n, None))


@operator("RNN", known="sequence_lens")
def rnn(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, *,
    activations: Any = None, activation_alpha: Any = None, activation_beta: Any = None, clip: float | None = None,
    direction: str = "forward", hidden_size: int | None = None, layout: int = 0, output_sequence: int = 0,
) -> Any:  # fmt: skip
    """``h ← f(W x + R h + b)``."""
    of = _activations(activations, ("tanh",), w.shape[0], activation_alpha, activation_beta)
    bound = _clipped(clip)

    def cell(i: int, r: Any, b: Any) -> tuple[Cell, Any]:
        inputs, state = _halves(b)
        bias = None if inputs is None else ag.add(inputs, state)
        return lambda z, h: (of[i][0](bound(ag.add(z, ag.linear(h, r)))),), bias

    return _recurrent(x, w, r, b, sequence_lens, [initial_h], 1, direction, layout, hidden_size, cell)


@operator("GRU", known="sequence_lens")
def gru(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, *,
    activations: Any = None, activation_alpha: Any = None, activation_beta: Any = None, clip: float | None = None,
    direction: str = "forward", hidden_size: int | None = None, layout: int = 0, linear_before_reset: int = 0,
    output_sequence: int = 0,
) -> Any:  # fmt: skip
    """The gated recurrent unit; its gates are update, reset, new."""
    of = _activations(activations, ("sigmoid", "tanh"), w.shape[0], activation_alpha, activation_beta)
    bound = _clipped(clip)

    def cell(i: int, r: Any, b: Any) -> tuple[Cell, Any]:
        f, g = of[i]
        inputs, state = _halves(b)
        n = r.shape[1]
        two, new = _part(r, slice(0, 2 * n)), _part(r, slice(2 * n, None))
        bias_of_new = None
        if state is not None:
            gates, bias_of_new = _part(state, slice(0, 2 * n)), _part(state, slice(2 * n, None))
            at_once = gates if linear_before_reset else state
            width = [(0, inputs.shape[0] - at_once.shape[0])]
            inputs = ag.add(inputs, ag.pad(at_once, pad_width=width) if width[0][1] else at_once)

        def step(z: Any, h: Any) -> tuple[Any, ...]:
            update, reset = _gates(f(bound(ag.add(_part(z, (..., slice(0, 2 * n))), ag.linear(h, two)))), 2)
            if linear_before_reset:
                from_state = ag.multiply(reset, ag.linear(h, new, bias_of_new))
            else:
                from_state = ag.linear(ag.multiply(reset, h), new)
            candidate = g(bound(ag.add(_part(z, (..., slice(2 * n, None))), from_state)))
            return (ag.add(ag.multiply(ag.subtract(1.0, update), candidate), ag.multiply(update, h)),)

        return step, inputs

    return _recurrent(x, w, r, b, sequence_lens, [initial_h], 3, direction, layout, hidden_size, cell)


@operator("LSTM", known="sequence_lens")
def lstm(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, initial_c: Any = None,
    p: Any = None, *, activations: Any = None, activation_alpha: Any = None, activation_beta: Any = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int | None = None, input_forget: int = 0,
    layout: int = 0, output_sequence: int = 0,
) -> Any:  # fmt: skip
    """Long short-term memory; its gates are input, output, forget, cell."""
    of = _activations(activations, ("sigmoid", "tanh", "tanh"), w.shape[0], activation_alpha, activation_beta)
    bound = _clipped(clip)

    def cell(i: int, r: Any, b: Any) -> tuple[Cell, Any]:
        f, g, h_of = of[i]
        inputs, state = _halves(b)
        peepholes = None if p is None else _gates(_part(p, i), 3)

        def step(z: Any, h: Any, c: Any) -> tuple[Any, ...]:
            enter, leave, keep, new = _gates(ag.add(z, ag.linear(h, r)), 4)
            if peepholes is not None:
                enter, keep = ag.add(enter, peepholes[0] * c), ag.add(keep, peepholes[2] * c)
            enter = f(bound(enter))
            keep = ag.subtract(1.0, enter) if input_forget else f(bound(keep))
            c = ag.add(ag.multiply(keep, c), ag.multiply(enter, g(bound(new))))
            leave = leave if peepholes is None else ag.add(leave, peepholes[1] * c)
            return ag.multiply(f(bound(leave)), h_of(c)), c

        return step, None if inputs is None else ag.add(inputs, state)

    return _recurrent(x, w, r, b, sequence_lens, [initial_h, initial_c], 4, direction, layout, hidden_size, cell)
