"""The operators of `Tensor` and its methods that compute. They are put on the class here, above the operations."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

from autograd import backends
from autograd.backward import backward, retain_grad
from autograd.errors import DeviceError, DTypeError, GradientError, ShapeError
from autograd.functions.conversion import astype
from autograd.modes import MODE
from autograd.operation import Op
from autograd.ops import conversion, elementwise, indexing, linalg, reductions, shaping
from autograd.shapes import Axis
from autograd.tensor import Hook, Tensor, wrap

BINARY = {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.divide,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.power,
    "matmul": linalg.matmul,
    "and": elementwise.bitwise_and,
    "or": elementwise.bitwise_or,
    "xor": elementwise.bitwise_xor,
    "lshift": elementwise.bitwise_left_shift,
    "rshift": elementwise.bitwise_right_shift,
}
"""Operators by the name within their dunder: ``__add__``, ``__radd__``, ``__iadd__``."""

OTHERS = {
    "__neg__": elementwise.negative,
    "__pos__": elementwise.positive,
    "__abs__": elementwise.abs,
    "__invert__": elementwise.bitwise_invert,
    "__lt__": elementwise.less,
    "__le__": elementwise.less_equal,
    "__gt__": elementwise.greater,
    "__ge__": elementwise.greater_equal,
}
"""Operators with no reflected form."""

METHODS = (
    elementwise.exp, elementwise.log, elementwise.sqrt, elementwise.square, elementwise.sin, elementwise.cos,
    elementwise.tanh, elementwise.sigmoid, elementwise.relu, elementwise.abs, elementwise.clip, reductions.sum,
    reductions.mean, reductions.max, reductions.min, reductions.prod, reductions.var, reductions.std, reductions.argmax,
    reductions.argmin, reductions.all, reductions.any,
)  # fmt: skip
"""Operations that are methods of the same name."""


def reflected(operation: Op) -> Callable[[Tensor, Any], Tensor]:
    """``other + tensor``, where ``other`` does not know Tensors."""
    apply = operation.apply

    def method(self: Tensor, other: Any) -> Tensor:
        return apply(other, self)  # type: ignore[no-any-return]

    return method


def updating(operation: Op) -> Callable[[Tensor, Any], Tensor]:
    """An in-place operator: under ``no_grad`` it sets the value of a leaf that requires grad, as ``x[...] = v`` does.
    Anywhere else the name on the left is bound to a new Tensor, as Python does with numbers.
    """

    def method(self: Tensor, other: Any) -> Any:
        if not self.requires_grad or self.node is not None or MODE.get().grad:
            return NotImplemented
        result = operation.apply(self, other)
        if result.shape != self.shape:
            raise ShapeError(
                f"{self._called()} can't take the value of an {operation.name} with shape {result.shape}: an update in "
                "place keeps the shape."
            )
        self._set(result.to(self.dtype).data)
        return self

    return method


class Methods:  # noqa: PLW1641  (Tensor has its own __hash__)
    """The methods that are more than an operation. Their ``self`` is a `Tensor`."""

    @property
    def T(self: Any) -> Tensor:
        """The transpose of a matrix. For any other number of dimensions use `mT` or `permute_dims`."""
        return self.mT if self.ndim == 2 else self.permute_dims(tuple(reversed(range(self.ndim))))  # type: ignore[no-any-return]

    @property
    def mT(self: Any) -> Tensor:
        """The last two axes swapped."""
        return linalg.matrix_transpose.apply(self)  # type: ignore[no-any-return]

    def __eq__(self: Any, other: object) -> Tensor:  # type: ignore[override]
        if other is None:
            return NotImplemented  # then Python says False: nothing is None but None
        return elementwise.equal.apply(self, other)  # type: ignore[no-any-return]

    def __ne__(self: Any, other: object) -> Tensor:  # type: ignore[override]
        if other is None:
            return NotImplemented
        return elementwise.not_equal.apply(self, other)  # type: ignore[no-any-return]

    def backward(self: Any, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this Tensor to ``.grad`` of every leaf that requires grad.

        ``gradient``: the upstream gradient, of this Tensor's shape; 1 by default for a one-element Tensor. The saved
        arrays are released unless ``retain_graph``; with ``create_graph`` the gradients are recorded themselves. Raises
        `GradientError` for a non-scalar without ``gradient``, for a Tensor that records nothing, and for a second
        backward through a released graph; then no ``.grad`` has changed.
        """
        backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def retain_grad(self: Any) -> None:
        """Keep the gradient of this intermediate Tensor in ``.grad`` at the next backward, as leaves do."""
        retain_grad(self)

    def clone(self: Any) -> Tensor:
        """A copy, as a recorded operation."""
        if getattr(self.data.dtype, "kind", "") == "b":  # booleans have no sign
            return conversion.astype.apply(self, dtype=self.dtype)  # type: ignore[no-any-return]
        return elementwise.positive.apply(self)  # type: ignore[no-any-return]

    # ----------------------------------------------------------------------------------------------- devices and types

    def astype(self: Any, dtype: Any) -> Tensor:
        """This Tensor in another dtype, recorded; to integers or booleans it is detached."""
        return astype(self, dtype)

    def to(self: Any, target: Any) -> Tensor:
        """This Tensor on another device (``"cpu"``, ``"cuda"``, ``"cuda:1"``) or in another dtype, recorded; itself
        where nothing changes. Raises `DeviceError` for a device that is not there.
        """
        device, dtype = backends.device_or_dtype(target)
        if device is None:
            return self if dtype == self.dtype else astype(self, dtype)
        if self.device == device or self.device.startswith(f"{device}:"):
            return self  # type: ignore[no-any-return]
        return conversion.to_device.apply(self, device=device)  # type: ignore[no-any-return]

    def to_device(self: Any, device: str, /, *, stream: Any = None) -> Tensor:
        """This Tensor on another device: `to`, by the array API's name. A ``stream`` can't be chosen."""
        if stream is not None:
            raise DeviceError("a copy to another device uses the current stream: leave stream out.")
        return self if device == self.device else conversion.to_device(self, device=device)

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
        return self.permute_dims(*(axes or (tuple(reversed(range(self.ndim))),)))  # type: ignore[no-any-return]

    def flatten(self: Any) -> Tensor:
        """All elements in one axis."""
        return self.reshape(-1)  # type: ignore[no-any-return]

    def squeeze(self: Any, axis: Axis = None) -> Tensor:
        """Without the axes of length 1 that ``axis`` names, all by default."""
        axis = tuple(i for i, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return shaping.squeeze(self, axis=axis)

    # -------------------------------------------------------------------------------------------------------- elements

    def __getitem__(self: Any, index: Any) -> Tensor:
        return indexing.getitem(self, index=_plain(index, self.data))

    def __setitem__(self: Any, index: Any, value: Any) -> None:
        """This Tensor from now on stands for the updated value; Tensors computed or detached from it before do not
        change.

        Raises `GradientError` on a leaf that requires grad, except under ``no_grad``, where it sets the leaf's value.
        """
        leaf = self.node is None and self.requires_grad
        if leaf and MODE.get().grad:
            raise GradientError(
                f"{self._called()} is a leaf that requires grad: its value can't be changed in place while operations "
                "are recorded; do it under autograd.no_grad(), or on a copy made with .clone()."
            )
        if isinstance(value, Tensor) and value.requires_grad and MODE.get().grad and not backends.is_real(self.dtype):
            raise DTypeError(
                f"{self._called()} can't take a recorded value of dtype {value.dtype}: it would be cut to "
                f"{self.dtype}, through which no gradient passes; make it a Tensor of floats, or write value.detach()."
            )
        name = self.name
        # A constant that becomes a recorded value stays in the graph as another Tensor: itself would be its own input.
        before = wrap(self.data, name=name) if self.node is None and not leaf else self
        result = indexing.setitem(before, value, index=_plain(index, self.data))
        keeps = self.node is not None and not all(isinstance(hook, Hook) for hook in self.node.hooks or ())
        if leaf:
            self._set(result.data)
            return
        self.data, self.node, self.requires_grad, self._name = result.data, result.node, result.requires_grad, name
        if self.node is not None:
            self.node.name = name
            if keeps:  # its gradient: from now on that of the new value
                self.retain_grad()


def _unpacked(given: tuple[Any, ...]) -> Any:
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given


def _plain(index: Any, data: Any) -> Any:
    """An index for ``data`` with arrays where it had Tensors. Arrays of another device are refused, not copied."""
    if isinstance(index, tuple):
        index = tuple(i.data if isinstance(i, Tensor) else list(i) if type(i) is list else i for i in index)
    elif isinstance(index, Tensor):
        index = index.data
    if type(data) not in backends.SPACES:
        backends.namespace(data, *(i for i in (index if isinstance(index, tuple) else (index,)) if hasattr(i, "shape")))
    return index


def install(cls: type) -> None:
    """Give ``cls`` the operators and methods of this file."""
    found: dict[str, Any] = {k: v for k, v in vars(Methods).items() if isinstance(v, FunctionType | property)}
    for name, operation in BINARY.items():
        found[f"__{name}__"], found[f"__r{name}__"] = operation.apply, reflected(operation)
    for name in ("add", "sub", "mul", "truediv"):
        found[f"__i{name}__"] = updating(BINARY[name])
    found |= {name: operation.apply for name, operation in OTHERS.items()}
    found |= {operation.name: operation.apply for operation in METHODS}
    found["dot"] = linalg.matmul.apply
    for name, value in found.items():
        setattr(cls, name, value)


install(Tensor)
