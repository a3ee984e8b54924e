"""What passes did: which lines went, came or stayed, which pass did it, and what is said of it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from glassgrad import viz
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.viz.drawing import style
from glassgrad.viz.program import passes
from tests.viz.program.test_picture import PROGRAMS, mlp


def rows(picture: viz.Picture) -> list[tuple[str, str, str]]:
    """What stands in the three columns of each row."""
    (label,) = re.findall(r"^\tlines \[label=<(.*)> class=", picture.source, flags=re.MULTILINE)
    lines = re.findall(r"<TR>(.*?)</TR>", label.split("<HR/>", 1)[1])
    cells = (re.findall(r"<TD[^>]*>(.*?)</TD>", line) for line in lines)
    plain = ([re.sub(r"\s+", " ", unescape(re.sub("<[^<>]*>", " ", part))).strip() for part in line] for line in cells)
    return [tuple(line) for line in plain if len(line) == 3]  # type: ignore[misc]


TANH = "tanh_layers_0_times_half (4, 4) = tanh(layers_0_times_half)"


@pytest.fixture(scope="module")
def step() -> Program:
    return mlp(3, 4, 2)


@pytest.fixture(scope="module")
def drawn(step: Program) -> viz.Picture:
    return viz.diff(step, step.optimized())


def test_an_unchanged_line_stands_beside_itself(drawn: viz.Picture):
    found = rows(drawn)
    assert (TANH, "", TANH) in found
    assert ("return loss", "", "return loss") in found
    assert ("total () = flat @ flat", "", "total () = flat @ flat") in found
    summed = "d_layers_0_bias (4,) = sum(d_layers_0, axis=(0,))", "d_layers_0_bias (4,) = ones @ d_layers_0"
    assert (summed[0], "~ algebra", summed[1]) in found


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_line_of_both_is_there(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passes, "ROWS", 10_000)
    monkeypatch.setattr(passes, "SAME", 10_000)
    monkeypatch.setattr(passes, "WIDTH", 10_000)
    before = PROGRAMS[name]()
    after = before.optimized()
    found = rows(viz.diff(before, after))
    for program, column in ((before, 0), (after, 2)):
        printed = [line.strip() for line in str(program).splitlines()[1:]]
        assert [row[column] for row in found if row[column]] == printed
    assert all(told[1:] for left, told, right in found if left != right), "every change has a pass"


def test_words(drawn: viz.Picture, step: Program):
    assert drawn.title == "step: 41 instructions → 32"
    assert "lines: 20 gone, 8 new, 3 changed, 17 the same" in drawn.source
    assert ">as traced<" in viz.diff(step, step, labels=("as traced", "again")).source
    assert viz.diff(step, step, title="mine").title == "mine"
    assert style.DARK.paper in viz.diff(step, step, theme="dark").source


def test_programs_of_their_own_are_compared_by_name(step: Program):
    assert "lines: 40 the same<" in viz.diff(step, mlp(3, 4, 2)).source
    assert (TANH, "", TANH) in rows(viz.diff(step, mlp(3, 4, 2, momentum=0.9)))


def test_long_runs_of_unchanged_lines_are_shortened(step: Program):
    assert "... 34 lines the same" in viz.diff(step, step).source
    assert len(rows(viz.diff(step, step))) == 6


def test_large_programs_are_cut():
    before = mlp(*([2] * 40))
    picture = viz.diff(before, before.optimized())
    assert re.search(r"\.\.\. [\d,]+ lines not drawn", picture.source)
    assert len(rows(picture)) <= passes.ROWS
