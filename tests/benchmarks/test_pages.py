"""The benchmark of live pages drags a number in Chromium; how long a frame takes is not looked at."""

import pytest

from tests.viz.pages.browser import needs_chromium

pages = pytest.importorskip("benchmarks.pages")


@pytest.mark.check
@needs_chromium
def test_every_frame_and_change_is_counted(tmp_path):
    found = pages.dragged(pages.network().save(tmp_path / "network.html"), 1.5)
    assert found["changes"] > 0
    assert len(found["work"]) > 0
    assert all(time > 0 for time in [*found["work"], *found["gaps"]])
