"""Symbols that remember the calls which made them, so that a formula can be computed as well as read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.viz.formula.forms import Form
from glassgrad.viz.recorded.notation.latex import brackets
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import PRODUCT, UNKNOWN, Symbol


class Traced(Symbol):
    """A symbol that remembers the calls which made it."""

    __slots__ = ("form",)

    def __init__(self, written: Symbol, form: Any) -> None:
        for name in Symbol.__slots__:
            setattr(self, name, getattr(written, name))
        self.form = form


def form_of(x: Any) -> Any:
    """The calls behind a symbol, or a constant as it is."""
    if isinstance(x, Traced):
        return x.form
    if isinstance(x, Symbol):
        return x.number if x.number is not None else x.value
    return type(x)(map(form_of, x)) if type(x) in (tuple, list) else x


class Tracer(Notation):
    """The namespace of `Traced` symbols. A sum that undoes broadcasting names the axes that it runs over."""

    def __init__(self, scalar: bool) -> None:
        super().__init__(scalar)
        self.for_parameter = False  # whether the gradient is that of a parameter: then leading axes are the batch
        self._within = False  # whether a call is being written: calls inside it only shorten its notation

    def call(self, name: str, *args: Any, **params: Any) -> Any:
        """The function of these arguments: its value, its notation, and the call itself."""
        if self._within:
            return super().call(name, *args, **params)
        self._within = True
        try:
            made = super().call(name, *args, **params)
        finally:
            self._within = False
        form = Form(name, form_of(args), {k: form_of(x) for k, x in params.items()})
        if isinstance(made, tuple):
            return tuple(Traced(part, Form("(part)", (form, i))) for i, part in enumerate(made))
        return Traced(made, form)

    def apply(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any], value: Any = UNKNOWN) -> Traced:
        """An operation of these symbols in its own notation."""
        given = inputs if not op.variadic else (tuple(inputs),)
        form = Form(op.name, form_of(tuple(given)), {k: form_of(x) for k, x in params.items()})
        return Traced(super().apply(op, inputs, params, value), form)

    def _fitted(self, part: Symbol, shape: tuple[int, ...]) -> Symbol:
        written = super()._fitted(part, shape)
        if part.value is UNKNOWN or part.shape == shape:
            return written
        if written.head == "sum" and len(part.shape) >= len(shape) and written.number is None:
            text, tex = self._over(part, shape)
            inside = part.text if part.level >= PRODUCT else f"({part.text})"
            tex_inside = part.tex if part.tex_level >= PRODUCT else brackets(part.tex)
            # Level 0: words are bracketed beside anything else.
            written = Symbol(
                self, f"Σ over {text} of {inside}", f"{tex} {tex_inside}", 0, written.value, "sum", inner=(part,)
            )
        return Traced(written, Form("(fit)", (form_of(part), shape)))

    def _over(self, part: Symbol, shape: tuple[int, ...]) -> tuple[str, str]:
        axes = broadcast_axes(part.shape, shape)
        if len(axes) == part.ndim:
            return "all entries", r"\sum"
        if self.for_parameter and axes == tuple(range(part.ndim - len(shape))) and shape:
            return "the batch", r"\sum_{\mathrm{batch}}"
        many = "axes" if len(axes) > 1 else "axis"
        listed = ", ".join(map(str, axes))
        return f"{many} {listed}", rf"\sum_{{\mathrm{{{many}}}\,{listed}}}"
