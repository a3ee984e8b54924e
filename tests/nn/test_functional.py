"""Losses and metrics: PyTorch's values where it is installed, and what they refuse."""

import math
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import DomainError, DTypeError, ShapeError
from nn import functional as F

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)) * 3
LABELS = np.array([0, 3, 1, 1, 2, 3])
SOFT = RNG.dirichlet(np.ones(4), size=6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("cross_entropy", LABELS),
        ("cross_entropy", SOFT),
        ("mse_loss", SOFT),
        ("binary_cross_entropy_with_logits", SOFT),
    ],
)
def test_losses_and_their_gradients_are_pytorchs(name, target, reduction):
    torch = pytest.importorskip("torch")
    ours = ag.Tensor(LOGITS, requires_grad=True)
    theirs = torch.tensor(LOGITS, requires_grad=True)
    loss = getattr(F, name)(ours, target, reduction=reduction)
    expected = getattr(torch.nn.functional, name)(theirs, torch.tensor(target), reduction=reduction)
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=1e-12)
    weights = RNG.normal(size=loss.shape)
    loss.backward(weights)
    expected.backward(torch.tensor(weights))
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "gelu", "softplus"])
def test_activations_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours = getattr(F, name)(ag.Tensor(LOGITS)).data
    np.testing.assert_allclose(ours, getattr(torch.nn.functional, name)(torch.tensor(LOGITS)).numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmaxes_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    for axis in (0, 1):
        ours = getattr(F, name)(ag.Tensor(LOGITS), axis=axis).data
        np.testing.assert_allclose(
            ours, getattr(torch.nn.functional, name)(torch.tensor(LOGITS), dim=axis).numpy(), rtol=1e-12
        )


def test_equal_logits_cost_the_logarithm_of_the_classes():
    assert F.cross_entropy(np.zeros((3, 10)), [0, 5, 9]).item() == pytest.approx(math.log(10))


def test_the_losses_refuse_in_sentences():
    with pytest.raises(DomainError, match=r"the label 4 for logits of 4 classes, \(6, 4\): labels go from 0 to 3"):
        F.cross_entropy(LOGITS, LABELS + 1)
    with pytest.raises(
        ShapeError, match=r"compares element by element, and was given shapes \(6, 4\) and \(6,\): reshape"
    ):
        F.mse_loss(LOGITS, LABELS)
    with pytest.raises(ShapeError, match=r"empty batch"):
        F.cross_entropy(np.zeros((0, 4)), np.zeros(0, int))


def test_one_hot():
    rows = F.one_hot(LABELS, 4)
    assert rows.dtype == ag.float32
    np.testing.assert_array_equal(rows.data, np.eye(4)[LABELS])
    assert F.one_hot(ag.Tensor([[1], [0]]), 2, dtype="int64").tolist() == [[[0, 1]], [[1, 0]]]
    assert F.one_hot(np.zeros(0, int), 3).shape == (0, 3)


def test_one_hot_refuses():
    with pytest.raises(DomainError, match="labels from 0 to 3 do not fit 3 classes, numbered from 0 to 2"):
        F.one_hot(LABELS, 3)
    with pytest.raises(DomainError, match="labels from -1 to 0 do not fit"):
        F.one_hot([-1, 0], 3)
    with pytest.raises(DTypeError, match=r"one_hot takes integer labels; it was given float64 of shape \(1,\)"):
        F.one_hot([0.5], 3)


def test_accuracy():
    assert F.accuracy(np.eye(4), [0, 1, 2, 0]) == 0.75
    output = ag.Tensor(LOGITS, requires_grad=True)
    assert F.accuracy(output, LOGITS.argmax(1)) == 1.0
    with pytest.raises(ShapeError, match=r"accuracy needs logits .* it was given shapes \(4, 4\) and \(4, 4\)"):
        F.accuracy(np.eye(4), np.eye(4))
    with pytest.raises(ShapeError, match="of one sample at least"):
        F.accuracy(np.zeros((0, 4)), np.zeros(0, int))


def test_nn_states_no_operation_and_no_rule():
    sources = [*Path(nn.__file__).parent.rglob("*.py")]
    assert len(sources) > 10
    assert not [path.name for path in sources if ".vjp(" in path.read_text() or "@op(" in path.read_text()]
