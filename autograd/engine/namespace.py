"""The namespace of Tensors: the ``xp`` of rules that run on Tensors, so that they can be differentiated again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, TypeVar

TAKEN: set[str] = set()
"""Names that no user's operation may have: those of the package and of NumPy, which rules find in ``xp``."""

F = TypeVar("F", bound=Callable[..., Any])

TENSORS: Any = SimpleNamespace()
"""Every registered operation, the functions composed of operations, and the dtypes with their functions."""


def add_functions(*modules: ModuleType) -> None:
    """Add the public functions of modules to the namespace. ``axis`` may be given as ``dim``, too."""
    for module in modules:
        for name, function in list(vars(module).items()):
            if isinstance(function, FunctionType) and function.__module__ == module.__name__ and name[0] != "_":
                made = _with_dim(function) if "axis" in function.__code__.co_varnames else function
                setattr(module, name, made)
                setattr(TENSORS, name, made)


def _with_dim(function: F) -> F:
    @functools.wraps(function)
    def renamed(*args: Any, **options: Any) -> Any:
        if "dim" in options and "axis" not in options:
            options["axis"] = options.pop("dim")
        return function(*args, **options)

    return renamed  # type: ignore[return-value]
