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

# What a test may use: `seen` for what it found, `press`, `text`.
TOOLS = """
const seen = {errors: window.__errors};
const press = k => new KeyboardEvent('keydown', {key: k, bubbles: true, cancelable: true});
const text = q => document.querySelector(q).textContent;
"""
LOW_CONTRAST = Path(__file__).with_name("contrast.js").read_text("utf-8")
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
