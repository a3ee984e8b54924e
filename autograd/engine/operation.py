"""Operations: how one is declared, how it is called, and how its rules are.

An operation is one forward and one rule per argument, all written against a namespace ``xp``::

    @op("×", text="{x} × {y}", tex=r"{x} \\odot {y}", level=2, broadcasts=True)
    def multiply(xp, x, y):
        '''Elementwise product.'''
        return x * y

    multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)

Arrays are positional (``*arrays`` for any number, given one by one or as a list; ``=None`` for one that may be left
out), parameters keyword-only; a call may give these by position, too, after the arrays. Of lists and arrays among the
parameters the graph keeps copies. A rule returns the gradient
with respect to its argument from ``g``, the upstream gradient. **The rule's signature is its save-list**: it may name
``g``, any argument, ``out``, ``x_shape`` for any argument ``x``, any parameter, and ``xp``; values that no rule names
are not kept alive. ``**rest`` are the parameters that it does not name.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from functools import cache, cached_property, wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.engine import arguments
from glassgrad.autograd.engine.arguments import ALIASES, REQUIRED, argument, binder, guarded, operand
from glassgrad.autograd.engine.graph import Node, stamp
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.namespace import TAKEN, TENSORS
from glassgrad.autograd.engine.tensor import Tensor, new, root_of
from glassgrad.autograd.engine.writes import remember
from glassgrad.autograd.errors import DeclarationError, ShapeError
from glassgrad.autograd.readings.levels import LIFTED

if TYPE_CHECKING:
    from inspect import Signature

__all__ = ["OPS", "REQUIRED", "Op", "op"]

OPS: dict[str, Op] = {}
"""Every registered operation by its name."""

LIFTED.operations, LIFTED.clock = OPS, stamp

Rule = tuple[Callable[..., Any], tuple[str, ...]]
"""A rule, and the names that it asks for."""


# ---------------------------------------------------------------------------------------------------------- declaring


class Op:
    """An operation, made by `op`; call it with arrays or Tensors.

    ``args`` and ``params`` are the names of its arguments and parameters; ``rules`` maps an argument to its rule and
    the names that the rule asks for; ``symbol``, ``text``, ``tex`` and ``level`` are as in `op`. ``apply`` is the
    operation as a plain function, ``operator`` the same for the operators of `Tensor`, which returns ``NotImplemented``
    for a type that it does not know. ``plans`` has a `Plan` for each mask.
    """

    __slots__ = ("__call__", "__dict__", "__weakref__")  # calling an Op calls the function in its slot

    if TYPE_CHECKING:

        def __call__(self, *inputs: Any, **params: Any) -> Tensor:
            """Compute the result, and record it where a Tensor among the inputs requires grad."""

    def __init__(
        self, forward: Any, symbol: str, text: str, tex: str, level: int, broadcasts: bool, casts: bool, view: bool
    ) -> None:
        self.symbol, self.level, self.broadcasts, self.casts, self.view = symbol, level, broadcasts, casts, view
        self.name: str = forward.__name__
        self.__name__ = self.name
        self.__doc__, self.__module__ = forward.__doc__, forward.__module__ or "__main__"  # `exec` may have given none
        self.foreign = not self.__module__.startswith("glassgrad.autograd.")
        positional, keywords, many = names_of(forward, f"the forward of {self.name}")
        defaults = forward.__defaults__ or ()
        self.args, self.variadic = (*positional[1:], *many), bool(many)
        self.params: dict[str, Any] = {k: (forward.__kwdefaults__ or {}).get(k, REQUIRED) for k in keywords}
        self.optional = positional[len(positional) - len(defaults) :]
        self.aliases = {} if self.foreign else {name: p for name, p in ALIASES.items() if p in self.params}
        fits = positional[:1] == ("xp",) and self.args and all(default is None for default in defaults)
        named = not {"g", "out", "xp"} & {*self.args, *self.params} and not (casts and "dtype" in self.params)
        if not (fits and named) or (view and len(self.args) > 1) or (many and (view or casts)):
            raise DeclarationError(
                f"{self.name}: the forward is def {self.name}(xp, x, y=None, *, option=1.0): the namespace, arrays, "
                "whose default can only be None, and parameters after a star. No other can be called g, out or xp, "
                "which rules ask for. view=True is for one array; casts=True, which adds dtype=, not for *arrays."
            )
        given = ", ".join(f"{{{a}}}" for a in self.args)
        bare = symbol.replace("{", "{{").replace("}", "}}")
        self.text = text or f"{bare}({given})"
        self.tex = tex or rf"\operatorname{{{{{self.name.replace('_', ' ')}}}}}({given})"
        self.forward = guarded(forward) if self.foreign else forward
        self.rules: dict[str, Rule] = {}
        self.ruleless: frozenset[str] = frozenset()  # the arguments that were declared to have no derivative
        self.plans = Plans(self)
        # Whether a gradient may have another shape or dtype than its input.
        self.uneven = len(self.args) > 1 or self.variadic or broadcasts or self.foreign
        # The kernel ``(xp, out, *arrays, **params)`` writes the values of the forward into ``out``, whose axes lie in
        # memory in the ``order`` of their number. A compiled program calls it with a reused array.
        self.into: Callable[..., Any] | None = None
        self.order: Callable[[int], tuple[int, ...]] = range  # type: ignore[assignment]
        self.apply, self.operator = function_of(self, argument), function_of(self, operand)
        self.__call__ = self.apply  # type: ignore[method-assign]

    def vjp(self, /, **rules: Callable[..., Any] | None) -> None:
        """Declare one rule per argument; None for an argument without a derivative, such as an index.

        Raises `DeclarationError` where a rule asks for a name that does not exist, and for an argument that has a rule;
        then no rule has changed.
        """
        if unknown := sorted(rules.keys() - {*self.args}):
            raise DeclarationError(f"{self.name}: a rule for {', '.join(unknown)}; its arguments are {self.args}.")
        found = {arg: self._checked(arg, rule) for arg, rule in rules.items() if rule is not None}
        if again := sorted(rules.keys() & {*self.rules, *self.ruleless}):
            raise DeclarationError(
                f"{self.name} has a rule for {', '.join(again)} already, on which graphs and programs rely: "
                "declare the operation again, with @op."
            )
        self.rules |= found
        self.ruleless |= rules.keys() - found.keys()
        self.plans.clear()

    def _checked(self, arg: str, rule: Any) -> Rule:
        """A rule, and the names that it asks for: with ``**rest``, all other parameters, too. Raises for a name that
        does not exist.
        """
        known = code_of(self)
        wants, keywords, many = names_of(rule, f"{self.name}: the rule for {arg!r}")
        if unknown := sorted({*wants, *(f"*{name}" for name in (*many, *keywords))} - known.keys()):
            raise DeclarationError(
                f"{self.name}: the rule for {arg!r} asks for {', '.join(unknown)}; "
                f"it may ask, without a star, for {', '.join(sorted(known))}."
            )
        if not rule.__code__.co_flags & 0x08:
            return rule, wants
        rest = tuple(name for name in self.params if name not in wants)

        @wraps(rule)  # the reference shows the rule's source
        def spread(*given: Any) -> Any:
            return rule(*given[: len(wants)], **dict(zip(rest, given[len(wants) :], strict=True)))

        return spread, (*wants, *rest)

    @cached_property
    def bind(self) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
        """The function that binds the arguments of a call to their names."""
        return binder(self)

    @property
    def __signature__(self) -> Signature:
        from inspect import signature

        return signature(self.bind)

    def __reduce__(self) -> str:
        return self.name  # pickled, copied and deep-copied by its name in its module, as functions are

    def __repr__(self) -> str:
        return f"<operation {self.name}{self.__signature__}>"


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


def op(
    symbol: str,
    *,
    text: str = "",
    tex: str = "",
    level: int = 9,
    broadcasts: bool = False,
    casts: bool = False,
    view: bool = False,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare an operation: a decorator for its forward ``(xp, *arrays, *, **parameters)``, which becomes an `Op`.

    ``symbol``: its label in a picture. ``text``, ``tex``: its notation in plain text and LaTeX, with the names
    of arguments and parameters in braces. ``level``: how tightly that notation binds (1 sums, 2 products, 3 powers and
    signs, 9 atoms and calls). ``broadcasts``: its arguments are broadcast against each other. ``casts``: it also takes
    ``dtype=``, and casts its first argument to it first. ``view``: its result may share the memory of its argument,
    whose elements it picks or rearranges, so that a write to the one is a write to the other. Raises
    `DeclarationError` for a name that NumPy, the package, or an operation of another module has already.

    >>> from glassgrad import autograd as ag
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
        raise DeclarationError(f"write a symbol, as in @op('×'), not {shown(getattr(symbol, '__name__', symbol))}.")

    def declare(forward: Callable[..., Any]) -> Op:
        name = getattr(forward, "__name__", "")
        if not name.isidentifier():
            raise DeclarationError(f"the forward of an operation names it: write it as a def; it is {shown(forward)}.")
        made = Op(forward, symbol, text, tex, level, broadcasts, casts, view)
        if (name in OPS and OPS[name].__module__ != made.__module__) or (made.foreign and name in TAKEN):
            raise DeclarationError(
                f"{name!r} is already a name of NumPy, this package or another module's operation: choose another."
            )
        backends.register(name, forward)
        OPS[name] = made
        setattr(TENSORS, name, made)
        return made

    return declare


# ---------------------------------------------------------------------------------------------------------- its rules


class Plan:
    """What is done for one mask of inputs.

    ``mask``: which of the inputs asked for have a rule, as bits; ``kept``: which of ``(*arrays, out)`` the rules need.
    ``pull`` calls the rules. It is written for the mask, as in ``lambda g, xp, node, saved: (rule_x(g, saved[1]),
    None)``, because gathering what each rule asks for takes longer than many a rule.

    Raises `DeclarationError` for an argument for which a user has forgotten the rule.
    """

    __slots__ = ("mask", "kept", "pull")

    def __init__(self, op: Op, mask: int) -> None:
        asked = [arg for i, arg in enumerate(op.args) if op.variadic or mask >> i & 1]
        if op.foreign and (missing := [arg for arg in asked if arg not in op.rules.keys() | op.ruleless]):
            raise DeclarationError(
                f"{op.name} has no rule for {missing[0]}, which requires grad: declare one with "
                f"{op.name}.vjp({missing[0]}=...), or {op.name}.vjp({missing[0]}=None) where it has no derivative."
            )
        wanted = [arg for arg in asked if arg in op.rules]
        self.mask = mask if op.variadic and wanted else sum(1 << op.args.index(arg) for arg in wanted)
        used = {name for arg in wanted for name in op.rules[arg][1]}
        self.kept = sum(1 << i for i, name in enumerate((*op.args, "out")) if name in used)
        names: dict[str, Any] = {"chosen": chosen, "bits": f"{mask:b}"[::-1]}
        calls, code = dict.fromkeys(op.args, "None"), code_of(op)
        for arg in wanted:
            rule, wants = op.rules[arg]
            names[f"rule_{arg}"] = guarded(rule, True, op.variadic) if op.foreign else rule
            calls[arg] = f"rule_{arg}({', '.join(code[name] for name in wants)})"
        text = f"({', '.join(calls.values())},)"
        if op.variadic and wanted:
            text = f"chosen(node, bits, {calls[op.args[0]]})"
        title = f"<operation {op.name}, gradients {self.mask:b}>"
        self.pull = defined(f"lambda g, xp, node, saved: {text}", title, names)


def code_of(op: Op) -> dict[str, str]:
    """The names that a rule may ask for, with the code for each."""
    shapes = [f"getattr(node.inputs[{i}], 'shape', ())" for i in range(len(op.args))]
    if op.variadic:
        shapes = ["tuple([getattr(x, 'shape', ()) for x in node.inputs])"]
    return {
        **{f"{arg}_shape": shape for arg, shape in zip(op.args, shapes, strict=True)},
        **{p: f"node.params[{p!r}]" for p in op.params},
        **{name: f"saved[{i}]" for i, name in enumerate((*op.args, "out"))},
        "g": "g", "xp": "xp",
    }  # fmt: skip


def chosen(node: Node, bits: str, parts: Sequence[Any]) -> list[Any]:
    """The contributions to the inputs asked for, of those that the rule of an operation of any number of arrays
    returned.
    """
    if len(parts) != len(node.inputs):
        raise ShapeError(
            f"{node.op.name}: the rule for {node.op.args[0]!r} returned {len(parts)} gradients for {len(node.inputs)} "
            "arrays: it must return one for each."
        )
    return [part if bit == "1" else None for part, bit in zip(parts, bits.ljust(len(parts), "0"), strict=True)]


def defined(text: str, title: str, names: dict[str, Any], define: str = "") -> Any:
    """The value of an expression, or the function that the text defines, with its globals; tracebacks show the text."""
    linecache.cache[title] = len(text), None, text.splitlines(keepends=True), title
    exec(compile(text if define else f"found = {text}", title, "exec"), names)
    return names[define or "found"]


class Plans(dict[int, Plan]):
    """The plans of an operation by their masks, each made when it is first needed."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self._op = op

    def __missing__(self, mask: int) -> Plan:
        return self.setdefault(mask, Plan(self._op, mask))


# ------------------------------------------------------------------------------------------------------------ calling

CALL = """\
def function_of(op, convert):
    number_types = PYTHON_REALS if op.broadcasts else ()
    plans, none, view, even = op.plans, op.params, op.view, op.broadcasts and not op.foreign
    bare, axis = REQUIRED in none.values(), "axis" in none and not op.foreign

    def call(*given, **params):
        fixed = True
        if params or bare or len(given) != {count}:
            named = len(given) == {count} and (not bare or len(params) == len(none)) and {{**none, **params}}
            if named and len(named) == len(none):
                params = named
            else:
                given, params = op.bind(*given, **params)
                if params is None:
                    return given  # computed in another dtype
            if not FIXED.issuperset(map(type, params.values())) or (axis and type(params["axis"]) not in AXES):
                fixed, params = False, checked(op, params)
        else:
            params = none
        mask = 0
{reading}
        try:
            if xp is LIFTED:
                out = xp.call(op, ({values},), params, mask, mode_now().grad)
            else:
                out = op.forward(xp, {values}, **params) if params else op.forward(xp, {values})
        except Exception as error:
            out = fail(op, error, given, ({values},), params)
        t = new(Tensor)
        t._data = out
        t.grad = t.hooks = t._name = t._view = t._root = None
        mode = mode_now()
        plan = plans[mask] if mask and mode.grad else None
        recorded = plan.mask if plan is not None else 0
        if recorded:
            t.requires_grad = True
            t.node = node = new(Node)
            node.op, node.inputs, node.mask = op, ({inputs},), recorded
            node.params = params if fixed else frozen(params)
            kept = plan.kept
            node.saved = {saved}
            node.shape, node.dtype, node.index, node.scope = out.shape, out.dtype, stamp(), mode.scope
            node.uneven = {uneven}
            node.name = node.hooks = node.origin = None
        else:
            t.requires_grad, t.node = False, None
            if not mask and mode.grad:
                t._root = root_of(given)
        if view:
            remember(t, given[0], op, params)
        if mode.observer is not None:
            mode.observer.called(op, t, ({values},), params, recorded)
        return t

    return call
"""
"""How an operation is called: its arguments are read, the forward computes, and the result is recorded. The text is
written out for each number of arrays, because a loop over them would add a fifth to the time of a small operation.
``x0`` is an argument, ``a0`` its array and ``p0`` its vertex: a node, a leaf, or the constant itself; in braces stands
what differs.
"""

READ = """\
        if isinstance({x}, Tensor):
            {a}, {p} = {x}._data, {x}.node or {x}
            if {x}.requires_grad:
                mask += {bit}
        elif type({x}) in number_types{beside}:
            {a} = {p} = {x}
        else:
            {a} = {p} = convert(op, {x}, given, {place})
            if {a} is NotImplemented:
                return NotImplemented
"""

READ_ANY = """\
        values = [x._data if isinstance(x, Tensor) else convert(op, x) for x in given]
        inputs = [(x.node or x) if isinstance(x, Tensor) else a for x, a in zip(given, values)]
        bits = ["1" if isinstance(x, Tensor) and x.requires_grad else "0" for x in reversed(given)]
        mask, xp = int("".join(bits) or "0", 2), namespace(*values)  # in linear time
"""


@cache
def caller(count: int) -> Callable[[Op, Callable[..., Any]], FunctionType]:
    """The function that makes the plain function of an operation of ``count`` arrays, -1 for any number of them."""
    xs, arrays, places = ([f"{letter}{i}" for i in range(count)] for letter in "xap")
    reading = f"        {', '.join(xs)}, = given\n"
    for i, (x, a, p) in enumerate(zip(xs, arrays, places, strict=True)):
        beside = f" and type({arrays[i - 1]}) not in ANYWHERE" if 0 < i == count - 1 else ""
        reading += READ.format(x=x, a=a, p=p, place=i, bit=1 << i, beside=beside)
    if count == 1:  # as views have
        reading += "        if view and isinstance(x0, Tensor):\n            a0 = x0.data  # a number has no views\n"
    alike = "".join(f" and (type({a}) is kind or type({a}) in ANYWHERE)" for a in arrays[1:])
    values = ", ".join(arrays)
    reading += "        kind = type(a0)\n"
    reading += f"        xp = SPACES[kind] if kind in SPACES{alike} else namespace({values})\n"
    saved = [f"{a} if kept & {1 << i} else None" for i, a in enumerate((*(arrays or ["tuple(values)"]), "out"))]
    one_dtype = "type(a1) is kind and kind in FLAT and even"  # of two numbers
    holes = {
        "count": count, "reading": reading if arrays else READ_ANY, "inputs": ", ".join(places) or "*inputs",
        "values": values or "*values", "saved": f"({', '.join(saved)},)",
        "uneven": f"not ({one_dtype})" if count == 2 else "op.uneven",
    }  # fmt: skip
    return defined(CALL.format(**holes), f"<operations of {count} arrays>", dict(NAMES), "function_of")  # type: ignore[no-any-return]


NAMES: dict[str, Any] = {
    **vars(backends), **vars(arguments), "Node": Node, "mode_now": MODE.get, "new": new,
    "remember": remember, "root_of": root_of, "stamp": stamp,
}  # fmt: skip


def function_of(op: Op, convert: Callable[..., Any]) -> FunctionType:
    """The operation as a plain function. ``convert`` is `argument` or `operand`."""
    function: Any = caller(-1 if op.variadic else len(op.args))(op, convert)
    function.__name__ = function.__qualname__ = op.name
    function.__doc__, function.__module__, function.__wrapped__ = op.__doc__, op.__module__, op
    return function  # type: ignore[no-any-return]
