"""The lesson: eleven chapters from one neuron to a Transformer, with exercises that say what is wrong.

>>> from glassgrad.viz import lesson
>>> lesson.check(2, 2, 12)
Not right. Those are the weights. Each neuron has a bias, too.

The text is in docs/lesson (in a wheel: viz/lesson/text), in English and Chinese. `write` makes HTML pages of it,
`notebook` a Jupyter notebook of one page.
"""

from glassgrad.viz.drawing.words import speak
from glassgrad.viz.lesson.exercises import Exercise, LessonError, Verdict, check, exercise, exercises
from glassgrad.viz.lesson.notebooks import notebook
from glassgrad.viz.lesson.pages import outputs, write
from glassgrad.viz.lesson.text import CHAPTERS

__all__ = [
    "CHAPTERS",
    "Exercise",
    "LessonError",
    "Verdict",
    "check",
    "exercise",
    "exercises",
    "notebook",
    "outputs",
    "speak",
    "write",
]
