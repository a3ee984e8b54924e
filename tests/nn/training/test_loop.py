"""`fit`: what it computes, which weights it keeps, and what it refuses."""

import math
import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError, DTypeError
from glassgrad.nn.errors import TrainingError
from tests.nn.training.helpers import HELD, LOSS, RNG, X, Y, net, train, weights


def test_fit_learns_and_returns_a_history():
    model = net()
    history = train(model, epochs=40, validation=HELD)
    assert history.epochs == 40
    assert history.loss[-1] < 0.3 * history.loss[0]  # 0.07 of it
    assert history.accuracy[-1] > 0.9  # 1.0; guessing has half of them right
    assert len(history.validation_loss) == len(history.validation_accuracy) == len(history.seconds) == 40
    assert all(s > 0 for s in history.seconds)
    assert history.lr == [0.05] * 40
    assert not history.interrupted
    assert not history.stopped_early


def test_fit_equals_a_handwritten_loop():
    model, twin = net(), net()
    history = train(model, epochs=2, seed=3)
    optimizer = nn.optim.Adam(twin.parameters(), lr=0.05)
    rng = np.random.default_rng(3)
    for epoch in range(2):
        total = 0.0
        for x, y in nn.data.minibatches(X[:40].astype(np.float32), Y[:40], 10, rng):
            loss = LOSS(twin(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        assert history.loss[epoch] == pytest.approx(total / 40, rel=1e-12)
    assert weights(model) == weights(twin)


def test_the_seed_decides_the_order():
    runs = [weights((m := net(), train(m, seed=seed))[0]) for seed in (1, 1, 2, np.random.default_rng(1), None, None)]
    assert runs[0] == runs[1] == runs[3] != runs[2]
    assert runs[4] == runs[5] not in runs[:3]


def test_floats_are_cast_to_the_dtype_of_the_model():
    seen = []

    def loss(output, y):
        seen.append((output.dtype, y.dtype))
        return LOSS(output, y)

    train(net(), epochs=1, loss=loss)
    assert set(seen) == {(ag.float32, ag.int64)}
    train(net(dtype="float64"), epochs=1, loss=loss, data=(X[:40] > 0, Y[:40]))
    assert seen[-1] == (ag.float64, ag.int64)
    targets = []
    model = nn.MLP([2, 1], seed=0)
    train(model, loss=lambda o, y: (targets.append(y.dtype), nn.functional.mse_loss(o, y))[1], data=(X, X[:, :1]))
    assert set(targets) == {ag.float32}


def test_tensors_and_iterables_are_data():
    a, b, c = net(), net(), net()
    train(a, seed=None)
    train(b, seed=None, data=(ag.Tensor(X[:40]), ag.Tensor(Y[:40])))
    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 40, 10)]
    assert train(c, data=batches, validation=[HELD]).epochs == 3
    assert weights(a) == weights(b)


def test_validation_keeps_the_best_weights():
    model = net()
    seen = []
    history = train(model, epochs=12, lr=0.5, validation=HELD, callback=lambda h: seen.append(weights(model)))
    best = int(np.argmin(history.validation_loss)) + 1
    assert history.best_epoch == best < 12
    assert weights(model) == seen[best - 1] != seen[-1]
    assert nn.evaluate(model, LOSS, HELD).loss == pytest.approx(history.validation_loss[best - 1], rel=1e-6)
    lowest = min(history.validation_loss)
    assert history.note == (
        f"Ended after epoch 12: the weights are those of epoch {best}, which had the lowest validation loss "
        f"({lowest:.4f})."
    )


def test_without_validation_fit_keeps_the_latest_weights():
    model = net()
    seen = []
    history = train(model, callback=lambda h: seen.append(weights(model)))
    assert weights(model) == seen[-1]
    assert history.best_epoch is None
    assert history.note == "Ended after epoch 3: the weights are the latest."


def test_patience_stops_early():
    history = train(net(), epochs=200, lr=0.5, validation=HELD, patience=4)
    assert history.stopped_early
    assert history.epochs == history.best_epoch + 4 < 200
    assert history.note.startswith(f"Stopped after epoch {history.epochs}: the weights are those of epoch")


@pytest.mark.parametrize("answer", [True, np.True_, 1, None, "stop"], ids=repr)
def test_a_callback_stops_by_returning_true(answer):
    history = train(net(), callback=lambda history: answer)
    stops = isinstance(answer, bool | np.bool_)
    assert (history.epochs, history.stopped_early) == (1 if stops else 3, stops)
    assert not train(net(), epochs=1, callback=lambda history: answer).stopped_early


def test_schedules_step_by_epoch():
    model = net()
    optimizer = nn.optim.SGD(model.parameters(), lr=1.0)
    history = train(model, epochs=4, optimizer=optimizer, schedule=nn.optim.lr_scheduler.StepLR(optimizer, 2))
    assert history.lr == [1.0, 1.0, 0.1, 0.1]
    optimizer = nn.optim.SGD(model.parameters(), lr=1e-9)
    plateau = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    assert train(model, epochs=4, optimizer=optimizer, schedule=plateau, validation=HELD).lr[-1] == pytest.approx(1e-11)


def test_gradients_are_clipped():
    free, clipped = net(), net()
    for model, limit in ((free, None), (clipped, 1e-9)):
        train(model, epochs=1, optimizer=nn.optim.SGD(model.parameters(), lr=1.0), max_norm=limit)
    np.testing.assert_allclose(clipped[0].weight.data, net()[0].weight.data, atol=1e-7)
    assert abs(free[0].weight.data - net()[0].weight.data).max() > 1e-3


class Spy(nn.Module):
    """Notes its mode at every call."""

    def __init__(self):
        self.inner = net()
        self.modes = []

    def forward(self, x):
        self.modes.append((self.training, self.inner.training, ag.is_grad_enabled()))
        return self.inner(x)


def test_modes_are_set_and_restored():
    model = Spy()
    model.eval()
    model.inner.train()
    train(model, epochs=1, validation=HELD)
    assert model.modes == [(False, False, False)] + [(True, True, True)] * 4 + [(False, False, False)]
    assert (model.training, model.inner.training) == (False, True)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("loss", [LOSS, nn.CrossEntropyLoss()])
def test_a_model_that_returns_output_and_state_is_trained(loss, compiled):
    model = nn.models.char_rnn(3, "gru", hidden=8, seed=0)
    text = np.arange(60).reshape(4, 15) % 3
    history = train(model, loss=loss, data=(text[:, :-1], text[:, 1:]), epochs=20, compile=compiled)
    assert history.accuracy[-1] == 1
    assert nn.evaluate(model, loss, (text[:, :-1], text[:, 1:])).accuracy == 1
    twin = nn.models.char_rnn(3, "gru", hidden=8, seed=0)
    own = train(twin, loss=lambda out, y: LOSS(out[0], y), data=(text[:, :-1], text[:, 1:]), epochs=20)
    np.testing.assert_allclose(own.loss, history.loss, rtol=1e-4)


def test_several_outputs_are_refused_by_a_loss_of_one():
    model = nn.models.googlenet(2, small=True, seed=0)
    with pytest.raises(DTypeError, match="returns 3 outputs, and this loss takes one: give a loss of your own"):
        train(model, data=(np.ones((2, 3, 32, 32)), [0, 1]), epochs=1)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_batch_norm_in_evaluation_mode_keeps_its_statistics(compiled):
    """As in fine-tuning: they were trained, and the flag put back."""
    model = net(norm="batch")
    norm = model.layers[1].eval()
    before = norm.running_mean.tolist()
    train(model, epochs=2, validation=HELD, callback=lambda _: model.eval() and None, compile=compiled)
    assert norm.running_mean.tolist() == before
    assert (model.training, norm.training) == (True, False)
    norm.train()
    train(model, epochs=1)
    assert norm.running_mean.tolist() != before


def test_a_nan_loss_stops_with_the_last_good_weights():
    model = net()
    calls, seen = [], [weights(model)]

    def loss(output, y):
        calls.append(1)
        return LOSS(output, y) * (math.nan if len(calls) == 7 else 1.0)

    with pytest.raises(TrainingError) as error:
        train(model, loss=loss, callback=lambda h: seen.append(weights(model)))
    assert str(error.value) == (
        "The loss became nan in epoch 2, batch 3, at learning rate 0.05: try a smaller one, clip the gradients by "
        "max_norm, and look for such values in the data. The model has its last good weights."
    )
    assert error.value.history.epochs == 1
    assert error.value.history.note == "Ended after epoch 1: the weights are those of epoch 1."
    assert weights(model) == seen[1]


def test_a_nan_validation_loss_is_never_the_best():
    model = net()
    x = HELD[0].copy()
    x[0] = np.nan
    history = train(model, validation=(x, HELD[1]))
    assert history.best_epoch is None
    assert history.note == "Ended after epoch 3: the weights are the latest."


@pytest.mark.parametrize("compiled", [False, True])
def test_training_can_continue_after_it_diverged(compiled):
    """What the optimizer had accumulated goes back with the weights."""
    bad = X[:40].copy()
    bad[25] = np.nan
    model, twin = net(), net()
    optimizer, other = (nn.optim.Adam(m.parameters(), lr=0.05) for m in (model, twin))
    with pytest.raises(TrainingError):
        train(model, data=(bad, Y[:40]), optimizer=optimizer, compile=compiled)
    again = train(model, optimizer=optimizer, compile=compiled)
    np.testing.assert_allclose(again.loss, train(twin, optimizer=other, compile=compiled).loss, rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_an_invalid_batch_keeps_the_steps_before_it(compiled):
    model, labels = net(), Y[:40].copy()
    labels[-1] = 7
    optimizer = nn.optim.Adam(model.parameters(), lr=0.05)
    before = weights(model)
    with pytest.raises(DomainError, match="label 7"):
        train(model, data=(X[:40], labels), seed=None, optimizer=optimizer, compile=compiled)
    assert weights(model) != before
    assert optimizer.state[model[0].weight]["step"].item() == 3


def test_only_trained_parameters_must_stay_finite():
    class Masked(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 3, seed=0)
            self.mask = nn.Parameter([0.0, 0.0, -np.inf], requires_grad=False)

        def forward(self, x):
            return self.layer(x) + self.mask

    assert train(Masked()).epochs == 3


class Moving(nn.Module):
    """It makes its buffer another Tensor at every call."""

    def __init__(self):
        self.layer = nn.Linear(2, 2, seed=0)
        self.register_buffer("mean", ag.zeros(2, dtype="float32"))

    def forward(self, x):
        with ag.no_grad():
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return self.layer(x - self.mean)


def test_a_model_that_replaces_a_buffer_trains_without_compiling(capsys):
    one, other = Moving(), Moving()
    train(one, compile=True, progress=True)
    train(other)
    assert re.search(r"Not compiled: .*test_loop.py:\d+ replaces .mean of a Moving by another", capsys.readouterr().out)
    assert weights(one) == weights(other)
    with pytest.raises(DTypeError, match=r"Moving\.mean = .* is a list: give a Tensor, as it is a buffer"):
        one.mean = [0.0, 0.0]


class Embedding(nn.Module):
    """A table of vectors, looked up by integers."""

    def __init__(self):
        self.table = nn.Parameter(RNG.normal(size=(5, 3)))
        self.out = nn.Linear(3, 2, seed=0)

    def forward(self, x):
        assert not ag.isdtype(x.dtype, "real floating")
        return self.out(ag.take(self.table, x, axis=0))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("as_batches", [False, True])
def test_integer_inputs_stay_integers_for_an_embedding(as_batches, compiled):
    x = RNG.integers(0, 5, 40)
    data = (x, x % 2)
    history = train(Embedding(), epochs=30, data=[data] if as_batches else data, compile=compiled, lr=0.1)
    assert history.accuracy[-1] == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integer_features_are_computed_in_the_dtype_of_the_model(dtype):
    seen = set()

    def loss(output, y):
        seen.add(output.dtype)
        return LOSS(output, y)

    integers = (255 * (X[:40] > 0)).astype(np.uint8)
    for data in (integers, integers.astype(int), integers > 0):
        for model in (net(dtype=dtype), nn.Sequential(nn.LayerNorm(2, dtype=dtype), net(dtype=dtype))):
            train(model, epochs=1, loss=loss, data=(data, Y[:40]))
    assert seen == {getattr(ag, dtype)}


def test_cross_entropy_of_a_softmax_is_refused():
    model = nn.MLP([2, 3, 2], output="softmax", seed=0)
    for compile in (False, True):
        with pytest.raises(
            DomainError, match=r"result of a softmax, and applies softmax itself.*without output='softmax'"
        ):
            train(model, compile=compile)
    assert train(model, loss=lambda output, y: -ag.log(output)[:, 0].mean()).epochs == 3


def test_a_loader_of_pytorch_trains_as_its_batches_do():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rows = torch.utils.data.TensorDataset(torch.tensor(X[:40]), torch.tensor(Y[:40]))
    loader = torch.utils.data.DataLoader(rows, batch_size=8)
    batches = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)]
    ours, theirs = (train(net(), epochs=2, data=data) for data in (batches, loader))
    assert theirs.loss == pytest.approx(ours.loss, rel=1e-6)
    assert theirs.accuracy == ours.accuracy


class Reads(nn.Module):
    """A recurrent layer that is told the lengths of its sequences."""

    def __init__(self, layer):
        self.reader, self.head = layer, nn.Linear(10, 2, seed=1)

    def forward(self, x):
        outputs, _ = self.reader(x, lengths=[6, 2, 5, 1])
        return self.head(outputs.mean(1))


def convolutional():
    return nn.Sequential(
        nn.Unflatten(1, (1, 6)), nn.Conv2d(1, 4, 3, padding=1, seed=0), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, (3, 1), stride=2, padding=(1, 0), seed=1), nn.GroupNorm(2, 6),
        nn.InstanceNorm2d(6, track_running_stats=True), nn.AdaptiveAvgPool2d((3, 1)), nn.Flatten(), nn.RMSNorm(18),
        nn.Dropout(0.2, seed=1), nn.Linear(18, 2, seed=2),
    )  # fmt: skip


def attentive():
    draw = np.random.default_rng(0)
    return nn.Sequential(
        nn.Embedding(7, 8, padding_idx=0, seed=draw), nn.PositionalEncoding(8, 6),
        nn.TransformerEncoderLayer(8, 2, 16, 0.2, batch_first=True, seed=draw), nn.Flatten(),
        nn.Linear(48, 2, seed=draw),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "x"),
    [
        *(
            (lambda kind=kind: Reads(kind(3, 5, 2, batch_first=True, bidirectional=True, seed=0)), (12, 6, 3))
            for kind in (nn.RNN, nn.LSTM, nn.GRU)
        ),
        (convolutional, (12, 6, 6)),
        (attentive, RNG.integers(0, 7, (12, 6))),
    ],
)
def test_a_compiled_training_is_the_eager_one(make, x, capsys):
    draw, states = np.random.default_rng(0), []
    data = (draw.normal(size=x) if isinstance(x, tuple) else x), draw.integers(0, 2, 12)
    for compiled in (False, True):
        model = make()
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        nn.fit(model, LOSS, optimizer, data, epochs=3, batch_size=4, compile=compiled)
        assert "Not compiled" not in capsys.readouterr().out
        states.append(model.state_dict())
    for name, value in states[0].items():
        np.testing.assert_allclose(value.data, states[1][name].data, rtol=1e-4, atol=1e-5, err_msg=name)
