"""Declaration and registration of operations. How they are called is in `dispatch`.

An operation is one forward and one rule per argument, all written against a namespace ``xp``::

    @op("×", text="{x} × {y}", tex=r"{x} \\odot {y}", level=2, broadcasts=True)
    def multiply(xp, x, y):
        '''Elementwise product.'''
        return x * y

    multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)

Arrays are positional (``*arrays`` for any number, given one by one or as a list; ``=None`` for one that may be left
out), parameters keyword-only; a call may give these by position, too, after the arrays. A rule returns the gradient
with respect to its argument from ``g``, the upstream gradient. **The rule's signature is its save-list**: it may name
``g``, any argument, ``out``, ``x_shape`` for any argument ``x``, any parameter, and ``xp``; values that no rule names
are not kept alive. ``**rest`` are the parameters that it does not name.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.engine.declare.declaration import REQUIRED, Declaration
from glassgrad.autograd.engine.declare.dispatch import RESERVED, SHARED, Pulls, forget, lazy_function, write
from glassgrad.autograd.engine.graph import stamp
from glassgrad.autograd.engine.memory import LAST, WRITES
from glassgrad.autograd.engine.namespace import TAKEN, TENSORS
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DeclarationError

if TYPE_CHECKING:
    from inspect import Signature

__all__ = ["OPS", "REQUIRED", "RESERVED", "Op", "op"]

OPS: dict[str, Op] = {}
"""Every registered operation by its name."""


class Op(Declaration):
    """An operation, made by `op`; call it with arrays or Tensors.

    ``args`` and ``params`` are the names of its arguments and parameters; ``rules`` maps an argument to its rule and
    the names that the rule asks for; ``saves`` are the names that the graph saves; ``symbol``, ``text``, ``tex`` and
    ``level`` are as in `op`. ``apply`` is the operation as a plain function, ``operator`` the same for the operators of
    `Tensor`; ``pulls`` are the functions that call its rules.
    """

    __slots__ = ("__call__",)  # calling an Op calls the function in this slot

    if TYPE_CHECKING:

        def __call__(self, *inputs: Any, **params: Any) -> Tensor:
            """Compute the result, and record it where a Tensor among the inputs requires grad."""

    def __init__(self, *declared: Any) -> None:
        super().__init__(*declared)
        self.check_names(RESERVED)
        self.names |= SHARED
        self.pulls = self.sparse_pulls = Pulls(self)
        self.into: Callable[..., None] | None = None  # the kernel
        self.order: Callable[[int], tuple[int, ...]] = range  # type: ignore[assignment]
        self.redeclared = 0  # when rules were last declared again, on the graph's clock: older nodes saved other values
        self.apply: FunctionType = lazy_function(self)
        self.operator: FunctionType = lazy_function(self, operator=True)
        self.__call__ = self.apply  # type: ignore[method-assign]

    def vjp(self, **rules: Callable[..., Any] | None) -> None:
        """Declare one rule per argument; None for an argument without a derivative, such as an index.

        Raises `DeclarationError` where a rule asks for a name that does not exist.
        """
        for arg, rule in rules.items():
            self.ruleless -= {arg}
            if rule is None and arg in self.args:
                self.rules.pop(arg, None)
                self.ruleless |= {arg}
            else:
                self.rules[arg] = self.checked_rule(arg, rule)
                self.names[f"rule_{arg}"] = self.rules[arg][0]
            self.sparse_rules.pop(arg, None)
        wanted = {w for _, wants in self.rules.values() for w in wants}
        self.saves = tuple(name for name in (*self.args, "out") if name in wanted)
        self.pulls.clear()
        self.sparse_pulls.clear()
        if forget(self.apply, self.operator):
            self.redeclared = WRITES[LAST] = stamp()

    def sparse_vjp(self, **rules: Callable[..., Any]) -> None:
        """Declare rules that may return `Scattered` gradients, with the same values, for a backward pass that only sums
        contributions.
        """
        for arg, rule in rules.items():
            self.sparse_rules[arg] = self.checked_rule(arg, rule)
            self.names[f"sparse_rule_{arg}"] = self.sparse_rules[arg][0]
        self.sparse_pulls = Pulls(self, sparse=True)

    def kernel(self, order: Callable[[int], tuple[int, ...]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Declare the function ``(xp, out, *arrays, **parameters)`` that writes the result into ``out``: a decorator.

        A compiled program calls it with a reused array. Its values are those of the forward. ``order`` maps the
        number of axes of the result to the order of these axes in memory.
        """

        def declare(function: Callable[..., None]) -> Callable[..., None]:
            self.into, self.order = function, order
            return function

        return declare

    @property
    def __signature__(self) -> Signature:
        import inspect

        write(self.apply)
        found = inspect.signature(self.apply)
        given = [p.replace(default=p.empty) if p.default is REQUIRED else p for p in found.parameters.values()]
        return found.replace(parameters=given)

    def __reduce__(self) -> str:
        return self.name  # pickled, copied and deep-copied by its name in its module, as functions are

    def __repr__(self) -> str:
        return f"<operation {self.name}{self.__signature__}>"


def op(
    symbol: str, *, text: str = "", tex: str = "", level: int = 9, broadcasts: bool = False, casts: bool = False
) -> Callable[[Callable[..., Any]], Op]:
    """Declare an operation: a decorator for its forward ``(xp, *arrays, *, **parameters)``, which becomes an `Op`.

    ``symbol``: its label in a picture. ``text``, ``tex``: its notation in plain text and LaTeX, with the names
    of arguments and parameters in braces. ``level``: how tightly that notation binds (1 sums, 2 products, 3 powers and
    signs, 9 atoms and calls). ``broadcasts``: its arguments are broadcast against each other. ``casts``: it also takes
    ``dtype=``, and casts its first argument to it first. Raises `DeclarationError` for a name that the package, or an
    operation of another module, has already.

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
        if name in OPS and OPS[name].__module__ != forward.__module__:
            module = OPS[name].__module__
            raise DeclarationError(f"an operation {name!r} exists already, in {module}: choose another name.")
        made = Op(forward, symbol, text, tex, level, broadcasts, casts)
        if made.foreign and name in TAKEN:
            raise DeclarationError(
                f"{name!r} is a name of this package already, which its rules or its users rely on: choose another "
                "name for the operation."
            )
        OPS[name] = made
        made.forward = made.names["forward"] = backends.register(name, forward, users=made.foreign)
        setattr(TENSORS, name, made)
        return made

    return declare
