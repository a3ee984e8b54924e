"""The site, checked without building it: every page has its place and a description, and every link leads somewhere.

``make docs`` builds it and checks the result (`docs/make/check.py`).
"""

import doctest
import inspect
import posixpath
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.make import examples, gallery, navigation, outside, reference, speed
from glassgrad import autograd, nn, viz
from tests.sampling import waiting
from tests.viz.pictures import PICTURES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = navigation.every_page()
BY_PATH = {page.path: page for page in PAGES}
FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def path_of(page):
    return page.path


def text(page):
    """The Markdown of a page as the site has it, without blocks of code."""
    source = page.source() if page.source else (DOCS / page.path).read_text(encoding="utf-8")
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", outside.relinked(source, page)))


def anchors(markdown):
    """The places that the headings of a page make."""
    titles = re.findall(r"^#+ (.*?)(?: \{#([\w-]+)\})?$", FENCE.sub("", markdown), re.MULTILINE)
    made = [given or re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title, given in titles]
    return {*made, *re.findall(r'id="([^"]+)"', markdown)}


def test_every_file_is_on_the_site():
    files = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert files == {page.path for page in PAGES if page.source is None}
    assert len(BY_PATH) == len(PAGES)


def test_every_page_has_a_title_and_a_description_of_its_own():
    for page in PAGES:
        assert page.title, page
        assert 10 <= len(page.description) <= 200, page
        assert re.search(r"^# \S", text(page), re.MULTILINE), page.path
    described = [page.description for page in PAGES]
    assert len(set(described)) == len(described)


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_links_lead_somewhere(page):
    sources = {
        path: p.source() if p.source else (DOCS / path).read_text(encoding="utf-8") for path, p in BY_PATH.items()
    }
    for link in LINK.findall(text(page)):
        path, _, place = link.partition("#")
        if "://" in link:
            continue
        to = posixpath.normpath(posixpath.join(posixpath.dirname(page.path), path)) if path else page.path
        assert to in BY_PATH or (DOCS / to).is_file(), f"{page.path} links to {link}"
        if place and to in BY_PATH:
            assert place in anchors(sources[to]), (
                f"{page.path} links to {link}, and {to} has {sorted(anchors(sources[to]))}"
            )


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "benchmarks/RESULTS.md", "SECURITY.md"]
)
def test_links_of_the_repository_lead_somewhere(name):
    source = (ROOT / name).read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", source)):
        path, _, place = link.partition("#")
        if "://" in link:
            continue
        to = (ROOT / name).parent / path if path else ROOT / name
        assert to.exists(), f"{name} links to {link}"
        if place:
            assert place in anchors(to.read_text(encoding="utf-8")), f"{name} links to {link}"


def test_every_public_name_is_on_a_page_of_the_reference():
    members = reference.members()
    assert all(members.values())
    shown = {id(getattr(c.module, name)) for c, names in members.items() for name in names}
    for module in (autograd, autograd.testing, nn, nn.functional, viz):
        values = {name: getattr(module, name) for name in module.__all__}
        assert [name for name, value in values.items() if id(value) not in shown and not inspect.ismodule(value)] == []


def documented(value):
    """Whether a name's own docstring has an example."""
    text = value.__dict__.get("__doc__") if isinstance(value, type) else getattr(value, "__doc__", "")
    return ">>>" in (text or "") and not isinstance(value, float | int | str | None)


def test_every_public_name_has_an_example():
    members = reference.members()
    values = {f"{c.inside}.{name}": getattr(c.module, name) for c, names in members.items() for name in names}
    lacking = {name for name, value in values.items() if not documented(value)}
    assert lacking - set(examples.codes()) == set()
    assert set(examples.codes()) - lacking == set(), "their docstrings have one"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("module", ["autograd", waiting("nn"), "viz"])
def test_the_examples_run(module):
    for name in examples.codes():
        if name.startswith(f"{module}."):
            error = re.search(r"^([\w.]*\.)?(\w+): .*", examples.example(name).partition("    ...\n")[2])
            assert (error[2] if error else None) == (name.rpartition(".")[2] if error else None), examples.example(name)


def test_the_gallery_is_made(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    source = (DOCS / "gallery.md").read_text(encoding="utf-8")
    made = gallery.with_outputs(source, tmp_path)
    files = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert files == set(re.findall(r'src="gallery/([^"]+)"', made))
    assert made.count('class="lesson-picture"') >= 12 + len(PICTURES)
    assert made.count("<iframe") == 4
    assert all(path.stat().st_size > 1000 for path in (tmp_path / "gallery").iterdir())


@pytest.mark.parametrize("module", [examples, speed], ids=lambda module: module.__name__)
def test_the_examples_of_the_tools_run(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_charts_of_speed_are_those_of_the_table():
    drawn = speed.markdown()
    columns, rows = speed.table(
        speed.RESULTS.read_text(encoding="utf-8"), "Time ÷ PyTorch eager, 1 thread; smaller is better"
    )
    for name in ("glassgrad compiled", "glassgrad eager", "PyTorch eager", "jax.jit"):
        assert f"{name} {speed.number(rows[name][columns.index('A')]):g}" in drawn
    assert drawn.count("<svg") == len(speed.WORKS) + 4
    assert "NumPy 2" in drawn
    assert "torch 2" in drawn


def test_nothing_is_loaded_from_elsewhere():
    """Neither by the configuration nor by a page of our own."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in settings
    assert "- offline" in settings
    assert "iframe-worker" in settings
    assert "://" not in re.sub(r"#.*", "", settings)
    for page in PAGES:
        loads = re.findall(
            r"(?:!\[[^\]]*\]\(|<(?:img|script|iframe|link)[^>]*(?:src|href)=\")(https?:[^)\"]+)", text(page)
        )
        assert not loads, page.path


def test_the_search_takes_whole_questions_and_every_letter():
    """The search of the theme, lunr, makes words up where many begin with digits: see docs/make/hooks.py."""
    material = pytest.importorskip("material")
    from docs.make import hooks

    (path,) = Path(material.__file__).parent.rglob("workers/search.*.min.js")
    script = path.read_text(encoding="utf-8")
    mended = hooks.repaired(script)
    with pytest.raises(ValueError, match="search script"):
        hooks.repaired(mended)
    if shutil.which("node") is None:
        pytest.skip("node is not installed to run the search")
    program = """
let seed = 1;
const draw = n => (seed = seed * 16807 % 2147483647) % n, words = ["1".repeat(16), "a1", "a2"];
for (let i = 0; i < 100; i++) words.push("0" + draw(10 ** (1 + draw(8))) + "xyzuvw"[draw(6)]);
const sorted = [...new Set(words)].sort();
console.log(self.lunr.TokenSet.fromArray(sorted).toArray().filter(word => !sorted.includes(word)).length);
"""
    start = "globalThis.self = globalThis; globalThis.addEventListener = globalThis.postMessage = () => {};"
    invented = []
    for text in (script, mended):
        ran = subprocess.run(["node"], input=start + text + program, capture_output=True, encoding="utf-8", check=True)
        invented.append(int(ran.stdout))
    assert invented[0] > 0 == invented[1]
