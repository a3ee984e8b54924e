"""Programs: run, print, cut, reorder, cast."""

import numpy as np
import pytest
from hypothesis import given, settings

from glassgrad import autograd as ag
from glassgrad.autograd.testing import Program
from glassgrad.autograd.testing.programs import Ref, Step, depending, literal
from glassgrad.autograd.testing.strategies import operations, programs


def ran(source):
    """The outputs that a program's source computes."""
    scope = {}
    exec(source, scope)
    return scope["outputs"]


def diamond():
    """One value used twice, a constant, two outputs, and a step that is not needed."""
    steps = (
        Step("a", ag.OPS["sin"], (Ref("x"),), {}),
        Step("b", ag.OPS["multiply"], (Ref("a"), Ref("a")), {}),
        Step("c", ag.OPS["add"], (Ref("a"), 2.0), {}),
        Step("unused", ag.OPS["cos"], (Ref("y"),), {}),
        Step("d", ag.OPS["sum"], (Ref("b"),), {"axis": 0}),
    )
    return Program({"x": np.array([0.5, 1.0]), "y": np.array(3.0)}, steps, ("d", "c"))


class TestRun:
    def test_values(self):
        total, shifted = diamond()()
        assert total.item() == pytest.approx(np.sin(0.5) ** 2 + np.sin(1.0) ** 2)
        assert shifted.tolist() == pytest.approx([np.sin(0.5) + 2, np.sin(1.0) + 2])

    def test_a_program_of_one_operation(self):
        call = Program.of(ag.clip, [1.0, 5.0], max=2.0)
        assert call()[0].tolist() == [1.0, 2.0]
        assert list(call.inputs) == ["x0"]

    def test_values_without_a_derivative_are_constants(self):
        call = Program.of(ag.take, ag.Tensor([1.0, 2.0], name="w"), [1, 0], axis=0)
        assert list(call.inputs) == ["w"]
        assert call()[0].tolist() == [2.0, 1.0]
        assert list(Program.of(ag.linear, [1.0], [[2.0]], None).inputs) == ["x0", "x1"]


def is_text(program):
    """Whether Python can run what is printed; the body of a loop is not text."""
    return "scan_packed" not in program.source


class TestText:
    def test_is_python(self):
        assert diamond().needed().source == (
            "from glassgrad import autograd as ag\n"
            "\n"
            'x0 = ag.Tensor([0.5, 1.0], requires_grad=True, name="x0")\n'
            "v0 = ag.sin(x0)  # (2,)\n"
            "v1 = ag.multiply(v0, v0)  # (2,)\n"
            "v2 = ag.add(v0, 2.0)  # (2,)\n"
            "v3 = ag.sum(v1, axis=0)  # ()\n"
            "outputs = (v3, v2)"
        )

    @settings(max_examples=40)
    @given(programs().filter(is_text))
    def test_the_text_of_any_program_runs(self, program):
        for found, expected in zip(ran(program.source), program(), strict=True):
            np.testing.assert_array_equal(found.data, expected.data)

    @given(operations().filter(is_text))
    def test_the_text_of_any_operation_runs(self, call):
        np.testing.assert_array_equal(ran(call.source)[0].data, call()[0].data)

    def test_a_failing_program_can_be_printed(self):
        assert "v0 = ag.matmul(x0, x1)\n" in Program.of(ag.matmul, [1.0], [1.0, 2.0]).source

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (np.array([1.0]), "np.array([1.0])"),
            (np.array([1], dtype=np.int64), "np.array([1], dtype='int64')"),
            (np.zeros((0, 2)), "np.array([], dtype='float64').reshape((0, 2))"),
            (np.float64(0.5), "0.5"),
            (np.int64(3), "np.int64(3)"),
            (np.dtype("float32"), "'float32'"),
            ((slice(None, 2), ..., None), "(slice(None, 2, None), ..., None)"),
            ((np.int64(1),), "(np.int64(1),)"),
            ("mean", "'mean'"),
            (-np.inf, "float('-inf')"),
            (np.float32(np.nan), "np.float32(float('nan'))"),
            (np.array([1.0, np.inf]), "np.array([1.0, float('inf')])"),
        ],
    )
    def test_of_a_value(self, value, text):
        assert literal(value) == text
        np.testing.assert_equal(eval(text, {"np": np}) if text != "'float32'" else np.dtype("float32"), value)

    def test_the_text_of_an_array_with_another_dtype(self):
        assert "name=\"x0\", dtype='float32')" in Program.of(ag.sin, [1.0]).astype("float32").source


class TestOtherPrograms:
    def test_only_what_is_needed(self):
        needed = diamond().needed()
        assert list(needed.inputs) == ["x0"]
        assert [step.op.name for step in needed.steps] == ["sin", "multiply", "add", "sum"]

    def test_another_dtype_casts_constants_too(self):
        program = Program.of(ag.add, np.array([1.0], dtype=np.float32), [2])
        assert program.astype("float64")()[0].dtype == ag.float64
        constant = Program.of(ag.take_along_axis, [1.0, 2.0], np.array([1]))
        assert constant.astype("float32")()[0].dtype == ag.float32
        assert constant.astype("float32").steps[0].args[1].dtype == np.int64


def test_names():
    assert depending(["x"], diamond().steps) == {"x", "a", "b", "c", "d"}


def test_one_input_for_two():
    program = Program.of(ag.multiply, [1.0, 2.0], [3.0, 4.0]).shared("x0", "x1")
    assert list(program.inputs) == ["x0"]
    assert program()[0].tolist() == [1.0, 4.0]
    assert "v0 = ag.multiply(x0, x0)" in program.source


def test_an_argument_without_a_rule_is_not_depended_on():
    steps = [Step("a", ag.heaviside, (Ref("x"), Ref("y")), {})]
    assert depending(["x"], steps) == {"x"}
    assert depending(["y"], steps) == {"y", "a"}
