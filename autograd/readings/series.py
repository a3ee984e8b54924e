"""Taylor series: a function along a curve ``x(t)``, to any order, from the rules of its operations.

By the chain rule ``y' = J(x, y) x'``: the tangent of an operation, read with series for arrays, is a differential
equation of its result. Comparing coefficients solves it: that of ``tᵏ⁻¹`` on the right has only lower ones of ``y``.
The tangent of exp, ``y' = y x'``, gives ``k yₖ = Σ i xᵢ yₖ₋ᵢ``, those of sin and cos each other's recurrence: the ones
of the books (A. Griewank and A. Walther, *Evaluating Derivatives*, 2008, chapter 13), of which one is written down
here, that of equations such as quotients. An operation whose tangent reads none of its arguments is linear in them;
those of `PRODUCTS` are products of series.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial, reduce
from math import factorial
from typing import Any

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.common.validation import check_function
from glassgrad.autograd.engine.modes import enable_grad
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import check_pairs, floating, name_of, results_of
from glassgrad.autograd.readings.forward import Forward, crossed, crossing, part_of, rule_for, tangent_of
from glassgrad.autograd.readings.levels import LIFTED, RECORDER, Lifted
from glassgrad.autograd.readings.patterns import EACH, MOVES, SUMS

LINEAR = MOVES | SUMS | EACH
"""Operations that are linear in their arguments, which is said where they have parameters that can't be looked up."""

PRODUCTS = frozenset((
    "contract", "conv", "conv_input", "conv_weight", "cross", "linear", "matmul", "multiply", "multiply_no_nan",
    "vecdot",
))  # fmt: skip
"""Operations that are linear in each of two arguments, but for what they add to the product."""


_minus = LIFTED.negative
_QUOTIENT = 1, 0, lambda y, out: _minus(LIFTED.multiply(y, out)), lambda y, rest: LIFTED.xdivy(rest, y)

EQUATIONS: dict[str, Any] = {
    "divide": _QUOTIENT,
    "solve": (0, 1, lambda x, out: _minus(LIFTED.matmul(x, out)), LIFTED.solve),
    "xdivy": _QUOTIENT,
}
"""Operations that solve an equation, linear in their result: the numbers of its factor and of its right-hand side, what
a coefficient of the factor moves to the right-hand side, and the solution for the first coefficient. Read by their
tangents they would be solved twice as often with each order."""


class Jet(Lifted):
    """A function of ``t``: its parts are the Taylor coefficients at 0, up to the last that is not 0."""

    __slots__ = ()

    def item(self) -> Any:
        """Raise `DomainError`."""
        raise self.level.refused(
            DomainError,
            "jet computes with a series, which is no single number: compute with Tensors, and take .detach() of what "
            "is a constant.",
        )

    __bool__ = __int__ = __float__ = __index__ = tolist = item

    def coefficient(self, k: int) -> Any:
        """The coefficient of ``tᵏ``; ``None`` after the last."""
        return self.parts[k] if k < len(self.parts) else None


backends.SPACES[Jet] = LIFTED


class Taylor(Forward):
    """One call of `jet`, up to ``tᵒʳᵈᵉʳ``."""

    name, made = "jet", Jet

    def __init__(self, order: int) -> None:
        super().__init__()
        self.order = order

    def call(self, op: Op, arrays: Any, params: dict[str, Any]) -> Any:
        """The result, with all coefficients."""
        if op.name == "scan_packed":  # read by running its forward
            return op.forward(LIFTED, *arrays, **params)
        series = {id(x): x.coefficient for x in arrays if self.owns(x)}
        solution = Solution()
        found = solution.result(op, [series.get(id(x), x) for x in arrays], params)
        if not callable(found):
            return found
        parts = [found(k) for k in range(self.order + 1)]
        solution.found.clear()  # frees the memory: recurrences refer to each other
        solution.recurrences.clear()
        while parts[-1] is None:
            parts.pop()
        return Jet(self, *(LIFTED.zeros_like(parts[0]) if part is None else part for part in parts))


class Solution:
    """The series that one operation takes, as functions from ``k`` to the coefficient of ``tᵏ``; ``None`` is 0, but for
    the first one. Equal operations on the same series are one, which closes recurrences.
    """

    def __init__(self) -> None:
        self.found: dict[Any, tuple[Any, ...]] = {}  # results, and what they are of
        self.recurrences: dict[Any, Callable[[int], Any]] = {}
        self.slope = cache(_slope)

    def result(self, op: Op, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """The result of an operation on series and arrays; an array, where it is a constant."""
        key = op.name, *map(id, (*args, *params.values()))
        if key not in self.found:
            first = [x(0) if callable(x) else x for x in args]
            out = LIFTED.call(op, first, params)
            plan = op.plans[sum(1 << i for i, x in enumerate(args) if callable(x))]
            own = {i: x for i, x in enumerate(args) if callable(x) and plan.mask >> i & 1}
            made = cache(partial(self.coefficient, key, out)) if own and backends.is_inexact(out.dtype) else out
            self.found[key] = made, op, args, first, own, params
        return self.found[key][0]

    def coefficient(self, key: Any, out: Any, k: int) -> Any:
        """A coefficient of a result whose first one is ``out``."""
        if not k:
            return out
        if key not in self.recurrences:  # only now: it may consist of operations that have such ones, without end
            self.recurrences[key] = self.recurrence(*self.found[key])
        return self.recurrences[key](k)

    def recurrence(
        self, made: Any, op: Op, args: Sequence[Any], first: list[Any], own: dict[int, Any], params: Any
    ) -> Callable[[int], Any]:
        """The coefficients of the result ``made`` from the second on, by those of the arguments ``own``."""
        out = made(0)

        def linear(k: int) -> Any:
            tangents = {i: x(k) for i, x in own.items() if x(k) is not None}
            return tangent_of(op, first, out, tangents, params) if tangents else None

        def product(k: int) -> Any:
            (i, x), (j, y) = own.items()
            # By the tangent, which leaves out what the operation adds to the product, such as a bias.
            slope_by_x: Any = rule_for(op, first, out, {i: first[i]}, params)
            given = [([q if n == j else z for n, z in enumerate(first)], {i: p}) for p, q in _pairs(x, y, k)]
            return _added([slope_by_x(args, out, tangents) for args, tangents in given])

        def equation(k: int) -> Any:
            rest = [term(x, y, **params) for x, y in _pairs(lambda m: args[factor](m) if m else None, made, k)]
            if right in own and (given := own[right](k)) is not None:
                rest.append(LIFTED.broadcast_to(given, shape=out.shape))
            return solved(first[factor], _added(rest), **params) if rest else None

        def integral(k: int) -> Any:
            found = slope(k - 1) if callable(slope) else slope if k == 1 else None
            return None if found is None else LIFTED.divide(found, float(k))

        rule: Any = rule_for(op, first, out, {i: first[i] for i in own}, params)
        # Which series the tangent reads; `None` where it has to be derived each time.
        reads = rule and {n for a, n in enumerate([*rule.arrays, "out"]) if a in rule.reads} & {*own, "out"}
        if reads == set() or (rule is None and op.name in LINEAR):
            return linear
        factor, right, term, solved = EQUATIONS.get(op.name, (None,) * 4)
        if factor in own:
            return equation
        if rule is None:
            raise DomainError(
                f"jet can't follow {op.name}, whose rules ask for values, so that no tangent can be derived from them "
                "once: compute by other operations, or nest jvp."
            )
        if len(own) == 2 and op.name in PRODUCTS:
            return product
        known = dict(enumerate([*(args[i] for i in rule.arrays), made, None, *map(self.slope, own.values())]))
        known |= rule.constants
        for step in rule.steps:
            known[step.out] = self.result(step.op, [known[a] for a in step.args], step.params)
        slope = known.get(rule.out)
        return integral


def _slope(x: Callable[[int], Any]) -> Callable[[int], Any]:
    """The series of the derivative."""

    def slope(k: int) -> Any:
        found = x(k + 1)
        if found is None:
            return None if k else LIFTED.zeros_like(x(0))
        return LIFTED.multiply(found, k + 1.0)

    return cache(slope)


def _pairs(x: Callable[[int], Any], y: Callable[[int], Any], k: int) -> list[tuple[Any, Any]]:
    """The coefficients whose product has ``tᵏ``, unless one of them is 0."""
    found = [(x(m), y(k - m)) for m in range(k + 1) if x(m) is not None]
    return [(p, q) for p, q in found if q is not None]


def _added(terms: Sequence[Any]) -> Any:
    return reduce(LIFTED.add if RECORDER.get() else lambda x, y: x + y, terms) if terms else None


@crossing()
def series_of(xp: Any, *coefficients: Any, level: Taylor) -> Any:
    """The array with these Taylor coefficients."""
    return Jet(level, *coefficients)


series_of.vjp(
    coefficients=lambda g, level: tuple(crossed(part_of, g, level=level, k=k) for k in range(level.order, -1, -1))
)


def jet(f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]) -> tuple[Any, Any]:
    """``f``'s value and its derivatives along a curve ``x(t)`` at ``t = 0``, as in `jax.experimental.jet`.

    ``primals``: the arguments, arrays, ``x(0)``. ``series``: for each argument a list of its derivatives ``x'(0)``,
    ``x''(0)``, …, of the argument's shape and as many as are wanted of the value; ``[v, 0, 0]``, with arrays of zeros,
    is a straight line. Returns the value, and a list of as many derivatives in place of each of its Tensors. The cost
    grows with the square of the order, for most functions, where nested derivatives double it each time. Calls nest
    with each other, `grad`, `jvp` and `vmap`.

    Raises `DTypeError` for arguments or a result that are not floating-point, and where ``series`` is no tuple;
    `ShapeError` unless it has a list of the same length for each argument, and for a derivative that has not its
    argument's shape; `DomainError` where ``f`` makes a Python number of a series.

    >>> from glassgrad import autograd as ag
    >>> ag.jet(ag.sin, (0.0,), ([1.0, 0.0, 0.0],))
    (Tensor(0.0), [Tensor(1.0), Tensor(0.0), Tensor(-1.0)])
    >>> value, derivatives = ag.jet(lambda x: x**4, (2.0,), ([1.0, 0.0, 0.0, 0.0],))
    >>> [d.item() for d in derivatives]
    [32.0, 48.0, 48.0, 24.0]
    """
    check_function(f, "jet's f", "a function of Tensors")
    check_pairs(primals, series, "series")
    lengths = {len(terms) if isinstance(terms, list | tuple) else -1 for terms in series}
    if len(lengths) > 1 or -1 in lengths:
        raise ShapeError(
            "series needs a list of derivatives for each argument, and as many for each, with zeros where there are "
            f"none, as in ([v, w],); it was given {shown(series)}."
        )
    order = max(lengths, default=0)
    xs = floating(primals, (tuple, None, (trees.LEAF,) * len(primals)), "primals")
    curves = [
        [x, *(_term(x, term, f"series[{i}][{k}]", k + 1) for k, term in enumerate(terms))]
        for i, (x, terms) in enumerate(zip(xs, series, strict=True))
    ]
    level = Taylor(order)

    def called() -> tuple[Any, Any]:
        given = [series_of(*terms, level=level) for terms in curves]
        with enable_grad():
            _, _, ys, form = results_of(f, given)
        ys = floating(ys, form, f"the value of {name_of(f)}")
        found = [[part_of(y, level=level, k=k) * float(factorial(k)) for k in range(order + 1)] for y in ys]
        return trees.unflatten(form, [y for y, *_ in found]), trees.unflatten(form, [terms for _, *terms in found])

    return level.run(called)  # type: ignore[no-any-return]


def _term(x: Tensor, given: Any, name: str, k: int) -> Tensor:
    """A derivative of an argument as a Taylor coefficient."""
    term = asarray(given)
    if term.shape != x.shape:
        raise ShapeError(f"{name} has shape {term.shape}, its primal {x.shape}: they must be equal.")
    return term.to(x.dtype) / float(factorial(k))
