"""`Source`: a program as the text of one C function, which is given the addresses of its arrays.

Each `Kernel` is a function that computes entry by entry; products are computed in blocks, or if they are large by the
BLAS that NumPy has loaded. Temporaries share one block of memory, in which space is reused as soon as its
value has been read for the last time. Results are written directly into their arrays, and states are updated in place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.ir.primitives import is_view
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, roots
from glassgrad.autograd.compiler.targets.c.blocks import Text, registers
from glassgrad.autograd.compiler.targets.c.convolutions import convolve, convolve_weight
from glassgrad.autograd.compiler.targets.c.numpys import Blas, address_of
from glassgrad.autograd.compiler.targets.c.products import contract, subtract_product
from glassgrad.autograd.compiler.targets.kernels import Kernel, fuse, inputs_of, updated_in_place
from glassgrad.autograd.compiler.targets.language import C, safe_c
from glassgrad.autograd.compiler.targets.nests import LETTERS, Head, Nest, View, counting
from glassgrad.autograd.compiler.targets.plan import Block, Pool, schedule
from glassgrad.autograd.errors import TargetError

LONG = 1024
"""More float32 numbers than these are summed in float64: their sum in float32 would lose digits."""

APART = "__attribute__((noinline)) "

MANY = 128
"""Instructions from which on loops are not inlined: a call takes 1 ns, and a tenth of the compile time is saved."""

INDEXED = ("check_range", "getitem", "setitem", "add_at", "take")
"""Instructions that may find an index out of bounds."""

OK, REFUSED, NOT_PLAIN = 0, 1, 2
"""The return values of a program: it has run; an index is out of bounds; an input must be copied first. Nothing has
been written unless it has run."""


@cache
def functions(integer: str = "int") -> str:
    """The text that every program begins with. ``integer``: the type of the integers of BLAS."""
    text = Path(__file__).with_name("functions.h").read_text(encoding="utf-8")
    return f"#define GG_HEADER {object.__basicsize__}\n#define GG_INT {integer}\n{text}"


END = "/* -------------------------------------------------------------------------------------------- the program */"
"""The text between the common preamble and the program itself."""


class Source(Text):
    """Writes the text of an optimized ``program``, and says which arrays it needs.

    ``homes``: the array of each state, whose strides are numbers in the text.

    After ``text()``: ``slots`` are the values whose addresses are set once, by the names of their fields; ``returned``
    are the results whose arrays are passed at each call; ``pool`` is the memory of the temporaries.
    """

    language = C

    def __init__(self, program: Program, homes: dict[Value, Any], blas: Blas | None) -> None:
        super().__init__(program, f"{program.name}_step")
        self.homes, self.blas = homes, blas
        self.types: dict[str, str] = {}
        self.functions: dict[str, str] = {}
        self.texts: list[str] = []
        self.slots: dict[str, Value] = {}
        self.returned: list[Value] = []
        self.inputs: list[str] = []
        self.generators: dict[Any, str] = {}
        """The generators that numbers are drawn from, and the names of the fields."""
        self.draws: dict[str, tuple[str, str]] = {}
        """NumPy's functions that draw, with the names of the fields and the types of the numbers."""
        self.pool = Pool()
        self.operations = 0
        """About how many multiplications the products take."""
        self._places: dict[str, int] = {}
        self._busy: list[tuple[int, Block]] = []  # with the step after which each is free
        self._number = 0
        self._swapped = False
        self._keyword = "" if len(program.instructions) < MANY else APART

    # ---------------------------------------------------------------------------------------------------------- memory

    def view(self, value: Value) -> View:
        """The view of a value, whose memory is assigned at its first use."""
        if value not in self.views:
            kind, name = self.type_of(value), self.name_of(value)
            self.types[name] = kind
            self.views[value] = View.of(name, value.shape)
            if value.kind == "temporary":
                self._place(name, value.nbytes, self._last.get(value, self._number))
            else:
                if value.kind == "state":
                    self.views[value] = self._home(value, name)
                if value.kind != "input":
                    self.slots[name] = value
        return self.views[value]

    def _home(self, state: Value, name: str) -> View:
        """The view of a state, with the layout of its array."""
        array = self.homes[state]
        steps = [divmod(step, state.dtype.itemsize) for step in array.strides]
        if any(rest for _, rest in steps) or not array.flags.aligned:
            raise TargetError(f"{self.given.name} can't be written in C: {state.name} is not aligned. Give it a copy.")
        return View(name, tuple(state.shape), tuple(step for step, _ in steps))

    def _place(self, name: str, nbytes: int, last: int) -> None:
        """Allocate memory for an array until the end of step ``last``."""
        block = self.pool.take(nbytes)
        self._places[name] = block[1]
        self._busy.append((last, block))

    def _release(self) -> None:
        """Free the memory of values that were read for the last time in this step."""
        for last, block in self._busy:
            if last <= self._number:
                self.pool.give(block)
        self._busy = [entry for entry in self._busy if entry[0] > self._number]

    def scratch(self, like: str, shape: Sequence[int], dtype: Any, start: str = "") -> View:
        """A temporary array for this step."""
        name = self.fresh(like)
        self.types[name] = C.types[str(dtype)]
        self._place(name, size(tuple(shape)) * dtype.itemsize, self._number)
        found = View.of(name, shape)
        if start:
            self.fill(found, start)
        return found

    def _last_reads(self, program: Program, steps: Sequence[Kernel | Instruction]) -> dict[Value, int]:
        """The step in which each value, or a view of it, is read last; the number of steps where it is a result."""
        shown = {i.out: i.args[0] for i in program.instructions if is_view(i)}
        read = [[*s.inputs, *s.outputs] if isinstance(s, Kernel) else [*s.args, s.out] for s in steps]
        last: dict[Value, int] = {}
        for number, values in enumerate([*read, [*program.outputs, *program.updates.values()]]):
            for value in values:
                last[value] = number
                while value in shown:
                    last[value := shown[value]] = number
        return last

    # ------------------------------------------------------------------------------------------------------- the whole

    def text(self) -> str:
        """The whole text: functions, kernels, the memory, and the function that is called."""
        program = self.given = self.given.changed(instructions=schedule(self.given))
        steps = fuse(program)
        risky = max((n for n, step in enumerate(steps) if _may_raise(step)), default=-1)
        made_at = {v: n for n, step in enumerate(steps) if isinstance(step, Kernel) for v in step.outputs}
        found = updated_in_place(program, steps)
        self.in_place = {value: state for value, state in found.items() if made_at[value] > risky}
        steps = self._with_products(program, steps)
        self._last = self._last_reads(program, steps)
        for value in program.inputs:
            self.view(value)
            self.inputs.append(self.name_of(value))
        for value, state in self.in_place.items():
            self.views[value] = self.view(state)
        self._take_results(program)
        for self._number, step in enumerate(steps):
            self.step(step)
            self._release()
        self._number = len(steps)
        for value, place in self._copied:
            self.copy(self.view(value), place)
        for source, target in self.commits(program):
            self.copy(source, target)
        return self._joined()

    def _with_products(self, program: Program, steps: list[Kernel | Instruction]) -> list[Kernel | Instruction]:
        """The steps with ``w - scale * (x @ y)``, the next value of a state w that is written in place, as one kernel.

        It comes after all others, and so none of what it reads may be a state that is written to.
        """
        makers, uses, root_of = program.producers(), program.uses(), roots(program.instructions)
        kept = {*program.outputs, *program.updates.values()}
        late: list[Kernel | Instruction] = []
        gone: set[Instruction] = set()
        for new, state in self.in_place.items():
            last = makers[new]
            scaled = makers.get(last.args[-1])
            if uses[new] or scaled is None or (last.op, scaled.op) != ("subtract", "multiply"):
                continue
            scale, found = sorted(scaled.args, key=lambda value: len(value.shape))
            made = makers.get(found)
            of_matrices = made is not None and made.op == "matmul" and len(found.shape) == 2
            if made is None or not of_matrices or last.args[0] is not state or found.shape != state.shape:
                continue
            read = [state, scale, *made.args]
            alone = all(uses[i.out] == [user] and i.out not in kept for i, user in ((made, scaled), (scaled, last)))
            stays = all(root_of.get(v, v) not in program.updates for v in read[1:])
            if alone and stays and not scale.shape and {v.dtype for v in read} == {new.dtype}:
                late.append(Kernel(read, [new], [made, scaled, last]))
                gone |= {made, scaled, last}
        rest: list[Kernel | Instruction] = []
        for step in steps:
            if isinstance(step, Instruction) or gone.isdisjoint(step.instructions):
                rest += [step] if step not in gone else []
            elif left := [i for i in step.instructions if i not in gone]:
                rest.append(Kernel(inputs_of(left), [v for v in step.outputs if makers[v] not in gone], left))
        return [*rest, *late]

    def _take_results(self, program: Program) -> None:
        """Compute results into the arrays that are returned, if they are temporaries with memory of their own."""
        shown = {i.out for i in program.instructions if is_view(i)}
        self._copied: list[tuple[Value, View]] = []
        for value in program.outputs:
            name = self.fresh(f"{value.name}_out")
            self.types[name] = self.type_of(value)
            self.returned.append(value)
            self.inputs.append(name)
            if value.kind == "temporary" and value not in shown and value not in self.views:
                self.names[value] = name
                self.views[value] = View.of(name, value.shape)
            else:
                self._copied.append((value, View.of(name, value.shape)))

    def draw(self, instruction: Instruction) -> None:
        """Numbers from the generator itself, by NumPy's interface in C: the same ones that NumPy would draw."""
        params, out = instruction.params, instruction.out
        method = {"random": "standard_uniform"}.get(params["method"], params["method"])
        function = f"random_{method}_fill{'_f' if out.dtype == 'float32' else ''}"
        if not address_of(function):
            raise self.refuse(instruction, f"draws by {method}, and this NumPy hides its function {function}")
        generator = backends.generator_on("cpu", params["generator"])
        if generator not in self.generators:
            self.generators[generator] = self.fresh("generator")
        if function not in self.draws:
            self.draws[function] = self.fresh(function), C.types[str(out.dtype)]
        self.said(instruction)
        name, view = self.generators[generator], self.view(out)
        self.lines.append(f"table->{self.draws[function][0]}(table->{name}, {size(out.shape)}, {view.data});")

    def _joined(self) -> str:
        """The text of all parts."""
        fields = [f"    {self.types[name]} *{name};  /* {_described(value)} */" for name, value in self.slots.items()]
        arguments = "".join(f", const char *{name}$object" for name in self.inputs)
        arrays = [(name, f"table->{name}") for name in self.slots]
        arrays += [(name, f"(void *)given[{n}]") for n, name in enumerate(self.inputs)]
        arrays += [(name, f"(void *)(table->work + {start})") for name, start in self._places.items()]
        plain = self.inputs[: len(self.given.inputs)]
        tests = [f"    if (!GG_PLAIN({name}$object, table->array)) return {NOT_PLAIN};" for name in plain]
        return "\n".join([
            f"/* {safe_c(str(self.given).splitlines()[0].removesuffix(':'))} */",
            functions(self.blas.integer) if self.blas else functions(),
            END,
            *self.texts,
            "struct table {",
            "    char *work;  /* temporaries */",
            "    const void *array;  /* the type of NumPy's arrays */",
            "    gg_sgemm *sgemm;  /* NumPy's BLAS */",
            "    gg_dgemm *dgemm;",
            *fields,
            *(f"    void *{name};  /* NumPy's bitgen_t */" for name in self.generators.values()),
            *(f"    void (*{name})(void *, intptr_t, {kind} *);  /* NumPy's */" for name, kind in self.draws.values()),
            "};",
            "",
            "static __attribute__((noinline)) int step(const struct table *table, char *const *given) {",
            *(f"    {self.types[name]} *const {name} = {place};" for name, place in arrays),
            *(f"    {line}" for line in self.lines),
            f"    return {OK};",
            "}",
            "",
            f"GG_EXPORT int gg_run(const struct table *table{arguments}) {{",
            *tests,
            f"    char *const given[] = {{{''.join(f'GG_DATA({name}$object), ' for name in self.inputs)}NULL}};",
            "    return step(table, given);",
            "}",
            "",
            "GG_EXPORT int gg_loop(GG_STEPS) {",
            "    return gg_many(step, table, given, data, size, rows, done, count, batch, arguments, results);",
            "}",
            "",
        ])  # fmt: skip

    # ---------------------------------------------------------------------------------------------- of the language

    def refused(self, condition: str, said: str) -> str:
        """The line that ends the run; the caller raises the error."""
        return f"if ({condition}) return {REFUSED};"

    contract, convolve, convolve_weight = contract, convolve, convolve_weight

    def parts(self, program: Program) -> list[list[str]]:
        """The lines of a loop's body, all of whose values live as long as the loop."""
        last, self._last = self._last, {}
        found = super().parts(program)
        self._last = last
        return found

    # --------------------------------------------------------------------------------------------------------- kernels

    def kernel(self, kernel: Kernel) -> None:
        """A call of a function that computes a kernel."""
        self._kernel = kernel
        if kernel.instructions and kernel.instructions[0].op == "matmul":
            product, *rest = kernel.instructions
            before = len(self.lines)
            self.said(*kernel.instructions)
            out, factor, a, b = (self.view(v) for v in kernel.inputs)
            if not subtract_product(self, out, factor, a, b, kernel.outputs[0].dtype):
                del self.lines[before:]
                self.instruction(product)
                self.kernel(Kernel(inputs_of(rest), kernel.outputs, rest))
            return
        super().kernel(kernel)

    def nest(self, shape: Any, views: Sequence[View], axes: Sequence[int]) -> Nest:
        """The loops of a kernel, so that the innermost one goes along memory: the sums of columns are kept in memory
        while the loop over rows is outside."""
        long = [d for d, n in enumerate(shape) if n != 1]
        self._swapped = bool(axes and long) and long[-1] not in axes
        return Nest(shape, views, [d for d in long if d not in axes] if self._swapped else axes)

    def entries(self, nest: Nest, within: list[tuple[int, str]]) -> None:
        """The call of the loops of a kernel without a reduction."""
        outputs = {self.view(v).data for v in self._kernel.outputs}
        anew = outputs.isdisjoint(self.view(v).data for v in self._kernel.inputs)
        self._called(nest, nest.lines(within, (), "long", _vectors(nest, width=self._width() if anew else 0)))

    def reduction(
        self, nest: Nest, reduction: Instruction, element: str, within: list[tuple[int, str]], after: str
    ) -> None:
        """The call of the loops of a reduction."""
        op, dtype = reduction.op, reduction.out.dtype
        outer, inmost = nest.outer, len(nest.loops)
        lengths = [n for n, _ in (nest.loops[:outer] if self._swapped else nest.loops[outer:])]
        is_long = op == "sum" and dtype == numpy.float32 and size(tuple(lengths)) > LONG
        if self._swapped:
            self._columns(nest, reduction, element, within, after, is_long)
            return
        sign = {"sum": "+", "prod": "*", "max": "max", "min": "min", "all": "&&", "any": "||"}[op]
        clause = f" reduction({sign}:acc)" if inmost > outer else ""
        first = [(outer, self.declared("acc", self.start_of(op, dtype), numpy.dtype("f8") if is_long else dtype))]
        heads, last = _vectors(nest, clause), [f"acc = {C.reductions[op][0].format(a='acc', b=element)};"]
        if op in ("max", "min"):
            missing = " reduction(|:missing)" if clause and dtype.kind == "f" else ""
            heads = _vectors(nest, clause + missing, self._width() if inmost > outer else 0)
        ends = [(outer, after)]
        if op in ("max", "min") and dtype.kind == "f":  # a vectorized reduction may lose a NaN
            sign = ">" if op == "max" else "<"
            first.append((outer, "int missing = 0;"))
            last = [f"acc = {element} {sign} acc ? {element} : acc;", f"missing |= {element} != {element};"]
            ends.insert(0, (outer, "if (missing) acc = NAN;"))
        elif is_long and nest.loops[-1][0] <= LONG:  # within the innermost loop in float32
            (opens, closes), last = _vectors(nest, " reduction(+:part)")[inmost - 1], [f"part = part + {element};"]
            heads = {inmost - 1: (["float part = 0;", *opens], [*closes, "acc = acc + part;"])}
        self._called(nest, nest.lines([*first, *within, *((inmost, line) for line in last)], ends, "long", heads))

    def _width(self) -> int:
        """How many entries of a kernel's largest value are in a vector."""
        values = (*self._kernel.inputs, *self._kernel.outputs)
        return registers()[1] // max((v.dtype.itemsize for v in values if v.shape), default=8)

    def _columns(
        self, nest: Nest, reduction: Instruction, element: str, within: list[tuple[int, str]], after: str, is_long: bool
    ) -> None:
        """The call of the loops of a reduction whose results are kept in memory, with the loops over the reduced axes
        outside; long sums in float64."""
        op, dtype, place = reduction.op, reduction.out.dtype, nest.at(len(nest.views) - 1)
        written, last = {self.view(v).data for v in self._kernel.outputs}, []

        def along(line: str) -> list[str]:
            return nest.lines([(len(nest.loops), line)], (), "long", first=nest.outer)

        if is_long:
            sums = self.scratch("sums", [n for n, _ in nest.loops[nest.outer :]], numpy.dtype("f8"))
            written.add(sums.data)
            steps = (0,) * nest.outer + sums.strides
            nest.loops = [(n, (*before, step)) for (n, before), step in zip(nest.loops, steps, strict=True)]
            nest.views.append(sums)
            place = nest.at(len(nest.views) - 1)
            last = along(f"const double acc = {place}; {after}")
        adds = f"{place} = {C.reductions[op][0].format(a=place, b=element)};"
        first = along(f"{place} = {self.start_of(op, dtype)};")
        lines = nest.lines([*within, (len(nest.loops), adds)], (), "long", _vectors(nest))
        self._call(nest, [*first, *lines, *last], written, self._title())

    def loop_apart(self, nest: Nest, within: Sequence[tuple[int, str]], written: str, name: str) -> None:
        """The call of the loops of a nest that writes to one array, each time to another element."""
        self._call(nest, nest.lines(within, (), "long", _vectors(nest)), {written}, name)

    def _called(self, nest: Nest, lines: list[str]) -> None:
        """Call the function of these lines of a kernel."""
        self._call(nest, lines, {self.view(v).data for v in self._kernel.outputs}, self._title())

    def _call(self, nest: Nest, lines: list[str], outputs: Set[str], name: str) -> None:
        """Call a function with these lines as its body; lines that differ only in names share one."""
        data = dict.fromkeys(view.data for view in nest.views)
        kinds = [f"{'' if name in outputs else 'const '}{self.types[name]}" for name in data]
        parameters = [f"{kind} *restrict {name}" for kind, name in zip(kinds, data, strict=True)]
        parameters += [f"long {time}" for time in self.times]
        name = self.function(name, ", ".join(parameters), lines, keyword=self._keyword)
        self.lines.append(f"{name}({', '.join([*data, *self.times])});")

    def function(self, name: str, parameters: str, lines: Sequence[str], *, keyword: str = "GG_FUSED ") -> str:
        """The name of a function of these lines: one for all that differ in nothing but names."""
        text = "\n".join(f"    {line}" for line in lines)
        own = dict.fromkeys(re.findall(r"([\w$]+)(?:,|$)", parameters) + re.findall(r"\w+\$", text))
        order = {declared: f"v{n}" for n, declared in enumerate(own)}
        key = re.sub(r"[A-Za-z_$][\w$]*", lambda m: order.get(m[0], m[0]), f"{keyword};{parameters};{text}")
        if key not in self.functions:
            self.functions[key] = name = self.fresh(name)
            self.texts.append(f"static {keyword}void {name}({parameters or 'void'}) {{\n{text}\n}}\n")
        return self.functions[key]

    def _title(self) -> str:
        """The name of the function of a kernel."""
        kernel = self._kernel
        states = [self.in_place[v].name for v in kernel.outputs if v in self.in_place]
        base = f"update_{states[0]}" if states else kernel.outputs[0].name
        return f"{base.strip('_')[:60]}_loop"


def _described(value: Value) -> str:
    return f"{value.kind} {safe_c(value.name)} {value.shape}"


def _may_raise(step: Kernel | Instruction) -> bool:
    """Whether a step may find an index out of bounds: its own, or that of a loop's body."""
    if isinstance(step, Kernel):
        return False
    return (step.op in INDEXED and not is_view(step)) or (step.op == "op" and "loop" in step.params["options"])


def _vectors(nest: Nest, clause: str = "", width: int = 0) -> dict[int, Head]:
    """The innermost loop, with a vectorization hint.

    ``width``: the entries of a vector, or 0 if no entry may be computed twice. If the length of a short loop is not a
    multiple of ``width``, its last vector overlaps the one before, which is faster than computing the rest singly.
    """
    if not nest.loops:
        return {}
    depth = len(nest.loops) - 1
    letter, length = LETTERS[depth], nest.loops[depth][0]
    simd, width = f'_Pragma("omp simd{clause}")', min(width, 1 << length.bit_length() >> 1)
    if width < 4 or length % width == 0 or length > 8 * width:
        return {depth: ([simd, counting(letter, length, "long")], ["}"])}
    return {depth: ([
        f"for (long $from = 0; $from < {length}; $from += {width}) {{",
        f"const long $first = $from < {length - width} ? $from : {length - width};",
        simd,
        counting("$n", width, "long"),
        f"  const long {letter} = $first + $n;",
    ], ["}", "}"])}  # fmt: skip
