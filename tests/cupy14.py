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


if __name__ == "__main__":
    import cupy

    lines = json.dumps(survey(cupy), indent=1)
    FILE.write_text(lines + "\n", encoding="utf-8")
    print(f"{math.ceil(len(lines) / 1024)} KiB from CuPy {cupy.__version__}")
