"""`Tensor`: an array that knows where it stands in the graph. No derivative, no drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

from autograd import backends
from autograd.dtypes import API_VERSIONS
from autograd.errors import DeviceError, DomainError, DTypeError, GradientError, ShapeError
from autograd.graph import Node
from autograd.memory import written
from autograd.messages import describe, shown
from autograd.modes import MODE
from autograd.operation import Op, new, op, results_are
from autograd.ops import elementwise, indexing, linalg, reductions, shaping
from autograd.shapes import Axis, Shape


def later(operation: Op) -> Callable[..., Any]:
    """A method that calls the operation without compiling it now: that would take longer than the whole import."""

    def method(*inputs: Any) -> Any:
        return operation.apply(*inputs)

    method.__doc__ = operation.__doc__
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

    method.__doc__ = operation.__doc__
    return method


_go_back: Callable[..., None]


def goes_back_by(backward: Callable[..., None]) -> None:
    """Have `Tensor.backward` call ``backward``: the room above says so, and this one does not look up."""
    global _go_back  # noqa: PLW0603
    _go_back = backward


R = TypeVar("R")


class Hook:
    """A function on its way back: called with the gradient of a Tensor until it is removed.

    `Tensor.register_hook` returns it. ``remove()`` may be called again, and ``with`` removes it at the end.
    """

    edits = 0  # hooks of leaves that came or went so far: by it a program sees that it is out of date

    def __init__(self, call: Callable[[Tensor], Any], among: list[Hook], of_leaf: bool) -> None:
        self.call, self._among = call, among  # the list, not the Tensor: a hook keeps no graph alive
        self._of_leaf = of_leaf
        among.append(self)
        Hook.edits += of_leaf

    def remove(self) -> None:
        """Have it called no more."""
        if self in self._among:
            self._among.remove(self)
            Hook.edits += self._of_leaf

    def __enter__(self) -> Hook:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Tensor:
    """An array of numbers that records what is computed from it.

    ``data``: what NumPy makes an array of (numbers, nested lists, arrays), or another Tensor; its values are copied.
    Python floats become float64 and integers int64, as in NumPy, unless ``dtype`` says otherwise. ``requires_grad``:
    whether derivatives by this Tensor will be asked for; floating-point only. ``device``: ``"cpu"``, ``"cuda"`` or
    ``"cuda:1"`` and the like: an NVIDIA GPU, by CuPy, which is imported then.
    ``name``: what pictures, formulas and messages call it.

    ``.data`` is the array itself (a NumPy scalar where the shape is ``()``): what you write into it no graph can see,
    as docs/conventions.md tells. ``.grad`` is the accumulated gradient, a Tensor or ``None``, ``.node`` the `Node` that
    made it, ``None`` for a leaf.

    Raises `DTypeError` for what holds no numbers and for an integer Tensor that requires grad.

    >>> from autograd import Tensor
    >>> w = Tensor([[1.0, 2.0]], requires_grad=True, name="w")
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    Tensor([[2.0, 4.0]])
    """

    __slots__ = ("data", "node", "requires_grad", "grad", "hooks", "_name", "__weakref__")

    data: Any
    node: Node | None
    requires_grad: bool
    grad: Tensor | None
    hooks: list[Hook] | None
    _name: str | None

    # A leaf of the graph is the Tensor itself, and reads like a Node there.
    op = None
    inputs: tuple[Any, ...] = ()
    scope = None

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        *,
        dtype: Any = None,
        device: str | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            data = data.data
        array = backends.asarray(data, dtype, copy=True)
        self.data = array if device is None else backends.to_device(array, device)
        self.node, self.grad, self.hooks, self._name = None, None, None, name
        self.requires_grad = False
        if name is not None:
            self.name = name
        if requires_grad:
            self.requires_grad_()

    # ---------------------------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The kind of number."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        """``"cpu"``, or ``"cuda:0"`` and the like."""
        return backends.device_of(self.data)

    if not TYPE_CHECKING:  # a checker is to see what is not there

        def __getattr__(self, name):
            from autograd.interop.hints import TENSOR, hint

            said = "" if name.startswith("_") else hint(name, TENSOR)
            raise AttributeError(f"a Tensor has no attribute {name!r}{said}.")

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None

    @property
    def name(self) -> str | None:
        """What pictures, formulas and messages call this value."""
        return self._name if self.node is None else self.node.name

    @name.setter
    def name(self, name: str | None) -> None:
        if not isinstance(name, str | None):
            raise DTypeError(f"a Tensor's name is a string, or None; it was given {shown(name)}.")
        if self.node is None:
            self._name = name
        else:
            self.node.name = name

    @property
    def T(self) -> Tensor:
        """The transpose of a matrix. For any other number of dimensions use `mT` or `permute_dims`."""
        return self.mT if self.ndim == 2 else self.permute_dims(tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two axes swapped."""
        return linalg.matrix_transpose.apply(self)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        """The values, and what matters for gradients: ``Tensor([1.0, 2.0], name='w', requires_grad=True)``."""
        text = backends.array_text(self.data, prefix="Tensor(")
        notes = [] if self.size or self.shape == (0,) else [f"shape={self.shape}"]
        notes += [f"dtype={self.dtype}"] if str(self.dtype) not in ("float64", "int64", "bool") else []
        notes += [f"name={self.name!r}"] if self.name else []
        notes += [f"device={self.device!r}"] if self.device != "cpu" else []
        notes += [f"op={self.node.op.name}"] if self.node else ["requires_grad=True"] if self.requires_grad else []
        return f"Tensor({', '.join([text, *notes])})"

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("a Tensor of shape () has no length.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(len(self)):
            yield self[i]

    def _number(self, kind: Callable[[Any], R], way: str = "") -> R:
        """The value of a one-element Tensor as a Python number of a ``kind``."""
        data, name = self.data, kind.__name__
        if data.size != 1:
            raise ShapeError(
                f"{self._called()} has {self.size} elements, and {name} takes one: pick it by its index, or reduce "
                f"them{way}."
            )
        value = data.item() if hasattr(data, "item") else data  # the array API standard has only float() and the like
        try:
            return kind(value)
        except (TypeError, ValueError, OverflowError):
            ours = DomainError if isinstance(value, float) and kind is int else DTypeError
            raise ours(f"{self._called()} is {value!r}, which can't be made {name}.") from None

    def __bool__(self) -> bool:
        return self._number(bool, " with .all() or .any()")

    def __float__(self) -> float:
        return self._number(float)

    def __int__(self) -> int:
        return self._number(int)

    def __complex__(self) -> complex:
        return self._number(complex)

    def __index__(self) -> int:
        if self.shape:
            raise DTypeError(f"{self._called()} is no index of Python's: that is one integer, of shape ().")
        return self._number(index)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    __hash__ = object.__hash__

    def item(self) -> float | int | bool | complex:
        """The value of a one-element Tensor as a Python number."""
        return self.data.item() if self.data.size == 1 else self._number(item)  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return backends.to_numpy(self.data).tolist()

    def numpy(self) -> Any:
        """The values as a NumPy array: the same memory on the CPU; from a GPU a copy, and a wait until it is computed.

        Raises `GradientError` for a Tensor that requires grad, as PyTorch does: what NumPy computes is not recorded.
        """
        if self.requires_grad:
            raise GradientError(
                f"{self._called()} requires grad, and what NumPy computes from it would not be recorded: "
                "use .detach().numpy(), or the function of that name in autograd."
            )
        return backends.to_numpy(self.data)

    def _called(self) -> str:
        """How a message calls this Tensor."""
        return f"Tensor {describe(self)}"

    # -------------------------------------------------------------------------------------------------- its gradient

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Switch recording on or off for a leaf; returns it. Raises `DTypeError` for other than real floating point."""
        if requires_grad and not backends.is_real(self.dtype):
            way = "only floating-point values have derivatives; write 3.0 for 3, or pass dtype='float64'."
            if backends.is_inexact(self.dtype):
                way = "derivatives are by real numbers here; give the real and the imaginary part as two Tensors."
            raise DTypeError(f"{self._called()} can't require grad: {way}")
        if self.node is not None:
            raise GradientError(
                f"{self._called()} was made by {self.node.op.name}: only a leaf can be switched; use .detach()."
            )
        self.requires_grad = requires_grad
        return self

    def backward(self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this Tensor to ``.grad`` of every leaf that requires grad.

        ``gradient``: what arrives here, of this Tensor's shape; 1 by default for a one-element Tensor. The saved arrays
        are released unless ``retain_graph``; with ``create_graph`` the gradients are recorded themselves. Raises
        `GradientError` for a non-scalar without ``gradient``, for a Tensor that records nothing, and for a second
        backward through a released graph; then no ``.grad`` has changed.
        """
        _go_back(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    def zero_grad(self) -> None:
        """Forget the accumulated gradient."""
        self.grad = None

    def retain_grad(self) -> None:
        """Keep the gradient of this intermediate Tensor in ``.grad`` at the next backward, as leaves do."""
        from autograd.backward import retain

        retain(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Hook:
        """Call ``hook(gradient)`` when this Tensor's gradient is complete; what it returns (unless ``None``) replaces
        it, and so does what it writes there by ``gradient[...] = …``. The hooks of a Tensor are called in the order in
        which they were registered.

        Returns a `Hook`, whose ``remove()`` takes it off. Raises `GradientError` where no gradient will come.

        >>> from autograd import Tensor
        >>> x = Tensor(3.0, requires_grad=True)
        >>> hook = x.register_hook(lambda g: 10 * g)
        >>> (x * x).backward()
        >>> hook.remove()
        >>> x.grad
        Tensor(60.0)
        """
        if not self.requires_grad:
            raise GradientError(f"{self._called()} does not require grad, so a hook on it would never be called.")
        if not callable(hook):
            raise DTypeError(f"a hook is a function of the gradient; {self._called()} was given {hook!r}.")
        place: Any = self.node or self
        place.hooks = place.hooks or []
        return Hook(hook, place.hooks, of_leaf=self.node is None)

    def detach(self) -> Tensor:
        """The same values with no history, not requiring grad. The memory is shared: what changes the one in place, as
        an optimizer's step does, changes the other, and a graph that has kept it is refused from then on; `clone` it
        first where that matters.
        """
        return wrap(self.data, name=self.name)

    def clone(self) -> Tensor:
        """A copy, as a recorded operation."""
        if getattr(self.data.dtype, "kind", "") == "b":  # booleans have no sign
            return elementwise.astype.apply(self, dtype=self.dtype)  # type: ignore[no-any-return]
        return elementwise.positive.apply(self)  # type: ignore[no-any-return]

    def _set(self, array: Any) -> None:
        """Give a leaf another array, or say that the one it has was written to in place: `autograd.memory`."""
        if array is self.data:
            written(array)
        else:
            self.data = array

    # ----------------------------------------------------------------------------------------------- places and types

    def astype(self, dtype: Any) -> Tensor:
        """This Tensor in another dtype, recorded; to integers or booleans it is detached."""
        return astype(self, dtype)

    def to(self, target: Any) -> Tensor:
        """This Tensor on another device (``"cpu"``, ``"cuda"``, ``"cuda:1"``) or in another dtype, recorded; itself
        where nothing changes. Raises `DeviceError` for a device that is not there.
        """
        device, dtype = backends.device_or_dtype(target)
        if device is None:
            return self if dtype == self.dtype else astype(self, dtype)
        if self.device == device or self.device.startswith(f"{device}:"):
            return self
        return to_device.apply(self, device=device)  # type: ignore[no-any-return]

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        """This Tensor on another device: `to`, by the array API's name. A ``stream`` can't be chosen."""
        if stream is not None:
            raise DeviceError("a copy to another device goes by the stream that is current: leave stream out.")
        return self if device == self.device else to_device.apply(self, device=device)

    def cpu(self) -> Tensor:
        """This Tensor on the CPU."""
        return self.to("cpu")

    # ------------------------------------------------------------------------------------------------------ arithmetic
    # The most frequent operations' own functions are the methods: one call less.

    __add__ = elementwise.add.apply
    __sub__ = elementwise.subtract.apply
    __mul__ = elementwise.multiply.apply
    __truediv__ = elementwise.divide.apply
    __floordiv__ = later(elementwise.floor_divide)
    __mod__ = later(elementwise.remainder)
    __pow__ = elementwise.power.apply
    __matmul__ = linalg.matmul.apply
    __neg__ = elementwise.negative.apply
    __pos__ = later(elementwise.positive)
    __abs__ = later(elementwise.abs)
    __iadd__ = updating(elementwise.add)
    __isub__ = updating(elementwise.subtract)
    __imul__ = updating(elementwise.multiply)
    __itruediv__ = updating(elementwise.divide)
    __lt__ = later(elementwise.less)
    __le__ = later(elementwise.less_equal)
    __gt__ = later(elementwise.greater)
    __ge__ = later(elementwise.greater_equal)
    __invert__ = later(elementwise.bitwise_invert)
    __and__ = later(elementwise.bitwise_and)
    __or__ = later(elementwise.bitwise_or)
    __xor__ = later(elementwise.bitwise_xor)
    __lshift__ = later(elementwise.bitwise_left_shift)
    __rshift__ = later(elementwise.bitwise_right_shift)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        if other is None:
            return NotImplemented  # then Python says False: nothing is None but None
        return elementwise.equal.apply(self, other)  # type: ignore[no-any-return]

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        if other is None:
            return NotImplemented
        return elementwise.not_equal.apply(self, other)  # type: ignore[no-any-return]

    def __radd__(self, other: Any) -> Tensor:
        return elementwise.add.apply(other, self)  # type: ignore[no-any-return]

    def __rsub__(self, other: Any) -> Tensor:
        return elementwise.subtract.apply(other, self)  # type: ignore[no-any-return]

    def __rmul__(self, other: Any) -> Tensor:
        return elementwise.multiply.apply(other, self)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: Any) -> Tensor:
        return elementwise.divide.apply(other, self)  # type: ignore[no-any-return]

    def __rfloordiv__(self, other: Any) -> Tensor:
        return elementwise.floor_divide.apply(other, self)  # type: ignore[no-any-return]

    def __rmod__(self, other: Any) -> Tensor:
        return elementwise.remainder.apply(other, self)  # type: ignore[no-any-return]

    def __rpow__(self, other: Any) -> Tensor:
        return elementwise.power.apply(other, self)  # type: ignore[no-any-return]

    def __rand__(self, other: Any) -> Tensor:
        return elementwise.bitwise_and.apply(other, self)  # type: ignore[no-any-return]

    def __ror__(self, other: Any) -> Tensor:
        return elementwise.bitwise_or.apply(other, self)  # type: ignore[no-any-return]

    def __rxor__(self, other: Any) -> Tensor:
        return elementwise.bitwise_xor.apply(other, self)  # type: ignore[no-any-return]

    def __rlshift__(self, other: Any) -> Tensor:
        return elementwise.bitwise_left_shift.apply(other, self)  # type: ignore[no-any-return]

    def __rrshift__(self, other: Any) -> Tensor:
        return elementwise.bitwise_right_shift.apply(other, self)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Tensor:
        return linalg.matmul.apply(other, self)  # type: ignore[no-any-return]

    exp = later(elementwise.exp)
    log = later(elementwise.log)
    sqrt = later(elementwise.sqrt)
    square = later(elementwise.square)
    sin = later(elementwise.sin)
    cos = later(elementwise.cos)
    tanh = later(elementwise.tanh)
    sigmoid = later(elementwise.sigmoid)
    relu = later(elementwise.relu)
    abs = later(elementwise.abs)
    dot = linalg.matmul.apply

    def clip(self, min: float | None = None, max: float | None = None) -> Tensor:
        """Limited to ``[min, max]``: `autograd.clip`."""
        return elementwise.clip.apply(self, min=min, max=max)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------------------------------ reductions

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The sum over ``axis``: `autograd.sum`."""
        return reductions.sum.apply(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The mean over ``axis``: `autograd.mean`."""
        return reductions.mean.apply(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest over ``axis``: `autograd.max`."""
        return reductions.max.apply(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The smallest over ``axis``: `autograd.min`."""
        return reductions.min.apply(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The product over ``axis``: `autograd.prod`."""
        return reductions.prod.apply(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def var(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """The variance over ``axis``: `autograd.var`."""
        return reductions.var(self, axis=axis, correction=correction, keepdims=keepdims)  # type: ignore[no-any-return]

    def std(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
        """The standard deviation over ``axis``: `autograd.std`."""
        return reductions.std(self, axis=axis, correction=correction, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Where the largest is: `autograd.argmax`."""
        return reductions.argmax(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Where the smallest is: `autograd.argmin`."""
        return reductions.argmin(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether all are true: `autograd.all`."""
        return reductions.all(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Whether any is true: `autograd.any`."""
        return reductions.any(self, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]

    # ---------------------------------------------------------------------------------------------------------- shapes

    def reshape(self, *shape: Any) -> Tensor:
        """``t.reshape(2, 3)`` or ``t.reshape((2, 3))``; one entry may be -1."""
        return shaping.reshape.apply(self, shape=_unpacked(shape))  # type: ignore[no-any-return]

    def permute_dims(self, *axes: Any) -> Tensor:
        """The axes in another order."""
        return shaping.permute_dims.apply(self, axes=_unpacked(axes))  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Tensor:
        """NumPy's transpose: the axes in the order given, or reversed."""
        return self.permute_dims(*(axes or (tuple(reversed(range(self.ndim))),)))

    def flatten(self) -> Tensor:
        """All elements in one axis."""
        return self.reshape(-1)

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Without the axes of length 1 that ``axis`` names, all by default."""
        axis = tuple(i for i, n in enumerate(self.shape) if n == 1) if axis is None else axis
        return shaping.squeeze(self, axis=axis)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Tensor:
        return indexing.getitem(self, index=_plain(index, self.data))  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
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

    # --------------------------------------------------------------------------------------- NumPy's and Python's
    # protocols

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """This package: the namespace of functions that take Tensors. Raises `DomainError` for a version of the array
        API that it does not have.
        """
        import autograd

        if api_version not in (None, *API_VERSIONS):
            raise DomainError(f"the array API {api_version!r} is not here; choose {' or '.join(API_VERSIONS)}.")
        return autograd

    def __dlpack__(self, **options: Any) -> Any:
        """The values for another library, in the same memory. Raises `GradientError` for what requires grad."""
        if self.requires_grad:
            raise GradientError(
                f"{self._called()} requires grad, and what another library computes from it would not be recorded: "
                "give it .detach()."
            )
        return backends.to_dlpack(self.data, "__dlpack__", **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The kind and the number of the device, as DLPack counts them."""
        return backends.to_dlpack(self.data, "__dlpack_device__")  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if not backends.is_host(self.data):
            raise DeviceError(f"{self._called()} is on {self.device}, where NumPy is not: copy it with .numpy() first.")
        return backends.to_numpy(backends.asarray(self.numpy(), dtype, copy=copy))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """``np.sin(t)`` and ``ndarray * t`` record the operation of that name."""
        from autograd.interop.numpy_protocol import call

        return call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """``np.sum(t)``, ``np.concatenate([t, …])`` record the operation of that name."""
        from autograd.interop.numpy_protocol import call

        return call(func, "__call__", args, kwargs)

    def __getstate__(self) -> dict[str, Any]:
        if self.node is not None:
            raise GradientError(
                f"{self._called()} was made by {self.node.op.name} and can't be copied or pickled with its history: "
                "use .detach() first."
            )
        return {"data": self.data, "requires_grad": self.requires_grad, "grad": self.grad, "name": self._name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.data, self.requires_grad, self.grad = state["data"], state["requires_grad"], state["grad"]
        self.node, self.hooks, self._name = None, None, state["name"]

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        state = self.__getstate__()
        copy = type(self).__new__(type(self))
        grad = None if self.grad is None else wrap(backends.asarray(self.grad.data, copy=True))
        copy.__setstate__({**state, "data": backends.asarray(self.data, copy=True), "grad": grad})
        return copy


def item(value: Any) -> Any:
    """The number itself: what `Tensor.item` makes of it."""
    return value


def wrap(array: Any, node: Node | None = None, name: str | None = None) -> Tensor:
    """A Tensor around an array as it is, without a copy or a check."""
    t: Tensor = new(Tensor)  # no __init__: a leaf's gradient is wrapped for every parameter and step
    t.data = array
    t.node = node
    t.requires_grad = node is not None
    t.grad = t.hooks = None
    t._name = name
    return t


def asarray(data: Any, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Tensor:
    """``data`` as a Tensor: itself where it is one, without a copy where it is an array.

    With ``copy`` it is a copy always (of a Tensor a recorded one), with ``copy=False`` never: then `DTypeError` is
    raised where one is needed.

    >>> from autograd import asarray
    >>> asarray([1, 2]).dtype
    dtype('int64')
    """
    if isinstance(data, Tensor):
        tensor = data if dtype is None else data.to(dtype)
        tensor = tensor if device is None else tensor.to(device)
        if copy is False and tensor is not data:
            raise DTypeError(f"{data._called()} can't be had in another dtype or place without a copy: leave copy out.")
        return tensor.clone() if copy and tensor is data else tensor
    array = backends.asarray(data, dtype, copy=copy)
    return wrap(array if device is None else backends.to_device(array, device))


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """The array of another library, by the DLPack protocol: the same memory, unless it is moved to another ``device``
    or ``copy`` is true. What is written to the one is then seen in the other.

    >>> import autograd as ag
    >>> ag.from_dlpack(ag.Tensor([1.0, 2.0]))
    Tensor([1.0, 2.0])
    """
    array = backends.from_dlpack(x, copy)
    return wrap(array if device is None else backends.to_device(array, device))


def astype(x: Any, dtype: Any, *, copy: bool = True, device: str | None = None) -> Tensor:
    """``x`` in another dtype. The gradient comes back in the dtype of ``x``; to integers and booleans it is detached.

    Without ``copy`` it is ``x`` itself where that has the dtype already. ``device``: where it lies then.

    >>> from autograd import Tensor, astype
    >>> astype(Tensor([1.5]), "int64")
    Tensor([1])
    """
    dtype = backends.as_dtype(dtype)
    if isinstance(x, Tensor) and not backends.is_inexact(dtype):
        x = x.detach()
    same = not copy and isinstance(x, Tensor) and x.dtype == dtype
    result: Tensor = x if same else elementwise.astype.apply(x, dtype=dtype)
    return result if device is None else result.to(device)


@op("→", text="{x} on {device}", tex="{x}", level=1)
def to_device(xp: Any, x: Any, *, device: str) -> Any:
    """``x`` on another device; the gradient goes back to where it came from."""
    return backends.to_device(x, device)


to_device.vjp(x=lambda xp, g, x: xp.to_device(g, device=x.device if isinstance(x, Tensor) else backends.device_of(x)))


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


results_are(Tensor)
