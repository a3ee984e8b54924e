"""`trace`: run a function once on arrays without values and record it as a `Program`.

A Tensor that the function captures, such as a parameter or an optimizer's average, becomes a state of the program.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Coroutine, Iterator
from operator import is_not
from types import ModuleType
from typing import Any

import numpy

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.contexts import WATCHED, holding
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.program import Program, Value
from glassgrad.autograd.compiler.tracing import namespace  # noqa: F401  (which backends then know)
from glassgrad.autograd.compiler.tracing.surroundings import (
    DATA,
    LAYOUT,
    NUMBERS,
    Guard,
    Surroundings,
    slot_value,
    watched,
)
from glassgrad.autograd.compiler.tracing.traced import Number
from glassgrad.autograd.compiler.tracing.tracer import Tracer
from glassgrad.autograd.engine.backward import Hook
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DTypeError, TraceError

COMPARED = 1 << 16
"""Captured arrays of up to this many bytes, if operations of Tensors use them, are compared at each call."""

ARRAY = object()
"""Placeholder for an array among the leaves of a result."""


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an input of the program; any other is a constant of the trace."""
    return isinstance(leaf, Tensor) or type(leaf) in backends.SPACES


class Arguments:
    """The flattened arguments of a call: ``arrays`` are its Tensors and arrays, ``names`` their names, and ``fixed``
    all other leaves.
    """

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.name = _called(function)
        self.leaves, self.structure = trees.flatten((args, kwargs))
        named = _named(function, args, kwargs)
        self.paths = [p for name, part in named for p in trees.paths(trees.flatten(part)[1], name)]
        pairs = [*zip(self.leaves, self.paths, strict=True)]
        self.numbers: dict[int, Any] = {}  # the stand-ins of numbers that may vary, by their position in `fixed`
        self.arrays = [leaf for leaf in self.leaves if is_array(leaf)]
        arrays = [(leaf, identifier(path.replace("'", ""))) for leaf, path in pairs if is_array(leaf)]
        self.names = [getattr(leaf, "name", None) or name for leaf, name in arrays]  # batch_x_0 for batch['x'][0]
        self.fixed = [(leaf, path) for leaf, path in pairs if not is_array(leaf)]

    def filled(self, arrays: list[Any]) -> Any:
        """``args, kwargs`` with the arrays replaced."""
        given, plain = iter(arrays), itertools.count()
        leaves = [next(given) if is_array(leaf) else self.numbers.get(next(plain), leaf) for leaf in self.leaves]
        return trees.unflatten(self.structure, leaves)

    def check_unchanged(self, filled: Any, arrays: list[Any]) -> None:
        """Raise if the function changed a container in ``filled``, which is a copy of the caller's."""
        (now, structure), (before, _) = trees.flatten(filled), trees.flatten(self.filled(arrays))
        if structure != self.structure or any(map(is_not, now, before)):
            pairs = zip(self.paths, now, before, strict=False)
            path = next((path for path, x, y in pairs if x is not y), "a container")
            raise TraceError(
                f"{self.name} changes {path}, a part of its arguments, while it is traced, and would change a copy: "
                "return the new value instead."
            )


def _named(function: Callable[..., Any], args: Any, kwargs: Any) -> list[tuple[str, Any]]:
    """The arguments by the function's own names, in the order of ``args`` and ``kwargs``."""
    try:
        named = inspect.signature(function).bind_partial(*args).arguments
    except (TypeError, ValueError):  # the call will raise it, or the function has no signature
        named = {"x": args}
    return [*named.items(), *kwargs.items()]


class Result:
    """The flattened result of a function: its arrays, and how a call rebuilds it."""

    def __init__(self, tracer: Tracer, name: str, result: Any) -> None:
        self.leaves, self.structure = trees.flatten(result)
        named = type(result) is dict and all(map(is_array, result.values()))
        self.keys = tuple(map(str, result)) if named else ()
        for leaf in self.leaves:
            if isinstance(leaf, Iterator | Coroutine):
                if hasattr(leaf, "close"):
                    leaf.close()
                raise TraceError(
                    f"{name} returns {of_type(leaf)}, whose code runs "
                    "after the call: compile a function that returns its results."
                )
        # What makes the result of an output: a float, an array of shape (), or nothing.
        self.made = [
            "float" if type(leaf) is Number else "" if leaf.shape or getattr(leaf, "scalar", True) else "array"
            for leaf in self.leaves
            if type(leaf) is Number or is_array(leaf)
        ]
        self.leaves = [leaf.traced if type(leaf) is Number else leaf for leaf in self.leaves]
        arrays = [leaf for leaf in self.leaves if is_array(leaf)]
        self.is_tensor = [isinstance(t, Tensor) for t in arrays]
        self.recorded = [isinstance(t, Tensor) and t.requires_grad for t in arrays]
        self.values = [tracer.lift(t.data if isinstance(t, Tensor) else t) for t in arrays]
        self.leaves = [ARRAY if is_array(leaf) else leaf for leaf in self.leaves]


class Trace:
    """The trace of a function: its `Program`, its `Result`, and the conditions under which the program is valid.

    ``guards`` and ``ungraded`` (Tensors without a gradient) are conditions. ``given`` are the inputs after the
    arguments: gradients from before the call, each of the Tensor that is its origin. ``delivered`` are Tensors that get
    a gradient, an output after the results; ``cleared`` those without one after the call. ``replaced`` are states that
    get another array instead of being written in place. ``changes`` are variables, attributes and items that the
    function changed.

    ``fixed`` are the leaves of the arguments that are no arrays, with their names. ``numbers`` are the floats among
    them that the program reads from there, by their position. ``varies``: whether there are any. ``captured`` are the
    Tensors that no argument may be: the states.
    """

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any, varies: bool = False) -> None:
        self.name = _called(function)
        arguments = Arguments(function, args, kwargs)
        self.fixed = arguments.fixed
        tracer = Tracer(Trace._followed.__code__)
        self.numbers: dict[int, Any] = {}
        for i, (leaf, path) in enumerate(arguments.fixed):
            if isinstance(leaf, Iterator):
                raise DTypeError(f"{path} is {of_type(leaf)}, which can be read once only: give a list.")
            if varies and type(leaf) is float:
                self.numbers[i] = leaf
                arguments.numbers[i] = tracer.knob(self.numbers, i, path)
        surroundings = tracer.surroundings = Surroundings([(function, self.name), *arguments.fixed])
        with watched(tracer):
            try:
                inputs, self.result = self._followed(tracer, function, arguments)
            finally:
                arguments.numbers.clear()
                grads = tracer.take_gradients()
                now, before = tracer.current, tracer.former
                latest = {tracer.states[key]: array.value for key, array in now.items()}
                self.replaced = [s for key, s in tracer.states.items() if s.shape and now[key] is not before[key]]
                tracer.name_values(latest)
                now.clear()  # they and the tracer refer to each other
                before.clear()
        surroundings.check_draws()
        if surroundings.asks_type and (self.numbers or not all(isinstance(x, Tensor) for x in arguments.arrays)):
            raise TraceError(
                f"{surroundings.asks_type} calls type(), which tells an array or a float from its stand-in in a "
                "trace: ask with isinstance(), or give Tensors."
            )
        self.changes = surroundings.changes()
        tracer.check_kept(self.changes)
        updates = {s: v for s, v in latest.items() if v is not s or s in self.replaced}
        used = {id(state.origin) for state in updates} - tracer.unread  # their gradients, in updates
        used -= tracer.ungraded.keys() | tracer.given.keys()
        wanted = [(t, x) for t, x in grads if x is not None and id(t) not in used]
        self.delivered = [t for t, _ in wanted]
        self.cleared = [t for t, _ in grads if not any(t is other for other in self.delivered)]
        self.given = [*tracer.given.values()]
        inputs += self.given
        outputs = [*self.result.values, *(value for _, value in wanted)]
        called = identifier(self.name)
        self.program = Program(called, inputs, tracer.instructions, outputs, updates, keys=self.result.keys)
        self.captured = [state.origin for state in self.program.states]
        self.device = tracer.device or "cpu"
        live = tracer.live_arrays()
        edited: tuple[Any, ...] = *WATCHED, Hook
        self.guards = [Guard.of(kind, "edits", f"a part of a {kind.__name__}") for kind in edited]
        for guard in surroundings.guards.values():
            if guard.key is NUMBERS and id(guard.holder) in live and guard.holder.nbytes > COMPARED:
                self.guards.append(Guard.of(guard.holder, LAYOUT, guard.name))
            elif not isinstance(guard.value, ModuleType):
                self.guards.append(guard)
        self.ungraded = list(tracer.ungraded.values())

    def _followed(
        self, tracer: Tracer, function: Callable[..., Any], arguments: Arguments
    ) -> tuple[list[Value], Result]:
        """Call the function on arrays without values: the inputs of the program, and the result."""
        stand_ins, inputs = list[Any](), list[Value]()
        known: dict[int, Any] = {}
        mode = MODE.get()
        with holding(MODE, inside := Mode(mode.grad, mode.scope, tracer.lines)):
            for leaf, name in zip(arguments.arrays, arguments.names, strict=True):
                array = slot_value(DATA, leaf) if isinstance(leaf, Tensor) else leaf
                tracer.meet(array)
                traced = tracer.input(array.shape, numpy.dtype(array.dtype), name)
                inputs.append(traced.value)
                if id(leaf) not in known:
                    traced.scalar = isinstance(leaf, numpy.generic)
                    known[id(leaf)] = stand_in = _stand_in(leaf, traced, name)
                    tracer.arguments |= dict.fromkeys(map(id, (traced, stand_in)), str(name))
                stand_ins.append(known[id(leaf)])
            filled = arguments.filled(stand_ins)
            try:
                result = function(*filled[0], **filled[1])
            except Exception:
                if tracer.refused is None:
                    raise
            if tracer.refused is not None:  # also where the function caught the error, and went on or raised another
                raise tracer.refused
            if MODE.get().grad != inside.grad:
                raise TraceError(
                    f"{self.name} switches recording on or off for good: do it in a with block, or outside."
                )
            arguments.check_unchanged(filled, stand_ins)
            return inputs, Result(tracer, self.name, result)


def _stand_in(leaf: Any, traced: Any, name: str) -> Any:
    """An array without values in the place of ``leaf``: a Tensor of its class, or ``traced`` itself."""
    if not isinstance(leaf, Tensor):
        return traced
    made = type(leaf).__new__(type(leaf))
    made._data, made._name = traced, name
    made.node = made.grad = made.hooks = made._view = made._root = None
    getattr(made, "__dict__", {}).update(getattr(leaf, "__dict__", {}))
    made.requires_grad = leaf.requires_grad
    return made


def _called(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """The `Program` of ``function`` for arguments of these shapes and dtypes, traced once without values.

    Tensors among the arguments, also within containers, become inputs; Tensors that the function captures become
    states. Nothing is computed, and no Tensor changes. Raises `TraceError` where the function asks for a value.

    >>> from glassgrad import autograd as ag
    >>> w = ag.Tensor([1.0, 2.0], name="w")
    >>> print(ag.trace(lambda x: (w * x).sum(), ag.ones(2)))
    _lambda(x (2,)):
        w_times_x (2,) = w * x
        sum_w_times_x () = sum(w_times_x)
        return sum_w_times_x
    """
    check_function(function, "function", "what is to be traced, a function of Tensors")
    return Trace(function, args, kwargs).program


__all__ = ["Arguments", "Result", "Trace", "is_array", "trace"]
