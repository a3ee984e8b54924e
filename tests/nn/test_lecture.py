"""The lecture's worked example, computed and run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from glassgrad import nn

ROOT = Path(__file__).parents[2]

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


def test_the_example_prints_them():
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "lecture.py"],
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert "[1.00, -1.00] → [0.98, 0.12] → [0.86, 0.11] → [0.62, 0.83]" in done.stdout
    assert "→ [0.51, 0.85]\n" in done.stdout
