"""Read weights of Keras: ``.keras``, ``.weights.h5`` and the older ``.h5``; fit them into modules of ``nn``.

Keras keeps kernels as (in, out), images as (height, width, channels), and the gates of a GRU in another order than
PyTorch, whose layout ``nn`` uses. `KerasWeights` holds the arrays as they are in the file;
`nn.Module.load_state_dict` converts them, layer by layer, in the order of each kind of layer.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from glassgrad.autograd import Tensor
from glassgrad.nn.errors import FileError, StateError
from glassgrad.nn.modules import convolution, embedding, linear, normalization, recurrent
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving.npz import opened

if TYPE_CHECKING:
    import h5py

CONFIG_LIMIT = 2**22  # bytes of JSON, whose objects take up to thirty times as much
SIZE_FACTOR = 64  # compressed arrays take at most this many times the file's size


class KerasWeights(dict[str, Tensor]):
    """Weights by their names in a file of Keras. ``config``: the model's, if the file has it.

    ``model.load_state_dict(weights)`` fits them into a module of ``nn`` that was built with the same layers.
    """

    config: dict[str, Any] | None = None

    def for_module(self, module: Module) -> dict[str, Any]:
        """The weights as a state dict for ``module``, in its names and layouts.

        Its layers must be those of the Keras model, in the same order within each kind. Raises `nn.errors.StateError`
        that names the layers left over or missing.
        """
        try:
            return fit(self, module)
        except StateError:
            raise
        except Exception as error:  # of many classes
            raise StateError(f"these weights have an unexpected structure, perhaps not of Keras: {error}.") from error


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a header and the weights of a file of Keras, `KerasWeights`.

    Needs the package ``h5py``. Raises `nn.errors.FileError` where it is missing, and an
    error of any class for a damaged file.
    """
    try:
        import h5py
    except ImportError:
        raise FileError("reading it takes h5py: pip install h5py") from None
    weights = KerasWeights()
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    content: IO[bytes] = file
    if zipfile.is_zipfile(file):
        with opened(file) as archive:
            member, config = archive.getinfo("model.weights.h5"), archive.getinfo("config.json")
            if config.file_size > CONFIG_LIMIT:
                raise ValueError(f"its config.json has more than {CONFIG_LIMIT:,} bytes")
            weights.config = json.loads(archive.read(config))
            content = io.BytesIO(archive.read(member))
    content.seek(0)
    left = SIZE_FACTOR * size
    with h5py.File(content, "r") as root:
        text = root.attrs.get("model_config")
        if weights.config is None and isinstance(text, str) and len(text) <= CONFIG_LIMIT:
            weights.config = json.loads(text)
        for name, dataset in _datasets(root, {root}):
            left -= dataset.nbytes + math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
            if left < 0 or dataset.is_virtual or dataset.external:
                raise ValueError(f"its array {name!r} is not within the file, or larger than it can hold")
            if dataset.dtype.kind not in "fiub":
                raise ValueError(f"its array {name!r} has dtype {dataset.dtype}")
            weights[name] = Tensor(dataset[()])
    return {"class": "a model of Keras"}, weights


def _datasets(group: h5py.Group, seen: set[h5py.Group], path: str = "") -> Iterator[tuple[str, h5py.Dataset]]:
    """The arrays of the model with their names, without the optimizer's.

    Links are refused, which may leave the file, and groups that are there twice: a few could have any number of paths.
    """
    import h5py

    for name in sorted(group, key=_natural):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{path}{name} is a link")
        inside = group[name]
        if isinstance(inside, h5py.Dataset):
            yield f"{path}{name}", inside
        elif path or name not in ("optimizer", "optimizer_weights"):
            if inside in seen:
                raise ValueError(f"its group {path}{name} is there twice")
            seen.add(inside)
            yield from _datasets(inside, seen, f"{path}{name}/")


# ------------------------------------------------------------------------------------------------------ into a module

Arrays = dict[str, Any]


def _weighted(layout: Callable[[Any], Any]) -> Callable[..., Arrays]:
    return lambda kernel, bias=None: {"weight": layout(kernel), "bias": bias}


def _kernel(w: Any) -> Any:
    """(*size, in, out) to (out, in, *size)."""
    return np.moveaxis(w, (-1, -2), (0, 1))


def _depthwise(w: Any) -> Any:
    """(*size, channels, multiplier) to (channels · multiplier, 1, *size)."""
    w = np.moveaxis(w, (-2, -1), (0, 1))
    return w.reshape(-1, 1, *w.shape[2:])


def _scaled(gamma: Any = None, beta: Any = None, moving_mean: Any = None, moving_variance: Any = None) -> Arrays:
    return {"weight": gamma, "bias": beta, "running_mean": moving_mean, "running_var": moving_variance}


def _recurrent(*gates: int) -> Callable[..., Arrays]:
    """``gates``: the index in Keras of each gate."""

    def converted(kernel: Any, recurrent_kernel: Any, bias: Any = None) -> Arrays:
        biases = []
        if bias is not None:
            if (len(gates) == 3) != (bias.ndim == 2):  # a GRU has two biases
                raise StateError("a GRU of Keras needs reset_after=True: with False it has no counterpart here.")
            biases = [*bias] if bias.ndim == 2 else [bias, np.zeros_like(bias)]
        parts = ([np.split(a, len(gates), axis=-1)[i] for i in gates] for a in (kernel, recurrent_kernel, *biases))
        names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
        return {name: np.concatenate(part, axis=-1).T for name, part in zip(names, parts, strict=False)}

    return converted


def _of_all_axes(name: str) -> tuple[type[Module], ...]:
    return tuple(getattr(convolution, f"{name}{axes}d") for axes in (1, 2, 3))


KINDS: dict[str, tuple[tuple[type[Module], ...], Callable[..., Arrays]]] = {
    "dense": ((linear.Linear,), _weighted(np.transpose)),
    "conv": (_of_all_axes("Conv"), _weighted(_kernel)),
    "depthwise": ((), _weighted(_depthwise)),  # a Conv with as many groups as channels
    "convtranspose": (_of_all_axes("ConvTranspose"), _weighted(_kernel)),  # (*size, out, in) to (in, out, *size)
    "batchnormalization": ((normalization.BatchNorm1d,), _scaled),
    "layernormalization": ((normalization.LayerNorm,), _scaled),
    "embedding": ((embedding.Embedding,), lambda embeddings: {"weight": embeddings}),
    "lstm": ((recurrent.LSTM,), _recurrent(0, 1, 2, 3)),
    "gru": ((recurrent.GRU,), _recurrent(1, 0, 2)),  # Keras: update, reset, new; here: reset, update, new
    "simplernn": ((recurrent.RNN,), _recurrent(0)),
}
"""By the names of their Keras layers, without underscores and axes: the classes of ``nn``, and a function of a layer's
arrays to those of a module. Its arguments have Keras' names, in the order in which a ``.weights.h5`` numbers them.
"""

NUMBERED = {"batchnormalization": 4, "layernormalization": 2}
"""How many arrays a layer has, which are numbered alike without some of them."""


def _kind(module: Any) -> str | None:
    """The kind of Keras layer that a module is; ``None`` for one without state of its own."""
    kind = next((name for name, (classes, _) in KINDS.items() if isinstance(module, classes)), None)
    if kind == "conv" and module.groups == module.in_channels > 1:
        return "depthwise"
    return "two-way recurrent" if getattr(module, "bidirectional", False) else kind


def _kind_in_keras(name: str) -> str:
    """A layer's kind by its name or class: ``dense`` for ``dense_12``, ``conv`` for ``conv2d_1`` and ``Conv2D``."""
    name = re.sub(r"_\d+$|_|[123]d", "", name.lower())
    return "depthwise" if name == "depthwiseconv" else name


def layers(weights: KerasWeights) -> list[tuple[str, str, Arrays]]:
    """The layers with weights: kind, name and arrays by role, in the order of each kind."""
    found: dict[tuple[str, str], Arrays] = {}
    classes = {name: kind for name, kind, _ in _configured(weights.config)}
    for name, tensor in weights.items():
        *path, role = name.removeprefix("model_weights/").split("/")
        if path[-1:] == ["vars"]:  # layers/dense_1/vars/0, layers/gru/cell/vars/0
            inner = [part for part in path[:-1] if part != "cell"]
            layer, kind = "/".join(inner), inner[-1]
        else:  # model_weights/name/…/kernel:0
            layer, role = (*path, role)[0], role.split(":")[0]
            kind = classes.get(layer, layer)
        found.setdefault((layer, _kind_in_keras(kind)), {})[role] = np.asarray(tensor.data)
    order = {name: i for i, name in enumerate(classes)}
    listed = sorted(found.items(), key=lambda item: (order.get(item[0][0], -1), _natural(item[0][0])))
    return [(kind, layer, arrays) for (layer, kind), arrays in listed]


def _natural(name: str) -> list[Any]:
    """A key that sorts ``dense_10`` after ``dense_2``, and ``dense`` first."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]


def _converted(kind: str, layer: str, arrays: Arrays) -> Arrays:
    """The arrays of a layer as those of a module."""
    if not all(role.isdigit() for role in arrays):
        return KINDS[kind][1](**arrays)
    if len(arrays) != NUMBERED.get(kind, len(arrays)):
        raise StateError(f"{layer} has no scale or no center; give it both in Keras.")
    return KINDS[kind][1](*(arrays[key] for key in sorted(arrays, key=int)))


def _configured(config: dict[str, Any] | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, class and settings of each layer of a model's configuration, nested ones too."""
    inside = (config or {}).get("config")
    for layer in inside.get("layers", []) if isinstance(inside, dict) else []:
        settings = layer.get("config", {})
        if isinstance(settings.get("layers"), list):
            yield from _configured(layer)
        yield str(settings.get("name")), str(layer.get("class_name")), settings


def fit(weights: KerasWeights, module: Module) -> dict[str, Any]:
    """The state dict of ``module`` made of ``weights``; see `KerasWeights.for_module`."""
    theirs: dict[str, list[tuple[str, Arrays]]] = {}
    for theirs_kind, name, arrays in layers(weights):
        theirs.setdefault(theirs_kind, []).append((name, arrays))
    epsilons: dict[str, list[Any]] = {}
    channels_first = False
    for _, kind_in_keras, given in _configured(weights.config):
        channels_first |= given.get("data_format") == "channels_first"
        epsilons.setdefault(_kind_in_keras(kind_in_keras), []).append(given.get("epsilon"))
    state: dict[str, Any] = {}
    wrong: list[str] = []
    channels = 0
    for path, inner in module.named_modules():
        if (kind := _kind(inner)) is None:
            continue
        if not theirs.get(kind):
            wrong.append(f"the file has no further {kind!r} layer for {path or 'the module'}, {inner._described()}")
            continue
        name, arrays = theirs[kind].pop(0)
        epsilon = (epsilons.get(kind) or [None]).pop(0)
        if epsilon is not None and epsilon != inner.eps:  # type: ignore[attr-defined]
            wrong.append(f"{name} has epsilon {epsilon} and {path} has eps={inner.eps}: build it with eps={epsilon}")  # type: ignore[attr-defined]
        converted = _converted(kind, name, arrays)
        if kind == "dense":
            if channels and not channels_first and inner.in_features != channels:  # type: ignore[attr-defined]
                converted["weight"] = _from_channels_last(converted["weight"], channels)
            channels = 0
        elif kind in ("conv", "depthwise", "convtranspose"):
            channels = inner.out_channels  # type: ignore[attr-defined]
        state |= {f"{path}.{n}" if path else n: array for n, array in converted.items() if array is not None}
    wrong += [f"{name} has no counterpart here" for left in theirs.values() for name, _ in left]
    if wrong:
        raise StateError(
            f"{module._described()} can't load these weights of Keras: {'; '.join(wrong)}. Nothing was loaded. Layers "
            "are matched by kind, in order: build the module with the same layers."
        )
    return state


def _from_channels_last(weight: Any, channels: int) -> Any:
    """Reorder the inputs of a layer after ``Flatten``: Keras flattens (space, channels), ``nn`` (channels, space)."""
    out, inputs = weight.shape
    if inputs % channels:
        return weight
    return weight.reshape(out, inputs // channels, channels).swapaxes(1, 2).reshape(out, inputs)
