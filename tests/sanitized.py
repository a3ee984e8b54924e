"""Programs in C under the sanitizers of addresses and of undefined behaviour.

``python -m tests.sanitized`` runs what ``tests/autograd/compiler/targets/test_programs.py`` compares, compiled so that
a read or write out of bounds, a shift too far or a misaligned address ends the run with a report: every operation, 20
steps of every optimizer, layer and loss, random steps with state, every expression at peculiar numbers,
convolutions, products.
"""

from __future__ import annotations

import os
import sys
import tempfile

from glassgrad.autograd.compiler.targets.c.build import compiler, run
from glassgrad.autograd.errors import TargetError

FLAGS = (
    "-std=gnu11", "-O0", "-g", "-fwrapv", "-fopenmp-simd", "-shared", "-fPIC", "-w", "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined",
)  # fmt: skip


def runtime() -> str:
    """The path of the sanitizer's library, which must be loaded before anything else; empty where there is none."""
    try:
        found = run([*compiler().command, "-print-file-name=libasan.so"]).stdout.strip()
    except TargetError as error:
        print(f"Not run: {error}")
        return ""
    if not os.path.isabs(found):  # noqa: PTH117  (it is a name where there is no such file)
        print(f"Not run: {compiler().command[0]} has no sanitizer of addresses (libasan).")
        return ""
    return found


def main() -> int:
    """0, or 1 where a program computes something else; what a sanitizer finds ends the process."""
    import numpy as np

    from tests.autograd.compiler.targets import cases as programs
    from tests.autograd.compiler.targets.c import native, test_convolutions
    from tests.autograd.compiler.targets.c.test_products import products

    os.environ.pop("LD_PRELOAD", None)  # the compiler need not be watched
    native.FAST, wrong = FLAGS, []
    with np.errstate(all="ignore"):
        sets = {
            "operations": programs.operations(programs.IN_C, programs.NAMES, 2)[0],
            "steps of networks": programs.networks(programs.IN_C),
            "random steps": programs.random_steps(programs.IN_C, range(120))[0],
            "expressions": programs.expressions(programs.IN_C),
            "convolutions": [test_convolutions.step_of(seed) for seed in range(60)],
            "products": [*products("float32"), *products("float64")],
        }
        for name, cases in sets.items():
            found = native.faults(cases, rounding=name == "random steps", fast=True)
            print(f"{name}: {len(cases)} programs, {len(found)} wrong", flush=True)
            wrong += found
    print("\n".join(wrong), end="")
    return int(bool(wrong))


if __name__ == "__main__":
    if "GLASSGRAD_SANITIZED" in os.environ:
        sys.exit(main())
    library = runtime()
    if library:
        with tempfile.TemporaryDirectory() as folder:
            options = {"ASAN_OPTIONS": "detect_leaks=0", "LD_PRELOAD": library, "GLASSGRAD_NATIVE": folder}
            options |= {"GLASSGRAD_SANITIZED": "1", "UBSAN_OPTIONS": "print_stacktrace=1"}
            command = [sys.executable, "-m", "tests.sanitized"]
            sys.exit(os.spawnve(os.P_WAIT, sys.executable, command, {**os.environ, **options}))
