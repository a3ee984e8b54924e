r"""The command line: ``python -m glassgrad.viz "L = (w*x - y)**2" w=2 x=1 y=1`` draws, derives or steps through.

examples:
  python -m glassgrad.viz "L = (sigmoid(w*x + b) - y)**2" w=2 x=1 b=-1 y=1 -o L.svg
  python -m glassgrad.viz "L = (sigmoid(w*x + b) - y)**2" w=2 x=1 b=-1 y=1 --wrt w
  python -m glassgrad.viz "z = x @ W.T + b; L = sum((tanh(z) - y)**2)" \
      "W=[[1, 2], [3, 4]]" "x=[[0.5, -1]]" "b=[0, 0.1]" "y=[[1, 0]]" --inputs x -o net.html
  python -m glassgrad.viz "L = cross_entropy(z, y)" "z=[[2, 0.5, -1]]" "y=[0]" -o L.tex
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing.render import FORMATS as PICTURES
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import TABLES, speaking
from glassgrad.viz.formula.derivation import explain
from glassgrad.viz.formula.expression import Expression, ExpressionError, normal, read_value
from glassgrad.viz.graph.picture import draw_graph

DERIVATIONS = (".txt", ".tex")
PAGES = (".html",)
FITTING = {"theme": PICTURES, "title": (*PICTURES, *PAGES), "wrt": DERIVATIONS}
"""The formats that an option is for."""

TARGETS = ("y", "t", "target", "targets", "label", "labels")

EXAMPLES = (__doc__ or "").partition("\n\n")[2]


class Refused(Exception):
    """A request that the command refuses; the message says why."""


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read more; exit status 2."""
        self.exit(2, f"{self.prog}: {clipped(message, 300)} (`{self.prog} --help` tells more)\n")


def parser() -> Parser:
    """The parser of the command line."""
    p = Parser(
        prog="python -m glassgrad.viz",
        usage="python -m glassgrad.viz EXPRESSION [NAME=VALUE ...] [options]\n"
        "       python -m glassgrad.viz lesson [options]\n"
        "       python -m glassgrad.viz follow [MODEL EXAMPLE] [options]",
        description=(
            "Differentiate an expression and show how: as a picture, as a derivation, or as a page to step through.\n"
            "Without -o the derivation is printed. `python -m glassgrad.viz lesson` opens a lesson in eleven chapters."
        ),
        epilog=f"{EXAMPLES}\noperations:\n{textwrap.indent(textwrap.fill(', '.join(sorted(ag.OPS)), 98), '  ')}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument(
        "expression",
        metavar="EXPRESSION",
        help="names, numbers, [vectors], [[matrices]], + - * / // %% @ **, x.T, x[0], and operations such as"
        " sum(x, axis=1); several, each with a name, on lines or separated by ;, of which the last is the result; one"
        " that begins with a minus has a blank before it",
    )
    p.add_argument(
        "values", metavar="NAME=VALUE", nargs="*", help="a number, a vector or a matrix for each name (pi is known)"
    )
    compared = f"{', '.join(TARGETS[:-1])} or {TARGETS[-1]} on the right of a difference or in a loss"
    options = {
        "--wrt": ("NAMES", "names to differentiate with respect to, separated by commas (default: all that can be)"),
        "--inputs": ("NAMES", "names to show as inputs rather than as parameters"),
        "--targets": ("NAMES", f"names of targets, which take no gradient, '' for none (default: {compared})"),
        "--title": ("TEXT", "the headline of a picture or page (default: the formula)"),
    }
    formats = f"a picture ({', '.join(PICTURES)}), a derivation ({', '.join(DERIVATIONS)}) or a page ({PAGES[0]})"
    p.add_argument("-o", "--out", metavar="FILE", type=Path, help=f"what to write: {formats}")
    for option, (metavar, meaning) in options.items():
        p.add_argument(option, metavar=metavar, help=meaning)
    p.add_argument("--language", choices=tuple(TABLES), help="language of what is written (default: en)")
    p.add_argument("--theme", choices=("light", "dark"), help="the colours of a picture (default: light)")
    return p


def _given(words: Sequence[str]) -> dict[str, str]:
    """The texts of the values, by name."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = normal(name.strip())
        if not (name and equals):
            raise Refused(
                f"{word!r} is not of the form NAME=VALUE: the expression comes first, in quotes, then a value for each"
                " of its names"
            )
        if name in found:
            raise Refused(f"{name} is given twice")
        found[name] = text
    return found


def _listed(option: str, words: str | None, known: Sequence[str], what: str = "names in the expression") -> list[str]:
    """The names that an option lists."""
    names = [normal(word.strip()) for word in (words or "").split(",") if word.strip()]
    for name in names:
        if name not in known:
            raise Refused(
                f"{option} names {name!r}, which is none of the {what}: {', '.join(known) or 'there is none'}"
            )
    return names


def _computed(options: argparse.Namespace, suffix: str) -> tuple[ag.Tensor, dict[str, ag.Tensor], dict[str, Any]]:
    """The result of the expression, the value of every name, and the inputs and targets."""
    expression, given = Expression(options.expression), _given(options.values)
    names = expression.names
    inputs, targets = (_listed(f"--{key}", getattr(options, key), names) for key in ("inputs", "targets"))
    if options.targets is None:
        targets = [n for n in names if n in TARGETS and n in expression.targets and n not in inputs]
    if both := [name for name in inputs if name in targets]:
        raise Refused(f"{both[0]} can't be an input and a target at once: name it in one of --inputs and --targets")
    values: dict[str, ag.Tensor] = {}
    for name, text in given.items():
        still = name in targets or name in expression.fixed
        values[name] = _tensor(name, text, not still, still and name in expression.whole)
    result, known = expression.compute(values)
    if unused := [name for name in given if name not in names]:
        there = "is computed by" if unused[0] in expression.computed else "does not occur in"
        said = f"{unused[0]} {there} the expression {clipped(options.expression, 60)!r}"
        raise Refused(f"{said}: leave {unused[0]}= out")
    if result.size != 1 and suffix not in PICTURES:
        raise expression.wrong(
            f"the result has shape {result.shape}, and only a single number can be differentiated: sum it, as in"
            " L = sum(…), or draw its values with -o L.svg"
        )
    return result, known, {"inputs": [known[n] for n in inputs], "targets": [known[n] for n in targets]}


def _tensor(name: str, text: str, differentiable: bool, whole: bool) -> ag.Tensor:
    """A value as a Tensor, in float64 unless it is a ``whole`` label or index."""
    try:
        value = read_value(text)
    except ExpressionError as error:
        raise ExpressionError(f"the value of {name}: {error.message}", error.piece) from None
    return ag.Tensor(value, differentiable, dtype=None if whole else "float64", name=name)


def _suffix(options: argparse.Namespace) -> str:
    """The format that is asked for. Options that do not go with it are refused, before anything is computed."""
    suffix = options.out.suffix.lower() if options.out is not None else ".txt"
    if suffix not in PICTURES + DERIVATIONS + PAGES:
        raise Refused(
            f"{options.out.name!r} has no known suffix: give one of {', '.join(PICTURES + DERIVATIONS + PAGES)}"
        )
    for option, suffixes in FITTING.items():
        if getattr(options, option) and suffix not in suffixes:
            raise Refused(f"--{option} is for {', '.join(suffixes)}: leave it out, or give another file as -o")
    return suffix


def _run(options: argparse.Namespace) -> int:
    suffix = _suffix(options)
    result, known, roles = _computed(options, suffix)
    with speaking(options.language), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if suffix in DERIVATIONS:
            able = [name for name, x in known.items() if x.requires_grad and x is not result]
            wanted = _listed("--wrt", options.wrt, able, "names that take a gradient")
            derived = explain(result, wrt=None if options.wrt is None else [known[name] for name in wanted])
            if options.out is None:
                print(derived.text, end="")
                return 0
            path = derived.save(options.out)
        elif suffix in PAGES:
            from glassgrad.viz.pages.stage import step_through

            path = step_through(result, title=options.title, **roles).save(options.out)
        else:
            shown: dict[str, Any] = {"gradients": result.size == 1, "theme": options.theme or "light", **roles}
            path = draw_graph(result, title=options.title, **shown).save(options.out)
    for warning in warned:
        print(f"python -m glassgrad.viz: {warning.message}", file=sys.stderr)
    print(f"written: {path}")
    return 0 if path == options.out else 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 2 after an error message on stderr, 130 after Ctrl-C, 141 where the
    reader of the output has closed it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a stream that can't encode σ and ∂ still gets the other characters
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["lesson"]:
        from glassgrad.viz.lesson.command import main as open_lesson

        return open_lesson(given[1:])
    if given[:1] == ["follow"]:
        from glassgrad.viz.pages.follow.command import main as open_page

        return open_page(given[1:])
    # An expression may begin with a minus: with a blank before it, it is not taken for an option.
    words = [f" {word}" if re.match("-(?!h$|o|-[a-z]|-?$)", word) else word for word in given]
    options = parser().parse_intermixed_args(words)
    try:
        with np.errstate(all="ignore"):
            status = _run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (Refused, ExpressionError, AutogradError) as error:
        print(f"python -m glassgrad.viz: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("python -m glassgrad.viz: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
