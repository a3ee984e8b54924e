"""Programs in node: several functions of JavaScript run by one process, and what they computed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glassgrad.autograd.compiler.ir.program import Program, Value
from tests.steps.readings import interpret

NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="node, which runs the programs in JavaScript, is not installed")

MAIN = r"""
const { readFileSync, writeFileSync } = require('fs');
const decoded = text => new Float64Array(new Uint8Array(Buffer.from(text, 'base64')).buffer);
const encoded = array => Buffer.from(Float64Array.from(array).buffer).toString('base64');
function elements({ data, shape, strides, offset }) {  // row by row
  let places = [offset];
  shape.forEach((n, axis) => {
    places = places.flatMap(place => Array.from({ length: n }, (_, i) => place + i * strides[axis]));
  });
  return encoded(places.map(place => data[place]));
}
const told = JSON.parse(readFileSync(process.argv[2])).map(({ steps }, number) => {
  try {
    const found = [], states = {}, program = programs[number](states), { inputs, outputs } = program;
    for (const given of steps) {
      given.forEach((text, i) => inputs[i].data.set(decoded(text)));
      program.run();
      found.push(outputs.map(elements));
      program.commit();
    }
    const pairs = Object.entries(states).map(([name, data]) => [name, encoded(data)]);
    return { steps: found, states: Object.fromEntries(pairs) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
});
writeFileSync(process.argv[3], JSON.stringify(told));
"""


@dataclass
class Case:
    """A program, its text, and the arrays that each of its steps is given. It draws from the same state of its
    generators however often it is run."""

    name: str
    program: Program
    source: str
    steps: list[Sequence[Any]]
    tolerance: float = 1e-9
    initial: dict[Value, Any] = field(default_factory=dict)
    results: list[list[Any]] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    def __post_init__(self) -> None:
        drawn = [i.params["generator"] for i in self.program.instructions if i.op == "draw"]
        self.generators = [(generator.bit_generator, generator.bit_generator.state) for generator in drawn]

    def restart(self) -> None:
        """Have the generators be in the state in which they were."""
        for bits, state in self.generators:
            bits.state = state

    def at_fault(self, rounding: bool = False) -> str:
        """How the program differs from `Program.run`; empty if it does not. With ``rounding`` it may differ as much as
        when the result of each instruction that rounds is disturbed, and an overflow may be inf or NaN.
        """
        if self.error:
            return f"{self.name}: {self.error}"
        single = any(value.dtype == np.float32 for value in self.program.values())
        tolerance = max(self.tolerance, 1e-5) if single and self.tolerance else self.tolerance
        expected = self._expected(self.program.run)
        found = {f"result {k} of step {n}": x for n, step in enumerate(self.results) for k, x in enumerate(step)}
        for state in self.program.updates:  # one that is assigned a copy of its own value is not in the text
            kept = np.asarray(self.initial[state]).astype("f8").reshape(-1)
            found[f"the state {state.name}"] = self.states.get(state.name, kept)
        assert found.keys() == expected.keys()
        other = self._expected(self._disturbed) if rounding else expected
        for what, value in expected.items():
            if fault := _difference(found[what], value, other[what], tolerance, rounding):
                return f"{self.name}: {what} {fault}"
        return ""

    def _disturbed(self, *arrays: Any, states: Any) -> Any:
        """`Program.run` with rounding errors."""
        return interpret(self.program, arrays, states, np.random.default_rng(0))

    def _expected(self, run: Any) -> dict[str, Any]:
        """All results, and the states at the end, by ``run``."""
        self.restart()
        states, found = dict(self.initial), {}
        for number, arrays in enumerate(self.steps):
            with np.errstate(all="ignore"):
                results, updates = run(*arrays, states=states)
            states |= updates
            found |= {f"result {k} of step {number}": np.asarray(x) for k, x in enumerate(results)}
        return found | {f"the state {state.name}": np.asarray(states[state]) for state in self.program.updates}


def _difference(found: Any, expected: Any, other: Any, tolerance: float, rounding: bool) -> str:
    """How ``found`` differs from what is expected, by more than the tolerance and ten times what ``other`` does."""
    found = found.reshape(expected.shape)
    numbers, others = expected.astype("f8"), np.asarray(other).astype("f8")
    scale = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=1.0))
    with np.errstate(all="ignore"):
        gaps = np.abs(others - numbers)
        allowed = tolerance * scale + 10 * gaps[np.isfinite(gaps)].max(initial=0.0)
        wrong = (np.isfinite(numbers) == np.isfinite(others)) & ~(
            (found == numbers)
            | (np.isnan(found) & np.isnan(numbers))
            | (np.abs(found - numbers) <= allowed)
            | (rounding & ~np.isfinite(found) & ~np.isfinite(numbers))
        )
    return f"is {found[wrong][:3]} and should be {numbers[wrong][:3]}" if wrong.any() else ""


def written(case: Case) -> None:
    """Give the case its text."""
    case.source = case.program.javascript(comments=False)


def run(cases: Sequence[Case], folder: Path) -> None:
    """Run all cases in one process of node, and put what they computed into them."""
    programs = ",\n".join(case.source for case in cases)
    (folder / "main.js").write_text(f"const programs = [\n{programs}\n];\n{MAIN}", encoding="utf-8")
    given = [{"steps": [[_encoded(x) for x in arrays] for arrays in case.steps]} for case in cases]
    (folder / "given.json").write_text(json.dumps(given))
    paths = [str(folder / name) for name in ("main.js", "given.json", "told.json")]
    done = subprocess.run([str(NODE), *paths], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for case, told in zip(cases, json.loads((folder / "told.json").read_text()), strict=True):
        case.error = told.get("error", "")
        case.results = [[_decoded(text) for text in step] for step in told.get("steps", [])]
        case.states = {name: _decoded(text) for name, text in told.get("states", {}).items()}


def _encoded(array: Any) -> str:
    return base64.b64encode(np.asarray(array).astype("<f8").tobytes()).decode()


def _decoded(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f8")


def faults(cases: Sequence[Case], folder: Path, *, rounding: bool = False, fast: bool = False) -> list[str]:
    """How the cases differ from `Program.run`, run by node."""
    run(cases, folder)
    return [fault for case in cases if (fault := case.at_fault(rounding))]
