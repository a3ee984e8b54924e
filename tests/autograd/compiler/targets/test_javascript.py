"""Programs in JavaScript compute what they compute in Python: every operation, every training step."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import trees
from glassgrad.autograd.compiler.ir.primitives import Slot, infer
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.targets import language, nests
from glassgrad.autograd.compiler.targets.javascript import PART
from glassgrad.autograd.compiler.targets.javascript.script import Script
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT, safe_javascript
from glassgrad.autograd.compiler.trace import Trace, is_array
from glassgrad.autograd.errors import TargetError, TraceError
from glassgrad.autograd.testing.strategies import Case as Call
from tests import onnx_export as layers
from tests.autograd.compiler.oracle import orders
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.autograd.compiler.targets.node import NODE, Case, faults, needs_node, run
from tests.autograd.compiler.test_table import BY_VALUES, inputs_of
from tests.autograd.compiler.test_training import OPTIMIZERS
from tests.autograd.ops.test_windows import peculiar_poolings, pooled
from tests.operations import TABLE
from tests.sampling import waiting
from tests.steps.search import step_of
from tests.steps.step import TrainingStep

REFUSED = {
    "cholesky", "cofactors", "det", "eigenvectors", "eigvalsh", "inv", "log_abs_det", "orthogonal_complement", "pinv",
    "qr_factors", "sign_det", "singular_vectors", "solve", "svdvals",
}  # fmt: skip
"""The operations that can't be written in JavaScript: factorizations."""


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


def traced(name: str, call: Call, dtype: str) -> Iterator[tuple[str, Program, list[list[Any]]]]:
    """The operation and its gradient: a name, the program, and its inputs."""
    inputs = inputs_of(name, call, dtype)
    wanted = [x.requires_grad for x in inputs]
    for order, function in orders(lambda *xs: ag.OPS[name](*xs, **call.params), 2 if any(wanted) else 1):

        def entered(*xs: Any, function: Any = function) -> Any:
            return function(*(x.detach().requires_grad_() if w else x for x, w in zip(xs, wanted, strict=True)))

        with np.errstate(all="ignore"):
            program = Trace(entered, tuple(x.detach() for x in inputs), {}).program
        yield f"{order} of {name}", program, [[x.data for x in inputs]]


def cases_of(name: str, call: Call, dtype: str, every: bool) -> list[Case]:
    """The operation and its gradient, each as a program in JavaScript."""
    return [
        Case(called, program, program.javascript(every=every, comments=False), arrays)
        for called, program, arrays in traced(name, call, dtype)
    ]


@needs_node
@pytest.mark.parametrize("every", [8, waiting(1)])
def test_every_operation(every, tmp_path):
    cases, refused, names = [], set(), sorted(TABLE.keys() - set(BY_VALUES))[::every]
    for name in names:
        for number, call in enumerate(calls_of(name, 3)):
            try:
                cases += cases_of(name, call, "float32" if number == 1 else "float64", every=number % 2 == 0)
            except TargetError:
                refused.add(name)
    assert not faults(cases, tmp_path)
    assert refused == REFUSED & {*names}
    assert len({*names} - refused) >= 135 // every


@needs_node
def test_the_sign_of_a_zero(tmp_path):
    program = Trace(lambda x: 1 / ag.sign(x), (ag.Tensor([-0.0, 0.0]),), {}).program
    case = Case("sign", program, program.javascript(every=False, comments=False), [[np.array([-0.0, 0.0])]], 0.0)
    with np.errstate(divide="ignore"):
        assert not faults([case], tmp_path)


def poolings() -> list[Case]:
    """Poolings of NaN, infinities and equal elements, as programs."""
    found = []
    for number, (options, arrays) in enumerate(peculiar_poolings(60)):
        program = Trace(partial(pooled, options), tuple(map(ag.Tensor, arrays)), {}).program
        found.append(Case(f"pooling {number}", program, "", [arrays], 0.0))
    return found


@needs_node
def test_the_places_of_maxima_at_peculiar_numbers(tmp_path):
    cases = poolings()
    for number, case in enumerate(cases):
        case.source = case.program.javascript(every=number % 2 == 0, comments=False)
    assert not faults(cases, tmp_path)


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


def training(
    name: str, model: Any, optimizer: Any, loss_of: Any, *inputs: Any, targets: int = 0, every: bool = False
) -> Case:
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

    return case_of(name, step, *inputs, every=every)


def squared(outputs: Any) -> Any:
    """The mean square of all outputs of a layer."""
    return sum((x * x).mean() for x in trees.flatten(outputs)[0] if isinstance(x, ag.Tensor))


LARGE = {"LeNet5", "ResNet"}


@pytest.mark.check
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


@pytest.mark.check
@needs_node
def test_random_steps_with_state(tmp_path):
    cases, refused = [], []
    for seed in range(35):
        with np.errstate(all="ignore"):
            try:
                cases += programs_of(step_of(seed), f"step {seed}", every=seed % 2 == 0)
            except TargetError as error:
                refused.append(str(error))
            except TraceError:
                pass
    assert len(cases) > 25
    assert all("draw" in said or "float16" in said for said in refused), refused
    assert not faults(cases, tmp_path, rounding=True)


# ------------------------------------------------------------------------------------------------ single instructions

NUMBERS = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 3.0, -0.3, 7.25, 1e-3, 40.0, np.inf, -np.inf, np.nan])
WHOLE = np.array([0, 1, -1, 2, 3, 5, -7, 100, -128, 2**31 - 1, -(2**31)])
DTYPES = ("float64", "float32", "int64", "int32", "int8", "uint8", "bool")
TYPED = ("where", "astype", "copy", "broadcast_to")
"""What has parameters, or arguments of different kinds."""


def numbers(dtype: str) -> Any:
    """Numbers of a dtype, the peculiar ones among them."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return NUMBERS.astype(kind)
    return WHOLE[abs(WHOLE) <= (7 if kind.itemsize == 1 else 2**31)].astype(kind) if dtype != "bool" else WHOLE[:2] > 0


def single(op: str, arrays: list[Any], params: dict[str, Any] | None = None) -> Case:
    """A program of one instruction."""
    inputs = [Value("input", x.shape, x.dtype, f"x{i}") for i, x in enumerate(arrays)]
    shape, dtype = infer(op, params or {}, inputs)
    out = Value("temporary", shape, np.dtype(dtype), "out")
    program = Program("f", inputs, [Instruction(op, tuple(inputs), params or {}, out)], [out])
    name = f"{op} of {', '.join(str(x.dtype) for x in arrays)}"
    return Case(name, program, program.javascript(), [arrays], 1e-14 if dtype == "float64" else 1e-6)


@needs_node
def test_every_expression_at_peculiar_numbers(tmp_path):
    cases = []
    for op in JAVASCRIPT.expressions:
        for dtype in DTYPES:
            count = getattr(np, op).nin if op not in TYPED else 0
            grid = [x.ravel() for x in np.meshgrid(*[numbers(dtype)] * count, indexing="ij")]
            if "shift" in op:
                grid[1:] = [(grid[1] > 0).astype(dtype)]
            if op == "reciprocal" and np.dtype(dtype).kind in "iu":  # which C leaves open for 0
                grid = [grid[0][grid[0] != 0]]
            if op == "nextafter" or not count or (op == "power" and dtype[0] not in "fb"):
                continue
            try:
                cases.append(single(op, grid))
            except (TypeError, TargetError):  # NumPy does not have it, or gives float16
                continue
    for one in DTYPES:
        cases += [single("astype", [numbers(one)[:12]], {"dtype": np.dtype(other)}) for other in DTYPES
                  if np.dtype(one).kind != "f" or np.dtype(other).kind in "fb"]  # fmt: skip
        cases.append(single("where", [np.array([True, False, True]), numbers(one)[[0, 1, 1]], numbers(one)[[1, 0, 1]]]))
    cases.append(single("where", [NUMBERS, NUMBERS, NUMBERS[::-1].copy()]))
    tested = {case.name.partition(" ")[0] for case in cases}
    assert set(JAVASCRIPT.expressions) - tested == {"nextafter", "copy", "broadcast_to", "power"} - tested
    with np.errstate(all="ignore"):
        assert not faults(cases, tmp_path)


@needs_node
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_nextafter_is_exact(dtype, tmp_path):
    pairs = np.meshgrid(NUMBERS.astype(dtype), NUMBERS.astype(dtype))
    case = single("nextafter", [x.ravel() for x in pairs])
    run([case], tmp_path)
    np.testing.assert_array_equal(case.results[0][0], np.nextafter(*pairs).ravel().astype("f8"))


@needs_node
def test_special_functions_have_their_documented_accuracy(tmp_path):
    special = pytest.importorskip("scipy.special")
    line = np.concatenate([np.linspace(-6, 26, 1501), np.geomspace(1e-9, 1e3, 500)])
    positive, inside = line[line > 0], np.concatenate([np.linspace(-0.999, 0.999, 1001), 1 - np.geomspace(1e-15, 1e-3)])
    table = [
        ("erfc", {}, line, special.erfc),
        ("erfinv", {}, inside, special.erfinv),
        ("lgamma", {}, positive, special.gammaln),
        *(("polygamma", {"order": n}, positive, partial(special.polygamma, n)) for n in range(4)),
        *(("bessel_i", {"order": n}, np.linspace(-30, 30, 999), partial(special.iv, n)) for n in range(3)),
    ]
    cases = []
    for name, options, x, _ in table:
        program = Trace(lambda t, name=name, options=options: ag.OPS[name](t, **options), (ag.Tensor(x),), {}).program
        cases.append(Case(name, program, program.javascript(), [[x]]))
    run(cases, tmp_path)
    for (name, _, x, reference), case in zip(table, cases, strict=True):
        expected = reference(x)
        size = np.maximum(np.abs(expected), 1.0 if name in ("lgamma", "polygamma") else 0.0)  # these have zeros
        miss = np.abs(case.results[0][0] - expected)[size > 0] / size[size > 0]
        assert miss.max() < ACCURACY[name], (case.name, miss.max(), x[size > 0][miss.argmax()])


@pytest.mark.parametrize(
    "target", [pytest.param("c", marks=needs_compiler), pytest.param("javascript", marks=needs_node)]
)
def test_special_functions_at_subnormal_and_infinite_numbers_are_those_of_eager(target, tmp_path):
    pytest.importorskip("scipy.special")
    x = np.array([2e-310, -1e-310, 0.0, -0.0, -0.5, -1.0, -12.25, 3.0, 1e308, np.inf, -np.inf, np.nan])
    table = [("erfc", {}), ("erfinv", {}), ("lgamma", {})]
    table += [(name, {"order": order}) for name in ("polygamma", "bessel_i") for order in range(3)]
    for name, options in table:
        run_it = partial(ag.OPS[name], **options)
        if target == "c":
            found = ag.compile(run_it, target="c")(ag.Tensor(x)).numpy()
        else:
            program = Trace(run_it, (ag.Tensor(x),), {}).program
            case = Case(name, program, program.javascript(), [[x]])
            run([case], tmp_path)
            found = case.results[0][0]
        np.testing.assert_allclose(found, run_it(ag.Tensor(x)).numpy(), rtol=1e-13, err_msg=f"{name} {options}")


ACCURACY = {"erfc": 1e-13, "erfinv": 1e-14, "lgamma": 2e-14, "polygamma": 1e-14, "bessel_i": 1e-14}
"""The largest relative errors; of functions that have zeros, relative to 1 there."""


# ------------------------------------------------------------------------------------------------------------- the text


def functions_of(text: str) -> dict[str, str]:
    """The functions of a script by their names."""
    found = re.findall(r"^  function (\w+)\(.*?^  \}$", text, flags=re.MULTILINE | re.DOTALL)
    texts = re.findall(r"^  function \w+\(.*?^  \}$", text, flags=re.MULTILINE | re.DOTALL)
    return dict(zip(found, texts, strict=True))


def chained(count: int) -> Any:
    """A chain of ``count`` lines that belong in one loop."""

    def f(x: Any, y: Any) -> Any:
        for k in range(count):
            x = ag.tanh(x) * y if k % 3 else x - 0.5 * y
        return x.sum()

    return f


@needs_node
@pytest.mark.parametrize("every", [True, False])
def test_long_programs_are_cut_into_functions_that_are_optimized(every, tmp_path):
    model = nn.MLP([4] * 20 + [3], seed=0).to("float64")
    x, labels = np.ones((2, 4)), np.array([0, 2])
    optimizer = OPTIMIZERS["SGD momentum"]
    network = training("20 layers", model, optimizer, nn.functional.cross_entropy, x, labels, targets=1, every=every)
    pair = ag.Tensor(np.linspace(-1, 1, 12).reshape(3, 4)), ag.Tensor(np.ones(4))
    chain = case_of("a chain", chained(200), *pair, count=1, every=every)
    assert not faults([network, chain], tmp_path)
    for case in (network, chain):
        parts = functions_of(case.program.javascript(every=every))
        assert len(parts) > 5
        assert max(map(len, parts.values())) <= PART + 200
        called = re.findall(r"^    (run_\d+)\(", parts["run"], flags=re.MULTILINE)
        assert called == [name for name in parts if name.startswith("run_")]


@needs_node
def test_values_keep_their_names_and_variables_are_javascripts(tmp_path):
    names = ["var", "i", "memory", "run", "σ", "acc", "t", "s", "low", "e_", "constructor", "bits", "seen"]
    inputs = [Value("input", (3,), np.dtype("f8"), name) for name in names]
    instructions, total = [], inputs[0]
    for k, value in enumerate(inputs[1:]):
        out = Value("temporary", (3,), np.dtype("f8"), f"find{k}" if k else "this")
        instructions.append(Instruction("power" if k == 3 else "add", (total, value), {}, out))
        total = out
    order = Value("temporary", (3,), np.dtype("i8"), "new")
    instructions.append(Instruction("argsort", (inputs[7],), {"call": ((Slot(0),), {})}, order))
    program = Program("class_", inputs, instructions, [total, order])
    arrays = [np.arange(3.0) + k for k in range(len(names))]
    arrays[7] = np.array([2.0, np.nan, 1.0])
    cases = [
        Case("names", program, program.javascript(name, every=every), [arrays])
        for name, every in (("new", True), (None, False), ("a b", True))
    ]
    assert not faults(cases, tmp_path)
    assert cases[0].source.startswith("function _new(memory) {")
    assert "    constructor: seen(constructor, 'input', 'float64', [3])," in cases[0].source


def test_nothing_in_a_text_ends_a_script():
    assert safe_javascript("a</script>\n<!-- b\u2028c < d") == "a< /script> < !-- b c < d"
    for every in (True, False):
        text = descent()[0].javascript("a</script>", every=every)
        assert text.startswith("function a_script(memory) {")
        assert not re.search(r"</|<!--|\beval\b|\bFunction\b", text)


def in_node(script: str, tmp_path: Any) -> str:
    """What a script prints."""
    (tmp_path / "script.js").write_text(script, encoding="utf-8")
    done = subprocess.run([str(NODE), str(tmp_path / "script.js")], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def descent() -> tuple[Program, Program]:
    """A step of gradient descent, and the value that it makes smaller, of one state."""
    w = ag.Tensor([1.0, -2.0], requires_grad=True, name="w", dtype="float64")
    optimizer = nn.optim.SGD([w], lr=0.25)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = ((w - x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = ag.zeros(2, dtype="float64")
    return ag.trace(step, x), ag.trace(lambda x: ((w - x) ** 2).sum(), x)


@needs_node
def test_run_changes_no_state_and_programs_share_a_memory(tmp_path):
    step, look = descent()
    script = f"""
const memory = {{}}, step = ({step.javascript()})(memory), look = ({look.javascript(states=False)})(memory);
const train = ({step.javascript(every=False)})(memory), told = [];
step.run(); step.run(); look.run();
told.push(memory.w.join(), step.values.w_new.data.join(), step.outputs[0].data[0], look.outputs[0].data[0]);
step.commit(); look.run();
told.push(memory.w.join(), look.outputs[0].data[0]);
memory.lr[0] = 0.5; train.inputs[0].data.fill(1); train.run(); train.commit();
told.push(memory.w.join(), step.inputs[0].data.join(), step.values.w.data === memory.w);
console.log(told.join(' '));
"""
    assert in_node(script, tmp_path) == "1,-2 0.5,-1 5 5 0.5,-1 1.25 1,1 0,0 true"


@needs_node
def test_inputs_and_the_results_of_a_dict_have_names(tmp_path):
    program = ag.trace(lambda x, y: {"sum": x + y, "d x": x * y, "again": x + y}, ag.ones(2), ag.ones(2))
    script = f"""
const it = ({program.javascript(every=False)})(), {{ outputs }} = it;
it.inputs.x.data.fill(3); it.inputs.y.data.fill(2); it.run();
console.log(outputs.sum.data.join(), outputs['d x'].data.join(), outputs.again === outputs[2], outputs.length);
"""
    assert in_node(script, tmp_path) == "5,5 6,6 true 3"


@needs_node
def test_a_memory_that_does_not_fit_is_refused(tmp_path):
    _, look = descent()
    script = f"""
const look = {look.javascript(states=False)};
const one = () => Float64Array.of(1, 2), told = [];
for (const memory of [{{}}, {{ w: [1, 2] }}, {{ w: new Float64Array(3) }}, {{ w: one(), x: new Float32Array(2) }}])
  try {{ look(memory); }} catch (error) {{ told.push(error.message); }}
look({{ w: one(), x: one() }});
console.log(told.join(' '));
"""
    assert in_node(script, tmp_path) == (
        "memory.w is missing: give a Float64Array of 2. memory.w must be a Float64Array of 2. memory.w must be a "
        "Float64Array of 2. memory.x must be a Float64Array of 2."
    )


@needs_node
def test_states_that_take_each_others_values(tmp_path):
    a, b = ag.Tensor([1.0, 2.0], dtype="float64"), ag.Tensor([[3.0, 4.0], [5.0, 6.0]], dtype="float64")
    c = ag.Tensor([[7.0, 8.0], [9.0, 10.0]], dtype="float64")

    def step(x: Any) -> Any:
        a.data, b.data, c.data = b.data[0] + x.data, c.data.T.copy(), b.data
        return a * 1

    cases = [case_of("exchange", step, ag.ones(2, dtype="float64"), count=3, every=every) for every in (True, False)]
    assert not faults(cases, tmp_path)


@needs_node
def test_two_states_that_take_one_new_value(tmp_path):
    a, b = ag.Tensor([1.0, 2.0], dtype="float64"), ag.Tensor([3.0, 4.0], dtype="float64")

    def step(x: Any) -> Any:
        new = a.data * 0.5 + x.data
        a.data, b.data = new, new * 1
        return x * 2

    cases = [case_of("twice", step, ag.ones(2, dtype="float64"), count=3, every=every) for every in (True, False)]
    assert not faults(cases, tmp_path)


@needs_node
def test_large_arrays_are_moved_as_views_lie(tmp_path):
    """Of more than 64 elements, which are copied at once where they lie row by row."""
    x, y = np.arange(240.0).reshape(2, 120), np.arange(120.0)[:, None] * [1, -1]

    def moved(x: Any, y: Any) -> Any:
        parts = [ag.concat([x, y.T]), ag.stack([x.T, y]), ag.flip(x), ag.roll(x, 3), ag.concat([x[1:], x[:1]], axis=0)]
        filled = ag.setitem(x, y.T, index=(slice(None), slice(0, 120)))
        return [*parts, ag.reshape(x.T, (2, 120)), ag.reshape(x[:, ::2], (-1,)), filled, ag.setitem(y, x.T, index=...)]

    cases = [case_of("moved", moved, ag.asarray(x), ag.asarray(y), count=1, every=every) for every in (True, False)]
    assert not faults(cases, tmp_path)


@needs_node
def test_indices_out_of_bounds_are_refused(tmp_path):
    program = ag.trace(lambda x, i: x[i] * 1, ag.ones(3, dtype="float64"), ag.Tensor([0, 1]))
    case = Case("index", program, program.javascript(), [[np.arange(3.0), np.array([-1, 2])]])
    past = Case("past", program, program.javascript(), [[np.arange(3.0), np.array([0, 3])]])
    labels = ag.trace(nn.functional.cross_entropy, ag.ones((2, 3), dtype="float64"), ag.Tensor([0, 1]))
    wrong = Case("labels", labels, labels.javascript(), [[np.ones((2, 3)), np.array([0, 5])]])
    run([case, past, wrong], tmp_path)
    assert not case.at_fault()
    assert past.error == "RangeError: an index is out of bounds for an axis of 3"
    assert wrong.error == "RangeError: target must hold whole numbers from 0 to 2."


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (ag.linalg.cholesky, [ag.eye(2)], "linalg.cholesky is not among the functions that can be written. Compute it"),
        (lambda x: x * (1 + 1j), [ag.ones(2)], r"is complex128, for which it has no arrays. Compute"),
        (lambda x: ag.linalg.inv(x) @ x, [ag.eye(2)], "linalg.inv is not among"),
        (
            lambda x, m: ag.setitem(x, 0.0, index=m),
            [ag.ones(2), ag.Tensor([True, False])],
            "selects with a boolean mask",
        ),
        (lambda x: x + ag.random.normal((2,), generator=GENERATOR), [ag.ones(2)], "random numbers can't be drawn"),
    ],
)
def test_an_operation_that_can_not_be_written_is_refused(function, arguments, said):
    program = ag.trace(function, *arguments)
    with pytest.raises(TargetError, match=said):
        program.javascript()


GENERATOR = np.random.default_rng(0)


# ------------------------------------------------------------------------------------------------------- planted faults


def in_single(count: int) -> Case:
    """Arithmetic in float32 whose every step NumPy rounds, in one loop: it must be equal to the last bit."""
    rng = np.random.default_rng(count)
    pair = [rng.standard_normal((4, 5)).astype("f4") for _ in range(2)]
    program = ag.trace(lambda x, y: (x * y + x) / (y * y + 1) - x * 0.1, *map(ag.asarray, pair))
    return Case("float32", program, program.javascript(every=False), [pair], 0.0)


def sample() -> list[Case]:
    """A step of a network that is cut, one of a convolution, arithmetic in float32, and picking."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((8, 5)), rng.integers(0, 3, 8)
    deep = nn.MLP([5] * 12 + [3], seed=0).to("float64")
    kernel = nn.Conv2d(2, 3, 2, padding=1, stride=2, seed=0).to("float64")
    loss, sgd = nn.functional.cross_entropy, OPTIMIZERS["SGD"]
    return [
        training("deep", deep, sgd, loss, x, labels, targets=1, every=True),
        training("conv", kernel, sgd, squared, rng.standard_normal((2, 2, 4, 4))),
        in_single(0),
        *cases_of("take", Call(rng.standard_normal((3, 4)), np.array([2, 0, -1]), axis=0), "float64", True),
    ]


@needs_node
def test_float32_is_rounded_as_numpy_rounds_it(tmp_path):
    assert not faults([in_single(seed) for seed in range(10)], tmp_path)


def _off_by_one(shape: Any) -> Any:
    return tuple(s + (axis == 0 and len(shape) > 1) for axis, s in enumerate(contiguous(shape)))


def _losing(script: Script, name: str, parts: list[list[str]]) -> list[str]:
    return called(script, name, parts[:1])


def _uncounted(script: Script) -> str:
    return re.sub(r"if \(\$p0 < 0\).*", "", text(script))


contiguous, called, text = nests.contiguous, Script.called, Script.text
MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "the operands of subtract are swapped": (JAVASCRIPT.expressions, "subtract", "{1} - {0}"),
    "float32 is not rounded": (language.ROUNDED, "float32", "{}"),
    "a sum begins at 1": (JAVASCRIPT.reductions, "sum", ("{a} + {b}", "1")),
    "a stride is off by one": (nests, "contiguous", _off_by_one),
    "the cut loses lines": (Script, "called", _losing),
    "states are not updated": (Script, "commits", lambda script, program: []),
    "an index from the end is not counted from there": (Script, "text", _uncounted),
}
"""Faults: in which table or module, under which name, and the wrong row or function."""


@pytest.mark.check
@needs_node
def test_planted_faults_are_found(tmp_path, monkeypatch):
    assert not faults(sample(), tmp_path)
    for name, (place, key, wrong) in MUTANTS.items():
        with monkeypatch.context() as planted:
            if isinstance(place, dict):
                planted.setitem(place, key, wrong)
            else:
                planted.setattr(place, key, wrong)
            assert faults(sample(), tmp_path), f"nothing is found where {name}"


def test_an_optimized_program_is_refused():
    step, _ = descent()
    packed = step.changed(packed={step.states[0]: []})
    with pytest.raises(TargetError, match="it is optimized, and its states lie in one buffer"):
        packed.javascript()
