"""Programs in JavaScript: their text, their memory; `test_programs` has what they compute."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.primitives import Slot
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.targets.javascript import PART
from glassgrad.autograd.compiler.targets.language import safe_javascript
from glassgrad.autograd.errors import TargetError
from tests.autograd.compiler.targets.cases import IN_JAVASCRIPT, case_of, in_single, training
from tests.autograd.compiler.targets.node import NODE, Case, faults, needs_node, run
from tests.autograd.compiler.test_training import OPTIMIZERS
from tests.training import updating

# ------------------------------------------------------------------------------------------------------------- the text


def functions_of(text: str) -> dict[str, str]:
    """The functions of a script by their names."""
    found = re.findall(r"^  function (\w+)\(.*?^  \}$", text, flags=re.MULTILINE | re.DOTALL)
    texts = re.findall(r"^  function \w+\(.*?^  \}$", text, flags=re.MULTILINE | re.DOTALL)
    return dict(zip(found, texts, strict=True))


def chained(count: int) -> Any:
    """A chain of ``count`` lines that belong in one loop."""

    def f(x: Any, y: Any) -> Any:
        for k in range(count):
            x = ag.tanh(x) * y if k % 3 else x - 0.5 * y
        return x.sum()

    return f


@needs_node
def test_long_programs_are_cut_into_functions_that_are_optimized(tmp_path):
    model = nn.MLP([4] * 20 + [3], seed=0).to("float64")
    x, labels = np.ones((2, 4)), np.array([0, 2])
    given = model, OPTIMIZERS["SGD momentum"], nn.functional.cross_entropy, x, labels
    network = training(IN_JAVASCRIPT, "20 layers", *given, targets=1)
    pair = ag.Tensor(np.linspace(-1, 1, 12).reshape(3, 4)), ag.Tensor(np.ones(4))
    chain = case_of(IN_JAVASCRIPT, "a chain", chained(200), *pair, count=1)
    assert not faults([network, chain], tmp_path)
    for case in (network, chain):
        parts = functions_of(case.program.javascript())
        assert len(parts) > 5
        assert max(map(len, parts.values())) <= PART + 200
        called = re.findall(r"^    (run_\d+)\(", parts["run"], flags=re.MULTILINE)
        assert called == [name for name in parts if name.startswith("run_")]


@needs_node
def test_values_keep_their_names_and_variables_are_javascripts(tmp_path):
    names = ["var", "i", "memory", "run", "σ", "acc", "t", "s", "low", "e_", "constructor", "bits", "seen"]
    inputs = [Value("input", (3,), np.dtype("f8"), name) for name in names]
    instructions, total = [], inputs[0]
    for k, value in enumerate(inputs[1:]):
        out = Value("temporary", (3,), np.dtype("f8"), f"find{k}" if k else "this")
        instructions.append(Instruction("power" if k == 3 else "add", (total, value), {}, out))
        total = out
    place = Value("temporary", (), np.dtype("i8"), "new")
    instructions.append(Instruction("argmax", (inputs[7],), {"call": ((Slot(0),), {})}, place))
    program = Program("class_", inputs, instructions, [total, place])
    arrays = [np.arange(3.0) + k for k in range(len(names))]
    arrays[7] = np.array([2.0, np.nan, 1.0])
    cases = [Case("names", program, program.javascript(name), [arrays]) for name in ("new", None, "a b")]
    assert not faults(cases, tmp_path)
    assert cases[0].source.startswith("function _new(memory) {")
    assert "seen(constructor, 'float64', [3])," in cases[0].source


def test_nothing_in_a_text_ends_a_script():
    assert safe_javascript("a</script>\n<!-- b\u2028c < d") == "a< /script> < !-- b c < d"
    text = descent()[0].javascript("a</script>")
    assert text.startswith("function a_script(memory) {")
    assert not re.search(r"</|<!--|\beval\b|\bFunction\b", text)


def in_node(script: str, tmp_path: Any) -> str:
    """What a script prints."""
    (tmp_path / "script.js").write_text(script, encoding="utf-8")
    done = subprocess.run([str(NODE), str(tmp_path / "script.js")], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


def descent() -> tuple[Program, Program]:
    """A step of gradient descent, and the value that it makes smaller, of one state."""
    w = ag.Tensor([1.0, -2.0], requires_grad=True, name="w", dtype="float64")
    loss, x = lambda x: ((w - x) ** 2).sum(), ag.zeros(2, dtype="float64")
    return ag.trace(updating(nn.optim.SGD([w], lr=0.25), loss), x), ag.trace(loss, x)


@needs_node
def test_programs_share_a_memory(tmp_path):
    step, look = descent()
    script = f"""
const memory = {{}}, step = ({step.javascript()})(memory), look = ({look.javascript(states=False)})(memory);
const told = [];
look.run(); step.run(); step.commit();
told.push(memory.w.join(), look.outputs[0].data[0], step.outputs[0].data[0]);
memory.lr[0] = 0.5; step.inputs[0].data.fill(1); step.run(); step.commit(); look.run();
told.push(memory.w.join(), look.outputs[0].data[0]);
console.log(told.join(' '));
"""
    assert in_node(script, tmp_path) == "0.5,-1 5 5 1,1 2"


@needs_node
def test_inputs_and_the_results_of_a_dict_have_names(tmp_path):
    program = ag.trace(lambda x, y: {"sum": x + y, "d x": x * y, "again": x + y}, ag.ones(2), ag.ones(2))
    script = f"""
const it = ({program.javascript()})(), {{ outputs }} = it;
it.inputs.x.data.fill(3); it.inputs.y.data.fill(2); it.run();
console.log(outputs.sum.data.join(), outputs['d x'].data.join(), outputs.again === outputs[2], outputs.length);
"""
    assert in_node(script, tmp_path) == "5,5 6,6 true 3"


@needs_node
def test_a_memory_that_does_not_fit_is_refused(tmp_path):
    _, look = descent()
    script = f"""
const look = {look.javascript(states=False)};
const one = () => Float64Array.of(1, 2), told = [];
for (const memory of [{{}}, {{ w: [1, 2] }}, {{ w: new Float64Array(3) }}, {{ w: one(), x: new Float32Array(2) }}])
  try {{ look(memory); }} catch (error) {{ told.push(error.message); }}
look({{ w: one(), x: one() }});
console.log(told.join(' '));
"""
    assert in_node(script, tmp_path) == (
        "memory.w is missing: give a Float64Array of 2. memory.w must be a Float64Array of 2. memory.w must be a "
        "Float64Array of 2. memory.x must be a Float64Array of 2."
    )


@needs_node
def test_indices_out_of_bounds_are_refused(tmp_path):
    program = ag.trace(lambda x, i: x[i] * 1, ag.ones(3, dtype="float64"), ag.Tensor([0, 1]))
    case = Case("index", program, program.javascript(), [[np.arange(3.0), np.array([-1, 2])]])
    past = Case("past", program, program.javascript(), [[np.arange(3.0), np.array([0, 3])]])
    labels = ag.trace(nn.functional.cross_entropy, ag.ones((2, 3), dtype="float64"), ag.Tensor([0, 1]))
    wrong = Case("labels", labels, labels.javascript(), [[np.ones((2, 3)), np.array([0, 5])]])
    run([case, past, wrong], tmp_path)
    assert not case.at_fault()
    assert past.error == "RangeError: an index is out of bounds for an axis of 3"
    assert wrong.error == "RangeError: target must hold whole numbers from 0 to 2."


@needs_node
def test_float32_is_rounded_as_numpy_rounds_it(tmp_path):
    assert not faults([in_single(IN_JAVASCRIPT, seed) for seed in range(10)], tmp_path)


def test_an_optimized_program_is_refused():
    step, _ = descent()
    packed = step.changed(packed={step.states[0]: []})
    with pytest.raises(TargetError, match="it is optimized, and its states lie in one buffer"):
        packed.javascript()
