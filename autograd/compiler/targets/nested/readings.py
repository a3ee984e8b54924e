"""Instructions that are not elementwise as loops: products, indexing, joining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy

from glassgrad.autograd.common.shapes import broadcast_shapes, normalize_axes, normalize_axis
from glassgrad.autograd.compiler.ir.primitives import fill
from glassgrad.autograd.compiler.ir.program import Value
from glassgrad.autograd.compiler.targets.nested.script import INT, Script, reading, reduced, whole
from glassgrad.autograd.compiler.targets.nests import Nest, View, added, times


@reading("reshape", "copy")
def _copied(script: Script, out: View, x: View, **_: Any) -> None:
    script.copy(x, View.of(out.data, x.shape) if script.now.op == "reshape" else out)


@reading("matmul")
def _matmul(script: Script, out: View, x: View, y: View) -> None:
    if len(x.shape) == 1:
        x, out = x.with_axis(0, 1), out.with_axis(max(len(y.shape) - 2, 0), 1)
    if len(y.shape) == 1:
        y, out = y.with_axis(1, 1), out.with_axis(len(out.shape), 1)
    stack = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    rows, inside, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    x, y = x.broadcast_to((*stack, rows, inside)), y.broadcast_to((*stack, inside, columns))
    axes = [*zip(stack, x.strides, y.strides, out.strides, strict=False)]
    axes += [(rows, x.strides[-2], 0, out.strides[-2]), (columns, 0, y.strides[-1], out.strides[-1])]
    script.contract(axes, [(inside, x.strides[-1], y.strides[-2])], x, y, out, script.now.out.dtype)


# ------------------------------------------------------------------------------------------------------------- picking


Index = tuple[View, list[tuple[View, int, int]]]
"""An index into an array: a view of it in the shape of the selected elements, with stride 0 along the axes that index
arrays make; and these arrays, each with its view in that shape, and the stride and the length of the axis that it picks
from."""


def index_of(script: Script, parts: Any, x: View) -> Index:
    """The index ``parts`` into ``x``, by NumPy's rule for adjacent and for separated index arrays."""
    parts = _parts(script, parts, len(x.shape))
    picks = [k for k, part in enumerate(parts) if not (part is None or isinstance(part, slice))]
    plain = [slice(None) if k in picks else part for k, part in enumerate(parts)]
    for k in picks:
        if isinstance(parts[k], int):
            plain[k] = slice(parts[k], parts[k] + 1 or None)
    seen = x[tuple(plain)]  # with an axis for each part
    arrays = [(script.view(parts[k]), seen.strides[k], seen.shape[k]) for k in picks if isinstance(parts[k], Value)]
    picked = broadcast_shapes(*(view.shape for view, *_ in arrays))
    front = picks[0] if picks and picks[-1] - picks[0] < len(picks) else 0  # not adjacent: their axes come first
    left = [axis for k, axis in enumerate(zip(seen.shape, seen.strides, strict=True)) if k not in picks]
    axes = [*left[:front], *((n, 0) for n in picked), *left[front:]]
    source = replace(seen, shape=tuple(n for n, _ in axes), strides=tuple(s for _, s in axes))
    spread = []
    for view, stride, length in arrays:
        view = view.broadcast_to(picked)
        for _ in left[front:]:
            view = view.with_axis(len(view.shape), 1)
        spread.append((view.broadcast_to(source.shape), stride, length))
    return source, spread


def _parts(script: Script, index: Any, ndim: int) -> list[Any]:
    """The parts of an index, one for each axis and each ``None``: slices, integers, and values that are arrays."""
    found: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        part = part.data if isinstance(part, Value) and part.kind == "constant" else part
        if isinstance(part, slice):
            part = slice(*(int(b.data) if isinstance(b, Value) else b for b in (part.start, part.stop, part.step)))
        elif not (part is None or part is ... or isinstance(part, Value)):
            data = numpy.asarray(part, None if numpy.size(part) else INT)
            is_mask, name = data.dtype.kind == "b" and bool(data.shape), f"{script.now.out.name}_places"
            values = [Value("constant", x.shape, x.dtype, name, x) for x in (data.nonzero() if is_mask else [data])]
            found += values[:-1]
            part = values[-1]
        if isinstance(part, Value) and part.dtype.kind not in "iu":
            raise script.refuse(script.now, "selects with a mask, so the length of its result depends on values")
        found.append(int(part.data) if isinstance(part, Value) and part.data is not None and not part.shape else part)
    taken = sum(part is not None and part is not ... for part in found)
    at = next((k for k, part in enumerate(found) if part is ...), len(found))
    found[at : at + 1] = [slice(None)] * (ndim - taken)
    return found


def gather(script: Script, index: Index, others: Sequence[View], write: Callable[[Nest, str], list[str]]) -> None:
    """Loops over the elements that an index selects; ``write`` gives the lines for each."""
    count, (source, arrays) = len(others), index
    nest = Nest(source.shape, [*others, source, *(view for view, *_ in arrays)])
    within: list[tuple[int, str]] = []
    terms = []
    for k, (_, stride, length) in enumerate(arrays):
        depth, name = nest.depth(count + 1 + k), f"$p{k}"
        said = f"an index is out of bounds for an axis of {length}"
        within.append((depth, script.declared(name, nest.at(count + 1 + k))))
        within.append((depth, f"if ({name} < 0) {name} += {length};"))
        within.append((depth, script.refused(f"!({name} >= 0 && {name} < {length})", said)))
        terms.append(times(name, stride))
    here = nest.place(count)
    place = added(*terms, "" if here == "0" and any(terms) else here)
    within += [(len(nest.loops), line) for line in write(nest, place)]
    script.loop(nest, within)


def pick(script: Script, out: View, x: View, parts: Any) -> None:
    """The elements of ``x`` at an index."""
    gather(script, index_of(script, parts, x), [out], lambda nest, place: [f"{nest.at(0)} = {x.data}[{place}];"])


def _index(script: Script) -> Any:
    """The index of the instruction, with the values of its arrays."""
    return fill(script.now.params["index"], script.now.args)


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index that has ``part`` at ``axis``."""
    return (*[slice(None)] * axis, part)


@reading("getitem")
def _getitem(script: Script, out: View, x: View, *_: View, index: Any) -> None:
    pick(script, out, x, _index(script))


@reading("setitem", "add_at")
def _written(script: Script, out: View, x: View, value: View, *_: View, index: Any) -> None:
    sign = "=" if script.now.op == "setitem" else "+="
    script.copy(x, out)
    source, arrays = index_of(script, _index(script), out)
    extra = max(len(value.shape) - len(source.shape), 0)  # leading axes of length 1 are ignored
    value = value[(0,) * extra]
    if arrays:
        gather(script, (source, arrays), [value], lambda nest, place: [f"{out.data}[{place}] {sign} {nest.at(0)};"])
    else:
        script.copy(value, source, sign)


@reading("take", "take_sure")
def _take(script: Script, out: View, x: View, indices: View, axis: int | None = None) -> None:
    if axis is None and len(x.shape) != 1:
        raise script.refuse(script.now, "takes of all axes at once: give an axis, or reshape the array first")
    pick(script, out, x, _along(normalize_axis(axis or 0, len(x.shape)), script.now.args[1]))


# --------------------------------------------------------------------------------------------- functions of NumPy's

# With NumPy's signatures, without parameters that no program uses.


@reading("argmax", "argmin")
def _argmax(script: Script, out: View, x: View, axis: Any = None, *, keepdims: bool = False) -> None:
    axes = normalize_axes(axis if x.shape else None, len(x.shape))
    nest = Nest(x.shape, [x, reduced(out, x.shape, axes)], axes)
    sign, inmost = ">" if script.now.op == "argmax" else "<", len(nest.loops)
    dtype = script.now.args[0].dtype
    within = [
        (nest.outer, script.declared("acc", "0", dtype)),
        (nest.outer, script.declared("$best", "0")),
        (nest.outer, script.declared("$count", "0")),
        (inmost, script.declared("$x", nest.at(0), dtype, constant=True)),  # the first NaN, else the first extreme
        (inmost, f"if ($count == 0 || $x {sign} acc || ($x != $x && acc == acc)) {{ acc = $x; $best = $count; }}"),
        (inmost, "$count++;"),
    ]
    script.loop(nest, within, [(nest.outer, f"{nest.at(1)} = $best;")])


@reading("repeat")
def _repeat(script: Script, out: View, x: View, repeats: int, axis: int) -> None:
    many = x.with_axis(axis + 1, repeats)
    script.copy(many, View.of(out.data, many.shape))


@reading("concat", "stack")
def _joined(script: Script, out: View, arrays: Sequence[View], axis: int | None = 0) -> None:
    if axis is None:
        raise script.refuse(script.now, "joins arrays without an axis: give one, or reshape them first")
    start, axis = 0, normalize_axis(axis, len(out.shape))
    for x in arrays:
        x = x.with_axis(axis, 1) if script.now.op == "stack" else x
        script.copy(x, out[_along(axis, slice(start, start + x.shape[axis]))])
        start += x.shape[axis]


@whole("erfc")
def _erfc(script: Script, out: View, x: View) -> None:
    nest = Nest(out.shape, [x, out])
    text = script.language.rounded(f"$erfc({nest.at(0)})", script.now.out.dtype)
    script.loop(nest, [(len(nest.loops), f"{nest.at(1)} = {text};")])
