"""Dropout of whole channels."""

import numpy as np
import pytest

from glassgrad import nn

F = nn.functional


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_whole_channels_are_dropped_and_the_mean_stays(axes):
    x = np.ones((60, 50, *(3,) * axes), np.float32)
    layer = getattr(nn, f"Dropout{axes}d")(0.4, seed=0)
    y = layer(x).data.reshape(60, 50, -1)
    assert y.dtype == np.float32
    assert (y == y[..., :1]).all()
    assert 0.35 < (y == 0).mean() < 0.45
    np.testing.assert_allclose(y[y > 0], 1 / 0.6, rtol=1e-6)
    assert layer.eval()(x).data is not y
    np.testing.assert_array_equal(layer(x).data, x)
    one = getattr(F, f"dropout{axes}d")(x[0], 0.4, generator=np.random.default_rng(0)).data.reshape(50, -1)
    assert (one == one[:, :1]).all()
