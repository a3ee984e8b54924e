"""Graphs through `autograd.jvp` and `autograd.vmap`, where a value stands for several, as graphs of these.

A value and its tangent become two values, the second called ``ẋ``, and the examples of a batch the rows of one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import wrap
from glassgrad.autograd.errors import AutogradError
from glassgrad.autograd.readings.forward import Dual, Forward, dual
from glassgrad.autograd.readings.levels import LIFTED, RECORDER, Lifted, any_lifted, plain_parts
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.recorded.names import Names, dotted


class _Tensors:
    """Calls operations and functions on the Tensors that lifted arrays are made of here, so that they are recorded.

    ``constants`` are those computed from recorded values by what has no gradient, such as ``x > 0`` in a rule.
    """

    def __init__(self) -> None:
        self.constants: list[ag.Tensor] = []
        self._known: set[int] = set()

    def operation(self, op: Any, arrays: Any, params: dict[str, Any]) -> Any:
        if "index" in params:
            index = params["index"]
            params = params | {"index": tuple(map(_array, index)) if isinstance(index, tuple) else _array(index)}
        found = op.apply(*arrays, **params)
        if not found.requires_grad and any(getattr(x, "requires_grad", False) or id(x) in self._known for x in arrays):
            self.constants.append(found)
            self._known.add(id(found))
        return found

    def function(self, name: str, args: Any, options: dict[str, Any]) -> Any:
        return reduce(getattr, name.split("."), TENSORS)(*args, **options)

    def without_gradient(self) -> Any:
        return holding(MODE, Mode(False, MODE.get().scope, None))


def lowered(
    ys: list[ag.Tensor], names: Mapping[str, Any] | None, inputs: Iterable[Any], targets: Iterable[Any]
) -> tuple[list[ag.Tensor], list[ag.Tensor]]:
    """``ys`` as they are; where their graph goes through a transform, recorded anew from its leaves, with the names,
    and the constants that were computed from its values.
    """
    graph = ag.Graph(*ys)
    if not any_lifted([node for node in graph.nodes if node.op is not None], ()):
        return ys, []
    recorder = _Tensors()
    made = _again(graph, Names(graph, names, inputs, targets), names, {}, recorder)
    ends = [made[end] for end in graph.outputs]
    for end, y in zip(ends, ys, strict=True):
        end._data = y.data  # as it was recorded, so that a picture says where it has changed
    return ends, recorder.constants


def with_tangent(end: Any, names: Names, wrt: Any, direction: Any) -> list[ag.Tensor]:
    """The value of a node, recorded anew, its tangent along a ``direction`` of ``wrt``, a node or leaf before it, and
    the direction.
    """
    start = ag.Tensor(direction, requires_grad=True, name=dotted(names[wrt].shown))  # what is made of it is recorded
    found = _again(ag.Graph(end), names, None, {wrt: start}, _Tensors())[end]
    if not isinstance(found, Dual):
        shown = names[end].shown, names[wrt].shown
        raise DrawingError(
            f"the tangent of {shown[0]} along {shown[1]} is 0 in any direction: the operations between them, such "
            "as floor, have the derivative 0, and there is nothing to derive"
        )
    value, slope = found.parts
    return [value, ag.positive(slope) if slope is start else slope, start]


def _again(
    graph: ag.Graph, known: Names, names: Mapping[str, Any] | None, along: Mapping[Any, Any], recorder: _Tensors
) -> dict[Any, Any]:
    """The values of the graph, recorded anew on Tensors: lifted arrays of them, where a level made one.

    Nodes and leaves ``along`` which tangents are given become dual numbers of one level more.
    """
    given, level = {id(vertex_of(x)) for x in (names or {}).values()}, Forward()
    made: dict[Any, Any] = {}
    with holding(RECORDER, recorder):
        for node in graph.nodes:
            made[node] = value = _recorded_anew(node, known, made)
            if node.op is not None and node.hooks:
                for part in filter(None, (getattr(part, "node", None) for part in plain_parts(value))):
                    part.hooks = node.hooks  # so that the picture says that it does without them
            if node.op is not None and (node.op not in LIFTED.crossing or node.name or id(node) in given):
                _name(value, known[node].shown)
            if node in along:
                made[node] = Dual(level, value, along[node])
    return made


def _recorded_anew(node: Any, known: Names, made: Mapping[Any, Any]) -> Any:
    if node.op is None:
        return _of_tensors(node.data) if isinstance(node.data, Lifted) else node
    operands = [made[x] if hasattr(x, "requires_grad") else _of_tensors(x) for x in node.inputs]
    if node.op is dual and known.place(node.inputs[0]) is not None:
        operands[1] = _seed(operands[1], dotted(known[node.inputs[0]].shown))
    with holding(MODE, Mode(True, node.scope, None)):
        try:
            return LIFTED.call(node.op, operands, node.params)
        except (AutogradError, AttributeError, TypeError) as error:
            raise DrawingError(
                f"{node.op.name} within the function of a transform such as jvp or vmap, or in forward mode, can't be "
                "written operation by operation: draw what is computed, viz.draw_graph(autograd.trace(f, x)); derive a "
                "gradient in reverse mode"
            ) from error


def _array(part: Any) -> Any:
    return part.data if isinstance(part, ag.Tensor) else part


def _of_tensors(x: Any) -> Any:
    if isinstance(x, Lifted):
        return x.map(_of_tensors)
    return wrap(x) if hasattr(x, "shape") else x


def _seed(tangent: Any, name: str) -> Any:
    """The tangent of an argument, by this name if it is a constant without one."""
    constant = isinstance(tangent, ag.Tensor) and not tangent.requires_grad and tangent.name is None
    return wrap(tangent.data, name=name) if constant else tangent


def _name(value: Any, name: str) -> None:
    """Name a computed value, and its tangent by the dotted name."""
    if isinstance(value, Lifted):
        for i, part in enumerate(value.parts):
            if not i or getattr(part, "name", None) is None:  # that of a sum with a constant is the same as before
                _name(part, dotted(name) if i else name)
    elif isinstance(value, ag.Tensor) and value.node is not None:
        value.name = name
