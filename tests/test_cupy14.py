"""The operations use nothing that CuPy 14 does not have, and its list is CuPy's."""

import ast
from itertools import chain
from pathlib import Path

import pytest

from glassgrad.autograd import OPS, backends
from glassgrad.autograd.backends.cupy import differences
from tests import standin
from tests.cupy14 import NAMES, signature, survey

ROOT = Path(__file__).parents[1]
SOURCES = [*sorted((ROOT / "autograd/ops").glob("*.py")), ROOT / "autograd/engine/backward.py"]
MET = frozenset(differences(standin.module()))
"""What `autograd.backends` puts in place of CuPy's own."""


def calls(path):
    """Every ``xp.name(...)`` of a file: the name, how many arguments by position, which by keyword."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            parts = ast.unparse(node.func).split(".")
            if parts[0] == "xp":
                starred = any(isinstance(a, ast.Starred) for a in node.args)
                yield ".".join(parts[1:]), None if starred else len(node.args), [k.arg for k in node.keywords if k.arg]


USED = sorted(
    {(name, count, tuple(words)) for name, count, words in chain.from_iterable(map(calls, SOURCES))}, key=repr
)


def frozen(name):
    """What CuPy has by that name: the text of its parameters, ``""`` for a ufunc, ``None`` for nothing."""
    part, _, name = name.rpartition(".")
    place = NAMES.get(part or "cupy", {})
    if name in place.get("functions", {}):
        return place["functions"][name]
    return "" if name in (*place.get("ufuncs", ()), *place.get("others", ()), *place.get("types", ())) else None


@pytest.mark.parametrize(("name", "count", "words"), USED, ids=repr)
def test_functions_called_by_operations_exist(name, count, words):
    ours = name in MET or hasattr(backends.Namespace, name) or name == "add.at"
    if ours or (name in OPS and frozen(name) is None):
        return
    found = frozen(name)
    assert found is not None, f"xp.{name}: CuPy 14 has no such function, and no operation has that name"
    if found and count is not None:
        signature(found).bind(*range(count), **dict.fromkeys(words))


def test_the_check_can_fail():
    assert frozen("unstack") is frozen("linalg.vector_norm") is None
    with pytest.raises(TypeError):
        signature(frozen("reshape")).bind(1, shape=2)
    assert any(name == "reshape" for name, _, _ in USED)


def test_the_list_is_cupys():
    cupy = pytest.importorskip("cupy")
    if cupy.__version__ != NAMES["version"]:
        pytest.skip(f"the list is of CuPy {NAMES['version']}, here is {cupy.__version__}")
    assert survey(cupy) == NAMES
