"""Each row of the corpus, and whether every public name has one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.errors import AutogradError
from tests.bad_input.corpus import CALLS, Row, rows, run

HERE = Path(__file__).parent
TABLES = {name: rows(HERE / f"{name}.txt") for name in CALLS}
ROWS = [row for table in TABLES.values() for row in table]


@pytest.mark.parametrize("row", ROWS, ids=[f"{stem}-{call}" for stem, table in TABLES.items() for call, *_ in table])
def test_each_case_gives_the_right_value_or_a_typed_error(row: Row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(row, tmp_path)


def test_no_case_is_listed_twice():
    calls = [call for call, _, _ in ROWS]
    assert len(calls) == len(set(calls)) > 200


# ------------------------------------------------------------------------------------------------------ what is covered

NO_INPUT = {
    "autograd": (
        "OPS Node Op Tensor errors testing linalg random trees e inf nan pi newaxis "
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128 "
        "detect_anomaly devices __array_api_version__ __array_namespace_info__"
    ),
    "nn": "Module History data functional init models optim parallel tuning",
    "nn.init": "generator",
    "nn.data": "DATASETS cache_folder mnist digits first_names",
    "viz": "Derivation Derivations EngineWarning RenderError Widget",
    "Tensor": (
        "T mT shape dtype ndim size device is_leaf name data node grad hooks op inputs scope requires_grad "
        "clone cpu detach zero_grad tolist abs cos sin exp log sqrt square tanh sigmoid relu flatten"
    ),
    "Module": (
        "training forward moves edits arguments buffers children eval modules named_buffers named_children "
        "named_modules named_parameters parameters state_dict train requires_grad_ zero_grad"
    ),
}
"""What has no row, because there is nothing to give it: constants, dtypes, modules (whose functions have rows), types
that functions return, methods that take no argument, or one whose truth counts. Loaders of data are in `test_files`.
"""


def names() -> Iterator[tuple[str, str, str]]:
    """Every public name: where it is, itself, and how a row would write it."""
    homes = {
        "autograd": ("ag.", ag.__all__),
        "autograd.linalg": ("ag.linalg.", ag.linalg.__all__),
        "autograd.random": ("ag.random.", ag.random.__all__),
        "nn": ("nn.", nn.__all__),
        "nn.functional": ("F.", nn.functional.__all__),
        "nn.init": ("nn.init.", _functions(nn.init)),
        "nn.optim": ("nn.optim.", [n for n in nn.optim.__all__ if n != "lr_scheduler"]),
        "nn.optim.lr_scheduler": ("lr.", _functions(nn.optim.lr_scheduler)),
        "nn.data": ("nn.data.", nn.data.__all__),
        "viz": ("viz.", viz.__all__),
        "Tensor": (".", [n for n in dir(ag.Tensor(0.0)) if not n.startswith("_")]),
        "Module": (".", [n for n in dir(nn.Module()) if not n.startswith("_")]),
    }
    for home, (prefix, found) in homes.items():
        for name in found:
            yield home, name, prefix


def _functions(module: object) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", "") == module.__name__
    ]


def _is_error(home: str, name: str) -> bool:
    module = {"nn.data": nn.data, "viz": viz}.get(home)
    value = getattr(module, name, None) if module else None
    return inspect.isclass(value) and issubclass(value, AutogradError)


@pytest.mark.parametrize(("home", "name", "prefix"), [pytest.param(*n, id=".".join(n[:2])) for n in names()])
def test_every_public_name_has_a_row(home: str, name: str, prefix: str):
    if home.startswith("autograd") and name in ag.OPS:
        return  # each operation is given all of it in test_operations
    if name in NO_INPUT.get(home, "").split() or _is_error(home, name):
        return
    written = re.compile(rf"(?<![\w]){re.escape(prefix)}{re.escape(name)}\b" if prefix != "." else rf"\.{name}\(")
    assert any(written.search(call) for call, _, _ in ROWS), f"give {home}.{name} a row in {HERE.name}, or say why none"


def test_names_exempt_from_rows_exist_and_have_no_row():
    public = {(home, name) for home, name, _ in names()}
    for home, listed in NO_INPUT.items():
        for name in listed.split():
            assert (home, name) in public, f"{home}.{name} is listed and not there"
