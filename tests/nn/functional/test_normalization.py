"""Normalisation: derivatives, running statistics, and what can not be normalised."""

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.testing import gradcheck, gradgradcheck

F = nn.functional
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("affine", [(), ("weight",), ("bias",), ("weight", "bias")])
@pytest.mark.parametrize("space", [(), (4,), (2, 3)])
def test_batch_norm_has_derivatives_to_second_order(space, affine):
    rng = np.random.default_rng(len(space))
    given = [rng.normal(size=(4, 3, *space)), *(rng.normal(size=3) for _ in affine)]

    def norm(x, *values):
        return F.batch_norm(x, None, None, **dict(zip(affine, values, strict=True)), training=True, eps=0.1)

    assert gradcheck(norm, *given)
    assert gradgradcheck(norm, *given)


def test_batch_norm_of_an_empty_batch_is_empty_and_nothing_to_train_on():
    mean, var, x = ag.zeros(3), ag.ones(3), ag.zeros((0, 3, 2), requires_grad=True)
    F.batch_norm(x, mean, var).sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d"])
def test_layers_with_running_statistics_are_pytorchs(name, own):
    torch = pytest.importorskip("torch")
    options = {"affine": True, "track_running_stats": own, "eps": 0.01, "momentum": 0.3}
    theirs = getattr(torch.nn, name)(3, **options).double()
    ours = getattr(nn, name)(3, **options, dtype="float64")
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})  # its count of batches is ignored
    x = RNG.normal(size=(4, 3, *(5, 2, 3)[: int(name[-2])]))
    for training in (True, True, False):
        for module in (theirs, ours):
            module.train(training)
        np.testing.assert_allclose(ours(x).data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-9, atol=1e-12)
    state = theirs.state_dict()
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.data, state[key].numpy(), rtol=1e-9, err_msg=key)
    assert set(state) - set(ours.state_dict()) <= {"num_batches_tracked"}


def test_normalised_values_have_the_moments_they_should():
    x = ag.Tensor(RNG.normal(3.0, 5.0, size=(4, 6, 50)))
    grouped = F.group_norm(x, 2).data.reshape(4, 2, -1)
    np.testing.assert_allclose(grouped.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(grouped.var(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.sqrt((F.rms_norm(x, 50).data ** 2).mean(-1)), 1, rtol=1e-12)
    assert math.isclose(F.instance_norm(x).data[2, 3].std(), 1, rel_tol=1e-5)
