"""One contestant's process: takes orders as JSON lines on standard input and answers each with one on standard output.

It is run by the contestant's own Python, which has NumPy and the contestant, and nothing else of this project.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import math
import os
import sys
import time
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import works

STEPS = 3  # verified training steps


class Disagreement(Exception):
    """The contestant's numbers are not those of the float64 reference."""


class Worker:
    def __init__(self, contestant: str) -> None:
        self.module: Any = importlib.import_module(f"benchmarks.contestants.{contestant}")
        self.built: dict[str, Any] = {}

    def build(self, key: str) -> Any:
        work = works.WORKS[key]
        match work:
            case works.Net():
                return self.module.Net(work.layers(), *work.samples())
            case works.Scalars():
                return self.module.Scalars(work.program, work.values())
            case works.Chain():
                return self.module.Chain(work, *work.inputs())

    def version(self, distribution: str) -> str:
        return importlib.metadata.version(distribution)

    def verify(self, work: str) -> dict[str, float]:
        """The largest errors found; raises where they are more than float32 (F: float64) explains."""
        match works.WORKS[work]:
            case works.Net() as net:
                return self._verify_net(net)
            case works.Scalars() as scalars:
                return self._verify_scalars(scalars)
            case works.Chain():
                return self._verify_chain()

    def _verify_net(self, net: works.Net) -> dict[str, float]:
        run = self.build(net.key)
        losses = [float(run.step()) for _ in range(STEPS)]
        expected_losses, expected_layers = works.train_reference(net, STEPS)
        errors = {
            "loss": max(abs(a - b) / abs(b) for a, b in zip(losses, expected_losses, strict=True)),
            # Relative to what training has changed, which is a small part of the weights.
            "update": 0.0,
        }
        for layer, expected, start in zip(run.layers(), expected_layers, net.layers(), strict=True):
            for got, wanted, before in zip(layer, expected, start, strict=True):
                if got.dtype != np.float32 or got.shape != wanted.shape:
                    raise Disagreement(f"a parameter is {got.dtype} {got.shape}, not float32 {wanted.shape}")
                moved = np.abs(wanted - before).max()
                errors["update"] = max(errors["update"], float(np.abs(got - wanted).max() / moved))
        return _within(errors, loss=1e-5, update=1e-2)

    def _verify_scalars(self, work: works.Scalars) -> dict[str, float]:
        run = self.build(work.key)
        value, gradient = float(run.step()), np.array(run.gradient())
        errors = {"value": 0.0, "gradient": 0.0}
        for direction in np.random.default_rng(4).normal(size=(3, work.leaves)):
            expected, slope = works.scalars_reference(work, direction)
            errors["value"] = max(errors["value"], abs(value - expected) / abs(expected))
            errors["gradient"] = max(errors["gradient"], abs(float(gradient @ direction) - slope) / abs(slope))
        return _within(errors, value=1e-10, gradient=1e-9)

    def _verify_chain(self) -> dict[str, float]:
        run = self.module.Chain(works.SHORT_CHAIN, *works.SHORT_CHAIN.inputs())
        value, gradient = float(run.step()), np.asarray(run.gradient())
        if gradient.dtype != np.float32:
            raise Disagreement(f"the gradient is {gradient.dtype}, not float32")
        expected, slopes = works.chain_reference(works.SHORT_CHAIN)
        errors = {"value": abs(value - expected) / expected, "gradient": float(np.abs(gradient / slopes - 1).max())}
        return _within(errors, value=1e-5, gradient=1e-3)

    def time(self, work: str, repetitions: int, clock: str) -> float:
        """Seconds for so many steps, of the wall's ``"perf_counter"`` or of the CPU's ``"process_time"``."""
        now = getattr(time, clock)
        if work not in self.built:
            self.built[work] = self.build(work)
        step = self.built[work].step
        start = now()
        for _ in repeat(None, repetitions):
            step()
        return float(now() - start)

    def drop(self, work: str) -> None:
        self.built.pop(work, None)
        gc.collect()

    def deep(self, operations: int) -> float:
        """Seconds for a chain that deep, forward and backward."""
        if hasattr(self.module, "Chain"):
            deep = works.Chain("deep", operations)
            run = self.module.Chain(deep, *deep.inputs())
        else:
            run = self.module.Scalars(works.line_of(operations), [0.5, 1.0, 1e-6])
        start = time.perf_counter()
        run.step()
        seconds = time.perf_counter() - start
        gradient = np.asarray(run.gradient(), dtype=np.float64)
        if not (np.isfinite(gradient).all() and gradient.all()):
            raise Disagreement(f"the gradient holds {gradient[0]}")
        return seconds

    def peak(self, work: str) -> float | None:
        """Bytes of memory that a few training steps take above the start (net built, no step done)."""
        run = self.build(work)
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is held now
        except OSError:
            return None
        start = _status("VmHWM")
        for _ in range(5):
            run.step()
        return _status("VmHWM") - start


def _within(errors: dict[str, float], **tolerances: float) -> dict[str, float]:
    for name, error in errors.items():
        if math.isnan(error) or error > tolerances[name]:
            raise Disagreement(f"the {name} is off by {error:.1e}, more than {tolerances[name]:.0e}, of float64's")
    return errors


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def serve(contestant: str) -> None:
    """Answer orders ``[method of Worker, arguments]`` with ``{"result": …}`` or ``{"error": …}``."""
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = None
    for line in sys.stdin:
        order, arguments = json.loads(line)
        try:
            worker = worker or Worker(contestant)
            answer = {"result": getattr(worker, order)(**arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
