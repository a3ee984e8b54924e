"""Files of 7ba52f13, and older ones, load, and give what they gave: structure and weights to the last bit."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.__main__ import main
from tests.promises import kept_files as made

VALUES: dict[str, np.ndarray] = dict(np.load(made.VALUES))
FACTS: dict[str, Any] = json.loads(made.FACTS.read_text(encoding="utf-8"))
ARCHIVES = [name for name, fact in FACTS.items() if "parts" in fact]


def of(name: str, start: str) -> list[np.ndarray]:
    """The recorded arrays of a file whose names begin so."""
    return [value for key, value in VALUES.items() if key.startswith(f"{name}:{start}")]


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Products of matrices are summed in an order that depends on the processor, so their last bits do.

    The error is relative to the terms of a sum, not to the sum, which may be small.
    """
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    bound = 1e-6 if expected.dtype == np.float32 else 1e-14
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound * max(1.0, np.abs(expected).max()))


def same_outputs(found: Any, name: str) -> None:
    for y, expected in zip(made.outputs(found), of(name, "y"), strict=True):
        close(y, expected)


def test_every_file_has_an_expectation():
    files = {path.name for path in made.FOLDER.iterdir()} - {made.VALUES.name, made.FACTS.name, "digit.png"}
    assert files == {*FACTS, *made.NETWORKS}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_give_the_module_that_was_saved(name):
    model = made.loaded(name)
    assert made.digest(model.state_dict()) == FACTS[name]["state"]
    found, expected = made.parts(model), FACTS[name]["parts"]
    assert [*found] == [*expected]
    for path, (kind, arguments, *modes) in expected.items():
        assert found[path][0] == kind
        assert found[path][2:] == modes
        if hasattr(nn, kind):  # those of one's own classes are not kept; a later version may have more
            assert (arguments or {}).items() <= (found[path][1] or {}).items(), path
    if of(name, "x"):
        same_outputs(model.eval()(*of(name, "x")), name)
    assert nn.load_metadata(made.FOLDER / name) in ({}, {"made": "at 7ba52f13", "classes": ["é", "b"]})


@pytest.mark.parametrize("name", made.OLD)
def test_old_archives_have_the_headers_of_their_time(name):
    header = json.loads(str(np.load(made.FOLDER / name)["__glassgrad__"]))
    assert sorted(header) == ["architecture", "class", "content", "format", "metadata"]


def test_every_layer_is_in_an_archive():
    layers = {name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    losses = {name for name in layers if name.endswith("Loss")}
    saved = {part[0] for name in ARCHIVES for part in FACTS[name]["parts"].values()}
    assert layers - losses - {"Module"} <= saved


@pytest.mark.parametrize("name", made.OPTIMIZERS)
def test_checkpoints_continue_the_training(name):
    training = made.Training(name)
    saved = nn.load(made.FOLDER / name)
    assert (saved["epoch"], saved["best"], saved["history"]) == (3, None, [0.5, 0.25])
    training.resume(saved)
    assert made.digest(training.model.state_dict()) == FACTS[name]["state"]
    training.epoch()
    for path, p in training.model.state_dict().items():
        close(np.asarray(p.data), VALUES[f"{name}:{path}"])
    assert [group["lr"] for group in training.optimizer.param_groups] == FACTS[name]["lr"]
    assert training.rng.random() == FACTS[name]["draw"]


@pytest.mark.parametrize("name", ["weights.npz", "weights.safetensors", "numpy.npz", "other.safetensors"])
def test_arrays_are_read_to_the_last_bit(name):
    content = nn.load(made.FOLDER / name)
    assert made.digest(content) == FACTS[name]["state"]
    metadata = {"numpy.npz": {}, "other.safetensors": {"format": "np"}}.get(name, {"note": "é", "n": 1})
    assert nn.load_metadata(made.FOLDER / name) == metadata


@pytest.mark.parametrize("name", made.NETWORKS)
def test_onnx_files_give_the_same_outputs(name):
    pytest.importorskip("onnx")
    same_outputs(nn.load_onnx(made.FOLDER / name)(*of(name, "x")), name)


def test_a_study_is_read_and_continued(tmp_path):
    pytest.importorskip("optuna")
    path = tmp_path / "study.journal"
    shutil.copyfile(made.FOLDER / path.name, path)
    expected = FACTS[path.name]
    assert made.trial_facts(made.search(path, 3).trials) == expected
    trials = made.search(path, 4).trials
    assert made.trial_facts(trials[:3]) == expected
    assert (len(trials), trials[3].number, trials[3].state) == (4, 3, "complete")


def test_a_history_is_read():
    history = nn.History.load(made.FOLDER / "history.json")
    assert {name: getattr(history, name) for name in FACTS["history.json"]} == FACTS["history.json"]


def test_a_network_of_the_command_line_names_the_digit(capsys):
    pytest.importorskip("PIL")
    status = main(["predict", str(made.FOLDER / "digits.npz"), str(made.FOLDER / "digit.png")])
    assert not status
    assert capsys.readouterr().out.splitlines()[1].split()[1] == str(FACTS["digits.npz"]["digit"])
