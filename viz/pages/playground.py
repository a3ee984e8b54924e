"""A page in which a network with two inputs trains: one self-contained HTML file.

The page computes with the network's own programs, traced and written as JavaScript: all values and gradients of the
examples, a training step, and the output over the whole plane. `playground.js` draws the results.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import as_path, check_function, refused
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.viz.drawing import numbers, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.words import say
from glassgrad.viz.pages import emitted
from glassgrad.viz.pages.emitted import assets, refusals, text
from glassgrad.viz.pages.page import Page
from glassgrad.viz.plots.chain import layers_between, linear_chain
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.validation import class_names, numbers_of

MARKS = 4  # classes whose marks can be distinguished at this size
COLUMNS, ROWS = 49, 33  # of the grid over the plane on which every neuron is computed
MARGIN = 0.12  # around the examples, as a fraction of their extent
WHO = "the playground can't compute this network"


def playground(
    model: Callable[[Any], ag.Tensor],
    loss: Callable[[Any, Any], ag.Tensor],
    x: Any,
    y: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    optimizer: Any,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    language: str | None = None,
) -> Page:
    """A page in which ``model`` trains on examples of two numbers each, with all intermediate values.

    It shows the plane bent layer by layer, the decision at each point, the answer of every neuron, each weight with its
    gradient, and the size of each layer's gradients. Examples, weights and the learning rate can be changed by hand,
    and the page takes one step or many. It computes with the network's own programs in float64. ``model``,
    ``optimizer`` and their state do not change.

    ``model`` is called with ``x``, (n, 2), and must be a chain of linear layers with elementwise activations.
    ``loss(output, y)`` gives the loss of all examples. ``y`` holds classes: integers, 0 and 1, -1 and 1, or one row of
    0 and 1 for each example.

    ``optimizer`` has ``zero_grad()`` and ``step()``, as those of `nn.optim`. ``path``: an .html file, where it is
    saved. ``classes``: names of the classes. ``language``: that of the page, "en" or "zh"; None takes the language of
    `viz.lesson.speak`, by default English.

    Raises `DrawingError` for another kind of network, examples that do not fit, targets that are no classes, and a
    network that can't be traced or written as JavaScript or is too large for a page.

    >>> from glassgrad import nn
    >>> w = ag.Tensor([[0.5, -0.5]], requires_grad=True, name="w")
    >>> def model(x):
    ...     return ag.linear(x, w, None)
    >>> loss, sgd = ag.binary_cross_entropy_with_logits, nn.optim.SGD([w], lr=0.1)
    >>> playground(model, loss, [[0.0, 1.0], [1.0, 0.0]], [[0.0], [1.0]], optimizer=sgd)
    <Page '2-1: how a network bends space'>
    """
    check_function(model, "model", "a module, or a function of a Tensor")
    check_function(loss, "loss", "a function of an output and y")
    if isinstance(optimizer, type) or not hasattr(optimizer, "zero_grad") or not hasattr(optimizer, "step"):
        raise refused(optimizer, "optimizer", "one of nn.optim")
    if path is not None:
        path = as_path(path)
    points = numbers_of(x, "x")
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise DrawingError(
            f"x of shape {numbers.shape(points.shape)} is not a set of points in the plane: give (n, 2) with n >= 2"
        )
    if not np.isfinite(points).all():
        raise DrawingError("x has numbers that are not finite, which have no place in the plane: leave those rows out")
    with words.speaking(language):
        made = _Document(model, loss, points, y, optimizer, classes)
        sizes = "-".join(map(str, made.sizes))
        title = say("{sizes}: how a network bends space", sizes=sizes) if title is None else title
        page = Page(title, made.html(title))
    if path is not None:
        page.save(path)
    return page


class _Targets(NamedTuple):
    """The classes of a playground, read from ``y``, which the loss takes unchanged.

    ``classes``: the class of each example. ``codes``: the row of ``y`` that stands for each class. ``names``: the names
    of the classes.
    """

    y: np.ndarray
    classes: np.ndarray
    codes: np.ndarray
    names: list[str]


def _targets(y: Any, n: int, outputs: int, names: Sequence[str] | None) -> _Targets:
    """Read ``y`` as classes, for ``n`` examples and a network with ``outputs`` outputs."""
    given, k = numbers_of(y, "y"), max(outputs, 2)
    if k > MARKS:
        raise DrawingError(f"{k} classes can't be told apart by their marks: the playground draws up to {MARKS}")
    rows, order = given.reshape(len(given) if given.ndim else 1, -1), np.arange(k)[:, None]
    for codes in (order, np.eye(k)) if outputs > 1 else (order, 2 * order - 1):
        if len(rows) == n and rows.shape[1] == codes.shape[1]:
            is_code = (rows[:, None] == codes).all(2)
            if is_code.any(1).all():
                said = [say("class {c}", c=c) for c in range(k)] if names is None else class_names(names, k)
                return _Targets(given, is_code.argmax(1), codes.astype(float), list(map(str, said)))
    raise DrawingError(
        f"y of shape {numbers.shape(given.shape)} holds no classes for {n} examples and {outputs}"
        f" output{'s' if outputs > 1 else ''}: give integers from 0 to {k - 1}, 0 and 1 or -1 and 1 for a single"
        " output, or one row of 0 and 1 for each example"
    )


class _Document:
    """Builder of one page."""

    def __init__(
        self,
        model: Callable[[Any], ag.Tensor],
        loss: Callable[[Any, Any], ag.Tensor],
        points: np.ndarray,
        y: Any,
        optimizer: Any,
        names: Sequence[str] | None,
    ) -> None:
        self.model, self.loss, self.optimizer, self.points = model, loss, optimizer, points
        output, self.chain = linear_chain(model, points)
        self.sizes, n = [2, *(int(node.shape[-1]) for node, _, _ in self.chain)], len(points)
        outputs = self.sizes[-1]
        if output.ndim not in (1, 2) or output.size != n * outputs:
            raise DrawingError(
                f"the output has shape {numbers.shape(output.shape)} for {n} examples: return (n, outputs)"
            )
        self.targets = _targets(y, n, outputs, names)
        leaves = dict.fromkeys(leaf for node, _, _ in self.chain for leaf in node.inputs[1:])
        learnt = [leaf for leaf in leaves if getattr(leaf, "requires_grad", False) and isinstance(leaf, ag.Tensor)]
        self.slopes = {leaf: f"d{i}" for i, leaf in enumerate(learnt)}
        with refusals(WHO):
            before = ag.trace(self._step, *self._examples(str(output.dtype)))
        examples, grid = self._examples("float64"), ag.Tensor(np.zeros((COLUMNS * ROWS, 2)))
        shown = {"see": self._see, "train": self._step, "loss": self._loss}
        functions: dict[str, emitted.Traced] = {name: (function, examples) for name, function in shown.items()}
        work = sum(a * b for a, b in pairwise(self.sizes)) * max(3 * n, COLUMNS * ROWS)
        tensors, less = [state.origin for state in before.states], " Give fewer examples or a smaller network"
        self.made = emitted.written(WHO, functions | {"field": (self._field, (grid,))}, tensors, work, less)
        self.cut = self._cut() if outputs == 1 else 0.0
        self.layers = [self._layer(k, node, words) for k, (node, words, _) in enumerate(self.chain)]

    def _examples(self, dtype: str) -> tuple[ag.Tensor, ag.Tensor]:
        y = self.targets.y
        return ag.Tensor(self.points.astype(dtype)), ag.Tensor(y.astype(dtype) if y.dtype.kind == "f" else y)

    # ------------------------------------------------------------ tracing

    def _run(self, x: ag.Tensor) -> tuple[list[ag.Tensor], dict[str, ag.Tensor]]:
        """The results of the linear layers; and by name the output, and the results of the activations, ``a1`` on."""
        start = x.detach().requires_grad_()
        output = self.model(start)
        values = ag.Graph(output).replay()
        chain = layers_between(output, start)
        ends = {f"a{k}": values[end] for k, (_, _, end) in enumerate(chain, 1)}
        return [values[node] for node, _, _ in chain], {"output": values[vertex_of(output)]} | ends

    def _see(self, x: ag.Tensor, y: ag.Tensor) -> dict[str, ag.Tensor]:
        """All that the page shows of the examples: the gradients are those of layers, ``G1`` on, and of parameters."""
        zs, found = self._run(x)
        loss = self.loss(found["output"], y)
        wanted = {f"G{k}": z for k, z in enumerate(zs, 1)} | {name: leaf for leaf, name in self.slopes.items()}
        return {"loss": loss} | found | dict(zip(wanted, ag.gradients(loss, list(wanted.values())), strict=True))

    def _loss(self, x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        with ag.no_grad():
            return self.loss(self.model(x), y)

    def _field(self, grid: ag.Tensor) -> dict[str, ag.Tensor]:
        return self._run(grid)[1]

    def _step(self, x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        self.optimizer.zero_grad()
        loss = ag.asarray(self.loss(self.model(x), y))
        loss.backward()
        self.optimizer.step()
        return loss

    # ------------------------------------------------------------ the data of the page

    def _cut(self) -> float:
        """The output at which the loss of both classes is equal: 0 of a logit, 0.5 of a probability."""
        y = self.targets.y
        dtype = "float64" if y.dtype.kind == "f" else y.dtype
        ends = [ag.Tensor(np.broadcast_to(code, y.shape).astype(dtype)) for code in self.targets.codes]

        def gap(at: float) -> float:
            output = ag.Tensor(np.full((len(self.points), 1), at))
            low, high = (float(host(self.loss(output, end))) for end in ends)
            return abs(low - high) if np.isfinite([low, high]).all() else np.inf

        with np.errstate(all="ignore"), ag.no_grad():
            return min({0.0, float(self.targets.codes.mean())}, key=lambda at: (gap(at), at))

    def _layer(self, k: int, node: Node, activation: str) -> dict[str, Any]:
        """A layer: the names of its weight, its bias and their gradients, and the line that computes each gradient."""
        names, see = self.made.names, self.made.programs["see"]
        said = {line.split(" ", 1)[0]: line for line in map(str.strip, str(see).splitlines()) if " = " in line}
        lines = {key: said.get(value.name, "") for key, value in zip(see.keys, see.outputs, strict=True)}
        weight, bias, *_ = *node.inputs[1:], None
        if not isinstance(weight, ag.Tensor) or weight not in names:
            computed = f"{WHO}: the weight of layer {k + 1} is the result of an operation"
            raise DrawingError(f"{computed}: give a network whose weights are its parameters")
        layer: dict[str, Any] = {"in": self.sizes[k], "out": self.sizes[k + 1], "f": activation}
        for kind, leaf in (("w", weight), ("b", bias if isinstance(bias, ag.Tensor) else None)):
            slope = None if leaf is None else self.slopes.get(leaf)
            layer[kind] = None if leaf is None else names.get(leaf)
            layer |= {f"d{kind}": slope, f"line {kind}": lines.get(str(slope), "")}
        return layer

    def html(self, title: str) -> str:
        """The page."""
        see, train, targets = self.made.programs["see"], self.made.programs["train"], self.targets
        low, high = self.points.min(0).astype(float), self.points.max(0).astype(float)
        margin = MARGIN * np.where(high > low, high - low, 1.0)
        rates = {k.name: float(k.origin[0][k.origin[1]]) for k in train.values() if k.kind == "knob"}
        data = {
            "states": self.made.states,
            "x": self.points.astype(float).ravel().tolist(),
            "y": targets.y.astype(float).ravel().tolist(),
            "label": targets.classes.tolist(),
            "codes": targets.codes.tolist(),
            "classes": targets.names,
            "low": (low - margin).tolist(),
            "high": (high + margin).tolist(),
            "grid": [COLUMNS, ROWS],
            "sizes": self.sizes,
            "layers": self.layers,
            "inputs": [value.name for value in see.inputs],
            "cut": self.cut,
            "rates": rates,
            "trained": [state.name for state in train.updates],
            "kind": JAVASCRIPT.types[str(see.inputs[1].dtype)],
        }
        main = emitted.body("playground.html", {"title": text(title)})
        sheets = assets("common.css", "numbers.css", "networks.css", "playground.css")
        styles = f"{emitted.variables()}\n{sheets}"
        script = f"{self.made.script}\n{assets('common.js', 'numbers.js', 'networks.js', 'playground.js')}"
        return emitted.document(title, main, styles, data=data, script=script)
