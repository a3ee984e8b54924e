"""What of the GPU's benchmark can be tested without one: on a stand-in, by its numbers, and that it says so."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks.works import Net
from glassgrad.autograd import backends
from tests import operations as table

SMALL = Net("A", (2, 3, 1), 4)


cupy = pytest.fixture(lambda gpu: gpu, name="cupy")


def test_without_a_gpu_one_sentence_and_status_2(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert gpu.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("benchmarks.gpu: device 'cuda' is not available here (import of cupy halted")


@pytest.mark.check
def test_operations_are_verified_and_the_wrong_one_is_named(cupy, monkeypatch, capsys):
    some = ("exp", "matmul", "take", "getitem", "concat", "qr_factors", "tile")
    monkeypatch.setattr(table, "TABLE", {name: table.TABLE[name] for name in some})
    assert gpu.disagreements("cuda", 2) == {}
    monkeypatch.setattr(backends.space_on("cuda"), "exp", cupy.tanh)
    assert list(gpu.disagreements("cuda", 2)) == ["exp"]
    assert gpu.main(["--examples", "2", "--works"]) == 1
    assert "1 operations are not the CPU's.\n- exp: AssertionError: Not equal" in capsys.readouterr().out


def test_verified_results_are_reported_when_nothing_could_be_timed(cupy, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "disagreements", lambda *args: {})
    monkeypatch.setattr(gpu.subprocess, "run", lambda *args, **kwargs: SimpleNamespace(returncode=1))
    assert gpu.main([]) == 1
    out, err = capsys.readouterr()
    assert "All operations agree with the CPU's." in out
    assert err.splitlines() == [f"benchmarks.gpu: no times with TF32 {x}: the exit status is 1." for x in ("off", "on")]


def test_the_products_of_a_step():
    net = Net("A", (2, 3, 1), 10)
    assert gpu.products(net) == [(10, 2, 3), (3, 10, 2), (10, 3, 1), (1, 10, 3), (10, 1, 3)]
    assert gpu.operations(gpu.products(net)) == 2 * (10 * 6 * 2 + 10 * 3 * 3)


@pytest.mark.parametrize("mode", ["glassgrad", "glassgrad_compiled"])
def test_glassgrad_trains_there_and_is_verified_there(cupy, mode):
    worker = gpu.contestant(mode, "cuda")
    assert max(worker.verify("C").values()) < 0.01
    run = worker.build_as(SMALL)
    assert run.run.model.layers[0].weight.device == "cuda:0"
    run.layers()
    assert run.run.x.device == "cuda:0"
    run.step()
    cupy.counts.reset()
    run.step()
    assert (cupy.counts.transfers, cupy.counts.synchronisations) == (0, 0)


def test_a_race_takes_turns_and_gives_medians():
    calls = []
    ticks = iter(range(10_000))

    def seconds(step, count):
        step()
        return 1.0 + next(ticks) % 2

    steps = {name: lambda name=name: calls.append(name) for name in "ab"}
    found = gpu.race(steps, SimpleNamespace(seconds=seconds), 4)
    assert set(found) == {"a", "b"}
    assert calls[-8:] == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert all(1.0 <= value <= 2.0 for value in found.values())


def test_compilation_in_the_first_step_is_not_counted():
    """Else one step would fill the warm-up, and a round would be one step."""
    waits = iter([30.0])
    found = []

    def seconds(step, count):
        found.append(count)
        return next(waits, 0.001)

    gpu.race({"a": lambda: None}, SimpleNamespace(seconds=seconds), 3)
    assert found[-3:] == [60, 60, 60]


def test_the_peak_is_operations_by_time(cupy):
    assert gpu.peak(cupy, SimpleNamespace(seconds=lambda step, count: 0.5), 3, square=8) == 2 * 8**3 / 0.5


def test_a_measurement_on_the_stand_in(cupy, monkeypatch):
    monkeypatch.setattr(gpu, "NETS", {"A": SMALL})
    monkeypatch.setattr(gpu, "WARM_UP", 0.0)
    monkeypatch.setattr(gpu, "BURST", 0.0)
    monkeypatch.setattr(gpu, "SQUARE", 8)
    monkeypatch.setattr(gpu, "peak", lambda *args: 1e12)
    monkeypatch.setattr(gpu, "CONTESTANTS", {"pytorch": "PyTorch eager", "glassgrad": "glassgrad"})
    report = gpu.measure(cupy, "cuda", False, ["A"], 2)
    work = report["works"]["A"]
    assert work["seconds"]["glassgrad"] > 0
    assert work["products"] > 0
    assert "pytorch" in work["failed"]  # it is not installed, or finds no GPU here
    text = gpu.as_markdown(gpu.card(cupy), {}, [report])
    assert text.startswith("stand-in, CuPy")
    assert "All operations agree with the CPU's." in text
    assert "TF32 off: the card's peak is 1.0 TFLOP/s" in text
    assert "- PyTorch eager, A: " in text


def test_aims_are_judged():
    seconds = {"pytorch": 1.0, "pytorch_compiled": 1.0, "glassgrad": 0.9, "glassgrad_compiled": 0.7}
    slow = {"pytorch": 1.0, "glassgrad": 0.9}
    made = gpu.operations(gpu.products(gpu.WIDE)) / 0.7
    works = {"A": seconds, "B": slow, "E": slow, "wide": seconds}
    report = {
        "tf32": True,
        "peak": made / 0.95,
        "works": {key: {"products": 0.35, "seconds": s, "failed": {}} for key, s in works.items()},
    }
    assert gpu.verdicts(report) == [
        "- A: 0.70 of PyTorch eager, at most 0.8: met",
        "- B: 0.90 of PyTorch eager, at most 0.8: MISSED",
        "- E: - of torch.compile, at most 1.0: unknown",
        "- wide: 0.95 of the card's peak, at least 0.9: met",
    ]
    lines = gpu.table(report).splitlines()
    assert lines[0].startswith("TF32 on")
    assert "| glassgrad compiled ÷ PyTorch eager | 0.70 | - | - | 0.70 |" in lines
    assert "| share of matrix products | 50 % | 39 % | 39 % | 50 % |" in lines
    np.testing.assert_allclose(gpu.reached(report, "wide"), 0.95)
