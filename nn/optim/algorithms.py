"""Optimization algorithms, as PyTorch defines them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from glassgrad.autograd import Tensor, zeros_like
from glassgrad.autograd.backends import factor
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.engine.memory import written
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.optim.optimizer import Optimizer


def _trained(parameters: Iterable[Tensor], decay: float) -> Iterator[tuple[Tensor, Any, Any]]:
    """Iterate over the parameters with gradients: ``p``, the array of its gradient plus ``decay·p``, and its own."""
    for p in parameters:
        if p.grad is not None:
            g, d = p.grad._data, p._data
            yield p, g + decay * d if decay else g, d


def _accumulated(sums: Tensor, factor: float, new: Any) -> Any:
    """Multiply ``sums`` by ``factor`` and add ``new``; return its array."""
    values = sums.data
    values *= factor
    values += new
    sums.data = values
    return values


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    ``v ← momentum·v + g`` and ``p ← p - lr·v``; with ``nesterov`` ``p ← p - lr·(g + momentum·v)``. ``weight_decay``
    adds ``weight_decay·p`` to the gradient first.

    I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013, in PyTorch's form, where lr multiplies the velocity.

    >>> from glassgrad import autograd as ag, nn
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
        *,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov})

    @classmethod
    def _check(cls, options: dict[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and not options["momentum"]:
            raise DomainError("SGD: nesterov=True needs momentum: give momentum as well, for instance 0.9.")

    def initial_state(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        """The velocity, if there is momentum."""
        return {"momentum_buffer": zeros_like(parameter)} if options["momentum"] else {}

    def update(self, group: dict[str, Any]) -> None:
        """The step of the formula above."""
        lr, momentum, kind, changed = group["lr"], group["momentum"], None, []
        for p, g, d in _trained(group["params"], group["weight_decay"]):
            if momentum:
                v = _accumulated(self.state[p]["momentum_buffer"], momentum, g)
                g = g + momentum * v if group["nesterov"] else v
            if g.dtype is not kind:
                kind, rate = g.dtype, factor(lr, g)
            d -= rate * g
            if d is p._data:
                changed.append(d)  # noted together
            else:
                p.data = d
        written(*changed)


class Adam(Optimizer):
    """Adam: steps of about lr in every coordinate, from moving averages of the gradient and of its square.

    ``m ← β₁·m + (1 - β₁)·g``, ``v ← β₂·v + (1 - β₂)·g²``, and ``p ← p - lr·m̂ / (√v̂ + eps)`` with the averages
    corrected for their start at 0: ``m̂ = m / (1 - β₁ᵗ)``, ``v̂ = v / (1 - β₂ᵗ)``. ``weight_decay`` adds
    ``weight_decay·p`` to the gradient.

    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
    """

    _takes_complex = False
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

    def initial_state(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        """The number of steps and both averages."""
        return {
            "step": Tensor(0.0, device=parameter.device),
            "exp_avg": zeros_like(parameter),
            "exp_avg_sq": zeros_like(parameter),
        }

    def update(self, group: dict[str, Any]) -> None:
        """The step of the formulas above."""
        lr, (beta1, beta2), eps, decay = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        for step, members in self._counted([p for p in group["params"] if p.grad is not None]):
            t = step.data + 1.0
            rate, root = lr / (1 - beta1**t), (1 - beta2**t) ** -0.5
            # The step count is float64, and would promote float32 arrays.
            kinds = dict.fromkeys(p.data.dtype for p in members)
            factors = {kind: (rate.astype(kind), root.astype(kind)) for kind in kinds}
            for p, g, d in _trained(members, 0.0 if self.decoupled else decay):
                size, scale = factors[d.dtype]
                if decay and self.decoupled:
                    d *= 1 - lr * decay
                m = _accumulated(self.state[p]["exp_avg"], beta1, (1 - beta1) * g)
                v = _accumulated(self.state[p]["exp_avg_sq"], beta2, (1 - beta2) * (g * g))
                d -= size * m / (scale * v**0.5 + eps)
                p.data = d
            step.data = t

    def _counted(self, parameters: Sequence[Tensor]) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """The parameters by the Tensor that counts their steps. Where only some of those that share a count have a
        gradient, these get a count of their own.
        """
        counted: dict[Tensor, list[Tensor]] = {}
        for p in parameters:
            counted.setdefault(self.state[p]["step"], []).append(p)
        shared = Counter(id(kept.get("step")) for kept in self.state.values())
        for step, members in counted.items():
            if len(members) < shared[id(step)]:
                with holding(TRACER, None):  # a change of the first call, which is traced again
                    step = Tensor(step, name=step.name)
                    for p in members:
                        self.state[p]["step"] = step
            yield step, members

    def _note_members(self) -> None:
        """Let parameters of a group that have been updated equally often share a count."""
        if TRACER.get() is None and type(self).update is Adam.update:
            for group in self.param_groups:
                counts: dict[Any, Tensor] = {}
                for p in group["params"]:
                    step = self.state[p]["step"]
                    self.state[p]["step"] = counts.setdefault(step.item(), step)
                    self.state[p]["step"].name = "step"
        super()._note_members()


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
    """Divide the gradient by a moving root mean square of itself.

    ``v ← alpha·v + (1 - alpha)·g²`` and ``p ← p - lr·g / (√v + eps)``; with ``momentum`` the quotient is accumulated,
    ``b ← momentum·b + g / (√v + eps)``, and ``p ← p - lr·b``; ``centered`` subtracts the square of the average gradient
    from v.

    T. Tieleman and G. Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered after A. Graves,
    "Generating sequences with recurrent neural networks", 2013.
    """

    _takes_complex = False

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
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options | {"momentum": momentum, "centered": centered})

    def initial_state(self, parameter: Tensor, options: dict[str, Any]) -> dict[str, Tensor]:
        """The averages that the options ask for."""
        wanted = {"square_avg": True, "momentum_buffer": options["momentum"], "grad_avg": options["centered"]}
        return {name: zeros_like(parameter) for name, need in wanted.items() if need}

    def update(self, group: dict[str, Any]) -> None:
        """The step of the formulas above."""
        lr, alpha, momentum = group["lr"], group["alpha"], group["momentum"]
        for p, g, d in _trained(group["params"], group["weight_decay"]):
            state = self.state[p]
            v = _accumulated(state["square_avg"], alpha, (1 - alpha) * (g * g))
            if group["centered"]:
                m = _accumulated(state["grad_avg"], alpha, (1 - alpha) * g)
                v = abs(v - m * m)  # negative only by rounding
            g = g / (v**0.5 + group["eps"])
            if momentum:
                g = _accumulated(state["momentum_buffer"], momentum, g)
            d -= lr * g
            p.data = d
