"""The complex step: directional derivatives of a recorded graph, by running it on complex numbers.

For an analytic ``f``, ``Im f(x + ih) / h`` is ``f'(x)`` up to terms of order ``h²``, and nothing is subtracted, so
that ``h`` may be as small as 1e-20: the result is exact to rounding (W. Squire and G. Trapp, SIAM Review 40, 1998,
110-112; J. Martins, P. Sturdza and J. Alonso, ACM TOMS 29, 2003, 245-262).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.backends import NUMPY, Namespace
from glassgrad.autograd.engine.graph import Graph
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.testing.differences import Vector

H = 1e-20
COARSE = 1e-4  # the relative error above which a function is not analytic
STEPS = frozenset(("sign", "floor", "ceil", "round", "trunc"))


class Continued(Namespace):
    """NumPy's functions, extended analytically from real numbers to complex ones near the real axis."""

    def __init__(self) -> None:
        super().__init__(np)

    def __getattr__(self, name: str) -> Any:
        if name in STEPS:  # the result for the real part, as the derivative is 0
            return lambda x: getattr(np, name)(np.real(x)) + 0j
        known = vars(NUMPY).get(name)
        if known is not None and not isinstance(known, partial):
            return known
        return super().__getattr__(name)

    def abs(self, x: Any) -> Any:
        """``-x`` where the real part of ``x`` is negative, else ``x``."""
        return x * np.sign(np.real(x))

    def logaddexp(self, x: Any, y: Any) -> Any:
        """``log(exp(x) + exp(y))`` without overflow."""
        top = np.where(np.real(x) > np.real(y), x, y)
        return top + np.log(np.exp(x - top) + np.exp(y - top))

    def astype(self, x: Any, dtype: Any, copy: bool = True) -> Any:
        """A cast to complex128 where a real dtype is asked for."""
        return NUMPY.astype(x, np.complex128 if backends.is_real(np.dtype(dtype)) else dtype, copy)


CONTINUED = Continued()


def along(
    run: Callable[[Any], Any], f: Callable[[Vector], Vector], x: Vector, v: Vector, epsilon: float
) -> Vector | None:
    """The derivative of ``f`` at ``x`` along ``v``; ``run`` computes it for complex numbers.

    ``None`` where the method does not apply: where ``run`` raises; where it is not the whole function, so that at a
    point nearby it has other values than ``f``; or where it is not analytic, so that differences of ``f`` are not near.
    """
    step = 2.0**-17 / max(1.0, float(np.abs(v).max(initial=0.0)))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")  # NumPy warns where it drops an imaginary part
            slopes, ahead = (run(x + (by + 1j * H) * v) for by in (0.0, step))
        values = {by: f(x + by * v) for by in (step, -step, step / 512, -step / 512)}
    except Exception:  # a function may raise anything for complex numbers
        return None
    slopes, size = np.imag(slopes) / H, np.abs(values[step][np.isfinite(values[step])]).max(initial=0.0)
    rounding = 4 * epsilon * (1 + 1e3 * size)
    if not np.allclose(np.real(ahead), values[step], rtol=1e3 * epsilon, atol=rounding, equal_nan=True):
        return None
    for by in (step, step / 512):  # the smaller one for what oscillates within the larger
        coarse = (values[by] - values[-by]) / (2 * by)
        allowed = COARSE * max(float(np.abs(part).max(initial=0.0)) for part in (slopes, coarse))
        if (np.abs(slopes - coarse) <= allowed + 10 * epsilon / by * size).all():
            return np.asarray(slopes)
    return None


def run(graph: Graph, x: Tensor, values: Any) -> Any:
    """The outputs of a recorded graph as one vector, with complex ``values`` of the leaf ``x``."""
    found: dict[int, Any] = {}
    for place in graph.nodes:
        if place.op is None:
            if backends.namespace(place.data) is not NUMPY:
                raise TypeError("only NumPy's functions are continued")
            found[id(place)] = np.reshape(values, place.shape) if place is x else _complex(place.data)
        else:
            given = [found[id(p)] if id(p) in found else _complex(p) for p in place.inputs]
            found[id(place)] = place.op.forward(CONTINUED, *given, **place.params)
    return np.concatenate([np.reshape(found[id(place)], -1) for place in graph.outputs])


def _complex(x: Any) -> Any:
    """A real array as a complex one; anything else as it is."""
    return np.asarray(x).astype(np.complex128) if hasattr(x, "dtype") and backends.is_real(x.dtype) else x
