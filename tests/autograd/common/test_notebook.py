"""What a notebook shows of modules and checks, escaped."""

import pickle
from html import unescape

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.testing import check_nodes

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def test_a_module_says_its_tree_and_the_shapes_of_the_last_call() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))
    before = repr(net)
    assert "→" not in net._repr_html_()
    net(np.ones((4, 2), "float32"))
    text = unescape(net._repr_html_())
    assert "Sequential, 13 parameters → (4, 1)" in text
    assert "0: Linear(2, 3), 9 parameters → (4, 3)" in text
    assert "0: Tanh → (4, 3)" in text
    assert "weight (3, 2) float32" in text
    assert repr(net) == before
    assert "→" not in pickle.loads(pickle.dumps(net))._repr_html_()
    ag.vmap(net)(np.ones((5, 2), "float32"))
    assert type(net._made) is tuple


def test_a_report_lists_the_checks() -> None:
    x = ag.Tensor([1.0, 2.0], requires_grad=True, name=HOSTILE)
    text = check_nodes(ag.sum(ag.tanh(x)))._repr_html_()
    assert "<img" not in text
    assert text.count("<tr style") == 2
    assert "relative errors up to" in text
