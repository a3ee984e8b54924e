"""`Tensor`'s methods for the protocols of Python, NumPy, the array API and DLPack, and hints for foreign names."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from inspect import getattr_static
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.engine.modes import DIFFERENTIATED, MODE
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DeviceError, DomainError, DTypeError, GradientError, ShapeError
from glassgrad.autograd.functions.dtypes import API_VERSIONS
from glassgrad.autograd.functions.methods import install
from glassgrad.autograd.interop.hints import Hint, tensor_hints
from glassgrad.autograd.interop.numpy_protocol import call
from glassgrad.autograd.readings.levels import detached, is_differentiated


class Protocols:
    """The methods that the protocols call. Their ``self`` is a `Tensor`."""

    # ---------------------------------------------------------------------------------- Python: values, copies, pickles

    def __len__(self: Any) -> int:
        if not self.shape:
            raise DTypeError("a Tensor of shape () has no length.")
        return self.shape[0]  # type: ignore[no-any-return]

    def __iter__(self: Any) -> Iterator[Tensor]:
        for i in range(len(self)):
            yield self[i]

    def __bool__(self: Any) -> bool:
        return bool(_number(self, "bool", " with .all() or .any()"))

    def __float__(self: Any) -> float:
        if MODE.get().grad and (is_differentiated(self._data) or (DIFFERENTIATED.get() and self.requires_grad)):
            way = "use functions of autograd or NumPy, or .item() for a constant"
            raise GradientError(f"float({self._called()}), as in math.sin(x), would lose its derivative: {way}.")
        return float(_number(self, "float"))

    def __int__(self: Any) -> int:
        return int(_number(self, "int"))

    def __complex__(self: Any) -> complex:
        return complex(_number(self, "complex"))

    def __index__(self: Any) -> int:
        if self.shape:
            raise DTypeError(f"{self._called()} can't be used as an index: only one integer, of shape (), can.")
        return operator.index(_number(self, "index"))

    def __format__(self: Any, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def item(self: Any) -> float | int | bool | complex:
        """The value of a one-element Tensor as a Python number."""
        return _number(self, "item")  # type: ignore[no-any-return]

    def tolist(self: Any) -> Any:
        """The values as nested lists of Python numbers."""
        return backends.to_numpy(self.data).tolist()

    def __getstate__(self: Any) -> dict[str, Any]:
        if self.node is not None:
            raise GradientError(f"{self._called()} can't be copied or pickled with its history: use .detach() first.")
        data = detached(self.data)  # as under `grad`, where a copy is another Tensor
        return {"data": data, "requires_grad": self.requires_grad, "grad": self.grad, "name": self._name}

    def __setstate__(self: Any, state: dict[str, Any]) -> None:
        self._data, self.requires_grad, self.grad = state["data"], state["requires_grad"], state["grad"]
        self.node = self.hooks = self._view = self._root = None
        self._name = state["name"]

    # ---------------------------------------------------------------------------------------- NumPy, array API, DLPack

    def numpy(self: Any) -> Any:
        """The values as a NumPy array: the same memory on the CPU; from a GPU a copy, which waits for the computation.

        Raises `GradientError` for a Tensor that requires grad, as PyTorch does: what NumPy computes is not recorded.
        """
        return backends.to_numpy(_constant(self, "NumPy").data)

    def __dlpack__(
        self: Any, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """The values for another library, in the same memory. Raises `GradientError` if the Tensor requires grad."""
        options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return backends.to_dlpack(_constant(self, "another library").data, "__dlpack__", **options)

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        """DLPack's type and number of the device."""
        return backends.to_dlpack(self.data, "__dlpack_device__")  # type: ignore[no-any-return]

    def __array_namespace__(self: Any, *, api_version: str | None = None) -> Any:
        """The namespace of functions of Tensors. Raises `DomainError` for an unknown version of the array API."""
        if api_version not in (None, *API_VERSIONS):
            raise DomainError(f"the array API {api_version!r} is not supported; choose {' or '.join(API_VERSIONS)}.")
        return sys.modules["glassgrad.autograd"]

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        if not backends.is_host(self.data):
            raise DeviceError(f"{self._called()} is on {self.device}: copy it to the CPU with .numpy() first.")
        return backends.to_numpy(backends.asarray(self.numpy(), dtype, copy=copy))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """``np.sin(t)`` and ``ndarray * t`` record the operation of that name."""
        return call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """``np.sum(t)``, ``np.concatenate([t, …])`` record the operation of that name."""
        return call(func, "__call__", args, kwargs)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not isinstance(getattr_static(type(self), name, None), Hint)]


def _constant(x: Any, library: str) -> Any:
    """``x`` itself. Raises `GradientError` if it requires grad."""
    if x.requires_grad:
        way = "write .detach() for the values, or the function of that name in autograd, such as autograd.stack([a, b])"
        raise GradientError(f"{x._called()} requires grad, and what {library} computes would not be recorded: {way}.")
    return x


def _number(x: Any, taker: str, way: str = "") -> Any:
    """The value of a one-element Tensor as a Python number."""
    data = x.data
    if data.size != 1:
        raise ShapeError(f"{x._called()} has {x.size} elements, {taker} takes one: pick or reduce them{way}.")
    return data.item() if hasattr(data, "item") else data  # one of a trace refuses in its own words


class EinopsImport:
    """A finder of modules that finds none: it adds the backend for Tensors when einops is imported."""

    @staticmethod
    def find_spec(name: str, *_: Any) -> None:
        """Called for each module that is imported first; ``einops.einops`` is one that einops begins with."""
        if name == "einops.einops":
            sys.meta_path.remove(EinopsImport)
            with suppress(ImportError):  # of an einops that looks elsewhere
                import_module("glassgrad.autograd.interop.einops")


def install_all() -> None:
    """Give `Tensor` the methods of the protocols, and hints for the names that it has not; einops gets its backend."""
    sys.meta_path.insert(0, EinopsImport)
    if "einops" in sys.modules:
        EinopsImport.find_spec("einops.einops")
    install(vars(Protocols))
    for name, foreign in tensor_hints().items():
        if not hasattr(Tensor, name):
            setattr(Tensor, name, foreign)
