"""docs/conventions.md tells nothing that isn't so: its tables are computed, PyTorch's columns where it is installed."""

import copy
import importlib.util
import math
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor

PAGE = Path(__file__).parents[1] / "docs/conventions.md"
TEXT = PAGE.read_text(encoding="utf-8")

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def rows(heading):
    """The cells of the table below a heading, code without its quotes."""
    part = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| `.*\|$", part, flags=re.MULTILINE)
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def shown(values):
    """Numbers as a cell: ``0, inf, 0.25``."""
    return ", ".join(f"{v + 0.0:.4g}" for v in np.ravel(values)) or "none"  # -0.0 + 0.0 is 0.0


def diagonal(count, row):
    """The second derivatives by each element, from the rows of the Hessian."""
    return [float(row(i)[i]) for i in range(count)]


def ours(code, at):
    """Value, first and second derivatives of this package."""
    x = Tensor(eval(at, {"inf": math.inf, "nan": math.nan}), requires_grad=True)
    try:
        y = eval(code, {"ag": ag, "x": x, "inf": math.inf, "nan": math.nan})
    except ag.errors.AutogradError as error:
        return [type(error).__name__, "", ""]
    slope = ag.gradients(y.sum(), x, create_graph=True)
    if not slope.requires_grad:
        return [shown(y.data), shown(slope.data), shown(np.zeros(x.shape))]
    units = np.eye(x.size)
    return [shown(y.data), shown(slope.data), shown(diagonal(x.size, lambda i: ag.gradients(slope, x, units[i]).data))]


def pytorchs(code, at):
    """The same of PyTorch."""
    import torch

    x = torch.tensor(eval(at, {"inf": math.inf, "nan": math.nan}), dtype=torch.float64, requires_grad=True)
    try:
        y = eval(code, {"torch": torch, "x": x, "inf": math.inf, "nan": math.nan})
    except RuntimeError as error:
        return [type(error).__name__, "", ""]
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)

    def row(i):
        unit = torch.zeros_like(slope)
        unit[i] = 1.0
        (found,) = torch.autograd.grad(slope, x, unit, retain_graph=True, allow_unused=True)
        return torch.zeros_like(x) if found is None else found

    second = diagonal(x.numel(), row) if slope.requires_grad else np.zeros(x.shape)
    return [shown(y.detach().numpy()), shown(slope.detach().numpy()), shown(second)]


def test_the_tables_are_there():
    assert len(rows("Where there is no derivative")) > 50
    assert len(rows("Memory shared with NumPy")) > 10


@pytest.mark.parametrize("row", rows("Where there is no derivative"), ids=lambda row: f"{row[0]} at {row[2]}")
def test_derivatives_are_as_the_table_says(row):
    code, _, at, *told = row
    assert told[:3] == ours(code, at)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize("row", rows("Where there is no derivative"), ids=lambda row: f"{row[0]} at {row[2]}")
def test_pytorchs_are_as_the_table_says(row):
    code, theirs, at, _, first, second, *told = row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytorchs(theirs or code.replace("ag.", "torch."), at)
    assert [mine if cell == "same" else cell for cell, mine in zip(told, (first, second), strict=True)] == found[1:]


def grad_of(t):
    """``.grad`` of a leaf that received the gradient of ``t`` itself."""
    x = Tensor(np.ones(t.shape), requires_grad=True)
    (x * 1.0).backward(t)
    return x.grad


def gradients_of(t):
    """A gradient, through an operation that passes its upstream gradient on."""
    x = Tensor(np.ones(t.shape), requires_grad=True)
    return ag.gradients(+x, x, t)


@pytest.mark.parametrize("row", rows("Memory shared with NumPy"), ids=lambda row: row[0])
def test_memory_is_shared_as_the_table_says(row):
    code, told = row
    a = np.arange(6.0).reshape(2, 3)
    t = ag.asarray(a)
    names = {"np": np, "ag": ag, "a": a, "t": t, "copy": copy, "pickle": pickle}
    found = eval(code, {**names, "grad_of": grad_of, "gradients_of": gradients_of})
    array = found.data if isinstance(found, Tensor) else found
    shared = np.shares_memory(a, array)
    old = "from_dlpack" in code and np.lib.NumpyVersion(np.__version__) < "2.2.0"  # it made arrays read-only
    assert told == ("no" if not shared else "yes" if array.flags.writeable or old else "yes, read-only")
    before = array.copy()
    a[...] += 10.0
    assert (array == before).all() != shared
