"""Convolutions and pooling as layers: PyTorch's shapes and values, and what they refuse."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

F = nn.functional


def beside_torch(ours, theirs, *arrays):
    """Values and gradients agree; where PyTorch refuses, so do we, or the result is PyTorch's in another version."""
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    inputs = [ag.Tensor(a, requires_grad=True) for a in arrays]
    wanted = theirs(torch.nn.functional, *tensors)
    found = ours(*inputs)
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), atol=1e-10)
    seed = np.cos(np.arange(found.size)).reshape(found.shape)
    wanted.backward(torch.tensor(seed))
    found.backward(seed)
    for x, t in zip(inputs, tensors, strict=True):
        np.testing.assert_allclose(x.grad.data, t.grad.numpy(), atol=1e-9)


X = np.random.default_rng(0).normal(size=(2, 4, 7, 6))
W = np.random.default_rng(1).normal(size=(4, 3, 3, 2))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), lambda f, x: f.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
        (
            lambda x: F.avg_pool2d(x, (2, 3), padding=1, count_include_pad=False),
            lambda f, x: f.avg_pool2d(x, (2, 3), padding=1, count_include_pad=False),
        ),
        (
            lambda x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3),
            lambda f, x: f.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3),
        ),
        (lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), lambda f, x: f.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
        (lambda x: F.max_pool2d(x, 2, 1, dilation=2), lambda f, x: f.max_pool2d(x, 2, 1, dilation=2)),
        (lambda x: F.adaptive_avg_pool2d(x, (3, 4)), lambda f, x: f.adaptive_avg_pool2d(x, (3, 4))),
        (lambda x: F.adaptive_avg_pool2d(x, (9, None)), lambda f, x: f.adaptive_avg_pool2d(x, (9, None))),
        (lambda x: F.adaptive_avg_pool2d(x, 1), lambda f, x: f.adaptive_avg_pool2d(x, 1)),
        (lambda x: F.adaptive_max_pool2d(x, (3, 4)), lambda f, x: f.adaptive_max_pool2d(x, (3, 4))),
        (
            lambda x: F.local_response_norm(x, 3, 0.5, 0.7, 1.2),
            lambda f, x: f.local_response_norm(x, 3, 0.5, 0.7, 1.2),
        ),
        (lambda x: F.interpolate(x, (3, 9)), lambda f, x: f.interpolate(x, (3, 9))),
        (
            lambda x: F.interpolate(x, scale_factor=2.5, mode="bilinear"),
            lambda f, x: f.interpolate(x, scale_factor=2.5, mode="bilinear"),
        ),
        (  # an axis that keeps its length stays as it is: 6 · 1.1 is 6
            lambda x: F.interpolate(x, scale_factor=(2, 1.1), mode="bilinear"),
            lambda f, x: f.interpolate(x, scale_factor=(2, 1.1), mode="bilinear"),
        ),
        (
            lambda x: F.interpolate(x, (3, 9), mode="linear", align_corners=True),
            lambda f, x: f.interpolate(x, (3, 9), mode="bilinear", align_corners=True),
        ),
        (lambda x: F.pad(x, (1, -2, 0, 3), value=2.0), lambda f, x: f.pad(x, (1, -2, 0, 3), value=2.0)),
        (lambda x: F.pad(x, (1, 2), "constant", None), lambda f, x: f.pad(x, (1, 2), "constant", None)),
        (lambda x: F.pad(x, (1, 5, 2, 0), "reflect"), lambda f, x: f.pad(x, (1, 5, 2, 0), "reflect")),
        (lambda x: F.pad(x, (1, 9, 2, 0), "replicate"), lambda f, x: f.pad(x, (1, 9, 2, 0), "replicate")),
        (lambda x: F.pad(x, (1, 6, 2, 0), "circular"), lambda f, x: f.pad(x, (1, 6, 2, 0), "circular")),
        (lambda x: F.unfold(x, (2, 3), 1, 1, 2), lambda f, x: f.unfold(x, (2, 3), 1, 1, 2)),
    ],
)
def test_functions_agree_with_pytorch(ours, theirs):
    beside_torch(ours, theirs, X)


@pytest.mark.parametrize("options", [{}, {"stride": 2, "output_padding": 1}, {"padding": (1, 0), "dilation": (2, 1)}])
@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_agrees_with_pytorch(options, groups):
    bias = np.arange(3.0 * groups)
    beside_torch(
        lambda x, w, b: F.conv_transpose2d(x, w, b, groups=groups, **options),
        lambda f, x, w, b: f.conv_transpose2d(x, w, b, groups=groups, **options),
        X, W, bias,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_convolution_layers_agree_with_pytorch_in_every_padding_mode(mode):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Conv2d(4, 6, 3, padding=(2, 1), groups=2, padding_mode=mode, dtype=torch.float64)
    ours = nn.Conv2d(4, 6, 3, padding=(2, 1), groups=2, padding_mode=mode, dtype="float64")
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    np.testing.assert_allclose(ours(X).data, theirs(torch.tensor(X)).detach().numpy(), atol=1e-12)


def test_max_pooling_gives_pytorchs_indices():
    torch = pytest.importorskip("torch")
    values, indices = F.max_pool2d(X, 3, 2, 1, return_indices=True)
    wanted, places = torch.nn.functional.max_pool2d(torch.tensor(X), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(values.data, wanted.numpy())
    np.testing.assert_array_equal(indices.data, places.numpy())


def test_max_pooling_of_one_sample_without_a_batch_gives_its_indices():
    values, indices = F.max_pool2d(X, 3, 2, 1, return_indices=True)
    value, index = F.max_pool2d(X[0], 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(value.data, values.data[0])
    np.testing.assert_array_equal(index.data, indices.data[0])


def test_same_padding_keeps_the_size_and_one_sample_needs_no_batch():
    layer = nn.Conv1d(4, 2, 4, padding="same", dilation=3, seed=0, dtype="float64")
    x = X[:, :, :, 0]
    assert layer(x).shape == (2, 2, 7)
    np.testing.assert_allclose(layer(x[0]).data, layer(x).data[0])


def test_a_training_step_compiles_to_the_eager_numbers():
    def make():
        model = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1, bias=False, seed=0), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 3, stride=2, seed=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3, seed=2),
        )  # fmt: skip
        optimizer = nn.optim.Adam(model.parameters(), lr=0.01)

        def step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return model, step

    rng = np.random.default_rng(0)
    (model, step), (again, other) = make(), make()
    compiled = ag.compile(other)
    for _ in range(3):
        x, y = rng.normal(size=(5, 1, 8, 8)).astype("float32"), rng.integers(0, 3, size=5)
        np.testing.assert_allclose(compiled(x, y).data, step(x, y).data, rtol=1e-5)
    for p, q in zip(model._named_state(), again._named_state(), strict=True):
        np.testing.assert_allclose(p[1].data, q[1].data, rtol=1e-3, atol=1e-5)


def test_sizes_may_be_integers_of_numpy():
    two = np.int64(2)
    for function in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d, lambda x, n: F.pad(x, (n, n))):
        np.testing.assert_array_equal(function(X, two).data, function(X, 2).data)
    columns = F.unfold(X[:, :, :6], 2)
    np.testing.assert_array_equal(F.fold(columns, 6, 2).data, F.fold(columns, (6, 6), 2).data)
