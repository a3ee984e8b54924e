"""Learning curves, the sheet of digits, the confusion matrix: what they show, and how it reads without colour."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.labels import texts_of
from glassgrad.viz.plots import figure
from glassgrad.viz.plots.digits import plot_confusion, plot_digits
from glassgrad.viz.plots.history import plot_history
from tests.viz.laid_out import words

matplotlib = pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
font_manager = pytest.importorskip("matplotlib.font_manager")

HISTORY = {
    "loss": [1.0, 0.6, 0.4],
    "validation_loss": [1.1, 0.7, 0.9],
    "accuracy": [0.5, 0.7, 0.9],
    "validation_accuracy": [0.4, 0.8, 0.75],
}


def written(cell):
    """The words of a cell of a table."""
    return "".join(text.words for text in texts_of(cell.content))


def texts(plot):
    """Every text of the figure."""
    return [text.get_text() for text in plot.figure.findobj(matplotlib.text.Text) if text.get_text()]


def series(axes):
    return {line.get_gid(): line for line in axes.get_lines() if (line.get_gid() or "").startswith("series_")}


class TestHistory:
    @pytest.mark.parametrize("epochs", [1, 2, 3, 40])
    def test_epochs_are_whole_numbers(self, epochs):
        (axes,) = plot_history({"loss": [1.0] * epochs}).figure.axes
        low, high = axes.get_xlim()
        ticks = [x for x in axes.get_xticks() if low <= x <= high]
        assert ticks
        assert all(x == int(x) for x in ticks)

    def test_missing_numbers_are_gaps(self):
        plot = plot_history({"loss": [1.0, 0.5, 0.25], "validation_loss": [None, 0.8, float("nan")]})
        trained, held = series(plot.figure.axes[0]).values()
        assert (trained.get_marker(), held.get_marker()) == ("o", "s")
        assert np.isnan(held.get_ydata()).tolist() == [True, False, True]
        assert "best in epoch 2   0.8" in texts(plot)

    def test_a_wide_range_is_logarithmic(self):
        assert plot_history({"loss": [1.0, 0.01]}).figure.axes[0].get_yscale() == "log"
        assert plot_history({"loss": [1.0, 0.5]}).figure.axes[0].get_yscale() == "linear"

    def test_several_runs_share_the_panels_and_differ_without_hue(self):
        runs = {f"run {k}": {"loss": [1.0, 1 / (k + 1)], "validation_loss": [1.2, 1 / (k + 0.5)]} for k in range(1, 8)}
        plot = plot_history(runs)
        (axes,) = plot.figure.axes
        lines = series(axes)
        for held in ("validation_loss", "loss"):
            found = [lines[f"series_{held}_{name}"] for name in runs]
            assert len({line.get_marker() for line in found}) == len(runs)
            shades = [style.luminance(line.get_color()) for line in found]
            assert all(style.contrast(line.get_color(), style.LIGHT.paper) > 3 for line in found)
            assert shades == sorted(shades, reverse=True)
            assert {line.get_linestyle() for line in found} == {"-" if held == "loss" else "--"}
        assert {words.partition("  ")[0] for words in texts(plot) if words.startswith("run ")} == set(runs)
        assert [line.get_marker() for line in axes.get_legend().get_lines()] == [*"os^DvPX"]  # the highest line first
        assert "best validation loss: run 1 0.667 at epoch 2" in plot.description

    def test_names_of_runs_are_not_taken_for_formulas_and_stay_apart(self):
        names = ["$x^{2$", "$\\alpha$", "learning rate 0.1, Adam", "learning rate 0.2, Adam"]
        plot = plot_history({name: {"loss": [1.0, 0.5]} for name in names}, title="$T$")
        assert {words.partition("  ")[0] for words in texts(plot)} >= set(names)
        assert all(name in plot._repr_svg_() for name in names)


class TestDigits:
    images = np.random.default_rng(0).random((5, 16, 16))

    def test_mistakes_have_a_thick_frame_a_word_and_the_right_answer(self):
        plot = plot_digits(self.images, [1, 2, 3, 4, 5], [1, 2, 8, 4, 5])
        frames = [axes.spines["left"].get_linewidth() for axes in plot.figure.axes]
        assert frames[2] > 2 * max(frames[:2] + frames[3:])

    @pytest.mark.parametrize("shape", [(2, 256), (2, 16, 16), (2, 1, 16, 16)])
    def test_flat_squares_and_pictures(self, shape):
        plot = plot_digits(np.ones(shape))
        assert [axes.get_images()[0].get_array().shape for axes in plot.figure.axes] == [(16, 16)] * 2

    def test_all_pictures_share_one_scale(self):
        plot = plot_digits(np.stack([np.zeros((8, 8)), np.full((8, 8), 4.0)]))
        assert {axes.get_images()[0].get_clim() for axes in plot.figure.axes} == {(0.0, 4.0)}


class TestConfusion:
    def test_the_right_ones_are_boxed(self):
        (counts,) = plot_confusion([0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 0]).items
        _, *rows, _ = counts.label[0].rows
        boxed = [[cell.attributes.get("border") == 2 for cell in row[1:3]] for row in rows]
        assert boxed == [[True, False], [False, True]]

    @pytest.mark.parametrize("names", [None, [f"the kind {i}" for i in range(40)]])
    def test_of_many_classes_those_with_the_most_mistakes_are_drawn(self, names):
        true = np.repeat(np.arange(40), np.arange(40) + 1)
        said = np.where(np.arange(true.size) % 3 > 0, true, 39 - true)
        picture = plot_confusion(true, said, classes=names)
        assert picture.size()[0] <= style.WIDTH
        head, *rows, _ = picture.items[0].label[0].rows
        drawn = [int(written(cell)) for cell in head[1:-1]]
        assert f"{len(drawn)} of 40 classes, those with the most mistakes" in words(picture)
        counts = np.zeros((40, 40), int)
        np.add.at(counts, (true, said), 1)
        wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
        assert wrong[drawn].min() >= np.delete(wrong, drawn).max()
        shown = [[int(written(cell) or 0) for cell in row[1:-1]] for row in rows]
        assert np.array_equal(shown, counts[np.ix_(drawn, drawn)])


class TestPlot:
    @pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
    def test_it_saves(self, tmp_path, suffix, start):
        path = plot_history(HISTORY).save(tmp_path / f"curves{suffix}")
        assert path.read_bytes().startswith(start)
        assert list(tmp_path.iterdir()) == [path]

    def test_the_same_plot_is_the_same_file(self, tmp_path):
        one, two = (plot_history(HISTORY).save(tmp_path / f"{i}.svg").read_bytes() for i in range(2))
        assert one == two

    def test_it_has_an_alternative_text(self, tmp_path):
        plot = plot_history(HISTORY)
        png, metadata = plot._repr_png_()
        assert png.startswith(b"\x89PNG")
        assert metadata == {"alt": plot.description}
        image = ElementTree.fromstring(plot.save(tmp_path / "plot.svg").read_bytes())
        assert (image.get("role"), image.get("aria-label")) == ("img", plot.description)
        words = image.findall(".//{http://www.w3.org/2000/svg}text")
        assert {text.get("{http://www.w3.org/XML/1998/namespace}space") for text in words} == {"preserve"}

    def test_matplotlibs_settings_stay_as_they_were(self):
        before = dict(matplotlib.rcParams)
        plot_history(HISTORY)._repr_svg_()
        assert dict(matplotlib.rcParams) == before

    def test_without_matplotlib_one_sentence_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ModuleNotFoundError, match=r"not installed: pip install \"glassgrad\[plots\]\""):
            plot_history(HISTORY)


def test_chinese_letters_have_a_font_of_their_own_and_letters_that_no_font_has_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(font_manager.fontManager, "get_font_names", lambda: ["Noto Sans CJK SC", "DejaVu Sans", "Hand"])
    assert figure.installed.__wrapped__() == ["DejaVu Sans", "Noto Sans CJK SC"]
    plot = plot_history({"loss": [3.0, 1.0]}, title="\U00013000")
    with pytest.warns(UserWarning, match="Glyph 77824 .* missing from font"):
        plot.save(tmp_path / "a.png")
    assert "\U00013000" in plot._repr_svg_()


def test_control_characters_of_names_leave_a_plot_readable():
    name = "a\x00b\x1b[0m\ud800\ufffe<&>"
    plots = [
        plot_history({name: {"loss": [2.0, 1.0]}, "b": {"loss": [3.0, 1.0]}}),
        plot_history({"loss": [2.0, 1.0], name: [2.0, 3.0]}, title=name),
    ]
    for plot in plots:
        root = ElementTree.fromstring(plot._repr_svg_())
        assert "a\ufffdb\ufffd[0m\ufffd\ufffd<&>" in " ".join(root.itertext())
