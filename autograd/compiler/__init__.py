"""Tracing a function once into a flat program: `trace` it, print it, `compile` it."""

from autograd.compiler.compiled import Compiled, compile
from autograd.compiler.ir.interpreter import interpret
from autograd.compiler.ir.program import Program
from autograd.compiler.ir.serialization import from_json
from autograd.compiler.ir.validator import validate, validated
from autograd.compiler.loop import Steps, loop
from autograd.compiler.scan import scan
from autograd.compiler.targets import javascript  # noqa: F401  (which `Program` then has as a method)
from autograd.compiler.trace import trace

__all__ = [
    "Compiled", "Program", "Steps", "compile", "from_json", "interpret", "loop", "scan", "trace", "validate",
    "validated",
]  # fmt: skip
