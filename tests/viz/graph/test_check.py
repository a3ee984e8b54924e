"""The picture of a gradient check: verdicts on the cards, the wrong one framed, what came through it muted."""

import re

import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import GradcheckError
from glassgrad.viz.graph.check import check_graph
from glassgrad.viz.graph.picture import draw_graph
from tests.declared import declared
from tests.viz.graph.test_picture import edges, node
from tests.viz.laid_out import parameter, words


def wrong_sigmoid():
    rule = lambda g, out: g * out * (1 + out)  # noqa: E731
    return declared(lambda xp, x: 0.5 * xp.tanh(0.5 * x) + 0.5, "σ", {"text": "σ({x})"}, x=rule)


def checked(sigmoid, **options):
    w, x, b, y = (parameter(v) for v in (2.0, 1.0, -1.0, 1.0))
    u = w * x
    z = u + b
    a = sigmoid(z)
    d = a - y
    L = d**2
    return check_graph(L, names=locals(), inputs=[x], targets=[y], **options)


def test_right_rules_are_ticked_with_their_error():
    picture = checked(ag.sigmoid)
    assert picture.title == "Gradient check, op by op: every rule is right"
    assert picture.report.ok
    errors = {c.node: c.error or 0.0 for c in picture.report if c.verdict == "ok"}
    assert len(errors) == 5
    for key in "uzadL":
        assert re.search(r"ok (0|\de-1\d)$", words(node(picture, key)))
        assert "WRONG" not in node(picture, key)
    assert "?" not in words(picture.source.replace("not trustworthy", ""))


def test_only_the_argument_with_the_wrong_rule_is_doubted():
    times = declared(lambda xp, x, y: x * y, "times", x=lambda g, y: g * y, y=lambda g, x: 2 * g * x)
    p, q = parameter(2.0), parameter(3.0)
    picture = check_graph(times(p, q), names={"p": p, "q": q})
    assert " ?" not in words(node(picture, "p"))
    assert "∂L/∂q = 4 ?" in words(node(picture, "q"))
    assert "WRONG by y rule 4 numeric 2.000 rel. error 0.5000" in words(node(picture, "L"))


def test_a_sum_is_doubted_by_its_wrong_addend():
    x = parameter(0.5)
    y = wrong_sigmoid()(x) + ag.sin(x)
    picture = check_graph(y, names={"x": x})
    assert re.search(r"∂L/∂x = 1\.\d+ \? \+ 0\.8776 = \d\.\d+ \?$", words(node(picture, "x")))


def test_a_kink_is_neither_ticked_nor_framed():
    x = parameter([0.0, 1.0])
    picture = check_graph(ag.sum(ag.relu(x)), names={"x": x})
    assert picture.title == "Gradient check, op by op: no rule is wrong, kinks are not checked"
    assert words(node(picture, "a1")).endswith("kink")
    assert "kink = the slopes on both sides differ" in words(picture.source)
    assert "failed" not in picture.source


def test_a_rule_that_does_not_run():
    bad = declared(lambda xp, x: x * 1.0, "bad", x=lambda xp, g: xp.reshape(g, shape=(7,)))
    x = parameter(1.0)
    x.name = "x"
    with pytest.raises(
        GradcheckError, match=r"run: bad\(x\) with respect to x, going backward through bad raised ValueError"
    ):
        check_graph(bad(x))


def test_outputs_that_are_no_scalars_are_checked_without_gradients():
    picture = check_graph(ag.sin(parameter([1.0, 2.0])))
    assert picture.report.ok
    assert edges(picture, "b") == []


def test_other_pictures_are_not_checked():
    assert "check" not in draw_graph(wrong_sigmoid()(parameter(1.0)), gradients=True).source
