"""The gain of `autograd.compile`: the time of each compiled training step ÷ the time of the eager one.

    python -m benchmarks.compiled                          # every work, a few minutes
    python -m benchmarks.compiled --works recurrent D      # some of them
    python -m benchmarks.compiled --markdown out.md

Both run in this process, on one thread, in turns, by CPU time. A figure is the ratio of the means of the fastest fifth
of the rounds. Before that, the losses of three steps have to agree. A ratio above `LIMIT` is a failure.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import handwritten
from benchmarks.contestants import glassgrad, glassgrad_compiled
from benchmarks.referee import machine, surroundings
from benchmarks.works import HESSIAN, NETS, SCALARS, SHORT_CHAIN
from glassgrad import autograd as ag

LIMIT = 1.05
"""A compiled step takes at most this share of the eager one's time."""

SECONDS = 0.01
"""Approximate length of a turn, or one step if that takes longer."""

TOLERANCE = 1e-4
"""How far the losses of the two may lie apart, relative to the eager one: rounding of float32."""

Step = Callable[[], Any]


def _net(key: str) -> tuple[Step, Step]:
    work = NETS[key]
    given = work, work.layers(), *work.samples()
    return glassgrad.Net(*given).step, glassgrad_compiled.Net(*given).step


def _handwritten(key: str) -> tuple[Step, Step]:
    (eager, batch), (compiled, _) = (handwritten.WORKS[key](np.random.default_rng(0)) for _ in range(2))
    return partial(eager, *batch), partial(ag.compile(compiled), *batch)


def _hessian() -> tuple[Step, Step]:
    net = HESSIAN.net
    given = net, net.layers(), *net.samples(), HESSIAN.direction()
    return glassgrad.Product(*given).multiply, glassgrad_compiled.Product(*given).multiply


def _scalars() -> tuple[Step, Step]:
    work = SCALARS["F mlp"]
    given = work.program, work.values()
    return glassgrad.Scalars(*given).step, ag.compile(glassgrad.Scalars(*given).step)


def _chain() -> tuple[Step, Step]:
    given = SHORT_CHAIN, *SHORT_CHAIN.inputs()
    return glassgrad.Chain(*given).step, ag.compile(glassgrad.Chain(*given).step)


WORKS: dict[str, tuple[str, Callable[[], tuple[Step, Step]]]] = {
    **{key: (str(net), lambda key=key: _net(key)) for key, net in NETS.items()},  # type: ignore[misc]
    HESSIAN.key: (str(HESSIAN), _hessian),
    "F": (f"{SCALARS['F mlp']}, micrograd's net", _scalars),
    "G": (str(SHORT_CHAIN), _chain),
    **{
        key: (make.__doc__ or "", lambda key=key: _handwritten(key))  # type: ignore[misc]
        for key, make in handwritten.WORKS.items()
    },
}
"""By name: a description, and what makes the eager step and the compiled one."""


def agree(eager: Step, compiled: Step) -> bool:
    """Whether three steps of both have the same losses, to rounding."""
    for _ in range(3):
        one, other = (_numbers(step()) for step in (eager, compiled))
        if not np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * float(np.abs(one).max(initial=1e-30))):
            return False
    return True


def _numbers(result: Any) -> Any:
    parts = result if isinstance(result, tuple) else (result,)
    return np.concatenate([part.detach().numpy().reshape(-1) for part in parts])


def seconds_of(steps: tuple[Step, Step], rounds: int) -> tuple[float, float]:
    """CPU seconds of a step of each, measured in turns: the mean of the fastest fifth of the rounds."""
    counts = []
    for step in steps:
        start = time.process_time()
        step()
        counts.append(max(1, round(SECONDS / max(1e-6, time.process_time() - start))))
    found: tuple[list[float], list[float]] = [], []
    for i in range(rounds):
        for which in (0, 1) if i % 2 else (1, 0):
            step, count = steps[which], counts[which]
            start = time.process_time()
            for _ in repeat(None, count):
                step()
            found[which].append((time.process_time() - start) / count)
    one, other = (float(np.mean(sorted(taken)[: max(1, rounds // 5)])) for taken in found)
    return one, other


def measured(key: str, rounds: int) -> dict[str, Any]:
    """The figures of one work, measured again where the first ratio is above the limit: a busy machine gives outliers.

    ``compile`` is what the first call takes longer than a later one.
    """
    steps = WORKS[key][1]()
    steps[0]()
    start = time.process_time()
    steps[1]()
    first = time.process_time() - start
    if key not in ("T", "dropout") and not agree(*steps):
        return {"error": "the losses differ"}
    eager, compiled = seconds_of(steps, rounds)
    if compiled > LIMIT * eager:
        eager, compiled = seconds_of(steps, 2 * rounds)
    return {"eager": eager, "compiled": compiled, "ratio": compiled / eager, "compile": first - compiled}


def table(results: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| work | eager | compiled | compiled ÷ eager | compiling | |", "|---|---:|---:|---:|---:|---|"]
    for key, result in results.items():
        if "error" in result:
            lines.append(f"| {key} | | | {result['error']} | | {WORKS[key][0]} |")
            continue
        eager, compiled, first = (_time(result[name]) for name in ("eager", "compiled", "compile"))
        lines.append(f"| {key} | {eager} | {compiled} | {result['ratio']:.2f} | {first} | {WORKS[key][0]} |")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 where a compiled step is slower than `LIMIT` allows, or wrong."""
    parser = argparse.ArgumentParser("python -m benchmarks.compiled", description="Compiled steps beside eager ones.")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK", help=" ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=25, help="of turns (25)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="save the table")
    given = parser.parse_args(arguments)
    results = {}
    for key in given.works:
        results[key] = measured(key, given.rounds)
        shown = results[key].get("error") or f"{results[key]['ratio']:.3f}"
        print(f"{key}: {shown}", file=sys.stderr, flush=True)
    about = machine()
    said = f"{about['processor']}, {about['system']}, Python {about['python']}, NumPy {about['numpy']}, one thread"
    text = f"{said}\n\n{table(results)}\n"
    print(text)
    if given.markdown:
        given.markdown.write_text(text, encoding="utf-8")
    slow = [key for key, result in results.items() if "error" in result or result["ratio"] > LIMIT]
    if slow:
        print(f"Slower than {LIMIT} times eager, or wrong: {', '.join(slow)}.", file=sys.stderr)
    return int(bool(slow))


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # which NumPy reads when it is imported
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.compiled", *sys.argv[1:]], surroundings(1))
    sys.exit(main())
