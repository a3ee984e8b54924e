"""Rows of the module table: what belongs together, and the warnings at the very numbers that trigger them."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.recorded.calls import call_tree
from glassgrad.viz.recorded.evaluate import evaluate
from glassgrad.viz.recorded.names import Names, origins
from glassgrad.viz.recorded.rows import rows_of, slopes, warn
from glassgrad.viz.recorded.scene import Scene


def parameter(array, name=None):
    return ag.Tensor(np.asarray(array, dtype=float), requires_grad=True, name=name)


def rows(y):
    seen = evaluate(y)
    found, _ = rows_of(Names(seen.graph))
    warn(found, seen)
    return found


def warnings(y):
    return {f"{row.title} {warning.word}": " ".join(warning.lines) for row in rows(y) for warning in row.warnings}


def layers(*sizes):
    """A sum over separate linear layers whose weight gradients all have exactly these root mean squares."""
    x = np.ones((1, 4))
    total = 0.0
    for size in sizes:
        total = total + ag.sum(ag.linear(x, parameter(np.zeros((3, 4))))) * size
    return total


class TestGrouping:
    def test_a_module_called_twice_has_two_rows_and_its_weight_is_shared(self):
        w = parameter(np.eye(2))
        h = np.ones((3, 2))
        for _ in range(2):
            with ag.scope("cell", "Linear"):
                h = ag.linear(h, w)
            h = ag.tanh(h)
        first, second = [row for row in rows_of(Names(ag.Graph(ag.sum(h))))[0] if row.op == "linear"]
        assert [(p.name, p.shared) for p in (*first.parameters, *second.parameters)] == [("W1", False), ("W1", True)]

    def test_a_value_used_again_later_links_both_rows(self):
        w = parameter(np.eye(2))
        h = ag.tanh(ag.linear(np.ones((3, 2)), w))
        y = ag.sum(ag.linear(h, parameter(np.eye(2))) + h)
        _, links = rows_of(Names(ag.Graph(y)))
        assert [(link.tail, link.head) for link in links if link.tail == "Tanh"] == [
            ("Tanh", "Linear_2"),
            ("Tanh", "Add"),
        ]

    def test_names_are_those_of_the_cards(self):
        cell, h = parameter(np.eye(2), "cell.weight"), ag.Tensor(np.ones((3, 2)), name="h0")
        for t in range(3):
            with ag.scope("cell", "Linear"):
                z = ag.linear(h, cell)
            h = ag.tanh(z + np.full((1, 2), float(t))) * parameter(1.0)
        scene = Scene(ag.sum(h))
        found, _ = rows_of(Names(scene.seen.graph))
        assert [row.letter for row in found if row.nodes] == [
            "z1", "t1", "a1", "t2", "z2", "t3", "a2", "t4", "z3", "t5", "a3", "t6", "L",
        ]  # fmt: skip
        for row in found:
            assert row.letter == scene.card(row.place).name
            assert [p.name for p in row.parameters] == [scene.card(p.tensor).name for p in row.parameters]


def sigmoid_of(share, n=100):
    """A sigmoid with this share of outputs at 0.981 and the others at 0.979."""
    a = np.full((1, n), 0.979)
    a[0, : round(share * n)] = 0.981
    return ag.sum(ag.sigmoid(parameter(np.log(a / (1 - a)))))


def relu_of(*alive):
    """A ReLU of these inputs, 1 for an active unit."""
    return ag.sum(ag.relu(parameter(np.where(np.asarray(alive) > 0, 1.0, -1.0))))


def channels():
    x, bias = ag.Tensor(np.linspace(-1, 1, 32).reshape(2, 1, 4, 4)), parameter(np.array([-9.0, -9.0, 9.0]))
    return ag.sum(ag.relu(nn.functional.conv2d(x, parameter(np.ones((3, 1, 2, 2))), bias)))


def lost():
    with np.errstate(all="ignore"):
        return ag.sum(ag.log(parameter([[1.0, 0.0, 2.0]])) * np.array([0.0, np.nan, 1.0]))


def lost_and_small():
    w = parameter(np.zeros((3, 4)))
    w.data[0, 0] = np.nan
    return layers(1.0, 1 / 101) + ag.sum(ag.linear(np.ones((1, 4)), w))


SMALL, LARGE = "weight gradient is 1/101 of the largest layer's", "weight gradient is 101 times the layers' median"
NONE, HUGE = "weight gradient is 0, far below that of the largest layer's", LARGE.replace("101", "6.67e4")
ALIVE, DEAD = [1] * 4 + [0] * 6, "60% of 10 units are 0 for the whole batch"


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (lambda: layers(1.0, 1 / 101), {"Linear 2 VANISHING": SMALL}),
        (lambda: layers(1.0, 1 / 99), {}),
        (lambda: layers(1.0, 0.0), {"Linear 2 VANISHING": NONE}),
        (lambda: layers(1e-12), {}),
        (lambda: layers(1.0, 1.0, 101.0), {"Linear 3 EXPLODING": LARGE}),
        (lambda: layers(1.0, 1.0, 99.0), {}),
        (lambda: layers(0.1, 0.2, 0.1, 1e4), {"Linear 4 EXPLODING": HUGE}),
        (lambda: layers(1001.0), {"Linear EXPLODING": "weight gradient rms is 1.0e3, above 1e3"}),
        (lambda: layers(999.0, 999.0), {}),
        (lambda: sigmoid_of(0.51), {"Sigmoid SATURATED": "51% of a1 within 0.02 of 0 or 1"}),
        (lambda: sigmoid_of(0.5), {}),
        (
            lambda: ag.sum(ag.sigmoid(parameter(np.full((2, 3), -4.0)))),
            {"Sigmoid SATURATED": "100% of a1 within 0.02 of 0 or 1"},
        ),
        (
            lambda: ag.sum(ag.tanh(parameter([[-3.0, 3.0, 0.0]]))),
            {"Tanh SATURATED": "67% of a1 within 0.02 of -1 or 1"},
        ),
        (lambda: ag.sum(ag.tanh(parameter([[-2.0, 2.0, 0.0]]))), {}),
        (lambda: relu_of(ALIVE, ALIVE), {"ReLU DEAD": DEAD}),
        (lambda: relu_of([1, 0], [1, 0]), {}),
        (lambda: relu_of([1] * 10, [0] * 10), {}),  # a unit that is active once is alive
        (lambda: relu_of([0] * 10), {}),  # one example tells nothing
        (lambda: relu_of([[0] * 3] * 3 + [[1] * 3] * 2, [[0] * 3] * 3 + [[1] * 3] * 2), {}),  # tokens are no units
        (lambda: relu_of([ALIVE] * 5, [ALIVE] * 5), {"ReLU DEAD": DEAD}),
        (channels, {"ReLU DEAD": "67% of 3 units are 0 for the whole batch"}),
        (
            lost,
            {
                "Log NOT FINITE": "1 inf in t1 1 nan in ∂L/∂t1 1 nan in ∂L/∂θ1",
                "x NOT FINITE": "1 nan in x",
                "Multiply NOT FINITE": "1 nan in t2",
                "Sum NOT FINITE": "1 nan in L",
            },
        ),
        (lambda: ag.sum(ag.sqrt(parameter([[0.0, 1.0]]))), {"Sqrt NOT FINITE": "1 inf in ∂L/∂θ1"}),
    ],
)
def test_warnings_come_at_the_very_numbers_that_trigger_them(y, expected):
    assert warnings(y()) == expected


def test_a_layer_that_explodes_or_is_not_finite_hides_no_other():
    assert warnings(lost_and_small())["Linear 2 VANISHING"] == SMALL
    assert {name.split()[-1] for name in warnings(layers(1e-7, 1e-7, 1e-7, 0.5))} == {"VANISHING"}
    assert "Linear 4 EXPLODING" in warnings(layers(1e-7, 1e-7, 1e-7, 1.5))


def test_slopes_come_from_the_rule():
    y = ag.sigmoid(parameter([0.0, 100.0]))
    mean, steepest = slopes(y.node, evaluate(ag.sum(y)))
    assert (mean, steepest) == (pytest.approx(0.125), pytest.approx(0.25))


class Cell(nn.Module):
    """One linear layer and its tanh."""

    def __init__(self):
        self.linear = nn.Linear(4, 4, seed=0)

    def forward(self, h):
        return ag.tanh(self.linear(h))


class Loop(nn.Module):
    """A plain Python loop over one cell."""

    def __init__(self, times):
        self.cell, self.times = Cell(), times

    def forward(self, h):
        for _ in range(self.times):
            h = self.cell(h)
        return h


class TestCalls:
    """One module that is called several times in a row."""

    @pytest.mark.parametrize(("depth", "titles"), [(1, ["Cell 1", "Cell 2", "Cell 3"]), (0, ["Loop"])])
    def test_each_call_has_a_row(self, depth, titles):
        y = Loop(3)(ag.Tensor(np.ones((2, 4), np.float32)))
        rows, _ = rows_of(Names(ag.Graph(y)), depth=depth)
        assert [row.title for row in rows if row.nodes] == titles
        assert [row.call for row in rows if row.nodes] == list(range(1, len(titles) + 1))

    def test_calls_back_to_back_of_a_layer_alone(self):
        layer = nn.Linear(4, 4, seed=0)
        y = layer(layer(ag.Tensor(np.ones((2, 4), np.float32))))
        rows, _ = rows_of(Names(ag.Graph(y)))
        assert [(row.title, row.call) for row in rows if row.nodes] == [("Linear 1", 1), ("Linear 2", 2)]

    def test_a_loop_within_a_module_is_one_call_of_it(self):
        class Net(Cell):
            def forward(self, h):
                for _ in range(3):
                    h = super().forward(h)
                return h

        (net,) = call_tree(ag.Graph(Net()(ag.Tensor(np.ones((2, 4), np.float32)))).nodes).calls
        assert [call.call for call in net.calls] == [1, 2, 3]

    def test_other_modules_of_the_class_are_first_calls(self):
        y = nn.Sequential(nn.Linear(4, 4, seed=0), nn.Linear(4, 4, seed=1))(ag.Tensor(np.ones((2, 4), np.float32)))
        rows, _ = rows_of(Names(ag.Graph(y)))
        assert [row.call for row in rows if row.nodes] == [1, 1]


class TestInputs:
    """Leaves that stand in the table as inputs, and those that modules bring with them."""

    def test_buffers_and_masks_are_no_inputs(self):
        layers = nn.Linear(4, 4, seed=0), nn.BatchNorm1d(4), nn.Dropout(0.5, seed=0), nn.Linear(4, 1, seed=1)
        model = nn.Sequential(*layers)
        x = ag.Tensor(np.ones((3, 4), np.float32), name="x")
        for training in (True, False):
            y = model.train(training)(x)
            rows, _ = rows_of(Names(ag.Graph(y)))
            assert [row.title for row in rows if not row.nodes] == ["x"]

    def test_second_inputs_are_shown(self):
        class Joined(nn.Module):
            def __init__(self):
                self.linear = nn.Linear(4, 4, seed=0)

            def forward(self, x, c):
                return self.linear(x) * c

        y = Joined()(ag.Tensor(np.ones((3, 4), np.float32)), np.full((3, 4), 2.0, np.float32))
        rows, _ = rows_of(Names(ag.Graph(y)))
        assert [row.letter for row in rows if not row.nodes] == ["x", "x2"]

    def test_a_first_state_that_is_given_is_shown_and_zeros_are_not(self):
        layer = nn.RNN(3, 4, seed=0)
        x = ag.Tensor(np.ones((5, 2, 3), np.float32), name="x")
        for state, shown in ((None, 1), (ag.Tensor(np.ones((1, 2, 4), np.float32)), 2)):
            out, _ = layer(x) if state is None else layer(x, state)
            rows, _ = rows_of(Names(ag.Graph(ag.sum(out))))
            assert len([row for row in rows if not row.nodes]) == shown


def test_models_are_told_apart_without_names_of_parameters():
    class Step(nn.Module):
        def __init__(self, size):
            self.held = [ag.Tensor(np.eye(3) * size, requires_grad=True)]  # in a list: no name

        def forward(self, x):
            return ag.tanh(x @ self.held[0])

    first, second, x = Step(1.0), Step(2.0), ag.ones((2, 3))
    for y, called in ((second(first(x)), [1, 1]), (first(first(x)), [1, 2])):
        rows = [row for row in rows_of(Names(ag.Graph(ag.sum(y))))[0] if row.label == "Step"]
        assert [row.call for row in rows] == called
        assert [len(row.parameters) for row in rows] == [1, 1]
        assert [row.parameters[0].shared for row in rows] == [False, called == [1, 2]]


class TestTransformer:
    @pytest.fixture(params=[True, False], ids=["batch first", "length first"])
    def found(self, request):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=request.param, norm_first=True, dropout=0.0, seed=0)
        x = ag.Tensor(np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32"), name="x")
        return rows_of(Names(ag.Graph(ag.sum(layer(x)))))

    def test_the_residual_stream_starts_at_the_one_input(self, found):
        rows, links = found
        assert [row.letter for row in rows if not row.nodes] == ["x"]
        assert {link.head for link in links if link.tail == "x"} == {"LayerNorm_1", "Add_1"}

    def test_query_key_and_value_have_their_names_and_views_no_rows(self, found):
        titles = [(row.title, row.letter) for row in found[0]]
        assert {("Query", "q"), ("Key", "k"), ("Value", "v")} <= set(titles)
        assert "Reshape" not in {row.label for row in found[0]}


CHANGES = (  # of a constant, after which it is still the one that was given
    lambda x: x.mT,
    lambda x: ag.reshape(x, (*x.shape[::-1],)),
    lambda x: x[..., 1:],
    lambda x: 2.0 * x - 1.0,
    lambda x: (x - ag.mean(x)) / (ag.std(x) + 1e-5),
    ag.standardize,
    lambda x: ag.pad(x, ((1, 1), (0, 2))),
    lambda x: ag.exp(x) / ag.sum(ag.exp(x), axis=-1, keepdims=True),
    lambda x: ag.concat([x, x], axis=0),
    lambda x: x.astype("float32").astype("float64"),
)


@pytest.mark.parametrize("seed", range(40))
def test_a_constant_that_was_made_of_another_is_that_one_and_no_other(seed):
    """Random graphs of two inputs, alike by chance in half of them, each changed in random ways before it is used."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(2, 4, 4))
    given = [ag.Tensor(numbers[seed % 2 * i], name=name) for i, name in enumerate(("x", "y"))]
    total = ag.sum(parameter(1.0) * (given[0] + given[1]))  # of both, so an input of its own
    made = []
    for x in rng.permutation(2):
        for _ in range(int(rng.integers(1, 4))):
            value = given[x]
            for change in rng.permutation(len(CHANGES))[: int(rng.integers(1, 4))]:
                if min(value.shape) > 1:
                    value = CHANGES[change](value)
            total += ag.sum(value * parameter(np.ones(value.shape)))
            made.append((value, given[x]))
    graph = ag.Graph(total)
    assert {key: id(x) for key, x in origins(graph).items()} == {id(value): id(x) for value, x in made}
    titles = [row.title for row in rows_of(Names(graph))[0] if not row.nodes]
    assert len(titles) == 3
    assert {"x", "y"} < {*titles}


def test_a_constant_whose_origin_is_gone_or_was_written_to_is_an_input_itself():
    def used():
        x = ag.Tensor(np.ones((2, 3)), name="x")
        padded = ag.pad(x, ((0, 0), (1, 1)))
        return x, padded, ag.Graph(ag.sum(padded * parameter(np.ones((2, 5)))))

    x, _, graph = used()
    assert [row.title for row in rows_of(Names(graph))[0] if not row.nodes] == ["x"]
    x.data += 1.0
    assert origins(graph) == {}
    x, _, graph = used()
    x.data = np.zeros((2, 3))
    assert origins(graph) == {}
    x, padded, graph = used()
    padded[0, 0] = 3.0
    assert origins(graph) == {}
    del x
    assert origins(used()[2]) == {}


def test_a_loop_of_inference_keeps_nothing_alive():
    state = ag.Tensor(np.ones(3))
    before = weakref.ref(state)
    for _ in range(3):
        state = ag.tanh(state)
    assert before() is None
