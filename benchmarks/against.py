"""Steps of this tree beside those of a commit: eager, compiled and in C, in the same run.

    python -m benchmarks.against 7ba52f13                            # all works: a quarter of an hour
    python -m benchmarks.against 7ba52f13 --works A LSTM --starts 5
    python -m benchmarks.against 7ba52f13 --markdown out.md

Each side runs in a process of its own, on one thread, with this tree's contestants, so that only the packages differ.
Rounds are interleaved; a ratio is the median of the ratios within a round, by the processor's clock. The processes are
started several times, for where arrays happen to lie counts, and what is above the limit is measured again: a busy
machine gives outliers. "first" is the time of the first call beyond a later one,
by the clock on the wall: tracing, and compiling with nothing kept from before. Values have to agree. The exit status is
1 where they don't, or a step takes more than `--limit` times that of the commit.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import convolution, referee
from benchmarks.__main__ import positive, say
from benchmarks.contestants import Contestant
from benchmarks.environments import FOLDER, ROOT
from benchmarks.works import CHAIN, SHORT_CHAIN, WORKS, Chain, Net, Product, Scalars

ALL = ("eager", "compiled", "C")
MODES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(WORKS, ALL),
    **dict.fromkeys(("F tree", CHAIN.key), ("eager",)),
    SHORT_CHAIN.key: ALL,
    "LSTM": ALL,
    **dict.fromkeys(convolution.NETWORKS, ALL),
    **dict.fromkeys(convolution.CONVOLUTIONS, ("eager",)),
}
"""The works, and how each is run."""

DRAWN = ("T", *convolution.NETWORKS)
"""Works whose values may differ: elements are dropped, or weights drawn, without a seed."""

# The commit's packages come first, and its short names count where it has no `glassgrad`.
START = """
import os, sys, types
_, root, side, threads = sys.argv
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
sys.path[:0] = [root, os.getcwd()]
if os.path.exists(os.path.join(root, "glassgrad.py")):
    from glassgrad import autograd, nn
else:
    import autograd, nn
    sys.modules["glassgrad"] = types.ModuleType("glassgrad")
    sys.modules["glassgrad"].__dict__.update(autograd=autograd, nn=nn)
    sys.modules.update({"glassgrad.autograd": autograd, "glassgrad.nn": nn})
assert all(os.path.dirname(os.path.dirname(module.__file__)) == root for module in (autograd, nn))
from benchmarks import against, worker
worker.serve(side, against.Side)
"""


# ----------------------------------------------------------------------------------------------- in a side's process


def function_of(key: str) -> Callable[[], Any]:
    """The step of a work, not compiled."""
    from benchmarks.contestants import glassgrad

    if key == "LSTM":
        from benchmarks import recurrent

        return recurrent.step_of(*recurrent.layer_and_input("LSTM", 30))
    match SHORT_CHAIN if key == SHORT_CHAIN.key else WORKS[key]:
        case Net() as net:
            return glassgrad.Net(net, net.layers(), *net.samples()).step
        case Product(net=net) as product:
            return glassgrad.Product(net, net.layers(), *net.samples(), product.direction()).multiply
        case Scalars() as scalars:
            return glassgrad.Scalars(scalars.program, scalars.values()).step
        case Chain() as chain:
            return glassgrad.Chain(chain, *chain.inputs()).step


class Side:
    """A side's worker: takes the orders of `referee.Process`."""

    def __init__(self, side: str) -> None:
        self.step: Callable[[], Any] = lambda: None

    def first(self, work: str, mode: str) -> tuple[float, float | None]:
        """Build a step; the seconds of its first call, and the sum of what the third returns."""
        from glassgrad import autograd as ag

        if work in convolution.NETWORKS or work in convolution.CONVOLUTIONS:
            self.step = convolution.of_glassgrad(work)[mode]
        else:
            step = function_of(work)
            options = {} if mode == "compiled" else {"target": "c"}
            self.step = step if mode == "eager" else ag.compile(step, **options)
        start = time.perf_counter()
        self.step()
        seconds = time.perf_counter() - start
        self.step()
        return seconds, _sum(self.step())

    def time(self, repetitions: int, clock: str = "process_time") -> float:
        """The seconds of so many steps."""
        step, now = self.step, getattr(time, clock)
        start = now()
        for _ in repeat(None, repetitions):
            step()
        return float(now() - start)


def _sum(result: Any) -> float | None:
    parts = [] if result is None else result if isinstance(result, tuple) else (result,)
    return float(sum(part.detach().numpy().sum(dtype="float64") for part in parts)) if parts else None


# ------------------------------------------------------------------------------------------------------- the referee


def checkout(commit: str) -> tuple[str, Path]:
    """The short name of a commit, and a folder with its packages."""
    name = _git("rev-parse", "--short=12", f"{commit}^{{commit}}").decode().strip()
    folder = FOLDER / f"glassgrad-{name}"
    if not folder.exists():
        there = _git("ls-tree", "--name-only", name).decode().split()
        parts = [part for part in ("autograd", "nn", "viz", "glassgrad.py") if part in there]
        with tarfile.open(fileobj=io.BytesIO(_git("archive", name, *parts))) as packed:
            packed.extractall(folder, filter="data")
    return name, folder


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout


Found = dict[tuple[str, str], dict[str, Any]]
"""By work and mode: the pairs of seconds of steps and of first calls, then and now, and what the steps return."""


def measure(roots: dict[str, Path], rows: Collection[tuple[str, str]], starts: int, rounds: int) -> Found:
    """The figures of these works and modes."""
    found: Found = {}
    for start in range(starts if rows else 0):
        with tempfile.TemporaryDirectory() as folder:
            sides = {}
            for side, root in roots.items():
                os.environ["GLASSGRAD_NATIVE"] = f"{folder}/{side}"  # so that each compiles
                sides[side] = referee.Process(Contestant(side, side, ""), 1, START, root)
            try:
                for work, mode in rows:
                    say(f"start {start + 1} of {starts}: {work}, {mode}")
                    row = found.setdefault((work, mode), {"first": [], "seconds": [], "values": []})
                    _race(sides, row, work, mode, rounds, start)
            finally:
                for process in sides.values():
                    process.close()
    return found


def _race(sides: dict[str, referee.Process], row: dict[str, Any], work: str, mode: str, rounds: int, turn: int) -> None:
    order = [*sides][:: -1 if turn % 2 else 1]
    firsts, steady = {}, {}
    for side in order:
        firsts[side], value = sides[side].ask("first", work=work, mode=mode)
        row["values"].append(value)
        once = sides[side].ask("time", repetitions=1, clock="perf_counter")
        many = max(1, round(referee.BURST / once))
        steady[side] = sides[side].ask("time", repetitions=many, clock="perf_counter") / many
    repetitions = max(1, round(referee.BURST / min(steady.values())))
    row["first"].append([firsts[side] - steady[side] for side in sides])
    for _ in range(rounds):
        order.reverse()
        taken = {side: sides[side].ask("time", repetitions=repetitions) / repetitions for side in order}
        row["seconds"].append([taken[side] for side in sides])


def import_seconds(roots: dict[str, Path], rounds: int) -> list[list[float]]:
    """Seconds to import the packages in fresh interpreters, after one round that writes the bytecode."""
    script = "import sys, time; sys.path.insert(0, sys.argv[1]); import numpy; now = time.process_time; start = now(); "
    script += "import autograd, nn; print(now() - start)"
    around = referee.surroundings(1)
    around.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(root: Path) -> float:
        return float(subprocess.check_output([sys.executable, "-P", "-c", script, str(root)], env=around))

    return [[*map(seconds, roots.values())] for _ in range(rounds + 1)][1:]


def ratio(pairs: list[list[float]]) -> tuple[float, float, float, float]:
    """The medians of both sides, that of the ratios, and the distance between its quartiles."""
    then, now = np.array(pairs).T
    low, middle, high = np.percentile(now / then, [25, 50, 75])
    return float(np.median(then)), float(np.median(now)), float(middle), float(high - low)


def slower(found: Found, limit: float) -> list[tuple[str, str]]:
    """The works and modes that take more than ``limit`` times as long as then."""
    return [key for key, row in found.items() if ratio(row["seconds"])[2] > limit]


def agree(values: list[float | None]) -> bool:
    """Whether all starts of both sides computed the same, to rounding."""
    numbers = [value for value in values if value is not None]
    return not numbers or np.allclose(numbers, numbers[0], rtol=1e-3, atol=1e-6)


def table(found: Found, imports: list[list[float]]) -> Iterator[str]:
    """The figures as Markdown."""
    yield "| work | | then, µs | now, µs | now ÷ then | spread | first, ms | first, now ÷ then |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for (work, mode), row in found.items():
        then, now, middle, spread = ratio(row["seconds"])
        first = ratio(row["first"])
        more = f"{first[0] * 1e3:.0f} | {first[2]:.2f}" if mode != "eager" else "|"
        yield f"| {work} | {mode} | {then * 1e6:.4g} | {now * 1e6:.4g} | {middle:.3f} | {spread:.3f} | {more} |"
    then, now, middle, spread = ratio(imports)
    yield f"| import | fresh | {then * 1e6:.4g} | {now * 1e6:.4g} | {middle:.3f} | {spread:.3f} | | |"


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 where a step is slower than the limit allows, or values differ."""
    parser = argparse.ArgumentParser("python -m benchmarks.against", description="This tree's steps beside a commit's.")
    parser.add_argument("commit", help="a name that git knows")
    parser.add_argument("--works", nargs="+", choices=MODES, default=[*MODES], metavar="WORK", help=", ".join(MODES))
    parser.add_argument("--starts", type=positive, default=3, help="of the processes (3)")
    parser.add_argument("--rounds", type=positive, default=7, help="of each work and start (7)")
    parser.add_argument("--limit", type=float, default=1.1, help="the largest ratio (1.1)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="save the table")
    given = parser.parse_args(arguments)
    name, folder = checkout(given.commit)
    roots = {"then": folder, "now": ROOT}
    rows = [(work, mode) for work in given.works for mode in MODES[work]]
    found = measure(roots, rows, given.starts, given.rounds)
    found |= measure(roots, slower(found, given.limit), given.starts, 2 * given.rounds)
    lines = [*table(found, import_seconds(roots, given.starts * given.rounds))]
    say("")
    about = referee.machine()
    text = f"{about['processor']}, Python {about['python']}, NumPy {about['numpy']}, one thread, load "
    text += f"{os.getloadavg()[0]:.1f}; then: {name}, {given.starts} starts of {given.rounds} rounds\n\n"
    text += "\n".join(lines) + "\n"
    print(text)
    if given.markdown:
        given.markdown.write_text(text, encoding="utf-8")
    wrong = [", ".join(key) for key, row in found.items() if key[0] not in DRAWN and not agree(row["values"])]
    slow = [", ".join(key) for key in slower(found, given.limit)]
    for what, which in (("Values differ", wrong), (f"Slower than {given.limit} times", slow)):
        if which:
            print(f"{what}: {'; '.join(which)}.", file=sys.stderr)
    return int(bool(wrong or slow))


if __name__ == "__main__":
    sys.exit(main())
