"""`Tensor`: an array with a node in the graph.

Its operators and most methods are in `autograd.functions.methods`, its conversions in `autograd.interop.protocols`.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from glassgrad.autograd import backends
from glassgrad.autograd.common import notebook
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.engine.graph import Node
from glassgrad.autograd.engine.memory import written
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.errors import DTypeError, GradientError
from glassgrad.autograd.readings.levels import LIFTED, detached, note_write

if TYPE_CHECKING:
    from glassgrad.autograd.engine._methods import TensorMethods
else:
    TensorMethods = object

_NDARRAY: Any = backends.NUMPY.ndarray
_WITHOUT_DTYPE = (list, tuple, bool, int, float)


class Tensor(TensorMethods):
    """An array of numbers that records what is computed from it.

    ``data``: numbers, nested lists, an array or another Tensor; the values are copied, and carry no derivative: see
    `clone` and `asarray` for copies that do.
    Python floats become float64 and integers int64, as in NumPy, unless ``dtype`` says otherwise. ``requires_grad``:
    whether to compute gradients with respect to this Tensor; floating-point only. ``device``: ``"cpu"``, ``"cuda"`` or
    ``"cuda:1"`` and the like: an NVIDIA GPU, by CuPy, which is imported then.
    ``name``: its name in pictures, formulas and messages.

    ``.data`` is the array itself (a NumPy scalar where the shape is ``()``). Writes to its elements are not recorded,
    see docs/conventions.md. ``.grad`` is the accumulated gradient, a Tensor or ``None``, ``.node`` the `Node` that made
    it, ``None`` for a leaf.

    Raises `DTypeError` for data without numbers, and for an integer Tensor that requires grad.

    >>> from glassgrad.autograd import Tensor
    >>> w = Tensor([[1.0, 2.0]], requires_grad=True, name="w")
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    Tensor([[2.0, 4.0]])
    """

    __slots__ = ("_data", "node", "requires_grad", "grad", "hooks", "_name", "_view", "_root", "__weakref__")

    _data: Any
    node: Node | None
    requires_grad: bool
    grad: Tensor | None
    hooks: list[Any] | None
    _name: str | None
    _view: Any  # what it is a view of: see `writes`
    _root: Any  # of a constant computed from one other constant: see `root_of`; False once ``data`` was assigned

    # A leaf of the graph is the Tensor itself, so it has the attributes of a Node.
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
        array = backends.asarray(detached(data), dtype, copy=True)
        self._data = array if device is None else backends.to_device(array, device)
        self.node = self.grad = self.hooks = self._view = self._root = None
        self._name = name
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # ---------------------------------------------------------------------------------------------------- what it is

    @property
    def data(self) -> Any:
        """The array itself, a NumPy scalar where the shape is ``()``. Assign an array, a Tensor, a list or a number to
        set the value of a leaf. Backward on a graph that saved an array raises after this package's in-place writes to
        that array; your own writes, such as ``x.data[0] = 1.0``, are not noticed.

        Lists and numbers take the dtype of a floating-point leaf. Raises `DTypeError` for an array of integers where
        the leaf requires grad.
        """
        array = self._data
        return array[()] if type(array) is _NDARRAY and not array.shape else array

    @data.setter
    def data(self, value: Any) -> None:
        if value is self._data:  # written to in place, as by `p.data -= lr * p.grad`
            written(value)
            return
        if LIFTED.used:
            note_write(self, value, MODE.get().grad)
        if isinstance(value, Tensor):
            value = value.data
        elif type(value) not in backends.SPACES:
            given, value = type(value), backends.asarray(value)
            if given in _WITHOUT_DTYPE and backends.is_real(self._data.dtype) and value.dtype.kind != "c":
                value = backends.asarray(value, self._data.dtype)
        if self.requires_grad and not backends.is_inexact(value.dtype):
            raise DTypeError(
                f"{self._called()} requires grad, and can't be set to {value.dtype}: only floating-point values have "
                "derivatives."
            )
        self._data, self._root = value, False

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The kind of number."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        """``"cpu"``, or ``"cuda:0"`` and the like."""
        return backends.device_of(self.data)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None

    @property
    def name(self) -> str | None:
        """The name of this value in pictures, formulas and messages."""
        return self._name if self.node is None else self.node.name

    @name.setter
    def name(self, name: str | None) -> None:
        if self.node is None:
            self._name = name
        else:
            self.node.name = name

    def __repr__(self) -> str:
        """The values, and what matters for gradients: ``Tensor([1.0, 2.0], name='w', requires_grad=True)``."""
        text = backends.array_text(self.data, prefix="Tensor(")
        notes = [] if self.size or self.shape == (0,) else [f"shape={self.shape}"]
        notes += [f"dtype={self.dtype}"] if str(self.dtype) not in ("float64", "int64", "bool") else []
        notes += [f"name={self.name!r}"] if self.name else []
        notes += [f"device={self.device!r}"] if self.device != "cpu" else []
        notes += [f"op={self.node.op.name}"] if self.node else ["requires_grad=True"] if self.requires_grad else []
        return f"Tensor({', '.join([text, *notes])})"

    def _repr_html_(self) -> str:
        """The values in colours, and the gradient, for a notebook."""
        notes = [str(tuple(self.shape)), str(self.dtype), *([self.device] if self.device != "cpu" else [])]
        notes += [f"made by {self.node.op.name}"] if self.node else ["requires grad"] if self.requires_grad else []
        title = f"{type(self).__name__} {self.name or ''}".rstrip()
        if backends.namespace(self._data).absorbs:
            return notebook.card(title, notes, "<div>no values: a function is being traced</div>")
        parts = [notebook.tiles(self._data, backends.to_numpy)]
        if self.grad is not None:
            parts.append(notebook.folded("gradient", notebook.tiles(self.grad._data, backends.to_numpy)))
        return notebook.card(title, notes, *parts)

    __hash__ = object.__hash__

    def _called(self) -> str:
        """This Tensor's name in a message."""
        return f"Tensor {describe(self)}"

    # -------------------------------------------------------------------------------------------------- its gradient

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Switch recording on or off for a leaf; returns it. Raises `DTypeError` for other than floating point."""
        if requires_grad and not backends.is_inexact(self.dtype):
            way = "only floating-point values have derivatives; write 3.0 for 3, or pass dtype='float64'."
            raise DTypeError(f"{self._called()} can't require grad: {way}")
        if self.node is not None:
            raise GradientError(
                f"{self._called()} was made by {self.node.op.name}: only a leaf can be switched; use .detach()."
            )
        self.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Set ``.grad`` to None."""
        self.grad = None


def root_of(given: tuple[Any, ...]) -> Any:
    """A weak reference to the constant that these arguments are, or were computed from; ``None`` if there are several.

    What is computed from constants alone is not recorded, but a picture shows the input that was given, also where it
    was transposed or scaled first. The reference to the first one is handed on, so it keeps no chain of them alive.
    """
    found = None
    for x in given:
        if isinstance(x, Tensor):
            root = x._root or weakref.ref(x)
            if found is not None and root is not found:
                return None
            found = root
    return found


new = partial(object.__new__, Tensor)
"""A Tensor without attributes: its __init__ would take longer than many an operation."""


def wrap(array: Any, node: Node | None = None, name: str | None = None) -> Tensor:
    """A Tensor around an array as it is, without a copy or a check."""
    t = new()
    t._data = array
    t.node = node
    t.requires_grad = node is not None
    t.grad = t.hooks = t._view = t._root = None
    t._name = name
    return t
