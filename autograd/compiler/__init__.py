"""Tracing a function once into a flat program: `trace` it, print it, `compile` it."""

from glassgrad.autograd.compiler.compiled import Compiled, compile
from glassgrad.autograd.compiler.ir import interpreter, validator  # noqa: F401  (which `Program` then has as methods)
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.loop import Steps, loop
from glassgrad.autograd.compiler.scan import scan
from glassgrad.autograd.compiler.targets import javascript  # noqa: F401  (which `Program` then has as a method)
from glassgrad.autograd.compiler.trace import trace

__all__ = ["Compiled", "Program", "Steps", "compile", "loop", "scan", "trace"]
