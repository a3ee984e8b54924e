"""`compile`: a function that is traced once for each structure of its arguments and then runs as a program."""

from __future__ import annotations

import copy
import functools
import os
import threading
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from glassgrad.autograd import trees
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.messages import describe, of_type
from glassgrad.autograd.compiler.check import checked
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.trace import Trace, is_array
from glassgrad.autograd.compiler.tracing.lines import NOTHING, attributes_of
from glassgrad.autograd.engine.modes import DIFFERENTIATED, MODE
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, TraceError
from glassgrad.autograd.readings.levels import LEVELS, innermost

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")

FORMS = 64
"""The largest number of forms of arguments of which one function keeps programs; beyond it the oldest is dropped."""

VARIANTS = 8
"""The largest number of programs for one structure of arguments, such as one in training and one in evaluation."""


PLAIN_KINDS = frozenset((type(None), bool, int, float, complex, str, bytes, type))
"""Types of arguments that are compared by value."""


class Compiled(Generic[P, R]):
    """A function that runs as a program; `compile` makes it.

    ``function`` is the function itself, ``programs`` the `Program` of each form of arguments met so far, as it was
    traced, ``source`` the code that the latest of them runs as.
    """

    executable: type[Executable] = Executable
    """The class that binds and runs a program on the CPU; tests replace it by one that records more."""

    def __init__(self, function: Callable[P, R], target: str = "numpy", check: bool = False) -> None:
        self.function, self.target = function, target
        self.check = check or os.environ.get("GLASSGRAD_CHECK", "0") not in ("", "0")
        self._executables: dict[Any, list[Executable]] = {}  # by the form of the arguments, the latest first
        self._traces = 0
        self.lock = threading.RLock()  # held during each call
        functools.update_wrapper(self, function, updated=())  # its name and docstring, not the attributes of a module

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function: return its result, and update its states."""
        mode = MODE.get()
        if mode.observer or TRACER.get() is not None or LEVELS.get():
            return self.function(*args, **kwargs)
        key: Any = mode.grad
        arrays = []
        plain, numbers = 0, []
        leaves: Any = args
        if kwargs or (args and not all([isinstance(x, Tensor) for x in args])):  # noqa: C419  (a generator is slower)
            leaves, structure = trees.flatten((args, kwargs))
            key = key, structure
        for leaf in leaves:
            if isinstance(leaf, Tensor):
                if leaf.requires_grad and mode.grad:
                    return self.function(*args, **kwargs)  # recorded, as the result may be differentiated
                array = leaf._data  # the slot, which costs less than the property
                key = key, array.shape, array.dtype, array.device
                if type(leaf) is not Tensor:
                    key = *key, type(leaf)
                arrays.append(array)
            elif is_array(leaf):
                key = key, leaf.shape, leaf.dtype, leaf.device, type(leaf)  # to the function it is still an array
                arrays.append(leaf)
            else:
                kind, plain = type(leaf), plain + 1
                if kind is float:
                    numbers.append((plain - 1, leaf))
                    key = key, kind
                elif kind in PLAIN_KINDS:  # the type tells apart 1 and True, the text 0j and -0j, which are equal
                    key = key, kind, repr(leaf) if kind is complex else leaf
                else:  # what its own `==` leaves out may be read by the function; the trace keeps it alive
                    key = key, kind, id(leaf)
        ids = {*map(id, leaves)} if leaves else leaves
        if len(ids) < len(leaves) and len({*map(id, arrays)}) < len(arrays):
            first: dict[int, int] = {}  # by the id of a Tensor or array: the argument that is it, too
            key = key, tuple([first.setdefault(id(leaf), i) for i, leaf in enumerate(leaves) if is_array(leaf)])
        with self.lock:
            known = self._executables.get(key)
            executable: Executable | None = None if known is None else known[0]
            if executable is None or not executable.is_settled():
                if innermost(arrays) is not None:
                    return self.function(*args, **kwargs)  # a value of jvp or vmap, which have ended, has no numbers
                executable = self._found(known) or self._traced(key, args, kwargs)
            if not (captured := executable.captured).isdisjoint(ids):
                again = next(leaf for leaf in leaves if id(leaf) in captured)
                raise TraceError(
                    f"{self._called()} was given {describe(again)}, which it also captures: in a program they are two. "
                    "Use the argument in the function, or pass a clone()."
                )
            if arrays or executable.is_given_more:
                executable.check_apart(arrays)
            if numbers:
                executable.trace.numbers.update(numbers)
            if self.check:
                return checked(executable, self._called(), self.function, args, kwargs, arrays)  # type: ignore[no-any-return]
            return executable.finish(executable.run(*arrays) if arrays else executable.run())  # type: ignore[no-any-return]

    def executable_of(self, kinds: Sequence[tuple[Any, Any, Any]]) -> Any:
        """The program that was run last for arrays of these shapes, dtypes and devices, if it runs as C."""
        key: Any = MODE.get().grad
        for kind in kinds:
            key = key, *kind
        found = self._executables.get(key, [None])[0]
        can = hasattr(found, "can_loop") and not self.check
        return found if can and TRACER.get() is None and not MODE.get().observer else None

    def _found(self, known: list[Executable] | None) -> Executable | None:
        """An earlier program that is valid now, for instance after a switch between training and evaluation."""
        if known is None:
            return None
        if self.target == "auto":  # use those that have been compiled to C by now
            known[:] = [e.native() or e if getattr(e, "compiled", False) else e for e in known]  # type: ignore[attr-defined]
        found = next((e for e in known if e.is_settled()), None) or next((e for e in known if e.resettle()), None)
        if found is not None:
            known.remove(found)
            known.insert(0, found)
        return found

    def _traced(self, key: Any, args: Any, kwargs: Any) -> Executable:
        """Trace a new program. Raises `TraceError` where a Tensor that it captures is being differentiated."""
        trace = Trace(self.function, args, kwargs, True)
        known = self._executables.get(key, [])
        self._traces += 1
        if self._traces == FORMS:
            broken = known[0].broken_guards() if known else []
            cause = broken[0].name if broken else "another form of its arguments"
            warnings.warn(
                f"{self._called()} was traced {FORMS} times, now because of {cause}: each trace takes as long as many "
                "calls. Pass what changes often as arguments, numbers as Tensors, and give all batches one shape.",
                stacklevel=3,
            )
        if trace.changes and (changes := Trace(self.function, args, kwargs, True).changes):  # at each call
            names = ", ".join(dict.fromkeys(guard.name for guard in changes))
            raise TraceError(
                f"{self._called()} changes {names} at each call, but its Python code "
                "runs only while it is traced: return the new value, keep it in a Tensor, or do this outside."
            )
        differentiated = filter(_is_differentiated, trace.captured if MODE.get().grad else ())
        if (tensor := next(differentiated, None)) is not None:
            raise TraceError(
                f"{self._called()} captures {describe(tensor)}, by which or through which a derivative is being taken, "
                "and a program records no graph: give it as an argument, or call .function of the compiled one."
            )
        kind = self.executable
        if trace.device != "cpu":
            from glassgrad.autograd.compiler.targets.device import DeviceExecutable

            kind = DeviceExecutable
        elif self.target != "numpy":
            from glassgrad.autograd.compiler.targets.c.executable import AutoExecutable, NativeExecutable

            kind = NativeExecutable if self.target == "c" else AutoExecutable
        made = kind(trace)
        if trace.changes:
            return made  # for this call only: the next one reads what the function has changed
        self._executables[key] = [made, *known[: VARIANTS - 1]]
        if len(self._executables) > FORMS:
            del self._executables[next(iter(self._executables))]
        return made

    def _called(self) -> str:
        return f"the compiled {getattr(self.function, '__name__', type(self.function).__name__)}"

    @property
    def programs(self) -> list[Program]:
        """The traced program for each structure of arguments so far."""
        return [known[0].program for known in self._executables.values()]

    @property
    def source(self) -> str:
        """The source code of the latest program. Raises `TraceError` before the first call."""
        return self._latest().text

    @property
    def c_source(self) -> str:
        """The latest program in C, with its names and shapes, also if it does not run as C.

        Raises `TraceError` before the first call, `TargetError` if an operation has no form in C.
        """
        from glassgrad.autograd.compiler.targets.c.executable import NativeExecutable, text_of

        latest = self._latest()
        return latest.source if isinstance(latest, NativeExecutable) else text_of(latest.trace)

    def _latest(self) -> Executable:
        if not self._executables:
            raise TraceError(f"{self._called()} has no source yet: call it once, or trace it.")
        return self._executables[next(reversed(self._executables))][0]

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...

    @overload
    def __get__(self: Compiled[Concatenate[Any, Q], R], instance: object, owner: Any = None) -> Callable[Q, R]: ...

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        own = attributes_of(instance)
        if own is NOTHING:  # an object with slots only
            return functools.partial(self, instance)
        # By the class's `Compiled`, as names of lambdas are alike, and by the object, whose copies have the entry, too.
        method = types.MethodType(self.function, instance)
        key = f"compiled method {id(self)}"
        if key not in own or own[key].function != method:
            own[key] = Compiled(method, self.target, self.check)
        return own[key]

    def __reduce__(self) -> Any:
        if isinstance(self.function, types.MethodType):
            return getattr, (self.function.__self__, self.function.__name__)
        return Compiled, (self.function, self.target, self.check)

    def __deepcopy__(self, memo: Any) -> Compiled[P, R]:
        # The copy of a module needs a copy of its compiled functions.
        return Compiled(copy.deepcopy(self.function, memo), self.target, self.check)

    def __repr__(self) -> str:
        count, name = len(self._executables), getattr(self.function, "__qualname__", self.function)
        return f"<compiled {name}, {count} program{'s' * (count != 1)}>"


def _is_differentiated(tensor: Tensor) -> bool:
    """Whether a Tensor is part of a graph: computed from others, or the variable of a transform such as `grad`."""
    return any(tensor is x for x in DIFFERENTIATED.get()) or (tensor.node is not None and tensor.requires_grad)


TARGETS = ("numpy", "c", "auto")
"""The targets of `compile`."""

_NOTHING = object()


@overload
def compile(function: Callable[P, R], *, target: str = "numpy", check: bool = False) -> Compiled[P, R]: ...


@overload
def compile(*, target: str = "numpy", check: bool = False) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...


def compile(function: Any = _NOTHING, *, target: str = "numpy", check: bool = False) -> Any:
    """Compile ``function``: trace it at the first call, then run it as a flat program on preallocated buffers.

    For whole training steps, backward and update included. Tensors and arrays among the arguments, also within
    containers, may have other values at each call, and so may numbers that are only used in arithmetic. For other
    shapes or dtypes, and for other values of any other argument, the function is traced again. Tensors and NumPy
    arrays that it captures (from globals, closures, attributes) are read at each call, and such Tensors are updated. It
    is traced again when a variable, an attribute or an item of a container that it reads has changed. A function that
    changes Python state at each call is refused.

    Gradients are set on ``.grad`` as in eager mode, except those of Tensors that the function updates itself and whose
    gradients it clears before: return these. Results are not part of a graph. Where an argument is being
    differentiated, the function itself is called; a captured Tensor that is being differentiated is refused.

    The function must not look at values while it is traced (`TraceError` says where); labels and the like are checked
    at each call, before anything is written, and calls that may raise come first. Only a Ctrl-C in the middle of a call
    (`nn.fit` delays it), or NumPy's warnings turned into errors, can leave some states updated and others not.
    An argument that the function also captures, or in the memory of a state that it updates, is refused. Under
    `detect_anomaly`, and within another compiled function, the function itself is called. Calls from several threads
    wait for each other.

    ``target="c"`` runs the whole program as one compiled function in C: a call takes a few microseconds. It raises
    `TargetError` where there is no C compiler, or for operations without a form in C, such as factorizations.
    ``target="auto"`` begins with NumPy's calls, compiles the program in the background, and stays with NumPy where that
    is impossible. Results differ by rounding. ``step.c_source`` is the text in C.
    ``@ag.compile(target="c")`` decorates. See docs/native.md.

    ``check=True``, or ``GLASSGRAD_CHECK=1`` in the environment: each call runs the function, too, from the same states,
    and raises `CheckError` where results, states, gradients or random streams differ by more than rounding.

    >>> from glassgrad import autograd as ag, nn
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
    if target not in TARGETS:
        raise DomainError(f"compile has no target {target!r}: give one of {', '.join(map(repr, TARGETS))}.")
    if function is _NOTHING:
        return functools.partial(compile, target=target, check=check)
    if not callable(function):
        raise DTypeError(f"compile takes a function; it was given {of_type(function)}.")
    if isinstance(function, Compiled):
        alike = (function.target, function.check) == (target, check)
        return function if alike else Compiled(function.function, target, check)
    return Compiled(function, target, check)
