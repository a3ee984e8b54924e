"""The floor of a training step: as many products as it has, beside the step written by hand."""

import numpy as np
import pytest

from benchmarks import floor
from benchmarks.works import Net

NET = Net("X", (5, 4, 3), 2)


@pytest.mark.parametrize("by_feature", [False, True])
def test_products_are_those_of_a_step(by_feature):
    found = floor.products(NET, by_feature)
    bias = int(by_feature)
    shapes = [(4, 2), (5 + bias, 4), (3, 2), (4 + bias, 3), (4, 2)]
    assert [out.shape for *_, out in found] == (shapes if by_feature else [shape[::-1] for shape in shapes])
    floor.multiply(found)
    for a, b, out in found:
        np.testing.assert_allclose(out, a @ b, rtol=1e-5)


def test_all_are_measured_beside_the_hand_written_step(monkeypatch):
    monkeypatch.setattr(floor, "SECONDS", 1e-4)
    found = floor.measured(NET, rounds=3)
    assert found.pop("hand-written") == 1
    assert list(found) == ["compiled", "products by hand", "products compiled"]
    assert all(0 < ratio < 100 for ratio in found.values())
