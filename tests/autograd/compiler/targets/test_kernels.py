"""Kernels: what belongs together, the C++ of each instruction run on the CPU, and CUDA's compiler where there is."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Instruction, Value, knob_arithmetic
from glassgrad.autograd.compiler.passes.optimize import GPU_PASSES, optimize
from glassgrad.autograd.compiler.targets.kernels import C_TYPES, EXPRESSIONS, Kernel, fusable, fuse, updated_in_place
from tests.standin import WORDS_OF_C, computed

F32, F64, I64, BOOL = map(np.dtype, ("float32", "float64", "int64", "bool"))
NUMBERS = np.array([-np.inf, -3.0, -1.0, -0.75, -0.0, 0.0, 0.25, 1.0, 2.5, 80.0, np.inf, np.nan])
INTEGERS = np.array([-7, -1, 0, 1, 2, 9])


def program_of(function, *arrays):
    return optimize(ag.trace(function, *arrays), GPU_PASSES)


def kernels_of(function, *arrays):
    return [step for step in fuse(program_of(function, *arrays)) if isinstance(step, Kernel)]


def train(optimizer, loss=nn.functional.cross_entropy):
    """The program of a training step, and its steps on a GPU."""
    model = nn.MLP([4, 5, 5, 3], seed=0)
    update = optimizer(model.parameters())

    def step(x, y):
        update.zero_grad()
        value = loss(model(x), y)
        value.backward()
        update.step()
        return value

    program = program_of(step, ag.ones((7, 4), dtype="float32"), ag.ones((7, 3), dtype="float32"))
    return program, fuse(program)


# ------------------------------------------------------------------------------------------------- one of each kind


def single(op, dtypes, shape=(12,)):
    """A kernel of one instruction; of shape () the arguments are constants where they are numbers."""
    args = tuple(
        Value("input", shape, dtype, name)
        if isinstance(dtype, np.dtype)
        else Value("constant", (), F32, "c", F32.type(dtype))
        for dtype, name in zip(dtypes, "xyz", strict=False)
    )
    arrays = [np.ones(a.shape, a.dtype) if a.kind == "input" else a.data for a in args]
    params = {"dtype": F32} if op == "astype" else {"shape": shape} if op == "broadcast_to" else {}
    with np.errstate(all="ignore"):
        made = numpys(op)(*arrays)
    return Instruction(op, args, params, Value("temporary", np.shape(made), np.asarray(made).dtype, "out"))


def numpys(op):
    return {
        "astype": lambda x: x.astype("float32"),
        "copy": lambda x: x.copy(),
        "broadcast_to": lambda x: x,
        "power": np.power,
    }.get(op) or getattr(np, op)


BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")
CASES = [
    *((op, (F64,)) for op in EXPRESSIONS if "{1}" not in EXPRESSIONS[op] and op != "logical_not"),
    *((op, (F64, F64)) for op in EXPRESSIONS if "{1}" in EXPRESSIONS[op] and op not in (*BITS, "where")),
    *((op, (F32, F32)) for op in ("add", "maximum", "divide", "power", "logaddexp", "remainder")),
    *((op, (I64, I64)) for op in (*BITS, "add", "multiply", "maximum", "equal", "less", "remainder")),
    *((op, (BOOL, BOOL)) for op in (*BITS, "logical_and", "logical_or", "logical_xor", "equal")),
    ("logical_not", (BOOL,)),
    ("negative", (I64,)),
    ("square", (I64,)),
    ("add", (I64, F32)),
    ("multiply", (F32, F64)),
    ("astype", (I64,)),
    ("astype", (BOOL,)),
    ("copy", (I64,)),
    ("where", (BOOL, F64, F64)),
    ("where", (BOOL, F32, np.inf)),
    ("where", (BOOL, np.nan, F32)),
    ("multiply", (-2.5, F32)),
    ("add", (F32, 1e-9)),
]
SINGLES = [(op, dtypes) for op, dtypes in CASES if fusable(single(op, dtypes))]


def arguments(dtypes):
    """Every pair (triple) of numbers, as arrays of these dtypes."""
    pools = [{"f": NUMBERS, "i": INTEGERS, "b": np.array([False, True])}[d.kind] for d in dtypes]
    grids = np.meshgrid(*pools, indexing="ij")
    return [grid.ravel().astype(dtype) for grid, dtype in zip(grids, dtypes, strict=True)]


def test_every_instruction_that_kernels_have_is_tested():
    assert {op for op, _ in SINGLES} == set(EXPRESSIONS)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Every kernel of one instruction as a function of C++, compiled at once: its loop runs over contiguous arrays."""
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    texts = ["#include <cmath>", "using namespace std;"]
    for i, (op, dtypes) in enumerate(SINGLES):
        texts.append(loop(one(op, dtypes), f"kernel_{i}"))
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "kernels.cpp").write_text("\n".join(texts))
    library = folder / "kernels.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, folder / "kernels.cpp"], check=True)
    return ctypes.CDLL(str(library))


def one(op, dtypes):
    """The kernel of one instruction."""
    instruction = single(op, dtypes)
    inputs = [a for a in instruction.args if a.kind == "input"]
    return Kernel("one", inputs, [instruction.out], [instruction])


def loop(kernel, name):
    """An elementwise kernel as a function of C++."""
    inputs = [(C_TYPES[str(v.dtype)], kernel.names[v]) for v in kernel.inputs]
    outputs = [(C_TYPES[str(v.dtype)], f"{kernel.names[v]}_out") for v in kernel.outputs]
    signature = ", ".join(
        [*(f"const {kind}* {n}_p" for kind, n in inputs), *(f"{kind}* {n}_p" for kind, n in outputs), "long long count"]
    )
    load = "".join(f"    const {kind} {n} = {n}_p[i];\n" for kind, n in inputs)
    load += "".join(f"    {kind} {n};\n" for kind, n in outputs)
    store = "".join(f"    {n}_p[i] = {n};\n" for _, n in outputs)
    body = "\n".join(f"    {line}" for line in kernel.operation.splitlines())
    head = f'extern "C" void {name}({signature})'
    return f"{head} {{\n  for (long long i = 0; i < count; i++) {{\n{load}{body}\n{store}  }}\n}}"


@pytest.mark.parametrize(("i", "op", "dtypes"), [(i, *case) for i, case in enumerate(SINGLES)])
def test_the_cpp_of_an_instruction_computes_what_numpy_does(compiled, i, op, dtypes):
    kernel = one(op, dtypes)
    arrays = arguments([d for d in dtypes if isinstance(d, np.dtype)])
    filled = iter(arrays)
    with np.errstate(all="ignore"):
        expected = np.asarray(numpys(op)(*(next(filled) if isinstance(d, np.dtype) else F32.type(d) for d in dtypes)))
    out = np.empty(arrays[0].shape, kernel.outputs[0].dtype)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, out)]
    getattr(compiled, f"kernel_{i}")(*pointers, ctypes.c_longlong(out.size))
    exact = {"rtol": 1e-6, "atol": 1e-6} if out.dtype == F32 else {"rtol": 1e-13, "atol": 1e-300}
    np.testing.assert_allclose(out, expected, **exact)
    assert out.dtype == expected.dtype


@pytest.mark.parametrize(("op", "dtypes"), SINGLES)
def test_the_cupy_stand_in_gives_the_same_result(op, dtypes):
    kernel = one(op, dtypes)
    arrays = arguments([d for d in dtypes if isinstance(d, np.dtype)])
    filled = iter(arrays)
    with np.errstate(all="ignore"):
        expected = numpys(op)(*(next(filled) if isinstance(d, np.dtype) else F32.type(d) for d in dtypes))
        names = {kernel.names[v]: array for v, array in zip(kernel.inputs, arrays, strict=True)}
        computed(kernel.operation, names)
    np.testing.assert_allclose(names["out_out"], expected, rtol=1e-6)


# ------------------------------------------------------------------------------------------------ what belongs together


def test_a_chain_is_one_kernel_and_reads_like_it():
    (kernel,) = kernels_of(lambda x, y: ag.tanh(x * y + 1.0) - y, ag.ones((3, 4)), ag.ones(4))
    assert kernel.source == (
        "subtract_1_kernel = ElementwiseKernel(\n"
        "    'float64 x, float64 y',\n"
        "    'float64 subtract_1_out',\n"
        '    """\n'
        "    const double x_times_y = x * y;\n"
        "    const double x_times_y_plus_one = x_times_y + 1.0;\n"
        "    const double tanh_x_times_y_plus_one = tanh(x_times_y_plus_one);\n"
        "    const double subtract_1 = tanh_x_times_y_plus_one - y;\n"
        "    subtract_1_out = subtract_1;\n"
        '    """,\n'
        "    'subtract_1_kernel',\n"
        ")"
    )


def test_a_value_read_only_by_a_sum_is_fused_into_it():
    (kernel,) = kernels_of(lambda x, y: ((x - y) ** 2).sum(axis=1) * 0.5, ag.ones((3, 4)), ag.ones((3, 4)))
    assert [i.op for i in kernel.instructions] == ["subtract", "multiply"]
    assert kernel.arguments[2:6] == (
        f"{kernel.name}_of(x, y)",
        "a + b",
        f"{kernel.names[kernel.outputs[0]]}_out = (a) * 0.5",
        "0",
    )
    assert kernel.preamble == kernel.entry
    assert kernel.entry.startswith(f"__device__ inline double {kernel.name}_of(const double x, const double y) {{")


def test_a_value_with_other_readers_is_not_fused():
    kernels = kernels_of(lambda x: (ag.exp(x).sum(), ag.exp(x)), ag.ones(5))
    assert [(k.reduction is None, len(k.outputs)) for k in kernels] == [(True, 1)]


def test_a_reduction_takes_no_numbers():
    """CuPy's take arrays only; those of entries take Python's numbers, too."""
    model = nn.Linear(2, 1, seed=0)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()
        return (x * model.weight).sum()

    program = program_of(step, ag.ones((3, 2), dtype="float32"))
    known = knob_arithmetic(program.instructions)
    for kernel in fuse(program):
        if isinstance(kernel, Kernel) and kernel.reduction is not None:
            assert all(v.kind != "knob" and v not in known for v in kernel.inputs)


def test_inputs_of_a_kernel_are_computed_before_it():
    """The logarithm stands between two sums: it could be behind the one or within the other, and is one of both."""
    arguments = ag.ones((6, 3), dtype="float64"), ag.zeros(6, dtype="int64")
    program = program_of(nn.functional.cross_entropy, *arguments)
    made = {value for value in program.values() if value.kind != "temporary"}
    for step in fuse(program):
        assert made.issuperset(step.inputs if isinstance(step, Kernel) else step.args)
        made.update(step.outputs if isinstance(step, Kernel) else [step.out])


def test_products_divide_kernels():
    def function(x, w):
        h = ag.sigmoid(x @ w)
        return ag.sigmoid(h @ w) * h

    first, second = kernels_of(function, ag.ones((3, 3)), ag.ones((3, 3)))
    assert [len(first.outputs), len(second.outputs)] == [1, 1]
    assert first.outputs[0] in second.inputs


def test_the_derivative_of_an_activation_is_fused_into_its_user():
    _, steps = train(lambda p: nn.optim.SGD(p, lr=0.1))
    kernels = [s for s in steps if isinstance(s, Kernel)]
    forward = [k for k in kernels if any(i.op == "tanh" for i in k.instructions)]
    assert [len(k.outputs) for k in forward] == [1, 1]  # the activation, and not its slope


@pytest.mark.parametrize(
    ("optimizer", "count"),
    [
        (lambda p: nn.optim.SGD(p, lr=0.1), 1),
        (lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01), 2),
        (lambda p: nn.optim.Adam(p, lr=0.1), 3),
        (lambda p: nn.optim.AdamW(p, lr=0.1), 3),
        (lambda p: nn.optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True), 4),
    ],
    ids=["SGD", "momentum", "Adam", "AdamW", "RMSprop"],
)
def test_an_optimizer_is_one_kernel_over_all_parameters_in_place(optimizer, count):
    program, steps = train(optimizer)
    states = [s for s in program.updates if s.shape]
    updates = [s for s in steps if isinstance(s, Kernel) and any(v in program.updates.values() for v in s.outputs)]
    whole = [k for k in updates if k.outputs[0].shape]
    assert len(whole) == 1
    assert len(states) == count
    assert all(state.shape == (4 * 5 + 5 + 5 * 5 + 5 + 5 * 3 + 3,) for state in states)
    assert set(updated_in_place(program, steps).values()) == set(program.updates)
    assert steps[-1] is whole[0]


def test_one_element_of_each_row_is_one_kernel_and_one_call():
    def function(x, labels):
        return x[ag.arange(4), labels]

    program = program_of(function, ag.ones((4, 3)), ag.zeros(4, dtype="int64"))
    assert [step.op if isinstance(step, Instruction) else "kernel" for step in fuse(program)] == [
        "kernel",
        "reshape",
        "take_sure",
    ]
    x, labels = np.arange(12.0).reshape(4, 3), np.array([0, -1, 2, -3])
    (found,), _ = program.run(x, labels)
    np.testing.assert_array_equal(found, x[np.arange(4), labels])


def test_numbers_of_knobs_are_pythons():
    program, _ = train(lambda p: nn.optim.AdamW(p, lr=0.1))
    assert {i.op for i in knob_arithmetic(program.instructions).values()} >= {"multiply", "subtract"}


def test_a_state_that_is_read_afterwards_is_not_written_early():
    w = ag.Tensor([1.0, 2.0], name="w")

    def function(x):
        before = w * x
        with ag.no_grad():
            w[...] = w + 1.0
        return before.sum(), (w * x).sum()

    program = program_of(function, ag.ones(2))
    steps = fuse(program)
    for value in updated_in_place(program, steps):
        at = next(i for i, s in enumerate(steps) if isinstance(s, Kernel) and value in s.outputs)
        later = [v for s in steps[at + 1 :] for v in (s.inputs if isinstance(s, Kernel) else s.args)]
        assert all(v.kind != "state" for v in later)


@pytest.mark.parametrize("dtype", ["float16", "uint8", "complex128"])
def test_other_dtypes_are_left_to_cupy(dtype):
    instruction = single("add", (np.dtype(dtype), np.dtype(dtype)))
    assert not fusable(instruction)


def test_names_are_those_of_cpp():
    x = ag.Tensor(np.ones(3), name="double")
    (kernel,) = kernels_of(lambda y: ag.exp(x * y), ag.ones(3))
    assert kernel.in_params in ("float64 x_double, float64 y", "float64 y, float64 x_double")


@pytest.mark.parametrize(("name", "called"), [("σ", "sigma"), ("d_Σ₁", "d_sigma1"), ("ŷ", "y"), ("xor", "x_xor")])
def test_names_are_ascii_and_no_words(name, called):
    x = ag.Tensor(np.ones(3), name=name)
    (kernel,) = kernels_of(lambda z: ag.exp(x * z), ag.ones(3))
    assert called in {text.split()[1] for text in kernel.in_params.split(", ")}
    assert kernel.source.isascii()


def test_an_argument_is_not_called_as_a_result():
    y_out, y = Value("input", (3,), F64, "y_out"), Value("temporary", (3,), F64, "y")
    kernel = Kernel("one", [y_out], [y], [Instruction("exp", (y_out,), {}, y)])
    assert (kernel.in_params, kernel.out_params) == ("float64 y_out", "float64 y__out")


# ---------------------------------------------------------------------------------------------------------- compilers


def test_cudas_compiler_takes_all_of_it(tmp_path):
    """Compiled for a GPU, not run: there is none."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("there is no CUDA compiler")
    text = []
    for i, (op, dtypes) in enumerate(SINGLES):
        kernel = one(op, dtypes)
        inputs = ", ".join(f"const {C_TYPES[str(v.dtype)]}* {kernel.names[v]}_p" for v in kernel.inputs)
        (out,) = kernel.outputs
        kind = C_TYPES[str(out.dtype)]
        load = "".join(
            f"const {C_TYPES[str(v.dtype)]} {kernel.names[v]} = {kernel.names[v]}_p[i];\n" for v in kernel.inputs
        )
        text.append(
            f"__global__ void kernel_{i}({inputs}, {kind}* out_p) {{\nint i = threadIdx.x;\n{kind} out_out;\n{load}"
            f"{kernel.operation}\nout_p[i] = out_out;\n}}"
        )
    sums = kernels_of(lambda x, y: ag.log((x - y) ** 2).sum(axis=1) * 0.5, ag.ones((3, 4)), ag.ones((3, 4)))
    text += [kernel.preamble for kernel in sums]
    (tmp_path / "all.cu").write_text("\n".join(text))
    run = subprocess.run(
        [nvcc, "-ptx", "-o", tmp_path / "all.ptx", tmp_path / "all.cu"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_stand_ins_words_are_those_of_expressions():
    assert {"where", "fabs", "pow", "fmod", "log1p", "to_float32"} <= set(WORDS_OF_C)


def test_a_matrix_in_columns_between_two_in_rows_divides_their_kernel():
    program = program_of(lambda x: ag.tanh(ag.exp(ag.sin(x))), np.ones((2, 3)))
    (middle,) = (i.out for i in program.instructions if i.op == "exp")
    steps = fuse(program.changed(flipped=frozenset({middle})))
    assert [[i.op for i in step.instructions] for step in steps] == [["sin"], ["exp"], ["tanh"]]
