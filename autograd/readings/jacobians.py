"""Jacobians and Hessians: all directions at once, in the mode that takes fewer of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any

from glassgrad.autograd import trees
from glassgrad.autograd.backends import is_complex
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.engine.graph import Graph
from glassgrad.autograd.engine.modes import enable_grad
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DTypeError
from glassgrad.autograd.functions import transforms
from glassgrad.autograd.functions.creation import eye, zeros
from glassgrad.autograd.ops.shaping import concat
from glassgrad.autograd.readings.batches import vmap
from glassgrad.autograd.readings.forward import jvp

AT_ONCE = 256
"""With so many rows at once a Jacobian is computed by reverse mode, which bounds the memory."""


def check_real(tensors: Iterable[Tensor], what: str) -> None:
    """Raise `DTypeError` for complex numbers, whose real and imaginary parts have derivatives of their own."""
    for x in tensors:
        if is_complex(x.dtype):
            raise DTypeError(
                f"a Jacobian is of real numbers, and {what} is {describe(x)}: compute with its real and its imaginary "
                "part, or take jvp or vjp, which take complex numbers."
            )


def jacfwd(f: transforms.Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """`jacobian` by forward mode: one call of ``f``, with the tangents of all elements of the arguments at once. It is
    the faster one where these are fewer than the elements of ``f``'s value.

    >>> from glassgrad.autograd import jacfwd
    >>> jacfwd(lambda x: x * x)([1.0, 2.0])
    Tensor([[2.0, 0.0],
            [0.0, 4.0]])
    """
    numbers = transforms.argument_numbers("jacfwd", f, argnums)

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        flat, structure = transforms.variables_of(args, numbers)
        check_real(flat, "an argument")
        found: dict[str, Any] = {}
        ends = [*accumulate(x.size for x in flat)]
        places = [(slice(end - x.size, end), x.shape) for x, end in zip(flat, ends, strict=True)]

        def apart(rows: Tensor) -> Any:
            """The elements along the last axis as the arguments."""
            parts = [rows[..., place].reshape(*rows.shape[:-1], *shape) for place, shape in places]
            return trees.unflatten(structure, parts)

        def of_arguments(*chosen: Any) -> Any:
            return f(*transforms.replaced(args, numbers, chosen), **kwargs)

        def along(direction: Tensor) -> Any:
            """The derivative of ``f``'s value along a direction of all elements."""
            _, slope, *found["aux"] = jvp(of_arguments, trees.unflatten(structure, flat), apart(direction), has_aux)
            return slope

        of_arguments.__name__ = transforms.name_of(f)
        units = eye(ends[-1], dtype=flat[0].dtype, device=flat[0].device) if flat else zeros((0, 0))
        slopes = vmap(along, out_axes=-1, randomness="same")(units)
        one = isinstance(argnums, int)
        blocks = trees.map(lambda rows: apart(rows)[0] if one else apart(rows), slopes)
        return transforms.one_or_tuple(blocks, *found["aux"])

    return jacobian_of


def jacrev(f: transforms.Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """`jacobian` by reverse mode: one call of ``f``, and a backward pass for all elements of its value at once. It is
    the faster one where these are fewer than the elements of the arguments.

    >>> from glassgrad.autograd import jacrev
    >>> jacrev(lambda x: (x * x).sum())([1.0, 2.0])
    Tensor([2.0, 4.0])
    """
    numbers = transforms.argument_numbers("jacrev", f, argnums)

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        return _by_rows(transforms.call_recorded(f, args, numbers, kwargs, has_aux), argnums)

    return jacobian_of


def _by_rows(call: transforms.Call, argnums: int | Sequence[int]) -> Any:
    """A tree of blocks of shape ``y.shape + x.shape``, for each result and each variable."""
    check_real(call.xs, "an argument")
    check_real(call.ys, "a result")
    found = []
    with enable_grad():
        for y in call.ys:
            rows = _gradients_for_units(y, call.xs, call.nested)
            tree = call.like_arguments(part.reshape(*y.shape, *x.shape) for part, x in zip(rows, call.xs, strict=True))
            found.append(tree[0] if isinstance(argnums, int) else tree)
    return transforms.one_or_tuple(trees.unflatten(call.results_form, found), *call.aux)


def _gradients_for_units(end: Tensor, starts: Sequence[Tensor], nested: bool) -> list[Tensor]:
    """The gradients with respect to ``starts`` for each unit seed of ``end``, along a new first axis."""
    count = size(end.shape)
    if not count:
        return [zeros((0, *x.shape), dtype=x.dtype, device=x.device) for x in starts]
    units = eye(count, dtype=end.dtype, device=end.device).reshape(count, *end.shape)
    pull = vmap(lambda seed: tuple(transforms.gradients_at([end], starts, [seed], nested)), randomness="same")
    rows = [pull(units[i : i + AT_ONCE]) for i in range(0, count, AT_ONCE)]
    return [parts[0] if len(parts) == 1 else concat(parts, axis=0) for parts in zip(*rows, strict=True)]


def jacobian(f: transforms.Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that returns the derivatives of all elements of ``f``'s value: ``value.shape + argument.shape``.

    For trees the result has the structure of the value, with the argument's structure in place of each leaf. With
    ``has_aux`` ``f`` returns ``(value, aux)``, and the result is ``(jacobian, aux)``. By reverse mode for each element
    of its value, or by forward mode for each of the arguments, whichever are fewer; for that ``f`` is called
    again.

    >>> from glassgrad.autograd import jacobian
    >>> jacobian(lambda x: x * x)([1.0, 2.0])
    Tensor([[2.0, 0.0],
            [0.0, 4.0]])
    """
    numbers = transforms.argument_numbers("jacobian", f, argnums)

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        call = transforms.call_recorded(f, args, numbers, kwargs, has_aux)
        wide = sum(y.size for y in call.ys) > sum(x.size for x in call.xs)
        hooked = wide and any(vertex.hooks for vertex in Graph(*call.ys).nodes)  # hooks are for gradients
        if not wide or hooked:
            return _by_rows(call, argnums)
        check_real(call.ys, "a result")
        return jacfwd(f, argnums, has_aux)(*args, **kwargs)

    return jacobian_of


def hessian(f: transforms.Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that returns the second derivatives of a scalar ``f``: shape ``argument.shape + argument.shape``.

    For trees the result has the structure of the argument, with the same structure in place of each leaf. ``has_aux``:
    as in `jacobian`. It is `jacrev` of `grad`, which calls ``f`` once, 256 rows at a time.

    >>> from glassgrad.autograd import hessian
    >>> hessian(lambda x: (x**3).sum())([1.0, 2.0])
    Tensor([[ 6.0, 0.0],
            [ 0.0, 12.0]])
    """
    return jacrev(transforms.grad(f, argnums, has_aux), argnums, has_aux)
