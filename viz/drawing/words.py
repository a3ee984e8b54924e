"""Translation of pages and pictures.

`chinese.toml` maps English sentences to Chinese ones. The code has sentences in English (in `say`, or in a
template of a script that is marked with ``say``), and a page shows them in the present language. Text that is not in
the table, such as a user's name for a value, stays as it is.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from glassgrad.autograd.common.contexts import holding
from glassgrad.viz.drawing.errors import DrawingError

TABLES = {"en": "", "zh": "chinese.toml"}
LOCALES = {"en": "en", "zh": "zh-Hans"}

_inside: ContextVar[str | None] = ContextVar("language", default=None)
_spoken = ["en"]


def language() -> str:
    """The present language: that of `speaking`, else that of `speak`."""
    return _inside.get() or _spoken[0]


def known_language(name: str) -> str:
    """The language, if there is a table for it. Raises `DrawingError` otherwise."""
    if name not in list(TABLES):  # where it may be of any kind
        raise DrawingError(f"language= is {' or '.join(map(repr, TABLES))}, not {name!r}")
    return name


def speak(language: str) -> None:
    """Choose the language of pages, pictures and the lesson's answers from now on: ``"en"`` or ``"zh"``.

    Raises `DrawingError` for another.
    """
    _spoken[0] = known_language(language)


@contextmanager
def speaking(name: str | None) -> Iterator[None]:
    """A context with this language; None keeps the present one."""
    with holding(_inside, language() if name is None else known_language(name)):
        yield


@cache
def table(name: str) -> dict[str, dict[str, str]]:
    """The sections of a language's table, each a dict from English sentences to translations."""
    if not TABLES[name]:
        return {"said": {}, "found": {}}
    return tomllib.loads((Path(__file__).parent / TABLES[name]).read_text(encoding="utf-8"))


def said(sentence: str) -> str:
    """A sentence in the present language, with its fields unfilled."""
    return table(language())["said"].get(sentence, sentence)


def say(sentence: str, /, **fields: Any) -> str:
    """A sentence in the present language, with its fields filled.

    >>> with speaking("zh"):
    ...     say("from step {step}", step="t+1")
    '来自第 t+1 步'
    """
    return said(sentence).format_map(fields) if fields else said(sentence)


def joined(*sentences: str) -> str:
    """Sentences one after the other: Chinese ones without a blank between them."""
    return ("" if language() == "zh" else " ").join(filter(None, sentences))


def noted(sentences: Collection[str]) -> str:
    """The sentences of a notice as one; empty if there are none."""
    return say("Note: {said}.", said=say("; ").join(sentences)) if sentences else ""


# ---------------------------------------------------------------- text that is finished


@cache
def _patterns(name: str) -> list[tuple[re.Pattern[str], set[str], str]]:
    """Sentences with fields, longest first: a pattern, the words in it, and the translation."""
    found = table(name)["found"]
    keys = sorted((key for key in found if "{}" in key), key=len, reverse=True)
    own = [set(re.findall(r"[^\W\d]\w*", key)) for key in keys]
    # A field must not match the end of one sentence and the beginning of the next.
    fields = ["(.+?)" if ". " in key else r"((?:(?!\. |; ).)+?)" for key in keys]
    written = (field.join(map(re.escape, key.split("{}"))) for key, field in zip(keys, fields, strict=True))
    patterns = [re.compile(re.sub(r"(?<=\w{3})s\b", "s?", one)) for one in written]  # "1 image" as "2 images"
    return list(zip(patterns, own, map(found.__getitem__, keys), strict=True))


def matched(text: str, keep: Collection[str] = ()) -> str:
    """A finished text, translated; parts with several blanks between them are translated one by one.

    ``keep``: the user's names, which stay as they are. A sentence with such a word ("mean") is not translated, as it
    may be a formula.

    >>> with speaking("zh"):
    ...     matched("no gradient is asked for")
    '没有要求梯度'
    """
    found, titles = table(language())["found"], table(language())["said"]
    bare = " ".join(text.split())
    if not found or not bare or bare in keep:
        return text
    parts = re.split(r"([ \u00a0]{3,})", text.strip())
    if len(parts) > 1:
        return "".join(matched(part, keep) for part in parts)
    if bare in found or bare in titles:
        return found.get(bare) or titles[bare]
    if (numbered := re.fullmatch(r"(\D+) (\d+)", bare)) and (title := (titles | found).get(numbered[1])):  # Add 2
        return f"{title} {numbered[2]}"
    for pattern, own, sentence in _patterns(language()):
        if own.isdisjoint(keep) and (fields := pattern.fullmatch(bare)):
            return sentence.format(*(matched(field, keep) for field in fields.groups()))
    if bare.endswith(".") and (told := matched(bare[:-1], keep)) != bare[:-1]:
        return f"{told}。"
    for between, instead in (("; ", "；"), (". ", "。"), (": ", "："), (", ", "，")):  # several texts in one
        parts = re.split(rf"(?<!\.){re.escape(between)}", bare)  # not at an ellipsis
        if len(parts) > 1 and (several := [matched(part, keep) for part in parts]) != parts:
            return instead.join(several)
    return text


def told(text: str, keep: Collection[str] = ()) -> str:
    """A finished text, translated if it has a word, within the blanks around it."""
    found = matched(text, keep) if re.search("[A-Za-z]", text) else text
    if found == text:
        return text
    return f"{text[: len(text) - len(text.lstrip())]}{found.strip()}{text[len(text.rstrip()) :]}"


LABELS = re.compile(r'( (?:aria-label|title|placeholder|TITLE)=")([^"]+)(")')
TEXTS = re.compile(r"(<(?!style|script)[^<>]*>)([^<>]*[A-Za-z][^<>]*)(?=<)")


def template(text: str) -> str:
    """A template of HTML with its texts and labels translated, each of which is a sentence of the table."""
    if language() == "en":
        return text

    def replaced(found: re.Match[str]) -> str:
        inside = html.unescape(found[2])
        told = said(" ".join(inside.split())) if inside.strip() else inside
        return f"{found[1]}{html.escape(told)}{''.join(found.groups()[2:])}"

    return LABELS.sub(replaced, TEXTS.sub(replaced, text))


# ---------------------------------------------------------------- scripts


_WORDS = r"(?:[^`$]|\$(?!\{{)|\$\{{{}\}})*"  # of a template, with what its expressions may be
_TEMPLATE = f"`{_WORDS.format('[^`{}]*')}`"
_EXPRESSION = f"(?:[^`{{}}]|{_TEMPLATE})*"  # one with templates, whose own expressions have none
MARKED = re.compile(rf"(?<![\w$.])say`({_WORDS.format(_EXPRESSION)})`")


def script(text: str) -> str:
    """A script whose templates marked with ``say`` are in the present language, without the mark.

    >>> script("a = say`${f(n)} steps`;")
    'a = `${f(n)} steps`;'
    >>> with speaking("zh"):
    ...     script("a = say`${i} of ${n} right`;")
    'a = `${n} 个中 ${i} 个正确`;'
    """
    return translated(text, said)


def translated(text: str, lookup: Callable[[str], str]) -> str:
    """A script whose marked templates are what ``lookup`` gives for them, with ``{}`` for each expression."""

    def replaced(found: re.Match[str]) -> str:
        parts = re.split(rf"\$\{{({_EXPRESSION})\}}", found[1])
        inner = (f"${{{translated(x, lookup)}}}" for x in parts[1::2])
        return f"`{lookup('{}'.join(parts[::2])).format(*inner)}`"

    return MARKED.sub(replaced, text)
