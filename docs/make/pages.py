"""A page of the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Page:
    """A page: its path below ``docs/``, its title and its description.

    ``source`` writes its Markdown where it is not a file of ``docs/``; ``origin`` is the file of the repository whose
    text it shows, from which its links lead.
    """

    path: str
    title: str
    description: str
    source: Callable[[], str] | None = field(default=None, compare=False)
    origin: str = ""
