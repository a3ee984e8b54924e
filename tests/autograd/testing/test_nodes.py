"""`check_nodes`: right rules pass wherever they stand, wrong ones are named, kinks and edges are told from errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor
from glassgrad.autograd.testing import NodeCheck, check_nodes
from tests.declared import declared
from tests.operations import TABLE
from tests.sampling import sampled


def param(values, name=None):
    return Tensor(values, requires_grad=True, name=name)


def sigmoid(rule):
    return declared(lambda xp, x: 0.5 * xp.tanh(0.5 * x) + 0.5, name="my_sigmoid", x=rule)


def squared(rule):
    return declared(lambda xp, x: x * x, name="squared", x=rule)


def only(y, **options) -> NodeCheck:
    (check,) = check_nodes(y, **options)
    return check


# ---------------------------------------------------------------------------------------------------------- what passes


def test_unchecked_is_no_pass():
    lost = declared(lambda xp, x: 1e12 + 1e-3 * np.cbrt(x), name="lost", x=lambda g: g * 1e-2)
    report = check_nodes(lost(param(1.0, "x")))
    assert [check.verdict for check in report] == ["unchecked"]
    assert not report.ok
    assert not report.wrong
    assert repr(report) == "<NodeReport: 1 unchecked>"
    assert "its derivatives are too small compared with its values to be told from 0" in str(report)


class TestRight:
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_a_loop_that_saves_values_for_its_rule(self, dtype):
        x = Tensor(np.sin(np.arange(24.0)).reshape(4, 2, 3), dtype=dtype)
        assert check_nodes(ag.sum(nn.LSTM(3, 2, seed=0, dtype=dtype)(x)[0] ** 2)).ok

    def test_the_neuron_of_the_lecture(self):
        w, x, b = param(2.0, "w"), param(1.0, "x"), param(-1.0, "b")
        report = check_nodes((ag.sigmoid(w * x + b) - 1.0) ** 2)
        assert report.ok
        assert [(c.node.op.name, c.argument) for c in report if c.verdict == "ok"] == [
            ("multiply", "x"),
            ("multiply", "y"),
            ("add", "x"),
            ("add", "y"),
            ("sigmoid", "x"),
            ("subtract", "x"),
            ("power", "x"),
        ]
        assert max(c.error for c in report if c.verdict == "ok") < 1e-9

    def test_results_say_the_derivative_of_one_result_by_one_element(self):
        x = param([[0.5, -1.0]], "x")
        check = only(ag.tanh(x))
        assert check.element == check.output
        assert check.element is not None
        slope = 1 - np.tanh(x.data[check.element]) ** 2
        assert check.rule == pytest.approx(slope, rel=1e-12)
        assert check.numeric == pytest.approx(slope, rel=1e-8)

    def test_several_arrays_in_one_argument(self):
        report = check_nodes(ag.concat([param([1.0]), Tensor([2.0]), param([3.0])]))
        assert [(c.argument, c.verdict) for c in report] == [
            ("arrays[0]", "ok"),
            ("arrays[1]", "skipped"),
            ("arrays[2]", "ok"),
        ]

    def test_a_network_in_float32_is_computed_in_float64(self):
        layer = nn.Linear(20, 15, seed=0)
        inputs = Tensor(np.random.default_rng(1).normal(size=(30, 20)).astype(np.float32))
        loss = nn.functional.cross_entropy(ag.tanh(layer(inputs)), Tensor(np.arange(30) % 15))
        assert str(loss.dtype) == "float32"
        report = check_nodes(loss)
        assert report.ok
        assert max(c.error for c in report if c.verdict == "ok") < 1e-7
        assert "The graph was recorded in float32; its values were copied to float64." in str(report)

    def test_a_result_in_float32_is_held_to_its_own_precision(self):
        report = check_nodes(ag.sin(ag.astype(param([0.5, 1.0]), dtype="float32")))
        assert [c.verdict for c in report] == ["ok", "ok"]

    @pytest.mark.parametrize("at", [1e-8, 1e-3, 1.0, 1e6])
    @pytest.mark.parametrize("f", [ag.log, ag.sqrt, ag.sin, lambda x: 1.0 / x, lambda x: x**1.5])
    def test_far_from_one_and_close_to_a_pole(self, f, at):
        assert all(c.verdict == "ok" for c in check_nodes(f(param(at))) if c.verdict != "skipped")

    def test_a_strongly_curved_function(self):
        assert [c.verdict for c in check_nodes(ag.exp(param(0.0) * 1e6))][-1] == "ok"
        assert only(declared(lambda xp, x: xp.exp(1e5 * x), x=lambda g, out: 1e5 * g * out)(param(0.0))).verdict == "ok"

    def test_cancellation_is_not_called_a_wrong_rule(self):
        assert only(ag.sum(param([1e6, -1e6, 1e-3]))).verdict == "ok"

    def test_nothing_of_the_user_is_touched(self):
        x = param([1.0, 2.0], "x")
        y = ag.sum(x * x)
        y.backward(retain_graph=True)
        before = x.grad.data.copy(), x.data.copy()
        with ag.no_grad(), ag.detect_anomaly():
            assert check_nodes(y).ok
        np.testing.assert_array_equal(x.grad.data, before[0])
        np.testing.assert_array_equal(x.data, before[1])


@pytest.mark.parametrize("name", sampled(sorted(name for name in TABLE if ag.OPS[name].rules), 3))
@given(data=st.data())
def test_no_operation_of_the_table_is_called_wrong(name, data):
    arrays, params = data.draw(TABLE[name].cases)
    floats = [np.asarray(x).dtype.kind == "f" for x in arrays]
    inputs = [Tensor(x, requires_grad=True) if moves else x for x, moves in zip(arrays, floats, strict=True)]
    y = ag.OPS[name](*inputs, **params)
    if y.requires_grad and y.size:
        report = check_nodes(y)
        assert not report.wrong, str(report)
        told = any(c.verdict in ("ok", "unchecked", "kink") for c in report)
        assert told or not any(x.size for x in inputs if isinstance(x, Tensor))


# ----------------------------------------------------------------------------------------------------------- what fails


class TestWrong:
    def test_a_wrong_rule_is_named_and_the_others_are_not(self):
        op = sigmoid(lambda g, out: g * out * (1 + out))
        z = param(1.0, "z")
        report = check_nodes((op(z) - 1.0) ** 2)
        assert [c.verdict for c in report] == ["wrong", "ok", "skipped", "ok", "skipped"]
        (wrong,) = report.wrong
        a = 1 / (1 + np.exp(-1))
        assert (wrong.node.op.name, wrong.argument, wrong.element) == ("my_sigmoid", "x", ())
        assert wrong.rule == pytest.approx(a * (1 + a))
        assert wrong.numeric == pytest.approx(a * (1 - a))
        assert wrong.error == pytest.approx(0.8446, abs=1e-4)
        assert not report.ok

    def test_a_wrong_sign_is_named_as_the_cause(self):
        assert only(squared(lambda g, x: -2 * g * x)(param(2.0))).note == "a rule has the wrong sign."

    def test_the_one_wrong_element_of_a_large_array_is_found_by_halving(self):
        values = np.random.default_rng(3).uniform(-1, 1, (40, 50))
        values[17, 29] = 2.0
        op = squared(lambda xp, g, x: xp.where(x > 1.5, 3.0, 2.0) * g * x)
        check = only(op(param(values)))
        assert (check.verdict, check.element, check.output) == ("wrong", (17, 29), (17, 29))
        assert (check.rule, check.numeric) == (pytest.approx(6.0), pytest.approx(4.0))

    def test_a_rule_that_forgets_g(self):
        check = only(squared(lambda x: 2 * x)(param(3.0)))
        assert check.verdict == "wrong"
        assert "not linear in g" in check.note

    def test_a_rule_that_raises(self):
        check = only(squared(lambda xp, g, x: xp.reshape(g, shape=(7,)))(param([1.0, 2.0])))
        assert check.verdict == "wrong"
        assert check.note.startswith("going backward through squared raised ValueError: cannot reshape")

    def test_a_rule_that_returns_a_wrong_shape(self):
        op = declared(lambda xp, x: xp.sum(x), x=lambda xp, g, x_shape: xp.broadcast_to(g, shape=(5,)))
        check = only(op(param([1.0, 2.0])))
        assert check.verdict == "wrong"
        assert check.note.startswith("a rule returned a gradient of shape (5,)")

    def test_a_rule_that_is_nan_where_the_derivative_is_a_number(self):
        op = squared(lambda xp, g, x: 2 * g * x * x / x)
        check = only(op(param([0.0, 1.0])))
        assert (check.verdict, check.element) == ("wrong", (0,))
        assert check.note == "the rule gives no finite number, although the derivative is finite."

    def test_a_small_error_in_a_small_derivative(self):
        op = declared(lambda xp, x: 1e-9 * xp.sin(x), x=lambda xp, g, x: 1.01e-9 * g * xp.cos(x))
        assert only(op(param(0.5))).verdict == "wrong"
        assert only(op(param(np.linspace(0.1, 1, 100)))).verdict == "wrong"

    def test_the_limit(self):
        op = squared(lambda g, x: 2.0001 * g * x)
        assert only(op(param(1.0))).verdict == "ok"
        assert only(op(param(1.0)), limit=1e-5).verdict == "wrong"

    def test_a_rule_that_is_not_used_is_not_judged(self):
        op = declared(lambda xp, x, y: x * y, x=lambda g, y: g * y, y=lambda g, x: 7 * g * x)
        report = check_nodes(op(param(2.0), Tensor(3.0)))
        assert [(c.verdict, c.note) for c in report] == [("ok", ""), ("skipped", "no gradient is asked for")]


# --------------------------------------------------------------------------------------------------- what can't be told


class TestKinks:
    def test_a_kink_is_no_error(self):
        check = only(ag.relu(param([0.0, 1.0, -1.0])))
        assert (check.verdict, check.element, check.rule, check.numeric) == ("kink", (0,), 0.0, 0.5)
        assert check.note.startswith("a kink: the slope is 0 below and 1 above; elsewhere")

    def test_a_rule_outside_of_both_slopes_is_wrong(self):
        op = declared(lambda xp, x: xp.maximum(x, 0.0), x=lambda xp, g, x: xp.where(x >= 0, 1.5, 0.0) * g)
        check = only(op(param([0.0])))
        assert (check.verdict, check.rule, check.numeric) == ("wrong", 1.5, pytest.approx(1.0))

    def test_many_kinks_do_not_hide_an_error(self):
        op = declared(lambda xp, x: xp.maximum(x, 0.0), x=lambda xp, g, x: xp.where(x > 0, 1.01, 0.0) * g)
        values = np.zeros(500)
        assert only(op(param(values))).verdict == "kink"
        values[77] = 1.0
        check = only(op(param(values)))
        assert (check.verdict, check.element) == ("wrong", (77,))

    def test_the_one_kink_of_a_large_array(self):
        values = np.random.default_rng(5).normal(size=(30, 40))
        values[4, 5] = 0.0
        check = only(ag.relu(param(values)))
        assert (check.verdict, check.element) == ("kink", None)
        assert only(ag.relu(param(values[:8, :9])), max_elements=72).element == (4, 5)

    def test_values_that_are_not_finite(self):
        with np.errstate(over="ignore"):
            some, none = ag.exp(param([1000.0, 1.0])), ag.exp(param(1000.0))
        assert (only(some).verdict, only(some).element) == ("ok", (1,))
        assert only(none).note == "its values are not finite here"

    def test_a_jump(self):
        op = declared(lambda xp, x: xp.floor(x), x=lambda g: 0.0 * g)
        assert only(op(param([1.5, 2.0]))).verdict == "kink"


class TestSkipped:
    def test_skipped_arguments_have_a_note(self):
        logits = param([[1.0, 2.0]], "logits")
        op = declared(lambda xp, x, y: x * y, name="halved", x=lambda g, y: g * y, y=None)
        loss = nn.functional.cross_entropy(logits, Tensor([1])) + op(param(1.0, "p"), param(2.0, "q"))
        notes = {(c.node.op.name, c.argument): c.note for c in check_nodes(loss) if c.verdict == "skipped"}
        assert notes == {
            ("cross_entropy", "target"): "integers and truth values have no derivative",
            ("halved", "y"): "there is no rule for this argument",
        }

    def test_random_operations(self):
        draws = np.random.default_rng(0)
        op = declared(lambda xp, x: x * draws.normal(), x=lambda g: g)
        assert only(op(param(1.0))).note == "it gives two different answers to the same inputs"


# ----------------------------------------------------------------------------------------------------------- the report


class TestReport:
    def test_the_report_names_operation_argument_element_and_line(self):
        op = sigmoid(lambda g, out: g * out * (1 + out))
        z = param([[1.0, 2.0]], "z")
        with ag.detect_anomaly():
            a = op(z)
            a.name = "a"
            y = ag.sum(a)
        report = str(check_nodes(y))
        assert f"wrong   a = my_sigmoid(z) with respect to x [0, 1], {__file__}:" in report
        assert "rule 1.6566, numeric 0.104994, relative error 0.94, of the result [0, 1]" in report
        assert "ok      1, relative errors up to " in report
        assert "detect_anomaly" not in report

    def test_a_line_that_is_not_known(self):
        report = str(check_nodes(sigmoid(lambda g, out: 2 * g)(param(1.0))))
        assert "my_sigmoid(()) with respect to x, unknown line" in report
        assert report.endswith("record the graph under autograd.detect_anomaly().")

    def test_the_module_of_an_operation(self):
        with ag.scope("layers.3", "Mine"):
            y = squared(lambda g, x: g * x)(param(1.0, "w"))
        assert only(y).title == "squared(w) in layers.3"

    def test_counts_and_lookup(self):
        x = param(2.0, "x")
        a = ag.sin(x)
        report = check_nodes(a * 3.0)
        assert repr(report) == "<NodeReport: 2 ok, 1 skipped>"
        assert [c.argument for c in report.of(a.node)] == ["x"]
        assert "2 derivatives of 2 operations, each alone" in str(report)
        assert "skipped multiply with respect to y: no gradient is asked for" in str(report)


# ---------------------------------------------------------------------------------------------------------------- large


def channels(xp, x, bias):
    return xp.tanh(x) * 0.5 + bias


CHANNELS = {
    "right": lambda xp, g: xp.sum(g, axis=0),
    "one channel is forgotten": lambda xp, g: xp.concat((xp.sum(g, axis=0)[:1] * 0, xp.sum(g, axis=0)[1:])),
    "mean for sum": lambda xp, g: xp.mean(g, axis=0),
    "one example is forgotten": lambda xp, g: xp.sum(g[1:], axis=0),
    "channels in reverse": lambda xp, g: xp.flip(xp.sum(g, axis=0), axis=0),
    "the size of g": lambda xp, g: xp.sum(xp.abs(g), axis=0),
}
SLOPES = {
    "right": lambda g, out: g * (1 - out * out),
    "a factor": lambda g, out: 1.001 * g * (1 - out * out),
    "the sign": lambda g, out: -g * (1 - out * out),
    "g is forgotten": lambda g, out: 1 - out * out,
    "the square is forgotten": lambda g, out: g * (1 - out),
    "the sum of g": lambda xp, g, out: (1 - out * out) * (g + 0.1 * xp.mean(g)),
    "shifted by one": lambda xp, g, out: xp.roll(g * (1 - out * out), shift=1, axis=0),
    "only where positive": lambda xp, g, out: g * xp.where(out > 0, 1 - out * out, 0.9 * (1 - out * out)),
}


class TestLarge:
    """Where every value of an operation is dear, few are computed, and they find the same faults."""

    @pytest.mark.parametrize("fault", SLOPES)
    def test_entry_by_entry(self, fault):
        op = declared(lambda xp, x: xp.tanh(x), name="my_tanh", x=SLOPES[fault])
        x = param(np.random.default_rng(0).normal(size=(60, 50)), "x")
        assert only(op(x)).verdict == ("ok" if fault == "right" else "wrong")

    @pytest.mark.parametrize("fault", CHANNELS)
    def test_a_few_elements_that_move_many(self, fault):
        rules = {"x": lambda xp, g, x: 0.5 * g * (1 - xp.square(xp.tanh(x))), "bias": CHANNELS[fault]}
        op = declared(channels, name="channels", **rules)
        x = param(np.random.default_rng(0).normal(size=(100, 12)), "x")
        found = {check.argument: check.verdict for check in check_nodes(op(x, param(np.linspace(-1, 1, 12))))}
        assert found == {"x": "ok", "bias": "ok" if fault == "right" else "wrong"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(-60, 60), (-30, -15), (-40, -20)])
def test_a_saturated_sigmoid_is_not_called_wrong(low, high, dtype):
    for size in (5, 300, 30_000):
        check = only(ag.sigmoid(param(np.linspace(low, high, size).astype(dtype))))
        assert check.verdict in ("ok", "unchecked"), (size, check)


def test_a_derivative_that_overflows_in_both_ways_is_not_called_wrong():
    a, b, c = (ag.Tensor(v, requires_grad=True) for v in (-0.0, 5e-324, 1.7e308))
    checks = ag.testing.check_nodes(a * c + b * c + ag.abs(a) + ag.maximum(a, 0.0), seed=6)
    assert "wrong" not in [check.verdict for check in checks]
    assert "are not finite" in checks[2].note
