"""What a registry shows and a user installs: metadata, links and versions."""

import re
import runpy
import tarfile
import tomllib
from email import message_from_string
from pathlib import Path

import pytest

from glassgrad import autograd

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def build():
    pytest.importorskip("hatchling")
    return runpy.run_path(str(ROOT / "hatch_build.py"))


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """The metadata of the sdist, and its files."""
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(ROOT))
    (sdist,) = builder.build(directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"])
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
        found = archive.extractfile(f"{Path(sdist).name.removesuffix('.tar.gz')}/PKG-INFO")
        assert found is not None
        return message_from_string(found.read().decode()), names


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_a_registry_shows_no_link_that_leads_nowhere(metadata):
    text = metadata[0].get_payload()
    assert text.startswith("# glassgrad")
    assert [link for link in links(text) if "://" not in link and not link.startswith("#")] == []
    assert not re.search(r"!\[|<img", text) or PROJECT["tool"]["glassgrad"]["repository"]
    assert "[!WARNING]" not in text


def test_links_lead_to_the_repository_where_one_is_named(build):
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    text = build["readme"](source, "https://example.org/g", "1.0")
    assert len(links(text)) == len(links(source)) > 20
    assert all("://" in link or link.startswith("#") for link in links(text))
    assert "](https://example.org/g/blob/v1.0/docs/testing.md)" in text
    assert 'src="https://example.org/g/raw/v1.0/docs/net.png"' in text


def test_the_addresses_of_the_project_follow_the_repository(build):
    assert build["addresses"]("") == {}
    assert set(build["addresses"]("https://example.org/g")) == {"Source", "Issues", "Changelog", "Security"}


def test_the_metadata_is_complete(metadata):
    told, names = metadata
    assert told["Name"] == "glassgrad"
    assert told["Version"] == autograd.__version__
    assert told["Description-Content-Type"].startswith("text/markdown")
    assert told["License-Expression"] == "MIT AND CC-BY-SA-3.0"
    assert told["Requires-Python"] == ">=3.11"
    assert {"SECURITY.md", "CITATION.cff", "hatch_build.py", "mkdocs.yml", "docs/index.md"} <= set(names)
    assert not [name for name in names if name.startswith(("site/", ".venv", "runs/"))]


def test_versions_follow_the_changelog():
    """The version is above the last one that was released while there are unreleased changes, and else equal to it."""
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGELOG, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    released = [tuple(map(int, name.split("."))) for name, _ in headings[1:]]
    assert all(date for _, date in headings[1:])
    assert released == sorted(released, reverse=True)
    version = tuple(int(part) for part in autograd.__version__.split("."))
    changed = CHANGELOG.split("## [Unreleased]\n")[1].split("\n## [")[0].strip()
    if released:
        assert version > released[0] if changed else version == released[0]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert cited[1] == autograd.__version__
