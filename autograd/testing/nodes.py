"""`check_nodes`: the rules of every recorded operation, compared with central differences at the recorded inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common import notebook
from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.common.validation import number, whole
from glassgrad.autograd.engine.graph import Graph, Node
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, GradcheckError, GradientError
from glassgrad.autograd.testing import judgement
from glassgrad.autograd.testing.judgement import OK, UNCHECKED, WRONG, Comparison, Judge, Judgement, index_of, spot
from glassgrad.autograd.testing.points import Point

KINK, SKIPPED = "kink", "skipped"
LISTED = 200  # checks in the table of a notebook
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
        by = f"with respect to {self.argument}{spot(self.element)}"
        said = [f"{self.verdict:7} {self.title} {by}, {self.where}"]
        if self.verdict in (WRONG, KINK) and self.rule is not None and self.numeric is not None:
            said.append(
                f"        rule {self.rule:.6g}, numeric {self.numeric:.6g}, relative error {self.error:.2g}"
                + (f", of the result{spot(self.output)}" if self.output else "")
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
        many = f"{len(tested)} derivative{'s' * (len(tested) != 1)} of {operations} operation{'s' * (operations != 1)}"
        lines = [f"{many}, each alone: its rule against a central difference at the recorded inputs, in float64."]
        if coarse := {str(check.node.dtype) for check in tested} - {"float64"}:
            lines.append(f"The graph was recorded in {', '.join(sorted(coarse))}; its values were copied to float64.")
        lines += [str(check) for check in self if check.verdict in (WRONG, KINK, UNCHECKED)]
        lines += [str(check) for check in self if check.verdict == OK and check.note]
        if agree := sum(check.verdict == OK for check in self):
            lines.append(f"ok      {agree}, relative errors up to {worst:.1g}")
        skipped = [check for check in self if check.verdict == SKIPPED]
        for note in dict.fromkeys(check.note for check in skipped):
            those = (f"{c.node.op.name} with respect to {c.argument}" for c in skipped if c.note == note)
            lines.append(f"skipped {', '.join(dict.fromkeys(those))}: {note}")
        if any(check.node.origin is None for check in self.wrong):
            lines.append("To know the line that made an operation, record the graph under autograd.detect_anomaly().")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A row for each argument that was checked, for a notebook, and the report in words below."""
        found = [check for check in self if check.verdict != SKIPPED][:LISTED]
        errors = ("" if c.error is None else f"{c.error:.1e}" for c in found)
        rows = [(c.verdict, c.title, c.argument, next(errors), c.where) for c in found]
        heads = ("verdict", "operation", "argument", "relative error", "line")
        table = notebook.table(heads, rows, [notebook.INKS.get(c.verdict, "inherit") for c in found])
        words = notebook.folded("in words", f"<pre>{escape(str(self))}</pre>")
        return notebook.card(repr(self)[1:-1], [], table, words)


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


def _checked(node: Node, values: dict[Any, Any], limit: float, max_elements: int, rng: Any) -> Iterator[NodeCheck]:
    op, given = node.op, [_fine(values[x].data if hasattr(x, "requires_grad") else x) for x in node.inputs]
    for i, place in enumerate(node.inputs):
        arg = op.args[0] if op.variadic else op.args[i]
        name = f"{arg}[{i}]" if op.variadic else arg
        if place is None:
            continue
        if not node.mask >> i & 1:
            found = _skipped(_why_not(place, arg in op.rules))
        elif not backends.is_real(given[i].dtype):
            found = _skipped(f"values of dtype {given[i].dtype} are not moved by differences")
        else:
            found = _compared(node, given, i, limit, max_elements, rng)
        yield NodeCheck(node, i, name, **found)


def _compared(node: Node, given: Sequence[Any], i: int, limit: float, max_elements: int, rng: Any) -> dict[str, Any]:
    """What a `NodeCheck` says of an argument that has a gradient."""
    # What a loop saves for its rule is no result.
    loop = {"loop": replace(node.params["loop"], saving=None)} if node.op.name == "scan_packed" else {}

    def applied(x: Tensor) -> Any:
        return node.op.apply(*given[:i], x, *given[i + 1 :], **(node.params | loop))

    applied.__name__ = node.op.name
    try:
        point = Point(applied, [Tensor(given[i], requires_grad=True)])
    except GradcheckError:
        return _skipped("it gives two different answers to the same inputs")
    except AutogradError as error:
        return _skipped(f"it can't be computed in float64: {error}")
    if not (point.base[0].size and point.y.size):
        return _skipped("it is empty")
    if not (np.isfinite(point.base[0]).any() and np.isfinite(point.y).any()):
        return _skipped("its values are not finite here")
    rtol = limit if point.dtype.itemsize >= 8 else max(limit, point.epsilon ** (1 / 3))
    try:
        return _verdict(Judge(point, 0, rtol=rtol, max_elements=max_elements, rng=rng))
    except AutogradError as error:
        return {"verdict": WRONG, "note": str(error)}


def _skipped(note: str) -> dict[str, Any]:
    return {"verdict": SKIPPED, "note": note}


def _why_not(place: Any, has_rule: bool) -> str:
    if getattr(place, "dtype", None) is not None and not backends.is_inexact(place.dtype):
        return "integers and truth values have no derivative"
    if not has_rule:
        return "there is no rule for this argument"
    return "no gradient is asked for"


def _verdict(judge: Judge) -> dict[str, Any]:
    """What a `NodeCheck` says of one argument."""
    found = judge.judge()
    c = found.worst
    if found.verdict == WRONG and c is not None:
        c = judge.traced(c)
        return _found(judge, WRONG, c, judgement.cause(c))
    if found.kinks:
        return _kink(judge, found)
    if c is None:
        return _skipped(f"its slopes {ROUGH}")
    if found.verdict == UNCHECKED:
        return _found(judge, UNCHECKED, c, "its derivatives are too small compared with its values to be told from 0")
    return _found(judge, OK, c, f"{found.lost} of its slopes {ROUGH}" if found.lost else "")


def _found(judge: Judge, verdict: str, c: Comparison, note: str) -> dict[str, Any]:
    shapes = {"element": (c.v, judge.point.shapes[judge.i]), "output": (c.u, judge.point.outputs[0])}
    places = {name: index_of(*part) for name, part in shapes.items()}
    return {"verdict": verdict, "error": c.error, "rule": c.rule, "numeric": c.numeric, "note": note, **places}


def _kink(judge: Judge, found: Judgement) -> dict[str, Any]:
    c = found.kinks[0]
    slopes = judge.differences.along(c.v)
    below, above = (float(side[int(np.argmax(np.abs(c.u)))]) for side in (slopes.lower, slopes.upper))
    c = replace(c, numeric=(below + above) / 2)
    rest = f"; elsewhere the relative error is at most {found.worst.error:.1g}" if found.shown and found.worst else ""
    many = f"{len(found.kinks)} kinks; here " if len(found.kinks) > 1 else "a kink: "
    return _found(judge, KINK, c, f"{many}the slope is {below:.6g} below and {above:.6g} above{rest}.")


def _fine(x: Any) -> Any:
    """A real array in float64; anything else as it is."""
    if type(x) in backends.SPACES and backends.is_real(x.dtype):
        return backends.namespace(x).astype(x, backends.namespace(x).float64)
    return x


def _called(given: Any) -> str:
    name = getattr(given, "name", None)
    if isinstance(name, str):
        return name
    return str(tuple(given.shape)) if hasattr(given, "shape") else repr(given)
