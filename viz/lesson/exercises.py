"""Exercises of the lesson: the right answer, the common wrong ones, and the sentence that each of them gets.

All values are computed by the library. The page (`lesson.js`) checks answers by the table of `Exercise.table`, so that
it says the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, TypeAlias

from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing.words import TABLES, say
from glassgrad.viz.recorded.evaluate import host

Number: TypeAlias = int | float
Numbers: TypeAlias = tuple[Number, ...]

CHAPTERS = (
    *("neuron", "layers", "matrices", "digits", "losses"),
    *("descent", "backpropagation", "space", "search", "structures", "attention"),
)
"""The chapters by number, from 1."""

LANGUAGES = tuple(TABLES)

ORDINALS = ("first", "second", "third", "fourth")
WORDS = {
    "none": "No answer yet: put your own number in place of the three dots.",
    "unread": "This is not a number: write for example 0.73, -2 or, for several, [0.73, 0.5].",
    "quoted": "This is a text: write the number without quotation marks, as in 0.73 or [0.73, 0.5].",
    "nan": "NaN and infinity are not an answer here.",
    "count": "The answer consists of {wanted}, and you gave {given}.",
    "number": "{n} number",
    "numbers": "{n} numbers",
    "sign": "The size is right, the sign is not.",
    "too": " The sign is wrong, too.",
    "order": "These are the right numbers in another order.",
    "some": "The {right} number is right; look at the {wrong} again.",
    "and": " and the ",
    "close": "Close, but not the same: at least two digits must be right. Round only at the end.",
    "exact": "That is rounded. This number can be counted: give all its digits.",
    "right": "Right. ",
    "wrong": "Not right. ",
}
"""Sentences common to all exercises."""


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


class Exercise:
    """One exercise: ``answer``, the sentence for it, replies to common mistakes, and a hint.

    ``mistakes``: the value that gets a sentence, by the sentence. Sentences are English, and are kept in the present
    language; ``fields`` fills their places, with four significant digits. An answer of several numbers is a sequence.
    An integer must be given exactly, any other number to two significant digits.
    """

    def __init__(self, answer: Any, right: str, mistakes: Mapping[str, Any], hint: str, **fields: Any) -> None:
        filled = {name: x if isinstance(x, int | str) else f"{float(x):.4g}" for name, x in fields.items()}
        self.answer = _numbers(answer)
        self.right, self.hint = say(right, **filled), say(hint, **filled)
        self.mistakes = [(_numbers(value), say(sentence, **filled)) for sentence, value in mistakes.items()]

    def replies(self) -> list[tuple[Numbers, str]]:
        """Every wrong value that is recognised, with its sentence, the exercise's own before the general ones."""
        answer, kept = self.answer, list(self.mistakes)
        general = [(answer[::-1], say(WORDS["order"]))]
        if any(isinstance(v, float) for v in answer):
            general.append((_negative(answer), say(WORDS["sign"])))
            general += [(_negative(value), said + say(WORDS["too"])) for value, said in kept]
        for value, said in general:
            if not any(_agree(value, known) for known in (answer, *(known for known, _ in kept))):
                kept.append((value, said))
        return kept

    def table(self) -> dict[str, Any]:
        """The values with their tolerances and all sentences as JSON: what the page's own check (`lesson.js`) needs."""
        return {
            "answer": self.answer,
            "near": [tolerance(v) for v in self.answer],
            "right": self.right,
            "hint": self.hint,
            "replies": [
                {"value": value, "near": [tolerance(v) for v in value], "said": said} for value, said in self.replies()
            ],
            "words": {name: say(sentence) for name, sentence in WORDS.items()},
            "ordinals": [say(ordinal) for ordinal in ORDINALS],
        }

    def check(self, given: Any) -> Verdict:
        """The verdict on an answer: a number or several, as Python's, NumPy's or Tensors."""
        if given is ... or (isinstance(given, (list, tuple)) and any(part is ... for part in given)):
            return _unread("none")
        try:
            numbers = _numbers(given)
        except _Quoted:
            return _unread("quoted")
        except Exception:  # of any class, such as those of another library's arrays
            return _unread("unread")
        if not all(map(math.isfinite, numbers)):
            return _unread("nan")
        if len(numbers) != len(self.answer):
            wanted, counted = (
                say(WORDS["numbers" if n != 1 else "number"], n=n) for n in map(len, (self.answer, numbers))
            )
            return Verdict(False, say(WORDS["count"], wanted=wanted, given=counted))
        if _agree(numbers, self.answer):
            return Verdict(True, say(WORDS["right"]) + self.right)
        if met := [reply for reply in self.replies() if _agree(numbers, reply[0])]:
            distances = [sum(abs(a - v) for a, v in zip(numbers, value, strict=True)) for value, _ in met]
            return _wrong(met[distances.index(min(distances))][1])
        pairs = list(zip(numbers, self.answer, strict=True))
        exact = tolerance(self.answer[0]) == 0
        if exact and all(abs(v) >= 100 and a in (float(f"{v:.1g}"), float(f"{v:.2g}")) for a, v in pairs):
            return _unread("exact")
        if not exact and all(_close(a, v, (0.25 if a == float(f"{v:.1g}") else 0.05) * abs(v)) for a, v in pairs):
            return _unread("close")
        near = [_close(a, v, tolerance(v)) for a, v in pairs]
        if any(near):
            places = (
                [say(word) for word, n in zip(ORDINALS, near, strict=False) if n is which] for which in (True, False)
            )
            right, wrong = map(say(WORDS["and"]).join, places)
            return _wrong(say(WORDS["some"], right=right, wrong=wrong))
        return _wrong(self.hint)


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


def _close(given: Number, value: Number, near: float) -> bool:
    return abs(given - value) <= near * (1 + 1e-9) + 1e-12


def _agree(given: Numbers, value: Numbers) -> bool:
    return len(given) == len(value) and all(_close(a, v, tolerance(v)) for a, v in zip(given, value, strict=True))


def _negative(numbers: Numbers) -> Numbers:
    return tuple(-v for v in numbers)


def _numbers(given: Any) -> Numbers:
    """The numbers of an answer, flat."""
    array = host(given.detach() if hasattr(given, "detach") else given)
    if array.dtype.kind in "US":
        raise _Quoted
    if array.dtype.kind == "O" and all(isinstance(value, (int, Fraction)) for value in array.flat):
        array = array.astype(float)
    if array.dtype.kind not in "iuf":
        raise TypeError
    flat: list[Number] = array.reshape(-1).tolist()
    if not flat:
        raise TypeError
    return tuple(flat)


class _Quoted(TypeError):
    """An answer in quotation marks."""


def _unread(word: str) -> Verdict:
    """The verdict on an answer that is not judged, with one of the common sentences."""
    return Verdict(False, say(WORDS[word]))


def _wrong(said: str) -> Verdict:
    return Verdict(False, say(WORDS["wrong"]) + said)


def exercises(chapter: int) -> tuple[Exercise, ...]:
    """The exercises of a chapter, which is counted from 1.

    Raises `LessonError` where there is no such chapter.
    """
    if not (isinstance(chapter, int) and 1 <= chapter <= len(CHAPTERS)):
        raise LessonError(f"the lesson has chapters 1 to {len(CHAPTERS)}, not {chapter!r}")
    module = import_module(f"glassgrad.viz.lesson.answers.{CHAPTERS[chapter - 1]}")
    made: tuple[Exercise, ...] = module.exercises()
    return made


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
