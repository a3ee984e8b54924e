"""The current position of a trace in the user's code, and the names that its lines assign.

Code is the user's if its file belongs neither to these packages nor to NumPy. `dis` tells which call of a line is
assigned to a plain name, as in ``h = tanh(x)``, and `linecache` the line's text.
"""

from __future__ import annotations

import dis
import linecache
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import chain
from types import CodeType, FrameType
from typing import Any

import numpy
from numpy.lib import mixins

import glassgrad
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.compiler.ir.names import value_name
from glassgrad.autograd.compiler.ir.program import GRADIENT, UPDATED, Instruction, Origin, Value
from glassgrad.autograd.compiler.ir.words import BEFORE, BETWEEN, derived
from glassgrad.autograd.engine.graph import Node, stamp
from glassgrad.autograd.engine.modes import MODE, Observer
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import TraceError

_PACKAGE = __file__.rpartition("compiler")[0]
_ROOT = _PACKAGE.rstrip("/").rpartition("/")[0]
_FOREIGN = (
    _PACKAGE, f"{_ROOT}/nn/", f"{_ROOT}/viz/", str(glassgrad.__file__), numpy.__file__.rpartition("__init__")[0],
    sysconfig.get_path("stdlib"), "<operation", "<frozen",
)  # fmt: skip
_INSTALLED = ("/site-packages/", "\\site-packages\\", "/dist-packages/")
_OWNERS = {
    "tracing": (f"{_PACKAGE}compiler", f"{_PACKAGE}backends", mixins.__file__),
    "": tuple(f"{_PACKAGE}functions/{name}" for name in ("gradients", "methods", "transforms")),
    "naming": (f"{_PACKAGE}ops", f"{_PACKAGE}functions", f"{_ROOT}/nn/"),
}

WIDTH = 88
"""The largest number of characters of a line's text."""

PLAIN = frozenset(
    ("", *BETWEEN, *BEFORE, "positive", "power", "reshape", "permute_dims", "matrix_transpose", "getitem", "astype")
)
"""The operations of a single instruction, or of none: their results are named after the operands. Those of others are
named after the operation."""

_RETURN = "return"


@cache
def owner_of(filename: str) -> str:
    """Whose code is in a file: ``user``, ``tracing``, ``naming`` for what names values after its variables, or ""."""
    for owner, prefixes in _OWNERS.items():
        if filename.startswith(prefixes):
            return owner
    return "" if filename.startswith(_FOREIGN) or any(part in filename for part in _INSTALLED) else "user"


def _callers(root: CodeType | None = None) -> Iterator[tuple[FrameType, FrameType | None, str]]:
    """The frames that run now, the innermost first, without the tracer's own; each with the frame that it called and
    the owner of its code. The last is the function that ``root`` calls, which counts as the user's.
    """
    frame: FrameType | None = sys._getframe(1)
    inner: FrameType | None = None
    while frame is not None and frame.f_code is not root:
        outer, owner = frame.f_back, owner_of(frame.f_code.co_filename)
        if outer is None or outer.f_code is root:
            owner = "user"
        if owner != "tracing":
            yield frame, inner, owner
        inner, frame = frame, outer


def _users_frame(root: CodeType | None = None) -> FrameType:
    """The innermost frame of the user's code, or of the traced function if that is part of these packages."""
    return next(frame for frame, _, owner in _callers(root) if owner == "user")


def line_of_user() -> str:
    """``file:line`` of the innermost code that is neither this package's nor NumPy's."""
    frame = _users_frame()
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def refusal(why: str, tracer: Any = None) -> TraceError:
    """A `TraceError` at the user's line, which ends the trace even if the function catches it. ``tracer``: see
    `TraceError`.
    """
    error, now = TraceError(f"{line_of_user()} {why}", tracer), TRACER.get()
    if now is not None:
        now.refused = error
    return error


def is_users(frame: FrameType) -> bool:
    """Whether a frame runs the user's code."""
    return owner_of(frame.f_code.co_filename) == "user"


def target(frame: FrameType) -> str:
    """The name to which the result of the call that ``frame`` makes is assigned, or ``return``; empty if neither.

    >>> import sys
    >>> def f():
    ...     y = target(sys._getframe())
    ...     return y, [target(sys._getframe())]
    >>> f()
    ('y', [''])
    """
    code, name, arg, high = frame.f_code, "", 0, 0
    raw = code.co_code
    for at in range(frame.f_lasti + 2, len(raw), 2):  # a call's inline caches come first
        name, arg = dis.opname[raw[at]], high << 8 | raw[at + 1]
        if name not in ("CACHE", "EXTENDED_ARG"):
            break
        high = arg
    if name in ("STORE_NAME", "STORE_GLOBAL"):
        return code.co_names[arg]
    if name.startswith("STORE_FAST_"):  # two instructions in one
        arg >>= 4
    if name == "STORE_DEREF" or name.startswith("STORE_FAST"):
        cells = [cell for cell in code.co_cellvars if cell not in code.co_varnames]
        return [*code.co_varnames, *cells, *code.co_freevars][arg]
    return _RETURN if name == "RETURN_VALUE" else ""


def text_of(filename: str, number: int) -> tuple[str, str]:
    """``train.py:12``, and the text of that line."""
    text = linecache.getline(filename, number).strip()
    text = text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
    name = filename if filename.startswith("<") else filename.replace("\\", "/").rpartition("/")[2]
    return f"{name}:{number}", text


class Lines(Observer):
    """The position of a trace in the user's code, and the names that the code gives to the recorded values.

    ``root`` is the code that calls the traced function; frames outside of it are ignored.
    ``gradients`` maps gradients to the values that they are the gradients of.
    """

    notices_changes = True

    def __init__(self, root: CodeType | None) -> None:
        self.root = root
        self.gradients: dict[Value, Value] = {}
        self._origins: dict[Any, Origin] = {}
        self._counts: dict[str, int] = {}  # of the results of each operation
        self._latest: Origin | None = None
        self._walked: Origin | None = None  # the origin of the gradients that are computed now
        self._recorded: dict[int, tuple[Origin | None, Value]] = {}  # by the index of the node
        self.calls: dict[Any, tuple[Value, str, Any, Any]] = {}  # the last value of each call, and its name

    # ----------------------------------------------------------------------------------------------------------- lines

    def origin(self) -> Origin:
        """The user's line that is running."""
        if self._walked is not None:
            self._latest = self._walked
            return self._latest
        frame = _users_frame(self.root)
        scope = MODE.get().scope
        key = id(frame.f_code), frame.f_lineno, scope
        if key not in self._origins:
            path = scope[-1][0] if scope else ""
            self._origins[key] = Origin(*text_of(frame.f_code.co_filename, frame.f_lineno), path)
        self._latest = self._origins[key]
        return self._latest

    def walked(self, order: list[Node], totals: dict[Any, Any]) -> Iterator[Node]:
        """Iterate over the nodes in ``order``; instructions recorded meanwhile belong to the node's line.

        ``totals`` are the gradients, each complete when its node's turn comes, those of leaves at the end.
        """
        before = self._walked
        try:
            for node in order:
                origin, value = self._recorded.get(node.index, (None, None))
                self._name_gradient(totals.get(node), value)
                self._walked = before if origin is None else replace(origin, order=origin.order + 1)
                yield node
        finally:
            self._walked = before
        for leaf, total in totals.items():
            self._name_gradient(total, _value_of(leaf))

    # ----------------------------------------------------------------------------------------------------------- names

    def _name_gradient(self, total: Any, of: Value | None) -> None:
        value = _value_of(total)
        if value is not None and of is not None and value is not of:
            self.gradients.setdefault(value, of)

    def variable(self, thing: Any) -> str:
        """The name of an object in the user's code: a variable, or an attribute of a local one; empty if none."""
        frame = _users_frame(self.root)
        places = chain((frame.f_locals, frame.f_globals), map(attributes_of, frame.f_locals.values()))
        pairs = chain.from_iterable([*place.items()] for place in places)
        return next((name for name, held in pairs if held is thing), "")

    def called(self, op: Any, result: Tensor, *_: Any) -> None:
        """Name the result after its operation; the final names are chosen when the trace ends."""
        value = _value_of(result)
        if value is not None and value.kind == "temporary" and value.name[1:].isdigit():
            number = self._counts[op.name] = self._counts.get(op.name, 0) + 1
            value.name = f"{op.name}_{number}"

    def made(self, value: Value) -> None:
        """Record that a Tensor was created for ``value``; its node, if any, has the next index."""
        self._recorded[stamp() + 1] = self._latest, value
        if self._walked is None:
            self.computed(value, is_tensor=True)

    def computed(self, value: Value, is_tensor: bool = False) -> None:
        """Name ``value`` after the variable to which the innermost code assigns it; a Tensor also after the user's
        variable, or the path of the module that returns it. The last value that a call makes is taken as its result.
        """
        is_local = is_output = False
        for frame, inner, owner in _callers(self.root):
            name = target(frame) if owner else _RETURN
            if owner == "user" and is_tensor and name != _RETURN:
                self._give("assigned", value, name, frame, frame.f_lasti, inner)
                return
            if owner and name != _RETURN and not is_local:
                self._give("local", value, name, frame, name)
                is_local = True
            if not is_tensor and (is_local or not owner):
                return
            if not is_output and frame.f_code.co_name == "__call__" and owner == "naming":
                path, label = (MODE.get().scope or (("", ""),))[-1]
                self._give("output", value, f"{label.lower()}_{path}" if path[:1].isdigit() else path, frame)
                is_output = True

    def _give(self, kind: str, value: Value, name: str, frame: Any, place: Any = None, inner: Any = None) -> None:
        """Name the result of a ``frame``, of one of its variables, or of a call that it makes: its last value."""
        if name.strip("_"):
            self.calls[kind, id(frame), place, id(inner)] = value, name, frame, inner

    def release(self) -> None:
        """Let go of the frames, and so of the variables of calls that have ended. The names are kept."""
        calls = self.calls.items()
        self.calls = {(of, number): (*call[:2], None, None) for number, ((of, *_), call) in enumerate(calls)}

    def name_values(
        self, instructions: Iterable[Instruction], others: Iterable[Value], updates: Mapping[Value, Value]
    ) -> None:
        """Name the results of instructions, in order, and release the frames. The choices are, first to last: ``d_h``
        for the gradient of ``h``, the name in the user's line or the module, ``w_new`` for the update of a state ``w``,
        the name within an operation, and a name made of the operands. ``others``, the inputs, states and constants,
        keep their names.
        """

        def names(kind: str) -> dict[Value, str]:
            """By the user's assignments, of modules' outputs, or by local variables."""
            return {value: name for (of, *_), (value, name, *_) in reversed(self.calls.items()) if of == kind}

        forms = dict.fromkeys(others, "atom")  # a named value is an atom
        counts = {value.name: 1 for value in forms}
        given = {value: value_name(name) for value, name in names("local").items()}
        given |= {value: f"{state.name}{UPDATED}" for state, value in updates.items()}
        given |= {value: value_name(name) for kind in ("output", "assigned") for value, name in names(kind).items()}

        def give(value: Value, name: str, form: str = "atom", start: int = 0) -> None:
            """Name ``value``, with the next number appended if ``start`` is given or the name is taken."""
            if start or name in counts:
                base, start = (name, start) if start else (f"{name}_", 2)
                number = counts.get(base, start)
                while (name := f"{base}{number}") in counts:
                    number += 1
                counts[base] = number + 1
            counts[name] = 1
            value.name, forms[value] = name, form

        for instruction in instructions:
            value = instruction.out
            if value in self.gradients:
                give(value, f"{GRADIENT}{self.gradients[value].name}")
            elif value in given:
                give(value, given[value])
            else:
                operation = "" if value.name[1:].isdigit() else value.name.rstrip("_0123456789")
                known = derived(instruction, lambda x: (x.name, forms.get(x, ""))) if operation in PLAIN else ("", "")
                if known[0]:
                    give(value, *known)
                else:
                    give(value, f"{operation}_" if operation else "t", "atom" if operation else "", 1)
        self.calls.clear()


def _value_of(thing: Any) -> Value | None:
    """The value of a traced array or of a Tensor that contains one."""
    array = thing.data if isinstance(thing, Tensor) else thing
    return array.value if hasattr(type(array), "tracer") else None


NOTHING: dict[str, Any] = {}


def attributes_of(thing: Any) -> dict[str, Any]:
    """The ``__dict__`` of an object, without calling its own ``__getattribute__``; `NOTHING` where it has none."""
    try:
        found = object.__getattribute__(thing, "__dict__")
    except (AttributeError, TypeError):
        return NOTHING
    return found if isinstance(found, dict) else NOTHING
