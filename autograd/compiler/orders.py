"""The memory order that eager mode gives to arrays that a function assigns to its states.

NumPy's results inherit the order of their arguments, so it depends on the arrays of a call, but not on their values:
the program is interpreted on zeros with the strides of the arguments and states.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from typing import Any

import numpy

from glassgrad.autograd.backends.arrays import laid_out, strides_of, with_strides
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS, compute, is_view
from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.compiler.trace import Trace
from glassgrad.autograd.engine.memory import TURNED, users_strides
from glassgrad.autograd.engine.tensor import Tensor

ROWS = frozenset((*ELEMENTWISE, *REDUCTIONS, "where", "astype", "getitem", "setitem", "add_at", "draw"))
"""Operations whose result, if it has one axis and is no view, has memory of its own without gaps."""


def _is_row_major(instruction: Instruction) -> bool:
    """Whether the result is row-major, whatever the order of the arguments."""
    axes = len(instruction.out.shape)
    if instruction.op == "matmul":
        return axes <= 2
    return axes <= 1 and instruction.op in ROWS and not is_view(instruction)


_times = [0]
"""How often an order has changed."""


def show(tensor: Any, strides: Any) -> None:
    """Let the user see the array of ``tensor`` with these strides; ``None`` for row-major."""
    key, array = id(tensor), tensor._data
    TURNED.pop(key, None)
    _times[0] += 1
    if strides != strides_of(array):

        def gone(reference: Any) -> None:
            if TURNED.get(key, (None,))[0] is reference:
                del TURNED[key]

        TURNED[key] = weakref.ref(array, gone), strides


def _deciding(instruction: Instruction) -> list[Value]:
    """Arguments whose memory order decides that of the result; in an elementwise call those of two axes or more."""
    if instruction.op in ELEMENTWISE or instruction.op == "where":
        return [arg for arg in instruction.args if len(arg.shape) > 1]
    return [*instruction.args]


class Orders:
    """The strides that assigned states, and results, have after a call of the function in eager mode.

    They depend on the strides before the call: of the arguments at the positions ``inputs``, and of ``states``.
    """

    def __init__(self, trace: Trace) -> None:
        program, self._likes = trace.program, trace.orders
        assigned = [(s.origin, *trace.assigned[id(s.origin)]) for s in program.updates if id(s.origin) in trace.rebound]
        self._assigned = [(tensor, value, order) for tensor, value, order in assigned if value.shape]
        itself = [found is not None for found in trace.result.found]
        returned = [*zip(program.outputs, trace.returned, strict=True)]
        self._returned = [
            (i, value, order)
            for i, (value, order) in enumerate(returned)
            if value.shape and not (i < len(itself) and itself[i])
        ]
        makers = program.producers()
        seen, leaves = set[Value](), set[Value]()
        pending = [value for _, value, _ in (*self._assigned, *self._returned)]
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            like, order = self._likes.get(value, (value, ""))
            if like is not value:
                pending += [like] if isinstance(like, Value) else []
            elif value not in makers:
                leaves.add(value)
            elif order not in ("C", "F") and not _is_row_major(makers[value]):
                pending += _deciding(makers[value])
        self._program, self._seen = program, seen
        self.inputs = [i for i, value in enumerate(program.inputs) if value in leaves and value.shape]
        self.states = [state for state in program.states if state in leaves and state.shape]
        self.settled = -1
        """The time from which calls with row-major arguments change no order; -1 once a state has another array."""
        self._known: dict[Any, tuple[list[tuple[Tensor, Any]], dict[int, Any]]] = {}

    def before(self, arrays: Sequence[Any] = ()) -> Any:
        """The strides before a call with these arguments, which are row-major if left out."""
        given = [strides_of(arrays[i]) if arrays else None for i in self.inputs]
        return (*given, *[users_strides(s.origin, s.origin._data) for s in self.states])

    def show(self, states: Sequence[tuple[Tensor, Any]]) -> bool:
        """Let the user see the states with these strides. Returns whether that changes anything."""
        changed = [(t, strides) for t, strides in states if users_strides(t, t._data) != strides]
        for tensor, strides in changed:
            show(tensor, strides)
        return bool(changed)

    def repeat(self, calls: int) -> None:
        """Let the user see the states as after this number of calls with row-major arguments."""
        while calls and self.show(self.after(self.before())[0]):
            calls -= 1

    def around(
        self, run: Callable[..., list[Any]], anew: Sequence[int], watched: Container[Tensor]
    ) -> Callable[..., list[Any]]:
        """``run``, after which the user sees the states and results as in eager mode.

        ``anew``: the results that ``run`` may return in another order than row-major. ``watched``: the Tensors for
        which an array assigned from outside would be noticed.
        """
        if not (self._assigned or anew or self.inputs or self.states or self.after(())[1]):
            return run

        inputs = self.inputs
        read = [*(state.origin for state in self.states), *(tensor for tensor, _, _ in self._assigned)]
        settles = not anew and all(tensor in watched for tensor in read)
        settled: dict[int, Any] = {}  # the strides of results that are not row-major, where calls change no order

        def run_showing(*arrays: Any) -> list[Any]:
            nonlocal settled
            results = run(*arrays)
            if self.settled == _times[0]:
                for i in inputs:
                    if not arrays[i].flags.c_contiguous:
                        break
                else:
                    for i, strides in settled.items():
                        results[i] = with_strides(results[i], strides)
                    return results
            states, returned = self.after(before := self.before(arrays))
            for i in {*anew, *returned}:
                strides = returned.get(i)
                if strides_of(results[i]) != strides:
                    results[i] = with_strides(results[i], strides)
            changes = self.show(states) or any(before[: len(inputs)])
            self.settled, settled = _times[0] if settles and not changes else -1, returned
            return results

        return run_showing

    def after(self, before: Any) -> tuple[list[tuple[Tensor, Any]], dict[int, Any]]:
        """The strides after a call in eager mode: of the Tensors that are assigned arrays, as pairs; and of the
        results that are not row-major, by their numbers.
        """
        if before not in self._known:
            known = self._interpreted(before)

            def strides(value: Value, order: str) -> Any:
                return strides_of(known[value].copy(order) if order else known[value])

            found = [(i, strides(value, order)) for i, value, order in self._returned]
            self._known[before] = (
                [(tensor, strides(value, order)) for tensor, value, order in self._assigned],
                {i: each for i, each in found if each is not None},
            )
        return self._known[before]

    def _interpreted(self, before: Any) -> dict[Value, Any]:
        """An array with the strides of each value that is assigned."""
        leaves = [*(self._program.inputs[i] for i in self.inputs), *self.states]
        known = {v: laid_out(v.shape, v.dtype, strides) for v, strides in zip(leaves, before, strict=True)}

        def found(value: Value) -> Any:
            if value not in known:
                known[value] = numpy.zeros(value.shape, value.dtype) if value.kind != "constant" else value.data
            return known[value]

        makers = {i.out: i for i in self._program.instructions if i.out in self._seen}
        with numpy.errstate(all="ignore"):
            for value, instruction in makers.items():
                like, order = self._likes.get(value, (value, ""))
                if like is not value:
                    array = found(like) if isinstance(like, Value) else like
                    known[value] = array.copy(order) if order else array
                elif order not in ("C", "F") and not _is_row_major(instruction) and instruction.op != "draw":
                    with suppress(Exception):  # if it refuses zeros: row-major
                        known[value] = numpy.asarray(
                            compute(instruction.op, instruction.params, [found(arg) for arg in instruction.args])
                        )
                if order == "F":
                    known[value] = numpy.asfortranarray(found(value))
                found(value)
            return {value: found(value) for _, value, _ in (*self._assigned, *self._returned)}
