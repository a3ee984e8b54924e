"""The ONNX nodes for each instruction of a program: one of the same meaning, or a few."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from glassgrad.autograd import Tensor
from glassgrad.autograd.compiler.ir.primitives import EFFECTS, Slot, fill
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes.rewrite import dead_code
from glassgrad.autograd.compiler.trace import trace
from glassgrad.autograd.engine.operation import Op, op
from glassgrad.autograd.ops.windows import pads_per_axis, per_axis
from glassgrad.nn.saving.onnx.operators.elementwise import BINARY, UNARY
from glassgrad.nn.saving.onnx.write import NotWritten, Writer, value_info, without_dead

Written = Callable[..., str]

NODES: dict[str, Any] = {
    **{function.name: node for node, function in (UNARY | BINARY).items() if isinstance(function, Op)},
    "copy": "Identity", "divide": "Div", "isinf": "IsInf", "linalg.det": "Det", "matmul": "MatMul", "maximum": "Max",
    "minimum": "Min", "positive": "Identity", "power": "Pow", "rint": "Round",
    "expm1": ("Sub", ("Exp", "x"), 1.0),
    "isfinite": ("Not", ("Or", ("IsInf", "x"), ("IsNaN", "x"))),
    "log10": ("Mul", ("Log", "x"), 1 / math.log(10)),
    "log1p": ("Log", ("Add", "x", 1.0)),
    "log2": ("Mul", ("Log", "x"), 1 / math.log(2)),
    "logaddexp": ("Add", ("Max", "x", "y"), ("Softplus", ("Neg", ("Abs", ("Sub", "x", "y"))))),
    "not_equal": ("Not", ("Equal", "x", "y")),
    "square": ("Mul", "x", "x"),
}  # fmt: skip
"""Elementwise instructions: an operator of all arguments, or a formula of the arguments ``"x"`` and ``"y"``."""

LOGICAL = {"bitwise_and": "And", "bitwise_invert": "Not", "bitwise_or": "Or", "bitwise_xor": "Xor"}
"""The logical operators for bit operations on booleans."""

REDUCTIONS = {"sum": "ReduceSum", "prod": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}

PRIMITIVES: dict[str, Written] = {
    "astype": lambda w, i, x: w.cast(x, i.args[0].dtype, i.out.dtype),
    "broadcast_to": lambda w, i, x: w.expand(x, i.args[0].shape, i.out.shape),
    "permute_dims": lambda w, i, x: w.node("Transpose", x, perm=list(i.params["axes"])) if i.params["axes"] else x,
}
"""Instructions that become several nodes: functions of the writer, the instruction and the names of its arguments."""


def _unary(op_type: str, w: Writer, i: Instruction, x: Value) -> str:
    return w.node(op_type, w.name(x))


OPERATIONS: dict[str, Written] = {
    **{name.lower(): partial(_unary, name) for name in ("Relu", "Sigmoid", "Softplus", "Erf", "Gelu")},
    "leaky_relu": lambda w, i, x, slope=0.01: w.node("LeakyRelu", w.name(x), alpha=float(slope)),
}
"""Operations that are kept whole: functions of the writer, the instruction, its arguments (names, or as they are) and
its options."""


def _declares(table: dict[str, Written], *names: str) -> Callable[[Written], Written]:
    """A decorator that declares the nodes of an instruction, or of an operation that is kept whole."""

    def declare(function: Written) -> Written:
        table.update(dict.fromkeys(names, function))
        return function

    return declare


primitive, operation = partial(_declares, PRIMITIVES), partial(_declares, OPERATIONS)


def call(*names: str) -> Callable[[Written], Written]:
    """A decorator that declares the nodes of a NumPy call, by its arguments, with values in place of arrays."""

    def declare(function: Written) -> Written:
        def written(w: Writer, i: Instruction, *_: str) -> str:
            args, options = fill(i.params["call"], [*i.args])
            return function(w, i, *args, **options)

        return primitive(*names)(written)

    return declare


def write(w: Writer, program: Program) -> None:
    """Write the nodes of every instruction that the results of a program need."""
    if any(i.op == "draw" for i in program.instructions):
        raise NotWritten(
            "it draws random numbers, as dropout does in training, and ONNX has no generator that draws the same: "
            "call model.eval() first."
        )
    computing = [i for i in program.instructions if i.op not in EFFECTS]
    for i in dead_code(program.changed(instructions=computing)).instructions:
        w.value = i.out
        w.scope = "/" + i.origin.scope.replace(".", "/") if i.origin is not None and i.origin.scope else ""
        wanted, written = w.names.get(i.out), instruction_written(w, i)
        w.names[i.out] = written if wanted is None else w.called(written, wanted)
    w.value, w.scope = None, ""


def instruction_written(w: Writer, i: Instruction) -> str:
    """Write the nodes of an instruction; returns the name of its result. Raises `NotWritten` where there are none."""
    args = [w.name(a) for a in i.args]
    if i.op == "op":
        name = i.params["name"]
        if name not in OPERATIONS:
            raise NotWritten(f"the operation {name!r} has no counterpart in ONNX.", name)
        given = fill(i.params["inputs"], [*i.args])
        options = fill(i.params["options"], [*i.args[i.params["count"] :]])
        return OPERATIONS[name](w, i, *given, **options)
    if i.op in NODES:
        return _elementwise(w, i, *args)
    if i.op in REDUCTIONS:
        return _reduced(w, REDUCTIONS[i.op], w.cast(args[0], i.args[0].dtype, i.out.dtype), **i.params)
    if i.op in PRIMITIVES:
        return PRIMITIVES[i.op](w, i, *args)
    raise NotWritten(f"{i.op} is not written as ONNX, as no layer of nn needs it.")


def _cast(w: Writer, i: Instruction, *args: str, dtype: Any = None) -> list[str]:
    """The arguments in one dtype, by default that of the result."""
    return [w.cast(n, a.dtype, i.out.dtype if dtype is None else dtype) for n, a in zip(args, i.args, strict=True)]


def _elementwise(w: Writer, i: Instruction, *args: str) -> str:
    """The nodes of an instruction in `NODES`. Its arguments get the dtype of the result, or that of a comparison."""
    formula, dtype = NODES[i.op], i.out.dtype
    if dtype.kind == "b" and i.op in LOGICAL:
        formula = LOGICAL[i.op]
    elif dtype.kind == "b" and not i.op.startswith("logical"):
        dtype = numpy.result_type(*(a.dtype for a in i.args))
        if i.op.startswith("is") and dtype.kind != "f":  # ONNX tests floating numbers only
            dtype = numpy.dtype("float32")
    cast = _cast(w, i, *args, dtype=dtype)
    given = dict(zip("xy", cast, strict=False))

    def node(part: Any) -> str:
        if isinstance(part, tuple):
            return w.node(part[0], *map(node, part[1:]))
        return given[part] if isinstance(part, str) else w.number(part, i.out)

    return node(formula) if isinstance(formula, tuple) else w.node(formula, *cast)


def _reduced(w: Writer, op_type: str, x: str, axis: Any = None, keepdims: bool = False) -> str:
    axes = (axis,) if isinstance(axis, int) else axis
    if axes == ():
        return w.node("Identity", x)
    return w.node(op_type, x, *([] if axes is None else [w.ints(*axes)]), keepdims=int(keepdims))


# -------------------------------------------------------------------------------------------------------- elementwise


@primitive("where")
def _where(w: Writer, i: Instruction, condition: str, x: str, y: str) -> str:
    x, y = (w.cast(n, a.dtype, i.out.dtype) for n, a in zip((x, y), i.args[1:], strict=True))
    return w.node("Where", w.cast(condition, i.args[0].dtype, bool), x, y)


# ------------------------------------------------------------------------------------------------------------- shapes


@primitive("reshape")
def _reshape(w: Writer, i: Instruction, x: str) -> str:
    name, shape = w.parts.get(i.args[0], ("", None))
    return name if shape == i.out.shape else w.reshape(x, i.out.shape)


def _index_of(i: Instruction, axes: int) -> tuple[list[Any], list[Value]]:
    """The index of an instruction with one entry for each axis, and None for each new one; also its arrays."""
    index = i.params["index"]
    entries = [*index] if isinstance(index, tuple) else [index]
    used = sum(entry is not None and entry is not ... for entry in entries)
    at = next((k for k, entry in enumerate(entries) if entry is ...), len(entries))
    entries[at : at + 1] = [slice(None)] * (axes - used)
    return entries, [i.args[entry.index] for entry in entries if isinstance(entry, Slot)]


@primitive("getitem")
def _getitem(w: Writer, i: Instruction, *args: str) -> str:
    x, shape = args[0], i.args[0].shape
    entries, arrays = _index_of(i, len(shape))
    if arrays:
        return _picked(w, i, x, entries, arrays)
    for place, name, part_shape in w.packed.get(i.args[0], ()):
        if entries == [place]:
            w.parts[i.out] = name, part_shape
            return w.reshape(name, (-1,))
    if any(isinstance(e, bool) or not (e is None or isinstance(e, int | slice | numpy.integer)) for e in entries):
        raise NotWritten(f"the index {i.params['index']!r} has no counterpart in ONNX.")
    parts = [entry for entry in entries if entry is not None]
    gone = [axis for axis, part in enumerate(parts) if not isinstance(part, slice)]
    new = [i for i, e in enumerate(e for e in entries if e is None or isinstance(e, slice)) if e is None]
    cuts = []
    for axis, (part, n) in enumerate(zip(parts, shape, strict=True)):
        whole = part if isinstance(part, slice) else slice(int(part) % n, int(part) % n + 1)
        start, stop, step = whole.indices(n)
        if axis in gone or (start, stop, step) != (0, n, 1):
            cuts.append((start, stop if stop >= 0 else -(2**31), axis, step))
    if cuts:
        x = w.node("Slice", x, *(w.ints(*column) for column in zip(*cuts, strict=True)))
    if gone:
        x = w.node("Squeeze", x, w.ints(*gone))
    return w.node("Unsqueeze", x, w.ints(*new)) if new else x


def _picked(w: Writer, i: Instruction, x: str, entries: list[Any], arrays: list[Value]) -> str:
    """Write an index with arrays, which index one axis or the first axes."""
    axes = [k for k, entry in enumerate(entries) if isinstance(entry, Slot)]
    others = [entry for entry in entries if not isinstance(entry, Slot)]
    if all(entry == slice(None) for entry in others) and all(value.dtype.kind in "iu" for value in arrays):
        if len(axes) == 1:
            return w.node("Gather", x, w.name(arrays[0]), axis=axes[0])
        if axes == [*range(len(axes))]:
            return w.node("GatherND", x, _rows_of(w, arrays))
    raise NotWritten(f"the index {i.params['index']!r} has no counterpart in ONNX.")


def _rows_of(w: Writer, indices: list[Value]) -> str:
    """Indices of the first axes as rows, broadcast against each other."""
    shape = numpy.broadcast_shapes(*(value.shape for value in indices))
    columns = [
        w.node("Unsqueeze", w.expand(w.typed(value, "int64"), value.shape, shape), w.ints(len(shape)))
        for value in indices
    ]
    return w.node("Concat", *columns, axis=-1)


# -------------------------------------------------------------------------------------------------- NumPy's functions


@call("concat")
def _concat(w: Writer, i: Instruction, arrays: Any, axis: int | None = 0) -> str:
    return w.node("Concat", *(w.typed(a, i.out.dtype) for a in arrays), axis=axis)


@call("stack")
def _stack(w: Writer, i: Instruction, arrays: Any, axis: int = 0) -> str:
    axis %= len(i.out.shape)
    names = [w.node("Unsqueeze", w.typed(a, i.out.dtype), w.ints(axis)) for a in arrays]
    return w.node("Concat", *names, axis=axis)


@call("take")
def _take(w: Writer, i: Instruction, x: Value, indices: Value, axis: int, **_: Any) -> str:
    return w.node("Gather", w.name(x), w.name(indices), axis=axis)


@call("clip")
def _clip(w: Writer, i: Instruction, x: Value, min: Any = None, max: Any = None) -> str:
    texts = ("" if bound is None else w.number(bound, i.out) for bound in (min, max))
    return w.node("Clip", w.typed(x, i.out.dtype), *texts)


@call("argmax", "argmin")
def _place_of(w: Writer, i: Instruction, x: Value, axis: int | None = None, keepdims: bool = False) -> str:
    op_type, name = "ArgMax" if i.op == "argmax" else "ArgMin", w.name(x)
    if axis is None:
        return w.reshape(w.node(op_type, w.reshape(name, (-1,)), axis=0, keepdims=0), i.out.shape)
    return w.node(op_type, name, axis=axis, keepdims=int(keepdims))


# --------------------------------------------------------------------------------------------------- whole operations


@operation("pad")
def _pad(w: Writer, i: Instruction, x: Value, pad_width: Any, constant_values: Any = 0, mode: str = "constant") -> str:
    if mode != "constant":
        raise NotWritten("it is written as the indices that it takes.", "pad")
    around = numpy.broadcast_to(pad_width, (len(x.shape), 2)).T.reshape(-1)
    return w.node("Pad", w.name(x), w.ints(*map(int, around)), w.number(constant_values, x))


@operation("softmax", "log_softmax")
def _softmax(w: Writer, i: Instruction, x: Value, axis: Any = -1) -> str:
    if isinstance(axis, tuple):
        raise NotWritten("a softmax over several axes has no counterpart in ONNX.", i.params["name"])
    return w.node("Softmax" if i.params["name"] == "softmax" else "LogSoftmax", w.name(x), axis=axis)


@operation("linear")
def _linear(w: Writer, i: Instruction, x: Value, weight: Value, bias: Value | None = None) -> str:
    names = [w.typed(v, i.out.dtype) for v in (x, weight, bias) if v is not None]
    if len(x.shape) == 2:
        return w.node("Gemm", *names, transB=1)
    z = w.node("MatMul", names[0], w.node("Transpose", names[1], perm=[1, 0]))
    return z if bias is None else w.node("Add", z, names[2])


@operation("mean")
def _mean(w: Writer, i: Instruction, x: Value, axis: Any = None, keepdims: bool = False) -> str:
    if x.dtype.kind != "f":
        raise NotWritten("the mean of integers has no counterpart in ONNX.", "mean")
    return _reduced(w, "ReduceMean", w.name(x), axis, keepdims)


class Norms:
    """The norms that ONNX has, by its names, each as one operation. Only traces for files have them, without a rule."""

    @staticmethod
    @op("LayerNorm")
    def layer_normalization(xp: Any, x: Any, weight: Any, bias: Any = None, *, axis: int, eps: float) -> Any:
        """The axes from ``axis`` on normalized together, scaled and shifted."""
        y = xp.standardize(x, axis=tuple(range(axis, 0)), eps=eps) * weight
        return y if bias is None else y + bias

    @staticmethod
    @op("BatchNorm")
    def batch_normalization(xp: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, *, eps: float) -> Any:
        """Each channel normalized by a known mean and variance, scaled and shifted."""
        scale = weight / xp.sqrt(var + eps)
        scale, shift = (xp.reshape(a, (-1, *(1,) * (x.ndim - 2))) for a in (scale, bias - mean * scale))
        return x * scale + shift


@operation("layer_normalization", "batch_normalization")
def _norm(w: Writer, i: Instruction, *given: Value | None, eps: float, **axis: Any) -> str:
    names = [w.typed(v, i.out.dtype) for v in given if v is not None]
    return w.node("LayerNormalization" if axis else "BatchNormalization", *names, epsilon=float(eps), **axis)


def _geometry(options: dict[str, Any], axes: int) -> dict[str, Any]:
    """The attributes of a window: strides, pads, dilations."""
    pads = pads_per_axis(options.get("padding", 0), axes)
    return {
        "strides": per_axis(options.get("stride", 1), axes, "stride"),
        "dilations": per_axis(options.get("dilation", 1), axes, "dilation"),
        "pads": [a for a, _ in pads] + [b for _, b in pads],
    }  # fmt: skip


@operation("conv")
def _conv(w: Writer, i: Instruction, x: Value, weight: Value, bias: Value | None = None, **options: Any) -> str:
    if options.get("space") is not None:
        raise NotWritten("a convolution with a given number of windows has no counterpart in ONNX.", "conv")
    found = _geometry(options, len(x.shape) - 2)
    names = [w.typed(v, i.out.dtype) for v in (x, weight, bias) if v is not None]
    return w.node("Conv", *names, group=options.get("groups", 1), kernel_shape=list(weight.shape[2:]), **found)


@operation("conv_input")
def _conv_input(w: Writer, i: Instruction, y: Value, weight: Value, space: Any, **options: Any) -> str:
    axes = len(space)
    found = _geometry(options, axes)
    reach = [
        (n - 1) * s + d * (k - 1) + 1
        for n, s, d, k in zip(y.shape[2:], found["strides"], found["dilations"], weight.shape[2:], strict=True)
    ]
    before = found["pads"][:axes]
    behind = [r - b - n for r, b, n in zip(reach, before, space, strict=True)]
    found["output_padding"] = [max(-b, 0) for b in behind]  # elements that no window reached
    found["pads"] = [*before, *(max(b, 0) for b in behind)]
    if any(
        p >= max(s, d) for p, s, d in zip(found["output_padding"], found["strides"], found["dilations"], strict=True)
    ):
        raise NotWritten("this transposed convolution has no counterpart in ONNX.", "conv_input")
    names = [w.typed(v, i.out.dtype) for v in (y, weight)]
    return w.node("ConvTranspose", *names, group=options.get("groups", 1), kernel_shape=list(weight.shape[2:]), **found)


def _pool(options: dict[str, Any], axes: int) -> dict[str, Any]:
    size = per_axis(options.pop("size"), axes, "size")
    return {"kernel_shape": size, **_geometry({**options, "stride": options.get("stride") or size}, axes)}


@operation("max_pool")
def _max_pool(w: Writer, i: Instruction, x: Value, **options: Any) -> str:
    return w.node("MaxPool", w.name(x), **_pool(options, len(x.shape) - 2))


@operation("sum_pool")
def _sum_pool(w: Writer, i: Instruction, x: Value, **options: Any) -> str:
    found = _pool(options, len(x.shape) - 2)
    mean = w.node("AveragePool", w.name(x), count_include_pad=1, **found)
    return w.node("Mul", mean, w.number(math.prod(found["kernel_shape"]), i.out))


@operation("scan_packed")
def _scan(w: Writer, i: Instruction, *arrays: Value, loop: Any) -> str:
    """A Scan: the carries are its states, the xs are scanned, and the consts are known by their names in the body."""
    body, onnx = loop.body, w.onnx
    examples = [numpy.zeros(shape, dtype) for shape, dtype in (body.types[n] for n in body.inputs)]
    program = trace(lambda *given: body.run(*map(Tensor, given)), *examples)
    steps, names = body.carries + body.xs, {}
    for n, (value, array) in enumerate(zip(program.inputs, arrays, strict=True)):
        inside = n < steps
        names[value] = w.fresh(f"{body.name}_{body.names[n]}") if inside else w.typed(array, value.dtype)
    inner = Writer(names, around=w)
    write(inner, program)
    results = [inner.node("Identity", inner.name(value)) for value in program.outputs]
    w.taken |= inner.taken
    graph = onnx.helper.make_graph(
        without_dead(inner.nodes, results), body.name,
        [value_info(onnx, names[value], value, False) for value in program.inputs[:steps]],
        [value_info(onnx, name, value, False) for name, value in zip(results, program.outputs, strict=True)],
        inner.initializers,
    )  # fmt: skip
    given = [w.typed(a, p.dtype) for a, p in zip(arrays[:steps], program.inputs, strict=False)]
    counts = {"input": body.xs, "output": len(body.outputs) - body.carries}
    directions: dict[str, Any] = {f"scan_{way}_directions": [1] * n for way, n in counts.items() if loop.reverse}
    w.node("Scan", *given, outputs=len(results), body=graph, num_scan_inputs=body.xs, **directions)
    outputs = [*w.nodes[-1].output]
    w.packed[i.out] = [(place, outputs[n], shape) for n, place, shape in body.parts(loop.length, loop.dtype)]
    flat = [w.reshape(name, (-1,)) for _, name, _ in w.packed[i.out]]
    return flat[0] if len(flat) == 1 else w.node("Concat", *flat, axis=0)


WHOLE = frozenset(OPERATIONS)
"""The operations that a trace for ONNX keeps whole."""
