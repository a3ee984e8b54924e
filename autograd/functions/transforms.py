"""Derivatives of functions and of Tensors, of any order, by reverse mode.

Arguments and results may be trees: dicts, lists, tuples, dataclasses and the like, nested, with arrays as leaves. The
derivatives have the same structure. A list or tuple of numbers alone is an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any, NamedTuple, overload

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.common.messages import describe, of_type
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.backward import backward_steps, conjugated, seed_of
from glassgrad.autograd.engine.graph import Node, reachable, vertex_of
from glassgrad.autograd.engine.modes import DIFFERENTIATED, MODE, enable_grad
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.creation import zeros_like

Function = Callable[..., Any]


# ---------------------------------------------------------------------------------------------------------- of Tensors


@overload
def gradients(outputs: Any, inputs: Tensor, seeds: Any = None, *, create_graph: bool = False) -> Tensor: ...


@overload
def gradients(
    outputs: Any, inputs: Sequence[Tensor], seeds: Any = None, *, create_graph: bool = False
) -> tuple[Tensor, ...]: ...


def gradients(outputs: Any, inputs: Any, seeds: Any = None, *, create_graph: bool = False) -> Any:
    """The gradients of ``outputs`` with respect to ``inputs`` (any Tensors of the graph). ``.grad`` stays as it is.

    ``seeds``: the upstream gradient of the output, or of each of several, 1 by default for one-element ones. With
    ``create_graph`` the results are recorded, so that they can be differentiated again, also within `no_grad`. The
    graph is always kept. Returns one Tensor for one input, a tuple for a sequence; zeros for an input that the outputs
    do not depend on.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(2.0, requires_grad=True)
    >>> slope = ag.gradients(x**3, x, create_graph=True)
    >>> slope.data, ag.gradients(slope, x).data
    (np.float64(12.0), np.float64(12.0))
    """
    ys, xs = _tensors(outputs, "outputs"), _tensors(inputs, "inputs")
    given = [seeds] if isinstance(outputs, Tensor) else [None] * len(ys) if seeds is None else list(seeds)
    if len(given) != len(ys):
        raise ShapeError(f"{len(given)} seeds for {len(ys)} outputs: give one for each.")
    for x in (*ys, *xs):
        if not x.requires_grad:
            raise GradientError(f"Tensor {describe(x)} does not require grad: create inputs with requires_grad=True.")
    found = gradients_at(ys, xs, given, create_graph)
    return found[0] if isinstance(inputs, Tensor) else found


def gradients_at(ys: Sequence[Tensor], xs: Sequence[Tensor], seeds: Any, create_graph: bool) -> tuple[Tensor, ...]:
    """`gradients` with respect to Tensors that were checked; of ``ys`` that do not require grad they are zeros."""
    found: dict[Any, Any] = dict.fromkeys(map(vertex_of, xs))
    taken, ends = set(map(id, seeds)), [(y, seed) for y, seed in zip(ys, seeds, strict=True) if y.requires_grad]
    with enable_grad() if create_graph else nullcontext():
        start = [seed_of(y, seed, create_graph) for y, seed in ends]
        for vertex, g, _ in backward_steps([y for y, _ in ends], start, create_graph=create_graph, inputs=xs):
            if vertex not in found:
                continue
            g = conjugated(g)
            if create_graph:
                found[vertex] = g.clone() if id(g) in taken else g  # writing into one must not change another
                taken.add(id(g))
                if len(ys) == 1:
                    _name_gradient(found[vertex], ys[0], vertex)
            else:
                found[vertex] = wrap(backends.copy_of(g) if type(vertex) is Node else g)
    made = [found[vertex_of(x)] for x in xs]
    return tuple(zeros_like(x) if g is None else g for x, g in zip(xs, made, strict=True))


def _name_gradient(g: Tensor, y: Tensor, x: Any) -> None:
    """Name a recorded first derivative after two named values, `∂y/∂x`, so that pictures and formulas say it."""
    named = x.name and y.name and not y.name.startswith("∂") and g.name is None
    if named and g.node is not None and y.node is not None and g.node.index > y.node.index:
        g.name = f"∂{y.name}/∂{x.name}"


def _tensors(given: Any, name: str) -> list[Tensor]:
    """One Tensor or several, as a list."""
    found = [given] if isinstance(given, Tensor) or not isinstance(given, Iterable) else list(given)
    for x in found:
        if not isinstance(x, Tensor):
            raise DTypeError(f"{name} are one Tensor or several; {of_type(x)} is among those given.")
    return found


# -------------------------------------------------------------------------------------------------------- of functions


class Call(NamedTuple):
    """A recorded call of a function: its results, and the Tensors that it is differentiated with respect to."""

    value: Any
    """What the function returned, constant unless ``nested``."""
    aux: tuple[Any, ...]
    """Its second result, alone, with ``has_aux``; likewise constant."""
    ys: list[Tensor]
    xs: list[Tensor]
    """The arguments as they were given: ``f`` may write to its own Tensors."""
    results_form: trees.Structure
    arguments_form: trees.Structure
    nested: bool
    """Whether derivatives of the derivatives may be asked for."""

    def like_arguments(self, values: Iterable[Any]) -> Any:
        """``values``, one for each of ``xs``, in the structures of the arguments."""
        return trees.unflatten(self.arguments_form, values)


def call_recorded(f: Function, args: Sequence[Any], numbers: Sequence[int], kwargs: Any, has_aux: bool) -> Call:
    """Call ``f``, and record what it computes from the arguments of these numbers."""
    recorded = MODE.get().grad
    leaves, form = variables_of(args, numbers)
    with enable_grad():
        # An argument that is being recorded keeps its history, so that transforms nest.
        made = [x.clone() if x.requires_grad else wrap(x.data, name=x.name).requires_grad_() for x in leaves]
        xs = [x if x.node is None else wrap(x.data, x.node) for x in made]
        with holding(DIFFERENTIATED, (*DIFFERENTIATED.get(), *made)):
            given = replaced(args, numbers, trees.unflatten(form, made))
            result, aux, ys, results_form = results_of(f, given, kwargs, has_aux)
        ys = [y.clone() if y.requires_grad and y.node is None else y for y in ys]
    for x in xs:
        x.requires_grad = x.node is not None  # nothing outside of this call depends on a leaf made for it
    nested = recorded and _is_recorded([*ys, *(y for y in trees.leaves(aux) if isinstance(y, Tensor))])
    if not nested:
        # `detach` would take the tangent away in a call of `jvp`.
        result, aux = trees.map(lambda y: wrap(y.data, name=y.name) if isinstance(y, Tensor) else y, (result, aux))
    return Call(result, aux, ys, xs, results_form, form, nested)


def variables_of(args: Sequence[Any], numbers: Iterable[int]) -> tuple[list[Tensor], trees.Structure]:
    """The leaves of the arguments of these numbers as Tensors, and the structure of a tuple of them.

    Raises `GradientError` where there is no argument of a number, `DTypeError` for a leaf that is not floating-point.
    """
    xs: list[Tensor] = []
    forms = []
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise GradientError(f"argnums names argument {number}, but the function was given {len(args)} argument(s).")
        leaves, form = flattened(args[number])
        xs += floating(leaves, form, f"argument {number}")
        forms.append(form)
    return xs, (tuple, None, tuple(forms))


def replaced(args: Sequence[Any], numbers: Iterable[int], values: Iterable[Any]) -> list[Any]:
    """``args`` with these values in place of the arguments of these numbers."""
    given = list(args)
    for number, value in zip(numbers, values, strict=True):
        given[number] = value
    return given


def results_of(
    f: Function, args: Sequence[Any], kwargs: Any = None, has_aux: bool = False
) -> tuple[Any, tuple[Any, ...], list[Tensor], trees.Structure]:
    """What ``f`` returned, its second result alone with ``has_aux``, the Tensors of the first, and its structure."""
    result, aux = f(*args, **(kwargs or {})), ()
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise DTypeError(f"{name_of(f)} returned no pair (value, aux), which has_aux=True asks for.")
        result, aux = result[0], result[1:]
    ys, form = trees.flatten(result)
    for y in ys or [result]:
        if not isinstance(y, Tensor):
            raise DTypeError(f"{name_of(f)} returned {type(y).__name__}: it must compute Tensors from its arguments.")
    return result, aux, ys, form


def _is_recorded(ys: Iterable[Tensor]) -> bool:
    """Whether ``ys`` depend on a leaf that requires grad: in an argument's own history, or one that the function closes
    over, as in a nested call.
    """
    ends = [vertex_of(y) for y in ys]
    return any(map(_requires_grad, chain(ends, *(node.inputs for node in reachable(ends)))))


def one_or_tuple(*found: Any) -> Any:
    """The tuple of several values; a single one as it is."""
    return found if len(found) > 1 else found[0]


def floating(leaves: Iterable[Any], form: trees.Structure, name: str) -> list[Tensor]:
    """The leaves of an argument as Tensors. Raises `DTypeError` unless they are floating-point."""
    xs = list(map(asarray, leaves))
    for place, x in enumerate(xs):
        if not backends.is_inexact(x.dtype):
            called = trees.paths(form, name)[place]
            raise DTypeError(f"{called} is {describe(x)}: derivatives need floating-point values; write 3.0 for 3.")
    return xs


def flattened(x: Any) -> tuple[list[Any], trees.Structure]:
    """The leaves of an argument, and its structure."""
    return trees.flatten(x) if _is_tree(x) else ([x], trees.LEAF)


def _is_tree(x: Any) -> bool:
    """Whether an argument is a container of arrays. A list or tuple of numbers is an array."""
    if type(x) not in (list, tuple):
        return x is not None and trees.is_container(x)
    return any(isinstance(item, Tensor) or getattr(item, "shape", ()) != () or _is_tree(item) for item in x)


def _requires_grad(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def argument_numbers(who: str, f: Any, argnums: Any) -> list[int]:
    """``argnums`` as a list. Raises `DTypeError` for anything but integers, and for ``f`` that is no function."""
    check_function(f, f"{who}'s f", "a function of Tensors")
    numbers = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    if not all(isinstance(number, int) for number in numbers) or len({*numbers}) < len(numbers):
        raise DTypeError(f"argnums = {argnums!r}: give the number of an argument, or several; write grad(f)(x) for x.")
    return numbers


def check_pairs(primals: Any, others: Any, others_name: str = "tangents") -> None:
    """Raise unless ``primals`` and the ``others``, such as tangents, are tuples of one length."""
    kinds = [isinstance(given, list | tuple) for given in (primals, others)]
    if not all(kinds) or len(primals) != len(others):
        found = f"{describe(primals)} and {describe(others)} were given"
        raise ShapeError(f"give primals and {others_name} as tuples, an entry for each argument, as in (x,); {found}.")


def directions(form: trees.Structure, xs: Sequence[Tensor], tangents: Sequence[Any]) -> list[Tensor]:
    """The leaves of ``tangents``, one for each of ``xs``."""
    found = [asarray(v) for v in trees.flatten_up_to(form, tuple(tangents))]
    for i, (x, v) in enumerate(zip(xs, found, strict=True)):
        if x.shape != v.shape:
            raise ShapeError(f"tangent {i} has shape {v.shape}, its primal {x.shape}: they must be equal.")
        fits = backends.is_inexact if backends.is_complex(x.dtype) else backends.is_real
        if not fits(v.dtype):
            raise DTypeError(f"tangent {i} is {v.dtype}, its primal {x.dtype}: give its kind of numbers, 1.0 for 1.")
    return found


def name_of(f: Function) -> str:
    """The name of a function in a message."""
    return getattr(f, "__name__", "the function")


def _scalar(call: Call, f: Function) -> Tensor:
    if call.results_form is not trees.LEAF or call.ys[0].size != 1:
        way = "reduce it, take jacobian or vjp, or has_aux=True for (value, aux)"
        raise GradientError(f"{name_of(f)} returned {describe(call.value)}: grad needs a scalar; {way}.")
    return call.ys[0]


def value_and_grad(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns ``f``'s scalar value and its gradient with respect to the arguments in ``argnums``.

    The gradient has the structure of the argument: a Tensor for an array, a dict of Tensors for a dict of arrays. It is
    a tuple of gradients for several ``argnums``. With ``has_aux`` ``f`` returns ``(value, aux)``, and the first result
    is that pair. The gradient is recorded where an argument or a Tensor that ``f`` closes over is being recorded, so
    that calls nest to any order.

    >>> from glassgrad.autograd import value_and_grad
    >>> value_and_grad(lambda x, y: x * x * y, argnums=(0, 1))(3.0, 2.0)
    (Tensor(18.0), (Tensor(12.0), Tensor(9.0)))
    """
    numbers = argument_numbers("grad", f, argnums)

    def value_and_grad_of(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = call_recorded(f, args, numbers, kwargs, has_aux)
        y = _scalar(call, f)
        slopes = call.like_arguments(gradients_at([y], call.xs, [None], call.nested))
        return one_or_tuple(call.value, *call.aux), slopes[0] if isinstance(argnums, int) else slopes

    return value_and_grad_of


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient function of a scalar ``f``, with respect to the arguments in ``argnums``.

    Nested arguments as in `value_and_grad`. With ``has_aux`` it returns ``(gradient, aux)``.

    >>> from glassgrad.autograd import grad
    >>> grad(lambda x: x**3)(2.0), grad(grad(lambda x: x**3))(2.0)
    (Tensor(12.0), Tensor(12.0))
    >>> grad(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 3.0})
    {'a': Tensor(3.0), 'b': Tensor(2.0)}
    """
    both = value_and_grad(f, argnums, has_aux)

    def grad_of(*args: Any, **kwargs: Any) -> Any:
        value, slope = both(*args, **kwargs)
        return (slope, value[1]) if has_aux else slope

    return grad_of


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """``f``'s value, and the function that maps a cotangent to one for each argument: ``v ↦ vᵀJ``; of complex numbers
    the gradients, as `gradients` has them.

    The cotangent has the structure of the value, and each result that of its argument. With ``has_aux`` ``f`` returns
    ``(value, aux)``, and ``aux`` is a third result.

    >>> from glassgrad.autograd import vjp
    >>> y, pull = vjp(lambda x: x * x, [1.0, 2.0])
    >>> pull([1.0, 1.0])
    (Tensor([2.0, 4.0]),)
    """
    check_function(f, "vjp's f", "a function of Tensors")
    call = call_recorded(f, primals, range(len(primals)), {}, has_aux)

    def pull(cotangent: Any) -> Any:
        seeds = trees.flatten_up_to(call.results_form, cotangent)
        wanted = call.nested or any(map(_requires_grad, seeds))
        return call.like_arguments(gradients_at(call.ys, call.xs, seeds, wanted and MODE.get().grad))

    return call.value, pull, *call.aux


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The Hessian of a scalar ``f`` times a vector, without forming it (B. A. Pearlmutter 1994).

    ``primals`` are the arguments, ``tangents`` the vector: a tuple with an entry of the same structure for each.
    Returns such a tuple. With ``has_aux`` ``f`` returns ``(value, aux)``, and the result is ``(products, aux)``.

    >>> from glassgrad.autograd import hvp
    >>> hvp(lambda x: (x**3).sum(), ([1.0, 2.0],), ([1.0, 1.0],))
    (Tensor([6.0, 12.0]),)
    """
    check_pairs(primals, tangents)
    slope = grad(f, range(len(primals)), has_aux)
    slope.__name__ = name_of(f)  # for errors
    slopes, pull, *aux = vjp(slope, *primals, has_aux=has_aux)
    ys, form = trees.flatten(slopes)
    products = pull(trees.unflatten(form, directions(form, ys, tangents)))  # H is symmetric: v Hᵀ is H v
    return one_or_tuple(products, *aux)
