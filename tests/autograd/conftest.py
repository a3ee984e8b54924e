"""What the engine's tests share."""

from collections.abc import Iterator

import pytest

from autograd import OPS, backends


@pytest.fixture
def vocabulary() -> Iterator[None]:
    """Operations declared by a test are forgotten after it."""
    operations, forwards = dict(OPS), dict(backends.FORWARDS)
    yield
    for registry, before in ((OPS, operations), (backends.FORWARDS, forwards)):
        registry.clear()
        registry.update(before)
