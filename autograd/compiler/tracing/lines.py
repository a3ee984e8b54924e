"""The line of the user's code that is being traced, for messages."""

from __future__ import annotations

import sys
from typing import Any

import numpy

_PACKAGE = __file__.rpartition("compiler")[0]
_NN = f"{_PACKAGE.rstrip('/').rpartition('/')[0]}/nn/"
_INNER = (_PACKAGE, _NN, numpy.__file__.rpartition("__init__")[0], "<operation", "<frozen")


def line_of_user() -> str:
    """``file:line`` of the innermost code that is neither this package's nor NumPy's."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
