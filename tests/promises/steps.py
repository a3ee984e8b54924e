"""Five thousand frozen training steps: what was *same* or *refused* before the compiler was rewritten stays so.

    python -m tests.promises.steps                     # all, by NumPy's calls: some minutes
    python -m tests.promises.steps --target c          # the first 500, by C
    python -m tests.promises.steps --seeds 17 203      # some, with their verdicts
    python -m tests.promises.steps --show 17           # the script of one

The programs are text (`steps.jsonl.bz2`), so that no change of a generator or of a vocabulary draws others: those that
`tests.steps.search.step_of(seed)` drew at commit 7ba52f13. Their verdicts then are in `verdicts.txt`. A step may become
*refused* by a point of the contract whose sentence is in `exceptions.txt`, and never *different*. Rounding may come to
decide in one step of a hundred. The exit status is 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import bz2
import json
import multiprocessing
import os
import re
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

from tests.promises.judge import Verdict, frozen, judge
from tests.steps.step import TrainingStep

FOLDER = Path(__file__).parent
COUNTS = {"numpy": 5000, "c": 500}
"""How many steps have a verdict, by target."""

ROUNDING = 0.01
"""The share of steps in which rounding may come to decide."""


@cache
def programs() -> list[TrainingStep]:
    """The step of each seed."""
    lines = bz2.decompress((FOLDER / "steps.jsonl.bz2").read_bytes()).decode().splitlines()
    return [frozen(*json.loads(line)) for line in lines]


@cache
def promised(target: str) -> dict[int, str]:
    """The verdict of each seed at the commit that was frozen."""
    found = dict.fromkeys(range(COUNTS[target]), "same")
    for line in (FOLDER / "verdicts.txt").read_text(encoding="utf-8").replace("\n ", "").splitlines():
        named, _, seeds = line.partition(":")
        if named.startswith(f"{target} "):
            found |= dict.fromkeys(map(int, seeds.split()), named.removeprefix(f"{target} "))
    return found


@cache
def exceptions() -> list[tuple[str, str]]:
    """Reasons, each with a pattern of the sentences that it excuses."""
    lines = (FOLDER / "exceptions.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" ", 1) for line in lines if line.strip() and not line.startswith("#")]
    return [(reason, pattern.strip()) for reason, pattern in rows]


def verdict(seed: int, target: str = "numpy") -> Verdict:
    """What becomes of a step now; a step that no longer runs eagerly is "different"."""
    try:
        return judge(programs()[seed], target)
    except Exception as error:
        return Verdict("different", f"it does not run eagerly: {type(error).__name__}: {error}")


def broken(seed: int, now: Verdict, target: str = "numpy") -> str:
    """The promise that a verdict breaks, as a sentence; empty where there is none."""
    before = promised(target)[seed]
    if now.kind not in ("different", "refused") or before in ("different", now.kind):
        return ""
    sentence = f"seed {seed} was {before} and is {now.kind}: {now.what}"
    reasons = {reason for reason, pattern in exceptions() if re.search(pattern, sentence)}
    excused = reasons & {"rounding", "6"} if now.kind == "different" else reasons - {"rounding"}
    return "" if excused else sentence


def rounded(seed: int, now: Verdict, target: str) -> bool:
    """Whether rounding decides in a step where it did not."""
    return promised(target)[seed] == "same" and now.kind in ("ill-conditioned", "not finite")


def search(seeds: Sequence[int], target: str, processes: int) -> Iterable[tuple[int, Verdict]]:
    """The verdicts, one after the other."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool,
    ):
        os.environ["GLASSGRAD_NATIVE"] = folder  # the compiled programs are not kept
        yield from zip(seeds, pool.map(partial(verdict, target=target), seeds, chunksize=5), strict=True)


def written(target: str, found: dict[int, Verdict]) -> str:
    """The lines of ``verdicts.txt`` for a target."""
    lines = []
    for kind in sorted({now.kind for now in found.values()} - {"same"}):
        seeds = [str(seed) for seed, now in found.items() if now.kind == kind]
        lines.append(f"{target} {kind}: {' '.join(seeds)}")
    return "".join(textwrap.fill(line, 120, subsequent_indent="  ") + "\n" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the verdicts that break a promise; 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.promises.steps", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, help="how many steps (all that have a verdict)")
    parser.add_argument("--seeds", type=int, nargs="+", help="these, each with its verdict")
    parser.add_argument("--target", choices=COUNTS, default="numpy", help="what runs the compiled step (numpy)")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time (one for each core)")
    parser.add_argument("--show", type=int, metavar="SEED", help="print a step")
    parser.add_argument("--write", action="store_true", help="print the verdicts as lines of verdicts.txt")
    given = parser.parse_args(arguments)
    if given.show is not None:
        print(programs()[given.show])
        return 0
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # of the processes that are started
    seeds = given.seeds or range(given.count or COUNTS[given.target])
    began, found, sentences = time.perf_counter(), {}, []
    for seed, now in search(seeds, given.target, given.processes):
        found[seed] = now
        if given.seeds:
            print(f"seed {seed}: {now.kind} {now.what}".rstrip())
        if not given.write and (sentence := broken(seed, now, given.target)):
            sentences.append(sentence)
            print(sentence, flush=True)
        if len(found) % 500 == 0:
            print(f"{len(found)} steps in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    if given.write:
        print(written(given.target, found), end="")
        return 0
    told = ", ".join(f"{count} {kind}" for kind, count in Counter(now.kind for now in found.values()).most_common())
    print(f"{len(found)} steps in {time.perf_counter() - began:.0f} s: {told}; {len(sentences)} broken promises")
    blurred = [seed for seed, now in found.items() if rounded(seed, now, given.target)]
    if blurred:
        print(f"Rounding decides where it did not: seeds {' '.join(map(str, blurred))}")
    return int(bool(sentences) or len(blurred) > max(1, ROUNDING * len(found)))


if __name__ == "__main__":
    sys.exit(main())
