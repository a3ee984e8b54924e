"""NumPy as the namespace that stands in for ``xp``."""

import itertools
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from glassgrad.autograd import Tensor, backends
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.errors import DTypeError
from glassgrad.autograd.ops.nnet import one_hot


class TestNumPy:
    def test_the_namespace_is_numpy_and_every_operation(self):
        xp = backends.namespace(np.ones(2))
        assert xp is backends.NUMPY
        assert xp.tanh is np.tanh
        assert_allclose(xp.sigmoid(np.zeros(2)), [0.5, 0.5])
        assert xp.sigmoid is xp.sigmoid  # found once

    def test_an_unknown_name_is_refused(self):
        with pytest.raises(AttributeError, match=r"numpy has no function 'sigmoidal', nor is it an operation"):
            backends.NUMPY.sigmoidal  # noqa: B018

    def test_numbers_belong_to_any_namespace(self):
        assert backends.namespace(1.0, 2, True) is backends.NUMPY

    def test_arrays_of_other_libraries_become_numpys(self):
        strict = pytest.importorskip("array_api_strict")
        assert type(Tensor(strict.asarray([1.0, 2.0]), requires_grad=True).data) is np.ndarray
        with pytest.raises(DTypeError, match=r"Array is an unknown type of array: give a NumPy array"):
            backends.namespace(strict.ones(2))

    def test_values_that_are_not_arrays_raise(self):
        with pytest.raises(DTypeError, match=r"builtins\.list is an unknown type of array: give a NumPy array"):
            backends.namespace([1.0])


class TestReductions:
    """Where sums and extremes of matrices take another way than NumPy's, they find the same."""

    @pytest.mark.parametrize(
        "shape", [(3, 4), (17, 1), (40, 2), (40, 32), (40, 33), (1000, 10), (0, 3), (3, 0), (2, 3, 4), (5,)]
    )
    @pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
    @pytest.mark.parametrize("axis", [0, (0,), -1, 1, (0, 1), None])
    @pytest.mark.parametrize("keepdims", [False, True])
    def test_as_in_numpy(self, shape, dtype, axis, keepdims):
        if len(shape) == 1 and axis in (1, (0, 1)):
            return
        x = (np.random.default_rng(0).normal(size=shape) * 100).astype(dtype)
        for name in ("sum", "max", "min"):
            if name != "sum" and 0 in shape:
                continue
            for array in (x, x[::-1], np.asfortranarray(x)):
                found = getattr(backends.NUMPY, name)(array, axis=axis, keepdims=keepdims)
                expected = getattr(np, name)(array, axis=axis, keepdims=keepdims)
                assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
                assert_allclose(
                    found,
                    expected,
                    rtol=1e-12 if dtype == "float64" else 1e-4,
                    atol=1e-3 if dtype == "float32" else 1e-9,
                )

    def test_infinities_and_nan(self):
        x = np.array([[1.0, np.inf], [np.nan, 2.0]] * 20)
        for name in ("sum", "max", "min"):
            for axis in (0, 1):
                assert_array_equal(getattr(backends.NUMPY, name)(x, axis=axis), getattr(np, name)(x, axis=axis))


@pytest.mark.parametrize("condition", [np.True_, np.False_, True, np.array([True, False])])
def test_where_of_scalars_is_numpys(condition):
    kinds = (np.float16, np.float32, np.float64, np.int64, np.bool_, np.complex64)
    numbers = (1.5, 2, True, *(kind(3) for kind in kinds))
    for x, y in itertools.product((*numbers, np.ones(2, np.float32)), repeat=2):
        found, wanted = NUMPY.where(condition, x, y), np.where(condition, x, y)[()]
        assert (type(found), found.dtype) == (type(wanted), wanted.dtype)
        assert_array_equal(found, wanted)


@pytest.mark.parametrize("classes", [3, 300])
def test_one_hot_rows_are_those_of_the_operation(classes):
    labels = np.array([[0, 2], [1, classes - 1]], "uint16")
    rows = NUMPY.one_hot(labels, classes=classes, dtype=np.dtype("float32"))
    expected = one_hot.forward(NUMPY, labels, classes=classes, dtype="float32")
    assert rows.dtype == expected.dtype
    assert_array_equal(rows, expected)


def test_where_by_bits_chooses_as_numpy_does():
    rng = np.random.default_rng(0)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.5, -2.0])
    space = NUMPY
    for dtype in ("float16", "float32", "float64", "int32", "complex64"):
        x, y = (rng.choice(special[:1] if dtype == "int32" else special, size=(70, 80)).astype(dtype) for _ in "xy")
        for condition in (rng.random((70, 80)) < 0.5, np.asfortranarray(rng.random((70, 80)) < 0.5)):
            for a, b in ((x, y), (x, 0.0), (0.0, x), (x, -0.0), (x, 1.5), (x.T.copy().T, y), (x[0], y), (x[0], 0.0)):
                with np.errstate(invalid="ignore"):
                    expected, found = np.where(condition, a, b), space.where(condition, a, b)
                assert found.dtype == expected.dtype
                assert found.tobytes() == expected.tobytes()
    last = np.moveaxis(np.ones((5, 30, 40)), 0, 2)
    assert space.where(last > 0, last, 0.0).strides == last.strides


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about the allocator of glibc")
@pytest.mark.parametrize(
    ("size", "limit"), [(400_000, {}), (15_000_000, {}), (400_000, {"MALLOC_TRIM_THRESHOLD_": "131072"})]
)
def test_memory_of_freed_arrays_is_kept_for_the_next_ones_unless_the_environment_limits_it(size, limit):
    program = f"""
import resource
import numpy as np
from glassgrad import autograd

def step():
    return [np.ones({size}, "float32") for _ in range(6)]

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    environment = kept | limit
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert (int(done.stdout) < 2000) == (not limit), "pages are given back to the system and asked for again, or not"
