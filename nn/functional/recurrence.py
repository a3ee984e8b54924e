"""Recurrent networks as functions, with PyTorch's gates: one step (``lstm_cell``) and whole sequences (``lstm``).

`nn.functional` offers all of it. A whole sequence is one `autograd.scan`, after one product of all inputs with
``weight_ih``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError

Pair = tuple[Any, Any]
List = list[Any]

# ----------------------------------------------------------------------------------------------------------- one step

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


KINDS: dict[str, Callable[..., List]] = {"tanh": _rnn(ag.tanh), "relu": _rnn(ag.relu), "lstm": _lstm, "gru": _gru}
"""The cells by kind; the kind of a simple cell is its activation."""

NONLINEARITIES = "tanh", "relu"

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}
STATES = {"tanh": 1, "relu": 1, "lstm": 2, "gru": 1}
"""The number of gates in the weights, and of Tensors in the state."""


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


STEPS = {kind: step_of(cell, f"rnn_{kind}" if kind in NONLINEARITIES else kind) for kind, cell in KINDS.items()}

# ----------------------------------------------------------------------------------------------------------- the checks


def _tensors(*given: Any) -> List:
    return [None if x is None else asarray(x) for x in given]


def state_of(name: str, kind: str, state: Any, shape: tuple[int, ...], like: Tensor) -> List:
    """The Tensors of a state, each of ``shape`` and of the dtype of ``like``; zeros for ``None``."""
    count = STATES[kind]
    if state is None:
        return [ag.zeros(shape, dtype=like.dtype, device=like.device) for _ in range(count)]
    if count > 1 and not (isinstance(state, tuple | list) and len(state) == count):
        raise DTypeError(f"{name} takes the pair (h, c) as its state; it was given {of_type(state)}.")
    found = _tensors(*state) if count > 1 else _tensors(state)
    for part, h in zip(("h", "c"), found, strict=False):
        if h.shape != shape:
            raise ShapeError(f"{name} takes a state {part} of shape {shape}; it was given shape {h.shape}.")
    return [h if h.dtype == like.dtype else h.astype(like.dtype) for h in found]


# ---------------------------------------------------------------------------------------------------------- the calls


def cell(kind: str, name: str, x: Any, state: Any, weights: Sequence[Any]) -> List:
    """The state after one step of the ``kind``; ``x`` is (batch, input) or (input,)."""
    x, weight_ih, weight_hh, bias_ih, bias_hh = _tensors(x, *weights)
    inputs, hidden = weight_ih.shape[1], weight_hh.shape[1]
    if x.ndim not in (1, 2) or x.shape[-1] != inputs:
        raise ShapeError(f"{name} takes x (batch, {inputs}) or ({inputs},); it was given shape {x.shape}.")
    z = ag.linear(x, weight_ih, bias_ih)
    return KINDS[kind](z, state_of(name, kind, state, (*x.shape[:-1], hidden), z), weight_hh, bias_hh)


def sequence(
    kind: str, name: str, x: Any, state: Any, weights: Sequence[Any], mask: Any, reverse: bool
) -> tuple[Tensor, List]:
    """The outputs of all steps, (steps, batch, hidden), and the last state. ``mask``: from `mask_of`."""
    x, weight_ih, weight_hh, bias_ih, bias_hh = _tensors(x, *weights)
    if 0 in x.shape[:2]:
        what = "sequences without steps" if not x.shape[0] else "a batch of no sequences"
        raise ShapeError(f"{name} was given {what}: x (steps, batch, features) has shape {x.shape}.")
    consts = [weight_hh]
    if bias_hh is not None and kind == "gru":  # the reset gate multiplies it
        consts.append(bias_hh)
    elif bias_hh is not None:
        bias_ih = bias_hh if bias_ih is None else bias_ih + bias_hh
    masks = [] if mask is None else [ag.expand_dims(mask, axis=-1)]
    for valid in masks:  # NaN in the padding would reach the gradients of the weights
        x = ag.where(valid, x, 0.0)
    z = ag.linear(x, weight_ih, bias_ih)
    parts = state_of(name, kind, state, (x.shape[1], weight_hh.shape[1]), z)
    state, ys = repeated(STEPS[kind], parts, [z, *masks], consts, reverse=reverse)
    return ys[0], state


def layers(
    kind: str,
    name: str,
    x: Any,
    states: List | None,
    weights: Sequence[Sequence[Sequence[Any]]],
    between: Callable[[Tensor], Tensor],
    mask: Any = None,
) -> tuple[Tensor, List]:
    """The outputs of the last of several layers, and the last states of all, (layers · directions, batch, hidden) each.

    ``weights``: for each layer those of one or both directions. ``between``: applied to the outputs of all layers but
    the last.
    """
    last: list[List] = []
    for i, directions in enumerate(weights):
        x = x if i == 0 else between(x)
        outputs = []
        for reverse, given in enumerate(directions):
            before: Any = None if states is None else [h[len(last)] for h in states]
            before = before[0] if before is not None and len(before) == 1 else before
            ys, after = sequence(kind, name, x, before, given, mask, bool(reverse))
            outputs.append(ys)
            last.append(after)
        x = outputs[0] if len(outputs) == 1 else ag.concat(outputs, axis=-1)
    return x, [ag.stack(column) for column in zip(*last, strict=True)]


def mask_of(name: str, lengths: Any, x: Any) -> Tensor | None:
    """The mask of ``x`` (steps, batch, …) that is true up to the length of each sequence; ``None`` without lengths."""
    if lengths is None:
        return None
    x, lengths = asarray(x), asarray(lengths)
    if lengths.shape != x.shape[1:2]:
        raise ShapeError(
            f"{name} takes one length for each of the {x.shape[1]} sequences, of shape {x.shape[1:2]}; lengths has "
            f"shape {lengths.shape}."
        )
    try:
        mask = ag.sequence_mask(lengths, length=x.shape[0])
        return mask if mask.device == x.device else mask.to(x.device)
    except (DomainError, DTypeError) as error:
        raise type(error)(f"{name}: {error}") from None
