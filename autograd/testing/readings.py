"""The readings of a training step compared: eager, as traced, after every pass, as planned, and compiled.

`compare` runs a `TrainingStep` line by line, eagerly and compiled, and looks after each line at all that can be seen:
results, states, random streams, and the results of earlier calls. Every program that is traced on the way is also
interpreted, instruction by instruction, as it was traced and after each pass. The first reading that differs from the
eager one is the culprit.

Two arrays may differ by rounding: by `ULPS` units in the last place of the largest element, and beyond that by
`SPREADS` times as far as the traced program moves when each of its instructions is disturbed by `NOISE` units in the
last place (Monte Carlo arithmetic: D. Parker, UCLA CSD-970002, 1997). Where that moves half of the digits, rounding
decides: at a kink, or for a gradient that is 0 but for rounding and is divided by its own size. Such a step is set
apart as "ill-conditioned".
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from autograd import backends, trees
from autograd.compiler.compiled import Compiled
from autograd.compiler.executable import Executable
from autograd.compiler.ir.primitives import ELEMENTWISE, VIEWS, compute
from autograd.compiler.ir.program import Program, Value
from autograd.compiler.passes.optimize import steps as stages_of
from autograd.compiler.targets.emit import has_kernel
from autograd.compiler.targets.plan import Plan
from autograd.compiler.tracing.watching import Consumed
from autograd.errors import AutogradError, ReadingError
from autograd.tensor import Tensor
from autograd.testing.steps import RESULTS, TrainingStep

Array = np.ndarray[Any, np.dtype[Any]]
States = Mapping[Value, Any]
Reading = tuple[list[Array], dict[Value, Array]]

ULPS = 64
"""Units in the last place of an array's largest element, by which it may differ."""

NOISE = 2.0
"""Units in the last place by which the result of each instruction that rounds is disturbed."""

SPREADS = 8
"""How often the largest effect of that noise an array may differ."""

DRAWS = 12
"""How often the noise is drawn."""

EXACT = VIEWS | frozenset(
    (
        "negative", "positive", "abs", "sign", "maximum", "minimum", "max", "min", "floor", "ceil", "trunc", "copysign",
        "where", "getitem", "setitem", "take", "take_sure", "concat", "stack", "pack", "copy", "flip", "roll", "tile",
        "repeat", "tril", "triu", "pad", "draw", "check_range",
    )
)  # fmt: skip
"""The primitives that round nothing."""


@dataclass(frozen=True)
class Verdict:
    """What `compare` found.

    ``kind``: ``"same"``; ``"different"``; ``"raised"``, where the compiler raised another error than this package's;
    ``"refused"``, where it raised one of these; ``"ill-conditioned"``, where rounding decides; ``"not finite"``, where
    the eager result is not. ``culprit``: the first reading that differs. ``what``: where, and by how much.
    ``programs``: how many were traced.
    """

    kind: str
    culprit: str = ""
    what: str = ""
    programs: int = 0

    @property
    def is_fault(self) -> bool:
        """Whether the compiler is wrong."""
        return self.kind in ("different", "raised")


def check_readings(step: TrainingStep) -> Verdict:
    """The verdict of `compare`, if it is no fault.

    Raises `ReadingError` with the culprit and a step that is as small as possible and has the same culprit.

    >>> import random
    >>> from autograd.testing import check_readings, random_step
    >>> check_readings(random_step(random.Random(1))).kind
    'same'
    """
    verdict = compare(step)
    if not verdict.is_fault:
        return verdict
    smallest = smallest_fault(step, verdict)
    last = compare(smallest)
    raise ReadingError(
        f"the compiled step is {last.kind}. The culprit is the {last.culprit}: {last.what}.\n"
        f"The step (compiled, it has step = ag.compile(step) after its definition):\n\n{smallest.source}\n"
    )


def smallest_fault(step: TrainingStep, verdict: Verdict, attempts: int = 1500) -> TrainingStep:
    """The smallest step found with the kind of fault and the culprit of ``verdict``."""

    def fails(smaller: TrainingStep) -> bool:
        try:
            found = compare(smaller)
        except Exception:  # the smaller step does not run
            return False
        return (found.kind, found.culprit) == (verdict.kind, verdict.culprit)

    return step.simplified(fails, attempts)


# ------------------------------------------------------------------------------------------------- a script that runs


def held(scope: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The Tensors and the random generators that the objects in ``scope`` hold, each once, by the way to it."""
    tensors: dict[str, Tensor] = {}
    generators: dict[str, Any] = {}
    seen: set[int] = set()
    pending: list[tuple[str, Any]] = [(k, v) for k, v in scope.items() if not k.startswith("__") and k != RESULTS]
    for path, thing in pending:
        if isinstance(thing, ModuleType | type | str | int | float | np.ndarray) or id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            tensors[path] = thing
        elif hasattr(thing, "bit_generator"):
            generators[path] = thing
        elif isinstance(thing, Mapping):
            pending += [(f"{path}[{i}]", value) for i, value in enumerate(thing.values())]
        elif isinstance(thing, list | tuple):
            pending += [(f"{path}[{i}]", value) for i, value in enumerate(thing)]
        elif hasattr(thing, "__dict__") and not hasattr(thing, "__get__"):
            pending += [(f"{path}.{name}", value) for name, value in vars(thing).items()]
    return tensors, generators


@dataclass
class Seen:
    """What can be seen after a line: its results and their form, the states, and where the random streams are."""

    results: list[Array]
    form: Any
    states: dict[str, Array]
    streams: list[str]


class Run:
    """A script that is run line by line. ``wrap``: what its step is wrapped in."""

    def __init__(self, step: TrainingStep, wrap: Callable[[Any], Any] = lambda function: function) -> None:
        start, self.lines = step.compiled()
        self.scope: dict[str, Any] = {}
        with np.errstate(all="ignore"):
            exec(start, self.scope)
        self.tensors, self.generators = held(self.scope)
        self.step = self.scope["step"] = wrap(self.scope["step"])
        self.returned: list[tuple[list[Any], list[Array]]] = []

    def line(self, i: int) -> Seen:
        """Run the line, and look."""
        results = self.scope[RESULTS]
        count = len(results)
        with np.errstate(all="ignore"):
            exec(self.lines[i], self.scope)
        leaves, form = trees.flatten(results[count:])
        copies = [np.array(_array(leaf)) for leaf in leaves]
        self.returned.append(([_array(leaf) for leaf in leaves], copies))
        streams = [repr(g.bit_generator.state) for g in self.generators.values()]
        return Seen(copies, form, self.states(), streams)

    def states(self) -> dict[str, Array]:
        """A copy of every state."""
        return {path: np.array(tensor.data) for path, tensor in self.tensors.items()}

    def streams(self) -> list[Any]:
        """Where every random stream is."""
        return [g.bit_generator.state for g in self.generators.values()]

    def rewind(self, streams: Sequence[Any]) -> None:
        """Set every random stream back."""
        for generator, state in zip(self.generators.values(), streams, strict=True):
            generator.bit_generator.state = state

    def follow(self, seen: Seen) -> None:
        """Take the states of another run, in place: rounding is not to add up over the calls."""
        for path, array in seen.states.items():
            mine = self.tensors[path].data
            if array.dtype.kind == "f" and isinstance(mine, np.ndarray) and mine.flags.writeable:
                mine[...] = array

    def has_changed(self) -> bool:
        """Whether a result of an earlier line is not what it was."""
        return any(
            now.tobytes() != then.tobytes()
            for lives, copies in self.returned
            for now, then in zip(lives, copies, strict=True)
        )


def _array(x: Any) -> Any:
    return np.asarray(backends.to_numpy(x.data) if isinstance(x, Tensor) else x)


# ----------------------------------------------------------------------------------------------------------- readings


def interpret(
    program: Program, inputs: Sequence[Any], states: States, noise: np.random.Generator | None = None
) -> Reading:
    """The results of a program and its new states, instruction by instruction; with ``noise`` each is disturbed."""
    found: dict[Value, Any] = {**dict(zip(program.inputs, inputs, strict=True)), **_given(program), **states}

    def disturbed(array: Any) -> Any:
        if getattr(array, "dtype", np.dtype(bool)).kind != "f":
            return array
        by = noise.uniform(-NOISE, NOISE, np.shape(array)) * float(np.finfo(array.dtype).eps)  # type: ignore[union-attr]
        return (array * (1 + by)).astype(array.dtype)

    with np.errstate(all="ignore"):
        for instruction in program.instructions:
            args = [found[arg] for arg in instruction.args]
            rounds = noise is not None and instruction.op not in EXACT
            if rounds and instruction.op not in ELEMENTWISE:  # sums: each term may have its own error
                args = [disturbed(arg) for arg in args]
            out = compute(instruction.op, instruction.params, args)
            found[instruction.out] = disturbed(out) if rounds else out
    return [np.asarray(found[v]) for v in program.outputs], {
        s: np.asarray(found[v]) for s, v in program.updates.items()
    }


def planned(program: Program, inputs: Sequence[Any], states: States) -> Reading:
    """The same in the order and the memory that a `Plan` gives it, each instruction by its definition."""
    homes = {s: np.array(a, order="F" if s in program.flipped else "C") for s, a in states.items()}
    plan = Plan(program, homes, has_kernel)
    plan.validate()
    found: dict[Value, Any] = {
        **plan.arrays,
        **dict(zip(program.inputs, map(np.array, inputs), strict=True)),
        **_given(program),
    }
    with np.errstate(all="ignore"):
        for instruction in plan.order:
            out = compute(instruction.op, instruction.params, [found[arg] for arg in instruction.args])
            place = plan.arrays.get(instruction.out)
            if place is None or instruction.out in plan.numbers:
                found[instruction.out] = out
            elif not (np.shares_memory(place, out) and np.array_equal(place, out)):
                place[...] = np.array(out)
    results = [np.array(found[v]) for v in program.outputs]
    for state, array in [(state, np.array(found[value])) for state, value in plan.copies]:
        homes[state][...] = array
    return results, {s: np.array(homes[s]) for s in program.updates}


def _given(program: Program) -> dict[Value, Any]:
    """The constants and the numbers that are read at each call."""
    found: dict[Value, Any] = {}
    for value in program.values():
        if value.kind == "constant":
            found[value] = value.data
        elif value.kind == "knob":
            mapping, key = value.origin
            found[value] = value.dtype.type(mapping[key])
    return found


def _pieces(program: Program, state: Value, flat: Any) -> Iterator[tuple[Tensor, Any]]:
    """The Tensors whose states a pass put together in one, and the part of it that is each one's."""
    for member, start in program.packed[state]:
        params = {"start": start, "shape": member.shape, "flip": member in program.flipped}
        yield member.origin, compute("piece", params, (flat,))


def states_of(program: Program, array_of: Callable[[Tensor], Array]) -> dict[Value, Any]:
    """The array of each state of a program, from those of the Tensors."""
    found: dict[Value, Any] = {}
    for state in program.states:
        if state in program.packed:
            found[state] = np.zeros(state.shape, state.dtype)
            for tensor, piece in _pieces(program, state, found[state]):
                piece[...] = array_of(tensor)
        else:
            found[state] = array_of(state.origin)
    return found


def tensors_of(program: Program, updates: Mapping[Value, Array]) -> dict[int, Array]:
    """The new array of each Tensor, by its id: the other way."""
    found: dict[int, Array] = {}
    for state, array in updates.items():
        if state in program.packed:
            found |= {id(tensor): piece for tensor, piece in _pieces(program, state, array)}
        else:
            found[id(state.origin)] = array
    return found | {
        id(s.origin): found[id(kept.origin)] for s, kept in program.merged.items() if id(kept.origin) in found
    }


# ---------------------------------------------------------------------------------------------------------- agreement


def difference(found: Array, eager: Array, spread: float = 0.0) -> str:
    """How ``found`` differs from ``eager`` by more than rounding, in words; empty where it does not.

    Elements that are not finite eagerly may be anything.
    """
    if found.shape != eager.shape or found.dtype != eager.dtype:
        return f"it is {found.shape} {found.dtype} for {eager.shape} {eager.dtype}"
    if np.array_equal(found, eager):
        return ""
    if eager.dtype.kind != "f":
        at = tuple(np.argwhere(found != eager)[0].tolist())
        return f"element {list(at)} of {eager.shape} is {found[at]} for {eager[at]}"
    info = np.finfo(eager.dtype)
    allowed = ULPS * float(info.eps) * _largest(eager) + SPREADS * spread + float(info.tiny)
    wrong = ~(_distance(found, eager) <= allowed) & np.isfinite(eager)
    if not wrong.any():
        return ""
    at = tuple(np.argwhere(wrong)[0].tolist())
    return f"element {list(at)} of {eager.shape} is {found[at]:.9g} for {eager[at]:.9g}; allowed is {allowed:.2g}"


def _largest(array: Array) -> float:
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def _distance(one: Array, other: Array) -> Array:
    """How far two arrays are apart; equals, two NaN among them, not at all."""
    with np.errstate(all="ignore"):
        far = np.abs(one.astype("float64") - other.astype("float64"))
        equal = (one == other) | (np.isnan(one) & np.isnan(other))
        return np.where(equal, 0.0, np.where(np.isnan(far), np.inf, far))


# --------------------------------------------------------------------------------------------------------- comparison


@dataclass
class _Call:
    """A line of a script: what was there before it, and what the eager reading gave."""

    run: Run
    inputs: list[Array]
    before: dict[str, Array]
    gradients: dict[int, Array]
    streams: list[Any]
    eager: Seen

    def read(
        self, program: Program, how: Callable[..., Reading] = interpret, **options: Any
    ) -> tuple[list[Array], dict[str, Array]]:
        """What a program gives here: results, and states by the way to them."""
        paths = {id(tensor): path for path, tensor in self.run.tensors.items()}
        now = self.run.streams()
        self.run.rewind(self.streams)
        try:
            states = states_of(program, lambda tensor: self.before[paths[id(tensor)]])
            gradients = [self.gradients[id(v.origin)] for v in program.inputs if v.origin is not None]
            results, updates = how(program, [*self.inputs, *gradients], states, **options)
            results = results[: len(self.eager.results)]  # behind them are gradients that a call leaves
        finally:
            self.run.rewind(now)
        return results, {**self.before, **{paths[key]: array for key, array in tensors_of(program, updates).items()}}

    def wrong(
        self, results: Sequence[Array], states: Mapping[str, Array], spreads: Mapping[Any, float] | None = None
    ) -> dict[Any, str]:
        """What differs from the eager reading, by the number of the result or the way to the state."""
        if len(results) != len(self.eager.results):
            return {0: f"there are {len(results)} results for {len(self.eager.results)}"}
        pairs: dict[Any, tuple[Array, Array]] = dict(enumerate(zip(results, self.eager.results, strict=True)))
        pairs |= {path: (array, self.eager.states[path]) for path, array in states.items()}
        allowed = spreads or {}
        texts = {key: difference(*pair, allowed.get(key, 0.0)) for key, pair in pairs.items()}
        return {k: f"{f'result {k}' if isinstance(k, int) else k}: {text}" for k, text in texts.items() if text}

    def wrong_as(
        self, program: Program, spreads: Mapping[Any, float] | None = None, how: Callable[..., Reading] = interpret
    ) -> dict[Any, str]:
        """What differs in a reading of ``program``."""
        try:
            return self.wrong(*self.read(program, how), spreads)
        except Exception as error:
            return {"": f"{type(error).__name__}: {error}"}

    def first_wrong(
        self, stages: Sequence[tuple[str, Program]], spreads: Mapping[Any, float] | None = None
    ) -> tuple[str, dict[Any, str]] | None:
        """The name of the first of the stages that differs, and how."""
        last = None
        for name, program in stages:
            if last is None or not _is_same(program, last):
                if wrong := self.wrong_as(program, spreads):
                    return name, wrong
                last = program
        return None

    def spreads(self, program: Program) -> dict[Any, float]:
        """How far noise moves each result and state."""
        found: dict[Any, float] = {}
        base, states = self.read(program)
        for seed in range(DRAWS):
            noisy, moved = self.read(program, noise=np.random.default_rng(seed))
            pairs: dict[Any, tuple[Array, Array]] = dict(enumerate(zip(noisy, base, strict=True)))
            pairs |= {path: (moved[path], array) for path, array in states.items()}
            for key, (one, other) in pairs.items():
                if one.dtype.kind == "f" and one is not other:
                    found[key] = max(found.get(key, 0.0), float(_distance(one, other).max(initial=0.0)))
        return found

    def of(self, key: Any) -> Array:
        """The eager reading's result or state."""
        return self.eager.results[key] if isinstance(key, int) else self.eager.states[key]


class _Watched:
    """A compiled function that keeps the arrays it was given last."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.given: list[Array] = []

    def __call__(self, *args: Any) -> Any:
        self.given = [np.array(_array(leaf)) for leaf in trees.leaves(args)]
        return self.compiled(*args)


@dataclass
class _Traced:
    """The stages of every program that is traced: the trace, and the program after each pass."""

    stages: list[list[tuple[str, Program]]] = field(default_factory=list)

    def compile(self, function: Any) -> _Watched:
        """``function`` compiled, its programs noted here."""

        def optimize(program: Program) -> Program:
            passes = stages_of(program)
            self.stages.append([("trace", program), *((f"pass {name!r}", after) for name, after in passes)])
            return passes[-1][1]

        compiled = Compiled(function)
        compiled.executable = type("WatchedExecutable", (Executable,), {"optimize": staticmethod(optimize)})
        return _Watched(compiled)

    def of(self, inputs: Sequence[Array]) -> list[tuple[str, Program]]:
        """The stages of the latest program for such inputs."""
        form = [(a.shape, a.dtype) for a in inputs]
        arguments = [(s, [(v.shape, v.dtype) for v in s[0][1].inputs if v.origin is None]) for s in self.stages[::-1]]
        return next((s for s, found in arguments if found == form), [])


def _gradients(tensors: Iterable[Tensor]) -> dict[int, Array]:
    """The arrays of the gradients that there are, by the ids of their Tensors."""
    grads = {id(tensor): tensor.grad for tensor in tensors}
    return {key: np.array(g.data) for key, g in grads.items() if g is not None and not isinstance(g, Consumed)}


def compare(step: TrainingStep) -> Verdict:
    """Run a step in all readings, and name the first that differs from the eager one.

    Raises what the step itself raises.
    """
    traced, apart = _Traced(), Verdict("same")
    eager, compiled = Run(step), Run(step, traced.compile)
    for i in range(len(step.calls)):
        before, streams, count = compiled.states(), compiled.streams(), len(traced.stages)
        gradients = _gradients(compiled.tensors.values())
        expected = eager.line(i)
        if any(array.shape != before[path].shape for path, array in expected.states.items()):
            break  # a state that is given another shape, which compiled functions refuse
        try:
            found = compiled.line(i)
        except AutogradError as error:
            return Verdict("refused", what=f"{type(error).__name__}: {error}", programs=len(traced.stages))
        except Exception as error:
            return Verdict("raised", _place(error), f"{type(error).__name__}: {error}", len(traced.stages))
        call = _Call(compiled, compiled.step.given, before, gradients, streams, expected)
        verdict = _of_line(call, found, traced, new=len(traced.stages) > count)
        if verdict.is_fault:
            return Verdict(verdict.kind, verdict.culprit, verdict.what, len(traced.stages))
        apart = verdict if apart.kind == "same" else apart
        compiled.follow(expected)
    return Verdict(apart.kind, apart.culprit, apart.what, len(traced.stages))


def _of_line(call: _Call, found: Seen, traced: _Traced, new: bool) -> Verdict:
    """The verdict on one line. ``new``: a program was traced in it, which is interpreted."""
    wrong = call.wrong(found.results, found.states)
    early = call.first_wrong(traced.stages[-1]) if new else None
    if wrong or early:
        stages = traced.stages[-1] if new else traced.of(call.inputs)
        verdict = _judged(call, found, stages, {**(early[1] if early else {}), **wrong})
        if verdict.kind != "same":
            return verdict
    if found.form != call.eager.form:
        return Verdict("different", "trace", f"the form of the result is {found.form} for {call.eager.form}")
    if found.streams != call.eager.streams:
        return Verdict("different", "trace", "a random generator is not where it is eagerly")
    if call.run.has_changed():
        return Verdict("different", "emitter", "the result of an earlier call has changed")
    if not all(np.isfinite(x).all() for x in (*call.eager.results, *call.eager.states.values()) if x.dtype.kind == "f"):
        return Verdict("not finite")
    return Verdict("same")


def _judged(call: _Call, found: Seen, stages: Sequence[tuple[str, Program]], wrong: dict[Any, str]) -> Verdict:
    """The verdict where something differs at first sight: rounding may explain it."""
    spreads = call.spreads(stages[0][1]) if stages else {}
    again = call.wrong(found.results, found.states, spreads)
    first = call.first_wrong(stages, spreads)
    if first is not None:
        return Verdict("different", first[0], next(iter((again or first[1]).values())))
    if again:
        in_plan = stages and call.wrong_as(stages[-1][1], spreads, planned)
        return Verdict("different", "plan" if in_plan else "emitter or bindings", next(iter(again.values())))
    far = [text for key, text in wrong.items() if spreads.get(key, 0.0) > _rough(call.of(key))]
    return Verdict("ill-conditioned", what=far[0]) if far else Verdict("same")


def _rough(array: Array) -> float:
    """How far rounding may move an array that is no sign of a kink: half of its digits."""
    return float(np.sqrt(np.finfo(array.dtype).eps)) * _largest(array)


def _is_same(one: Program, other: Program) -> bool:
    """Whether a pass found nothing to do."""
    return (
        len(one.instructions) == len(other.instructions)
        and all(a is b for a, b in zip(one.instructions, other.instructions, strict=True))
        and (one.outputs, one.updates) == (other.outputs, other.updates)
    )


def _place(error: Exception) -> str:
    """The innermost function in which an error was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}, {last.name}" if not last.filename.startswith("<") else "emitter"


__all__ = ["Verdict", "check_readings", "compare", "smallest_fault"]
