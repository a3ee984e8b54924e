"""The live page in Chromium, with pointer and key events, beside Python's numbers; and what is not live, and why."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.testing import strategies
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.numbers import scalar
from glassgrad.viz.pages import live
from glassgrad.viz.pages.page import step_through
from glassgrad.viz.recorded.scene import Scene
from tests.viz.pages.browser import browse, needs_chromium

TOOLS = """
const $ = id => document.getElementById(id);
const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)));
const at = e => { const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; };
const pointer = (e, kind, x, y, more = {}) => e.dispatchEvent(new PointerEvent(kind,
  {bubbles: true, cancelable: true, pointerId: 1, pointerType: 'mouse', button: 0, clientX: x, clientY: y, ...more}));
const drag = async (e, by, more) => {
  const [x, y] = at(e);
  pointer(e, 'pointerdown', x, y);
  pointer(e, 'pointermove', x + by / 2, y, more); pointer(e, 'pointermove', x + by, y, more);
  await frame(); pointer(e, 'pointerup', x + by, y, more); await frame();
};
const press_ = async (e, k, more = {}) => {
  e.focus(); e.dispatchEvent(new KeyboardEvent('keydown', {key: k, bubbles: true, cancelable: true, ...more}));
  await frame();
};
const typed = async (e, text) => {
  e.focus(); await press_(e, 'Enter');
  const input = document.querySelector('input.typed');
  input.value = text;
  input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true})); await frame();
};
const told = () => Object.fromEntries([...document.querySelectorAll('svg.picture g[id^=a_] > title')].map(
  t => [t.parentNode.id, t.textContent]));
const tile = (n, i = 0) => document.querySelectorAll('#tiles .tile')[n].querySelectorAll('.drag')[i];
const state = () => ({told: told(), badge: $('badge').textContent, form: text('.form'), expand: text('#expand'),
  check: document.querySelector('.check')?.textContent, result: text('.tile.loss'),
  slice: text('#slicehead'), words: text('#panel p')});
"""


def neuron(w=2.0, x=1.0, b=-1.0, y=1.0):
    w, b = (ag.Tensor(v, requires_grad=True, name=n) for v, n in ((w, "w"), (b, "b")))
    return (ag.sigmoid(w * ag.Tensor(x, name="x") + b) - ag.Tensor(y, name="y")) ** 2


def network(w1=((1.0, -2), (-1, 1)), b2=(-2.0, 2), x=(1.0, -1.0)):
    """2-2-2, squared error."""
    a = ag.Tensor([list(x)], name="x")
    for i, (w, b) in enumerate([(w1, (1.0, 0)), (((3.0, -1), (-1, 4)), b2)]):
        weight, bias = ag.Tensor(w, True, name=f"W{i + 1}"), ag.Tensor(b, True, name=f"b{i + 1}")
        a = ag.sigmoid(ag.linear(a, weight, bias))
    return ag.squared_error(a, ag.Tensor([[1.0, 0]], name="y"), reduction="sum")


def shared(x=3.0):
    x = ag.Tensor(x, True, name="x")
    return x * x + ag.exp(x) * 0.5 + x


def crowded(*numbers):
    """Many uses, so that the cards are small ones."""
    w, x, y = (ag.Tensor(v, True, name=n) for v, n in zip(numbers, "wxy", strict=True))
    return ag.exp(ag.tanh(w * x) * w) + (ag.maximum(w * x, y) - y / x) ** 2 + ag.log(1 + x * x) * ag.abs(y)


def wide(seed):
    """A layer of which only the mean of the slopes is drawn."""
    draw = np.random.default_rng(seed)
    x, w = (ag.Tensor(draw.normal(size=shape), True, name=name) for shape, name in (((2, 6), "x"), ((12, 6), "placed")))
    return ag.mean(ag.sigmoid(x @ w.T) ** 2)


def numbers_of(told):
    """The number in a tooltip, or all of them, in full."""
    tail = told.rpartition(" = ")[2] if " = " in told else told.rpartition(": ")[2]
    return np.array(json.loads(tail.replace("NaN", "null")), dtype=float).ravel()


def expected(loss):
    """What the tooltips of the drawing should say, by id."""
    scene = Scene(loss, gradients=True)
    found = {}
    for card in scene.cards:
        found[f"a_{card.key}_val"] = card.value.ravel()
        if card.gradient is not None:
            found[f"a_{card.key}_grad"] = card.gradient.ravel()
        for socket in card.sockets:
            if scene.scalar and socket.passes:
                found[f"a_{card.key}_vjp{socket.index}"] = np.ravel(socket.local.value)
    return found


def opened(page, folder, script, fragment="", *flags):
    """What a script with these tools has seen. Time is the page's own, so that waiting for a frame takes none."""
    return browse(page, folder, TOOLS + script, fragment, "--virtual-time-budget=20000", *flags)


def compare(seen, loss):
    """Every number of the drawing beside Python's."""
    wanted = expected(loss)
    assert wanted.keys() <= seen["told"].keys()
    for cell, numbers in wanted.items():
        assert numbers_of(seen["told"][cell]) == pytest.approx(numbers, rel=1e-12, abs=1e-14), cell


@pytest.mark.check
@needs_chromium
class TestChanging:
    def test_a_number_near_a_pole_a_large_one_and_a_refused_index(self, tmp_path):
        """The values are named as what every object of JavaScript has."""
        a, b = ag.Tensor([2.0, 3.0], True, name="constructor"), ag.Tensor([3.0, 1.0], True, name="__proto__")
        index = ag.Tensor([1, 0], name="i")
        loss = ag.sum(ag.where(a > b, 2 * a, 1 - b)) + ag.sum(1 / b) + ag.sum(ag.take(a, index, axis=0))
        seen = opened(
            step_through(loss, live=True),
            tmp_path,
            """
            const [a, b, i] = leaves.filter(k => K[k].shape.length && !/mask/.test(k));
            const saw = () => ({a: [...memory[a]], b: [...memory[b]], ga: [...gradient(a)], gb: [...gradient(b)],
              loss: loss(), badge: $('badge').textContent});
            const of = k => document.querySelector(`.tile[data-card="${k}"] .drag`);
            await frame(); await typed(of(b), '1e-9'); seen.pole = saw();
            await typed(of(a), '5e7'); await press_(of(a), 'ArrowRight'); seen.large = saw();
            await typed(of(leaves.find(k => K[k].name === 'i')), '7'); seen.refused = saw();
            """,
        )
        assert seen["pole"]["gb"][0] == pytest.approx(-1 - 1e18, rel=1e-12)
        assert seen["pole"]["badge"].startswith("ok")
        assert seen["large"]["a"][0] == 50_000_000.1
        assert seen["refused"] == seen["large"]

    def test_the_curve_begins_with_the_entry_of_the_largest_gradient(self, tmp_path):
        """The entry whose factors are shown beside it: at first, and for each number that is clicked."""
        w, v = (ag.Tensor(values, True, name=n) for values, n in (([[0.5, -1.0]], "w"), ([0.1, 0.2, 0.3], "v")))
        loss = ag.sum(w * ag.Tensor([[0.0, 2.0]], name="x")) + ag.sum(v * ag.Tensor([1.0, 0.0, -3.0], name="k"))
        seen = opened(
            step_through(loss),
            tmp_path,
            """
            await frame(); seen.first = state().slice;
            $('a_v_grad').dispatchEvent(new MouseEvent('click', {bubbles: true})); await frame();
            seen.clicked = state().slice;
            """,
        )
        assert "w[0, 1]" in seen["first"]
        assert "slope 2" in seen["first"]
        assert "v[2]" in seen["clicked"]
        assert "slope -3" in seen["clicked"]

    def test_the_tile_of_an_empty_leaf_says_so(self, tmp_path):
        w, e = ag.Tensor(0.5, requires_grad=True, name="w"), ag.Tensor(np.zeros((0, 3)), requires_grad=True, name="E")
        seen = opened(
            step_through((e * w).sum() + w * w),
            tmp_path,
            "await frame(); seen.tiles = [...document.querySelectorAll('.tile')].map(tile => tile.textContent);",
        )
        assert seen["tiles"][:2] == ["PARAME = empty", "PARAMw = 0.5000∂L/∂w = 1"]

    def test_a_neuron_follows_every_way_of_changing_a_number(self, tmp_path):
        seen = opened(
            step_through(neuron()),
            tmp_path,
            """
            await frame(); seen.start = state();
            await drag(tile(0), 40); seen.dragged = state();
            await press_(tile(2), 'ArrowRight'); await press_(tile(2), 'ArrowUp', {shiftKey: true});
            seen.keys = state();
            await press_(tile(1), 'Delete'); seen.zero = state();
            await press_(tile(1), 'Escape'); await typed(tile(3), '0.25'); seen.typed = state();
            const inside = document.querySelector('#a_w_val .drag');
            await press_(inside, 'PageDown'); await drag(inside, -20); seen.drawing = state();
            const attribute = name => inside.getAttribute(name);
            seen.role = attribute('role'); seen.name = attribute('aria-label'); seen.now = +attribute('aria-valuenow');
            key('Escape'); for (const n of [0, 2, 3]) await press_(tile(n), 'Escape');
            seen.back = state();
            await press_(document.body, 'g'); await frame(); seen.descent = state(); seen.lr = rate.lr;
            $('reset').click(); await frame(); seen.reset = state();
            seen.all = $('all').getAttribute('aria-pressed');
            document.activeElement.blur(); key('ArrowRight');
            seen.step = [text('.eyebrow'), $('all').getAttribute('aria-pressed')];
            await drag(tile(0), 100); seen.stepped = {...state(), now: now()};
            seen.took = view.took; seen.wide = document.documentElement.scrollWidth;
            """,
        )
        compare(seen["start"], neuron())
        compare(seen["dragged"], neuron(w=2.4))
        compare(seen["keys"], neuron(w=2.4, b=0.1))
        compare(seen["zero"], neuron(w=2.4, b=0.1, x=0.0))
        compare(seen["typed"], neuron(w=2.4, b=0.1, y=0.25))
        compare(seen["drawing"], neuron(w=1.2, b=0.1, y=0.25))
        assert (seen["role"], seen["name"], seen["now"]) == ("spinbutton", "w, parameter", 1.2)
        compare(seen["back"], neuron())
        g = {name: expected(neuron())[f"a_{name}_grad"][0] for name in "wb"}
        compare(seen["descent"], neuron(w=2.0 - seen["lr"] * g["w"], b=-1.0 - seen["lr"] * g["b"]))
        compare(seen["reset"], neuron())
        assert (seen["all"], *seen["step"]) == ("true", "Forward, step 1 of 5", "false")
        compare(seen["stepped"], neuron(w=3.0))
        assert seen["stepped"]["now"] == "t1", "the step stays"
        assert seen["stepped"]["expand"] == "3·1 = 3"
        for state in ("start", "dragged", "keys", "typed", "drawing", "descent"):
            assert seen[state]["badge"].startswith("okall 2 gradients beside central differences"), state
            assert seen[state]["check"].startswith("okcentral difference at these numbers agrees"), state
        assert seen["start"]["result"] == seen["back"]["result"] == "RESULTL = 0.07233▼ lowered most by w, b"
        result = f"RESULTL = {scalar(float(neuron(w=2.4).data))}"
        assert seen["dragged"]["result"] == f"{result}▼ lowered most by w, b0.07233 at first"
        assert "slope -0.1058" in seen["start"]["slice"]
        assert "grows by 0·h, so the gradient is multiplied by 0" in seen["zero"]["words"]
        assert seen["wide"] <= 1380

    def test_a_network_follows_entry_by_entry(self, tmp_path):
        seen = opened(
            step_through(network()),
            tmp_path,
            """
            await frame(); seen.start = state();
            await drag(tile(1, 2), 50); await press_(tile(4, 1), 'Delete'); seen.tiles = state();
            const entries = document.querySelectorAll('#a_W1_val .drag');
            await drag(entries[1], 100); await typed(document.querySelector('#a_x_val .drag'), '-0.5');
            seen.drawing = state(); seen.label = entries[1].getAttribute('aria-label');
            seen.shown = [...$('a_W1_val').querySelectorAll('text')].map(t => t.textContent).filter(t => t.trim());
            seen.matrices = [...document.querySelectorAll('#panel .mat td')].map(e => +e.title);
            """,
        )
        compare(seen["start"], network())
        compare(seen["tiles"], network(w1=((1, -2), (-0.5, 1)), b2=(-2.0, 0)))
        changed = network(w1=((1, -1), (-0.5, 1)), b2=(-2.0, 0), x=(-0.5, -1.0))
        compare(seen["drawing"], changed)
        assert seen["label"] == "W1[0, 1], parameter"
        assert seen["shown"] == ["1.0000", "-1.0000", "-0.5000", "1.0000"]
        assert all(seen[state]["badge"].startswith("okall 12 gradients") for state in ("start", "tiles", "drawing"))
        found = expected(changed)
        assert seen["matrices"] == pytest.approx([*found["a_z1_grad"], -0.5, -1.0, *found["a_W1_grad"]], rel=1e-12)

    def test_a_shared_value_has_its_addends(self, tmp_path):
        seen = opened(
            step_through(shared()),
            tmp_path,
            """
            await frame(); await drag(tile(0), 50); seen.at = state();
            const addends = [...document.querySelectorAll('[id^=a_x_g]')].filter(g => /g\\d+$/.test(g.id));
            seen.addends = addends.map(g => g.querySelector('title').textContent);
            """,
        )
        compare(seen["at"], shared(3.5))
        addends = [float(numbers_of(told)[0]) for told in seen["addends"]]
        assert len(addends) == 4
        assert sorted(addends) == pytest.approx(sorted([3.5, 3.5, 0.5 * np.exp(3.5), 1.0]), rel=1e-12)


RNG = np.random.default_rng(0)


def drawn(*shape, name):
    return ag.Tensor(RNG.normal(size=shape), True, name=name)


def layers():
    model = nn.Sequential(nn.Linear(3, 4, seed=1), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 3, seed=2))
    return nn.functional.cross_entropy(model(ag.Tensor(RNG.normal(size=(2, 3)), name="x")), ag.Tensor([0, 2], name="k"))


def windows():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, seed=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3, seed=2))
    return nn.functional.cross_entropy(model(ag.Tensor(RNG.normal(size=(2, 1, 6, 6)), name="x")), ag.Tensor([0, 2]))


def indices():
    w = drawn(5, 2, name="w")
    return ag.sum(w[np.array([0, 2, 2])] ** 2) + w[1, 0] * 2


def attention():
    q, k, v = (drawn(3, 2, name=name) for name in "qkv")
    return ag.sum(ag.softmax(q @ k.T * 0.7, axis=-1) @ v)


def mixed():
    x = drawn(2, 2, name="x")
    joined = ag.sum(ag.concat([x, x * 2], axis=0).T @ drawn(4, 1, name="m"))
    least = ag.mean(ag.where(x > 0, x, ag.exp(x)))
    return joined + ag.logsumexp(x) + ag.prod(x) + ag.mean(ag.clip(x, -0.5, 0.5)) + least


@pytest.mark.parametrize("loss", [layers, windows, indices, attention, mixed, network, shared])
def test_every_number_of_a_page_follows_or_is_a_constant(loss):
    found = json.loads(re.search('id="data">(.*?)</script>', step_through(loss(), check=False).html, re.DOTALL)[1])
    shown = [found["arrays"][part[0]] for step in found["steps"] for part in step["eq"] if isinstance(part, list)]
    assert shown
    assert all(isinstance(array, int) or "live" in array or "fixed" in array for array in shown)


SHOWN = """
const here = text => text.replace(/\\u00a0/g, ' ').trim();
const drawn = [...document.querySelectorAll('svg.picture text')].filter(t => !t.closest('.stale'));
seen.cells = drawn.map(t => [t.closest('g[id]').id, here(t.textContent)]);
seen.titles = told();
const panel_ = () => [...document.querySelectorAll('#panel :is(h2, .form, .eq)')].map(e => e.textContent);
seen.steps = S.map((_, i) => { go(i, false); return panel_(); });
$('every').open = true; table();
seen.table = [...document.querySelectorAll('.all td')].map(e => e.textContent);
"""


def moved(leaves):
    """A script that moves leaves, and that has the page call them changed: what can't follow is dimmed."""
    moves = f"for (const [k, v] of Object.entries({json.dumps(leaves)})) memory[k].set(v);"
    return f"{moves} leaves.forEach(k => start[k].fill(NaN)); refresh();"


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize(
    ("make", "language", "first", "then"),
    [
        (neuron, "en", (2.0, 1.0, -1.0, 1.0), (-0.5, 3.0, 0.25, -2.0)),
        (crowded, "en", (0.415, 0.986, 0.2), (-1.25, -0.627, 1.5)),
        (wide, "zh", (1,), (2,)),
        (
            network,
            "en",
            (((1.0, -2), (-1, 1)), (-2.0, 2), (1.0, -1.0)),
            (((0.5, 12), (-3, 2)), (0.125, 0), (-1.0, 4.5)),
        ),
    ],
    ids=["neuron", "crowded", "wide", "network"],
)
def test_all_that_is_drawn_is_what_a_page_of_these_numbers_would_draw(make, language, first, then, tmp_path):
    there = opened(step_through(make(*then), language=language), tmp_path, moved({}) + SHOWN)
    leaves = {card.key: card.value.ravel().tolist() for card in Scene(make(*then)).cards if card.node is None}
    here = opened(step_through(make(*first), language=language), tmp_path, moved(leaves) + SHOWN)
    assert len(there["cells"]) > 20
    for part, said in there.items():
        assert here[part] == said, part


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize("make", [windows, indices])
def test_networks_follow_and_no_rule_is_wrong(make, tmp_path):
    loss = make()
    seen = opened(
        step_through(loss),
        tmp_path,
        """
        for (let i = 0; i < S.length; i++) go(i, false);
        for (const to of ['nudge', 'paths', 'why']) { turn(to); await frame(); }
        change(trained[0], 0, memory[trained[0]][0] + .25); await frame();
        seen.leaf = trained[0]; seen.loss = loss();
        seen.grads = Object.fromEntries(trained.map(t => [t, [...gradient(t)]]));
        seen.checks = S.map((_, i) => { go(i, false); return view.check(S[i])?.[0]; });
        seen.badge = $('badge').textContent;
        """,
    )
    leaf = next(card for card in Scene(loss).cards if card.key == seen["leaf"]).place
    moved = np.array(leaf.data)
    moved.flat[0] += 0.25
    leaf.data = moved
    scene = Scene(loss, gradients=True)
    near = 1e-12 if leaf.dtype == np.float64 else 1e-6
    assert seen["loss"] == pytest.approx(float(scene.cards[-1].value), rel=near)
    for card in scene.cards:
        if card.key in seen["grads"]:
            assert seen["grads"][card.key] == pytest.approx(card.gradient.ravel(), rel=near, abs=near)
    assert seen["badge"].startswith("ok")
    assert set(seen["checks"]) <= {None, "ok", "kink", "skipped"}


ODD = ["a'\"b", "</script><!--", "&amp;", "😀", "שלום", "\u202eabc", "a\0b", "\x1b[0m", "\r\n", "", "⟦0⟧", "${x}`"]


@pytest.mark.check
@needs_chromium
def test_random_graphs_with_any_names_follow_as_in_python(tmp_path):
    drawn = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(strategies.programs(max_outputs=1), st.permutations(ODD))
    def draw(program, names):
        drawn.append((program, names))

    def follow(program, names, folder):
        given = zip(program.inputs.values(), names, strict=False)
        leaves = [ag.Tensor(x, x.dtype.kind == "f", name=name) for x, name in given]
        loss = ag.sum(program(*leaves)[0] * 1.0)
        page = step_through(loss, check=False) if loss.requires_grad else None
        if page is None or 'id="badge"' not in page.html:  # it has no gradient, or an operation no reading
            return False
        cards = [card for card in Scene(loss).cards if any(card.place is leaf for leaf in leaves)]
        seen = opened(
            page,
            folder,
            f"const moved = {json.dumps([card.key for card in cards])};"
            """
            for (const k of movable.filter(k => moved.includes(k) && size(k)))
                change(k, 0, memory[k][0] + (whole[k] ? 0 : .01));
            await frame(); S.forEach((_, i) => go(i, false));
            for (const to of ['nudge', 'paths', 'predict', 'why']) turn(to);
            const full = (keys, f) => Object.fromEntries(keys.map(k => [k, [...f(k)].map(String)]));
            seen.v = full(Object.keys(V.v), value); seen.g = full(Object.keys(V.g), gradient);
            """,
        )
        said = {of: {k: np.array([float(x) for x in xs]) for k, xs in seen[of].items()} for of in "vg"}
        for card in cards:
            card.place.data = said["v"][card.key].reshape(card.shape).astype(card.value.dtype)
        near = {"rtol": 1e-9, "atol": 1e-12} if loss.dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-5}
        for card in Scene(loss, gradients=True).cards:
            for of, found in (("v", card.value), ("g", card.gradient)):
                if card.key in said[of]:
                    np.testing.assert_allclose(said[of][card.key], np.ravel(found), **near, err_msg=card.name)
        return True

    draw()
    folders = [tmp_path / str(number) for number in range(0, len(drawn), 8)]
    for folder in folders:
        folder.mkdir()
    assert sum(follow(*drawn[int(folder.name)], folder) for folder in folders) > 2


@pytest.mark.check
@needs_chromium
def test_a_slope_between_those_of_both_sides_is_a_kink_and_no_wrong_rule(tmp_path):
    x = ag.Tensor([0.0, 1.0, -1.0], True, name="x")
    seen = opened(
        step_through(ag.sum(ag.relu(x) + ag.abs(x))),
        tmp_path,
        "seen.badge = $('badge').textContent; change('x', 0, .5); await frame(); seen.after = $('badge').textContent;",
    )
    assert seen["badge"].startswith("kink∂L/∂x[0]")
    assert seen["after"].startswith("ok")


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_told_and_drawn_nowhere(value, tmp_path):
    x, y = ag.Tensor(value, True, name="x"), ag.Tensor(2.0, True, name="y")
    with np.errstate(all="ignore"):
        page = step_through(x * x * y)
    seen = opened(
        page,
        tmp_path,
        """
        for (let i = 0; i < S.length; i++) step(i);
        for (const to of ['nudge', 'paths', 'predict', 'why']) { turn(to); await frame(); }
        $('descend').click(); await frame(); $('reset').click(); await frame();
        seen.badge = $('badge').textContent; seen.words = document.body.innerText;
        seen.drawn = [...document.querySelectorAll('svg.plot *')].filter(e => /NaN|Infinity/.test(e.outerHTML)).length;
        """,
    )
    assert seen["badge"].startswith("NOT FINITE")
    assert not re.search("NaN|Infinity|undefined", seen["words"])
    assert seen["drawn"] == 0


@pytest.mark.check
@needs_chromium
def test_an_infinite_gradient_is_told_as_such_and_numbers_near_the_largest_are_drawn_nowhere(tmp_path):
    a, b, c = (ag.Tensor(v, True, name=name) for v, name in ((1e308, "a"), (-1e308, "b"), (0.5, "c")))
    with np.errstate(all="ignore"):
        page = step_through(a * c - b * c + c * c)
    seen = opened(
        page,
        tmp_path,
        """
        const said = [];
        for (let i = 0; i < S.length; i++) { step(i); await frame(); said.push(document.body.innerText); }
        for (const k of movable) { axis = { key: k, at: 0 }; show(); await frame(); }
        seen.words = said.join('\\n');
        seen.drawn = [...document.querySelectorAll('svg *')].filter(e => /NaN|Infinity/.test(e.outerHTML)).length;
        """,
    )
    assert "0.5000 + 0.5000 = inf" in seen["words"]
    assert not re.search("NaN|= nan|Infinity", seen["words"])
    assert seen["drawn"] == 0


@pytest.mark.check
@needs_chromium
def test_a_rule_that_is_wrong_by_a_thousandth_is_no_kink(tmp_path):
    @ag.op("x³")
    def cube(xp, x):
        return x * x * x

    cube.vjp(x=lambda xp, g, x: g * x * x * 3.003)
    page = step_through(cube(ag.Tensor(1.05, True, name="x")) * 2, check=False)
    seen = opened(page, tmp_path, "seen.badge = $('badge').textContent;")
    assert seen["badge"].startswith("WRONG")


class TestRounding:
    @pytest.mark.parametrize(
        "loss", [lambda x: ag.sum(ag.softmax(x, axis=-1) - 1 / 3), lambda x: ag.sum(x - ag.mean(x))]
    )
    def test_a_graph_of_float32_that_cancels_to_rounding_errors_is_live(self, loss):
        x = ag.Tensor(np.array([[1.0, 2.0, 3.3]], "float32"), True, name="x")
        assert "function see(" in step_through(loss(x), live=True).html

    def test_rounding_at_a_kink_is_not_called_a_changed_array(self):
        """In float32 the sum is 0, in float64 it is above 0: relu has another slope there."""
        w, x, least = (ag.Tensor(np.float32([v]), v == 1, name=n) for v, n in ((1, "w"), (-1, "x"), (1e-9, "e")))
        loss = ag.sum(ag.relu((w + least) + x) * 3.0)
        with pytest.raises(DrawingError, match=r"the gradient that a1 sends .* depends on rounding"):
            step_through(loss, live=True)
        x.data[...] = 2  # the graph is replayed: a changed array is no reason
        assert "function see(" in step_through(loss, live=True).html

    def test_a_number_of_float32_that_is_another_one_is_found(self):
        assert live._alike(np.array([1.0, 1e-9]), np.array([1.0, 3e-8], "float32"), 1e-6)
        assert not live._alike(np.array([1.0, 1e-2]), np.array([1.0, 2e-2], "float32"), 1e-6)
        assert not live._alike(np.array([1.0, 1e-9]), np.array([1.0, 3e-8]), None)

    @pytest.mark.parametrize("zero", [-0.0, ag.Tensor(-0.0)])
    def test_a_constant_of_minus_zero_keeps_its_sign(self, zero):
        with np.errstate(all="ignore"):
            page = step_through(ag.Tensor(2.0, True, name="w") / zero)
        data = json.loads(re.search('id="data">(.*?)</script>', page.html)[1])
        first, last = data["steps"][0], data["steps"][-1]
        assert (page.title, first["form"], first["line"]) == ("L = w / (-0)", "L = w / (-0)", "L = w / -0.0")
        assert "w is divided by -0" in last["words"]

    @pytest.mark.check
    @needs_chromium
    def test_a_number_that_is_minus_zero_says_so_in_full(self, tmp_path):
        w = ag.Tensor(2.0, True, name="w")
        script = "await frame(); await typed(tile(0), '-0'); seen.state = state(); seen.x = memory[leaves[0]][0] === 0;"
        seen = opened(step_through(1 / w), tmp_path, script)
        assert seen["x"]
        assert seen["state"]["told"]["a_w_val"] == "w = -0"
        assert seen["state"]["told"]["a_L_val"] == "L = -inf"


class TestChanges:
    @pytest.mark.check
    @needs_chromium
    def test_only_what_differs_is_written(self, tmp_path):
        """A change writes into texts: no element is made, comes or goes, and other numbers are not written."""
        script = """
            await drag(tile(0), 10); await press_(tile(0), 'Escape'); seen.before = state();
            let made = 0;
            const create = document.createElement;
            const html = Object.getOwnPropertyDescriptor(Element.prototype, 'innerHTML');
            const set = function(text) { made++; html.set.call(this, text); };
            Object.defineProperty(Element.prototype, 'innerHTML', {...html, set});
            document.createElement = function(name) { made++; return create.call(document, name); };
            const added = [], other = new Set();
            new MutationObserver(all => all.forEach(m => {
              added.push(...[...m.addedNodes, ...m.removedNodes].filter(n => n.nodeType === 1).map(n => n.outerHTML));
              const g = m.target.parentElement?.closest('g[id^=a_]'); if (g) other.add(g.id);
            })).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
            await drag(tile(0), 30); await press_(tile(0), 'ArrowLeft');
            /* a browser builds the tree of a `use` anew whenever what it shows has changed */
            seen.made = made + document.querySelectorAll('use').length;
            seen.added = added; seen.other = [...other]; seen.after = state();
        """
        seen = opened(step_through(neuron()), tmp_path, script)
        assert (seen["made"], seen["added"]) == (0, [])
        assert seen["before"]["form"] == seen["after"]["form"]
        assert not {"a_x_val", "a_b_val", "a_y_val"} & set(seen["other"])
        compare({"told": seen["after"]["told"]}, neuron(w=2.2))


class TestWhatIsNotLive:
    def test_the_reason_stands_in_place_of_the_buttons(self):
        large = ag.Tensor(np.ones((1000, 600)), True, name="W")
        page = step_through(ag.sum(ag.Tensor(np.ones((4, 600))) @ large.T), check=False)
        assert "These numbers are as recorded: its 602,400 numbers take 6.4 MB of page." in page.html
        assert "function see(" not in page.html
        with pytest.raises(DrawingError, match="its 602,400 numbers take"):
            step_through(ag.sum(ag.Tensor(np.ones((4, 600))) @ large.T), check=False, live=True)

    def test_a_number_that_the_program_does_not_reach_is_named(self, monkeypatch):
        monkeypatch.setattr(live, "_alike", lambda found, recorded, coarse: False)
        page = step_through(ag.tanh(ag.Tensor(3.0, True, name="w")), check=False)
        assert "computed in float64, as this page would, the value of w has another value" in page.html
        assert live._called("g", "w") == "the gradient of w"
        assert live._called("s", "t1/0") == "the gradient that t1 sends to operand 1"

    def test_an_operation_that_can_not_be_written_is_named(self):
        x = ag.Tensor([[2.0, 0.5], [0.5, 1.0]], True, name="x")
        found = re.search('<p class="recorded">(.*?)</p>', step_through(ag.sum(ag.cholesky(x))).html)[1]
        assert found == "These numbers are as recorded: linalg.cholesky cannot be written in JavaScript."

    def test_a_page_can_stay_as_it_was_recorded(self):
        page = step_through(neuron(), live=False)
        assert "function see(" not in page.html
        assert "recorded:" not in page.html

    def test_outputs_that_are_no_scalar(self):
        w = ag.Tensor([1.0, 2.0], True, name="w")
        page = step_through(w * 2, gradients=ag.Tensor([10.0, 1.0]))
        assert "a page is live for one output that is a single number" in page.html


def test_a_name_closes_no_script():
    w = ag.Tensor(2.0, True, name="</script><!--")
    page = step_through(w * 3.0)
    assert page.html.count("</script>") == page.html.count("<script") == 2


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_of_a_neuron_is_small(language):
    assert len(step_through(neuron(), language=language).html.encode()) < 103_000
    w, x, b = (ag.Tensor(v, True, name=name) for v, name in ((2.0, "w"), (1.0, "x"), (-1.0, "b")))
    loss = (ag.sigmoid(w * x + b) - ag.Tensor(1.0, name="y")) ** 2
    assert len(step_through(loss, language=language).html.encode()) < 104_000


def test_no_script_is_made_from_text():
    assert not re.search(r"\beval\(|new Function", step_through(neuron()).html)
    assert not re.search(
        r"\beval\(|new Function", (Path(viz.__file__).parent / "pages/assets/steps/live.js").read_text("utf-8")
    )


COVERED = """
const focusable = 'button, input, summary, [tabindex="0"]';
const reached = [...document.querySelectorAll(focusable)].filter(e => e.checkVisibility());
const middle = (start, size) => max(start, 0) + min(size, 40) / 2;
seen.covered = [...reached, ...reached.toReversed()].filter(e => {
  e.focus();
  const r = e.getBoundingClientRect();
  const top = document.elementFromPoint(middle(r.left, r.width), middle(r.top, r.height));
  return document.activeElement !== e || !top || !(e.contains(top) || top.contains(e));
}).map(e => e.outerHTML.slice(0, 90));
seen.many = reached.length;
"""


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize("make", [neuron, network])
@pytest.mark.parametrize("width", [500, 1280])
def test_nothing_lies_over_what_the_keyboard_has_reached(make, width, tmp_path):
    seen = opened(step_through(make(), check=False), tmp_path, COVERED, "", f"--window-size={width},800")
    assert seen["many"] > 30
    assert seen["covered"] == []


@pytest.mark.check
@needs_chromium
class TestWaysToAsk:
    def test_nudge_paths_and_predictions(self, tmp_path):
        x, h = 3.0, 0.1
        seen = opened(
            step_through(shared(x)),
            tmp_path,
            """
            await frame(); key('n'); await frame();
            const rows = () => [...document.querySelectorAll('#nudge .moved tr')].map(r => r.lastChild.textContent);
            const all_ = (query, f = e => e.textContent) => [...document.querySelectorAll(query)].map(f);
            seen.nudge = [rows(), text('#nudge p'), all_('text.delta')];
            for (const k of ['Delete', 'Escape']) await press_(document.querySelector('#nudge .drag'), k);
            seen.again = rows();
            document.activeElement.blur(); key('p'); await frame();
            seen.paths = all_('.walks button', b => [b.children[0].textContent, b.children[2].textContent]);
            seen.rates = all_('.walks .form')[0];
            seen.sum = all_('#paths .form').at(-1);
            const lit = () => all_('.edge.lit', e => e.id);
            seen.lit = lit(); document.querySelectorAll('.walks button')[2].focus(); seen.one = lit();
            document.activeElement.blur(); key('q'); await frame();
            seen.drawn = all_('main .card', e => getComputedStyle(e).display); seen.loss = text('#a_L_val .name');
            seen.names = all_('.cell.todo .name', e => getComputedStyle(e).opacity);
            const answer = async text => {
                document.querySelector('.predict input').value = text;
                document.querySelector('.predict form').requestSubmit(); await frame();
                return document.querySelector('#judged, .verdict').textContent;
            };
            seen.first = text('#panel .eyebrow'); seen.hidden = $('a_t1_val').classList.contains('todo');
            seen.forward = [await answer('-9'), await answer('6'), await answer('9,0')];
            step(S.findIndex(s => s.socket === 't2/0')); await frame();
            seen.masked = [text('#panel .form'), text('.ask'), all_('#panel .mat').length];
            seen.backward = [];
            for (const guess of ['0.5', String(Math.exp(3)), '-10.04', '10.0']) seen.backward.push(await answer(guess));
            step(S.findIndex(s => s.title.includes('gradients meet'))); await frame(); seen.form = text('#panel .form');
            seen.whole = [await answer('14.04'), await answer('90.38')];
            dispatchEvent(new Event('beforeprint'));
            seen.paper = [all_('#sheet .blank'), all_('#sheet td'), all_('#sheet li')];
            dispatchEvent(new Event('afterprint'));
            document.querySelector('.predict form button[type=button]').click(); await frame();
            seen.score = text('.predict');
            await press_(document.querySelector('.predict button'), 'Escape'); seen.after = document.body.className;
            """,
        )

        def loss(by_left=0.0, by_right=0.0, by_exp=0.0, alone=0.0):
            return (x + by_left) * (x + by_right) + np.exp(x + by_exp) * 0.5 + x + alone

        uses = [{"by_left": h}, {"by_right": h}, {"by_exp": h}, {"alone": h}]
        slopes = [3.0, 3.0, np.exp(3) / 2, 1.0]
        rows, said, deltas = seen["nudge"]
        real = [loss(**use) - loss() for use in uses]
        together = loss(h, h, h, h) - loss()
        expected_rows = [n for pair in zip([s * h for s in slopes], real, strict=True) for n in pair]
        assert [float(n) for n in rows] == pytest.approx([*expected_rows, sum(slopes) * h, together], rel=5e-4)
        assert rows == seen["again"]
        assert said.startswith("The gradient predicts 17.04 × 0.1000 = 1.704. L really changes by 1.766")
        assert deltas.count("Δ +0.1000") == 4, "the number enters at four places"
        assert {"Δ +0.6100", "Δ +1.766"} <= set(deltas)
        t1 = "L → t4 → t1 → x"
        assert [path for path, _ in seen["paths"]] == [t1, t1, "L → t4 → t3 → t2 → x", "L → x"]
        assert seen["rates"] == "∂L/∂t4 · ∂t4/∂t1 · ∂t1/∂x (left)"
        assert seen["paths"][2][1] == "1 × 1 × 0.5000 × 20.09 = 10.04"
        assert seen["sum"] == "3 + 3 + 10.04 + 1 = 17.04"
        assert len(seen["lit"]) == 8
        assert sorted(seen["one"]) == ["b_t2_t3_0", "b_t3_t4_1", "b_t4_L_0", "b_x_t2_0"]
        assert set(seen["drawn"]) == {"inline"}, "the card of the loss among them"
        assert (seen["loss"], set(seen["names"])) == ("L", {"1"}), "names are not asked for"
        assert (seen["first"], seen["hidden"]) == ("Forward, step 1 of 5", True)
        assert seen["forward"][:2] == ["The size is right, the sign is not.", "Not yet. Put the numbers into t1 = x·x."]
        assert seen["forward"][2].startswith("rightt1 = 9. 0 of 1 right at the first try.")
        assert seen["masked"] == ["addend 3 of ∂L/∂x = ∂L/∂t2 · t2", "?", 2]
        assert seen["backward"][0] == (
            "That is the upstream gradient ∂L/∂t2 alone: the local derivative ∂t2/∂x is missing as a factor."
        )
        assert seen["backward"][1].startswith("That is the local derivative ∂t2/∂x alone")
        assert seen["backward"][2].startswith("The size is right, the sign is not: look at the signs of ∂L/∂t2")
        assert seen["backward"][3].startswith("right")
        assert seen["form"] == "∂L/∂x = 3 + 3 + 10.04 + 1", "the sum is not given away"
        assert seen["whole"] == [
            "One addend is missing: the one through t1 (left).",
            "You multiplied the addends: paths add up.",
        ]
        assert "shown∂L/∂x = 17.04. 0 of 3 right at the first try." in seen["score"]
        assert "asking" not in seen["after"]
        blanks, given, solutions = seen["paper"]
        assert len(blanks) == len(solutions) == 5 + 9
        assert set(given) == {"3", "1"}, "a worksheet gives x and the first gradient away, and nothing else"
        assert solutions[-1] == "∂L/∂x = 17.04"

    def test_along_each_path_comes_what_a_copy_of_its_own_would_get(self, tmp_path):
        x, w = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 3))

        def loss(first, second, left, right):
            """Each use of W and of h has an argument of its own, ``left`` and ``right`` for h."""
            h = [ag.tanh(x @ copy) for copy in (left, right, first)]
            return ag.sum((h[2] @ second + h[0] * h[1]) ** 2)

        copies = [ag.Tensor(w, True) for _ in range(4)]
        wanted = [g.data[1, 2] for g in ag.gradients(loss(*copies), copies)]
        one = ag.Tensor(w, True, name="W")
        h = ag.tanh(ag.Tensor(x, name="x") @ one)
        seen = opened(
            step_through(ag.sum((h @ one + h * h) ** 2)),
            tmp_path,
            """
            turn('paths'); axis = {key: 'W', at: 0}; pathways();
            document.querySelector('#paths [data-at="5"]').click();
            seen.parts = walks('W', 5).map(p => p.part);
            seen.head = text('#paths h2'); seen.sum = text('#paths > .form');
            seen.shown = [...document.querySelectorAll('.walks .num')].map(e => e.textContent);
            """,
        )
        total = sum(wanted)
        assert sorted(seen["parts"]) == pytest.approx(sorted(wanted), rel=1e-6)
        assert seen["head"].startswith("∂L/∂W[1, 2] = ")
        assert float(seen["head"].rpartition(" = ")[2]) == pytest.approx(total, rel=1e-3)
        assert float(seen["sum"].rpartition(" = ")[2]) == pytest.approx(total, rel=1e-3)
        assert all(said.startswith("carries ") for said in seen["shown"])

    def test_a_large_entry_beside_it_does_not_blur_what_a_path_carries(self, tmp_path):
        x = ag.Tensor([1.0, 1e6], True, name="x")
        loss = ag.sum(ag.sin(x) * ag.exp(x * 1e-7))
        seen = opened(step_through(loss), tmp_path, "seen.parts = walks('x', 0).map(p => p.part);")
        assert sum(seen["parts"]) == pytest.approx(float(ag.gradients(loss, x).data[0]), rel=1e-7)

    def test_where_following_paths_would_take_too_long_the_page_says_so(self, tmp_path):
        x = ag.Tensor(RNG.normal(size=(2, 2)), True, name="x")
        seen = opened(
            step_through(ag.sum(ag.tanh(x) * x)),
            tmp_path,
            "turn('paths'); const quick = walks; walks = (...of) => quick(...of).map(p => ({...p, part: null}));"
            "pathways(); seen.words = text('#paths'); seen.sums = document.querySelectorAll('#paths > .form').length;",
        )
        assert "would take longer than 80 ms" in seen["words"]
        assert seen["sums"] == 0
