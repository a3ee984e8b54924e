"""Messages of the commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from glassgrad.autograd.errors import WriteError
from glassgrad.nn.errors import printable

PROGRAM = "glassgrad" if Path(sys.argv[0]).stem == "glassgrad" else "python -m glassgrad.nn"
"""How the user started the command line."""


class Refused(Exception):
    """A sentence for the user about what can't be done."""


def reason(error: OSError) -> str:
    """The system's reason for an error."""
    return str(getattr(error, "reason", None) or error.strerror or error).lower()


def list_files(folder: Path, files: Iterable[tuple[Path, str]]) -> None:
    """Print the name and the description of each of the ``files`` in a folder, as soon as it is written."""
    print(f"in {printable(folder)}:", flush=True)
    try:
        for path, words in files:
            print(f"  {path.name:14}  {printable(words)}", flush=True)
    except WriteError as error:
        raise Refused(f"{folder} cannot be written to any more: {reason(error)}") from None
