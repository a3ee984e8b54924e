"""CuPy: finding it, its differences from the array API, and sums over several GPUs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from glassgrad.autograd.backends.spaces import PLACES, Namespace
from glassgrad.autograd.errors import DeviceError

EXTRAS = 'pip install "glassgrad[gpu]" for CUDA 13, or "glassgrad[gpu12]" for CUDA 12'


def is_cupy(kind: type) -> bool:
    """Whether a class is one of CuPy's. Imports nothing."""
    return kind.__module__.partition(".")[0] == "cupy"


def load() -> tuple[Any, int]:
    """CuPy, and the number of GPUs that it finds. Raises `DeviceError`, which says how to get them."""
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
        cupy.cuda.nvrtc.getVersion()  # loads NVRTC, which compiles kernels: a driver alone lacks it
    except Exception as error:  # of a CuPy that is installed but broken, which may fill a page
        said = str(error).strip(" =\n").partition("\n")[0].rstrip(".")
        way = f"use device 'cpu', or install a driver, the CuPy of its CUDA and CUDA's libraries: {EXTRAS}"
        raise DeviceError(f"device 'cuda' is not available here ({said}): {way}.") from None
    return cupy, count


def space_of_gpu(number: int) -> Namespace:
    """The namespace of CuPy on the GPU of that number."""
    known: Any = sys.modules.get("cupy")
    found = PLACES.get((known, number))
    if found is None:
        module, count = load()
        if number >= count:
            there = " or ".join(["'cpu'", *(f"'cuda:{i}'" for i in range(count))])
            raise DeviceError(f"device 'cuda:{number}' is not available: choose {there}.")
        found = Namespace(module, enter=module.cuda.Device(number).use, device=f"cuda:{number}")
        PLACES[module, number] = found
        vars(found).update(differences(module))
    return found


@lru_cache(maxsize=64)
def generator_on_gpu(space: Namespace, generator: Any) -> Any:
    """A random generator of CuPy, seeded by NumPy's ``generator``; each call returns the same one."""
    return space.module.random.default_rng(int(generator.integers(2**63)))


def differences(cupy: Any) -> dict[str, Callable[..., Any]]:
    """Replacements for the functions of CuPy that differ from the array API."""
    return {
        "reshape": lambda x, shape, copy=None: (x.copy() if copy else x).reshape(shape),  # CuPy has no `shape=`
        "argsort": lambda x, axis=-1, stable=True: cupy.argsort(x, axis=axis),  # CuPy's is always stable
        "sort": lambda x, axis=-1, stable=True: cupy.sort(x, axis=axis),
        "clip": lambda x, low, high: +x if low is high is None else cupy.clip(x, low, high),  # CuPy needs a bound
        "special": lambda name, *arrays: getattr(import_module("cupyx.scipy.special"), name)(*arrays),
        "where": lambda c, x, y: cupy.where(c if hasattr(c, "astype") else cupy.asarray(c), x, y),
    }


def assign_last(out: Any, index: Any, value: Any) -> None:
    """``out[index] = value`` with the last value for an element that the index names twice, which CuPy leaves
    undefined: all places of the element get that value. Nothing is read back from the GPU.
    """
    cupy: Any = sys.modules["cupy"]
    places = cupy.arange(out.size).reshape(out.shape)[index]
    last = cupy.zeros(out.size, dtype="uint64")  # one of the few dtypes that maximum.at takes
    cupy.maximum.at(last, places.ravel(), cupy.arange(places.size, dtype="uint64"))
    narrow = value.reshape(value.shape[max(value.ndim - places.ndim, 0) :])  # leading axes of length 1 don't count
    out[index] = cupy.broadcast_to(narrow, places.shape).ravel()[last.astype("int64")[places]]
