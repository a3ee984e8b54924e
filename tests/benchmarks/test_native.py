"""The comparison of steps in C with other libraries': all compute the same, and the table says what was measured."""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks import native
from tests.autograd.compiler.targets.c.native import needs_compiler


@needs_compiler
@pytest.mark.parametrize("key", ["A", "L"])
def test_steps_have_the_same_losses(key, monkeypatch, tmp_path):
    monkeypatch.setenv("GLASSGRAD_NATIVE", str(tmp_path))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("jax", "torch") else find(name))
    runs = native.contestants(key)
    assert list(runs) == ["C", "NumPy", "C, 100 steps"]
    assert native.agree({name: run for name, run in runs.items() if run[1] == 1})


def test_a_row_has_the_figures_and_the_ratios_with_their_goals():
    found = {"C": 5.0, "C, 100 steps": 4.0, "NumPy": 15.0, "jit": 25.0, "scan": 10.0}
    assert native.row("A", found) == "| A | 5 | 4 | 15 | 25 | 10 |  | 0.200 (0.25) | 0.400 (0.25) |  |"
