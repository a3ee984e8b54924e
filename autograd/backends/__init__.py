"""The array namespaces that stand in for ``xp``, and their devices. The only file that says ``cupy``."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from itertools import product
from operator import mul
from typing import Any

import numpy

from autograd import shapes
from autograd.errors import AutogradError, DeviceError, DomainError, DTypeError, ShapeError, SizeError

FORWARDS: dict[str, Callable[..., Any]] = {}
"""Every registered operation's forward by its name: the part of each namespace that its backend does not have."""


CREATION = frozenset(("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros"))
"""What makes arrays of nothing, so that a backend with several devices has to be told where."""


LAST_TWO = frozenset(("diagonal",))
"""What NumPy's main namespace takes of the first two axes, and the array API's ``linalg`` of the last two."""


class Namespace:
    """A backend's functions on one of its devices, plus every registered operation's own forward where the backend has
    none of that name.

    ``place``: what the functions that make arrays are given as ``device``, or ``None``. ``enter``: makes the device the
    one on which its backend works (CuPy), or ``None``.
    """

    absorbs = False
    """Whether arrays of other namespaces may stand among its own, as constants."""

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """Call ``refuse(low, high, **options)``, which raises, unless all elements are from 0 to ``stop - 1``."""
        low, high = int(self.min(array)), int(self.max(array))
        if low < 0 or high >= stop:
            refuse(low, high, **options)

    def opaque(self) -> None:
        """Called by a forward that a program keeps as one instruction. With arrays there is nothing to do."""

    def sliding_windows(self, x: Any, size: Any, stride: Any, dilation: Any, counts: Any) -> Any:
        """Windows of ``x`` (n, *space, channels) as (n, *counts, *size, channels); in NumPy a view."""
        steps = tuple(zip(stride, dilation, counts, strict=True))
        starts = [
            [slice(k * d, k * d + s * (m - 1) + 1, s) for k in range(taps)]
            for taps, (s, d, m) in zip(size, steps, strict=True)
        ]
        taps = [x[(slice(None), *index, ...)] for index in product(*starts)]
        return self.reshape(self.stack(taps, axis=1 + len(size)), (x.shape[0], *counts, *size, x.shape[-1]))

    def matmul_into(self, x: Any, y: Any, out: Any) -> None:
        """Write the matrix ``x @ y`` into ``out``, contiguous and of any shape."""
        out[...] = self.reshape(self.matmul(x, y), out.shape)

    def masked(self, x: Any, mask: Any) -> Any:
        """``x`` where ``mask`` is true, 0 elsewhere, also where ``x`` is infinite or NaN."""
        return self.where(mask, x, self.zeros_like(x))

    def __init__(
        self, module: Any, place: Any = None, enter: Callable[[], Any] | None = None, device: str = "cpu"
    ) -> None:
        self.module, self.place, self.enter, self.device = module, place, enter, device

    def __getattr__(self, name: str) -> Any:
        found = None if name in LAST_TWO else getattr(self.module, name, None)
        if found is None:
            if name not in FORWARDS:
                raise AttributeError(
                    f"{self.module.__name__} has no function {name!r}, and no operation has that name."
                )
            found = partial(FORWARDS[name], self)
        elif self.place is not None and name in CREATION:
            found = partial(found, device=self.place)
        setattr(self, name, found)
        return found

    def __repr__(self) -> str:
        return f"Namespace({self.module.__name__})"


def _strided_windows(x: Any, size: Any, stride: Any, dilation: Any, counts: Any) -> Any:
    n, *space, channels = x.strides
    steps = (*map(mul, space, stride), *map(mul, space, dilation))
    shape = (x.shape[0], *counts, *size, x.shape[-1])
    return numpy.lib.stride_tricks.as_strided(x, shape, (n, *steps, channels), writeable=False)


def _matmul_into(x: Any, y: Any, out: Any) -> None:
    numpy.matmul(x, y, out=out.reshape(-1, y.shape[-1]))


def _masked(x: Any, mask: Any) -> Any:
    """By bits: `numpy.where` branches at each element, which takes twenty times as long."""
    if x.dtype.kind == "c" or not x.shape:
        return numpy.where(mask, x, x.dtype.type(0))
    bits = numpy.dtype(f"i{x.dtype.itemsize}")
    return (x.view(bits) & -mask.astype(bits)).view(x.dtype)


NUMPY = Namespace(numpy)
vars(NUMPY).update(sliding_windows=_strided_windows, masked=_masked, matmul_into=_matmul_into)

FLAT = frozenset(t for t in numpy.sctypeDict.values() if issubclass(t, numpy.number | numpy.bool_))
"""NumPy's scalar types: arrays of shape () whose type is their dtype. Its reductions and 0-d arithmetic give these."""

SPACES: dict[type, Namespace] = {numpy.ndarray: NUMPY, **dict.fromkeys(FLAT, NUMPY)}
"""The namespace of each array type that lives in one place only."""

PLACES: dict[tuple[type, Any], Namespace] = {}
"""The namespace of each other array type and device met so far."""

REALS = frozenset(t for t in FLAT if issubclass(t, numpy.floating))
"""Those of them that are real floating point."""

PLAIN = frozenset(numpy.dtype(t) for t in FLAT)
"""The dtypes that are computed with: numbers and booleans in this machine's byte order."""

PYTHON_SCALARS = frozenset((float, int, bool, complex))
PYTHON_REALS = PYTHON_SCALARS - {complex}
ANYWHERE = PYTHON_SCALARS | {type(None)}
"""The types of what belongs to any namespace."""

INEXACT = "fc"
LinAlgError = numpy.linalg.LinAlgError
DLPACK_CPU = 1
AxisError = numpy.exceptions.AxisError


def register(name: str, forward: Callable[..., Any]) -> None:
    """Offer ``forward`` in every namespace under ``name``, also where an earlier one of that name was found before."""
    FORWARDS[name] = forward
    for space in (NUMPY, *SPACES.values(), *PLACES.values()):
        if isinstance(vars(space).get(name), partial):
            del vars(space)[name]


def namespace(*arrays: Any) -> Namespace:
    """The namespace that the arrays share, on their device. Python numbers belong to any.

    Raises `DeviceError` where arrays of two backends, or of two devices, meet.
    """
    found: Namespace | None = None
    first: Any = None
    for array in arrays:
        kind = type(array)
        if kind in ANYWHERE:
            continue
        space = SPACES.get(kind) or _space_of(array)
        if found is not None and space is not found:
            if found.absorbs:
                continue
            if space.absorbs:
                found, first = space, array
                continue
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


def _is_cupy(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "cupy"


def _space_of(array: Any) -> Namespace:
    """The namespace of an array's type and device."""
    kind = type(array)
    if kind in SPACES or isinstance(array, numpy.ndarray):
        return SPACES.get(kind, NUMPY)  # a subclass (matrix, masked array) is made a plain array first
    if _is_cupy(kind):
        return _cupy_space(array.device.id)
    if not hasattr(array, "__array_namespace__"):
        raise DTypeError(f"{kind.__module__}.{kind.__name__} is no array that this package knows: give a NumPy array.")
    place = getattr(array, "device", None)
    found = PLACES.get((kind, place))
    if found is None:
        found = PLACES[kind, place] = Namespace(array.__array_namespace__(), place)
    return found


# -------------------------------------------------------------------------------------------------------------- devices

EXTRAS = "pip install 'glassgrad[gpu]' for CUDA 13, or 'glassgrad[gpu12]' for CUDA 12"


def _cupy() -> tuple[Any, int]:
    """CuPy, and the number of GPUs that it finds, or a sentence that says how to get them."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise _no_cupy(error) from None
        raise DeviceError(f"device 'cuda' needs CuPy, which is not installed: {EXTRAS}.") from None
    except Exception as error:  # it is there, and broken: its own words may fill a page
        raise _no_cupy(error) from None
    try:
        count, said = cupy.cuda.runtime.getDeviceCount(), "it counts 0"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        count, said = 0, str(error)
    if not count:
        raise DeviceError(
            f"device 'cuda' is not available here: CuPy finds no GPU with a driver for its CUDA ({said}); use device "
            f"'cpu', or install a driver and the CuPy of its CUDA, {EXTRAS}."
        )
    try:
        cupy.cuda.nvrtc.getVersion()  # loads what compiles kernels: a driver brings none of CUDA's libraries
    except Exception as error:
        raise DeviceError(
            f"device 'cuda' needs CUDA's libraries, which CuPy does not find ({_said(error)}): {EXTRAS}."
        ) from None
    return cupy, count


def _no_cupy(error: Exception) -> DeviceError:
    return DeviceError(f"device 'cuda' needs CuPy, which can't be imported ({_said(error)}): {EXTRAS}.")


def _said(error: Exception) -> str:
    """The first of its words."""
    said = (line.strip() for line in str(error).splitlines() if line.strip(" ="))
    return next(said, type(error).__name__).rstrip(".")


def _cupy_space(number: int) -> Namespace:
    """CuPy on the GPU of that number."""
    known: Any = sys.modules.get("cupy")
    found = PLACES.get((known, number))
    if found is None:
        module, count = _cupy()
        if number >= count:
            there = "'cuda:0'" if count == 1 else f"'cuda:0' to 'cuda:{count - 1}'"
            raise DeviceError(f"device 'cuda:{number}' is not available: CuPy finds {there}.")
        found = Namespace(module, enter=module.cuda.Device(number).use, device=f"cuda:{number}")
        PLACES[module, number] = found
        vars(found).update(_cupy_ways(module))
    return found


def _number_of(device: Any) -> int | None:
    """The number of the GPU that a name means, ``None`` for the CPU."""
    kind, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or (kind == "cpu" and number):
        raise DeviceError(f"unknown device {device!r}: choose 'cpu', 'cuda' or 'cuda:1' and the like.")
    return int(number or 0) if kind == "cuda" else None


def devices() -> tuple[str, ...]:
    """The devices that there are: ``"cpu"``, and ``"cuda:0"`` and the like where CuPy finds GPUs. Imports CuPy.

    >>> devices()[0]
    'cpu'
    """
    try:
        count = _cupy()[1]
    except DeviceError:
        count = 0
    return "cpu", *(f"cuda:{i}" for i in range(count))


def space_on(device: str | None) -> Namespace:
    """The namespace whose functions make arrays on ``device``, by default the CPU.

    Raises `DeviceError` for a device that is not ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, or that is not there.
    """
    number = None if device is None else _number_of(device)
    if number is None:
        return NUMPY
    space = _cupy_space(number)
    space.enter()  # type: ignore[misc]
    return space


def device_of(array: Any) -> str:
    """``"cpu"``, or ``"cuda:0"`` and the like; for arrays of another backend what that calls it."""
    if isinstance(array, numpy.ndarray | numpy.generic) or type(array) in PYTHON_SCALARS:
        return "cpu"
    if _is_cupy(type(array)):
        return f"cuda:{array.device.id}"
    return _called(getattr(array, "device", "cpu"))


def _called(place: Any) -> str:
    name = str(place)
    return "cpu" if "cpu" in name.lower() else name.split("'")[1] if name.count("'") == 2 else name


def to_device(array: Any, device: str) -> Any:
    """``array`` on ``device``: itself where it is there already, else a copy.

    Raises `DeviceError` for a device that is not ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, or that is not there.
    """
    if not isinstance(device, str):
        raise DeviceError(f"unknown device {device!r}: choose 'cpu', 'cuda' or 'cuda:1' and the like.")
    here = device_of(array)
    if here == device or (device == "cuda" and here.startswith("cuda:")):
        return array
    if hasattr(array, "to_device") and not isinstance(array, numpy.ndarray | numpy.generic):
        places = array.__array_namespace__().__array_namespace_info__().devices()
        if device not in map(_called, places):
            raise DeviceError(f"unknown device {device!r}: choose {' or '.join(map(repr, map(_called, places)))}.")
        return array.to_device(next(place for place in places if _called(place) == device))
    space = space_on(device)
    if space is NUMPY:
        found = sys.modules["cupy"].asnumpy(array)
        return found if found.ndim else found[()]
    return space.module.asarray(array)


def generator_on(device: str | None, generator: Any) -> Any:
    """What draws on ``device`` for a NumPy ``generator``: itself on the CPU, on a GPU one of CuPy's that it seeds, so
    that draws are not copied there. One of CuPy's stays as it is.
    """
    if device is None or _number_of(device) is None:
        return generator
    space = space_on(device)  # CuPy's generators draw only while their device is the current one
    return generator if _is_cupy(type(generator)) else _generator_there(space, generator)


@lru_cache(maxsize=64)
def _generator_there(space: Namespace, generator: Any) -> Any:
    return space.module.random.default_rng(int(generator.integers(2**63)))


def is_host(array: Any) -> bool:
    """Whether values can be looked at without waiting for a device."""
    return SPACES.get(type(array)) is NUMPY or device_of(array) == "cpu"


def assign(out: Any, index: Any, value: Any) -> None:
    """``out[index] = value`` for an index that may name an element twice: the last value stays, on a GPU as well."""
    if _is_cupy(type(out)) and hasattr(value, "shape"):
        _assign_last(sys.modules["cupy"], out, index, value)
    else:
        out[index] = value


# ------------------------------------------------------------------------------------------------- arrays and numbers


def asarray(data: Any, dtype: Any = None, *, copy: bool | None = None) -> Any:
    """``data`` as an array of its own backend; lists and Python numbers become NumPy's (0-d ones a NumPy scalar).

    Python floats are float64, Python integers int64, as in NumPy. Raises `DTypeError` for what holds no numbers, and
    `autograd.errors.ShapeError` for ragged lists.
    """
    kind = type(data)
    foreign = hasattr(data, "__array_namespace__") and not isinstance(data, numpy.generic)
    known = kind in SPACES or foreign or _is_cupy(kind)
    space = namespace(data) if known else NUMPY
    dtype = None if dtype is None else as_dtype(dtype)
    if space is NUMPY:
        check_mask(data)
        if dtype is not None and dtype.kind != "c" and getattr(getattr(data, "dtype", None), "kind", "") == "c":
            raise DTypeError(f"complex numbers can't be made {dtype}: take their .real and their .imag.")
        try:
            array = own = numpy.array(data, dtype=dtype, copy=copy)
            if dtype is not None and kind not in PYTHON_SCALARS:
                own = numpy.asarray(data)  # told a dtype, NumPy reads numbers out of text, and takes None for NaN
        except AutogradError:
            raise
        except Exception as error:  # the data's own code may have run
            raise _no_array(data, error) from None
        if own.dtype.kind not in "fciub" and (own is array or not _whole(data)):
            raise _no_numbers(data, own.dtype)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.type)
        return array if array.ndim else array[()]
    return space.asarray(data, dtype=dtype, copy=copy)


def check_mask(data: Any) -> None:
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


def _whole(data: Any) -> bool:
    """Whether it is Python's integers, of any size, in lists of any depth."""
    return all(map(_whole, data)) if isinstance(data, list | tuple) else isinstance(data, int)


def _no_numbers(data: Any, dtype: Any) -> Exception:
    """Why NumPy made of ``data`` an array that is none of numbers."""
    kind = type(data).__name__
    for way in ("toarray", "todense"):
        if hasattr(data, way):
            return DTypeError(f"{kind} is a sparse array, and arrays are dense here: give .{way}() of it.")
    if _whole(data):
        return DomainError("an integer is larger than 64 bits hold: write it as a float, or give dtype='float64'.")
    if isinstance(data, numpy.ndarray | numpy.generic | list | tuple | str | bytes):
        return DTypeError(f"an array of dtype {dtype} holds no numbers: give floats, integers or booleans.")
    return DTypeError(f"{kind} is no array of numbers: give floats, integers or booleans, in lists or an array.")


def _no_array(data: Any, error: Exception) -> Exception:
    if isinstance(error, MemoryError):
        return SizeError(f"this is more than the memory holds ({error}): give less, or a smaller dtype.")
    if isinstance(error, OverflowError):
        return DomainError(f"a number does not fit its dtype ({error}): give another dtype.")
    if isinstance(data, list | tuple) and "inhomogeneous" in str(error):
        return ShapeError(f"the nested lists do not form an array ({error}): make all rows of one length and type.")
    return DTypeError(f"{type(data).__name__} is no array of numbers here ({error}).")


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


def device_or_dtype(target: Any) -> tuple[str | None, Any]:
    """What `to` was given: the name of a device, or a dtype. Raises `DTypeError` for what is neither.

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


def is_inexact(dtype: Any) -> bool:
    """Whether ``dtype`` is real or complex floating point."""
    return getattr(dtype, "kind", None) in ("f", "c") or str(dtype).rpartition(".")[2].startswith(("float", "complex"))


def is_real(dtype: Any) -> bool:
    """Whether ``dtype`` is real floating point: what the derivatives of this package are for."""
    kind = getattr(dtype, "kind", None)  # NumPy's and CuPy's dtypes have one; a name takes longer to make
    return kind == "f" if kind else str(dtype).rpartition(".")[2].startswith("float")


def is_complex(dtype: Any) -> bool:
    """Whether ``dtype`` is complex floating point."""
    kind = getattr(dtype, "kind", None)
    return kind == "c" if kind else str(dtype).rpartition(".")[2].startswith("complex")


def is_integral(dtype: Any) -> bool:
    """Whether ``dtype`` counts: signed or unsigned integers."""
    return getattr(dtype, "kind", None) in ("i", "u") or str(dtype).rpartition(".")[2].startswith(("int", "uint"))


def to_dlpack(array: Any, method: str, **options: Any) -> Any:
    """What ``array`` answers to a method of the DLPack protocol; NumPy's scalars as arrays."""
    return getattr(numpy.asarray(array) if type(array) in FLAT else array, method)(**options)


def from_dlpack(x: Any, copy: bool | None = None) -> Any:
    """The array of another library, in the same memory. Raises `DTypeError` for what has no part in DLPack."""
    if not hasattr(x, "__dlpack_device__"):
        raise DTypeError(f"a {type(x).__name__} does not know the DLPack protocol: use asarray.")
    module = numpy if x.__dlpack_device__()[0] == DLPACK_CPU else _cupy()[0]
    array = module.from_dlpack(x)
    array = module.array(array, copy=True) if copy else array
    return array if array.ndim else array[()]


def epsilon(dtype: Any) -> float:
    """The distance from 1 to the next number of a floating-point ``dtype``.

    >>> epsilon("float32") == 2**-23
    True
    """
    return float(numpy.finfo(str(dtype).rpartition(".")[2]).eps)


def to_numpy(array: Any) -> numpy.ndarray[Any, Any]:
    """The values as a NumPy array: shared on the CPU, copied from a device."""
    return numpy.asarray(to_device(array, "cpu"))


def quiet() -> AbstractContextManager[Any]:
    """A context in which NumPy does not warn of infinities and NaN."""
    return numpy.errstate(all="ignore")


def read_only(array: Any) -> Any:
    """A view of ``array`` that can't be written to, where the backend has such."""
    if not isinstance(array, numpy.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def owns(array: Any) -> bool:
    """Whether ``array`` is known to be no view of another."""
    return getattr(array, "base", array) is None


def array_text(array: Any, prefix: str = "") -> str:
    """The values as Python would write them, aligned, six digits; long arrays are shortened as NumPy does."""
    if namespace(array).absorbs:
        return repr(array)  # it has no values
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
    if is_complex(x.dtype) and numpy.dtype(dtype).kind not in "cb":
        raise TypeError(f"complex numbers can't be made {dtype}: take their .real and their .imag")
    return numpy.asarray(x).astype(dtype, copy=copy)[()]


_none = partial(shapes.normalize_axes, ndim=0)  # NumPy lets a number have an axis 0, which no gradient could follow


def _reduction(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return ufunc.reduce(x, axis if x.ndim else _none(axis), dtype, None, keepdims)

    return reduce


def _matmul(x: Any, y: Any) -> Any:
    """Of two matrices by `dot`, which starts sooner, and takes BLAS also for a column times a row."""
    return x.dot(y) if x.ndim == 2 == y.ndim else numpy.matmul(x, y)


@lru_cache(maxsize=256)
def _ones(count: int, dtype: Any) -> Any:
    ones = numpy.ones(count, dtype)
    ones.flags.writeable = False
    return ones


def _check_range(array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
    """One look instead of two: without its sign, a negative number is larger than any other."""
    unsigned = array.view(f"u{array.dtype.itemsize}")
    if numpy.maximum.reduce(unsigned, None) >= stop:
        refuse(int(array.min()), int(array.max()), **options)


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
    return numpy.add.reduce(x, axis if x.ndim else _none(axis), dtype, None, keepdims)  # type: ignore[call-overload]


def _extreme(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if (axis == -1 or axis == 1) and x.ndim == 2 and x.shape[1] in SHORT and x.shape[0] > 16:
            found = ufunc.reduce(x.T.copy(), 0)  # row by row of the transpose: many elements at once
            return found[:, None] if keepdims else found
        return ufunc.reduce(x, axis if x.ndim else _none(axis), dtype, None, keepdims)

    return reduce


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, with a NumPy scalar for a 0-d array: arithmetic on these takes a tenth of the time."""

    def scalar(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        return out if out.ndim else out[()]

    return scalar


def _where(condition: Any, x: Any, y: Any) -> Any:
    """Of scalars by Python's own choice, in the dtype that NumPy's has: a fifth of the time."""
    if type(condition) is numpy.bool_:
        kind, other = type(x), type(y)
        if kind is other and kind in FLAT:
            return x if condition else y
        if kind is float and other in REALS:
            return other(x) if condition else y
        if other is float and kind in REALS:
            return x if condition else kind(y)
    out = numpy.where(condition, x, y)
    return out if out.ndim else out[()]


def _strong(operation: Callable[[Any, Any], Any], harmless: int) -> Callable[[Any, Any], Any]:
    """The operations `through` and `over`, which choose anew only where there is a 0 on the left."""

    def strong(x: Any, y: Any) -> Any:
        kind = type(y)
        if kind in PYTHON_SCALARS:
            return operation(x, y)
        if type(x) in FLAT and kind in FLAT:
            return operation(x, y if x else kind(harmless))
        zero = x == 0
        return operation(x, _where(zero, float(harmless), y) if numpy.count_nonzero(zero) else y)

    return strong


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
    check_range=_check_range,
    matrix_transpose=lambda x: x.mT,
    where=_where,
    through=_strong(operator.mul, 0),
    over=_strong(operator.truediv, 1),
    reshape=_scalar(
        lambda x, shape, copy=None: x.reshape(shape) if copy is None else numpy.reshape(x, shape, copy=copy)
    ),
    **{
        name: _scalar(getattr(numpy, name))
        for name in ("clip", "zeros_like", "ones_like", "full_like", "broadcast_to")
    },
)


# ----------------------------------------------------------------------------------------------------------------- CuPy


def _cupy_ways(cupy: Any) -> dict[str, Callable[..., Any]]:
    """Where CuPy's function of a name differs from the array API's."""
    return {
        "reshape": lambda x, shape, copy=None: (x.copy() if copy else x).reshape(shape),  # not newshape
        "argsort": lambda x, axis=-1, stable=True: cupy.argsort(x, axis=axis),  # always stable
        "sort": lambda x, axis=-1, stable=True: cupy.sort(x, axis=axis),
        "clip": lambda x, low, high: +x if low is high is None else cupy.clip(x, low, high),  # wants one bound
        "where": lambda c, x, y: cupy.where(c if hasattr(c, "astype") else cupy.asarray(c), x, y),  # wants an array
    }


def _assign_last(cupy: Any, out: Any, index: Any, value: Any) -> None:
    """``out[index] = value``, which CuPy leaves open where the index names an element twice: each element gets the last
    of the values that go there. Nothing is read back.
    """
    places = cupy.arange(out.size).reshape(out.shape)[index]
    if not places.size:
        return
    last = cupy.zeros(out.size, dtype="uint64")  # one of the few dtypes that maximum.at takes; 0 for none
    cupy.maximum.at(last, places.ravel(), cupy.arange(1, places.size + 1, dtype="uint64"))
    last = last.astype("int64").reshape(out.shape)
    narrow = value.reshape(value.shape[max(value.ndim - places.ndim, 0) :])  # axes of length 1 in front say nothing
    values = cupy.broadcast_to(narrow, places.shape).ravel()
    out[...] = cupy.where(last > 0, values[cupy.maximum(last - 1, 0)], out)


def all_reduce(ranks: int, rank: int, share: Callable[[Any], Any]) -> Callable[[Any], Callable[[], bool]]:
    """NCCL's sum over the cards of ``ranks`` processes, of which this is number ``rank``, on its current device.

    ``share`` gives every rank what it was given on rank 0. The result takes an array, a contiguous one of the same size
    on every rank, that is to become the sum, and gives a function that says whether it is already: until then nothing
    may be read from it. Raises `DeviceError` where CuPy finds no NCCL. Written after the documentation of CuPy 14; it
    has not been run.
    """
    cupy, _ = _cupy()
    from cupy.cuda import nccl

    if not nccl.available:
        raise DeviceError(
            "gradients are added over several GPUs by NCCL, which CuPy does not find: pip install nvidia-nccl-cu13 for "
            "CUDA 13, or nvidia-nccl-cu12 for CUDA 12."
        )
    communicator = nccl.NcclCommunicator(ranks, share(nccl.get_unique_id() if rank == 0 else None), rank)
    kinds = {"float16": nccl.NCCL_FLOAT16, "float32": nccl.NCCL_FLOAT32, "float64": nccl.NCCL_FLOAT64}

    def add(array: Any) -> Callable[[], bool]:
        stream, place = cupy.cuda.get_current_stream(), array.data.ptr
        communicator.allReduce(place, place, array.size, kinds[array.dtype.name], nccl.NCCL_SUM, stream.ptr)
        event = stream.record()
        return lambda: bool(event.done)

    return add
