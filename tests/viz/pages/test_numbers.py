"""The JavaScript that live pages share writes numbers as the library does (in node)."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from glassgrad import viz
from glassgrad.viz.drawing import numbers

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed to run the page's script with")
def test_numbers_are_written_as_the_library_writes_them():
    random = np.random.default_rng(0)
    drawn = (random.normal(size=400) * 10.0 ** random.integers(-12, 8, 400)).tolist()
    values = [0.0, 1.0, -3.0, 9999.0, 10000.0, 12345.6, 9999.6, 0.001, -0.00099999, 0.1, 5e-324, *drawn]
    pages = Path(viz.__file__).parent / "pages/assets"
    script = (
        "globalThis.document = { documentElement: { dataset: {} } };"
        + (pages / "common.js").read_text("utf-8")
        + (pages / "numbers.js").read_text("utf-8")
        + (pages / "networks/networks.js").read_text("utf-8")
        + (
            "const given = JSON.parse(require('fs').readFileSync(0));"
            "console.log(JSON.stringify([given.map(scalar), given.map(x => rms(Math.abs(x))),"
            "[NaN, Infinity, -Infinity, 0.5, 1e-7, 2.5e-7, 120].map(short), ticks(-2, 5, 6), factor(-0.5)]))"
        )
    )
    run = subprocess.run([NODE, "-e", script], input=json.dumps(values).encode(), capture_output=True, check=True)
    scalars, sizes, short, ticks, factor = json.loads(run.stdout)
    assert scalars == [numbers.scalar(x) for x in values]
    assert sizes == [numbers.rms(abs(x)) for x in values]
    assert short == ["nan", "inf", "-inf", "0.5", "1e-7", "2.5e-7", "120"]
    assert ticks == [-2, 0, 2, 4]
    assert factor == "(-0.5000)"
