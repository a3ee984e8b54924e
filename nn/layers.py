"""The layers: a name, what they hold, and which operation they call. Not one derivative rule."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, overload

from autograd import asarray, reshape
from autograd.backends import NUMPY
from autograd.errors import DomainError, DTypeError, ShapeError
from nn import functional as F
from nn import init as initialisers
from nn.module import Module, Parameter


class Linear(Module):
    """``x · weightᵀ + bias``: every output is a weighted sum of all inputs.

    ``weight`` is ``(out_features, in_features)``, one row per neuron, ``bias`` ``(out_features,)`` or ``None``; the
    input is ``(…, in_features)`` and the output ``(…, out_features)``. Weights start from ``init`` (a name in `nn.init`
    or a function ``(tensor, *, seed)``; Glorot's uniform by default), biases from 0. ``seed``: an integer, a NumPy
    Generator, or ``None`` for fresh entropy. ``dtype``: float32 by default.

    Raises `autograd.errors.DomainError` for sizes below 1.

    >>> import nn
    >>> layer = nn.Linear(3, 2, seed=0)
    >>> layer.weight.shape, layer.bias
    ((2, 3), Tensor([0.0, 0.0], dtype=float32, name='bias', requires_grad=True))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        seed: Any = None,
        init: str | Callable[..., Any] = "xavier_uniform",
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        self.in_features = _count(in_features, "in_features")
        self.out_features = _count(out_features, "out_features")
        zeros = NUMPY.zeros
        self.weight = Parameter(zeros((self.out_features, self.in_features)), dtype=dtype, device=device)
        initialisers.named(init)(self.weight, seed=seed)
        self.bias = Parameter(zeros(self.out_features), dtype=dtype, device=device) if bias else None

    def forward(self, x: Any) -> Any:
        """``(…, in_features)`` to ``(…, out_features)``."""
        return F.linear(x, self.weight, self.bias)

    def arguments(self) -> dict[str, Any]:
        """The sizes, and whether there is a bias."""
        return {"in_features": self.in_features, "out_features": self.out_features, "bias": self.bias is not None}


class _Plain(Module):
    """A module whose constructor's arguments are its attributes of the same names."""

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


class Sigmoid(_Plain):
    """Elementwise logistic function: every value into (0, 1)."""

    forward = staticmethod(F.sigmoid)


class Tanh(_Plain):
    """Elementwise hyperbolic tangent: every value into (-1, 1)."""

    forward = staticmethod(F.tanh)


class ReLU(_Plain):
    """Elementwise ``max(x, 0)``."""

    forward = staticmethod(F.relu)


class GELU(_Plain):
    """Elementwise ``x · Φ(x)`` with the normal distribution's Φ."""

    forward = staticmethod(F.gelu)


class Softplus(_Plain):
    """Elementwise ``log(1 + exp(x))``: a ReLU without the kink."""

    forward = staticmethod(F.softplus)


class LeakyReLU(_Plain):
    """Elementwise ``x`` where positive, else ``slope * x``."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Any) -> Any:
        """``(…)`` to ``(…)``."""
        return F.leaky_relu(x, slope=self.slope)


class Softmax(_Plain):
    """Probabilities along ``axis``: positive, with sum 1. For training use logits and `CrossEntropyLoss` instead."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """``(…)`` to ``(…)``."""
        return F.softmax(x, axis=self.axis)


class Flatten(_Plain):
    """Each sample of a batch as one row, for images in front of a `Linear`."""

    def forward(self, x: Any) -> Any:
        """``(batch, …)`` to ``(batch, product of the rest)``."""
        x = asarray(x)
        return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Sequential(Module):
    """Modules one after the other: the output of each is the input of the next.

    Given as arguments (named ``0``, ``1``, …) or as one dict of names. It can be indexed, iterated, appended to, and
    sliced: ``model[:-1]``, the feature extractor, shares its parameters with ``model`` and keeps their names.

    >>> import nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    >>> model
    Sequential: 13 parameters
      0  Linear(2, 3)  9
      1  Sigmoid()
      2  Linear(3, 1)  4
    >>> model[:-1][0].weight is model[0].weight
    True
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            items = list(modules[0].items())
        else:
            items = [(str(i), module) for i, module in enumerate(modules)]  # type: ignore[misc]
        for name, module in items:
            self._add(name, module)

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise DTypeError(
                f"{type(self).__name__} takes modules; entry {name!r} is {type(module).__name__}: give a layer such as "
                "nn.Sigmoid() (with the brackets), or write a subclass of nn.Module around a function."
            )
        setattr(self, name, module)

    def forward(self, x: Any) -> Any:
        """Through every module in order."""
        for layer in self.children():
            x = layer(x)
        return x

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns the sequence."""
        self._add(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module:
        children = [*self.named_children()]
        if isinstance(index, slice):
            return Sequential(dict(children[index]))
        return children[index][1]

    def __setitem__(self, index: int, module: Module) -> None:
        self._add([*self.named_children()][index][0], module)


ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "gelu": GELU,
    "softplus": Softplus,
    "softmax": Softmax,
}
"""What `MLP` calls its activations."""


class MLP(Module):
    """A multilayer perceptron: fully connected layers of the given sizes, with an activation after each but the last.

    ``sizes``: of the input, every hidden layer and the output; ``MLP([256, 100, 10])`` has one hidden layer.
    ``activation``: ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"gelu"`` or ``"softplus"``. ``output``:
    the activation after the last layer; none by default, so that the outputs are logits for
    `nn.functional.cross_entropy`. ``init``: how weights start; by default Glorot's uniform with the activation's gain
    for sigmoid and tanh, He's uniform for the others. Biases start at 0. ``seed``: an integer, a NumPy Generator, or
    ``None`` for fresh entropy. ``dtype``: float32 by default.

    Input ``(…, sizes[0])``, output ``(…, sizes[-1])``. ``layers`` is a `Sequential`; indexing and slicing go to it.
    Raises `autograd.errors.DomainError` for an unknown activation and `autograd.errors.ShapeError` for fewer than two
    sizes.

    >>> import nn
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
        seed: Any = None,
        init: str | Callable[..., Any] | None = None,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        if not isinstance(sizes, Iterable):
            raise DTypeError(f"MLP takes the sizes of its layers as a list, like [256, 10]; it was given {sizes!r}.")
        self.sizes = tuple(_count(n, f"sizes[{i}]") for i, n in enumerate(sizes))
        if len(self.sizes) < 2:
            raise ShapeError(
                f"MLP needs the sizes of its input and its output at least; it was given {list(self.sizes)}."
            )
        for name in (activation, *([output] if output else [])):
            if name not in ACTIVATIONS:
                raise DomainError(f"activation {name!r} is unknown: choose one of {', '.join(ACTIVATIONS)}.")
        self.activation, self.output = activation, output
        rng = initialisers.generator(seed)
        init = init or _init_for(activation)
        layers: list[Module] = []
        for entering, leaving in zip(self.sizes, self.sizes[1:], strict=False):
            layers += [
                Linear(entering, leaving, seed=rng, init=init, dtype=dtype, device=device),
                ACTIVATIONS[activation](),
            ]
        layers[-1:] = [ACTIVATIONS[output]()] if output else []
        self.layers = Sequential(*layers)

    def forward(self, x: Any) -> Any:
        """``(…, sizes[0])`` to ``(…, sizes[-1])``."""
        for layer in self.layers.children():
            x = layer(x)
        return x

    def arguments(self) -> dict[str, Any]:
        """The sizes and activations."""
        return {"sizes": self.sizes, "activation": self.activation, "output": self.output}

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module:
        return self.layers[index]


def _init_for(activation: str) -> Callable[..., Any]:
    if activation in ("sigmoid", "tanh"):
        return partial(initialisers.xavier_uniform_, gain=initialisers.calculate_gain(activation))
    return initialisers.kaiming_uniform_


class _Loss(_Plain):
    """A loss as a module. It is no part of a net, so what it computes carries no scope of its own."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def __call__(self, prediction: Any, target: Any) -> Any:
        return self.forward(prediction, target)


class CrossEntropyLoss(_Loss):
    """`nn.functional.cross_entropy` as a module."""

    def forward(self, logits: Any, labels: Any) -> Any:
        """Logits ``(…, classes)`` and integer labels ``(…)`` or probabilities ``(…, classes)`` to a scalar."""
        return F.cross_entropy(logits, labels, reduction=self.reduction)


class MSELoss(_Loss):
    """`nn.functional.mse_loss` as a module."""

    def forward(self, prediction: Any, target: Any) -> Any:
        """Predictions and targets of one shape to a scalar."""
        return F.mse_loss(prediction, target, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`nn.functional.binary_cross_entropy_with_logits` as a module."""

    def forward(self, logits: Any, target: Any) -> Any:
        """Logits and targets in [0, 1] of one shape to a scalar."""
        return F.binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)


def _count(n: Any, name: str) -> int:
    try:
        number = operator.index(n)
    except TypeError:
        raise DTypeError(f"{name} = {n!r} is a {type(n).__name__}: give a whole number of features.") from None
    if number < 1:
        raise DomainError(f"{name} = {number}: a layer needs at least 1 feature.")
    return number
