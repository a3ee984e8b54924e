"""Works written by hand with `autograd`'s array functions, each in a way that users write it.

But for one, no layer of `nn` is called: these are the programs that the compiled mode was not tuned on. A work is a
function that makes a training step, ``step(*batch) -> loss``, and its batch from a generator of random numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn import functional as F

Step = tuple[Callable[..., ag.Tensor], tuple[ag.Tensor, ...]]
Make = Callable[[np.random.Generator], Step]
WORKS: dict[str, Make] = {}
"""The works by name. A work's docstring, one line, says what it computes."""


def work(make: Make) -> Make:
    """Add a work under its function's name."""
    WORKS[make.__name__] = make
    return make


def parameter(draw: np.random.Generator, *shape: int, name: str, dtype: str = "float32") -> ag.Tensor:
    """A parameter, normal with the standard deviation that keeps a layer's scale."""
    scale = np.sqrt(2 / max(1, int(np.prod(shape[:-1]))))
    return ag.Tensor((scale * draw.standard_normal(shape)).astype(dtype), requires_grad=True, name=name)


def images(draw: np.random.Generator, *shape: int) -> ag.Tensor:
    """Random float32 arrays."""
    return ag.Tensor(draw.standard_normal(shape).astype("float32"))


def labels(draw: np.random.Generator, batch: int, classes: int = 10) -> ag.Tensor:
    """Random int64 labels."""
    return ag.Tensor(draw.integers(classes, size=batch))


def trained(
    parameters: list[ag.Tensor], loss_of: Callable[..., ag.Tensor], *batch: ag.Tensor, rule: str = "SGD"
) -> Step:
    """The training step for a loss, and the batch."""
    optimizer = getattr(nn.optim, rule)(parameters, lr=0.01 if rule == "SGD" else 0.001)

    def step(*batch: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        return loss

    return step, batch


# --- windows --------------------------------------------------------------------------------------------------------


def windows_last(x: Any, size: int) -> Any:
    """Windows of images (batch, height, width, channels) by slices and a stack: (batch, h, w, size² channels)."""
    batch, height, width, channels = x.shape
    h, w = height - size + 1, width - size + 1
    slices = [x[:, i : i + h, j : j + w, :] for i in range(size) for j in range(size)]
    return ag.reshape(ag.stack(slices, axis=3), (batch, h, w, size * size * channels))


def windows_first(x: Any, size: int) -> Any:
    """Windows of images (batch, channels, height, width) by slices: (batch, h * w, channels size²)."""
    batch, channels, height, width = x.shape
    h, w = height - size + 1, width - size + 1
    rows = ag.stack([x[:, :, i : i + h, j : j + w] for i in range(size) for j in range(size)], axis=2)
    return ag.permute_dims(ag.reshape(rows, (batch, channels * size * size, h * w)), (0, 2, 1))


def max_pool_last(x: Any) -> Any:
    """2 by 2 maxima of (batch, height, width, channels)."""
    batch, height, width, channels = x.shape
    return ag.max(ag.reshape(x, (batch, height // 2, 2, width // 2, 2, channels)), axis=(2, 4))


def max_pool_first(x: Any) -> Any:
    """2 by 2 maxima of (batch, channels, height, width)."""
    batch, channels, height, width = x.shape
    return ag.max(ag.reshape(x, (batch, channels, height // 2, 2, width // 2, 2)), axis=(3, 5))


@work
def conv_last(draw: np.random.Generator) -> Step:
    """a convolution of NHWC images by slices and a stack, relu, max pooling"""
    x, y = images(draw, 32, 18, 18, 1), labels(draw, 32)
    kernel, bias = parameter(draw, 9, 8, name="kernel"), parameter(draw, 8, name="bias")
    weight, shift = parameter(draw, 512, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        h = max_pool_last(ag.relu(windows_last(x, 3) @ kernel + bias))
        return F.cross_entropy(ag.reshape(h, (32, 512)) @ weight + shift, y)

    return trained([kernel, bias, weight, shift], loss, x, y)


@work
def conv_last_twice(draw: np.random.Generator) -> Step:
    """two convolutions of NHWC images by slices and a stack, relu, max pooling"""
    x, y = images(draw, 32, 18, 18, 1), labels(draw, 32)
    first, second = parameter(draw, 9, 8, name="first"), parameter(draw, 72, 16, name="second")
    b1, b2 = parameter(draw, 8, name="b1"), parameter(draw, 16, name="b2")
    weight, shift = parameter(draw, 144, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        h = max_pool_last(ag.relu(windows_last(x, 3) @ first + b1))
        h = max_pool_last(ag.relu(windows_last(h, 3) @ second + b2))
        return F.cross_entropy(ag.reshape(h, (32, 144)) @ weight + shift, y)

    return trained([first, b1, second, b2, weight, shift], loss, x, y)


@work
def conv_first(draw: np.random.Generator) -> Step:
    """a convolution of NCHW images by slices, a stack and a transpose, relu, max pooling"""
    x, y = images(draw, 32, 1, 18, 18), labels(draw, 32)
    kernel, bias = parameter(draw, 9, 8, name="kernel"), parameter(draw, 8, name="bias")
    weight, shift = parameter(draw, 512, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        z = windows_first(x, 3) @ kernel + bias
        z = ag.reshape(ag.permute_dims(z, (0, 2, 1)), (32, 8, 16, 16))
        h = max_pool_first(ag.relu(z))
        return F.cross_entropy(ag.reshape(h, (32, 512)) @ weight + shift, y)

    return trained([kernel, bias, weight, shift], loss, x, y)


@work
def conv_first_twice(draw: np.random.Generator) -> Step:
    """two convolutions of NCHW images by slices, a stack and a transpose, relu, max pooling"""
    x, y = images(draw, 32, 1, 18, 18), labels(draw, 32)
    first, second = parameter(draw, 9, 8, name="first"), parameter(draw, 72, 16, name="second")
    b1, b2 = parameter(draw, 8, name="b1"), parameter(draw, 16, name="b2")
    weight, shift = parameter(draw, 144, 10, name="weight"), parameter(draw, 10, name="shift")

    def convolution(x: Any, kernel: Any, bias: Any) -> Any:
        z = ag.permute_dims(windows_first(x, 3) @ kernel + bias, (0, 2, 1))
        side = x.shape[2] - 2
        return ag.relu(ag.reshape(z, (32, kernel.shape[1], side, side)))

    def loss(x: Any, y: Any) -> ag.Tensor:
        h = max_pool_first(convolution(x, first, b1))
        h = max_pool_first(convolution(h, second, b2))
        return F.cross_entropy(ag.reshape(h, (32, 144)) @ weight + shift, y)

    return trained([first, b1, second, b2, weight, shift], loss, x, y)


@work
def conv_of_channels(draw: np.random.Generator) -> Step:
    """a convolution written as (channels, windows) products: kernel on the left, NCHW, biases on their side"""
    x, y = images(draw, 32, 3, 18, 18), labels(draw, 32)
    kernel, bias = parameter(draw, 8, 27, name="kernel"), parameter(draw, 8, 1, name="bias")
    weight, shift = parameter(draw, 512, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        slices = [x[:, :, i : i + 16, j : j + 16] for i in range(3) for j in range(3)]
        columns = ag.reshape(ag.stack(slices, axis=2), (32, 27, 256))
        z = ag.reshape(ag.relu(kernel @ columns + bias), (32, 8, 16, 16))
        return F.cross_entropy(ag.reshape(max_pool_first(z), (32, 512)) @ weight + shift, y)

    return trained([kernel, bias, weight, shift], loss, x, y)


@work
def conv_by_shifts(draw: np.random.Generator) -> Step:
    """a convolution as a sum of nine products with shifted NHWC images, mean pooling"""
    x, y = images(draw, 32, 18, 18, 4), labels(draw, 32)
    kernel, bias = parameter(draw, 3, 3, 4, 8, name="kernel"), parameter(draw, 8, name="bias")
    weight, shift = parameter(draw, 512, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        z = bias
        for i in range(3):
            for j in range(3):
                z = z + x[:, i : i + 16, j : j + 16] @ kernel[i, j]
        h = ag.mean(ag.reshape(ag.relu(z), (32, 8, 2, 8, 2, 8)), axis=(2, 4))
        return F.cross_entropy(ag.reshape(h, (32, 512)) @ weight + shift, y)

    return trained([kernel, bias, weight, shift], loss, x, y)


@work
def conv_by_indices(draw: np.random.Generator) -> Step:
    """a convolution by one gather with an index array, mean pooling"""
    x, y = images(draw, 32, 18 * 18), labels(draw, 32)
    corner = np.arange(16)[:, None] * 18 + np.arange(16)
    within = (np.arange(3)[:, None] * 18 + np.arange(3)).ravel()
    index = corner.reshape(-1, 1) + within
    kernel, bias = parameter(draw, 9, 8, name="kernel"), parameter(draw, 8, name="bias")
    weight, shift = parameter(draw, 512, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        z = ag.relu(x[:, index] @ kernel + bias)
        h = ag.mean(ag.reshape(z, (32, 8, 2, 8, 2, 8)), axis=(2, 4))
        return F.cross_entropy(ag.reshape(h, (32, 512)) @ weight + shift, y)

    return trained([kernel, bias, weight, shift], loss, x, y)


@work
def patches(draw: np.random.Generator) -> Step:
    """patches of NHWC images by reshape and permute_dims, a layer on each, their mean"""
    x, y = images(draw, 32, 24, 24, 3), labels(draw, 32)
    kernel, bias = parameter(draw, 48, 32, name="kernel"), parameter(draw, 32, name="bias")
    weight, shift = parameter(draw, 32, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        cut = ag.permute_dims(ag.reshape(x, (32, 6, 4, 6, 4, 3)), (0, 1, 3, 2, 4, 5))
        h = ag.tanh(ag.reshape(cut, (32, 36, 48)) @ kernel + bias)
        return F.cross_entropy(ag.mean(h, axis=1) @ weight + shift, y)

    return trained([kernel, bias, weight, shift], loss, x, y)


@work
def pooling(draw: np.random.Generator) -> Step:
    """max and mean pooling over two axes of NHWC and NCHW activations that are trained"""
    x = parameter(draw, 32, 16, 16, 8, name="x")

    def loss() -> ag.Tensor:
        last = ag.reshape(x, (32, 8, 2, 8, 2, 8))
        first = ag.reshape(ag.permute_dims(x, (0, 3, 1, 2)), (32, 8, 8, 2, 8, 2))
        return ag.sum(ag.max(last, axis=(2, 4)) ** 2) + ag.sum(ag.max(first, axis=(3, 5)) * ag.mean(first, axis=(3, 5)))

    return trained([x], loss)


@work
def conv_layers(draw: np.random.Generator) -> Step:
    """two layers Conv2d of nn, relu, MaxPool2d, a layer: what the works by hand are to be beside"""
    x, y = images(draw, 32, 1, 18, 18), labels(draw, 32)
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, seed=0), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, seed=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10, seed=2)),
    )
    return trained(list(net.parameters()), lambda x, y: F.cross_entropy(net(x), y), x, y)


# --- normalisation --------------------------------------------------------------------------------------------------


@work
def batch_norm(draw: np.random.Generator) -> Step:
    """a layer, batch normalisation over the rows, relu, a layer"""
    x, y = images(draw, 64, 64), labels(draw, 64)
    w1, b1 = parameter(draw, 64, 64, name="w1"), parameter(draw, 64, name="b1")
    gain, shift = parameter(draw, 64, name="gain"), parameter(draw, 64, name="shift")
    w2, b2 = parameter(draw, 64, 10, name="w2"), parameter(draw, 10, name="b2")

    def loss(x: Any, y: Any) -> ag.Tensor:
        z = x @ w1 + b1
        centred = z - ag.mean(z, axis=0)
        z = gain * centred / ag.sqrt(ag.mean(centred**2, axis=0) + 1e-5) + shift
        return F.cross_entropy(ag.relu(z) @ w2 + b2, y)

    return trained([w1, b1, gain, shift, w2, b2], loss, x, y)


@work
def batch_norm_first(draw: np.random.Generator) -> Step:
    """batch normalisation of NCHW activations over three axes, relu, mean pooling"""
    x, y = images(draw, 16, 8, 16, 16), labels(draw, 16, 8)
    gain, shift = parameter(draw, 1, 8, 1, 1, name="gain"), parameter(draw, 1, 8, 1, 1, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        centred = x - ag.mean(x, axis=(0, 2, 3), keepdims=True)
        variance = ag.mean(centred * centred, axis=(0, 2, 3), keepdims=True)
        z = ag.relu(centred / ag.sqrt(variance + 1e-5) * gain + shift)
        return F.cross_entropy(ag.mean(z, axis=(2, 3)), y)

    return trained([gain, shift], loss, x, y)


@work
def batch_norm_last(draw: np.random.Generator) -> Step:
    """a 1 by 1 convolution, batch normalisation of NHWC activations over three axes, relu, mean pooling"""
    x, y = images(draw, 16, 16, 16, 8), labels(draw, 16, 8)
    kernel = parameter(draw, 8, 8, name="kernel")
    gain, shift = parameter(draw, 8, name="gain"), parameter(draw, 8, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        z = x @ kernel
        mean, variance = ag.mean(z, axis=(0, 1, 2)), ag.var(z, axis=(0, 1, 2))
        z = ag.relu((z - mean) / ag.sqrt(variance + 1e-5) * gain + shift)
        return F.cross_entropy(ag.mean(z, axis=(1, 2)), y)

    return trained([kernel, gain, shift], loss, x, y)


@work
def layer_norm(draw: np.random.Generator) -> Step:
    """two layers with layer normalisation over the last axis, gelu, a skip connection"""
    x, y = images(draw, 64, 64), labels(draw, 64)
    w1, b1 = parameter(draw, 64, 64, name="w1"), parameter(draw, 64, name="b1")
    gain, shift = parameter(draw, 64, name="gain"), parameter(draw, 64, name="shift")
    w2, b2 = parameter(draw, 64, 10, name="w2"), parameter(draw, 10, name="b2")

    def loss(x: Any, y: Any) -> ag.Tensor:
        centred = x - ag.mean(x, axis=-1, keepdims=True)
        normed = centred / ag.sqrt(ag.mean(centred**2, axis=-1, keepdims=True) + 1e-5) * gain + shift
        z = normed @ w1 + b1
        h = x + 0.5 * z * (1 + ag.tanh(0.79788456 * (z + 0.044715 * z**3)))
        return F.cross_entropy(h @ w2 + b2, y)

    return trained([w1, b1, gain, shift, w2, b2], loss, x, y)


# --- attention ------------------------------------------------------------------------------------------------------


@work
def attention(draw: np.random.Generator) -> Step:
    """softmax attention with four heads in plain operations, split and joined by reshape and permute_dims"""
    x, y = images(draw, 8, 24, 32), images(draw, 8, 24, 32)
    wq, wk, wv, wo = (parameter(draw, 32, 32, name=f"w{part}") for part in "qkvo")

    def heads(z: Any) -> Any:
        return ag.permute_dims(ag.reshape(z, (8, 24, 4, 8)), (0, 2, 1, 3))

    def loss(x: Any, y: Any) -> ag.Tensor:
        q, k, v = heads(x @ wq), heads(x @ wk), heads(x @ wv)
        scores = q @ ag.matrix_transpose(k) / 8**0.5
        scores = ag.exp(scores - ag.max(scores, axis=-1, keepdims=True))
        weights = scores / ag.sum(scores, axis=-1, keepdims=True)
        mixed = ag.reshape(ag.permute_dims(weights @ v, (0, 2, 1, 3)), (8, 24, 32))
        return ag.mean((mixed @ wo - y) ** 2)

    return trained([wq, wk, wv, wo], loss, x, y)


@work
def attention_masked(draw: np.random.Generator) -> Step:
    """causal attention by where, einsum and softmax, with one product for q, k and v, under Adam"""
    x, y = images(draw, 8, 24, 32), images(draw, 8, 24, 32)
    w, wo = parameter(draw, 32, 96, name="w"), parameter(draw, 32, 32, name="wo")
    later = ag.Tensor(np.triu(np.ones((24, 24), bool), 1))

    def loss(x: Any, y: Any) -> ag.Tensor:
        q, k, v = ag.split(x @ w, 3, axis=-1)
        scores = ag.where(later, -1e9, ag.einsum("btd,bsd->bts", q, k) / 32**0.5)
        return ag.mean((ag.einsum("bts,bsd->btd", ag.softmax(scores, axis=-1), v) @ wo - y) ** 2)

    return trained([w, wo], loss, x, y, rule="Adam")


# --- recurrence -----------------------------------------------------------------------------------------------------


@work
def recurrent(draw: np.random.Generator) -> Step:
    """thirty steps of a recurrent net, x[t], the state begins with zeros"""
    x, y = images(draw, 30, 16, 8), labels(draw, 16)
    w, u, b = parameter(draw, 8, 32, name="w"), parameter(draw, 32, 32, name="u"), parameter(draw, 32, name="b")
    weight, shift = parameter(draw, 32, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        h = ag.zeros((16, 32), dtype="float32")
        for t in range(30):
            h = ag.tanh(x[t] @ w + h @ u + b)
        return F.cross_entropy(h @ weight + shift, y)

    return trained([w, u, b, weight, shift], loss, x, y)


@work
def recurrent_columns(draw: np.random.Generator) -> Step:
    """thirty steps of a recurrent net over x[:, t], every output compared, weights as (out, in)"""
    x, y = images(draw, 16, 30, 8), images(draw, 16, 30, 4)
    w, u, b = parameter(draw, 32, 8, name="w"), parameter(draw, 32, 32, name="u"), parameter(draw, 32, name="b")
    weight, shift = parameter(draw, 4, 32, name="weight"), parameter(draw, 4, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        h = ag.zeros((16, 32), dtype="float32")
        outputs = []
        for t in range(30):
            h = ag.tanh(x[:, t] @ w.T + h @ u.T + b)
            outputs.append(h @ weight.T + shift)
        return ag.mean((ag.stack(outputs, axis=1) - y) ** 2)

    return trained([w, u, b, weight, shift], loss, x, y, rule="Adam")


@work
def gated(draw: np.random.Generator) -> Step:
    """ten steps of a net with a cell and three gates, cut from one product"""
    x, y = images(draw, 10, 16, 8), labels(draw, 16)
    w, u, b = parameter(draw, 8, 128, name="w"), parameter(draw, 32, 128, name="u"), parameter(draw, 128, name="b")
    weight, shift = parameter(draw, 32, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(x: Any, y: Any) -> ag.Tensor:
        h, c = ag.zeros((16, 32), dtype="float32"), ag.zeros((16, 32), dtype="float32")
        for t in range(10):
            gates = x[t] @ w + h @ u + b
            i, f, o = (ag.sigmoid(gates[:, k * 32 : k * 32 + 32]) for k in range(3))
            c = f * c + i * ag.tanh(gates[:, 96:])
            h = o * ag.tanh(c)
        return F.cross_entropy(h @ weight + shift, y)

    return trained([w, u, b, weight, shift], loss, x, y)


# --- layers and optimizers ------------------------------------------------------------------------------------------


def _layers(draw: np.random.Generator, sizes: tuple[int, ...], batch: int, transposed: bool, rule: str = "SGD") -> Step:
    x, y = images(draw, batch, sizes[0]), labels(draw, batch, sizes[-1])
    shapes = [(out, into) if transposed else (into, out) for into, out in itertools.pairwise(sizes)]
    weights = [parameter(draw, *shape, name=f"w{i}") for i, shape in enumerate(shapes)]
    biases = [parameter(draw, out, name=f"b{i}") for i, out in enumerate(sizes[1:])]

    def loss(x: Any, y: Any) -> ag.Tensor:
        h: Any = x
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = h @ (w.T if transposed else w) + b
            h = ag.sigmoid(h) if i + 1 < len(weights) else h
        return F.cross_entropy(h, y)

    return trained([*weights, *biases], loss, x, y, rule=rule)


@work
def layers_in_out(draw: np.random.Generator) -> Step:
    """C by hand, 256-30-10 sigmoid, h @ W + b with W as (in, out)"""
    return _layers(draw, (256, 30, 10), 10, transposed=False)


@work
def layers_out_in(draw: np.random.Generator) -> Step:
    """C by hand, 256-30-10 sigmoid, h @ W.T + b with W as (out, in)"""
    return _layers(draw, (256, 30, 10), 10, transposed=True)


@work
def deep_in_out(draw: np.random.Generator) -> Step:
    """D by hand, 256-[128]x16-10 sigmoid, h @ W + b with W as (in, out)"""
    return _layers(draw, (256, *[128] * 16, 10), 64, transposed=False)


@work
def deep_out_in(draw: np.random.Generator) -> Step:
    """D by hand, 256-[128]x16-10 sigmoid, h @ W.T + b with W as (out, in)"""
    return _layers(draw, (256, *[128] * 16, 10), 64, transposed=True)


@work
def adam_in_out(draw: np.random.Generator) -> Step:
    """64-64-64-10 sigmoid under Adam, h @ W + b with W as (in, out)"""
    return _layers(draw, (64, 64, 64, 10), 32, transposed=False, rule="Adam")


@work
def adam_out_in(draw: np.random.Generator) -> Step:
    """64-64-64-10 sigmoid under Adam, h @ W.T + b with W as (out, in)"""
    return _layers(draw, (64, 64, 64, 10), 32, transposed=True, rule="Adam")


@work
def dropout(draw: np.random.Generator) -> Step:
    """two layers with dropout by a drawn mask"""
    x, y = images(draw, 64, 64), labels(draw, 64)
    w1, b1 = parameter(draw, 64, 128, name="w1"), parameter(draw, 128, name="b1")
    w2, b2 = parameter(draw, 128, 10, name="w2"), parameter(draw, 10, name="b2")
    drop = nn.Dropout(0.5, seed=0)

    def loss(x: Any, y: Any) -> ag.Tensor:
        return F.cross_entropy(drop(ag.tanh(x @ w1 + b1)) @ w2 + b2, y)

    return trained([w1, b1, w2, b2], loss, x, y)


@work
def embedding(draw: np.random.Generator) -> Step:
    """rows of a table by an index array, their mean, a layer"""
    words, y = ag.Tensor(draw.integers(500, size=(32, 12))), labels(draw, 32)
    table = parameter(draw, 500, 32, name="table")
    weight, shift = parameter(draw, 32, 10, name="weight"), parameter(draw, 10, name="shift")

    def loss(words: Any, y: Any) -> ag.Tensor:
        return F.cross_entropy(ag.mean(table[words], axis=1) @ weight + shift, y)

    return trained([table, weight, shift], loss, words, y)


@work
def distances(draw: np.random.Generator) -> Step:
    """all distances between two sets of points by broadcasting, log-sum-exp, a penalty on the weights"""
    x, y = images(draw, 64, 8), images(draw, 48, 8)
    w = parameter(draw, 8, 8, name="w")

    def loss(x: Any, y: Any) -> ag.Tensor:
        difference = (x @ w)[:, None, :] - (y @ w)[None, :, :]
        square = ag.sum(difference**2, axis=-1)
        return ag.mean(ag.logsumexp(-square, axis=1)) + 1e-3 * ag.sum(ag.abs(w))

    return trained([w], loss, x, y)


@work
def mixture(draw: np.random.Generator) -> Step:
    """sixteen elementwise calls on one array, cumulative sums, clipping, a norm"""
    x, scale = images(draw, 64, 128), parameter(draw, 128, name="scale")

    def loss(x: Any) -> ag.Tensor:
        z = x * scale
        z = ag.sin(z) * ag.exp(-(z**2)) + ag.log1p(ag.abs(z)) - ag.sqrt(z * z + 1)
        z = ag.clip(z, -1.0, 1.0) + ag.maximum(z, 0.1 * z)
        return ag.linalg.vector_norm(ag.cumulative_sum(z, axis=1)) / 64

    return trained([scale], loss, x)
