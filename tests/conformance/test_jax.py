"""Random programs beside JAX, which differentiates the operations' own forwards: their text runs with its arrays.

So values, gradients, tangents, products with the Hessian and batches are those of another engine, in float64. Needs
the package jax, and tells how many programs were compared::

    python -m pytest -s tests/conformance/test_jax.py
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from glassgrad import autograd as ag
from glassgrad.autograd.backends.spaces import Namespace
from glassgrad.autograd.testing.programs import Program, Ref
from glassgrad.autograd.testing.strategies import programs

jax = pytest.importorskip("jax")
jnp = jax.numpy

pytestmark = pytest.mark.check

SPACE = Namespace(jnp)
vars(SPACE).update(
    special=lambda name, *arrays: getattr(jax.scipy.special, name)(*arrays),
    astype=lambda x, dtype, copy=True: jnp.asarray(x).astype(dtype),
    masked=lambda x, mask: jnp.where(mask, x, 0.0),
)

COUNT = 60
LEAST = 0.6
"""The share of programs that are compared; the others have an operation whose forward writes to an array, which JAX's
arrays don't allow, or asks for values."""

OTHERWISE = (TypeError, NotImplementedError, AttributeError, jax.errors.JAXTypeError, jax.errors.JAXIndexError)


def by_jax(program: Program) -> Callable[..., Any]:
    """The sum of the outputs, each times its cosine weights, as a function of JAX's arrays."""

    def f(*inputs: Any) -> Any:
        values = dict(zip(program.inputs, inputs, strict=True))
        for step in program.steps:
            args = [values[arg] if isinstance(arg, Ref) else arg for arg in step.args]
            values[step.name] = step.op.forward(SPACE, *args, **step.params)
        return weighted(jnp, [values[name] for name in program.outputs])

    return f


def by_autograd(program: Program) -> Callable[..., Any]:
    """The same as a function of Tensors."""
    return lambda *inputs: weighted(ag, program(*inputs))


def weighted(xp: Any, outputs: Any) -> Any:
    """A scalar that depends on each element in another way."""
    return sum(xp.sum(y * np.cos(np.arange(y.size)).reshape(y.shape)) for y in outputs)


def differences(program: Program, rng: np.random.Generator) -> dict[str, tuple[Any, Any]]:
    """What both engines compute, by the name of the quantity."""
    xs = tuple(np.asarray(x) for x in program.inputs.values())
    vs = tuple(rng.standard_normal(x.shape) for x in xs)
    numbers = tuple(range(len(xs)))
    rows = [np.stack([x, x * 1.01]) for x in xs]
    f, theirs = by_autograd(program), by_jax(program)
    slope, their_slope = ag.grad(f, argnums=numbers), jax.grad(theirs, argnums=numbers)
    return {
        "value": (f(*xs).data, theirs(*xs)),
        "gradient": (slope(*xs), their_slope(*xs)),
        "tangent": (ag.jvp(f, xs, vs)[1], jax.jvp(theirs, xs, vs)[1]),
        "Hessian": (ag.jvp(slope, xs, vs)[1], jax.jvp(their_slope, xs, vs)[1]),
        "batch": (ag.vmap(slope)(*rows), jax.vmap(their_slope)(*rows)),
    }


def test_random_programs(capsys: pytest.CaptureFixture[str]) -> None:
    count, rng = Counter[str](), np.random.default_rng(0)

    @settings(
        max_examples=COUNT, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(programs())
    def compare(program: Program) -> None:
        if not program.inputs:
            return
        count["programs"] += 1
        try:
            found = differences(program, rng)
        except OTHERWISE as error:
            count[f"not by JAX: {type(error).__name__}"] += 1
            return
        count["compared"] += 1
        for what, (ours, theirs) in found.items():
            ours, theirs = (y if isinstance(y, tuple) else (y,) for y in (ours, theirs))
            for one, other in zip(ours, theirs, strict=True):
                one, other = np.asarray(getattr(one, "data", one)), np.asarray(other)
                both = np.isfinite(one) & np.isfinite(other)
                size = 1 + np.max(np.abs(other), initial=0.0, where=both)
                wrong = np.abs(one - other, where=both, out=np.zeros(one.shape)) > 1e-6 * size
                assert not wrong.any(), f"{what}: {one} here, {other} by JAX, of\n{program}"

    with jax.enable_x64(True), np.errstate(all="ignore"):
        compare()
    with capsys.disabled():
        print(f"\n{dict(count)}")
    assert count["compared"] >= LEAST * count["programs"]
