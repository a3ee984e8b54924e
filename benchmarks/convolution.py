"""Convolutions and training steps of small CNNs beside PyTorch, in both of its memory layouts: one thread.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.convolution [--rounds 40] [--networks]

Each library runs in a process of its own, as it is after its import. Every contestant runs once in each round; a figure
is the mean of the lowest fifth of its times, by the processor's clock, so that other processes disturb it little. A
convolution is forward and backward with respect to input and
weight; ours is given its input channels-last in memory, as the layer before it leaves it. A training step is forward,
loss, backward and AdamW. With ``--networks``, AlexNet, VGG-11, ResNet-18 and ResNet-50 beside torchvision's instead:
forward and backward of one image of 224×224 in training mode.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

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
    "step: LeNet-5, 16×16": (
        ("Conv2d", 1, 6, 5, 1, 2), ("ReLU",), ("AvgPool2d", 2), ("Conv2d", 6, 16, 5), ("ReLU",), ("AvgPool2d", 2),
        ("Flatten",), ("Linear", 64, 120), ("ReLU",), ("Linear", 120, 84), ("ReLU",), ("Linear", 84, 10),
    ),
    "step: CNN: 16, 32": (
        ("Conv2d", 1, 16, 3, 1, 1), ("ReLU",), ("MaxPool2d", 2), ("Conv2d", 16, 32, 3, 1, 1), ("ReLU",),
        ("MaxPool2d", 2), ("Flatten",), ("Linear", 512, 128), ("ReLU",), ("Linear", 128, 10),
    ),
    "step: 16, 16, 32, 32": (
        ("Conv2d", 1, 16, 3, 1, 1), ("ReLU",), ("Conv2d", 16, 16, 3, 1, 1), ("ReLU",), ("MaxPool2d", 2),
        ("Conv2d", 16, 32, 3, 1, 1), ("ReLU",), ("Conv2d", 32, 32, 3, 1, 1), ("ReLU",), ("MaxPool2d", 2), ("Flatten",),
        ("Linear", 512, 64), ("ReLU",), ("Linear", 64, 10),
    ),
}  # fmt: skip


PUBLISHED = "alexnet", "vgg11", "resnet18", "resnet50"
DIGITS, IMAGE = (100, 1, 16, 16), (1, 3, 224, 224)


def arrays(*shapes: tuple[int, ...]) -> list[Any]:
    """Random arrays, the same in both processes."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("f4") for shape in shapes]


def convolution(conv: Callable[..., Any], options: dict[str, int], *given: Any) -> Callable[[], Any]:
    """Forward and backward of one convolution."""

    def run() -> None:
        y = conv(*given, **options)
        y.backward(y.detach())

    return run


def step_of(library: Any, functional: Any, layers: tuple[tuple[Any, ...], ...], optim: Any, **layout: Any) -> Any:
    """A training step of a network, as a function of images and labels."""
    model = library.Sequential(*(getattr(library, name)(*given) for name, *given in layers))
    model = model.to(**layout) if layout else model
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def network(model: Any, x: Any) -> Callable[[], Any]:
    """Forward and backward of one image."""

    def run() -> None:
        model.zero_grad()
        model(x).sum().backward()

    return run


def of_torch(work: str) -> Contestants:
    """PyTorch's contestants."""
    import torch

    torch.set_num_threads(1)
    layouts = {"torch": torch.contiguous_format, "channels_last": torch.channels_last}
    if work in PUBLISHED:
        models = importlib.import_module("torchvision").models
        return {"torch": network(getattr(models, work)(), torch.tensor(*arrays(IMAGE)))}
    found: dict[str, Callable[[], Any]] = {}
    for name, layout in layouts.items():
        if work in CONVOLUTIONS:
            *shapes, options = CONVOLUTIONS[work]
            given = [torch.tensor(a).to(memory_format=layout).requires_grad_() for a in arrays(*shapes)]
            found[name] = convolution(torch.nn.functional.conv2d, options, *given)
        else:
            step = step_of(torch.nn, torch.nn.functional, NETWORKS[work], torch.optim, memory_format=layout)
            x = torch.tensor(*arrays(DIGITS)).to(memory_format=layout)
            found[name] = partial(step, x, torch.arange(len(x)) % 10)
    return found


def of_glassgrad(work: str) -> Contestants:
    """This package's contestants."""
    from glassgrad import autograd as ag
    from glassgrad import nn

    if work in PUBLISHED:
        return {"eager": network(getattr(nn.models, work)(), ag.Tensor(*arrays(IMAGE)))}
    if work in CONVOLUTIONS:
        *shapes, options = CONVOLUTIONS[work]
        x, weight = arrays(*shapes)
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, 3)), 3, 1)
        given = ag.asarray(last, copy=False).requires_grad_(), ag.Tensor(weight, requires_grad=True)
        return {"eager": convolution(nn.functional.conv2d, options, *given)}
    steps = {name: step_of(nn, nn.functional, NETWORKS[work], nn.optim) for name in ("eager", "compiled", "C")}
    steps["compiled"], steps["C"] = ag.compile(steps["compiled"]), ag.compile(steps["C"], target="c")
    x = ag.Tensor(*arrays(DIGITS))
    y = ag.Tensor(np.arange(len(x)) % 10)
    return {name: partial(step, x, y) for name, step in steps.items()}


def serve(pipe: Any, make: Callable[[str], Contestants]) -> None:
    """Answer a work with the names of its contestants, and a name with the seconds that its run took."""
    contestants: Contestants = {}
    while (asked := pipe.recv()) is not None:
        if asked in contestants:
            start = time.process_time()
            contestants[asked]()
            pipe.send(time.process_time() - start)
        else:
            contestants = make(asked)
            pipe.send([*contestants])


def seconds(pipes: list[Any], work: str, rounds: int) -> dict[str, float]:
    """Seconds of the processor that each contestant takes, in turn."""
    homes: dict[str, Any] = {}
    for pipe in pipes:
        pipe.send(work)
        homes |= dict.fromkeys(pipe.recv(), pipe)
    times: dict[str, list[float]] = {name: [] for name in homes}
    for _ in range(rounds):
        for name, pipe in homes.items():
            pipe.send(name)
            times[name].append(pipe.recv())
    return {name: float(np.sort(t)[: max(1, rounds // 5)].mean()) for name, t in times.items()}


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
    for package in ("torch", "torchvision")[: 1 if names is None else 2]:
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: pip install {package}", file=sys.stderr)
            return 2
    print(f"{'':48}{'torch ms':>10}{'channels_last':>15}{'eager':>8}{'compiled':>10}{'C':>10}   (÷ torch)")
    spawned, pipes = multiprocessing.get_context("spawn"), []
    for make in (of_torch, of_glassgrad):
        mine, theirs = spawned.Pipe()
        spawned.Process(target=serve, args=(theirs, make), daemon=True).start()
        pipes.append(mine)
    for work in [*CONVOLUTIONS, *NETWORKS] if names is None else names or PUBLISHED:
        found = seconds(pipes, work, rounds)
        whole = found.pop("torch")
        columns = {"channels_last": 15, "eager": 8, "compiled": 10, "C": 10}
        shares = (f"{found[key] / whole:{w}.2f}" if key in found else " " * w for key, w in columns.items())
        print(f"{work:48}{1e3 * whole:10.2f}{''.join(shares)}".rstrip(), flush=True)
    for pipe in pipes:
        pipe.send(None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
