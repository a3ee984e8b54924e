"""Soak test: a million training steps, graphs broken off at random places, Ctrl-C at random moments.

    python -m benchmarks.soak                                        # all of it, ten minutes
    python -m benchmarks.soak --steps 5000 --graphs 1000 --interrupts 4

Memory is flat when it does not grow between the first and the last fifth of a soak: neither the objects that Python
keeps, counted one by one, nor the pages that the system counts. The collector of cycles is off while steps are taken,
so that whatever is not freed by itself would stay. What was measured is in docs/soak.md.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.engine.modes import MODE

SAMPLES = 50
GROWTH = 1 << 20  # bytes between the first and the last fifth that an allocator may take for itself
FEW = 50  # objects likewise: functions that are compiled when they are first needed


# --------------------------------------------------------------------------------------------------------------- memory


@dataclass
class Memory:
    """Samples of the memory in use: bytes of the process, and objects known to the collector."""

    pages: list[int]
    objects: list[int]

    def growth(self) -> tuple[int, int]:
        """How much more bytes and objects there are in the last fifth than in the first; no warming up counts."""
        n = max(1, len(self.pages) // 5)
        return tuple(int(median(s[-n:]) - median(s[1 : 1 + n])) for s in (self.pages, self.objects))  # type: ignore[return-value]

    def is_flat(self) -> bool:
        """Whether nothing has piled up."""
        pages, objects = self.growth()
        return pages <= GROWTH and objects <= FEW

    def __str__(self) -> str:
        more, objects = self.growth()
        first, last = (f"{size / 2**20:.1f} MiB" for size in (self.pages[1], self.pages[-1]))
        return (
            f"{first} and {self.objects[1]:,} objects near the start, {last} and {self.objects[-1]:,} at the end "
            f"({more / 2**20:+.2f} MiB, {objects:+})"
        )


def resident() -> int:
    """The bytes of memory that the process has now; where the system does not tell, the most that it had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def repeated(count: int, work: Callable[[], object], collect: bool) -> Memory:
    """``work`` done so often, and the memory in between. Without ``collect`` no cycle is ever collected."""
    seen = Memory([], [])
    gc.collect()
    gc.freeze()  # what was there before is neither searched nor counted: among a test run's objects that takes a minute
    (gc.enable if collect else gc.disable)()
    try:
        for i in range(count):
            work()
            if i % max(1, count // SAMPLES) == 0 or i == count - 1:
                if collect:
                    gc.collect()
                seen.objects.append(len(gc.get_objects()))
                seen.pages.append(resident())
    finally:
        gc.enable()
        gc.unfreeze()
    return seen


# ---------------------------------------------------------------------------------------------------------------- steps


def steps(count: int) -> Memory:
    """Training steps of a small net, with all that belongs to one: loss, gradients, clipping, Adam, a schedule."""
    rng = np.random.default_rng(0)
    x, y = ag.Tensor(rng.random((8, 4)), dtype="float32"), ag.Tensor(rng.integers(0, 3, 8))
    model = nn.MLP([4, 6, 3], seed=0)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    schedule = nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1000)

    def step() -> None:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()

    return repeated(count, step, collect=False)


# --------------------------------------------------------------------------------------------------------------- graphs


class Fault(Exception):
    """The exception to throw."""


class Fuse:
    """Throws when it has been burnt so often."""

    left = 0

    def burn(self) -> None:
        """Once more."""
        self.left -= 1
        if self.left == 0:
            raise Fault


fuse = Fuse()


@ag.op("fragile")
def fragile(xp, x):  # type: ignore[no-untyped-def]
    """``x``, unless the fuse is through."""
    fuse.burn()
    return x * 1.0


def _fragile_rule(g):  # type: ignore[no-untyped-def]
    fuse.burn()
    return g


fragile.vjp(x=_fragile_rule)


class Fragile(nn.Module):
    """A layer whose forward may throw, before and after what it does."""

    def __init__(self) -> None:
        self.inner = nn.Linear(4, 4, seed=0)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        """``(n, 4)`` to ``(n, 4)``."""
        fuse.burn()
        z = fragile(self.inner(x))
        fuse.burn()
        return z


BETWEEN: tuple[Callable[[ag.Tensor], ag.Tensor], ...] = (
    ag.tanh,
    fragile,
    lambda z: z + z,
    lambda z: ag.concat([z[:1], z[1:]]),
    lambda z: z.reshape(4, 3).T,
)

WITHIN: tuple[Callable[[], contextlib.AbstractContextManager[object]], ...] = (
    contextlib.nullcontext,
    ag.detect_anomaly,
    ag.enable_grad,
    lambda: ag.scope("somewhere", "Else"),
)


def graphs(count: int, seed: int = 0) -> tuple[Memory, Counter[str]]:
    """Graphs built, walked and thrown away, with a `Fault` at a random place: in a forward, a rule, a hook, a module.

    After each the mode is the one from before, and no gradient has come of a walk that was broken off.
    """
    rng = random.Random(seed)
    model = Fragile()
    weight = model.inner.weight
    x = ag.Tensor(np.linspace(-1, 1, 12).reshape(3, 4), dtype="float32")
    ends: Counter[str] = Counter()

    def build() -> ag.Tensor:
        z = x
        with rng.choice(WITHIN)():
            for _ in range(rng.randrange(1, 4)):
                z = rng.choice(BETWEEN)(model(z))
                if rng.random() < 0.3:
                    z.register_hook(lambda g: fuse.burn())
                if rng.random() < 0.1:
                    z.retain_grad()
        return fragile(z).sum()

    def once() -> None:
        mode, weight.grad = MODE.get(), None
        before = weight.data.tobytes()
        hook = weight.register_hook(lambda g: fuse.burn())
        fuse.left = rng.randrange(1, 20)
        walked = False
        try:
            y = build()
            walked = True
            if rng.random() < 0.2:
                (ag.gradients(y, weight, create_graph=True) * weight).sum().backward()
            else:
                y.backward(retain_graph=rng.random() < 0.2)
            ends["whole"] += 1
        except Fault:
            ends["broken off backward" if walked else "broken off forward"] += 1
            assert weight.grad is None, "half a walk has left a gradient"
        finally:
            hook.remove()
        assert MODE.get() is mode, "a mode has outlived what it was for"
        assert weight.data.tobytes() == before

    return repeated(count, once, collect=True), ends


# ----------------------------------------------------------------------------------------------------------- interrupts

FIT = """
import sys, numpy as np
from glassgrad import nn
rng = np.random.default_rng(0)
data = rng.random((256, 16)), rng.integers(0, 4, 256)
model = nn.MLP([16, 32, 4], seed=0)
optimizer = nn.optim.Adam(model.parameters())
def keep(history):
    nn.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epochs": history.epochs}, sys.argv[1])
print("ready", flush=True)
history = nn.fit(model, nn.functional.cross_entropy, optimizer, data, epochs=10**9, batch_size=16,
                 validation=data, callback=keep, progress=False)
keep(history)
print(history.note)
"""


def interrupted_fits(count: int, seed: int = 0) -> Counter[str]:
    """Ctrl-C, once or twice, at random moments of `nn.fit`, which leaves a checkpoint after every epoch."""
    rng, ends = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            path = Path(folder) / f"{i}.npz"
            child = _child(["-c", FIT, str(path)])
            assert child.stdout is not None
            child.stdout.readline()
            _interrupt(child, [rng.uniform(0, 0.3)] + [rng.uniform(0, 0.02)] * (rng.random() < 0.3))
            said, complaint = child.communicate(timeout=120)
            told = "Interrupted" in said
            ends["kept and told" if told else "ended at once"] += 1
            # Who presses again while the interpreter itself is ending stops it without a word.
            stopped = told and child.returncode == -signal.SIGINT
            assert child.returncode == 0 or stopped or "KeyboardInterrupt" in complaint, complaint
            ends[_checked(path.parent, [path])] += 1
    return ends


def interrupted_runs(count: int, seed: int = 0) -> Counter[str]:
    """Ctrl-C at random moments of ``python -m glassgrad.nn digits``, from its start to its last picture."""
    rng, ends = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        longest = 0.0
        for i in range(count + 1):
            out = Path(folder) / str(i)
            run = ["-m", "glassgrad.nn", "digits", "--hidden", "8", "--epochs", "3", "--batch", "500"]
            words = [*run, "--out", str(out)]
            child, start = _child(words), time.monotonic()
            if i:  # the first one tells how long it takes
                _interrupt(child, [rng.uniform(0, longest)])
            _, complaint = child.communicate(timeout=600)
            longest = longest or time.monotonic() - start
            ends[f"exit {child.returncode}"] += 1
            assert "Traceback" not in complaint or "KeyboardInterrupt" in complaint, complaint
            ends[_checked(out, [out / "model.npz"])] += 1
    return ends


def _child(words: list[str]) -> subprocess.Popen[str]:
    # What a shell starts in the background is deaf to Ctrl-C, and its children would be so, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _interrupt(child: subprocess.Popen[str], pauses: list[float]) -> None:
    for pause in pauses:
        time.sleep(pause)
        child.send_signal(signal.SIGINT)


def _checked(folder: Path, checkpoints: list[Path]) -> str:
    """Fail for a file that is not a whole one; whether there was a checkpoint."""
    for path in folder.rglob("*") if folder.exists() else ():
        assert not path.name.startswith("."), f"{path.name} was left half written"
        if path.suffix == ".npz":
            nn.load(path)
        elif path.name == "history.json":
            nn.History.load(path)
        elif path.is_file():
            assert path.read_bytes()[-16:].strip(), f"{path.name} is empty"
    return "a checkpoint" if any(path.exists() for path in checkpoints) else "no checkpoint yet"


# ------------------------------------------------------------------------------------------------------------------ all


def report(options: argparse.Namespace) -> Iterator[str]:
    """A line for each soak; raises where one fails."""
    for name, count, run in (
        ("training steps", options.steps, lambda n: (steps(n), Counter[str]())),
        ("graphs", options.graphs, graphs),
    ):
        if count:
            start = time.monotonic()
            memory, ends = run(count)
            yield f"{count:,} {name} in {time.monotonic() - start:.0f} s: {memory}{_told(ends)}"
            assert memory.is_flat(), f"memory grows by {memory.growth()}: {memory.pages}, {memory.objects}"
    for name, count, interrupt in (
        ("nn.fit", options.interrupts, interrupted_fits),
        ("python -m glassgrad.nn digits", -(-options.interrupts // 3), interrupted_runs),
    ):
        if count:
            yield f"Ctrl-C in {count} runs of {name}{_told(interrupt(count))}"


def _told(ends: Counter[str]) -> str:
    return "; " + ", ".join(f"{n:,} {what}" for what, n in sorted(ends.items())) if ends else ""


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    p.add_argument("--steps", type=int, default=1_000_000, metavar="N", help="training steps (default: a million)")
    p.add_argument("--graphs", type=int, default=100_000, metavar="N", help="graphs that break (default: 100000)")
    p.add_argument("--interrupts", type=int, default=60, metavar="N", help="of nn.fit, a third of digits (60)")
    for line in report(p.parse_args(arguments)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
