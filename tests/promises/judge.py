"""Whether a compiled step does what the function does: both run line by line, and all that a user can see is compared.

`judge` uses public names only, so that it outlives every rewriting of the compiler, and the measure of rounding of
`autograd.compiler.check`; disturbed is what a line reads, equal numbers alike, so that ties stay ties. Compared are
results, states, gradients, random streams and earlier results; not compared is the order of memory. Where rounding
decides, the step is "ill-conditioned".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.compiler.check import DRAWS, NOISE, Array, difference, distance, half_of_the_digits
from glassgrad.autograd.errors import AutogradError
from tests.steps.step import FUNCTIONS, TrainingStep

HEADER = "import copy", "import types", "import numpy as np", "from glassgrad import autograd as ag, nn"


def frozen(arguments: str, setup: Sequence[str], body: Sequence[str], calls: Sequence[str]) -> TrainingStep:
    """The step of these parts."""
    return TrainingStep(tuple(setup), arguments, tuple(body), tuple(calls), HEADER)


@dataclass(frozen=True)
class Verdict:
    """``kind``: "same", "refused" (in a sentence of the compiler's), "different", "ill-conditioned" or "not finite"."""

    kind: str
    what: str = ""


@dataclass
class Seen:
    """What a user sees after a line: arrays by the number of the result, the path of the state, or ``path.grad``."""

    values: dict[Any, Array]
    form: Any
    streams: list[Any]


class Script:
    """A step that runs line by line. ``wrap`` is applied to its functions."""

    def __init__(self, step: TrainingStep, wrap: Callable[[Any], Any]) -> None:
        start, self.lines = step.compiled()
        self.scope: dict[str, Any] = {}
        self.run(start)
        self.scope |= {name: wrap(self.scope[name]) for name in FUNCTIONS if name in self.scope}
        self.returned: list[tuple[Any, Array]] = []

    def run(self, code: CodeType) -> None:
        with np.errstate(all="ignore"):
            exec(code, self.scope)

    def line(self, i: int) -> Seen:
        """Run line ``i``; what is seen after it."""
        count = len(self.scope["results"])
        self.run(self.lines[i])
        leaves, form = ag.trees.flatten(self.scope["results"][count:])
        self.last = [(leaf, values_of(leaf)) for leaf in leaves]
        self.returned += self.last
        seen = self.look()
        seen.values |= enumerate(array for _, array in self.last)
        seen.form = form, [isinstance(leaf, ag.Tensor) or type(leaf) for leaf in leaves]
        return seen

    def look(self) -> Seen:
        """What is seen without results."""
        tensors, generators = held(self.scope)
        seen = Seen({}, None, [generator.bit_generator.state for generator in generators])
        for path, tensor in tensors.items():
            seen.values[path] = values_of(tensor)
            if tensor.grad is not None:
                with suppress(AutogradError):  # one that a program has used up says so when it is read
                    seen.values[f"{path}.grad"] = values_of(tensor.grad)
        return seen

    def follow(self, seen: Seen, own: Seen) -> None:
        """Take over the states and last results of another run where they differ, so that rounding does not add up."""
        pairs: list[tuple[Any, Any]] = [(number, leaf) for number, (leaf, _) in enumerate(self.last)]
        for path, tensor in held(self.scope)[0].items():
            pairs += [(path, tensor), (f"{path}.grad", tensor.grad)]
        for key, thing in pairs:
            if key in own.values and key in seen.values and own.values[key].tobytes() != seen.values[key].tobytes():
                write(thing, seen.values[key])
        self.returned[len(self.returned) - len(self.last) :] = [(leaf, values_of(leaf)) for leaf, _ in self.last]

    def has_changed(self) -> bool:
        """Whether the result of an earlier line has changed."""
        return any(values_of(leaf).tobytes() != array.tobytes() for leaf, array in self.returned)


def held(scope: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The Tensors by their path, and the random generators, that can be reached from a script's names, each once."""
    tensors: dict[str, Any] = {}
    generators: list[Any] = []
    seen: set[int] = set()
    pending: list[tuple[str, Any]] = [(k, v) for k, v in scope.items() if not k.startswith("__") and k != "results"]
    for path, thing in pending:
        if isinstance(thing, ModuleType | type | str | int | float | np.ndarray) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, ag.Tensor):
            tensors[path] = thing
        elif hasattr(thing, "bit_generator"):
            generators.append(thing)
        elif isinstance(thing, Mapping):
            pending += [(f"{path}[{i}]", value) for i, value in enumerate(thing.values())]
        elif isinstance(thing, list | tuple):
            pending += [(f"{path}[{i}]", value) for i, value in enumerate(thing)]
        elif hasattr(thing, "__dict__") and not hasattr(thing, "__get__"):
            pending += [(f"{path}.{name}", value) for name, value in vars(thing).items()]
    return tensors, generators


def values_of(thing: Any) -> Array:
    """A copy of the values. Of a Tensor by an operation, so that nobody else comes to share its memory."""
    if isinstance(thing, ag.Tensor):
        with ag.no_grad():
            thing = thing.clone().numpy()
    return np.array(thing)


def write(thing: Any, values: Array) -> None:
    """Set the values of a Tensor or an array in place, where that can be done."""
    array = thing.data if isinstance(thing, ag.Tensor) else thing
    if isinstance(array, np.ndarray):
        if array.flags.writeable:
            array[...] = values
    elif isinstance(thing, ag.Tensor):  # of shape ()
        thing.data = values[()]


# ------------------------------------------------------------------------------------------------------------- rounding


def nudged(array: Array, draw: int) -> Array:
    """``array`` with floating-point numbers moved by `NOISE` units in the last place, equal numbers alike."""
    if array.dtype.kind != "f":
        return array
    noise = np.sin(np.abs(array.astype("float64")).view("int64") % 1_000_003 * (draw + 1.0))
    moved: Array = (array * (1 + NOISE * np.finfo(array.dtype).eps * noise)).astype(array.dtype)
    return moved


def nudge(things: Iterator[Any] | Sequence[Any], draw: int) -> None:
    """Move floating-point Tensors and arrays in place by `NOISE` units in the last place, equal numbers alike."""
    for thing in things:
        if isinstance(thing, ag.Tensor | np.ndarray) and np.dtype(thing.dtype).kind == "f":
            write(thing, nudged(values_of(thing), draw))


class Nudging:
    """Wraps functions; from the moment that it is ``on`` their arguments are moved."""

    def __init__(self, draw: int) -> None:
        self.draw, self.on = draw, False

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self.on:
                nudge(ag.trees.leaves((args, options)), self.draw)
            return function(*args, **options)

        return call


def spreads(step: TrainingStep, i: int, eager: Seen) -> dict[Any, float]:
    """The largest effect of noise on each array after line ``i``."""
    found: dict[Any, float] = {}
    for draw in range(DRAWS):
        nudging = Nudging(draw)
        script = Script(step, nudging)
        for k in range(i):
            script.line(k)
        nudging.on = True
        nudge([*held(script.scope)[0].values(), *script.scope.values()], draw)
        with suppress(Exception):  # moved numbers may go where the step does not
            for key, moved in script.line(i).values.items():
                if moved.dtype.kind == "f" and eager.values.get(key, moved[None]).shape == moved.shape:
                    far = distance(moved, eager.values[key]).max(initial=0.0)
                    found[key] = max(found.get(key, 0.0), float(far))
    return found


def overflows(step: TrainingStep, i: int) -> bool:
    """Whether a value on the way through line ``i`` is not finite: then the order of summation decides."""
    script = Script(step, lambda function: function)
    for k in range(i):
        script.line(k)
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            exec(script.lines[i], script.scope)
    except FloatingPointError:
        return True
    return False


# -------------------------------------------------------------------------------------------------------------- verdict


def judge(step: TrainingStep, target: str = "numpy") -> Verdict:
    """Run a step eagerly and compiled for a target. Raises what the step itself raises."""
    eager, compiled = Script(step, lambda function: function), Script(step, partial(ag.compile, target=target))
    verdict = Verdict("same")
    for i in range(len(step.calls)):
        shapes = {path: array.shape for path, array in eager.look().values.items()}
        expected = eager.line(i)
        if any(array.shape != shapes.get(path, array.shape) for path, array in expected.values.items()):
            break  # a state of another shape, which compiled functions need not follow
        try:
            found = compiled.line(i)
        except AutogradError as error:
            return Verdict("refused", f"{type(error).__name__}: {error}")
        except Exception as error:
            return Verdict("different", f"line {i} raises {type(error).__name__}: {error}")
        now = verdict_of_line(step, i, found, expected, compiled)
        if now.kind == "different":
            return now
        verdict = now if verdict.kind == "same" else verdict
        compiled.follow(expected, found)
    return verdict


def verdict_of_line(step: TrainingStep, i: int, found: Seen, eager: Seen, compiled: Script) -> Verdict:
    """The verdict after line ``i``."""
    verdict = Verdict("same")
    if wrong := differences(found.values, eager.values):
        spread = spreads(step, i, eager)
        if again := differences(found.values, eager.values, spread):
            kind = "not finite" if overflows(step, i) else "different"
            return Verdict(kind, f"line {i}: {next(iter(again.values()))}")
        lost = [key for key in wrong if spread.get(key, 0.0) > half_of_the_digits(eager.values[key])]
        verdict = Verdict("ill-conditioned", wrong[lost[0]]) if lost else verdict
    if found.form != eager.form:
        return Verdict("different", f"line {i}: the results are {found.form} instead of {eager.form}")
    if found.streams != eager.streams:
        return Verdict("different", f"line {i}: a random generator is in another state than in eager mode")
    if compiled.has_changed():
        return Verdict("different", f"line {i}: the result of an earlier call has changed")
    finite = all(np.isfinite(array).all() for array in eager.values.values() if array.dtype.kind == "f")
    return verdict if finite or verdict.kind != "same" else Verdict("not finite")


def differences(
    found: Mapping[Any, Array], eager: Mapping[Any, Array], spread: Mapping[Any, float] | None = None
) -> dict[Any, str]:
    """For each array that differs, a sentence."""
    wrong = {}
    for key, array in found.items():
        what = f"result {key}" if isinstance(key, int) else key
        if key not in eager:
            wrong[key] = f"{what} does not exist in eager mode"
        elif text := difference(array, eager[key], (spread or {}).get(key, 0.0)):
            wrong[key] = f"{what}: {text}"
    return wrong
