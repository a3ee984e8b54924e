import json
import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.engine.observers.anomaly import Lines
from glassgrad.autograd.errors import WriteError
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.pages.page import Page
from glassgrad.viz.pages.stage import step_through
from tests.viz.pages.browser import whole


def scalar():
    w, b = (ag.Tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "w"), (-1.0, "b")))
    return (ag.sigmoid(w * ag.Tensor(1.0, name="x") + b) - ag.Tensor(1.0, name="y")) ** 2


def data(page):
    return json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def test_one_file_asks_for_nothing():
    page = step_through(scalar())
    assert "default-src 'none'" in page.html
    text = whole(page.html)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"http://www.w3.org/2000/svg"}, "a namespace only"
    assert not re.search(r"<(link|img|iframe|object|base)\b|@import|\beval\(|new Function", text)


def test_a_page_of_a_small_network_is_small():
    model = nn.MLP([2, 2, 2, 2], output="sigmoid", seed=0)
    for p in model.parameters():
        p.data = np.round(p.data)  # the lecture's weights are integers, too
    output = model(ag.Tensor([[1.0, -1.0]], name="x"))
    loss = ag.squared_error(output, ag.Tensor([[1.0, 0.0]], name="y"), reduction="sum")
    assert len(step_through(loss, live=True).html.encode()) < 95_000


def test_unnamed_steps_are_called_by_their_expression():
    cards = data(step_through(scalar()))["cards"].values()
    assert [card["n"] for card in cards] == ["w", "x", "w·x", "b", "w·x + b", "σ(w·x + b)", "y", "σ(w·x + b) − y", "L"]
    assert [card["r"] for card in cards if "in" not in card] == ["param", "data", "param", "data"]


def test_layers_and_modules_are_folds():
    folds = data(step_through(nn.MLP([2, 3, 1], seed=0)(ag.Tensor([[1.0, 2.0]], name="x")).sum()))["folds"]
    layer = {"t": "Layer 1", "p": "", "in": ["z1", "a1"], "layer": 1}
    assert folds == [{"t": "MLP", "p": "", "in": [layer, "z2"]}, "L"]
    assert data(step_through(ag.tanh(ag.Tensor(0.5, True, name="x") * 1.01)))["folds"] == ["t1", "L"]
    added = ag.Tensor([[0.5]], name="x") + ag.Tensor([[0.5]]) @ ag.Tensor([[2.0]], True, name="W")
    assert data(step_through(ag.sum(ag.relu(added))))["folds"][:2] == ["z1", "t1"], "no bias"


def test_a_recurrent_module_tells_its_gates_by_name():
    states, (last, _) = nn.LSTM(3, 2)(ag.Tensor(np.ones((4, 1, 3)), name="x"))
    page = step_through(ag.sum(states) * ag.sum(last))
    told = data(page)
    (card,) = (c for c in told["cards"].values() if c.get("op") == "scan")
    assert card["n"] == "LSTM, 4 steps"
    assert card["f"].startswith("scan(")
    assert {"h", "h[4]"} < {c["n"] for c in told["cards"].values()}
    assert page.title == "L = sum(h) × sum(stack(h[4]))"
    (fold,) = (entry for entry in told["folds"][0]["in"] if isinstance(entry, dict))
    assert fold["t"] == card["n"]
    assert [told["cards"][key]["op"] for key in fold["in"]] == ["scan", "result", "result"]
    two = data(step_through(ag.sum(nn.LSTM(3, 2, num_layers=2)(ag.Tensor(np.ones((4, 1, 3))))[0])))["cards"].values()
    made = ["LSTM 1, 4 steps", "h1", "LSTM 2, 4 steps", "h2"]
    assert [card["n"] for card in two if card.get("op") in ("scan", "result")] == made


def test_an_input_that_is_also_read_transposed_is_drawn_once():
    x, w = ag.Tensor(np.arange(6.0).reshape(2, 3), name="x"), ag.Tensor(np.ones((2, 2)), requires_grad=True)
    told = data(step_through(ag.sum(ag.permute_dims(x, axes=(1, 0)) @ w + ag.reshape(x, (3, 2)) * ag.sum(w @ x))))
    turned, reshaped = (key for key, card in told["cards"].items() if card.get("in") == [["x", 0, 0, ""]])
    assert (told["cards"][turned]["n"], told["cards"][turned]["op"]) == ("permute(x, (1, 0))", "permute dims")
    assert told["folds"] == [turned, "z1", "z2", "t1", reshaped, "t2", "t3", "L"]
    assert {turned, reshaped}.isdisjoint(told["at"]["leaf"])
    assert {turned, reshaped, "x"} < told["at"]["value"].keys()
    layer = nn.TransformerEncoderLayer(4, 2, dim_feedforward=4, dropout=0.0)
    told = data(step_through(ag.sum(layer(ag.Tensor(np.arange(12.0).reshape(3, 1, 4))))))["cards"].values()
    assert [card["n"] for card in told if "x" in card["n"][:9] and "in" not in card] == ["x"]


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--", "]]>", "a\u2028b", "\ud800", "权重", "\0"]
)
def test_no_name_ends_the_element_it_stands_in(name):
    page = step_through(ag.Tensor(2.0, requires_grad=True, name=name) * 3.0, title=name)
    assert page.html.count("<script") == page.html.count("</script>") == 3
    assert "<!--" not in page.html.partition("<header>")[2]
    page.html.encode()


def test_a_page_is_saved_whole_and_only_as_html(tmp_path):
    page = step_through(scalar(), tmp_path / "steps.html")
    assert (tmp_path / "steps.html").read_text(encoding="utf-8") == page.html
    with pytest.raises(ValueError, match=r"a page saves as \.html, not as 'steps\.svg'"):
        page.save(tmp_path / "steps.svg")
    with pytest.raises(WriteError, match=r"steps\.html can't be written: No such file or directory\. Name a file in"):
        page.save(tmp_path / "nowhere" / "steps.html")


def test_a_notebook_gets_a_frame():
    attributes = 'srcdoc="&lt;p&gt;1 &amp; 2&lt;/p&gt;" sandbox="allow-scripts" title="a &quot;b&quot;"'
    assert f"<iframe {attributes}" in Page('a "b"', "<p>1 & 2</p>")._repr_html_()


def test_no_gradient_changes_and_none_is_needed_before():
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = ag.sum(w * w)
    step_through(loss)
    assert w.grad is None
    loss.backward()
    assert w.grad.tolist() == [2.0, 4.0]


def test_more_than_a_stage_holds_is_refused_with_what_to_draw_instead():
    x = ag.Tensor(0.5, requires_grad=True, name="x")
    for _ in range(126):
        x = ag.tanh(x * 1.01)
    with pytest.raises(DrawingError, match=r"has 252 operations, and a stage holds 250: step through a part of it"):
        step_through(x)


def test_a_page_that_cannot_compute_is_recorded_and_says_why():
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    page = step_through(w * 2, gradients=ag.Tensor([10.0, 1.0]))
    assert data(page)["reason"].startswith("These numbers are as recorded: a page is live for one output")
    assert set(data(page)["sockets"]) == {"t1/0"}


def test_pages_without_operations_and_with_given_gradients():
    w = ag.Tensor(np.zeros((0, 3)), requires_grad=True, name="w")
    assert step_through(ag.sum(w @ w.mT)).html
    x = ag.Tensor(2.0, requires_grad=True, name="x")
    assert step_through(x * x, gradients=3.0).html


def test_what_is_called_like_a_function_is_called_once_and_changes_no_gradient_under_anomaly_detection():
    w, calls = ag.Tensor(2.0, requires_grad=True, name="w"), []

    class Loss:
        def __call__(self):
            calls.append(0)
            return w * np.inf  # anomaly detection would refuse it

    assert "return w * np.inf" in step_through(Loss()).html
    assert len(calls) == 1
    with Lines().observing():
        y = ag.exp(w) * w
    assert y.node.origin.startswith(__file__)
    with ag.detect_anomaly():
        y.backward()
    assert float(w.grad) == pytest.approx(3 * np.exp(2.0))
