"""Print the lowest declared version of every dependency, as constraints for pip."""

import re
import tomllib
from itertools import chain
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
tested = ("demo", "files", "lesson", "mpi", "onnx", "plots", "search", "special", "test", "testing")
print("pyparsing<3.3")  # matplotlib 3.9 uses names that pyparsing 3.3 has deprecated
for line in sorted({*chain(project["dependencies"], *(extras[name] for name in tested))}):
    name, bounds, marker = re.fullmatch(r"([\w-]+)(?:\[\w+\])?([^;]*)(;.*)?", line).groups()
    if lowest := re.search(r">=\s*([\d.]+)", bounds):
        print(f"{name}=={lowest[1]}{marker or ''}")
