"""Checks of declarations, which raise `DeclarationError`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from string import Formatter
from typing import TYPE_CHECKING, Any

from autograd.errors import DeclarationError
from autograd.messages import shown

if TYPE_CHECKING:
    from autograd.operation import Op


def names_of(function: Any, role: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of a function's positional arguments, keyword-only ones and ``*many``. `inspect.signature` would tell,
    too, but asking it of some hundred functions takes a tenth of the time that importing NumPy does.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        raise DeclarationError(
            f"{role} is {function!r}: it must be a Python function with named arguments; write a lambda around it."
        )
    named = code.co_argcount + code.co_kwonlyargcount
    many = code.co_varnames[named : named + 1] if code.co_flags & 0x04 else ()
    return code.co_varnames[: code.co_argcount], code.co_varnames[code.co_argcount : named], many


def check_namespace(name: str, positional: tuple[str, ...], many: tuple[str, ...]) -> None:
    """Raise `DeclarationError` for a forward whose first argument is not ``xp``."""
    if positional[:1] != ("xp",):
        raise DeclarationError(
            f"{name}: the first argument of a forward is the namespace it computes with: write "
            f"def {name}(xp, {', '.join((*positional, *(f'*{m}' for m in many)))})."
        )


def declared_name(forward: Any, taken: Mapping[str, Op]) -> str:
    """The name of an operation: its forward's. Raises `DeclarationError` for one that another module has taken."""
    name: str = getattr(forward, "__name__", "")
    if not name.isidentifier():
        raise DeclarationError(f"the forward of an operation names it: write it as a def; it is {shown(forward)}.")
    if name in taken and taken[name].__module__ != forward.__module__:
        module = taken[name].__module__
        raise DeclarationError(f"an operation {name!r} exists already, in {module}: choose another name.")
    return name


def check_names(op: Op, defaults: tuple[Any, ...], reserved: Collection[str]) -> None:
    """Raise `DeclarationError` for a reserved name, and for a default value of an array."""
    if taken := sorted(n for n in (*op.args, *op.params) if n in reserved or n.endswith("_")):
        raise DeclarationError(
            f"{op.name}: no argument or parameter can be called {', '.join(taken)}, which has a meaning of its "
            "own here: choose another name."
        )
    if op.casts and (op.variadic or "dtype" in op.params):
        raise DeclarationError(
            f"{op.name}: casts=True gives it dtype=, to which its first argument is cast: it must have one, and "
            "no parameter of that name."
        )
    for name, default in zip(op.optional, defaults, strict=True):
        if default is not None:
            raise DeclarationError(
                f"{op.name}: {name} = {default!r} stands among the arrays, which have no default but None: "
                f"write parameters behind a star, (..., *, {name}={default!r})."
            )


def check_template(op: Op, name: str, template: str) -> None:
    """Raise `DeclarationError` for a template with a stray brace or an unknown field."""
    try:
        fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
    except ValueError as error:
        raise DeclarationError(
            f"{op.name}: {name} = {shown(template)} is not a valid template ({error}): fields are names in braces, as "
            "in '{x}', and a brace itself is written twice, '{{'."
        ) from None
    if unknown := sorted(fields - {*op.args, *op.params}):
        raise DeclarationError(
            f"{op.name}: {name} = {shown(template)} names {', '.join(map(repr, unknown))}; it may name "
            f"{', '.join((*op.args, *op.params)) or 'nothing'}."
        )


def checked_rule(op: Op, arg: str, rule: Any) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """A rule, and the names that it asks for."""
    if arg not in op.args:
        raise DeclarationError(f"{op.name}: a rule for {arg!r}, which is none of its arguments {op.args}.")
    known = {"xp", "g", "out", *op.args, *op.params, *(f"{a}_shape" for a in op.args)}
    wants = names_of(rule, f"{op.name}: the rule for {arg!r}")[0]
    if unknown := sorted(set(wants) - known):
        raise DeclarationError(
            f"{op.name}: the rule for {arg!r} asks for {', '.join(unknown)}; "
            f"it may ask for {', '.join(sorted(known))}."
        )
    return rule, wants
