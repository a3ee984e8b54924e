"""Fourier transforms by the array API's names: the extension ``fft`` of the namespace, for values alone.

Their numbers are complex, and derivatives are by real numbers here: a transform of what requires grad raises
`GradientError`. Frequencies and shifts are real, and the shifts have gradients.

>>> import autograd as ag
>>> ag.real(ag.fft.rfft(ag.Tensor([1.0, 0.0, 0.0, 0.0])))
Tensor([1.0, 1.0, 1.0])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd import backends
from autograd.errors import GradientError
from autograd.functions.creation import arange
from autograd.messages import describe, in_words, shown
from autograd.modes import MODE
from autograd.ops.shaping import roll
from autograd.shapes import Axis, normalize_axes
from autograd.tensor import Tensor, asarray, wrap
from autograd.validation import whole


def _transformed(name: str, x: Any, **options: Any) -> Tensor:
    x = asarray(x)
    if x.requires_grad and MODE.get().grad:
        raise GradientError(
            f"fft.{name} computes with complex numbers, by which there are no derivatives here: give it .detach(), or "
            "multiply by cosines and sines (a matrix product), which are real."
        )
    try:
        return wrap(getattr(backends.namespace(x.data).fft, name)(x.data, **options))
    except Exception as error:
        said = "".join(f", {k}={shown(v)}" for k, v in options.items() if v is not None)
        raise in_words(f"fft.{name} can't take {describe(x)}{said}", error) from error


def _along_one_axis(name: str, what: str) -> Callable[..., Tensor]:
    def transform(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
        return _transformed(name, x, n=n, axis=axis, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"""{what}, along ``axis``.

    ``n``: to how many elements the axis is cut or padded with zeros before. ``norm``: which direction is divided by
    their number, ``"forward"``, ``"backward"``, or each by the root of it, ``"ortho"``. No gradient.
    """
    return transform


def _along_axes(name: str, what: str) -> Callable[..., Tensor]:
    def transform(
        x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
    ) -> Tensor:
        if s is not None and axes is None:
            axes = range(-len(s), 0)  # left out, as the standard has it; NumPy wants to be told
        return _transformed(name, x, s=s, axes=axes, norm=norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"""{what}, along ``axes``, all by default.

    ``s``: to how many elements each of them is cut or padded with zeros before. ``norm``: which direction is divided by
    their number, ``"forward"``, ``"backward"``, or each by the root of it, ``"ortho"``. No gradient.
    """
    return transform


fft = _along_one_axis("fft", "The discrete Fourier transform")
ifft = _along_one_axis("ifft", "The inverse of `fft`")
rfft = _along_one_axis("rfft", "The discrete Fourier transform of real numbers, the half that is not negative")
irfft = _along_one_axis("irfft", "The inverse of `rfft`, with real numbers")
hfft = _along_one_axis("hfft", "The discrete Fourier transform, real, of a signal with Hermitian symmetry")
ihfft = _along_one_axis("ihfft", "The inverse of `hfft`")
fftn = _along_axes("fftn", "The discrete Fourier transform")
ifftn = _along_axes("ifftn", "The inverse of `fftn`")
rfftn = _along_axes("rfftn", "The discrete Fourier transform of real numbers, of the last axis one half")
irfftn = _along_axes("irfftn", "The inverse of `rfftn`, with real numbers")


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Tensor:
    """The frequencies that `fft` of ``n`` samples, ``d`` apart, tells of: cycles per unit of ``d``.

    >>> import autograd as ag
    >>> ag.fft.fftfreq(4, d=0.5)
    Tensor([0.0, 0.5, -1.0, -0.5])
    """
    whole(n, "n")
    numbers = arange(n, dtype=dtype or "float64", device=device)
    frequencies: Tensor = roll(numbers - n // 2, shift=-(n // 2)) / (n * d)
    return frequencies


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Tensor:
    """The frequencies that `rfft` of ``n`` samples, ``d`` apart, tells of: cycles per unit of ``d``.

    >>> import autograd as ag
    >>> ag.fft.rfftfreq(4, d=0.5)
    Tensor([0.0, 0.5, 1.0])
    """
    whole(n, "n")
    frequencies: Tensor = arange(n // 2 + 1, dtype=dtype or "float64", device=device) / (n * d)
    return frequencies


def _shifted(x: Any, axes: Axis, back: bool) -> Tensor:
    x = asarray(x)
    places = normalize_axes(axes, x.ndim)
    shift = tuple(-(x.shape[i] // 2) if back else x.shape[i] // 2 for i in places)
    return roll(x, shift=shift, axis=places)


def fftshift(x: Any, /, *, axes: Axis = None) -> Tensor:
    """The zero frequency of what `fft` gives moved to the middle of ``axes``, all by default; with its gradient.

    >>> import autograd as ag
    >>> ag.fft.fftshift(ag.fft.fftfreq(4))
    Tensor([-0.5, -0.25, 0.0, 0.25])
    """
    return _shifted(x, axes, back=False)


def ifftshift(x: Any, /, *, axes: Axis = None) -> Tensor:
    """What undoes `fftshift`.

    >>> import autograd as ag
    >>> ag.fft.ifftshift(ag.fft.fftshift(ag.fft.fftfreq(3))) == ag.fft.fftfreq(3)
    Tensor([True, True, True])
    """
    return _shifted(x, axes, back=True)


__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip
