"""Random numbers by NumPy's own C functions, and their products, rounded as NumPy rounds them."""

from __future__ import annotations

import ctypes
import importlib
from functools import cache

from glassgrad.autograd.compiler.ir.program import Instruction, Program

SCALED = "scaled_draw"
"""A product of random numbers that C must not fuse with an addition, because a fused operation rounds differently."""


@cache
def address_of(name: str) -> int:
    """The address of a function of ``numpy/random/distributions.h`` in NumPy's module; 0 if the module hides it."""
    try:
        library = ctypes.CDLL(importlib.import_module("numpy.random._generator").__file__ or "")
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except (AttributeError, ImportError, OSError):
        return 0


def with_scaled_apart(program: Program) -> Program:
    """The program with the products of random numbers as instructions that are not fused with others."""
    drawn = {i.out for i in program.instructions if i.op == "draw"}
    return program.changed(
        instructions=[
            Instruction(SCALED, i.args, {"product": i}, i.out)
            if i.op == "multiply" and not drawn.isdisjoint(i.args) and 0 not in i.out.shape
            else i
            for i in program.instructions
        ]
    )
