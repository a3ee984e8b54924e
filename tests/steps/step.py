"""`TrainingStep`: a training step with its states and calls, as Python text that can be run, printed and shrunk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import CodeType

RESULTS = "results"
"""Name of the list to which a script appends the results of its calls."""

FUNCTIONS = ("step", "again")
"""Names of the functions that are compiled; the second, where there is one, is part of the setup."""

IMPORTS = ("import numpy as np", "from glassgrad import autograd as ag")


@dataclass(frozen=True, repr=False)
class TrainingStep:
    """A script in three parts: ``setup`` makes the states, ``body`` is that of ``def step(...)``, ``calls`` call it.

    Each part is a tuple of statements. A call that is compared is written ``results.append(step(...))``; between the
    calls there may be other statements, such as a schedule's step. ``arguments`` are those of ``step``, as text. The
    setup may define a second function, ``again``, which is compiled, too. Its ``repr`` is the script. The text is
    executed: use trusted text only.

    >>> from tests.steps.step import TrainingStep
    >>> TrainingStep(
    ...     setup=("w = ag.Tensor(2.0, requires_grad=True)",),
    ...     arguments="x",
    ...     body=("loss = w * x", "(g,) = ag.gradients(loss, [w])", "w.data = w.data - 0.1 * g.data", "return loss"),
    ...     calls=("results.append(step(3.0))",),
    ... )
    from glassgrad import autograd as ag
    <BLANKLINE>
    w = ag.Tensor(2.0, requires_grad=True)
    <BLANKLINE>
    def step(x):
        loss = w * x
        (g,) = ag.gradients(loss, [w])
        w.data = w.data - 0.1 * g.data
        return loss
    <BLANKLINE>
    results = []
    results.append(step(3.0))
    """

    setup: tuple[str, ...]
    arguments: str
    body: tuple[str, ...]
    calls: tuple[str, ...]
    imports: tuple[str, ...] = IMPORTS

    @property
    def source(self) -> str:
        """The script. With ``step = ag.compile(step)`` after the definition it runs compiled."""
        text = "\n".join([*self.setup, *self.body, *self.calls])
        imports = [line for line in self.imports if re.search(rf"\b{line.split()[-1]}\.", text)]
        parts = [imports, [*self.setup], [self.definition()], [f"{RESULTS} = []", *self.calls]]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def definition(self, name: str = "step") -> str:
        """``def step(...)`` with its body."""
        return f"def {name}({self.arguments}):\n    " + "\n".join(self.body or ("pass",)).replace("\n", "\n    ")

    def compiled(self) -> tuple[CodeType, list[CodeType]]:
        """Code objects: one for all up to the calls, and one for each statement of the calls. Raises `SyntaxError`."""
        start = "\n".join([*self.imports, f"{RESULTS} = []", *self.setup, self.definition()])
        return compile(start, "<step>", "exec"), [compile(line, "<calls>", "exec") for line in self.calls]

    def __repr__(self) -> str:
        return self.source

    # ------------------------------------------------------------ as a smaller step

    def simplified(self, fails: Callable[[TrainingStep], bool]) -> TrainingStep:
        """The smallest step found that ``fails`` as this one does. ``fails`` is also given steps that do not run."""
        step, attempts = self, 1500
        while True:
            for smaller in step.simpler():
                attempts -= 1
                if attempts < 0:
                    return step
                if smaller != step and fails(smaller):
                    step = smaller
                    break
            else:
                return step

    def simpler(self) -> Iterator[TrainingStep]:
        """Smaller steps, the smallest first: fewer statements, shorter expressions, smaller numbers. Not all run."""
        for part in ("calls", "body", "setup"):
            lines = getattr(self, part)
            count = len(lines)
            while count:
                for start in range(0, len(lines), count):
                    yield replace(self, **{part: lines[:start] + lines[start + count :]})
                count //= 2
        for i, line in enumerate(self.body):
            yield from self._without_operation(i, line)
            yield from self._without_term(i, line)
        text = "\n".join([*self.setup, *self.body, *self.calls])
        for number in sorted({int(n) for n in _WHOLE.findall(text)} - {0, 1}, reverse=True):
            for smaller in dict.fromkeys((1, 2, number // 2, number - 1)):
                if smaller < number:
                    yield self._with_number(number, smaller)

    def _without_operation(self, i: int, line: str) -> Iterator[TrainingStep]:
        """The steps with an operand in place of the value that statement ``i`` assigns."""
        found = re.fullmatch(r"(\w+) = (.*)", line)
        if found is None:
            return
        for operand in dict.fromkeys(re.findall(r"\b[a-z]\w*\b(?![(.=])", found[2])):
            rest = [re.sub(rf"\b{found[1]}\b", operand, later) for later in self.body[i + 1 :]]
            yield replace(self, body=(*self.body[:i], *rest))

    def _without_term(self, i: int, line: str) -> Iterator[TrainingStep]:
        """The steps with a term of the sum, or an entry of the result, left out of statement ``i``."""
        head, separator, tail = line.partition("return " if line.startswith("return ") else " = ")
        for mark in (", ", " + "):
            terms = tail.split(mark)
            if separator and len(terms) > 1 and "(" not in tail:
                for k in range(len(terms)):
                    shorter = head + separator + mark.join(terms[:k] + terms[k + 1 :])
                    yield replace(self, body=(*self.body[:i], shorter, *self.body[i + 1 :]))

    def _with_number(self, number: int, other: int) -> TrainingStep:
        """The step with every ``number`` replaced, so that equal sizes stay equal."""

        def changed(lines: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(re.sub(rf"(?<![\w.]){number}(?![\w.])", str(other), line) for line in lines)

        return replace(self, setup=changed(self.setup), body=changed(self.body), calls=changed(self.calls))


_WHOLE = re.compile(r"(?<![\w.])\d+(?![\w.])")

__all__ = ["TrainingStep"]
