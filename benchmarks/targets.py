"""The performance targets of glassgrad. Each is an upper bound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Race:
    """Time of one contestant ÷ time of another in the same run, work by work: at most so much."""

    contestant: str
    against: str
    limits: dict[str, float]
    threads: int = 1
    strict: bool = False  # below the limit, not at it


RACES = (
    Race("glassgrad", "pytorch", {"A": 0.14, "C": 0.13, "B": 0.90, "D": 0.76, "E": 0.97, "G": 0.33}),
    Race("glassgrad", "micrograd", {"F mlp": 1.0, "F tree": 1.0}, strict=True),
    Race("glassgrad_compiled", "jax", {"A": 0.55, "C": 0.55, "B": 1.01, "D": 1.07, "E": 1.01, "B64": 1.0}),
    Race("glassgrad_compiled", "jax", {"B": 0.85, "D": 0.85, "E": 1.02}, threads=2),
    Race("glassgrad_compiled", "pytorch_compiled", {"A": 0.95, "C": 0.95, "B": 0.95, "D": 0.95, "E": 1.0}),
    Race("glassgrad_compiled", "numpy_out", {"A": 0.55, "C": 0.95, "B": 0.95, "D": 0.95, "E": 0.95}),
)

# Operations deep: forward and backward must come through.
DEPTH = 100_000

# Peak memory above the start on E ÷ that of the naive hand-written NumPy.
PEAK_RATIO_TO_NUMPY = {"glassgrad": 1.5, "glassgrad_compiled": 1.1}

# Milliseconds that tracing and compiling D may take.
COMPILE_MS = 100.0

# Milliseconds that `from glassgrad import autograd` may take on top of `import numpy`.
IMPORT_MS_ABOVE_NUMPY = 30.0
