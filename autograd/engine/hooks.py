"""Gradients as users see them: hooks, `retain_grad`, and the convention for complex numbers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError


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
