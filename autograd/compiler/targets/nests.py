"""Views of arrays, and nested loops over them, as text in a language with arrays and loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any

import numpy
from numpy.lib.stride_tricks import as_strided

from glassgrad.autograd.common.shapes import Shape

LETTERS = ("i", "j", "k", "l", "m", "n", *(f"${depth}" for depth in range(6, 64)))
"""The variables of loops, the outermost first."""

Axis = tuple[int, ...]
"""A length, and the strides of several arrays along it."""

Head = tuple[list[str], list[str]]
"""The lines that begin a loop, and those that end it."""

_BYTE = numpy.zeros((), "u1")


def contiguous(shape: Sequence[int]) -> Shape:
    """The strides of a row-major array, in elements."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def merged(axes: Sequence[Axis]) -> list[Axis]:
    """The axes, merged where all arrays allow it."""
    found: list[Axis] = []
    for n, *steps in axes:
        if n == 1:
            continue
        if found and all(far == near * n for far, near in zip(found[-1][1:], steps, strict=True)):
            found[-1] = (found[-1][0] * n, *steps)
        else:
            found.append((n, *steps))
    return found


def times(variable: str, stride: int) -> str:
    """``variable * stride``, shorter where that is possible."""
    return variable if stride == 1 else f"{variable} * {stride}" if stride else ""


def added(*terms: str | int) -> str:
    """The sum of some terms, without empty ones."""
    return " + ".join(str(term) for term in terms if term) or "0"


def counting(variable: str, end: int | str, integer: str) -> str:
    """The line that begins a loop over the integers from 0."""
    return f"for ({integer} {variable} = 0; {variable} < {end}; {variable}++) {{"


@dataclass(frozen=True)
class View:
    """A view of the array ``data``: from ``offset``, ``strides`` elements apart.

    ``base``: a further offset, an expression that is known when the code runs.
    """

    data: str
    shape: Shape
    strides: Shape
    offset: int = 0
    base: str = ""

    @classmethod
    def of(cls, data: str, shape: Sequence[int]) -> View:
        """A row-major array."""
        return cls(data, tuple(shape), contiguous(shape))

    @property
    def is_contiguous(self) -> bool:
        """Whether it is row-major."""
        pairs = zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        return all(n < 2 or one == other for n, one, other in pairs)

    def _numpys(self) -> Any:
        """An array of bytes with this shape and these strides. Its memory is never touched."""
        return as_strided(_BYTE, self.shape, self.strides, writeable=False)

    def _like(self, seen: Any, start: int = 0) -> View:
        return replace(self, shape=tuple(seen.shape), strides=tuple(seen.strides), offset=self.offset + start)

    def __getitem__(self, index: Any) -> View:
        """The view of a basic index, by NumPy's own rules."""
        index = index if isinstance(index, tuple) else (index,)
        whole = self._numpys()
        seen = whole[index if ... in index else (*index, ...)]
        return self._like(seen, seen.__array_interface__["data"][0] - whole.__array_interface__["data"][0])

    def broadcast_to(self, shape: Sequence[int]) -> View:
        """The view in a larger shape."""
        missing = len(shape) - len(self.shape)
        strides = (0,) * missing + tuple(0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True))
        return replace(self, shape=tuple(shape), strides=strides)

    def permuted(self, axes: Sequence[int]) -> View:
        """This view with its axes in another order."""
        return replace(self, shape=tuple(self.shape[a] for a in axes), strides=tuple(self.strides[a] for a in axes))

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """The view in another shape; ``None`` where its strides do not allow that."""
        try:
            return self._like(self._numpys().reshape(tuple(shape), copy=False))
        except ValueError:
            return None

    def with_axis(self, axis: int, length: int) -> View:
        """The view with one more axis, along which all elements are the same."""
        shape, strides = (*self.shape[:axis], length, *self.shape[axis:]), self.strides
        return replace(self, shape=shape, strides=(*strides[:axis], 0, *strides[axis:]))

    def without(self, *axes: int) -> View:
        """The view with length 1 and stride 0 along ``axes``."""
        shape = tuple(1 if d in axes else n for d, n in enumerate(self.shape))
        return replace(self, shape=shape, strides=tuple(0 if d in axes else s for d, s in enumerate(self.strides)))

    @property
    def start(self) -> str:
        """The place of its first element."""
        return added(self.base, self.offset)

    @property
    def pointer(self) -> str:
        """The expression of the address of its first element in C."""
        return added(self.data, self.base, self.offset)


class Nest:
    """Nested loops over ``shape``, through views that broadcast to it.

    The loops over the axes ``inner`` are innermost; ``outer`` counts the others. Neighbouring axes with compatible
    strides in all views are merged into one loop, unless ``merge`` is false.
    """

    def __init__(self, shape: Shape, views: Sequence[View], inner: Iterable[int] = (), *, merge: bool = True) -> None:
        self.views, inner = list(views), set(inner)
        strides = [view.broadcast_to(shape).strides for view in views]
        order = [d for d in range(len(shape)) if d not in inner] + sorted(inner)
        axes = [(shape[d], tuple(s[d] for s in strides), d) for d in order if shape[d] != 1]
        self.loops: list[tuple[int, tuple[int, ...]]] = []
        self._loop_of: dict[int, int] = {}
        self.outer = 0
        for n, steps, axis in axes:
            joins = bool(self.loops) and (axis in inner) == (len(self.loops) > self.outer) and merge
            if joins and all(far == near * n for far, near in zip(self.loops[-1][1], steps, strict=True)):
                self.loops[-1] = self.loops[-1][0] * n, steps
            else:
                self.loops.append((n, steps))
                self.outer += axis not in inner
            self._loop_of[axis] = len(self.loops) - 1

    def index(self, axis: int) -> str:
        """The index along an axis, in a nest that is not merged."""
        return LETTERS[self._loop_of[axis]] if axis in self._loop_of else "0"

    def place(self, k: int) -> str:
        """The expression of the index of the present element of view ``k`` in its array."""
        view = self.views[k]
        steps = (times(letter, strides[k]) for letter, (_, strides) in zip(LETTERS, self.loops, strict=False))
        return added(view.base, *steps, view.offset)

    def at(self, k: int) -> str:
        """The present element of view ``k``."""
        return f"{self.views[k].data}[{self.place(k)}]"

    def depth(self, k: int) -> int:
        """The number of outer loops that determine the index into view ``k``."""
        return max((d + 1 for d, (_, strides) in enumerate(self.loops) if strides[k]), default=0)

    def lines(
        self, within: Sequence[tuple[int, str]], after: Sequence[tuple[int, str]] = (), integer: str = "let",
        heads: Mapping[int, Head] = MappingProxyType({}), first: int = 0,
    ) -> list[str]:  # fmt: skip
        """The text of the loops from number ``first`` on. ``within``, ``after``: pairs of a depth and a line, which is
        put inside so many loops, before or after the next loop. ``integer``: the word that declares a loop variable.
        ``heads``: the lines that begin and end loops that do not just count."""
        found: list[str] = []
        ends: list[str] = []
        for depth in range(first, len(self.loops) + 1):
            pad = "  " * (depth - first)
            found += [pad + line for at, line in within if at == depth]
            last = [pad + line for at, line in after if at == depth]
            if depth < len(self.loops):
                opens, closes = heads.get(depth) or ([counting(LETTERS[depth], self.loops[depth][0], integer)], ["}"])
                found += [pad + line for line in opens]
                last = [*(pad + line for line in closes), *last]
            ends = [*last, *ends]
        found += ends
        if len(found) > 1 and not found[0].startswith(("for", "_Pragma")):  # a block of its own for its variables
            return ["{", *("  " + line for line in found), "}"]
        return found
