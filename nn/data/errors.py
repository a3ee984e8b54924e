"""What can go wrong with data, as sentences; the tree goes on from `autograd.errors`.

::

    AutogradError
    ├── DataError        (ValueError)   a file that does not hold what it should, or was damaged
    ├── DownloadError    (OSError)      no source gave the file
    └── CacheError       (OSError)      the folder for downloaded files can't be read or written
"""

from __future__ import annotations

from autograd.errors import AutogradError


class DataError(AutogradError, ValueError):
    """A file that does not hold what it should, or was damaged."""


class DownloadError(AutogradError, OSError):
    """No source gave the file."""


class CacheError(AutogradError, OSError):
    """The folder for downloaded files can't be read or written."""
