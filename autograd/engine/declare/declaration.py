"""The declaration of an operation: its forward, its notation, and a rule for each argument."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from string import Formatter
from typing import Any

from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.errors import DeclarationError

REQUIRED = object()
"""The default of a parameter that has none."""

Rule = tuple[Callable[..., Any], tuple[str, ...]]
"""A rule, and the names that it asks for."""


class Declaration:
    """A forward with its notation and its rules, checked. Raises `DeclarationError`.

    Its attributes are those of `Op`; ``names`` are the globals of the functions that `dispatch` writes.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        symbol: str,
        text: str,
        tex: str,
        level: int,
        broadcasts: bool,
        casts: bool = False,
    ) -> None:
        self.forward, self.symbol, self.level, self.broadcasts, self.casts = forward, symbol, level, broadcasts, casts
        self.name = forward.__name__
        self.__name__, self.__doc__, self.__module__ = self.name, forward.__doc__, forward.__module__
        positional, keywords, many = names_of(forward, f"the forward of {self.name}")
        if positional[:1] != ("xp",):
            raise DeclarationError(
                f"{self.name}: the first argument of a forward is the namespace it computes with: write "
                f"def {self.name}(xp, {', '.join((*positional, *(f'*{m}' for m in many)))})."
            )
        defaults = forward.__defaults__ or ()
        self.variadic = bool(many)
        self.args = (*positional[1:], *many)
        self.params: dict[str, Any] = {k: (forward.__kwdefaults__ or {}).get(k, REQUIRED) for k in keywords}
        self.optional = positional[len(positional) - len(defaults) :]
        self._check_defaults(defaults)
        module = self.__module__ or ""  # code that exec runs may have none
        self.foreign = not module.startswith("glassgrad.autograd.")
        given = ", ".join(f"{{{a}}}" for a in self.args)
        bare = symbol.replace("{", "{{").replace("}", "}}")
        self.text = self._template("text", text or f"{bare}({given})")
        self.tex = self._template("tex", tex or rf"\operatorname{{{{{self.name.replace('_', ' ')}}}}}({given})")
        self.rules: dict[str, Rule] = {}
        self.sparse_rules: dict[str, Rule] = {}
        self.ruleless: frozenset[str] = frozenset()  # the arguments that were declared to have no derivative
        self.saves: tuple[str, ...] = ()
        # Whether a gradient may have another shape or dtype than its input.
        self.uneven = len(self.args) > 1 or self.variadic or broadcasts or self.foreign
        self.names: dict[str, Any] = {"op": self, "forward": forward}
        self.names |= {f"default_{p}": default for p, default in self.params.items()}

    def _check_defaults(self, defaults: tuple[Any, ...]) -> None:
        """Raise for an array with a default value, and for ``casts`` where no argument can be cast."""
        if self.casts and (self.variadic or "dtype" in self.params):
            raise DeclarationError(
                f"{self.name}: casts=True adds dtype=, to which its first argument is cast: it must have one, and "
                "no parameter of that name."
            )
        for name, default in zip(self.optional, defaults, strict=True):
            if default is not None:
                raise DeclarationError(
                    f"{self.name}: {name} = {default!r} is declared as an array, whose default can only be None: "
                    f"write parameters after a star, (..., *, {name}={default!r})."
                )

    def check_names(self, reserved: Collection[str]) -> None:
        """Raise for an argument or a parameter with a ``reserved`` name."""
        if taken := sorted(n for n in (*self.args, *self.params) if n in reserved or n.endswith("_")):
            raise DeclarationError(
                f"{self.name}: no argument or parameter can be called {', '.join(taken)}, which has a meaning of its "
                "own here: choose another name."
            )

    def _template(self, name: str, template: str) -> str:
        """Return ``template``. Raises for a stray brace or an unknown field."""
        try:
            fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
        except ValueError as error:
            raise DeclarationError(
                f"{self.name}: {name} = {shown(template)} is not a valid template ({error}): fields are names in "
                "braces, as in '{x}', and a brace itself is written twice, '{{'."
            ) from None
        if unknown := sorted(fields - {*self.args, *self.params}):
            raise DeclarationError(
                f"{self.name}: {name} = {shown(template)} names {', '.join(map(repr, unknown))}; it may name "
                f"{', '.join((*self.args, *self.params)) or 'nothing'}."
            )
        return template

    def checked_rule(self, arg: str, rule: Any) -> Rule:
        """A rule, and the names that it asks for: with ``**rest``, all other parameters, too. Raises for a name that
        does not exist.
        """
        if arg not in self.args:
            raise DeclarationError(f"{self.name}: a rule for {arg!r}, which is not one of its arguments {self.args}.")
        known = {"xp", "g", "out", *self.args, *self.params, *(f"{a}_shape" for a in self.args)}
        wants = names_of(rule, f"{self.name}: the rule for {arg!r}")[0]
        if unknown := sorted(set(wants) - known):
            raise DeclarationError(
                f"{self.name}: the rule for {arg!r} asks for {', '.join(unknown)}; "
                f"it may ask for {', '.join(sorted(known))}."
            )
        if not rule.__code__.co_flags & 0x08:
            return rule, wants
        rest = tuple(name for name in self.params if name not in wants)

        @wraps(rule)  # the reference shows the rule's source
        def spread(*given: Any) -> Any:
            return rule(*given[: len(wants)], **dict(zip(rest, given[len(wants) :], strict=True)))

        return spread, (*wants, *rest)


def names_of(function: Any, role: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of a function's positional arguments, keyword-only ones and ``*many``. `inspect.signature` gives them,
    too, but for some hundred functions it takes a tenth of NumPy's import time.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        raise DeclarationError(
            f"{role} is {function!r}: it must be a Python function with named arguments; write a def around it."
        )
    named = code.co_argcount + code.co_kwonlyargcount
    many = code.co_varnames[named : named + 1] if code.co_flags & 0x04 else ()
    return code.co_varnames[: code.co_argcount], code.co_varnames[code.co_argcount : named], many
