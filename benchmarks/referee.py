"""Starts the contestants' processes, verifies them, times them in interleaved rounds, and judges the targets."""

from __future__ import annotations

import json
import os
import platform
import queue
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import targets
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.environments import ROOT, python_of

BURST = 0.06  # seconds that a contestant runs in one round, or one step if that takes longer
WARM_UP = 0.3  # seconds
Say = Callable[[str], None]

# The source tree is importable for glassgrad alone: `autograd` there is a short name of ours. A package that is already
# imported finds its own modules without the path.
START = """
import os
import sys
_, root, contestant, threads = sys.argv
if hasattr(os, "sched_setaffinity"):  # where it can be had: JAX takes every core that it may run on
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
sys.path.insert(0, root)
from benchmarks import worker
if not contestant.startswith("glassgrad"):
    sys.path.remove(root)
worker.serve(contestant)
"""


class Failure(Exception):
    """A contestant could not do what it was asked for; the sentence says why."""


def surroundings(threads: int) -> dict[str, str]:
    """The environment variables of the contestants' processes."""
    environment = dict(os.environ)
    # Some machines set these for old builds of OpenBLAS; they make a current NumPy slow, and only NumPy.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH"):
        environment.pop(name, None)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        environment[name] = str(threads)
    # JAX knows none of those.
    device = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" if threads == 1 else ""
    environment.update(JAX_PLATFORMS="cpu", XLA_FLAGS=device)
    return environment


class Process:
    """A contestant's process, alive until ``close``."""

    def __init__(self, contestant: Contestant, threads: int, start: str = "", root: Path = ROOT) -> None:
        self.contestant = contestant
        self.process = subprocess.Popen(
            [str(python_of(contestant)), "-P", "-c", start or START, str(root), contestant.key, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=surroundings(threads),
        )
        self.answers: queue.Queue[str | None] = queue.Queue()
        self.complaints: list[str] = []
        self.readers = [threading.Thread(target=target, daemon=True) for target in (self._listen, self._collect)]
        for reader in self.readers:
            reader.start()

    def ask(self, order: str, timeout: float = 300, **arguments: Any) -> Any:
        """Raises Failure when the contestant raises, dies or does not answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps([order, arguments]) + "\n")
            self.process.stdin.flush()
            answer = self.answers.get(timeout=timeout)
        except OSError:
            answer = None
        except queue.Empty:
            self.process.kill()
            raise Failure(f"no answer within {timeout:.0f} s") from None
        if answer is None:
            status = self.process.wait()
            last = next((line for line in reversed(self.complaints) if line.strip()), "without a word").strip()
            raise Failure(f"its process ended with status {status}: {last}")
        reply = json.loads(answer)
        if "error" in reply:
            raise Failure(reply["error"])
        return reply["result"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for reader in self.readers:
            reader.join()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(None)
        self.process.stdout.close()

    def _collect(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.complaints.append(line)
            del self.complaints[:-50]
        self.process.stderr.close()


def once(contestant: Contestant, threads: int, order: str, **arguments: Any) -> dict[str, Any]:
    """One order to a fresh process, which may die of it."""
    process = Process(contestant, threads)
    try:
        return {"value": process.ask(order, **arguments)}
    except Failure as failure:
        return {"error": str(failure)}
    finally:
        process.close()


def race(
    work: str, processes: Iterable[Process], rounds: int, say: Say, *, pause: float = 0, clock: str = "perf_counter"
) -> dict[str, Any]:
    """Verify, then time one work: {contestant: {"seconds": [one figure per round], "errors": …} or {"error": …}}."""
    results: dict[str, Any] = {}
    repetitions: dict[Process, int] = {}
    for process in processes:
        key = process.contestant.key
        if not process.contestant.does(work):
            continue
        say(f"{work}: verifying {process.contestant.title}")
        try:
            errors = process.ask("verify", work=work)
            process.ask("time", work=work, repetitions=1, clock=clock)  # compilers compile
            step = process.ask("time", work=work, repetitions=1, clock=clock)
            many = max(1, round(WARM_UP / step))
            step = process.ask("time", work=work, repetitions=many, clock=clock) / many
        except Failure as failure:
            results[key] = {"error": str(failure)}
            continue
        repetitions[process] = max(1, round(BURST / step))
        results[key] = {"errors": errors, "seconds": []}
    order = list(repetitions)
    for i in range(rounds):
        say(f"{work}: round {i + 1} of {rounds}")
        order = order[1:] + order[:1]  # so that none always runs after the same neighbour
        for process in order:
            result = results[process.contestant.key]
            time.sleep(pause)
            try:
                if "seconds" in result:
                    seconds = process.ask("time", work=work, repetitions=repetitions[process], clock=clock)
                    result["seconds"].append(seconds / repetitions[process])
            except Failure as failure:
                results[process.contestant.key] = {"error": str(failure)}
    for process in order:
        process.ask("drop", work=work)
    return results


def import_seconds(contestants: Iterable[Contestant], rounds: int, say: Say, clock: str) -> dict[str, Any]:
    """The import time of each in a fresh interpreter, without the interpreter's own start."""
    script = (
        f"import sys; from time import {clock} as now; sys.path[:0] = sys.argv[2:]; start = now(); "
        "__import__(sys.argv[1]); print(now() - start)"
    )
    results: dict[str, Any] = {}
    for i in range(rounds + 1):
        say(f"import: round {i} of {rounds}")
        for contestant in contestants:
            if not contestant.imports or "error" in results.get(contestant.key, ()):
                continue
            path = [str(ROOT)] if contestant.key == "glassgrad" else []
            command = [str(python_of(contestant)), "-P", "-c", script, contestant.imports, *path]
            done = subprocess.run(command, env=surroundings(1), cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                results[contestant.key] = {"error": (done.stderr.strip().splitlines() or ["no reason given"])[-1]}
            elif i:  # the first round fills the disk's cache and writes the bytecode
                results.setdefault(contestant.key, {"seconds": []})["seconds"].append(float(done.stdout))
    return results


def ratio(results: dict[str, Any], key: str, unit: str) -> tuple[float, float] | None:
    """Median over the rounds of time ÷ time, and the distance between its quartiles; None where one has no figures."""
    ours, theirs = (results.get(k, {}).get("seconds") for k in (key, unit))
    if not ours or not theirs:
        return None
    ratios = np.divide(ours, theirs)
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return float(middle), float(high - low)


def machine() -> dict[str, Any]:
    """The machine of the measurement, without names or paths."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    build: Any = np.show_config(mode="dicts")
    blas = build["Build Dependencies"]["blas"]
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": f"{np.__version__} ({blas['name']} {blas['version']})",
    }


def judge(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Every target of those who were asked to run, with the figure that was measured for it, None where there is none.

    ``contestant`` is whose target it is, ``work`` what was measured, and ``against`` beside whom, None for nobody.
    """
    verdicts: list[dict[str, Any]] = []
    asked = {*report["contestants"], *report["absent"]}

    def add(
        contestant: str,
        work: str,
        unit: str,
        limit: float,
        value: float | None,
        *,
        against: Any = None,
        met: Any = None,
    ) -> None:
        if {contestant, against or contestant} <= asked:
            met = value <= limit if met is None and value is not None else met
            verdict = {"contestant": contestant, "work": work, "against": against, "unit": unit}
            verdicts.append({**verdict, "limit": limit, "value": value, "met": met})

    def figure(order: str, key: str) -> Any:
        result = report[order].get(key, {})
        return result.get("value", statistics.median(result["seconds"]) if "seconds" in result else None)

    def beside(order: str, *keys: str) -> Any:
        figures = [figure(order, key) for key in keys]
        return None if None in figures else figures

    for race in targets.RACES:
        for work, limit in race.limits.items():
            if work in report["works"] and race.threads == report["threads"]:
                found = ratio(report["works"][work], race.contestant, race.against)
                value = None if found is None else found[0]
                met = None if value is None or not race.strict else value < limit
                unit = f"× {CONTESTANTS[race.against].title}"
                add(race.contestant, work, unit, limit, value, against=race.against, met=met)
    if "deep" in report:
        through = figure("deep", "glassgrad") is not None
        add("glassgrad", "deep", "operations", targets.DEPTH, targets.DEPTH if through else 0, met=through)
    if "peak" in report:
        for key, limit in targets.PEAK_RATIO_TO_NUMPY.items():
            both = beside("peak", key, "numpy_naive")
            value = both and both[0] / both[1]
            add(key, "peak memory on E", "× naive NumPy", limit, value, against="numpy_naive")
    if "compile" in report:
        seconds = figure("compile", "glassgrad_compiled")
        value = seconds and 1000 * seconds
        add("glassgrad_compiled", "trace and compile D", "ms", targets.COMPILE_MS, value)
    if "import" in report:
        both = beside("import", "glassgrad", "numpy_naive")
        value = both and 1000 * (both[0] - both[1])
        add("glassgrad", "import", "ms above NumPy", targets.IMPORT_MS_ABOVE_NUMPY, value, against="numpy_naive")
    return verdicts
