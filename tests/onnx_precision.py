"""Real networks in float32, here and in onnxruntime, each beside the same network in float64.

``python -m tests.onnx_precision`` rewrites the table of docs/onnx.md; it takes some minutes and 6 GB. A name that is
given is measured alone, and printed.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from glassgrad import autograd as ag
from glassgrad import nn
from tests.nn.saving.onnx.test_networks import LIGHT, RAPIDOCR, SILERO, VOICE, noise, path_of, picture, written

PAGE = Path(__file__).parents[1] / "docs/onnx.md"
BEGIN, END = "<!-- precision: begin -->", "<!-- precision: end -->"
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE
HALF_A_UNIT = 2.0**-24
"""The largest relative error of a number that is rounded to float32."""


def page(seed):
    """A picture of lines of random letters, (1, 3, height, width), from -1 to 1."""
    r = np.random.default_rng(seed)
    height, width, paper, ink = 32 * r.integers(2, 8), 32 * r.integers(3, 10), r.integers(180, 256), r.integers(100)
    lines = ["".join(map(chr, r.integers(97, 123, 30))) for _ in range(8)]
    return written(height, width, lines, int(paper), int(ink))


NETWORKS = {
    "speech detector": (f"{SILERO}/silero_vad_16k_op15.onnx", lambda: [VOICE]),
    "speech detector, sequence": (
        f"{SILERO}/silero_vad_16k_sequence.onnx",
        lambda: [{"input": noise(5, 576), "h": noise(1, 1, 128), "c": noise(1, 1, 128)}],
    ),
    "type of a file": (
        "magika/models/standard_v3_3/model.onnx",
        lambda: [{"bytes": np.random.default_rng(0).integers(0, 256, (2, 2048)).astype("int32")}],
    ),
    "direction of a text": (
        f"{RAPIDOCR}/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        lambda: [{"x": picture(2, 3, 48, 192)}],
    ),
    "text reader": (f"{RAPIDOCR}/ch_PP-OCRv4_rec_infer.onnx", lambda: [{"x": written(48, 160)}]),
    "text detector, logits": (f"{RAPIDOCR}/ch_PP-OCRv4_det_infer.onnx", lambda: [{"x": page(k)} for k in range(16)]),
    "text detector, probabilities": (
        f"{RAPIDOCR}/ch_PP-OCRv4_det_infer.onnx",
        lambda: [{"x": page(k)} for k in range(16)],
    ),
    "AlexNet": ("light_bvlc_alexnet.onnx", lambda: [{"data_0": picture(1, 3, 224, 224)}]),
    "GoogLeNet": ("light_inception_v1.onnx", lambda: [{"data_0": picture(1, 3, 224, 224)}]),
    "ResNet-50": ("light_resnet50.onnx", lambda: [{"gpu_0/data_0": picture(1, 3, 224, 224)}]),
    "VGG-19": ("light_vgg19.onnx", lambda: [{"data_0": picture(1, 3, 224, 224)}]),
}


def network_of(name):
    """The network as a protobuf; random weights take the place of the constants of the package onnx."""
    file, _ = NETWORKS[name]
    if file.startswith("light"):
        return with_weights(onnx.load(LIGHT / file))
    network = onnx.load(path_of(file))
    if name.endswith("logits"):
        last = network.graph.node.pop()
        assert last.op_type == "Sigmoid"
        network.graph.output[0].name = last.input[0]
    return network


def with_weights(network):
    """The same network with normal weights (He), and biases and statistics that are not 0 or 1."""
    graph, draw = network.graph, np.random.default_rng(0)
    made = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "ConstantOfShape"}
    nodes = [n for n in graph.node if n.op_type != "ConstantOfShape"]
    used = {name for n in nodes for name in n.input}
    positive = {n.input[i] for n in nodes if n.op_type == "BatchNormalization" for i in (1, 4)}
    tensors = {t.name: t for t in graph.initializer}
    shapes = {t.name: tuple(t.dims) for t in tensors.values() if t.data_type == FLOAT}
    shapes |= {name: tuple(numpy_helper.to_array(tensors[shape])) for name, shape in made.items()}
    kept = [t for t in tensors.values() if t.name in used and t.name not in shapes]
    inputs = [i for i in graph.input if i.name not in tensors]
    for field, items in ((graph.node, nodes), (graph.initializer, kept), (graph.input, inputs)):
        del field[:]
        field.extend(items)
    for name, shape in shapes.items():
        if name in used:
            scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
            weight = (scale * draw.standard_normal(shape)).astype("float32")
            weight = np.abs(weight) + np.float32(0.5) if name in positive else weight
            graph.initializer.append(numpy_helper.from_array(weight, name))
    return network


def in_float64(network):
    """A copy of the network that computes in float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(network)
    _widen(wide.graph)
    return wide


def _widen(graph):
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == FLOAT:
            value.type.tensor_type.elem_type = DOUBLE
    tensors = [*graph.initializer]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _widen(attribute.g)
            elif attribute.HasField("t"):
                tensors.append(attribute.t)
            elif node.op_type == "Cast" and attribute.i == FLOAT:
                attribute.i = DOUBLE
            elif attribute.name in ("value_float", "value_floats"):
                number = np.float64(helper.get_attribute_value(attribute))
                attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(number)))
    for tensor in tensors:
        if tensor.data_type == FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("float64"), tensor.name))


def computed(path, feed, dtype, move=None):
    """Outputs, and gradients of a random sum of them with respect to parameters and inputs, by name.

    ``move``: a generator by which each weight and input is moved up or down by half a unit of its last place.
    """

    def moved(x):
        return x if move is None else x * (1 + HALF_A_UNIT * move.choice([-1.0, 1.0], x.shape))

    model = nn.load_onnx(path)
    for p in model.parameters():
        p.data = moved(p.data)
    given = {name: int(x) if x.ndim == 0 else x for name, x in feed.items()}
    for name, x in feed.items():
        if x.dtype.kind == "f":
            given[name] = ag.Tensor(moved(x.astype(dtype)), requires_grad=True)
    found = model(**given)
    found = found if isinstance(found, tuple) else (found,)
    draw = np.random.default_rng(1)
    sum((y * ag.Tensor(draw.standard_normal(y.shape).astype(y.dtype))).sum() for y in found).backward()
    leaves = [*model.named_parameters(), *((n, x) for n, x in given.items() if isinstance(x, ag.Tensor))]
    assert {y.dtype for y in found} == {np.dtype(dtype)}
    return [y.data for y in found], {name: x.grad.data for name, x in leaves if x.grad is not None}


class Distances(NamedTuple):
    """Relative distances: of outputs by the largest element, of all gradients together by their norm."""

    ours: float
    theirs: float
    between: float
    gradients: float
    moved: float


def distances(name, count=None):
    """The `Distances` of a network; outputs are a geometric mean over its first ``count`` inputs."""
    network, rows = network_of(name), []
    names = {i.name for i in network.graph.input}
    with tempfile.TemporaryDirectory() as folder:
        narrow, wide = Path(folder, "narrow.onnx"), Path(folder, "wide.onnx")
        narrow.write_bytes(network.SerializeToString())
        wide.write_bytes(in_float64(network).SerializeToString())
        del network
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        session = onnxruntime.InferenceSession(narrow, options)
        for feed in NETWORKS[name][1]()[:count]:
            feed = {name: x for name, x in feed.items() if name in names}
            theirs = session.run(None, feed)
            exact, slopes = computed(wide, feed, "float64")
            ours, found = computed(narrow, feed, "float32")
            rows.append([max(map(far, *pair)) for pair in ((ours, exact), (theirs, exact), (ours, theirs))])
            if len(rows) == 1:
                first = apart(found, slopes)
                del found
                moved = apart(computed(wide, feed, "float64", np.random.default_rng(2))[1], slopes)
    return Distances(*np.exp(np.log(np.maximum(rows, 1e-9)).mean(axis=0)), first, moved)


def far(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def apart(a, b):
    """The norm of the difference of all gradients, relative to that of ``b``."""
    assert a.keys() == b.keys()
    return np.sqrt(sum(((a[n] - b[n]) ** 2).sum() for n in b) / sum((b[n] ** 2).sum() for n in b))


def main():
    for name in sys.argv[1:]:
        print(name, distances(name), flush=True)
    if sys.argv[1:]:
        return
    lines = [
        "| network | outputs: ours | onnxruntime | ours from onnxruntime | gradients: ours | weights moved |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in NETWORKS:
        lines.append(" | ".join([f"| {name}", *(f"{d:.1e}".replace("e-0", "e-") for d in distances(name))]) + " |")
        print(lines[-1], flush=True)
    text = PAGE.read_text()
    table = "\n".join([BEGIN, *lines, END])
    PAGE.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: table, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
