"""How numbers and shapes are written in every picture. Arrays here are NumPy's, already on the host.

A scalar has 4 significant digits, a table one decimal count for all its entries, and full precision is for the tooltip.
The minus is the ASCII hyphen: such a number can be pasted, and its width is known to layout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad.viz.drawing import style

if TYPE_CHECKING:
    from collections.abc import Sequence

ELLIPSIS = "..."


def scalar(x: Any) -> str:
    """One number, alone or in an array: 4 significant digits; integers bare; 3 digits and `e` below 1e-3 and from 1e4.

    >>> [scalar(x) for x in (0.072333, 2.0, -0.5, 4.1411e-5, 12345.6, 0.0, float("nan"))]
    ['0.07233', '2', '-0.5000', '4.14e-5', '1.23e4', '0', 'nan']
    """
    value = x.item() if hasattr(x, "item") else x
    return str(value) if isinstance(value, int) else written(value, 4, 2, padded=True)


def written(x: Any, digits: int, decimals: int, *, padded: bool = False) -> str:
    """A number with so many significant digits, integers without a point; below 1e-3, and where it has more digits
    before the point, with ``e`` and so many decimals. ``padded``: with zeros at its end.
    """
    value = float(x)
    if not math.isfinite(value) or (value.is_integer() and abs(value) < 1e4):
        return str(int(value) if math.isfinite(value) else value)
    text = f"{value:#.{digits}g}"
    mantissa, e, power = (exponential(value, decimals) if abs(value) < 1e-3 or "e" in text else text).partition("e")
    return (mantissa if padded else mantissa.rstrip("0")).rstrip(".") + e + power


def exponential(value: float, decimals: int) -> str:
    """Mantissa and exponent, the exponent without `+` and leading zeros.

    >>> exponential(0.000041, 1)
    '4.1e-5'
    """
    mantissa, power = f"{value:.{decimals}e}".split("e")
    return f"{mantissa}e{int(power)}"


def short(x: float) -> str:
    """A number for a caption: 3 significant digits without padding.

    >>> [short(x) for x in (12.7114, 0.43716, -30.0, 1.5, 2e-7)]
    ['12.7', '0.437', '-30', '1.5', '2e-7']
    """
    return written(x, 3, 2)


def constant(x: Any) -> str:
    """A constant inside a formula: as short as it can be written with 4 digits.

    >>> constant(0.5), constant(2.0), constant(1 / 3), constant(1e-5), constant(-0.0)
    ('0.5', '2', '0.3333', '1e-5', '-0')
    """
    if isinstance(x, bool | np.bool_):
        return str(bool(x))
    value = float(x)
    if value == 0 and math.copysign(1.0, value) < 0:  # 1 / -0 is -inf
        return "-0"
    return "π" if value == math.pi else written(value, 4, 3)


@dataclass(frozen=True)
class Table:
    """The entries of a table as text, all divided by ``10 ** exponent``; `factor` is that power as text."""

    rows: tuple[tuple[str, ...], ...]
    exponent: int = 0

    @property
    def factor(self) -> str:
        """The power of ten by which all entries are to be multiplied, such as `×1e-3`; empty if it is 1."""
        return f"×1e{self.exponent}" if self.exponent else ""


def table(array: Any, max_rows: int | None = None, max_columns: int | None = None) -> Table:
    """A table of numbers; a vector is one row, leading axes are stacked. Of a long axis the first entries are shown.

    All entries have the same number of decimals: 4 below 10, one fewer per further digit, none for integers. When the
    largest entry is below 1e-2 or from 1e4 on, a common factor (a power of 1000) is taken out. A nonzero entry never
    prints as zero.

    >>> table([[0.0071303, -0.0019734]])
    Table(rows=(('7.1303', '-1.9734'),), exponent=-3)
    >>> table([1.0, -2.0]).rows, table([0.5, 1e-7]).rows
    ((('1', '-2'),), (('0.5000', '1e-7'),))
    """
    values = np.asarray(array)
    values = values.reshape(-1, values.shape[-1] if values.ndim and values.shape[-1] else max(values.size, 1))
    rows, columns = len(values), values.shape[1]
    is_long, is_wide = rows > (max_rows or rows), columns > (max_columns or columns)
    down, across = (max_rows or rows) - is_long, (max_columns or columns) - is_wide
    strings, exponent = _strings(values[:down, :across])
    lines = [(*line, *[ELLIPSIS] * is_wide) for line in strings]
    return Table((*lines, *((ELLIPSIS,) * len(line) for line in lines[:is_long])), exponent)


def _strings(values: np.ndarray) -> tuple[list[list[str]], int]:
    if values.dtype.kind in "biu":
        return [[str(x) for x in row] for row in values.tolist()], 0
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    largest = float(np.max(np.abs(finite), initial=0.0))
    if largest < 1e4 and np.all(finite == np.trunc(finite)):
        return [[scalar(x) for x in row] for row in values.tolist()], 0
    exponent = 0
    if not 1e-2 <= largest < 1e4:
        exponent = max(3 * math.floor(math.log10(largest) / 3), -306)  # below it, 10 ** exponent loses digits
    decimals = 4 - max(0, math.floor(math.log10(largest) + 1e-12) - exponent)
    return [[_entry(x, exponent, decimals) for x in row] for row in values.tolist()], exponent


def _entry(x: float, exponent: int, decimals: int) -> str:
    if not math.isfinite(x) or x == 0:
        return scalar(x)
    scaled = x / 10.0**exponent
    text = f"{scaled:.{decimals}f}"
    if float(text) == 0:
        return exponential(scaled, 0)
    return text


def root_mean_square(array: Any) -> float:
    """The root mean square of an array; 0 for an empty one."""
    values = np.ravel(array)
    top = _largest(values)
    if top == 0 or not math.isfinite(top):
        return top
    scaled = np.divide(values, top, dtype=np.float64)
    return top * math.sqrt(float(scaled @ scaled) / values.size)


def _largest(values: np.ndarray) -> float:
    """The largest absolute value, by which others are divided, so that no sum of them overflows; 0 for none."""
    return max(abs(float(np.max(values))), abs(float(np.min(values)))) if values.size else 0.0


def rms(x: Any) -> str:
    """The root mean square of an array (or the size of a number) with 2 digits.

    >>> rms(1.93e-4), rms([3.0, 4.0]), rms(0.25), rms(0.0)
    ('1.9e-4', '3.5', '0.25', '0')
    """
    value = root_mean_square(x)
    if value == 0 or not math.isfinite(value):
        return scalar(value)
    if not 0.0995 <= value < 99.5:
        return exponential(value, 1)
    return f"{value:#.2g}".rstrip(".")


def shape(axes: Sequence[int]) -> str:
    """A shape as Python writes it, such as ``(2,)``."""
    return str(tuple(int(n) for n in axes))


def count(n: int) -> str:
    """A count with commas between thousands, such as ``128,500``."""
    return f"{n:,}"


def counted(n: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "parameter"), counted(1200, "parameter")
    ('1 parameter', '1,200 parameters')
    """
    return f"{count(n)} {noun}{'s' if n != 1 else ''}"


def spread(array: Any) -> str:
    """The mean of an array without negative entries, else its standard deviation; over the finite entries.

    Integers are labels, tokens or counts, of which a mean says nothing: the number of different ones.

    >>> spread([0.0, 1.0]), spread([-1.0, 1.0]), spread([3, 7, 7])
    ('mean 0.5', 'sd 1', '2 different')
    """
    values = np.asarray(array)
    if values.dtype.kind in "iu":
        return f"{count(len(np.unique(values)))} different"
    finite = values[np.isfinite(values)].astype(float)
    if not finite.size:
        return "none finite"
    return f"mean {short(finite.mean())}" if finite.min() >= 0 else f"sd {short(finite.std())}"


def full(array: Any, limit: int = 64) -> str:
    """Full precision, for a tooltip; above `limit` entries a summary in one line.

    >>> full([[1.0, -2.5]])
    '[[1.0, -2.5]]'
    """
    values = np.asarray(array)
    if values.size > limit:
        return f"{shape(values.shape)} {values.dtype}, {summary(values)}"
    if values.ndim == 0:
        return str(values[()])
    return "[" + ", ".join(full(row, limit) for row in values) + "]"


def summary(array: Any) -> str:
    """Range, mean and standard deviation in one line.

    >>> summary([0.0, 1.0])
    '0 to 1, mean 0.5, sd 0.5'
    """
    values = np.ravel(array)
    kept = np.isfinite(values)
    finite = values if kept.all() else values[kept]
    if not finite.size:
        return "no entries" if values.size == 0 else f"none of {count(values.size)} finite"
    top = _largest(finite) or 1.0
    scaled = np.divide(finite, top, dtype=np.float64)
    mean = float(scaled.mean())
    scaled -= mean
    deviation = math.sqrt(float(scaled @ scaled) / finite.size)
    text = f"{short(finite.min())} to {short(finite.max())}, mean {short(top * mean)}, sd {short(top * deviation)}"
    lost = values.size - finite.size
    return text + (f", {count(lost)} not finite" if lost else "")


def bracketed(number: str) -> str:
    """A second factor, in brackets if it is negative."""
    return f"({number})" if number.startswith("-") else number


def product(upstream: Any, local: Any, contribution: Any) -> str:
    """The label of a gradient edge, upstream × local = contribution, such as ``1 × (-0.5379) = -0.5379``."""
    return f"{scalar(upstream)} × {bracketed(scalar(local))} = {scalar(contribution)}"


def blocks(array: Any, *, signed: bool = False) -> np.ndarray:
    """Block means of the absolute values (``signed``: of the values), at most 10 × 26; leading axes are stacked.

    nan stays nan.

    >>> blocks(np.repeat([[1.0, -3.0]], 26, axis=1).reshape(1, 52)).shape, blocks([[1.0, -3.0]], signed=True)
    ((1, 26), array([[ 1., -3.]]))
    """
    values = np.asarray(array).astype(np.float64)
    if not values.size:
        return np.zeros((1, 1))
    values = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values.reshape(1, -1)
    limits = style.THUMB_ROWS, style.THUMB_COLUMNS
    down, across = (_cuts(length, limit) for length, limit in zip(values.shape, limits, strict=True))
    rows = np.add.reduceat(values if signed else np.abs(values), down[:-1], axis=0)
    means: np.ndarray = np.add.reduceat(rows, across[:-1], axis=1) / np.outer(np.diff(down), np.diff(across))
    return means


def _cuts(length: int, limit: int) -> np.ndarray:
    """The boundaries of at most ``limit`` parts of an axis, both ends included."""
    return np.linspace(0, length, min(length, limit) + 1).round().astype(int)


def bins(array: Any, n: int = style.STRIP_BINS) -> np.ndarray:
    """A histogram of the finite entries: `n` counts from the smallest to the largest.

    >>> bins([0.0, 1.0, 1.0], n=2)
    array([1, 2])
    """
    values = np.ravel(array)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(n, dtype=int)
    finite = np.divide(finite, _largest(finite) or 1.0, dtype=np.float64)
    span = float(np.ptp(finite))
    places = (finite - finite.min()) / span * n if span else np.full(finite.size, n / 2)
    return np.bincount(np.minimum(places.astype(int), n - 1), minlength=n)
