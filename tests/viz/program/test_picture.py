"""Programs drawn: which part a line belongs to, what stands together, what is said, and that nothing is run."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.compiler.ir import interpreter
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.viz.program.picture import wrapped
from glassgrad.viz.program.reading import BACKWARD, FORWARD, UPDATE, Reading
from tests.autograd.compiler.test_training import step_of
from tests.viz.graph.test_picture import node, words
from tests.viz.kept import assert_kept


def training(model: nn.Module, optimizer: Any, sizes: tuple[int, int], *, entropy: bool = False) -> Program:
    """One step of training, traced on a batch of 4."""

    step = step_of(model, optimizer, nn.functional.cross_entropy if entropy else nn.functional.mse_loss)
    target = ag.asarray([0, 1, 1, 0]) if entropy else ag.zeros((4, sizes[1]), dtype="float32")
    return ag.trace(step, ag.ones((4, sizes[0]), dtype="float32"), target)


def mlp(*sizes: int, optimizer: str = "SGD", entropy: bool = False, **options: Any) -> Program:
    model = nn.MLP(list(sizes), seed=0)
    made = getattr(nn.optim, optimizer)(model.parameters(), lr=0.5, **options)
    return training(model, made, (sizes[0], sizes[-1]), entropy=entropy)


def normalized() -> Program:
    """Batch normalisation, dropout and Adam: much that is not a gradient is updated."""
    parts = nn.Linear(4, 3, seed=0), nn.BatchNorm1d(3), nn.Dropout(0.5, seed=0), nn.Linear(3, 2, seed=0)
    model = nn.Sequential(*parts)
    return training(model, nn.optim.Adam(model.parameters(), lr=0.5), (4, 2), entropy=True)


def scalar() -> Program:
    """A step of one parameter that is a number; it returns the new one, and a value is named like a gradient."""
    w = ag.Tensor(2.0, requires_grad=True, name="w")
    optimizer = nn.optim.SGD([w], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        d_model = w * x
        loss = d_model**2
        loss.backward()
        optimizer.step()
        return loss, w

    return ag.trace(step, ag.asarray(3.0))


def f(w: Any, x: Any) -> Any:
    return ag.sum(ag.tanh(x @ w))


POINT = ag.ones((3, 1)), ag.ones((2, 3))

PROGRAMS = {
    "one layer": lambda: mlp(2, 1),
    "net": lambda: mlp(4, 3, 2),
    "momentum": lambda: mlp(4, 3, 2, momentum=0.9),
    "adam": lambda: mlp(4, 3, 2, optimizer="Adam", entropy=True),
    "normalized": normalized,
    "forward": lambda: ag.trace(lambda x: ag.tanh(x) + 1.0, ag.ones((2,))),
    "gradient": lambda: ag.trace(ag.grad(f), *POINT),
    "descent": lambda: ag.trace(lambda w, x: w - 0.1 * ag.grad(f)(w, x), *POINT),
    "both": lambda: ag.trace(ag.value_and_grad(f), *POINT),
    "second order": lambda: ag.trace(lambda w, x, v: ag.hvp(f, (w, x), (v, x)), *POINT, POINT[0]),
    "scalar": scalar,
    "nothing": lambda: ag.trace(lambda x: x, ag.ones((2,))),
    "indices": lambda: ag.trace(lambda x, i: x[i] ** 2, ag.ones((4,)), ag.asarray([1, 0])),
}


PARTS = Path(__file__).with_name("parts.txt")


def test_each_line_belongs_to_the_part_that_the_text_says() -> None:
    """Forward, backward or update: of programs as traced, and optimised with packed states."""
    written = []
    for name, make in PROGRAMS.items():
        for program in ((made := make()), made.optimized()):
            reading = Reading(program)
            for part in (FORWARD, BACKWARD, UPDATE):
                names = [value.name for value in reading.written if reading.part[value] == part]
                written.append(f"{name}, {part}: {', '.join(names)}")
    assert_kept(PARTS, "\n".join(written))


class TestCards:
    @pytest.mark.parametrize("name", PROGRAMS)
    @pytest.mark.parametrize("optimized", [False, True])
    def test_each_line_stands_on_one_card_as_it_prints(self, name: str, optimized: bool):
        program = PROGRAMS[name]().optimized() if optimized else PROGRAMS[name]()
        source, reading = unescape(viz.draw_graph(program).source), Reading(program)
        for value, formula in reading.written.items():
            assert source.count(f'TITLE="{value.name} {value.shape} = {formula}') == 1, value
        lines = [value for block in reading.blocks for value in block.lines if reading.part[value] != UPDATE]
        assert lines == [value for value in reading.written if reading.part[value] != UPDATE]  # so no two cards wait

    def test_a_state_is_drawn_once_and_that_of_an_optimizer_is_no_parameter(self):
        picture = viz.draw_graph(mlp(4, 3, 2, momentum=0.9))
        label = words(node(picture, "layers_0_weight"))
        assert re.match(r"PARAM layers_0_weight \(3, 4\) PARAM layers_0_bias \(3,\) STATE \S+ \(3, 4\) STATE", label)
        for program in (make() for make in PROGRAMS.values()):
            reading = Reading(program, folded=True)
            drawn = [value for card in (*reading.loose, *reading.blocks) for value in card.given]
            assert sorted(map(id, drawn)) == sorted(map(id, (*program.states, *program.inputs)))

    def test_each_line_of_a_program_wider_than_a_page_is_drawn_or_counted(self):
        source, reading = viz.draw_graph(program := mlp(*[2] * 10, optimizer="Adam")).source, Reading(program)
        hidden = sum(int(count) for count in re.findall(r"(\d+) lines? not drawn", source))
        assert 0 < hidden == len(reading.written) - source.count('TITLE="')


class TestWords:
    def test_long_formulas_are_broken_before_an_operator(self):
        assert wrapped(" = aaaa @ bbbb + cccc", 18, 6) == [" = aaaa", "    @ bbbb + cccc"]
        assert wrapped(" = " + "a" * 60, 40, 10) == ["", f"    = {'a' * 18}...{'a' * 17}"]
        assert wrapped("f(" + ", ".join(["argument"] * 99) + ")")[-1].endswith(" ...")


def test_a_program_too_large_to_be_read_is_refused():
    with pytest.raises(viz.DrawingError, match="step has 1,581 instructions, too many for a picture: print it, or"):
        viz.draw_graph(mlp(*([2] * 80)))


class TestGiven:
    def test_nothing_is_run(self, monkeypatch: pytest.MonkeyPatch):
        program = mlp(4, 3, 2)
        optimized = program.optimized()
        before = {state: state.origin.data.copy() for state in program.states}

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("run")

        monkeypatch.setattr(interpreter, "compute", refuse)
        monkeypatch.setattr(Program, "run", refuse)
        assert all("<svg" in picture.svg() for picture in (viz.draw_graph(program), viz.diff(program, optimized)))
        assert all((state.origin.data == array).all() for state, array in before.items())
