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


def text_width(content: str, size: float) -> float:
    """The approximate width of a text in points; exact for digits (556/1000 of the size in Helvetica).

    >>> round(text_width("1234", 10), 2)
    22.24
    """
    return size * sum(1.0 if is_wide(c) else _NARROW.get(c, 0.556) for c in content)


WORDS = re.compile("[\u2e80-\uffff] *|[^ \u2e80-\uffff]{1,80} *")  # the parts of a text that stay on one line


def wrapped(words: str, size: float, room: float) -> list[str]:
    """The text in lines, none of which is wider than so many points, if its words are not.

    >>> wrapped("26 more, which matter less", 9, 60)
    ['26 more,', 'which matter', 'less']
    """
    lines = [""]
    for word in WORDS.findall(words):
        if lines[-1] and text_width(lines[-1] + word.rstrip(), size) > room:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def short(name: str) -> str:
    """A name shortened for use inside of a card."""
    return clipped(name, style.NAME_LENGTH_INSIDE)


def is_wide(character: str) -> bool:
    """Whether a character, such as a Chinese one, is as wide as it is high."""
    return unicodedata.east_asian_width(character) in "WF"
