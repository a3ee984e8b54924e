"""NumPy's functions on Tensors: they record what they mean, or say what to use."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DTypeError
from glassgrad.autograd.interop import numpy_protocol as numpy_calls
from glassgrad.autograd.testing import gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 3))
CUBE = RNG.normal(size=(2, 3, 3))
V = np.array([0.5, -1.0, 2.0])
DEFINITE = X @ X.T + np.eye(3)

CALLS = {
    "dot of vectors": (lambda x: np.dot(x, x), V),
    "dot of matrices": (lambda x: np.dot(x, X), X),
    "dot with a number": (lambda x: np.dot(x, 3.0), V),
    "dot of stacks": (lambda x: np.dot(x, CUBE), CUBE),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), CUBE),
    "ravel": (np.ravel, X),
    "vstack": (lambda x: np.vstack([x, V]), V),
    "hstack": (lambda x: np.hstack([x, V]), V),
    "hstack of matrices": (lambda x: np.hstack([x, X]), X),
    "trace": (np.trace, CUBE),
    "trace of other axes": (lambda x: np.trace(x, 1, axis1=1, axis2=2), CUBE),
    "diagonal": (lambda x: np.diagonal(x, offset=-1), CUBE),
    "diag of a matrix": (lambda x: np.diag(x, 1), X),
    "diag of a vector": (np.diag, V),
    "diag of a vector above": (lambda x: np.diag(x, 2), V),
    "diag of a vector below": (lambda x: np.diag(x, -1), V),
    "norm": (np.linalg.norm, CUBE),
    "norm of vectors": (lambda x: np.linalg.norm(x, 1, 0), X),
    "norm of matrices": (lambda x: np.linalg.norm(x, "nuc", axis=(0, 2)), CUBE),
    "norm that keeps axes": (lambda x: np.linalg.norm(x, 1, (0, 2), True), CUBE),
    "norm of a matrix": (lambda x: np.linalg.norm(x, 2), X),
    "solve": (lambda x: np.linalg.solve(x, V), X),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], X),
    "eigh": (lambda x: np.linalg.eigh(x).eigenvectors ** 2, DEFINITE),
    "svd": (lambda x: np.linalg.svd(x)[1], X),
    "svd by name": (lambda x: np.linalg.svd(x, full_matrices=False).Vh ** 2, CUBE[:, :2]),
    "qr": (lambda x: np.linalg.qr(x).R ** 2, X),
    "matrix_power": (lambda x: np.linalg.matrix_power(x, -2), X),
    "cross": (lambda x: np.cross(x, V), X),
    "cross along another axis": (lambda x: np.cross(x, X, axis=0), X),
    "where": (lambda x: np.where(x > 0, x, 0.0), X),
    "diff": (lambda x: np.diff(x, 2, axis=0), X),
    "sum by position": (lambda x: np.sum(x, 0, None, None, True), X),
    "sum in another dtype": (lambda x: np.sum(x, dtype="float64"), X),
    "sort": (lambda x: np.sort(x, 0), X),
    "split": (lambda x: np.split(x, 3, axis=1)[1], X),
    "broadcast_arrays": (lambda x: np.broadcast_arrays(x, V)[0], X),
    "concat of all": (lambda x: np.concatenate([x, X], axis=None), X),
    "concat of one array's entries": (np.concatenate, CUBE),
    "stack of one array's entries": (lambda x: np.stack(x, axis=-1), CUBE),
    "vstack of one array's entries": (np.vstack, CUBE),
    "transpose of a vector": (lambda x: np.transpose(x, 0), V),
    "arctan2": (lambda x: np.arctan2(x, 2.0), X),
    "var": (lambda x: np.var(x, ddof=1), V),
    "cumsum": (np.cumsum, V),
    "clip": (lambda x: np.clip(x, 0.0, 1.5), V),
    "clip from above": (lambda x: np.clip(x, None, 1.5), V),
    "reshape": (lambda x: np.reshape(x, (3, 1)), V),
    "squeeze": (lambda x: np.squeeze(x.reshape(1, 3), axis=0), V),
    "roll": (lambda x: np.roll(x, 1), V),
    "pad": (lambda x: np.pad(x, 1), V),
    "tensordot": (lambda x: np.tensordot(x, x, 1), V),
    "einsum": (lambda x: np.einsum("i,i->", x, x), V),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_records_what_numpy_computes(call: str) -> None:
    function, x = CALLS[call]
    y = function(ag.Tensor(x, requires_grad=True))
    assert isinstance(y, ag.Tensor)
    assert y.requires_grad
    np.testing.assert_allclose(y.data, function(x), rtol=1e-12, atol=1e-13)
    assert gradcheck(function, x)


def test_every_name_is_one_of_numpys() -> None:
    for name in (*numpy_calls.NAMES, *numpy_calls.WAYS, *numpy_calls.VALUES):
        found = np
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found)


def test_functions_without_a_derivative_return_numpys_result() -> None:
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    assert np.allclose(x, [1.0, 2.0])
    assert np.array_equal(x, x.detach())
    assert np.isclose(x, 1.0).tolist() == [True, False]
    assert np.result_type(x, np.float32) == np.float64
    assert np.can_cast(x.dtype, "float64")
    assert (np.size(x), np.size(x, axis=0), np.shape(a=x)) == (2, 2, (2,))
    constant = x.detach()
    assert np.linalg.norm(x=constant, ord=1) == 3.0
    assert np.column_stack([constant, [3.0, 4.0]]).tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_namespaces_are_not_confused() -> None:
    """`autograd.trace` traces a program; NumPy's is of a matrix."""
    assert np.trace(ag.Tensor(X, requires_grad=True)).node.op.name == "sum"
    with pytest.raises(DTypeError, match=r"np\.lib\.scimath\.sqrt can't record Tensors"):
        np.emath.sqrt(ag.Tensor(X, requires_grad=True))  # complex for negative numbers
