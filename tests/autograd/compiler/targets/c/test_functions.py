"""Elementary functions in C, against NumPy's in float64 and against numbers of twice the digits."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from glassgrad.autograd.compiler.targets.c.build import library
from glassgrad.autograd.compiler.targets.c.source import functions
from tests.autograd.compiler.targets.c.native import needs_compiler

NAMES = ("exp", "expm1", "log", "log1p", "tanh")
ULPS = {"exp": 2, "expm1": 2, "log": 2, "log1p": 2, "tanh": 3}

LOOPS = "\n".join(
    f"""
__attribute__((visibility("default"))) void {name}_{kind}(const {kind} *restrict x, {kind} *restrict y, long n) {{
    for (long i = 0; i < n; i++) y[i] = gg_{name}{f}(x[i]);
}}"""
    for name in NAMES
    for kind, f in (("float", "f"), ("double", ""))
)

PECULIAR = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, -2.0, 1e-300, 1e-40, 5e-324, 88.9, 709.9, -745.2, -103.9]


def applied(name: str, x):
    """The function of C's, of an array."""
    kind = {"float32": "float", "float64": "double"}[str(x.dtype)]
    function = getattr(library(functions() + LOOPS), f"{name}_{kind}")
    y = np.empty_like(x)
    function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), ctypes.c_long(x.size))
    return y


def arguments(name: str):
    """Numbers of all sizes."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal(50_000) * 10.0 ** rng.uniform(-6, 0.5, 50_000)
    wide = rng.uniform(-100, 100, 50_000) if "log" not in name else np.exp(rng.uniform(-80, 80, 50_000))
    near = 1 + rng.uniform(-0.3, 0.3, 20_000)
    return np.concatenate([abs(small) if name == "log" else np.maximum(small, -0.999), wide, near])


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_documented_error_bounds_hold(name, dtype):
    x = arguments(name).astype(dtype)
    exact = getattr(np, name)(x.astype(np.longdouble))
    with np.errstate(all="ignore"):
        expected = exact.astype(dtype)
        found = applied(name, x)
        gap = abs(found - exact) / np.spacing(np.maximum(abs(expected), np.finfo(dtype).tiny))
    finite = np.isfinite(expected) & (abs(expected) >= np.finfo(dtype).tiny)
    assert float(gap[finite].max()) <= ULPS[name], (x[finite][gap[finite].argmax()], float(gap[finite].max()))
    np.testing.assert_array_equal(found[np.isinf(expected)], expected[np.isinf(expected)])

    with np.errstate(all="ignore"):
        peculiar = np.array(PECULIAR).astype(dtype)
        expected, found = getattr(np, name)(peculiar), applied(name, peculiar)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=float(np.finfo(dtype).smallest_subnormal))
    np.testing.assert_array_equal(np.signbit(found[expected == 0]), np.signbit(expected[expected == 0]))
