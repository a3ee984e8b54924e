"""The steps of recurrent networks, with PyTorch's gates, and whole sequences: one `autograd.scan` for each layer.

The scan comes after one product of all inputs with ``weight_ih``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.errors import DTypeError, ShapeError

List = list[Any]

# Each takes the input times ``weight_ih``, (batch, gates · hidden), the state, and the weights of the hidden state.


def _rnn(activation: Callable[[Any], Tensor]) -> Callable[..., List]:
    def rnn(z: Any, state: List, weight: Any, bias: Any = None) -> List:
        (h,) = state
        return [activation(z + ag.linear(h, weight, bias))]

    return rnn


def _lstm(z: Any, state: List, weight: Any, bias: Any = None) -> List:
    h, c = state
    n = h.shape[-1]
    gates = z + ag.linear(h, weight, bias)
    keep = ag.sigmoid(gates[..., n : 2 * n])
    c = keep * c + ag.sigmoid(gates[..., :n]) * ag.tanh(gates[..., 2 * n : 3 * n])
    return [ag.sigmoid(gates[..., 3 * n :]) * ag.tanh(c), c]


def _gru(z: Any, state: List, weight: Any, bias: Any = None) -> List:
    (h,) = state
    n = h.shape[-1]
    hidden = ag.linear(h, weight, bias)
    reset = ag.sigmoid(z[..., :n] + hidden[..., :n])
    update = ag.sigmoid(z[..., n : 2 * n] + hidden[..., n : 2 * n])
    new = ag.tanh(z[..., 2 * n :] + reset * hidden[..., 2 * n :])
    return [new + update * (h - new)]


class Cell(NamedTuple):
    """One step of a recurrent network, the number of gates in its weights, and of Tensors in its state."""

    step: Callable[..., List]
    gates: int = 1
    states: int = 1


CELLS = {"tanh": Cell(_rnn(ag.tanh)), "relu": Cell(_rnn(ag.relu)), "lstm": Cell(_lstm, 4, 2), "gru": Cell(_gru, 3)}
"""The cells by kind; the kind of a simple cell is its activation."""

NONLINEARITIES = "tanh", "relu"


def step_of(cell: Callable[..., List], name: str) -> Callable[[List, List, List], tuple[List, List]]:
    """The step of a scan. Where the mask is false (after a sequence's end), the state stays and the output is 0."""

    def step(carries: List, xs: List, consts: List) -> tuple[List, List]:
        z, *masks = xs
        state = cell(z, carries, *consts)
        if not masks:
            return state, [state[0]]
        (mask,) = masks
        after = [ag.where(mask, new, old) for new, old in zip(state, carries, strict=True)]
        return after, [ag.where(mask, state[0], 0.0)]

    step.__name__ = name
    return step


STEPS = {kind: step_of(cell.step, f"rnn_{kind}" if kind in NONLINEARITIES else kind) for kind, cell in CELLS.items()}


def state_of(name: str, kind: str, state: Any, shape: tuple[int, ...]) -> List | None:
    """The Tensors of a state that a layer was given, each of ``shape``; ``None`` for ``None``."""
    count = CELLS[kind].states
    if count > 1 and state is not None and not (isinstance(state, tuple | list) and len(state) == count):
        raise DTypeError(f"{name} takes the pair (h, c) as its state; it was given {of_type(state)}.")
    found = [asarray(h) for h in (state if count > 1 else [state])] if state is not None else None
    for part, h in zip(("h", "c"), found or (), strict=False):
        if h.shape != shape:
            raise ShapeError(f"{name} takes a state {part} of shape {shape}; it was given shape {h.shape}.")
    return found


def begun(kind: str, state: List | None, shape: tuple[int, ...], like: Tensor) -> List:
    """The state before the first step in the dtype of ``like``; zeros of ``shape`` for ``None``."""
    if state is None:
        return [ag.zeros(shape, dtype=like.dtype, device=like.device) for _ in range(CELLS[kind].states)]
    return [h if h.dtype == like.dtype else h.astype(like.dtype) for h in state]


def layers(
    kind: str,
    x: Any,
    states: List | None,
    weights: Sequence[Sequence[Sequence[Any]]],
    between: Callable[[Tensor], Tensor],
    mask: Any = None,
) -> tuple[Tensor, List]:
    """The outputs of the last of several layers, and the last states of all, (layers · directions, batch, hidden) each.

    ``x``: (steps, batch, features). ``states``: those before the first step, shaped as the last ones. ``weights``: for
    each layer those of one or both directions. ``between``: applied to the outputs of all layers but the last.
    ``mask``: (steps, batch, 1), false after the end of a sequence.
    """
    last: list[List] = []
    masks = [] if mask is None else [mask]
    for i, directions in enumerate(weights):
        x = x if i == 0 else between(x)
        for valid in masks:  # NaN in the padding would reach the gradients of the weights
            x = ag.where(valid, x, 0.0)
        outputs = []
        for reverse, (weight_ih, weight_hh, bias_ih, bias_hh) in enumerate(directions):
            consts = [weight_hh]
            if bias_hh is not None and kind == "gru":  # the reset gate multiplies it
                consts.append(bias_hh)
            elif bias_hh is not None:
                bias_ih = bias_hh if bias_ih is None else bias_ih + bias_hh
            z = ag.linear(x, weight_ih, bias_ih)
            row = None if states is None else [h[len(last)] for h in states]
            before = begun(kind, row, (x.shape[1], weight_hh.shape[1]), z)
            after, (ys,) = repeated(STEPS[kind], before, [z, *masks], consts, reverse=bool(reverse))
            outputs.append(ys)
            last.append(after)
        x = outputs[0] if len(outputs) == 1 else ag.concat(outputs, axis=-1)
    return x, [ag.stack(column) for column in zip(*last, strict=True)]
