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

from autograd.compiler.ir.program import Program, Value

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
    const found = [], program = programs[number]({}), { inputs, outputs, values } = program;
    for (const given of steps) {
      given.forEach((text, i) => inputs[i].data.set(decoded(text)));
      program.run();
      found.push(outputs.map(elements));
      program.commit();
    }
    const states = Object.entries(values).filter(([, value]) => value.kind === 'state');
    return { steps: found, states: Object.fromEntries(states.map(([name, value]) => [name, elements(value)])) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
});
writeFileSync(process.argv[3], JSON.stringify(told));
"""


@dataclass
class Case:
    """A program, its text, and the arrays that each of its steps is given."""

    name: str
    program: Program
    source: str
    steps: list[Sequence[Any]]
    tolerance: float = 1e-9
    results: list[list[Any]] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def at_fault(self) -> str:
        """How the program differs from `Program.run`, or nothing."""
        if self.error:
            return f"{self.name}: {self.error}"
        states: dict[Value, Any] = {}
        single = any(value.dtype == np.float32 for value in self.program.values())
        tolerance = max(self.tolerance, 1e-5) if single else self.tolerance
        for number, (arrays, found) in enumerate(zip(self.steps, self.results, strict=True)):
            with np.errstate(all="ignore"):
                results, updates = self.program.run(*arrays, states=states)
            states |= updates
            for k, (one, other) in enumerate(zip(found, results, strict=True)):
                if fault := _difference(one, other, tolerance):
                    return f"{self.name}: result {k} of step {number} {fault}"
        for state, value in states.items():
            if fault := _difference(self.states[state.name], value, tolerance):
                return f"{self.name}: the state {state.name} {fault}"
        return ""


def _difference(found: Any, expected: Any, tolerance: float) -> str:
    expected = np.asarray(expected)
    found = found.reshape(expected.shape)
    finite = np.abs(expected[np.isfinite(expected)].astype("f8"))
    scale = float(finite.max(initial=1.0))
    with np.errstate(all="ignore"):
        wrong = ~np.isclose(found, expected.astype("f8"), rtol=tolerance, atol=tolerance * scale, equal_nan=True)
    if not wrong.any():
        return ""
    return f"is {found[wrong][:3]} and should be {expected[wrong][:3]}"


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


def faults(cases: Sequence[Case], folder: Path) -> list[str]:
    """How the cases differ from `Program.run`, run by node."""
    run(cases, folder)
    return [fault for case in cases if (fault := case.at_fault)]
