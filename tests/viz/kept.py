"""Texts that are kept in files beside the tests, to be held against what is made now."""

import os
from difflib import unified_diff
from pathlib import Path

import numpy as np

from tests.viz.outline import parts


def assert_kept(path: Path, found: str) -> None:
    """A text is that of the file, but for the rounding of numbers; ``KEEP=1 python -m pytest`` writes it anew."""
    if os.environ.get("KEEP"):
        path.write_text(found, encoding="utf-8")
    kept = path.read_text(encoding="utf-8")
    (words, numbers), (kept_words, kept_numbers) = parts(found), parts(kept)
    if words != kept_words or not np.allclose(numbers, kept_numbers, 0.02, 2e-4):
        raise AssertionError("\n".join(unified_diff(kept.splitlines(), found.splitlines(), "kept", "found", n=1)))
