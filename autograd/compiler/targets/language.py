"""`Language`: how an instruction's expression, a number and a name are written in C and JavaScript.

Most of the expressions are the same text in both. A new row in `ALIKE` or `FUNCTIONS` serves both.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Language:
    """A language with arrays and loops, ``title`` in messages.

    ``expressions``: templates by operation, over the arguments (``{0}``) and, in C, the result's type ``{T}``.
    ``reductions``: for each reduction a template that combines the result so far ``{a}`` with the next element ``{b}``,
    and the result of no elements. ``literal(number, dtype)`` writes a number. ``words``: names that no variable has.
    ``types``: the dtypes that the language has, with the type of an array's elements, or of the array.

    ``special``: other expressions for results of some dtypes, or of some kinds of dtype. ``rounding``: for the dtypes
    that arithmetic does not give, the template of a conversion. ``rounded(text, dtype)``: the result of arithmetic as a
    number of ``dtype``; ``cast(name, given, dtype)``: a variable of dtype ``given``, converted to ``dtype``.
    ``declares``: the first words of the declarations of a variable and of a constant; ``integer``: that of a loop
    variable. ``comment``: a template for a text that ``safe`` has made fit for it. ``ascii``: whether names are limited
    to ASCII.
    """

    expressions: dict[str, str]
    reductions: Mapping[str, tuple[str, str]]
    literal: Callable[[Any, Any], str]
    words: frozenset[str]
    types: Mapping[str, str]
    title: str
    special: Mapping[str, Mapping[str, str]]
    rounding: Mapping[str, str]
    rounded: Callable[[str, Any], str]
    cast: Callable[[str, Any, Any], str]
    declares: tuple[str, str]
    integer: str
    comment: str
    safe: Callable[[str], str]
    ascii: bool

    def computed(self, op: str, terms: list[str], dtype: Any, exponent: Any = None) -> str:
        """The expression of an operation for a result of ``dtype``; ``exponent``: that of a power, if known."""
        kind = str(dtype)
        rows = [self.special.get(kind, {}), self.special.get(dtype.kind, {}), self.expressions]
        if op == "power" and exponent in _POWERS and dtype.kind == "f":
            rows = [{op: _POWERS[exponent]}]
        template = next(row[op] for row in rows if op in row)
        text = template.format(*terms, T=self.types[kind], F="f" if kind == "float32" else "")
        return text if op in EXACT else self.rounding.get(kind, "{}").format(text)


# ------------------------------------------------------------------------------------------------- common to languages

FUNCTIONS = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "exp", "expm1", "floor", "log", "log10",
    "log1p", "log2", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
)  # fmt: skip
"""The functions of one number that <math.h> and ``Math`` have by the name that NumPy has."""

OF_TWO = ("atan2", "hypot")
"""The functions of two numbers that <math.h> and ``Math`` have by the name that NumPy has."""

COMPARISONS = {
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
}  # fmt: skip

ALIKE = {
    **{op: f"{{0}} {sign} {{1}}" for op, sign in COMPARISONS.items()},
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negative": "-{0}",
    "positive": "{0}",
    "square": "{0} * {0}",
    "reciprocal": "1 / {0}",
    # a NaN is returned, as in NumPy
    "maximum": "(({0} > {1}) || ({0} != {0})) ? {0} : {1}",
    "minimum": "(({0} < {1}) || ({0} != {0})) ? {0} : {1}",
    "sign": "({0} > 0) ? 1 : (({0} < 0) ? -1 : {0} + 0)",  # + 0: that of -0.0 is 0.0
    "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}",
    "bitwise_xor": "{0} ^ {1}",
    "where": "{0} ? {1} : {2}",
    "copy": "{0}",
    "broadcast_to": "{0}",
    "conj": "{0}",
    "isnan": "{0} != {0}",
    "logical_xor": "({0} != 0) != ({1} != 0)",
    "bitwise_invert": "!{0}",  # of truths: those of whole numbers are refused
}
"""The expressions that are the same in both languages."""

WORDS = frozenset((
    "a", "abstract", "acc", "alignas", "alignof", "arguments", "asm", "async", "atob", "auto", "await", "b", "bool",
    "boolean", "break", "byte", "case", "catch", "char", "class", "commit", "console", "const", "constexpr", "continue",
    "debugger", "default", "delete", "div", "do", "document", "double", "else", "enum", "eval", "export", "extends",
    "extern", "fabs", "false", "final", "finally", "float", "fmod", "for", "from", "function", "gamma", "get", "given",
    "goto", "i", "if", "implements", "import", "in", "index", "inline", "inputs", "instanceof", "int", "int16_t",
    "int32_t", "int64_t", "int8_t", "interface", "j", "j0", "j1", "jn", "k", "l", "labs", "let", "linux", "long", "m",
    "main", "memcpy", "memory", "memset", "n", "native", "new", "null", "nullptr", "of", "outputs", "package", "part",
    "pow", "private", "protected", "public", "register", "restrict", "return", "run", "scalb", "seen", "set", "short",
    "signed", "sizeof", "static", "static_assert", "step", "struct", "super", "switch", "synchronized", "table", "this",
    "thread_local", "throw", "throws", "transient", "true", "try", "typedef", "typeof", "uint16_t", "uint32_t",
    "uint8_t", "undefined", "union", "unix", "unsigned", "values", "var", "void", "volatile", "wchar_t", "while",
    "window", "with", "work", "y0", "y1", "yield", "yn", "Array", "BigInt64Array", "Error", "Float32Array",
    "Float64Array", "INFINITY", "Infinity", "Int16Array", "Int32Array", "Int8Array", "Math", "NAN", "NaN", "Number",
    "Object", "RangeError", "String", "T", "Uint16Array", "Uint32Array", "Uint8Array", "globalThis",
))  # fmt: skip
"""Names that no variable has: words and functions of either language, and names that scripts use themselves."""

_POWERS = {1: "{0}", 2: "{0} * {0}", 3: "{0} * {0} * {0}", -1: "1 / {0}"}

_SUMS = {"sum": ("{a} + {b}", "0"), "prod": ("{a} * {b}", "1")}


def _literal(number: Any, dtype: Any, missing: str, infinity: str, of_float: str = "", of_integer: str = "") -> str:
    """A number of ``dtype``, with the ends of a language; truths are 1 and 0."""
    if not math.isfinite(number):
        return missing if math.isnan(number) else infinity if number > 0 else f"(-{infinity})"
    text = f"{int(number)}{of_integer}" if dtype.kind in "iub" else f"{float(dtype.type(number))!r}{of_float}"
    return f"({text})" if text.startswith("-") else text


# ---------------------------------------------------------------------------------------------------------- JavaScript


def _js_literal(number: Any, dtype: Any) -> str:
    return _literal(number, dtype, "NaN", "Infinity").replace(".0)", ")").removesuffix(".0")


_NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64")

_JS_ARRAYS = {k: f"{k.capitalize()}Array" for k in _NUMBERS} | {"bool": "Uint8Array", "int64": "Float64Array"}

ROUNDED = {"float32": "Math.fround({})", "int64": "({}) + 0", "bool": "{} ? 1 : 0"}
"""Templates that convert the result of JavaScript's arithmetic, a double, to a dtype. An integer has no -0."""

EXACT = frozenset(("copy", "broadcast_to", "where", "maximum", "minimum", "positive", "sign", "conj"))
"""Operations whose result needs no rounding: one of their arguments, or a number that every dtype has."""

OF_WHOLE = EXACT | {"add", "subtract", "multiply", "negative", "astype"}
"""Operations that may have whole numbers as their result."""


def _js_cast(name: str, given: Any, dtype: Any) -> str:
    """The variable ``name`` of dtype ``given`` as a number of ``dtype``; only float32 may have to be rounded."""
    exact = given == dtype or given.kind == "b" or (given.itemsize < 4 and dtype.kind == "f")
    return name if exact or str(dtype) != "float32" else f"Math.fround({name})"


def safe_javascript(text: str) -> str:
    """``text`` on one line, with nothing that ends a script in HTML."""
    text = " ".join(re.split(r"[\n\r\u2028\u2029]+", text))
    return re.sub(r"<(?=[/!a-zA-Z?])", "< ", text)


def string(text: str) -> str:
    """``text`` as a string of JavaScript."""
    return json.dumps(safe_javascript(text))


JAVASCRIPT: Language = Language(
    {
        **{name: f"Math.{name}({{0}})" for name in (*FUNCTIONS, "abs", "cbrt")},
        **{name: f"Math.{name}({{0}}, {{1}})" for name in OF_TWO},
        **ALIKE,
        "power": "$power({0}, {1})",
        "exp2": "2 ** {0}",
        "rint": "$round({0})",
        "logaddexp": "$logaddexp({0}, {1})",
        "remainder": "$remainder({0}, {1})",
        "floor_divide": "$floor_divide({0}, {1})",
        "signbit": "{0} < 0 || 1 / {0} < 0",
        "copysign": "({1} < 0 || 1 / {1} < 0) ? -Math.abs({0}) : Math.abs({0})",
        "isfinite": "Math.abs({0}) < Infinity",
        "isinf": "Math.abs({0}) == Infinity",
        # a NaN is true
        "logical_and": "{0} != 0 && {1} != 0",
        "logical_or": "{0} != 0 || {1} != 0",
        "logical_not": "{0} == 0",
        "astype": "{0}",
    },
    {
        **_SUMS,
        "max": (ALIKE["maximum"].format("{a}", "{b}"), "-Infinity"),
        "min": (ALIKE["minimum"].format("{a}", "{b}"), "Infinity"),
        "all": ("{a} && {b} != 0 ? 1 : 0", "1"),
        "any": ("{a} || {b} != 0 ? 1 : 0", "0"),
    },
    _js_literal,
    WORDS,
    _JS_ARRAYS,
    title="JavaScript",
    special={"bool": {"astype": "{0} != 0"}, "i": {"astype": "Math.trunc({0})"}},
    rounding=ROUNDED,
    rounded=lambda text, dtype: text if str(dtype) == "int64" else JAVASCRIPT.computed("astype", [text], dtype),
    cast=_js_cast,
    declares=("let", "const"),
    integer="let",
    comment="// {}",
    safe=safe_javascript,
    ascii=False,
)
"""JavaScript, with 1 and 0 for truths. Integers of 64 bits are doubles, which are exact up to 2⁵³. Names
with ``$`` are those of variables within loops, and of `autograd.compiler.targets.javascript.functions`."""

# ------------------------------------------------------------------------------------------------------------------- C

_OWN = ("exp", "expm1", "log", "log1p", "tanh")
"""The functions that ``c/functions.h`` has, which compilers turn into vector instructions; others are libm's."""

_WHOLE_TYPES = {"bool": "bool", **{kind: f"{kind}_t" for kind in _NUMBERS if "int" in kind}}
_C_ARRAYS = {**_WHOLE_TYPES, "float32": "float", "float64": "double"}


def _c_literal(number: Any, dtype: Any) -> str:
    text = _literal(number, dtype, "NAN", "INFINITY", "f" if str(dtype) == "float32" else "", "LL")
    return text.replace("-9223372036854775808LL", "INT64_MIN")  # which has no literal of its own


_C_EXPRESSIONS = {
    **{name: f"{name}{{F}}({{0}})" for name in (*FUNCTIONS, "cbrt", "exp2", "rint")},
    **{name: f"{name}{{F}}({{0}}, {{1}})" for name in (*OF_TWO, "copysign")},
    **ALIKE,
    "power": "pow{F}({0}, {1})",
    "abs": "fabs{F}({0})",
    "logical_and": "{0} && {1}",
    "logical_or": "{0} || {1}",
    "logical_not": "!{0}",
    "astype": "({T}){0}",
    **{name: f"gg_{name}{{F}}({{0}})" for name in _OWN},
    "maximum": "gg_maximum({0}, {1})",
    "minimum": "gg_minimum({0}, {1})",
    **{name: f"gg_{name}{{F}}({{0}}, {{1}})" for name in ("logaddexp", "remainder", "floor_divide")},
    "isfinite": "fabs({0}) < INFINITY",
    "isinf": "fabs({0}) == INFINITY",
    "signbit": "signbit((double){0}) != 0",
}
"""Templates; ``{F}`` is the suffix ``f`` of C's functions of float."""


def safe_c(text: str) -> str:
    """``text`` on one line, without what ends or begins a comment, and printable."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?").replace("\\", "\\ ")


C = Language(
    _C_EXPRESSIONS,
    {
        **_SUMS,
        "max": ("gg_maximum({a}, {b})", "-INFINITY"),
        "min": ("gg_minimum({a}, {b})", "INFINITY"),
        "all": ("{a} && ({b} != 0)", "true"),
        "any": ("{a} || ({b} != 0)", "false"),
    },
    _c_literal,
    WORDS | {*_C_EXPRESSIONS} | {f"{name}f" for name in (*FUNCTIONS, *OF_TWO, "fabs", "fmod", "pow")},
    _C_ARRAYS,
    title="C",
    special={"bool": {"astype": "{0} != 0", "abs": "{0}", "sign": "{0}"}},
    rounding={},
    rounded=lambda text, dtype: f"({_C_ARRAYS[str(dtype)]})({text})",
    cast=lambda name, given, dtype: name if given == dtype else f"({_C_ARRAYS[str(dtype)]}){name}",
    declares=("{}", "const {}"),
    integer="long",
    comment="/* {} */",
    safe=safe_c,
    ascii=True,
)
"""C with GCC's and Clang's extensions, and with the functions of ``c/functions.h``."""
