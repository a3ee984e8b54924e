"""Ctrl-C keeps whole weights."""

import os
import signal

import pytest

from glassgrad import nn
from tests.measured import in_threads
from tests.nn.training.helpers import HELD, LOSS, X, Y, interrupting, net, train, weights


def test_ctrl_c_keeps_the_best_weights_with_a_message(capsys):
    model, seen = net(), []
    loss = interrupting(LOSS, 4 * 3 + 3 + 2)  # three epochs of four batches and a validation, then two batches
    options = {"validation": HELD, "progress": True, "callback": lambda h: seen.append(weights(model))}
    history = train(model, epochs=9, loss=loss, **options)
    assert (history.interrupted, history.epochs) == (True, 3)
    assert weights(model) == seen[history.best_epoch - 1]
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == history.note
    assert said.startswith(f"Interrupted after epoch 3: the weights are those of epoch {history.best_epoch}, which had")


def test_ctrl_c_without_validation_keeps_the_last_complete_step():
    model, twin = net(), net()
    history = train(model, seed=None, loss=interrupting(LOSS, 3))
    assert (history.interrupted, history.epochs) == (True, 0)
    assert history.note == "Interrupted after epoch 0: the weights are the latest."
    train(twin, seed=None, epochs=1, data=(X[:20], Y[:20]))
    assert weights(model) == weights(twin)


@pytest.fixture(autouse=True)
def default_handler():
    """Python's handler, which a shell that starts background jobs replaces by ignoring the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
            p.data = p.data + 100
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
    kept = "those of epoch 1" if step == 6 else "those of epoch 0"
    assert history.note.endswith(f": the weights are {kept}.")


def test_an_error_in_an_update_restores_the_weights():
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
    assert train(model, seed=None, optimizer=optimizer).interrupted
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
            self.param_groups[0]["params"][0].data = self.param_groups[0]["params"][0].data + 100
            real_ctrl_c()
            raise AssertionError("the second Ctrl-C was swallowed")

    model = net()
    assert train(model, optimizer=Hanging(model.parameters())).interrupted
    assert weights(model) == weights(net())


def test_a_handler_of_the_user_stays():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        history = train(net(), epochs=2, callback=lambda h: real_ctrl_c())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (history.epochs, len(heard)) == (2, 2)


def test_fit_runs_outside_the_main_thread():
    (history,) = in_threads(lambda: train(net()))
    assert history.epochs == 3


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    history = train(net(), epochs=2, callback=lambda h: real_ctrl_c())
    assert (history.epochs, signal.getsignal(signal.SIGINT)) == (2, signal.SIG_IGN)
