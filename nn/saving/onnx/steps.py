"""The steps of a graph: which values are weights, which steps are computed at the import, and how one is computed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy

from glassgrad.autograd import Tensor, asarray, errors, no_grad
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.nn.saving.onnx.rare import is_computed
from glassgrad.nn.saving.onnx.read import Graph, Step
from glassgrad.nn.saving.onnx.table import ALLOWED, GROWTH, LIMIT, arrays, concrete

CONSTANTS = 8
"""A Constant of more floats than this is a weight: some exporters put weights there."""

COMPUTED = 2**25
"""The most bytes of computed constants in all, or `GROWTH` times those that the file holds."""

LONGEST = 600
"""How many characters of an error in a step are kept: it may quote long names of the file."""


def prepare(graph: Graph) -> set[str]:
    """Find the weights of a graph (its ``parameters``), compute steps of constants, and drop unused steps.

    Returns the names of the statistics of BatchNormalization, which are weights that are not trained.
    """
    graph.without_dead()
    statistics: set[str] = set()
    given = sum(sum(getattr(v, "nbytes", 0) for v in _arrays(part)) for part in graph.all_graphs())
    left = {True: LIMIT, False: min(max(COMPUTED, GROWTH * given), LIMIT)}
    for part in graph.all_graphs():
        constants = {step.outputs[0]: apply(step, [])[0] for step in part.steps if step.row.name == "Constant"}
        part.steps = [step for step in part.steps if step.outputs[0] not in constants]
        needed = differentiable(part)
        weights = [n for n, value in part.values.items() if value.dtype.kind == "f" and value.ndim and n in needed]
        weights += [n for n, v in constants.items() if v.dtype.kind == "f" and v.size > CONSTANTS and n in needed]
        part.values |= constants
        part.parameters = dict.fromkeys(weights, "")
        statistics |= _statistics(part)
        _fold(part, left, is_certain=part is graph)
    graph.without_dead()
    for part in graph.all_graphs():
        part.parameters = {name: path for name, path in part.parameters.items() if name in part.values}
    return statistics


def _arrays(graph: Graph) -> list[Any]:
    """The arrays that a file gives a graph: initializers, and the values of Constants."""
    return [*graph.values.values(), *(step.attributes.get("value") for step in graph.steps)]


def differentiable(graph: Graph) -> set[str]:
    """The names of values that outputs depend on other than through a shape, an index or the like."""
    needed = set(graph.outputs)
    for step in reversed(graph.steps):
        if needed.isdisjoint(step.outputs) or step.row.name in ("Shape", "Size"):
            continue
        last = len(step.row.inputs) - 1
        needed |= {n for i, n in enumerate(step.inputs) if step.row.inputs[min(i, last)] not in step.row.known}
        for body in step.bodies():
            needed |= differentiable(body)
    return needed


def _statistics(graph: Graph) -> set[str]:
    """The weights that are only the mean or variance of a BatchNormalization."""
    uses = {
        (name, step.row.name == "BatchNormalization" and i > 2)
        for step in graph.steps
        for i, name in enumerate(step.needs())
    }
    return {name for name, is_statistic in uses if is_statistic and (name, False) not in uses}


def _fold(graph: Graph, left: dict[bool, int], is_certain: bool) -> None:
    """Compute the steps that depend on constants alone.

    ``left``: the most bytes of results that are one repeated number, which takes no memory, and of all others. A step
    that fails is kept if it might never run, as in a branch.
    """
    kept = []
    for step in graph.steps:
        known = all(not n or (n in graph.values and n not in graph.parameters) for n in step.inputs)
        if not known or any(step.bodies()) or is_computed(step.row):  # these may take long
            kept.append(step)
            continue
        is_repeated = step.row.name == "ConstantOfShape"
        try:
            with holding(ALLOWED, left[is_repeated]):
                results = apply(step, [graph.values[n] if n else None for n in step.inputs])
        except errors.AutogradError:
            if is_certain:
                raise
            kept.append(step)
            continue
        left[is_repeated] -= sum(getattr(value, "nbytes", 0) for value in results)
        if left[is_repeated] < 0:
            raise errors.SizeError(
                f"its computed constants take too much memory: more than {COMPUTED / 2**20:g} MiB, "
                f"and more than {GROWTH} times those that the file holds."
            )
        graph.values |= {n: value for n, value in zip(step.outputs, results, strict=False) if n}
    graph.steps = kept


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
    try:
        last = len(row.inputs) - 1
        known = [row.inputs[min(i, last)] in row.known for i in range(len(args))]
        args = [concrete(x) if k else x for x, k in zip(args, known, strict=True)]
        device = next((x.device for x in args if isinstance(x, Tensor)), "cpu")
        if device != "cpu":
            args = [x if k or _fits_all(x) else asarray(x, device=device) for x, k in zip(args, known, strict=True)]
        with within(step.scope):
            if bodies or any(map(_has_tensor, args)):
                out = row.function(*args, **options)
            else:
                out = _known(row.function, args, options)
    except Exception as error:  # of many classes
        kind = type(error) if isinstance(error, errors.AutogradError) else errors.DomainError
        raise kind(f"{step.title}, given {_shapes(args)}: {str(error)[:LONGEST].rstrip('.')}.") from error
    return out if isinstance(out, tuple) else (out,)


def within(scopes: tuple[tuple[str, str], ...]) -> AbstractContextManager[Any]:
    """A context manager in which operations are recorded as part of modules, each a path and a label."""
    mode = MODE.get()
    return holding(MODE, Mode(mode.grad, (*(mode.scope or ()), *scopes), mode.observer) if scopes else mode)


def _fits_all(value: Any) -> bool:
    """Whether a value works on any device: a single float does, and whatever is no array."""
    return not isinstance(value, numpy.ndarray) or (value.size == 1 and value.dtype.kind == "f")


def _known(function: Any, args: list[Any], options: dict[str, Any]) -> Any:
    """``function`` of known values, computed at once by NumPy, even in a trace."""
    with holding(TRACER, None), no_grad(), numpy.errstate(all="ignore"):
        return arrays(function(*args, **options))


def _has_tensor(value: Any) -> bool:
    return any(map(_has_tensor, value)) if isinstance(value, list) else isinstance(value, Tensor)


def _shapes(args: list[Any]) -> str:
    shapes = [str(x.shape) if hasattr(x, "shape") else "nothing" if x is None else type(x).__name__ for x in args]
    return " and ".join([", ".join(shapes[:-1]), shapes[-1]] if len(shapes) > 1 else shapes) or "nothing"
