"""The namespace and the device of arrays."""

from __future__ import annotations

import sys
from typing import Any

import numpy

from glassgrad.autograd.backends import cupy
from glassgrad.autograd.backends.dtypes import ANYWHERE, PYTHON_SCALARS
from glassgrad.autograd.backends.numpy import NUMPY
from glassgrad.autograd.backends.spaces import PLACES, SPACES, Namespace
from glassgrad.autograd.errors import DeviceError, DTypeError


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
            if found.absorbs:
                continue
            if not space.absorbs:
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
    if kind in SPACES or isinstance(array, numpy.ndarray):
        return SPACES.get(kind, NUMPY)  # a subclass (matrix, masked array) is made a plain array first
    if cupy.is_cupy(kind):
        return cupy.space_of_gpu(array.device.id)
    if not hasattr(array, "__array_namespace__"):
        raise DTypeError(f"{kind.__module__}.{kind.__name__} is an unknown type of array: give a NumPy array.")
    place = getattr(array, "device", None)
    found = PLACES.get((kind, place))
    if found is None:
        found = PLACES[kind, place] = Namespace(array.__array_namespace__(), place)
    return found


def _number_of(device: Any) -> int | None:
    """The number of the GPU of that name, ``None`` for the CPU."""
    kind, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()) or (kind == "cpu" and number):
        raise DeviceError(f"unknown device {device!r}: choose 'cpu', 'cuda' or 'cuda:1' and the like.")
    return int(number or 0) if kind == "cuda" else None


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
    number = None if device is None else _number_of(device)
    if number is None:
        return NUMPY
    space = cupy.space_of_gpu(number)
    space.enter()  # type: ignore[misc]
    return space


def device_of(array: Any) -> str:
    """The device of an array: ``"cpu"``, ``"cuda:0"`` and the like, or the name that another backend has for it."""
    if issubclass(type(array), numpy.ndarray | numpy.generic) or type(array) in PYTHON_SCALARS:
        return "cpu"
    if cupy.is_cupy(type(array)):
        return f"cuda:{array.device.id}"
    return _called(getattr(array, "device", "cpu"))


def _called(place: Any) -> str:
    name = str(place)
    return "cpu" if "cpu" in name.lower() else name.split("'")[1] if name.count("'") == 2 else name


def to_device(array: Any, device: str) -> Any:
    """``array`` on ``device``: itself where it is there already, else a copy.

    Raises `DeviceError` for a device that is not ``"cpu"``, ``"cuda"`` or ``"cuda:N"``, or that is not available.
    """
    here = device_of(array)
    if here == device or (device == "cuda" and here.startswith("cuda:")):
        return array
    if hasattr(array, "to_device") and not isinstance(array, numpy.ndarray | numpy.generic):
        places = {_called(place): place for place in array.__array_namespace__().__array_namespace_info__().devices()}
        if device not in places:
            raise DeviceError(f"unknown device {device!r}: choose {' or '.join(map(repr, places))}.")
        return array.to_device(places[device])
    if _number_of(device) is not None:
        return space_on(device).module.asarray(array)
    found = sys.modules["cupy"].asnumpy(array)
    return found if found.ndim else found[()]


def generator_on(device: str | None, generator: Any) -> Any:
    """The generator for draws on ``device``: ``generator`` itself on the CPU, or a generator of CuPy's seeded by it, so
    that draws need not be copied to the GPU.
    """
    if device is None or _number_of(device) is None:
        return generator
    space = space_on(device)  # CuPy's generators draw only while their device is the current one
    return generator if cupy.is_cupy(type(generator)) else cupy.generator_on_gpu(space, generator)


def is_host(array: Any) -> bool:
    """Whether values can be read without waiting for a device."""
    return SPACES.get(type(array)) is NUMPY or device_of(array) == "cpu"


def assign(out: Any, index: Any, value: Any) -> None:
    """``out[index] = value``, where the last value stays if the index names an element twice, also on a GPU."""
    if cupy.is_cupy(type(out)) and hasattr(value, "shape"):
        cupy.assign_last(out, index, value)
    else:
        out[index] = value
