"""Tracing a model once without computing anything: the graph of its shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd import trees
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.validation import refused
from glassgrad.autograd.errors import TraceError
from glassgrad.viz.drawing.errors import DrawingError

Read = TypeVar("Read")


def follow(model: Any, examples: tuple[Any, ...], read: Callable[[ag.Graph, list[ag.Tensor]], Read]) -> Read:
    """The result of ``read`` for the graph of ``model(*examples)``, whose values have shapes and dtypes but no numbers.

    ``examples``: arrays, Tensors, or shapes, which stand for arrays of the dtype of the model's parameters. Numbers,
    also whole ones in an array of shape (), None and lists of numbers are given to the model as they are, and tuples
    may hold any of these. ``read`` is given the graph and the Tensors that stand for the inputs, and its result must
    not keep them. Floating inputs and frozen parameters require grad, so that everything computed from them is
    recorded. No parameter and no buffer of the model changes.

    Raises `DrawingError` for anything but a model and examples, and where the model depends on values.
    """
    if not callable(model) or not callable(getattr(model, "parameters", None)):
        raise DrawingError(
            f"{of_type(model)} is not a model: give a module, and an example or the shape of its input;"
            " draw_graph draws a computed Tensor"
        )
    if not examples:
        raise DrawingError(
            f"{type(model).__name__} needs an example of its input: give an array, or a shape such as (1, 3, 224, 224)"
        )
    parameters = list(model.parameters())
    dtype = next((p.dtype for p in parameters), np.dtype("float32"))
    inputs = [_example(given, dtype) for given in examples]
    frozen = [p for p in parameters if not p.requires_grad]
    found: list[Read] = []

    def run(*given: Any) -> Any:
        result = model(*given)
        ends = [leaf for leaf in trees.flatten(result)[0] if isinstance(leaf, ag.Tensor) and leaf.node is not None]
        if not ends:
            raise DrawingError(f"{type(model).__name__} computes nothing from its input: there is nothing to draw")
        with holding(TRACER, None):  # so that reading names adds nothing to the traced program
            tensors = [leaf for leaf in trees.flatten(given)[0] if isinstance(leaf, ag.Tensor)]
            found.append(read(ag.Graph(*ends), tensors))
        return result

    for p in frozen:
        p.requires_grad = True
    try:
        ag.trace(run, *inputs)
    except TraceError as error:
        raise DrawingError(
            f"{type(model).__name__} can't be followed without values ({error}): compute y = model(x), and give y to"
            " draw_model(y)"
        ) from None
    finally:
        for p in frozen:
            p.requires_grad = False
    return found[0]


def _example(given: Any, dtype: Any) -> Any:
    """An input of the model; its Tensors have names."""
    if isinstance(given, tuple | list) and given and all(type(n) is int for n in given):
        if min(given) < 1:
            raise DrawingError(f"{tuple(given)} is not the shape of an input: its sides must be at least 1")
        return ag.Tensor(np.broadcast_to(np.zeros((), dtype), given), requires_grad=True, name="x")
    if getattr(given, "shape", None) == () and np.dtype(given.dtype).kind in "iub":
        return given.item()  # it may decide what is computed, as a sampling rate does
    if given is None or isinstance(given, bool | int | float):
        return given
    if isinstance(given, tuple | list):
        # Rows of numbers are no shapes.
        parts = [one if isinstance(one, list) else _example(one, dtype) for one in given]
        return parts if isinstance(given, list) else tuple(parts)
    if not isinstance(given, ag.Tensor) and not hasattr(given, "__array__"):
        raise refused(given, "an example", "an array, a Tensor or a number, or a shape such as (1, 3, 224, 224)")
    tensor = given.detach() if isinstance(given, ag.Tensor) else ag.Tensor(given)
    tensor.name = tensor.name or "x"
    tensor.requires_grad = tensor.dtype.kind == "f"
    return tensor
