"""The report of a search for a network: its plots, its summary, and a table of all trials, as one page."""

from __future__ import annotations

import html
from typing import Any

from glassgrad.viz.pages.emitted import assets, document, variables
from glassgrad.viz.pages.page import Page
from glassgrad.viz.pages.report import plotted
from glassgrad.viz.plots.search import plot_search


def search_report(result: Any, summary: str | None = None, *, title: str = "Search for a network") -> Page:
    """One page with `plot_search`, ``summary`` in words (that of ``result``), and all trials, the best first."""
    picture = plotted(plot_search(result, title=title), "search-")
    summary = result.summary() if summary is None else summary
    rows = "".join(
        f"<tr><td>{trial.number}</td><td>{html.escape(trial.settings)}</td><td>{_accuracy(trial)}</td>"
        f"<td>{trial.parameters:,}</td><td>{trial.seconds:.1f}</td><td>{trial.seed}</td><td>{trial.state}</td></tr>"
        for trial in sorted(result.trials, key=lambda trial: -(trial.accuracy or 0.0))
    )
    heads = "".join(f"<th>{h}</th>" for h in ("trial", "network", "held out", "parameters", "seconds", "seed", "state"))
    table = f'<table class="trials"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    main = f'<main>{picture}<pre class="code">{html.escape(summary)}</pre>{table}</main>\n'
    styles = f"{variables()}\n{assets('common.css', 'report.css')}"
    return Page(title, document(title, main, styles))


def _accuracy(trial: Any) -> str:
    return "" if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
