"""Writes the stubs that tell type checkers what is made at run time: ``python -m tests.stubs``, as the build does.

``autograd/__init__.pyi`` has the names of the package, whose operations are functions for a checker,
``autograd/engine/_methods.pyi`` the operators and methods that `autograd.functions.methods` and `autograd.interop` put
on `Tensor`, and ``viz/__init__.pyi`` the names of `viz`, each of which is imported when it is first used.
"""

import ast
import inspect
import textwrap
from pathlib import Path

from glassgrad import autograd, viz
from glassgrad.autograd.common.operators import BINARY, COMPARED, SINGLE
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.operation import REQUIRED, Op
from glassgrad.autograd.functions import methods
from glassgrad.autograd.interop import protocols

PACKAGE = Path(autograd.__file__).parent

TYPES = {
    "axis": "Axis",
    "axes": "Sequence[int]",
    "classes": "int",
    "correction": "float",
    "descending": "builtins.bool",
    "dim": "Axis",
    "device": "str",
    "eps": "float",
    "include_initial": "builtins.bool",
    "k": "int",
    "keepdim": "builtins.bool",
    "keepdims": "builtins.bool",
    "offset": "int",
    "reduction": "str",
    "shape": "int | Sequence[int]",
    "side": "str",
    "stable": "builtins.bool",
    "subscripts": "str",
    "upper": "builtins.bool",
}
"""The types of operations' parameters by their names; any other parameter is `Any`."""

ONE_AXIS = {"argmax", "argmin", "argsort", "concat", "cumulative_prod", "cumulative_sum", "take"}
"""The operations whose ``axis`` is one, or None."""


def parameter(op, name, default):
    """A parameter of an operation with its type and default."""
    kind = "int | None" if name in ("axis", "dim") and op.name in ONE_AXIS else TYPES.get(name, "Any")
    if default is REQUIRED:
        return f"{name}: {kind}"
    if default is None and kind not in ("Any", "Axis") and "None" not in kind:
        kind += " | None"
    return f"{name}: {kind} = {default!r}"


def parameters(op, of_method=False):
    """The parameters of the function that is written for an operation."""
    parts = []
    for name, p in op.__signature__.parameters.items():
        if p.kind is p.VAR_POSITIONAL:
            parts.append(f"*{name}: ArrayLike | Sequence[ArrayLike]")
            continue
        if p.kind is p.KEYWORD_ONLY and "*" not in "".join(parts):
            parts.append("*")
        if name == op.args[0] and of_method:
            parts.append("self")
        elif name in op.args:
            parts.append(f"{name}: ArrayLike" + (" | None = None" if name in op.optional else ""))
        else:
            parts.append(parameter(op, name, REQUIRED if p.default is p.empty else p.default))
    return ", ".join(parts)


def as_written(method):
    """The first line of a method, without the type of ``self``."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(method))).body
    (node.args.posonlyargs or node.args.args)[0].annotation = None
    return f"def {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}: ..."


def public_imports():
    """The names that the package imports as they are, as import statements."""
    for node in ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            typed = node.module == "glassgrad.autograd.functions.transforms" and alias.name != "gradients"
            if not typed and alias.name in autograd.__all__ and alias.name not in (*vars(TENSORS), "pow"):
                yield f"from {node.module} import {alias.name} as {alias.name}"


def package():
    """The text of ``autograd/__init__.pyi``."""
    imports = list(public_imports())
    functions = []
    for name, value in sorted(vars(TENSORS).items()):
        if isinstance(value, Op) and value.foreign:  # of a test
            continue
        if isinstance(value, Op):
            functions.append(f"def {name}({parameters(value)}) -> Tensor: ...")
        else:
            module = value.__module__ if inspect.isfunction(value) else "glassgrad.autograd.functions.dtypes"
            imports.append(f"from {module} import {name} as {name}")
    return HEAD + "\n".join(
        [
            "from typing import Concatenate, Literal, ParamSpec, TypeVar, overload",
            "from glassgrad.autograd.engine.operation import Array",
            *sorted(imports),
            "from glassgrad.autograd import testing as testing",
            "from glassgrad.autograd.compiler import Program as Program, compile as compile, loop as loop",
            "from glassgrad.autograd.compiler import scan as scan, trace as trace",
            "",
            "__all__: list[str]",
            "__version__: str",
            "newaxis: None",
            'P = ParamSpec("P")',
            'R = TypeVar("R")',
            'T = TypeVar("T")',
            'Tree = TypeVar("Tree", bound=Tensor | dict[Any, Any] | list[Any] | tuple[Any, ...])',
            TRANSFORMS,
            *functions,
            "pow = power",
            "",
        ]
    )


def tensor_methods():
    """The text of ``autograd/engine/_methods.pyi``."""
    lines = []
    for name in BINARY:
        lines.append(f"def __{name}__(self, other: ArrayLike) -> Tensor: ...")
        lines.append(f"def __r{name}__(self, other: ArrayLike) -> Tensor: ...")
        lines.append(f"def __i{name}__(self, other: ArrayLike) -> Self: ...")
    for name in COMPARED:
        other, note = ("object", "  # type: ignore[override]") if name in ("eq", "ne") else ("ArrayLike", "")
        lines.append(f"def __{name}__(self, other: {other}) -> Tensor: ...{note}")
    lines += [f"def __{name}__(self) -> Tensor: ..." for name in SINGLE]
    lines += [
        f"def {name}({parameters(autograd.OPS[name], of_method=True)}) -> Tensor: ..." for name in methods.METHODS
    ]
    lines.append("def dot(self, other: ArrayLike) -> Tensor: ...")
    for name, value in [*vars(methods.Methods).items(), *vars(protocols.Protocols).items()]:
        if isinstance(value, property):
            lines += ["@property", as_written(value.fget)]
        elif inspect.isfunction(value) and name != "__getattr__":  # a checker is to see which names are missing
            lines.append(as_written(value))
    imports = [
        "from collections.abc import Iterator",
        "from glassgrad.autograd.engine.backward import Hook",
        "from glassgrad.autograd.engine.tensor import Tensor",
    ]
    head = "\n".join([HEAD.rstrip(), *imports, "\nclass TensorMethods:\n"])
    return head + "".join(f"    {line}\n" for line in lines)


HEAD = """\
# Written by tests/stubs.py.
import builtins
from collections.abc import Callable, Sequence
from typing import Any, Self

from glassgrad.autograd.common.shapes import Axis
from glassgrad.autograd.engine.operation import ArrayLike
"""
TRANSFORMS = """\
@overload
def grad(
    f: Callable[Concatenate[Tree, P], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[..., Tree]: ...
@overload
def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: builtins.bool = False
) -> Callable[..., Any]: ...
@overload
def value_and_grad(
    f: Callable[Concatenate[Tree, P], T], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[..., tuple[T, Tree]]: ...
@overload
def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: builtins.bool = False
) -> Callable[..., tuple[Any, Any]]: ...
@overload
def vjp(
    f: Callable[..., R], *primals: Tensor | Array | complex, has_aux: Literal[False] = False
) -> tuple[R, Callable[[Any], tuple[Tensor, ...]]]: ...
@overload
def vjp(
    f: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[[Any], tuple[Any, ...]]]: ...
@overload
def vjp(
    f: Callable[..., tuple[R, T]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[[Any], tuple[Any, ...]], T]: ...
@overload
def jvp(
    f: Callable[..., R], primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[False] = False
) -> tuple[R, R]: ...
@overload
def jvp(
    f: Callable[..., tuple[R, T]], primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[True]
) -> tuple[R, R, T]: ...
@overload
def hvp(
    f: Callable[..., Tensor],
    primals: tuple[Tensor | Array | complex, ...],
    tangents: Sequence[Any],
    has_aux: Literal[False] = False,
) -> tuple[Tensor, ...]: ...
@overload
def hvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: builtins.bool = False
) -> Any: ...
def jet(
    f: Callable[..., Any], primals: Sequence[Any], series: Sequence[Sequence[Any]]
) -> tuple[Any, Any]: ...
def sparse_jacobian(f: Callable[..., Any]) -> Callable[..., Any]: ...
def sparse_hessian(f: Callable[..., Any]) -> Callable[..., Any]: ...
def vmap(
    f: Callable[..., R], in_axes: Any = 0, out_axes: int = 0, *, randomness: str = "different"
) -> Callable[..., R]: ...
"""
JACOBIAN = """\
@overload
def {name}(
    f: Callable[Concatenate[Tensor, P], T], argnums: int = 0, has_aux: Literal[False] = False
) -> Callable[..., T]: ...
@overload
def {name}(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: builtins.bool = False
) -> Callable[..., Any]: ...
"""
TRANSFORMS += "".join(JACOBIAN.format(name=name) for name in ("jacobian", "jacfwd", "jacrev", "hessian"))
"""The transforms, with the types of their results for functions of Tensors. A lambda makes `Any`."""


def pictures():
    """The text of ``viz/__init__.pyi``."""
    homes = viz._HOMES.items()
    return "\n".join(
        [*(f"from glassgrad.viz.{home} import {name} as {name}" for name, home in homes), "__all__: list[str]", ""]
    )


STUBS = {"autograd/__init__.pyi": package, "autograd/engine/_methods.pyi": tensor_methods, "viz/__init__.pyi": pictures}


def write():
    """Write the stubs that are missing or out of date."""
    for name, text in STUBS.items():
        path, new = PACKAGE.parent / name, text()
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    write()
