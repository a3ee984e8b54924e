"""The lecture's worked example, computed."""

import numpy as np
import pytest

from glassgrad import nn

STATE = {
    "layers.0.weight": [[1, -2], [-1, 1]],
    "layers.0.bias": [1, 0],
    "layers.2.weight": [[2, -1], [-2, -1]],
    "layers.2.bias": [0, 0],
    "layers.4.weight": [[3, -1], [-1, 4]],
    "layers.4.bias": [-2, 2],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_numbers_on_the_slide(dtype):
    model = nn.MLP([2, 2, 2, 2], activation="sigmoid", output="sigmoid", dtype=dtype)
    model.load_state_dict(STATE)
    x = np.array([1.0, -1.0], dtype)
    assert [np.round(model[:n](x).data, 2).tolist() for n in (2, 4, 6)] == [
        pytest.approx([0.98, 0.12]),
        pytest.approx([0.86, 0.11]),
        pytest.approx([0.62, 0.83]),
    ]
    assert np.round(model(np.zeros(2, dtype)).data, 2).tolist() == pytest.approx([0.51, 0.85])
