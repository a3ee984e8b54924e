"""Kernels of training steps in the frame that CuPy puts around them, given to CUDA's compiler: it needs no GPU."""

import os
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.passes.optimize import GPU_PASSES, optimize
from glassgrad.autograd.compiler.targets.kernels import Kernel, fuse

cupy = pytest.importorskip("cupy")

F = nn.functional
HEADERS = ("cupy/complex.cuh", "cupy/carray.cuh", "cupy/atomics.cuh", "cupy/math_constants.h")
ARRAY, INDEXER, SCALAR = 1, 2, 3  # kinds of CuPy's _ArgInfo

OPTIMIZERS = {
    "SGD": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": nn.optim.Adam,
    "AdamW": nn.optim.AdamW,
    "RMSprop": lambda p: nn.optim.RMSprop(p, momentum=0.9, centered=True),
}
LOSSES = {
    "cross-entropy": (F.cross_entropy, lambda: ag.zeros(7, dtype="int64")),
    "squared error": (F.mse_loss, lambda: ag.ones((7, 3), dtype="float32")),
    "binary cross-entropy": (F.binary_cross_entropy_with_logits, lambda: ag.ones((7, 3), dtype="float32")),
}


@pytest.fixture(scope="module")
def compiles():
    """What gives source to NVRTC, CUDA's compiler at run time."""
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc")
    cuda = Path(os.environ.get("CUDA_PATH") or "/usr/local/cuda") / "include"
    try:
        nvrtc.getVersion()
    except RuntimeError as error:
        pytest.skip(f"there is no NVRTC: {error}")
    if not (cuda / "cuda_fp16.h").exists():
        pytest.skip(f"there are no headers of CUDA in {cuda}")
    own = Path(cupy.__file__).parent / "_core/include"
    folders = [own, *(own / "cupy/_cccl" / name for name in ("libcudacxx", "thrust", "cub")), cuda]
    options = ("--std=c++17", "--gpu-architecture=compute_80", *(f"-I{folder}" for folder in folders))

    seen = set()

    def run(code):
        if code in seen:
            return
        seen.add(code)
        text = "".join(f"#include <{header}>\n" for header in HEADERS) + code
        program = nvrtc.createProgram(text, "kernel.cu", (), ())
        try:
            nvrtc.compileProgram(program, options)
        except nvrtc.NVRTCError:
            pytest.fail(f"{nvrtc.getProgramLog(program)}\n{code}")

    return run


def frame(kernel):
    """The source that CuPy compiles for a kernel of matrices."""
    from cupy._core import _kernel, _reduction
    from cupy._core._carray import Indexer
    from cupy._core._scalar import CScalar, get_typename

    def arrays(values, ndim):
        return tuple(_kernel._ArgInfo(ARRAY, cupy.ndarray, v.dtype, ndim, False, True) for v in values)

    def indexer(ndim):
        return _kernel._ArgInfo(INDEXER, Indexer, None, ndim, True, True)

    made, types = kernel.make(cupy), _kernel._TypeMap(())
    if kernel.reduction is None:
        given = (*arrays((*kernel.inputs, *kernel.outputs), 2), indexer(2))
        return _kernel._get_elementwise_kernel_code(given, types, made.params, made.operation, made.name, made.preamble)
    (out,) = kernel.outputs
    kind, name = get_typename(out.dtype), f"{kernel.names[out]}_out"
    given = (*arrays(kernel.inputs, 2), *arrays([out], 1), indexer(2), indexer(1))
    given = (*given, _kernel._ArgInfo(SCALAR, CScalar, np.dtype("int32"), 0, True, True))
    indices = _kernel._get_param_info("CIndexer _in_ind, CIndexer _out_ind", False)
    params = (*made.in_params, *made.out_params, *indices, *_kernel._get_param_info("int32 _block_stride", True))
    load = "".join(
        f"const {get_typename(v.dtype)} {kernel.names[v]} = _raw_{kernel.names[v]}[_in_ind.get()];\n"
        for v in kernel.inputs
    )
    store = f"{kind} &{name} = _raw_{name}[_out_ind.get()];"
    return "typedef ptrdiff_t IndexT;\n" + _reduction._create_reduction_function_code(
        made.name, 256, kind, params, given, made.identity, made.map_expr, made.reduce_expr, made.post_map_expr, types,
        load, store, made.preamble, (),
    )  # fmt: skip


ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "gelu", "softplus")
CASES = [
    *((activation, "Adam", "cross-entropy") for activation in ACTIVATIONS),
    *(("sigmoid", optimizer, "squared error") for optimizer in OPTIMIZERS),
    *(("tanh", "SGD", loss) for loss in LOSSES),
]


@pytest.mark.parametrize(("activation", "optimizer", "loss"), CASES)
def test_a_step(compiles, activation, optimizer, loss):
    layers = nn.MLP([4, 5, 5], activation, seed=0), nn.LayerNorm(5), nn.Dropout(0.5, seed=0), nn.Linear(5, 3, seed=0)
    model = nn.Sequential(*layers)
    update = OPTIMIZERS[optimizer](model.parameters())
    function, target = LOSSES[loss]

    def step(x, y):
        update.zero_grad()
        value = function(model(x), y)
        value.backward()
        nn.optim.clip_grad_norm_(model.parameters(), 1.0)
        update.step()
        return value

    program = optimize(ag.trace(step, ag.ones((7, 4), dtype="float32"), target()), GPU_PASSES)
    kernels = [each for each in fuse(program) if isinstance(each, Kernel)]
    assert len(kernels) > 5
    for kernel in kernels:
        compiles(frame(kernel))


def test_names_of_any_script(compiles):
    w = nn.Parameter([1.0, 2.0], name="σ")
    update = nn.optim.SGD([w], lr=0.1)

    def step(x, y):
        update.zero_grad()
        value = (ag.exp(w * x) * y).sum()
        value.backward()
        update.step()
        return value

    tensors = [ag.Tensor([1.0, 2.0], dtype="float32", name=name) for name in ("ŷ", "xor")]
    program = optimize(ag.trace(step, *tensors), GPU_PASSES)
    for kernel in fuse(program):
        if isinstance(kernel, Kernel):
            compiles(frame(kernel))
