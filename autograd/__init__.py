"""Automatic differentiation over the array API: `Tensor`, its functions, and their derivatives of any order.

The package is itself an array namespace. Its functions take Tensors, arrays and numbers, and are recorded where a
Tensor requires grad.

>>> from glassgrad import autograd as ag
>>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
>>> ag.sum(ag.sigmoid(w) * 3.0).backward()
>>> w.grad
Tensor([0.589836, 0.314981])
"""

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import Any as _Any

from glassgrad.autograd import errors, fft, linalg, random, trees
from glassgrad.autograd.backends import NUMPY as _NUMPY
from glassgrad.autograd.backends import devices
from glassgrad.autograd.engine import memory  # noqa: F401  (`ag.memory.written`)
from glassgrad.autograd.engine.backward import backward_steps
from glassgrad.autograd.engine.graph import Graph, Node
from glassgrad.autograd.engine.modes import enable_grad, is_grad_enabled, no_grad, scope, set_grad_enabled
from glassgrad.autograd.engine.namespace import TAKEN as _TAKEN
from glassgrad.autograd.engine.namespace import TENSORS as _TENSORS
from glassgrad.autograd.engine.namespace import add_functions as _add_functions
from glassgrad.autograd.engine.observers.anomaly import detect_anomaly
from glassgrad.autograd.engine.observers.profile import profile
from glassgrad.autograd.engine.operation import OPS, Op, op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.functions import conversion, creation, elementwise, products, shaping, sorting
from glassgrad.autograd.functions.transforms import grad, gradients, hvp, value_and_grad, vjp
from glassgrad.autograd.interop import hints as _hints
from glassgrad.autograd.interop import protocols as _protocols
from glassgrad.autograd.ops import nnet, special, windows  # noqa: F401  (they add to TENSORS)
from glassgrad.autograd.ops.elementwise import pow
from glassgrad.autograd.ops.loops import scan as _scan  # noqa: F401
from glassgrad.autograd.readings.levels import LIFTED as _LIFTED

__version__ = "0.1.0"

newaxis = None
_add_functions(conversion, creation, elementwise, products, shaping, sorting)
_protocols.install_all()

_EXTENSIONS = tuple(f"glassgrad.autograd.{name}" for name in ("fft", "ops.factorizations", "ops.matrices"))
_ARRAYS = sorted(name for name, value in vars(_TENSORS).items() if getattr(value, "__module__", "") not in _EXTENSIONS)
globals().update(vars(_TENSORS))

__all__ = [  # noqa: PLE0604
    "Graph", "Node", "OPS", "Op", "Tensor", "backward_steps", "detect_anomaly", "devices", "e", "enable_grad",
    "errors", "fft", "grad", "gradients", "hessian", "hvp", "inf", "is_grad_enabled", "jacfwd", "jacobian", "jacrev",
    "jet", "jvp", "linalg", "nan", "newaxis", "no_grad", "op", "pi", "pow", "profile", "random", "scope",
    "set_grad_enabled", "sparse_hessian", "sparse_jacobian", "testing", "trees", "value_and_grad", "vjp", "vmap",
    *_ARRAYS,
]  # fmt: skip
_LATE = {
    **dict.fromkeys(("compile", "trace", "Program", "scan", "loop"), "compiler"),
    **dict.fromkeys(("hessian", "jacfwd", "jacobian", "jacrev"), "readings.jacobians"),
    "jet": "readings.series",
    "jvp": "readings.forward",
    **dict.fromkeys(("sparse_hessian", "sparse_jacobian"), "readings.patterns"),
    "testing": "testing",
    "vmap": "readings.batches",
}
"""Where the functions and modules are that are imported when they are first used."""
_TAKEN.update(globals(), __all__, _LATE, ("compiler", "readings"), dir(_NUMPY), dir(_NUMPY.module), dir(_LIFTED))


def __getattr__(name: str) -> _Any:
    """Users' operations, and ``autograd.testing``, ``compile`` and the like, imported when first used."""
    if name in _LATE:
        module = _import_module(f"glassgrad.autograd.{_LATE[name]}")
        return globals().setdefault(name, getattr(module, name, module))
    if name in OPS:
        return OPS[name]
    raise AttributeError(f"autograd has no function {name!r}{_hints.hint(_hints.of_function(name))}.")
