"""Convolution and pooling beside PyTorch, to second order, and what they refuse."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.ops import windows
from glassgrad.autograd.testing import gradcheck, gradgradcheck
from tests.measured import memory_below
from tests.operations import TABLE
from tests.sampling import waiting


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
    inside, outside = int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 150]))  # 60: more rows than there are windows
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


def peculiar_poolings(count: int, seed: int = 0):
    """Random windows, their gradient and a y for `at_max`, and an x with NaN, infinities, equal elements, or only the
    lowest ones."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        axes = int(rng.integers(1, 4))
        size, stride, dilation = drawn(rng, 1, 3, axes), drawn(rng, 1, 4, axes), drawn(rng, 1, 2, axes)
        if number % 5 == 4:  # so many taps that a target writes a loop over them
            axes, size, stride, dilation = 2, (6, 6), (2, 3), (1, 1)
        pads = tuple((int(rng.integers(0, k // 2 + 1)), int(rng.integers(0, k // 2 + 1))) for k in size)
        space = tuple(d * (k - 1) + 1 + int(rng.integers(0, 4)) for k, d in zip(size, dilation, strict=True))
        kinds = {
            "float32": [np.nan, -np.inf, np.inf, 1.0, 2.0],
            "float64": [-np.inf, -np.inf, -np.inf, -np.inf, -1.0, np.nan],
            "int32": [np.iinfo("int32").min, -3, -2],
        }
        dtype = ("float32", "float64", "int32")[number % 3]
        x = rng.choice(kinds[dtype], size=(2, 2, *space)).astype(dtype)
        options = {"size": size, "stride": stride, "padding": pads if number % 2 else 0, "dilation": dilation}
        g = rng.integers(1, 99, size=ag.max_pool(x, **options).shape).astype(("float64", "float32")[number % 2])
        yield options, (g, rng.integers(1, 99, size=x.shape), x)


def pooled(options, g, y, x):
    """All that depends on the maxima of windows."""
    return ag.max_pool(x, **options), ag.max_unpool(g, x, **options), ag.at_max(y, x, **options)


@pytest.mark.parametrize("count", [8, waiting(60)])
def test_the_place_of_a_maximum_is_that_of_the_table_at_peculiar_numbers(count):
    for options, arrays in peculiar_poolings(count):
        g, y, x = arrays
        for name, given in (("max_unpool", (g, x)), ("at_max", (y, x))):
            rows = [a.astype("f8") for a in given]
            np.testing.assert_array_equal(ag.OPS[name](*given, **options).data, TABLE[name].reference(*rows, **options))


def test_a_compiled_pooling_has_the_same_places_at_peculiar_numbers():
    for options, arrays in peculiar_poolings(30):
        inputs = [ag.Tensor(a) for a in arrays]
        found = ag.compile(lambda *given, options=options: pooled(options, *given), target="numpy")(*inputs)
        for one, other in zip(found, pooled(options, *inputs), strict=True):
            np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_max_pooling_has_the_places_of_pytorch_at_peculiar_numbers(seed, last):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    axes, dtype = int(rng.integers(1, 4)), ("float32", "float64")[seed % 2]
    size, stride, dilation = drawn(rng, 1, 3, axes), drawn(rng, 1, 3, axes), drawn(rng, 1, 2, axes)
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in size)
    space = tuple(d * (k - 1) + 1 + int(rng.integers(0, 4)) for k, d in zip(size, dilation, strict=True))
    x = rng.choice([np.nan, -np.inf, -np.inf, -np.inf, np.inf, 1.0][seed % 3 and 1 :], size=(2, 2, *space)).astype(
        dtype
    )
    if last:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    options = (size, stride, padding, dilation, bool(rng.integers(0, 2)))
    ours, theirs = ag.Tensor(x, requires_grad=True), torch.tensor(x.copy(order="C"), requires_grad=True)
    found = getattr(nn.functional, f"max_pool{axes}d")(ours, *options, return_indices=True)
    wanted = getattr(torch.nn.functional, f"max_pool{axes}d")(theirs, *options, return_indices=True)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
    seeds = rng.integers(1, 99, size=found[0].shape).astype(dtype)
    found[0].backward(seeds)
    wanted[0].backward(torch.tensor(seeds))
    np.testing.assert_array_equal(ours.grad.data, theirs.grad.numpy())
    output = tuple(int(rng.integers(1, n + 1)) for n in space)
    ours, theirs = ag.Tensor(x, requires_grad=True), torch.tensor(x.copy(order="C"), requires_grad=True)
    one = getattr(nn.functional, f"adaptive_max_pool{axes}d")(ours, output)
    other = getattr(torch.nn.functional, f"adaptive_max_pool{axes}d")(theirs, output)
    np.testing.assert_array_equal(one.data, other.detach().numpy())
    one.backward(np.ones(one.shape, dtype))
    other.backward(torch.ones_like(other))
    np.testing.assert_array_equal(ours.grad.data, theirs.grad.numpy())


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


def test_integers_of_numpy_are_sizes_strides_and_paddings():
    x, whole = ag.arange(8.0).reshape((1, 1, 8)), np.int64
    found = ag.sum_pool(x, size=whole(3), stride=(whole(2),), padding=[(whole(0), whole(1))])
    assert found.tolist() == ag.sum_pool(x, size=3, stride=2, padding=((0, 1),)).tolist()


def test_a_trace_computes_no_convolution():
    """Its shape is said before anything is computed, also for arrays that fill no memory."""
    x = ag.asarray(np.broadcast_to(np.float64(1.0), (1 << 20, 64, 1 << 10, 1 << 10)))
    program = ag.trace(lambda x: ag.max_pool(ag.conv(x, ag.ones((8, 64, 3, 3)), padding=1), size=2), x)
    assert program.outputs[0].shape == (1 << 20, 8, 1 << 9, 1 << 9)


@pytest.mark.parametrize("axes", [1, 2])
def test_every_element_of_a_result_is_written(axes, monkeypatch):
    """In a compiled program the array holds what was there before."""
    monkeypatch.setattr(NUMPY, "empty", lambda shape, dtype: np.full(shape, np.nan, dtype))
    rng = np.random.default_rng(0)
    for _ in range(60):
        size, stride, dilation = (drawn(rng, 1, 3, axes) for _ in range(3))
        padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in size)
        space = drawn(rng, 7, 9, axes)
        groups = int(rng.integers(1, 4))
        x = ag.Tensor(rng.normal(size=(2, 3 * groups if rng.random() < 0.5 else groups, *space)), requires_grad=True)
        rows = groups * int(rng.choice([2, 40]))  # 40: often more than there are windows
        w = ag.Tensor(rng.normal(size=(rows, x.shape[1] // groups, *size)), requires_grad=True)
        windows = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
        conv = {name: value for name, value in windows.items() if name != "size"}
        for y in (ag.conv(x, w, groups=groups, **conv), ag.max_pool(x, **windows), ag.sum_pool(x, **windows)):
            gradients = ag.gradients([(y * y).sum()], [x, w] if y.shape[1] == w.shape[0] else [x], create_graph=True)
            for found in (y, *gradients, *ag.gradients([(gradients[0] * gradients[0]).sum()], [x])):
                assert np.isfinite(found.data).all()


def test_a_compiled_step_of_a_cnn_allocates_no_result_and_has_the_eager_gradients():
    rng = np.random.default_rng(0)
    x = ag.Tensor(rng.normal(size=(3, 2, 8, 8)))
    w, v = (ag.Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((4, 2, 3, 3), (4, 4, 3, 3)))

    def gradients(x):
        h = ag.max_pool(ag.relu(ag.conv(x, w, padding=1)), size=2)
        return ag.gradients([ag.relu(ag.conv(h, v, padding=1)).sum()], [w, v])

    program = ag.compile(gradients)
    for _ in range(2):
        for found, expected in zip(program(x), gradients(x), strict=True):
            np.testing.assert_allclose(found.data, expected.data, rtol=1e-12)
    for name in ("conv_into", "conv_input_into", "conv_weight_into", "max_pool_into", "max_unpool_into"):
        assert name in program.source
    assert "copyto" not in program.source  # masks are applied to bits, in the order in which the values lie
    assert "_by(" not in program.source


def test_the_gradient_of_a_weight_takes_no_memory_but_its_own():
    x, w = ag.Tensor(np.ones((1, 512, 3, 3))), ag.Tensor(np.ones((512, 512, 3, 3)), requires_grad=True)
    y = ag.conv(x, w, padding=1)
    with memory_below(1.2 * w.data.nbytes):
        y.backward(y.detach())


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_products_are_added_to_the_windows_of_a_few_images_at_a_time(axes, monkeypatch):
    rng = np.random.default_rng(axes)
    how = {"stride": 2, "dilation": drawn(rng, 1, 3, axes), "padding": drawn(rng, 0, 2, axes), "groups": 2}
    x, w = np.ones((3, 4, *drawn(rng, 7, 9, axes))), rng.normal(size=(6, 2, *drawn(rng, 1, 3, axes)))
    y = rng.normal(size=ag.conv(x, w, **how).shape)
    whole = ag.conv_input(y, w, space=x.shape[2:], **how).data
    monkeypatch.setattr(windows, "PIECE", 1)
    np.testing.assert_allclose(ag.conv_input(y, w, space=x.shape[2:], **how).data, whole, rtol=1e-12, atol=1e-12)


def test_pooling_of_a_large_image_takes_a_few_channels_at_a_time():
    x = ag.Tensor(np.ones((1, 64, 224, 224), "float32"), requires_grad=True)
    with memory_below(9 * x.data.nbytes):
        y = ag.max_pool(x, size=3, stride=1, padding=1)
        y.backward(y.detach())


def test_the_gradient_of_a_weight_is_a_sum_over_tiles(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4, 6, 5)), rng.normal(size=(3, 7, 4, 3))
    whole = ag.conv_weight(x, y, size=(3, 3)).data
    monkeypatch.setattr(windows, "TILE", 1)
    monkeypatch.setattr(windows, "ROWS", 4)
    np.testing.assert_allclose(ag.conv_weight(x, y, size=(3, 3)).data, whole, rtol=1e-12, atol=1e-12)
