"""Blocks beside a line, and heads of attention, found in the recorded graphs of networks."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.recorded.spine import blocks_of

TOKENS, IMAGE = np.zeros((1, 8), int), np.ones((1, 3, 16, 16), "float32")
TEXT = {"d_model": 16, "nhead": 2, "num_layers": 2, "dim_feedforward": 32, "max_len": 8, "seed": 0}


def leaf(*shape):
    return ag.Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True, name="x")


@pytest.mark.parametrize(
    ("model", "x", "heads"),
    [
        (nn.models.char_transformer(27, **TEXT), TOKENS, [2, 0, 2, 0]),
        (nn.models.RowTransformer((4, 3), 2, d_model=8, nhead=4, seed=0), np.ones((1, 12)), [4, 0, 4, 0]),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, seed=0), leaf(1, 5, 8), [2, 0]),
        (nn.models.resnet18(small=True, seed=0), IMAGE, [0] * 8),
        (nn.LSTM(3, 4, seed=0), leaf(6, 1, 3), []),
        (nn.GRU(3, 4, seed=0), leaf(6, 1, 3), []),
        (nn.Sequential(nn.Conv2d(3, 4, 3, seed=0), nn.ReLU(), nn.Flatten()), IMAGE, []),
    ],
    ids=["text", "rows", "post-norm", "resnet", "lstm", "gru", "cnn"],
)
def test_blocks_and_heads(model, x, heads):
    for mode in (model.eval(), model.train()):
        y = mode(x)
        blocks = blocks_of(ag.Graph(y[0] if isinstance(y, tuple) else y))
        assert [sum(h.count for h in block.heads) for block in blocks] == heads


def test_the_line_goes_from_block_to_block_and_each_has_its_edges():
    graph = ag.Graph(nn.models.char_transformer(27, **TEXT).eval()(TOKENS))
    blocks = blocks_of(graph)
    assert [block.fork for block in blocks[1:]] == [block.add for block in blocks[:-1]]
    for block in blocks:
        for node, i in (*block.reads, *block.shortcut):
            assert node.inputs[i] is block.fork
    (heads,) = blocks[0].heads
    assert heads.softmax.shape == (1, 2, 8, 8)
    assert heads.mixed.shape == (1, 2, 8, 8)


def test_a_shortcut_that_computes_is_found_by_the_common_fork():
    graph = ag.Graph(nn.models.resnet18(small=True, seed=0).eval()(IMAGE))
    shortcuts = [node.op.name for block in blocks_of(graph) for node, _ in block.shortcut]
    assert shortcuts == ["add", "add", "conv", "add", "conv", "add", "conv", "add"]


def test_a_gate_is_no_shortcut_and_a_power_of_the_line_is_no_block():
    x, w, u = leaf(1, 4), leaf(4, 4), leaf(4, 4)
    z = ag.sigmoid(x @ w)
    assert blocks_of(ag.Graph((1 - z) * ag.tanh(x @ u) + z * x)) == []
    h = x @ w
    assert blocks_of(ag.Graph(ag.tanh(h + 0.04 * h**3) @ u)) == []
