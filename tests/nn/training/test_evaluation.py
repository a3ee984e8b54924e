"""Loss and accuracy, of `evaluate` and within `fit`."""

import numpy as np
import pytest

from glassgrad import nn
from tests.nn.training.helpers import LOSS, RNG, X, Y, net, train


def test_evaluate():
    model = net()
    result = nn.evaluate(model, LOSS, (X, Y), batch_size=7)
    assert result.loss == pytest.approx(LOSS(model(X.astype(np.float32)), Y).item(), rel=1e-6)
    assert result.accuracy == (model(X.astype(np.float32)).argmax(-1).data == Y).mean()


def test_accuracy_of_labels_with_several_axes():
    model = nn.Linear(2, 3, seed=0)
    x, y = RNG.normal(size=(20, 7, 2)), RNG.integers(0, 3, (20, 7))
    right = (model(np.float32(x)).argmax(-1).data == y).mean()
    assert nn.evaluate(model, LOSS, (x, y)).accuracy == pytest.approx(right)


@pytest.mark.parametrize("compiled", [False, True])
def test_regression_and_a_model_with_two_outputs_have_no_accuracy(compiled):
    class Two(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2, seed=0)

        def forward(self, x):
            z = self.layer(x)
            return z, 2 * z

    data = {"data": (X, X[:, :1]), "validation": (X, X[:, :1])}
    regression = train(nn.MLP([2, 1], seed=0), loss=nn.functional.mse_loss, compile=compiled, **data)
    history = train(Two(), loss=lambda outputs, y: LOSS(outputs[1], y), compile=compiled)
    assert history.accuracy == regression.accuracy == regression.validation_accuracy == [None] * 3


@pytest.mark.parametrize("dtype", [float, int])
def test_one_hot_targets_have_an_accuracy(dtype):
    model = net()
    one_hot = np.eye(2)[Y].astype(dtype)
    labels = nn.evaluate(model, LOSS, (X, Y))
    assert nn.evaluate(model, nn.functional.mse_loss, (X, one_hot)).accuracy == labels.accuracy
    history = train(model, loss=nn.functional.mse_loss, data=(X, one_hot), epochs=30)
    assert history.accuracy[-1] > 0.8  # 0.93; two classes, so guessing has half of them right
    soft = one_hot * 0.5 + 0.25
    assert nn.evaluate(model, LOSS, (X, soft.astype(float))).accuracy is None
