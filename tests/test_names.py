"""Each module exists once, whether it is called `glassgrad.autograd.errors` or `autograd.errors`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "glassgrad.py").exists(), reason="short names are the repository's")

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
    parent, _, last = name.rpartition(".")
    held = getattr(sys.modules[parent], last)
    assert held is m or not isinstance(held, type(sys)), name
files = [m.__file__ for m in full.values() if m.__file__]  # a folder without __init__.py has none
assert len({*files}) == len(files), {f for f in files if files.count(f) > 1}
ag = full["glassgrad.autograd"]
ag.trace(ag.sin, ag.ones(2))  # not the module autograd.compiler.trace, which an import would put in its place
"""


@pytest.mark.parametrize("order", [("autograd", "nn", "viz"), ("glassgrad", "viz", "nn", "autograd")])
def test_both_spellings_are_one_module(order):
    wanted = [f"glassgrad.{name}" for name in order[1:]] + [*order[1:]] if order[0] == "glassgrad" else order
    subprocess.run([sys.executable, "-W", "ignore", "-c", WALK, *wanted], cwd=ROOT, check=True)


def test_an_installed_package_of_a_short_name_keeps_it(tmp_path):
    """As HIPS autograd does beside an editable install, whose folder comes last on the path."""
    (tmp_path / "autograd").mkdir()
    (tmp_path / "autograd/__init__.py").write_text("other = True\n", encoding="utf-8")
    elsewhere = [path for path in sys.path if "site-packages" in path]
    code = f"""
import sys
sys.path += {[*elsewhere, str(ROOT)]!r}
from glassgrad import autograd as ag
import autograd, nn
assert autograd.other and autograd is not ag and nn.MLP([2, 1])(ag.ones((1, 2))).shape == (1, 1)
import glassgrad.nn
assert nn is glassgrad.nn
"""
    subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, check=True)
