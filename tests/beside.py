"""glassgrad in one environment with HIPS autograd and those who need it: ``python -m tests.beside dist/*.whl``.

A new environment gets HIPS autograd, PennyLane, lifelines and pymoo. Which of their modules can be imported is noted
before the wheel is installed, and compared afterwards; then a derivative by HIPS autograd and one by ours are checked,
in one process and in both orders of import. After either side is uninstalled the other works. The exit status is 1 if
anything fails.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
import tempfile
import venv
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

THEIRS = ("autograd", "pennylane", "lifelines", "pymoo")
"""The distributions; each installs a package of its own name."""
FIND = "from importlib.util import find_spec; print(find_spec('autograd') or '')"


# ------------------------------------------------------------------------------------------- within the environment


def outcomes() -> dict[str, str]:
    """For each of their modules the error that its import raises, or ""."""
    found = {}
    for package in THEIRS:
        top = importlib.import_module(package)
        for module in pkgutil.walk_packages(top.__path__, f"{package}.", onerror=lambda name: None):
            if {"tests", "__main__", "conftest"} & {*module.name.split(".")}:
                continue
            try:
                importlib.import_module(module.name)
                found[module.name] = ""
            except Exception as error:  # what else a module needs is not ours to say
                found[module.name] = f"{type(error).__name__}: {error}"
    return found


def hips() -> tuple[float, float]:
    """The derivative of sin² at 0.5, and what it should be."""
    import numpy as np

    from autograd import grad
    from autograd import numpy as anp

    return float(grad(lambda x: anp.sin(x) ** 2)(0.5)), float(np.sin(1.0))


def ours() -> tuple[float, float]:
    """The derivative of sin² at 0.5 through all three packages."""
    import numpy as np

    from glassgrad import autograd as ag
    from glassgrad import nn, viz

    x = ag.Tensor(0.5, requires_grad=True, name="x")
    y = ag.sin(x) ** 2
    y.backward()
    assert "sin" in viz.explain(y).text
    assert nn.MLP([2, 3, 1], seed=0)(ag.ones((4, 2))).shape == (4, 1)
    assert x.grad is not None
    return float(x.grad.item()), float(np.sin(1.0))


COMPUTED: dict[str, Callable[[], tuple[float, float]]] = {"autograd": hips, "glassgrad": ours}


def within(names: list[str]) -> None:
    """Import and compute in this order; print the outcomes of their modules and the two numbers of each as JSON."""
    warnings.simplefilter("ignore")
    modules, numbers = {}, {}
    for name in names:
        if name == "modules":
            modules = outcomes()
        else:
            numbers[name] = COMPUTED[name]()
    print(json.dumps({"modules": modules, "numbers": numbers}))


# ------------------------------------------------------------------------------------------------ outside of it


class Environment:
    """A virtual environment in ``folder``, and an empty folder in which its Python runs."""

    def __init__(self, folder: Path) -> None:
        self.empty = folder / "empty"
        self.empty.mkdir()
        venv.create(folder / "env", with_pip=True)
        self.python = next((folder / "env").glob("[bS]*/python*"))

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run its Python, which finds nothing but what is installed."""
        command = [str(self.python), "-P", *words]
        return subprocess.run(command, cwd=self.empty, stdout=subprocess.PIPE, text=True, check=check)

    def pip(self, *words: str) -> None:
        """Install or uninstall."""
        self.run("-m", "pip", "--disable-pip-version-check", "--quiet", *words)

    def computed(self, *names: str) -> dict[str, Any]:
        """What `within` prints."""
        found = self.run(str(Path(__file__).resolve()), "within", *names)
        return dict(json.loads(found.stdout.splitlines()[-1]))


def wrong(found: dict[str, Any], when: str, expected: dict[str, str] | None = None) -> Iterator[str]:
    """A sentence for each number that is not what it should be, and for each module that imports otherwise."""
    for name, (value, right) in found["numbers"].items():
        print(f"{when}: {name} computes {value:.6g}, which should be {right:.6g}")
        if not abs(value - right) <= 1e-4 * abs(right):
            yield f"{when}: {name} gives {value}, not {right}"
    for module in sorted({*found["modules"], *(expected or ())} if expected else ()):
        before, now = (expected or {}).get(module, "not found"), found["modules"].get(module, "not found")
        if before != now:
            yield f"{when}: {module} gives {now or 'no error'}; without glassgrad {before or 'no error'}"


def faults(wheel: Path, folder: Path) -> Iterator[str]:
    """All that is wrong, a sentence each."""
    environment = Environment(folder)
    environment.pip("install", *THEIRS)
    before = environment.computed("modules", "autograd")
    expected = before["modules"]
    failing = sum(map(bool, expected.values()))
    print(f"without glassgrad: {len(expected)} modules of theirs, of which {failing} need something else")
    yield from wrong(before, "without glassgrad")

    environment.pip("install", str(wheel))
    yield from wrong(environment.computed("glassgrad", "modules", "autograd"), "glassgrad first", expected)
    yield from wrong(environment.computed("modules", "autograd", "glassgrad"), "glassgrad last", expected)
    checked = environment.run("-m", "pip", "check", check=False)
    print(f"pip check: {checked.stdout.strip()}")
    if checked.returncode:
        yield f"pip check: {checked.stdout}"

    environment.pip("uninstall", "--yes", "glassgrad")
    yield from wrong(environment.computed("modules", "autograd"), "glassgrad uninstalled", expected)
    environment.pip("install", str(wheel))
    environment.pip("uninstall", "--yes", "autograd")
    yield from wrong(environment.computed("glassgrad"), "HIPS autograd uninstalled")
    if found := environment.run("-c", FIND).stdout.strip():
        yield f"HIPS autograd uninstalled: `import autograd` finds {found}"


def main() -> int:
    """The command line."""
    if sys.argv[1] == "within":
        within(sys.argv[2:])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = [*faults(Path(sys.argv[1]).resolve(), Path(folder))]
    print("\n".join(found) or "glassgrad clashes with none of them")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
