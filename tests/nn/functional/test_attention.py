"""Attention and embedding, beside PyTorch where it is installed."""

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError

F = nn.functional
RNG = np.random.default_rng(0)


def beside(torch, ours, theirs, *arrays):
    """Values and gradients of two functions of the same arrays agree."""
    mine, others = (
        [ag.Tensor(a, requires_grad=True) for a in arrays],
        [torch.tensor(a, requires_grad=True) for a in arrays],
    )
    y, z = ours(*mine), theirs(*others)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-10, atol=1e-12)
    (y * y).sum().backward()
    (z * z).sum().backward()
    for a, b in zip(mine, others, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("padding_idx", [None, 1, -1])
def test_embedding_is_pytorchs_also_where_indices_repeat(padding_idx):
    torch = pytest.importorskip("torch")
    indices, weight = np.array([[0, 1, 1], [4, 1, 0]]), RNG.normal(size=(5, 3))
    beside(
        torch,
        lambda w: F.embedding(indices, w, padding_idx),
        lambda w: torch.nn.functional.embedding(torch.tensor(indices), w, padding_idx),
        weight,
    )


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


@pytest.mark.parametrize("mask", [None, "causal", "booleans", "numbers", "infinite"])
def test_attention_is_pytorchs(mask):
    torch = pytest.importorskip("torch")
    q, k, v = (RNG.normal(size=(2, 3, n, 4)) for n in (5, 6, 6))
    seen = RNG.random((2, 1, 5, 6)) < 0.6
    seen[0, 0, 2] = False  # a query that may look nowhere
    numbers = RNG.normal(size=(5, 6))
    given = {"causal": {"is_causal": True}, "booleans": {"attn_mask": seen}, "numbers": {"attn_mask": numbers}}
    given |= {None: {"scale": 0.3}, "infinite": {"attn_mask": np.where(seen, numbers, -math.inf)}}
    options = given[mask]
    theirs = {name: torch.tensor(m) if name == "attn_mask" else m for name, m in options.items()}
    beside(
        torch,
        lambda *qkv: F.scaled_dot_product_attention(*qkv, **options),
        lambda *qkv: torch.nn.functional.scaled_dot_product_attention(*qkv, **theirs),
        q,
        k,
        v,
    )


def test_dropout_of_attention_keeps_the_mean():
    q, k = RNG.normal(size=(2, 400, 4)), RNG.normal(size=(2, 50, 4))
    v = np.ones((2, 50, 1))
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.3, generator=np.random.default_rng(0))
    assert 0.97 < out.data.mean() < 1.03
    assert out.data.std() > 0.05
