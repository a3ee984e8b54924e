"""A stand-in for a GPU, shared by the tests of networks."""

import sys

import pytest

from glassgrad.autograd import backends
from tests import standin


@pytest.fixture
def gpu(monkeypatch):
    """The stand-in with two GPUs, as ``cupy``."""
    cupy = standin.module()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    yield cupy
    for key in [key for key, space in backends.PLACES.items() if space.module is cupy]:
        del backends.PLACES[key]
