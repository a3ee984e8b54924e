"""`Optimizer`, the base of all optimizers: parameters, options, state; and the clipping of gradients.

Updates are written with operators of the arrays, ``d = p.data; d -= lr * g; p.data = d``: NumPy arrays change in place,
traced arrays are replaced, so the same code runs eagerly and compiled. All state is Tensors, created with the
optimizer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import add
from typing import Any

from glassgrad.autograd import Tensor, minimum, no_grad
from glassgrad.autograd.backends import PLACES, is_complex, namespace
from glassgrad.autograd.common.contexts import OPTIONS, TRACER, holding
from glassgrad.autograd.common.messages import brief, describe
from glassgrad.autograd.common.validation import check_instance, flag, number, refused
from glassgrad.autograd.engine.memory import written
from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError, ShapeError
from glassgrad.nn.errors import StateError
from glassgrad.nn.hints import told
from glassgrad.nn.modules.module import Module


class Optimizer:
    """Base of all optimizers.

    ``params``: an iterable of Tensors that require grad, or of dicts ``{"params": …, option: value}``, groups with
    options of their own. ``param_groups`` is the list of these groups, in which schedules set ``"lr"``; ``state`` maps
    each parameter to a dict of Tensors. A subclass defines `update` and, if it keeps averages or the like,
    `initial_state`; it may define `step` itself instead of `update`.

    Raises `autograd.errors.DomainError` for options out of range, no parameters, or one given twice.
    """

    structure = ("param_groups", "state")  # what compiled programs watch, down to the Tensors
    _takes_complex = True  # whether `update` is right for complex parameters

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            cls.__init__ = told(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], options: dict[str, Any]) -> None:
        given = _members(params)
        if not given:
            raise DomainError(
                "an optimizer was given no parameters: give model.parameters(). A generator is empty after one use."
            )
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        seen = set()
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            check_instance(group, Mapping, "a group", "a dict with 'params'")  # type: ignore[type-abstract]
            if unknown := sorted(set(group) - {"params", *options}):
                name = type(self).__name__
                raise DomainError(f"{name} has no option {', '.join(unknown)}: it takes {', '.join(options)}.")
            of_group = _Group({**options, **group, "params": _members(group.get("params"))}, self._check)
            for p in of_group["params"]:
                if not isinstance(p, Tensor) or p.node is not None:
                    made = f", the result of {p.node.op.name}" if isinstance(p, Tensor) and p.node else ""
                    raise DTypeError(
                        f"an optimizer trains leaf Tensors; it was given {brief(p)}{made}: give model.parameters(), or "
                        "Tensors created with requires_grad=True."
                    )
                if is_complex(p.dtype) and not self._takes_complex:
                    raise DTypeError(
                        f"{type(self).__name__} squares gradients, which it can't do with complex ones, and was given "
                        f"{describe(p)}: train with SGD, or give the real and the imaginary part as two parameters."
                    )
                if p in seen:
                    raise DomainError(f"parameter {p.name or p.shape} was given twice: give each one once.")
                seen.add(p)
                self._add_state(p, self.initial_state(p, of_group))
            self.param_groups.append(of_group)
        self._note_members()

    def _add_state(self, parameter: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Add ``tensors`` to the state of ``parameter``, without replacing existing ones."""
        for name, tensor in tensors.items():
            if name not in (state := self.state[parameter]):
                state[name] = tensor
                tensor.name = f"{parameter.name}.{name}" if parameter.name else name

    @classmethod
    def _check(cls, options: dict[str, Any]) -> None:
        """Raise `DomainError` for options out of range, `DTypeError` for other types."""
        for name, value in options.items():
            if name in ("lr", "initial_lr", "momentum", "weight_decay", "eps", "alpha"):
                number(value, f"{cls.__name__}: {name}", 0, 1 if name == "alpha" else math.inf)
            elif name in ("nesterov", "centered"):
                flag(value, f"{cls.__name__}: {name}")
        betas = options.get("betas", (0, 0))
        pair = isinstance(betas, tuple | list) and len(betas) == 2
        if not pair or not all(number(beta, f"{cls.__name__}: betas", 0) < 1 for beta in betas):
            raise DomainError(f"{cls.__name__}: betas = {betas!r} are out of range: both must be in [0, 1).")

    def initial_state(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        """The Tensors that ``state[parameter]`` has before the first step. ``options``: those of its group.

        They are moved and saved with the optimizer; compiled steps update them.
        """
        return {}

    def update(self, group: dict[str, Any]) -> None:
        """Set the ``.data`` of each Tensor in ``group["params"]`` whose ``.grad`` is not ``None``.

        ``group`` also has the options; Tensors of ``state`` are updated in the same way, by ``.data``.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no update(group): it updates the parameters.")

    def step(self) -> None:
        """Update the parameters that have a gradient.

        Raises `autograd.errors.ShapeError`, and changes nothing, if a ``.grad`` has another shape than its parameter.
        """
        tracer = TRACER.get()
        if tracer is None:
            for group in self.param_groups:
                check_gradients(group["params"])
        self._follow()
        for group in self.param_groups:
            for p in group["params"][:1] if PLACES else ():
                namespace(p.data)  # makes its GPU the current one, on which CuPy works
            try:
                self.update(group)
            except BaseException:  # parameters may be half written: invalidate graphs that saved their arrays
                if tracer is None:
                    written(*(p.data for p in group["params"]))
                raise

    def _follow(self) -> None:
        """Add the state that changed options and new parameters need, and move all to the parameters' device and dtype.

        A parameter whose state was cleared is a new one.
        """
        if self._moves == Module.moves and self._held == self._members:
            return
        with holding(TRACER, None):  # moving the state is not part of a traced step
            for group in self.param_groups:
                for p in group["params"]:
                    begun = self.initial_state(p, group)
                    self._add_state(p, begun)
                    for name, kept in self.state.get(p, {}).items():
                        like = begun.get(name, p)
                        kept.data = kept.to(like.dtype).to(like.device).data
        Optimizer._note_members(self)  # counts of steps that are equal stay apart, as in a traced step

    @property
    def _members(self) -> tuple[int, ...]:
        """What differs after parameters or state came or went: the numbers of Tensors of state, and the parameters."""
        return *map(len, self.state.values()), *[id(p) for group in self.param_groups for p in group["params"]]

    def _note_members(self) -> None:
        """Remember what `_follow` compares. Raises `DomainError` for a group of several devices."""
        for group in self.param_groups:
            if len(devices := {p.device for p in group["params"]}) > 1:
                raise DomainError(
                    f"a group has parameters on {' and '.join(sorted(devices))}: make one for each device."
                )
        self._moves, self._held = Module.moves, self._members

    def zero_grad(self) -> None:
        """Set the ``.grad`` of all parameters to ``None``."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Copies of all options and state, for `nn.save`."""
        self._follow()
        groups, states = [], []
        for group in self.param_groups:
            groups.append({k: v for k, v in group.items() if k != "params"} | {"params": len(group["params"])})
            states += [{name: Tensor(value) for name, value in self.state.get(p, {}).items()} for p in group["params"]]
        return {"param_groups": groups, "state": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore options and state from `state_dict`, with the same number of parameters in the same order.

        Raises `nn.errors.StateError`, and changes nothing, for the state of another optimizer or other parameters.
        """
        try:
            groups = [{k: tuple(v) if isinstance(v, list) else v for k, v in g.items()} for g in state["param_groups"]]
            theirs = [(g.pop("params"), sorted(g.keys() - {"initial_lr"})) for g in groups]
            mine = [(len(g["params"]), sorted(g.keys() - {"initial_lr", "params"})) for g in self.param_groups]
            if theirs != mine:
                raise DomainError(f"its groups have the parameters and options {theirs}, and this optimizer's {mine}")
            held: dict[Tensor, dict[str, Tensor]] = {}
            for group, new in zip(self.param_groups, groups, strict=True):
                self._check(new)
                held |= {p: self.initial_state(p, {**group, **new}) for p in group["params"]}
            for i, (p, given) in enumerate(zip(held, state["state"], strict=True)):
                saved, wanted = ({name: t.shape for name, t in tensors.items()} for tensors in (given, held[p]))
                if saved != wanted:
                    raise ShapeError(f"for parameter {i}, {describe(p)}, it has {saved} instead of {wanted}")
                held[p] = {n: Tensor(given[n], dtype=t.dtype, device=t.device) for n, t in held[p].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            why = str(error).rstrip(".") if isinstance(error, AutogradError) else "it is not what state_dict() returns"
            raise StateError(
                f"{type(self).__name__} can't load this state: {why}. Nothing was loaded. Make the optimizer as it was "
                "made before its state was saved."
            ) from None
        for group, new in zip(self.param_groups, groups, strict=True):
            dict.update(group, new)
        for p, tensors in held.items():
            self.state.pop(p, None)
            self._add_state(p, tensors)
        self._note_members()

    def __repr__(self) -> str:
        """``SGD(lr=0.1, momentum=0.9, …)``, with the number of parameters."""
        texts = [
            ", ".join(f"{k}={v!r}" for k, v in group.items() if k not in ("params", "initial_lr"))
            + f": {sum(p.size for p in group['params']):,} parameters"
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(texts)})"


class _Group(dict[str, Any]):
    """A parameter group: a dict that checks options when they are set, and refuses to set them in a trace."""

    def __init__(self, options: dict[str, Any], check: Callable[[dict[str, Any]], None]) -> None:
        super().__init__({name: value if name == "params" else _plain(value) for name, value in options.items()})
        self.check = check
        check(self)

    def __reduce__(self) -> Any:
        return _Group, (dict(self), self.check)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __ior__(self, given: Any) -> _Group:  # type: ignore[override, misc]
        self.update(given)
        return self

    def update(self, *given: Any, **options: Any) -> None:
        """Set options; they are checked together, as one may require another."""
        new = {key: value if key == "params" else _plain(value) for key, value in dict(*given, **options).items()}
        if (tracer := TRACER.get()) is not None:
            tracer.refuse_setting(f"{', '.join(map(repr, new))} of an optimizer")
        self.check({**self, **new})
        Module.moves += not {*new} <= {"lr", "initial_lr", "params"}  # they may need more state
        super().update(new)


OPTIONS.append(_Group)


def _plain(value: Any) -> Any:
    """NumPy scalars as Python's: ``np.float64`` would promote a float32 parameter of shape ()."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _members(params: Any) -> list[Any]:
    """The parameters, or groups of them, that a user gave. Raises `DTypeError` for what holds none."""
    if isinstance(params, Module | Mapping | str) or not isinstance(params, Iterable):
        raise refused(params, "params", "model.parameters(), or a list of Tensors")
    return [params] if isinstance(params, Tensor) else list(params)


def check_gradients(parameters: Iterable[Tensor]) -> None:
    """Raise `ShapeError` for a ``.grad`` set by hand that is not a Tensor of the parameter's shape, or is complex for a
    real one.
    """
    for p in parameters:
        g: Any = p.grad
        if g is None or (isinstance(g, Tensor) and g._data.dtype is p._data.dtype and g._data.shape == p._data.shape):
            continue
        if not isinstance(g, Tensor) or g.shape != p.shape or is_complex(g.dtype) > is_complex(p.dtype):
            raise ShapeError(
                f"the .grad of parameter {describe(p)} is {type(g).__name__} {describe(g)}: it must be a Tensor of the "
                "parameter's shape, real for a real one, or None. Nothing was changed."
            )


@no_grad()
def clip_grad_norm_(parameters: Iterable[Any], max_norm: float) -> Tensor:
    """Scale all gradients by one factor to a total Euclidean norm of at most ``max_norm``; return the norm before.

    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
    algorithm 1. Raises `autograd.errors.DomainError` for a negative ``max_norm``, `autograd.errors.DTypeError` for
    anything but Tensors, such as a module, `autograd.errors.ShapeError` for a ``.grad`` of another shape than its
    parameter.

    >>> from glassgrad import autograd as ag, nn
    >>> w = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> nn.optim.clip_grad_norm_([w], 1.0)
    Tensor(10.0)
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    number(max_norm, "max_norm", 0)
    try:
        graded = [p for p in _members(parameters) if p.grad is not None]
    except AttributeError as error:
        raise refused(error.obj, "a parameter", "Tensors, as model.parameters() yields them") from None
    if TRACER.get() is None:
        check_gradients(graded)
    if not graded:
        return Tensor(0.0, dtype="float32")
    wide = [p.grad if p.grad.data.dtype.itemsize > 2 else p.grad.astype("float32") for p in graded]  # float16 overflows
    sizes = [abs(g) if is_complex(g.dtype) else g for g in wide]
    total: Tensor = reduce(add, [(g * g).sum() for g in sizes]).sqrt()
    factor: Tensor = minimum(max_norm / (total + 1e-6), 1.0)
    for p in graded:
        p.grad = p.grad * factor.astype(p.dtype)
    return total
