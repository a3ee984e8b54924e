"""Strategies: what they draw, what fails is short, and that a user's operation is among it."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import broadcast_shapes
from glassgrad.autograd.errors import AutogradError, DeclarationError, GradcheckError
from glassgrad.autograd.testing import assert_rule, gradcheck, strategies
from glassgrad.autograd.testing.strategies import LARGEST, broadcastable_shapes, operations, programs, shapes
from tests.declared import declared


@given(shapes(min_dims=1, max_dims=2, max_side=4))
def test_shapes(shape):
    assert 1 <= len(shape) <= 2
    assert all(1 <= n <= 4 for n in shape)


@given(broadcastable_shapes(3, max_dims=2))
def test_broadcastable_shapes(three):
    assert len(three) == 3
    assert len(broadcast_shapes(*three)) <= 2


class TestOperations:
    @given(operations(ag.log, "matmul"))
    def test_given_operations(self, call):
        (step,) = call.steps
        assert step.op.name in ("log", "matmul")
        assert np.isfinite(call()[0].data).all()

    def test_all_operations_by_default(self):
        seen = set()

        @settings(max_examples=600, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        @given(operations())
        def look(call):
            seen.add(call.steps[0].op.name)

        look()
        assert len(seen) > 80


def drawn(count, *ops, **options):
    found = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), phases=[Phase.generate], derandomize=True)
    @given(programs(*ops, **options))
    def look(program):
        found.append(program)

    look()
    return found


class TestPrograms:
    @pytest.mark.check
    def test_have_all_that_is_asked_of_them(self):
        found = drawn(300)  # other draws where other tests have declared operations
        names = {step.op.name for program in found for step in program.steps}
        assert len(names) > 80
        assert {"getitem", "sum"} <= names | {
            step.op.name for program in drawn(100, "getitem", "sum") for step in program.steps
        }
        uses = [Counter(name for step in program.steps for name in step.needs) for program in found]
        assert sum(any(n > 1 for n in counts.values()) for counts in uses) > 10, "shared subexpressions"
        assert sum(len(program.outputs) > 1 for program in found) > 10, "several outputs"
        assert sum(len(program.steps) > 3 for program in found) > 10, "long ones"
        assert sum(broadcasting(program) for program in found) > 10, "broadcasting"

    @given(programs())
    def test_are_well_conditioned(self, program):
        for value in program.values(*program.tensors()).values():
            assert np.isfinite(value.data).all()
            assert np.abs(value.data).max(initial=0.0) <= LARGEST
            assert value.size <= len(strategies.REAL.numbers)

    @given(programs())
    def test_every_input_and_step_is_needed(self, program):
        needed = program.needed()
        assert (len(needed.steps), len(needed.inputs)) == (len(program.steps), len(program.inputs))
        ys = program(*program.tensors())
        assert any(y.requires_grad for y in ys)


def broadcasting(program):
    values = program.values(*program.inputs.values())
    shape = lambda arg: values[arg].shape if isinstance(arg, str) else np.shape(arg)  # noqa: E731
    return any(len({shape(arg) for arg in step.args}) > 1 for step in program.steps if step.op.broadcasts)


def softsign(rule):
    return declared(lambda xp, x: x / (1 + xp.abs(x)), "softsign", x=rule)


RIGHT = lambda xp, g, x: g / (1 + xp.abs(x)) ** 2  # noqa: E731
WRONG = lambda xp, g, x: g / (1 + xp.abs(x))  # noqa: E731


class TestOnesOwnOperation:
    @pytest.mark.check
    def test_is_drawn_without_being_named(self):
        mine = softsign(RIGHT)
        once = settings(max_examples=3000, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        found = find(programs(), lambda program: any(step.op is mine for step in program.steps), settings=once)
        assert "= ag.softsign(" in found.source

    @pytest.mark.check
    def test_a_wrong_rule_among_many_operations_is_found(self):
        softsign(WRONG)

        @settings(max_examples=2000, database=None, phases=[Phase.generate, Phase.shrink], derandomize=True)
        @given(programs(max_steps=4))
        def hunt(program):
            try:
                gradcheck(program, *program.tensors())
            except GradcheckError as error:
                assume(not str(error).startswith("unchecked"))  # as of a sum that is always 0
                assume("softsign" in str(error))  # and not an operation that another test declared
                raise

        with pytest.raises(GradcheckError, match="the derivative of output 0") as caught:
            hunt()
        assert "ag.softsign(" in "".join(caught.value.__notes__)

    def test_a_printed_program_can_be_run_and_drawn(self, tmp_path, monkeypatch):
        with pytest.raises(GradcheckError) as caught:
            assert_rule(softsign(WRONG), [0.5])
        monkeypatch.chdir(tmp_path)
        scope = {}
        exec(str(caught.value).partition("how to see it:\n\n")[2], scope)
        assert scope["outputs"][0].tolist() == [pytest.approx(1 / 3)]
        assert "<svg" in (tmp_path / "program.svg").read_text()


@pytest.mark.parametrize("strategy", [operations, programs])
@pytest.mark.parametrize(
    ("op", "text"),
    [
        ("nothing", r"'nothing' is not a registered operation: give one that autograd\.op made, or its name in "),
        (ag.sort, "is not a registered operation"),
        ("argmax", "argmax has no rule, so there is no derivative to test: leave it out"),
    ],
)
def test_operations_without_a_derivative_raise(strategy, op, text):
    with pytest.raises(DeclarationError, match=text):
        find(strategy(op), lambda program: True)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: find(programs(max_steps=0), bool), "max_steps = 0: give a number of at least 1"),
        (lambda: find(programs(max_outputs="a"), bool), "max_outputs = 'a' is a str: give a whole number"),
    ],
)
def test_strategies_that_can_draw_nothing_raise(make, text):
    with pytest.raises(AutogradError, match=text):
        make()


def test_hypothesis_is_needed_by_nothing_else():
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from glassgrad import autograd as ag\n"
        "from glassgrad.autograd.testing import assert_rule, gradcheck\n"
        "gradcheck(ag.sin, [1.0]), assert_rule(ag.sin, [1.0])\n"
        "try:\n    ag.testing.strategies\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
        "try:\n    assert_rule(ag.sin)\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    sentence = (
        "autograd.testing.strategies draws examples with Hypothesis, which is not installed: pip install hypothesis. "
        "autograd.testing.gradcheck works without it.\n"
    )
    assert done.stdout == 2 * sentence
