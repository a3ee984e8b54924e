"""`compile` with ``check=True``: each call is made twice, by the function and by its program, and what both leave is
compared: results, states, gradients and random streams.

Two arrays may differ by rounding: by `ULPS` units in the last place of the largest element, plus `SPREADS` times the
change of the traced program's result when each of its instructions is disturbed by `NOISE` units in the last place
(Monte Carlo arithmetic: D. Parker, UCLA CSD-970002, 1997). Where the change is half of the digits, rounding decides,
as at a kink, or where a gradient that is zero up to rounding is normalized: such an array is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir import interpreter
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, VIEWS, compute
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.trace import ARRAY, Trace, is_array
from glassgrad.autograd.engine.modes import Observer
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import CheckError

ULPS, NOISE, SPREADS, DRAWS = 64, 2.0, 8, 12
LOST = 1000
"""`SPREADS` for an array whose digits are all rounding errors, such as the gradient of batch norm of equal rows."""

EXACT = VIEWS | frozenset(
    (
        "negative", "positive", "abs", "sign", "maximum", "minimum", "max", "min", "floor", "ceil", "trunc", "copysign",
        "where", "getitem", "setitem", "take", "take_sure", "concat", "stack", "pack", "copy", "tile", "repeat",
        "tril", "triu", "pad", "draw", "check_range",
    )
)  # fmt: skip
"""The primitives that are exact: they never round."""

Array = numpy.ndarray[Any, Any]


# ------------------------------------------------------------------------------------------------------- what is seen


def values_of(thing: Any) -> Array:
    """A copy of the values of a Tensor or an array."""
    return numpy.array(backends.to_numpy(thing._data) if isinstance(thing, Tensor) else thing)


def write(thing: Any, values: Array) -> None:
    """Set the values of a Tensor or an array in place, where that can be done."""
    array = thing._data if isinstance(thing, Tensor) else thing
    if isinstance(array, numpy.generic) and isinstance(thing, Tensor):  # which can't be written to
        thing._data = values[()]
    elif not isinstance(array, numpy.ndarray) or array.flags.writeable:
        array[...] = backends.namespace(array).asarray(values)


class Seen:
    """What the user sees of Tensors and arrays, by their paths, of generators, and of the results of a call.

    ``values`` has arrays by the path of a Tensor, by ``path.grad``, and by the number of the result; ``form`` is the
    structure of the results, and for each whether it requires grad, or its type.
    """

    def __init__(self, things: Mapping[str, Any], generators: Mapping[str, Any], result: Any = None) -> None:
        self.tensors = {path: thing for path, thing in things.items() if isinstance(thing, Tensor)}
        self.slots = {path: (t._data, t.grad, t.node, t.requires_grad) for path, t in self.tensors.items()}
        grads = {f"{path}.grad": t.grad for path, t in self.tensors.items() if t.grad is not None}
        self.things = {**things, **grads}
        self.values: dict[Any, Array] = {path: values_of(thing) for path, thing in self.things.items()}
        self.generators = generators
        self.streams = {path: generator.bit_generator.state for path, generator in generators.items()}
        leaves, structure = trees.flatten(result)
        self.form = structure, [getattr(leaf, "requires_grad", type(leaf)) for leaf in leaves]
        numbers = [(n, x) for n, x in enumerate(leaves) if hasattr(x, "dtype") or isinstance(x, complex | float | int)]
        self.values |= {n: values_of(leaf) for n, leaf in numbers}

    def restore(self) -> None:
        """Put everything but the results back."""
        for path, tensor in self.tensors.items():
            tensor._data, tensor.grad, tensor.node, tensor.requires_grad = self.slots[path]
        for path, thing in self.things.items():
            write(thing, self.values[path])
        for path, generator in self.generators.items():
            generator.bit_generator.state = self.streams[path]


# ----------------------------------------------------------------------------------------------------------- rounding


def interpret(
    program: Program, inputs: Sequence[Any], states: Mapping[Value, Any], noise: numpy.random.Generator | None = None
) -> tuple[list[Any], dict[Value, Any]]:
    """The results of a program and its new states, instruction by instruction; with ``noise`` each is disturbed.

    The sign of a product of matrices that is 0 is noise, too: NumPy's own differs with ``out=`` (``[0.] @ [-1.]``).
    """

    def disturbed(array: Any, times: float = 1.0) -> Any:
        if noise is None or getattr(array, "dtype", numpy.dtype(bool)).kind != "f":
            return array
        far = NOISE * times * float(numpy.finfo(array.dtype).eps)
        return (array * (1 + noise.uniform(-far, far, numpy.shape(array)))).astype(array.dtype)

    def computed(instruction: Instruction, args: list[Any]) -> Any:
        exact = instruction.op in EXACT
        times = 1.0
        if not exact and instruction.op not in ELEMENTWISE:  # in a sum every partial sum is rounded
            times = _terms(instruction) ** 0.5
            args = [disturbed(arg, times) for arg in args]
        out = compute(instruction.op, instruction.params, args)
        if noise is not None and instruction.op == "matmul":
            out = numpy.where(out == 0, out * noise.choice([-1, 1], numpy.shape(out)).astype(out.dtype), out)
        return out if exact else disturbed(out, times)

    with numpy.errstate(all="ignore"):
        return interpreter.interpret(program, *inputs, states=states, by=computed)


def _terms(instruction: Instruction) -> float:
    """The approximate number of terms that are summed for an element of the result."""
    first, out = instruction.args[0].shape, instruction.out.shape
    return float(first[-1] if instruction.op == "matmul" else max(1, size(first) // max(1, size(out))))


def difference(found: Array, eager: Array, spread: float = 0.0) -> str:
    """Where two arrays differ by more than rounding; empty where they don't. Infinities and NaN are not compared."""
    if found.shape != eager.shape or found.dtype != eager.dtype:
        return f"it is {found.shape} {found.dtype} instead of {eager.shape} {eager.dtype}"
    if numpy.array_equal(found, eager):
        return ""
    wrong, allowed = found != eager, 0.0
    if eager.dtype.kind == "f":
        info = numpy.finfo(eager.dtype)
        largest = magnitude(eager)
        multiple = LOST if spread > largest / 2 else SPREADS
        allowed = ULPS * float(info.eps) * largest + multiple * spread + float(info.tiny)
        wrong = ~(distance(found, eager) <= allowed) & numpy.isfinite(eager)
    if not wrong.any():
        return ""
    at = tuple(numpy.argwhere(wrong)[0].tolist())
    return f"element {list(at)} of {eager.shape} is {found[at]:.9g} instead of {eager[at]:.9g}, allowed {allowed:.2g}"


def magnitude(array: Array) -> float:
    """The largest finite absolute value."""
    return float(numpy.max(numpy.abs(array[numpy.isfinite(array)]), initial=0.0))


def distance(one: Array, other: Array) -> Array:
    """The elementwise distance of two arrays; 0 for equal elements and for two NaN."""
    with numpy.errstate(all="ignore"):
        far = numpy.abs(one.astype("float64") - other.astype("float64"))
        equal = (one == other) | (numpy.isnan(one) & numpy.isnan(other))
        return numpy.where(equal, 0.0, numpy.where(numpy.isnan(far), numpy.inf, far))


def differences(found: Seen, eager: Seen, spreads: Mapping[Any, float]) -> dict[Any, str]:
    """For each array that differs, where it does."""
    wrong = dict.fromkeys(found.values.keys() - eager.values.keys(), "it is not there in eager mode")
    both = [key for key in found.values if key not in wrong]
    wrong |= {key: difference(found.values[key], eager.values[key], spreads.get(key, 0.0)) for key in both}
    return {key: text for key, text in wrong.items() if text}


def half_of_the_digits(array: Array) -> float:
    """The largest effect of rounding that does not suggest a kink."""
    return float(numpy.sqrt(numpy.finfo(array.dtype).eps)) * magnitude(array) if array.dtype.kind == "f" else numpy.inf


# ---------------------------------------------------------------------------------------------------------- the check


def checked(
    executable: Executable, called: str, function: Callable[..., Any], args: Any, kwargs: Any, given: Sequence[Any]
) -> Any:
    """The result of the program of ``function`` for the arrays ``given``, after the same call of the function.

    Raises `CheckError`, with everything as it was before the call, where they differ by more than rounding.
    """
    trace = executable.trace
    program, leaves = trace.program, trees.leaves((args, kwargs))
    names = {id(state.origin): state.name for state in program.states}
    graded = (*trace.delivered, *trace.cleared, *trace.ungraded, *(value.origin for value in trace.given))
    touched = {id(tensor): tensor for tensor in (*trace.captured, *graded)}
    tensors = {names.get(key, f"{tensor.name or 'a Tensor'} ({key})"): tensor for key, tensor in touched.items()}
    arguments = dict(zip([value.name for value in program.inputs], filter(is_array, leaves), strict=False))
    things = tensors | {name: leaf for name, leaf in arguments.items() if isinstance(leaf, Tensor | numpy.ndarray)}
    generators = {name: generator for generator, name in program.generators().items()}
    before = Seen(things, generators)
    try:
        with Observer().observing():  # under which compiled functions that it calls run as themselves, too
            eager = Seen(things, generators, function(*args, **kwargs))
    except Exception as error:
        before.restore()
        executable.finish(executable.run(*given))
        before.restore()
        raise CheckError(f"{called} returns, and the function itself raises {type(error).__name__}: {error}") from error
    before.restore()
    result = executable.finish(executable.run(*given))
    found, made = Seen(things, generators, result), _made(trace, tensors)
    wrong = differences(found, eager, {})
    if wrong:
        spreads = _spreads(trace, before, leaves, made)
        wrong = differences(found, eager, spreads)
        wrong = {k: v for k, v in wrong.items() if spreads.get(k, 0.0) <= half_of_the_digits(found.values[k])}
    kept = {id(state.origin) for state in program.updates}  # of these a program keeps no gradient
    lost = [f"{path}.grad" for path, t in tensors.items() if id(t) not in kept and f"{path}.grad" in eager.values]
    wrong |= {key: "it is None instead of an array" for key in lost if key not in found.values}
    if found.form != eager.form:
        wrong["the result"] = f"its form is {found.form} instead of {eager.form}"
    if found.streams != eager.streams:
        path = next(path for path in found.streams if found.streams[path] != eager.streams[path])
        wrong[path] = "the random generator is in another state"
    if wrong:
        before.restore()
        key, text = next(iter(wrong.items()))
        what = f"result {key}" if isinstance(key, int) else key
        maker = trace.program.producers().get(made.get(key))  # type: ignore[arg-type]
        line = f" ({maker.origin.line})" if maker is not None and maker.origin is not None else ""
        raise CheckError(
            f"{called} and the function itself differ at {what}{line}: {text}. Nothing was "
            'changed. The page "Compile a training step" lists what a program does not see; the function, which is '
            "the compiled one's .function, is right."
        )
    return result


def _made(trace: Trace, tensors: Mapping[str, Tensor]) -> dict[Any, Value]:
    """The outputs and new states of a program, by the keys of `Seen`."""
    paths = {id(tensor): path for path, tensor in tensors.items()}
    numbers = [n for n, leaf in enumerate(trace.result.leaves) if leaf is ARRAY]
    names = [*numbers, *(f"{paths.get(id(t))}.grad" for t in trace.delivered)]
    updates = {paths[id(state.origin)]: value for state, value in trace.program.updates.items()}
    return dict(zip(names, trace.program.outputs, strict=True)) | updates


def _spreads(trace: Trace, before: Seen, leaves: Sequence[Any], made: Mapping[Any, Value]) -> dict[Any, float]:
    """The largest effect of noise on each result, gradient and state."""
    paths = {id(thing): path for path, thing in before.things.items()}
    inputs = [before.values[paths[id(x)]] if id(x) in paths else values_of(x) for x in leaves if is_array(x)]
    inputs += [before.values[f"{paths[id(value.origin)]}.grad"] for value in trace.given]
    states = {state: before.values[paths[id(state.origin)]] for state in trace.program.states}
    now = Seen({}, before.generators)

    def read(noise: numpy.random.Generator | None = None) -> dict[Any, Array]:
        for path, generator in before.generators.items():
            generator.bit_generator.state = before.streams[path]
        outputs, updates = interpret(trace.program, inputs, states, noise)
        return dict(zip(made, (*outputs, *updates.values()), strict=True))

    try:
        base, found = read(), dict[Any, float]()
        for seed in range(DRAWS):
            for key, moved in read(numpy.random.default_rng(seed)).items():
                if moved.dtype.kind == "f":
                    found[key] = max(found.get(key, 0.0), float(distance(moved, base[key]).max(initial=0.0)))
    finally:
        now.restore()
    return found


__all__ = ["checked"]
