"""Programs in JavaScript compute what they compute in Python: every operation, every training step."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import autograd as ag
import nn
from autograd import trees
from autograd.compiler.trace import Trace, is_array
from autograd.errors import TargetError, TraceError
from autograd.testing.operations import TABLE
from autograd.testing.sampling import Case as Call
from autograd.testing.steps import TrainingStep
from tests.autograd.compiler.oracle import orders
from tests.autograd.compiler.targets.node import Case, faults, needs_node
from tests.autograd.compiler.test_table import BY_VALUES, inputs_of
from tests.autograd.compiler.test_training import OPTIMIZERS
from tests import onnx_export as layers
from tests.steps import step_of

REFUSED = {
    "cholesky", "cofactors", "det", "eigenvectors", "eigvalsh", "inv", "log_abs_det", "orthogonal_complement", "pinv",
    "qr_factors", "sign_det", "singular_vectors", "solve", "svdvals",
}  # fmt: skip
"""The operations that have no reading in JavaScript: factorizations."""


def calls_of(name: str, count: int) -> list[Call]:
    """Calls of an operation, always the same ones."""
    found: list[Call] = []

    @settings(max_examples=count, database=None, derandomize=True, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(TABLE[name].cases)
    def collect(call: Call) -> None:
        found.append(call)

    collect()
    return [*found, *TABLE[name].edges]


def cases_of(name: str, call: Call, dtype: str, every: bool) -> list[Case]:
    """The operation and its gradient, each as a program in JavaScript."""
    inputs = inputs_of(name, call, dtype)
    wanted = [x.requires_grad for x in inputs]
    found = []
    for order, function in orders(lambda *xs: ag.OPS[name](*xs, **call.params), 2 if any(wanted) else 1):

        def entered(*xs: Any, function: Any = function) -> Any:
            return function(*(x.detach().requires_grad_() if w else x for x, w in zip(xs, wanted, strict=True)))

        with np.errstate(all="ignore"):
            program = Trace(entered, tuple(x.detach() for x in inputs), {}).program
        text = program.javascript(every=every, comments=False)
        found.append(Case(f"{order} of {name}", program, text, [[x.data for x in inputs]]))
    return found


@needs_node
def test_every_operation(tmp_path):
    cases, refused = [], set()
    for name in sorted(TABLE.keys() - set(BY_VALUES)):
        for number, call in enumerate(calls_of(name, 4)):
            try:
                cases += cases_of(name, call, "float32" if number == 1 else "float64", every=number % 2 == 0)
            except TargetError:
                refused.add(name)
    assert not faults(cases, tmp_path)
    assert refused == REFUSED
    assert len(TABLE.keys() - refused - set(BY_VALUES)) >= 135


# ------------------------------------------------------------------------------------------------------------- training


def case_of(name: str, step: Any, *args: Any, count: int = 20, every: bool = False, **options: Any) -> Case:
    """A step that is run ``count`` times on the same inputs, as it is at this moment."""
    trace = Trace(step, args, options)
    program = trace.program
    arrays = [x.data if isinstance(x, ag.Tensor) else x for x in trees.flatten((args, options))[0] if is_array(x)]
    arrays += [tensor.grad.data for tensor in trace.given]
    states = {state: np.array(state.origin.data) for state in program.states}
    knobs = {v: v.dtype.type(v.origin[0][v.origin[1]]) for v in program.values() if v.kind == "knob"}
    text = program.javascript(every=every, comments=False)
    return Case(name, program, text, [[np.array(x) for x in arrays]] * count, 1e-12, states | knobs)


def training(name: str, model: Any, optimizer: Any, loss_of: Any, *inputs: Any, **options: Any) -> Case:
    """A training step of a model in float64."""
    inputs = tuple(ag.asarray(x.astype("f8") if x.dtype.kind == "f" else x) for x in inputs)
    chosen = None if optimizer is None or not [*model.parameters()] else optimizer(model.parameters())

    def step(*xs: Any) -> Any:
        if chosen is not None:
            chosen.zero_grad()
        loss = loss_of(model(*xs[: len(inputs) - options.get("targets", 0)]), *xs[len(inputs) - options.get("targets", 0) :])
        if chosen is not None:
            loss.backward()
            chosen.step()
        return loss

    return case_of(name, step, *inputs, every=options.get("every", False))


def squared(outputs: Any) -> Any:
    """The mean square of all outputs of a layer."""
    return sum((x * x).mean() for x in trees.flatten(outputs)[0] if isinstance(x, ag.Tensor))


LARGE = {"LeNet5", "ResNet"}


@needs_node
def test_20_steps_of_every_optimizer_layer_and_loss(tmp_path):
    cases = []
    rng = np.random.default_rng(0)
    for number, (name, optimizer) in enumerate(OPTIMIZERS.items()):
        model = nn.MLP([5, 7, 3], seed=0).to("float64")
        x, labels = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
        loss = nn.functional.cross_entropy
        cases.append(training(name, model, optimizer, loss, x, labels, targets=1, every=number % 2 == 0))
    for name, (make, *inputs) in layers.LAYERS.items():
        if name not in LARGE:
            model = make().to("float64")
            model = model.eval() if "Dropout" in name or "Transformer" in name else model
            cases.append(training(name, model, OPTIMIZERS["SGD momentum"], squared, *inputs))
    for name, (make, x, target) in layers.LOSSES.items():
        model = nn.Linear(3, 3, seed=0).to("float64")
        cases.append(training(name, model, OPTIMIZERS["SGD"], make(), x, target, targets=1))
    assert not faults(cases, tmp_path)


# --------------------------------------------------------------------------------------------------------- random steps


def programs_of(step: TrainingStep, name: str, every: bool) -> list[Case]:
    """The programs of the calls of a random step, each run three times from the states that it found."""
    found: list[Case] = []
    start, calls = step.compiled()
    scope: dict[str, Any] = {}
    exec(start, scope)
    eager = scope["step"]

    def followed(*args: Any, **options: Any) -> Any:
        found.append(case_of(name, eager, *args, count=3, every=every, **options))
        return eager(*args, **options)

    scope["step"] = followed
    for call in calls:
        exec(call, scope)
    return found


@needs_node
def test_random_steps_with_state(tmp_path):
    cases, refused = [], []
    for seed in range(150):
        with np.errstate(all="ignore"):
            try:
                cases += programs_of(step_of(seed), f"step {seed}", every=seed % 2 == 0)
            except TargetError as error:
                refused.append(str(error))
            except TraceError:
                pass
    assert len(cases) > 60
    assert all("draw" in said for said in refused), refused
    assert not faults(cases, tmp_path, rounding=True)
