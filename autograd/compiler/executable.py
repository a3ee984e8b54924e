"""`Executable`: a program bound to the arrays of its states, with its generated code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy
from numpy.lib.array_utils import byte_bounds

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.references import other_references
from glassgrad.autograd.compiler.ir.primitives import piece_of
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes.optimize import optimize
from glassgrad.autograd.compiler.passes.packing import HOMES as _HOMES
from glassgrad.autograd.compiler.passes.packing import note_home, shared_buffer
from glassgrad.autograd.compiler.targets.emit import Emitter, has_kernel, load
from glassgrad.autograd.compiler.targets.loops import with_steps
from glassgrad.autograd.compiler.targets.plan import Plan, aligned
from glassgrad.autograd.compiler.trace import ARRAY, Trace
from glassgrad.autograd.compiler.tracing.surroundings import DATA, SCOPE, Guard, alike
from glassgrad.autograd.engine.graph import Node, stamp
from glassgrad.autograd.engine.memory import LATEST, base_of, clock_of, owner, written
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import GradientError, TraceError


def _no_way_back(g: Any) -> Any:
    raise GradientError(
        "this Tensor was computed by a compiled function, which records no graph: compile the whole step, backward "
        "included, or call the original function, which is the compiled one's .function."
    )


_COMPILED = Op(lambda xp, *tensors, shape, dtype: xp.zeros(shape, dtype=dtype), "compiled", "", "", 9)
_COMPILED.name = "compiled"
_COMPILED.vjp(tensors=_no_way_back)


def _addressed(array: Any) -> Any:
    """A NumPy array at the address of ``array``, for comparing addresses; ``None`` for a number. That of an array on a
    GPU must not be read."""
    interface = getattr(array, "__cuda_array_interface__", None)
    found = array if interface is None else numpy.asarray(SimpleNamespace(__array_interface__=interface))
    return found if isinstance(found, numpy.ndarray) and found.size else None


def check_apart(program: Program, given: Sequence[Any] = ()) -> None:
    """Raise if a state that is updated lies in the memory of another, or of the array of an input: in eager mode that
    would change too, but a program treats them as separate.
    """
    found = [(state.origin._data, state) for state in program.states] + list(zip(given, program.inputs, strict=False))
    spans = [(*byte_bounds(array), value) for x, value in found if (array := _addressed(x)) is not None]
    last, end = None, 0
    for start, stop, value in sorted(spans, key=lambda span: span[:2]):
        updated = [v for v in (last, value) if v in program.updates]
        if last is not None and start < end and updated:
            raise TraceError(
                f"{last.name} {last.shape} and {value.name} {value.shape} share memory, and the compiled "
                f"{program.name} updates {updated[0].name}: it can't tell whether the other should change too. Use "
                "one Tensor for both, or give each its own memory, with clone()."
            )
        last, end = (value, stop) if stop > end else (last, end)


def with_replaced_passed(trace: Trace) -> Program:
    """The program with those states as further inputs that get another array at each call, and with their new values
    as further outputs. So it keeps no array that the Tensor no longer has.
    """
    program = trace.program
    passed = {s: Value("input", s.shape, s.dtype, s.name, origin=s.origin) for s in trace.replaced}
    if not passed:
        return program
    new = [program.updates[state] for state in trace.replaced]

    def of(values: Iterable[Value]) -> list[Value]:
        return [passed.get(value, value) for value in values]

    return program.changed(
        inputs=[*program.inputs, *passed.values()],
        instructions=[Instruction(i.op, tuple(of(i.args)), i.params, i.out, i.origin) for i in program.instructions],
        outputs=of((*program.outputs, *new)),
        updates={s: passed.get(value, value) for s, value in program.updates.items() if s not in passed},
    )


def dead_ends(trace: Trace) -> list[Node | None]:
    """For each result a node through which backward raises an error; ``None`` if eager mode would not record it."""
    leaves = [state.origin for state in trace.program.states if state.origin.requires_grad]
    pairs = zip(trace.result.values, trace.result.recorded, strict=True)
    return [_COMPILED(*leaves, shape=v.shape, dtype=v.dtype).node if r and leaves else None for v, r in pairs]


def _kind(grad: Any) -> Any:
    """Shape, dtype and device of a gradient; ``None`` if there is none or it has a graph."""
    if grad is None or grad.node is not None:
        return None
    return grad.data.shape, grad.data.dtype, backends.device_of(grad.data)


def _is_shared(tensor: Tensor) -> bool:
    """Whether the array of ``tensor``, or a view of it, is referenced elsewhere."""
    array = tensor._data
    if other_references(array) > 1:  # the Tensor holds it
        return True
    if id(owner(array)) in _HOMES:
        return False
    base = base_of(array)
    del array
    while base is not None:
        if other_references(base) > 1:  # the array, or the base before this one, holds it
            return True
        base = base_of(base)
    return False


def _named(scope: dict[str, Any], thing: Any) -> str:
    """The name of ``thing`` in a scope, to which it is added."""
    scope[f"thing_{id(thing)}"] = thing
    return f"thing_{id(thing)}"


class Executable:
    """A program bound to the arrays of its states. ``run`` takes the arrays of the arguments.

    ``program`` is the program as traced, ``optimized`` the program after all passes, ``source`` its code.
    """

    optimize = staticmethod(optimize)

    def __init__(self, trace: Trace) -> None:
        self.trace, self.program = trace, trace.program
        check_apart(self.program)
        self.captured = frozenset(map(id, trace.captured))
        self.is_given_more = bool(trace.given or trace.replaced)
        """Whether it is given arrays at each call that are no arguments."""
        self.nodes = dead_ends(trace)
        self._build()

    def _build(self) -> None:
        """Optimize the program, and bind it to the present arrays of the states."""
        program = with_replaced_passed(self.trace)
        written = [s for s in program.updates if s.shape]
        stay = {s for s in written if _is_shared(s.origin) or not s.origin._data.flags.c_contiguous}
        self.optimized = self.optimize(program.changed(pinned=frozenset(stay)))
        self.homes: dict[Value, Any] = {}
        self.places: list[Guard] = []
        """The arrays that the Tensors of the states must have."""
        for state in self.optimized.states:
            if state in self.optimized.packed:
                self.homes[state] = self._packed_home(state)
            else:
                self.homes[state] = self._home(state)
                self.places.append(Guard.of(state.origin, "_data", state.name))
        self.bind()

    def bind(self) -> None:
        """Plan memory and generate the code."""
        self.plan = Plan(self.optimized, self.homes, has_kernel)
        emitter = Emitter(self.plan)
        self.source = emitter.source()
        self._install(self.source, emitter.scope)

    @property
    def text(self) -> str:
        """The source, followed by those of the steps of its loops."""
        return with_steps(self.source, self.optimized)

    def _install(self, source: str, names: dict[str, Any]) -> None:
        """Compile the source to functions, with ``names`` as globals, and the code that runs after it."""
        scope: dict[str, Any] = {}
        ending = self._ending(scope)
        load(source, names, f"compiled {self.optimized.name}", self)
        load(ending, scope, f"compiled {self.optimized.name} ending", self)
        # Popped from their own globals, so that no reference cycle keeps them alive.
        self.run: Callable[..., list[Any]] = names.pop(self.optimized.name)
        self.finish: Callable[[list[Any]], Any] = scope.pop("finish")
        self._checked: dict[str, Any] = {}
        self.__dict__.pop("is_settled", None)
        memories = {id(m): m for m in (owner(self.homes[state]) for state in self.optimized.updates)}
        written(*memories.values())  # in the first call
        self.memories = frozenset(memories)
        self._clocks = [clock_of(memory) for memory in memories.values()]
        run, graded = self.run, [value.origin for value in self.trace.given]
        passed = [state.origin for state in self.trace.replaced]

        if graded or passed:
            self.run = lambda *arrays: run(*arrays, *[t.grad._data for t in graded], *[t._data for t in passed])

    def check_apart(self, arrays: Sequence[Any]) -> None:
        """Raise if an array that the program is given at each call is in the memory of a state that it writes to: an
        argument, a gradient, or the array of a state that is replaced.
        """
        trace, passed = self.trace, arrays
        if self.is_given_more:
            arrays = [*arrays, *[value.origin.grad._data for value in trace.given]]
            passed = [*arrays, *[state.origin._data for state in trace.replaced]]
        for given in passed:
            if id(given if given.base is None else owner(given)) in self.memories:
                check_apart(self.program, arrays)
                return

    def _home(self, state: Value) -> Any:
        """The array of a state: its Tensor's own, or a copy if the program updates it and it is read-only."""
        tensor, array = state.origin, state.origin._data
        if state not in self.optimized.updates:
            return numpy.asarray(array)
        if not (isinstance(array, numpy.ndarray) and array.flags.writeable):
            home = aligned(max(state.nbytes, 1))[: state.nbytes].view(state.dtype).reshape(state.shape)
            home[...] = array
            DATA.__set__(tensor, array := home)
        note_home(array)
        return array

    def _packed_home(self, state: Value) -> Any:
        """The array that holds several packed states: the one that they share already, or a new one."""
        members = self.optimized.packed[state]
        flat = shared_buffer(members)
        if flat is None:
            flat = aligned(state.nbytes).view(state.dtype)
        memory = owner(flat)
        for member, start in members:
            view, tensor = piece_of(flat, start, member.shape), member.origin
            if owner(tensor._data) is not memory:
                view[...] = tensor._data
                DATA.__set__(tensor, view)
            self.places.append(Guard.of(tensor, "_data", member.name))
        note_home(flat)
        return flat

    def is_settled(self) -> bool:
        """Whether the program is valid, and bound to the present arrays. If so, the time of its writes is noted.

        The second call compiles this to code, which later ones run.
        """
        trace, scope = self.trace, self._checked
        terms = [guard.term(i, scope) for i, guard in enumerate([*trace.guards, *self.places])]
        terms += [f"{_named(scope, tensor)}.grad is None" for tensor in trace.ungraded]
        given = [(f"{_named(scope, value.origin)}.grad", value) for value in trace.given]
        for place, v in [*given, *((_named(scope, state.origin), state) for state in trace.replaced)]:
            terms.append(f"kind({place}) == {_named(scope, (v.shape, v.dtype, trace.device))}")
        marks = "".join(f"{_named(scope, clock)}[0] = " for clock in self._clocks)
        scope |= SCOPE | {"LATEST": LATEST, "stamp": stamp, "kind": _kind}
        # Noted before the states are written, so that older graphs are invalid even if the run is interrupted.
        text = (
            f"def is_settled():\n    try:\n        if not ({' and '.join(terms) or 'True'}):\n"
            "            return False\n    except (AttributeError, KeyError, ValueError):\n        return False\n"
            f"    {marks}LATEST[0] = stamp()\n    return True\n"
        )
        load(text, scope, f"compiled {self.optimized.name} settling", self)
        return self.__dict__.setdefault("is_settled", scope.pop("is_settled"))()  # type: ignore[no-any-return]

    def _ending(self, scope: dict[str, Any]) -> str:
        """The source of what sets attributes and gradients, and builds the result, after a call."""
        trace, result = self.trace, self.trace.result

        def named(thing: Any) -> str:
            return _named(scope, thing)

        scope.update(wrap=wrap, array=numpy.array)
        left = [
            f"{named(s.origin)}._data = outputs[{i}]" for i, s in enumerate(trace.replaced, len(self.program.outputs))
        ]
        left.append(f"{''.join(f'{named(tensor)}.grad = ' for tensor in trace.cleared)}None")
        left += [f"{named(t)}.grad = wrap(outputs[{i}])" for i, t in enumerate(trace.delivered, len(result.values))]
        arrays = iter([
            f"wrap(outputs[{i}], {named(node)})" if tensor else f"{made}(outputs[{i}])"
            for i, (tensor, made, node) in enumerate(zip(result.is_tensor, result.made, self.nodes, strict=True))
        ])  # fmt: skip
        leaves = [next(arrays) if leaf is ARRAY else named(leaf) for leaf in result.leaves]
        built = f"{named(trees.unflatten)}({named(result.structure)}, [{', '.join(leaves)}])"
        if result.structure is trees.LEAF:
            built = leaves[0]
        elif result.structure[0] is tuple and not any(result.structure[2]):  # of leaves: the fastest way
            built = f"({''.join(f'{leaf}, ' for leaf in leaves)})"
        lines = "".join(f"    {line}\n" for line in left)
        return f"def finish(outputs):\n{lines}    return {built}\n"

    def broken_guards(self) -> list[Guard]:
        """The guards that no longer hold. An object replaced by an equal plain value is accepted."""
        broken = []
        for i, guard in enumerate(self.trace.guards):
            if alike(now := guard.now(), guard.value):
                self.trace.guards[i] = guard._replace(value=now)
                self.trace.guards[i].term(i, self._checked)
            else:
                broken.append(guard)
        return broken

    def resettle(self) -> bool:
        """Bind the program again if arrays of states were replaced outside. Returns whether it is still valid."""
        exchanged = [place for place in self.places if place.now() is not place.value]
        if self.broken_guards() or not all(_fits(place.holder, place.value) for place in exchanged):
            return False
        if exchanged:
            check_apart(self.program)
            self._build()
        return self.is_settled()


def _fits(tensor: Tensor, home: Any) -> bool:
    """Whether the array of ``tensor`` can take the place of ``home``."""
    array = tensor._data
    alike = (array.shape, array.dtype) == (home.shape, home.dtype) and type(array) in backends.FLAT | {numpy.ndarray}
    return alike and not (tensor.node is not None and tensor.requires_grad)
