"""Training as users write it: 26 recipes, each with four networks and optimizers. Compiled they give what they give
eagerly, or a sentence that helps (`REFUSED`).
"""

import copy

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import TraceError
from glassgrad.nn import functional as F
from glassgrad.nn.optim import lr_scheduler
from tests.sampling import waiting

OPTIONS = {"seed": 0, "dtype": "float64"}
NETWORKS = {
    "tanh, SGD": (lambda: nn.MLP([3, 5, 2], "tanh", **OPTIONS), lambda ps: nn.optim.SGD(ps, lr=0.1, momentum=0.9)),
    "batch norm, Adam": (lambda: nn.MLP([3, 5, 2], norm="batch", **OPTIONS), lambda ps: nn.optim.Adam(ps, lr=0.02)),
    "layer norm, AdamW": (lambda: nn.MLP([3, 5, 2], norm="layer", **OPTIONS), lambda ps: nn.optim.AdamW(ps, lr=0.02)),
    "dropout, RMSprop": (
        lambda: nn.MLP([3, 5, 5, 2], dropout=0.2, **OPTIONS),
        lambda ps: nn.optim.RMSprop(ps, lr=0.01, centered=True),
    ),
}


class Script:
    """A network ``net``, its optimizer, the data, and the way in which steps are compiled."""

    def __init__(self, network, compiled):
        self.build, self.optimizer_of = NETWORKS[network]
        self.compiled, self.rng, self.generator = compiled, np.random.default_rng(1), np.random.default_rng(2)
        self.net = self.build()
        self.optimizer = self.optimizer_of(self.net.parameters())

    def batch(self, n=6):
        return ag.Tensor(self.rng.standard_normal((n, 3))), ag.Tensor(self.rng.standard_normal((n, 2)))

    def loss(self, x, y):
        return F.mse_loss(self.net(x), y)

    def backward(self, loss, optimizer=None):
        optimizer = optimizer or self.optimizer
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def compiled_step(self):
        return self.compiled(lambda x, y: self.backward(self.loss(x, y)))

    def trained(self, step, count=4):
        """The results of some calls."""
        return [step(*self.batch()) for _ in range(count)]


RECIPES = {}
REFUSED = {}


def recipe(function):
    RECIPES[function.__name__] = function
    return function


def refused(sentence):
    def register(function):
        REFUSED[function.__name__] = sentence
        return recipe(function)

    return register


@recipe
def accumulation_over_calls(s):
    @s.compiled
    def add(x, y):
        loss = s.loss(x, y) / 2
        loss.backward()
        return loss

    for i in range(6):
        yield add(*s.batch())
        if i % 2:
            s.optimizer.step()
            s.optimizer.zero_grad()


@recipe
def accumulation_in_a_step(s):
    @s.compiled
    def step(batches):
        s.optimizer.zero_grad()
        losses = [s.loss(x, y) / len(batches) for x, y in batches]
        for loss in losses:
            loss.backward()
        s.optimizer.step()
        return sum(losses)

    return [step([s.batch(), s.batch()]) for _ in range(4)]


@recipe
def clipped_gradients(s):
    @s.compiled
    def step(x, y):
        s.optimizer.zero_grad()
        loss = s.loss(x, y)
        loss.backward()
        norm = nn.optim.clip_grad_norm_(s.net.parameters(), 0.1)
        s.optimizer.step()
        return loss, norm

    return s.trained(step)


@recipe
def clipped_weights(s):
    @s.compiled
    def step(x, y):
        loss = s.backward(s.loss(x, y))
        with ag.no_grad():
            for p in s.net.parameters():
                p[...] = ag.clip(p, min=-0.3, max=0.3)
        return loss

    return [*s.trained(step), step(*s.batch(4)), step(*s.batch())]


@recipe
def averaged_weights(s):
    average = copy.deepcopy(s.net)

    @s.compiled
    def step(x, y):
        loss = s.backward(s.loss(x, y))
        with ag.no_grad():
            for a, p in zip(average.parameters(), s.net.parameters(), strict=True):
                a.data = 0.9 * a.data + 0.1 * p.data
        return loss

    return s.trained(step), [p.data for p in average.parameters()]


@recipe
def tied_weights(s):
    encoder, decoder = nn.Linear(3, 4, **OPTIONS), nn.Linear(4, 3, **OPTIONS)
    optimizer = s.optimizer_of([*encoder.parameters(), decoder.bias])

    @s.compiled
    def step(x, y):
        return s.backward(F.mse_loss(ag.tanh(encoder(x)) @ encoder.weight + decoder.bias, x), optimizer)

    return s.trained(step), encoder.weight.data, decoder.bias.data


@recipe
def frozen_between_calls(s):
    step = s.compiled_step()
    first = next(iter(s.net.parameters()))
    for frozen in (False, True, False):
        s.optimizer.zero_grad()
        first.requires_grad_(not frozen)
        yield s.trained(step, 2), first.data.copy()


@recipe
def schedule(s):
    step, plan = s.compiled_step(), lr_scheduler.StepLR(s.optimizer, 1, gamma=0.5)
    for _ in range(4):
        yield step(*s.batch())
        plan.step()


@refused("sets 'lr' of an optimizer while the function is traced")
def schedule_in_a_step(s):
    def step(x, y):
        s.optimizer.param_groups[0]["lr"] *= 0.9
        return s.backward(s.loss(x, y))

    return s.trained(s.compiled(step))


@recipe
def rate_as_an_argument(s):
    @s.compiled
    def step(x, y, rate):
        s.optimizer.zero_grad()
        loss = s.loss(x, y)
        loss.backward()
        with ag.no_grad():
            for p in s.net.parameters():
                p -= rate * p.grad
        return loss

    return [step(*s.batch(), 0.1 * 0.5**i) for i in range(4)]


@recipe
def groups(s):
    *first, last = s.net.parameters()
    s.optimizer = nn.optim.SGD([{"params": first, "weight_decay": 0.1}, {"params": [last], "lr": 0.5}], lr=0.01)
    step = s.compiled_step()
    yield s.trained(step)
    s.optimizer.zero_grad()
    s.optimizer.param_groups[0]["params"].pop()
    yield s.trained(step)


def critic_and_labels(s):
    critic = nn.MLP([2, 4, 1], "tanh", seed=1, dtype="float64")
    return critic, s.optimizer_of(critic.parameters()), F.binary_cross_entropy_with_logits


@recipe
def adversaries_in_one_step(s):
    critic, optimizer, judged = critic_and_labels(s)

    @s.compiled
    def step(x, y):
        fake = s.net(x)
        real, wrong = critic(y), critic(fake.detach())
        of_critic = s.backward(judged(real, ag.ones_like(real)) + judged(wrong, ag.zeros_like(wrong)), optimizer)
        for p in critic.parameters():
            p.requires_grad_(False)
        deceived = critic(fake)
        loss = s.backward(judged(deceived, ag.ones_like(deceived)))
        for p in critic.parameters():
            p.requires_grad_(True)
        return of_critic, loss

    return s.trained(step), [p.data for p in critic.parameters()]


@recipe
def model_agnostic(s):
    names, weights = zip(*s.net.named_parameters(), strict=True)

    @s.compiled
    def step(x, y):
        slopes = ag.gradients(s.loss(x, y), weights, create_graph=True)
        adapted = {name: w - 0.1 * g for name, w, g in zip(names, weights, slopes, strict=True)}
        return s.backward(F.mse_loss(nn.functional_call(s.net, adapted, y @ ag.ones((2, 3))), y))

    return s.trained(step)


@recipe
def gradient_penalty(s):
    critic, optimizer, _ = critic_and_labels(s)

    @s.compiled
    def step(x, y):
        fake = s.net(x).detach()
        share = ag.random.uniform((x.shape[0], 1), generator=s.generator)
        between = (share * y + (1 - share) * fake).requires_grad_(True)
        (slope,) = ag.gradients(critic(between).sum(), [between], create_graph=True)
        penalty = ((ag.sqrt((slope**2).sum(axis=1)) - 1) ** 2).mean()
        return s.backward(critic(fake).mean() - critic(y).mean() + 10 * penalty, optimizer)

    return s.trained(step), [p.data for p in critic.parameters()]


@recipe
def sharpness_aware(s):
    @s.compiled
    def step(x, y):
        s.optimizer.zero_grad()
        s.loss(x, y).backward()
        moves = [0.05 * p.grad.detach() for p in s.net.parameters()]
        with ag.no_grad():
            for p, move in zip(s.net.parameters(), moves, strict=True):
                p += move
        s.optimizer.zero_grad()
        loss = s.loss(x, y)
        loss.backward()
        with ag.no_grad():
            for p, move in zip(s.net.parameters(), moves, strict=True):
                p -= move
        s.optimizer.step()
        return loss

    return s.trained(step)


@recipe
def looking_ahead(s):
    slow = [p.detach().clone() for p in s.net.parameters()]

    @s.compiled
    def step(x, y, synchronize):
        loss = s.backward(s.loss(x, y))
        if synchronize:
            with ag.no_grad():
                for a, p in zip(slow, s.net.parameters(), strict=True):
                    a += 0.5 * (p - a)
                    p[...] = a
        return loss

    return [step(*s.batch(), i % 3 == 2) for i in range(7)]


@recipe
def carried_state(s):
    cell = nn.GRUCell(3, 4, **OPTIONS)
    optimizer = s.optimizer_of(cell.parameters())

    @s.compiled
    def step(x, h):
        after = cell(x, h)
        return s.backward((after**2).mean(), optimizer), after.detach()

    h = ag.zeros((6, 4))
    for _ in range(4):
        loss, h = step(s.batch()[0], h)
        yield loss, h


@recipe
def resumed(s):
    yield s.trained(s.compiled_step())
    saved = copy.deepcopy((s.net.state_dict(), s.optimizer.state_dict()))
    step = s.compiled_step()
    yield s.trained(step)
    s.net.load_state_dict(saved[0])
    s.optimizer.load_state_dict(saved[1])
    yield s.trained(step)
    s.net = s.build()
    s.optimizer = s.optimizer_of(s.net.parameters())
    s.net.load_state_dict(saved[0])
    s.optimizer.load_state_dict(saved[1])
    yield s.trained(step)


@recipe
def evaluated_in_between(s):
    step, loss = s.compiled_step(), s.compiled(s.loss)
    for _ in range(3):
        yield s.trained(step, 2)
        s.net.eval()
        with ag.no_grad():
            yield loss(*s.batch(5))
        s.net.train()


@recipe
def target_network(s):
    target = copy.deepcopy(s.net).eval()

    @s.compiled
    def step(x, y):
        with ag.no_grad():
            best = ag.max(target(x), axis=1)
        return s.backward(F.huber_loss(s.net(x)[:, 0], y[:, 0] + 0.9 * best))

    for _ in range(3):
        yield s.trained(step, 2)
        target.load_state_dict(s.net.state_dict())


@recipe
def penalties_and_noise(s):
    @s.compiled
    def step(x, y):
        s.optimizer.zero_grad()
        loss = s.loss(x, y) + 1e-2 * sum(ag.abs(p).sum() for p in s.net.parameters())
        loss.backward()
        for p in s.net.parameters():
            p.grad = p.grad + 0.01 * ag.random.normal(p.shape, generator=s.generator)
        s.optimizer.step()
        return loss

    return s.trained(step)


@recipe
def adversarial_examples(s):
    @s.compiled
    def step(x, y):
        given = x.detach().clone().requires_grad_(True)
        (slope,) = ag.gradients(s.loss(given, y), [given])
        return s.backward(s.loss(x + 0.1 * ag.sign(slope), y))

    return s.trained(step)


@recipe
def autoencoder_with_draws(s):
    decoder = nn.Linear(1, 3, **OPTIONS)
    s.optimizer = s.optimizer_of([*s.net.parameters(), *decoder.parameters()])

    @s.compiled
    def step(x, y):
        mean, log_scale = ag.split(s.net(x), 2, axis=1)
        z = mean + ag.exp(log_scale) * ag.random.normal(mean.shape, generator=s.generator)
        divergence = (mean**2 + ag.exp(2 * log_scale) - 2 * log_scale - 1).mean() / 2
        return s.backward(F.mse_loss(decoder(z), x) + 0.1 * divergence)

    return s.trained(step), decoder.weight.data


@recipe
def stopped_early(s):
    step, best = s.compiled_step(), np.inf
    for _ in range(6):
        loss = step(*s.batch()).item()
        if loss > best:
            break
        best, kept = loss, copy.deepcopy(s.net.state_dict())
        yield best, [*kept.values()]


@refused("return it and keep the result")
def losses_kept_in_a_step(s):
    losses = []

    def step(x, y):
        losses.append(s.backward(s.loss(x, y)))

    s.trained(s.compiled(step))
    return losses


@refused("return the new value, keep it in a Tensor, or do this outside")
def counted_in_a_step(s):
    s.count = 0

    def step(x, y):
        s.count += 1
        return s.backward(s.loss(x, y))

    return s.trained(s.compiled(step)), s.count


def outcome(name, network, compiled):
    """All that a script gives, and the parameters in the end."""
    script = Script(network, compiled)
    results = ag.trees.leaves(list(RECIPES[name](script)))
    return [np.array(x.data if isinstance(x, ag.Tensor) else x) for x in (*results, *script.net.parameters())]


SCRIPTS = [(name, network) for name in RECIPES for network in NETWORKS]
FIRST = {(name, [*NETWORKS][i % len(NETWORKS)]) for i, name in enumerate(RECIPES)}


@pytest.mark.parametrize(("name", "network"), [s if s in FIRST else waiting(*s) for s in SCRIPTS])
def test_a_script(name, network):
    if name in REFUSED:
        with pytest.raises(TraceError, match=REFUSED[name]):
            outcome(name, network, ag.compile)
        return
    expected = outcome(name, network, lambda step: step)
    found = outcome(name, network, ag.compile)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9)
