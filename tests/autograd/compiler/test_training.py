"""Whole training steps, compiled, against the same steps run eagerly: 100 of them, on two copies of a model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.optim import SGD, Adam, AdamW, RMSprop
from tests.autograd.compiler.oracle import traces

OPTIMIZERS: dict[str, Callable[[Any], nn.optim.Optimizer]] = {
    "SGD": lambda p: SGD(p, lr=0.1),
    "SGD momentum": lambda p: SGD(p, lr=0.05, momentum=0.9),
    "SGD nesterov": lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "SGD weight decay": lambda p: SGD(p, lr=0.1, weight_decay=0.01),
    "SGD all": lambda p: SGD(p, lr=0.05, momentum=0.8, weight_decay=0.01, nesterov=True),
    "Adam": lambda p: Adam(p, lr=0.01),
    "Adam all": lambda p: Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.01),
    "AdamW": lambda p: AdamW(p, lr=0.01, weight_decay=0.1),
    "RMSprop": lambda p: RMSprop(p, lr=0.005),
    "RMSprop momentum": lambda p: RMSprop(p, lr=0.005, momentum=0.9, weight_decay=0.01),
    "RMSprop centered": lambda p: RMSprop(p, lr=0.005, alpha=0.9, centered=True),
    "RMSprop all": lambda p: RMSprop(p, lr=0.005, alpha=0.9, momentum=0.5, weight_decay=0.01, centered=True),
}


def batches(count: int, dtype: str = "float64", seed: int = 0) -> list[tuple[ag.Tensor, ag.Tensor]]:
    """``count`` batches of 8 samples with 5 features, and their labels, 0 to 2."""
    rng = np.random.default_rng(seed)
    return [
        (ag.Tensor(rng.standard_normal((8, 5)), dtype=dtype), ag.Tensor(rng.integers(0, 3, 8))) for _ in range(count)
    ]


def step_of(
    model: nn.Module, optimizer: nn.optim.Optimizer, loss_of: Any = nn.functional.cross_entropy
) -> Callable[..., ag.Tensor]:
    """A training step as one writes it."""

    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss  # type: ignore[no-any-return]

    return step


def kept(model: nn.Module, optimizer: nn.optim.Optimizer) -> list[Any]:
    """Everything that a training changes."""
    states = [t.data for group in optimizer.param_groups for p in group["params"] for t in optimizer.state[p].values()]
    return [t.data for t in model.state_dict().values()] + states


def compare(
    make_model: Callable[[], nn.Module],
    make_optimizer: Callable[[Any], nn.optim.Optimizer],
    steps: int = 100,
    dtype: str = "float64",
    loss_of: Any = nn.functional.cross_entropy,
    between: Callable[[int, nn.Module, nn.optim.Optimizer], Any] = lambda i, model, optimizer: None,
    data: Any = None,
    tolerance: float = 0.0,
) -> list[Any]:
    """Train two equal models, one eagerly and one compiled; the compiled function and both models with optimizers."""
    pairs = []
    for _ in range(2):
        model = make_model().to(dtype)
        pairs.append((model, make_optimizer(model.parameters())))
    eager = step_of(*pairs[0], loss_of)
    compiled = ag.compile(step_of(*pairs[1], loss_of))
    tolerance = tolerance or (1e-10 if dtype == "float64" else 2e-4)
    for i, (x, y) in enumerate(data or batches(steps, dtype)):
        for pair in pairs:
            between(i, *pair)
        one, other = eager(x, y), compiled(x, y)
        assert one.dtype == other.dtype
        np.testing.assert_allclose(other.data, one.data, rtol=tolerance, atol=tolerance)
    for one, other in zip(kept(*pairs[0]), kept(*pairs[1]), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
    return [compiled, *pairs]


def mlp() -> nn.Module:
    return nn.MLP([5, 7, 3], seed=0)


class Numbered(nn.Module):
    """With a parameter of shape (), whose array is not an array in NumPy's eyes."""

    def __init__(self) -> None:
        self.inner, self.scale = nn.Linear(5, 3, seed=0), nn.Parameter(2.0)

    def forward(self, x: Any) -> Any:
        return self.inner(x) * self.scale


class Branches(nn.Module):
    """Layers whose sums meet, as a recurrent network's: their biases have one gradient."""

    def __init__(self) -> None:
        self.of_input, self.of_state = nn.Linear(5, 7, seed=0), nn.Linear(7, 7, seed=1)
        self.other, self.last = nn.Linear(5, 7, seed=2), nn.Linear(7, 3, seed=3)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        h = ag.tanh(self.of_input(x) + self.other(x * 0.5))
        for _ in range(2):
            h = ag.tanh(self.of_input(x) + self.of_state(h))
        return self.last(h)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("make", "steps", "dtype"),
    [(mlp, 100, "float64"), (mlp, 100, "float32"), (Numbered, 20, "float64"), (Branches, 10, "float64")],
)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_many_steps(name: str, make: Any, steps: int, dtype: str) -> None:
    compiled, *_ = compare(make, OPTIMIZERS[name], steps, dtype)
    assert len(compiled.programs) == 1


def test_groups_with_options_of_their_own() -> None:
    def optimizer(parameters: Any) -> Adam:
        first, *others = parameters
        return Adam(
            [{"params": [first], "lr": 0.1, "weight_decay": 0.1}, {"params": others, "betas": (0.5, 0.9)}], lr=0.01
        )

    compare(mlp, optimizer, 30)


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(lambda: [nn.LayerNorm(7)], id="layer norm"),
        pytest.param(lambda: [nn.BatchNorm1d(7)], id="batch norm"),
        pytest.param(lambda: [nn.Tanh(), nn.Dropout(0.4, seed=3)], id="tanh and dropout"),
        pytest.param(lambda: [nn.GELU(), nn.Dropout(0.2, seed=3), nn.LayerNorm(7), nn.Dropout(0.1, seed=4)], id="all"),
        pytest.param(lambda: [nn.ReLU(), nn.Softplus(), nn.LeakyReLU(), nn.Sigmoid(), nn.Softmax()], id="activations"),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layers(layers: Callable[[], list[nn.Module]], dtype: str) -> None:
    """Batch statistics move, and dropout draws the same numbers from the same generator, in the same order."""

    def model() -> nn.Module:
        return nn.Sequential(nn.Linear(5, 7, bias=False, seed=0), *layers(), nn.Linear(7, 3, seed=1))

    compare(model, OPTIMIZERS["Adam"], 30, dtype)


def test_a_mode_switched_back_uses_the_earlier_program() -> None:
    model = nn.Sequential(nn.Linear(5, 7, seed=0), nn.BatchNorm1d(7), nn.Linear(7, 3, seed=1)).to("float64")
    step = ag.compile(step_of(model, SGD(model.parameters(), lr=0.1)))

    @ag.compile
    def forward(x: ag.Tensor) -> ag.Tensor:
        return model(x)  # type: ignore[no-any-return]

    step(*batches(1)[0])
    with traces() as count:
        for x, y in batches(5):
            step(x, y)
            forward(x)
            model.eval()
            np.testing.assert_allclose(forward(x).data, model(x).data, rtol=1e-10)
            model.train()
        assert count() == 2
        model[1] = nn.Tanh()
        np.testing.assert_allclose(forward(x).data, model(x).data, rtol=1e-10)
        assert count() == 3


def test_an_option_that_always_changes_is_warned_of() -> None:
    class Named(nn.Module):
        kind = ""

        def forward(self, x: ag.Tensor) -> Any:
            return ag.tanh(x) if self.kind == "tanh" else x

    model = Named()
    forward = ag.compile(model)
    x = batches(1, "float32")[0][0]
    for i in range(63):
        model.kind = f"{i}"
        forward(x)
    model.kind = "63"
    with pytest.warns(UserWarning, match="Named was traced 64 times, now because of Named.kind"):
        forward(x)
    model.kind = "tanh"
    np.testing.assert_allclose(forward(x).data, model(x).data, rtol=1e-5)


def test_a_step_that_switches_modes_itself() -> None:
    """It leaves the mode that the function leaves."""

    def make() -> tuple[nn.Module, Callable[..., Any]]:
        model = nn.Sequential(nn.Linear(5, 7, seed=0), nn.BatchNorm1d(7), nn.Linear(7, 3, seed=1)).to("float64")
        train = step_of(model, SGD(model.parameters(), lr=0.1))

        def step(x: ag.Tensor, y: ag.Tensor) -> Any:
            model.train()
            loss = train(x, y)
            was = model[1].training
            model.eval()
            after = nn.functional.cross_entropy(model(x), y)
            model[0].train(was)
            return loss, after

        return model, step

    (one, eager), (other, step) = make(), make()
    compiled = ag.compile(step)
    for i, (x, y) in enumerate(batches(4)):
        for a, b in zip(compiled(x, y), eager(x, y), strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-10)
        assert [m.training for m in other.modules()] == [m.training for m in one.modules()]
        if i > 1:
            other.train(i % 2 == 0)


@pytest.mark.parametrize(("option", "value"), [("momentum", 0.5), ("weight_decay", 0.1), ("nesterov", True)], ids=str)
def test_a_changed_option_takes_effect(option: str, value: Any) -> None:
    def between(i: int, model: nn.Module, optimizer: nn.optim.Optimizer) -> None:
        if i == 5:
            optimizer.param_groups[0][option] = value

    compare(mlp, OPTIMIZERS["SGD momentum"], 10, between=between)


def test_batches_of_several_sizes() -> None:
    """The last batch of an epoch is smaller: a second program, on the same states."""
    full, rest = batches(6), [(x[:3], y[:3]) for x, y in batches(6, seed=1)]
    data = [batch for pair in zip(full, rest, strict=True) for batch in pair]
    compiled, *_ = compare(mlp, OPTIMIZERS["Adam"], data=data)
    assert len(compiled.programs) == 2


def test_parts_of_a_model_that_are_replaced() -> None:
    model = nn.Sequential(nn.Linear(5, 4, seed=0), nn.Tanh(), nn.Linear(4, 3, seed=1), nn.BatchNorm1d(3)).eval()
    compiled = ag.compile(model)
    x = batches(1, "float32")[0][0]

    def shorten() -> None:
        del model[0].bias
        model[0].bias = None

    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: setattr(model[0], "weight", nn.Parameter(np.ones((4, 5), "float32"))),
        lambda: model.__setitem__(1, nn.ReLU()),
        lambda: model.append(nn.Sigmoid()),
        lambda: setattr(model[2], "bias", None),
        lambda: setattr(model[3], "running_mean", ag.ones(3, dtype="float32")),
        shorten,
    ]
    with ag.no_grad():
        for change in changes:
            change()
            np.testing.assert_allclose(compiled(x).data, model(x).data, rtol=1e-5)
            program = compiled.programs[0]
            nn.MLP([2, 2])  # another model is none of its business
            compiled(x)
            assert compiled.programs[0] is program


def test_loaded_and_rebound_parameters() -> None:
    """Whatever gives parameters other arrays between two calls: the next call starts from these."""
    rng = np.random.default_rng(0)
    values = {name: rng.standard_normal(t.shape) for name, t in mlp().state_dict().items()}

    def between(i: int, model: nn.Module, optimizer: nn.optim.Optimizer) -> None:
        first = next(model.parameters())
        if i == 3:
            model.load_state_dict(values)
        elif i == 6:
            first.data = np.ones(first.shape)
        elif i == 9:
            first.data = np.full(first.shape, 0.5)
        elif i == 12:
            with ag.no_grad():
                first[0] = 3.0
        elif i == 15:
            with ag.no_grad():
                first *= 0.5
        elif i == 18:
            first.data = np.asfortranarray(np.full(first.shape, 0.25))
        elif i == 21:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    compare(mlp, OPTIMIZERS["SGD momentum"], 24, between=between)


def test_a_model_cast_between_calls() -> None:
    """What the optimizer accumulated follows the parameters."""

    def between(i: int, model: nn.Module, optimizer: nn.optim.Optimizer) -> None:
        if i in (5, 10):
            model.to("float64" if i == 10 else "float32")

    data = [(x.astype("float32") if 5 <= i < 10 else x, y) for i, (x, y) in enumerate(batches(15))]
    for name in ("Adam", "SGD momentum"):
        pairs = compare(mlp, OPTIMIZERS[name], data=data, between=between, tolerance=1e-5)[1:]
        assert all(array.dtype == "float64" for pair in pairs for array in kept(*pair))


def test_a_gradient_that_is_gone_when_the_arrays_of_the_states_are_others() -> None:
    w = ag.Tensor(2.0, requires_grad=True)
    step = ag.compile(lambda x: (w * w * x).sum().backward())
    for expected in (8.0, 16.0):  # the second program adds to the gradient of the first
        step(ag.ones(2))
        assert w.grad.item() == expected
    w.data, w.grad = np.array(3.0), None
    step(ag.ones(2))
    assert w.grad.item() == 12.0


def test_a_read_only_parameter() -> None:
    """It gets a home of its own."""
    model = nn.Linear(5, 3, seed=0, dtype="float64")
    model.weight.data = np.broadcast_to(np.float64(0.125), (3, 5))
    step = ag.compile(step_of(model, SGD(model.parameters(), lr=0.1)))
    before = model.weight.data
    losses = [step(x, y).item() for x, y in batches(1) * 10]
    assert losses[-1] < losses[0]
    assert (before == 0.125).all()


@pytest.mark.parametrize("scale", [float("inf"), float("nan"), 1e308, 0.0])
def test_scales_that_are_no_ordinary_numbers(scale: float) -> None:
    """The learning rate meets them in the source as Python's numbers."""
    with np.errstate(all="ignore"):
        compare(mlp, OPTIMIZERS["SGD"], 2, loss_of=lambda z, y: nn.functional.cross_entropy(z, y) * scale)


def test_a_batch_of_no_samples() -> None:
    data = [(ag.zeros((0, 5)), ag.Tensor(np.zeros(0, dtype=int)))]
    compare(mlp, OPTIMIZERS["Adam"], data=data * 2, loss_of=lambda z, y: (z * z).sum())
    model = mlp().to("float64")
    with pytest.raises(ag.errors.ShapeError, match="cross_entropy was given an empty batch"):
        ag.compile(step_of(model, SGD(model.parameters())))(*data[0])
