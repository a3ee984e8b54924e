"""A module or a function as an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy

from glassgrad.autograd import asarray, zeros
from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.common.validation import as_path
from glassgrad.autograd.compiler.trace import Trace
from glassgrad.autograd.compiler.tracing.namespace import whole
from glassgrad.autograd.errors import DomainError, DTypeError
from glassgrad.nn.errors import ConversionError
from glassgrad.nn.functional import normalization
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving.onnx.batch import SIZES, for_any_batch
from glassgrad.nn.saving.onnx.read import onnx_package
from glassgrad.nn.saving.onnx.rows import WHOLE, Norms, write
from glassgrad.nn.saving.onnx.write import IR_VERSION, OPSET, NotWritten, Writer, used_by, value_info, without_dead


def save_onnx(
    model: Callable[..., Any],
    path: str | PathLike[str],
    *examples: Any,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = False,
) -> None:
    """Write a module or a function of Tensors as an ONNX file, atomically.

    The model is traced once on the ``examples``, arrays or Tensors of the shapes and dtypes of its inputs. A layer is
    one node where ONNX has one: a Linear is a Gemm, a Conv2d a Conv, an LSTM a Scan. Parameters keep their names.

    ``input_names``: by default those of the function's arguments. ``output_names``: by default ``output``, or
    ``output_0``, ``output_1``, ... ``dynamic_batch``: the first axis of all inputs is the number of examples, and the
    file takes any. The file has opset 21, which needs onnxruntime 1.18 or later.

    Raises `nn.errors.ConversionError` for operations without a counterpart in ONNX, random numbers among them, and for
    a training step: what is written is computed forward; and
    `autograd.errors.DependencyError` without the package ``onnx``.

    >>> import tempfile, os
    >>> from glassgrad import nn, autograd as ag
    >>> model = nn.MLP([4, 3, 2], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_onnx(model, os.path.join(folder, "model.onnx"), ag.ones((1, 4), dtype="float32"))
    ...     nn.load_onnx(os.path.join(folder, "model.onnx"))
    ONNXModel x(1, 4) → output: 23 parameters
      layers.0.weight  Parameter (3, 4)  12
      layers.0.bias    Parameter (3,)     3
      layers.2.weight  Parameter (2, 3)   6
      layers.2.bias    Parameter (2,)     2
    """
    onnx = onnx_package()
    path = as_path(path)
    if not callable(model):
        raise DTypeError(f"model is {shown(model)}: give a module or a function of Tensors.")
    if not examples:
        raise DomainError("save_onnx follows the model once: give an example of each of its inputs.")
    given = [asarray(x) for x in examples]
    try:
        if dynamic_batch:
            proto, other = (_followed(onnx, model, _of_size(given, n), input_names, output_names) for n in SIZES)
            proto = for_any_batch(onnx, proto, other)
        else:
            proto = _followed(onnx, model, given, input_names, output_names)
    except NotWritten as error:
        raise ConversionError(f"{_described(model)} can't be written as ONNX: {error}") from None
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the package raises errors of several undocumented classes
        raise ConversionError(
            f"{_described(model)} can't be written as ONNX: onnx.checker refuses the file: {str(error)[:300]}"
        ) from error
    write_file(path, proto.SerializeToString())


def _of_size(examples: Sequence[Any], size: int) -> list[Any]:
    """Examples of the same shapes with ``size`` along their first axis, where they have one."""
    lengths = {x.shape[0] for x in examples if x.shape}
    if len(lengths) != 1:
        raise DomainError(
            "dynamic_batch needs inputs with the same first axis, the number of examples; it was given shapes "
            f"{', '.join(str(tuple(x.shape)) for x in examples)}."
        )
    return [zeros((size, *x.shape[1:]), dtype=x.dtype) if x.shape else x for x in examples]


def _followed(onnx: Any, model: Any, examples: Sequence[Any], input_names: Any, output_names: Any) -> Any:
    """The ``onnx`` model, with as many operations kept whole as possible."""
    kept, called = WHOLE, model.forward if isinstance(model, Module) else model  # whose arguments name the inputs
    while True:
        try:
            with whole(kept), holding(normalization.WHOLE, Norms):
                trace = Trace(called, examples, {})
                trace = Trace(called, examples, {}) if trace.changes else trace  # that only the first call makes
        except (ArithmeticError, LookupError, TypeError, ValueError):
            Trace(called, examples, {})  # raises an error for inputs that do not fit
            raise
        try:
            return _model(onnx, model, trace, input_names, output_names)
        except NotWritten as error:
            if error.operation not in kept:
                raise
            kept -= {error.operation}  # traced into its parts


def _described(model: Any) -> str:
    return model._described() if isinstance(model, Module) else getattr(model, "__name__", type(model).__name__)


def _model(onnx: Any, model: Any, trace: Trace, input_names: Any, output_names: Any) -> Any:
    """The ``onnx`` model."""
    program = trace.program
    if trace.changes:
        changed = ", ".join(dict.fromkeys(guard.name for guard in trace.changes))
        raise NotWritten(f"it changes {changed} at each call, and a file holds only computations with Tensors.")
    if program.updates or trace.delivered:
        raise NotWritten(
            "it changes buffers, parameters or gradients, as batch normalization and training steps do, and a file "
            "holds what is computed forward: call model.eval() first."
        )
    inputs = _checked(input_names, [value.name for value in program.inputs], "input_names")
    writer = Writer(dict(zip(program.inputs, inputs, strict=True)))
    for value in program.values():
        if value.kind in ("state", "knob"):
            name = writer.names[value] = writer.fresh((value.kind == "state" and value.origin.name) or value.name)
            data = value.origin.data if value.kind == "state" else value.origin[0][value.origin[1]]
            writer.initializers.append(onnx.numpy_helper.from_array(_array(data, value.dtype), name))
    count = len(program.outputs)
    usual = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
    outputs = _checked(output_names, usual, "output_names")
    if output_names is None:
        outputs = [writer.fresh(name) for name in usual]
    elif taken := [name for name in outputs if name in writer.taken]:
        raise DomainError(f"output_names: an input or a parameter is called {taken[0]!r}, too: choose another name.")
    wanted = dict(zip(reversed(program.outputs), reversed(outputs), strict=True))  # one with two names keeps the first
    temporaries = {value: name for value, name in wanted.items() if value.kind == "temporary"}
    writer.names |= temporaries
    writer.taken |= set(outputs)
    write(writer, program)
    for value, name in zip(program.outputs, outputs, strict=True):
        if temporaries.get(value) != name:
            writer.node("Identity", writer.name(value), out=name)
    nodes = without_dead(writer.nodes, outputs)
    used = {*outputs, *used_by(nodes)}
    graph = onnx.helper.make_graph(
        nodes,
        _described(model),
        [value_info(onnx, writer.names[value], value) for value in program.inputs],
        [value_info(onnx, name, value) for name, value in zip(outputs, program.outputs, strict=True)],
        [t for t in writer.initializers if t.name in used],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="glassgrad"
    )


def _array(data: Any, dtype: Any) -> Any:
    array = asarray(data).to("cpu").data
    return numpy.ascontiguousarray(array, dtype=dtype).reshape(numpy.shape(array))


def _checked(names: Any, usual: list[str], what: str) -> list[str]:
    """The names of inputs or outputs, checked to be complete and unique."""
    if names is None:
        return usual
    found = [names] if isinstance(names, str) else list(names)
    if len(found) != len(usual) or len(set(found)) != len(found) or not all(isinstance(n, str) and n for n in found):
        raise DomainError(f"{what} = {names!r}: give {len(usual)} different names, one for each.")
    return found
