"""The public names of ``nn``."""

import importlib
import pkgutil
from types import ModuleType

from glassgrad import nn


def test_everything_public_is_there_and_told():
    assert all(getattr(nn, name).__doc__ for name in nn.__all__)


def test_no_public_name_hides_a_module():
    for module in pkgutil.walk_packages(nn.__path__, "glassgrad.nn."):
        if module.name != "glassgrad.nn.__main__":
            package, name = module.name.rpartition(".")[::2]
            importlib.import_module(module.name)
            assert isinstance(getattr(importlib.import_module(package), name), ModuleType), module.name
