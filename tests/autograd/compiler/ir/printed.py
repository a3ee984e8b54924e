"""A printed program computed line by line, as a reader would: with NumPy's names and those of the program's values."""

from __future__ import annotations

import copy
import re
from functools import partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.compiler import Program
from glassgrad.autograd.compiler.ir.primitives import PRIMITIVES
from glassgrad.autograd.ops.loops.scan import Loop

LINE = re.compile(r"    (?P<name>\S+) (?P<shape>\(.*?\)) (?P<sign>=|<-) (?P<text>.+)")


class Scope(dict[str, Any]):
    """NumPy's names, the primitives that are none of them, and registered operations."""

    def __missing__(self, name: str) -> Any:
        if name in ag.OPS and (ag.OPS[name].foreign or not (hasattr(np, name) or name in PRIMITIVES)):
            return partial(ag.OPS[name].forward, NUMPY)
        return getattr(np, name) if hasattr(np, name) else partial(PRIMITIVES[name].compute, NUMPY)


def evaluate(program: Program, *arrays: Any) -> tuple[list[Any], list[Any]]:
    """The results and the new values of states that the text of ``program`` says for ``arrays``. Its generators stay
    where they are."""
    scope = Scope(check_range=lambda x, stop: np.False_, astype=lambda x, dtype: np.asarray(x).astype(dtype))
    scope |= {name: copy.deepcopy(generator) for generator, name in program.generators().items()}
    for value in program.values():
        if value.kind == "constant":
            scope[value.name] = value.data
        elif value.kind == "state":
            scope[value.name] = value.origin.data
        elif value.kind == "knob":
            scope[value.name] = value.origin[0][value.origin[1]]
    scope.update({value.name: array for value, array in zip(program.inputs, arrays, strict=True)})
    _, *lines, last = str(program).splitlines()
    updates = []
    options = [instruction.params.get("options", {}) for instruction in program.instructions]
    loops = iter([found["loop"] for found in options if isinstance(found.get("loop"), Loop)])
    for line in lines:
        found = LINE.fullmatch(line)
        assert found, line
        if "loop=" in line:  # one that also returns what its gradient needs is named as without it
            loop = next(loops)
            scope[repr(loop)] = loop
        result = computed(found["text"], scope)
        assert np.shape(result) == computed(found["shape"], scope), line
        if found["sign"] == "=":
            assert found["name"] not in scope, line
            scope[found["name"]] = result
        else:
            updates.append(result)
    return list(computed(f"[{last.strip().removeprefix('return')}]", scope)), updates


def computed(text: str, scope: dict[str, Any]) -> Any:
    """The value of an expression, which may only name what ``scope`` has."""
    return eval(text, {"__builtins__": {}}, scope)


def check_printed(program: Program, *arrays: Any) -> None:
    """Raise unless the text of ``program`` says the numbers that it computes."""
    results, updates = evaluate(program, *arrays)
    expected, states = program.run(*arrays)
    for found, array in zip([*results, *updates], [*expected, *states.values()], strict=True):
        exact = array.dtype.kind not in "fc"
        tolerance = 0 if exact else 2e-4 if array.dtype.itemsize // (1 + (array.dtype.kind == "c")) < 8 else 1e-11
        size = 1.0 if exact else float(np.abs(array[np.isfinite(array)]).max(initial=1.0))
        np.testing.assert_allclose(found, array, rtol=tolerance, atol=tolerance * size, err_msg=str(program))
