"""Planted faults that were found when they were frozen are found today.

    python -m tests.promises.faults              # all
    python -m tests.promises.faults own          # in a user's own operations, by `assert_rule`; no right one is refused
    python -m tests.promises.faults package      # in rules of this package, by a property or the page of conventions
    python -m tests.promises.faults compiler     # in the compiler, by frozen steps

`faults.txt` names them. A fault whose place is gone leaves that file in a commit that says so. The exit status is 1
where one is no longer planted or found.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings

from tests import faults, mutants
from tests.autograd.testing.own_operations import OWN, WRONG
from tests.promises import steps

LIST = Path(__file__).with_suffix(".txt")
STEPS = 300
"""How many frozen steps are tried for a fault of the compiler."""


def promised(part: str) -> list[str]:
    """The names of a part's faults."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(f"{part} | ") for line in lines if line.startswith(f"{part} | ")]


def own() -> Iterator[tuple[str, bool]]:
    """Each fault of a user's operation, and whether `assert_rule` finds it; and each right operation, as accepted."""
    for name, right in OWN.items():
        yield f"{name} is right", mutants.verdict(right) == mutants.RIGHT
    for wrong in WRONG:
        yield wrong.name, mutants.verdict(OWN[wrong.op], wrong) != mutants.RIGHT


def package() -> Iterator[tuple[str, bool]]:
    """Each wrong rule of this package, and whether something finds it."""
    for mutant in mutants.MUTANTS:
        yield f"{mutant.kind}: {mutant.name}", any(mutants.catchers(mutant))


def compiler() -> Iterator[tuple[str, bool]]:
    """Each fault of the compiler, and whether one of the first frozen steps shows it."""
    seeds = [seed for seed, kind in steps.promised("numpy").items() if kind == "same"][:STEPS]
    for name in faults.FAULTS:
        with faults.planted(name):
            yield name, any(steps.verdict(seed).kind == "different" for seed in seeds)


PARTS = {"own": own, "package": package, "compiler": compiler}


def main(arguments: Sequence[str]) -> int:
    """Print what is no longer found; 1 if there is something."""
    settings.register_profile("faults", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("faults")
    warnings.simplefilter("ignore")  # wrong rules divide by 0
    lost = 0
    for part in arguments or PARTS:
        found = dict(PARTS[part]())
        names = promised(part)
        for name in names:
            if not found.get(name):
                lost += 1
                print(f"{part}: {name}: {'is no longer found' if name in found else 'is no longer planted'}")
        print(f"{part}: {sum(found.get(name, False) for name in names)} of {len(names)}", flush=True)
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
