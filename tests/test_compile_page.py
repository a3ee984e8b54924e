"""docs/compile.md tells nothing that isn't so."""

import doctest
import re
from pathlib import Path

from PIL import Image

import viz
from tests.viz.test_program import mlp

PAGE = Path(__file__).parents[1] / "docs/compile.md"


def test_the_examples_run():
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(PAGE), module_relative=False, optionflags=options)
    assert (found.failed, found.attempted > 10) == (0, True)


def test_what_it_points_to_is_there():
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(links) >= 3
    assert all((PAGE.parent / link).exists() for link in links)


def test_its_pictures_are_those_of_the_programs(tmp_path: Path):
    """Engines differ in a few pixels, programs in lines."""
    small = mlp(4, 3, 2)
    drawn = {"program": viz.draw_graph(mlp(2, 2, 2, 2)), "program_diff": viz.diff(small, small.optimized())}
    for name, picture in drawn.items():
        picture.save(tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as now, Image.open(PAGE.parent / f"{name}.png") as shown:
            assert max(abs(a / b - 1) for a, b in zip(now.size, shown.size, strict=True)) < 0.2, name
