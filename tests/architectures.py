"""Networks of PyTorch, torchvision, timm and transformers with random weights, converted by `nn.from_torch`.

``python -m tests.architectures`` compares outputs and every gradient with PyTorch's, for what is installed, one network
after the other, each in a process of its own. ``--only WORD`` takes those whose name has the word, ``--out FILE`` keeps
the results as they come and goes on from them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import resource
import sys
import time
import warnings
from collections import Counter
from contextlib import suppress
from functools import partial
from importlib import util
from inspect import signature
from pathlib import Path

import numpy as np

from glassgrad import nn
from glassgrad.autograd import Tensor
from glassgrad.autograd.errors import AutogradError

LIMIT = 60  # seconds of processor time for a conversion; more is "slow"
SMALL = {
    "hidden_size": 32, "d_model": 32, "dim": 32, "n_embd": 32, "embedding_size": 32, "embed_dim": 32, "d_kv": 8,
    "num_hidden_layers": 2, "num_layers": 2, "n_layer": 2, "n_layers": 2, "encoder_layers": 2, "decoder_layers": 2,
    "num_decoder_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "num_heads": 4, "n_head": 4,
    "n_heads": 4, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "intermediate_size": 64, "d_ff": 64,
    "hidden_dim": 64, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "ffn_dim": 64, "vocab_size": 99, "head_dim": 8,
    "max_position_embeddings": 64, "n_positions": 64, "num_local_experts": 4, "num_experts": 4, "n_inner": 64,
    "num_experts_per_tok": 2, "image_size": 32, "patch_size": 8, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 0, "attention_window": 4, "use_cache": False, "rotary_dim": 4,
    "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "qk_head_dim": 16, "v_head_dim": 8, "kv_lora_rank": 16,
    "q_lora_rank": 16, "num_queries": 10, "max_source_positions": 32,
}  # fmt: skip
"""Sizes of configurations of transformers, where they have them."""


IMAGE, STEPS = "2,4,8,8", "2,5,8"
LAYERS = {
    IMAGE: """
        CELU() ELU() GELU() GLU() Hardshrink() Hardsigmoid() Hardswish() Hardtanh() LeakyReLU() LogSigmoid() Mish()
        PReLU(4) LogSoftmax(1) ReLU() ReLU6() SELU() SiLU() Sigmoid() Softmax(1) Softmax2d() Softmin(1) Softplus()
        Softshrink() Softsign() Tanh() Tanhshrink() Flatten() Identity() Unfold(3) PixelShuffle(2) PixelUnshuffle(2)
        ChannelShuffle(2) GroupNorm(2,4) LocalResponseNorm(2) Upsample(None,2) Upsample(None,2,"bilinear")
        Upsample(None,2,"bicubic")
    """,
    STEPS: """
        LSTM(8,6,2,bidirectional=True) GRU(8,6,2) RNN(8,6) LSTM(8,6,proj_size=3) LayerNorm(8) RMSNorm(8)
        TransformerEncoderLayer(8,2,16) utils.parametrizations.weight_norm(Linear(8,3))
        utils.parametrizations.spectral_norm(Linear(8,3))
    """,
    f"{STEPS} {STEPS}": """
        Bilinear(8,8,3) Transformer(8,2,1,1,16) CosineSimilarity() PairwiseDistance() BCEWithLogitsLoss() HuberLoss()
        KLDivLoss() L1Loss() MSELoss() PoissonNLLLoss() SmoothL1Loss()
    """,
    f"{STEPS} {STEPS} {STEPS}": "MultiheadAttention(8,2)",
    "2,8": "LSTMCell(8,6) GRUCell(8,6) RNNCell(8,6)",
    "2,18,16": "Fold((6,6),3)",
    "bag": "Embedding(9,4) EmbeddingBag(9,4)",
}
"""Layers of ``torch.nn`` by the shapes of their inputs."""

SPATIAL = """
    Conv{}d(4,6,3) ConvTranspose{}d(4,6,3,2) MaxPool{}d(2) AvgPool{}d(2) LPPool{}d(2,2) AdaptiveAvgPool{}d(2)
    Dropout{}d() AdaptiveMaxPool{}d(2) BatchNorm{}d(4) InstanceNorm{}d(4) ConstantPad{}d(1,0.5) ReflectionPad{}d(1)
    ZeroPad{}d(1) ReplicationPad{}d(1) CircularPad{}d(1)
"""
"""Layers of one, two and three spatial axes."""


def layers():
    """Layers of ``torch.nn`` with the shapes of their inputs."""
    from torch import nn

    texts = LAYERS | {f"2,4{',8' * n}": SPATIAL.replace("{}", str(n)) for n in (1, 3)}
    texts[IMAGE] += SPATIAL.replace("{}", "2")
    found = {}
    for shapes, text in texts.items():
        given = [shape if shape == "bag" else tuple(map(int, shape.split(","))) for shape in shapes.split()]
        for layer in text.split():
            found[f"torch.nn {layer}"] = partial(eval, layer, vars(nn)), *given
    return found


def first_small(names):
    """Names with those of small networks first."""
    small = r"tiny|nano|atto|pico|femto|xxs|xs|small|mini|test|_[tns]\d*(_|$)|18|b0|050|035|lite|micro|x0_5|11"
    return sorted(names, key=lambda name: (not re.search(small, name), len(name), name))


def torchvision():
    """Every family of torchvision, without detectors and the largest."""
    from torchvision import models

    for name in first_small(models.list_models()):
        if not re.search(r"quant|raft|regnet_y_128|vit_[hl]|rcnn|ssd|retina|fcos", name):
            side = 299 if "inception" in name else 224 if name.startswith(("vit", "maxvit", "mvit")) else 64
            builder = models.get_model_builder(name)
            frames = [16 if name.startswith(("mvit", "s3d")) else 4] * ("video" in builder.__module__)
            weights = {word: None for word in ("weights", "weights_backbone") if word in signature(builder).parameters}
            family = re.sub(r"(_?\d.*|_[a-z]{1,2}|_(tiny|small|base|large))$", "", name)
            yield family, f"torchvision {name}", (partial(builder, **weights), (2, 3, *frames, side, side))


def timm():
    """Two networks of every module of timm."""
    import timm

    for family in timm.list_modules():
        for name in first_small(timm.list_models(module=family))[:2]:
            yield family, f"timm {name}", (partial(timm.create_model, name, pretrained=False), "image")


def transformers():
    """The base of every kind of transformer, small, without those that are only parts of another."""
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    names = {kind: name for name, kind in CONFIG_MAPPING.items()}
    for config in MODEL_MAPPING:
        name = names.get(config, config.__name__)
        if not re.search(r"_(text|vision|audio|encoder|decoder|vision_model|text_model|qformer|vqmodel)$", name):
            yield name, f"transformers {name}", (partial(small_transformer, config), "main")


def small_transformer(config, names=tuple(SMALL)):
    """A transformer whose configuration has the sizes of `SMALL` with these names."""
    from transformers import AutoModel

    made = config()
    for part in [made, *(v for v in vars(made).values() if hasattr(v, "to_dict"))]:
        small = {name: SMALL[name] for name in names} | {"layer_types": (getattr(part, "layer_types", None) or [])[:2]}
        for name, value in small.items():
            with suppress(Exception):  # some names are properties, or differ from layer to layer
                if isinstance(getattr(part, name, None), int | list) or (name == "head_dim" and part.head_dim is None):
                    setattr(part, name, value)
        rope = getattr(part, "rope_parameters", None) or {}
        if rope:
            rope["mrope_section"] = [1, 1, 2]  # which some models have by default, for larger heads
    made._attn_implementation, made._experts_implementation = "eager", "batched_mm"
    return AutoModel.from_config(made)


def cases():
    """Every network by name: a function that builds it, and the shapes of its inputs."""
    found = layers() if util.find_spec("torch") else {}
    for source, count in ((torchvision, 2), (timm, 2), (transformers, 1)):
        seen = Counter()
        for family, name, case in source() if util.find_spec(source.__name__) else ():
            seen[family] += 1
            if seen[family] <= count:
                found[name] = case
    return found


def wrapped(model, names):
    """A module that takes tensors by position, or of these names, and returns the floating ones of its results."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model

        def forward(self, *xs):
            named = dict(zip(names, xs, strict=True)) if names else {}
            if names and getattr(model.config, "is_encoder_decoder", False):
                is_text = not xs[0].is_floating_point()
                named["decoder_input_ids"] = xs[0] if is_text else torch.full((xs[0].shape[0], 4), 5)
            out = model(**named) if names else model(*xs)
            leaves = torch.utils._pytree.tree_leaves(out if not hasattr(out, "to_tuple") else out.to_tuple())
            return tuple(y for y in leaves if isinstance(y, torch.Tensor) and y.is_floating_point())

    return Net()


def ways(build, given):
    """Ways to build and to call a network, of which the first that works is taken: models, and names of inputs.

    A transformer is made with all small sizes, or without those of heads, or with fewer layers alone; it takes its main
    input, or pictures beside a text.
    """
    if given != ["main"]:
        yield build, ()
        return
    heads = [name for name in SMALL if not re.search("head_dim|rotary|lora", name)]
    layers = [name for name in SMALL if "layer" in name or name == "image_size"]
    for sizes in (tuple(SMALL), heads, layers):
        made = partial(build, names=sizes)
        yield made, ()
        yield made, ("pixel_values",)


def arguments(model, given, names, dtype):
    """Random inputs of these shapes, or with these names."""
    import torch

    if names:
        return [argument(model, name, dtype) for name in names]
    if given == ["image"]:
        config = model.default_cfg
        large = config.get("fixed_input_size") or re.search("halo|deepseek|inception", config["architecture"])
        size = config["input_size"] if large else (3, 64, 64)
        given = [(2, *size)]
    return [torch.randint(0, 9, (2, 5)) if shape == "bag" else torch.randn(shape, dtype=dtype) for shape in given]


def argument(model, name, dtype):
    """A random input of a transformer."""
    import torch

    config = getattr(model.config, "vision_config", model.config)
    if name == "pixel_values":
        size = getattr(config, "image_size", 64)
        size = tuple(size) if isinstance(size, list | tuple) else (size, size)
        return torch.randn((2, getattr(config, "num_channels", 3), *size), dtype=dtype)
    if name in ("input_ids", "decoder_input_ids"):
        return torch.randint(3, 90, (2, 8))
    shape = (2, getattr(config, "num_mel_bins", 80), 64) if name == "input_features" else (2, 2000)
    return torch.randn(shape, dtype=dtype)


def working(build, given):
    """The network, its inputs and its dtype, by the first of the `ways` that works. Raises the error of the first."""
    import torch

    first = None
    for make, more in ways(build, given):
        for dtype in (torch.float64, torch.float32):
            try:
                model = make()
                main = [model.main_input_name] if given == ["main"] else []
                if set(more) & {*main} or not set(more) <= {*signature(model.forward).parameters}:
                    break
                names = [*main, *more]
                net = wrapped(model, names).to(dtype).eval()
                with torch.no_grad():
                    for p in net.parameters():  # layers that begin with zeros hide what comes before them
                        p += 0.02 * torch.randn_like(p)
                xs = arguments(model, given, names, dtype)
                net(*[x.clone().requires_grad_(x.is_floating_point()) for x in xs])
                net.train().eval()  # which clears what some keep between calls
                return net, xs, dtype
            except Exception as error:
                first = first or error
    raise first


def judge(build, given):
    """``(verdict, sentence)`` of one network."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        net, xs, dtype = working(build, [*given])
    except Exception as error:
        return "unusable", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    start = time.process_time()
    try:
        ours = nn.from_torch(net, *xs)
        inputs = [Tensor(x.numpy(), requires_grad=x.is_floating_point()) for x in xs]
        found = ours(*inputs)
        found = found if isinstance(found, tuple) else (found,)
    except AutogradError as error:
        return "refused", str(error)
    except Exception as error:
        return "crashed", f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    xs = [x.requires_grad_(x.is_floating_point()) for x in xs]
    outputs = [(y, z, torch.randn(y.shape).to(y)) for y, z in zip(net(*xs), found, strict=True)]
    torch.autograd.backward([(y * seed).sum() for y, _, seed in outputs if y.requires_grad])
    try:
        sum((z * Tensor(seed.numpy())).sum() for y, z, seed in outputs if y.requires_grad).backward()
    except Exception as error:
        return "crashed", f"backward: {type(error).__name__}: {error}"
    mine = dict(ours.named_parameters())
    leaves = [(name, p, mine.get(name)) for name, p in net.named_parameters() if p.requires_grad]
    leaves += [(f"input {i}", x, z) for i, (x, z) in enumerate(zip(xs, inputs, strict=True)) if x.requires_grad]
    gradients = [(f"gradient of {name}", gradient(p, p.shape), gradient(q, p.shape)) for name, p, q in leaves]
    least = 1e-3 * max((float(np.abs(a).max(initial=0)) for _, a, _ in gradients), default=1.0)
    found = [(difference(y.detach().numpy(), z.data, 0.0), f"output {i}") for i, (y, z, _) in enumerate(outputs)]
    worst, name = max(found + [(difference(a, b, least), name) for name, a, b in gradients])
    if worst > (1e-4 if dtype is torch.float64 else 2e-2):  # parts of some compute in float32
        return "wrong", f"{name} differs by {worst:.1e} ({dtype})"
    if seconds > LIMIT:
        return "slow", f"{seconds:.0f} s of processor time"
    return "exact", f"{worst:.0e}, {seconds:.1f} s ({str(dtype)[6:]})"


def gradient(x, shape):
    """The gradient of a tensor of either library, zeros where it has none."""
    return np.zeros(shape) if x is None or x.grad is None else np.asarray(x.grad.data)


def difference(a, b, least):
    """The largest difference relative to the largest element or to ``least``; infinite where NaN or shapes differ."""
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    size = max(float(np.abs(np.nan_to_num(a)).max(initial=0)), least) or 1.0
    return float(np.abs(np.nan_to_num(a) - np.nan_to_num(b)).max(initial=0) / size)


def alone(case, channel):
    """Run one case in a process of its own, with limits of time and memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (240, 240))
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    channel.send(judge(case[0], case[1:]))


def main():
    """Run the cases; 1 if one is wrong or crashes."""
    parser = argparse.ArgumentParser(prog="python -m tests.architectures", description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--out", type=Path, help="a file that keeps the results, and of which a later run goes on")
    options = parser.parse_args()
    done = {}
    if options.out and options.out.exists():
        done = dict(json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines())
    context = multiprocessing.get_context("fork")  # what is imported stays
    for name, case in cases().items():
        if name in done or not re.search(options.only, name):
            continue
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=alone, args=(case, send))
        process.start()
        send.close()
        try:
            done[name] = receive.recv()
        except EOFError:
            done[name] = "slow", "ended by the limits of time and memory"
        process.join()
        print(f"{done[name][0]:9} {name}: {done[name][1][:300]}", flush=True)
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, done[name]]) + "\n")
    counts = Counter(verdict for verdict, _ in done.values())
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "no package is installed")
    return counts["wrong"] + counts["crashed"] > 0


if __name__ == "__main__":
    sys.exit(main())
