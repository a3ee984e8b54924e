"""Symbols: pieces of a formula, with the operators and methods of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassgrad.autograd.common.operators import BINARY, COMPARED, SINGLE
from glassgrad.autograd.engine.operation import OPS
from glassgrad.viz.recorded.notation.latex import brackets

ATOM = 10  # a name or a number: never in brackets
CALL = 9
POWER = 3
FRACTION = 2.5  # a name with a fraction bar, ∂L/∂w: in brackets before ᵀ or an exponent, not in a product
PRODUCT = 2
SUM = 1
WORDS = 0  # a phrase such as `v as (4, 1)`: in brackets wherever it is an operand

DERIVATIVE = "∂"  # the head of a name such as ∂L/∂w
UPSTREAM = "upstream"  # the head of the gradient that a rule is given: a value may have the same name
NAMES = ("", DERIVATIVE, UPSTREAM)  # the heads of names


@dataclass(slots=True, eq=False, repr=False)
class Symbol:
    """A piece of a formula: its notation, its precedence, its value.

    ``space`` is the `Notation` that wrote it. ``level`` is the precedence of its operation (1 sums, 2 products, 3
    powers and signs, 9 calls), 10 for names and numbers, 2.5 for names such as ∂L/∂w; ``tex_level`` is that of its
    LaTeX. ``head`` names the outermost operation, ``parts`` are its operands and parameters by name, ``number`` is the
    Python number of a constant. Arithmetic, comparisons and indexing call the operations of the same meaning, as they
    do for Tensors.
    """

    space: Any
    text: str
    tex: str
    level: float = ATOM
    value: Any = None
    head: str = ""
    number: float | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    tex_level: float = -1  # by default that of the text
    spread: Symbol | None = None  # before broadcasting, which is not written

    __array_ufunc__ = None  # NumPy's arrays leave mixed arithmetic to this class

    def __post_init__(self) -> None:
        if self.tex_level < 0:
            self.tex_level = self.level

    def __repr__(self) -> str:
        return f"Symbol({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def within(self, level: float) -> tuple[str, str]:
        """Text and LaTeX, in brackets where its precedence is lower than this."""
        text = f"({self.text})" if self.level < level else self.text
        return text, brackets(self.tex) if self.tex_level < level else self.tex

    @property
    def scaled(self) -> tuple[float, Symbol | None]:
        """The constant factor, and the formula that it multiplies, None for a constant."""
        if self.number is not None:
            return self.number, None
        if self.head == "negative":
            factor, rest = self.parts["x"].scaled
            return -factor, rest
        return (self.parts["x"].number, self.parts["y"]) if has_factor(self) else (1, self)

    # the attributes of arrays that rules use

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return tuple(self.value.shape) if hasattr(self.value, "shape") else ()

    @property
    def ndim(self) -> int:
        """The number of axes of the value."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of the value."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the value."""
        return getattr(self.value, "dtype", type(self.value))

    @property
    def T(self) -> Any:
        """The matrix transposed."""
        return self.space.call("matrix_transpose", self)

    mT = T

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __getattr__(self, name: str) -> Any:
        """Methods of arrays, such as `x.sum(axis=0)`, are the functions of those names."""
        if name.startswith("_") or not (name in OPS or hasattr(np, name)):
            raise AttributeError(name)
        return lambda *args, **params: self.space.call(name, self, *args, **params)

    def __getitem__(self, index: Any) -> Any:
        return self.space.call("getitem", self, index=index)


def _calls(name: str, order: int = 1) -> Callable[..., Any]:
    """A method that calls the function ``name``, with its operands swapped if ``order`` is -1."""
    return lambda *operands: operands[0].space.call(name, *operands[::order])


for _word, _name in (BINARY | COMPARED | SINGLE).items():
    setattr(Symbol, f"__{_word}__", _calls(_name))
for _word, _name in BINARY.items():
    setattr(Symbol, f"__r{_word}__", _calls(_name, -1))


def has_factor(x: Symbol) -> bool:
    """Whether it is a number times a formula."""
    return x.head == "multiply" and x.parts["x"].number is not None
