"""The table of operations: every operation has a row, and takes the calls that its row draws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from tests.operations import TABLE
from tests.sampling import sampled

OURS = {name: op for name, op in ag.OPS.items() if op.__module__.startswith("glassgrad.autograd.")}


@pytest.mark.parametrize("name", sampled(sorted(OURS), 2))
@settings(max_examples=5)
@given(data=st.data())
def test_an_operation_takes_the_calls_that_its_row_draws(name, data):
    arrays, params = data.draw(TABLE[name].cases)
    assert np.isfinite(OURS[name](*arrays, **params).data).all()
