"""The report of a search: what was chosen is escaped, and every trial has a row."""

from __future__ import annotations

import pytest

from glassgrad import viz
from tests.viz.plots.test_search import TRIALS, result

pytest.importorskip("matplotlib")


def test_the_report_escapes_what_was_chosen(tmp_path):
    page = viz.search_report(result(TRIALS), "the best <b>")
    text = page.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("<script>") == 1
    assert "&lt;script&gt;" in text
    assert "the best &lt;b&gt;" in text
    assert text.count("<tr>") == 6
