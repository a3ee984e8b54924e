"""Names made of an operation and its operands: ``x_at_w``, ``squared_h``, ``one_minus_h``.

Each operand has a form: an ``atom`` was named, ``unary``, ``product`` and ``sum`` are composed of others, and a
``closed`` operand, or one without form, is not used in names. So no name is ambiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.primitives import REDUCTIONS
from glassgrad.autograd.compiler.ir.program import GRADIENT, Instruction, Value

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

NUMBERS = {0: "zero", 0.5: "half", 1: "one", 2: "two"}
"""The words for numbers."""

LONGEST = 32
"""The largest number of characters of a name made of operands."""

Operand = tuple[str, str]
"""A name and its form."""


def derived(instruction: Instruction, operand_of: Callable[[Value], Operand]) -> Operand:
    """A name for the result of an instruction, with its form; "" for both if no short, clear name exists.

    ``operand_of`` gives the name of a value and its form, "" where the name says nothing.
    """
    op, args, params, out = instruction.op, instruction.args, instruction.params, instruction.out
    operands = [_number(arg) if arg.kind == "constant" and not arg.shape else operand_of(arg) for arg in args]
    text, form = "", ""
    if op in BETWEEN:
        text, form = _between(op, operands, args)
    elif op == "power" and operands[1] == ("two", "unary"):
        text, form = _before("squared", operands[0])
    elif op == "positive":
        text, form = operands[0]
    elif op in BEFORE:
        text, form = _before(BEFORE[op], operands[0])
    elif op == "draw":
        text, form = "drawn", "atom"
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
    return (text, form) if text and len(text) <= LONGEST and identifier(text) == text else ("", "")


def _number(value: Value) -> Operand:
    number = value.data.item()
    whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
    return NUMBERS.get(number, "") or (f"{number:.0f}" if whole else ""), "unary"


def _before(word: str, operand: Operand) -> Operand:
    x, form = operand
    if not x or form in ("", "closed"):
        return "", ""
    return f"{word}_{x}", "unary" if form == "atom" else "closed"


def _between(op: str, operands: Sequence[Operand], args: Sequence[Value]) -> Operand:
    """The name of a binary operation, unless it could be read in two ways: ``x_minus_y_minus_z``, ``x_plus_y_times_z``,
    and ``d_h_times_v``, which could be the gradient of ``h_times_v``."""
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
