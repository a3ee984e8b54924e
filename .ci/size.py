"""The size of each room, held against its budget in pyproject.toml ([tool.glassgrad.size]); status 1 above one.

`python .ci/size.py` counts code lines, as tinygrad does: lines that hold a token, without blank lines, comments
and docstrings. Tokens are counted too, so that nothing is gained by longer lines. Of a script, blank lines and lines of
comments are left out.
"""

import io
import re
import subprocess
import sys
import tokenize
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
START = (tokenize.ENCODING, tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)
COMMENTS = re.compile(r"^\s*(?://.*|/\*[\s\S]*?\*/\s*)$", re.MULTILINE)


def size(path: Path) -> tuple[int, int]:
    """Code lines and tokens of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".js":
        return sum(bool(line.strip()) for line in COMMENTS.sub("", text).splitlines()), 0
    lines: set[int] = set()
    count, last = 0, tokenize.ENCODING
    for token, following in pairwise(tokenize.generate_tokens(io.StringIO(text).readline)):
        alone = last in START and following.type in (tokenize.NEWLINE, tokenize.COMMENT)  # a statement of its own
        if token.type in CODE and not (token.type == tokenize.STRING and alone):
            lines.update(range(token.start[0], token.end[0] + 1))
            count += 1
        last = token.type
    return len(lines), count


def main() -> int:
    """Print the sizes; 1 if a room is above its budget."""
    budgets = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["glassgrad"]["size"]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    sizes = dict.fromkeys(budgets, (0, 0))
    for name in listed.splitlines():
        path = ROOT / name
        kind = "JavaScript" if path.suffix == ".js" and not name.startswith(("tests/", "docs/")) else ""
        inside = [room for room in budgets if any(name.startswith(f"{part}/") for part in room.split(", "))]
        room = kind or (max(inside, key=len) if inside and path.suffix == ".py" else "")
        if room and path.is_file():
            sizes[room] = tuple(a + b for a, b in zip(sizes[room], size(path), strict=True))  # type: ignore[assignment]
    print(f"{'room':<39}{'lines':>8}{'budget':>8}{'tokens':>10}{'budget':>10}")
    rows = [(room, *sizes[room], *budgets[room]) for room in budgets]
    source = [row for row in rows if row[0] not in ("tests", "JavaScript")]
    rows.append(("sum of the source", *(sum(row[i] for row in source) for i in range(1, 5))))
    for room, lines, tokens, most, most_tokens in rows:
        above = "  ABOVE ITS BUDGET" if lines > most or tokens > most_tokens else ""
        print(f"{room:<39}{lines:>8,}{most:>8,}{tokens:>10,}{most_tokens:>10,}{above}")
    return any(lines > most or tokens > most_tokens for _, lines, tokens, most, most_tokens in rows)


if __name__ == "__main__":
    sys.exit(main())
