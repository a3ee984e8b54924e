"""The widget: its messages with a page in Chromium, and numbers that go both ways."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import viz
from glassgrad.viz.pages.emitted import asset
from tests.viz.pages.browser import browse, needs_chromium


def shown(dtype="float64"):
    """A widget of L = (w·x - 5)², and its Tensors."""
    w = ag.Tensor(np.array([2.0, 1.0], dtype), requires_grad=True, name="w")
    x = ag.Tensor(np.array([3.0, 1.0], dtype), name="x")
    return viz.widget(ag.sum((w * x - 5.0) ** 2)), w, x


class TestInPython:
    def test_numbers_of_the_page_are_the_tensors(self):
        widget, w, x = shown("float32")
        assert widget.tensors == {"w": w, "x": x}
        widget._heard(None, {"numbers": {"w": [0.5, 7], "x": [1, 2], "no": [1]}}, [])
        np.testing.assert_array_equal(w.data, np.array([0.5, 7.0], "float32"))
        assert w.dtype == np.float32
        assert w.requires_grad

    @pytest.mark.parametrize("entries", [[1.0], [None, 1.0], ["1", 2.0], []])
    def test_what_are_not_its_numbers_is_left(self, entries):
        widget, w, _ = shown()
        widget._heard(None, {"numbers": {"w": entries}}, [])
        np.testing.assert_array_equal(w.data, [2.0, 1.0])

    def test_present_numbers_are_told_where_json_has_them(self):
        widget, w, x = shown()
        told = []
        widget.view = SimpleNamespace(send=told.append)
        w.data, x.data = np.array([1.5, 2.5]), np.array([np.nan, 1.0])
        widget._heard(None, {"ready": True}, [])
        assert told == [{"numbers": {"w": [1.5, 2.5]}}]

    def test_without_anywidget_the_page_is_shown_in_a_frame(self, monkeypatch):
        monkeypatch.setattr("glassgrad.viz.pages.widget._view_class", lambda: None)
        widget, *_ = shown()
        assert widget._repr_mimebundle_()["text/html"] == widget.page._repr_html_()
        assert 'pip install "glassgrad[notebook]"' in repr(widget)
        widget.refresh()


@needs_chromium
def test_the_page_and_the_widget_tell_each_other_numbers(tmp_path):
    widget, *_ = shown()
    # Once: a page that is still unpacking hears an early message again when it is ready.
    moved = "setTimeout(() => { const { w } = numbers.leaves(); w[0] += .25; numbers.changed(); }, 200)"
    script = f"{asset('notebook.js')} addEventListener('message', () => ready.then(() => {moved}), {{ once: true }});"
    page = widget.page.html.replace("</body>", f"<script>{script}</script></body>")
    host = f"""<!doctype html><html><head><meta name="viewport"></head><body><p></p><p></p>
<script>{asset("widget.js").replace("export default", "const made =")}</script></body></html>"""
    state = json.dumps({"page": page, "title": "t", "height": 700}).replace("<", "\\u003c")
    # Two views of one model, which has what anywidget documents and nothing else.
    seen = browse(
        SimpleNamespace(html=host),
        tmp_path,
        f"""const state = {state}, sent = [], heard = new Set(), no = () => {{ throw Error('not to be called'); }};
        const of = {{ get: k => state[k], send: m => sent.push(m), set: no, save_changes: no, widget_manager: null }};
        const asks = f => (k, then) => {{ if (k !== 'msg:custom') no(); f(then); }};
        Object.assign(of, {{ on: asks(f => heard.add(f)), off: asks(f => heard.delete(f) || no()) }});
        const model = new Proxy(of, {{ get: (_, k) => k in of ? of[k] : no() }});
        const until = async n => {{ while (sent.length < n) await new Promise(f => setTimeout(f, 20)); }};
        const views = [...document.querySelectorAll('p')].map(el => made.render({{ model, el, experimental: {{}} }}));
        await until(2);
        for (const tell of heard) tell({{ numbers: {{ w: [4, -1], none: [1] }} }}, []);
        await until(4);
        seen.sent = sent;
        seen.left = views.map(close => (close(), heard.size));""",
        "",
        "--virtual-time-budget=20000",
        "--disable-features=IsolateSandboxedIframes",
    )
    assert seen["sent"] == 2 * [{"ready": True}] + 2 * [{"numbers": {"w": [4.25, -1]}}]
    assert seen["left"] == [1, 0]
