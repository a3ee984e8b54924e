"""Loops over time: the steps of an `autograd.scan`, which is recorded as one operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from operator import is_
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.autograd.engine.operation import Op
from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.evaluate import Evaluation, host
from glassgrad.viz.recorded.names import LOOP, Names, carries, gate
from glassgrad.viz.recorded.notation.latex import tex_name

KINDS = {"i": "input", "f": "forget", "g": "cell", "o": "output", "r": "reset", "z": "update", "n": "new"}
GATES = {name: f"{kind} gate" for name, kind in KINDS.items()}
"""The names of the gates of an LSTM and of a GRU, in the order in which they lie in the weights."""

RESULT = "a result"
"""Stands for the operation that takes a result out of a loop in a formula of its rule."""


def loops_in(nodes: Iterable[Node]) -> list[Node]:
    """The loops among these nodes, each once, even if it was recorded several times, for several dtypes."""
    found: dict[Any, Node] = {}
    for node in nodes:
        if node.op is not None and node.op.name == LOOP:
            found.setdefault((id(node.params["loop"].body), *map(id, node.inputs)), node)
    return list(found.values())


def result_of(node: Node, names: Names) -> Node:
    """A result of a loop as one operation on the loop: a slice and a reshape were recorded."""
    (loop, _), name = names.results[node], names.loops[node]
    index, shape, size = node.inputs[0].params["index"], node.shape, loop.shape

    def result(xp: Any, x: Any) -> Any:
        return xp.reshape(x[index], shape)

    tex = tex_name(name).replace("{", "{{").replace("}", "}}")
    op = Op(result, "result", f"{{x}}.{name}", f"{{x}}.{tex}", 9)
    op.vjp(x=lambda g, xp: xp.scatter_add(xp.reshape(g, (-1,)), index=index, shape=size))
    made: Node = copy(node)
    made.op, made.inputs, made.params = op, (loop,), {}
    return made


@dataclass(frozen=True, eq=False)
class Recurrence:
    """A recorded loop: its ``node``, and the values and names of its graph."""

    node: Node
    seen: Evaluation
    names: Names

    @property
    def loop(self) -> Any:
        """The loop's body and length."""
        return self.node.params["loop"]

    @property
    def body(self) -> Any:
        """The operations of one step."""
        return self.loop.body

    @property
    def order(self) -> list[int]:
        """The steps in the order in which they run."""
        steps = list(range(self.loop.length))
        return steps[::-1] if self.loop.reverse else steps

    @property
    def title(self) -> str:
        """The module that the loop is in, or else the name of its function."""
        return self.node.scope[-1][1] if self.node.scope else str(self.body.name)

    @cached_property
    def carries(self) -> list[str]:
        """The names of the carries."""
        return carries(self.body)

    @cached_property
    def gates(self) -> dict[str, np.ndarray]:
        """The values of the gates at the last step."""
        gated = any(step.op.name == "sigmoid" for step in self.body.steps)
        values = ag.Graph(*(self._steps[-1][2] if gated and self._steps else ())).replay()
        found = {gate(node): host(value) for node, value in values.items() if node.op is not None}
        return {name: found[name] for name in GATES if name in found}

    def _split(self, given: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
        """What is given for the carries, for the inputs of each step, and for the values that all steps share."""
        first, last = self.body.carries, self.body.carries + self.body.xs
        return given[:first], given[first:last], given[last:]

    @cached_property
    def xs(self) -> list[str]:
        """The names of the inputs of each step."""
        given, product = list(self._split(self.body.names)[1]), self._split(self.node.inputs)[1][0]
        if isinstance(product, Node) and product.op.name == "linear":  # of all steps at once, as in an LSTM
            return [f"W{self.names[product.inputs[0]].shown}", *given[1:]]
        plain = all(name.rstrip("_0123456789") in ("x", "xs") for name in given)
        return (["x"] if len(given) == 1 else [f"x{i + 1}" for i in range(len(given))]) if plain else given

    @cached_property
    def consts(self) -> list[str]:
        """The names of the values that all steps share, as in the graph."""
        given = zip(self._split(self.body.names)[2], self._split(self.node.inputs)[2], strict=True)
        return [self.names[x].shown if hasattr(x, "requires_grad") else name for name, x in given]

    # ------------------------------------------------------------ numbers

    def _upstream(self) -> dict[int, np.ndarray]:
        """The gradient of each output: of the last carries, and of the ys of all steps."""
        found = {}
        for node, (loop, which) in self.names.results.items():
            same = loop.params["loop"].body is self.body and all(map(is_, loop.inputs, self.node.inputs))
            if same and (gradient := self.seen.gradient(node)) is not None:
                found[which] = gradient
        return found

    @cached_property
    def _shared(self) -> list[ag.Tensor]:
        """The values that all steps share."""
        given = self._split(self.node.inputs)[2]
        return [ag.Tensor(self.seen.value(x), requires_grad=bool(getattr(x, "requires_grad", False))) for x in given]

    @cached_property
    def _steps(self) -> list[tuple[list[ag.Tensor], list[ag.Tensor], list[ag.Tensor]]]:
        """Each step, recorded apart from the others: the carries before it, its inputs, and its outputs."""
        now, xs, _ = self._split([self.seen.value(given) for given in self.node.inputs])
        found = []
        for t in self.order:
            before = [ag.Tensor(array, requires_grad=array.dtype.kind == "f") for array in now]
            rows = [ag.Tensor(x[t], requires_grad=x.dtype.kind == "f") for x in xs]
            with ag.enable_grad():
                outputs = self.body.run(*before, *rows, *self._shared)
            found.append((before, rows, [out if isinstance(out, ag.Tensor) else ag.Tensor(out) for out in outputs]))
            now = [host(out) for out in outputs[: self.body.carries]]
        return found

    @cached_property
    def _backward(self) -> tuple[list[list[np.ndarray]], list[list[np.ndarray]]]:
        """∂L/∂(each carry) before the first step and after each, and, for the outputs of each step, the part that comes
        from later steps and from outside of the loop. Both are empty where no gradient was computed.
        """
        upstream, n = self._upstream(), self.body.carries
        whole: list[list[np.ndarray]] = []
        arriving: list[list[np.ndarray]] = []
        if not upstream:
            return whole, arriving
        later = [upstream.get(i, np.zeros(out.shape)) for i, out in enumerate(self._steps[-1][2][:n])]
        for (before, _, outputs), t in zip(self._steps[::-1], self.order[::-1], strict=True):
            ys = [upstream[i][t] if i in upstream else np.zeros(y.shape) for i, y in enumerate(outputs[n:], n)]
            arriving.insert(0, later + ys)
            found = _gradients(outputs, [*before, *outputs[:n]], arriving[0])
            later, own = found[:n], found[n:]
            whole.insert(0, own)
        return [later, *whole], arriving

    @property
    def gradients(self) -> list[list[np.ndarray]] | None:
        """∂L/∂(each carry) before each step and after the last; None where no gradient was computed."""
        return self._backward[0] or None

    def sizes(self, carry: int = 0) -> list[float] | None:
        """The rms of ∂L/∂(a carry) after each step, in the order of the steps."""
        if self.gradients is None:
            return None
        return [numbers.root_mean_square(step[carry]) for step in self.gradients[1:]]

    # ------------------------------------------------------------ cells

    def cell(self, which: int = -1) -> tuple[list[ag.Tensor], list[Any] | None, dict[str, ag.Tensor]]:
        """One step as a graph of its own: outputs, their upstream gradients, and names.

        ``which``: the index of the step in the order in which they run.
        """
        before, rows, outputs = self._steps[which]
        ys = [f"y{i + 1}" for i in range(len(outputs) - self.body.carries)]
        ends = [*self.carries, *(ys if ys[1:] else ["y"] * len(ys))]  # a y that is a carry has the carry's name
        names = dict(zip(self.consts, self._shared, strict=True))
        names |= {f"{name}[t-1]": state for name, state in zip(self.carries, before, strict=True)}
        names |= {f"{name}[t]": x for name, x in zip([*self.xs, *ends], [*rows, *outputs], strict=True)}
        seeds: dict[int, Any] = {}
        for out, arrives in zip(outputs, self._backward[1][which], strict=True) if self._backward[1] else ():
            seeds[id(out)] = seeds.get(id(out), 0.0) + arrives
        recorded = [out for out in {id(out): out for out in outputs}.values() if out.node is not None]
        return recorded, [seeds[id(out)] for out in recorded] if seeds else None, names


def _gradients(ends: list[ag.Tensor], wanted: list[ag.Tensor], seeds: list[np.ndarray]) -> list[np.ndarray]:
    """The gradients of Tensors, given those of the outputs; zeros where none is asked for."""
    given = [(end, ag.Tensor(seed)) for end, seed in zip(ends, seeds, strict=True) if end.requires_grad]
    asked = [x for x in wanted if x.requires_grad]
    found = iter(ag.gradients([end for end, _ in given], asked, [seed for _, seed in given]) if given and asked else ())
    return [host(next(found)) if given and x.requires_grad else np.zeros(x.shape) for x in wanted]


def inputs_of(names: Mapping[str, ag.Tensor], loop: Recurrence) -> list[ag.Tensor]:
    """The inputs among the names of `Recurrence.cell`: the states before it, and entries of xs."""
    return [x for name, x in names.items() if x.node is None and name not in loop.consts]


def recurrences(nodes: Sequence[Node], seen: Evaluation, names: Names | None = None) -> list[Recurrence]:
    """The loops among these nodes, in the names of a picture, or of their graph alone."""
    return [Recurrence(node, seen, names or Names(seen.graph)) for node in loops_in(nodes)]
