"""Products: every form of einsum and tensordot beside NumPy's, layers, and what does not fit, in words."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.autograd.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)

EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->ji", (2, 3)),
    ("i,i", (3,), (3,)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("bij,bjk->bik", (2, 3, 2), (2, 2, 3)),
    ("bi,bj,bij->b", (2, 3), (2, 2), (2, 3, 2)),
    (" i j , j -> i ", (2, 3), (3,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("ij,ii->j", (3, 2), (3, 3)),
    ("iij->j", (2, 2, 3)),
    ("iii->i", (2, 2, 2)),
    ("...ij,...jk->...ik", (4, 2, 3), (4, 3, 2)),
    ("...ij,...jk", (4, 2, 3), (3, 2)),
    ("...ij,jk->...ik", (4, 2, 3), (3, 2)),
    ("i...,i...->...", (3, 2, 2), (3, 1, 2)),
    ("...,...->...", (2, 1), (3,)),
    ("...", (2, 3)),
    ("...i->i...", (2, 3, 4)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,kj->ik", (2, 1), (4, 3)),
    ("a,b,c->cab", (2,), (3,), (2,)),
    ("ij,k->i", (2, 3), (4,)),
    (",i->i", (), (3,)),
]


@pytest.mark.parametrize(("subscripts", "shapes"), [(s, shapes) for s, *shapes in EINSUMS])
def test_einsum_as_in_numpy(subscripts: str, shapes: list[tuple[int, ...]]) -> None:
    arrays = [RNG.normal(size=shape) for shape in shapes]
    value = ag.einsum(subscripts, *arrays)
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(value.data, expected, rtol=1e-12, atol=1e-12)
    assert value.shape == expected.shape
    assert gradcheck(lambda *xs: ag.einsum(subscripts, *xs), *arrays)
    assert gradgradcheck(lambda *xs: ag.einsum(subscripts, *xs), *arrays)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "error", "message"),
    [
        ("ij,jk", [(2, 3)], ShapeError, r"has 2 term\(s\) for 1 operand\(s\): write one for each"),
        ("ij->i", [(2,)], ShapeError, "the term 'ij' names 2 axes and its array has 1"),
        ("i->i", [(2, 3)], ShapeError, "the term 'i' names 1 axes and its array has 2"),
        ("ij,jk->ik", [(2, 3), (4, 2)], ShapeError, r"'j' is 3 in one operand and 4 in another"),
        ("ij->ik", [(2, 3)], DomainError, "the result's label 'k' must be in a term, and only once"),
        ("ij->ii", [(2, 3)], DomainError, "the result's label 'i' must be in a term, and only once"),
        ("i1->i", [(2, 3)], DomainError, "'1' is not a label"),
    ],
)
def test_einsum_refuses(subscripts: str, shapes: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ag.einsum(subscripts, *(np.ones(shape) for shape in shapes))


def test_einsum_multiplies_matrices_as_fast_as_matmul_does() -> None:
    """The product goes through `@`: so large ones agree to the last bit."""
    x, y = RNG.normal(size=(2, 60, 60))
    np.testing.assert_array_equal(ag.einsum("ij,jk->ik", x, y).data, x @ y)


OF_NUMPY = np.int64(1), np.array(2), (np.int64(-1), 0), (np.array([0, 1]), (-1, -2))


@pytest.mark.parametrize("axes", [0, 1, 2, ((0,), (1,)), ((1, 0), (0, 1)), (1, 0), ([-1], [0]), *OF_NUMPY])
def test_tensordot_as_in_numpy(axes: Any) -> None:
    x, y = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    np.testing.assert_allclose(ag.tensordot(x, y, axes=axes).data, np.tensordot(x, y, axes=axes))
    assert gradcheck(lambda x, y: ag.tensordot(x, y, axes=axes), x, y)


def test_tensordot_refuses_pairs_of_different_length() -> None:
    with pytest.raises(ShapeError, match=r"pairs axes \(1,\) of x \(2, 3\) with axes \(0,\) of y \(4, 2\)"):
        ag.tensordot(np.ones((2, 3)), np.ones((4, 2)), axes=1)
    with pytest.raises(DomainError, match=r"axis \(0, -2\) names a dimension twice: give each one once"):
        ag.tensordot(np.ones((2, 2)), np.ones((2, 2)), axes=((0, -2), (0, 1)))


def test_outer_as_in_numpy() -> None:
    x, y = RNG.normal(size=3), RNG.normal(size=(2, 2))
    np.testing.assert_array_equal(ag.outer(x, y).data, np.outer(x, y))
    assert gradcheck(ag.outer, x, y)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (4, 5)), r"the last axis of x \(3\) and the second to last axis of y \(4\) must be of one length"),
        (((2, 3), (4,)), r"the last axis of x \(3\) and the last axis of y \(4\) must be of one length"),
        (((3,), ()), "at least one axis on both sides; multiply by a number with \\*"),
        (((2, 2, 3), (3, 3, 2)), r"matmul can't take x = \(2, 2, 3\) float64, y = \(3, 3, 2\) float64"),
    ],
)
def test_matmul_refuses(shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        ag.matmul(*(np.ones(shape) for shape in shapes))


def test_a_refused_product_names_its_tensors() -> None:
    x, w = ag.Tensor(np.ones((2, 3)), name="x"), ag.Tensor(np.ones((4, 5)), name="w1")
    with pytest.raises(ShapeError, match=r"x = 'x' \(2, 3\) float64, y = 'w1' \(4, 5\) float64"):
        x @ w


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 3), (4, 2)), r"the last axis of x must be of length 2, the inputs of a weight \(outputs, inputs\)"),
        (((5, 3), (3,)), r"weight has 1 axes and needs two, \(outputs, inputs\)"),
        (((5, 3), (4, 3), (3,)), r"bias must have shape \(4,\), one number for each output"),
        (((), (4, 3)), "the last axis of x must be of length 3"),
    ],
)
def test_linear_refuses(shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        ag.linear(*(np.ones(shape) for shape in shapes))


def test_linear_without_a_bias() -> None:
    x, w = RNG.normal(size=(5, 3)), RNG.normal(size=(2, 3))
    np.testing.assert_array_equal(ag.linear(x, w, None).data, x @ w.T)


def test_linear_leaves_its_bias_alone() -> None:
    bias = np.ones(2)
    ag.linear(np.ones((5, 3)), np.ones((2, 3)), bias)
    np.testing.assert_array_equal(bias, 1.0)


def test_vecdot_refuses() -> None:
    with pytest.raises(
        DomainError, match="counts its axis from the end, because x and y broadcast: 0 must be -1 or lower"
    ):
        ag.vecdot(np.ones(2), np.ones(2), axis=0)
    with pytest.raises(ShapeError, match="vectors of 2 elements in x and of 1 in y have no dot product"):
        ag.vecdot(np.ones(2), np.ones(1))


def test_a_vector_has_no_transpose() -> None:
    with pytest.raises(ShapeError, match="it needs at least two axes, of which it swaps the last two"):
        ag.matrix_transpose(np.ones(3))
