"""``nn`` refuses another project's `autograd`, and the last word is one sentence."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def test_a_foreign_autograd_is_refused(tmp_path):
    (tmp_path / "autograd").mkdir()
    (tmp_path / "autograd" / "__init__.py").write_text("def grad(f): ...\n")
    (tmp_path / "nn").symlink_to(ROOT / "nn")
    done = subprocess.run(
        [sys.executable, "-c", "import nn"], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: nn needs the autograd of glassgrad, and `import autograd` found another project's in "
        f"{tmp_path / 'autograd'}: the two can't share an environment; install glassgrad in a fresh "
        "one (python -m venv)."
    )


def test_everything_public_is_there_and_told():
    import nn

    assert all(getattr(nn, name).__doc__ for name in nn.__all__)


def test_no_public_name_hides_a_module():
    import nn

    for module in pkgutil.walk_packages(nn.__path__, "nn."):
        if module.name != "nn.__main__":
            package, name = module.name.rpartition(".")[::2]
            importlib.import_module(module.name)
            assert isinstance(getattr(importlib.import_module(package), name), ModuleType), module.name
