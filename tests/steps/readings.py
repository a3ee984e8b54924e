"""Compare the readings of a training step, ways to run it: eager, traced, after every pass, and compiled.

`compare` runs a `TrainingStep` line by line, eagerly and compiled. After each line it compares all that is observable:
results, states, random streams, and earlier results. Every traced program is also interpreted, instruction by
instruction, after the trace and after each pass. The first form that differs from the eager one is the culprit.

Two arrays may differ by rounding, as `autograd.compiler.check` says: by `ULPS` units in the last place of the largest
element, plus `SPREADS` times the change of the traced program's result when each of its instructions is perturbed by
`NOISE` units in the last place (Monte Carlo arithmetic: D. Parker, UCLA CSD-970002, 1997). A change of half of the
digits means that rounding decides: at a kink, or where a gradient that is zero up to rounding is normalized. Such a
step is "ill-conditioned".
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad.autograd import backends, trees
from glassgrad.autograd.compiler.check import DRAWS, Array, Seen, distance, half_of_the_digits, interpret, values_of
from glassgrad.autograd.compiler.compiled import Compiled
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.primitives import piece_of
from glassgrad.autograd.compiler.ir.program import Program, Value
from glassgrad.autograd.compiler.passes.optimize import PASSES
from glassgrad.autograd.compiler.passes.optimize import steps as stages_of
from glassgrad.autograd.compiler.targets.c.executable import PASSES as PASSES_OF_C
from glassgrad.autograd.compiler.targets.c.executable import NativeExecutable, text_of
from glassgrad.autograd.compiler.trace import Trace
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, TargetError
from tests.promises.judge import differences, held
from tests.steps.step import FUNCTIONS, RESULTS, TrainingStep

States = Mapping[Value, Any]
Reading = tuple[list[Array], dict[Value, Array]]


@dataclass(frozen=True)
class Verdict:
    """The result of `compare`.

    ``kind``: ``"same"``; ``"different"``; ``"refused"``, where the compiler raised an error of this package;
    ``"raised"``, where it raised any other; ``"ill-conditioned"``, where rounding decides; ``"not finite"``, where the
    eager result is not. ``culprit``: the first reading that differs. ``what``: where, and by how much. ``programs``:
    how many were traced.
    """

    kind: str
    culprit: str = ""
    what: str = ""
    programs: int = 0

    @property
    def is_fault(self) -> bool:
        """Whether the compiler is wrong."""
        return self.kind in ("different", "raised")


def smallest_fault(step: TrainingStep, verdict: Verdict, target: str = "numpy") -> TrainingStep:
    """The smallest step found with the kind of fault and the culprit of ``verdict``."""

    def fails(smaller: TrainingStep) -> bool:
        try:
            found = compare(smaller, target)
        except Exception:  # the smaller step does not run
            return False
        return (found.kind, found.culprit) == (verdict.kind, verdict.culprit)

    return step.simplified(fails)


# ------------------------------------------------------------------------------------------------- a script that runs


class Run:
    """A script that runs line by line. ``wrap`` is applied to its functions."""

    def __init__(self, step: TrainingStep, wrap: Callable[[Any], Any] = lambda function: function) -> None:
        start, self.lines = step.compiled()
        self.scope: dict[str, Any] = {}
        with np.errstate(all="ignore"):
            exec(start, self.scope)
        self.scope |= {name: wrap(self.scope[name]) for name in FUNCTIONS if name in self.scope}
        self.tensors, self.generators = self.held()
        self.returned: list[tuple[list[Any], list[Array]]] = []

    def held(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The Tensors and random generators that the script's names lead to."""
        tensors, generators = held(self.scope)
        return tensors, {str(i): generator for i, generator in enumerate(generators)}

    def line(self, i: int) -> Seen:
        """Run line ``i`` and return the state after it, with the line's results."""
        results = self.scope[RESULTS]
        count = len(results)
        with np.errstate(all="ignore"):
            exec(self.lines[i], self.scope)
        lives = [_array(leaf) for leaf in trees.leaves(results[count:])]
        self.returned.append((lives, [np.array(array) for array in lives]))
        return self.look(results[count:])

    def look(self, results: Any = None) -> Seen:
        """The current state, with these results."""
        self.tensors, self.generators = self.held()  # names may have been reassigned
        seen = Seen(self.tensors, self.generators, results)
        seen.slots.clear()  # else the arrays of states were used elsewhere, too, and would not be packed
        return seen

    def rewind(self, streams: Mapping[str, Any]) -> None:
        """Set every random generator to an earlier state."""
        for path, generator in self.generators.items():
            generator.bit_generator.state = streams[path]

    def follow(self, seen: Seen) -> None:
        """Copy the states and last results of another run in place, so that rounding does not add up over the calls."""
        for path, tensor in self.tensors.items():
            mine, gradient = tensor._data, seen.values.get(f"{path}.grad")
            if isinstance(mine, np.ndarray) and mine.flags.writeable and mine.dtype.kind == "f":
                mine[...] = seen.values[path]
            if gradient is not None and tensor.grad is not None:
                tensor.grad.data = np.array(gradient)[()]
        for n, (live, copy) in enumerate(zip(*self.returned[-1], strict=True)):  # later calls may take them
            if live.shape and live.flags.writeable and live.dtype.kind == "f":
                live[...] = copy[...] = seen.values[n]

    def has_changed(self) -> bool:
        """Whether the result of an earlier line has changed."""
        return any(
            now.tobytes() != then.tobytes()
            for lives, copies in self.returned
            for now, then in zip(lives, copies, strict=True)
        )


def _array(x: Any) -> Any:
    return np.asarray(backends.to_numpy(x._data) if isinstance(x, Tensor) else x)


# ----------------------------------------------------------------------------------------------------------- readings


def _pieces(program: Program, state: Value, flat: Any) -> Iterator[tuple[Tensor, Any]]:
    """The Tensors whose states a pass packed into one array, each with its part of it."""
    for member, start in program.packed[state]:
        yield member.origin, piece_of(flat, start, member.shape)


def states_of(program: Program, array_of: Callable[[Tensor], Array]) -> dict[Value, Any]:
    """The arrays of a program's states, from the arrays of its Tensors."""
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
    """The arrays of the Tensors by their id, from a program's updates; the inverse of `states_of`."""
    found: dict[int, Array] = {}
    for state, array in updates.items():
        if state in program.packed:
            found |= {id(tensor): piece for tensor, piece in _pieces(program, state, array)}
        else:
            found[id(state.origin)] = array
    return found


# --------------------------------------------------------------------------------------------------------- comparison


@dataclass
class _Traced:
    """A traced program: the program after the trace and after each pass, its executable, and its states at first."""

    stages: list[tuple[str, Program]]
    executable: Executable
    start: dict[int, Array]


class _Watch:
    """Compiles functions for a target; keeps their programs and the arguments of the last call."""

    def __init__(self, target: str) -> None:
        self.kind, self.passes = (NativeExecutable, PASSES_OF_C) if target == "c" else (Executable, PASSES)
        self.traced: list[_Traced] = []
        self.given: list[Array] = []
        self.last: Executable | None = None
        self.calls = 0

    def compiled(self, function: Any) -> Callable[..., Any]:
        """``function``, compiled."""
        made: Compiled[..., Any] = Compiled(function)
        made.executable = self._bound  # type: ignore[assignment]

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            self.given = [np.array(_array(leaf)) for leaf in trees.leaves((args, kwargs)) if hasattr(leaf, "shape")]
            return made(*args, **kwargs)

        return call

    def _bound(self, trace: Trace) -> Executable:
        """The executable of a trace, recorded with the program after each pass."""
        stages = [("trace", trace.program)]
        start = {id(state.origin): values_of(state.origin) for state in trace.program.states}

        def optimize(program: Program) -> Program:
            stages.extend((f"pass {name!r}", after) for name, after in stages_of(program, self.passes))
            return stages[-1][1]

        run = property(self._run_of, lambda executable, run: vars(executable).update(run=run))
        kind: Any = type("Bound", (self.kind,), {"optimize": staticmethod(optimize), "run": run})
        bound: Executable = kind(trace)
        if self.kind is Executable:
            with suppress(TargetError):  # also written in C, but not compiled
                text_of(trace)
        self.traced.append(_Traced(stages, bound, start))
        return bound

    def latest(self) -> _Traced | None:
        """The program that ran last, if none was traced since; ``None`` if no function has a program."""
        return next((traced for traced in self.traced if traced.executable is self.last), None)

    def _run_of(self, executable: Executable) -> Any:
        self.last = executable
        return vars(executable)["run"]


@dataclass
class _Call:
    """A line of a script: the program that it ran and its arguments, the state before, and the eager state after."""

    run: Run
    given: list[Array]
    traced: _Traced | None
    before: Seen
    eager: Seen

    def _run(self, program: Program, **options: Any) -> Reading:
        """The outputs and updates of a program at this call."""
        paths = {id(tensor): path for path, tensor in self.run.tensors.items()}
        assert self.traced is not None
        graded = {v for v in self.traced.stages[0][1].inputs if v.origin is not None}
        places = [(v, paths[id(v.origin)]) for v in program.inputs if v.origin is not None]
        more = [self.before.values[f"{path}.grad" if v in graded else path] for v, path in places]
        now, own = self.run.look().streams, [(g, g.bit_generator.state) for g in program.generators()]
        self.run.rewind(self.before.streams)
        try:
            start = self.traced.start  # of a count of steps that the trace has parted from another
            before = {id(t): self.before.values.get(path, start.get(id(t))) for path, t in self.run.tensors.items()}
            found = states_of(program, lambda t: before.get(id(t), t._data))
            states = {s: np.asarray(array, s.dtype) for s, array in found.items()}  # which the trace may have cast
            return interpret(program, [*self.given, *more], states, **options)
        finally:
            for generator, state in own:
                generator.bit_generator.state = state
            self.run.rewind(now)

    def overflows(self) -> bool:
        """Whether an intermediate value is not finite: then the order of summation decides between inf and NaN."""
        assert self.traced is not None
        program = self.traced.stages[0][1]
        made = [i.out for i in program.instructions if i.out.dtype.kind == "f"]
        outputs, _ = self._run(program.changed(outputs=made))
        return not all(np.isfinite(array).all() for array in outputs)

    def read(self, program: Program, **options: Any) -> dict[Any, Array]:
        """The results, gradients and changed states of a program at this call."""
        paths = {id(tensor): path for path, tensor in self.run.tensors.items()}
        outputs, updates = self._run(program, **options)
        assert self.traced is not None
        trace = self.traced.executable.trace
        left = [f"{paths[id(tensor)]}.grad" for tensor in trace.delivered]
        names = [*range(len(trace.program.outputs) - len(left)), *left]
        names += [paths[id(state.origin)] for state in trace.replaced]
        changed = {paths[key]: array for key, array in tensors_of(program, updates).items() if key in paths}
        return {**dict(zip(names, outputs, strict=False)), **changed}  # behind them is what old arrays are left with

    def wrong(self, found: Mapping[Any, Array], spreads: Mapping[Any, float] | None = None) -> dict[Any, str]:
        """Descriptions of the differences between ``found`` and the eager arrays."""
        return differences(found, self.eager.values, spreads)

    def first_wrong(self, spreads: Mapping[Any, float] | None = None) -> tuple[str, dict[Any, str]] | None:
        """The name of the first stage that differs, and its differences."""
        last = None
        for name, program in self.traced.stages if self.traced else ():
            if program is not last:
                try:
                    wrong = self.wrong(self.read(program), spreads)
                except Exception as error:
                    wrong = {"": f"{type(error).__name__}: {error}"}
                if wrong:
                    return name, wrong
                last = program
        return None

    def spreads(self) -> dict[Any, float]:
        """The largest effect of noise on each array."""
        assert self.traced is not None
        program = self.traced.stages[0][1]
        found: dict[Any, float] = {}
        base = self.read(program)
        for seed in range(DRAWS):
            for key, moved in self.read(program, noise=np.random.default_rng(seed)).items():
                if moved.dtype.kind == "f":
                    found[key] = max(found.get(key, 0.0), float(distance(moved, base[key]).max(initial=0.0)))
        tensors = self.run.tensors  # views that are kept outside change with the states whose memory they share
        for path in tensors.keys() - found.keys():
            near = [k for k in found if k in tensors and np.may_share_memory(tensors[k]._data, tensors[path]._data)]
            found[path] = max((found[k] for k in near), default=0.0)
        return found


def compare(step: TrainingStep, target: str = "numpy") -> Verdict:
    """Run a step in all readings and name the first that differs from the eager one.

    ``target``: ``"numpy"``, where the program is also written in C and not run, or ``"c"``, as of `autograd.compile`.
    Raises what the step itself raises.
    """
    apart, watched = Verdict("same"), _Watch(target)
    eager, compiled = Run(step), Run(step, watched.compiled)
    for i in range(len(step.calls)):
        before, programs, calls = compiled.look(), len(watched.traced), watched.calls
        expected = eager.line(i)
        if any(array.shape != before.values.get(path, array).shape for path, array in expected.values.items()):
            break  # a state that is given another shape, which compiled functions refuse
        try:
            found = compiled.line(i)
        except AutogradError as error:
            return Verdict("refused", what=f"{type(error).__name__}: {error}", programs=len(watched.traced))
        except Exception as error:
            return Verdict("raised", _place(error), f"{type(error).__name__}: {error}", len(watched.traced))
        new = len(watched.traced) > programs
        traced = watched.traced[-1] if new else watched.latest() if watched.calls > calls else None
        verdict = _of_line(_Call(compiled, watched.given, traced, before, expected), found, new)
        if verdict.is_fault:
            return Verdict(verdict.kind, verdict.culprit, verdict.what, len(watched.traced))
        apart = verdict if apart.kind == "same" else apart
        compiled.follow(expected)
    return Verdict(apart.kind, apart.culprit, apart.what, len(watched.traced))


def _of_line(call: _Call, found: Seen, new: bool) -> Verdict:
    """The verdict on one line. ``new``: it traced a program, whose stages are compared, too."""
    eager = call.eager
    wrong = call.wrong(found.values)
    early = call.first_wrong() if new else None
    if wrong or early:
        verdict = _judged(call, found, {**(early[1] if early else {}), **wrong})
        if verdict.kind != "same":
            return verdict
    if found.form != eager.form:
        return Verdict("different", "trace", f"the form of the result is {found.form} instead of {eager.form}")
    if found.streams != eager.streams:
        return Verdict("different", "trace", "a random generator is in another state than in eager mode")
    if call.run.has_changed():
        return Verdict("different", "plan, emitter or bindings", "the result of an earlier call has changed")
    if not all(np.isfinite(x).all() for x in eager.values.values() if x.dtype.kind == "f"):
        return Verdict("not finite")
    return Verdict("same")


def _judged(call: _Call, found: Seen, wrong: dict[Any, str]) -> Verdict:
    """The verdict on differences that rounding may explain."""
    if call.traced is None:
        return Verdict("different", "plan, emitter or bindings", next(iter(wrong.values())))
    spreads = call.spreads()
    again = call.wrong(found.values, spreads)
    first = call.first_wrong(spreads)
    if (again or first) and call.overflows():
        return Verdict("not finite")
    if first is not None:
        return Verdict("different", first[0], next(iter((again or first[1]).values())))
    if again:
        return Verdict("different", "plan, emitter or bindings", next(iter(again.values())))
    far = [text for key, text in wrong.items() if spreads.get(key, 0.0) > half_of_the_digits(call.eager.values[key])]
    return Verdict("ill-conditioned", what=far[0]) if far else Verdict("same")


def _place(error: Exception) -> str:
    """The innermost function in which an error was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}, {last.name}" if not last.filename.startswith("<") else "emitter"


__all__ = ["Verdict", "compare", "smallest_fault"]
