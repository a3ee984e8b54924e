"""Scripts as a page carries them say the same as their sources."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from glassgrad import viz
from glassgrad.viz.drawing import words
from glassgrad.viz.pages import lean

ASSETS = sorted((Path(viz.__file__).parent / "pages/assets").rglob("*.js"))
NODE = shutil.which("node")


def tokens(script):
    """Its tokens, without semicolons before a closing brace."""
    found = [token for kind, token in lean._tokens(script) if kind != "space"]
    return [token for token, following in pairwise([*found, ""]) if (token, following) != (";", "}")]


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.name)
def test_a_script_keeps_every_token_in_order(path):
    script = words.script(
        lean.needed(path.read_text(encoding="utf-8"), ["tensors", "shared", "ladder", "long", "still", "tall"])
    )
    assert tokens(lean.script(script)) == tokens(script)
    assert len(lean.script(script)) < len(script)


@pytest.mark.skipif(NODE is None, reason="node is not installed to run scripts with")
def test_statements_end_where_they_ended():
    script = """
    let log = ''; const say = x => { log += x; };
    for (let i = 0; i < 2; i++) {
      const a = i, f = () => { say(a); say(','); }; const b = a + 1; f(); const c = b; say(c); }
    if (log) say('!'); else { say('?'); } const last = 3; say(last)
    const next = [1,
      2]; let other = 4;
    while (other-- > 0); { const one = 1; for (;;) { if (one) break; } if (!one); else; }
    say(`${`${other} of ${ [1, 2].map(x => `<${ x }>`).join('') }`}`); say(next.length); say(/a;}/.test('a;}'));
    console.log(log);
    """

    def printed(text):
        return subprocess.run([NODE, "-e", text], capture_output=True, check=True).stdout

    assert printed(lean.script(script)) == printed(script) != b""
