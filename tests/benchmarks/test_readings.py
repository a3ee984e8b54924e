"""The works of `benchmarks.readings` compute the same eager and compiled."""

import numpy as np
import pytest

from benchmarks import readings


@pytest.mark.parametrize("work", readings.works_of())
def test_compiled_work_is_the_eager_one(work: str) -> None:
    made = readings.of_glassgrad(work)
    np.testing.assert_allclose(readings.flat(made["compiled"]()), readings.flat(made["eager"]()), rtol=1e-7, atol=1e-9)
