"""``python -m benchmarks``: set up the peers, verify, time, print the tables."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import referee, targets
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.environments import EnvironmentFailure, prepare
from benchmarks.report import as_markdown, as_text
from benchmarks.works import WORKS

CLOCKS = {"wall": "perf_counter", "cpu": "process_time"}
SINGLES = ("deep", "peak", "compile", "import")
SHORT = {name.split()[0]: None for name in WORKS}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="The speed of glassgrad beside its peers.")
    every = [*SHORT, *SINGLES]
    names = " ".join(CONTESTANTS)
    parser.add_argument("--works", nargs="+", choices=every, default=every, metavar="WORK", help=" ".join(every))
    regular = [key for key, contestant in CONTESTANTS.items() if not contestant.extra]
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=regular, metavar="NAME", help=names)
    parser.add_argument("--extras", action="store_true", help="torch.compile and JAX, too")
    parser.add_argument("--rounds", type=positive, default=15, help="interleaved rounds (15)")
    parser.add_argument("--threads", type=positive, default=1, help="threads of every contestant (1)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu is steadier on a busy machine (wall)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save every figure")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="save the tables")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def say(line: str) -> None:
    """Progress: one line that renews itself on a terminal, a line each for what is not a round elsewhere."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width].ljust(width)}\r", end="", file=sys.stderr, flush=True)
    elif ": round " not in line:
        print(line, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """0, however the race ends; 1 where glassgrad's numbers are wrong or it could not run."""
    options = parse(arguments)
    chosen = [c for key, c in CONTESTANTS.items() if key in options.contestants or (options.extras and c.extra)]
    absent: dict[str, str] = {}
    for contestant in chosen:
        try:
            prepare(contestant, lambda line, of=contestant: say(f"{of.title}: {line}"))  # type: ignore[misc]
        except EnvironmentFailure as failure:
            absent[contestant.key] = str(failure)
    report = measure([c for c in chosen if c.key not in absent], options)
    report["absent"] = absent
    report["targets"] = referee.judge(report)
    say("")
    print(as_text(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(as_markdown(report), encoding="utf-8")
    groups = [*report["works"].values(), *(report[name] for name in SINGLES if name in report)]
    return int(
        any("error" in results.get(key, ()) for results in groups for key in ("glassgrad", "glassgrad_compiled"))
    )


def measure(contestants: list[Contestant], options: argparse.Namespace) -> dict[str, Any]:
    report: dict[str, Any] = {
        "machine": referee.machine(),
        "load": os.getloadavg()[0],
        "threads": options.threads,
        "clock": options.clock,
        "rounds": options.rounds,
        "contestants": [contestant.key for contestant in contestants],
        "versions": {},
        "works": {},
    }
    processes = [referee.Process(contestant, options.threads) for contestant in contestants]
    try:
        for process in processes:
            name = process.contestant.distribution
            if name:
                report["versions"][name] = process.ask("version", distribution=name)
        # Threads that have worked go on spinning for a while; let them fall asleep before the next one runs.
        pause = 0.3 if options.threads > 1 else 0
        for work in WORKS:
            if work.split()[0] in options.works:
                report["works"][work] = referee.race(
                    work, processes, options.rounds, say, pause=pause, clock=CLOCKS[options.clock]
                )
    finally:
        for process in processes:
            process.close()
    if "deep" in options.works:
        deep = [c for c in contestants if c.does("F") or c.does("G")]
        report["deep"] = each(deep, options, "deep", operations=targets.DEPTH)
    if "peak" in options.works:
        report["peak"] = each([c for c in contestants if c.does("E")], options, "peak", work="E")
    if "compile" in options.works:
        report["compile"] = each([c for c in contestants if c.compiles], options, "compile", work="D")
    if "import" in options.works:
        report["import"] = referee.import_seconds(contestants, options.rounds, say, CLOCKS[options.clock])
    return report


def each(contestants: list[Contestant], options: argparse.Namespace, order: str, **arguments: Any) -> Any:
    """One order to a fresh process of each."""
    results = {}
    for contestant in contestants:
        say(f"{order}: {contestant.title}")
        results[contestant.key] = referee.once(contestant, options.threads, order, **arguments)
    return results


if __name__ == "__main__":
    sys.exit(main())
