"""Recurrent layers: values and gradients are PyTorch's, compiled is eager, and what they refuse."""

import random

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError

CONFIGURATIONS = 12
"""How many random ones are compared with PyTorch here; hundreds were, when these layers were written."""


def configuration(seed):
    """A random layer's name and options, and the sizes (steps, batch, input, hidden) of what it is given."""
    draw = random.Random(seed)
    name = draw.choice(["RNN", "LSTM", "GRU"])
    options = {key: draw.random() < 0.5 for key in ("bias", "batch_first", "bidirectional")}
    options["num_layers"] = draw.randint(1, 3)
    if name == "RNN":
        options["nonlinearity"] = draw.choice(["tanh", "relu"])
    return name, options, [draw.randint(1, 6) for _ in range(4)], draw


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("seed", range(CONFIGURATIONS))
def test_values_and_gradients_are_pytorchs(seed):
    torch = pytest.importorskip("torch")
    name, options, (steps, batch, inputs, hidden), draw = configuration(seed)
    rng = np.random.default_rng(seed)
    theirs = getattr(torch.nn, name)(inputs, hidden, dtype=torch.float64, **options)
    ours = getattr(nn, name)(inputs, hidden, dtype="float64", **options)
    assert [n for n, _ in ours.named_parameters()] == [*theirs.state_dict()]
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    rows = options["num_layers"] * (1 + options["bidirectional"])
    arrays = [rng.normal(size=(batch, steps, inputs) if options["batch_first"] else (steps, batch, inputs))]
    if draw.random() < 0.6:
        arrays += [rng.normal(size=(rows, batch, hidden)) for _ in range(2 if name == "LSTM" else 1)]
    x, *state = (ag.Tensor(a, requires_grad=True) for a in arrays)
    tx, *theirs_state = (torch.tensor(a, requires_grad=True) for a in arrays)

    def pair(parts):
        return None if not parts else tuple(parts) if name == "LSTM" else parts[0]

    if draw.random() < 0.5:
        found, after = ours(x, pair(state))
        wanted, ends = theirs(tx, pair(theirs_state))
    else:
        lengths = [steps, *(draw.randint(1, steps) for _ in range(batch - 1))]
        draw.shuffle(lengths)
        found, after = ours(x, pair(state), lengths=lengths)
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            tx, torch.tensor(lengths), batch_first=options["batch_first"], enforce_sorted=False
        )
        wanted, ends = theirs(packed, pair(theirs_state))
        wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(wanted, batch_first=options["batch_first"])
    results = [found, *(after if name == "LSTM" else [after])]
    expected = [wanted, *(ends if name == "LSTM" else [ends])]
    weights = [rng.normal(size=y.shape) for y in results]
    for y, z in zip(results, expected, strict=True):
        assert y.shape == tuple(z.shape)
        assert_close(y, z)
    sum((y * w).sum() for y, w in zip(results, weights, strict=True)).backward()
    sum((z * torch.tensor(w)).sum() for z, w in zip(expected, weights, strict=True)).backward()
    pairs = zip([x, *state, *ours.parameters()], [tx, *theirs_state, *theirs.parameters()], strict=True)
    for a, b in pairs:
        assert_close(a.grad, b.grad)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_cell_called_step_by_step_is_the_layer(name):
    layer, cell = getattr(nn, name)(3, 4, seed=0), getattr(nn, f"{name}Cell")(3, 4)
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in layer.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(5, 2, 3)).astype("float32")
    outputs, _ = layer(x)
    state = None
    for t in range(5):
        state = cell(x[t], state)
        h = state[0] if name == "LSTM" else state
        np.testing.assert_allclose(h.data, outputs[t].data, rtol=1e-5, atol=1e-6)
    alone = cell(x[0, 1])
    np.testing.assert_allclose((alone[0] if name == "LSTM" else alone).data, outputs[0, 1].data, rtol=1e-5, atol=1e-6)


def test_second_derivatives_are_those_of_a_loop_over_cells():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 2, 3))
    layer, cell = nn.LSTM(3, 5, dtype="float64"), nn.LSTMCell(3, 5, dtype="float64")
    weights = [rng.normal(size=p.shape) / 2 for p in cell.parameters()]

    def by_scan(x, *weights):
        return (nn.functional_call(layer, dict(zip(layer.state_dict(), weights, strict=True)), x)[0] ** 2).sum()

    def by_loop(x, *weights):
        state, total = None, 0.0
        for t in range(4):
            state = nn.functional_call(cell, dict(zip(cell.state_dict(), weights, strict=True)), (x[t], state))
            total = total + (state[0] ** 2).sum()
        return total

    def of_gradients(f):
        return lambda *args: sum((g**2).sum() for g in ag.grad(f, argnums=(0, 1, 2, 3, 4))(*args))

    for f, g in ((by_scan, by_loop), (of_gradients(by_scan), of_gradients(by_loop))):
        found, wanted = (ag.grad(h, argnums=(0, 1, 2, 3, 4))(x, *weights) for h in (f, g))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-9, atol=1e-10)


def test_the_gradient_stops_at_a_detached_state():
    layer = nn.GRU(2, 3, seed=0)
    x = ag.ones((8, 1, 2), dtype="float32", requires_grad=True)
    _, h = layer(x[:4])
    outputs, _ = layer(x[4:], h.detach())
    outputs.sum().backward()
    assert not x.grad.data[:4].any()
    assert x.grad.data[4:].all()


def test_entries_beyond_the_end_of_a_sequence_are_ignored():
    layer = nn.LSTM(2, 3, bidirectional=True, seed=0)
    x = np.random.default_rng(0).normal(size=(5, 2, 2)).astype("float32")
    other = x.copy()
    other[3:, 1] = np.nan
    first, second = layer(x, lengths=[5, 3]), layer(other, lengths=[5, 3])
    np.testing.assert_array_equal(first[0].data, second[0].data)
    np.testing.assert_array_equal(first[1][0].data, second[1][0].data)
    assert not first[0].data[3:, 1].any()
    slopes = []
    for outputs, _ in (first, second):
        layer.zero_grad()
        (outputs * outputs).sum().backward()
        slopes.append([p.grad.numpy() for p in layer.parameters()])
    for a, b in zip(*slopes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_dropout_between_layers_in_training_only():
    layer = nn.LSTM(2, 4, 2, dropout=0.5, seed=0)
    x = ag.ones((3, 2, 2), dtype="float32")
    assert not np.array_equal(layer(x)[0].data, layer(x)[0].data)
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].data, layer(x)[0].data)


X = np.ones((5, 2, 3), "float32")


def test_lengths_are_checked_at_each_call_of_a_compiled_function():
    layer = nn.GRU(3, 4, seed=0)
    f = ag.compile(lambda x, lengths: layer(x, lengths=lengths)[0])
    f(ag.Tensor(X), ag.Tensor([5, 2]))
    with pytest.raises(DomainError, match="the length 6: lengths of sequences go from 1 to 5"):
        f(ag.Tensor(X), ag.Tensor([6, 2]))


def test_lengths_on_a_gpu(gpu):
    found = [nn.LSTM(3, 4, seed=0).to(at)(ag.Tensor(X, device=at), lengths=[5, 3])[0] for at in ("cpu", "cuda")]
    np.testing.assert_allclose(found[1].detach().numpy(), found[0].data, rtol=1e-5)
