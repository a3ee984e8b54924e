"""Files that plots, derivations and pages are saved as."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.common.validation import as_path
from glassgrad.viz.drawing.errors import DrawingError


def saved(what: str, path: str | os.PathLike[str], writings: Mapping[str, Callable[[], str | bytes]]) -> Path:
    """Write the file that its suffix asks for, whole or not at all; returns its path.

    Raises `DrawingError` for another suffix, `WriteError` for a folder that cannot be written.
    """
    target = as_path(path)
    if target.suffix.lower() not in writings:
        raise DrawingError(f"{what} saves as {', '.join(writings)}, not as {target.name!r}")
    content = writings[target.suffix.lower()]()
    write_file(target, content.encode() if isinstance(content, str) else content)
    return target
