"""A training on a GPU, by a strict stand-in for CuPy: nothing is copied and nothing waited for within a step."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DeviceError, DomainError
from glassgrad.nn.__main__ import main
from glassgrad.nn.errors import TrainingError
from tests import standin
from tests.sampling import sampled
from tests.training import updating

F = nn.functional
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6)).astype("float32")
LABELS = RNG.integers(0, 3, 24)
TARGETS = RNG.random((24, 3)).astype("float32")

OPTIMIZERS = {
    "SGD": lambda p: nn.optim.SGD(p, lr=0.1),
    "momentum": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: nn.optim.Adam(p, lr=0.01, weight_decay=0.01),
    "AdamW": lambda p: nn.optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: nn.optim.RMSprop(p, lr=0.01, momentum=0.9, centered=True, weight_decay=0.01),
}

NETS = {
    **{
        name: lambda name=name: nn.MLP([6, 5, 3], name, seed=0)
        for name in ("sigmoid", "tanh", "relu", "leaky_relu", "gelu", "softplus")
    },
    "layer norm": lambda: nn.Sequential(nn.Linear(6, 5, seed=0), nn.LayerNorm(5), nn.Linear(5, 3, seed=1)),
    "batch norm": lambda: nn.Sequential(nn.Linear(6, 5, seed=0), nn.BatchNorm1d(5), nn.Linear(5, 3, seed=1)),
    "flatten": lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 3, seed=0)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 5, seed=0), nn.Dropout(0.5, seed=2), nn.Linear(5, 3, seed=1)),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)),
        nn.Conv2d(1, 4, 2, padding=1, seed=0),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.RMSNorm(8),
        nn.Linear(8, 3, seed=1),
    ),
    "recurrent": lambda: nn.models.RowRecurrent((2, 3), 3, "gru", 4, seed=0),
    "attention": lambda: nn.models.RowTransformer((2, 3), 3, 4, 2, 1, 5, 0.0, seed=0),
}

LOSSES = {
    "cross-entropy of labels": (F.cross_entropy, LABELS),
    "cross-entropy of probabilities": (F.cross_entropy, TARGETS),
    "squared error": (F.mse_loss, TARGETS),
    "squared error of one-hot labels": (lambda out, y: F.mse_loss(out, F.one_hot(y, 3)), LABELS),
    "binary cross-entropy": (F.binary_cross_entropy_with_logits, TARGETS),
}


def steps(model, make, loss, x, y, max_norm=None, compiled=False):
    """A training as a function of the number of its steps."""
    optimizer = make(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        if max_norm is not None:
            nn.optim.clip_grad_norm_(model.parameters(), max_norm)
        optimizer.step()
        return value

    once = ag.compile(step) if compiled else step

    def run(count):
        for _ in range(count):
            once(x, y)

    return run


def weights(model):
    return [p.numpy() for p in (q.detach() for q in model.parameters())]


def trained(net, optimizer, loss, device, gpu=None, max_norm=None, compiled=False):
    """The weights after four steps, of which the last three are watched on a GPU."""
    function, y = LOSSES[loss]
    model = NETS[net]().to(device)
    x, y = ag.Tensor(X, device=device), ag.Tensor(y, device=device)
    run = steps(model, OPTIMIZERS[optimizer], function, x, y, max_norm, compiled)
    run(1)
    if gpu is not None:
        gpu.counts.reset()
        gpu.machine.current = 0
    run(3)
    if gpu is not None:
        assert (gpu.counts.transfers, gpu.counts.synchronisations) == (0, 0)
        assert gpu.counts.kernels > 20
    return weights(model)


CASES = [
    *((net, "SGD", "cross-entropy of labels", None) for net in NETS),
    *(("sigmoid", optimizer, "cross-entropy of labels", None) for optimizer in OPTIMIZERS),
    *(("sigmoid", "SGD", loss, None) for loss in LOSSES),
    ("sigmoid", "Adam", "cross-entropy of labels", 0.1),
]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("net", "optimizer", "loss", "max_norm"), sampled([pytest.param(*case) for case in CASES], 3))
def test_a_step_copies_nothing_and_waits_for_nothing(gpu, net, optimizer, loss, max_norm, compiled):
    there = trained(net, optimizer, loss, "cuda:1", gpu, max_norm, compiled)
    if net != "dropout":  # a GPU draws other numbers
        for a, b in zip(there, trained(net, optimizer, loss, "cpu", None, max_norm), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


class TestCompiled:
    def test_one_function_on_both(self, gpu):
        f = ag.compile(lambda x: ag.exp(x) * 2.0)
        devices = ["cpu", "cuda:1", "cpu", "cuda:0"]
        assert [f(ag.ones(2, device=d)).device for d in devices] == devices
        assert len(f.programs) == 3

    def test_a_mixture_is_refused_while_it_is_traced(self, gpu):
        w = ag.ones(2, device="cuda")
        f = ag.compile(lambda x: x * w)
        with pytest.raises(
            DeviceError, match="uses an array on cuda:0 together with arrays on cpu while the function is traced"
        ):
            f(ag.ones(2))

    def test_new_values_and_a_move_are_taken_up(self, gpu):
        model = nn.Linear(2, 1, seed=0).to("cuda")
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        step = ag.compile(updating(optimizer, lambda x: model(x).sum()))
        x = ag.ones((3, 2), dtype="float32", device="cuda")
        step(x)
        model.load_state_dict({"weight": [[1.0, 2.0]], "bias": [0.0]})
        assert step(x).item() == 9.0
        np.testing.assert_allclose(model.weight.detach().numpy(), [[0.7, 1.7]], rtol=1e-6)
        optimizer.param_groups[0]["lr"] = 0.0
        before = model.weight.detach().numpy()
        step(x)
        np.testing.assert_array_equal(model.weight.detach().numpy(), before)
        model.to("cpu")
        assert step(x.to("cpu")).device == "cpu"

    def test_arrays_created_on_the_device_during_a_trace(self, gpu):
        f = ag.compile(lambda x: x * ag.ones(2, device="cuda") + ag.eye(2, device="cuda")[0])
        assert f(ag.Tensor([1.0, 2.0], device="cuda")).tolist() == [2.0, 2.0]
        g = ag.compile(ag.hessian(lambda x: (x**3).sum()))
        for _ in range(2):
            assert g(ag.Tensor([1.0, 2.0], device="cuda")).tolist() == [[6.0, 0.0], [0.0, 12.0]]

    def test_draws_are_those_of_eager_mode(self, gpu):
        def noisy():
            generator = np.random.default_rng(0)
            return lambda x: x + ag.random.normal((2,), generator=generator, device="cuda")

        eager, compiled, x = noisy(), ag.compile(noisy()), ag.ones(2, device="cuda")
        assert [compiled(x).tolist() for _ in range(3)] == [eager(x).tolist() for _ in range(3)]


def test_the_stand_in_counts_transfers(gpu):
    x = ag.Tensor(X, device="cuda")
    gpu.counts.reset()
    float(x.sum())
    ag.Tensor([1.0], device="cuda")
    assert (gpu.counts.transfers, gpu.counts.synchronisations) == (2, 1)
    with pytest.raises(standin.Hidden, match=r"bool\(\) of an array"):
        bool(x.data.sum() > 0)


class TestModule:
    def test_parameters_buffers_and_gradients_move(self, gpu):
        model = nn.Sequential(nn.Linear(2, 2, seed=0), nn.BatchNorm1d(2))
        model(ag.ones((3, 2), dtype="float32")).sum().backward()
        first = model[0].weight
        assert model.to("cuda:1") is model
        assert {t.device for t in (*model.parameters(), *model.buffers())} == {"cuda:1"}
        assert {p.grad.device for p in model.parameters()} == {"cuda:1"}
        assert model[0].weight is first
        assert {t.device for t in model.to("cpu").state_dict().values()} == {"cpu"}

    def test_a_device_that_is_not_there_moves_nothing(self, gpu):
        model = nn.Linear(2, 2, seed=0)
        with pytest.raises(DeviceError, match="'cuda:5' is not available"):
            model.to("cuda:5")
        assert model.weight.device == "cpu"

    def test_made_there(self, gpu):
        model = nn.MLP([2, 3, 1], seed=0, device="cuda")
        assert {p.device for p in model.parameters()} == {"cuda:0"}
        np.testing.assert_array_equal(model.layers[0].weight.data.held, nn.MLP([2, 3, 1], seed=0).layers[0].weight.data)

    def test_a_state_is_loaded_to_the_device_of_a_module_and_of_an_optimizer(self, gpu):
        model, other = nn.Linear(2, 2, seed=0).to("cuda"), nn.Linear(2, 2, seed=1)
        model.load_state_dict(other.state_dict())
        assert model.weight.device == "cuda:0"
        np.testing.assert_array_equal(model.weight.data.held, other.weight.data)
        optimizer = nn.optim.Adam(model.parameters())
        optimizer.load_state_dict(nn.optim.Adam(other.parameters()).state_dict())
        assert all(t.device == "cuda:0" for state in optimizer.state.values() for t in state.values())

    def test_a_file_from_a_gpu_is_read_on_the_cpu(self, gpu, tmp_path):
        nn.save(nn.MLP([2, 3, 1], seed=0, device="cuda"), tmp_path / "model.npz")
        assert {p.device for p in nn.load_model(tmp_path / "model.npz").parameters()} == {"cpu"}


class TestOptimizer:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_its_state_follows_the_parameters(self, gpu, name):
        """Half of the steps here and half there give what all steps here give."""
        model, still = nn.MLP([6, 5, 3], seed=0), nn.MLP([6, 5, 3], seed=0)
        y = ag.Tensor(LABELS)
        steps(still, OPTIMIZERS[name], F.cross_entropy, ag.Tensor(X), y)(4)
        optimizer = OPTIMIZERS[name](model.parameters())
        steps(model, lambda p: optimizer, F.cross_entropy, ag.Tensor(X), y)(2)
        model.to("cuda:1")
        steps(model, lambda p: optimizer, F.cross_entropy, ag.Tensor(X, device="cuda:1"), y.to("cuda:1"))(2)
        assert all(t.device == "cuda:1" for state in optimizer.state.values() for t in state.values())
        for a, b in zip(weights(model), weights(still), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_a_model_over_two_gpus(self, gpu, name):
        """Each part's update runs where the part is, whichever GPU CuPy used last."""
        first, second = nn.Linear(6, 5, seed=0).to("cuda:0"), nn.Linear(5, 3, seed=1).to("cuda:1")
        still = nn.Sequential(nn.Linear(6, 5, seed=0), nn.Linear(5, 3, seed=1))
        with pytest.raises(DomainError, match="a group has parameters on cuda:0 and cuda:1: make one for each device"):
            OPTIMIZERS[name]([*first.parameters(), *second.parameters()])
        optimizer = OPTIMIZERS[name]([{"params": first.parameters()}, {"params": second.parameters()}])
        x, y = ag.Tensor(X, device="cuda:0"), ag.Tensor(LABELS, device="cuda:1")
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(second(first(x).to("cuda:1")), y).backward()
            optimizer.step()
        steps(still, OPTIMIZERS[name], F.cross_entropy, ag.Tensor(X), ag.Tensor(LABELS))(3)
        for a, b in zip([*weights(first), *weights(second)], weights(still), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)

    def test_and_to_another_dtype(self):
        model = nn.MLP([6, 3], seed=0)
        optimizer = nn.optim.Adam(model.parameters())
        model.to("float64")
        steps(model, lambda p: optimizer, F.cross_entropy, ag.Tensor(X, dtype="float64"), ag.Tensor(LABELS))(1)
        kept = optimizer.state[model.layers[0].weight]
        assert {name: str(t.dtype) for name, t in kept.items()} == dict.fromkeys(kept, "float64")
        model.to("float32")
        steps(model, lambda p: optimizer, F.cross_entropy, ag.Tensor(X), ag.Tensor(LABELS))(1)
        assert [str(kept[name].dtype) for name in ("step", "exp_avg", "exp_avg_sq")] == ["float64", *["float32"] * 2]


class TestFit:
    def fitted(self, device, data=(X, LABELS), **options):
        model = nn.MLP([6, 5, 3], seed=0, device=device)
        optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
        history = nn.fit(model, F.cross_entropy, optimizer, data, batch_size=10, progress=False, **options)
        return model, history

    @pytest.mark.parametrize("compile", [False, True])
    def test_as_on_the_cpu(self, gpu, compile):
        options = {"epochs": 3, "validation": (X[:7], LABELS[:7]), "max_norm": 1.0}
        model, history = self.fitted("cuda:1", compile=compile, **options)
        still, expected = self.fitted("cpu", **options)
        assert history.accuracy == expected.accuracy
        np.testing.assert_allclose(history.loss, expected.loss, rtol=1e-4)
        np.testing.assert_allclose(history.validation_loss, expected.validation_loss, rtol=1e-4)
        for a, b in zip(weights(model), weights(still), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)

    @pytest.mark.parametrize("compile", [False, True])
    def test_an_epoch_is_waited_for_once_and_copies_the_order_of_its_samples(self, gpu, compile):
        seen = []

        def note(history):
            seen.append((gpu.counts.transfers, gpu.counts.synchronisations))
            gpu.counts.reset()

        self.fitted("cuda", epochs=3, callback=note, compile=compile)
        assert seen[1:] == [(4, 3)] * 2  # the order; the loss, how many are right, and whether all weights are numbers

    def test_data_that_are_there_are_not_brought_back(self, gpu):
        model = nn.MLP([6, 3], seed=0, device="cuda")
        data = ag.Tensor(X, device="cuda"), ag.Tensor(LABELS, device="cuda")
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        gpu.counts.reset()
        nn.fit(model, F.cross_entropy, optimizer, data, epochs=1, progress=False)
        assert (gpu.counts.transfers, gpu.counts.synchronisations) == (4, 3)

    def test_batches_that_are_made_one_by_one_are_moved_one_by_one(self, gpu):
        batches = [(X[:12], LABELS[:12]), (X[12:], LABELS[12:])]
        assert self.fitted("cuda", batches, epochs=1)[1].epochs == 1

    def test_a_loss_that_is_not_finite_is_seen_at_the_end_of_the_epoch(self, gpu):
        model = nn.MLP([6, 3], seed=0, device="cuda")
        before = weights(model)
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        labels = LABELS.copy()
        labels[3] = 7
        with pytest.raises(TrainingError, match=r"The loss became nan in epoch 1, at learning rate 0\.1: .* last good"):
            nn.fit(model, F.cross_entropy, optimizer, (X, labels), epochs=2, progress=False)
        for a, b in zip(weights(model), before, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_network_is_made_there(gpu):
    models = nn.models
    for model in (
        models.RowTransformer((2, 3), 3, 4, 2, 1, device="cuda"), models.GoogLeNet(2, small=True, device="cuda"),
        models.resnet18(2, device="cuda"), models.CharRNN(3, "gru", 4, 5, device="cuda"),
    ):  # fmt: skip
        assert {tensor.device for tensor in model.state_dict().values()} == {"cuda:0"}


@pytest.mark.check
def test_the_command_line_trains_and_draws_there(gpu, tmp_path, capsys):
    out = tmp_path / "run"
    given = ["digits", "--device", "cuda", "--hidden", "5", "--epochs", "1", "--batch", "5000", "--out", str(out)]
    assert main(given) == 0
    assert "on cuda, from seed 0" in capsys.readouterr().out
    assert (out / "report.html").exists()
    assert {p.device for p in nn.load_model(out / "model.npz").parameters()} == {"cpu"}
    assert gpu.counts.kernels > 100
