"""The pages of docs/ tell nothing that isn't so: their examples and commands run, and what they point to is there."""

import ast
import doctest
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from glassgrad import autograd, nn, viz
from tests.commands import assert_runs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LESSON = DOCS / "lesson"  # run by tests/viz/lesson
PAGES = sorted(path for path in DOCS.rglob("*.md") if LESSON not in path.parents)
OTHERS = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "benchmarks/README.md")]

MADE = ("gallery",)
"""Pages whose blocks `tests/test_site.py` runs."""

QUOTED = ("engine", "why")
"""Pages whose blocks are lines of the source."""

BEFORE = {
    "howto/elsewhere": (
        ("torch", "onnx", "matplotlib"),
        """
import numpy as np, torch
from glassgrad import autograd as ag, nn
state = nn.models.resnet18(seed=1).state_dict()
torch.save({name: torch.tensor(t.numpy()) for name, t in state.items()}, "checkpoint.pt")
small = nn.Sequential(nn.Conv2d(3, 2, 3, seed=0), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, seed=0))
nn.save_onnx(small.eval(), "model.onnx", ag.ones((1, 3, 224, 224), dtype="float32"))
""",
    ),
    "onnx": (
        ("onnx",),
        """
import numpy as np
from glassgrad import nn
x = np.ones((4, 3), dtype="float32")
nn.save_onnx(nn.MLP([3, 4, 2], seed=0), "network.onnx", x, dynamic_batch=True)
""",
    ),
    "parallel": (
        (),
        """
import contextlib, numpy as np
from glassgrad import nn
data, model, loss = (np.ones((4, 3)), np.array([0, 1, 1, 0])), nn.MLP([3, 2], seed=0), nn.functional.cross_entropy
optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
class One(contextlib.nullcontext):
    rank = 0
def fit(*given, parallel, real=nn.fit, **options):
    assert parallel.rank == 0
    return real(*given, **options, progress=False)
monkeypatch.setattr(nn.parallel, "Parallel", lambda: One(One()))
monkeypatch.setattr(nn, "fit", fit)
""",
    ),
    "native": (
        (),
        """
import numpy as np
monkeypatch.setenv("GLASSGRAD_NATIVE", "native")
x = np.random.default_rng(0).normal(size=(200, 2)).astype("f4")
y = (x.prod(axis=1, keepdims=True) > 0).astype("f4")
""",
    ),
    "CONTRIBUTING": ((), "from glassgrad.autograd import op"),
}
"""For each page with plain blocks: the packages that these need, and the code before them."""


def name(page):
    return page.relative_to(DOCS if DOCS in page.parents else ROOT).with_suffix("").as_posix()


def blocks(page):
    """Language, text and indentation of each fenced block."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(language, re.sub(f"^{indent}", "", block, flags=re.MULTILINE)) for indent, language, block in found]


def plain(page):
    """The blocks of Python that are not doctests."""
    return [block for language, block in blocks(page) if language == "python" and ">>>" not in block]


SHELLS = ("sh", "powershell", "bat")


def commands(page):
    return [line for language, block in blocks(page) if language in SHELLS for line in block.splitlines() if line]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_examples_run(page):
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert found.failed == 0
    assert (found.attempted > 0) == (">>>" in page.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore:::torch")
@pytest.mark.parametrize(
    "page", [page for page in (*PAGES, *OTHERS) if plain(page) and name(page) not in MADE], ids=name
)
def test_plain_blocks_run_or_are_lines_of_the_source(page, tmp_path, monkeypatch):
    if name(page) in QUOTED:
        sources = Path(autograd.__file__).parent.rglob("*.py")
        written = {line.strip() for path in sources for line in path.read_text(encoding="utf-8").splitlines()}
        quoted = [line.strip() for block in plain(page) for line in block.splitlines() if line.strip()]
        assert [line for line in quoted if line not in written] == []
        return
    needed, before = BEFORE.get(name(page), ((), ""))
    if missing := [package for package in needed if find_spec(package) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page", "monkeypatch": monkeypatch}
    exec(before, names)
    for number, block in enumerate(plain(page)):
        exec(compile(block, f"{name(page)}, plain block {number}", "exec"), names)


@pytest.mark.parametrize("page", [page for page in (*PAGES, *OTHERS) if commands(page)], ids=name)
def test_commands_exist(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        assert_runs(command, tmp_path)


ROOTS = {"ag": autograd, "nn": nn, "viz": viz}
CODE = re.compile(r"`([^`\n]*\b(?:ag|nn|viz)\.[^`\n]*)`")


def resolved(code):
    """What dotted names such as ``nn.init.zeros_`` stand for; raises AttributeError where there is none."""
    first, *rest = code.split(".")
    value = ROOTS[first]
    for name in rest:
        value = getattr(value, name)
    return value


def dotted(node):
    """The name that an expression of attributes spells, if it begins with a package's."""
    text = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
    return text if re.fullmatch(r"(ag|nn|viz)(\.\w+)+", text) else ""


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name)
def test_names_and_calls_in_the_text_are_those_of_the_package(page):
    """Code between backticks: names exist, and a call has the arguments that the function takes."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for code in CODE.findall(text):
        for found in re.findall(r"(?<![\w./])((?:ag|nn|viz)(?:\.[A-Za-z_]\w*)+)(?!\w|/|\.(?:py|js|css))", code):
            resolved(found)
        try:
            tree = ast.parse(
                re.sub(r"(?<=[(,=\[ ])(?:…|\.\.\.)", "__", code).replace("=)", "=__)").replace("=,", "=__,")
            )
        except SyntaxError:
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func)):
            elided = [*(ast.unparse(a) for a in call.args), *(ast.unparse(k.value) for k in call.keywords)]
            signature = inspect.signature(resolved(dotted(call.func)))
            given = {k.arg: None for k in call.keywords if k.arg}
            whole = not any(text == "__" or text.startswith("*") for text in elided)
            (signature.bind if whole and call.args else signature.bind_partial)(*call.args, **given)


def test_blocks_are_of_languages_that_are_tested():
    found = {(name(page), language) for page in (*PAGES, *OTHERS) for language, _ in blocks(page)}
    assert {language for _, language in found} <= {"python", "sh", "powershell", "bat", "text"}
    assert [page for page, language in found if language == "powershell"] == ["start"]
