"""The widget: its messages with a page in Chromium, and numbers that go both ways in JupyterLab."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.pages import Browser
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


# ---------------------------------------------------------------------------------------------------------- JupyterLab

CELLS = [
    """from glassgrad import autograd as ag, viz
w = ag.Tensor(2.0, requires_grad=True, name='w')
shown = viz.widget((w * 3.0 - 5.0) ** 2)
shown""",
    "print('w is', w.item())",
    "w.data = 7.0",
]


def until(found, seconds=60):
    """The first true result of ``found``."""
    for _ in range(int(seconds / 0.2)):
        if result := found():
            return result
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def lab(tmp_path):
    """The address of a server of JupyterLab with a notebook of `CELLS`."""
    for module in ("jupyterlab", "anywidget"):
        pytest.importorskip(module)
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "id": f"c{i}", "source": source} for i, source in enumerate(CELLS)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    folder = tmp_path / "notebooks"
    folder.mkdir()
    text = json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
    (folder / "n.ipynb").write_text(text)
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    repository = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, **places, "PYTHONPATH": repository, "IPYTHONDIR": str(tmp_path / "ipython")}
    options = ["--no-browser", "--allow-root", "--IdentityProvider.token=", "--ServerApp.port_retries=50"]
    options += ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=", f"--ServerApp.root_dir={folder}"]
    log = tmp_path / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=output, stderr=output
        )
    try:
        found = until(lambda: re.search(r"http://(?:localhost|127\.0\.0\.1):\d+", log.read_text()))
        yield f"{found[0]}/lab/tree/n.ipynb?reset"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.check
@needs_chromium
def test_a_number_that_is_dragged_in_jupyterlab_is_the_kernels(lab, tmp_path):
    blank = tmp_path / "blank.html"
    blank.touch()
    features = "IsolateSandboxedIframes,IsolateOrigins,site-per-process"  # frames are contexts of the page
    page = Browser(blank, tmp_path / "profile", f"--disable-features={features}", "--disable-site-isolation-trials")

    def frame():
        """The context of the frame with the page of the widget."""
        told = [event["params"] for event in page.events if event["method"] == "Runtime.executionContextCreated"]
        for context in (found["context"]["id"] for found in told):
            with suppress(KeyError):  # a context that is gone
                if page.value("!!window.numbers && parent !== window", contextId=context):
                    return context
        return None

    try:
        page.call("Runtime.enable")
        page.call("Page.navigate", url=lab)
        run = "void jupyterapp.commands.execute('notebook:run-cell-and-select-next')"
        until(lambda: page.value("!!window.jupyterapp && !!document.querySelector('.jp-Notebook .jp-Cell')"))
        ready = "jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status === 'idle'"
        until(lambda: page.value(ready))
        page.value(run)
        context = until(frame)
        w = "window.numbers.leaves().w[0]"
        assert page.value(w, contextId=context) == 2
        number = "document.querySelector('.tile [role=spinbutton], .num[data-id^=\"w\"], .tile .drag')"
        inner = f"(b => [b.x + b.width / 2, b.y + b.height / 2])({number}.getBoundingClientRect())"
        outer = "(b => [b.x, b.y])(document.querySelector('iframe[sandbox]').getBoundingClientRect())"
        x, y = np.add(page.value(inner, contextId=context), page.value(outer)).tolist()
        page.pointer("mousePressed", x, y)
        for step in range(1, 11):
            page.pointer("mouseMoved", x + 4 * step, y)
        page.pointer("mouseReleased", x + 40, y)
        dragged = until(lambda: (v := page.value(w, contextId=context)) != 2 and v)
        time.sleep(1)
        page.value(run)
        said = "[...document.querySelectorAll('.jp-OutputArea-output')].map(e => e.textContent).join(' ')"
        until(lambda: f"w is {dragged!r}" in page.value(said))
        page.value(run)
        until(lambda: page.value(w, contextId=context) == 7)
    finally:
        page.close()
