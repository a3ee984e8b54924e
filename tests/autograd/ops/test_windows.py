"""Convolution and pooling beside PyTorch, to second order, and what they refuse."""

import numpy as np
import pytest

import autograd as ag
from autograd.errors import DomainError, ShapeError
from autograd.testing import gradcheck, gradgradcheck


def drawn(rng: np.random.Generator, low: int, high: int, count: int) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(low, high + 1, size=count))


def agree(ours: ag.Tensor, theirs, inputs, tensors) -> None:
    """Values, and the gradients of one weighted sum, are PyTorch's."""
    torch = pytest.importorskip("torch")
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(
        ours.numpy() if not ours.requires_grad else ours.data, theirs.detach().numpy(), atol=1e-10
    )
    seed = np.cos(np.arange(ours.size)).reshape(ours.shape)
    theirs.backward(torch.tensor(seed))
    ours.backward(seed)
    for x, t in zip(inputs, tensors, strict=True):
        np.testing.assert_allclose(x.grad.data, t.grad.numpy(), atol=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_convolution_agrees_with_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    axes, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    size, stride = drawn(rng, 1, 4, axes), drawn(rng, 1, 3, axes)
    dilation, padding = drawn(rng, 1, 3, axes), drawn(rng, 0, 3, axes)
    space = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + int(rng.integers(0, 5))
        for d, k, p in zip(dilation, size, padding, strict=True)
    )
    inside, outside = drawn(rng, 1, 3, 2)
    arrays = [
        rng.normal(size=(2, groups * inside, *space)),
        rng.normal(size=(groups * outside, inside, *size)),
        rng.normal(size=(groups * outside,)),
    ]
    inputs = [ag.Tensor(a, requires_grad=True) for a in arrays]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    function = getattr(torch.nn.functional, f"conv{axes}d")
    theirs = function(*tensors, stride=stride, padding=padding, dilation=dilation, groups=groups)
    agree(ag.conv(*inputs, stride=stride, padding=padding, dilation=dilation, groups=groups), theirs, inputs, tensors)


@pytest.mark.parametrize("seed", range(40))
def test_max_pooling_gives_the_gradient_of_equal_elements_to_the_first_as_pytorch_does(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    axes = int(rng.integers(1, 4))
    size, stride = drawn(rng, 1, 3, axes), drawn(rng, 1, 3, axes)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in size)
    space = tuple(k + int(rng.integers(0, 5)) for k in size)
    x = rng.integers(0, 4, size=(2, 2, *space)).astype(float)
    ours, theirs = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    pooled = getattr(torch.nn.functional, f"max_pool{axes}d")(theirs, size, stride, padding)
    agree(ag.max_pool(ours, size=size, stride=stride, padding=padding), pooled, [ours], [theirs])


def test_convolution_to_second_and_third_order():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(6, 2, 2, 3))
    options = {"stride": (2, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2), "groups": 2}
    assert gradcheck(lambda x, w: ag.conv(x, w, **options), x, w)
    assert gradgradcheck(lambda x, w: ag.conv(x, w, **options), x, w)
    small = ag.Tensor(rng.normal(size=(1, 1, 3)))
    assert gradgradcheck(ag.grad(lambda x: ag.sum(ag.conv(x * x, small) ** 2)), rng.normal(size=(1, 1, 4)))


def test_layouts_and_large_inputs_give_the_same_numbers():
    """Tiles, short windows and channels-last inputs take other ways through memory."""
    rng = np.random.default_rng(0)
    for channels, size, space in ((1, 5, 40), (3, 3, 96), (20, 3, 40)):
        x, w = rng.normal(size=(3, channels, space, space)), rng.normal(size=(4, channels, size, size))
        last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
        expected = np.einsum("nchwkl,ockl->nohw", windows, w)
        for given in (x, last):
            np.testing.assert_allclose(ag.conv(given, w).data, expected, atol=1e-9)
            seed = rng.normal(size=expected.shape)
            found = ag.conv_weight(given, seed, size=(size, size)).data
            np.testing.assert_allclose(found, np.einsum("nchwkl,nohw->ockl", windows, seed), atol=1e-8)


def test_masking_keeps_infinite_gradients_where_they_belong():
    x = ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]], requires_grad=True)
    ag.max_pool(x, size=2).backward(np.array([[[np.inf, np.nan]]]))
    np.testing.assert_array_equal(x.grad.data, [[[0.0, np.inf, np.nan, 0.0]]])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ag.conv(np.ones((2, 3, 8)), np.ones((4, 3, 2, 2))), ShapeError, "of as many axes"),
        (lambda: ag.conv(np.ones((2, 3, 8)), np.ones((4, 2, 2))), ShapeError, "3 channels"),
        (lambda: ag.conv(np.ones((2, 4, 8)), np.ones((3, 2, 2)), groups=2), DomainError, "groups must divide"),
        (lambda: ag.conv(np.ones((2, 3, 2)), np.ones((4, 3, 5))), ShapeError, "larger than the input"),
        (lambda: ag.conv(np.ones((2, 3, 8)), np.ones((4, 3, 2)), stride=0), DomainError, "positive integer"),
        (lambda: ag.conv(np.ones((2, 3, 8)), np.ones((4, 3, 2)), padding=-1), DomainError, "not negative"),
        (
            lambda: ag.conv(np.ones((2, 3, 8)), np.ones((4, 3, 2)), np.ones(3)),
            ShapeError,
            "one number for each of the 4",
        ),
        (lambda: ag.max_pool(np.ones((2, 3)), size=2), ShapeError, "(batch, channels, *space)"),
        (lambda: ag.max_pool(np.ones((2, 3, 2)), size=3), ShapeError, "larger than the input"),
        (lambda: ag.fold(np.ones((1, 3, 3)), space=(4,), size=2), ShapeError, "fold takes columns"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert words in str(raised.value)


def test_more_windows_than_there_is_memory_for_are_refused():
    """They would be read from behind the array."""
    with pytest.raises(ShapeError, match="1000 windows of size 2 reach beyond an axis of length 4"):
        ag.conv(ag.ones((1, 1, 4)), ag.ones((1, 1, 2)), space=(1000,))


def test_a_trace_computes_no_convolution():
    """Its shape is said before anything is computed, also for arrays that fill no memory."""
    x = ag.asarray(np.broadcast_to(np.float64(1.0), (1 << 20, 64, 1 << 10, 1 << 10)))
    program = ag.trace(lambda x: ag.max_pool(ag.conv(x, ag.ones((8, 64, 3, 3)), padding=1), size=2), x)
    assert program.outputs[0].shape == (1 << 20, 8, 1 << 9, 1 << 9)
