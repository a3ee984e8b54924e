"""The arrays that a node saved for its rules: checked before use, and made Tensors where rules are recorded."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.engine.graph import Node, reachable
from glassgrad.autograd.engine.memory import owner, written_at
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import GradientError


def check_saved(node: Node, mask: int) -> None:
    """Raise `GradientError` where the arrays that a node saved were released, or one that the rules of the inputs in
    ``mask`` need was written to since, or the rules were declared again since.
    """
    op = node.op
    if node.saved is None:
        raise GradientError(
            f"the arrays that {op.name} {describe(node)} had saved were released by an earlier backward: pass "
            "retain_graph=True to that, or compute the forward again."
        )
    if node.index < op.redeclared:
        raise GradientError(
            f"the rules of {op.name} were declared again after {describe(node)} was computed: compute the forward "
            "again."
        )
    wanted = {
        name
        for i, arg in enumerate(op.args)
        if arg in op.rules and (op.variadic or mask >> i & 1)
        for name in op.rules[arg][1]
    }
    kept = {**node.params, **dict(zip(op.saves, node.saved, strict=True))}
    for value in (kept[name] for name in kept if name in wanted):
        for array in value if isinstance(value, tuple) else (value,):
            if hasattr(array, "shape") and written_at(array) > node.index:
                raise stale_error(node, _leaf_of(node, array))


def as_tensors(node: Node) -> tuple[Any, ...]:
    """The saved arrays as Tensors of the graph, so that the rules' operations on them are recorded."""

    def tied(value: Any, vertex: Any) -> Any:
        if type(vertex) is Node:
            return wrap(value, vertex)
        if isinstance(vertex, Tensor):
            if vertex._data is not value:  # the rules would compute with its present value
                raise stale_error(node, vertex)
            return vertex
        return value

    def of(name: str, value: Any) -> Any:
        if value is None or name == "out":
            return value if value is None else wrap(value, node)
        if node.op.variadic:
            return tuple(map(tied, value, node.inputs))
        return tied(value, node.inputs[node.op.args.index(name)])

    return tuple(map(of, node.op.saves, node.saved or ()))


def stale_error(node: Node, what: Any) -> GradientError:
    """The error for an array that was changed after ``node`` saved it."""
    return GradientError(
        f"{'Tensor' if isinstance(what, Tensor) else 'the array'} {describe(what)} was changed after {node.op.name} "
        "had used it, so this graph's gradients would be wrong: compute the forward again, or give it a copy made with "
        ".clone()."
    )


def _leaf_of(node: Node, array: Any) -> Any:
    """The leaf that owns the memory of ``array``, if ``node`` depends on it; else the array itself."""
    memory = owner(array)
    for vertex in (vertex for behind in reachable([node]) for vertex in behind.inputs):
        if isinstance(vertex, Tensor) and owner(vertex.data) is memory:
            return vertex
    return array
