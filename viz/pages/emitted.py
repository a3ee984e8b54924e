"""The parts that pages share: the document, its colours, and programs traced in float64 and written as JavaScript."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.ir.names import unique
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import numbers, style, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import COLOURS, Theme
from glassgrad.viz.drawing.texts import UNPRINTABLE
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.evaluate import host

ONLY = re.compile(r"/\* only: (\w+) \*/(.*?)/\* end \*/", re.DOTALL)  # in a template

# Content policy: the browser loads no picture, font or script from elsewhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

Traced = tuple[Callable[..., Any], Sequence[ag.Tensor]]
"""A function and examples of its inputs."""


@contextmanager
def in_double(tensors: Iterable[ag.Tensor]) -> Iterator[None]:
    """A context in which these Tensors are in float64; afterwards they have the arrays that they had before.

    A page computes in float64: in JavaScript it is as fast as float32, and precise enough to check gradients by
    differences.
    """
    before = [(tensor, tensor.data) for tensor in dict.fromkeys(tensors) if tensor.dtype.kind == "f"]
    try:
        for tensor, array in before:
            tensor.data = array.astype("float64")
        yield
    finally:
        for tensor, array in before:
            tensor.data = array


@contextmanager
def refusals(who: str) -> Iterator[None]:
    """A context in which a function that can't be traced or written is a `DrawingError`, which begins with ``who``."""
    try:
        yield
    except DrawingError:
        raise
    except AutogradError as error:
        raise DrawingError(f"{who}: {error}") from error


def shared_names(programs: Iterable[Program]) -> dict[ag.Tensor, str]:
    """Give each state one name in all of the programs, so that they can share a memory. Returns the names."""
    values = [value for program in programs for value in program.values()]
    taken, names = {value.name for value in values if value.kind != "state"}, dict[ag.Tensor, str]()
    for state in values:
        if state.kind == "state":
            if state.origin not in names:
                names[state.origin] = unique(state.name, taken, JAVASCRIPT.words)
                taken.add(names[state.origin])
            state.name = names[state.origin]
    return names


@dataclass(eq=False)
class Written:
    """Functions of Tensors as programs of a page.

    ``script`` has a function ``program_NAME(memory)`` for each, ``states`` is the memory for `unpackedStates`, and
    ``names`` are the names of Tensors in it.
    """

    programs: dict[str, Program]
    script: str
    states: dict[str, list[str]]
    names: dict[ag.Tensor, str]


def written(
    who: str,
    functions: Mapping[str, Traced],
    tensors: Iterable[ag.Tensor],
    products: float | None = None,
    more: str = "",
) -> Written:
    """Functions, each with its inputs, as programs that compute in float64 what they compute with these Tensors.

    Raises `DrawingError`, which begins with ``who``, for what can't be written; and where ``products``, the
    multiply-adds of a run, are given, for programs that are too large, with ``more`` to do about it.
    """
    exact = {tensor: "f4" if str(tensor.dtype) == "float32" else "f8" for tensor in tensors}
    with in_double(exact), refusals(who):
        programs = {name: ag.trace(function, *given) for name, (function, given) in functions.items()}
        names = shared_names(programs.values())
        if products is not None:
            lines = max(len(optimize(program, COMMON).instructions) for program in programs.values())
            if large := too_large(products, sum(tensor.size for tensor in names), lines):
                raise DrawingError(f"{who}: {large}.{more}")
        texts = [
            program.javascript(f"program_{name}", comments=False, states=False) for name, program in programs.items()
        ]
        states = {}
        for origin, name in names.items():
            stored = exact.get(origin) or ("f4" if str(origin.dtype) == "float32" else "f8")
            states[name] = [JAVASCRIPT.types[str(origin.dtype)], stored, packed(host(origin), stored)]
    return Written(programs, "\n".join(texts), states, names)


PRODUCTS = 15_000_000
"""The most multiply-adds of one run: about 7 ms in a browser."""

STATES = 500_000
"""The most numbers that all states may have together: 5 MB of page."""

LINES = 1_000
"""The most instructions of a program: each takes about 500 bytes of page."""

RATE = 2.2e6
"""Multiply-adds that a browser does in a millisecond."""


def too_large(multiplications: float, states: int, lines: int) -> str:
    """The reason why a page that computes can't have programs of this size; empty if it can."""
    if multiplications > PRODUCTS:
        many, most = numbers.count(round(multiplications)), numbers.count(PRODUCTS)
        reason = "it is {n} multiplications a step, about {time} ms in a browser; a page allows {most}"
        return say(reason, n=many, time=f"{float(f'{multiplications / RATE:.2g}'):,g}", most=most)
    if states > STATES:
        return say("its {n} numbers take {size} MB of page", n=numbers.count(states), size=f"{10.6 * states / 1e6:.2g}")
    if lines > LINES:
        reason = "its program has {n} lines; a page allows {most}"
        return say(reason, n=numbers.count(lines), most=numbers.count(LINES))
    return ""


# ---------------------------------------------------------------- the document


def packed(array: Any, dtype: str = "f4") -> str:
    """The numbers in base64, of this type and little-endian."""
    return base64.b64encode(np.ascontiguousarray(array, f"<{dtype}").tobytes()).decode()


def text(said: object) -> str:
    """Any text as content or attribute of HTML, without control characters and characters that UTF-8 cannot encode."""
    return html.escape(UNPRINTABLE.sub("\ufffd", str(said)))


def document(title: str, main: str, styles: str, *, data: Any = None, script: str = "", policy: str = POLICY) -> str:
    """A whole page. ``title`` is plain text, ``data`` goes to its script as JSON; the rest is HTML."""
    if data is not None:
        main += f'<script type="application/json" id="data">{as_json(data)}</script>\n'
    if script:
        main += f"<script>\n{script}</script>\n"
    fields = {"locale": words.LOCALES[words.language()], "policy": policy, "title": text(title)}
    return body("document.html", fields | {"styles": styles, "body": main})


def zipped(script: str) -> str:
    """A script that is half as long: it unpacks the given one and adds it to the page, and then fulfils ``ready``."""
    packed = base64.b64encode(zlib.compress(script.encode("utf-8", "replace"), 9)).decode()
    return asset("zipped.js").replace("DATA", packed)


def as_json(value: Any) -> str:
    """JSON in which no text can close the surrounding script element."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    said = said.encode("utf-8", "replace").decode()
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", said)


def asset(name: str) -> str:
    """The text of a file in a folder of ``assets``, in the present language."""
    (path,) = (Path(__file__).parent / "assets").rglob(name)
    found = path.read_text(encoding="utf-8")
    return words.script(found) if name.endswith(".js") else words.template(found) if name.endswith(".html") else found


def assets(*names: str) -> str:
    """The texts of several files of ``assets``, one after the other."""
    return "\n".join(map(asset, names))


def body(name: str, fields: Mapping[str, str], kinds: Sequence[str] = ()) -> str:
    """A template of ``assets`` with its ``{field}``s filled in, without the parts for other kinds of pages."""
    template = ONLY.sub(lambda part: part[2] if part[1] in kinds else "", asset(name))
    template = re.sub(r"\n\s*\n", "\n", template)
    return re.sub(r"\{(\w+)\}", lambda field: fields[field[1]], template)


# ---------------------------------------------------------------- colours


FONTS = (
    '--sans:Helvetica,Arial,"Liberation Sans","DejaVu Sans",sans-serif;'
    f'--mono:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;--drawn:{style.FONTS};'
)


def variables() -> str:
    """The fonts, and the colours of both themes with the ramps ``--v0`` to ``--v6`` and ``--g0`` to ``--g6``, as
    variables of CSS. In a dark page 0 is dark.
    """

    def block(theme: Theme, values: Sequence[str], gradients: Sequence[str]) -> str:
        named = {name: getattr(theme, name) for name in COLOURS}
        for letter, ramp in (("v", values), ("g", gradients)):
            named |= {f"{letter}{k}": colour for k, colour in enumerate(ramp)}
        return "".join(f"--{name}:{colour};" for name, colour in named.items()) + f"color-scheme:{theme.name}"

    light = block(style.LIGHT, style.VALUE_RAMP, style.GRAD_RAMP)
    dark = block(style.DARK, style.VALUE_RAMP_DARK, style.GRAD_RAMP_DARK)
    return f":root{{{FONTS}{light}}}\n@media screen{{:root[data-theme=dark]{{{dark}}}}}"
