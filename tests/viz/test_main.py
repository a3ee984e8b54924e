"""The command line of pictures: every format, what stands where by default, and every way to be refused."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from glassgrad import viz
from glassgrad.viz.__main__ import DERIVATIONS, EXAMPLES, PAGES, PICTURES, main
from glassgrad.viz.drawing import render, style
from tests.viz.pages.browser import whole

ROOT = Path(__file__).parents[2]
NEURON = ("L = (sigmoid(w*x + b) - y)**2", "w=2", "x=1", "b=-1", "y=1")
SUFFIXES = (*PICTURES, *DERIVATIONS, *PAGES)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*words):
    return main([str(word) for word in words])


def said(capsys, *words):
    """What is printed by a command that succeeds."""
    assert run(*words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys, *words):
    """The sentence, without the lines that mark the place, after a look at what every refusal must be."""
    try:
        status = run(*words)
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    sentence, *marked = err.rstrip("\n").split("\n")
    assert sentence.startswith("python -m glassgrad.viz: ")
    assert len(marked) < 2
    assert all(line.startswith("    ") for line in marked)
    return sentence.removeprefix("python -m glassgrad.viz: ")


def card(source, name):
    """The class and the words of a leaf's card in DOT source."""
    label, kind = re.search(rf'^\t{name} \[label=<(.*)> class="card (\w+)', source, re.MULTILINE).groups()
    return kind, re.sub(r"\s+", " ", re.sub("<[^<>]*>", " ", label)).strip()


# ---------------------------------------------------------------- what is made


def test_derivation_is_printed_for_each_name_that_takes_a_gradient(capsys):
    told = said(capsys, *NEURON)
    heads = re.findall(r"^∂L/∂(\w) = (\S+)$", told, re.MULTILINE)
    assert heads == [("w", "-0.1058"), ("x", "-0.2115"), ("b", "-0.1058")]
    assert "L = t3²        = (-0.2689)²    = 0.07233" in told
    assert told.count("\nchecked: ") == 3


def test_derivation_by_the_names_asked_for_intermediates_too(capsys):
    told = said(capsys, "u = w*x; L = u**2", "w=2", "x=3", "--wrt", "u, w")
    assert re.findall(r"^∂.* = .*$", told, re.MULTILINE)[:2] == ["∂L/∂u = 12", "∂L/∂w = 36"]
    assert "∂L/∂x" not in told


def test_options_may_stand_anywhere_and_expressions_begin_with_a_minus(capsys):
    told = said(capsys, "--wrt", "w", "-w**2 - v", "w=3", "--targets", "", "v=1")
    assert told.startswith("∂L/∂w = -6\n")
    assert said(capsys, "--(w)", "w=-3").startswith("∂L/∂w = 1\n")
    assert said(capsys, "-h*h", "h=3").startswith("∂L/∂h = -6, a sum over 2 paths\n")


@pytest.mark.parametrize("suffix", [".svg", ".gv", ".png", *DERIVATIONS, *PAGES, ".SVG"])
def test_every_format_is_what_it_says(suffix, capsys):
    assert said(capsys, *NEURON, "-o", f"L{suffix}") == f"written: L{suffix}\n"
    (file,) = Path().iterdir()  # no draft is left either
    content = file.read_bytes()
    match suffix.lower():
        case ".svg":
            title = ElementTree.fromstring(content)[0]
            assert title.text == "L = (σ(w·x + b) - y)²"
        case ".png":
            with Image.open(file) as image:
                assert np.asarray(image.convert("RGB")).std() > 10
        case ".gv":
            assert b"digraph" in content.splitlines()[0]
        case ".html":
            assert (
                b"<title>Backpropagation, step by step: L = (\xcf\x83(w\xc2\xb7x + b) - y)\xc2\xb2</title>" in content
            )
        case ".tex":
            assert content.count(b"\\begin{document}") == content.count(b"\\end{document}") == 1
            assert content.count(b"checked: central difference") == 3
        case _:
            assert content.decode().count("∂L/∂L · 2·t3") == 3


@pytest.mark.parametrize("example", re.findall(r"python -m glassgrad.viz ((?:.|\\\n)*?[^\\])\n", EXAMPLES))
def test_examples_of_the_help_run(example, capsys):
    words = shlex.split(example.replace("\\\n", ""))
    assert said(capsys, *words)
    if "-o" in words:
        assert Path(words[words.index("-o") + 1]).stat().st_size > 500


def test_help_tells_every_option_format_and_operation(capsys):
    with pytest.raises(SystemExit) as done:
        run("--help")
    assert done.value.code == 0
    told = capsys.readouterr().out
    assert EXAMPLES in told
    words = {*SUFFIXES, "--wrt", "--inputs", "--targets", "--title", "--theme", "sigmoid", "sum"}
    assert words <= set(re.findall(r"[-.\w]+", told))
    assert max(map(len, told.splitlines())) <= 110


def test_module_is_run_and_a_terminal_without_greek_is_no_error():
    done = subprocess.run(
        [sys.executable, "-m", "glassgrad.viz", *NEURON],
        cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"?L/?w = -0.1058" in done.stdout


def test_theme_and_title(capsys):
    said(capsys, *NEURON, "-o", "L.gv", "--theme", "dark", "--title", 'a <b> & "c"')
    source = Path("L.gv").read_text(encoding="utf-8")
    assert style.DARK.paper in source
    assert style.LIGHT.paper not in source
    assert "a &lt;b&gt; &amp; &quot;c&quot;" in source
    said(capsys, *NEURON, "-o", "L.html", "--title", "a </title><b>")
    assert "a &lt;/title&gt;&lt;b&gt;" in Path("L.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------- roles and kinds of number


def test_every_format_has_the_language_that_was_asked_for(capsys):
    chinese = ("--language", "zh")
    assert "反向，从 L 到 w" in said(capsys, *NEURON, *chinese)
    for name, word in {
        "L.svg": "前向传播的值",
        "L.gv": "前向传播的值",
        "L.txt": "中心差分",
        "L.html": "随意拖动任何数",
    }.items():
        said(capsys, *NEURON, *chinese, "-o", name)
        assert word in whole(Path(name).read_text(encoding="utf-8"))
    said(capsys, *NEURON, "-o", "L.svg")
    assert "value going forward" in Path("L.svg").read_text(encoding="utf-8")
    assert "'fr'" in refused(capsys, *NEURON, "--language", "fr")


def drawn(capsys, *words):
    said(capsys, *words, "-o", "L.gv")
    return Path("L.gv").read_text(encoding="utf-8")


def test_names_are_parameters_and_what_is_compared_with_is_a_target(capsys):
    source = drawn(capsys, *NEURON)
    kinds = {name: card(source, name)[0] for name in "wxby"}
    assert kinds == {"w": "param", "x": "param", "b": "param", "y": "target"}
    assert card(source, "y")[1] == "TARGET y = 1 no grad"


def test_inputs_and_targets_are_named(capsys):
    source = drawn(capsys, *NEURON, "--inputs", "x,y", "--targets", "b")
    assert card(source, "x")[0] == card(source, "y")[0] == "input"
    assert "∂L/∂x" in card(source, "x")[1]
    assert card(source, "b") == ("target", "TARGET b = -1 no grad")
    assert card(drawn(capsys, *NEURON, "--targets", ""), "y")[0] == "param"


def test_y_that_is_no_target_takes_a_gradient(capsys):
    assert re.findall(r"^∂L/∂y = 2$", said(capsys, "L = x*y + sin(x)", "x=2", "y=3"), re.MULTILINE)


def test_labels_and_indices_stay_whole(capsys):
    told = said(
        capsys, "L = cross_entropy(take(z, i, axis=0), y)", "z=[[2, 0.5], [1, 1]]", "i=[0, 0, 1]", "y=[0, 1, 0]"
    )
    assert told.startswith("∂L/∂z (2, 2)\n")
    assert "∂L/∂i" not in told
    soft = said(capsys, "L = cross_entropy(z, y)", "z=[[2, 0.5]]", "y=[[0, 1]]")
    assert soft.startswith("∂L/∂z (1, 2)\n")


def test_numbers_of_parameters_and_targets_are_floats(capsys):
    assert said(capsys, "L = w*y**30", "w=1", "y=10", "--targets", "y").startswith("∂L/∂w = 1.00e30\n")
    assert "∂L/∂w" in said(capsys, "L = w**-2", "w=3")


def test_an_output_that_is_not_scalar_is_drawn_without_gradients(capsys):
    source = drawn(capsys, "z = W @ [1, 2]", "W=[[1, 2], [3, 4]]")
    assert "computed" not in source
    assert "∂" not in re.sub(r'tooltip="[^"]*"', "", source)


def test_names_in_any_alphabet_with_what_looks_alike(capsys):
    told = said(capsys, "损失 = (权重*θ)**2", "权重=2", " θ =3", "--wrt", "权重,θ")
    assert "∂损失/∂权重 = 36" in told
    assert "∂损失/∂θ = 24" in told
    assert said(capsys, "L = ﬁ**2", "ﬁ=3", "--wrt", "ﬁ").startswith("∂L/∂fi = 6")
    for suffix in SUFFIXES:
        if suffix != ".pdf":
            assert run("损失 = (权重*θ)**2", "权重=2", "θ=3", "-o", f"a{suffix}") == 0


def test_infinite_values_are_shown_without_a_warning(capsys):
    told = said(capsys, "L = log(w)", "w=0")
    assert "log(0)    = -inf" in told
    said(capsys, "L = log(w)/w", "w=0", "-o", "L.svg")
    assert "∂L/∂w = ∂L/∂t1 · inf" in said(capsys, "L = w/0/(1 - 1) + 1", "w=3")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("expression", "suffix"),
    [("sigmod(w)", ".svg"), ("w @ 1", ".png"), ("9**9**9*w", ".html"), *[("2*w", s) for s in (*DERIVATIONS, *PAGES)]],
)
def test_nothing_is_overwritten_by_what_is_refused(expression, suffix, capsys):
    Path(f"kept{suffix}").write_text("kept")
    said = refused(capsys, f"L = {expression}", "w=[1, 2]", "-o", f"kept{suffix}")
    assert "has shape (2,)" in said or expression != "2*w"
    (file,) = Path().iterdir()
    assert file.read_text() == "kept"


def test_picture_without_engine_leaves_its_source_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr(render, "engines", list)
    assert run(*NEURON, "-o", "L.svg") == 2
    out, err = capsys.readouterr()
    assert out == "written: L.gv\n"
    assert err.startswith("python -m glassgrad.viz: no layout engine was found: install one with")
    assert err.count("\n") == 1
    assert [file.name for file in Path().iterdir()] == ["L.gv"]


def test_engine_that_fails_is_one_sentence(capsys):
    viz.use_engine(sys.executable)
    try:
        assert "could not draw the picture as svg" in refused(capsys, *NEURON, "-o", "L.svg")
    finally:
        viz.use_engine(None)
    assert list(Path().iterdir()) == []


def test_interrupt_ends_quietly(capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("glassgrad.viz.__main__.explain", interrupted)
    assert run(*NEURON) == 130
    assert capsys.readouterr().err == "python -m glassgrad.viz: interrupted\n"
