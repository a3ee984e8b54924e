"""Unique identifiers for a target language, made from any text."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container
from functools import lru_cache

from glassgrad.autograd.backends import PLAIN
from glassgrad.autograd.compiler.ir.primitives import PRIMITIVES

KEYWORDS = frozenset(keyword.kwlist)

RESERVED = KEYWORDS | {
    *PRIMITIVES, *map(str, PLAIN), "asarray", "fft", "generator", "inf", "linalg", "nan", "s_", "take",
}  # fmt: skip
"""Words that no value is called: Python's own, and those that mean something else in a printed program."""


@lru_cache(maxsize=4096)
def identifier(text: str, reserved: frozenset[str] = KEYWORDS, *, ascii: bool = False) -> str:
    """``text`` as an identifier that is not ``reserved``: characters that are not allowed become ``_``.

    Python takes identifiers that are equal by Unicode's NFKC for the same name, so the result is in that form. With
    ``ascii``, for languages without other letters, these are spelled out. ``_`` is put before a text that begins with a
    digit or is reserved.

    >>> identifier("layers.0.weight"), identifier("x²"), identifier("lambda"), identifier("d_σ", ascii=True)
    ('layers_0_weight', 'x2', '_lambda', 'd_sigma')
    """
    if ascii and not text.isascii():
        signs = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        text = "".join(c if c.isascii() else unicodedata.name(c, "x").split()[-1].lower() for c in signs)
    if not (text.isascii() and text.isidentifier()):
        letters = (c if f"x{c}".isidentifier() else "\0" for c in unicodedata.normalize("NFKC", text))
        text = re.sub("\0+", "_", "".join(letters))
    name = text.strip("_") or "value"
    return name if name.isidentifier() and name not in reserved else f"_{name}"


def value_name(text: str) -> str:
    """``text`` as the name of a value: an identifier that does not hide a function.

    >>> value_name("layers.0.weight"), value_name("exp")
    ('layers_0_weight', '_exp')
    """
    return identifier(text, RESERVED)


def unique(name: str, *taken: Container[str]) -> str:
    """``name``, with the first number appended that makes it different from all in ``taken``.

    >>> unique("x", {"x", "x_2"})
    'x_3'
    """
    found, count = name, 1
    while any(found in names for names in taken):
        count += 1
        found = f"{name}_{count}"
    return found
