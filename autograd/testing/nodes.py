"""`check_nodes`: every recorded operation's rule, in place, beside a central difference at the recorded inputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd import backends
from autograd.backward import gradients
from autograd.errors import AutogradError, GradientError
from autograd.graph import Graph, Node
from autograd.modes import MODE, Mode
from autograd.tensor import Tensor
from autograd.testing.gradcheck import Vector, _halved, _ratio
from autograd.validation import number, whole

Truths = np.ndarray[Any, np.dtype[np.bool_]]
OK, WRONG, KINK, SKIPPED = "ok", "wrong", "kink", "skipped"
FEW = 64  # faults or kinks that are looked at one by one
ROUGH = "are not finite, or not smooth enough, a step away from here"

# Two steps next to each other, in units of the first, that must agree on a slope before it counts: smaller ones see
# less of a pole or a kink nearby, larger ones less rounding.
PAIRS = (*((10.0**-k, 10.0 ** (-k - 1)) for k in range(9)), (10.0, 1.0), (100.0, 10.0))


@dataclass(frozen=True)
class NodeCheck:
    """What `check_nodes` found about one argument of one recorded operation.

    ``node`` is the operation, ``index`` the argument's place in ``node.inputs`` and ``argument`` its name (``"x"``,
    ``"arrays[1]"``). ``verdict``: ``"ok"``; ``"wrong"``; ``"kink"`` where the slopes on both sides of the point differ,
    so that no difference can tell; ``"skipped"``. ``error`` is the relative error where it is largest, ``rule`` and
    ``numeric`` the derivative by the rule and by differences there, of ``output`` by ``element`` (indices; both None
    where many were compared as one). ``note`` says why an argument is skipped, or what may be wrong.
    """

    node: Node
    index: int
    argument: str
    verdict: str
    error: float | None = None
    rule: float | None = None
    numeric: float | None = None
    element: tuple[int, ...] | None = None
    output: tuple[int, ...] | None = None
    note: str = ""

    @property
    def where(self) -> str:
        """The line of code that called the operation, known if that was under `detect_anomaly`."""
        return self.node.origin or "unknown line"

    @property
    def title(self) -> str:
        """The operation as ``a = sigmoid(z)``: values by their names, else by their shapes; and its module."""
        inside = ", ".join(_called(given) for given in self.node.inputs if given is not None)
        made = f"{self.node.name} = " if self.node.name else ""
        path = f" in {self.node.scope[-1][0]}" if self.node.scope and self.node.scope[-1][0] else ""
        return f"{made}{self.node.op.name}({inside}){path}"

    def __str__(self) -> str:
        by = f"by {self.argument}{_spot(self.element)}"
        said = [f"{self.verdict:7} {self.title} {by}, {self.where}"]
        if self.verdict in (WRONG, KINK) and self.rule is not None and self.numeric is not None:
            said.append(
                f"        rule {self.rule:.6g}, numeric {self.numeric:.6g}, relative error {self.error:.2g}"
                + (f", of the result{_spot(self.output)}" if self.output else "")
            )
        if self.note:
            said.append(f"        {self.note}")
        return "\n".join(said)


class NodeReport(tuple[NodeCheck, ...]):
    """The results of `check_nodes`, one for each argument of each operation in topological order; ``str()`` of it is a
    report in words.
    """

    __slots__ = ()

    @property
    def ok(self) -> bool:
        """Whether no rule was found wrong."""
        return not self.wrong

    @property
    def wrong(self) -> list[NodeCheck]:
        """The results of the rules that are wrong."""
        return [check for check in self if check.verdict == WRONG]

    def of(self, node: Node) -> list[NodeCheck]:
        """The results of one operation."""
        return [check for check in self if check.node is node]

    def __repr__(self) -> str:
        counts = Counter(check.verdict for check in self)
        found = ", ".join(f"{counts[v]} {v}" for v in (WRONG, KINK, OK, SKIPPED) if counts[v])
        return f"<NodeReport: {found or 'nothing to check'}>"

    def __str__(self) -> str:
        tested = [check for check in self if check.verdict != SKIPPED]
        operations = len({id(check.node) for check in tested})
        worst = max((check.error for check in tested if check.verdict == OK and check.error is not None), default=0.0)
        many = f"{_several(len(tested), 'derivative')} of {_several(operations, 'operation')}"
        lines = [f"{many}, each alone: its rule against a central difference at the recorded inputs, in float64."]
        if coarse := {str(check.node.dtype) for check in tested} - {"float64"}:
            lines.append(f"The graph was recorded in {', '.join(sorted(coarse))}; its values were copied to float64.")
        lines += [str(check) for check in self if check.verdict in (WRONG, KINK)]
        lines += [str(check) for check in self if check.verdict == OK and check.note]
        if agree := sum(check.verdict == OK for check in self):
            lines.append(f"ok      {agree}, relative errors up to {worst:.1g}")
        reasons: dict[str, list[str]] = {}
        for check in self:
            if check.verdict == SKIPPED:
                reasons.setdefault(check.note, []).append(f"{check.node.op.name} by {check.argument}")
        for reason, those in reasons.items():
            names = [f"{name} ({n} times)" if n > 1 else name for name, n in Counter(those).items()]
            more = [f"and {len(names) - 8} others"] if len(names) > 8 else []
            lines.append(f"skipped {', '.join([*names[:8], *more])}: {reason}")
        if any(check.node.origin is None for check in self.wrong):
            lines.append("To know the line that made an operation, record the graph under autograd.detect_anomaly().")
        return "\n".join(lines)


@np.errstate(all="ignore")  # what is not finite is told in words
def check_nodes(
    y: Tensor | Sequence[Tensor], *, limit: float = 1e-4, max_elements: int = 64, seed: int = 0
) -> NodeReport:
    """Each recorded operation of the graph that computed ``y``, alone: its rules against central differences.

    ``y`` is one Tensor or several. The forward is run again for the recorded inputs; each operation then gets copies of
    its own in float64, also in a graph of another dtype, and of each argument that a gradient goes to, every element is
    moved by ``±2⁻¹⁷ max(1, |x|)`` (rounded up to a power of 2). The derivatives of every element of the result agree if
    their difference, relative to the larger of the two, is at most ``limit``; where rounding allows no such precision,
    what it does allow. Where they do not agree, other steps are tried before a rule is called wrong, and a kink (the
    slopes on both sides stay apart as the step shrinks) is told from an error: there a rule may give either slope or
    one in between. Arguments or results of more than ``max_elements`` elements are compared along random directions,
    drawn from ``seed``; a fault seen there is traced to an element by halving. An operation whose result is coarser
    than float64 is held to the cube root of its machine epsilon.

    Skipped, and said so: arguments without a rule, integers, those no gradient is asked for, and what is not finite.

    Returns a `NodeReport`, a tuple of `NodeCheck`; nothing is raised for a wrong rule. Raises `GradientError` where
    nothing was recorded.

    >>> import autograd as ag
    >>> from autograd.testing import check_nodes
    >>> @ag.op("x³")
    ... def cubed(xp, x):
    ...     return x * x * x
    >>> cubed.vjp(x=lambda g, x: 2 * g * x * x)
    >>> x = ag.Tensor(2.0, requires_grad=True, name="x")
    >>> print(check_nodes(cubed(x) + x))
    3 derivatives of 2 operations, each alone: its rule against a central difference at the recorded inputs, in float64.
    wrong   cubed(x) by x, unknown line
            rule 8, numeric 12, relative error 0.33
            the rules give 2/3 times the difference: a factor is missing or too much in a rule.
    ok      2, relative errors up to 0
    To know the line that made an operation, record the graph under autograd.detect_anomaly().
    """
    number(limit, "limit", 0)
    whole(max_elements, "max_elements", 0)
    whole(seed, "seed", 0)
    graph = Graph(*(y if isinstance(y, tuple | list) else [y]))
    if not any(place.op is not None for place in graph.nodes):
        raise GradientError(
            "there is nothing to check: no operation was recorded for this Tensor. Compute it from Tensors with "
            "requires_grad=True, outside of no_grad()."
        )
    token = MODE.set(Mode(True, None, False))  # also where called under no_grad or detect_anomaly
    try:
        values = graph.replay()
        rng = np.random.default_rng(seed)
        return NodeReport(
            check
            for node in graph.nodes
            if node.op is not None
            for check in _checked(node, values, limit, max_elements, rng)
        )
    finally:
        MODE.reset(token)


def _checked(
    node: Node, values: dict[Any, Any], limit: float, max_elements: int, rng: np.random.Generator
) -> Iterator[NodeCheck]:
    op = node.op
    given = [values[place].data if hasattr(place, "requires_grad") else place for place in node.inputs]
    for i, place in enumerate(node.inputs):
        arg = op.args[0] if op.variadic else op.args[i]
        name = f"{arg}[{i}]" if op.variadic else arg
        if place is None:
            continue
        if node.mask >> i & 1:
            yield _Argument(node, i, name, given, limit).check(max_elements, rng)
        else:
            yield NodeCheck(node, i, name, SKIPPED, note=_why_not(place, arg in op.rules))


def _why_not(place: Any, has_rule: bool) -> str:
    if getattr(place, "dtype", None) is not None and not backends.is_inexact(place.dtype):
        return "integers and truth values have no derivative"
    if not has_rule:
        return "there is no rule for this argument"
    return "no gradient is asked for"


class _Argument:
    """One operation at its inputs as a function of one of them: vectors in, vectors out."""

    def __init__(self, node: Node, i: int, name: str, given: Sequence[Any], limit: float) -> None:
        self.node, self.i, self.name = node, i, name
        self.given = [_fine(x) for x in given]
        moved = self.given[i]
        self.shape, self.space, self.dtype = tuple(moved.shape), backends.namespace(moved), moved.dtype
        real = backends.is_real(moved.dtype)
        self.x = backends.to_numpy(moved).astype(np.float64).reshape(-1) if real else np.zeros(0)
        self.limit = limit
        self.movable: Truths = np.isfinite(self.x)
        self.lost = 0

    # ------------------------------------------------------------ what is compared

    def _apply(self, x: Vector) -> tuple[Tensor, Tensor]:
        array = self.space.asarray(np.reshape(x, self.shape))
        leaf = Tensor(array if self.shape else array[()], requires_grad=True)
        inputs = [leaf if j == self.i else value for j, value in enumerate(self.given)]
        return leaf, self.node.op.apply(*inputs, **self.node.params)

    def f(self, x: Vector) -> Vector:
        """The result as a vector."""
        return backends.to_numpy(self._apply(x)[1].data).astype(np.float64).reshape(-1)

    def rule(self, u: Vector) -> Vector:
        """What the rule sends back when ``u`` arrives, by the engine's own walk; 0 for what is not moved."""
        leaf, out = self._apply(self.x)
        seed = Tensor(backends.namespace(out.data).asarray(u.reshape(out.shape)), dtype=out.dtype)
        try:
            g = gradients(out, leaf, seed)
        except Exception as error:
            raise _RuleError(f"its rule raised {type(error).__name__}: {error}") from error
        return np.where(self.movable, backends.to_numpy(g.data).astype(np.float64).reshape(-1), 0.0)

    # ------------------------------------------------------------ slopes

    def _prepare(self) -> str:
        """The value here and the size of steps; why nothing can be compared, if so."""
        if not backends.is_real(self.dtype):
            return f"values of dtype {self.dtype} are not moved by differences"
        try:
            _, out = self._apply(self.x)
        except AutogradError as error:
            return f"it can't be computed in float64: {error}"
        if not backends.is_real(out.dtype):
            return f"results of dtype {out.dtype} are not compared"
        self.out_shape = tuple(out.shape)
        self.y = backends.to_numpy(out.data).astype(np.float64).reshape(-1)
        if not self.x.size or not self.y.size:
            return "it is empty"
        if not np.array_equal(self.f(self.x), self.y, equal_nan=True):
            return "it gives two different answers to the same inputs"
        self.seen = np.isfinite(self.y)
        if not self.movable.any() or not self.seen.any():
            return "its values are not finite here"
        dtype = backends.to_numpy(out.data).dtype
        self.epsilon = float(np.finfo(dtype).eps)
        if dtype.itemsize < 8:
            self.limit = max(self.limit, self.epsilon ** (1 / 3))
        self.eps = 2.0 ** round(math.log2(self.epsilon) / 3)
        # Powers of 2, so that x ± step is exact for most x.
        self.scale = np.where(self.movable, 2.0 ** np.ceil(np.log2(np.maximum(1.0, np.abs(self.x)))), 0.0)
        return ""

    def along(self, v: Vector, part: float = 1.0) -> _Slopes:
        """The slopes of every result along ``v`` (of a single element: by it), and what rounding may do to them."""
        step, width = part * self.eps * self.scale * v, part * self.eps * self._unit(v)
        after, before = self.f(self.x + step), self.f(self.x - step)
        size = np.maximum(np.abs(after), np.abs(before))
        if not self.node.op.broadcasts:  # the elements of a factorization share the rounding of all
            size = np.maximum(size, 5 * size[np.isfinite(size)].max(initial=0.0))
        noise = 10 * self.epsilon * size / width
        slopes = np.stack([(after - before) / 2, self.y - before, after - self.y, noise * width]) / width
        return _Slopes(*np.where(self.seen, slopes, 0.0))

    def _unit(self, v: Vector) -> float:
        return float((self.scale * np.abs(v)).max()) if np.count_nonzero(v) == 1 else 1.0

    def settled(self, v: Vector) -> tuple[_Slopes, Truths, Truths]:
        """For each result the slopes from the first step that the next one confirms; which results have such, and
        which have a kink there: the slopes of the two sides stay apart.
        """
        tried: dict[float, _Slopes] = {}
        kept, clear, kinked = self.along(v), ~self.seen, np.zeros(self.y.size, bool)
        for place, pair in enumerate(PAIRS):
            for part in pair:
                if part not in tried:
                    tried[part] = self.along(v, part)
            one, other = (tried[part] for part in pair)
            allowed = self.limit / 4 * np.maximum(np.abs(one.middle), np.abs(other.middle))
            new = ~clear & (np.abs(one.middle - other.middle) <= allowed + np.maximum(one.noise, other.noise))
            apart = one.apart(self.limit) & other.apart(self.limit)
            stays = apart & (np.abs(other.upper - other.lower) > 0.5 * np.abs(one.upper - one.lower))
            kinked |= stays & (new | (self.seen if place == 0 else False))
            kinked &= stays | ~new  # what a smaller step resolves is none
            for field in vars(kept):
                np.copyto(getattr(kept, field), getattr(one, field), where=new)
            clear |= new
            if clear.all():
                break
        return kept, clear, kinked

    # ------------------------------------------------------------ the verdict

    def _result(self, verdict: str, **found: Any) -> NodeCheck:
        return NodeCheck(self.node, self.i, self.name, verdict, **found)

    def check(self, max_elements: int, rng: np.random.Generator) -> NodeCheck:
        """The verdict on this argument."""
        if reason := self._prepare():
            return self._result(SKIPPED, note=reason)
        n, m = self.x.size, self.y.size
        # One more than the unit vectors: a rule that forgets g, or is not linear in it, is right for them.
        us = rng.standard_normal((1 if m <= max_elements else 2, m)) + 0.5
        us = np.concatenate([np.eye(m), us]) if m <= max_elements else us
        us *= self.seen
        vs = np.eye(n) if n <= max_elements else rng.choice([-1.0, 1.0], (3, n))
        try:
            rows = np.stack([self.rule(u) for u in us])
            return self._infinite(us, rows) or self._compared(us, vs, np.where(self.movable, rows, 0.0))
        except _RuleError as error:
            return self._result(WRONG, note=str(error))

    def _infinite(self, us: Vector, rows: Vector) -> NodeCheck | None:
        """Elements for which the rule gives no finite number: a fault where the derivative is one, else left out."""
        bad = ~np.isfinite(rows)
        for count, e in enumerate(np.flatnonzero(bad.any(axis=0))):
            v = np.eye(1, self.x.size, int(e))[0]
            if count < FEW:
                slopes, clear, _ = self.settled(v)
                if clear.all() and self.seen.all():
                    k = int(np.argmax(bad[:, e]))
                    return self._wrong(_Found(us[k], v, float(rows[k, e]), float(us[k] @ slopes.middle), np.inf))
            self.movable[e], self.scale[e] = False, 0.0
            self.lost += 1
        return None

    def _compared(self, us: Vector, vs: Vector, rows: Vector) -> NodeCheck:
        worst: _Found | None = None
        kinks: dict[tuple[int, int], Vector] = {}  # by element (-1 for many) and result
        for v in vs:
            single = np.count_nonzero(v) == 1
            if not (v * self.scale).any():
                continue
            found = self._at(us, rows, v, self.along(v))
            if found.error > self.limit:
                slopes, clear, kinked = self.settled(v)
                blind = kinked | ~clear
                if single and (outside := self._outside(v, slopes, kinked)) is not None:
                    return self._wrong(outside)
                kinks |= {(int(np.argmax(v)) if single else -1, int(j)): v for j in np.flatnonzero(kinked)}
                self.lost += int(np.count_nonzero(blind & ~kinked))
                if not (self.seen & ~blind).any():
                    continue
                seeds = us * ~blind
                sent = np.stack([self.rule(u) for u in seeds]) if blind.any() else rows
                found = self._at(seeds, sent, v, slopes)
                if found.error > self.limit:
                    return self._wrong(self._traced(found, ~blind))
            worst = found if worst is None or found.error > worst.error else worst
        if kinks:
            return self._kink(kinks, worst)
        if worst is None:
            return self._result(SKIPPED, note=f"its slopes {ROUGH}")
        note = f"{self.lost} of its slopes {ROUGH}" if self.lost else ""
        return self._found(OK, worst, note)

    def _at(self, us: Vector, rows: Vector, v: Vector, slopes: _Slopes) -> _Found:
        """The comparison along ``v`` that fails most, of a single result if one fails."""
        unit, single = self._unit(v), np.count_nonzero(v) == 1
        weighted = us.any(axis=0)
        middle, noise = np.where(weighted, slopes.middle, 0.0), np.where(weighted, slopes.noise, 0.0)
        rules, numeric = rows @ (self.scale * v) / unit, us @ middle
        size = np.maximum(np.abs(rules), np.abs(numeric))
        # Many elements may cancel each other, and their errors add up as random numbers do.
        size = np.maximum(size, np.sqrt(np.square(us) @ np.square(middle)))
        if not single:
            size = np.maximum(size, np.sqrt(np.square(rows) @ np.square(self.scale * v)))
        size = np.maximum(size, np.abs(us) @ noise / self.limit)
        errors = np.abs(rules - numeric) / np.where(size > 0, size, 1.0)
        errors = np.where(np.isfinite(errors), errors, np.inf)
        k = int(np.argmax(errors))
        if len(us) > us.shape[1] and k == len(us) - 1:
            best = int(np.argmax(errors[:-1]))
            k = best if errors[best] > self.limit or errors[k] <= self.limit else k
        return _Found(us[k], v, float(rules[k]), float(numeric[k]), float(errors[k]))

    def _single(self, u: Vector, v: Vector) -> _Found:
        """One result by one element."""
        slopes, clear, _ = self.settled(v)
        slopes.middle[~clear] = np.nan
        return self._at(u[None], self.rule(u)[None], v, slopes)

    def _outside(self, v: Vector, slopes: _Slopes, kinked: Truths) -> _Found | None:
        """A rule that, at a kink, gives no slope between those of the two sides."""
        for j in np.flatnonzero(kinked)[:FEW]:
            u = np.eye(1, self.y.size, j)[0]
            rule = float(self.rule(u) @ (self.scale * v)) / self._unit(v)
            low, high = sorted((float(slopes.lower[j]), float(slopes.upper[j])))
            slack = self.limit * max(abs(low), abs(high))
            if not low - slack <= rule <= high + slack:
                nearest = low if abs(rule - low) < abs(rule - high) else high
                return _Found(u, v, rule, nearest, abs(rule - nearest) / max(abs(rule), abs(nearest)))
        return None

    def _traced(self, found: _Found, clear: Truths) -> _Found:
        """The single element and result that a comparison of many fails by, if there is one."""
        slopes_of: dict[bytes, Vector] = {}

        def error(u: Vector, v: Vector) -> float:
            key = v.tobytes()
            if key not in slopes_of:
                slopes_of[key] = np.where(clear, self.along(v).middle, 0.0)
            difference = float(self.rule(u * clear) @ (self.scale * v)) - float(u @ slopes_of[key]) * self._unit(v)
            return abs(difference) if np.isfinite(difference) else np.inf

        v = _halved(found.v, lambda part: error(found.u, part))
        u = _halved(found.u * clear, lambda part: error(part, v))
        single = self._single(np.sign(np.abs(u)), np.sign(np.abs(v)))
        return single if single.error > self.limit else found

    # ------------------------------------------------------------ in words

    def _found(self, verdict: str, found: _Found, note: str) -> NodeCheck:
        element, output = _index(found.v, self.shape), _index(found.u, self.out_shape)
        return self._result(
            verdict,
            error=found.error,
            rule=found.rule,
            numeric=found.numeric,
            element=element,
            output=output,
            note=note,
        )

    def _wrong(self, found: _Found) -> NodeCheck:
        note = _ratio(found.rule, found.numeric)
        if _index(found.u, self.out_shape) is None:
            note = "the rule is not linear in g, as every derivative is: for single results it is right."
        elif not math.isfinite(found.rule):
            note = "the rule gives no finite number, and the derivative is one."
        return self._found(WRONG, found, note)

    def _kink(self, kinks: dict[tuple[int, int], Vector], worst: _Found | None) -> NodeCheck:
        (_, j), v = next(iter(kinks.items()))

        def gap(part: Vector) -> float:
            slopes = self.along(part)
            return float(abs(slopes.upper[j] - slopes.lower[j]))

        if np.count_nonzero(v) > 1:
            v = np.abs(np.sign(_halved(v * (self.scale > 0), gap)))
        u = np.eye(1, self.y.size, j)[0]
        slopes = self.settled(v)[0]
        rule, numeric = float(self.rule(u) @ (self.scale * v)) / self._unit(v), float(slopes.middle[j])
        error = abs(rule - numeric) / (max(abs(rule), abs(numeric)) or 1.0)
        rest = f"; elsewhere the relative error is at most {worst.error:.1g}" if worst is not None else ""
        many = f"{len(kinks)} kinks; here " if len(kinks) > 1 else "a kink: "
        note = f"{many}the slope is {slopes.lower[j]:.6g} below and {slopes.upper[j]:.6g} above{rest}."
        return self._found(KINK, _Found(u, v, rule, numeric, error), note)


class _RuleError(Exception):
    """A rule that can't be run, in words."""


@dataclass
class _Slopes:
    """Of every result: the central difference quotient, those below and above, and what rounding may do to them."""

    middle: Vector
    lower: Vector
    upper: Vector
    noise: Vector

    def apart(self, limit: float) -> Truths:
        """Where the two sides differ by more than rounding."""
        size = np.maximum(np.abs(self.lower), np.abs(self.upper))
        return np.asarray(np.abs(self.upper - self.lower) > 4 * self.noise + limit * size)


@dataclass
class _Found:
    """A derivative of results weighted with ``u``, along ``v``, from both sides."""

    u: Vector
    v: Vector
    rule: float
    numeric: float
    error: float


def _fine(x: Any) -> Any:
    """A real array in float64; anything else as it is."""
    if type(x) in backends.SPACES and backends.is_real(x.dtype):
        return backends.namespace(x).astype(x, backends.namespace(x).float64)
    return x


def _index(weights: Vector, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The one element that is not weighted with 0."""
    if np.count_nonzero(weights) != 1 or (weights.max() != 1.0):
        return None
    return tuple(int(k) for k in np.unravel_index(int(np.argmax(weights)), shape))


def _spot(index: tuple[int, ...] | None) -> str:
    return f" {list(index)}" if index else ""


def _several(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _called(given: Any) -> str:
    name = getattr(given, "name", None)
    if isinstance(name, str):
        return name
    return str(tuple(given.shape)) if hasattr(given, "shape") else repr(given)
