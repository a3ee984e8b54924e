"""The frozen steps keep their verdicts, and the judge of them sees what is wrong."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import TraceError
from tests.promises import steps
from tests.promises.judge import Verdict, frozen, judge


@pytest.mark.parametrize("seed", range(0, 5000, 125))
def test_a_step_keeps_its_verdict(seed):
    assert steps.broken(seed, steps.verdict(seed)) == ""


@pytest.mark.check
@pytest.mark.parametrize("target", steps.COUNTS)
def test_all_steps_keep_their_verdicts(target):
    assert steps.main(["--target", target]) == 0


def test_all_steps_are_there():
    assert len({str(step) for step in steps.programs()}) == len(steps.programs()) == 5000


def test_a_step_is_refused_by_a_point_of_the_contract_only(monkeypatch):
    same = next(seed for seed, kind in steps.promised("numpy").items() if kind == "same")
    refused = next(seed for seed, kind in steps.promised("numpy").items() if kind == "refused")
    now = Verdict("refused", "TraceError: the step appends to a list")
    assert steps.broken(refused, now) == steps.broken(refused, Verdict("same")) == ""
    assert steps.broken(same, now) == f"seed {same} was same and is refused: {now.what}"
    different = Verdict("different", "line 0: w")
    assert steps.broken(refused, different) == f"seed {refused} was refused and is different: line 0: w"
    monkeypatch.setattr(steps, "exceptions", lambda: [("4", "appends to|w"), ("rounding", f"^seed {same} .* line 0")])
    assert steps.broken(same, now) == steps.broken(same, different) == ""
    assert steps.broken(refused, different)


# --------------------------------------------------------------------------------------------- compilers that are wrong

STEP = frozen(
    "x",
    ("w = ag.Tensor([1.0, 2.0], requires_grad=True)", "kept = w.data", "generator = np.random.default_rng(0)"),
    ("loss = (w * x).sum()", "(g,) = ag.gradients(loss, [w])", "w.data -= 0.5 * g.data", "return loss, w * 2"),
    (
        "results.append(step(ag.Tensor([3.0, 4.0])))",
        "results.append(step(ag.Tensor([0.5, 0.25])))",
        "results.append(kept * 1)",
    ),
)


def inexact(step):
    return lambda x: tuple(ag.Tensor(result.detach() * (1 + 1e-9)) for result in step(x))


def single(step):
    return lambda x: tuple(ag.astype(result, "float32") for result in step(x))


def unwrapped(step):
    return lambda x: tuple(result.detach().numpy() for result in step(x))


def twice(step):
    return lambda x: (step(x), step(x))[0]


def moving(step):
    def call(x):
        w = step.__globals__["w"]
        w.data = w.data.copy()
        return step(x)

    return call


def drawing(step):
    return lambda x: (step(x), step.__globals__["generator"].random())[0]


def reusing(step):
    place = np.zeros(2)

    def call(x):
        loss, result = step(x)
        place[:] = result.detach().numpy()
        return loss, ag.asarray(place, copy=False)

    return call


def crashing(step):
    return lambda x: 1 / 0


@pytest.mark.parametrize(
    ("compiler", "what"),
    [
        (inexact, "line 0: result 0: element [] of () is 11"),
        (single, "line 0: result 0: it is () float32 instead of () float64"),
        (unwrapped, "line 0: the results are"),
        (twice, "line 0: w: element [0] of (2,) is -2 instead of -0.5"),
        (moving, "line 2: result 0: element [0] of (2,)"),
        (drawing, "line 0: a random generator"),
        (reusing, "line 1: the result of an earlier call has changed"),
        (crashing, "line 0 raises ZeroDivisionError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_judge_sees(compiler, what, monkeypatch):
    monkeypatch.setattr(ag, "compile", lambda step, target: compiler(step))
    found = judge(STEP)
    assert found.kind == "different"
    assert found.what.startswith(what)


def test_the_judge_knows_the_same_and_the_refused(monkeypatch):
    assert judge(STEP) == Verdict("same")
    monkeypatch.setattr(ag, "compile", lambda step, target: step)
    assert judge(STEP) == Verdict("same")

    def refuse(step, target):
        def call(x):
            raise TraceError("no")

        return call

    monkeypatch.setattr(ag, "compile", refuse)
    assert judge(STEP) == Verdict("refused", "TraceError: no")


def test_rounding_is_told_from_a_fault(monkeypatch):
    """Digits that cancel are lost to rounding, and at a kink it decides; more than that is a fault."""
    off = {"rounding": 2e-16, "fault": 1e-12}
    found = {}
    for form, last in (("x[0] + x[1] - x[2]", 0.29999), ("ag.sign(x[0] + x[1] - x[2])", 0.3)):
        step = frozen("x", (), (f"return {form}",), (f"results.append(step(ag.Tensor([0.1, 0.2, {last}])))",))
        for name, far in off.items():
            moved = ag.Tensor([0.0, 0.0, far])
            monkeypatch.setattr(ag, "compile", lambda step, target, moved=moved: lambda x: step(x + moved))
            found[last, name] = judge(step).kind
    assert found == {
        (0.29999, "rounding"): "same", (0.29999, "fault"): "different",
        (0.3, "rounding"): "ill-conditioned", (0.3, "fault"): "ill-conditioned",
    }  # fmt: skip
