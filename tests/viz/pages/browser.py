"""Pages in headless Chromium.

A script of the test's own is put at the end of the page; it acts, writes down what it saw, and the browser hands the
finished page back. No driver is needed, and the browser is told to reach nothing.
"""

import base64
import html
import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from glassgrad.viz.pages.emitted import asset

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")) if p), None)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed to run scripts of pages")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to open the page with")

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1380,900"),
]

# What a test may use: `seen` for what it found, `key`, `hover`, `leave`, `text`, `now`.
TOOLS = """
const seen = {errors: window.__errors};
const press = k => new KeyboardEvent('keydown', {key: k, bubbles: true, cancelable: true});
const key = k => document.activeElement.dispatchEvent(press(k));
const hover = e => e.dispatchEvent(new MouseEvent('mouseenter'));
const leave = e => e.dispatchEvent(new MouseEvent('mouseleave'));
const text = q => document.querySelector(q).textContent;
const now = () => document.querySelector('[aria-current=step]').textContent;
"""
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
ERRORS = """<script>window.__errors = [];
addEventListener('error', e => __errors.push(String(e.message || e.target)), true);
addEventListener('securitypolicyviolation', e => __errors.push('policy: ' + e.violatedDirective));
console.error = (...words) => __errors.push(words.join(' '));
/* a page that is dumped is never drawn: its frames are timers */
window.requestAnimationFrame = f => setTimeout(() => f(performance.now()), 16);
window.cancelAnimationFrame = clearTimeout;</script>"""


def whole(text):
    """The text of a page, with that of its compressed script."""
    packed = re.search(r'atob\("(.*?)"\)', text)
    return text + (zlib.decompress(base64.b64decode(packed[1])).decode() if packed else "")


def evaluated(expression, *scripts, given=None):
    """The value of a JavaScript expression of ``given`` in node, after scripts: names of assets, or texts."""
    texts = [asset(script) if script.endswith(".js") else script for script in scripts]
    page = "globalThis.document = {documentElement: {dataset: {}}};" if scripts[0] == "common.js" else ""
    start = f"{page} const given = {json.dumps(given)};"
    program = "\n".join([start, *texts, f"console.log(JSON.stringify({expression}));"])
    return json.loads(subprocess.run(["node"], input=program.encode(), stdout=subprocess.PIPE, check=True).stdout)


def browse(page, folder, script, fragment="", *flags):
    """What ``script`` left in ``seen`` once the page has been opened and it has run."""
    acted = page.html.replace("<meta name", f"{ERRORS}<meta name", 1)
    body = f"await window.ready; {TOOLS} try {{ {script}\n }} catch (error) {{ seen.errors.push(String(error)); }}"
    body += (
        "seen.requests = performance.getEntriesByType('resource').map(r => r.name);"
        "const out = document.createElement('pre'); out.id = 'seen';"
        "out.textContent = JSON.stringify(seen); document.body.append(out);"
    )
    acted = acted.replace("</body>", f"<script>(async () => {{{body}}})()</script></body>")
    file = Path(folder) / "acted.html"
    file.write_text(acted, encoding="utf-8")
    command = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        *flags,
        "--dump-dom",
        f"{file.as_uri()}{fragment}",
    ]
    run = subprocess.run(command, capture_output=True, timeout=120, check=False)
    found = re.search('<pre id="seen">(.*?)</pre>', run.stdout.decode(), re.DOTALL)
    assert found, f"the page did not come to an end: {run.stderr.decode()[-2000:]}"
    seen = json.loads(html.unescape(found[1]))
    assert seen["errors"] == [], seen["errors"]
    assert [name for name in seen["requests"] if not name.startswith("file:")] == [], "nothing may be asked for"
    return seen
