"""Trained networks, shared by the tests of the command line."""

import pytest

from glassgrad.nn.commands.results import Run
from glassgrad.nn.data import digits
from tests.nn.commands.helpers import SMALL, run


@pytest.fixture(scope="session")
def data():
    return digits()


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A run without its report, which takes longer than the training."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "report", lambda _: iter(()))
        assert run("digits", *SMALL, "--out", folder) == 0
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    assert run("digits", *SMALL, "--out", folder) == 0
    return folder
