"""`Module`, the base of layers and networks, `Parameter`, and `functional_call`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, ParamSpec, Protocol, Self, TypedDict, TypeVar

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import NUMPY, device_or_dtype, is_inexact
from glassgrad.autograd.common import notebook
from glassgrad.autograd.common.contexts import TRACER, WATCHED, holding
from glassgrad.autograd.common.validation import check_instance, flag
from glassgrad.autograd.engine.modes import MODE, Mode
from glassgrad.autograd.errors import AnomalyError, AutogradError, DomainError, DTypeError
from glassgrad.autograd.interop.hints import Hint
from glassgrad.nn.errors import StateError
from glassgrad.nn.hints import MODULES, bound
from glassgrad.nn.init import _filled, generator

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class HasForward(Protocol[P, R_co]):
    """For type checkers: a call has the signature of ``forward``."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Compute the output."""


class Parameter(Tensor):
    """Trainable Tensor of a `Module`: assigned to an attribute, it is found, named, saved and moved with the module.

    ``data``: a number, nested lists or an array of any shape; copied. ``dtype``: float32 by default, as everywhere in
    ``nn`` (`autograd.Tensor` keeps NumPy's float64). ``name``: by default its path in the module. Raises
    `autograd.errors.DTypeError` for an integer or boolean dtype.

    >>> from glassgrad.nn import Parameter
    >>> Parameter([1.0, 2.0])
    Tensor([1.0, 2.0], dtype=float32, requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self,
        data: Any,
        requires_grad: bool = True,
        *,
        dtype: Any = "float32",
        device: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(data, requires_grad, dtype=dtype, device=device, name=name)


class Placed(TypedDict, total=False):
    """Options of layers with parameters: their ``dtype``, float32 by default, and ``device``, the CPU by default."""

    dtype: Any
    device: str | None


class Drawn(Placed, total=False):
    """Options of layers with random weights: also ``seed``, an integer, a NumPy Generator, or ``None``.

    A constructor is given it as a Generator, from which all weights are drawn.
    """

    seed: Any


KEPT: ContextVar[Callable[..., None] | None] = ContextVar("nn_kept", default=None)
"""Takes each module that returns with its output, for `activations`."""


def placed(made: Drawn) -> Placed:
    """The options for a layer without random weights."""
    return {"dtype": made["dtype"], "device": made["device"]}


def parameter(
    shape: int | tuple[int, ...],
    value: float | Callable[..., Any] = 0.0,
    *,
    seed: Any = None,
    dtype: Any = "float32",
    device: str | None = None,
) -> Parameter:
    """A `Parameter` of one number, or as an initialiser draws it; see `nn.init._filled`."""
    number = 0.0 if callable(value) else value
    made = Parameter(number, dtype=dtype, device=device)
    made.data = _filled(shape, number, dtype=made.dtype, device=made.device).data
    if callable(value):
        value(made, seed=seed)
    return made


def _unimplemented(self: Module, *args: Any, **kwargs: Any) -> Any:
    """Compute the output; every subclass defines its own."""
    raise NotImplementedError(f"{type(self).__name__} defines no forward(self, x): define it to compute the output.")


class Module:
    """Base of every layer and network: assign parameters and modules to attributes, and define ``forward``.

    ``super().__init__()`` need not be called. Calling the module runs ``forward``; operations recorded meanwhile have
    the module's path and class in ``node.scope``, by which pictures group them.

    A `Parameter` without a name gets its path in the module (``layers.0.weight``), which changes when the module
    becomes part of a larger one. A shared parameter or module keeps its first name, and a name set by hand stays. A
    plain Tensor is not a parameter, as in PyTorch.

    >>> from glassgrad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         self.hidden = nn.Linear(2, 3, seed=0)
    ...         self.out = nn.Linear(3, 1, seed=1)
    ...     def forward(self, x):
    ...         return self.out(nn.functional.sigmoid(self.hidden(x)))
    >>> net = Net()
    >>> net
    Net: 13 parameters
      hidden  Linear(2, 3)  9
      out     Linear(3, 1)  4
    >>> [p.name for p in net.parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    moves = 0  # counts `to` and changes of options in all modules, so that optimizers notice them
    edits = 0  # counts replaced parts of all modules, so that compiled programs notice them
    _training = True
    _path = ""
    _buffers: tuple[str, ...] = ()
    _mode: tuple[Mode | None, Any] = (None, None)
    _made: tuple[int, ...] | None = None  # the shape of the last result
    _given: dict[str, tuple[Any, Any]] | None = None  # of a module of nn: the constructor's arguments, and attributes
    _listed = False  # a compiled program iterated over the attributes, so adding one must invalidate it

    forward: Callable[..., Any] = _unimplemented

    def __call__(self: HasForward[P, R_co], *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run ``forward`` and record its operations in this module's scope."""
        # `autograd.scope` inlined and cached: a context manager would cost as much as a small operation.
        module: Any = self
        mode = MODE.get()
        outside, inside = module._mode
        if outside is not mode:
            inside = module._scoped(mode)
        token = MODE.set(inside)
        try:
            keep = KEPT.get()
            if mode.observer and keep is None:  # a trace names what a function returns where it returns it
                return self.forward(*args, **kwargs)
            result = self.forward(*args, **kwargs)
            if keep is not None:
                keep(module, result)
            shape = result._data.shape if isinstance(result, Tensor) else None
            if shape != module._made:
                object.__setattr__(module, "_made", shape and tuple(shape))
            return result
        except AutogradError as error:
            module._locate(error)
            raise
        finally:
            MODE.reset(token)

    def _locate(self, error: AutogradError) -> None:
        """Add the path of this module to the message of an error, unless the message names a module already."""
        named = isinstance(error, AnomalyError) or hasattr(error, "module")
        if self._path and len(error.args) == 1 and not named:
            error.module = self._path  # type: ignore[attr-defined]
            error.args = (f"{str(error.args[0]).rstrip('.')} (in {self._path}, {type(self).__name__}).",)

    def _scoped(self, mode: Mode) -> Mode:
        """``mode`` with this module as the innermost scope; cached for the next call."""
        inside = Mode(mode.grad, (*(mode.scope or ()), (self._path, type(self).__name__)), mode.observer)
        object.__setattr__(self, "_mode", (mode, inside))
        return inside

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_mode", "_listed", "_made")}

    # ------------------------------------------------------------------------------------------- registering and naming

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name, None if self._listed else value)
        replaced = before is not value and (isinstance(before, Module | Tensor) or isinstance(value, Module | Tensor))
        if replaced or callable(getattr(type(self), name, None)):  # replaces a submodule, a Tensor or a method
            Module.edits += 1
        if isinstance(value, Parameter):
            if value.name is None:
                value.name = _join(self._path, name)
        elif isinstance(value, Module):
            if not value._path:
                value._move(_join(self._path, name))
        elif isinstance(value, list | tuple | dict):
            self._refuse_hidden(name, value)
        if name in self._buffers:
            check_instance(value, Tensor, f"{type(self).__name__}.{name}", "a Tensor, as it is a buffer")
        if (tracer := TRACER.get()) is not None:
            tracer.refuse_keeping(self, name, value)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        Module.edits += isinstance(vars(self).get(name), Module | Tensor) or callable(getattr(type(self), name, None))
        object.__delattr__(self, name)

    def _refuse_hidden(self, name: str, value: Any) -> None:
        inside = value.values() if isinstance(value, dict) else value
        if any(isinstance(item, Module | Parameter) for item in inside):
            raise DTypeError(
                f"{type(self).__name__}.{name} = {type(value).__name__} of modules or parameters, which would not be "
                "found there: put modules into an nn.Sequential, and parameters into attributes of their own."
            )

    def _move(self, path: str) -> None:
        """Set the path, and rename the parameters and modules that are named after it."""
        before = self._path
        object.__setattr__(self, "_path", path)
        object.__setattr__(self, "_mode", (None, None))
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and value.name == _join(before, name):
                value.name = _join(path, name)
            elif isinstance(value, Module) and value._path == _join(before, name):
                value._move(_join(path, name))

    def register_buffer(self, name: str, tensor: Tensor) -> None:
        """Make ``tensor`` the attribute ``name``, saved and moved like a parameter but not trained."""
        check_instance(tensor, Tensor, "tensor", "a Tensor")
        if not check_instance(name, str, "name", "the name of an attribute").isidentifier():
            raise DomainError(f"name = {name!r} is not a valid name of an attribute.")
        if tensor.name is None:
            tensor.name = _join(self._path, name)
        if name not in self._buffers:
            object.__setattr__(self, "_buffers", (*self._buffers, name))
        setattr(self, name, tensor)

    # -------------------------------------------------------------------------------------------------------- traversal

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Iterate over the direct submodules with their names, in the order of assignment."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list | tuple | dict):  # may have been filled after its assignment
                self._refuse_hidden(name, value)

    def children(self) -> Iterator[Module]:
        """Iterate over the direct submodules, in the order of assignment."""
        return (child for _, child in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Iterate over this module and all submodules with their paths, each once, parents before children."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                stack += [(_join(path, name), child) for name, child in reversed([*module.named_children()])]

    def modules(self) -> Iterator[Module]:
        """Iterate over this module and all submodules, each once."""
        return (module for _, module in self.named_modules())

    def _named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Iterate over parameters and buffers with their paths, each once."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if (isinstance(value, Parameter) or name in module._buffers) and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Iterate over parameters with their paths, each once; a shared one under its first path."""
        return ((path, value) for path, value in self._named_state() if isinstance(value, Parameter))

    def parameters(self) -> Iterator[Parameter]:
        """Iterate over parameters, each once."""
        return (p for _, p in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Iterate over buffers with their paths, each once."""
        return ((path, value) for path, value in self._named_state() if not isinstance(value, Parameter))

    def buffers(self) -> Iterator[Tensor]:
        """Iterate over buffers, each once."""
        return (b for _, b in self.named_buffers())

    # ------------------------------------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all parameters and buffers by path. Further training does not change them."""
        return {path: Tensor(value) for path, value in self._named_state()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Copy the values of ``state`` (path → Tensor or array) into parameters and buffers.

        Values are cast to the dtype and moved to the device of their destination. With ``strict=False`` missing and
        unexpected paths are ignored; shapes must always agree. Raises `nn.errors.StateError`, which lists all
        problems, and then loads nothing.

        >>> from glassgrad import nn
        >>> nn.Linear(2, 3).load_state_dict({"weight": [[1.0, 2.0]], "gain": 1.0})
        Traceback (most recent call last):
            ...
        glassgrad.nn.errors.StateError: Linear(2, 3) can't take this state: 'bias' is missing; 'gain' is unexpected;
        'weight' is (3, 2) here and (1, 2) in the state. Nothing was changed. Build the module with the sizes of the
        state; load_state_dict(…, strict=False) ignores missing and unexpected names.
        """
        if hasattr(state, "for_module"):  # weights in another library's layout
            state = state.for_module(self)
        check_instance(state, Mapping, "state", STATE)  # type: ignore[type-abstract]
        mine = dict(self._named_state())
        known = {n: value for n, value in state.items() if n in mine or not str(n).endswith("num_batches_tracked")}
        given = {n: Tensor(known[n], dtype=t.dtype, device=t.device) for n, t in mine.items() if n in known}
        self._refuse_misfits({**known, **given} if flag(strict, "strict") else given, strict)
        for name, value in given.items():
            mine[name].data = value.data

    def _refuse_misfits(self, given: Mapping[str, Any], whole: bool) -> None:
        """Raise `StateError` if ``given`` has an unknown path, another shape or, as a ``whole``, not all paths."""
        mine = dict(self._named_state())
        wrong = [f"{name!r} is missing" for name in mine if whole and name not in given]
        wrong += [f"{name!r} is unexpected" for name in given if name not in mine]
        wrong += [
            f"{name!r} is {t.shape} here and {given[name].shape} in the state"
            for name, t in mine.items()
            if name in given and given[name].shape != t.shape
        ]
        if wrong:
            listed = "; ".join(wrong if len(wrong) <= 8 else [*wrong[:4], f"{len(wrong) - 8} more", *wrong[-4:]])
            raise StateError(
                f"{self._described()} can't take this state: {listed}. Nothing was changed. Build the module with the "
                "sizes of the state; load_state_dict(…, strict=False) ignores missing and unexpected names."
            )

    # ------------------------------------------------------------------------------------------------------------ modes

    @property
    def training(self) -> bool:
        """Whether the module is in training mode. Some layers, such as `Dropout`, compute differently in evaluation."""
        if (tracer := TRACER.get()) is not None:
            tracer.guard(self, "_training", self._training)
        return self._training

    @training.setter
    def training(self, mode: bool) -> None:
        if flag(mode, "training") is not self.training:  # which a trace notes
            object.__setattr__(self, "_training", mode)

    def train(self, mode: bool = True) -> Self:
        """Switch this module and its submodules to training (with ``False``: evaluation) mode; return the module.

        Raises `autograd.errors.DomainError` for anything but ``True`` and ``False``, such as ``"eval"``.
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation mode: ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of every parameter, for instance ``False`` to freeze them; return the module.

        Raises `autograd.errors.DomainError` for anything but ``True`` and ``False``.
        """
        for p in self.parameters():
            p.requires_grad_(flag(requires_grad, "requires_grad"))
        return self

    def zero_grad(self) -> None:
        """Set the ``.grad`` of every parameter to ``None``."""
        for p in self.parameters():
            p.grad = None

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if name not in MODULES or hasattr(self, name)]

    def to(self, target: Any) -> Self:
        """Move every parameter and buffer to ``target``, a device or a floating-point dtype; return the module.

        The Tensors stay the same objects, so an optimizer made with them stays valid; its state moves at its next step.
        Integer buffers keep their dtype. Raises `autograd.errors.DeviceError` for a missing device, and then moves
        nothing.
        """
        device, dtype = device_or_dtype(target)
        if device is None and not is_inexact(dtype):
            raise DTypeError(f"a module can't be converted to {dtype}: give a floating-point dtype.")
        for _, tensor in self._named_state():
            if device or is_inexact(tensor.dtype):
                tensor.data = tensor.detach().to(target).data
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to(target)
        Module.moves += 1
        return self

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` on every submodule, then on this module; return the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # ----------------------------------------------------------------------------------------------------------- repr

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        plain = cls.__init__ is object.__init__
        if cls.__module__.startswith(OWN) and (plain or "__init__" in vars(cls)):
            cls.__init__ = _noting(_no_arguments if plain else cls.__init__)  # type: ignore[method-assign]

    def arguments(self) -> dict[str, Any] | None:
        """The arguments of the constructor's call by name, for the repr; ``None`` if they are not plain values.

        What JSON can hold is plain: numbers, strings, booleans, ``None``, and lists of these, which become tuples.
        ``device``, ``seed``, ``init`` and ``dtype`` are left out. Where an attribute of the same name was changed
        since, it counts. From them `nn.load_model` rebuilds modules of ``nn``. Of a class of one's own they are not
        noted.
        """
        if self._given is None:
            return {} if type(self).__init__ is object.__init__ else None
        now = {name: plain(vars(self).get(name)) for name in self._given}
        found = {name: value if now[name] == after else now[name] for name, (value, after) in self._given.items()}
        return None if NOT_PLAIN in found.values() else found

    def _described(self) -> str:
        """``Linear(256, 100)``: the class with its arguments, without those at their defaults."""
        given = self.arguments()
        if given is None:
            return type(self).__name__
        defaults = {name: plain(p.default) for name, p in inspect.signature(type(self)).parameters.items()}
        texts = [
            f"{value!r}" if defaults[name] is NOT_PLAIN else f"{name}={value!r}"
            for name, value in given.items()
            if value != defaults[name]
        ]
        return f"{type(self).__name__}({', '.join(texts)})"

    def _own(self) -> dict[str, Parameter]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    def __repr__(self) -> str:
        """Return a table of the layers: path, layer, number of parameters."""
        rows = [
            (path, module._described(), f"{sum(p.size for p in own):,}" if (own := module._own().values()) else "")
            for path, module in self.named_modules()
            if path and (module._own() or not any(module.children()))
        ]
        total, described = sum(p.size for p in self.parameters()), self._described()
        if not rows and (not total or described.removesuffix("()").endswith(")")):  # its arguments tell its size
            return described
        rows = [(name, f"Parameter {p.shape}", f"{p.size:,}") for name, p in self._own().items()] + rows
        wide = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"  {path:{wide[0]}}  {text:{wide[1]}}  {size:>{wide[2]}}".rstrip() for path, text, size in rows]
        return "\n".join([f"{described.removesuffix('()')}: {total:,} parameters", *lines])

    def _repr_html_(self) -> str:
        """The tree of modules with their parameters, and the shapes of the last call, for a notebook."""
        return notebook.block(self._tree("", set()))

    def _tree(self, name: str, seen: set[int]) -> str:
        """A row for this module, and below it those of its parameters and modules, each module once."""
        again = id(self) in seen or len(seen) >= SHOWN
        seen.add(id(self))
        size = sum(p.size for p in self.parameters())
        title = f"{name}{': ' if name else ''}{self._described().removesuffix('()')}"
        title += f", {size:,} parameters" if size else ""
        title += f" → {tuple(self._made)}" if self._made is not None else ""
        rows = "".join(notebook.line(f"{key} {p.shape} {p.dtype}") for key, p in self._own().items())
        rows += "".join(child._tree(key, seen) for key, child in self.named_children()) if not again else ""
        return notebook.folded(title, rows, opened=any(self.children())) if rows else notebook.line(title)


WATCHED.append(Module)
for _name, _use in MODULES.items():
    setattr(Module, _name, Hint(_name, _use, "Module"))


STATE = "a dict of arrays by name, as state_dict() returns and nn.load(path) reads it"

SHOWN = 250
"""Modules of a tree in a notebook."""

OWN = __name__.removesuffix("modules.module")
"""How the modules of ``nn`` begin."""

MAKING = frozenset({"self", "seed", "init", "dtype", "device"})
"""Constructor arguments for the initial values, dtype and device of parameters: not part of the architecture."""

NOT_PLAIN = ...  # a singleton, also when copied
"""Stands for an argument that a file can't hold."""


def plain(value: Any) -> Any:
    """A copy of ``value`` if it is a number, a string, a boolean, ``None`` or a list of these, which becomes a tuple;
    else `NOT_PLAIN`.
    """
    if isinstance(value, tuple | list):
        parts = tuple(map(plain, value))
        return NOT_PLAIN if NOT_PLAIN in parts else parts
    value = value.item() if isinstance(value, NUMPY.generic) else value
    return value if value is None or isinstance(value, int | float | str) else NOT_PLAIN


SEED, *PLACED = (
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
    for name, default, kind in (("seed", None, "Any"), ("dtype", "float32", "Any"), ("device", None, "str | None"))
)
MADE = {"Unpack[Placed]": PLACED, "Unpack[Drawn]": [SEED, *PLACED]}
"""The options that ``**made`` stands for, by its annotation."""


def _no_arguments(self: Module) -> None:
    """The constructor of a layer without settings."""


def _noting(init: Callable[..., None]) -> Callable[..., None]:
    """The constructor ``init``, which notes its arguments in the module, if it is that of the module's class."""
    signature = inspect.signature(init)
    *others, last = signature.parameters.values()
    made = MADE.get(last.annotation, []) if last.name == "made" else []
    if made:
        order = sorted([*others, *made], key=lambda p: (p.kind, p in PLACED, p is not SEED))
        signature = signature.replace(parameters=order)

    @functools.wraps(init)
    def __init__(*args: Any, **options: Any) -> None:
        call = bound(type(args[0]).__name__, signature, args, options)
        call.apply_defaults()
        if SEED in made:
            call.arguments["seed"] = generator(call.arguments["seed"])
        init(*call.args, **call.kwargs)
        module, given = args[0], {name: plain(value) for name, value in call.arguments.items() if name not in MAKING}
        if type(module).__init__ is __init__:
            noted = {n: (value, plain(vars(module).get(n))) for n, value in given.items() if value != ()}
            object.__setattr__(module, "_given", noted)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__


def as_floating(x: Any, like: Tensor | None) -> Any:
    """``x``; integers and booleans, which would make the result float64, are cast to the dtype of ``like``."""
    if getattr(x, "requires_grad", False):
        return x  # only floating Tensors require grad
    dtype = getattr(x, "dtype", None)
    if dtype is None or like is None or getattr(dtype, "kind", "") in ("f", "c") or is_inexact(dtype):
        return x
    return asarray(x).astype(like.dtype)


class FunctionModule(Module):
    """Base of layers that call a function of `nn.functional`: its arguments by name are the attributes of the layer."""

    _function: ClassVar[Callable[..., Any]]
    _options: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, function: Callable[..., Any] | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if function is not None:
            cls._function, cls._options = staticmethod(function), tuple(inspect.signature(function).parameters)[1:]

    def forward(self, x: Any, *others: Any) -> Tensor:
        """The result of the function. Integers are cast to the dtype of the weight, if there is one."""
        options = {name: getattr(self, name) for name in self._options if hasattr(self, name)}
        return self._function(as_floating(x, options.get("weight")), *others, **options)  # type: ignore[no-any-return]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def functional_call(module: Module, parameters: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``module`` with other Tensors in place of its parameters and buffers, as `torch.func.functional_call` does.

    ``parameters``: path → Tensor of the same shape; others stay. This makes a network a function of its weights, for
    `autograd.hessian`, `autograd.hvp` or weights that were computed. A single tuple has all inputs, and a dict after
    the first of ``args`` the keyword arguments, as there. The module is restored afterwards; do not call one module
    from several threads at once. A shared parameter is given by its first path, as in ``state_dict()``. Raises
    `nn.errors.StateError` for an unknown path and for another shape.

    >>> from glassgrad import autograd as ag, nn
    >>> model = nn.Linear(2, 1, seed=0, dtype="float64")
    >>> def loss(parameters):
    ...     return ag.sum(nn.functional_call(model, parameters, ag.ones((1, 2))) ** 2)
    >>> rows = ag.hessian(loss)(model.state_dict())
    >>> rows["weight"]["bias"].shape
    (1, 2, 1)
    """
    if len(args) == 2 and isinstance(args[1], Mapping):
        kwargs = {**args[1], **kwargs}
        inputs = args[0] if isinstance(args[0], tuple) else args[:1]
    else:
        inputs = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
    check_instance(parameters, Mapping, "parameters", STATE)  # type: ignore[type-abstract]
    mine = dict(check_instance(module, Module, "module", "an nn.Module")._named_state())
    given = {name: asarray(value) for name, value in parameters.items()}
    module._refuse_misfits(given, False)
    instead = {id(mine[name]): value for name, value in given.items()}
    places = [
        (part, name, getattr(part, name))  # `getattr`, so that a compiled function guards the attribute
        for part in module.modules()
        for name, value in vars(part).items()
        if isinstance(value, Tensor) and id(value) in instead
    ]
    try:
        for part, name, value in places:
            vars(part)[name] = instead[id(value)]
        return module(*inputs, **kwargs)
    finally:
        for part, name, value in places:
            vars(part)[name] = value


def generators_of(*holders: Any) -> list[Any]:
    """The random generators among ``holders``, or in their attribute ``generator``."""
    found = (getattr(holder, "generator", holder) for holder in holders)
    return [generator for generator in found if isinstance(generator, NUMPY.random.Generator)]


def activations(module: Module, *inputs: Any, **options: Any) -> dict[str, Any]:
    """Call ``module`` and return the output of every module in it by path, in the order in which they returned.

    ``inputs``, ``options``: those of the call. The path ``""``, the last one, has the output of ``module`` itself. Of a
    module that is called several times it is the last output. The outputs, mostly Tensors, are those of the recorded
    graph, so that `autograd.gradients` gives the gradient at each of them. Of a network that `nn.from_torch` made they
    are those of PyTorch's modules. A module whose ``forward`` is called in place of the module itself has none, as in
    PyTorch's hooks. Raises as the call does.

    >>> from glassgrad import autograd as ag, nn
    >>> model = nn.MLP([2, 3, 1], "relu", seed=0)
    >>> outputs = nn.activations(model, ag.ones((4, 2), dtype="float32"))
    >>> {path: output.shape for path, output in outputs.items()}
    {'layers.0': (4, 3), 'layers.1': (4, 3), 'layers.2': (4, 1), '': (4, 1)}
    >>> hidden = outputs["layers.1"]
    >>> ag.gradients(outputs[""].sum(), [hidden])[0].shape
    (4, 3)
    """
    paths = {id(part): path for path, part in check_instance(module, Module, "module", "an nn.Module").named_modules()}
    found: dict[str, Any] = {}

    def keep(part: Module, output: Any, inside: str = "") -> None:
        path = paths.get(id(part))
        if path is not None:
            path = _join(path, inside) if inside else path
            found.pop(path, None)
            found[path] = output

    with holding(KEPT, keep):
        module(*inputs, **options)
    return found


def _found(module: Any, path: Any) -> Any:
    """The value at a path, ``None`` if there is none. A shared parameter or module has several paths."""
    for name in str(path).split("."):
        module = vars(module).get(name) if isinstance(module, Module) else None
    return module
