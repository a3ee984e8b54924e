"""Programs as JSON and back.

A text may be untrusted, so nothing in it is executed or imported: operations come from the table of primitives; dtypes,
generators and label checks from fixed lists; lengths, depths and numbers are bounded before use. Every program that is
read is validated, including the steps of loops.
"""

from __future__ import annotations

import base64
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any, TypeVar

import numpy

from glassgrad.autograd.backends import PLAIN
from glassgrad.autograd.common.messages import shown as text_of
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.ir.bodies import body_of, fits
from glassgrad.autograd.compiler.ir.inference import sizes
from glassgrad.autograd.compiler.ir.primitives import EFFECTS, PRIMITIVES, Slot, told_by
from glassgrad.autograd.compiler.ir.program import KINDS, METHODS, Instruction, Origin, Program, Stored, Value, method
from glassgrad.autograd.compiler.ir.validator import validate
from glassgrad.autograd.engine.declare.operation import OPS
from glassgrad.autograd.errors import DeclarationError
from glassgrad.autograd.ops.loops.body import Body
from glassgrad.autograd.ops.loops.scan import Loop

T = TypeVar("T")

LARGEST = 1 << 30
"""The largest number of elements of an array that is read."""
INFERRED = 1 << 20
"""The largest number of elements of arguments for which a user's operation is run to find its result's shape."""
DEEPEST = 30
"""The deepest nesting of containers in the parameters of an instruction, and the highest order of a gradient."""

LONGEST = 200
"""The largest number of letters of a name."""

DTYPES = {str(dtype): dtype for dtype in PLAIN}
BITS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
RANGES = {"pos": 625, "buffer_pos": 5, "has_uint32": 2, "uinteger": 1 << 32}
"""An upper bound, exclusive, for numbers in a generator's state that NumPy does not check."""


# ------------------------------------------------------------------------------------------------------------ writing


@method("to_json")
def to_json(program: Program) -> str:
    """See `Program.to_json`. NumPy functions that are not among the primitives can't be written, either."""
    bodies: dict[Body, Any] = {}
    content = _program_to_json(program, bodies)
    return json.dumps({**content, "bodies": list(bodies.values())})


def _program_to_json(program: Program, bodies: dict[Body, Any]) -> dict[str, Any]:
    numbers = {value: i for i, value in enumerate(program.values())}
    drawn_from = {id(i.params["generator"]): i.params["generator"] for i in program.instructions if i.op == "draw"}

    def written(instruction: Instruction) -> dict[str, Any]:
        params = instruction.params
        if instruction.op not in PRIMITIVES:
            raise DeclarationError(f"a file can't hold a call of NumPy's {instruction.op}, which is not a primitive.")
        if instruction.op == "draw":
            params = {**params, "generator": [*drawn_from].index(id(params["generator"]))}
        return {
            "op": instruction.op,
            "args": [numbers[arg] for arg in instruction.args],
            "params": _to_json(params, bodies),
            "out": numbers[instruction.out],
            "origin": None if instruction.origin is None else list(astuple(instruction.origin)),
        }

    return {
        "name": program.name,
        "values": [_value_to_json(value) for value in numbers],
        "inputs": [numbers[value] for value in program.inputs],
        "instructions": list(map(written, program.instructions)),
        "generators": [_generator_to_json(generator) for generator in drawn_from.values()],
        "outputs": [numbers[value] for value in program.outputs],
        "updates": [[numbers[state], numbers[value]] for state, value in program.updates.items()],
    }


def _body_to_json(body: Body, bodies: dict[Body, Any]) -> int:
    """The index of a body among those written; the bodies of loops within it are written first."""
    if body not in bodies:
        core = None if body.core is None else _body_to_json(body.core, bodies)
        content = _program_to_json(METHODS["step"](body), bodies)
        bodies[body] = {**content, "carries": body.carries, "xs": body.xs, "core": core}
    return list(bodies).index(body)


def _value_to_json(value: Value) -> dict[str, Any]:
    data = value.data
    if value.kind == "state":
        data = numpy.asarray(value.origin._data)
    elif value.kind == "knob":
        mapping, key = value.origin
        data = mapping[key]
    shape, dtype = list(value.shape), str(value.dtype)
    return {"kind": value.kind, "name": value.name, "shape": shape, "dtype": dtype, "data": _to_json(data)}


def _to_json(part: Any, bodies: dict[Body, Any] | None = None) -> Any:
    if part is None or type(part) in (str, bool, int, float):
        return part
    if type(part) is complex:
        return {"kind": "complex", "of": [part.real, part.imag]}
    if part is ...:
        return {"kind": "..."}
    if isinstance(part, Slot):
        return {"kind": "slot", "of": part.index}
    if isinstance(part, numpy.dtype) or (isinstance(part, type) and issubclass(part, numpy.generic)):
        return {"kind": "dtype", "of": str(numpy.dtype(part))}
    if isinstance(part, slice):
        return {"kind": "slice", "of": [_to_json(p) for p in (part.start, part.stop, part.step)]}
    if isinstance(part, tuple | list):
        return {"kind": "list" if isinstance(part, list) else "tuple", "of": [_to_json(p, bodies) for p in part]}
    if isinstance(part, dict):
        return {"kind": "dict", "of": {key: _to_json(p, bodies) for key, p in part.items()}}
    if isinstance(part, numpy.ndarray | numpy.generic):
        array = numpy.asarray(part)
        bits = base64.b64encode(array.tobytes()).decode()
        return {"kind": "array", "shape": list(array.shape), "dtype": str(array.dtype), "of": bits}
    if isinstance(part, Loop) and bodies is not None:
        of = [_body_to_json(part.body, bodies), part.length, str(part.dtype), part.reverse]
        return {"kind": "loop", "of": of}
    name = [getattr(part, "__module__", ""), getattr(part, "__name__", "")]
    if _refusal(*name) is part:
        return {"kind": "refusal", "of": name}
    raise DeclarationError(f"a file can't hold {shown(part)}: a program with it can't be written as JSON.")


def _generator_to_json(generator: Any) -> Any:
    bits: Any = getattr(generator, "bit_generator", None)
    if type(bits).__name__ not in BITS:
        raise DeclarationError(f"a file can't hold {generator!r}: a program with it can't be written as JSON.")
    return _to_json(bits.state)


def _refusal(module: Any, name: Any) -> Any:
    """The function of this package that raises for wrong labels, or ``None``; no module is loaded to find it."""
    if not (isinstance(module, str) and isinstance(name, str) and name.startswith("_refuse_")):
        return None
    own = module.startswith(("glassgrad.autograd.", "glassgrad.nn."))
    found = vars(sys.modules.get(module, sys)).get(name) if own else None
    return found if inspect.isfunction(found) and found.__module__ == module else None


# ------------------------------------------------------------------------------------------------------------ reading


def shown(part: Any) -> str:
    """A part of the JSON for an error message, shortened to one line."""
    return " ".join(text_of(part).split())


@method("from_json")
def from_json(text: str) -> Program:
    """Read a program written by `to_json`. States and generators have the values that they had then.

    Raises `DeclarationError` for a text that is not a valid program.
    """
    try:
        content, bodies = json.loads(text), list[Body]()
        for entry in _field(content, "bodies", list) if "bodies" in content else ():
            bodies.append(_body(entry, bodies))
        program = _program(content, bodies)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        said = str(error).rstrip(".") if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise DeclarationError(f"this text is not a program that to_json wrote: {said}.") from None
    validate(program)
    return program


def _program(content: Any, bodies: list[Body]) -> Program:
    values = [_value(entry) for entry in _field(content, "values", list)]
    generators = [_generator(_from_json(state, largest=1 << 128)) for state in _field(content, "generators", list)]

    def value_of(number: Any) -> Value:
        return _listed(values, number, "value")

    def values_of(entry: Any, key: str) -> list[Value]:
        return list(map(value_of, _field(entry, key, list)))

    def instruction(entry: Any) -> Instruction:
        op, args, out = _field(entry, "op", str), tuple(values_of(entry, "args")), value_of(entry.get("out"))
        if op not in PRIMITIVES:
            raise ValueError(f"{shown(op)} is not an operation of a program")
        params = _from_json(_field(entry, "params", dict), bodies=bodies)
        return Instruction(op, args, _checked(op, params, args, generators), out, _origin(entry.get("origin")))

    updates = {}
    for state, value in _field(content, "updates", list):
        updates[value_of(state)] = value_of(value)
    return Program(
        _name(content),
        values_of(content, "inputs"),
        list(map(instruction, _field(content, "instructions", list))),
        values_of(content, "outputs"),
        updates,
    )


def _body(entry: Any, bodies: list[Body]) -> Body:
    """Read the body of a loop; loops within it refer to ``bodies``."""
    program, core = _program(entry, bodies), entry.get("core")
    validate(program)
    carries, xs = _field(entry, "carries", int), _field(entry, "xs", int)
    kinds = {value.kind for value in program.values()}
    pure = kinds <= {"input", "constant", "temporary"} and not EFFECTS & {i.op for i in program.instructions}
    typed = [[(v.shape, v.dtype) for v in values[:carries]] for values in (program.inputs, program.outputs)]
    if not (pure and 0 <= carries <= carries + xs <= len(program.inputs) and typed[0] == typed[1]):
        raise ValueError(f"{program.name} is not a step of a loop with {carries} carries and {xs} xs")
    body = body_of(program, carries, xs)
    body.core = None if core is None else _listed(bodies, core, "body")
    return body


def _listed(things: Sequence[T], number: Any, kind: str) -> T:
    if type(number) is not int or not 0 <= number < len(things):
        raise ValueError(f"there is no {kind} of number {shown(number)}")
    return things[number]


def _loop(of: Any, bodies: Sequence[Body]) -> Loop:
    number, length, dtype, reverse = of
    if type(length) is not int or not 0 <= length <= INFERRED or type(reverse) is not bool:
        raise ValueError(f"{shown(of)} is not a loop of up to {INFERRED} steps")
    return Loop(_listed(bodies, number, "body"), length, _dtype(dtype), reverse)


def _field(content: Any, key: str, kind: type) -> Any:
    found = content.get(key) if isinstance(content, dict) else None
    if type(found) is not kind:
        raise ValueError(f"{key!r} is {shown(found)}, and not of type {kind.__name__}")
    return found


def _name(entry: Any) -> str:
    name: str = _field(entry, "name", str)
    if len(name) > LONGEST:
        raise ValueError(f"a name has {len(name)} letters, and no more than {LONGEST} are read")
    return name


def _shape(entry: Any) -> tuple[int, ...]:
    shape = sizes(_field(entry, "shape", list))
    if size(shape) > LARGEST:
        raise ValueError(f"an array of shape {shown(shape)} is larger than {LARGEST} elements")
    return shape


def _dtype(name: Any) -> Any:
    if not isinstance(name, str) or name not in DTYPES:
        raise ValueError(f"{shown(name)} is not a dtype of numbers")
    return DTYPES[name]


def _value(entry: Any) -> Value:
    kind, name = _field(entry, "kind", str), _name(entry)
    if kind not in KINDS:
        raise ValueError(f"{shown(kind)} is not a kind of value")
    value = Value(kind, _shape(entry), _dtype(entry.get("dtype")), name)
    data = _from_json(entry.get("data"))
    if kind == "constant":
        value.data = data
    elif kind == "state":
        value.origin = Stored(data)
    elif kind == "knob":
        if type(data) not in (int, float):
            raise ValueError(f"the knob {name} is {shown(data)}, and no number")
        value.origin = {name: data}, name
    return value


def _checked(op: str, params: Any, args: tuple[Value, ...], generators: list[Any]) -> dict[str, Any]:
    """The parameters of an instruction, after checks beyond those of the validator."""
    if not isinstance(params, dict):
        raise ValueError(f"the parameters of {op} are {shown(params)}")
    if op == "draw":
        return {**params, "generator": _listed(generators, params.get("generator"), "generator")}
    if op == "check_range":
        inspect.signature(params["refuse"]).bind(0, 0, **params["options"])
    if op == "op":
        name, loop = params.get("name"), params.get("options", {}).get("loop")
        if isinstance(loop, Loop) and (name != "scan_packed" or not fits(loop, args, params)):
            raise ValueError(f"{loop!r} does not fit the arguments that it was recorded for")
        if not isinstance(name, str) or name not in OPS:
            raise ValueError(f"{shown(name)} is not an operation that was declared here")
        if not OPS[name].foreign and (told_by(*args, **params) is None or _greatest(params["options"]) > INFERRED):
            raise ValueError(
                f"{name} is not an operation that is computed as a whole, with parameters up to {INFERRED}"
            )
        if OPS[name].foreign and sum(size(arg.shape) for arg in args) > INFERRED:
            raise ValueError(
                f"{name} has arguments of more than {INFERRED} elements, too many to find its result's shape"
            )
    return params


def _greatest(part: Any) -> int:
    """The greatest absolute value of an integer in parameters."""
    if isinstance(part, dict):
        part = list(part.values())
    if isinstance(part, list | tuple):
        return max(map(_greatest, part), default=0)
    return abs(part) if type(part) is int else 0


def _origin(parts: Any) -> Origin | None:
    if parts is None:
        return None
    line, text, scope, order = parts
    if not (all(isinstance(part, str) for part in (line, text, scope)) and type(order) is int and 0 <= order < DEEPEST):
        raise ValueError(f"{shown(parts)} is not a line of a source")
    return Origin(line, text, scope, order)


def _generator(state: Any) -> numpy.random.Generator:
    name = _field(state, "bit_generator", str)
    if name not in BITS:
        raise ValueError(f"{shown(name)} is not a generator of NumPy's")
    bits = getattr(numpy.random, name)()
    _check_state(state, bits.state, name)
    bits.state = state
    return numpy.random.Generator(bits)


def _check_state(found: Any, like: Any, name: str) -> None:
    """Raise unless the state of a generator has the form of NumPy's own, as NumPy does not check it."""
    fits = type(found) is type(like)
    if isinstance(like, dict):
        fits = fits and found.keys() == like.keys()
        for key in like if fits else ():
            _check_state(found[key], like[key], key)
    elif isinstance(like, numpy.ndarray):
        fits = fits and (found.shape, found.dtype) == (like.shape, like.dtype)
    elif isinstance(like, int):
        fits = fits and 0 <= found < RANGES.get(name, 1 << 128)
    if not fits:
        raise ValueError(f"{name!r} is {shown(found)}, which is not part of a generator's state")


def _array(part: Any) -> Any:
    shape, dtype, bits = _shape(part), _dtype(part.get("dtype")), base64.b64decode(_field(part, "of", str))
    if len(bits) != size(shape) * dtype.itemsize:
        raise ValueError(f"{len(bits)} bytes are not an array of shape {shape} and dtype {dtype}")
    if dtype.kind == "b":
        return (numpy.frombuffer(bits, numpy.uint8).reshape(shape) != 0)[()]
    return numpy.frombuffer(bits, dtype).reshape(shape).copy()[()]


_READERS: dict[str, Callable[[Any, Callable[[Any], Any]], Any]] = {
    "...": lambda of, read: ...,
    "complex": lambda of, read: complex(*map(float, of)),
    "dtype": lambda of, read: _dtype(of),
    "slice": lambda of, read: slice(*map(read, of)),
    "tuple": lambda of, read: tuple(map(read, of)),
    "list": lambda of, read: list(map(read, of)),
    "dict": lambda of, read: {key: read(part) for key, part in of.items()},
}
"""For each kind of part, the function that reads it from its JSON content."""


def _from_json(part: Any, depth: int = 0, largest: int = 1 << 63, bodies: Sequence[Body] = ()) -> Any:
    """Read a part of a parameter. Numbers must not be above ``largest``; loops refer to ``bodies``."""
    if depth > DEEPEST or (type(part) is int and abs(part) >= largest):
        raise ValueError(f"{shown(part)} is nested too deeply or too large")
    if not isinstance(part, dict | list):
        return part
    kind, of = _field(part, "kind", str), part.get("of")  # type: ignore[union-attr]
    if kind == "array":
        return _array(part)
    if kind == "slot" and type(of) is int and of >= 0:
        return Slot(of)
    if kind == "refusal" and isinstance(of, list) and len(of) == len(("module", "name")):
        found = _refusal(*of)
        if found is None:
            raise ValueError(f"{'.'.join(map(str, of))} is not a function that checks labels")
        return found
    if kind == "loop":
        return _loop(of, bodies)
    if kind not in _READERS:
        raise ValueError(f"{shown(part)} is not a parameter")
    return _READERS[kind](of, lambda inner: _from_json(inner, depth + 1, largest, bodies))
