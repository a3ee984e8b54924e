"""Computing one step of a graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad.autograd import Tensor, asarray, errors, no_grad
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.nn.saving.onnx.read import Graph, Step
from glassgrad.nn.saving.onnx.table import concrete

LONGEST = 600
"""How many characters of an error in a step are kept: it may quote long names of the file."""

PLACED = (
    errors.DomainError, errors.DTypeError, errors.IndexingError, errors.ShapeError, errors.SizeError, errors.TraceError,
)  # fmt: skip
"""Errors that keep their class when the name of the step is added."""


def apply(step: Step, args: list[Any], run: Callable[..., list[Any]] | None = None) -> tuple[Any, ...]:
    """The results of a step: NumPy arrays if all of its inputs are known, else Tensors.

    ``run(body, *values)`` computes a graph among its attributes. Errors name the step and the shapes it was given.
    """
    row, options = step.row, dict(step.attributes)
    bodies = [name for name, value in options.items() if isinstance(value, Graph)]
    for name in bodies:
        assert run is not None  # steps with bodies are not computed at the import
        options[name] = functools.partial(run, options[name])
    if "outputs" in row.attributes:
        options["outputs"] = len(step.outputs)
    mode = MODE.get()
    inside = Mode(mode.grad, (*(mode.scope or ()), *step.scope), mode.observer) if step.scope else mode
    try:
        last = len(row.inputs) - 1
        known = [row.inputs[min(i, last)] in row.known for i in range(len(args))]
        args = [concrete(x) if k else x for x, k in zip(args, known, strict=True)]
        device = next((x.device for x in args if isinstance(x, Tensor)), "cpu")
        if device != "cpu":
            args = [x if k or _fits_all(x) else asarray(x, device=device) for x, k in zip(args, known, strict=True)]
        with holding(MODE, inside):
            if bodies or any(map(_has_tensor, args)):
                out = row.function(*args, **options)
            else:
                out = _known(row.function, args, options)
    except errors.AutogradError as error:
        if getattr(error, "placed", False):
            raise
        raise _placed(type(error), step, args, error) from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise _placed(errors.DomainError, step, args, error) from error
    return out if isinstance(out, tuple) else (out,)


def _fits_all(value: Any) -> bool:
    """Whether a value works on any device: a single float does, and whatever is no array."""
    return not isinstance(value, numpy.ndarray) or (value.size == 1 and value.dtype.kind == "f")


def _known(function: Any, args: list[Any], options: dict[str, Any]) -> Any:
    """``function`` of known values, computed at once by NumPy, even in a trace."""
    with holding(TRACER, None), no_grad(), numpy.errstate(all="ignore"):
        return _plain(function(*args, **options))


def _plain(value: Any) -> Any:
    """Tensors as NumPy arrays."""
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    return numpy.asarray(value.data) if isinstance(value, Tensor) else value


def _has_tensor(value: Any) -> bool:
    return any(map(_has_tensor, value)) if isinstance(value, list) else isinstance(value, Tensor)


def _placed(kind: type[errors.AutogradError], step: Step, args: list[Any], error: Exception) -> errors.AutogradError:
    """The error with the name of its step."""
    message = f"{step.title}, given {_shapes(args)}: {str(error)[:LONGEST].rstrip('.')}."
    placed: Any = (kind if kind in PLACED else errors.DomainError)(message)
    placed.placed = True
    return placed  # type: ignore[no-any-return]


def _shapes(args: list[Any]) -> str:
    shapes = [str(x.shape) if hasattr(x, "shape") else "nothing" if x is None else type(x).__name__ for x in args]
    return " and ".join([", ".join(shapes[:-1]), shapes[-1]] if len(shapes) > 1 else shapes) or "nothing"
