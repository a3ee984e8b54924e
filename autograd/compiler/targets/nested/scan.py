"""Loops over time: the traced body is run at each step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.ir.program import METHODS
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.nested.script import Script, whole
from glassgrad.autograd.compiler.targets.nests import View, added, times


@whole("scan_packed")
def _scan(script: Script, out: View, *arrays: View, loop: Any) -> None:
    body, length, now = loop.ran, loop.length, script.now
    first, dtypes = body.carries + body.xs, [a.dtype for a in now.args]
    shapes = [x.shape[1:] if body.carries <= i < first else x.shape for i, x in enumerate(arrays)]
    program = optimize(METHODS["step"](body), COMMON)
    time = script.fresh("t")
    carries = [script.scratch(body.names[i], shapes[i], dtypes[i]) for i in range(body.carries)]
    for carry, x in zip(carries, arrays, strict=False):
        script.copy(x, carry)
    for i, value in enumerate(program.inputs):
        x = arrays[i]
        if i < body.carries:
            script.views[value] = carries[i]
        elif i < first:
            row = x[0] if length else View.of(x.data, shapes[i])
            script.views[value] = replace(row, base=added(x.base, times(time, x.strides[0])))
        else:
            script.views[value] = x
    script.times.append(time)
    parts = script.parts(program)
    before, script.lines = script.lines, []
    results = [script.view(value) for value in program.outputs]
    places = {i: (place.start, shape) for i, place, shape in body.parts(length, loop.dtype)}
    for i, (start, shape) in places.items():
        if i >= body.carries:
            count = size(shape[1:])
            row = replace(View.of(out.data, shape[1:]), offset=out.offset + start,
                          base=added(out.base, times(time, count)) if count else "")  # fmt: skip
            script.copy(results[i], row)
    for result, carry in script.moves([*zip(results, carries, program.outputs, strict=False)]):
        script.copy(result, carry)
    parts.append(script.lines)
    script.lines = before
    inside = script.within(body.name, parts)
    script.times.pop()
    steps = (f"{length - 1}", f"{time} >= 0", f"{time}--") if loop.reverse else ("0", f"{time} < {length}", f"{time}++")
    head = f"for ({script.language.integer} {time} = {steps[0]}; {steps[1]}; {steps[2]}) {{"
    script.lines += [head, *(f"  {line}" for line in inside), "}"]
    for i, (start, shape) in places.items():
        if i < body.carries:
            script.copy(carries[i], replace(View.of(out.data, shape), offset=out.offset + start, base=out.base))
    script.now = now
