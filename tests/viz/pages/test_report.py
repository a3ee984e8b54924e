"""The lab report: what is on the page, what its script computes (in node), how it behaves (in headless Chromium)."""

import base64
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import nn
import viz
from nn.data import digits
from nn.data.ink import to_ink
from tests.viz.test_page_browser import CHROMIUM, LOW_CONTRAST, browse
from viz.pages.page import step_through
from viz.pages.report import ACTIVATIONS, WEIGHTS, Held, Specimen, lab_report

pytest.importorskip("matplotlib")

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed to run the page's arithmetic with")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page with")
HISTORY = {"loss": [0.9, 0.4], "validation_loss": [0.8, 0.5], "accuracy": [0.6, 0.8]}
CLASSES = tuple("0123456789")


def held_out(random, n=60, classes=CLASSES, **options):
    images = (random.random((n, 16, 16)) < 0.3).astype(np.float32)
    probabilities = random.dirichlet(np.ones(len(classes)), n)
    return Held(images, random.integers(0, len(classes), n), probabilities, classes, **options)


def chain_of(model, last="softmax"):
    """Weights and activations of an MLP with sigmoids."""
    linear = [module for module in model.layers if isinstance(module, nn.Linear)]
    return [(m.weight, m.bias, "sigmoid" if m is not linear[-1] else last) for m in linear]


@pytest.fixture(scope="module")
def parts():
    """A small network, what it says of held-out noise, and the report of it."""
    random = np.random.default_rng(3)
    model = nn.MLP([256, 12, 7, 10], seed=1)
    held = held_out(random, crop=True)
    x = ag.Tensor(held.images[:2].reshape(2, 256).astype(np.float32), name="x")
    loss = nn.functional.cross_entropy(model(x), ag.asarray(held.labels[:2]))
    pictures = [viz.draw_network(model, held.images[i].reshape(256), int(held.labels[i])) for i in range(3)]
    specimens = [Specimen(held.images[i], f"number {i}", picture) for i, picture in enumerate(pictures)]
    page = lab_report(
        title="A report",
        history=HISTORY,
        held=held,
        layers=chain_of(model),
        modules=viz.draw_modules(loss),
        neurons=specimens,
        steps=step_through(loss, title="Two"),
        facts={"seed": "1"},
        looks={"which pixels matter": viz.saliency(model, x, image=(16, 16)).plot()},
    )
    return model, held, page


def data_of(page):
    return json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)[1])


class Outline(HTMLParser):
    """Every start tag with its attributes, and the ids."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_data(self, data):
        self.text.append(data)

    def count(self, tag, **attributes):
        return sum(t == tag and all(a.get(k) == v for k, v in attributes.items()) for t, a in self.tags)


# ---------------------------------------------------------------- what is on the page


def test_page_has_every_part_once(parts):
    _, held, page = parts
    outline = Outline(page.html)
    sections = [a["id"] for tag, a in outline.tags if tag == "section"]
    assert sections == ["draw", "learning", "mistakes", "looks", "modules", "neurons", "steps"]
    assert [a["href"] for tag, a in outline.tags if tag == "a" and "href" in a] == [f"#{s}" for s in sections]
    assert len(outline.ids) == len(set(outline.ids)), "an id is given once"
    named = [a["aria-labelledby"] for tag, a in outline.tags if tag == "section"]
    assert set(named) <= set(outline.ids)
    assert outline.count("iframe") == 1
    assert outline.count("figure", **{"class": "neurons"}) == 3
    assert outline.count("figure", **{"class": "neurons", "hidden": None}) == 3
    wrong = int((held.predictions != held.labels).sum())
    assert outline.count("button", **{"class": "tile"}) == min(40, wrong)
    assert f"it reads {60 - wrong} right" in page.html


def test_confusion_matrix_counts(parts):
    _, held, page = parts
    table = re.search('<table class="matrix"[^>]*>(.*?)</table>', page.html, re.DOTALL)[1]
    rows = re.findall(r'<tr><th scope="row">(\d)</th>(.*?)</tr>', table)
    assert [name for name, _ in rows] == list(CLASSES)
    for i, (_, cells) in enumerate(rows):
        counts = [int(n) for n in re.findall(r"<td(?! class=\"share)[^>]*>(?:<span class=\"sr\">)?(\d+)<", cells)]
        assert counts == [int(((held.labels == i) & (held.predictions == j)).sum()) for j in range(10)]


def test_mistakes_come_with_the_surest_first(parts):
    _, held, page = parts
    sure = [float(p) for p in re.findall(r"</b>([\d.]+) %<br>is", page.html)]
    assert sure == sorted(sure, reverse=True)
    wrong = held.predictions != held.labels
    assert sure[0] == pytest.approx(100 * held.certainty[wrong].max(), abs=0.05)


def test_weights_and_pictures_are_embedded_to_the_bit(parts):
    model, held, page = parts
    data = data_of(page)
    for layer, (weight, bias, name) in zip(data["layers"], chain_of(model), strict=True):
        assert layer["f"] == name
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(layer["w"]), "<f4"), weight.data.ravel())
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(layer["b"]), "<f4"), bias.data)
    first = np.frombuffer(base64.b64decode(data["samples"][0]["x"]), "<f4").reshape(16, 16)
    np.testing.assert_array_equal(first, held.images[0])
    last = held.surest_mistakes[:40][-1]
    shown = np.frombuffer(base64.b64decode(data["samples"][-1]["x"]), "<f4").reshape(16, 16)
    np.testing.assert_array_equal(shown, held.images[last])


def test_names_of_any_kind_are_shown_and_end_nothing():
    evil = '</script><script>alert(1)</script><img src=x onerror=alert(1)> & "q" \'\u2028'
    random = np.random.default_rng(0)
    classes = (evil, "权重")
    held = held_out(random, 20, classes)
    weight = random.random((2, 256), np.float32)
    x = ag.Tensor(held.images[:1].reshape(1, 256), dtype="float32", requires_grad=True)
    picture = viz.draw_network(lambda given: ag.linear(given, weight, None), x, 0, title=evil)
    specimens = [Specimen(held.images[0], evil, picture)]
    page = lab_report(title=evil, history=HISTORY, held=held, layers=[(weight, None, "softmax")], neurons=specimens,
                      facts={evil: evil})  # fmt: skip
    outline = Outline(page.html)
    assert outline.count("img") == 0
    assert outline.count("script") == 2
    assert any(evil in text for text in outline.text)
    assert data_of(page)["classes"] == list(classes)


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        (None, "this network is no chain of linear layers and activations"),
        ([(np.zeros((10, 256)), None, "gelu")], "this page cannot compute the activation gelu"),
        ([(np.zeros((WEIGHTS // 256 + 1, 256)), None, "tanh"), (np.zeros((10, WEIGHTS // 256 + 1)), None, "softmax")],
         "weights would make this page too large"),
    ],
)  # fmt: skip
def test_without_a_pad_there_is_a_sentence(layers, sentence):
    page = lab_report(title="t", history=HISTORY, held=held_out(np.random.default_rng(0)), layers=layers)
    assert "There is no pad to draw on: " in page.html
    assert sentence in page.html
    assert 'id="pad"' not in page.html
    assert "data-put=" not in page.html.split("<script")[0]
    assert data_of(page) == {"layers": None}


def test_what_is_not_given_is_left_out():
    page = lab_report(title="t", history=HISTORY, held=held_out(np.random.default_rng(0)), layers=None)
    assert [a["id"] for tag, a in Outline(page.html).tags if tag == "section"] == ["draw", "learning", "mistakes"]


def test_a_picture_that_cannot_be_drawn_is_a_sentence(parts, monkeypatch):
    model, held, _ = parts
    monkeypatch.setattr("viz.drawing.render.engines", list)
    picture = viz.draw_network(model, held.images[0].reshape(256), 1)
    page = lab_report(
        title="t", history=HISTORY, held=held, layers=None, neurons=[Specimen(held.images[0], "a", picture)]
    )
    assert "Not drawn: no layout engine was found" in page.html


def test_what_does_not_fit_together_is_refused(tmp_path):
    held = held_out(np.random.default_rng(0))
    common = {"title": "t", "history": HISTORY, "held": held}
    with pytest.raises(ValueError, match=r"layer 1 has a weight \(10, 6\) and no bias, but 5 numbers come in"):
        lab_report(layers=[(np.zeros((5, 256)), None, "tanh"), (np.zeros((10, 6)), None, "softmax")], **common)
    with pytest.raises(ValueError, match="gives 5 numbers for 10 classes"):
        lab_report(layers=[(np.zeros((5, 256)), None, "softmax")], **common)
    with pytest.raises(ValueError, match="do not go together with 10 classes"):
        Held(np.zeros((3, 16, 16)), [0, 1], np.zeros((3, 10)), CLASSES)
    with pytest.raises(ValueError, match=r"saves as \.html"):
        lab_report(tmp_path / "x.pdf", layers=None, **common)
    assert lab_report(tmp_path / "x.html", layers=None, **common).html == (tmp_path / "x.html").read_text("utf-8")


# ---------------------------------------------------------------- what its script computes


def computed(script, given):
    """What ``script``, run after the page's arithmetic, gives for ``given``."""
    net = (Path(viz.__file__).parent / "pages/net.js").read_text(encoding="utf-8")
    program = f"{net}\nconst given = JSON.parse(require('fs').readFileSync(0));\nconsole.log(JSON.stringify({script}))"
    run = subprocess.run([NODE, "-e", program], input=json.dumps(given).encode(), capture_output=True, check=True)
    return json.loads(run.stdout)


@needs_node
def test_the_page_computes_what_the_library_computes(parts):
    model, held, page = parts
    script = (
        "given.images.map(x => forward(given.layers.map(l => ({...l, w: floats(l.w), b: l.b && floats(l.b)})), x)"
        ".map(({z, a}) => [[...z], [...a]]))"
    )
    images = held.images.reshape(-1, 256)[:20]
    found = computed(script, {"layers": data_of(page)["layers"], "images": images.tolist()})
    a = ag.asarray(images.astype(np.float32))
    linear = [module for module in model.layers if isinstance(module, nn.Linear)]
    for k, module in enumerate(linear):
        z = module(a)
        a = ag.softmax(z) if module is linear[-1] else ag.sigmoid(z)
        np.testing.assert_allclose([layers[k][0] for layers in found], z.data, rtol=0, atol=1e-5)
        np.testing.assert_allclose([layers[k][1] for layers in found], a.data, rtol=0, atol=1e-5)


@needs_node
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_the_librarys(name):
    z = np.array([-800.0, -30, -2, -0.5, 0, 1e-8, 0.7, 3, 40, 800])
    found = computed(f"[...ACTIVATIONS[{json.dumps(name)}](Float64Array.from(given))]", z.tolist())
    wanted = z if name == "identity" else getattr(ag, name)(ag.asarray(z)).data
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


@needs_node
def test_a_drawing_is_prepared_as_the_training_data_are():
    pytest.importorskip("PIL")
    random = np.random.default_rng(0)
    drawings = [np.zeros((16, 16), bool)]
    drawings[0][15, 0] = True
    images = digits().x_test.reshape(-1, 16, 16) > 0
    for image in images[:80]:
        height, width = random.integers(5, 17, 2)
        small = image[np.ix_(np.arange(height) * 16 // height, np.arange(width) * 16 // width)]
        drawing = np.zeros((16, 16), bool)
        top, left = random.integers(0, 17 - height), random.integers(0, 17 - width)
        drawing[top : top + height, left : left + width] = small
        drawings += [drawing] if small.any() else []
    assert len(drawings) > 70
    found = computed(
        "given.map(x => [...prepared(x, 16)])", [drawing.ravel().astype(int).tolist() for drawing in drawings]
    )
    wanted = [to_ink(255 * drawing.astype(np.uint8)).ravel() for drawing in drawings]
    np.testing.assert_array_equal(found, wanted)
    assert computed("[...prepared(given, 16)]", [0] * 256) == [0] * 256


# ---------------------------------------------------------------- how it behaves

POINT = """
const pad = document.getElementById('pad');
const touch = (type, row, column, buttons = 1) => {
    const b = pad.getBoundingClientRect();
    pad.dispatchEvent(new PointerEvent(type, {bubbles: true, cancelable: true, pointerId: 1, buttons,
        clientX: b.left + column / 16 * b.width, clientY: b.top + row / 16 * b.height}));
};
const ink = e => [...e.querySelectorAll('rect:not(.cursor)')].map(r => r.style.fill === 'rgb(18, 58, 97)' ? 1 : 0);
const push = (k, shiftKey = false) =>
    pad.dispatchEvent(new KeyboardEvent('keydown', {key: k, shiftKey, bubbles: true}));
const answers = () => [...document.querySelectorAll('#answers .p')].map(e => e.textContent);
const click = q => document.querySelector(q).click();
"""


def says(model, ink):
    """The words for a drawing (256,), computed by the library."""
    p = ag.softmax(model(ag.asarray(np.asarray(ink, np.float32)[None]))).data[0]
    return f"It says {p.argmax()}, {100 * p.max():.0f} %." if p.max() >= 0.0995 else None


@needs_browser
def test_drawing_with_a_pointer_and_with_keys(parts, tmp_path):
    model, held, page = parts
    seen = browse(
        page,
        tmp_path,
        POINT
        + """
        seen.first = ink(pad); seen.truth = text('#truth'); seen.says = text('#says');
        click('#clear'); seen.clear = ink(pad).reduce((a, b) => a + b); seen.nothing = text('#says');
        touch('pointerdown', 2, 8); touch('pointermove', 14, 8); touch('pointerup', 14, 8, 0);
        touch('pointermove', 3, 1, 0);
        seen.line = ink(pad); seen.sees = ink(document.getElementById('sees')); seen.said = text('#says');
        click('#erase'); touch('pointerdown', 2, 8); touch('pointerup', 2, 8, 0); seen.erased = ink(pad);
        click('#clear');
        push(' '); push('ArrowRight', true); push('ArrowDown'); push(' '); push(' ');
        seen.keys = ink(pad).flatMap((v, i) => v ? [i] : []); seen.where = text('#where');
        push('Delete'); seen.deleted = ink(pad).reduce((a, b) => a + b);
        seen.names = [...document.querySelectorAll('#answers th')].map(e => e.textContent); seen.p = answers();
        """,
    )
    assert seen["first"] == held.images[0].ravel().tolist()
    assert seen["truth"] == "number 0 from the digits below."
    assert seen["says"] == says(model, held.images[0].ravel())
    assert (seen["clear"], seen["nothing"]) == (0, "Nothing is drawn yet.")
    line = np.array(seen["line"]).reshape(16, 16)
    assert line[1:15, 7:9].all()
    assert line.sum() == 28
    wanted = to_ink(255 * line.astype(np.uint8))
    np.testing.assert_array_equal(np.array(seen["sees"]).reshape(16, 16), wanted)
    assert seen["said"] == says(model, wanted.ravel())
    assert sum(seen["line"]) - sum(seen["erased"]) == 4
    assert seen["keys"] == [8 * 16 + 8, 8 * 16 + 9]
    assert seen["where"] == "row 10, column 10, paper"
    assert seen["deleted"] == 0
    assert seen["names"] == list(CLASSES)
    assert all(p.endswith(" %") for p in seen["p"])


@needs_browser
def test_mistakes_and_chosen_digits_go_to_the_pad(parts, tmp_path):
    model, held, page = parts
    seen = browse(
        page,
        tmp_path,
        POINT
        + """
        click('.tile'); seen.tile = ink(pad); seen.says = text('#says'); seen.truth = text('#truth');
        click('#choose button:nth-child(3)');
        seen.shown = [...document.querySelectorAll('.neurons')].map(f => !f.hidden);
        seen.pressed = [...document.querySelectorAll('#choose button')].map(b => b.getAttribute('aria-pressed'));
        click('#put'); seen.put = ink(pad);
        seen.label = document.getElementById('layer0').getAttribute('aria-label');
        """,
    )
    worst = held.surest_mistakes[0]
    assert seen["tile"] == held.images[worst].ravel().tolist()
    assert seen["truth"] == f"A {held.labels[worst]} that it reads as {held.predictions[worst]}."
    assert seen["says"] == says(model, held.images[worst].ravel())
    assert seen["shown"] == [False, False, True]
    assert seen["pressed"] == ["false", "false", "true"]
    assert seen["put"] == held.images[2].ravel().tolist()
    assert seen["label"].startswith("12 activations, mean 0.")


@needs_browser
def test_theme_reaches_every_picture_and_the_page_inside(parts, tmp_path):
    script = """
        const inside = () => document.querySelector('iframe').contentDocument;
        const ground = d => getComputedStyle(d.body).backgroundColor;
        await new Promise(done => setTimeout(done, 500));
        document.querySelector('#steps').scrollIntoView();
        await new Promise(done => setTimeout(done, 500));
        seen.inside = inside().querySelector('h1').textContent;
        seen.grounds = [ground(document), ground(inside())];
        document.getElementById('theme').click();
        seen.changed = [ground(document), ground(inside())];
        seen.wide = document.documentElement.scrollWidth;
    """
    _, _, page = parts
    seen = browse(page, tmp_path, script, "#theme=dark", "--virtual-time-budget=9000", "--window-size=500,900")
    dark, light = "rgb(20, 23, 28)", "rgb(255, 255, 255)"
    assert seen["inside"] == "Two"
    assert seen["grounds"] == [dark, dark]
    assert seen["changed"] == [light, light]
    assert seen["wide"] <= 500, "nothing makes the page wider than its window"


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough_for_every_word(parts, tmp_path, theme):
    seen = browse(parts[2], tmp_path, LOW_CONTRAST, f"#theme={theme}")
    assert seen["low"] == []
    assert seen["count"] > 200


@needs_browser
def test_every_colour_of_a_drawing_follows_the_theme(parts, tmp_path):
    """What is left in a light colour is a ramp's, or stands on a ramp's."""
    script = """
        const drawn = [...document.querySelectorAll('.neurons:not([hidden]) .edge:not(.hollow) path')];
        seen.strokes = drawn.map(e => getComputedStyle(e).stroke.match(/[\\d.]+/g).map(Number));
        seen.hollow = [...document.querySelectorAll('.hollow path')].map(e => getComputedStyle(e).stroke);
        seen.words = [...document.querySelectorAll('.neurons .neuron text')].map(e => getComputedStyle(e).fill);
    """
    seen = browse(parts[2], tmp_path, script, "#theme=dark")
    knob, paper = np.array([223, 192, 80]) / 255, np.array([20, 23, 28]) / 255
    assert len(seen["strokes"]) > 30
    for stroke in seen["strokes"]:  # color-mix() is given in shares of 1
        rgb = np.array(stroke[:3]) / (255 if max(stroke) > 1 else 1)
        t = (rgb - paper) @ (knob - paper) / ((knob - paper) @ (knob - paper))
        np.testing.assert_allclose(rgb, paper + t * (knob - paper), atol=0.01)
    assert set(seen["hollow"]) == {"rgb(20, 23, 28)"}
    assert set(seen["words"]) <= {"rgb(28, 33, 40)", "rgb(253, 253, 254)"}


def test_words_inside_the_frame_are_escaped_once(parts):
    _, _, page = parts
    inside = next(a["srcdoc"] for tag, a in Outline(page.html).tags if tag == "iframe")
    assert inside.startswith("<!doctype html>")
    assert html.escape(inside) in page.html
