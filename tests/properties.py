"""Properties that every differentiable function must have: one call each.

Each takes a function of Tensors that returns a Tensor, or several, and the inputs to test it at; a `Program` may be
given without inputs, and has its own. Derivatives are those with respect to the inputs; the two that compare with
finite differences also check the Tensors that the function captures. Each returns ``True``, or ``False`` where it does
not apply, and raises `GradcheckError`, with the program, where its property does not hold. `PROPERTIES` has them all by
name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Protocol

import numpy as np

from glassgrad import autograd
from glassgrad.autograd import backends
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import GradcheckError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.transforms import gradients, hvp
from glassgrad.autograd.readings.forward import jvp
from glassgrad.autograd.testing import rules
from glassgrad.autograd.testing.differences import Vector
from glassgrad.autograd.testing.gradcheck import PointOf, first_order, judged, second_order
from glassgrad.autograd.testing.judgement import UNCHECKED, Judgement
from glassgrad.autograd.testing.points import Function, outputs_of
from glassgrad.autograd.testing.points import values_of as flat
from glassgrad.autograd.testing.programs import Program


class Property(Protocol):
    """A check of a function at given inputs; ``seed`` draws directions and weights."""

    __name__: str

    def __call__(self, f: Function, *inputs: Any, seed: int = 0) -> bool:
        """``True``; ``False`` where it does not apply. Raises `GradcheckError`."""


PROPERTIES: dict[str, Property] = {}
"""Every property by its name."""


def _property(check: Callable[[Function, Sequence[Tensor], int], bool]) -> Property:
    @wraps(check)
    def checked(f: Function, *inputs: Any, seed: int = 0) -> bool:
        if inputs or not isinstance(f, Program):
            with np.errstate(all="ignore"):  # non-finite values are reported, not warned of
                return check(f, list(map(asarray, inputs)), seed)
        try:
            with np.errstate(all="ignore"):
                return check(f, f.tensors(), seed)
        except Exception as error:
            what = "" if isinstance(error, GradcheckError) else f"{type(error).__name__}: "
            subject = f.steps[0].op.name if len(f.steps) == 1 else "the program"
            raise GradcheckError(
                f"{subject} fails the check {check.__name__}.\n{what}{error}\n\n"
                f"The program, and how to see it:\n\n{f.source}\n{rules.PICTURE}"
            ) from error

    PROPERTIES[check.__name__] = checked
    return checked


def _seeds(ys: Sequence[Tensor], rng: np.random.Generator) -> list[Tensor]:
    return [_like(y, rng.standard_normal(y.shape)) for y in ys]


def _like(x: Tensor, values: Any) -> Tensor:
    return Tensor(backends.namespace(x.data).asarray(np.asarray(values)), dtype=x.dtype)


def _leaves(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Copies of the inputs, those that can require grad doing so."""
    return [
        Tensor(x.data, requires_grad=backends.is_real(x.dtype), name=x.name) if isinstance(x, Tensor) else x
        for x in inputs
    ]


def _pulled(f: Function, inputs: Sequence[Tensor], seeds: Sequence[Tensor] | None, seed: int = 0) -> list[Tensor]:
    """The gradients of ``f`` with respect to its inputs, for upstream gradients ``seeds`` (by default random)."""
    xs = _leaves(inputs)
    ys = outputs_of(f, xs)
    seeds = _seeds(ys, np.random.default_rng(seed)) if seeds is None else seeds
    used = [(y, s) for y, s in zip(ys, seeds, strict=True) if y.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    if not used:
        return [_like(x, np.zeros(x.shape)) for x in wanted]
    return list(gradients([y for y, _ in used], wanted, [s for _, s in used]))


def _as_one(f: Function) -> Function:
    """``f`` with its outputs joined into one vector."""

    def joined(*xs: Any) -> Tensor:
        vector: Tensor = autograd.concat([autograd.reshape(y, shape=(-1,)) for y in outputs_of(f, xs)])
        return vector

    return joined


def _of(f: Function, places: Sequence[int], inputs: Sequence[Any]) -> Function:
    """``f`` as a function of the inputs at these places alone."""

    def of_some(*given: Any) -> Any:
        args = {**dict(enumerate(inputs)), **dict(zip(places, given, strict=True))}
        return f(*args.values())

    return of_some


def _weighted(f: Function, seed: int) -> Function:
    """``f`` as a scalar function: the sum of its outputs with random weights."""

    def weighted(*xs: Any) -> Tensor:
        y = _as_one(f)(*xs)
        total: Tensor = autograd.sum(y * _like(y, np.random.default_rng(seed).standard_normal(y.shape)))
        return total

    return weighted


def _agree(what: str, one: Vector, other: Vector, names: tuple[str, str], rtol: float, atol: float = 0.0) -> bool:
    """Raise where two vectors differ by more than ``rtol`` of the largest finite element."""
    both = np.concatenate([one, other])
    size = float(np.max(np.abs(both[np.isfinite(both)]), initial=0.0))
    error = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, np.abs(one - other))
    tolerance = atol + rtol * size
    if not (error <= tolerance).all():
        k = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
        raise GradcheckError(
            f"{what}: element {k} of {one.size} is {one[k]:.10g} {names[0]} and {other[k]:.10g} {names[1]}; they "
            f"differ by {error[k]:.3g}, more than {tolerance:.2g}."
        )
    return True


def _finite(tensors: Sequence[Tensor], *vectors: Vector) -> bool:
    """Whether all values are finite."""
    return all(bool(np.isfinite(values).all()) for values in (flat(tensors), *vectors))


# ---------------------------------------------------------------------------------------------------------- properties


def shown_inputs(f: Function, *inputs: Any, seed: int = 0, order: PointOf = first_order) -> set[int]:
    """The positions of the inputs whose derivatives match finite differences and are not merely within the tolerance.

    Raises `GradcheckError` for one that is wrong.
    """
    found = _judged(f, list(map(asarray, inputs)), seed, order)
    return {i for i, judgement in found.items() if judgement.verdict != UNCHECKED}


def _judged(f: Function, inputs: Sequence[Tensor], seed: int, order: PointOf) -> dict[int, Judgement]:
    """The judgement of each input; values may be non-finite. Raises `GradcheckError` for a wrong derivative."""
    options = {"eps": None, "atol": None, "rtol": None, "max_elements": 100}
    return judged(order, f, _leaves(inputs), seed, finite=False, **options)[1]


@_property
def matches_finite_differences(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """The gradients match finite differences of the values, as in `gradcheck`."""
    return bool(shown_inputs(f, *inputs, seed=seed))


@_property
def second_order_matches_finite_differences(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """The gradients of the gradients match finite differences of these, as in `gradgradcheck`."""
    return bool(shown_inputs(f, *inputs, seed=seed, order=second_order))


@_property
def passes_dot_product_test(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """``(uᵀ J) v`` by the gradient is ``uᵀ (J v)`` by `jvp`, for random ``u`` and ``v``. Both run the same rules: this
    shows that they are linear in ``g``, and not that they are right.
    """
    rng = np.random.default_rng(seed)
    y = _as_one(f)(*inputs)
    u = rng.standard_normal(y.size)
    xs = _leaves(inputs)
    vs = [_like(x, rng.standard_normal(x.shape) if x.requires_grad else np.zeros(x.shape)) for x in xs]
    moved = [i for i, x in enumerate(xs) if x.requires_grad]

    forward = flat([jvp(_of(_as_one(f), moved, inputs), [xs[i] for i in moved], [vs[i] for i in moved])[1]])
    pulled = _pulled(_as_one(f), inputs, [_like(y, u)])
    if not _finite([y, *pulled], forward):
        return False
    terms = np.concatenate([flat([g]) * flat([vs[i]]) for g, i in zip(pulled, moved, strict=True)])
    scale = np.abs(terms).sum() + np.abs(u * forward).sum()
    return _agree(
        "the gradient and jvp disagree", np.array([terms.sum()]), np.array([u @ forward]),
        ("by the gradient", "by jvp"), _rounding(y), _rounding(y) * max(1.0, scale),
    )  # fmt: skip


@_property
def hessian_is_symmetric(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """``vᵀ H w = wᵀ H v`` for the second derivatives ``H`` of the weighted outputs and random ``v`` and ``w``."""
    rng = np.random.default_rng(seed)
    real = [i for i, x in enumerate(inputs) if backends.is_real(x.dtype)]
    xs = [inputs[i] for i in real]
    vs, ws = _seeds(xs, rng), _seeds(xs, rng)

    scalar = _of(_weighted(f, seed), real, inputs)
    hv, hw = (flat(hvp(scalar, xs, directions)) for directions in (vs, ws))
    v, w = flat(vs), flat(ws)
    if not _finite([], hv, hw):
        return False
    scale = float(np.abs(v * hw).sum() + np.abs(w * hv).sum())
    try:
        return _agree(
            "the second derivatives are not symmetric", np.array([v @ hw]), np.array([w @ hv]), ("as vᵀHw", "as wᵀHv"),
            1e3 * _rounding(*xs), 1e3 * _rounding(*xs) * max(1.0, scale),
        )  # fmt: skip
    except GradcheckError:
        if not _twice_differentiable(f, inputs, seed):
            return False
        raise


def _twice_differentiable(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """Whether finite differences of the gradients converge at every element."""
    try:
        found = _judged(f, inputs, seed, second_order)
    except GradcheckError:
        return True
    return not any(judgement.kinks or judgement.lost for judgement in found.values())


@_property
def compiled_matches_eager(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """``autograd.compile(f)`` gives the values of ``f``, and compiled gradients are the gradients."""
    real = [i for i, x in enumerate(inputs) if backends.is_real(x.dtype)]
    eager = flat(outputs_of(f, list(inputs)))
    values = _as_one(f)
    compiled = autograd.compile(values)
    for _ in range(2):  # traced, and run again
        what = "compiled values differ from eager ones"
        _agree(what, flat([compiled(*inputs)]), eager, ("compiled", "eagerly"), 1e-12)
    slopes = autograd.grad(_weighted(f, seed), tuple(real))
    fast = autograd.compile(slopes)
    expected = flat(slopes(*inputs))
    what = "the compiled gradient differs from the eager one"
    return _agree(what, flat(fast(*inputs)), expected, ("compiled", "eagerly"), 1e-12)


@_property
def float32_matches_float64(f: Function, inputs: Sequence[Tensor], seed: int) -> bool:
    """Values and gradients of a program in float32 have dtype float32, and equal those in float64 up to rounding."""
    if not isinstance(f, Program):
        return False
    given = {name: x.data for name, x in zip(f.inputs, inputs, strict=True)}
    rules.float32_matches_float64(replace(f, inputs=given), seed)
    return True


def _rounding(*tensors: Tensor) -> float:
    """A bound on the rounding error of a short sum, relative to its terms."""
    real = [backends.to_numpy(t.data).dtype for t in tensors if backends.is_real(t.dtype)]
    return 1e4 * max((float(np.finfo(d).eps) for d in real), default=0.0)


def check(f: Function, *inputs: Any, seed: int = 0) -> list[str]:
    """Check all `PROPERTIES`; returns the names of those that apply. Raises `GradcheckError` for the first that fails.

    >>> from glassgrad import autograd as ag
    >>> from tests import properties
    >>> "hessian_is_symmetric" in properties.check(lambda x: ag.sin(x) * x, [0.5, 1.0])
    True
    """
    return [name for name, holds in PROPERTIES.items() if holds(f, *inputs, seed=seed)]
