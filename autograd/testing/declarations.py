"""`declare`: the shapes, domains and dtypes that an operation takes, for drawing inputs. Needs no Hypothesis.

An argument is an `array`, `integers` or `booleans`, with a shape such as ``"n k"``: a matrix with ``n`` rows and ``k``
columns. A name used in two arguments is the same length in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import isfunction
from typing import Any

import numpy as np

from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.common.validation import check_instance, number
from glassgrad.autograd.engine.operation import OPS, REQUIRED, Op
from glassgrad.autograd.errors import DeclarationError

# -------------------------------------------------------------------------------------------------------------- domains

COUNT = 64
"""How many evenly spaced numbers a domain offers: enough for two arrays of 27 elements that are all different."""

SPECIAL = tuple(s * x for x in (0.0, 1.0, 100.0, 10.0, 1000.0, 1e-5, 5.0, 30.0, 2.0, 300.0) for s in (1.0, -1.0))
"""Numbers at which rules often fail: ±0, near 0, ±1, ±2, and large ones, where exponentials over- and underflow."""


@dataclass(frozen=True)
class Domain:
    """The numbers from ``low`` to ``high`` that are at least ``gap`` away from each number in ``avoid``.

    Arrays are drawn from 64 of them, evenly spaced (`numbers`), or from ``only``, where these are given. ``limits`` are
    the bounds outside of which the operation can't be tested; by default ``low`` and ``high``. A value computed by
    another operation may be an argument if the domain `holds` it; `special` numbers are tried if it `holds` them.

    >>> from glassgrad.autograd.testing import Domain
    >>> positive = Domain(0.2, 4.0, limits=(0.2, float("inf")))
    >>> positive.holds([0.3, 100.0]), positive.holds([0.1])
    (True, False)
    >>> positive.special
    [1.0, 100.0, 10.0, 1000.0, 5.0, 30.0, 2.0, 300.0]
    """

    low: float = -3.0
    high: float = 3.0
    avoid: tuple[float, ...] = ()
    gap: float = 0.03
    limits: tuple[float, float] | None = None
    only: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        number(self.high, "high", low=number(self.low, "low"))

    @cached_property
    def numbers(self) -> list[float]:
        """The numbers that arrays are drawn from, in ascending order."""
        raster = [round(self.low + (i + 0.5) * (self.high - self.low) / COUNT, 4) for i in range(COUNT)]
        return list(self.only) or [x for x in raster if all(abs(x - a) > self.gap for a in self.avoid)]

    @cached_property
    def special(self) -> list[float]:
        """The numbers of `SPECIAL` in the domain."""
        return [x for x in SPECIAL if self.holds(x)]

    def holds(self, values: Any) -> bool:
        """Whether all ``values`` lie in the domain."""
        x = np.asarray(values, dtype=np.float64).reshape(-1)
        if self.only:
            return bool(np.isin(x, self.only).all())
        low, high = (self.low, self.high) if self.limits is None else self.limits
        away = all(bool((np.abs(x - a) > self.gap).all()) for a in self.avoid)
        return away and bool(((x >= low) & (x <= high)).all())


def distinct(values: Any) -> bool:
    """Whether no two of ``values`` are within ``Domain.gap`` of each other: a small step keeps their order."""
    x = np.sort(np.asarray(values, dtype=np.float64).reshape(-1))
    return bool((np.diff(x) > Domain.gap).all())


ANYWHERE = (-math.inf, math.inf)
REAL = Domain(limits=ANYWHERE)
POSITIVE = Domain(0.2, 4.0, limits=(0.2, math.inf))
NONZERO = Domain(avoid=(0.0,), gap=0.2, limits=ANYWHERE)
INSIDE = Domain(-0.9, 0.9)
UNIT = Domain(0.02, 0.98)
STEPS = Domain(-3.4, 3.4, avoid=tuple(i / 2 for i in range(-7, 8)))
INTEGERS = Domain(only=tuple(float(i) for i in range(-4, 5)))


# ------------------------------------------------------------------------------------------------------------ arguments


@dataclass(frozen=True)
class Array:
    """The declaration of one argument; made by `array`, `integers` and `booleans`."""

    shape: str = "..."
    domain: Domain = REAL
    distinct: bool = False
    kind: str = "real"
    low: int = 0
    below: int | str = 0

    @property
    def sides(self) -> list[str]:
        """The sides of its shape: names of sizes, numbers, and ``...`` for any number of axes."""
        return self.shape.split()

    @property
    def names(self) -> list[str]:
        """The names of sizes in its shape."""
        return [side for side in self.sides if side.isidentifier()]

    def shaped(self, sizes: Mapping[str, int], rest: Shape) -> Shape:
        """Its shape for given sizes, with ``rest`` in place of ``...``."""
        found: Shape = ()
        for side in self.sides:
            found += rest if side == "..." else (sizes[side] if side in sizes else int(side),)
        return found


def array(shape: str = "...", domain: Domain = REAL, *, distinct: bool = False) -> Array:
    """An argument that takes real numbers of ``domain``, for `declare`.

    ``shape`` names the sides: ``"n k"``. A name that stands in two arguments is the same length in both; ``"3"`` is
    always 3 long; ``"..."`` stands for any number of axes, the same in each argument (and broadcast where the operation
    says ``broadcasts=True``). ``distinct``: no two elements are near each other, so that a small step changes no
    maximum and no order.

    >>> from glassgrad.autograd.testing import array
    >>> array("... k", distinct=True).shape
    '... k'
    """
    check_instance(domain, Domain, "domain", "a Domain, such as POSITIVE")
    return Array(_shape(shape), domain, distinct)


def integers(shape: str = "...", low: int = 0, *, below: int | str) -> Array:
    """An argument that takes integers from ``low`` up to, but not including, ``below``: a number or the name of a side.

    >>> from glassgrad.autograd.testing import integers
    >>> integers("n", below="v").kind
    'integer'
    """
    return Array(_shape(shape), kind="integer", low=low, below=below)


def booleans(shape: str = "...") -> Array:
    """An argument that takes booleans."""
    return Array(_shape(shape), kind="boolean")


def _shape(text: str) -> str:
    """A shape such as ``"n k"``, ``"... k"``, ``"2 n"``, or ``""`` for a number. Raises `DeclarationError`."""
    sides = check_instance(text, str, "shape", "the names of the sides, as in 'n k'").replace("...", "", 1).split()
    if wrong := [side for side in sides if not (side.isidentifier() or side.isdecimal())]:
        raise DeclarationError(
            f"{wrong[0]!r} is not a side of a shape: write names and numbers with spaces between, as in 'n 3'."
        )
    return " ".join(text.replace("...", " ... ", 1).split())


# ----------------------------------------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class Axis:
    """The declaration of an axis parameter; made by `axis` and `axes`."""

    of: str
    several: bool
    none: bool


def axis(of: str = "", *, none: bool = False) -> Axis:
    """A parameter that takes one axis of argument ``of`` (by default the first), counted from either end. ``none``:
    whether it also takes ``None``.

    >>> from glassgrad.autograd.testing import array, assert_rule, axis
    >>> from glassgrad import autograd as ag
    >>> assert_rule(ag.softmax, x=array("... k"), axis=axis(), max_examples=5)
    """
    return Axis(of, False, none)


def axes(of: str = "", *, none: bool = True) -> Axis:
    """A parameter that takes an axis of argument ``of`` (by default the first), or a tuple of axes. ``none``: whether
    it also takes ``None``.
    """
    return Axis(of, True, none)


# --------------------------------------------------------------------------------------------------------- declarations


@dataclass(frozen=True)
class Declaration:
    """The inputs of an operation: an `Array` for each argument, and for each parameter a source of its values.

    ``cases`` makes whole calls instead, where arguments constrain each other by more than their shapes: a strategy of
    pairs (arrays, parameters), or a function from a `strategies.Source` to such a pair.
    """

    op: Op
    arrays: Mapping[str, Array] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    cases: Any = None

    @property
    def takes_empty(self) -> bool:
        """Whether arguments may be empty; not where a parameter is drawn from the elements."""
        return self.cases is None and not any(map(isfunction, self.params.values()))

    @property
    def fixed(self) -> list[str]:
        """The parameters of which only the default is known, so that no other value is tried."""
        return [p for p in self.op.params if p not in self.params and self.cases is None]


DECLARED: dict[str, Declaration] = {}
"""Declarations by the name of the operation."""


def declare(op: Op | str, cases: Any = None, /, **takes: Any) -> None:
    """Declare the inputs of an operation, for `assert_rule`, `operations` and `programs`.

    ``takes``, for an argument: an `array`, `integers` or `booleans`; a shape such as ``"n k"`` alone, for real numbers;
    or a `Domain` alone, for any shape. For a parameter: a Hypothesis strategy of its values; `axis` or `axes`; a
    function of arguments, by their names, that returns a strategy; or the one value to try.

    Defaults: an argument takes real numbers, in arrays of one shape (or shapes that broadcast if the operation says
    ``broadcasts=True``). A parameter called ``axis`` or ``dim`` takes every axis; truth values are tried both ways;
    numbers at their default and around it.

    Where arguments constrain each other by more than their shapes, give ``cases``: a strategy of pairs (arrays,
    parameters).

    Raises `DeclarationError` for a name that is not an argument or parameter.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import assert_rule, declare, integers
    >>> @ag.op("rows")
    ... def rows(xp, table, index):
    ...     return xp.take(table, index, axis=0)
    >>> rows.vjp(
    ...     table=lambda xp, g, index, table_shape: xp.scatter_take(g, index, axis=0, shape=table_shape), index=None
    ... )
    >>> declare(rows, table="v d", index=integers("n", below="v"))
    >>> assert_rule(rows, max_examples=5)
    """
    DECLARED[operation(op).name] = declaration(operation(op), cases, takes)


def operation(op: Op | str) -> Op:
    """The registered operation ``op``, or that of this name. Raises `DeclarationError` if there is none."""
    if isinstance(op, str) and op in OPS:
        return OPS[op]
    if not isinstance(op, Op):
        raise DeclarationError(
            f"{shown(op)} is not a registered operation: give one that autograd.op made, or its name in autograd.OPS."
        )
    return op


def declaration(op: Op, cases: Any, takes: Mapping[str, Any]) -> Declaration:
    """The declaration made of ``takes``, completed with defaults for arguments and parameters it leaves out."""
    if cases is not None:
        if takes:
            raise DeclarationError(f"declare({op.name}) was given cases and {', '.join(takes)}: give one or the other.")
        return Declaration(op, cases=cases)
    arrays = {name: _argument(op, name, takes.get(name, REAL)) for name in op.args}
    params = {name: _parameter(op, name, takes[name]) for name in op.params if name in takes}
    if wrong := sorted(takes.keys() - op.args - op.params.keys()):
        raise DeclarationError(
            f"declare({op.name}) was given {', '.join(wrong)}: the arguments of {op.name} are {', '.join(op.args)}, "
            f"and its parameters {', '.join(op.params) or 'none'}."
        )
    sides = {name for taken in arrays.values() for name in taken.names}
    for name, taken in arrays.items():
        if isinstance(taken.below, str) and taken.below not in sides:
            raise DeclarationError(
                f"declare({op.name}): {name} is below {taken.below!r}, which is not a side of an argument: the sides "
                f"are {', '.join(sorted(sides)) or 'none'}."
            )
    assumed = {name: _assumed(name, default) for name, default in op.params.items() if name not in params}
    return Declaration(op, arrays, {name: guess for name, guess in assumed.items() if guess is not None} | params)


def _argument(op: Op, name: str, takes: Any) -> Array:
    if isinstance(takes, str):
        return array(takes)
    if isinstance(takes, Domain):
        return array(domain=takes)
    if not isinstance(takes, Array):
        raise DeclarationError(
            f"declare({op.name}): {name} is an argument, which takes an array(...), integers(...), booleans(...), a "
            f"shape such as 'n k' or a Domain; it was given {shown(takes)}."
        )
    return takes


def _parameter(op: Op, name: str, takes: Any) -> Any:
    if isinstance(takes, Array | Domain):
        raise DeclarationError(
            f"declare({op.name}): {name} is a parameter, which takes a strategy of its values, such as "
            f"st.sampled_from((1, 2)); it was given {shown(takes)}."
        )
    if isinstance(takes, Axis) and takes.of and takes.of not in op.args:
        raise DeclarationError(f"declare({op.name}): {name} is an axis of {takes.of!r}, which is not an argument.")
    return takes


class Choice(tuple[Any, ...]):
    """Values to try for a parameter without a declaration."""


def _assumed(name: str, default: Any) -> Any:
    """The values to try for a parameter without a declaration, from its name and default; ``None`` if unknown."""
    if name in ("axis", "dim", "axes"):
        return Axis("", default is None or isinstance(default, tuple), default is None)
    if isinstance(default, bool):
        return Choice((default, not default))
    if isinstance(default, int):
        return Choice((default, default + 1, *((default - 1,) if default > 1 else ())))
    if isinstance(default, float):
        return Choice((default, *((0.5 * default, 2.0 * default) if default else (0.5,))))
    return None


def declaration_of(op: Op) -> Declaration:
    """The declaration of an operation; defaults where nothing was declared.

    Raises `DeclarationError` for a parameter that has no default and was not declared.
    """
    found = DECLARED.get(op.name)
    found = found if found is not None and found.op is op else declaration(op, None, {})
    missing = [p for p in found.fixed if op.params[p] is REQUIRED]
    if missing:
        raise DeclarationError(
            f"{op.name} needs {', '.join(missing)}, and nothing says which values to give: declare it once with "
            f"autograd.testing.declare({op.name}, {missing[0]}=<a Hypothesis strategy>)."
        )
    return found
