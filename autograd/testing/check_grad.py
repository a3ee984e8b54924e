"""`check_grad`: a derivative written by hand for a function of NumPy arrays, compared with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.shapes import Shape, size
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.modes import enable_grad
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DTypeError, GradcheckError
from glassgrad.autograd.functions.shaping import split
from glassgrad.autograd.ops.shaping import reshape
from glassgrad.autograd.testing.gradcheck import checked_options
from glassgrad.autograd.testing.judgement import check_shown, compare
from glassgrad.autograd.testing.points import Point, arguments_of, called


def check_grad(
    f: Callable[..., Any],
    df: Callable[..., Any],
    *inputs: Any,
    vjp: bool = False,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    max_elements: int = 100,
    seed: int = 0,
) -> bool:
    """Whether ``df`` is the derivative of ``f``, a function of NumPy arrays: ``True``, or `GradcheckError`.

    ``df`` takes the arguments of ``f``, and returns one array for each real input (a tuple, if there are several): the
    gradient, of the shape of the input, where ``f`` returns one number; the Jacobian, of shape ``(*output, *input)``;
    or, where ``f`` is elementwise, the derivative of each element. With ``vjp=True`` it also takes the upstream
    gradient (or one for each output), after the inputs, and returns gradients. Integer and boolean inputs are passed
    on, and have no derivative.

    ``inputs``: arrays, lists or numbers, which are copied to float64. Tolerances, the other options and reports are
    those of `gradcheck`.

    Raises `GradcheckError` for a derivative that is wrong, or of another shape, and for an "unchecked" input, as
    `gradcheck` does; `DomainError` for inputs or values that are not finite.

    >>> import numpy as np
    >>> from glassgrad.autograd.testing import check_grad
    >>> check_grad(lambda x: np.sum(x**3), lambda x: 3 * x**2, [1.0, 2.0])
    True
    >>> check_grad(np.matmul, lambda x, y, g: (g @ y.T, x.T @ g), np.eye(2), np.ones((2, 3)), vjp=True)
    True
    >>> check_grad(lambda x: np.sum(x**3), lambda x: 2 * x**2, [1.0, 2.0])
    Traceback (most recent call last):
        ...
    glassgrad.autograd.errors.GradcheckError: the derivative of output 0 with respect to input 0 ('x') [1] is wrong:
        at this input       2, in float64
        analytic (df)       8
        finite differences  12   (step ...)
        difference          4, more than the tolerance ...
    """
    options = checked_options(eps, atol, rtol, max_elements, seed)
    check_function(f, "f", "a function of NumPy arrays")
    check_function(df, "df", "a function that returns its derivative")
    with np.errstate(all="ignore"), enable_grad():
        point = _point(f, df, inputs, vjp)
        point.check_finite()
        check_shown(point, compare(point, **options))
    return True


def _point(f: Callable[..., Any], df: Callable[..., Any], inputs: Sequence[Any], vjp: bool) -> Point:
    """A function of NumPy arrays at given inputs, as an operation that is not registered, with ``df`` as its rule."""
    arrays = [np.asarray(x) for x in inputs]
    real = [i for i, x in enumerate(arrays) if np.issubdtype(x.dtype, np.floating)]
    if not real:
        given = ", ".join(map(describe, arrays)) or "nothing"
        raise DTypeError(f"check_grad was given {given}: no input is real floating point; write 3.0 for 3.")
    shapes: list[Shape] = []
    dtypes: list[Any] = []

    def forward(xp: Any, *arrays: Any) -> Any:
        answer = f(*map(np.array, arrays))
        ys = [np.asarray(y) for y in (answer if isinstance(answer, tuple | list) else [answer])]
        for k, y in enumerate(ys):
            if not np.issubdtype(y.dtype, np.inexact):
                raise DTypeError(f"output {k} of {name} is {describe(y)}: check_grad compares floating-point values.")
        shapes[:], dtypes[:] = [y.shape for y in ys], [np.finfo(y.dtype) for y in ys]
        return np.concatenate([y.reshape(-1) for y in ys])

    def rule(g: Any, arrays: Any) -> Any:
        parts = np.split(g, [*accumulate(map(size, shapes))][:-1])
        seeds = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        try:
            answer = df(*map(np.array, arrays), *(seeds if vjp else ()))
        except Exception as error:
            raise GradcheckError(f"df raised {type(error).__name__}: {error}") from error
        many = isinstance(answer, tuple | list) and (len(real) > 1 or len(answer) == 1)
        found = [np.asarray(part) for part in (answer if many else [answer])]
        if len(found) != len(real) or not (vjp or len(seeds) == 1):
            raise DTypeError(
                f"df returned {len(found)} array(s), and {name} has {len(real)} real input(s) and {len(seeds)} "
                "output(s): return one derivative for each input, as a tuple. For several outputs pass vjp=True, and a "
                "df that takes the inputs and then one upstream gradient for each output."
            )
        pulled = {
            i: _pulled_back(d, None if vjp else seeds[0], arrays[i].shape) for i, d in zip(real, found, strict=True)
        }
        return tuple(pulled.get(i) for i in range(len(arrays)))

    def of_tensors(*xs: Any) -> Any:
        flat = operation(*xs)
        if not backends.is_real(flat.dtype):
            raise DTypeError(f"{name} returned {describe(flat)}: check_grad compares real floating-point values.")
        parts = split(flat, [*accumulate(map(size, shapes))][:-1])
        return [reshape(part, shape=shape) for part, shape in zip(parts, shapes, strict=True)]

    name = forward.__name__ = of_tensors.__name__ = called(f)
    operation = Op(forward, name, "", "", 9)
    operation.vjp(arrays=rule)
    tensors = [Tensor(x, dtype="float64", requires_grad=True) if i in real else x for i, x in enumerate(arrays)]
    point = Point(of_tensors, tensors, [*arguments_of(f), *[""] * len(tensors)][: len(tensors)])
    point.analytic, point.recorded = "df", ""
    point.dtype = max(dtypes, key=lambda d: float(d.eps)).dtype
    return point


def _pulled_back(d: Any, seed: Any, shape: Shape) -> Any:
    """The gradient of an input of ``shape`` from what ``df`` returned for it: that itself, where it took the seed."""
    if seed is None:
        if d.shape == shape:  # an operation's rule may also return one that is broadcast
            return d
        raise GradcheckError(
            f"df returned a gradient of shape {d.shape} for an input of shape {shape}: with vjp=True it returns "
            "gradients, each of the shape of its input."
        )
    if d.shape == (*seed.shape, *shape):
        return np.tensordot(seed, d, seed.ndim)
    if d.shape == shape and (seed.size == 1 or shape == seed.shape):
        return seed.reshape(shape if shape == seed.shape else ()) * d
    raise GradcheckError(
        f"df returned an array of shape {d.shape} for an input of shape {shape}, and the output has shape "
        f"{seed.shape}: return the Jacobian, of shape {(*seed.shape, *shape)}, or where both have one shape, the "
        "derivative of each element."
    )
