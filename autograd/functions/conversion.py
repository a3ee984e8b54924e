"""Conversion to Tensors, between dtypes, and from other libraries."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DTypeError
from glassgrad.autograd.ops import shaping


def asarray(data: Any, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Tensor:
    """``data`` as a Tensor: itself where it is one, without a copy where it is an array.

    ``copy=True`` always copies, a Tensor as a recorded operation. ``copy=False`` never does, and raises `DTypeError`
    where a copy is needed.

    >>> from glassgrad.autograd import asarray
    >>> asarray([1, 2]).dtype
    dtype('int64')
    """
    if isinstance(data, Tensor):
        tensor = data if dtype is None else data.to(dtype)
        tensor = tensor if device is None else tensor.to(device)
        if copy is False and tensor is not data:
            raise DTypeError(f"{data._called()} can't get another dtype or device without a copy: leave copy out.")
        return tensor.clone() if copy and tensor is data else tensor
    array = backends.asarray(data, dtype, copy=copy)
    return wrap(array if device is None else backends.to_device(array, device))


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """A Tensor of another library's array, by the DLPack protocol. It shares its memory, so that writes to one are seen
    in the other, unless it is moved to another ``device`` or ``copy`` is true.

    >>> from glassgrad import autograd as ag
    >>> ag.from_dlpack(ag.Tensor([1.0, 2.0]))
    Tensor([1.0, 2.0])
    """
    array = backends.from_dlpack(x, copy)
    return wrap(array if device is None else backends.to_device(array, device))


def astype(x: Any, dtype: Any, *, copy: bool = True, device: str | None = None) -> Tensor:
    """``x`` in another dtype. The gradient comes back in the dtype of ``x``; to integers and booleans it is detached.

    Without ``copy`` it is ``x`` itself if it has that dtype already. ``device``: the device of the result.

    >>> from glassgrad.autograd import Tensor, astype
    >>> astype(Tensor([1.5]), "int64")
    Tensor([1])
    """
    dtype = backends.as_dtype(dtype)
    if isinstance(x, Tensor) and not backends.is_inexact(dtype):
        x = x.detach()
    same = not copy and isinstance(x, Tensor) and x.dtype == dtype
    result: Tensor = x if same else shaping.astype(x, dtype=dtype)
    return result if device is None else result.to(device)
