"""Names: every text becomes an identifier, and no two values share one in any target."""

from __future__ import annotations

import keyword
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.ir.names import RESERVED, identifier, value_name
from glassgrad.autograd.compiler.ir.validator import is_identifier
from tests.autograd.compiler.oracle import check

FOLDED = [
    "\u00b5", "\u03bc", "x²", "x2", "W¹", "W1", "½", "ℝ", "R", "\u212b", "\u00c5", "A\u030a", "\u2126", "\u03a9", "ſ",
    "s", "ﬁ", "fi", "𝐱", "x", "ª", "a", "①", "1", "ϵ", "ε", "\u00e9", "e\u0301", "ｆ", "f", "ℎ", "h", "ĳ", "ij",
]  # fmt: skip
"""Names of which Python takes several for the same, or for none."""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("layers.0.weight", "layers_0_weight"),
        ("0", "_0"),
        ("lambda", "_lambda"),
        ("", "value"),
        ("a b-c", "a_b_c"),
        ("ü", "ü"),
        ("x²", "x2"),
        ("½", "_1_2"),
        ("ℝ", "R"),
        ("None", "_None"),
    ],
)
def test_identifiers(text: str, name: str) -> None:
    assert identifier(text) == value_name(text) == name
    assert is_identifier(name, RESERVED)


@given(st.text())
def test_any_text_becomes_an_identifier_that_python_does_not_normalize(text: str) -> None:
    name = identifier(text)
    assert is_identifier(name)
    assert identifier(name) == name
    scope: dict[str, int] = {}
    exec(f"{name} = 1", scope)
    assert name in scope
    ascii = identifier(text, frozenset(("int", "float")), ascii=True)
    assert ascii.isascii()
    assert ascii.isidentifier()


def test_reserved_words_are_no_names() -> None:
    assert {*keyword.kwlist, "exp", "sum", "matmul", "bool", "float32", "linalg", "nan"} <= RESERVED
    assert not any(is_identifier(word, RESERVED) for word in RESERVED)
    assert all(is_identifier(value_name(word), RESERVED) for word in RESERVED)
    assert (value_name("exp"), identifier("exp")) == ("_exp", "exp")


def test_two_names_that_look_alike_are_two_values() -> None:
    for pair in (*pairwise(FOLDED), *zip(FOLDED, FOLDED[2:], strict=False)):
        one, other = (ag.Tensor([10.0**i], name=name) for i, name in enumerate(pair))
        compiled = ag.compile(lambda x, one=one, other=other: x + 2 * one.detach() + 3 * other.detach())
        assert compiled(ag.Tensor([1.0], name=pair[0]), one, other).tolist() == [33.0], pair
        closed = ag.compile(lambda one=one, other=other: 2 * one + 3 * other)
        assert closed().tolist() == [32.0], pair


def test_all_of_them_together() -> None:
    """Those, keywords, functions, names of other values, and the name of the function."""
    others = ["exp", "lambda", "0", "add", "copyto", "x", "x", "f", "a b", "float32", "t1", "self", "maximum", ""]
    states = [ag.Tensor([float(i)], name=name) for i, name in enumerate([*FOLDED, *others])]

    def f(exp: ag.Tensor, multiply: ag.Tensor) -> ag.Tensor:
        return sum((s * (i + 1) for i, s in enumerate(states)), ag.exp(exp) * ag.maximum(multiply, 0.5))

    check(f, ag.Tensor([1.0], name="μ"), ag.Tensor([0.0], name="copyto"))
