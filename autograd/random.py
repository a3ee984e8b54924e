"""Random numbers from an explicit generator: ``numpy.random.default_rng(0)``, or CuPy's on a GPU.

There is no global generator or seed. A draw advances the generator, and its numbers are a constant of the graph, the
same when the graph is replayed, drawn or checked. A compiled function draws new numbers at each call, from the same
generator.

>>> import numpy
>>> from glassgrad import autograd as ag
>>> rng = numpy.random.default_rng(0)
>>> ag.random.uniform((2,), generator=rng), ag.random.uniform((2,), generator=rng)
(Tensor([0.636962, 0.269787]), Tensor([0.0409735, 0.0165276]))
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.validation import number, refused, whole
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DomainError, DTypeError
from glassgrad.autograd.ops.elementwise import less
from glassgrad.autograd.ops.indexing import argsort
from glassgrad.autograd.readings.levels import LEVELS

__all__ = ["bernoulli", "normal", "permutation", "uniform"]

Sizes = int | Sequence[int]
DRAWN = frozenset(map(backends.as_dtype, ("float32", "float64")))


def _draw(method: str, shape: Sizes, generator: Any, dtype: Any, device: str | None) -> Tensor:
    """The result of ``generator.method(shape, dtype=dtype)`` as a leaf. All random numbers of this package come from
    here.

    In a trace it is a traced array, and each call of the compiled function draws new numbers.
    """
    if not hasattr(generator, "bit_generator"):
        way = "such as numpy.random.default_rng(0), and the same one to every draw, so that it moves on"
        raise refused(generator, "generator", f"a NumPy Generator, {way}")
    dtype = backends.as_dtype(dtype)
    if dtype not in DRAWN:
        raise DTypeError(f"random numbers are drawn in float32 or float64; for dtype = {dtype} cast the result.")
    if again := [level for level in LEVELS.get() if level.calls_again]:
        raise DomainError(f"{again[0].name} calls its function several times: draw random numbers outside of it.")
    levels = [level for level in LEVELS.get() if level.draws]
    sizes = (*(level.size for level in levels), *_sizes(shape))
    tracer = TRACER.get()
    if tracer is not None:
        array = tracer.draw(method, generator, sizes, dtype)
    else:
        try:
            array = getattr(backends.generator_on(device, generator), method)(sizes, dtype=dtype)
        except (MemoryError, ValueError) as error:
            raise backends.in_words(f"random numbers of shape {sizes} can't be drawn", error) from error
        array = array if array.ndim else array[()]
    for level in levels:
        array = level.of(array)
    drawn = wrap(array)
    return drawn if device is None else drawn.to(device)


def _sizes(shape: Sizes) -> tuple[int, ...]:
    return tuple(whole(n, "a length in shape", least=0) for n in (shape if isinstance(shape, Sequence) else (shape,)))


def _check(value: Any, name: str, least: float = -inf, most: float = inf) -> None:
    """Raise for a value that is neither a Tensor nor a number from ``least`` to ``most``."""
    if not isinstance(value, Tensor):
        number(value, name, least, most)


def _scaled(drawn: Tensor, shift: Any, scale: Any) -> Tensor:
    """``shift + scale · drawn`` in the dtype of ``drawn``, recorded where ``shift`` or ``scale`` requires grad."""
    if isinstance(scale, Tensor) or scale != 1:
        drawn = (drawn * scale).to(drawn.dtype)
    if isinstance(shift, Tensor) or shift != 0:
        drawn = (drawn + shift).to(drawn.dtype)
    return drawn


def uniform(
    shape: Sizes, *, generator: Any, low: Any = 0.0, high: Any = 1.0, dtype: Any = "float64", device: str | None = None
) -> Tensor:
    """Numbers uniform on ``[low, high)``, a Tensor of ``shape``.

    ``low`` and ``high``: numbers, or Tensors that broadcast to ``shape``, to which gradients flow. ``dtype``: float64
    or float32. ``device``: where they are drawn. On a GPU they come from a CuPy generator, seeded by ``generator`` at
    its first use there, so they differ from those on the CPU. Raises `DomainError` for ``low`` above ``high`` and
    `DTypeError` for an invalid ``generator``.

    >>> import numpy
    >>> from glassgrad import autograd as ag
    >>> ag.random.uniform((2, 2), generator=numpy.random.default_rng(0), low=-1.0)
    Tensor([[ 0.273923, -0.460427],
            [-0.918053, -0.966945]])
    """
    _check(high, "high")
    _check(low, "low", most=inf if isinstance(high, Tensor) else high)
    return _scaled(_draw("random", shape, generator, dtype, device), low, high - low)


def normal(
    shape: Sizes, *, generator: Any, mean: Any = 0.0, std: Any = 1.0, dtype: Any = "float64", device: str | None = None
) -> Tensor:
    """Normally distributed numbers with the given mean and standard deviation, a Tensor of ``shape``.

    ``mean`` and ``std``: numbers, or Tensors that broadcast to ``shape``, to which gradients flow (the
    reparametrisation of D. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014, section 2.4). Other
    parameters as in `uniform`. Raises `DomainError` for a ``std`` below 0.

    >>> import numpy
    >>> from glassgrad import autograd as ag
    >>> std = ag.Tensor(2.0, requires_grad=True)
    >>> ag.random.normal((1000,), generator=numpy.random.default_rng(0), std=std).square().mean().backward()
    >>> std.grad
    Tensor(3.82541)
    """
    _check(mean, "mean")
    _check(std, "std", 0.0)
    return _scaled(_draw("standard_normal", shape, generator, dtype, device), mean, std)


def bernoulli(p: Any, shape: Sizes, *, generator: Any, dtype: Any = "bool", device: str | None = None) -> Tensor:
    """True (or 1) with probability ``p``, else False (or 0): a Tensor of ``shape``.

    ``p``: a number from 0 to 1, or a Tensor of these that broadcasts to ``shape``; no gradient. ``dtype``: booleans by
    default. The probability is exact to 2⁻⁵³, in float32 to 2⁻²⁴. Raises `DomainError` for a number outside of 0 to 1.

    >>> import numpy
    >>> from glassgrad import autograd as ag
    >>> ag.random.bernoulli(0.5, 4, generator=numpy.random.default_rng(0))
    Tensor([False, True, True, True])
    """
    _check(p, "p", 0.0, 1.0)
    dtype = backends.as_dtype(dtype)
    in_full = _draw("random", shape, generator, dtype if dtype in DRAWN else "float64", device)
    return less(in_full, p).to(dtype)


def permutation(count: int, *, generator: Any, device: str | None = None) -> Tensor:
    """The numbers from 0 to ``count - 1`` in random order, as int64. Computed as the order that sorts random keys.

    >>> import numpy
    >>> from glassgrad import autograd as ag
    >>> ag.random.permutation(4, generator=numpy.random.default_rng(0))
    Tensor([3, 2, 1, 0])
    """
    return argsort(_draw("random", (count,), generator, "float64", device))


ELSEWHERE = {
    "manual_seed": "generator=numpy.random.default_rng(seed)", "rand": "uniform(shape, generator=…)",
    "randint": "numpy.random.default_rng(seed).integers", "randn": "normal(shape, generator=…)",
    "randperm": "permutation", "seed": "generator=numpy.random.default_rng(seed)",
}  # fmt: skip
"""For names of other libraries: what to write here instead."""


if not TYPE_CHECKING:  # so that type checkers report missing names

    def __getattr__(name: str) -> object:
        use = f": use {ELSEWHERE[name]}" if name in ELSEWHERE else ""
        raise AttributeError(f"autograd.random has no {name!r}{use}.")
