"""Notation: the rules run on symbols. What is expected here is text; no derivative is written in viz."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.recorded.notation.latex import tex_name
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import Symbol


@pytest.fixture
def say():
    return Notation(scalar=True)


@pytest.fixture
def tensors():
    return Notation()


def derivative(say, name, *values, index=0, constants=(), **params):
    """The local derivative of an operation as text: operands `x`, `y`, ..., result `a`."""
    op = ag.OPS[name]
    symbols = [say.symbol(letter, np.float64(value)) for letter, value in zip("xyz", values, strict=False)]
    inputs = [*symbols, *constants]
    value = op.forward(ag.backends.NUMPY, *values, *constants, **params)
    one = Symbol(say, "1", "1", value=np.float64(1.0), number=1.0)
    return say.pull(op, index, inputs, say.symbol("a", value), params, one)


@pytest.mark.parametrize(
    ("name", "values", "index", "expected"),
    [
        ("add", (2, 3), 1, "1"),
        ("subtract", (2, 3), 1, "-1"),
        ("multiply", (2, 3), 0, "y"),
        ("divide", (2, 3), 0, "1 / y"),
        ("divide", (2, 3), 1, "-a / y"),
        ("negative", (2,), 0, "-1"),
        ("square", (2,), 0, "2·x"),
        ("sqrt", (2,), 0, "1 / (2·a)"),
        ("exp", (2,), 0, "a"),
        ("log", (2,), 0, "1 / x"),
        ("sin", (2,), 0, "cos(x)"),
        ("cos", (2,), 0, "-sin(x)"),
        ("tanh", (2,), 0, "1 - a²"),
        ("sigmoid", (2,), 0, "a·(1 - a)"),
        ("relu", (2,), 0, "1 if a ≠ 0 else 0"),
        ("asin", (0.5,), 0, "1 / √(1 - x²)"),
        ("sign", (2,), 0, "0"),
        ("maximum", (2, 3), 0, "0.5 if x = y else (0 if x < y else 1)"),
        ("softplus", (2,), 0, "exp(-log(1 + exp(-x)))"),
    ],
)
def test_a_rule_writes_its_own_derivative(say, name, values, index, expected):
    values = tuple(np.float64(v) for v in values)
    assert derivative(say, name, *values, index=index).text == expected


@pytest.mark.parametrize(("limits", "text", "within"), [((None, 2), "min(x, 2)", "≤"), ((2, None), "max(x, 2)", "≥")])
def test_a_clip_with_one_limit_says_which(say, limits, text, within):
    assert say.apply(ag.OPS["clip"], [say.symbol("x", 3.0), *limits], {}, 3.0).text == text
    assert derivative(say, "clip", 3.0, constants=limits).text == f"1 if x {within} 2 else 0"


@pytest.mark.parametrize(
    ("exponent", "forward", "expected"),
    [(2, "x²", "2·x"), (3, "x³", "3·x²"), (10, "x¹⁰", "10·x⁹"), (-1, "x⁻¹", "-x⁻²"), (0.5, "x^0.5", "0.5·x^(-0.5)")],
)
def test_powers_with_a_number_as_exponent(say, exponent, forward, expected):
    x = say.symbol("x", np.float64(2.0))
    assert say.apply(ag.OPS["power"], [x, exponent], {}).text == forward
    assert derivative(say, "power", np.float64(2.0), constants=(exponent,)).text == expected


class TestTensors:
    def pull(self, say, name, index, shapes, g_shape):
        rng = np.random.default_rng(0)
        op = ag.OPS[name]
        params = op.params
        inputs = [say.symbol(n, rng.random(shape)) for n, shape in zip(op.args, shapes, strict=False)]
        out = say.symbol("out", op.forward(ag.backends.NUMPY, *(x.value for x in inputs), **params))
        return say.pull(op, index, inputs, out, params, say.symbol("G", rng.random(g_shape)))

    @pytest.mark.parametrize(
        ("name", "index", "shapes", "g", "expected"),
        [
            ("linear", 0, [(4, 3), (2, 3), (2,)], (4, 2), "G·weight"),
            ("linear", 1, [(4, 3), (2, 3), (2,)], (4, 2), "Gᵀ·x"),
            ("linear", 2, [(4, 3), (2, 3), (2,)], (4, 2), "ΣG"),
            ("linear", 1, [(5, 4, 3), (2, 3), (2,)], (5, 4, 2), "Gᵀ·x"),
            ("matmul", 0, [(4, 3), (3, 2)], (4, 2), "G·yᵀ"),
            ("matmul", 1, [(4, 3), (3, 2)], (4, 2), "xᵀ·G"),
            ("multiply", 0, [(4, 3), (4, 3)], (4, 3), "G × y"),
            ("multiply", 1, [(4, 3), (3,)], (4, 3), "Σ(G × x)"),
            ("add", 1, [(4, 3), (4, 1)], (4, 3), "ΣG"),
            ("sigmoid", 0, [(4,)], (4,), "G × out × (1 - out)"),
            ("softmax", 0, [(4, 3)], (4, 3), "out × (G - sum(G × out))"),
            ("squared_error", 0, [(4,), (4,)], (), "0.5·(x - y) × G"),
        ],
    )
    def test_matrix_products_sums_and_entries(self, tensors, name, index, shapes, g, expected):
        assert self.pull(tensors, name, index, shapes, g).text == expected

    def test_latex(self, tensors):
        rng = np.random.default_rng(0)
        x, w, b = (tensors.symbol(n, rng.random(s)) for n, s in (("x", (4, 3)), ("W1", (2, 3)), ("b1", (2,))))
        linear = ag.OPS["linear"]
        assert tensors.apply(linear, [x, w, b], {}).tex == r"x \, W_{1}^{T} + b_{1}"
        assert tensors.apply(linear, [x, w, None], {}).tex == r"x \, W_{1}^{T}"
        g = tensors.symbol("G", rng.random((4, 2)), r"\bar{z}_1")
        out = tensors.symbol("z1", rng.random((4, 2)))
        assert tensors.pull(linear, 1, [x, w, b], out, {}, g).tex == r"\bar{z}_1^{T} \, x"

    @pytest.mark.parametrize(
        ("name", "index", "shapes", "g", "expected"),
        [
            ("matmul", 0, [(2, 3), (3,)], (2,), "G·yᵀ"),  # a column times a row
            ("matmul", 1, [(2,), (2, 3)], (3,), "x·Gᵀ"),
            ("matmul", 1, [(2, 3), (3,)], (2,), "xᵀ·G"),
        ],
    )
    def test_a_vector_times_a_vector_is_a_matrix(self, tensors, name, index, shapes, g, expected):
        part = self.pull(tensors, name, index, shapes, g)
        assert (part.text, part.shape) == (expected, shapes[index])
        assert part.tex == expected.replace("·", r" \, ").replace("ᵀ", "^{T}")

    def test_a_constant_keeps_its_shape_where_the_shape_matters(self, tensors):
        x, w, b = (tensors.symbol(n, np.ones(s)) for n, s in (("x", (2, 3)), ("W", (3, 4)), ("b", (3,))))
        threes = tensors.lift(3.0) * tensors.call("ones_like", tensors.symbol("t", np.ones((2, 4))))
        product = tensors.call("matmul", threes, w.T)
        assert product.text == "3·ones(2, 4)·Wᵀ"
        assert product.tex == r"3 \, \mathbf{1}_{2 \times 4} \, W^{T}"
        assert tensors.call("matmul", tensors.call("zeros_like", threes), w.T).text == "0"
        assert (tensors.call("ones_like", x) * b).text == "ones(2, 3) × b"
        assert (tensors.call("ones_like", x) / b).text == "ones(2, 3) / b"
        assert (tensors.call("ones_like", x) * x).text == "x"
        assert (tensors.call("ones_like", x) * tensors.symbol("s", np.float64(2.0))).text == "s"

    def test_a_condition_that_is_known_chooses(self, say):
        x = say.symbol("x", np.float64(2.0))
        assert (say.call("where", True, x, 1.0).text, say.call("where", False, x, 1.0).text) == ("x", "1")
        y = say.symbol("y", np.float64(2.0))
        g, out = say.symbol("G", np.float64(1.0)), say.symbol("out", np.float64(100.0))
        assert say.pull(ag.OPS["power"], 1, [10, y], out, {}, g).text == "G·log(10)·out"


class TestForward:
    @pytest.mark.parametrize(
        ("name", "params", "text", "tex"),
        [
            ("roll", {"shift": 1, "axis": 0}, "roll(x, shift=1, axis=0)", "roll"),
            ("softmax", {"axis": 0}, "softmax(x, axis=0)", "softmax"),
            ("softmax", {"axis": -1}, "softmax(x)", None),
            ("sum", {"axis": 0}, "sum(x, axis=0)", "sum"),
            ("sum", {"axis": None, "keepdims": True}, "sum(x)", None),
            ("logsumexp", {"axis": 0}, "log Σ exp(x, axis=0)", "logsumexp"),
            ("leaky_relu", {"slope": 0.2}, "leaky relu(x, slope=0.2)", None),
            ("vector_norm", {"ord": 1}, "vector_norm(x, ord=1)", None),
        ],
    )
    def test_parameters_other_than_the_default_are_written(self, tensors, name, params, text, tex):
        op = ag.OPS[name]
        written = tensors.apply(op, [tensors.symbol("x", np.ones((2, 3)))], {**op.params, **params})
        assert written.text == text
        told = "".join(rf", \mathrm{{{p}}}={v}" for p, v in params.items())
        assert (written.tex == rf"\operatorname{{{tex}}}(x{told})") if tex else r"\mathrm" not in written.tex

    def test_axes_are_those_of_the_shape_that_is_written(self, tensors):
        x = tensors.symbol("x", np.ones(6))
        assert tensors.call("sum", tensors.call("reshape", x, shape=(3, 2)), axis=1).text == "sum(x as (3, 2), axis=1)"
        assert tensors.call("sum", tensors.call("reshape", x, shape=(3, 2))).text == "sum(x)"

    def test_names_and_constants(self, say):
        w, x = say.symbol("w"), say.symbol("x")
        multiply, clip = ag.OPS["multiply"], ag.OPS["clip"]
        assert say.apply(multiply, [w, x], {}).text == "w·x"
        assert say.apply(multiply, [w, 0.5], {}).text == "w·0.5"
        assert say.apply(clip, [x], {"min": 0.0, "max": 1.5}).text == "clip(x, 0, 1.5)"
        assert Notation().apply(multiply, [w, x], {}).text == "w × x"

    def test_several_arrays_and_indices(self, tensors):
        a, b = tensors.symbol("a"), tensors.symbol("b")
        assert tensors.apply(ag.OPS["concat"], [a, b], {"axis": 0}).text == "concat(a, b)"
        index = (slice(None), slice(0, 4, 2), None, ..., 3, np.arange(9))
        assert tensors.apply(ag.OPS["getitem"], [a], {"index": index}).text == "a[:, 0:4:2, None, ..., 3, [(9,)]]"

    def test_the_reduction_of_a_loss(self, tensors):
        x, y = tensors.symbol("x"), tensors.symbol("y")
        loss = ag.OPS["squared_error"]
        said = [tensors.apply(loss, [x, y], {"reduction": r}).text for r in ("sum", "mean", "none")]
        assert said == ["Σ(x - y)²", "mean((x - y)²)", "(x - y)²"]

    def test_no_character_without_a_glyph(self, tensors):
        assert tensors.apply(ag.OPS["floor"], [tensors.symbol("x")], {}).text == "floor(x)"


@pytest.mark.parametrize(
    ("write", "text", "tex"),
    [
        (lambda a, b, c: a - (b - c), "a - (b - c)", "a - (b - c)"),
        (lambda a, b, c: a + (b - c), "a + b - c", "a + b - c"),
        (lambda a, b, c: (a + b) * c, "(a + b)·c", r"(a + b) \, c"),
        (lambda a, b, c: a / (b * c), "a / (b·c)", r"\frac{a}{b \, c}"),
        (lambda a, b, c: a / b * c, "(a / b)·c", r"\frac{a}{b} \, c"),
        (lambda a, b, c: (-a) ** 2, "(-a)²", "(-a)^{2}"),
        (lambda a, b, c: (a**2) ** 3, "(a²)³", "(a^{2})^{3}"),
        (lambda a, b, c: a - -b, "a + b", "a + b"),
        (lambda a, b, c: a + -b, "a - b", "a - b"),
        (lambda a, b, c: -(a * -1), "a", "a"),
        (lambda a, b, c: -(a + b), "-(a + b)", "-(a + b)"),
        (lambda a, b, c: a * -b, "-a·b", r"-a \, b"),
        (lambda a, b, c: 2 * a * 3, "6·a", r"6 \, a"),
        (lambda a, b, c: a * 1 + 0, "a", "a"),
        (lambda a, b, c: 0 * a, "0", "0"),
        (lambda a, b, c: a / 1 - 0, "a", "a"),
        (lambda a, b, c: a**1, "a", "a"),
        (lambda a, b, c: a * a, "a²", "a^{2}"),
        (lambda a, b, c: 1 - a, "1 - a", "1 - a"),
        (lambda a, b, c: abs(a - b), "|a - b|", r"\left|a - b\right|"),
        (lambda a, b, c: (a > b) & (b > c), "a > b & b > c", r"a > b \wedge b > c"),
        (lambda a, b, c: a < -1, "a < -1", "a < -1"),
        (lambda a, b, c: 1e-5 * a, "1e-5·a", r"1 \cdot 10^{-5} \, a"),
        (lambda a, b, c: a.space.call("sqrt", a + b), "√(a + b)", r"\sqrt{a + b}"),
        (lambda a, b, c: a.space.call("maximum", a + b, c), "max(a + b, c)", r"\max(a + b, c)"),
        (lambda a, b, c: a.space.call("hypot", a, b) * c, "hypot(a, b)·c", r"\sqrt{a^2 + b^2} \, c"),
        (lambda a, b, c: a.space.call("nextafter", a, b), "nextafter(a, b)", r"\operatorname{nextafter}(a, b)"),
    ],
)
def test_brackets_where_they_are_needed_and_nothing_trivial(say, write, text, tex):
    written = write(*(say.symbol(letter, np.float64(0.5)) for letter in "abc"))
    assert written.text == text
    assert written.tex == tex


def test_a_second_index_in_latex_is_braced(tensors):
    w = tensors.symbol("W1", np.ones(3))
    assert w[0].tex == r"{W_{1}}_{[0]}"
    assert w[0].text == "W1[0]"


def test_symbols_answer_what_a_rule_may_ask(tensors):
    x = tensors.symbol("x", np.ones((2, 3), dtype=np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float32, 2)
    assert x.T.text == x.mT.text == "xᵀ"
    assert x.T.T.text == "x"
    assert [row.text for row in x] == ["x[0]", "x[1]"]
    assert x.sum(axis=0).text == "sum(x, axis=0)"
    assert (np.ones(3, dtype=np.float32) * x).shape == (2, 3)
    assert not hasattr(x, "requires_grad")


@pytest.mark.parametrize(
    ("name", "tex"),
    [
        ("w", "w"),
        ("W12", "W_{12}"),
        ("σ", r"\sigma"),
        ("layers.0.weight", r"\mathrm{layers.0.weight}"),
        ("x_2", "x_{2}"),
        ("a_b%", r"\mathrm{a\_b\%}"),
        ("权", r"\text{权}"),
    ],
)
def test_names_in_latex(name, tex):
    assert tex_name(name) == tex
