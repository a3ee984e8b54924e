"""`gradients`: the gradients of Tensors with respect to others, returned and not added to ``.grad``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, overload

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe, of_type
from glassgrad.autograd.engine.backward import backward_steps, conjugated, seed_of
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.autograd.engine.modes import enable_grad
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError
from glassgrad.autograd.functions.creation import zeros_like


@overload
def gradients(outputs: Any, inputs: Tensor, seeds: Any = None, *, create_graph: bool = False) -> Tensor: ...


@overload
def gradients(
    outputs: Any, inputs: Sequence[Tensor], seeds: Any = None, *, create_graph: bool = False
) -> tuple[Tensor, ...]: ...


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    seeds: Any = None,
    *,
    create_graph: bool = False,
) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs`` (any Tensors of the graph). ``.grad`` stays as it is.

    ``seeds``: the upstream gradient of the output, or of each of several, 1 by default for one-element ones. With
    ``create_graph`` the results are recorded, so that they can be differentiated again, also within `no_grad`. The
    graph is always kept. Returns one Tensor for one input, a tuple for a sequence; zeros for an input that the outputs
    do not depend on.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(2.0, requires_grad=True)
    >>> slope = ag.gradients(x**3, x, create_graph=True)
    >>> slope.data, ag.gradients(slope, x).data
    (np.float64(12.0), np.float64(12.0))
    """
    ys, xs = _tensors(outputs, "outputs"), _tensors(inputs, "inputs")
    given = [seeds] if isinstance(outputs, Tensor) else [None] * len(ys) if seeds is None else list(seeds)
    if len(given) != len(ys):
        raise ShapeError(f"{len(given)} seeds for {len(ys)} outputs: give one for each.")
    for x in (*ys, *xs):
        if not x.requires_grad:
            raise GradientError(f"Tensor {describe(x)} does not require grad: create inputs with requires_grad=True.")
    found = gradients_at(ys, xs, given, create_graph)
    return found[0] if isinstance(inputs, Tensor) else found


def gradients_at(ys: Sequence[Tensor], xs: Sequence[Tensor], seeds: Any, create_graph: bool) -> tuple[Tensor, ...]:
    """`gradients` with respect to Tensors that were checked; of ``ys`` that do not require grad they are zeros."""
    found: dict[Any, Any] = dict.fromkeys(map(vertex_of, xs))
    taken, ends = set(map(id, seeds)), [(y, seed) for y, seed in zip(ys, seeds, strict=True) if y.requires_grad]
    with enable_grad() if create_graph else nullcontext():
        start = [seed_of(y, seed, create_graph) for y, seed in ends]
        for vertex, g, _ in backward_steps([y for y, _ in ends], start, create_graph=create_graph, inputs=xs):
            if vertex not in found:
                continue
            g = conjugated(g)
            if create_graph:
                found[vertex] = g.clone() if id(g) in taken else g  # writing into one must not change another
                taken.add(id(g))
                if len(ys) == 1:
                    _name_gradient(found[vertex], ys[0], vertex)
            else:
                found[vertex] = wrap(backends.copy_of(g) if type(vertex) is Node else g)
    made = [found[vertex_of(x)] for x in xs]
    return tuple(zeros_like(x) if g is None else g for x, g in zip(xs, made, strict=True))


def _name_gradient(g: Tensor, y: Tensor, x: Any) -> None:
    """Name a recorded first derivative after two named values, `∂y/∂x`, so that pictures and formulas say it."""
    if not (x.name and y.name) or y.name.startswith("∂") or g.name is not None:
        return
    if g.node is not None and y.node is not None and g.node.index > y.node.index:
        g.name = f"∂{y.name}/∂{x.name}"


def _tensors(given: Any, name: str) -> list[Tensor]:
    """One Tensor or several, as a list."""
    found = [given] if isinstance(given, Tensor) or not isinstance(given, Iterable) else list(given)
    for x in found:
        if not isinstance(x, Tensor):
            raise DTypeError(f"{name} are one Tensor or several; {of_type(x)} is among those given.")
    return found
