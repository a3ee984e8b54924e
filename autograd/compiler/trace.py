"""`trace`: a function followed once, without values, and written down as a `Program`.

A Tensor that the function meets on its way, a parameter or what an optimizer accumulated, becomes a state of the
program.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any

import numpy

from autograd import backends
from autograd.backends import PYTHON_SCALARS
from autograd.compiler.ir.primitives import Slot
from autograd.compiler.ir.program import Program, identifier
from autograd.compiler.tracing import namespace  # noqa: F401  (which backends then know)
from autograd.compiler.tracing.tracer import Tracer
from autograd.compiler.tracing.watching import DATA, slot_value, watched
from autograd.errors import TraceError
from autograd.modes import MODE, Mode
from autograd.tensor import Tensor, wrap
from autograd.validation import check_function


def flatten(tree: Any, leaves: list[Any]) -> Any:
    """Put the Tensors and arrays in ``tree`` (tuples, lists and dicts) behind ``leaves``; its form, hashable."""
    if isinstance(tree, Tensor) or type(tree) in backends.SPACES:
        leaves.append(tree)
        return Slot(len(leaves) - 1)
    if isinstance(tree, tuple | list):
        return type(tree), tuple(flatten(part, leaves) for part in tree)
    if isinstance(tree, dict):
        return dict, tuple((key, flatten(part, leaves)) for key, part in tree.items())
    if type(tree) in PYTHON_SCALARS:  # 1, 1.0 and True are equal, and so are 0.0 and -0.0
        return type(tree), repr(tree) if isinstance(tree, float | complex) else tree
    return tree


def unflatten(form: Any, leaves: Sequence[Any]) -> Any:
    """What `flatten` took apart, with other leaves."""
    if type(form) is Slot:
        return leaves[form.index]
    if not isinstance(form, tuple):
        return form
    kind, content = form
    if kind is dict:
        return {key: unflatten(part, leaves) for key, part in content}
    if kind in PYTHON_SCALARS:
        return kind(content)
    parts = [unflatten(part, leaves) for part in content]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


class Trace:
    """A function followed once: its `Program`, the form of its result, and what must hold for it to be right."""

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        leaves: list[Any] = []
        form = flatten((args, kwargs), leaves)
        tracer = Tracer(sys._getframe().f_code)
        stand_ins: list[Any] = []
        names = _argument_names(function, args, kwargs, leaves)
        kinds = [(leaf.shape, numpy.dtype(leaf.dtype)) for leaf in leaves]  # before looking at one makes it a state
        mode = MODE.get()
        with watched(tracer):
            token = MODE.set(Mode(mode.grad, mode.scope, False))
            try:
                for leaf, name, (shape, dtype) in zip(leaves, names, kinds, strict=True):
                    tracer.meet(slot_value(DATA, leaf) if isinstance(leaf, Tensor) else leaf)
                    traced = tracer.input(shape, dtype, name)
                    if isinstance(leaf, Tensor):
                        stand_in = wrap(traced, name=name)
                        stand_in.requires_grad = leaf.requires_grad
                        stand_ins.append(stand_in)
                    else:
                        stand_ins.append(traced)
                for t, name in zip(stand_ins, names, strict=True):
                    places = (t, t.data) if isinstance(t, Tensor) else (t,)
                    tracer.arguments |= dict.fromkeys(map(id, places), str(name))
                inputs = [t.data.value if isinstance(t, Tensor) else t.value for t in stand_ins]
                result = function(*(filled := unflatten(form, stand_ins))[0], **filled[1])
                if tracer.refused is not None:  # the function went on, by a way that it takes for nothing else
                    raise tracer.refused
                if isinstance(result, Generator | Coroutine):
                    result.close()
                    raise TraceError(
                        f"{getattr(function, '__name__', 'the function')} returns a {type(result).__name__}, whose "
                        "lines run after the call: compile a function that computes at once."
                    )
                outputs: list[Any] = []
                self.form = flatten(result, outputs)
                self.recorded = [isinstance(t, Tensor) and t.requires_grad for t in outputs]
                self.is_tensor = [isinstance(t, Tensor) for t in outputs]
                values = [tracer.lift(t.data if isinstance(t, Tensor) else t) for t in outputs]
            finally:
                MODE.reset(token)
                graded = {**tracer.grads, **tracer.forget_grads()}
                latest = {tracer.states[key]: traced.value for key, traced in tracer.current.items()}
                tracer.name_values(latest)
                tracer.lines.close()
                tracer.current.clear()  # these refer to the tracer, and it to them
                tracer.knobs.clear()
        updates = {state: value for state, value in latest.items() if value is not state}
        name = getattr(function, "__name__", type(function).__name__)
        self.program = Program(identifier(name), inputs, tracer.instructions, values, updates)
        self.device = tracer.device or "cpu"
        self.guards = tracer.all_guards()
        self.settings = list(tracer.settings.values())
        self.ungraded = list(tracer.ungraded.values())
        self.graded = list(graded.values())


def _argument_names(function: Any, args: Any, kwargs: Any, leaves: Sequence[Any]) -> list[str]:
    """A name for each array among the arguments."""
    names: list[str] = []
    try:
        bound = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        bound = {f"x{i}": part for i, part in enumerate([*args, *kwargs.values()])}
    for name, part in bound.items():
        found: list[Any] = []
        flatten(part, found)
        names += [
            getattr(leaf, "name", None) or (name if len(found) == 1 else f"{name}_{i}") for i, leaf in enumerate(found)
        ]
    return names if len(names) == len(leaves) else [f"x{i}" for i in range(len(leaves))]


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Program:
    """The `Program` of ``function`` for arguments of these shapes and dtypes: followed once, without values.

    Tensors among the arguments, and within tuples, lists and dicts, become inputs; Tensors that the function finds by
    itself become states. Nothing is computed, and no Tensor changes. Raises `TraceError` where the function asks for a
    value.

    >>> import autograd as ag
    >>> w = ag.Tensor([1.0, 2.0], name="w")
    >>> print(ag.trace(lambda x: (w * x).sum(), ag.ones(2)))
    _lambda(x (2,)):
        multiply_1 (2,) = w * x
        sum_1 () = sum(multiply_1)
        return sum_1
    """
    check_function(function, "function", "what is to be traced, a function of Tensors")
    program = Trace(function, args, kwargs).program
    program.validate()
    return program


__all__ = ["Trace", "flatten", "trace", "unflatten"]
