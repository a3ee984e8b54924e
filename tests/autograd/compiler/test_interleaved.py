"""Random nets in random use: whatever happens between compiled steps, they go on as eager ones do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import nn
from tests.autograd.compiler.test_training import OPTIMIZERS, SCHEDULES, kept, step_of

few = settings(max_examples=max(3, settings.default.max_examples // 2))  # type: ignore[union-attr]

PARTS: dict[str, Callable[[int], nn.Module]] = {
    "tanh": lambda n: nn.Tanh(),
    "sigmoid": lambda n: nn.Sigmoid(),
    "gelu": lambda n: nn.GELU(),
    "softplus": lambda n: nn.Softplus(),
    "layer norm": lambda n: nn.LayerNorm(n) if n > 1 else nn.Tanh(),
    "dropout": lambda n: nn.Dropout(0.3, seed=n),
}
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross entropy": nn.functional.cross_entropy,
    "mse": lambda z, y: nn.functional.mse_loss(z, nn.functional.one_hot(y, z.shape[-1], dtype=z.dtype)),
    "smooth": lambda z, y: (ag.exp(-z * z) + ag.softplus(z)).mean() + nn.functional.cross_entropy(z, y),
}


@st.composite
def models(draw: st.DrawFn) -> Callable[[], nn.Module]:
    """Nets of one to four layers, with and without biases, activations and normalisation; each call makes the same."""
    sizes = [4, *draw(st.lists(st.sampled_from([1, 2, 3, 8, 33]), max_size=3)), 3]
    biases = [draw(st.booleans()) for _ in sizes]
    parts = [draw(st.lists(st.sampled_from(sorted(PARTS)), max_size=2)) for _ in sizes]

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for i, (m, n) in enumerate(pairwise(sizes)):
            layers.append(nn.Linear(m, n, bias=biases[i], seed=i))
            layers += [PARTS[part](n) for part in parts[i]] if i < len(sizes) - 2 else []
        return nn.Sequential(*layers).to("float64")

    return make


class Side:
    """A model, its optimizer and its steps: once eager, once compiled."""

    def __init__(
        self, make: Callable[[], nn.Module], optimizer: str, losses: list[str], wrap: Callable[[Any], Any]
    ) -> None:
        self.model = make()
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.steps = [wrap(step_of(self.model, self.optimizer, LOSSES[loss])) for loss in losses]
        self.eager = step_of(self.model, self.optimizer, LOSSES[losses[0]])
        self.forward = wrap(self.model)
        self.schedule: Any = None
        self.saved: Any = copy.deepcopy((self.model.state_dict(), self.optimizer.state_dict()))

    @property
    def parameters(self) -> list[Any]:
        return list(self.model.parameters())


def rebind(side: Side, i: int) -> None:
    p = side.parameters[i % len(side.parameters)]
    p.data = np.asfortranarray(p.data) * 0.5


def assign(side: Side, i: int) -> None:
    with ag.no_grad():
        side.parameters[i % len(side.parameters)][...] *= 0.9


def write(side: Side, i: int) -> None:
    side.parameters[i % len(side.parameters)].data[...] += 0.01


def freeze(side: Side, i: int) -> None:
    if len(side.parameters) > 1:
        p = side.parameters[i % len(side.parameters)]
        p.requires_grad_(not p.requires_grad or not any(q.requires_grad for q in side.parameters if q is not p))


def save(side: Side, i: int) -> None:
    side.saved = side.model.state_dict(), side.optimizer.state_dict()


def load(side: Side, i: int) -> None:
    side.model.load_state_dict(side.saved[0])
    side.optimizer.load_state_dict(side.saved[1])


def share(side: Side, i: int) -> None:
    """Two parameters of one shape trade their arrays."""
    p, q = side.parameters[i % len(side.parameters)], side.parameters[0]
    if p.shape == q.shape:
        p.data, q.data = q.data, p.data


def rate(side: Side, i: int) -> None:
    side.optimizer.param_groups[0]["lr"] *= 0.5


def schedule(side: Side, i: int) -> None:
    if side.schedule is None:
        side.schedule = SCHEDULES["cosine"](side.optimizer)
    else:
        side.schedule.step()


def mode(side: Side, i: int) -> None:
    side.model.train(not side.model.training)


def clip(side: Side, i: int) -> None:
    for p in side.parameters:
        p.data = np.clip(p.data, -0.5, 0.5)


def cast(side: Side, i: int) -> None:
    side.model.to("float32").to("float64")


def duplicate(side: Side, i: int) -> None:
    copy.deepcopy((side.model, side.optimizer))


ACTIONS = [rebind, assign, write, freeze, save, load, share, rate, schedule, mode, clip, cast, duplicate]


@few
@given(
    make=models(),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    losses=st.lists(st.sampled_from(sorted(LOSSES)), min_size=1, max_size=2),
    data=st.data(),
)
def test_compiled_steps_go_on_as_eager_ones(
    make: Callable[[], nn.Module], optimizer: str, losses: list[str], data: st.DataObject
) -> None:
    one, other = Side(make, optimizer, losses, lambda f: f), Side(make, optimizer, losses, ag.compile)
    rng = np.random.default_rng(0)
    for i in range(data.draw(st.integers(2, 8))):
        for action in data.draw(st.lists(st.sampled_from(ACTIONS), max_size=2)):
            for side in (one, other):
                action(side, i)
        count = data.draw(st.sampled_from([5, 5, 5, 1, 8]))
        x, y = ag.Tensor(rng.standard_normal((count, 4))), ag.Tensor(rng.integers(0, 3, count))
        kind = data.draw(st.sampled_from(["step", "step", "step", "eager", "forward"]))
        if kind == "eager":
            found = [side.eager(x, y) for side in (one, other)]
            for side in (one, other):
                side.optimizer.zero_grad()
        elif kind == "forward":
            found = [side.forward(x) for side in (one, other)]
        else:
            found = [side.steps[i % len(losses)](x, y) for side in (one, other)]
        np.testing.assert_allclose(found[1].data, found[0].data, rtol=1e-4, atol=1e-6)
        for a, b in zip(kept(one.model, one.optimizer), kept(other.model, other.optimizer), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
