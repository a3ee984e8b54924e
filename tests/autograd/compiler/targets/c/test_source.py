"""Programs in C compute what they compute in Python: every operation, every training step."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import trees
from glassgrad.autograd.compiler.ir.primitives import infer
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.targets.c.executable import source_of
from glassgrad.autograd.compiler.targets.c.source import Source
from glassgrad.autograd.compiler.targets.language import C, safe_c
from glassgrad.autograd.compiler.trace import Trace, is_array
from glassgrad.autograd.errors import DomainError, TargetError, TraceError
from glassgrad.autograd.testing.strategies import Case as Call
from tests import onnx_export as layers
from tests.autograd.compiler.targets.c.native import DrawingCase, faults, needs_compiler, run, written
from tests.autograd.compiler.targets.node import Case
from tests.autograd.compiler.targets.test_javascript import (
    DTYPES,
    LARGE,
    REFUSED,
    TYPED,
    calls_of,
    numbers,
    poolings,
    squared,
    traced,
)
from tests.autograd.compiler.test_table import BY_VALUES
from tests.autograd.compiler.test_training import OPTIMIZERS
from tests.operations import TABLE
from tests.sampling import waiting
from tests.steps.search import step_of
from tests.steps.step import TrainingStep


def cases_of(name: str, call: Call, dtype: str) -> list[Case]:
    """The operation and its gradient, each as a program."""
    found = [Case(called, program, "", arrays) for called, program, arrays in traced(name, call, dtype)]
    for case in found:
        written(case)
    return found


FAST = ("-std=gnu11", "-O0", "-fwrapv", "-fopenmp-simd", "-shared", "-fPIC", "-w")
"""Flags for many programs, each of which runs once."""


def operations(every: int = 1) -> tuple[list[Case], set[str]]:
    """Calls of the operations, or of each n-th, and the names of those that are refused."""
    cases, refused = [], set()
    for name in sorted(TABLE.keys() - set(BY_VALUES))[::every]:
        for number, call in enumerate(calls_of(name, 2)):
            try:
                cases += cases_of(name, call, "float32" if number == 1 else "float64")
            except TargetError:
                refused.add(name)
    return cases, refused


@needs_compiler
@pytest.mark.parametrize("every", [8, waiting(1)])
def test_every_operation(every):
    cases, refused = operations(every)
    assert not faults(cases, flags=FAST)
    assert refused == REFUSED if every == 1 else refused <= REFUSED


# ------------------------------------------------------------------------------------------------------------- training


def case_of(name: str, step: Any, *args: Any, count: int = 20, **options: Any) -> Case:
    """A step that is run ``count`` times on the same inputs, as it is at this moment."""
    trace = Trace(step, args, options)
    program = trace.program
    arrays = [x.data if isinstance(x, ag.Tensor) else x for x in trees.flatten((args, options))[0] if is_array(x)]
    arrays += [tensor.grad.data for tensor in trace.given]
    initial = {state: np.array(state.origin.data) for state in program.states}
    initial |= {v: v.dtype.type(v.origin[0][v.origin[1]]) for v in program.values() if v.kind == "knob"}
    case = DrawingCase(name, program, "", [[np.array(x) for x in arrays]] * count, 1e-12, initial)
    written(case)
    return case


def training(name: str, model: Any, optimizer: Any, loss_of: Any, *inputs: Any, targets: int = 0) -> Case:
    """A training step of a model in float64. The last ``targets`` inputs are those of the loss."""
    inputs = tuple(ag.asarray(x.astype("f8") if x.dtype.kind == "f" else x) for x in inputs)
    chosen, given = optimizer(model.parameters()) if [*model.parameters()] else None, len(inputs) - targets

    def step(*xs: Any) -> Any:
        loss = loss_of(model(*xs[:given]), *xs[given:])
        if chosen is not None:
            chosen.zero_grad()
            loss.backward()
            chosen.step()
        return loss

    return case_of(name, step, *inputs)


def networks() -> list[Case]:
    """20 steps of every optimizer, layer and loss."""
    cases = []
    rng = np.random.default_rng(0)
    for name, optimizer in OPTIMIZERS.items():
        model = nn.MLP([5, 7, 3], seed=0).to("float64")
        x, labels = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
        cases.append(training(name, model, optimizer, nn.functional.cross_entropy, x, labels, targets=1))
    for name, (make, *inputs) in layers.LAYERS.items():
        if name not in LARGE:
            model = make().to("float64")
            model = model.eval() if "Dropout" in name or "Transformer" in name else model
            cases.append(training(name, model, OPTIMIZERS["SGD momentum"], squared, *inputs))
    for name, (make, x, target) in layers.LOSSES.items():
        model = nn.Linear(3, 3, seed=0).to("float64")
        cases.append(training(name, model, OPTIMIZERS["SGD"], make(), x, target, targets=1))
    return cases


@pytest.mark.check
@needs_compiler
def test_the_places_of_maxima_at_peculiar_numbers():
    cases = poolings()
    for case in cases:
        written(case)
    assert not faults(cases, flags=FAST)


@needs_compiler
def test_20_steps_of_every_optimizer_layer_and_loss():
    assert not faults(networks(), flags=FAST)


def programs_of(step: TrainingStep, name: str) -> list[Case]:
    """The programs of the calls of a random step, each run three times from the states that it found."""
    found: list[Case] = []
    start, calls = step.compiled()
    scope: dict[str, Any] = {}
    exec(start, scope)
    eager = scope["step"]

    def followed(*args: Any, **options: Any) -> Any:
        found.append(case_of(name, eager, *args, count=3, **options))
        return eager(*args, **options)

    scope["step"] = followed
    for call in calls:
        exec(call, scope)
    return found


def random_steps(seeds: Iterable[int]) -> tuple[list[Case], list[str]]:
    """The programs of random steps, and what was said of those that are refused."""
    cases, refused = [], []
    for seed in seeds:
        with np.errstate(all="ignore"):
            try:
                cases += programs_of(step_of(seed), f"step {seed}")
            except TargetError as error:
                refused.append(str(error))
            except (TraceError, DomainError):  # no program
                pass
    return cases, refused


@needs_compiler
@pytest.mark.parametrize("count", [8, waiting(25)])
def test_random_steps_with_state(count):
    cases, refused = random_steps(range(count))
    assert len(cases) >= count
    known = ("draws by standard_", "float16", "after random numbers were drawn")
    assert all(any(reason in said for reason in known) for said in refused), refused
    assert not faults(cases, rounding=True)


# ------------------------------------------------------------------------------------------------ single instructions


def single(op: str, arrays: list[Any], params: dict[str, Any] | None = None) -> Case:
    """A program of one instruction."""
    inputs = [Value("input", x.shape, x.dtype, f"x{i}") for i, x in enumerate(arrays)]
    shape, dtype = infer(op, params or {}, inputs)
    out = Value("temporary", shape, np.dtype(dtype), "out")
    program = Program("f", inputs, [Instruction(op, tuple(inputs), params or {}, out)], [out])
    case = Case(f"{op} of {', '.join(str(x.dtype) for x in arrays)}", program, "", [arrays], 1e-14)
    written(case)
    return case


def expressions() -> list[Case]:
    """Every elementwise operation and reduction, at peculiar numbers of every dtype."""
    cases = []
    for op in C.expressions:
        for dtype in DTYPES:
            count = getattr(np, op).nin if op not in TYPED else 0
            grid = [x.ravel() for x in np.meshgrid(*[numbers(dtype)] * count, indexing="ij")]
            if "shift" in op:
                grid[1:] = [(grid[1] > 0).astype(dtype)]
            if op == "reciprocal" and np.dtype(dtype).kind in "iu":  # which C leaves open for 0
                grid = [grid[0][grid[0] != 0]]
            if not count or (op == "power" and dtype[0] not in "fb"):
                continue
            try:
                cases.append(single(op, grid))
            except (TypeError, TargetError):  # NumPy does not have it, or gives float16
                continue
    for one in DTYPES:
        cases += [single("astype", [numbers(one)[:12]], {"dtype": np.dtype(other)}) for other in DTYPES
                  if np.dtype(one).kind != "f" or np.dtype(other).kind in "fb"]  # fmt: skip
        cases.append(single("where", [np.array([True, False, True]), numbers(one)[[0, 1, 1]], numbers(one)[[1, 0, 1]]]))
    for op in ("sum", "prod", "max", "min", "all", "any"):
        for dtype in DTYPES:
            if op in ("sum", "prod") and dtype == "uint8":  # NumPy gives uint64
                continue
            x = np.resize(numbers(dtype), (5, 7))
            cases += [single(op, [x], {"axis": axes, "keepdims": False}) for axes in ((0,), (1,), (0, 1))]
    return cases


@needs_compiler
@pytest.mark.parametrize("every", [16, waiting(1)])
def test_every_expression_at_peculiar_numbers(every):
    with np.errstate(all="ignore"):
        assert not faults(expressions()[::every])


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_product_is_not_fused_with_a_sum_of_another_operation(dtype):
    x = np.random.default_rng(0).standard_normal(1000).astype(dtype)
    difference = ag.compile(lambda a, b: ag.sqrt(a * a - b * b), target="c")
    assert not difference(ag.Tensor(x), ag.Tensor(x.copy())).data.any()


@needs_compiler
def test_the_sign_of_a_zero():
    zeros = ag.compile(ag.sign, target="c")(ag.Tensor([-0.0, 0.0])).data
    assert not np.signbit(zeros).any()


@needs_compiler
def test_long_sums_of_columns_of_float32_keep_their_digits():
    x = np.full((300_000, 3), 0.1, "f4")

    def sums(x: Any) -> Any:
        pairs = ag.reshape(x, (1000, 300, 3))
        mean = ag.mean(x * 2, axis=0)
        return ag.sum(x, axis=0), mean * 150_000, ag.sum(x, axis=0) * 2 - 30_000, ag.sum(pairs, axis=(0, 1))

    exact = np.float64(x[0, 0]) * len(x)
    for found in ag.compile(sums, target="c")(ag.asarray(x)):
        np.testing.assert_allclose(found.data, exact, rtol=3e-6)
    columns = ag.compile(lambda x: ag.sum(ag.reshape(x, (100, 100, 30, 3))[:, ::2], axis=(0, 2)), target="c")
    np.testing.assert_allclose(columns(ag.asarray(x)).data, np.full((50, 3), 300.0), rtol=3e-6)


@needs_compiler
def test_a_long_sum_of_float32_keeps_its_digits():
    x = np.full((3, 200_000), 0.1, "f4")
    cases = [single("sum", [x], {"axis": axes, "keepdims": False}) for axes in ((1,), (0, 1))]
    run(cases)
    for case, count in zip(cases, (200_000, 600_000), strict=True):
        np.testing.assert_allclose(case.results[0][0], np.float64(x[0, 0]) * count, rtol=1e-6)


def test_nothing_in_a_text_ends_a_comment():
    text = safe_c("a */ int x; /* ??/\n\\\u202e σ")
    assert text == "a * / int x; / * ? ?/ \\   σ"
    assert "x*/" not in source_of(sum_of(["x*/", "y"]), {}).text()


def sum_of(names: list[str]) -> Program:
    """A program that adds inputs of these names."""
    inputs = [Value("input", (3,), np.dtype("f8"), name) for name in names]
    total, instructions = inputs[0], []
    for k, value in enumerate(inputs[1:]):
        out = Value("temporary", (3,), np.dtype("f8"), f"part{k}")
        instructions.append(Instruction("add", (total, value), {}, out))
        total = out
    return Program("double", inputs, instructions, [total])


@needs_compiler
def test_names_that_mean_something_in_c():
    names = ["int", "table", "σ", "sigma", "i", "acc", "gg_run", "main", "__LINE__", "x", "x_object", "x_data"]
    case = Case("names", sum_of(names), "", [[np.arange(3.0) + k for k in range(len(names))]])
    assert not faults([case])


@needs_compiler
def test_loops_that_end_within_a_vector():
    rng, cases = np.random.default_rng(0), []
    for n, dtype in itertools.product((5, 9, 15, 17, 30, 100), ("float32", "float64")):
        x, b = (ag.asarray(rng.standard_normal(shape).astype(dtype)) for shape in ((4, n), (n,)))
        x.data[1, -1] = x.data[2, 0] = np.nan
        w = ag.asarray(rng.standard_normal(n).astype(dtype))

        def step(x: Any, b: Any, w: Any = w) -> Any:
            shifted = x + b
            w.data = (w - 0.5 * b * w).data
            return ag.tanh(shifted), shifted, ag.max(shifted, axis=1), ag.min(x, axis=1), ag.max(b), ag.max(x, axis=0)

        cases.append(case_of(f"{n} {dtype}", step, x, b, count=2))
    assert not faults(cases, rounding=True)


@needs_compiler
def test_large_arrays_are_moved_as_views_lie():
    x, y = np.arange(240.0).reshape(2, 120), np.arange(120.0)[:, None] * [1, -1]

    def moved(x: Any, y: Any) -> Any:
        parts = [ag.concat([x, y.T]), ag.stack([x.T, y]), ag.flip(x), ag.roll(x, 3), ag.concat([x[1:], x[:1]], axis=0)]
        filled = ag.setitem(x, y.T, index=(slice(None), slice(0, 120)))
        return [*parts, ag.reshape(x.T, (2, 120)), ag.reshape(x[:, ::2], (-1,)), filled, ag.setitem(y, x.T, index=...)]

    assert not faults([case_of("moved", moved, ag.asarray(x), ag.asarray(y), count=1)])


def exchange() -> Case:
    """A step whose states take each other's values."""
    a, b = ag.Tensor([1.0, 2.0], dtype="float64"), ag.Tensor([[3.0, 4.0], [5.0, 6.0]], dtype="float64")
    c = ag.Tensor([[7.0, 8.0], [9.0, 10.0]], dtype="float64")

    def step(x: Any) -> Any:
        a.data, b.data, c.data = b.data[0] + x.data, c.data.T.copy(), b.data
        return a * 1

    return case_of("exchange", step, ag.ones(2, dtype="float64"), count=3)


@needs_compiler
def test_states_that_take_each_others_values():
    assert not faults([exchange()])


@needs_compiler
def test_a_state_whose_new_value_is_the_old_one():
    w = ag.Tensor(1.0, dtype="float64")

    def step(x: Any) -> Any:
        w.data = (w - 0.5 * ag.zeros((), dtype="float64")).data
        return x * 2

    assert not faults([case_of("kept", step, ag.ones(2, dtype="float64"))])


@needs_compiler
def test_two_states_that_take_one_new_value():
    a, b = ag.Tensor([1.0, 2.0], dtype="float64"), ag.Tensor([3.0, 4.0], dtype="float64")

    def step(x: Any) -> Any:
        new = a.data * 0.5 + x.data
        a.data, b.data = new, new * 1
        return x * 2

    assert not faults([case_of("twice", step, ag.ones(2, dtype="float64"), count=3)])


@needs_compiler
def test_loops_that_differ_in_a_function_or_a_dtype_are_not_shared():
    x, y, i = np.linspace(0.1, 2.0, 6), np.linspace(0.2, 1.0, 6, dtype="f4"), np.arange(-3, 3)

    def several(x: Any, y: Any, i: Any) -> Any:
        return [ag.exp(x), ag.log(x[::-1]), ag.exp(y), ag.log(y[::-1]), ag.sum(x), ag.max(x), ag.max(y), i // 3, i % 3]

    assert not faults(
        [case_of("several", several, ag.asarray(x), ag.asarray(y), ag.asarray(i), count=1)], rounding=True
    )


@needs_compiler
def test_loops_that_differ_in_names_alone_are_shared():
    model = nn.MLP([4, 4, 4, 4, 4], seed=0).to("float64")
    x = np.random.default_rng(0).standard_normal((3, 4))
    case = training("alike", model, OPTIMIZERS["SGD"], squared, x)
    assert len(re.findall(r"^static void layers_\d+_loop", case.source, flags=re.MULTILINE)) == 2
    assert not faults([case])


@needs_compiler
@pytest.mark.parametrize("n", [3, waiting(40)])
def test_products_of_several_dtypes(n):
    rng, cases = np.random.default_rng(0), []
    for one in ("f4", "f8", "i8"):
        for other in ("f4", "f8", "i4"):
            x, y = rng.integers(-4, 5, (n, n)).astype(one), rng.integers(-4, 5, (n, n)).astype(other)
            cases += [single("matmul", [x, y]), single("matmul", [x, y[0]]), single("matmul", [x[0], y])]
            cases += [single("matmul", [np.stack([x, x]), y]), single("matmul", [x[0], y[0]])]
    assert not faults(cases)


@pytest.mark.check
@needs_compiler
def test_products_and_limits_are_computed_in_the_dtype_of_the_result():
    x, cases = np.array([[-4, 0, 1], [2, 5, 9]]), []
    for one, other in itertools.product(("i1", "u1", "i2", "u2", "i4", "u4", "i8"), repeat=2):
        cases += [single("matmul", [x.astype(one), y.astype(other)]) for y in (x.T, x[0])]
    assert not faults(cases)
    for kind in ("?", "i1", "u1", "i4", "u4", "i8", "f4"):
        for low, high in ((0.5, 3), (None, 2.5), (0.5 * np.ones(3), 2.5 * np.ones(3))):
            given = ag.Tensor(x.astype(kind))
            found = ag.compile(lambda x, low=low, high=high: ag.clip(x, low, high), target="c")(given)
            assert found.data.dtype == ag.clip(given, low, high).data.dtype
            np.testing.assert_array_equal(found.data, ag.clip(given, low, high).data)


@needs_compiler
def test_casts_out_of_range_are_those_of_numpy():
    with np.errstate(all="ignore"):
        x = np.float64([0.5, -1.9, 127, 300.7, -129, 65536, 2**31, 2**31 - 1, -3e9, 2**33 + 5, 2**63, -1e30])
        x = np.concatenate([x, [np.inf, -np.inf, np.nan]])
        kinds = ("i1", "u1", "i2", "u2", "i4", "i8", "?")  # to uint32 NumPy's own casts differ with the length
        assert not faults([single("astype", [y], {"dtype": np.dtype(to)}) for y in (x, np.float32(x)) for to in kinds])


# ------------------------------------------------------------------------------------------------------- planted faults


def sample() -> list[Case]:
    """A step of a network, one of a convolution, states that take each other's values, sums and picking."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
    deep, kernel = nn.MLP([5, 5, 5, 3], seed=0).to("float64"), nn.Conv2d(2, 3, 2, padding=1, seed=0).to("float64")
    return [
        training("deep", deep, OPTIMIZERS["Adam"], nn.functional.cross_entropy, x, labels, targets=1),
        training("conv", kernel, OPTIMIZERS["SGD"], squared, rng.standard_normal((2, 2, 4, 4))),
        exchange(),
        single("sum", [np.resize(x, (40, 60))], {"axis": (0, 1), "keepdims": False}),
        *cases_of("take", Call(rng.standard_normal((3, 4)), np.array([2, 0, -1]), axis=0), "float64"),
    ]


def _too_early(source: Source) -> None:
    source._free += [(start, count) for _, start, count in source._busy]
    source._busy = []


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "the operands of subtract are swapped": (C.expressions, "subtract", "{1} - {0}"),
    "a sum begins at 1": (C.reductions, "sum", ("{a} + {b}", "1")),
    "memory is given away too early": (Source, "_release", _too_early),
    "states are not updated": (Source, "commits", lambda source, program: [*map(source.view, program.updates)][:0]),
    "an index from the end is not counted from there": (Source, "_joined", lambda source: re.sub(
        r"if \(\$p0 < 0\).*", "", joined(source))),
}  # fmt: skip
"""Faults: in which table or class, under which name, and the wrong row or function."""

joined = Source._joined


@pytest.mark.check
@needs_compiler
def test_planted_faults_are_found(monkeypatch):
    assert not faults(sample(), flags=FAST)
    for name, (place, key, wrong) in MUTANTS.items():
        with monkeypatch.context() as planted:
            if isinstance(place, dict):
                planted.setitem(place, key, wrong)
            else:
                planted.setattr(place, key, wrong)
            assert faults(sample(), flags=FAST), f"nothing is found where {name}"
