"""Detect the files of HIPS autograd, another distribution with the same import name."""

from __future__ import annotations

import os
import warnings


def warn_of_foreign_files(package: str) -> None:
    """Warn if the folder ``package`` holds files of HIPS autograd: pip lets each overwrite files of the other."""
    if os.path.exists(os.path.join(package, "numpy", "numpy_vjps.py")):  # noqa: PTH110, PTH118 - pathlib is slow to import
        warnings.warn(
            f"{package} also holds files of the distribution `autograd` (HIPS): it and glassgrad overwrite each "
            "other's files, so neither works reliably. Install glassgrad in a fresh environment (python -m venv).",
            stacklevel=3,
        )
