"""``python -m benchmarks.gpu``: on a machine with a GPU, verify every operation there, then time it beside PyTorch.

Everything is measured on one card in one call: the works A-E and a net 4096 wide at batch 4096, in full float32 and
with TF32, by the device's own events, in interleaved rounds, of which the medians count. Calls of each operation are
drawn by its row in `tests.operations`; its value and gradients, eager and compiled, are compared with the
CPU's.
Where there is no GPU it says so in one sentence, with the exit status 2.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.worker import Worker
from benchmarks.works import TRAINED, Net
from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import backends
from glassgrad.autograd.errors import DeviceError, TraceError

WIDE = Net("wide", (4096, 4096, 4096, 4096, 10), 4096)
NETS = {**TRAINED, WIDE.key: WIDE}
CONTESTANTS = {
    "pytorch": "PyTorch eager",
    "pytorch_compiled": "torch.compile",
    "glassgrad": "glassgrad",
    "glassgrad_compiled": "glassgrad compiled",
}
AIMS = (*((key, "pytorch", 0.8) for key in "ABCD"), ("E", "pytorch_compiled", 1.0), (WIDE.key, "peak", 0.9))
"""At most so much of another's time, and on the wide net at least so much of the card's peak."""

WARM_UP = 0.3  # seconds
BURST = 0.06  # seconds in one round, or one step if that takes longer
SQUARE = 8192  # rows of the matrices whose product is the card's peak
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}

Step = Callable[[], Any]


# --------------------------------------------------------------------------------------------------------- verification


def placed(value: Any, device: str) -> Any:
    """``value`` with the arrays in it on ``device``; lists of numbers become arrays."""
    if isinstance(value, tuple):
        return tuple(placed(part, device) for part in value)
    if isinstance(value, list | np.ndarray):
        return backends.to_device(np.asarray(value), device)
    return value


def disagreements(device: str, examples: int = 10) -> dict[str, str]:
    """Every operation of the tests' table whose value or gradients on ``device`` are not the CPU's, and why."""
    from hypothesis import HealthCheck, given, settings

    from tests.operations import TABLE

    def check(name: str) -> None:
        @settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
        @given(TABLE[name].cases)
        def draw(case: Any) -> None:
            compare(name, case.arrays, case.params, device)

        draw()

    found = {}
    for name in TABLE:
        try:
            check(name)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return found


def compare(name: str, arrays: tuple[Any, ...], params: dict[str, Any], device: str) -> None:
    """Raise where an operation's value or gradients are others on ``device``, eager or compiled, than on the CPU."""
    here = computed(name, arrays, params, "cpu")
    for mode in ("eager", "compiled"):
        try:
            there = computed(name, arrays, params, device, compiled=mode == "compiled")
        except TraceError:  # the shape of its result depends on values
            continue
        for expected, found in zip(here, there, strict=True):
            np.testing.assert_allclose(found, expected, **TOLERANCE, err_msg=mode)
            if found.dtype != expected.dtype:
                raise AssertionError(f"{mode}: dtype {found.dtype}, and {expected.dtype} on the CPU")


def computed(
    name: str, arrays: tuple[Any, ...], params: dict[str, Any], place: str, compiled: bool = False
) -> list[Any]:
    """An operation's value and its gradients there, read on the CPU."""
    given = {key: place if key == "device" else placed(value, place) for key, value in params.items()}

    def values(*inputs: ag.Tensor) -> list[ag.Tensor]:
        inputs = tuple(x.detach().requires_grad_(ag.isdtype(x.dtype, "real floating")) for x in inputs)
        y = ag.OPS[name](*inputs, **given)
        if not y.requires_grad or name in UNSURE:
            return [y.detach()]
        weights = ag.Tensor(np.cos(np.arange(y.size)).reshape(y.shape), dtype=y.dtype, device=place)
        return [y.detach(), *ag.gradients([y], [x for x in inputs if x.requires_grad], seeds=[weights])]

    found = (ag.compile(values) if compiled else values)(*(ag.Tensor(x, device=place) for x in arrays))
    if found[0].device.partition(":")[0] != place.partition(":")[0]:
        raise AssertionError(f"the result is on {found[0].device}")
    value, *gradients = (x.numpy() for x in found)
    return [UNSURE[name](value) if name in UNSURE else value, *gradients]


UNSURE: dict[str, Callable[[Any], Any]] = {
    "eigenvectors": np.abs,
    "singular_vectors": np.abs,
    "qr_factors": np.abs,
    "orthogonal_complement": lambda q: q @ q.mT,
}
"""Operations of which several results are right, and what these have in common; their gradients are not compared."""


# --------------------------------------------------------------------------------------------------------------- timing


class Events:
    """Time by events of the device: between two of them nobody waits."""

    def __init__(self, cupy: Any) -> None:
        self.cuda = cupy.cuda

    def seconds(self, step: Step, count: int) -> float:
        """Seconds that one of ``count`` steps takes."""
        start, end = self.cuda.Event(), self.cuda.Event()
        start.record()
        for _ in range(count):
            step()
        end.record()
        end.synchronize()
        return float(self.cuda.get_elapsed_time(start, end)) / 1e3 / count


def race(steps: dict[str, Step], clock: Events, rounds: int) -> dict[str, float]:
    """The median of each one's seconds per step. They take turns, in an order that changes from round to round."""
    counts = {}
    for name, step in steps.items():
        clock.seconds(step, 1)  # compiles, which may take half a minute and says nothing of later steps
        spent, last, count = 0.0, 0.0, 1
        while spent < WARM_UP:
            last = clock.seconds(step, count)
            spent += max(last * count, 1e-6)
            count = min(2 * count, 1000)
        counts[name] = max(1, round(BURST / max(last, 1e-9)))
    figures: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for i in range(rounds):
        shift = i % len(names)
        for name in (*names[shift:], *names[:shift]):
            figures[name].append(clock.seconds(steps[name], counts[name]))
    return {name: statistics.median(seconds) for name, seconds in figures.items()}


class There:
    """A contestant's net with all that it holds on the GPU."""

    def __init__(self, run: Any, device: str) -> None:
        self.run, self.device, self.step = run, device, run.step
        self._move(device)

    def _move(self, device: str) -> None:
        for name, value in vars(self.run).items():
            setattr(self.run, name, moved(value, device))

    def layers(self) -> Any:
        """The parameters, read on the CPU."""
        self._move("cpu")
        found = [tuple(np.array(array) for array in layer) for layer in self.run.layers()]
        self._move(self.device)
        return found


def moved(value: Any, device: str) -> Any:
    """Tensors and modules, ours and PyTorch's, on ``device``, in lists and dicts, too; all else as it is."""
    if isinstance(value, list | tuple):
        return type(value)(moved(part, device) for part in value)
    if isinstance(value, dict):
        return {key: moved(part, device) for key, part in value.items()}
    torch: Any = sys.modules.get("torch")
    ours = isinstance(value, ag.Tensor | nn.Module)
    return value.to(device) if ours or (torch and isinstance(value, torch.Tensor | torch.nn.Module)) else value


def contestant(key: str, device: str) -> Worker:
    """A contestant whose nets are on ``device``. Raises where it can't be had."""
    if key.startswith("pytorch") and importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("PyTorch is not installed")
    worker = Worker(key)
    module = worker.module
    worker.module = SimpleNamespace(Net=lambda *given: There(module.Net(*given), device))
    return worker


# ------------------------------------------------------------------------------------------------------ matrix products


def products(net: Net) -> list[tuple[int, int, int]]:
    """The matrix products of a step as (rows, inner, columns): of each layer one forward and one for its weight, and
    of all but the first one for what entered it.
    """
    found = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(net.sizes)):
        found += [(net.batch, inputs, outputs), (outputs, net.batch, inputs)]
        found += [(net.batch, outputs, inputs)] if i else []
    return found


def operations(shapes: Iterable[tuple[int, int, int]]) -> int:
    """Multiplications and additions of matrix products."""
    return sum(2 * rows * inner * columns for rows, inner, columns in shapes)


def numbers(cupy: Any, *shape: int, dtype: str = "float32") -> Any:
    """Random ones: with the same everywhere a card takes less power, and runs faster than it does in a training."""
    return cupy.random.default_rng(0).standard_normal(shape, dtype=dtype)


def only_products(cupy: Any, net: Net) -> Step:
    """A step's matrix products and nothing else."""
    pairs = [(numbers(cupy, m, k, dtype=net.dtype), numbers(cupy, k, n, dtype=net.dtype)) for m, k, n in products(net)]

    def step() -> None:
        for x, y in pairs:
            x @ y

    return step


def peak(cupy: Any, clock: Events, rounds: int, square: int = SQUARE) -> float:
    """The card's operations per second in a large float32 product, with or without TF32 as CuPy is set."""
    x = numbers(cupy, square, square)
    return operations([(square,) * 3]) / race({"product": lambda: x @ x}, clock, rounds)["product"]


# -------------------------------------------------------------------------------------------------------------- reports


def measure(cupy: Any, device: str, tf32: bool, keys: Iterable[str], rounds: int) -> dict[str, Any]:
    """All times on this card. Who is wrong is not timed (checked in full float32)."""
    clock = Events(cupy)
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = tf32
    report: dict[str, Any] = {"tf32": tf32, "peak": peak(cupy, clock, rounds), "works": {}}
    for key in keys:
        net, steps, failed = NETS[key], {}, {}
        for name in CONTESTANTS:
            if importlib.util.find_spec(f"benchmarks.contestants.{name}") is None:
                continue
            try:
                worker = contestant(name, device)
                if not tf32 and key in TRAINED:
                    worker.verify(key)
                steps[name] = worker.build_as(net).step
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        seconds = race({**steps, "products": only_products(cupy, net)}, clock, rounds)
        report["works"][key] = {"products": seconds.pop("products"), "seconds": seconds, "failed": failed}
    return report


def card(cupy: Any) -> dict[str, str]:
    """The hardware and the versions of the measurement."""
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    found = {"card": properties["name"].decode(), "CuPy": getattr(cupy, "__version__", "")}
    found |= {"CUDA": str(cupy.cuda.runtime.runtimeGetVersion()), "driver": str(cupy.cuda.runtime.driverGetVersion())}
    if importlib.util.find_spec("torch") is not None:
        import torch

        found["PyTorch"] = torch.__version__
    return found


def table(report: dict[str, Any]) -> str:
    """One measurement as a Markdown table."""
    works = report["works"]
    rows = [["", *works], ["---", *("---" for _ in works)]]
    rows.append(["PyTorch eager takes", *(duration(w["seconds"].get("pytorch")) for w in works.values())])
    for name, title in CONTESTANTS.items():
        if name != "pytorch" and any(name in (*w["seconds"], *w["failed"]) for w in works.values()):
            rows.append([f"{title} ÷ PyTorch eager", *(ratio(w, name, "pytorch") for w in works.values())])
    rows.append(["share of matrix products", *(share(w["products"], best(w)) for w in works.values())])
    rows.append(["of the card's peak", *(share(reached(report, key), 1.0) for key in works)])
    title = f"TF32 {'on' if report['tf32'] else 'off'}: the card's peak is {report['peak'] / 1e12:.1f} TFLOP/s"
    return "\n".join([title, "", *(f"| {' | '.join(row)} |" for row in rows)])


def best(work: dict[str, Any]) -> float | None:
    """The seconds of glassgrad's faster mode."""
    return min((s for name, s in work["seconds"].items() if name.startswith("glassgrad")), default=None)


def reached(report: dict[str, Any], key: str) -> float | None:
    """The part of the card's peak at which a work's matrix products are done, all else in the step included."""
    seconds = best(report["works"][key])
    return seconds and operations(products(NETS[key])) / seconds / report["peak"]


def verdicts(report: dict[str, Any]) -> list[str]:
    """Each aim with what was measured."""
    lines = []
    for key, unit, limit in AIMS:
        if key not in report["works"]:
            continue
        work = report["works"][key]
        seconds, other = best(work), work["seconds"].get(unit)
        value = reached(report, key) if unit == "peak" else seconds and other and seconds / other
        met = value and (value >= limit if unit == "peak" else value <= limit)
        of, most = ("the card's peak", "least") if unit == "peak" else (CONTESTANTS[unit], "most")
        word = "unknown" if value is None else "met" if met else "MISSED"
        lines.append(f"- {key}: {'-' if value is None else f'{value:.2f}'} of {of}, at {most} {limit}: {word}")
    return lines


def duration(seconds: float | None) -> str:
    """Seconds as µs or ms."""
    if seconds is None:
        return "-"
    return f"{1e6 * seconds:.0f} µs" if seconds < 0.002 else f"{1e3 * seconds:.1f} ms"


def ratio(work: dict[str, Any], name: str, unit: str) -> str:
    """One's time in units of another's."""
    if name in work["failed"]:
        return "failed"
    seconds = work["seconds"]
    return f"{seconds[name] / seconds[unit]:.2f}" if name in seconds and unit in seconds else "-"


def share(part: float | None, whole: float | None) -> str:
    """A part in percent."""
    return f"{100 * part / whole:.0f} %" if part and whole else "-"


def as_markdown(facts: dict[str, str], wrong: dict[str, str] | None, reports: list[dict[str, Any]]) -> str:
    """The whole of a run."""
    lines = [", ".join(f"{name} {value}" if name != "card" else value for name, value in facts.items()), ""]
    if wrong is not None:
        lines.append(f"{len(wrong)} operations are not the CPU's." if wrong else "All operations agree with the CPU's.")
        lines += [f"- {name}: {why}" for name, why in wrong.items()]
    for report in reports:
        lines += ["", table(report), "", *verdicts(report)]
        lines += [
            f"- {CONTESTANTS[name]}, {key}: {why}"
            for key, work in report["works"].items()
            for name, why in work["failed"].items()
        ]
    return "\n".join([*lines, ""])


# ----------------------------------------------------------------------------------------------------------------- call


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description="Verify and time glassgrad on a GPU.")
    parser.add_argument("--works", nargs="*", choices=NETS, default=list(NETS), metavar="WORK", help=" ".join(NETS))
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (15)")
    parser.add_argument("--examples", type=int, default=10, help="cases of each operation (10); 0: verify nothing")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="save the tables")
    parser.add_argument("--tf32", choices=("off", "on"), help=argparse.SUPPRESS)  # one measurement, in its process
    parser.add_argument("--json", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0; 1 where an operation is wrong or times could not be had; 2, after a sentence, where there is no GPU."""
    options = parse(arguments)
    try:
        cupy = backends.space_on("cuda").module
    except DeviceError as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 2
    if options.tf32:
        report = measure(cupy, "cuda", options.tf32 == "on", options.works, options.rounds)
        options.json.write_text(json.dumps(report), encoding="utf-8")
        return 0
    wrong = disagreements("cuda", options.examples) if options.examples else None
    reports = [in_a_process(tf32, options) for tf32 in ("off", "on")] if options.works else []
    text = as_markdown(card(cupy), wrong, [report for report in reports if report])
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    return int(bool(wrong) or None in reports)


def in_a_process(tf32: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """A measurement in a process of its own: CuPy reads once whether it may use TF32. ``None`` where that failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--tf32", tf32, "--json", str(path)]
        command += ["--rounds", str(options.rounds), "--works", *options.works]
        done = subprocess.run(command, check=False, env={**os.environ, "CUPY_TF32": "1" if tf32 == "on" else "0"})
        if done.returncode:
            print(f"benchmarks.gpu: no times with TF32 {tf32}: the exit status is {done.returncode}.", file=sys.stderr)
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


if __name__ == "__main__":
    sys.exit(main())
