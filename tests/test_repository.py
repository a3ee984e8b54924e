"""What holds for the repository as a whole: which file imports what, and what a wheel contains."""

import ast
import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from glassgrad import autograd
from tests.stubs import STUBS

ROOT = Path(__file__).parents[1]
PACKAGES = ("autograd", "nn", "viz")
SOURCES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

NUMPY = (
    *("autograd/backends/", "autograd/compiler/", "autograd/testing/"),
    *("nn/data/", "nn/saving/", "nn/commands/", "viz/"),
)
GRAPHVIZ = ("viz/drawing/render.py",)
CUPY = ("autograd/backends/",)
ROOMS = (  # of autograd, from the ground up; `engine/` and `readings/` have a room within
    *("errors", "common", "backends", "readings.levels", "engine", "engine.observers", "trees", "ops", "functions"),
    *("fft", "linalg", "random"),
    *("interop", "compiler", "readings", "", "testing"),
)
VIZ = {"drawing": 1, "recorded": 2, "program": 3, "formula": 3, "plots": 3, "graph": 4, "pages": 5}  # rooms by floor
COMMAND_LINE = ("nn/__main__.py", "nn/commands/")
LESSON = ("viz/lesson/", "viz/pages/follow/command.py")  # above everything: they use all three packages
DATA = {
    *("nn/data/digits.npz", "nn/data/LICENSE-digits.md", "nn/data/names.txt"),
    "autograd/compiler/targets/c/functions.h",
    *(path.relative_to(ROOT).as_posix() for path in (ROOT / "viz/pages/assets").rglob("*.*")),
    *("viz/drawing/chinese.toml", "viz/formula/document.tex"),
    *("viz/lesson/lesson.css", "viz/lesson/lesson.js", "viz/lesson/pages.css"),
    *(f"viz/lesson/text/{page.relative_to(ROOT / 'docs/lesson')}" for page in (ROOT / "docs/lesson").rglob("*.*")),
}


def module_of(path):
    """The dotted name of a source file."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path, typed=False):
    """Every module that a source file imports when it is loaded, or (late) when a function is called: (name, late).

    Imports for type checkers count only if `typed`. `from a import b` counts as `a.b`, for `b` may be a module.
    """
    package = path.parts[:-1]

    def visit(node, late):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for part in [*(node.body if typed else ()), *node.orelse]:
                yield from visit(part, late)
        elif isinstance(node, ast.Import):
            yield from ((alias.name.removeprefix("glassgrad."), late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            base = f"{base}.".removeprefix("glassgrad.")
            yield from ((f"{base}{alias.name}", late) for alias in node.names)
        else:
            late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, late)

    return list(visit(parsed(ROOT / path), False))


def within(path, places):
    return any(path.as_posix().startswith(place) for place in places)


def test_imports_are_read_as_meant(tmp_path, monkeypatch):
    (tmp_path / "viz").mkdir()
    (tmp_path / "viz/a.py").write_text(
        "from typing import TYPE_CHECKING\nimport numpy as np\nfrom . import style\nfrom .render import Picture\n"
        "if TYPE_CHECKING:\n    import cupy\ndef f():\n    import glassgrad.nn.data\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    found = list(imports(Path("viz/a.py")))
    assert found == [
        ("typing.TYPE_CHECKING", False),
        ("numpy", False),
        ("viz.style", False),
        ("viz.render.Picture", False),
        ("nn.data", True),
    ]
    assert set(imports(Path("viz/a.py"), typed=True)) == {*found, ("cupy", False)}


def test_imports_point_down():
    up = [
        f"{path} imports {name}"
        for path in SOURCES
        for name, _ in imports(path)
        if (package := name.split(".")[0]) in PACKAGES
        and package not in ("autograd", path.parts[0])
        and not within(path, COMMAND_LINE if package == "viz" else LESSON)
    ]
    assert not up, "viz and nn use autograd, and nothing else looks up:\n" + "\n".join(up)


def test_the_rooms_of_viz_import_downwards():
    up = []
    for path in [path for path in SOURCES if path.parts[0] == "viz"]:
        room = path.parts[1]
        for name, _ in imports(path):
            package, *inside = name.split(".")
            other = inside[0] if package == "viz" and inside else room
            if other in VIZ and other != room and VIZ[other] >= VIZ.get(room, len(VIZ)):
                up.append(f"{path} imports {name}, which is not below {room}/")
    assert not up, "\n".join(up)


def room_of(module):
    """The room of a module of autograd; the package itself counts as the room below ``testing``, which uses it."""
    inside = module.removeprefix("autograd").lstrip(".")
    return max((room for room in ROOMS if f"{inside}.".startswith(f"{room}.")), key=len, default="")


def test_the_rooms_of_autograd_import_downwards():
    found = {
        (room_of(source), room_of(target))
        for source, targets in edges().items()
        for target in targets
        if source.startswith("autograd")
    }
    up = [f"{a} imports {b}" for a, b in found if ROOMS.index(b) > ROOMS.index(a)]
    assert not up, "\n".join(up)


def test_a_folder_of_autograd_has_at_most_a_dozen_names():
    """And the package itself fourteen."""
    for folder in ("", "engine", "engine/observers", "common", "backends", "functions", "interop", "ops", "readings"):
        files = [p for p in (ROOT / "autograd" / folder).iterdir() if not p.name.startswith("__")]
        names = [p.name for p in files if p.suffix not in (".typed", ".pyi")]  # the stubs are written by the build
        assert len(names) <= (12 if folder else 14), f"autograd/{folder}: {sorted(names)}"


def test_size_counts_code_and_leaves_out_comments_docstrings_and_blank_lines(tmp_path):
    spec = importlib.util.spec_from_file_location("size", ROOT / ".ci/size.py")
    size = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(size)
    lines = ['"""Module,', 'two lines."""', "", "# why", "X = 1  # a comment", '"""Of X."""', "def f():"]
    lines += ['    """Of f."""  # noqa', '    return """a', 'text of two lines"""']
    (tmp_path / "a.py").write_text("\n".join(lines) + "\n")
    (tmp_path / "a.js").write_text("// why\n\nlet a = 1 // one\n/* two\n   lines */\na += 1\n")
    assert size.size(tmp_path / "a.py") == (4, 10)
    assert size.size(tmp_path / "a.js") == (2, 0)


@cache
def edges():
    """For each file the files that it imports and the names, function-level imports included."""
    modules = {module_of(path) for path in SOURCES}
    found = {module: {} for module in modules}
    for path in SOURCES:
        for name, _ in imports(path, typed=True):
            target = "" if name.startswith("autograd.engine._methods.") else name  # a stub alone
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if target and target != module_of(path):
                found[module_of(path)].setdefault(target, set()).add(name.rpartition(".")[2])
    return found


def reachable(graph, start):
    """Every module that ``start`` imports, directly or not."""
    found, left = set(), [start]
    while left:
        fresh = graph[left.pop()].keys() - found
        found |= fresh
        left += fresh
    return found


def test_imports_make_no_circle():
    graph = edges()
    circles = [
        f"{source} imports {', '.join(sorted(names))} from {target}, which imports {source}, directly or not"
        for source, targets in sorted(graph.items())
        for target, names in sorted(targets.items())
        if source in reachable(graph, target)
    ]
    assert not circles, "\n".join(circles)


@pytest.mark.parametrize(("library", "places"), [("numpy", NUMPY), ("cupy", CUPY), ("graphviz", GRAPHVIZ)])
def test_library_is_named_only_where_it_belongs(library, places):
    named = [path for path in SOURCES if library in {name.split(".")[0] for name, _ in imports(path)}]
    assert named
    wrong = [str(path) for path in named if not within(path, places)]
    assert not wrong, f"{library} belongs to {', '.join(places)}, and is imported by {', '.join(wrong)}"


def test_wheel_holds_the_three_packages_in_one_folder(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    (wheel,) = builder.build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if ".dist-info/licenses/" in name]
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    assert {name.partition("/")[0] for name in files} == {"glassgrad"}
    assert files.pop("glassgrad/__init__.py") == (ROOT / "glassgrad.py").read_bytes()
    inside = {name.removeprefix("glassgrad/"): data for name, data in files.items()}
    needed = {path.as_posix() for path in SOURCES} | {f"{package}/py.typed" for package in PACKAGES}
    assert needed | STUBS.keys() <= inside.keys()
    assert {name for name in inside if not name.endswith((".py", ".pyi", "py.typed"))} == DATA
    # What is tested is what is shipped. The lesson's text is shipped from docs/.
    for name, data in inside.items():
        assert data == (ROOT / name.replace("viz/lesson/text/", "docs/lesson/")).read_bytes(), name
    assert {Path(name).name for name in licences} >= {"LICENSE", "LICENSE-digits.md"}
    assert "Name: glassgrad\n" in metadata


def test_the_sdist_passes_its_tests(tmp_path):
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(ROOT))
    (sdist,) = builder.build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    words = "-m pytest -q -p no:cacheprovider tests/test_tiny.py autograd/common/shapes.py"
    command = [sys.executable, *words.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"README.md", "LICENSE", "conftest.py", "Makefile", "CONTRIBUTING.md"} <= {p.name for p in folder.iterdir()}


def test_the_console_script_exists():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["glassgrad"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert re.fullmatch(r"\d+\.\d+\.\d+", autograd.__version__)


def test_text_names_no_machine():
    """No path of the machine it was written on, and no host of a package registry, gets into a file."""
    never = re.compile(r"/[r]oot/|/[w]ork/|/[h]ome/\w|[p]ypi\.org|[p]ythonhosted\.org|[n]pmjs\.org")
    folders = (*PACKAGES, "tests", "examples", "docs", ".ci")
    places = [ROOT.glob("*"), *((ROOT / folder).rglob("*") for folder in folders)]
    for path in chain.from_iterable(places):
        if path.suffix in (".py", ".md", ".toml", "") and path.is_file() and path.name != ".git":
            found = never.findall(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{path.relative_to(ROOT)} contains {found}"
