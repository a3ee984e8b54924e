"""How an operation is declared, checked, applied and registered. No mathematics.

An operation is one forward and one rule per argument, all written against a namespace ``xp``::

    @op("×", text="{x} × {y}", tex=r"{x} \\odot {y}", level=2, broadcasts=True)
    def multiply(xp, x, y):
        '''Elementwise product.'''
        return x * y

    multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)

Arrays are positional (``*arrays`` for any number, given one by one or as a list; ``=None`` for one that may be left
out), parameters keyword-only; a call may give these by position, too, behind the arrays. A rule gives the gradient that
reaches its argument, from ``g``, the gradient that arrived at the result. It is asked for by name: **the rule's
signature is its save-list**. It may name ``g``, any argument, ``out``, ``x_shape`` for any argument ``x``, any
parameter, and ``xp``; what no rule names is not kept alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autograd import backends
from autograd.backends import (  # noqa: F401  (what the compiled functions use)
    ANYWHERE,
    FLAT,
    PLAIN,
    PYTHON_REALS,
    SPACES,
    namespace,
)
from autograd.errors import AutogradError, DeclarationError, DTypeError
from autograd.graph import Node, stamp  # noqa: F401
from autograd.messages import OURS, describe, in_words, shown
from autograd.modes import MODE

if TYPE_CHECKING:
    from inspect import Signature

OPS: dict[str, Op] = {}
"""Every registered operation by its name."""

Tensor: Any = None
"""The class of results: the room above sets it, so that this one does not look up."""

new = object.__new__
mode_now = MODE.get
NONE: dict[str, Any] = {}
REQUIRED = object()
"""What stands for the default of a parameter that has none."""

RESERVED = frozenset(
    (
        "ANYWHERE", "Exception", "FLAT", "NONE", "Node", "PLAIN", "PYTHON_REALS", "SPACES", "Tensor", "admit", "cast",
        "enumerate", "fail", "forward", "g", "isinstance", "len", "list", "listed", "mode_now", "namespace", "new",
        "op", "out", "returned", "sealed", "stamp", "tuple", "type", "unruled", "watch", "xp",
    )
)  # fmt: skip
"""What no argument or parameter may be called: what rules ask for by these names, and what compiled functions use.
The variables of these end in ``_``, and so may no such name."""


def _names(function: Any, role: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of a function's positional arguments, keyword-only ones and ``*many``. `inspect.signature` would tell,
    too, but asking it of some hundred functions takes a tenth of the time that importing NumPy does.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        raise DeclarationError(
            f"{role} is {function!r}: it must be a Python function, whose arguments say by their names what it takes; "
            "write a lambda around it."
        )
    named = code.co_argcount + code.co_kwonlyargcount
    many = code.co_varnames[named : named + 1] if code.co_flags & 0x04 else ()
    return code.co_varnames[: code.co_argcount], code.co_varnames[code.co_argcount : named], many


def results_are(cls: type) -> None:
    """Have operations return instances of ``cls``, which has the attributes of `autograd.tensor.Tensor`."""
    global Tensor  # noqa: PLW0603  (the one link that points up, set once)
    Tensor = cls


class Op:
    """An operation; call it with arrays or Tensors. Made by `op`.

    ``symbol`` is what a picture shows, ``text`` and ``tex`` are templates of its notation over the arguments' (and
    parameters') names, ``level`` says how tightly that notation binds (1 sums, 2 products, 3 powers and signs, 9 atoms
    and calls). ``args`` and ``params`` name what it takes; ``rules`` maps an argument to its rule and what that rule
    asks for; ``apply`` is the operation as a plain function.
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
        positional, keywords, many = _names(forward, f"the forward of {self.name}")
        self.variadic = bool(many)
        self.args = (*positional[1:], *many)
        self.params: dict[str, Any] = {k: (forward.__kwdefaults__ or {}).get(k, REQUIRED) for k in keywords}
        self.optional = positional[len(positional) - len(forward.__defaults__ or ()) :]
        self._check_names(forward.__defaults__ or ())
        # This package's own operations are held to what they must return by tests, and spared the checks.
        self.foreign = not self.__module__.startswith("autograd.")
        self.text = text or f"{symbol}({', '.join(f'{{{a}}}' for a in self.args)})"
        self.tex = (
            tex or rf"\operatorname{{{{{self.name.replace('_', ' ')}}}}}({', '.join(f'{{{a}}}' for a in self.args)})"
        )
        self.rules: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {}
        self.ruleless: frozenset[str] = frozenset()  # the arguments that were declared to have no derivative
        self.saves: tuple[str, ...] = ()
        self.pulls: dict[int, Callable[..., Any]] = {}
        # Whether a gradient may not fit its input.
        self.uneven = len(self.args) > 1 or self.variadic or broadcasts or self.foreign

    def _check_names(self, defaults: tuple[Any, ...]) -> None:
        if taken := sorted(n for n in (*self.args, *self.params) if n in RESERVED or n.endswith("_")):
            raise DeclarationError(
                f"{self.name}: no argument or parameter can be called {', '.join(taken)}, which has a meaning of its "
                "own here: choose another name."
            )
        if self.casts and (self.variadic or "dtype" in self.params):
            raise DeclarationError(
                f"{self.name}: casts=True gives it dtype=, to which its first argument is cast: it must have one, and "
                "no parameter of that name."
            )
        for name, default in zip(self.optional, defaults, strict=True):
            if default is not None:
                raise DeclarationError(
                    f"{self.name}: {name} = {default!r} stands among the arrays, which have no default but None: "
                    f"write parameters behind a star, (..., *, {name}={default!r})."
                )

    def vjp(self, **rules: Callable[..., Any] | None) -> None:
        """Declare one rule per argument; None for one by which there is no derivative: of steps, of an index.

        Raises `DeclarationError` where a rule asks for what does not exist.
        """
        known = {"xp", "g", "out", *self.args, *self.params, *(f"{a}_shape" for a in self.args)}
        for arg, rule in rules.items():
            if arg not in self.args:
                raise DeclarationError(f"{self.name}: a rule for {arg!r}, which is none of its arguments {self.args}.")
            self.ruleless -= {arg}
            if rule is None:
                self.rules.pop(arg, None)
                self.ruleless |= {arg}
                continue
            wants = _names(rule, f"{self.name}: the rule for {arg!r}")[0]
            if unknown := sorted(set(wants) - known):
                raise DeclarationError(
                    f"{self.name}: the rule for {arg!r} asks for {', '.join(unknown)}; "
                    f"it may ask for {', '.join(sorted(known))}."
                )
            self.rules[arg] = (rule, wants)
        wanted = {w for _, wants in self.rules.values() for w in wants}
        self.saves = tuple(name for name in (*self.args, "out") if name in wanted)
        self.pulls.clear()
        vars(self).pop("apply", None)
        self.__class__ = Op

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """Compute the result, and record it where a Tensor among the inputs requires grad."""
        return self.apply(*inputs, **params)

    @property
    def __signature__(self) -> Signature:
        import inspect

        return inspect.signature(self.apply)

    def __repr__(self) -> str:
        return f"<operation {self.name}{self.__signature__}>"

    # What follows writes two small functions for each operation, as dataclasses do: looping over arguments and looking
    # names up at every call would double the cost of a small operation. `apply` runs the forward and records it; `pull`
    # calls the rules of the inputs that need a gradient.

    def __getattr__(self, name: str) -> Any:
        if name != "apply":
            raise AttributeError(f"operation {self.name} has no attribute {name!r}.")
        # On first use: compiling all operations would take longer than importing NumPy.
        self.apply = self._compile(self.name, self._variadic_source() if self.variadic else self._source())
        # A class of its own, so that calling the operation is calling `apply`, without another frame and its *args.
        self.__class__ = type("Op", (Op,), {"__call__": staticmethod(self.apply)})
        return self.apply

    def _compile(self, name: str, source: str) -> Callable[..., Any]:
        """The function called ``name`` that ``source`` defines, with this operation's own names in its closure."""
        closure = {"op": self, "forward": self.forward}
        closure |= {f"rule_{arg}": rule for arg, (rule, _) in self.rules.items()}
        closure |= {f"default_{p}": default for p, default in self.params.items()}
        body = "".join(f"    {line}\n" for line in source.splitlines())
        scope: dict[str, Any] = {}
        factory = f"def make({', '.join(closure)}):\n{body}    return {name}\n"
        exec(compile(factory, f"<operation {self.name}>", "exec"), globals(), scope)
        function: Callable[..., Any] = scope["make"](**closure)
        function.__doc__, function.__module__, function.__qualname__ = self.__doc__, self.__module__, self.name
        return function

    def _keywords(self) -> tuple[str, str, str]:
        """The parameters as a signature, as the arguments of a call, and as a dict."""
        signature = ", ".join(self._placed().values())
        call = "".join(f", {p}={p}" for p in self.params)
        # A list that its owner writes to later must not change what a rule will be told.
        kept = {p: f"{p} if type({p}) is not list else list({p})" for p, d in self.params.items() if d is REQUIRED}
        return signature, call, "{" + ", ".join(f"{p!r}: {kept.get(p, p)}" for p in self.params) + "}"

    def _placed(self) -> dict[str, str]:
        """The parameters as source, by name: those that may be given by position, and behind a star the others."""
        placed: dict[str, str] = {}
        star, default_before = {} if self.variadic else {"*": "*"}, bool(self.optional)
        for p, default in self.params.items():
            if default is REQUIRED and default_before:  # as Python's grammar wants it
                placed |= star
            default_before |= default is not REQUIRED
            placed[p] = p if default is REQUIRED else f"{p}=default_{p}"
        return placed | star | {"dtype": "dtype=None"} if self.casts else placed

    def _saved(self, name: str) -> str:
        """What is kept under ``name``: the value, unless every rule that asks for it goes unused."""
        value = "out_" if name == "out" else f"a_{name}"
        users = sum(1 << i for i, a in enumerate(self.args) if name in self.rules.get(a, (None, ()))[1])
        rules = sum(1 << i for i, a in enumerate(self.args) if a in self.rules)
        return value if users == rules else f"{value} if mask_ & {users} else None"

    def _source(self) -> str:
        signature, call, params = self._keywords()
        args = "".join(f"{a}=None, " if a in self.optional else f"{a}, " for a in self.args)
        lines = [f"def {self.name}({args}{signature}):", "    mask_ = 0"]
        if self.casts:
            lines.append(f"    if dtype is not None: {self.args[0]} = cast({self.args[0]}, dtype)")
        for i, a in enumerate(self.args):
            lines.append(f"    if isinstance({a}, Tensor):\n        a_{a}, p_{a} = {a}.data, {a}.node or {a}")
            if a in self.rules:
                lines.append(f"        if {a}.requires_grad: mask_ += {1 << i}")
            lines.append(f"    elif type({a}) in SPACES and {a}.dtype in PLAIN: a_{a} = p_{a} = {a}")
            if self.broadcasts:  # what `admit` says of most constants, without the call
                last = f" and type(a_{self.args[i - 1]}) not in ANYWHERE" if i == len(self.args) - 1 > 0 else ""
                lines.append(f"    elif type({a}) in PYTHON_REALS{last}: a_{a} = p_{a} = {a}")
            if a in self.optional:
                lines.append(f"    elif {a} is None: a_{a} = p_{a} = None")
            before = "".join(f", a_{b}" for b in self.args[:i])
            behind = "".join(f"{b}, " for b in self.args[i + 1 :])
            given = f"{before}{f', behind=({behind})' if behind and self.broadcasts else ''}"
            lines.append(f"    else: a_{a} = p_{a} = {a} = admit({a}, op{given})")
        arrays = ", ".join(f"a_{a}" for a in self.args)
        kind = f"type(a_{self.args[0]})"
        alike = "".join(f" and (type(a_{a}) is {kind} or type(a_{a}) in ANYWHERE)" for a in self.args[1:])
        space = f"SPACES[{kind}] if {kind} in SPACES{alike} else namespace({arrays})"
        lines.append(f"    xp_ = {space}")
        given = ", ".join(self._lent(f"a_{a}") for a in self.args)
        lines.append(f"    try: out_ = forward(xp_, {given}{call})")
        lines.append(f"    except Exception as error_: out_ = fail(op, error_, ({', '.join(self.args)},), {params})")
        places = ", ".join(f"p_{a}" for a in self.args)
        saved = "".join(f"{self._saved(name)}, " for name in self.saves)
        uneven = ""
        # Looked at once here, instead of at each gradient.
        if self.broadcasts and len(self.args) == 2 and not self.foreign:
            x, y = (f"a_{a}" for a in self.args)
            differ = f"({x}.shape != {y}.shape or {x}.dtype is not {y}.dtype)"
            uneven = f"{kind} is not type({y}) or {kind} not in FLAT and {differ}"
        return "\n".join([*lines, *self._record_source(f"({places},)", params, f"({saved})", uneven)])

    def _variadic_source(self) -> str:
        (many,) = self.args
        signature, call, params = self._keywords()
        saved = "".join({many: "tuple(values_), ", "out": "out_, "}[name] for name in self.saves)
        given = "sealed(tuple(values_))" if self.foreign else "values_"
        return "\n".join(
            [
                f"def {self.name}(*{many}, {signature}):",
                f"    if {many} and isinstance({many}[0], (list, tuple)):",
                f"        if len({many}) == 1: {many} = {many}[0]",
                f"        else: {many}{''.join(f', {p}' for p in self.params)} = listed(op, {many}{call})",
                "    values_, places_, mask_ = [], [], 0",
                f"    for i_, x_ in enumerate({many}):",
                "        if isinstance(x_, Tensor):",
                "            values_.append(x_.data)",
                "            places_.append(x_.node or x_)",
                "            if x_.requires_grad: mask_ |= 1 << i_",
                "        else:",
                "            values_.append(admit(x_, op))",
                "            places_.append(values_[-1])",
                f"    try: out_ = forward(namespace(*values_), *{given}{call})",
                f"    except Exception as error_: out_ = fail(op, error_, {many}, {params})",
                *self._record_source("tuple(places_)", params, f"({saved})"),
            ]
        )

    def _record_source(self, inputs: str, params: str, saved: str, uneven: str = "") -> list[str]:
        lines = [
            *(["    out_ = returned(op, out_)"] if self.foreign else []),
            "    t_ = new(Tensor)",
            "    t_.data = out_",
            "    t_.grad = t_.hooks = t_._name = None",
            "    mode_ = mode_now()",
        ]
        if forgotten := [a for a in self.args if self.foreign and a not in self.rules and a not in self.ruleless]:
            given = ", ".join(f"{a!r}: {a if self.variadic else f'({a},)'}" for a in forgotten)
            lines.append(f"    if mode_.grad: unruled(op, out_, {{{given}}})")
        if self.rules:
            lines += [
                "    if mask_ and mode_.grad:",
                "        t_.requires_grad = True",
                "        t_.node = node_ = new(Node)",
                f"        node_.op, node_.inputs, node_.mask = op, {inputs}, mask_",
                f"        node_.params, node_.saved = {params if self.params else 'NONE'}, {saved}",
                "        node_.shape, node_.dtype, node_.index = out_.shape, out_.dtype, stamp()",
                "        node_.scope = mode_.scope",
                "        node_.name = node_.hooks = node_.origin = None",
                f"        node_.uneven = {uneven or self.uneven}",
                "    else:",
                "        t_.requires_grad = False",
                "        t_.node = None",
            ]
        else:
            lines += ["    t_.requires_grad = False", "    t_.node = None"]
        return [*lines, "    if mode_.anomaly: watch(op, t_)", "    return t_"]

    def pull(self, mask: int) -> Callable[..., Any]:
        """The function ``(g, xp, node, saved) -> contributions`` for the inputs in ``mask``, ``None`` for others."""
        found = self.pulls.get(mask)
        if found is None:
            calls = []
            for i, arg in enumerate(self.args):
                rule = self.rules.get(arg)
                if rule is None or not (self.variadic or mask >> i & 1):
                    calls.append("None")
                    continue
                calls.append(f"rule_{arg}({', '.join(map(self._offered, rule[1]))})")
            result = f"({', '.join(calls)},)"
            if self.variadic:
                result = f"tuple([part if {mask} >> i & 1 else None for i, part in enumerate({calls[0]})])"
            result = f"sent(op, {result})" if self.foreign else result
            found = self.pulls[mask] = self._compile("pull", f"def pull(g, xp, node, saved):\n    return {result}")
        return found

    def _lent(self, source: str) -> str:
        """An array that others use as well, as source: read-only for an operation of one's own."""
        return f"sealed({source})" if self.foreign else source

    def _offered(self, name: str) -> str:
        """Where a rule's argument comes from, as source."""
        if name in self.saves:
            return self._lent(f"saved[{self.saves.index(name)}]")
        if name in self.params:
            return f"node.params[{name!r}]"
        if name in ("g", "xp"):
            return name if name == "xp" else self._lent(name)
        if self.variadic:
            return "tuple([getattr(p, 'shape', ()) for p in node.inputs])"
        return f"getattr(node.inputs[{self.args.index(name.removesuffix('_shape'))}], 'shape', ())"


def fail(op: Op, error: Exception, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Raise what a forward raised in this package's words: what was given, with names and shapes.

    Where a trace could not follow the forward, it takes the operation as a whole, and this is its result.
    """
    if (tracer := getattr(error, "tracer", None)) is not None:
        return tracer.opaque(op, inputs, params)
    if isinstance(error, AutogradError):
        raise error
    names = (f"{op.args[0]}[{i}]" for i in range(len(inputs))) if op.variadic else iter(op.args)
    given = ", ".join(f"{n} = {describe(x)}" for n, x in zip(names, inputs, strict=True) if x is not None)
    options = "".join(f", {k}={shown(v, 200)}" for k, v in params.items() if v is not op.params.get(k))
    kinds = OURS if op.foreign else {**OURS, AttributeError: DTypeError}  # in one's own forward that is a slip
    raise in_words(f"{op.name} can't take {given or 'no arrays'}{options}", error, kinds) from error


def returned(op: Op, out: Any) -> Any:
    """The forward's result as an array. Raises `DTypeError` for what is none."""
    if type(out) in backends.SPACES:
        return out
    if out is None or isinstance(out, list | tuple):
        raise DTypeError(
            f"the forward of {op.name} returned {type(out).__name__}: an operation has one result, an array."
        )
    return backends.asarray(out)


def unruled(op: Op, out: Any, given: Mapping[str, Sequence[Any]]) -> None:
    """Raise `DeclarationError` where a gradient is asked for by an argument whose rule was forgotten."""
    for arg, values in given.items():
        asked = any(isinstance(x, Tensor) and x.requires_grad for x in values)
        if asked and backends.is_inexact(out.dtype):
            raise DeclarationError(
                f"{op.name} has no rule for {arg}, which requires grad: declare one with {op.name}.vjp({arg}=...), or "
                f"{op.name}.vjp({arg}=None) where it has no derivative."
            )


def sealed(value: Any) -> Any:
    """What the forward or a rule of one's own operation gets: arrays of others, which it can read and not change."""
    return tuple(map(sealed, value)) if isinstance(value, tuple) else backends.read_only(value)


def sent(op: Op, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the rules gave. Raises `DTypeError` for what is no array."""
    for i, part in enumerate(parts):
        if part is not None and not hasattr(part, "shape"):
            raise DTypeError(
                f"{op.name}: the rule for {op.args[0 if op.variadic else i]!r} returned {part!r}: it must return an "
                "array of that argument's shape, or None where no gradient flows."
            )
    return parts


def admit(x: Any, op: Op, *before: Any, behind: tuple[Any, ...] = ()) -> Any:
    """What is neither a Tensor nor an array of numbers, made one: numbers stay where they are broadcast (an array of
    their own dtype would promote the others) unless there are only numbers ``before`` and nothing ``behind``; lists
    become arrays, the rest is refused.
    """
    scalars = backends.PYTHON_SCALARS
    if type(x) in scalars and op.broadcasts and (behind or not before or not all(type(b) in scalars for b in before)):
        # A complex number of Python's takes NumPy's float64 for a float, and gives another of its own.
        alone = type(x) is complex and any(isinstance(y.data if isinstance(y, Tensor) else y, float) for y in behind)
        return backends.asarray(x) if alone else x
    if type(x) in backends.SPACES and backends.SPACES[type(x)] is not backends.NUMPY:
        return x
    if x is None or isinstance(x, str | bytes | dict | set):
        raise DTypeError(f"{op.name} takes arrays, Tensors and numbers; it was given {shown(x)} ({type(x).__name__}).")
    if isinstance(x, list | tuple) and any(isinstance(item, Tensor) for item in x):
        raise DTypeError(
            f"{op.name} was given a {type(x).__name__} of Tensors: make one Tensor of them with autograd.stack."
        )
    try:
        return backends.asarray(x)
    except AutogradError as error:
        raise type(error)(f"{op.name} can't take this: {error}") from error.__cause__


def cast(x: Any, dtype: Any) -> Any:
    """``x`` in another dtype, as an operation of its own."""
    from autograd.tensor import astype

    return astype(x, dtype)


def listed(op: Op, given: tuple[Any, ...], **params: Any) -> tuple[Any, ...]:
    """The arrays, where the first of ``given`` is a list, and the parameters: behind a list of the arrays these may be
    given by position, as in ``concat([x, y], 0)``.
    """
    arrays, *rest = given
    if not all(isinstance(value, int | str | None) for value in rest):
        return given, *params.values()  # lists that stand for arrays, one by one
    if len(rest) > len(params):
        raise DTypeError(
            f"{op.name} takes {len(params)} parameter(s) behind its arrays ({', '.join(params) or 'none'}); it was "
            f"given {len(rest)}: {', '.join(map(repr, rest))}."
        )
    return arrays, *rest, *list(params.values())[len(rest) :]


def watch(op: Op, result: Any) -> None:
    """Under `detect_anomaly`: note who made ``result``, and raise where it holds the first NaN or Inf."""
    from autograd.anomaly import check_forward

    check_forward(op, result)


def op(
    symbol: str, *, text: str = "", tex: str = "", level: int = 9, broadcasts: bool = False, casts: bool = False
) -> Callable[[Callable[..., Any]], Op]:
    """Declare an operation: a decorator for its forward ``(xp, *arrays, *, **parameters)``, which becomes an `Op`.

    ``symbol``: what stands for it in a picture. ``text``, ``tex``: its notation in plain text and LaTeX, with the names
    of arguments and parameters in braces. ``level``: how tightly that notation binds (1 sums, 2 products, 3 powers and
    signs, 9 atoms and calls). ``broadcasts``: its arguments are broadcast against each other. ``casts``: it also takes
    ``dtype=``, to which its first argument is cast before. Raises `DeclarationError` for a name that is taken.

    >>> import autograd as ag
    >>> @ag.op("cube", text="{x}³", level=3)
    ... def cube(xp, x):
    ...     '''x to the third.'''
    ...     return x * x * x
    >>> cube.vjp(x=lambda g, x: 3 * g * x * x)
    >>> x = ag.Tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    Tensor(12.0)
    """

    if not isinstance(symbol, str):
        raise DeclarationError(f"an operation's symbol is a string, as in @op('×'); it was given {shown(symbol)}.")

    def declare(forward: Callable[..., Any]) -> Op:
        name = getattr(forward, "__name__", "")
        if not name.isidentifier():
            raise DeclarationError(f"the forward of an operation names it: write it as a def; it is {shown(forward)}.")
        taken = OPS.get(name)
        if taken is not None and taken.__module__ != forward.__module__:
            raise DeclarationError(f"an operation {name!r} exists already, in {taken.__module__}: choose another name.")
        made = OPS[name] = Op(forward, symbol, text, tex, level, broadcasts, casts)
        backends.register(name, forward)
        return made

    return declare
