"""The graph: what is recorded of an operation, its order, its scopes, and its replay."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glassgrad import autograd as ag
from glassgrad.autograd import Graph, Node, Tensor


def leaf(values, name=None):
    return Tensor(values, requires_grad=True, name=name)


def test_a_node_tells_what_was_computed_from_what():
    x, c = leaf([1.0, 2.0], "x"), np.array([3.0, 4.0])
    node = ag.sum(x * c * 3, axis=0, keepdims=True).node
    assert isinstance(node, Node)
    assert (node.op.name, node.params, node.shape) == ("sum", {"axis": 0, "keepdims": True}, (1,))
    assert node.dtype == np.float64
    (tripled,) = node.inputs
    product, three = tripled.inputs
    assert (type(three), three) == (int, 3)  # as it was given
    assert product.op is ag.OPS["multiply"]
    assert product.inputs[0] is x
    assert product.inputs[1] is c
    assert product.mask == 0b01


def test_nodes_come_inputs_first_and_once_each():
    x, w = leaf(2.0, "x"), leaf(3.0, "w")
    u = x * w
    y = u * u + u
    nodes = Graph(y).nodes
    assert [n.op.name if n.op else n.name for n in nodes] == ["x", "w", "multiply", "multiply", "add"]
    places = {n: i for i, n in enumerate(nodes)}
    assert all(places[before] < places[n] for n in nodes for before in n.inputs)


def test_leaves_and_constants_read_like_nodes_and_unrecorded_values_are_constants():
    x, c = leaf(2.0, "x"), Tensor(3.0)
    assert Graph(x * c).nodes[:2] == [x, c]
    assert (x.op, x.inputs, x.scope) == (None, (), None)
    with ag.no_grad():
        d = x * 5.0
    for t in (x, d):
        assert (Graph(t).nodes, Graph(t).outputs) == ([t], (t,))
    assert (Tensor(1.0) * 2.0).node is None


def test_a_name_follows_the_value():
    x = leaf(2.0)
    y = x * x
    y.name = "energy"
    assert y.node.name == "energy"
    assert repr(y.node) == "Node(multiply, shape=(), name='energy')"
    assert repr(Graph(y)) == "Graph(1 operations, 1 leaves)"


class TestScope:
    def test_is_recorded_outermost_first_whatever_the_mode(self):
        x = leaf(1.0)
        with ag.scope("", "MLP"):
            a = x * 2.0
            with ag.scope("layers.0", "Linear"), ag.no_grad(), ag.enable_grad():
                b = a * 3.0
            with pytest.raises(KeyError), ag.scope("a", "A"):
                raise KeyError
            c = b * 4.0
        d = c * 5.0
        outer = ("", "MLP")
        scopes = [y.node.scope for y in (a, b, c, d)]
        assert scopes == [(outer,), (outer, ("layers.0", "Linear")), (outer,), None]


class TestReplay:
    def test_runs_on_the_present_values(self):
        x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
        u = x * c
        y = u.sum()
        graph = Graph(y)
        x.data = np.array([10.0, 20.0])
        values = graph.replay()
        assert values[y.node].item() == 110.0
        assert_array_equal(values[u.node].data, [30.0, 80.0])
        assert y.item() == 11.0

    def test_maps_leaves_to_themselves_and_is_recorded_afresh_with_names_and_scopes(self):
        x = leaf(3.0, "x")
        with ag.scope("a", "A"):
            y = ag.exp(x)
        y.name = "y"
        y.backward()  # which releases the graph
        with ag.no_grad(), ag.scope("b", "B"):
            values = Graph(y).replay()
        again = values[y.node]
        assert values[x] is x
        assert again.node is not y.node
        assert (again.item(), again.name, again.node.scope) == (y.item(), "y", (("a", "A"),))
        again.backward()
        assert x.grad.item() == 2 * y.item()

    def test_keeps_parameters_constants_and_left_out_arguments(self):
        x, w = leaf(np.ones((2, 3))), leaf(np.ones((4, 3)))
        y = ag.softmax(ag.linear(x, w), axis=0) * np.arange(4.0) + ag.concat([x[:, :1], [[5.0], [6.0]]], axis=1).sum()
        assert_array_equal(Graph(y).replay()[y.node].data, y.data)

    def test_a_value_passes_through_a_function_on_one_of_its_edges(self):
        x = leaf([1.0, 2.0])
        y = x * x
        probe = leaf([0.0, 0.0])
        Graph(y).replay({(y.node, 1): lambda value: value + probe})[y.node].sum().backward()
        assert_array_equal(probe.grad.data, [1.0, 2.0])
        assert_array_equal(x.grad.data, [2.0, 4.0])
