"""The networks that ``digits`` trains, by the names that ``--model`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from glassgrad.nn.init import generator
from glassgrad.nn.models import MLP, LeNet5, RowRecurrent, RowTransformer
from glassgrad.nn.modules.activation import ReLU
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.convolution import Conv2d
from glassgrad.nn.modules.dropout import Dropout
from glassgrad.nn.modules.linear import Flatten, Unflatten
from glassgrad.nn.modules.module import Module
from glassgrad.nn.modules.pooling import MaxPool2d

Shape = tuple[int, int]


class Network(NamedTuple):
    """How a network is built, and its default settings.

    ``build(shape, classes, hidden, seed)`` makes it for pictures of ``shape``, given as rows of pixels; a search gives
    further options. ``words``: its name in a sentence. ``hidden``: neurons of its hidden layers, ``None`` if they are
    fixed. ``shift``: the largest random shift of training pictures in pixels. ``rates``: learning rates by optimizer;
    ``None`` for those of the settings.
    """

    build: Callable[..., Module]
    words: str
    hidden: tuple[int, ...] | None = None
    epochs: int = 12
    shift: int = 0
    rates: Mapping[str, float] | None = None


def _mlp(shape: Shape, classes: int, hidden: tuple[int, ...], seed: Any, **options: Any) -> Module:
    return MLP((shape[0] * shape[1], *hidden, classes), **options, seed=seed)


def _lenet(shape: Shape, classes: int, hidden: tuple[int, ...], seed: Any) -> Module:
    return Sequential({"picture": _picture(shape), "lenet": LeNet5(classes, 1, shape[0], "relu", seed=seed)})


def cnn(shape: Shape, classes: int, hidden: tuple[int, ...], seed: Any, channels: tuple[int, ...] = (24, 48)) -> Module:
    """A convolution to each number of ``channels``, which each halve the picture, and an MLP."""
    draw, inputs = generator(seed), 1
    parts: dict[str, Module] = {"picture": _picture(shape)}
    for i, outputs in enumerate(channels, 1):
        conv = Conv2d(inputs, outputs, 3, padding=1, seed=draw)
        parts |= {f"conv{i}": conv, f"relu{i}": ReLU(), f"pool{i}": MaxPool2d(2)}
        inputs = outputs
    sizes = inputs * (shape[0] >> len(channels)) * (shape[1] >> len(channels)), *hidden, classes
    parts |= {"flatten": Flatten(), "dropout": Dropout(0.1, seed=draw), "mlp": MLP(sizes, "relu", seed=draw)}
    return Sequential(parts)


def _recurrent(kind: str) -> Callable[..., Module]:
    def build(shape: Shape, classes: int, hidden: Any, seed: Any) -> Module:
        return RowRecurrent(shape, classes, kind, seed=seed)

    return build


def _transformer(shape: Shape, classes: int, hidden: tuple[int, ...], seed: Any) -> Module:
    return RowTransformer(shape, classes, seed=seed)


def _picture(shape: Shape) -> Module:
    """Rows of pixels as pictures of one channel."""
    return Unflatten(1, (1, *shape))


ADAM = {"adam": 0.002, "adamw": 0.002, "rmsprop": 0.001}

NETWORKS: Mapping[str, Network] = {
    "mlp": Network(_mlp, "sigmoid network", (100,)),
    "lenet": Network(_lenet, "LeNet-5", None, 12, 1, ADAM | {"sgd": 0.05}),
    "cnn": Network(cnn, "convolutional network", (128,), 10, 1, ADAM | {"sgd": 0.05}),
    "rnn": Network(_recurrent("rnn"), "simple recurrent network", None, 20, 1, ADAM | {"sgd": 0.01}),
    "lstm": Network(_recurrent("lstm"), "LSTM", None, 12, 1, ADAM | {"sgd": 0.1}),
    "gru": Network(_recurrent("gru"), "GRU", None, 12, 1, ADAM | {"sgd": 0.1}),
    "transformer": Network(_transformer, "Transformer", None, 12, 1, ADAM | {"sgd": 0.05}),
}
"""Networks by the names that ``--model`` takes."""
