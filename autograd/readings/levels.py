"""Arrays that stand for more than one value, such as a value and its tangent, and the namespace that computes with
them.

A `Lifted` array belongs to a `Level`: one call of `autograd.jvp` (a value and its tangent), of `autograd.vmap` (a value
for each example) or of another transform of `autograd.readings`. Levels nest: the innermost one among the arguments of
an operation computes it, with the arrays of the levels below as its numbers. A Tensor holds a lifted array as it holds
one of NumPy's. So forwards, rules, the graph and the backward pass are the same, and transforms compose.
"""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from itertools import chain
from math import prod
from typing import Any

from glassgrad.autograd.backends import NUMPY, SPACES, Namespace, namespace
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.operators import BINARY, COMPARED, SINGLE
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.errors import AutogradError, DTypeError, GradientError


class Level:
    """One call of a transform: a context, ``active`` until it ends. ``name`` is that of the transform; ``draws`` says
    whether random numbers are drawn for each of its examples, ``size`` how many these are, ``differentiates`` whether
    its arrays carry more than values, which would be lost with a Python number, ``calls_again`` whether the function is
    called several times, and has to be the same each time.
    """

    name, draws, size, differentiates, calls_again = "", False, 0, True, False

    def __init__(self) -> None:
        self.number, self.active = next(_numbers), True
        self._written: list[tuple[Any, ...]] = []  # Tensors that were given an array of this level, and what they were
        LIFTED.used = True

    def run(self, function: Callable[[], Any]) -> Any:
        """The result of ``function``, called at this level. Raises `GradientError` where it gave a value of the level
        to a Tensor from outside; that has its value again, as after any other error.
        """
        token = LEVELS.set((*LEVELS.get(), self))
        try:
            found = function()
        except BaseException:
            self._put_back()
            raise
        finally:
            LEVELS.reset(token)
            self.active = False
            LIFTED.left = LIFTED.clock()
        if self._kept():  # garbage may be among them, and what a trace holds
            if (tracer := TRACER.get()) is not None:
                tracer.lines.release()
            gc.collect()
        if kept := self._put_back():
            raise GradientError(
                f"the function of {self.name} wrote to {kept[0]._called()}, which is from outside, and would be left "
                "with a value that has a meaning inside alone: return the value, or write to a copy."
            )
        return found

    def written(self, tensor: Any) -> None:
        """Note what ``tensor`` was, to which an array of this level is written."""
        self._written.append((weakref.ref(tensor), tensor._data, tensor.node, tensor.requires_grad))

    def _kept(self) -> list[tuple[Any, ...]]:
        found = [(tensor(), *before) for tensor, *before in self._written]
        return [entry for entry in found if entry[0] is not None and self in getattr(entry[0].shape, "levels", NONE)]

    def _put_back(self) -> list[Any]:
        """Give Tensors that are still there what they were, and return them."""
        kept = self._kept()
        for tensor, *before in reversed(kept):
            tensor._data, tensor.node, tensor.requires_grad = before
        self._written.clear()
        return [tensor for tensor, *_ in kept]

    def owns(self, x: Any) -> bool:
        """Whether ``x`` is an array of this level."""
        return isinstance(x, Lifted) and x.level is self

    def refused(self, error: type[AutogradError], words: str) -> AutogradError:
        """The error of ``words`` where a value of this level is asked for its numbers; another one for a value that was
        kept after the level ended.
        """
        if self.active:
            return error(words)
        return GradientError(
            f"this value was kept from within the function of {self.name}, which has ended: it has a meaning inside "
            "alone; return it from the function."
        )

    def call(self, op: Any, arrays: Any, params: dict[str, Any]) -> Any:
        """The result of an operation on arrays of this level and of the levels below."""
        raise NotImplementedError

    def function(self, name: str, args: Any, options: dict[str, Any]) -> Any:
        """The result of ``xp.name(*args, **options)``."""
        op = LIFTED.operations[name]
        if not op.variadic and len(args) == len(op.args) and options.keys() <= op.params.keys():
            return LIFTED.call(op, args, op.params | options)
        args = args if (recorder := RECORDER.get()) is None else recorder.tensors(args)
        return op(*args, **options)._data  # binds what was given by position

    def settled(self, part: Any) -> Any:
        """The gradient of a value that is not of this level, from ``part``, one that is, after the level has ended."""
        raise NotImplementedError


_numbers = itertools.count(1)


NONE: frozenset[Level] = frozenset()


class LevelShape(tuple[int, ...]):
    """The shape of a lifted array, as operations and nodes see it, with all ``levels`` that the array is of."""

    levels: frozenset[Level]


class Lifted:
    """The base class of the arrays of a level. ``parts`` are the arrays that it is made of, the first one in front."""

    __slots__ = ("level", "parts", "_shape")

    __array_ufunc__ = None  # NumPy's arrays leave `array + lifted` to `__radd__`

    def __init__(self, level: Level, *parts: Any) -> None:
        self.level, self.parts = level, parts
        self._shape: LevelShape | None = None

    @property
    def shape(self) -> LevelShape:
        """The lengths of the axes that operations see."""
        if self._shape is None:
            self._shape = LevelShape(self.seen_shape())
            below = (getattr(part.shape, "levels", ()) for part in self.parts)
            self._shape.levels = frozenset({self.level}).union(*below)
        return self._shape

    def seen_shape(self) -> Shape:
        """The shape without its levels."""
        return self.parts[0].shape  # type: ignore[no-any-return]

    def map(self, function: Callable[[Any], Any]) -> Lifted:
        """``function`` applied to each part."""
        return type(self)(self.level, *map(function, self.parts))

    def detached(self) -> Any:
        """The value alone, as a constant."""
        return detached(self.parts[0])

    def item(self) -> Any:
        """The value as a Python number, which counts as a constant."""
        return self.parts[0].item()

    dtype = property(lambda self: self.parts[0].dtype)
    device = property(lambda self: getattr(self.parts[0], "device", "cpu"))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: prod(self.shape))
    T = property(lambda self: self.transpose())

    @property
    def mT(self) -> Any:
        """The last two axes swapped."""
        return LIFTED.matrix_transpose(self)

    def reshape(self, *shape: Any) -> Any:
        """``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
        return LIFTED.reshape(self, shape=shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes in the order given, or reversed."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return LIFTED.permute_dims(self, axes=order or tuple(range(self.ndim))[::-1])

    def astype(self, dtype: Any, **_: Any) -> Any:
        """In another dtype."""
        return LIFTED.astype(self, dtype=dtype)

    def __getitem__(self, index: Any) -> Any:
        return LIFTED.getitem(self, index=index)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.level.refused(
            DTypeError,
            f"{self.level.name} calls its function with values that NumPy can't compute with: use the functions of "
            "autograd, and take .detach().numpy() of what the transform returns.",
        )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"the values with which a transform such as jvp or vmap calls its function have no {name!r}: use the "
            "functions of autograd and the methods of a Tensor, .detach() for what is a constant."
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"

    __hash__ = object.__hash__


def _operator(name: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Any, *other: Any) -> Any:
        return LIFTED.call(LIFTED.operations[name], (*other, self) if swapped else (self, *other), {})

    return method


for _sign, _name in (BINARY | COMPARED | SINGLE).items():
    setattr(Lifted, f"__{_sign}__", _operator(_name))
for _sign, _name in BINARY.items():
    setattr(Lifted, f"__r{_sign}__", _operator(_name, swapped=True))


CONTAINERS = (list, tuple, dict)
WITH_PARTS = (Lifted, *CONTAINERS)


def innermost(value: Any, found: Level | None = None) -> Level | None:
    """The innermost level of the lifted arrays in ``value``: an array, or tuples, lists and dicts of them."""
    if isinstance(value, Lifted):
        return value.level if found is None or value.level.number > found.number else found
    if isinstance(value, CONTAINERS):
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, WITH_PARTS):
                found = innermost(part, found)
    return found


class _Function:
    """A function of the namespace by its name; ``linalg`` has further ones."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if self._name != "linalg":
            raise AttributeError(name)
        return _Function(f"linalg.{name}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        level = innermost(options, innermost(args))
        if level is not None:
            return level.function(self._name, args, options)
        given = [x for arg in args for x in (arg if isinstance(arg, list | tuple) else (arg,)) if type(x) in SPACES]
        recorder = RECORDER.get()
        places = given and all(SPACES[type(x)] is NUMPY and x.dtype.kind in "iu" for x in given)  # known in a trace
        if recorder is not None and not places:
            return recorder.function(self._name, args, options)
        found: Any = namespace(*given)
        for part in self._name.split("."):
            found = getattr(found, part)
        return found(*args, **options)


class LiftedNamespace(Namespace):
    """The ``xp`` of lifted arrays. Arrays of any other namespace are constants among them."""

    absorbs = 2
    in_place = False

    def __init__(self) -> None:
        super().__init__(self)
        self.used = False  # whether a level was ever made
        self.clock: Callable[[], int] = int  # the graph's
        self.left = -1  # when a value last left a level, on that clock: no later node has to do with levels
        self.operations: Mapping[str, Any] = {}  # every operation by its name
        self.crossing: set[Any] = set()  # operations that lead to a level or back: their own forwards run

    def call(self, op: Any, arrays: Any, params: dict[str, Any], mask: int = -1, grad: bool = True) -> Any:
        """The result of an operation on arrays, some of which may be lifted; an ``index`` may hold lifted ones, too.

        ``mask``: through which arguments a gradient flows. Without ``grad``, as within ``no_grad``, it is a constant.
        """
        recorder = RECORDER.get()
        if recorder is not None and not TRANSPOSING.get():
            arrays = [x if mask >> i & 1 else recorder.stopped(x) for i, x in enumerate(arrays)]
        if op in self.crossing:
            if grad:
                return op.forward(self, *arrays, **params)
            within = params["level"]  # what is of that level stays: its results are asked for
            arrays = [x if getattr(x, "level", None) is within else detached(x) for x in arrays]
            found = op.forward(self, *arrays, **params)
            return found if getattr(found, "level", None) is within else detached(found)
        if not grad:
            arrays = [*map(detached, arrays)]
        level = innermost(params.get("index"), innermost(arrays))
        if level is None:
            if recorder is not None:
                return recorder.operation(op, arrays, params)
            xp = namespace(*(x for x in arrays if x is not None))
            return xp.followed(op.name, arrays, params) if xp.absorbs else op.forward(xp, *arrays, **params)
        return level.call(op, arrays, params)

    def followed(self, name: str, args: Any, params: Any) -> Any:
        """The result of a registered operation."""
        return self.call(self.operations[name], args, params)

    def special(self, name: str, *arrays: Any) -> Any:
        """The values of SciPy's special function ``name``."""
        level = innermost(arrays)
        return NUMPY.special(name, *arrays) if level is None else level.function("special", (name, *arrays), {})

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """`Namespace.check_range` of the values within ``array``."""
        values = plain_parts(array)[0]
        namespace(values).check_range(values, stop, refuse, **options)

    def may_hold(self, mask: Any) -> bool:
        """Whether an element of ``mask`` may be true."""
        return True

    def __getattr__(self, name: str) -> Any:
        known = self.operations.get(name) or getattr(NUMPY, name)
        found = _Function(name) if name == "linalg" or (callable(known) and not isinstance(known, type)) else known
        setattr(self, name, found)
        return found


LIFTED = LiftedNamespace()

LEVELS: ContextVar[tuple[Any, ...]] = ContextVar("autograd_levels", default=())
"""The levels whose functions are being called, the outermost first."""


RECORDER: ContextVar[Any] = ContextVar("autograd_recorder", default=None)
"""What records the operations on the arrays that lifted ones are made of: the recorder of a loop's body."""


def detached(array: Any) -> Any:
    """``array``, without what a derivative of it would be computed from."""
    return array.detached() if isinstance(array, Lifted) else array


TRANSPOSING: ContextVar[bool] = ContextVar("autograd_transposing", default=False)
"""Whether a rule is being transposed: then gradients are tangents, which a value has for each example, even where it is
the same for all."""


def is_differentiated(array: Any) -> bool:
    """Whether ``array`` carries a derivative."""
    return isinstance(array, Lifted) and (array.level.differentiates or any(map(is_differentiated, array.parts)))


def plain_parts(array: Any) -> list[Any]:
    """The arrays that ``array`` is made of; itself, if it is not lifted."""
    if not isinstance(array, Lifted):
        return [array]
    return [plain for part in array.parts for plain in plain_parts(part)]


def any_lifted(nodes: Iterable[Any], gradients: Iterable[Any]) -> bool:
    """Whether there are lifted arrays in a backward pass, or come to be by the rule of a crossing operation."""
    vertices = [vertex for node in nodes for vertex in (node, *node.inputs)]
    crosses = any(getattr(x, "op", None) in LIFTED.crossing for x in vertices)
    return crosses or any(type(getattr(x, "shape", ())) is LevelShape for x in chain(gradients, vertices))


def note_write(tensor: Any, value: Any, grad: bool) -> None:
    """Note that ``value`` is written to ``tensor``, if it is of levels that this is not of. Raises `GradientError`
    without ``grad`` for a leaf, as for a module's statistics.
    """
    for level in getattr(getattr(value, "shape", ()), "levels", NONE) - getattr(tensor.shape, "levels", NONE):
        if tensor.node is None and not grad:
            raise GradientError(
                f"{tensor._called()} would be given a value that {level.name} has for each of its examples: call "
                ".eval() on a module that keeps statistics, or write to a copy."
            )
        level.written(tensor)


def settled(part: Any, shape: Any) -> Any:
    """``part``, an array or a Tensor, as a contribution to the gradient of a value of ``shape``: without the levels
    that have ended and that the value is not of. While a rule is transposed it stays as it is.
    """
    if TRANSPOSING.get():
        return part
    levels = getattr(part.shape, "levels", NONE) - getattr(shape, "levels", NONE)
    for level in sorted(levels, key=lambda level: -level.number):
        if not level.active:
            part = level.settled(part)
    return part
