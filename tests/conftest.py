"""A stand-in for GPUs, and how many examples Hypothesis draws.

``fast``, for `make test`, draws few and the same ones every time; ``search``, for `make check`, draws new ones;
``HYPOTHESIS_PROFILE=intense`` looks the longest.
"""

import gc
import itertools
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

from glassgrad.autograd import backends
from glassgrad.nn.init import LOADING
from tests import standin

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.differing_executors]}

settings.register_profile("fast", max_examples=5, derandomize=True, **COMMON)
settings.register_profile("search", max_examples=15, **COMMON)
settings.register_profile("intense", max_examples=500, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture
def no_collector():
    """Reference counting alone, from a clean start."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def shapes_only():
    """Parameters without values: the largest networks take no time and no memory to be counted or drawn."""
    token = LOADING.set(itertools.repeat(0))
    yield
    LOADING.reset(token)


@pytest.fixture
def gpu(monkeypatch):
    """The stand-in with two GPUs, as ``cupy``."""
    cupy = standin.module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    yield cupy
    for key in [key for key, space in backends.PLACES.items() if space.module is cupy]:
        del backends.PLACES[key]
