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
from glassgrad.autograd.common.validation import choice
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


def _hidden(name: str, kind: str, weights: List) -> int:
    """The number of hidden units. Raises `ShapeError` for weights that do not fit each other."""
    weight_ih, weight_hh, *biases = weights
    gates = GATES[kind]
    hidden = int(weight_hh.shape[-1]) if weight_hh.ndim else 0
    if weight_ih.ndim != 2 or weight_hh.ndim != 2 or not weight_ih.shape[0] == weight_hh.shape[0] == gates * hidden:
        raise ShapeError(
            f"{name} takes weight_ih ({gates}·hidden, input) and weight_hh ({gates}·hidden, hidden); it was given "
            f"{weight_ih.shape} and {weight_hh.shape}."
        )
    for bias in biases:
        if bias is not None and bias.shape != (gates * hidden,):
            raise ShapeError(f"{name} takes biases of shape ({gates}·hidden,) = ({gates * hidden},), not {bias.shape}.")
    return hidden


def _check(name: str, x: Any, inputs: int, steps: bool) -> None:
    """Raise `ShapeError` unless x is (steps, batch, input), or for one step (batch, input) or (input,)."""
    if x.ndim not in ((3,) if steps else (1, 2)) or x.shape[-1] != inputs:
        form = f"(steps, batch, {inputs})" if steps else f"(batch, {inputs}) or ({inputs},)"
        raise ShapeError(f"{name} takes x {form} for this weight_ih; it was given shape {x.shape}.")
    if steps and 0 in x.shape[:2]:
        what = "sequences without steps" if not x.shape[0] else "a batch of no sequences"
        raise ShapeError(f"{name} was given {what}: x (steps, batch, {inputs}) has shape {x.shape}.")


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
    x, weight_ih, weight_hh, bias_ih, bias_hh = given = _tensors(x, *weights)
    hidden = _hidden(name, kind, given[1:])
    _check(name, x, weight_ih.shape[1], steps=False)
    z = ag.linear(x, weight_ih, bias_ih)
    return KINDS[kind](z, state_of(name, kind, state, (*x.shape[:-1], hidden), z), weight_hh, bias_hh)


def sequence(
    kind: str,
    name: str,
    x: Any,
    state: Any,
    weights: Sequence[Any],
    mask: Any = None,
    reverse: bool = False,
    recompute: bool | int = False,
) -> tuple[Tensor, List]:
    """The outputs of all steps, (steps, batch, hidden), and the last state. ``mask``: from `mask_of`."""
    x, weight_ih, weight_hh, bias_ih, bias_hh = given = _tensors(x, *weights)
    hidden = _hidden(name, kind, given[1:])
    _check(name, x, weight_ih.shape[1], steps=True)
    consts = [weight_hh]
    if bias_hh is not None and kind == "gru":  # the reset gate multiplies it
        consts.append(bias_hh)
    elif bias_hh is not None:
        bias_ih = bias_hh if bias_ih is None else bias_ih + bias_hh
    masks = [] if mask is None else [ag.expand_dims(mask, axis=-1)]
    for valid in masks:  # NaN in the padding would reach the gradients of the weights
        x = ag.where(valid, x, 0.0)
    z = ag.linear(x, weight_ih, bias_ih)
    xs = [z, *masks]
    parts = state_of(name, kind, state, (x.shape[1], hidden), z)
    state, ys = repeated(STEPS[kind], parts, xs, consts, reverse=reverse, recompute=recompute)
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


def rnn_cell(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, *,
    nonlinearity: str = "tanh",
) -> Tensor:  # fmt: skip
    """``tanh(x · weight_ihᵀ + bias_ih + h · weight_hhᵀ + bias_hh)``: one step of a simple recurrent network.

    ``x``: (batch, input) or (input,). ``h``: (batch, hidden) or (hidden,), or ``None`` for zeros. ``nonlinearity``:
    ``"tanh"`` or ``"relu"``. J. Elman, "Finding structure in time", 1990.

    >>> rnn_cell([1.0], [0.5], [[2.0]], [[-4.0]])
    Tensor([0.0])
    """
    kind = choice(nonlinearity, "nonlinearity", NONLINEARITIES)
    (h,) = cell(kind, "rnn_cell", x, h, (weight_ih, weight_hh, bias_ih, bias_hh))
    return h  # type: ignore[no-any-return]


def lstm_cell(
    x: Any, state: Pair | None, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None
) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory: the new ``(h, c)``.

    With the gates i, f, o (sigmoid) and g (tanh) of ``x · weight_ihᵀ + bias_ih + h · weight_hhᵀ + bias_hh``, in the
    order i, f, g, o: ``c = f·c + i·g`` and ``h = o·tanh(c)``. ``x``: (batch, input) or (input,). ``state``: a pair of
    (batch, hidden) or (hidden,), or ``None`` for zeros. S. Hochreiter and J. Schmidhuber, "Long short-term memory",
    1997; F. Gers et al., "Learning to forget", 2000.

    >>> h, c = lstm_cell([0.0], ([0.0], [1.0]), [[0.0]] * 4, [[0.0]] * 4)
    >>> h, c
    (Tensor([0.231059]), Tensor([0.5]))
    """
    h, c = cell("lstm", "lstm_cell", x, state, (weight_ih, weight_hh, bias_ih, bias_hh))
    return h, c


def gru_cell(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None) -> Tensor:
    """One step of a gated recurrent unit: the new ``h``.

    With the gates r and z (sigmoid): ``n = tanh(W_in x + b_in + r·(W_hn h + b_hn))``, ``h = (1 - z)·n + z·h``. The
    weights are in the order r, z, n. ``x``: (batch, input) or (input,). ``h``: (batch, hidden) or (hidden,), or
    ``None`` for zeros. K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    >>> gru_cell([0.0], [1.0], [[0.0]] * 3, [[0.0]] * 3)
    Tensor([0.5])
    """
    (h,) = cell("gru", "gru_cell", x, h, (weight_ih, weight_hh, bias_ih, bias_hh))
    return h  # type: ignore[no-any-return]


def rnn(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, *,
    nonlinearity: str = "tanh", lengths: Any = None, reverse: bool = False, recompute: bool | int = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`rnn_cell` at all steps of ``x`` (steps, batch, input): the outputs (steps, batch, hidden), and the last h.

    ``h``: (batch, hidden), or ``None`` for zeros. ``lengths``: the number of steps of each sequence; after them the
    outputs are 0 and the state stays. ``reverse``: from the last step to the first. ``recompute`` as in
    `autograd.scan`.

    >>> rnn([[[1.0]], [[0.0]]], None, [[0.5]], [[2.0]])[1]
    Tensor([[0.727894]])
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    mask = mask_of("rnn", lengths, x)
    kind = choice(nonlinearity, "nonlinearity", NONLINEARITIES)
    ys, (h,) = sequence(kind, "rnn", x, h, weights, mask, reverse, recompute)
    return ys, h


def lstm(
    x: Any, state: Pair | None, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, *,
    lengths: Any = None, reverse: bool = False, recompute: bool | int = False,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # fmt: skip
    """`lstm_cell` at all steps of ``x`` (steps, batch, input): the outputs, and the last ``(h, c)``; see `rnn`.

    >>> ys, (h, c) = lstm([[[1.0]], [[0.0]]], None, [[0.5]] * 4, [[2.0]] * 4)
    >>> ys.shape, h.shape, c.shape
    ((2, 1, 1), (1, 1), (1, 1))
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    ys, (h, c) = sequence("lstm", "lstm", x, state, weights, mask_of("lstm", lengths, x), reverse, recompute)
    return ys, (h, c)


def gru(
    x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, *,
    lengths: Any = None, reverse: bool = False, recompute: bool | int = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`gru_cell` at all steps of ``x`` (steps, batch, input): the outputs, and the last h; others as in `rnn`.

    >>> gru([[[1.0]], [[0.0]]], None, [[0.5]] * 3, [[2.0]] * 3)[0].shape
    (2, 1, 1)
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    ys, (h,) = sequence("gru", "gru", x, h, weights, mask_of("gru", lengths, x), reverse, recompute)
    return ys, h
