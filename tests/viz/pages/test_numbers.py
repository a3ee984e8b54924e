"""The JavaScript that live pages share writes numbers as the library does (in node)."""

import numpy as np

from glassgrad.viz.drawing import numbers
from tests.viz.pages.browser import evaluated, needs_node


@needs_node
def test_numbers_are_written_as_the_library_writes_them():
    random = np.random.default_rng(0)
    drawn = (random.normal(size=400) * 10.0 ** random.integers(-12, 8, 400)).tolist()
    values = [0.0, 1.0, -3.0, 9999.0, 10000.0, 12345.6, 9999.6, 0.001, -0.00099999, 0.1, 5e-324, *drawn]
    said = """[given.map(scalar), given.map(x => rms(Math.abs(x))),
        [NaN, Infinity, -Infinity, 0.5, 1e-7, 2.5e-7, 120].map(short), ticks(-2, 5, 6), factor(-0.5)]"""
    scripts = "common.js", "numbers.js", "networks.js"
    scalars, sizes, short, ticks, factor = evaluated(said, *scripts, given=values)
    assert scalars == [numbers.scalar(x) for x in values]
    assert sizes == [numbers.rms(abs(x)) for x in values]
    assert short == ["nan", "inf", "-inf", "0.5", "1e-7", "2.5e-7", "120"]
    assert ticks == [-2, 0, 2, 4]
    assert factor == "(-0.5000)"
