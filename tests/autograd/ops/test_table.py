"""What must hold for every operation, tested on each row of the table."""

import copy
import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import viz
from tests import properties
from tests.calls import Case
from tests.operations import TABLE
from tests.sampling import sampled

OPS = {name: op for name, op in ag.OPS.items() if op.__module__.startswith("glassgrad.autograd.")}
DIFFERENTIABLE = sorted(name for name, op in OPS.items() if op.rules)

every_operation = pytest.mark.parametrize("name", sorted(OPS))
every_derivative = pytest.mark.parametrize("name", DIFFERENTIABLE)


def is_float(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


def tensors(name: str, arrays: tuple[Any, ...], convert: Any = lambda x: x) -> list[ag.Tensor]:
    """The arrays as Tensors, those that have a rule and a floating-point dtype requiring grad."""
    op = OPS[name]
    rules = [op.args[0 if op.variadic else i] in op.rules for i in range(len(arrays))]
    return [
        ag.asarray(convert(x)).detach().requires_grad_(rule and is_float(x))
        for x, rule in zip(arrays, rules, strict=True)
    ]


def backward(y: ag.Tensor, inputs: list[ag.Tensor], convert: Any = lambda x: x) -> list[Any]:
    """The gradients of ``y`` with weights that differ from element to element; ``None`` where none is wanted."""
    weights = np.cos(np.arange(y.size)).reshape(y.shape).astype(str(y.dtype).rpartition(".")[2])
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(ag.gradients([y], wanted, seeds=[ag.asarray(convert(weights))]))
    return [next(found) if x.requires_grad else None for x in inputs]


def float32(x: Any) -> Any:
    return x.astype(np.float32) if is_float(x) else x


def test_every_operation_has_a_row() -> None:
    missing = sorted(OPS.keys() - TABLE.keys())
    assert not missing, f"{', '.join(missing)}: add a row to TABLE in tests/operations.py"
    assert sorted(TABLE) == sorted(OPS)


@every_operation
@given(data=st.data())
def test_value(name: str, data: st.DataObject) -> None:
    row = TABLE[name]
    arrays, params = data.draw(row.cases)
    value = OPS[name](*arrays, **params)
    expected = row.reference(*arrays, **params)
    np.testing.assert_allclose(value.data, expected, rtol=1e-12, atol=1e-12)
    assert value.shape == np.shape(expected)
    assert value.dtype == np.asarray(expected).dtype


@every_derivative
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    """A property raises where it does not hold."""
    arrays, params = data.draw(TABLE[name].cases)
    inputs = tensors(name, arrays)
    if any(x.requires_grad and x.size for x in inputs):
        properties.matches_finite_differences(lambda *xs: OPS[name](*xs, **params), *inputs)


@every_derivative
@given(data=st.data())
def test_gradient_of_gradient(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    inputs = tensors(name, arrays)
    if any(x.requires_grad and x.size for x in inputs):
        properties.second_order_matches_finite_differences(lambda *xs: OPS[name](*xs, **params), *inputs)


@pytest.mark.parametrize("name", sorted(set(OPS) - set(DIFFERENTIABLE)))
@given(data=st.data())
def test_no_gradient(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    inputs = [ag.asarray(x).detach().requires_grad_(is_float(x)) for x in arrays]
    assert not OPS[name](*inputs, **params).requires_grad


@every_operation
@given(data=st.data())
def test_float32_is_kept(name: str, data: st.DataObject) -> None:
    row = TABLE[name]
    arrays, params = data.draw(row.cases)
    inputs = tensors(name, tuple(map(float32, arrays)))
    y = OPS[name](*inputs, **params)
    expected = row.reference(*arrays, **params)
    np.testing.assert_allclose(y.data, expected, rtol=1e-4, atol=1e-4)
    if row.keeps_dtype and is_float(expected):
        assert y.dtype == ag.float32
    if y.requires_grad:
        for x, g in zip(inputs, backward(y, inputs), strict=True):
            assert g is None or (g.dtype == ag.float32 and g.shape == x.shape)


@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if len(OPS[name].args) > 1 or OPS[name].variadic])
@given(data=st.data())
def test_each_gradient_has_the_dtype_of_its_leaf(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    narrow = data.draw(st.integers(0, len(arrays) - 1))
    inputs = tensors(name, tuple(float32(x) if i == narrow else x for i, x in enumerate(arrays)))
    y = OPS[name](*inputs, **params)
    if y.requires_grad:
        for x, g in zip(inputs, backward(y, inputs), strict=True):
            assert g is None or (g.dtype, g.shape) == (x.dtype, x.shape)


@every_operation
@given(data=st.data())
def test_inputs_are_only_read(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    before = copy.deepcopy((arrays, params))
    for x in arrays:
        np.asarray(x).flags.writeable = False
    inputs = tensors(name, arrays)
    y = OPS[name](*inputs, **params)
    if y.requires_grad:
        kept = y.data.copy()
        backward(y, inputs)
        np.testing.assert_array_equal(y.data, kept)
    np.testing.assert_equal((arrays, params), before)


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(n, c, id=f"{n}-{i}") for n in sorted(TABLE) for i, c in enumerate(TABLE[n].edges)]
)
def test_empty_and_0d_arrays(name: str, case: Case) -> None:
    arrays, params = case
    inputs = tensors(name, arrays)
    y = OPS[name](*inputs, **params)
    expected = TABLE[name].reference(*arrays, **params)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    assert y.shape == np.shape(expected)
    if y.requires_grad:
        for x, g in zip(inputs, backward(y, inputs), strict=True):
            assert g is None or (g.shape == x.shape and np.isfinite(g.data).all())


def documented(name: str) -> Any:
    return doctest.DocTestParser().get_doctest(OPS[name].__doc__, {}, name, None, None)


@every_operation
def test_docstring(name: str) -> None:
    """pytest collects the examples of functions and classes; an operation is neither."""
    assert OPS[name].__doc__
    found: list[str] = []
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    doctest.DocTestRunner(optionflags=options).run(documented(name), out=found.append)
    assert not found, "".join(found)


@every_operation
def test_notation(name: str) -> None:
    """Both notations name nothing but arguments and parameters, and the LaTeX one can be set."""
    mathtext = pytest.importorskip("matplotlib.mathtext")
    op = OPS[name]
    words = {word: word if len(word) == 1 else rf"\mathrm{{{word}}}" for word in (*op.args, *op.params)}
    assert op.symbol
    text = op.text.format(**{word: word for word in words})
    assert all(word in text for word in op.args if word not in op.optional)
    mathtext.MathTextParser("path").parse(f"${op.tex.format(**words)}$")


@pytest.mark.parametrize("name", sampled(DIFFERENTIABLE, 4))
@settings(max_examples=2)
@given(data=st.data())
def test_picture(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    y = OPS[name](*tensors(name, arrays), **params)
    if y.requires_grad and y.dtype.kind != "c":  # complex values are refused
        picture = viz.draw_graph(y, gradients=ag.ones_like(y))
        assert picture.svg().count("<svg") == 1
