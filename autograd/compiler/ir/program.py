"""`Program`: a flat list of array calls, one result each. It validates itself, prints as algebra, and can be run.

Every value is assigned once. What outlives a call (parameters, what an optimizer accumulated) are states, and
``updates`` says which value each of them takes at the end.
"""

from __future__ import annotations

import base64
import json
import keyword
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.ir.primitives import Slot, compute, infer, is_view, row_of, shown
from autograd.errors import DeclarationError

GRADIENT, UPDATED = "d_", "_new"
"""``d_h`` is the gradient of ``h``, and ``w_new`` what a state ``w`` becomes."""

KINDS = ("input", "state", "knob", "constant", "temporary")


@dataclass(eq=False, slots=True)
class Value:
    """An array of a program: its ``kind`` (one of `KINDS`), shape, dtype and name.

    An ``input`` is an argument of the call; a ``state`` a Tensor that the function found by itself; a ``knob`` a Python
    number that is read anew at each call, as a learning rate; a ``constant`` has its ``data``; a ``temporary`` is what
    an instruction makes. ``origin`` is the Tensor of a state and the ``(mapping, key)`` of a knob.
    """

    kind: str
    shape: shapes.Shape
    dtype: Any
    name: str
    data: Any = None
    origin: Any = None

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return int(shapes.size(self.shape) * self.dtype.itemsize)

    def __repr__(self) -> str:
        return f"{self.name} {self.shape} {self.dtype}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The user's line that an instruction was recorded for: ``train.py:12``, its text, and the path of the module.

    ``order`` is 0 for the line itself, 1 for its gradient, 2 for the gradient of that.
    """

    line: str
    text: str = ""
    scope: str = ""
    order: int = 0

    def __str__(self) -> str:
        before = f"{'gradient of ' * min(self.order, 1)}{'the gradient of ' * (self.order - 1)}"
        return f"{before}{self.text.removeprefix('return ') if before else self.text}, {self.line}"


@dataclass(eq=False, slots=True)
class Instruction:
    """``out = op(*args, **params)``, recorded for the line ``origin``."""

    op: str
    args: tuple[Value, ...]
    params: dict[str, Any]
    out: Value
    origin: Origin | None = None

    def __repr__(self) -> str:
        return f"{self.out.name} = {algebra(self)}"


@dataclass(eq=False)
class Program:
    """``name(*inputs)`` as instructions in their order, with what it returns and what it leaves in its states.

    Print it to read it; ``run`` computes it plainly, array by array: the reference that compiled code is held to.

    >>> import autograd as ag
    >>> print(ag.trace(lambda x, y: ag.tanh(x @ y), ag.ones((2, 3)), ag.ones((3, 1))))
    _lambda(x (2, 3), y (3, 1)):
        matmul_1 (2, 1) = x @ y
        tanh_1 (2, 1) = tanh(matmul_1)
        return tanh_1
    """

    name: str
    inputs: list[Value]
    instructions: list[Instruction]
    outputs: list[Value]
    updates: dict[Value, Value] = field(default_factory=dict)
    packed: dict[Value, list[tuple[Value, int]]] = field(default_factory=dict)
    """For a state that passes made of several: these, and where each begins."""
    merged: dict[Value, Value] = field(default_factory=dict)
    """For a state that passes found to be equal to another at all times: that one."""
    flipped: frozenset[Value] = frozenset()
    """The matrices that are kept transposed in memory."""
    pinned: frozenset[Value] = frozenset()
    """The states that have to stay in the memory that they have."""

    def changed(self, **parts: Any) -> Program:
        """The program with other parts."""
        return replace(self, **parts)

    def values(self) -> Iterator[Value]:
        """Every value, each once, in the order in which they are met."""
        seen: dict[Value, None] = dict.fromkeys(self.inputs)
        for instruction in self.instructions:
            seen.update(dict.fromkeys(instruction.args))
            seen[instruction.out] = None
        seen.update(dict.fromkeys([*self.outputs, *self.updates, *self.updates.values()]))
        return iter(seen)

    @property
    def states(self) -> list[Value]:
        """The values that outlive a call, in the order in which they are met."""
        return [value for value in self.values() if value.kind == "state"]

    def producers(self) -> dict[Value, Instruction]:
        """The instruction that makes each temporary."""
        return {instruction.out: instruction for instruction in self.instructions}

    def uses(self) -> dict[Value, list[Instruction]]:
        """The instructions that read each value."""
        found: dict[Value, list[Instruction]] = {value: [] for value in self.values()}
        for instruction in self.instructions:
            for arg in dict.fromkeys(instruction.args):
                found[arg].append(instruction)
        return found

    def validate(self) -> None:
        """Raise `DeclarationError` where a value is read before it is made, made twice, or not what its call gives."""
        made: set[Value] = set()
        for instruction in self.instructions:
            for arg in instruction.args:
                if arg.kind == "temporary" and arg not in made:
                    raise DeclarationError(f"{self.name}: {instruction!r} reads {arg.name} before it is made.")
            out = instruction.out
            if out in made or out.kind != "temporary":
                raise DeclarationError(f"{self.name}: {instruction!r} makes a value that exists already.")
            shape, dtype = infer(instruction.op, instruction.params, instruction.args)
            if (tuple(shape), dtype) != (tuple(out.shape), out.dtype):
                raise DeclarationError(
                    f"{self.name}: {instruction!r} gives {shape} {dtype}, and the program says {out.shape} {out.dtype}."
                )
            made.add(out)
        for state, value in self.updates.items():
            if state.kind != "state" or (state.shape, state.dtype) != (value.shape, value.dtype):
                raise DeclarationError(f"{self.name}: the state {state!r} can't become {value!r}.")
        for value in [*self.outputs, *self.updates.values()]:
            if value.kind == "temporary" and value not in made:
                raise DeclarationError(f"{self.name}: {value!r} is returned and never made.")

    def run(self, *arrays: Any, states: Any = None) -> tuple[list[Any], dict[Value, Any]]:
        """What it returns for these inputs, and the new value of each updated state; nothing is changed.

        ``states`` maps a state to the array to read in place of its Tensor's.
        """
        found: dict[Value, Any] = dict(zip(self.inputs, arrays, strict=True))
        given = states or {}

        def value_of(value: Value) -> Any:
            if value in found:
                return found[value]
            if value.kind == "constant":
                return value.data
            if value.kind == "knob":
                mapping, key = value.origin
                return value.dtype.type(mapping[key])
            return given.get(value, value.origin.data)

        for instruction in self.instructions:
            arrays_in = [value_of(arg) for arg in instruction.args]
            found[instruction.out] = compute(instruction.op, instruction.params, arrays_in)
        return [value_of(v) for v in self.outputs], {s: value_of(v) for s, v in self.updates.items()}

    def __str__(self) -> str:
        arguments = ", ".join(f"{v.name} {v.shape}" for v in self.inputs)
        inlined = self._inlined()
        lines = [f"{self.name}({arguments}):"]
        lines += [f"    {value.name} {value.shape} = {text}" for value, text in self.lines()]
        lines += [f"    {s.name} {s.shape} <- {_text(v, inlined, 0)}" for s, v in self.updates.items()]
        return "\n".join([*lines, f"    return {', '.join(_text(v, inlined, 0) for v in self.outputs)}".rstrip()])

    def lines(self) -> Iterator[tuple[Value, str]]:
        """The values that have a line of their own in print, each with its right-hand side."""
        inlined = self._inlined()
        return ((i.out, algebra(i, inlined)) for i in self.instructions if i.out not in inlined)

    def _inlined(self) -> dict[Value, Instruction]:
        """What is written where it is read: transposes (not of transposes), and the product that a sum reads alone."""
        uses, last = self.uses(), {*self.outputs, *self.updates.values()}
        inlined: dict[Value, Instruction] = {}
        for i in self.instructions:
            turned = i.op == "permute_dims" and i.params["axes"] == (1, 0) and i.args[0] not in inlined
            if i.out not in last and (turned or (i.op == "matmul" and [u.op for u in uses[i.out]] == ["add"])):
                inlined[i.out] = i
        return inlined

    def optimized(self) -> Program:
        """The program after all passes: less work for the same values."""
        from autograd.compiler.passes.optimize import optimize

        return optimize(self)

    @property
    def source(self) -> str:
        """The code that computes it once it is optimized: NumPy's calls, one a line, on buffers made ahead."""
        from autograd.compiler.targets.emit import source_of

        return source_of(self)

    def explain(self) -> str:
        """What each pass does to it, and what is left."""
        from autograd.compiler.passes.optimize import explain

        return explain(self)

    def to_json(self) -> str:
        """The program as JSON, constants, present states and the states of NumPy's random generators included.

        Raises `DeclarationError` for what a file can't hold: a GPU's generator, a check of one's own.
        """
        numbers = {value: i for i, value in enumerate(self.values())}
        drawn_from = {id(i.params["generator"]): i.params["generator"] for i in self.instructions if i.op == "draw"}

        def params(instruction: Instruction) -> dict[str, Any]:
            if instruction.op != "draw":
                return instruction.params
            return {**instruction.params, "generator": [*drawn_from].index(id(instruction.params["generator"]))}

        content = {
            "name": self.name,
            "values": [_value_to_json(value) for value in numbers],
            "inputs": [numbers[v] for v in self.inputs],
            "instructions": [
                {
                    "op": i.op,
                    "args": [numbers[a] for a in i.args],
                    "params": _to_json(params(i)),
                    "out": numbers[i.out],
                    "origin": None if i.origin is None else list(astuple(i.origin)),
                }
                for i in self.instructions
            ],
            "generators": [_generator_to_json(generator) for generator in drawn_from.values()],
            "outputs": [numbers[v] for v in self.outputs],
            "updates": [[numbers[s], numbers[v]] for s, v in self.updates.items()],
        }
        return json.dumps(content)

    @classmethod
    def from_json(cls, text: str) -> Program:
        """The program that `to_json` wrote. Its states, and its generators, start from where they were then.

        Raises `DeclarationError` for a text that is none, or whose program is not valid.
        """
        try:
            program = cls._read(json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DeclarationError(
                f"this text is no program that to_json wrote ({type(error).__name__}: {error})."
            ) from None
        program.validate()
        return program

    @classmethod
    def _read(cls, content: Any) -> Program:
        from autograd.tensor import wrap

        values = []
        for entry in content["values"]:
            data = _from_json(entry["data"])
            value = Value(entry["kind"], tuple(entry["shape"]), numpy.dtype(entry["dtype"]), entry["name"])
            if value.kind == "constant":
                value.data = data
            elif value.kind == "state":
                value.origin = wrap(data, name=entry["name"])
            elif value.kind == "knob":
                value.origin = {value.name: data}, value.name
            values.append(value)
        generators = [_generator(_from_json(state)) for state in content["generators"]]

        def params(instruction: Any) -> dict[str, Any]:
            found: dict[str, Any] = _from_json(instruction["params"])
            if instruction["op"] == "draw":
                if found["method"] not in DRAWS:
                    raise LookupError(f"it draws by {found['method']!r}, and draws are by {', '.join(DRAWS)}")
                found["generator"] = generators[found["generator"]]
            return found

        return cls(
            content["name"],
            [values[i] for i in content["inputs"]],
            [
                Instruction(
                    i["op"], tuple(values[a] for a in i["args"]), params(i), values[i["out"]], _origin(i.get("origin"))
                )
                for i in content["instructions"]
            ],
            [values[i] for i in content["outputs"]],
            {values[s]: values[v] for s, v in content["updates"]},
        )


PYTHONS = frozenset(("add", "subtract", "multiply", "negative"))
"""Arithmetic that Python does with single numbers of float64 as NumPy does, to the last bit and without errors."""


def knob_arithmetic(instructions: Iterable[Instruction]) -> dict[Value, Instruction]:
    """The instructions that compute single numbers from knobs and constants, in float64 and with a cast of floats at
    the end: targets leave these to Python."""
    found: dict[Value, Instruction] = {}
    for instruction in instructions:
        op, out, args = instruction.op, instruction.out, instruction.args
        known = all(a.kind in ("knob", "constant") or a in found for a in args)
        exact = all(a.dtype == "float64" for a in args) and (
            (op in PYTHONS and out.dtype == "float64") or (op == "astype" and out.dtype.kind == "f")
        )
        if known and exact and any(a.kind != "constant" for a in args) and not out.shape:
            found[out] = instruction
    return found


def roots(instructions: Iterable[Instruction]) -> dict[Value, Value]:
    """The value whose memory each view shows."""
    found: dict[Value, Value] = {}
    for instruction in instructions:
        if is_view(instruction):
            found[instruction.out] = found.get(instruction.args[0], instruction.args[0])
    return found


# --------------------------------------------------------------------------------------------------------------- text


def identifier(text: str) -> str:
    """``text`` as a name of Python's: ``layers.0.weight`` is ``layers_0_weight``."""
    name = re.sub(r"\W+", "_", text).strip("_") or "value"
    return f"_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


def _text(value: Value, inlined: dict[Value, Instruction], level: int) -> str:
    if value in inlined:
        text, own = algebra(inlined[value], inlined), row_of(inlined[value].op).level
        return f"({text})" if level > own else text
    if value.kind != "constant" or value.shape:
        return value.name
    text = str(value.data)
    if level == 9:
        return f"asarray({text})"  # a number has neither axes nor elements
    return f"({text})" if level > 2 and text.startswith("-") else text


def algebra(instruction: Instruction, inlined: dict[Value, Instruction] | None = None) -> str:
    """An instruction's right-hand side, as one would write it."""
    row, params = row_of(instruction.op), instruction.params
    infix = row.level < 9 and len(instruction.args) > 1
    texts = [_text(arg, inlined or {}, row.level + (infix and i)) for i, arg in enumerate(instruction.args)]
    if callable(row.notation):
        return row.notation(texts, params)
    if row.notation:
        return row.notation.format(*texts, **params)
    options = [f"{k}={shown(v)}" for k, v in params.items() if v is not None and v is not False]
    return f"{instruction.op}({', '.join([*texts, *options])})"


# --------------------------------------------------------------------------------------------------------------- JSON


def _origin(parts: Any) -> Origin | None:
    if parts is None:
        return None
    line, text, scope, order = parts
    if not (all(isinstance(part, str) for part in (line, text, scope)) and type(order) is int):
        raise TypeError(f"{parts!r} is no line of a source")
    return Origin(line, text, scope, order)


def _value_to_json(value: Value) -> dict[str, Any]:
    data = value.data
    if value.kind == "state":
        data = numpy.asarray(value.origin.data)
    elif value.kind == "knob":
        mapping, key = value.origin
        data = mapping[key]
    return {
        "kind": value.kind,
        "name": value.name,
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "data": _to_json(data),
    }


def _to_json(part: Any) -> Any:
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
        return {"kind": type(part).__name__, "of": [_to_json(p) for p in part]}
    if isinstance(part, dict):
        return {"kind": "dict", "of": {key: _to_json(p) for key, p in part.items()}}
    if isinstance(part, numpy.ndarray | numpy.generic):
        array = numpy.asarray(part)
        bits = base64.b64encode(array.tobytes()).decode()
        return {"kind": "array", "shape": list(array.shape), "dtype": str(array.dtype), "of": bits}
    if _refusal(getattr(part, "__module__", ""), getattr(part, "__name__", "")) is part:
        return {"kind": "refusal", "of": [part.__module__, part.__name__]}
    raise DeclarationError(f"a file can't hold {part!r}: a program with it can't be written as JSON.")


DRAWS = ("random", "standard_normal", "standard_exponential")
BITS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def _generator_to_json(generator: Any) -> Any:
    bits: Any = getattr(generator, "bit_generator", None)
    if type(bits).__name__ not in BITS:
        raise DeclarationError(f"a file can't hold {generator!r}: a program with it can't be written as JSON.")
    return _to_json(bits.state)


def _generator(state: dict[str, Any]) -> numpy.random.Generator:
    if state["bit_generator"] not in BITS:
        raise LookupError(f"it names the generator {state['bit_generator']!r}, which is none of NumPy's")
    bits = getattr(numpy.random, state["bit_generator"])()
    bits.state = state
    return numpy.random.Generator(bits)


def _refusal(module: str, name: str) -> Any:
    """The function of this package, or of one above, that says what is wrong with a value, or ``None``: a file may name
    no other, and no module that is not there already."""
    return getattr(sys.modules.get(module), name, None) if name.startswith("_refuse_") else None


def _refusal_of(module: str, name: str) -> Any:
    found = _refusal(module, name)
    if found is None:
        raise LookupError(f"it names what is no check of labels here, {module}.{name}")
    return found


_FROM_JSON: dict[str, Callable[[Any], Any]] = {
    "...": lambda part: ...,
    "complex": lambda part: complex(*part["of"]),
    "slot": lambda part: Slot(part["of"]),
    "dtype": lambda part: numpy.dtype(part["of"]),
    "slice": lambda part: slice(*map(_from_json, part["of"])),
    "tuple": lambda part: tuple(map(_from_json, part["of"])),
    "refusal": lambda part: _refusal_of(*part["of"]),
    "list": lambda part: list(map(_from_json, part["of"])),
    "dict": lambda part: {key: _from_json(p) for key, p in part["of"].items()},
    "array": lambda part: (
        numpy.frombuffer(base64.b64decode(part["of"]), part["dtype"]).reshape(part["shape"]).copy()[()]
    ),
}


def _from_json(part: Any) -> Any:
    return _FROM_JSON[part["kind"]](part) if isinstance(part, dict) else part


__all__ = ["Instruction", "Origin", "Program", "Value", "algebra", "identifier", "knob_arithmetic", "roots"]
