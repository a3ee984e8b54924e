"""What a notebook shows of Tensors, modules and checks: the true values, escaped, at once."""

import pickle
import re
from html import unescape

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.common import notebook
from glassgrad.autograd.testing import check_nodes

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


@pytest.mark.parametrize("shape", [(), (1,), (30,), (3, 4), (100, 7), (40, 50), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "complex128"])
def test_entries_are_written_in_rows_and_those_left_out_are_counted(shape: tuple[int, ...], dtype: str) -> None:
    array = (10 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    rows = array.reshape(-1, shape[-1] if shape else 1)
    rows = rows[: notebook.ROWS, : notebook.COLUMNS]
    text = notebook.tiles(array, np.asarray)
    expected = [f"{v:.4g}" if dtype in ("float64", "complex128") else str(v) for v in rows.ravel().tolist()]
    assert re.findall(r">([^<]+)</td>", text) == expected
    assert ("more entries" in text) == (rows.size < array.size)


def test_a_colour_is_of_the_share_of_the_largest_value() -> None:
    text = notebook.tiles(np.array([1.0, -4.0, np.nan, np.inf, -np.inf, 0.0]), np.asarray)
    assert re.findall(r"background:([^;]*)", text) == [
        "rgba(178,24,43,0.15)", "rgba(33,102,172,0.60)", *["#fd0"] * 3, "rgba(178,24,43,0.00)"
    ]  # fmt: skip
    assert notebook.tiles(np.zeros((0, 3)), np.asarray) == "<div>no entries</div>"


def test_of_large_values_a_few_entries_are_copied_and_shown() -> None:
    copied: list[int] = []
    shown = notebook.tiles(np.zeros((4000, 4000)), lambda part: copied.append(part.size) or part)
    assert sum(copied) == notebook.ROWS * notebook.COLUMNS
    net = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(300)))
    assert max(len(shown), len(net._repr_html_())) < 200_000


def test_a_tensor_says_its_name_shape_and_gradient() -> None:
    x = ag.Tensor([1.0, 2.0], requires_grad=True, name=HOSTILE)
    y = ag.sum(x * x)
    y.backward()
    text = x._repr_html_()
    assert "<img" not in text
    assert "Tensor &lt;img" in text
    assert "(2,) · float64 · requires grad" in text
    assert "<summary>gradient</summary>" in text
    assert ">4</td>" in text
    assert "made by sum" in y._repr_html_()
    assert repr(y) == "Tensor(5.0, op=sum)"
    seen: list[str] = []
    ag.vmap(lambda x: (seen.append(x._repr_html_()), x)[1])(np.ones(3))
    assert "no values" in seen[0]


def test_a_module_says_its_tree_and_the_shapes_of_the_last_call() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))
    before = repr(net)
    assert "→" not in net._repr_html_()
    net(np.ones((4, 2), "float32"))
    text = unescape(net._repr_html_())
    assert "Sequential, 13 parameters → (4, 1)" in text
    assert "0: Linear(2, 3), 9 parameters → (4, 3)" in text
    assert "0: Tanh → (4, 3)" in text
    assert "weight (3, 2) float32" in text
    assert repr(net) == before
    assert "→" not in pickle.loads(pickle.dumps(net))._repr_html_()
    ag.vmap(net)(np.ones((5, 2), "float32"))
    assert type(net._made) is tuple


def test_a_report_lists_the_checks() -> None:
    x = ag.Tensor([1.0, 2.0], requires_grad=True, name=HOSTILE)
    text = check_nodes(ag.sum(ag.tanh(x)))._repr_html_()
    assert "<img" not in text
    assert text.count("<tr style") == 2
    assert "relative errors up to" in text
