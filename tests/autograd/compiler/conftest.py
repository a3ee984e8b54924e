"""Compiled programs of tests are kept apart from the user's."""

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache of this run."""
    folder = tmp_path_factory.getbasetemp() / "native"
    monkeypatch.setenv("GLASSGRAD_NATIVE", str(folder))
    return folder
