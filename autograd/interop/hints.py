"""Names of other libraries and their names here, for hints in error messages."""

from __future__ import annotations

from autograd.operation import OPS

TENSOR = {
    "add_": "+= under autograd.no_grad()", "copy_": "x[...] = value under autograd.no_grad()", "cuda": 'to("cuda")',
    "double": 'to("float64")', "expand": "autograd.broadcast_to(x, shape=…)", "fill_": "x[...] = value",
    "float": 'to("float32")', "half": 'to("float16")', "long": 'to("int64")', "masked_fill": "autograd.where",
    "mm": "@", "mul_": "*= under autograd.no_grad()", "norm": "autograd.linalg.vector_norm(x)", "numel": "size",
    "permute": "autograd.permute_dims(x, axes=…)", "pow": "**", "sub_": "-= under autograd.no_grad()", "t": "T",
    "type": "to(dtype)", "unsqueeze": "autograd.expand_dims(x, axis=…)", "view": "reshape",
    "zero_": "x[...] = 0, or grad = None",
}  # fmt: skip
FUNCTIONS = {
    "tensor": "Tensor",
    "Variable": "Tensor", "array": "asarray", "as_tensor": "asarray", "average": "mean", "bmm": "matmul",
    "cat": "concat",
    "from_numpy": "asarray", "ln": "log", "manual_seed": "numpy.random.default_rng(seed), given as generator=",
    "mm": "matmul", "mul": "multiply", "norm": "linalg.vector_norm", "permute": "permute_dims",
    "rand": "random.uniform(shape, generator=…)", "randn": "random.normal(shape, generator=…)",
    "sgn": "sign", "sub": "subtract", "tg": "tan", "unsqueeze": "expand_dims", "view": "reshape",
    "vmap": "operations on arrays with one more axis",
}  # fmt: skip
_RECURRENCE = "a loop over time steps in the forward of a Module of your own"
NETWORKS = {
    "BCELoss": "BCEWithLogitsLoss, of the values before the sigmoid",
    "DataLoader": "data.minibatches, or fit, which draws them",
    "Embedding": "autograd.take of a Parameter", "GRU": _RECURRENCE, "L1Loss": "autograd.mean(autograd.abs(x - y))",
    "LSTM": _RECURRENCE, "NLLLoss": "CrossEntropyLoss, of logits",
    "ParameterList": "attributes of their own", "RNN": _RECURRENCE,
    "Softmin": "Softmax", "utils": "optim.clip_grad_norm_, or save and load",
}  # fmt: skip
NETWORK_FUNCTIONS = {
    "binary_cross_entropy": "binary_cross_entropy_with_logits, of the values before the sigmoid",
    "embedding": "autograd.take", "l1_loss": "autograd.mean(autograd.abs(x - y))",
    "nll_loss": "cross_entropy, of logits",
}  # fmt: skip


def hint(name: str, table: dict[str, str]) -> str:
    """Return ``: use …`` for a name of another library, or of an operation here; else an empty string."""
    here = f"autograd.{name}(x)" if table is TENSOR and name in OPS else ""
    known = table.get(name, here)
    return f": use {known}" if known else ""
