"""What searches or takes long, one step after the other. All of them run, also after one that fails.

``python -m tests.check`` runs the steps that `make check` names; ``python -m tests.check kernel threads`` runs these;
``python -m tests.check --slice`` a few minutes of each kind, for `.ci/run`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Step:
    """A command, and what it is for."""

    purpose: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self) -> bool:
        return subprocess.run(self.command, env={**os.environ, **self.environment}, check=False).returncode == 0


def other_kernel() -> str:
    """A kernel of OpenBLAS that this processor has and that OpenBLAS would not choose on it."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", ())
    return "Haswell" if any(name.startswith("AVX512") or name == "X86_V4" for name in found) else "Nehalem"


SUITE = '-m "not check"'
"""The tests of `make test`."""
CORES = os.cpu_count() or 1
TODAY = int(time.time()) // 86_400 * 10_000
"""Seeds of today: each day others are searched, and each can be repeated."""


def python(purpose: str, words: str, threads: int = 1, **environment: str) -> Step:
    """The step ``python -m`` with these words."""
    count = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return Step(purpose, [sys.executable, "-m", *shlex.split(words)], {**count, **environment})


PAGES = 'pytest -q -n auto tests/test_docs.py tests/test_readme.py tests/test_examples.py -k "not char_rnn"'
STEPS = {
    "tests": python("all tests, with new random examples", "pytest -q -n auto", HYPOTHESIS_PROFILE="search"),
    "steps": python("random training steps", f"tests.steps --count 5000 --start {TODAY}"),
    "steps-c": python("random training steps in C", f"tests.steps --count 300 --start {TODAY} --target c"),
    "promises": python("the frozen training steps", "tests.promises.steps"),
    "promises-c": python("frozen training steps in C", "tests.promises.steps --target c"),
    "checked": python("the pages' and the README's programs, compiled and not", PAGES, GLASSGRAD_CHECK="1"),
    "faults": python("planted faults", "tests.promises.faults"),
    "architectures": python("networks of PyTorch's packages, if installed", "tests.architectures"),
    "kernel": python("make test on another kernel", f"pytest -q -n auto {SUITE}", OPENBLAS_CORETYPE=other_kernel()),
    "threads": python("the same with two threads", f"pytest -q -n {max(1, CORES // 2)} {SUITE}", 2),
    "lowest": Step("the same with the lowest version of every dependency", ["make", "lowest", f"ARGS={SUITE}"]),
    "wheel": Step("the wheel, as a user installs it", ["make", "wheel"]),
    "beside": Step("the wheel beside packages that import another autograd", ["make", "beside"]),
    "release": Step("a release without the upload", ["make", "release-dry-run"]),
}

SAMPLES = [
    "tests/autograd/test_types.py::test_a_users_program_has_types",
    "tests/viz/pages/test_stage.py::test_keys_turn_type_hold_step_and_go_back",
    "tests/viz/pages/test_stage.py::test_a_planted_fault_turns_its_edge_red_and_no_other",
    "tests/viz/pages/test_playground.py::test_plain_descent_three_classes_and_a_narrow_dark_page",
    "tests/viz/pages/test_report.py::test_drawing_with_a_pointer_and_with_keys",
]
LOWEST = [
    "tests/test_tiny.py",
    *(f"tests/autograd/engine/test_{name}.py" for name in ("backward", "graph")),
    "tests/autograd/functions/test_transforms.py",
    *(f"tests/nn/{room}" for room in ("modules", "optim", "data", "tuning")),
    *(f"tests/nn/saving/{part}.py" for part in ("test_keras", "test_safetensors", "onnx/test_load")),
]
"""A part that shows whether the lowest versions are enough."""

SLICE = {
    "steps": python("random training steps", "tests.steps --count 120"),
    "promises": python("frozen training steps", "tests.promises.steps --count 100"),
    "checked": python(
        "the README's programs, compiled and not", "pytest -q -n auto tests/test_readme.py", GLASSGRAD_CHECK="1"
    ),
    "samples": python("some of the long tests, such as pages in Chromium", f"pytest -q -n auto {' '.join(SAMPLES)}"),
    "lowest": Step("the lowest versions", ["make", "lowest", f"ARGS={SUITE} {' '.join(LOWEST)}"]),
}


def main(args: Sequence[str] | None = None) -> int:
    """Run the steps, and say which failed; 1 if one did."""
    parser = argparse.ArgumentParser(prog="python -m tests.check", description=__doc__)
    parser.add_argument("steps", nargs="*", help=f"which ({', '.join(STEPS)}); without, all of them")
    parser.add_argument("--slice", action="store_true", help=f"short ones instead: {', '.join(SLICE)}")
    chosen = parser.parse_args(args)
    table = SLICE if chosen.slice else STEPS
    names = chosen.steps or [*table]
    if unknown := [name for name in names if name not in table]:
        parser.error(f"there is no step {', '.join(unknown)}: choose from {', '.join(table)}")
    told = []
    for number, name in enumerate(names, 1):
        print(f"\n=== {number} of {len(names)}: {name}, {table[name].purpose}", flush=True)
        began = time.monotonic()
        passed = table[name].run()
        told.append(
            (passed, f"{'passed' if passed else 'FAILED'} in {(time.monotonic() - began) / 60:5.1f} min: {name}")
        )
        print(told[-1][1], flush=True)
    print("\n=== " + "\n    ".join(line for _, line in told))
    return 0 if all(passed for passed, _ in told) else 1


if __name__ == "__main__":
    sys.exit(main())
