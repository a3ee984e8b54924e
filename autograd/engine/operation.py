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

from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from glassgrad.autograd import backends
from glassgrad.autograd.backends import ANYWHERE, FLAT, SPACES
from glassgrad.autograd.common.messages import describe, shown
from glassgrad.autograd.common.shapes import normalize_axes
from glassgrad.autograd.engine.graph import Node, stamp
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.namespace import TAKEN, TENSORS
from glassgrad.autograd.engine.tensor import Tensor, new, root_of
from glassgrad.autograd.engine.writes import remember
from glassgrad.autograd.errors import AutogradError, DeclarationError, DTypeError, ShapeError
from glassgrad.autograd.readings.levels import LIFTED, innermost, plain_parts

if TYPE_CHECKING:
    from inspect import Signature

__all__ = ["OPS", "REQUIRED", "Op", "op"]

OPS: dict[str, Op] = {}
"""Every registered operation by its name."""

LIFTED.operations, LIFTED.clock = OPS, stamp


class Array(Protocol):
    """An array of NumPy, CuPy or another library of the array API."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""

    @property
    def dtype(self) -> Any:
        """The kind of number."""


ArrayLike: TypeAlias = Tensor | Array | complex | list[Any] | tuple[Any, ...]
"""An argument of an operation: a Tensor, an array, a number (also int, float and bool), or nested lists of numbers."""

REQUIRED = object()
"""The default of a parameter that has none."""

ALIASES = {"dim": "axis", "keepdim": "keepdims", "negative_slope": "slope"}
"""Parameters that may be given by PyTorch's names, too."""

FIXED = frozenset({int, tuple, slice, float, bool, str, type(None)})
"""The types of parameters that nobody can change after a call."""

AXES = frozenset({int, tuple, type(None)})
"""The types of an axis that are accepted as they are."""

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

    casts = False  # whether a call takes ``dtype=``, too, to which its first argument is cast

    def __init__(
        self, forward: Any, symbol: str, text: str, tex: str, level: int, broadcasts: bool = False, view: bool = False
    ) -> None:
        self.symbol, self.level, self.broadcasts, self.view = symbol, level, broadcasts, view
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
        named = not {"g", "out", "xp"} & {*self.args, *self.params}
        if not (fits and named) or (view and len(self.args) > 1) or (many and (positional[1:] or view)):
            raise DeclarationError(
                f"{self.name}: the forward is def {self.name}(xp, x, y=None, *, option=1.0): the namespace, arrays, "
                "whose default can only be None, or *arrays alone, and parameters after a star. No other can be called "
                "g, out or xp, which rules ask for. view=True is for one array."
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
    def bind(self) -> Callable[..., tuple[Any, Any]]:
        """The function that binds the arguments of a call to their names: it returns the arrays and all parameters.

        Any number of arrays are given one by one, or as a list, behind which parameters may follow by position. With
        ``dtype=`` the first array is cast to it, and so is the result, because sums of small integers are large ones:
        then the function returns the result and None.
        """
        closed, names = self.variadic, ", ".join(self.args)
        parts = [f"*{names}"] if closed else [f"{arg}=None" if arg in self.optional else arg for arg in self.args]
        for p, default in self.params.items():
            if default is REQUIRED and not closed and "=" in parts[-1]:  # Python allows it by name only
                parts, closed = [*parts, "*"], True
            parts.append(p if default is REQUIRED else f"{p}=params[{p!r}]")
        by_name = [f"{name}=None" for name in (*self.aliases, *["dtype"] * self.casts)]  # they are taken before
        parts += by_name if closed or not by_name else ["*", *by_name]
        arrays, values = names if self.variadic else f"({names},)", ", ".join(f"{p!r}: {p}" for p in self.params)
        bound = eval(f"lambda {', '.join(parts)}: ({arrays}, {{{values}}})", {"params": self.params})
        bound.__name__ = bound.__qualname__ = self.name  # for Python's own errors

        @wraps(bound)
        def bind(*given: Any, **params: Any) -> tuple[Any, Any]:
            named = {self.aliases.get(name, name): value for name, value in params.items()}
            if len(named) < len(params):
                words = f"a parameter by two names, {' and '.join(params)}: give it by one."
                raise DTypeError(f"{self.name} was given {words}")
            dtype = named.pop("dtype", None) if self.casts else None
            if self.variadic and given and isinstance(given[0], list | tuple) and len(given) <= 1 + len(self.params):
                behind = dict(zip(self.params, given[1:], strict=False))
                arrays, values = bound(*given[0], **behind, **named)
            else:
                arrays, values = bound(*given, **named)
            if dtype is None:
                return arrays, values
            out = self(TENSORS.astype(arrays[0], dtype), *arrays[1:], **values)
            return out if out.dtype == dtype else TENSORS.astype(out, dtype), None

        return bind

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
        raise DeclarationError(f"{role} is {function!r}: it must be a Python function with named arguments.")
    named = code.co_argcount + code.co_kwonlyargcount
    many = code.co_varnames[named : named + 1] if code.co_flags & 0x04 else ()
    return code.co_varnames[: code.co_argcount], code.co_varnames[code.co_argcount : named], many


def op(
    symbol: str, *, text: str = "", tex: str = "", level: int = 9, broadcasts: bool = False, view: bool = False
) -> Callable[[Callable[..., Any]], Op]:
    """Declare an operation: a decorator for its forward ``(xp, *arrays, *, **parameters)``, which becomes an `Op`.

    ``symbol``: its label in a picture. ``text``, ``tex``: its notation in plain text and LaTeX, with the names
    of arguments and parameters in braces. ``level``: how tightly that notation binds (1 sums, 2 products, 3 powers and
    signs, 9 atoms and calls). ``broadcasts``: its arguments are broadcast against each other. ``view``: its result may
    share the memory of its argument, whose elements it picks or rearranges, so that a write to the one is a write to
    the other. Raises `DeclarationError` for a name that NumPy, the package or another module's operation has already.

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
        made = Op(forward, symbol, text, tex, level, broadcasts, view)
        if (name in OPS and OPS[name].__module__ != made.__module__) or (made.foreign and name in TAKEN):
            raise DeclarationError(f"{name!r} is already a name of NumPy, this package or another module's operation.")
        backends.register(name, forward)
        OPS[name] = made
        setattr(TENSORS, name, made)
        return made

    return declare


# ---------------------------------------------------------------------------------------------------------- its rules


class Plan:
    """What is done for one mask of inputs.

    ``mask``: which of the inputs asked for have a rule, as bits. ``keep`` returns those of the arrays and the result
    that the rules need, and None for the others; ``pull`` calls the rules. Both are written for the mask, as in
    ``lambda g, xp, node, saved: (rule_x(g, saved[1]), None)``, because gathering what each rule asks for takes longer
    than many a rule. Raises `DeclarationError` for an argument for which a user has forgotten the rule.
    """

    __slots__ = ("mask", "keep", "pull")

    def __init__(self, op: Op, mask: int) -> None:
        asked = [arg for i, arg in enumerate(op.args) if (mask if op.variadic else mask >> i & 1)]
        if op.foreign and (missing := [arg for arg in asked if arg not in op.rules.keys() | op.ruleless]):
            raise DeclarationError(
                f"{op.name} has no rule for {missing[0]}, which requires grad: declare one with "
                f"{op.name}.vjp({missing[0]}=...), or {op.name}.vjp({missing[0]}=None) where it has no derivative."
            )
        wanted = [arg for arg in asked if arg in op.rules]
        self.mask = mask if op.variadic and wanted else sum(1 << op.args.index(arg) for arg in wanted)
        used = {name for arg in wanted for name in op.rules[arg][1]}
        given = ["tuple(arrays)"] if op.variadic else [f"arrays[{i}]" for i in range(len(op.args))]
        saved = [text if arg in used else "None" for arg, text in zip(op.args, given, strict=True)]
        self.keep = eval(f"lambda arrays, out: ({', '.join(saved)}, {'out' if 'out' in used else None})")
        names: dict[str, Any] = {"chosen": chosen, "bits": f"{mask:b}"[::-1]}
        calls, code = dict.fromkeys(op.args, "None"), code_of(op)
        for arg in wanted:
            rule, wants = op.rules[arg]
            names[f"rule_{arg}"] = guarded(rule, True, op.variadic) if op.foreign else rule
            calls[arg] = f"rule_{arg}({', '.join(code[name] for name in wants)})"
        text = f"({', '.join(calls.values())},)"
        if op.variadic and wanted:
            text = f"chosen(node, bits, {calls[op.args[0]]})"
        self.pull = eval(compile(f"lambda g, xp, node, saved: {text}", "<operation>", "eval"), names)


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


class Plans(dict[int, Plan]):
    """The plans of an operation by their masks, each made when it is first needed."""

    def __init__(self, op: Op) -> None:
        self._op = op

    def __missing__(self, mask: int) -> Plan:
        return self.setdefault(mask, Plan(self._op, mask))


# ------------------------------------------------------------------------------------------------------------ calling


def function_of(op: Op, convert: Callable[..., Any]) -> Callable[..., Any]:
    """The operation as a plain function: it reads its arguments, computes the forward, and records the result.
    ``convert`` is `argument` or `operand`.
    """
    count, first = (-1, 0) if op.variadic else (len(op.args), 1)
    numbers = backends.PYTHON_REALS if op.broadcasts else ()  # they stay what they are beside arrays
    plans, defaults, view, mode_now, space_of = op.plans, op.params, op.view, MODE.get, SPACES.get
    bare, axis = REQUIRED in defaults.values(), "axis" in defaults and not op.foreign
    one, two, full = count == 1, count == 2, 3 if count == 2 and op.broadcasts and not op.foreign else 0

    def call(*given: Any, **params: Any) -> Any:
        if params or bare or len(given) != count:
            named = len(given) == count and (not bare or len(params) == len(defaults)) and {**defaults, **params}
            if named and len(named) == len(defaults):
                params = named
            else:
                given, bound = op.bind(*given, **params)
                if bound is None:
                    return given  # computed in another dtype
                params = bound
            if not FIXED.issuperset(map(type, params.values())) or (axis and type(params["axis"]) not in AXES):
                params = checked(op, params)
        else:
            params = defaults
        arrays: list[Any] = []
        inputs: list[Any] = []
        kind: Any = None
        mask, bit, mixed = 0, first, False
        for x in given:
            if isinstance(x, Tensor):
                a = x._data
                inputs.append(x.node or x)
                if x.requires_grad:
                    mask |= bit
            else:
                a = x if type(x) in numbers else convert(op, x, given, len(arrays))
                if a is NotImplemented:
                    return a
                inputs.append(a)
            arrays.append(a)
            bit += bit
            if type(a) is not kind and type(a) not in ANYWHERE:
                kind, mixed = type(a), kind is not None
        if not first:  # any number of arrays: in linear time
            mask = int("0" + "".join(["01"[isinstance(x, Tensor) and x.requires_grad] for x in given[::-1]]), 2)
        if view and inputs[0] is not a:
            arrays[0] = a = given[0].data  # a number has no views
        if kind is None and arrays:  # Python's numbers alone
            arrays = [a if a is None else as_array(op, a) for a in arrays]
            inputs, a, kind = [*arrays], arrays[-1], type(arrays[0])
        xp = (not mixed and space_of(kind)) or backends.namespace(*arrays)
        mode = mode_now()
        try:
            if xp is LIFTED:
                out = xp.call(op, arrays, params, mask, mode.grad)
            elif params:
                out = op.forward(xp, *arrays, **params)
            elif one:  # without a star, which takes as long as a product of two numbers
                out = op.forward(xp, a)
            else:
                out = op.forward(xp, arrays[0], a) if two else op.forward(xp, *arrays)
        except Exception as error:
            out = fail(op, error, given, arrays, params)
        t = new()
        t._data = out
        t.grad = t.hooks = t._name = t._view = t._root = None
        plan = plans[mask if mode.grad else 0]
        if plan.mask:
            t.requires_grad, t.node = True, (node := Node())
            node.op, node.inputs, node.params = op, tuple(inputs), params
            node.mask, node.scope, node.index = plan.mask, mode.scope, stamp()
            node.shape, node.dtype, node.saved = out.shape, out.dtype, plan.keep(arrays, out)
            node.uneven = op.uneven and (mask != full or mixed or kind not in FLAT)
            node.name = node.hooks = node.origin = None
        else:
            t.requires_grad, t.node = False, None
            if not mask and mode.grad:
                t._root = root_of(given)
        if view:
            remember(t, given[0], op, params)
        if mode.observer is not None:
            mode.observer.called(op, t, arrays, params, plan.mask)
        return t

    call.__name__ = call.__qualname__ = op.name
    call.__doc__, call.__module__, call.__wrapped__ = op.__doc__, op.__module__, op  # type: ignore[attr-defined]
    return call


# ---------------------------------------------------------------------------------------------------------- arguments


def argument(op: Any, x: Any, given: Sequence[Any] = (), place: int = 0) -> Any:
    """An argument that is not a Tensor as an array. Raises `DTypeError`.

    ``given``: all arguments, of which it has the ``place``. If the operation broadcasts, a complex number stays one,
    because an array of its dtype would promote the others; but Python's complex treats NumPy's float64 as a float, and
    returns another Python complex.
    """
    kind = type(x)
    if x is None and op.optional and op.args[place] in op.optional:
        return None
    if kind in backends.PYTHON_SCALARS and op.broadcasts:
        beside = any(isinstance(plain_parts(y.data if isinstance(y, Tensor) else y)[0], float) for y in given)
        return as_array(op, x) if beside else x
    if kind in backends.SPACES and (backends.SPACES[kind] is not backends.NUMPY or x.dtype in backends.PLAIN):
        return x if not op.rules or x.dtype.kind in "fc" else frozen_copy(x)
    return as_array(op, x)


def as_array(op: Any, x: Any) -> Any:
    """``x`` as an array. The error names the operation."""
    try:
        return backends.asarray(x)
    except AutogradError as error:
        error.args = (f"{op.name} can't take this: {error}",)
        raise


def operand(op: Any, x: Any, given: Sequence[Any] = (), place: int = 0) -> Any:
    """`argument` for an operator: ``NotImplemented`` for an unknown type, so that Python asks the other one."""
    try:
        return argument(op, x, given, place)
    except AutogradError:
        if op.name not in ("equal", "not_equal") and (isinstance(x, list | tuple) or hasattr(x, "dtype")):
            raise
        return NotImplemented


def checked(op: Any, params: dict[str, Any]) -> dict[str, Any]:
    """``params`` with a list of axes as a tuple, and a `frozen_copy` of each that can be changed.

    Raises `DTypeError` for an axis that is no whole number, and for a parameter that carries a derivative, or has a
    value for each example, which is lost.
    """
    for name, value in params.items() if LIFTED.used else ():
        if isinstance(value, Tensor) and (level := innermost(value.data)):
            raise DTypeError(
                f"{op.name}: {name} is a value within the function of {level.name}, and a parameter is one number "
                "without a derivative: give one from outside of the function."
            )
    if type(axis := params.get("axis")) is list:
        params = {**params, "axis": tuple(axis)}
    elif type(axis) not in AXES and not op.foreign:
        normalize_axes(axis, 64)  # raises for what is no whole number; the forward knows the range
    return {p: v if type(v) in FIXED else frozen_copy(v) for p, v in params.items()}


def frozen_copy(x: Any) -> Any:
    """A copy of a list, or of an array of indices, labels or conditions, because its owner may change it before a rule
    runs; any other value as it is.
    """
    observer = MODE.get().observer
    noticed = type(x) is not list and observer is not None and observer.notices_changes
    if backends.cupy.is_cupy(type(x)):
        backends.namespace(x)  # makes its GPU the current one, to which CuPy copies
    return x.copy() if hasattr(x, "copy") and not noticed else x


def fail(op: Any, error: Exception, given: Sequence[Any], arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """Raise a forward's error as one of this package, with the names and shapes of the arguments.

    If a tracer could not follow the forward, return its stand-in for the whole operation.
    """
    if LIFTED.used and innermost(params.get("index")) and innermost(arrays) is None:
        return LIFTED.call(op, arrays, params)  # an array can't be indexed by a lifted one
    inputs = tuple([x if op.variadic or isinstance(x, Tensor) else a for x, a in zip(given, arrays, strict=True)])
    if (tracer := getattr(error, "tracer", None)) is not None:
        return tracer.opaque(op, inputs, params)
    if isinstance(error, AutogradError):
        if op.foreign:
            error.add_note(f"The forward of {op.name} or a rule raised it, or its result does not fit.")
        raise error
    names = (f"{op.args[0]}[{i}]" for i in range(len(inputs))) if op.variadic else iter(op.args)
    told = ", ".join(f"{n} = {describe(x)}" for n, x in zip(names, inputs, strict=True) if x is not None)
    options = "".join(f", {k}={shown(v, 200)}" for k, v in params.items() if v is not op.params.get(k))
    kinds = {**backends.OURS, AttributeError: DTypeError}
    raise backends.in_words(f"{op.name} can't take {told or 'no arrays'}{options}", error, kinds) from error


def guarded(function: Callable[..., Any], of_rule: bool = False, many: bool = False) -> Callable[..., Any]:
    """A user's own forward or rule with read-only arrays, because they are used elsewhere, too. What it returns, for
    ``many`` arguments several, is made an array; of a rule it may be None.
    """

    def lent(value: Any) -> Any:
        return tuple(map(lent, value)) if isinstance(value, tuple) else backends.read_only(value)

    def checked(found: Any) -> Any:
        known = type(found) in backends.SPACES or isinstance(found, Tensor) or (of_rule and found is None)
        return found if known else backends.asarray(found)

    @wraps(function)
    def guarded(*given: Any, **params: Any) -> Any:
        found = function(*map(lent, given), **params)
        return list(map(checked, found)) if many else checked(found)

    return guarded
