"""Recurrent layers: networks that read a sequence step by step."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, ClassVar, Unpack

from glassgrad.autograd import Tensor, asarray, expand_dims, linear, permute_dims, sequence_mask
from glassgrad.autograd.common.validation import choice, flag, number, whole
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.functional import recurrence
from glassgrad.nn.functional.regularization import dropout as dropped
from glassgrad.nn.init import uniform_
from glassgrad.nn.modules.module import Drawn, Module, as_floating, parameter


def _weights(module: Any, ending: str, inputs: int, made: Drawn) -> None:
    """Give ``module`` the parameters of one direction of one layer, uniform on ±1/√hidden, as in PyTorch."""
    hidden, rows = module.hidden_size, recurrence.CELLS[module.kind].gates * module.hidden_size
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden)}
    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if module.bias else {}
    bound = 1 / math.sqrt(hidden)
    for name, shape in shapes.items():
        setattr(module, f"{name}{ending}", parameter(shape, partial(uniform_, low=-bound, high=bound), **made))


def _weights_of(module: Module, ending: str = "") -> list[Any]:
    return [getattr(module, f"{name}{ending}", None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


class _Recurrent(Module):
    """Base of `RNN`, `LSTM` and `GRU`."""

    kind: ClassVar[str]
    """One of `nn.functional.recurrence.CELLS`; for a simple network it is the nonlinearity."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **made: Unpack[Drawn],
    ) -> None:
        self.input_size, self.hidden_size = whole(input_size, "input_size"), whole(hidden_size, "hidden_size")
        self.num_layers = whole(num_layers, "num_layers")
        self.bias = flag(bias, "bias")
        self.batch_first = flag(batch_first, "batch_first")
        self.dropout, self.bidirectional = number(dropout, "dropout", 0, 1), flag(bidirectional, "bidirectional")
        self.generator = made["seed"]
        for layer in range(self.num_layers):
            inputs = self.hidden_size * (1 + self.bidirectional) if layer else self.input_size
            for ending in self._endings(layer):
                _weights(self, ending, inputs, made)

    def _endings(self, layer: int) -> list[str]:
        """The suffixes of the parameter names of a layer, one for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def forward(self, x: Any, state: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        """The outputs of the last layer, (steps, batch, directions · hidden), and the last state of every layer.

        ``x``: (steps, batch, input), with ``batch_first`` (batch, steps, input); the outputs likewise. ``state``: h,
        (layers · directions, batch, hidden), of an LSTM the pair (h, c); zeros by default. ``lengths``: the number of
        steps of each sequence of the batch, in any order: after them the outputs are 0, and the last state of a
        sequence is that after its own last step.

        To truncate backpropagation through time, detach the state before passing it with the next piece.
        """
        name = type(self).__name__
        x = asarray(as_floating(x, self.weight_ih_l0))  # type: ignore[attr-defined]
        if x.ndim != 3 or x.shape[-1] != self.input_size or 0 in x.shape:
            form = "batch, steps" if self.batch_first else "steps, batch"
            raise ShapeError(
                f"{name} takes x ({form}, {self.input_size}), none of them 0; it was given shape {x.shape}."
            )
        mask = None
        if self.batch_first:
            x = permute_dims(x, axes=(1, 0, 2))
        if lengths is not None:
            if (lengths := asarray(lengths)).shape != x.shape[1:2]:
                raise ShapeError(
                    f"{name} takes one length for each of the {x.shape[1]} sequences, of shape {x.shape[1:2]}; lengths "
                    f"has shape {lengths.shape}."
                )
            mask = expand_dims(sequence_mask(lengths, length=x.shape[0]).to(x.device), axis=-1)
        shape = (self.num_layers * (1 + self.bidirectional), x.shape[1], self.hidden_size)
        states = recurrence.state_of(name, self.kind, state, shape)
        weights = [[_weights_of(self, ending) for ending in self._endings(i)] for i in range(self.num_layers)]
        x, ends = recurrence.layers(self.kind, x, states, weights, self._dropped, mask)
        if self.batch_first:
            x = permute_dims(x, axes=(1, 0, 2))
        return x, (ends[0] if len(ends) == 1 else tuple(ends))

    def _dropped(self, x: Tensor) -> Tensor:
        """The outputs of a layer after `Dropout`, as the input of the next layer."""
        if not self.dropout or not self.training:
            return x
        by_sequence = permute_dims(x, axes=(1, 0, 2))  # `dropout` shards masks along the first axis
        return permute_dims(dropped(by_sequence, self.dropout, generator=self.generator), axes=(1, 0, 2))


class RNN(_Recurrent):
    """A simple recurrent network: ``h = tanh(x · weight_ihᵀ + bias_ih + h · weight_hhᵀ + bias_hh)`` at each step.

    J. Elman, "Finding structure in time", 1990.

    Arguments, parameters and their names are PyTorch's: ``weight_ih_l0`` (hidden, input), ``weight_hh_l0`` (hidden,
    hidden), ``bias_ih_l0`` and ``bias_hh_l0`` (hidden,), in the next layer ``_l1``, in the other direction
    ``_l0_reverse``; all start uniform on ±1/√hidden. ``nonlinearity``: ``"tanh"`` or ``"relu"``. ``batch_first``: x and
    the outputs are (batch, steps, features). ``dropout``: the probability of `Dropout` between layers.
    ``bidirectional``: each layer reads in both directions, and its outputs are concatenated.

    Raises `autograd.errors.DomainError` for sizes below 1.

    >>> from glassgrad import autograd as ag, nn
    >>> layer = nn.RNN(3, 5, num_layers=2, seed=0)
    >>> outputs, h = layer(ag.ones((7, 4, 3), dtype="float32"))
    >>> outputs.shape, h.shape
    ((7, 4, 5), (2, 4, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **made: Unpack[Drawn],
    ) -> None:
        self.nonlinearity = choice(nonlinearity, "nonlinearity", recurrence.NONLINEARITIES)
        options = num_layers, bias, batch_first, dropout, bidirectional
        super().__init__(input_size, hidden_size, *options, **made)

    kind = property(lambda self: self.nonlinearity)


class LSTM(_Recurrent):
    """A long short-term memory: a recurrent network with input, forget and output gates.

    With the gates i, f, o (sigmoid) and g (tanh) of ``x · weight_ihᵀ + bias_ih + h · weight_hhᵀ + bias_hh``, in the
    order i, f, g, o: ``c = f·c + i·g`` and ``h = o·tanh(c)``. The state is the pair (h, c); all else is as in `RNN`. S.
    Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; F. Gers et al., "Learning to forget", 2000.

    >>> from glassgrad import autograd as ag, nn
    >>> layer = nn.LSTM(3, 5, batch_first=True, bidirectional=True, seed=0)
    >>> outputs, (h, c) = layer(ag.ones((4, 7, 3), dtype="float32"), lengths=[7, 2, 5, 1])
    >>> outputs.shape, h.shape, c.shape
    ((4, 7, 10), (2, 4, 5), (2, 4, 5))
    """

    kind = "lstm"


class GRU(_Recurrent):
    """A network of gated recurrent units. The weights are in the order of the gates r, z, n; all else is as in `RNN`.

    With the gates r and z (sigmoid): ``n = tanh(W_in x + b_in + r·(W_hn h + b_hn))``, ``h = (1 - z)·n + z·h``. K. Cho
    et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    >>> from glassgrad import autograd as ag, nn
    >>> outputs, h = nn.GRU(3, 5, seed=0)(ag.ones((7, 4, 3), dtype="float32"))
    >>> outputs.shape, h.shape
    ((7, 4, 5), (1, 4, 5))
    """

    kind = "gru"


class _Cell(Module):
    """Base of `RNNCell`, `LSTMCell` and `GRUCell`."""

    kind: ClassVar[str]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, **made: Unpack[Drawn]) -> None:
        self.input_size, self.hidden_size = whole(input_size, "input_size"), whole(hidden_size, "hidden_size")
        self.bias = flag(bias, "bias")
        _weights(self, "", self.input_size, made)

    def forward(self, x: Any, state: Any = None) -> Any:
        """The state after ``x``, (batch, input) or (input,), given the ``state`` before, zeros by default."""
        x, name = asarray(as_floating(x, self.weight_ih)), type(self).__name__  # type: ignore[attr-defined]
        if x.ndim > 2:  # also a sequence, whose steps it would take for a batch
            raise ShapeError(f"{name} takes one step, x (batch, input) or (input,); it was given shape {x.shape}.")
        shape = (*x.shape[:-1], self.hidden_size)
        before = recurrence.state_of(name, self.kind, state, shape)
        weight_ih, weight_hh, bias_ih, bias_hh = _weights_of(self)
        z = linear(x, weight_ih, bias_ih)
        found = recurrence.CELLS[self.kind].step(z, recurrence.begun(self.kind, before, shape, z), weight_hh, bias_hh)
        return found[0] if len(found) == 1 else tuple(found)


class RNNCell(_Cell):
    """One step of an `RNN`: ``h = cell(x, h)``, with parameters ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``.

    >>> from glassgrad import nn
    >>> nn.RNNCell(3, 5, seed=0)([1.0, 2.0, 3.0]).shape
    (5,)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", **made: Unpack[Drawn]
    ) -> None:
        self.nonlinearity = choice(nonlinearity, "nonlinearity", recurrence.NONLINEARITIES)
        super().__init__(input_size, hidden_size, bias, **made)

    kind = property(lambda self: self.nonlinearity)


class LSTMCell(_Cell):
    """One step of an `LSTM`: ``h, c = cell(x, (h, c))``.

    >>> from glassgrad import nn
    >>> h, c = nn.LSTMCell(3, 5, seed=0)([[1.0, 2.0, 3.0]])
    >>> h.shape, c.shape
    ((1, 5), (1, 5))
    """

    kind = "lstm"


class GRUCell(_Cell):
    """One step of a `GRU`: ``h = cell(x, h)``.

    >>> from glassgrad import nn
    >>> nn.GRUCell(3, 5, seed=0)([[1.0, 2.0, 3.0]]).shape
    (1, 5)
    """

    kind = "gru"
