"""Operations over windows, entry by entry: index formulas, and which entries a window and an entry touch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from glassgrad.autograd.ops.windows import Pads, Space, Windows, pads_per_axis, per_axis, windows_of
from glassgrad.viz.drawing import words
from glassgrad.viz.recorded.notation.latex import tex_said

PLACES, TAPS, POINTS = "pqr", "ijk", "uvt"  # of the output, in the window, of the input: one letter for each axis
WINDOWED = ("conv", "conv_input", "conv_weight", "max_pool", "max_unpool", "sum_pool", "sum_unpool")

Shapes = Mapping[str, Sequence[int]]  # of the arguments of an operation, by name

# ---------------------------------------------------------------- geometry


class Geometry(Windows):
    """The windows of an operation: one entry of each field for each spatial axis."""

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
            if all(rest == 0 and 0 <= p < n for (p, rest), n in zip(steps, self.counts, strict=True)):
                yield tuple(p for p, _ in steps), tap


def geometry(name: str, shapes: Shapes, params: Mapping[str, Any]) -> Geometry:
    """The geometry of a convolution or a pooling, from the shapes of its arguments and its parameters.

    >>> geometry("max_pool", {"x": (1, 1, 5)}, {"size": 2}).counts
    (2,)
    """
    space, size = shapes["x"][2:], shapes["weight"][2:] if "weight" in shapes else params["size"]
    return Geometry(*windows_of(name, space, size, *_steps(name, len(space), params)))


def _steps(name: str, axes: int, params: Mapping[str, Any]) -> tuple[Space, Pads, Space]:
    """Stride, padding and dilation for each axis."""
    stride = params.get("stride") or (1 if name.startswith("conv") else params["size"])
    pads = pads_per_axis(params.get("padding", 0), axes)
    return per_axis(stride, axes, "stride"), pads, per_axis(params.get("dilation", 1), axes, "dilation")


# ---------------------------------------------------------------- formulas


@dataclass(frozen=True)
class IndexFormula:
    """``result[indices] = Σ_{below} factor[indices] · factor[indices]``: an operation, entry by entry.

    ``factors``: for each factor an argument of the operation and its indices. ``largest``: the point at which the
    largest entry of each summed window must be; empty for other sums.
    """

    sign: str
    indices: str
    below: str
    factors: tuple[tuple[str, str], ...]
    pads: Pads
    bias: bool = False
    largest: str = ""

    def text(self, left: str, names: Mapping[str, str], tex: bool = False) -> str:
        """The formula as text or in LaTeX, with names for the result and for the arguments."""
        shown, spoken = (_in_latex, tex_said) if tex else (str, words.say)
        below = shown(self.below)
        if self.largest:
            said = "window {window} of {x} is largest at {point}"
            below += (r":\; " if tex else ": ") + spoken(said, window=below, x=names["x"], point=self.largest)
        factors = shown(" · ").join(f"{names[arg]}[{shown(indices)}]" for arg, indices in self.factors)
        bias = f"{names['bias']}[o] + " if self.bias else ""
        return f"{left}[{self.indices}] = {bias}{shown(self.sign)}_{{{below}}} {factors}"


def _in_latex(written: str) -> str:
    written = re.sub(r"\((\w)//(\d+)\)", r"\\lfloor \1/\2 \\rfloor", written.replace(" · ", "·"))
    return written.replace("·", r" \, ").replace("Σ", r"\sum").replace("max", r"\max")


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
    axes = len(shapes["y" if "y" in shapes else "x"]) - 2
    stride, pads, dilation = _steps(name, axes, params)
    place, tap, point = (",".join(letters[:axes]) for letters in (PLACES, TAPS, POINTS))
    steps = list(zip(stride, dilation, PLACES, TAPS, POINTS, [before for before, _ in pads], strict=False))
    met = [_sum((s, p), (d, i), number=-before) for s, d, p, i, _, before in steps]  # of a window, in the input
    where = [f"{index}={u}" for index, u in zip(met, POINTS, strict=False)]
    x, y = ("x", f"n,c,{','.join(met)}"), ("y", f"n,c,{place}")
    if name in ("max_pool", "sum_pool"):
        return IndexFormula("max" if name == "max_pool" else "Σ", f"n,c,{place}", tap, (x,), pads)
    if name == "max_unpool":
        return IndexFormula("Σ", f"n,c,{point}", place, (y,), pads, largest=point)
    if name == "sum_unpool":
        return IndexFormula("Σ", f"n,c,{point}", f"{place},{tap}: {', '.join(where)}", (y,), pads)
    groups = params.get("groups", 1)
    out, inside = (shapes["y"][1], shapes["x"][1] // groups) if name == "conv_weight" else shapes["weight"][:2]
    alone, each = groups > 1 and inside == 1, out // groups  # a group with one input channel, its output channels
    group = "o" if each == 1 else f"(o//{each})"
    channel = "c" if groups == 1 else group if alone else f"{inside}{'·' if each > 1 else ''}{group}+c"
    loop, c = ("", "0") if alone else ("c,", "c")
    x, y, weight = ("x", f"n,{channel},{','.join(met)}"), ("y", f"n,o,{place}"), ("weight", f"o,{c},{tap}")
    if name == "conv":
        return IndexFormula("Σ", f"n,o,{place}", loop + tap, (weight, x), pads, bias="bias" in shapes)
    if name == "conv_weight":
        return IndexFormula("Σ", f"o,{c},{tap}", f"n,{place}", (y, x), pads)
    if groups == 1 and set(stride) == {1}:  # each index of y follows from the others
        solved = ",".join(_sum((1, u), (-d, i), number=before) for _, d, _, i, u, before in steps)
        return IndexFormula("Σ", f"n,c,{point}", f"o,{tap}", (("y", f"n,o,{solved}"), weight), pads)
    m, loop, where = ("c", "", where) if groups == 1 else ("m", loop, [f"{channel}=m", *where])
    return IndexFormula("Σ", f"n,{m},{point}", f"o,{loop}{tap},{place}: {', '.join(where)}", (y, weight), pads)


def _sum(*terms: tuple[int, str], number: int) -> str:
    """An index.

    >>> _sum((2, "p"), (1, "i"), number=-1)
    '2p+i-1'
    """
    written = "".join(f"{'-' if n < 0 else '+'}{abs(n) if abs(n) > 1 else ''}{letter}" for n, letter in terms)
    return (f"{written}{number:+d}" if number else written).removeprefix("+")
