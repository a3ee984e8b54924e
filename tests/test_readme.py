"""Every block of the README runs, and everything it points to is there."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from tests.commands import assert_runs

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]


def test_blocks_are_of_a_kind_that_is_tested():
    assert {language for language, _ in BLOCKS} == {"python", "sh"}
    assert len(COMMANDS) >= 8


@pytest.mark.filterwarnings("ignore:::torch")
def test_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    for number, (language, block) in enumerate(BLOCKS):
        if language == "python" and (find_spec("torch") or "import torch" not in block):
            exec(compile(block, f"README.md, block {number}", "exec"), names)
    assert names["b"].grad.item() == pytest.approx(-0.295184, abs=1e-6)
    assert names["curvature"].item() == pytest.approx(-0.726862, abs=1e-6)
    assert names["matrix"].shape == (2, 2)
    assert names["history"].accuracy[-1] > 0.8  # 0.89 after one epoch; of guessing among ten digits: 0.1
    with Image.open("net.png") as drawn, Image.open(ROOT / "docs/net.png") as shown:
        # engines differ in a few pixels: the picture shown is still that of the lines below it
        assert max(abs(a / b - 1) for a, b in zip(drawn.size, shown.size, strict=True)) < 0.1


def test_the_speed_that_is_claimed_is_that_of_the_saved_run():
    said = re.search(r"is (\S+) to (\S+) times as fast as PyTorch for small nets and (\S+) to (\S+) times for", TEXT)
    table = (ROOT / "benchmarks/RESULTS.md").read_text(encoding="utf-8").split("### Time ÷ PyTorch eager, 1 thread")[1]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    columns, times = rows[0], next(row for row in rows if row[0] == "glassgrad compiled")
    by_net = {net: float(time) for net, time in zip(columns[1:], times[1:], strict=True) if time != "-"}
    for first, nets in ((1, "A C T L M"), (3, "B D E B64")):
        ratios = [by_net[net] for net in nets.split()]
        assert [float(said[first]), float(said[first + 1])] == pytest.approx(
            [1 / max(ratios), 1 / min(ratios)], rel=0.04
        )


@pytest.mark.parametrize("command", COMMANDS)
def test_command_exists(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_runs(command, tmp_path)


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "clean"])
def test_make_help_lists_the_documented_targets(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert f"make {target} " in makefile.split("help:")[1].split("\n\n")[0]
