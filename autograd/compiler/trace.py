"""The tracing namespace: arrays with a shape and a dtype and no values, whose arithmetic writes a `Program`.

The engine, its rules, the optimizers and the modules run on them as they run on NumPy's arrays. A Tensor that the
function meets on its way, a parameter or what an optimizer accumulated, becomes a state of the program.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy

from autograd import backends, shapes
from autograd.backends import FORWARDS, PYTHON_SCALARS, Namespace
from autograd.compiler.guards import UNWATCHED, Guard, of_option
from autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS, Slot, fill, function_of, infer, resolved, stand_in
from autograd.compiler.ir.program import Instruction, Program, Value, identifier
from autograd.errors import DeviceError, TraceError
from autograd.graph import MODE, TRACER, WATCHED, Mode
from autograd.op import OPS
from autograd.shapes import Shape
from autograd.tensor import Hook, Tensor, wrap
from autograd.validation import check_function

_PACKAGE = __file__.rpartition("compiler")[0]
_NN = f"{_PACKAGE.rstrip('/').rpartition('/')[0]}/nn/"
_INNER = (_PACKAGE, _NN, numpy.__file__.rpartition("__init__")[0], "<operation", "<frozen")


def line_of_user() -> str:
    """``file:line`` of the innermost code that is neither this package's nor NumPy's."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Traced:
    """An array of a trace: what it is (`Value`) but not which numbers it has.

    Written to (``x[index] = v``), it stands for another value from then on, as NumPy's arrays do. ``weak``: a Python
    number, which takes the dtype of the arrays that it meets.
    """

    __slots__ = ("tracer", "value", "shape", "dtype", "weak", "home")

    base = None

    def __init__(self, tracer: Tracer, value: Value, weak: bool = False) -> None:
        self.tracer, self.value, self.weak = tracer, value, weak
        self.home: int | None = None  # the id of the state whose array this is
        self.shape, self.dtype = value.shape, value.dtype

    @property
    def device(self) -> str:
        """Where the program will run."""
        return self.tracer.device or "cpu"

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return shapes.size(self.shape)

    @property
    def T(self) -> Traced:
        """The axes reversed."""
        return TRACE.permute_dims(self, tuple(reversed(range(self.ndim))))  # type: ignore[no-any-return]

    @property
    def mT(self) -> Traced:
        """The last two axes swapped."""
        return TRACE.matrix_transpose(self)  # type: ignore[no-any-return]

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        """In another dtype."""
        return TRACE.astype(self, dtype)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Traced:
        """In another shape."""
        return TRACE.reshape(self, shape[0] if len(shape) == 1 else shape)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Traced:
        return self.tracer.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.refuse_writing(self)
        new = self.tracer.setitem("setitem", self, index, value)
        self.value = new.value

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[i] for i in range(len(self)))

    def _no_value(self, *_: Any) -> Any:
        self.tracer.check_running(self)
        self.tracer.refused = TraceError(
            f"{line_of_user()} asks for a value of {self.value!r} while the function is traced: the program is written "
            "once, before there are values. Choose with autograd.where, return the number and read it outside, or "
            "leave this part out of the compiled function.",
            self.tracer,
        )
        raise self.tracer.refused

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __reduce_ex__ = item = tolist = _no_value

    def _no_numpy(self, *_: Any, **__: Any) -> Any:
        self.tracer.check_running(self)
        self.tracer.refused = TraceError(
            f"{line_of_user()} gives {self.value!r} to NumPy while the function is traced: use the function of that "
            "name in autograd, or leave this part out of the compiled function.",
            self.tracer,
        )
        raise self.tracer.refused

    __array__ = __array_function__ = _no_numpy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(numpy.ndarray, name):
            raise AttributeError(f"a traced array has no attribute {name!r}")
        return self._no_numpy()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What an operator between an array and this one comes to."""
        if method != "__call__" or options or ufunc.__name__ not in (*ELEMENTWISE, "matmul"):
            self._no_numpy()
        return getattr(TRACE, ufunc.__name__)(*inputs)

    def __repr__(self) -> str:
        return f"Traced({self.value!r})"

    __hash__ = object.__hash__


def _operator(name: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Traced, other: Any) -> Any:
        pair = (other, self) if swapped else (self, other)
        return self.tracer.matmul(*pair) if name == "matmul" else self.tracer.elementwise(name, pair)

    return method


def _in_place(name: str) -> Callable[..., Any]:
    """``x += y``: another value of this name, which the Tensor whose array ``x`` is must be given."""
    operate = _operator(name)

    def method(self: Traced, other: Any) -> Any:
        result = operate(self, other)
        if self.home is not None and self.shape and type(result) is Traced:
            result.home = self.home
            self.tracer.untold[self.home] = line_of_user()
        return result

    return method


for _name, _op in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor",
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_op))
    setattr(Traced, f"__r{_name}__", _operator(_op, swapped=True))
    setattr(Traced, f"__i{_name}__", _in_place(_op))
for _name, _op in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}.items():
    setattr(Traced, f"__{_name}__", _operator(_op))
for _name, _op in {"eq": "equal", "ne": "not_equal"}.items():
    setattr(Traced, f"__{_name}__", _operator(_op))
for _name, _op in {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}.items():
    setattr(Traced, f"__{_name}__", lambda self, op=_op: self.tracer.elementwise(op, (self,)))


class Tracer:
    """What a trace has found so far."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.constants: dict[Any, Value] = {}
        self.states: dict[int, Value] = {}
        self.current: dict[int, Traced] = {}
        self.grads: dict[int, Tensor] = {}
        self.ungraded: dict[int, Tensor] = {}
        self.knobs: dict[Any, Traced] = {}
        self.guards: dict[tuple[int, str], Guard] = {}
        self.options: dict[tuple[int, str], tuple[Any, str]] = {}
        self.editable: set[Any] = set()
        self.settings: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.names: dict[str, int] = {}
        self.device: str | None = None
        self.refused: TraceError | None = None
        self.arguments: dict[int, str] = {}
        self.untold: dict[int, str] = {}

    # ----------------------------------------------------------------------------------------------------- the values

    def unique(self, base: str) -> str:
        """``base``, or with a number where that is taken."""
        count = self.names[base] = self.names.get(base, 0) + 1
        return base if count == 1 and not base.endswith("_") else self.unique(f"{base.rstrip('_')}_{count}")

    def input(self, shape: Shape, dtype: Any, name: str) -> Traced:
        """An argument of the call."""
        return Traced(self, Value("input", shape, dtype, self.unique(identifier(name))))

    def constant(self, array: Any) -> Value:
        """An array, or a NumPy number, that is the same at each call."""
        key = (array.dtype, array.item()) if not array.shape else id(array)
        if not array.shape and array != array:
            key = (array.dtype, "nan")
        elif not array.shape and not array.item():
            key = (array.dtype, str(array))  # 0.0 and -0.0
        found = self.constants.get(key)
        if found is None:
            data = array if array.shape else numpy.asarray(array)[()]
            found = self.constants[key] = Value("constant", array.shape, array.dtype, self.unique("c"), data)
        return found

    def lift(self, x: Any, dtype: Any = None) -> Value:
        """``x`` as a value of the program; Python's numbers, and weak ones, in ``dtype``."""
        if type(x) is Traced:
            if x.tracer is not self:
                x.tracer.check_running(x.value)
            if x.weak and dtype is not None and x.dtype != dtype:
                return self.emit("astype", (x.value,), {"dtype": dtype}).value
            return x.value
        if type(x) in PYTHON_SCALARS:
            return self.constant(numpy.asarray(x, dtype=dtype)[()])
        if not hasattr(x, "dtype") or backends.is_host(x):
            return self.constant(x if hasattr(x, "dtype") else numpy.asarray(x))
        token = TRACER.set(None)  # which would take the Tensor for one of its own
        try:
            tensor = wrap(x)
        finally:
            TRACER.reset(token)
        return self.read(tensor, x).value  # type: ignore[no-any-return]

    def meet(self, array: Any) -> None:
        """Note where the arrays of the program are, which is one place."""
        device = backends.device_of(array)
        if self.device not in (None, device):
            raise DeviceError(
                f"{line_of_user()} brings an array on {device} to arrays on {self.device} while the function is traced:"
                f" move one of them first, with .to({self.device!r})."
            )
        self.device = device

    def check_running(self, what: Any) -> None:
        """Raise where the trace that ``what`` is of is over."""
        if TRACER.get() is not self:
            raise TraceError(
                f"{line_of_user()} uses {what!r} outside of the trace that it is of: a compiled function kept a Tensor "
                "of its own, which has no values. Return it instead, by itself or in tuples, lists and dicts."
            )

    def emit(self, op: str, args: Sequence[Value], params: dict[str, Any], weak: bool = False) -> Traced:
        """One more instruction; its result."""
        self.check_running(args[0] if args else op)
        shape, dtype = infer(op, params, args)
        out = Value("temporary", tuple(shape), dtype, f"t{len(self.instructions) + 1}")
        self.instructions.append(Instruction(op, tuple(args), params, out))
        return Traced(self, out, weak)

    # ------------------------------------------------------------------------------------------------- the primitives

    def elementwise(self, name: str, args: Sequence[Any]) -> Any:
        """A ufunc, with Python's numbers in the dtype of the arrays."""
        for x in args:
            if type(x) not in PYTHON_SCALARS and not hasattr(x, "dtype"):
                if isinstance(x, Tensor):
                    return NotImplemented
                args = [numpy.asarray(a) if a is x else a for a in args]
        kinds = tuple(_kind(x) for x in args)
        weak = all(isinstance(kind, type) for kind in kinds)
        dtypes = resolved(name, kinds)
        return self.emit(name, [self.lift(x, d) for x, d in zip(args, dtypes, strict=False)], {}, weak)

    def matmul(self, x: Any, y: Any) -> Any:
        """A product of matrices (vectors, stacks)."""
        if isinstance(x, Tensor) or isinstance(y, Tensor):
            return NotImplemented
        return self.emit("matmul", (self.lift(x), self.lift(y)), {})

    def split(self, tree: Any) -> tuple[Any, list[Value]]:
        """``tree`` (tuples, lists, dicts and slices) with slots for its arrays, and these."""
        found: list[Value] = []
        return self._split(tree, found), found

    def _split(self, entry: Any, found: list[Value]) -> Any:
        if isinstance(entry, Tensor):
            entry = entry.data
        if hasattr(entry, "dtype") and hasattr(entry, "shape") and not isinstance(entry, type):  # CuPy's, too
            found.append(self.lift(entry))
            return Slot(len(found) - 1)
        if isinstance(entry, dict):
            return {key: self._split(value, found) for key, value in entry.items()}
        if isinstance(entry, slice):
            return slice(*self._split((entry.start, entry.stop, entry.step), found))
        if isinstance(entry, tuple | list):
            parts = [self._split(part, found) for part in entry]
            return type(entry)(*parts) if hasattr(entry, "_fields") else type(entry)(parts)
        return entry

    def call(self, name: str, args: Any, options: dict[str, Any]) -> Any:
        """Any function of NumPy's: an instruction where an array of the trace is among its arguments."""
        template, arrays = self.split((args, options))
        function = function_of(name)
        if all(value.kind == "constant" for value in arrays) and "asarray" not in name:
            args, options = fill(template, [value.data for value in arrays])
            return self._known(function(*args, **options))
        if name in ("nonzero", "argwhere", "flatnonzero") or name.startswith("unique"):
            raise TraceError(
                f"{line_of_user()} calls {name}, whose result's shape depends on values: use autograd.where, or leave "
                "this part out of the compiled function."
            )
        like = function(
            *(filled := fill(template, [stand_in(v, name.startswith("linalg")) for v in arrays]))[0], **filled[1]
        )
        if isinstance(like, tuple):
            parts = [self.emit(name, arrays, {"call": template, "item": i}) for i in range(len(like))]
            return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)
        return self.emit(name, arrays, {"call": template})

    def _known(self, result: Any) -> Any:
        """What was computed of constants, as arrays of the trace, so that what meets it stays in the trace."""
        if isinstance(result, tuple):
            parts = map(self._known, result)
            return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
        return Traced(self, self.lift(result)) if isinstance(result, numpy.ndarray | numpy.generic) else result

    def getitem(self, x: Any, index: Any) -> Traced:
        """``x[index]``."""
        template, arrays = self.split(index)
        if _picks(arrays):
            raise self._picked(x)
        shifted = _shifted(template)
        return self.emit("getitem", (self.lift(x), *arrays), {"index": shifted})

    def setitem(self, name: str, x: Traced, index: Any, value: Any) -> Traced:
        """``x`` with ``value`` written (or added) at ``index``."""
        template, arrays = self.split(index)
        given = x.value, self.lift(value, x.dtype), *arrays
        try:
            return self.emit(name, given, {"index": _shifted(template, 2)})
        except ValueError:  # as many values as elements are picked
            if _picks(arrays):
                raise self._picked(x) from None
            raise

    def _picked(self, x: Any) -> TraceError:
        return TraceError(
            f"{line_of_user()} picks elements of {self.lift(x)!r} by a condition, and how many there are depends on "
            "values: use autograd.where, which keeps the shape."
        )

    def opaque(self, op: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Traced:
        """An operation whose forward can't be followed: computed as a whole at each call."""
        self.refused = None
        given, arrays = self.split(tuple(x.data if isinstance(x, Tensor) else x for x in inputs))
        options, more = self.split(params)
        count = len(arrays)
        return self.emit("op", [*arrays, *more], {"name": op.name, "inputs": given, "options": options, "count": count})

    def draw(self, method: str, generator: Any, shape: Shape, dtype: Any, **options: Any) -> Traced:
        """Random numbers, fresh ones at each call."""
        params = {"generator": generator, "method": method, "shape": tuple(shape), "dtype": numpy.dtype(dtype)}
        return self.emit("draw", (), {**params, "options": options})

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """A look at values, which may raise, before anything is written."""
        self.emit("check_range", (self.lift(array),), {"stop": stop, "refuse": refuse, "options": options})

    # ----------------------------------------------------------------------------------------- what outlives the trace

    def read(self, tensor: Tensor, raw: Any) -> Any:
        """The array of ``tensor``: its own where the trace made it, else that of a state."""
        if type(raw) is Traced:
            return raw
        key = id(tensor)
        if key not in self.current:
            name = self.unique(identifier(tensor.name or "state"))
            self.meet(raw)
            self.states[key] = Value("state", raw.shape, raw.dtype, name, origin=tensor)
            self.current[key] = Traced(self, self.states[key])
            self.current[key].home = key
        return self.current[key]

    def write(self, tensor: Tensor, raw: Any, array: Any) -> Any:
        """What to keep in a Tensor that the trace made, or ``None`` where a state takes the value."""
        if raw is None or type(raw) is Traced:
            self.refuse_writing(tensor)
            made = array if type(array) is Traced else Traced(self, self.lift(array))
            self._name(made)
            return made
        before = self.read(tensor, raw)
        if type(array) is not Traced:
            array = Traced(self, self.lift(array))
        if array.shape != before.shape or array.dtype != before.dtype:
            raise TraceError(
                f"{line_of_user()} gives {self.states[id(tensor)]!r} a value of {array.shape} {array.dtype} while the "
                "function is traced: what a compiled function keeps has one shape and dtype.",
                self,
            )
        self.current[id(tensor)] = array
        array.home = id(tensor)
        self.untold.pop(id(tensor), None)
        return None

    def _name(self, made: Traced) -> None:
        """Call a result as the module or the operation that made it."""
        value = made.value
        code = sys._getframe(3).f_code
        if value.kind != "temporary" or not value.name[1:].isdigit() or code.co_filename[:10] != "<operation":
            return
        scope = MODE.get().scope
        value.name = self.unique(identifier(scope[-1][0]) if scope and scope[-1][0] else f"{code.co_name}_")

    def forget_grads(self) -> dict[int, Tensor]:
        """Take the gradients of the trace off the Tensors that it met, which are returned."""
        found = {}
        for key, value in self.states.items():
            tensor = value.origin
            grad = _GRAD.__get__(tensor)
            if grad is not None and type(_DATA.__get__(grad)) is Traced:
                _GRAD.__set__(tensor, None)
                found[key] = tensor
                made = _DATA.__get__(grad).value
                if made.kind == "temporary":
                    made.name = self.unique(f"d_{value.name}")
        return found

    def knob(self, mapping: Any, key: Any, name: str) -> Traced:
        """The number ``mapping[key]``, read at each call."""
        place = (id(mapping), key)
        if place not in self.knobs:
            value = Value("knob", (), numpy.dtype("float64"), self.unique(identifier(name)), origin=(mapping, key))
            self.knobs[place] = Traced(self, value, weak=True)
        return self.knobs[place]

    def refuse_setting(self, what: str) -> None:
        """Raise where the function sets what is Python's, and no call of the program would set again."""
        raise TraceError(
            f"{line_of_user()} sets {what} while the function is traced, and would not at the calls that follow: set "
            "it, or step a schedule, outside of the compiled function."
        )

    def refuse_writing(self, place: Any) -> None:
        """Raise where ``place`` is an argument, whose memory is the caller's."""
        if id(place) in self.arguments:
            raise TraceError(
                f"{line_of_user()} writes to the argument {self.arguments[id(place)]} while the function is traced, "
                "and arguments are read only: write to a clone(), return the new value, or have the function find that "
                "Tensor by itself, as it finds parameters."
            )

    def guard(self, holder: Any, name: str, value: Any) -> None:
        """The trace holds while ``holder`` has this ``value`` under ``name``, if the function did not set it itself."""
        key = id(holder), name
        if key not in self.settings:
            self.guards.setdefault(key, Guard(holder, name, value, type(holder).__name__))

    def look(self, kind: Any, holder: Any, name: str) -> None:
        """An attribute of ``holder``, of the watched class ``kind``, is read. At each call it has to be what it is when
        the trace ends, for the function may set it itself.
        """
        self.editable.add(kind)
        if name == "__dict__":
            object.__getattribute__(holder, "__dict__")["_listed"] = True
        elif not name.startswith("__") and name not in UNWATCHED:
            self.options[id(holder), name] = holder, name

    def all_guards(self) -> list[Guard]:
        """Those of the whole trace, which is over."""
        guards = [*self.guards.values(), *(Guard(kind, "edits", kind.edits, kind.__name__) for kind in self.editable)]
        guards.append(Guard(Hook, "edits", Hook.edits, "Tensor"))
        for holder, name in self.options.values():
            guards += of_option(holder, name)
        return [guard for guard in guards if not isinstance(guard.value, (Tensor, *WATCHED))]  # these count as edits

    def refuse_keeping(self, holder: Any, name: str, value: Any) -> None:
        """Raise where ``holder`` is to keep a Tensor of the trace, which has no values and would stay there."""
        if isinstance(value, Tensor) and type(_raw(_DATA, value)) is Traced:
            self.refused = TraceError(
                f"{line_of_user()} makes .{name} of a {type(holder).__name__} another Tensor while the function is "
                f"traced: write into the one that is there, as in self.{name}[...] = value within no_grad().",
                self,
            )
            raise self.refused

    def setting(self, holder: Any, name: str, value: Any) -> None:
        """Every call leaves ``holder`` with this ``value`` under ``name``."""
        self.settings[id(holder), name] = holder, name, value


def _kind(x: Any) -> Any:
    if type(x) in PYTHON_SCALARS:
        return type(x)
    if type(x) is Traced and x.weak:
        return {"f": float, "i": int, "b": bool}[x.dtype.kind]
    return x.dtype


def _shifted(template: Any, by: int = 1) -> Any:
    """Slots counted behind the ``by`` arrays that come first."""
    count = _slots(template)
    return fill(template, [Slot(i + by) for i in range(count)])


def _picks(arrays: Sequence[Value]) -> bool:
    """Whether an index of these picks by a condition that the trace does not know."""
    return any(value.dtype == bool and value.kind != "constant" for value in arrays)


def _slots(template: Any) -> int:
    if type(template) is Slot:
        return template.index + 1
    if isinstance(template, tuple | list):
        return max(map(_slots, template), default=0)
    if isinstance(template, slice):
        return _slots((template.start, template.stop, template.step))
    return 0


# ------------------------------------------------------------------------------------------------------ the namespace


class _Elementwise:
    """A ufunc of the trace, with ``at``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any) -> Any:
        tracer = _tracer_of(args)
        return function_of(self.name)(*args) if tracer is None else tracer.elementwise(self.name, args)

    def at(self, x: Traced, index: Any, values: Any) -> None:
        """``x[index] += values``, as often as the index names an element."""
        if self.name != "add":
            raise AttributeError(f"a trace has no {self.name}.at")
        x.tracer.refuse_writing(x)
        x.value = x.tracer.setitem("add_at", x, index, values).value


def _tracer_of(args: Any) -> Tracer | None:
    for x in args:
        if type(x) is Traced:
            return x.tracer
    return None


def _now() -> Tracer:
    tracer = TRACER.get()
    if tracer is None:
        Tracer().check_running("a traced array")
    return tracer  # type: ignore[no-any-return]


def _reduction(name: str) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if type(x) is not Traced:
            return function_of(name)(x, axis=axis, keepdims=keepdims)
        axes = None if axis is None else shapes.normalize_axes(axis, x.ndim)
        options: dict[str, Any] = {"axis": axes, "keepdims": bool(keepdims)}
        if dtype is not None:
            x = x.astype(dtype)
        return x.tracer.emit(name, (x.tracer.lift(x),), options)

    return reduce


class _Module:
    """What the tracing namespace has of its own; everything else is a call of NumPy's function of that name."""

    __name__ = "autograd.compiler.trace"

    def permute_dims(self, x: Any, axes: Any) -> Any:
        x = self.asarray(x)
        order = shapes.normalize_axes(tuple(axes), x.ndim)
        return x.tracer.emit("permute_dims", (x.value,), {"axes": order})

    def matrix_transpose(self, x: Any) -> Any:
        if x.ndim < 2:
            raise ValueError("a matrix has two axes")
        order = [*range(x.ndim)]
        order[-2:] = order[:-3:-1]
        return self.permute_dims(x, order)

    def reshape(self, x: Any, shape: Any) -> Any:
        x = self.asarray(x)
        target, _ = infer("reshape", {"shape": shape}, (x.value,))
        if target == x.shape:
            return Traced(x.tracer, x.value)
        return x.tracer.emit("reshape", (x.value,), {"shape": target})

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        tracer = _now()
        return tracer.emit("broadcast_to", (tracer.lift(x),), {"shape": tuple(shape)})

    def squeeze(self, x: Any, axis: Any) -> Any:
        axes = shapes.normalize_axes(axis, x.ndim)
        if any(x.shape[a] != 1 for a in axes):
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
        return self.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))

    def expand_dims(self, x: Any, axis: Any) -> Any:
        return self.reshape(x, shapes.expanded_shape(x.shape, axis))

    def astype(self, x: Any, dtype: Any, copy: bool = True) -> Any:
        tracer, dtype = _now(), numpy.dtype(dtype)
        value = tracer.lift(x)
        return Traced(tracer, value) if value.dtype == dtype else tracer.emit("astype", (value,), {"dtype": dtype})

    def asarray(self, x: Any, dtype: Any = None, copy: Any = None, device: Any = None) -> Any:
        made = x if type(x) is Traced and not copy else Traced(_now(), _now().lift(x))
        return made if dtype is None else self.astype(made, dtype)

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        tracer = _now()
        dtype = numpy.result_type(*(k() if isinstance(k, type) else k for k in map(_kind, (x, y))))
        values = [self.astype(Traced(tracer, tracer.lift(v, dtype)), dtype).value for v in (x, y)]
        return tracer.emit("where", (tracer.lift(condition), *values), {})

    def concat(self, arrays: Any, axis: Any = 0) -> Any:
        return _now().call("concat", (tuple(arrays),), {"axis": axis})

    def stack(self, arrays: Any, axis: int = 0) -> Any:
        return _now().call("stack", (tuple(arrays),), {"axis": axis})

    def full(self, shape: Any, fill_value: Any, dtype: Any = None) -> Any:
        tracer = _now()
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return tracer.emit("broadcast_to", (tracer.lift(fill_value, dtype),), {"shape": shape})

    def zeros(self, shape: Any, dtype: Any = None) -> Any:
        return self.full(shape, 0.0, numpy.dtype(dtype))

    empty = zeros

    def ones(self, shape: Any, dtype: Any = None) -> Any:
        return self.full(shape, 1.0, numpy.dtype(dtype))

    def full_like(self, x: Any, fill_value: Any, dtype: Any = None) -> Any:
        return self.full(x.shape, fill_value, x.dtype if dtype is None else dtype)

    def zeros_like(self, x: Any, dtype: Any = None) -> Any:
        return self.full_like(x, 0, dtype)

    empty_like = zeros_like

    def ones_like(self, x: Any, dtype: Any = None) -> Any:
        return self.full_like(x, 1, dtype)

    sum = staticmethod(_reduction("sum"))
    prod = staticmethod(_reduction("prod"))
    max = staticmethod(_reduction("max"))
    min = staticmethod(_reduction("min"))
    all = staticmethod(_reduction("all"))
    any = staticmethod(_reduction("any"))

    def matmul(self, x: Any, y: Any) -> Any:
        return _now().matmul(x, y)

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else getattr(numpy, name, None)
        if found is None:
            raise AttributeError(name)
        if name in ELEMENTWISE:
            return _Elementwise(name)
        if not callable(found) or isinstance(found, type):  # a dtype, a number
            return _Below(name) if name in ("linalg", "fft") else found
        return _Below(name)


class _Below:
    """A function of NumPy's, or a module of them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return _Below(f"{self._name}.{name}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _now().call(self._name, args, options)


class _TraceNamespace(Namespace):
    """The tracing namespace: it takes NumPy's arrays as constants, and what it can't follow as a whole."""

    absorbs = True

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """As an instruction: the values come later."""
        _now().check_range(array, stop, refuse, **options)

    def __getattr__(self, name: str) -> Any:
        if name in FORWARDS and name not in REDUCTIONS and name not in dir(_Module) and not hasattr(numpy, name):
            return lambda *args, **params: self._followed(name, args, params)
        return super().__getattr__(name)

    def _followed(self, name: str, args: Any, params: Any) -> Any:
        try:
            return FORWARDS[name](self, *args, **params)
        except TraceError as error:
            if error.tracer is None:
                raise
            return error.tracer.opaque(OPS[name], args, params)


TRACE = _TraceNamespace(_Module())
backends.SPACES[Traced] = TRACE


# ----------------------------------------------------------------------------------------------------- watching Tensors

_DATA: Any = Tensor.__dict__["data"]
_GRAD: Any = Tensor.__dict__["grad"]
_REQUIRES_GRAD: Any = Tensor.__dict__["requires_grad"]
_LOCK = threading.Lock()
_watchers = 0


def _raw(slot: Any, tensor: Tensor) -> Any:
    try:
        return slot.__get__(tensor)
    except AttributeError:
        return None


def _get_data(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = _DATA.__get__(tensor)
    return raw if tracer is None else tracer.read(tensor, raw)


def _set_data(tensor: Tensor, array: Any) -> None:
    tracer = TRACER.get()
    if tracer is not None:
        array = tracer.write(tensor, _raw(_DATA, tensor), array)
        if array is None:
            return
    _DATA.__set__(tensor, array)


def _get_grad(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = _GRAD.__get__(tensor)
    if tracer is None or type(_DATA.__get__(tensor)) is Traced:
        return raw
    if raw is not None and type(_DATA.__get__(raw)) is Traced:  # the engine's own, which writes to the slot
        return raw
    if id(tensor) in tracer.grads:
        return None
    if raw is not None:
        raise TraceError(
            f"{line_of_user()}: Tensor {tensor.name or tensor.shape} has a gradient from before the call, and a "
            "compiled function starts without: call zero_grad() first, in the function or outside.",
            None,
        )
    tracer.ungraded[id(tensor)] = tensor
    return None


def _set_grad(tensor: Tensor, grad: Any) -> None:
    tracer = TRACER.get()
    if tracer is None or type(_raw(_DATA, tensor)) is Traced:
        _GRAD.__set__(tensor, grad)
        return
    tracer.grads[id(tensor)] = tensor
    if grad is None or type(_raw(_DATA, grad)) is Traced:
        raw = _GRAD.__get__(tensor)
        if raw is None or type(_DATA.__get__(raw)) is Traced:
            _GRAD.__set__(tensor, grad)
    else:
        raise TraceError(f"{line_of_user()} sets a gradient that the compiled function did not compute.", None)


def _get_requires_grad(tensor: Tensor) -> Any:
    tracer, raw = TRACER.get(), _REQUIRES_GRAD.__get__(tensor)
    if tracer is not None and type(_raw(_DATA, tensor)) is not Traced:
        tracer.guard(tensor, "requires_grad", raw)  # whether it is frozen decides what is recorded
    return raw


def _set_requires_grad(tensor: Tensor, requires_grad: bool) -> None:
    tracer, before = TRACER.get(), _raw(_REQUIRES_GRAD, tensor)
    if tracer is not None and before not in (None, requires_grad) and type(_raw(_DATA, tensor)) is not Traced:
        tracer.setting(tensor, "requires_grad", requires_grad)
    _REQUIRES_GRAD.__set__(tensor, requires_grad)


def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """What ``kind``, `Module` and the like, has as ``__getattribute__`` while something is traced."""

    def read(self: Any, name: str) -> Any:
        if (tracer := TRACER.get()) is not None:
            tracer.look(kind, self, name)
        return super(kind, self).__getattribute__(name)

    return read


@contextmanager
def _watched(tracer: Tracer) -> Iterator[None]:
    """Within it, reading and writing the array or gradient of a Tensor, and whether it requires one, and reading an
    attribute of a module goes through the tracer, in this thread and task. The slots themselves are exchanged, so that
    nothing is asked of them while nobody traces."""
    global _watchers  # noqa: PLW0603
    watched: Any = Tensor
    with _LOCK:
        _watchers += 1
        if _watchers == 1:
            watched.data, watched.grad = property(_get_data, _set_data), property(_get_grad, _set_grad)
            watched.requires_grad = property(_get_requires_grad, _set_requires_grad)
            for kind in WATCHED:
                kind.__getattribute__ = _reader(kind)  # type: ignore[assignment]
    token = TRACER.set(tracer)
    try:
        yield
    finally:
        TRACER.reset(token)
        with _LOCK:
            _watchers -= 1
            if not _watchers:
                watched.data, watched.grad, watched.requires_grad = _DATA, _GRAD, _REQUIRES_GRAD
                for kind in WATCHED:
                    del kind.__getattribute__


# ------------------------------------------------------------------------------------------------------------ the trace


def flatten(tree: Any, leaves: list[Any]) -> Any:
    """Put the Tensors and arrays in ``tree`` (tuples, lists and dicts) behind ``leaves``; its form, hashable."""
    if isinstance(tree, Tensor) or type(tree) in backends.SPACES:
        leaves.append(tree)
        return Slot(len(leaves) - 1)
    if isinstance(tree, tuple | list):
        return type(tree), tuple(flatten(part, leaves) for part in tree)
    if isinstance(tree, dict):
        return dict, tuple((key, flatten(part, leaves)) for key, part in tree.items())
    if type(tree) in PYTHON_SCALARS:  # 1, 1.0 and True are equal, and so are 0.0 and -0.0
        return type(tree), repr(tree) if isinstance(tree, float | complex) else tree
    return tree


def unflatten(form: Any, leaves: Sequence[Any]) -> Any:
    """What `flatten` took apart, with other leaves."""
    if type(form) is Slot:
        return leaves[form.index]
    if not isinstance(form, tuple):
        return form
    kind, content = form
    if kind is dict:
        return {key: unflatten(part, leaves) for key, part in content}
    if kind in PYTHON_SCALARS:
        return kind(content)
    parts = [unflatten(part, leaves) for part in content]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


class Trace:
    """A function followed once: its `Program`, the form of its result, and what must hold for it to be right."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        leaves: list[Any] = []
        form = flatten((args, kwargs), leaves)
        tracer = Tracer()
        stand_ins: list[Any] = []
        names = _argument_names(function, args, kwargs, leaves)
        kinds = [(leaf.shape, numpy.dtype(leaf.dtype)) for leaf in leaves]  # before looking at one makes it a state
        mode = MODE.get()
        with _watched(tracer):
            token = MODE.set(Mode(mode.grad, mode.scope, False))
            try:
                for leaf, name, (shape, dtype) in zip(leaves, names, kinds, strict=True):
                    tracer.meet(_raw(_DATA, leaf) if isinstance(leaf, Tensor) else leaf)
                    traced = tracer.input(shape, dtype, name)
                    if isinstance(leaf, Tensor):
                        stand_in = wrap(traced, name=name)
                        stand_in.requires_grad = leaf.requires_grad
                        stand_ins.append(stand_in)
                    else:
                        stand_ins.append(traced)
                for t, name in zip(stand_ins, names, strict=True):
                    places = (t, t.data) if isinstance(t, Tensor) else (t,)
                    tracer.arguments |= dict.fromkeys(map(id, places), str(name))
                inputs = [t.data.value if isinstance(t, Tensor) else t.value for t in stand_ins]
                result = function(*(filled := unflatten(form, stand_ins))[0], **filled[1])
                if tracer.refused is not None:  # the function went on, by a way that it takes for nothing else
                    raise tracer.refused
                for key, line in tracer.untold.items():
                    raise TraceError(
                        f"{line} changes the array of {tracer.states[key]!r} in place, and its Tensor was not told: "
                        "give it the array afterwards, as in w.data = array."
                    )
                if isinstance(result, Generator | Coroutine):
                    result.close()
                    raise TraceError(
                        f"{getattr(function, '__name__', 'the function')} returns a {type(result).__name__}, whose "
                        "lines run after the call: compile a function that computes at once."
                    )
                outputs: list[Any] = []
                self.form = flatten(result, outputs)
                self.recorded = [isinstance(t, Tensor) and t.requires_grad for t in outputs]
                self.is_tensor = [isinstance(t, Tensor) for t in outputs]
                values = [tracer.lift(t.data if isinstance(t, Tensor) else t) for t in outputs]
            finally:
                MODE.reset(token)
                graded = {**tracer.grads, **tracer.forget_grads()}
                latest = {tracer.states[key]: traced.value for key, traced in tracer.current.items()}
                tracer.current.clear()  # these refer to the tracer, and it to them
                tracer.knobs.clear()
        updates = {state: value for state, value in latest.items() if value is not state}
        name = getattr(function, "__name__", type(function).__name__)
        self.program = Program(identifier(name), inputs, tracer.instructions, values, updates)
        self.device = tracer.device or "cpu"
        self.guards = tracer.all_guards()
        self.settings = list(tracer.settings.values())
        self.ungraded = list(tracer.ungraded.values())
        self.graded = list(graded.values())


def _argument_names(function: Any, args: Any, kwargs: Any, leaves: Sequence[Any]) -> list[str]:
    """A name for each array among the arguments."""
    names: list[str] = []
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        bound = {f"x{i}": part for i, part in enumerate([*args, *kwargs.values()])}
    for name, part in bound.items():
        found: list[Any] = []
        flatten(part, found)
        names += [
            getattr(leaf, "name", None) or (name if len(found) == 1 else f"{name}_{i}") for i, leaf in enumerate(found)
        ]
    return names if len(names) == len(leaves) else [f"x{i}" for i in range(len(leaves))]


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """The `Program` of ``function`` for arguments of these shapes and dtypes: followed once, without values.

    Tensors among the arguments, and within tuples, lists and dicts, become inputs; Tensors that the function finds by
    itself become states. Nothing is computed, and no Tensor changes. Raises `TraceError` where the function asks for a
    value.

    >>> import autograd as ag
    >>> w = ag.Tensor([1.0, 2.0], name="w")
    >>> print(ag.trace(lambda x: (w * x).sum(), ag.ones(2)))
    _lambda(x (2,)):
        multiply_1 (2,) = w * x
        sum_1 () = sum(multiply_1)
        return sum_1
    """
    check_function(function, "function", "what is to be traced, a function of Tensors")
    program = Trace(function, args, kwargs).program
    program.validate()
    return program


__all__ = ["TRACE", "Trace", "Traced", "Tracer", "flatten", "trace", "unflatten"]
