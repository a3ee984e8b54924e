"""Linear algebra by the array API's names: the extension ``linalg`` of the namespace.

>>> import autograd as ag
>>> ag.grad(lambda x: ag.linalg.slogdet(x).logabsdet)([[2.0, 0.0], [0.0, 4.0]])
Tensor([[ 0.5,  0.0],
        [ 0.0, 0.25]])
"""

from autograd.functions.decompositions import eigh, qr, slogdet, svd
from autograd.functions.matrices import matrix_norm, matrix_power, matrix_rank
from autograd.functions.products import outer, tensordot
from autograd.ops.factorizations import cholesky, det, eigvalsh, inv, pinv, solve, svdvals
from autograd.ops.linalg import matmul, matrix_transpose, vecdot
from autograd.ops.matrices import cross, diagonal, vector_norm
from autograd.ops.matrices import matrix_trace as trace

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip
