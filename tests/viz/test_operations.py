"""Every registered operation can be drawn and written down, and its rule on symbols gives the engine's own numbers."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.viz.drawing import style
from glassgrad.viz.formula.derivation import explain
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.recorded.scene import Scene
from tests.operations import TABLE
from tests.sampling import sampled
from tests.viz.formula.test_derivation import assert_worth

OPERATIONS = sorted(name for name, op in ag.OPS.items() if op.rules and name in TABLE)


def recorded(case, name):
    """The operation of a case, with every floating-point array a leaf that requires grad."""
    arrays = [
        ag.Tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") if hasattr(x, "dtype") else x for x in case.arrays
    ]
    return ag.OPS[name](*arrays, **case.params)


def balanced(tex):
    """Whether braces and `\\left ... \\right` close, and no place has two indices."""
    bare = re.sub(r"\\[{}|]", "", tex)
    return (
        bare.count("{") == bare.count("}")
        and len(re.findall(r"\\left(?![a-z])", tex)) == len(re.findall(r"\\right(?![a-z])", tex))
        and not re.search(r"_\{[^{}]*\}_|\^\{[^{}]*\}\^", bare)
    )


@pytest.mark.parametrize("name", sampled(OPERATIONS, 2))
@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    derandomize=True, database=None,
)  # fmt: skip
@given(data=st.data())
def test_it_is_drawn_and_written(name, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = recorded(data.draw(TABLE[name].cases), name)
        if y.node is None or any(place.dtype.kind == "c" for place in ag.Graph(y).nodes):  # which are refused
            return
        seed = ag.asarray(np.linspace(1.0, 2.0, y.size).reshape(y.shape), dtype=y.dtype)
        scene = Scene(y, gradients=seed)
        picture = draw_graph(y, gradients=seed)
    ElementTree.fromstring(picture.svg())
    assert not set(picture.source) & style.NO_GLYPH
    card = scene.cards[-1]
    assert card.node is y.node
    formula = scene.formula(card)
    assert formula.text
    assert balanced(formula.tex), formula.tex
    for socket in card.sockets:
        if socket.passes:
            sent = socket.sent_from("G")
            assert balanced(sent.tex), sent.tex
            value = np.broadcast_to(np.asarray(sent.value), socket.tail.shape)
            np.testing.assert_allclose(value, socket.contribution, rtol=1e-9, atol=1e-12, err_msg=sent.text)
            if y.dtype.kind == "f" and socket.tail.value.dtype.kind == "f":
                told = explain(y, wrt=socket.tail.place, gradient=seed)
                assert_worth(told, rtol=1e-9, atol=1e-12)
                assert balanced(told.latex)


def test_every_operation_with_a_rule_has_a_row():
    assert {name for name, op in ag.OPS.items() if op.rules and op.__module__.startswith("glassgrad.autograd")} == set(
        OPERATIONS
    )
