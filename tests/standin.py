"""A strict stand-in for CuPy, on the CPU: the names of CuPy 14 and no others, its differences, and none of its mercy.

`module` makes one, to be put into ``sys.modules["cupy"]``. Its arrays refuse NumPy's, live on a device of their own,
and count in `Counts` what a GPU would be kept waiting by: copies to and from it, and whatever needs a value. What CuPy
does in silence (`float(x)`, an index that is a NumPy array, iterating) raises `Hidden` here, so that no training step
can contain it unnoticed. Where CuPy leaves open what happens, here happens the unexpected.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from glassgrad.autograd.backends.spaces import scipy_special
from tests.cupy14 import NAMES, signature

SCALARS = (bool, int, float, complex)


class Hidden(AssertionError):
    """Something that a GPU would wait for, or that would be copied to it, without having been asked for."""


@dataclass
class Counts:
    """What crossed between the device and the machine, and how often the machine waited."""

    transfers: int = 0
    synchronisations: int = 0
    kernels: int = 0

    def reset(self) -> None:
        """Count from 0 again."""
        self.transfers = self.synchronisations = self.kernels = 0

    def read(self) -> None:
        """A value has come to the machine."""
        self.transfers += 1
        self.synchronisations += 1


class Machine:
    """The GPUs: how many, which is the current one, and what was counted."""

    def __init__(self, devices: int) -> None:
        self.devices, self.current, self.counts = devices, 0, Counts()


class CUDARuntimeError(RuntimeError):
    """What CuPy raises where CUDA refuses."""


def module(devices: int = 2) -> Any:
    """A fresh stand-in with so many GPUs. ``module().counts`` are its `Counts`."""
    machine = Machine(devices)
    cupy: Any = ModuleType("cupy")
    array_type = type("ndarray", (Array,), {"__module__": "cupy", "machine": machine})
    for name in NAMES["cupy"]["ufuncs"]:
        setattr(cupy, name, Ufunc(getattr(np, name), array_type))
    cupy.matmul = Ufunc(np.matmul, array_type)
    for name, text in NAMES["cupy"]["functions"].items():
        setattr(cupy, name, _function(name, text, getattr(np, name, None), array_type))
    for part in ("linalg", "fft"):
        there = ModuleType(f"cupy.{part}")
        for name, text in NAMES[part]["functions"].items():
            setattr(there, name, _function(f"{part}.{name}", text, getattr(getattr(np, part), name, None), array_type))
        setattr(cupy, part, there)
    for name in (*NAMES["cupy"]["types"], *NAMES["cupy"]["constants"]):
        if hasattr(np, name):
            setattr(cupy, name, getattr(np, name))
    cupy.lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))
    cupy.random = SimpleNamespace(default_rng=lambda seed: Generator(seed, array_type))
    cupy.ndarray, cupy.counts, cupy.machine = array_type, machine.counts, machine
    cupy.cuda = _cuda(machine)
    return cupy


def _cuda(machine: Machine) -> Any:
    class Device:
        """A GPU by its number; the current one within it, and after `use`."""

        def __init__(self, number: int | None = None) -> None:
            self.id = machine.current if number is None else number
            self.before: list[int] = []

        def use(self) -> None:
            if not 0 <= self.id < machine.devices:
                raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
            machine.current = self.id

        def synchronize(self) -> None:
            machine.counts.synchronisations += 1

        def __enter__(self) -> Device:
            self.before.append(machine.current)
            self.use()
            return self

        def __exit__(self, *error: object) -> None:
            machine.current = self.before.pop()

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Device) and other.id == self.id

        def __hash__(self) -> int:
            return hash(self.id)

        @property
        def attributes(self) -> dict[str, int]:
            return {"MultiProcessorCount": 1}

    class Event:
        """A point in the work of the device."""

        def record(self, stream: Any = None) -> None:
            self.at = perf_counter()

        def synchronize(self) -> None:
            machine.counts.synchronisations += 1

    machine.device = Device  # type: ignore[attr-defined]
    properties = {"name": b"stand-in", "major": 0, "minor": 0, "totalGlobalMem": 0}
    return SimpleNamespace(
        Device=Device,
        Event=Event,
        nvrtc=SimpleNamespace(getVersion=lambda: (0, 0)),
        get_elapsed_time=lambda start, end: 1e3 * (end.at - start.at),
        runtime=SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            getDeviceCount=lambda: machine.devices,
            getDeviceProperties=lambda number: properties,
            runtimeGetVersion=lambda: 0,
            driverGetVersion=lambda: 0,
        ),
    )


class Special(ModuleType):
    """``cupyx.scipy.special``: SciPy's functions on arrays of a stand-in."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        function = getattr(scipy_special(), name)

        def call(*args: Any) -> Any:
            kind = next(type(x) for x in args if isinstance(x, Array))
            kind.machine.counts.kernels += 1
            with np.errstate(all="ignore"):
                return _made(function(*(_given(x, kind.machine) for x in args)), kind)

        return call


if find_spec("cupyx") is None:
    sys.modules["cupyx.scipy.special"] = Special("cupyx.scipy.special")


def _given(value: Any, machine: Machine) -> Any:
    """The NumPy array within, for a function of NumPy's. Arrays of the machine or of another GPU are refused."""
    if isinstance(value, Array):
        if value.device.id != machine.current:
            raise Hidden(f"an array of GPU {value.device.id} is used while {machine.current} is the current one")
        return value.held
    if isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, tuple | list):
        return type(value)(_given(item, machine) for item in value)
    return value


def _made(value: Any, kind: type[Array]) -> Any:
    """Results as arrays of the device, 0-d ones included."""
    if isinstance(value, np.ndarray | np.generic):
        return kind(np.asarray(value))
    if isinstance(value, tuple | list):
        made = [_made(item, kind) for item in value]
        if type(value).__name__.startswith("Unique"):  # of CuPy's results the only ones with names
            return type(value)(*made)
        return tuple(made) if isinstance(value, tuple) else made
    return value


AT = {
    "add": ("int32", "uint32", "uint64", "float16", "float32", "float64"),
    "maximum": ("int32", "uint32", "uint64", "float32", "float64"),
    "minimum": ("int32", "uint32", "uint64", "float32", "float64"),
}
"""What ``ufunc.at`` takes."""


class Ufunc:
    """A ufunc of CuPy's: arrays and Python's numbers, ``out=`` and ``dtype=``, and ``at`` for few dtypes."""

    def __init__(self, ufunc: Any, kind: type[Array]) -> None:
        self.ufunc, self.kind, self.__name__ = ufunc, kind, ufunc.__name__

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        if not any(isinstance(a, Array) for a in args) and not all(isinstance(a, SCALARS) for a in args):
            raise TypeError(f"Unsupported type {type(args[0])}")
        machine = self.kind.machine
        machine.counts.kernels += 1
        given = [_given(a, machine) for a in args]
        options = {} if dtype is None else {"dtype": dtype}
        with np.errstate(all="ignore"):
            value = self.ufunc(*given, **options, **kwargs)
        if out is None:
            return _made(value, self.kind)
        if not np.can_cast(np.asarray(value).dtype, out.dtype, "same_kind"):
            raise TypeError(f"output (typecode {value.dtype.char!r}) could not be coerced to {out.dtype.char!r}")
        out.held[...] = value
        return out

    def at(self, x: Array, index: Any, value: Any) -> None:
        """``x[index] = ufunc(x[index], value)`` as often as the index names an element."""
        if str(x.dtype) not in AT.get(self.__name__, ()):
            raise TypeError(f"{self.__name__}.at does not take {x.dtype}")
        self.kind.machine.counts.kernels += 1
        self.ufunc.at(x.held, x.index(index), _given(value, self.kind.machine))


class Generator:
    """CuPy's generator: draws are made on the device that was current when it was made, and on no other."""

    __module__ = "cupy.random"

    def __init__(self, seed: int, kind: type[Array]) -> None:
        self.bit_generator, self.kind = np.random.default_rng(seed), kind
        self.device = kind.machine.current

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES["Generator"]:
            raise AttributeError(f"cupy.random.Generator has no {name}")
        if self.kind.machine.current != self.device:
            raise RuntimeError("This Generator state is allocated in a different device")
        return lambda *args, **kwargs: self.kind(np.asarray(getattr(self.bit_generator, name)(*args, **kwargs)))


def _function(name: str, text: str, function: Callable[..., Any] | None, kind: type[Array]) -> Callable[..., Any]:
    takes = signature(text)
    special = SPECIAL.get(name)

    def call(*args: Any, **kwargs: Any) -> Any:
        bound = takes.bind(*args, **kwargs)  # what CuPy would not take raises TypeError
        kind.machine.counts.kernels += 1
        kind.machine.counts.synchronisations += name in WAITS
        if special is not None:
            return special(kind, *bound.args, **bound.kwargs)
        if function is None:
            raise NotImplementedError(f"the stand-in does not compute {name}")
        with np.errstate(all="ignore"):
            given = {key: _given(value, kind.machine) for key, value in bound.kwargs.items() if value is not None}
            made = _made(function(*(_given(a, kind.machine) for a in bound.args), **given), kind)
        for array in bound.args:  # what shows the memory of an argument says so, as CuPy's views do
            if isinstance(array, Array) and isinstance(made, Array) and np.may_share_memory(array.held, made.held):
                made.base = array if array.base is None else array.base
        return made

    call.__name__ = name
    return call


def _asarray(kind: type[Array], a: Any, dtype: Any = None, order: Any = None, copy: Any = None, **_: Any) -> Any:
    """From the machine: a transfer. From another GPU: a copy. Else itself, unless a copy or a dtype is asked for."""
    if isinstance(a, Array):
        if a.device.id != kind.machine.current:
            return kind(np.array(a.held, dtype=dtype))
        if (dtype is None or dtype == a.dtype) and not copy:
            return a
        return kind(np.array(a.held, dtype=dtype))
    if isinstance(a, list | tuple) and any(isinstance(item, Array) for item in a):
        return kind(np.stack([_given(item, kind.machine) for item in a]))
    kind.machine.counts.transfers += 1
    return kind(np.array(a, dtype=dtype))


def _asnumpy(kind: type[Array], a: Any, *_: Any, **__: Any) -> Any:
    return a.get() if isinstance(a, Array) else np.asarray(a)


def _as_strided(x: Array, shape: Any = None, strides: Any = None) -> Any:
    return x._view(np.lib.stride_tricks.as_strided(x.held, shape, strides))


def _take(kind: type[Array], a: Array, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    return kind(np.take(_given(a, kind.machine), _given(indices, kind.machine), axis=axis, mode="wrap"))


def _take_along_axis(kind: type[Array], a: Array, indices: Any, axis: int | None) -> Any:
    held, places = _given(a, kind.machine), _given(indices, kind.machine)
    length = held.size if axis is None else held.shape[axis]
    return kind(np.take_along_axis(held, places % length if length else places, axis))


def _clip(kind: type[Array], a: Array, a_min: Any, a_max: Any, out: Any = None) -> Any:
    if a_min is None and a_max is None:
        raise ValueError("array_clip: must set either max or min")
    return kind(np.clip(_given(a, kind.machine), a_min, a_max))


def _where(kind: type[Array], condition: Any, x: Any = None, y: Any = None) -> Any:
    if not isinstance(condition, Array):
        raise AttributeError(f"{type(condition).__name__!r} object has no attribute 'astype'")
    if x is None:
        kind.machine.counts.synchronisations += 1
        return tuple(kind(part) for part in np.where(condition.held))
    return kind(np.where(*(_given(z, kind.machine) for z in (condition, x, y))))


def _nonzero(kind: type[Array], a: Array) -> Any:
    return tuple(kind(part) for part in np.nonzero(a.held))


def _sorting(function: Callable[..., Any]) -> Callable[..., Any]:
    def sort(kind: type[Array], a: Array, axis: int | None = -1, kind_: Any = None) -> Any:
        return kind(function(_given(a, kind.machine), axis=axis, kind="stable"))

    return sort


def _reshape(kind: type[Array], a: Array, newshape: Any, order: Any = "C", copy: Any = None) -> Any:
    return kind(np.reshape(_given(a, kind.machine), newshape))


WAITS = frozenset(
    ("nonzero", "flatnonzero", "argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values")
)
"""Functions that have to know how many elements there will be."""

SPECIAL: dict[str, Callable[..., Any]] = {
    "array": lambda kind, obj, dtype=None, copy=True, *_, **__: _asarray(kind, obj, dtype, copy=copy),
    "asarray": _asarray,
    "asnumpy": _asnumpy,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "clip": _clip,
    "where": _where,
    "nonzero": _nonzero,
    "sort": _sorting(np.sort),
    "argsort": _sorting(np.argsort),
    "reshape": _reshape,
}
"""Where CuPy's function does not what NumPy's of that name does, or is called otherwise."""


class Array:
    """An array of the stand-in. ``held`` is where its numbers are; nothing but this file looks there."""

    machine: Machine
    __array_priority__ = 100
    __slots__ = ("held", "device", "base")

    def __init__(self, held: Any, base: Any = None) -> None:
        self.held = held
        self.device = self.machine.device()  # type: ignore[attr-defined]
        self.base = base

    def __getattr__(self, name: str) -> Any:
        where = "is in CuPy 14 and not in the stand-in" if name in NAMES["ndarray"] else "is not in CuPy 14"
        raise AttributeError(f"cupy.ndarray.{name} {where}")

    # what it is

    __cuda_array_interface__ = property(lambda self: {**self.held.__array_interface__, "strides": self.held.strides})

    def __len__(self) -> int:
        return len(self.held)

    def _view(self, held: Any) -> Any:
        _given(self, self.machine)
        return type(self)(held, self if np.may_share_memory(held, self.held) else None)

    def _kernel(self, name: str, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        self.machine.counts.kernels += 1
        with np.errstate(all="ignore"):
            value = getattr(_given(self, self.machine), name)(*(_given(a, self.machine) for a in args), **kwargs)
        if out is None:
            return _made(value, type(self))
        out.held[...] = value
        return out

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """A copy on the machine."""
        self.machine.counts.read()
        return self.held.copy()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    # places

    def index(self, index: Any) -> Any:
        """The index for NumPy: out-of-range ones come in again at the other end, and masks have to be waited for."""
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, np.ndarray | list) for part in parts):
            raise Hidden("an index would be copied to the device")
        axis, plain = 0, []
        used = sum(part.ndim if isinstance(part, Array) and part.dtype == bool else part is not None for part in parts)
        for part in parts:
            if part is None:
                plain.append(part)
            elif part is ...:
                axis += self.ndim - (used - 1)
                plain.append(part)
            elif isinstance(part, Array):
                held = _given(part, self.machine)
                if held.dtype == bool:
                    self.machine.counts.synchronisations += 1
                    axis += held.ndim
                else:
                    length = self.shape[axis] if axis < self.ndim else 1
                    held = held % length if length else held
                    axis += 1
                plain.append(held)
            else:
                axis += 0 if isinstance(part, bool) else 1
                plain.append(part)
        return tuple(plain) if isinstance(index, tuple) else plain[0]

    def __getitem__(self, index: Any) -> Any:
        self.machine.counts.kernels += 1
        return self._view(np.asarray(_given(self, self.machine)[self.index(index)]))

    def __setitem__(self, index: Any, value: Any) -> None:
        """Where an index names an element twice the first value stays, not NumPy's last."""
        self.machine.counts.kernels += 1
        places, given = self.index(index), _given(value, self.machine)
        parts = places if isinstance(places, tuple) else (places,)
        if isinstance(given, np.ndarray) and any(isinstance(p, np.ndarray) and p.dtype != bool for p in parts):
            flat = np.arange(self.size).reshape(self.shape)[places]
            narrow = given.reshape(given.shape[max(given.ndim - flat.ndim, 0) :])
            values = np.broadcast_to(narrow, flat.shape)
            for place, one in list(zip(flat.ravel(), values.ravel(), strict=True))[::-1]:
                self.held[np.unravel_index(place, self.shape)] = one
        else:
            self.held[places] = given

    # arithmetic and methods

    def astype(self, dtype: Any, copy: bool = True, **_: Any) -> Any:
        """In another dtype."""
        self.machine.counts.kernels += 1
        return self if not copy and dtype == self.dtype else type(self)(_given(self, self.machine).astype(dtype))

    def copy(self, order: str = "C") -> Any:
        """The same numbers again."""
        return self.astype(self.dtype)

    def take(self, indices: Any, axis: int | None = None) -> Any:
        """Entries by their numbers."""
        return _take(type(self), self, indices, axis)


def _refused(name: str) -> Callable[..., Any]:
    def method(self: Array, *args: Any, **kwargs: Any) -> Any:
        raise Hidden(f"{name} of an array of the device was asked for")

    return method


def _binary(name: str, reflected: bool = False, in_place: bool = False) -> Callable[..., Any]:
    function = getattr(operator, name)

    def method(self: Array, other: Any) -> Any:
        if isinstance(other, np.ndarray | np.generic):
            raise TypeError(f"Unsupported type {type(other)}")
        if not isinstance(other, Array | bool | int | float | complex):
            return NotImplemented
        self.machine.counts.kernels += 1
        x, y = _given(self, self.machine), _given(other, self.machine)
        with np.errstate(all="ignore"):
            if in_place:
                function(x, y)  # the array itself is changed
                return self
            return type(self)(np.asarray(function(y, x) if reflected else function(x, y)))

    return method


def _unary(name: str) -> Callable[..., Any]:
    function = getattr(operator, name)

    def method(self: Array) -> Any:
        self.machine.counts.kernels += 1
        return type(self)(np.asarray(function(_given(self, self.machine))))

    return method


def _reads(name: str) -> Callable[..., Any]:
    def method(self: Array) -> Any:
        self.machine.counts.read()
        return getattr(self.held, name)()

    return method


def _shows(name: str) -> Callable[..., Any]:
    """A method that returns a view of the memory, or a copy where NumPy's does."""
    return lambda self, *args: self._view(getattr(self.held, name)(*args))


HIDDEN = (
    "repr", "str", "float", "int", "complex", "format", "bool", "iter", "array_function", "array_ufunc",
)  # fmt: skip
REDUCED = (
    "sum", "prod", "max", "min", "mean", "argmax", "argmin", "all", "any", "dot", "var", "std", "clip", "round",
)  # fmt: skip
for _name in HIDDEN:
    setattr(Array, f"__{_name}__", _refused(f"{_name}()"))
for _name in ("shape", "ndim", "size", "dtype", "nbytes", "itemsize", "strides", "flags"):
    setattr(Array, _name, property(operator.attrgetter(f"held.{_name}")))
for _name in ("T", "mT", "real", "imag"):
    setattr(Array, _name, property(lambda self, _name=_name: self._view(getattr(self.held, _name))))
for _name in ("item", "tolist"):
    setattr(Array, _name, _reads(_name))
for _name in ("view", "reshape", "ravel", "transpose", "squeeze"):
    setattr(Array, _name, _shows(_name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor"):
    _bare = _name.rstrip("_")
    setattr(Array, f"__{_bare}__", _binary(_name))
    setattr(Array, f"__r{_bare}__", _binary(_name, reflected=True))
    if _name != "matmul":
        setattr(Array, f"__i{_bare}__", _binary(f"i{_bare}", in_place=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Array, f"__{_name}__", _binary(_name))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(Array, f"__{_name}__", _unary(_name))
for _name in REDUCED:
    setattr(Array, _name, lambda self, *args, _name=_name, **kwargs: self._kernel(_name, *args, **kwargs))
Array.__hash__ = None  # type: ignore[assignment]
