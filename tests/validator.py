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

`validate_pass` checks a pass: inputs and results are as before; every state that was updated still is, by itself or as
a member of a packed state; checks and draws are the same, in the same order.

In every test, both run after each trace and each pass: `watch` sees to that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Sequence
from typing import Any

import numpy

from glassgrad.autograd.backends import PLAIN
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler import trace as tracing
from glassgrad.autograd.compiler.ir.names import KEYWORDS, PASS_MARK, RESERVED
from glassgrad.autograd.compiler.ir.primitives import EFFECTS, infer
from glassgrad.autograd.compiler.ir.program import KINDS, Instruction, Program, Value
from glassgrad.autograd.compiler.passes import optimize
from glassgrad.autograd.errors import DeclarationError

LONGEST = 300
"""The largest number of letters of an instruction in a message."""


def is_identifier(name: Any, reserved: Container[str] = KEYWORDS) -> bool:
    """Whether this is a name that `autograd.compiler.ir.names` could have made."""
    plain = isinstance(name, str) and name.isidentifier() and unicodedata.normalize("NFKC", name) == name
    return plain and name not in reserved


def _cut(text: str) -> str:
    """``text`` on one line, shortened if it is long."""
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def described(instruction: Instruction) -> str:
    """The instruction as text, even if it is too malformed to print as algebra."""
    try:
        return _cut(repr(instruction))
    except Exception:
        return f"{instruction.out.name} = {instruction.op}(…)"


def validate(program: Program) -> None:
    """Raise `DeclarationError`, which names the value or instruction, where ``program`` is not well formed."""
    try:
        if not is_identifier(program.name):
            raise DeclarationError(f"{program.name!r} can't be the name of a program: it must be an identifier.")
        names: dict[str, Value] = {}
        for value in program.values():
            _check_value(program, value)
            if names.setdefault(value.name, value) is not value:
                raise DeclarationError(f"two values are called {value.name}: {names[value.name]!r} and {value!r}.")
        _check_instructions(program)
        _check_ends(program)
        _check_homes(program)
    except DeclarationError as error:
        raise DeclarationError(f"{program.name}: {error}") from error.__cause__


def _check_value(program: Program, value: Value) -> None:
    if not is_identifier(value.name.replace(PASS_MARK, "_") if isinstance(value.name, str) else None, RESERVED):
        raise DeclarationError(f"no value can be called {value.name!r}: autograd.compiler.ir.names makes identifiers.")
    dtype = value.dtype
    if value.kind not in KINDS or not isinstance(dtype, numpy.dtype) or dtype.newbyteorder("=") not in PLAIN:
        raise DeclarationError(f"{value.name} is a {value.kind!r} of dtype {dtype}, which no value can have.")
    if type(value.shape) is not tuple or not all(type(n) is int and n >= 0 for n in value.shape):
        raise DeclarationError(f"{value.name} has the shape {value.shape!r}, which no array has.")
    if value.kind in ("constant", "state") and value not in program.packed:
        held = value.data if value.kind == "constant" else value.origin._data
        typed = hasattr(held, "dtype") and (tuple(held.shape), held.dtype)
        if typed != (value.shape, value.dtype):
            found = f"an array of {held.shape} {held.dtype}" if typed else repr(held)
            raise DeclarationError(f"the {value.kind} {value!r} holds {found}.")
    if value.kind == "knob" and (value.shape or value.dtype.kind != "f" or value.origin is None):
        raise DeclarationError(f"the knob {value!r} must be one real number that an instruction reads.")
    if value.kind == "input" and value not in program.inputs:
        raise DeclarationError(f"{value!r} is read as an input, and the program has no such input.")


def _check_instructions(program: Program) -> None:
    made: set[Value] = set()
    if len(set(program.inputs)) != len(program.inputs) or any(value.kind != "input" for value in program.inputs):
        raise DeclarationError(f"the inputs must be different values of kind 'input': {program.inputs}.")
    for instruction in program.instructions:
        for arg in instruction.args:
            if arg.kind == "temporary" and arg not in made:
                raise DeclarationError(f"{described(instruction)} reads {arg.name} before it is made.")
        out = instruction.out
        if out in made or out.kind != "temporary":
            raise DeclarationError(f"{described(instruction)} makes a value that exists already.")
        made.add(out)
        _check_meaning(instruction)
    for value in [*program.outputs, *program.updates.values()]:
        if value.kind == "temporary" and value not in made:
            raise DeclarationError(f"{value!r} is returned and never made.")


def _check_meaning(instruction: Instruction) -> None:
    """Raise `DeclarationError` unless the inferred shape and dtype are those of the instruction's result."""
    op, params, out = instruction.op, instruction.params, instruction.out
    try:
        shape, dtype = infer(op, params, instruction.args)
    except Exception as error:
        given = _cut(", ".join(map(repr, instruction.args))) or "nothing"
        raise DeclarationError(
            f"{described(instruction)} can't be computed from {given}: {_cut(str(error))}."
        ) from error
    if (tuple(shape), dtype) != (out.shape, out.dtype):
        raise DeclarationError(
            f"{described(instruction)} gives {shape} {dtype}, and the program says {out.shape} {out.dtype}."
        )
    if "shape" in params and params["shape"] != out.shape:
        raise DeclarationError(f"{described(instruction)} has shape {out.shape} and shape={params['shape']}.")


def _check_ends(program: Program) -> None:
    for state, value in program.updates.items():
        if state.kind != "state" or (state.shape, state.dtype) != (value.shape, value.dtype):
            raise DeclarationError(f"the state {state!r} can't become {value!r}.")


def _check_homes(program: Program) -> None:
    present = set(program.values())
    for whole, members in program.packed.items():
        end = 0
        for member, start in members:
            if member.kind != "state" or member.dtype != whole.dtype or start != end or member in present:
                raise DeclarationError(
                    f"the packed state {whole!r} must hold its members one after another; {member!r} at {start} does "
                    "not fit."
                )
            end += size(member.shape)
        if whole.kind != "state" or whole.shape != (end,):
            raise DeclarationError(f"the packed state {whole!r} must have the {end} elements of its members.")


def _effects(program: Program) -> list[tuple[Any, ...]]:
    """The checks and draws in a form that can be compared, without the names of values."""
    return [
        (
            i.op,
            tuple(arg.shape for arg in i.args),
            *((k, id(v) if k == "generator" else v) for k, v in i.params.items()),
        )
        for i in program.instructions
        if i.op in EFFECTS
    ]


def _typed(values: list[Value]) -> list[tuple[Any, ...]]:
    return [(value.shape, value.dtype) for value in values]


def validate_pass(name: str, before: Program, after: Program) -> None:
    """Raise `DeclarationError`, which names the pass, where ``after`` is not well formed or does not agree with
    ``before``."""
    try:
        validate(after)
        if before.inputs != after.inputs or _typed(before.outputs) != _typed(after.outputs):
            raise DeclarationError(
                f"{after.name}: it took {before.inputs} and gave {before.outputs}, and now takes {after.inputs} and "
                f"gives {after.outputs}."
            )
        old, new = _effects(before), _effects(after)
        if old != new:
            place = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(new))
            raise DeclarationError(
                f"{after.name}: its {len(old)} checks and draws are now {len(new)} or in another order, from number "
                f"{place + 1} on."
            )
        kept = {*after.updates, *(m for members in after.packed.values() for m, _ in members)}
        moved = [s for s, value in before.updates.items() if s is not value and s not in after.updates]
        lost = [m for s in moved for m, _ in before.packed.get(s, [(s, 0)]) if m not in kept]
        added = [s for s in after.updates if s not in before.updates and s not in after.packed]
        if lost or added:
            raise DeclarationError(f"{after.name}: {(lost or added)[0]!r} is {'no longer' if lost else 'now'} updated.")
    except DeclarationError as error:
        raise DeclarationError(f"the pass {name!r} breaks {error}") from error.__cause__


STEPS = optimize.steps


def watch() -> None:
    """From now on, validate each program after its trace and after each pass."""

    def checked(name: str, change: optimize.Pass) -> optimize.Pass:
        def checked_change(program: Program) -> Program:
            after = change(program)
            validate_pass(name, program, after)
            return after

        return checked_change

    def steps(program: Program, passes: Sequence[Any] = optimize.PASSES) -> list[tuple[str, Program]]:
        return STEPS(program, [(name, checked(name, change)) for name, change in passes])

    def traced(*args: Any, **fields: Any) -> Program:
        program = Program(*args, **fields)
        validate(program)
        return program

    optimize.steps = steps
    tracing.Program = traced  # type: ignore[misc, assignment]
