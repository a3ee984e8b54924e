"""docs/testing.md tells of every property."""

import re
from pathlib import Path

from glassgrad.autograd.testing import properties

PAGE = Path(__file__).parents[3] / "docs/testing.md"


def test_every_property_is_documented():
    told = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert told == list(properties.PROPERTIES)
