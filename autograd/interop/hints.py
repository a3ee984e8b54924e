"""Names of other libraries and their names here, for hints in error messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Never

from glassgrad.autograd import linalg
from glassgrad.autograd.engine.namespace import TENSORS

TENSOR = {
    "add_": "+= under autograd.no_grad()", "contiguous": "the Tensor itself: memory has no order here",
    "copy_": "x[...] = value under autograd.no_grad()", "cuda": 'to("cuda")',
    "double": 'to("float64")', "expand": "autograd.broadcast_to(x, shape=…)", "fill_": "x[...] = value",
    "float": 'to("float32")', "half": 'to("float16")', "long": 'to("int64")', "masked_fill": "autograd.where",
    "mm": "@", "mul_": "*= under autograd.no_grad()", "norm": "autograd.linalg.vector_norm(x)", "numel": "size",
    "permute": "autograd.permute_dims(x, axes=…)", "pow": "**", "sub_": "-= under autograd.no_grad()", "t": "T",
    "type": "to(dtype)", "unsqueeze": "autograd.expand_dims(x, axis=…)", "view": "reshape",
    "zero_": "x[...] = 0, or grad = None", "cumsum": "autograd.cumulative_sum(x, axis=…)",
    "cumprod": "autograd.cumulative_prod(x, axis=…)", "diag": "autograd.linalg.diagonal(x), or autograd.eye(n) * x",
    "gather": "autograd.take_along_axis(x, indices, axis=…)", "inverse": "autograd.linalg.inv(x)",
    "repeat": "autograd.tile(x, …) to repeat the array, as in PyTorch; autograd.repeat(x, …) to repeat each element",
    "swapaxes": "permute_dims", "chunk": "autograd.split(x, …)", "unbind": "autograd.unstack(x)", "dim": "ndim",
    "topk": "autograd.sort(x, descending=True)[..., :k], and autograd.argsort for the indices",
}  # fmt: skip
NETWORK_FUNCTIONS = {
    "binary_cross_entropy": "binary_cross_entropy_with_logits, of the values before the sigmoid",
    "softmin": "softmax, of -x", "swish": "silu",
}  # fmt: skip
OPERATION = "@autograd.op('name') for its value, f(xp, x), and f.vjp(x=…) for its derivative"
FUNCTIONS = {
    "tensor": "Tensor", "Variable": "Tensor", "array": "asarray", "as_tensor": "asarray", "average": "mean",
    "bmm": "matmul", "cat": "concat", "from_numpy": "asarray",
    "ln": "log", "manual_seed": "numpy.random.default_rng(seed), given as generator=",
    "mm": "matmul", "mul": "multiply", "norm": "linalg.vector_norm", "permute": "permute_dims",
    "rand": "random.uniform(shape, generator=…)", "randn": "random.normal(shape, generator=…)",
    "sgn": "sign", "sub": "subtract", "tg": "tan", "unsqueeze": "expand_dims", "view": "reshape",
    "vmap": "operations on arrays with one more axis", "cumsum": "cumulative_sum", "cumprod": "cumulative_prod",
    "diag": "linalg.diagonal(x), or eye(n) * x", "dot": "matmul, or linalg.vecdot", "flatten": "reshape(x, shape=-1)",
    "fft": "numpy.fft of .detach().numpy(): derivatives through complex numbers are not supported",
    "gather": "take_along_axis", "inverse": "linalg.inv", "chunk": "split", "unbind": "unstack",
    "concatenate": "concat", "swapaxes": "permute_dims", "amax": "max", "amin": "min", "vstack": "concat(…, axis=0)",
    "hstack": "concat(…, axis=1)", "FloatTensor": 'Tensor(…, dtype="float32")', "inference_mode": "no_grad",
    "jit": "compile", "load": "nn.load", "save": "nn.save",
    "nn": "the package nn beside autograd: from glassgrad import nn",
    **dict.fromkeys(("custom_vjp", "custom_jvp", "custom_gradient", "Function", "primitive", "defvjp"), OPERATION),
    "conv1d": "conv", "conv2d": "conv", "conv3d": "conv", "mse_loss": "squared_error",
    "optim": "nn.optim: from glassgrad import nn",
    "topk": "sort(x, descending=True)[..., :k], and argsort for the indices",
    **{name: f"nn.functional.{name}" for name in ("elu", "huber_loss", "l1_loss", "nll_loss", "silu")},
    **NETWORK_FUNCTIONS, "swish": "nn.functional.silu",
}  # fmt: skip
NETWORKS = {
    "BCELoss": "BCEWithLogitsLoss, of the values before the sigmoid",
    "DataLoader": "data.minibatches, or fit, which draws them",
    "ParameterList": "one attribute for each parameter",
    "Swish": "SiLU", "no_grad": "autograd.no_grad", "Softmin": "Softmax, of -x", "nll_loss": "functional.nll_loss",
    "utils": "optim.clip_grad_norm_, or save and load",
}  # fmt: skip
OPTIMIZERS = {
    "Adadelta": "RMSprop", "Adagrad": "RMSprop, which forgets old gradients", "Adamax": "Adam", "NAdam": "Adam",
    "RAdam": "Adam, with a lr_scheduler.LinearLR to warm up", "Rprop": "RMSprop",
    "clip_grad_norm": "clip_grad_norm_", "clip_grad_value_": "autograd.clip of each p.grad, or clip_grad_norm_",
}  # fmt: skip
SCHEDULES = {
    "ConstantLR": "LinearLR(optimizer, start_factor=…, end_factor=…)", "MultiplicativeLR": "LambdaLR",
    "CosineAnnealingWarmRestarts": "SequentialLR, of one CosineAnnealingLR for each start", "CyclicLR": "LambdaLR",
    "OneCycleLR": "SequentialLR, of LinearLR and CosineAnnealingLR", "PolynomialLR": "LambdaLR",
}  # fmt: skip
INITS = {
    **{f"{ours}_{kind}_": f"{theirs}_{kind}_" for ours, theirs in (("glorot", "xavier"), ("he", "kaiming"))
       for kind in ("uniform", "normal")},
    **{f"{name}_{kind}": f"{name}_{kind}_" for name in ("xavier", "kaiming") for kind in ("uniform", "normal")},
    **{name: f"{name}_" for name in ("constant", "normal", "ones", "uniform", "zeros")},
    "dirac_": "x[...] = values under autograd.no_grad()", "eye_": "x[...] = autograd.eye(n) under autograd.no_grad()",
    "orthogonal_": "x[...] = numpy.linalg.qr(…)[0] under autograd.no_grad()", "trunc_normal_": "normal_",
}  # fmt: skip

DATA = {
    "DataLoader": "minibatches(x, y, batch_size=…), or nn.fit, which draws them and takes PyTorch's DataLoader, too",
    "TensorDataset": "the arrays themselves: minibatches(x, y)", "random_split": "hold_out",
}  # fmt: skip
MODULES = {
    "add_module": "an attribute: self.name = layer", "cpu": 'to("cpu")', "cuda": 'to("cuda")',
    "double": 'to("float64")', "fit": "nn.fit(model, loss, optimizer, (x, y), epochs=…)", "float": 'to("float32")',
    "named_layers": "named_modules", "predict": "the model itself: model(x), under autograd.no_grad()",
    "register_forward_hook": "nn.activations(model, x), or viz.draw_modules(y): a row of numbers for each module",
    "register_parameter": "an attribute: self.name = nn.Parameter(…)", "save": "nn.save(model, path)",
    "summary": "its repr: print(model)", "weights": "parameters()",
}  # fmt: skip


def hint(name: str, table: dict[str, str]) -> str:
    """Return ``: use …`` for a name of another library, or of a function here; else an empty string."""
    here = ""
    if table is TENSOR and hasattr(TENSORS, name):
        here = f"autograd.{name}(x)"
    elif table in (TENSOR, FUNCTIONS) and name in linalg.__all__:
        here = f"autograd.linalg.{name}(x)" if table is TENSOR else f"linalg.{name}"
    known = table.get(name, here)
    return f": use {known}" if known else ""


def missing(module: str, table: dict[str, str]) -> Callable[[str], Never]:
    """The ``__getattr__`` of a module, which raises `AttributeError` with the name here."""

    def __getattr__(name: str) -> Never:
        raise AttributeError(f"{module.removeprefix('glassgrad.')} has no {name!r}{hint(name, table)}.")

    return __getattr__


class Hint:
    """A name that Tensors or modules have in another library: reading it raises `AttributeError` with the name here.

    Not a `__getattr__`, which would slow down every attribute of the class in CPython 3.11.
    """

    __slots__ = ("name", "owner", "table")

    def __init__(self, name: str, owner: str = "Tensor", table: dict[str, str] = TENSOR) -> None:
        self.name, self.owner, self.table = name, owner, table

    def __get__(self, instance: object, kind: type | None = None) -> Never:
        raise AttributeError(f"a {self.owner} has no attribute {self.name!r}{hint(self.name, self.table)}.")


def tensor_hints() -> dict[str, Hint]:
    """The hints for `Tensor` by name."""
    return {name: Hint(name) for name in (*TENSOR, *vars(TENSORS), *linalg.__all__)}
