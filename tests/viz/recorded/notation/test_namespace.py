"""Notation: the rules run on symbols. What is expected here is text; no derivative is written in viz."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.engine.operation import REQUIRED
from glassgrad.viz.recorded.notation.latex import tex_name
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import Symbol
from tests.viz.kept import assert_kept


@pytest.fixture
def say():
    return Notation(scalar=True)


@pytest.fixture
def tensors():
    return Notation()


KEPT = Path(__file__).with_name("notation.txt")
SHAPES = [  # of the operands, from which the rules of tensors are written
    *(("linear", (4, 3), (2, 3), (2,)), ("linear", (5, 4, 3), (2, 3), (2,)), ("softmax", (4, 3)), ("sigmoid", (4,))),
    *(("matmul", (4, 3), (3, 2)), ("matmul", (2, 3), (3,)), ("matmul", (2,), (2, 3)), ("squared_error", (4,), (4,))),
    *(("multiply", (4, 3), (4, 3)), ("multiply", (4, 3), (3,)), ("add", (4, 3), (4, 1))),
]
PARAMETERS = [  # the default ones are not written
    *(("roll", {"shift": 1, "axis": 0}), ("softmax", {"axis": 0}), ("softmax", {"axis": -1}), ("sum", {"axis": 0})),
    *(("sum", {"axis": None, "keepdims": True}), ("logsumexp", {"axis": 0}), ("leaky_relu", {"slope": 0.2})),
    *(("vector_norm", {"ord": 1}), ("squared_error", {"reduction": "sum"}), ("squared_error", {"reduction": "none"})),
]
BRACKETS = [  # where they are needed, and nothing trivial
    *("a - (b - c)", "a + (b - c)", "(a + b) * c", "a / (b * c)", "a / b * c", "(-a) ** 2", "(a**2) ** 3", "a - -b"),
    *("a + -b", "-(a * -1)", "-(a + b)", "a * -b", "2 * a * 3", "a * 1 + 0", "0 * a", "a / 1 - 0", "a**1", "a * a"),
    *("1 - a", "abs(a - b)", "(a > b) & (b > c)", "a < -1", "1e-5 * a", "a.space.call('sqrt', a + b)"),
    *("a.space.call('maximum', a + b, c)", "a.space.call('hypot', a, b) * c", "a.space.call('nextafter', a, b)"),
]
NAMES = ["w", "W12", "σ", "layers.0.weight", "x_2", "a_b%", "权"]


def rule(say, name, inputs, params=None):
    """An operation with the derivative by each operand that is a symbol, on one line."""
    op = ag.OPS[name]
    params = {**op.params, **(params or {})}
    values = [getattr(x, "value", x) for x in inputs]
    out = say.symbol("a", op.forward(ag.backends.NUMPY, *values, **params))
    one = Symbol(say, "1", "1", value=np.float64(1.0), number=1.0)
    g = one if say.scalar else say.symbol("G", np.ones(out.shape))
    written = say.apply(op, inputs, params)
    parts = [say.pull(op, i, inputs, out, params, g) for i, x in enumerate(inputs) if isinstance(x, Symbol)]
    assert [part.shape for part in parts] == [x.shape for x in inputs if isinstance(x, Symbol)]
    return " | ".join([name, written.text, written.tex, *(f"{part.text} | {part.tex}" for part in parts)])


def rules(say, tensors):
    """The rules of numbers, of numbers with constants, and of tensors."""
    a, b, c = (say.symbol(letter, np.float64(value)) for letter, value in zip("xyz", (0.5, 0.25, 0.75), strict=True))
    for name, op in ag.OPS.items():
        if name in ag.__all__ and op.rules and REQUIRED not in op.params.values():
            with suppress(ValueError, TypeError, AttributeError, IndexError, ag.errors.AutogradError):  # no numbers
                yield rule(say, name, [a, b, c][: len(op.args)])
    for name, *constants in ("clip", None, 2), ("clip", 2, None), *(("power", p) for p in (2, 3, 10, -1, 0.5)):
        yield f"{constants} {rule(say, name, [a, *constants])}"
    for name, *shapes in SHAPES:
        inputs = [tensors.symbol(n, np.ones(shape)) for n, shape in zip(ag.OPS[name].args, shapes, strict=True)]
        yield f"{shapes} {rule(tensors, name, inputs)}"
    x = [tensors.symbol(letter, np.ones((2, 3))) for letter in "xy"]
    for name, params in PARAMETERS:
        op = ag.OPS[name]
        written = tensors.apply(op, x[: len(op.args)], {**op.params, **params})
        yield f"{name} {params} | {written.text} | {written.tex}"
    abc = {letter: say.symbol(letter, np.float64(0.5)) for letter in "abc"}
    for written in BRACKETS:
        symbol = eval(written, dict(abc))  # the test's own text
        yield f"{written} | {symbol.text} | {symbol.tex}"
    yield from (f"{name} | {tex_name(name)}" for name in NAMES)


@np.errstate(all="ignore")
def test_rules_are_written_as_their_text_says(say, tensors):
    assert_kept(KEPT, "\n".join(rules(say, tensors)) + "\n")


class TestTensors:
    def test_latex(self, tensors):
        rng = np.random.default_rng(0)
        x, w, b = (tensors.symbol(n, rng.random(s)) for n, s in (("x", (4, 3)), ("W1", (2, 3)), ("b1", (2,))))
        linear = ag.OPS["linear"]
        assert tensors.apply(linear, [x, w, b], {}).tex == r"x \, W_{1}^{T} + b_{1}"
        assert tensors.apply(linear, [x, w, None], {}).tex == r"x \, W_{1}^{T}"
        g = tensors.symbol("G", rng.random((4, 2)), r"\bar{z}_1")
        out = tensors.symbol("z1", rng.random((4, 2)))
        assert tensors.pull(linear, 1, [x, w, b], out, {}, g).tex == r"\bar{z}_1^{T} \, x"

    def test_a_constant_keeps_its_shape_where_the_shape_matters(self, tensors):
        x, w, b = (tensors.symbol(n, np.ones(s)) for n, s in (("x", (2, 3)), ("W", (3, 4)), ("b", (3,))))
        threes = tensors.lift(3.0) * tensors.call("ones_like", tensors.symbol("t", np.ones((2, 4))))
        product = tensors.call("matmul", threes, w.T)
        assert product.text == "3·ones(2, 4)·Wᵀ"
        assert product.tex == r"3 \, \mathbf{1}_{2 \times 4} \, W^{T}"
        assert tensors.call("matmul", tensors.call("zeros_like", threes), w.T).text == "0"
        assert (tensors.call("ones_like", x) * b).text == "b"
        assert (tensors.call("ones_like", x) * x).text == "x"
        assert (tensors.call("ones_like", x) * tensors.symbol("s", np.float64(2.0))).text == "s"

    def test_a_condition_that_is_known_chooses(self, say):
        x = say.symbol("x", np.float64(2.0))
        assert (say.call("where", True, x, 1.0).text, say.call("where", False, x, 1.0).text) == ("x", "1")
        y = say.symbol("y", np.float64(2.0))
        g, out = say.symbol("G", np.float64(1.0)), say.symbol("out", np.float64(100.0))
        assert say.pull(ag.OPS["power"], 1, [10, y], out, {}, g).text == "G·log(10)·out"


class TestForward:
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
