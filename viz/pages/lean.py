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
    """A script without comments and without blanks that separate nothing; constants in a row are one statement.

    >>> script("const a = 'x  y', b = `${ a } !`;  // said twice\\n\\nif (a) {\\n  return /a b/.test(b) ;\\n}")
    "const a='x  y',b=`${a} !`;if(a){return/a b/.test(b)}"
    >>> script("const a = () => { f(); g(); };\\nconst b = 1; h(); const c = 2; for (;;);")
    'const a=()=>{f();g()},b=1;h();const c=2;for(;;);'
    >>> script("const blank = t => /^[ ] +$/.test(t);")
    'const blank=t=>/^[ ] +$/.test(t);'
    """
    out: list[str] = []
    begun = [""]  # the first word of the statement, for each open bracket
    before: list[str] = []  # and the word before the bracket
    gap, head = "", ""

    def add(token: str) -> None:
        nonlocal gap, head
        if out[-1:] == [";"]:
            first, begun[-1] = begun[-1], ""
            if token == "}" and (out[-2] != ")" or head not in ("for", "while", "if")):  # there it is an empty body
                out.pop()
            elif token == first == "const":
                out[-1], begun[-1], gap = ",", "const", ""
                return
        begun[-1] = begun[-1] or token
        if token in "([{":
            begun.append("")
            before.append(out[-1] if out else "")
        elif token in ")]}":
            begun.pop()
            head = before.pop()
        last = out[-1][-1] if out else "\n"
        joined = (_is_word(last) and _is_word(token[0])) or (last == token[0] and last in "+-/")
        if gap and joined:
            out.append(" ")
        elif gap == "\n" and last not in "{;,(\n" and token[0] not in "})":
            out.append("\n")
            begun[-1] = token
        out.append(token)
        gap = ""

    for kind, token in _tokens(text):
        if kind == "space":
            gap = "\n" if "\n" in token or gap == "\n" else " "
        else:
            add(_template(token) if kind == "template" else token)
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


def texts(script: str) -> Iterator[str]:
    r"""The texts of a script: those in quotes, and the parts of templates.

    >>> list(texts("f(`a ${b ? 'c' : `d ${e}`}`, /'/, \"g\")"))
    ['a ', '', "'c'", 'd ', '', '"g"']
    """
    for kind, token in _tokens(script):
        if kind == "text":
            yield token
        elif kind == "template":
            parts, expressions, _ = words.template_parts(token, 1)
            yield from parts
            for expression in expressions:
                yield from texts(expression)


def _template(text: str) -> str:
    """A template literal with its expressions minified; templates nested in it become part of its text."""
    first, *parts = words.template_parts(text, 1)[0]
    made = f"`{first}"
    for expression, part in zip(words.template_parts(text, 1)[1], parts, strict=True):
        code = script(expression)
        is_text = code[0] == "`" and words.template_parts(code, 1)[2] == len(code)
        made += (code[1:-1] if is_text else f"${{{code}}}") + part
    return f"{made}`"


def _is_word(char: str) -> bool:
    return char.isalnum() or char in "_$"


ONLY = re.compile(r"/\* only: (\w+) \*/(.*?)/\* end \*/", re.DOTALL)


def needed(text: str, kinds: Collection[str]) -> str:
    """A script without the parts that are only for other kinds of pages.

    >>> needed("one(); /* only: large */ two(); /* end */ three();", ["long"])
    'one();  three();'
    """
    return ONLY.sub(lambda part: part[2] if part[1] in kinds else "", text)


def used(sheet: str, page: str) -> str:
    """A style sheet without the rules of classes and ids that do not occur in ``page``.

    >>> used(".a{color:red}.x,.c i{color:blue}@media print{#d{color:red}}", '<b class="a c">')
    '.a{color:red}.c i{color:blue}@media print{}'
    >>> used(".a:is(.b,.c):not(.x),p:is(.x){color:red}", '<i class="a c">')
    '.a:is(.c):not(.x){color:red}'
    """
    there = set(re.findall(r"[\w-]+", page))

    def known(selector: str) -> bool:
        return there.issuperset(re.findall(r"[.#]([\w-]+)", selector))

    def kept(rule: re.Match[str]) -> str:
        selectors = []
        for selector in re.split(r",(?![^(]*\))", rule[1]):
            cut = re.sub(r":is\((.*?)\)", lambda some: f":is({','.join(filter(known, some[1].split(',')))})", selector)
            if ":is()" not in cut and known(re.sub(r":not\(.*?\)", "", cut)):
                selectors.append(cut)
        return f"{','.join(selectors)}{{{rule[2]}}}" if selectors else ""

    return re.sub(r"([^{}]+)\{([^{}]*)\}", kept, sheet)


def read(variables: str, sheet: str) -> str:
    """Style variables without those that a style sheet doesn't read.

    >>> read(":root{--a:red;--b:blue;color-scheme:dark}", "p{color:var(--b)}")
    ':root{--b:blue;color-scheme:dark}'
    """
    return re.sub(r"--(\w+):[^;{}]*;", lambda variable: variable[0] if f"(--{variable[1]})" in sheet else "", variables)


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
    svg = re.sub(r'(?<= d=")M([-\d.,]+)C([^"a-zA-Z]+)(?=")', _straight, svg)
    svg = re.sub(rf'<path([^>]*) d="{CARD}"', _rectangle, svg)
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


CORNER = r"C\S+ \S+ ([-\d.]+),([-\d.]+)"
CARD = rf"M[-\d.]+,([-\d.]+)H([-\d.]+){CORNER}V[-\d.]+{CORNER}H[-\d.]+{CORNER}V[-\d.]+{CORNER}"


def _rectangle(found: re.Match[str]) -> str:
    """A path round four corners as a rectangle."""
    low, bend, right, _, _, top, left = map(float, found.groups()[1:8])
    place = {"x": left, "y": top, "width": right - left, "height": low - top, "rx": right - bend}
    said = (f' {name}="{x:.1f}"'.replace('.0"', '"') for name, x in place.items())
    return f"<rect{found[1]}{''.join(said)}"


def _straight(found: re.Match[str]) -> str:
    """A path in which curves that are straight, such as the sides of a card, are lines."""
    at: str = found[1]
    points: list[str] = found[2].split()
    path = f"M{at}"
    for first, second, end in zip(points[::3], points[1::3], points[2::3], strict=True):
        (x, y), (u, v) = at.split(","), end.split(",")
        if first == at and second == end:
            path += f"H{u}" if y == v else f"V{v}" if x == u else f"L{end}"
        else:
            path += f"C{first} {second} {end}"
        at = end
    return path
