"""Gradients with respect to complex numbers: what users take and give is PyTorch's convention, everywhere."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor
from glassgrad.autograd.errors import ShapeError

Z = np.array([1 + 2j, -0.5 + 0.3j, 2 - 1j])


def loss_of(z: Any) -> Tensor:
    """A real function that is not holomorphic. Its gradient is 4 |z|² z."""
    return ag.sum(ag.abs(z) ** 4)


SLOPE = 4 * np.abs(Z) ** 2 * Z


def test_the_gradient_is_the_direction_of_steepest_ascent() -> None:
    z = Tensor(Z, requires_grad=True)
    loss_of(z).backward()
    assert_allclose(z.grad.data, SLOPE)
    for found in (ag.gradients(loss_of(z), z), ag.grad(loss_of)(Z), ag.vmap(ag.grad(loss_of))(Z)):
        assert_allclose(found.data, SLOPE)
    for recorded in (ag.gradients(loss_of(z), z, create_graph=True), ag.compile(ag.grad(loss_of))(Z)):
        assert_allclose(recorded.data, SLOPE)


def test_seeds_hooks_and_retained_gradients_have_the_same_convention() -> None:
    """With ``y = z²`` and an upstream gradient G the gradient is G times the conjugate of 2 z."""
    z, seed = Tensor(Z, requires_grad=True), np.array([1j, 2.0, 1 + 1j])
    seen = []
    y = z * z
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.data.copy()))
    hook = z.register_hook(lambda g: 2 * g)
    y.backward(seed, retain_graph=True)
    hook.remove()
    assert_allclose(seen[0], seed)
    assert_allclose(y.grad.data, seed)
    assert_allclose(z.grad.data, 2 * seed * np.conj(2 * Z))
    assert_allclose(ag.gradients(y, z, Tensor(seed), create_graph=True).data, seed * np.conj(2 * Z))
    assert_allclose(ag.vjp(lambda z: z * z, Z)[1](seed)[0].data, seed * np.conj(2 * Z))
    (g,) = (g for vertex, g, _ in ag.backward_steps([y], [np.conj(seed)]) if vertex is z)
    assert_allclose(g, np.conj(seed) * 2 * Z)  # within the graph it is the conjugate


def test_a_real_input_gets_the_real_part() -> None:
    x = Tensor(Z.real, requires_grad=True)
    ag.abs(ag.exp(1j * x) + x).sum().backward()
    found = ag.gradients(ag.sum(ag.real(x * np.array(2 + 3j))), x)
    assert (x.grad.dtype, found.dtype) == (np.float64, np.float64)
    assert_allclose(found.data, 2.0)
    expected = (1j * np.exp(1j * Z.real) + 1) * np.conj(np.exp(1j * Z.real) + Z.real)
    assert_allclose(x.grad.data, expected.real / np.abs(np.exp(1j * Z.real) + Z.real))


def test_second_derivatives_and_forward_mode() -> None:
    v = np.array([0.5 - 1j, 1j, 1.0])
    step = 1e-6
    expected = (ag.grad(loss_of)(Z + step * v).data - ag.grad(loss_of)(Z - step * v).data) / (2 * step)
    assert_allclose(ag.hvp(loss_of, (Z,), (v,))[0].data, expected, rtol=1e-7)
    assert_allclose(ag.jvp(ag.grad(loss_of), (Z,), (v,))[1].data, expected, rtol=1e-7)
    assert_allclose(ag.grad(lambda z: ag.jvp(loss_of, (z,), (v,))[1])(Z).data, expected, rtol=1e-7)
    assert_allclose(ag.jvp(loss_of, (Z,), (v,))[1].item(), np.sum(np.conj(SLOPE) * v).real)


def test_forward_mode_takes_a_complex_number_of_python() -> None:
    three, one = Tensor(3.0), Tensor(1.0)
    assert [y.item() for y in ag.jvp(lambda x: 1j * x + (2j - x) / (1j - 0 * x), (three,), (one,))] == [2 + 6j, 2j]
    assert ag.jacfwd(lambda x: ag.real(1j * x * x * 1j))(three).item() == -6.0


def test_a_loop_and_a_compiled_step_equal_eager_ones() -> None:
    def end(w: Any, xs: Any, scan: Any) -> Tensor:
        last, ys = scan(lambda h, x: (h * w + ag.sin(x), ag.abs(h)), Tensor(0j), xs)
        return ag.abs(last) + ag.sum(ys)

    def loop(step: Any, h: Any, xs: Any) -> Any:
        ys = []
        for x in xs:
            h, y = step(h, x)
            ys.append(y)
        return h, ag.stack(ys)

    expected = ag.grad(lambda w, xs: end(w, xs, loop), argnums=(0, 1))(0.5 + 0.2j, Z)
    found = ag.grad(lambda w, xs: end(w, xs, ag.scan), argnums=(0, 1))(0.5 + 0.2j, Z)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one.data, other.data)

    def trained(compiled: bool) -> Any:
        w = Tensor(Z, requires_grad=True)
        optimizer = nn.optim.SGD([w], lr=0.01, momentum=0.5)

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = loss_of(w - 1j)
            loss.backward()
            nn.optim.clip_grad_norm_([w], 1.0)
            optimizer.step()
            return loss

        call = ag.compile(step) if compiled else step
        losses = [call().item() for _ in range(5)]
        assert losses == sorted(losses, reverse=True)
        return w.data

    assert_allclose(trained(compiled=True), trained(compiled=False), rtol=1e-14)


def test_a_complex_gradient_of_a_real_tensor_is_refused() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    x.grad = Tensor([1j, 2j])
    for use in (nn.optim.SGD([x], lr=0.1).step, (x * x).sum().backward):
        with pytest.raises(ShapeError, match=r"complex128: .* a Tensor of .* shape, real for a real one"):
            use()
