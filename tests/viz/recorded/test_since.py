"""What is drawn after a step says that its numbers are not those of the recorded forward."""

from __future__ import annotations

from html import unescape

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.recorded.evaluate import changed_leaves, evaluate
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.since import notice
from tests.training import updating
from tests.viz.laid_out import words

WRITTEN = "recomputed with the present values of W1, b1, written to after this graph was recorded"
THEN = "L was 0.4320 when it was recorded, and is 0.008153 here"
WAY_OUT = "to see the recorded numbers, draw before the step, or keep them with viz.snapshot for viz.diff"


def recorded(lr=5.0, optimizer=nn.optim.SGD):
    """A recorded neuron, its loss and a function that trains it by one step."""
    net = nn.MLP([2, 1], output="sigmoid", seed=0, dtype="float64")
    x, y = ag.Tensor([[0.0, 1.0]], name="x"), ag.Tensor([[1.0]], name="y")
    return net, updating(optimizer(net.parameters(), lr=lr), lambda: nn.functional.mse_loss(net(x), y))


def text_of(y, *, live=None):
    return words(viz.step_through(y, live=live).html)


READERS = {
    "cards": lambda loss, net: viz.draw_graph(loss),
    "tape": lambda loss, net: viz.draw_tape(loss),
    "modules": lambda loss, net: viz.draw_modules(loss),
    "check": lambda loss, net: viz.check_graph(loss),
    "difference of two recorded outputs": lambda loss, net: viz.diff(loss, loss),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_picture_after_the_step_says_so_and_one_before_it_says_nothing(reader):
    net, step = recorded()
    picture = READERS[reader](step(), net)
    for said in (WRITTEN, THEN, WAY_OUT):
        assert said in unescape(picture.source)
        assert said in picture.alt
    loss = nn.functional.mse_loss(net(ag.Tensor([[0.0, 1.0]])), ag.Tensor([[1.0]]))
    loss.backward()
    picture = READERS[reader](loss, net)
    assert "recomputed" not in picture.source + picture.alt


@pytest.mark.parametrize("form", ["text", "latex"])
def test_a_derivation_after_the_step_says_so(form):
    net, step = recorded()
    loss, weight = step(), net.layers[0].weight
    said = getattr(viz.explain(loss, wrt=weight), form)
    assert WRITTEN in said
    assert THEN in said.replace(r"\_", "_")
    assert WRITTEN not in getattr(viz.explain(loss, wrt=weight, numbers=False), form)


@pytest.mark.parametrize("live", [True, False])
def test_a_page_after_the_step_says_so(live):
    _, step = recorded()
    said = text_of(step(), live=live)
    assert f"Note: {WRITTEN}; {THEN}; {WAY_OUT}." in said


def test_a_loop_and_a_window_say_so():
    layer = nn.Conv2d(1, 1, 2, seed=0)
    y = layer(ag.Tensor(np.arange(9.0, dtype="float32").reshape(1, 1, 3, 3)))
    layer.weight.data -= 1.0
    assert "recomputed with the present values of W1" in viz.plot_window(y, at=(0, 0, 0, 0)).alt
    rnn = nn.RNN(2, 2, seed=0)
    loss = ag.sum(rnn(ag.ones((3, 1, 2), dtype="float32"))[0])
    for parameter in rnn.parameters():
        parameter.data -= 1.0
    assert "recomputed with the present values of" in viz.draw_loop(loss).alt


def test_a_snapshot_beside_its_own_graph_needs_no_notice_and_one_taken_after_the_step_does():
    net, step = recorded()
    x, y = ag.Tensor([[0.0, 1.0]]), ag.Tensor([[1.0]])
    loss = nn.functional.mse_loss(net(x), y)
    before = viz.snapshot(loss)
    step()
    assert "recomputed" not in viz.diff(before, loss).alt
    assert "before: recomputed" in viz.diff(viz.snapshot(loss), loss).alt


def test_equal_outputs_are_no_proof_without_equal_gradients():
    a, b = (ag.Tensor([value], requires_grad=True, name=name) for name, value in (("a", 2.0), ("b", 3.0)))
    y = ag.sum(a * b)
    y.backward()
    a.data += 1.0
    b.data -= 1.0
    assert [leaf.name for leaf in evaluate(y).changed] == ["a", "b"]
    assert [leaf.name for leaf in evaluate(y, gradients=False).changed] == ["a", "b"]


def test_a_compiled_step_counts_as_a_write():
    net, _ = recorded()
    x, y = ag.Tensor([[0.0, 1.0]]), ag.Tensor([[1.0]])
    step = ag.compile(updating(nn.optim.SGD(net.parameters(), lr=1.0), lambda x, y: nn.functional.mse_loss(net(x), y)))
    for _ in range(3):  # traced, then compiled
        loss = nn.functional.mse_loss(net(x), y)
        assert "recomputed" not in viz.draw_graph(loss).alt
        step(x, y)
        assert "present values of W1, b1" in viz.draw_graph(loss).alt


def test_a_single_number_that_was_replaced_is_noticed_by_the_output():
    w = ag.Tensor(2.0, requires_grad=True, name="w")
    y = w * w
    y.backward()
    with ag.no_grad():
        w -= 1.0
    seen = evaluate(y)
    first, then, _ = notice(seen, Names(seen.graph))
    assert first == "recomputed with present values: those of its leaves have changed since this graph was recorded"
    assert then == "L was 4 when it was recorded, and is 1 here"


def test_a_new_value_is_noticed_while_the_node_still_has_the_old_one():
    w = ag.Tensor([2.0, 3.0], requires_grad=True, name="w")
    y = ag.sum(w * w)
    w.data = w.data.copy()
    assert changed_leaves(ag.Graph(y)) == ()
    w.data = np.array([3.0, 2.0])  # the output is the same
    assert [leaf.name for leaf in evaluate(y).changed] == ["w"]


def test_many_leaves_are_counted():
    leaves = [ag.Tensor([1.0, 1.0], requires_grad=True, name=f"p{i}") for i in range(5)]
    y = leaves[0] + leaves[1] + leaves[2] + leaves[3] + leaves[4]
    for leaf in leaves:
        leaf.data -= 0.5
    seen = evaluate(y)
    assert "present values of p0, p1, p2 and 2 more," in notice(seen, Names(seen.graph))[0]
