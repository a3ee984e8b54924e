"""`gradcheck`: the gradients of a function, compared with finite differences of its values.

Two oracles must agree with the rules. **Finite differences** (`differences`) apply always. **The complex step**
(`complexstep`) applies where the function is analytic: it sees errors far below those of differences.
"""

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
from glassgrad.autograd.common.validation import check_function, number, whole
from glassgrad.autograd.engine.graph import Graph, Node, stamp
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, DTypeError, GradcheckError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.gradients import gradients
from glassgrad.autograd.functions.transforms import flattened, result_of
from glassgrad.autograd.testing.complexstep import run
from glassgrad.autograd.testing.differences import Vector
from glassgrad.autograd.testing.judgement import Judgement, check_shown, compare, nothing_checked
from glassgrad.autograd.testing.points import Function, Point, called, flat

PointOf = Callable[[Function, Sequence[Any], int], "TensorPoint"]


@np.errstate(all="ignore")  # non-finite values are reported, not warned of
def gradcheck(
    f: Function,
    *inputs: Any,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    max_elements: int = 100,
    seed: int = 0,
) -> bool:
    """Whether the gradients of ``f`` match finite differences of its values: ``True``, or `GradcheckError`.

    ``f`` takes the inputs as Tensors and returns a Tensor, or several, of any shape; it must give the same values at
    every call. ``inputs`` are Tensors, arrays, lists or numbers, best in float64, or trees of them, such as a dict of
    parameters. Those Tensors that require grad are checked and the rest is handed to ``f`` as it is; if none requires
    grad, all are checked (but not the integers and masks of a module). ``f`` is called with copies.

    Tensors that require grad and that ``f`` captures are checked, too: variables of an enclosing function, globals, and
    the parameters of a module, which may be ``f`` itself. While it is called they hold other values. Freeze or detach
    those that are constants.

    Each element of an input is moved by ``±eps * max(1, |x|)`` (rounded up to a power of 2), and each element of the
    outputs is compared; then random sums of both. Where rule and difference disagree (and no ``eps`` is given), steps
    from 1000 to 1e-10 times as large are tried, until two of them agree. An input of more than ``max_elements``
    elements is moved along random directions instead (and so is each captured Tensor, if they have more than that in
    all), and outputs of more than that are compared only as random sums; a fault seen there is traced to an element by
    halving. Then the derivative along a random direction is compared with that by the complex step, where every
    recorded operation is analytic. ``seed`` draws the directions.

    Two values agree if they differ by at most ``atol + rtol * |numeric|`` (for many compared as one, the root of the
    sum of squares) plus the error of the difference quotient. By default ``eps`` is 2⁻¹⁷ in float64 and ``rtol`` the
    cube root of the machine epsilon (6e-6); ``atol`` is 0. For the complex step ``rtol`` is the square root of the
    machine epsilon. Inputs and captured Tensors in float32 are checked as copies in float64, if ``f`` takes these.

    A complex input is moved along its real and its imaginary part, and of a complex output both are compared: in a
    report these are the elements 0 and 1 of one more axis.

    At a kink, such as that of ``relu`` at 0, any slope between those at nearby points is accepted. An input is
    "unchecked", which is an error, if all its derivatives are below the tolerance or rounding, or all its elements are
    at kinks; and so is a captured Tensor that was computed before, because only ``f`` is called again.

    Raises `GradcheckError`, which says where and by how much; `DomainError` for inputs or values that are NaN or
    infinite; `DTypeError` for inputs or outputs that are not floating point.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import gradcheck
    >>> gradcheck(lambda x, w: ag.tanh(x @ w), ag.Tensor([[0.1, 0.2]]), ag.Tensor([[1.0], [-3.0]]))
    True
    >>> gradcheck(lambda params, x: x * params["w"] + params["b"], {"w": 2.0, "b": 3.0}, [0.5, 1.0])
    True
    >>> w = ag.Tensor([1.0, -3.0], requires_grad=True)
    >>> gradcheck(lambda x: ag.tanh(x @ w), [0.1, 0.2])  # with respect to x and w
    True
    >>> @ag.op("x²")
    ... def squared(xp, x):
    ...     return x * x
    >>> squared.vjp(x=lambda g, x: g * x)
    >>> gradcheck(squared, [3.0, 4.0])
    Traceback (most recent call last):
        ...
    glassgrad.autograd.errors.GradcheckError: the derivative of output 0 [1] with respect to input 0 ('x') [1] is wrong:
        at this input       4, in float64
        analytic (rules)    4
        finite differences  8   (step ...)
        complex step        8
        difference          4, more than the tolerance ...
    What may be wrong: the rules give 1/2 times the difference: a rule has a factor too few or too many.
    Recorded operations: squared.
    """
    return _checked(first_order, f, inputs, eps, atol, rtol, max_elements, seed)


@np.errstate(all="ignore")
def gradgradcheck(
    f: Function,
    *inputs: Any,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    max_elements: int = 100,
    seed: int = 0,
) -> bool:
    """`gradcheck` of the gradients of ``f``, as functions of the inputs and of the upstream gradients at the outputs.

    So the second derivatives are checked. Arguments, tolerances and errors are those of `gradcheck`; the inputs beyond
    those of ``f`` are the upstream gradients, random numbers drawn from ``seed``.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import gradgradcheck
    >>> gradgradcheck(lambda x: x**3, [1.0, 2.0])
    True
    """
    return _checked(second_order, f, inputs, eps, atol, rtol, max_elements, seed)


def _checked(point_of: PointOf, f: Function, inputs: Sequence[Any], *options: Any) -> bool:
    buffers = {x: backends.copy_of(x.data) for x in getattr(f, "buffers", tuple)()}
    try:
        check_shown(*judged(point_of, f, inputs, **checked_options(*options)))
    finally:
        for x, values in buffers.items():  # such as running means, which a call moves
            x.data = values
    return True


def judged(
    point_of: PointOf, f: Function, inputs: Sequence[Any], seed: int, finite: bool = True, **options: Any
) -> tuple[TensorPoint, dict[int, Judgement]]:
    """The point, in float64 if ``f`` takes that, and the judgement of each input.

    Raises `GradcheckError` for a derivative that is wrong; `DomainError` for outputs that are not finite, unless
    ``finite`` is False: then they are left out.
    """
    point = point_of(f, inputs, seed)
    if finite:
        point.check_finite()
    arrays = [backends.to_numpy(x.data).dtype.itemsize for x in point.captured.values()]
    if min([point.dtype.itemsize, *arrays]) < 8:
        with _substituted({x: _finer(x) for x in point.captured.values()}):
            try:
                fine = point_of(f, [trees.map(_finer, x) for x in inputs], seed)
            except Exception:  # `f` may not take float64
                fine = point
            if fine.dtype.itemsize >= 8:
                return fine, compare(fine, seed=seed, **options)
    return point, compare(point, seed=seed, **options)


def checked_options(eps: Any, atol: Any, rtol: Any, max_elements: Any, seed: Any) -> dict[str, Any]:
    """The options of a check, validated."""
    for name, value in (("eps", eps), ("atol", atol), ("rtol", rtol)):
        if value is not None:
            number(value, name, 0)
    return {
        "eps": eps, "atol": atol, "rtol": rtol, "max_elements": whole(max_elements, "max_elements", 0),
        "seed": whole(seed, "seed", 0),
    }  # fmt: skip


def _finer(x: Any) -> Any:
    """A floating-point input in double precision; anything else as it is."""
    if not hasattr(x, "dtype") or not backends.is_inexact(x.dtype):
        return x
    given = x if isinstance(x, Tensor) else asarray(x)
    dtype = "complex128" if backends.is_complex(x.dtype) else "float64"
    return Tensor(given.data, dtype=dtype, requires_grad=given.requires_grad, name=given.name)


def first_order(f: Function, inputs: Sequence[Any], seed: int) -> TensorPoint:
    """The point that checks ``f`` itself."""
    return TensorPoint(f, inputs)


def second_order(f: Function, inputs: Sequence[Any], seed: int) -> TensorPoint:
    """The point that checks the gradients of ``f``, as functions of the inputs and of random upstream gradients."""
    point = TensorPoint(f, inputs)
    rng = np.random.default_rng(seed)
    ways = [k for k, y in enumerate(point.ys) if y.requires_grad]
    ys = point.ys
    cotangents = [point.like(rng.standard_normal(real_shape(ys[k])), ys[k], f"gradient at output {k}") for k in ways]
    count = point.count
    if point.y.size and not any(map(point.connected, point.checked)):
        raise nothing_checked(point)

    def slopes(*args: Any) -> tuple[Tensor, ...]:
        xs, seeds = args[:count], args[count:]
        ys = outputs_of(point.f, xs)
        wanted = [xs[i] if i < count else point.captured[i] for i in point.checked]
        found: tuple[Tensor, ...] = gradients([ys[k] for k in ways], wanted, list(seeds), create_graph=True)
        return found

    slopes.__name__ = f"the gradient of {point.f_name}"
    xs = [x.detach().requires_grad_() if i in point.checked else x for i, x in enumerate(point.inputs[:count])]
    second = TensorPoint(
        slopes,
        [*xs, *(c.requires_grad_() for c in cotangents)],
        point.names[:count],
        [f"the gradient with respect to {point.call(i)}" for i in point.checked],
        {x: point.names[i] for i, x in point.captured.items()},
    )
    second.constant, second.kind = True, point.kind
    return second


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
        return result_of(f, [trees.unflatten(form, islice(left, trees.count(form))) for _, form in parts])

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
def _substituted(values: Mapping[Tensor, Tensor]) -> Iterator[None]:
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


class TensorPoint(Point):
    """A function of Tensors at some inputs; the Tensors that it captures follow them, by position in ``captured``."""

    def __init__(
        self, f: Function, inputs: Sequence[Any], names: Sequence[str] = (), results: Any = (), captured: Any = None
    ) -> None:
        check_function(f, "f", "a function of Tensors")
        self.f_name = called(f)
        self.captured: dict[int, Tensor] = {}
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
        self.y = values_of(self.ys)
        self.outputs = list(map(real_shape, self.ys))
        self.check_repeats(values_of(self.called({})[1]))
        dtypes = [np.finfo(backends.to_numpy(t.data).dtype).dtype for t in (*self.xs, *self.ys)]
        self.dtype = max(dtypes, key=lambda d: float(np.finfo(d).eps), default=np.dtype(float))
        self.graph = Graph(*self.ys)
        names_of = _captured_names(f)
        self.kind = "parameter" if module else "captured"
        captures = captured if captured is not None else names_of if module else {}
        self._capture(captures, {**names_of, **captures}, start)
        self.results = list(results) or [f"output {k}" for k in range(len(self.ys))]

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
            return super().call(i)
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
        with _substituted(instead):  # a captured Tensor that is an output has its own value again afterwards
            ys = [instead.get(y, y) for y in outputs_of(self.f, args[: self.count])]
        return [args[i] for i in self.checked], ys

    def moved(self, i: int, values: Vector) -> Vector:
        """All outputs as one vector, with ``values`` in place of input ``i``."""
        return values_of(self.called({i: values})[1])

    def rules(self, u: Vector) -> dict[int, Vector]:
        """The gradients by one backward pass."""
        parts = [part for _, part in self.parts(u)]
        seeds = [self.like(part, y) for part, y in zip(parts, self.ys, strict=True) if y.requires_grad]
        ys = [y for y in self.ys if y.requires_grad]
        if not ys:
            return {i: np.zeros(x.size) for i, x in self.base.items()}
        try:
            found = gradients(ys, self.xs, seeds)
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
        flows = {id(place) for place in self.graph.outputs}
        for node in reversed(self.graph.nodes):
            if node.op is not None and id(node) in flows:
                flows.update(id(place) for i, place in enumerate(node.inputs) if node.mask >> i & 1)
        return id(self.xs[self.checked.index(i)]) in flows

    def run(self, i: int, values: Any) -> Any:
        """The outputs with complex values of input ``i``, computed by the recorded graph. Raises for complex inputs or
        outputs, of which two parts are moved.
        """
        if any(backends.is_complex(t.dtype) for t in (*self.xs, *self.ys)):
            raise TypeError("the complex step is for functions of real numbers")
        return run(self.graph, self.xs[self.checked.index(i)], values)

    @cached_property
    def recorded(self) -> str:  # type: ignore[override]
        """The operations between the checked inputs and the outputs."""
        return ", ".join(dict.fromkeys(node.op.name for node in self.graph.nodes if node.op is not None)) or "none"
