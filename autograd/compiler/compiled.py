"""`compile`: a function that is traced once for each form of its arguments, and run as a program from then on."""

from __future__ import annotations

import copy
import functools
import inspect
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from autograd import backends
from autograd.compiler.executable import Executable
from autograd.compiler.ir.program import Program
from autograd.compiler.trace import Trace, flatten
from autograd.errors import DTypeError, TraceError
from autograd.modes import MODE, TRACER
from autograd.tensor import Tensor

FORMS = 64
"""How many programs one function may have before it is said that something is wrong."""


class Compiled:
    """A function that runs as a program; `compile` makes it.

    ``function`` is the function itself, ``programs`` the `Program` of each form of arguments met so far, as it was
    traced, ``source`` the code that the latest of them runs as.
    """

    executable: type[Executable] = Executable
    """What binds and runs a program on the CPU: a check may put one of its own here, which records more."""

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
        kind = self.executable
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
