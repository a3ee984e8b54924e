"""What a function finds in Python: variables of enclosing functions and modules, attributes of objects, and containers.

A program depends on what these were when the function was traced. So they are compared before and after the trace, to
see what the function changes, and at each call, to see what was changed since.

The search begins at the function and follows the names in its code: from its variables and globals to the functions,
objects, classes, modules, lists and dicts found there, and on by the names in their code. It stays within the user's
code: the standard library, installed packages and this one are not searched. The attributes of the classes in
`autograd.modes.WATCHED` are left to the tracer, which sees each as it is read.
"""

from __future__ import annotations

import functools
import io
import random
import sys
import sysconfig
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy

from autograd.compiler.tracing.guards import MISSING, PLAIN, Attribute, Content, Guard, Items, Variable
from autograd.compiler.tracing.lines import _INNER as INNER
from autograd.errors import TraceError
from autograd.modes import WATCHED
from autograd.tensor import Tensor

LARGEST = 1000
"""The number of items up to which a container is searched and watched."""

MOST = 20_000
"""The number of objects that are searched at most."""

CONTENT = 1 << 20
"""The number of bytes up to which an array is compared with what it was."""

INSTALLED = ("/site-packages/", "\\site-packages\\")
FOREIGN = (*INNER, INNER[0].removesuffix("autograd/") + "viz/", sysconfig.get_path("stdlib"), "<frozen")
NOTHING: dict[str, Any] = {}
MUTABLE = (list, dict, set, deque)
FIXED = (tuple, frozenset, MappingProxyType)
BY_NAME = frozenset(("getattr", "hasattr", "setattr", "delattr"))
"""Functions that take the name of an attribute as text."""


class Surroundings:
    """What the functions and objects in ``roots`` find, as it is now.

    ``guards`` are the places that have to be the same at each call, ``arrays`` NumPy arrays with their names. Raises
    `TraceError` where there is an iterator, which goes on at the trace only.
    """

    def __init__(self, roots: Iterable[tuple[Any, str]]) -> None:
        self.guards: dict[Any, Guard] = {}
        self.tensors: list[Tensor] = []
        self.arrays: list[tuple[Any, str]] = []
        self.generators: list[tuple[Any, str, Any]] = [(None, "NumPy's global generator", _drawn(None))]
        self.generators.append((random, "the module random", random.getstate()))
        self._attributes: list[tuple[dict[str, Any], tuple[str, ...], str]] = []
        self._names: dict[str, None] = dict.fromkeys(("forward", "__call__"))
        self._objects: list[tuple[Any, str]] = []
        self._texts: set[str] = set()  # names of attributes that are asked for by text
        self._seen: dict[int, Any] = {}
        self._weakly = False
        for root, name in roots:
            self._visit(root, name)
        looked = 0
        while looked < len(self._names) * len(self._objects):  # each finding may add names and objects
            looked = len(self._names) * len(self._objects)
            for thing, name in [*self._objects]:
                self._look_into(thing, name)

    # ------------------------------------------------------------------------------------------------------- the search

    def _visit(self, value: Any, name: str) -> None:
        kind = type(value)
        if isinstance(value, Tensor):
            self.tensors.append(value)
            return
        known = value is None or value is MISSING or kind in PLAIN
        if known or id(value) in self._seen or len(self._seen) > MOST:
            return
        self._seen[id(value)] = value
        if kind is FunctionType:
            self._follow(value)
        elif kind is MethodType:
            self._visit(value.__func__, name)
            self._visit(value.__self__, name)
        elif isinstance(value, functools.partial):
            for i, part in enumerate((value.func, value.args, value.keywords)):
                self._visit(part, f"argument {i} of {name}")
        elif isinstance(value, staticmethod | classmethod):
            self._visit(value.__func__, name)
        elif isinstance(value, weakref.ref):  # the object of a method, which a program must not keep alive
            self._weakly = True
            self._visit(value(), name)
        elif kind is property:
            self._visit(value.fget, name)
        elif isinstance(value, numpy.ndarray):
            self.arrays.append((value, name))
        elif hasattr(value, "bit_generator"):
            self.generators.append((value, name, _drawn(value)))
        elif isinstance(value, MUTABLE + FIXED):
            self._open(value, name)
        elif isinstance(value, Iterator) and not isinstance(value, io.IOBase):
            raise TraceError(
                f"{name} is an iterator ({kind.__name__}), which the function would advance at the trace only: give "
                "the next item as an argument."
            )
        elif isinstance(value, ModuleType):
            if _is_users(getattr(value, "__file__", None) or "<none>"):
                self._objects.append((value, name))
        elif isinstance(value, type):
            if _is_users_class(value):
                self._objects.append((value, name))
        elif _is_users_class(kind) or isinstance(value, (SimpleNamespace, *WATCHED)):
            self._objects.append((value, name))
        elif hasattr(value, "__wrapped__"):
            self._visit(value.__wrapped__, name)

    def _follow(self, function: FunctionType) -> None:
        """Go on to the variables, globals and defaults of a function."""
        cells = function.__closure__ or ()
        if not _is_users(function.__code__.co_filename):  # a decorator, as no_grad
            for guard in [Variable(cell, "cell_contents", MISSING, function.__name__) for cell in cells]:
                self._visit(guard.now(), guard.name)
            return
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
            self._note(Variable(cell, "cell_contents", MISSING, f"the variable {name}"))
        self._texts |= _texts_in(function.__code__)
        self._names |= dict.fromkeys(self._texts)
        for name in _names_in(function.__code__):
            self._names[name] = None
            if name in function.__globals__:
                self._note(Guard(function.__globals__, name, MISSING, f"the global {name}"))
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(default, f"a default of {function.__name__}")

    def _note(self, guard: Guard) -> None:
        """Watch a place, and visit what is there."""
        key = type(guard), id(guard.holder), guard.key
        if key not in self.guards:
            value = guard.now()
            self.guards[key] = guard.with_value(value)
            self._visit(value, guard.name.removeprefix("the variable ").removeprefix("the global "))

    def _open(self, container: Any, name: str) -> None:
        """Go on to the items of a container."""
        if isinstance(container, MUTABLE):
            if len(container) > LARGEST:
                return
            self.guards[Items, id(container), None] = Items.of(container, name)
        pairs = container.items() if hasattr(container, "items") else enumerate(container)
        for key, item in pairs:
            self._visit(item, f"{name}[{key!r}]")

    def _look_into(self, thing: Any, name: str) -> None:
        """Go on to the attributes of an object, a class or a module that are named in the code."""
        own = NOTHING if isinstance(thing, type) else getattr(thing, "__dict__", NOTHING)
        watched = isinstance(thing, tuple(WATCHED))
        if own and not watched and not isinstance(thing, ModuleType):
            self._attributes.append((own, tuple(own), name))
        for key in [*own] if watched else [*self._names]:
            if watched:
                if isinstance(own[key], tuple(WATCHED)) or key in self._names:
                    self._visit(own[key], f"{name}.{key}")
            elif key in own or (own is not NOTHING and key in self._texts):
                self._note(self._attribute(thing, own, key, name))
        for cls in (thing if isinstance(thing, type) else type(thing)).__mro__:
            if _is_users_class(cls) or cls in WATCHED:
                self._look_into_class(cls, thing, own, name)

    def _attribute(self, thing: Any, own: Any, key: str, name: str) -> Guard:
        """The guard of an attribute; below the object of a method one that does not keep it alive."""
        if self._weakly and not isinstance(thing, ModuleType):
            with suppress(TypeError):
                return Attribute(weakref.ref(thing), key, MISSING, f"{name}.{key}")
        return Guard(own, key, MISSING, f"{name}.{key}")

    def _look_into_class(self, cls: type, thing: Any, own: Any, name: str) -> None:
        for key, value in [*vars(cls).items()]:
            if key not in self._names and not (key.startswith("__") and key not in INCIDENTAL):
                continue
            if key in ("__init__", "__new__", "__post_init__") and not isinstance(thing, type):
                continue
            if isinstance(value, FunctionType | staticmethod | classmethod | property):
                self._visit(value, f"{name}.{key}")
            elif hasattr(type(value), "__set__"):  # a slot
                if not isinstance(thing, type):
                    self._note(Guard(thing, key, MISSING, f"{name}.{key}"))
            elif key not in own and not key.startswith("__") and not hasattr(type(value), "__get__"):
                self._note(Guard(cls, key, MISSING, f"{cls.__name__}.{key}"))
                if own is not NOTHING and not isinstance(thing, tuple(WATCHED)):  # where it may be overridden
                    self._note(self._attribute(thing, own, key, name))

    # ------------------------------------------------------------------------------------------------------- the trace

    def changes(self) -> list[Guard]:
        """The places that are not what they were, each with its value from before."""
        changed = [guard for guard in self.guards.values() if not guard.holds()]
        for own, names, name in self._attributes:
            changed += [Guard(own, key, MISSING, f"{name}.{key}") for key in own if key not in names]
        return changed

    def check_draws(self) -> None:
        """Raise where random numbers were drawn by another way than `autograd.random`."""
        for generator, name, before in self.generators:
            now = random.getstate() if generator is random else _drawn(generator)
            if now != before:
                raise TraceError(
                    f"the function draws numbers from {name} while it is traced, and every call would get the same: "
                    "draw with autograd.random and a generator, or give the numbers as an argument."
                )


INCIDENTAL = frozenset(
    ("__repr__", "__str__", "__del__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__dict__",
     "__weakref__", "__doc__", "__module__", "__slots__", "__annotations__", "__init_subclass__", "__copy__",
     "__deepcopy__", "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__hash__", "__parameters__",
     "__abstractmethods__", "__orig_bases__", "__qualname__", "__firstlineno__", "__static_attributes__")
)  # fmt: skip
"""Names of classes that do not matter to what a method computes."""


@functools.lru_cache(maxsize=4096)
def _names_in(code: CodeType) -> tuple[str, ...]:
    """The globals and attributes that ``code`` names, functions within it included."""
    names = dict.fromkeys(code.co_names)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            names |= dict.fromkeys(_names_in(part))
    return tuple(names)


@functools.lru_cache(maxsize=4096)
def _texts_in(code: CodeType) -> frozenset[str]:
    """The texts in ``code`` that may be names of attributes, where it asks for some by text."""
    texts = {part for part in code.co_consts if isinstance(part, str) and part.isidentifier()}
    found = set() if BY_NAME.isdisjoint(code.co_names) else texts
    for part in code.co_consts:
        if isinstance(part, CodeType):
            found |= _texts_in(part)
    return frozenset(found)


@functools.lru_cache(maxsize=4096)
def _is_users(file: str) -> bool:
    """Whether a file is neither of this package nor of the standard library nor installed."""
    return not file.startswith(FOREIGN) and not any(part in file for part in INSTALLED) and file != "<none>"


def _is_users_class(cls: type) -> bool:
    module: Any = sys.modules.get(cls.__module__)
    if module is None or cls.__module__ == "builtins":
        return False
    file = getattr(module, "__file__", None)
    return cls.__module__ == "__main__" if file is None else _is_users(file)


def _drawn(generator: Any) -> Any:
    """The state of a random generator, of NumPy's global one for None, as what can be compared."""
    state: Any = numpy.random.get_state(legacy=False) if generator is None else generator.bit_generator.state
    return repr(state) if not isinstance(state, dict) else _frozen(state)


def _frozen(part: Any) -> Any:
    if isinstance(part, dict):
        return tuple((key, _frozen(value)) for key, value in part.items())
    return part.tobytes() if isinstance(part, numpy.ndarray) else part


def contents(arrays: Iterable[tuple[Any, str]], read: Any) -> list[Content]:
    """The guards of the numbers in ``arrays`` that the program does not ``read`` itself, up to `CONTENT` bytes."""
    return [Content.of(array, name) for array, name in arrays if array.nbytes <= CONTENT and id(array) not in read]


__all__ = ["Surroundings", "contents"]
