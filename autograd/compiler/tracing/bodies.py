"""`recorded`: a function traced once, without values, as the list of operations that a loop runs at each step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.primitives import compute, mapped
from glassgrad.autograd.compiler.ir.program import Program, Value, method
from glassgrad.autograd.compiler.tracing.lines import refusal
from glassgrad.autograd.compiler.tracing.namespace import TRACE
from glassgrad.autograd.compiler.tracing.surroundings import DATA, watched
from glassgrad.autograd.compiler.tracing.traced import Number, Traced
from glassgrad.autograd.compiler.tracing.tracer import Tracer
from glassgrad.autograd.engine.modes import MODE, Mode, Observer
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.operation import OPS, Op
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import TraceError
from glassgrad.autograd.ops.loops.body import Body, Step, Typed, computed
from glassgrad.autograd.readings.levels import LIFTED, RECORDER, TRANSPOSING, Lifted, innermost, plain_parts


class Recorder(Tracer, Observer):
    """The tracer of a loop's body, which records every operation that a function calls. Values have numbers, the
    inputs first. Arrays from outside of the body are captured: they become inputs like the others.

    ``captured``: the Tensors and arrays that the function captured, with their numbers. ``outputs``: the numbers of its
    results, ``None`` for a result ``None``. ``mark``: how many operations there were when the function called its
    ``mark()``. ``names``: those of the inputs and of what was captured. ``record`` makes further recordings.
    """

    notices_changes = True

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(recorded.__code__)
        self.outer, self.record = TRACER.get(), recorded
        self.found: dict[int, tuple[Any, Traced]] = {}
        self.known: set[int] = set()
        self.names = dict(enumerate(names))
        self.outputs: list[int | None] = []
        self.captured: list[tuple[Any, int]] = []
        self.numbers: dict[int, int] = {}
        self.types: dict[int, Typed] = {}
        self.constants: dict[int, Any] = {}
        self.steps: list[Step] = []
        self.held: list[Any] = []  # kept alive, so that their ids are not reused
        self.mark = 0

    def _refuse(self, what: str, way: str) -> NoReturn:
        raise refusal(f"{what} within the function of a scan, which is traced once for all steps: {way}.")

    def _captured(self, thing: Any, array: Any) -> Traced:
        key = id(thing)
        if key not in self.found:
            name = getattr(thing, "name", None) or self.lines.variable(thing) or "state"
            self.found[key] = thing, self.input(array.shape, numpy.dtype(array.dtype), name)
        return self.found[key][1]

    def read(self, tensor: Tensor, raw: Any) -> Any:
        """The array of ``tensor``: an input, unless the body made it."""
        return raw if self.is_own(raw) else self._captured(tensor, raw)

    def is_own(self, array: Any) -> bool:
        """Whether the body made an array, which may be lifted."""
        traced = plain_parts(array)[0]
        return type(traced) is Traced and traced.tracer is self

    def captures_lifted(self, array: Any) -> bool:
        """Whether ``array`` is lifted and not made by the body."""
        return isinstance(array, Lifted) and not self.is_own(array)

    def lift(self, x: Any, dtype: Any = None) -> Value:
        """``x`` as a value; an array from outside becomes an input."""
        if (type(x) is Traced and x.tracer is not self) or (type(x) is not Traced and getattr(x, "shape", None)):
            return self._captured(x, x).value
        return super().lift(x, dtype)

    def write(self, tensor: Tensor, raw: Any, array: Any) -> Any:
        """The array to store in a Tensor that the body created."""
        if raw is not None and not self.is_own(raw):
            self._refuse(f"changes Tensor {tensor.name or tensor.shape}", "pass it on as a part of the carry")
        return super().write(tensor, raw, array)

    def refuse_writing(self, place: Any) -> None:
        """Raise `TraceError`: values of a loop's body can't be written to in place."""
        memory = place.memory if type(place) is Traced else place
        if id(memory) in self.known:
            self._refuse("writes into an array", "compute a new one, or write x[index] = value to a Tensor")

    def gradient(self, tensor: Tensor, raw: Any) -> Any:
        """Raise `TraceError`: gradients within a loop's body are not available."""
        self._refuse(
            f"uses the .grad of Tensor {tensor.name or tensor.shape}", "use autograd.grad, or backward after it"
        )

    def guard(self, holder: Any, name: str, value: Any) -> None:
        """Pass the guard on to the enclosing trace, if there is one."""
        if self.outer is not None:
            self.outer.guard(holder, name, value)

    def attribute_read(self, kind: Any, holder: Any, name: str) -> None:
        """Pass the read on to the enclosing trace, if there is one."""
        if self.outer is not None:
            self.outer.attribute_read(kind, holder, name)

    def attribute_written(self, kind: Any, holder: Any, name: str) -> None:
        """Raise `TraceError`: the attribute would be set once and not at each step."""
        self._refuse(f"sets {type(holder).__name__}.{name}", "return the new value as a part of the carry")

    def draw(self, method: str, generator: Any, shape: Any, dtype: Any, **options: Any) -> Any:
        """Raise `TraceError`: the random numbers would be the same at all steps."""
        self._refuse("draws random numbers", "draw them for all steps before, and give them as a part of xs")

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """Do nothing: the operation checks its values when it runs."""

    def folded(self, value: Value) -> Any:
        """The value computed now, if it depends on constants only. Raises `TraceError` otherwise."""
        if value.kind == "constant":
            return value.data
        maker = next((i for i in reversed(self.instructions) if i.out is value), None)
        if maker is None:
            self._refuse("computes with the .data of a Tensor", "compute with the Tensor itself, which is recorded")
        return compute(maker.op, maker.params, [self.folded(arg) for arg in maker.args])

    def new(self, x: Any, value: Any) -> int:
        """The next number, for ``x``, of the shape and dtype of ``value``."""
        self.numbers[id(x)] = number = len(self.types)
        self.held.append(x)
        self.types[number] = tuple(getattr(value, "shape", ())), getattr(value, "dtype", None)
        if type(x) is Traced:
            self.known.add(id(x.memory))
        return number

    def number_of(self, x: Any) -> int:
        """The number of an array, a Python number or ``None``."""
        if type(x) is Number:
            x.ask()
        if id(x) in self.numbers:
            return self.numbers[id(x)]
        value = x
        if type(x) is Traced and self.is_own(x):
            found = next((t for _, t in self.found.values() if t.value is x.value), None)
            if found is not None:
                return self.numbers[id(found)] if id(found) in self.numbers else self.new(found, found)
            value = self.folded(x.value)
        elif getattr(x, "shape", ()):
            return self.number_of(self._captured(x, x))
        number = self.new(x, value)
        self.constants[number] = value
        return number

    def walked(self, order: list[Any], totals: dict[Any, Any]) -> Iterable[Any]:
        """The nodes, with the lines that they come from."""
        return self.lines.walked(order, totals)

    def called(self, op: Any, result: Tensor, arrays: Any, params: dict[str, Any], mask: int) -> None:
        """Record one operation. Of one on lifted arrays, and of one that leaves a level, what it consists of is."""
        self.lines.called(op, result)
        if op in LIFTED.crossing or innermost(arrays) is not None:
            return

        def known(part: Any) -> Any:
            if type(part) is Traced:
                way = "pick rows with autograd.take(x, i, axis=0), or choose with autograd.where"
                self._refuse(f"calls {op.name} with an index or another parameter that has no values", way)
            return part.ask() if type(part) is Number else part

        params = mapped(params, known)
        args = tuple(map(self.number_of, arrays))
        if id(result.data) in self.numbers:  # the forward has returned its argument
            memory, view = result.data.memory, Traced(self, result.data.value)
            view.base = memory if view.shape else None
            DATA.__set__(result, view)
        out = self.new(result.data, result.data)
        # Tangents are no Tensors that require grad.
        self.steps.append(Step(op, args, params, out, (-1 if TRANSPOSING.get() else mask) if MODE.get().grad else 0))

    def operation(self, op: Op, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
        """The result of an operation, recorded, on arrays that a lifted one is made of."""
        return op(*map(self.tensor, arrays), **params).data

    def function(self, name: str, args: Sequence[Any], options: dict[str, Any]) -> Any:
        """The result of a function of the namespace, recorded as its operations."""
        found: Any = TENSORS
        for part in name.split("."):
            found = getattr(found, part)
        result = found(*self.tensors(args), **options)
        return trees.map(lambda y: y.data if isinstance(y, Tensor) else y, result)

    def tensor(self, x: Any, name: str | None = None) -> Any:
        """An array of the body, or one made of such, as a Tensor through which gradients flow; anything else itself."""
        if type(x) is not Traced and not isinstance(x, Lifted):
            return x
        tensor = wrap(x, name=name)
        tensor.requires_grad = bool(backends.is_inexact(x.dtype))
        return tensor

    def tensors(self, args: Sequence[Any]) -> Any:
        """`tensor` of each array among the arguments of a function."""
        return trees.map(self.tensor, tuple(args))

    def stopped(self, x: Any) -> Any:
        """An array of the body, or one made of such arrays, as a value through which no gradient flows."""
        if type(x) is not Traced or not backends.is_inexact(x.dtype):
            return x.map(self.stopped) if isinstance(x, Lifted) else x
        with holding(MODE, Mode(False, MODE.get().scope, self)):
            return OPS["reshape"](wrap(x), shape=x.shape).data


def recorded(
    function: Callable[..., Sequence[Any]], types: Sequence[Typed], name: str, names: Sequence[str]
) -> Recorder:
    """Trace ``function(inputs, mark)`` on Tensors of these types, which require grad where they are real.

    It returns a list of Tensors, arrays, numbers or ``None``. Raises `TraceError` where it asks for a value, or keeps a
    Tensor that will have none.
    """
    recorder = Recorder(names)
    mode = Mode(True, MODE.get().scope, recorder)
    try:
        with watched(recorder), holding(RECORDER, recorder), holding(MODE, mode), holding(TRANSPOSING, False):
            inputs = []
            for (shape, dtype), called in zip(types, names, strict=True):
                array = recorder.input(shape, numpy.dtype(dtype), called)
                recorder.new(array, array)
                inputs.append(recorder.tensor(array, called))

            def mark() -> None:
                recorder.mark = len(recorder.steps)

            results = function(inputs, mark)
            if recorder.refused is not None:
                raise recorder.refused
            arrays = [r.data if isinstance(r, Tensor) else r for r in results]
            recorder.outputs = [None if a is None else recorder.number_of(a) for a in arrays]
    finally:
        recorder.lines.calls.clear()
    found = [(thing, recorder.numbers.get(id(traced))) for thing, traced in recorder.found.values()]
    recorder.captured = [(thing, number) for thing, number in found if number is not None]
    for i, (thing, number) in enumerate(recorder.captured):
        recorder.names[number] = getattr(thing, "name", None) or f"c{i}"
    del inputs, results, array, arrays
    recorder.held.clear()
    recorder.found.clear()
    if kept := recorder.referenced():
        raise TraceError(
            f"{name} keeps {kept[-1]._value!r}, which has no values: the function of a scan is traced once for all "
            "steps. Return it as y; ys has the values of all steps."
        )
    return recorder


@method("step")
def program_of(body: Body, apart: bool = False) -> Program:
    """One step of a body as a program: its inputs are those of the body, its outputs the new carries and the ys.
    ``apart``: the values that are the same at all steps are further inputs.
    """
    tracer = Tracer()
    early, late = body.split
    with holding(TRACER, tracer):
        inputs = [tracer.input(*body.types[i], name) for i, name in enumerate(body.names)]
        values = {**dict(enumerate(inputs)), **body.constants}
        computed(TRACE, early, values)
        for step in early if apart else ():
            same = values[step.out]
            inputs.append(tracer.input(same.shape, same.dtype, f"same_{len(inputs)}"))
            values[step.out] = inputs[-1]
        first = len(tracer.instructions) if apart else 0
        computed(TRACE, late, values)
        outputs = [tracer.lift(values[out], body.types[out][1]) for out in body.outputs]
    tracer.name_values({})
    instructions = tracer.instructions[first:]
    for instruction in instructions:
        instruction.origin = None
    return Program(identifier(body.name), [x.value for x in inputs], instructions, outputs)
