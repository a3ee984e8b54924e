"""`Tracer`: the instructions, states and guards of a trace, recorded while the function runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import CodeType
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.backends import PYTHON_SCALARS
from glassgrad.autograd.common import shapes
from glassgrad.autograd.common.contexts import TRACER, WATCHED, holding
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.compiler.ir.inference import function_of, resolved
from glassgrad.autograd.compiler.ir.names import value_name
from glassgrad.autograd.compiler.ir.primitives import Slot, fill, infer, mapped, results_of
from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.compiler.tracing.lines import Lines, attributes_of, is_users, line_of_user, refusal
from glassgrad.autograd.compiler.tracing.surroundings import (
    DATA,
    GRAD,
    UNWATCHED,
    Guard,
    Surroundings,
    slot_value,
    watch,
)
from glassgrad.autograd.compiler.tracing.traced import Number, Traced, View, is_inside
from glassgrad.autograd.engine.memory import owner
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DeviceError, TraceError
from glassgrad.autograd.readings.levels import Lifted, plain_parts


class Tracer:
    """The state of a trace: its instructions, constants, states and guards."""

    def __init__(self, root: CodeType | None = None) -> None:
        self.lines = Lines(root)
        self.surroundings = Surroundings()
        self.kinds: set[type] = set()  # the classes that are watched for this trace
        self.watching = ExitStack()  # whose end is that of the watching
        self.seen_reads: set[tuple[int, str]] = set()  # the attributes of their objects that were read
        self.inputs: list[Value] = []
        self.instructions: list[Instruction] = []
        self.literals: dict[Any, Value] = {}
        self.states: dict[int, Value] = {}
        self.current: dict[int, Traced] = {}
        self.gradients: dict[int, tuple[Tensor, Any]] = {}  # Tensors, and their gradients before the trace
        self.read_last: dict[int, Any] = {}  # the gradients that it read last
        self.unread: set[int] = set()  # the ids of Tensors whose last gradients it has not read
        self.ungraded: dict[int, Tensor] = {}
        self.given: dict[int, Value] = {}  # the gradients from before the call
        self.knobs: list[Value] = []
        self.counts: dict[str, int] = {}
        self.device: str | None = None
        self.refused: TraceError | None = None
        self.arguments: dict[int, str] = {}
        self.former: dict[int, Traced] = {}  # the arrays that states had before they were given others
        self.made: list[Any] = []  # weak references to every `Traced`

    # ----------------------------------------------------------------------------------------------------- the values

    def unique(self, name: str) -> str:
        """The name of a value after ``name``, with a number appended if it is taken."""
        base = value_name(name)
        count = self.counts[base] = self.counts.get(base, 0) + 1
        return base if count == 1 else self.unique(f"{base}_{count}")

    def input(self, shape: Shape, dtype: Any, name: str) -> Traced:
        """Add an input to the program and return its traced array."""
        value = Value("input", shape, dtype, self.unique(name))
        self.inputs.append(value)
        return Traced(self, value)

    def constant(self, array: Any) -> Value:
        """Add a constant, an array or NumPy scalar, to the program and return its traced array."""
        key = id(array) if array.shape else (array.dtype, array.tobytes())  # 0.0 == -0.0, and NaN is not itself
        found = self.literals.get(key)
        if found is None:
            name = (self.lines.variable(array) if array.shape else "") or "c"
            data = array if array.shape else numpy.asarray(array)[()]
            found = self.literals[key] = Value("constant", array.shape, array.dtype, self.unique(name), data)
        return found

    def lift(self, x: Any, dtype: Any = None) -> Value:
        """Convert ``x`` to a value of the program. Python numbers take ``dtype``."""
        x = x.data if isinstance(x, Tensor) else x
        if type(x) is Number:
            value = self.lift(x.traced)
            convert = dtype is not None and value.dtype != dtype
            return self.emit("astype", (value,), {"dtype": dtype}).value if convert else value
        if type(x) is Traced:
            if x.tracer is not self:
                x.tracer.check_running(x.value)
            return x.value
        if type(x) in PYTHON_SCALARS:
            return self.constant(numpy.asarray(x, dtype=dtype)[()])
        if not hasattr(x, "dtype") or backends.is_host(x):
            return self.constant(x if hasattr(x, "dtype") else numpy.asarray(x))
        with holding(TRACER, None):  # else the tracer would treat the new Tensor as made by the function
            tensor = wrap(x)
        return self.read(tensor, x).value  # type: ignore[no-any-return]

    def meet(self, array: Any) -> None:
        """Record the device of an array. Raises `DeviceError` if it differs from that of earlier arrays."""
        device = backends.device_of(array)
        if self.device not in (None, device):
            raise DeviceError(
                f"{line_of_user()} uses an array on {device} together with arrays on {self.device} while the "
                f"function is traced: move one of them first, with .to({self.device!r})."
            )
        self.device = device

    def check_running(self, what: Any) -> None:
        """Raise `TraceError` if ``what`` belongs to a trace that has ended."""
        if TRACER.get() is not self:
            raise refusal(
                f"uses {what!r} after its trace has ended: a compiled function kept a Tensor that "
                "has no values. Return it instead, by itself or in tuples, lists and dicts."
            )

    def _refusing(self, call: Callable[..., Any], *args: Any) -> Any:
        """The result of a call whose `TraceError` ends the trace, also where the function catches it."""
        try:
            return call(*args)
        except TraceError as error:
            self.refused = error
            raise

    def emit(self, op: str, args: Sequence[Value], params: dict[str, Any]) -> Traced:
        """Append an instruction and return its result."""
        self.check_running(args[0] if args else op)
        shape, dtype = self._refusing(infer, op, params, args)
        out = Value("temporary", tuple(shape), dtype, f"t{len(self.instructions) + 1}")
        self.instructions.append(Instruction(op, tuple(args), params, out, self.lines.origin()))
        self.lines.computed(out)
        return Traced(self, out)

    # ------------------------------------------------------------------------------------------------- the primitives

    def elementwise(self, name: str, args: Sequence[Any]) -> Any:
        """Record a ufunc. Python numbers take the dtype of the arrays."""
        args = [x if type(x) in PYTHON_SCALARS or hasattr(x, "dtype") else numpy.asarray(x) for x in args]
        kinds = tuple(kind_of(x) for x in args)
        dtypes = resolved(name, kinds)
        try:
            lifted = [self.lift(x, d) for x, d in zip(args, dtypes, strict=False)]
        except OverflowError:  # as in NumPy, a comparison may have an integer out of the dtype's range
            if dtypes[-1].kind != "b":
                raise
            return self.elementwise(name, [numpy.asarray(x) if type(x) is int else x for x in args])
        found = self.emit(name, lifted, {})
        return Number(found) if all(isinstance(kind, type) for kind in kinds) else found

    def split(self, tree: Any, first: int = 0) -> tuple[Any, list[Value]]:
        """Replace the arrays in ``tree`` (tuples, lists, dicts and slices) by slots, numbered from ``first`` on; return
        the tree and the arrays.
        """
        found: list[Value] = []

        def slot_of(entry: Any) -> Any:
            if type(entry) is Number:
                entry.ask()
            if isinstance(entry, int) and type(entry) not in (int, bool):  # an IntEnum does not print as a number
                return int(entry)
            if isinstance(entry, Tensor):
                entry = entry.data
            if hasattr(entry, "dtype") and hasattr(entry, "shape") and not isinstance(entry, type):  # CuPy's, too
                found.append(entry if isinstance(entry, Value) else self.lift(entry))
                return Slot(first + len(found) - 1)
            return entry

        return mapped(tree, slot_of), found

    def call(self, name: str, args: Any, options: dict[str, Any]) -> Any:
        """Call a NumPy function. It is recorded if any argument is traced, and computed at once otherwise."""
        template, arrays = self.split((args, options))
        if all(value.kind == "constant" for value in arrays) and "asarray" not in name:
            args, options = fill(template, [value.data for value in arrays])
            result = function_of(name)(*args, **options)  # in which arrays are traced, too
            kinds = numpy.ndarray, numpy.generic
            return mapped(result, lambda x: Traced(self, self.lift(x)) if isinstance(x, kinds) else x)
        if name in ("nonzero", "argwhere", "flatnonzero") or name.startswith("unique"):
            raise refusal(
                f"calls {name}, whose result's shape depends on values: use autograd.where, or leave "
                "this part out of the compiled function."
            )
        if name in VIEWING and args and type(args[0]) is Traced:
            return args[0].viewed(View(name, {"call": fill(template, [Slot(0), *arrays[1:]])}))
        results = results_of(name, template, arrays)
        if not isinstance(results, list):
            return self.emit(name, arrays, {"call": template})
        parts = [self.emit(name, arrays, {"call": template, "item": i}) for i in range(len(results))]
        kind = type(function_of(name)(numpy.eye(2))) if name.startswith("linalg.") else tuple
        return kind(*parts) if hasattr(kind, "_fields") else tuple(parts)

    def getitem(self, x: Any, index: Any) -> Traced:
        """Record ``x[index]``, as a view if NumPy returns a view."""
        template, arrays = self.split(index, 1)
        if _picks(arrays):
            raise self._picked(x)
        parts = template if isinstance(template, tuple) else (template,)
        if type(x) is not Traced or not _is_basic(parts, arrays):
            return self.emit("getitem", (self.lift(x), *arrays), {"index": template})
        found = x.viewed(View("getitem", {"index": fill(template, [None, *arrays])}))
        # Without an ellipsis an element is a copy, a NumPy scalar; with one it is a view of shape ().
        return found if found.shape or any(part is ... for part in parts) else Traced(self, found.value)

    def part_of(self, value: Value, part: View) -> Value:
        """A part of ``value``."""
        params, arrays = self.split(part.params, 1)
        return self.emit(part.op, (value, *arrays), params).value

    def with_part(self, value: Value, part: View, new: Value) -> Value:
        """``value`` after ``new`` has been written to a part of it."""
        if part.op == "getitem":
            params, arrays = self.split(part.params, 2)
            return self.emit("setitem", (value, new, *arrays), params).value
        if part.op == "permute_dims":
            return self.emit(part.op, (new,), {"axes": shapes.inverse_permutation(part.params["axes"])}).value
        if part.op == "reshape":
            return self.emit(part.op, (new,), {"shape": value.shape}).value
        raise refusal(
            f"writes to a view made by {part.op} while the function is traced: write to the array itself, or to a copy."
        )

    def setitem(self, name: str, x: Traced, index: Any, value: Any) -> Traced:
        """Record an assignment (or addition) of ``value`` to ``x[index]``."""
        template, arrays = self.split(index, 2)
        given = x.value, self.lift(value, x.dtype), *arrays
        try:
            return self.emit(name, given, {"index": template})
        except ValueError:  # perhaps as many values as the mask selects elements
            if _picks(arrays):
                raise self._picked(x) from None
            raise

    def _picked(self, x: Any) -> TraceError:
        return refusal(
            f"selects elements of {self.lift(x)!r} with a boolean mask, and their number depends on "
            "values: use autograd.where, which keeps the shape."
        )

    def opaque(self, op: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Traced:
        """Record an operation as one instruction, because its forward can't be traced."""
        self.refused = None
        given, arrays = self.split(tuple(x.data if isinstance(x, Tensor) else x for x in inputs))
        options, more = self.split(params)
        count = len(arrays)
        return self.emit("op", [*arrays, *more], {"name": op.name, "inputs": given, "options": options, "count": count})

    def draw(self, method: str, generator: Any, shape: Shape, dtype: Any, **options: Any) -> Traced:
        """Record a draw of random numbers, which are new at each call."""
        if isinstance(generator, numpy.random.Generator) and self.surroundings.name_of(generator) is None:
            raise refusal(
                "draws from a generator that it makes itself, and would go on with it at later calls: make it outside "
                "of the compiled function."
            )
        params = {"generator": generator, "method": method, "shape": tuple(shape), "dtype": numpy.dtype(dtype)}
        return self.emit("draw", (), {**params, "options": options})

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """Record a range check of the values, which runs before any state is written."""
        self.emit("check_range", (self.lift(array),), {"stop": stop, "refuse": refuse, "options": options})

    # -------------------------------------------------------------------------------------- states, gradients, guards

    def captures_lifted(self, array: Any) -> bool:
        """Whether ``array`` comes from outside and is lifted, so that derivatives through it are needed."""
        return False

    def read(self, tensor: Tensor, raw: Any) -> Any:
        """The traced array of ``tensor``. A Tensor from outside the trace becomes a state of the program."""
        if is_inside(raw):
            return raw
        key = id(tensor)
        if key not in self.current:
            name = self.unique(tensor.name or self.lines.variable(tensor) or "state")
            self.meet(raw)
            self.states[key] = Value("state", raw.shape, raw.dtype, name, origin=tensor)
            self.current[key] = self.former[key] = Traced(self, self.states[key])
            self.current[key].state = key
        return self.current[key]

    def write(self, tensor: Tensor, raw: Any, array: Any) -> Any:
        """The array to store in a Tensor that the trace created; ``None`` if it was written to a state instead."""
        if type(place := plain_parts(raw)[0]) is Traced and tensor._view is not None:
            place.check_known()  # the copy would be lost
        if isinstance(array, Lifted) and (raw is None or is_inside(raw)):
            return array
        if type(array) is not Traced:
            array = Traced(self, self.lift(array))
        if raw is None or is_inside(raw):
            self.refuse_writing(tensor)
            self.lines.made(array.value)
            return array
        before = self.read(tensor, raw)
        if array is before:
            return None
        if array.shape != before.shape or array.dtype != before.dtype:
            raise refusal(
                f"gives {self.states[id(tensor)]!r} a value of {array.shape} {array.dtype} while the "
                "function is traced: a state of a compiled function keeps its shape and dtype.",
                self,
            )
        key, memory = id(tensor), array.memory
        memory.state = memory.state or key
        if array.shape and (memory.state != key or memory is self.former[key] is not array):
            name, other = self.states[key].name, self.states[memory.state].name
            raise refusal(
                f"gives {name} the array of {other} while the function is traced: in eager mode they share memory from "
                f"then on, but a program keeps them apart. Copy the values, as in {name}.data = {other}.data.copy()."
            )
        self.current[key] = array
        return None

    def name_values(self, updates: dict[Value, Value]) -> None:
        """Name all values, after the trace has ended."""
        others = [*self.inputs, *self.states.values(), *self.literals.values(), *self.knobs]
        self.lines.name_values(self.instructions, others, updates)

    def gradient(self, tensor: Tensor, raw: Any) -> Any:
        """The gradient of ``tensor``, whose slot holds ``raw``. The first time it is read, the gradient from before the
        call becomes an input of the program.
        """
        key = id(tensor)
        self.read_last[key] = raw
        if key in self.gradients:
            return raw
        self.gradients[key] = tensor, raw
        if raw is None:
            self.ungraded[key] = tensor
            return None
        if raw.node is not None:
            raise refusal(
                f"uses the gradient of Tensor {tensor.name or tensor.shape}, which is recorded since before the call "
                "(create_graph=True), and a compiled function records nothing: call zero_grad() first."
            )
        array = DATA.__get__(raw)
        given = self.input(array.shape, numpy.dtype(array.dtype), f"d_{tensor.name or 'state'}")
        given.value.origin = tensor
        self.given[key] = given.value
        GRAD.__set__(tensor, wrap(given))
        return GRAD.__get__(tensor)

    def take_gradients(self) -> list[tuple[Tensor, Value | None]]:
        """The Tensors whose gradient the function sets, each with its new value. The old gradients are restored."""
        found: list[tuple[Tensor, Value | None]] = []
        for key, (tensor, before) in self.gradients.items():
            grad = GRAD.__get__(tensor)
            GRAD.__set__(tensor, before)
            if self.read_last.pop(key, None) is not grad:
                self.unread.add(key)
            if grad is before is not None:
                continue
            value = None if grad is None else DATA.__get__(grad).value
            if value is not None and value is self.given.get(key):
                continue
            if value is not None and value.kind == "temporary" and key in self.states:
                self.lines.gradients[value] = self.states[key]
            found.append((tensor, value))
        return found

    def knob(self, mapping: Any, key: Any, name: str) -> Any:
        """The number ``mapping[key]``, as an input that is read at each call."""
        value = Value("knob", (), numpy.dtype("float64"), self.unique(name), origin=(mapping, key))
        self.knobs.append(value)
        return Number(Traced(self, value))

    def refuse_setting(self, what: str) -> None:
        """Raise `TraceError` if the function sets a Python value, because later calls would not set it again."""
        raise refusal(
            f"sets {what} while the function is traced, and would not at later calls: set it, or step a "
            "schedule, outside of the compiled function."
        )

    def refuse_writing(self, place: Any) -> None:
        """Raise `TraceError` if the function writes to the memory of an argument, which belongs to the caller."""
        place = place.memory if type(place) is Traced else place
        if id(place) in self.arguments:
            raise refusal(
                f"writes to the argument {self.arguments[id(place)]} while the function is traced, "
                "and arguments are read only: write to a clone(), return the new value, or let the function capture "
                "that Tensor, as it captures parameters."
            )

    def guard(self, holder: Any, name: str, value: Any) -> None:
        """Add a guard that ``holder.name`` is ``value``, as it was at first."""
        self.surroundings.guards.setdefault((id(holder), name), Guard(holder, name, value, name))

    def attribute_read(self, kind: Any, holder: Any, name: str) -> None:
        """Guard an attribute of ``holder``, whose watched class is ``kind``, before it is read, set or deleted."""
        key, is_module, own = (id(holder), name), kind in WATCHED, attributes_of(holder)
        if key in self.seen_reads or name in UNWATCHED:
            return
        value, by_user = own.get(name), is_users(sys._getframe(2))
        if is_module and name == "__dict__":
            own["_listed"] = True  # Tensors and modules that are added count in `edits`, and so do those replaced
            for each in [*own] if by_user else ():
                self.attribute_read(kind, holder, each)
            return
        if is_module:
            wanted = not (isinstance(value, Tensor) or name.startswith("__"))
        elif structure := getattr(type(holder), "structure", None):  # an optimizer reads its other attributes itself
            wanted = name in structure or by_user
        else:
            wanted = self.surroundings.name_of(holder) is not None
        if wanted:
            self.seen_reads.add(key)
            is_part = is_module and isinstance(value, tuple(WATCHED))
            search = partial(self.surroundings.visit, value) if is_part else partial(self.surroundings.read, holder)
            with holding(TRACER, None):
                self._refusing(search, name)
            watch(self)

    attribute_written = attribute_read

    def referenced(self) -> list[Any]:
        """The traced arrays that something still references."""
        if any(reference() is not None for reference in self.made):
            gc.collect()  # some may belong to unreachable cycles
        return [made for reference in self.made if (made := reference()) is not None]

    def check_kept(self, changes: Sequence[Guard]) -> None:
        """Raise `TraceError` if a traced array is still referenced by an object that outlives the call."""
        kept = self.referenced()
        if not kept:
            return
        array, name = kept[-1], changes[0].name if changes else "an object"
        value = array._value
        made = next((i.origin for i in self.instructions if i.out is value), None)
        line = f"{made.line} makes {value!r}" if made is not None else f"{value!r}"
        raise TraceError(
            f"{line}, which {name} keeps after the call, where it would have no values: return it and keep the result, "
            "or write it into a Tensor that is there before the call, as in t[...] = value within no_grad()."
        )

    def live_arrays(self) -> set[int]:
        """Make states of the constants that the function captures, which may be written to later, except masks, on
        which shapes may depend; return the ids of these arrays and of their bases.
        """
        live: set[int] = set()
        for value in self.literals.values():
            places = value.data, owner(value.data)
            if value.dtype != bool and any(self.surroundings.name_of(place) for place in places):
                live |= {*map(id, places)}
                value.kind, value.origin, value.data = "state", wrap(value.data, name=value.name), None
        return live

    def refuse_keeping(self, holder: Any, name: str, value: Any) -> None:
        """Raise if the function stores a traced Tensor, which has no values, in an attribute of ``holder``."""
        if isinstance(value, Tensor) and type(slot_value(DATA, value)) is Traced:
            raise refusal(
                f"replaces .{name} of {of_type(holder)} by another Tensor while the function is "
                f"traced: write into the present one, as in self.{name}[...] = value within no_grad().",
                self,
            )


def kind_of(x: Any) -> Any:
    """The dtype of ``x`` as an argument of a ufunc; the Python type for a number that takes the arrays' dtype."""
    if type(x) in PYTHON_SCALARS:
        return float if type(x) is Number else type(x)
    return x.dtype


VIEWING = frozenset(("diagonal", "imag", "linalg.diagonal", "moveaxis", "ravel", "real", "swapaxes", "transpose"))
"""NumPy's functions, recorded as one call, whose result is a view of their first argument."""


def _is_basic(parts: Sequence[Any], arrays: Sequence[Value]) -> bool:
    """Whether an index of these parts returns a view in NumPy (basic indexing). Its arrays are at the slots."""
    return all(
        (isinstance(part, int | slice | numpy.integer) and not isinstance(part, bool)) or part is None or part is ...
        or type(part) is Slot
        for part in parts
    ) and all(not value.shape and value.dtype.kind in "iu" for value in arrays)  # fmt: skip


def _picks(arrays: Sequence[Value]) -> bool:
    """Whether an index contains a boolean mask whose values are not known during the trace."""
    return any(value.dtype == bool and value.kind != "constant" for value in arrays)
