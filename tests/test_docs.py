"""The pages of docs/ tell nothing that isn't so: their examples run, and what they point to is there."""

import doctest
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
EXAMPLES = {"compile": 12, "conventions": 10, "pictures": 20, "search": 5, "sequences": 15, "testing": 20}
"""At least so many, by page; the others have none."""


def by_name(page):
    return page.stem


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_examples_run(page):
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert found.failed == 0
    assert found.attempted >= EXAMPLES.get(page.stem, 0)


def test_pages_with_examples_are_there():
    assert set(EXAMPLES) <= set(map(by_name, PAGES))


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_what_it_points_to_is_there(page):
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))]
    missing = [link for link in links if link and "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_lines_that_the_engine_page_quotes_are_in_the_source():
    page = (Path(__file__).parents[1] / "docs/engine.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    quoted = [line.strip() for block in blocks for line in block.splitlines()]
    sources = Path(__file__).parents[1].joinpath("autograd").rglob("*.py")
    written = {line.strip() for path in sources for line in path.read_text(encoding="utf-8").splitlines()}
    assert len(quoted) > 5
    assert [line for line in quoted if line not in written] == []
