"""The passes: each takes a `Program` and gives one that computes the same values with less work.

`optimize` runs them in the order of `PASSES` and tells what each did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.primitives import EFFECTS, ELEMENTWISE, REDUCTIONS, VIEWS, Slot, compute, infer
from autograd.compiler.program import Instruction, Program, Value

FOLDED = 1 << 16
"""Elements of the largest constant that is computed ahead."""


# --------------------------------------------------------------------------------------------------------------- algebra


def _number(value: Value) -> Any:
    """The number that a constant of shape () is, else ``None``."""
    return value.data.item() if value.kind == "constant" and not value.shape else None


def _is_view_index(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is ... or part == slice(None) for part in parts if not hasattr(part, "index"))


def _simpler(writer: Rewriter, instruction: Instruction, uses: dict[Value, list[Instruction]]) -> Value | None:
    """A value that is this instruction's, with less work, or ``None``."""
    op, params, out = instruction.op, instruction.params, instruction.out
    args = [writer.of(arg) for arg in instruction.args]
    made = [writer.producers.get(arg) for arg in args]
    if op in ELEMENTWISE or op == "where":
        # A value repeated is not written out where broadcasting does it.
        for i, producer in enumerate(made):
            if producer is not None and producer.op == "broadcast_to":
                small = [*args[:i], producer.args[0], *args[i + 1 :]]
                if shapes.broadcast_shapes(*(a.shape for a in small)) == out.shape:
                    return _simplest(writer, Instruction(op, tuple(small), params, out), uses, out.name)
    if op not in EFFECTS and args and all(a.kind == "constant" for a in args) and shapes.size(out.shape) <= FOLDED:
        if op != "broadcast_to" or not out.shape:
            with numpy.errstate(all="ignore"):
                data = compute(op, params, [a.data for a in args])
            if not out.shape:
                return writer.scalar(data, out.dtype)
            return writer.array(numpy.asarray(data))
    rule = _RULES.get(op)
    return None if rule is None else rule(writer, params, args, made, out, uses)


def _simplest(writer: Rewriter, instruction: Instruction, uses: Any, like: str) -> Value:
    found = _simpler(writer, instruction, uses)
    return found if found is not None else writer.emit(instruction.op, instruction.args, instruction.params, like)


def _reshape(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    (x,), (producer,) = args, made
    if producer is not None and producer.op == "reshape":
        x = producer.args[0]
        return x if x.shape == out.shape else writer.emit("reshape", (x,), params, out.name)
    if producer is not None and producer.op == "broadcast_to" and not producer.args[0].shape:
        return writer.emit("broadcast_to", producer.args, {"shape": out.shape}, out.name)  # type: ignore[no-any-return]
    return x if x.shape == out.shape else None


def _permute(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    (x,), (producer,), axes = args, made, params["axes"]
    if producer is not None and producer.op == "permute_dims":
        axes = tuple(producer.params["axes"][a] for a in axes)
        x = producer.args[0]
        return x if axes == tuple(range(len(axes))) else writer.emit("permute_dims", (x,), {"axes": axes}, out.name)
    if producer is not None and producer.op == "broadcast_to" and not producer.args[0].shape:
        return writer.emit("broadcast_to", producer.args, {"shape": out.shape}, out.name)  # type: ignore[no-any-return]
    return x if axes == tuple(range(len(axes))) else None


def _broadcast(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    (x,), (producer,) = args, made
    if producer is not None and producer.op == "broadcast_to":
        return writer.emit("broadcast_to", producer.args, params, out.name)  # type: ignore[no-any-return]
    return x if x.shape == out.shape else None


def _cast(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    (x,), (producer,) = args, made
    if producer is not None and producer.op == "broadcast_to":
        small = _simplest(writer, Instruction("astype", producer.args, params, out), uses, out.name)
        return writer.emit("broadcast_to", (small,), producer.params, out.name)  # type: ignore[no-any-return]
    if producer is not None and producer.op == "equal" and len(out.shape) == 2 and out.dtype.kind == "f":
        labels, classes = producer.args  # a row of the identity matrix for each label
        count = out.shape[1]
        if labels.shape == (out.shape[0], 1) and _is_counting(classes, (count,)) and writer.is_within(labels, count):
            flat = _simplest(writer, Instruction("reshape", (labels,), {"shape": (out.shape[0],)}, out), uses, out.name)
            eye = writer.array(numpy.eye(count, dtype=out.dtype), "eye")
            return writer.emit("take_sure", (eye, flat), {"axis": 0}, out.name)  # type: ignore[no-any-return]
    return x if x.dtype == params["dtype"] else None


def _is_counting(value: Value, shape: shapes.Shape) -> bool:
    """Whether a constant is 0, 1, 2, …"""
    return value.kind == "constant" and value.shape == shape and bool((value.data == numpy.arange(shape[0])).all())


def _getitem(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    if len(args) == 1 and _is_view_index(params["index"]):
        return writer.emit("reshape", args, {"shape": out.shape}, out.name)  # type: ignore[no-any-return]
    if len(args) == 3 and params["index"] == (Slot(1), Slot(2)) and len(args[0].shape) == 2:
        x, rows, columns = args  # one element of each row: counted through the whole array, that is one number
        count, width = x.shape
        if columns.shape == (count,) and _is_counting(rows, (count,)) and writer.is_within(columns, width):
            starts = writer.array(numpy.arange(0, count * width, width, columns.dtype), "starts")
            places = writer.emit("add", (columns, starts))
            flat = writer.emit("reshape", (x,), {"shape": (count * width,)})
            return writer.emit("take_sure", (flat, places), {"axis": 0}, out.name)  # type: ignore[no-any-return]
    return None


def _reduce(op: str) -> Callable[..., Value | None]:
    def rule(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
        (x,) = args
        if params["keepdims"]:  # one form, so that equals are seen to be equal
            bare = writer.emit(op, (x,), {**params, "keepdims": False}, out.name)
            return writer.emit("reshape", (bare,), {"shape": out.shape}, out.name)  # type: ignore[no-any-return]
        axes = shapes.normalize_axes(params["axis"], len(x.shape))
        if op != "prod" and all(x.shape[a] == 1 for a in axes) and x.dtype == out.dtype:
            return writer.emit("reshape", (x,), {"shape": out.shape}, out.name)  # type: ignore[no-any-return]
        producer = made[0]
        if op == "sum" and producer is not None and producer.op == "broadcast_to" and not producer.args[0].shape:
            count = writer.scalar(shapes.size(x.shape, axes), x.dtype)
            total = _simplest(writer, Instruction("multiply", (producer.args[0], count), {}, out), uses, out.name)
            return writer.emit("broadcast_to", (total,), {"shape": out.shape}, out.name)  # type: ignore[no-any-return]
        return None

    return rule


def _same(x: Value, out: Value) -> bool:
    return x.shape == out.shape and x.dtype == out.dtype


def _multiply(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    for i in (0, 1):
        scale, x, producer = args[i], args[1 - i], made[1 - i]
        if scale.shape:
            continue
        if _number(scale) == 1 and _same(x, out):
            return x  # type: ignore[no-any-return]
        if producer is not None and producer.op == "matmul" and out.dtype == x.dtype and len(uses.get(x, ())) == 1:
            for k in (0, 1):  # (x @ constant) * number: the number goes into the constant
                fixed, number = producer.args[k], _number(scale)
                if number is not None and fixed.kind == "constant" and len(fixed.shape) == 1:
                    scaled = writer.array(fixed.data * fixed.dtype.type(number), "weights")
                    pair = (producer.args[0], scaled) if k else (scaled, producer.args[1])
                    return writer.emit("matmul", pair, {}, out.name)  # type: ignore[no-any-return]
        if producer is not None and producer.op == "multiply" and x.shape and out.dtype.kind == "f":
            # (y * a) * b as y * (a * b), where y * a is needed by none else
            for k in (0, 1):
                inner, y = producer.args[k], producer.args[1 - k]
                if not inner.shape and y.shape and len(uses.get(x, ())) == 1 and inner.dtype == scale.dtype:
                    both = _simplest(writer, Instruction("multiply", (inner, scale), {}, scale), uses, "scale")
                    return writer.emit("multiply", (y, both), {}, out.name)  # type: ignore[no-any-return]
    return None


def _divide(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    x, y = args
    number = _number(y)
    if number is not None and out.dtype.kind == "f" and number and math.isfinite(1 / number):
        if number == 1 and _same(x, out):
            return x  # type: ignore[no-any-return]
        inverse = writer.scalar(1 / number, out.dtype)
        return _simplest(writer, Instruction("multiply", (x, inverse), {}, out), uses, out.name)
    return None


def _add(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    for i in (0, 1):
        if _number(args[i]) == 0 and _same(args[1 - i], out):
            return args[1 - i]  # type: ignore[no-any-return]
        if made[i] is not None and made[i].op == "negative":
            return writer.emit("subtract", (args[1 - i], made[i].args[0]), {}, out.name)  # type: ignore[no-any-return]
    return None


def _subtract(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    x, y = args
    if _number(y) == 0 and _same(x, out):
        return x  # type: ignore[no-any-return]
    if made[1] is not None and made[1].op == "negative":
        return writer.emit("add", (x, made[1].args[0]), {}, out.name)  # type: ignore[no-any-return]
    return None


def _power(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    x, number = args[0], _number(args[1])
    if number is None or not _same(x, out):
        return None
    if number == 1:
        return x  # type: ignore[no-any-return]
    if number == 2:
        return writer.emit("multiply", (x, x), {}, out.name)  # type: ignore[no-any-return]
    if number == 0.5 and out.dtype.kind == "f":
        return writer.emit("sqrt", (x,), {}, out.name)  # type: ignore[no-any-return]
    return None


def _negative(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    producer = made[0]
    if producer is not None and producer.op == "negative":
        return producer.args[0]  # type: ignore[no-any-return]
    if producer is not None and producer.op == "subtract" and len(uses.get(args[0], ())) == 1:
        return writer.emit("subtract", producer.args[::-1], {}, out.name)  # type: ignore[no-any-return]
    return None


def _positive(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    return args[0]  # type: ignore[no-any-return]


def _square(writer: Any, params: Any, args: Any, made: Any, out: Any, uses: Any) -> Value | None:
    return writer.emit("multiply", (args[0], args[0]), {}, out.name)  # type: ignore[no-any-return]


_RULES: dict[str, Callable[..., Value | None]] = {
    "reshape": _reshape,
    "permute_dims": _permute,
    "broadcast_to": _broadcast,
    "astype": _cast,
    "getitem": _getitem,
    "multiply": _multiply,
    "divide": _divide,
    "add": _add,
    "subtract": _subtract,
    "power": _power,
    "negative": _negative,
    "positive": _positive,
    "square": _square,
    **{op: _reduce(op) for op in REDUCTIONS},
}


def algebra(program: Program) -> Program:
    """Undo double transposes and reshapes, leave repetition to broadcasting, fold constants and scales."""
    writer = Rewriter(program)
    uses = program.uses()
    for instruction in program.instructions:
        found = _simpler(writer, instruction, uses)
        if found is None:
            writer.keep(instruction)
        else:
            writer.now[instruction.out] = found
            uses[found] = [*uses.get(found, ()), *uses[instruction.out]]
    return dead_code(writer.finish())


# ---------------------------------------------------------------------------------------------------------------- scales

_LINEAR_IN_ALL = frozenset(("add", "subtract"))
_LINEAR_IN_ONE = frozenset(("negative", "sum", *VIEWS))
_LINEAR_IN_EACH = frozenset(("multiply", "matmul"))


def _absorbs(instruction: Instruction, value: Value, scale: Value) -> bool:
    return instruction.op == "multiply" and set(instruction.args) == {value, scale} and value is not scale


def _scaled_by(
    start: Value, scale: Value, uses: dict[Value, list[Instruction]], last: set[Value]
) -> tuple[set[Value], set[Value]] | None:
    """What else is multiplied by ``scale`` if ``start`` is, and the products by it that this makes needless;
    ``None`` where it would reach what must not change."""
    scaled: set[Value] = set()
    done: set[Value] = set()
    pending: list[Value] = [start]
    later: list[tuple[Instruction, Value]] = []
    while pending:
        value = pending.pop()
        if value in scaled:
            continue
        if value in last:
            return None
        scaled.add(value)
        for use in uses[value]:
            if _absorbs(use, value, scale):
                done.add(use.out)
            elif use.op in _LINEAR_IN_ONE or (use.op in _LINEAR_IN_EACH and use.args.count(value) == 1):
                pending.append(use.out)
                later.append((use, value))
            elif use.op == "divide" and use.args[0] is value and use.args[1] is not value:
                pending.append(use.out)
                later.append((use, value))
            elif use.op in _LINEAR_IN_ALL:
                pending.append(use.out)
                later.append((use, value))
            else:
                return None
    for use, value in later:
        others = [arg for arg in use.args if arg is not value]
        if use.op in _LINEAR_IN_ALL:
            if not all(arg in scaled for arg in use.args):
                return None
        elif any(arg in scaled for arg in others):
            return None
    return scaled, done


def scale_folding(program: Program) -> Program:
    """Multiply the gradient by the learning rate where it begins and is small, not where it ends in every weight."""
    while True:
        uses = program.uses()
        last = {*program.outputs, *program.updates.values()}
        products: dict[Value, int] = {}
        for instruction in program.instructions:
            if instruction.op == "multiply":
                for i in (0, 1):
                    scale, x = instruction.args[i], instruction.args[1 - i]
                    if not scale.shape and x.shape and scale.dtype == x.dtype and x.dtype.kind == "f":
                        products[scale] = products.get(scale, 0) + 1
        better = _best_fold(program, uses, last, products)
        if better is None:
            return program
        program = better


def _best_fold(program: Program, uses: Any, last: Any, products: dict[Value, int]) -> Program | None:
    made_at = {instruction.out: i for i, instruction in enumerate(program.instructions)}
    for scale, count in products.items():
        if count < 2:
            continue
        after = made_at.get(scale, -1)
        for instruction in program.instructions:
            start = instruction.out
            if not start.shape or start.dtype != scale.dtype or instruction.op in VIEWS:
                continue
            found = _scaled_by(start, scale, uses, last)
            if found is None or len(found[1]) < 2:
                continue
            if after > made_at[start] and not _can_move(program, scale, made_at[start]):
                continue
            return _folded(program, start, scale, found[1])
    return None


def _can_move(program: Program, scale: Value, place: int) -> bool:
    """Whether a scale made later can be made before ``place``: it must come from knobs and constants alone."""
    producers = program.producers()
    pending = [scale]
    while pending:
        value = pending.pop()
        if value in producers:
            if producers[value].op in EFFECTS:
                return False
            pending += producers[value].args
        elif value.kind not in ("knob", "constant"):
            return False
    return True


def _folded(program: Program, start: Value, scale: Value, done: set[Value]) -> Program:
    writer = Rewriter(program)
    producers = program.producers()

    def moved(value: Value) -> None:
        if value in producers and value not in writer.producers:
            for arg in producers[value].args:
                moved(arg)
            writer.keep(producers[value])

    for instruction in program.instructions:
        if instruction.out in writer.producers:
            continue
        if instruction.out in done:
            x, y = instruction.args
            writer.now[instruction.out] = writer.of(x if y is scale else y)
            continue
        writer.keep(instruction)
        if instruction.out is start:
            moved(scale)
            writer.now[start] = writer.emit("multiply", (start, scale), {}, "scaled")
    return writer.finish()


# ------------------------------------------------------------------------------------------------------- sums as products


def sums_as_products(program: Program) -> Program:
    """Sum columns, short rows and whole arrays as products with ones: BLAS takes a fraction of the time."""
    writer = Rewriter(program)
    ones: dict[Any, Value] = {}

    def ones_of(count: int, dtype: Any) -> Value:
        if (count, dtype) not in ones:
            ones[count, dtype] = Value("constant", (count,), dtype, writer.name("ones"), numpy.ones(count, dtype))
        return ones[count, dtype]

    for instruction in program.instructions:
        if instruction.op != "sum" or instruction.out.dtype.char not in "fd":
            writer.keep(instruction)
            continue
        x, out = writer.of(instruction.args[0]), instruction.out
        axes = shapes.normalize_axes(instruction.params["axis"], len(x.shape))
        if instruction.params["keepdims"] or x.dtype != out.dtype or 0 in x.shape or not axes:
            writer.keep(instruction)
        elif len(axes) == len(x.shape):
            flat = x if len(x.shape) == 1 else writer.emit("reshape", (x,), {"shape": (shapes.size(x.shape),)}, x.name)
            writer.now[out] = writer.emit("matmul", (flat, ones_of(flat.shape[0], x.dtype)), {}, out.name)
        elif len(x.shape) == 2 and axes == (0,):
            writer.now[out] = writer.emit("matmul", (ones_of(x.shape[0], x.dtype), x), {}, out.name)
        elif len(x.shape) == 2 and axes == (1,):
            writer.now[out] = writer.emit("matmul", (x, ones_of(x.shape[1], x.dtype)), {}, out.name)
        else:
            writer.keep(instruction)
    return writer.finish()


# -------------------------------------------------------------------------------------------------------------- all of it

Pass = Callable[[Program], Program]

def _same_counters(program: Program) -> Program:
    from autograd.compiler.packing import same_counters

    return same_counters(program)


def _arrange(program: Program) -> Program:
    from autograd.compiler.layout import arrange

    return arrange(program)


def _pack(program: Program) -> Program:
    from autograd.compiler.packing import pack

    return pack(program)


PASSES: list[tuple[str, Pass]] = [
    ("dead code", dead_code),
    ("algebra", algebra),
    ("common subexpressions", common_subexpressions),
    ("algebra again", algebra),
    ("scale folding", scale_folding),
    ("algebra after folding", algebra),
    ("sums as products", sums_as_products),
    ("algebra of sums", algebra),
    ("common subexpressions again", common_subexpressions),
    ("same counters", _same_counters),
    ("common subexpressions of counters", common_subexpressions),
    ("orders in memory, biases as weights", _arrange),
    ("pack", _pack),
    ("common subexpressions at last", common_subexpressions),
    ("dead code at last", dead_code),
]


def steps(program: Program) -> Iterator[tuple[str, Program]]:
    """The program after each pass, with the pass's name."""
    for name, change in PASSES:
        program = change(program)
        yield name, program


def optimize(program: Program) -> Program:
    """The program after all passes."""
    for _, program in steps(program):
        pass
    return program


def explain(program: Program) -> str:
    """A line for each pass: how many instructions are left, which calls it took out and which it wrote."""
    lines = [f"{program.name}: {len(program.instructions)} instructions as traced"]
    before = program
    for name, after in steps(program):
        old, new = _counts(before), _counts(after)
        gone = [f"{old[op] - new.get(op, 0)} {op}" for op in old if old[op] > new.get(op, 0)]
        come = [f"{new[op] - old.get(op, 0)} {op}" for op in new if new[op] > old.get(op, 0)]
        done = "; ".join(
            part for part in (f"less {', '.join(gone)}" if gone else "", f"more {', '.join(come)}" if come else "") if part
        )
        lines.append(f"  {name:28} {len(after.instructions):5}  {done or 'nothing to do'}")
        before = after
    return "\n".join(lines)


def _counts(program: Program) -> dict[str, int]:
    found: dict[str, int] = {}
    for instruction in program.instructions:
        found[instruction.op] = found.get(instruction.op, 0) + 1
    return found
