"""Simplification of formulas: like terms collected, factors cancelled, numbers multiplied out.

A formula is written as a sum of products of parts. A product with a sum is expanded only where that is shorter. Every
result is compared with the values of the formula, and discarded where they differ: at 0/0, for instance, where nothing
may be cancelled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.formula.forms import Form, Name, compute, run
from glassgrad.viz.recorded.notation.namespace import is_out_of_range

SAME = ("astype", "positive", "to_device", "reshape", "squeeze", "expand_dims")  # the entries stay the same
LINEAR = ("sum", "(fit)", "mean", "matrix_transpose", "permute_dims", "reshape", "getitem")
INVERSE = {("exp", "log"), ("log", "exp"), ("tan", "atan"), ("tanh", "atanh"), ("sinh", "asinh")}
KNOWN = {("exp", "log_softmax"): "softmax", ("log", "softmax"): "log_softmax"}
TERMS = 12  # of a sum; a longer sum stays as it is

Factors = dict[str, tuple[Any, float]]  # by key: a part and its exponent
Term = tuple[float, Factors]


class Algebra:
    """Simplifies formulas of names with the values ``known(name)``.

    ``constants``: the names of data, whose sums may be replaced by their values; ``remarks`` lists these replacements.
    ``called`` writes a formula in a remark.
    """

    def __init__(
        self, known: Callable[[Name], Any], constants: Iterable[Name] = (), called: Callable[[Any], str] = str
    ) -> None:
        self._known, self._constants, self._called = known, set(constants), called
        self.remarks: dict[str, None] = {}
        self._values: dict[int, tuple[Any, Any]] = {}  # with the form, whose id must not be reused

    def simplified(self, form: Any) -> Any:
        """The formula in a shorter form, or unchanged."""
        with np.errstate(all="ignore"):
            try:
                short = self._built(self._terms(form))
            except OverflowError:
                return form
            shape, other = self._shape(form), self._shape(short)
            if shape is None or other is None:
                return form
            same = np.allclose(self._array(short), self._array(form), rtol=1e-6, atol=1e-9, equal_nan=True)
            if not same or np.broadcast_shapes(shape, other) != shape:
                return form
        return short

    # ------------------------------------------------------------ values

    def _value(self, form: Any) -> Any:
        if not isinstance(form, Form):
            return run(form, compute, self._known)
        if id(form) not in self._values:
            with ag.no_grad(), np.errstate(all="ignore"):
                args = [self._given(x) for x in form.args]
                params = {name: self._given(x) for name, x in form.params.items()}
                self._values[id(form)] = form, compute(form.name, *args, **params)
        return self._values[id(form)][1]

    def _given(self, x: Any) -> Any:
        if type(x) in (tuple, list):
            return type(x)(map(self._given, x))
        return self._value(x)

    def _array(self, form: Any) -> Any:
        value = self._value(form)
        return value.data if isinstance(value, ag.Tensor) else np.asarray(value)

    def _shape(self, form: Any) -> tuple[int, ...] | None:
        value = self._value(form)
        return None if isinstance(value, tuple | list) else tuple(np.shape(getattr(value, "data", value)))

    # ------------------------------------------------------------ sums of products

    def _terms(self, form: Any) -> list[Term]:
        """The formula as a sum of products."""
        if (number := _number(form)) is not None:
            return [(number, {})]
        if not isinstance(form, Form):
            return _atom(form)
        x = form.args[0] if form.args else None
        match form.name:
            case "add" | "(total)":
                return self._sum(term for part in form.args for term in self._terms(part))
            case "subtract":
                return self._sum([*self._terms(x), *_scaled(self._terms(form.args[1]), -1.0)])
            case "negative":
                return _scaled(self._terms(x), -1.0)
            case "multiply" | "multiply_no_nan":
                return self._product(self._terms(x), self._terms(form.args[1]))
            case "divide" | "xdivy":
                return self._product(self._terms(x), self._raised(self._terms(form.args[1]), -1.0))
            case "reciprocal":
                return self._raised(self._terms(x), -1.0)
            case "square":
                return self._raised(self._terms(x), 2.0)
            case "power":
                exponent = _number(form.args[1])
                if exponent is not None and exponent.is_integer():
                    return self._raised(self._terms(x), exponent)
            case "broadcast_to":
                return self._terms(x)
            case "(fit)" if self._shape(x) == form.args[1]:
                return self._terms(x)
            case name if name in SAME and self._shape(x) == self._shape(form):
                return self._terms(x)
        return self._call(form)

    def _call(self, form: Form) -> list[Term]:
        """A call as one factor: its operands simplified, constant factors and inverse functions taken out."""
        factor = 1.0
        args = [self._operand(x) for x in form.args]
        if form.name in LINEAR or form.name == "matmul":
            for i, x in enumerate(args[: 2 if form.name == "matmul" else 1]):
                number, args[i] = self._coefficient(x)
                factor *= number
        inner = args[0] if args and isinstance(args[0], Form) else None
        if inner is not None and len(args) == 1:
            if (form.name, inner.name) in INVERSE:
                return self._terms(inner.args[0])
            if name := KNOWN.get((form.name, inner.name)):
                return _atom(Form(name, inner.args, inner.params))
            if form.name == inner.name == "matrix_transpose":
                return _scaled(self._terms(inner.args[0]), factor)
        made = Form(form.name, tuple(args), form.params)
        if form.name == "sum" and self._adds_up_to_one(args[0], made):
            return [(factor, {})]
        return _scaled(_atom(made), factor)

    def _operand(self, x: Any) -> Any:
        """An operand of a call, which keeps its shape."""
        if not isinstance(x, Form):
            return x
        short, shape = self._built(self._terms(x)), self._shape(x)
        if shape is None or not isinstance(short, Form | Name):
            return x
        return short if self._shape(short) == shape else x  # sum(-row) differs if row is broadcast

    def _coefficient(self, x: Any) -> tuple[float, Any]:
        """The constant factor of a formula, and the rest."""
        shape = self._shape(x)
        if not isinstance(x, Form) or shape is None:
            return 1.0, x
        terms = self._terms(x)
        number = _common(terms)
        if number in (0.0, 1.0) or any(not factors for _, factors in terms):
            return 1.0, x
        rest = self._built(_scaled(terms, 1 / number))
        return (number, rest) if self._shape(rest) == shape else (1.0, x)

    def _adds_up_to_one(self, x: Any, whole: Form) -> bool:
        """Whether a sum is 1: a softmax's along its axis, or that of data such as probabilities."""
        if isinstance(x, Form) and x.name == "softmax":
            axis = whole.params.get("axis")
            return axis is not None and axis == x.params.get("axis", -1)
        if x not in self._constants or not np.allclose(self._array(whole), 1.0, rtol=1e-12, atol=0):
            return False
        self.remarks[f"{self._called(whole)} = 1"] = None
        return True

    def _sum(self, terms: Iterable[Term]) -> list[Term]:
        """A sum, with products of sums expanded where that is shorter."""
        whole = _collected(terms)
        apart = [part for term in whole for part in self._multiplied_out(term)]
        if len(apart) == len(whole) or len(apart) > TERMS:
            return whole
        apart = _collected(apart)
        return apart if _cost(self._built(apart)) < _cost(self._built(whole)) else whole

    def _multiplied_out(self, term: Term) -> list[Term]:
        number, factors = term
        found: list[Term] = [(number, {})]
        for key, (part, n) in factors.items():
            several = n == 1 and isinstance(part, Form) and part.name in ("add", "subtract")
            terms = self._terms(part) if several else [(1.0, {key: (part, n)})]
            found = [made for a in found for b in terms for made in _multiplied([a], [b])][: TERMS + 1]
        return found

    def _product(self, one: list[Term], other: list[Term]) -> list[Term]:
        """A product, expanded only where that is shorter; a number stays before a sum."""
        for number, rest in ((one, other), (other, one)):
            if len(number) == 1 < len(rest) and not number[0][1]:
                return _scaled(rest, -1.0) if number[0][0] == -1 else _scaled(self._whole(rest), number[0][0])
        whole = _multiplied(self._whole(one), self._whole(other))
        if len(one) == 1 == len(other) or len(one) * len(other) > TERMS:
            return whole
        apart = _collected(term for a in one for b in other for term in _multiplied([a], [b]))
        return apart if _cost(self._built(apart)) < _cost(self._built(whole)) else whole

    def _raised(self, terms: list[Term], exponent: float) -> list[Term]:
        ((number, factors),) = self._whole(terms) or [(0.0, {})]
        if number == 0.0 and exponent < 0:
            return [(math.nan, {})]
        with np.errstate(all="ignore"):
            power = float(np.float64(number) ** exponent)
        if not math.isfinite(power) or (power == 0.0) != (number == 0.0):  # (10·x)⁴⁰⁰: 10⁴⁰⁰ is not a float64
            whole = self._built(terms)
            return [(1.0, {_key(whole): (whole, exponent)})]
        return [(power, {key: (part, n * exponent) for key, (part, n) in factors.items()})]

    def _whole(self, terms: list[Term]) -> list[Term]:
        """A sum as one factor of a product, its common number taken out."""
        if len(terms) <= 1:
            return terms or [(0.0, {})]
        number = _common(terms)
        return _scaled(_atom(self._built(_scaled(terms, 1 / number))), number)

    def _built(self, terms: list[Term]) -> Any:
        """The formula of a sum of products: positive terms first, a number last."""
        ordered = sorted((t for t in terms if t[0]), key=lambda term: (not term[1], term[0] < 0))
        if ordered and ordered[0][0] < 0 < ordered[-1][0]:  # 1 - a, and not -a + 1
            ordered = [*ordered[-1:], *ordered[:-1]]
        built: Any = None
        for number, factors in ordered:
            if built is None:
                built = _term(number, factors)
            else:
                name, size = ("add", number) if number > 0 or math.isnan(number) else ("subtract", -number)
                built = Form(name, (built, _term(size, factors)))
        return 0.0 if built is None else built


def _atom(part: Any) -> list[Term]:
    return [(1.0, {_key(part): (part, 1.0)})]


def _number(x: Any) -> float | None:
    """The number of a constant, also of a 0-d array; None for anything else."""
    if isinstance(x, Form | Name | bool | str) or x is None or np.ndim(x):
        return None
    try:
        return float(x)
    except (TypeError, ValueError):
        return None


def _scaled(terms: list[Term], by: float) -> list[Term]:
    return [(_times(number, by), factors) for number, factors in terms]


def _times(one: float, other: float) -> float:
    """The product. Raises `OverflowError` where it is too small or too large for a float."""
    if is_out_of_range(one * other, one, other):
        raise OverflowError
    return one * other


def _common(terms: list[Term]) -> float:
    """The common factor of all terms: their absolute value if it is the same, negative if all terms are."""
    sizes = {abs(number) for number, _ in terms}
    size = sizes.pop() if len(sizes) == 1 else 1.0
    return -size if all(number < 0 for number, _ in terms) else size


def _multiplied(one: list[Term], other: list[Term]) -> list[Term]:
    ((number, factors),), ((times, more),) = one, other
    together = dict(factors)
    for key, (part, n) in more.items():
        total = n + together.get(key, (part, 0.0))[1]
        together[key] = (part, total)
    return [(_times(number, times), {key: found for key, found in together.items() if found[1]})]


def _collected(terms: Iterable[Term]) -> list[Term]:
    """The terms, those with the same factors added up."""
    found: dict[Any, Term] = {}
    for number, factors in terms:
        key = frozenset((name, n) for name, (_, n) in factors.items())
        found[key] = (found[key][0] + number if key in found else number, factors)
    return [term for term in found.values() if term[0]]


def _term(number: float, factors: Factors) -> Any:
    above = [_power(part, n) for part, n in sorted(factors.values(), key=lambda factor: _is_call(factor[0])) if n > 0]
    below = [_power(part, -n) for part, n in factors.values() if n < 0]
    made: Any = None
    for part in above:
        made = part if made is None else Form("multiply", (made, part))
    if made is None or abs(number) != 1:
        number = int(number) if number.is_integer() and abs(number) < 2**53 else number
        made = number if made is None else Form("multiply", (number, made))
    elif number == -1:
        made = Form("negative", (made,))
    divisor: Any = None
    for part in below:
        divisor = part if divisor is None else Form("multiply", (divisor, part))
    return made if divisor is None else Form("divide", (made, divisor))


def _is_call(part: Any) -> bool:
    """Whether a factor is a function call such as sin(x), which is written after x and (1 - x)."""
    return isinstance(part, Form) and part.name not in ("add", "subtract", "matmul", "matrix_transpose", "getitem")


def _power(part: Any, n: float) -> Any:
    return part if n == 1 else Form("power", (part, int(n)))


def _key(x: Any) -> str:
    """A key that equal formulas share."""
    if isinstance(x, Form):
        params = ", ".join(f"{name}={_key(value)}" for name, value in sorted(x.params.items()) if value is not None)
        return f"{x.name}({', '.join(map(_key, x.args))}; {params})"
    if isinstance(x, tuple | list):
        return f"[{', '.join(map(_key, x))}]"
    if isinstance(x, Name | slice | str | bool) or x is None:
        return repr(x)
    number = _number(x)
    return f"@{id(x)}" if number is None else str(number)


def _cost(form: Any) -> int:
    """The number of names, numbers and calls in a formula."""
    return 1 + sum(map(_cost, form.args)) if isinstance(form, Form) else len(form) if isinstance(form, tuple) else 1


def substituted(form: Any, forms: Mapping[Name, Any], limit: int) -> Any:
    """The formula with names replaced by their formulas, and so on; None where that has more than ``limit`` parts."""
    count = 0

    def put(x: Any) -> Any:
        nonlocal count
        count += 1
        if count > limit:
            raise OverflowError
        if isinstance(x, Name) and x in forms:
            return put(forms[x])
        if isinstance(x, Form):
            return Form(x.name, tuple(map(put, x.args)), {name: put(value) for name, value in x.params.items()})
        return type(x)(map(put, x)) if type(x) in (tuple, list) else x

    try:
        return put(form)
    except OverflowError:
        return None
