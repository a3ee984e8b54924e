"""Every network that ``--model`` names: it trains, leaves all results, is loaded again and reads pictures."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from glassgrad import nn
from glassgrad.nn.commands import digits as job
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.results import Run
from glassgrad.nn.commands.settings import Settings
from glassgrad.nn.data import Dataset
from tests.nn.commands.helpers import LEFT, grey, refused, run
from tests.sampling import sampled

OTHERS = [name for name in NETWORKS if name != "mlp"]


@pytest.fixture
def few(data, monkeypatch):
    """The first digits only, so that an epoch is short."""
    shown = Dataset(
        "digits", data.x_train[:1200], data.y_train[:1200], data.x_test[:200], data.y_test[:200], data.image_shape,
        data.classes,
    )  # fmt: skip
    monkeypatch.setattr(job, "DATASETS", {"digits": lambda: shown})
    return shown


@pytest.mark.parametrize("name", sampled(OTHERS, 4))
def test_each_network_trains_loads_and_predicts(name, few, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Run, "report", lambda _: iter(()))
    folder = tmp_path / "run"
    assert run("digits", "--model", name, "--epochs", "2", "--out", folder) == 0
    said = capsys.readouterr().out
    assert "Not compiled" not in said
    assert "16×16, moved by up to 1 pixel" in said
    assert f"{NETWORKS[name].words}, " in said
    accuracy = float(re.search(r"test accuracy ([\d.]+) %", said)[1])
    assert accuracy > 20.0  # chance is 10 ± 2 % of 200 digits; after two short epochs the slowest, lstm, has 31
    model = nn.load_model(folder / "model.npz").eval()
    found = nn.evaluate(model, nn.functional.cross_entropy, (few.x_test, few.y_test)).accuracy
    assert found == pytest.approx(accuracy / 100, abs=1e-6)
    Image.fromarray(grey(few, 0)).save(tmp_path / "digit.png")
    assert run("predict", folder / "model.npz", tmp_path / "digit.png") == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[1] == str(int(model(few.x_test[:1]).data.argmax()))


@pytest.mark.check
def test_a_convolutional_network_leaves_all_results(few, tmp_path, capsys):
    assert run("digits", "--model", "cnn", "--epochs", "1", "--out", tmp_path / "run") == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == LEFT
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "Handwritten digits, read by a convolutional network" in page
    assert "with a pad to draw digits on" in capsys.readouterr().out
    for words in ("Conv2d", "MaxPool2d", "Flatten"):
        assert words in page


def test_settings_are_the_networks_own_unless_given(few, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "report", lambda _: iter(()))
    words = ["digits", "--model", "cnn", "--epochs", "1", "--hidden", "20", "--shift", "0", "--out"]
    assert run(*words, tmp_path / "run") == 0
    written = json.loads((tmp_path / "run/settings.json").read_text())
    assert {name: written[name] for name in ("model", "hidden", "epochs", "shift", "lr")} == {
        "model": "cnn", "hidden": [20], "epochs": 1, "shift": 0, "lr": NETWORKS["cnn"].rates["adamw"],
    }  # fmt: skip
    assert nn.load_model(tmp_path / "run/model.npz").mlp.sizes == (768, 20, 10)
    assert Settings.of({"model": "lenet"}).epochs == NETWORKS["lenet"].epochs


def test_a_run_with_moved_digits_can_be_repeated(few, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "report", lambda _: iter(()))
    for name in "ab":
        assert run("digits", "--hidden", "20", "--epochs", "1", "--shift", "2", "--out", tmp_path / name) == 0
    first, again = nn.load(tmp_path / "a/model.npz"), nn.load(tmp_path / "b/model.npz")
    for name, weights in first.items():
        np.testing.assert_array_equal(weights.numpy(), again[name].numpy())


def test_mean_squared_error_ends_in_a_sigmoid(few):
    model = job.built(Settings.of({"model": "lenet", "loss": "mse"}), few)
    outputs = model(few.x_test[:5]).data
    assert ((outputs > 0) & (outputs < 1)).all()


def test_contradictory_options_raise(capsys, tmp_path):
    out = ("--out", tmp_path / "run")
    sentence = refused(capsys, "digits", "--model", "lenet", "--hidden", "20", *out)
    assert sentence.endswith("hidden is [20], but the layers of lenet are fixed: leave it out")
    assert "'-1' is not a whole number of at least 0" in refused(capsys, "digits", "--shift", "-1", *out)
