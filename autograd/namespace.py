"""The functions of Tensors by name: what ``xp`` is where a rule runs on Tensors, to be differentiated again."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

from autograd import dtypes

F = TypeVar("F", bound=Callable[..., Any])

TENSORS: Any = SimpleNamespace(**{name: getattr(dtypes, name) for name in dtypes.__all__})
"""Every registered operation, every function marked with `array_function`, and the dtypes with their functions."""


def array_function(function: F) -> F:
    """Add a function composed of operations to the namespace: a decorator."""
    setattr(TENSORS, function.__name__, function)
    return function
