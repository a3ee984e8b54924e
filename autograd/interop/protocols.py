"""`Tensor`'s methods for the protocols of NumPy, the array API and DLPack, and hints for names of other libraries."""

from __future__ import annotations

from inspect import getattr_static
from types import FunctionType
from typing import Any

from autograd import backends
from autograd.errors import DeviceError, DomainError, GradientError
from autograd.functions.dtypes import API_VERSIONS
from autograd.interop import inspection  # noqa: F401  (its function is one of the namespace)
from autograd.interop.hints import Hint, tensor_hints


class Protocols:
    """The methods that the protocols call. Their ``self`` is a `Tensor`."""

    def __dlpack__(self: Any, **options: Any) -> Any:
        """The values for another library, in the same memory. Raises `GradientError` if the Tensor requires grad."""
        if self.requires_grad:
            raise GradientError(
                f"{self._called()} requires grad, and what another library computes from it would not be recorded: "
                "give it .detach()."
            )
        return backends.to_dlpack(self.data, "__dlpack__", **options)

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        """DLPack's type and number of the device."""
        return backends.to_dlpack(self.data, "__dlpack_device__")  # type: ignore[no-any-return]

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        if not backends.is_host(self.data):
            raise DeviceError(f"{self._called()} is on {self.device}: copy it to the CPU with .numpy() first.")
        return backends.to_numpy(backends.asarray(self.numpy(), dtype, copy=copy))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """``np.sin(t)`` and ``ndarray * t`` record the operation of that name."""
        from autograd.interop.numpy_protocol import call

        return call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """``np.sum(t)``, ``np.concatenate([t, …])`` record the operation of that name."""
        from autograd.interop.numpy_protocol import call

        return call(func, "__call__", args, kwargs)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not isinstance(getattr_static(type(self), name, None), Hint)]


def install(cls: type, package: Any) -> None:
    """Give ``cls`` the methods of the protocols, with ``package`` as the namespace of its functions."""

    def __array_namespace__(self: Any, *, api_version: str | None = None) -> Any:
        """The namespace of functions of Tensors. Raises `DomainError` for an unknown version of the array API."""
        if api_version not in (None, *API_VERSIONS):
            raise DomainError(f"the array API {api_version!r} is not supported; choose {' or '.join(API_VERSIONS)}.")
        return package

    for name, value in {**vars(Protocols), "__array_namespace__": __array_namespace__}.items():
        if isinstance(value, FunctionType):
            setattr(cls, name, value)
    for name, foreign in tensor_hints().items():
        if not hasattr(cls, name):
            setattr(cls, name, foreign)
