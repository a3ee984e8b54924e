"""The conditions for a well-formed program, and the invariants that each pass must keep.

`validate` checks these rules:

1. Values: a kind, a shape and a dtype that arrays have, and a name of its own. The data of a constant, and the Tensor
   of a state, have the shape and dtype that the value says; a knob is one number.
2. Order: an instruction reads inputs of the program, states, knobs, constants, and temporaries that were made before;
   it makes one temporary that nothing else makes.
3. Meaning: the operation is a primitive; its arguments and parameters are those that it takes, and the shape and dtype
   of the result are those that follow from them.
4. Ends: results exist; a state's new value has its shape and dtype.
5. Aliases: a packed state holds its members one after another, each once; members no longer occur by themselves.

In every test it runs after each trace and each pass (`tests.validator`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterator
from typing import Any

from glassgrad.autograd.backends import PLAIN
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.ir.names import KEYWORDS, RESERVED
from glassgrad.autograd.compiler.ir.primitives import infer
from glassgrad.autograd.compiler.ir.program import KINDS, Instruction, Program, Value, method
from glassgrad.autograd.errors import DeclarationError


def is_identifier(name: Any, reserved: Container[str] = KEYWORDS) -> bool:
    """Whether this is a name that `autograd.compiler.ir.names` could have made."""
    plain = isinstance(name, str) and name.isidentifier() and unicodedata.normalize("NFKC", name) == name
    return plain and name not in reserved


@method("validate")
def validate(program: Program) -> None:
    """Raise `DeclarationError`, which names the value or instruction, where ``program`` is not well formed."""
    for fault in faults(program):
        raise DeclarationError(f"{program.name}: {fault}.")


def faults(program: Program) -> Iterator[str]:
    """What is wrong with a program."""
    if not is_identifier(program.name):
        yield "a program's name must be an identifier"
    names: dict[str, Value] = {}
    for value in program.values():
        if names.setdefault(value.name, value) is not value:
            yield f"two values are called {value.name}: {names[value.name]!r} and {value!r}"
        yield from _faults_of_value(program, value)
    if len(set(program.inputs)) != len(program.inputs) or any(value.kind != "input" for value in program.inputs):
        yield f"the inputs must be different values of kind 'input': {program.inputs}"
    made: set[Value] = set()
    for instruction in program.instructions:
        for arg in instruction.args:
            if arg.kind == "temporary" and arg not in made:
                yield f"{instruction!r} reads {arg.name} before it is made"
        if instruction.out in made or instruction.out.kind != "temporary":
            yield f"{instruction!r} makes a value that exists already"
        made.add(instruction.out)
        yield from _faults_of_instruction(instruction)
    for value in [*program.outputs, *program.updates.values()]:
        if value.kind == "temporary" and value not in made:
            yield f"{value!r} is returned and never made"
    for state, value in program.updates.items():
        if state.kind != "state" or (state.shape, state.dtype) != (value.shape, value.dtype):
            yield f"the state {state!r} can't become {value!r}"
    present = set(program.values())
    for whole, members in program.packed.items():
        end = 0
        for member, start in members:
            if member.kind != "state" or member.dtype != whole.dtype or start != end or member in present:
                yield f"the packed state {whole!r}: {member!r} at {start} does not fit"
            end += size(member.shape)
        if whole.kind != "state" or whole.shape != (end,):
            yield f"the packed state {whole!r} must have the {end} elements of its members"


def _faults_of_value(program: Program, value: Value) -> Iterator[str]:
    if not is_identifier(value.name, RESERVED):
        yield f"no value can be called {value.name!r}"
    if value.kind not in KINDS or value.dtype.newbyteorder("=") not in PLAIN:
        yield f"{value.name} is a {value.kind!r} of dtype {value.dtype}"
    if type(value.shape) is not tuple or not all(type(n) is int and n >= 0 for n in value.shape):
        yield f"{value.name} has the shape {value.shape!r}"
    if value.kind in ("constant", "state") and value not in program.packed:
        held = value.data if value.kind == "constant" else value.origin._data
        if (tuple(held.shape), held.dtype) != (value.shape, value.dtype):
            yield f"the {value.kind} {value!r} holds an array of {held.shape} {held.dtype}"
    if value.kind == "knob" and (value.shape or value.dtype.kind != "f" or value.origin is None):
        yield f"the knob {value!r} must be one real number"
    if value.kind == "input" and value not in program.inputs:
        yield f"{value!r} is read as an input, and the program has no such input"


def _faults_of_instruction(instruction: Instruction) -> Iterator[str]:
    """The faults of an instruction: it can't be computed, or its result has another shape or dtype than declared."""
    params, out = instruction.params, instruction.out
    try:
        shape, dtype = infer(instruction.op, params, instruction.args)
    except Exception as error:
        yield f"{out.name} = {instruction.op}(…) can't be computed from {instruction.args}: {error}"
        return
    if (tuple(shape), dtype) != (out.shape, out.dtype):
        yield f"{instruction!r} gives {shape} {dtype}, and the program says {out.shape} {out.dtype}"
    if "shape" in params and params["shape"] != out.shape:
        yield f"{instruction!r} has shape {out.shape} and shape={params['shape']}"
