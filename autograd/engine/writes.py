"""Writes in place, ``x[index] = value`` and ``x += y``: the Tensor gets another value and, if it is recorded, another
node. A write to a view, such as ``x[0]`` or ``x.T``, is one to the Tensor that it is a view of.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from glassgrad.autograd.backends import NUMPY, to_device
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.engine.backward import retainers
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import GradientError
from glassgrad.autograd.readings.levels import Lifted, is_differentiated, plain_parts


class View:
    """What a Tensor is a view of: ``op`` with ``params``, or `Tensor.detach` if that is ``None``, was called on
    ``source``, whose array was ``array``.
    """

    __slots__ = ("source", "array", "op", "params")

    def __init__(self, source: Tensor, array: Any, op: Any, params: dict[str, Any]) -> None:
        # Weak, because the graph of a source that is written to refers back to its view. Strong if the source is a view
        # itself, because nothing else may hold it, as x[0] in x[0][1] = 5.
        self.source: Callable[[], Any] = weakref.ref(source) if source._view is None else lambda: source
        self.array, self.op, self.params = array, op, params


def view_of(tensor: Tensor) -> View | None:
    """What ``tensor`` is a view of; ``None`` also if that is gone."""
    view: View | None = tensor._view
    return None if view is None or view.source() is None else view


def remember(tensor: Tensor, source: Any, op: Any = None, params: dict[str, Any] | None = None) -> None:
    """Note that ``op`` made ``tensor`` of ``source``, if the two share memory, as `reshape` does or does not."""
    if not isinstance(source, Tensor):
        return
    made, array = tensor._data, source._data
    given = array
    if not (array.shape and (made.shape or _is_array((params or {}).get("index")))):
        return  # a number has no memory
    if isinstance(array, Lifted):
        made, given = plain_parts(made)[0], plain_parts(array)[0]
    base = getattr(made, "base", None)
    if not (made is given or (base is not None and (base is given or base is given.base))):
        return
    if op is None and (view := view_of(source)) and view.op is None:
        source, array = view.source(), view.array  # detached again: no chain
    tensor._view = View(source, array, op, params or {})


def _is_array(index: Any) -> bool:
    """Whether NumPy's ``x[index]`` of one element is an array of shape (), a view, and not a number."""
    return any(part is ... for part in (index if isinstance(index, tuple) else (index,)))


def prepare(tensor: Tensor, way: str, recorded: bool = True) -> None:
    """Bring a view up to date that is to be written to, for its source may have changed since it was taken.

    Raises `GradientError` where a write can't be recorded: to a leaf that requires grad, while operations are recorded,
    or through a view of one that is not detached.
    """
    if recorded and tensor.node is None and tensor.requires_grad and MODE.get().grad:
        words = f"a write to it can't be recorded; {way} under autograd.no_grad()"
        raise GradientError(f"{tensor._called()} is a leaf that requires grad: {words}.")
    view = view_of(tensor)
    if view is None:
        return
    source = view.source()
    prepare(source, "write to a copy of the view made with .clone(), or change it", recorded and view.op is not None)
    if source._data is not view.array:
        _take(tensor, wrap(source.data) if view.op is None else view.op(source, **view.params))
        view.array = source._data


def old_value(tensor: Tensor) -> Tensor:
    """``tensor`` as an argument of its own update. For a constant it is a new Tensor, because the updated one would
    otherwise be its own input.
    """
    constant = tensor.node is None and not tensor.requires_grad
    return wrap(tensor.data, name=tensor.name) if constant else tensor


def become(tensor: Tensor, value: Tensor, alone: bool = False) -> None:
    """Give ``tensor``, and the Tensor that it is a view of, the array and the node of ``value``; the array ``alone`` to
    a leaf that requires grad, to what the Tensor is detached from, and under ``no_grad``. Raises `GradientError` where
    a recorded value would go to what the Tensor is detached from.
    """
    view = view_of(tensor)
    source: Any = view and view.source()
    if view is not None and view.op is None:
        if not alone and (value.requires_grad or is_differentiated(source._data)):
            raise GradientError(
                f"{tensor._called()} is detached from Tensor {describe(source)}, which would get the recorded value "
                "without its gradient, or lose its own: write value.detach(), or to a copy made with .clone()."
            )
        become(source, wrap(value.data), alone=True)
    elif view is not None:
        become(source, _put_back(view, wrap(source.data) if alone else source, value), alone)
    if alone or (tensor.requires_grad and (tensor.node is None or not MODE.get().grad)):
        tensor.data = value
    else:
        keeps = tensor.node is not None and value.node is not None and retainers(tensor.node)
        _take(tensor, value)
        if keeps:  # the gradient, now that of the new value
            tensor.retain_grad()
    if view is not None:
        view.array = source._data


def _take(tensor: Tensor, value: Tensor) -> None:
    """Give ``tensor`` the array and the node of ``value``. It keeps its name."""
    name = tensor.name
    tensor.data, tensor.node, tensor.requires_grad = value._data, value.node, value.requires_grad
    tensor.name = name


def _put_back(view: View, source: Tensor, value: Tensor) -> Tensor:
    """The new value of ``source``, of which ``value`` is to be the view."""
    if view.op.name == "getitem":
        return TENSORS.setitem(old_value(source), value, **view.params)  # type: ignore[no-any-return]
    # What the view does to the elements' numbers shows where each is from.
    places = view.op.forward(NUMPY, NUMPY.arange(source.size).reshape(source.shape), **view.params)
    index = to_device(places, source.device)
    flat = TENSORS.setitem(TENSORS.reshape(old_value(source), shape=(-1,)), value, index=index)
    return TENSORS.reshape(flat, shape=source.shape)  # type: ignore[no-any-return]


def is_written(tensor: Tensor, index: Any, value: Any) -> bool:
    """Whether ``value`` is the view of ``tensor`` at this very ``index``, to which a write was passed on already:
    Python runs ``x[0] += 1`` as ``v = x[0]; v += 1; x[0] = v``.
    """
    view = view_of(value) if isinstance(value, Tensor) else None
    current = view is not None and view.source() is tensor and view.array is tensor._data
    return current and view.params.get("index", view) is index  # type: ignore[union-attr]
