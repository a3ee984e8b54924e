"""The array namespaces that are passed as ``xp``, and their devices; conversion of data to arrays and back.

No other folder names ``cupy``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np  # `numpy` is a module of this package
from numpy.exceptions import AxisError
from numpy.linalg import LinAlgError

from glassgrad.autograd import errors
from glassgrad.autograd.backends import cupy
from glassgrad.autograd.backends.dtypes import ANYWHERE, FLAT, PLAIN, PYTHON_REALS, PYTHON_SCALARS, add_scalar
from glassgrad.autograd.backends.numpy import NUMPY
from glassgrad.autograd.backends.spaces import FORWARDS, PLACES, SPACES, Namespace, register
from glassgrad.autograd.common.references import other_references
from glassgrad.autograd.errors import AutogradError, DeviceError, DomainError, DTypeError, ShapeError, SizeError

__all__ = [  # besides the names that are defined here
    "ANYWHERE", "FLAT", "FORWARDS", "LinAlgError", "NUMPY", "Namespace", "PLACES", "PLAIN", "PYTHON_REALS",
    "PYTHON_SCALARS", "SPACES", "add_scalar", "register",
]  # fmt: skip

# ----------------------------------------------------------------------------------------------- namespaces and devices


def namespace(*arrays: Any) -> Namespace:
    """The common namespace of the arrays, on their device. Python numbers are accepted in any.

    Raises `DeviceError` for arrays of two backends or devices.
    """
    found: Namespace | None = None
    first: Any = None
    for array in arrays:
        kind = type(array)
        if kind in ANYWHERE:
            continue
        space = SPACES.get(kind) or _space_of(array)
        if found is not None and space is not found:
            if found.absorbs > space.absorbs:
                continue
            if found.absorbs == space.absorbs:
                raise _mixed(first, array)
        first, found = array, space
    if found is None:
        return NUMPY
    if found.enter is not None:
        found.enter()
    return found


def _mixed(x: Any, y: Any) -> DeviceError:
    a, b = (f"{_space_of(z).module.__name__} ({device_of(z)})" for z in (x, y))
    ways = " or ".join(f".to({device!r})" for device in dict.fromkeys(map(device_of, (x, y))))
    return DeviceError(f"arrays of {a} and {b} can't be mixed: move one of them with {ways}.")


def _space_of(array: Any) -> Namespace:
    """The namespace of an array's type and device."""
    kind = type(array)
    if kind in SPACES or isinstance(array, np.ndarray):
        return SPACES.get(kind, NUMPY)  # a subclass (matrix, masked array) is made a plain array first
    if cupy.is_cupy(kind):
        return cupy.space_of_gpu(array.device.id)
    raise DTypeError(f"{kind.__module__}.{kind.__name__} is an unknown type of array: give a NumPy array.")


def devices() -> tuple[str, ...]:
    """The available devices: ``"cpu"``, and ``"cuda:0"`` and the like where CuPy finds GPUs. Imports CuPy.

    >>> devices()[0]
    'cpu'
    """
    try:
        count = cupy.load()[1]
    except DeviceError:
        count = 0
    return "cpu", *(f"cuda:{i}" for i in range(count))


def space_on(device: str | None) -> Namespace:
    """The namespace whose functions make arrays on ``device``, by default the CPU.

    Raises `DeviceError` for a device that is not ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, or that is not available.
    """
    kind, _, number = device.partition(":") if isinstance(device, str) else (device, "", "")
    if kind in (None, "cpu") and not number:
        return NUMPY
    if kind != "cuda" or (number and not number.isdecimal()):
        raise DeviceError(f"unknown device {device!r}: choose 'cpu', 'cuda' or 'cuda:1' and the like.")
    space = cupy.space_of_gpu(int(number or 0))
    space.enter()  # type: ignore[misc]
    return space


def device_of(array: Any) -> str:
    """The device of an array: ``"cpu"``, or ``"cuda:0"`` and the like."""
    return f"cuda:{array.device.id}" if cupy.is_cupy(type(array)) else getattr(array, "device", "cpu")


def to_device(array: Any, device: str) -> Any:
    """``array`` on ``device``: itself where it is there already, else a copy.

    Raises `DeviceError` for a device that is not ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, or that is not available.
    """
    here, device = device_of(array), str(device)
    if here == device or (device == "cuda" and here.startswith("cuda:")):
        return array
    if (space := space_on(device)) is not NUMPY:
        return space.module.asarray(array)
    found = sys.modules["cupy"].asnumpy(array)
    return found if found.ndim else found[()]


def generator_on(device: str | None, generator: Any) -> Any:
    """The generator for draws on ``device``: ``generator`` itself on the CPU, or a generator of CuPy's seeded by it, so
    that draws need not be copied to the GPU.
    """
    space = space_on(device)  # CuPy's generators draw only while their device is the current one
    return generator if space is NUMPY or cupy.is_cupy(type(generator)) else cupy.generator_on_gpu(space, generator)


def is_host(array: Any) -> bool:
    """Whether values can be read without waiting for a device."""
    return SPACES.get(type(array)) is NUMPY or device_of(array) == "cpu"


def factor(number: float, array: Any) -> Any:
    """``number`` beside ``array``: NumPy computes with an array of one number in half the time of a Python float."""
    return np.array(number, array.dtype) if type(array) is np.ndarray and array.dtype.kind == "f" else number


def assign(out: Any, index: Any, value: Any) -> None:
    """``out[index] = value``, where the last value stays if the index names an element twice, also on a GPU."""
    if cupy.is_cupy(type(out)) and hasattr(value, "shape"):
        cupy.assign_last(out, index, value)
    else:
        out[index] = value


# --------------------------------------------------------------------------------------------------------------- dtypes


def as_dtype(dtype: Any) -> Any:
    """A dtype from its name, a Python type or itself. Raises `DTypeError` for an unknown one, and for dtypes without
    numbers.

    >>> as_dtype("float32")
    dtype('float32')
    """
    try:
        found = None if dtype is None else np.dtype(dtype)
    except (TypeError, ValueError):
        found = None
    if found is None or found.kind not in "fciub":
        raise DTypeError(f"unknown dtype {dtype!r}: choose float32, float64, int64, bool or another that NumPy knows.")
    return found


def _kind(dtype: Any) -> str:
    """NumPy's letter for the kind of a dtype of any library, which is also the first one of its name: f, c, i, u, b."""
    return getattr(dtype, "kind", None) or str(dtype).rpartition(".")[2][:1]


def is_inexact(dtype: Any) -> bool:
    """Whether ``dtype`` is real or complex floating point."""
    return _kind(dtype) in ("f", "c")


def is_real(dtype: Any) -> bool:
    """Whether ``dtype`` is real floating point."""
    return _kind(dtype) == "f"


def is_complex(dtype: Any) -> bool:
    """Whether ``dtype`` is complex floating point."""
    return _kind(dtype) == "c"


def epsilon(dtype: Any) -> float:
    """The distance from 1 to the next number of a floating-point ``dtype``.

    >>> epsilon("float32") == 2**-23
    True
    """
    return float(np.finfo(dtype).eps)


# ----------------------------------------------------------------------------------------------------------- conversion


def asarray(data: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
    """``data`` as an array of NumPy, or of CuPy where it is one. Single numbers become NumPy scalars.

    Python floats are float64, Python integers int64, as in NumPy. Raises `DTypeError` for data without numbers, and
    `autograd.errors.ShapeError` for ragged lists.
    """
    data = getattr(data, "traced", data) if type(data) in PYTHON_SCALARS else data  # of a float that a trace records
    kind = type(data)
    space = namespace(data) if kind in SPACES or cupy.is_cupy(kind) else NUMPY
    dtype = None if dtype is None else as_dtype(dtype)
    if space is not NUMPY:
        return space.asarray(data, dtype=dtype, copy=copy)
    check_mask(data)
    if dtype is not None and dtype.kind != "c" and getattr(getattr(data, "dtype", None), "kind", "") == "c":
        raise DTypeError(f"complex numbers can't be converted to {dtype}: take their .real and .imag.")
    try:
        array = own = np.array(data, dtype=dtype, copy=copy)
        if dtype is not None and kind not in PYTHON_SCALARS:
            own = np.asarray(data)  # given a dtype, NumPy parses text as numbers and None as NaN
    except Exception as error:
        words = f"{kind.__name__} can't be made an array of numbers"
        raise in_words(words, error, OURS | {Exception: DTypeError}) from error
    if own.dtype.kind not in "fciub":
        words = "give floats, booleans or integers of 64 bits, in lists or a dense array"
        raise DTypeError(f"{kind.__name__} of dtype {own.dtype} holds no numbers: {words}.")
    array = array.astype(array.dtype.type, copy=False)  # in this machine's byte order
    return array if array.ndim else array[()]


def check_mask(data: Any) -> None:
    """Raise for a masked array with masked elements, whose values would count as data."""
    masked: Any = sys.modules.get("numpy.ma")  # not imported unless someone made a masked array
    for part in (data, *(data if isinstance(data, list | tuple) else ())) if masked else ():
        if isinstance(part, masked.MaskedArray) and (hidden := int(masked.count_masked(part))):
            words = "are masked, which is not supported: fill them with .filled(value), or drop them with .compressed()"
            raise DTypeError(f"{hidden} of the {part.size} elements of an array {words}.")


def device_or_dtype(target: Any) -> tuple[str | None, Any]:
    """``(device, None)`` or ``(None, dtype)``, for the argument of `Tensor.to`. Raises `DTypeError` for anything else.

    >>> device_or_dtype("cuda:1"), device_or_dtype(float)
    (('cuda:1', None), (None, dtype('float64')))
    """
    is_device = isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda")
    return (target, None) if is_device else (None, as_dtype(target))


def to_dlpack(array: Any, method: str, **options: Any) -> Any:
    """Call a method of the DLPack protocol on ``array``; NumPy scalars become arrays first."""
    return getattr(np.asarray(array) if type(array) in FLAT else array, method)(**options)


def from_dlpack(x: Any, copy: bool | None = None) -> Any:
    """The array of another library, in the same memory. Raises `DTypeError` for objects without DLPack."""
    if not hasattr(x, "__dlpack_device__"):
        raise DTypeError(f"{type(x).__name__} does not support the DLPack protocol: use asarray.")
    module = np if x.__dlpack_device__()[0] == 1 else cupy.load()[0]  # 1 is the CPU
    array = module.from_dlpack(x)
    array = module.array(array, copy=True) if copy else array
    return array if array.ndim else array[()]


def to_numpy(array: Any) -> np.ndarray[Any, Any]:
    """The values as a NumPy array: shared on the CPU, copied from a device."""
    return np.asarray(to_device(array, "cpu"))


def read_only(array: Any) -> Any:
    """A read-only view of ``array``, where the backend has read-only arrays; else ``array``."""
    if type(array) is not np.ndarray:
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
    if type(base) is not np.ndarray or other_references(base) > 1 or base.size != array.size:
        return False
    order = sorted(range(array.ndim), key=array.strides.__getitem__, reverse=True)
    flags = array.transpose(order).flags
    return bool(base.flags.owndata and flags.c_contiguous and flags.writeable)


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
    return np.array2string(values, 120, separator=", ", prefix=prefix, formatter=number, threshold=200)


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return repr(value)
    text = f"{value:.6g}"
    return text if any(c in text for c in ".einf") else f"{text}.0"


# ------------------------------------------------------------------------------------------------------------- errors

OURS: dict[type[Exception], type[Exception]] = {
    AxisError: errors.AxisError, LinAlgError: DomainError, IndexError: errors.IndexingError, TypeError: DTypeError,
    ValueError: ShapeError, ArithmeticError: DomainError, MemoryError: SizeError,
}  # fmt: skip
"""This package's error for each builtin error that a backend raises because of its arguments."""

_OF_SHAPES = re.compile("shape|broadcast|dimension|size|sequence|length|elements|square|axes|sides|match")
"""Words of a backend's ValueError about shapes. Any other ValueError is about a value."""


def in_words(said: str, error: Exception, kinds: Mapping[type[Exception], type[Exception]] = OURS) -> Exception:
    """A backend's ``error`` converted to one of this package, with ``said`` in front of its text.

    Returns ``error`` itself if it is one of this package already, or was not caused by the arguments.
    """
    kind = next((ours for builtin, ours in kinds.items() if isinstance(error, builtin)), None)
    if kind is ShapeError and not _OF_SHAPES.search(str(error)):
        kind = DomainError
    if kind is None or isinstance(error, AutogradError | FloatingPointError):
        return error
    return kind(f"{said}: {str(error).strip().rstrip('.')}.")
