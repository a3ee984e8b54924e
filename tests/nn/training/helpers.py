"""What the tests of training share."""

import numpy as np

from glassgrad import nn

RNG = np.random.default_rng(0)

X = RNG.normal(size=(60, 2))

Y = (X[:, 0] * X[:, 1] > 0).astype(int)

HELD = (X[40:], Y[40:])

LOSS = nn.functional.cross_entropy


def net(seed=0, **options):
    return nn.MLP([2, 6, 2], "tanh", seed=seed, **options)


def weights(model):
    return {name: value.tolist() for name, value in model.state_dict().items()}


def train(model, **options):
    options = {"epochs": 3, "batch_size": 10, "progress": False, "data": (X[:40], Y[:40]), "lr": 0.05, **options}
    optimizer = options.pop("optimizer", None) or nn.optim.Adam(model.parameters(), lr=options.pop("lr"))
    options.pop("lr", None)
    return nn.fit(model, options.pop("loss", LOSS), optimizer, options.pop("data"), **options)


def interrupting(loss, after):
    calls = []

    def wrapped(*args):
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        return loss(*args)

    return wrapped
