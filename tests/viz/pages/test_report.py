"""The lab report: what is on the page, what its script computes (in node), how it behaves (in headless Chromium)."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.data import digits
from glassgrad.nn.data.embedded import to_ink
from glassgrad.viz.drawing.words import speaking
from glassgrad.viz.pages import emitted
from glassgrad.viz.pages.emitted import in_double
from glassgrad.viz.pages.pad import pad
from glassgrad.viz.pages.report import Held, Specimen, lab_report
from glassgrad.viz.pages.stage import step_through
from tests.viz.drawing.test_words import shown
from tests.viz.pages.browser import LOW_CONTRAST, browse, evaluated, needs_node
from tests.viz.pages.browser import needs_chromium as needs_browser

pytest.importorskip("matplotlib")

HISTORY = {"loss": [0.9, 0.4], "validation_loss": [0.8, 0.5], "accuracy": [0.6, 0.8]}
CLASSES = tuple("0123456789")


def held_out(random, n=60, classes=CLASSES, **options):
    images = (random.random((n, 16, 16)) < 0.3).astype(np.float32)
    probabilities = random.dirichlet(np.ones(len(classes)), n)
    return Held(images, random.integers(0, len(classes), n), probabilities, classes, **options)


def made_parts():
    """A small network, what it says of held-out noise, and the report of it."""
    random = np.random.default_rng(3)
    model = nn.MLP([256, 12, 7, 10], seed=1)
    held = held_out(random, crop=True)
    x = ag.Tensor(held.images[:2].reshape(2, 256).astype(np.float32), name="x")
    loss = nn.functional.cross_entropy(model(x), ag.asarray(held.labels[:2]))
    pictures = [
        viz.draw_network(model, held.images[i].reshape(256), int(held.labels[i]), image=(16, 16)) for i in range(3)
    ]
    specimens = [Specimen(held.images[i], f"number {i}", picture) for i, picture in enumerate(pictures)]
    page = lab_report(
        title="A report",
        history=HISTORY,
        held=held,
        model=model,
        modules=viz.draw_modules(loss),
        neurons=specimens,
        steps=step_through(loss, title="Two"),
        facts={"digits": "55,000 digits to learn from, 5,000 to choose the weights by"},
        saliency=viz.saliency(model, x, image=(16, 16)),
    )
    return model, held, page


@pytest.fixture(scope="module")
def parts():
    return made_parts()


def data_of(page):
    return json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)[1])


def mistakes_of(page):
    """The samples of a page that the network reads as another class."""
    return [sample for sample in data_of(page)["samples"] if sample.get("said", sample["label"]) != sample["label"]]


def markup(page):
    """The page without its scripts."""
    return re.sub("<script.*?</script>", "", page.html, flags=re.DOTALL)


# ---------------------------------------------------------------- what is on the page


def test_page_has_every_part_once(parts):
    _, held, page = parts
    html = markup(page)
    sections, ids = re.findall('<section id="(.*?)"', html), re.findall(' id="(.*?)"', html)
    assert sections == ["draw", "learning", "mistakes", "looks", "modules", "neurons", "steps"]
    assert re.findall('<a href="#(.*?)"', html) == sections
    assert len(ids) == len(set(ids)), "an id is given once"
    assert set(re.findall('<section .*?aria-labelledby="(.*?)"', html)) <= set(ids)
    assert (html.count("<iframe"), html.count('<figure class="neurons"')) == (1, 3)
    wrong = int((held.predictions != held.labels).sum())
    assert len(mistakes_of(page)) == min(40, wrong)
    assert f"reads {60 - wrong} of 60 unseen pictures correctly" in page.html


def test_mistakes_come_with_the_surest_first(parts):
    _, held, page = parts
    sure = [float(sample["share"].removesuffix(" %")) for sample in mistakes_of(page)]
    assert sure == sorted(sure, reverse=True)
    wrong = held.predictions != held.labels
    assert sure[0] == pytest.approx(100 * held.certainty[wrong].max(), abs=0.05)


def test_names_of_any_kind_are_shown_and_end_nothing():
    evil = '</script><script>alert(1)</script><img src=x onerror=alert(1)> & "q" \'\u2028'
    random = np.random.default_rng(0)
    classes = (evil, "权重")
    held = held_out(random, 20, classes)
    weight = ag.Tensor(random.random((2, 256), np.float32), requires_grad=True, name=evil)
    x = ag.Tensor(held.images[:1].reshape(1, 256), dtype="float32", requires_grad=True)
    picture = viz.draw_network(lambda given: ag.linear(given, weight, None), x, 0, title=evil)
    specimens = [Specimen(held.images[0], evil, picture)]
    network = lambda x: ag.linear(x, weight, None)  # noqa: E731
    page = lab_report(title=evil, history=HISTORY, held=held, model=network, neurons=specimens, facts={evil: evil})
    assert "<img" not in page.html
    assert page.html.count("<script") == 3
    assert emitted.text(evil) in page.html
    assert data_of(page)["classes"] == list(classes)


def test_without_a_pad_there_is_a_sentence(monkeypatch):
    held = held_out(np.random.default_rng(0))
    common = {"title": "t", "history": HISTORY, "held": held}
    draw = nn.init.generator(0)
    noisy = nn.Sequential(nn.Linear(256, 10), nn.Dropout(0.5, seed=draw))
    large = nn.Linear(256, 10)
    cases = (None, "no model"), (noisy, "generator.random"), (large, "its 2,570 numbers take 0.027 MB of page")
    for network, sentence in cases:
        if network is large:
            monkeypatch.setattr(emitted, "STATES", 2_000)
        page = lab_report(model=network, **common)
        assert re.search(f"There is no pad to draw on: [^<]*{sentence}", page.html), sentence
        assert 'id="pad"' not in page.html
        assert data_of(page)["network"] is None


def test_what_is_not_given_is_left_out_and_the_page_is_saved(tmp_path):
    held = held_out(np.random.default_rng(0))
    page = lab_report(tmp_path / "x.html", title="t", history=HISTORY, held=held, model=None)
    assert page.html == (tmp_path / "x.html").read_text("utf-8")
    assert re.findall('<section id="(.*?)"', page.html) == ["draw", "learning", "mistakes"]


def test_a_picture_that_cannot_be_drawn_is_a_sentence(parts, monkeypatch):
    model, held, _ = parts
    monkeypatch.setattr("glassgrad.viz.drawing.render.engines", list)
    picture = viz.draw_network(model, held.images[0].reshape(256), 1)
    page = lab_report(
        title="t", history=HISTORY, held=held, model=None, neurons=[Specimen(held.images[0], "a", picture)]
    )
    assert "Not drawn: no layout engine was found" in page.html


# ---------------------------------------------------------------- what its script computes


RUN = """
const bytes = text => new Uint8Array(Buffer.from(text, 'base64')).buffer, memory = {};
for (const [name, [kind, stored, text]] of Object.entries(given.states))
    memory[name] = globalThis[kind].from(new (stored === 'f4' ? Float32Array : Float64Array)(bytes(text)));
const program = program_pad(memory), { outputs } = program;
program.inputs[0].data.set(given.x);
program.inputs[1].data.fill(8);
program.run();
const found = { loss: outputs[0].data[0], p: [...outputs[1].data], dx: [...outputs.at(-1).data] };
"""


@needs_node
@pytest.mark.parametrize("name", ["mlp", "lenet", "cnn", "lstm", "transformer"])
def test_the_page_computes_what_the_library_computes_forward_and_back(name):
    row = NETWORKS[name]
    model = row.build((16, 16), 10, row.hidden and (9,), 0).eval()
    made = pad(model, None, None, (16, 16), 10)
    assert made.refusal == ""
    x = np.random.default_rng(0).random((1, 256))
    found = evaluated("found", made.script, RUN, given=made.data | {"x": x.ravel().tolist()})
    with in_double([*model.parameters(), *model.buffers()]):
        picture = ag.Tensor(x, requires_grad=True)
        output = model(picture)
        loss = ag.cross_entropy(output, ag.Tensor([8]))
        slope = ag.gradients(loss, picture)
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(found["p"], ag.softmax(output).data[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["dx"], slope.data[0], rtol=0, atol=1e-12)


def test_layers_are_those_behind_activations_poolings_and_loops():
    found = {}
    for name in ("cnn", "gru", "transformer"):
        row = NETWORKS[name]
        made = pad(row.build((16, 16), 10, row.hidden and (9,), 0).eval(), None, None, (16, 16), 10)
        found[name] = [(layer["shape"], layer["by"]) for layer in made.data["layers"]]
    assert found["cnn"] == [
        ((24, 16, 16), "relu"),
        ((24, 8, 8), "max_pool"),
        ((48, 8, 8), "relu"),
        ((48, 4, 4), "max_pool"),
        ((9,), "relu"),
    ]
    assert found["gru"] == [((16, 128), "reshape")]
    assert found["transformer"][0] == ((4, 16, 16), "softmax")


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
    given = [drawing.ravel().astype(int).tolist() for drawing in drawings]
    found = evaluated("given.map(x => [...prepared(x, 16)])", "ink.js", given=given)
    wanted = [to_ink(255 * drawing.astype(np.uint8)).ravel() for drawing in drawings]
    np.testing.assert_array_equal(found, wanted)
    assert evaluated("[...prepared(given, 16)]", "ink.js", given=[0] * 256) == [0] * 256


# ---------------------------------------------------------------- how it behaves

SCRIPT = Path(__file__).with_name("report.js").read_text("utf-8")


def says(model, ink):
    """The words for a drawing (256,), computed by the library."""
    p = ag.softmax(model(ag.asarray(np.asarray(ink, np.float32)[None]))).data[0]
    return f"It says {p.argmax()}, {100 * p.max():.0f} %." if p.max() >= 0.0995 else None


@pytest.mark.check
@needs_browser
def test_drawing_with_a_pointer_and_with_keys(parts, tmp_path):
    model, held, page = parts
    seen = browse(page, tmp_path, SCRIPT + "await draw();")
    first = (held.predictions == held.labels).argmax()
    assert seen["first"] == held.images[first].ravel().tolist()
    assert seen["truth"] == f"An unseen {held.labels[first]}. Draw over it."
    assert seen["says"] == says(model, held.images[first].ravel())
    assert (seen["replaced"], seen["added"]) == (4, 8), "the first stroke replaces a sample, the next ones add to it"
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


@pytest.mark.check
@needs_browser
def test_a_digit_is_made_another_one_by_the_gradient_of_its_pixels(parts, tmp_path):
    model, held, page = parts
    seen = browse(page, tmp_path, SCRIPT + "await aim();")
    first = (held.predictions == held.labels).argmax()
    with in_double(model.parameters()):
        x = ag.Tensor(held.images[first].reshape(1, 256).astype(float), requires_grad=True)
        losses = {c: ag.cross_entropy(model(x), ag.Tensor([c])) for c in (3, 8)}
        (slope,) = ag.gradients(losses[3], [x])
    assert seen["loss"] == pytest.approx(losses[8].item(), rel=1e-12)
    assert seen["aimed"] == "8"
    assert "with 8 as the target" in seen["words"]
    assert seen["layer"].startswith("Their gradients, rms ")
    assert seen["three"] == pytest.approx(losses[3].item(), rel=1e-12)
    assert (seen["chosen"], seen["flip"]) == ("3", "Change the pixel that helps most to make it 3")
    ink, g = held.images[first].ravel(), slope.data.ravel()
    assert seen["changed"] == [int(np.where(g > 0, g * ink, g * (ink - 1)).argmax())]
    assert seen["after"] < seen["three"]
    assert seen["blue"] > 0


@pytest.mark.check
@needs_browser
def test_mistakes_and_chosen_digits_go_to_the_pad(parts, tmp_path):
    model, held, page = parts
    seen = browse(page, tmp_path, SCRIPT + "await choose();")
    worst = held.surest_mistakes[0]
    assert seen["tile"] == held.images[worst].ravel().tolist()
    assert seen["truth"] == f"A {held.labels[worst]} that it reads as {held.predictions[worst]}."
    assert seen["says"] == says(model, held.images[worst].ravel())
    assert seen["shown"] == [False, False, True]
    assert seen["pressed"] == ["false", "false", "true"]
    assert seen["put"] == held.images[2].ravel().tolist()
    assert seen["label"].startswith("12 activations, mean 0.")


@pytest.mark.check
@needs_browser
def test_theme_reaches_every_picture_and_the_page_inside(parts, tmp_path):
    _, _, page = parts
    script, options = SCRIPT + "await themes();", ("--virtual-time-budget=9000", "--window-size=500,900")
    seen = browse(page, tmp_path, script, "#theme=dark", *options)
    dark, light = "rgb(20, 23, 28)", "rgb(255, 255, 255)"
    assert seen["inside"] == "Two"
    assert seen["grounds"] == [dark, dark]
    assert seen["changed"] == [light, light]
    assert (seen["turned"], seen["filters"]) == (["invert(1) hue-rotate(180deg)"], ["none"])
    assert seen["wide"] <= 500, "nothing makes the page wider than its window"


@pytest.mark.check
@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough_for_every_word(parts, tmp_path, theme):
    seen = browse(parts[2], tmp_path, LOW_CONTRAST, f"#theme={theme}")
    assert seen["low"] == []
    assert seen["count"] > 150


@pytest.mark.check
@needs_browser
def test_no_english_word_is_left_in_a_chinese_report(tmp_path):
    with speaking("zh"):
        _, _, page = made_parts()
    assert shown(page, tmp_path, "report", "number", "Two", "Linear", "MLP", "score", "Gradient")["left"] == []
