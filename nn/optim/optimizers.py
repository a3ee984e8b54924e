"""Optimizers, by PyTorch's definitions to the letter.

An update runs on the raw arrays by their own arithmetic, ``d = p.data; d -= lr * g; p._set(d)``: NumPy arrays change in
place, and arrays that are merely traced by value, so that a training step is the same text in every reading. All that
an optimizer accumulates is Tensors, made when it is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from operator import add
from typing import Any

from autograd import Tensor, minimum, no_grad, zeros_like
from autograd.backends import is_host, namespace
from autograd.errors import AutogradError, DomainError, DTypeError, ShapeError
from autograd.memory import all_written
from autograd.messages import describe, shown
from autograd.modes import TRACER
from autograd.validation import check_instance
from nn.errors import StateError
from nn.modules.module import Module


class Optimizer:
    """The base of every optimizer: what it trains, with which options, and what it has accumulated.

    ``params``: an iterable of Tensors that require grad, or of dicts ``{"params": …, option: value}``, groups with
    options of their own. ``param_groups`` is the list of these dicts, in which a schedule changes ``"lr"``; ``state``
    holds a dict of Tensors for each parameter. A subclass writes ``_update(group)`` and ``_begin(parameter)``.

    Raises `autograd.errors.DomainError` for options out of range, and for no parameters or one given twice.
    """

    edits = 0  # how often what is accumulated has become other Tensors: by it a program sees that it is out of date

    def __init__(self, params: Iterable[Any], options: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise DTypeError("an optimizer takes an iterable of parameters: write [w] for a single one.")
        try:
            given = list(params)
        except TypeError:
            raise DTypeError(
                f"an optimizer takes an iterable of parameters; it was given a {type(params).__name__}: pass "
                "model.parameters(), with the brackets."
            ) from None
        if not given:
            raise DomainError(
                "an optimizer was given no parameters: pass model.parameters(), and mind that a generator is "
                "empty after one use."
            )
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        for group in groups:
            if not isinstance(group, Mapping) or not isinstance(group.get("params"), Iterable):
                raise DTypeError(
                    f"a group of parameters is a dict with its 'params', an iterable of Tensors; given is {group!r}."
                )
            if unknown := sorted(set(group) - {"params", *options}):
                raise DomainError(
                    f"{type(self).__name__} has no option {', '.join(unknown)}: it takes {', '.join(options)}."
                )
            of_group = {
                name: _plain(value) if name in options else value for name, value in {**options, **group}.items()
            }
            self._check(of_group)
            members = group["params"]
            of_group["params"] = [members] if isinstance(members, Tensor) else list(members)
            for p in of_group["params"]:
                if not isinstance(p, Tensor) or p.node is not None:
                    raise DTypeError(
                        f"an optimizer trains leaf Tensors; it was given {p!r}: pass model.parameters(), or "
                        "Tensors created with requires_grad=True."
                    )
                if p in self.state:
                    raise DomainError(
                        f"parameter {p.name or p.shape} was given to the optimizer twice: give each one once."
                    )
                self.state[p] = {}
                self._add(p, self._begin(p, of_group))
            self.param_groups.append(_Group(of_group, self._check))
        self._settle()

    def _add(self, parameter: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Accumulate in these, too, where there is nothing of that name."""
        state = self.state[parameter]
        for name, tensor in tensors.items():
            if name not in state:
                state[name] = tensor
                tensor.name = f"{parameter.name}.{name}" if parameter.name else name  # as a program calls it

    @classmethod
    def _check(cls, options: dict[str, Any]) -> None:
        """Refuse options out of their range."""
        for name, value in options.items():
            if name in ("lr", "initial_lr", "momentum", "weight_decay", "eps", "alpha") and not _is_finite(value):
                raise DomainError(f"{cls.__name__}: {name} = {shown(value)} is out of range: give a number from 0 on.")
        if not options.get("alpha", 0.0) <= 1:
            raise DomainError(
                f"{cls.__name__}: alpha = {options['alpha']!r} is out of range: give a number from 0 to 1."
            )
        betas = options.get("betas", (0, 0))
        if not isinstance(betas, tuple | list) or len(betas) != 2 or not all(_is_finite(b) and b < 1 for b in betas):
            raise DomainError(f"{cls.__name__}: betas = {betas!r} are out of range: both must be in [0, 1).")

    def _begin(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        """What is accumulated for ``parameter``, at the start."""
        return {}

    def _update(self, group: dict[str, Any]) -> None:
        raise NotImplementedError(f"{type(self).__name__} defines no _update(group): write the update there.")

    def step(self) -> None:
        """Update every parameter that has a gradient; the others keep their value and state.

        Raises `autograd.errors.ShapeError`, and changes nothing, where a ``.grad`` that was set by hand does not fit.
        """
        tracer = TRACER.get()
        if tracer is None:
            _check_gradients(self.state)
        if self._moves != Module.moves:
            token = TRACER.set(None)  # for good, and not only in what is traced now
            try:
                self._follow()
            finally:
                TRACER.reset(token)
        for group in self._by_device() if self._away and tracer is None else self.param_groups:
            try:
                self._update(group if tracer is None else self._traced(tracer, group))
            except BaseException:  # Ctrl-C, too: graphs that keep what was written to until now must know
                if tracer is None:
                    all_written(p.data for p in group["params"])
                raise

    def _follow(self) -> None:
        """Accumulate what the options ask for now, and all on the device and in the dtype of the parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                begun = self._begin(p, group)
                self._add(p, begun)
                for name, kept in self.state[p].items():
                    like = begun.get(name, p)
                    kept._set(kept.to(like.dtype).to(like.device).data)
        self._settle()

    def _settle(self) -> None:
        """Note where the parameters are."""
        self._moves = Module.moves
        self._away = not all(is_host(p.data) for p in self.state)

    def _by_device(self) -> Iterator[dict[str, Any]]:
        """The groups, parted where their parameters are on several GPUs: CuPy works on one at a time."""
        for group in self.param_groups:
            for device in dict.fromkeys(p.device for p in group["params"]):
                members = [p for p in group["params"] if p.device == device]
                namespace(members[0].data)  # makes it the current one
                yield {**group, "params": members}

    def _traced(self, tracer: Any, group: dict[str, Any]) -> dict[str, Any]:
        """``group`` as a trace takes it: the learning rate may change at any step, the others make it trace anew."""
        for name, value in group.items():
            if name not in ("params", "lr", "initial_lr"):
                tracer.guard(group, name, value)
        tracer.guard(self, "edits", self.edits)
        return {**group, "lr": tracer.knob(group, "lr", "lr")}

    def _accumulated(self) -> list[tuple[Tensor, Tensor]]:
        """What was accumulated so far, each with a copy."""
        return [(tensor, Tensor(tensor)) for state in self.state.values() for tensor in state.values()]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """A snapshot for `nn.save`: the options of every group, and what was accumulated, parameter by parameter."""
        groups, states = [], []
        for group in self.param_groups:
            groups.append({k: v for k, v in group.items() if k != "params"} | {"params": len(group["params"])})
            states += [{name: Tensor(value) for name, value in self.state[p].items()} for p in group["params"]]
        return {"param_groups": groups, "state": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, with as many parameters in the same order.

        Raises `StateError`, and changes nothing, for the state of another optimizer or of other parameters.
        """
        try:
            options, accumulated = self._read(state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            why = str(error).rstrip(".") if isinstance(error, AutogradError) else "it has not the form of one"
            raise StateError(
                f"{type(self).__name__} can't take this state: {why}. Nothing was loaded. Make the optimizer as it was "
                "made before its state was saved."
            ) from None
        for group, new in zip(self.param_groups, options, strict=True):
            dict.update(group, new)
        for p, then in accumulated:
            now = self.state[p]
            self.edits += {*now} != {*then}
            for name in [*now]:
                if name not in then:
                    del now[name]
            self._add(p, then)
            for name, tensor in now.items():
                tensor._set(then[name].to(tensor.dtype).to(tensor.device).data)

    def _read(self, state: Any) -> tuple[list[dict[str, Any]], list[tuple[Tensor, dict[str, Tensor]]]]:
        """The options of every group and what is to be accumulated for every parameter, all of which fit."""
        groups = [{k: tuple(v) if isinstance(v, list) else v for k, v in g.items()} for g in state["param_groups"]]
        mine, theirs = [len(g["params"]) for g in self.param_groups], [g.pop("params") for g in groups]
        if mine != theirs:
            raise DomainError(f"it is of groups of {theirs} parameters, and here are {mine}")
        for group, new in zip(self.param_groups, groups, strict=True):
            here, there = (sorted({*options} - {"initial_lr", "params"}) for options in (group, new))
            if here != there:
                raise DomainError(f"it is another optimizer's, of options {there}, and here are {here}")
            self._check(new)
        members = [
            (p, {**group, **new}) for group, new in zip(self.param_groups, groups, strict=True) for p in group["params"]
        ]
        accumulated = []
        for i, ((p, options), given) in enumerate(zip(members, state["state"], strict=True)):
            then = {name: Tensor(value) for name, value in given.items()}
            due, saved = ({name: t.shape for name, t in each.items()} for each in (self._begin(p, options), then))
            if due != saved:
                raise ShapeError(f"for parameter {i}, {describe(p)}, it has {saved or 'nothing'}, and here is {due}")
            accumulated.append((p, then))
        return groups, accumulated

    def __repr__(self) -> str:
        """``SGD(lr=0.1, momentum=0.9, …)``, with the number of parameters."""
        texts = [
            ", ".join(f"{k}={v!r}" for k, v in group.items() if k not in ("params", "initial_lr"))
            + f": {sum(p.size for p in group['params']):,} parameters"
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(texts)})"


class _Group(dict[str, Any]):
    """Parameters and their options, looked at when they are set. What a traced function sets here would be set at the
    trace only.
    """

    def __init__(self, options: dict[str, Any], check: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(options)
        self.check = check

    def __reduce__(self) -> Any:
        return _Group, (dict(self), self.check)

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __ior__(self, given: Any) -> _Group:  # type: ignore[override, misc]
        self.update(given)
        return self

    def update(self, *given: Any, **options: Any) -> None:
        """Set options, which are looked at together: one may not go without another."""
        new = {key: value if key == "params" else _plain(value) for key, value in dict(*given, **options).items()}
        if (tracer := TRACER.get()) is not None:
            tracer.refuse_setting(f"{', '.join(map(repr, new))} of an optimizer")
        self.check({**self, **new})
        Module.moves += not {*new} <= {"lr", "initial_lr", "params"}  # there may be more to accumulate from now on
        super().update(new)


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's: theirs would make float64 of a float32 parameter of shape ()."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _is_finite(value: Any) -> bool:
    """Whether an option is a number from 0 on."""
    try:
        return 0 <= float(value) < math.inf and not isinstance(value, str | bytes)
    except (TypeError, ValueError, OverflowError):
        return False


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    ``v ← momentum·v + g`` and ``p ← p - lr·v``; with ``nesterov`` ``p ← p - lr·(g + momentum·v)``. ``weight_decay``
    adds ``weight_decay·p`` to the gradient first.

    I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013, in PyTorch's form, where lr multiplies the velocity.

    >>> import autograd as ag, nn
    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = nn.optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.0, 0.0], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov})

    @classmethod
    def _check(cls, options: dict[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and not options["momentum"]:
            raise DomainError("SGD: nesterov=True is a kind of momentum: give momentum as well, for instance 0.9.")

    def _begin(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        return {"momentum_buffer": zeros_like(parameter)} if options["momentum"] else {}

    def _update(self, group: dict[str, Any]) -> None:
        lr, momentum, decay, nesterov = group["lr"], group["momentum"], group["weight_decay"], group["nesterov"]
        for p in group["params"]:
            if p.grad is None:
                continue
            g, d = p.grad.data, p.data
            if decay:
                g = g + decay * d
            if momentum:
                velocity = self.state[p]["momentum_buffer"]
                v = velocity.data
                v *= momentum
                v += g
                velocity._set(v)
                g = g + momentum * v if nesterov else v
            d -= lr * g
            p._set(d)


class Adam(Optimizer):
    """Steps of about lr in every coordinate, by running means of the gradient and of its square.

    ``m ← β₁·m + (1 - β₁)·g``, ``v ← β₂·v + (1 - β₂)·g²``, and ``p ← p - lr·m̂ / (√v̂ + eps)`` with the means corrected
    for their start at 0: ``m̂ = m / (1 - β₁ᵗ)``, ``v̂ = v / (1 - β₂ᵗ)``. ``weight_decay`` adds ``weight_decay·p`` to
    the gradient.

    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _begin(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        return {
            "step": Tensor(0.0, device=parameter.device),
            "exp_avg": zeros_like(parameter),
            "exp_avg_sq": zeros_like(parameter),
        }

    def _update(self, group: dict[str, Any]) -> None:
        lr, (beta1, beta2), eps, decay = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        for p in group["params"]:
            if p.grad is None:
                continue
            g, d = p.grad.data, p.data
            step, mean, square = self.state[p].values()
            if decay and self.decoupled:
                d *= 1 - lr * decay
            elif decay:
                g = g + decay * d
            t, m, v = step.data, mean.data, square.data
            t = t + 1.0
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * (g * g)
            # The counts are float64, and would turn the arrays into float64 as they are.
            size = (lr / (1 - beta1**t)).astype(d.dtype)
            scale = ((1 - beta2**t) ** -0.5).astype(d.dtype)
            d -= size * m / (scale * v**0.5 + eps)
            step._set(t)
            mean._set(m)
            square._set(v)
            p._set(d)


class AdamW(Adam):
    """`Adam` whose weight decay shrinks the weights directly: ``p ← p - lr·weight_decay·p`` before the step.

    I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


class RMSprop(Optimizer):
    """The gradient divided by a running root mean square of itself.

    ``v ← alpha·v + (1 - alpha)·g²`` and ``p ← p - lr·g / (√v + eps)``; with ``momentum`` the quotient is accumulated,
    ``b ← momentum·b + g / (√v + eps)``, and ``p ← p - lr·b``; ``centered`` takes the mean gradient's square off v.

    T. Tieleman and G. Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered after A. Graves,
    "Generating sequences with recurrent neural networks", 2013.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(params, options)

    def _begin(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        names = [
            "square_avg",
            *(["momentum_buffer"] if options["momentum"] else []),
            *(["grad_avg"] if options["centered"] else []),
        ]
        return {name: zeros_like(parameter) for name in names}

    def _update(self, group: dict[str, Any]) -> None:
        lr, alpha, eps, decay, momentum = (group[k] for k in ("lr", "alpha", "eps", "weight_decay", "momentum"))
        for p in group["params"]:
            if p.grad is None:
                continue
            g, d, state = p.grad.data, p.data, self.state[p]
            if decay:
                g = g + decay * d
            v = state["square_avg"].data
            v *= alpha
            v += (1 - alpha) * (g * g)
            state["square_avg"]._set(v)
            if group["centered"]:
                m = state["grad_avg"].data
                m *= alpha
                m += (1 - alpha) * g
                state["grad_avg"]._set(m)
                v = abs(v - m * m)  # below 0 by rounding alone
            g = g / (v**0.5 + eps)
            if momentum:
                b = state["momentum_buffer"].data
                b *= momentum
                b += g
                state["momentum_buffer"]._set(b)
                g = b
            d -= lr * g
            p._set(d)


def _check_gradients(parameters: Iterable[Tensor]) -> None:
    """Refuse what was put into ``.grad`` by hand and is no gradient of that parameter."""
    for p in parameters:
        g: Any = p.grad
        if g is not None and (not isinstance(g, Tensor) or g.data.shape != p.data.shape):
            raise ShapeError(
                f"the .grad of parameter {describe(p)} is {type(g).__name__} {describe(g)}: it must be a Tensor of the "
                "parameter's shape, or None. Nothing was changed."
            )


@no_grad()
def clip_grad_norm_(parameters: Iterable[Any], max_norm: float) -> Tensor:
    """Scale all gradients by one factor, to a common Euclidean norm of at most ``max_norm``; returns the norm before.

    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
    algorithm 1. Raises `autograd.errors.DomainError` for a ``max_norm`` below 0, `autograd.errors.ShapeError` for a
    ``.grad`` that was set by hand and does not fit.

    >>> import autograd as ag, nn
    >>> w = ag.Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> nn.optim.clip_grad_norm_([w], 1.0)
    Tensor(10.0)
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    if not _is_finite(max_norm):
        raise DomainError(f"max_norm = {max_norm!r} is out of range: give a number from 0 on.")
    one = isinstance(parameters, Tensor) or not isinstance(parameters, Iterable)
    members: list[Any] = [parameters] if one else [*parameters]
    for p in members:
        check_instance(p, Tensor, "a parameter to clip", "Tensors, such as model.parameters()")
    graded = [p for p in members if p.grad is not None]
    if TRACER.get() is None:
        _check_gradients(graded)
    if not graded:
        return Tensor(0.0, dtype="float32")
    wide = [p.grad if p.grad.data.dtype.itemsize > 2 else p.grad.astype("float32") for p in graded]  # float16 overflows
    total: Tensor = reduce(add, [(g * g).sum() for g in wide]).sqrt()
    factor: Tensor = minimum(max_norm / (total + 1e-6), 1.0)
    for p in graded:
        p.grad = p.grad * factor.astype(p.dtype)
    return total
