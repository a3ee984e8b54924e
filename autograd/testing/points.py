"""A function at given inputs: its values at others nearby, and its derivatives by the rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.graph import Graph, Node, stamp
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError, GradcheckError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import flattened, gradients
from glassgrad.autograd.testing.differences import Vector

Function = Callable[..., Any]


def called(f: Function) -> str:
    """The name of a function, for a message."""
    name = getattr(f, "__name__", "<lambda>")
    return "f" if name == "<lambda>" else str(name)


def flat(arrays: Sequence[Any]) -> Vector:
    """The elements of NumPy arrays as one float64 vector."""
    parts = [np.asarray(y).astype(np.float64).reshape(-1) for y in arrays]
    return np.concatenate(parts) if parts else np.zeros(0)


def outputs_of(f: Function, args: Sequence[Any]) -> list[Tensor]:
    """The outputs of ``f`` as a list of floating-point Tensors."""
    answer = f(*args)
    ys: list[Any] = [None] if answer is None else trees.leaves(answer)
    for k, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise DTypeError(
                f"output {k} of {called(f)} is {type(y).__name__}: return Tensors computed from those that are given."
            )
        if not backends.is_inexact(y.dtype):
            raise DTypeError(
                f"output {k} of {called(f)} is {describe(y)}: gradcheck compares floating-point values; "
                "return only such outputs."
            )
    return ys


def arguments_of(f: Function) -> list[str]:
    """The names of the positional arguments of a function, as far as they are known."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # it has none
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _of_leaves(f: Function, inputs: Sequence[Any], names: Sequence[str]) -> tuple[Function, list[Any], list[str]]:
    """``f`` as a function of the leaves of its inputs, these leaves, and their names.

    A leaf without a name is called by its path in the inputs.
    """
    parts = [flattened(x) for x in inputs]
    leaves = [leaf for found, _ in parts for leaf in found]
    paths = [path for (_, form), name in zip(parts, names, strict=False) for path in trees.paths(form, name)]

    def of_leaves(*args: Any) -> Any:
        left = iter(args)
        return f(*(trees.unflatten(form, islice(left, trees.count(form))) for _, form in parts))

    of_leaves.__name__ = called(f)
    return of_leaves, leaves, [getattr(x, "name", None) or path for x, path in zip(leaves, paths, strict=True)]


def _captured_names(f: Function) -> dict[Any, str]:
    """The parameters of a module by their paths, or the Tensors in a function's variables by their names."""
    if hasattr(f, "named_parameters"):
        return {x: path for path, x in f.named_parameters()}
    try:
        found = inspect.getclosurevars(f)
    except (TypeError, ValueError):  # not a function, or a variable that has no value yet
        return {}
    return {x: name for name, x in {**found.globals, **found.nonlocals}.items() if isinstance(x, Tensor)}


@contextmanager
def substituted(values: Mapping[Tensor, Tensor]) -> Iterator[None]:
    """A context in which Tensors hold the values of others."""
    held = {x: x._data for x in values}
    try:
        for x, other in values.items():
            x._data = other._data
        yield
    finally:
        for x, array in held.items():
            x._data = array


def values_of(tensors: Sequence[Tensor]) -> Vector:
    """The elements of Tensors as one float64 vector; of complex ones the real and the imaginary parts in turn."""
    arrays = (backends.to_numpy(t.data) for t in tensors)
    return flat([np.stack([x.real, x.imag], axis=-1) if np.iscomplexobj(x) else x for x in arrays])


def real_shape(x: Tensor) -> Shape:
    """The shape of a Tensor; that of a complex one with an axis for its real and its imaginary part at the end."""
    return (*x.shape, 2) if backends.is_complex(x.dtype) else tuple(x.shape)


class Point:
    """A function of Tensors at some inputs: all outputs as one vector ``y``, and ``uᵀ J`` by the rules.

    ``base`` holds the values of the inputs that are checked, flat, by their position, and ``shapes`` their shapes; the
    Tensors that it captures follow them, by position in ``captured``. ``dtype`` is the coarsest dtype of inputs and
    outputs; ``constant`` says whether outputs may depend on no input.
    """

    constant = False
    analytic = "rules"

    def __init__(
        self, f: Function, inputs: Sequence[Any], names: Sequence[str] = (), results: Any = (), captured: Any = None
    ) -> None:
        check_function(f, "f", "a function of Tensors")
        self.f_name = called(f)
        self.captured: dict[int, Tensor] = {}
        self.known: dict[bytes, dict[int, Vector]] = {}
        known = [*names, *arguments_of(f)[len(names) :], *[""] * len(inputs)]
        self.f, leaves, self.names = _of_leaves(f, inputs, known)
        chosen = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) and x.requires_grad]
        module = hasattr(f, "named_parameters")
        taken = [i for i, x in enumerate(leaves) if not module or backends.is_inexact(asarray(x).dtype)]
        self.checked = chosen or taken
        self.inputs: list[Any] = [asarray(x) if i in self.checked else x for i, x in enumerate(leaves)]
        self.count = len(leaves)
        self.base: dict[int, Vector] = {}
        self.shapes: dict[int, Shape] = {}
        for i in self.checked:
            self._admit(i)
        start = stamp()
        self.xs, self.ys = self.called({})
        dtypes = [np.finfo(backends.to_numpy(t.data).dtype).dtype for t in (*self.xs, *self.ys)]
        self.dtype = max(dtypes, key=lambda d: float(np.finfo(d).eps), default=np.dtype(float))
        self.y, self.outputs = values_of(self.ys), list(map(real_shape, self.ys))
        self.results = list(results) or [f"output {k}" for k in range(len(self.ys))]
        again = values_of(self.called({})[1])
        if again.shape != self.y.shape or not np.array_equal(again, self.y, equal_nan=True):
            raise GradcheckError(
                f"{self.f_name} gave two different answers to the same inputs, so differences of them tell nothing: "
                "have it draw from a generator that it seeds itself, or call .eval() of a module with dropout."
            )
        self.graph = Graph(*self.ys)
        names_of = _captured_names(f)
        self.kind = "parameter" if module else "captured"
        captures = captured if captured is not None else names_of if module else {}
        self._capture(captures, {**names_of, **captures}, start)

    def _capture(self, known: Mapping[Tensor, str], names: Mapping[Tensor, str], start: int) -> None:
        """Add the ``known`` Tensors, and other leaves that the outputs depend on, to what is checked. Raises
        `GradcheckError` for a value that was recorded before ``start``.
        """
        made = [node for node in self.graph.nodes if node.op is not None and node.index > start]
        used = [place for node in made for k, place in enumerate(node.inputs) if node.mask >> k & 1]
        for x in dict.fromkeys([*known, *used, *self.graph.outputs]):
            if type(x) is Node and x.index < start:
                raise GradcheckError(
                    f"unchecked: {self.f_name} captures {describe(x)}, which {x.op.name} computed before, so that it "
                    "can't be moved: compute it in the function, pass it as an input, or .detach() it if it is a "
                    "constant."
                )
            if isinstance(x, Tensor) and x.requires_grad and all(x is not other for other in self.xs):
                i = len(self.inputs)
                self.captured[i] = x
                self.inputs.append(x)
                self.checked.append(i)
                self.xs.append(x)
                self.names = [*self.names, x.name or names.get(x, "")]
                self._admit(i)

    def _admit(self, i: int) -> None:
        x = self.inputs[i]
        if not backends.is_inexact(x.dtype):
            raise DTypeError(
                f"{self.call(i)} is {describe(x)}: only floating-point values can be moved by a small step; write "
                "3.0 for 3, set requires_grad only on the Tensors to check, or let the function capture this one, as "
                "in gradcheck(lambda: f(indices))."
            )
        self.base[i], self.shapes[i] = values_of([x]), real_shape(x)

    def call(self, i: int) -> str:
        """The name of input ``i``, for a message."""
        if i < self.count:
            return f"input {i}{f' ({self.names[i]!r})' if self.names[i] else ''}"
        return f"{self.kind} {repr(self.names[i]) if self.names[i] else describe(self.captured[i])}"

    @staticmethod
    def like(values: Any, like: Tensor, name: str | None = None) -> Tensor:
        """``values`` as a Tensor of the shape, dtype and backend of another."""
        array = np.reshape(values, real_shape(like))
        if backends.is_complex(like.dtype):
            array = array[..., 0] + 1j * array[..., 1]
        array = array.astype(backends.to_numpy(like.data).dtype)
        return Tensor(backends.namespace(like.data).asarray(array), name=like.name if name is None else name)

    def called(self, moved: dict[int, Vector]) -> tuple[list[Tensor], list[Tensor]]:
        """The checked inputs, with the values in ``moved`` in place of some, and the outputs computed from them."""
        args = list(self.inputs)
        for i, base in self.base.items():
            if i < self.count:
                args[i] = self.like(moved.get(i, base), self.inputs[i]).requires_grad_()
        instead = {x: self.like(moved[i], x) for i, x in self.captured.items() if i in moved}
        with substituted(instead):  # a captured Tensor that is an output has its own value again afterwards
            ys = [instead.get(y, y) for y in outputs_of(self.f, args[: self.count])]
        return [args[i] for i in self.checked], ys

    def moved(self, i: int, values: Vector) -> Vector:
        """All outputs as one vector, with ``values`` in place of input ``i``."""
        return values_of(self.called({i: values})[1])

    def rules(self, u: Vector) -> dict[int, Vector]:
        """The gradients by one backward pass."""
        ways = [(y, self.like(part, y)) for y, (_, part) in zip(self.ys, self.parts(u), strict=True) if y.requires_grad]
        if not ways:
            return {i: np.zeros(x.size) for i, x in self.base.items()}
        try:
            found = gradients([y for y, _ in ways], self.xs, [seed for _, seed in ways])
        except ShapeError as error:
            raise GradcheckError(
                f"{error} Does it undo what its operation does to the shape (a sum, a broadcast)?"
            ) from error
        except AutogradError:
            raise
        except Exception as error:
            raise GradcheckError(
                f"going backward through {self.f_name} raised {type(error).__name__}: {error}. A rule fails, or "
                f"returns a shape that its argument can't have been broadcast to. Recorded operations: {self.recorded}."
            ) from error
        return {i: values_of([g]) for i, g in zip(self.checked, found, strict=True)}

    def connected(self, i: int) -> bool:
        """Whether a gradient flows from the outputs to input ``i``."""
        flows = {*map(id, self.graph.outputs)}
        for node in reversed(self.graph.nodes):
            if node.op is not None and id(node) in flows:
                flows.update(id(place) for i, place in enumerate(node.inputs) if node.mask >> i & 1)
        return id(self.xs[self.checked.index(i)]) in flows

    @cached_property
    def recorded(self) -> str:
        """The operations between the checked inputs and the outputs."""
        return ", ".join(dict.fromkeys(node.op.name for node in self.graph.nodes if node.op is not None)) or "none"

    def pulled(self, u: Vector) -> dict[int, Vector]:
        """`rules`, computed once for each ``u``."""
        key = u.tobytes()
        if key not in self.known:
            self.known[key] = self.rules(u)
        return self.known[key]

    def disturb(self) -> None:
        """Call the function at other inputs, to expose rules that keep values of the last call."""
        for i, values in self.base.items():
            try:
                self.moved(i, values + 0.01 * np.maximum(1.0, np.abs(values)))
            except Exception:  # the other inputs may be outside of the domain
                continue

    @property
    def epsilon(self) -> float:
        """The machine epsilon of the coarsest dtype."""
        return float(np.finfo(self.dtype).eps)

    def check_finite(self) -> None:
        """Raise `DomainError` for an input or an output that is not finite."""
        for i, x in self.base.items():
            if not np.isfinite(x).all():
                first = int(np.argmin(np.isfinite(x)))
                where = [int(n) for n in np.unravel_index(first, self.shapes[i])]
                raise DomainError(
                    f"{self.call(i)} is {x[first]} at {where}: differences need finite inputs; choose others."
                )
        for k, (_, part) in enumerate(self.parts(self.y)):
            if not np.isfinite(part).all():
                raise DomainError(f"output {k} of {self.f_name} is not finite here: choose inputs at which it is.")

    def parts(self, values: Vector) -> list[tuple[Shape, Vector]]:
        """A vector like ``y`` as the shape and the elements of each output."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.outputs])
        return list(zip(self.outputs, np.split(values, ends[:-1]), strict=True)) if self.outputs else []
