"""The public names of ``nn``."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def test_everything_public_is_there_and_told():
    from glassgrad import nn

    assert all(getattr(nn, name).__doc__ for name in nn.__all__)


def test_no_public_name_hides_a_module():
    from glassgrad import nn

    for module in pkgutil.walk_packages(nn.__path__, "glassgrad.nn."):
        if module.name != "glassgrad.nn.__main__":
            package, name = module.name.rpartition(".")[::2]
            importlib.import_module(module.name)
            assert isinstance(getattr(importlib.import_module(package), name), ModuleType), module.name
