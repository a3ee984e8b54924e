"""Products: every form of einsum and tensordot beside NumPy's, layers, and what does not fit, in words."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
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


def test_einsum_multiplies_matrices_as_fast_as_matmul_does() -> None:
    """The product goes through `@`: so large ones agree to the last bit."""
    x, y = RNG.normal(size=(2, 60, 60))
    np.testing.assert_array_equal(ag.einsum("ij,jk->ik", x, y).data, x @ y)


@pytest.mark.parametrize(
    ("axes", "inner", "outer"), [((2, 3), 4, 5), ((0, 3), 4, 5), ((2, 3), 0, 5), ((2, 0, 2), 3, 0)]
)
def test_rows_of_several_axes_times_a_matrix_are_one_product(axes: tuple[int, ...], inner: int, outer: int) -> None:
    x, y = RNG.normal(size=(inner, *axes)), RNG.normal(size=(outer, inner))
    product = ag.compile(lambda x, y: ag.moveaxis(x, 0, -1) @ y.T)
    for found in (product.function(ag.Tensor(x), ag.Tensor(y)), product(ag.asarray(x), ag.asarray(y))):
        np.testing.assert_allclose(found.data, np.moveaxis(x, 0, -1) @ y.T, rtol=1e-12)
    assert "matmul" not in product.source


OF_NUMPY = np.int64(1), np.array(2), (np.int64(-1), 0), (np.array([0, 1]), (-1, -2))


@pytest.mark.parametrize("axes", [0, 1, 2, ((0,), (1,)), ((1, 0), (0, 1)), (1, 0), ([-1], [0]), *OF_NUMPY])
def test_tensordot_as_in_numpy(axes: Any) -> None:
    x, y = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    np.testing.assert_allclose(ag.tensordot(x, y, axes=axes).data, np.tensordot(x, y, axes=axes))
    assert gradcheck(lambda x, y: ag.tensordot(x, y, axes=axes), x, y)
