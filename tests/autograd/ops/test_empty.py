"""Empty and 0-d arrays: every operation and function gives NumPy's result, with gradients, or refuses in a sentence."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import AutogradError
from tests.operations import TABLE

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the mean of nothing

SHAPES = [(0,), (0, 3), (2, 0), (), (3, 0, 2)]
BEYOND = {
    "argsort", "binary_cross_entropy_with_logits", "expand_dims", "log_softmax", "logsumexp", "matrix_rank",
    "pad", "softmax", "squared_error",
}  # fmt: skip
"""Operations whose references take fewer calls than they do."""


def agree(name: str, ours: Callable[..., Any], numpy: Callable[..., Any], *arrays: Any, **params: Any) -> None:
    """Both give the same, or ``ours`` raises an error of the package."""
    moves = name != "orthogonal_complement"  # whose gradient is refused
    given = [ag.asarray(x).detach().requires_grad_(moves and x.dtype.kind == "f") for x in arrays]
    try:
        expected = numpy(*arrays, **params)
    except Exception:
        expected = None
    try:
        found = ours(*given, **params)
    except AutogradError:
        return
    assert expected is not None or name in BEYOND, f"{name}{[x.shape for x in arrays]} {params} gave {found}"
    several = isinstance(found, list | tuple)
    for y, z in zip(found if several else [found], expected if several else [expected], strict=True):
        if expected is not None:
            np.testing.assert_allclose(y.data, z, rtol=1e-12, err_msg=f"{name} {params}")
            assert y.shape == np.shape(z), (name, [x.shape for x in arrays], params)
        if y.requires_grad:
            inputs = [x for x in given if x.requires_grad]
            first = ag.gradients(ag.sum(ag.real(y)), inputs, create_graph=True)
            seconds = [ag.gradients(ag.sum(g), inputs) for g in first if g is not None and g.requires_grad]
            for gradients in (first, *seconds):
                assert all(g is None or g.shape == x.shape for g, x in zip(gradients, inputs, strict=True)), name


@pytest.mark.parametrize("name", sorted(TABLE))
def test_operations(name: str) -> None:
    op = ag.OPS[name]
    if op.variadic or not all(d is None or isinstance(d, bool | int | float | str | tuple) for d in op.params.values()):
        pytest.skip("its parameters depend on the shapes")
    takes_axis = "axis" in op.params
    axes = [{"axis": axis} for axis in (None, 0, -1, 1, (0, 1), ())] if takes_axis else [{}]
    kept = [{}, {"keepdims": True}] if "keepdims" in op.params else [{}]
    count = len(op.args) - len(op.optional)
    for shape, axis, keepdims in product(SHAPES, axes, kept):
        agree(name, op, TABLE[name].reference, *[np.full(shape, 0.5)] * count, **axis, **keepdims)


def by_name(name: str, *params: dict[str, Any], arrays: int = 1) -> list[Any]:
    ours = getattr(ag, name, None) or getattr(ag.linalg, name)
    numpy = getattr(np, name, None) or getattr(np.linalg, name)
    return [(name, ours, numpy, arrays, p) for p in params or ({},)]


AXES = [{"axis": axis} for axis in (0, -1, 1)]
FUNCTIONS = [
    *(row for name in ("sort", "argsort", "unstack", "flip", "expand_dims") for row in by_name(name, *AXES)),
    *by_name("diff", *AXES, *({"n": n} for n in (0, 2))),
    *(row for name in ("unique_values", "unique_all", "nonzero", "zeros_like") for row in by_name(name)),
    *(row for name in ("broadcast_arrays", "outer", "isclose", "matmul") for row in by_name(name, arrays=2)),
    *by_name("tensordot", {"axes": 0}, {"axes": 1}, {"axes": ((0,), (-1,))}, arrays=2),
    *(row for name in ("argmax", "argmin", "mean", "std") for row in by_name(name, {}, *AXES)),
    *(row for name in ("cumulative_sum", "cumulative_prod")
      for row in by_name(name, *({**a, "include_initial": True} for a in AXES))),
    *(("repeat", lambda x, n=n: ag.repeat(x, n, axis=0), lambda x, n=n: x.repeat(n, axis=0), 1, {}) for n in (0, 2)),
    *(("roll", lambda x, n=n: ag.roll(x, n, axis=-1), lambda x, n=n: np.roll(x, n, axis=-1), 1, {}) for n in (0, -5)),
    *(("tile", lambda x, n=n: ag.tile(x, n), lambda x, n=n: np.tile(x, n), 1, {}) for n in (0, 2, (2, 1))),
    *(("reshape", lambda x, s=s: ag.reshape(x, s), lambda x, s=s: np.reshape(x, s), 1, {})
      for s in ((0,), (-1,), (0, -1), (5, -1), (), (1,), (0, 5), (-1, 0))),
    *(("split", lambda x, n=n: ag.split(x, n), lambda x, n=n: np.split(x, n), 1, {}) for n in (1, 2, 0, [0], [])),
    *(("take", lambda x, i=i: ag.take(x, np.array(i, int), axis=0), lambda x, i=i: x.take(np.array(i, int), 0), 1, {})
      for i in ([], [0], [[]], 0)),
    *((name, lambda x, y, f=f: f([x, y]), lambda x, y, f=g: f([x, y]), 2, {})
      for name, f, g in (("concat", ag.concat, np.concat), ("stack", ag.stack, np.stack))),
    *(("getitem", lambda x, i=i: x[i], lambda x, i=i: x[i], 1, {})
      for i in (0, [], slice(0, 0), None, (), np.zeros(0, int), (slice(None), 0))),
    *(("einsum", lambda x, e=e: ag.einsum(e, x), lambda x, e=e: np.einsum(e, x), 1, {})
      for e in ("i->", "ij->ji", "ij->")),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_functions(shape: tuple[int, ...]) -> None:
    for name, ours, numpy, count, params in FUNCTIONS:
        for other in SHAPES if count == 2 else [shape]:
            agree(name, ours, numpy, *[np.full(shape, 0.5), np.full(other, 0.5)][:count], **params)


@pytest.mark.parametrize("sides", [(0, 0), (0, 3), (3, 0)], ids=str)
@pytest.mark.parametrize("batch", [(), (0,), (2,)], ids=str)
def test_matrices(batch: tuple[int, ...], sides: tuple[int, int]) -> None:
    names = (
        "inv",
        "det",
        "cholesky",
        "eigvalsh",
        "eigh",
        "slogdet",
        "svdvals",
        "pinv",
        "qr",
        "matrix_rank",
        "matrix_norm",
    )
    for name in names:
        agree(name, getattr(ag.linalg, name), getattr(np.linalg, name), np.zeros((*batch, *sides)))
