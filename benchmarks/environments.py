"""An environment of its own for every peer, under ``.bench/``, which git ignores."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.contestants import Contestant

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"


class EnvironmentFailure(Exception):
    """pip could not install what a contestant requires; the sentence says why."""


def python_of(contestant: Contestant) -> Path:
    """The interpreter that runs the contestant."""
    if not contestant.own_environment:
        return Path(sys.executable)
    return _folder(contestant) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def prepare(contestant: Contestant, say: Callable[[str], None]) -> None:
    """Create the environment unless it is there and holds what is asked for."""
    if not contestant.own_environment:
        return
    requires = list(contestant.requires)
    if not any(name.startswith("numpy") for name in requires):
        # The same NumPy for all, so that only the library on top of it differs.
        requires.append(f"numpy=={importlib.metadata.version('numpy')}")
    wanted = "\n".join([sys.version, *requires])
    folder = _folder(contestant)
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"installing {', '.join(requires)}")
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python_of(contestant)), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *requires]
    for command in ([sys.executable, "-m", "venv", str(folder)], pip):
        done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise EnvironmentFailure(f"its environment could not be made: {reason[-1] if reason else command}")
    stamp.write_text(wanted)


def _folder(contestant: Contestant) -> Path:
    # Contestants that require the same share one: torch is large.
    return FOLDER / contestant.distribution
