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
        f" file a small Transformer is trained first, which reads first names, letter by letter: `{PROGRAM} names`.",
    )
    p.add_argument("model", nargs="?", default="names", help="an .onnx file, one of nn.save, or names (default)")
    p.add_argument("example", nargs="?", help="an .npy file with one input of the model; a name")
    p.add_argument("target", nargs="?", help="an .npy file with the classes of the output's rows")
    p.add_argument("-o", "--out", metavar="FILE", default="follow.html", help="the page (default: follow.html)")
    p.add_argument("--epochs", type=int, default=40, help="how long to train names (default: 40)")
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
    nn.fit(model, loss, optimizer, (inputs, targets), epochs=options.epochs, compile=True)
    title = "A Transformer and the gradient of its loss"
    return follow(model, tokens, symbols=["·", *letters.characters], title=title, language=options.language)


def saved(options: argparse.Namespace) -> Page:
    """The page of a network in a file."""
    if options.example is None:
        raise DrawingError(f"{options.model} needs an example: an .npy file with one input")
    load = nn.load_onnx if options.model.endswith(".onnx") else nn.load_model
    given = [np.load(path) for path in (options.example, options.target) if path is not None]
    return follow(load(options.model), *given, language=options.language)


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status is 0, or 2 after an error message."""
    options = parser().parse_args(arguments)
    try:
        (names if options.model == "names" else saved)(options).save(options.out)
    except (AutogradError, OSError, ValueError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    path = Path(options.out).resolve()
    print(f"written: {path}")
    if not options.no_open:
        webbrowser.open(path.as_uri())
    return 0
