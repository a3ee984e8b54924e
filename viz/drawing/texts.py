"""Texts as they are shown: on one line, as an id, shortened, and how wide they are."""

from __future__ import annotations

import re
import unicodedata

from glassgrad.viz.drawing import style

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def one_line(words: object) -> str:
    """The text on one line, without characters that XML does not allow."""
    said = str(words)
    return said if said.isprintable() else " ".join(UNPRINTABLE.sub("\ufffd", said).replace("\t", " ").splitlines())


def identifier(name: str) -> str:
    """A name as an id: ASCII letters, digits and `_` only, no digit first. Different names may give the same id.

    >>> identifier("layers.0.weight"), identifier("3 σ")
    ('layers_0_weight', '_3__')
    """
    return re.sub("^(?=[0-9]|$)|[^A-Za-z0-9_]", "_", name)


def clipped(name: str, length: int = style.NAME_LENGTH) -> str:
    """A long name shortened in the middle; the full name belongs in the tooltip.

    >>> clipped("a" * 50, 9)
    'aaa...aaa'
    """
    if len(name) <= length:
        return name
    keep = length - 3
    return name[: keep - keep // 2] + "..." + name[len(name) - keep // 2 :]


_NARROW = dict.fromkeys(" .,:;|!'ijlI-()[]/ft", 0.3) | dict.fromkeys("mwMW%@", 0.9)


def text_width(content: str, size: int) -> float:
    """The approximate width of a text in points; exact for digits (556/1000 of the size in Helvetica).

    >>> round(text_width("1234", 10), 2)
    22.24
    """
    return size * sum(1.0 if is_wide(c) else _NARROW.get(c, 0.556) for c in content)


def is_wide(character: str) -> bool:
    """Whether a character, such as a Chinese one, is as wide as it is high."""
    return unicodedata.east_asian_width(character) in "WF"
