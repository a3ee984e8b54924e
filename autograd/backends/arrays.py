"""Conversion of a user's data to arrays, and of arrays for other libraries."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import numpy

from glassgrad.autograd.backends import cupy
from glassgrad.autograd.backends.dtypes import FLAT, PYTHON_SCALARS, as_dtype
from glassgrad.autograd.backends.lookup import namespace, to_device
from glassgrad.autograd.backends.numpy import NUMPY
from glassgrad.autograd.backends.spaces import SPACES
from glassgrad.autograd.common.references import other_references
from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError, ShapeError, SizeError

DLPACK_CPU = 1


def asarray(data: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
    """``data`` as an array of its own backend. Lists become NumPy arrays; single numbers NumPy scalars.

    Python floats are float64, Python integers int64, as in NumPy. Raises `DTypeError` for data without numbers, and
    `autograd.errors.ShapeError` for ragged lists.
    """
    kind = type(data)
    foreign = hasattr(data, "__array_namespace__") and not isinstance(data, numpy.generic)
    space = namespace(data) if kind in SPACES or foreign or cupy.is_cupy(kind) else NUMPY
    dtype = None if dtype is None else as_dtype(dtype)
    if space is not NUMPY:
        return space.asarray(data, dtype=dtype, copy=copy)
    check_mask(data)
    if dtype is not None and dtype.kind != "c" and getattr(getattr(data, "dtype", None), "kind", "") == "c":
        raise DTypeError(f"complex numbers can't be converted to {dtype}: take their .real and .imag.")
    try:
        array = own = numpy.array(data, dtype=dtype, copy=copy)
        if dtype is not None and kind not in PYTHON_SCALARS:
            own = numpy.asarray(data)  # given a dtype, NumPy parses text as numbers and None as NaN
    except AutogradError:
        raise
    except Exception as error:  # methods of `data` may raise anything
        raise _no_array(data, error) from None
    if own.dtype.kind not in "fciub" and (own is array or not _is_integers(data)):
        raise _no_numbers(data, own.dtype)
    array = array.astype(array.dtype.type, copy=False)  # in this machine's byte order
    return array if array.ndim else array[()]


def check_mask(data: Any) -> None:
    """Raise for a masked array with masked elements, whose values would count as data."""
    masked: Any = sys.modules.get("numpy.ma")  # not imported unless someone made a masked array
    for part in (data, *(data if isinstance(data, list | tuple) else ())) if masked else ():
        if isinstance(part, masked.MaskedArray) and (hidden := int(masked.count_masked(part))):
            raise DTypeError(
                f"{hidden} of the {part.size} elements of a masked array are masked, and masks are not supported: "
                "fill them with .filled(value), or drop them with .compressed()."
            )


def _is_integers(data: Any) -> bool:
    """Whether ``data`` is a Python integer, or a nested list of them."""
    return all(map(_is_integers, data)) if isinstance(data, list | tuple) else isinstance(data, int)


def _no_numbers(data: Any, dtype: Any) -> Exception:
    """The error for data that NumPy converts to an array of something other than numbers."""
    kind = type(data).__name__
    if hasattr(data, "toarray"):
        return DTypeError(f"{kind} is a sparse array, and only dense ones are supported: convert it with .toarray().")
    if _is_integers(data):
        return DomainError("an integer does not fit into 64 bits: write it as a float, or give dtype='float64'.")
    if isinstance(data, numpy.ndarray | numpy.generic | list | tuple | str | bytes):
        return DTypeError(f"an array of dtype {dtype} holds no numbers: give floats, integers or booleans.")
    return DTypeError(f"{kind} is not an array of numbers: give floats, integers or booleans, in lists or an array.")


def _no_array(data: Any, error: Exception) -> Exception:
    if isinstance(error, OverflowError):
        return DomainError(f"a number does not fit its dtype ({error}): give another dtype.")
    if "inhomogeneous" in str(error):
        return ShapeError(f"the nested lists do not form an array ({error}): make all rows of one length and type.")
    kind = SizeError if isinstance(error, MemoryError) else DTypeError
    return kind(f"{type(data).__name__} can't be made an array of numbers ({error}).")


def device_or_dtype(target: Any) -> tuple[str | None, Any]:
    """``(device, None)`` or ``(None, dtype)``, for the argument of `Tensor.to`. Raises `DTypeError` for anything else.

    >>> device_or_dtype("cuda:1"), device_or_dtype(float)
    (('cuda:1', None), (None, dtype('float64')))
    """
    if isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
        return target, None
    try:
        return None, as_dtype(target)
    except DTypeError:
        raise DTypeError(
            f"to takes a device ('cpu', 'cuda', 'cuda:1') or a dtype (float32, float64, int64 and the like); it was "
            f"given {target!r}."
        ) from None


def to_dlpack(array: Any, method: str, **options: Any) -> Any:
    """Call a method of the DLPack protocol on ``array``; NumPy scalars become arrays first."""
    return getattr(numpy.asarray(array) if type(array) in FLAT else array, method)(**options)


def from_dlpack(x: Any, copy: bool | None = None) -> Any:
    """The array of another library, in the same memory. Raises `DTypeError` for objects without DLPack."""
    if not hasattr(x, "__dlpack_device__"):
        raise DTypeError(f"{type(x).__name__} does not support the DLPack protocol: use asarray.")
    module = numpy if x.__dlpack_device__()[0] == DLPACK_CPU else cupy.load()[0]
    array = module.from_dlpack(x)
    array = module.array(array, copy=True) if copy else array
    return array if array.ndim else array[()]


def to_numpy(array: Any) -> numpy.ndarray[Any, Any]:
    """The values as a NumPy array: shared on the CPU, copied from a device."""
    return numpy.asarray(to_device(array, "cpu"))


def ignore_warnings() -> AbstractContextManager[Any]:
    """A context in which NumPy does not warn of infinities and NaN."""
    return numpy.errstate(all="ignore")


def read_only(array: Any) -> Any:
    """A read-only view of ``array``, where the backend has read-only arrays; else ``array``."""
    if type(array) is not numpy.ndarray:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def owns_memory(array: Any) -> bool:
    """Whether no other array shares the memory of ``array``, so that it can be written to.

    That holds for an array that is not a view, and for the only view of an array with its axes permuted, such as the
    channels-last result of a convolution.
    """
    base = getattr(array, "base", array)
    if base is None:
        return True
    if type(base) is not numpy.ndarray or other_references(base) > 1 or base.size != array.size:
        return False
    order = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    flags = array.transpose(order).flags
    return bool(base.flags.owndata and flags.c_contiguous and flags.writeable)


def copy_if_array(value: Any) -> Any:
    """A copy of an array; any other value as it is."""
    return value.copy() if isinstance(value, numpy.ndarray) or cupy.is_cupy(type(value)) else value


def copy_of(array: Any) -> Any:
    """A copy of an array; NumPy scalars are immutable and returned as they are."""
    return array if type(array) in FLAT else namespace(array).asarray(array, copy=True)


def array_text(array: Any, prefix: str = "") -> str:
    """The values as text, aligned, with six digits; long arrays are shortened as in NumPy."""
    if namespace(array).absorbs:
        return repr(array)  # an array of a trace, without values
    values = to_numpy(array)
    texts = [_number(v) for v in values.reshape(-1)[:10_000].tolist()]
    width = max(map(len, texts), default=0) if values.ndim > 1 else 0
    number: Any = {"all": lambda v: _number(v.item() if hasattr(v, "item") else v).rjust(width)}
    return numpy.array2string(values, 120, separator=", ", prefix=prefix, formatter=number, threshold=200)


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return repr(value)
    text = f"{value:.6g}"
    return text if any(c in text for c in ".einf") else f"{text}.0"
