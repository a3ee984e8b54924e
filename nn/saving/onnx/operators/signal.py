"""Fourier transforms, as products with matrices of sines and cosines, their windows, and the mel scale."""

from __future__ import annotations

import math

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.saving.onnx.table import along, axis_in, bounded, number, operator, times


def _transformed(x, axis, length, inverse, onesided):
    """The discrete Fourier transform along ``axis`` of ``x``, whose last axis is (real,) or (real, imaginary)."""
    n = x.shape[axis]
    if n > length:
        x = along(x, axis, slice(0, length))
    elif n < length:
        x = ag.pad(x, pad_width=[(0, length - n) if i == axis else (0, 0) for i in range(x.ndim)])
    bins = length // 2 + 1 if onesided else length
    bounded((bins, length), "float64")
    angle = numpy.outer(numpy.arange(length), numpy.arange(bins)) % length * (2 * math.pi / length)
    scale, sign = (1 / length, 1.0) if inverse else (1.0, -1.0)
    cos, sin = (numpy.cos(angle) * scale).astype(x.dtype), (numpy.sin(angle) * (sign * scale)).astype(x.dtype)

    re = ag.getitem(x, index=(..., 0))
    real, imag = (times(re, m, axis) for m in (cos, sin))
    if x.shape[-1] == 2:
        im = ag.getitem(x, index=(..., 1))
        real, imag = ag.subtract(real, times(im, sin, axis)), ag.add(imag, times(im, cos, axis))
    return ag.stack([real, imag], axis=-1)


@operator("DFT", since=20, known="dft_length axis")
def dft(x, dft_length=None, axis=-2, *, inverse=0, onesided=0):
    """The discrete Fourier transform of ``x``, whose last axis is (real,) or (real, imaginary)."""
    if x.shape[-1] not in (1, 2):
        raise ShapeError(f"the last axis of x {x.shape} is not (real,) or (real, imaginary)")
    axis = axis_in(number(axis), x.ndim)
    if not (inverse and onesided):
        count = x.shape[axis] if dft_length is None else int(number(dft_length))
        return _transformed(x, axis, count, inverse, onesided)
    # The other half are the conjugates; the result is real.
    count = 2 * (x.shape[axis] - 1) if dft_length is None else int(number(dft_length))
    half = count // 2 + 1
    kept = along(x, axis, slice(0, half))
    mirrored = ag.flip(along(kept, axis, slice(1, count - half + 1)), axis=axis)
    mirrored = mirrored * numpy.asarray([1, -1][: x.shape[-1]], x.dtype)
    full = _transformed(ag.concat([kept, mirrored], axis=axis), axis, count, 1, 0)
    return ag.getitem(full, index=(..., slice(0, 1)))


@operator("DFT", known="dft_length")
def dft_by_attribute(x, dft_length=None, *, axis=1, inverse=0, onesided=0):
    """`dft` before opset 20."""
    return dft(x, dft_length, axis, inverse=inverse, onesided=onesided)


@operator("STFT", known="frame_step frame_length")
def stft(signal, frame_step, window=None, frame_length=None, *, onesided=1):
    """The Fourier transform of overlapping, windowed frames of a signal (batch, time, 1 or 2)."""
    step = int(number(frame_step))
    if frame_length is None and window is None:
        raise DomainError("it has neither a window nor a frame_length")
    length = int(number(frame_length)) if frame_length is not None else window.shape[0]
    frames = (signal.shape[1] - length) // step + 1
    if step < 1 or frames < 1:
        raise ShapeError(f"frames of {length} every {step} do not fit a signal {signal.shape}")
    bounded((signal.shape[0], frames, length, 2), signal.dtype)
    places = numpy.arange(frames)[:, None] * step + numpy.arange(length)
    parts = ag.take(signal, places, axis=1)  # (batch, frames, length, parts)
    if window is not None:
        parts = ag.multiply(parts, ag.expand_dims(window, axis=-1))
    return _transformed(parts, 2, length, 0, onesided)
