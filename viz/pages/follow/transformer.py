"""The programs of a network with blocks beside a line of tokens: losses, what comes back, and ways to check it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.pages.follow.network import WHO, Network, edges_of, rerun
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.spine import Block, blocks_of, edges_to

LIVE = {"blocks": 8, "tokens": 32, "width": 64}
"""The most that a page computes itself; above it, it shows what was computed here. A layer has two blocks."""


class Transformer:
    """A network whose blocks read and add to a line of tokens."""

    def __init__(self, network: Network, blocks: Sequence[Block]) -> None:
        self.network = network
        self.blocks = list(blocks)
        shapes = {tuple(map(int, block.fork.shape[-2:])) for block in blocks}
        if len(shapes) > 1 or any(len(block.fork.shape) < 2 for block in blocks):
            said = ", ".join(sorted(map(numbers.shape, shapes)))
            raise DrawingError(
                f"{WHO}: its line changes from block to block ({said}); draw_model shows its architecture"
            )
        ((self.tokens, self.width),) = shapes
        self.attention = [k for k, block in enumerate(blocks) if block.heads]

    @property
    def is_live(self) -> bool:
        """Whether a page computes it; else it shows what was computed here."""
        return len(self.blocks) <= LIVE["blocks"] and self.tokens <= LIVE["tokens"] and self.width <= LIVE["width"]

    def recorded(self, which: Any) -> dict[str, Any]:
        """What a page shows of some losses, computed here; of attention what comes back to each token."""
        x, target = self.network.inputs
        gates, at = ag.ones((len(self.blocks), 2), dtype="float64"), ag.eye(self.tokens, dtype="float64")
        found = self.backward(x, target, which, gates, at, parameters=False)
        return {name: host(array) for name, array in found.items()}

    # ------------------------------------------------------------ the graph, run again

    def _again(
        self, x: Any, change: Callable[[Any, Any], Any], more: Any = None
    ) -> tuple[ag.Graph, list[Block], dict[Any, Any]]:
        """The graph of ``x``, its blocks, and its values with both sides of each fork changed.

        ``more(blocks, nodes)``: functions for further edges.
        """
        graph = ag.Graph(self.network.record(x))
        blocks = blocks_of(graph)
        sides = [((k, s), (b.shortcut, b.reads)[s]) for k, b in enumerate(blocks) for s in (0, 1)]
        edges = edges_of(sides, change)
        if more is not None:
            edges |= more(blocks, graph.nodes)
        return graph, blocks, graph.replay(edges)

    def _flat(self, tensor: Any) -> Any:
        return ag.reshape(tensor, (self.tokens, self.width))

    def _heads(self, tensor: Any) -> Any:
        return ag.reshape(tensor, (-1, *tensor.shape[-2:]))

    # ------------------------------------------------------------ programs

    def backward(self, x: Any, target: Any, which: Any, gates: Any, at: Any, parameters: bool = True) -> dict[str, Any]:
        """Values and gradients of the losses that ``which`` weighs: at both sides of each fork, scores, parameters.

        ``gates`` (blocks, 2) scale what comes back by each side: zeros leave the gradient of one route. Of each
        attention ``heads`` is what comes back to the token ``at`` (one-hot) by each head and query: the slope of the
        loss along the token's gradient at the block, through this head's result alone. With several rows in ``at``, of
        all these tokens.
        """
        memory = self.network.memory if parameters else {}
        sides: dict[tuple[int, int], Any] = {}

        def gated(key: tuple[int, int], value: Any) -> Any:
            sides[key] = value * gates[key] + value.detach() * (1.0 - gates[key])
            return sides[key]

        graph, blocks, values = self._again(x, gated)
        output = values[graph.outputs[0]]
        losses = self.network.losses(output, target)
        loss = ag.sum(losses * which)
        scores = [values[blocks[k].heads[0].softmax.inputs[0]] for k in self.attention]
        wanted = {
            **{f"short{k}": sides[k, 0] for k in range(len(blocks))},
            **{f"block{k}": sides[k, 1] for k in range(len(blocks))},
            "end": values[blocks[-1].add],
            "start": values[blocks[0].fork],
            **{f"dscores{k}": score for k, score in zip(self.attention, scores, strict=True)},
            **{f"heads{k}": values[blocks[k].heads[0].mixed] for k in self.attention},
            **{f"d {name}": leaf for name, leaf in memory.items()},
        }
        found = dict(zip(wanted, ag.gradients(loss, list(wanted.values())), strict=True))
        flat = self._flat
        pairs = [(flat(found.pop(f"short{k}")), flat(found.pop(f"block{k}"))) for k in range(len(blocks))]
        forks, start = [short + block for short, block in pairs], found.pop("start")
        squares = [ag.sum(g * g, axis=-1) for g in [*forks, flat(found.pop("end"))]]
        lines = [flat(values[v]) for v in [*(block.fork for block in blocks), blocks[-1].add]]
        for k in self.attention:
            attended = partial(rerun, graph, blocks[k].reads, blocks[k].heads[0].mixed)
            by_head = partial(self._by_head, attended, sides[k, 1], forks[k], found[f"heads{k}"])
            found[f"heads{k}"] = ag.vmap(by_head)(at) if at.ndim == 2 else by_head(at)
        logits = ag.reshape(output, (-1, output.shape[-1]))
        return {
            "loss": loss,
            "losses": losses,
            "probs": ag.softmax(logits),
            "lines": ag.stack([ag.sqrt(ag.sum(v * v, axis=-1)) for v in lines]),
            "squares": ag.stack(squares),
            "dots": ag.stack([ag.sum(p * g, axis=-1) for pair, g in zip(pairs, forks, strict=True) for p in pair]),
            "forks": ag.stack(forks),
            "start": flat(start),
            **{f"weights{k}": self._heads(values[blocks[k].heads[0].weights]) for k in self.attention},
            **{name: self._heads(g) if name.startswith("dscores") else g for name, g in found.items()},
        }

    def _by_head(self, attended: Callable[[Any], Any], start: Any, fork: Any, above: Any, at: Any) -> Any:
        direction = ag.reshape(fork * at[:, None], start.shape)
        parts = ag.sum(ag.jvp(attended, (start,), (direction,))[1] * above, axis=-1)
        return ag.reshape(parts, (-1, parts.shape[-1]))

    def forward(self, x: Any, target: Any, probes: Any, *rest: Any) -> dict[str, Any]:
        """Losses with ``probes`` (blocks, 2, tokens, width) added at the forks; ``rest``: for each attention what is
        added to its scores, values that hold its results, and where they hold."""

        def attention(blocks: Sequence[Block], nodes: Sequence[Any]) -> dict[Any, Any]:
            edges: dict[Any, Any] = {}
            for i, k in enumerate(self.attention):
                scores, held, hold = rest[3 * i : 3 * i + 3]
                head = blocks[k].heads[0]
                edges[head.softmax, 0] = partial(_plus, scores)
                readers = edges_to(head.mixed, nodes)
                edges |= edges_of([(k, readers)], partial(_held, held, hold))
            return edges

        graph, blocks, values = self._again(x, lambda key, value: _plus(probes[key], value), attention)
        mixed = {f"mixed{k}": self._heads(values[blocks[k].heads[0].mixed]) for k in self.attention}
        return {"losses": self.network.losses(values[graph.outputs[0]], target), **mixed}

    def functions(self) -> dict[str, Any]:
        """The programs of a live page, each with its inputs."""
        x, target = self.network.inputs
        blocks, n = len(self.blocks), self.tokens
        which = ag.Tensor(np.zeros(self.network.losses(self.network.output, target).size), name="which")
        rest = []
        for k in self.attention:
            head = self.blocks[k].heads[0]
            shapes = {"scores": (head.count, n, head.softmax.shape[-1]), "held": (head.count, *head.mixed.shape[-2:])}
            shapes["hold"] = (head.count, head.mixed.shape[-2])
            rest += [ag.Tensor(np.zeros(shape), name=f"{name}{k}") for name, shape in shapes.items()]
        gates = ag.Tensor(np.ones((blocks, 2)), name="gates")
        probes = ag.Tensor(np.zeros((blocks, 2, n, self.width)), name="probes")
        at = ag.Tensor(np.zeros(n), name="at")
        return {
            "backward": (self.backward, (x, target, which, gates, at)),
            "forward": (self.forward, (x, target, probes, *rest)),
        }

    def data(self) -> dict[str, Any]:
        """Sizes and names, for the page."""
        blocks = [{"heads": block.heads[0].count if block.heads else 0} for block in self.blocks]
        return {"blocks": blocks, "width": self.width}


def _plus(more: Any, value: Any) -> Any:
    return value + ag.reshape(more, value.shape)


def _held(held: Any, hold: Any, _k: int, value: Any) -> Any:
    """A value, or another one where ``hold`` is 1."""
    return value + ag.reshape(hold, (*value.shape[:-1], 1)) * (ag.reshape(held, value.shape) - value)
