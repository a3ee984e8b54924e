"""The command line: ``python -m nn digits`` trains a network, ``python -m nn predict`` asks it about pictures."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack, nullcontext, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from nn.commands.digits import DATA, LOSSES, OPTIMIZERS, Refused, Settings, reason, train
from nn.commands.predict import predict
from nn.errors import ParallelError
from nn.parallel import Parallel, started

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` that refuses in one sentence."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read more; exit status 2."""
        self.exit(2, f"{self.prog}: {message} (`{self.prog} --help` lists what there is)\n")


def parser() -> Parser:
    """All commands and their options."""
    root = Parser(prog="python -m nn", description="Train a network on handwritten digits, and ask it about pictures.")
    commands = root.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    _digits(commands)
    _predict(commands)
    return root


def _digits(commands: Any) -> None:
    usual = Settings()
    p = commands.add_parser(
        "digits",
        help="train a fully connected sigmoid network and draw what it learned",
        description=(
            "Train a fully connected sigmoid network on handwritten digits, 16 x 16, ink or no ink, and say\n"
            "how many of the held-out ones it reads right. The weights, the history, the settings and the\n"
            "pictures go to a folder."
        ),
        epilog=(
            "examples:\n"
            "  python -m nn digits\n"
            "  python -m nn digits --hidden 500 500 --epochs 20 --out runs/large\n"
            "  python -m nn digits --loss mse --optimizer sgd\n"
            "  python -m nn digits --settings runs/large/settings.json\n"
            "  mpirun -n 4 python -m nn digits --parallel"
        ),
    )
    net = p.add_argument_group("the network")
    net.add_argument(
        "--hidden",
        type=int,
        nargs="*",
        metavar="N",
        help="neurons of each hidden layer (default: 100; --hidden alone: no such layer)",
    )
    net.add_argument("--loss", choices=LOSSES, help=f"what is to become small (default: {usual.loss})")
    learning = p.add_argument_group("learning")
    learning.add_argument("--optimizer", choices=OPTIMIZERS, help=f"how a step is taken (default: {usual.optimizer})")
    learning.add_argument("--epochs", type=int, metavar="N", help=f"times through the data (default: {usual.epochs})")
    learning.add_argument("--batch", type=int, metavar="N", help=f"digits in one step (default: {usual.batch})")
    learning.add_argument(
        "--lr", type=float, metavar="X", help="learning rate (default: one that suits the optimizer and the loss)"
    )
    learning.add_argument("--seed", type=int, metavar="N", help=f"of all randomness (default: {usual.seed})")
    learning.add_argument("--device", metavar="NAME", help=f"cpu or cuda (default: {usual.device})")
    learning.add_argument(
        "--parallel", action="store_true", help="share every batch among the processes that mpirun started"
    )
    files = p.add_argument_group("files")
    files.add_argument("--data", choices=DATA, help=f"which digits (default: {usual.data}, those inside the package)")
    files.add_argument("--settings", type=Path, metavar="FILE", help="start from the settings that an earlier run left")
    files.add_argument("--out", type=Path, metavar="DIR", help="where to (default: runs/digits, or the next free one)")
    files.add_argument("--overwrite", action="store_true", help="replace what an earlier run left in DIR")


def _predict(commands: Any) -> None:
    p = commands.add_parser(
        "predict",
        help="say which digit each picture shows",
        description=(
            "Say which digit each picture shows, and how sure the network is. A picture may have any size and be dark\n"
            "on light or light on dark; it holds one digit."
        ),
        epilog="example:\n  python -m nn predict runs/digits/model.npz four.png seven.jpg",
    )
    p.add_argument("model", type=Path, metavar="MODEL", help="model.npz of a run")
    p.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="picture files that Pillow reads")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 2 after a sentence on stderr about what was wrong, 130 after Ctrl-C,
    141 where the output is read no further.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # where bars and × cannot be written, the rest still can
    with ExitStack() as stack:
        parallel = None
        words = sys.argv[1:] if arguments is None else arguments
        if "--parallel" in words:
            try:
                parallel = Parallel()
            except ParallelError as error:
                print(f"python -m nn: {str(error).rstrip('.')}", file=sys.stderr)
                return 2
            if parallel.rank:  # one speaks for all, from the first word on
                nowhere = stack.enter_context(Path(os.devnull).open("w"))
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            elif parallel.size > 1 and not {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"} & set(os.environ):
                limit = "OPENBLAS_NUM_THREADS=1 before mpirun gives each one core"
                print(f"(each of {parallel.size} processes may take all cores; {limit})", file=sys.stderr)
        elif "digits" in words and started() > 1:  # each would train a network of its own into the same folder
            if started("RANK") == 0:
                many = f"mpirun has started {started()} processes"
                print(f"python -m nn: {many}: add --parallel, and they train one network together", file=sys.stderr)
            return 2
        return _run(arguments, parallel)


def _run(arguments: Sequence[str] | None, parallel: Parallel | None) -> int:
    root = parser()
    options, unknown = root.parse_known_args(arguments)
    given = vars(options)
    command = f"{root.prog} {given['command']}"
    if unknown:
        Parser(prog=command).error(f"there is no {' '.join(unknown)}")
    try:
        if given.pop("command") == "predict":
            predict(**given)
        else:
            out, overwrite, settings = given.pop("out"), given.pop("overwrite"), given.pop("settings")
            del given["parallel"]
            with parallel or nullcontext():
                base = Settings.load(settings) if settings else Settings()
                train(base.with_options(given), out, overwrite, parallel)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has left, as `head` does: there is nobody to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # of the output: all others are told where they arise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"{command}: the output cannot be written: {reason(error)}", file=sys.stderr)
        return 2
    except (Refused, ParallelError) as refusal:
        print(f"{command}: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
