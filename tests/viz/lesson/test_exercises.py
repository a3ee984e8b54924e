"""The exercises: right answers, the mistakes that are recognised, and what is said of anything else."""

import math
import re
import tomllib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz import lesson
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.words import speaking
from glassgrad.viz.lesson.exercises import LANGUAGES, tolerance
from glassgrad.viz.lesson.text import folder
from tests.viz.pages.browser import evaluated, needs_node


def every():
    """All exercises by chapter and number, in the present language."""
    return {
        (chapter, number): made
        for chapter in range(1, len(lesson.CHAPTERS) + 1)
        for number, made in enumerate(lesson.exercises(chapter), 1)
    }


EXERCISES = every()
SCRIPT = Path(lesson.__file__).parent / "lesson.js"


@pytest.fixture(autouse=True)
def english():
    yield
    lesson.speak("en")


def test_every_chapter_has_two_or_three():
    assert {len(lesson.exercises(n + 1)) for n in range(len(lesson.CHAPTERS))} <= {2, 3}


@pytest.mark.parametrize("which", EXERCISES, ids=str)
def test_the_answer_is_right_and_each_mistake_gets_its_own_sentence(which):
    made = EXERCISES[which]
    assert made.check(made.answer)
    assert len(made.mistakes) >= 2
    right, *wrong = made.replies()
    for reply in wrong[: None if isinstance(made.answer[0], int) else -1]:  # the last is for what is close
        assert made.check(reply.value).said == reply.said
        assert not right.fits(reply.value)
        assert not reply.fits(made.answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_whole_in_both_languages(language):
    with speaking(language):
        for made in every().values():
            for said in [made.right, made.hint, *(said for _, said in made.mistakes)]:
                assert said[-1] in {"en": ".?", "zh": "。？"}[language]
                assert any("\u4e00" <= letter <= "\u9fff" for letter in said) == (language == "zh")


def test_both_languages_have_the_same_sentences_with_the_same_quotes():
    english, chinese = (
        tomllib.loads((folder() / language / "answers.toml").read_text("utf-8")) for language in LANGUAGES
    )

    def outline(text):
        if isinstance(text, dict):
            return [(name, outline(inner)) for name, inner in text.items()]
        return sorted(re.findall(r"{\w+}", text))

    assert outline(english) == outline(chinese)


def test_two_digits_are_enough_unless_the_answer_is_an_integer():
    assert lesson.check(1, 1, 0.12)
    assert lesson.check(1, 1, 0.1192)
    assert not lesson.check(1, 1, 0.13)
    assert tolerance(0.1192) == pytest.approx(0.005)
    assert tolerance(-298.0) == pytest.approx(5)
    assert not lesson.check(2, 2, 18.1)


@pytest.mark.parametrize(
    "kind", [tuple, np.array, lambda answer: ag.Tensor([answer]), lambda answer: [*map(Fraction, answer)]]
)
def test_an_answer_of_several_numbers_may_be_a_sequence_an_array_or_a_tensor(kind):
    assert lesson.check(2, 1, kind([0.73, 0.5]))


def test_an_answer_may_be_a_tensor_of_pytorch_that_requires_grad():
    assert lesson.check(2, 1, pytest.importorskip("torch").tensor([0.73, 0.5], requires_grad=True))


@pytest.mark.parametrize(
    ("which", "answer", "said"),
    [
        ((2, 1), ..., "No answer yet"),
        ((2, 1), [..., 0.5], "This is not a number"),
        ((2, 1), ["a", "b"], "This is not a number"),
        ((2, 1), [np.array([1, 2]), 3], "This is not a number"),
        ((2, 1), -(10**30), "Numbers in the answer: 2"),
        ((2, 1), print, "This is not a number"),
        ((2, 1), [], "Numbers in the answer: 2"),
        ((2, 1), [[1.0], [2.0, 3.0]], "This is not a number"),
        ((2, 1), [0.5, math.nan], "This is not a number"),
        ((2, 1), 0.73, "Numbers in the answer: 2. You gave 1."),
        ((2, 1), [0.9, 0.5], "Not right."),
        ((2, 1), [0.76, 0.52], "Close, but not the same"),
        ((2, 1), [-7.0, 9.0], "Not right. Put 0 for both inputs"),
        ((2, 1), [0.5, 0.73], "Not right. These are the right numbers in another order."),
        ((1, 1), 0.1353, "Not right. You left out the 1"),
        ((1, 3), 0.39, "Not right. You multiplied by w2. The derivative of w2·x2 with respect to w2 is x2. The sign"),
        ((3, 3), 800000, "Not right. That is rounded."),
        ((6, 1), 2, "Not right. w - η · dL/dw"),  # 1.5 rounded to one digit is not near
    ],
    ids=str,
)
def test_other_answers(which, answer, said):
    verdict = lesson.check(*which, answer)
    assert not verdict
    assert repr(verdict).startswith(said)


def test_the_language_is_chosen_once():
    lesson.speak("zh")
    assert repr(lesson.check(1, 1, 0.88)).startswith("不对。")
    assert repr(lesson.check(1, 1, 0.12)).startswith("正确。")
    with pytest.raises(DrawingError, match="language= is 'en' or 'zh', not 'fr'"):
        lesson.speak("fr")


@pytest.mark.parametrize("which", [(len(lesson.CHAPTERS) + 1, 1), ("neuron", 1), (1, 0)])
def test_what_the_lesson_does_not_have_is_refused(which):
    with pytest.raises(lesson.LessonError, match=r"the lesson has chapters 1 to|chapter 1 has exercises 1 to 3, not 0"):
        lesson.check(*which, 0)


@needs_node
def test_the_page_gives_the_same_verdicts():
    """Every value of every exercise, right, wrong or odd, gets the same sentence in JavaScript as in Python."""
    asked, wanted = [], []
    for language in LANGUAGES:
        with speaking(language):
            for made in every().values():
                values = [reply.value for reply in made.replies()]
                values += [
                    tuple(1.03 * v for v in made.answer),
                    tuple(7.7 - 3 * v for v in made.answer),
                    (1.0, 2.0, 3.0),
                ]
                values += [tuple(float(f"{v:.{digits}g}") for v in made.answer) for digits in (1, 2)]
                values += [(made.answer[0], *(v + 9.0 for v in made.answer[1:]))]
                for given, verdict in ((given, made.check(given)) for given in values):
                    asked.append([made.table(), ", ".join(map(repr, given))])
                    wanted.append([verdict.right, verdict.said])
    table = EXERCISES[2, 1].table()
    odd = {
        "": "none", "...": "none", "two": "unread", "0.73 0.5 x": "unread", "[.731, 0.50]": True, "0.73；0,5": "count",
        "(11/15, 1/2)": True, "0.73，0.5": True, "（０．７３；０．５）": True, "−7 1e0": "hint", "1e999 1": "unread",
    }  # fmt: skip
    asked += [[table, text] for text in odd]
    asked += [[EXERCISES[3, 3].table(), text] for text in ("798,000", "798 000", "798000")]
    asked += [[EXERCISES[1, 3].table(), text] for text in ("−0,1966", "-.1966")]
    script = "given.map(([table, text]) => lessonVerdict(table, text))"
    found = evaluated(script, SCRIPT.read_text(encoding="utf-8"), given=asked)
    replies = [[reply["right"], reply["said"]] for reply in found]
    assert all(right for right, _ in replies[-5:])
    del replies[-5:]
    assert replies[: len(wanted)] == wanted
    for (right, said), kind in zip(replies[len(wanted) :], odd.values(), strict=True):
        if kind is True:
            assert right, said
        else:
            start = {"count": "Numbers in the answer", "hint": "Not right. Put 0"}.get(kind) or table["words"][kind]
            assert (right, said.startswith(start)) == (False, True), said
