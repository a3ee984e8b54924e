"""The command line: train a network on handwritten digits, and classify pictures with it."""

from __future__ import annotations

import argparse
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from glassgrad.autograd import __version__
from glassgrad.autograd.errors import AutogradError
from glassgrad.nn.commands.digits import train
from glassgrad.nn.commands.images import FORMATS
from glassgrad.nn.commands.predict import predict
from glassgrad.nn.commands.search import MODELS, find, int_range, seconds
from glassgrad.nn.commands.settings import add_settings, count, from_0
from glassgrad.nn.commands.terminal import PROGRAM, Refused, reason
from glassgrad.nn.data import DATASETS
from glassgrad.nn.errors import printable
from glassgrad.nn.parallel import launched

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that reports errors in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit with status 2."""
        self.exit(2, f"{self.prog}: {printable(message)} (see `{self.prog} --help`)\n")


def parser() -> Parser:
    """All commands and their options."""
    root = Parser(prog=PROGRAM, description="Train a network on handwritten digits, and classify pictures with it.")
    root.add_argument("--version", action="version", version=f"glassgrad {__version__}")
    commands = root.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    _digits(commands)
    _search(commands)
    _predict(commands)
    return root


def _digits(commands: Any) -> None:
    p = commands.add_parser(
        "digits",
        help="train a network on handwritten digits and draw the results",
        description=(
            "Train a network on handwritten digits, and report its accuracy on the held-out ones: 16 x 16 black\n"
            "or white pixels, or those of --data. Weights, history, settings and pictures are written to a folder."
        ),
        epilog=(
            "examples:\n"
            f"  {PROGRAM} digits\n"
            f"  {PROGRAM} digits --model cnn\n"
            f"  {PROGRAM} digits --hidden 500 500 --epochs 20 --out runs/large\n"
            f"  {PROGRAM} digits --loss mse --optimizer sgd"
        ),
    )
    p.set_defaults(run=train)
    add_settings(p)
    add = p.add_argument_group("the run").add_argument
    add("--out", type=Path, metavar="DIR", help="folder for the results (default: runs/digits, or a free name)")
    add("--language", choices=("en", "zh"), help="language of the pictures and the report (default: en)")


def _search(commands: Any) -> None:
    p = commands.add_parser(
        "search",
        help="find how many layers and how many neurons a network should have",
        description=(
            "Try networks of different kinds, depths and widths on handwritten digits, stop the bad ones early, train\n"
            "the best three again with three seeds, and report. The same command given again continues the search.\n"
            "Processes and machines that name the same storage share one search."
        ),
        epilog=(
            "examples:\n"
            f"  {PROGRAM} search digits --trials 30 --layers 1:4 --width 16:512 --budget 120s --jobs 2\n"
            f"  {PROGRAM} search digits --models mlp cnn lstm --storage runs/shared.journal"
        ),
    )
    p.set_defaults(run=find)
    add = p.add_argument
    add("data", choices=tuple(DATASETS), metavar="DATA", help=f"data set: {', '.join(DATASETS)}")
    add("--models", nargs="+", choices=MODELS, default=["mlp"], help="kinds of network to try (default: mlp)")
    add("--trials", type=count, default=30, metavar="N", help="networks to try, earlier ones included (default: 30)")
    add("--layers", type=int_range, default=(1, 3), metavar="A:B", help="hidden layers of an mlp (default: 1:3)")
    add(
        "--width",
        type=int_range,
        default=(16, 256),
        metavar="A:B",
        help="neurons of each hidden layer (default: 16:256)",
    )
    add("--epochs", type=count, default=5, metavar="N", help="passes over the data in each trial (default: 5)")
    add("--budget", type=seconds, metavar="TIME", help="time limit, such as 120s, 2m or 1h (default: none)")
    add("--storage", metavar="FILE_OR_URL", help="where trials are kept (default: search.journal in DIR)")
    add("--jobs", type=count, default=1, metavar="N", help="processes on this machine (default: 1)")
    add("--seed", type=from_0, default=0, metavar="N", help="seed of all random numbers (default: 0)")
    add("--out", type=Path, metavar="DIR", help="folder for the results (default: runs/search)")


def _predict(commands: Any) -> None:
    p = commands.add_parser(
        "predict",
        help="tell which digit each picture shows",
        description=(
            "Tell which digit each picture shows, with all probabilities. A picture shows one digit, dark on light or\n"
            "light on dark, in any size."
        ),
        epilog=f"example:\n  {PROGRAM} predict runs/digits/model.npz four.png seven.jpg",
    )
    p.set_defaults(run=predict)
    p.add_argument("model", type=Path, metavar="MODEL", help="model.npz of a run")
    p.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help=f"picture files ({', '.join(FORMATS)})")
    p.add_argument("--show", type=Path, metavar="FILE", help="write a picture of what the network saw there, as PNG")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 2 after an error message, 130 after Ctrl-C, 141 for a closed pipe.

    A training that Ctrl-C ended keeps its results and returns 130, too.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # the encoding of a terminal may lack bars and ×
    root = parser()
    options, unknown = root.parse_known_args(arguments)
    command = f"{root.prog} {options.command}"
    if unknown:
        Parser(prog=command).error(f"unknown arguments: {' '.join(unknown)}")
    try:
        if launched() > 1:  # each would do the same
            raise Refused(f"mpirun has started {launched()} processes: start one, or give nn.fit parallel= in a script")
        interrupted = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except (Refused, AutogradError) as refusal:
        print(f"{command}: {printable(refusal).rstrip('.')}", file=sys.stderr)
        return 2
    except OSError as error:  # writing the output failed; all other errors are caught where they arise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader of the output has closed it, as `head` does
            return 141
        print(f"{command}: the output cannot be written: {reason(error)}", file=sys.stderr)
        return 2
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
