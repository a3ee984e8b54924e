"""How a row of the table of commands is run."""

from __future__ import annotations

import io
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn import __main__ as nn_command
from glassgrad.nn.commands import digits
from glassgrad.nn.data import Dataset
from glassgrad.viz import __main__ as viz_command

COMMAND_LINE = Path(__file__).with_name("command_line.txt")

COMMANDS: dict[str, ModuleType] = {"nn": nn_command, "viz": viz_command}


def tiny() -> Dataset:
    """Two hundred digits to train with, so that a run is soon over."""
    rng = np.random.default_rng(0)
    x, y = rng.random((260, 256)).astype("float32"), rng.integers(0, 10, 260)
    return Dataset("digits", x[:200], y[:200], x[200:], y[200:], (16, 16), tuple("0123456789"))


def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this the current folder, with files that are not what they should be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(digits, "DATASETS", {**nn.data.DATASETS, "digits": tiny})
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "text.png").write_text("hello")
    nn.save(nn.MLP([3, 2], seed=0), "other.npz")
    nn.save({"a": 1}, "dict.npz")
    nn.save(
        nn.MLP([256, 10], seed=0),
        "digits.npz",
        metadata={"data": "digits", "loss": "mse", "classes": list("0123456789")},
    )


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def end(words: str) -> tuple[str, str]:
    """How a command ends, and what it says on stderr."""
    command, *arguments = shlex.split(words)
    with redirect_stderr(io.StringIO()) as said, redirect_stdout(io.StringIO()):
        try:
            status = COMMANDS[command].main(arguments)
        except SystemExit as stopped:  # argparse's own way
            status = stopped.code
    return f"exit {status}", said.getvalue()
