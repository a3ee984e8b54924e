"""The array namespaces that stand in for ``xp``, and their devices. The only file that says ``cupy``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import Any

import numpy

from autograd.errors import AutogradError, DeviceError, DomainError, DTypeError, ShapeError, SizeError

FORWARDS: dict[str, Callable[..., Any]] = {}
"""Every registered operation's forward by its name: the part of each namespace that its backend does not have."""


class Namespace:
    """A backend's functions, plus every registered operation's own forward where the backend has none of that name."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.module, name, None)
        if found is None:
            if name not in FORWARDS:
                raise AttributeError(
                    f"{self.module.__name__} has no function {name!r}, and no operation has that name."
                )
            found = partial(FORWARDS[name], self)
        setattr(self, name, found)
        return found

    def __repr__(self) -> str:
        return f"Namespace({self.module.__name__})"


NUMPY = Namespace(numpy)

FLAT = frozenset(t for t in numpy.sctypeDict.values() if issubclass(t, numpy.number | numpy.bool_))
"""NumPy's scalar types: arrays of shape () whose type is their dtype. Its reductions and 0-d arithmetic give these."""

SPACES: dict[type, Namespace] = {numpy.ndarray: NUMPY, **dict.fromkeys(FLAT, NUMPY)}
"""The namespace of each array type that lives in one place only."""

PLACES: dict[tuple[type, Any], Namespace] = {}
"""The namespace of each other array type and device met so far."""

PLAIN = frozenset(numpy.dtype(t) for t in FLAT)
"""The dtypes that are computed with: numbers and booleans in this machine's byte order."""

PYTHON_SCALARS = frozenset((float, int, bool, complex))
INEXACT = "fc"


def register(name: str, forward: Callable[..., Any]) -> None:
    """Offer ``forward`` in every namespace under ``name``, also where an earlier one of that name was found before."""
    FORWARDS[name] = forward
    for space in (NUMPY, *SPACES.values()):
        if isinstance(vars(space).get(name), partial):
            del vars(space)[name]


def namespace(*arrays: Any) -> Namespace:
    """The namespace that the arrays share. Python numbers belong to any.

    Raises `DeviceError` where arrays of two backends meet.
    """
    found: Namespace | None = None
    first: Any = None
    for array in arrays:
        kind = type(array)
        if kind in PYTHON_SCALARS or array is None:
            continue
        space = SPACES.get(kind) or _learn(array)
        if found is not None and space is not found:
            names = " and ".join(f"{s.module.__name__} ({device_of(a)})" for a, s in ((first, found), (array, space)))
            raise DeviceError(f"arrays of {names} can't be mixed: move one of them with .to('cpu') or .to('cuda').")
        first, found = array, space
    return found or NUMPY


def _learn(array: Any) -> Namespace:
    kind = type(array)
    if isinstance(array, numpy.ndarray):
        return NUMPY  # not entered: a subclass (matrix, masked array) is made a plain array first
    if kind.__module__.partition(".")[0] == "cupy":
        SPACES[kind] = _cupy()
    elif hasattr(array, "__array_namespace__"):
        module = array.__array_namespace__()
        SPACES[kind] = next((s for s in SPACES.values() if s.module is module), None) or Namespace(module)
    else:
        raise DTypeError(f"{kind.__module__}.{kind.__name__} is no array that this package knows: give a NumPy array.")
    return SPACES[kind]


def _cupy() -> Namespace:
    """CuPy's namespace, or a sentence that says how to get it."""
    try:
        import cupy
    except ImportError:
        raise DeviceError(
            "device 'cuda' needs CuPy, which is not installed: pip install 'glassgrad[gpu]' for CUDA 13, "
            "or 'glassgrad[gpu12]' for CUDA 12."
        ) from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(f"device 'cuda' is not available here: {error}. Use device 'cpu'.") from None
    if not count:
        raise DeviceError("device 'cuda' is not available: CuPy finds no GPU. Use device 'cpu'.")
    return next((s for s in SPACES.values() if s.module is cupy), None) or Namespace(cupy)


def device_of(array: Any) -> str:
    """``"cpu"``, or ``"cuda:0"`` and the like."""
    if isinstance(array, numpy.ndarray | numpy.generic) or type(array) in PYTHON_SCALARS:
        return "cpu"
    if type(array).__module__.partition(".")[0] == "cupy":
        return f"cuda:{array.device.id}"
    name = str(getattr(array, "device", "cpu")).lower()
    return "cpu" if "cpu" in name else name


def to_device(array: Any, device: str) -> Any:
    """``array`` on ``device``: itself where it is there already, else a copy.

    Raises `DeviceError` for a device that is not ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, or that is not there.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or (kind == "cpu" and number):
        raise DeviceError(f"unknown device {device!r}: choose 'cpu', 'cuda' or 'cuda:1' and the like.")
    here = device_of(array)
    if here == device or here.startswith(f"{device}:"):
        return array
    if kind == "cpu":
        return sys.modules["cupy"].asnumpy(array)
    cupy = _cupy().module
    try:
        with cupy.cuda.Device(int(number or 0)):
            return cupy.asarray(array)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(f"device {device!r} is not available: {error}.") from None


def asarray(data: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
    """``data`` as an array of its own backend; lists and Python numbers become NumPy's (0-d ones a NumPy scalar).

    Python floats are float64, Python integers int64, as in NumPy. Raises `DTypeError` for what holds no numbers, and
    `autograd.errors.ShapeError` for ragged lists.
    """
    if type(data) in SPACES:
        space = SPACES[type(data)]
    elif hasattr(data, "__array_namespace__") or type(data).__module__.partition(".")[0] == "cupy":
        space = _learn(data)
    else:
        space = NUMPY
    dtype = None if dtype is None else as_dtype(dtype)
    if space is NUMPY:
        _check_mask(data)
        try:
            array = numpy.array(data, dtype=dtype, copy=copy)
        except AutogradError:
            raise
        except Exception as error:  # the data's own code may have run
            raise _no_array(data, error) from None
        if array.dtype.kind not in "fciub":
            raise _no_numbers(data, array.dtype)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return array if array.ndim else array[()]
    return space.asarray(data, dtype=dtype, copy=copy)


def _check_mask(data: Any) -> None:
    """Refuse a masked array of which something is masked: its values would be taken for real ones."""
    module: Any = sys.modules.get("numpy.ma")  # where none was made, it is not even imported
    if module is None or type(data) is numpy.ndarray:
        return
    for part in (data, *(data if isinstance(data, list | tuple) else ())):
        if isinstance(part, module.MaskedArray) and module.is_masked(part):
            hidden = int(module.count_masked(part))
            raise DTypeError(
                f"{hidden} of the {part.size} elements of a masked array are masked, and no mask is kept here: fill "
                "them with .filled(value), or leave them out with .compressed()."
            )


def _no_numbers(data: Any, dtype: Any) -> Exception:
    """Why NumPy made of ``data`` an array that is none of numbers."""
    kind = type(data).__name__
    for way in ("toarray", "todense"):
        if hasattr(data, way):
            return DTypeError(f"a {kind} is sparse, and arrays are dense here: give .{way}() of it.")
    if isinstance(data, int) or (isinstance(data, list | tuple) and all(isinstance(x, int) for x in data)):
        return DomainError("an integer is larger than 64 bits hold: write it as a float, or give dtype='float64'.")
    if isinstance(data, numpy.ndarray | numpy.generic | list | tuple | str | bytes):
        return DTypeError(f"an array of dtype {dtype} holds no numbers: give floats, integers or booleans.")
    return DTypeError(f"a {kind} is no array of numbers: give floats, integers or booleans, in lists or an array.")


def _no_array(data: Any, error: Exception) -> Exception:
    if isinstance(error, MemoryError):
        return SizeError(f"this is more than the memory holds ({error}): give less, or a smaller dtype.")
    if isinstance(error, OverflowError):
        return DomainError(f"a number does not fit its dtype ({error}): give another dtype.")
    if isinstance(data, list | tuple) and "inhomogeneous" in str(error):
        return ShapeError(f"the nested lists do not form an array ({error}): make all rows of one length and type.")
    return DTypeError(f"a {type(data).__name__} is no array of numbers here ({error}).")


def as_dtype(dtype: Any) -> Any:
    """A dtype from its name, its Python type or itself. Raises `DTypeError` for an unknown one, and for none.

    >>> as_dtype("float32")
    dtype('float32')
    """
    try:
        found = None if dtype is None else numpy.dtype(dtype)
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise DTypeError(f"unknown dtype {dtype!r}: choose float32, float64, int64, bool or another that NumPy knows.")
    if found.kind not in "fciub":
        raise DTypeError(f"dtype {found} holds no numbers: choose float32, float64, int64, bool and the like.")
    return found


def is_inexact(dtype: Any) -> bool:
    """Whether ``dtype`` is real or complex floating point."""
    return getattr(dtype, "kind", None) in ("f", "c") or str(dtype).rpartition(".")[2].startswith(("float", "complex"))


def is_real(dtype: Any) -> bool:
    """Whether ``dtype`` is real floating point: what the derivatives of this package are for."""
    return is_inexact(dtype) and not str(dtype).rpartition(".")[2].startswith("complex")


def is_integral(dtype: Any) -> bool:
    """Whether ``dtype`` counts: signed or unsigned integers."""
    return getattr(dtype, "kind", None) in ("i", "u") or str(dtype).rpartition(".")[2].startswith(("int", "uint"))


def to_numpy(array: Any) -> numpy.ndarray[Any, Any]:
    """The values as a NumPy array: shared on the CPU, copied from a device."""
    return numpy.asarray(to_device(array, "cpu"))


def quiet() -> AbstractContextManager[Any]:
    """A context in which NumPy does not warn of infinities and NaN."""
    return numpy.errstate(all="ignore")


def owns(array: Any) -> bool:
    """Whether ``array`` is known to be no view of another."""
    return getattr(array, "base", array) is None


def array_text(array: Any, prefix: str = "") -> str:
    """The values as Python would write them, aligned, six digits; long arrays are shortened as NumPy does."""
    values = to_numpy(array)
    texts = [_number(v) for v in values.reshape(-1)[:10_000].tolist()]
    width = max(map(len, texts), default=0)
    formatter: Any = {"all": lambda v: _number(v.item() if hasattr(v, "item") else v).rjust(width)}
    if values.ndim < 2:
        formatter = {"all": lambda v: _number(v.item() if hasattr(v, "item") else v)}
    return numpy.array2string(
        values, separator=", ", prefix=prefix, formatter=formatter, threshold=200, max_line_width=120
    )


def _number(value: Any) -> str:
    if not isinstance(value, float):
        return repr(value)
    text = f"{value:.6g}"
    return text if any(c in text for c in ".einf") else f"{text}.0"


def _astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    return numpy.asarray(x).astype(dtype, copy=copy)[()]


def _reduction(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return ufunc.reduce(x, axis, dtype, None, keepdims)

    return reduce


def _matmul(x: Any, y: Any) -> Any:
    """Of two matrices by `dot`, which starts sooner, and takes BLAS also for a column times a row."""
    return x.dot(y) if x.ndim == 2 == y.ndim else numpy.matmul(x, y)


@lru_cache(maxsize=256)
def _ones(count: int, dtype: Any) -> Any:
    ones = numpy.ones(count, dtype)
    ones.flags.writeable = False
    return ones


SHORT = range(2, 33)
"""Lengths of rows for which NumPy spends longer on starting a row than on reducing it."""


def _sum(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """BLAS sums the columns of a matrix, and its short rows, as a product with ones: up to five times as fast."""
    if axis is not None and x.ndim == 2 and x.dtype.char in "fd":
        if axis == 0 or axis == (0,):
            sums = _ones(x.shape[0], x.dtype).dot(x)
            return sums[None] if keepdims else sums
        if (axis == -1 or axis == 1) and x.shape[1] in SHORT:
            sums = x.dot(_ones(x.shape[1], x.dtype))
            return sums[:, None] if keepdims else sums
    return numpy.add.reduce(x, axis, dtype, None, keepdims)  # type: ignore[call-overload]


def _extreme(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if (axis == -1 or axis == 1) and x.ndim == 2 and x.shape[1] in SHORT and x.shape[0] > 16:
            found = ufunc.reduce(x.T.copy(), 0)  # row by row of the transpose: many elements at once
            return found[:, None] if keepdims else found
        return ufunc.reduce(x, axis, dtype, None, keepdims)

    return reduce


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, with a NumPy scalar for a 0-d array: arithmetic on these takes a tenth of the time."""

    def scalar(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        return out if out.ndim else out[()]

    return scalar


# Where NumPy's own function will not do: `astype` refuses its scalars, and the wrappers around reductions and
# transposes cost more than a microsecond a call, as much as the work on a small layer.
vars(NUMPY).update(
    astype=_astype,
    sum=_sum,
    prod=_reduction(numpy.multiply),
    max=_extreme(numpy.maximum),
    min=_extreme(numpy.minimum),
    all=_reduction(numpy.logical_and),
    any=_reduction(numpy.logical_or),
    matmul=_matmul,
    matrix_transpose=lambda x: x.mT,
    reshape=_scalar(lambda x, shape: x.reshape(shape)),
    **{
        name: _scalar(getattr(numpy, name))
        for name in ("where", "clip", "zeros_like", "ones_like", "full_like", "broadcast_to")
    },
)
