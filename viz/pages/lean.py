"""Minified scripts, style sheets and drawings for pages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from glassgrad.viz.drawing import words

TOKEN = re.compile(
    r"""(?P<space>(?:\s|/\*.*?\*/|//[^\n]*)+)|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<word>[\w$]+)|(?P<mark>.)""",
    re.DOTALL,
)
PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
BEFORE_PATTERN = "(,=:[!&|?{};+>\n"


def script(text: str) -> str:
    """A script without comments and without blanks that separate nothing.

    >>> script("const a = 'x  y', b = `${ a } !`;  // said twice\\n\\nif (a) {\\n  return /a b/.test(b) ;\\n}")
    "const a='x  y',b=`${ a } !`;if(a){return/a b/.test(b);}"
    >>> script("const blank = t => /^[ ] +$/.test(t);")
    'const blank=t=>/^[ ] +$/.test(t);'
    """
    out: list[str] = []
    last, gap = "\n", ""
    for kind, token in _tokens(text):
        if kind == "space":
            gap = "\n" if "\n" in token or gap == "\n" else " "
            continue
        if gap == "\n" and last not in "{;,(\n" and token[0] not in "})":
            out.append("\n")  # it may end a statement
        elif gap and ((_is_word(last) and _is_word(token[0])) or (last == token[0] and last in "+-/")):
            out.append(" ")
        out.append(token)
        last, gap = token[-1], ""
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


LOOKS = re.compile(r' (fill|stroke|stroke-width|stroke-dasharray|font-weight|font-style|font-size)="([^"]*)"')


def drawing(svg: str, colours: Mapping[str, str]) -> tuple[str, str]:
    """Graphviz's SVG without comments, defaults and the names of edges, each card as one shape; and a style sheet.

    Frequent attributes become classes of the style sheet, with ``colours`` as the theme's variables.

    >>> drawing('<text xml:space="preserve" x="1.26" font-size="9.00" fill="#1c2128">&#45;1</text>', {"#1c2128": "ink"})
    ('<text class="s0" x="1.3">-1</text>', '.s0{fill:var(--ink);font-size:9px}')
    """
    svg = re.sub(r"<!-- .*? -->\n", "", svg)
    svg = re.sub(r'(<g id="graph0"[^>]*>\n)<polygon [^>]*/>\n', r"\1", svg)  # the paper, which is the page's
    svg = re.sub(r"(<g id=\"\w+\" class=\"(?:edge|node)[^>]*>\n)<title>[^<]*</title>\n", r"\1", svg)
    svg = svg.replace(' xml:space="preserve"', "").replace(' text-anchor="start"', "").replace('.00"', '"')
    svg = svg.replace("&#45;", "-").replace("&#160;", "\u00a0")
    svg = svg.replace("scale(1 1) rotate(0) ", "").replace('"node ', '"')
    for name, places in (("path", "d"), ("polygon", "points")):
        svg = re.sub(
            rf'<{name} fill="([^"]+)" stroke="none" {places}="([^"]*)"/>\n'
            rf'<{name} fill="none" stroke="([^"]+)" {places}="\2"/>',
            rf'<{name} fill="\1" stroke="\3" {places}="\2"/>',
            svg,
        )
    svg = re.sub("\u00a0+(?=</text>)", "", svg)  # room that was left for longer numbers
    svg = re.sub(r"<text[^>]*>\s*</text>\n|<desc>[^<]*</desc>\n", "", svg)
    svg = re.sub(r' (d|points|x|y)="([^"]*)"', _rounded, svg)
    svg = re.sub(r'(<polygon [^>]*points="(\S+) [^"]*) \2"', r'\1"', svg)  # a polygon is closed anyway
    looks: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        given = dict(LOOKS.findall(found[0]))
        if not given or any(value.startswith("#") and value not in colours for value in given.values()):
            return found[0]  # a pixel of a thumbnail
        units = {"font-size": "px"}
        values = {k: f"var(--{colours[v]})" if v in colours else v + units.get(k, "") for k, v in given.items()}
        rule = ";".join(f"{k}:{values[k]}" for k in sorted(values))
        look = looks.setdefault(rule, f"s{len(looks)}")
        return f'<{found[1]} class="{look}"{LOOKS.sub("", found[2])}>'

    svg = re.sub(r"<(path|rect|polygon|polyline|ellipse|text)((?: [\w:-]+=\"[^\"]*\")+/?)>", named, svg)
    return svg, "".join(f".{look}{{{rule}}}" for rule, look in looks.items())


def _rounded(found: re.Match[str]) -> str:
    """Coordinates to a tenth of a point."""
    places = re.sub(r"-?\d+\.\d{2}", lambda x: f"{float(x[0]):.1f}".removesuffix(".0"), found[2])
    return f' {found[1]}="{places}"'
