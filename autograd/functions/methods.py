"""The operators of `Tensor` and the methods that compute. They are installed on the class here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.operators import BINARY, COMPARED, SINGLE
from glassgrad.autograd.common.shapes import Axis, normalize_axis, size
from glassgrad.autograd.engine.backward import backward, register_hook, retain_grad
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.operation import OPS, Op, frozen_copy
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.engine.writes import become, is_written, old_value, prepare, remember
from glassgrad.autograd.errors import DeviceError, DTypeError, ShapeError
from glassgrad.autograd.functions.conversion import astype
from glassgrad.autograd.ops import elementwise, indexing, linalg, shaping
from glassgrad.autograd.readings.levels import detached

SIGNS = dict(zip(BINARY, ("+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>"), strict=True))
"""The operators as they are written."""

METHODS = (
    "exp", "log", "sqrt", "square", "sin", "cos", "tanh", "sigmoid", "relu", "abs", "clip", "sum", "mean", "max", "min",
    "prod", "var", "std", "argmax", "argmin", "all", "any",
)  # fmt: skip
"""Operations that are methods of the same name."""


def reflected(operation: Op) -> Callable[[Tensor, Any], Tensor]:
    """The reflected operator, as in ``other + tensor``."""
    operator = operation.operator

    def method(self: Tensor, other: Any) -> Tensor:
        return operator(other, self)  # type: ignore[no-any-return]

    return method


def in_place(sign: str, operation: Op) -> Callable[[Tensor, Any], Tensor]:
    """The method for an operator such as ``tensor += other``, which replaces the Tensor's value and node.

    It raises `GradientError` on a leaf that requires grad, except under ``no_grad``; `ShapeError` where the shape would
    change, and `DTypeError` where the kind of number would.
    """

    def method(self: Tensor, other: Any) -> Tensor:
        prepare(self, f"write w = w {sign} ... for a new Tensor, or change it")
        result = operation.operator(old_value(self), other)
        if result is NotImplemented:
            return result  # type: ignore[no-any-return]
        fits = result.shape == self.shape
        if not (fits and backends.NUMPY.can_cast(result.dtype, self.dtype, "same_kind")):
            error, given = (DTypeError, f"dtype {result.dtype}") if fits else (ShapeError, f"shape {result.shape}")
            way = f"write x = x {sign} ... for a new Tensor"
            raise error(f"{self._called()} can't take a value of {given} in place: {way}.")
        become(self, result.to(self.dtype))
        return self

    return method


class Methods:
    """Methods that do more than call an operation. Their ``self`` is a `Tensor`."""

    @property
    def T(self: Any) -> Tensor:
        """The axes in reverse order, as in NumPy: of a matrix its transpose. `mT` transposes each matrix of a batch.

        >>> from glassgrad import autograd as ag
        >>> ag.ones((2, 3, 4)).T.shape, ag.ones((2, 3, 4)).mT.shape
        ((4, 3, 2), (2, 4, 3))
        """
        return self.mT if self.ndim == 2 else self.permute_dims(tuple(reversed(range(self.ndim))))  # type: ignore[no-any-return]

    @property
    def mT(self: Any) -> Tensor:
        """The last two axes swapped."""
        return linalg.matrix_transpose.apply(self)  # type: ignore[no-any-return]

    backward, retain_grad, register_hook, astype = backward, retain_grad, register_hook, astype

    def detach(self: Any) -> Tensor:
        """The same values as a constant. The memory is shared, so in-place changes of one, as by an optimizer's step,
        change the other, and backward on a graph that saved it raises from then on; use `clone` where that matters.
        """
        found = wrap(detached(self.data), name=self.name)
        remember(found, self)
        return found

    def clone(self: Any) -> Tensor:
        """A copy, as a recorded operation."""
        if self.data.dtype.kind == "b":  # booleans have no sign
            return shaping.astype.apply(self, dtype=self.dtype)  # type: ignore[no-any-return]
        return elementwise.positive.apply(self)  # type: ignore[no-any-return]

    # ----------------------------------------------------------------------------------------------- devices and types

    def to(self: Any, target: Any) -> Tensor:
        """This Tensor on another device (``"cpu"``, ``"cuda"``, ``"cuda:1"``) or in another dtype, recorded; itself
        where nothing changes. Raises `DeviceError` for a device that is not there.
        """
        device, dtype = backends.device_or_dtype(target)
        if device is None:
            return self if dtype == self.dtype else astype(self, dtype)
        if self.device == device or self.device.startswith(f"{device}:"):
            return self  # type: ignore[no-any-return]
        return shaping.to_device.apply(self, device=device)  # type: ignore[no-any-return]

    def to_device(self: Any, device: str, /, *, stream: Any = None) -> Tensor:
        """This Tensor on another device: `to`, by the array API's name. A ``stream`` can't be chosen."""
        if stream is not None:
            raise DeviceError("a copy to another device uses the current stream: leave stream out.")
        return self if device == self.device else shaping.to_device(self, device=device)

    def cpu(self: Any) -> Tensor:
        """This Tensor on the CPU."""
        return self.to("cpu")  # type: ignore[no-any-return]

    # ---------------------------------------------------------------------------------------------------------- shapes

    def reshape(self: Any, *shape: Any) -> Tensor:
        """``t.reshape(2, 3)`` or ``t.reshape((2, 3))``; one entry may be -1."""
        return shaping.reshape.apply(self, shape=_unpacked(shape))  # type: ignore[no-any-return]

    def permute_dims(self: Any, *axes: Any) -> Tensor:
        """The axes in another order."""
        return shaping.permute_dims.apply(self, axes=_unpacked(axes))  # type: ignore[no-any-return]

    def transpose(self: Any, *axes: Any) -> Tensor:
        """NumPy's transpose: the axes in the order given, or reversed."""
        if len(axes) == 2 != self.ndim and all(isinstance(axis, int) for axis in axes):
            way = f"to swap these two write autograd.moveaxis(x, {axes}, {axes[::-1]})"
            raise ShapeError(f"transpose takes all {self.ndim} axes in their new order, as NumPy's does: {way}.")
        return self.permute_dims(*(axes or (tuple(reversed(range(self.ndim))),)))  # type: ignore[no-any-return]

    def flatten(self: Any, start_dim: int = 0) -> Tensor:
        """The axes from ``start_dim`` on as one, all of them by default."""
        start = normalize_axis(start_dim, max(self.ndim, 1))
        return self.reshape(*self.shape[:start], size(self.shape[start:]))  # type: ignore[no-any-return]

    def squeeze(self: Any, axis: Axis = None, *, dim: Axis = None) -> Tensor:
        """Without the axes of length 1 that ``axis`` (or ``dim``) names, all by default."""
        axis = dim if axis is None else axis
        axis = tuple(i for i, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return shaping.squeeze(self, axis=axis)

    # -------------------------------------------------------------------------------------------------------- elements

    def __getitem__(self: Any, index: Any) -> Tensor:
        return indexing.getitem(self, index=_plain(index, self.data))

    def __setitem__(self: Any, index: Any, value: Any) -> None:
        """Update this Tensor's value, and that of the Tensor that it is a view of; others computed from it before do
        not change.

        Raises `GradientError` on a leaf that requires grad, except under ``no_grad``, where it sets the leaf's value,
        and on a view of a Tensor that was written to since.
        """
        index = _plain(index, self.data)
        if is_written(self, index, value):
            return
        prepare(self, "change it, or a copy made with .clone(),")
        recorded = isinstance(value, Tensor) and value.requires_grad and MODE.get().grad
        if recorded and not backends.is_inexact(self.dtype):
            raise DTypeError(f"{self._called()} can't record a value of {value.dtype}: use floats, or value.detach().")
        become(self, indexing.setitem(old_value(self), value, index=index))


def _unpacked(given: tuple[Any, ...]) -> Any:
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given


def _plain(index: Any, data: Any) -> Any:
    """``index`` with arrays in place of Tensors, those in a tuple copied. Raises for arrays of another device."""
    if type(index) in BASIC or (type(index) is tuple and BASIC.issuperset(map(type, index))):
        return index
    index = tuple(frozen_copy(_array(i)) for i in index) if isinstance(index, tuple) else _array(index)
    if type(data) not in backends.SPACES:
        backends.namespace(data, *(i for i in (index if isinstance(index, tuple) else (index,)) if hasattr(i, "shape")))
    return index


BASIC = frozenset({int, slice, type(None), type(...)})
"""The types within an index that picks a view."""


def _array(part: Any) -> Any:
    """The array of a Tensor; any other value as it is."""
    return part.data if isinstance(part, Tensor) else part


def install(methods: Mapping[str, Any]) -> None:
    """Add the functions and properties among ``methods`` to `Tensor`."""
    for name, value in methods.items():
        if isinstance(value, FunctionType | property):
            setattr(Tensor, name, value)


install(vars(Methods))
install({f"__{name}__": OPS[op].operator for name, op in (BINARY | COMPARED | SINGLE).items()})
install({f"__r{name}__": reflected(OPS[op]) for name, op in BINARY.items()})
install({f"__i{name}__": in_place(SIGNS[name], OPS[op]) for name, op in BINARY.items()})
install({name: OPS[name].apply for name in METHODS} | {"dot": linalg.matmul.apply})
