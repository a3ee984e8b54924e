"""Bring your own network: an ONNX file opened, drawn, differentiated, checked and saved again.

    python examples/own_network.py [FOLDER] [FILE.onnx]

It needs the package onnx (pip install "glassgrad[onnx]"). Without a file it opens the speech detector that the package
silero-vad ships, or, where that is not installed, a network made and saved here.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn, viz

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
parser.add_argument("file", nargs="?", type=Path)
options = parser.parse_args()
folder = options.folder
folder.mkdir(parents=True, exist_ok=True)


def file_to_open():
    """The file named on the command line, that of a package, or one of our own."""
    if options.file:
        return options.file
    package = find_spec("silero_vad")
    if package is not None:
        return Path(package.submodule_search_locations[0], "data/silero_vad_16k_op15.onnx")
    own = nn.Sequential(
        nn.Conv1d(1, 8, 16, stride=8, seed=0), nn.ReLU(), nn.Flatten(), nn.Linear(568, 1, seed=1), nn.Sigmoid()
    )
    nn.save_onnx(own, folder / "own.onnx", np.zeros((1, 1, 576), "float32"), input_names=["sound"])
    return folder / "own.onnx"


def example_of(declared):
    """Noise of the declared shape; axes of no fixed length get 1. A single number is a sampling rate."""
    if not declared.shape:
        return 16000
    unknown = [1, 576] if len(declared.shape) == 2 else [1] * len(declared.shape)
    shape = [n if isinstance(n, int) and n else m for n, m in zip(declared.shape, unknown, strict=True)]
    values = np.random.default_rng(0).standard_normal(shape).astype(declared.dtype)
    return ag.Tensor(values, requires_grad=values.dtype.kind == "f", name=declared.name)


model = nn.load_onnx(file_to_open())
print(model)

# Every input and every parameter has a gradient: how the first output changes with each sample of the input.
inputs = [example_of(declared) for declared in model.inputs]
outputs = model(*inputs)
y = (outputs[0] if isinstance(outputs, tuple) else outputs).sum()
y.backward()
sound = inputs[0]
print(f"{model.outputs[0]} = {y.item():.4f}, the largest slope is {float(ag.abs(sound.grad).max()):.2g}")

# Everything else works on it, too: the picture, the check of every rule, and the way back to a file.
viz.draw_graph(y, title="A network of someone else's").save(folder / "own_network.svg")
report = viz.check_graph(y)
print(report)
nn.save_onnx(lambda x: model(x, *inputs[1:]), folder / "again.onnx", sound)
print(f"saved again as {folder / 'again.onnx'}")
