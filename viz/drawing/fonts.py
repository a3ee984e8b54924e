"""The fonts that matplotlib draws with: those as wide as Helvetica, and any that has the letters they lack."""

from __future__ import annotations

from collections.abc import Set
from functools import cache

from glassgrad.viz.drawing import style

FONTS = [style.FONT, "Arial", "Liberation Sans", "Arimo", "DejaVu Sans"]


def families(words: str) -> tuple[list[str], str]:
    """The installed fonts that have the characters of these words, best first, and the characters that none has."""
    found, lacking = _families(frozenset(filter(str.isprintable, words)) - {" "})
    return list(found), "".join(c for c in dict.fromkeys(words) if c in lacking)


@cache
def _families(characters: Set[str]) -> tuple[tuple[str, ...], Set[str]]:
    from matplotlib.font_manager import fontManager

    there = fontManager.get_font_names()
    found = [name for name in FONTS if name in there]  # matplotlib would warn about each missing one
    for font in fontManager.ttflist:
        if font.name in found:
            characters = characters - _characters(font.fname)

    def preference(font: object) -> tuple[bool, ...]:
        name, plain = getattr(font, "name", ""), (getattr(font, "style", ""), getattr(font, "weight", 0))
        return "Mono" in name, "Sans" not in name, plain != ("normal", 400), not name.endswith(" SC")

    for font in sorted(fontManager.ttflist, key=preference) if characters else ():
        more = frozenset() if font.name.startswith("Last Resort") else characters & _characters(font.fname)
        if more:
            found.append(font.name)
            characters = characters - more
    return tuple(found), characters


@cache
def _characters(path: str) -> frozenset[str]:
    """The characters of a font that can be drawn in any size."""
    from matplotlib.ft2font import FT2Font

    font = FT2Font(path)
    return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
