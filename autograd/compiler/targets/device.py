"""A program on a GPU: its kernels and the calls between them as straight-line source, on CuPy's arrays.

Nothing in it waits for the GPU. Memory for results is CuPy's, which keeps freed blocks; states are written in place,
and gradients of packed states are computed directly into their buffer.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.executable import Executable, check_apart
from glassgrad.autograd.compiler.ir.primitives import is_view, piece_of, pieces_of
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, algebra, knob_arithmetic, roots
from glassgrad.autograd.compiler.passes.optimize import GPU_PASSES, optimize
from glassgrad.autograd.compiler.targets.kernels import Kernel, fuse, updated_in_place
from glassgrad.autograd.compiler.targets.plan import apart_from, by_definition, view_of
from glassgrad.autograd.compiler.targets.writer import number_text
from glassgrad.autograd.engine.memory import owner


class Source:
    """The source of a program on a GPU and its globals; ``homes`` are the arrays of the states."""

    def __init__(self, program: Program, homes: dict[Value, Any], space: Any) -> None:
        self.program, self.homes, self.space = program, homes, space
        self.steps = fuse(program)
        self.numbers = knob_arithmetic(program.instructions)
        self.roots: dict[Value, Value] = {}
        self.in_place = updated_in_place(program, self.steps)
        self.arrays = dict(homes)
        self.scope = {name: getattr(space.module, name) for name in ("broadcast_to", "empty", "matmul")}
        self.taken = {*self.scope, program.name}
        self.names: dict[Value, str] = {}
        self.lines: list[str] = []
        for value in program.values():
            if value.kind == "constant":
                self.arrays[value] = space.asarray(value.data)
        self.pieces = self._pieces()

    def _pieces(self) -> dict[Value, tuple[Value, int]]:
        """For each gradient that is computed directly into a packed buffer: the buffer and the offset."""
        found: dict[Value, tuple[Value, int]] = {}
        made = {
            value
            for step in self.steps
            for value in (step.outputs if isinstance(step, Kernel) else [step.out] if _writes(step) else [])
        }
        for step in self.steps:
            if isinstance(step, Kernel) or step.op != "pack":
                continue
            flat = self.arrays[step.out] = self.space.module.empty(step.out.shape, step.out.dtype)
            for arg, piece in pieces_of(step):
                if arg in made and arg not in found and arg not in self.in_place and not piece["flip"]:
                    found[arg] = step.out, piece["start"]
                    self.arrays[arg] = piece_of(flat, **piece)
        return found

    def name(self, base: str, thing: Any = None) -> str:
        """An unused name for ``thing``, ``base`` if it is free."""
        while base in self.taken:
            base += "_"
        self.taken.add(base)
        if thing is not None:
            self.scope[base] = thing
        return base

    def of(self, value: Value) -> str:
        """The name of a value, or the expression of a number."""
        if value.kind == "knob" or value in self.numbers:
            return number_text(value, self.numbers, self._knob)
        if value not in self.names:
            self.names[value] = self.name(value.name, self.arrays.get(value))
        return self.names[value]

    def _knob(self, value: Value) -> str:
        mapping, key = value.origin
        if value not in self.names:
            self.names[value] = self.name(f"{value.name}_of", mapping)
        return f"{self.names[value]}[{key!r}]"

    def text(self) -> str:
        """The kernels, followed by the function."""
        program = self.program
        arguments = ", ".join(map(self.of, program.inputs))
        self._take_apart()
        kernels = []
        for step in self.steps:
            if isinstance(step, Kernel):
                self.name(step.name, step.make(self.space.module))
                kernels.append(step.source)
                self._kernel(step)
            else:
                self._call(step)
        self._copies()
        returned = ", ".join(map(self._returned, program.outputs))
        body = "\n".join(f"    {line}" for line in [*self.lines, f"return [{returned}]"])
        return "\n\n".join([*kernels, f"def {program.name}({arguments}):\n{body}\n"])

    def _take_apart(self) -> None:
        """Copy arguments that are read after the first write to a state, if they share memory with a state."""
        root_of = roots(self.program.instructions)
        late = {*self.program.outputs, *self.program.updates.values()} if self.program.updates else set()
        written = False
        for step in self.steps:
            if written:
                late.update(step.inputs if isinstance(step, Kernel) else step.args)
            written = written or (isinstance(step, Kernel) and any(v in self.in_place for v in step.outputs))
        roots_of_late = {root_of.get(value, value) for value in late}
        for value in self.program.inputs:
            if value in roots_of_late:
                memories = {id(owner(self.homes[s])) for s in self.program.updates}
                apart = self.name("apart", apart_from(memories))
                self.lines.append(f"{self.of(value)} = {apart}({self.of(value)})")

    def _kernel(self, kernel: Kernel) -> None:
        inputs = list(map(self.of, kernel.inputs))
        shape = kernel.outputs[0].shape if kernel.reduction is None else kernel.reduction.args[0].shape
        whole = shapes.broadcast_shapes(*(v.shape for v in kernel.inputs)) == shape
        given = [v for v in kernel.outputs if v in self.in_place or v in self.pieces]
        outputs = [self.of(self.in_place.get(v, v)) for v in kernel.outputs]
        options = ""
        if kernel.reduction is not None:
            params = kernel.reduction.params
            options = f", axis={params['axis']}" + (", keepdims=True" if params["keepdims"] else "")
            if not whole:
                inputs[0] = f"broadcast_to({inputs[0]}, {shape})"
        elif given or not whole or all(v.kind == "knob" or v in self.numbers for v in kernel.inputs):
            for value, out in zip(kernel.outputs, outputs, strict=True):
                if value not in given:
                    self.lines.append(f"{out} = empty({value.shape}, {str(value.dtype)!r})")
            given = kernel.outputs
        call = f"{kernel.name}({', '.join([*inputs, *(outputs if given else [])])}{options})"
        self.lines.append(call if given else f"{', '.join(outputs)} = {call}")
        for value in kernel.outputs:
            if value in self.in_place:
                self.names[value] = self.of(self.in_place[value])

    def _call(self, instruction: Instruction) -> None:
        op, args, out, params = instruction.op, instruction.args, instruction.out, instruction.params
        if is_view(instruction):
            array = self.arrays.get(args[0])
            seen = None if array is None else view_of(instruction, array, self.space)
            if array is None or seen is not None:
                self.roots[out] = self.roots.get(args[0], args[0])
            if seen is not None:
                self.arrays[out] = seen
                return
        names = list(map(self.of, args))
        if op == "matmul" and out in self.pieces:
            self.lines.append(f"matmul({names[0]}, {names[1]}, out={self.of(out)})  # {out.shape}")
        elif op == "matmul":
            self.lines.append(f"{self.of(out)} = {names[0]} @ {names[1]}  # {out.shape}")
        elif _writes(instruction):
            options = f"axis={params['axis']}" + (", keepdims=True" if params["keepdims"] else "")
            if out in self.pieces:
                self.lines.append(f"{names[0]}.{op}({options}, out={self.of(out)})  # {out.shape}")
            else:
                self.lines.append(f"{self.of(out)} = {names[0]}.{op}({options})  # {out.shape}")
        elif op == "permute_dims" and params["axes"] == (1, 0):
            self.lines.append(f"{self.of(out)} = {names[0]}.T")
        elif op == "reshape":
            self.lines.append(f"{self.of(out)} = {names[0]}.reshape({params['shape']})")
        elif op == "take_sure":
            self.lines.append(f"{self.of(out)} = {names[0]}.take({names[1]}, axis={params['axis']})  # {out.shape}")
        elif op == "pack":
            for name, (arg, piece) in zip(names, pieces_of(instruction), strict=True):
                if self.pieces.get(arg) != (out, piece["start"]):
                    target = self.name(f"{out.name}_{piece['start']}", piece_of(self.arrays[out], **piece))
                    self.lines.append(f"{target}[...] = {name}")
        elif op != "check_range":
            by = self.name(f"{out.name}_by", by_definition(instruction, self.program.name, self.space))
            self.lines.append(f"{self.of(out)} = {by}({', '.join(names)})  # {out.shape} {algebra(instruction)}")

    def _copies(self) -> None:
        """Copy the new values of states that no kernel wrote; one that is another state's old value is saved first."""
        copies = [(s, v) for s, v in self.program.updates.items() if self.in_place.get(v) is not s]
        names = [self.of(v) for _, v in copies]
        for i, (_, value) in enumerate(copies):
            if self.roots.get(value, value) in self.program.updates:
                before = self.name(f"{names[i]}_before")
                self.lines.append(f"{before} = {names[i]}.copy()")
                names[i] = before
        self.lines += [f"{self.of(s)}[...] = {name}" for (s, _), name in zip(copies, names, strict=True)]

    def _returned(self, value: Value) -> str:
        """The expression of a result.

        An array that outlives the call is copied. The old value of a state is copied before the state is overwritten.
        """
        root = self.roots.get(value, value)
        if root in self.program.updates:
            before = self.name(f"{value.name}_before")
            self.lines.insert(0, f"{before} = {self.of(value)}.copy()")
            return before
        lasting = root.kind != "temporary" or root in self.arrays or root in self.in_place
        return f"{self.of(value)}.copy()" if lasting else self.of(value)


def _writes(instruction: Instruction) -> bool:
    """Whether an instruction is a call that writes into a given array."""
    floats = instruction.out.dtype.kind == "f" and all(a.dtype == instruction.out.dtype for a in instruction.args)
    return instruction.op == "matmul" or (instruction.op in ("sum", "max", "min") and floats)


_FLATS: dict[int, tuple[Any, list[Any]]] = {}
"""Each buffer that holds several states, and its parts, by the id of the first state's Tensor."""


class DeviceExecutable(Executable):
    """One program on a GPU, bound to the arrays of its states there."""

    optimize = staticmethod(partial(optimize, passes=GPU_PASSES))
    counts_holders = False

    def bind(self) -> None:
        """Write the source for the arrays that the states have now."""
        self._find_homes()
        program, space = self.optimized, backends.space_on(self.trace.device)
        made = Source(program, self.homes, space)
        self.source = made.text()
        self._install(self.source[self.source.index(f"def {program.name}(") :], made.scope)
        run, enter = self.run, space.enter

        def run_there(*arrays: Any) -> list[Any]:
            enter()  # type: ignore[misc]
            return run(*arrays)

        self.run = run_there

    def _home(self, state: Value) -> Any:
        return state.origin._data

    def _packed_home(self, state: Value) -> Any:
        """The array that holds several packed states: that of an earlier program, or a new one."""
        members = self.optimized.packed[state]
        tensors, first = [member.origin for member, _ in members], members[0][0].origin
        flat, pieces = _FLATS.get(id(first), (None, []))
        if len(pieces) != len(tensors) or any(t.data is not piece for t, piece in zip(tensors, pieces, strict=True)):
            if id(first) not in _FLATS:
                weakref.finalize(first, _FLATS.pop, id(first), None)
            flat = backends.space_on(self.trace.device).module.empty(state.shape, state.dtype)
            pieces = [piece_of(flat, start, member.shape) for member, start in members]
            for tensor, piece in zip(tensors, pieces, strict=True):
                piece[...] = tensor.data
                tensor.data = piece
            _FLATS[id(first)] = flat, pieces
        self.places += [(tensor, piece, True) for tensor, piece in zip(tensors, pieces, strict=True)]
        return flat

    @property
    def text(self) -> str:
        """The source."""
        return self.source

    def resettle(self) -> bool:
        """Read replaced values of the states. Returns whether the program is still valid."""
        if not self.holds():
            return False
        if any(tensor.data is not home for tensor, home, _ in self.places):
            check_apart(self.program)
        for tensor, home, updated in self.places:
            array = tensor.data
            if array is home:
                continue
            alike = type(array) is type(home) and (array.shape, array.dtype) == (home.shape, home.dtype)
            if not (updated and alike and array.device == home.device):
                return False
            home[...] = array
            tensor.data = home
        return True
