"""Training steps in C beside NumPy's calls, jax.jit, jax.lax.scan and PyTorch eager, in one process, on one core.

    python -m benchmarks.native                           # every work: some minutes
    python -m benchmarks.native --works A C --markdown benchmarks/NATIVE.md
    python -m benchmarks.native --works B D E --threads 2 # by the clock on the wall, on a quiet machine

All take turns; a figure is the mean of the fastest fifth of the rounds, by the processor's clock, so that other
processes disturb it little. With two threads a turn begins when those of the turn before, which wait busily for more
work, have gone to sleep. "100 steps" are those of a call: `ag.loop`, which gathers its batches, and `jax.lax.scan`,
which is given one. Before that, the losses of three steps have to agree. Contestants that are not installed are left
out. `GOALS` are what the ratios are held to. The floor of a step is the time of its multiplications at the rate of a
large product of NumPy's, and that of its loops: the program in C without products.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import convolution, recurrent
from benchmarks.contestants import glassgrad
from benchmarks.referee import machine, surroundings
from benchmarks.works import HESSIAN, NETS, Net
from glassgrad import autograd as ag
from glassgrad.autograd.compiler.targets.c import executable
from glassgrad.autograd.compiler.targets.c.build import compiler, library

MANY = 100
"""Steps of one call of a loop."""

RECURRENT = 30
"""Steps in time of the recurrent layers."""

SECONDS = 0.02
"""Approximate length of a turn, or one step if that takes longer."""

GOALS = {
    "jit": {"A": 0.25, "C": 0.27, "D": 0.70, "B": 0.86, "E": 0.93, "T": 0.5, "L": 0.5, "M": 0.5, "H": 0.5},
    "scan": {"A": 0.25, "C": 0.27, "D": 0.74, "B": 0.88, "E": 0.93, "LSTM": 0.8},
    "floor": {"A": 2.0, "C": 2.0, "D": 1.1, "B": 1.2, "E": 1.12},
    "PyTorch": {"A": 0.05, "C": 0.06, "D": 0.30, "B": 0.45, "E": 0.50, "CNN: 16, 32": 0.6, "LSTM": 0.8},
}
"""The largest ratio of a step in C to the contestant's; to `lax.scan` and the floor, that of many steps in a call."""

REST = 0.1
"""Seconds before a turn with two threads: those of OpenBLAS wait busily for 30 ms, those of OpenMP for some."""

TWO_THREADS = {"jit": {"B": 0.9, "D": 0.9, "E": 0.9}}
"""The goals with two threads, in which products alone are divided."""

PRODUCTS = re.compile(r"^ *(product_\w+|gg_dotsf?|table->[sd]gemm|gg_transposef?)\(.*\);$", re.MULTILINE)
"""The lines of a program in C that compute products."""

SIDE = 512
"""Rows and columns of the product whose rate is that of the floor."""

Run = tuple[Callable[[], Any], int]
"""The call to time, and its number of steps."""


class Compiled(glassgrad.Net):
    """The steps of a net as a compiled function for a target, one at a time or many in a call."""

    def __init__(self, target: str, *given: Any) -> None:
        super().__init__(*given)

        @ag.compile(target=target)
        def step(x: Any, labels: Any) -> Any:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), labels)
            loss.backward()
            self.optimizer.step()
            return loss

        data = self.x.numpy(), self.labels.numpy()
        rows = np.tile(np.arange(len(data[0])), (MANY, 1))
        self.step = lambda: step(self.x, self.labels)  # type: ignore[method-assign]
        self.many = lambda: ag.loop(step, data, rows)


def parts(net: Net) -> dict[str, Run]:
    """The parts of the floor: a large product of NumPy's, and a step in C without its products."""

    def loops(text: str, **options: Any) -> Any:
        return library(PRODUCTS.sub("", text), **options)

    one, other = np.random.default_rng(0).random((2, SIDE, SIDE)).astype(net.dtype)
    with mock.patch.object(executable, "library", loops):
        alone = Compiled("c", net, net.layers(), *net.samples())
        alone.step()
    return {"product": (lambda: one @ other, 1), "loops": (alone.many, MANY)}


def floor(net: Net, found: dict[str, float]) -> float:
    """The microseconds of a step's multiplications at the rate of a large product, and of its loops."""
    layers = [net.batch * inputs * outputs for inputs, outputs in pairwise(net.sizes)]
    return found["product"] * (3 * sum(layers) - layers[0]) / SIDE**3 + found["loops"]


def contestants(key: str, threads: int) -> dict[str, Run]:
    """The steps of a work by every contestant that is installed."""
    net = NETS[key]
    given = net, net.layers(), *net.samples()
    native = Compiled("c", *given)
    found: dict[str, Run] = {"C": (native.step, 1), "NumPy": (Compiled("numpy", *given).step, 1)}
    if key != "E":
        found["C, 100 steps"] = native.many, MANY
    if importlib.util.find_spec("jax"):
        from benchmarks.contestants import jax

        found["jit"] = jax.Net(*given).step, 1
        if key != "E":
            scanned = jax.Net(*given)
            found["scan"] = lambda: scanned.many(MANY), MANY
    if importlib.util.find_spec("torch"):
        import torch

        from benchmarks.contestants import pytorch

        torch.set_num_threads(threads)
        found["PyTorch"] = pytorch.Net(*given).step, 1
    return found


def hessian() -> dict[str, Run]:
    """The product of a loss's Hessian with a vector, by every contestant that is installed; all are equal."""
    net = HESSIAN.net
    given = net, net.layers(), *net.samples(), HESSIAN.direction()
    made: dict[str, Any] = {name: glassgrad.Product(*given) for name in ("C", "NumPy")}
    for name, product in made.items():
        product.multiply = ag.compile(product.multiply, target=name.lower())
    if importlib.util.find_spec("jax"):
        from benchmarks.contestants import jax

        made["jit"] = jax.Product(*given)
    if importlib.util.find_spec("torch"):
        from benchmarks.contestants import pytorch

        made["PyTorch"] = pytorch.Product(*given)
    for product in made.values():
        product.step()
        for layer, first in zip(product.product(), made["C"].product(), strict=True):
            for one, other in zip(layer, first, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
    return {name: (product.step, 1) for name, product in made.items()}


def beside_torch(key: str) -> dict[str, Run]:
    """A training step of a small CNN, PyTorch's with channels last, or the gradients of a recurrent layer."""
    if key in convolution.NETWORKS:
        runs = convolution.of_torch(key) | convolution.of_glassgrad(key)
    else:
        runs = recurrent.contestants(key, RECURRENT)
    names = {"C": "C", "compiled": "NumPy", "channels_last": "PyTorch", "PyTorch": "PyTorch", "scan": "scan"}
    found = {names[name]: (run, 1) for name, run in runs.items() if name in names}
    for _ in range(20):
        found["C"][0]()
    for thread in threading.enumerate():  # those that compile
        if thread is not threading.current_thread():
            thread.join(60)
    return found


def agree(runs: dict[str, Run]) -> bool:
    """Whether three steps of all have the same losses, to rounding."""
    singles = [run for run, count in runs.values() if count == 1]
    losses = [[float(np.asarray(_number(run()))) for run in singles] for _ in range(3)]
    return all(np.allclose(row, row[0], rtol=1e-3) for row in losses)


def _number(loss: Any) -> Any:
    return loss.detach().numpy() if hasattr(loss, "detach") else loss


def microseconds(runs: dict[str, Run], rounds: int, clock: Callable[[], float], rest: float = 0.0) -> dict[str, float]:
    """Microseconds of a step of each, measured in turns; ``rest`` seconds and one run lie before each turn."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    repeats = {}
    for name, (run, _) in runs.items():
        run()
        start = clock()
        run()
        repeats[name] = max(1, round(SECONDS / max(1e-6, clock() - start)))
    for _ in range(rounds):
        for name, (run, count) in runs.items():
            if rest:
                time.sleep(rest)
                run()
            start = clock()
            for _ in range(repeats[name]):
                run()
            times[name].append((clock() - start) / repeats[name] / count)
    return {name: 1e6 * float(np.mean(sorted(taken)[: max(1, rounds // 5)])) for name, taken in times.items()}


def row(key: str, found: dict[str, float], goals_of: dict[str, dict[str, float]]) -> str:
    """The line of a work: its figures, and the ratios with their goals."""
    figures = [f"{found[name]:.4g}" if name in found else "" for name in COLUMNS]
    ratios = []
    for name in GOALS:
        goals = goals_of.get(name, {})
        ours = found.get("C, 100 steps", found["C"]) if name in ("scan", "floor") else found["C"]
        ratio = ours / found[name] if name in found else None
        goal = f" ({goals[key]})" if key in goals else ""
        ratios.append("" if ratio is None else f"{ratio:.3f}{goal}")
    return f"| {key} | {' | '.join([*figures, *ratios])} |"


COLUMNS = ("C", "C, 100 steps", "floor", "NumPy", "jit", "scan", "PyTorch")


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 where the losses of a work differ."""
    parser = argparse.ArgumentParser("python -m benchmarks.native", description="Steps in C beside other libraries.")
    others = [*convolution.NETWORKS, "LSTM", "GRU"] if importlib.util.find_spec("torch") else []
    works = [*NETS, HESSIAN.key, *others]
    parser.add_argument("--works", nargs="+", choices=works, default=works, metavar="WORK", help=", ".join(works))
    parser.add_argument("--rounds", type=int, default=25, help="of turns (25)")
    parser.add_argument("--threads", type=int, default=1, help="of products (1); with more, by the clock on the wall")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="save the table")
    given = parser.parse_args(arguments)
    around = surroundings(given.threads)
    if dict(os.environ) != around:  # libraries read it when they are imported
        command = [sys.executable, "-m", "benchmarks.native", *(sys.argv[1:] if arguments is None else arguments)]
        os.execve(sys.executable, command, around)
    if hasattr(os, "sched_setaffinity"):  # JAX takes every core that it may run on
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-given.threads :])
    clock, goals = (time.process_time, GOALS) if given.threads == 1 else (time.perf_counter, TWO_THREADS)
    about = machine()
    versions = [f"{name} {version(name)}" for name in ("jax", "torch") if importlib.util.find_spec(name)]
    said = [
        f"{about['processor']}, {about['system']}, Python {about['python']}, NumPy {about['numpy']}",
        *versions, compiler().version.splitlines()[0],
        f"cores: {given.threads}. Microseconds a step, and ratios with their goals.",
    ]  # fmt: skip
    heads = [*COLUMNS, "C ÷ jit", "100 steps ÷ scan", "100 steps ÷ floor", "C ÷ PyTorch"]
    lines = [", ".join(said), "", f"| work | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    wrong = []
    for key in given.works:
        runs = contestants(key, given.threads) if key in NETS else hessian() if key == "H" else beside_torch(key)
        if key in NETS and key != "T" and not agree(runs):  # dropout is drawn by each library's own generator
            wrong.append(key)
        runs |= parts(NETS[key]) if key in GOALS["floor"] and given.threads == 1 else {}
        rounds = given.rounds if key != "E" else max(5, given.rounds // 4)
        found = microseconds(runs, rounds, clock, REST if given.threads > 1 else 0.0)
        if "loops" in found:
            found["floor"] = floor(NETS[key], found)
        lines.append(row(key, found, goals))
        print(lines[-1], file=sys.stderr, flush=True)
    described = NETS | {HESSIAN.key: HESSIAN}
    text = "\n".join([*lines, "", *(f"{key}: {described[key]}" for key in given.works if key in described), ""])
    print(text)
    if given.markdown:
        given.markdown.write_text(text, encoding="utf-8")
    if wrong:
        print(f"The losses differ: {', '.join(wrong)}.", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
