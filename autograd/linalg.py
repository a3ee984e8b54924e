"""Linear algebra by the array API's names: the extension ``linalg`` of the namespace.

>>> from glassgrad import autograd as ag
>>> ag.grad(lambda x: ag.linalg.slogdet(x).logabsdet)([[2.0, 0.0], [0.0, 4.0]])
Tensor([[ 0.5,  0.0],
        [ 0.0, 0.25]])
"""

from typing import TYPE_CHECKING

from glassgrad.autograd.functions.decompositions import eigh, qr, slogdet, svd
from glassgrad.autograd.functions.matrices import matrix_norm, matrix_power, matrix_rank
from glassgrad.autograd.functions.products import outer, tensordot
from glassgrad.autograd.ops.factorizations import cholesky, det, eigvalsh, inv, pinv, solve, svdvals
from glassgrad.autograd.ops.linalg import matmul, matrix_transpose, vecdot
from glassgrad.autograd.ops.matrices import cross, diagonal, vector_norm
from glassgrad.autograd.ops.matrices import matrix_trace as trace

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip

ELSEWHERE = {
    "cond": "svdvals: the first divided by the last", "dot": "matmul, or vecdot",
    "eig": "eigh, for a symmetric matrix", "eigvals": "eigvalsh, for a symmetric matrix",
    "lstsq": "pinv(a) @ b", "multi_dot": "a @ b @ c",
    "norm": "vector_norm or matrix_norm", "solve_triangular": "solve", "transpose": "matrix_transpose",
}  # fmt: skip
"""For names of other libraries: what to write here instead."""


if not TYPE_CHECKING:  # so that type checkers report missing names

    def __getattr__(name: str) -> object:
        use = f": use {ELSEWHERE[name]}" if name in ELSEWHERE else ""
        raise AttributeError(f"autograd.linalg has no {name!r}{use}.")
