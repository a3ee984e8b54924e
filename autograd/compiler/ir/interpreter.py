"""The reference interpreter: a program computed instruction by instruction, each value an array of its own.

It uses no memory plan, and results share no memory with inputs: every faster way to run a program is compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.backends import in_words
from glassgrad.autograd.compiler.ir.primitives import compute
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, method
from glassgrad.autograd.errors import DTypeError, ShapeError


@method("run")
def interpret(
    program: Program,
    *arrays: Any,
    states: Mapping[Value, Any] | None = None,
    by: Callable[[Instruction, list[Any]], Any] = lambda i, arrays: compute(i.op, i.params, arrays),
) -> tuple[list[Any], dict[Value, Any]]:
    """The results of ``program`` for these inputs, and the new value of each updated state. Only random generators
    are advanced; nothing else changes.

    ``states`` maps a state to the array to read in place of its Tensor's; ``by`` computes an instruction. Raises
    `ShapeError` and `DTypeError` for arrays that the program was not traced for, and the errors that the eager function
    would raise.
    """
    if len(arrays) != len(program.inputs):
        raise ShapeError(
            f"{program.name} takes {len(program.inputs)} arrays ({', '.join(map(repr, program.inputs))}); it was given "
            f"{len(arrays)}."
        )
    given = {**dict(zip(program.inputs, arrays, strict=True)), **(states or {})}
    known: dict[Value, Any] = {}

    def array_of(value: Value) -> Any:
        if value not in known:
            known[value] = _fitting(program, value, given[value] if value in given else present(value))
        return known[value]

    for instruction in program.instructions:
        call = translated(instruction, program.name, lambda *arrays, i=instruction: by(i, [*arrays]))
        known[instruction.out] = _fresh(call(*map(array_of, instruction.args)))
    results = [_fresh(array_of(value)) for value in program.outputs]
    return results, {state: _fresh(array_of(value)) for state, value in program.updates.items()}


def _fresh(array: Any) -> Any:
    """A copy on the CPU; a NumPy scalar where the shape is ()."""
    return numpy.array(backends.to_numpy(array))[()]


def present(value: Value) -> Any:
    """The array of an input, state, constant or number before the program runs."""
    if value.kind == "knob":
        mapping, key = value.origin
        return value.dtype.type(mapping[key])
    return value.data if value.kind == "constant" else value.origin._data


def _fitting(program: Program, value: Value, array: Any) -> Any:
    found = _fresh(array)
    for is_, should, kind in ((found.shape, value.shape, ShapeError), (found.dtype, value.dtype, DTypeError)):
        if is_ != should:
            raise kind(f"{program.name} was traced for {value!r}; it was given {is_}: cast it, or trace it anew.")
    return found


def translated(instruction: Instruction, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that computes an instruction of the program ``name``, with the errors of the array library in this
    package's words."""

    def called(*arrays: Any) -> Any:
        try:
            return function(*arrays)
        except Exception as error:
            given = ", ".join(map(repr, instruction.args))
            raise in_words(f"{name} can't compute {instruction!r} from {given or 'nothing'}", error) from error

    return called
