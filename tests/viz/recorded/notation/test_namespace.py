"""Notation: the rules run on symbols. What is expected here is text; no derivative is written in viz."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
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
ARRAYS = {"x": (2, 3), "W": (3, 4), "V": (4, 3), "b": (3,), "c": (4,), "t": (2, 4), "s": (), "W1": (3,)}
WRITTEN = [  # of arrays, and of operations with several
    *("linear(x, V, c)", "linear(x, V, None)", "concat([x, x], axis=0)", "W[0]", "xs('ones_like', x) * b"),
    *("x[0:2:2, None, ..., i]", "xs('ones_like', x) * x", "xs('ones_like', x) * s", "xs('zeros_like', t) @ W.T"),
    *("3.0 * xs('ones_like', t) @ W.T", "xs('where', True, x, 1.0)", "xs('where', False, x, 1.0)"),
    *("clip(x, min=0, max=1.5)", "W1[0]"),
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


def applied(say, op, *given, **params):
    return say.apply(op, given[0] if op.variadic else given, params)


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
    known = {name: tensors.symbol(name, np.ones(shape)) for name, shape in ARRAYS.items()}
    known |= {"xs": tensors.call, "i": np.arange(2)}
    known |= {name: partial(applied, tensors, ag.OPS[name]) for name in ("linear", "clip", "concat")}
    for written in WRITTEN:
        symbol = eval(written, dict(known))
        yield f"{written} | {symbol.text} | {symbol.tex}"
    yield from (f"{name} | {tex_name(name)}" for name in NAMES)


@np.errstate(all="ignore")
def test_rules_are_written_as_their_text_says(say, tensors):
    assert_kept(KEPT, "\n".join(rules(say, tensors)) + "\n")


def test_symbols_answer_what_a_rule_may_ask(tensors):
    x = tensors.symbol("x", np.ones((2, 3), dtype=np.float32))
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float32, 2)
    assert x.T.text == x.mT.text == "xᵀ"
    assert x.T.T.text == "x"
    assert [row.text for row in x] == ["x[0]", "x[1]"]
    assert x.sum(axis=0).text == "sum(x, axis=0)"
    assert (np.ones(3, dtype=np.float32) * x).shape == (2, 3)
    assert not hasattr(x, "requires_grad")
