"""The body of a loop: one step as a list of operations, and the two bodies of its derivative.

`autograd.ops.scan` runs bodies; `autograd.compiler.tracing.bodies` records them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from autograd import backends
from autograd.common.shapes import Shape, normalize_axes, size
from autograd.engine.backward import backward_steps
from autograd.engine.declare.operation import OPS, Op
from autograd.engine.graph import vertex_of
from autograd.engine.tensor import Tensor

Typed = tuple[Shape, Any]
"""A shape and a dtype."""


RAISING = ("autograd.ops.factorizations", "autograd.ops.matrices")
"""The modules of the operations that raise an error for some matrices."""


class Step(NamedTuple):
    """One operation of a body. ``args`` and ``out`` are numbers of values; bit i of ``mask`` says that a gradient flows
    to argument i.
    """

    op: Op
    args: tuple[int, ...]
    params: dict[str, Any]
    out: int
    mask: int = -1


class Functions(NamedTuple):
    """A body as functions of arrays: ``before(xp, *consts)`` computes the values that are the same at all steps,
    ``ahead(xp, *xs, *consts, *before)`` those that are computed for all steps at once, and ``step(xp, *inputs,
    *before, *ahead)`` those of one step.
    """

    before: Callable[..., list[Any]]
    ahead: Callable[..., list[Any]]
    step: Callable[..., list[Any]]


class Body:
    """A function of arrays as a list of operations: what a loop does at one step.

    Values have numbers: first the inputs, of which ``carries`` are passed from a step to the next, ``xs`` have one
    entry for each step and ``consts`` are the same at all steps (all three are counts); then the ``constants``, with
    their values, and the results of ``steps``. ``types`` are the shapes and dtypes of all of them, ``outputs`` the
    numbers of the new carries and of the results ``ys``. ``name`` is the function's, ``names`` are those of the inputs.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        counts: tuple[int, int, int],
        types: dict[int, Typed],
        constants: dict[int, Any],
        steps: Sequence[Step],
        outputs: Sequence[int],
        record: Callable[..., Any],
    ) -> None:
        self.name, self.names, self.types, self.constants = name, tuple(names), types, constants
        self.carries, self.xs, self.consts = counts
        self.outputs, self.record = tuple(outputs), record
        self.steps = needed(steps, self.outputs)
        self.core: Body | None = None
        """For the forward of a derivative: the body that it extends by further ys."""
        self.runs = 0
        """How many steps have been run in NumPy: a body that is run often is compiled."""
        self.kernel: Any = None
        """The compiled body; ``False`` where it can't be compiled."""
        self.program: Any = None
        """One step as a program, made at its first use."""
        self._derivatives: dict[Any, Derivative] = {}
        self._functions: dict[Any, Functions] = {}

    @property
    def inputs(self) -> range:
        """The numbers of the inputs."""
        return range(self.carries + self.xs + self.consts)

    @property
    def dtypes(self) -> list[Any]:
        """The dtypes of the outputs, each once."""
        return list(dict.fromkeys(self.types[out][1] for out in self.outputs))

    @property
    def may_raise(self) -> bool:
        """Whether a step may raise an error because of values: an index out of range, a matrix without an inverse."""
        kinds = (self.types[a][1] for step in self.steps for a in step.args)
        inner = (step.params["loop"].body for step in self.steps if "loop" in step.params)
        return (
            any(kind is not None and backends.is_integral(kind) for kind in kinds)
            or any(step.op.foreign or step.op.__module__ in RAISING for step in self.steps)
            or any(body.may_raise for body in inner)
        )

    def parts(self, length: int, dtype: Any) -> list[tuple[int, slice, Shape]]:
        """The outputs of ``dtype`` in the packed result: the number of each output, its position, its shape. The
        carries are those after the last step; the ys of all steps are stacked.
        """
        found, start = [], 0
        for i, out in enumerate(self.outputs):
            shape, kind = self.types[out]
            shape = shape if i < self.carries else (length, *shape)
            if kind == dtype:
                found.append((i, slice(start, start + size(shape)), shape))
                start += size(shape)
        return found

    def run(self, *inputs: Any) -> list[Any]:
        """The outputs for these inputs, Tensors or arrays, recorded as operations where Tensors require grad."""
        values = {**dict(enumerate(inputs)), **self.constants}
        for step in self.steps:
            given = [
                x.detach() if isinstance(x, Tensor) and x.requires_grad and not step.mask >> i & 1 else x
                for i, x in enumerate(values[a] for a in step.args)
            ]
            values[step.out] = step.op(*given, **step.params)
        return [values[out] for out in self.outputs]

    def functions(self, xp: Any) -> Functions:
        """The body as functions of the arrays of a namespace."""
        key = xp.module, xp.place
        if key not in self._functions:
            self._functions[key] = self._written(xp)
        return self._functions[key]

    def _written(self, xp: Any) -> Functions:
        """`functions`, written as Python code, a line for each operation."""
        names: dict[str, Any] = {"rows": _on_rows, "by_columns": _by_columns, "apart": _apart}
        for number, value in self.constants.items():
            elsewhere = getattr(value, "shape", ()) and xp is not backends.NUMPY and not xp.absorbs
            names[f"v{number}"] = xp.asarray(value) if elsewhere else value
        first = self.carries + self.xs
        same = invariant(self.steps, {*self.inputs[first:], *self.constants})
        lines: dict[str, list[tuple[str, str]]] = {"before": [], "ahead": [], "step": []}
        for i, step in enumerate(self.steps):
            names[f"f{i}"] = _returned(step.op) if step.op.foreign else step.op.forward
            names[f"p{i}"] = step.params
            if xp.absorbs and OPS.get(step.op.name) is step.op:  # in a trace
                names[f"f{i}"] = partial(_traced, step.op.name)
            given = ", ".join(["xp", *(f"v{a}" for a in step.args), *([f"**p{i}"] if step.params else [])])
            call = f"f{i}({given})"
            place = "before" if step.out in same else "step"
            if place == "before" and step.op.name in ("matrix_transpose", "permute_dims"):
                call = f"apart(xp, {call})"
            elif place == "step" and self._is_product_of_x(step, same):
                place, call = "ahead", f"rows(f{i}, {given})"
            elif place == "step" and step.op.name == "linear" and step.args[1] in same:
                weight = f"v{step.args[1]}"
                lines["before"].append((f"{weight}_T", f"apart(xp, {weight}.T)"))
                given = ", ".join(f"{weight}_T" if k == 1 else f"v{a}" for k, a in enumerate(step.args))
                call = f"by_columns(xp, {given})"
            lines[place].append((f"v{step.out}", call))
        inputs = [f"v{i}" for i in self.inputs]
        before, ahead = (list(dict.fromkeys(name for name, _ in lines[place])) for place in ("before", "ahead"))
        arguments = {
            "before": inputs[first:],
            "ahead": [*inputs[self.carries :], *before],
            "step": [*inputs, *before, *ahead],
        }
        results = {"before": before, "ahead": ahead, "step": [f"v{out}" for out in self.outputs]}
        source = [
            line
            for place, given in arguments.items()
            for line in (
                f"def {place}({', '.join(['xp', *given])}):",
                *(f"    {name} = {call}" for name, call in lines[place]),
                f"    return [{', '.join(results[place])}]",
            )
        ]
        exec(compile("\n".join(source), f"<body of {self.name}>", "exec"), names)
        return Functions(*(names[place] for place in arguments))

    def _is_product_of_x(self, step: Step, same: set[int]) -> bool:
        """Whether a step is the product of one of the xs with a matrix that is the same at all steps."""
        x, *others = step.args
        return (
            step.op.name in ("matmul", "linear")
            and self.carries <= x < self.carries + self.xs
            and same.issuperset(others)
            and len(self.types[others[0]][0]) == len("mn")
        )

    def derivative(self, wanted: tuple[bool, ...]) -> Derivative:
        """The two bodies of a step and its gradients, with respect to the ``wanted`` inputs and all carries."""
        key = wanted, max((step.op.redeclared for step in self.steps), default=0)
        if key not in self._derivatives:
            number = len(self._derivatives) + 1
            self._derivatives[key] = _derivative(self, wanted, f"_{number}" if number > 1 else "")
        return self._derivatives[key]

    def __deepcopy__(self, memo: Any) -> Body:
        return self  # it is immutable

    def __repr__(self) -> str:
        return f"<body {self.name}, {len(self.steps)} operations>"


def _returned(operation: Op) -> Callable[..., Any]:
    """The forward of a user's operation, with its result converted to an array."""

    def forward(xp: Any, *arrays: Any, **params: Any) -> Any:
        return backends.asarray(operation.forward(xp, *arrays, **params))

    return forward


def _traced(name: str, xp: Any, *arrays: Any, **params: Any) -> Any:
    return xp.followed(name, arrays, params)


def _on_rows(forward: Callable[..., Any], xp: Any, x: Any, *others: Any, **params: Any) -> Any:
    """The matrix products ``forward`` of all steps, computed as one product of all rows."""
    out = forward(xp, xp.reshape(x, (size(x.shape[:-1]), x.shape[-1])), *others, **params)
    return xp.reshape(out, (*x.shape[:-1], out.shape[-1]))


def _by_columns(xp: Any, x: Any, columns: Any, bias: Any = None) -> Any:
    """`linear` with the weight's transpose, which is row-major: the product takes half of the time."""
    z = xp.matmul(x, columns)
    if bias is not None:
        z += bias
    return z


def _apart(xp: Any, x: Any) -> Any:
    """A row-major copy of a transposed array."""
    return xp.reshape(xp.reshape(x, (-1,)), x.shape)


def needed(steps: Iterable[Step], outputs: Iterable[int]) -> list[Step]:
    """The steps that outputs depend on."""
    found, wanted = [], set(outputs)
    for step in reversed(list(steps)):
        if step.out in wanted:
            found.append(step)
            wanted.update(step.args)
    return found[::-1]


def invariant(steps: Iterable[Step], known: Iterable[int]) -> set[int]:
    """The values that depend only on ``known`` ones, including these."""
    found = set(known)
    for step in steps:
        if found.issuperset(step.args):
            found.add(step.out)
    return found


# ---------------------------------------------------------------------------------------------------------- derivatives


class AfterLoop(NamedTuple):
    """The gradient of the input ``of``, or a part of it, which is computed after the loop from the values of all steps.

    ``left`` and ``right`` are values of the body. ``kind``:

    - ``"product"``: leftᵀ · right, where each has the rows of all steps below each other;
    - ``"sum"``: the sum of left along ``axes`` and over the steps;
    - ``"rows"``: left times right at each step; right is transposed if ``axes`` is (1, 0).
    """

    kind: str
    of: int
    left: int
    right: int = -1
    axes: tuple[int, ...] = ()


class Derivative(NamedTuple):
    """A body and its gradients, as two bodies. The lists hold numbers of values of the body.

    ``forward``: the body, with the values ``kept`` for the gradients as further ys. ``backward``: the gradients of one
    step. Its carries are the gradients of the carries ``through`` and the totals of the gradients of the consts
    ``sums``. Its xs are the gradients of the ys ``ends``, the values ``kept``, and the ``xs`` that it reads; its consts
    are the ``consts`` that it reads. Its ys are the gradients of the xs ``slopes``, and the values ``sent`` (with their
    places among the outputs) from which the gradients ``after_loop`` are computed.
    """

    forward: Body
    backward: Body
    through: list[int]
    sums: list[int]
    ends: list[int]
    kept: list[int]
    xs: list[int]
    consts: list[int]
    slopes: list[int]
    sent: dict[int, int]
    after_loop: list[AfterLoop]


class _Writer:
    """A list of steps under construction."""

    def __init__(self, steps: list[Step], types: dict[int, Typed], constants: dict[int, Any]) -> None:
        self.steps, self.types, self.constants = steps, types, constants

    def emit(self, op: str, args: tuple[int, ...], kind: Typed, **params: Any) -> int:
        """Append a step; returns the number of its result."""
        out = len(self.types)
        self.types[out] = kind
        self.steps.append(Step(OPS[op], args, params, out))
        return out

    def zero(self, kind: Typed) -> int:
        """Add a constant of zeros; returns its number."""
        number = len(self.types)
        self.types[number] = kind
        self.constants[number] = backends.NUMPY.zeros(kind[0], dtype=kind[1])[()]
        return number


def _derivative(body: Body, wanted: tuple[bool, ...], suffix: str) -> Derivative:
    def is_real(number: int) -> bool:
        return bool(backends.is_real(body.types[number][1]))

    first, count = body.carries + body.xs, len(body.inputs)
    through = [i for i in range(body.carries) if is_real(i)]
    others = [i for i in range(body.carries, count) if wanted[i] and is_real(i)]
    ends = [i for i in range(body.carries, len(body.outputs)) if is_real(body.outputs[i])]
    seeds = [body.types[body.outputs[i]] for i in (*through, *ends)]
    joint = body.record(
        lambda given, mark: _pulled(body, given, mark, through, ends, [*through, *others]),
        [*(body.types[i] for i in body.inputs), *seeds],
        f"gradient_of_{body.name}",
        [*body.names, *(f"d_{i}" for i in range(len(seeds)))],
    )
    types, constants = joint.types, joint.constants
    for i, found in enumerate(joint.captured, count + len(seeds)):  # arrays that are constants of the body
        constants[i] = found.data if isinstance(found, Tensor) else found
    ours = joint.steps[: joint.mark]
    results = dict(zip((*through, *others), joint.outputs[len(body.outputs) :], strict=True))
    same = invariant(joint.steps, {*range(first, count), *constants})
    writer = _Writer(_joined(joint.steps[joint.mark :], types, joint.outputs), types, constants)
    makers = {step.out: step for step in (*joint.steps, *writer.steps)}
    after_loop: list[AfterLoop] = []
    sums, slopes = [], []
    carried = [*range(count, count + len(through))]  # the numbers of the carries of the backward body
    totals = []
    for i in others:
        if results[i] is None:
            continue
        left: list[int] = []
        for part in _addends(results[i], makers, types) if i >= first else [results[i]]:
            late = _after_loop(i, part, makers, same, types, is_summed=i >= first, inputs=count)
            after_loop += [late] if late is not None else []
            left += [] if late is not None else [part]
        if i < first and left:
            slopes.append(i)
        elif left:
            sums.append(i)
            total = len(types)
            types[total] = body.types[i]
            carried.append(total)
            for part in left:
                total = writer.emit("add", (total, part), body.types[i])
            totals.append(total)
    ours_known = {*range(count), *constants, *(s.out for s in ours)}
    parts = dict.fromkeys(a for late in after_loop for a in (late.left, late.right) if a >= 0)
    sent = [a for a in parts if a not in ours_known and a not in same]
    outputs = [results[i] if results[i] is not None else writer.zero(body.types[i]) for i in through]
    outputs += [*totals, *(results[i] for i in slopes)]
    carries = len(through) + len(sums)
    outputs += [a for a in sent if a not in outputs[carries:]]
    places = {a: outputs.index(a, carries) for a in sent}
    theirs = needed(writer.steps, outputs)
    known = {*range(count), *constants, *(s.out for s in ours)}
    theirs = [*needed((s for s in ours if s.out in same), (a for s in theirs for a in s.args)), *theirs]
    made = {s.out for s in theirs}
    read = dict.fromkeys(a for a in (*(a for s in theirs for a in s.args), *outputs) if a in known and a not in made)
    kept = [a for a in (read | parts) if a in known and a not in same and not body.carries <= a < first]
    xs = [a for a in read if body.carries <= a < first]
    consts = [a for a in read if first <= a < count]
    forward = Body(
        f"forward_of_{body.name}{suffix}", body.names, (body.carries, body.xs, body.consts), types,
        constants, ours, [*joint.outputs[: len(body.outputs)], *kept], body.record,
    )  # fmt: skip
    forward.core = body
    inputs = [*carried, *range(count + len(through), count + len(seeds)), *kept, *xs, *consts]
    counts = len(carried), len(inputs) - len(carried) - len(consts), len(consts)
    backward = _renumbered(f"gradient_of_{body.name}{suffix}", inputs, counts, joint, theirs, outputs)
    return Derivative(forward, backward, through, sums, ends, kept, xs, consts, slopes, places, after_loop)


def _pulled(
    body: Body, given: Sequence[Any], mark: Callable[[], None], through: Any, ends: Any, wanted: Any
) -> list[Any]:
    """The outputs of a step, and the gradients of the ``wanted`` inputs."""
    count = len(body.inputs)
    outputs = body.run(*given[:count])
    mark()
    pairs = [
        (outputs[i], seed)
        for i, seed in zip((*through, *ends), given[count:], strict=True)
        if isinstance(outputs[i], Tensor) and outputs[i].requires_grad
    ]
    places = {vertex_of(given[i]): i for i in wanted}
    found: dict[int, Any] = {}
    if pairs:
        ys, seeds = zip(*pairs, strict=True)
        for vertex, g, _ in backward_steps(ys, seeds, create_graph=True, inputs=[given[i] for i in wanted]):
            if vertex in places:
                found[places[vertex]] = g
    return [*outputs, *(found.get(i) for i in wanted)]


def _renumbered(
    name: str, inputs: list[int], counts: tuple[int, int, int], joint: Any, steps: list[Step], outputs: list[int]
) -> Body:
    """A body of ``steps`` with its values renumbered, ``inputs`` first."""
    numbers: dict[int, int] = {old: new for new, old in enumerate(inputs)}
    types = {new: joint.types[old] for old, new in numbers.items()}
    constants = {}

    def number(old: int) -> int:
        if old not in numbers:
            new = numbers[old] = len(numbers)
            types[new] = joint.types[old]
            if old in joint.constants:
                constants[new] = joint.constants[old]
        return numbers[old]

    made = [s._replace(args=tuple(map(number, s.args)), out=number(s.out)) for s in steps]
    names = [joint.names.get(i, f"v{i}") for i in inputs]
    return Body(name, names, counts, types, constants, made, list(map(number, outputs)), joint.record)


def _addends(value: int, makers: dict[int, Step], types: dict[int, Typed]) -> list[int]:
    """The values of one shape that add up to ``value``."""
    maker = makers.get(value)
    if maker is None or maker.op.name != "add" or any(types[a] != types[value] for a in maker.args):
        return [value]
    return [part for arg in maker.args for part in _addends(arg, makers, types)]


def _transposed(value: int, makers: dict[int, Step]) -> int | None:
    """The matrix of which ``value`` is the transpose, or ``None``."""
    maker = makers.get(value)
    if maker is None:
        return None
    turned = maker.op.name == "matrix_transpose" or (
        maker.op.name == "permute_dims" and tuple(maker.params["axes"]) == (1, 0)
    )
    return maker.args[0] if turned else None


def _after_loop(
    of: int, value: int, makers: dict[int, Step], same: set[int], types: dict[int, Typed], is_summed: bool, inputs: int
) -> AfterLoop | None:
    """How to compute ``value``, a contribution to the gradient of input ``of``, for all steps at once after the loop;
    ``None`` where it has to be computed at each step. ``is_summed``: the input is a const.
    """
    maker = makers.get(value)
    if maker is None or value in same:
        return None
    matrices = [len(types[a][0]) == len("mn") for a in maker.args]
    if maker.op.name == "matmul" and all(matrices):
        left, right = maker.args
        if is_summed:
            source = _transposed(left, makers)
            if source is not None and source not in same and right not in same:
                return AfterLoop("product", of, source, right)
        elif right in same and left not in same:
            source = _transposed(right, makers)
            if right < inputs:
                return AfterLoop("rows", of, left, right)
            if source is not None and source < inputs:
                return AfterLoop("rows", of, left, source, (1, 0))
    if is_summed and maker.op.name == "sum" and not maker.params.get("keepdims"):
        (left,) = maker.args
        axes = normalize_axes(maker.params.get("axis"), len(types[left][0]))
        if left not in same:
            return AfterLoop("sum", of, left, axes=axes)
    return None


def _joined(steps: Sequence[Step], types: dict[int, Typed], outputs: Iterable[int | None]) -> list[Step]:
    """The steps, with one `concat` in place of each sum of gradients of disjoint slices, which are zero elsewhere."""
    uses: dict[int, int] = {}
    for arg in (a for s in steps for a in s.args):
        uses[arg] = uses.get(arg, 0) + 1
    for out in outputs:
        if out is not None:
            uses[out] = uses.get(out, 0) + 1
    pieces: dict[int, tuple[int, dict[tuple[int, int], int]]] = {}  # the axis, and pieces by start and end
    found: list[Step] = []
    for step in steps:
        place = None
        if step.op.name == "scatter_add":
            place = _piece(step.params["index"], types[step.out][0])
            if place is not None:
                pieces[step.out] = place[0], {place[1:]: step.args[0]}
        elif step.op.name == "add":
            parts = [pieces.get(a) for a in step.args if uses[a] == 1]
            if len(parts) == len(step.args) and all(parts) and len({p[0] for p in parts if p}) == 1:
                axis = parts[0][0]  # type: ignore[index]
                merged = {span: a for p in parts if p for span, a in p[1].items()}
                spans = sorted(merged)
                apart = all(a[1] <= b[0] for a, b in pairwise(spans))
                if apart and len(merged) == sum(len(p[1]) for p in parts if p):
                    pieces[step.out] = axis, merged
                    length = types[step.out][0][axis]
                    ends = [0, *(stop for _, stop in spans)]
                    if [start for start, _ in spans] == ends[:-1] and ends[-1] == length:
                        joined = tuple(merged[span] for span in spans)
                        found.append(Step(OPS["concat"], joined, {"axis": axis}, step.out))
                        continue
        found.append(step)
    return needed(found, [*(out for out in outputs if out is not None)])


def _piece(index: Any, shape: Shape) -> tuple[int, int, int] | None:
    """``(axis, start, stop)`` where a basic index takes ``start:stop`` along one axis, else ``None``."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if sum(part is ... for part in parts) > 1 or any(part is not ... and not isinstance(part, slice) for part in parts):
        return None
    dots = parts.index(...) if ... in parts else len(parts)
    rest = len(shape) - sum(part is not ... for part in parts)
    parts[dots : dots + 1] = [slice(None)] * rest
    spans = [part.indices(n) for part, n in zip(parts, shape, strict=True)]
    partial = [i for i, (span, n) in enumerate(zip(spans, shape, strict=True)) if span != (0, n, 1)]
    if len(partial) != 1 or spans[partial[0]][2] != 1 or spans[partial[0]][0] >= spans[partial[0]][1]:
        return None
    start, stop, _ = spans[partial[0]]
    return partial[0], start, stop
