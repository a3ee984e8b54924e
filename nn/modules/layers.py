"""The layers: a name, what they hold, and which operation they call. Not one derivative rule."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, overload

from autograd import Tensor, asarray, reshape, zeros
from autograd.backends import NUMPY
from autograd.errors import DomainError, DTypeError, IndexingError, ShapeError
from autograd.validation import number, refused
from nn import functional as F
from nn import init as initialisers
from nn.modules.module import Module, Parameter


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
        self.weight = Parameter(zeros((self.out_features, self.in_features), dtype=dtype), dtype=dtype, device=device)
        initialisers.named(init)(self.weight, seed=seed)
        self.bias = Parameter(zeros(self.out_features, dtype=dtype), dtype=dtype, device=device) if bias else None

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
        if not x.shape:
            raise ShapeError("Flatten takes a batch, (n, …), and was given a single number.")
        return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Dropout(Module):
    """While training every element is 0 with probability ``p`` and the others are divided by ``1 - p``; else nothing.

    ``seed``: an integer, a NumPy Generator that moves on with each call, or ``None`` for fresh entropy. It is not saved
    with the module. Shapes stay. Raises `autograd.errors.DomainError` for a ``p`` outside of 0 to 1. See
    `nn.functional.dropout`.

    >>> import nn
    >>> layer = nn.Dropout(0.5, seed=0)
    >>> layer([1.0, 2.0, 3.0, 4.0]), layer.eval()([1.0, 2.0, 3.0, 4.0])
    (Tensor([0.0, 4.0, 6.0, 8.0]), Tensor([1.0, 2.0, 3.0, 4.0]))
    """

    def __init__(self, p: float = 0.5, *, seed: Any = None) -> None:
        if not 0 <= number(p, "p") <= 1:
            raise DomainError(f"p = {p!r} is out of range: a probability is a number from 0 to 1.")
        self.p = p
        self.generator = initialisers.generator(seed)

    def forward(self, x: Any) -> Any:
        """``(…)`` to ``(…)``."""
        return F.dropout(x, self.p, self.training, generator=self.generator)

    def arguments(self) -> dict[str, Any]:
        """The probability."""
        return {"p": self.p}


class LayerNorm(Module):
    """Every sample with mean 0 and variance 1 over its last axes, then times ``weight`` plus ``bias``.

    ``normalized_shape``: the lengths of these axes, a number for one axis; input and output ``(…, *normalized_shape)``.
    ``weight`` starts at 1 and ``bias`` at 0; they are ``None`` where ``elementwise_affine`` or ``bias`` is false.
    ``eps`` is added to the variance. See `nn.functional.layer_norm`.

    >>> import nn
    >>> layer = nn.LayerNorm(3)
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(_count(n, f"normalized_shape[{i}]") for i, n in enumerate(given))
        self.eps = number(eps, "eps", 0)
        affine = elementwise_affine, elementwise_affine and bias
        self.weight, self.bias = _ones_and_zeros(self.normalized_shape, *affine, dtype, device)

    def forward(self, x: Any) -> Any:
        """``(…, *normalized_shape)`` to the same."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def arguments(self) -> dict[str, Any]:
        """The shape, eps, and whether there are weights and biases."""
        return {
            "normalized_shape": self.normalized_shape,
            "eps": self.eps,
            "elementwise_affine": self.weight is not None,
            "bias": self.bias is not None or self.weight is None,
        }


class BatchNorm1d(Module):
    """Every feature with mean 0 and variance 1 over the batch, then times ``weight`` plus ``bias``.

    Input and output ``(batch, num_features)`` or ``(batch, num_features, length)``. In evaluation mean and variance are
    the running ones, the buffers ``running_mean`` (from 0) and ``running_var`` (from 1), which move by the share
    ``momentum`` towards each batch's while training. ``weight`` starts at 1 and ``bias`` at 0; they are ``None``
    without ``affine``. ``eps`` is added to the variance. See `nn.functional.batch_norm`.

    >>> import nn
    >>> [name for name, _ in nn.BatchNorm1d(3).named_buffers()]
    ['running_mean', 'running_var']
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        self.num_features = _count(num_features, "num_features")
        self.eps, self.momentum = number(eps, "eps", 0), number(momentum, "momentum", 0, 1)
        self.weight, self.bias = _ones_and_zeros((self.num_features,), affine, affine, dtype, device)
        self.register_buffer("running_mean", Tensor(NUMPY.zeros(self.num_features), dtype=dtype, device=device))
        self.register_buffer("running_var", Tensor(NUMPY.ones(self.num_features), dtype=dtype, device=device))

    def forward(self, x: Any) -> Any:
        """``(batch, num_features, …)`` to the same."""
        running = self.running_mean, self.running_var
        return F.batch_norm(x, *running, self.weight, self.bias, self.training, self.momentum, self.eps)

    def arguments(self) -> dict[str, Any]:
        """The number of features, eps, momentum, and whether there are weights and biases."""
        given = {"num_features": self.num_features, "eps": self.eps, "momentum": self.momentum}
        return given | {"affine": self.weight is not None}


def _ones_and_zeros(
    shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any, device: str | None
) -> tuple[Parameter | None, Parameter | None]:
    """The weight and the bias of a normalisation, which change nothing at the start; ``None`` for what is not asked."""
    return (
        Parameter(NUMPY.ones(shape), dtype=dtype, device=device) if weight else None,
        Parameter(NUMPY.zeros(shape), dtype=dtype, device=device) if bias else None,
    )


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
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            raise DomainError(f"a module can't be called {name!r}: choose a name without dots that nothing here has.")
        setattr(self, name, module)

    def forward(self, x: Any) -> Any:
        """Through every module in order."""
        for layer in vars(self).values():
            if isinstance(layer, Module):  # `children`, without looking for hidden ones at every call
                x = layer(x)
        return x

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns the sequence."""
        self._add(str(len(self)), module)
        Module.edits += 1
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
        if isinstance(index, slice):
            return Sequential(dict([*self.named_children()][index]))
        return self._entry(index)[1]

    def __setitem__(self, index: int, module: Module) -> None:
        self._add(self._entry(index)[0], module)

    def _entry(self, index: Any) -> tuple[str, Module]:
        children = [*self.named_children()]
        try:
            return children[operator.index(index)]
        except (IndexError, TypeError):
            raise IndexingError(
                f"this {type(self).__name__} has no module {index!r}: its {len(children)} are counted from 0, or from "
                "the end with -1."
            ) from None


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

NORMS: dict[str, Callable[..., Module]] = {"layer": LayerNorm, "batch": BatchNorm1d}
"""What `MLP` calls its normalisations."""


class MLP(Module):
    """A multilayer perceptron: fully connected layers of the given sizes, with an activation after each but the last.

    ``sizes``: of the input, every hidden layer and the output; ``MLP([256, 100, 10])`` has one hidden layer.
    ``activation``: ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"``, ``"gelu"`` or ``"softplus"``. ``output``:
    the activation after the last layer; none by default, so that the outputs are logits for
    `nn.functional.cross_entropy`. ``init``: how weights start; by default Glorot's uniform with the activation's gain
    for sigmoid and tanh, He's uniform for the others. Biases start at 0. ``norm``: ``"layer"`` or ``"batch"``, a
    `LayerNorm` or `BatchNorm1d` before every hidden activation. ``dropout``: the probability of a `Dropout` after it.
    ``seed``: an integer, a NumPy Generator, or ``None`` for fresh entropy; it decides the weights and then what is
    dropped. ``dtype``: float32 by default.

    Input ``(…, sizes[0])``, output ``(…, sizes[-1])``. ``layers`` is a `Sequential`; indexing and slicing go to it.
    Raises `autograd.errors.DomainError` for an unknown activation or normalisation and `autograd.errors.ShapeError` for
    fewer than two sizes.

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
        norm: str | None = None,
        dropout: float = 0.0,
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
            if not isinstance(name, str) or name not in ACTIVATIONS:
                raise DomainError(f"activation {name!r} is unknown: choose one of {', '.join(ACTIVATIONS)}.")
        if norm is not None and (not isinstance(norm, str) or norm not in NORMS):
            raise DomainError(f"norm {norm!r} is unknown: choose one of {', '.join(NORMS)}, or None.")
        self.activation, self.output, self.norm, self.dropout = activation, output, norm, dropout
        rng = initialisers.generator(seed)
        init = init or _init_for(activation)
        layers: list[Module] = []
        for entering, leaving in pairwise(self.sizes):
            hidden = [NORMS[norm](leaving, dtype=dtype, device=device)] if norm else []
            hidden += [ACTIVATIONS[activation](), *([Dropout(dropout, seed=rng)] if dropout else [])]
            layers += [Linear(entering, leaving, seed=rng, init=init, dtype=dtype, device=device), *hidden]
        layers[-len(hidden) :] = [ACTIVATIONS[output]()] if output else []
        self.layers = Sequential(*layers)

    def forward(self, x: Any) -> Any:
        """``(…, sizes[0])`` to ``(…, sizes[-1])``."""
        return self.layers.forward(x)

    def arguments(self) -> dict[str, Any]:
        """The sizes, the activations, and what stands beside them."""
        names = ("sizes", "activation", "output", "norm", "dropout")
        return {name: getattr(self, name) for name in names}

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
        raise refused(n, name, "a whole number of features") from None
    if number < 1:
        raise DomainError(f"{name} = {number}: a layer needs at least 1 feature.")
    return number
