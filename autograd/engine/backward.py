"""Backpropagation: from the outputs to the leaves, each node's rules are called and their results summed; hooks."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.autograd.engine.graph import Node, reachable, vertex_of, vertices_of
from glassgrad.autograd.engine.memory import LATEST, written_at
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DomainError, DTypeError, GradientError, ShapeError
from glassgrad.autograd.readings.levels import LEVELS, LIFTED, Lifted, any_lifted, innermost, settled


def backward_steps(
    outputs: Sequence[Any],
    seeds: Sequence[Any],
    *,
    retain_graph: bool = True,
    create_graph: bool = False,
    inputs: Sequence[Any] | None = None,
    leaves_alone: bool = False,
) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Backpropagation as steps ``(node, gradient, contributions)``, from the outputs to the leaves.

    ``outputs`` are Tensors or nodes; ``seeds`` their upstream gradients: arrays, or Tensors with ``create_graph``,
    which raises `GradientError` within `no_grad`. At a step ``gradient`` is the complete upstream gradient, and
    ``contributions`` are the results of the node's rules: one per input, ``None`` where no gradient flows. Each leaf
    comes last, with its total and no contributions. With ``inputs`` only the nodes between these and the outputs are
    visited; ``leaves_alone`` skips the steps at nodes without hooks. Without ``retain_graph`` the arrays that a node
    saved are released at its step. Gradients of complex numbers are the conjugates of what ``.grad`` holds: the graph's
    convention, see docs/conventions.md.

    Every gradient of this package is computed here, so pictures and checks show the actual computation.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x
    >>> [(v.name or v.op.name, float(g), [float(c) for c in parts]) for v, g, parts in backward_steps([y], [1.0])]
    [('multiply', 1.0, [3.0, 3.0]), ('x', 6.0, [])]
    """
    mode = MODE.get()
    if create_graph and not mode.grad:
        raise GradientError("create_graph=True within no_grad would record nothing: do it within enable_grad().")
    totals: dict[Any, Any] = {}
    ends = vertices_of(outputs, "backward_steps")
    if len(ends) != len(seeds):
        raise ShapeError(f"{len(seeds)} seeds for {len(ends)} outputs: give one for each.")
    for end, seed in zip(ends, seeds, strict=True):
        seed = seed if hasattr(seed, "shape") else backends.asarray(seed)
        totals[end] = totals[end] + seed if end in totals else seed
    shared = set(map(id, totals.values()))  # arrays that others may hold
    order = reachable(totals)
    masks = None if inputs is None else _between(order, {vertex_of(x) for x in inputs})
    oldest = order[-1].index if order else 0
    lifted = (oldest <= LIFTED.left or bool(LEVELS.get())) and any_lifted(order, seeds)
    doubtful = oldest < LATEST[0]  # an array was written to since, perhaps one that a node saved
    take, total_of, kind = totals.pop, totals.get, None
    for node in order if mode.observer is None else mode.observer.walked(order, totals):
        g = take(node, None)
        if g is None:
            continue
        if node.hooks:
            g = after_hooks(node.hooks, g)
            doubtful = oldest < LATEST[0]
        mask = node.mask if masks is None else masks[node]
        if not mask:
            yield node, g, ()
            continue
        op, saved, uneven = node.op, node.saved, node.uneven
        if doubtful or saved is None:
            saved_of(node)
        if create_graph:
            saved, xp = as_tensors(node), TENSORS
        elif lifted:  # what a rule reads may be of more levels than its upstream gradient
            xp = LIFTED if innermost((g, saved)) else backends.namespace(g)
        elif type(g) is not kind:
            known = backends.SPACES.get(type(g))
            xp, kind = known or backends.namespace(g), known and type(g)  # a GPU's arrays are of several devices
        try:
            parts = op.plans[mask].pull(g, xp, node, saved)
            for vertex, part in zip(node.inputs, parts):  # noqa: B905  (a strict zip costs a tenth of a small operation)
                if part is None:
                    continue
                if uneven:
                    like = vertex if type(vertex) is Node else vertex._data
                    if part.dtype is not like.dtype or part.shape != like.shape:
                        part = unbroadcast(xp, part, like)
                if lifted:
                    part = settled(part, vertex.shape)
                total = total_of(vertex)
                totals[vertex] = part if total is None else total + part
        except backends.LinAlgError as error:
            raise DomainError(f"{op.name} {describe(node)} has no derivative here: {error}.") from error
        except Exception as error:
            line = f"; called at {node.origin}" if node.origin else ""
            error.add_note(f"A rule of {op.name} {describe(node)} raised it, or its gradient does not fit{line}.")
            raise
        if not retain_graph:
            node.saved = None
        if node.hooks or not leaves_alone:
            yield node, g, tuple(parts)
    for leaf, total in totals.items():
        if not create_graph:  # each leaf's gradient gets an array of its own
            is_view = getattr(total, "base", total) is not None
            if id(total) in shared or (is_view and not backends.owns_memory(total)):
                total = backends.copy_of(total)
            shared.add(id(total))
        yield leaf, after_hooks(leaf.hooks, total) if leaf.hooks else total, ()


def _between(order: list[Node], wanted: set[Any]) -> dict[Node, int]:
    """For each node the mask of those inputs through which it depends on a wanted vertex."""
    masks: dict[Node, int] = {}
    for node in reversed(order):
        asked = (i for i in range(len(node.inputs)) if node.mask >> i & 1)
        masks[node] = sum(1 << i for i in asked if node.inputs[i] in wanted or masks.get(node.inputs[i]))
    return masks


def unbroadcast(xp: Any, part: Any, like: Any) -> Any:
    """A contribution in the shape and dtype of the input: summed where the input was broadcast, and cast; for a real
    input its real part. Raises `ShapeError` or `GradientError` where that can't be.
    """
    if part.shape and part.shape[1:] == like.shape:  # the frequent case of a bias, broadcast along the batch
        part = xp.sum(part, axis=0)
    elif part.shape != like.shape:
        try:
            axes = broadcast_axes(part.shape, like.shape)
        except ShapeError:
            words = f"a rule returned a gradient of shape {part.shape} for an argument of shape {like.shape}"
            raise ShapeError(f"{words}: it must have that shape, or the one that this was broadcast to.") from None
        part = xp.sum(part, axis=axes) if axes else part
        part = part if part.shape == like.shape else xp.reshape(part, shape=like.shape)
    if part.dtype == like.dtype:
        return part
    if not (backends.is_inexact(like.dtype) and backends.is_inexact(part.dtype)):
        raise GradientError(
            f"a rule returned a gradient of dtype {part.dtype} for an input of dtype {like.dtype}: gradients flow "
            "through floating-point values alone; .detach() an input of integers."
        )
    if backends.is_real(like.dtype) and not backends.is_real(part.dtype):
        part = xp.real(part)  # only the real part of a real input can change
    return xp.astype(part, like.dtype)


def seed_of(y: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The upstream gradient of ``y``: the given one, checked, or 1 for a single element."""
    data, kind = y._data, y._data.dtype.kind
    if not y.requires_grad or kind not in "fc":
        raise GradientError(
            f"Tensor {describe(y)} has no derivative: it holds integers, or does not depend on anything that requires "
            "grad; create the inputs with requires_grad=True, compute with floating-point values, outside of no_grad()."
        )
    if gradient is None:
        if data.size != 1 or kind == "c":
            way = "take its real part or its abs" if kind == "c" else "reduce it to a scalar, for instance with .sum()"
            raise GradientError(
                f"backward on Tensor {describe(y)}, which is not one real number, needs its upstream gradient: {way}, "
                f"or pass a gradient of shape {y.shape}."
            )
        one = type(data)(1) if type(data) in backends.FLAT else backends.namespace(data).ones_like(data)
        return wrap(one) if create_graph else one
    seed = gradient
    if not isinstance(gradient, Tensor):
        known = type(gradient) in backends.SPACES
        seed = wrap(gradient if known else backends.namespace(data).asarray(backends.asarray(gradient)))
    backends.namespace(data, seed._data)  # raises for two devices
    if seed.shape != y.shape:
        raise ShapeError(f"the gradient has shape {seed.shape}, the Tensor {y.shape}: they must be equal.")
    if seed.dtype.kind == "c" and kind != "c":
        raise DTypeError(f"the gradient is {seed.dtype}, the Tensor {y.dtype}: pass a real gradient.")
    seed = conjugated(seed if seed.dtype == y.dtype else TENSORS.astype(seed, y.dtype))
    return seed if create_graph else seed._data


_accumulating = threading.RLock()  # two threads may add to the gradient of one leaf
_set_grad = vars(Tensor)["grad"].__set__


def backward(y: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """Add the gradient of this Tensor to ``.grad`` of every leaf that requires grad.

    ``gradient``: the upstream gradient, of this Tensor's shape; 1 by default for a one-element Tensor. The saved
    arrays are released unless ``retain_graph``; with ``create_graph`` the gradients are recorded themselves. Raises
    `GradientError` for a non-scalar without ``gradient``, for a Tensor that records nothing, and for a second
    backward through a released graph; then no ``.grad`` has changed. With respect to ``z = a + ib`` the gradient is
    ``dL/da + i dL/db``, as in PyTorch.

    With ``create_graph`` the leaf and the graph of its gradient refer to each other, a reference cycle, as in
    PyTorch: set ``.grad`` to None afterwards, or use `autograd.gradients`, which leaves none.
    """
    seed, keep = seed_of(y, gradient, create_graph), retain_graph or create_graph
    if LIFTED.used and (level := innermost((y._data, seed._data if create_graph else seed))) is not None:
        words = f"backward within the function of {level.name}: .grad would outlive what it stands for there; "
        raise level.refused(GradientError, f"{words}use autograd.gradients, and return the gradients.")
    found: list[tuple[Tensor, Any]] = []
    for vertex, g, _ in backward_steps([y], [seed], retain_graph=keep, create_graph=create_graph, leaves_alone=True):
        if type(vertex) is Node:
            found += [(tensor, g) for tensor in retainers(vertex) if not isinstance(tensor._data, Lifted)]
        elif vertex.requires_grad:  # else it is an argument of a transform that has ended
            found.append((vertex, g))
    grads: list[Tensor] = []
    taken = {id(gradient)}
    with _accumulating:
        for tensor, g in found:
            before, kind = tensor.grad, g.dtype.kind
            g = conjugated(g) if kind == "c" else g
            alike = isinstance(before, Tensor) and before.shape == g.shape and before.dtype.kind in "f" + kind
            if g.shape != tensor._data.shape or not (before is None or alike):
                raise ShapeError(
                    f"Tensor {describe(tensor)} got a gradient of shape {g.shape}, and its .grad is "
                    f"{describe(before)}: if its shape was changed, compute the forward again; set .grad to None or to "
                    "a Tensor of floats and of its shape, real for a real one."
                )
            if not create_graph:
                g = wrap(g if tensor.node is None else backends.copy_of(g))
            else:
                g = g.clone() if id(g) in taken else g
                taken.add(id(g))
            grads.append(g if before is None else before + g if create_graph else wrap(before.data + g.data))
        # All gradients are set last, in one call that neither another thread nor Ctrl-C can interrupt: an error before
        # it changes none.
        list(map(_set_grad, [tensor for tensor, _ in found], grads))


# ------------------------------------------------------------------------------------------------------- saved arrays


def saved_of(node: Node) -> list[tuple[Any, Any]]:
    """Each array that a node saved, or None, with its vertex: the inputs' and the node's own. Raises `GradientError`
    where one was written to since, and where they were released.
    """
    if node.saved is None:
        raise GradientError(
            f"the arrays that {node.op.name} {describe(node)} had saved were released by an earlier backward: pass "
            "retain_graph=True to that, or compute the forward again."
        )
    *arrays, out = node.saved
    pairs = [*zip((arrays[0] or ()) if node.op.variadic else arrays, node.inputs), (out, node)]  # noqa: B905
    for array, vertex in pairs if node.index < LATEST[0] else ():
        if hasattr(array, "shape") and written_at(array) > node.index:
            raise stale_error(node, vertex)
    return pairs


def as_tensors(node: Node) -> tuple[Any, ...]:
    """The saved arrays as Tensors of the graph, so that the rules' operations on them are recorded."""
    made = []
    for array, vertex in saved_of(node):
        if isinstance(vertex, Tensor) and array is not None and vertex._data is not array:
            raise stale_error(node, vertex)  # the rules would compute with its present value
        known = type(vertex) is Node and array is not None
        made.append(wrap(array, vertex) if known else vertex if isinstance(vertex, Tensor) else array)
    return (tuple(made[:-1]), made[-1]) if node.op.variadic else tuple(made)


def stale_error(node: Node, what: Any) -> GradientError:
    """The error for an array that was changed after ``node`` saved it."""
    return GradientError(
        f"the value {describe(what)} was changed after {node.op.name} had used it, so this graph's gradients would be "
        "wrong: compute the forward again, or give it a copy made with .clone()."
    )


# ----------------------------------------------------------------------------------- gradients as users see them: hooks


def conjugated(g: Any) -> Any:
    """A gradient with respect to ``z = a + ib``, from one convention to the other; a real one as it is.

    Users take and give ``dL/da + i dL/db``, the direction of steepest ascent, as in PyTorch. The graph holds its
    conjugate: then ``dL`` is the real part of ``g dz``, and a rule of a function that is complex-differentiable
    multiplies by the derivative, as that for real numbers does.
    """
    if g.dtype.kind != "c":
        return g
    return TENSORS.conj(g) if isinstance(g, Tensor) else backends.namespace(g).conj(g)


class Hook:
    """Handle of a gradient hook. `Tensor.register_hook` returns it. ``remove()`` may be called more than once."""

    edits = 0  # counts changes to hooks of leaves: after one, compiled programs are out of date

    def __init__(self, call: Callable[[Tensor], Any], among: list[Any], of_leaf: bool) -> None:
        self.call, self._among, self._of_leaf = call, among, of_leaf  # no Tensor: a hook keeps no graph alive
        among.append(self)
        Hook.edits += of_leaf

    def remove(self) -> None:
        """Remove the hook."""
        if self in self._among:
            self._among.remove(self)
            Hook.edits += self._of_leaf


def register_hook(self: Any, hook: Callable[[Tensor], Any]) -> Hook:
    """Call ``hook(gradient)`` when this Tensor's gradient is complete.

    The hook may return a new gradient, or write into the given one by ``gradient[...] = …``. Hooks are called in
    the order of registration. Returns a `Hook` with ``remove()``. Raises `GradientError` for a Tensor that does not
    require grad.

    >>> from glassgrad.autograd import Tensor
    >>> x = Tensor(3.0, requires_grad=True)
    >>> hook = x.register_hook(lambda g: 10 * g)
    >>> (x * x).backward()
    >>> hook.remove()
    >>> x.grad
    Tensor(60.0)
    """
    if not self.requires_grad:
        raise GradientError(f"{self._called()} does not require grad, so a hook on it would never be called.")
    if not callable(hook):
        raise DTypeError(f"a hook is a function of the gradient; {self._called()} was given {hook!r}.")
    vertex: Any = self.node or self
    vertex.hooks = vertex.hooks or []
    return Hook(hook, vertex.hooks, of_leaf=self.node is None)


def retain_grad(self: Any) -> None:
    """Keep the gradient of this intermediate Tensor in ``.grad`` at the next backward, as leaves do."""
    if not self.requires_grad:
        raise GradientError(f"Tensor {describe(self)} does not require grad, so there is no gradient to retain.")
    if self.node is not None:
        self.node.hooks = self.node.hooks or []
        self.node.hooks.append(weakref.ref(self))


def retainers(node: Any) -> list[Tensor]:
    """The Tensors that retain the gradient of a node: its hooks hold weak references to them."""
    kept = [hook() for hook in node.hooks or () if isinstance(hook, weakref.ref)]
    return [tensor for tensor in kept if tensor is not None and tensor.node is node]


def after_hooks(hooks: Sequence[Any], g: Any) -> Any:
    """The gradient ``g`` after all hooks; each may return another one, or write into the Tensor it gets."""
    g = conjugated(g)
    for hook in [hook for hook in hooks if isinstance(hook, Hook)]:
        recorded = isinstance(g, Tensor)
        seen = g.clone() if recorded else wrap(backends.copy_of(g))  # a copy, because other nodes may share it
        if not isinstance(value := hook.call(seen), Tensor):
            value = seen if value is None else wrap(backends.asarray(value))
        if value.shape != g.shape:
            raise ShapeError(f"a hook must keep the shape {g.shape} of its gradient; it returned one of {value.shape}.")
        value = value.to(g.dtype)
        g = value if recorded else backends.copy_of(value.data)
    return conjugated(g)
