"""Instructions that are not elementwise as loops: views, products, indexing, sorting, joining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from math import prod
from typing import Any

import numpy

from autograd.common.shapes import broadcast_shapes, normalize_axes, normalize_axis, size
from autograd.compiler.ir.primitives import Slot, is_view
from autograd.compiler.ir.program import Instruction, Value
from autograd.compiler.targets.kernels import Kernel
from autograd.compiler.targets.nested.script import Script, reading, reduced
from autograd.compiler.targets.nests import Nest, View, added, times

# --------------------------------------------------------------------------------------------------------------- views


@reading("permute_dims")
def _permute_dims(script: Script, i: Instruction) -> None:
    script.views[i.out] = script.view(i.args[0]).permuted(i.params["axes"])


@reading("reshape")
def _reshape(script: Script, i: Instruction) -> None:
    x = script.view(i.args[0])
    seen = x.reshaped(i.out.shape)
    if seen is None:
        script.said(i)
        out = script.view(i.out)
        script.copy(x, View.of(out.data, x.shape))
    else:
        script.views[i.out] = seen


@reading("copy")
def _copy(script: Script, i: Instruction) -> None:
    script.said(i)
    script.copy(script.view(i.args[0]), script.view(i.out))


def flat(script: Script, x: View, dtype: Any) -> View:
    """All elements of ``x`` along one axis, copied if they are not contiguous."""
    seen = x.reshaped((size(x.shape),))
    if seen is None:
        made = script.scratch(f"flat_{x.data}", x.shape, dtype)
        script.copy(x, made)
        seen = View.of(made.data, (size(x.shape),))
    return seen


# ------------------------------------------------------------------------------------------------------------- matmul


@reading("matmul")
def _matmul(script: Script, i: Instruction) -> None:
    script.said(i)
    x, y = map(script.view, i.args)
    x = x.with_axis(0, 1) if len(x.shape) == 1 else x
    y = y.with_axis(1, 1) if len(y.shape) == 1 else y
    stack = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    rows, inside, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    x, y = x.broadcast_to((*stack, rows, inside)), y.broadcast_to((*stack, inside, columns))
    out = script.view(i.out)
    out = out.with_axis(len(stack), 1) if len(i.args[0].shape) == 1 else out
    out = out.with_axis(len(out.shape), 1) if len(i.args[1].shape) == 1 else out
    axes = [*zip(stack, x.strides, y.strides, out.strides, strict=False)]
    axes += [(rows, x.strides[-2], 0, out.strides[-2]), (columns, 0, y.strides[-1], out.strides[-1])]
    script.contract(axes, [(inside, x.strides[-1], y.strides[-2])], x, y, out, i.out.dtype)


# ------------------------------------------------------------------------------------------------------------- picking


@dataclass
class Index:
    """An index into an array that lies somewhere: ``source`` has the shape of what is picked, with stride 0 along the
    axes that index arrays make. ``arrays``: each with its view in that shape, the stride of the axis that it picks
    from, the length of that axis, and whether its values are known to be in place.
    """

    source: View
    arrays: list[tuple[View, int, int, bool]]


def index_of(script: Script, i: Instruction, x: View) -> Index:
    """The index of an instruction into ``x``, by NumPy's rule for adjacent and for separated index arrays."""
    plain: list[tuple[int, int]] = []
    places: list[int] = []  # of the parts that are numbers or arrays
    arrays: list[tuple[Any, int, int, bool]] = []
    offset, axis, front = x.offset, 0, 0
    for place, part in enumerate(_parts(script, i, len(x.shape))):
        if part is None:
            plain.append((1, 0))
            continue
        length, stride = x.shape[axis], x.strides[axis]
        axis += 1
        if isinstance(part, slice):
            start, stop, step = part.indices(length)
            count = len(range(start, stop, step))
            plain.append((count, stride * step))
            offset += start * stride if count else 0
            continue
        front = front if places else len(plain)
        places.append(place)
        if isinstance(part, int):
            offset += part % max(length, 1) * stride
        elif isinstance(part, Value):
            arrays.append((script.view(part), stride, length, False))
        else:
            array = numpy.asarray(part) % max(length, 1)
            value = Value("constant", array.shape, array.dtype, f"{i.out.name}_places", array)
            arrays.append((script.view(value), stride, length, True))
    if places and places[-1] - places[0] >= len(places):  # something lies between them: their axes come first
        front = 0
    picked = broadcast_shapes(*(view.shape for view, *_ in arrays))
    axes = [*plain[:front], *((n, 0) for n in picked), *plain[front:]]
    source = replace(x, shape=tuple(n for n, _ in axes), strides=tuple(s for _, s in axes), offset=offset)
    behind = len(plain) - front
    spread = []
    for view, stride, length, known in arrays:
        view = view.broadcast_to(picked)
        for _ in range(behind):
            view = view.with_axis(len(view.shape), 1)
        spread.append((view.broadcast_to(source.shape), stride, length, known))
    return Index(source, spread)


def _parts(script: Script, i: Instruction, ndim: int) -> list[Any]:
    """The parts of an index: ``None``, slices, integers, arrays of integers, and values that are such arrays."""

    def bound(part: Any) -> Any:
        return int(i.args[part.index].data) if type(part) is Slot else part

    index = i.params["index"]
    found: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if type(part) is Slot:
            value = i.args[part.index]
            part = value if value.kind != "constant" else value.data
        if isinstance(part, slice):
            found.append(slice(*map(bound, (part.start, part.stop, part.step))))
        elif part is None or part is ... or isinstance(part, Value):
            if isinstance(part, Value) and part.dtype.kind not in "iu":
                raise script.refuse(i, "picks by a condition, so that how much is picked depends on values")
            found.append(part)
        else:
            array = numpy.asarray(part)
            if array.dtype.kind == "b" and not array.shape:
                raise script.refuse(i, "has a single boolean as an index, which can't be written there")
            array = array.astype(numpy.int64) if not array.size else array
            arrays = array.nonzero() if array.dtype.kind == "b" else (array,)
            found += [x if x.shape else int(x) for x in arrays]
    taken = sum(part is not None and part is not ... for part in found)
    at = next((k for k, part in enumerate(found) if part is ...), len(found))
    found[at : at + 1] = [slice(None)] * (ndim - taken)
    return found


def gather(script: Script, index: Index, others: Sequence[View], write: Callable[[Nest, str], list[str]]) -> None:
    """Loops over the elements that an index selects; ``write`` gives the lines for each."""
    count = len(others)
    nest = Nest(index.source.shape, [*others, index.source, *(view for view, *_ in index.arrays)])
    within: list[tuple[int, str]] = []
    terms = []
    for k, (_, stride, length, known) in enumerate(index.arrays):
        depth, name = nest.depth(count + 1 + k), f"$p{k}"
        if known:
            within.append((depth, script.declared(name, nest.at(count + 1 + k), constant=True)))
        else:
            said = f"an index is out of bounds for an axis of {length}"
            within.append((depth, script.declared(name, nest.at(count + 1 + k))))
            within.append((depth, f"if ({name} < 0) {name} += {length};"))
            within.append((depth, script.refused(f"!({name} >= 0 && {name} < {length})", said)))
        terms.append(times(name, stride))
    here = nest.place(count)
    place = added(*terms, "" if here == "0" and any(terms) else here)
    within += [(len(nest.loops), line) for line in write(nest, place)]
    script.loop(nest, within)


@reading("getitem")
def _getitem(script: Script, i: Instruction) -> None:
    x = script.view(i.args[0])
    if is_view(i):
        script.views[i.out] = x[i.params["index"]]
        return
    script.said(i)
    pick(script, i, x)


def pick(script: Script, i: Instruction, x: View) -> None:
    """The elements of ``x`` at the index of an instruction."""
    index = index_of(script, i, x)
    gather(script, index, [script.view(i.out)], lambda nest, place: [f"{nest.at(0)} = {x.data}[{place}];"])


@reading("setitem", "add_at")
def _written(script: Script, i: Instruction) -> None:
    script.said(i)
    sign = "=" if i.op == "setitem" else "+="
    out, value = script.view(i.out), script.view(i.args[1])
    script.copy(script.view(i.args[0]), out)
    index = index_of(script, i, out)
    extra = max(len(value.shape) - len(index.source.shape), 0)  # axes of length 1 in front do not count
    value = value[(0,) * extra]
    if not index.arrays:
        script.copy(value, index.source, sign)
        return
    gather(script, index, [value], lambda nest, place: [f"{out.data}[{place}] {sign} {nest.at(0)};"])


def _along(i: Instruction, axis: int) -> Instruction:
    """``take`` along an axis, as an index."""
    return Instruction("getitem", i.args, {"index": (*[slice(None)] * axis, Slot(1))}, i.out)


@reading("take_sure")
def _take_sure(script: Script, i: Instruction) -> None:
    script.said(i)
    pick(script, _along(i, i.params["axis"]), script.view(i.args[0]))


@reading("take")
def _take(script: Script, i: Instruction) -> None:
    script.said(i)
    axis = argument(i, 2, "axis")
    x = script.view(i.args[0])
    if axis is None:
        x, axis = flat(script, x, i.args[0].dtype), 0
    pick(script, _along(i, normalize_axis(axis, len(x.shape))), x)


@reading("take_along_axis")
def _take_along_axis(script: Script, i: Instruction) -> None:
    script.said(i)
    x, places, out = script.view(i.args[0]), script.view(i.args[1]), script.view(i.out)
    axis = argument(i, 2, "axis", -1)
    if axis is None:
        x, axis = flat(script, x, i.args[0].dtype), 0
    axis = normalize_axis(axis, len(x.shape))
    source = x.without(axis).broadcast_to(out.shape)
    index = Index(source, [(places.broadcast_to(out.shape), x.strides[axis], x.shape[axis], False)])
    gather(script, index, [out], lambda nest, place: [f"{nest.at(0)} = {x.data}[{place}];"])


@reading("check_range")
def _check_range(script: Script, i: Instruction) -> None:
    script.said(i)
    name, stop = i.args[0].name, i.params["stop"]
    nest = Nest(tuple(i.args[0].shape), [script.view(i.args[0])])
    said = f"{name} must hold whole numbers from 0 to {stop - 1}."
    line = script.refused(f"!({nest.at(0)} >= 0 && {nest.at(0)} < {stop})", said)
    script.loop(nest, [(len(nest.loops), line)])


# --------------------------------------------------------------------------------------------- functions of NumPy's


def argument(i: Instruction, number: int, name: str, default: Any = None) -> Any:
    """A parameter of a function of NumPy's, given by its place or by its name."""
    args, options = i.params["call"]
    return options[name] if name in options else args[number] if len(args) > number else default


@reading("argmax", "argmin")
def _argmax(script: Script, i: Instruction) -> None:
    script.said(i)
    x = script.view(i.args[0])
    axes = normalize_axes(argument(i, 1, "axis") if x.shape else None, len(x.shape))
    nest = Nest(x.shape, [x, reduced(script.view(i.out), x.shape, axes)], axes)
    sign, inmost = ">" if i.op == "argmax" else "<", len(nest.loops)
    dtype = i.args[0].dtype
    within = [
        (nest.outer, script.declared("acc", "0", dtype)),
        (nest.outer, script.declared("$best", "0")),
        (nest.outer, script.declared("$count", "0")),
        (inmost, script.declared("$x", nest.at(0), dtype, constant=True)),  # the first NaN, else the first extreme
        (inmost, f"if ($count == 0 || $x {sign} acc || ($x != $x && acc == acc)) {{ acc = $x; $best = $count; }}"),
        (inmost, "$count++;"),
    ]
    script.loop(nest, within, [(nest.outer, f"{nest.at(1)} = $best;")])


@reading("argsort")
def _argsort(script: Script, i: Instruction) -> None:
    script.said(i)
    x, out = script.view(i.args[0]), script.view(i.out)
    axis = normalize_axis(argument(i, 1, "axis", -1), len(x.shape))
    length, step = x.shape[axis], x.strides[axis]
    order = script.scratch(f"order_{i.out.name}", (length,), numpy.dtype(numpy.int32))
    nest = Nest(x.without(axis).shape, [x.without(axis), out.without(axis)])
    here, there = nest.place(0), nest.place(1)
    target = f"{out.data}[{added(there, times('$s', out.strides[axis]))}]"
    lines = script.sort(x, here, step, order, length, i.args[0].dtype)
    lines.append(f"for ({script.language.integer} $s = 0; $s < {length}; $s++) {target} = {order.data}[$s];")
    script.loop(nest, [(len(nest.loops), line) for line in lines])


@reading("searchsorted")
def _searchsorted(script: Script, i: Instruction) -> None:
    script.said(i)
    x, y = script.view(i.args[0]), script.view(i.args[1])
    if len(i.args) > 2:
        raise script.refuse(i, "has an order beside it, which has no reading there")
    nest = Nest(y.shape, [y, script.view(i.out)])
    element = f"{x.data}[{added(times('$middle', x.strides[0]), x.start)}]"
    before = f"$less({element}, $y)" if argument(i, 2, "side", "left") == "left" else f"!$less($y, {element})"
    lines = [
        script.declared("$low", "0"),
        script.declared("$high", str(x.shape[0])),
        script.declared("$y", nest.at(0), i.args[1].dtype, constant=True),
        "while ($low < $high) {",
        "  " + script.declared("$middle", "($low + $high) >> 1", constant=True),
        f"  if ({before}) $low = $middle + 1; else $high = $middle;",
        "}",
        f"{nest.at(1)} = $low;",
    ]
    script.loop(nest, [(len(nest.loops), line) for line in lines])


@reading("cumulative_sum", "cumulative_prod")
def _cumulative(script: Script, i: Instruction) -> None:
    script.said(i)
    x, out = script.view(i.args[0]), script.view(i.out)
    axis = normalize_axis(argument(i, 1, "axis") or 0, len(x.shape))
    op = i.op.removeprefix("cumulative_")
    combine, start = script.language.reductions[op][0], script.start_of(op, i.out.dtype)
    before = (slice(None),) * axis
    first = None
    if argument(i, 3, "include_initial", False):
        first, out = out[(*before, slice(0, 1))], out[(*before, slice(1, None))]
    nest = Nest(x.shape, [x, out, *([first] if first else [])], [axis])
    within = [(nest.outer, script.declared("acc", start, i.out.dtype))]
    within += [(nest.outer, f"{nest.at(2)} = acc;")] if first else []
    within += [
        (len(nest.loops), f"acc = {script.rounded(combine.format(a='acc', b=nest.at(0)), i.out.dtype)};"),
        (len(nest.loops), f"{nest.at(1)} = acc;"),
    ]
    script.loop(nest, within)


@reading("round")
def _round(script: Script, i: Instruction) -> None:
    op = "rint" if i.out.dtype.kind == "f" else "positive"
    script.kernel(Kernel(i.out.name, [i.args[0]], [i.out], [Instruction(op, i.args, {}, i.out)]))


@reading("clip")
def _clip(script: Script, i: Instruction) -> None:
    script.said(i)
    low, high = argument(i, 1, "min"), argument(i, 2, "max")
    values = [i.args[0], *(i.args[b.index] for b in (low, high) if type(b) is Slot)]
    dtype = i.out.dtype
    nest = Nest(i.out.shape, [*map(script.view, values), script.view(i.out)])
    within = [(nest.depth(k), script.declared(f"$x{k}", nest.at(k), dtype, constant=True)) for k in range(len(values))]
    names = iter(f"$x{k}" for k in range(len(values)))
    found = next(names)
    for n, (bound, op) in enumerate(((low, "maximum"), (high, "minimum"))):
        if bound is not None:
            limit = next(names) if type(bound) is Slot else script.language.literal(bound, dtype)
            text = script.computed(op, [found, limit], dtype)
            within.append((len(nest.loops), script.declared(f"$limited{n}", text, dtype, constant=True)))
            found = f"$limited{n}"
    within.append((len(nest.loops), f"{nest.at(len(values))} = {script.rounded(found, dtype)};"))
    script.loop(nest, within)


@reading("tril", "triu")
def _triangle(script: Script, i: Instruction) -> None:
    script.said(i)
    x, k = script.view(i.args[0]), argument(i, 1, "k", 0)
    x = x.broadcast_to(i.out.shape)
    nest = Nest(x.shape, [x, script.view(i.out)], merge=False)
    row, column = nest.index(len(x.shape) - 2), nest.index(len(x.shape) - 1)
    inside = f"{column} {'<=' if i.op == 'tril' else '>='} {added(row, k)}"
    script.loop(nest, [(len(nest.loops), f"{nest.at(1)} = {inside} ? {nest.at(0)} : 0;")])


@reading("flip")
def _flip(script: Script, i: Instruction) -> None:
    script.said(i)
    x = script.view(i.args[0])
    axes = normalize_axes(argument(i, 1, "axis"), len(x.shape))
    script.copy(x[tuple(slice(None, None, -1 if d in axes else 1) for d in range(len(x.shape)))], script.view(i.out))


@reading("roll")
def _roll(script: Script, i: Instruction) -> None:
    script.said(i)
    x, out, axis = script.view(i.args[0]), script.view(i.out), argument(i, 2, "axis")
    if axis is None:
        x, axis = flat(script, x, i.args[0].dtype), 0
        out = View.of(out.data, x.shape)
    shifts: dict[int, int] = {}
    for by, along in numpy.stack(numpy.broadcast_arrays(argument(i, 1, "shift"), axis), -1).reshape(-1, 2).tolist():
        along = normalize_axis(along, len(x.shape))
        shifts[along] = shifts.get(along, 0) + by
    pieces = []
    for a, n in enumerate(x.shape):
        by = shifts.get(a, 0) % max(n, 1)
        whole = [(slice(None), slice(None))]
        pieces.append([(slice(0, n - by), slice(by, n)), (slice(n - by, n), slice(0, by))] if by else whole)
    for parts in combinations(*pieces):
        script.copy(x[tuple(p for p, _ in parts)], out[tuple(p for _, p in parts)])


@reading("repeat")
def _repeat(script: Script, i: Instruction) -> None:
    script.said(i)
    x, repeats, axis = script.view(i.args[0]), argument(i, 1, "repeats"), argument(i, 2, "axis")
    if axis is None:
        x, axis = flat(script, x, i.args[0].dtype), 0
    axis = normalize_axis(axis, len(x.shape))
    counts = numpy.atleast_1d(repeats)
    if counts.size == 1:
        many = x.with_axis(axis + 1, int(counts[0]))
        script.copy(many, View.of(script.view(i.out).data, many.shape))
        return
    places = numpy.repeat(numpy.arange(x.shape[axis]), counts)
    index = {"index": (*[slice(None)] * axis, places)}
    pick(script, Instruction("getitem", i.args, index, i.out), x)


@reading("tile")
def _tile(script: Script, i: Instruction) -> None:
    script.said(i)
    x = script.view(i.args[0])
    given = argument(i, 1, "repetitions")
    counts = (given,) if isinstance(given, int) else tuple(given)
    ndim = max(len(counts), len(x.shape))
    x = x.broadcast_to((*(1,) * (ndim - len(x.shape)), *x.shape))
    for axis, count in zip(range(0, 2 * ndim, 2), (*(1,) * (ndim - len(counts)), *counts), strict=True):
        x = x.with_axis(axis, count)
    script.copy(x, View.of(script.view(i.out).data, x.shape))


@reading("concat", "stack")
def _joined(script: Script, i: Instruction) -> None:
    script.said(i)
    axis, start = argument(i, 1, "axis", 0), 0
    out = script.view(i.out)
    views = [script.view(i.args[slot.index]) for slot in i.params["call"][0][0]]
    if axis is None:
        for x in views:
            script.copy(x, replace(View.of(out.data, x.shape), offset=start))
            start += prod(x.shape)
        return
    axis = normalize_axis(axis, len(out.shape))
    for x in views:
        x = x.with_axis(axis, 1) if i.op == "stack" else x
        script.copy(x, out[(*[slice(None)] * axis, slice(start, start + x.shape[axis]))])
        start += x.shape[axis]


@reading("cross")
def _cross(script: Script, i: Instruction) -> None:
    script.said(i)
    out = script.view(i.out)
    axis = argument(i, 2, "axis", -1)
    parts = [_component(script.view(a), axis) for a in i.args]
    for k in range(3):
        first, second = (k + 1) % 3, (k + 2) % 3
        target = _component(out, axis)[k]
        nest = Nest(target.shape, [parts[0][first], parts[1][second], parts[0][second], parts[1][first], target])
        text = script.rounded(f"{nest.at(0)} * {nest.at(1)} - {nest.at(2)} * {nest.at(3)}", i.out.dtype)
        script.loop(nest, [(len(nest.loops), f"{nest.at(4)} = {text};")])


def _component(x: View, axis: int) -> list[View]:
    """The three components along an axis."""
    axis = normalize_axis(axis, len(x.shape))
    return [x[(*[slice(None)] * axis, k)] for k in range(3)]
