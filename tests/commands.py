"""Commands that a page tells to type: each exists, with the arguments that it is given."""

import re
import shlex
import tomllib
from pathlib import Path

from glassgrad.nn.__main__ import parser
from glassgrad.viz.__main__ import main as viz_main
from glassgrad.viz.lesson.command import parser as lesson_parser

ROOT = Path(__file__).parents[1]
VENV = [
    *(["python3", "-m", "venv", ".venv"], ["source", ".venv/bin/activate"], ["uv", "venv"]),
    *(["py", "-m", "venv", ".venv"], [".venv/Scripts/Activate.ps1"], [".venv/Scripts/activate.bat"]),
]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def targets():
    """The targets of the Makefile."""
    return re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def assert_installs(words):
    """``pip install`` of this folder, or of the package by its name, with extras that there are."""
    options = [word for word in words if word.startswith("--")]
    (wanted,) = [word for word in words if not word.startswith("--")]
    name, extras = re.fullmatch(r"(\.|glassgrad)(?:\[([\w,]+)\])?", wanted).groups()
    assert name
    assert set(options) <= {"--editable"}
    assert set((extras or "").split(",")) - {""} <= set(project()["optional-dependencies"])


def assert_runs(command, folder):
    """A command of a page; ``folder`` is where it is run. What takes long is only parsed."""
    words = shlex.split(command.replace("\\", "/"), comments=True)  # Windows
    while "=" in words[0]:
        del words[0]  # of the environment
    if words[0] == "mpirun":
        words = words[words.index("python") :]
    if words in VENV:
        return
    if words[0] == "make":
        assert words[1] in targets()
    elif words[:2] == ["uv", "pip"] or words[:2] == ["pip", "install"]:
        assert_installs(words[words.index("install") + 1 :])
    elif words[:4] == ["python", "-m", "glassgrad.viz", "lesson"]:
        assert lesson_parser().parse_args(words[4:])
    elif words[:3] == ["python", "-m", "glassgrad.viz"]:
        assert viz_main(words[3:]) == 0
    elif words[:3] == ["python", "-m", "glassgrad.nn"]:
        assert parser().parse_args(words[3:]).command == words[3]
    elif words[:2] == ["python", "-m"]:
        module = words[2].replace(".", "/")
        assert (ROOT / f"{module}.py").exists() or (ROOT / module / "__main__.py").exists()
    else:
        assert words[0] == "python"
        assert (ROOT / words[1]).exists() or (folder / words[1]).exists(), command
