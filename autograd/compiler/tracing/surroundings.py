"""The Python state that a function can reach: variables, globals, attributes of objects, and containers.

A program depends on the values that these had when the function was traced. They are compared before and after the
trace, to find the changes that the function makes, and at each call, to find later changes, by guards: each reads one
location and compares by identity. It runs no user code, and does not use ``==`` of values, by which ``1``, ``1.0`` and
``True`` are equal, NaN is not, and arrays are ambiguous.

The search starts at the function and follows the names in its code to functions, objects, classes, modules, lists and
dicts, and from there the names in their code. It follows the user's code only, not the standard library or installed
packages. Attributes are not guessed from names: the classes of the objects are watched, so that the tracer sees each
read of an attribute, and the value is searched then.
"""

from __future__ import annotations

import dis
import functools
import gc
import io
import itertools
import pickle
import random
import sys
import threading
import types
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from keyword import iskeyword
from operator import is_
from typing import Any, NamedTuple

import numpy

from glassgrad.autograd.common.contexts import OPTIONS, TRACER, WATCHED, holding
from glassgrad.autograd.compiler.tracing.lines import NOTHING, attributes_of, is_users, owner_of, refusal
from glassgrad.autograd.compiler.tracing.traced import Number, Traced, is_inside
from glassgrad.autograd.engine.memory import owner
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import TraceError

MISSING = object()
"""Stands for the value of a missing attribute or item."""

UNWATCHED = ("_mode", "_made", "_path", "_training", "_buffers", "_listed")
"""Internal attributes of a module."""

DICTS = (dict, types.MappingProxyType)


SHORT = 64
"""Up to this many items of a container are compared one by one, which is faster."""

PLAIN = (bool, int, float, complex, str, bytes, numpy.generic, numpy.dtype)


ITEMS, NUMBERS, LAYOUT = object(), object(), object()
"""Keys of guards: the items of a container, and of an array its shape, dtype and flags, with its numbers or without."""


class Guard(NamedTuple):
    """The condition that ``holder``, a dict or an object, has ``value`` under ``key``.

    ``name``: the place, for messages.
    """

    holder: Any
    key: Any
    value: Any
    name: str

    @classmethod
    def of(cls, holder: Any, key: Any, name: str) -> Guard:
        """The guard of what is there now."""
        return cls(holder, key, cls(holder, key, MISSING, name).now(), name)

    def now(self) -> Any:
        """The value that is there now."""
        if self.key is ITEMS:
            return _items_of(self.holder)
        if self.key in (NUMBERS, LAYOUT):
            return content_of(self.holder, self.key is NUMBERS)
        if isinstance(self.holder, DICTS):
            return self.holder.get(self.key, MISSING)
        try:
            return getattr(self.holder, self.key, MISSING)
        except ValueError:  # of the cell of a variable that has no value yet
            return MISSING

    def term(self, number: int, scope: dict[str, Any]) -> str:
        """An expression that is true while the guard holds, with names that are added to ``scope``. It raises
        `KeyError` or `AttributeError` if the place no longer exists.
        """
        holder, value, key, is_dict = f"holder_{number}", f"value_{number}", self.key, isinstance(self.holder, DICTS)
        scope |= {holder: self.holder, value: self.value}
        if key in (NUMBERS, LAYOUT):
            return f"content_of({holder}, {key is NUMBERS}) == {value}"
        if key is not ITEMS:
            if self.value is MISSING or not (is_dict or (key.isidentifier() and not iskeyword(key))):
                place = f"{holder}.get({key!r}, MISSING)" if is_dict else f"getattr({holder}, {key!r}, MISSING)"
            else:
                place = f"{holder}[{key!r}]" if is_dict else f"{holder}.{key}"
            return f"{place} is {self.value if isinstance(self.value, bool) else value}"
        if isinstance(self.holder, set):
            return f"{holder} == {value}"
        count = len(self.value) >> is_dict
        first = count * is_dict  # after the keys
        if count > SHORT or any(isinstance(key, complex | float | int) for key in self.value[:first]):  # 1 == 1.0
            same = [f"all(map(is_, items_of({holder}), {value}))"]
        else:
            part = f"part_{number}"
            scope |= {f"{part}_{i}": each for i, each in enumerate(self.value)}
            places = [i for i in range(count) if self.value[first + i] is not MISSING]
            same = [f"{holder}[{f'{part}_{i}' if is_dict else i}] is {part}_{first + i}" for i in places]
        return " and ".join([f"len({holder}) == {count}" if count else f"not {holder}", *same])


def content_of(array: Any, numbers: bool = True) -> Any:
    """Shape, dtype, writability and bytes of a NumPy array."""
    return array.shape, array.dtype, array.flags.writeable, array.tobytes() if numbers else b""


def _items_of(container: Any) -> Any:
    if type(container) in OPTIONS:  # a learning rate is read at each call
        rates = [MISSING if key == "lr" and type(x) is float else x for key, x in container.items()]
        return *container, *rates
    if isinstance(container, DICTS):
        return *container, *container.values()
    return frozenset(container) if isinstance(container, set) else tuple(container)


def alike(x: Any, y: Any) -> bool:
    """Whether two objects are the same object or equal plain values (same type; zeros of the same sign)."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(alike, x, y))
    if isinstance(x, frozenset | bytes):
        return bool(x == y)
    return (type(x) in PLAIN or isinstance(x, numpy.generic | numpy.dtype)) and repr(x) == repr(y)


SCOPE = {"MISSING": MISSING, "is_": is_, "alike": alike, "content_of": content_of, "items_of": _items_of}
"""The names in expressions of guards besides their holders and values."""


MUTABLE = (list, dict, set, deque, types.MappingProxyType)
FIXED = (tuple, frozenset)
REPORTED = ("__getattribute__", "__setattr__", "__delattr__")
"""Methods that are replaced during a trace."""
_CALLABLE = (
    types.MethodType, types.BuiltinMethodType, types.MethodWrapperType, functools.partial, functools.partialmethod,
    staticmethod, classmethod, property, functools.cached_property, type(functools.lru_cache(len)),
)  # fmt: skip
"""Kinds of callables and of members of a class that are made of others."""
_KNOWN = (*PLAIN, types.NoneType, object, Number, Traced)
"""Kinds of values in which there is nothing to search."""
_WHOLE = frozenset(("__dict__", "__reduce_ex__", "__reduce__", "__getstate__", "__copy__", "__deepcopy__"))
"""Attributes through which all others can be read."""

_MAKING = frozenset(("__init__", "__new__", "__post_init__"))
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # flags of classes: made by a class statement; immutable
_UNREAD = ("glassgrad.autograd.", "numpy.", "cupy.")
"""Packages whose objects are not watched as they are read, because the tracer records their reads in another way."""


class Surroundings:
    """The state that the functions and objects in ``roots`` can reach, as it is now.

    ``guards`` are the places that must be unchanged at each call. Raises `TraceError` for an iterator, which would
    advance during the trace only.
    """

    def __init__(self, roots: Sequence[tuple[Any, str]] = ()) -> None:
        self.guards: dict[Any, Guard] = {}
        self.kinds: dict[type, None] = {}  # the classes whose objects are to be watched as they are read
        self.groups: list[Any] = []  # the dicts of an optimizer's options that were found last
        self.asks_type = ""  # the first line that calls `type` of a variable
        self._generators: list[tuple[Any, str, bytes]] = []
        self._names: dict[str, None] = dict.fromkeys(("forward", "__call__"))
        self._spaces: dict[Any, tuple[Any, str, frozenset[str]]] = {}  # in which the names are looked for
        self._looked = 0, 0  # the numbers of names and spaces in the last search
        self._seen: dict[int, tuple[Any, str]] = {}
        if roots:
            self._visit(numpy.random.rand.__self__, "NumPy's global generator")  # type: ignore[attr-defined]
            self._visit(random.random.__self__, "the module random")  # type: ignore[attr-defined]
        for root, name in roots:
            self.visit(root, name)

    # ------------------------------------------------------------------------------------------------------- the search

    def visit(self, value: Any, name: str) -> None:
        """Search ``value`` and everything that can be reached from it."""
        self._visit(value, name)
        while self._looked != (now := (len(self._names), len(self._spaces))):  # a search may add to both
            self._looked = now
            for space in [*self._spaces.values()]:
                self._look_into(*space)

    def name_of(self, thing: Any) -> str | None:
        """The name of an object that existed before the trace; ``None`` for any other."""
        return self._seen.get(id(thing), (None, None))[1]

    def _visit(self, value: Any, name: str) -> None:
        kind = type(value)
        if kind in _KNOWN or isinstance(value, Tensor) or id(value) in self._seen:
            return
        self._seen[id(value)] = value, name
        if kind is types.FunctionType:
            self._follow(value)
        elif isinstance(value, _CALLABLE):
            for part in gc.get_referents(value):
                self._visit(part, name)
        elif isinstance(value, numpy.ndarray):
            memory = owner(value)  # a view of a writable array may change, too
            if value.flags.writeable or not isinstance(memory, numpy.ndarray) or memory.flags.writeable:
                self._note(value, NUMBERS, name)
        elif isinstance(value, numpy.random.Generator | numpy.random.RandomState | random.Random):
            self._generators.append((value, name, pickle.dumps(value)))
        elif isinstance(value, MUTABLE + FIXED):
            self._open(value, name)
            self._watch_reads(value, name)
        elif isinstance(value, Iterator) and not isinstance(value, io.IOBase):
            raise TraceError(
                f"{name} is an iterator ({kind.__name__}), which the function would advance only while it is traced: "
                "give the next item as an argument."
            )
        elif isinstance(value, types.ModuleType):
            if _is_users_module(value):
                self._spaces[id(value)] = vars(value), name, frozenset()
        elif isinstance(value, type):
            self._look_into_class(value, INCIDENTAL)
            self._visit(kind, name)
            self._visit(getattr(value, "_member_map_", None), name)  # of an enumeration
        else:
            self._look_into_class(kind, INCIDENTAL | _MAKING)
            self._watch_reads(value, name)
            self._visit(attributes_of(value).get("__wrapped__"), name)  # of a compiled function

    def _watch_reads(self, value: Any, name: str) -> None:
        """Watch attribute reads of an object; guard all its attributes if its class can't be modified."""
        kind = type(value)
        if kind in OPTIONS:
            self.groups.append(value)
        elif kind.__flags__ & (_HEAP | _IMMUTABLE) != _HEAP:
            if (own := attributes_of(value)) is not NOTHING:
                self._visit(own, name)
        elif not isinstance(value, tuple(WATCHED)) and not f"{getattr(kind, '__module__', '')}.".startswith(_UNREAD):
            self.kinds[kind] = None

    def _follow(self, function: types.FunctionType) -> None:
        """Search the variables, globals and defaults of a function."""
        code, variables = function.__code__, function.__globals__
        is_users = owner_of(code.co_filename) == "user"  # else perhaps a decorator such as no_grad
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if is_users:
                self._note(cell, "cell_contents", name, "the variable ")
            else:
                self._visit(Guard.of(cell, "cell_contents", name).value, name)
        if not is_users:
            return
        names = _names_in(code)
        self._names |= dict.fromkeys(names)
        for name in names:
            if name in variables:
                self._note(variables, name, name, "the global ")
            elif name in sys.modules:  # perhaps imported by the function
                self._visit(sys.modules[name], name)
        self.asks_type = self.asks_type or next(filter(None, map(_asks_type, _codes_in(code))), "")
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            if getattr(function, name) is not None:
                self._note(function, name, f"{function.__name__}.{name}")

    def _note(self, holder: Any, key: Any, name: str, kind: str = "") -> None:
        """Add the guard of a place and search its value."""
        if (id(holder), key) not in self.guards:
            guard = self.guards[id(holder), key] = Guard.of(holder, key, f"{kind}{name}")
            if key not in (ITEMS, NUMBERS):
                self._visit(guard.value, name)

    def _open(self, container: Any, name: str) -> None:
        """Search the items of a container."""
        if isinstance(container, MUTABLE):
            self._note(container, ITEMS, name)
        pairs = container.items() if hasattr(container, "items") else enumerate(container)
        for key, item in pairs:
            self._visit(item, f"{name}[{key.name if isinstance(key, Tensor) else repr(key)}]")

    def _look_into_class(self, kind: type, omitted: frozenset[str]) -> None:
        for cls in filter(_is_users_class, kind.__mro__):
            self._spaces.setdefault((cls, omitted), (vars(cls), cls.__name__, omitted))

    def _look_into(self, space: Any, name: str, omitted: frozenset[str]) -> None:
        """Search what the names in the code may be: variables of a module, or members of a class and its special
        methods.
        """
        for key, value in [*space.items()]:
            if key in REPORTED:
                self._visit(value, f"{name}.{key}")
                continue
            if key in self._names or (key.startswith("__") and key not in omitted and hasattr(type(value), "__get__")):
                self._note(space, key, f"{name}.{key}")

    def read(self, holder: Any, key: str) -> None:
        """Add a guard for an attribute that is read from an object older than the trace, and search its value."""
        own, name, kind = attributes_of(holder), self.name_of(holder) or type(holder).__name__, type(holder)
        home = next((cls for cls in kind.__mro__ if key in vars(cls)), None)
        value = MISSING if home is None else vars(home)[key]
        is_member = hasattr(type(value), "__get__")
        if own is not NOTHING:
            if key in _WHOLE:
                self._visit(own, name)
            elif home is None or not is_member or _is_users_class(home):
                self._note(own, key, f"{name}.{key}")
        if type(value) is types.MemberDescriptorType:  # of a slot
            self._note(holder, key, f"{name}.{key}")
        elif key not in own and _is_users_class(kind) and (type(value) is types.FunctionType or not is_member):
            self._note(kind, key, f"{kind.__name__}.{key}")
            self._note(holder, "__class__", name, "the class of ")
        self.visit(MISSING, name)

    # ------------------------------------------------------------------------------------------------------- the trace

    def changes(self) -> list[Guard]:
        """Guards of the places that have changed, each with its old value."""
        return [guard for guard in self.guards.values() if not alike(guard.now(), guard.value)]

    def check_draws(self) -> None:
        """Raise `TraceError` if random numbers were drawn other than by `autograd.random`."""
        for generator, name, before in self._generators:
            if pickle.dumps(generator) != before:
                raise TraceError(
                    f"the function draws numbers from {name} while it is traced, so that every call would use the same "
                    "numbers: draw with autograd.random and a generator, or give the numbers as an argument."
                )


INCIDENTAL = frozenset(
    ("__repr__", "__str__", "__del__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__hash__",
     "__init_subclass__", "__copy__", "__deepcopy__", "__dict__", "__weakref__")
)  # fmt: skip
"""Members of classes that do not influence the results of methods."""


def _codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
    """``code``, and that of the functions nested in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _codes_in(part)


@functools.lru_cache(maxsize=4096)
def _names_in(code: types.CodeType) -> tuple[str, ...]:
    """Names of globals, attributes and imported modules in ``code``, including those in nested functions."""
    return tuple(dict.fromkeys(name for each in _codes_in(code) for name in each.co_names))


@functools.lru_cache(maxsize=4096)
def _asks_type(code: types.CodeType) -> str:
    """The first line of ``code`` that calls `type` of a variable other than ``self`` and ``cls``; empty without one."""
    steps = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "PUSH_NULL", "EXTENDED_ARG")]
    for before, now in itertools.pairwise(steps if "type" in code.co_names else ()):
        if before.argval == "type" and now.opname.startswith(("LOAD_FAST", "LOAD_DEREF")):
            name = now.argval[0] if isinstance(now.argval, tuple) else now.argval
            if name not in ("self", "cls"):
                return f"{code.co_filename}:{now.positions.lineno if now.positions else code.co_firstlineno}"
    return ""


def _is_users_module(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return owner_of(file) == "user" if file else hasattr(module, "__builtins__")  # which modules in C have not


def _is_users_class(cls: type) -> bool:
    name = getattr(cls, "__module__", "__main__")  # a class made by `exec` has none
    # The file of __main__ is the profiler's under `python -m cProfile train.py`.
    return name == "__main__" or name not in sys.modules or _is_users_module(sys.modules[name])


# ----------------------------------------------------------------------------------------------------- watching

DATA: Any = Tensor.__dict__["_data"]
GRAD: Any = Tensor.__dict__["grad"]
REQUIRES_GRAD: Any = Tensor.__dict__["requires_grad"]
VALUES: Any = Tensor.__dict__["data"]
_LOCK = threading.Lock()


def slot_value(slot: Any, tensor: Tensor) -> Any:
    """The content of a slot of ``tensor``; ``None`` if it was never assigned."""
    try:
        return slot.__get__(tensor)
    except AttributeError:
        return None


def _get_data(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = DATA.__get__(tensor)
    return raw if tracer is None else tracer.read(tensor, raw)


def _set_data(tensor: Tensor, array: Any) -> None:
    tracer = TRACER.get()
    if tracer is not None:
        array = tracer.write(tensor, slot_value(DATA, tensor), array)
        if array is None:
            return
    DATA.__set__(tensor, array)


def _get_values(tensor: Tensor) -> Any:
    array = VALUES.fget(tensor)
    is_number = type(array) is Traced and not array.shape and is_users(sys._getframe(1))
    return Traced(array.tracer, array.value) if is_number else array  # a NumPy scalar, which has no memory


def _get_grad(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = GRAD.__get__(tensor)
    return raw if tracer is None or is_inside(DATA.__get__(tensor)) else tracer.gradient(tensor, raw)


def _set_grad(tensor: Tensor, grad: Any) -> None:
    tracer = TRACER.get()
    if tracer is not None and not is_inside(slot_value(DATA, tensor)):
        tracer.gradients.setdefault(id(tensor), (tensor, GRAD.__get__(tensor)))
        if grad is not None and not is_inside(slot_value(DATA, grad)):
            raise refusal("sets a gradient that the compiled function did not compute.")
    GRAD.__set__(tensor, grad)


def _get_requires_grad(tensor: Tensor) -> Any:
    tracer, raw = TRACER.get(), REQUIRES_GRAD.__get__(tensor)
    if tracer is not None and not is_inside(slot_value(DATA, tensor)):
        tracer.guard(tensor, "requires_grad", raw)  # no gradient is recorded for a frozen parameter
    return raw or (tracer is not None and tracer.captures_lifted(slot_value(DATA, tensor)))


def _set_requires_grad(tensor: Tensor, requires_grad: bool) -> None:
    tracer, before = TRACER.get(), slot_value(REQUIRES_GRAD, tensor)
    if tracer is not None and before not in (None, requires_grad) and not is_inside(slot_value(DATA, tensor)):
        tracer.guard(tensor, "requires_grad", before)
    REQUIRES_GRAD.__set__(tensor, requires_grad)


def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """A ``__getattribute__`` for a class that reports each read to the tracer."""
    own = vars(kind).get("__getattribute__")

    def read(self: Any, name: str) -> Any:
        if (tracer := TRACER.get()) is not None:
            tracer.attribute_read(kind, self, name)
        return super(kind, self).__getattribute__(name) if own is None else own(self, name)

    return read


def _writer(kind: Any, write: Callable[..., None]) -> Callable[..., None]:
    """A ``__setattr__`` or ``__delattr__`` of a class that reports each write to the tracer."""

    def written(self: Any, name: str, *value: Any) -> None:
        if (tracer := TRACER.get()) is not None:
            tracer.attribute_written(kind, self, name)
        write(self, name, *value)

    return written


_SLOTS = {
    "_data": property(_get_data, _set_data),
    "grad": property(_get_grad, _set_grad),
    "requires_grad": property(_get_requires_grad, _set_requires_grad),
    "data": property(_get_values, VALUES.fset),
}
_originals: dict[type, dict[str, Any]] = {}
_counts = Counter[type]()


@contextmanager
def watched(tracer: Any) -> Iterator[None]:
    """A context in which reads and writes of Tensors, modules and the objects that the function reaches are reported
    to ``tracer``, in this thread and task only. The slots and methods themselves are replaced and later restored, so
    that this costs nothing outside of a trace.
    """
    with tracer.watching, holding(TRACER, tracer):
        watch(tracer, (Tensor, *WATCHED))
        yield


def watch(tracer: Any, kinds: Iterable[type] = ()) -> None:
    """Report attribute reads of objects of these classes, and of those that the tracer has found, until its trace ends,
    and let numbers of each call stand for the learning rates that it has found.
    """
    while groups := tracer.surroundings.groups:
        group = groups.pop()
        if type(rate := dict.get(group, "lr")) is float:
            tracer.watching.callback(dict.__setitem__, group, "lr", rate)
            dict.__setitem__(group, "lr", tracer.knob(group, "lr", "lr"))
    for kind in {*kinds, *tracer.surroundings.kinds} - tracer.kinds:
        tracer.kinds.add(kind)
        tracer.watching.enter_context(_exchanged(kind))


@contextmanager
def _exchanged(kind: Any) -> Iterator[None]:
    """A context in which accesses of a class's attributes are reported."""
    with _LOCK:
        _counts[kind] += 1
        if _counts[kind] == 1:
            writers = {name: _writer(kind, getattr(kind, name)) for name in ("__setattr__", "__delattr__")}
            methods = _SLOTS if kind is Tensor else {"__getattribute__": _reader(kind), **writers}
            _originals[kind] = {name: vars(kind).get(name) for name in methods}
            for name, method in methods.items():
                type.__setattr__(kind, name, method)
    try:
        yield
    finally:
        with _LOCK:
            _counts[kind] -= 1
            for name, original in _originals.pop(kind).items() if not _counts[kind] else ():
                type.__delattr__(kind, name) if original is None else type.__setattr__(kind, name, original)
