"""`compile`: a function that is traced once for each form of its arguments, and run as a program from then on."""

from __future__ import annotations

import builtins
import functools
import linecache
import threading
from collections.abc import Callable
from typing import Any

import numpy

from autograd import backends
from autograd.compiler.emit import Emitter, has_kernel
from autograd.compiler.optimize import optimize
from autograd.compiler.plan import Plan, aligned
from autograd.compiler.program import Program, Value
from autograd.compiler.trace import Trace, flatten, unflatten
from autograd.errors import GradientError
from autograd.graph import MODE, TRACER, Node, stamp
from autograd.memory import LAST, WRITES, all_written, owner
from autograd.tensor import Tensor, wrap


class Executable:
    """One program, bound to the arrays of its states: call it with arrays."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.program = optimize(trace.program)
        self.lock = threading.Lock()
        self.source = ""
        self.bind()

    def bind(self) -> None:
        """Plan and emit for the arrays that the states have now."""
        program = self.program
        updated = set(program.updates)
        homes = {state: self._home(state, state in updated) for state in program.states}
        self.plan = Plan(program, homes, has_kernel)
        emitter = Emitter(self.plan)
        self.source = emitter.source()
        emitter.scope.update(self._words(homes, updated))
        file = f"<compiled {program.name} {id(self):x}>"
        exec(builtins.compile(self.source + self._fresh(homes), file, "exec"), emitter.scope)
        linecache.cache[file] = len(self.source), None, self.source.splitlines(True), file
        self.scope = emitter.scope
        self.run: Callable[..., list[Any]] = emitter.scope[program.name]
        self.is_fresh: Callable[[], bool] = emitter.scope["is_fresh"]
        owners = [owner(homes[state]) for state in updated]
        all_written(owners)
        self.written = [*{id(o) for o in owners}, LAST]

    def _home(self, state: Value, updated: bool) -> Any:
        """The array of a state: its Tensor's own, unless that can't be written to."""
        tensor = state.origin
        array = tensor.data
        if updated and (not isinstance(array, numpy.ndarray) or not array.flags.writeable or not array.flags.forc):
            home = aligned(max(state.nbytes, 1))[: state.nbytes].view(state.dtype).reshape(state.shape)
            home[...] = array
            tensor.data = home
        return tensor.data if updated else array

    def _words(self, homes: dict[Value, Any], updated: set[Value]) -> dict[str, Any]:
        words: dict[str, Any] = {}
        for i, (state, home) in enumerate(homes.items()):
            words[f"t{i}_"], words[f"h{i}_"] = state.origin, state.origin.data if state in updated else home
        for i, (holder, name, value) in enumerate(self.trace.guards):
            words[f"g{i}_"], words[f"v{i}_"] = holder, value
        for i, tensor in enumerate(self.trace.ungraded):
            words[f"u{i}_"] = tensor
        return words

    def _fresh(self, homes: dict[Value, Any]) -> str:
        """The source of what is asked before each call: whether everything is where it was."""
        terms = [f"t{i}_.data is h{i}_" for i in range(len(homes))]
        for i, (holder, name, _) in enumerate(self.trace.guards):
            terms.append(f"g{i}_[{name!r}] == v{i}_" if isinstance(holder, dict) else f"g{i}_.{name} == v{i}_")
        return f"\n\ndef is_fresh():\n    return {' and '.join(terms) or 'True'}\n"


class Compiled:
    """A function that runs as a program. Made by `compile`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.executables: dict[Any, Executable] = {}
        self.lock = threading.RLock()
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function: its program for arguments of this form, traced now where there is none."""
        if TRACER.get() is not None:
            return self.function(*args, **kwargs)
        leaves: list[Any] = []
        form = flatten((args, kwargs), leaves)
        arrays = [x.data if isinstance(x, Tensor) else x for x in leaves]
        key = (
            form,
            MODE.get().grad,
            *[(a.shape, a.dtype, isinstance(x, Tensor) and x.requires_grad) for a, x in zip(arrays, leaves)],  # noqa: B905
        )
        executable = self.executables.get(key)
        if executable is None:
            executable = self._trace(key, args, kwargs)
        with executable.lock:
            if not executable.is_fresh():
                executable = self._again(key, executable, args, kwargs)
            outputs = executable.run(*arrays)
            WRITES.update(dict.fromkeys(executable.written, stamp()))
        return self._result(executable, outputs)

    def _trace(self, key: Any, args: Any, kwargs: Any) -> Executable:
        with self.lock:
            made = self.executables[key] = Executable(Trace(self.function, args, kwargs))
            return made

    def _again(self, key: Any, executable: Executable, args: Any, kwargs: Any) -> Executable:
        return self._trace(key, args, kwargs)

    def _result(self, executable: Executable, outputs: list[Any]) -> Any:
        trace = executable.trace
        made = [wrap(a) if t else a for a, t in zip(outputs, trace.is_tensor, strict=True)]
        return unflatten(trace.form, made)


def compile(function: Callable[..., Any]) -> Compiled:
    """``function``, traced at its first call and run as a flat program on planned buffers from then on."""
    return Compiled(function)
