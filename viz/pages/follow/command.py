"""``python -m glassgrad.viz follow``: writes the page of a saved network, or of a small one trained on the spot."""

from __future__ import annotations

import argparse
import sys
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.pages.follow.page import follow
from glassgrad.viz.pages.page import Page

PROGRAM = "python -m glassgrad.viz follow"


def parser() -> argparse.ArgumentParser:
    """The parser of the options."""
    p = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Follow one example through a network, and the gradient of its loss back, in the browser. Without a"
        f" file a small network is trained first: `{PROGRAM} names` reads first names, letter by"
        " letter, and `digits` handwritten digits.",
    )
    p.add_argument("model", nargs="?", default="names", help="an .onnx file, one of nn.save, names (default) or digits")
    p.add_argument("example", nargs="?", help="an .npy file with one input of the model; a name; a digit's number")
    p.add_argument("target", nargs="?", help="an .npy file with the classes of the output's rows")
    p.add_argument("-o", "--out", metavar="FILE", default="follow.html", help="the page (default: follow.html)")
    p.add_argument("--seconds", type=float, default=30, help="how long to train (default: 30)")
    p.add_argument("--language", choices=("en", "zh"), help="the language of the page")
    p.add_argument("--no-open", action="store_true", help="open no browser")
    return p


def names(options: argparse.Namespace) -> Page:
    """The page of a Transformer that has learned first names."""
    known = nn.data.first_names()
    letters = nn.data.CharVocabulary.of(known)
    tokens = [0, *letters.encode(options.example or "matilda"), 0]
    inputs, targets, lengths = nn.data.text_sequences(known, letters)
    length = inputs.shape[1]
    there = (np.arange(length) < lengths[:, None]).astype("float32")
    sizes: dict[str, Any] = {"d_model": 32, "nhead": 2, "num_layers": 2, "dim_feedforward": 64}
    model = nn.models.char_transformer(len(letters), **sizes, max_len=max(length, 12), dropout=0.1, seed=0)

    def loss_of(x: ag.Tensor, y: ag.Tensor, weight: ag.Tensor) -> ag.Tensor:
        logits = ag.reshape(model(x), (-1, len(letters)))
        losses = ag.cross_entropy(logits, ag.reshape(y, (-1,)), reduction="none")
        return ag.sum(losses * ag.reshape(weight, (-1,))) / ag.sum(weight)

    _train(model, loss_of, (inputs, targets, there), options.seconds)
    title = "A Transformer and the gradient of its loss"
    return follow(model, tokens, symbols=["·", *letters.characters], title=title, language=options.language)


def digits(options: argparse.Namespace) -> Page:
    """The page of a convolutional network that has learned handwritten digits."""
    data = nn.data.digits()
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, seed=0),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 12, 5, seed=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 10, seed=2),
    )
    images = data.x_train.reshape(-1, 1, 16, 16)[:20_000]
    _train(model, lambda x, y: ag.cross_entropy(model(x), y), (images, data.y_train[:20_000]), options.seconds)
    number = int(options.example or 0) % len(data.x_test)
    title = "A convolutional network and the gradient of its loss"
    example, target = data.x_test[number].reshape(1, 1, 16, 16), data.y_test[number : number + 1]
    return follow(model, example, target, title=title, language=options.language)


def saved(options: argparse.Namespace) -> Page:
    """The page of a network in a file."""
    load = nn.load_onnx if options.model.endswith(".onnx") else nn.load_model
    if options.example is None:
        raise ag.errors.DeclarationError(f"{options.model} needs an example: an .npy file with one input")
    given = [np.load(path) for path in (options.example, options.target) if path is not None]
    return follow(load(options.model), *given, language=options.language)


def _train(
    model: nn.Module, loss_of: Callable[..., ag.Tensor], data: Sequence[np.ndarray], seconds: float, rate: float = 4e-3
) -> None:
    """Train in batches of 64 with Adam, whose rate falls to 0, for so many seconds."""
    optimizer = nn.optim.Adam(model.parameters(), lr=rate)

    @ag.compile
    def step(*batch: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        return loss

    random, start = np.random.default_rng(0), time.monotonic()
    loss: Any = None
    while (spent := time.monotonic() - start) < seconds:
        optimizer.param_groups[0]["lr"] = rate * (1 - spent / seconds) + 1e-5
        for rows in np.array_split(random.permutation(len(data[0])), max(len(data[0]) // 64, 1))[:20]:
            loss = step(*(ag.Tensor(part[rows[:64]]) for part in data))
        print(f"\rtraining: {spent:3.0f} of {seconds:.0f} s, loss {float(loss.data):.3f}", end="", file=sys.stderr)
    print(file=sys.stderr)


DEMOS = {"names": names, "digits": digits}


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status is 0, or 2 after an error message."""
    options = parser().parse_args(arguments)
    try:
        page = DEMOS.get(options.model, saved)(options)
        page.save(options.out)
    except (AutogradError, OSError, ValueError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    path = Path(options.out).resolve()
    print(f"written: {path}")
    if not options.no_open:
        webbrowser.open(path.as_uri())
    return 0
