"""Training loops as users write them: 450 programs, by text. Compiled they give what they give eagerly, or are refused.

users_programs.txt has the ways in which the states are held (in a dict, a dataclass, a module, ...), and what is done:
averages of weights, frozen layers, checkpoints in between, two optimizers, early returns, and the like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import trees
from glassgrad.autograd.errors import TraceError
from tests.autograd.compiler.oracle import agree
from tests.sampling import sampled

BEFORE = """
import collections, contextlib, copy, dataclasses, functools, itertools, math, types
from typing import Any, NamedTuple
import numpy as np
from glassgrad import autograd as ag, nn

rng = np.random.default_rng(3)
OUT = []

def T(*shape): return ag.Tensor(rng.standard_normal(shape) * 0.5, requires_grad=True)
def nbatch(): return rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
def batch(): return tuple(map(ag.Tensor, nbatch()))
"""
REFUSED = {
    "counter": "changes the global n at each call",
    "history": "which hist keeps after the call",
    "logging": "asks for a value of",
}


def parts_of(kind: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The parts of a kind: their names, and their sections, each with its heading."""
    text = Path(__file__).with_name("users_programs.txt").read_text(encoding="utf-8")
    for part in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        first, *sections = re.split(r"^-- ", part, flags=re.MULTILINE)
        (title, _, names) = first.partition("\n")
        if title.startswith(f"{kind}: "):
            yield title.partition(": ")[2], [("names", names), *(s.partition("\n")[::2] for s in sections)]


HELD, DONE = dict(parts_of("held")), dict(parts_of("does"))


def seen(program: list[str], states: str, wrap: Any) -> list[Any]:
    """All results and states after each part of a program."""
    scope: dict[str, Any] = {"wrap": wrap, "__name__": "__main__"}
    found = []
    for part in program:
        exec(compile(part, "<user>", "exec"), scope)
        leaves = trees.leaves((eval(states, scope), scope["OUT"]))
        found.append([np.array(x.data if isinstance(x, ag.Tensor) else x) for x in leaves])
    return found


@pytest.mark.filterwarnings("ignore:M.* is a Tensor that requires grad")
@pytest.mark.parametrize(("held", "done"), sampled([pytest.param(held, done) for held in HELD for done in DONE], 7))
def test_a_program(held: str, done: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = dict(re.findall(r"\$(\w+) = (.*)", HELD[held][0][1]))
    sections = [*HELD[held][1:], *DONE[done][1:]]
    if (held, done) == ("namedtuple", "rebound params"):
        pytest.skip("a named tuple does not change")
    texts = [Template(text).substitute(names) for _, text in sections]
    calls = [kind for kind, _ in sections].count("call")
    program = ["\n".join([BEFORE, *texts[:-calls]]), *texts[-calls:]]
    expected = seen(program, names["PS"], lambda f: f)
    if done in REFUSED:
        with pytest.raises(TraceError, match=REFUSED[done]):
            seen(program, names["PS"], ag.compile)
        return
    for i, (one, other) in enumerate(zip(seen(program, names["PS"], ag.compile), expected, strict=True)):
        for x, y in zip(one, other, strict=True):
            agree(x, y, f"part {i}")
