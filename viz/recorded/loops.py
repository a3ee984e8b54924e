"""Loops over time: the steps of an `autograd.scan`, which is recorded as one operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.evaluate import Evaluation, host
from glassgrad.viz.recorded.names import LOOP, Names, carries


def loops_in(nodes: Iterable[Node]) -> list[Node]:
    """The loops among these nodes, each once, even if it was recorded several times, for several dtypes."""
    found: dict[Any, Node] = {}
    for node in nodes:
        if node.op is not None and node.op.name == LOOP:
            found.setdefault((id(node.params["loop"].body), *map(id, node.inputs)), node)
    return list(found.values())


@dataclass(frozen=True, eq=False)
class Recurrence:
    """A recorded loop: its ``node``, and the values of its graph."""

    node: Node
    seen: Evaluation

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
    def xs(self) -> list[str]:
        """The names of the inputs of each step."""
        first = self.body.carries
        given = list(self.body.names[first : first + self.body.xs])
        product = self.node.inputs[first]
        if isinstance(product, Node) and product.op.name == "linear":  # of all steps at once, as in an LSTM
            return [f"W{Names(self.seen.graph)[product.inputs[0]].shown}", *given[1:]]
        plain = all(name.rstrip("_0123456789") in ("x", "xs") for name in given)
        return (["x"] if len(given) == 1 else [f"x{i + 1}" for i in range(len(given))]) if plain else given

    @cached_property
    def consts(self) -> list[str]:
        """The names of the values that all steps share, as in the graph."""
        called = Names(self.seen.graph)
        first = self.body.carries + self.body.xs
        given = zip(self.body.names[first:], self.node.inputs[first:], strict=True)
        return [called[x].shown if hasattr(x, "requires_grad") else name for name, x in given]

    # ------------------------------------------------------------ numbers

    def _arrays(self) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        arrays = [self.seen.value(given) for given in self.node.inputs]
        first = self.body.carries + self.body.xs
        return arrays[: self.body.carries], arrays[self.body.carries : first], arrays[first:]

    def _upstream(self) -> dict[int, np.ndarray]:
        """The gradient of each output: of the last carries, and of the ys of all steps."""
        found: dict[int, np.ndarray] = {}
        for node in self.seen.graph.nodes:
            if node.op is None or node.op.name != LOOP or node.params["loop"].body is not self.body:
                continue
            gradient = self.seen.gradient(node)
            if gradient is None or any(a is not b for a, b in zip(node.inputs, self.node.inputs, strict=True)):
                continue
            loop = node.params["loop"]
            for i, place, shape in self.body.parts(loop.length, loop.dtype):
                found[i] = gradient[place].reshape(shape)
        return found

    @cached_property
    def _run(self) -> tuple[list[list[ag.Tensor]], list[list[ag.Tensor]]]:
        """The carries before each step and after the last, and the ys, recorded step by step."""
        carries, xs, consts = self._arrays()
        now = [ag.Tensor(array, requires_grad=array.dtype.kind == "f") for array in carries]
        states, results = [now], []
        with ag.enable_grad():
            for t in self.order:
                outputs = self.body.run(*now, *(ag.Tensor(x[t]) for x in xs), *map(ag.Tensor, consts))
                outputs = [out if isinstance(out, ag.Tensor) else ag.Tensor(out) for out in outputs]
                now = outputs[: self.body.carries]
                states.append(now)
                results.append(outputs[self.body.carries :])
        return states, results

    @cached_property
    def gradients(self) -> list[list[np.ndarray]] | None:
        """∂L/∂(each carry) before each step and after the last; None where no gradient was computed."""
        upstream = self._upstream()
        if not upstream:
            return None
        states, results = self._run
        ends, seeds = [], []
        for i, state in enumerate(states[-1]):
            if i in upstream and state.requires_grad:
                ends.append(state)
                seeds.append(ag.Tensor(upstream[i]))
        for t, ys in zip(self.order, results, strict=True):
            for i, y in enumerate(ys, self.body.carries):
                if i in upstream and y.requires_grad:
                    ends.append(y)
                    seeds.append(ag.Tensor(upstream[i][t]))
        wanted = [state for step in states for state in step]
        asked = [state for state in wanted if state.requires_grad]
        found = iter(ag.gradients(ends, asked, seeds)) if ends and asked else iter(())
        given = [host(next(found)) if state.requires_grad else np.zeros(state.shape) for state in wanted]
        n = self.body.carries
        return [given[i : i + n] for i in range(0, len(given), n)]

    def sizes(self, carry: int = 0) -> list[float] | None:
        """The rms of ∂L/∂(a carry) after each step, in the order of the steps."""
        if self.gradients is None:
            return None
        return [numbers.root_mean_square(step[carry]) for step in self.gradients[1:]]

    # ------------------------------------------------------------ cells

    def cells(self, count: int) -> tuple[list[ag.Tensor], list[Any] | None, dict[str, ag.Tensor]]:
        """The last ``count`` steps as a graph of their own: outputs, their upstream gradients, and names."""
        _, xs, consts = self._arrays()
        states, _ = self._run
        upstream, gradients = self._upstream(), self.gradients
        start = len(states) - 1 - count
        names: dict[str, ag.Tensor] = {}
        first = self.body.carries + self.body.xs
        shared = []
        for name, array, given in zip(self.consts, consts, self.node.inputs[first:], strict=True):
            shared.append(ag.Tensor(array, requires_grad=bool(getattr(given, "requires_grad", False))))
            names.setdefault(name, shared[-1])
        now = []
        for name, state in zip(self.carries, states[start], strict=True):
            now.append(ag.Tensor(host(state), requires_grad=state.requires_grad))
            names[f"{name}[{_ago(count)}]"] = now[-1]
        ends: dict[int, tuple[ag.Tensor, Any]] = {}
        with ag.enable_grad():
            for k, t in enumerate(self.order[start:], start):
                when = _ago(count - 1 - (k - start))
                rows = [ag.Tensor(x[t], requires_grad=x.dtype.kind == "f") for x in xs]
                names |= {f"{name}[{when}]": row for name, row in zip(self.xs, rows, strict=True)}
                outputs = self.body.run(*now, *rows, *shared)
                now = outputs[: self.body.carries]
                for i, out in enumerate(outputs[self.body.carries :], self.body.carries):
                    y = f"y{i - self.body.carries + 1}" if len(outputs) - self.body.carries > 1 else "y"
                    names.setdefault(f"{y}[{when}]", out)
                    arrives = upstream[i][t] if i in upstream else np.zeros(out.shape)
                    known = ends.get(id(out), (out, 0.0))[1]
                    ends[id(out)] = out, known + arrives
                names = {name: x for name, x in names.items() if not any(x is state for state in now)}
                names |= {f"{name}[{when}]": state for name, state in zip(self.carries, now, strict=True)}
            for i, state in enumerate(now):  # the whole gradient of the last carries, also through their ys
                ends[id(state)] = state, gradients[-1][i] if gradients is not None else 0.0
        kept = [(out, seed) for out, seed in ends.values() if out.node is not None]
        return [out for out, _ in kept], None if gradients is None else [seed for _, seed in kept], names


def inputs_of(names: Mapping[str, ag.Tensor], loop: Recurrence) -> list[ag.Tensor]:
    """The inputs among the names of `Recurrence.cells`: the states before its steps, and entries of xs."""
    return [x for name, x in names.items() if x.node is None and name not in loop.consts]


def _ago(steps: int) -> str:
    return f"t-{steps}" if steps else "t"


def recurrences(nodes: Sequence[Node], seen: Evaluation) -> list[Recurrence]:
    """The loops among these nodes."""
    return [Recurrence(node, seen) for node in loops_in(nodes)]
