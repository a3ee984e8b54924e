"""Minified scripts, style sheets and drawings for pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import count, zip_longest
from string import ascii_lowercase

import numpy as np

from glassgrad.viz.drawing import words

TOKEN = re.compile(
    r"""(?P<space>(?:\s|/\*.*?\*/|//[^\n]*)+)|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<word>[\w$]+)|(?P<mark>.)""",
    re.DOTALL,
)
PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
BEFORE_PATTERN = "(,=:[!&|?{};+>\n"


@lru_cache(maxsize=8)
def script(text: str) -> str:
    """A script without comments and without blanks that separate nothing.

    >>> script("const a = 'x  y', b = `${ a } !`;  // said twice\\n\\nif (a) {\\n  return /a b/.test(b) ;\\n}")
    "const a='x  y',b=`${ a } !`;if(a){return/a b/.test(b)}"
    >>> script("const blank = t => /^[ ] +$/.test(t);")
    'const blank=t=>/^[ ] +$/.test(t);'
    """
    out: list[str] = []
    opened: list[bool] = []  # for each bracket, whether it is the head of a statement, which may be empty: `for (;;);`
    last, gap, word, is_head = "\n", "", "", False
    for kind, token in _tokens(text):
        if kind == "space":
            gap = "\n" if "\n" in token or gap == "\n" else " "
            continue
        if gap == "\n" and last not in "{;,(\n" and token[0] not in "})":
            out.append("\n")  # it may end a statement
        elif gap and ((_is_word(last) and _is_word(token[0])) or (last == token[0] and last in "+-/")):
            out.append(" ")
        if token == "}" and last == ";" and not is_head:
            out.pop()
        out.append(token)
        if token == "(":
            opened.append(word in ("if", "for", "while"))
        if token != ";":
            is_head = opened.pop() if token == ")" else token == "else"
        last, gap, word = token[-1], "", token
    return "".join(out)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The tokens of a script and their kinds; a template literal is one."""
    at, last = 0, "\n"
    while at < len(text):
        slash = text[at] == "/" and text[at + 1 : at + 2] not in ("/", "*")
        pattern = PATTERN.match(text, at) if slash and (last[-1] in BEFORE_PATTERN or last == "return") else None
        if text[at] == "`":
            kind, end = "template", words.template_parts(text, at + 1)[2]
        elif pattern:
            kind, end = "pattern", pattern.end()
        else:
            found = TOKEN.match(text, at)
            assert found is not None
            kind, end = str(found.lastgroup), found.end()
        token = text[at:end]
        yield kind, token
        at, last = end, last if kind == "space" else token


def _is_word(char: str) -> bool:
    return char.isalnum() or char in "_$"


def renamed(text: str) -> str:
    """A script with short names for what it declares; properties, keys and texts stay.

    >>> renamed("const width = 1, of = {width, high: width}; f(of.width, `${width} width`);")
    'const a0 = 1, of = {width:a0, high: a0}; f(of.width, `${a0} width`);'
    """
    counts = Counter(re.findall(r"[\w$]+", text))
    declared = re.findall(r"\b(?:const|let|class|function\*?) ([\w$]{3,})|,([\w$]{3,})=(?![=>])|\b([\w$]{3,})=>", text)
    lists = re.findall(r"\b(?:const|let) \[([^\]]*)\]|\bfunction\*? [\w$]*\(([^)]*)\)|\(([\w$, ]*)\)=>", text)
    wanted = {name for names in declared for name in names if name}
    wanted |= {name for names in lists for name in re.findall(r"[\w$]{3,}", " ".join(names))}
    ranked = sorted(wanted - NOT_NAMES, key=lambda name: (-counts[name], name))
    free = (made for i in count() if (made := f"{ascii_lowercase[i % 26]}{np.base_repr(i // 26, 36)}") not in counts)
    return _with(text, {name: next(free) for name in ranked})


def _with(text: str, short: dict[str, str]) -> str:
    tokens = list(_tokens(text))
    marks = [token for kind, token in tokens if kind != "space"]
    out: list[str] = []
    inside = [""]  # the bracket around a token: "o" is the brace of an object or a pattern, "class" that of a class
    at = -1
    for kind, token in tokens:
        at += kind != "space"
        last, before = (marks[at - i] if at >= i else "" for i in (1, 2))
        following = marks[at + 1] if at + 1 < len(marks) else ""
        if kind == "template":
            parts, expressions, _ = words.template_parts(token, 1)
            holes = [f"${{{_with(expression, short)}}}" for expression in expressions]
            token = "`" + "".join(x for pair in zip_longest(parts, holes, fillvalue="") for x in pair) + "`"
        elif kind == "mark" and token in "([{":
            is_class = token == "{" and before == "class"
            inside.append("class" if is_class else "o" if token == "{" and last in OBJECTS else token)
        elif kind == "mark" and token in ")]}":
            inside.pop()
        elif kind == "word" and token in short and not (last == "." and before != "."):
            is_entry = inside[-1] == "o" and last in "{,"
            if is_entry and following in ",}=":
                token = f"{token}:{short[token]}"
            elif not (is_entry and following in ":(") and not (inside[-1] == "class" and following == "("):
                token = short[token]
        out.append(token)
    return "".join(out)


NOT_NAMES = {"undefined", "null", "true", "false", "Infinity", "parent", "name", "status", "event", "self", "length"}
"""Values of parameters in a list of them, and parameters whose names a browser gives to something else."""

OBJECTS = {*"(,=:?[|&", "return", "const", "let"}  # before the brace of an object or a pattern


ONLY = re.compile(r"/\* only: (\w+) \*/(.*?)/\* end \*/", re.DOTALL)


def needed(text: str, kinds: Collection[str]) -> str:
    """A script without the parts that are only for other kinds of pages.

    >>> needed("one(); /* only: large */ two(); /* end */ three();", ["long"])
    'one();  three();'
    """
    return ONLY.sub(lambda part: part[2] if part[1] in kinds else "", text)


def style(text: str) -> str:
    """A style sheet without comments and unnecessary blanks.

    >>> style("/* a */\\n.a > b, .c { color: red; width: calc(1px + 2px) }\\n")
    '.a>b,.c{color:red;width:calc(1px + 2px)}'
    """
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" ?([{};,>]) ?", r"\1", re.sub(r": (?=[^{}]*[;}])", ":", text)).replace(";}", "}")
