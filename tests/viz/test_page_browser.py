"""The step-through page as a person uses it, in headless Chromium: keys, clicks, hover, links, themes, large graphs."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.pages.page import Page, step_through
from tests.viz.pages.browser import CHROMIUM, browse, needs_chromium  # noqa: F401

pytestmark = [needs_chromium, pytest.mark.check]


def mlp():
    """The net of the mock: 2-2-2, squared error."""
    a = ag.Tensor([[1.0, -1.0]], name="x")
    for i, (w, b) in enumerate([([[1.0, -2], [-1, 1]], [1.0, 0]), ([[3.0, -1], [-1, 4]], [-2.0, 2])]):
        weight, bias = ag.Tensor(w, requires_grad=True), ag.Tensor(b, requires_grad=True)
        with ag.scope(f"layers.{i}", "Linear"):
            a = ag.linear(a, weight, bias)
        a = ag.sigmoid(a)
    return ag.squared_error(a, ag.Tensor([[1.0, 0]], name="y"), reduction="sum")


@pytest.fixture(scope="module")
def page() -> Page:
    return step_through(mlp())


def test_keys_walk_through_the_steps_and_the_address_follows(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        seen.walk = [now()];
        for (const k of ['ArrowRight', 'ArrowRight', 'ArrowLeft', 'b', 'End', 'ArrowRight', 'Home', 'ArrowLeft']) {
            key(k); seen.walk.push(now());
        }
        key('ArrowRight'); seen.hash = location.hash; seen.live = text('#live');
        """,
        "#step=1",
    )
    assert seen["walk"] == ["z1", "a1", "z2", "a1", "L", "b1", "b1", "z1", "z1"]
    assert seen["hash"] == "#step=2"
    assert seen["live"].startswith("Forward, step 2 of 5. Sigmoid makes a1. Elementwise logistic function")


def test_play_goes_on_by_itself_until_stopped(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const wait = ms => new Promise(done => setTimeout(done, ms));
        key(' '); seen.pressed = document.getElementById('play').getAttribute('aria-pressed');
        await wait(900); seen.first = now();
        await wait(1900); seen.second = now();
        key(' '); await wait(2500); seen.stopped = now(); seen.label = text('#play');
        """,
        "#step=1",
        "--virtual-time-budget=20000",
    )
    assert seen["pressed"] == "true"
    assert (seen["first"], seen["second"], seen["stopped"], seen["label"]) == ("a1", "z2", "z2", "Play")


def test_a_link_opens_its_step_in_its_theme(page, tmp_path):
    script = (
        "seen.now = now(); seen.ground = getComputedStyle(document.body).backgroundColor; seen.theme = text('#theme');"
    )
    seen = browse(page, tmp_path, script, "#step=10&theme=dark")
    assert seen["now"] == "W2"
    assert seen["ground"] == "rgb(20, 23, 28)"
    assert seen["theme"] == "Light"
    assert browse(page, tmp_path, script, "#step=900&theme=light")["now"] == "b1", "beyond the last step is the last"
    assert browse(page, tmp_path, script, "#step=nonsense&theme=%3Cb%3E")["now"] == "z1"


def test_the_button_changes_the_theme_and_the_drawing_follows(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const fills = () => [getComputedStyle(document.querySelector('#n_z1 rect')).fill];
        document.getElementById('theme').click(); seen.dark = fills(); seen.hash = location.hash;
        document.getElementById('theme').click(); seen.light = fills();
        """,
        "#step=1&theme=light",
    )
    assert set(seen["dark"]) == {"rgb(27, 42, 58)"}
    assert set(seen["light"]) == {"rgb(234, 241, 248)"}
    assert seen["hash"] == "#step=1&theme=dark"


def test_what_is_not_known_yet_is_hidden(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const shown = () => Object.fromEntries(['a_z1_val', 'a_a2_val', 'a_W2_val', 'a_W2_grad', 'a_z2_grad'].map(
            id => [id, getComputedStyle(document.querySelector('#' + id + ' text')).opacity === '1']));
        const edge = id => getComputedStyle(document.getElementById(id)).opacity;
        const style = document.createElement('style');
        style.textContent = '*{transition:none!important}'; document.head.append(style);
        key('Home'); seen.start = shown(); seen.edges = [edge('f_x_z1_0'), edge('b_W2_z2_1')];
        key('b'); seen.turn = shown(); key('End'); seen.end = shown(); seen.last = edge('b_W2_z2_1');
        """,
    )
    assert seen["start"] == {
        "a_z1_val": True, "a_a2_val": False, "a_W2_val": True, "a_W2_grad": False, "a_z2_grad": False
    }  # fmt: skip
    assert seen["turn"]["a_a2_val"]
    assert not seen["turn"]["a_z2_grad"]
    assert all(seen["end"].values())
    assert seen["edges"] == ["1", "0.13"]
    assert seen["last"] == "1"


def test_clicks_on_cards_and_gradients_lead_to_their_steps(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const click = id => document.getElementById(id).dispatchEvent(new MouseEvent('click', {bubbles: true}));
        seen.found = ['n_a1', 'a_z2_grad', 'n_W1', 'n_z2'].map(id => { click(id); return [now(), text('.eyebrow')]; });
        document.querySelector('.track.b li:last-child button').click(); seen.last = now();
        """,
    )
    assert seen["found"] == [
        ["a1", "Forward, step 2 of 5"],
        ["z2", "Backward, step 3 of 9"],
        ["W1", "Backward, step 8 of 9"],
        ["z2", "Forward, step 3 of 5"],
    ]
    assert seen["last"] == "b1"


def test_hovering_links_forward_and_backward(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const linked = () => [...document.querySelectorAll('.seg.linked')].map(
            e => e.closest('.track').className + ' ' + e.textContent);
        hover(document.getElementById('n_z2')); seen.card = linked();
        seen.ring = document.querySelectorAll('.halo.peek').length;
        leave(document.getElementById('n_z2')); seen.after = linked();
        const step = document.querySelector('.track.b li:nth-child(2) button'); step.focus(); seen.focus = linked();
        """,
    )
    assert seen["card"] == ["track f z2", "track b a1", "track b W2", "track b b2"]
    assert (seen["ring"], seen["after"]) == (2, []), "the card and its number"
    assert seen["focus"] == ["track f L", "track b L", "track b a2"]


def test_a_sum_boxes_the_factors_that_stand_in_it(tmp_path):
    x = ag.Tensor([[1.0, 2.0], [3.0, 4.0]], name="x")
    b = ag.Tensor([5.0, 6.0], requires_grad=True, name="b")
    seen = browse(
        step_through(ag.sum((x * b) ** 2)),
        tmp_path,
        """
        hover([...document.querySelectorAll('.mat')].at(-1).querySelector('td[data-j="1"]'));
        seen.hot = [...document.querySelectorAll('td.hot')].map(e => e.textContent); seen.sum = text('#expand');
        """,
        "#step=7",
    )
    assert seen["sum"] == "24 × 2 + 48 × 4 = 240"
    assert seen["hot"] == ["24", "48", "2", "4", "240"]


def test_what_a_far_use_adds_is_hidden_until_its_step(tmp_path):
    h, w = ag.Tensor(0.5, name="h0"), ag.Tensor(0.9, requires_grad=True, name="w")
    for _ in range(5):
        h = ag.sin(h * w)
    seen = browse(
        step_through(h),
        tmp_path,
        """
        const small = document.getElementById('a_t9_adds1'), at = () => small.classList.contains('todo');
        seen.before = at(); key('b');
        for (let i = 0; i < 3; i++) key('ArrowRight');
        seen.title = text('h2'); seen.after = at();
        """,
        "#step=1",
    )
    assert (seen["before"], seen["title"], seen["after"]) == (True, "Multiply t9 sends its gradient to w", False)


def test_an_entry_of_the_result_shows_its_factors(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const result = [...document.querySelectorAll('.mat')].at(-1);
        hover(result.querySelector('td[data-i="1"][data-j="0"]'));
        seen.hot = [...document.querySelectorAll('td.hot')].map(e => e.textContent); seen.sum = text('#expand');
        seen.reachable = result.querySelector('td').tabIndex;
        result.querySelector('td[data-i="0"][data-j="1"]').focus(); seen.focused = text('#expand');
        """,
        "#step=10",
    )
    # G of z2 times a1: W2 is (2, 2), its gradient Gᵀ·a1
    y = mlp()
    weight = next(leaf for leaf in ag.Graph(y).nodes if leaf.op is None and leaf.requires_grad and leaf.shape == (2, 2)
                  and leaf.data[0][0] == 3)  # fmt: skip
    g = ag.gradients(y, weight).data
    assert len(seen["hot"]) == 3
    assert float(seen["sum"].split(" = ")[1]) == pytest.approx(g[1][0], rel=1e-3)
    assert float(seen["focused"].split(" = ")[1]) == pytest.approx(g[0][1], rel=1e-3)
    left, right = seen["sum"].split(" = ")[0].split(" × ")
    assert float(left) * float(right.strip("()")) == pytest.approx(g[1][0], rel=1e-3)
    assert seen["reachable"] == 0


# Leaves the words that do not stand out enough from their ground (WCAG 2.2) in `low`, and how many there are.
LOW_CONTRAST = """
    const parts = s => s.match(/[\\d.]+/g).map(Number);
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
    const ground = e => {
        for (; e; e = e.parentElement) {
            const c = parts(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0) return c;
        }
        return [255, 255, 255];
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), low = [];
    let count = 0;
    while (walk.nextNode()) {
        const e = walk.currentNode.parentElement;
        const said = walk.currentNode.textContent.trim();
        if (!said || e.closest('svg,script,.sr') || !e.getClientRects().length) continue;
        const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
        count++;
        if ((a + .05) / (b + .05) < 4.5) low.push([e.tagName, e.className, said, (a + .05) / (b + .05)]);
    }
    seen.low = low; seen.count = count;
"""


def test_contrast_is_enough_for_every_word_in_both_themes(page, tmp_path):
    for fragment in ("#step=3&theme=light", "#step=9&theme=light", "#step=9&theme=dark", "#step=3&theme=dark"):
        seen = browse(page, tmp_path, LOW_CONTRAST, fragment)
        assert seen["low"] == []
        assert seen["count"] > 60


def test_reduced_motion_moves_nothing(page, tmp_path):
    script = "key('ArrowRight'); seen.dots = document.querySelectorAll('.dotrun').length;"
    assert browse(page, tmp_path, script, "#step=1")["dots"] == 1
    assert browse(page, tmp_path, script, "#step=1", "--force-prefers-reduced-motion")["dots"] == 0


def test_names_of_any_kind_are_shown_and_run_nothing(tmp_path):
    names = [
        '</script><script>__errors.push("ran")</script>',
        '<img src=x onerror=1> & "q"',
        "权重\n\u2028矩阵",
        "n" * 200,
    ]
    a, b, c, d = (ag.Tensor(v, requires_grad=True, name=n) for v, n in zip((1.0, 2.0, 3.0, 4.0), names, strict=True))
    page = step_through(a * b + c * d, title="<b>&amp;</b>")
    seen = browse(
        page,
        tmp_path,
        """
        key('End'); seen.title = text('h1');
        seen.steps = [...document.querySelectorAll('.track.b .seg')].map(e => e.title);
        seen.rows = [...document.querySelectorAll('.all tbody th')].map(e => e.textContent);
        seen.foreign = document.querySelectorAll('img').length; seen.wide = document.documentElement.scrollWidth;
        """,
    )
    assert seen["title"] == "<b>&amp;</b>"
    assert seen["foreign"] == 0
    assert {name.replace("\n\u2028", "  ") for name in names} <= set(seen["rows"])  # a name is one line
    assert any(names[0] in title for title in seen["steps"])
    assert seen["wide"] <= 1380, "a long name makes the page no wider"


def test_a_narrow_window_has_one_column(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        "const top = q => document.querySelector(q).getBoundingClientRect();"
        "seen.above = top('#panel').bottom <= top('main').top; seen.panel = top('#panel').top;"
        "seen.wide = document.documentElement.scrollWidth;"
        "seen.bar = getComputedStyle(document.querySelector('nav')).position;"
        # The keyboard goes down the page: header, steps, numbers, panel, drawing, its tools, the rest.
        "const parts = [...document.querySelectorAll('header, nav, #knobs, #modes, #panel, main, #tools, #every')];"
        "seen.reached = parts.map(e => Math.round(e.getBoundingClientRect().top + scrollY));"
        "seen.halo = document.querySelector('.halo:not(.new)').getBoundingClientRect().width;",
        "#step=9",
        "--window-size=600,900",
    )
    assert seen["reached"] == sorted(seen["reached"])
    assert seen["halo"] > 50, "the ring is around the card of the step"
    assert seen["above"], "the explanation is above the drawing"
    assert seen["panel"] < 600, "and within the first screen"
    assert seen["wide"] <= 600
    assert seen["bar"] == "sticky"


# Leaves in `small` what is pressed or dragged and smaller than `least`, with the room that belongs to a number.
SMALL = """
    const room = e => e.matches('span.drag') ? getComputedStyle(e, '::after').inset.split(' ').map(parseFloat) : [0, 0];
    seen.small = [...document.querySelectorAll('button, select, input, summary, span.drag, td[tabindex]')].filter(e => {
        const r = e.getBoundingClientRect(), [y, x = y] = room(e);
        return r.width && Math.min(r.width - 2 * x, r.height - 2 * y) < least - .5;
    }).map(e => [e.tagName, e.id, e.className, e.textContent]);
"""


@pytest.mark.parametrize(("width", "least"), [(500, 40), (1380, 24)])
def test_buttons_and_numbers_are_large_enough_for_a_finger_or_a_pointer(page, tmp_path, width, least):
    script = f"const least = {least}; document.querySelectorAll('details').forEach(e => {{ e.open = true; }}); {SMALL}"
    assert browse(page, tmp_path, script, "", f"--window-size={width},900")["small"] == []


def test_a_long_verdict_is_not_cut(page, tmp_path):
    script = "const box = document.querySelector('.check'); seen.cut = box.scrollWidth > box.clientWidth; seen.all = 1;"
    assert not browse(page, tmp_path, script, "#step=10")["cut"]


def test_a_trained_network_is_small_and_opens_at_once(tmp_path):
    random = np.random.default_rng(0)
    model = nn.MLP([256, 500, 500, 10])
    loss = nn.functional.cross_entropy(
        model(ag.Tensor(random.random((100, 256)))), ag.asarray(random.integers(0, 10, 100))
    )
    page = step_through(loss)
    assert len(page.html.encode()) < 3e6
    seen = browse(
        page,
        tmp_path,
        "seen.elements = document.querySelectorAll('*').length; key('End');"
        "seen.thumbs = document.querySelectorAll('#panel .thumb').length;",
    )
    assert seen["elements"] < 4000
    assert seen["thumbs"] == 2


def test_two_thousand_operations_are_folded_and_opened_on_demand(tmp_path):
    x = a = ag.Tensor(0.5, requires_grad=True, name="x")
    for _ in range(1000):
        a = ag.tanh(a * 1.01)
    page = step_through(a, check=False)
    seen = browse(
        page,
        tmp_path,
        """
        seen.elements = document.querySelectorAll('main *').length;
        seen.folded = document.querySelectorAll('.sec').length; seen.cards = document.querySelectorAll('.rung').length;
        seen.buttons = document.querySelectorAll('.seg').length;
        key('End');
        const rungs = () => document.querySelectorAll('.rung').length;
        seen.title = text('h2'); seen.gradient = text('#a_x_grad'); seen.after = rungs();
        document.querySelector('#s_7 button').click(); seen.more = rungs();
        document.getElementById('fit').click(); seen.none = rungs();
        key('b'); seen.turn = now();
        """,
    )
    assert seen["folded"] == 50
    assert seen["cards"] == 41, "the section that the step is in, and its leaf"
    assert seen["buttons"] < 200
    assert seen["elements"] < 3000, "of which most are the open section's"
    assert seen["title"] == "Multiply t1 sends its gradient to x"
    assert float(seen["gradient"].strip("()")) == pytest.approx(float(ag.gradients(a, x).data), rel=1e-2)
    assert (seen["after"], seen["more"], seen["none"]) == (41, 81, 0)
    assert seen["turn"] == "L"


def test_paper_search_and_zoom(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const at = id => document.getElementById(id);
        const input = (e, text) => { e.value = text; e.dispatchEvent(new Event('input')); };
        input(at('find'), 'w2'); seen.found = [document.querySelectorAll('.halo.peek').length, text('#live')];
        input(at('find'), 'nowhere'); seen.lost = [document.querySelectorAll('.halo.peek').length, text('#live')];
        const wide = () => document.querySelector('svg.picture').getBoundingClientRect().width, before = wide();
        at('in').click(); seen.zoom = wide() / before; at('out').click(); seen.back = wide() / before;
        for (let i = 0; i < 5; i++) at('in').click();
        const map = at('map'), isShown = () => getComputedStyle(map).display !== 'none', main = at('graph');
        const many = q => document.querySelectorAll(q).length;
        seen.map = isShown();
        seen.boxes = many('#map :is(path,polygon,rect)') - 1 - many('main .card, main .edge path');
        seen.ids = many('#map [id]');
        main.scrollTop = 0; const r = map.getBoundingClientRect();
        map.onclick({clientX: r.left + r.width / 2, clientY: r.bottom}); seen.moved = main.scrollTop;
        at('fit').click(); seen.fit = !isShown();
        dispatchEvent(new Event('beforeprint'));
        seen.sheet = [...document.querySelectorAll('#sheet h3')].map(e => e.textContent);
        seen.longest = Math.max(...[...document.querySelectorAll('#sheet td')].map(e => e.textContent.length));
        seen.code = [...document.querySelectorAll('#sheet .code')].map(e => e.textContent);
        dispatchEvent(new Event('afterprint')); seen.after = document.querySelectorAll('#sheet *').length;
        at('teach').click(); seen.teach = getComputedStyle(document.body).display;
        """,
        "#step=3",
    )
    assert seen["found"] == [1, "found W2"]
    assert seen["lost"] == [0, "no value has this name"]
    assert seen["zoom"] == pytest.approx(1.25, rel=0.01)
    assert seen["back"] == pytest.approx(1, rel=0.01)
    assert (seen["map"], seen["boxes"], seen["ids"], seen["fit"]) == (True, 0, 0, True)
    assert seen["moved"] > 100, "a click in the overview goes there"
    assert len(seen["sheet"]) == 5 + 9
    assert (seen["sheet"][0], seen["sheet"][-1]) == ("1. Linear 1 makes z1", "14. Linear 1 sends its gradient to b1")
    assert seen["longest"] <= 7, "four digits on paper"
    assert "W2.grad = z2.grad.T @ a1" in seen["code"]
    assert (seen["after"], seen["teach"]) == (0, "block")


def test_a_card_its_line_its_formula_and_its_number_light_up_together(page, tmp_path):
    seen = browse(
        page,
        tmp_path,
        """
        const rings = () => document.querySelectorAll('.halo.peek').length;
        const all_ = (query, f) => [...document.querySelectorAll(query)].map(f);
        const lit = () => all_('.linked:not(.seg)', e => e.className.split(' ')[0] + e.tagName);
        hover(document.getElementById('n_z2')); seen.card = [lit(), rings()];
        leave(document.getElementById('n_z2')); seen.after = lit();
        const line = document.querySelector('#listing [data-cards=z2]');
        hover(line); seen.line = lit(); leave(line);
        hover(document.querySelector('#panel .form')); seen.formula = [lit(), rings()];
        seen.lines = all_('#listing code', e => e.textContent);
        """,
        "#step=3",
    )
    assert seen["card"] == [["formDIV", "codePRE", "linkedLI"], 2], "card and number have a frame each"
    assert seen["after"] == []
    assert sorted(seen["line"]) == sorted(seen["formula"][0]) == ["codePRE", "formDIV", "linkedLI"]
    assert seen["lines"][0] == "z1 = linear(x, W1, b1)"


def test_a_wrong_rule_is_found_at_once(tmp_path):
    @ag.op("x³")
    def cubed(xp, x):
        """x to the third."""
        return x * x * x

    cubed.vjp(x=lambda g, x: 2 * g * x * x)
    x, y = (ag.Tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "x"), (3.0, "y")))
    page = step_through(cubed(ag.sin(x) * y) * 1.5 + y)
    seen = browse(
        page,
        tmp_path,
        """
        const cell = id => document.getElementById(id).textContent.trim();
        seen.drawn = [cell('a_t3_check'), cell('a_t2_grad'), cell('a_t3_grad')];
        const button = document.getElementById('wrong'); seen.said = button.textContent; button.click();
        seen.now = now(); seen.label = document.querySelector('[aria-current=step]').getAttribute('aria-label');
        seen.verdict = text('.check');
        const steps = [...document.querySelectorAll('.track.b .seg')];
        seen.steps = steps.map(b => b.textContent);
        seen.doubts = steps.map(b => { b.click(); return text('#panel').includes('Not reliable'); });
        const box = query => document.querySelector(query).getBoundingClientRect();
        seen.ring = ['width', 'height'].map(n => box('.halo')[n] - box('#n_y')[n]);
        dispatchEvent(new Event('beforeprint')); seen.paper = document.querySelectorAll('#sheet .doubt').length;
        """,
        "",
        "--virtual-time-budget=5000",
    )
    assert (seen["said"], seen["now"]) == ("1 WRONG rule", "t2 !")
    assert seen["label"].endswith("Cubed t3 sends its gradient to t2. Its rule is WRONG")
    assert "central difference disagrees" in seen["verdict"]
    assert "WRONG" in seen["drawn"][0]
    assert seen["drawn"][1].endswith("?")
    assert not seen["drawn"][2].endswith("?"), "above the wrong rule gradients are right"
    came = {"t1", "y", "x", "Σ y"}  # through the wrong rule; y is used after it, too
    at = seen["steps"].index("t2 !")
    assert not any(seen["doubts"][: at + 1])
    assert {name for name, doubt in zip(seen["steps"], seen["doubts"], strict=True) if doubt} == came
    assert seen["paper"] == sum(seen["doubts"])
    assert max(seen["ring"]) < 40, "the ring is as large as the card"


def test_in_a_notebook_it_stands_in_a_frame_of_its_own(page, tmp_path):
    framed = Page("frame", f"<!doctype html><html><head><meta name='x'></head><body>{page._repr_html_()}</body></html>")
    seen = browse(
        framed,
        tmp_path,
        "const frame = document.querySelector('iframe'); seen.title = frame.title; seen.height = frame.clientHeight;"
        "await new Promise(done => setTimeout(done, 500));",
        "",
        "--virtual-time-budget=5000",
    )
    assert seen["title"] == page.title
    assert seen["height"] == 720


def test_your_own_line_lights_its_operations_and_their_steps(tmp_path):
    w, x = ag.Tensor(2.0, requires_grad=True, name="w"), ag.Tensor(3.0, name="x")

    def loss():
        h = w * x
        a = ag.sigmoid(h - 1.0) * h
        return a**2

    seen = browse(
        step_through(loss),
        tmp_path,
        """
        const texts = query => [...document.querySelectorAll(query)].map(e => e.textContent);
        document.getElementById('listing').open = true;
        seen.mine = texts('#listing .mine code'); seen.heading = text('#listing summary');
        document.querySelectorAll('#listing .mine')[1].focus();
        seen.lines = texts('#listing li.linked:not(.mine) code'); seen.steps = texts('.track.f .seg.linked');
        seen.rings = document.querySelectorAll('.halo.peek').length;
        document.activeElement.blur(); key('Home'); key('b'); seen.backward = text('.where code');
        key('Home'); seen.forward = text('.where code');
        hover(document.querySelector('.where')); seen.where = texts('.track.f .seg.linked');
        leave(document.querySelector('.where')); hover(document.getElementById('n_t3'));
        seen.card = texts('#listing .linked code');
        """,
    )
    assert seen["heading"] == "Your program, line by line"
    assert seen["mine"] == ["h = w * x", "a = ag.sigmoid(h - 1.0) * h", "return a**2"]
    assert seen["lines"] == ["t2 = t1 - 1", "a1 = sigmoid(t2)", "t3 = a1 * t1"]
    assert (seen["steps"], seen["rings"]) == (["t2", "a1", "t3"], 6), "each card and its number"
    assert (seen["forward"], seen["backward"]) == ("h = w * x", "return a**2")
    assert seen["where"] == ["t1"]
    assert seen["card"] == ["a = ag.sigmoid(h - 1.0) * h", "t3 = a1 * t1"]


@pytest.mark.parametrize("width", [960, 1100, 1380])
def test_a_long_verdict_hides_no_part_of_the_legend(tmp_path, width):
    a, b = ag.Tensor(2.0, requires_grad=True, name="a"), ag.Tensor(3.0, requires_grad=True, name="b")
    seen = browse(
        step_through(ag.relu(a * b - 6.0) + ag.abs(a - 2.0), live=True),
        tmp_path,
        """
        const bounds = e => { const r = e.getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom]; };
        seen.badge = bounds(document.getElementById('badge'));
        seen.said = document.getElementById('badge').title;
        seen.header = bounds(document.querySelector('header'));
        seen.key = bounds(document.querySelector('.key'));
        seen.parts = [...document.querySelectorAll('.key span')].map(e => [e.textContent, ...bounds(e)]);
        """,
        "",
        f"--window-size={width},700",
    )
    assert len(seen["said"]) > 40
    assert [part[0] for part in seen["parts"]] == ["value forward", "gradient back", "parameter"]
    for _, left, right, top, bottom in seen["parts"]:
        assert seen["key"][0] <= left < right <= seen["key"][1] + 0.5
        assert seen["header"][2] <= top < bottom <= seen["header"][3] + 0.5
    assert seen["badge"][1] <= seen["header"][1]
