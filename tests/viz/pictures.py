"""The pictures of the gallery, drawn by the public functions alone.

``python -m tests.viz.pictures FOLDER`` draws them as SVG and PNG, to be looked at; names choose some.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz import lesson

F = nn.functional
PICTURES: dict[str, Callable[[], Any]] = {}
"""Functions that return something with a method ``save``, by the name of the picture."""


def picture(draw: Callable[[], Any]) -> Callable[[], Any]:
    """Enter a picture under the function's name."""
    PICTURES[draw.__name__] = draw
    return draw


def numbers(*shape: int, seed: int = 0, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def leaf(value: Any, name: str) -> ag.Tensor:
    """A parameter."""
    return ag.Tensor(value, requires_grad=True, name=name)


def held(value: Any, name: str) -> ag.Tensor:
    """A constant with a name."""
    return ag.Tensor(value, name=name)


def drawn_after_backward(loss: ag.Tensor, **options: Any) -> viz.Picture:
    """The graph of a loss with its gradients."""
    loss.backward()
    return viz.draw_graph(loss, **options)


# ------------------------------------------------------------------------------------------------------------- scalars


@picture
def scalar_neuron() -> Any:
    w, b, x, y = leaf(2.0, "w"), leaf(-1.0, "b"), held(1.0, "x"), held(1.0, "y")
    loss = (ag.sigmoid(w * x + b) - y) ** 2
    loss.name = "L"
    return drawn_after_backward(loss, targets=[y])


@picture
def readme_neuron() -> Any:
    net = nn.MLP([2, 1], output="sigmoid", seed=0, dtype="float64")
    x, y = held([[0.0, 1.0]], "x"), held([[1.0]], "y")
    loss = F.mse_loss(net(x), y)
    return drawn_after_backward(loss, inputs=[x], targets=[y])


@picture
def accumulation() -> Any:
    """One leaf along four paths, two of them parallel."""
    x = leaf(3.0, "x")
    y = x * x + ag.sin(x) - 2 * x
    return drawn_after_backward(y)


@picture
def micrograd() -> Any:
    """The example of micrograd's README."""
    a, b = leaf(-4.0, "a"), leaf(2.0, "b")
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c - a
    d = d + d * 2 + ag.relu(b + a)
    d = d + 3 * d + ag.relu(b - a)
    f = (c - d) ** 2
    g = f / 2.0
    g = g + 10.0 / f
    return drawn_after_backward(g)


@picture
def second_derivative() -> Any:
    w = leaf([0.3, -0.7], "w")
    (slope,) = ag.gradients(ag.sum(ag.sin(w) * w), [w], create_graph=True)
    penalty = ag.sum(slope**2)
    return drawn_after_backward(penalty)


def curvature(x: ag.Tensor) -> ag.Tensor:
    """The second derivative of x²σ(x)."""
    (slope,) = ag.gradients(ag.sum(x * x / (1 + ag.exp(-x))), [x], create_graph=True)
    return ag.gradients(ag.sum(slope), [x], create_graph=True)[0]


@picture
def second_derivative_in_a_column() -> Any:
    return viz.draw_graph(curvature(leaf(0.5, "x")), gradients=True)


@picture
def forward_derivative() -> Any:
    x = leaf([0.5, -1.0], "x")
    _, along = ag.jvp(lambda x: ag.tanh(x) * x, (x,), (held([1.0, 2.0], "v"),))
    return viz.draw_graph(ag.sum(along), gradients=True)


@picture
def own_operation() -> Any:
    @ag.op("softsign", text="{x} / (1 + |{x}|)", tex=r"\frac{{{x}}}{{1 + |{x}|}}", level=2)
    def softsign_of_pictures(xp, x):
        return x / (1 + xp.abs(x))

    softsign_of_pictures.vjp(x=lambda xp, g, x: g / (1 + xp.abs(x)) ** 2)
    loss = ag.mean(softsign_of_pictures(leaf([[-2.0, -0.5], [0.5, 3.0]], "x") * leaf(1.5, "scale")))
    return drawn_after_backward(loss)


@picture
def wrong_rule() -> Any:
    """The check turns one operation red."""

    @ag.op("half")
    def wrong_half_of_pictures(xp, x):
        return x * 0.5

    wrong_half_of_pictures.vjp(x=lambda g: g * 0.6)
    return viz.check_graph(ag.sum(wrong_half_of_pictures(ag.tanh(leaf([1.0, -2.0, 3.0], "x"))) ** 2))


@picture
def not_finite() -> Any:
    """A logarithm of 0, and the gradient behind it."""
    with np.errstate(all="ignore"):
        loss = -ag.sum(ag.log(leaf([0.5, 0.0, 1.5], "p")) * held([0.2, 0.3, 0.5], "target"))
        loss.backward()
        return drawn(viz.draw_graph(loss))


def drawn(shown: Any) -> Any:
    """The picture, drawn at once, as what it needs will be gone."""
    shown.svg()
    return shown


# -------------------------------------------------------------------------------------------------------------- arrays


@picture
def matrix_product() -> Any:
    w, x, b = (
        leaf([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], "W"),
        held([[1.0], [0.0], [2.0]], "x"),
        leaf([[1.0], [-1.0]], "b"),
    )
    loss = ag.sum((w @ x + b) ** 2)
    return drawn_after_backward(loss, inputs=[x])


@picture
def convolution() -> Any:
    x, w = held(np.round(numbers(1, 1, 4, 4), 1), "x"), leaf(np.round(numbers(2, 1, 3, 3, seed=1), 1), "w")
    loss = ag.mean(ag.relu(F.conv2d(x, w, padding=1)) ** 2)
    return drawn_after_backward(loss, inputs=[x])


@picture
def window() -> Any:
    x, w = leaf(np.round(numbers(1, 2, 5, 5), 1), "x"), leaf(np.round(numbers(2, 2, 3, 3, seed=1), 1), "w")
    return viz.plot_window(F.conv2d(x, w, stride=2), at=(0, 1, 0, 1))


@picture
def layer_norm() -> Any:
    layer, x = nn.LayerNorm(3, dtype="float64"), leaf([[1.0, 2.0, 4.0], [0.0, -1.0, 1.0]], "x")
    loss = ag.sum(ag.tanh(layer(x)))
    return drawn_after_backward(loss, inputs=[x])


@picture
def softmax_cross_entropy() -> Any:
    z, y = leaf([[2.0, 1.0, -1.0], [0.0, 0.5, 3.0]], "z"), held([0, 1], "y")
    p = ag.softmax(z)
    p.name = "p"
    loss = F.cross_entropy(z, y) + 0 * ag.sum(p)
    return drawn_after_backward(loss, targets=[y])


@picture
def tape() -> Any:
    w, b, x, y = leaf([[0.5, -1.0]], "w"), leaf([0.1], "b"), held([[1.0, 2.0], [3.0, -1.0]], "x"), held([1.0, 0.0], "y")
    return viz.draw_tape(ag.mean((ag.sigmoid(x @ w.T + b)[:, 0] - y) ** 2), targets=[y])


# ------------------------------------------------------------------------------------------------------------ networks


def classified(dtype: str = "float64") -> tuple[nn.Module, ag.Tensor, ag.Tensor]:
    """A small classifier, its loss and its input."""
    model = nn.MLP([3, 4, 2], "tanh", seed=0, dtype=dtype)
    x = held(np.round(numbers(2, 3), 1), "x")
    return model, F.cross_entropy(model(x), held([0, 1], "y")), x


@picture
def mlp_with_loss() -> Any:
    _, loss, x = classified()
    return viz.draw_graph(loss, inputs=[x], gradients=False)


@picture
def mlp_after_backward() -> Any:
    _, loss, x = classified()
    return drawn_after_backward(loss, inputs=[x])


@picture
def training_difference() -> Any:
    model, loss, _ = classified()
    loss.backward()
    before = viz.snapshot(loss)
    nn.optim.SGD(model.parameters(), 0.5).step()
    return viz.diff(before, loss)


def digit(count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    data = nn.data.digits()
    return data.x_test[:count], data.y_test[:count]


@picture
def neurons() -> Any:
    x, y = digit()
    return viz.draw_network(
        nn.MLP([256, 12, 10], "relu", seed=0), x[0], int(y[0]), loss=F.cross_entropy, image=(16, 16)
    )


@picture
def module_table() -> Any:
    x, y = digit(8)
    model = nn.MLP([256, 64, 32, 10], "relu", seed=0, norm="layer")
    loss = F.cross_entropy(model(held(x, "x")), y)
    loss.backward()
    return viz.draw_modules(loss)


@picture
def deep_mlp() -> Any:
    """Twenty layers of sigmoid, in which the gradient vanishes."""
    x, y = digit(8)
    loss = F.cross_entropy(nn.MLP([256, *[24] * 20, 10], "sigmoid", seed=0)(x), y)
    return drawn_after_backward(loss)


@picture
def lenet() -> Any:
    model = nn.models.lenet5(seed=0)
    loss = F.cross_entropy(model(held(numbers(2, 1, 28, 28, dtype="float32"), "x")), np.array([3, 5]))
    return drawn_after_backward(loss)


@picture
def resnet18() -> Any:
    model = nn.models.resnet18(10, seed=0, small=True)
    loss = F.cross_entropy(model(held(numbers(2, 3, 16, 16, dtype="float32"), "x")), np.array([3, 5]))
    return drawn_after_backward(loss)


@picture
def resnet152() -> Any:
    return viz.draw_model(nn.models.resnet152(seed=0).eval(), (1, 3, 224, 224))


@picture
def googlenet() -> Any:
    return viz.draw_model(nn.models.googlenet(seed=0, aux=False).eval(), (1, 3, 224, 224))


@picture
def autoencoder() -> Any:
    encoder, decoder = nn.MLP([6, 4, 2], "tanh", seed=0), nn.MLP([2, 4, 6], "tanh", seed=1)
    x = held(numbers(3, 6, dtype="float32"), "x")
    loss = F.mse_loss(nn.Sequential({"encoder": encoder, "decoder": decoder})(x), x)
    return drawn_after_backward(loss, inputs=[x])


@picture
def variational() -> Any:
    """A variational autoencoder, with its draw."""
    rng = np.random.default_rng(0)
    encoder, decoder = nn.Linear(4, 4, seed=0), nn.Linear(2, 4, seed=1)
    x = held(numbers(2, 4, dtype="float32"), "x")
    code = encoder(x)
    mean, log_var = code[:, :2], code[:, 2:]
    noise = ag.random.normal((2, 2), generator=rng, dtype="float32")
    z = mean + ag.exp(0.5 * log_var) * noise
    z.name, mean.name, log_var.name = "z", "mean", "log σ²"
    divergence = -0.5 * ag.mean(1 + log_var - mean**2 - ag.exp(log_var))
    loss = F.mse_loss(decoder(z), x) + divergence
    return drawn_after_backward(loss, inputs=[x])


@picture
def gan() -> Any:
    """The generator's loss, through the discriminator."""
    generator, discriminator = nn.MLP([2, 4, 2], "relu", seed=0), nn.MLP([2, 4, 1], "relu", seed=1)
    noise = held(numbers(3, 2, dtype="float32"), "noise")
    both = nn.Sequential({"generator": generator, "discriminator": discriminator.requires_grad_(False)})
    loss = F.binary_cross_entropy_with_logits(both(noise), np.ones((3, 1), "float32"))
    return drawn_after_backward(loss, inputs=[noise])


@picture
def attention() -> Any:
    x = held(np.round(numbers(1, 3, 4), 1), "x")
    layer = nn.MultiheadAttention(4, 2, batch_first=True, seed=0, dtype="float64")
    return drawn_after_backward(ag.mean(layer(x, x, x)[0] ** 2), inputs=[x])


@picture
def transformer_layer() -> Any:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, dropout=0.0, seed=0)
    loss = ag.mean(layer(held(numbers(1, 5, 8, dtype="float32"), "x")) ** 2)
    return drawn_after_backward(loss)


@picture
def lstm() -> Any:
    model = nn.models.RowRecurrent((12, 3), 2, "lstm", 4, seed=0)
    return viz.draw_loop(F.cross_entropy(model(held(numbers(2, 36, dtype="float32"), "x")), np.array([0, 1])))


@picture
def gru() -> Any:
    """A GRU with its gates, the states of all steps, and the last."""
    x = held(np.round(numbers(4, 1, 2), 1), "x")
    states, last = nn.GRU(2, 3, seed=0, dtype="float64")(x)
    return drawn_after_backward(ag.sum(states**2) + ag.sum(last), inputs=[x])


@picture
def char_rnn() -> Any:
    model = nn.models.char_rnn(27, "lstm", 8, 16, 2, seed=0)
    tokens = np.random.default_rng(0).integers(0, 27, (2, 7))
    logits, _ = model(tokens[:, :-1])
    loss = F.cross_entropy(ag.reshape(logits, shape=(-1, logits.shape[-1])), tokens[:, 1:].reshape(-1))
    return drawn_after_backward(loss)


@picture
def scan() -> Any:
    w, xs = leaf(0.8, "w"), held(np.round(numbers(9), 1), "x")

    def step(h: ag.Tensor, x: ag.Tensor) -> tuple[ag.Tensor, ag.Tensor]:
        h = ag.tanh(w * h + x)
        return h, h

    last, _ = ag.scan(step, ag.Tensor(0.1), xs)
    return viz.draw_loop((last - 1) ** 2)


@picture
def experts() -> Any:
    """A mixture of three experts, weighted by a gate."""

    class Mixture(nn.Module):
        def __init__(self) -> None:
            self.gate = nn.Linear(4, 3, seed=0)
            self.experts = nn.ModuleList(nn.MLP([4, 6, 2], "gelu", seed=1 + i) for i in range(3))

        def forward(self, x: Any) -> ag.Tensor:
            weights = ag.softmax(self.gate(x))
            outputs = ag.stack([expert(x) for expert in self.experts], axis=1)
            return ag.sum(weights[:, :, None] * outputs, axis=1)

    loss = F.cross_entropy(Mixture()(held(numbers(5, 4, dtype="float32"), "x")), np.array([0, 1, 1, 0, 1]))
    return drawn_after_backward(loss, depth=2)


@picture
def onnx_network() -> Any:
    """A file that `nn.save_onnx` wrote."""
    model = nn.load_onnx(Path(__file__).parents[1] / "promises" / "files" / "convolutional.onnx")
    loss = ag.mean(model(held(numbers(2, 1, 8, 8, dtype="float32"), "x")) ** 2)
    return drawn_after_backward(loss)


@picture
def onnx_transformer() -> Any:
    model = nn.load_onnx(Path(__file__).parents[1] / "promises" / "files" / "transformer.onnx")
    loss = ag.mean(model(held(numbers(2, 12, dtype="float32"), "x")) ** 2)
    return viz.draw_graph(loss)


# ------------------------------------------------------------------------------------------------------------ programs


def step_of(optimizer: Callable[[Any], nn.optim.Optimizer], *sizes: int) -> Any:
    """The program of a training step."""
    model = nn.MLP(sizes or [2, 4, 2], "tanh", seed=0)
    chosen = optimizer(model.parameters())

    @ag.compile
    def step(x: Any, y: Any) -> ag.Tensor:
        chosen.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        chosen.step()
        return loss

    step(ag.Tensor(numbers(3, 2, dtype="float32")), ag.Tensor([0, 1, 1]))
    return step.programs[0]


@picture
def program() -> Any:
    return viz.draw_graph(step_of(lambda p: nn.optim.SGD(p, 0.1)))


@picture
def program_difference() -> Any:
    made = step_of(lambda p: nn.optim.SGD(p, 0.1, 0.9))
    return viz.diff(made, made.optimized())


# --------------------------------------------------------------------------------------------------------------- names


@picture
def hostile_names() -> Any:
    names = [
        "\"quoted\" 'twice'",
        "<script>alert(1)</script>",
        "back\\slash\\n",
        "&amp; & <b>",
        "x" * 120,
        "{a|b} #[0]",
    ]
    loss = ag.sum(ag.stack([leaf(float(i), name) for i, name in enumerate(names)]) ** 2)
    return drawn_after_backward(loss, title='a title with <b>, & and "')


@picture
def chinese() -> Any:
    lesson.speak("zh")
    try:
        w, x, y = leaf([[0.5, -1.0]], "权重"), held([[1.0], [2.0]], "输入"), held(1.0, "目标")
        loss = ag.mean((ag.tanh(w @ x) - y) ** 2)
        loss.name = "损失"
        loss.backward()
        return drawn(viz.draw_graph(loss, inputs=[x], targets=[y], title="一个神经元"))
    finally:
        lesson.speak("en")


# ------------------------------------------------------------------------------------------------------------- writing


if __name__ == "__main__":
    folder, *chosen = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in chosen or PICTURES:
        shown = PICTURES[name]()
        print(shown.save(Path(folder) / f"{name}.svg"), shown.save(Path(folder) / f"{name}.png"), flush=True)
