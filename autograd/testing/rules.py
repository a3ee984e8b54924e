"""`assert_rule` tests the rules of one operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DeclarationError, GradcheckError
from glassgrad.autograd.functions.transforms import gradients
from glassgrad.autograd.readings.forward import jvp
from glassgrad.autograd.testing.declarations import DECLARED, Declaration, declaration, declaration_of
from glassgrad.autograd.testing.gradcheck import PointOf, first_order, judged, second_order
from glassgrad.autograd.testing.judgement import UNCHECKED
from glassgrad.autograd.testing.points import flat, values_of
from glassgrad.autograd.testing.programs import Program, Ref


def assert_rule(op: Op, /, *arrays: Any, seed: int = 0, max_examples: int | None = None, **params: Any) -> None:
    """Test the rules of an operation: derivatives of first and second order by finite differences, and in float32; and
    that they are linear in ``g``.

    With ``arrays`` (and ``params``) at these; without, at calls that Hypothesis draws: as many as its settings say, or
    ``max_examples``. Half of them are ordinary; the other half are those where rules go wrong: exactly 0, ±1, up to
    ±1000 as far as the domain goes, ties, empty arrays, one Tensor for two arguments. ``params`` declare what the
    operation takes, unless `autograd.testing.declare` did. ``seed`` draws directions and weights.

    Raises `GradcheckError` with the simplest call that fails, as Python that can be run; for an argument that has
    neither a rule nor ``None`` in its place; and for an "unchecked" one, whose derivative was within the tolerance, or
    at a kink, in every call. Raises `DeclarationError` for a parameter of which only the default would be tried.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import assert_rule
    >>> @ag.op("softsign")
    ... def softsign(xp, x):
    ...     return x / (1 + xp.abs(x))
    >>> softsign.vjp(x=lambda xp, g, x: g / (1 + xp.abs(x)) ** 2)
    >>> assert_rule(softsign, [0.5, -2.0])
    >>> assert_rule(softsign)
    """
    check_instance(op, Op, "op", "an operation, such as autograd.exp")
    if not op.rules:
        raise GradcheckError(f"{op.name} has no rule to test: declare one with {op.name}.vjp({op.args[0]}=...).")
    if not arrays:
        _check_drawn(op, params, seed, max_examples)
        return
    call = Program.of(op, *arrays, **params)
    if not call.inputs:
        raise GradcheckError(
            f"none of the arrays given to {op.name} is real floating point and has a rule: its rules are for "
            f"{', '.join(op.rules)}; write 3.0 for 3."
        )
    shown = _checked(call, seed, list(CHECKS))
    _check_all_shown(op, set(_arguments(call).values()) - shown, "this call")


def _check_drawn(op: Op, takes: dict[str, Any], seed: int, max_examples: int | None) -> None:
    """Test an operation with calls drawn by Hypothesis."""
    from glassgrad.autograd.testing.strategies import calls_of, count_of, kinds_of, search  # says what to install

    from hypothesis.errors import FlakyFailure, Unsatisfiable  # isort: skip

    declared = _declared(op, takes)
    if fixed := declared.fixed:
        raise DeclarationError(
            f"{op.name} has the parameter {fixed[0]} = {op.params[fixed[0]]!r}, and nothing says which other values it "
            f"takes: declare them with autograd.testing.declare({op.name}, {fixed[0]}=<a Hypothesis strategy>), or the "
            f"one value to test, {fixed[0]}={op.params[fixed[0]]!r}."
        )
    count, waiting, checks = count_of(max_examples), set(op.rules), list(CHECKS)
    for kind in ("", *kinds_of(declared)):
        if count < SHARES[kind] and kind:
            continue
        try:
            search(
                calls_of(declared, kind),
                lambda call: waiting.difference_update(_checked(call, seed, checks)),
                max(1, count // SHARES[kind]),
            )
        except FlakyFailure as error:
            raise GradcheckError(
                f"{op.name} keeps values of an earlier call: of two equal calls one fails.\n{error.exceptions[0]}"
            ) from error
        except Unsatisfiable:
            if not kind:  # there may be no call of another kind
                raise
    _check_all_shown(op, waiting, "all calls that were drawn")


SHARES = {"": 2, "small": 4, "wide": 8, "same": 8, "empty": 8}
"""For each kind of calls: one in so many calls is of that kind."""


def _declared(op: Op, takes: dict[str, Any]) -> Declaration:
    """The declaration of an operation: ``takes``, completed by an earlier `declare` and by defaults."""
    if not takes:
        return declaration_of(op)
    known = DECLARED.get(op.name)
    before: dict[str, Any] = {**known.arrays, **known.params} if known is not None and known.op is op else {}
    return declaration(op, None, before | takes)


def _arguments(call: Program) -> dict[str, str]:
    """The argument of each input of a one-operation call; inputs passed for several are left out."""
    (step,) = call.steps
    return {arg: name for arg, name in step.named_args if isinstance(arg, Ref) and step.needs.count(arg) == 1}


def _check_all_shown(op: Op, unchecked: set[str], where: str) -> None:
    if unchecked:
        names = ", ".join(arg for arg in op.args if arg in unchecked)
        raise GradcheckError(
            f"unchecked: nothing was shown about the derivative of {op.name} with respect to {names}. In {where} it "
            "was too small beside the rounding of the values, or at kinks, where any slope between both sides is "
            f"right. Declare inputs at which the values move: autograd.testing.declare({op.name}, ...)."
        )


# ------------------------------------------------------------------------------------------------------------ one call


def _checked(call: Program, seed: int, checks: list[str]) -> set[str]:
    """The arguments whose derivatives a call confirmed.

    Raises `GradcheckError` for a check that fails, and then leaves it alone in ``checks``: a simplified call must fail
    the same.
    """
    (step,) = call.steps
    op, shown = step.op, set[int]()
    for arg, name in step.named_args:
        forgotten = name not in op.rules and name not in op.ruleless
        if forgotten and hasattr(arg, "dtype") and backends.is_real(arg.dtype):
            raise GradcheckError(
                f"{op.name} has no rule for {name}: declare one with {op.name}.vjp({name}=...), or "
                f"{op.name}.vjp({name}=None) where it has no derivative."
            )
    for name in checks:
        try:
            with np.errstate(all="ignore"):  # non-finite values are reported, not warned of
                shown |= CHECKS[name](call, seed)
        except Exception as error:
            checks[:] = [name]
            what = "" if isinstance(error, GradcheckError) else f"{type(error).__name__}: "
            raise GradcheckError(
                f"{op.name} fails the check {name}.\n{what}{error}\n\n"
                f"The program, and how to see it:\n\n{call.source}\n{PICTURE}"
            ) from error
    if not all(np.size(y.data) for y in call()):
        return set()
    names = [(_arguments(call).get(name), x) for name, x in call.inputs.items()]
    return {name for i, (name, x) in enumerate(names) if name and i in shown and np.size(x)}


PICTURE = 'from glassgrad import viz; viz.draw_graph(outputs).save("program.svg")'
"""Code for the user to run. Drawing here would leave files behind, about a hundred while an example is simplified."""


def _shown(call: Program, seed: int, order: PointOf) -> set[int]:
    """The positions of the inputs whose derivatives match finite differences, and are not merely within the tolerance.
    Raises `GradcheckError` for one that is wrong; values may be non-finite.
    """
    options = {"eps": None, "atol": None, "rtol": None, "max_elements": 100}
    _, found = judged(order, call, call.tensors(), seed, finite=False, **options)
    return {i for i, judgement in found.items() if judgement.verdict != UNCHECKED}


def rules_are_linear(call: Program, seed: int) -> set[int]:
    """The rules are linear in ``g``, so that their transpose is the tangent, which `autograd.jvp` derives."""
    xs = call.tensors()
    jvp(lambda *xs: list(call(*xs)), xs, xs)
    return set()


def matches_finite_differences(call: Program, seed: int) -> set[int]:
    """The gradients match finite differences of the values, as in `gradcheck`: the inputs for which this was shown."""
    return _shown(call, seed, first_order)


def second_order_matches_finite_differences(call: Program, seed: int) -> set[int]:
    """The gradients of the gradients match finite differences of these, as in `gradgradcheck`."""
    _shown(call, seed, second_order)
    return set()


def float32_matches_float64(call: Program, seed: int) -> set[int]:
    """Values and gradients in float32 have dtype float32, and equal those in float64 up to rounding.

    At very large and very small inputs, where digits cancel, they only have to be finite where those in float64 are.
    Elements that change in float64 as well, when the last float32 digit of the inputs changes, are left out.
    """
    if any(x.dtype != np.float64 for x in call.inputs.values()):
        return set()
    coarse = call.astype("float32")
    exact = coarse.astype("float64")
    moved = replace(exact, inputs={name: x * (1 + 2.0**-23) for name, x in exact.inputs.items()})
    (values, slopes), (ys, gs), (near, turned) = (_evaluated(program, seed) for program in (coarse, exact, moved))
    fixed = any({"dtype", "loop"} & step.params.keys() for step in call.steps)  # a step that fixes a dtype
    for what, tensors in (("output", [] if fixed else values), ("gradient", slopes)):
        if wrong := [str(y.dtype) for y in tensors if "float32" not in str(y.dtype)]:
            raise GradcheckError(f"an {what} is {wrong[0]} for inputs and constants of float32: a step promotes it.")
    if not (np.isfinite(values_of(values)).all() and np.isfinite(values_of(ys)).all()):
        return set()
    lost = ~np.isfinite(values_of(slopes)) & (np.abs(values_of(gs)) < 1e37)  # a larger one may overflow
    if lost.any():
        k = int(np.argmax(lost))
        raise GradcheckError(
            f"the float32 gradient is not finite: element {k} of {lost.size} is {values_of(slopes)[k]} in float32 and "
            f"{values_of(gs)[k]:.10g} in float64, and the values are finite in both: something on the way overflows."
        )
    sizes = np.abs(flat([*call.inputs.values()]))
    if ((sizes == 0) | ((sizes > 1e-3) & (sizes < 10))).all() and np.isfinite(values_of(gs)).all():
        for what, parts, tolerance in (("value", (values, ys, near), 1e-3), ("gradient", (slopes, gs, turned), 1e-2)):
            found, expected, other = map(values_of, parts)
            steady = np.abs(other - expected) <= tolerance / 10 * (1 + np.abs(expected))
            error = np.where(steady, np.abs(found - expected), 0.0)
            if not (error <= tolerance * (1 + np.abs(expected).max(initial=0.0))).all():
                k = int(np.argmax(error))
                raise GradcheckError(
                    f"the float32 {what} is far from float64's: element {k} of {found.size} is {found[k]:.10g} in "
                    f"float32 and {expected[k]:.10g} in float64."
                )
    return set()


def _evaluated(call: Program, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """The outputs of a call, and the gradients for random upstream gradients."""
    xs, rng = call.tensors(), np.random.default_rng(seed)
    ys = list(call(*xs))
    spaces = [backends.namespace(y.data) for y in ys]
    seeds = [Tensor(s.asarray(rng.standard_normal(y.shape)), dtype=y.dtype) for s, y in zip(spaces, ys, strict=True)]
    used = [(y, s) for y, s in zip(ys, seeds, strict=True) if y.requires_grad]
    return ys, list(gradients([y for y, _ in used], xs, [s for _, s in used])) if used else []


CHECKS: dict[str, Callable[[Program, int], set[int]]] = {
    check.__name__: check
    for check in (
        matches_finite_differences,
        second_order_matches_finite_differences,
        float32_matches_float64,
        rules_are_linear,
    )
}
"""What must hold of a call, and for which of its inputs that was shown."""
