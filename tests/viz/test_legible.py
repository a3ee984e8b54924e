"""Words in the pictures of the gallery never touch, and none is wider than a page: measured on what a browser draws."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from glassgrad.viz.drawing import style
from tests.viz.pages.browser import browse, needs_chromium
from tests.viz.pictures import PICTURES
from tests.viz.test_gallery import WIDE

pytestmark = [needs_chromium, pytest.mark.check]

# The last one has to be installed: Debian's package fonts-liberation-sans-narrow.
FONTS = {"of the layout": style.FONTS, "wider": "narrowed", "narrower": "'Liberation Sans Narrow'"}
SLACK = 1.0  # points by which boxes may overlap: those of letters are larger than their ink

MEASURED = """
const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
const side = (a, b, k) => Math.min(a[k + 2], b[k + 2]) - Math.max(a[k], b[k]);
const deep = (a, b) => Math.min(side(a, b, 0), side(a, b, 1));
seen.faults = [];
for (const svg of document.querySelectorAll('svg')) {
    const say = (...words) => seen.faults.push([svg.dataset.name, ...words]);
    const words = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim());
    const texts = words.map(t => {
        const [left, top, right, low] = box(t), air = (low - top) / 4;  // above and below the letters
        const said = t.textContent, scale = (right - left) / t.getComputedTextLength();
        const start = said.search(/\\S/), to = n => n ? left + scale * t.getSubStringLength(0, n) : left;
        return [[to(start), top + air, to(said.trimEnd().length), low - air], said.trim()];
    });
    texts.forEach(([a, one], i) => texts.slice(i + 1).forEach(([b, other]) => deep(a, b) > SLACK && say(one, other)));
    for (const head of svg.querySelectorAll('g[id^=f_] polygon, g[id^=b_] polygon'))
        for (const [a, one] of texts) if (deep(a, box(head)) > SLACK) say(one, 'arrowhead');
    const tables = /window|confusion/.test(svg.dataset.name);  // without a card around them
    for (const card of tables ? [] : svg.querySelectorAll('g[id^=n_]')) {
        const frames = [...card.querySelectorAll('polygon, path')].map(box);
        const left = Math.min(...frames.map(b => b[0])), right = Math.max(...frames.map(b => b[2]));
        for (const t of card.querySelectorAll('text')) {
            const [a, , b] = box(t);
            const out = frames.length && t.textContent.trim() && Math.max(left - a, b - right);
            if (out > SLACK) say(t.textContent, 'edge');
        }
    }
}
seen.sizes = [...document.querySelectorAll('text')].map(t => +t.getAttribute('font-size'));
seen.widths = [...document.querySelectorAll('svg')].map(s => [s.dataset.name, parseFloat(s.getAttribute('width'))]);
"""


@pytest.fixture(scope="module")
def drawn():
    """The pictures of the gallery, and wide ones, that an engine lays out, as SVG."""
    pytest.importorskip("onnx")
    made = {name: draw() for name, draw in (PICTURES | WIDE).items()}
    return {name: shown.svg().partition("<svg")[2] for name, shown in made.items() if hasattr(shown, "svg")}


@pytest.mark.parametrize("font", FONTS)
def test_words_touch_neither_each_other_nor_arrows_nor_the_edge_of_their_card(font, drawn, tmp_path):
    family = f"font-family:{style.FONTS}"
    body = "".join(f'<svg data-name="{name}"{svg}' for name, svg in drawn.items())
    body = body.replace(family, f"font-family:{FONTS[font]}").replace("max-width:100%", "")
    page = SimpleNamespace(html=f'<!doctype html><meta charset="utf-8"><meta name="a">{body}</body>')
    seen = browse(page, tmp_path, MEASURED.replace("SLACK", json.dumps(SLACK)))
    assert seen["faults"] == []
    assert len(seen["widths"]) >= 30
    assert min(seen["sizes"]) >= 9
    assert {name: width for name, width in seen["widths"] if width > style.WIDTH} == {}
