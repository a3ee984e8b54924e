"""Forward mode: the tangent of an operation is the transpose of its own rule.

A rule is linear in the upstream gradient ``g``: ``x̄ = Jᵀ g``. So the tangent ``J ẋ`` of the result is the gradient of
``x̄ · ẋ`` with respect to ``g`` (J. Townsend, "A new trick for calculating Jacobian vector products", 2017). The rule is
recorded once in ``g`` alone, for arguments of these shapes, and transposed by the rules of the operations that it
consists of: what remains is a list of operations from the arguments to the tangent, which is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from glassgrad.autograd import backends, trees
from glassgrad.autograd.backends import NUMPY, SPACES, is_inexact
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.compiler.tracing.bodies import recorded
from glassgrad.autograd.engine.backward import backward_steps, unbroadcast
from glassgrad.autograd.engine.modes import MODE, Mode, enable_grad
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor, wrap
from glassgrad.autograd.errors import DeclarationError, DomainError, DTypeError, TraceError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import check_pairs, directions, name_of, results_of, variables_of
from glassgrad.autograd.ops.loops.body import Step, needed
from glassgrad.autograd.readings.levels import LIFTED, RECORDER, TRANSPOSING, Level, Lifted

# ------------------------------------------------------------------------------------------------ the rule, transposed


def transposed(op: Op, values: Sequence[Any], out: Any, g: Tensor, tangents: dict[int, Any], params: Any) -> Any:
    """The tangent of ``out = op(*values)`` along ``tangents`` of some arguments, a Tensor, or ``None`` where it is 0.

    ``g``, which requires grad, stands for the upstream gradient; its values make no difference, because rules are
    linear in it. Raises `DeclarationError` for a rule that is not.
    """
    parts = _pulled(TENSORS, op, [*map(_constant, values)], _constant(out), g, tangents, params)
    pairs = []
    for i, tangent in tangents.items():
        part = parts[i]
        if part is not None and part.requires_grad:
            if part.shape != tangent.shape or part.dtype != tangent.dtype:
                part = unbroadcast(TENSORS, part, tangent)
            pairs.append((part, tangent))
    if not pairs:
        return None
    ys, seeds = zip(*pairs, strict=True)
    steps = backward_steps(ys, seeds, create_graph=True, inputs=[g])
    return next((total for vertex, total, _ in steps if vertex is g), None)


def _pulled(xp: Any, op: Op, values: Sequence[Any], out: Any, g: Any, tangents: Iterable[int], params: Any) -> Any:
    """What the rules of an operation for some of the arguments make of ``g``."""
    node = SimpleNamespace(op=op, inputs=tuple(values), params=params, shape=out.shape)
    known = {op.args[0]: node.inputs} if op.variadic else dict(zip(op.args, values, strict=False))
    return op.plans[sum(1 << i for i in tangents)].pull(g, xp, node, (*map(known.get, op.args), out))


def _constant(x: Any) -> Any:
    return wrap(x.data if isinstance(x, Tensor) else x) if hasattr(x, "shape") else x


def _transposed_now(op: Op, values: Sequence[Any], out: Any, tangents: dict[int, Any], params: Any) -> Any:
    """The tangent as an array, by recording and transposing the rules for these very arrays."""
    g = wrap(LIFTED.zeros_like(out)).requires_grad_()
    mode = MODE.get()
    with holding(MODE, Mode(True, mode.scope, mode.observer)), holding(TRANSPOSING, True):
        found = transposed(op, values, out, g, {i: wrap(t) for i, t in tangents.items()}, params)
    if found is not None and found.requires_grad and "loop" not in params:  # a loop passes g on where nothing reads it
        raise _not_linear(op)
    return None if found is None else found.data


def _not_linear(op: Op) -> DeclarationError:
    return DeclarationError(
        f"a rule of {op.name} is not linear in g, so it is not a derivative: it may multiply g by other values and add "
        "such products, but not use g in any other way, as a Python number, or within no_grad."
    )


def check_linear(op: Op, values: Sequence[Any], out: Any, tangents: Iterable[int], params: Any) -> None:
    """Raise `DeclarationError` for a user's rule that is not linear in ``g`` for arrays like these, also one within a
    loop: its transpose would leave out a term without ``g``, and one that is computed from ``g`` unrecorded. Arrays are
    taken in double precision, in which a small such term is larger than rounding, and those of a trace, or of a level,
    are replaced by random ones; a rule that can't be computed for these is not checked.
    """
    draw = NUMPY.random.default_rng(0)

    def drawn(shape: Any, dtype: Any) -> Any:
        return NUMPY.asarray(draw.uniform(0.1, 0.9, tuple(shape)), dtype=dtype)

    def fine(x: Any) -> Any:
        return NUMPY.asarray(x, dtype=NUMPY.result_type(x, "d")) if is_inexact(getattr(x, "dtype", 0)) else x

    if "loop" in params:  # of its function each operation that is the user's
        body = params["loop"].body
        for step in body.steps:
            if step.op.foreign or "loop" in step.params:
                known = [body.constants[a] if a in body.constants else drawn(*body.types[a]) for a in step.args]
                mask = step.op.plans[step.mask & (1 << len(known)) - 1].mask
                if along := {i: x for i, x in enumerate(known) if mask >> i & 1}:
                    rule_for(step.op, known, drawn(*body.types[step.out]), along, step.params)
        return
    if not op.foreign:
        return  # those of this package are tested
    kinds = {type(x) for x in (*values, out) if hasattr(x, "shape") and SPACES.get(type(x)) is not NUMPY}
    *known, result = [fine(drawn(x.shape, x.dtype) if type(x) in kinds else x) for x in (*values, out)]
    u, w = (drawn(result.shape, result.dtype) for _ in range(2))
    along = {i: drawn(known[i].shape, known[i].dtype) for i in tangents}
    gaps: list[Any] = []  # sums that have to be 0, each with the size of its terms, and what is lost where terms cancel
    outside = holding(TRACER, None), holding(RECORDER, None), holding(MODE, Mode(False, None, None))
    with outside[0], outside[1], outside[2], NUMPY.errstate(all="ignore"), suppress(Exception):
        given = [*map(_constant, known)], _constant(result)
        seeds = u, w, u - 30 * w, -1024 * u, 3 * u  # a power of 2 changes no digit of a normal number, whatever cancels
        pulled = [_pulled(TENSORS, op, *given, wrap(g), along, params) for g in seeds]
        parts = {i: [asarray(x[i]).data for x in pulled] for i, x in enumerate(pulled[0]) if x is not None}
        lost = {i: 2e-14 + 1e3 * NUMPY.nanmax(abs(p[4] - 3 * p[0]), initial=0.0) for i, p in parts.items()}
        for i, (x, y, z, far, _) in parts.items():
            gaps += [(far + 1024 * x, abs(far), 1e-35), (x - 30 * y - z, abs(x) + abs(y) + abs(z), lost[i])]
        slope = _transposed_now(op, known, result, along, params)
        terms = [-part[0] * along[i] for i, part in parts.items()] + ([] if slope is None else [u * slope])
        unsure = sum(lost[i] * abs(along[i]).sum() for i in parts)
        gaps.append((sum(term.sum() for term in terms).real, sum(abs(term).sum() for term in terms), unsure))
    if any(NUMPY.any(abs(gap) > 2e-11 * size + unsure) for gap, size, unsure in gaps):
        raise _not_linear(op)


class TangentRule:
    """The tangent of an operation as a list of operations, derived from its rules, for arguments of given shapes.

    ``values`` and ``out`` are an example of its arguments and its result, ``tangents`` those of the arguments that have
    one. With ``any_number`` Python numbers among the arguments are arguments of the rule, too, and ``for_any_number``
    says whether it is right for all of them: where they are only operands beside arrays. Raises `DeclarationError`
    where the rules are not linear in ``g``, and `TraceError` where they ask for values.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.readings.forward import TangentRule
    >>> import numpy
    >>> x = numpy.ones(3)
    >>> print(TangentRule(ag.sin, [x], x, {0: x}, {}))
    def tangent(xp, x, d_x):
        v4 = xp.cos(x)
        v6 = xp.multiply(d_x, v4)
        return v6
    """

    def __init__(
        self, op: Op, values: Sequence[Any], out: Any, tangents: dict[int, Any], params: Any, any_number: bool = False
    ) -> None:
        if "index" in params:  # the number of elements that a mask picks depends on values
            index = without_masks(params["index"])
            params = params | {"index": tuple(index) if len(index) != 1 else index[0]}
        numbers = [i for i, x in enumerate(values) if any_number and type(x) in NUMBERS and op.broadcasts]
        self.arrays = [i for i, x in enumerate(values) if hasattr(x, "shape") or i in numbers]
        args = [f"{op.args[0]}{i}" for i in range(len(values))] if op.variadic else list(op.args)
        self.names = [*(args[i] for i in self.arrays), "out", "g", *(f"d_{args[i]}" for i in tangents)]
        given = [*(values[i] for i in self.arrays), out, out, *tangents.values()]
        types = [(tuple(getattr(x, "shape", ())), backends.as_dtype(getattr(x, "dtype", out.dtype))) for x in given]
        fixed, places, count = [None if hasattr(x, "shape") else x for x in values], list(tangents), len(self.arrays)

        def follow(tensors: list[Tensor], _: Any) -> list[Any]:
            inputs = list(fixed)
            for i, tensor in zip(self.arrays, tensors, strict=False):
                inputs[i] = tensor
            result, g, *seeds = tensors[count:]
            return [transposed(op, inputs, result, g, dict(zip(places, seeds, strict=True)), params)]

        del given  # the recorder asks that no array of the outside is kept
        with holding(TRACER, None):  # a rule depends on no array of a trace
            found = recorded(follow, types, f"tangent of {op.name}", self.names)
        (self.out,) = found.outputs
        self.constants = found.constants
        self.steps: list[Step] = [] if self.out is None else needed(found.steps, [self.out])
        self.reads = {self.out, *(a for step in self.steps for a in step.args)}
        if found.captured or any("loop" in step.params for step in self.steps):
            raise TraceError(f"the rules of {op.name} compute with arrays that are not its arguments.")
        if count + 1 in self.reads:
            raise _not_linear(op)
        free = {self.arrays.index(i) for i in numbers}
        reading = [set(step.args) for step in self.steps if free & {*step.args}]
        self.for_any_number = all(len(args) == 2 and args - free - self.constants.keys() for args in reading)

    def __call__(self, values: Sequence[Any], out: Any, tangents: dict[int, Any]) -> Any:
        """The tangent, an array."""
        if self.out is None:
            return None
        given = [*(values[i] for i in self.arrays), out, None, *tangents.values()]
        known = dict(enumerate(given)) | self.constants
        xp = LIFTED if RECORDER.get() else backends.namespace(*given)
        for step in self.steps:
            arrays = [known[a] for a in step.args]
            if xp.absorbs:
                known[step.out] = LIFTED.call(step.op, arrays, step.params)
            else:
                known[step.out] = step.op.forward(xp, *arrays, **step.params)
        return known[self.out]

    def __str__(self) -> str:
        """The rule as Python."""
        called = dict(enumerate(self.names)) | {i: repr(v) for i, v in self.constants.items()}
        lines = []
        for step in self.steps:
            called[step.out] = f"v{step.out}"
            options = "".join(f", {k}={v!r}" for k, v in step.params.items())
            lines.append(f"    v{step.out} = xp.{step.op.name}({', '.join(called[a] for a in step.args)}{options})")
        used = [name for i, name in enumerate(self.names) if i in self.reads]
        result = None if self.out is None else called[self.out]
        return "\n".join([f"def tangent({', '.join(['xp', *used])}):", *lines, f"    return {result}"])


def without_masks(index: Any) -> list[Any]:
    """The parts of an index, with the places of a mask's true elements in place of it, unless it is lifted."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        part = NUMPY.asarray(part) if isinstance(part, list) else part
        masks = getattr(part, "dtype", None) == NUMPY.bool and part.shape and not isinstance(part, Lifted)
        parts += NUMPY.nonzero(part) if masks else [part]
    return parts


RULES: dict[Any, TangentRule | None] = {}
"""The derived rules by operation, arguments with tangents, shapes, dtypes and parameters; ``None`` where a rule asks
for values, so that it is transposed at each call."""

NUMBERS = {int, float}
"""Types of numbers beside arrays: most rules are the same for all of them."""

MOST_RULES = 10_000
"""With so many rules the dictionary is emptied, because the shapes of a program may never repeat."""


def _key(op: Op, values: Sequence[Any], tangents: dict[int, Any], params: Any, any_number: bool) -> Any:
    """Raises `TypeError` for a parameter that can't be looked up, such as an index of arrays."""

    def kind_of(x: Any) -> Any:
        return (tuple(x.shape), x.dtype) if hasattr(x, "shape") else _looked_up(x)

    kinds = [type(x) if any_number and type(x) in NUMBERS else kind_of(x) for x in values]
    return op, tuple(tangents), *kinds, *map(_looked_up, params.values())


def _looked_up(value: Any) -> Any:
    if isinstance(value, slice):
        return slice, *((type(part), part) for part in (value.start, value.stop, value.step))
    if isinstance(value, tuple | list):
        return type(value), *map(_looked_up, value)
    if isinstance(value, dict) or (hasattr(value, "shape") and hasattr(value, "dtype")):
        raise TypeError("an array")
    return type(value), repr(value) if isinstance(value, float | complex) else value  # -0.0 equals 0.0, NaN nothing


def rule_for(op: Op, values: Sequence[Any], out: Any, tangents: dict[int, Any], params: Any) -> TangentRule | None:
    """The derived rule; ``None`` where there is none for any arrays of these shapes."""
    rule = _rule(op, values, out, tangents, params, any_number=True)
    return rule if rule and rule.for_any_number else _rule(op, values, out, tangents, params, any_number=False)


def _rule(
    op: Op, values: Sequence[Any], out: Any, tangents: dict[int, Any], params: Any, any_number: bool
) -> TangentRule | None:
    try:
        key = _key(op, values, tangents, params, any_number)
        if key in RULES and not (op.foreign and RECORDER.get()):
            return RULES[key]
    except TypeError:
        key = None
    check_linear(op, values, out, tangents, params)
    if key is None and RECORDER.get() is None:
        return None  # what is recorded needs the operations, for this call alone
    try:
        rule = TangentRule(op, values, out, tangents, params, any_number)
    except TraceError:
        rule = None
    if key is not None:
        if len(RULES) >= MOST_RULES:
            RULES.clear()
        RULES[key] = rule
    return rule


def tangent_of(op: Op, values: Sequence[Any], out: Any, tangents: dict[int, Any], params: Any) -> Any:
    """The tangent of ``out = op(*values, **params)`` along the ``tangents`` of some arguments; ``None`` for 0."""
    rule = rule_for(op, values, out, tangents, params)
    if rule is None or (op.foreign and not RECORDER.get()):  # a rule of the user's may read what has changed since
        return _transposed_now(op, values, out, tangents, params)
    return rule(values, out, tangents)


# --------------------------------------------------------------------------------------------------------- dual numbers


class Dual(Lifted):
    """A value and its tangent."""

    __slots__ = ()


SPACES[Dual] = LIFTED


class Forward(Level):
    """One call of `jvp`. Its arrays are polynomials in ε, whose coefficients are their parts, up to ``order``; ``made``
    is their class.
    """

    name, order = "jvp", 1
    made: type[Lifted] = Dual

    def call(self, op: Op, arrays: Any, params: dict[str, Any]) -> Any:
        """The result with its tangent."""
        values = [x.parts[0] if self.owns(x) else x for x in arrays]
        out = LIFTED.call(op, values, params)
        if not is_inexact(out.dtype):
            return out
        mask = sum(1 << i for i, x in enumerate(arrays) if self.owns(x))
        plan = op.plans[mask]
        tangents = {i: arrays[i].parts[1] for i in range(len(arrays)) if plan.mask >> i & 1}
        slope = tangent_of(op, values, out, tangents, params) if tangents else None
        return out if slope is None else Dual(self, out, slope)

    def function(self, name: str, args: Any, options: dict[str, Any]) -> Any:
        """The result of a function of the namespace. One that is no operation has no rule, and is refused, unless its
        result is a constant, as that of ``zeros_like``.
        """
        if name in LIFTED.operations:
            return super().function(name, args, options)
        if name == "asarray":
            return args[0]
        if not name.endswith("_like"):
            raise DomainError(f"jvp can't compute {name}, which is no operation, and so has no rule: call one that is.")
        return getattr(LIFTED, name)(*(x.parts[0] if self.owns(x) else x for x in args), **options)

    def settled(self, part: Any) -> Any:
        """Polynomials are paired by the coefficient of the highest power in their product: the gradient of a value is
        the coefficient of ε in the gradient of its dual number, that of the tangent the other one. By this pairing a
        product with a dual number is its own adjoint, so that rules that run on dual numbers are right as they are.
        """
        return crossed(part_of, part, level=self, k=self.order)


def crossing(*, text: str = "", tex: str = "", level: int = 9) -> Callable[[Callable[..., Any]], Op]:
    """Declare an operation that leads to a level or back: a decorator, as `autograd.op` is. Only transforms call it, so
    it is not registered.
    """

    def declare(forward: Callable[..., Any]) -> Op:
        made = Op(forward, forward.__name__, text, tex, level)
        LIFTED.crossing.add(made)
        return made

    return declare


def crossed(op: Op, x: Any, **params: Any) -> Any:
    """The result of such an operation in a rule: a Tensor for a Tensor, an array for an array."""
    found = op(x, **params) if isinstance(x, Tensor) else op.forward(LIFTED, x, **params)
    LIFTED.left = LIFTED.clock()
    return found


@crossing(text="{primal} + ε·{tangent}", tex=r"{primal} + \varepsilon\,{tangent}", level=1)
def dual(xp: Any, primal: Any, tangent: Any, *, level: Forward) -> Any:
    """The dual number of a value and its tangent."""
    return Dual(level, primal, tangent)


@crossing()
def part_of(xp: Any, x: Any, *, level: Forward, k: int) -> Any:
    """The coefficient of εᵏ, such as the tangent of a dual number; ``x`` may have a level within ``level``."""
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.map(lambda below: part_of.forward(xp, below, level=level, k=k))
    parts = x.parts if level.owns(x) else (x,)
    return parts[k] if k < len(parts) else xp.zeros_like(parts[0])


@crossing()
def as_part(xp: Any, x: Any, *, level: Forward, k: int) -> Any:
    """``x`` as the coefficient of εᵏ, beside 0 for the others; ``x`` may have a level within ``level``."""
    if isinstance(x, Lifted) and x.level.number > level.number:
        return x.map(lambda below: as_part.forward(xp, below, level=level, k=k))
    return level.made(level, *[xp.zeros_like(x)] * k, x, *[xp.zeros_like(x)] * (1 - k))


dual.vjp(
    primal=lambda g, level: crossed(part_of, g, level=level, k=1),
    tangent=lambda g, level: crossed(part_of, g, level=level, k=0),
)
part_of.vjp(x=lambda g, level, k: crossed(as_part, g, level=level, k=level.order - k))
as_part.vjp(x=lambda g, level, k: crossed(part_of, g, level=level, k=level.order - k))


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """``f``'s value and its derivative along ``tangents``, ``J v``, both in the structure of the value.

    ``tangents`` have the structures of ``primals``, the arguments. With ``has_aux`` ``f`` returns ``(value, aux)``, and
    ``aux`` is a third result. Forward mode: the tangent of each operation is computed beside its value, so that memory
    does not grow with the number of operations. Calls nest with each other, `grad` and `vmap` in any order.

    Raises `DTypeError` for arguments or a result that are not floating-point, and `DeclarationError` for an operation
    with a rule that is not linear in ``g``.

    >>> from glassgrad.autograd import jvp
    >>> jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 10.0))
    (Tensor(12.0), Tensor(34.0))
    """
    check_function(f, "jvp's f", "a function of Tensors")
    check_pairs(primals, tangents)
    xs, form = variables_of(primals, range(len(primals)))
    vs = directions(form, xs, tangents)
    level = Forward()

    def called() -> tuple[Any, ...]:
        given = [dual(x, v.to(x.dtype), level=level) for x, v in zip(xs, vs, strict=True)]
        for x, made in zip(xs, given, strict=True):
            made.name = x.name
        with enable_grad():
            _, aux, ys, results = results_of(f, trees.unflatten(form, given), None, has_aux)
        for y in ys:
            if not is_inexact(y.dtype):
                raise DTypeError(
                    f"{name_of(f)} returned {describe(y)}, which has no derivative: compute floating-point values, or "
                    "return it beside them with has_aux=True."
                )
        value, along = ([part_of(y, level=level, k=k) for y in ys] for k in (0, 1))
        aux = trees.map(lambda y: part_of(y, level=level, k=0) if isinstance(y, Tensor) else y, aux)
        return trees.unflatten(results, value), trees.unflatten(results, along), *aux

    return level.run(called)
