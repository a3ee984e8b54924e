"""The stubs are those that tests/stubs.py writes."""

import pytest

from tests.stubs import PACKAGE, STUBS


@pytest.mark.parametrize("name", STUBS)
def test_the_stub_is_up_to_date(name):
    written = (PACKAGE / name).read_text(encoding="utf-8")
    assert written == STUBS[name](), f"autograd/{name} is out of date: run python -m tests.stubs"
