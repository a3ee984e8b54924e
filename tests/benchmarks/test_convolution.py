"""Convolutions, steps and networks beside PyTorch: each library's contestants are measured."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

pytest.importorskip("torch")

from benchmarks import convolution

LAYERS = ("Conv2d", 1, 2, 3), ("ReLU",), ("Flatten",), ("Linear", 72, 10)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(convolution, "CONVOLUTIONS", {"small": ((2, 3, 5, 5), (4, 3, 3, 3), {"padding": 1})})
    monkeypatch.setattr(convolution, "NETWORKS", {"step: small": LAYERS})
    monkeypatch.setattr(convolution, "DIGITS", (20, 1, 8, 8))
    monkeypatch.setattr(convolution, "IMAGE", (1, 3, 64, 64))


def measured(work, rounds=2):
    """The seconds of all contestants, which are served by threads instead of processes."""
    pipes, threads = [], []
    for make in (convolution.of_torch, convolution.of_glassgrad):
        mine, theirs = multiprocessing.Pipe()
        threads.append(threading.Thread(target=convolution.serve, args=(theirs, make)))
        threads[-1].start()
        pipes.append(mine)
    try:
        return convolution.seconds(pipes, work, rounds)
    finally:
        for pipe, thread in zip(pipes, threads, strict=True):
            pipe.send(None)
            thread.join()


@pytest.mark.parametrize(
    ("work", "names"),
    [
        ("small", ["torch", "channels_last", "eager"]),
        ("step: small", ["torch", "channels_last", "eager", "compiled", "C"]),
        ("resnet18", ["torch", "eager"]),
    ],
)
def test_all_contestants_are_measured(small, work, names):
    if work == "resnet18":
        pytest.importorskip("torchvision")
    found = measured(work)
    assert [*found] == names
    assert all(seconds > 0 for seconds in found.values())
