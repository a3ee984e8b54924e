"""Multi-head attention, the Transformer's layer and embeddings as layers."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

RNG = np.random.default_rng(0)


def filled(torch, theirs, ours):
    """Both with the same random parameters; names and shapes must be PyTorch's."""
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.tensor(RNG.normal(size=p.shape)))
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)


def assert_gradients(theirs, ours, x, y):
    np.testing.assert_allclose(y.grad.data, x.grad.numpy(), rtol=1e-8, atol=1e-10)
    for (name, p), (_, q) in zip(theirs.named_parameters(), ours.named_parameters(), strict=True):
        np.testing.assert_allclose(q.grad.data, p.grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["self", "cross", "dims"])
def test_multihead_attention_is_pytorchs(kind, batch_first):
    torch = pytest.importorskip("torch")
    options = {"kdim": 5, "vdim": 3} if kind == "dims" else {}
    options["batch_first"] = batch_first
    theirs = torch.nn.MultiheadAttention(6, 2, **options).double()
    ours = nn.MultiheadAttention(6, 2, dtype="float64", **options)
    filled(torch, theirs, ours)
    n, length, keys = 3, 4, 4 if kind == "self" else 5

    def sequence(length, features):
        return RNG.normal(size=(n, length, features) if batch_first else (length, n, features))

    q = sequence(length, 6)
    k, v = sequence(keys, options.get("kdim", 6)), sequence(keys, options.get("vdim", 6))
    hidden, padding = np.triu(np.ones((length, keys), bool), 1), np.zeros((n, keys), bool)
    padding[1, 3:] = True
    masks = {"attn_mask": hidden, "key_padding_mask": padding}
    a, b = ag.Tensor(q, requires_grad=True), torch.tensor(q, requires_grad=True)
    mine = ours(*((a, a, a) if kind == "self" else (a, k, v)), **masks, average_attn_weights=False)
    tensors = {name: torch.tensor(mask) for name, mask in masks.items()}
    given = (b, b, b) if kind == "self" else (b, torch.tensor(k), torch.tensor(v))
    others = theirs(*given, **tensors, average_attn_weights=False)
    for x, y in zip(mine, others, strict=True):
        np.testing.assert_allclose(x.data, y.detach().numpy(), rtol=1e-9, atol=1e-11)
    (mine[0] * mine[0]).sum().backward()
    others[0].square().sum().backward()
    assert_gradients(theirs, ours, b, a)


@pytest.mark.parametrize("padding", [None, np.array([[False, True], [False, False]])])
def test_numbers_to_add_to_the_scores_keep_their_precision(padding):
    attention = nn.MultiheadAttention(4, 2, batch_first=True, seed=0)
    x, mask = np.ones((2, 2, 4), np.float32), np.float32([[0.5, -np.inf], [1.0, 2.0]])
    out, weights = attention(x, x, x, key_padding_mask=padding, attn_mask=mask)
    assert (out.dtype, weights.dtype) == (np.float32, np.float32)
    first = [[1.0, 0.0], [1.0, 0.0]] if padding is not None else [[1.0, 0.0], [0.268941, 0.731059]]
    np.testing.assert_allclose(weights.data[0], first, rtol=1e-5)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_encoder_layer_is_pytorchs(activation, norm_first):
    torch = pytest.importorskip("torch")
    options = {"activation": activation, "norm_first": norm_first, "batch_first": True}
    theirs = torch.nn.TransformerEncoderLayer(6, 2, 7, 0.0, **options).double()
    ours = nn.TransformerEncoderLayer(6, 2, 7, 0.0, **options, dtype="float64")
    filled(torch, theirs, ours)
    x = RNG.normal(size=(2, 4, 6))
    a, b = ag.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    mine = ours(a, is_causal=True)
    other = theirs(b, torch.nn.Transformer.generate_square_subsequent_mask(4).double(), is_causal=True)
    np.testing.assert_allclose(mine.data, other.detach().numpy(), rtol=1e-9, atol=1e-11)
    (mine * mine).sum().backward()
    other.square().sum().backward()
    assert_gradients(theirs, ours, b, a)


def test_the_position_tells_equal_vectors_apart():
    layer = nn.PositionalEncoding(6, max_len=50)
    out = layer(np.zeros((2, 50, 6)))
    assert len(np.unique(out.data[0].round(4), axis=0)) == 50
    np.testing.assert_allclose(
        out.data[1, 3, 2:4], [np.sin(3 / 10000 ** (2 / 6)), np.cos(3 / 10000 ** (2 / 6))], rtol=1e-6
    )
