"""Rules that are wrong on purpose, planted one at a time: does anything notice?

``python -m tests.mutants`` plants each and writes ``docs/mutants.md``: for operations as a user would write them
(`tests.autograd.testing.own_operations`) what `assert_rule` says; for operations of this package which property finds
which, at the same calls, and the page of conventions. ``python -m tests.mutants own`` does the first part alone.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from glassgrad import autograd as ag
from glassgrad.autograd.errors import GradcheckError
from glassgrad.autograd.testing import Program, assert_rule
from glassgrad.autograd.testing.strategies import operations
from tests.autograd.testing.own_operations import OWN, WRONG, Own, Wrong
from tests.operations import TABLE as OPERATIONS
from tests.properties import PROPERTIES

TABLE = Path(__file__).parents[1] / "docs/mutants.md"
CONVENTIONS, KINKS = "conventions", "wrong at a kink"
Rule = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """What becomes of the rule of one argument. ``wrong`` is a rule, which may ask for anything that a rule may."""

    kind: str
    op: str
    arg: str
    change: str
    wrong: Rule

    @property
    def name(self) -> str:
        return f"{self.op} by {self.arg}: {self.change}"


MUTANTS: list[Mutant] = []


def mutant(kind: str, op: str, arg: str, change: str, wrong: Rule) -> None:
    MUTANTS.append(Mutant(kind, op, arg, change, wrong))


def changed(op: str, arg: str, change: Callable[[Any], Any]) -> Rule:
    """The right rule, and what is done to its result."""
    rule, wants = ag.OPS[op].rules[arg]
    scope: dict[str, Any] = {"rule": rule, "change": change}
    return eval(f"lambda {', '.join(wants)}: change(rule({', '.join(wants)}))", scope)  # a rule is asked by its names


def value(x: Any) -> Any:
    """What is computed with and not recorded: what a second derivative does not see."""
    return x.data if isinstance(x, ag.Tensor) else x


def blind(op: str, arg: str, *names: str) -> Rule:
    """The right rule, which takes the inputs ``names`` for constants."""
    rule, wants = ag.OPS[op].rules[arg]
    given = ", ".join(f"value({w})" if w in names else w for w in wants)
    return eval(f"lambda {', '.join(wants)}: rule({given})", {"rule": rule, "value": value})


def only_first(shape: Any, axis: Any) -> tuple[Any, ...]:
    """An index of the first entry along an axis."""
    return (*[slice(None)] * (axis % len(shape)), slice(0, 1))


# ----------------------------------------------------------------------------------------------------------------- sign

for op, arg in (
    ("subtract", "y"), ("divide", "y"), ("cos", "x"), ("acos", "x"), ("reciprocal", "x"), ("tanh", "x"), ("sum", "x"),
    ("getitem", "x"), ("atan2", "y"), ("remainder", "y"), ("matmul", "y"), ("cross_entropy", "logits"), ("inv", "x"),
):  # fmt: skip
    mutant("sign", op, arg, "−", changed(op, arg, lambda g: -g))

# --------------------------------------------------------------------------------------------------------------- factor

for op, arg, factor in (
    ("multiply", "x", 2.0), ("square", "x", 0.5), ("log2", "x", 1.0000001), ("gelu", "x", 0.999), ("erf", "x", 1.1284),
    ("exp", "x", 1.001), ("mean", "x", 2.0), ("setitem", "value", 0.5), ("vecdot", "y", 3.0), ("det", "x", 0.5),
):  # fmt: skip
    mutant("factor", op, arg, f"× {factor:.8g}", changed(op, arg, lambda g, factor=factor: factor * g))
mutant("factor", "sigmoid", "x", "1 − out is forgotten", lambda g, out: g * out)
mutant("factor", "asin", "x", "the root is forgotten", lambda g, x: g / (1 - x * x))
mutant("factor", "std", "x", "that of the variance", lambda xp, g, x, x_shape, axis: xp.reshape(
    g, shape=ag.common.shapes.keepdims_shape(x_shape, axis)
) * 2 * (x - xp.mean(x, axis=axis, keepdims=True)) / ag.common.shapes.size(x_shape, axis))  # fmt: skip
mutant(
    "factor", "squared_error", "x", "the mean's share is forgotten", lambda xp, g, x, y: 2 * g * (x - y) + 0 * (x - y)
)
mutant(
    "factor",
    "binary_cross_entropy_with_logits",
    "target",
    "the mean's share is forgotten",
    lambda g, logits: -logits * g,
)

# ---------------------------------------------------------------------------------------------------- missing broadcast

mutant("missing broadcast", "sum", "x", "g is not spread", lambda g: g)
mutant("missing broadcast", "logsumexp", "x", "g is not spread", lambda xp, g, x: g * xp.softmax(x, axis=-1))
mutant("missing broadcast", "expand_dims", "x", "the axis stays", lambda g: g)
mutant(
    "missing broadcast", "pad", "x", "what is repeated around is not added up",
    lambda g, x_shape, pad_width: g[ag.ops.shaping._inside(pad_width, x_shape)],
)  # fmt: skip
mutant("missing broadcast", "tile", "x", "only the first copy counts", lambda g, x_shape: g[tuple(map(slice, x_shape))])
mutant(
    "missing broadcast", "linear", "weight", "only the first example counts",
    lambda xp, g, x: xp.matmul(
        xp.reshape(g, shape=(-1, g.shape[-1]))[:1].mT, xp.reshape(x, shape=(-1, x.shape[-1]))[:1]
    ),
)  # fmt: skip
mutant(
    "missing broadcast", "take", "x", "an entry taken twice counts once",
    lambda xp, g, indices, x_shape, axis: (
        xp.setitem(xp.zeros(x_shape), g, index=(*[slice(None)] * (axis % len(x_shape)), indices))
        if axis is not None
        else xp.scatter_take(g, indices, axis=axis, shape=x_shape)
    ),
)  # fmt: skip
mutant(
    "missing broadcast", "getitem", "x", "an element named twice counts once",
    lambda xp, g, x_shape, index: xp.setitem(xp.zeros(x_shape), g, index=index),
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------- swapped argument

mutant("swapped argument", "multiply", "x", "x for y", lambda g, x: g * x)
mutant("swapped argument", "divide", "x", "by x", lambda g, x: g / x)
mutant("swapped argument", "hypot", "x", "y for x", lambda g, y, out: g * y / out)
mutant("swapped argument", "atan2", "x", "x for y", lambda g, x, y: g * x / (x * x + y * y))
mutant("swapped argument", "power", "x", "base and exponent", lambda g, x, y: g * x * y ** (x - 1))
mutant("swapped argument", "where", "x", "of the other branch", lambda xp, g, condition: xp.where(condition, 0.0, g))
mutant("swapped argument", "maximum", "y", "where x is larger", lambda xp, g, x, y: xp.where(x > y, g, 0.0))
mutant("swapped argument", "logaddexp", "y", "that of x", lambda xp, g, x, y: g * xp.sigmoid(x - y))
mutant("swapped argument", "matmul", "x", "y is not transposed", lambda xp, g, y: xp.matmul(g, y) if y.ndim > 1 else g)
mutant("swapped argument", "setitem", "x", "the others", lambda xp, g, index: g - xp.setitem(g, 0.0, index=index))
mutant("swapped argument", "cross", "x", "y and g", lambda xp, g, y, axis: xp.cross(g, y, axis=axis))
mutant("swapped argument", "minimum", "x", "where x is larger", lambda xp, g, x, y: xp.where(x > y, g, 0.0))
mutant("swapped argument", "stack", "arrays", "in reverse", lambda xp, g, arrays_shape, axis: tuple(
    g[(*[slice(None)] * (axis % (len(arrays_shape[0]) + 1)), i)] for i in reversed(range(len(arrays_shape)))
))  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- wrong axis

mutant("wrong axis", "permute_dims", "x", "the same order again", lambda xp, g, axes: xp.permute_dims(g, axes=axes))
mutant("wrong axis", "roll", "x", "not back", lambda xp, g, shift, axis: xp.roll(g, shift=shift, axis=axis))
mutant("wrong axis", "flip", "x", "all axes", lambda xp, g: xp.flip(g))
mutant(
    "wrong axis", "cumulative_sum", "x", "from the wrong end",
    lambda xp, g, axis, include_initial, x_shape: xp.cumulative_sum(
        g if not include_initial else g[(*[slice(None)] * ((axis or 0) % len(x_shape)), slice(1, None))],
        axis=axis or 0,
    ),
)  # fmt: skip
mutant(
    "wrong axis", "softmax", "x", "summed along the last",
    lambda xp, g, out: out * (g - xp.sum(g * out, axis=-1, keepdims=True)),
)  # fmt: skip
mutant(
    "wrong axis", "log_softmax", "x", "summed along the first",
    lambda xp, g, out: g - xp.exp(out) * xp.sum(g, axis=0, keepdims=True),
)  # fmt: skip
mutant("wrong axis", "reshape", "x", "the last two swapped", lambda xp, g, x_shape: xp.reshape(g.mT, shape=x_shape)
       if g.ndim > 1 else xp.reshape(g, shape=x_shape))  # fmt: skip
mutant("wrong axis", "matrix_transpose", "x", "not back", lambda xp, g, x_shape: xp.reshape(g, shape=x_shape))
mutant("wrong axis", "tril", "x", "the other triangle", lambda xp, g, k: xp.triu(g, k=k))
mutant("wrong axis", "triu", "x", "always the main diagonal", lambda xp, g: xp.triu(g))
mutant(
    "wrong axis", "take_along_axis", "x", "along the last",
    lambda xp, g, indices, x_shape, axis: (
        xp.scatter_along_axis(g, indices, axis=axis, shape=x_shape)
        if axis in (-1, len(x_shape) - 1)
        else xp.zeros(x_shape)
    ),
)  # fmt: skip
mutant("wrong axis", "mean", "x", "divided by the first axis' length", lambda xp, g, x_shape, axis: xp.broadcast_to(
    xp.reshape(g, shape=ag.common.shapes.keepdims_shape(x_shape, axis)) / (x_shape[0] if x_shape else 1), shape=x_shape
))  # fmt: skip
mutant("wrong axis", "prod", "x", "over all axes", lambda xp, g, x: xp.sum(g) * xp.prod(x) / x)
mutant("wrong axis", "squeeze", "x", "in front", lambda xp, g, x_shape: xp.reshape(
    xp.permute_dims(g, axes=tuple(range(g.ndim))[::-1]), shape=x_shape
))  # fmt: skip

# ------------------------------------------------------------------------------------------------------ wrong at a kink

mutant(KINKS, "relu", "x", "1 at 0", lambda xp, g, x: xp.where(x >= 0, g, 0.0))
mutant(KINKS, "abs", "x", "1 at 0", lambda xp, g, x: xp.where(x >= 0, g, -g))
mutant(KINKS, "leaky_relu", "x", "1 at 0", lambda xp, g, x, slope: xp.where(x >= 0, g, slope * g))
mutant(KINKS, "maximum", "x", "x takes all of a tie", lambda xp, g, x, y: xp.where(x >= y, g, 0.0))
mutant(KINKS, "minimum", "y", "y takes nothing of a tie", lambda xp, g, x, y: xp.where(y < x, g, 0.0))
mutant(KINKS, "max", "x", "each takes all of a tie",
       lambda xp, g, x, x_shape, out, axis: xp.where(
           x == xp.reshape(out, shape=ag.common.shapes.keepdims_shape(x_shape, axis)),
           xp.reshape(g, shape=ag.common.shapes.keepdims_shape(x_shape, axis)), 0.0))  # fmt: skip
mutant(KINKS, "clip", "x", "0 at the upper end", lambda xp, g, x, out: xp.where(x * 1.0000001 < out, 0.0,
       xp.where(x >= out * 1.0000001, 0.0, g)))  # fmt: skip
mutant(KINKS, "hypot", "x", "NaN at the origin", lambda g, x, out: g * x / out)
mutant(KINKS, "atan2", "x", "NaN at the origin", lambda g, x, y: g * y / (x * x + y * y))
mutant(KINKS, "power", "y", "NaN at 0", lambda xp, g, x, out: g * out * xp.log(x))

# ------------------------------------------------------------------------------------------- wrong only in second order

for op, arg, *names in (
    ("square", "x", "x"), ("exp", "x", "out"), ("sin", "x", "x"), ("tanh", "x", "out"), ("log", "x", "x"),
    ("sigmoid", "x", "out"), ("divide", "y", "out", "y"), ("power", "x", "x"), ("softmax", "x", "out"),
    ("prod", "x", "x"), ("logsumexp", "x", "x", "out"), ("var", "x", "x"), ("cross_entropy", "logits", "logits"),
    ("inv", "x", "out"), ("multiply", "y", "x"), ("matmul", "x", "y"), ("gelu", "x", "x"),
):  # fmt: skip
    mutant("wrong only in second order", op, arg, f"{', '.join(names)} a constant", blind(op, arg, *names))
for op, arg in (("add", "x"), ("cos", "x"), ("concat", "arrays"), ("hypot", "y")):
    mutant("wrong only in second order", op, arg, "g a constant", blind(op, arg, "g"))

# ----------------------------------------------------------------------------------------------------- not a derivative

mutant("not linear in g", "negative", "x", "|g|", lambda xp, g: -xp.abs(g))
mutant("not linear in g", "cosh", "x", "a constant is added", lambda xp, g, x: g * xp.sinh(x) + 1e-3)
mutant("not linear in g", "positive", "x", "limited to 1", lambda xp, g: xp.clip(g, min=-1.0, max=1.0))
mutant("some parameters", "var", "x", "the correction is forgotten", lambda xp, g, x, x_shape, axis: xp.reshape(
    g, shape=ag.common.shapes.keepdims_shape(x_shape, axis)
) * 2 * (x - xp.mean(x, axis=axis, keepdims=True)) / ag.common.shapes.size(x_shape, axis))  # fmt: skip
mutant("some parameters", "leaky_relu", "x", "the default slope", lambda xp, g, x: xp.where(x > 0, g, 0.01 * g))
mutant("some parameters", "pad", "x", "as if by 1", lambda g, x_shape: g[tuple(slice(1, 1 + n) for n in x_shape)])


# ------------------------------------------------------------------------------------------------------------- the hunt


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within it the rule is wrong."""
    op = ag.OPS[mutant.op]
    right = op.rules.pop(mutant.arg)[0]
    op.vjp(**{mutant.arg: mutant.wrong})
    try:
        yield
    finally:
        del op.rules[mutant.arg]
        op.vjp(**{mutant.arg: right})


@functools.cache
def calls(op: str, count: int) -> list[Program]:
    """Examples of an operation, the same at every run."""
    assert op in OPERATIONS, "the table declares what it takes"
    found: list[Program] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operations(op))
    def collect(call: Program) -> None:
        found.append(call)

    collect()
    return found


def breaks_convention(mutant: Mutant) -> bool:
    """Whether a row of docs/conventions.md that uses the operation is not so."""
    conventions = importlib.import_module("tests.test_conventions")
    uses = ("**",) if mutant.op == "power" else (f".{mutant.op}(",)
    for code, _, at, *told in conventions.rows("Where there is no derivative"):
        if any(use in code for use in uses) and told[:3] != conventions.ours(code, at):
            return True
    return False


def catches(name: str, mutant: Mutant, count: int) -> bool:
    """Whether a property, or the page of conventions, finds the mutant, which is planted."""
    if name == CONVENTIONS:
        return breaks_convention(mutant)
    for call in calls(mutant.op, count):
        try:
            PROPERTIES[name](call)
        except GradcheckError:
            return True
    return False


def catchers(mutant: Mutant, count: int = 25) -> Iterator[str]:
    """The names of the properties that find a mutant, one after the other; the likeliest first."""
    calls(mutant.op, count)  # drawn before anything is wrong
    names = [*PROPERTIES, CONVENTIONS]
    with planted(mutant):
        for name in names[:: -1 if mutant.kind == KINKS else 1]:
            if catches(name, mutant, count):
                yield name


# --------------------------------------------------------------------------------------- operations of a user's own

RIGHT = "not refused"


def verdict(own: Own, wrong: Wrong | None = None, max_examples: int = 100) -> str:
    """What `assert_rule` says of a user's operation: `RIGHT`, or what finds the fault."""
    op = own.declared(wrong)
    try:
        assert_rule(op, max_examples=max_examples)
    except GradcheckError as error:
        first = str(error).partition("\n")[0]
        name = first.rpartition(" fails the check ")[2].removesuffix(".")
        return f"`{name}`" if name in PROPERTIES else "no rule" if " has no rule for " in first else first
    finally:
        del ag.OPS[op.name]
    return RIGHT


OWN_START, OWN_END = "## Operations of one's own\n", "## Operations of this package\n"

OWN_HEADER = f"""{OWN_START}
{len(OWN)} operations as a user would write them, with `autograd.op` and `declare`, and {len(WRONG)} faults that one
might plant in them: `tests/autograd/testing/own_operations.py`. `assert_rule(op)`, with Hypothesis' default of 100
examples, finds them by:

"""


def own_table() -> str:
    """The part of the page about operations of a user's own."""
    refused = [name for name, own in OWN.items() if verdict(own) != RIGHT]
    verdicts = [verdict(OWN[wrong.op], wrong) for wrong in WRONG]
    lines = ["| kind | what is wrong | found by |", "|---|---|---|"]
    lines += [f"| {w.kind} | {own_row(w)} | {v} |" for w, v in sorted(
        zip(WRONG, verdicts, strict=True), key=lambda pair: pair[0].kind
    )]  # fmt: skip
    found = sum(v != RIGHT for v in verdicts)
    total = f"**{found} of {len(WRONG)} are found, and {len(refused)} of {len(OWN)} right operations are refused.**"
    right = f"The right ones: {', '.join(f'`{name}`' for name in OWN)}."
    return OWN_HEADER + "\n".join([*lines, "", total, "", right]) + "\n\n"


def own_row(wrong: Wrong) -> str:
    """A fault of a user's operation as a cell."""
    return f"`{wrong.op}`: {wrong.change}".replace("|", r"\|")


# ------------------------------------------------------------------------------------------------------------- the page

HEADER = """# Mutants

Rules that are wrong on purpose, planted one at a time, and what finds them. This page is written by
`python -m tests.mutants`; the tests take a sample of the first table and all of the second.

"""

TABLE_HEADER = f"""{OWN_END}
Which property of `tests.properties` finds which, at 25 ordinary calls each that are drawn once. What is
wrong at a kink is found by the page of [conventions](conventions.md), which is a test.

"""


def row(mutant: Mutant) -> str:
    """A mutant's name as a cell."""
    return mutant.name.replace("|", r"\|")


def table() -> str:
    """The part of the page about operations of this package."""
    names = [*PROPERTIES, CONVENTIONS]
    lines = [f"| what is wrong | {' | '.join(f'`{name}`' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    totals = dict.fromkeys(names, 0)
    kind = ""
    for mutant in MUTANTS:
        if mutant.kind != kind:
            kind = mutant.kind
            lines.append(f"| **{kind}** |{' |' * len(names)}")
        found = list(catchers(mutant))
        for name in found:
            totals[name] += 1
        crosses = " | ".join("×" if name in found else "" for name in names)
        lines.append(f"| {row(mutant)} | {crosses} |")
    lines.append(f"| **of {len(MUTANTS)}** | {' | '.join(str(n) for n in totals.values())} |")
    return TABLE_HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    settings.register_profile("mutants", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("mutants")
    ours = own_table()
    before = TABLE.read_text(encoding="utf-8").partition(OWN_END)[2]
    theirs = f"{OWN_END}{before}" if "own" in sys.argv[1:] else table()
    print(ours)
    TABLE.write_text(HEADER + ours + theirs, encoding="utf-8")
