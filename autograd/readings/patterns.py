"""Sparse Jacobians and Hessians: which inputs each element may depend on, read from the function as it is called.

The pattern of a composition is the product of the patterns. An operation that moves or adds elements is run on the
numbers of its elements; products and windows are said by the names of their axes; any other operation is read by its
tangent, which is made of such operations. What is left counts as dense. Columns of the matrix that share no row are
then computed as one tangent (A. R. Curtis, M. J. D. Powell and J. K. Reid, "On the estimation of sparse Jacobian
matrices", 1974). The pattern of a Hessian is that of the gradient's Jacobian: the backward pass is read as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod
from types import SimpleNamespace
from typing import Any

from glassgrad.autograd import backends, trees
from glassgrad.autograd.backends.spaces import scipy_special
from glassgrad.autograd.common.shapes import Shape, broadcast_shapes, normalize_axis
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.modes import enable_grad
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import wrap
from glassgrad.autograd.errors import DTypeError, SizeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import floating, grad, name_of, results_of
from glassgrad.autograd.ops.reductions import recurrence_back
from glassgrad.autograd.ops.windows import windows_of
from glassgrad.autograd.readings.batches import ELEMENTWISE_MODULES, vmap
from glassgrad.autograd.readings.forward import Forward, jvp, tangent_of
from glassgrad.autograd.readings.jacobians import check_real
from glassgrad.autograd.readings.levels import LIFTED, Level, Lifted

NUMPY = backends.NUMPY

MOST = 20_000_000
"""The largest number of entries of a pattern."""

AT_ONCE = 256
"""How many groups of columns are computed at once, which bounds the memory."""

EACH = frozenset(("astype", "to_device", "where"))
"""Further operations, beside those of the elementwise modules, that compute each element by itself."""

MOVES = frozenset((
    "at_max", "broadcast_to", "concat", "diagonal", "expand_dims", "flip", "getitem", "last_written",
    "matrix_transpose", "pad", "permute_dims", "reshape", "roll", "setitem", "squeeze", "stack", "take",
    "take_along_axis", "tile", "tril", "triu", "unfold",
))  # fmt: skip
"""Operations that only move elements: run on the numbers of the elements, from 1 on, they say where each is from."""

SUMS = frozenset(("fold", "max_unpool", "scatter_add", "scatter_along_axis", "scatter_take", "sum"))
"""Operations that only add elements: their rules only move, and say of each element to which sum it goes."""

STEPS = "size", "stride", "padding", "dilation"

WINDOWS: dict[str, tuple[tuple[str, ...], str]] = {
    "conv": (("ngctw", "goct", "go"), "ngow"), "conv_input": (("ngow", "goct"), "ngctw"),
    "conv_weight": (("ngctw", "ngow"), "goct"), "sum_pool": (("nctw",), "ncw"), "sum_unpool": (("ncw",), "nctw"),
}  # fmt: skip
"""Sums of products over windows, by the axes of their arguments and of their result: example, group, channel of the
input and of the output, place in the window, and window. An array with the last two consists of windows of an image."""


def scipy_sparse() -> Any:
    """The module ``scipy.sparse``. Raises `DependencyError` where SciPy is not installed."""
    scipy_special()
    from scipy import sparse

    return sparse


# ---------------------------------------------------------------------------------------------------------- the reading


class Known(Lifted):
    """A value, and a sparse matrix of booleans: the inputs, its columns, that each element, a row, may depend on."""

    __slots__ = ("depends",)

    def __init__(self, level: Level, value: Any, depends: Any) -> None:
        super().__init__(level, value)
        self.depends = depends


backends.SPACES[Known] = LIFTED


class Pattern(Forward):
    """One reading of a function of ``count`` inputs."""

    calls_again = True

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.reading: list[str] = []  # the operation that is read, and those that its tangent is read by

    def call(self, op: Op, arrays: Any, params: dict[str, Any]) -> Any:
        """The result, with what it depends on."""
        if op.name == "scan_packed":  # read by running its forward
            return op.forward(LIFTED, *arrays, **params)
        values = [x.parts[0] if self.owns(x) else x for x in arrays]
        out = LIFTED.call(op, values, params)
        plan = op.plans[sum(1 << i for i, x in enumerate(arrays) if self.owns(x))]
        own = {i: arrays[i].depends for i in range(len(arrays)) if plan.mask >> i & 1}
        if not own or not backends.is_inexact(out.dtype):
            return out
        again = op.name in self.reading
        self.reading.append(op.name)
        found = self.read(op, values, out, own, params, again)
        self.reading.pop()
        return Known(self, out, found)

    def read(self, op: Op, values: Sequence[Any], out: Any, own: dict[int, Any], params: Any, again: bool) -> Any:
        """What the result of an operation depends on, from what its arguments ``own`` do."""
        if op.__module__ in ELEMENTWISE_MODULES or op.name in EACH:
            return union([self.spread(depends, values[i].shape, out.shape) for i, depends in own.items()])
        if op.name in MOVES:
            return self.moved(op, values, out, own, params)
        if op.name in SUMS:
            node: Any = SimpleNamespace(op=op, inputs=values, params=params)
            sums = op.plans[1].pull(numbers(out.shape), NUMPY, node, (*values, None))[0]
            return self.through(matrix(sums, numbers(sums.shape), out.size, sums.size), own[0])
        if op.name == "contract":
            *terms, result = params["subscripts"].replace("->", ",").split(",")
            sizes = {label: n for t, x in zip(terms, values, strict=True) for label, n in zip(t, x.shape, strict=True)}
            return self.product(own, terms, result, sizes)
        if op.name == "matmul":
            return self.matrix_product(values[0].shape, values[1].shape, own)
        if op.name in WINDOWS:
            return self.windowed(op, values, out, own, params)
        if op.name in ("cumulative_sum", "cumulative_prod"):
            return self.running(values[0], own[0], params)
        if again:
            return self.dense(out, own)
        tangents = {i: Known(self, LIFTED.zeros_like(values[i]), depends) for i, depends in own.items()}
        found = tangent_of(op, values, out, tangents, params)
        return found.depends if self.owns(found) else scipy_sparse().csr_array((out.size, self.count), dtype=bool)

    def dense(self, out: Any, own: dict[int, Any]) -> Any:
        """All elements of ``out`` depend on all inputs of the arguments."""
        inputs = NUMPY.unique(NUMPY.concatenate([depends.indices for depends in own.values()]))
        self.check_size(out.size * inputs.size)
        return matrix(numbers((out.size, 1)), 1 + inputs, out.size, self.count)

    def check_size(self, entries: int) -> None:
        """Raise `SizeError` for a pattern with too many entries."""
        if entries > MOST:
            raise SizeError(
                f"{self.name}: {self.reading[0]} would fill {entries:,} entries of the pattern, more than "
                f"{MOST:,}. The matrix is not sparse, or the operation counts as dense: use jvp, vjp or hvp."
            )

    def through(self, pattern: Any, depends: Any) -> Any:
        """The product of an operation's own pattern and what its argument depends on."""
        self.check_size(int(NUMPY.diff(depends.indptr)[pattern.indices].sum(dtype=NUMPY.int64)))
        return pattern @ depends

    def spread(self, depends: Any, shape: Shape, wide: Shape) -> Any:
        """What an array of ``shape`` depends on, broadcast to a shape as ``wide``."""
        if tuple(shape) == tuple(wide):
            return depends
        places = NUMPY.broadcast_to(numbers(shape), wide)
        return self.through(matrix(numbers(wide), places, prod(wide), prod(shape)), depends)

    def moved(self, op: Op, values: Sequence[Any], out: Any, own: dict[int, Any], params: Any) -> Any:
        """The line of `MOVES`."""
        given, before = [*values], 0
        for i, x in enumerate(values):
            if i in own:
                given[i] = before + numbers(x.shape)
                before += x.size
            elif op.variadic or op.args[i] in op.rules:  # moved, too, and a constant
                given[i] = NUMPY.zeros(getattr(x, "shape", ()), NUMPY.int64)
        params = params | {"constant_values": 0} if op.name == "pad" else params
        sources = op.forward(NUMPY, *given, **params)
        depends = scipy_sparse().vstack([*own.values()], format="csr")
        return self.through(matrix(numbers(out.shape), sources, out.size, before), depends)

    def running(self, x: Any, depends: Any, params: Any) -> Any:
        """The line of running totals: a recurrence has the same pattern."""
        axis = normalize_axis(-1 if params["axis"] is None else params["axis"], x.ndim)
        known = LIFTED.flip(Known(self, x, depends), axis=axis)
        found = LIFTED.flip(recurrence_back(LIFTED, known, known, axis), axis=axis)
        first = LIFTED.zeros_like(LIFTED.take(x, NUMPY.asarray([0]), axis=axis)) if params["include_initial"] else None
        return (found if first is None else LIFTED.concat([first, found], axis=axis)).depends

    def product(self, own: dict[int, Any], terms: Sequence[str], result: str, sizes: Mapping[str, int]) -> Any:
        """A sum of products, over the named axes that the result has not."""
        found = []
        for i, depends in own.items():
            shared = [label for label in terms[i] if label in result]
            few = prod(sizes[label] for label in shared)
            rows, columns = (along(shared, labels, sizes) for labels in (terms[i], result))
            summed = self.through(matrix(rows, numbers(rows.shape), few, rows.size), depends)
            found.append(self.through(matrix(numbers(columns.shape), columns, columns.size, few), summed))
        return union(found)

    def matrix_product(self, x: Shape, y: Shape, own: dict[int, Any]) -> Any:
        """The line of ``matmul``, for arguments of these shapes."""
        batch = broadcast_shapes(x[:-2], y[:-2])
        shapes = [(shape, (*batch, *shape[-2:]) if len(shape) > 1 else shape) for shape in (x, y)]
        own = {i: self.spread(depends, *shapes[i]) for i, depends in own.items()}
        sizes = {"z": prod(batch), "i": x[-2] if len(x) > 1 else 1, "k": x[-1], "j": y[-1]}
        terms = "zik" if len(x) > 1 else "k", "zkj" if len(y) > 1 else "k"
        return self.product(own, terms, f"z{'i' * (len(x) > 1)}{'j' * (len(y) > 1)}", sizes)

    def windowed(self, op: Op, values: Sequence[Any], out: Any, own: dict[int, Any], params: Any) -> Any:
        """The line of `WINDOWS`."""
        terms, result = WINDOWS[op.name]
        arrays = {result: out} | dict(zip(terms, values, strict=False))
        shapes = {term[-2:]: x.shape for term, x in arrays.items() if x is not None}
        image, windows, weight = shapes["tw"], shapes["ow" if "ow" in shapes else "cw"], shapes.get("ct")
        places = _places(image, windows[2:], params | ({} if weight is None else {"size": weight[2:]}))
        sizes = dict(zip("ngctw", places.shape, strict=True)) | {"o": windows[1] // params.get("groups", 1)}
        cut = matrix(numbers(places.shape), places, places.size, prod(image))
        own = {i: self.through(cut, d) if terms[i][-2:] == "tw" else d for i, d in own.items()}
        found = self.product(own, terms, result, sizes)
        return self.through(cut.T.tocsr(), found) if result[-2:] == "tw" else found


def union(patterns: Sequence[Any]) -> Any:
    """The entries of any of the patterns."""
    return reduce(lambda some, others: some if some is others else some + others, patterns)


def numbers(shape: Sequence[int]) -> Any:
    """The numbers of the elements of an array, from 1 on."""
    return NUMPY.arange(1, prod(shape) + 1).reshape(shape)


def matrix(rows: Any, columns: Any, height: int, width: int) -> Any:
    """The pattern with entries at these rows and columns, numbers from 1 on, which are broadcast; 0 is for none."""
    rows, columns = NUMPY.broadcast_arrays(rows, columns)
    there = (rows > 0) & (columns > 0)
    places = rows[there].astype(NUMPY.int64) - 1, columns[there].astype(NUMPY.int64) - 1
    return scipy_sparse().csr_array((NUMPY.ones(places[0].size, bool), places), shape=(height, width))


def along(shared: Sequence[str], labels: str, sizes: Mapping[str, int]) -> Any:
    """For each element of an array with these axes its number in the array that has only the ``shared`` ones."""
    order = [shared.index(label) for label in labels if label in shared]
    places = numbers([sizes[label] for label in shared]).transpose(order)
    places = places.reshape([sizes[label] if label in shared else 1 for label in labels])
    return NUMPY.broadcast_to(places, [sizes[label] for label in labels])


def _places(image: Shape, windows: Shape, params: Mapping[str, Any]) -> Any:
    """The numbers of the elements of an image in its windows: (n, groups, channels, taps, windows), 0 for padding."""
    groups, (size, stride, padding, dilation) = params.get("groups", 1), map(params.get, STEPS)
    fitting = windows_of("unfold", image[2:], size, stride, padding, dilation)
    columns = NUMPY.unfold(numbers(image), size=size, stride=fitting.stride, padding=padding, dilation=dilation)
    columns = columns.reshape(image[0], -1, *fitting.counts)[(..., *map(slice, windows))]
    return columns.reshape(image[0], groups, image[1] // groups, prod(fitting.size), prod(windows))


# ----------------------------------------------------------------------------------------------------------- the groups


def groups_of_columns(pattern: Any, symmetric: bool = False) -> Any:
    """The number of the group of each column of a sparse matrix, such that groups can be told apart in their sums.

    Columns of one group share no row. For a symmetric matrix they may share a row whose own group has a lower number,
    because such an entry is read at its mirror image (M. J. D. Powell and Ph. L. Toint, "On the estimation of sparse
    Hessian matrices", 1979). Greedy, the fullest columns first.

    >>> from scipy import sparse
    >>> from glassgrad.autograd.readings.patterns import groups_of_columns
    >>> arrow = sparse.csr_array([[1, 1, 1], [1, 1, 0], [1, 0, 1]])
    >>> groups_of_columns(arrow).tolist(), groups_of_columns(arrow, symmetric=True).tolist()
    ([0, 1, 2], [0, 1, 1])
    """
    columns = pattern.tocsc()
    height, width = columns.shape
    starts, rows = columns.indptr.tolist(), columns.indices.tolist()
    near, own, lower = [0] * height, [0] * height, [-1] * height  # sets of groups, as bits
    found = NUMPY.zeros(width, NUMPY.int64)
    for j in NUMPY.argsort(-NUMPY.diff(columns.indptr), kind="stable").tolist():
        places, taken = rows[starts[j] : starts[j + 1]], 0
        for i in places:
            taken |= near[i] & lower[i] | own[i]
        group = ~taken & (taken + 1)
        for i in places:
            near[i] |= group
        if symmetric:
            own[j], lower[j] = group, group - 1
        found[j] = group.bit_length() - 1
    return found


# ------------------------------------------------------------------------------------------------------- the transforms


def _matrix_function(f: Callable[..., Any], symmetric: bool) -> Callable[..., Any]:
    def matrix_of(x: Any, *args: Any, **kwargs: Any) -> Any:
        sparse, x = scipy_sparse(), floating([x], trees.LEAF, "argument 0")[0].detach()
        check_real([x], "an argument")
        level = Pattern(x.size)
        level.name = "sparse_hessian" if symmetric else "sparse_jacobian"

        def called() -> Any:
            given = wrap(Known(level, x.data, sparse.eye_array(x.size, dtype=bool, format="csr")))
            with enable_grad():
                _, _, (y, *_), form = results_of(f, (given, *args), kwargs)
            if form is not trees.LEAF:
                raise DTypeError(f"{name_of(f)} returned {trees.describe(form)}: return one Tensor, as by concat.")
            return y.data

        y = level.run(called)
        pattern = y.depends if level.owns(y) else sparse.csr_array((y.size, x.size), dtype=bool)
        pattern = union([pattern, pattern.T.tocsr()]) if symmetric else pattern
        pattern.sort_indices()
        groups = groups_of_columns(pattern, symmetric)
        push = vmap(lambda v: jvp(lambda x: f(x, *args, **kwargs), (x,), (v,))[1], randomness="same")
        count = 1 + int(groups.max(initial=0))
        units = asarray(NUMPY.arange(count)[:, None] == groups, device=x.device).to(x.dtype).reshape(count, *x.shape)
        sums = [push(units[i : i + AT_ONCE]).detach().numpy() for i in range(0, count, AT_ONCE)]
        rows, columns = NUMPY.repeat(NUMPY.arange(y.size), NUMPY.diff(pattern.indptr)), pattern.indices
        if symmetric:  # an entry is read in the lower group of its two columns, where it is alone in its row
            mirrored = groups[columns] > groups[rows]
            rows, columns = NUMPY.where(mirrored, columns, rows), NUMPY.where(mirrored, rows, columns)
        values = NUMPY.concatenate(sums).reshape(count, y.size)[groups[columns], rows]
        return sparse.csr_array((values, pattern.indices, pattern.indptr), shape=pattern.shape)

    return matrix_of


def sparse_jacobian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that returns the Jacobian of ``f`` with respect to its first argument, as a SciPy sparse array.

    ``f`` takes an array, and further arguments as they are, and returns one Tensor. The result is a ``csr_array`` of
    shape ``(value.size, argument.size)``, elements in row-major order, with numbers, which are not recorded; an entry
    of its pattern may be 0. Columns that share no row are computed together, so that a banded Jacobian takes as many
    tangents as the band is wide, whatever its size. ``f`` is called twice.

    Raises `DependencyError` without SciPy (the extra ``special``), `DTypeError` for arguments or values that are not
    floating-point, and `SizeError`, which names the operation, where the pattern would have more than 20,000,000
    entries. An operation counts as dense unless it, or its tangent, consists of such as compute each element by
    itself, move or add elements, or are products, convolutions or running totals.

    >>> from glassgrad import autograd as ag
    >>> J = ag.sparse_jacobian(lambda x: x[1:] * x[:-1])([1.0, 2.0, 3.0])
    >>> J.toarray().tolist(), J.nnz
    ([[2.0, 1.0, 0.0], [0.0, 3.0, 2.0]], 4)
    """
    check_function(f, "sparse_jacobian's f", "a function of Tensors")
    return _matrix_function(f, symmetric=False)


def sparse_hessian(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function that returns the second derivatives of a scalar ``f`` as a SciPy sparse array, shape ``(n, n)``.

    ``n`` is the size of the first argument. All else is as in `sparse_jacobian`, of which this is the one for ``f``'s
    gradient; by symmetry it takes fewer tangents.

    >>> from glassgrad import autograd as ag
    >>> H = ag.sparse_hessian(lambda x: (x[1:] * x[:-1] ** 2).sum())([1.0, 2.0, 3.0])
    >>> H.toarray().tolist()
    [[4.0, 2.0, 0.0], [2.0, 6.0, 4.0], [0.0, 4.0, 0.0]]
    """
    check_function(f, "sparse_hessian's f", "a function of Tensors")
    return _matrix_function(grad(f), symmetric=True)
