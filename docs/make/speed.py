"""The page of speed: charts of the tables in benchmarks/RESULTS.md, as SVG within the page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from docs.make.pages import Page

RESULTS = Path(__file__).parents[2] / "benchmarks/RESULTS.md"
WORKS = {
    "A": "2-16-16-1, batch 100",
    "C": "256-30-10, batch 10",
    "B": "256-500-500-10, batch 100",
    "D": "256-[128]×16-10, batch 64",
    "E": "784-2048-2048-10, batch 512",
}
SHOWN = (
    *("glassgrad compiled", "glassgrad eager", "jax.jit", "torch.compile", "PyTorch eager", "NumPy by hand, out="),
    *("MyGrad", "DeZero", "HIPS autograd"),
)
"""The contestants, in the order of the charts."""


def table(text: str, heading: str) -> tuple[list[str], dict[str, list[str]]]:
    """The columns and the rows, by their first cell, of the table below a heading.

    >>> table("### T\\n\\n| | A |\\n|---|---:|\\n| x | 1.5 |\\n\\n", "T")
    (['A'], {'x': ['1.5']})
    """
    part = text.split(f"### {heading}\n", 1)[1]
    found = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert found is not None, heading
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[0].splitlines()]
    rows: dict[str, list[str]] = {}
    for name, *cells in lines[2:]:
        rows.setdefault(name, cells)  # a name comes again where a target is compared with it
    return lines[0][1:], rows


def number(cell: str) -> float | None:
    """The number in a cell, such as ``~0.88``; None where there is none."""
    found = re.fullmatch(r"~?([\d.]+)(?: ms| MB)?", cell)
    return float(found[1]) if found else None


def versions(text: str) -> list[str]:
    """The lines that tell the machine and the versions."""
    part = text.split("## One thread\n", 1)[1]
    return re.findall(r"^- (?=AMD|Intel|Apple|ARM|NumPy).*$", part, re.MULTILINE)[:2]


def chart(title: str, bars: Sequence[tuple[str, float]], unit: str = "", reference: float | None = 1.0) -> str:
    """A bar chart as SVG: a bar with its number for each name; a line at ``reference``."""
    left, width, step = 170, 400, 24
    top = max(value for _, value in bars)
    scale = width / top
    height = step * len(bars) + 8
    parts = [
        f'<svg viewBox="0 0 {left + width + 70} {height}" role="img" class="speed" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{html.escape(title + ': ' + ', '.join(f'{name} {value:g}{unit}' for name, value in bars))}</title>",
    ]
    values = []
    for row, (name, value) in enumerate(bars):
        y = row * step + 6
        kind = "own" if name.startswith("glassgrad") else "other"
        parts += [
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>',
            f'<rect class="{kind}" x="{left}" y="{y}" width="{max(value * scale, 1):.1f}" height="{step - 6}" rx="2"/>',
        ]
        values.append(f'<text class="value" x="{left + value * scale + 6:.1f}" y="{y + 13}">{value:g}{unit}</text>')
    if reference is not None and reference < top:
        x = left + reference * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
    return "".join((*parts, *values, "</svg>"))  # numbers lie above the line


def bars(rows: Mapping[str, Sequence[str]], column: int) -> list[tuple[str, float]]:
    """The contestants that have a number in a column."""
    found = [(name, number(rows[name][column])) for name in SHOWN if name in rows]
    return [(name, value) for name, value in found if value is not None]


def charts(text: str) -> Iterator[str]:
    """The charts, each under its heading."""
    columns, rows = table(text, "Time ÷ PyTorch eager, 1 thread; smaller is better")
    yield "## One training step\n\nTime as a share of PyTorch's (the line), one thread. Shorter is faster.\n"
    for work, net in WORKS.items():
        column = columns.index(work)
        takes = rows["PyTorch eager takes"][column]
        yield f"### {work}: {net}\n\nPyTorch takes {takes}.\n\n{chart(f'{work}, {net}', bars(rows, column))}\n"
    columns, rows = table(text, "Scalars: ns per operation, forward and backward; smaller is better")
    scalars = [
        (name, value) for name, cells in rows.items() if (value := number(cells[columns.index("F mlp")])) is not None
    ]
    yield "## Scalars\n\nNanoseconds per operation, forward and backward, on micrograd's own network.\n"
    yield chart("ns per scalar operation", sorted(scalars, key=lambda bar: bar[1]), " ns", None) + "\n"
    columns, rows = table(text, "Depth, memory above the start, compilation, import")
    for column, heading, unit in (
        ("import", "Import", " ms"),
        ("compile D", "Compiling work D", " ms"),
        ("peak memory on E", "Peak memory on work E", " MB"),
    ):
        found = [(name, value) for name, cells in rows.items() if (value := number(cells[columns.index(column)]))]
        yield f"## {heading}\n\n{chart(heading, sorted(found, key=lambda bar: bar[1]), unit, None)}\n"


def markdown() -> str:
    """The source of the page."""
    text = RESULTS.read_text(encoding="utf-8")
    told = "\n".join(versions(text))
    return (
        "# Speed\n\nForward, loss, backward and update of a training step, beside other libraries in one run.\n\n"
        f"{told}\n\n[All tables](results.md) have the targets that were missed and why, two threads, and 28 steps"
        f" written by hand. [How it is measured](how.md).\n\n" + "\n".join(charts(text))
    )


PAGE = Page(
    "speed/index.md",
    "Speed",
    "Training steps beside PyTorch, JAX, NumPy by hand and others, with versions.",
    partial(markdown),
)
