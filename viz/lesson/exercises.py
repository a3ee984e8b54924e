"""Exercises of the lesson: the right answer, the common wrong ones, and the sentence that each of them gets.

All values are computed by the library. The page (`lesson.js`) checks answers by the table of `Exercise.table`, so that
it says the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, TypeAlias

from autograd.errors import AutogradError
from viz.drawing import words
from viz.recorded.evaluate import host

Number: TypeAlias = int | float
Numbers: TypeAlias = tuple[Number, ...]

CHAPTERS = (
    *("neuron", "layers", "matrices", "digits", "losses"),
    *("descent", "backpropagation", "space", "search", "structures"),
)
"""The chapters by number, from 1."""

LANGUAGES = tuple(words.TABLES)

ORDINALS = {"en": ("first", "second", "third", "fourth"), "zh": ("第一个", "第二个", "第三个", "第四个")}
WORDS = {
    "en": {
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
        "and": " and ",
        "close": "Close, but not the same: at least two digits must be right. Round only at the end.",
        "exact": "That is rounded. This number can be counted: give all its digits.",
        "right": "Right. ",
        "wrong": "Not right. ",
    },
    "zh": {
        "none": "还没有答案：请把三个点换成你算出的数。",
        "unread": "这不是一个数：请写成 0.73、-2 这样的形式；有多个数时写成 [0.73, 0.5]。",
        "quoted": "这是一段文字：请去掉引号，写成 0.73 或 [0.73, 0.5] 这样的数。",
        "nan": "NaN 和无穷大都不是这里的答案。",
        "count": "答案应有 {wanted}，而你给了 {given}。",
        "number": "{n} 个数",
        "numbers": "{n} 个数",
        "sign": "大小对了，符号反了。",
        "too": "而且符号也反了。",
        "order": "数都对，但顺序不对。",
        "some": "{right}数对了，请再看{wrong}。",
        "and": "、",
        "close": "很接近，但还不对：至少要有两位有效数字正确，到最后一步再四舍五入。",
        "exact": "这是四舍五入后的数；这里可以数得精确，请写出每一位。",
        "right": "正确。",
        "wrong": "不对。",
    },
}
"""Sentences common to all exercises, by language."""


def speak(language: str) -> None:
    """Choose the language of the answers of `check` and of the pages that `viz` makes: ``"en"`` or ``"zh"``.

    Raises `LessonError` for another.
    """
    words.speak(known_language(language))


def known_language(language: str) -> str:
    """The language, if the lesson has it. Raises `LessonError` otherwise."""
    if language not in LANGUAGES:
        raise LessonError(f"the lesson is in {' and '.join(LANGUAGES)}, not in {language!r}")
    return language


class LessonError(AutogradError, ValueError):
    """A chapter, an exercise or a language that the lesson does not have."""


@dataclass(frozen=True)
class Verdict:
    """The reply to an answer; true if the answer is right. ``en`` and ``zh`` are its sentences."""

    right: bool
    en: str
    zh: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.zh if words.language() == "zh" else self.en


@dataclass(frozen=True)
class Reply:
    """The reply to an answer, in both languages."""

    value: Numbers
    en: str
    zh: str


class Exercise:
    """One exercise: ``answer``, the sentences for it, replies to common mistakes, and a hint.

    ``right``, ``hint``: pairs (English, Chinese). ``mistakes``: triples (value, English, Chinese). An answer of several
    numbers is a sequence. An integer must be given exactly, any other number to two significant digits.
    """

    def __init__(
        self, answer: Any, right: tuple[str, str], mistakes: Sequence[tuple[Any, str, str]], hint: tuple[str, str]
    ) -> None:
        self.answer = _numbers(answer)
        self.right, self.hint = right, hint
        self.mistakes = [Reply(_numbers(value), en, zh) for value, en, zh in mistakes]

    def replies(self) -> list[Reply]:
        """Every wrong value that is recognised, the exercise's own before the general ones."""
        answer, kept = self.answer, list(self.mistakes)
        general = [Reply(answer[::-1], *_both("order"))]
        if any(isinstance(v, float) for v in answer):
            general.append(Reply(_negative(answer), *_both("sign")))
            too = _both("too")
            general += [Reply(_negative(mistake.value), mistake.en + too[0], mistake.zh + too[1]) for mistake in kept]
        for reply in general:
            known = [answer, *(mistake.value for mistake in kept)]
            if not any(_agree(reply.value, value) for value in known):
                kept.append(reply)
        return kept

    def table(self) -> dict[str, Any]:
        """The values with their tolerances and the sentences in both languages, as JSON."""
        return {
            "answer": self.answer,
            "near": [tolerance(v) for v in self.answer],
            "right": dict(zip(LANGUAGES, self.right, strict=True)),
            "hint": dict(zip(LANGUAGES, self.hint, strict=True)),
            "replies": [
                {"value": r.value, "near": [tolerance(v) for v in r.value], "en": r.en, "zh": r.zh}
                for r in self.replies()
            ],
        }

    def in_page(self, language: str) -> dict[str, Any]:
        """The table and the general sentences of one language: all that the page's own check (`lesson.js`) needs."""
        return self.table() | {"words": WORDS[language], "ordinals": ORDINALS[language], "language": language}

    def check(self, given: Any) -> Verdict:
        """The verdict on an answer: a number or several, as Python's, NumPy's or Tensors."""
        if given is ... or (isinstance(given, (list, tuple)) and any(part is ... for part in given)):
            return _said("none")
        try:
            numbers = _numbers(given)
        except _Quoted:
            return _said("quoted")
        except Exception:  # of any class, such as those of another library's arrays
            return _said("unread")
        if not all(map(math.isfinite, numbers)):
            return _said("nan")
        if len(numbers) != len(self.answer):
            return Verdict(False, *(_counted(language, len(self.answer), len(numbers)) for language in LANGUAGES))
        if _agree(numbers, self.answer):
            return Verdict(True, WORDS["en"]["right"] + self.right[0], WORDS["zh"]["right"] + self.right[1])
        if met := [reply for reply in self.replies() if _agree(numbers, reply.value)]:
            nearest = min(met, key=lambda reply: _distance(numbers, reply.value))
            return _wrong(nearest.en, nearest.zh)
        pairs = list(zip(numbers, self.answer, strict=True))
        counted = tolerance(self.answer[0]) == 0
        if counted and all(abs(v) >= 100 and a in (float(f"{v:.1g}"), float(f"{v:.2g}")) for a, v in pairs):
            return _said("exact")
        if not counted and all(_close(a, v, (0.25 if a == float(f"{v:.1g}") else 0.05) * abs(v)) for a, v in pairs):
            return _said("close")
        near = [_close(a, v, tolerance(v)) for a, v in pairs]
        if any(near):
            return _wrong(*(_partly(language, near) for language in LANGUAGES))
        return _wrong(*self.hint)


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


def _distance(given: Numbers, value: Numbers) -> float:
    return sum(abs(a - v) for a, v in zip(given, value, strict=True))


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


def _both(word: str) -> list[str]:
    return [WORDS[language][word] for language in LANGUAGES]


def _said(word: str) -> Verdict:
    return Verdict(False, *_both(word))


def _wrong(en: str, zh: str) -> Verdict:
    return Verdict(False, WORDS["en"]["wrong"] + en, WORDS["zh"]["wrong"] + zh)


def _counted(language: str, wanted: int, given: int) -> str:
    words = WORDS[language]
    of = {n: words["number" if n == 1 else "numbers"].format(n=n) for n in (wanted, given)}
    return words["count"].format(wanted=of[wanted], given=of[given])


def _partly(language: str, near: Sequence[bool]) -> str:
    words, ordinals = WORDS[language], ORDINALS[language]
    right, wrong = (
        words["and"].join(o for o, n in zip(ordinals, near, strict=False) if n is which) for which in (True, False)
    )
    return words["some"].format(right=right, wrong=wrong)


def exercises(chapter: int) -> tuple[Exercise, ...]:
    """The exercises of a chapter, which is counted from 1.

    Raises `LessonError` where there is no such chapter.
    """
    if not (isinstance(chapter, int) and 1 <= chapter <= len(CHAPTERS)):
        raise LessonError(f"the lesson has chapters 1 to {len(CHAPTERS)}, not {chapter!r}")
    module = import_module(f"viz.lesson.answers.{CHAPTERS[chapter - 1]}")
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
