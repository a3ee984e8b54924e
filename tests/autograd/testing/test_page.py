"""docs/testing.md tells nothing that isn't so."""

import doctest
import re
from pathlib import Path

from autograd.testing import properties

PAGE = Path(__file__).parents[3] / "docs/testing.md"


def test_the_examples_run():
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(PAGE), module_relative=False, optionflags=options)
    assert (found.failed, found.attempted > 20) == (0, True)


def test_every_property_is_told():
    told = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert told == list(properties.PROPERTIES)
