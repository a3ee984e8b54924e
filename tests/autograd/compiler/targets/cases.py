"""Programs to be run in another language, with their inputs: operations, training steps, single instructions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import trees
from glassgrad.autograd.compiler.ir.primitives import infer
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT, C
from glassgrad.autograd.compiler.trace import Trace, is_array
from glassgrad.autograd.errors import DomainError, TargetError, TraceError
from tests import onnx_export as layers
from tests.autograd.compiler.oracle import orders
from tests.autograd.compiler.targets import node
from tests.autograd.compiler.targets.c import native
from tests.autograd.compiler.targets.node import Case
from tests.autograd.compiler.test_table import BY_VALUES, inputs_of
from tests.autograd.compiler.test_training import OPTIMIZERS
from tests.autograd.ops.test_windows import peculiar_poolings, pooled
from tests.calls import Case as Call
from tests.operations import TABLE
from tests.steps.search import step_of
from tests.steps.step import TrainingStep
from tests.training import updating


@dataclass(frozen=True)
class Target:
    """A language. Its ``module`` gives a case its text, puts what cases compute into them, and tells how that differs
    from `Program.run`."""

    name: str
    expressions: Iterable[str]
    module: Any

    def written(self, case: Case) -> Case:
        """The case with its text."""
        self.module.written(case)
        return case


IN_C = Target("c", C.expressions, native)
IN_JAVASCRIPT = Target("javascript", JAVASCRIPT.expressions, node)
TARGETS = [
    pytest.param(IN_C, id="c", marks=native.needs_compiler),
    pytest.param(IN_JAVASCRIPT, id="javascript", marks=node.needs_node),
]


# ----------------------------------------------------------------------------------------------------------- operations


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


def cases_of(target: Target, name: str, call: Call, dtype: str) -> Iterator[Case]:
    """The operation and its gradient, each as a program."""
    inputs = inputs_of(name, call, dtype)
    wanted = [x.requires_grad for x in inputs]
    for order, function in orders(lambda *xs: ag.OPS[name](*xs, **call.params), 2 if any(wanted) else 1):

        def entered(*xs: Any, function: Any = function) -> Any:
            return function(*(x.detach().requires_grad_() if w else x for x, w in zip(xs, wanted, strict=True)))

        with np.errstate(all="ignore"):
            program = Trace(entered, tuple(x.detach() for x in inputs), {}).program
        yield target.written(Case(f"{order} of {name}", program, "", [[x.data for x in inputs]]))


def operations(target: Target, names: Iterable[str], count: int) -> tuple[list[Case], set[str]]:
    """Calls of the operations, and the names of those that are refused."""
    cases, refused = [], set()
    for name in names:
        for number, call in enumerate(calls_of(name, count)):
            try:
                cases += cases_of(target, name, call, "float32" if number == 1 else "float64")
            except TargetError:
                refused.add(name)
    return cases, refused


NAMES = sorted(TABLE.keys() - set(BY_VALUES))


def poolings(target: Target) -> list[Case]:
    """Poolings of NaN, infinities and equal elements, as programs."""
    found = []
    for number, (options, arrays) in enumerate(peculiar_poolings(60)):
        program = Trace(partial(pooled, options), tuple(map(ag.Tensor, arrays)), {}).program
        found.append(target.written(Case(f"pooling {number}", program, "", [arrays], 0.0)))
    return found


# ------------------------------------------------------------------------------------------------------- training steps


def case_of(target: Target, name: str, step: Any, *args: Any, count: int = 20, **options: Any) -> Case:
    """A step that is run ``count`` times on the same inputs, as it is at this moment."""
    trace = Trace(step, args, options)
    program = trace.program
    arrays = [x.data if isinstance(x, ag.Tensor) else x for x in trees.flatten((args, options))[0] if is_array(x)]
    arrays += [value.origin.grad.data for value in trace.given]
    initial = {state: np.array(state.origin.data) for state in program.states}
    initial |= {v: v.dtype.type(v.origin[0][v.origin[1]]) for v in program.values() if v.kind == "knob"}
    case = Case(name, program, "", [[np.array(x) for x in arrays]] * count, 1e-12, initial)
    return target.written(case)


def training(
    target: Target, name: str, model: Any, optimizer: Any, loss_of: Any, *inputs: Any, targets: int = 0
) -> Case:
    """A training step of a model in float64. The last ``targets`` inputs are those of the loss."""
    inputs = tuple(ag.asarray(x.astype("f8") if x.dtype.kind == "f" else x) for x in inputs)
    given, parameters = len(inputs) - targets, [*model.parameters()]

    def loss(*xs: Any) -> Any:
        return loss_of(model(*xs[:given]), *xs[given:])

    return case_of(target, name, updating(optimizer(parameters), loss) if parameters else loss, *inputs)


def squared(outputs: Any) -> Any:
    """The mean square of all outputs of a layer."""
    return sum((x * x).mean() for x in trees.flatten(outputs)[0] if isinstance(x, ag.Tensor))


LARGE = {"LeNet5", "ResNet"}


def networks(target: Target) -> list[Case]:
    """20 steps of every optimizer, layer and loss."""
    cases = []
    rng = np.random.default_rng(0)
    for name, optimizer in OPTIMIZERS.items():
        model = nn.MLP([5, 7, 3], seed=0).to("float64")
        x, labels = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
        loss = nn.functional.cross_entropy
        cases.append(training(target, name, model, optimizer, loss, x, labels, targets=1))
    for name, (make, *inputs) in layers.LAYERS.items():
        if name not in LARGE:
            model = make().to("float64")
            model = model.eval() if "Dropout" in name or "Transformer" in name else model
            cases.append(training(target, name, model, OPTIMIZERS["SGD momentum"], squared, *inputs))
    for name, (make, x, labels) in layers.LOSSES.items():
        model = nn.Linear(3, 3, seed=0).to("float64")
        cases.append(training(target, name, model, OPTIMIZERS["SGD"], make(), x, labels, targets=1))
    return cases


def programs_of(target: Target, step: TrainingStep, name: str) -> list[Case]:
    """The programs of the calls of a random step, each run three times from the states that it found."""
    found: list[Case] = []
    start, calls = step.compiled()
    scope: dict[str, Any] = {}
    exec(start, scope)
    eager = scope["step"]

    def followed(*args: Any, **options: Any) -> Any:
        found.append(case_of(target, name, eager, *args, count=3, **options))
        return eager(*args, **options)

    scope["step"] = followed
    for call in calls:
        exec(call, scope)
    return found


def random_steps(target: Target, seeds: Iterable[int]) -> tuple[list[Case], list[str]]:
    """The programs of random steps, and what was said of those that are refused."""
    cases, refused = [], []
    for seed in seeds:
        with np.errstate(all="ignore"):
            try:
                cases += programs_of(target, step_of(seed), f"step {seed}")
            except TargetError as error:
                refused.append(str(error))
            except (TraceError, DomainError):  # no program
                pass
    return cases, refused


def exchange(target: Target) -> Case:
    """A step whose states take each other's values."""
    a, b = ag.Tensor([1.0, 2.0], dtype="float64"), ag.Tensor([[3.0, 4.0], [5.0, 6.0]], dtype="float64")
    c = ag.Tensor([[7.0, 8.0], [9.0, 10.0]], dtype="float64")

    def step(x: Any) -> Any:
        a.data, b.data, c.data = b.data[0] + x.data, c.data.T.copy(), b.data.copy()
        return a * 1

    return case_of(target, "exchange", step, ag.ones(2, dtype="float64"), count=3)


# -------------------------------------------------------------------------------------------------- single instructions

NUMBERS = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3.0, -0.3, 7.25, 1e-3, 40.0, np.inf, -np.inf, np.nan])
WHOLE = np.array([0, 1, -1, 2, 3, 5, -7, 100, -128, 2**31 - 1, -(2**31)])
DTYPES = ("float64", "float32", "int64", "int32", "int8", "uint8", "bool")
CAST = ("float64", "float32", "int64", "bool")
TYPED = ("where", "astype", "copy", "broadcast_to")
"""What has parameters, or arguments of different kinds."""


def numbers(dtype: str) -> Any:
    """Numbers of a dtype, the peculiar ones among them."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return NUMBERS.astype(kind)
    return WHOLE[abs(WHOLE) <= (7 if kind.itemsize == 1 else 2**31)].astype(kind) if dtype != "bool" else WHOLE[:2] > 0


def single(target: Target, op: str, arrays: list[Any], **params: Any) -> Case:
    """A program of one instruction."""
    inputs = [Value("input", x.shape, x.dtype, f"x{i}") for i, x in enumerate(arrays)]
    shape, dtype = infer(op, params, inputs)
    out = Value("temporary", shape, np.dtype(dtype), "out")
    program = Program("f", inputs, [Instruction(op, tuple(inputs), params, out)], [out])
    return target.written(Case(f"{op} of {', '.join(str(x.dtype) for x in arrays)}", program, "", [arrays], 1e-14))


def expressions(target: Target) -> list[Case]:
    """Every elementwise operation and reduction, at peculiar numbers of every dtype."""
    cases = []
    for op in target.expressions:
        for dtype in DTYPES:
            count = getattr(np, op).nin if op not in TYPED else 0
            grid = [x.ravel() for x in np.meshgrid(*[numbers(dtype)] * count, indexing="ij")]
            if not count or (op == "power" and dtype[0] not in "fb"):
                continue
            try:
                cases.append(single(target, op, grid))
            except (TypeError, TargetError):  # NumPy does not have it, or gives float16
                continue
    for one in DTYPES:
        cases += [single(target, "astype", [numbers(one)[:12]], dtype=np.dtype(other)) for other in CAST
                  if np.dtype(one).kind != "f" or np.dtype(other).kind in "fb"]  # fmt: skip
        mask = np.array([True, False, True])
        cases.append(single(target, "where", [mask, numbers(one)[[0, 1, 1]], numbers(one)[[1, 0, 1]]]))
    for op in ("sum", "prod", "max", "min", "all", "any"):
        for dtype in DTYPES:
            if op in ("sum", "prod") and dtype == "uint8":  # NumPy gives uint64
                continue
            whole = op == "prod" and np.dtype(dtype).kind in "iu"  # JavaScript's are exact up to 2⁵³
            x = np.resize(numbers("int8").astype(dtype) if whole else numbers(dtype), (5, 7))
            cases += [single(target, op, [x], axis=axes, keepdims=False) for axes in ((0,), (1,), (0, 1))]
    return cases


# ------------------------------------------------------------------------------------------------------- planted faults


def in_single(target: Target, seed: int) -> Case:
    """Arithmetic in float32 whose every step NumPy rounds, in one loop: it must be equal to the last bit."""
    rng = np.random.default_rng(seed)
    pair = [rng.standard_normal((4, 5)).astype("f4") for _ in range(2)]
    program = ag.trace(lambda x, y: (x * y + x) / (y * y + 1) - x * 0.1, *map(ag.asarray, pair))
    return target.written(Case("float32", program, "", [pair], 0.0))


def sample(target: Target) -> list[Case]:
    """Steps of a network that is cut and of a convolution, states that take each other's values, sums and picking."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
    deep = nn.MLP([5] * 12 + [3], seed=0).to("float64")
    kernel = nn.Conv2d(2, 3, 2, padding=1, stride=2, seed=0).to("float64")
    loss, images = nn.functional.cross_entropy, rng.standard_normal((2, 2, 4, 4))
    return [
        training(target, "deep", deep, OPTIMIZERS["Adam"], loss, x, labels, targets=1),
        training(target, "conv", kernel, OPTIMIZERS["SGD"], squared, images),
        exchange(target),
        in_single(target, 0),
        single(target, "sum", [np.resize(x, (40, 60))], axis=(0, 1), keepdims=False),
        *cases_of(target, "take", Call(rng.standard_normal((3, 4)), np.array([2, 0, -1]), axis=0), "float64"),
    ]
