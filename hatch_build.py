"""Metadata for a registry: the README with absolute links, and the addresses of the project. The files of a wheel that
are written by the build or change their names.

`[tool.glassgrad] repository` in pyproject.toml is the one place that says where the repository is. While it is empty, a
link to a file of the repository becomes its text, and pictures are left out, since a registry could not show them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)\n*")
SIZED = re.compile(r'<img src="([^"]+)"([^>]*)>\n*')
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
ALERT = re.compile(r"^> \[!(\w+)\]\n> ", re.MULTILINE)


def is_absolute(address: str) -> bool:
    """Whether an address stands for itself."""
    return "://" in address or address.startswith(("mailto:", "#"))


def readme(text: str, repository: str, version: str) -> str:
    """The README for a registry: links lead to ``repository`` at the tag of ``version``.

    >>> readme("See [why](docs/why.md).", "https://example.org/g", "1.0")
    'See [why](https://example.org/g/blob/v1.0/docs/why.md).'
    >>> readme("See [why](docs/why.md) and ![a net](docs/net.png)\\n\\nthis.", "", "1.0")
    'See why and this.'
    """

    def picture(found: re.Match[str]) -> str:
        alt, address = found.groups()
        if is_absolute(address):
            return found[0]
        return f"![{alt}]({repository}/raw/v{version}/{address})\n\n" if repository else ""

    def link(found: re.Match[str]) -> str:
        words, address = found.groups()
        if is_absolute(address):
            return found[0]
        return f"[{words}]({repository}/blob/v{version}/{address})" if repository else words

    text = ALERT.sub(lambda found: f"> **{found[1].capitalize()}:** ", text)
    text = SIZED.sub(rf'<img src="{repository}/raw/v{version}/\1"\2>\n\n' if repository else "", text)
    return LINK.sub(link, PICTURE.sub(picture, text))


def addresses(repository: str) -> dict[str, str]:
    """The project's addresses by their names; none without a repository."""
    if not repository:
        return {}
    return {
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Security": f"{repository}/blob/main/SECURITY.md",
    }


class Metadata(MetadataHookInterface):
    """Sets ``readme`` and ``urls`` of the project."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both."""
        root = Path(self.root)
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        repository = settings["tool"]["glassgrad"]["repository"].rstrip("/")
        version = re.search(r'^__version__ = "(.+)"$', (root / "autograd/__init__.py").read_text("utf-8"), re.MULTILINE)
        assert version is not None
        text = readme((root / "README.md").read_text(encoding="utf-8"), repository, version[1])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = addresses(repository)


class Files(BuildHookInterface):
    """Writes the stubs, and adds the files of a wheel that lie elsewhere; an editable install finds them there."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the stubs, which git ignores, and name the others by their places in the wheel."""
        subprocess.run([sys.executable, "-m", "tests.stubs"], cwd=self.root, check=True)
        build_data["artifacts"] += ["autograd/**/*.pyi", "viz/*.pyi"]
        if version == "standard":
            moved = {"glassgrad.py": "__init__.py", "docs/lesson": "viz/lesson/text"}  # below glassgrad/
            build_data["force_include"].update(moved)
