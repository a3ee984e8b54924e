"""`check_nodes`: the rules of every recorded operation, compared with central differences at the recorded inputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.tracing import holding
from glassgrad.autograd.common.validation import number, whole
from glassgrad.autograd.engine.graph import Graph, Node
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, GradientError
from glassgrad.autograd.functions.gradients import gradients
from glassgrad.autograd.testing.oracles.differences import Differences, Vector
from glassgrad.autograd.testing.oracles.judgement import (
    KINK,
    OK,
    UNCHECKED,
    WRONG,
    Comparison,
    Judge,
    Judgement,
    RuleError,
)
from glassgrad.autograd.testing.oracles.reports import factor

SKIPPED = "skipped"
LARGE = 1 << 14  # beyond this number of elements only two directions are compared
ROUGH = "are not finite, or not smooth enough, a step away from here"


@dataclass(frozen=True)
class NodeCheck:
    """The result of `check_nodes` for one argument of one recorded operation.

    ``node`` is the operation, ``index`` the argument's place in ``node.inputs`` and ``argument`` its name (``"x"``,
    ``"arrays[1]"``). ``verdict``: ``"ok"``; ``"wrong"``; ``"kink"`` where the slopes on both sides of the point differ,
    so that no difference can tell; ``"unchecked"`` where all derivatives are too small to be told from 0;
    ``"skipped"``. ``error`` is the largest relative error; ``rule`` and ``numeric`` are the derivatives there by the
    rule and by differences, of ``output`` with respect to ``element`` (indices; None where many were compared as one).
    ``note`` says why an argument is skipped, or what may be wrong.
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
        """The line of code that called the operation, if it was recorded under `detect_anomaly`."""
        return self.node.origin or "unknown line"

    @property
    def title(self) -> str:
        """The operation as ``a = sigmoid(z)``: values by their names, else by their shapes; and its module."""
        inside = ", ".join(_called(given) for given in self.node.inputs if given is not None)
        made = f"{self.node.name} = " if self.node.name else ""
        path = f" in {self.node.scope[-1][0]}" if self.node.scope and self.node.scope[-1][0] else ""
        return f"{made}{self.node.op.name}({inside}){path}"

    def __str__(self) -> str:
        by = f"with respect to {self.argument}{_spot(self.element)}"
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
        """Whether no rule is wrong, and every argument that was not skipped could be checked."""
        return all(check.verdict in (OK, KINK, SKIPPED) for check in self)

    @property
    def wrong(self) -> list[NodeCheck]:
        """The results of the rules that are wrong."""
        return [check for check in self if check.verdict == WRONG]

    def of(self, node: Node) -> list[NodeCheck]:
        """The results of one operation."""
        return [check for check in self if check.node is node]

    def __repr__(self) -> str:
        counts = Counter(check.verdict for check in self)
        found = ", ".join(f"{counts[v]} {v}" for v in (WRONG, KINK, UNCHECKED, OK, SKIPPED) if counts[v])
        return f"<NodeReport: {found or 'nothing to check'}>"

    def __str__(self) -> str:
        tested = [check for check in self if check.verdict != SKIPPED]
        operations = len({id(check.node) for check in tested})
        worst = max((check.error for check in tested if check.verdict == OK and check.error is not None), default=0.0)
        many = f"{_several(len(tested), 'derivative')} of {_several(operations, 'operation')}"
        lines = [f"{many}, each alone: its rule against a central difference at the recorded inputs, in float64."]
        if coarse := {str(check.node.dtype) for check in tested} - {"float64"}:
            lines.append(f"The graph was recorded in {', '.join(sorted(coarse))}; its values were copied to float64.")
        lines += [str(check) for check in self if check.verdict in (WRONG, KINK, UNCHECKED)]
        lines += [str(check) for check in self if check.verdict == OK and check.note]
        if agree := sum(check.verdict == OK for check in self):
            lines.append(f"ok      {agree}, relative errors up to {worst:.1g}")
        reasons: dict[str, list[str]] = {}
        for check in self:
            if check.verdict == SKIPPED:
                reasons.setdefault(check.note, []).append(f"{check.node.op.name} with respect to {check.argument}")
        for reason, those in reasons.items():
            names = [f"{name} ({n} times)" if n > 1 else name for name, n in Counter(those).items()]
            more = [f"and {len(names) - 8} others"] if len(names) > 8 else []
            lines.append(f"skipped {', '.join([*names[:8], *more])}: {reason}")
        if any(check.node.origin is None for check in self.wrong):
            lines.append("To know the line that made an operation, record the graph under autograd.detect_anomaly().")
        return "\n".join(lines)


@np.errstate(all="ignore")  # non-finite values are reported, not warned of
def check_nodes(
    y: Tensor | Sequence[Tensor], *, limit: float = 1e-4, max_elements: int = 64, seed: int = 0
) -> NodeReport:
    """Compare the rules of each recorded operation of the graph of ``y`` with central differences, one by one.

    ``y`` is one Tensor or several. The forward is run again for the recorded inputs. Each operation then gets its own
    float64 copies of them, whatever the dtype of the graph. Every element of each argument that receives a gradient is
    moved by ``±2⁻¹⁷ max(1, |x|)`` (rounded up to a power of 2). The derivatives of every element of the result agree if
    their difference, relative to the larger of the two, is at most ``limit``, or the rounding error if that is larger.
    Where they do not agree, other steps are tried before a rule is called wrong. At a kink, where the slopes on both
    sides stay apart as the step shrinks, a rule may give either slope or one in between. Arguments or results of more
    than ``max_elements`` elements are compared along random directions, drawn from ``seed``; a fault seen there is
    traced to an element by halving. For an operation with a result coarser than float64 the limit is the cube root of
    its machine epsilon.

    Skipped, with a note: arguments without a rule, integers, arguments without gradient, and values that are not
    finite.

    Returns a `NodeReport`, a tuple of `NodeCheck`; nothing is raised for a wrong rule. Raises `GradientError` where
    nothing was recorded.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import check_nodes
    >>> @ag.op("x³")
    ... def cubed(xp, x):
    ...     return x * x * x
    >>> cubed.vjp(x=lambda g, x: 2 * g * x * x)
    >>> x = ag.Tensor(2.0, requires_grad=True, name="x")
    >>> print(check_nodes(cubed(x) + x))
    3 derivatives of 2 operations, each alone: its rule against a central difference at the recorded inputs, in float64.
    wrong   cubed(x) with respect to x, unknown line
            rule 8, numeric 12, relative error 0.33
            the rules give 2/3 times the difference: a rule has a factor too few or too many.
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
    with holding(MODE, Mode(True, None, None)):  # also where called under no_grad or detect_anomaly
        values = graph.replay()
        rng = np.random.default_rng(seed)
        return NodeReport(
            check
            for node in graph.nodes
            if node.op is not None
            for check in _checked(node, values, limit, max_elements, rng)
        )


def _checked(
    node: Node, values: dict[Any, Any], limit: float, max_elements: int, rng: np.random.Generator
) -> Iterator[NodeCheck]:
    op = node.op
    given = [_fine(values[place].data if hasattr(place, "requires_grad") else place) for place in node.inputs]
    recorded = _Recorded(node, given)
    generator = rng.integers(2**63)  # each argument has the same weights of outputs: one reverse pass serves all
    for i, place in enumerate(node.inputs):
        arg = op.args[0] if op.variadic else op.args[i]
        name = f"{arg}[{i}]" if op.variadic else arg
        if place is None:
            continue
        if node.mask >> i & 1:
            yield _Argument(recorded, i, name).check(limit, max_elements, np.random.default_rng(generator))
        else:
            yield NodeCheck(node, i, name, SKIPPED, note=_why_not(place, arg in op.rules))


def _why_not(place: Any, has_rule: bool) -> str:
    if getattr(place, "dtype", None) is not None and not backends.is_inexact(place.dtype):
        return "integers and truth values have no derivative"
    if not has_rule:
        return "there is no rule for this argument"
    return "no gradient is asked for"


class _Recorded:
    """One operation recorded at its inputs in float64, once for all of its arguments."""

    def __init__(self, node: Node, given: Sequence[Any]) -> None:
        self.node, self.given = node, given
        self._pulled: dict[bytes, dict[int, Vector]] = {}

    @cached_property
    def leaves(self) -> dict[int, Tensor]:
        """The real-valued arguments that receive a gradient, by their position."""
        moved = {i: x for i, x in enumerate(self.given) if self.node.mask >> i & 1}
        return {i: Tensor(x, requires_grad=True) for i, x in moved.items() if backends.is_real(x.dtype)}

    @cached_property
    def out(self) -> Tensor:
        """The recorded result."""
        return self.apply(self.leaves)

    def apply(self, moved: Mapping[int, Any]) -> Tensor:
        """The result with other values of some arguments."""
        result: Tensor = self.node.op.apply(*[moved.get(i, x) for i, x in enumerate(self.given)], **self.node.params)
        return result

    @cached_property
    def repeats(self) -> bool:
        """Whether a second call gives the same result."""
        return bool(np.array_equal(_flat(self.apply({}).data), _flat(self.out.data), equal_nan=True))

    def vjp(self, i: int, u: Vector) -> Vector:
        """The gradient of argument ``i`` for the upstream gradient ``u``, by the engine's own backward pass."""
        key = u.tobytes()
        if key not in self._pulled:
            seed = Tensor(backends.namespace(self.out.data).asarray(u.reshape(self.out.shape)), dtype=self.out.dtype)
            try:
                found = gradients(self.out, tuple(self.leaves.values()), seed)
            except Exception:  # perhaps another argument's rule failed
                try:
                    return _flat(gradients(self.out, self.leaves[i], seed).data)
                except Exception as error:
                    raise RuleError(f"its rule raised {type(error).__name__}: {error}") from error
            self._pulled[key] = {j: _flat(g.data) for j, g in zip(self.leaves, found, strict=True)}
        return self._pulled[key][i]


class _Argument:
    """One recorded operation as a function of one argument, from vectors to vectors."""

    def __init__(self, recorded: _Recorded, i: int, name: str) -> None:
        self.recorded, self.node, self.i, self.name = recorded, recorded.node, i, name
        moved = recorded.given[i]
        self.shape, self.space, self.dtype = tuple(moved.shape), backends.namespace(moved), moved.dtype
        self.x = _flat(moved) if backends.is_real(moved.dtype) else np.zeros(0)
        self.y = np.zeros(0)

    # ------------------------------------------------------------ what is compared

    def f(self, x: Vector) -> Vector:
        """The result as a vector."""
        array = self.space.asarray(np.reshape(x, self.shape))
        return _flat(self.recorded.apply({self.i: array if self.shape else array[()]}).data)

    def vjp(self, u: Vector) -> Vector:
        """The gradient by the rule for the upstream gradient ``u``."""
        return self.recorded.vjp(self.i, u)

    def _evaluate(self) -> str:
        """Compute the result; returns the reason why nothing can be compared, or an empty string."""
        if not backends.is_real(self.dtype):
            return f"values of dtype {self.dtype} are not moved by differences"
        try:
            out = self.recorded.out
        except AutogradError as error:
            return f"it can't be computed in float64: {error}"
        if not backends.is_real(out.dtype):
            return f"results of dtype {out.dtype} are not compared"
        self.out_shape = tuple(out.shape)
        self.y = _flat(out.data)
        self.out_dtype = backends.to_numpy(out.data).dtype
        if not self.x.size or not self.y.size:
            return "it is empty"
        if not np.isfinite(self.x).any() or not np.isfinite(self.y).any():
            return "its values are not finite here"
        return ""

    # ------------------------------------------------------------ the verdict

    def check(self, limit: float, max_elements: int, rng: np.random.Generator) -> NodeCheck:
        """The verdict on this argument."""
        if reason := self._evaluate():
            return self._result(SKIPPED, note=reason)
        epsilon = float(np.finfo(self.out_dtype).eps)
        rtol = limit if self.out_dtype.itemsize >= 8 else max(limit, epsilon ** (1 / 3))
        differences = Differences(self.f, self.x, self.y, epsilon)
        large = self.x.size + self.y.size > LARGE
        judge = Judge(self, differences, rtol=rtol, max_elements=max_elements, rng=rng, brief=large)
        try:
            found = judge.judge()
            if found.verdict != OK and not self.recorded.repeats:
                return self._result(SKIPPED, note="it gives two different answers to the same inputs")
            if found.verdict == WRONG and found.worst is not None:
                c = judge.traced(found.worst)
                if c.rule == c.numeric:  # both are infinite
                    return self._result(SKIPPED, note="its derivative, times its value, is too large for a number")
                return self._wrong(c)
        except RuleError as error:
            return self._result(WRONG, note=str(error))
        if found.kinks:
            return self._kink(judge, found)
        if found.worst is None:
            return self._result(SKIPPED, note=f"its slopes {ROUGH}")
        if found.verdict == UNCHECKED:
            return self._found(
                UNCHECKED, found.worst, "its derivatives are too small compared with its values to be told from 0"
            )
        return self._found(OK, found.worst, f"{found.lost} of its slopes {ROUGH}" if found.lost else "")

    def _result(self, verdict: str, **found: Any) -> NodeCheck:
        return NodeCheck(self.node, self.i, self.name, verdict, **found)

    def _found(self, verdict: str, c: Comparison, note: str) -> NodeCheck:
        element, output = _index(c.v, self.shape), _index(c.u, self.out_shape)
        numbers = {"error": c.error, "rule": c.rule, "numeric": c.numeric}
        return self._result(verdict, element=element, output=output, note=note, **numbers)

    def _wrong(self, c: Comparison) -> NodeCheck:
        note = factor(np.array(c.rule), np.array(c.numeric))
        if not math.isfinite(c.rule):
            note = "the rule gives no finite number, although the derivative is finite."
        elif c.low is not None:
            note = f"at a kink the rule's slope is not between those nearby, {c.low:.6g} and {c.high:.6g}."
        elif _index(c.u, self.out_shape) is None:
            note = "the rule is not linear in g, as every derivative is: for single results it is right."
        return self._found(WRONG, c, note)

    def _kink(self, judge: Judge, found: Judgement) -> NodeCheck:
        c = judge.kink(found.kinks[0])
        slopes = judge.differences.along(c.v)
        below, above = (float(side[int(np.argmax(np.abs(c.u)))]) for side in (slopes.lower, slopes.upper))
        c = replace(c, numeric=(below + above) / 2)
        single = found.shown and found.worst is not None
        rest = f"; elsewhere the relative error is at most {found.worst.error:.1g}" if single and found.worst else ""
        many = f"{len(found.kinks)} kinks; here " if len(found.kinks) > 1 else "a kink: "
        return self._found(KINK, c, f"{many}the slope is {below:.6g} below and {above:.6g} above{rest}.")


def _flat(array: Any) -> Vector:
    return backends.to_numpy(array).astype(np.float64, copy=False).reshape(-1)


def _fine(x: Any) -> Any:
    """A real array in float64; anything else as it is."""
    if type(x) in backends.SPACES and backends.is_real(x.dtype):
        return backends.namespace(x).astype(x, backends.namespace(x).float64)
    return x


def _index(weights: Vector, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The index of the only element with weight 1; ``None`` for a weighted sum."""
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
