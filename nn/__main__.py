"""The command line: train a network on handwritten digits, and classify pictures with it."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

from glassgrad.autograd import __version__
from glassgrad.autograd.errors import AutogradError
from glassgrad.nn.commands.digits import train
from glassgrad.nn.commands.options import add_options
from glassgrad.nn.commands.predict import predict
from glassgrad.nn.commands.search import find
from glassgrad.nn.commands.terminal import PROGRAM, Refused
from glassgrad.nn.errors import printable
from glassgrad.nn.parallel import launched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that reports errors in one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit with status 2."""
        self.exit(2, f"{self.prog}: {printable(message)} (see `{self.prog} --help`)\n")


COMMANDS: dict[str, Callable[..., bool | None]] = {"digits": train, "search": find, "predict": predict}
"""Each returns whether Ctrl-C ended it."""


def parser() -> Parser:
    """All commands and their options."""
    root = Parser(prog=PROGRAM, description="Train a network on handwritten digits, and classify pictures with it.")
    root.add_argument("--version", action="version", version=f"glassgrad {__version__}")
    commands = root.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, function in COMMANDS.items():
        words = (inspect.getdoc(function) or "").partition("\n\nArgs:")[0].replace("python -m glassgrad.nn", PROGRAM)
        add_options(commands.add_parser(name, help=words.partition("\n")[0], description=words), function)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, 2 after an error message, 130 after Ctrl-C, 141 for a closed pipe.

    A training that Ctrl-C ended keeps its results and returns 130, too.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # the encoding of a terminal may lack bars and ×
    root = parser()
    options, unknown = root.parse_known_args(arguments)
    root.prog += f" {(name := vars(options).pop('command'))}"
    if unknown:
        root.error(f"unknown arguments: {' '.join(unknown)}")
    try:
        if launched() > 1:  # each would do the same
            raise Refused(f"mpirun has started {launched()} processes: start one, or give nn.fit parallel= in a script")
        interrupted = COMMANDS[name](**vars(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except (Refused, AutogradError) as refusal:
        print(f"{root.prog}: {printable(refusal).rstrip('.')}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
