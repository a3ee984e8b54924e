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


@pytest.mark.parametrize("work", ["A", "C", "D", "F mlp", "F tree", "G"])
@pytest.mark.parametrize("contestant", OWN)
def test_contestants_agree_with_the_reference(contestant: str, work: str) -> None:
    if work[0] in CONTESTANTS[contestant].works:
        assert max(Worker(contestant).verify(work).values()) < 0.01


@pytest.mark.parametrize("work", works.NETS)
def test_reference_goes_down_its_own_loss(work: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(works, "LEARNING_RATE", 1e-5)
    net = works.Net(work, tuple(min(n, 50) for n in works.NETS[work].sizes), 20)
    (first, second), _ = works.train_reference(net, 2)
    _, after = works.train_reference(net, 1)
    pairs = ((a, b) for pair in zip(after, net.layers(), strict=True) for a, b in zip(*pair, strict=True))
    step = sum(float(((a - b) ** 2).sum()) for a, b in pairs)
    # To first order a step of gradient descent lowers the loss by rate·|gradient|² = |step|² / rate.
    assert first - second == pytest.approx(step / works.LEARNING_RATE, rel=0.02)


def test_a_wrong_gradient_is_found() -> None:
    worker = Worker("numpy_naive")
    right = worker.module.Net

    class Wrong(right):  # type: ignore[misc, valid-type]
        def layers(self) -> works.Layers:
            return [(weight, bias * 1.01) for weight, bias in super().layers()]

    worker.module = SimpleNamespace(Net=Wrong)
    with pytest.raises(Disagreement, match="the update is off by"):
        worker.verify("C")


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


def test_slope_of_the_chain_by_differences() -> None:
    x, w, b = (array.astype(np.float64) for array in works.SHORT_CHAIN.inputs())

    def run(x: works.Array) -> works.Array:
        y: works.Array = works.SHORT_CHAIN.run(x, w, b, np.tanh, lambda z: 1 / (1 + np.exp(-z)))
        return y

    slopes = (run(x + 1e-6) - run(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(works.chain_reference(works.SHORT_CHAIN)[1], slopes, rtol=1e-5)


def a_report(seconds: float, **more: Any) -> dict[str, Any]:
    measured = {"pytorch": {"seconds": [1.0, 1.0, 1.0]}, "glassgrad": {"seconds": [seconds] * 3}, **more}
    made: dict[str, Any] = {
        "machine": referee.machine(),
        "load": 0.0,
        "threads": 1,
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


def test_who_failed_is_told_with_the_reason() -> None:
    text = report.as_markdown(a_report(0.1, mygrad={"error": "ValueError: no"}))
    assert "MyGrad, A: ValueError: no" in text


def test_ratio_pairs_the_rounds() -> None:
    results = {"a": {"seconds": [1.0, 20.0, 3.0]}, "b": {"seconds": [2.0, 40.0, 6.0]}}
    assert referee.ratio(results, "a", "b") == (0.5, 0.0)


def test_only_glassgrad_can_import_the_source_tree() -> None:
    script = (
        "from benchmarks.worker import Worker; Worker.version = lambda _, distribution: list(__import__('sys').path)\n"
    )
    orders = json.dumps(["version", {"distribution": ""}]) + "\n"
    for contestant, sees in (("numpy_naive", False), ("glassgrad", True)):
        start = referee.START.replace("worker.serve", f"{script}worker.serve")
        command = [sys.executable, "-P", "-c", start, str(ROOT), contestant]
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
