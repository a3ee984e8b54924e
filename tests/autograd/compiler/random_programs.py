"""Random programs that are hard to plan: chains of views in every order of memory, states updated while views of them
live, values packed together, results that are views.

Their numbers are small dyadic fractions wherever that can be kept, so that whatever computes such a program must agree
with `Program.run` to the last bit, in any order of summation. ``python -m tests.autograd.compiler.random_programs
COUNT [FIRST_SEED [gpu]]`` compares many.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from glassgrad.autograd import trees
from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.primitives import Slot, compute, infer, piece_of
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes import optimize
from glassgrad.autograd.compiler.targets.device import DeviceExecutable
from glassgrad.autograd.compiler.trace import ARRAY
from glassgrad.autograd.engine.tensor import wrap
from tests import standin
from tests.autograd.compiler.targets.plans import check_plan

SIDES = (1, 2, 3, 4, 6)
LARGEST = 1 << 11
"""Beyond it, or with more than `DIGITS` binary digits behind the point, sums may round."""
DIGITS = 1 << 8


def refuse_label(*_: Any) -> None:
    """Say that a label is none; no random program has one that is not."""
    raise ValueError("a label out of range")


@dataclass
class Case:
    """A program with the arrays that its states begin from, and arguments for several calls: arrays, or states."""

    program: Program
    states: dict[Value, Any]
    calls: list[list[Any]]
    generator: np.random.Generator | None = None


class Builder:
    """Writes one random program, whose values it knows for the first call."""

    def __init__(self, seed: int, states: dict[Value, Any] | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(self.rng.choice(["float32", "float64"]))
        if states:
            self.dtype = next(iter(states)).dtype
        self.sides = tuple(int(n) for n in self.rng.choice(SIDES, 3))
        self.inputs: list[Value] = []
        self.states: dict[Value, Any] = dict(states or {})
        self.instructions: list[Instruction] = []
        self.found: dict[Value, Any] = dict(self.states)
        self.updates: dict[Value, Value] = {}
        self.generator: np.random.Generator | None = None

    # -------------------------------------------------------------------------------------------------- choices, values

    def one(self, things: Sequence[Any]) -> Any:
        """One of ``things``, the late ones more often."""
        if self.rng.random() < 0.5:
            things = things[-6:]
        return things[int(self.rng.integers(len(things)))]

    def chance(self, p: float) -> bool:
        """True with probability ``p``."""
        return bool(self.rng.random() < p)

    def shape(self, most: int = 3) -> shapes.Shape:
        """A shape of sides that the program has already."""
        return tuple(int(self.rng.choice(self.sides)) for _ in range(int(self.rng.integers(most + 1))))

    def numbers(self, shape: shapes.Shape) -> Any:
        """Small dyadic fractions."""
        return np.asarray(self.rng.integers(-8, 9, shape) / 4, self.dtype)

    def in_some_order(self, array: Any) -> Any:
        """A copy of ``array``: in rows, in columns, with gaps, backwards, or with its axes in another order."""
        kind = int(self.rng.integers(9))
        if kind == 1 and array.ndim > 1:
            return np.asfortranarray(array)
        if kind == 2 and array.ndim:
            wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        if kind == 3 and array.ndim:
            return np.ascontiguousarray(array[::-1])[::-1]
        if kind == 4 and array.ndim > 1:
            axes = self.rng.permutation(array.ndim)
            return np.ascontiguousarray(array.transpose(axes)).transpose(np.argsort(axes))
        return np.array(array)

    def input(self, shape: shapes.Shape) -> Value:
        """An argument."""
        value = Value("input", shape, self.dtype, f"x{len(self.inputs)}")
        self.inputs.append(value)
        self.found[value] = self.numbers(shape)
        return value

    def state(self, shape: shapes.Shape) -> Value:
        """A state."""
        array = self.in_some_order(self.numbers(shape))
        name = f"s{len(self.states)}"
        value = Value("state", shape, self.dtype, name, origin=wrap(array, name=name))
        self.states[value] = self.found[value] = array
        return value

    def constant(self, array: Any) -> Value:
        """A constant."""
        array = np.asarray(array)
        data = array if array.shape else array[()]
        value = Value("constant", array.shape, array.dtype, f"c{len(self.found)}", data)
        self.found[value] = array
        return value

    def emit(self, op: str, args: Sequence[Value], params: dict[str, Any] | None = None) -> Value:
        """One more instruction."""
        params = params or {}
        shape, dtype = infer(op, params, args)
        out = Value("temporary", tuple(shape), dtype, f"t{len(self.instructions) + 1}")
        self.instructions.append(Instruction(op, tuple(args), params, out))
        self.found[out] = np.asarray(compute(op, params, [self.found[a] for a in args]))
        return out

    def floats(self, fits: Callable[[Value], bool] = lambda _: True) -> list[Value]:
        """The values of the program's dtype that fit."""
        return [v for v in self.found if v.dtype == self.dtype and fits(v) and v.kind != "constant"]

    def tamed(self, value: Value) -> Value:
        """``value``, or where it is large or has many digits what is left of it after a division."""
        here = self.found[value]
        if here.dtype.kind == "f" and not is_exact(here, 64):
            value = self.emit("floor", (value,))
            value = self.emit("remainder", (value, self.constant(np.asarray(5, self.dtype))))
        return value

    # ----------------------------------------------------------------------------------------------------- instructions

    def step(self) -> None:
        """One random instruction, or a few that belong together."""
        names, weights = zip(*STEPS.items(), strict=True)
        chosen = str(self.rng.choice(names, p=np.array(weights) / sum(weights)))
        getattr(self, chosen)()

    def unary(self) -> None:
        """An elementwise function."""
        x = self.one(self.floats())
        op = str(self.rng.choice(["negative", "abs", "square", "floor", "positive"]))
        self.tamed(self.emit(op, (x,)))

    def curved(self) -> None:
        """A function that rounds."""
        self.emit(str(self.rng.choice(["tanh", "sin", "cos", "atan"])), (self.one(self.floats()),))

    def other(self, x: Value) -> Value:
        """What broadcasts with ``x``."""
        found = self.floats(lambda v: _broadcast(v.shape, x.shape) is not None)
        same = [v for v in found if v.shape == x.shape]
        if self.chance(0.15):
            return self.constant(self.numbers(x.shape if self.chance(0.3) else ()))
        return self.one(same) if same and self.chance(0.6) else self.one(found)  # type: ignore[no-any-return]

    def binary(self) -> None:
        """An elementwise function of two."""
        x = self.one(self.floats())
        pair = [x, self.other(x)]
        if self.chance(0.5):
            pair.reverse()
        if shapes.size(_broadcast(pair[0].shape, pair[1].shape) or ()) > 200:
            return
        op = str(self.rng.choice(["add", "subtract", "multiply", "maximum", "minimum"]))
        self.tamed(self.emit(op, pair))

    def where(self) -> None:
        """A choice, which is not a ufunc."""
        x = self.one(self.floats())
        y = self.one(self.floats(lambda v: v.shape == x.shape))
        test = self.emit(str(self.rng.choice(["greater", "less_equal"])), (x, self.other(x)))
        if test.shape == x.shape:
            self.emit("where", (test, y, self.one(self.floats(lambda v: v.shape in (x.shape, ())))))

    def matmul(self) -> None:
        """A product; where none fits, with a transpose."""
        x = self.one(self.floats(lambda v: len(v.shape) > 0) or [self.state((2, 3))])
        if len(x.shape) == 2 and self.chance(0.4):
            x = self.emit("permute_dims", (x,), {"axes": (1, 0)})
        fitting = self.floats(lambda v: 0 < len(v.shape) < 3 and v.shape[max(0, len(v.shape) - 2)] == x.shape[-1])
        turned = self.floats(lambda v: len(v.shape) == 2 and v.shape[1] == x.shape[-1])
        if turned and (self.chance(0.5) or not fitting):
            y = self.emit("permute_dims", (self.one(turned),), {"axes": (1, 0)})
        elif fitting:
            y = self.one(fitting)
        else:
            y = self.state((x.shape[-1], int(self.rng.choice(self.sides))))
        self.tamed(self.emit("matmul", (x, y)))

    def reduce(self) -> None:
        """A sum or a largest entry."""
        x = self.one(self.floats(lambda v: len(v.shape) > 0 and 0 not in v.shape) or [self.state((2, 3))])
        axes = None if self.chance(0.2) else tuple(a for a in range(len(x.shape)) if self.chance(0.5))
        op = str(self.rng.choice(["sum", "sum", "max", "min"]))
        self.tamed(self.emit(op, (x,), {"axis": axes, "keepdims": self.chance(0.3)}))

    def reshape(self) -> None:
        """Another shape of as many entries."""
        x = self.one(self.floats())
        left, shape = shapes.size(x.shape), []
        for n in (2, 3, 4, 1, 6):
            if left and left % n == 0 and self.chance(0.3):
                shape.append(n)
                left //= n
        shape.append(left)
        order = [int(shape[i]) for i in self.rng.permutation(len(shape))]
        self.emit("reshape", (x,), {"shape": (shapes.size(x.shape),) if self.chance(0.4) else tuple(order)})

    def permute(self) -> None:
        """The axes in another order."""
        x = self.one(self.floats(lambda v: len(v.shape) > 1) or [self.state((3, 2))])
        axes = tuple(int(a) for a in self.rng.permutation(len(x.shape)))
        self.emit("permute_dims", (x,), {"axes": axes[::-1] if axes == tuple(sorted(axes)) else axes})

    def repeat(self) -> None:
        """A view that repeats."""
        x = self.one(self.floats(lambda v: len(v.shape) < 3) or [self.state((3,))])
        shape = tuple(int(self.rng.choice(self.sides)) if n == 1 and self.chance(0.7) else n for n in x.shape)
        if self.chance(0.5):
            shape = (int(self.rng.choice(self.sides)), *shape)
        self.emit("broadcast_to", (x,), {"shape": shape})

    def slice(self) -> None:
        """Basic indices."""
        x = self.one(self.floats(lambda v: len(v.shape) > 0) or [self.state((3, 2))])
        parts: list[Any] = []
        for n in x.shape:
            kind = int(self.rng.integers(9))
            if kind == 0 and n:
                parts.append(int(self.rng.integers(-n, n)))
            elif kind == 1:
                parts.append(slice(None, None, int(self.rng.choice([-1, 2]))))
            elif kind == 2 and n > 1:
                parts.append(slice(int(self.rng.integers(n)), None))
            elif kind == 3 and n > 1:
                parts.append(slice(None, int(self.rng.integers(1, n))))
            else:
                parts.append(slice(None))
        if self.chance(0.15):
            parts.insert(int(self.rng.integers(len(parts) + 1)), None)
        self.emit("getitem", (x,), {"index": tuple(parts) if len(parts) > 1 or self.chance(0.5) else parts[0]})

    def look(self) -> None:
        """A chain of views of a matrix, and something computed of it, much later perhaps."""
        x = self.one(self.floats(lambda v: len(v.shape) == 2) or [self.state((3, 4))])
        for kind in self.rng.choice(["flat", "turned", "back", "every other", "repeated"], 3):
            if kind == "flat" and self.chance(0.7):
                x = self.emit("reshape", (x,), {"shape": (shapes.size(x.shape),)})
            elif kind == "turned" and len(x.shape) > 1:
                x = self.emit("permute_dims", (x,), {"axes": tuple(reversed(range(len(x.shape))))})
            elif kind == "back" and shapes.size(x.shape) % 2 == 0:
                x = self.emit("reshape", (x,), {"shape": (2, shapes.size(x.shape) // 2)})
            elif kind == "every other" and x.shape and x.shape[-1] > 1:
                x = self.emit("getitem", (x,), {"index": (..., slice(None, None, 2))})
            elif kind == "repeated" and len(x.shape) < 2:
                x = self.emit("broadcast_to", (x,), {"shape": (2, *x.shape)})

    def pick(self) -> None:
        """Indices that are arrays: a copy, made at each call."""
        x = self.one(self.floats(lambda v: len(v.shape) > 0 and v.shape[0] > 0) or [self.state((3, 2))])
        rows = self.constant(self.rng.integers(0, x.shape[0], int(self.rng.choice(self.sides))))
        self.emit("getitem", (x, rows), {"index": Slot(1)})

    def write(self) -> None:
        """A value with some entries exchanged, or added to."""
        x = self.one(self.floats(lambda v: len(v.shape) > 0 and v.shape[0] > 1) or [self.state((3, 2))])
        part = self.emit("getitem", (x,), {"index": slice(1, None)})
        op = str(self.rng.choice(["setitem", "add_at"]))
        if op == "add_at" and self.chance(0.5):
            rows = self.constant(self.rng.integers(0, x.shape[0], part.shape[0]))
            self.tamed(self.emit(op, (x, part, rows), {"index": Slot(2)}))
        else:
            self.tamed(self.emit(op, (x, part), {"index": slice(0, -1)}))

    def call(self) -> None:
        """A call with its arguments, some of which give views of what they are given."""
        x = self.one(self.floats(lambda v: len(v.shape) > 0) or [self.state((3, 2))])
        kind = int(self.rng.integers(9))
        if kind == 0:
            other = self.one(self.floats(lambda v: v.shape == x.shape))
            self.emit("concat", (x, other), {"call": (((Slot(0), Slot(1)),), {"axis": 0})})
        elif kind == 1:
            self.emit("flip", (x,), {"call": ((Slot(0),), {"axis": 0})})
        elif kind == 2:
            self.emit("roll", (x,), {"call": ((Slot(0), 1), {"axis": 0})})
        else:
            self.emit("ravel", (x,), {"call": ((Slot(0),), {})})

    def cast(self) -> None:
        """To the other dtype and back."""
        x = self.one(self.floats())
        other = np.dtype("float64" if self.dtype == "float32" else "float32")
        wide = self.emit("astype", (x,), {"dtype": other})
        self.emit("astype", (wide,), {"dtype": self.dtype})

    def copy(self) -> None:
        """Memory of its own."""
        self.emit("copy", (self.one(self.floats()),))

    def layer(self) -> None:
        """``h @ W.T + b`` with its gradient and its update: what is packed, and augmented with ones."""
        h = self.one(self.floats(lambda v: len(v.shape) == 2 and v.shape[1] > 1 and v.shape[0] > 1) or [None])
        if h is None:
            h = self.input((4, 3))
        if h.kind == "input" or self.chance(0.5):
            h = self.emit(str(self.rng.choice(["floor", "abs", "negative"])), (h,))
        width = int(self.rng.choice([2, 3, 4]))
        weight, bias = self.state((width, h.shape[1])), self.state((width,))
        turned = self.emit("permute_dims", (weight,), {"axes": (1, 0)})
        if self.chance(0.5):
            self.look()
        z = self.tamed(self.emit("add", (self.emit("matmul", (h, turned)), bias)))
        g = self.tamed(self.emit("multiply", (z, self.constant(np.asarray(0.5, self.dtype)))))
        upright = self.emit("permute_dims", (g,), {"axes": (1, 0)})
        of_weight = self.emit("matmul", (upright, h))
        of_bias = self.emit("sum", (g,), {"axis": (0,), "keepdims": False})
        self.emit("matmul", (g, weight))
        scaled, wrapped = self.chance(0.2), self.chance(0.7)
        for state, slope in ((weight, of_weight), (bias, of_bias)):
            if state not in self.updates:
                self.descend(state, slope, scaled, wrapped)

    def descend(self, state: Value, slope: Value, scaled: bool, wrapped: bool) -> None:
        """The state less ``slope``, or a share of it."""
        if scaled:
            slope = self.emit("multiply", (slope, self.constant(np.asarray(0.25, self.dtype))))
        new = self.emit("subtract", (state, slope))
        if wrapped:
            new = self.emit("remainder", (new, self.constant(np.asarray(4, self.dtype))))
        self.updates[state] = new

    def update(self) -> None:
        """A state takes a value, or what is computed of the old one."""
        states = [s for s in self.states if s not in self.updates]
        if not states:
            return
        state = self.one(states)
        found = self.floats(lambda v: v.shape == state.shape and v is not state)
        if found and self.chance(0.7):
            value = self.one(found)
            if self.chance(0.6):
                self.descend(state, value, self.chance(0.3), self.chance(0.8))
            else:
                self.updates[state] = value

    def draw(self) -> None:
        """Random numbers, whole ones."""
        if self.generator is None:
            self.generator = np.random.default_rng(5)
        params = {"generator": self.generator, "method": "random", "shape": self.shape(), "dtype": self.dtype}
        x = self.emit("draw", (), {**params, "options": {}})
        eight = self.constant(np.asarray(8, self.dtype))
        self.emit("floor", (self.emit("multiply", (x, eight)),))

    def check(self) -> None:
        """A look at labels."""
        x = self.one(self.floats(lambda v: 0 not in v.shape))
        three = self.constant(np.asarray(3, self.dtype))
        labels = self.emit("astype", (self.emit("remainder", (x, three)),), {"dtype": np.dtype("int64")})
        self.emit("check_range", (labels,), {"stop": 3, "refuse": refuse_label, "options": {}})

    # -------------------------------------------------------------------------------------------------------- the whole

    def argument(self, shape: shapes.Shape) -> Any:
        """Numbers of a later call, or a state, whose memory is given."""
        fitting = [state for state in self.states if state.shape == shape]
        return self.one(fitting) if fitting and self.chance(0.2) else self.in_some_order(self.numbers(shape))

    def build(self) -> Case:
        """The case."""
        for _ in range(int(self.rng.integers(1, 3))):
            self.input(self.shape())
        for _ in range(int(self.rng.integers(1, 4))):
            self.state(self.shape())
        if self.chance(0.3):
            self.state((0, 3) if self.chance(0.1) else (int(self.rng.choice([2, 3, 4])), 3))
        for _ in range(int(self.rng.integers(4, 25))):
            self.step()
        while self.chance(0.5):
            self.update()
        made = [i.out for i in self.instructions if i.op != "check_range"]
        made = made or self.inputs
        outputs = [self.one(made) for _ in range(int(self.rng.integers(1, 4)))]
        if self.chance(0.3):
            outputs.append(self.one([*self.states, *self.inputs]))
        program = Program("f", self.inputs, self.instructions, outputs, dict(self.updates))
        calls = [[self.found[v] for v in self.inputs]]
        calls += [[self.argument(v.shape) for v in self.inputs] for _ in range(2)]
        return Case(program, {s: np.array(a) for s, a in self.states.items()}, calls, generator=self.generator)


STEPS = {
    "unary": 3, "curved": 0.3, "binary": 5, "where": 1, "matmul": 2, "reduce": 1, "reshape": 4, "permute": 3,
    "repeat": 1, "slice": 4, "look": 2, "pick": 0.5, "write": 0.5, "call": 0.7, "cast": 0.3, "copy": 0.3, "layer": 1.5,
    "update": 3, "draw": 0.2, "check": 0.2,
}  # fmt: skip
"""How often each step is taken."""


def _broadcast(*given: shapes.Shape) -> shapes.Shape | None:
    try:
        return shapes.broadcast_shapes(*given)
    except ValueError:
        return None


def is_exact(array: Any, largest: int = LARGEST) -> bool:
    """Whether sums and products of such numbers are exact."""
    array = np.asarray(array, np.float64)
    return bool((np.abs(array) <= largest).all() and (np.floor(array * DIGITS) == array * DIGITS).all())


def case_of(seed: int) -> Case:
    """The random case of a seed."""
    return Builder(seed).build()


# ------------------------------------------------------------------------------------------------------------ comparing


def runs(case: Case, program: Program) -> list[tuple[list[Any], dict[Value, Any]]]:
    """What a program returns at each call, and the states after it, by the definition of its instructions."""
    found, states = [], {state: np.array(array) for state, array in case.states.items()}
    for arguments in case.calls:
        arrays = [np.array(states[x]) if isinstance(x, Value) else x for x in arguments]
        read = dict(states)
        for whole, members in program.packed.items():
            read[whole] = np.concatenate([states[member].reshape(-1) for member, _ in members])
        outputs, new = program.run(*arrays, states=read)
        for state, value in new.items():
            for member, start in program.packed.get(state, [(state, 0)]):
                if state in program.packed:
                    value = piece_of(np.asarray(new[state]), start, member.shape)
                states[member] = np.array(value)
        for gone, kept in program.merged.items():
            states[gone] = states[kept]
        found.append(([np.array(v) for v in outputs], dict(states)))
    return found


def bound(program: Program, device: str = "cpu") -> Executable:
    """A program as it is carried out, after all passes and on the arrays of its states."""
    lists = ("changes", "guards", "settings", "restarts", "ungraded", "given", "delivered", "cleared", "consumed")
    count = len(program.outputs)
    leaves, structure = trees.flatten([ARRAY] * count)
    result = SimpleNamespace(
        leaves=leaves,
        structure=structure,
        values=program.outputs,
        is_tensor=[False] * count,
        recorded=[False] * count,
        is_scalar=[True] * count,
        found=[None] * count,
    )
    trace: Any = SimpleNamespace(
        name=program.name, program=program, result=result, device=device, is_differentiated=False, numbers={},
        paths=[value.name for value in program.inputs], late=set(), replaced=[], moved={}, left={},
        **{name: [] for name in lists},
    )  # fmt: skip
    if device != "cpu":
        return DeviceExecutable(trace)
    executable = Executable(trace)
    check_plan(executable.plan)
    return executable


def compiled_runs(case: Case, program: Program, gpu: Any = None) -> list[tuple[list[Any], dict[Value, Any]]]:
    """The same by planned and emitted code, on the CPU or on the stand-in ``gpu``; results are looked at once all calls
    are over."""

    def there(array: Any) -> Any:
        return array if gpu is None else gpu.ndarray(array)  # in its own order of memory, as no copy would be

    def here(array: Any) -> Any:
        return array.held if isinstance(array, standin.Array) else array

    for state, array in case.states.items():
        state.origin._data[...] = array
        state.origin.data = there(state.origin._data)
    executable = bound(program, "cpu" if gpu is None else "cuda:0")
    results, states = [], []
    for arguments in case.calls:
        if not executable.is_settled():
            raise AssertionError("states moved between two calls")
        arrays = [x.origin._data if isinstance(x, Value) else there(x) for x in arguments]
        before = [np.array(here(x)) for x in arrays]
        results.append(executable.finish(executable.run(*arrays)))
        states.append({state: np.array(here(state.origin._data)) for state in case.states})
        for given, array, kept in zip(arguments, arrays, before, strict=True):
            if not isinstance(given, Value):
                np.testing.assert_array_equal(here(array), kept, err_msg="an argument was written to")
    return [([here(x) for x in found], after) for found, after in zip(results, states, strict=True)]


def compare(found: Any, expected: Any, exact: int, smooth: bool, where: str) -> None:
    """Raise where two lists of runs differ: in any bit of the first ``exact`` ones, and beyond rounding in the others,
    if the program is ``smooth``."""
    for call, ((outputs, states), (wanted, wanted_states)) in enumerate(zip(found, expected, strict=True)):
        pairs = [(f"result {i}", *pair) for i, pair in enumerate(zip(outputs, wanted, strict=True))]
        pairs += [(f"state {state.name}", states[state], wanted_states[state]) for state in wanted_states]
        for what, x, y in pairs:
            x, y = np.asarray(x), np.asarray(y)
            said = f"{what} of call {call}: {where}"
            assert (x.shape, x.dtype) == (y.shape, y.dtype), f"{x.shape} {x.dtype} for {y.shape} {y.dtype}: {said}"
            if call < exact:
                np.testing.assert_array_equal(x, y, err_msg=said)
            elif smooth and x.dtype.kind == "f":
                size = float(np.abs(y).max(initial=1.0))
                tolerance = 1e-9 if x.dtype == np.float64 else 1e-3
                np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * size, err_msg=said)


JUMPING = frozenset(("floor", "remainder", "greater", "less_equal", "astype"))
"""What makes a large difference of a small one."""


def check(seed: int, gpu: Any = None) -> int:
    """Compare a random program as written, after each pass and compiled with its definition, on the CPU or on the
    stand-in ``gpu``. Returns how many of its calls were compared to the last bit."""
    case = case_of(seed)
    if gpu is not None and case.generator is not None:  # which draws other numbers
        return 0
    begins = None if case.generator is None else case.generator.bit_generator.state
    smooth = not any(i.op in JUMPING for i in case.program.instructions)

    def restart() -> None:
        if case.generator is not None:
            case.generator.bit_generator.state = begins

    case.program.validate()
    restart()
    expected = runs(case, case.program)
    restart()
    exact = exact_calls(case)
    for state, array in case.states.items():
        state.origin._data[...] = array
    program = case.program
    for name, change in optimize.PASSES if gpu is None else optimize.COMMON:
        program = change(program)
        program.validate()
        restart()
        compare(runs(case, program), expected, exact, smooth, f"seed {seed}, after {name}:\n{program}\n{case.program}")
    restart()
    found = compiled_runs(case, case.program, gpu)
    compare(found, expected, exact, smooth, f"seed {seed}, compiled\n{case.program}")
    return exact


def check_turns(seed: int) -> None:
    """Compare two programs that take turns on the same states, some of which are given other arrays in between."""
    one = case_of(seed)
    builder = Builder(seed + (1 << 40), one.states)
    two = builder.build()
    cases = [case for case in (one, two) if case.generator is None]
    states = {**two.states, **one.states}
    for state, array in states.items():
        state.origin._data[...] = array
    executables: list[Executable | None] = [None] * len(cases)
    exact = True
    for turn in range(3 * len(cases)):
        which, call = turn % len(cases), turn // len(cases)
        case, executable = cases[which], executables[which]
        if builder.chance(0.3):
            state = builder.one(list(states))
            states[state] = builder.numbers(state.shape)
            state.origin.data = builder.in_some_order(states[state])
        now = Case(case.program, {s: states[s] for s in case.states}, [case.calls[call]])
        exact = exact and exact_calls(now) == 1
        ((wanted, after),) = runs(now, case.program)
        if not exact:
            return
        arrays = [x.origin._data if isinstance(x, Value) else x for x in case.calls[call]]
        if executable is None or not (executable.is_settled() or executable.resettle()):
            executable = executables[which] = bound(case.program)
        found = executable.finish(executable.run(*arrays))
        states |= after
        there = {state: np.array(state.origin._data) for state in states}
        said = f"seed {seed}, turn {turn} of {which}:\n{case.program}"
        compare([(found, there)], [(wanted, states)], 1, False, said)


def exact_calls(case: Case) -> int:
    """How many calls there are before an instruction rounds."""
    program = case.program
    drawn = {i.out for i in program.instructions if i.op == "draw"}  # whose multiples are made whole at once
    made = [i.out for i in program.instructions if i.out.dtype.kind == "f" and not drawn & {i.out, *i.args}]
    exact = [all(map(is_exact, outputs)) for outputs, _ in runs(case, program.changed(outputs=made))]
    return [*exact, False].index(False)


def main(count: int, first: int = 0, device: str = "cpu") -> None:
    """Compare ``count`` programs, and say which differ; on the stand-in for CuPy where ``device`` is not a CPU."""
    wrong, exact = [], 0
    gpu = None if device == "cpu" else standin.module(1)
    if gpu is not None:
        sys.modules["cupy"] = gpu
    for seed in range(first, first + count):
        try:
            with np.errstate(all="ignore"):
                exact += check(seed, gpu) == 3
                if gpu is None:
                    check_turns(seed)
        except Exception as error:  # whatever it is, it is to be seen
            wrong.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    print(f"{count} programs, {exact} of them to the last bit: {len(wrong)} differ: {wrong[:50]}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:4])
