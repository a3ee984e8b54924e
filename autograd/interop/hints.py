"""Names of other libraries and their names here, for hints in error messages."""

from __future__ import annotations

from typing import Never

from glassgrad.autograd import linalg
from glassgrad.autograd.engine.namespace import TENSORS

NAMES = {
    "absolute": "abs", "amax": "max", "amin": "min", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin",
    "arcsinh": "asinh", "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "concatenate": "concat",
    "conjugate": "conj", "cumprod": "cumulative_prod", "cumsum": "cumulative_sum", "fabs": "abs",
    "float_power": "power", "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "mod": "remainder",
    "right_shift": "bitwise_right_shift", "rint": "round", "true_divide": "divide",
}  # fmt: skip
"""NumPy's functions that have another name here."""

METHODS = {
    "chunk": "split", "cumprod": "cumulative_prod", "cumsum": "cumulative_sum", "gather": "take_along_axis",
    "diag": "linalg.diagonal(x), or eye(n) * x", "mm": "matmul", "norm": "linalg.vector_norm",
    "permute": "permute_dims", "topk": "sort(x, descending=True)[..., :k], and argsort for the indices",
    "unbind": "unstack", "unsqueeze": "expand_dims",
}  # fmt: skip
"""Functions of PyTorch that are methods, too."""

OPERATION = "@autograd.op('name') for its value, f(xp, x), and f.vjp(x=…) for its derivative"
FUNCTIONS = {
    **NAMES, **METHODS, **{f"nan{name}": f"where and {name}" for name in ("max", "mean", "min", "sum")},
    **{name: f"nn.functional.{name}" for name in ("elu", "huber_loss", "l1_loss", "nll_loss", "silu")},
    **dict.fromkeys(("array", "as_tensor", "from_numpy"), "asarray"), **dict.fromkeys(("Variable", "tensor"), "Tensor"),
    **dict.fromkeys(("append", "cat", "delete", "hstack", "insert", "vstack"), "concat"),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), "conv"), **dict.fromkeys(("piecewise", "select"), "where"),
    **dict.fromkeys(("custom_vjp", "custom_jvp", "Function", "primitive", "defvjp"), OPERATION),
    **dict.fromkeys(("median", "percentile", "quantile"), "sort"), "add.at": "scatter_add", "add.reduce": "sum",
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d", "flatten"), "reshape"), "average": "mean",
    "bmm": "matmul", "column_stack": "stack", "dot": "matmul, or linalg.vecdot", "gradient": "diff",
    "inner": "x @ y.mT", "inference_mode": "no_grad", "jit": "compile", "kron": "linalg.outer and reshape",
    "ln": "log", "load": "nn.load", "logspace": "10 ** linspace(…)", "mse_loss": "squared_error", "mul": "multiply",
    "manual_seed": "numpy.random.default_rng(seed), given as generator=", "multiply.outer": "linalg.outer",
    "nn": "the package nn beside autograd: from glassgrad import nn", "optim": "nn.optim: from glassgrad import nn",
    "rand": "random.uniform(shape, generator=…)", "randn": "random.normal(shape, generator=…)", "save": "nn.save",
    "sub": "subtract", "unique": "unique_values",
}  # fmt: skip
"""For functions of NumPy and PyTorch that do not exist here: what to use instead."""

CASTS = {"cuda": 'to("cuda")', "double": 'to("float64")', "float": 'to("float32")', "half": 'to("float16")'}
TENSOR = {
    **dict.fromkeys(("add_", "mul_", "sub_"), "+=, -= or *= under autograd.no_grad()"),
    **dict.fromkeys(("copy_", "fill_", "zero_"), "x[...] = value under autograd.no_grad()"),
    **CASTS, "contiguous": "the Tensor itself: memory has no order here", "dim": "ndim",
    "expand": "autograd.broadcast_to(x, shape=…)", "long": 'to("int64")', "masked_fill": "autograd.where",
    "numel": "size", "pow": "**", "t": "T", "type": "to(dtype)", "view": "reshape",
    "repeat": "autograd.tile(x, …) to repeat the array, as in PyTorch; autograd.repeat(x, …) to repeat each element",
}  # fmt: skip


def hint(use: str) -> str:
    """``: use …``, or an empty string."""
    return f": use {use}" if use else ""


def of_function(name: str) -> str:
    """What to use for a function that does not exist in ``autograd``; an empty string if it is not known."""
    return FUNCTIONS.get(name) or (f"linalg.{name}" if name in linalg.__all__ else "")


class Hint:
    """A name that Tensors or modules have in another library: reading it raises `AttributeError` with the name here.

    Not a `__getattr__`, which would slow down every attribute of the class in CPython 3.11.
    """

    __slots__ = ("name", "owner", "use")

    def __init__(self, name: str, use: str, owner: str = "Tensor") -> None:
        self.name, self.use, self.owner = name, use, owner

    def __get__(self, instance: object, kind: type | None = None) -> Never:
        raise AttributeError(f"a {self.owner} has no attribute {self.name!r}{hint(self.use)}.")


def tensor_hints() -> dict[str, Hint]:
    """The hints for `Tensor` by name."""
    functions = {name: f"autograd.{of_function(name)}" for name in (*METHODS, *linalg.__all__)}
    uses = functions | {name: f"autograd.{name}(x)" for name in vars(TENSORS)} | TENSOR
    return {name: Hint(name, use) for name, use in uses.items()}
