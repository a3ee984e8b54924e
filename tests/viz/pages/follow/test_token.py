"""The page that follows a Transformer: its numbers beside Python's, its verdicts, what a reader does,
and refusals."""

from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.viz.recorded.spine import blocks_of
from tests.viz.pages.browser import browse, needs_chromium

SYMBOLS = ["end", *"abcdef"]
TEXT = np.array([0, 1, 2, 3, 1, 0])
SIZES = {"d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 12, "max_len": 7, "seed": 3}
TOOLS = Path(__file__).with_name("follow.js").read_text("utf-8")


def text_model(**changes):
    model = nn.models.char_transformer(len(SYMBOLS), **(SIZES | changes)).eval()
    for p in model.parameters():
        p.data = np.asarray(p.data * 2, "float64")
    return model


@pytest.fixture(scope="module")
def page():
    return viz.follow(text_model(), TEXT, symbols=SYMBOLS, title="A text")


@needs_chromium
def test_the_numbers_of_the_page_are_those_of_python_and_shares_come_from_the_sum_that_ends_a_block(page, tmp_path):
    seen = browse(page, tmp_path, TOOLS + "await numbersOfText();", "", "--virtual-time-budget=60000")
    output = text_model()(TEXT[None, :-1])
    graph = ag.Graph(output)
    values, blocks = graph.replay(), blocks_of(graph)
    losses = ag.cross_entropy(values[vertex_of(output)][0], TEXT[1:], reduction="none")
    table = next(p for p in graph.nodes if p.op is None and p.shape == (len(SYMBOLS), SIZES["d_model"]))
    for which, loss in (("1", losses[1]), ("-1", ag.mean(losses))):
        forks, adds = ([values[v] for v in found] for found in ([b.fork for b in blocks], [b.add for b in blocks]))
        found = ag.gradients(loss, [*forks, *adds, table])
        told, n = seen[which], len(seen[which]["losses"])
        squares, dots = np.reshape(told["squares"], (-1, n)), np.reshape(told["dots"], (-1, 2, n))
        shown = slice(0, len(TEXT) - 1)
        for k in range(len(blocks)):
            g, s = np.array(found[k].data[0]), np.array(found[len(blocks) + k].data[0])
            np.testing.assert_allclose(squares[k, shown], (g * g).sum(-1), rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(dots[k, 0, shown], (s * g).sum(-1), rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(dots[k].sum(0), squares[k], rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(told["losses"][shown], losses.data, rtol=1e-12)
        np.testing.assert_allclose(told["table"], np.ravel(found[-1].data), rtol=1e-9, atol=1e-15)
        for i, k in enumerate(k for k, block in enumerate(blocks) if block.heads):
            by_token = np.reshape(told["heads"][i], (n, -1)).sum(-1)
            np.testing.assert_allclose(by_token[shown], dots[k, 1, shown], rtol=1e-9, atol=1e-15)
        assert told["sum"] == pytest.approx(1, abs=1e-12)
        assert told["verdict"].startswith("✓")


@needs_chromium
def test_every_planted_fault_is_red_and_what_a_reader_does_is_undone(page, tmp_path):
    seen = browse(page, tmp_path, TOOLS + "await faultsOfText();", "", "--virtual-time-budget=90000")
    assert seen["right"].startswith("✓")
    assert all(found.startswith("✗") for found in seen["faults"].values()), seen["faults"]
    assert seen["routes"].endswith("✗")
    assert seen["fell"]
    assert seen["undone"]
    assert "Loss" in seen["learned"]
    assert seen["nudge"][3].endswith("✓")
    assert seen["nudge"][3].startswith(seen["nudge"][2])
    assert seen["typed"] == ["end", "f", "e", "b"]
    assert seen["chosen"][:2] == [1, 1]
    assert "After ‘f’ came ‘e’" in seen["chosen"][2]
    assert seen["none"][0] is None
    assert "Click a loss" in seen["none"][1]
    assert seen["none"][2:] == [1, True]
    assert seen["back"][1] < seen["back"][0] < seen["back"][2]
    assert seen["head"] == "2,1"


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize("size", ["1280,800", "820,1180", "500,844"])
def test_nothing_is_small_or_runs_out_of_the_page(page, tmp_path, size):
    seen = browse(page, tmp_path, TOOLS + "await sizes();", "", "--virtual-time-budget=60000", f"--window-size={size}")
    assert seen["small"] >= (14 if size.startswith("1280") else 12)
    assert seen["wide"] <= 0


@pytest.mark.check
@needs_chromium
def test_one_loss_whose_class_is_chosen(tmp_path):
    model = nn.models.RowTransformer((4, 3), 3, d_model=8, nhead=2, num_layers=1, seed=0)
    page = viz.follow(model, np.random.default_rng(0).normal(size=(1, 12)), classes=["a", "b", "c"])
    script = """
      seen.verdict = await checked(); seen.sentence = text('#sentence');
      const first = R.loss; click([...document.querySelectorAll('[data-class]')].at(-1)); seen.more = R.loss > first;
        seen.again = await checked();
    """
    seen = browse(page, tmp_path, TOOLS + script, "", "--virtual-time-budget=60000")
    assert seen["verdict"].startswith("✓")
    assert seen["again"].startswith("✓")
    assert seen["more"]
    assert "The network gives" in seen["sentence"]


@pytest.mark.check
@needs_chromium
def test_a_network_from_onnx(tmp_path):
    pytest.importorskip("onnx")
    model = nn.models.char_transformer(len(SYMBOLS), **SIZES).eval()
    nn.save_onnx(model, tmp_path / "model.onnx", TEXT[None, :-1])
    page = viz.follow(nn.load_onnx(tmp_path / "model.onnx"), TEXT, symbols=SYMBOLS)
    script = "seen.verdict = await checked(); seen.kinks = checks.kinks + checks.unsure; seen.heads = attention.length;"
    seen = browse(page, tmp_path, TOOLS + script, "", "--virtual-time-budget=60000")
    assert seen["verdict"].startswith("✓")
    assert seen["kinks"] == 0
    assert seen["heads"] == 2


@pytest.mark.check
@needs_chromium
def test_a_large_one_is_recorded(tmp_path):
    page = viz.follow(text_model(d_model=80), TEXT)
    seen = browse(page, tmp_path, TOOLS + "await recordedText();", "", "--virtual-time-budget=20000")
    assert seen["verdict"].startswith("as recorded, not checked")
    assert "✓" not in seen["shares"]
    assert seen["programs"] == "undefined"
    assert seen["all"] == [-1, 0, 1, 2, 3, 4]
    assert seen["share"] == pytest.approx(1, abs=1e-6)
    n = len(TEXT) - 1
    by_token = np.reshape(seen["heads"], (n, -1)).sum(-1)
    np.testing.assert_allclose(by_token, np.reshape(seen["dots"], (-1, 2, n))[0, 1], rtol=1e-4, atol=1e-7)
    assert seen["mean"][0] == pytest.approx(seen["mean"][1], rel=1e-6)
    assert seen["block"] == 1
    assert page.html.count("program_") < 9


class Centred(nn.Module):
    """A text model whose output is centred over all tokens."""

    def __init__(self):
        self.inner = text_model()

    def forward(self, x):
        y = self.inner(x)
        return y - ag.mean(y, axis=1, keepdims=True)


class Parallel(nn.Module):
    """One block, in which attention and an MLP read the line side by side. The output reads the table of tokens, too,
    whose first row is for padding.
    """

    def __init__(self):
        self.table = nn.Embedding(7, 8, padding_idx=0, seed=0)
        self.attention, self.unit = nn.MultiheadAttention(8, 2, batch_first=True, seed=2), nn.Linear(8, 8, seed=3)

    def forward(self, x):
        y = self.table(x)
        return (y + self.attention(y, y, y)[0] + ag.tanh(self.unit(y))) @ self.table.weight.T


@pytest.mark.check
@needs_chromium
def test_what_an_mlp_beside_attention_brings_is_among_the_others(tmp_path):
    page = viz.follow(Parallel(), TEXT)
    seen = browse(page, tmp_path, TOOLS + "await besideAttention();", "", "--virtual-time-budget=60000")
    assert seen["verdict"].startswith("✓")
    assert sum(seen["shares"]) == pytest.approx(100 * seen["block"], abs=2.5)
    assert seen["routes"] == 2
    assert seen["held"][0] == [0]
    assert not any(seen["held"][1:])


@pytest.mark.parametrize(("model", "typed"), [(Centred(), "false"), (text_model(), "true")])
def test_only_a_causal_text_is_typed(model, typed):
    assert f'"typed":{typed}' in viz.follow(model, TEXT, symbols=SYMBOLS).html


def test_the_model_and_its_mode_stay_and_the_page_is_small(page):
    model = nn.models.char_transformer(len(SYMBOLS), **SIZES)
    list(model.modules())[-1].eval()
    modes = [part.training for part in model.modules()]
    before = {name: (p.data, np.array(p.data)) for name, p in model.named_parameters()}
    again = viz.follow(model, TEXT, symbols=SYMBOLS)
    assert [part.training for part in model.modules()] == modes
    for name, p in model.named_parameters():
        assert p.data is before[name][0]
        np.testing.assert_array_equal(p.data, before[name][1])
    assert str(again) == "<Page 'The backward pass of CharTransformer'>"
    assert len(page.html) < 500_000
