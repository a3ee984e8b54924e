"""Names of earlier versions, which still work for one version."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from autograd.engine.backward import backward_steps
from autograd.engine.namespace import TENSORS


def walk(outputs: Any, seeds: Any, *, retain: bool = True, **options: Any) -> Iterator[Any]:
    """`backward_steps`, by its earlier name."""
    return backward_steps(outputs, seeds, retain_graph=retain, **options)


def through(x: Any, slope: Any) -> Any:
    """`multiply_no_nan`, by its earlier name and with its factors in the other order."""
    return TENSORS.multiply_no_nan(slope, x)


RENAMED = {
    "across": ("all_reduce", TENSORS.all_reduce),
    "over": ("xdivy", TENSORS.xdivy),
    "through": ("multiply_no_nan, with its arguments in the other order", through),
    "walk": ("backward_steps", walk),
}
"""The present name for each earlier one, and its function."""


def renamed(name: str) -> Any:
    """The function for an earlier name, with a `DeprecationWarning`; ``None`` for any other name."""
    if name not in RENAMED:
        return None
    now, function = RENAMED[name]
    warnings.warn(
        f"autograd.{name} is autograd.{now}; the old name is removed next version.", DeprecationWarning, stacklevel=3
    )
    return function
