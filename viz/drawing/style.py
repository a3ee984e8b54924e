"""Every colour and every size of the pictures, under one name each.

Each colour has one meaning, so that a page can recolour a finished SVG by attribute alone. Text has a contrast of at
least 4.5:1 on its background in both themes. Meaning never depends on hue alone: a dash, a border, italics, a tag or a
word carries it too. Sizes are in points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glassgrad.viz.drawing.errors import DrawingError

# ---------------------------------------------------------------- colours


COLOURS = {  # of each theme: light, dark
    "paper": ("#ffffff", "#14171c"),  # the page
    "ink": ("#1c2128", "#e8ebf0"),  # values, names
    "muted": ("#5c6672", "#9da8b4"),  # captions, shapes, tags
    "hair": ("#c6ccd4", "#3d4550"),  # rules, outline of a module
    "panel": ("#f6f7f9", "#1b2027"),  # ground of a module, side panel
    "fwd": ("#2b5f8f", "#84b9ea"),  # forward edge, badge of an operation
    "fwd_bg": ("#eaf1f8", "#1b2a3a"),  # card of an operation and the tensor it makes
    "grad": ("#b83a0b", "#ff9a6e"),  # gradient number and edge
    "grad_bg": ("#fdeee6", "#3a2218"),  # card of a derivative
    "knob": ("#7a5c00", "#dfc050"),  # border of a parameter, line of a weight
    "knob_bg": ("#fff4cc", "#312a12"),  # card of a parameter
    "data": ("#454d57", "#b4bdc8"),  # border of an input or a target
    "data_bg": ("#fcfcfd", "#1a1e24"),  # card of an input or a target
    "loss_bg": ("#272d36", "#e8ebf0"),  # card of the loss
    "loss_ink": ("#fdfdfe", "#14171c"),  # text on it
    "loss_grad": ("#ffb690", "#a03508"),  # gradient on it
    "loss_mut": ("#aab3bd", "#4a535e"),  # captions on it
    "loss_hair": ("#59626d", "#aab3bd"),  # rules on it
    "bad": ("#a3003f", "#ff7ba4"),  # failed check, nan, inf
    "bad_bg": ("#ffe3ec", "#3d1424"),
    "ok": ("#0a6a57", "#5fd0b4"),  # passed check
    "ok_bg": ("#e2f3ee", "#12302a"),
    "warn": ("#8f4a00", "#ffb45c"),  # vanishing, exploding, saturated
    "warn_bg": ("#ffedd2", "#3a2a10"),
}


class Theme:
    """The colours of a theme, an attribute for each name in `COLOURS`.

    >>> LIGHT.grad, DARK.grad
    ('#b83a0b', '#ff9a6e')
    """

    def __init__(self, name: str, **colours: str) -> None:
        self.name = name
        vars(self).update(colours)

    if TYPE_CHECKING:

        def __getattr__(self, token: str) -> str: ...

    def on(self, ground: str) -> Theme:
        """The colours of what lies on a ground: light ones on the loss, a reversed badge where an operation failed."""
        if ground == "loss_bg":
            dark = {"ink": self.loss_ink, "muted": self.loss_mut, "grad": self.loss_grad, "hair": self.loss_hair}
            dark |= {"fwd": self.loss_ink, "bad": self.bad_bg, "ok": self.ok_bg, "warn": self.warn_bg}
            return Theme(**vars(self) | dark)
        return Theme(**vars(self) | {"fwd": self.paper}) if ground == "bad_bg" else self

    def colour(self, name: str) -> str:
        """The colour of this name; one of the form ``#rrggbb`` is passed through.

        ``edge@0.7`` is that of a gradient's edge: 0 for a tiny one, 1 for a large one, which has more contrast.
        ``on@#rrggbb`` is that of text on a ground, ``paper>fwd@0.35`` a mixture.
        """
        token, _, given = name.partition("@")
        if token == "edge":
            return mix(*(GRAD_EDGE if self.name != "dark" else GRAD_EDGE[::-1]), float(given))
        if token == "on":
            return text_on(given, self)
        if given:
            start, _, end = token.partition(">")
            return mix(self.colour(start), self.colour(end), float(given))
        known: str = name if name.startswith("#") else getattr(self, token)
        return known


LIGHT, DARK = (Theme(name, **{x: pair[i] for x, pair in COLOURS.items()}) for i, name in enumerate(("light", "dark")))
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


def theme_named(theme: str | Theme) -> Theme:
    """The theme of this name; a `Theme` is passed through.

    Raises `DrawingError` for an unknown name.
    """
    if isinstance(theme, Theme):
        return theme
    if not isinstance(theme, str) or theme not in THEMES:
        raise DrawingError(f"there is no theme {theme!r}: choose one of {', '.join(map(repr, THEMES))}")
    return THEMES[theme]


# ---------------------------------------------------------------- ramps


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(start: str, end: str, t: float) -> str:
    """The colour a share `t` of the way from `start` to `end`, `t` in 0 to 1.

    >>> mix("#000000", "#ffffff", 0.5)
    '#808080'
    """
    return "#" + "".join(f"{round(a + (b - a) * t):02x}" for a, b in zip(_channels(start), _channels(end), strict=True))


def ramp(start: str, end: str, steps: int = 7) -> tuple[str, ...]:
    """`steps` colours from `start` to `end`, both included."""
    return tuple(mix(start, end, i / (steps - 1)) for i in range(steps))


# Darker with size in both themes, so that they can be read in grey; for thumbnails and strips only.
VALUE_RAMP = ramp("#f3f6f9", "#123a61")
GRAD_RAMP = ramp("#fbeee7", "#7a2300")
# On a dark page, lighter with size. The first four are dark enough for that theme's ink.
VALUE_RAMP_DARK = (*ramp("#1d2733", "#46607c", 4), *ramp("#7093b6", "#a9d2f8", 3))
GRAD_RAMP_DARK = (*ramp("#2e211b", "#7a4630", 4), *ramp("#bf7350", "#ffae87", 3))
GRAD_EDGE = ("#e0a488", "#8f2a00")  # tiny to large


SIGNED_VALUE = ("#fff4e0", "#a9bacb", "#0f2f50")  # most negative, zero, most positive: lighter to darker, so that
SIGNED_GRAD = ("#eef6fb", "#dcae98", "#5e1b00")  # the sign survives grey


def signed_ramp(gradient: bool) -> tuple[str, ...]:
    """Colours from the most negative to the most positive; zero is the middle one."""
    low, zero, high = SIGNED_GRAD if gradient else SIGNED_VALUE
    return (*ramp(low, zero, 33)[:-1], *ramp(zero, high, 33))


def on_ramp(share: float, colours: tuple[str, ...] = VALUE_RAMP) -> str:
    """The ramp's colour for a share of the largest size, in 0 to 1 (clipped).

    >>> on_ramp(0.0), on_ramp(1.0), on_ramp(7.0)
    ('#f3f6f9', '#123a61', '#123a61')
    """
    last = len(colours) - 1
    return colours[min(last, max(0, round(share * last)))]


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2).

    >>> round(contrast("#ffffff", "#000000"))
    21
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(ground: str, theme: Theme = LIGHT) -> str:
    """The text colour with more contrast on this background: ink or loss_ink."""
    return max((theme.ink, theme.loss_ink), key=lambda colour: contrast(colour, ground))


# ---------------------------------------------------------------- type, in whole points

FONT = "Helvetica"
FONTS = "Helvetica,Arial,'Liberation Sans','Nimbus Sans',Arimo,narrowed,sans-serif"
"""Fonts as wide as Helvetica, the font of the layout, then a wider one at the size at which it is as wide."""
NARROWED = "".join(
    f"@font-face{{font-family:narrowed;font-weight:{weight};size-adjust:{size}%;"
    f"src:local('DejaVu Sans{face}'),local('Verdana{face}')}}"
    for weight, size, face in (("normal", 84, ""), ("bold", 77, " Bold"))
)
NO_GLYPH = frozenset("∇✓✗∘⊙⊗⌊⌋⌈⌉∧∨∈∗⟨⟩∥")  # empty boxes in a PNG, so words are written instead
TITLE = 14  # bold
NAME = 12  # of a tensor, bold
VALUE = 11
GRADIENT = 11  # bold italic alone, italic in a table
CELL = 10  # numbers of a parameter or an input, formula of a tensor card
GRAD_LABEL = 10  # italic
CAPTION = 9  # shapes, local derivatives
SMALL = 9  # numbers of a table above TABLE_ROWS × TABLE_COLUMNS
TAG = 9  # capitals
BADGE = 16  # of one character; longer ones step down to BADGE_SMALL, words to NAME
BADGE_SMALL = 13
COUNT = 18  # of folded repeats

# ---------------------------------------------------------------- lines

BORDER = 1.0
PARAMETER_BORDER = 2.4
DERIVATIVE_BORDER = 1.4
EDGE_WIDTH = 1.3
KEPT_WIDTH = 1.6
ARROW = 0.65
WEIGHT_WIDTH = (1.7, 3.5)  # the thinnest line that can be hollow, and the width added for the largest weight

# ---------------------------------------------------------------- layout

PAD = 0.09  # inches, as nodesep and ranksep
NODESEP = 0.3
RANKSEP = 0.36
NODESEP_TENSOR = 0.2
RANKSEP_TENSOR = 0.27
NODESEP_COMPACT = 0.1
NODESEP_LANES = 0.06
WEIGHT_COLUMN = 100
WEIGHT_SPINE = 40
WEIGHT_GRADIENT = 30
WIDTH = 680  # widest picture, points
DPI = 192  # of a PNG

# ---------------------------------------------------------------- limits of size

TABLE_ROWS, TABLE_COLUMNS = 4, 4  # numbers at full size
SMALL_ROWS, SMALL_COLUMNS = 6, 6  # numbers at 9 points
THUMB_ROWS, THUMB_COLUMNS = 10, 26  # block means
STRIP_BINS = 26
ADDENDS = 4  # uses of a value written out one by one; above, the first 3 and `+ 5 more`
FAR = 4  # operations below its first use at which a value with more than ADDENDS uses gets a second, small card
FAR_OF_FEW = 12  # the same for a value with fewer uses
CARDS = 60  # of a network with modules, every operation is drawn up to here; above, it is the module table
CARDS_LOOSE = 250  # the same of a graph without modules
PARAMETER_ENTRIES = 64  # a network with a larger parameter is drawn as the module table
NAME_LENGTH = 28  # longer names are cut in the middle,
NAME_LENGTH_INSIDE = 14  # also those in sockets and derivatives
