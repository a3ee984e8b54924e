"""The frames of a live page while the pointer drags a number of it, in headless Chromium.

    python -m benchmarks.pages                  # 60 changes a second for 10 s: the page of a 2-2-2-2 network
    python -m benchmarks.pages --seconds 30 --show digits.html

The events are the browser's own (`Input.dispatchMouseEvent`), one in each sixtieth of a second, and each one changes
the number. The time of a frame runs from its `requestAnimationFrame` until scripts, style, layout and paint are done. A
frame counts as late where more than 25 ms lie between it and the one before: one of the screen's was missed. On the two
cores of a virtual machine without a GPU, ahead of everything else (`chrt -r 5`), a frame took 4.8 ms, at most 10.8.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from glassgrad import autograd as ag
from glassgrad import nn, viz

RATE = 60  # changes a second
BUDGET = 16.0  # milliseconds of a frame
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1380,1040")

WATCH = """
(() => {
const watched = window.watched = {work: [], gaps: [], changes: 0, last: 0};
const number = document.querySelector('.param .num'), all = {characterData: true, childList: true, subtree: true};
new MutationObserver(() => { watched.changes++; }).observe(number, all);
document.querySelector('[data-do=skip]')?.click();
requestAnimationFrame(function frame(t) {
  const begun = performance.now(), after = new MessageChannel();
  if (watched.last) watched.gaps.push(t - watched.last);
  watched.last = t;
  watched.end?.();  // a frame has ended when the next one begins, though it was not told so before
  const end = watched.end = () => {
    if (watched.end !== end) return;
    watched.work.push(performance.now() - begun);
    watched.end = null;
  };
  after.port1.onmessage = end;
  after.port2.postMessage(0);
  requestAnimationFrame(frame);
});
const r = number.getBoundingClientRect();
return [r.left + r.width / 2, r.top + r.height / 2];
})()
"""


class Browser:
    """A page in headless Chromium, driven through a pair of pipes."""

    def __init__(self, file: Path, folder: Path, *flags: str) -> None:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None:
            sys.exit("no Chromium was found: install the package `chromium`")
        (theirs, self._to), (self._from, mine) = os.pipe(), os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        command = f'exec "$0" "$@" 3<&{theirs} 4>&{mine}'
        arguments = [found, *FLAGS, *flags, "--remote-debugging-pipe", f"--user-data-dir={folder}", file.as_uri()]
        self.process = subprocess.Popen(
            ["bash", "-c", command, *arguments], pass_fds=(theirs, mine), stderr=subprocess.DEVNULL
        )
        os.close(theirs)
        os.close(mine)
        self._rest, self._count, self._session = b"", 0, {}
        self.events: list[Any] = []
        while not (pages := [t for t in self.call("Target.getTargets")["targetInfos"] if t["url"] == file.as_uri()]):
            time.sleep(0.1)
        target = {"targetId": pages[0]["targetId"], "flatten": True}
        self._session = {"sessionId": self.call("Target.attachToTarget", **target)["sessionId"]}

    def call(self, method: str, **given: Any) -> Any:
        """The result of a command of the browser's protocol."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": given, **self._session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                self._rest += os.read(self._from, 1 << 16)
            text, self._rest = self._rest.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == self._count:
                return answer["result"]
            self.events.append(answer)

    def value(self, expression: str, **where: Any) -> Any:
        """The value of a JavaScript expression in the page, or in another context."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True, **where)["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        os.close(self._to)
        self.process.terminate()
        self.process.wait(30)

    def pointer(self, kind: str, x: float, y: float) -> None:
        """An event of the mouse, whose left button is held."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def network() -> viz.Page:
    """The live page of a 2-2-2-2 network, squared error."""
    model = nn.MLP([2, 2, 2, 2], seed=0)
    x, y = ag.Tensor([[0.5, -1.0]], name="x"), ag.Tensor([[0.0, 1.0]], name="y")
    return viz.step_through(ag.sum((model(x) - y) ** 2), live=True)


def dragged(file: Path, seconds: float) -> dict[str, Any]:
    """The frames of a page while its first parameter is dragged."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(file, Path(folder))
        try:
            while not browser.value("document.readyState === 'complete' && !!document.querySelector('.bar')"):
                time.sleep(0.1)
            time.sleep(1.0)
            x, y = browser.value(WATCH)
            browser.pointer("mousePressed", x, y)
            begun = time.perf_counter()
            for i in range(round(seconds * RATE)):
                time.sleep(max(0.0, begun + i / RATE - time.perf_counter()))
                browser.pointer("mouseMoved", x + 5 + abs((i * 2) % 160 - 80), y)
                if i == RATE:  # the first second is for the browser to compile what runs
                    browser.value("watched.work.length = watched.gaps.length = watched.changes = 0")
            browser.pointer("mouseReleased", x, y)
            found: dict[str, Any] = browser.value("watched")
        finally:
            browser.close()
        return found


def main(arguments: list[str] | None = None) -> int:
    """Print the frames; the exit status is 1 where one took too long or came late."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__.partition("\n")[0])
    p.add_argument("--seconds", type=float, default=10.0, help="how long the number is dragged")
    p.add_argument("--show", type=Path, metavar="FILE", help="a live page of your own in place of the network's")
    options = p.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        file = options.show or network().save(Path(folder) / "network.html")
        found = dragged(file.resolve(), options.seconds)
    work, gaps = sorted(found["work"]), sorted(found["gaps"])
    late, most = sum(gap > 25 for gap in gaps), work[len(work) * 99 // 100]
    print(f"{found['changes']} changes in {len(work)} frames of {sum(gaps) / 1000:.1f} s")
    print(f"a frame takes {median(work):.1f} ms, the 99th of a hundred {most:.1f}, at most {work[-1]:.1f}")
    print(f"from frame to frame {median(gaps):.1f} ms, at most {gaps[-1]:.1f}; {late} late")
    return int(work[-1] > BUDGET or late > 0)


if __name__ == "__main__":
    sys.exit(main())
