"""The namespace of Tensors: the ``xp`` of rules that run on Tensors, so that they can be differentiated again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

TAKEN: set[str] = set()
"""Names that no user's operation may have: those of the package and of NumPy, which rules find in ``xp``."""

F = TypeVar("F", bound=Callable[..., Any])

TENSORS: Any = SimpleNamespace()
"""Every registered operation, every function marked with `array_function`, and the dtypes with their functions."""


def array_function(function: F) -> F:
    """Add a function composed of operations to the namespace: a decorator. ``axis`` may be given as ``dim``, too."""
    code: Any = getattr(function, "__code__", None)
    if code is not None and "axis" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        function = _with_dim(function)
    setattr(TENSORS, function.__name__, function)
    return function


def _with_dim(function: F) -> F:
    @functools.wraps(function)
    def renamed(*args: Any, **options: Any) -> Any:
        if "dim" in options and "axis" not in options:
            options["axis"] = options.pop("dim")
        return function(*args, **options)

    return renamed  # type: ignore[return-value]
