"""The pass `algebra`: what one would simplify by hand, one rule for each primitive that has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.ir.primitives import EFFECTS, ELEMENTWISE, REDUCTIONS, Slot, compute
from autograd.compiler.ir.program import Instruction, Program, Value
from autograd.compiler.passes.rewrite import Rewriter, dead_code

FOLDED = 1 << 16
"""Elements of the largest constant that is computed ahead."""


def algebra(program: Program) -> Program:
    """Undo double transposes and reshapes, leave repetition to broadcasting, fold constants and scales, pick by place
    instead of by comparison."""
    writer = _Algebra(program)
    for instruction in writer:
        found = writer.simpler(
            instruction.op, list(map(writer.of, instruction.args)), instruction.params, instruction.out
        )
        if found is None:
            writer.keep(instruction)
        else:
            writer.now[instruction.out] = found
            writer.uses[found] = [*writer.uses.get(found, ()), *writer.uses[instruction.out]]
    return dead_code(writer.finish())


def number_of(value: Value) -> Any:
    """The number that a constant of shape () is, else ``None``."""
    return value.data.item() if value.kind == "constant" and not value.shape else None


def _keeps_digits(number: float, dtype: Any) -> bool:
    """Whether a number is neither so small nor so large that ``dtype`` has few digits for it, or none."""
    info = numpy.finfo(dtype)
    return bool(info.tiny <= abs(number) <= info.max)


def _same(x: Value, out: Value) -> bool:
    return x.shape == out.shape and x.dtype == out.dtype


def _counts(value: Value, count: int) -> bool:
    """Whether a constant is 0, 1, 2, … up to ``count``."""
    return value.kind == "constant" and value.shape == (count,) and bool((value.data == numpy.arange(count)).all())


class _Algebra(Rewriter):
    """Each rule ``_op(args, params, out)`` gives a value that is ``out`` with less work, or ``None``."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.uses = program.uses()

    def made(self, value: Value, op: str) -> Instruction | None:
        """The instruction that made a value, if it is an ``op``."""
        producer = self.producers.get(value)
        return producer if producer is not None and producer.op == op else None

    def used_once(self, value: Value) -> bool:
        """Whether nobody but the one who asks reads a value."""
        return len(self.uses.get(value, ())) == 1

    def may_join(self, a: Value, b: Value) -> bool:
        """Whether two scales may be one: their product must not over- or underflow, which is known of constants and
        taken for granted of what comes of learning rates and counters.
        """
        x, y = number_of(a), number_of(b)
        if x is not None and y is not None:
            return _keeps_digits(x * y, a.dtype)
        return a.dtype.itemsize > 2 and self.is_setting(a) and self.is_setting(b)

    def is_setting(self, value: Value) -> bool:
        """Whether a number is made of constants, learning rates and counters alone."""
        if value.kind != "temporary":
            return value.kind in ("constant", "knob") or (value.kind == "state" and value.dtype.kind in "iu")
        producer = self.producers.get(value)
        return producer is not None and not value.shape and all(map(self.is_setting, producer.args))

    def simpler(self, op: str, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        """A value that is ``op(*args, **params)`` with less work, or ``None``."""
        if op in ELEMENTWISE or op == "where":
            for i, arg in enumerate(args):  # what is repeated is not written out where broadcasting does it
                repeated = self.made(arg, "broadcast_to")
                if repeated is not None:
                    small = [*args[:i], repeated.args[0], *args[i + 1 :]]
                    if shapes.broadcast_shapes(*(a.shape for a in small)) == out.shape:
                        return self.simplest(op, small, params, out)
        known = args and op not in EFFECTS and all(a.kind == "constant" for a in args)
        if known and op != "broadcast_to" and shapes.size(out.shape) <= FOLDED:
            with numpy.errstate(all="ignore"):
                data = compute(op, params, [a.data for a in args])
            return self.array(numpy.asarray(data)) if out.shape else self.scalar(data, out.dtype)
        if op in REDUCTIONS:
            return self._reduction(op, args[0], params, out)
        rule: Callable[..., Value | None] | None = getattr(self, f"_{op}", None)
        return None if rule is None else rule(args, params, out)

    def simplest(self, op: str, args: Sequence[Value], params: dict[str, Any], out: Value) -> Value:
        """The call in its simplest form, written down."""
        found = self.simpler(op, list(args), params, out)
        return self.emit(op, args, params, out.name) if found is None else found

    # ---------------------------------------------------------------------------------------------------------- views

    def _reshape(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        (x,) = args
        if x.shape == out.shape:
            return x
        if (inner := self.made(x, "reshape")) is not None:
            return self.simplest("reshape", inner.args, params, out)
        return self._still_repeated(x, out)

    def _permute_dims(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        (x,), axes = args, params["axes"]
        if axes == tuple(range(len(axes))):
            return x
        if (inner := self.made(x, "permute_dims")) is not None:
            both = tuple(inner.params["axes"][a] for a in axes)
            return self.simplest("permute_dims", inner.args, {"axes": both}, out)
        return self._still_repeated(x, out)

    def _broadcast_to(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        (x,) = args
        if x.shape == out.shape:
            return x
        inner = self.made(x, "broadcast_to")
        return None if inner is None else self.emit("broadcast_to", inner.args, params, out.name)

    def _still_repeated(self, x: Value, out: Value) -> Value | None:
        """One number in another shape."""
        inner = self.made(x, "broadcast_to")
        if inner is None or inner.args[0].shape:
            return None
        return self.emit("broadcast_to", inner.args, {"shape": out.shape}, out.name)

    def _getitem(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        x, index = args[0], params["index"]
        if len(args) == 1:
            parts = index if isinstance(index, tuple) else (index,)
            if all(part is None or part is ... or (isinstance(part, slice) and part == slice(None)) for part in parts):
                return self.simplest("reshape", args, {"shape": out.shape}, out)
        elif len(args) == 3 and index == (Slot(1), Slot(2)) and len(x.shape) == 2:
            # One element of each row: counted through the whole array, its place is one number.
            (count, width), (_, rows, columns) = x.shape, args
            if columns.shape == (count,) and _counts(rows, count) and self.is_within(columns, width):
                starts = self.array(numpy.arange(count, dtype=columns.dtype) * width, "starts")
                places = self.emit("add", (columns, starts))
                flat = self.emit("reshape", (x,), {"shape": (count * width,)})
                return self.emit("take_sure", (flat, places), {"axis": 0}, out.name)
        return None

    def _astype(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        (x,) = args
        if x.dtype == params["dtype"]:
            return x
        if (repeated := self.made(x, "broadcast_to")) is not None:
            small = self.simplest("astype", repeated.args, params, Value("temporary", (), out.dtype, out.name))
            return self.emit("broadcast_to", (small,), repeated.params, out.name)
        compared = self.made(x, "equal")
        if compared is not None and len(out.shape) == 2 and out.dtype.kind == "f":
            labels, classes = compared.args  # a row of the identity matrix for each label
            rows, count = out.shape
            if labels.shape == (rows, 1) and _counts(classes, count) and self.is_within(labels, count):
                flat = self.simplest(
                    "reshape", (labels,), {"shape": (rows,)}, Value("temporary", (rows,), x.dtype, "t")
                )
                eye = self.array(numpy.eye(count, dtype=out.dtype), "eye")
                return self.emit("take_sure", (eye, flat), {"axis": 0}, out.name)
        return None

    # ----------------------------------------------------------------------------------------------------- reductions

    def _reduction(self, op: str, x: Value, params: dict[str, Any], out: Value) -> Value | None:
        if params["keepdims"]:  # one form, so that equals are seen to be equal
            bare = self.emit(op, (x,), {**params, "keepdims": False}, out.name)
            return self.emit("reshape", (bare,), {"shape": out.shape}, out.name)
        axes = shapes.normalize_axes(params["axis"], len(x.shape))
        if all(x.shape[a] == 1 for a in axes) and x.dtype == out.dtype:
            return self.simplest("reshape", (x,), {"shape": out.shape}, out)
        repeated = self.made(x, "broadcast_to")
        if op == "sum" and repeated is not None and not repeated.args[0].shape and out.dtype == x.dtype:
            pair = repeated.args[0], self.scalar(shapes.size(x.shape, axes), x.dtype)
            total = self.simplest("multiply", pair, {}, Value("temporary", (), x.dtype, out.name))
            return self.emit("broadcast_to", (total,), {"shape": out.shape}, out.name)
        return None

    # ----------------------------------------------------------------------------------------------------- arithmetic

    def _multiply(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        for scale, x in (args, args[::-1]):
            if scale.shape:
                continue
            if number_of(scale) == 1 and _same(x, out):
                return x
            if not self.used_once(x) or x.dtype != out.dtype or out.dtype.kind != "f":
                continue
            if (product := self.made(x, "matmul")) is not None and (number := number_of(scale)) is not None:
                for i, fixed in enumerate(product.args):  # (x @ constant) * number: it goes into the constant
                    if fixed.kind == "constant" and len(fixed.shape) == 1:
                        pair = list(product.args)
                        pair[i] = self.array(fixed.data * fixed.dtype.type(number), "weights")
                        return self.emit("matmul", pair, {}, out.name)
            if (product := self.made(x, "multiply")) is not None and x.shape:
                for inner, y in (product.args, product.args[::-1]):  # (y * a) * b as y * (a * b)
                    if not inner.shape and y.shape and inner.dtype == scale.dtype and self.may_join(inner, scale):
                        both = self.simplest(
                            "multiply", (inner, scale), {}, Value("temporary", (), scale.dtype, "scale")
                        )
                        return self.emit("multiply", (y, both), {}, out.name)
        return None

    def _divide(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        number = number_of(args[1])
        if number is None or out.dtype.kind != "f" or not number or not _keeps_digits(1 / number, out.dtype):
            return None
        if abs(numpy.frexp(number)[0]) != 0.5:  # only by powers of two is it the same to the last bit
            return None
        return self.simplest("multiply", (args[0], self.scalar(1 / number, out.dtype)), {}, out)

    def _add(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        for x, y in (args, args[::-1]):
            if number_of(y) == 0 and _same(x, out):
                return x
            if (minus := self.made(y, "negative")) is not None:
                return self.emit("subtract", (x, minus.args[0]), {}, out.name)
        return None

    def _subtract(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        x, y = args
        if number_of(y) == 0 and _same(x, out):
            return x
        minus = self.made(y, "negative")
        return None if minus is None else self.emit("add", (x, minus.args[0]), {}, out.name)

    def _negative(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        if (minus := self.made(args[0], "negative")) is not None:
            return minus.args[0]
        difference = self.made(args[0], "subtract")
        if difference is None or not self.used_once(args[0]):
            return None
        return self.emit("subtract", difference.args[::-1], {}, out.name)

    def _positive(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        return args[0]

    def _square(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        return self.emit("multiply", (args[0], args[0]), {}, out.name)

    def _power(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        x, number = args[0], number_of(args[1])
        if not _same(x, out):
            return None
        if number == 1:
            return x
        if number == 2:
            return self.emit("multiply", (x, x), {}, out.name)
        return self.emit("sqrt", (x,), {}, out.name) if number == 0.5 and out.dtype.kind == "f" else None
