"""Special functions that a program keeps whole: each is a call of a function of `FUNCTIONS` for every element."""

from __future__ import annotations

from math import factorial

from glassgrad.autograd.compiler.targets.nested.script import Script, whole
from glassgrad.autograd.compiler.targets.nests import Nest, View


@whole("erfc", "erfinv", "lgamma", "polygamma", "bessel_i")
def _special(script: Script, out: View, x: View, *, order: int = 0) -> None:
    nest = Nest(out.shape, [x, out])
    name, element = script.now.params["name"], nest.at(0)
    text = f"${'gammaln' if name == 'lgamma' else name}({element})"
    if name == "bessel_i":
        text = f"$iv({order}, {element})"
    elif name == "polygamma":
        factor = (-1) ** (order + 1) * factorial(order)
        text = f"{factor} * $zeta({order + 1}, {element})" if order else f"$psi({element})"
    text = script.language.rounded(text, script.now.out.dtype)
    script.loop(nest, [(len(nest.loops), f"{nest.at(1)} = {text};")])
