"""Every operation in complex128: its gradient and tangent beside central differences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.errors import AutogradError, DTypeError
from glassgrad.autograd.testing import gradcheck, gradgradcheck
from tests.autograd.ops.test_table import DIFFERENTIABLE, OPS
from tests.operations import TABLE


def complex_(x: Any, rng: Any) -> Any:
    x = np.asarray(x)
    return x + 1j * rng.uniform(-1, 1, x.shape) if x.dtype.kind == "f" else x


@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if name in TABLE and name != "polygamma"])
@given(data=st.data())
def test_gradient_and_tangent(name: str, data: st.DataObject) -> None:
    row, op, rng = TABLE[name], OPS[name], np.random.default_rng(0)
    arrays, params = data.draw(row.cases)
    given = [complex_(x, rng) for x in arrays]
    inputs = [ag.Tensor(x, requires_grad=x.dtype.kind == "c") for x in given]
    with np.errstate(all="ignore"):
        try:
            y = op(*inputs, **params)
        except AutogradError:
            return  # a sentence, see tests/bad_input
        moved = [x for x in inputs if x.requires_grad]
        if not (y.requires_grad and y.size and np.isfinite(y.data).all()):
            return
        seed = complex_(rng.normal(size=y.shape), rng) if y.dtype.kind == "c" else rng.normal(size=y.shape)
        slopes = ag.gradients([y], moved, [seed])
        v = [complex_(rng.normal(size=x.shape), rng) for x in moved]

        def at(step: float) -> Any:
            ways = iter(v)
            return op(*(ag.Tensor(x.data + step * next(ways)) if x.requires_grad else x for x in inputs), **params).data

        numeric = (at(1e-6) - at(-1e-6)) / 2e-6
        if not np.allclose(numeric, (at(2e-6) - at(-2e-6)) / 4e-6, 0.01, 0.01):
            return  # at a tie of two arguments
        told = [np.sum(np.conj(g.data) * way).real for g, way in zip(slopes, v, strict=True)]
        terms = [*(np.abs(g.data * way) for g, way in zip(slopes, v, strict=True)), np.abs(seed * numeric)]
        if not all(np.isfinite(part).all() for part in terms):
            return
        assert_allclose(
            sum(told), np.sum(np.conj(seed) * numeric).real, rtol=1e-5, atol=1e-7 + 1e-5 * sum(map(np.sum, terms))
        )

        def of(*xs: Any) -> Any:
            left = iter(xs)
            return op(*(next(left) if x.requires_grad else x for x in inputs), **params)

        tangent = ag.jvp(of, [x.detach() for x in moved], v)[1].data
        assert_allclose(
            tangent, numeric, rtol=1e-4, atol=1e-6 + 1e-6 * np.abs(y.data).max() + 1e-4 * np.abs(numeric).max()
        )
    assert all(g.dtype == x.dtype for g, x in zip(slopes, moved, strict=True))


# ------------------------------------------------------------------------------------------------------- factorizations


def random(*shape: int) -> Any:
    return complex_(np.random.default_rng(3).normal(size=shape), np.random.default_rng(4))


def _sine(x: Any) -> Any:
    w, v = ag.linalg.eigh(x)
    return w, v * ag.expand_dims(ag.sin(w), axis=-2) @ ag.conj(v.mT)


def _rotation(x: Any) -> Any:
    u, s, vh = ag.linalg.svd(x, full_matrices=False)
    return s, u @ vh, abs(u)


FACTORIZATIONS = {
    "cholesky": lambda x: ag.linalg.cholesky(x @ ag.conj(x.mT)),
    "det": ag.linalg.det,
    "eigh": _sine,
    "qr": ag.linalg.qr,
    "slogdet": ag.linalg.slogdet,
    "svd": _rotation,
    "pinv": ag.linalg.pinv,
}
SHAPES = {"qr": ((4, 2), (2, 4), (3, 3)), "svd": ((4, 2), (2, 4), (3, 3)), "pinv": ((4, 2), (2, 4), (3, 3))}


@pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in FACTORIZATIONS for shape in SHAPES.get(name, ((3, 3), (2, 3, 3)))]
)
def test_factors_have_right_first_and_second_derivatives(name: str, shape: tuple[int, ...]) -> None:
    f = FACTORIZATIONS[name]
    assert gradcheck(lambda x: tuple(f(x)) if isinstance(f(x), tuple) else f(x), random(*shape))
    assert gradgradcheck(lambda x: tuple(f(x)) if isinstance(f(x), tuple) else f(x), random(*shape))


@pytest.mark.parametrize("name", ["eigenvectors", "singular_vectors"])
def test_a_loss_that_depends_on_phases_has_no_derivative(name: str) -> None:
    vectors = ag.OPS[name]
    assert np.isnan(ag.grad(lambda x: ag.sum(ag.real(vectors(x))))(random(2, 3, 3)).data).all()
    x = ag.Tensor(random(2, 3, 3), requires_grad=True)  # the loss below is that of phases in one of two matrices
    slope = ag.gradients(ag.sum(abs(vectors(x)) ** 4) + ag.real(ag.sum(vectors(x)[0])), x)
    assert np.isnan(slope.data).all(axis=(1, 2)).tolist() == [True, False]
    assert np.isfinite(slope.data[1]).all()


def test_functions_of_vectors_that_phases_do_not_change_are_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    weights = random(3, 3)

    def projected(x: Any, space: Any, w: Any) -> Any:
        values, vectors = space.linalg.eigh(x + space.conj(x.mT))
        return (space.abs(w @ vectors) ** 2 * values).sum()

    def polar(x: Any, space: Any, w: Any) -> Any:
        u, _, vh = space.linalg.svd(x, full_matrices=False)
        return space.real(u @ vh * w).sum()

    for loss in (projected, polar):
        x, t = ag.Tensor(random(3, 3), requires_grad=True), torch.asarray(random(3, 3)).requires_grad_()
        ours, theirs = loss(x, ag, ag.asarray(weights)), loss(t, torch, torch.asarray(weights))
        ours.backward()
        theirs.backward()
        assert_allclose(ours.item(), theirs.item())
        assert_allclose(x.grad.data, t.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["erf", "gelu", "standardize"])
def test_functions_of_real_numbers_refuse_complex_ones(name: str) -> None:
    with pytest.raises(DTypeError, match="real numbers"):
        OPS[name](np.array([1 + 1j]))
    assert name == "standardize" or getattr(NUMPY, name)(0.0) == 0.0


def test_a_negative_number_to_a_complex_power() -> None:
    slope = ag.grad(lambda z: ag.real(ag.Tensor(-2.0) ** z))(1 + 1j).data
    step = 1e-6
    real = lambda z: ((-2.0 + 0j) ** z).real  # noqa: E731
    parts = [(real(1 + 1j + d) - real(1 + 1j - d)) / (2 * step) for d in (step, step * 1j)]
    assert_allclose([slope.real, slope.imag], parts, rtol=1e-6)


def test_logsumexp_is_the_principal_logarithm() -> None:
    z = np.array([1 + 2j, 3 - 4j, 0.5 + 10j])
    assert_allclose(ag.logsumexp(z).data, np.log(np.exp(z).sum()), rtol=1e-14)
