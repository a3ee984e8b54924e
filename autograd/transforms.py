"""Derivatives of functions, of any order. All of them are the one walk of `autograd.backward`, asked differently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from autograd import backends, trees
from autograd.backward import gradients
from autograd.errors import DTypeError, GradientError, ShapeError
from autograd.functions.creation import eye, zeros
from autograd.graph import Node, reachable, vertex_of
from autograd.messages import describe, shown
from autograd.modes import MODE, enable_grad
from autograd.ops.shaping import stack
from autograd.shapes import size
from autograd.tensor import Tensor, asarray, new, wrap

Function = Callable[..., Any]


class _Variable(Tensor):
    """What a transform differentiates by. ``spent``: it is done, and nobody asks for derivatives by this any more."""

    __slots__ = ("spent",)

    spent: bool


def _variable(array: Any, name: str | None = None) -> _Variable:
    made = new(_Variable)
    made._data, made.node, made.grad, made.hooks, made._name = array, None, None, None, name
    made.requires_grad, made.spent = False, False
    made.requires_grad_()
    return made


def _spend(variables: Iterable[Any]) -> None:
    for x in variables:
        if isinstance(x, _Variable):
            x.spent = True


def _variables(args: Sequence[Any], numbers: Sequence[int]) -> list[Any]:
    """The arguments, those to differentiate by as Tensors of their own place in the graph."""
    found = list(args)
    for i in numbers:
        if not -len(args) <= i < len(args):
            raise GradientError(f"argnums names argument {i}, but the function was given {len(args)} argument(s).")
        x = asarray(args[i])
        if not backends.is_inexact(x.dtype):
            raise DTypeError(f"argument {i} is {describe(x)}: derivatives need floating-point values; write 3.0 for 3.")
        # An argument that is being recorded stays tied to its history, so that transforms nest.
        found[i] = x.clone() if x.requires_grad else _variable(x.data, x.name)
    return found


def _is_tree(x: Any) -> bool:
    """Whether an argument is a container of arrays: a dict, or one with Tensors or arrays in it. Numbers in a list are
    an array.
    """
    if not trees.is_container(x):
        return False
    return not isinstance(x, list | tuple) or any(
        isinstance(leaf, Tensor) or getattr(leaf, "shape", ()) != () for leaf in trees.leaves(x)
    )


def _argument_numbers(argnums: Any) -> list[int]:
    numbers = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    if not all(isinstance(number, int) for number in numbers):
        raise DTypeError(
            f"argnums = {argnums!r}: give the number of an argument, or a tuple of them; the arguments themselves go "
            "to the function that is returned, as in grad(f)(x)."
        )
    return numbers


def _check(f: Any, who: str) -> None:
    if not callable(f):
        raise DTypeError(f"{who} takes a function of Tensors, and then its arguments; it was given {shown(f)}.")


def _paired(primals: Any, tangents: Any) -> list[Tensor]:
    """The tangents as Tensors, one for each primal."""
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, list | tuple):
            raise DTypeError(f"{name} are a tuple, one for each argument, as in (x,); they are {describe(given)}.")
    if len(primals) != len(tangents):
        raise ShapeError(f"{len(primals)} primals and {len(tangents)} tangents: give one tangent for each.")
    return [asarray(t) for t in tangents]


def _called(f: Function) -> str:
    return getattr(f, "__name__", "the function")


def _tensor(y: Any, f: Function) -> Tensor:
    if not isinstance(y, Tensor):
        raise DTypeError(f"{_called(f)} returned {type(y).__name__}: it must compute one Tensor from its arguments.")
    return y


def _scalar(y: Any, f: Function) -> Tensor:
    if _tensor(y, f).size != 1:
        raise GradientError(
            f"{_called(f)} returned a Tensor of shape {y.shape}: grad needs a scalar; reduce it, or use "
            "jacobian or vjp."
        )
    return y  # type: ignore[no-any-return]


def _depends_on_more(y: Tensor, xs: Sequence[Tensor]) -> bool:
    """Whether ``y`` was computed from anything recorded besides ``xs``, as in a nested call: an argument's own history,
    or a Tensor that the function closes over. Then there are derivatives by that, too, of ``y`` and of its derivatives.
    """
    known = {id(vertex_of(x)) for x in xs}
    place = vertex_of(y)
    leaves = [place, *(p for node in reachable([place]) for p in node.inputs)]
    return any(
        type(p) is not Node
        and getattr(p, "requires_grad", False)
        and id(p) not in known
        and not (isinstance(p, _Variable) and p.spent)
        for p in leaves
    )


def value_and_grad(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns ``f``'s scalar value and its gradient by the arguments that ``argnums`` names.

    The gradient is a Tensor for one number, a tuple for several. An argument may be a dict, or a list or tuple with
    Tensors or arrays in it, nested as it may be; its gradient has the same structure. With ``has_aux`` ``f`` returns
    ``(value, aux)``, and the first result is that pair. The gradient is recorded where an argument, or what ``f``
    closes over, is being recorded, so that calls nest to any order.

    >>> from autograd import value_and_grad
    >>> value_and_grad(lambda x, y: x * x * y, argnums=(0, 1))(3.0, 2.0)
    (Tensor(18.0), (Tensor(12.0), Tensor(9.0)))
    """
    _check(f, "grad")
    numbers = _argument_numbers(argnums)

    def value_and_grad_of(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        recorded = MODE.get().grad
        with enable_grad():
            given, structures, flat = list(args), [], []
            for i in numbers:
                if not -len(args) <= i < len(args):
                    _variables(args, numbers)  # which says so
                leaves, structure = trees.flatten(args[i]) if _is_tree(args[i]) else ([args[i]], trees.LEAF)
                made = _variables(leaves, range(len(leaves)))
                given[i] = trees.unflatten(structure, made)
                structures.append((structure, len(made)))
                flat += made
            xs = flat
            try:
                result = f(*given, **kwargs)
                if has_aux and not (isinstance(result, tuple) and len(result) == 2):
                    raise DTypeError(f"{_called(f)} returned no pair (value, aux), which has_aux=True asks for.")
                y = _scalar(result[0] if has_aux else result, f)
                nested = recorded and _depends_on_more(y, xs)
                slopes = iter(_slopes(y, xs, None, nested))
            finally:
                _spend(xs)
        value = y if nested else y.detach()
        found = [trees.unflatten(structure, islice(slopes, count)) for structure, count in structures]
        return ((value, result[1]) if has_aux else value), found[0] if isinstance(argnums, int) else tuple(found)

    return value_and_grad_of


def _slopes(y: Tensor, xs: Sequence[Tensor], seed: Any, create_graph: bool) -> tuple[Tensor, ...]:
    """Gradients of ``y`` by ``xs``; zeros where ``y`` does not depend on anything recorded."""
    if not y.requires_grad:
        return tuple(wrap(backends.namespace(x.data).zeros_like(x.data)) for x in xs)
    found: tuple[Tensor, ...] = gradients([y], xs, None if seed is None else [seed], create_graph=create_graph)
    return found


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient function of a scalar ``f``, with respect to the arguments that ``argnums`` names.

    Nested arguments as in `value_and_grad`. With ``has_aux`` it returns ``(gradient, aux)``.

    >>> from autograd import grad
    >>> grad(lambda x: x**3)(2.0), grad(grad(lambda x: x**3))(2.0)
    (Tensor(12.0), Tensor(12.0))
    """
    both = value_and_grad(f, argnums, has_aux)

    def grad_of(*args: Any, **kwargs: Any) -> Any:
        value, slope = both(*args, **kwargs)
        return (slope, value[1]) if has_aux else slope

    return grad_of


def vjp(f: Function, *primals: Any) -> tuple[Tensor, Callable[[Any], tuple[Tensor, ...]]]:
    """``f``'s value, and the function that takes a cotangent of its shape to one for each argument: ``v ↦ vᵀJ``.

    >>> from autograd import vjp
    >>> y, pull = vjp(lambda x: x * x, [1.0, 2.0])
    >>> pull([1.0, 1.0])
    (Tensor([2.0, 4.0]),)
    """
    _check(f, "vjp")
    recorded = MODE.get().grad
    with enable_grad():
        xs = _variables(primals, range(len(primals)))
        try:
            y = _tensor(f(*xs), f)
            nested = recorded and _depends_on_more(y, xs)
        finally:
            _spend(xs)

    def pull(cotangent: Any) -> tuple[Tensor, ...]:
        wanted = nested or (isinstance(cotangent, Tensor) and cotangent.requires_grad)
        return _slopes(y, xs, cotangent, wanted and MODE.get().grad)

    return (y if nested else y.detach()), pull


def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """``f``'s value and its derivative along ``tangents``: ``J v``, by two reverse passes (``v ↦ vᵀJ`` is linear, so
    its own transpose is ``J``; J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    >>> from autograd import jvp
    >>> jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 10.0))
    (Tensor(12.0), Tensor(34.0))
    """
    _check(f, "jvp")
    vs = _paired(primals, tangents)
    recorded = MODE.get().grad
    with enable_grad():
        xs = _variables(primals, range(len(primals)))
        for i, (x, v) in enumerate(zip(xs, vs, strict=True)):
            if x.shape != v.shape:
                raise ShapeError(f"tangent {i} has shape {v.shape}, its primal {x.shape}: they must be equal.")
        try:
            y = _tensor(f(*xs), f)
            nested = recorded and (_depends_on_more(y, xs) or any(v.requires_grad for v in vs))
        finally:
            _spend(xs)
        if not y.requires_grad:
            return y, wrap(backends.namespace(y.data).zeros_like(y.data))
        dummy = _variable(backends.namespace(y.data).zeros_like(y.data))
        _spend([dummy])
        pulled = gradients([y], xs, [dummy], create_graph=True)
        carried = [(p, v) for p, v in zip(pulled, vs, strict=True) if p.requires_grad]
        (tangent,) = gradients([p for p, _ in carried], [dummy], [v for _, v in carried], create_graph=nested)
    return (y if nested else y.detach()), tangent


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The function that returns all derivatives of ``f``'s outputs: shape ``output.shape + argument.shape``.

    One walk per output element.

    >>> from autograd import jacobian
    >>> jacobian(lambda x: x * x)([1.0, 2.0])
    Tensor([[2.0, 0.0],
            [0.0, 4.0]])
    """
    _check(f, "jacobian")
    numbers = _argument_numbers(argnums)

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        recorded = MODE.get().grad
        with enable_grad():
            variables = _variables(args, numbers)
            xs = [variables[i] for i in numbers]
            try:
                y = _tensor(f(*variables, **kwargs), f)
                nested = recorded and _depends_on_more(y, xs)
            finally:
                _spend(xs)
            count = size(y.shape)
            units = eye(count, dtype=y.dtype, device=y.device)
            rows = [_slopes(y, xs, units[i].reshape(y.shape), nested) for i in range(count)]
            blocks = [
                stack([row[j] for row in rows]).reshape((*y.shape, *x.shape))
                if rows
                else zeros((*y.shape, *x.shape), dtype=x.dtype)
                for j, x in enumerate(xs)
            ]
        return blocks[0] if isinstance(argnums, int) else tuple(blocks)

    return jacobian_of


def hessian(f: Function, argnums: int = 0) -> Callable[..., Tensor]:
    """The second derivatives of a scalar ``f`` by one argument: shape ``argument.shape + argument.shape``.

    >>> from autograd import hessian
    >>> hessian(lambda x: (x**3).sum())([1.0, 2.0])
    Tensor([[ 6.0, 0.0],
            [ 0.0, 12.0]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar ``f`` times a vector, without forming it (B. A. Pearlmutter 1994): one Tensor per primal.

    >>> from autograd import hvp
    >>> hvp(lambda x: (x**3).sum(), ([1.0, 2.0],), ([1.0, 1.0],))
    (Tensor([6.0, 12.0]),)
    """
    vs = _paired(primals, tangents)
    slopes_of = grad(f, tuple(range(len(primals))))

    def along(*xs: Any) -> Tensor:
        total: Any = 0.0
        for i, (slope, v) in enumerate(zip(slopes_of(*xs), vs, strict=True)):
            if slope.shape != v.shape:
                raise ShapeError(f"tangent {i} has shape {v.shape}, its primal {slope.shape}: they must be equal.")
            total = total + (slope * v).sum()
        return total  # type: ignore[no-any-return]

    return grad(along, tuple(range(len(primals))))(*primals)
