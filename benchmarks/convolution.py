"""Convolutions and training steps of small CNNs beside PyTorch, in both of its memory layouts: one thread.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.convolution [--rounds 40] [--networks]

Every contestant runs once in each round; a figure is the mean of the lowest fifth of its times, by the processor's
clock, so that other processes disturb it little. A convolution is forward and backward with respect to input and
weight; ours is given its input channels-last in memory, as the layer before it leaves it. A training step is forward,
loss, backward and AdamW. With ``--networks``, AlexNet, VGG-11, ResNet-18 and ResNet-50 beside torchvision's instead:
forward and backward of one image of 224×224 in training mode.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import autograd as ag
import nn

Contestants = Mapping[str, Callable[[], Any]]

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]] = {
    "3×3, 16 to 32 channels, 8×8, batch 100": ((100, 16, 8, 8), (32, 16, 3, 3), {"padding": 1}),
    "3×3, 64 to 64 channels, 32×32, batch 32": ((32, 64, 32, 32), (64, 64, 3, 3), {"padding": 1}),
    "1×1, 64 to 256 channels, 56×56, batch 4": ((4, 64, 56, 56), (256, 64, 1, 1), {}),
    "3×3, 256 to 256 channels, 28×28, batch 4": ((4, 256, 28, 28), (256, 256, 3, 3), {"padding": 1}),
    "depthwise 3×3, 96 channels, 28×28, batch 4": ((4, 96, 28, 28), (96, 1, 3, 3), {"padding": 1, "groups": 96}),
    "3×3 in 32 groups, 128 channels, 28×28, batch 4": ((4, 128, 28, 28), (128, 4, 3, 3), {"padding": 1, "groups": 32}),
}

# A layer by its name in both libraries, and its arguments.
NETWORKS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "LeNet-5, 16×16": (
        ("Conv2d", 1, 6, 5, 1, 2), ("ReLU",), ("AvgPool2d", 2), ("Conv2d", 6, 16, 5), ("ReLU",), ("AvgPool2d", 2),
        ("Flatten",), ("Linear", 64, 120), ("ReLU",), ("Linear", 120, 84), ("ReLU",), ("Linear", 84, 10),
    ),
    "CNN: 16, 32": (
        ("Conv2d", 1, 16, 3, 1, 1), ("ReLU",), ("MaxPool2d", 2), ("Conv2d", 16, 32, 3, 1, 1), ("ReLU",),
        ("MaxPool2d", 2), ("Flatten",), ("Linear", 512, 128), ("ReLU",), ("Linear", 128, 10),
    ),
    "16, 16, 32, 32": (
        ("Conv2d", 1, 16, 3, 1, 1), ("ReLU",), ("Conv2d", 16, 16, 3, 1, 1), ("ReLU",), ("MaxPool2d", 2),
        ("Conv2d", 16, 32, 3, 1, 1), ("ReLU",), ("Conv2d", 32, 32, 3, 1, 1), ("ReLU",), ("MaxPool2d", 2), ("Flatten",),
        ("Linear", 512, 64), ("ReLU",), ("Linear", 64, 10),
    ),
}  # fmt: skip


PUBLISHED = "alexnet", "vgg11", "resnet18", "resnet50"


def seconds(contestants: Contestants, rounds: int) -> dict[str, float]:
    """Seconds of the processor that each takes, in turn."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: float(np.sort(t)[: max(1, rounds // 5)].mean()) for name, t in times.items()}


def convolutions(torch: Any, x: Any, weight: Any, options: dict[str, int]) -> Contestants:
    """Forward and backward of one convolution."""
    theirs = torch.nn.functional.conv2d

    def run_of(conv: Callable[..., Any], *arrays: Any) -> Callable[[], Any]:
        def run() -> None:
            y = conv(*arrays, **options)
            y.backward(y.detach())

        return run

    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, 3)), 3, 1)
    kept = {"requires_grad": True}
    ours = ag.asarray(last, copy=False).requires_grad_(), ag.Tensor(weight, **kept)
    contestants = {"torch": run_of(theirs, *(torch.tensor(a, **kept) for a in (x, weight)))}
    layout = {"memory_format": torch.channels_last}
    turned = (torch.tensor(a).to(**layout).requires_grad_() for a in (x, weight))
    return contestants | {"channels_last": run_of(theirs, *turned), "eager": run_of(nn.functional.conv2d, *ours)}


def steps(torch: Any, layers: tuple[tuple[Any, ...], ...]) -> Contestants:
    """One training step."""
    rng = np.random.default_rng(0)
    x, y = rng.random((100, 1, 16, 16), np.float32), rng.integers(0, 10, 100)

    def ours() -> Callable[[Any, Any], Any]:
        model = nn.Sequential(*(getattr(nn, name)(*given) for name, *given in layers))
        optimizer = nn.optim.AdamW(model.parameters(), lr=1e-3)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def theirs(layout: Any) -> Callable[[], Any]:
        model = torch.nn.Sequential(*(getattr(torch.nn, name)(*given) for name, *given in layers))
        model = model.to(memory_format=layout)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        images, labels = torch.tensor(x).to(memory_format=layout), torch.tensor(y)

        def step() -> None:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

        return step

    given = ag.Tensor(x), ag.Tensor(y)
    eager, compiled, native = ours(), ag.compile(ours()), ag.compile(ours(), target="c")
    return {
        "torch": theirs(torch.contiguous_format),
        "channels_last": theirs(torch.channels_last),
        "eager": lambda: eager(*given),
        "compiled": lambda: compiled(*given),
        "C": lambda: native(*given),
    }


def published(torch: Any, theirs: Any, ours: Any, side: int = 224) -> Contestants:
    """Forward and backward of one image by two networks with the same names of parameters."""
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(1, 3, side, side)).astype(np.float32)

    def run_of(model: Any, given: Any) -> Callable[[], Any]:
        def run() -> None:
            model.zero_grad()
            model(given).sum().backward()

        return run

    return {"torch": run_of(theirs, torch.tensor(x)), "eager": run_of(ours, ag.Tensor(x))}


def main() -> int:
    """Print the table; 2 without PyTorch."""
    about = "Convolutions and training steps of small CNNs beside PyTorch."
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolution", description=about)
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="rounds (default: 40)")
    parser.add_argument(
        "--networks", nargs="*", choices=PUBLISHED, metavar="NAME", help=f"these or all of {', '.join(PUBLISHED)}"
    )
    args = parser.parse_args()
    rounds, names = args.rounds, args.networks
    try:
        import torch

        if names is not None:
            import torchvision
    except ImportError as error:
        print(f"{error.name} is not installed: pip install {error.name}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(f"{'':48}{'torch ms':>10}{'channels_last':>15}{'eager':>8}{'compiled':>10}{'C':>10}   (÷ torch)")
    works: list[tuple[str, Callable[[], Contestants]]] = []
    for name, (x, weight, options) in CONVOLUTIONS.items():
        drawn = rng.normal(size=x).astype("f4"), rng.normal(size=weight).astype("f4")
        works.append((name, lambda drawn=drawn, options=options: convolutions(torch, *drawn, options)))
    works += [(f"step: {name}", lambda layers=layers: steps(torch, layers)) for name, layers in NETWORKS.items()]
    if names is not None:
        models = torchvision.models, nn.models
        works = [
            (name, lambda name=name: published(torch, *(getattr(m, name)() for m in models)))
            for name in names or PUBLISHED
        ]
    for name, make in works:
        found = seconds(make(), rounds)
        whole = found.pop("torch")
        columns = {"channels_last": 15, "eager": 8, "compiled": 10, "C": 10}
        shares = (f"{found[key] / whole:{w}.2f}" if key in found else " " * w for key, w in columns.items())
        print(f"{name:48}{1e3 * whole:10.2f}{''.join(shares)}".rstrip(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
