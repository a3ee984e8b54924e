"""The reader of expressions: what it computes, what it refuses and where, and that nothing is ever run or built up."""

from __future__ import annotations

import builtins
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.viz.formula.expression import Expression, ExpressionError, read_value

T = ag.Tensor


def parameter(value):
    return T(value, requires_grad=True, dtype="float64")


def compute(text, **values):
    return Expression(text).compute({name: parameter(value) for name, value in values.items()})[0]


def operations(y):
    return [node.op.name for node in ag.Graph(y).nodes if node.op is not None]


# ---------------------------------------------------------------- what is computed


def test_neuron_has_the_lectures_numbers():
    y = compute("L = (sigmoid(w*x + b) - y)**2", w=2.0, x=1.0, b=-1.0, y=1.0)
    assert y.name == "L"
    assert operations(y) == ["multiply", "add", "sigmoid", "subtract", "power"]
    assert y.item() == pytest.approx((1 / (1 + math.exp(-1)) - 1) ** 2)


W, X = [[1.0, 2.0], [3.0, 4.0]], [0.5, -1.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-a + +b", 1.0),
        ("a*b - a/b", 6 - 2 / 3),
        ("b // a + b % a", 2.0),
        ("a**b**2 / a", 2.0**8),
        ("-a**2", -4.0),
        ("(a + b) * 2", 10.0),
        ("sum(W @ x)", -1.5 - 2.5),
        ("sum(W.T @ x * [1, 10])", -2.5 - 30),
        ("W[1, 0]", 3.0),
        ("sum(W[:, 1])", 6.0),
        ("sum(W[-1][::2])", 3.0),
        ("sum(max(W, axis=1))", 6.0),
        ("sum(mean(W, axis=[0, 1], keepdims=True))", 2.5),
        ("sum(reshape(W, shape=(4,)) * [1, 0, 0, -1])", -3.0),
        ("sum(concat(x, x, axis=0))", -1.0),
        ("sum(stack(x, x) * [[1, 0], [0, 1]])", -0.5),
        ("sum(take(x, [0, 0], axis=0))", 1.0),
        ("sum(linear(x, W, [1, 1]))", -2.0),
        ("sum(linear(x, W))", -4.0),
        ("sum(where(greater(W, 1.5), W, 0 - W))", 8.0),
        ("squared_error(x, [0, 0], reduction='sum')", 1.25),
        ("a * cos(pi) + a*pi", -2 + 2 * math.pi),
        ("u = a*b\nv = (u +\n  b)\n\nu*v  # the result", 54.0),
        ("a*power(10, 30)/[1, 1e30][1] + sum(a*[1, 2]**-1)", 2 + 3.0),
        ("sum(a*[10, 1]**30)/[1e30][0]", 2.0),
        ("a*1_000 + a*1e2 + a*0x10", 2232.0),
    ],
)
def test_value(text, expected):
    names = {"a": 2.0, "b": 3.0, "W": W, "x": X}
    used = {name: value for name, value in names.items() if name in Expression(text).names}
    assert compute(text, **used).item() == pytest.approx(expected, rel=1e-12)


def test_numbers_stay_python_numbers_and_are_folded():
    y = compute("L = 2**3/4*w + sqrt(4)*w", w=1.0)
    constants = [given for node in ag.Graph(y).nodes for given in node.inputs if not hasattr(given, "requires_grad")]
    assert constants == [2, 2]
    (node,) = [node for node in ag.Graph(compute("w**(1 + 1)", w=1.0)).nodes if node.op]
    assert type(node.inputs[1]) is int


def test_intermediates_have_their_names_and_names_stay_with_what_had_them_first():
    y, known = Expression("u = w*x; v = w; L = u**2 + v").compute({"w": parameter(2.0), "x": parameter(3.0)})
    assert [node.name for node in ag.Graph(y).nodes if node.op] == ["u", None, "L"]
    assert known["u"].name == "u"
    assert known["v"] is known["w"]
    assert known["w"].name is None  # given without one, and not renamed
    assert y.name == "L"


def test_names_targets_and_what_no_gradient_reaches():
    read = Expression("z = take(W, i, axis=0) @ x; L = sum((z - y)**2) + t - 2*t")
    assert read.names == ("W", "i", "x", "y", "t")
    assert read.targets == {"y"}
    assert read.fixed == read.whole == {"i"}
    assert Expression("cross_entropy(z, labels)").whole == {"labels"}
    assert Expression("cross_entropy(z, labels)").targets == {"labels"}
    assert Expression("x*y + pi").targets == set()


@pytest.mark.parametrize("name", ["θ", "权重", "x̄", "w_1", "__class__", "µ", "exp", "Ωmega"])
def test_any_name_of_the_grammar_is_a_name(name):
    read = Expression(f"L = {name}*{name}")
    assert read.compute({read.names[0]: parameter(3.0)})[0].item() == 9.0


NUMBER = st.floats(-4, 4, allow_nan=False).map(lambda x: round(x, 3))


def trees():
    leaves = st.one_of(NUMBER.map(repr), st.sampled_from(["w", "x"]))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "@", "**", "/", "//", "%"]), inner).map(
                lambda t: f"({t[0]} {t[1]} {t[2]})"
            ),
            st.tuples(st.sampled_from(["-", "+", "sin", "tanh", "exp"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        ),
        max_leaves=12,
    )


@settings(max_examples=200, deadline=None)
@given(text=trees(), w=NUMBER, x=NUMBER)
def test_computes_what_python_would(text, w, x):
    values = {"w": parameter(w), "x": parameter(x)}
    try:
        result = Expression(text).compute({k: v for k, v in values.items() if k in text})[0]
    except ExpressionError:
        return
    with np.errstate(all="ignore"):
        expected = eval(text, {"sin": ag.sin, "tanh": ag.tanh, "exp": ag.exp, **values})  # the test's own text
    np.testing.assert_allclose(result.data, expected.data, rtol=1e-12)


@settings(max_examples=300, deadline=None)
@given(st.text("wx0123456789.+-*/@()[]{},:;='\"\n\\\t λ^~!&|<>#_", max_size=30))
def test_any_text_is_computed_or_refused_with_its_place(text):
    error = None
    try:
        Expression(text).compute({"w": parameter(2.0), "x": parameter(3.0)})
    except ExpressionError as caught:
        error = caught
    if error is not None:
        assert error.message
        assert "\n" not in error.message
        assert "\n" not in error.piece


# ---------------------------------------------------------------- what is refused, and where


def test_messages_have_no_unprintable_characters():
    with pytest.raises(ExpressionError) as caught:
        compute("L = '\x1b[31m' + w", w=1.0)
    assert "\x1b" not in str(caught.value)
    assert "\ufffd[31m" in str(caught.value)


INJECTIONS = [
    *("__import__('os').system('true')", "eval('1')", "open('/etc/passwd')", "w.__class__.__mro__", "w.sum()"),
    *("(lambda: w)()", "[w for w in (1, 2)]", "{'a': w}", "{w}", "f'{w}'", "(u := w)*2", "w if w else w", "w and w"),
    *("not w", "w < 2", "~w", "w << 2", "await w", "(yield w)", "w[__import__('os')]", "w[0](w)", "exp(w)(w)"),
    *("sum(w, axis=__import__('os'))", "sum(w, axis=[w for w in (1,)])", "sigmoid.apply(w)", "import os", "w += 1"),
    *("def f(): pass", "class A: pass", "for i in w: w", "del w", "w: int = 1", "w.T = 2", "w[0] = 2", "assert w"),
    *("raise w", "global w", "with w: w", "try:\n w\nexcept: w", "match w:\n case _: w", "b'w' + w", "print(w)"),
    *("tile(w, repetitions=lambda: 3)", "exp(x=w, x=w)", "w\x00", "\ud800"),
]
LARGE = [
    *("9**9**9**9*w", "w*1e999", "w*" + "9" * 3000, "w*0x" + "f" * 3000, "w*" + "9**" * 1000 + "9", "-" * 3000 + "w"),
    *("(" * 1900 + "w" + ")" * 1900, "[" * 100 + "1" + "]" * 100 + "*w", "w" + "+w" * 1000, "w*" * 5000 + "w"),
]


@pytest.mark.parametrize("text", INJECTIONS + LARGE, ids=lambda text: ascii(text[:20]))
def test_other_syntax_and_what_is_too_large_is_refused_and_nothing_is_run(text, monkeypatch):
    for name in ("eval", "exec", "__import__", "open"):
        kept = getattr(builtins, name)

        def guarded(*args, kept=kept, **kwargs):
            assert not (args and isinstance(args[0], str) and args[0] in ("os", "1", "x = 1", "/etc/passwd"))
            return kept(*args, **kwargs)

        monkeypatch.setattr(builtins, name, guarded)
    with pytest.raises(ExpressionError):
        Expression(text).compute({"w": parameter([1.0, 2.0])})


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("-0.5", -0.5), ("[1, 2]", [1, 2]), (" [[1, 2], [3, -4.5]] ", [[1, 2], [3, -4.5]]), ("1/3", 1 / 3)],
)
def test_read_value(text, value):
    read = read_value(text)
    assert np.array_equal(read, value)
    assert np.asarray(read).dtype == np.asarray(value).dtype


@pytest.mark.parametrize("text", ["w", "[1, w]", "u = 2", "", "'2'", "{1}", "nan", "[[1], 2]", "__import__('os')"])
def test_no_value(text):
    with pytest.raises(ExpressionError):
        read_value(text)
