"""Argument validation for drawing functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.validation import check_instance, refused
from glassgrad.autograd.compiler import Compiled
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.texts import one_line
from glassgrad.viz.recorded.evaluate import host


def recorded(y: Any, done: str = "draw") -> list[ag.Tensor]:
    """``y``, a recorded Tensor or several, as a list. Raises `DrawingError` for anything else."""
    several = isinstance(y, Iterable) and not isinstance(y, ag.Tensor | str | Mapping) and not _is_module(y)
    ys = list(y) if several else [y]
    for t in ys:
        if not isinstance(t, ag.Tensor):
            way = "call the module, and give its result" if _is_module(t) else "give a computed result"
            if isinstance(t, Compiled):
                way = "call it, then give one of its programs, such as step.programs[0]; or give a computed result"
            what = f"there is nothing to {done} in {of_type(t)}"
            raise DrawingError(f"{what}: {way}, one Tensor or a list of them")
    if not ys:
        raise DrawingError(f"there is nothing to {done} in an empty list: give at least one computed Tensor")
    if any(t.node is None for t in ys):
        raise DrawingError(
            f"there is nothing to {done}: no operation was recorded for this Tensor. Compute it from Tensors with"
            " requires_grad=True, outside of no_grad()"
        )
    return ys


def _is_module(x: Any) -> bool:
    return callable(getattr(x, "parameters", None))


def is_function(x: Any) -> TypeGuard[Callable[[], Any]]:
    """Whether ``x`` is a function whose result is drawn: it is callable, and not a module."""
    return callable(x) and not (_is_module(x) or isinstance(x, Compiled | type))


def named(names: Any) -> Mapping[str, Any]:
    """The names for Tensors; empty for None."""
    wanted = "a dict from names to Tensors, such as locals()"
    given = check_instance(names or {}, Mapping, "names", wanted)  # type: ignore[type-abstract]
    for name in given:
        check_instance(name, str, "a name in names", wanted)
    return given


def members(tensors: Any, name: str) -> list[Any]:
    """One Tensor or several as a list."""
    given = [tensors] if isinstance(tensors, ag.Tensor) or not isinstance(tensors, Iterable) else list(tensors)
    for t in given:
        if not hasattr(t, "shape"):
            raise refused(t, name, "the Tensors to be shown as such, in a list")
    return given


def numbers_of(value: Any, name: str) -> np.ndarray:
    """Numbers as a NumPy array: of a Tensor, an array of any device, or lists."""
    try:
        return host(ag.asarray(value))
    except AutogradError as error:
        raise type(error)(f"{name}: {error}") from None


def pictured(array: np.ndarray, image: Any) -> np.ndarray:
    """Numbers as a picture of ``image``, (height, width). Raises `DrawingError` where they are none."""
    try:
        height, width = image
        return array.reshape(height, width)
    except (TypeError, ValueError):
        shape = numbers.shape(array.shape)
        raise DrawingError(f"image={image!r} is not the (height, width) of an input of shape {shape}") from None


def class_names(classes: Any, count: int, name: str = "classes") -> list[str]:
    """The names of ``count`` classes. Raises `DrawingError` where there are more or fewer."""
    names = list(check_instance(classes, Sequence, name, "a list of names"))  # type: ignore[type-abstract]
    if len(names) != count:
        raise DrawingError(f"{len(names)} class names were given for {count} classes: give one name for each")
    return list(map(one_line, names))
