"""`gradcheck`: what the rules say about a function, beside what its values say.

Three oracles, which must agree with the rules where they apply. **Central differences** of the values: with one step
first, and where that does not agree, of the steps of a ladder the one with the least error, extrapolated to zero (L. F.
Richardson 1911; the choice as in C. J. F. Ridders, Advances in Engineering Software 4, 1982, 75-76). **The complex
step** (`autograd.testing.complexstep`), where all that was recorded is analytic: exact to rounding, it sees errors far
below what differences can. **Forward mode**, by `autograd.jvp`, where the rules run on Tensors.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from autograd import backends
from autograd.backward import gradients
from autograd.errors import AutogradError, DomainError, DTypeError, GradcheckError, ShapeError
from autograd.graph import Graph
from autograd.messages import describe
from autograd.ops.shaping import concat, reshape
from autograd.tensor import Tensor, asarray
from autograd.testing.complexstep import ComplexStep
from autograd.transforms import jvp
from autograd.validation import check_function, number, whole

Function = Callable[..., Any]
Vector = np.ndarray[Any, np.dtype[np.float64]]

DIFFERENCES, REFINED, COMPLEX, FORWARD = ORACLES = ("differences", "other steps", "complex step", "forward mode")
LADDER = tuple(10.0**k for k in range(2, -10, -1))
"""Steps that are tried, in units of the first: larger ones round less, smaller ones stay clear of kinks and poles."""


@np.errstate(all="ignore")  # what is not finite is told in words
def gradcheck(
    f: Function,
    *inputs: Any,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    max_elements: int = 100,
    seed: int = 0,
) -> bool:
    """Whether ``f``'s gradients by the rules are those that its values show: ``True``, or `GradcheckError`.

    ``f`` takes the inputs as Tensors and returns a Tensor, or several, of any shape; it must give the same values at
    every call. ``inputs`` are Tensors, arrays, lists or numbers, best in float64. Those Tensors that require grad are
    checked and the rest is handed to ``f`` as it is; where none requires grad, all are checked. ``f`` is called with
    copies.

    Each element of an input is moved by ``±eps * max(1, |x|)``, and each element of the outputs is compared; then all
    outputs weighted with random numbers, as one. Where they do not agree (and no ``eps`` is given), steps from 100 to
    1e-9 times as large are tried for this element, and of the extrapolated quotients the one counts whose error is the
    least. An input of more than ``max_elements`` elements is moved along three random directions instead (every element
    by ± its own step, at once), and outputs of more than that are compared only as weighted; a fault seen there is
    traced to an element by halving. Then the derivative along a random direction is compared with that by the complex
    step, if every recorded operation is analytic, and with that by forward mode. ``seed`` draws directions and weights.

    Two values agree within ``atol + rtol * |difference quotient|`` (of many compared as one, the root of the sum of
    squares) and what rounding does to a difference. By default ``eps`` and ``rtol`` are the cube root of the machine
    epsilon, the step at which rounding and truncation meet (6e-6 in float64, 5e-3 in float32), and ``atol`` a tenth;
    for the other two oracles ``rtol`` is the square root of the machine epsilon. What fails in float32 is checked again
    with copies of the inputs in float64: where that passes there is no fault but float32's few digits, and a warning
    says so.

    Raises `GradcheckError`, which says where, by how much and what may be the cause; `DomainError` for inputs or values
    that are NaN or infinite; `DTypeError` for inputs or outputs that are not real floating point.

    >>> import autograd as ag
    >>> from autograd.testing import gradcheck
    >>> gradcheck(lambda x, w: ag.tanh(x @ w), ag.Tensor([[0.1, 0.2]]), ag.Tensor([[1.0], [-3.0]]))
    True
    >>> @ag.op("x²")
    ... def squared(xp, x):
    ...     return x * x
    >>> squared.vjp(x=lambda g, x: g * x)
    >>> gradcheck(squared, [3.0])
    Traceback (most recent call last):
        ...
    autograd.errors.GradcheckError: the derivative of output 0 [0] by input 0 ('x') [0] is wrong:
        at this input    3, in float64
        by the rules     3
        by differences   6   (extrapolated from step ...)
        by complex step  6
        by forward mode  3
        they differ by   3, more than the tolerance 3.7e-05
    3 of 3 comparisons fail. What may be wrong:
      - the rules give 1/2 times the difference: a factor is missing or too much in a rule.
    Recorded on the way: squared.
    """
    return _checked(_first, f, inputs, eps, atol, rtol, max_elements, seed)


@np.errstate(all="ignore")
def gradgradcheck(
    f: Function,
    *inputs: Any,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    max_elements: int = 100,
    seed: int = 0,
) -> bool:
    """`gradcheck` of ``f``'s gradients, as functions of the inputs and of the gradients that arrive at the outputs.

    So the second derivatives are checked. Arguments, tolerances and errors are those of `gradcheck`; the inputs beyond
    ``f``'s own are the gradients that arrive, random numbers drawn from ``seed``.

    >>> import autograd as ag
    >>> from autograd.testing import gradgradcheck
    >>> gradgradcheck(lambda x: x**3, [1.0, 2.0])
    True
    """
    return _checked(_second, f, inputs, eps, atol, rtol, max_elements, seed)


def _checked(
    point_of: Callable[..., _Point],
    f: Function,
    inputs: Sequence[Any],
    eps: float | None,
    atol: float | None,
    rtol: float | None,
    max_elements: int,
    seed: int,
) -> bool:
    """The check at the inputs as they are, and where that fails in less than float64, in float64."""
    for name, value in (("eps", eps), ("atol", atol), ("rtol", rtol)):
        if value is not None:
            number(value, name, 0)
    whole(max_elements, "max_elements", 0)
    whole(seed, "seed", 0)
    point = point_of(f, inputs, eps, seed)
    vacuous = point_of is _second
    try:
        _compare(point, atol, rtol, max_elements, seed, vacuous)
    except GradcheckError as error:
        if point.coarse.itemsize >= 8:
            raise
        try:
            fine = point_of(f, [_finer(x) for x in inputs], eps, seed)
        except Exception:  # it takes no other dtype
            raise error from None
        if fine.coarse.itemsize < 8:
            raise
        try:
            _compare(fine, atol, rtol, max_elements, seed, vacuous)
        except GradcheckError as exact:
            raise GradcheckError(
                f"{exact}\nThe inputs were given in {point.coarse}, and copied to float64 for this."
            ) from None
        warnings.warn(
            f"{point.coarse} has too few digits for differences, which found a fault in {point.f_name} that is none: "
            "with copies of the inputs in float64 all agrees. Give float64 inputs to gradcheck.",
            stacklevel=4,
        )
    return True


def _finer(x: Any) -> Any:
    """A real input in float64; anything else as it is."""
    if not hasattr(x, "dtype") or not backends.is_real(x.dtype):
        return x
    given = x if isinstance(x, Tensor) else asarray(x)
    fine = Tensor(backends.namespace(given.data).astype(given.data, backends.as_dtype("float64")), name=given.name)
    return fine.requires_grad_(given.requires_grad)


def _first(f: Function, inputs: Sequence[Any], eps: float | None, seed: int) -> _Point:
    point = _Point(f, inputs, eps)
    for k, y in enumerate(point.ys):
        if not np.isfinite(backends.to_numpy(y.data)).all():
            raise DomainError(f"output {k} of {point.f_name} is not finite here: choose inputs at which it is.")
    return point


def _second(f: Function, inputs: Sequence[Any], eps: float | None, seed: int) -> _Point:
    point = _Point(f, inputs, eps)
    rng = np.random.default_rng(seed)
    ways = [k for k, y in enumerate(point.ys) if y.requires_grad]
    cotangents = [
        point.like(rng.standard_normal(point.ys[k].shape), point.ys[k], f"gradient at output {k}") for k in ways
    ]
    count = len(point.inputs)
    if point.y.size and not any(map(point.connected, range(len(point.checked)))):
        raise _nothing_checked(point)

    def slopes(*args: Any) -> tuple[Tensor, ...]:
        xs, seeds = args[:count], args[count:]
        ys = _outputs(f, xs)
        found: tuple[Tensor, ...] = gradients(
            [ys[k] for k in ways], [xs[i] for i in point.checked], list(seeds), create_graph=True
        )
        return found

    slopes.__name__ = f"the gradient of {point.f_name}"
    xs = [x.detach().requires_grad_() if i in point.checked else x for i, x in enumerate(point.inputs)]
    return _Point(
        slopes,
        [*xs, *(c.requires_grad_() for c in cotangents)],
        eps,
        point.names,
        [f"the gradient by {point.call(i)}" for i in point.checked],
    )


def _outputs(f: Function, args: Sequence[Any]) -> list[Tensor]:
    """What ``f`` returns, as a list of real floating-point Tensors."""
    answer = f(*args)
    ys = list(answer) if isinstance(answer, tuple | list) else [answer]
    for k, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise DTypeError(
                f"output {k} of {_called(f)} is {type(y).__name__}: return Tensors computed from those that are given."
            )
        if not backends.is_real(y.dtype):
            raise DTypeError(
                f"output {k} of {_called(f)} is {describe(y)}: gradcheck compares real floating-point values; "
                "return only such outputs."
            )
    return ys


def _called(f: Function) -> str:
    name = getattr(f, "__name__", "<lambda>")
    return "f" if name == "<lambda>" else str(name)


def _flat(tensors: Sequence[Tensor]) -> Vector:
    parts = [backends.to_numpy(t.data).astype(np.float64).reshape(-1) for t in tensors]
    return np.concatenate(parts) if parts else np.zeros(0)


def _check_call(f: Function, name: str, inputs: Sequence[Any]) -> None:
    """Refuse a number of inputs that ``f`` does not take."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # it does not tell
        return
    try:
        signature.bind(*inputs)
    except TypeError as error:
        raise DTypeError(
            f"{name}{signature} can't be called with {len(inputs)} input(s), {error}: give them one by one, as in "
            "gradcheck(f, x, y)."
        ) from None


class _Point:
    """A function at some inputs: its outputs ``ys`` as one vector ``y``, and its Jacobian ``J`` from both sides."""

    def __init__(
        self,
        f: Function,
        inputs: Sequence[Any],
        eps: float | None,
        names: Sequence[str] = (),
        results: Sequence[str] = (),
    ) -> None:
        check_function(f, "f", "a function of Tensors")
        self.f, self.f_name = f, _called(f)
        _check_call(f, self.f_name, inputs)
        chosen = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
        self.checked = chosen or list(range(len(inputs)))
        self.inputs: list[Any] = [asarray(x) if i in self.checked else x for i, x in enumerate(inputs)]
        self.names = self._names(names)
        self.base: dict[int, Vector] = {}
        for i in self.checked:
            self._admit(i)
        self.xs, self.ys = self.run({})
        self.y = _flat(self.ys)
        again = _flat(self.run({})[1])
        if again.shape != self.y.shape or not np.array_equal(again, self.y, equal_nan=True):
            raise GradcheckError(
                f"{self.f_name} gave two different answers to the same inputs, so differences of them tell nothing: "
                "have it draw from a generator that it seeds itself."
            )
        dtypes = [backends.to_numpy(t.data).dtype for t in (*self.xs, *self.ys)]
        self.coarse = max(dtypes, key=lambda d: float(np.finfo(d).eps), default=np.dtype(float))
        self.epsilon = float(np.finfo(self.coarse).eps)
        self.eps, self.chosen = self.epsilon ** (1 / 3) if eps is None else eps, eps is not None
        self.graph = Graph(*self.ys)
        self.results = list(results) or [f"output {k}" for k in range(len(self.ys))]

    def _names(self, known: Sequence[str]) -> list[str]:
        """What each input is called: its own name, else that of the argument of ``f`` which takes it."""
        try:
            parameters = inspect.signature(self.f).parameters.values()
        except (TypeError, ValueError):
            parameters = {}.values()
        arguments = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        names = [*known, *arguments[len(known) :]]
        own = [x.name if isinstance(x, Tensor) else None for x in self.inputs]
        return [o or n for o, n in zip(own, [*names, *[""] * len(own)], strict=False)]

    def _admit(self, i: int) -> None:
        x = self.inputs[i]
        if not backends.is_real(x.dtype):
            raise DTypeError(
                f"{self.call(i)} is {describe(x)}: only real floating-point values can be moved by a small step; write "
                "3.0 for 3, or leave it out by having only the Tensors to check require grad."
            )
        values = backends.to_numpy(x.data).astype(np.float64)
        if not np.isfinite(values).all():
            where = tuple(int(n) for n in np.argwhere(~np.isfinite(values))[0])
            raise DomainError(
                f"{self.call(i)} is {values[where]} at {list(where)}: differences need finite inputs; choose others."
            )
        self.base[i] = values.reshape(-1)

    def call(self, i: int) -> str:
        return f"input {i}{f' ({self.names[i]!r})' if self.names[i] else ''}"

    @staticmethod
    def like(values: Any, like: Tensor, name: str | None = None) -> Tensor:
        """``values`` as a Tensor of the shape, dtype and backend of another."""
        array = np.reshape(values, like.shape).astype(backends.to_numpy(like.data).dtype)
        return Tensor(backends.namespace(like.data).asarray(array), name=like.name if name is None else name)

    def run(self, moved: dict[int, Vector]) -> tuple[list[Tensor], list[Tensor]]:
        """The checked inputs, some of them with other values, and the outputs computed from them."""
        args = list(self.inputs)
        for i, base in self.base.items():
            args[i] = self.like(moved.get(i, base), self.inputs[i]).requires_grad_()
        return [args[i] for i in self.checked], _outputs(self.f, args)

    def rules(self, u: Vector) -> list[Vector]:
        """``uᵀ J`` by the rules: one vector for each checked input."""
        seeds, ys, start = [], [], 0
        for y in self.ys:
            part = u[start : start + y.size]
            start += y.size
            if y.requires_grad:
                ys.append(y)
                seeds.append(self.like(part, y))
        if not ys:
            return [np.zeros(x.size) for x in self.xs]
        try:
            found = gradients(ys, self.xs, seeds)
        except ShapeError as error:
            raise GradcheckError(
                f"{error} Does it undo what its operation does to the shape (a sum, a broadcast)?"
            ) from error
        except AutogradError:
            raise
        except Exception as error:
            raise GradcheckError(
                f"going backward through {self.f_name} raised {type(error).__name__}: {error}. A rule fails, or "
                f"returns a shape that its argument can't have been broadcast to. Recorded: {self.operations()}."
            ) from error
        return [_flat([g]) for g in found]

    def connected(self, position: int) -> bool:
        """Whether a gradient flows from the outputs to a checked input."""
        flows = {id(place) for place in self.graph.outputs}
        for node in reversed(self.graph.nodes):
            if node.op is not None and id(node) in flows:
                flows.update(id(place) for i, place in enumerate(node.inputs) if node.mask >> i & 1)
        return id(self.xs[position]) in flows

    def result(self, u: Vector) -> str:
        """What is compared: an element of an output, or all of them weighted."""
        if not _is_unit(u):
            return "all outputs weighted with random numbers"
        at, k = int(np.argmax(np.abs(u))), 0
        while at >= self.ys[k].size:
            at, k = at - self.ys[k].size, k + 1
        return f"{self.results[k]}{_element(np.eye(1, self.ys[k].size, at)[0], self.ys[k].shape)}"

    def weights(self, i: int) -> Vector:
        """How far each element is moved, in units of ``eps``: its magnitude, at least 1."""
        return np.maximum(1.0, np.abs(self.base[i]))

    def moved(self, i: int, step: Vector) -> Vector:
        return _flat(self.run({i: self.base[i] + step})[1])

    @cached_property
    def complex_step(self) -> ComplexStep:
        return ComplexStep(dict(zip(self.checked, self.xs, strict=True)), self.ys)

    def forward(self, i: int, v: Vector) -> Vector | None:
        """The derivatives of all outputs along ``v`` by `autograd.jvp`; ``None`` where rules do not run on Tensors."""

        def joined(x: Tensor) -> Tensor:
            args = list(self.inputs)
            args[i] = x
            flat: Tensor = concat([reshape(y, shape=(-1,)) for y in _outputs(self.f, args)])
            return flat

        x = self.like(self.base[i], self.inputs[i])
        try:
            return _flat([jvp(joined, [x], [self.like(v, x)])[1]]) if self.ys else None
        except Exception:
            return None

    def operations(self) -> str:
        """The operations between the checked inputs and the outputs."""
        return ", ".join(dict.fromkeys(node.op.name for node in self.graph.nodes if node.op is not None)) or "none"


@dataclass
class _Comparison:
    """``uᵀ J v`` from both sides, ``v`` in units of the steps; of a single element it is the derivative itself."""

    i: int
    u: Vector
    v: Vector
    rules: float
    found: float
    tolerance: float
    oracle: str
    step: float

    @property
    def error(self) -> float:
        error = abs(self.rules - self.found)
        return error if np.isfinite(error) else np.inf

    @property
    def excess(self) -> float:
        """The error in units of the tolerance."""
        return self.error / self.tolerance if 0.0 < self.error < np.inf else self.error


@dataclass
class _Comparisons:
    """Those of input ``i`` moved along ``v``, one for each row of ``us``."""

    i: int
    us: Vector
    v: Vector
    rules: Vector
    found: Vector
    tolerances: Vector
    oracle: str
    steps: Vector

    @cached_property
    def excess(self) -> Vector:
        """The errors in units of the tolerances."""
        errors = np.abs(self.rules - self.found)
        errors = np.where(np.isfinite(errors), errors, np.inf)
        scaled: Vector = np.where((errors > 0) & np.isfinite(errors), errors / self.tolerances, errors)
        return scaled

    @property
    def worst(self) -> _Comparison:
        """The one that fails most."""
        k = int(np.argmax(self.excess))
        u, step = self.us[k], float(self.steps[np.abs(self.us[k]) > 0].max(initial=0.0))
        values = float(self.rules[k]), float(self.found[k]), float(self.tolerances[k])
        return _Comparison(self.i, u, self.v, *values, self.oracle, step)


@dataclass
class _Slopes:
    """The derivatives of every output along a direction, what they may be wrong by, and the steps they come from."""

    values: Vector
    doubt: Vector
    steps: Vector


class _Judge:
    def __init__(self, point: _Point, atol: float | None, rtol: float | None) -> None:
        self.point = point
        third, half = point.epsilon ** (1 / 3), point.epsilon ** (1 / 2)
        self.tolerances: Mapping[str, tuple[float, float]] = {
            oracle: (size / 10 if atol is None else atol, size if rtol is None else rtol)
            for oracle, size in ((DIFFERENCES, third), (REFINED, third), (COMPLEX, half), (FORWARD, half))
        }

    # ------------------------------------------------------------ the oracles

    def slopes(self, oracle: str, i: int, scale: Vector, unit: float) -> _Slopes | None:
        """What an oracle says of input ``i`` moved along ``scale``; ``None`` where it does not apply."""
        if oracle == DIFFERENCES:
            return self._quotient(i, scale, unit, self.point.eps)
        if oracle == REFINED:
            return self._refined(i, scale, unit)
        found = self.point.complex_step.along({i: scale}) if oracle == COMPLEX else self.point.forward(i, scale)
        if found is None or not np.isfinite(found).all():
            return None
        return _Slopes(found / unit, np.zeros(found.shape), np.zeros(found.shape))

    def _quotient(self, i: int, scale: Vector, unit: float, eps: float) -> _Slopes:
        after, before = self.point.moved(i, eps * scale), self.point.moved(i, -eps * scale)
        rounding = 10 * self.point.epsilon * np.maximum(np.abs(after), np.abs(before)) / (eps * unit)
        return _Slopes((after - before) / (2 * eps * unit), rounding, np.full(after.shape, eps))

    def _refined(self, i: int, scale: Vector, unit: float) -> _Slopes:
        """For each output the extrapolated quotient of the step at which it is, relatively, the least in doubt."""
        best = self._quotient(i, scale, unit, self.point.eps)
        best.doubt = np.full(best.values.shape, np.inf)
        least = np.full(best.values.shape, np.inf)
        small = self.point.epsilon ** (1 / 3) / 10
        for part in LADDER:
            eps = part * self.point.eps
            one, half = (self._quotient(i, scale, unit, eps * k) for k in (1.0, 0.5))
            values = (4 * half.values - one.values) / 3
            doubt = np.abs(values - half.values) + half.doubt
            relative = doubt / (np.abs(values) + small)
            better = np.isfinite(values) & (relative < least)
            for old, new in ((best.values, values), (best.doubt, doubt), (best.steps, one.steps), (least, relative)):
                np.copyto(old, new, where=better)
        return best

    # ------------------------------------------------------------ what is compared

    def along(self, oracle: str, i: int, v: Vector, us: Vector, rows: Vector) -> _Comparisons | None:
        """Input ``i`` moved along ``v``, seen through each row of ``us``; ``rows`` are what the rules make of these."""
        scale, single = self.point.weights(i) * v, np.count_nonzero(v) == 1
        unit = float(np.abs(scale).max()) if single else 1.0
        slopes = self.slopes(oracle, i, scale, unit)
        if slopes is None:
            return None
        found, rules = us @ slopes.values, rows @ scale / unit
        # The errors of many elements add up as random numbers do.
        spread = np.sqrt(np.square(us) @ np.square(slopes.values))
        if not single:
            spread = np.maximum(spread, np.sqrt(np.square(rows) @ np.square(scale)))
        atol, rtol = self.tolerances[oracle]
        tolerances = atol * np.sqrt(np.count_nonzero(v)) + rtol * spread + np.abs(us) @ slopes.doubt
        return _Comparisons(i, us, v, rules, found, tolerances, oracle, slopes.steps * float(np.abs(scale).max()))

    def compared(self, i: int, v: Vector, us: Vector, rows: Vector) -> _Comparisons:
        """By differences, with other steps where the first does not agree."""
        found = self.along(DIFFERENCES, i, v, us, rows)
        if found is None or not (self.point.chosen or (found.excess <= 1).all()):
            found = self.along(REFINED, i, v, us, rows)
        assert found is not None, "differences always apply"
        return found

    def one(self, oracle: str, i: int, u: Vector, v: Vector) -> _Comparison | None:
        row = self.point.rules(u)[self.point.checked.index(i)]
        found = self.along(oracle, i, v, u[None], row[None])
        return None if found is None else found.worst

    def error(self, oracle: str, i: int, u: Vector, v: Vector) -> float:
        found = self.one(oracle, i, u, v)
        return np.inf if found is None else found.error

    def traced(self, found: _Comparison) -> _Comparison:
        """The single element of the input and of the outputs that a comparison of many fails by, if there is one."""
        quick = DIFFERENCES if found.oracle == REFINED else found.oracle
        v = _halved(found.v, lambda part: self.error(quick, found.i, found.u, part))
        u = _halved(found.u, lambda part: self.error(quick, found.i, part, v))
        single = self.one(found.oracle, found.i, np.sign(np.abs(u)), np.sign(np.abs(v)))
        return single if single is not None and single.excess > 1 else found


def _halved(weights: Vector, error: Callable[[Vector], float]) -> Vector:
    """``weights`` with all but one of them zero: of two halves the one with the larger error is kept, and again."""
    alive = np.flatnonzero(weights)
    part = weights
    while alive.size > 1:
        parts = []
        for half in np.array_split(alive, 2):
            part = np.zeros_like(weights)
            part[half] = weights[half]
            parts.append((error(part), half, part))
        _, alive, part = max(parts, key=lambda p: p[0])
    return part


def _compare(
    point: _Point, atol: float | None, rtol: float | None, max_elements: int, seed: int, vacuous: bool = False
) -> None:
    """Raise `GradcheckError` for the comparison that fails most, if one fails."""
    judge, rng, m = _Judge(point, atol, rtol), np.random.default_rng(seed), point.y.size
    us = rng.standard_normal((2, m))
    if m <= max_elements:
        us = np.concatenate([np.eye(m), us])
    rows = [point.rules(u) for u in us]
    worst: _Comparison | None = None
    compared, wrong, moves = 0, 0, vacuous or bool(point.ys and not m)

    def judged(found: _Comparisons) -> None:
        nonlocal worst, compared, wrong
        compared += found.excess.size
        wrong += int(np.count_nonzero(found.excess > 1))
        if found.excess.size and (worst is None or found.excess.max() > worst.excess):
            worst = found.worst

    for position, i in enumerate(point.checked):
        n = point.base[i].size
        vs = np.eye(n) if n <= max_elements else rng.choice([-1.0, 1.0], (3, n))
        moves = moves or not n or point.connected(position)
        for v in vs:
            found = judge.compared(i, v, us, np.stack([row[position] for row in rows]))
            moves = moves or bool(found.found.any())
            judged(found)
    if not moves:
        raise _nothing_checked(point)
    for oracle in (COMPLEX, FORWARD):
        for position, i in enumerate(point.checked):
            if not wrong and m and point.base[i].size:
                v = rng.uniform(0.5, 1.5, point.base[i].size) * rng.choice([-1.0, 1.0], point.base[i].size)
                told = judge.along(oracle, i, v, us, np.stack([row[position] for row in rows]))
                if told is not None:
                    judged(told)
    if worst is not None and worst.excess > 1:
        raise GradcheckError(_report(judge, judge.traced(worst), wrong, compared))


def _nothing_checked(point: _Point) -> GradcheckError:
    return GradcheckError(
        f"nothing was checked: no output of {point.f_name} depends on any input. It must compute from the Tensors that "
        "it is given, not from others of the same values."
    )


def _report(judge: _Judge, c: _Comparison, wrong: int, compared: int) -> str:
    point, one = judge.point, np.count_nonzero(c.v) == 1
    where = _element(c.v, point.inputs[c.i].shape) if one else ", all elements moved at random,"
    here = f"{point.base[c.i][int(np.argmax(np.abs(c.v)))]:.6g}, " if one else ""
    others = {oracle: judge.one(oracle, c.i, c.u, c.v) for oracle in (DIFFERENCES, COMPLEX, FORWARD)}
    found = {o.oracle: o for o in others.values() if o is not None} | {c.oracle: c}
    if c.oracle == REFINED:
        del found[DIFFERENCES]
    rules, value = f"{c.rules:.6g}", f"{c.found:.6g}"
    digits = 6 if rules != value else 15
    told = [
        f"    {f'by {DIFFERENCES if o.oracle == REFINED else o.oracle}':17}{o.found:.{digits}g}{_step(o)}"
        for o in sorted(found.values(), key=lambda o: ORACLES.index(o.oracle))
    ]
    hints = "".join(f"\n  - {hint}" for hint in _suspicions(point, c))
    lines = [
        f"the derivative of {point.result(c.u)} by {point.call(c.i)}{where} is wrong:",
        f"    at this input    {here}in {point.inputs[c.i].dtype}",
        f"    by the rules     {c.rules:.{digits}g}",
        *told,
        f"    they differ by   {abs(c.rules - c.found):.6g}, more than the tolerance {c.tolerance:.2g}",
        f"{wrong} of {compared} comparisons fail. What may be wrong:{hints}",
        f"Recorded on the way: {point.operations()}.",
    ]
    return "\n".join(lines)


def _step(c: _Comparison) -> str:
    if not c.step:
        return ""
    return f"   ({'extrapolated from ' if c.oracle == REFINED else ''}step {c.step:.2g})"


def _is_unit(weights: Vector) -> bool:
    return bool(np.count_nonzero(weights) == 1 and weights.max() == 1.0)


def _element(weights: Vector, shape: tuple[int, ...]) -> str:
    index = [int(n) for n in np.unravel_index(int(np.argmax(np.abs(weights))), shape)]
    return f" {index}" if index else ""


def _suspicions(point: _Point, c: _Comparison) -> list[str]:
    """What may be wrong, the likeliest first."""
    found = []
    if point.coarse.itemsize < 8:
        found.append(
            f"{point.coarse} has too few digits for differences: give float64 inputs, and float64 parameters in "
            f"{point.f_name}."
        )
    if not np.isfinite(c.rules):
        found.append(
            "the rules give no finite number: a division by 0, or a branch of `where` that is not finite though not "
            "chosen; guard what goes into it by another `where`."
        )
    if not np.isfinite(c.found):
        found.append(f"{point.f_name} is not finite a step away from here: move the input from the edge of its domain.")
    if not np.isfinite(c.error):
        return found
    if c.oracle == COMPLEX:
        ratio = _ratio(c.rules, c.found)
        return [*found, ratio or "the error is too small for differences: a constant or an approximation in a rule."]
    if c.oracle == FORWARD:
        found.append(
            "differences agree with the gradient, and jvp, which differentiates it by g, does not: a rule does not "
            "compute with g itself (it takes .data, or makes a number of it), or is not linear in it."
        )
        return found
    if kink := _kink(point, c):
        below, above, distance = kink
        found.append(
            f"a kink or a jump is {distance}: the slope is {below:.3g} below and {above:.3g} above; move the input "
            "away."
        )
        return found
    if not point.connected(point.checked.index(c.i)):
        found.append(
            "the values depend on this input, but nothing recorded leads from the outputs to it: .detach(), .data, "
            "NumPy or no_grad on the way, or an operation that has no rule for this argument."
        )
    elif c.found == 0.0:
        found.append(
            "the values do not move at all: an operation is piecewise constant here, and its gradient is zero."
        )
    elif c.rules == 0.0:
        found.append("the rules give exactly zero: a rule leaves out a way by which the values depend on this input.")
    elif ratio := _ratio(c.rules, c.found):
        found.append(ratio)
    if not _is_unit(c.u):
        found.append("a rule is not linear in g, as every derivative is: each output by itself agrees.")
    return found or ["a rule of one of these operations does not fit its forward; check them one at a time."]


def _ratio(rules: float, differences: float) -> str:
    """What it means that the two are in the ratio of small numbers, if they are."""
    from fractions import Fraction  # not cheap to import, and only for this

    if not (differences and np.isfinite(rules / differences)):
        return ""
    ratio = Fraction(rules / differences).limit_denominator(12)
    if ratio == 1 or not ratio or not abs(rules / differences / float(ratio) - 1) < 1e-4:
        return ""
    if ratio == -1:
        return "a sign is turned in a rule."
    return f"the rules give {ratio} times the difference: a factor is missing or too much in a rule."


def _kink(point: _Point, c: _Comparison) -> tuple[float, float, str] | None:
    """The one-sided slopes, where their difference does not shrink with the step as a smooth function's does, and how
    far away the kink is.
    """
    scale = point.weights(c.i) * c.v
    unit = float(np.abs(scale).max()) if np.count_nonzero(c.v) == 1 else 1.0

    def value(at: float) -> float:
        return float(c.u @ point.moved(c.i, at * scale))

    here = float(c.u @ point.y)

    def sides(h: float) -> tuple[float, float]:
        return (here - value(-h)) / (h * unit), (value(h) - here) / (h * unit)

    below, above = sides(point.eps)
    gap, rounding = above - below, 20 * point.epsilon * abs(here) / (point.eps * unit)
    if not abs(gap) > point.epsilon ** (1 / 3) * max(abs(below), abs(above)) + rounding:
        return None
    halves = [sides(part * point.eps) for part in (0.5, 0.25)]
    if all(abs((upper - lower) / gap - part) <= 0.1 for (lower, upper), part in zip(halves, (0.5, 0.25), strict=True)):
        return None
    low, high = -point.eps, point.eps
    for _ in range(12):  # of the left half, the middle and the right half the one that is bent most holds it
        quarter = (high - low) / 4
        at = [value(low + k * quarter) for k in range(5)]
        bent = [abs(at[k] - 2 * at[k + 1] + at[k + 2]) for k in range(3)]
        low += quarter * bent.index(max(bent))
        high = low + 2 * quarter
    place = (low + high) / 2
    if abs(place) < 2 * (high - low):
        return below, above, "here"
    there = value(place)
    below, above = (there - value(place - point.eps)) / point.eps, (value(place + point.eps) - there) / point.eps
    return below / unit, above / unit, f"{abs(place) * unit:.2g} {'above' if place > 0 else 'below'}"
