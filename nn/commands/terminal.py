"""Messages of the commands."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = "glassgrad" if Path(sys.argv[0]).stem == "glassgrad" else "python -m nn"
"""How the user started the command line."""


class Refused(Exception):
    """A sentence for the user about what can't be done."""


def reason(error: OSError) -> str:
    """The system's reason for an error."""
    return str(getattr(error, "reason", None) or error.strerror or error).lower()
