"""Each module exists once, whatever it is called; a wheel installs one folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.stubs import STUBS

ROOT = Path(__file__).parents[1]

WALK = """
import importlib, pkgutil, sys
for start in sys.argv[1:]:
    package = importlib.import_module(start)
    for found in pkgutil.walk_packages(package.__path__, start + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
full = {name: m for name, m in sys.modules.items() if name.startswith("glassgrad.")}
short = {name: m for name, m in sys.modules.items() if name.partition(".")[0] in ("autograd", "nn", "viz")}
assert len(short) > 300 and len(full) > 300, (len(short), len(full))
for name, m in short.items():
    assert m is full["glassgrad." + name], name
for name, m in full.items():
    assert m.__name__ == m.__spec__.name == name, (name, m.__name__, m.__spec__.name)
files = [m.__file__ for m in full.values() if m.__file__]  # a folder without __init__.py has none
assert len({*files}) == len(files), {f for f in files if files.count(f) > 1}
"""


@pytest.mark.skipif(not (ROOT / "glassgrad.py").exists(), reason="short names are the repository's")
@pytest.mark.parametrize("order", [("autograd", "nn", "viz"), ("glassgrad", "viz", "nn", "autograd")])
def test_both_spellings_are_one_module(order):
    wanted = [f"glassgrad.{name}" for name in order[1:]] + [*order[1:]] if order[0] == "glassgrad" else order
    subprocess.run([sys.executable, "-W", "ignore", "-c", WALK, *wanted], cwd=ROOT, check=True)


@pytest.mark.skipif(not (ROOT / "glassgrad.py").exists(), reason="the files to build are the repository's")
def test_a_wheel_installs_one_folder(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    (wheel,) = builder.build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.partition("/")[0].partition("-")[0] for name in names} == {"glassgrad"}
        assert {f"glassgrad/autograd/{name}" for name in STUBS} <= {*names}
        for name in names:
            inside = name.partition("/")[2]
            if name.startswith("glassgrad/") and (ROOT / inside).is_file() and inside != "__init__.py":
                assert archive.read(name) == (ROOT / inside).read_bytes(), name  # what is tested is what is shipped
