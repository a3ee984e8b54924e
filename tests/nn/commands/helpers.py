"""What the tests of the command line share."""

from pathlib import Path

import numpy as np
from PIL import Image

from glassgrad.nn.__main__ import main

ROOT = Path(__file__).parents[3]

SMALL = ["--hidden", "20", "--epochs", "1"]

LEFT = {"model.npz", "history.json", "settings.json", "report.html"}


def run(*words):
    return main([str(word) for word in words])


def refused(capsys, *words):
    """The sentence of a refusal, after a look at what every refusal must be."""
    try:
        status = run(*words)
    except SystemExit as error:
        status = error.code
    said = capsys.readouterr()
    assert status == 2
    assert said.err.count("\n") == 1
    assert said.err.startswith("python -m glassgrad.nn")
    assert said.out == ""
    return said.err.strip()


def grey(data, number, side=224):
    """A held-out digit drawn large: uint8, 0 = paper, 255 = ink."""
    picture = Image.fromarray((data.x_test[number].reshape(16, 16) * 255).astype(np.uint8))
    return np.pad(np.asarray(picture.resize((side, side), Image.Resampling.NEAREST)), 40)


def facts(**others):
    return {"data": "digits", "loss": "cross-entropy", "classes": list("0123456789"), **others}
