"""How operations are declared, applied and registered, and what their refusals say."""

import ast
import copy
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, backends
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.operation import REQUIRED
from glassgrad.autograd.errors import DeclarationError, DomainError, DTypeError, GradientError, ShapeError
from tests.declared import declared


def leaf(values, name=None):
    return Tensor(values, requires_grad=True, name=name)


def cube(rule=lambda g, x: 3 * g * x * x):
    return declared(lambda xp, x: x * x * x, "cube", x=rule)


def names_of_the_package():
    """The names that an operation of a user's can't have: all that a line of the package calls as ``xp.name``, and what
    namespaces and the package itself offer.
    """
    root = Path(ag.__file__).parent.parent
    trees = (ast.parse(file.read_text("utf-8")) for part in ("autograd", "nn") for file in (root / part).rglob("*.py"))
    named = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    called = {node.attr for node in named if isinstance(node.value, ast.Name) and node.value.id == "xp"}
    spaces = [type(space) for space in backends.SPACES.values()]
    composed = {name for name, value in vars(TENSORS).items() if not getattr(value, "foreign", False)}
    return sorted(
        {*called, *composed, *ag.__all__, *vars(backends.Namespace(np)), *(n for s in spaces for n in dir(s))}
    )


FORM = r": the forward is def \w+\(xp, x, y=None, \*, option=1\.0\): .* can be called g, out or xp, .* is for one array"
REFUSED = [
    ("", "def scaled(xp, x, *, by): return x * by\nscaled.vjp(x=lambda g, scale: g * scale)",
     r"scaled: the rule for 'x' asks for scale; it may ask, without a star, for by, g, out, x, x_shape, xp\."),
    ("", "def scaled(xp, x, *, by): return x * by\nscaled.vjp(by=lambda g: g)",
     r"scaled: a rule for by; its arguments are \('x',\)\."),
    ("", "def sine(xp, x): return xp.sin(x)\nsine.vjp(x=np.cos)",
     "sine: the rule for 'x' is <ufunc 'cos'>: it must be a Python function with named arguments"),
    *(("", f"def scaled(xp, x, *, k=1.0): return x * k\nscaled.vjp(x=lambda g, {names}: g * k)",
       r"asks for \*k; it may ask, without a star, for g, k, ") for names in ("*, k=1.0", "*k")),
    ("", "def exp(xp, x): return x", "'exp' is already a name of NumPy, this package or"),
    ("", "def spacing(xp, x): return x", "'spacing' is already a name of NumPy"),
    *((options, f"def form{given}: return 1.0", FORM) for options, given in (
        ("", "(xp, x, *, out)"), ("", "(xp, x, *, g)"), ("", "(xp, x, k=2.0)"), ("", "(xp, *, n)"),
        ("", "(x)"), ("", "(xp, x, *ys)"), ("view=True", "(xp, x, y)"),
    )),
    ("", "def scaled(xp, x, *, by): return x * by\nfor _ in 'ab': scaled.vjp(x=lambda g, by: g * by)",
     "scaled has a rule for x already, .*: declare the operation again, with @op"),
]  # fmt: skip
"""Options of a declaration, what is declared, and what is said."""


@pytest.mark.parametrize(("options", "source", "said"), REFUSED)
def test_a_declaration_that_can_not_work_is_refused(options, source, said):
    with pytest.raises(DeclarationError, match=said):
        exec(f'@ag.op("f", {options})\n{source}', {"ag": ag, "np": np, "__name__": __name__})
    assert ag.OPS["exp"].__module__ == "glassgrad.autograd.ops.elementwise"


class TestDeclaration:
    def test_declared_properties_can_be_read(self):
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
        assert mixed.broadcasts
        assert mixed.__doc__ == "A made-up operation."
        assert repr(mixed) == "<operation mixed(x, y, scale=2.0, *, mode)>"
        assert ag.OPS["mixed"] is mixed

    def test_a_rule_may_take_all_parameters_that_it_does_not_name(self):
        rule = lambda xp, g, by, **rest: xp.scaled(g, by=by, plus=rest["plus"] * 0)  # noqa: E731
        scaled = declared(lambda xp, x, *, by, plus=0.0: x * by + plus, "scaled", x=rule)
        assert scaled.rules["x"][1] == ("xp", "g", "by", "plus")
        assert "**rest" in inspect.getsource(scaled.rules["x"][0])  # shown by the reference
        x = leaf(3.0)
        scaled(x, by=2.0, plus=1.0).backward()
        assert x.grad.tolist() == 2.0
        assert ag.compile(ag.grad(lambda x: scaled(x, by=5.0)))(3.0).tolist() == 5.0

    @pytest.mark.parametrize("name", names_of_the_package())
    def test_a_name_that_rules_or_users_have_from_the_package_is_refused(self, name):
        """Else the rules of the package would call the user's operation, and derivatives would be silently wrong."""
        before = [dict(tables) for tables in (ag.OPS, vars(TENSORS), backends.FORWARDS)]
        with pytest.raises(DeclarationError, match=f"'{name}' is already a name of NumPy"):
            declared(lambda xp, x: x, name)
        assert [ag.OPS, vars(TENSORS), backends.FORWARDS] == before

    def test_ones_own_may_be_declared_again(self):
        twice = declared(lambda xp, x: xp.cube(xp.cube(x)), "twice")
        cube()
        assert twice(Tensor(2.0)).item() == 512.0
        again = declared(lambda xp, x: x + 1, "cube")
        assert ag.OPS["cube"] is again
        assert twice(Tensor(2.0)).item() == 4.0

    @pytest.mark.parametrize("name", ["mask", "t", "node", "type", "forward", "values", "op", "self", "given", "x0"])
    def test_arguments_and_parameters_may_be_called_as_one_likes(self, name):
        names = {"ag": ag, "__name__": __name__}
        exec(
            f"""
@ag.op("∘")
def of_array(xp, {name}): return {name} * {name}
of_array.vjp({name}=lambda g, {name}: 2 * g * {name})

@ag.op("∘")
def of_parameter(xp, z, *, {name}): return z * {name}
of_parameter.casts = True
of_parameter.vjp(z=lambda g, {name}: g * {name})

@ag.op("∘")
def of_many(xp, *arrays, {name}): return arrays[0] * {name}
of_many.vjp(arrays=lambda g, {name}: (g * {name},))
""",
            names,
        )
        for y, slope in (
            (names["of_array"], 6.0),
            (lambda x: names["of_parameter"](x, **{name: 4.0}, dtype="float32"), 4.0),
            (lambda x: names["of_many"](x, **{name: 4.0}), 4.0),
        ):
            x = leaf([3.0])
            y(x).sum().backward()
            assert x.grad.tolist() == [slope]

    def test_a_symbol_may_have_braces(self):
        @ag.op("{}")
        def braced(xp, x):
            return x

        assert braced.text.format(x="y") == "{}(y)"

    def test_rules_of_which_one_is_refused_change_nothing(self):
        summed = declared(lambda xp, x, y: x * x + y, "summed", x=lambda g: 2 * g, y=None)
        with pytest.raises(DeclarationError, match="nowhere"):
            summed.vjp(x=lambda g, x: 2 * g * x, y=lambda nowhere: nowhere)
        x = leaf([5.0, 7.0])
        summed(x, 1.0).sum().backward()
        assert_array_equal(x.grad.data, [2.0, 2.0])
        assert summed.ruleless == {"y"}

    def test_a_required_parameter_may_have_pytorchs_name(self):
        assert ag.squeeze(ag.ones((1, 2)), dim=0).shape == ag.squeeze(ag.ones((1, 2)), 0).shape == (2,)
        assert str(inspect.signature(ag.squeeze)) == "(x, axis, *, dim=None)"
        with pytest.raises(TypeError, match=r"squeeze\(\) missing 1 required positional argument: 'axis'"):
            ag.squeeze(ag.ones((1, 2)))

    @pytest.mark.parametrize("name", ["tanh", "power", "diagonal", "to_device"])
    def test_an_operation_is_pickled_and_copied_as_itself(self, name):
        op = ag.OPS[name]
        assert pickle.loads(pickle.dumps(op)) is copy.deepcopy(op) is copy.copy(op) is op


class TestApplying:
    def test_rules_name_operations_of_ones_own_in_a_second_derivative_too(self):
        thrice = declared(lambda xp, x: 3 * x, "thrice", x=lambda xp, g: xp.thrice_back(g))
        declared(lambda xp, x: 3 * x, "thrice_back", x=lambda xp, g: xp.thrice(g))
        x = leaf(2.0)
        slope = ag.gradients(thrice(x) ** 2, x, create_graph=True)
        assert (slope.item(), ag.gradients(slope, x).item()) == (36.0, 18.0)

    def test_a_number_as_result_becomes_an_array(self):
        total = declared(lambda xp, x: float(xp.sum(x)), x=lambda xp, g, x_shape: xp.broadcast_to(g, shape=x_shape))
        x = leaf([1.0, 2.0])
        y = total(x)
        y.backward()
        assert (y.shape, x.grad.tolist()) == ((), [1.0, 1.0])

    def test_an_argument_declared_without_a_rule_gets_no_gradient(self):
        halved = declared(lambda xp, x, y: x * y, x=lambda g, y: g * y, y=None)
        x, y = leaf(2.0), leaf(3.0)
        halved(x, y).backward()
        assert (x.grad.item(), y.grad) == (3.0, None)
        assert not halved(1.0, y).requires_grad

    def test_a_forgotten_rule_is_no_silent_zero(self):
        halved = declared(lambda xp, x, y: x * y, "halved", x=lambda g, y: g * y)
        x, y = leaf(2.0), leaf(3.0)
        with pytest.raises(
            DeclarationError,
            match=r"halved has no rule for y, which requires grad: declare one with halved\.vjp\(y=\.\.\.\), or "
            r"halved\.vjp\(y=None\) where it has no derivative",
        ):
            halved(x, y)
        assert halved(x, 3.0).requires_grad  # what takes no gradient needs no rule
        with ag.no_grad():
            assert halved(x, y).item() == 6.0
        halved.vjp(y=lambda g, x: g * x)
        halved(x, y).backward()
        assert (x.grad.item(), y.grad.item()) == (3.0, 2.0)
        with pytest.raises(DeclarationError, match="total has no rule for arrays, which requires grad"):
            declared(lambda xp, *arrays: arrays[0] + arrays[1], "total")(x, 3.0)
        with pytest.raises(DeclarationError, match="halved has no rule for y"):
            ag.jvp(declared(lambda xp, x, y: x * y, "halved", x=lambda g, y: g * y), (2.0, 3.0), (1.0, 1.0))

    def test_rules_get_what_they_ask_for(self):
        asked = {}

        def rule(xp, g, x, out, x_shape, y_shape, y, power):
            asked.update(locals())
            return g * power * x

        asking = declared(lambda xp, x, y=None, *, power=2: x**power, x=rule)
        x, y = leaf([2.0, 3.0]), Tensor([[1.0]])
        result = asking(x, y)
        result.backward([1.0, 1.0])
        for name, array in (("x", x.data), ("out", result.data), ("y", y.data)):
            assert np.shares_memory(asked[name], array)
        assert (asked["x_shape"], asked["y_shape"], asked["power"]) == ((2,), (1, 1), 2)
        assert asked["xp"].exp is np.exp

    def test_parameters_by_position(self):
        weighted = declared(lambda xp, *arrays, weight: sum(arrays) * weight)
        assert weighted([Tensor([[1.0, 5.0]]), Tensor([[3.0, 4.0]])], 0.5).tolist() == [[2.0, 4.5]]
        assert ag.scatter_take(leaf([1.0]), [0], 0, shape=(2,)).tolist() == [1.0, 0.0]  # behind one with a default

    def test_a_parameter_that_may_be_left_out_is_kept_as_it_was_at_the_call(self):
        weighted = declared(lambda xp, x, *, by=None: x * by, x=lambda g, by: g * by)
        x, by = leaf([1.0, 2.0]), np.array([3.0, 4.0])
        y = weighted(x, by=by)
        by[:] = 100.0
        y.sum().backward()
        assert_array_equal(x.grad.data, [3.0, 4.0])

    def test_gradients_of_numbers_by_a_users_rule_are_summed_and_cast(self):
        rules = {"x": lambda xp, g, y: g * y * xp.ones(3), "y": lambda xp, g, x: xp.astype(g * x, "complex128")}
        product = declared(lambda xp, x, y: x * y, options={"broadcasts": True}, **rules)
        x, y = leaf(2.0), leaf(3.0)
        assert ag.gradients(product(x, 3.0), x).item() == 9.0
        product(x, y).backward()
        assert (x.grad.item(), y.grad.item(), y.grad.dtype) == (9.0, 2.0, np.float64)


class TestLent:
    """What a forward or a rule of one's own is given belongs to others as well: it can't be changed."""

    def test_a_forward_can_not_write_into_its_inputs(self):
        def shifts(xp, x):
            x += 1.0
            return x

        def gathers(xp, *arrays):
            arrays[0][:] = 0.0
            return arrays[0]

        x = leaf([1.0, 2.0])
        with pytest.raises(DomainError, match=r"shifts can't take x = \(2,\) float64: output array is read-only"):
            declared(shifts, "shifts")(x)
        with pytest.raises(DomainError, match=r"gathers can't take arrays\[0\] = .* destination is read-only"):
            declared(gathers, "gathers")(x, x)
        assert_array_equal(x.data, [1.0, 2.0])

    @pytest.mark.parametrize("which", ["g", "x", "out"])
    def test_a_rule_cannot_write_to_its_arguments(self, which):
        def rule(g, x, out):
            {"g": g, "x": x, "out": out}[which][:] = 0.0
            return g

        x = leaf([1.0, 2.0])
        with pytest.raises(ValueError, match="read-only"):
            (declared(lambda xp, x: x * 2.0, x=rule)(x) + x).sum().backward()
        assert x.grad is None


class TestRefusals:
    """A forward's complaint, in words that name what was given."""

    def test_a_value_error_of_a_users_forward_is_not_a_shape_error(self):
        def root(xp, x, *, degree):
            raise ValueError("degree must be 1 or more")

        with pytest.raises(DomainError, match=r"root can't take x = \(\) float64, degree=0: degree must be 1 or more"):
            declared(root, "root")(leaf(2.0), degree=0)

    def test_a_forward_that_returns_no_array(self):
        with pytest.raises(DTypeError, match="NoneType of dtype object holds no numbers") as error:
            declared(lambda xp, x: None, "lost", x=lambda g: g)(leaf([1.0]))
        assert error.value.__notes__ == ["The forward of lost or a rule raised it, or its result does not fit."]

    @pytest.mark.parametrize(
        ("rule", "kind", "said"),
        [
            (lambda g: "g", DTypeError, "str of dtype <U1 holds no numbers"),
            *(
                (f, ShapeError, r"a rule returned a gradient of shape \(\) for")
                for f in (lambda g: g.sum(), lambda g: 2.0)
            ),
            (lambda xp, g: xp.astype(g, "int64"), GradientError, "a rule returned a gradient of dtype int64"),
        ],
    )
    def test_a_rule_that_returns_something_else(self, rule, kind, said):
        x = leaf([1.0, 2.0])
        with pytest.raises(kind, match=said) as error:
            cube(rule)(x).sum().backward()
        assert "of cube" in error.value.__notes__[0]
        assert x.grad is None

    def test_forward_mode_names_the_operation_of_a_rule_that_does_not_fit(self):
        with pytest.raises(ShapeError, match=r"a rule returned a gradient of shape \(\) for") as error:
            ag.jvp(cube(lambda xp, g: xp.sum(g)), ([1.0, 2.0],), ([1.0, 2.0],))
        assert "of cube" in error.value.__notes__[0]

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_rule_for_several_arrays_that_returns_another_number_of_gradients(self, count):
        totals = declared(lambda xp, *arrays: arrays[0] + arrays[1], "totals", arrays=lambda g: (g,) * count)
        with pytest.raises(ShapeError, match=rf"totals: the rule for 'arrays' returned {count} gradients for 2 arrays"):
            totals(leaf([1.0]), leaf([2.0])).backward()

    @pytest.mark.parametrize("other", [None, "a", b"a", {}, object()], ids=lambda x: type(x).__name__)
    def test_operators_leave_unknown_types_to_the_other_side(self, other):
        x = leaf([1.0, 2.0])
        for sign in ("+", "-", "*", "/", "//", "**", "@", "<", ">="):
            with pytest.raises(TypeError, match=r"not supported|unsupported|as an index"):
                eval(f"x {sign} other", {"x": x, "other": other})
            with pytest.raises(TypeError):
                eval(f"other {sign} x", {"x": x, "other": other})
        assert (x == other) is False
        assert (x != other) is True
        assert x not in (other, [x, x])

    def test_the_other_side_may_know_tensors(self):
        class Polynomial:
            def __radd__(self, other):
                return "radd"

            def __eq__(self, other):
                return "eq"

            __hash__ = None

        assert leaf([1.0, 2.0]) + Polynomial() == "radd"
        assert (leaf([1.0, 2.0]) == Polynomial()) == "eq"
