"""The chain rule, walked once: seed, pull, undo broadcasting, accumulate."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from autograd import backends
from autograd.errors import DomainError, DTypeError, GradientError, ShapeError
from autograd.graph import Node, place_of, places_of, reachable
from autograd.memory import LAST, WRITES, owner, written_at
from autograd.messages import describe
from autograd.modes import MODE, TRACER, enable_grad
from autograd.namespace import TENSORS
from autograd.shapes import broadcast_axes
from autograd.tensor import Tensor, wrap


def walk(
    outputs: Sequence[Any],
    seeds: Sequence[Any],
    *,
    retain: bool = True,
    create_graph: bool = False,
    inputs: Sequence[Any] | None = None,
) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Backpropagation as steps ``(node, gradient, contributions)``, from the outputs to the leaves.

    ``outputs`` are Tensors or nodes; ``seeds`` the gradients that arrive at them, arrays (Tensors with
    ``create_graph``, which is refused where nothing is recorded). A step says that ``gradient`` is complete at
    ``node``, and what its rules sent on: ``contributions`` has one entry per input of the node, ``None`` where no
    gradient flows. Each leaf comes last, with its total and no contributions. With ``inputs`` only the nodes between
    these and the outputs are visited. Without ``retain`` what a node saved is released behind the walk.

    Every gradient of this package comes from here, so that whatever tells of backpropagation tells what happened.

    >>> import autograd as ag
    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> y = x * x
    >>> [(node.name or node.op.name, float(g), [float(c) for c in parts]) for node, g, parts in walk([y], [1.0])]
    [('multiply', 1.0, [3.0, 3.0]), ('x', 6.0, [])]
    """
    places, seeds = places_of(outputs, "walk"), _listed(seeds)
    if len(seeds) != len(places):
        raise ShapeError(f"{len(seeds)} seeds for {len(places)} outputs: give one for each.")
    totals: dict[Any, Any] = {}
    for place, seed in zip(places, seeds, strict=True):
        seed = seed if hasattr(seed, "shape") else backends.asarray(seed)
        totals[place] = totals[place] + seed if place in totals else seed
    order = reachable(places)
    masks = None if inputs is None else _between(order, {place_of(x) for x in inputs})
    kind: Any = None
    xp: Any = None
    if create_graph:
        kind, xp = Tensor, TENSORS
        if not MODE.get().grad:
            raise GradientError("create_graph=True within no_grad would record nothing: walk within enable_grad().")
    anomaly = MODE.get().anomaly
    oldest = order[-1].index if order else 0
    old = anomaly or oldest < WRITES[LAST]  # something was written to since: what is kept has to be looked at
    take = totals.pop
    tracer = TRACER.get()
    for node in order if tracer is None else tracer.lines.walked(order, totals):
        g = take(node, None)
        if g is None:
            continue
        if node.hooks:
            g = _hooked(node.hooks, g)
            old = anomaly or oldest < WRITES[LAST]
        mask = node.mask
        if masks is not None and not (mask := masks[node]):
            yield node, g, ()
            continue
        op, saved, uneven = node.op, node.saved, node.uneven
        if saved is None:
            raise GradientError(
                f"{op.name} {describe(node)} was walked backward before, and what it had saved is released: "
                "pass retain_graph=True to the first backward, or compute the forward again."
            )
        if old:
            _check_memory(node, mask)
            if anomaly:
                anomaly.check_arrival(node, g)
        if create_graph:
            saved = _as_tensors(node, saved)
        if type(g) is not kind:
            kind, xp = (type(g) if type(g) in backends.SPACES else None), backends.namespace(g)
        pull = op.pulls[mask]
        try:
            parts = pull(g, xp, node, saved)
        except backends.LinAlgError as error:
            raise DomainError(f"{op.name} {describe(node)} has no derivative here: {error}.") from error
        for place, part in zip(node.inputs, parts):  # noqa: B905  (a strict zip costs a tenth of a small operation)
            if part is None:
                continue
            if type(place) is Node:
                if uneven and (part.shape != place.shape or part.dtype is not place.dtype):
                    part = _fitted(xp, part, place, node)
            else:
                value = place._data  # a Tensor's own properties would cost as much as the rest of this edge
                if uneven and (part.shape != value.shape or part.dtype is not value.dtype):
                    part = _fitted(xp, part, place, node)
                if (part.ndim or kind is None) and (part is g or not backends.owns(part)) and not create_graph:
                    part = _own(part)  # leaves own their gradients
            if place in totals:
                totals[place] = totals[place] + part
            else:
                totals[place] = part
        if anomaly:
            anomaly.check_backward(node, parts)
        if not retain:
            node.saved = None
        yield node, g, parts
    for leaf, total in totals.items():
        if type(leaf) is not Node:
            total = _hooked(leaf.hooks, total) if leaf.hooks else total
            if anomaly:
                anomaly.check_total(leaf, total)
            yield leaf, total, ()


def _between(order: list[Node], wanted: set[Any]) -> dict[Node, int]:
    """For each node the inputs through which it depends on the wanted places, as a mask."""
    masks: dict[Node, int] = {}
    for node in reversed(order):
        mask = 0
        for i, place in enumerate(node.inputs):
            if node.mask >> i & 1 and (place in wanted or masks.get(place)):
                mask |= 1 << i
        masks[node] = mask
    return masks


def _as_tensors(node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """What was saved, tied to the places that it came from, so that rules running on Tensors record their use of it."""

    def tied(value: Any, place: Any) -> Any:
        if type(place) is Node:
            return wrap(value, place)
        if isinstance(place, Tensor):
            if place.data is not value:  # the rules would compute with its present value
                raise _stale(node, place)
            return place
        return value

    op = node.op
    if op.variadic:
        return tuple(
            wrap(value, node) if name == "out" else tuple(map(tied, value, node.inputs))
            for name, value in zip(op.saves, saved, strict=True)
        )
    return tuple(
        None if value is None else wrap(value, node) if name == "out" else tied(value, node.inputs[op.args.index(name)])
        for name, value in zip(op.saves, saved, strict=True)
    )


def _check_memory(node: Node, mask: int) -> None:
    """Raise where what the rules of the inputs in ``mask`` will ask for was written to since ``node`` kept it."""
    op = node.op
    if node.index < op.redeclared:
        raise GradientError(
            f"the rules of {op.name} were declared anew after {describe(node)} was computed: compute the forward again."
        )
    wanted = {
        name
        for i, arg in enumerate(op.args)
        if arg in op.rules and (op.variadic or mask >> i & 1)
        for name in op.rules[arg][1]
    }
    kept = {**node.params, **dict(zip(op.saves, node.saved or (), strict=True))}
    for value in (kept[name] for name in kept if name in wanted):
        for array in value if isinstance(value, tuple) else (value,):
            if hasattr(array, "shape") and written_at(array) > node.index:
                raise _stale(node, _leaf_of(node, array))


def _leaf_of(node: Node, array: Any) -> Any:
    """The leaf whose memory ``array`` is, as far as the graph behind ``node`` tells; else the array itself."""
    memory = owner(array)
    for place in (place for behind in reachable([node]) for place in behind.inputs):
        if isinstance(place, Tensor) and owner(place.data) is memory:
            return place
    return array


def _stale(node: Node, what: Any) -> GradientError:
    return GradientError(
        f"{'Tensor' if isinstance(what, Tensor) else 'the array'} {describe(what)} was changed after {node.op.name} "
        "had used it, so this graph's gradients would be wrong: compute the forward again, or give it a copy made with "
        ".clone()."
    )


def _fitted(xp: Any, part: Any, place: Any, node: Node) -> Any:
    """Broadcasting and promotion undone: what was repeated is summed, and the dtype is the input's own."""
    if part.shape != place.shape:
        shape = place.shape
        if part.shape[1:] == shape:  # a bias that every example has used
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
    if part.dtype == place.dtype:
        return part
    if not backends.is_inexact(place.dtype):
        raise GradientError(
            f"{node.op.name} sends a gradient to a value of dtype {place.dtype}: no derivative goes through integers; "
            "compute with floating-point values, or .detach() what was made an integer."
        )
    if backends.is_real(place.dtype) and not backends.is_real(part.dtype):
        raise GradientError(
            f"{node.op.name} sends a gradient of dtype {part.dtype} to a value of dtype {place.dtype}: derivatives "
            "through complex numbers are not defined here; compute with real and imaginary parts."
        )
    return xp.astype(part, place.dtype)


def _hooked(hooks: Sequence[Any], g: Any) -> Any:
    """``g`` after the hooks, which see Tensors, and return others or write into these."""
    for hook in [hook for hook in hooks if not isinstance(hook, Keep)]:
        # Read-only, and a Tensor of its own: what it shows may be on its way to other places as well.
        seen = g
        if not isinstance(g, Tensor):
            seen = wrap(backends.read_only(g))
        elif g.node is not None or not g.requires_grad:
            seen = wrap(backends.read_only(g.data), g.node)
        array = seen.data
        answer = hook.call(seen)
        if answer is None and seen.data is not array:
            answer = seen
        if answer is not None:
            value = answer if isinstance(answer, Tensor) else wrap(backends.asarray(answer))
            if value.shape != g.shape:
                raise ShapeError(
                    f"a hook got a gradient of shape {g.shape} and returned one of {value.shape}: keep the shape."
                )
            if value.dtype != g.dtype:
                if not backends.is_real(value.dtype) and backends.is_inexact(value.dtype):
                    raise GradientError(
                        f"a hook got a gradient of dtype {g.dtype} and returned one of {value.dtype}: derivatives "
                        "through complex numbers are not defined here; return a real one."
                    )
                value = value.astype(g.dtype)
            g = value if isinstance(g, Tensor) else _own(value.data)
    return g


def _own(array: Any) -> Any:
    """A copy; numbers can't be changed and stay."""
    return array if type(array) in backends.FLAT else backends.namespace(array).asarray(array, copy=True)


def retain_grad(tensor: Tensor) -> None:
    """Have the gradient of an intermediate Tensor kept in its ``.grad``."""
    if not tensor.requires_grad:
        raise GradientError(f"Tensor {describe(tensor)} does not require grad, so there is no gradient to retain.")
    if tensor.node is not None:
        hooks = tensor.node.hooks = tensor.node.hooks or []
        if not any(isinstance(hook, Keep) and hook.tensor() is tensor for hook in hooks):
            hooks.append(Keep(tensor))


class Keep:
    """Among the hooks of a node: a Tensor whose ``.grad`` gets what goes on from there, as long as it lives."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)


def _seed(y: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The gradient that arrives at ``y``: what was given, checked, or 1 for a single element."""
    if not y.requires_grad:
        raise GradientError(
            f"Tensor {describe(y)} does not depend on anything that requires grad: create the Tensors to differentiate "
            "by with requires_grad=True, and compute outside of no_grad()."
        )
    if getattr(y.data.dtype, "kind", "f") not in "fc":
        raise GradientError(
            f"Tensor {describe(y)} holds integers: they have no derivative; compute with floating-point values."
        )
    if gradient is None and type(y.data) in backends.FLAT and not create_graph:
        return type(y.data)(1)
    xp = backends.namespace(y.data)
    if gradient is None:
        if y.size != 1:
            raise GradientError(
                f"backward on a Tensor of shape {y.shape} needs to know what arrives there: reduce it to a scalar, "
                f"for instance with .sum(), or pass a gradient of shape {y.shape}."
            )
        seed: Any = type(y.data)(1) if type(y.data) in backends.FLAT else xp.ones_like(y.data)
    else:
        seed = gradient.data if isinstance(gradient, Tensor) else gradient
        if type(seed) not in backends.SPACES:
            seed = xp.asarray(backends.asarray(seed))
        backends.namespace(y.data, seed)
        if seed.shape != y.shape:
            raise ShapeError(f"the gradient has shape {seed.shape}, the Tensor {y.shape}: they must be equal.")
        if seed.dtype != y.dtype:
            seed = xp.astype(seed, y.dtype)
        seed = xp.asarray(seed, copy=True) if seed.ndim else seed
    if create_graph:
        return gradient if isinstance(gradient, Tensor) and gradient.dtype == y.dtype else wrap(seed)
    return seed


_accumulating = threading.RLock()  # two threads may add to the gradient of one leaf
_set_grad = vars(Tensor)["grad"].__set__


def backward(y: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
    """`Tensor.backward`."""
    if create_graph and not MODE.get().grad:  # gradients that are to be differentiated are recorded
        with enable_grad():
            return backward(y, gradient, create_graph=True)
    seed = _seed(y, gradient, create_graph)
    steps = walk([y], [seed], retain=retain_graph or create_graph, create_graph=create_graph)
    arrived = [(place, g) for place, g, _ in steps if type(place) is not Node or place.hooks]
    taken = {id(gradient)}
    leaves, grads = [], []
    with _accumulating:
        for place, g in arrived:
            if type(place) is not Node and not create_graph and place.grad is None:  # as at most steps of a training
                if g.shape != place._data.shape:
                    raise _reshaped(place, g)
                leaves.append(place)
                grads.append(wrap(g))
                continue
            for tensor in _keepers(place) if type(place) is Node else (place,):
                before = tensor.grad
                if g.shape != tensor._data.shape:
                    raise _reshaped(tensor, g)
                if before is not None and not (isinstance(before, Tensor) and before.shape == g.shape):
                    raise ShapeError(
                        f"the .grad of Tensor {describe(tensor)}, to which a gradient is to be added, is "
                        f"{describe(before)}: set it to a Tensor of its shape, or to None."
                    )
                if create_graph:
                    g = g.clone() if id(g) in taken else g
                    taken.add(id(g))
                    grads.append(g if before is None else before + g)
                elif before is None:
                    grads.append(wrap(g if tensor is place else _own(g)))
                else:
                    grads.append(wrap(before.data + g))
                leaves.append(tensor)
        # Only now, and in one go that no other thread and no Ctrl-C can cut in two: whatever was raised on the way has
        # changed no gradient.
        list(map(_set_grad, leaves, grads))
    return None


def _keepers(node: Node) -> list[Tensor]:
    """The Tensors that keep the gradient of ``node``."""
    kept = [hook.tensor() for hook in node.hooks or () if isinstance(hook, Keep)]
    return [tensor for tensor in kept if tensor is not None and tensor.node is node]


def _reshaped(leaf: Tensor, g: Any) -> ShapeError:
    return ShapeError(
        f"Tensor {describe(leaf)} had shape {g.shape} when this graph was recorded, and was given an array of another "
        "shape since: compute the forward again."
    )


def _listed(seeds: Any) -> list[Any]:
    if not isinstance(seeds, Iterable):
        raise DTypeError(f"seeds are a list, one for each output; a {type(seeds).__name__} was given.")
    return list(seeds)


def _tensors(given: Any, name: str) -> list[Tensor]:
    """One Tensor or several, as a list."""
    found = [given] if isinstance(given, Tensor) or not isinstance(given, Iterable) else list(given)
    for x in found:
        if not isinstance(x, Tensor):
            raise DTypeError(f"{name} are one Tensor or several; a {type(x).__name__} is among those given.")
    return found


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    seeds: Any = None,
    *,
    create_graph: bool = False,
) -> Any:
    """The gradients of ``outputs`` by ``inputs`` (any Tensors of the graph), without touching ``.grad``.

    ``seeds``: the gradients that arrive at the outputs, 1 each by default for one-element ones. With ``create_graph``
    the results are recorded, so that they can be differentiated again, also within `no_grad`; the graph is kept in any
    case. One Tensor for one input, a tuple for a sequence; zeros for an input that the outputs do not depend on.

    >>> import autograd as ag
    >>> x = ag.Tensor(2.0, requires_grad=True)
    >>> slope = ag.gradients(x**3, x, create_graph=True)
    >>> slope.data, ag.gradients(slope, x).data
    (np.float64(12.0), np.float64(12.0))
    """
    ys, xs = _tensors(outputs, "outputs"), _tensors(inputs, "inputs")
    given = [None] * len(ys) if seeds is None else [seeds] if isinstance(outputs, Tensor) else _listed(seeds)
    if len(given) != len(ys):
        raise ShapeError(f"{len(given)} seeds for {len(ys)} outputs: give one for each.")
    for x in xs:
        if not x.requires_grad:
            raise GradientError(f"Tensor {describe(x)} does not require grad: create it with requires_grad=True.")
    places = [place_of(x) for x in xs]
    found: dict[Any, Any] = dict.fromkeys(places)
    taken = {id(g) for g in given}
    with enable_grad() if create_graph else nullcontext():
        start = [_seed(y, g, create_graph) for y, g in zip(ys, given, strict=True)]
        for node, g, _ in walk(ys, start, create_graph=create_graph, inputs=xs):
            if node in found and create_graph:
                found[node] = g.clone() if id(g) in taken else g  # what is written into one must not show in another
                taken.add(id(g))
            elif node in found:
                found[node] = wrap(_own(g) if type(node) is Node else g)
    results = tuple(
        wrap(backends.namespace(x.data).zeros_like(x.data)) if g is None else g
        for x, g in ((x, found[p]) for x, p in zip(xs, places, strict=True))
    )
    return results[0] if isinstance(inputs, Tensor) else results

