"""The examples run, and print what they promise."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def output(name, path, *arguments):
    if not arguments and "[FOLDER]" in (EXAMPLES / name).read_text(encoding="utf-8"):
        arguments = (path,)
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_scalar(tmp_path):
    assert "L = 0.07233, ∂L/∂w = -0.1058, ∂L/∂b = -0.1058" in output("scalar.py", tmp_path)
    assert "-0.5379 × 0.1966 = -0.1058" in unescape((tmp_path / "scalar.svg").read_text(encoding="utf-8"))


def test_xor(tmp_path):
    said = output("xor.py", tmp_path)
    answers = [float(p) for p in re.findall(r"xor . = ([\d.]+)", said)]
    assert [round(p) for p in answers] == [0, 1, 1, 0]
    assert max(abs(p - round(p)) for p in answers) < 0.1  # converged: 0.016
    assert (tmp_path / "xor.svg").is_file()


def test_own_operation(tmp_path):
    said = output("own_operation.py", tmp_path)
    assert "gradcheck: True\ngradgradcheck: True\n" in said
    assert "a wrong rule is found: the derivative of output 0" in said


def test_second_derivatives(tmp_path):
    said = output("second_derivatives.py", tmp_path)
    assert "tanh''(0.5) = -0.726862, by the formula -0.726862" in said
    assert "at (1.000000, 1.000000)" in said


def test_equation(tmp_path):
    said = output("equation.py", tmp_path)
    assert float(re.search(r"farthest from the sine: ([\d.]+)", said)[1]) < 0.01  # converged: 0.0006, with every kernel
    assert "sin‴(0.5) = -0.877583, −cos(0.5) = -0.877583" in said


def test_from_pytorch(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    said = output("from_pytorch.py", tmp_path)
    differs = [float(most) for most in re.findall(r"by at most ([\de.+-]+)", said)]
    assert len(differs) == 6
    assert max(differs) < 1e-4
    assert (tmp_path / "from_pytorch.svg").is_file()


@pytest.mark.check
def test_char_rnn(tmp_path):
    said = output("char_rnn.py", tmp_path)
    entropy, best = (float(re.search(pattern, said)[1]) for pattern in (r"is: ([\d.]+) nats", r"best: ([\d.]+) nats"))
    assert best < entropy - 0.5  # 2.1 of 2.85
    assert said.count(",") > 5
    assert (tmp_path / "char_rnn.npz").is_file()


def test_gradients_over_time(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    said = output("gradients_over_time.py", tmp_path)
    simple, _, kept = (float(share) for share in re.findall(r"at the first step ([\d.e+-]+) of the last", said))
    assert simple < 1e-8 < 1e-2 < kept
    assert (tmp_path / "gradients_over_time.png").read_bytes().startswith(b"\x89PNG")


def test_playground(tmp_path):
    assert "2-8-8-1: how a network bends space" in output("playground.py", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"moons.html", "vanishing.html"}


def test_compiled(tmp_path):
    said = output("compiled.py", tmp_path)
    assert "step(x (4, 2), y (4,)):" in said
    assert "def step(x, y):" in said
    assert "1 program; at lr = 0 the weights stand still: True" in said
    assert re.search(r"loss 1\.\d+ -> 0\.00\d+,", said)


@pytest.mark.check
def test_residual(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    said = output("residual.py", tmp_path)
    first = [float(g) for g in re.findall(r"of layer 1 is ([\de.+-]+),", said)]
    right = [float(share) for share in re.findall(r"([\d.]+) % of the held-out", said)]
    assert first[0] < 1e-9 < 1e-3 < first[1]
    assert right[0] < 20 < 75 < right[1]  # one network stays at chance, 10, and the other comes to 85
    assert (tmp_path / "residual.png").is_file()


@pytest.mark.check
def test_lenet(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    assert float(re.search(r"([\d.]+) % of 2,000", output("lenet.py", tmp_path))[1]) > 93
    assert {path.name for path in tmp_path.iterdir()} == {"lenet.svg", "saliency.png"}


OTHERS = sorted(path for path in EXAMPLES.glob("*.py") if f"test_{path.stem}" not in globals())


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_another_example_runs(path, tmp_path):
    assert output(path.name, tmp_path)


@pytest.mark.parametrize("name", ["char_rnn.py", "equation.py", "lenet.py", "own_network.py"])
def test_help_says_what_an_example_shows_and_runs_nothing(name, tmp_path):
    said = output(name, tmp_path, "--help")
    assert said.startswith("usage: ")
    assert (EXAMPLES / name).read_text(encoding="utf-8")[3:60] in said
    assert not [*tmp_path.iterdir()]
