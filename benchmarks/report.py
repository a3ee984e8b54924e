"""The measured figures as tables for a terminal or in Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks import referee, targets
from benchmarks.contestants import CONTESTANTS
from benchmarks.works import SCALARS, WORKS

RIVALS = ("glassgrad", "pytorch", "numpy_out", "pytorch_compiled", "jax")  # of the compiled mode

NOISY = 0.1  # quartiles further apart than this share of the median get a "~"

Rows = list[list[str]]


def tables(report: dict[str, Any]) -> list[tuple[str, Rows]]:
    """(title, rows) for each table; the first row is the head."""
    made = []
    works = report["works"]
    ratios = [work for work in works if work not in SCALARS]
    threads = f"{report['threads']} thread{'s' * (report['threads'] > 1)}"
    clock = "Time" if report["clock"] == "wall" else "CPU time"
    if ratios:
        rows = [["", *ratios]]
        rows.append(["PyTorch eager takes", *(_took(works[work], "pytorch") for work in ratios)])
        rows += _contestants(report, ratios, lambda work, key: _ratio(works[work], key, "pytorch"))
        rows += _targets(report, ratios, "glassgrad", "pytorch")
        made.append((f"{clock} ÷ PyTorch eager, {threads}; smaller is better", rows))
    compiled = [work for work in ratios if "glassgrad_compiled" in works[work]]
    if compiled:
        rows = [["", *compiled]]
        rows.append(["glassgrad compiled takes", *(_took(works[work], "glassgrad_compiled") for work in compiled)])
        for key in (key for key in RIVALS if key in report["contestants"]):
            cells = (_ratio(works[work], "glassgrad_compiled", key) if key in works[work] else "-" for work in compiled)
            rows.append([f"÷ {CONTESTANTS[key].title}", *cells])
            rows += _targets(report, compiled, "glassgrad_compiled", key)
        made.append((f"{clock} of glassgrad compiled ÷ the others', {threads}; smaller is better", rows))
    made += [(f"{SCALARS_TITLE}; smaller is better", _scalars(report))] if any(w in works for w in SCALARS) else []
    singles = [name for name in SINGLE if name in report]
    if singles:
        heads = {
            "deep": f"{targets.DEPTH} deep",
            "peak": "peak memory on E",
            "compile": "compile D",
            "import": "import",
        }
        rows = [["", *(heads[name] for name in singles)]]
        rows += _contestants(report, singles, lambda name, key: SINGLE[name](report[name].get(key, {})))
        made.append(("Depth, memory above the start, compilation, import", rows))
    return made


SCALARS_TITLE = "Scalars: ns per operation, forward and backward"


def _scalars(report: dict[str, Any]) -> Rows:
    keys = [key for key in SCALARS if key in report["works"]]

    def cell(work: str, key: str) -> str:
        result = report["works"][work].get(key, {})
        if "seconds" not in result:
            return _missing(result)
        return f"{1e9 * statistics.median(result['seconds']) / SCALARS[work].operations:.0f}"

    return [["", *keys], *_contestants(report, keys, cell)]


def _contestants(report: dict[str, Any], columns: list[str], cell: Any) -> Rows:
    rows = []
    for key in report["contestants"]:
        cells = [cell(column, key) for column in columns]
        if any(cells):
            rows.append([CONTESTANTS[key].title, *(c or "-" for c in cells)])
    return rows


def _targets(report: dict[str, Any], columns: list[str], contestant: str, against: str) -> Rows:
    """Two rows below a ratio, where there are targets for it."""
    sides = contestant, against
    verdicts = {v["work"]: v for v in report["targets"] if (v["contestant"], v["against"]) == sides}
    if not any(column in verdicts for column in columns):
        return []
    limits = [f"{verdicts[c]['limit']:.2f}" if c in verdicts else "-" for c in columns]
    words = [_word(verdicts[c]["met"]) if c in verdicts else "-" for c in columns]
    return [["target: at most", *limits], [CONTESTANTS[contestant].title, *words]]


def _word(met: bool | None) -> str:
    return {True: "met", False: "MISSED", None: "unknown"}[met]


def _ratio(results: dict[str, Any], key: str, unit: str) -> str:
    found = referee.ratio(results, key, unit)
    if found is None:
        return _missing(results.get(key, {}))
    value, spread = found
    digits = 3 if value < 0.2 else 2 if value < 10 else 0
    return f"{'~' * (spread > NOISY * value)}{value:.{digits}f}"


def _took(results: dict[str, Any], key: str) -> str:
    seconds = results.get(key, {}).get("seconds")
    return _duration(statistics.median(seconds)) if seconds else "-"


def _missing(result: dict[str, Any]) -> str:
    return "failed" if "error" in result else "?" if "seconds" in result else ""


def _duration(seconds: float) -> str:
    if seconds < 0.002:
        return f"{1e6 * seconds:.0f} µs"
    return f"{1e3 * seconds:.1f} ms" if seconds < 2 else f"{seconds:.1f} s"


def _deep(result: dict[str, Any]) -> str:
    return _duration(result["value"]) if "value" in result else _missing(result)


def _peak(result: dict[str, Any]) -> str:
    value = result.get("value")
    return f"{value / 1e6:.0f} MB" if value else _missing(result)


def _import(result: dict[str, Any]) -> str:
    return f"{1e3 * statistics.median(result['seconds']):.0f} ms" if "seconds" in result else _missing(result)


def _compile(result: dict[str, Any]) -> str:
    return f"{1e3 * result['value']:.0f} ms" if "value" in result else _missing(result)


SINGLE = {"deep": _deep, "peak": _peak, "compile": _compile, "import": _import}


def verdicts(report: dict[str, Any]) -> Rows:
    """One row per target: what was asked, what was measured, whether it is met."""
    rows = [["", "target", "at most", "measured", ""]]
    for verdict in report["targets"]:
        limit, value = verdict["limit"], verdict["value"]
        shown = ["-" if v is None else f"{v:.3f}" if v < 10 else f"{v:.0f}" for v in (limit, value)]
        title = CONTESTANTS[verdict["contestant"]].title
        rows.append([title, f"{verdict['work']} ({verdict['unit']})", *shown, _word(verdict["met"])])
    return rows


def failures(report: dict[str, Any]) -> list[str]:
    """A sentence for everyone who was measured in something and failed."""
    lines = [f"{CONTESTANTS[key].title}: {reason}" for key, reason in report["absent"].items()]
    groups = {**report["works"], **{name: report[name] for name in SINGLE if name in report}}
    for name, results in groups.items():
        lines += [f"{CONTESTANTS[k].title}, {name}: {r['error']}" for k, r in results.items() if "error" in r]
    return lines


def describe(report: dict[str, Any]) -> list[str]:
    """The machine, the versions and the works, one a line."""
    machine = report["machine"]
    versions = [f"NumPy {machine['numpy']}", *(f"{name} {version}" for name, version in report["versions"].items())]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}",
        ", ".join(versions),
    ]
    lines += [f"{key}: {WORKS[key]}" for key in report["works"] if key not in SCALARS]
    if report["load"] > 0.5:
        lines.append(f"The machine was busy at the start (load {report['load']:.1f}): the figures are noisy.")
    return lines


def as_text(report: dict[str, Any]) -> str:
    parts = ["\n".join(describe(report))]
    for title, rows in [*tables(report), ("Targets of glassgrad", verdicts(report))]:
        parts.append(f"{title}\n{_aligned(rows)}")
    if failed := failures(report):
        parts.append("Failed\n" + "\n".join(f"  {line}" for line in failed))
    return "\n\n".join(parts)


def as_markdown(report: dict[str, Any]) -> str:
    parts = ["\n".join(f"- {line}" for line in describe(report))]
    for title, (head, *rows) in [*tables(report), ("Targets of glassgrad", verdicts(report))]:
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        parts.append(f"### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    if failed := failures(report):
        parts.append("### Failed\n\n" + "\n".join(f"- {line}" for line in failed))
    return "\n\n".join(parts) + "\n"


def _aligned(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  " + "  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
