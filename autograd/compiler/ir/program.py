"""`Program`: a flat list of array calls, one result each, which prints as algebra.

Every value is assigned once. Values that outlive a call (parameters, averages of an optimizer) are states, and
``updates`` maps each of them to its new value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.primitives import BEFORE_DOT, POWERS, is_view, row_of, shown

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

GRADIENT, UPDATED = "d_", "_new"
"""``d_h`` is the gradient of ``h``, and ``w_new`` the new value of a state ``w``."""

KINDS = ("input", "state", "knob", "constant", "temporary")


@dataclass(eq=False, slots=True)
class Value:
    """An array of a program: its ``kind`` (one of `KINDS`), shape, dtype and name.

    An ``input`` is an argument of the call; a ``state`` a captured Tensor; a ``knob`` a Python number that is read at
    each call, such as a learning rate; a ``constant`` has its ``data``; a ``temporary`` is the result of an
    instruction. ``origin`` is the Tensor of a state and the ``(mapping, key)`` of a knob.
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
    """The user's line for which an instruction was recorded: ``train.py:12``, its text, and the module's path.

    ``order`` is 0 for the line itself, 1 for its gradient, 2 for the gradient of that.
    """

    line: str
    text: str = ""
    scope: str = ""
    order: int = 0

    def __str__(self) -> str:
        before = f"{'gradient of ' * min(self.order, 1)}{'the gradient of ' * (self.order - 1)}"
        text = self.text.removeprefix("return ") if before else self.text
        return f"{before}{text}, {self.line}" if text else f"{before}{self.line}"


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
    """``name(*inputs)`` as a list of instructions, with its results and the new values of its states.

    Print it to read it; ``run`` computes it array by array: the reference for compiled code.

    >>> from glassgrad import autograd as ag
    >>> print(ag.trace(lambda x, y: ag.tanh(x @ y), ag.ones((2, 3)), ag.ones((3, 1))))
    _lambda(x (2, 3), y (3, 1)):
        x_at_y (2, 1) = x @ y
        tanh_x_at_y (2, 1) = tanh(x_at_y)
        return tanh_x_at_y
    """

    name: str
    inputs: list[Value]
    instructions: list[Instruction]
    outputs: list[Value]
    updates: dict[Value, Value] = field(default_factory=dict)
    packed: dict[Value, list[tuple[Value, int]]] = field(default_factory=dict)
    """For each packed state its members, and the start of each."""
    pinned: frozenset[Value] = frozenset()
    """The states that must keep their present memory."""
    keys: tuple[str, ...] = ()
    """The names of the first outputs, where the function returns a dict of arrays."""

    def changed(self, **parts: Any) -> Program:
        """A copy of the program with some fields replaced."""
        return replace(self, **parts)

    def values(self) -> Iterator[Value]:
        """All values, each once, in order of first use."""
        found = [*self.inputs]
        for instruction in self.instructions:
            found += (*instruction.args, instruction.out)
        return iter(dict.fromkeys([*found, *self.outputs, *self.updates, *self.updates.values()]))

    @property
    def states(self) -> list[Value]:
        """The states, which keep their values between calls, in order of first use."""
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

    def run(self, *arrays: Any, states: Mapping[Value, Any] | None = None) -> tuple[list[Any], dict[Value, Any]]:
        """The results for these inputs, and the new value of each updated state, computed instruction by instruction.

        Nothing is changed, and no result shares memory with an input or a state. ``states`` maps a state to the array
        to read in place of its Tensor's.
        """
        return METHODS["run"](self, *arrays, states=states)  # type: ignore[no-any-return]

    def validate(self) -> None:
        """Raise `DeclarationError` where the program is not well formed: see `autograd.compiler.ir.validator`."""
        METHODS["validate"](self)

    def __str__(self) -> str:
        arguments = ", ".join(f"{v.name} {v.shape}" for v in self.inputs)
        inlined = self._inlined()
        lines = [f"{self.name}({arguments}):"]
        lines += [f"    {value.name} {value.shape} = {text}" for value, text in self.lines()]
        lines += [f"    {s.name} {s.shape} <- {_text(v, inlined, 0)}" for s, v in self.updates.items()]
        return "\n".join([*lines, f"    return {', '.join(_text(v, inlined, 0) for v in self.outputs)}".rstrip()])

    __repr__ = __str__  # in a notebook, too

    def lines(self) -> Iterator[tuple[Value, str]]:
        """The values that are printed on a line of their own, each with its right-hand side."""
        inlined, generators = self._inlined(), self.generators()
        return ((i.out, algebra(i, inlined, generators)) for i in self.instructions if i.out not in inlined)

    def generators(self) -> dict[Any, str]:
        """The random generators that the program draws from, and the printed name of each."""
        found = dict.fromkeys(i.params["generator"] for i in self.instructions if i.op == "draw")
        return {generator: f"generator_{i}" if i > 1 else "generator" for i, generator in enumerate(found, 1)}

    def _inlined(self) -> dict[Value, Instruction]:
        """Values printed inline: transposes (not of transposes), and a product that only a sum reads."""
        uses, last = self.uses(), {*self.outputs, *self.updates.values()}
        inlined: dict[Value, Instruction] = {}
        for i in self.instructions:
            turned = i.op == "permute_dims" and i.params["axes"] == (1, 0) and i.args[0] not in inlined
            if i.out not in last and (turned or (i.op == "matmul" and [u.op for u in uses[i.out]] == ["add"])):
                inlined[i.out] = i
        return inlined

    def optimized(self) -> Program:
        """The program after all passes, which compute the same values with less work."""
        return METHODS["optimized"](self)  # type: ignore[no-any-return]

    @property
    def source(self) -> str:
        """The optimized program as Python code: NumPy calls, one per line, on preallocated buffers."""
        return METHODS["source"](self)  # type: ignore[no-any-return]

    def javascript(self, name: str | None = None, *, comments: bool = True, states: bool = True) -> str:
        """The optimized program as the text of one JavaScript function, for a page or for node.

        ``name(memory)`` gives ``{run, commit, inputs, outputs}``. ``run()`` computes the results, and ``commit()``,
        which must follow, gives the states their new values. ``inputs`` and ``outputs`` are those of the program, in
        order, and by name: ``inputs.x``, and ``outputs.loss`` where the function returns a dict. Each has a typed array
        ``data``, and the ``shape``, ``strides`` and ``offset`` of the value in it.

        ``memory`` holds the arrays of states and of learning rates by name; programs with the same memory share them,
        and an input may be there, too. Missing arrays are added with their present values; with ``states=False`` the
        text has no values of states, and ``memory`` must hold them. ``comments``: the program's lines, beside the loops
        that compute them.

        Raises `TargetError` for operations without a form in JavaScript: random draws, factorizations, indexing by a
        mask, complex numbers.
        """
        return METHODS["javascript"](self, name, comments=comments, states=states)  # type: ignore[no-any-return]


METHODS: dict[str, Callable[..., Any]] = {}
"""The functions behind methods of `Program`: the files that define them import this one, and register them here."""


def method(name: str) -> Callable[[F], F]:
    """A decorator that makes a function the method ``name`` of `Program`."""

    def register(function: F) -> F:
        METHODS[name] = function
        return function

    return register


def in_order(things: Iterable[T], needs: Callable[[T], Iterable[T]]) -> list[T]:
    """The things in topological order: each after those that it needs. Raises `ValueError` for a cycle."""
    done: dict[T, None] = {}
    for thing in things:
        path = {} if thing in done else {thing: None}  # from a thing to those that it waits for
        while path:
            top = next(reversed(path))
            missing = next((need for need in needs(top) if need not in done), None)
            if missing in path:
                raise ValueError(f"{top} depends on itself")
            if missing is None:
                done[top] = None
                del path[top]
            else:
                path[missing] = None
    return list(done)


def roots(instructions: Iterable[Instruction], known: dict[Value, Value] | None = None) -> dict[Value, Value]:
    """For each view, the value that owns its memory; ``known``: those of other values."""
    found = dict(known or {})
    for instruction in instructions:
        if is_view(instruction):
            found[instruction.out] = found.get(instruction.args[0], instruction.args[0])
    return found


# --------------------------------------------------------------------------------------------------------------- text


def _text(value: Value, inlined: Mapping[Value, Instruction], level: int) -> str:
    if value in inlined:
        text, own = algebra(inlined[value], inlined), row_of(inlined[value].op).level
        return f"({text})" if level > own else text
    if value.kind != "constant" or value.shape:
        return value.name
    text = str(value.data)
    if level == BEFORE_DOT:
        return f"asarray({text})"  # a number has neither axes nor elements
    return f"({text})" if level >= POWERS and text.startswith("-") else text


def algebra(
    instruction: Instruction,
    inlined: Mapping[Value, Instruction] | None = None,
    generators: Mapping[Any, str] | None = None,
) -> str:
    """The right-hand side of an instruction as a Python expression with NumPy's names.

    ``inlined``: the instructions that are written in place of their results; ``generators``: names of generators.
    """
    row, params = row_of(instruction.op), instruction.params
    between = row.level < BEFORE_DOT and len(instruction.args) > 1
    texts = [_text(arg, inlined or {}, row.level + (between and i)) for i, arg in enumerate(instruction.args)]
    if instruction.op == "draw":
        params = {**params, "generator": (generators or {}).get(params["generator"], "generator")}
    if callable(row.notation):
        return row.notation(texts, params)
    if row.notation:
        return row.notation.format(*texts, **params)
    options = [f"{k}={shown(v)}" for k, v in params.items() if v is not None and v is not False]
    return f"{instruction.op}({', '.join([*texts, *options])})"
