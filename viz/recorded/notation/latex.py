"""LaTeX of names, numbers, shapes and texts."""

from __future__ import annotations

import re
import unicodedata

from glassgrad.viz.drawing.words import said
from glassgrad.viz.recorded.names import tex_named_derivative

GREEK = {
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon", "η": r"\eta", "θ": r"\theta",
    "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu", "ν": r"\nu", "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau",
    "φ": r"\varphi", "χ": r"\chi", "ψ": r"\psi", "ω": r"\omega",
}  # fmt: skip
_MATH_ESCAPES = {
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$",
    "^": r"\hat{\ }", "~": r"\sim ",
}  # fmt: skip


def tex_name(name: str) -> str:
    r"""A name in LaTeX: a letter with its index as such, a word upright, characters other than ASCII as text: pdfLaTeX
    has them in no mathematical font.

    >>> tex_name("W1"), tex_name("σ"), tex_name("a b.weight"), tex_name("ẋ2"), tex_name("größe")
    ('W_{1}', '\\sigma', '\\mathrm{a\\ b.weight}', '\\dot{x}_{2}', '\\mathrm{gr\\text{öß}e}')
    """
    if name.startswith("∂") and (written := tex_named_derivative(name, tex_name)):
        return written
    if name.startswith("1 - ") or name.endswith("ᵀ"):  # of constants
        return f"1 - {tex_name(name[4:])}" if name.startswith("1 - ") else f"{tex_name(name[:-1])}^{{T}}"
    if match := re.fullmatch(r"([^\W\d_])(\u0307?)_?(\d*)", unicodedata.normalize("NFD", name)):
        letter = _as_text(GREEK.get(match[1], match[1]))
        letter = rf"\dot{{{letter}}}" if match[2] else letter
        return f"{letter}_{{{match[3]}}}" if match[3] else letter
    return rf"\mathrm{{{_as_text(tex_escape(name))}}}"


def _as_text(name: str) -> str:
    return re.sub(r"[^\x00-\x7f]+", lambda match: rf"\text{{{match[0]}}}", name).replace(" ", r"\ ")


def brackets(tex: str) -> str:
    r"""A formula in brackets, which grow only where it is taller than a line.

    >>> brackets("a + b"), brackets(r"\frac{a}{b}")
    ('(a + b)', '\\left(\\frac{a}{b}\\right)')
    """
    tall = any(word in tex for word in (r"\frac", r"\sum", r"\prod", r"\left"))
    return rf"\left({tex}\right)" if tall else f"({tex})"


def tex_escape(text: str) -> str:
    """Text for mathematics, its special characters escaped."""
    return "".join(_MATH_ESCAPES.get(c, c) for c in text)


def tex_word(text: str) -> str:
    """A word upright in mathematics."""
    return rf"\mathrm{{{tex_escape(text)}}}"


# ---------------------------------------------------------------- text

_TEXT_ESCAPES = {c: f"\\{c}" for c in "{}%#&$_"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
_MATHEMATICAL = (
    GREEK
    | {c: rf"{{}}^{{{plain}}}" for c, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ", [*"0123456789-", "T"], strict=True)}
    | {"∂": r"\partial", "·": r"\cdot", "×": r"\times", "√": r"\surd", "Σ": r"\Sigma", "Π": r"\Pi", "…": r"\ldots"}
    | {"≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "−": "-", "<": "<", ">": ">", "|": "|"}
)


def text_mode(text: str) -> str:
    r"""Text for `\text{}`: special characters escaped, mathematical ones as mathematics.

    >>> text_mode("q = x·y_1"), text_mode("along ẋ")
    ('q = x$\\cdot$y\\_1', 'along $\\dot{x}$')
    """
    out = ""
    for i, part in enumerate(re.split("(\\w\u0307)", unicodedata.normalize("NFD", text))):
        plain = unicodedata.normalize("NFC", part)
        shown = (f"${_MATHEMATICAL[c]}$" if c in _MATHEMATICAL else _TEXT_ESCAPES.get(c, c) for c in plain)
        out += rf"$\dot{{{part[0]}}}$" if i % 2 else "".join(shown)
    return out


def tex_said(sentence: str, **fields: str) -> str:
    r"""A sentence in the present language, its words as `\text{}` and its fields as mathematics.

    >>> tex_said("from step {step}", step="t+1")
    '\\text{from step }t+1'
    """
    parts = re.split(r"\{(\w+)\}", said(sentence))
    return "".join(fields[part] if k % 2 else rf"\text{{{part}}}" for k, part in enumerate(parts) if part)


def tex_number(text: str) -> str:
    r"""Numbers in LaTeX.

    >>> tex_number("2 × 4.14e-5")
    '2 \\times 4.14 \\cdot 10^{-5}'
    """
    text = re.sub(r"(?<=\d)e(-?\d+)", r" \\cdot 10^{\1}", text.replace("×", r"\times"))
    return text.replace("π", r"\pi").replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")


def fallback(c: str) -> str:
    """The LaTeX for a character that pdfLaTeX may have no glyph for."""
    if c in _MATHEMATICAL:
        return rf"\ensuremath{{{_MATHEMATICAL[c]}}}"
    plain = "".join(d for d in unicodedata.normalize("NFKD", c) if d.isascii())
    return plain if plain.isalnum() else rf"\text{{[U+{ord(c):04X}]}}"
