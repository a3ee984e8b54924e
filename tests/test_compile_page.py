"""The pictures of docs/compile.md are of the programs as they are."""

from pathlib import Path

from PIL import Image

from glassgrad import viz
from tests.viz.program.test_picture import mlp

PAGE = Path(__file__).parents[1] / "docs/compile.md"


def test_its_pictures_are_those_of_the_programs(tmp_path: Path):
    """Engines differ in a few pixels, programs in lines."""
    small = mlp(4, 3, 2)
    drawn = {"program": viz.draw_graph(mlp(2, 2, 2, 2)), "program_diff": viz.diff(small, small.optimized())}
    for name, picture in drawn.items():
        picture.save(tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as now, Image.open(PAGE.parent / f"{name}.png") as shown:
            assert max(abs(a / b - 1) for a, b in zip(now.size, shown.size, strict=True)) < 0.2, name
