"""`nn.search`: what is tried, kept, stopped and reported; shared storages; inputs that do not fit."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.errors import FileError
from glassgrad.nn.tuning import Trial, Widths
from tests.sampling import waiting

optuna = pytest.importorskip("optuna")
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(240, 2)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int64")
DATA = X[:180], Y[:180], X[180:], Y[180:]
SPACE = {"hidden": Widths((1, 2), (4, 16)), "lr": (0.001, 0.1)}


def build(hidden, seed):
    return nn.MLP([2, *hidden, 2], "tanh", seed=seed)


def found(trials=3, **options):
    return nn.search(build, DATA, SPACE, trials=trials, **{"epochs": 2, "seeds": 2, "finalists": 1, **options})


def test_a_search_finds_a_trained_network():
    result = found()
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    best = result.best
    assert best.accuracy == max(t.accuracy for t in result.trials if t.state == "complete")
    assert best.layers == (*best.choice["hidden"], 2)
    assert best.parameters == sum(p.size for p in build(best.choice["hidden"], 0).parameters())
    assert len(best.curve) == 2
    assert best.seconds > 0
    (finalist,) = result.finalists
    assert finalist.trial == best
    assert len(finalist.validation) == len(finalist.test) == 2
    assert [p.shape for p in result.model.parameters()] == [
        p.shape for p in build(best.choice["hidden"], 0).parameters()
    ]


def test_a_recurrent_layer_is_sketched_as_one():
    def read(width, seed):
        return nn.models.RowRecurrent((1, 2), 2, "lstm", width, seed=seed)

    data = tuple(a[:, None, None] if a.ndim > 1 else a for a in DATA)
    (trial,) = nn.search(read, data, {"width": (4, 9)}, trials=1, epochs=1, finalists=0).trials
    assert trial.layers == (trial.choice["width"], 2)


def test_a_result_prints_as_a_short_table():
    result = found(finalists=2)
    lines = repr(result).splitlines()
    assert lines[0] == "trials: 3 complete"
    assert lines[3] == f"  {result.best}"
    assert lines[5] == "trained again, seeds: 2"
    assert "The test rows were used once by this search, at its end; one that continues it uses them again." in lines
    for line, finalist in zip(lines[6:8], result.finalists, strict=True):
        mean, spread = np.mean(finalist.test), np.ptp(finalist.test) / 2
        assert line.endswith(f", test {100 * mean:.2f} ± {100 * spread:.2f} %")
        assert f" {finalist.trial.parameters} " in line
    assert "viz.plot_search(result).save('search.svg')" in lines[-1]
    assert max(map(len, lines)) <= 120


def test_a_trial_prints_as_a_line():
    choice = {"model": "mlp", "hidden": (219, 105), "none": (), "rates": (0.5, 0.25), "lr": 0.0031234, "bias": True}
    trial = Trial(3, choice, "pruned", 0.9125, (0.5, 0.9125), 82_000, (219, 105), 2.04, 3)
    assert trial.settings == "mlp, hidden 219-105, rates 0.5-0.25, lr 0.0031, bias True"
    assert str(trial) == f"trial   3  91.25 %  {trial.settings}    82,000 parameters    2.0 s, pruned after 2"


def test_the_same_seed_finds_the_same():
    one, other = found(seed=3), found(seed=3)
    assert [(t.choice, t.curve, t.seed) for t in one.trials] == [(t.choice, t.curve, t.seed) for t in other.trials]
    assert one.finalists[0].test == other.finalists[0].test


def test_a_study_that_goes_on_draws_what_one_call_would(tmp_path):
    for trials in (1, 2, 3):
        result = found(trials, storage=tmp_path / "s.journal", finalists=0)
    assert [t.choice for t in result.trials] == [t.choice for t in found(finalists=0).trials]
    assert len({t.choice["lr"] for t in result.trials}) == 3


def test_only_the_finalists_see_the_test_rows():
    nowhere = (*DATA[:2], np.full_like(DATA[2], np.nan), DATA[3])
    result = nn.search(build, nowhere, SPACE, trials=2, epochs=1, finalists=0)
    assert result.finalists == []
    assert result.model is not None


def test_a_storage_keeps_the_study(tmp_path):
    storage = tmp_path / "study.journal"
    first = found(trials=2, storage=storage, finalists=0)
    seen = []
    assert found(trials=3, storage=storage, finalists=0, callback=seen.append).trials[:2] == first.trials
    assert [trial.number for trial in seen] == [2]


def test_of_two_processes_the_killed_one_loses_its_trial_only(tmp_path):
    storage = tmp_path / "s.journal"
    code = (
        "import numpy as np, sys, time; from glassgrad import nn\n"
        "def build(hidden, seed):\n"
        "    print('in the middle of a trial', flush=True); time.sleep(600)\n"
        "x = np.zeros((6, 2), 'float32'); y = np.zeros(6, 'int64')\n"
        "nn.search(build, (x, y, x, y), {'hidden': nn.tuning.Widths((1, 2), (4, 16)), 'lr': (0.001, 0.1)}, trials=4,"
        " storage=sys.argv[1])"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(storage)], stdout=subprocess.PIPE) as other:

        def kill(trial):
            other.kill()
            other.wait()

        try:
            assert other.stdout.readline()
            result = found(trials=4, storage=storage, finalists=0, callback=kill)
        finally:
            other.kill()
    assert other.returncode == -signal.SIGKILL
    assert [t.state for t in result.trials] == ["running", *["complete"] * 4]
    assert result.model is not None


@pytest.mark.parametrize(
    ("storage", "sentence"),
    [
        ("sqlite:///s.db", "storage = 'sqlite:///s.db' is an address: give a file, a journal of Optuna"),
        ("{}/text", "text is not a journal of a search, or is damaged: name another file"),
    ],
)
def test_storages_that_can_not_be_used(tmp_path, storage, sentence):
    (tmp_path / "text").write_text("no journal")
    with pytest.raises(FileError, match=sentence):
        found(storage=storage.format(tmp_path))
    assert (tmp_path / "text").read_text() == "no journal"


def test_the_time_limit_ends_running_trials():
    start = time.time()
    result = nn.search(build, DATA, SPACE, trials=10_000, epochs=50, budget=1.5, finalists=0)
    assert time.time() - start < 30
    assert 0 < len(result.trials) < 10_000


class Clock:
    """A clock by which each network takes ``step`` seconds."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def time(self):
        return self.now

    def build(self, hidden, seed):
        self.now += self.step
        return build(hidden, seed)


@pytest.mark.parametrize(
    ("step", "epochs", "trained"),
    [waiting(100, 2, [2, 2]), (160, 2, [2, 2]), (180, 2, [2]), waiting(205, 2, [2]), (290, 2, [1]), (290, 1, [2])],
)
def test_the_budget_is_that_of_trials_and_finals(monkeypatch, step, epochs, trained):
    clock = Clock(step)
    monkeypatch.setattr(sys.modules[nn.search.__module__], "time", clock)
    result = nn.search(clock.build, DATA, SPACE, trials=2, epochs=epochs, budget=1000, finalists=2, seeds=2)
    assert [len(finalist.test) for finalist in result.finalists] == trained
    assert result.model is not None
    assert clock.now <= 1000 + step


def test_a_search_whose_time_is_over_at_once_has_its_trials(monkeypatch):
    clock = Clock(1001)
    monkeypatch.setattr(sys.modules[nn.search.__module__], "time", clock)
    result = nn.search(clock.build, DATA, SPACE, trials=2, epochs=2, budget=1000)
    assert (result.finalists, result.model) == ([], None)
    assert result.best.state == "pruned"
    assert result.pareto() == [result.best]


def test_ctrl_c_keeps_the_finalists_that_are_trained():
    built = []

    def interrupted(hidden, seed):
        built.append(seed)
        if len(built) == 2 + 2 + 1:  # two trials, one finalist
            raise KeyboardInterrupt
        return build(hidden, seed)

    result = nn.search(interrupted, DATA, SPACE, trials=2, epochs=2, finalists=2, seeds=2)
    assert result.interrupted
    assert [len(finalist.test) for finalist in result.finalists] == [2]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_finalist_that_diverges_with_another_seed_counts_with_its_kept_weights():
    def huge(hidden, seed):
        model = build(hidden, seed)
        for p in model.parameters() if seed >= 1000 else ():
            p.data = p.data + np.float32(1e38)
        return model

    result = nn.search(huge, DATA, SPACE, trials=2, epochs=2, finalists=1, seeds=2)
    (finalist,) = result.finalists
    assert finalist.validation == (0.0, 0.0)


def test_hopeless_trials_are_stopped_early():
    result = nn.search(
        lambda seed: nn.MLP([2, 8, 2], "tanh", seed=seed), DATA,
        {"lr": lambda trial: 0.05 if trial.number < 6 else trial.suggest_float("lr", 1e-9, 1e-8)},
        trials=9, epochs=8, finalists=0,
    )  # fmt: skip
    assert "pruned" in {trial.state for trial in result.trials[6:]}
    assert all(len(t.curve) < 8 for t in result.trials if t.state == "pruned")


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_trial_that_diverges_does_not_end_the_search():
    data = (*(np.concatenate([x[:-1], x[-1:] * 1e30]) if x.dtype.kind == "f" else x for x in DATA),)
    result = nn.search(
        lambda seed: nn.MLP([2, 8, 2], "relu", seed=seed), data, {"lr": [1e30]}, trials=2, epochs=3, finalists=1
    )
    assert {(trial.state, trial.error) for trial in result.trials} == {("failed", "it diverged")}
    assert result.best is None
    assert result.model is None


def test_a_trial_whose_network_can_not_be_built_does_not_end_the_search():
    def fails(width, seed):
        if seed in (0, 2):
            raise ValueError("too wide")
        return build([width], seed)

    seen = []
    options = {"trials": 4, "epochs": 1, "finalists": 1, "seeds": 1}
    result = nn.search(fails, DATA, {"width": (2, 9)}, callback=lambda t: seen.append(t.state), **options)
    assert seen == ["failed", "complete", "failed", "complete"]
    assert result.trials[0].error == "ValueError: too wide"
    assert str(result.trials[0]).endswith(", failed: ValueError: too wide")
    assert result.summary().startswith("trials: 2 complete, 2 failed\n")


def test_what_all_trials_raise_is_raised():
    with pytest.raises(TypeError, match="unexpected keyword argument 'hidden'"):
        nn.search(lambda seed: None, DATA, SPACE, trials=2)
    with pytest.raises(AttributeError, match="no attribute 'sugest_int'"):
        nn.search(build, DATA, lambda trial: {"hidden": trial.sugest_int("hidden", 2, 4)}, trials=2)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_keeps_the_study_and_the_best_model(tmp_path):
    storage, ends = tmp_path / "s.journal", []

    def after(trial):
        ends.append(trial)
        if len(ends) == 2:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = found(trials=500, callback=after, storage=storage)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.interrupted
    assert result.finalists == []
    assert 2 <= len(result.trials) < 500
    assert result.model is not None
    again = found(trials=1, storage=storage, finalists=0)
    assert all(trial in again.trials for trial in result.trials if trial.state != "running")


def test_a_space_may_be_a_function_of_a_trial():
    def space(trial):
        depth = trial.suggest_int("depth", 1, 2)
        return {"hidden": tuple(trial.suggest_int(f"n{i}", 2, 4) for i in range(depth))}

    result = nn.search(build, DATA, space, trials=2, epochs=1, finalists=0)
    assert all(1 <= len(trial.choice["hidden"]) <= 2 for trial in result.trials)


def test_no_smaller_network_is_as_accurate_as_one_on_the_front():
    result = found(trials=6, finalists=0)
    front = result.pareto()
    sizes = [trial.parameters for trial in front]
    assert sizes == sorted(sizes)
    for trial in front:
        others = [t for t in result.trials if t.state == "complete" and t.parameters < trial.parameters]
        assert all(t.accuracy < trial.accuracy for t in others)
