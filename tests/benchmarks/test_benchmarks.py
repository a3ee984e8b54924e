"""The benchmarks' own honesty: who computes something else is not timed, and a miss is called one."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import referee, report, works
from benchmarks.contestants import CONTESTANTS
from benchmarks.environments import ROOT
from benchmarks.worker import Disagreement, Worker

OWN = [key for key, contestant in CONTESTANTS.items() if not contestant.own_environment]


@pytest.mark.parametrize("work", ["A", "C", "D", "B64", "T", "L", "M", "H", "F mlp", "F tree", "G"])
@pytest.mark.parametrize("contestant", OWN)
def test_contestants_agree_with_the_reference(contestant: str, work: str) -> None:
    if CONTESTANTS[contestant].does(work):
        errors = Worker(contestant).verify(work)
        assert max(error for name, error in errors.items() if name not in ("mean loss", "drift")) < 0.01


def wrong(contestant: str, **methods: Any) -> Worker:
    """A worker whose contestant's net has these methods in place of its own."""
    worker = Worker(contestant)
    worker.module = SimpleNamespace(Net=type("Wrong", (worker.module.Net,), methods))
    return worker


@pytest.mark.parametrize(
    ("bias", "sentence"),
    [
        (lambda b: b * 1.01, "the update is off by"),
        (lambda b: b * np.nan, "the update is off by nan"),
        (lambda b: b.astype(np.float64), r"an array is float64 \(30,\), not float32 \(30,\)"),
    ],
)
def test_a_wrong_gradient_is_found(bias: Any, sentence: str) -> None:
    def layers(self: Any) -> works.Layers:
        return [(weight, bias(b)) for weight, b in self.parameters]

    with pytest.raises(Disagreement, match=sentence):
        wrong("numpy_naive", layers=layers).verify("C")


def dropouts(net: Any) -> list[Any]:
    return [layer for layer in net.model if type(layer).__name__ == "Dropout"]


def always_the_same(net: Any) -> None:
    for i, layer in enumerate(dropouts(net)):
        layer.generator = np.random.default_rng(i)


def too_few(net: Any) -> None:
    for layer in dropouts(net):
        layer.p = 0.4


@pytest.mark.parametrize("spoil", [always_the_same, too_few])
def test_wrong_dropout_is_found(spoil: Any) -> None:
    def step(self: Any) -> Any:
        spoil(self)
        return super(type(self), self).step()

    with pytest.raises(Disagreement, match=r"the (mean loss|drift) is off by"):
        wrong("glassgrad", step=step).verify("T")


def test_scalar_works_have_the_operations_that_they_say() -> None:
    for work in works.SCALARS.values():
        counted = 0

        class Counter:
            def __add__(self, other: Any) -> Counter:
                nonlocal counted
                counted += 1
                return self

            __mul__ = __add__

        leaves = [Counter() for _ in work.values()]
        work.program(leaves, lambda x: x + x)
        assert counted == work.operations


def a_report(seconds: float, threads: int = 1, **more: Any) -> dict[str, Any]:
    measured = {"pytorch": {"seconds": [1.0, 1.0, 1.0]}, "glassgrad": {"seconds": [seconds] * 3}, **more}
    made: dict[str, Any] = {
        "machine": referee.machine(),
        "load": 0.0,
        "threads": threads,
        "clock": "wall",
        "versions": {},
        "absent": {},
    }
    made |= {"contestants": ["pytorch", "glassgrad", *more], "works": {"A": measured}}
    made["targets"] = referee.judge(made)
    return made


def test_a_miss_is_printed_as_one() -> None:
    assert "MISSED" in report.as_text(a_report(0.5))
    met = report.as_text(a_report(0.1))
    assert "met" in met
    assert "MISSED" not in met


def test_targets_of_the_compiled_mode_are_beside_each_rival() -> None:
    compiled = {"seconds": [0.2] * 3}
    text = report.as_text(a_report(0.1, glassgrad_compiled=compiled, jax={"seconds": [0.25] * 3}))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    row = lines.index("÷ jax.jit 0.80")
    assert lines[row : row + 3] == ["÷ jax.jit 0.80", "target: at most 0.55", "glassgrad compiled MISSED"]
    assert "glassgrad compiled A (× jax.jit) 0.550 0.800 MISSED" in lines
    assert "torch.compile" not in text


def test_targets_are_for_their_number_of_threads_and_of_those_who_were_asked() -> None:
    def names(made: dict[str, Any]) -> list[tuple[str, str]]:
        return [(verdict["contestant"], verdict["against"]) for verdict in made["targets"]]

    asked = {"glassgrad_compiled": {"seconds": [1.0] * 3}, "jax": {"error": "ImportError: no"}}
    made = a_report(0.1, **asked)
    assert names(made) == [("glassgrad", "pytorch"), ("glassgrad_compiled", "jax")]
    assert made["targets"][1]["met"] is None
    assert names(a_report(0.1, threads=2, **asked)) == []
    assert names(a_report(0.1)) == [("glassgrad", "pytorch")]


def test_single_figures_are_judged() -> None:
    made = a_report(0.1, glassgrad_compiled={"seconds": [0.1] * 3}, numpy_naive={"seconds": [0.1] * 3})
    made["peak"] = {"glassgrad": {"value": 20}, "glassgrad_compiled": {"value": 12}, "numpy_naive": {"value": 10}}
    made["compile"] = {"glassgrad_compiled": {"value": 0.03}}
    made["import"] = {"glassgrad": {"seconds": [0.10, 0.11, 0.5]}, "numpy_naive": {"seconds": [0.1, 0.1, 0.1]}}
    made["deep"] = {"glassgrad": {"error": "RecursionError: no"}}
    judged = {(v["contestant"], v["work"]): (v["value"], v["met"]) for v in referee.judge(made)}
    assert judged["glassgrad", "peak memory on E"] == (2.0, False)
    assert judged["glassgrad_compiled", "peak memory on E"] == (1.2, False)
    assert judged["glassgrad_compiled", "trace and compile D"] == (30.0, True)
    assert judged["glassgrad", "import"] == (pytest.approx(10.0), True)
    assert judged["glassgrad", "deep"] == (0, False)


def test_the_failed_peer_is_named_with_the_reason() -> None:
    text = report.as_markdown(a_report(0.1, mygrad={"error": "ValueError: no"}))
    assert "MyGrad, A: ValueError: no" in text


def test_only_glassgrad_can_import_the_source_tree() -> None:
    script = (
        "from benchmarks.worker import Worker; Worker.version = lambda _, distribution: list(__import__('sys').path)\n"
    )
    orders = json.dumps(["version", {"distribution": ""}]) + "\n"
    for contestant, sees in (("numpy_naive", False), ("glassgrad", True), ("glassgrad_compiled", True)):
        start = referee.START.replace("worker.serve", f"{script}worker.serve")
        command = [sys.executable, "-P", "-c", start, str(ROOT), contestant, "1"]
        done = subprocess.run(command, input=orders, capture_output=True, text=True, check=True)
        # First: an editable install of glassgrad puts it last, behind what the contestant brings.
        assert (json.loads(done.stdout)["result"][0] == str(ROOT)) == sees


def test_machine_is_described_without_paths() -> None:
    assert "/" not in json.dumps(referee.machine())


def test_workers_get_the_threads_and_no_kernel_of_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    environment = referee.surroundings(2)
    assert "OPENBLAS_CORETYPE" not in environment
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "2"
