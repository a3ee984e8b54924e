"""Exercises of the lesson: the right answer, the common wrong ones, and the sentence that each of them gets.

The numbers and, in each language, the sentences are text of the lesson, in files ``answers.toml``. The page
(`lesson.js`) checks answers by the table of `Exercise.table`, so that it says the same.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing.words import TABLES, language
from glassgrad.viz.lesson.text import CHAPTERS, folder
from glassgrad.viz.recorded.evaluate import host

Number: TypeAlias = int | float
Numbers: TypeAlias = tuple[Number, ...]

LANGUAGES = tuple(TABLES)


class LessonError(AutogradError, ValueError):
    """A chapter or an exercise that the lesson does not have."""


@dataclass(frozen=True)
class Verdict:
    """The reply to an answer, ``said`` in one sentence or two; true if the answer is right."""

    right: bool
    said: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.said


class Reply(NamedTuple):
    """The sentence for answers that are as ``near`` as this to a value, number by number."""

    value: Numbers
    near: tuple[float, ...]
    said: str

    def fits(self, given: Numbers) -> bool:
        """Whether an answer is near enough."""
        return all(abs(a - v) <= n * (1 + 1e-9) + 1e-12 for a, v, n in zip(given, self.value, self.near, strict=True))


class Exercise:
    """One exercise: ``answer``, the sentence for it, replies to common mistakes, and a hint.

    ``values``, ``sentences``: its sections of the files ``answers.toml``. An answer of several numbers is a sequence.
    An integer must be given exactly, any other number to two significant digits.
    """

    def __init__(self, values: Mapping[str, Any], sentences: Mapping[str, Any]) -> None:
        quoted = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in values.items()}
        self.answer = _numbers(values["answer"])
        self.right, self.hint = (sentences[kind].format_map(quoted) for kind in ("right", "hint"))
        mistakes = sentences["mistakes"].items()
        self.mistakes = [(_numbers(values[name]), sentence.format_map(quoted)) for name, sentence in mistakes]

    def replies(self) -> list[Reply]:
        """The reply to the answer, then those to every wrong value that is recognised: the exercise's own, the general
        ones, and the one to what is close. The first that fits is given.
        """
        answer, counted = self.answer, isinstance(self.answer[0], int)
        kept = [Reply(answer, _near(answer), _word("right") + self.right)]
        wrong = [*self.mistakes, (answer[::-1], _word("order"))]
        if counted:
            wrong += [(tuple(int(float(f"{v:.{n}g}")) for v in answer), _word("exact")) for n in (1, 2)]
        else:
            wrong.append((_negative(answer), _word("sign")))
            wrong += [(_negative(value), said + _word("too")) for value, said in self.mistakes]
        for value, said in wrong:
            if not any(reply.fits(value) for reply in kept):
                kept.append(Reply(value, _near(value), _word("wrong") + said))
        if not counted:
            wide = tuple(max(n, abs(v) / 20) for v, n in zip(answer, _near(answer), strict=True))
            kept.append(Reply(answer, wide, _word("close")))
        return kept

    def table(self) -> dict[str, Any]:
        """The replies and all sentences as JSON: what the page's own check (`lesson.js`) needs."""
        words = _answers(language())["words"] | {"hint": _word("wrong") + self.hint}
        return {"answer": self.answer, "replies": [reply._asdict() for reply in self.replies()], "words": words}

    def check(self, given: Any) -> Verdict:
        """The verdict on an answer: a number or several, as Python's, NumPy's or Tensors."""
        if given is ...:
            return Verdict(False, _word("none"))
        try:
            numbers = _numbers(given)
        except Exception:  # of any class, such as those of another library's arrays
            return Verdict(False, _word("unread"))
        if len(numbers) != len(self.answer):
            return Verdict(False, _word("count", wanted=len(self.answer), given=len(numbers)))
        for i, reply in enumerate(self.replies()):
            if reply.fits(numbers):
                return Verdict(i == 0, reply.said)
        return Verdict(False, _word("wrong") + self.hint)


def tolerance(value: Number) -> float:
    """How far an answer may be from a value: half a unit of its second significant digit, nothing for an integer.

    >>> tolerance(0.1192), tolerance(18)
    (0.005, 0.0)
    """
    if isinstance(value, int):
        return 0.0
    if value == 0:
        return 0.005
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 1)


def _near(value: Numbers) -> tuple[float, ...]:
    return tuple(map(tolerance, value))


def _negative(numbers: Numbers) -> Numbers:
    return tuple(-v for v in numbers)


def _numbers(given: Any) -> Numbers:
    """The numbers of an answer, flat."""
    array = np.asarray(host(given.detach() if hasattr(given, "detach") else given))
    if array.dtype.kind not in "iu":
        array = array.astype(float)  # of a fraction, or a number in quotation marks
    if not np.isfinite(array).all():
        raise ValueError("an answer is a finite number")
    flat: list[Number] = array.reshape(-1).tolist()
    return tuple(flat)


@cache
def _answers(language: str = "") -> dict[str, Any]:
    """The sentences of all exercises by chapter and exercise; without a language their numbers."""
    return tomllib.loads((folder() / language / "answers.toml").read_text(encoding="utf-8"))


def _word(name: str, **fields: int) -> str:
    """A sentence that is common to all exercises."""
    return str(_answers(language())["words"][name]).format(**fields)


def exercises(chapter: int) -> tuple[Exercise, ...]:
    """The exercises of a chapter, which is counted from 1.

    Raises `LessonError` where there is no such chapter.
    """
    if not (isinstance(chapter, int) and 1 <= chapter <= len(CHAPTERS)):
        raise LessonError(f"the lesson has chapters 1 to {len(CHAPTERS)}, not {chapter!r}")
    name = CHAPTERS[chapter - 1]
    return tuple(Exercise(_answers()[name][key], said) for key, said in _answers(language())[name].items())


def exercise(chapter: int, number: int) -> Exercise:
    """One exercise, chapter and exercise counted from 1.

    Raises `LessonError` where there is no such exercise.
    """
    found = exercises(chapter)
    if not (isinstance(number, int) and 1 <= number <= len(found)):
        raise LessonError(f"chapter {chapter} has exercises 1 to {len(found)}, not {number!r}")
    return found[number - 1]


def check(chapter: int, number: int, answer: Any = ...) -> Verdict:
    """The verdict on an answer to an exercise of the lesson: right, or what is wrong with it.

    ``answer``: a number, or a sequence, array or Tensor of them; ``...`` where there is none yet. Raises `LessonError`
    for an exercise that the lesson does not have.

    >>> check(1, 1, 0.12)
    Right. z = (-1)·1 + 1·(-1) + 0 = -2, and σ(-2) = 0.1192.
    >>> bool(check(1, 1, -2.0))
    False
    """
    return exercise(chapter, number).check(answer)
