"""`scan`: a loop over time as one operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.messages import of_type, shown
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.targets.loops import step_kernel
from glassgrad.autograd.compiler.tracing.bodies import recorded
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.ops.loops.body import Body, Typed, renumbered
from glassgrad.autograd.ops.loops.scan import KERNELS, looped

Pair = tuple[Any, Any]


def scan(
    f: Callable[[Any, Any], Pair], carry: Any, xs: Any = None, *, length: int | None = None, reverse: bool = False
) -> Pair:
    """The loop ``for x in xs: carry, y = f(carry, x)`` as one operation: ``(carry, ys)``, the ys stacked.

    ``carry``: the state that a step passes to the next, a Tensor or any container of Tensors; ``f`` returns it with
    the same structure, shapes and dtypes. ``xs``: Tensors whose first axis is the steps, in a container if there are
    several; ``None`` where there are none, with ``length`` saying how many steps there are. ``y`` may be a container,
    or ``None``. With ``reverse`` the last step comes first; ``xs[t]`` still belongs to ``ys[t]``.

    ``f`` is traced once, without values, as by `autograd.compile`, and its operations are repeated. So it must not
    branch on values, change anything, or draw random numbers: choose with `autograd.where`, and draw before. Tensors
    that it captures, such as weights, get their gradients like arguments. Derivatives of any order are loops, too: time
    and memory grow linearly with the number of steps.

    For the derivative each step keeps what its rules need. A scan whose step is a scan needs less memory: only the
    carry before each inner scan is kept, and the backward pass computes that scan again. Inner scans of about the
    square root of all steps need the least (T. Chen et al., "Training deep nets with sublinear memory cost", 2016).

    Raises `ShapeError` for xs of different lengths and for a carry that changes its shape or structure, `DTypeError`
    for one that changes its dtype, `DomainError` for a negative length, and `TraceError` where ``f`` can't be traced.

    >>> from glassgrad import autograd as ag
    >>> total, sums = ag.scan(lambda total, x: (total + x, total + x), ag.Tensor(0.0), ag.Tensor([1.0, 2.0, 3.0]))
    >>> total, sums
    (Tensor(6.0), Tensor([1.0, 3.0, 6.0]))
    >>> w = ag.Tensor(2.0, requires_grad=True)
    >>> power, _ = ag.scan(lambda p, _: (w * p, None), ag.Tensor(1.0), length=3)
    >>> power.backward()
    >>> power, w.grad
    (Tensor(8.0, op=reshape), Tensor(12.0))
    """
    check_function(f, "f", "the function of a scan, f(carry, x) -> (carry, y)")
    carries, carry_structure, carry_paths = _taken_apart(carry, "carry")
    columns, xs_structure, xs_paths = _taken_apart(xs, "xs")
    steps = _length(columns, xs_paths, length)
    name = identifier(getattr(f, "__name__", type(f).__name__).replace("<lambda>", "step"))
    structure: Any = None

    def step(given: list[Tensor], mark: Any) -> list[Any]:
        nonlocal structure
        before = trees.unflatten(carry_structure, given[: len(carries)])
        result = f(before, trees.unflatten(xs_structure, given[len(carries) :]))
        if not (isinstance(result, tuple) and len(result) == 2):
            raise DTypeError(
                f"{name} returned {of_type(result)}: the function of a scan returns the pair (carry, y), where y may "
                "be None."
            )
        after, structure_after, _ = _taken_apart(result[0], "carry")
        if structure_after != carry_structure:
            raise ShapeError(
                f"{name} was given the carry {trees.describe(carry_structure)} and returned "
                f"{trees.describe(structure_after)}: what it returns is the carry of the next step, and must have the "
                "same structure."
            )
        for path, x, y in zip(carry_paths, given, after, strict=False):
            if (x.shape, x.dtype) != (y.shape, y.dtype):
                raise (DTypeError if x.shape == y.shape else ShapeError)(
                    f"{name} was given {path} of shape {x.shape} {x.dtype} and returned it with shape {y.shape} "
                    f"{y.dtype}: it is the carry of the next step, and must keep its shape and dtype."
                )
        ys, structure, _ = _taken_apart(result[1], "y")
        return [*after, *ys]

    types = [*(_typed(x, of_rows=False) for x in carries), *(_typed(x, of_rows=True) for x in columns)]
    body, captured = body_of(step, types, name, [*carry_paths, *xs_paths], (len(carries), len(columns)))
    given = [*carries, *columns, *captured]
    results = looped(TENSORS, given, body, steps, bool(reverse))
    ends = results[: len(carries)] if steps else carries
    return trees.unflatten(carry_structure, ends), trees.unflatten(structure, results[len(carries) :])


def repeated(
    step: Callable[..., tuple[list[Any], list[Any]]],
    carries: Sequence[Any],
    xs: Sequence[Any],
    consts: Sequence[Any] = (),
    *,
    reverse: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """`scan` of ``step(carries, xs, consts) -> (carries, ys)``, all lists of Tensors. ``step`` must be a module-level
    function that depends on nothing else.

    So it is traced once for each combination of shapes and dtypes, and not at each call.
    """
    given = [asarray(x) for x in (*carries, *xs, *consts)]
    first, second = len(carries), len(carries) + len(xs)
    types = tuple(_typed(x, of_rows=first <= i < second) for i, x in enumerate(given))
    steps = _length(given[first:second], [f"xs[{i}]" for i in range(len(xs))], None)
    results = looped(TENSORS, given, _repeated_body(step, types, first, second), steps, reverse)
    return results[:first], results[first:]


@lru_cache(maxsize=256)
def _repeated_body(step: Callable[..., Any], types: tuple[Typed, ...], first: int, second: int) -> Body:
    """The body of a step for arguments of these types, recorded once."""

    def listed(given: list[Tensor], mark: Any) -> list[Any]:
        after, ys = step(given[:first], given[first:second], given[second:])
        return [*after, *ys]

    kinds = [*["carry"] * first, *["x"] * (second - first), *["weight"] * (len(types) - second)]
    names = [f"{kind}_{i - kinds.index(kind)}" for i, kind in enumerate(kinds)]
    return body_of(listed, types, step.__name__, names, (first, second - first))[0]


def _typed(x: Tensor, *, of_rows: bool) -> Typed:
    """The shape and dtype of an argument, or of one of its rows, on any device."""
    return x.shape[of_rows:], backends.as_dtype(str(x.dtype).rpartition(".")[2])


def body_of(
    step: Callable[..., Any], types: Sequence[Typed], name: str, names: Sequence[str], counts: tuple[int, int]
) -> tuple[Body, list[Any]]:
    """The body traced from ``step(inputs, mark)`` for inputs of these types (``counts``: how many carries and xs; the
    rest are consts), and the Tensors and arrays that it captured, which become further consts.
    """
    found = recorded(step, types, name, names)
    inputs = [*range(len(types)), *(number for _, number in found.captured)]
    outputs = [out for out in found.outputs if out is not None]
    body = renumbered(name, inputs, (*counts, len(inputs) - sum(counts)), found, found.steps, outputs)
    return body, [thing for thing, _ in found.captured]


def _taken_apart(tree: Any, name: str) -> tuple[list[Tensor], Any, list[str]]:
    """The leaves as Tensors, the structure, and the name of each leaf."""
    leaves, structure = trees.flatten(tree)
    return [asarray(leaf) for leaf in leaves], structure, trees.paths(structure, name)


def _length(columns: list[Tensor], paths: list[str], length: Any) -> int:
    """The number of steps."""
    if length is not None and (type(length) is not int or length < 0):
        raise DomainError(f"length = {shown(length)}: give the number of steps, a whole number of at least 0.")
    lengths = {x.shape[:1] for x in columns} | (set() if length is None else {(length,)})
    if len(lengths) > 1 or () in lengths:
        said = ", ".join(f"{path} {x.shape}" for x, path in zip(columns, paths, strict=True))
        told = "" if length is None else f", length = {length}"
        raise ShapeError(f"scan: the first axis of xs is that of the steps, of one length for all: {said}{told}.")
    if not lengths:
        raise DomainError("scan: without xs the number of steps is unknown: give length.")
    return int(*lengths.pop())


KERNELS.append(step_kernel)
