"""Modules of PyTorch, converted: values, gradients, names, modes, and inputs that do not fit."""

import itertools

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.nn.errors import ConversionError, FileError

torch = pytest.importorskip("torch")
DRAW = np.random.default_rng(0)


def compared(module, *arrays, tolerance=1e-5):
    """Convert a module; compare values and the gradients of all parameters for the inputs. Return the converted one."""
    theirs = [torch.tensor(a) for a in arrays]
    net = nn.from_torch(module, *theirs)
    expected, found = module(*theirs), net(*arrays)
    np.testing.assert_allclose(found.data, expected.detach().numpy(), atol=tolerance, rtol=tolerance)
    weight = DRAW.normal(size=expected.shape).astype("float32")
    (expected * torch.tensor(weight)).sum().backward()
    (found * weight).sum().backward()
    mine = dict(net.named_parameters())
    assert [*mine] == [name for name, _ in module.named_parameters()]
    for name, p in module.named_parameters():
        scale = 1 + float(p.grad.abs().max())
        np.testing.assert_allclose(mine[name].grad.data, p.grad.numpy(), atol=tolerance * scale, err_msg=name)
    return net


def normal(*shape):
    return DRAW.normal(size=shape).astype("float32")


class Block(torch.nn.Module):
    """A residual block with an activation in place."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 2, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(2)
        self.act = torch.nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.norm(self.conv(x))
        y += x
        return self.act(y)


def cnn():
    layers = [Block(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(18, 3)]
    return torch.nn.Sequential(*layers).eval()


def test_a_network_that_pytorch_follows_for_fixed_sides_only():
    layers = [torch.nn.MaxPool3d(2), torch.nn.Conv3d(1, 6, 3, 2, 1), torch.nn.AvgPool3d(2), torch.nn.Flatten()]
    net = compared(torch.nn.Sequential(*layers, torch.nn.Linear(6, 2)), normal(2, 1, 8, 8, 8))
    assert net(normal(3, 1, 8, 8, 8)).shape == (3, 2)


def test_a_convolutional_network_for_a_batch_of_any_size():
    assert compared(cnn(), normal(2, 2, 6, 6))(normal(7, 2, 6, 6)).shape == (7, 3)


class Recurrent(torch.nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.net = getattr(torch.nn, kind)(3, 4, **options)
        self.out = torch.nn.Linear(4 * (1 + options.get("bidirectional", False)), 2)

    def forward(self, x):
        y, state = self.net(x)
        return self.out(y[:, -1]) + (state[0] if isinstance(state, tuple) else state).sum()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent_networks(kind):
    torch.manual_seed(0)
    compared(Recurrent(kind), normal(5, 2, 3))
    net = compared(
        Recurrent(kind, num_layers=2, bidirectional=True, batch_first=True, dropout=0.5).eval(), normal(3, 5, 3)
    )
    assert net.net.weight_ih_l1_reverse.shape[1] == 8
    compared(Recurrent(kind, bias=False), normal(5, 2, 3))


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (cnn, [(2, 6, 6)]),
        (lambda: torch.nn.LSTM(3, 4, batch_first=True), [(7, 3)]),
        (lambda: torch.nn.Bilinear(3, 4, 2), [(3,), (4,)]),
    ],
)
def test_an_example_with_a_batch_of_one_gives_a_network_for_any_batch(make, shapes):
    torch.manual_seed(0)
    module = make()
    net = nn.from_torch(module, *(np.zeros((1, *shape), "float32") for shape in shapes))
    for batch in (1, 2, 5):
        arrays = [normal(batch, *shape) for shape in shapes]
        wanted = torch.utils._pytree.tree_leaves(module(*map(torch.tensor, arrays)))
        for x, y in zip(wanted, torch.utils._pytree.tree_leaves(net(*arrays)), strict=True):
            np.testing.assert_allclose(y.data, x.detach().numpy(), atol=1e-5)


class Branch(torch.nn.Module):
    """What it does with a batch of 1 it does with no other."""

    def forward(self, x):
        return x * 2 if x.shape[0] == 1 else x


class Rows(torch.nn.Module):
    """For one sample only."""

    def forward(self, x):
        return torch.cat([x.reshape(1, 6), torch.ones(1, 2)], 1)


@pytest.mark.parametrize("module", [Branch(), Rows()])
@pytest.mark.parametrize("example", [np.ones((1, 2, 3), "float32"), np.zeros((1, 2, 3), "float32")])
def test_a_module_for_a_batch_of_one_keeps_it(module, example):
    x = normal(1, 2, 3)
    net = nn.from_torch(module, example)
    np.testing.assert_allclose(net(x).data, module(torch.tensor(x)).detach().numpy(), atol=1e-6)
    with pytest.raises(ShapeError, match=r"given \(2, 2, 3\)\. .* that is longer than 1 in the example\.$"):
        net(normal(2, 2, 3))


def test_other_axes_are_dynamic_where_they_are_named():
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = normal(3, 7, 8)
    net = nn.from_torch(layer, normal(2, 5, 8), dynamic_axes=(0, 1))
    np.testing.assert_allclose(net(x).data, layer(torch.tensor(x)).detach().numpy(), atol=1e-5)
    with pytest.raises(
        ShapeError, match=r"'src' has the shape \(any, 5, 8\); it was given \(3, 7, 8\)\. .*dynamic_axes"
    ):
        nn.from_torch(layer, normal(2, 5, 8))(x)


def test_a_module_that_refuses_a_batch_of_one_is_not_converted_with_it():
    class Statistics(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.batch_norm(x, None, None, training=True)

    with pytest.raises(ConversionError, match=r"can't export Statistics: .*Expected more than 1 value per channel"):
        nn.from_torch(Statistics(), normal(1, 4))


def test_training_mode_drops_and_takes_the_statistics_of_the_batch():
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).train()
    net = nn.from_torch(theirs, normal(5, 3))
    assert net.training
    x = normal(6, 3)
    np.testing.assert_allclose(net(x).data, theirs(torch.tensor(x)).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(net.eval()(x).data, theirs.eval()(torch.tensor(x)).detach().numpy(), atol=1e-5)
    dropout = nn.from_torch(torch.nn.Dropout(0.5), normal(5, 3))
    assert (dropout(np.ones((50, 3), "float32")).data == 0).any()
    assert (dropout.eval()(np.ones((50, 3), "float32")).data == 1).all()


def test_an_average_of_all_batches_is_not_lost_in_training() -> None:
    net = nn.from_torch(torch.nn.BatchNorm1d(3, momentum=None).eval(), x := normal(4, 3))
    assert net(x).shape == (4, 3)
    with pytest.raises(DomainError, match="momentum=None is not trained here"):
        net.train()(x)


class Bessel(torch.nn.Module):
    """An operation that has no row, and is decomposed if that is possible."""

    def forward(self, x):
        return torch.nn.functional.binary_cross_entropy_with_logits(x, x * 0, reduction="none")


def test_training_mode_is_kept_or_refused_where_operations_are_decomposed():
    """PyTorch decomposes in evaluation mode: batch norm kept its statistics and dropout was gone, in training too."""
    norm = torch.nn.BatchNorm1d(3)
    with torch.no_grad():
        norm.running_mean.fill_(5.0)
    net = nn.from_torch(torch.nn.Sequential(norm, Bessel()), np.ones((4, 3), "float32"))
    x = normal(4, 3)
    assert ("0", "BatchNorm1d") in {scope for node in ag.Graph(net(x).sum()).nodes for scope in node.scope or ()}
    expected = torch.nn.functional.batch_norm(torch.tensor(x), None, None, training=True)
    np.testing.assert_allclose(net(x).data, Bessel()(expected).numpy(), atol=1e-5)
    assert abs(getattr(net, "0").running_mean.data - 5).max() > 0.1
    dropping = torch.nn.Sequential(torch.nn.Dropout(0.5), Bessel())
    net = nn.from_torch(dropping, x)
    with pytest.raises(DomainError, match=r"leaves out its dropout .* call eval\(\) first"):
        net(x)
    np.testing.assert_allclose(net.eval()(x).data, dropping.eval()(torch.tensor(x)).numpy(), atol=1e-6)


def test_pictures_and_programs_have_pytorchs_modules():
    net = nn.from_torch(cnn(), normal(2, 2, 6, 6)).eval()
    x = normal(2, 2, 6, 6)
    scopes = {node.scope[-1] for node in ag.Graph(net(x).sum()).nodes if node.scope}
    assert ("0.conv", "Conv2d") in scopes
    assert ("4", "Linear") in scopes
    np.testing.assert_allclose(ag.compile(net)(x).data, net(x).data, atol=1e-6)


def test_activations_are_those_of_pytorchs_modules():
    module = torch.nn.Sequential(cnn(), torch.nn.Tanh()).eval()
    net, x = nn.from_torch(module, normal(2, 2, 6, 6)), normal(3, 2, 6, 6)
    expected = {}
    for path, part in module.named_modules():
        part.register_forward_hook(lambda _, x, y, path=path: expected.update({path: y.detach().numpy().copy()}))
    module(torch.tensor(x))
    found = nn.activations(nn.Sequential({"net": net}), x)
    for path, out in found.items():
        name = path.removeprefix("net").removeprefix(".")
        np.testing.assert_allclose(out.data, expected[name], atol=1e-5, err_msg=path)
    assert {f"net.{path}".rstrip(".") for path in expected} == {*found} - {""}


class Shared(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False)
        self.out.weight = self.out.other = self.embed.weight
        self.register_buffer("k", torch.ones(5))
        self.register_buffer("l", self.k)

    def forward(self, x):
        return self.out(self.embed(x)) * (self.out.other.sum() + self.k) + self.l


def test_parameters_and_buffers_with_two_names_stay_shared():
    """They were None under the second: "multiply takes arrays; it was given None"."""
    net = compared(Shared(), np.array([[0, 2], [4, 2]]))
    assert net.out.weight is net.out.other is net.embed.weight
    assert net.k is not None


def test_a_converted_network_is_not_built_from_a_file_and_hides_no_class_of_nn(tmp_path):
    net = nn.from_torch(torch.nn.Sequential(torch.nn.BatchNorm2d(1)).eval(), normal(2, 1, 3, 3))
    assert [type(part).__name__ for part in net.modules()] == ["Sequential", "BatchNorm2d"]
    assert net.arguments() is None
    nn.save(nn.Sequential(net), tmp_path / "m.npz")
    with pytest.raises(FileError, match="as Sequential is not a class of nn: build"):
        nn.load_model(tmp_path / "m.npz")
    nn.save(nn.BatchNorm2d(1), tmp_path / "m.npz")
    assert type(nn.load_model(tmp_path / "m.npz")) is nn.BatchNorm2d


def test_constants_and_buffers_that_are_not_saved():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 3)
            self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0]), persistent=False)
            self.register_buffer("shift", torch.ones(3))

        def forward(self, x):
            return self.linear(x) * self.scale + self.shift + torch.tensor([0.5, 0.0, 0.0])

    assert [*dict(compared(Net(), normal(2, 3)).named_buffers())] == ["shift"]


def test_a_value_changed_in_place_through_a_view():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(3, 4)

        def forward(self, x):
            y = self.linear(x)
            y[:, 0] += 1
            y.view(-1)[:2].mul_(3)
            return y * y

    compared(Net(), normal(2, 3))


def test_several_inputs_and_outputs():
    class Net(torch.nn.Module):
        def forward(self, x, y):
            return x + y, {"product": (x * y).sum()}

    x, y = normal(2, 3), normal(2, 3)
    out = nn.from_torch(Net(), x, y)(x, y)
    np.testing.assert_allclose(out[0].data, x + y)
    np.testing.assert_allclose(out[1].data, (x * y).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ([normal(2, 3, 6, 6)], r"input 'input' has the shape \(any, 2, .*; it was given \(2, 3, 6, 6\)"),
        ([normal(2, 2, 6)], r"it was given \(2, 2, 6\)"),
        ([], r"Sequential takes 1 inputs \(input\); it was given 0"),
    ],
)
def test_inputs_that_do_not_fit(inputs, sentence):
    with pytest.raises(ShapeError, match=sentence):
        nn.from_torch(cnn(), normal(2, 2, 6, 6))(*inputs)


@pytest.mark.parametrize("label", [-1, 3, -101])
@pytest.mark.parametrize("loss", ["nll_loss", "cross_entropy"])
def test_labels_that_are_not_classes_are_refused(label, loss):
    function = getattr(torch.nn.functional, loss)

    class Loss(torch.nn.Module):
        def forward(self, x, target):
            return function(x, target)

    loss = nn.from_torch(Loss(), torch.zeros(2, 3), torch.tensor([0, -100]))
    with pytest.raises(DomainError, match=r"labels? .* 3 classes"):
        loss(ag.zeros((2, 3)), np.array([0, label]))


class Counting(torch.nn.Module):
    """A graph that is another one at each call."""

    calls = itertools.count(1)

    def forward(self, x):
        return x * next(self.calls)


class Steps(torch.nn.Module):
    """Another result at each call, by a buffer: its first one was that of all calls."""

    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros(()))

    def forward(self, x):
        return x * self.n.add_(1)


def test_modules_that_cannot_be_exported():
    class Branch(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ConversionError, match=r"PyTorch can't export Branch: .*may not depend on values"):
        nn.from_torch(Branch(), normal(2, 3))
    with pytest.raises(ConversionError, match="Steps changes its buffers n in evaluation mode"):
        nn.from_torch(Steps(), normal(2, 3))
    with pytest.raises(ConversionError, match="Counting has other outputs here than in PyTorch"):
        nn.from_torch(Counting(), normal(2, 3))
    with pytest.raises(DTypeError, match=r"from_torch takes a torch\.nn\.Module; it was given a Linear"):
        nn.from_torch(nn.Linear(2, 3), normal(2, 2))


class Kept(torch.nn.Module):
    """A network that keeps a value of its parameter in evaluation mode, as some for images do."""

    def __init__(self):
        super().__init__()
        self.bias, self.kept = torch.nn.Parameter(torch.ones(3)), []

    def forward(self, x):
        if not self.kept:
            self.kept.append(torch.exp(self.bias))
        return x * self.kept[0]


def test_a_value_that_a_module_keeps_between_calls_is_refused_as_its_gradient_would_be_lost():
    net, x = Kept(), torch.as_tensor(normal(2, 3))
    assert nn.from_torch(net, x)(x.numpy()).requires_grad
    net.kept.clear()
    net(x)
    with pytest.raises(ConversionError, match="Kept computes with a tensor that requires grad and is none of its para"):
        nn.from_torch(net, x)


class WithoutGradient(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.table = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3), torch.nn.Embedding(2, 3)

    def forward(self, x):
        with torch.no_grad():
            h = self.b(x)
        places = torch.arange(2, dtype=x.dtype).view(1, 2, 1).expand(1, 2, 3).contiguous().view(2, 3).detach()
        places += self.table(torch.zeros(1, dtype=torch.long))
        return self.a(x) * h + places, h


def test_what_is_computed_under_no_grad_is_detached_and_what_is_added_to_a_detached_value_is_not():
    module, x = WithoutGradient(), normal(2, 3)
    net = nn.from_torch(module, x)
    for y, z in zip(net(x), module(torch.tensor(x)), strict=True):
        assert y.requires_grad == z.requires_grad
        if y.requires_grad:
            y.sum().backward()
            z.sum().backward()
    for (name, p), q in zip(net.named_parameters(), module.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None) == name.startswith("b.")
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), atol=1e-6)


def test_one_tensor_given_twice_and_outputs_undefined_at_random_inputs():
    class Net(torch.nn.Module):
        def forward(self, x, y):
            return torch.sqrt(x) * torch.log(y)

    x = torch.tensor([[0.25, 4.0]])
    net = nn.from_torch(Net(), x, x)
    np.testing.assert_allclose(net(x.numpy(), [[0.5, 8.0]]).data, Net()(x, 2 * x), rtol=1e-6)


def test_conversion_leaves_the_module_unchanged():
    theirs = cnn()
    theirs[0].train()
    nn.from_torch(theirs, normal(2, 2, 6, 6))
    assert theirs[0].training
    assert not theirs[4].training


class Sum(torch.nn.Module):
    def forward(self, first, *others):
        return first + sum(x.mean() for x in others)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_forward_may_take_any_number_of_arguments(count):
    inputs = [torch.full((2, i + 2), i + 1.0) for i in range(count)]
    model = nn.from_torch(Sum(), *inputs)
    np.testing.assert_allclose(model(*[x.numpy() for x in inputs]).data, Sum()(*inputs).numpy())


class Rounded(torch.autograd.Function):
    """A straight-through estimator: the gradient passes a rounding."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g


class Swish(torch.autograd.Function):
    """``x · σ(x)`` with its own derivative, written by hand to save memory."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * s * (1 + x * (1 - s))


class Applied(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer, self.function = torch.nn.Linear(3, 2), function

    def forward(self, x):
        return self.function(self.layer(x))


HOOKED, WITH_HOOK = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
HOOKED.register_full_backward_hook(lambda module, before, after: (before[0] * 0,))
WITH_HOOK.weight.register_hook(lambda g: g * 2)


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (Applied(Rounded.apply), "Applied has gradients of its own, .* those of Rounded are not the derivatives"),
        (HOOKED, "those of BackwardHookFunction are not"),
        (WITH_HOOK, "those of a hook are not"),
        (Applied(lambda y: y.register_hook(torch.neg) and y), "those of a hook are not"),
        (Applied(torch.no_grad()(lambda y: y.mul_(2))), "those of mul_ under no_grad are not"),
    ],
)
def test_a_backward_that_is_no_derivative_is_refused_by_name(module, named):
    """Its gradients were silently those of the rounding: 0."""
    with pytest.raises(ConversionError, match=named):
        nn.from_torch(module, torch.zeros(4, 3))


def test_a_backward_by_hand_that_is_the_derivative_is_converted():
    compared(Applied(Swish.apply), normal(4, 3))


def test_a_module_that_is_there_twice_is_one():
    layer = torch.nn.Linear(3, 3)
    net = compared(torch.nn.Sequential(layer, torch.nn.Tanh(), torch.nn.Sequential(layer)), normal(2, 3))
    assert getattr(net, "0") is getattr(getattr(net, "2"), "0")
