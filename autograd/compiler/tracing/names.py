"""The names of a trace's values: those of the user's lines and modules, ``d_h`` for the gradient of ``h``, and for what
lies in between a name made of the operation and its operands (``x_at_w``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autograd.compiler.ir.primitives import REDUCTIONS
from autograd.compiler.ir.program import GRADIENT, UPDATED, Instruction, Value, identifier
from autograd.compiler.tracing.lines import Lines

BETWEEN = {
    "add": "plus", "subtract": "minus", "multiply": "times", "divide": "over", "matmul": "at", "equal": "equals",
    "not_equal": "differs_from", "greater": "above", "less": "below", "greater_equal": "from", "less_equal": "up_to",
}  # fmt: skip
"""The words for operations of two operands."""

BEFORE = {
    "square": "squared", "negative": "minus",
    **{op: op for op in (*REDUCTIONS, "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sin", "cos", "abs", "sign")},
}  # fmt: skip
"""The words for operations of one operand."""

PLAIN = frozenset(
    ("", *BETWEEN, *BEFORE, "positive", "power", "reshape", "permute_dims", "matrix_transpose", "getitem", "astype")
)
"""The operations that are one call, or none, and are named by their operands; others by what they are called."""

NUMBERS = {0: "zero", 0.5: "half", 1: "one", 2: "two"}
"""The words for numbers."""

LONGEST = 32
"""The characters of a name made of operands."""


class _Names:
    """Names, each given once, and the form of each: what was given a name is an ``atom``."""

    def __init__(self, taken: Iterable[Value]) -> None:
        self.forms: dict[Value, str] = dict.fromkeys(taken, "atom")
        self.counts: dict[str, int] = {value.name: 1 for value in self.forms}

    def give(self, value: Value, name: str, form: str = "atom") -> None:
        """Call ``value`` this, with a number behind it where that is taken."""
        if name in self.counts:
            self.count(f"{name}_", value, form, 2)
        else:
            self.counts[name] = 1
            value.name, self.forms[value] = name, form

    def count(self, base: str, value: Value, form: str = "", start: int = 1) -> None:
        """Call ``value`` ``base`` and the next number."""
        number = self.counts.get(base, start)
        while (name := f"{base}{number}") in self.counts:
            number += 1
        self.counts[base], self.counts[name] = number + 1, 1
        value.name, self.forms[value] = name, form

    def derived(self, instruction: Instruction) -> tuple[str, str]:
        """A name made of the operation and its operands, with its form; "" where none would be short and clear."""
        op, args, params, out = instruction.op, instruction.args, instruction.params, instruction.out
        operands = [self._operand(arg) for arg in args]
        text, form = "", ""
        if op in BETWEEN:
            text, form = _between(op, operands, args)
        elif op == "power" and operands[1] == ("two", "unary"):
            text, form = _before("squared", operands[0])
        elif op == "positive":
            text, form = operands[0]
        elif op in BEFORE:
            text, form = _before(BEFORE[op], operands[0])
        elif operands and operands[0][1] == "atom":
            x, form = operands[0]
            if op == "permute_dims" and len(out.shape) == 2:
                text = f"{x}_T"
            elif op == "astype":
                text = f"{x}_{out.dtype}"
            elif op == "reshape" and len(out.shape) == 1 < len(args[0].shape):
                text = f"{x}_flat"
            elif op == "getitem" and type(params["index"]) is int and params["index"] >= 0:
                text = f"{x}_{params['index']}"
        return (text, form) if len(text) <= LONGEST and (not text or identifier(text) == text) else ("", "")

    def _operand(self, value: Value) -> tuple[str, str]:
        """The name of an operand and its form; "" for both where the name says nothing."""
        if value.kind == "constant" and not value.shape:
            number = value.data.item()
            whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
            return NUMBERS.get(number, "") or (f"{number:.0f}" if whole else ""), "unary"
        form = self.forms.get(value, "")
        return (value.name, form) if form else ("", "")


def _before(word: str, operand: tuple[str, str]) -> tuple[str, str]:
    x, form = operand
    return (f"{word}_{x}", "unary" if form == "atom" else "closed") if x and form != "closed" else ("", "")


def _between(op: str, operands: list[tuple[str, str]], args: tuple[Value, ...]) -> tuple[str, str]:
    """What could be read in two ways is no name: ``x_minus_y_minus_z``, ``x_plus_y_times_z``, and ``d_h_times_v``,
    which could be the gradient of ``h_times_v``."""
    if op == "multiply" and args[0] is args[1]:
        return _before("squared", operands[0])
    is_number = [arg.kind == "constant" and not arg.shape for arg in args]
    if op == "multiply" and sum(is_number) == 1 and not operands[is_number.index(True)][0]:
        return _before("scaled", operands[is_number.index(False)])
    if op in ("add", "multiply") and (is_number[0] or operands[0][0].startswith(GRADIENT)):
        operands = operands[::-1]
    (x, left), (y, right) = operands
    is_sum = op in ("add", "subtract")
    clear = left in ("atom", "unary", "product")[: 2 + is_sum] and right in ("atom", "unary")
    if not (x and y and clear) or x.startswith(GRADIENT):
        return "", ""
    return f"{x}_{BETWEEN[op]}_{y}", "sum" if is_sum else "product"


def name_values(
    instructions: Iterable[Instruction], others: Iterable[Value], lines: Lines, updates: Mapping[Value, Value]
) -> None:
    """Name what the instructions make, in their order: ``d_h`` the gradient of ``h``, then what the user's line or the
    module calls it, ``w_new`` what a state ``w`` becomes, what an operation calls it, and last by operands. ``others``,
    the inputs, states and constants, keep their names."""
    names = _Names(others)
    given, gradients, local = lines.given, lines.gradients, lines.local
    states = {value: state for state, value in updates.items()}
    for instruction in instructions:
        value = instruction.out
        if value in gradients:
            names.give(value, f"{GRADIENT}{gradients[value].name}")
        elif value in given:
            names.give(value, identifier(given[value]))
        elif value in states:
            names.give(value, f"{states[value].name}{UPDATED}")
        elif value in local:
            names.give(value, identifier(local[value]))
        else:
            operation = "" if value.name[1:].isdigit() else value.name.rstrip("_0123456789")
            text, form = names.derived(instruction) if operation in PLAIN else ("", "")
            if text:
                names.give(value, text, form)
            elif operation:
                names.count(f"{operation}_", value, "atom")
            else:
                names.count("t", value)
