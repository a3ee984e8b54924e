"""The command line: arguments, help, exit status."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from glassgrad.nn.__main__ import parser
from glassgrad.nn.commands.settings import Settings
from tests.nn.commands.helpers import ROOT, SMALL, refused, run


def test_processes_that_mpirun_started_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    said = refused(capsys, "digits", "--out", tmp_path / "run")
    assert "mpirun has started 2 processes: start one, or give nn.fit parallel= in a script" in said
    assert not (tmp_path / "run").exists()


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        run(*words, "--help")
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_option_and_its_default(capsys):
    said = " ".join(help_of(capsys, "digits").split())
    for option in (*vars(Settings()), "out"):
        assert f"--{option}" in said
    for name in ("model", "loss", "optimizer", "epochs", "batch", "seed", "device", "data"):
        assert f"(default: {getattr(Settings(), name)}" in said
    assert "predict" in help_of(capsys)


@pytest.mark.parametrize("command", ["digits", "predict"])
def test_examples_in_the_help_are_understood(command, capsys):
    lines = [line.strip() for line in help_of(capsys, command).splitlines() if line.startswith("  python -m")]
    assert lines
    for line in lines:
        assert parser().parse_args(shlex.split(line)[3:]).command == command


def test_an_ascii_terminal_is_enough(tmp_path):
    program = (
        "import sys; from glassgrad.nn.__main__ import main; from glassgrad.nn.commands.results import Run;"
        "Run.report = lambda _: iter(()); sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "digits", *SMALL, "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "16?16" in done.stdout


@pytest.mark.parametrize(
    "words", [["glassgrad.nn", "digits", "--epochs", "1", "--out", "run"], ["glassgrad.viz", "L = w*w + w", "w=2"]]
)
def test_a_closed_pipe_causes_no_traceback(words, tmp_path):
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, env=environment, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
