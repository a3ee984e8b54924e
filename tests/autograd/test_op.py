"""How operations are declared, applied and registered, and what their refusals say."""


import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd as ag
from autograd import Tensor
from autograd.errors import DeclarationError, DeviceError, DTypeError, IndexingError, ShapeError
from autograd.op import REQUIRED


def leaf(values, name=None):
    return Tensor(values, requires_grad=True, name=name)


def cube():
    @ag.op("x³", text="{x}³", tex="{x}^3", level=3)
    def cube(xp, x):
        """x to the third."""
        return x * x * x

    cube.vjp(x=lambda g, x: 3 * g * x * x)
    return cube


class TestDeclaration:
    def test_what_is_declared_can_be_read(self):
        @ag.op("∘", text="{x} ∘ {y}", level=2, broadcasts=True)
        def mixed(xp, x, y, *, scale=2.0, mode):
            """A made-up operation."""
            return x * y * scale

        rule = lambda g, y, scale: g * y * scale  # noqa: E731
        mixed.vjp(x=rule)
        assert (mixed.name, mixed.symbol, mixed.text, mixed.level) == ("mixed", "∘", "{x} ∘ {y}", 2)
        assert mixed.tex == r"\operatorname{{mixed}}({x}, {y})"
        assert mixed.args == ("x", "y")
        assert mixed.params == {"scale": 2.0, "mode": REQUIRED}
        assert mixed.rules == {"x": (rule, ("g", "y", "scale"))}
        assert mixed.saves == ("y",)
        assert mixed.broadcasts
        assert mixed.__doc__ == "A made-up operation."
        assert repr(mixed) == "<operation mixed(x, y, *, scale=2.0, mode)>"
        assert ag.OPS["mixed"] is mixed

    def test_notation_defaults_to_a_call(self):
        @ag.op("f")
        def my_function(xp, x, y):
            return x + y

        assert my_function.text == "f({x}, {y})"
        assert my_function.tex.format(x="a", y="b") == r"\operatorname{my function}(a, b)"
        assert my_function.level == 9

    def test_a_rule_that_asks_for_what_does_not_exist_raises_where_it_is_declared(self):
        @ag.op("f")
        def scaled(xp, x, *, by):
            return x * by

        with pytest.raises(
            DeclarationError,
            match=r"scaled: the rule for 'x' asks for scale; it may ask for by, g, out, x, "
            r"x_shape, xp\.",
        ):
            scaled.vjp(x=lambda g, scale: g * scale)
        assert scaled.rules == {}

    def test_a_rule_for_an_unknown_argument(self):
        @ag.op("f")
        def scaled(xp, x, *, by):
            return x * by

        with pytest.raises(
            DeclarationError, match=r"scaled: a rule for 'by', which is none of its arguments \('x',\)\."
        ):
            scaled.vjp(by=lambda g: g)

    def test_a_name_of_this_package_is_taken(self):
        with pytest.raises(
            DeclarationError,
            match=r"an operation 'exp' exists already, in autograd\.ops\.elementwise: choose "
            r"another name",
        ):

            @ag.op("e")
            def exp(xp, x):
                return x

        assert ag.OPS["exp"].__module__ == "autograd.ops.elementwise"

    def test_ones_own_may_be_declared_again(self):
        cube()
        again = cube()
        assert ag.OPS["cube"] is again

    def test_every_operation_is_registered_under_its_name(self):
        for name, op in ag.OPS.items():
            assert op.name == name
            if hasattr(ag, name) and isinstance(getattr(ag, name), ag.Op):
                assert getattr(ag, name) is op


class TestApplying:
    def test_an_operation_of_ones_own_is_like_any_other(self):
        op = cube()
        x = leaf([1.0, 2.0])
        y = op(x)
        assert_array_equal(y.data, [1.0, 8.0])
        assert y.node.op is op
        slope = ag.gradients(y.sum(), x, create_graph=True)
        assert_array_equal(slope.data, [3.0, 12.0])
        assert_array_equal(ag.gradients(slope.sum(), x).data, [6.0, 12.0])

    def test_other_operations_find_it_in_their_namespace(self):
        cube()

        @ag.op("x⁶")
        def sixth(xp, x):
            return xp.cube(x) ** 2

        assert sixth(2.0).item() == 64.0

    def test_nothing_is_recorded_for_constants(self):
        y = cube()(Tensor([1.0, 2.0]))
        assert y.node is None
        assert not y.requires_grad

    def test_an_argument_without_a_rule_gets_no_gradient(self):
        @ag.op("f")
        def half(xp, x, y):
            return x * y

        half.vjp(x=lambda g, y: g * y)
        x, y = leaf(2.0), leaf(3.0)
        half(x, y).backward()
        assert (x.grad.item(), y.grad) == (3.0, None)
        assert not half(1.0, y).requires_grad

    def test_an_operation_without_rules_is_not_recorded(self):
        @ag.op("sgn")
        def signum(xp, x):
            return xp.sign(x)

        assert not signum(leaf(2.0)).requires_grad

    def test_rules_get_what_they_ask_for(self):
        @ag.op("f")
        def asking(xp, x, y=None, *, power=2):
            return x**power

        asked = {}

        def rule(xp, g, x, out, x_shape, y_shape, y, power):
            asked.update(locals())
            return g * power * x

        asking.vjp(x=rule)
        x, y = leaf([2.0, 3.0]), Tensor([[1.0]])
        result = asking(x, y)
        result.backward([1.0, 1.0])
        assert asked["x"] is x.data
        assert asked["out"] is result.data
        assert asked["y"] is y.data
        assert (asked["x_shape"], asked["y_shape"], asked["power"]) == ((2,), (1, 1), 2)
        assert asked["xp"].exp is np.exp

    def test_an_optional_array_may_be_left_out(self):
        @ag.op("f")
        def offset(xp, x, y=None):
            return x if y is None else x + y

        offset.vjp(x=lambda g: g, y=lambda g: g)
        x, y = leaf([1.0, 2.0]), leaf(3.0)
        assert_array_equal(offset(x).data, [1.0, 2.0])
        offset(x, y).sum().backward()
        assert y.grad.item() == 2.0
        offset(x).sum().backward()
        assert_array_equal(x.grad.data, [2.0, 2.0])

    def test_any_number_of_arrays_one_by_one_or_as_a_list(self):
        @ag.op("Σ")
        def total(xp, *arrays, weight=1.0):
            return sum(arrays) * weight

        total.vjp(arrays=lambda g, arrays_shape, weight: tuple(g * weight for _ in arrays_shape))
        a, b = leaf([1.0, 2.0]), leaf(3.0)
        for y in (total(a, b, 5.0, weight=2.0), total([a, b, 5.0], weight=2.0)):
            assert_array_equal(y.data, [18.0, 20.0])
        y.sum().backward()
        assert_array_equal(a.grad.data, [2.0, 2.0])
        assert b.grad.item() == 4.0

    def test_parameters_are_keywords_only(self):
        with pytest.raises(TypeError, match="positional"):
            ag.sum(leaf([1.0]), 0)

    def test_a_scalar_keeps_float32(self):
        x = Tensor([1.0], dtype="float32")
        assert (x * 2.0).dtype == np.float32
        assert (2 * x + 1).dtype == np.float32


class TestRefusals:
    """A forward's complaint, in words that name what was given."""

    def test_shapes_that_do_not_broadcast(self):
        x, w = leaf(np.ones((2, 3)), "x"), leaf(np.ones(4), "w1")
        with pytest.raises(
            ShapeError,
            match=r"multiply can't take x = 'x' \(2, 3\) float64, y = 'w1' \(4,\) float64: operands "
            r"could not be broadcast together with shapes \(2,3\) \(4,\)\.",
        ):
            x * w

    def test_shapes_that_do_not_multiply(self):
        with pytest.raises(
            ShapeError,
            match=r"matmul can't take x = \(2, 3\) float64, y = \(4,\) float64: the last axis of x "
            r"\(3\) and the last axis of y \(4\) must be of one length",
        ):
            leaf(np.ones((2, 3))) @ np.ones(4)

    def test_parameters_other_than_the_default_are_told(self):
        with pytest.raises(ShapeError, match=r"reshape can't take x = \(2,\) float64, shape=\(3,\): cannot reshape"):
            leaf([1.0, 2.0]).reshape(3)

    def test_those_that_are_the_default_are_not(self):
        with pytest.raises(IndexingError, match=r"sum can't take x = \(2,\) float64, axis=3: axis 3 is out of bounds"):
            leaf([1.0, 2.0]).sum(axis=3)

    def test_several_arrays_are_numbered(self):
        with pytest.raises(
            ShapeError, match=r"concat can't take arrays\[0\] = \(1,\) float64, arrays\[1\] = \(1, 1\) float64"
        ):
            ag.concat([leaf([1.0]), np.ones((1, 1))])

    def test_an_index_that_does_not_exist(self):
        with pytest.raises(
            IndexingError, match=r"getitem can't take x = \(2,\) float64, index=5: index 5 is out of bounds"
        ):
            leaf([1.0, 2.0])[5]

    def test_what_is_no_array(self):
        with pytest.raises(
            DTypeError, match=r"multiply takes arrays, Tensors and numbers; it was given None \(NoneType\)"
        ):
            leaf(1.0) * None
        with pytest.raises(DTypeError, match=r"add takes arrays, Tensors and numbers; it was given 'a' \(str\)"):
            leaf(1.0) + "a"
        with pytest.raises(DTypeError, match=r"an array of dtype object holds no numbers"):
            leaf(1.0) + object()

    def test_a_list_of_tensors(self):
        x = leaf(1.0)
        with pytest.raises(
            DTypeError,
            match=r"multiply was given a list of Tensors: make one Tensor of them with "
            r"autograd\.stack",
        ):
            x * [x, x]

    def test_an_operation_that_a_dtype_does_not_have(self):
        with pytest.raises(DTypeError, match=r"negative can't take x = \(1,\) bool: "):
            -Tensor([True])

    def test_mixed_devices(self):
        strict = pytest.importorskip("array_api_strict")
        x, y = leaf(strict.asarray([1.0, 2.0])), leaf([1.0, 2.0])
        with pytest.raises(
            DeviceError,
            match=r"arrays of array_api_strict \(cpu\) and numpy \(cpu\) can't be mixed: move one of "
            r"them with \.to\(",
        ):
            x * y
        with pytest.raises(DeviceError, match=r"arrays of numpy \(cpu\) and array_api_strict \(cpu\) can't be mixed"):
            ag.concat([y, x])
        with pytest.raises(DeviceError, match=r"array_api_strict \(cpu\) and numpy \(cpu\) can't be mixed"):
            (x * 2.0).backward(np.ones(2))

    def test_what_our_own_sentences_say_is_not_wrapped(self):
        with pytest.raises(ShapeError) as caught:
            ag.cumulative_sum(Tensor(np.ones((2, 2))))
        assert str(caught.value).startswith("a running total goes along one axis")

    def test_the_builtin_that_a_reader_expects_catches_it(self):
        with pytest.raises(ValueError, match="broadcast"):
            leaf([1.0, 2.0]) + np.ones(3)
        with pytest.raises(IndexError):
            leaf([1.0])[3]
        with pytest.raises(TypeError):
            leaf([1.0]) + None

    def test_the_cause_is_kept(self):
        with pytest.raises(ShapeError) as caught:
            leaf([1.0, 2.0]) + np.ones(3)
        assert type(caught.value.__cause__) is ValueError
