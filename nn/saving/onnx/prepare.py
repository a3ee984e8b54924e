"""Decisions at the import: the values that are weights, and computations that are done once."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.errors import AutogradError, SizeError
from glassgrad.nn.saving.onnx.apply import apply
from glassgrad.nn.saving.onnx.read import Graph
from glassgrad.nn.saving.onnx.reference import is_computed
from glassgrad.nn.saving.onnx.table import ALLOWED, GROWTH, LIMIT

CONSTANTS = 8
"""A Constant of more floats than this is a weight: some exporters put weights there."""

COMPUTED = 2**25
"""The most bytes of computed constants in all, or `GROWTH` times those that the file holds."""


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
    uses = [
        (name, step.row.name == "BatchNormalization" and i > 2)
        for step in graph.steps
        for i, name in enumerate(step.needs())
    ]
    return {name for name, is_statistic in uses if is_statistic} - {
        name for name, is_statistic in uses if not is_statistic
    }


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
        except AutogradError:
            if is_certain:
                raise
            kept.append(step)
            continue
        left[is_repeated] -= sum(getattr(value, "nbytes", 0) for value in results)
        if left[is_repeated] < 0:
            raise SizeError(
                f"its computed constants take too much memory: more than {COMPUTED / 2**20:g} MiB, "
                f"and more than {GROWTH} times those that the file holds."
            )
        graph.values |= {n: value for n, value in zip(step.outputs, results, strict=False) if n}
    graph.steps = kept
