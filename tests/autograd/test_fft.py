"""Fourier transforms: NumPy's values, PyTorch's gradients, in every reading."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DTypeError, TargetError
from glassgrad.autograd.testing import gradgradcheck

RNG = np.random.default_rng(0)
NORMS = ("backward", "ortho", "forward")


def numbers(*shape: int, real: bool = False) -> Any:
    return RNG.normal(size=shape) + (0 if real else 1j * RNG.normal(size=shape))


def agree(name: str, x: Any, **options: Any) -> None:
    """The value is NumPy's, the gradient PyTorch's."""
    expected = getattr(np.fft, name)(x, **options)
    mine = ag.Tensor(x, requires_grad=True)
    y = getattr(ag.fft, name)(mine, **options)
    assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
    assert y.dtype == expected.dtype
    torch = pytest.importorskip("torch")
    theirs = torch.asarray(x).requires_grad_()
    options["dim"] = options.pop("axis" if "axis" in options else "axes")
    seed = numbers(*y.shape, real=y.dtype == np.float64)
    y.backward(seed)
    getattr(torch.fft, name)(theirs, **options).backward(torch.asarray(seed))
    assert_allclose(mine.grad.data, theirs.grad.resolve_conj().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_along_one_axis(name: str) -> None:
    for n, axis, norm, length in product((None, 1, 2, 3, 4, 7), (-1, 0), NORMS, (2, 4, 5)):
        agree(name, numbers(length, length, real=name in ("rfft", "ihfft")), n=n, axis=axis, norm=norm)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_along_several_axes(name: str) -> None:
    for s, axes, norm in product((None, (2, 5)), ((-1, 0), (1, 2)), NORMS):
        agree(name, numbers(3, 4, 5, real=name == "rfftn"), s=s, axes=axes, norm=norm)
    x = numbers(3, 4, real=name == "rfftn")
    assert_allclose(getattr(ag.fft, name)(x).data, getattr(np.fft, name)(x))
    assert_allclose(getattr(ag.fft, name)(x, s=(2,)).data, getattr(np.fft, name)(x, s=(2,), axes=(-1,)))


def test_real_input_of_complex_transforms_gets_a_real_gradient() -> None:
    for name in ("fft", "ifft", "fftn"):
        x = ag.Tensor(numbers(3, 4, real=True), requires_grad=True)
        ag.sum(ag.abs(getattr(ag.fft, name)(x)) ** 2).backward()
        assert x.grad.dtype == np.float64
        assert_allclose(x.grad.data, 2 * x.data * {"fft": 4, "ifft": 1 / 4, "fftn": 12}[name])  # by Parseval's theorem


def test_frequencies_and_shifts() -> None:
    for n, d in product((1, 2, 5, 8), (1.0, 0.3)):
        assert_array_equal(ag.fft.fftfreq(n, d=d).data, np.fft.fftfreq(n, d))
        assert_array_equal(ag.fft.rfftfreq(n, d=d).data, np.fft.rfftfreq(n, d))
    assert ag.fft.fftfreq(4, dtype="float32").dtype == np.float32
    x = numbers(3, 4)
    for axes in (None, 0, -1, (1,), (0, 1)):
        assert_array_equal(ag.fft.fftshift(x, axes=axes).data, np.fft.fftshift(x, axes))
        assert_array_equal(ag.fft.ifftshift(ag.fft.fftshift(x, axes=axes), axes=axes).data, x)


def blurred(x: Any) -> Any:
    """A loss of a circular convolution by transforms."""
    return ag.sum(ag.abs(ag.fft.irfft(ag.fft.rfft(x) * np.array([1.0, 0.5j, 0.25]))) ** 3)


def test_every_reading() -> None:
    x, v = numbers(5, 4, real=True), numbers(5, 4, real=True)
    assert gradgradcheck(blurred, x[0])
    slope = ag.grad(blurred)(x)
    assert_array_equal(ag.compile(ag.grad(blurred))(x).data, slope.data)
    assert_allclose(ag.vmap(ag.grad(blurred))(x).data, slope.data)
    assert_allclose(ag.jvp(blurred, (x,), (v,))[1].item(), np.sum(slope.data * v))
    assert_allclose(ag.vmap(lambda z: ag.fft.fft(z, axis=0), in_axes=1)(x).data, np.fft.fft(x, axis=0).T)
    with pytest.raises(TargetError, match="can't be written in C"):
        ag.compile(blurred, target="c")(x)


def test_numpys_functions_of_tensors_are_recorded() -> None:
    x = ag.Tensor(numbers(3, 4, real=True), requires_grad=True)
    functions = (
        np.fft.fft, np.fft.rfftn, np.fft.ifftshift, lambda x: np.fft.irfft(x, 5),
        lambda x: np.fft.fftn(x, (2, 3), (0, 1)), lambda x: np.fft.ihfft(x, norm="ortho", axis=0),
    )  # fmt: skip
    for function in functions:
        y = function(x)
        assert y.requires_grad
        assert_allclose(y.data, function(x.data), rtol=1e-12, atol=1e-12)
    with pytest.raises(DTypeError, match=r"in autograd.fft use fftn with axes=\(-2, -1\)"):
        np.fft.fft2(x)
