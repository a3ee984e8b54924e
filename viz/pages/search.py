"""The report of a search for a network: its plots, its summary, and a table of all trials, as one page."""

from __future__ import annotations

import html
from typing import Any

from glassgrad.viz.pages.emitted import assets, document, variables
from glassgrad.viz.pages.page import Page
from glassgrad.viz.pages.report import plotted
from glassgrad.viz.plots.search import plot_search

STYLES = """table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--hair) }
td:nth-child(n+3):nth-child(-n+6), th:nth-child(n+3):nth-child(-n+6) { text-align: right }"""


def search_report(result: Any, summary: str | None = None, *, title: str = "Search for a network") -> Page:
    """One page with `plot_search`, ``summary`` in words (that of ``result``), and all trials, the best first."""
    picture = plotted(plot_search(result, title=title), "search-")
    summary = result.summary() if summary is None else summary
    rows = "".join(
        f"<tr><td>{trial.number}</td><td>{html.escape(trial.settings)}</td>"
        f"<td>{_accuracy(trial)}</td><td>{trial.parameters:,}</td>"
        f"<td>{trial.seconds:.1f}</td><td>{trial.seed}</td><td>{trial.state}</td></tr>"
        for trial in sorted(result.trials, key=lambda trial: -(trial.accuracy or 0.0))
    )
    heads = "".join(f"<th>{h}</th>" for h in ("trial", "network", "held out", "parameters", "seconds", "seed", "state"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    main = f'<main>{picture}<pre class="code">{html.escape(summary)}</pre>{table}</main>\n'
    styles = "\n".join([variables(), assets("common.css", "report.css"), STYLES])
    return Page(title, document(title, main, styles))


def _accuracy(trial: Any) -> str:
    return "" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
