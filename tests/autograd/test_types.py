"""What type checkers see: the types in a user's program, from stubs as tests/stubs.py writes them."""

import runpy
from pathlib import Path

import pytest

import glassgrad
from tests import stubs

PROGRAM = Path(__file__).with_name("typed_program.py")

REVEALED = {
    "ag.sin(x)": "Tensor",
    "x + 1": "Tensor",
    "1 / x": "Tensor",
    "x.exp()": "Tensor",
    "x[0]": "Tensor",
    "x > 0": "Tensor",
    "x == 0": "Tensor",
    "x.T": "Tensor",
    "x.shape": "tuple[int, ...]",
    "x.grad": "Tensor | None",
    "ag.max(x, axis=1)": "Tensor",
    "ag.split(x, 2)": "tuple[Tensor, ...]",
    "ag.where(x > 0, x, 0)": "Tensor",
    "decomposition.S": "Tensor",
    "net(x)": "Tensor",
    "net.first(x)": "Tensor",
    "net.scale": "Parameter",
    "nn.MLP([2, 3])(x)": "Tensor",
    "nn.Sequential(nn.Linear(2, 3), nn.ReLU())(x)": "Tensor",
    "nn.functional.relu(x)": "Tensor",
    "nn.CrossEntropyLoss()(logits, labels)": "Tensor",
    "step": "Compiled[[x: Tensor, labels: Tensor], Tensor]",
    "step(x, labels)": "Tensor",
    "ag.trace(swish, x)": "Program",
    "ag.grad(swish)(x)": "Tensor",
    "gradient": "dict[str, Tensor]",
    "ag.value_and_grad(loss_of)(params, x)": "tuple[Tensor, dict[str, Tensor]]",
    "value": "Tensor",
    "pull(w)": "tuple[Tensor, ...]",
    "ag.jvp(swish, (w,), (w,))": "tuple[Tensor, Tensor]",
    "ag.jacobian(swish)(w)": "Tensor",
    "ag.hessian(swish)(w)": "Tensor",
    "ag.hvp(swish, (w,), (w,))": "tuple[Tensor, ...]",
    "slope": "Tensor",
    "both": "tuple[Tensor, ...]",
    "list(net.parameters())": "list[Parameter]",
}
REFUSED = {
    'ag.relu("oops", 5, 7)': "Too many arguments for",
    'ag.relu("oops")': "Argument 1 to",
    "ag.sine(x)": "has no attribute",
    "x.expp()": "has no attribute",
    'x + "a"': "Unsupported operand types",
    'x.sum(axis="a")': "Argument",
    'net("oops")': "Argument 1 to",
    "net(x, 1, 2)": "Too many arguments",
    'step(x, "a")': "Argument 2 to",
    "nn.Linear(2)": "Missing positional argument",
}


def test_the_program_runs():
    found = runpy.run_path(str(PROGRAM))
    assert found["losses"][-1] < found["losses"][0]


def checked(path, text):
    """Each line of mypy's report on a program beside glassgrad as it is installed: mypy does not follow `__path__`."""
    api = pytest.importorskip("mypy.api")
    path.write_text(text, encoding="utf-8")
    (path.parent / "glassgrad").mkdir()
    for name in glassgrad.__all__:
        (path.parent / "glassgrad" / name).symlink_to(stubs.PACKAGE.parent / name)
    (path.parent / "glassgrad/__init__.py").symlink_to(glassgrad.__file__)
    report, errors, _ = api.run(["--strict", "--config-file=", "--cache-dir", "/dev/null", str(path)])
    assert not errors
    return [line.split(":", 2)[1:] for line in report.splitlines() if line.startswith(str(path))]


@pytest.mark.check
def test_a_users_program_has_types(tmp_path):
    stubs.write()
    program = PROGRAM.read_text(encoding="utf-8")
    lines = program.splitlines()
    text = "\n".join([*lines, *(f"reveal_type({expression})" for expression in REVEALED), *REFUSED])
    said: dict[int, str] = {}
    for number, message in checked(tmp_path / "program.py", text):
        said[int(number)] = said.get(int(number), "") + message
    wrong = {n: message for n, message in said.items() if n <= len(lines)}
    assert not wrong
    for n, (expression, wanted) in enumerate(REVEALED.items(), len(lines) + 1):
        found = said[n].partition('Revealed type is "')[2].rpartition('"')[0]
        for prefix in ("glassgrad.autograd.engine.tensor.", "glassgrad.autograd.compiler.compiled.",
                       "glassgrad.autograd.compiler.ir.program.",
                       "glassgrad.nn.modules.module.", "builtins."):  # fmt: skip
            found = found.replace(prefix, "")
        assert found == wanted, expression
    for n, (expression, wanted) in enumerate(REFUSED.items(), len(lines) + len(REVEALED) + 1):
        assert "error" in said.get(n, "nothing"), expression
        assert wanted in said[n], expression
