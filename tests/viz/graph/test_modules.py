"""The module table as it is drawn: its rows, its edges, what it says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import style
from glassgrad.viz.graph.modules import draw_modules
from tests.viz.laid_out import LaidOut, words


def images(n, side=16):
    """Pictures of squares, a row of pixels each."""
    bits = np.random.default_rng(0).random((n, side // 4, side // 4)) < 0.3
    return np.kron(bits, np.ones((4, 4))).reshape(n, -1).astype(np.float32)


def classifier(sizes, batch=20, activation="sigmoid", seed=0, x=None):
    """A network on random bits or on ``x``, its labels, and the loss of them."""
    rng = np.random.default_rng(seed)
    model = nn.MLP(sizes, activation=activation, seed=seed)
    x = (rng.random((batch, sizes[0])) < 0.3).astype(np.float32) if x is None else x
    return model, ag.cross_entropy(model(ag.asarray(x)), rng.integers(0, sizes[-1], batch))


def node_ids(picture):
    return re.findall(r"^\t+(\w+) \[label=.*?id=n_", picture.source, flags=re.MULTILINE)


def edges(picture, kind):
    return re.findall(rf"id={kind}_(\w+)", picture.source)


class TestDigitsNetwork:
    def test_numbers_are_the_engines(self):
        model, loss = classifier([256, 30, 10])
        text = words(draw_modules(loss))
        loss.backward()
        weight = model.layers[0].weight.grad.numpy()
        assert f"rms ∂L/∂W1 {np.sqrt(np.mean(weight.astype(float) ** 2)):.1e}".replace("e-0", "e-") in text
        assert f"L = {float(loss):.4g}" in text


def test_without_gradients_it_says_not_computed():
    model, _ = classifier([64, 30, 10])
    logits = draw_modules(model(ag.asarray(np.ones((3, 64), dtype=np.float32))))
    left_out = draw_modules(classifier([64, 30, 10])[1], gradients=False)
    for picture in (logits, left_out):
        assert words(picture).count("not computed") == 1  # in the reading line
        assert edges(picture, "b") == []
    assert "∂L/∂L" not in words(left_out)


def test_warnings_are_boxed_with_their_number():
    x = np.ones((1, 4))
    near, far = (ag.sum(ag.linear(x, ag.Tensor(np.ones((3, 4)), requires_grad=True))) for _ in range(2))
    picture = draw_modules(near + far * 0.002)
    assert "▲ VANISHING weight gradient is 1/500 of the largest layer's" in words(picture)
    assert style.LIGHT.warn_bg in picture.source


def test_not_finite_is_drawn_as_a_failed_operation():
    model, loss = classifier([64, 30, 10])
    model.layers[0].weight.data[0, 0] = np.nan
    picture = draw_modules(loss)
    assert "20 nan in z1" in words(picture)
    failed = [line for line in picture.source.splitlines() if 'class="module parameter failed"' in line]
    assert len(failed) == 2
    assert all('BORDER="4" ' in line and style.LIGHT.bad in line for line in failed)


def test_a_shared_weight_is_named_after_its_first_row():
    w = ag.Tensor(np.eye(6), requires_grad=True)
    h = ag.tanh(ag.linear(ag.tanh(ag.linear(np.ones((3, 6)), w)), w))
    assert "shares W1" in words(draw_modules(ag.sum(h)))


def test_edges_that_skip_rows_stay_on_the_right_of_the_table():
    y = nn.MultiheadAttention(8, 2)(*[ag.Tensor(np.random.default_rng(0).normal(size=(3, 4, 8)), name="x")] * 3)
    drawn = LaidOut(draw_modules(ag.mean(y[0] ** 2)))
    skips = [name for name in drawn.cards if re.fullmatch(r"[fb]_\w+_\d+", name)]
    rows = [box for name, box in drawn.cards.items() if name not in skips]
    right = max(box.x + box.width / 2 for box in rows)
    lines = [line for name, line in drawn.lines.items() if any(name in (s, s.rpartition("_")[0]) for s in skips)]
    assert len(lines) > 8
    assert all(x > right - 30 for line in lines for x, _ in line.points)
    widths = [box.width for box in rows]
    assert max(widths) - min(widths) < 8  # long names of parameters make no row wider


def test_edges_that_skip_rows_are_straight_and_end_in_no_loop():
    x, w = ag.ones((1, 3)), [ag.Tensor(np.eye(3) * k, requires_grad=True) for k in (1, 2, 3)]
    down = [x]
    for weight in w:
        down.append(ag.tanh(ag.linear(down[-1], weight)))
    up = down[-1]
    for skipped in (down[2], down[1], down[1], x):
        up = ag.sin(up + skipped)
    drawn = LaidOut(draw_modules(ag.sum(up), fold=False))
    lanes: dict[str, list[float]] = {}
    for name, box in drawn.cards.items():
        if lane := re.fullmatch(r"([fb]_\w+)_\d+", name):
            lanes.setdefault(lane[1], []).append(box.x)
    assert len(lanes) == 7
    assert all(max(xs) - min(xs) < 1 for xs in lanes.values())
    rows = [box.x - box.width / 2 for name, box in drawn.cards.items() if not re.match(r"[fb]_", name)]
    assert max(rows) - min(rows) < 24  # the table stays a column
    assert all(x < drawn.width + 1 for line in drawn.lines.values() for x, _ in line.points)


def test_each_value_that_a_row_reads_has_a_line_or_is_named():
    made = [ag.Tensor(np.ones((2, 3)), requires_grad=True, name="x")]
    for _ in range(8):
        made.append(ag.tanh(ag.concat(made, axis=1)))
    picture = draw_modules(ag.sum(made[-1]))
    assert picture.size()[0] <= style.WIDTH
    for i in range(2, 9):
        told = re.search(rf"also reads ([\w, ]+) t{i}:", words(picture))
        named = [int(name[1:]) for name in told[1].split(", ")] if told else []
        lines = re.findall(rf"id=f_Tanh_(\d)_Concat_{i} ", picture.source)
        assert sorted([*named, *map(int, lines)]) == [*range(1, i)]
    assert named == [1, 2, 3, 4]


def test_a_table_that_is_too_long_is_refused():
    assert len(node_ids(draw_modules(classifier([30, *[6] * 24, 3])[1], fold=False))) == 51
    with pytest.raises(ValueError, match="a table of 127 rows is too long to be read"):
        draw_modules(classifier([30, *[6] * 62, 3])[1], fold=False)


def spread(name, *shape):
    return ag.Tensor(np.linspace(0.3, 1.0, int(np.prod(shape))).reshape(shape), requires_grad=True, name=name)


@pytest.mark.parametrize(
    "y",
    [
        lambda: ag.linear(spread("x", 1, 3), spread("w", 2, 3), np.ones(2)),  # a bias that is a plain array
        lambda: ag.linear(spread("A", 2), ag.broadcast_to(spread("B", 2), (2, 2)), spread("C", 2)),  # a computed weight
        lambda: ag.tanh(spread("w", 0)),
        lambda: ag.tanh(spread("w", 2, 0)),
        lambda: spread("w", 4, 10) + ag.Tensor(1e300, requires_grad=True),  # all of one value, far from 1
        lambda: ag.Tensor(np.full((3, 40), 1e16) + np.arange(40) % 2 * 2, requires_grad=True) * 2.0,
    ],
)
def test_unusual_arrays_are_drawn(y):
    assert "<svg" in draw_modules(ag.sum(y())).svg()


def test_inputs_are_called_so():
    layer, x = nn.Linear(3, 2, seed=0, dtype="float64"), ag.Tensor(np.ones((4, 3)), requires_grad=True)
    assert "θ1" not in draw_modules(ag.mean(ag.tanh(layer(x)) ** 2), inputs=[x]).source


def test_attention_shows_the_weights_of_its_heads_and_residual_blocks_their_shortcuts():
    x = ag.Tensor(images(15, 8)[:, :8].reshape(3, 5, 8), name="x")
    for heads in (1, 2):
        attention = nn.MultiheadAttention(8, heads, batch_first=True, seed=0)
        assert f"weights of {heads} of {heads} heads" in words(draw_modules(ag.sum(attention(x, x, x)[0] ** 2)))
    block = nn.Residual(nn.Sequential(nn.Linear(8, 8, seed=0), nn.ReLU(), nn.Linear(8, 8, seed=1)))
    source = draw_modules(ag.sum(nn.Sequential(block, nn.Linear(8, 2, seed=2))(x)), depth=1).source
    assert re.findall(r"(\w+):v:nw -> (\w+):v:sw", source) == [("Residual", "Residual")]
