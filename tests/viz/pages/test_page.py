import json
import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.engine.observers.anomaly import record_lines
from glassgrad.autograd.errors import WriteError
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.render import use_engine
from glassgrad.viz.pages.page import Page, step_through


def scalar():
    w, b = (ag.Tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "w"), (-1.0, "b")))
    return (ag.sigmoid(w * ag.Tensor(1.0, name="x") + b) - ag.Tensor(1.0, name="y")) ** 2


def data(page):
    return json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def test_one_file_asks_for_nothing():
    page = step_through(scalar())
    assert "default-src 'none'" in page.html
    outside = set(re.findall(r"https?://[^\s\"'<]+", page.html))
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}, "namespaces only"
    assert not re.search(r"<(link|img|iframe|object|base)\b|@import|url\(", page.html)
    assert page.title == "L = (σ(w·x + b) - y)²"


@pytest.mark.parametrize("live", [True, False])
def test_every_cell_and_edge_of_a_step_is_in_the_drawing(live):
    page = step_through(scalar(), live=live)
    ids = set(re.findall(r'\bid="([^"]+)"', page.html))
    steps = data(page)["steps"]
    assert len(steps) == 5 + 1 + 6
    for step in steps:
        cell = f"a_{step['card']}_val" if step["ph"] == "f" else f"a_{step['size'][0]}_grad"
        if live and "show" not in step:  # the script names the cells and the edge of a whole gradient
            step["show"] = [f"a_{step['whole']}_{part}" for part in ("glab", "grad")]
        if live and "edges" not in step:
            step["edges"] = [f"b_{step['whole']}_{step['socket'].replace('/', '_')}"]
        assert cell in step["show"]
        assert {*step["show"], *step["edges"]} <= ids
        assert bool(step["edges"]) is (step["title"] != "The gradient starts at L")


def test_all_values_are_a_table_of_html():
    page = step_through(scalar())
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>', page.html)
    assert [row[0] for row in rows] == ["w", "x", "t1", "b", "t2", "a1", "y", "t3", "L"]
    table = {row[0]: row[1:] for row in rows}
    assert table["x"] == ("()", "1.0", "no grad")
    assert float(table["w"][2]) == pytest.approx(-0.10575, rel=1e-4)


def test_both_themes_and_every_colour_of_the_drawing_are_variables():
    page = step_through(scalar()).html
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', page))
    tokens = {value for name, value in vars(style.LIGHT).items() if name != "name"}
    assert used <= tokens
    for colour in used:
        assert re.search(rf'\.picture \[(fill|stroke)="{colour}"\]', page)
    assert f"--grad:{style.DARK.grad};" in page
    for wanted in ("@media print", "prefers-reduced-motion", ":focus-visible", 'aria-live="polite"'):
        assert wanted in page


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--", "]]>", "a\u2028b", "\ud800", "权重", "\0"]
)
def test_no_name_ends_the_element_it_stands_in(name):
    page = step_through(ag.Tensor(2.0, requires_grad=True, name=name) * 3.0, title=name)
    assert page.html.count("<script") == page.html.count("</script>") == 2
    assert "<!--" not in page.html.partition("<header>")[2].replace("<!-- ", "")
    assert data(page)["steps"][-1]["tag"].startswith(name[0] if name not in ("\ud800", "\0") else "\ufffd")
    page.html.encode()


def test_a_page_is_saved_whole_and_only_as_html(tmp_path):
    page = step_through(scalar(), tmp_path / "steps.html")
    assert (tmp_path / "steps.html").read_text(encoding="utf-8") == page.html
    assert [file.name for file in tmp_path.iterdir()] == ["steps.html"]
    with pytest.raises(ValueError, match=r"a page saves as \.html, not as 'steps\.svg'"):
        page.save(tmp_path / "steps.svg")
    with pytest.raises(WriteError, match=r"steps\.html can't be written: No such file or directory\. Name a file in"):
        page.save(tmp_path / "nowhere" / "steps.html")


def test_a_notebook_gets_a_frame():
    shown = Page('a "b"', "<p>1 & 2</p>")._repr_html_()
    assert shown.startswith(
        '<iframe srcdoc="&lt;p&gt;1 &amp; 2&lt;/p&gt;" sandbox="allow-scripts" title="a &quot;b&quot;"'
    )


def test_no_gradient_changes_and_none_is_needed_before():
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = ag.sum(w * w)
    step_through(loss)
    assert w.grad is None
    loss.backward()
    assert w.grad.tolist() == [2.0, 4.0]
    assert step_through(loss).title == "L = sum(w × w)"
    assert w.grad.tolist() == [2.0, 4.0]


def test_graphs_without_a_backward_pass_are_refused():
    with pytest.raises(ValueError, match="no operation was recorded for this Tensor"):
        step_through(ag.Tensor(1.0))
    w = ag.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"shape \(2,\) need its upstream gradient"):
        step_through(w * 2)
    with pytest.raises(ValueError, match="a page steps through the backward pass"):
        step_through(ag.sum(w), gradients=False)


def test_a_given_gradient_starts_the_way_back():
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    steps = data(step_through(w * 2, gradients=ag.Tensor([10.0, 1.0])))["steps"]
    seed = next(step for step in steps if step["ph"] == "b")
    assert seed["words"].startswith("This is the upstream gradient of ")
    assert steps[-1]["size"][1] == pytest.approx(np.sqrt((20**2 + 2**2) / 2))


def test_without_an_engine_there_is_a_ladder(tmp_path):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    use_engine(broken)
    try:
        page = step_through(scalar())
    finally:
        use_engine(None)
    assert 'class="ladder"' in page.html
    assert "Operations 1 to 5" in page.html
    assert data(page)["cards"]["t1"]["own"] == ["w", "x"]


def test_many_operations_are_a_ladder_that_says_what_it_hides():
    a = ag.Tensor(0.5, requires_grad=True, name="x")
    for _ in range(100):
        a = ag.tanh(a * 1.01)
    page = step_through(a)
    assert '<svg class="picture"' not in page.html
    assert page.title == "L: 200 operations"
    assert "<b>Operations 41 to 80</b><small>40 operations, the last makes a40 ()</small>" in page.html
    assert len(data(page)["steps"]) == 200 + 1 + 200


def test_a_long_path_is_a_short_tag():
    w = ag.Tensor(2.0, requires_grad=True, name="encoder.blocks.11.weight")
    steps = data(step_through(w * 3.0))["steps"]
    assert (steps[-1]["tag"], steps[-1]["title"]) == (
        "weight",
        "Multiply sends its gradient to encoder.blocks.11.weight",
    )


def test_values_that_are_not_finite_are_reported():
    with np.errstate(all="ignore"):
        x = ag.Tensor([-1.0, 4.0], requires_grad=True, name="x")
        page = step_through(ag.sum(ag.sqrt(x)))
    assert data(page)["arrays"][data(page)["steps"][0]["eq"][-1][0]]["t"] == [["nan", "2"]]
    assert "NOT FINITE" in page.html


def test_a_wrong_rule_is_called_wrong():
    @ag.op("x³")
    def cubed(xp, x):
        """x to the third."""
        return x * x * x

    cubed.vjp(x=lambda g, x: 2 * g * x * x)
    page = step_through(cubed(ag.Tensor(2.0, requires_grad=True, name="x")) * 1.5)
    checks = {step["title"]: step["check"] for step in data(page)["steps"] if "check" in step}
    assert checks["Cubed t1 sends its gradient to x"][0] == "wrong"
    assert "rule 8, numeric 12" in checks["Cubed t1 sends its gradient to x"][1]
    assert checks["Multiply sends its gradient to t1"][0] == "ok"
    assert not any("check" in step for step in data(step_through(scalar(), check=False))["steps"])


def test_pages_without_operations_and_with_given_gradients():
    w = ag.Tensor(np.zeros((0, 3)), requires_grad=True, name="w")
    assert step_through(ag.sum(w @ w.mT)).html
    x = ag.Tensor(2.0, requires_grad=True, name="x")
    assert step_through(x * x, gradients=3.0).html


def test_a_very_long_name_does_not_make_a_large_page():
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w" * 100_000)
    assert len(step_through((w * w).sum()).html) < 200_000


def test_a_function_is_called_once_and_changes_no_gradient_under_anomaly_detection():
    w, calls = ag.Tensor(2.0, requires_grad=True, name="w"), []

    def loss():
        calls.append(0)
        return w * np.inf  # anomaly detection would refuse it

    step_through(loss)
    assert len(calls) == 1
    with record_lines():
        y = ag.exp(w) * w
    assert y.node.origin.startswith(__file__)
    with ag.detect_anomaly():
        y.backward()
    assert float(w.grad) == pytest.approx(3 * np.exp(2.0))


def test_a_function_that_takes_arguments_is_refused():
    with pytest.raises(DrawingError, match=r"called without arguments: give lambda: f\(x\)"):
        step_through(lambda x: x * 2)


def test_an_object_that_is_called_like_a_function_is_stepped_through():
    w = ag.Tensor(2.0, requires_grad=True, name="w")

    class Loss:
        def __call__(self):
            return w * 3.0 + 1.0

    assert "return w * 3.0 + 1.0" in step_through(Loss()).html
