"""Search spaces: ranges, lists, and the depth of a network with the widths of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.errors import DomainError

LOGARITHMIC = 10
"""Ranges whose end is at least this many times their start are sampled on a logarithmic scale."""


@dataclass(frozen=True)
class Widths:
    """A tuple of sizes of hidden layers, whose number is chosen, too.

    ``layers``: the least and the largest number. ``width``: the least and the largest size of each. Each layer has a
    size of its own, chosen once the number is known.

    >>> Widths(layers=(1, 4), width=(16, 512))
    Widths(layers=(1, 4), width=(16, 512))
    """

    layers: tuple[int, int]
    width: tuple[int, int]


def suggest(trial: Any, name: str, given: Any) -> Any:
    """Ask ``trial``, one of Optuna's, for a value within ``given``.

    ``given``: a pair of integers or floats, both included; a list to choose from; `Widths`; or a function, which is
    called with the trial. Anything else is returned unchanged.
    """
    if isinstance(given, Widths):
        count = trial.suggest_int(f"{name}_layers", *given.layers)
        return tuple(suggest(trial, f"{name}_{i + 1}", given.width) for i in range(count))
    if isinstance(given, list):
        return trial.suggest_categorical(name, given)
    if callable(given):
        return given(trial)
    if not isinstance(given, tuple):
        return given
    if len(given) != 2 or given[0] > given[1]:
        raise DomainError(f"{name} = {given!r}: give a pair (low, high), low first, or a list to choose from.")
    low, high = given
    scale = bool(low > 0 and high >= LOGARITHMIC * low)
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=scale)
    return trial.suggest_float(name, low, high, log=scale)


def chosen(trial: Any, space: Any) -> dict[str, Any]:
    """The values that ``trial`` chooses from ``space``."""
    if callable(space):
        return dict(space(trial))
    check_instance(space, Mapping, "space", "a dict of ranges")  # type: ignore[type-abstract]
    return {name: suggest(trial, name, given) for name, given in space.items()}
