"""The programs of a network whose values are followed from stage to stage: layers of maps, or steps of time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.pages.follow.network import WHO, Network, edges_of, first, rerun
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.loops import GATES, loops_in
from glassgrad.viz.recorded.names import carries, gate
from glassgrad.viz.recorded.notation.windows import geometry
from glassgrad.viz.recorded.spine import PRODUCTS, blocks_of, edges_to

WINDOWS = ("conv", "max_pool", "sum_pool")
MOST = 12
"""The most stages of a network of layers that are shown; of more every second or third."""

LIVE = 150_000
"""The most numbers of all stages, and of all parameters, with which a page computes itself."""

SIDE = 56
"""The most rows or columns of a map that a page shows without computing; of a larger one it shows means."""

Probe = Callable[[int, str, Any], Any]
"""The value that goes on from a stage, by its number and by the side of a fork: "shortcut", "block" or ""."""


After = Callable[..., Any]
"""The value of the next stage, or at the end the output, by the number of a stage and its value."""


@dataclass(frozen=True)
class Stage:
    """One column of the page: ``count`` pictures of ``size``, each with a name where ``names`` are given.

    ``window``: size, stride and padding of what reads the stage before, of rows and of columns, where it is a window.
    ``forked``: whether a shortcut and a block read it.
    """

    label: str
    path: str
    count: int
    size: tuple[int, int]
    names: tuple[str, ...] = ()
    window: tuple[tuple[int, int, int], ...] | None = None
    forked: bool = False


class Stages:
    """Programs of a network whose values are followed from stage to stage."""

    stages: list[Stage]

    def __init__(self, network: Network) -> None:
        self.network = network

    def run(self, x: Any, probe: Probe) -> tuple[Any, list[dict[str, Any]], After | None]:
        """The output; for each stage its values by side; and what a change of a stage does to the next one."""
        raise NotImplementedError

    def backward(self, x: Any, target: Any, which: Any, parameters: bool = True) -> dict[str, Any]:
        """Values and gradients of all stages and parameters, and the two sides of each fork."""
        output, values, _ = self.run(x, lambda _s, _side, value: value + 0.0)
        losses = self.network.losses(output, target)
        loss = ag.sum(losses * which)
        memory = self.network.memory if parameters else {}
        wanted = [value for stage in values for value in stage.values()]
        found = ag.gradients(loss, [*wanted, *memory.values()])
        result = {"loss": loss, "losses": losses, "probs": ag.softmax(ag.reshape(output, (-1, output.shape[-1])))}
        gradients = iter(found)
        for s, stage in enumerate(values):
            sides = {side: next(gradients) for side in stage}
            if self.stages[s].forked:
                total = sides["shortcut"] + sides["block"]
                dots = [ag.sum(g * total) for g in (sides["shortcut"], sides["block"], total)]
                result |= {f"v{s}": _flat([stage["block"]]), f"d{s}": _flat([total]), f"share{s}": ag.stack(dots)}
            else:
                result |= {f"v{s}": _flat(stage.values()), f"d{s}": _flat(sides.values())}
        return result | {f"d {name}": g for name, g in zip(memory, gradients, strict=True)}

    def forward(self, x: Any, target: Any, *probes: Any) -> dict[str, Any]:
        """Losses with a probe added to each stage, and then one to the block's side of each fork."""
        forked = iter(probes[len(self.stages) :])
        sides = {s: next(forked) for s, stage in enumerate(self.stages) if stage.forked}
        places: dict[int, int] = {}

        def probed(s: int, side: str, value: Any) -> Any:
            if side in ("", "shortcut", "block"):
                more = ag.reshape(probes[s], value.shape)
                return value + (more + ag.reshape(sides[s], value.shape) if side == "block" else more)
            start = places.get(s, 0)
            places[s] = start + value.size
            return value + ag.reshape(probes[s][start : places[s]], value.shape)

        return {"losses": self.network.losses(self.run(x, probed)[0], target)}

    def sent(self, x: Any, *directions: Any) -> dict[str, Any]:
        """What a change of each stage does to the next one."""
        _, values, after = self.run(x, lambda _s, _side, value: value)
        result = {}
        for s, change in enumerate(directions):
            value = next(iter(values[s].values()))
            if after is not None and s + 1 < len(values):
                shaped = ag.reshape(change, value.shape)
                result[f"t{s}"] = _flat([ag.jvp(partial(after, s), (value,), (shaped,))[1]])
        return result

    def functions(self) -> dict[str, Any]:
        """The programs of a live page, each with its inputs."""
        x, target = self.network.inputs
        which = ag.Tensor(np.zeros(self.network.losses(self.network.output, target).size), name="which")
        sizes = [stage.count * stage.size[0] * stage.size[1] for stage in self.stages]
        probes = [ag.Tensor(np.zeros(size), name=f"p{s}") for s, size in enumerate(sizes)]
        sides = [ag.Tensor(np.zeros(sizes[s]), name=f"b{s}") for s, stage in enumerate(self.stages) if stage.forked]
        programs: dict[str, Any] = {
            "backward": (self.backward, (x, target, which)),
            "forward": (self.forward, (x, target, *probes, *sides)),
        }
        if not self.stages[0].names:
            programs["sent"] = (self.sent, (x, *probes))
        return programs

    @property
    def is_live(self) -> bool:
        """Whether a page computes it; else it shows what was computed here."""
        numbers = sum(stage.count * stage.size[0] * stage.size[1] for stage in self.stages)
        return numbers <= LIVE and sum(int(p.size) for p in self.network.memory.values()) <= LIVE

    def recorded(self, which: Any) -> dict[str, Any]:
        """What a page shows of some losses, computed here. Of each stage some maps, with means where they are large."""
        x, target = self.network.inputs
        found = {name: host(value) for name, value in self.backward(x, target, which, parameters=False).items()}
        for s, stage in enumerate(self.stages):
            value, gradient = (found[f"{kind}{s}"].reshape(stage.count, *stage.size) for kind in "vd")
            lengths = np.sqrt(np.square(gradient).sum(axis=(1, 2)))
            small = 1 if stage.names else max(-(-max(stage.size) // SIDE), 1)
            kept = stage.count if stage.names else 12 if max(stage.size) * 2 <= SIDE else 6
            found[f"shown{s}"] = np.sort(np.argsort(-lengths)[:kept])
            found[f"length{s}"] = lengths
            found[f"reached{s}"] = np.array([np.count_nonzero(gradient), gradient.size])
            found |= {
                f"{kind}{s}": _means(part[found[f"shown{s}"]], small) for kind, part in (("v", value), ("d", gradient))
            }
        return found

    @property
    def tokens(self) -> int:
        """The steps of time; 1 for layers."""
        return len(self.stages) if self.stages[0].names else 1

    def data(self) -> dict[str, Any]:
        """Sizes and names, for the page."""
        x = self.network.x
        levels = [float(x.min()), float(x.max())] if x.size else [0.0, 0.0]
        first = self.stages[0]
        paints = levels if not first.names and first.count == 1 and levels[0] < levels[1] else None
        return {"paints": paints, "stages": [vars(stage) for stage in self.stages]}


class Maps(Stages):
    """Layers of maps: stages are the values through which every path from the input to the output goes."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        leaf = network.given
        if leaf.dtype.kind != "f":
            raise DrawingError(f"{WHO}: it takes integers, and has no line of tokens and no loop over time")
        if not any(vertex is leaf for vertex in network.graph.nodes):
            raise DrawingError(
                f"{WHO}: its output was not computed from the example, or only from a detached part of it"
            )
        self.groups = _groups(network.graph, leaf)
        if not self.groups:
            raise DrawingError(f"{WHO}: from its input to its output it is one operation, which has nothing between")
        forks = [block.fork for block in blocks_of(network.graph)]
        self.stages = []
        for (*_, before), group in itertools.pairwise([[leaf], *self.groups]):
            value = group[-1]
            is_map = len(value.shape) in (3, 4)
            count, *size = map(int, value.shape[1:]) if is_map else (1, *_grid(int(np.prod(value.shape))))
            height, width = [1, *size][-2:]
            window, forked = _window(before, group), value in forks
            self.stages.append(Stage(_label(group), _path(group), count, (height, width), (), window, forked))

    def run(self, x: Any, probe: Probe) -> tuple[Any, list[dict[str, Any]], After]:
        """See `Stages.run`."""
        leaf = x.detach().requires_grad_()
        leaf.name = "x"
        output = first(self.network.model(leaf))
        graph = ag.Graph(output)
        vertices = [group[-1] for group in _groups(graph, leaf)]
        forks = {block.fork: block for block in blocks_of(graph)}
        readers = {vertex: edges_to(vertex, graph.nodes) for vertex in vertices}
        sides = []
        for s, vertex in enumerate(vertices):
            block = forks.get(vertex)
            read = {"": readers[vertex]} if block is None else {"shortcut": block.shortcut, "block": block.reads}
            sides += [((s, side), edges) for side, edges in read.items()]
        found: list[dict[str, Any]] = [{} for _ in vertices]

        def changed(key: tuple[int, str], value: Any) -> Any:
            s, side = key
            found[s][side] = probe(s, side, value)
            return found[s][side]

        values = graph.replay(edges_of(sides, changed))

        def after(s: int, value: Any) -> Any:
            return rerun(graph, readers[vertices[s]], [*vertices, vertex_of(output)][s + 1], value)

        return values[vertex_of(output)], found, after


class Time(Stages):
    """Steps of time: stages are the steps of the loops, each with its gates and states."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        loops = loops_in(network.graph.nodes)
        if len({node.params["loop"].length for node in loops}) != 1 or any(n.params["loop"].reverse for n in loops):
            raise DrawingError(f"{WHO}: its loops have several lengths or directions; draw_loop shows one of them")
        if loops[0].params["loop"].length == 1:
            raise DrawingError(f"{WHO}: its loop has one step; give a sequence (1, steps, …) and batch_first=True")
        self.gates = [_gates(node.params["loop"].body) for node in loops]
        names = [name for gates in self.gates for name in gates]
        if len(loops) > 1:
            names = [f"{name}{layer}" for layer, gates in enumerate(self.gates, 1) for name in gates]
        ends = [(node, number) for node, gates in zip(loops, self.gates, strict=True) for number in gates.values()]
        widths = {int(np.prod(node.params["loop"].body.types[number][0])) for node, number in ends}
        if len(widths) != 1:
            raise DrawingError(f"{WHO}: its states have several sizes ({', '.join(map(str, sorted(widths)))})")
        size = widths.pop(), 1
        steps = range(loops[0].params["loop"].length)
        self.stages = [Stage(str(t + 1), "", len(names), size, tuple(names)) for t in steps]

    def run(self, x: Any, probe: Probe) -> tuple[Any, list[dict[str, Any]], None]:
        """See `Stages.run`."""
        output = self.network.record(x)
        graph = ag.Graph(output)
        found: list[dict[str, Any]] = [{} for _ in self.stages]
        edges: dict[Any, Any] = {}
        for layer, node in enumerate(loops_in(graph.nodes)):
            inputs = list(node.inputs)
            taken = [((node, i), [(node, i)]) for i, value in enumerate(inputs) if isinstance(value, Node)]
            edges |= edges_of(taken, partial(_taken, inputs))
            readers = edges_to(node, graph.nodes)
            edges |= edges_of([(layer, readers)], partial(self._unrolled, node, inputs, found, probe))
        values = graph.replay(edges)
        return values[vertex_of(output)], found, None

    def _unrolled(
        self, node: Node, inputs: list[Any], found: list[dict[str, Any]], probe: Probe, layer: int, _value: Any
    ) -> Any:
        """The results of a loop, run step by step, so that gates and states of each step are values of their own."""
        loop, body = node.params["loop"], node.params["loop"].body
        names = {number: f"{layer} {name}" for name, number in self.gates[layer].items()}
        now, end = inputs[: body.carries], body.carries + body.xs
        kept: list[list[Any]] = []
        for t in range(loop.length):
            given = [*now, *(x[t] for x in inputs[body.carries : end]), *inputs[end:]]
            known = {**dict(enumerate(given)), **body.constants}
            for step in body.steps:
                value = step.op.apply(*(known[i] for i in step.args), **step.params)
                if step.out in names:
                    value = found[t][names[step.out]] = probe(t, names[step.out], value)
                known[step.out] = value
            now, results = (
                [known[i] for i in part] for part in (body.outputs[: body.carries], body.outputs[body.carries :])
            )
            kept.append(results)
        return _flat([*now, *itertools.chain.from_iterable(zip(*kept, strict=True))])


def _taken(inputs: list[Any], edge: tuple[Node, int], value: Any) -> Any:
    """A value on its way into a loop, which is noted in ``inputs``."""
    inputs[edge[1]] = value
    return value


def _means(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps of means over squares; what is left over at the right and at the bottom is left out."""
    count, height, width = maps.shape[0], maps.shape[1] // side, maps.shape[2] // side
    whole = maps[:, : height * side, : width * side]
    return np.asarray(whole.reshape(count, height, side, width, side).mean(axis=(2, 4)))


def _flat(values: Iterable[Any]) -> Any:
    parts = [ag.reshape(value, (-1,)) for value in values]
    return ag.concat(parts) if len(parts) > 1 else parts[0]


def _groups(graph: ag.Graph, leaf: Any) -> list[list[Any]]:
    """The values through which every path from a leaf goes, but the last; with what only changes their entries, as a
    normalization and an activation do, in one group.
    """
    place: dict[Any, int] = {leaf: 0}
    last: dict[Any, int] = {}
    for node in graph.nodes:
        given = [v for v in node.inputs if hasattr(v, "requires_grad") and v in place]
        if given:
            place[node] = len(place)
            last |= dict.fromkeys(given, place[node])
    groups: list[list[Any]] = [[leaf]]
    reach = 0
    for vertex, i in place.items():
        is_cut, reach = reach <= i, max(reach, last.get(vertex, 0))
        if not is_cut or vertex is leaf:
            continue
        before = groups[-1][-1]
        given = [v for v in vertex.inputs if hasattr(v, "requires_grad") and v in place]
        plain = vertex.op.name not in (*PRODUCTS, *WINDOWS) and all(v is before for v in given)
        if plain and (vertex.shape == before.shape or (vertex.op.name == "reshape" and before is leaf)):
            groups[-1].append(vertex)
        elif vertex.op.name != "reshape":
            groups.append([vertex])
    groups = groups if groups[-1][-1] not in graph.outputs else groups[:-1]
    between = max(1, -(-len(groups) // MOST))
    return groups[:1] + groups[1:][(len(groups) - 2) % between :: between]


def _label(group: Sequence[Any]) -> str:
    """The classes of the modules of a group, and the names of the operations that a model has outside of them."""
    nodes = [v for v in group if v.op is not None]
    names = [v.scope[-1][1] if v.scope and v.scope[-1][0] else v.op.name for v in nodes]
    return ", ".join(dict.fromkeys(names)) or "x"


def _path(group: Sequence[Any]) -> str:
    return str(group[0].scope[-1][0]) if group[0].op is not None and group[0].scope else ""


def _window(before: Any, group: Sequence[Any]) -> tuple[tuple[int, int, int], ...] | None:
    """Size, stride and padding of the window by which a group reads the value before it, of rows and of columns; None
    where it is none.
    """
    node = group[0]
    if node.op is None or node.op.name not in WINDOWS or len(before.shape) > 4 or node.inputs[0] is not before:
        return None
    shapes = {arg: tuple(v.shape) for arg, v in zip(node.op.args, node.inputs, strict=False) if v is not None}
    place = geometry(node.op.name, shapes, node.params)
    axes = zip(place.size, place.dilation, place.stride, place.pads, strict=True)
    return ((1, 1, 0), *(((size - 1) * dilation + 1, stride, pad) for size, dilation, stride, (pad, _) in axes))[-2:]


def _grid(count: int, most: int = 16) -> tuple[int, int]:
    """Height and width of a picture of a vector: a column, or as many columns as divide it and are at most ``most``."""
    width = max((w for w in range(1, most + 1) if count % w == 0 and w * w <= count), default=1)
    return count // width, width


def _gates(body: Any) -> dict[str, int]:
    """The numbers of the gates and states of one step of a loop, by name."""
    types = ((i, *body.types[i]) for i in body.inputs)
    given = {i: ag.Tensor(np.zeros(shape, str(dtype)), ag.isdtype(dtype, "real floating")) for i, shape, dtype in types}
    values, gates = given | body.constants, dict[str, int]()
    for step in body.steps:
        value = values[step.out] = step.op(*(values[i] for i in step.args), **step.params)
        if step.op.name in ("sigmoid", "tanh") and value.node is not None and (letter := gate(value.node)):
            gates[letter] = step.out
    return {name: gates[name] for name in GATES if name in gates} | dict(
        zip(carries(body)[::-1], body.outputs[: body.carries][::-1], strict=True)
    )
