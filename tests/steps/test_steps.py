"""Random training steps run, print as Python and get small, and comparing their readings shows what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.check import difference
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes import optimize
from glassgrad.autograd.compiler.targets import emit, kernels, plan
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.faults import seen_after
from tests.sampling import waiting
from tests.steps import readings
from tests.steps.random_steps import Vocabulary, random_step
from tests.steps.readings import Run, Verdict, compare, smallest_fault
from tests.steps.search import search, step_of
from tests.steps.step import TrainingStep

FEATURES = (
    "optimizer.step()", "ag.gradients(", ".grad", "momentum=0.9", "Adam(", "RMSprop(", "clip_grad_norm_",
    "schedule.step()", "'lr': 0.02", "np.asfortranarray", "BatchNorm1d", "LayerNorm", "dropout", "generator=generator",
    "copy.deepcopy(w", "copy.deepcopy(layer", "np.copy(", "def again(", "again(*batch", "raw.sum()",
    "np.concatenate([raw", ".eval()", ".detach()", "float32", "float16", ")[::2]", ".T.reshape", "ag.broadcast_to",
    "ag.stack", "ag.concat", "ag.split", "ag.where(mask", "labels", "results[-1]", ".data -= ", "[...] = ",
    "] = ", "1e-20", "np.round", "load_state_dict", "kept", "old = ", ".data.copy()", "full_like", "weight_decay'] =",
)  # fmt: skip
"""Some of the parts that random steps have."""

SCALED = TrainingStep(
    setup=("w = ag.Tensor([1.0, 2.0], requires_grad=True, name='w')",),
    arguments="x",
    body=(
        "h = ag.tanh(w * x)",
        "unused = h * 3",
        "loss = (h * h).sum() + h.mean()",
        "(g,) = ag.gradients(loss, [w])",
        "w.data = w.data - 0.1 * g.data",
        "return loss, h",
    ),
    calls=("results.append(step(ag.Tensor([3.0, 4.0])))", "results.append(step(ag.Tensor([0.5, 0.25])))"),
)


def test_a_step_prints_as_a_script_that_runs() -> None:
    for seed in range(20):
        step = step_of(seed)
        scope: dict[str, Any] = {}
        with np.errstate(all="ignore"):
            exec(step.source, scope)
        run = Run(step)
        for i in range(len(step.calls)):
            run.line(i)
        assert len(scope["results"]) == len(run.scope["results"]) >= 1


def test_the_same_seed_draws_the_same_step() -> None:
    assert step_of(3) == step_of(3) != step_of(4)


@pytest.mark.check
def test_steps_have_everything_that_a_compiler_may_get_wrong() -> None:
    text = "\n".join(step_of(seed).source for seed in range(600))
    assert [feature for feature in FEATURES if feature not in text] == []
    assert len(re.findall(r"(w\d+)\.T.*\n(?:.*\n)*?.* @ \1 ", text)) > 0  # one weight used both ways


def test_steps_without_a_vocabulary_need_this_package_alone() -> None:
    for seed in range(20):
        step = random_step(Random(seed), max_values=6)
        assert "nn." not in step.source
        assert not compare(step).is_fault or compare(step).culprit in KNOWN


def test_numbers_of_python_change_between_the_calls() -> None:
    sources = [random_step(Random(seed)).source for seed in range(150)]
    for change in (r"^o\d+(\.scale|\['a'\]| =)", r"step\(\*batch\(\d+\).*factor=", r"__defaults__ = "):
        assert any(re.search(change, source.partition("results = []")[2], re.MULTILINE) for source in sources), change


@needs_compiler
def test_steps_run_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare(SCALED, "c") == Verdict("same", programs=1)

    def w_for_h(program: Program) -> Program:
        return program.changed(outputs=[program.outputs[0], program.inputs[-1], *program.outputs[2:]])

    wrong = "last", w_for_h
    monkeypatch.setattr(readings, "PASSES_OF_C", [*readings.PASSES_OF_C, wrong])
    verdict = compare(SCALED, "c")
    assert verdict.culprit == "pass 'last'", verdict


def test_a_step_that_cannot_be_written_in_c_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(*_: Any) -> Any:
        raise AssertionError("kernels wait for each other")

    monkeypatch.setattr(kernels, "_sorted", waiting)
    assert compare(SCALED).kind == "raised"


def test_a_vocabulary_is_used() -> None:
    words = Vocabulary(functions=("ag.erf({a})",))
    assert any("ag.erf(" in random_step(Random(seed), words).source for seed in range(20))


def test_a_failing_step_is_minimized() -> None:
    smallest = SCALED.simplified(lambda step: "tanh" in step.source)
    assert smallest.body == ("h = ag.tanh(w * x)",)
    assert not smallest.setup
    assert not smallest.calls


# ---------------------------------------------------------------------------------------------------- comparison

KNOWN = {"trace"}
CODE = "plan, emitter or bindings"


@pytest.mark.parametrize("count", [25, waiting(250)])
def test_readings_agree(count: int) -> None:
    """The hunt: ``python -m tests.steps --count 100000`` is the long one."""
    _, found = search(range(count))
    assert [(seed, verdict) for seed, verdict in found if verdict.is_fault and verdict.culprit not in KNOWN] == []


def test_agreeing_steps_are_counted() -> None:
    verdict = compare(SCALED)
    assert (verdict.kind, verdict.programs) == ("same", 1)


def wrong_pass(program: Program) -> Program:
    """A pass that takes minus for plus."""
    turned = [replace(i, op="subtract") if i.op == "add" else i for i in program.instructions]
    return program.changed(instructions=turned)


@pytest.fixture
def wrong_passes() -> Iterator[None]:
    kept = optimize.PASSES[:]
    optimize.PASSES[1] = "wrong", wrong_pass
    yield
    optimize.PASSES[:] = kept


@pytest.mark.usefixtures("wrong_passes")
def test_a_wrong_pass_is_named_with_a_small_step() -> None:
    verdict = compare(SCALED)
    assert (verdict.kind, verdict.culprit) == ("different", "pass 'wrong'")
    script = smallest_fault(SCALED, verdict).source
    assert "unused" not in script
    assert len(script.splitlines()) < len(SCALED.source.splitlines())
    exec(script, {})


def test_a_wrong_plan_or_emitter_is_told_from_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    right = emit.Emitter._elementwise

    def minus(emitter: Any, instruction: Any) -> None:
        right(emitter, replace(instruction, op="subtract") if instruction.op == "add" else instruction)

    with monkeypatch.context() as patch:
        patch.setattr(emit.Emitter, "_elementwise", minus)
        assert compare(SCALED).culprit == CODE
    original: Callable[..., Any] = plan.Plan.last_reads
    monkeypatch.setattr(plan.Plan, "last_reads", lambda self: dict.fromkeys(original(self), 0))
    assert compare(SCALED).culprit == CODE


def test_a_refusal_is_no_fault() -> None:
    step = TrainingStep((), "x", ("return x if x.sum() > 0 else -x",), ("results.append(step(ag.Tensor([1.0])))",))
    verdict = compare(step)
    assert verdict.kind == "refused"
    assert not verdict.is_fault
    assert "asks for a value" in verdict.what


def test_eager_results_that_are_not_finite_are_set_apart() -> None:
    step = TrainingStep((), "x", ("return 1 / x, x",), ("results.append(step(ag.Tensor([0.0, 1.0])))",))
    assert compare(step).kind == "not finite"


def test_differences_that_rounding_decides_are_no_fault() -> None:
    """The gradient of a bias before a normalisation is 0 but for rounding, and RMSprop divides it by its size."""
    steps = [
        TrainingStep(
            (
                f"rng = np.random.default_rng({seed})",
                "a, b = nn.Linear(5, 7, seed=0), nn.BatchNorm1d(7)",
                "optimizer = nn.optim.RMSprop([*a.parameters()], lr=0.1, eps=0.0)",
            ),
            "x",
            ("optimizer.zero_grad()", "(b(a(x)) ** 2).mean().backward()", "optimizer.step()"),
            ("results.append(step(ag.Tensor(rng.standard_normal((16, 5)), dtype='float32')))",),
            ("import numpy as np", "from glassgrad import autograd as ag", "from glassgrad import nn"),
        )
        for seed in range(12)
    ]
    kept = TrainingStep(  # seed 1300002528 of the search: the difference also shows in a view that is kept outside
        (
            "x = ag.Tensor(np.random.default_rng(1).standard_normal((2, 2)) * 0.1, dtype='float32')",
            "layer = nn.BatchNorm1d(2, dtype='float32')",
            "optimizer = nn.optim.AdamW([*layer.parameters()], lr=0.1)",
        ),
        "x",
        ("ag.mean(ag.square(ag.mean(layer(x)))).backward()", "optimizer.step()"),
        ("kept = layer.bias.detach()", "results.append(step(x))"),
        ("import numpy as np", "from glassgrad import autograd as ag", "from glassgrad import nn"),
    )
    kinds = {compare(step).kind for step in (*steps, kept)}
    assert kinds <= {"same", "ill-conditioned", "not finite"}, (
        "by the BLAS, both agree to the last bit, in no digit, or divide 0 by 0"
    )


@pytest.mark.parametrize(
    ("found", "eager", "said"),
    [
        ([1.0, 2.0], [1.0, 2.0], ""),
        ([1.0, 2.0 + 1e-15], [1.0, 2.0], ""),
        ([1.0 + 1e-15, 1e9], [1.0, 1e9], ""),
        ([float("nan"), float("inf"), 3.0], [float("nan"), -float("inf"), 3.0], ""),
        ([1.0, 2.0 + 1e-12], [1.0, 2.0], "element [1] of (2,) is 2 instead of 2, allowed 2.8e-14"),
        ([1.0, float("inf")], [1.0, 2.0], "element [1] of (2,) is inf instead of 2, allowed 2.8e-14"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "it is (3,) float64 instead of (2,) float64"),
    ],
)
def test_differences_in_words(found: list[float], eager: list[float], said: str) -> None:
    assert difference(np.array(found), np.array(eager)) == said


def test_integers_and_dtypes_must_be_the_same() -> None:
    assert difference(np.array([1, 2]), np.array([1, 3])) == "element [1] of (2,) is 2 instead of 3, allowed 0"
    assert "float32" in difference(np.ones(2, "float32"), np.ones(2))


def test_compiled_functions_are_left_as_they_were() -> None:
    compare(SCALED)
    assert ag.compile(lambda x: x * 2)(3.0) == 6.0


@pytest.mark.parametrize(
    ("name", "culprit"),
    [
        ("pass: packed pieces lie in another order", "pass 'pack'"),
        waiting("plan: results need not live to the end", CODE),
        ("plan: states are written while they are read", CODE),
        waiting("plan: a buffer is used again too early", CODE),
        waiting("emitter: results are not copied", CODE),
    ],
)
def test_planted_faults_are_seen(name: str, culprit: str) -> None:
    """Some of docs/faults.md."""
    count, named = seen_after(name, 100)
    assert count
    assert named == culprit


def test_an_array_of_rounding_noise_may_differ_in_size_but_not_beyond_it() -> None:
    """Seed 300056296 of the search: batch norm of equal rows divides by the size of their rounding errors."""
    noise = np.array([4.7e17, -2.8e17])
    assert not difference(-12 * noise, noise, spread=4.9e17)
    assert difference(-12 * noise, noise, spread=1e17), "here some digits are certain"
    assert difference(np.array([1.0]), np.array([1e-17]), spread=1e-17)


ZERO_PRODUCT = TrainingStep(
    setup=("w = ag.Tensor([-1.0], requires_grad=True, name='w')",),
    arguments="x",
    body=("return ag.atan2(ag.zeros(2), x @ w)",),
    calls=("results.append(step(ag.Tensor([0.0])))",),
)


def test_the_sign_of_a_product_that_is_zero_is_rounding() -> None:
    """Seed 7006173 of the search: NumPy's ``matmul`` gives 0 and, with ``out=``, -0; atan2 turns that into 0 and pi."""
    assert compare(ZERO_PRODUCT).kind in ("same", "ill-conditioned")


def test_a_result_that_a_later_call_is_given_is_copied_before_the_states_change() -> None:
    """Eagerly it is a view of a parameter, and the optimizer steps between the calls."""
    steps = [step for seed in range(300) if "given = " in (step := step_of(seed)).source]
    assert len(steps) > 1
    for step in steps:
        places = [i for i, line in enumerate(step.calls) if line.startswith("given = ")]
        assert all(step.calls[i - 1].startswith("results.append") for i in places)
    assert {compare(step).kind for step in steps[:6]} == {"refused", "same"}
