"""What tests and doctests share."""

from collections.abc import Iterator

import pytest

from autograd import OPS, backends


@pytest.fixture(autouse=True)
def vocabulary() -> Iterator[None]:
    """Operations declared by a test are forgotten after it, so that the next may declare one of the same name."""
    operations, forwards = dict(OPS), dict(backends.FORWARDS)
    yield
    for registry, before in ((OPS, operations), (backends.FORWARDS, forwards)):
        registry.clear()
        registry.update(before)
