"""``python -m glassgrad.nn search``: what it prints, writes and refuses."""

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.__main__ import main
from glassgrad.nn.commands import search as command
from glassgrad.nn.data import Dataset
from tests.sampling import sampled

pytest.importorskip("optuna")
pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    whole = nn.data.digits()
    small = Dataset(
        "digits", whole.x_train[:400], whole.y_train[:400], whole.x_test[:100], whole.y_test[:100], whole.image_shape,
        whole.classes,
    )  # fmt: skip
    monkeypatch.setattr(command, "DATASETS", {"digits": lambda: small})


def run(tmp_path, *options):
    words = ["search", "digits", "--trials", "2", "--epochs", "1", "--width", "4:8", "--out", str(tmp_path / "out")]
    return main([*words, *options])


def test_a_search_leaves_the_best_network_the_trials_and_a_report(tmp_path, capsys):
    assert run(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "2 trials on digits: mlp; the study is kept in" in printed
    assert printed.count("\ntrial ") == 2
    assert "trained again, seeds: 3" in printed
    folder = tmp_path / "out"
    assert {p.name for p in folder.iterdir()} >= {"model.npz", "search.svg"}
    assert nn.load_metadata(folder / "model.npz")["classes"] == list("0123456789")
    assert nn.load_model(folder / "model.npz")(np.zeros((1, 256), "float32")).shape == (1, 10)


def test_the_same_command_resumes_the_study(tmp_path, capsys):
    run(tmp_path)
    assert run(tmp_path, "--trials", "3") == 0
    assert capsys.readouterr().out.count("\ntrial ") == 3


@pytest.mark.parametrize("kind", sampled(command.MODELS, 2))
def test_every_kind_of_network_is_tried(kind, tmp_path, capsys):
    assert run(tmp_path, "--models", kind, "--trials", "1", "--width", "4") == 0
    assert f"{kind}, " in capsys.readouterr().out
    assert nn.load_model(tmp_path / "out" / "model.npz")(np.zeros((1, 256), "float32")).shape == (1, 10)


def test_ctrl_c_in_the_first_epoch_counts_the_trial_as_failed(tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "build", interrupted)
    assert run(tmp_path) == 130
    assert "trials: 1 failed\ninterrupted: the storage keeps the study" in capsys.readouterr().out
