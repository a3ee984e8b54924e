"""Libraries written for any array namespace run on Tensors, and their results have gradients."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.testing import gradcheck

RNG = np.random.default_rng(0)
CUBE = RNG.normal(size=(2, 3, 4))
MATRIX = RNG.normal(size=(3, 4))
VECTOR = np.array([0.5, -1.0, 2.0])


def agrees(f: Any, x: Any) -> None:
    """``f`` of a Tensor is ``f`` of the array, and has the derivative that differences find."""
    y = f(ag.Tensor(x, requires_grad=True))
    assert isinstance(y, ag.Tensor)
    assert y.requires_grad
    np.testing.assert_allclose(y.data, f(x), rtol=1e-12, atol=1e-12)
    assert gradcheck(f, x)


EINOPS = pytest.mark.parametrize(
    "call",
    [
        lambda e, x: e.rearrange(x, "a b c -> (a b) c"),
        lambda e, x: e.rearrange(x, "a b (c d) -> d (b a) c", d=2),
        lambda e, x: e.reduce(x, "a b c -> a c", "mean"),
        lambda e, x: e.reduce(x, "a b c -> b", "prod"),
        lambda e, x: e.reduce(x, "a b (c d) -> a b c", "max", d=2),
        lambda e, x: e.repeat(x, "a b c -> a r (b c)", r=3),
        lambda e, x: e.pack([x, x], "a * c")[0],
        lambda e, x: e.unpack(x, [(1,), (2,)], "a * c")[1],
    ],
)


@EINOPS
def test_einops_array_api(call: Any) -> None:
    einops = pytest.importorskip("einops.array_api")
    agrees(lambda x: call(einops, x), CUBE)


@EINOPS
def test_einops(call: Any) -> None:
    einops = pytest.importorskip("einops")
    agrees(lambda x: call(einops, x), CUBE)
    compiled = ag.compile(lambda x: call(einops, x))(ag.Tensor(CUBE))
    np.testing.assert_array_equal(compiled.numpy(), call(einops, CUBE))


def test_einsum_and_lists_of_einops() -> None:
    einops = pytest.importorskip("einops")
    agrees(lambda x: einops.einsum(x, x, "a b c, a d c -> b d"), CUBE)
    agrees(lambda x: einops.rearrange([x, x + 1.0], "n a b c -> a (n b) c"), CUBE)
    assert isinstance(einops.asnumpy(ag.Tensor(CUBE)), np.ndarray)
    assert einops.parse_shape(ag.Tensor(CUBE), "a _ c") == {"a": 2, "c": 4}


@pytest.mark.parametrize("names", [("einops", "glassgrad.autograd"), ("glassgrad.autograd", "einops")])
def test_einops_may_be_imported_before_and_after(names: tuple[str, str]) -> None:
    pytest.importorskip("einops")
    script = f"import {names[0]}, {names[1]}; from glassgrad import autograd as ag; import sys\n"
    script += "print(einops.rearrange(ag.ones((2, 3)), 'a b -> b a').shape, 'EinopsImport' in str(sys.meta_path))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "(3, 2) False\n"


def test_array_api_compat_knows_tensors() -> None:
    compat = pytest.importorskip("array_api_compat")
    t = ag.Tensor([1.0, 2.0])
    assert compat.is_array_api_obj(t)
    assert compat.array_namespace(t, 1.0) is ag
    assert (compat.device(t), compat.size(t)) == ("cpu", 2)
    assert compat.to_device(t, "cpu") is t
    assert not compat.is_numpy_namespace(ag)


@pytest.mark.parametrize(
    ("name", "call", "x"),
    [
        ("atleast_nd", lambda x, m: m.atleast_nd(x, ndim=3), VECTOR),
        ("cov", lambda x, m: m.cov(x), MATRIX),
        ("create_diagonal", lambda x, m: m.create_diagonal(x, offset=1), VECTOR),
        ("kron", lambda x, m: m.kron(x, x), MATRIX),
        ("pad", lambda x, m: m.pad(x, (1, 2)), VECTOR),
        ("sinc", lambda x, m: m.sinc(x), VECTOR),
        ("nan_to_num", lambda x, m: m.nan_to_num(x), VECTOR),
        ("at", lambda x, m: m.at(x + 0.0)[1:].multiply(2.0), VECTOR),
        ("apply_where", lambda x, m: m.apply_where(x > 0, x, lambda v: v**3, lambda v: v - 1), VECTOR),
    ],
)
def test_array_api_extra(name: str, call: Any, x: Any) -> None:
    extra = pytest.importorskip("array_api_extra")
    if not hasattr(extra, name):
        pytest.skip(f"this version of array-api-extra has no {name}")
    agrees(lambda x: call(x, extra), x)


def test_array_api_extra_without_a_gradient() -> None:
    extra = pytest.importorskip("array_api_extra")
    assert extra.isclose(ag.Tensor(VECTOR), ag.Tensor(VECTOR)).tolist() == [True] * 3
    assert extra.nunique(ag.Tensor([1.0, 1.0, 2.0])).item() == 2
    assert extra.setdiff1d(ag.Tensor([1, 2, 3]), ag.Tensor([2])).tolist() == [1, 3]


SCIPY = """
    import numpy as np
    from glassgrad import autograd as ag
    from glassgrad.autograd.testing import gradcheck
    import scipy.cluster.vq, scipy.integrate, scipy.optimize, scipy.special, scipy.stats

    x = np.random.default_rng(0).normal(size=(3, 4)) + 5.0
    calls = dict(
        logsumexp=lambda x: scipy.special.logsumexp(x, axis=0),
        softmax=lambda x: scipy.special.softmax(x, axis=1),
        log_softmax=lambda x: scipy.special.log_softmax(x, axis=1),
        zscore=lambda x: scipy.stats.zscore(x),
        skew=lambda x: scipy.stats.skew(x),
        kurtosis=lambda x: scipy.stats.kurtosis(x),
        gmean=lambda x: scipy.stats.gmean(x),
        hmean=lambda x: scipy.stats.hmean(x),
        pmean=lambda x: scipy.stats.pmean(x, 3),
        moment=lambda x: scipy.stats.moment(x, 3),
        sem=lambda x: scipy.stats.sem(x),
        circvar=lambda x: scipy.stats.circvar(x),
        mean_direction=lambda x: scipy.stats.directional_stats(x).mean_direction,
        trapezoid=lambda x: scipy.integrate.trapezoid(x, axis=0),
        cumulative_trapezoid=lambda x: scipy.integrate.cumulative_trapezoid(x),
        rosen=lambda x: scipy.optimize.rosen(x[0]),
        whiten=lambda x: scipy.cluster.vq.whiten(x),
    )
    for name, call in calls.items():
        y = call(ag.Tensor(x, requires_grad=True))
        assert isinstance(y, ag.Tensor) and y.requires_grad, name
        np.testing.assert_allclose(y.data, call(x), rtol=1e-10, err_msg=name)
        assert gradcheck(call, x), name
    print(len(calls))
"""


def test_scipy() -> None:
    """In a process of its own: SciPy asks once, when it is imported, whether it may take any namespace."""
    pytest.importorskip("scipy", minversion="1.17", reason="before 1.17 its softmax took NumPy's arrays only")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(SCIPY)],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "17"
