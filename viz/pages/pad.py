"""The pad of a report: a drawing goes through the network and its gradients come back, in the page.

The model is traced with its loss for one picture, and written as JavaScript: the answers, the values after every layer,
the gradients there and at the picture. `pad.js` shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.words import say
from glassgrad.viz.pages.emitted import refusals, written
from glassgrad.viz.plots.chain import first_parameter
from glassgrad.viz.recorded.calls import users_of
from glassgrad.viz.recorded.layers import POOLS, products
from glassgrad.viz.recorded.names import states_of

ACTIVATIONS = ("relu", "sigmoid", "tanh", "softplus", "gelu", "silu", "elu", "leaky_relu", "softmax", "hard_tanh")
BOUNDED = ("sigmoid", "tanh", "softmax")  # activations of at most 1 in size


@dataclass
class Pad:
    """A network in a page: the text of its program, the states it needs, and the meaning of its outputs.

    ``refusal``: the reason if there is no pad; then all else is empty.
    """

    refusal: str = ""
    script: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def pad(
    model: Callable[[Any], ag.Tensor] | None,
    loss: Callable[[Any, Any], ag.Tensor] | None,
    probabilities: Callable[[Any], ag.Tensor] | None,
    shape: tuple[int, int],
    classes: int,
) -> Pad:
    """The pad for a model of pictures of this ``shape``, given as rows of pixels, and for this number of ``classes``.

    Raises `DrawingError` for a model that does not take such pictures or does not give that many outputs.
    """
    who = say("There is no pad to draw on")
    if model is None:
        return Pad(say("There is no pad to draw on: the report was given no model."))
    network = check_function(model, "model", "a module, a function of pictures as rows of pixels, or None")
    loss, probabilities = loss or ag.cross_entropy, probabilities or ag.softmax
    first, pixels = first_parameter(network), shape[0] * shape[1]
    dtype, device = ("float32", None) if first is None else (str(first.dtype), first.device)
    picture = ag.Tensor(np.zeros((1, pixels)), dtype=dtype, device=device, requires_grad=True)
    try:
        output = network(picture)
    except AutogradError as error:
        raise DrawingError(f"the model does not accept a picture as a row of {pixels} pixels: {error}") from error
    if output.size != classes:
        raise DrawingError(f"the model gives {output.size} numbers for {classes} classes: it must give one for each")
    if output.node is None:
        raise DrawingError("the model recorded no operation: give a module, or a function of a Tensor")
    nodes = ag.Graph(output).nodes
    layers = _layers(nodes, output.node)

    def run(x: ag.Tensor, y: ag.Tensor) -> dict[str, ag.Tensor]:
        start = x.detach().requires_grad_()
        output = network(start)
        graph = ag.Graph(output)
        values = graph.replay()
        outputs = values[vertex_of(output)]
        total = loss(outputs, y)
        found = {"loss": total, "p": probabilities(outputs), "z": outputs}
        found |= {f"a{i}": values[graph.nodes[k]] for i, (k, *_) in enumerate(layers)}
        wanted = {f"g{i}": found[f"a{i}"] for i in range(len(layers))} | {"dx": start}
        return found | dict(zip(wanted, ag.gradients(total, list(wanted.values())), strict=True))

    x, y = ag.Tensor(np.zeros((1, pixels)), device=device), ag.Tensor(np.zeros(1, dtype="int64"), device=device)
    try:
        with refusals(who):
            before = ag.trace(run, ag.astype(x, dtype), y)
        made = written(who, {"pad": (run, (x, y))}, [state.origin for state in before.states], 3 * products(nodes))
    except DrawingError as error:
        return Pad(str(error))
    return Pad(script=made.script, data={"states": made.states, "layers": [layer for _, layer in layers]})


def _layers(nodes: Sequence[Any], last: Node) -> list[tuple[int, dict[str, Any]]]:
    """The values to show between input and output: the index of each among ``nodes``, its number, its shape for one
    picture, its operation, and the largest absolute value that it can have, 0 if unbounded.
    """
    users, found = users_of(nodes), list[tuple[int, dict[str, Any]]]()
    for k, node in enumerate(nodes):
        if node.op is None or node is last or len(node.shape) < 2 or not _is_layer(node, users.get(node, [])):
            continue
        shape, by = tuple(n for n in node.shape if n != 1), node.op.name
        if 1 <= len(shape) <= 3:
            found.append((k, {"n": len(found) + 1, "shape": shape, "by": by, "most": int(by in BOUNDED)}))
    return found


def _is_layer(node: Node, users: Sequence[Node]) -> bool:
    """Whether a value is shown: an activation, a pooling, the states of a loop, or a linear layer's result that the
    next layer reads directly."""
    name = node.op.name
    if name == "linear":
        return any(user.op.name == "linear" for user in users)
    return name in ACTIVATIONS or name in POOLS or states_of(node) is not None
