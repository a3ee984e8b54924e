"""Notation: an array namespace of symbols. Running an operation's own rule on symbols writes down its derivative.

A `Symbol` is a piece of a formula, as text and as LaTeX, with its value, so that a rule can read shapes as of any
array. The notation comes from the operations alone (`op.text`, `op.tex`, `op.level`), and the derivatives from their
rules: none is written here.

>>> from glassgrad import autograd as ag
>>> say = Notation(scalar=True)
>>> a = say.symbol("a", 0.7311)
>>> say.pull(ag.OPS["sigmoid"], 0, [say.symbol("z", 1.0)], a, {}, say.number(1.0))
Symbol('a·(1 - a)')
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.autograd.engine.operation import OPS
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.recorded.notation.latex import brackets, tex_escape, tex_name, tex_number
from glassgrad.viz.recorded.notation.symbols import (
    ATOM,
    CALL,
    DERIVATIVE,
    FRACTION,
    PRODUCT,
    SUM,
    UPSTREAM,
    Symbol,
    has_factor,
)
from glassgrad.viz.recorded.notation.templates import (
    COPIES,
    SILENT,
    filled,
    named_parameters,
    parameter,
    tex_parameter,
    with_parameters,
    without_operand,
)

IS_CALL = re.compile(r"(\w[\w ]*|\\operatorname\{\{.*?\}\})\([^()]*\)")  # of a template


class Notation:
    """The namespace of symbols, in the place of ``xp``.

    ``scalar``: products are written `·`, as between numbers; else `×`, entry by entry. Functions that are not an
    operation are written `name(arguments)`.
    """

    def __init__(self, scalar: bool = False) -> None:
        self.scalar = scalar

    def symbol(self, name: str, value: Any = None, tex: str | None = None) -> Symbol:
        """A name, and the array or number that it stands for. It may be that of a constant, 1 - y or yᵀ."""
        is_derivative = name.startswith("∂")
        level, head = FRACTION if is_derivative or name.endswith("ᵀ") else ATOM, DERIVATIVE * is_derivative
        level = SUM if name.startswith("1 - ") else level
        return Symbol(self, name, tex if tex is not None else tex_name(name), level, value, head)

    def upstream(self, name: str, value: Any) -> Symbol:
        """The gradient that a rule is given, under this name."""
        return Symbol(self, name, tex_name(name), ATOM, value, UPSTREAM)

    def number(self, x: float) -> Symbol:
        """A constant, in four digits."""
        text = numbers.constant(x)
        return Symbol(self, text, tex_number(text), PRODUCT if text.startswith("-") else ATOM, x, "number", x)

    def lift(self, x: Any) -> Symbol:
        """An operand of a formula as a symbol."""
        if isinstance(x, Symbol):
            return x
        if isinstance(x, bool | int | float | np.generic) or (hasattr(x, "shape") and x.shape == ()):
            return self.number(x.item() if hasattr(x, "item") else x)
        return Symbol(self, parameter(x), tex_parameter(x), ATOM, x, "array")

    def call(self, name: str, *args: Any, **params: Any) -> Any:
        """The function ``name`` of these arguments: its value, and its notation."""
        value = _value(name, args, params)
        if isinstance(value, tuple | list):
            return tuple(self._written(name, args, params, part, i) for i, part in enumerate(value))
        return self._written(name, args, params, value)

    def _written(self, name: str, args: Any, params: Any, value: Any, part: int | None = None) -> Symbol:
        if name == "multiply_no_nan":
            args = args[::-1]  # the upstream gradient first, as in other products
        op = OPS.get(PLAINLY.get(name, name))
        if op is None:
            written = self._unknown(name, args, params, value)
        else:
            written = self._formula(op, self._parts(op, args, params), value)
        if part is not None:
            text, tex = f"{written.text}[{part}]", f"{written.tex}_{{{part}}}"
            written = Symbol(self, text, tex, CALL, value, parts={"x": written})
        return written

    def _parts(self, op: Any, args: Any, params: Any) -> dict[str, Any]:
        """The operands and parameters as symbols by name, None for an operand that was left out."""
        arrays, given = op.bind(*args, **params)
        parts: dict[str, Any] = {op.args[0]: arrays} if op.variadic else dict(zip(op.args, arrays, strict=True))
        parts |= given
        for name, x in parts.items():
            if op.variadic and name in op.args:
                parts[name] = Symbol(self, *_listed([*map(self.lift, x)]), CALL if len(x) > 1 else ATOM)
            elif name in op.params and not isinstance(x, Symbol):
                parts[name] = Symbol(self, parameter(x), tex_parameter(x), ATOM, x)
            elif x is not None:
                parts[name] = self.lift(x)
        return parts

    def _formula(self, op: Any, parts: dict[str, Any], value: Any) -> Symbol:
        """An operation of formulas, in its shortest form."""
        short = self._simple(op, parts, value)
        return self._applied(op, parts, value) if short is None else _worth(short, value)

    def apply(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any], value: Any = None) -> Symbol:
        """An operation of these symbols in its own notation: the right-hand side of its equation."""
        if op.name in ("expand_dims", "squeeze"):
            op, params = OPS["reshape"], {"shape": np.shape(value)}
        return self._applied(op, self._parts(op, inputs, params), value)

    def composed(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any], value: Any) -> Symbol:
        """`apply` for operands that are formulas themselves, without copies and changes of dtype."""
        written = self.apply(op, inputs, params, value)
        return _worth(written.parts["x"], value) if op.name in COPIES else written

    def pull(self, op: Any, index: int, inputs: Sequence[Any], out: Symbol, params: Any, g: Symbol) -> Any:
        """The gradient that the rule for input ``index`` computes from ``g``; None if there is no rule.

        ``inputs`` are symbols (Python numbers as they stand in the graph); where the forward has broadcast, the sum
        that undoes it is written too.
        """
        arg = op.args[0] if op.variadic else op.args[index]
        if arg not in op.rules:
            return None
        if not op.broadcasts:  # its rules expect arrays, not numbers
            inputs = [_worth(self.number(x), np.asarray(x)) if isinstance(x, int | float) else x for x in inputs]
        rule, wants = op.rules[arg]
        offered = {"xp": _Functions(self), "g": g, "out": out, **params}
        if op.variadic:
            offered |= {arg: tuple(inputs), f"{arg}_shape": tuple(_shape(x) for x in inputs)}
        else:
            for name, given in zip(op.args, inputs, strict=False):
                offered |= {name: given, f"{name}_shape": _shape(given)}
        part = rule(*[offered[want] for want in wants])
        return self._fitted(self.lift(part[index] if op.variadic else part), _shape(inputs[index]))

    def _fitted(self, part: Symbol, shape: tuple[int, ...]) -> Symbol:
        if part.shape == shape or len(part.shape) < len(shape):
            return part  # for instance a constant that was not broadcast, such as 1
        value = part.value.sum(axis=broadcast_axes(part.shape, shape)).reshape(shape)
        if (counted := self._counted(part, value)) is not None:
            return counted
        text, tex, level = self._summed(part, shape)
        return Symbol(self, text, tex, level, value, "sum", parts={"x": part})

    def _summed(self, part: Symbol, shape: tuple[int, ...]) -> tuple[str, str, int]:
        """The sum of a formula's entries to this shape, and its precedence."""
        text, tex = part.within(0 if part.head == DERIVATIVE else CALL)
        return f"Σ{text}", rf"\sum {tex}", PRODUCT

    def _counted(self, part: Symbol, value: Any) -> Symbol | None:
        """The sum of equal entries as a multiple of one entry: of a constant, or of a value broadcast along these axes;
        else None.
        """
        many = np.size(value)
        if part.number is not None:
            return _worth(self.number(np.ravel(value)[0].item()), value) if many else None
        if has_factor(part):
            factor = part.parts["x"]
            inner = self._counted(part.parts["y"], np.divide(value, factor.number)) if factor.number else None
            return None if inner is None else _worth(self.call("multiply", factor, inner), value)
        if part.spread is None or not many or part.spread.size not in (1, many):
            return None
        times = part.size // many
        same = np.allclose(times * np.ravel(part.spread.value), np.ravel(value), equal_nan=True)  # not another axis
        return _worth(self.call("multiply", times, part.spread), value) if same else None

    # ------------------------------------------------------------ writing

    def _applied(self, op: Any, parts: dict[str, Any], value: Any) -> Symbol:
        if op.name == "clip" and (parts["min"] is None) != (parts["max"] is None):
            only, limit = ("minimum", "max") if parts["min"] is None else ("maximum", "min")
            return self.lift(self.call(only, parts["x"], parts[limit]))
        text_form, tex_form = (self._template(op, parts, tex) for tex in (False, True))
        level, tex_level = (CALL if IS_CALL.fullmatch(form) else op.level for form in (text_form, tex_form))
        text = filled(text_form, parts, level, op.name)
        tex = filled(tex_form, parts, tex_level, op.name, tex=True)
        reduction = parts["reduction"].value if "reduction" in parts else None
        if reduction == "sum":
            text, tex = f"Σ{' ' if text[0].isalpha() else ''}{text}", rf"\sum {tex}"
            level = tex_level = PRODUCT
        elif reduction == "mean":
            text, tex = f"mean({text})", rf"\operatorname{{mean}}{brackets(tex)}"
            level = tex_level = CALL
        if alias := re.fullmatch(r"\{(\w+)\}", text_form):  # written like its operand
            level, tex_level = parts[alias[1]].level, parts[alias[1]].tex_level
        elif tex_form.startswith(r"\frac"):
            tex_level = FRACTION
        return Symbol(self, text, tex, level, value, op.name, parts=parts, tex_level=tex_level)

    def _template(self, op: Any, parts: Mapping[str, Any], tex: bool) -> str:
        """The operation's template, with the parameters that are named and without the operands that were left out."""
        form: str = op.tex if tex else op.text.replace(" · ", "·")
        if any(c in style.NO_GLYPH for c in form) and not tex:
            form = f"{op.name}({', '.join(f'{{{a}}}' for a in op.args)})"
        if op.name in ("multiply", "multiply_no_nan") and (
            self.scalar or any(x.number is not None for x in parts.values())
        ):
            form = form.replace(" × ", "·").replace(r"\odot", r"\,")
        for name in op.optional:
            if parts[name] is None:
                form = without_operand(name, form)
        if op.name == "where" and tex:  # a sum, of which a term is left out where it is 0
            terms = zip(form.split(" + "), "xy", strict=True)
            form = " + ".join(term for term, arg in terms if parts[arg].number != 0) or form
        if op.name in SILENT:
            return form
        told = named_parameters(op, parts, form)
        is_matrix = op.name == "vecdot" and parts["x"].ndim > 1  # for vectors it is written as their product
        return with_parameters(op, form, told, tex=tex) if told or (is_matrix and not tex) else form

    def _unknown(self, name: str, args: Any, params: Any, value: Any) -> Symbol:
        if name in ("zeros_like", "ones_like"):
            return _worth(self.number(float(name == "ones_like")), value)
        given = [f"{key}={parameter(x)}" for key, x in params.items() if x is not None]
        text, tex = _listed([*map(self.lift, args), *map(self.symbol, given)])
        return Symbol(self, f"{name}({text})", rf"\operatorname{{{tex_escape(name)}}}({tex})", CALL, value, name)

    def _simple(self, op: Any, parts: dict[str, Any], value: Any) -> Any:
        """A shorter form of the operation, such as x for 1·x or x + 0; None where there is none."""
        x: Any = parts.get("x")
        y: Any = parts.get("y")
        name = op.name
        if name in SILENT or (name == "getitem" and x.number is not None):
            return x
        if name in ("multiply", "add", "subtract", "divide", "power"):
            return self._arithmetic(name, x, y, value)
        if name == "negative":
            return self._times(-1, x, value)
        if name == "matmul" and not (x.number is None and y.number is None):
            return self.number(0) if 0 in (x.number, y.number) else self.call(name, _ones(x), _ones(y))
        if name == "where" and parts["condition"].number is not None:
            return x if parts["condition"].number else y
        if name == "matrix_transpose":
            if x.head == "" and x.text.endswith("ᵀ"):
                return self.symbol(x.text.removesuffix("ᵀ"), value)
            return x if x.number is not None else x.parts["x"] if x.head == name else None
        if name in ("bitwise_and", "bitwise_or"):  # beside a limit that is infinite, the other one decides
            limits = (math.inf, -math.inf)
            sides = [side for side in (x, y) if "y" not in side.parts or side.parts["y"].number not in limits]
            return sides[0] if len(sides) == 1 else None
        if name == "sum":
            return x if x.shape == np.shape(value) and x.number is None else self._counted(x, value)
        return None

    def _arithmetic(self, name: str, x: Symbol, y: Symbol, value: Any) -> Any:
        one, other = x.number, y.number
        if one is not None and other is not None and np.size(value):
            result = np.ravel(value)[0].item()  # all entries are the same
            return None if name not in OPPOSITE and is_out_of_range(result, one, other) else self.number(result)
        if name == "multiply":
            return self._product(x, y, value)
        if name == "power" and other == 0:
            return self.number(1)
        if other == (0 if name in OPPOSITE else 1):
            return x
        if name not in OPPOSITE:
            return None
        if one == 0:
            return y if name == "add" else self._times(-1, y, value)
        return self.call(OPPOSITE[name], x, y.parts["x"]) if y.head == "negative" else None

    def _product(self, x: Symbol, y: Symbol, value: Any) -> Any:
        if x.ndim == 2 and x.shape[0] > 1 == x.shape[1] and y.shape[-1:] > (1,) and y.size == y.shape[-1]:
            return self._outer(x, y)
        (one, left), (other, right) = x.scaled, y.scaled
        if is_out_of_range(one * other, one, other):
            return None
        if left is None or right is None:
            return self._times(one * other, right if left is None else left, value)
        if left is not x or right is not y:
            return self._times(one * other, self.call("multiply", left, right), value)
        return self.call("power", x, 2) if x.text == y.text and x.head == y.head and x.level == ATOM else None

    def _outer(self, x: Symbol, y: Symbol) -> Symbol:
        """A column times a row, written as the matrix product that it is."""
        row = _worth(y, np.reshape(y.value, (-1, 1)))
        turned = self.call("matrix_transpose", _ones(row, (y.size,)))
        return self.lift(self.call("matmul", _ones(x, x.shape[:1]), turned))

    def _times(self, factor: float, x: Symbol | None, value: Any) -> Symbol:
        """A formula times a number."""
        inner, rest = (1, None) if x is None else x.scaled
        if x is None or rest is None or factor == 0:
            return _worth(self.number(factor * inner), value)
        if not is_out_of_range(factor * inner, factor, inner):
            factor, x = factor * inner, rest
        x = _fitting(x, np.shape(value))
        if factor == 1:
            return _worth(x, value)
        if factor != -1:
            return self._applied(OPS["multiply"], {"x": self.number(factor), "y": x}, value)
        text, tex = x.within(CALL if x.head in ("floor_divide", "remainder") else PRODUCT)
        return Symbol(self, f"-{text}", f"-{tex}", PRODUCT, value, "negative", parts={"x": x})


class _Functions:
    """The ``xp`` of a rule: only functions, because an operation may be called as a method of `Notation` is."""

    def __init__(self, notation: Notation) -> None:
        self._notation = notation

    def __getattr__(self, name: str) -> Any:
        real = getattr(backends.NUMPY, name)
        return real if not callable(real) or isinstance(real, type) else partial(self._notation.call, name)


def _value(name: str, args: Any, params: Any) -> Any:
    """The function's value."""

    def bare(x: Any) -> Any:
        return type(x)(map(bare, x)) if isinstance(x, tuple | list) else x.value if isinstance(x, Symbol) else x

    args, params = bare(tuple(args)), {k: bare(v) for k, v in params.items()}
    with np.errstate(all="ignore"):
        # NumPy's function of the same name may take other keywords than the operation does.
        if name in backends.FORWARDS:
            op = OPS[name]
            found, given = op.bind(*args, **params)
            # Python raises where IEEE 754 has a result, as for 1.0 / 0.0.
            arrays = [np.float64(x) if type(x) is float else x for x in found]
            space = backends.namespace(*arrays)
            return op.forward(space, *arrays, **given)
        return getattr(backends.namespace(*[x for x in args if type(x) in backends.SPACES]), name)(*args, **params)


def is_out_of_range(result: float, *numbers: float) -> bool:
    """Whether a product, quotient or power of these numbers is too small or too large for a float.

    >>> is_out_of_range(1e-200 * 1e-200, 1e-200, 1e-200), is_out_of_range(0.0, 0.0, 1.0)
    (True, False)
    """
    return (result == 0 or not math.isfinite(result)) and all(x and math.isfinite(x) for x in numbers)


def _listed(symbols: Sequence[Symbol]) -> tuple[str, str]:
    """Text and LaTeX of several formulas."""
    return ", ".join(x.text for x in symbols), ", ".join(x.tex for x in symbols)


def _worth(symbol: Symbol, value: Any) -> Symbol:
    """A symbol for this value, which may have another shape: changes of shape are not written."""
    shape, parts, spread = np.shape(value), symbol.parts, symbol.spread
    if symbol.shape != shape:
        spread = symbol if symbol.size < np.size(value) else spread if spread is not None and spread.size == 1 else None
        if last := "y" if has_factor(symbol) else "x" * (symbol.head == "negative"):
            parts = parts | {last: _fitting(parts[last], shape)}
    return replace(symbol, value=value, spread=spread, parts=parts)


def _fitting(symbol: Symbol, shape: tuple[int, ...]) -> Symbol:
    """A symbol with the value of another one, broadcast or reshaped."""
    if symbol.shape == shape:
        return symbol
    value = np.asarray(symbol.value)
    return _worth(symbol, value.reshape(shape) if value.size == math.prod(shape) else np.broadcast_to(value, shape))


def _ones(x: Symbol, shape: tuple[int, ...] | None = None) -> Symbol:
    """A constant with its shape where that matters: ``3·ones(2, 4)``. Anything else unchanged."""
    if x.number is None or not x.shape:
        return x
    shape = x.shape if shape is None else shape
    sizes = r" \times ".join(map(str, shape))
    tex = rf"\mathbf{{1}}_{{{sizes}}}"
    ones = Symbol(x.space, f"ones({', '.join(map(str, shape))})", tex, ATOM, np.ones_like(x.value))
    return ones if x.number == 1 else _worth(x.space.call("multiply", x.number, ones), x.value)


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(getattr(x, "shape", ()))


OPPOSITE = {"add": "subtract", "subtract": "add"}
PLAINLY = {"multiply_no_nan": "multiply", "xdivy": "divide"}  # their treatment of 0 matters to values, not to readers
