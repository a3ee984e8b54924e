"""The pass `algebra`: simplifications that one would make by hand, one rule for each primitive that has one. Equal
instructions are computed once.

A rule may only be applied if it gives the same bits for all numbers of IEEE 754: both zeros, infinities, NaN, subnormal
numbers, and numbers so large that twice as much is infinite. ``x - 0`` is ``x``, but ``x + 0`` is not: it turns -0 into
0. ``(x * a) * b`` is not ``x * (a * b)``: only one of them may be infinite. Sums and products of matrices may round
differently, as in BLAS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partialmethod
from typing import Any

import numpy

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.primitives import EFFECTS, ELEMENTWISE, REDUCTIONS, Slot, compute
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes.rewrite import Rewriter

FOLDED = 1 << 16
"""The largest number of elements of a constant that is computed by the pass."""

ADDENDS = 1 << 15
"""The largest number of terms summed as a product: BLAS adds sequentially, and float32 would lose digits."""

COMMUTE = frozenset(("add", "multiply", "equal", "not_equal", "logical_and", "logical_or"))
"""Commutative operations. ``maximum`` is not: with 0 and -0 the result depends on the order."""


def algebra(program: Program, products: bool = False) -> Program:
    """Compute equal expressions once, remove double transposes and reshapes, replace repetition by broadcasting, fold
    constants, and select by index instead of by comparison. ``products``: sum leading axes, rows and whole arrays as
    products with ones, which BLAS computes faster.
    """
    writer = _Algebra(program, products)
    for instruction in writer:
        out, args = instruction.out, list(map(writer.of, instruction.args))
        given = instruction.op, args, instruction.params, out
        found = writer.simpler(*given) or writer.known(*given)
        if found is out:
            writer.keep(instruction)
        else:
            writer.now[out] = found
    return writer.finish()


def _frozen(part: Any) -> Any:
    """Parameters as a hashable key."""
    if isinstance(part, dict):
        return tuple([(key, _frozen(value)) for key, value in part.items()])
    if isinstance(part, tuple | list):
        return (type(part), *map(_frozen, part))
    if isinstance(part, slice):
        return slice, _frozen(part.start), _frozen(part.stop), _frozen(part.step)
    if isinstance(part, float):
        return float, str(part)
    try:
        hash(part)
    except TypeError:
        return id(part)
    return type(part), part


def number_of(value: Value) -> Any:
    """The number in a constant of shape (); ``None`` for any other value."""
    return value.data.item() if value.kind == "constant" and not value.shape else None


def is_zero(value: Value, negative: bool) -> bool:
    """Whether a value is the constant 0, with or without a sign."""
    number, kind = number_of(value), value.dtype.kind
    return number == 0 and (kind in "iu" or (kind == "f" and (math.copysign(1, number) < 0) is negative))


def _same(x: Value, out: Value) -> bool:
    return x.shape == out.shape and x.dtype == out.dtype


def _counts(value: Value, count: int) -> bool:
    """Whether a constant is 0, 1, 2, … up to ``count``."""
    return value.kind == "constant" and value.shape == (count,) and bool((value.data == numpy.arange(count)).all())


def picks_from_rows(args: Sequence[Value], index: Any) -> bool:
    """Whether an index is ``x[arange(len(x)), columns]``, one element of each row, as in cross-entropy."""
    if index != (Slot(1), Slot(2)):
        return False
    x, rows, columns = args
    counted = numpy.result_type(columns.dtype, numpy.int64) == numpy.int64
    return counted and len(x.shape) == 2 and columns.shape == x.shape[:1] and _counts(rows, x.shape[0])


class _Algebra(Rewriter):
    """Each rule ``_op(args, params, out)`` gives a value that is ``out`` with less work, or ``None``."""

    def __init__(self, program: Program, products: bool) -> None:
        super().__init__(program)
        self.products = products
        self.values: dict[Any, Value] = {}  # by the instruction that computes them
        self.stops = {i.args[0]: i.params["stop"] for i in program.instructions if i.op == "check_range"}
        scalars = (v for i in program.instructions for v in i.args if v.kind == "constant" and not v.shape)
        self.constants: dict[Any, Value] = {(v.dtype, str(v.data)): v for v in scalars}

    def known(self, op: str, args: Sequence[Value], params: dict[str, Any], out: Value) -> Value:
        """The value that an instruction before computed in the same way, or ``out``."""
        if op in EFFECTS:
            return out
        ids = map(id, args)
        key = op, *(sorted(ids) if op in COMMUTE else ids), _frozen(params) if params else ()
        return self.values.setdefault(key, out)

    def is_within(self, indices: Value, stop: int) -> bool:
        """Whether the program checks that all ``indices`` are in ``range(stop)``."""
        producer = self.made(indices, "reshape")
        return bool(self.stops.get(indices if producer is None else producer.args[0], stop + 1) <= stop)

    def scalar(self, number: float, dtype: Any) -> Value:
        """A constant of shape () for ``number``."""
        data = numpy.asarray(number, dtype)[()]
        key = data.dtype, str(data)
        return self.constants.get(key) or self.constants.setdefault(key, self.constant(data))

    def ones(self, count: int, dtype: Any) -> Value:
        """A vector of ones."""
        key = count, dtype
        return self.constants.get(key) or self.constants.setdefault(key, self.constant(numpy.ones(*key), "ones"))

    def made(self, value: Value, op: str) -> Instruction | None:
        """The instruction that produces a value, if its operation is ``op``."""
        producer = self.producers.get(value)
        return producer if producer is not None and producer.op == op else None

    def opposite(self, value: Value, out: Value) -> Value | None:
        """``x`` if ``value`` is ``-x``, computed in the dtype of ``out``; otherwise ``None``."""
        made = self.made(value, "negative")
        return made.args[0] if made is not None and (value.dtype == out.dtype or value.dtype.kind == "f") else None

    def simpler(self, op: str, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        """A cheaper value equal to ``op(*args, **params)``, or ``None``."""
        if op in ELEMENTWISE or op == "where":
            for i, arg in enumerate(args):  # the instruction broadcasts by itself
                repeated = self.made(arg, "broadcast_to")
                if repeated is not None:
                    small = [*args[:i], repeated.args[0], *args[i + 1 :]]
                    if shapes.broadcast_shapes(*(a.shape for a in small)) == out.shape:
                        return self.simplest(op, small, params, out)
        known = args and op not in EFFECTS and all(a.kind == "constant" for a in args)
        if known and op != "broadcast_to" and shapes.size(out.shape) <= FOLDED:
            try:
                with numpy.errstate(all="ignore"):
                    data = compute(op, params, [a.data for a in args])
            except Exception:  # left to the call, whose error names the instruction
                return None
            return self.constant(numpy.asarray(data)) if out.shape else self.scalar(data, out.dtype)
        if op in REDUCTIONS:
            return self._reduction(op, args[0], params, out)
        rule: Callable[..., Value | None] | None = getattr(self, f"_{op}", None)
        return None if rule is None else rule(args, params, out)

    def simplest(self, op: str, args: Sequence[Value], params: dict[str, Any], out: Value) -> Value:
        """Emit the call in its simplest form."""
        found = self.simpler(op, list(args), params, out)
        return self.emit(op, args, params, out.name) if found is None else found

    # ---------------------------------------------------------------------------------------------------------- views

    def _reshape(self, args: list[Value], params: dict[str, Any], out: Value, op: str = "reshape") -> Value | None:
        (x,) = args
        if x.shape == out.shape:
            return x
        inner = self.made(x, op)
        return None if inner is None else self.simplest(op, inner.args, params, out)

    _broadcast_to = partialmethod(_reshape, op="broadcast_to")

    def _permute_dims(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        (x,), axes = args, params["axes"]
        if axes == tuple(range(len(axes))):
            return x
        inner = self.made(x, "permute_dims")
        if inner is None:
            return None
        return self.simplest("permute_dims", inner.args, {"axes": tuple(inner.params["axes"][a] for a in axes)}, out)

    def _getitem(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        x, index = args[0], params["index"]
        if len(args) == 1:
            parts = index if isinstance(index, tuple) else (index,)
            if all(part is None or part is ... or (isinstance(part, slice) and part == slice(None)) for part in parts):
                return self.simplest("reshape", args, {"shape": out.shape}, out)
        elif picks_from_rows(args, index) and self.is_within(args[2], x.shape[1]):
            count, width = x.shape
            starts = self.constant(numpy.arange(count, dtype=numpy.int64) * width, "starts")
            places = self.emit("add", (args[2], starts))
            flat = self.emit("reshape", (x,), {"shape": (count * width,)})
            return self.emit("take_sure", (flat, places), {"axis": 0}, out.name)
        return None

    def _astype(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        (x,) = args
        if x.dtype == params["dtype"]:
            return x
        if x.kind == "knob" and self.products and out.dtype.kind == "f":  # NumPy reads it in that dtype
            return self.constants.setdefault((x, out.dtype), Value("knob", (), out.dtype, out.name, origin=x.origin))
        compared = self.made(x, "equal")
        if compared is not None and len(out.shape) == 2 and out.dtype.kind == "f":
            labels, classes = compared.args  # this compares labels with classes: one-hot rows
            rows, count = out.shape
            if labels.shape == (rows, 1) and _counts(classes, count) and self.is_within(labels, count):
                flat = self.simplest(
                    "reshape", (labels,), {"shape": (rows,)}, Value("temporary", (rows,), x.dtype, "t")
                )
                eye = self.constant(numpy.eye(count, dtype=out.dtype), "eye")
                return self.emit("take_sure", (eye, flat), {"axis": 0}, out.name)
        return None

    # ----------------------------------------------------------------------------------------------------- reductions

    def _reduction(self, op: str, x: Value, params: dict[str, Any], out: Value) -> Value | None:
        if params["keepdims"]:  # so that equal instructions are found
            return self._in_shape(self.simplest(op, (x,), {**params, "keepdims": False}, out), out.shape, out.name)
        axes = shapes.normalize_axes(params["axis"], len(x.shape))
        count, rest = shapes.size(x.shape, axes), x.shape[len(axes) :]
        fits = 1 < count <= ADDENDS and 0 not in x.shape  # a product of one number may be -0, and a sum is not
        if not (self.products and op == "sum" and fits and x.dtype == out.dtype and x.dtype.char in "fd"):
            return None
        ones = self.ones(count, x.dtype)
        if not rest:
            return self.emit("matmul", (self._in_shape(x, (count,), x.name), ones), {}, out.name)
        if axes == tuple(range(len(axes))):
            rows = self._in_shape(x, (count, shapes.size(rest)), f"{x.name}_rows")
            return self._in_shape(self.emit("matmul", (ones, rows), {}, out.name), rest, out.name)
        return self.emit("matmul", (x, ones), {}, out.name) if len(x.shape) == 2 else None

    def _in_shape(self, x: Value, shape: shapes.Shape, name: str) -> Value:
        return x if x.shape == shape else self.emit("reshape", (x,), {"shape": shape}, name)

    def _matmul(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        x, y = args
        if not self.products or not len(x.shape) > len(y.shape) == 2:
            return None
        rows = self._in_shape(x, (shapes.size(x.shape[:-1]), x.shape[-1]), f"{x.name}_rows")
        return self._in_shape(self.emit("matmul", (rows, y), {}, f"{out.name}_rows"), out.shape, out.name)

    # ----------------------------------------------------------------------------------------------------- arithmetic

    def _multiply(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        return next((x for scale, x in (args, args[::-1]) if number_of(scale) == 1 and _same(x, out)), None)

    def _add(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        for x, y in (args, args[::-1]):
            if is_zero(y, negative=True) and _same(x, out):
                return x
            if (less := self.opposite(y, out)) is not None:
                return self.emit("subtract", (x, less), {}, out.name)
        return None

    def _subtract(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        x, y = args
        if is_zero(y, negative=False) and _same(x, out):
            return x
        more = self.opposite(y, out)
        return None if more is None else self.emit("add", (x, more), {}, out.name)

    def _negative(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        return self.opposite(args[0], out)

    def _positive(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        return args[0]

    def _power(self, args: list[Value], params: dict[str, Any], out: Value) -> Value | None:
        # NumPy's own `**` computes these exponents in the same way.
        x, number = args[0], number_of(args[1])
        if not _same(x, out):
            return None
        if number == 1:
            return x
        if number == 2:
            return self.emit("multiply", (x, x), {}, out.name)
        return self.emit("sqrt", (x,), {}, out.name) if number == 0.5 and out.dtype.kind == "f" else None
