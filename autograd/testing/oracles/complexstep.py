"""The complex step: directional derivatives of a recorded graph, by running it on complex numbers.

For an analytic ``f``, ``Im f(x + ih) / h`` is ``f'(x)`` up to terms of order ``h²``, and nothing is subtracted, so
that ``h`` may be as small as 1e-20: the result is exact to rounding (W. Squire and G. Trapp, SIAM Review 40, 1998,
110-112; J. Martins, P. Sturdza and J. Alonso, ACM TOMS 29, 2003, 245-262).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.backends import NUMPY, Namespace
from glassgrad.autograd.engine.graph import Graph, Node
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.testing.oracles.differences import Vector

H = 1e-20
STEP = 2.0**-17
COARSE = 1e-3  # the relative error above which an operation is not analytic
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

    def remainder(self, x: Any, y: Any) -> Any:
        """``x - y * floor(x / y)``."""
        return x - y * self.floor(x / y)

    def hypot(self, x: Any, y: Any) -> Any:
        """``sqrt(x² + y²)``."""
        return np.sqrt(x * x + y * y)

    def logaddexp(self, x: Any, y: Any) -> Any:
        """``log(exp(x) + exp(y))`` without overflow."""
        top = np.where(np.real(x) > np.real(y), x, y)
        return top + np.log(np.exp(x - top) + np.exp(y - top))

    def atan2(self, x: Any, y: Any) -> Any:
        """The arctangent of the quotient, plus the constant by which it differs from ``arctan2``."""
        angle = np.arctan(x / y)
        return angle + (np.arctan2(np.real(x), np.real(y)) - np.real(angle))

    def astype(self, x: Any, dtype: Any, copy: bool = True) -> Any:
        """A cast to complex128 where a real dtype is asked for."""
        return NUMPY.astype(x, np.complex128 if backends.is_real(np.dtype(dtype)) else dtype, copy)


CONTINUED = Continued()


class ComplexStep:
    """The recorded graph from ``xs`` to ``ys``, to be run on complex numbers.

    ``along`` is ``None`` where the method does not apply: for arrays that are not NumPy's; where the graph is not the
    whole function, because a value was detached; or where an operation is not analytic. This is tested for each
    operation, without its derivative rules: the imaginary part must match a finite difference of real values.
    """

    def __init__(self, xs: Mapping[int, Tensor], ys: Sequence[Tensor]) -> None:
        self.xs, self.graph = xs, Graph(*ys)
        leaves = [place.data for place in self.graph.nodes if place.op is None]
        # An input that was changed in place has a node, and is no longer a leaf of the graph.
        self.applies = all(backends.namespace(x) is NUMPY for x in leaves) and not any(x.node for x in xs.values())

    def along(self, i: int, v: Vector, moved: Callable[[Vector], Vector]) -> Vector | None:
        """The derivative of all outputs, as one vector, when input ``i`` moves along ``v``; ``moved``: their values for
        other values of this input.
        """
        found, ahead = self._run(i, v, 0.0), self._run(i, v, STEP)
        if found is None or ahead is None:
            return None
        values = moved(backends.to_numpy(self.xs[i].data).reshape(-1) + STEP * v)
        epsilon = max(float(np.finfo(backends.as_dtype(y.dtype)).eps) for y in self.graph.outputs)
        rounding = 4 * epsilon * (1 + 1e3 * np.abs(values[np.isfinite(values)]).max(initial=0.0))
        whole = np.allclose(np.real(ahead), values, rtol=1e3 * epsilon, atol=rounding, equal_nan=True)
        return np.imag(found) / H if whole else None

    def _run(self, i: int, v: Vector, by: float) -> Any:
        """The outputs where input ``i`` is moved by ``by`` and a small imaginary number, times ``v``."""
        values: dict[int, Any] = {}
        if not self.applies:
            return None
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error")  # NumPy warns where it drops an imaginary part
                for place in self.graph.nodes:
                    if place.op is None:
                        step = (by + 1j * H) * np.reshape(v, place.shape) if place is self.xs[i] else 0.0j
                        values[id(place)] = _complex(place.data) + step
                    else:
                        values[id(place)] = self._forward(place, values)
        except Exception:  # a forward may raise anything for complex numbers
            return None
        if any(value is None for value in values.values()):
            return None
        parts = [np.reshape(values[id(place)], -1) for place in self.graph.outputs]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _forward(self, node: Node, values: Mapping[int, Any]) -> Any:
        given = [
            values[id(p)]
            if id(p) in values
            else _complex(p)
            if hasattr(p, "dtype") and backends.is_real(p.dtype)
            else p
            for p in node.inputs
        ]
        out = node.op.forward(CONTINUED, *given, **node.params)
        slopes = [np.imag(z) / H if np.iscomplexobj(z) else 0.0 for z in given]
        size = max((float(np.abs(s).max(initial=0.0)) for s in slopes), default=0.0)
        if size == 0.0:
            return out
        epsilon = float(np.finfo(backends.as_dtype(node.dtype)).eps)
        step = epsilon ** (1 / 3) / size
        ahead, behind = (
            node.op.forward(
                NUMPY, *(_moved(z, s, way * step) for z, s in zip(given, slopes, strict=True)), **node.params
            )
            for way in (1.0, -1.0)
        )
        difference, imaginary = (ahead - behind) / (2 * step), np.imag(out) / H
        allowed = COARSE * max(float(np.abs(difference).max(initial=0.0)), float(np.abs(imaginary).max(initial=0.0)))
        rounding = 10 * epsilon / step * float(np.abs(ahead).max(initial=0.0))
        return out if np.abs(difference - imaginary).max(initial=0.0) <= allowed + rounding else None


def _complex(x: Any) -> Any:
    x = np.asarray(x)
    return x.astype(np.complex128) if backends.is_real(x.dtype) else x


def _moved(z: Any, slope: Any, step: float) -> Any:
    """The real part of ``z``, moved by ``step`` along ``slope``."""
    if not np.iscomplexobj(z):
        return z
    moved = np.real(z) + step * slope
    return moved if np.ndim(moved) else np.float64(moved)
