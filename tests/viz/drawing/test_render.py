"""From DOT to files: escaping, the parts of labels, the chain of engines, what is written and what is not."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from glassgrad.viz.drawing import labels, render, style, texts
from glassgrad.viz.drawing.labels import cell, row, table, text
from glassgrad.viz.drawing.render import EngineWarning, Picture, RenderError

NASTY = [
    "<w> & \"q\" 'a'",
    r"back\N\\slash\\",
    "权重矩阵",
    "n" * 200,
    "two\nlines\ttab",
    "nul\x00 bell\x07 \ud800 end",
    "]]> <!-- &amp; -->",
    "]; digraph {",
]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def picture():
    made = Picture("g", title="Two <cards>", alt="two cards & an edge")
    made.node("a", table(row(cell(text("a", 11, "ink"), port="v", id="a_val", title='a = "1.0"'))), cls="card")
    made.node("b", text("b", 11, "ink"))
    made.edge("a:v:s", "b", id="f_a_b", cls="fwd", label=text("x", 9, "muted"))
    return made


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setattr(render, "engines", list)


def program(folder: Path, body: str, name: str = "dot") -> Path:
    """A stand-in for `dot`."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestLabels:
    @pytest.mark.parametrize("name", NASTY)
    def test_any_name_comes_out_as_it_went_in(self, name):
        made = Picture(name, title=name, alt=name)
        made.node("a", table(row(cell(text(name, 11, "ink", bold=True), id="a_val", title=name))))
        made.edge("a", "a", id="f_a_a", tooltip=name)
        root = ElementTree.fromstring(made.svg())
        shown = [
            re.sub(r"\s+", " ", "".join(t.itertext())).strip()
            for t in (*root.iter(f"{SVG}text"), *root.iter(f"{SVG}title"))
        ]
        clean = re.sub("[\x00-\x08\ud800]", "\ufffd", name)
        expected = re.sub(r"\s+", " ", clean)
        headline = len(clean) < 80  # a longer word goes on in the next line
        assert shown.count(expected) == 4 + headline  # label, its tooltip, the edge's, the picture's title

    def test_backslashes_are_not_read_by_graphviz(self):
        assert render.escape(r"\N") == r"\\N"
        assert render.plain(r"<\N>") == "&lt;&#92;&#92;&#92;&#92;N&gt;"

    def test_empty_text_is_a_blank(self):
        made = Picture()
        made.node("a", text("", 11, "ink", bold=True, italic=True))
        assert "<B> </B>" in made.source
        made.svg()

    def test_words_on_the_loss_are_light(self):
        made = Picture().themed("dark")
        made.node("a", table(row(cell(text("x", 9, "muted"))), **labels.frame("loss")))
        assert f'BGCOLOR="{style.DARK.loss_bg}"' in made.source
        assert f'<FONT COLOR="{style.DARK.loss_mut}"' in made.source

    def test_wide_characters_are_given_room(self):
        assert texts.text_width("权重", 10) == 20
        made, narrow = Picture(), Picture()
        made.node("a", text("权重矩阵" * 4, 10, "ink"))
        narrow.node("a", text("a", 10, "ink"))
        width = [float(re.search(r'width="(\d+)pt"', p.svg())[1]) for p in (made, narrow)]
        assert width[0] - width[1] > 145


class TestSource:
    def test_clusters_and_ranks(self, picture):
        with picture.cluster("1", text("Linear", 10, "muted")):
            picture.node("c", text("c", 11, "ink"))
            picture.same_rank(["c"])
        inside = picture.source.split("subgraph cluster_1 {")[1].split("\t}\n")[0]
        assert "c [label" in inside
        assert "{rank=same; c}" in inside
        assert "class=module" in inside

    def test_words_of_the_language_may_be_names(self):
        made = Picture("graph")
        for name in ("node", "edge", "subgraph"):
            made.node(name, text(name, 11, "ink"))
        made.edge("node:v:s", "edge")
        made.same_rank(["node", "subgraph"])
        assert '{rank=same; "node"; "subgraph"}' in made.source
        made.svg()


class TestSvg:
    def test_title_words_and_role(self, picture):
        root = ElementTree.fromstring(picture.svg())
        assert root.get("role") == "img"
        assert root.find(f"{SVG}title").text == "Two <cards>"
        assert root.find(f"{SVG}desc").text == "two cards & an edge"
        assert "max-width:100%" in root.get("style")

    def test_tooltips_need_no_links(self, picture):
        svg = picture.svg()
        assert "<a " not in svg
        assert re.search(r'<g id="a_a_val"><title>a = &quot;1.0&quot;</title>', svg)


class TestFiles:
    @pytest.mark.parametrize(
        ("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".gv", b"digraph"), (".dot", b"digraph")]
    )
    def test_formats(self, picture, tmp_path, suffix, start):
        path = picture.save(tmp_path / f"picture{suffix}")
        assert path == tmp_path / f"picture{suffix}"
        assert path.read_bytes().startswith(start)
        assert names_in(tmp_path) == [path.name]

    def test_a_png_is_sharp(self, picture):
        svg = picture.svg()
        points = float(re.search(r'width="(\d+)pt"', svg)[1])
        assert int.from_bytes(picture.png()[16:20]) == pytest.approx(points * style.DPI / 72, abs=3)

    def test_never_half_a_file(self, picture, tmp_path, monkeypatch):
        path = tmp_path / "a.gv"
        path.write_text("before")
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            picture.save(path)
        assert path.read_text() == "before"
        assert names_in(tmp_path) == ["a.gv"]

    def test_a_notebook_shows_it(self, picture):
        shown = picture._repr_mimebundle_()
        assert shown["image/svg+xml"] == picture._repr_svg_() == picture.svg()
        assert shown["text/plain"] == repr(picture) == "<Picture 'Two <cards>'>"
        hostile = Picture(title="</svg><script>alert(1)</script>", alt='"><img src=x onerror=alert(1)>')
        hostile.node("a", text("</title><script>alert(1)</script>", 11, "ink"))
        html = hostile._repr_html_()
        assert html.startswith("<svg")
        tags = {element.tag.split("}")[1] for element in ElementTree.fromstring(html).iter()}
        assert tags.isdisjoint({"script", "img"})
        image = ElementTree.fromstring(shown["image/svg+xml"].encode())
        assert (image.get("role"), image.get("aria-label")) == ("img", picture.title)

    def test_drawing_is_quiet(self, picture, capfd):
        picture.node("s", text("σ′ ∂L/∂w 权", 11, "ink"))
        picture.svg()
        assert capfd.readouterr() == ("", "")


class TestEngines:
    def test_the_wheel_is_found_without_path_and_comes_first_so_that_pictures_are_alike(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", "")
        assert [engine.origin for engine in render.engines()] == ["wheel"]
        assert Path(render.engines()[0].path).is_file()
        program(tmp_path, "")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert [engine.origin for engine in render.engines()] == ["wheel", "system"]

    def test_a_setting_is_the_only_one_and_is_not_passed_over(self, picture, tmp_path):
        failing = "sys.exit('syntax error in line 1')"
        said = r"the layout engine .*mine could not draw the picture as svg: syntax error"
        drawing = "sys.stdout.write('<svg>\\n' + ' '.join(sys.argv[1:]) + '</svg>')"
        try:
            render.use_engine(program(tmp_path, drawing, "drawing"))
            assert "-Kdot -Tsvg" in picture.svg()
            render.use_engine(program(tmp_path, failing, "mine"))
            with pytest.raises(RenderError, match=said):
                picture.svg()
            (tmp_path / "mine").unlink()
            with pytest.raises(RenderError, match=r"the layout engine .*mine could not be started"):
                picture.svg()
        finally:
            render.use_engine(None)

    def test_without_one_the_source_is_written_and_a_sentence_says_what_to_do(self, picture, tmp_path, no_engine):
        with pytest.warns(
            EngineWarning, match=r"no layout engine was found: install one with `pip install graphviz-pure`"
        ):
            path = picture.save(tmp_path / "a.svg")
        assert path == tmp_path / "a.gv"
        assert path.read_text() == picture.source
        assert names_in(tmp_path) == ["a.gv"]

    def test_without_one_a_notebook_says_so(self, picture, no_engine):
        assert picture._repr_svg_() is picture._repr_html_() is None
        shown = picture._repr_mimebundle_()
        assert "image/svg+xml" not in shown
        assert "not drawn, no layout engine was found" in shown["text/plain"]

    def test_a_pdf_needs_the_engine_of_the_system(self, picture, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", "")
        with pytest.warns(EngineWarning, match=r"a PDF needs the package `graphviz` of your system.*a\.gv"):
            assert picture.save(tmp_path / "a.pdf").name == "a.gv"
        program(tmp_path, "sys.stdout.write('%PDF' + sys.argv[2])")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert picture.save(tmp_path / "a.pdf").read_bytes() == b"%PDF-Tpdf"


def test_importing_viz_does_not_import_graphviz():
    code = "import sys; from glassgrad import viz; print(*(name in sys.modules for name in %s))"
    code %= (("graphviz", "matplotlib", "glassgrad.viz.graph.picture"),)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_a_layout_that_takes_too_long_ends_in_a_sentence(monkeypatch, tmp_path):
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nsleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr(render, "TIME_LIMIT", 0.1)
    with pytest.raises(render.RenderError, match="took longer than"):
        render.Engine(str(slow), "setting").run("digraph {}", "svg")


@pytest.mark.skipif(not any(e.origin == "wheel" for e in render.engines()), reason="the wheel is not installed")
def test_a_png_says_which_letters_its_font_lacks(monkeypatch, tmp_path):
    wheel = next(e for e in render.engines() if e.origin == "wheel")
    monkeypatch.setattr(render, "engines", lambda: [wheel])
    named = Picture("g", title="weights")
    named.node("a", text("权重 σ 🙂", 11, "ink"))
    with pytest.warns(EngineWarning, match=r"boxes stand for 权重🙂 in this PNG"):
        named.save(tmp_path / "a.png")
    named.save(tmp_path / "a.svg")  # which has them
    plain = Picture("g", title="weights")
    plain.node("a", text("∂L/∂w = ΣΔ·xᵀ ≤ ½ ℝ", 11, "ink"))
    plain.save(tmp_path / "b.png")
