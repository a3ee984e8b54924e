"""Training: histories, seeds, the weights that are kept, and what a Ctrl-C leaves."""

import io
import json
import math
import os
import re
import signal
import threading

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import DomainError, DTypeError, ShapeError
from nn.errors import FileError, TrainingError

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


def test_it_learns_and_tells():
    model = net()
    history = train(model, epochs=40, validation=HELD)
    assert history.epochs == 40
    assert history.loss[-1] < 0.3 * history.loss[0]
    assert history.accuracy[-1] > 0.9
    assert len(history.validation_loss) == len(history.validation_accuracy) == len(history.seconds) == 40
    assert all(s > 0 for s in history.seconds)
    assert history.lr == [0.05] * 40
    assert not history.interrupted
    assert not history.stopped_early


def test_it_is_the_loop_that_one_would_write():
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


def test_x_is_cast_to_the_models_dtype():
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


def test_accuracy_only_where_there_are_classes():
    history = train(nn.MLP([2, 1], seed=0), loss=nn.functional.mse_loss, data=(X, X[:, :1]), validation=(X, X[:, :1]))
    assert history.accuracy == history.validation_accuracy == [None] * 3


def test_tensors_and_iterables_are_data():
    a, b, c = net(), net(), net()
    train(a, seed=None)
    train(b, seed=None, data=(ag.Tensor(X[:40]), ag.Tensor(Y[:40])))
    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 40, 10)]
    history = train(c, data=batches, validation=[HELD])
    assert history.epochs == 3
    assert weights(a) == weights(b)


def test_the_best_weights_by_validation_are_kept():
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


def test_without_validation_the_latest_are_kept():
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


def test_the_callback_stops():
    history = train(net(), epochs=9, callback=lambda h: h.epochs == 2)
    assert (history.epochs, history.stopped_early) == (2, True)
    assert not train(net(), epochs=2, callback=lambda h: h.epochs == 2).stopped_early


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
    assert model.modes == [(True, True, True)] * 4 + [(False, False, False)]
    assert (model.training, model.inner.training) == (False, True)


def test_evaluate():
    model = net()
    result = nn.evaluate(model, LOSS, (X, Y), batch_size=7)
    assert result.loss == pytest.approx(LOSS(model(X.astype(np.float32)), Y).item(), rel=1e-6)
    assert result.accuracy == nn.functional.accuracy(model(X.astype(np.float32)), Y)
    with pytest.raises(DomainError, match="the data has no batches: give at least one sample"):
        nn.evaluate(model, LOSS, [])


# -------------------------------------------------------------------------------------------------------- interruption


def interrupting(loss, after):
    calls = []

    def wrapped(output, y):
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        return loss(output, y)

    return wrapped


def test_ctrl_c_keeps_the_best_weights_and_says_so(capsys):
    model = net()
    seen = []
    with_validation = interrupting(
        LOSS, 4 * 3 + 3 + 2
    )  # three epochs of four batches and a validation, then two batches
    history = train(
        model,
        epochs=9,
        loss=with_validation,
        validation=HELD,
        progress=True,
        callback=lambda h: seen.append(weights(model)),
    )
    assert history.interrupted
    assert history.epochs == 3
    assert weights(model) == seen[history.best_epoch - 1]
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == history.note
    assert said.startswith(f"Interrupted after epoch 3: the weights are those of epoch {history.best_epoch}, which had")


def test_ctrl_c_without_validation_keeps_the_latest_whole_step():
    model, twin = net(), net()
    history = train(model, seed=None, loss=interrupting(LOSS, 3))
    assert (history.interrupted, history.epochs) == (True, 0)
    assert history.note == "Interrupted in the first epoch: the weights are the latest."
    train(twin, seed=None, epochs=1, data=(X[:20], Y[:20]))
    assert weights(model) == weights(twin)


class HalfWay(nn.optim.SGD):
    """Fails after its first parameter, in the step given."""

    error = KeyboardInterrupt

    def __init__(self, model, step):
        super().__init__(model.parameters(), lr=0.1)
        self.left = step

    def step(self):
        self.left -= 1
        if not self.left:
            p = self.param_groups[0]["params"][0]
            p._set(p.data + 100)
            raise self.error
        super().step()


@pytest.mark.parametrize("step", [2, 6])
def test_an_update_is_never_half_done(step):
    model = net()
    seen = [weights(model)]
    history = train(model, optimizer=HalfWay(model, step), callback=lambda h: seen.append(weights(model)))
    assert history.interrupted
    assert history.epochs == step // 4
    assert weights(model) == seen[step // 4]
    kept = "those of epoch 1" if step == 6 else "those from before the training"
    assert history.note.endswith(f": the weights are {kept}.")


def test_another_error_in_an_update_leaves_whole_weights_too():
    model = net()
    optimizer = HalfWay(model, 2)
    optimizer.error = MemoryError
    with pytest.raises(MemoryError):
        train(model, optimizer=optimizer)
    assert weights(model) == weights(net())


def real_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


class Interrupted(nn.optim.SGD):
    """A real signal arrives in the middle of its update."""

    def step(self):
        real_ctrl_c()
        super().step()


def test_a_signal_waits_for_the_update():
    model, twin = net(), net()
    optimizer = Interrupted(model.parameters(), lr=0.1)
    history = train(model, seed=None, optimizer=optimizer)
    assert history.interrupted
    train(twin, seed=None, epochs=1, optimizer=nn.optim.SGD(twin.parameters(), lr=0.1), data=(X[:10], Y[:10]))
    assert weights(model) == weights(twin)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_elsewhere_interrupts_at_once():
    model = net()
    history = train(model, callback=lambda h: real_ctrl_c(), validation=HELD)
    assert (history.interrupted, history.epochs, history.best_epoch) == (True, 1, 1)


def test_a_second_signal_does_not_wait():
    class Hanging(nn.optim.SGD):
        def step(self):
            real_ctrl_c()
            self.param_groups[0]["params"][0]._set(self.param_groups[0]["params"][0].data + 100)
            real_ctrl_c()
            raise AssertionError("the second Ctrl-C was swallowed")

    model = net()
    assert train(model, optimizer=Hanging(model.parameters())).interrupted
    assert weights(model) == weights(net())


def test_a_handler_of_ones_own_stays():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        history = train(net(), epochs=2, callback=lambda h: real_ctrl_c())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (history.epochs, len(heard)) == (2, 2)


def test_it_runs_outside_of_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(train(net())))
    thread.start()
    thread.join()
    assert found[0].epochs == 3


# ---------------------------------------------------------------------------------------------------------- divergence


def test_a_loss_that_is_no_number_stops_with_the_last_good_weights():
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


def test_a_validation_that_is_no_number_is_never_the_best():
    model = net()
    x = HELD[0].copy()
    x[0] = np.nan
    history = train(model, validation=(x, HELD[1]))
    assert history.best_epoch is None
    assert history.note == "Ended after epoch 3: the weights are the latest."


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"epochs": 0}, DomainError, "epochs = 0: give a number from 1 on."),
        ({"patience": 0, "validation": HELD}, DomainError, "patience = 0: give a number from 1 on."),
        ({"epochs": 2.5}, DTypeError, "epochs = 2.5 is a float: give a whole number."),
        ({"batch_size": "10"}, DTypeError, "batch_size = '10' is a str: give a whole number."),
        (
            {"optimizer": nn.optim.SGD(net().parameters())},
            DomainError,
            "the optimizer has none of the model's parameters, so nothing would be learned: make a new optimizer with",
        ),
        ({"patience": 3}, DomainError, "patience watches the validation loss: give validation=(x, y) as well."),
        ({"batch_size": 0}, DomainError, "batch_size = 0: give a number from 1 on."),
        ({"seed": "x"}, DomainError, "seed = 'x' is not a seed"),
        ({"data": (X, Y[:5])}, ShapeError, "x has shape (60, 2) and y has shape (5,)"),
        ({"data": (X[:0], Y[:0])}, ShapeError, "which has no rows: give at least one"),
        ({"validation": (X, Y[:5])}, ShapeError, "x has shape (60, 2) and y has shape (5,)"),
        ({"data": iter([])}, DTypeError, "data is a list_iterator: give (x, y), or an iterable of batches"),
        ({"validation": 3}, DTypeError, "validation is a int: give (x, y), or an iterable"),
        ({"data": [X, Y]}, DTypeError, "the data yields a ndarray instead of a batch (x, y): give all samples as"),
        ({"data": []}, DomainError, "the data has no batches: give at least one sample."),
        ({"loss": lambda o, y: o}, ShapeError, "must return one number, the mean over the batch; it returned (10, 2)."),
        ({"loss": lambda o, y: 1.0}, ShapeError, "must return one number, the mean over the batch; it returned float."),
    ],
)
def test_refusals_come_before_any_training(options, error, sentence):
    model = net()
    with pytest.raises(error, match=re.escape(sentence)):
        train(model, **options)
    assert weights(model) == weights(net())


# ------------------------------------------------------------------------------------------------------------ progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_where_there_is_no_terminal(capsys):
    history = train(net(), epochs=11, progress=True, validation=HELD)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    number = r"\d+\.\d{4}"
    share = r" *\d+\.\d\d %"
    assert re.fullmatch(
        rf"epoch  1/11  loss {number}  accuracy {share}  validation:  loss {number}  accuracy {share}  \d\.\d s",
        lines[0],
    )
    assert lines[-1] == history.note
    assert not any("\r" in line or "\x1b" in line for line in lines)


def test_a_live_line_on_a_terminal(monkeypatch):
    terminal = Terminal()
    times = iter(range(10_000))
    monkeypatch.setattr("nn.training.report.perf_counter", lambda: next(times))
    monkeypatch.setenv("COLUMNS", "70")
    train(net(), epochs=2, progress=terminal)
    live = [part for part in terminal.getvalue().split("\r") if "left" in part]
    assert re.search(r"epoch 1/2   25 %  loss \d\.\d{4}  accuracy .*  \d+\.\d s left", live[0])
    shown = screen(terminal.getvalue())
    assert [line.split("  ")[0] for line in shown[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert shown[2:] == ["Ended after epoch 2: the weights are the latest."]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_that_blew_up_can_be_gone_on_with(compiled):
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
def test_a_batch_that_is_refused_costs_no_step_before_it(compiled):
    model, labels = net(), Y[:40].copy()
    labels[-1] = 7
    optimizer = nn.optim.Adam(model.parameters(), lr=0.05)
    before = weights(model)
    with pytest.raises(DomainError, match="label 7"):
        train(model, data=(X[:40], labels), seed=None, optimizer=optimizer, compile=compiled)
    assert weights(model) != before
    assert optimizer.state[model[0].weight]["step"].item() == 3


def test_accuracy_of_labels_with_several_axes():
    model = nn.Linear(2, 3, seed=0)
    x, y = RNG.normal(size=(20, 7, 2)), RNG.integers(0, 3, (20, 7))
    assert nn.evaluate(model, LOSS, (x, y)).accuracy == pytest.approx(nn.functional.accuracy(model(np.float32(x)), y))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_model_with_two_outputs_has_no_accuracy(compiled):
    class Two(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2, seed=0)

        def forward(self, x):
            z = self.layer(x)
            return z, 2 * z

    history = train(Two(), loss=lambda outputs, y: LOSS(outputs[1], y), compile=compiled)
    assert history.accuracy == [None] * 3


def test_only_what_is_trained_must_stay_finite():
    class Masked(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 3, seed=0)
            self.mask = nn.Parameter([0.0, 0.0, -np.inf], requires_grad=False)

        def forward(self, x):
            return self.layer(x) + self.mask

    assert train(Masked()).epochs == 3


@pytest.mark.parametrize("answer", [True, np.True_, 1, None, "stop"], ids=repr)
def test_a_callback_stops_with_a_truth_value(answer):
    assert train(net(), callback=lambda history: answer).epochs == (1 if isinstance(answer, bool | np.bool_) else 3)


class Moving(nn.Module):
    """It makes its buffer another Tensor at every call."""

    def __init__(self):
        self.layer = nn.Linear(2, 2, seed=0)
        self.register_buffer("mean", ag.zeros(2, dtype="float32"))

    def forward(self, x):
        with ag.no_grad():
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
        return self.layer(x - self.mean)


def test_a_buffer_that_is_replaced_is_refused_compiled_and_trains_all_the_same():
    said = io.StringIO()
    one, other = Moving(), Moving()
    train(one, compile=True, progress=said)
    train(other)
    assert re.search(r"Not compiled: .*test_training.py:\d+ makes .mean of a Moving another", said.getvalue())
    assert weights(one) == weights(other)
    with pytest.raises(DTypeError, match=r"Moving\.mean = .* is a list: give a Tensor, as it is a buffer"):
        one.mean = [0.0, 0.0]


def test_a_stream_needs_nothing_but_write():
    class Stream:
        text = ""

        def write(self, text):
            self.text += text

    stream = Stream()
    train(net(), progress=stream)
    assert stream.text.count("\n") == 4
    with pytest.raises(DTypeError, match=r"parallel = 3 is a int: give an nn\.parallel\.Parallel"):
        train(net(), parallel=3)


def test_a_narrow_terminal_shows_what_fits(monkeypatch):
    terminal = Terminal()
    times = iter(range(10_000))
    monkeypatch.setattr("nn.training.report.perf_counter", lambda: next(times))
    monkeypatch.setenv("COLUMNS", "30")
    train(net(), epochs=1, progress=terminal, loss=interrupting(LOSS, 4))
    live = [part for part in terminal.getvalue().split("\r") if "loss" in part]
    assert len(live) == 3
    assert all(len(part) == 29 for part in live)


def screen(text):
    """What a terminal shows in the end."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines[:-1]


def test_an_interrupted_live_line_is_taken_away(monkeypatch):
    terminal = Terminal()
    times = iter(range(10_000))
    monkeypatch.setattr("nn.training.report.perf_counter", lambda: next(times))
    train(net(), epochs=2, progress=terminal, loss=interrupting(LOSS, 3))
    assert "left" in terminal.getvalue()
    assert screen(terminal.getvalue()) == ["Interrupted in the first epoch: the weights are the latest."]


def test_no_progress_is_silent(capsys):
    train(net())
    assert capsys.readouterr().out == ""


def test_durations():
    from nn.training.report import duration

    assert [duration(s) for s in (0.04, 59.94, 61, 3000, 7260)] == ["0.0 s", "59.9 s", "1 min", "50 min", "2 h 01 min"]


# ------------------------------------------------------------------------------------------------------------- history


def test_a_history_comes_back(tmp_path):
    history = train(net(), validation=HELD)
    history.save(tmp_path / "h.json")
    assert nn.History.load(tmp_path / "h.json") == history
    assert json.loads((tmp_path / "h.json").read_text())["loss"] == history.loss


@pytest.mark.parametrize("text", ["", "3", "{}", '{"loss": []}', "[" * 100_000, "\xff"])
def test_another_file_is_no_history(text, tmp_path):
    path = tmp_path / "h.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=r"h.json is not a training history: .*Give a file that History.save wrote"):
        nn.History.load(path)
