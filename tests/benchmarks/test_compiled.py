"""The comparison of compiled steps with eager ones: both compute the same, and the table says what was measured."""

import numpy as np
import pytest

from benchmarks import compiled, handwritten


@pytest.mark.parametrize("key", handwritten.WORKS)
def test_a_handwritten_work_has_the_same_losses_compiled(key):
    if key != "dropout":  # which draws other numbers at each step, the same in both
        assert compiled.agree(*compiled.WORKS[key][1]())
        return
    eager, step = compiled.WORKS[key][1]()
    np.testing.assert_allclose([float(eager()) for _ in range(3)], [float(step()) for _ in range(3)], rtol=1e-4)


@pytest.mark.parametrize("key", ["A", "C", "L", "H", "F", "G"])
def test_a_work_of_the_race_has_the_same_losses_compiled(key):
    assert compiled.agree(*compiled.WORKS[key][1]())


def test_losses_that_differ_do_not_agree():
    losses = iter(range(6))
    assert not compiled.agree(lambda: handwritten.ag.Tensor(1.0), lambda: handwritten.ag.Tensor(float(next(losses))))


def test_the_table_has_a_row_for_each_work(monkeypatch):
    monkeypatch.setattr(compiled, "SECONDS", 1e-5)
    results = {"patches": compiled.measured("patches", rounds=2), "D": {"error": "the losses differ"}}
    assert 0 < results["patches"]["ratio"] < 100
    first, second = compiled.table(results).splitlines()[2:]
    assert first.startswith("| patches | ")
    assert "the losses differ" in second


def test_the_command_prints_the_table_and_fails_where_a_step_is_slow(monkeypatch, capsys, tmp_path):
    slow = {"eager": 1.0, "compiled": 2.0, "ratio": 2.0, "compile": 0.1}
    monkeypatch.setattr(compiled, "measured", lambda key, rounds: slow)
    assert compiled.main(["--works", "patches", "--markdown", str(tmp_path / "out.md")]) == 1
    assert "| patches | 1000.0 ms | 2000.0 ms | 2.00 |" in capsys.readouterr().out
    assert "one thread" in (tmp_path / "out.md").read_text(encoding="utf-8")
