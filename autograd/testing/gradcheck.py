"""`gradcheck`: the gradients of a function, compared with finite differences of its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.validation import number, whole
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import gradients
from glassgrad.autograd.testing.judgement import Judgement, check_shown, compare, nothing_checked
from glassgrad.autograd.testing.points import Function, Point, outputs_of, real_shape, substituted

PointOf = Callable[[Function, Sequence[Any], int], Point]


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
    halving. ``seed`` draws the directions.

    Two values agree if they differ by at most ``atol + rtol * |numeric|`` (for many compared as one, the root of the
    sum of squares) plus the error of the difference quotient. By default ``eps`` is 2⁻¹⁷ in float64 and ``rtol`` the
    square root of the machine epsilon (1.5e-8); ``atol`` is 0. Inputs and captured Tensors in float32 are checked as
    copies in float64, if ``f`` takes these.

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
        difference          4, more than the tolerance ...
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
) -> tuple[Point, dict[int, Judgement]]:
    """The point, in float64 if ``f`` takes that, and the judgement of each input.

    Raises `GradcheckError` for a derivative that is wrong; `DomainError` for outputs that are not finite, unless
    ``finite`` is False: then they are left out.
    """
    point = point_of(f, inputs, seed)
    if finite:
        point.check_finite()
    arrays = [backends.to_numpy(x.data).dtype.itemsize for x in point.captured.values()]
    if min([point.dtype.itemsize, *arrays]) < 8:
        with substituted({x: _finer(x) for x in point.captured.values()}):
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


def first_order(f: Function, inputs: Sequence[Any], seed: int) -> Point:
    """The point that checks ``f`` itself."""
    return Point(f, inputs)


def second_order(f: Function, inputs: Sequence[Any], seed: int) -> Point:
    """The point that checks the gradients of ``f``, as functions of the inputs and of random upstream gradients."""
    point = Point(f, inputs)
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
    second = Point(
        slopes,
        [*xs, *(c.requires_grad_() for c in cotangents)],
        point.names[:count],
        [f"the gradient with respect to {point.call(i)}" for i in point.checked],
        {x: point.names[i] for i, x in point.captured.items()},
    )
    second.constant, second.kind = True, point.kind
    return second
