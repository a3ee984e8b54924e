"""PyTorch's own sample inputs, of which nothing is here, for each of its operations that has a counterpart here.

The samples are those of `torch.testing._internal.common_methods_invocations.op_db`, in float64 and complex128. Values,
gradients for a random upstream gradient, and the gradients of the sum of squares of these are compared with what
PyTorch computes.
It needs the packages torch and expecttest, and tells for each operation how many samples agree::

    python -m pytest -s tests/conformance/test_opinfo.py
"""

import random
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

try:
    with warnings.catch_warnings(action="ignore"):
        import torch
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.utils._pytree import tree_leaves, tree_map
except ImportError as error:
    pytest.skip(f"no sample inputs of PyTorch: {error}", allow_module_level=True)

LEAST = {torch.float64: 6035, torch.complex128: 2160}
"""98 % of the number of samples that agree with PyTorch 2.13, by dtype."""


F, linalg, Tensor = nn.functional, ag.linalg, ag.Tensor


def swapped(x: Any, first: int, second: int) -> Any:
    """``x`` with two axes exchanged."""
    axes = list(range(x.ndim))
    if axes:
        axes[first], axes[second] = axes[second], axes[first]
    return ag.permute_dims(x, axes)


def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return linalg.diagonal(ag.moveaxis(x, (dim1, dim2), (-2, -1)), offset=offset)


def difference(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return ag.diff(x, n=n, axis=dim, prepend=prepend, append=append)


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return linalg.vector_norm(x, axis=dim, keepdims=keepdim, ord=ord)


def matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    norm = linalg.matrix_norm(ag.moveaxis(x, dim, (-2, -1)), ord=ord)
    return ag.expand_dims(norm, sorted(axis % x.ndim for axis in dim)) if keepdim else norm


def searchsorted(x: Any, values: Any, *, right: bool = False, side: str = "left", sorter: Any = None, **_: Any) -> Any:
    return ag.searchsorted(x, values, sorter=sorter, side="right" if right else side)


def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """`var` or `std` with PyTorch's divisor of n - 1, where none is given."""

    def call(x: Any, dim: Any = None, unbiased: bool = True, *, correction: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        return function(x, axis=dim, correction=int(unbiased) if correction is None else correction, keepdims=keepdim)

    return call


def classes_second(loss: Callable[..., Any]) -> Callable[..., Any]:
    """A loss of labels with PyTorch's axis of classes, the second, instead of the last."""

    def last(x: Any) -> Any:
        return ag.moveaxis(x, min(1, x.ndim - 1), -1)

    return lambda x, target, *rest, **options: loss(
        last(x), last(target) if x.ndim == target.ndim else target, *rest, **options
    )


def without(function: Callable[..., Any], **unused: Any) -> Callable[..., Any]:
    """``function`` that takes options it does not have, if they have no effect."""

    def call(*args: Any, **options: Any) -> Any:
        kept = {name: value for name, value in options.items() if name not in unused or value not in unused[name]}
        return function(*args, **kept)

    return call


RENAMED: dict[str, Callable[..., Any] | None] = {
    "amax": ag.max, "amin": ag.min, "max binary": ag.maximum, "min binary": ag.minimum,
    "mul": ag.multiply, "sub": ag.subtract, "neg": ag.negative, "sgn": ag.sign, "true_divide": ag.divide,
    "div no_rounding_mode": ag.divide,
    "eq": ag.equal, "ne": ag.not_equal, "lt": ag.less, "le": ag.less_equal, "gt": ag.greater, "ge": ag.greater_equal,
    "clamp_min": lambda x, low: ag.clip(x, min=low), "clamp_max": lambda x, high: ag.clip(x, max=high),
    "mm": ag.matmul, "mv": ag.matmul, "bmm": ag.matmul, "vdot": ag.vecdot,
    "einsum": lambda arrays, text: ag.einsum(text, *arrays),
    "tensordot": lambda x, y, dims: ag.tensordot(x, y, axes=dims),
    "permute": ag.permute_dims, "unsqueeze": ag.expand_dims, "movedim": ag.moveaxis, "unbind": ag.unstack,
    "t": Tensor.T.fget, "transpose": swapped, "flip": lambda x, dims: ag.flip(x, axis=dims),
    "ravel": lambda x: ag.reshape(x, (-1,)), "expand": ag.broadcast_to,
    "broadcast_tensors": ag.broadcast_arrays, "view": ag.reshape, "repeat": ag.tile,
    "repeat_interleave": lambda x, repeats, dim=None, **more: ag.repeat(x, repeats, dim, **more),
    "cat": lambda arrays, dim=0: ag.concat(arrays, axis=dim), "stack": lambda arrays, dim=0: ag.stack(arrays, axis=dim),
    "meshgrid variadic_tensors": lambda *arrays, indexing="ij": ag.meshgrid(*arrays, indexing=indexing),
    "meshgrid list_of_tensors": lambda arrays, indexing="ij": ag.meshgrid(*arrays, indexing=indexing),
    "split_with_sizes": lambda x, sizes, dim=0: ag.split(x, np.cumsum(sizes)[:-1].tolist(), axis=dim),
    "where": lambda x, condition, y: ag.where(condition, x, y),
    "masked_fill": lambda x, mask, value: ag.where(mask, value, x),
    "gather": lambda x, dim, index: ag.take_along_axis(x, index, axis=dim),
    "take_along_dim": lambda x, index, dim=None: ag.take_along_axis(x, index, axis=dim),
    "take": lambda x, index: ag.take(ag.reshape(x, (-1,)), index),
    "index_select": lambda x, dim, index: ag.take(x, index, axis=dim),
    "cumsum": ag.cumulative_sum, "cumprod": ag.cumulative_prod, "var": spread(ag.var), "std": spread(ag.std),
    "diff": difference, "msort": lambda x: ag.sort(x, axis=0), "searchsorted": searchsorted,
    "sort": lambda x, dim=-1, descending=False, stable=True: ag.sort(x, axis=dim, descending=descending),
    "nonzero": without(ag.nonzero, as_tuple=[True]),
    "tril": lambda x, diagonal=0: ag.tril(x, diagonal), "triu": lambda x, diagonal=0: ag.triu(x, diagonal),
    "diagonal": diagonal, "linalg.diagonal": lambda x, offset=0, dim1=-2, dim2=-1: diagonal(x, offset, dim1, dim2),
    "linalg.vector_norm": vector_norm, "linalg.matrix_norm": matrix_norm,
    "linalg.eigh": without(linalg.eigh, UPLO="LU"), "linalg.eigvalsh": without(linalg.eigvalsh, UPLO="LU"),
    "linalg.pinv hermitian": without(linalg.pinv, hermitian=[True]),
    "linalg.pinv singular": lambda x, y: linalg.pinv(x @ y.mT),
    "nn.functional.cross_entropy": classes_second(F.cross_entropy),
    "nn.functional.nll_loss": classes_second(F.nll_loss),
    "nn.functional.embedding": lambda weight, indices, **options: F.embedding(indices, weight, **options),
    "nn.functional.gelu": without(F.gelu, approximate=["none"]),
    "nn.functional.interpolate": without(F.interpolate, recompute_scale_factor=[False]),
    "nn.functional.adaptive_max_pool1d": lambda x, size, _: F.adaptive_max_pool1d(x, size),
    "nn.functional.adaptive_max_pool2d": lambda x, size, _: F.adaptive_max_pool2d(x, size),
    "nn.functional.adaptive_max_pool3d": lambda x, size, _: F.adaptive_max_pool3d(x, size),
    "equal": None, "split": None, "unfold": None, "scatter_add": None, "svd": None,
}  # fmt: skip
"""Counterparts that have another name or other parameters. None: the same name means something else."""
WITHOUT = re.compile(r"(masked|torch|sparse|signal)\.|empty|to$|item|bool|nn.functional.(dropout|one_hot)")
"""Operations without counterpart though a name here is the last word of theirs, random results, conversions."""
SYMMETRIC = {"cholesky", "linalg.cholesky", "linalg.eigh", "linalg.eigvalsh", "linalg.pinv hermitian"}
"""Operations of a matrix of which PyTorch reads one half: they are given the sum of x and its adjoint. This drops
what PyTorch adds to the gradient of a complex Cholesky factor for the imaginary part of its diagonal, which is 0."""
WITH_INDICES = [
    "max reduction_with_dim", "min reduction_with_dim", "sort", "nn.functional.adaptive_max_pool1d",
    "nn.functional.adaptive_max_pool2d", "nn.functional.adaptive_max_pool3d",
]  # fmt: skip
"""Operations whose indices are not compared: here they come from other functions, or not at all."""
COMPARED: dict[str, Callable[..., Any]] = {
    "linalg.eigh": lambda values, vectors: (values, abs(vectors) ** 2),
    "linalg.svd": lambda u, s, vh: (abs(u[..., : s.shape[-1]]) ** 2, s, abs(vh[..., : s.shape[-1], :]) ** 2),
    **dict.fromkeys(WITH_INDICES, lambda values, *_: (values,)),
}
"""What is compared, where it is not all: of the factors of a matrix what is unique."""
DIFFERENT = {
    "index_select": (1, "what is taken along an axis from a number has that axis, as in NumPy; PyTorch's is a number"),
    "linalg.solve": (1, "only a one-dimensional y is a vector, as in NumPy; PyTorch takes (0, 0) for a stack of them"),
}
"""How many samples differ, and why."""
DIFFERENT_COMPLEX = DIFFERENT | {
    "logsumexp": (3, "beside a result of 2e6 PyTorch's weights are off by 1e-10, and so are gradients that are 0 here"),
    "nn.functional.rms_norm": (5, "the mean is that of the squares of absolute values, PyTorch's that of x * x"),
}
"""The same of complex numbers."""


def name_of(operation: Any) -> str:
    return f"{operation.name} {operation.variant_test_name}".strip()


def counterpart(operation: Any) -> Callable[..., Any] | None:
    """The function here that is called for an operation of PyTorch."""
    space, _, word = operation.name.rpartition(".")
    if WITHOUT.match(operation.name):
        return None
    for name in (name_of(operation), operation.name):
        if name in RENAMED:
            return RENAMED[name]
    spaces = {"nn.functional": (F,), "fft": (ag.fft,), "linalg": (linalg,), "special": (ag,)}
    homes = spaces.get(space, (ag, linalg, Tensor))
    found = next((getattr(home, word, None) for home in homes if word in dir(home)), None)
    return found.fget if isinstance(found, property) else found


def copy_of(leaf: Any) -> Any:
    return leaf.detach().clone().requires_grad_(leaf.requires_grad) if isinstance(leaf, torch.Tensor) else leaf


def ours_of(leaf: Any) -> Any:
    """What is given here for an argument of PyTorch's."""
    if isinstance(leaf, torch.Tensor):
        return Tensor(array_of(leaf).copy(), requires_grad=leaf.requires_grad)
    return str(leaf).removeprefix("torch.") if isinstance(leaf, torch.dtype) else leaf


def called(function: Callable[..., Any], sample: Any, converted: Any, name: str) -> tuple[list[Any], list[Any]]:
    """The results of a function of a sample, and the inputs that require grad."""
    (first, *rest), options = tree_map(converted, ((sample.input, *sample.args), sample.kwargs))
    inputs = [x for x in tree_leaves((first, rest, options)) if getattr(x, "requires_grad", False)]
    if name in SYMMETRIC:
        first = first + (first.mH if isinstance(first, torch.Tensor) else ag.conj(first.mT))
    results = function(first, *rest, **options)
    results = list(results) if isinstance(results, tuple | list) else [results]
    return list(COMPARED[name](*results)) if name in COMPARED else results, inputs


def array_of(y: Any) -> Any:
    return y.resolve_conj().numpy(force=True) if isinstance(y, torch.Tensor) else y.data


def normal(generator: np.random.Generator, y: Any) -> Any:
    """Random numbers, complex ones for a complex result."""
    found = generator.normal(size=tuple(y.shape))
    return found + 1j * generator.normal(size=found.shape) if array_of(y).dtype.kind == "c" else found


def orders(library: Any, gradients: Callable[..., Any], ys: list[Any], xs: list[Any]) -> Iterator[list[Any]]:
    """Results, their gradients for a random upstream gradient, and those of the sum of squares of these."""
    generator = np.random.default_rng(0)
    yield ys
    for order in (1, 2):
        seeds = [normal(generator, y) if order == 1 else 2 * array_of(y) for y in ys]
        kept = [i for i, y in enumerate(ys) if y.requires_grad]
        if kept:
            ys = list(gradients([ys[i] for i in kept], xs, [seeds[i] for i in kept]))
        else:
            ys = [library.zeros_like(x) for x in xs]
        yield ys


def theirs_of(operation: Any, sample: Any) -> list[list[Any]]:
    """The results of PyTorch, and their gradients as far as it has them."""

    def gradients(ys: Any, xs: Any, seeds: Any) -> Any:
        seeds = [torch.asarray(seed) for seed in seeds]
        return torch.autograd.grad(ys, xs, seeds, create_graph=True, allow_unused=True, materialize_grads=True)

    results, inputs = called(operation.op, sample, copy_of, name_of(operation))
    found = []
    try:
        for ys in orders(torch, gradients, results, inputs):
            found.append(ys)  # noqa: PERF402 - what came before an error counts
    except RuntimeError as error:
        if "not implemented" not in str(error):
            raise
    return found if any(y.requires_grad for y in results) else found[:1]


def agree(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether arrays are the same up to rounding, that of the largest elements where terms cancel."""
    for mine, other in zip(ours, theirs, strict=True):
        mine, other = array_of(mine), array_of(other)
        scale = np.max(np.abs(other[np.isfinite(other)]), initial=1.0)
        if (mine.shape, mine.dtype.kind) != (other.shape, other.dtype.kind):
            return False
        if not np.allclose(mine, other, rtol=1e-7, atol=1e-10 * scale, equal_nan=True):
            return False
    return True


def verdict(operation: Any, function: Callable[..., Any], sample: Any) -> str:
    """``same``, ``refused`` with the sentence, or what is wrong with a sample."""
    expected = theirs_of(operation, sample)
    try:
        results, inputs = called(function, sample, ours_of, name_of(operation))
        found = orders(ag, partial(ag.gradients, create_graph=True), results, inputs)
        for what, theirs, ours in zip(("values", "gradients", "second gradients"), expected, found, strict=False):
            if not agree(ours, theirs):
                return what
    except (ag.errors.AutogradError, TypeError) as error:
        return f"refused: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "same"


@cache
def verdicts(index: int, dtype: Any) -> list[str]:
    """The verdict of each sample of an operation in a dtype."""
    operation, function = op_db[index], counterpart(op_db[index])
    assert function is not None
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # PyTorch's samples draw from it
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        samples = operation.sample_inputs("cpu", dtype, requires_grad=operation.supports_autograd)
        return [verdict(operation, function, sample) for sample in samples]


COUNTED = [
    (index, dtype)
    for index, operation in enumerate(op_db)
    for dtype in (torch.float64, torch.complex128)
    if dtype in operation.dtypes and counterpart(operation) is not None
]


@pytest.mark.check
@pytest.mark.parametrize(("index", "dtype"), COUNTED, ids=lambda x: name_of(op_db[x]) if isinstance(x, int) else str(x))
def test_no_sample_has_other_values_or_gradients_than_in_pytorch(index: int, dtype: Any) -> None:
    found, name = verdicts(index, dtype), name_of(op_db[index])
    same = found.count("same")
    wrong = [what for what in found if what != "same" and not what.startswith("refused")]
    print(f"{name}, {dtype}: {same} same, {len(found) - same - len(wrong)} refused, {len(wrong)} different")
    known = DIFFERENT_COMPLEX if dtype.is_complex else DIFFERENT
    expected, _ = known.get(name, (0, ""))
    assert len(wrong) == expected, wrong


@pytest.mark.check
@pytest.mark.parametrize("dtype", LEAST)
def test_as_many_samples_agree_as_before(dtype: Any) -> None:
    counted = [index for index, of in COUNTED if of == dtype]
    found = [what for index in counted for what in verdicts(index, dtype)]
    same, refused = found.count("same"), sum(what.startswith("refused") for what in found)
    print(
        f"{len(counted)} operations of {len(op_db)} have a counterpart in {dtype}: {same} samples are the same, "
        f"{refused} are refused, {len(found) - same - refused} differ"
    )
    assert same >= LEAST[dtype]
    known = DIFFERENT_COMPLEX if dtype.is_complex else DIFFERENT
    assert set(known) <= {name_of(op_db[index]) for index in counted}
