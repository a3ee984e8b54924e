"""The comparison of steps in C with other libraries': all compute the same, and the table says what was measured."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks import native
from benchmarks.works import NETS
from glassgrad.autograd.compiler.targets.c.build import library
from tests.autograd.compiler.targets.c.native import needs_compiler


@needs_compiler
@pytest.mark.parametrize("key", ["A", "L"])
def test_steps_have_the_same_losses(key, monkeypatch, tmp_path):
    monkeypatch.setenv("GLASSGRAD_NATIVE", str(tmp_path))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("jax", "torch") else find(name))
    runs = native.contestants(key, 1)
    assert list(runs) == ["C", "NumPy", "C, 100 steps"]
    assert native.agree({name: run for name, run in runs.items() if run[1] == 1})


@needs_compiler
def test_the_floor_runs_the_loops_of_a_step_without_its_products(monkeypatch, tmp_path):
    monkeypatch.setenv("GLASSGRAD_NATIVE", str(tmp_path))
    texts = []
    monkeypatch.setattr(native, "library", lambda text, **options: texts.append(text) or library(text, **options))
    assert list(native.parts(NETS["C"])) == ["product", "loops"]
    step = texts[0].rpartition("int step(")[2]
    assert "layers_1_loop(" in step
    assert "product_" not in step
    assert "gemm(" not in step
    found = {"product": 1000.0, "loops": 2.0}  # microseconds
    multiplications = 10 * (2 * 256 * 30 + 3 * 30 * 10)
    assert native.floor(NETS["C"], found) == pytest.approx(1000 * multiplications / native.SIDE**3 + 2)


def test_the_kernels_of_another_machine_are_not_measured(monkeypatch):
    class Restarted(Exception):
        pass

    def restart(path, command, environment):
        raise Restarted(environment)

    monkeypatch.setattr(native.os, "execve", restart)
    for name, value in native.surroundings(2).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    with pytest.raises(Restarted) as caught:
        native.main(["--threads", "2", "--works", "A"])
    assert "OPENBLAS_CORETYPE" not in caught.value.args[0]


def test_a_row_has_the_figures_and_the_ratios_with_their_goals():
    found = {"C": 5.0, "C, 100 steps": 4.0, "floor": 2.5, "NumPy": 15.0, "jit": 25.0, "scan": 10.0}
    ratios = "0.200 (0.25) | 0.400 (0.25) | 1.600 (2.0) |  |"
    assert native.row("A", found, native.GOALS) == f"| A | 5 | 4 | 2.5 | 15 | 25 | 10 |  | {ratios}"
    with_two = native.row("B", {"C": 5.0, "jit": 10.0}, native.TWO_THREADS)
    assert with_two == "| B | 5 |  |  |  | 10 |  |  | 0.500 (0.9) |  |  |  |"
