"""`gradcheck`: it passes what is right, catches what is wrong, and says where, and by how much."""

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor
from glassgrad.autograd.errors import AutogradError, DomainError, GradcheckError
from glassgrad.autograd.testing import assert_rule, gradcheck, gradgradcheck
from glassgrad.autograd.testing.strategies import POSITIVE
from tests.declared import declared
from tests.sampling import sampled


def squared(rule=lambda g, x: 2 * g * x):
    return declared(lambda xp, x: x * x, name="squared", x=rule)


def product(x=lambda g, y: g * y, y=lambda g, x: g * x):
    return declared(lambda xp, x, y: x * y, name="product", x=x, y=y)


def snake(factor):
    return declared(
        lambda xp, x, a: x + xp.sin(a * x) ** 2 / a,
        name="snake",
        x=lambda xp, g, x, a: factor * g * (1 + xp.sin(2 * a * x)),
        a=lambda xp, g, x, a: g * (x * xp.sin(2 * a * x) / a - xp.sin(a * x) ** 2 / a**2),
    )


def fast_sine(factor):
    return declared(
        lambda xp, x: xp.sin(1e3 * x), name="fast_sine", x=lambda xp, g, x: factor * g * 1e3 * xp.cos(1e3 * x)
    )


def ripple(factor):
    return declared(
        lambda xp, x: x + 1e-4 * xp.sin(1e3 * x),
        name="ripple",
        x=lambda xp, g, x: factor * g * (1 + 0.1 * xp.cos(1e3 * x)),
    )


def narrow(factor):
    return declared(
        lambda xp, x: xp.exp(-1e4 * x**2), name="narrow", x=lambda xp, g, x: -factor * g * 2e4 * x * xp.exp(-1e4 * x**2)
    )


def message(f, *inputs, check=gradcheck, **options):
    with pytest.raises(GradcheckError) as caught:
        check(f, *inputs, **options)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------------------- what passes


class TestPasses:
    @pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
    def test_large_inputs_and_outputs(self, check):
        x = np.random.default_rng(0).normal(size=(40, 30))
        assert check(lambda x: ag.sin(x) * x, x)
        assert check(lambda x: (ag.sin(x) * x).sum(), x)

    @pytest.mark.parametrize("of", sampled([snake, fast_sine, ripple, narrow], 4))
    def test_many_periods_within_a_step(self, of):
        """The right rules pass; those of the same functions that are wrong by a part in a thousand, or more, do not."""
        rng = np.random.default_rng(0)
        spread = 0.02 if of is narrow else 10.0 if of is snake else 1000.0
        points = [rng.uniform(0.1, 1.0, 3) * spread for _ in range(20)]
        inputs = [(x, rng.uniform(100.0, 1000.0, 3)) if of is snake else (x,) for x in points]
        for given in inputs:
            assert gradcheck(of(1.0), *given)
        for factor in (-1.0, 0.5, 1.001, 2.0):
            for given in inputs[:3]:
                assert "is wrong" in message(of(factor), *given)

    def test_a_mean_slope_over_many_periods_is_wrong(self):
        mean = declared(lambda xp, x: x + xp.sin(300 * x) ** 2 / 300, name="mean_slope", x=lambda g: g)
        with pytest.raises(GradcheckError, match="fails the check matches_finite_differences"):
            assert_rule(mean, max_examples=30)
        assert_rule(snake(1.0), a=POSITIVE)

    @pytest.mark.check
    def test_a_fast_oscillation_is_right_to_second_order(self):
        """At 1000 its phase is known to seven digits only."""
        fast = declared(lambda xp, x: xp.sin(1e6 * x) / 1e6, name="fast", x=lambda xp, g, x: g * xp.cos(1e6 * x))
        assert_rule(fast, max_examples=10)
        wrong = declared(lambda xp, x: xp.sin(1e6 * x) / 1e6, name="wrong", x=lambda xp, g, x: g * xp.sin(1e6 * x))
        with pytest.raises(GradcheckError, match="fails the check"):
            assert_rule(wrong, max_examples=10)

    def test_under_no_grad(self):
        # The function is run as it is: what records nothing can't be right. It is the caller's own doing.
        with ag.no_grad(), pytest.raises(GradcheckError, match="nothing recorded leads from the outputs to it"):
            gradcheck(lambda x: x * x, [1.0])

    def test_the_inputs_stay_as_they_are(self):
        x, a = Tensor([1.0, 2.0], requires_grad=True, name="x"), np.array([3.0, 4.0])
        before = a.copy()

        def f(x, y):
            x.name = y.name = "changed"
            y[:] = 0.0 if not y.requires_grad else y[:]
            return x * a

        assert gradcheck(f, x, Tensor(a))
        assert (x.grad, x.name, x.requires_grad) == (None, "x", True)
        assert x.tolist() == [1.0, 2.0]
        assert a.tolist() == before.tolist()

    def test_only_those_that_require_grad_are_checked_where_any_does(self):
        labels, x = np.array([0, 2]), Tensor(np.ones((2, 3)), requires_grad=True)
        assert gradcheck(ag.cross_entropy, x, labels)
        wrong_in_y = product(y=lambda g, x: -g * x)
        assert gradcheck(wrong_in_y, Tensor(2.0, requires_grad=True), 3.0)
        assert "with respect to input 1" in message(wrong_in_y, 2.0, 3.0)

    def test_names_reach_the_function(self):
        seen = []
        gradcheck(lambda x: seen.append(x.name) or x * x, Tensor([1.0], name="w"))
        assert set(seen) == {"w"}


# --------------------------------------------------------------------------------------------------------- what it says


class TestTrees:
    """Arguments and results that are dicts, lists and the like, as `grad` takes them."""

    @staticmethod
    def net(params, x):
        (layer,) = params["layers"]
        return {"y": ag.tanh(x @ layer["w"] + layer["b"]), "size": [ag.sum(layer["w"] * layer["w"])]}

    def params(self):
        return {"layers": [{"w": np.array([[0.5], [-1.0]]), "b": Tensor([0.25])}]}

    @pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
    def test_a_tree_of_parameters(self, check):
        assert check(self.net, self.params(), [[1.0, 2.0]])

    def test_those_that_require_grad_are_checked(self):
        params = self.params() | {"classes": 3}
        params["layers"][0]["b"].requires_grad_()
        assert gradcheck(self.net, params, [[1, 2]])

    def test_a_fault_names_the_leaf(self):
        wrong = squared(lambda g, x: g * x)
        with pytest.raises(GradcheckError, match=re.escape("input 1 (\"params['w'][0]\")")):
            gradcheck(lambda params: params["b"] + wrong(params["w"][0]), {"b": Tensor(1.0), "w": [Tensor(2.0)]})


class TestMessage:
    def test_is_complete(self):
        op = product(y=lambda g, x: 3 * g * x)
        x, y = Tensor([[1.0, 2.0]], name="x1"), Tensor([[3.0]])
        said = message(lambda a, b: (a.sum(), op(a, b)), x, y)
        assert re.sub(r"\(step [^)]*", "(step", said) == (
            "the derivative of output 1 [0, 1] with respect to input 1 ('b') [0, 0] is wrong:\n"
            "    at this input       3, in float64\n"
            "    analytic (rules)    6\n"
            "    finite differences  2   (step)\n"
            "    difference          4, more than the tolerance 4.5e-08\n"
            "Recorded operations: sum, product."
        )

    def test_names_the_input_by_its_own_name_or_the_arguments(self):
        wrong = squared(lambda g, x: g)
        assert "with respect to input 0 ('weight')" in message(wrong, Tensor([2.0], name="weight"))
        assert "with respect to input 0 ('z')" in message(lambda z: wrong(z) * 1.0, [2.0])
        assert "with respect to input 1 " in message(lambda *xs: xs[0] + wrong(xs[1]), 1.0, [2.0])

    def test_the_element_that_is_most_wrong(self):
        only_one = squared(lambda xp, g, x: 2 * g * x + xp.where(x == 7.0, 1e-3 * g, 0.0))
        assert "output 0 [1, 1] with respect to input 0 ('x') [1, 1] is wrong" in message(
            only_one, [[5.0, 6.0], [6.0, 7.0]]
        )

    def test_a_kink_at_which_the_rule_gives_no_slope_of_either_side(self):
        steep = declared(lambda xp, x: xp.maximum(x, 0.0), name="steep", x=lambda xp, g, x: xp.where(x < 0, 0.0, 2 * g))
        said = message(steep, [-1.0, 0.0])
        assert "with respect to input 0 ('x') [1] is wrong" in said
        assert re.search(r"at a kink the rule's slope is not between those nearby, -?[\de.-]+ and 1\.\n", said)

    def test_a_tie_of_which_each_element_takes_all(self):
        greedy = declared(lambda xp, x: xp.max(x), name="greedy", x=lambda xp, g, x, out: g * (x == out))
        assert "all elements moved at once, is wrong" in message(greedy, [2.0, 2.0, 1.0])
        assert gradcheck(ag.max, [2.0, 2.0, 1.0])

    def test_nan_at_a_kink(self):
        norm = declared(
            lambda xp, x: xp.sqrt(xp.sum(x * x)), name="norm", x=lambda xp, g, x, out: g * xp.divide(x, out)
        )
        assert "the rule gives no finite number" in message(norm, [0.0, 0.0])
        assert gradcheck(norm, [0.0, 1.0])

    def test_float32_on_the_way(self):
        said = message(lambda x: squared(lambda g, x: g * x)(x.astype("float32")), [1.0])
        assert "at this input       1, in float32\n" in said
        assert gradcheck(lambda x: ag.relu(x.astype("float32")), [0.003, -0.003, 1.0])  # a step over the kink

    def test_a_way_that_a_rule_leaves_out(self):
        assert "analytic (rules)    0\n" in message(lambda x: x.detach() * x * 0.0 + x.detach(), [1.0])

    def test_a_piecewise_constant_operation(self):
        straight_through = declared(lambda xp, x: xp.round(x), name="rounded", x=lambda g: g)
        assert "finite differences  0 " in message(straight_through, [1.2])

    def test_broadcasting_that_is_not_undone(self):
        summed = declared(lambda xp, x: xp.sum(x), name="summed", x=lambda g: g)
        assert message(summed, [1.0, 2.0]) == (
            "a rule returned a gradient of shape () for an argument of shape (2,): it must have that shape, or the one "
            "that this was broadcast to. Does it undo what its operation does to the shape (a sum, a broadcast)?"
        )

    def test_a_rule_that_fails(self):
        summed = declared(lambda xp, x, y: x @ y, name="mm", x=lambda g, y: g @ y, y=lambda g, x: x @ g)
        with pytest.raises(
            GradcheckError,
            match=r"going backward through mm raised ValueError: .* A rule fails, or returns a "
            r"shape that its argument can't have been broadcast to\. Recorded operations: mm\.",
        ):
            gradcheck(summed, np.ones((2, 3)), np.ones((3, 4)))

    def test_a_rule_that_is_not_linear(self):
        said = message(squared(lambda g, x: 2 * g * g * x), [1.0, 2.0])
        assert "the derivative of all outputs weighted with random numbers with respect to input 0 ('x')" in said
        assert "the rule is not linear in g, as every derivative is: for single results it is right." in said
        assert "not linear" in message(squared(lambda g, x: 2 * g * g * x), 2.0)

    def test_a_gradient_that_is_not_finite(self):
        said = message(squared(lambda g, x: g * (0.0 / (x - x))), [1.0])
        assert "the rule gives no finite number, although the derivative is finite." in said

    def test_a_square_root_at_zero(self):
        root = declared(lambda xp, x: xp.sqrt(x), name="root", x=lambda g, out: g / (2 * out))
        assert "xp.xdivy(g, out) is 0." in message(root, [0.0, 1.0])
        assert gradcheck(ag.sqrt, [0.0, 0.0, 1.0])

    def test_infinite_slopes_are_never_within_a_tolerance(self):
        doubled = declared(lambda xp, x: 2 * x, name="doubled", x=lambda g, x: g / (x - x))
        assert "analytic (rules)    inf" in message(doubled, 1.0, atol=1e300)


class Scaled(nn.Module):
    """A layer with a rule for its weight that may be wrong."""

    def __init__(self, op, dtype="float64"):
        self.inner, self.op = nn.Linear(2, 2, dtype=dtype, seed=0), op
        self.weight = nn.Parameter(ag.Tensor([3.0, 4.0], dtype=dtype))

    def forward(self, x):
        return self.op(self.inner(x), self.weight)


def calling(net):
    return lambda x: net(x).sum()


def curve(change=lambda y: y):
    """x y², whose rule for y takes a changed y."""
    return declared(
        lambda xp, x, y: x * y * y, name="curve", x=lambda g, y: g * y * y, y=lambda g, x, y: 2.0 * g * x * change(y)
    )


def detached(y):
    return y.detach() if isinstance(y, Tensor) else y


GLOBAL = Tensor([3.0, 4.0], requires_grad=True)
X = [[0.5, -1.0], [2.0, 0.25]]
CAPTURING = {
    "a variable": lambda op, w: lambda x: op(x, w),
    "a variable, without an input": lambda op, w: lambda: op(np.asarray(X), w),
    "a global": lambda op, w: lambda x: op(x, GLOBAL),
    "a default": lambda op, w: lambda x, w=w: op(x, w),
    "an element of a list": lambda op, w: lambda x, ws=(w,): op(x, ws[0]),
    "a module": lambda op, w: Scaled(op),
    "a module called by a function": lambda op, w: calling(Scaled(op)),
    "a compiled function": lambda op, w: ag.compile(lambda x: op(x, w)),
}


class TestCaptured:
    """Tensors that the function captures are checked like its inputs, and hold their values again afterwards."""

    @pytest.mark.parametrize("way", sampled(CAPTURING, 3))
    @pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
    @pytest.mark.parametrize("many", [False, True])
    def test_a_wrong_rule_is_found_whatever_captures_the_tensor(self, way, check, many):
        w = Tensor([3.0, 4.0], requires_grad=True)
        inputs = [] if "without" in way else [X]
        options = {"max_elements": 0} if many else {}
        right, wrong = curve(), curve(lambda y: 1.5 * y) if check is gradcheck else curve(detached)
        assert check(CAPTURING[way](right, w), *inputs, **options)
        said = message(CAPTURING[way](wrong, w), *inputs, check=check, **options)
        assert "is wrong:" in said if check is gradcheck else "with respect to the gradient" not in said
        assert w.tolist() == GLOBAL.tolist() == [3.0, 4.0]

    def test_a_step_of_a_loop(self):
        w, right, wrong = Tensor([3.0, 4.0], requires_grad=True), curve(), curve(lambda y: 1.5 * y)

        def looped(op):
            def step(carry, row):
                return op(carry + row, w), row

            return lambda x: ag.scan(step, ag.zeros(2), x)[0]

        assert gradcheck(looped(right), [X[0]])
        assert "with respect to captured" in message(looped(wrong), [X[0]])

    @pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
    @pytest.mark.parametrize("many", [False, True])
    def test_a_captured_tensor_may_be_an_output(self, check, many):
        w, options = Tensor([3.0, 4.0], requires_grad=True), {"max_elements": 0} if many else {}
        assert check(lambda x: (x**3 * w, w), [1.0, 2.0], **options)
        wrong = curve(lambda y: 1.5 * y) if check is gradcheck else curve(detached)
        assert "is wrong" in message(lambda x: (w, wrong(x, w)), [1.0, 2.0], check=check, **options)
        if check is gradcheck:
            assert check(lambda: w, **options)
        assert w.tolist() == [3.0, 4.0]

    def test_the_running_means_of_a_module_stay(self):
        layer = nn.BatchNorm1d(2, dtype="float64")
        before = {name: x.tolist() for name, x in layer.named_buffers()}
        assert gradcheck(layer, [[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]])
        assert {name: x.tolist() for name, x in layer.named_buffers()} == before

    def test_the_message_names_the_tensor(self):
        w, op = Tensor([3.0, 4.0], requires_grad=True), product(y=lambda g, x: 2 * g * x)
        assert "with respect to captured 'w' [1] is wrong" in message(lambda x: op(x, w), [1.0, 2.0])
        assert "with respect to captured (2,) float64 [1] is wrong" in message(
            lambda x, ws=(w,): op(x, ws[0]), [1.0, 2.0]
        )
        assert "with respect to parameter 'weight' [1] is wrong" in message(Scaled(op), [[1.0, 2.0]])
        net = nn.Sequential(nn.Linear(2, 2, dtype="float64", seed=1), Scaled(op))
        assert "with respect to captured '1.weight' [" in message(calling(net), [[1.0, 2.0]])
        w.name = "slopes"
        assert "with respect to captured 'slopes' [1] is wrong" in message(lambda x: op(x, w), [1.0, 2.0])

    def test_the_tensor_keeps_its_array_and_older_graphs(self):
        w = Tensor([3.0, 4.0], requires_grad=True)
        before, array = (w * w).sum(), w.data
        calls = []

        def f(x):
            calls.append(w.tolist())
            if len(calls) > 12:
                raise KeyError("raised while w is moved")
            return x * w

        with pytest.raises(KeyError):
            gradcheck(f, 1.0)
        assert calls[-1] != [3.0, 4.0]
        assert w.data is array
        before.backward()
        assert w.grad.tolist() == [6.0, 8.0]

    def test_float32_is_copied_to_float64(self):
        right, wrong = (
            product(),
            declared(lambda xp, x, y: x * y, name="near", x=lambda g, y: g * y, y=lambda g, x: 1.001 * g * x),
        )
        for given in (np.ones((1, 2)), np.ones((1, 2), np.float32)):
            net = Scaled(right, "float32")
            assert gradcheck(net, given)
            assert net.weight.dtype == np.float32
        said = message(Scaled(wrong, "float32"), np.ones((1, 2)))  # a fault below the digits of float32
        assert "with respect to parameter 'weight' [1] is wrong:\n    at this input       4, in float64\n" in said

    def test_a_derivative_that_is_zero_but_for_rounding(self):
        """The bias before a batch normalization: float32 has too few digits to show that."""
        for dtype in ("float32", "float64"):
            net = nn.Sequential(nn.Conv2d(1, 4, 3, seed=0), nn.BatchNorm2d(4), nn.Flatten()).to(dtype)
            assert gradcheck(net, np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(dtype))

    def test_a_module_takes_integers_and_masks(self):
        class Chosen(nn.Module):
            def __init__(self):
                self.weight = nn.Parameter(ag.ones(3, dtype="float64"))

            def forward(self, x, mask):
                return ag.where(mask, x * self.weight, 0.0)

        assert gradcheck(Chosen(), [1.0, 2.0, 3.0], np.array([True, False, True]))
        table = nn.Embedding(5, 3, seed=0)
        assert gradcheck(table, [0, 1, 1])
        table.weight.data = table.weight.data * np.nan
        with pytest.raises(DomainError, match=r"parameter 'weight' is nan at \[0, 0\]"):
            gradcheck(table, [0, 1, 1])

    def test_a_parameter_that_nothing_recorded_leads_to(self):
        class Detached(nn.Module):
            def __init__(self):
                self.weight = nn.Parameter(ag.ones(2))

            def forward(self, x):
                return x * self.weight.detach()

        said = message(Detached(), [1.0, 2.0])
        assert "with respect to parameter 'weight' [1] is wrong" in said
        assert "nothing recorded leads from the outputs to it: .detach()" in said

    def test_what_does_not_require_grad_is_a_constant(self):
        w, op = Tensor([3.0, 4.0]), product(y=lambda g, x: 2 * g * x)
        assert gradcheck(lambda x: op(x, w), [1.0, 2.0])
        net = Scaled(op)
        for parameter in net.parameters():
            parameter.requires_grad_(False)
        assert gradcheck(net, [[1.0, 2.0]])


class TestLarge:
    """Random projections, and the way back from them to one element."""

    X = np.random.default_rng(3).normal(size=(25, 20))

    def test_a_single_wrong_element_is_found(self):
        x = self.X.copy()
        x[17, 4] = 7.0
        wrong = squared(lambda xp, g, x: 2 * g * x + xp.where(x == 7.0, 0.5 * g, 0.0))
        assert "the derivative of output 0 with respect to input 0 ('x') [17, 4] is wrong" in message(
            lambda x: wrong(x).sum(), x
        )
        said = message(wrong, x)
        assert "the derivative of output 0 [17, 4] with respect to input 0 ('x') [17, 4] is wrong" in said
        assert "analytic (rules)    14.5\n    finite differences  14 " in said

    def test_the_limit_can_be_set(self):
        calls = []

        def f(x):
            calls.append(1)
            return (x * x).sum()

        gradcheck(f, np.ones(50))
        each = len(calls)
        calls.clear()
        gradcheck(f, np.ones(50), max_elements=49)
        assert each >= 100
        assert len(calls) < 20

    def test_a_fault_of_the_whole_that_no_element_shows(self):
        said = message(squared(lambda g, x: 2 * g * g * x), self.X)
        assert "all outputs weighted with random numbers with respect to input 0 ('x')" in said


class TestTolerances:
    def test_their_size(self):
        slightly = lambda by: squared(lambda g, x: 2 * g * x + by * g)  # noqa: E731
        assert gradcheck(slightly(1e-9), [1.0])
        assert "more than the tolerance" in message(slightly(1e-4), [1.0])
        assert gradcheck(slightly(1e-4), [1.0], atol=1e-3)
        assert gradcheck(slightly(1e-4), [1.0], rtol=1e-3)
        assert "the tolerance 2.6e-08" in message(slightly(1e-7), [1.0], atol=0.0, rtol=1e-8)

    def test_the_step(self):
        assert "(step 0.001)" in message(squared(lambda g, x: g), [1.0], eps=1e-3)
        assert "(step 0.002)" in message(squared(lambda g, x: g), [2.0], eps=1e-3)
        for eps in (1e-2, 1e-4, 1e-8):
            assert gradcheck(lambda x: x**3, [0.1, 5.0], eps=eps)
            assert "more than the tolerance" in message(squared(lambda g, x: 2.02 * g * x), [1.0], eps=eps)


class TestGradgradcheck:
    def test_a_slope_that_is_a_staircase_of_rounding(self):
        assert gradgradcheck(ag.tanh, [16.0, 16.1, 16.2, 0.5])

    def test_a_rule_that_is_right_only_once(self):
        # The value of 2x is there, its dependence on x is not.
        constant = squared(lambda xp, g, x: g * 2 * getattr(x, "data", x))
        assert gradcheck(constant, [1.0, 2.0])
        said = message(constant, [1.0, 2.0], check=gradgradcheck)
        assert (
            "the derivative of the gradient with respect to input 0 ('x') [1] with respect to input 0 ('x') [1]" in said
        )
        assert "finite differences  " in said

    def test_a_rule_that_loses_g(self):
        loses = squared(lambda xp, g, x: getattr(g, "data", g) * (x + x))
        said = message(loses, [1.0, 2.0], check=gradgradcheck)
        assert "with respect to input 1 ('gradient at output 0')" in said

    def test_a_rule_that_cancels_at_0(self):
        """sin(πx) / (πx): its second derivative at 0 is -π²/3, which a guard by `where` loses, and small steps, too."""

        def guarded(xp, g, x):
            safe = xp.where(x == 0, 1.0, x)
            slope = (xp.cos(np.pi * safe) - xp.sin(np.pi * safe) / (np.pi * safe)) / safe
            return g * xp.where(x == 0, 0.0, slope)

        def forward(xp, x):
            safe = np.pi * xp.where(x == 0, 1.0, x)
            return xp.where(x == 0, 1.0, xp.sin(safe) / safe)

        mine = declared(forward, name="mine", x=guarded)
        assert gradcheck(mine, [0.0, 1.0])
        said = message(lambda x: mine(x).sum(), 0.0, check=gradgradcheck)
        assert re.search(r"analytic \(rules\)    0\n    finite differences  -?0\.\d+", said)
        assert gradgradcheck(ag.sinc, 0.0)
        with pytest.raises(GradcheckError, match="mine fails the check second_order_matches_finite_differences"):
            assert_rule(mine, max_examples=30)

    def test_nan_in_second_order_only(self):
        declared(lambda xp, x: 1.0 * x, name="pole", x=lambda g, x: g * (x / x))
        guarded = declared(lambda xp, x: x * x, name="halfway", x=lambda xp, g, x: g * (2 * x + 0.0 * xp.pole(x)))
        assert gradcheck(guarded, [0.0])
        assert "analytic (rules)    nan" in message(guarded, [0.0], check=gradgradcheck)


class TestComplex:
    def test_a_wrong_rule_for_complex_numbers(self):
        conj_wrong = declared(lambda xp, x: xp.conj(x), "conj_wrong", x=lambda g: g)  # right along the real axis
        assert gradcheck(lambda x: ag.real(conj_wrong(x)), 1.5)
        with pytest.raises(GradcheckError, match=r"output 0 \[1\] with respect to input 0 \('x'\) \[1\] is wrong"):
            gradcheck(conj_wrong, 0.5 + 0.5j)

    def test_the_error_is_an_assertion_that_failed(self):
        with pytest.raises(AssertionError):
            gradcheck(squared(lambda g, x: g), [2.0])
        assert issubclass(GradcheckError, AutogradError)
