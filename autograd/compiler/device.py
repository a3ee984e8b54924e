"""A program on a GPU: its kernels and the calls between them as straight-line source, on CuPy's arrays.

Nothing in it waits for the GPU. Memory for results is CuPy's, which keeps what was freed; states are written in place, and
gradients of states that lie in one buffer are computed into their places there.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from autograd import backends, shapes
from autograd.compiler.emit import FUNCTIONS, has_kernel
from autograd.compiler.kernels import Kernel, fuse, updated_in_place
from autograd.compiler.optimize import algebra, common_subexpressions, dead_code, scale_folding
from autograd.compiler.packing import pack, same_counters
from autograd.compiler.plan import is_view, view_of
from autograd.compiler.primitives import fill
from autograd.compiler.program import Instruction, Program, Value, algebra as algebra_of
from autograd.memory import all_written, owner
from autograd.op import OPS

EVERY = 1 << 62
"""Bytes: all states that are updated alike lie in one buffer, of any size."""


def optimized(program: Program) -> Program:
    """The program after the passes that suit a GPU: sums stay sums, and memory is laid out as it was."""
    for change in (dead_code, algebra, common_subexpressions, algebra, scale_folding, algebra, common_subexpressions):
        program = change(program)
    program = common_subexpressions(same_counters(program))
    return dead_code(pack(program, EVERY))


def compute_on(space: Any, instruction: Instruction, arrays: Sequence[Any]) -> Any:
    """The value of an instruction by the functions of ``space``: what `primitives.compute` is for NumPy."""
    op, params = instruction.op, instruction.params
    if "call" in params:
        args, options = fill(params["call"], arrays)
        function: Any = space
        for part in op.split("."):
            function = getattr(function, part)
        out = function(*args, **options)
        return out[params["item"]] if "item" in params else out
    if op == "op":
        options = fill(params["options"], arrays[params["count"] :])
        return OPS[params["name"]].forward(space, *fill(params["inputs"], arrays), **options)
    if op == "draw":
        generator = backends.generator_on(params["device"], params["generator"])
        return getattr(generator, params["method"])(params["shape"], dtype=params["dtype"], **params["options"])
    if op == "getitem":
        return arrays[0][fill(params["index"], arrays)]
    if op in ("setitem", "add_at"):
        out, index = space.asarray(arrays[0], copy=True), fill(params["index"], arrays)
        if op == "add_at":
            space.add.at(out, index, arrays[1])
        else:
            backends.assign(out, index, arrays[1])
        return out
    if op == "take_sure":
        return space.take(*arrays, axis=params["axis"])
    if op == "permute_dims":
        return arrays[0].transpose(params["axes"])
    if op == "pack":
        flat = [(x.T if flip else x).reshape((-1,)) for x, flip in zip(arrays, params["flips"], strict=True)]
        return space.concat(flat)
    if op == "copy":
        return +arrays[0]
    if op == "astype":
        return space.astype(*arrays, params["dtype"])
    return getattr(space, op)(*arrays, **params)
