"""Names of PyTorch and Keras and their names in ``nn``, for hints in error messages."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Never, TypeVar

from glassgrad.autograd.errors import DTypeError
from glassgrad.autograd.interop.hints import CASTS, hint

F = TypeVar("F", bound=Callable[..., Any])

MODULES = {
    **CASTS, "add_module": "an attribute: self.name = layer", "cpu": 'to("cpu")',
    "compile": "nn.fit(…, compile=True), or autograd.compile of a function that takes a step",
    "fit": "nn.fit(model, loss, optimizer, (x, y), epochs=…)", "save": "nn.save(model, path)",
    "predict": "the model itself: model(x), under autograd.no_grad()",
    "summary": "its repr, print(model), or viz.summary(model, x)",
    "register_forward_hook": "nn.activations(model, x), or viz.draw_modules(y): a row of numbers for each module",
    "register_parameter": "an attribute: self.name = nn.Parameter(…)", "weights": "parameters()",
}  # fmt: skip
NETWORKS = {
    **dict.fromkeys(("Adadelta", "Adagrad", "Rprop"), "nn.optim.RMSprop"),
    **dict.fromkeys(("CyclicLR", "MultiplicativeLR", "PolynomialLR"), "nn.optim.lr_scheduler.LambdaLR"),
    **{f"glorot_{kind}_": f"nn.init.xavier_{kind}_" for kind in ("uniform", "normal")},
    **{f"he_{kind}_": f"nn.init.kaiming_{kind}_" for kind in ("uniform", "normal")},
    "BCELoss": "nn.BCEWithLogitsLoss, of the values before the sigmoid", "Softmin": "nn.Softmax, of -x",
    "DataLoader": "nn.data.minibatches(x, y, batch_size=…), or nn.fit, which takes PyTorch's DataLoader, too",
    "OneCycleLR": "nn.optim.lr_scheduler.SequentialLR, of LinearLR and CosineAnnealingLR", "Swish": "nn.SiLU",
    "ParameterList": "one attribute for each parameter", "no_grad": "autograd.no_grad", "swish": "nn.functional.silu",
    "SmoothL1Loss": "nn.HuberLoss(delta=beta), divided by beta", "calculate_gain": "the gain= of an initialiser",
    "TensorDataset": "the arrays themselves: nn.data.minibatches(x, y)", "random_split": "nn.data.hold_out",
    "smooth_l1_loss": "nn.functional.huber_loss(…, delta=beta) / beta",
    "binary_cross_entropy": "nn.functional.binary_cross_entropy_with_logits, of the values before the sigmoid",
    "clip_grad_value_": "autograd.clip of each p.grad, or nn.optim.clip_grad_norm_",
    "orthogonal_": "x[...] = numpy.linalg.qr(…)[0] under autograd.no_grad()", "trunc_normal_": "nn.init.normal_",
    "utils": "nn.optim.clip_grad_norm_, or nn.save and nn.load",
}  # fmt: skip
"""For names of PyTorch and Keras in any module of ``nn``."""


def bound(name: str, signature: inspect.Signature, args: Any, options: Any) -> inspect.BoundArguments:
    """The arguments of a call by name. Raises `DTypeError`, which says which there are, for others."""
    try:
        return signature.bind(*args, **options)
    except TypeError as error:
        taken = ", ".join([n for n in signature.parameters if n != "self"])
        raise DTypeError(f"{name}: {error}. It takes {taken or 'no arguments'}.") from None


def told(function: F) -> F:
    """``function``, which says what arguments it takes when it is given others."""
    name, signature = function.__qualname__.removesuffix(".__init__"), inspect.signature(function)

    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        bound(name, signature, args, options)
        return function(*args, **options)

    return called  # type: ignore[return-value]


def name_what_is_missing(*modules: ModuleType) -> None:
    """Let the `AttributeError` for a name that these modules lack say which one to use."""
    for module in modules:  # not in the modules' texts, so that type checkers report missing names
        vars(module)["__getattr__"] = _missing(module.__name__)


def _missing(module: str) -> Callable[[str], Never]:
    package = module.partition("nn")[0]

    def names(home: str) -> list[str]:
        return [name for name, value in vars(sys.modules[home]).items() if callable(value) and name[0] != "_"]

    def known(name: str) -> str:
        from difflib import get_close_matches

        homes = sorted((home for home in sys.modules if home.startswith(f"{package}nn")), key=len)
        there = next((f"{home.removeprefix(package)}.{name}" for home in homes if name in names(home)), "")
        near = "".join(get_close_matches(name, names(module), 1, cutoff=0.7))
        return hint(NETWORKS.get(name) or there) or (near and f": there is {near}")

    def __getattr__(name: str) -> Never:
        said = "" if name[0] == "_" else known(name)  # Python itself asks for names with underscores
        raise AttributeError(f"{module.removeprefix(package)} has no {name!r}{said}.")

    return __getattr__
