"""`vmap`: a function for all examples at once.

The arrays of a batch have one more axis, which forwards and rules do not see: their texts run as they are, and a line
below says what each function of the namespace does with that axis. Operations whose forward is a kernel, such as
convolutions, and those that write to an array have a line of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from operator import attrgetter
from typing import Any

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.messages import describe, of_type
from glassgrad.autograd.common.shapes import Shape, broadcast_shapes, normalize_axes, normalize_axis
from glassgrad.autograd.common.validation import check_function, choice
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.operation import OPS, Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import Function, flattened, results_of
from glassgrad.autograd.ops import elementwise, factorizations, special
from glassgrad.autograd.readings.forward import crossed, crossing, without_masks
from glassgrad.autograd.readings.levels import LIFTED, Level, Lifted, detached, innermost

xp, NUMPY = LIFTED, backends.NUMPY


class Batched(Lifted):
    """An array for each example, along the first axis of ``value``."""

    __slots__ = ()

    value = property(lambda self: self.parts[0])

    def seen_shape(self) -> Shape:
        """The shape of one example."""
        return tuple(self.value.shape[1:])

    def detached(self) -> Any:
        """The same values, as constants."""
        return self.map(detached)

    def item(self) -> Any:
        """Raise `DomainError`."""
        raise self.level.refused(
            DomainError,
            "vmap computes for all examples at once, so that there is no single number: choose with autograd.where in "
            "place of if, and give parameters that are numbers from outside of the function.",
        )

    __bool__ = __int__ = __float__ = __index__ = tolist = item


backends.SPACES[Batched] = LIFTED


class Batch(Level):
    """One call of `vmap`, for ``size`` examples."""

    name, differentiates = "vmap", False

    def __init__(self, size: int, draws: bool) -> None:
        super().__init__()
        self.size, self.draws = size, draws

    def of(self, value: Any) -> Batched:
        """The batch whose examples are along the first axis of ``value``."""
        return Batched(self, value)

    def front(self, x: Any) -> Any:
        """The examples along the first axis, repeated if ``x`` is the same for all."""
        if self.owns(x):
            return x.value
        x = x if hasattr(x, "shape") else NUMPY.asarray(x)
        return xp.broadcast_to(x, shape=(self.size, *x.shape))

    def aligned(self, *arrays: Any) -> list[Any]:
        """The arrays so that they broadcast: each with as many axes behind that of the examples as the longest."""
        ndim = max(len(getattr(x, "shape", ())) for x in arrays)
        return [self.widened(x, ndim - x.ndim) if self.owns(x) else x for x in arrays]

    def widened(self, x: Any, count: int) -> Any:
        """The value of ``x`` with ``count`` more axes behind that of the examples."""
        return xp.reshape(x.value, shape=(self.size, *(1,) * count, *x.shape)) if count > 0 else x.value

    def call(self, op: Op, arrays: Any, params: dict[str, Any]) -> Any:
        """The result of an operation: by its line, or by its forward."""
        if op.name in OPERATIONS:
            return OPERATIONS[op.name](self, *arrays, **params)
        if op.name in EACH or op.__module__ in LEADING_MODULES:
            return self.of(LIFTED.call(op, self.aligned(*arrays), params))
        return op.forward(xp, *arrays, **params)

    def function(self, name: str, args: Any, options: dict[str, Any]) -> Any:
        """The result of a function of the namespace, by its line."""
        if name in EACH:
            return self.of(getattr(xp, name)(*self.aligned(*args), **options))
        if name in FUNCTIONS:
            return FUNCTIONS[name](self, *args, **options)
        if name in MATRICES:
            out = attrgetter(name)(xp)(*self.aligned(*args), **options)
            return tuple(map(self.of, out)) if isinstance(out, tuple) else self.of(out)
        if name in OPS:
            return super().function(name, args, options)
        if name in BY_VALUES:
            raise DomainError(
                f"vmap can't compute {name}, because the shape of its result depends on values: the examples would "
                "differ in shape. Call it outside of the function, or choose with autograd.where."
            )
        raise DomainError(
            f"vmap can't compute {name}, because it does not know what {name} does with an axis of examples: compute "
            "by functions of the array API, such as those of autograd."
        )

    def settled(self, part: Any) -> Any:
        """The gradient of a value that was the same for all examples: the sum of theirs."""
        if isinstance(part, Tensor):
            return TENSORS.sum(crossed(examples_of, part, level=self, axis=0), axis=0)
        if not self.owns(part):
            return part.map(self.settled)
        return xp.sum(part.value, axis=0)


# ------------------------------------------------------------------------------------------- the lines of the namespace

EACH = frozenset(ELEMENTWISE) | {"clip", "imag", "real", "round", "where"}
"""Functions of the namespace, and operations, that compute each element by itself."""

MATRICES = frozenset(
    f"linalg.{name}"
    for name in ("cholesky", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "pinv", "qr", "slogdet", "svd")
)
"""Functions of matrices, which take any number of axes before those of the matrix."""

BY_VALUES = frozenset(("nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"))
"""Functions whose result has a shape that depends on values."""

ELEMENTWISE_MODULES = elementwise.__name__, special.__name__
"""The modules of further operations that do."""

LEADING_MODULES = *ELEMENTWISE_MODULES, factorizations.__name__
"""These, and operations on the last axes, which take any number of axes before them."""


def _moved_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of the value, that of the examples in front, which ``axis`` names in an example."""
    return tuple(a + 1 for a in normalize_axes(axis, ndim))


def _by_axes(name: str) -> Callable[..., Any]:
    """A function along several axes, by default all."""

    def line(level: Batch, x: Any, axis: Any = None, **options: Any) -> Any:
        options.pop("dtype", None)
        return level.of(getattr(xp, name)(x.value, axis=_moved_axes(axis, x.ndim), **options))

    return line


def _by_axis(name: str) -> Callable[..., Any]:
    """A function along one axis, whose further arguments are the same for all examples."""

    def line(level: Batch, x: Any, *args: Any, axis: int = -1, **options: Any) -> Any:
        return level.of(getattr(xp, name)(x.value, *args, axis=normalize_axis(axis, x.ndim) + 1, **options))

    return line


def _placed(name: str) -> Callable[..., Any]:
    """A function that finds a place along one axis, or among all elements."""

    def line(level: Batch, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        if axis is None:
            out = line(level, xp.reshape(x, shape=(-1,)), 0)
            return xp.reshape(out, shape=(1,) * x.ndim) if keepdims else out
        return level.of(getattr(xp, name)(x.value, axis=normalize_axis(axis, x.ndim) + 1, keepdims=keepdims))

    return line


def _like(name: str) -> Callable[..., Any]:
    """A function that computes the same for an array with any number of axes in front."""
    return lambda level, x, *args, **options: level.of(getattr(xp, name)(x.value, *args, **options))


def _roll(level: Batch, x: Any, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return xp.reshape(xp.roll(xp.reshape(x, shape=(-1,)), shift=shift, axis=0), shape=x.shape)
    return level.of(xp.roll(x.value, shift=shift, axis=_moved_axes(axis, x.ndim)))


def _reshape(level: Batch, x: Any, shape: Any, copy: Any = None) -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    rest = prod(n for n in shape if n != -1)
    return level.of(xp.reshape(x.value, shape=(level.size, *(x.size // max(rest, 1) if n == -1 else n for n in shape))))


def _broadcast_to(level: Batch, x: Any, shape: Any) -> Any:
    return level.of(xp.broadcast_to(level.widened(x, len(shape) - x.ndim), shape=(level.size, *shape)))


def _expand_dims(level: Batch, x: Any, axis: Any) -> Any:
    count = len(axis) if isinstance(axis, tuple) else 1
    return level.of(xp.expand_dims(x.value, axis=_moved_axes(axis, x.ndim + count)))


def _matmul(level: Batch, x: Any, y: Any) -> Any:
    a, b = x.ndim, y.ndim
    if not level.owns(y) and b == 2:  # the same matrix for all examples: one product
        rows = xp.reshape(x.value, shape=(level.size * prod(x.shape[:-1]), x.shape[-1]))
        return level.of(xp.reshape(xp.matmul(rows, y), shape=(level.size, *x.shape[:-1], y.shape[1])))
    if not level.owns(x) and a == 2 and b == 1:
        return level.of(xp.matmul(y.value, xp.matrix_transpose(x)))
    x = xp.reshape(x, shape=(1, *x.shape)) if a == 1 else x
    y = xp.reshape(y, shape=(*y.shape, 1)) if b == 1 else y
    product = xp.multiply if x.shape[-1] == 1 == y.shape[-2] else xp.matmul  # BLAS takes eight times as long for these
    out = level.of(product(*level.aligned(x, y)))
    gone = (*([-2] if a == 1 else []), *([-1] if b == 1 else []))
    return xp.squeeze(out, axis=gone) if gone else out


def _concat(level: Batch, arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        arrays, axis = [xp.reshape(x, shape=(-1,)) for x in arrays], 0
    return level.of(xp.concat([*map(level.front, arrays)], axis=normalize_axis(axis, arrays[0].ndim) + 1))


def _stack(level: Batch, arrays: Sequence[Any], axis: int = 0) -> Any:
    return level.of(xp.stack([*map(level.front, arrays)], axis=normalize_axis(axis, arrays[0].ndim + 1) + 1))


def _take(level: Batch, x: Any, indices: Any, axis: int) -> Any:
    axis = normalize_axis(axis, x.ndim)
    if not level.owns(x):
        return level.of(_moved(xp.take(x, indices.value, axis=axis), axis, 0))
    if not level.owns(indices):
        return level.of(xp.take(x.value, indices, axis=axis + 1))
    places = xp.take(_positions(x.shape), indices, axis=axis)
    out = xp.take(xp.reshape(x.value, shape=(-1,)), _in_one(level, places, x.size), axis=0)
    return level.of(xp.reshape(out, shape=(level.size, *places.shape)))


def _take_along_axis(level: Batch, x: Any, indices: Any, axis: int = -1) -> Any:
    axis = normalize_axis(axis, x.ndim) + 1
    return level.of(xp.take_along_axis(level.front(x), level.front(indices), axis=axis))


def _searchsorted(level: Batch, x: Any, y: Any, side: str = "left") -> Any:
    if not level.owns(x):
        return level.of(xp.searchsorted(x, y.value, side=side))
    columns = level.front(x), level.front(y)
    rows = [[xp.getitem(a, index=(i, ...)) for a in columns] for i in range(level.size)]
    return level.of(xp.stack([xp.searchsorted(*row, side=side) for row in rows]))


def _tile(level: Batch, x: Any, repetitions: Any) -> Any:
    value = level.widened(x, len(repetitions) - x.ndim)
    return level.of(xp.tile(value, (1, *(1,) * (value.ndim - 1 - len(repetitions)), *repetitions)))


LIKE = "zeros", "ones", "full", "empty"

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _by_axes(name) for name in ("sum", "prod", "max", "min", "all", "any", "flip", "squeeze")},
    **{name: _by_axis(name) for name in ("cumulative_sum", "cumulative_prod", "argsort", "repeat")},
    **{name: _placed(name) for name in ("argmax", "argmin")},
    **{
        name: _like(name)
        for name in ("astype", "contiguous", "matrix_transpose", "tril", "triu", *(f"{n}_like" for n in LIKE))
    },
    "asarray": lambda level, x, **options: x,
    "permute_dims": lambda level, x, axes: level.of(xp.permute_dims(x.value, axes=(0, *_moved_axes(axes, x.ndim)))),
    "special": lambda level, name, *arrays: level.of(xp.special(name, *level.aligned(*arrays))),
    "broadcast_to": _broadcast_to, "concat": _concat, "expand_dims": _expand_dims, "matmul": _matmul,
    "reshape": _reshape, "roll": _roll, "searchsorted": _searchsorted, "stack": _stack, "take": _take,
    "take_along_axis": _take_along_axis, "tile": _tile,
}  # fmt: skip
"""What each function of the namespace does with a batch."""

# --------------------------------------------------------------------------------- the lines of operations that index


def _written_out(index: Any, ndim: int) -> list[Any]:
    """The parts of an index, one for each axis: with ``...`` written out, and masks as integers."""
    parts = without_masks(index)
    if any(isinstance(part, bool) or getattr(part, "dtype", None) == NUMPY.bool for part in parts):
        raise DomainError(
            "vmap can't pick by a mask of the examples' own, or by one truth value, because they would differ in "
            "shape: choose with autograd.where."
        )
    used = sum(part is not None and part is not ... for part in parts)
    dots = next((i for i, part in enumerate(parts) if part is ...), len(parts))
    parts[dots : dots + 1] = [slice(None)] * (ndim - used)
    return parts


def _getitem(level: Batch, x: Any, *, index: Any) -> Any:
    parts = _written_out(index, x.ndim)
    picks = [i for i, part in enumerate(parts) if part is not None and not isinstance(part, slice)]
    arrays = [i for i in picks if hasattr(parts[i], "dtype")]
    together = not picks or picks[-1] - picks[0] == len(picks) - 1
    if not arrays or (together and not any(level.owns(part) for part in parts)):
        return level.of(xp.getitem(level.front(x), index=(slice(None), *parts)))
    chosen = level.aligned(*(parts[i] for i in picks))
    depth = len(broadcast_shapes(*(getattr(parts[i], "shape", ()) for i in picks)))
    for i, part in zip(picks, chosen, strict=True):
        parts[i] = part
    examples = NUMPY.arange(level.size).reshape(-1, *(1,) * depth)
    out = xp.getitem(level.front(x), index=(examples, *parts))  # the picked axes come first
    place = picks[0] if together else 0
    if place:
        order = [0, *range(1 + depth, 1 + depth + place), *range(1, 1 + depth), *range(1 + depth + place, out.ndim)]
        out = xp.permute_dims(out, axes=tuple(order))
    return level.of(out)


def _positions(shape: Sequence[int]) -> Any:
    return NUMPY.arange(prod(shape)).reshape(shape)


def _picked(x: Any, index: Any) -> Any:
    """``x[index]``, where the index may hold batches."""
    level = innermost(index)
    return x[index] if level is None else level.call(OPS["getitem"], (x,), {"index": index})


def _in_one(level: Batch, places: Any, size: int) -> Any:
    """The places of all examples in one flat array, from those among the ``size`` elements of each."""
    rows = xp.reshape(level.front(places), shape=(level.size, places.size))
    return xp.reshape(xp.add(rows, size * NUMPY.arange(level.size).reshape(-1, 1)), shape=(-1,))


def _added(level: Batch, x: Any, places: Any, shape: Shape) -> Any:
    """Zeros of ``shape`` with ``x`` added at ``places``, numbers of elements."""
    flat, size = xp.reshape(level.front(x), shape=(-1,)), prod(shape)
    out = xp.scatter_take(flat, _in_one(level, places, size), axis=0, shape=(level.size * size,))
    return level.of(xp.reshape(out, shape=(level.size, *shape)))


def _scatter_add(level: Batch, x: Any, *, index: Any, shape: Shape) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    if all(part is None or part is ... or isinstance(part, int | slice) for part in parts):
        return level.of(xp.scatter_add(x.value, index=(slice(None), *parts), shape=(level.size, *shape)))
    return _added(level, x, _picked(_positions(shape), index), shape)


def _scatter_take(level: Batch, x: Any, indices: Any, *, axis: Any = None, shape: Shape) -> Any:
    places, axis = (_positions(shape).reshape(-1), 0) if axis is None else (_positions(shape), axis)
    return _added(level, x, xp.take(places, indices, axis=axis), shape)


def _scatter_along_axis(level: Batch, x: Any, indices: Any, *, axis: int = -1, shape: Shape) -> Any:
    return _added(level, x, xp.take_along_axis(_positions(shape), indices, axis=axis), shape)


def _setitem(level: Batch, x: Any, value: Any, *, index: Any) -> Any:
    places = _picked(_positions(x.shape), index)
    value = value if hasattr(value, "shape") else NUMPY.asarray(value)
    extra = max(value.ndim - places.ndim, 0)  # leading axes of length 1, which an assignment ignores
    value = xp.broadcast_to(xp.reshape(value, shape=value.shape[extra:]), shape=places.shape)
    flat, values = (xp.reshape(level.front(y), shape=(-1,)) for y in (x, value))
    out = xp.setitem(flat, values, index=_in_one(level, places, prod(x.shape)))
    return level.of(xp.reshape(out, shape=(level.size, *x.shape)))


# ------------------------------------------------------------------------ the lines of operations that are kernels


def _rows(level: Batch, x: Any) -> Any:
    """The examples of arrays (n, channels, …) as more of the n."""
    x = level.front(x)
    return xp.reshape(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:]))


def _apart(level: Batch, out: Any) -> Any:
    """The reverse of `_rows`."""
    return level.of(xp.reshape(out, shape=(level.size, out.shape[0] // max(level.size, 1), *out.shape[1:])))


def _channels(level: Batch, x: Any) -> Any:
    """The examples of arrays (n, channels, …) as groups of channels."""
    x = _moved(level.front(x), 0, 1)
    return xp.reshape(x, shape=(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))


def _groups(level: Batch, out: Any) -> Any:
    """The reverse of `_channels`."""
    out = xp.reshape(out, shape=(out.shape[0], level.size, out.shape[1] // max(level.size, 1), *out.shape[2:]))
    return level.of(_moved(out, 1, 0))


def _folded(name: str) -> Callable[..., Any]:
    """An operation on arrays (n, channels, …), of each n by itself."""
    return lambda level, *arrays, **params: _apart(
        level, getattr(xp, name)(*(_rows(level, x) for x in arrays), **params)
    )


def _convolved(name: str) -> Callable[..., Any]:
    """An operation on windows of ``x`` and a weight; weights of the examples' own are further groups of channels."""

    def line(level: Batch, x: Any, weight: Any, bias: Any = None, *, groups: int = 1, **how: Any) -> Any:
        convolve = partial(getattr(xp, name), **how)
        if level.owns(weight):
            out = _groups(level, convolve(_channels(level, x), _rows(level, weight), groups=groups * level.size))
        else:
            out = _apart(level, convolve(_rows(level, x), weight, groups=groups))
        return out if bias is None else out + xp.reshape(bias, shape=(*bias.shape, *(1,) * (out.ndim - 2)))

    return line


def _conv_weight(level: Batch, x: Any, y: Any, *, groups: int = 1, **how: Any) -> Any:
    return _apart(level, xp.conv_weight(_channels(level, x), _channels(level, y), groups=groups * level.size, **how))


def _contract(level: Batch, *arrays: Any, subscripts: str) -> Any:
    label = next(c for c in map(chr, range(0x300, 0x400)) if c not in subscripts)
    terms, _, result = subscripts.partition("->")
    own = zip(terms.split(","), arrays, strict=True)
    seen = ",".join(label + term if level.owns(x) else term for term, x in own)
    values = [x.value if level.owns(x) else x for x in arrays]
    return level.of(xp.contract(*values, subscripts=f"{seen}->{label}{result}"))


def _linear(level: Batch, x: Any, weight: Any, bias: Any = None) -> Any:
    out = xp.matmul(x, xp.matrix_transpose(weight))
    return out if bias is None else out + bias


def _cross_entropy(level: Batch, *arrays: Any, **params: Any) -> Any:
    return OPS["cross_entropy"].forward(xp, *(level.of(level.front(x)) for x in arrays), **params)


OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: _by_axis(name) for name in ("dft", "inverse_dft", "real_dft", "inverse_real_dft")},
    **{
        name: _folded(name)
        for name in ("at_max", "fold", "max_pool", "max_unpool", "sum_pool", "sum_unpool", "unfold")
    },
    "all_reduce": lambda level, x, *, add: level.of(add(x.value)), "contract": _contract, "conv": _convolved("conv"),
    "conv_input": _convolved("conv_input"), "conv_weight": _conv_weight, "cross_entropy": _cross_entropy,
    "getitem": _getitem, "linear": _linear, "scatter_add": _scatter_add, "scatter_along_axis": _scatter_along_axis,
    "scatter_take": _scatter_take, "setitem": _setitem,
    "solve": lambda level, *arrays: level.of(xp.solve(*level.aligned(*arrays))),
}  # fmt: skip
"""What operations do with a batch whose forward does not run on one: kernels, and writes to an array."""

# ------------------------------------------------------------------------------------------------------ the transform


def _moved(x: Any, start: int, end: int) -> Any:
    """``x`` with one axis moved."""
    order = [*range(x.ndim)]
    order.insert(normalize_axis(end, x.ndim), order.pop(normalize_axis(start, x.ndim)))
    return x if order == [*range(x.ndim)] else LIFTED.permute_dims(x, axes=tuple(order))


@crossing()
def batch(xp: Any, x: Any, *, level: Batch, axis: int) -> Any:
    """The entries of ``axis`` as the examples of ``level``; ``x`` may have a level within ``level``."""
    axis = normalize_axis(axis, x.ndim)
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.map(lambda part: batch.forward(xp, part, level=level, axis=axis + part.ndim - x.ndim))
    return Batched(level, _moved(x, axis, 0))


@crossing()
def examples_of(xp: Any, x: Any, *, level: Batch, axis: int) -> Any:
    """The examples of ``level`` as the entries of ``axis``; ``x`` may have a level within ``level``."""
    axis = normalize_axis(axis, x.ndim + 1)
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.map(lambda part: examples_of.forward(xp, part, level=level, axis=axis + part.ndim - x.ndim))
    return _moved(level.front(x), 0, axis)


batch.vjp(x=lambda g, level, axis: crossed(examples_of, g, level=level, axis=axis))
examples_of.vjp(x=lambda g, level, axis: crossed(batch, g, level=level, axis=axis))


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0, *, randomness: str = "different") -> Callable[..., Any]:
    """The function that computes ``f`` for all examples at once, without a loop.

    ``in_axes``: the axis of an argument along which its examples are, or ``None`` where it is the same for all; one
    for each argument, or one for all of them; of keyword arguments it is the first. Arguments and results may be trees.
    ``out_axes``: the axis of the examples in each result, one for all or a tree of them. ``randomness``: whether draws
    of `autograd.random` are ``"different"`` or ``"same"`` among the examples. Calls nest with each other, `grad` and
    `jvp` in any order: ``vmap(grad(loss), in_axes=(None, 0))`` has the gradients of each example.

    Raises `ShapeError` where the numbers of examples differ, and `DomainError` within ``f`` where a result's shape, or
    the way that Python takes, would depend on an example's values.

    >>> from glassgrad import autograd as ag
    >>> weight, examples = ag.Tensor([1.0, 2.0]), ag.Tensor([[1.0, 0.0], [3.0, 1.0], [0.0, 1.0]])
    >>> ag.vmap(lambda x: (weight * x).sum())(examples)
    Tensor([1.0, 5.0, 2.0])
    >>> ag.vmap(ag.grad(lambda w, x: (w * x).sum() ** 2), in_axes=(None, 0))(weight, examples)
    Tensor([[ 2.0, 0.0],
            [30.0, 10.0],
            [ 0.0, 4.0]])
    """
    check_function(f, "vmap's f", "a function of Tensors")
    choice(randomness, "randomness", ("different", "same"))

    def batched(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ShapeError(f"in_axes has {len(axes)} entries for {len(args)} argument(s): give one for each.")
        names = [*(f"argument {i}" for i in range(len(args))), *kwargs]
        axes, args = (*axes, *(0 for _ in kwargs)), (*args, *kwargs.values())
        flat, forms = zip(*map(flattened, args), strict=True) if args else ((), ())
        xs = [
            [
                (x if a is None else asarray(x), a)
                for x, a in zip(leaves, _axes_of(axis, form, "in_axes", name), strict=True)
            ]
            for leaves, form, axis, name in zip(flat, forms, axes, names, strict=True)
        ]
        level = Batch(_number_of_examples(xs, forms, names), randomness == "different")

        def called() -> Any:
            given = [
                trees.unflatten(form, [x if a is None else batch(x, level=level, axis=a) for x, a in leaves])
                for leaves, form in zip(xs, forms, strict=True)
            ]
            named = dict(zip(kwargs, given[len(given) - len(kwargs) :], strict=True))
            _, _, ys, form = results_of(f, given[: len(given) - len(kwargs)], named)
            places = _axes_of(out_axes, form, "out_axes", "the result")
            return trees.unflatten(form, [examples_of(y, level=level, axis=a) for y, a in zip(ys, places, strict=True)])

        return level.run(called)

    return batched


def _axes_of(axis: Any, form: trees.Structure, given: str, what: str) -> list[Any]:
    """The axis of the examples in each leaf of an argument or result. Raises `DTypeError` for what is none."""
    kinds, none = (int | None, ", None,") if given == "in_axes" else (int, "")
    found = [axis] * trees.count(form) if isinstance(axis, int | None) else trees.flatten_up_to(form, axis)
    for one in found:
        if isinstance(one, bool) or not isinstance(one, kinds):
            raise DTypeError(
                f"{given} names {of_type(one)} for {what}: give the number of an axis{none} or a tree of these in its "
                "structure."
            )
    return found


def _number_of_examples(xs: Sequence[Sequence[Any]], forms: Sequence[Any], names: Sequence[str]) -> int:
    """The length of the axes. Raises unless it is the same for all."""
    sizes: dict[str, int] = {}
    for leaves, form, given in zip(xs, forms, names, strict=True):
        for (x, axis), name in zip(leaves, trees.paths(form, given), strict=True):
            if axis is None:
                continue
            if not -x.ndim <= axis < x.ndim:
                by_name = not given.startswith("argument ")
                remedy = "give it by position, with None in in_axes" if by_name else "give None"
                raise ShapeError(f"vmap: {name} is {describe(x)}, which has no axis {axis} of examples; {remedy}.")
            sizes[name] = x.shape[axis]
    if not sizes:
        raise ShapeError("vmap needs an argument with examples: in_axes = None says that all are the same.")
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ShapeError(f"vmap needs the same number of examples in all arguments: {told}.")
    return next(iter(sizes.values()))
