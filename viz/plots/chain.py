"""A network as a chain of linear layers, read from one pass of examples through it.

The network is any callable made of linear layers with elementwise activations between them. It is run once, and the
chain is read from the recorded graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.plots.figure import class_numbers
from glassgrad.viz.recorded.evaluate import evaluate, host
from glassgrad.viz.recorded.validation import numbers_of

KEEPS_ORDER = ("reshape", "expand_dims", "squeeze", "flatten", "astype")


@dataclass(frozen=True)
class Layer:
    """A linear layer and its activation, for one example.

    ``weight`` is (out, in); ``z``, ``a`` and the gradients at them are (out,), None where no gradient was computed.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    z: np.ndarray
    a: np.ndarray
    activation: str
    gradient: np.ndarray | None


@dataclass(frozen=True)
class Pass:
    """One example through a network. ``x``: the input of the first layer, flat; ``p``: the class probabilities."""

    x: np.ndarray
    layers: list[Layer]
    p: np.ndarray | None
    target: np.ndarray | None  # one number per output
    loss: float | None

    @property
    def sizes(self) -> list[int]:
        """The number of neurons of each layer, the input first."""
        return [self.x.size, *(layer.z.size for layer in self.layers)]


def run_example(
    model: Callable[[Any], ag.Tensor],
    x: Any,
    target: Any,
    loss: Callable[[Any, Any], ag.Tensor] | None,
    classes: Sequence[str] | None,
) -> Pass:
    """One example through the network, with the gradients where a target is given; see `draw_network`."""
    given = numbers_of(x, "x")
    if given.ndim == 0 or (given.ndim > 1 and given.shape[0] != 1):
        raise DrawingError(
            f"a network is drawn with one example, and x has shape {given.shape}: pass one row of it, such as x[:1]"
        )
    output, chain = linear_chain(model, given.reshape(1, -1) if given.ndim == 1 else given)
    n, last, label, truth, total, is_class = output.size, chain[-1][1], -1, None, None, False
    if target is not None:
        number = numbers_of(target, "target")
        is_class = number.dtype.kind in "iub" and number.size == 1 and (n > 1 or loss is None)
        if is_class and n > 1:
            label = int(class_numbers(number.reshape(1), 1, "target", "examples", n)[0])
        elif number.size != n:
            raise DrawingError(
                f"a target of shape {number.shape} does not fit {numbers.counted(n, 'output')}: give a class as an"
                " integer, or one number per output"
            )
        truth = number.reshape(-1).astype(float) if label < 0 else np.eye(n)[label]
        with ag.enable_grad():
            total = _loss(output, truth, label, last, loss, n == 1 and (is_class or classes is not None))
    seen = evaluate(output if total is None else total, gradients=total is not None)
    layers = []
    for node, activation, end in chain:
        weight, bias, *_ = (*(seen.value(p) for p in node.inputs[1:] if p is not None), None)
        z, a, gradient = seen.value(node).reshape(-1), seen.value(end).reshape(-1), seen.gradients.get(node)
        layers.append(Layer(weight, bias, z, a, activation, None if gradient is None else gradient.reshape(-1)))
    p = None
    # Sigmoid outputs that are trained towards a class are read as its probabilities too.
    if classes is not None or "softmax" in last or (is_class and last in ("", "sigmoid")):
        p = layers[-1].a
        if not last:
            with ag.no_grad():
                p = host(ag.softmax(p, axis=-1) if n > 1 else ag.sigmoid(p))
    result = None if total is None else float(seen.value(vertex_of(total)).reshape(()))
    return Pass(seen.value(chain[0][0].inputs[0]).reshape(-1), layers, p, truth, result)


def linear_chain(
    model: Callable[[Any], ag.Tensor], batch: np.ndarray
) -> tuple[ag.Tensor, list[tuple[Node, str, Node]]]:
    """The model run once on a batch, in its own dtype and on its device: the output, and `layers_between`.

    Raises `DrawingError` for a model that is not a chain of linear layers.
    """
    check_function(model, "model", "a module, or a function of a Tensor")
    first = first_parameter(model)
    if batch.dtype.kind != "f" or first is not None:
        batch = batch.astype(str(first.dtype) if first is not None else "float64")
    with ag.enable_grad():
        start = ag.Tensor(batch, requires_grad=True, name="x")
        if first is not None and first.device != start.device:
            start = start.to(first.device).detach().requires_grad_()
        output = model(start)
    if getattr(output, "node", None) is None:
        raise DrawingError("the network recorded no operation on x: there is nothing to draw, it must return a Tensor")
    return output, layers_between(output, start)


def first_parameter(model: Any) -> Any:
    """The first parameter of a module, for its dtype and its device; None for a function or a module without any."""
    parameters = getattr(model, "parameters", None)
    return next(iter(parameters()), None) if callable(parameters) else None


def layers_between(output: ag.Tensor, start: ag.Tensor) -> list[tuple[Node, str, Node]]:
    """The linear operations between two values, each with the name of its activation and the node of its output."""
    chain: list[tuple[Node, str, Node]] = []
    place: Any = output.node
    end, after = place, list[str]()
    while place is not start:
        if not isinstance(place, Node):
            raise DrawingError("the output does not depend on x by recorded operations, so no network can be drawn")
        op = place.op
        if op.name == "linear":
            chain.append((place, ", ".join(reversed(after)), end))
            end, after = place.inputs[0], []
        elif op.name not in KEEPS_ORDER:
            others = [p for p in place.inputs if not isinstance(p, Node) and p is not start and np.ndim(host(p)) > 0]
            alike = any(tuple(getattr(p, "shape", ())) == tuple(place.shape) for p in place.inputs)
            if others or sum(isinstance(p, Node) or p is start for p in place.inputs) > 1 or not alike:
                where = f" in {place.scope[-1][0] or place.scope[-1][1]}" if place.scope else ""
                raise DrawingError(
                    f"a network is drawn as a chain of linear layers with elementwise activations, and {op.name!r}"
                    f"{where} does not fit into one (with dropout, call model.eval() first): draw_graph draws any graph"
                )
            after.append(str(op.name))
        place = next((p for p in place.inputs if isinstance(p, Node) or p is start), None)
    if not chain:
        raise DrawingError("the network has no linear layer (operation 'linear'), so there are no neurons to draw")
    return chain[::-1]


def _loss(output: ag.Tensor, truth: np.ndarray, label: int, last: str, loss: Any, is_binary: bool) -> ag.Tensor:
    """The recorded loss; ``truth`` has one number per output, and ``label`` is the class, -1 where there is none."""
    like = partial(ag.asarray, device=output.device)
    goal = like(truth.astype(str(output.dtype)).reshape(output.shape))
    if loss is not None:
        check_function(loss, "loss", "a function of an output and a target")
        total = loss(output, like([label]) if label >= 0 else like(truth.reshape(output.shape)))
        if not isinstance(total, ag.Tensor) or total.size != 1 or total.node is None:
            raise DrawingError("loss(output, target) must return a recorded Tensor with one element")
        return total
    if "softmax" in last and label >= 0:
        return -ag.log(ag.reshape(output, shape=(-1,))[label])
    if label >= 0 and not last:
        return ag.cross_entropy(ag.reshape(output, shape=(1, -1)), like([label]))
    if is_binary and not last:
        return ag.binary_cross_entropy_with_logits(output, goal, reduction="sum")
    return ag.squared_error(output, goal, reduction="sum")
