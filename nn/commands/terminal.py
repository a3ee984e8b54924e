"""Messages of the commands: refusals, and text that is safe to print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PROGRAM = "glassgrad" if Path(sys.argv[0]).stem == "glassgrad" else "python -m nn"
"""How the user started the command line."""


class Refused(Exception):
    """A sentence for the user about what can't be done."""


def printable(text: Any) -> str:
    r"""``text`` with control characters escaped: names from files could change colours or titles of a terminal.

    >>> printable("four\x1b[31m.png")
    'four\\x1b[31m.png'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def reason(error: OSError) -> str:
    """The system's reason for an error."""
    return str(getattr(error, "reason", None) or error.strerror or error).lower()
