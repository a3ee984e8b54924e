"""The public names of the three packages with their signatures: ``python -m tests.promises.names`` writes them.

``names.txt`` has what is public now, and below it, as lines with ``-`` and ``+``, what changed since the first list.
So `test_names` can ask of each difference that the changelog tells it, without a second file.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import MemberDescriptorType, ModuleType
from typing import Any

from docs.make.reference import CHAPTERS, names
from glassgrad import autograd as ag

FILE = Path(__file__).with_name("names.txt")
SINCE = "# Changed since 7ba52f13:"

MODULES = (*dict.fromkeys(f"glassgrad.{chapter.inside}" for chapter in CHAPTERS), "glassgrad.nn.errors")
PACKAGES = ("autograd", "nn", "viz")

UNLISTED = {
    "__init__", "__new__", "__post_init__", "__repr__", "__str__", "__format__", "__setattr__", "__delattr__",
    "__getattr__", "__getattribute__", "__dir__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__",
    "__copy__", "__deepcopy__", "__init_subclass__", "__class_getitem__", "__set_name__", "edits", "moves",
}  # fmt: skip
"""Methods that users do not call, nor by an operator, and what a class counts; a constructor's signature is that of its
class.
"""


def relative(text: str) -> str:
    """A dotted name without the distribution's package before it."""
    return text.removeprefix("glassgrad.")


def ours(value: Any) -> bool:
    """Whether a class or function is defined in one of the three packages."""
    return relative(getattr(value, "__module__", None) or "").split(".")[0] in PACKAGES


# ---------------------------------------------------------------------------------------------------------- signatures


def annotation(given: Any) -> str:
    """A type as text, each name without its module: how a module is imported is no promise."""
    text = given if isinstance(given, str) else inspect.formatannotation(given)
    text = re.sub(r"ForwardRef\('(\w+)'\)", r"\1", text)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text)


def plain(value: Any) -> str:
    """A default or constant as text that is equal in every run."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        inside = ", ".join(map(plain, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    return f"<{type(value).__name__}>"


class Verbatim:
    """A text that is its own repr, as which `inspect` writes a default or an annotation."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def form(signature: inspect.Signature) -> str:
    """A signature on one line."""

    def shown(kind: Any) -> Any:
        return kind if kind is inspect.Parameter.empty else Verbatim(annotation(kind))

    parameters = [
        p.replace(
            annotation=shown(p.annotation), default=p.empty if p.default is p.empty else Verbatim(plain(p.default))
        )
        for p in signature.parameters.values()
    ]
    return str(signature.replace(parameters=parameters, return_annotation=shown(signature.return_annotation)))


def signature_of(value: Any) -> str:
    """How a function is called. A method of Tensor that is an operation may show that only after its first call."""
    op = ag.OPS.get(getattr(value, "__name__", ""))
    if op is not None and getattr(value, "__module__", None) == op.__module__:
        value = op
    return form(inspect.signature(value))


def constructed(cls: Any) -> str:
    """How a class is called, if one of ours says so: of exceptions some versions of Python tell a form, others none."""
    makers = [base for base in cls.__mro__ if {"__init__", "__new__"} & vars(base).keys()]
    if getattr(cls, "_is_protocol", False) or not any(map(ours, makers)):
        return ""
    if "__signature__" in vars(cls):  # that of its objects
        signature = inspect.signature(cls.__init__)
        signature = signature.replace(parameters=[*signature.parameters.values()][1:])
    else:
        signature = inspect.signature(cls)
    return form(signature.replace(return_annotation=signature.empty))


# --------------------------------------------------------------------------------------------------------------- lines


def described(path: str, value: Any, public: set[type]) -> Iterator[str]:
    """The lines of a public name; of a class also those of its members."""
    if isinstance(value, type) and ours(value):
        yield f"{path}{constructed(value)} ({', '.join(bases(value, public))})".removesuffix(" ()")
        yield from members(path, value, public)
    elif callable(value):
        yield f"{path}{signature_of(value)}"
    elif isinstance(value, bool | int | float | str):
        yield f"{path} = {value!r}"
    else:
        yield f"{path}: {type(value).__name__}"


def bases(cls: type, public: set[type]) -> list[str]:
    """The public classes that a class is, without those that follow from the others."""
    found: list[type] = []
    for base in cls.__mro__[1:-1]:
        if (base in public or not ours(base)) and not any(issubclass(nearer, base) for nearer in found):
            found.append(base)
    return [base.__name__ for base in found]


def members(path: str, cls: type, public: set[type]) -> Iterator[str]:
    """What a class has that none of its public bases has: methods, operators, properties, attributes."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base is not cls and (base in public or not ours(base)):
            continue
        for name, value in vars(base).items():
            if name not in UNLISTED and (not name.startswith("_") or is_operator(name, value)):
                found.setdefault(name, value)
    for name, value in found.items():
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(function) or (callable(function) and not isinstance(function, type)):
            operator = name.endswith("__") and name != "__call__"  # how those are called is Python's affair
            yield f"{path}.{name}{'' if operator else signature_of(function)}"
        elif value is None or isinstance(value, bool | int | float | str):
            yield f"{path}.{name} = {value!r}"
        elif isinstance(value, property | cached_property | MemberDescriptorType):
            yield f"{path}.{name}"


def is_operator(name: str, value: Any) -> bool:
    """Whether a class states a special method itself; what `dataclass` writes is in no file."""
    return (
        name.endswith("__") and ours(value) and inspect.isfunction(value) and value.__code__.co_filename != "<string>"
    )


def public_modules() -> dict[str, ModuleType]:
    """The modules of the reference, and those that are public names of them."""
    found: dict[str, ModuleType] = {}
    wanted = list(MODULES)
    while wanted:
        path = wanted.pop()
        if path not in found:
            found[path] = module = importlib.import_module(path)
            wanted += [f"{path}.{n}" for n in names(module) if inspect.ismodule(getattr(module, n))]
    return found


def listed() -> list[str]:
    """A line for each public name, sorted."""
    modules = public_modules()
    everything = [(f"{relative(path)}.{n}", getattr(m, n)) for path, m in modules.items() for n in names(m)]
    everything.sort(key=lambda entry: (entry[0].count("."), entry[0]))
    public = {value for _, value in everything if isinstance(value, type)}
    lines = {*map(relative, modules)}
    first: dict[int, str] = {}
    for path, value in everything:
        if inspect.ismodule(value):
            continue
        if callable(value) and first.setdefault(id(value), path) != path:
            lines.add(f"{path} = {first[id(value)]}")
        else:
            lines.update(described(path, value, public))
    return sorted(lines)


# ------------------------------------------------------------------------------------------------------------ the file


def read(text: str) -> tuple[set[str], set[str], set[str]]:
    """What a file lists, and of its second part the lines that are gone and those that are new."""
    now, _, since = text.partition(f"{SINCE}\n")
    changes = since.splitlines()
    return (
        {line for line in now.splitlines() if line},
        {line[2:] for line in changes if line.startswith("- ")},
        {line[2:] for line in changes if line.startswith("+ ")},
    )


def undescribed(text: str, changelog: str) -> list[str]:
    """The differences since the first list that a part of a changelog does not name between backticks.

    A member counts as named where its class is, if that is gone or new as well.
    """
    _, gone, new = read(text)
    told = {word for span in re.findall(r"`([^`]+)`", changelog) for word in re.findall(r"\w+", span)}
    paths = {re.split(r"[( =:]", line, maxsplit=1)[0] for line in gone ^ new}
    silent = {path for path in paths if path.rpartition(".")[2] not in told}
    return sorted(path for path in silent if (owner := path.rpartition(".")[0]) not in paths or owner in silent)


def written(before: str) -> str:
    """The content of the file, made of what it was before: that tells what the first commit had."""
    old, gone, new = read(before)
    first, now = old - new | gone, listed()
    if not before:
        first = set(now)
    changes = [("- ", line) for line in first - {*now}] + [("+ ", line) for line in {*now} - first]
    since = [sign + line for sign, line in sorted(changes, key=lambda change: (change[1], change[0]))]
    return "\n".join([*now, "", SINCE, *since, ""])


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text(encoding="utf-8") if FILE.exists() else ""), encoding="utf-8")
