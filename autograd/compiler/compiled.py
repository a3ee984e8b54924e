"""`compile`: a function that is traced once for each form of its arguments, and run as a program from then on."""

from __future__ import annotations

import builtins
import copy
import functools
import inspect
import itertools
import linecache
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy
from numpy.lib.array_utils import byte_bounds

from autograd import backends
from autograd.compiler.guards import MISSING, Guard, alike
from autograd.compiler.ir.primitives import Slot, compute
from autograd.compiler.ir.program import Program, Value
from autograd.compiler.passes.optimize import optimize
from autograd.compiler.passes.packing import HOMES as _HOMES
from autograd.compiler.passes.packing import lying_together
from autograd.compiler.targets.emit import Emitter, has_kernel
from autograd.compiler.targets.plan import Plan, aligned
from autograd.compiler.trace import Trace, flatten, unflatten
from autograd.errors import DTypeError, GradientError, TraceError
from autograd.graph import MODE, TRACER, Node, stamp
from autograd.memory import LAST, WRITES, all_written, owner
from autograd.op import Op
from autograd.tensor import Tensor, wrap

FORMS = 64
"""How many programs one function may have before it is said that something is wrong."""

_TWINS: weakref.WeakKeyDictionary[Tensor, Any] = weakref.WeakKeyDictionary()
"""The array of each Tensor that shares it with others, which had and get the same values."""

_numbers = itertools.count(1)


def _no_way_back(*_: Any) -> Any:
    raise GradientError(
        "this Tensor was computed by a compiled function, which keeps no graph to go back through: compile the whole "
        "step, backward included, or call the function itself, which is the compiled one's .function."
    )


_COMPILED = Op(lambda xp, *tensors: _no_way_back(), "compiled", "", "", 9, False)
_COMPILED.name = "compiled"
_COMPILED.vjp(tensors=lambda g: _no_way_back())


def _dead_end(value: Value, leaves: tuple[Tensor, ...]) -> Node:
    """The node of a result that would be recorded: whoever goes back through it to ``leaves`` is told what to do."""
    node = Node()
    node.op, node.inputs, node.params, node.saved = _COMPILED, leaves, {}, ()
    node.mask = (1 << len(leaves)) - 1
    node.shape, node.dtype, node.index, node.uneven = value.shape, value.dtype, stamp(), False
    node.name = node.scope = node.hooks = node.origin = None
    return node


def _holders(array: Any) -> tuple[int, int]:
    """How many references there are to an array, and to its memory, views included."""
    return sys.getrefcount(array), sys.getrefcount(owner(array))


def check_apart(program: Program) -> None:
    """Raise where two states lie in one memory and one of them is updated: eagerly the other would change with it, and
    a program takes them for two. Counters may, which programs and pickles of what they left put together."""
    spans = []
    for state in program.states:
        array = state.origin.data
        if isinstance(array, numpy.ndarray) and array.size:
            spans.append((*byte_bounds(array), state))
    spans.sort(key=lambda span: span[:2])
    reaching: list[tuple[int, Value]] = []
    for start, end, state in spans:
        reaching = [(stop, other) for stop, other in reaching if stop > start]
        for _, other in reaching:
            updated = [s for s in (other, state) if s in program.updates and (other.shape or state.shape)]
            if updated and numpy.shares_memory(other.origin.data, state.origin.data):
                raise TraceError(
                    f"{other.name} {other.shape} and {state.name} {state.shape} lie in the same memory, and the "
                    f"compiled {program.name} updates {updated[0].name}: it can't tell whether the other is to change "
                    "too. Use one Tensor for both, or give each memory of its own, with clone()."
                )
        reaching.append((end, state))


def dead_ends(trace: Trace) -> list[Node | None]:
    """The node of each result, ``None`` where it is not recorded."""
    leaves = tuple(state.origin for state in trace.program.states if state.origin.requires_grad)
    return [
        _dead_end(value, leaves) if recorded and leaves else None
        for value, recorded in zip(trace.program.outputs, trace.recorded, strict=True)
    ]


class Executable:
    """One program, bound to the arrays of its states. ``run`` takes the arrays of the arguments.

    ``program`` is what the trace found, ``optimized`` what is run, ``source`` the code that runs it.
    """

    optimize = staticmethod(optimize)

    def __init__(self, trace: Trace) -> None:
        self.trace, self.program = trace, trace.program
        check_apart(self.program)
        self.optimized = self.optimize(trace.program)
        self.nodes = dead_ends(trace)
        self.bind()

    def bind(self) -> None:
        """Plan, and write the source, for the arrays that the states have now."""
        program = self.optimized
        self.homes: dict[Value, Any] = {}
        self.places: list[tuple[Tensor, Any, bool]] = []
        self.made: set[int] = set()
        for state in program.states:
            if state in program.packed:
                self.homes[state] = self._packed_home(state)
            else:
                self.homes[state] = self._home(state)
                self.places.append((state.origin, state.origin.data, state in program.updates))
        self._merge()
        self.plan = Plan(program, self.homes, has_kernel)
        emitter = Emitter(self.plan)
        self.source = emitter.source()
        self._install(self.source, emitter.scope)
        self.held = [_holders(home) if id(owner(home)) in self.made else None for _, home, _ in self.places]

    def _merge(self) -> None:
        """Have Tensors whose values are always equal share one array."""
        for state, kept in self.optimized.merged.items():
            state.origin.data = kept.origin.data
            _TWINS.update(dict.fromkeys((state.origin, kept.origin), kept.origin.data))
            self.places.append((state.origin, kept.origin.data, True))

    def _install(self, source: str, names: dict[str, Any]) -> None:
        """Make functions of the source, in which ``names`` are known, and of what is asked before and said after it."""
        scope: dict[str, Any] = {}
        settling = self._settling(scope)
        file = f"<compiled {self.optimized.name} {next(_numbers)}>"
        exec(builtins.compile(source, file, "exec"), names)
        exec(builtins.compile(settling, f"{file} settling", "exec"), scope)
        linecache.cache[file] = len(source), None, source.splitlines(True), file
        weakref.finalize(self, linecache.cache.pop, file, None)
        # Taken out of their own names, so that no cycle keeps all this alive.
        self.run: Callable[..., list[Any]] = names.pop(self.optimized.name)
        self.is_settled: Callable[[], bool] = scope.pop("is_settled")
        self.finish: Callable[[list[Any]], Any] = scope.pop("finish")

    def _home(self, state: Value) -> Any:
        """The array of a state: its Tensor's own, unless it is updated and that can't be written to."""
        tensor, array = state.origin, state.origin.data
        if state not in self.optimized.updates:
            return numpy.asarray(array)
        plain = isinstance(array, numpy.ndarray) and array.flags.writeable and array.flags.forc
        plain = plain and (bool(array.shape) or id(owner(array)) in _HOMES)  # as others may be in a pickled counter's
        turned = state in self.optimized.flipped
        if not plain or turned != (not array.flags.c_contiguous) or self._has_other_twins(state, array):
            home = aligned(max(state.nbytes, 1))[: state.nbytes].view(state.dtype)
            home = home.reshape(state.shape[::-1]).T if turned else home.reshape(state.shape)
            home[...] = array
            tensor.data = array = home
            self.made.add(id(owner(home)))
        memory = owner(array)
        _HOMES[id(memory)] = memory
        return array

    def _has_other_twins(self, state: Value, array: Any) -> bool:
        """Whether an earlier program put more into this array than this one puts there: they part now."""
        mine = {state.origin, *(s.origin for s, kept in self.optimized.merged.items() if kept is state)}
        return any(shared is array and t.data is array and t not in mine for t, shared in list(_TWINS.items()))

    def _packed_home(self, state: Value) -> Any:
        """The one array in which several states lie: where they lie together already, else a new one."""
        program = self.optimized
        members = program.packed[state]
        flat = lying_together(state.dtype, state.nbytes, members, program.flipped)
        if flat is None:
            flat = aligned(state.nbytes).view(state.dtype)
            self.made.add(id(owner(flat)))
        memory = owner(flat)
        for member, start in members:
            piece = {"start": start, "shape": member.shape, "flip": member in program.flipped}
            view, tensor = compute("piece", piece, (flat,)), member.origin
            if owner(tensor.data) is not memory:
                view[...] = tensor.data
                tensor.data = view
            self.places.append((tensor, tensor.data, True))
        _HOMES[id(memory)] = memory
        return flat

    def _settling(self, scope: dict[str, Any]) -> str:
        """The source of what is asked before and said after each call."""
        trace = self.trace
        terms = []
        for i, (tensor, array, _) in enumerate(self.places):
            scope[f"tensor_{i}"], scope[f"home_{i}"] = tensor, array
            terms.append(f"tensor_{i}.data is home_{i}")
        scope["MISSING"] = MISSING
        for i, guard in enumerate(trace.guards):
            scope[f"holder_{i}"], scope[f"value_{i}"] = guard.holder, guard.value
            terms.append(guard.source(i))
        for i, tensor in enumerate(trace.ungraded):
            scope[f"ungraded_{i}"] = tensor
            terms.append(f"ungraded_{i}.grad is None")
        for i, tensor in enumerate(trace.graded):
            scope[f"graded_{i}"] = tensor
        clear = "".join(f"graded_{i}.grad = " for i in range(len(trace.graded)))
        sets = ""
        for i, (holder, key, value) in enumerate(trace.settings):
            scope[f"set_{i}"], scope[f"setting_{i}"] = holder, value
            sets += f"    set_{i}.{key} = setting_{i}\n"
        memories = {id(m): m for m in (owner(self.homes[state]) for state in self.optimized.updates)}
        all_written(memories.values())
        scope.update(WRITES=WRITES, stamp=stamp, memories=tuple(memories.values()))
        marks = "".join(f"WRITES[{key}] = " for key in (*memories, LAST))
        scope["wrap"] = wrap
        for i, node in enumerate(self.nodes):
            scope[f"node_{i}"] = node
        result = self._result(trace.form, scope)
        return (
            # Told before the states are written, so that whatever breaks a run off, older graphs know.
            f"def is_settled():\n    if not ({' and '.join(terms) or 'True'}):\n        return False\n"
            f"    {marks}stamp()\n    return True\n"
            f"def finish(outputs):\n    {clear + 'None' if clear else 'pass'}\n{sets}    return {result}\n"
        )

    def _result(self, form: Any, scope: dict[str, Any]) -> str:
        """The source of what the function returned, of that ``form``."""

        def given(thing: Any) -> str:
            scope[f"given_{id(thing)}"] = thing
            return f"given_{id(thing)}"

        if type(form) is Slot:
            array = f"outputs[{form.index}]"
            return f"wrap({array}, node_{form.index})" if self.trace.is_tensor[form.index] else array
        if not isinstance(form, tuple) or form[0] in backends.PYTHON_SCALARS:
            return given(unflatten(form, ()))
        kind, content = form
        if kind is dict:
            return "{" + "".join(f"{given(key)}: {self._result(part, scope)}, " for key, part in content) + "}"
        parts = "".join(f"{self._result(part, scope)}, " for part in content)
        return f"{given(kind)}({parts if hasattr(kind, '_fields') else f'[{parts}]'})"

    def broken_guards(self) -> list[Guard]:
        """What the trace relied on and is otherwise now. Another object of the same value is taken up."""
        broken = []
        for i, guard in enumerate(self.trace.guards):
            now = guard.now()
            if now is not guard.value:
                if alike(now, guard.value):
                    self.trace.guards[i] = guard._replace(value=now)
                    self.is_settled.__globals__[f"value_{i}"] = now
                else:
                    broken.append(guard)
        return broken

    def holds(self) -> bool:
        """Whether all is as it was at the trace, but for arrays. Raises `TraceError` where gradients are in the way."""
        if self.broken_guards():
            return False
        for tensor in self.trace.ungraded:
            if tensor.grad is not None:
                raise TraceError(
                    f"Tensor {tensor.name or tensor.shape} has a gradient from before the call, and the compiled "
                    "function was traced without: call zero_grad() first, in the function or outside."
                )
        return True

    def resettle(self) -> bool:
        """Take up what was changed outside: other arrays of the states. Returns whether the program still holds."""
        if not self.holds():
            return False
        if any(tensor.data is not home for tensor, home, _ in self.places):
            check_apart(self.program)
        anew = False
        merged = {id(s.origin) for s in (*self.optimized.merged, *self.optimized.merged.values())}
        for (tensor, home, updated), held in zip(self.places, self.held, strict=True):
            array = tensor.data
            if array is home:
                continue
            if (
                array.shape != home.shape
                or array.dtype != home.dtype
                or type(array) not in backends.FLAT | {numpy.ndarray}
                or id(tensor) in merged
            ):
                return False
            # The Tensor let go of the home; where nobody else holds it, it may take the new values.
            alone = held is not None and _holders(home) == (held[0] - 1, held[1])
            if updated and alone and id(owner(array)) not in _HOMES:
                home[...] = array
                tensor.data = home
            else:
                anew = True
        if anew and self.optimized.packed:
            return False
        if anew:
            self.bind()
        return self.is_settled()


class Compiled:
    """A function that runs as a program; `compile` makes it.

    ``function`` is the function itself, ``programs`` the `Program` of each form of arguments met so far, as it was
    traced, ``source`` the code that the latest of them runs as.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._executables: dict[Any, Executable] = {}
        self._before: dict[Any, Executable] = {}
        self._turns = 0
        self._lock = threading.RLock()
        self._of_objects: dict[int, tuple[weakref.ref[Any], Compiled]] = {}
        functools.update_wrapper(self, function, updated=())  # its name and docstring, not what a module holds

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function would return; its states are updated."""
        if TRACER.get() is not None:
            return self.function(*args, **kwargs)
        mode = MODE.get()
        if mode.anomaly:
            return self.function(*args, **kwargs)
        key: Any = mode.grad
        arrays = []
        leaves: Any = args
        if kwargs or not all([isinstance(x, Tensor) for x in args]):  # noqa: C419  (a generator takes longer)
            leaves = []
            key = key, flatten((args, kwargs), leaves)
        for leaf in leaves:
            if isinstance(leaf, Tensor):
                if leaf.requires_grad and mode.grad:
                    return self.function(*args, **kwargs)  # recorded, as what comes of it may be asked for
                array = leaf.data
                key = key, array.shape, array.dtype, array.device
            else:
                array = leaf
                key = key, array.shape, array.dtype, array.device
            arrays.append(array)
        with self._lock:
            try:
                executable = self._executables.get(key)
            except TypeError as error:
                raise DTypeError(
                    f"{self._called()} was given an argument that can't be looked up ({error}): give Tensors, arrays, "
                    "numbers, texts, and tuples, lists and dicts of these."
                ) from None
            if executable is None or not (executable.is_settled() or executable.resettle()):
                executable = self._switched_back(key) or self._traced(key, arrays, args, kwargs)
            return executable.finish(executable.run(*arrays))

    def _switched_back(self, key: Any) -> Executable | None:
        """The program of before, where nothing but switches (`Module.training`, ``requires_grad``) was turned since."""
        left, found = self._executables.get(key), self._before.pop(key, None)
        broken = [] if left is None else left.broken_guards()
        if left is not None and broken and all(type(guard.value) is bool for guard in broken):
            self._before[key] = left
        if found is not None and (found.is_settled() or found.resettle()):
            self._executables[key] = found
            return found
        self._turns += bool(broken)
        if broken and self._turns == FORMS:
            warnings.warn(
                f"{self._called()} was traced anew {FORMS} times, now because of {broken[0].key!r} of a "
                f"{broken[0].whose}: each time takes as long as many calls. Give what changes often as a Tensor.",
                stacklevel=3,
            )
        return None

    def _traced(self, key: Any, arrays: list[Any], args: Any, kwargs: Any) -> Executable:
        for array in arrays:
            device = backends.device_of(array)
            if backends.namespace(array) is not backends.NUMPY and not device.startswith("cuda"):
                raise TraceError(
                    f"{self._called()} was given an array of {type(array).__module__} on {device}: programs run on "
                    "NumPy's arrays and on CuPy's; call the function itself, which is the compiled one's .function."
                )
        if len(self._executables) >= FORMS:
            raise TraceError(
                f"{self._called()} was traced for {FORMS} forms of its arguments: shapes, numbers given as Python's, or"
                " objects change at each call. Give numbers that change as Tensors, batches one shape, and compile a "
                "function for each object."
            )
        trace = Trace(self.function, args, kwargs)
        kind = Executable
        if trace.device != "cpu":
            from autograd.compiler.targets.device import DeviceExecutable

            kind = DeviceExecutable
        made = kind(trace)
        self._executables[key] = made
        return made

    def _called(self) -> str:
        return f"the compiled {getattr(self.function, '__name__', type(self.function).__name__)}"

    @property
    def programs(self) -> list[Program]:
        """The program of each form of arguments met so far, as it was traced."""
        return [executable.program for executable in self._executables.values()]

    @property
    def source(self) -> str:
        """The code that the latest program runs as. Raises `TraceError` before the first call."""
        if not self._executables:
            raise TraceError(f"{self._called()} has no source yet: call it once, or trace it.")
        return list(self._executables.values())[-1].source

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        found = self._of_objects.get(id(instance))
        if found is None or found[0]() is not instance:
            try:
                gone = functools.partial(_drop, self._of_objects, id(instance))
                reference = weakref.ref(instance, gone)
            except TypeError:  # an object of slots
                return functools.partial(self, instance)
            found = self._of_objects[id(instance)] = reference, Compiled(_weak_method(self.function, reference))
        return Method(found[1], instance)

    def __reduce__(self) -> Any:
        return Compiled, (self.function,)

    def __deepcopy__(self, memo: Any) -> Compiled:
        return Compiled(copy.deepcopy(self.function, memo))  # a module's copy, or its method, goes with the copy

    def __repr__(self) -> str:
        count, name = len(self._executables), getattr(self.function, "__qualname__", self.function)
        return f"<compiled {name}, {count} program{'s' * (count != 1)}>"


class Method:
    """A compiled method of one object. The object's programs are its own, and go with it."""

    __slots__ = ("__self__", "compiled")

    def __init__(self, compiled: Compiled, instance: Any) -> None:
        self.compiled, self.__self__ = compiled, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the method would return."""
        return self.compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in functools.WRAPPER_ASSIGNMENTS:  # it is copied as itself
            raise AttributeError(f"a compiled method has no attribute {name!r}")
        return getattr(self.compiled, name)

    def __reduce__(self) -> Any:
        return getattr, (self.__self__, self.compiled.function.__name__)

    def __repr__(self) -> str:
        return repr(self.compiled)


def _weak_method(function: Callable[..., Any], reference: weakref.ref[Any]) -> Callable[..., Any]:
    """``function`` as the method of an object that it does not keep alive."""

    def method(*args: Any, **kwargs: Any) -> Any:
        return function(reference(), *args, **kwargs)

    functools.update_wrapper(method, function)
    method.__signature__ = inspect.signature(types.MethodType(function, reference()))  # type: ignore[attr-defined]
    return method


def _drop(found: dict[int, Any], key: int, reference: Any) -> None:
    if key in found and found[key][0] is reference:
        del found[key]


def compile(function: Callable[..., Any]) -> Compiled:
    """``function``, followed at its first call and run as a flat program on planned buffers from then on.

    For whole training steps, backward and update included. Tensors and arrays among the arguments (also within tuples,
    lists and dicts) may have other values at each call; for other shapes, dtypes, or other arguments of any other kind
    it is traced anew. Tensors that the function finds by itself, parameters, what an optimizer accumulated, running
    statistics, are read at each call and updated in place; NumPy arrays that it finds, and what it reads of Python's,
    are what they were at the trace, except an optimizer's options and the numbers and texts that modules have as their
    attributes.
    After a call no Tensor has a gradient: return those that are wanted. Results are no part of a graph; where an
    argument requires grad, and is to be recorded, the function itself is called.

    The function must not look at values while it is traced (`TraceError` says where); labels and the like are checked
    at each call, before anything is written, and what may raise is done first. Only a Ctrl-C in the middle of a call
    (`nn.fit` lets it wait), or NumPy's warnings made errors, can leave some states updated and others not. An argument
    is its value at the call, also where it is a state's memory. Under `detect_anomaly`, and within another compiled
    function, the function itself is called. Calls from several threads wait for each other.

    >>> import autograd as ag, nn
    >>> model, x, y = nn.MLP([2, 3, 1], seed=0), ag.ones((4, 2), dtype="float32"), ag.zeros((4, 1), dtype="float32")
    >>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    >>> @ag.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = nn.functional.mse_loss(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> before = step(x, y)
    >>> bool(step(x, y) < before)
    True
    """
    if not callable(function):
        raise DTypeError(f"compile takes a function; it was given a {type(function).__name__}.")
    return function if isinstance(function, Compiled) else Compiled(function)
