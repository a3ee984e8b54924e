"""`fit` with steps in C trains as it does without."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.errors import TrainingError
from tests.autograd.compiler.targets.c.native import needs_compiler

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((103, 5)).astype("f4"), RNG.integers(0, 3, 103)
LOSS = nn.functional.cross_entropy


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache of this run."""
    monkeypatch.setenv("GLASSGRAD_NATIVE", str(tmp_path_factory.getbasetemp() / "native"))


def trained(compile: Any, data: Any = (X, Y), *, lr: float = 0.05, **options: Any) -> Any:
    model = nn.MLP([5, 8, 3], seed=0)
    optimizer = nn.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    options = {"epochs": 4, "batch_size": 10, "progress": False, **options}
    return nn.fit(model, LOSS, optimizer, data, compile=compile, **options), model


@needs_compiler
@pytest.mark.parametrize("seed", [0, None])
def test_fit_in_c_is_as_fit_with_numpy(seed):
    options = {"seed": seed, "max_norm": 1.0, "validation": (X[:20], Y[:20])}
    (one, first), (other, second) = (trained(compile, **options) for compile in ("c", True))
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-5)
    assert one.accuracy == other.accuracy
    np.testing.assert_allclose(one.validation_loss, other.validation_loss, rtol=1e-5)
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-4, atol=1e-5)


@needs_compiler
def test_a_non_finite_loss_is_reported_with_its_batch():
    data = X.copy()
    data[45] = np.inf
    with pytest.raises(TrainingError, match=r"The loss became nan in epoch 1, batch 5, at learning rate 0\.05"):
        trained("c", (data, Y), seed=None)


@needs_compiler
def test_labels_out_of_range_keep_the_steps_before():
    labels = Y.copy()
    labels[85] = 9
    found = []
    for compile in ("c", True):
        with pytest.raises(ValueError, match="was given the label 9") as raised:
            trained(compile, (X, labels), seed=None)
        found.append(str(raised.value))
    assert found[0] == found[1]


@needs_compiler
def test_a_step_that_can_not_be_written_in_c_is_compiled_for_numpy_with_a_message(capsys):
    class Scaled(nn.Linear):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * ag.linalg.det(self.weight[:, :3])

    model = Scaled(5, 3, seed=0)
    nn.fit(model, LOSS, nn.optim.SGD(model.parameters(), lr=0.05), (X, Y), epochs=1, compile="c")
    assert re.search("Compiled for NumPy: .*can't be written in C", capsys.readouterr().out)


@needs_compiler
def test_auto_changes_to_c_on_its_way():
    one, _ = trained("auto", epochs=30)
    other, _ = trained(False, epochs=30)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-3)
