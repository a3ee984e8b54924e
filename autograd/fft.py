"""Fourier transforms by the array API's names: the extension ``fft`` of the namespace.

The matrix of a transform is symmetric, and so is that of its inverse: each of the two is its own rule, for every
``norm``. The transforms of real numbers are parts of these, and all others are composed of them.

>>> from glassgrad import autograd as ag
>>> def power(x):
...     return ag.sum(ag.abs(ag.fft.rfft(x)) ** 2)
>>> ag.grad(power)([1.0, 0.0, 0.0, 0.0])
Tensor([6.0, 0.0, 2.0, 0.0])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from glassgrad.autograd.backends import NUMPY, is_complex
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.shapes import Shape, along, normalize_axes, normalize_axis
from glassgrad.autograd.common.validation import whole, wholes
from glassgrad.autograd.engine.operation import Op, op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.ops.elementwise import conj
from glassgrad.autograd.ops.shaping import roll

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip

ELSEWHERE = {f"{name}2": f"{name}n with axes=(-2, -1)" for name in ("fft", "ifft", "rfft", "irfft")}
"""For names of other libraries: what to write here instead."""

# ------------------------------------------------------------------------------------------------------ along one axis


def _fitted(xp: Any, x: Any, shape: Shape, axis: int) -> Any:
    """``x`` as long as ``shape`` along ``axis``: cut, or filled up with zeros."""
    axis = normalize_axis(axis, len(shape))
    count, length = x.shape[axis], shape[axis]
    if count > length:
        return x[along(axis, slice(length))]
    return x if count == length else xp.scatter_add(x, index=along(axis, slice(count)), shape=shape)


@op("F", text="fft({x})", tex=r"\mathcal{{F}}({x})")
def dft(xp, x, *, n=None, axis=-1, norm="backward"):
    """The discrete Fourier transform along ``axis``, complex numbers.

    ``n``: to how many elements the axis is cut or, by zeros, filled up. ``norm``: whether the sum is divided by ``n``
    (``"forward"``), by its root (``"ortho"``), or not (``"backward"``, where the inverse is).

    >>> from glassgrad import autograd as ag
    >>> ag.fft.fft(ag.Tensor([1.0, 2.0, 3.0, 4.0])).tolist()
    [(10+0j), (-2+2j), (-2+0j), (-2-2j)]
    """
    return xp.fft.fft(x, n=n, axis=normalize_axis(axis, len(x.shape)), norm=norm)


@op("F⁻¹", text="ifft({x})", tex=r"\mathcal{{F}}^{{-1}}({x})")
def inverse_dft(xp, x, *, n=None, axis=-1, norm="backward"):
    """The inverse of `dft`.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.ifft(ag.Tensor([4.0, 0.0, 0.0, 0.0])).tolist()
    [(1+0j), (1+0j), (1+0j), (1+0j)]
    """
    return xp.fft.ifft(x, n=n, axis=normalize_axis(axis, len(x.shape)), norm=norm)


dft.vjp(x=lambda xp, g, x_shape, axis, norm: _fitted(xp, xp.dft(g, axis=axis, norm=norm), x_shape, axis))
inverse_dft.vjp(
    x=lambda xp, g, x_shape, axis, norm: _fitted(xp, xp.inverse_dft(g, axis=axis, norm=norm), x_shape, axis)
)


@op("F", text="rfft({x})", tex=r"\mathcal{{F}}({x})")
def real_dft(xp, x, *, n=None, axis=-1, norm="backward"):
    """The first half, ``n // 2 + 1`` numbers, of the `dft` of real numbers, of which the others are the conjugates.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.rfft(ag.Tensor([1.0, 2.0, 3.0, 4.0])).tolist()
    [(10+0j), (-2+2j), (-2+0j)]
    """
    if is_complex(x.dtype):
        raise TypeError("rfft transforms real numbers: use fft, or rfft of real(x) where the imaginary parts are 0.")
    return xp.fft.rfft(x, n=n, axis=normalize_axis(axis, len(x.shape)), norm=norm)


def _real_dft_by_x(xp: Any, g: Any, x_shape: Any, n: Any, axis: Any, norm: Any) -> Any:
    whole = xp.dft(g, n=x_shape[axis] if n is None else n, axis=axis, norm=norm)
    return _fitted(xp, xp.real(whole), x_shape, axis)


real_dft.vjp(x=_real_dft_by_x)


@op("F⁻¹", text="irfft({x})", tex=r"\mathcal{{F}}^{{-1}}({x})")
def inverse_real_dft(xp, x, *, n=None, axis=-1, norm="backward"):
    """The inverse of `real_dft`: ``n`` real numbers, by default an even number of them.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.irfft(ag.Tensor([10.0, -2 + 2j, -2.0]))
    Tensor([1.0, 2.0, 3.0, 4.0])
    """
    return xp.fft.irfft(x, n=n, axis=normalize_axis(axis, len(x.shape)), norm=norm)


def _inverse_real_dft_by_x(xp: Any, g: Any, x: Any, x_shape: Any, axis: Any, norm: Any) -> Any:
    place = normalize_axis(axis, len(x_shape))
    count = g.shape[place]
    half = xp.inverse_dft(g, axis=axis, norm=norm)[along(place, slice(count // 2 + 1))]
    twice = along(place, slice(1, (count + 1) // 2))  # those that stand for their conjugates, too
    half = half + xp.scatter_add(half[twice], index=twice, shape=half.shape)
    return _fitted(xp, half if is_complex(x.dtype) else xp.real(half), x_shape, axis)


inverse_real_dft.vjp(x=_inverse_real_dft_by_x)
dft.uneven = inverse_dft.uneven = True  # of a real input the real part counts

fft, ifft, rfft, irfft = dft, inverse_dft, real_dft, inverse_real_dft  # `autograd.fft` is this module, no operation


# -------------------------------------------------------------------------------------------------- along several axes

SWAPPED = {None: "forward", "backward": "forward", "forward": "backward"}
"""The ``norm`` of the inverse transform."""

Axes = Sequence[int] | None


def _places(x: Tensor, s: Axes, axes: Axes, least: int = 0) -> list[tuple[int, int | None]]:
    """Each axis to transform, with the length to which it is cut or filled up; ``None`` for its own. Raises
    `ShapeError` for fewer than ``least`` axes.
    """
    s = None if s is None else wholes(s, "s", -1)
    if axes is None and s is not None:
        axes = range(x.ndim - len(s), x.ndim)
    places = normalize_axes(None if axes is None else wholes(axes, "axes", -64), x.ndim)
    lengths = [-1] * len(places) if s is None else s
    if len(lengths) != len(places):
        raise ShapeError(f"s = {s} has {len(lengths)} lengths for {len(places)} axes: give one for each.")
    if len(places) < least:
        raise ShapeError(f"a transform of real numbers needs an axis, and was given {describe(x)}, axes = {axes}.")
    return [(place, None if n == -1 else n) for place, n in zip(places, lengths, strict=True)]


def _each(transform: Op, x: Tensor, places: Iterable[tuple[int, int | None]], norm: str | None) -> Tensor:
    """``x`` with this transform along each of the axes."""
    for place, n in places:
        x = transform(x, n=n, axis=place, norm=norm)
    return x


def fftn(x: Any, /, *, s: Axes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """`fft` along several ``axes``: by default all, or with ``s`` the last ones.

    ``s``: the lengths to which these axes are cut or, by zeros, filled up; -1 for its own.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.fftn(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[(10+0j), (-2+0j)], [(-4+0j), 0j]]
    """
    x = asarray(x)
    return _each(fft, x, reversed(_places(x, s, axes)), norm)


def ifftn(x: Any, /, *, s: Axes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """The inverse of `fftn`.

    >>> from glassgrad import autograd as ag
    >>> ag.real(ag.fft.ifftn(ag.fft.fftn(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]))))
    Tensor([[1.0, 2.0],
            [3.0, 4.0]])
    """
    x = asarray(x)
    return _each(ifft, x, reversed(_places(x, s, axes)), norm)


def rfftn(x: Any, /, *, s: Axes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """`fftn` of real numbers: `rfft` along the last of ``axes``, then `fft` along the others.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.rfftn(ag.ones((4, 6))).shape
    (4, 4)
    """
    x = asarray(x)
    *others, (last, n) = _places(x, s, axes, least=1)
    return _each(fft, rfft(x, n=n, axis=last, norm=norm), reversed(others), norm)


def irfftn(x: Any, /, *, s: Axes = None, axes: Axes = None, norm: str | None = "backward") -> Tensor:
    """The inverse of `rfftn`: `ifft` along all but the last of ``axes``, then `irfft`.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.irfftn(ag.fft.rfftn(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])))
    Tensor([[1.0, 2.0],
            [3.0, 4.0]])
    """
    x = asarray(x)
    *others, (last, n) = _places(x, s, axes, least=1)
    if s is not None and n is None:
        raise DomainError(f"irfftn: s = {s} leaves axis {last} open, where NumPy and PyTorch differ: give its length.")
    return irfft(_each(ifft, x, others, norm), n=n, axis=last, norm=norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """`fft` of numbers whose second half, which is left out, are the conjugates of the first: ``n`` real numbers.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.hfft(ag.Tensor([1.0, 2.0, 1.0]))
    Tensor([6.0, 0.0, -2.0, 0.0])
    """
    return irfft(conj(x), n=n, axis=axis, norm=SWAPPED.get(norm, norm))


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Tensor:
    """The inverse of `hfft`.

    >>> from glassgrad import autograd as ag
    >>> ag.real(ag.fft.ihfft(ag.Tensor([6.0, 0.0, -2.0, 0.0])))
    Tensor([1.0, 2.0, 1.0])
    """
    return conj(rfft(x, n=n, axis=axis, norm=SWAPPED.get(norm, norm)))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Tensor:
    """The frequencies of the results of `fft` of ``n`` numbers that are ``d`` apart.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.fftfreq(4, d=0.5)
    Tensor([0.0, 0.5, -1.0, -0.5])
    """
    return asarray(NUMPY.fft.fftfreq(whole(n, "n", 1), d), dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Tensor:
    """The frequencies of the results of `rfft` of ``n`` numbers that are ``d`` apart.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.rfftfreq(4)
    Tensor([0.0, 0.25, 0.5])
    """
    return asarray(NUMPY.fft.rfftfreq(whole(n, "n", 1), d), dtype=dtype, device=device)


def fftshift(x: Any, /, *, axes: int | Axes = None) -> Tensor:
    """The frequencies in ascending order, 0 in the middle of ``axes`` (by default all).

    >>> from glassgrad import autograd as ag
    >>> ag.fft.fftshift(ag.fft.fftfreq(4))
    Tensor([-0.5, -0.25, 0.0, 0.25])
    """
    x, places = asarray(x), normalize_axes(axes, asarray(x).ndim)
    return roll(x, shift=tuple(x.shape[i] // 2 for i in places), axis=places)


def ifftshift(x: Any, /, *, axes: int | Axes = None) -> Tensor:
    """The inverse of `fftshift`.

    >>> from glassgrad import autograd as ag
    >>> ag.fft.ifftshift(ag.Tensor([-0.5, -0.25, 0.0, 0.25]))
    Tensor([0.0, 0.25, -0.5, -0.25])
    """
    x, places = asarray(x), normalize_axes(axes, asarray(x).ndim)
    return roll(x, shift=tuple(-(x.shape[i] // 2) for i in places), axis=places)


if not TYPE_CHECKING:  # so that type checkers report missing names

    def __getattr__(name: str) -> object:
        use = f": use {ELSEWHERE[name]}" if name in ELSEWHERE else ""
        raise AttributeError(f"autograd.fft has no {name!r}{use}.")
