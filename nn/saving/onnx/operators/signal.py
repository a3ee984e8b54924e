"""Fourier transforms."""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.saving.onnx.table import along, axis_in, bounded, number, operator


def _transformed(x, axis, length, inverse, onesided):
    """The discrete Fourier transform along ``axis`` of ``x``, whose last axis is (real,) or (real, imaginary)."""
    bounded((*x.shape[:axis], length, *x.shape[axis + 1 :]), "complex128")
    z = ag.getitem(x, index=(..., 0))
    if x.shape[-1] == 2:
        z = z + 1j * ag.getitem(x, index=(..., 1))
    if inverse and onesided:
        return ag.expand_dims(ag.fft.irfft(z, n=length, axis=axis), axis=-1)
    z = (ag.fft.ifft if inverse else ag.fft.fft)(z, n=length, axis=axis)
    z = along(z, axis, slice(0, length // 2 + 1)) if onesided else z
    return ag.stack([ag.real(z), ag.imag(z)], axis=-1)


@operator("DFT", since=20, known="dft_length axis")
def dft(x, dft_length=None, axis=-2, *, inverse=0, onesided=0):
    """The discrete Fourier transform of ``x``, whose last axis is (real,) or (real, imaginary)."""
    if x.shape[-1] not in (1, 2):
        raise ShapeError(f"the last axis of x {x.shape} is not (real,) or (real, imaginary)")
    axis = axis_in(number(axis), x.ndim)
    usual = 2 * (x.shape[axis] - 1) if inverse and onesided else x.shape[axis]
    return _transformed(x, axis, usual if dft_length is None else int(number(dft_length)), inverse, onesided)


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
