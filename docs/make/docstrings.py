"""Extension of griffe, which reads the source for mkdocstrings: the reference shows what ``help()`` shows."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe

from docs.make.examples import example
from docs.make.reference import members
from glassgrad.autograd import Op, Tensor

DOCS = Path(__file__).parents[1]
DOCTEST = re.compile(r"^([ \t]*)>>> .*(?:\n(?![ \t]*$).*)*(?:\n[ \t]*\n\1>>> .*(?:\n(?![ \t]*$).*)*)*", re.MULTILINE)


def fenced(text: str) -> str:
    """A docstring as Markdown: examples in a fence, literal blocks after ``::`` without the second colon, links."""

    def fence(found: re.Match[str]) -> str:
        return f"```pycon\n{textwrap.dedent(found[0])}\n```"

    def page(found: re.Match[str]) -> str:
        return f"[{found[1]}](../{found[1]}.html)" if (DOCS / f"{found[1]}.md").exists() else found[0]

    text = re.sub(r"`*\bdocs/([\w/-]+)\.md`*", page, text)
    return DOCTEST.sub(fence, re.sub(r"::\n\n(?=[ \t])", ":\n\n", text))


def rules(op: Op) -> str:
    """The derivative of an operation, as its declaration states it; '' where it has none."""
    shown = []
    for arg, (rule, _) in op.rules.items():
        try:
            source = inspect.getsource(rule)
        except OSError:
            continue
        shown.append((arg, source))
    texts = list(dict.fromkeys(textwrap.dedent(source).strip() for _, source in shown))
    return "Derivative, as declared:\n\n```python\n" + "\n\n".join(texts) + "\n```" if texts else ""


def documentation(inside: str, name: str, value: Any) -> str:
    """What the reference says of a public name: its docstring, an example, and an operation's derivative."""
    text = inspect.cleandoc(value.__doc__ or "") if not isinstance(value, float | int | str) else ""
    if isinstance(value, type) and text == inspect.cleandoc(getattr(value.__base__, "__doc__", "") or "-"):
        text = ""
    parts = [fenced(text)]
    if ">>>" not in text and (code := example(f"{inside}.{name}")):
        parts.append(f"```pycon\n{code}\n```")
    if isinstance(value, Op) and (derivative := rules(value)):
        parts.append(derivative)
    return "\n\n".join(part for part in parts if part)


def walk(obj: griffe.Object, seen: set[int]) -> Iterator[griffe.Object]:
    """The objects of a package, without those that are only imported."""
    if id(obj) not in seen:
        seen.add(id(obj))
        yield obj
        for member in obj.members.values():
            if not member.is_alias:
                yield from walk(member, seen)


def made(name: str, value: Any, parent: Any) -> griffe.Object:
    """What Python knows of a name that the source does not tell: a function with its signature, or a constant."""
    if not callable(value):
        return griffe.Attribute(name, value=repr(value), parent=parent)
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return griffe.Attribute(name, parent=parent)
    kinds = {
        inspect.Parameter.POSITIONAL_ONLY: griffe.ParameterKind.positional_only,
        inspect.Parameter.POSITIONAL_OR_KEYWORD: griffe.ParameterKind.positional_or_keyword,
        inspect.Parameter.VAR_POSITIONAL: griffe.ParameterKind.var_positional,
        inspect.Parameter.KEYWORD_ONLY: griffe.ParameterKind.keyword_only,
        inspect.Parameter.VAR_KEYWORD: griffe.ParameterKind.var_keyword,
    }
    own = [griffe.Parameter("self", kind=kinds[inspect.Parameter.POSITIONAL_OR_KEYWORD])] if name == "__init__" else []
    parameters = [
        griffe.Parameter(p.name, kind=kinds[p.kind], default=None if p.default is p.empty else repr(p.default))
        for p in signature.parameters.values()
    ]
    return griffe.Function(name, parameters=griffe.Parameters(*own, *parameters), parent=parent)


def resolved(member: Any) -> Any:
    """The function, class or constant that a member is; None where its source cannot be found."""
    try:
        target = member.final_target if member is not None and member.is_alias else member
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None
    return None if target is None or target.is_module else target


class Documentation(griffe.Extension):
    """Give public names the documentation that Python itself finds, and make doctests fenced blocks."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        """Complete the package that was read."""
        # griffe gives up on these stubs because it reads them before the modules that they name.
        places = {"modules_collection": loader.modules_collection, "lines_collection": loader.lines_collection}
        for name in ("autograd", "viz"):
            path = DOCS.parent / name / "__init__.pyi"
            stub = griffe.visit(name, path, path.read_text(encoding="utf-8"), parent=pkg, **places)
            griffe.merge_stubs(pkg[name], stub)
        for obj in walk(pkg, set()):
            if obj.docstring:
                obj.docstring.value = fenced(inspect.cleandoc(obj.docstring.value))
        for page, names in members().items():
            for name in names:
                complete(pkg[page.inside], page.inside, name, getattr(page.module, name))
        tensor = pkg["autograd.engine.tensor.Tensor"]
        for name, method in pkg["autograd.engine._methods.TensorMethods"].members.items():
            if not name.startswith("_") and name not in tensor.members:
                text = fenced(inspect.getdoc(getattr(Tensor, name, None)) or "")
                method.docstring = griffe.Docstring(text, parent=method)
                tensor.set_member(name, method)


def complete(module: griffe.Module, inside: str, name: str, value: Any) -> None:
    """Make a public name a member of its module, with documentation."""
    member = module.members.get(name)
    target = resolved(member)
    if target is None or (target.is_attribute and callable(value)):
        target = made(name, value, module)
        module.members.pop(name, None)
        module.set_member(name, target)
        target.docstring = None
    text = documentation(inside, name, value)
    if (
        isinstance(value, type)
        and target.is_class
        and "__init__" not in target.members
        and "dataclass" not in target.labels
    ):
        constructor = made("__init__", value, target)
        if constructor.is_function:
            target.set_member("__init__", constructor)
    if target.docstring is None:
        target.docstring = griffe.Docstring(text, parent=target)
    elif "```pycon" not in target.docstring.value and "```pycon" in text:
        target.docstring.value = text
