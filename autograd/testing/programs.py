"""`Program`: a short sequence of operations that can be run, printed and cast."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from glassgrad.autograd import backends
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DTypeError

Array = np.ndarray[Any, np.dtype[Any]]


class Ref(str):
    """A reference to the value of an input or of an earlier step, by its name."""

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Step:
    """``name = op(*args, **params)``; an argument is a `Ref` or a constant."""

    name: str
    op: Op
    args: tuple[Any, ...]
    params: Mapping[str, Any]

    @property
    def needs(self) -> list[str]:
        """The names of the values that it reads."""
        return [arg for arg in self.args if isinstance(arg, Ref)]

    @property
    def follows(self) -> list[str]:
        """The names of the values for which the operation has a rule."""
        return [arg for arg, name in self.named_args if isinstance(arg, Ref) and name in self.op.rules]

    @property
    def named_args(self) -> list[tuple[Any, str]]:
        """Each of ``args`` with the name of the argument that it is given for."""
        names = self.op.args * len(self.args) if self.op.variadic else self.op.args
        return list(zip(self.args, names, strict=False))


@dataclass(frozen=True, repr=False, eq=False)
class Program:
    """A function of its ``inputs`` (arrays by name) made of ``steps``, which returns a tuple of its ``outputs``.

    It may be called with Tensors in place of its own inputs. Its ``repr`` is Python that can be run.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad.autograd.testing import Program
    >>> program = Program.of(ag.multiply, [1.0, 2.0], 3.0)
    >>> program
    from glassgrad import autograd as ag
    <BLANKLINE>
    x0 = ag.Tensor([1.0, 2.0], requires_grad=True, name="x0")
    x1 = ag.Tensor(3.0, requires_grad=True, name="x1")
    v0 = ag.multiply(x0, x1)  # (2,)
    outputs = (v0,)
    >>> program(*program.tensors())
    (Tensor([3.0, 6.0], op=multiply),)
    """

    inputs: Mapping[str, Any]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, op: Op, *arrays: Any, **params: Any) -> Program:
        """One operation: a function of those arrays that are real floating point and have a rule."""
        check_instance(op, Op, "op", "an operation, such as autograd.exp")
        if len(arrays) > len(op.args) and not op.variadic:
            raise DTypeError(f"{op.name} takes {', '.join(op.args)}; it was given {len(arrays)} arrays.")
        inputs: dict[str, Any] = {}
        args: list[Any] = []
        for i, x in enumerate(arrays):
            given = x.data if isinstance(x, Tensor) else x if x is None else backends.asarray(x)
            named = x.name if isinstance(x, Tensor) else None
            ruled = op.args[0 if op.variadic else i] in op.rules
            if given is not None and ruled and backends.is_real(given.dtype):
                name = named if named and named.isidentifier() and named not in inputs else f"x{len(inputs)}"
                inputs[name] = given
                args.append(Ref(name))
            else:
                args.append(given)
        return cls(inputs, (Step("v0", op, tuple(args), params),), ("v0",))

    # ------------------------------------------------------------ as a function

    def __call__(self, *inputs: Any) -> tuple[Tensor, ...]:
        """The outputs, computed from ``inputs``, or from its own where none are given."""
        values = self.values(*(inputs or self.tensors()))
        return tuple(values[name] for name in self.outputs)

    def values(self, *inputs: Any) -> dict[str, Any]:
        """The values of all inputs and steps, by name."""
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for step in self.steps:
            args = [values[arg] if isinstance(arg, Ref) else arg for arg in step.args]
            values[step.name] = step.op(*args, **step.params)
        return values

    def tensors(self) -> list[Tensor]:
        """Its inputs as named Tensors that require grad."""
        return [Tensor(x, requires_grad=True, name=name) for name, x in self.inputs.items()]

    # ------------------------------------------------------------ as another program

    def needed(self) -> Program:
        """The program without steps and inputs that no output depends on, renumbered."""
        wanted = set(self.outputs)
        for step in reversed(self.steps):
            if step.name in wanted:
                wanted.update(step.needs)
        inputs = {name: x for name, x in self.inputs.items() if name in wanted}
        steps = [step for step in self.steps if step.name in wanted]
        names = {name: f"x{i}" for i, name in enumerate(inputs)}
        names |= {step.name: f"v{i}" for i, step in enumerate(steps)}
        return Program(inputs, tuple(steps), self.outputs)._called(names)

    def _called(self, names: Mapping[str, str]) -> Program:
        """The program with other names for its values."""
        new = {name: names.get(name, name) for name in (*self.inputs, *(step.name for step in self.steps), *names)}
        steps = []
        for step in self.steps:
            args = tuple(Ref(new[arg]) if isinstance(arg, Ref) else arg for arg in step.args)
            steps.append(replace(step, name=new[step.name], args=args))
        inputs = {new[name]: x for name, x in self.inputs.items()}
        return Program(inputs, tuple(steps), tuple(new[name] for name in self.outputs))

    def astype(self, dtype: Any) -> Program:
        """The program with inputs and real constants of another dtype."""

        def cast(x: Any) -> Any:
            real = hasattr(x, "dtype") and backends.is_real(x.dtype)
            return backends.namespace(x).astype(x, backends.as_dtype(dtype)) if real else x

        inputs = {name: cast(x) for name, x in self.inputs.items()}
        steps = tuple(replace(step, args=tuple(map(cast, step.args))) for step in self.steps)
        return replace(self, inputs=inputs, steps=steps)

    def shared(self, one: str, other: str) -> Program:
        """The program with input ``one`` in place of ``other``, as in ``op(x, x)``."""
        inputs = {name: x for name, x in self.inputs.items() if name != other}
        return replace(self, inputs=inputs)._called({other: one})

    # ------------------------------------------------------------ as text

    @cached_property
    def source(self) -> str:
        """Python that computes ``outputs``; a comment tells the shape of each value."""
        lines = [
            f'{name} = ag.Tensor({literal(x, bare=True)}, requires_grad=True, name="{name}"{_dtype(x)})'
            for name, x in self.inputs.items()
        ]
        try:
            values = self.values(*self.inputs.values())
        except Exception:  # print a program even if it fails
            values = {}
        for step in self.steps:
            args = ", ".join(arg if isinstance(arg, Ref) else literal(arg) for arg in step.args)
            params = "".join(f", {k}={literal(v)}" for k, v in step.params.items())
            shape = f"  # {values[step.name].shape}" if step.name in values else ""
            lines.append(f"{step.name} = ag.{step.op.name}({args}{params}){shape}")
        lines.append(f"outputs = ({', '.join(self.outputs)}{',' if len(self.outputs) == 1 else ''})")
        numpy = ["import numpy as np"] if any("np." in line for line in lines) else []
        return "\n".join([*numpy, "from glassgrad import autograd as ag", "", *lines])

    def __repr__(self) -> str:
        return self.source

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The text that IPython and Hypothesis print."""
        printer.text(self.source)


def _dtype(x: Any) -> str:
    return "" if str(getattr(x, "dtype", "float64")) == "float64" else f", dtype={str(x.dtype)!r}"


def literal(value: Any, bare: bool = False) -> str:
    """Python text of a value; ``bare``: an array as nested lists."""
    if isinstance(value, np.ndarray | np.generic):
        text, plain = _numbers(value.tolist()), value.dtype == np.float64 and value.size
        if value.size and (bare or (plain and isinstance(value, np.generic))):
            return text
        if isinstance(value, np.generic):
            return f"np.{value.dtype}({text})"
        shaped = "" if value.size else f".reshape({value.shape})"
        return f"np.array({text}{'' if plain else f', dtype={str(value.dtype)!r}'}){shaped}"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, np.dtype):
        return repr(str(value))
    return "..." if value is ... else _numbers(value) if isinstance(value, float) else repr(value)


def _numbers(value: Any) -> str:
    """``repr`` of a number or a list of numbers, as Python code also for inf and nan."""
    return re.sub(r"-?\b(?:inf|nan)\b", r"float('\g<0>')", repr(value))


def depending(inputs: Iterable[str], steps: Sequence[Step]) -> set[str]:
    """The names of the inputs and of all values that have a derivative with respect to them."""
    found = set(inputs)
    for step in steps:
        if found.intersection(step.follows):
            found.add(step.name)
    return found
