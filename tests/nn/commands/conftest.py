"""A trained network, shared by the tests of the command line."""

import pytest

from glassgrad.nn.data import digits
from tests.nn.commands.helpers import SMALL, run


@pytest.fixture(scope="session")
def data():
    return digits()


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert run("digits", *SMALL, "--out", folder) == 0
    return folder
