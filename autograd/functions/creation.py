"""Creation functions, by the array API's names.

Each takes ``dtype`` (float64 by default, as in NumPy), ``device`` (``"cpu"``, ``"cuda"``, ``"cuda:1"``; the array is
made there, not copied) and, but for `arange`, `linspace` and `eye`, ``requires_grad``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe, shown
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.engine.modes import is_grad_enabled
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.dtypes import float64
from glassgrad.autograd.functions.shaping import broadcast_arrays, moveaxis
from glassgrad.autograd.ops.shaping import broadcast_to, reshape
from glassgrad.autograd.readings.levels import Lifted

Sizes = int | Sequence[int]
Device = str | None


def _made(
    name: str, *args: Any, dtype: Any, device: Device, requires_grad: bool = False, like: Any = None, **options: Any
) -> Tensor:
    """A Tensor made by the backend's function of that name on ``device``, or on the device of ``like``."""
    args = tuple(x.item() if isinstance(x, Tensor) else x for x in args)  # a bound or a value: not recorded
    space = backends.space_on(device) if like is None else backends.namespace(like)
    given = args if like is None else (like, *args)
    dtype = None if dtype is None else backends.as_dtype(dtype)
    target = dtype or getattr(like, "dtype", None)
    imaginary = any(isinstance(x, complex) or (hasattr(x, "dtype") and backends.is_complex(x.dtype)) for x in args)
    if target is not None and imaginary and not backends.is_complex(target):
        raise DTypeError(f"{name} can't make complex numbers of {args[-1]!r} in {target}: give a complex dtype.")
    try:
        array = getattr(space, name)(*given, dtype=dtype, **options)
        array = backends.asarray(array) if space is backends.NUMPY else array  # raises for values that are not numbers
    except Exception as error:
        said = ", ".join([*map(describe, given), *(f"{k}={shown(v)}" for k, v in options.items())])
        raise backends.in_words(f"{name} can't make an array of {said}", error) from error
    array = array if array.ndim else array[()]
    t = wrap(array if like is None or device is None else backends.to_device(array, device))
    return t.requires_grad_() if requires_grad else t


def _is_recorded(value: Any) -> bool:
    return isinstance(value, Tensor) and (isinstance(value.data, Lifted) or (value.requires_grad and is_grad_enabled()))


def zeros(shape: Sizes, *, dtype: Any = float64, device: Device = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros.

    >>> from glassgrad import autograd as ag
    >>> ag.zeros((2, 2))
    Tensor([[0.0, 0.0],
            [0.0, 0.0]])
    """
    return _made("zeros", shape, dtype=dtype, device=device, requires_grad=requires_grad)


def ones(shape: Sizes, *, dtype: Any = float64, device: Device = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of ones.

    >>> from glassgrad import autograd as ag
    >>> ag.ones(2, dtype="float32")
    Tensor([1.0, 1.0], dtype=float32)
    """
    return _made("ones", shape, dtype=dtype, device=device, requires_grad=requires_grad)


def empty(shape: Sizes, *, dtype: Any = float64, device: Device = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with arbitrary values, to be written before it is read.

    >>> from glassgrad import autograd as ag
    >>> ag.empty((2, 3)).shape
    (2, 3)
    """
    return _made("empty", shape, dtype=dtype, device=device, requires_grad=requires_grad)


def full(
    shape: Sizes, fill_value: float, *, dtype: Any = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor of one value, in the value's dtype unless ``dtype`` is given. Gradients flow to the value.

    >>> from glassgrad import autograd as ag
    >>> ag.full((3,), 7.0)
    Tensor([7.0, 7.0, 7.0])
    >>> ag.grad(lambda a: ag.full((3,), a).sum())(2.0)
    Tensor(3.0)
    """
    if _is_recorded(fill_value):
        return broadcast_to(asarray(fill_value, dtype=dtype, device=device), shape=shape).clone()
    return _made("full", shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: Device = None
) -> Tensor:
    """The numbers from ``start`` (0 if only one number is given) up to but excluding ``stop``.

    >>> from glassgrad import autograd as ag
    >>> ag.arange(3), ag.arange(1.0, 2.0, 0.5)
    (Tensor([0, 1, 2]), Tensor([1.0, 1.5]))
    """
    if _is_recorded(start) or _is_recorded(stop) or _is_recorded(step):
        raise GradientError("arange has no gradient: write start + step * arange(n), or give .detach() of its bounds.")
    return _made("arange", start, stop, step, dtype=dtype, device=device)


def linspace(
    start: float, stop: float, num: int, *, dtype: Any = None, device: Device = None, endpoint: bool = True
) -> Tensor:
    """``num`` numbers from ``start`` to ``stop``, evenly spaced. Gradients flow to both.

    >>> from glassgrad import autograd as ag
    >>> ag.linspace(0.0, 1.0, 3)
    Tensor([0.0, 0.5, 1.0])
    >>> ag.grad(lambda stop: ag.linspace(0.0, stop, 3).sum())(2.0)
    Tensor(1.5)
    """
    if _is_recorded(start) or _is_recorded(stop):
        share = linspace(0.0, 1.0, num, device=(asarray(start) - stop).device, endpoint=endpoint)
        return asarray((1.0 - share) * start + share * stop, dtype=dtype, device=device)
    return _made("linspace", start, stop, num, dtype=dtype, device=device, endpoint=endpoint)


def eye(n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: Any = float64, device: Device = None) -> Tensor:
    """Ones on the ``k``-th diagonal, zeros elsewhere.

    >>> from glassgrad import autograd as ag
    >>> ag.eye(2)
    Tensor([[1.0, 0.0],
            [0.0, 1.0]])
    """
    return _made("eye", n_rows, n_cols, k=k, dtype=dtype, device=device)


def zeros_like(x: Any, *, dtype: Any = None, device: Device = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape, dtype and device of ``x``, unless others are given.

    >>> from glassgrad import autograd as ag
    >>> ag.zeros_like(ag.Tensor([1.0, 2.0]))
    Tensor([0.0, 0.0])
    """
    return _made("zeros_like", like=asarray(x).data, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(x: Any, *, dtype: Any = None, device: Device = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape, dtype and device of ``x``, unless others are given.

    >>> from glassgrad import autograd as ag
    >>> ag.ones_like([1, 2])
    Tensor([1, 1])
    """
    return _made("ones_like", like=asarray(x).data, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(x: Any, *, dtype: Any = None, device: Device = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with arbitrary values, of the shape, dtype and device of ``x``: to be written before it is read.

    >>> from glassgrad import autograd as ag
    >>> ag.empty_like(ag.Tensor([1.0, 2.0])).shape
    (2,)
    """
    return _made("empty_like", like=asarray(x).data, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    x: Any, fill_value: float, *, dtype: Any = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """One value in the shape, dtype and on the device of ``x``, unless others are given. Gradients flow to the value.

    >>> from glassgrad import autograd as ag
    >>> ag.full_like(ag.Tensor([1.0, 2.0]), 7)
    Tensor([7.0, 7.0])
    """
    if _is_recorded(fill_value):
        like = asarray(x)
        return full(like.shape, fill_value, dtype=dtype or like.dtype, device=device or like.device)
    return _made("full_like", fill_value, like=asarray(x).data, dtype=dtype, device=device, requires_grad=requires_grad)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of a grid from one-dimensional coordinates along its axes: a Tensor of the grid's shape for each.

    With ``indexing="xy"`` the first two axes of the grid are swapped, as for pictures; with ``"ij"`` they are not.
    Gradients flow to ``arrays``. Raises `ShapeError` for an array of more axes.

    >>> from glassgrad import autograd as ag
    >>> ag.meshgrid(ag.Tensor([1.0, 2.0]), ag.Tensor([5.0]), indexing="ij")
    [Tensor([[1.0], [2.0]]), Tensor([[5.0], [5.0]])]
    """
    tensors = [asarray(x) for x in arrays]
    if wrong := [x.shape for x in tensors if x.ndim != 1]:
        raise ShapeError(f"meshgrid takes the one-dimensional coordinates of each axis; it was given shape {wrong[0]}.")
    choice(indexing, "indexing", ("xy", "ij"))
    upright = (reshape(x, shape=(-1, *[1] * (len(tensors) - i))) for i, x in enumerate(tensors, 1))
    grids = broadcast_arrays(*upright)
    return [moveaxis(x, 0, 1) for x in grids] if indexing == "xy" and len(grids) > 1 else grids
