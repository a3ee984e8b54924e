"""``python -m glassgrad.viz follow``: writes the page of a saved network, or of a small one trained on the spot."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing.errors import DrawingError
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
    p.add_argument("--epochs", type=int, help="how long to train names (default: 40) or digits (default: 2)")
    p.add_argument("--language", choices=("en", "zh"), help="the language of the page")
    p.add_argument("--no-open", action="store_true", help="open no browser")
    return p


def names(options: argparse.Namespace) -> Page:
    """The page of a Transformer that has learned first names."""
    known = nn.data.first_names()
    letters = nn.data.CharVocabulary.of(known)
    tokens = [0, *letters.encode(options.example or "matilda"), 0]
    inputs, targets, lengths = nn.data.text_sequences(known, letters)
    targets[np.arange(inputs.shape[1]) >= lengths[:, None]] = -1
    count, length = len(letters), max(inputs.shape[1], 12)
    model = nn.models.char_transformer(
        count, d_model=32, nhead=2, num_layers=2, dim_feedforward=64, max_len=length, dropout=0.1, seed=0
    )

    def loss(logits: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        rows, classes = ag.reshape(logits, (-1, count)), ag.reshape(y, (-1,))
        return nn.functional.cross_entropy(rows, classes, ignore_index=-1)

    optimizer = nn.optim.Adam(model.parameters(), lr=3e-3)
    nn.fit(model, loss, optimizer, (inputs, targets), epochs=options.epochs or 40, compile=True)
    title = "A Transformer and the gradient of its loss"
    return follow(model, tokens, symbols=["·", *letters.characters], title=title, language=options.language)


def digits(options: argparse.Namespace) -> Page:
    """The page of a convolutional network that has learned handwritten digits."""
    data = nn.data.digits()
    first, second, last = nn.Conv2d(1, 6, 5, padding=2, seed=0), nn.Conv2d(6, 12, 5, seed=1), nn.Linear(48, 10, seed=2)
    halves = nn.MaxPool2d(2), nn.MaxPool2d(2)
    model = nn.Sequential(first, nn.ReLU(), halves[0], second, nn.ReLU(), halves[1], nn.Flatten(), last)
    known = data.x_train[:20_000].reshape(-1, 1, 16, 16), data.y_train[:20_000]
    optimizer = nn.optim.Adam(model.parameters(), lr=3e-3)
    nn.fit(model, nn.functional.cross_entropy, optimizer, known, epochs=options.epochs or 2, compile=True)
    number = int(options.example or 0) % len(data.x_test)
    example, target = data.x_test[number].reshape(1, 1, 16, 16), data.y_test[number : number + 1]
    title = "A convolutional network and the gradient of its loss"
    return follow(model, example, target, title=title, language=options.language)


def saved(options: argparse.Namespace) -> Page:
    """The page of a network in a file."""
    if options.example is None:
        raise DrawingError(f"{options.model} needs an example: an .npy file with one input")
    load = nn.load_onnx if options.model.endswith(".onnx") else nn.load_model
    given = [np.load(path) for path in (options.example, options.target) if path is not None]
    return follow(load(options.model), *given, language=options.language)


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
