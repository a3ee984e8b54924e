"""Forward and backward of recurrent layers, beside PyTorch.

    OMP_NUM_THREADS=1 python -m benchmarks.recurrent [ROUNDS]

Batch 32, input 64, hidden 128, float32. Rounds are interleaved; a time is the mean of the lowest fifth of the process's
CPU times, which count what all threads do.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn

BATCH, INPUT, HIDDEN = 32, 64, 128


def layer_and_input(kind: str, steps: int) -> tuple[Any, ag.Tensor]:
    """A layer of this package, and numbers for it."""
    x = np.random.default_rng(0).normal(size=(steps, BATCH, INPUT)).astype("float32")
    return getattr(nn, kind)(INPUT, HIDDEN, seed=0), ag.Tensor(x)


def step_of(layer: Any, x: ag.Tensor) -> Callable[[], ag.Tensor]:
    """A function that sets the gradients of the layer."""

    def recorded() -> ag.Tensor:
        layer.zero_grad()
        outputs, _ = layer(x)
        loss = (outputs * outputs).sum()
        loss.backward()
        return loss

    return recorded


def contestants(kind: str, steps: int) -> dict[str, Callable[[], Any]]:
    """Functions that set the gradients of a layer with the same weights, by PyTorch, recorded and compiled; those of an
    LSTM also by `jax.lax.scan`, where JAX is installed.
    """
    import torch

    torch.set_num_threads(1)
    theirs, (ours, x) = getattr(torch.nn, kind)(INPUT, HIDDEN), layer_and_input(kind, steps)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    recorded, array = step_of(ours, x), x.numpy()
    tx = torch.tensor(array)

    def by_torch() -> None:
        theirs.zero_grad()
        outputs, _ = theirs(tx)
        (outputs * outputs).sum().backward()

    found: dict[str, Callable[[], Any]] = {"PyTorch": by_torch, "recorded": recorded, "compiled": ag.compile(recorded)}
    found["C"] = ag.compile(recorded, target="c")
    by_torch()
    for name in ("recorded", "compiled", "C"):
        found[name]()
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=5e-3, atol=5e-3)  # type: ignore[union-attr]
    if kind == "LSTM" and importlib.util.find_spec("jax"):
        from benchmarks.contestants import jax

        scanned = jax.Lstm([p.detach().numpy() for p in theirs.parameters()], array)
        found["scan"] = scanned.step
        scanned.step()
        for gradient, q in zip(scanned.gradients, theirs.parameters(), strict=True):
            np.testing.assert_allclose(gradient, q.grad.numpy(), rtol=5e-3, atol=5e-3)  # type: ignore[union-attr]
    return found


def seconds(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Seconds of the processor that each takes, in turn."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: float(np.sort(t)[: max(1, rounds // 5)].mean()) for name, t in times.items()}


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print("| layer | steps | PyTorch, ms | recorded | compiled |\n|---|---:|---:|---:|---:|")
    for kind in ("LSTM", "GRU", "RNN"):
        for steps in (30, 100):
            found = seconds(contestants(kind, steps), rounds)
            shares = [f"{found[name] / found['PyTorch']:.2f}" for name in ("recorded", "compiled")]
            print(f"| {kind} | {steps} | {found['PyTorch'] * 1e3:.2f} | {' | '.join(shares)} |", flush=True)
