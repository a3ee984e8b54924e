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
from glassgrad.autograd.engine.memory import LATEST, owner, written_at
from glassgrad.autograd.engine.modes import MODE, enable_grad
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
) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Backpropagation as steps ``(node, gradient, contributions)``, from the outputs to the leaves.

    ``outputs`` are Tensors or nodes; ``seeds`` their upstream gradients: arrays, or Tensors with ``create_graph``,
    which raises `GradientError` within `no_grad`. At a step ``gradient`` is the complete upstream gradient, and
    ``contributions`` are the results of the node's rules: one per input, ``None`` where no gradient flows. Each leaf
    comes last, with its total and no contributions. With ``inputs`` only the nodes between these and the outputs are
    visited. Without ``retain_graph`` the arrays that a node saved are released at its step. Gradients of complex
    numbers are the conjugates of what ``.grad`` holds: the graph's convention, see docs/conventions.md.

    Every gradient of this package is computed here, so pictures and checks show the actual computation.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x
    >>> [(v.name or v.op.name, float(g), [float(c) for c in parts]) for v, g, parts in backward_steps([y], [1.0])]
    [('multiply', 1.0, [3.0, 3.0]), ('x', 6.0, [])]
    """
    totals: dict[Any, Any] = {}
    ends = vertices_of(outputs, "backward_steps")
    for end, seed in zip(ends, seed_list(seeds, len(ends)), strict=True):
        seed = seed if hasattr(seed, "shape") else backends.asarray(seed)
        totals[end] = totals[end] + seed if end in totals else seed
    wanted = None if inputs is None else {vertex_of(x) for x in inputs}
    return steps_from(totals, retain_graph, create_graph, wanted)


def steps_from(
    totals: dict[Any, Any], retain_graph: bool, create_graph: bool, wanted: Any, at_nodes: bool = True
) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """The steps of `backward_steps`, from the vertices in ``totals``, which maps them to their upstream gradients, to
    the ``wanted`` vertices. Without ``at_nodes`` only the steps at leaves and at nodes with hooks are yielded.
    """
    order = reachable(totals)
    masks = None if wanted is None else _between(order, wanted)
    shared = set(map(id, totals.values()))  # arrays that others may hold
    mode = MODE.get()
    if create_graph and not mode.grad:
        raise GradientError("create_graph=True within no_grad would record nothing: do it within enable_grad().")
    observer = mode.observer
    exact = observer is not None and observer.exact
    oldest = order[-1].index if order else 0
    lifted = (oldest <= LIFTED.left or bool(LEVELS.get())) and any_lifted(order, totals.values())
    doubtful = exact or oldest < LATEST[0]  # an array was written to since, perhaps one that a node saved
    kind: Any = None
    xp: Any = None
    take, total_of = totals.pop, totals.get
    for node in order if observer is None else observer.walked(order, totals):
        g = take(node, None)
        if g is None:
            continue
        if node.hooks:
            g = after_hooks(node.hooks, g)
            shared.add(id(g))
            doubtful = exact or oldest < LATEST[0]
        if type(g) is not kind:
            xp = TENSORS if create_graph else backends.SPACES.get(type(g)) or backends.namespace(g)
            kind = type(g) if create_graph or type(g) in backends.SPACES else None
        mask = node.mask if masks is None else masks[node]
        if not mask:
            yield node, g, ()
            continue
        op, saved, uneven = node.op, node.saved, node.uneven
        if doubtful or saved is None:
            check_saved(node, mask)
        if observer is not None:
            observer.arrived(node, g)
        if create_graph:
            saved = as_tensors(node)
        elif lifted:  # what a rule reads may be of more levels than its upstream gradient
            kind, xp = None, LIFTED if innermost((g, saved)) else backends.namespace(g)
        try:
            parts = op.plans[mask].pull(g, xp, node, saved)
        except backends.LinAlgError as error:
            raise DomainError(f"{op.name} {describe(node)} has no derivative here: {error}.") from error
        except GradientError:
            raise  # its message is complete
        except Exception as error:
            line = f"; called at {node.origin}" if node.origin else ""
            error.add_note(f"A rule of {op.name} {describe(node)} raised it{line}.")
            raise
        for vertex, part in zip(node.inputs, parts):  # noqa: B905  (a strict zip costs a tenth of a small operation)
            if part is None:
                continue
            if uneven:
                like = vertex if type(vertex) is Node else vertex._data
                if part.dtype is not like.dtype or part.shape != like.shape:
                    part = unbroadcast(xp, part, like, node)
            if lifted:
                part = settled(part, vertex.shape)
            total = total_of(vertex)
            totals[vertex] = part if total is None else total + part
        if observer is not None:
            observer.pulled(node, parts)
        if not retain_graph:
            node.saved = None
        if at_nodes or node.hooks:
            yield node, g, tuple(parts)
    for leaf, total in totals.items():
        if type(leaf) is Node:
            continue
        if not create_graph:  # each leaf's gradient gets an array of its own
            key, view = id(total), getattr(total, "base", total) is not None
            if key in shared or (view and not backends.owns_memory(total)):
                total = backends.copy_of(total)
                key = id(total)
            shared.add(key)
        if leaf.hooks:
            total = after_hooks(leaf.hooks, total)
        if observer is not None:
            observer.arrived(leaf, total)
        yield leaf, total, ()


def _between(order: list[Node], wanted: set[Any]) -> dict[Node, int]:
    """For each node the mask of those inputs through which it depends on a wanted vertex."""
    masks: dict[Node, int] = {}
    for node in reversed(order):
        mask = 0
        for i, vertex in enumerate(node.inputs):
            if node.mask >> i & 1 and (vertex in wanted or masks.get(vertex)):
                mask |= 1 << i
        masks[node] = mask
    return masks


def unbroadcast(xp: Any, part: Any, vertex: Any, node: Node) -> Any:
    """A contribution in the shape and dtype of the input: summed where the input was broadcast, and cast; for a real
    input its real part.
    """
    shape = vertex.shape
    if part.shape != shape:
        if part.shape[1:] == shape:  # the frequent case of a bias, broadcast along the batch
            part = xp.sum(part, axis=0)
        else:
            try:
                axes = broadcast_axes(part.shape, shape)
            except ShapeError:
                raise ShapeError(
                    f"a rule of {node.op.name} returned a gradient of shape {part.shape} for an argument of shape "
                    f"{shape}: it must have the argument's shape, or the one that this was broadcast to."
                ) from None
            part = xp.reshape(xp.sum(part, axis=axes) if axes else part, shape=shape)
    if part.dtype == vertex.dtype:
        return part
    if not (backends.is_inexact(vertex.dtype) and backends.is_inexact(part.dtype)):
        raise GradientError(
            f"a rule of {node.op.name} returned a gradient of dtype {part.dtype} for an input of dtype {vertex.dtype}: "
            "gradients flow through floating-point values alone; .detach() an input of integers."
        )
    if backends.is_real(vertex.dtype) and not backends.is_real(part.dtype):
        part = xp.real(part)  # only the real part of a real input can change
    return xp.astype(part, vertex.dtype)


def seed_of(y: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The upstream gradient of ``y``: the given one, checked, or 1 for a single element."""
    if not y.requires_grad:
        raise GradientError(
            f"Tensor {describe(y)} does not depend on anything that requires grad: create the inputs "
            "with requires_grad=True, and compute outside of no_grad()."
        )
    data, kind = y._data, y._data.dtype.kind
    if kind not in "fc":
        raise GradientError(
            f"Tensor {describe(y)} holds integers, which have no derivative; compute with floating-point values."
        )
    if gradient is None:
        if data.size != 1 or kind == "c":
            way = "take its real part or its abs" if kind == "c" else "reduce it to a scalar, for instance with .sum()"
            raise GradientError(
                f"backward on Tensor {describe(y)}, which is not one real number, needs its upstream gradient: {way}, "
                f"or pass a gradient of shape {y.shape}."
            )
        number = type(data)
        seed: Any = number(1) if number in backends.FLAT else backends.namespace(data).ones_like(data)
        return wrap(seed) if create_graph else seed
    seed = gradient.data if isinstance(gradient, Tensor) else gradient
    xp = backends.namespace(data)
    if type(seed) not in backends.SPACES:
        seed = xp.asarray(backends.asarray(seed))
    xp = backends.namespace(data, seed)
    if seed.shape != y.shape:
        raise ShapeError(f"the gradient has shape {seed.shape}, the Tensor {y.shape}: they must be equal.")
    if create_graph and isinstance(gradient, Tensor) and gradient.dtype == y.dtype:
        return conjugated(gradient)
    if backends.is_complex(seed.dtype) and not backends.is_complex(y.dtype):
        raise DTypeError(f"the gradient is {seed.dtype}, the Tensor {y.dtype}: pass a real gradient.")
    seed = xp.astype(seed, y.dtype) if seed.dtype != y.dtype else seed
    seed = conjugated(xp.asarray(seed, copy=True) if seed.ndim else seed)
    return wrap(seed) if create_graph else seed


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
    if create_graph and not MODE.get().grad:  # gradients that are to be differentiated are recorded
        with enable_grad():
            return backward(y, gradient, create_graph=True)
    seed = seed_of(y, gradient, create_graph)
    found: list[tuple[Tensor, Any]] = []
    keep, taken = retain_graph or create_graph, {id(gradient)}
    for vertex, g, _ in steps_from({y.node or y: seed}, keep, create_graph, None, at_nodes=False):
        if type(vertex) is Node:
            found += [(tensor, g) for tensor in retainers(vertex) if not isinstance(tensor._data, Lifted)]
        elif vertex.requires_grad:  # else it is an argument of a transform that has ended
            found.append((vertex, g))
    grads: list[Tensor] = []
    with _accumulating:
        for tensor, g in found:
            before = tensor.grad
            g = conjugated(g) if g.dtype.kind == "c" else g
            if LIFTED.used and (level := innermost(g.data if create_graph else g)) is not None:
                raise level.refused(
                    GradientError,
                    f"backward within the function of {level.name}: .grad would outlive what it stands for there; use "
                    "autograd.grad or autograd.gradients, and return the gradients.",
                )
            fits = before is None or (isinstance(before, Tensor) and before.shape == g.shape)
            if before is not None and fits:
                fits = before.dtype.kind != "c" or g.dtype.kind == "c"
            if not fits or g.shape != tensor._data.shape:
                raise ShapeError(
                    f"Tensor {describe(tensor)} got a gradient of shape {g.shape}, and its .grad is "
                    f"{describe(before)}: if its shape was changed, compute the forward again; set .grad to None or to "
                    "a Tensor of its shape, real for a real one."
                )
            if not create_graph:
                g = g if tensor.node is None else backends.copy_of(g)
                total = wrap(g if before is None else before.data + g)
            else:
                total = g.clone() if id(g) in taken else g
                taken.add(id(total))
                total = total if before is None else before + total
            grads.append(total)
        # All gradients are set last, in one call that neither another thread nor Ctrl-C can interrupt: an error before
        # it changes none.
        list(map(_set_grad, [tensor for tensor, _ in found], grads))
    return None


def seed_list(seeds: Any, count: int) -> list[Any]:
    """The seeds as a list, one for each of ``count`` outputs."""
    found = list(seeds)
    if len(found) != count:
        raise ShapeError(f"{len(found)} seeds for {count} outputs: give one for each.")
    return found


# ------------------------------------------------------------------------------------------------------- saved arrays


def check_saved(node: Node, mask: int) -> None:
    """Raise `GradientError` where the arrays that a node saved were released, or one that the rules of the inputs in
    ``mask`` need was written to since.
    """
    op = node.op
    if node.saved is None:
        raise GradientError(
            f"the arrays that {op.name} {describe(node)} had saved were released by an earlier backward: pass "
            "retain_graph=True to that, or compute the forward again."
        )
    kept = op.plans[mask].kept
    for value in (value for i, value in enumerate(node.saved) if kept >> i & 1):
        for array in value if isinstance(value, tuple) else (value,):
            if hasattr(array, "shape") and written_at(array) > node.index:
                raise stale_error(node, _leaf_of(node, array))


def as_tensors(node: Node) -> tuple[Any, ...]:
    """The saved arrays as Tensors of the graph, so that the rules' operations on them are recorded."""

    def tied(value: Any, vertex: Any) -> Any:
        if type(vertex) is Node:
            return wrap(value, vertex)
        if isinstance(vertex, Tensor):
            if vertex._data is not value:  # the rules would compute with its present value
                raise stale_error(node, vertex)
            return vertex
        return value

    if not node.saved:
        return ()
    *arrays, out = node.saved
    if node.op.variadic:
        arrays = [arrays[0] and tuple(map(tied, arrays[0], node.inputs))]
    else:
        arrays = [None if x is None else tied(x, vertex) for x, vertex in zip(arrays, node.inputs, strict=True)]
    return *arrays, None if out is None else wrap(out, node)


def stale_error(node: Node, what: Any) -> GradientError:
    """The error for an array that was changed after ``node`` saved it."""
    return GradientError(
        f"{'Tensor' if isinstance(what, Tensor) else 'the array'} {describe(what)} was changed after {node.op.name} "
        "had used it, so this graph's gradients would be wrong: compute the forward again, or give it a copy made with "
        ".clone()."
    )


def _leaf_of(node: Node, array: Any) -> Any:
    """The leaf that owns the memory of ``array``, if ``node`` depends on it; else the array itself."""
    memory = owner(array)
    for vertex in (vertex for behind in reachable([node]) for vertex in behind.inputs):
        if isinstance(vertex, Tensor) and owner(vertex.data) is memory:
            return vertex
    return array


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
    """Handle of a gradient hook. `Tensor.register_hook` returns it.

    ``remove()`` may be called more than once. As a context manager it removes the hook at the end.
    """

    edits = 0  # counts changes to hooks of leaves: after one, compiled programs are out of date

    def __init__(self, call: Callable[[Tensor], Any], among: list[Any], of_leaf: bool) -> None:
        self.call, self._among = call, among  # the list, not the Tensor: a hook keeps no graph alive
        self._of_leaf = of_leaf
        among.append(self)
        Hook.edits += of_leaf

    def remove(self) -> None:
        """Remove the hook."""
        if self in self._among:
            self._among.remove(self)
            Hook.edits += self._of_leaf

    def __enter__(self) -> Hook:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


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
        hooks = self.node.hooks = self.node.hooks or []
        if not any(tensor is self for tensor in retainers(self.node)):
            hooks.append(weakref.ref(self))


def retainers(node: Any) -> list[Tensor]:
    """The Tensors that retain the gradient of a node: its hooks hold weak references to them."""
    kept = [hook() for hook in node.hooks or () if isinstance(hook, weakref.ref)]
    return [tensor for tensor in kept if tensor is not None and tensor.node is node]


def after_hooks(hooks: Sequence[Any], g: Any) -> Any:
    """The gradient ``g`` after all hooks; each may return another one, or write into the Tensor it gets."""
    g = conjugated(g)
    for hook in [hook for hook in hooks if isinstance(hook, Hook)]:
        # The hook gets a new Tensor with a read-only array, because other nodes may share the array.
        seen = g
        if not isinstance(g, Tensor):
            seen = wrap(backends.read_only(g))
        elif g.node is not None or not g.requires_grad:
            seen = wrap(backends.read_only(g.data), g.node)
        array = seen._data
        answer = hook.call(seen)
        if answer is None and seen._data is not array:
            answer = seen
        if answer is None:
            continue
        value = answer if isinstance(answer, Tensor) else wrap(backends.asarray(answer))
        if value.shape != g.shape:
            raise ShapeError(
                f"a hook got a gradient of shape {g.shape} and returned one of {value.shape}: keep the shape."
            )
        if value.dtype != g.dtype:
            value = value.astype(g.dtype)
        g = value if isinstance(g, Tensor) else backends.copy_of(value.data)
    return conjugated(g)
