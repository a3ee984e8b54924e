"""`assert_rule` tests the rules of one operation; `assert_detects_wrong_gradient` shows that this test can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DeclarationError, GradcheckError
from glassgrad.autograd.testing import properties
from glassgrad.autograd.testing.inputs.declarations import DECLARED, Declaration, declaration, declaration_of
from glassgrad.autograd.testing.programs import Program, Ref
from glassgrad.autograd.testing.properties import PROPERTIES


def assert_rule(op: Op, /, *arrays: Any, seed: int = 0, max_examples: int | None = None, **params: Any) -> None:
    """Test the rules of an operation with every property of `autograd.testing.properties`, also in second order.

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
    if arrays:
        call = Program.of(op, *arrays, **params)
        if not call.inputs:
            raise GradcheckError(
                f"none of the arrays given to {op.name} is real floating point and has a rule: its rules are for "
                f"{', '.join(op.rules)}; write 3.0 for 3."
            )
        _check_complete(call)
        properties.check(call, seed=seed)
        _check_all_shown(op, set(_arguments(call).values()) - _shown(call, seed), "this call")
        return
    _check_drawn(op, params, seed, max_examples)


def _check_drawn(op: Op, takes: dict[str, Any], seed: int, max_examples: int | None) -> None:
    """Test an operation with calls drawn by Hypothesis."""
    from glassgrad.autograd.testing.strategies import calls_of, kinds_of  # its error says what to install

    from glassgrad.autograd.testing.inputs.sampling import count_of, search  # isort: skip
    from hypothesis.errors import Unsatisfiable  # isort: skip

    declared = _declared(op, takes)
    if fixed := declared.fixed:
        raise DeclarationError(
            f"{op.name} has the parameter {fixed[0]} = {op.params[fixed[0]]!r}, and nothing says which other values it "
            f"takes: declare them with autograd.testing.declare({op.name}, {fixed[0]}=<a Hypothesis strategy>), or the "
            f"one value to test, {fixed[0]}={op.params[fixed[0]]!r}."
        )
    count = count_of(max_examples)
    waiting, failed = set(op.rules), list[properties.Property]()

    def all_hold(call: Program) -> None:
        _check_complete(call)
        for holds in failed or PROPERTIES.values():  # a simplified call must fail the same property
            try:
                holds(call, seed=seed)
            except GradcheckError as error:
                failed[:] = [holds]
                raise _narrowed(call, holds, seed, error) from None
        if waiting:
            waiting.difference_update(_shown(call, seed))

    for kind in ("", *kinds_of(declared)):
        if count < SHARES[kind] and kind:
            continue
        try:
            search(calls_of(declared, kind), all_hold, max(1, count // SHARES[kind]))
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


def _narrowed(call: Program, holds: properties.Property, seed: int, error: GradcheckError) -> GradcheckError:
    """The error for the smallest part of the input vectors that still fails."""
    for half in call.halves():
        try:
            holds(half, seed=seed)
        except GradcheckError as smaller:
            return _narrowed(half, holds, seed, smaller)
        except Exception:
            continue
    return error


def _arguments(call: Program) -> dict[str, str]:
    """The argument that each input of a one-operation call is passed for; inputs passed for several are left out."""
    (step,) = call.steps
    return {arg: name for arg, name in step.named_args if isinstance(arg, Ref) and step.needs.count(arg) == 1}


def _check_complete(call: Program) -> None:
    """Raise `GradcheckError` for a real-valued argument that has neither a rule nor a declared ``None``."""
    (step,) = call.steps
    op = step.op
    for arg, name in step.named_args:
        forgotten = name not in op.rules and name not in op.ruleless
        if forgotten and hasattr(arg, "dtype") and backends.is_real(arg.dtype):
            raise GradcheckError(
                f"{op.name} has no rule for {name}: declare one with {op.name}.vjp({name}=...), or "
                f"{op.name}.vjp({name}=None) where it has no derivative."
            )


def _shown(call: Program, seed: int) -> set[str]:
    """The arguments whose derivatives a call confirmed."""
    if not all(np.size(y.data) for y in call()):
        return set()
    with np.errstate(all="ignore"):
        found = properties.shown_inputs(call, *call.tensors(), seed=seed)
    names = [(_arguments(call).get(name), x) for name, x in call.inputs.items()]
    return {name for i, (name, x) in enumerate(names) if name and i in found and np.size(x)}


def _check_all_shown(op: Op, unchecked: set[str], where: str) -> None:
    if unchecked:
        names = ", ".join(arg for arg in op.args if arg in unchecked)
        raise GradcheckError(
            f"unchecked: nothing was shown about the derivative of {op.name} with respect to {names}. In {where} it "
            "was too small beside the rounding of the values, or at kinks, where any slope between both sides is "
            f"right. Declare inputs at which the values move: autograd.testing.declare({op.name}, ...)."
        )


# --------------------------------------------------------------------------------------------- whether a check can fail

FAULTS: dict[str, Callable[[Any], Any]] = {
    "the wrong sign": lambda g: -g,
    "1 % too large": lambda g: 1.01 * g,
    "zero": lambda g: 0.0 * g,
    "a constant added": lambda g: g + 0.01,
    "a constant in second order": lambda g: g.detach() if isinstance(g, Tensor) else g,
}
"""Faults that `assert_detects_wrong_gradient` plants in the gradient that a rule returns."""


def assert_detects_wrong_gradient(
    op: Op, /, *arrays: Any, seed: int = 0, max_examples: int | None = None, **params: Any
) -> None:
    """Assert that `assert_rule` fails when faults are planted in the rules of this operation.

    The arguments are those of `assert_rule`. One argument at a time, the gradient gets the wrong sign, is 1 % too
    large, is zero, is off by a constant, or becomes a constant for second derivatives. A fault that changes nothing,
    such as the sign of a zero, is left out. Graphs that were recorded before stay as they are.

    Raises `GradcheckError` for a fault that is not found, with what to do.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import assert_detects_wrong_gradient
    >>> assert_detects_wrong_gradient(ag.multiply, [0.5, -2.0], 3.0)
    >>> assert_detects_wrong_gradient(ag.relu, [0.0])
    Traceback (most recent call last):
        ...
    glassgrad.autograd.errors.GradcheckError: unchecked: nothing was shown about the derivative of relu ...
    """
    assert_rule(op, *arrays, seed=seed, max_examples=max_examples, **params)
    missed = []
    for arg in op.rules:
        for name, fault in FAULTS.items():
            with planted(op, arg, fault) as changed:
                try:
                    assert_rule(op, *arrays, seed=seed, max_examples=max_examples, **params)
                except GradcheckError:
                    continue
            if changed():
                missed.append(f"  - the gradient for {arg}: {name}")
    if missed:
        raise GradcheckError(
            "\n".join([f"assert_rule can't see these faults in {op.name} here:", *missed])
            + f"\nCheck it at other inputs, or declare what it takes: autograd.testing.declare({op.name}, ...)."
        )


@contextmanager
def planted(op: Op, arg: str, fault: Callable[[Any], Any]) -> Iterator[Callable[[], bool]]:
    """A context in which ``fault`` is applied to the gradient for ``arg``. Its value is a function that tells whether
    the fault has changed a gradient so far.
    """
    right, wants = op.rules[arg]
    differed = False

    def wrong(*given: Any) -> Any:
        nonlocal differed
        found = right(*given)
        many = isinstance(found, tuple | list)
        changed = tuple(map(fault, found)) if many else fault(found)
        for one, other in zip(found, changed, strict=True) if many else [(found, changed)]:
            with suppress(Exception):  # traced arrays have no values
                differed |= not np.array_equal(_values(one), _values(other))
            differed |= getattr(one, "requires_grad", False) != getattr(other, "requires_grad", False)
        return changed

    sparse = op.sparse_rules.pop(arg, None)
    op.rules[arg] = wrong, wants
    op.forget()
    try:
        yield lambda: differed
    finally:
        op.rules[arg] = right, wants
        if sparse is not None:
            op.sparse_rules[arg] = sparse
        op.forget()


def _values(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x
