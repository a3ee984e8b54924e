"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Unpack

from glassgrad.autograd import Tensor, empty
from glassgrad.autograd.common.validation import choice, wholes
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn import init as initialisers
from glassgrad.nn.modules.activation import activation_layer
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.dropout import Dropout
from glassgrad.nn.modules.linear import Linear
from glassgrad.nn.modules.module import Drawn, Module, placed
from glassgrad.nn.modules.normalization import NORMS


class MLP(Module):
    """Multilayer perceptron: fully connected layers with an activation after each but the last.

    Input ``(…, sizes[0])``, output ``(…, sizes[-1])``. The layers are a `Sequential`, ``layers``; indexing and slicing
    the model go to it.

    Args:
        sizes: neurons of the input, every hidden layer and the output: ``MLP([256, 100, 10])`` has one hidden layer.
        activation: ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"gelu"`` or ``"softplus"``.
        output: activation after the last layer. None by default, so that the outputs are logits for
            `nn.functional.cross_entropy`, which applies softmax itself.
        seed: an integer, a NumPy Generator, or ``None`` for fresh entropy; draws the weights, then the dropout masks.
        init: initialiser of the weights, a name in `nn.init` or a function. By default Glorot's uniform with the
            activation's gain for sigmoid and tanh, He's uniform for the others. Biases start at 0.
        norm: ``"layer"`` or ``"batch"``: a `LayerNorm` or `BatchNorm1d` before every hidden activation.
        dropout: probability of a `Dropout` after every hidden activation.

    Raises:
        autograd.errors.DomainError: unknown activation or normalisation, or a size below 1.
        autograd.errors.ShapeError: fewer than two sizes.

    >>> from glassgrad import nn
    >>> model = nn.MLP([256, 100, 10], seed=0)
    >>> model
    MLP((256, 100, 10)): 26,710 parameters
      layers.0  Linear(256, 100)  25,700
      layers.1  Sigmoid()
      layers.2  Linear(100, 10)    1,010
    >>> features = model[:-1]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str = "sigmoid",
        output: str | None = None,
        *,
        init: str | Callable[..., Any] | None = None,
        norm: str | None = None,
        dropout: float = 0.0,
        **made: Unpack[Drawn],
    ) -> None:
        self.sizes = wholes(sizes, "sizes")
        if len(self.sizes) < 2:
            raise ShapeError(f"MLP needs at least the sizes of its input and output; it was given {list(self.sizes)}.")
        act, last = activation_layer(activation), activation_layer(output) if output else None
        if norm is not None:
            choice(norm, "norm", NORMS)
        for sides in () if initialisers.LOADING.get() else pairwise(self.sizes):
            empty(sides, dtype=made["dtype"])  # a layer too large for the memory is refused before another is drawn
        draw = made["seed"]
        if init is None and activation in ("sigmoid", "tanh"):
            init = partial(initialisers.xavier_uniform_, gain=5 / 3 if activation == "tanh" else 1.0)
        init = init or initialisers.kaiming_uniform_
        layers: list[Module] = []
        for inputs, outputs in pairwise(self.sizes):
            hidden = [NORMS[norm](outputs, **placed(made))] if norm else []
            hidden += [act(), *([Dropout(dropout, seed=draw)] if dropout else [])]
            layers += [Linear(inputs, outputs, init=init, **made), *hidden]
        layers[-len(hidden) :] = [last()] if last else []
        self.layers = Sequential(*layers)

    def forward(self, x: Any) -> Tensor:
        """``(…, sizes[0])`` to ``(…, sizes[-1])``."""
        return self.layers.forward(x)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        return self.layers[index]
