"""The Chinese of pages and pictures: the table is whole and nothing in it is idle, and no English is left in a page."""

import ast
import html
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz import lesson
from glassgrad.viz.drawing import words
from glassgrad.viz.lesson import run
from glassgrad.viz.pages import emitted
from tests.sampling import sampled
from tests.viz.formula.examples import EXAMPLES
from tests.viz.pages.browser import browse, needs_chromium, whole

ROOT = Path(viz.__file__).parent
CHINESE = words.table("zh")
ALIKE = {"Aa", "G", "Home", "End", "B", "T", "N", "P", "C", "{} {}"}  # names of keys, and what has no words
ASSETS = ROOT / "pages/assets"


def python():
    """The tree of each module of viz."""
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))]


def strings(tree):
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def of_scripts():
    found = []
    for path in ASSETS.rglob("*.js"):
        script = words.translated(path.read_text(encoding="utf-8"), lambda sentence: found.append(sentence) or sentence)
        assert not re.search(r"(?<![\w$.])say`", script), f"{path.name}: a template within one within one"
    return {*found}


def of_templates():
    found = set()
    for path in ASSETS.rglob("*.html"):
        text = re.sub(r"/\* .*? \*/", "", path.read_text(encoding="utf-8"))
        said = [match[2] for pattern in (words.TEXTS, words.LABELS) for match in pattern.finditer(text)]
        found.update(" ".join(html.unescape(sentence).split()) for sentence in said)
    return {sentence for sentence in found if re.search("[a-zA-Z]", re.sub(r"\{\w+\}", "", sentence))}


def of_python():
    """The sentences that `say` and `tex_said` are given as they are."""
    found = set()
    for tree in python():
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called in ("say", "tex_said") and node.args:
                given = node.args[0]
                if isinstance(given, ast.Constant):
                    found.add(given.value)
                elif isinstance(given, ast.IfExp):
                    found |= {given.body.value, given.orelse.value}
    return found


def test_every_sentence_of_a_page_has_a_chinese_one():
    assert (of_scripts() | of_templates() | of_python()) - CHINESE["said"].keys() - ALIKE == set()


def test_every_sentence_of_the_table_is_said_somewhere():
    named = {title.capitalize().replace("_", " ") for title in ag.OPS}
    known = of_scripts() | of_templates() | named
    known |= {string for tree in python() for string in strings(tree)}
    assert CHINESE["said"].keys() - known == set()


def test_every_word_that_is_looked_for_in_pictures_is_written_somewhere():
    """Pictures and checks write with f-strings, of which a sentence is a part: each of its words stands in the code."""
    engine = Path(ag.__file__).parent
    folders = [ROOT, Path(nn.__file__).parent, engine / "testing", engine / "compiler/passes"]
    written = " ".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    written += " ".join(lesson.text.source(name, "en") for name in lesson.text.stems())
    known = set(re.findall(r"\w+", written.lower()))
    wanted = {word for key in CHINESE["found"] for word in re.findall(r"[a-z]{3,}", key.lower())}
    assert wanted - known == set()


@pytest.mark.parametrize("section", ["said", "found"])
def test_a_chinese_sentence_has_the_fields_of_the_english_one(section):
    for english, chinese in CHINESE[section].items():
        wanted, found = (re.findall(r"\{(\w*)\}", sentence) for sentence in (english, chinese))
        if any(wanted):
            assert set(found) <= set(wanted), english
        elif any(found):
            assert set(map(int, found)) <= set(range(len(wanted))), english
        else:
            assert len(found) == len(wanted), english


def test_the_language_is_that_of_the_argument_or_of_the_lesson():
    w = ag.Tensor(2.0, True, name="w")
    try:
        lesson.speak("zh")
        assert '<html lang="zh-Hans">' in viz.step_through(w * w).html
        assert '<html lang="en">' in viz.step_through(w * w, language="en").html
    finally:
        lesson.speak("en")
    page = whole(viz.step_through(w * w, title="<b>", language="zh").html)
    assert "&lt;b&gt;" in page
    assert "随意拖动任何数" in page
    assert "say`" not in page


def test_names_of_the_user_stay_as_they_are():
    value, grad = (ag.Tensor(v, True, name=name) for v, name in (([[2.0, 1.0]], "value"), ([[1.0, 3.0]], "grad")))
    page = viz.step_through(ag.sum(value * grad), names={"value": value, "grad": grad}, language="zh").html
    assert '"n":"value"' in page
    assert '"n":"grad"' in page
    mean, loss = ag.Tensor(2.0, True, name="mean"), ag.Tensor(3.0, True, name="loss")
    page = viz.step_through(loss * mean + loss, language="zh")
    assert page.title == "L = loss·mean + loss"
    assert "均值" not in page.html


@pytest.mark.parametrize(
    "draw", [lambda loss: viz.draw_graph(loss, gradients=True), viz.draw_tape, viz.draw_modules, viz.draw_model]
)
def test_names_of_the_user_stay_as_they_are_in_pictures_of_the_lesson(draw):
    """A Tensor and a module may be named after a word of the table."""
    given = ag.Tensor([[1.0, 2.0]], name="weight")
    model = nn.Sequential({"output": nn.Sequential({"value": nn.Linear(2, 3), "input": nn.Linear(3, 3)})})
    with words.speaking("zh"):
        picture = run.shown(draw(ag.sum(model(given))))["image/svg+xml"]
    told = " ".join(re.findall(r">([^<]*)<", picture))
    assert "权重" not in re.sub("权重的梯度|权重：", "", told)
    assert "输出" not in re.sub("右侧：输出的形状", "", told)
    assert "weight" in re.findall(r"\w+", told)


def test_names_of_classes_stay_as_they_are_in_pictures_of_the_lesson():
    classes = ["loss", "weight"]
    images = np.zeros((2, 4, 4))
    with words.speaking("zh"):
        drawn = [
            viz.draw_network(nn.MLP([2, 2, 2], seed=0), [1.0, -1.0], classes=classes),
            viz.plot_digits(images, [0, 1], [1, 1], classes=classes),
            viz.plot_confusion([0, 1], [1, 1], classes=classes),
            viz.saliency(nn.MLP([2, 2], seed=0), np.ones((1, 2), "float32"), 1, classes=classes),
        ]
        for picture in drawn:
            told = re.findall(r">([^<]*)<", run.shown(picture)["image/svg+xml"])
            assert "weight" in " ".join(told)
            assert not {"损失", "权重"} & {text.strip() for text in told}


def test_what_was_0_is_no_place_that_a_gradient_comes_from():
    with words.speaking("zh"):
        assert words.told("from 0, moved 2") == "从 0 起，移动 2"
        assert words.told("from t3") == "来自 t3"


# ---------------------------------------------------------------- derivations

FORMULAS = [  # words of formulas, as in English
    *("softmax", "scatter", "sum", "mean", "cross_entropy", "one_hot", "sign", "mask", "else", "max", "conv", "tanh"),
    *("stride", "padding", "groups", "size", "max_pool", "max_unpool", "conv_input", "conv_weight", "space", "exp"),
    *("scan", "scan_back", "loop", "over", "batch", "the", "RNN", "max_", "rnn_tanh_", "_times", "axis", "all"),
    *("entries", "min", "sin", "cos", "layers", "weight"),
]


@pytest.mark.check
def test_no_english_word_is_left_in_a_chinese_derivation():
    for make in EXAMPLES.values():
        english, chinese = make(), in_chinese(make)
        left = set(re.findall(r"[A-Za-z_]{3,}", chinese.text)) - {*FORMULAS}
        assert all(re.search(r"^a_b$|(weight|bias)_[ih]h_l", word) for word in left), left
        assert formulas(english.text) == formulas(chinese.text)
        assert chinese.latex.count("\\\\") == english.latex.count("\\\\")


def in_chinese(make):
    with words.speaking("zh"):
        return make()


def formulas(text):
    """The equations of a derivation that have no words in them."""
    found = re.findall(r"^  (\S+ = \S.*?)(?:  |$)", text, re.M)
    return [line for line in found if not re.search("window|窗口|more|另有|too|同样", line)]


# ---------------------------------------------------------------- pages as they are shown

LEFT = """
const frame = () => new Promise(done => setTimeout(done, 150));
const ALLOWED = new Set(%s), left = new Set();
function look() {
  const bare = text => text.replace(/[\\w]+(\\.\\w+)+|\\w+=/g, '');
  const take = text => (bare(text).match(/[A-Za-z_]{3,}/g) || []).filter(w => !ALLOWED.has(w))
    .forEach(w => left.add(`${w}: ${text.trim().slice(0, 90)}`));
  const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (walk.nextNode())
    if (!walk.currentNode.parentElement.closest('script, style, pre, code, kbd')) take(walk.currentNode.textContent);
  document.querySelectorAll('[aria-label], [title], [placeholder], [aria-valuetext]').forEach(e =>
    ['aria-label', 'title', 'placeholder', 'aria-valuetext'].forEach(name => take(e.getAttribute(name) || '')));
}
const all_ = q => [...document.querySelectorAll(q)];
for (const way of ['why', 'nudge', 'paths', 'predict']) {
  document.querySelector(`[data-way=${way}]`)?.click();
  await frame();
  for (const b of all_('.seg').filter((_, i, some) => i %% Math.ceil(some.length / 25) === 0)) {
    b.click(); look();
    const form = () => document.querySelector('.predict form');
    for (const guess of form() ? ['', '0.123', '77'] : []) {
      form().querySelector('input').value = guess; form().requestSubmit(); look();
    }
    document.querySelector('.predict form button[type=button]')?.click(); look();
  }
}
for (const id of ['descend', 'theme', 'play', 'run', 'run', 'one', 'theme']) {
  document.getElementById(id)?.click(); await frame(); look();
}
document.querySelector('.sec > button')?.click(); look();
dispatchEvent(new Event('beforeprint')); look(); dispatchEvent(new Event('afterprint'));
seen.left = [...left]; seen.lang = document.documentElement.lang;
"""
NAMES = [  # of operations and of their parameters, as formulas have them, and of libraries
    *("sigmoid", "Sigmoid", "tanh", "Tanh", "relu", "ReLU", "exp", "log", "softmax", "log_softmax", "logsumexp", "max"),
    *("sum", "mean", "matmul", "linear", "conv", "conv_input", "conv_weight", "weight", "bias", "sin", "cos", "Sin"),
    *("Conv", "NumPy", "PyTorch", "float", "inf", "nan", "if", "else"),
]


def shown(page, tmp_path, *names):
    return browse(page, tmp_path, LEFT % [*NAMES, *names], "", "--virtual-time-budget=40000")


def network(batch, sizes=(2, 3, 2)):
    a = ag.Tensor(np.linspace(-1, 1, 2 * batch).reshape(batch, 2), name="x")
    for i, (m, n) in enumerate(pairwise(sizes)):
        w = ag.Tensor(np.sin(np.arange(m * n)).reshape(n, m), True, name=f"W{i}")
        a = ag.sigmoid(ag.linear(a, w, ag.Tensor(np.zeros(n), True, name=f"b{i}")))
    return ag.squared_error(a, ag.Tensor(np.ones((batch, sizes[-1])), name="y"), reduction="mean")


def scalar():
    x, y = ag.Tensor(3.0, True, name="x"), ag.Tensor(-2.0, True, name="y")
    return x * x + ag.exp(y) / x - ag.relu(y) * 2 + x**3 + ag.log(x) - (-y)


def long():
    x = ag.Tensor([0.5, -0.5], True, name="x")
    for _ in range(29):
        x = ag.sin(x) + x
    return ag.sum(x)


def windows():
    x = ag.Tensor(np.arange(16.0).reshape(1, 1, 4, 4), True, name="x")
    return ag.mean(ag.max(ag.relu(ag.conv(x, ag.Tensor(np.ones((1, 1, 2, 2)), True, name="w"))), axis=-1))


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize("made", [scalar, lambda: network(1), lambda: network(40, (2, 30, 3)), windows, long])
def test_no_english_word_is_left_in_a_chinese_page(made, tmp_path):
    seen = shown(viz.step_through(made(), language="zh"), tmp_path)
    assert seen["lang"] == "zh-Hans"
    assert seen["left"] == []


@pytest.mark.check
@needs_chromium
def test_a_recorded_page_says_why_in_chinese(tmp_path):
    x = ag.Tensor([[2.0, 1.0], [1.0, 3.0]], True, name="x")
    page = viz.step_through([ag.sum(x), ag.sum(x * x)], language="zh")
    assert "只有输出是单个数时" in page.html
    assert shown(page, tmp_path)["left"] == []


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize("outputs", [1, 3])
def test_no_english_word_is_left_in_a_chinese_playground(outputs, tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 2))
    loss = nn.functional.binary_cross_entropy_with_logits if outputs == 1 else nn.functional.cross_entropy
    y = (x[:, :1] > 0).astype(float) if outputs == 1 else np.arange(12) % 3
    network = nn.MLP([2, 3, outputs], activation="tanh", seed=0)
    sgd = nn.optim.SGD(network.parameters(), lr=0.1)
    assert shown(viz.playground(network, loss, x, y, optimizer=sgd, language="zh"), tmp_path)["left"] == []


# ---------------------------------------------------------------- the theme of the page around it

AROUND = """
const inner = document.createElement('iframe');
inner.setAttribute('sandbox', 'allow-scripts allow-same-origin');
inner.srcdoc = PAGE;
document.body.append(inner);
await new Promise(done => { inner.onload = done; });
const wait = () => new Promise(done => setTimeout(done, 100));
const theme = () => inner.contentDocument.documentElement.dataset.theme ?? null;
const say = async data => { inner.contentWindow.postMessage(data, '*'); await wait(); return theme(); };
inner.contentWindow.postMessage({theme: 'dark'}, '*');  // before its script is there
await inner.contentWindow.ready; await wait();
seen.themes = [theme()];
for (const data of [{theme: 'dark'}, {theme: 'light'}, {theme: '<b>'}, 'dark', null]) seen.themes.push(await say(data));
const other = document.createElement('iframe');
document.body.append(other);
other.contentDocument.write(`<script>parent.frames[0].postMessage({theme: 'dark'}, '*')<\\/script>`);
await wait(); seen.stranger = theme();
window.postMessage({theme: 'dark'}, '*'); await wait(); seen.itself = document.documentElement.dataset.theme ?? null;
"""


@pytest.mark.check
@needs_chromium
def test_a_page_in_a_frame_takes_the_theme_of_the_page_around_it_and_of_no_other(tmp_path):
    """The site tells its live pages so. Other messages and windows change nothing, nor what a page says to itself."""
    w = ag.Tensor(2.0, True, name="w")
    page = viz.step_through(w * w)
    around = viz.pages.page.Page(
        "around",
        emitted.document(
            "around", "", "", script=emitted.asset("common.js") + "theme(document.createElement('button'));"
        ),
    )
    seen = browse(
        around, tmp_path, f"const PAGE = {emitted.as_json(page.html)};{AROUND}", "", "--virtual-time-budget=9000"
    )
    assert seen["themes"] == ["dark", "dark", "light", "light", "light", "light"]
    assert seen["stranger"] == "light"
    assert seen["itself"] is None


# ---------------------------------------------------------------- pictures


def deep(layers):
    model = nn.Sequential(*[m for _ in range(layers) for m in (nn.Linear(16, 16, seed=0), nn.Sigmoid())])
    return ag.mean(model(ag.Tensor(np.sin(np.arange(80.0)).reshape(5, 16), name="x")) ** 2)


def classifier(scale=1.0):
    model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 3, seed=1))
    x, y = np.cos(np.arange(20.0)).reshape(5, 4) * scale, np.array([0, 1, 2, 0, 1])
    return nn.functional.cross_entropy(model(ag.Tensor(x, name="x")), ag.Tensor(y, name="y"))


def recurrent():
    return ag.sum(nn.LSTM(3, 4, seed=0)(ag.Tensor(np.sin(np.arange(30.0)).reshape(5, 2, 3), name="x"))[0])


def program():
    return ag.trace(lambda x: ag.sum(ag.tanh(x) * x), ag.Tensor([1.0, 2.0]))


def twice():
    layer = nn.Linear(2, 2, seed=0)
    return ag.sum(layer(ag.tanh(layer(ag.Tensor([[1.0, -1.0]], name="x")))))


MADE = {
    **{made.__name__: made for made in (scalar, classifier, windows, twice, long)},
    "network": lambda: network(1),
    "layers": lambda: deep(8),
}
PICTURES = {
    **{
        f"{name} of {said}": (lambda draw=draw, made=made: draw(made()))
        for said, made in MADE.items()
        for name, draw in {
            "graph": viz.draw_graph,
            "gradients": lambda y: viz.draw_graph(y, gradients=True),
            "tape": viz.draw_tape,
            "modules": lambda y: viz.draw_modules(y, gradients=True),
            "blocks": viz.draw_model,
            "check": viz.check_graph,
        }.items()
    },
    "check at a kink": lambda: viz.check_graph(ag.relu(ag.Tensor(0.0, requires_grad=True, name="x"))),
    "not finite": lambda: viz.draw_modules(classifier(1e300), gradients=True),
    "dead": lambda: viz.draw_modules(classifier(-0.0), gradients=True),
    "loop": lambda: viz.draw_loop(recurrent()),
    "several outputs": lambda: viz.draw_graph([scalar(), ag.sum(network(1))], gradients=True),
    "program": lambda: viz.draw_graph(program()),
    "difference": lambda: viz.diff(viz.snapshot(network(1)), network(1, (2, 4, 2))),
    "difference of programs": lambda: viz.diff(program(), program().optimized()),
    "neurons": lambda: viz.draw_network(nn.MLP([2, 3, 2], seed=0), [1.0, -1.0], 1),
    "history": lambda: viz.plot_history({"val_loss": [0.5, 0.3], "loss": [1.0, 0.2]}),
    "digit": lambda: viz.plot_digits(np.full((1, 2, 2), np.nan), [1], [2]),
}

CODE = [  # names of modules and operations as the program has them
    *("Linear", "LSTM", "Tanh", "square", "power", "add", "subtract", "multiply", "divide", "negative", "logits"),
    *("cross", "entropy", "squared_error", "tanh_x", "tanh_x_times_x", "sum_tanh_x_times_x", "_lambda", "backward"),
    *("gradients", "True", "Sequential", "ones", "return"),
]


@pytest.mark.parametrize("name", sampled(PICTURES, 5))
def test_no_english_word_is_left_in_a_chinese_picture(name):
    with words.speaking("zh"), np.errstate(all="ignore"):
        svg = re.sub(r"(?s)<(style|desc|metadata).*?</\1>", "", PICTURES[name]()._repr_svg_())
    assert "均" in svg or "值" in svg or "：" in svg
    told = [html.unescape(said).replace("\xa0", " ").strip() for said in re.findall(r">([^<>]+)<", svg)]
    told += [html.unescape(said) for said in re.findall(r'aria-label="([^"]*)"', svg)]
    for said in told:
        if "->" in said or re.fullmatch(r"\w+", said):  # the title of an edge or a node of DOT
            continue
        left = set(re.findall(r"[A-Za-z_]{3,}", re.sub(r"\w+(\.\w+)+|\w+=|\w*\.\.\.\w*", "", said)))
        left -= {*NAMES, *FORMULAS, *CODE}
        left |= set(re.findall(r"(?<= )(to|of|by|at|is|or|sd|mean)(?= )", said))
        assert all(re.search("(weight|bias)_[ih]h_l", word) for word in left), said


def test_sentences_of_a_picture_end_as_chinese_ones():
    with words.speaking("zh"):
        picture = viz.draw_graph(scalar(), gradients=True)
        assert "；参数 " in picture.alt
        assert words.matched("5 × LSTM: step 5. Gradients: not computed.") == "5 × LSTM：第 5 步。梯度：未计算。"
    assert words.language() == "en"
    assert "，" not in viz.draw_graph(scalar(), gradients=True).svg()
