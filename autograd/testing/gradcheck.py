"""`gradcheck`: what the rules say about a function, beside what its values say."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import backends
from autograd.backward import gradients
from autograd.errors import AutogradError, DomainError, DTypeError, GradcheckError, ShapeError
from autograd.graph import Graph
from autograd.op import describe
from autograd.tensor import Tensor, asarray

Function = Callable[..., Any]
Vector = np.ndarray[Any, np.dtype[np.float64]]


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
    """Whether ``f``'s gradients by the rules are those that central differences find: ``True``, or `GradcheckError`.

    ``f`` takes the inputs as Tensors and returns a Tensor, or several, of any shape; it must give the same values at
    every call. ``inputs`` are Tensors, arrays, lists or numbers, best in float64. Those Tensors that require grad are
    checked and the rest is handed to ``f`` as it is; where none requires grad, all are checked. ``f`` is called with
    copies.

    Each element of an input is moved by ``±eps * max(1, |x|)``, and each element of the outputs is compared; then all
    outputs weighted with random numbers, as one. An input of more than ``max_elements`` elements is moved along three
    random directions instead (every element by ± its own step, at once), and outputs of more than that are compared
    only as weighted; a fault seen there is traced to an element by halving. ``seed`` draws directions and weights.

    Two values agree within ``atol + rtol * |difference quotient|`` (of many compared as one, the root of the sum of
    squares) and what rounding does to a difference. By default ``eps`` and ``rtol`` are the cube root of the machine
    epsilon, the step at which rounding and truncation meet (6e-6 in float64, 5e-3 in float32), and ``atol`` a tenth.

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
        by the rules     3
        by differences   6   (step 1.8e-05)
        they differ by   3, more than the tolerance 3.7e-05
    3 of 3 comparisons fail. What may be wrong:
      - the rules give 1/2 of the difference: a factor is missing or too much in a rule.
    Recorded on the way: squared.
    """
    point = _Point(f, inputs, eps)
    for k, y in enumerate(point.ys):
        if not np.isfinite(backends.to_numpy(y.data)).all():
            raise DomainError(f"output {k} of {point.f_name} is not finite here: choose inputs at which it is.")
    _compare(point, atol, rtol, max_elements, seed)
    return True


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
    second = _Point(
        slopes,
        [*xs, *(c.requires_grad_() for c in cotangents)],
        eps,
        point.names,
        [f"the gradient by {point.call(i)}" for i in point.checked],
    )
    _compare(second, atol, rtol, max_elements, seed, vacuous=True)
    return True


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
        self.f, self.f_name = f, _called(f)
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
        self.eps = self.epsilon ** (1 / 3) if eps is None else eps
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
    differences: float
    tolerance: float

    @property
    def error(self) -> float:
        error = abs(self.rules - self.differences)
        return error if np.isfinite(error) else np.inf

    @property
    def excess(self) -> float:
        """The error in units of the tolerance."""
        return self.error / self.tolerance if 0.0 < self.error < np.inf else self.error


class _Judge:
    def __init__(self, point: _Point, atol: float | None, rtol: float | None) -> None:
        self.point = point
        self.rtol = point.epsilon ** (1 / 3) if rtol is None else rtol
        self.atol = point.epsilon ** (1 / 3) / 10 if atol is None else atol

    def along(self, i: int, v: Vector, us: Vector, rows: Vector) -> list[_Comparison]:
        """Input ``i`` moved along ``v``, seen through each row of ``us``; ``rows`` are what the rules make of these."""
        eps, scale = self.point.eps, self.point.weights(i) * v
        single = np.count_nonzero(v) == 1
        unit = np.abs(scale).max() if single else 1.0
        after, before = self.point.moved(i, eps * scale), self.point.moved(i, -eps * scale)
        quotients = (after - before) / (2 * eps * unit)
        differences, rules = us @ quotients, rows @ scale / unit
        rounding = 10 * self.point.epsilon * (np.abs(us) @ np.maximum(np.abs(after), np.abs(before))) / (eps * unit)
        # The errors of many elements add up as random numbers do.
        spread = np.sqrt(np.square(us) @ np.square(quotients))
        if not single:
            spread = np.maximum(spread, np.sqrt(np.square(rows) @ np.square(scale)))
        tolerances = self.atol * np.sqrt(np.count_nonzero(v)) + self.rtol * spread + rounding
        return [
            _Comparison(i, u, v, float(a), float(n), float(t))
            for u, a, n, t in zip(us, rules, differences, tolerances, strict=True)
        ]

    def one(self, i: int, u: Vector, v: Vector) -> _Comparison:
        row = self.point.rules(u)[self.point.checked.index(i)]
        return self.along(i, v, u[None], row[None])[0]

    def traced(self, found: _Comparison) -> _Comparison:
        """The single element of the input and of the outputs that a comparison of many fails by, if there is one."""
        v = _halved(found.v, lambda part: self.one(found.i, found.u, part).error)
        u = _halved(found.u, lambda part: self.one(found.i, part, v).error)
        single = self.one(found.i, np.sign(np.abs(u)), np.sign(np.abs(v)))
        return single if single.excess > 1 else found


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
    worst, compared, wrong, moves = None, 0, 0, vacuous or bool(point.ys and not m)
    for position, i in enumerate(point.checked):
        n = point.base[i].size
        vs = np.eye(n) if n <= max_elements else rng.choice([-1.0, 1.0], (3, n))
        moves = moves or not n or point.connected(position)
        for v in vs:
            found = judge.along(i, v, us, np.stack([row[position] for row in rows]))
            moves = moves or any(c.differences for c in found)
            compared += len(found)
            wrong += sum(c.excess > 1 for c in found)
            top = max(found, key=lambda c: c.excess)
            worst = top if worst is None or top.excess > worst.excess else worst
    if not moves:
        raise _nothing_checked(point)
    if worst is not None and worst.excess > 1:
        raise GradcheckError(_report(point, judge.traced(worst), wrong, compared))


def _nothing_checked(point: _Point) -> GradcheckError:
    return GradcheckError(
        f"nothing was checked: no output of {point.f_name} depends on any input. It must compute from the Tensors that "
        "it is given, not from others of the same values."
    )


def _report(point: _Point, c: _Comparison, wrong: int, compared: int) -> str:
    one = np.count_nonzero(c.v) == 1
    where = _element(c.v, point.inputs[c.i].shape) if one else ", all elements moved at random,"
    step = point.eps * float((point.weights(c.i) * np.abs(c.v)).max())
    hints = "".join(f"\n  - {hint}" for hint in _suspicions(point, c))
    rules, differences = f"{c.rules:.6g}", f"{c.differences:.6g}"
    if rules == differences:
        rules, differences = f"{c.rules:.15g}", f"{c.differences:.15g}"
    return (
        f"the derivative of {point.result(c.u)} by {point.call(c.i)}{where} is wrong:\n"
        f"    by the rules     {rules}\n"
        f"    by differences   {differences}   (step {step:.2g})\n"
        f"    they differ by   {abs(c.rules - c.differences):.6g}, more than the tolerance {c.tolerance:.2g}\n"
        f"{wrong} of {compared} comparisons fail. What may be wrong:{hints}\n"
        f"Recorded on the way: {point.operations()}."
    )


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
    if not np.isfinite(c.differences):
        found.append(f"{point.f_name} is not finite a step away from here: move the input from the edge of its domain.")
    if not np.isfinite(c.error):
        return found
    if sides := _kink(point, c):
        found.append(
            f"a kink or a jump is nearby: the slope is {sides[0]:.6g} below and {sides[1]:.6g} above; move the "
            "input away."
        )
        return found
    if not point.connected(point.checked.index(c.i)):
        found.append(
            "the values depend on this input, but nothing recorded leads from the outputs to it: .detach(), .data, "
            "NumPy or no_grad on the way, or an operation that has no rule for this argument."
        )
    elif c.differences == 0.0:
        found.append(
            "the values do not move at all: an operation is piecewise constant here, and its gradient is zero."
        )
    elif c.rules == 0.0:
        found.append("the rules give exactly zero: a rule leaves out a way by which the values depend on this input.")
    elif ratio := _ratio(c.rules, c.differences):
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
    return f"the rules give {ratio} of the difference: a factor is missing or too much in a rule."


def _kink(point: _Point, c: _Comparison) -> tuple[float, float] | None:
    """The one-sided slopes, where their difference does not shrink with the step as a smooth function's does."""
    scale = point.weights(c.i) * c.v
    unit = float(np.abs(scale).max()) if np.count_nonzero(c.v) == 1 else 1.0
    here = float(c.u @ point.y)

    def sides(h: float) -> tuple[float, float]:
        below, above = (float(c.u @ point.moved(c.i, s * h * scale)) for s in (-1.0, 1.0))
        return (here - below) / (h * unit), (above - here) / (h * unit)

    below, above = sides(point.eps)
    gap = above - below
    if not abs(gap) > c.tolerance:
        return None
    for part in (0.5, 0.25):
        lower, upper = sides(part * point.eps)
        if abs((upper - lower) / gap - part) > 0.1:
            return below, above
    return None
