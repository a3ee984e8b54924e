"""`NativeExecutable`: a program as compiled C, bound to the arrays of its states."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

import numpy

from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.executable import Executable, with_replaced_passed
from glassgrad.autograd.compiler.ir.interpreter import interpret
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize, transposed
from glassgrad.autograd.compiler.passes.rewrite import Rewriter, dead_code
from glassgrad.autograd.compiler.targets.c.build import compiled, library
from glassgrad.autograd.compiler.targets.c.numpys import address_of, numpys_blas
from glassgrad.autograd.compiler.targets.c.source import REFUSED, Source
from glassgrad.autograd.compiler.targets.plan import aligned, schedule
from glassgrad.autograd.compiler.trace import Trace
from glassgrad.autograd.errors import TargetError

LOG = logging.getLogger(__name__)


def sums_in_place(program: Program) -> Program:
    """The program with sums over all axes but one of a transpose, as in a bias's gradient, without a copy of it."""
    writer = Rewriter(program)
    for step in writer:
        rows = writer.producers.get(writer.of(step.args[0])) if step.op == "sum" else None
        turn = writer.producers.get(rows.args[0]) if rows is not None and rows.op == "reshape" else None
        if rows is not None and turn is not None and turn.op == "permute_dims" and step.params["axis"] == (0,):
            axes = (*sorted(turn.params["axes"][:-1]),)
            if turn.out.shape[-1:] == rows.out.shape[1:] == step.out.shape:
                step = Instruction("sum", turn.args, {**step.params, "axis": axes}, step.out, step.origin)
        writer.keep(step)
    return dead_code(writer.finish())


PASSES = [*COMMON, ("sums in place", sums_in_place), ("transposes", transposed)]
"""The passes without those that save NumPy calls: starting a loop is free in C."""

LOCKED = 2e6
"""Up to this number of multiplications a call keeps Python's lock: releasing and reacquiring it takes longer."""

_optimized = partial(optimize, passes=PASSES)


@cache
def reads_arrays() -> bool:
    """Whether arrays keep the address of their elements, their type and their flags where the text in C reads them."""
    header, pointer = object.__basicsize__, ctypes.sizeof(ctypes.c_void_p)
    whole = numpy.arange(12.0).reshape(3, 4)
    for array in (whole, whole[:, 1], whole.T):
        words = ctypes.c_void_p.from_address
        data = words(id(array) + header).value
        kind = words(id(array) + header - pointer).value
        flags = ctypes.c_int.from_address(id(array) + header + 6 * pointer).value
        contiguous = flags & 0x101 == 0x101
        plain = array.flags.c_contiguous and array.flags.aligned
        if (data, kind, contiguous) != (array.ctypes.data, id(numpy.ndarray), plain):
            return False
    return True


def source_of(program: Program, homes: dict[Value, Any]) -> Source:
    """The `Source` of an optimized program with the arrays ``homes`` for its states."""
    if not hasattr(ctypes, "PyDLL") or object.__basicsize__ % ctypes.sizeof(ctypes.c_void_p) or not reads_arrays():
        raise TargetError(f"{program.name} can't run as C: this Python stores NumPy's arrays differently.")
    return Source(program, homes, numpys_blas())


def function_in_c(function: Any, made: Source) -> Any:
    """The function of a program in C, which takes the addresses of a table, of the inputs and of the arrays of the
    results. (``py_object`` instead of the addresses of objects takes three times as long.)"""
    function.argtypes = [ctypes.c_void_p] * (1 + len(made.given.inputs) + len(made.returned))
    return function


class Table:
    """The table of addresses passed to a program in C: of its temporaries, states, knobs and constants, and of BLAS.

    ``knobs``: the array of each knob, which is to hold its value before the program runs. ``locks``: those of the
    generators, to be held while it runs. They are in one order in all tables, so that two threads can't wait for each
    other.
    """

    FIRST = 4

    def __init__(self, made: Source, homes: dict[Value, Any]) -> None:
        self._slots = {value: k for k, value in enumerate(made.slots.values(), self.FIRST)}
        generators = [generator.bit_generator for generator in made.generators]
        last = [bits.ctypes.bit_generator.value for bits in generators] + [address_of(name) for name in made.draws]
        first = self.FIRST + len(self._slots)
        self._words = (ctypes.c_void_p * (first + len(last)))()
        self._words[first:] = last
        self.address = ctypes.addressof(self._words)
        self.knobs = {value: numpy.zeros((), value.dtype) for value in self._slots if value.kind == "knob"}
        constants = {v: numpy.array(v.data, v.dtype, order="C") for v in self._slots if v.kind == "constant"}
        work = aligned(max(made.pool.size, 1))
        self.locks = sorted({bits.lock for bits in generators}, key=id)
        self._kept = [work, constants, generators]
        self._words[0], self._words[1] = work.ctypes.data, id(numpy.ndarray)
        if made.blas is not None:
            self._words[2], self._words[3] = made.blas.single, made.blas.double
        for value in self._slots:
            array = self.knobs.get(value, constants.get(value))
            self._words[self._slots[value]] = (homes[value] if array is None else array).ctypes.data


class NativeExecutable(Executable):
    """One program as a function in C, bound to the arrays of its states."""

    optimize = staticmethod(_optimized)
    together = 8
    """How many steps a call of `loop` runs; it is doubled while the calls are short."""
    _loop: Any
    """The function of ``library`` that runs many steps, once it has been called."""

    def bind(self) -> None:
        """Write and compile the source."""
        made = source_of(self.optimized, self.homes)
        self.source = made.text()
        self.library, self._loop = library(self.source, holds_lock=made.operations < LOCKED), None
        self._table = Table(made, self.homes)
        scope: dict[str, Any] = {}
        self._install(self._caller(made, self._knobs(scope), scope), scope)

    @property
    def text(self) -> str:
        """The source."""
        return self.source

    def _knobs(self, scope: dict[str, Any]) -> list[str]:
        """The lines that read learning rates and the like at each call."""
        lines = []
        for k, (value, array) in enumerate(self._table.knobs.items()):
            mapping, key = value.origin
            scope[f"knob_{k}"], scope[f"mapping_{k}"] = array, mapping
            lines.append(f"knob_{k}[()] = mapping_{k}[{key!r}]")
        return lines

    def _caller(self, made: Source, lines: list[str], scope: dict[str, Any]) -> str:
        """The source of the Python function that calls the function in C."""
        program = self.optimized
        names = [f"x{k}" for k in range(len(program.inputs))]
        for name, value in zip(names, program.inputs, strict=True):
            if not value.shape:
                lines.append(f"{name} = array({name})")  # a NumPy scalar becomes an array
        results, returned = [], []
        for k, value in enumerate(made.returned):
            results.append(f"id(result_{k})" if value.shape else f"address_{k}")
            if value.shape:
                scope[f"dtype_{k}"] = value.dtype
                lines.append(f"result_{k} = empty({value.shape}, dtype_{k})")
                returned.append(f"result_{k}")
            else:
                scope[f"result_{k}"] = numpy.zeros((), value.dtype)
                scope[f"address_{k}"] = id(scope[f"result_{k}"])
                returned.append(f"result_{k}[()]")
        run = function_in_c(self.library.gg_run, made)
        scope.update(run=run, table=self._table.address, kept=self._table, array=numpy.asarray, empty=numpy.empty,
                     copied=lambda *arrays: [numpy.array(array, order="C") for array in arrays],
                     refuse=self._refusing())  # fmt: skip
        table = self._table
        call = f"run({', '.join(['table', *(f'id({name})' for name in names), *results])})"
        locks = [f"lock_{k}" for k in range(len(table.locks))]
        scope.update(zip(locks, table.locks, strict=True))
        lines += [f"with {', '.join(locks)}:", f"    code = {call}"] if locks else [f"code = {call}"]
        lines.append("if code:")
        if names:
            lines += [f"    if code != {REFUSED}:", f"        {', '.join(names)}, = copied({', '.join(names)})",
                      f"        code = {call}"]  # fmt: skip
        lines += ["    if code:", f"        refuse({', '.join(names)})"]
        body = "\n".join(f"    {line}" for line in [*lines, f"return [{', '.join(returned)}]"])
        return f"def {identifier(program.name)}({', '.join(names)}):\n{body}\n"

    def can_loop(self) -> bool:
        """Whether one call can run many steps: all inputs are batches."""
        return all(value.shape for value in self.optimized.inputs) and not self.is_given_more

    def loop(self, data: Sequence[Any], rows: Any, done: Any) -> tuple[list[Any], Callable[..., None] | None]:
        """Run a step for each row of the table ``rows``, which holds row numbers of the data.

        ``done`` is an int64 array of one element, which is set to the number of steps that ran, also where Ctrl-C
        follows. Returns the stacked results of all steps, and the function that raises the error of a step that failed,
        or ``None``.
        """
        program, returned, table = self.optimized, len(self.trace.result.values), self._table
        if self._loop is None:
            self._loop = ctypes.CDLL(self.library._name).gg_loop
            self._loop.argtypes = [ctypes.c_void_p] * 6 + [ctypes.c_int64] * 4
        data = [numpy.ascontiguousarray(x, v.dtype) for x, v in zip(data, program.inputs, strict=True)]
        stacks = [
            numpy.empty((len(rows) if n < returned else 1, *value.shape), value.dtype)
            for n, value in enumerate(program.outputs)
        ]
        given = [*(numpy.empty(v.shape, v.dtype) for v in program.inputs), *stacks]
        sizes = [size(v.shape[1:]) * v.dtype.itemsize for v in program.inputs]
        sizes += [v.nbytes if n < returned else 0 for n, v in enumerate(program.outputs)]
        for value, array in table.knobs.items():
            mapping, key = value.origin
            array[()] = mapping[key]
        groups = [x.ctypes.data for x in given], [x.ctypes.data for x in data], sizes
        arrays = [*(numpy.array(group, numpy.int64) for group in groups), numpy.ascontiguousarray(rows), done]
        counts = *rows.shape, len(data), len(stacks)
        with ExitStack() as held:
            for lock in table.locks:
                held.enter_context(lock)
            code = self._loop(table.address, *(x.ctypes.data for x in arrays), *counts)
        return stacks, self._refusing() if code else None

    def _refusing(self) -> Callable[..., None]:
        """The function that raises the error of a run that the program refused."""
        program = self.optimized

        def refuse(*arrays: Any) -> None:
            interpret(program.changed(name=f"the compiled {program.name}", instructions=schedule(program)), *arrays)
            raise AssertionError(f"{program.name}: C found an index out of bounds, and NumPy does not")

        return refuse


class AutoExecutable(Executable):
    """One program as NumPy's calls, which is compiled in the background.

    ``compiled`` says that a `NativeExecutable` can replace it.
    """

    compiled = False

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        threading.Thread(target=self._compile, name=f"compile {self.program.name}", daemon=True).start()

    def _compile(self) -> None:
        """Compile the program. If that fails, a line is logged."""
        try:
            compiled(text_of(self.trace))
        except TargetError as error:
            LOG.info("%s stays with NumPy: %s", self.program.name, error)
        except Exception:
            LOG.exception("%s stays with NumPy: its C could not be written", self.program.name)
        else:
            self.compiled = True
            self.is_settled = lambda: False  # type: ignore[method-assign]

    def native(self) -> NativeExecutable | None:
        """The compiled program to use instead, or ``None`` if there is none."""
        try:
            return NativeExecutable(self.trace)
        except TargetError as error:
            LOG.info("%s stays with NumPy: %s", self.program.name, error)
            self.compiled = False
            Executable.bind(self)
            return None


def text_of(trace: Trace) -> str:
    """The text in C of a trace, for the present arrays of the states."""
    program = _optimized(with_replaced_passed(trace))
    return source_of(program, {state: numpy.asarray(state.origin._data) for state in program.states}).text()
