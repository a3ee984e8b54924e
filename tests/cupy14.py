"""What CuPy 14 has, frozen in ``cupy14.json``: its names, what its functions take, and which of them are ufuncs.

Where CuPy is installed (no GPU is needed) ``python -m tests.cupy14`` writes the file anew, and a test compares the two.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

FILE = Path(__file__).with_suffix(".json")


def survey(cupy: Any) -> dict[str, Any]:
    """The public names of CuPy's modules and arrays, with the parameters of its functions."""
    ufunc = type(cupy.add)
    found: dict[str, Any] = {"version": cupy.__version__}
    for name, module in (("cupy", cupy), ("linalg", cupy.linalg), ("fft", cupy.fft)):
        members = {n: getattr(module, n) for n in dir(module) if not n.startswith("_")}
        found[name] = {
            "ufuncs": sorted(n for n, f in members.items() if isinstance(f, ufunc)),
            "functions": {n: parameters(f) for n, f in sorted(members.items()) if inspect.isfunction(f)},
            "others": sorted(
                n for n, f in members.items() if callable(f) and not isinstance(f, type | ufunc | FunctionType)
            ),
            "types": sorted(n for n, f in members.items() if isinstance(f, type)),
            "constants": sorted(n for n, f in members.items() if f is None or isinstance(f, float)),
        }
    found["ndarray"] = sorted(n for n in dir(cupy.ndarray) if not n.startswith("_"))
    found["Generator"] = sorted(n for n in dir(cupy.random.Generator) if not n.startswith("_"))
    found["protocols"] = sorted(n for n in dir(cupy.ndarray) if n.startswith("__array") or n == "__index__")
    return found


def parameters(function: Callable[..., Any]) -> str:
    """``"a, axis=, *, copy="``: names, which of them may be left out, and how they are given."""
    words: list[str] = []
    kinds = inspect.Parameter
    given = list(inspect.signature(function).parameters.values())
    for i, p in enumerate(given):
        starred = any(q.kind in (kinds.KEYWORD_ONLY, kinds.VAR_POSITIONAL) for q in given[:i])
        if p.kind is kinds.KEYWORD_ONLY and not starred:
            words.append("*")
        star = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(p.kind, "")
        words.append(f"{star}{p.name}{'' if p.default is kinds.empty else '='}")
        if p.kind is kinds.POSITIONAL_ONLY and (i + 1 == len(given) or given[i + 1].kind is not p.kind):
            words.append("/")
    return ", ".join(words)


def signature(text: str) -> inspect.Signature:
    """What `parameters` was made from, with ``...`` for every default."""
    scope: dict[str, Any] = {}
    exec(f"def f({text.replace('=', '=...')}): pass", scope)
    return inspect.signature(scope["f"])


NAMES: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}

DIFFERENCES = {
    "missing": ["unstack", "vecdot", "errstate", "special"],
    "missing in linalg": ["matrix_norm", "vector_norm", "svdvals", "vecdot", "outer", "diagonal", "trace", "tensordot"],
    "missing in arrays": ["__array_namespace__", "__index__", "__array_interface__"],
    "other parameters": {
        "reshape": "newshape, not shape",
        "argsort": "kind, not stable and descending; always stable",
        "sort": "kind, not stable and descending; always stable",
        "clip": "a_min and a_max, one of which must be given",
    },
    "other results": {
        "reductions": "0-d arrays, never scalars",
        "where": "the condition must be an array",
        "float, bool, int, item, get, tolist, repr": "wait for the device",
        "x[mask], nonzero": "wait for the device, to know how many there are",
        "x[indices], take": "an index out of range comes in again at the other end",
        "x[indices] = values": "which value stays is open where an index comes twice",
        "linalg.inv, linalg.solve, linalg.cholesky": "say nothing of a singular matrix unless cupyx.errstate asks",
        "add.at": "int32, uint32, uint64, float16, float32, float64 only",
        "maximum.at": "int32, uint32, uint64, float32, float64 only",
        "zeros, arange and the like": "on the current device, which is not always that of the arrays at hand",
        "x[numpy_array], x[list]": "copies the index to the device without a word",
    },
}
"""Where CuPy 14 is not what the array API standard, or NumPy, would have; each is met in ``autograd/backends/``."""

if __name__ == "__main__":
    import cupy

    lines = json.dumps(survey(cupy), indent=1)
    FILE.write_text(lines + "\n", encoding="utf-8")
    print(f"{math.ceil(len(lines) / 1024)} KiB from CuPy {cupy.__version__}")
