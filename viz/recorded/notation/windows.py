"""Operations over windows, entry by entry: index formulas, and which entries a window and an entry touch.

A formula is one object that is written, as text and as LaTeX, and that gives the terms of each entry. So a test
compares the written formula with the engine's result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from glassgrad.autograd.ops.windows import output_space, pads_per_axis, per_axis
from glassgrad.viz.drawing import words
from glassgrad.viz.recorded.notation.latex import tex_said

PLACES, TAPS, POINTS = "pqr", "ijk", "uvt"  # of the output, in the window, of the input: one letter for each axis
WINDOWED = ("conv", "conv_input", "conv_weight", "max_pool", "max_unpool", "sum_pool", "sum_unpool")

Shapes = Mapping[str, Sequence[int]]  # of the arguments of an operation, by name

# ---------------------------------------------------------------- geometry


@dataclass(frozen=True)
class Geometry:
    """The windows of an operation: one entry of each field for each spatial axis.

    ``space``: sizes of the input, ``out``: numbers of windows, ``pads``: (before, after).
    """

    space: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def axes(self) -> int:
        """The number of spatial axes."""
        return len(self.space)

    def window(self, place: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], bool]]:
        """Iterate over the window at an output position: index in it, input position, whether that is inside."""
        for tap in product(*map(range, self.size)):
            at = tuple(
                s * p + d * i - before
                for s, p, d, i, (before, _) in zip(self.stride, place, self.dilation, tap, self.pads, strict=True)
            )
            yield tap, at, all(0 <= n < m for n, m in zip(at, self.space, strict=True))

    def reached(self, point: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Iterate over the windows that contain a point of the input: output position, index of the point in it."""
        for tap in product(*map(range, self.size)):
            steps = [
                divmod(u + before - d * i, s)
                for u, (before, _), d, i, s in zip(point, self.pads, self.dilation, tap, self.stride, strict=True)
            ]
            if all(rest == 0 and 0 <= p < n for (p, rest), n in zip(steps, self.out, strict=True)):
                yield tuple(p for p, _ in steps), tap


def geometry(name: str, shapes: Shapes, params: Mapping[str, Any]) -> Geometry:
    """The geometry of an operation over windows, from the shapes of its arguments and its parameters.

    >>> geometry("max_pool", {"x": (1, 1, 5)}, {"size": 2}).out
    (2,)
    """
    weight = shapes.get("weight")
    size = params["size"] if weight is None else tuple(weight[2:])
    space = tuple(params.get("space") or ()) if name in ("conv_input", "sum_unpool") else tuple(shapes["x"][2:])
    axes = len(space)
    size, dilation = per_axis(size, axes, "size"), per_axis(params.get("dilation", 1), axes, "dilation")
    usual = 1 if name.startswith("conv") else size
    stride = per_axis(params.get("stride") or usual, axes, "stride")
    pads = pads_per_axis(params.get("padding", 0), axes)
    if "y" in shapes:
        out = tuple(shapes["y"][2:])
    else:
        out = tuple(params.get("space") or output_space(name, space, size, stride, pads, dilation))
    return Geometry(space, size, stride, pads, dilation, out)


# ---------------------------------------------------------------- formulas


@dataclass(frozen=True)
class Index:
    """An index: a sum of multiples of variables and a number. A variable may be ``o//3``.

    >>> str(Index(((2, "p"), (1, "i")), -1))
    '2p+i-1'
    """

    terms: tuple[tuple[int, str], ...]
    number: int = 0

    def __str__(self) -> str:
        return self.written()

    def written(self, tex: bool = False) -> str:
        """The index as text or in LaTeX."""
        said = ""
        for factor, var in self.terms:
            sign = "-" if factor < 0 else "+" if said else ""
            name, _, by = var.partition("//")
            shown = (rf"\lfloor {name}/{by} \rfloor" if tex else f"({var})") if by else var
            times = r" \, " if tex else "·"
            size = "" if abs(factor) == 1 else f"{abs(factor)}{times if by else ''}"
            said += f"{sign}{size}{shown}"
        if self.number or not said:
            said += f"{self.number:+d}" if said else str(self.number)
        return said


def _plain(var: str) -> Index:
    return Index(((1, var),))


@dataclass(frozen=True)
class IndexFormula:
    """``result[...] = Σ factor[...] · factor[...]``: an operation, entry by entry.

    ``factors``: for each factor an argument of the operation and its indices. ``over``: the variables of the sum.
    ``given``: the indices that must be equal to a variable of the result. ``kind``: "sum", "max", or "place" if the
    position of a window's largest entry is used.
    """

    kind: str
    result: tuple[str, ...]
    factors: tuple[tuple[str, tuple[Index, ...]], ...]
    over: tuple[str, ...]
    given: tuple[tuple[Index, str], ...] = ()
    bias: bool = False
    axes: int = 1

    def text(self, left: str, names: Mapping[str, str], tex: bool = False) -> str:
        """The formula, with names for the result and for the arguments."""

        def entry(name: str, indices: Sequence[Index]) -> str:
            return f"{name}[{','.join(index.written(tex) for index in indices)}]"

        result = entry(left, [_plain(var) if var != "0" else Index(()) for var in self.result])
        product_of = (r" \, " if tex else " · ").join(entry(names[arg], indices) for arg, indices in self.factors)
        if self.kind == "place":
            return f"{result} = {self._by_place(product_of, names, tex)}"
        conditions = ", ".join(f"{index.written(tex)}={var}" for index, var in self.given)
        below = ",".join(self.over) + (f": {conditions}" if conditions else "")
        signs = (r"\sum", r"\max") if tex else ("Σ", "max")
        bias = f"{entry(names['bias'], (_plain('o'),))} + " if self.bias else ""
        return f"{result} = {bias}{signs[self.kind == 'max']}_{{{below}}} {product_of}"

    def tex(self, left: str, names: Mapping[str, str]) -> str:
        """The formula in LaTeX."""
        return self.text(left, names, tex=True)

    def _by_place(self, entry: str, names: Mapping[str, str], tex: bool) -> str:
        letters, points = (",".join(some[: self.axes]) for some in (PLACES, POINTS))
        written = tex_said if tex else words.say
        said = written("window {window} of {x} is largest at {point}", window=letters, x=names["x"], point=points)
        return rf"\sum_{{{letters}:\; {said}}} {entry}" if tex else f"Σ_{{{letters}: {said}}} {entry}"


def formula(name: str, shapes: Shapes, params: Mapping[str, Any]) -> IndexFormula | None:
    """The index formula of an operation over windows, None for another operation.

    ``shapes``: of its arguments by name, ``bias`` only where there is one.

    >>> shapes = {"x": (2, 3, 8, 8), "weight": (4, 3, 3, 3)}
    >>> found = formula("conv", shapes, {"stride": 2, "padding": 1, "dilation": 1, "groups": 1})
    >>> found.text("z", {"x": "x", "weight": "W"})
    'z[n,o,p,q] = Σ_{c,i,j} W[o,c,i,j] · x[n,c,2p+i-1,2q+j-1]'
    """
    if name not in WINDOWED:
        return None
    g = geometry(name, shapes, params)
    met = tuple(
        Index(((s, p), (d, i)), -before)
        for s, p, d, i, (before, _) in zip(g.stride, PLACES, g.dilation, TAPS, g.pads, strict=False)
    )
    return _convolution(name, shapes, params, g, met) if name.startswith("conv") else _pooling(name, g, met)


def _pooling(name: str, g: Geometry, met: tuple[Index, ...]) -> IndexFormula:
    places, taps, points = PLACES[: g.axes], TAPS[: g.axes], POINTS[: g.axes]
    at = tuple(map(_plain, places))
    lead, rows = (_plain("n"), _plain("c")), ("n", "c")
    y = (("y", (*lead, *at)),)
    if name in ("max_pool", "sum_pool"):
        return IndexFormula(name[:3], (*rows, *places), (("x", (*lead, *met)),), tuple(taps))
    if name == "sum_unpool":
        return IndexFormula("sum", (*rows, *points), y, (*places, *taps), tuple(zip(met, points, strict=True)))
    return IndexFormula("place", (*rows, *points), y, (), axes=g.axes)


def _convolution(
    name: str, shapes: Shapes, params: Mapping[str, Any], g: Geometry, met: tuple[Index, ...]
) -> IndexFormula:
    places, taps, points = tuple(PLACES[: g.axes]), tuple(TAPS[: g.axes]), tuple(POINTS[: g.axes])
    groups = params.get("groups", 1)
    if name == "conv_weight":
        many, inside = shapes["y"][1], shapes["x"][1] // groups
    else:
        many, inside = shapes["weight"][:2]
    each = many // groups  # output channels of a group
    alone = groups > 1 and inside == 1  # a group with one input channel
    c = "0" if alone else "c"
    start = "o" if each == 1 else f"o//{each}"
    own = () if alone else ((1, "c"),)
    channel = _plain("c") if groups == 1 else Index(((int(inside), start), *own))
    weight = (_plain("o"), Index((), 0) if alone else _plain("c"), *map(_plain, taps))
    x, y = ("x", (_plain("n"), channel, *met)), ("y", (_plain("n"), _plain("o"), *map(_plain, places)))
    loop = () if alone else ("c",)
    if name == "conv":
        ends = ("n", "o", *places)
        return IndexFormula("sum", ends, (("weight", weight), x), (*loop, *taps), bias="bias" in shapes)
    if name == "conv_weight":
        return IndexFormula("sum", ("o", c, *taps), (y, x), ("n", *places))
    # The transposed convolution: with a stride of 1 each index of y follows from the others.
    if groups == 1 and set(g.stride) == {1}:
        solved = tuple(
            Index(((1, u), (-d, i)), before)
            for u, d, i, (before, _) in zip(points, g.dilation, taps, g.pads, strict=True)
        )
        y = ("y", (_plain("n"), _plain("o"), *solved))
        return IndexFormula("sum", ("n", "c", *points), (y, ("weight", weight)), ("o", *taps))
    given = tuple(zip(met, points, strict=True))
    if groups > 1:
        given = ((channel, "m"), *given)
    ends = ("n", "m" if groups > 1 else "c", *points)
    over = ("o", *(loop if groups > 1 else ()), *taps, *places)
    return IndexFormula("sum", ends, (y, ("weight", weight)), over, given)
