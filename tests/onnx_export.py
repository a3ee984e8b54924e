"""What `nn.save_onnx` writes: layers, losses and networks, each run by onnxruntime beside ours."""

from __future__ import annotations

from collections import Counter

import numpy as np

from glassgrad import nn

F = nn.functional


def noise(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


LABELS, IDS = np.asarray([0, 2]), np.asarray([[1, 2, 3], [4, 5, 6]])


def space(axes, n=7):
    return noise(2, 4, *(n,) * axes)


def normalized(axes):
    """A batch norm with statistics that are not 0 and 1."""
    layer = getattr(nn, f"BatchNorm{axes}d")(4)
    layer(space(axes) * 2 + 1)
    return layer


def each(text, *inputs):
    """Layers that are made without arguments, by their names."""
    return {name: (getattr(nn, name), *inputs) for name in text.split()}


def spatial(name, *args, **options):
    """A kind of layer for one, two and three axes of space."""
    return {f"{name}{d}d": (lambda d=d: getattr(nn, f"{name}{d}d")(*args, **options), space(d)) for d in (1, 2, 3)}


CELLS = "RNN", "LSTM", "GRU"
WINDOW = {"padding": 1, "stride": 2}
LAYERS = {
    **each("Sigmoid Tanh ReLU GELU Softplus SiLU Softmax LogSoftmax Identity Dropout", noise(2, 4)),
    "Linear": (lambda: nn.Linear(4, 3, seed=0), noise(2, 4)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), noise(2, 4)),
    "ELU": (lambda: nn.ELU(0.5), noise(2, 4)),
    "Flatten": (nn.Flatten, noise(2, 3, 4)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 3)), noise(2, 6)),
    **spatial("Dropout"),
    "Embedding": (lambda: nn.Embedding(7, 3, seed=0), IDS),
    "PositionalEncoding": (lambda: nn.PositionalEncoding(8), noise(2, 5, 8)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True, seed=0), *[noise(2, 5, 8)] * 3),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2, seed=0), noise(2, 5, 8)),
    "LayerNorm": (lambda: nn.LayerNorm(4), noise(2, 4)),
    **{f"BatchNorm{d}d": (lambda d=d: normalized(d), space(d)) for d in (1, 2, 3)},
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), space(2)),
    **spatial("InstanceNorm", 4, affine=True),
    "RMSNorm": (lambda: nn.RMSNorm(4), noise(2, 4)),
    **spatial("Conv", 4, 6, 3, **WINDOW, seed=0),
    **spatial("ConvTranspose", 4, 6, 3, **WINDOW, seed=0),
    **spatial("MaxPool", 3, **WINDOW),
    **spatial("AvgPool", 3, **WINDOW),
    **spatial("AdaptiveAvgPool", 3),
    **spatial("AdaptiveMaxPool", 3),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3), space(2)),
    "RNN": (lambda: nn.RNN(4, 3, seed=0), noise(5, 2, 4)),
    "LSTM": (lambda: nn.LSTM(4, 3, num_layers=2, bidirectional=True, seed=0), noise(5, 2, 4)),
    "GRU": (lambda: nn.GRU(4, 3, batch_first=True, seed=0), noise(2, 5, 4)),
    **{f"{kind}Cell": (lambda kind=kind: getattr(nn, f"{kind}Cell")(4, 3, seed=0), noise(2, 4)) for kind in CELLS},
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3, seed=0), nn.Tanh()), noise(2, 4)),
    "Residual": (lambda: nn.Residual(nn.Linear(4, 4, seed=0)), noise(2, 4)),
    "MLP": (lambda: nn.MLP([4, 5, 3], seed=0), noise(2, 4)),
    "LeNet5": (lambda: nn.models.LeNet5(seed=0), noise(2, 1, 28, 28)),
    "ResNet": (lambda: nn.models.ResNet(18, seed=0), noise(1, 3, 64, 64)),
}
"""How an example of each layer is made, and inputs for it."""

CONTAINERS = ("ModuleList", "ModuleDict")
"""Those that compute nothing themselves."""

LOSSES = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss, noise(2, 3), LABELS),
    "CrossEntropyLoss with probabilities": (nn.CrossEntropyLoss, noise(2, 3), np.full((2, 3), 1 / 3, "float32")),
    **each("MSELoss L1Loss HuberLoss", noise(2, 3), noise(3, 2).T.copy()),
    "NLLLoss": (nn.NLLLoss, noise(2, 3), LABELS),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss, noise(2, 3), (noise(2, 3) > 0).astype("float32")),
}

IMAGE = noise(1, 1, 16, 16)
MODELS = {
    **{
        name: (lambda name=name: getattr(nn.models, name)(10, channels=1, small=True, seed=0), IMAGE)
        for name in ("alexnet", "vgg11", "googlenet", "resnet18", "resnet50")
    },
    "lenet5": (lambda: nn.models.lenet5(size=16, seed=0), IMAGE),
    **{
        f"RowRecurrent, {kind}": (lambda kind=kind: nn.models.RowRecurrent((16, 16), 10, kind, 8, seed=0), IMAGE)
        for kind in ("rnn", "lstm", "gru")
    },
    "RowTransformer": (lambda: nn.models.RowTransformer((16, 16), 10, d_model=8, nhead=2, seed=0), IMAGE),
    "char_rnn": (lambda: nn.models.char_rnn(7, hidden=5, seed=0), IDS),
    "char_transformer": (lambda: nn.models.char_transformer(7, d_model=8, nhead=2, max_len=8, seed=0), IDS),
}
"""The networks of `nn.models`, those of images for small ones."""

REFUSED = {
    **dict.fromkeys(
        ("cholesky", "eigvalsh", "eigenvectors", "inv", "pinv", "solve", "qr_factors", "svdvals"), "a decomposition"
    ),
    **dict.fromkeys(("singular_vectors", "log_abs_det", "sign_det", "orthogonal_complement"), "a decomposition"),
    **dict.fromkeys(("dft", "inverse_dft", "real_dft", "inverse_real_dft"), "complex numbers"),
    **dict.fromkeys(("erfc", "erfinv", "lgamma", "polygamma"), "a special function"),
    **dict.fromkeys(("nonzero_indices", "unique_parts"), "a shape that depends on values"),
    **dict.fromkeys(
        ("copysign", "signbit", "nextafter", "atan2", "bitwise_left_shift", "bitwise_right_shift"), "no operator"
    ),
    **dict.fromkeys(("cumulative_prod", "searchsorted", "fold", "unfold"), "no operator"),
    **dict.fromkeys(("conv_weight", "max_unpool", "sum_unpool"), "a gradient"),
    **dict.fromkeys(("at_max", "scatter_along_axis", "scatter_take", "scatter_add", "setitem"), "no layer needs it"),
    **dict.fromkeys(("argsort", "cumulative_sum", "floor_divide", "remainder", "hypot", "trunc"), "no layer needs it"),
    **dict.fromkeys(("all", "any", "reciprocal_gaps", "take_along_axis", "tile", "tril", "triu"), "no layer needs it"),
}
"""The operations that are refused, and why."""


def run(path, *inputs):
    """The outputs of a file by onnxruntime, by name."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options)
    names = [i.name for i in session.get_inputs()]
    feed = dict(zip(names, (np.asarray(getattr(x, "data", x)) for x in inputs), strict=True))
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed), strict=True))


def flat(values):
    """The Tensors of a result, one after the other."""
    if isinstance(values, tuple | list):
        return [t for value in values for t in flat(value)]
    return [] if values is None else [values]


def nodes(path):
    """How many nodes of each operator a file has."""
    import onnx

    return Counter(node.op_type for node in onnx.load(path).graph.node)


def check_forward(model, inputs, path, tolerance=1e-6):
    """Write a model and compare."""
    nn.save_onnx(model, path, *inputs)
    found, wanted = run(path, *inputs).values(), flat(model(*inputs))
    for got, want in zip(found, wanted, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want.data, rtol=0, atol=tolerance * max(1, np.abs(want.data).max(initial=0)))


def check_network(model, inputs, path):
    """Write a network and run it: its outputs are as near to float64 as ours, or to 1e-6 of the largest."""
    check_forward(model, inputs, path, 1e-5)
    found, wanted = run(path, *inputs).values(), flat(model(*inputs))
    exact = flat(model.to("float64")(*(x.astype("float64") if x.dtype.kind == "f" else x for x in inputs)))
    for got, ours, want in zip(found, wanted, exact, strict=True):
        theirs, own = (np.abs(x - want.data).max() / np.abs(want.data).max() for x in (got, ours.data))
        assert theirs <= max(1e-6, 2 * own)
