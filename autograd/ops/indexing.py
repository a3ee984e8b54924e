"""Elements by their places: taken out, put in, sorted.

An index is whatever NumPy's indexing takes: integers, slices, ``...``, ``None``, boolean masks, arrays of integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autograd import shapes
from autograd.op import op

if TYPE_CHECKING:
    from autograd.tensor import Tensor


def plain(index: Any) -> Any:
    """An index with arrays where it had Tensors."""
    if isinstance(index, tuple):
        return tuple(map(plain, index))
    return index.data if hasattr(index, "requires_grad") else index


def _may_repeat(index: Any) -> bool:
    """Whether an index may name an element twice: only arrays (or lists) of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if part is None or part is ... or isinstance(part, int | slice):
            continue
        if not getattr(part, "shape", ()) and hasattr(part, "__index__"):
            continue
        if "bool" not in str(getattr(part, "dtype", "")):
            return True
    return False


@op("[ ]", text="{x}[{index}]", tex="{x}_{{[{index}]}}")
def getitem(xp, x, *, index):
    """``x[index]``, with everything that NumPy's indexing takes.

    >>> import autograd as ag
    >>> x = ag.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x[:, 0], x[x > 1.5], x[[0, 0, 1], 1]
    (Tensor([1.0, 3.0]), Tensor([2.0, 3.0, 4.0]), Tensor([2.0, 2.0, 4.0]))
    """
    return x[index]


getitem.vjp(x=lambda xp, g, x_shape, index: xp.scatter_add(g, index=index, shape=x_shape))


@op("[ ]ᵀ", text="scatter({x}, {index})", tex=r"\operatorname{{scatter}}_{{[{index}]}}({x})")
def scatter_add(xp, x, *, index, shape):
    """Zeros of ``shape`` with ``x`` added at ``index``, as often as the index names an element: the adjoint of `getitem`.

    >>> import autograd as ag
    >>> ag.scatter_add(ag.Tensor([1.0, 2.0, 3.0]), index=[0, 2, 0], shape=(4,))
    Tensor([4.0, 0.0, 2.0, 0.0])
    """
    if not _may_repeat(index):
        out = xp.zeros(shape, dtype=x.dtype)
        out[index] = x
        return out
    # Where each element of the flat result gets its share: adding by one index array is what the backends do fast.
    count = shapes.size(shape)
    places = xp.reshape(xp.reshape(xp.arange(count), shape=shape)[index], shape=(-1,))
    out = xp.zeros((count,), dtype=x.dtype)
    values = xp.reshape(x, shape=(-1,))
    if hasattr(xp.add, "at"):
        xp.add.at(out, places, values)
    else:  # the array API standard has no sum by places
        for k in range(places.shape[0]):
            out[int(places[k])] += values[k]
    return xp.reshape(out, shape=shape)


scatter_add.vjp(x=lambda g, index: g[index])


@op("[ ]=", text="{x} with [{index}] = {value}", tex=r"{x}_{{[{index}] \leftarrow {value}}}")
def setitem(xp, x, value, *, index):
    """A copy of ``x`` in which ``index`` holds ``value`` (broadcast): what ``x[index] = value`` makes of a Tensor.

    Where the index names an element twice the last value stays, and it alone gets a gradient.

    >>> import autograd as ag
    >>> ag.setitem(ag.Tensor([1.0, 2.0, 3.0]), 0.0, index=slice(1, None))
    Tensor([1.0, 0.0, 0.0])
    """
    out = xp.asarray(x, copy=True)
    out[index] = value
    return out


def _value_of_setitem(xp: Any, g: Any, index: Any, value_shape: shapes.Shape) -> Any:
    part = xp.last_written(g, index=index)
    extra = len(value_shape) - len(part.shape)  # leading axes of length 1, which an assignment ignores
    return xp.reshape(part, shape=(*[1] * extra, *part.shape)) if extra > 0 else part


setitem.vjp(x=lambda xp, g, index: xp.setitem(g, 0.0, index=index), value=_value_of_setitem)


@op("[ ]", text="{x}[{index}]", tex="{x}_{{[{index}]}}")
def last_written(xp, x, *, index):
    """``x[index]``, and 0 where a later entry of the index names the same element: what of its value `setitem` kept.

    >>> import autograd as ag
    >>> ag.last_written(ag.Tensor([1.0, 2.0]), index=[0, 1, 0])
    Tensor([0.0, 2.0, 1.0])
    """
    picked = x[index]
    if not _may_repeat(index):
        return picked
    order = xp.reshape(xp.arange(shapes.size(picked.shape)), shape=picked.shape)
    last = xp.setitem(xp.reshape(xp.arange(shapes.size(x.shape)), shape=x.shape), order, index=index)
    return xp.where(last[index] == order, picked, 0.0)


last_written.vjp(
    x=lambda xp, g, x_shape, index: xp.setitem(
        xp.scatter_add(xp.zeros_like(g), index=index, shape=x_shape), g, index=index
    )
)


# ------------------------------------------------------------------------------------------------------- along one axis


@op("take", tex=r"\operatorname{{take}}({x}, {indices})")
def take(xp, x, indices, *, axis=None):
    """The entries ``indices`` (integers) of ``axis``, or of the flattened array; the shape of ``indices`` takes its place.

    >>> import autograd as ag
    >>> ag.take(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), [1, 0, 1], axis=0)
    Tensor([[3.0, 4.0],
            [1.0, 2.0],
            [3.0, 4.0]])
    """
    return xp.take(xp.reshape(x, shape=(-1,)) if axis is None else x, indices, axis=axis or 0)


def _take_by_x(xp: Any, g: Any, indices: Any, x_shape: Any, axis: Any) -> Any:
    place, shape = (0, (shapes.size(x_shape),)) if axis is None else (axis % len(x_shape), x_shape)
    return xp.reshape(xp.scatter_add(g, index=shapes.along(place, plain(indices)), shape=shape), shape=x_shape)


take.vjp(x=_take_by_x)


@op("take along", text="take_along_axis({x}, {indices})", tex=r"\operatorname{{take}}({x}, {indices})")
def take_along_axis(xp, x, indices, *, axis=-1):
    """For each place of ``indices`` (integers, as many axes as ``x``) the element of ``x`` that it names along ``axis``.

    >>> import autograd as ag
    >>> ag.take_along_axis(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1)
    Tensor([[2.0],
            [3.0]])
    """
    return xp.take_along_axis(x, indices, axis=axis)


take_along_axis.vjp(
    x=lambda xp, g, indices, axis, x_shape: xp.scatter_along_axis(g, indices, axis=axis, shape=x_shape)
)


@op("scatter along", text="scatter_along_axis({x}, {indices})", tex=r"\operatorname{{scatter}}({x}, {indices})")
def scatter_along_axis(xp, x, indices, *, axis=-1, shape):
    """Zeros of ``shape`` with ``x`` added where ``indices`` say along ``axis``: the adjoint of `take_along_axis`.

    >>> import autograd as ag
    >>> ag.scatter_along_axis(ag.Tensor([[5.0], [7.0]]), [[1], [0]], axis=1, shape=(2, 2))
    Tensor([[0.0, 5.0],
            [7.0, 0.0]])
    """
    ndim = len(shape)
    index: list[Any] = [xp.reshape(xp.arange(n), shape=(n, *[1] * (ndim - 1 - i))) for i, n in enumerate(shape)]
    index[axis] = indices
    return xp.scatter_add(x, index=tuple(index), shape=shape)


scatter_along_axis.vjp(x=lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis))


@op("argsort")
def argsort(xp, x, *, axis=-1, descending=False):
    """The indices that sort ``x`` along ``axis``; equal elements keep their order. No gradient.

    >>> import autograd as ag
    >>> ag.argsort(ag.Tensor([3.0, 1.0, 2.0]))
    Tensor([1, 2, 0])
    """
    if not descending:
        return xp.argsort(x, axis=axis, stable=True)
    order = xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True)
    return x.shape[axis] - 1 - xp.flip(order, axis=axis)


def sort(x: Any, *, axis: int = -1, descending: bool = False) -> Tensor:
    """``x`` sorted along ``axis``; the gradient of an element goes to where it came from.

    >>> import autograd as ag
    >>> ag.sort(ag.Tensor([3.0, 1.0, 2.0]), descending=True)
    Tensor([3.0, 2.0, 1.0])
    """
    ordered: Tensor = take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)
    return ordered
