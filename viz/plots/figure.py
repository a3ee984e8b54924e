"""A finished plot, and the parts that all plots share: settings, a heading, plain axes.

Plots need matplotlib (``pip install "glassgrad[plots]"``), which is imported when a plot is made and not before. Its
global state is left alone: no pyplot, no settings that outlive a call.
"""

from __future__ import annotations

import io
import math
import warnings
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad.autograd.common.validation import check_instance
from glassgrad.viz.drawing import numbers, style, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.files import saved
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import one_line, wrapped
from glassgrad.viz.recorded.evaluate import host

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure


# As wide as Helvetica, and what is always there.
FONTS = [style.FONT, "Arial", "Liberation Sans", "Arimo", "DejaVu Sans"]
CHINESE = ["Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei"]
CHINESE += ["Microsoft YaHei", "SimHei", "PingFang SC", "Heiti SC", "Hiragino Sans GB", "Droid Sans Fallback"]
MARGIN = 0.15  # inches around what is drawn, which may be wider than the figure


class Plot:
    """A finished plot: shows itself in a notebook; ``save(path)`` writes ``.svg``, ``.png`` or ``.pdf``.

    ``figure`` is the matplotlib figure, to be refined by hand; ``description`` says in words what it shows. Both are in
    the language in which the plot is made. ``names`` are the user's and are not translated.
    """

    def __init__(self, figure: Figure, description: str, names: Collection[str] = ()) -> None:
        from matplotlib.text import Text

        for written in figure.findobj(Text):  # XML has no control characters
            lines = map(one_line, written.get_text().split("\n"))
            written.set_text("\n".join(words.told(line, names) for line in lines))
        self.figure = figure
        self.description = words.matched(one_line(description), names)

    def save(self, path: str | Path) -> Path:
        """Write the plot in the format of the path's suffix; returns the path.

        Raises `DrawingError` for another suffix, `WriteError` where nothing can be written.
        """
        return saved("a plot", path, {f".{form}": partial(self._rendered, form) for form in ("svg", "png", "pdf")})

    def _rendered(self, form: str) -> bytes:
        # Without a date and random ids, so that the same plot gives the same file.
        metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
        from matplotlib.text import Text

        texts = [text for text in self.figure.findobj(Text) if not text.get_text().isascii()]
        texts = [text for text in texts if text.get_fontfamily() == ["sans-serif"]]  # no font was set by hand
        buffer = io.BytesIO()
        with settings(), warnings.catch_warnings():
            if form == "svg":  # a browser finds fonts by itself
                warnings.filterwarnings("ignore", message="Glyph .* missing from")
            for text in texts if form != "svg" else ():
                text.set_fontfamily(installed())
            look: dict[str, Any] = {"dpi": style.DPI, "bbox_inches": "tight", "pad_inches": MARGIN}
            self.figure.savefig(buffer, format=form, metadata=metadata, **look)
        for text in texts:
            text.set_fontfamily("sans-serif")
        if form != "svg":
            return buffer.getvalue()
        # Several spaces separate clauses, and browsers would collapse them.
        svg = buffer.getvalue().decode().replace("<text ", '<text xml:space="preserve" ')
        return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(self.description)}" ', 1).encode()

    def _repr_svg_(self) -> str:
        return self._rendered("svg").decode()

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self._rendered("png"), {"alt": self.description}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.description!r})"


@cache
def installed() -> list[str]:
    """The fonts of this machine, each for the letters that those before it lack. matplotlib says which none has."""
    from matplotlib.font_manager import fontManager

    there = fontManager.get_font_names()
    return [name for name in FONTS + CHINESE if name in there]


def settings() -> AbstractContextManager[None]:
    """A context with matplotlib's settings for these plots."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'plots are drawn with matplotlib, which is not installed: pip install "glassgrad[plots]"'
        ) from None
    return matplotlib.rc_context(
        {
            "font.family": ["sans-serif"],
            "font.sans-serif": FONTS,
            "text.parse_math": False,  # names with "$" are the user's
            "svg.fonttype": "none",
            "svg.hashsalt": "glassgrad",
        }
    )


@contextmanager
def titled_figure(width: float, height: float, title: str, line: str) -> Iterator[Figure]:
    """A context in which a figure is drawn: its size in inches, with a title and a reading line at the top left."""
    check_instance(title, str, "title", "a text")
    with settings():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), facecolor=LIGHT.paper, layout=None)
        lines = wrapped(words.matched(line), style.CAPTION, style.WIDTH - 60)
        up = 0.16 * (len(lines) - 1)
        write(figure, 0.15, height - 0.16 + up, title, style.TITLE, LIGHT.ink, fontweight="bold", va="top")
        write(figure, 0.15, height - 0.43 + up, "\n".join(lines), style.CAPTION, LIGHT.muted, va="top")
        yield figure


def write(figure: Figure, x: float, y: float, said: str, size: float, colour: str, **options: Any) -> None:
    """Write words at this place, in inches from the bottom left."""
    width, height = figure.get_size_inches()  # a transform in inches is not moved where a picture is cropped
    figure.text(x / width, y / height, said, fontsize=size, color=colour, **options)


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float, **options: Any) -> Any:
    """New axes in a figure, their place and size in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up), **options)


def plain_axes(axes: Axes, title: str = "", below: str = "", beside: str = "") -> None:
    """Give axes the style of all plots: two thin spines, a faint grid behind the data, a title and words outside."""
    panel_title(axes, title)
    for axis, label in ((axes.xaxis, below), (axes.yaxis, beside)):
        axis.set_label_text(label, fontsize=style.CAPTION, color=LIGHT.muted)
        plain_numbers(axis)
    axes.set_facecolor(LIGHT.paper)
    axes.tick_params(colors=LIGHT.muted, labelsize=style.CAPTION, length=3)
    axes.grid(axis="y", color=LIGHT.hair, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_color(LIGHT.hair)
    axes.spines[["top", "right"]].set_visible(False)


def colour_map(colours: Sequence[str]) -> ListedColormap:
    """A colour map of these colours, from the smallest value to the largest."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(list(colours))


def plain_numbers(axis: Axis, text: Callable[[float], str] = numbers.short) -> None:
    """Label the ticks of an axis with plain numbers, even of a logarithmic one, where matplotlib writes formulas."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())


def name_lines(axes: Axes, lines: Mapping[str, tuple[float, Any]]) -> None:
    """Write names of lines beside the axes, that of the highest end first. ``lines``: its last value and the line."""
    highest = sorted(lines.items(), key=lambda item: -item[1][0])
    place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "frameon": False}
    look: dict[str, Any] = {"fontsize": style.CAPTION, "labelcolor": LIGHT.ink, "handlelength": 1.2}
    axes.legend([line for _, (_, line) in highest], [name for name, _ in highest], **look, **place)


def panel_title(axes: Any, words: str) -> None:
    """Write the title of a panel above its left corner."""
    axes.set_title(words, fontsize=style.VALUE, fontweight="bold", color=LIGHT.ink, loc="left")


def class_numbers(values: Any, n: int, name: str, others: str = "images", k: int | None = None) -> np.ndarray:
    """``n`` classes as integers. Raises `DrawingError` for another shape, and for a class below 0 or above k - 1."""
    array = np.asarray(host(values))
    if array.shape != (n,) or not n or array.dtype.kind not in "iub":
        numbered = "; numpy.unique(texts, return_inverse=True) numbers texts" if array.dtype.kind == "U" else ""
        raise DrawingError(
            f"{name} of shape {numbers.shape(array.shape)} and dtype {array.dtype} cannot be used for {n} {others}:"
            f" give one integer class for each{numbered}"
        )
    if (outside := array[(array < 0) | (array >= (math.inf if k is None else k))]).size:
        known = "a class: give integers from 0" if k is None else f"one of {k} classes: give integers from 0 to {k - 1}"
        raise DrawingError(f"{name}: {int(outside[0])} is not {known}")
    return array.astype(int)


def percent(share: float) -> str:
    """A probability in percent, with three digits.

    >>> percent(0.5), percent(0.9962), percent(0.99996), percent(0.0004)
    ('50 %', '99.6 %', '> 99.9 %', '0.04 %')
    """
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * float(share):.3g} %"
