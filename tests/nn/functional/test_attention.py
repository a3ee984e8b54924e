"""Attention and embedding: masks, repeated rows, dropout; `tests.conformance.test_opinfo` compares with PyTorch."""

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError

F = nn.functional
RNG = np.random.default_rng(0)


def test_gradients_of_repeated_rows_are_summed_in_a_compiled_step():
    weight = ag.Tensor(RNG.normal(size=(5, 3)), requires_grad=True)
    factors = ag.Tensor(RNG.normal(size=(6, 3)))

    def gradient(indices):
        (found,) = ag.gradients([(F.embedding(indices, weight) * factors).sum()], [weight])
        return found

    program = ag.compile(gradient)
    for indices in ([0, 1, 1, 4, 1, 0], [2, 2, 2, 2, 2, 2]):
        expected = np.zeros((5, 3))
        np.add.at(expected, indices, factors.data)
        np.testing.assert_allclose(gradient(ag.Tensor(indices)).data, expected, rtol=1e-12)
        np.testing.assert_array_equal(program(ag.Tensor(indices)).data, gradient(ag.Tensor(indices)).data)
    with pytest.raises(DomainError, match=r"the index 5 for a weight \(5, 3\)"):
        program(ag.Tensor([0, 1, 1, 4, 1, 5]))


def test_a_mask_of_booleans_or_of_infinities_hides_keys_and_a_query_without_keys_gets_0():
    q, k, v = (RNG.normal(size=(2, 3, n, 4)) for n in (5, 6, 6))
    seen = RNG.random((2, 1, 5, 6)) < 0.6
    seen[0, 0, 2] = False
    shares = np.exp(q @ k.mT / 2) * seen
    expected = shares @ v / np.maximum(shares.sum(-1, keepdims=True), 1e-300)
    for mask in (seen, np.where(seen, 0.0, -math.inf)):
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        np.testing.assert_allclose(out.data, expected, rtol=1e-10)
        assert not out.data[0, :, 2].any()


def test_dropout_of_attention_keeps_the_mean():
    q, k = RNG.normal(size=(2, 400, 4)), RNG.normal(size=(2, 50, 4))
    v = np.ones((2, 50, 1))
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.3, generator=np.random.default_rng(0))
    assert 0.97 < out.data.mean() < 1.03
    assert out.data.std() > 0.05
