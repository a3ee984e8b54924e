"""What tests and doctests share."""

from collections.abc import Iterator
from typing import Any

import pytest

from glassgrad.autograd import OPS, backends
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.testing.declarations import DECLARED
from tests import validator
from tests.operations import TABLE

validator.watch()


@pytest.fixture(autouse=True)
def vocabulary() -> Iterator[None]:
    """Operations declared by a test are forgotten after it, so that the next may declare one of the same name."""
    registries: tuple[dict[str, Any], ...] = (OPS, vars(TENSORS), backends.FORWARDS, DECLARED)
    assert TABLE, "its rows are declared before a test declares operations of its own"
    saved = [dict(registry) for registry in registries]
    yield
    for registry, before in zip(registries, saved, strict=True):
        registry.clear()
        registry.update(before)
