"""One contestant's process: takes orders as JSON lines on standard input and answers each with one on standard output.

It is run by the contestant's own Python, which has NumPy and the contestant, and nothing else of this project.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.metadata
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import works

STEPS = 3  # verified training steps
DRAWN_STEPS = 100  # where elements are dropped at random
REPLICAS = 8  # of a training that drops, by the reference


class Disagreement(Exception):
    """The contestant's numbers are not those of the float64 reference."""


class Worker:
    def __init__(self, contestant: str) -> None:
        self.module: Any = importlib.import_module(f"benchmarks.contestants.{contestant}")
        self.built: dict[str, Any] = {}

    def build(self, key: str) -> Any:
        return self.build_as(works.WORKS[key])

    def build_as(self, work: Any) -> Any:
        match work:
            case works.Net():
                return self.module.Net(work, work.layers(), *work.samples())
            case works.Product():
                net = work.net
                return self.module.Product(net, net.layers(), *net.samples(), work.direction())
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
                errors = self._verify_net(replace(net, dropout=0.0))
                return errors | self._verify_drops(net) if net.dropout else errors
            case works.Product() as product:
                return self._verify_product(product)
            case works.Scalars() as scalars:
                return self._verify_scalars(scalars)
            case works.Chain():
                return self._verify_chain()

    def _verify_net(self, net: works.Net) -> dict[str, float]:
        run = self.build_as(net)
        losses = [float(run.step()) for _ in range(STEPS)]
        expected_losses, expected_layers = works.train_reference(net, STEPS)
        # Relative to what training has changed, which is a small part of the weights.
        parts = _alike(run.layers(), expected_layers, net)
        errors = {
            "loss": _worst(np.divide(losses, expected_losses) - 1),
            "update": _worst(
                [np.abs(got - wanted).max() / np.abs(wanted - start).max() for got, wanted, start in parts]
            ),
        }
        return _within(errors, **({"loss": 1e-5, "update": 1e-2} if net.dtype == "float32" else EXACT))

    def _verify_drops(self, net: works.Net) -> dict[str, float]:
        """Nobody draws the same, so many steps are compared: they must lead as far from the mean as others do."""
        trainings = [works.train_reference(net, DRAWN_STEPS, np.random.default_rng(i)) for i in range(REPLICAS)]
        run = self.build_as(net)
        losses = [float(run.step()) for _ in range(DRAWN_STEPS)]
        averages = [np.mean(expected) for expected, _ in trainings]
        drifts = []
        for got, *replicas in zip(run.layers(), *(layers for _, layers in trainings), strict=True):
            for array, *others in zip(got, *replicas, strict=True):
                mean = np.mean(others, axis=0)
                apart = np.mean([np.linalg.norm(other - mean) for other in others])
                drifts.append(np.linalg.norm(array - mean) / apart)
        deviation = (np.mean(losses) - np.mean(averages)) / np.std(averages)
        return _within({"mean loss": _worst(deviation), "drift": _worst(drifts)}, **{"mean loss": 8.0, "drift": 2.5})

    def _verify_product(self, work: works.Product) -> dict[str, float]:
        run = self.build_as(work)
        run.step()
        parts = _alike(run.product(), works.product_reference(work), work.net)
        errors = [np.abs(got - wanted).max() / np.abs(wanted).max() for got, wanted, _ in parts]
        return _within({"product": _worst(errors)}, product=1e-4)

    def _verify_scalars(self, work: works.Scalars) -> dict[str, float]:
        run = self.build(work.key)
        value, gradient = float(run.step()), np.array(run.gradient())
        directions = np.random.default_rng(4).normal(size=(3, work.leaves))
        expected, slopes = zip(*(works.scalars_reference(work, direction) for direction in directions), strict=True)
        errors = {
            "value": _worst(np.divide(value, expected) - 1),
            "gradient": _worst(np.divide(directions @ gradient, slopes) - 1),
        }
        return _within(errors, value=1e-10, gradient=1e-9)

    def _verify_chain(self) -> dict[str, float]:
        run = self.module.Chain(works.SHORT_CHAIN, *works.SHORT_CHAIN.inputs())
        value, gradient = float(run.step()), np.asarray(run.gradient())
        if gradient.dtype != np.float32:
            raise Disagreement(f"the gradient is {gradient.dtype}, not float32")
        expected, slopes = works.chain_reference(works.SHORT_CHAIN)
        errors = {"value": _worst(value / expected - 1), "gradient": _worst(gradient / slopes - 1)}
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

    def compile(self, work: str) -> float:
        """Seconds that the first step of a work takes longer than a later one: to trace and to compile."""
        run = self.build(work)
        seconds = []
        for _ in range(6):
            start = time.perf_counter()
            run.step()
            seconds.append(time.perf_counter() - start)
        return seconds[0] - min(seconds[1:])

    def peak(self, work: str) -> float | None:
        """Bytes of memory that a few training steps take above the start (net built, no step done)."""
        run = self.build(work)
        gc.collect()
        try:
            # What building the net has freed goes back to the system: else the steps would have it for nothing.
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is held now
        except (OSError, AttributeError):
            return None
        start = _status("VmHWM")
        for _ in range(5):
            run.step()
        return _status("VmHWM") - start


EXACT = {"loss": 1e-12, "update": 1e-9}


def _alike(got: works.Layers, wanted: works.Layers, net: works.Net) -> list[tuple[works.Array, ...]]:
    """The arrays side by side, and those from before the training; raises where one is of another shape or dtype."""
    triples = [arrays for layer in zip(got, wanted, net.layers(), strict=True) for arrays in zip(*layer, strict=True)]
    for array, expected, before in triples:
        if array.dtype != before.dtype or array.shape != expected.shape:
            raise Disagreement(f"an array is {array.dtype} {array.shape}, not {before.dtype} {expected.shape}")
    return triples


def _worst(errors: Any) -> float:
    """The largest; NaN where one is, which Python's max() would pass over."""
    return float(np.abs(errors).max())


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


def serve(contestant: str, kind: Callable[[str], Any] = Worker) -> None:
    """Answer orders ``[method of a worker, arguments]`` with ``{"result": …}`` or ``{"error": …}``."""
    # What a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = None
    for line in sys.stdin:
        order, arguments = json.loads(line)
        try:
            worker = worker or kind(contestant)
            answer = {"result": getattr(worker, order)(**arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
