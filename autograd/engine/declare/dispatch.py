"""The functions written for each operation: ``apply`` computes and records, ``pull`` calls its rules.

They are generated as source text, like ``__init__`` in `dataclasses`, because looping over arguments and looking up
names at every call doubles the cost of a small operation. An operation's functions are generated at their first call:
generating all would take longer than importing NumPy. The text is in `linecache`, so that tracebacks and
`inspect.getsource` show it:

>>> import inspect
>>> from glassgrad import autograd as ag
>>> print(inspect.getsource(ag.relu.pulls[1]))
def pull(g, xp, node, saved):
    return (rule_x(xp, g, saved[0]),)

Variables of written functions end in ``_``; all other names are arguments, parameters, or in `SHARED`.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from types import FunctionType
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.engine.declare import arguments
from glassgrad.autograd.engine.declare.declaration import REQUIRED, Declaration
from glassgrad.autograd.engine.graph import Node, stamp
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor, new

ALIASES = {"axis": "dim", "keepdims": "keepdim", "slope": "negative_slope"}
"""Parameters that may be given by PyTorch's names, too."""

# ------------------------------------------------------------------------------------------------------- the templates

APPLY = """\
def {name}({signature}):
    mask_ = 0
{reading}
    try: out_ = forward(xp_, {arrays}{keywords})
    except Exception as error_: out_ = fail(op, error_, {given}, {params})
    {checks}t_ = new(Tensor)
    t_._data = out_
    t_.grad = t_.hooks = t_._name = None
    mode_ = mode_now()
    if mask_ and mode_.grad:
        t_.requires_grad = True
        t_.node = node_ = new(Node)
        node_.op, node_.inputs, node_.mask = op, {places}, mask_
        node_.params, node_.saved = {params}, {saved}
        node_.shape, node_.dtype, node_.index = out_.shape, out_.dtype, stamp()
        node_.scope = mode_.scope
        node_.name = node_.hooks = node_.origin = None
        node_.uneven = {uneven}
    else:
        t_.requires_grad = False
        t_.node = None
    if mode_.anomaly: mode_.anomaly.check_forward(op, t_, ({arrays},), {params}, mask_)
    return t_
"""

ARGUMENT = """\
    if isinstance({a}, Tensor):
        a_{a}, p_{a} = {a}.{slot}, {a}.node or {a}
        if {a}.requires_grad: mask_ += {bit}
    elif type({a}) in SPACES and {a}.dtype in PLAIN: a_{a} = p_{a} = {own}
    {shortcut}else: a_{a} = p_{a} = {a} = {convert}({a}, op{others})
{unknown}"""
"""One argument: its array ``a_x``, its vertex ``p_x``, and its bit in the mask of inputs with gradients."""

VARIADIC = """\
    if {many} and isinstance({many}[0], (list, tuple)):
        if len({many}) == 1: {many} = {many}[0]
        else: {many}{targets} = split_list_call(op, {many}{keywords})
{aliases}    values_, places_ = [], []
    for x_ in {many}:
        if isinstance(x_, Tensor):
            values_.append(x_._data)
            places_.append(x_.node or x_)
        else:
            values_.append(convert_argument(x_, op))
            places_.append(values_[-1])
    mask_ = mask_of({many})
    xp_ = namespace(*values_)
"""
"""Any number of arguments, given one by one or as a list."""

PULL = """\
def pull(g, xp, node, saved):
    return {contributions}
"""


# --------------------------------------------------------------------------------------------------------- the writing


def lazy_function(op: Declaration, operator: bool = False) -> FunctionType:
    """``op.apply``, or ``op.operator``, which returns ``NotImplemented`` for a type that it does not know.

    The function writes its own code at its first call. It stays the same object when rules are declared again, so that
    references to it, such as methods of Tensor, always run the current rules.
    """
    function = FunctionType(UNWRITTEN[operator], op.names, op.name)
    function.__module__, function.__qualname__, function.__doc__ = op.__module__, op.name, op.__doc__
    return function


def _first_call(*inputs: Any, **params: Any) -> Any:
    write(op.apply)  # type: ignore[name-defined]  # noqa: F821  (in `op.names`)
    return op.apply(*inputs, **params)  # type: ignore[name-defined]  # noqa: F821


def _first_call_as_operator(*inputs: Any) -> Any:
    write(op.operator)  # type: ignore[name-defined]  # noqa: F821
    return op.operator(*inputs)  # type: ignore[name-defined]  # noqa: F821


UNWRITTEN = _first_call.__code__, _first_call_as_operator.__code__


def write(function: FunctionType) -> None:
    """Write the code of a lazy function, unless it is written already."""
    if function.__code__ in UNWRITTEN:
        op, operator = function.__globals__["op"], function.__code__ is UNWRITTEN[True]
        file = f"<operation {op.name}, as an operator>" if operator else f"<operation {op.name}>"
        made = _defined(op, op.name, apply_source(op, operator), file)
        function.__defaults__, function.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
        function.__code__ = made.__code__


def forget(*functions: FunctionType) -> bool:
    """Discard ``op.apply`` and ``op.operator``, which the next call writes again. Returns whether one existed."""
    written = any(function.__code__ not in UNWRITTEN for function in functions)
    for function, code in zip(functions, UNWRITTEN, strict=True):
        function.__code__, function.__defaults__, function.__kwdefaults__ = code, None, None
    return written


class Pulls(dict[int, Callable[..., Any]]):
    """For each mask of inputs the function ``(g, xp, node, saved) -> contributions`` that calls the rules of these
    inputs; the contributions of the others are ``None``.
    """

    def __init__(self, op: Declaration, sparse: bool = False) -> None:
        super().__init__()
        self._op, self._sparse = op, sparse

    def __missing__(self, mask: int) -> Callable[..., Any]:
        op, sparse = self._op, self._sparse
        file = f"<operation {op.name}, {'sparse ' if sparse else ''}gradients {mask:b}>"
        pull = self[mask] = _defined(op, "pull", pull_source(op, mask, sparse), file)
        return pull


def _defined(op: Declaration, name: str, source: str, file: str) -> FunctionType:
    """The function that ``source`` defines, with the operation's names as globals."""
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    made: dict[str, Any] = {}
    exec(compile(source, file, "exec"), op.names, made)
    function: FunctionType = made[name]
    function.__module__ = op.__module__
    return function


def apply_source(op: Declaration, operator: bool = False) -> str:
    """The text of ``op.apply``, or of ``op.operator``."""
    keywords = "".join(f", {p}={p}" for p in op.params)
    kept = {p: f"{p} if type({p}) in AXES else frozen_copy({p})" for p, d in op.params.items() if d is REQUIRED}
    params = "{" + ", ".join(f"{p!r}: {kept.get(p, p)}" for p in op.params) + "}" if op.params else "NONE"
    checks = ""
    if op.foreign:  # tests check this package's operations, so calls need not
        checks = "out_ = checked_result(op, out_)\n    "
        if forgotten := [a for a in op.args if a not in op.rules and a not in op.ruleless]:
            given = ", ".join(f"{a!r}: {a if op.variadic else f'({a},)'}" for a in forgotten)
            checks += f"if mode_now().grad: check_rules(op, out_, {{{given}}})\n    "
    if op.casts:  # sums of small integers are large ones
        checks += "if dtype is not None and out_.dtype != dtype: out_ = xp_.astype(out_, dtype)\n    "
    if op.variadic:
        (many,) = op.args
        targets = "".join(f", {p}" for p in op.params)
        return APPLY.format(
            name=op.name, signature=f"*{many}, {_parameters(op)}", params=params, keywords=keywords, checks=checks,
            reading=VARIADIC.format(many=many, targets=targets, keywords=keywords, aliases=_aliases(op)).rstrip("\n"),
            arrays=f"*{_read_only(op, 'tuple(values_)' if op.foreign else 'values_')}", given=many,
            places="tuple(places_)",
            saved="(" + "".join({many: "tuple(values_), ", "out": "out_, "}[name] for name in op.saves) + ")",
            uneven=op.uneven,
        )  # fmt: skip
    return APPLY.format(
        name=op.name,
        signature="".join(f"{a}=None, " if a in op.optional else f"{a}, " for a in op.args) + _parameters(op),
        reading=_aliases(op) + _reading(op, operator), params=params, keywords=keywords, checks=checks,
        arrays=", ".join(_read_only(op, f"a_{a}") for a in op.args), given=f"({', '.join(op.args)},)",
        places=f"({', '.join(f'p_{a}' for a in op.args)},)",
        saved="(" + "".join(f"{_saved(op, name)}, " for name in op.saves) + ")", uneven=_uneven(op),
    )  # fmt: skip


def _parameters(op: Declaration) -> str:
    """The parameters of the signature, those after a star by keyword only."""
    placed: dict[str, str] = {}
    star, default_before = {} if op.variadic else {"*": "*"}, bool(op.optional)
    behind = {ours: f"{theirs}=None" for ours, theirs in ALIASES.items() if ours in op.params and not op.foreign}
    if op.casts:
        behind["dtype"] = "dtype=None"
    for p, default in op.params.items():
        bare = default is REQUIRED and p not in behind
        if bare and default_before:  # Python allows no parameter without a default here, unless it is keyword-only
            placed |= star
        default_before |= not bare
        placed[p] = p if bare else f"{p}=default_{p}"
    return ", ".join([*placed.values(), *(star if behind and "*" not in placed else ()), *behind.values()])


def _aliases(op: Declaration) -> str:
    """Code for PyTorch's names of parameters, and for the check of ``axis``."""
    code = {ours: f"if {theirs} is not None: {ours} = {theirs}" for ours, theirs in ALIASES.items()}
    code["axis"] = "if type(axis) not in AXES or dim is not None: axis = checked_axis(op, axis, dim)"
    return "".join(f"    {line}\n" for ours, line in code.items() if ours in op.params and not op.foreign)


def _reading(op: Declaration, operator: bool) -> str:
    """Code that reads the arguments and finds the namespace of their arrays."""
    text = f"    if dtype is not None: {op.args[0]} = TENSORS.astype({op.args[0]}, dtype)\n" if op.casts else ""
    for i, a in enumerate(op.args):
        shortcut = ""
        if op.broadcasts:  # a shortcut for numbers that `convert_argument` would return as they are
            last = f" and type(a_{op.args[i - 1]}) not in ANYWHERE" if i == len(op.args) - 1 > 0 else ""
            shortcut += f"elif type({a}) in PYTHON_REALS{last}: a_{a} = p_{a} = {a}\n    "
        if a in op.optional:
            shortcut += f"elif {a} is None: a_{a} = p_{a} = None\n    "
        others = "".join(f", a_{b}" for b in op.args[:i])
        if op.broadcasts and op.args[i + 1 :]:
            others += f", behind=({', '.join(op.args[i + 1 :])},)"
        bit = 1 << i if a in op.rules else 0
        convert = "convert_operand" if operator else "convert_argument"
        unknown = f"    if {a} is NotImplemented: return {a}\n" if operator else ""
        own = f"{a} if {a}.dtype.kind in 'fc' else frozen_copy({a})" if a in op.saves else a
        slot = "data" if op.name in ("getitem", "permute_dims", "reshape") else "_data"  # a number has no views
        text += ARGUMENT.format(
            a=a, bit=bit, own=own, shortcut=shortcut, others=others, convert=convert, unknown=unknown, slot=slot
        )
    kind = f"type(a_{op.args[0]})"
    alike = "".join(f" and (type(a_{a}) is {kind} or type(a_{a}) in ANYWHERE)" for a in op.args[1:])
    arrays = ", ".join(f"a_{a}" for a in op.args)
    return f"{text}    xp_ = SPACES[{kind}] if {kind} in SPACES{alike} else namespace({arrays})"


def _saved(op: Declaration, name: str) -> str:
    """Code for the value saved as ``name``: None if no rule that needs it will be used."""
    value = "out_" if name == "out" else f"a_{name}"
    users = sum(1 << i for i, a in enumerate(op.args) if name in op.rules.get(a, (None, ()))[1])
    rules = sum(1 << i for i, a in enumerate(op.args) if a in op.rules)
    return value if users == rules else f"{value} if mask_ & {users} else None"


def _uneven(op: Declaration) -> str:
    """Code for whether a gradient may differ from its input in shape or dtype: not if both are scalars of one type."""
    if not (op.broadcasts and len(op.args) == 2 and not op.foreign):
        return str(op.uneven)
    x, y = (f"type(a_{a})" for a in op.args)
    return f"{x} is not {y} or {x} not in FLAT"


def _read_only(op: Declaration, source: str) -> str:
    """Code for an array that is also used elsewhere: a user's own operation gets it read-only."""
    return f"read_only({source})" if op.foreign else source


def pull_source(op: Declaration, mask: int, sparse: bool = False) -> str:
    """The text of the function that is written for a mask of inputs."""
    calls = []
    for i, arg in enumerate(op.args):
        kind = "sparse_rule" if sparse and arg in op.sparse_rules else "rule"
        rule = (op.sparse_rules if kind == "sparse_rule" else op.rules).get(arg)
        wanted = rule is not None and (op.variadic or mask >> i & 1)
        names = ", ".join(_rule_argument(op, name) for name in rule[1]) if rule else ""
        calls.append(f"{kind}_{arg}({names})" if wanted else "None")
    result = f"({', '.join(calls)},)"
    if op.variadic:
        result = f"asked_for({calls[0]}, '{f'{mask:b}'[::-1]}')"
    return PULL.format(contributions=f"checked_gradients(op, {result}, len(node.inputs))" if op.foreign else result)


def _rule_argument(op: Declaration, name: str) -> str:
    """Code for the argument ``name`` of a rule."""
    if name in op.saves:
        return _read_only(op, f"saved[{op.saves.index(name)}]")
    if name in op.params:
        return f"node.params[{name!r}]"
    if name in ("g", "xp"):
        return name if name == "xp" else _read_only(op, name)
    if op.variadic:
        return "tuple([getattr(p, 'shape', ()) for p in node.inputs])"
    return f"getattr(node.inputs[{op.args.index(name.removesuffix('_shape'))}], 'shape', ())"


SHARED: dict[str, Any] = {
    "ANYWHERE": backends.ANYWHERE, "FLAT": backends.FLAT, "NONE": {}, "Node": Node, "PLAIN": backends.PLAIN,
    "PYTHON_REALS": backends.PYTHON_REALS, "SPACES": backends.SPACES, "TENSORS": TENSORS,
    "Tensor": Tensor, "mode_now": MODE.get, "namespace": backends.namespace, "new": new, "stamp": stamp,
    "write": write, **{name: getattr(arguments, name) for name in arguments.__all__},
}  # fmt: skip
"""The names that every written function may use."""

RESERVED = frozenset(SHARED) | {
    "Exception", "NotImplemented", "forward", "g", "isinstance", "len", "list", "op", "out", "tuple",
    "type", "xp",
}  # fmt: skip
"""Names that no argument or parameter may have. Nor may one end in ``_``."""
