"""Special functions that a program keeps whole: each is a call of a function of `FUNCTIONS`."""

from __future__ import annotations

from math import factorial

from autograd.compiler.targets.nested.script import Script, whole
from autograd.compiler.targets.nests import Nest, View


def _each(script: Script, out: View, x: View, template: str) -> None:
    """``template`` of each element of ``x``."""
    nest = Nest(out.shape, [x, out])
    text = script.language.rounded(template.format(nest.at(0)), script.now.out.dtype)
    script.loop(nest, [(len(nest.loops), f"{nest.at(1)} = {text};")])


@whole("erfc", "erfinv")
def _function(script: Script, out: View, x: View) -> None:
    _each(script, out, x, f"${script.now.params['name']}({{0}})")


@whole("lgamma")
def _lgamma(script: Script, out: View, x: View) -> None:
    _each(script, out, x, "$gammaln({0})")


@whole("polygamma")
def _polygamma(script: Script, out: View, x: View, *, order: int) -> None:
    factor = (-1) ** (order + 1) * factorial(order)
    _each(script, out, x, f"{factor} * $zeta({order + 1}, {{0}})" if order else "$psi({0})")


@whole("bessel_i")
def _bessel_i(script: Script, out: View, x: View, *, order: int = 0) -> None:
    _each(script, out, x, f"$iv({order}, {{0}})")
