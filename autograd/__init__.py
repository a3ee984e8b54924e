"""Arrays that remember how they were made: the array API over `Tensor`, and the derivatives of what was computed.

The package is itself an array namespace: everything that stands below may be called on Tensors, arrays and numbers, is
recorded where a Tensor requires grad, and can be differentiated to any order.

>>> import autograd as ag
>>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
>>> ag.sum(ag.sigmoid(w) * 3.0).backward()
>>> w.grad
Tensor([0.589836, 0.314981])
"""

from importlib import import_module as _import_module
from math import e, inf, nan, pi
from typing import Any as _Any

from autograd import errors, fft, linalg, random
from autograd.anomaly import detect_anomaly
from autograd.backends import devices
from autograd.backward import gradients, walk
from autograd.dtypes import (
    __array_api_version__,
    __array_namespace_info__,
    bool,
    can_cast,
    complex64,
    complex128,
    finfo,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    result_type,
    uint8,
    uint16,
    uint32,
    uint64,
)
from autograd.graph import Graph, Node
from autograd.modes import enable_grad, is_grad_enabled, no_grad, scope, set_grad_enabled
from autograd.operation import OPS, Op, op
from autograd.ops.creation import (
    arange,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    meshgrid,
    newaxis,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from autograd.ops.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    ceil,
    clip,
    conj,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    gelu,
    greater,
    greater_equal,
    hypot,
    imag,
    isfinite,
    isinf,
    isnan,
    leaky_relu,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    power,
    real,
    reciprocal,
    relu,
    remainder,
    round,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)
from autograd.ops.indexing import (
    argsort,
    getitem,
    last_written,
    scatter_add,
    scatter_along_axis,
    scatter_take,
    setitem,
    sort,
    take,
    take_along_axis,
)
from autograd.ops.linalg import (
    contract,
    einsum,
    linear,
    matmul,
    matrix_transpose,
    outer,
    tensordot,
    vecdot,
)
from autograd.ops.nnet import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    log_softmax,
    one_hot,
    softmax,
    squared_error,
)
from autograd.ops.reductions import (
    across,
    all,
    any,
    argmax,
    argmin,
    cumulative_prod,
    cumulative_sum,
    linear_recurrence,
    logsumexp,
    max,
    mean,
    min,
    prod,
    standardize,
    std,
    sum,
    var,
)
from autograd.ops.searching import (
    count_nonzero,
    nonzero,
    searchsorted,
    unique_all,
    unique_counts,
    unique_inverse,
    unique_values,
)
from autograd.ops.shaping import (
    broadcast_arrays,
    broadcast_to,
    concat,
    diff,
    expand_dims,
    flip,
    moveaxis,
    pad,
    permute_dims,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    tile,
    unstack,
)
from autograd.tensor import Tensor, asarray, astype, from_dlpack, to_device
from autograd.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "Graph", "Node", "OPS", "Op", "Tensor", "__array_api_version__", "__array_namespace_info__", "abs", "acos", "acosh",
    "across", "add", "all", "any", "arange", "argmax", "argmin", "argsort", "asarray", "asin", "asinh", "astype",
    "atan", "atan2", "atanh", "binary_cross_entropy_with_logits", "bitwise_and", "bitwise_invert", "bitwise_left_shift",
    "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bool", "broadcast_arrays", "broadcast_to", "can_cast", "ceil",
    "clip", "complex128", "complex64", "concat", "conj", "contract", "copysign", "cos", "cosh", "count_nonzero",
    "cross_entropy", "cumulative_prod", "cumulative_sum", "detect_anomaly", "devices", "diff", "divide", "e", "einsum",
    "empty", "empty_like", "enable_grad", "equal", "erf", "errors", "exp", "expand_dims", "expm1", "eye", "fft",
    "finfo", "flip", "float32", "float64", "floor", "floor_divide", "from_dlpack", "full", "full_like", "gelu",
    "getitem", "grad", "gradients", "greater", "greater_equal", "hessian", "hvp", "hypot", "iinfo", "imag", "inf",
    "int16", "int32", "int64", "int8", "is_grad_enabled", "isdtype", "isfinite", "isinf", "isnan", "jacobian", "jvp",
    "last_written", "leaky_relu", "less", "less_equal", "linalg", "linear", "linear_recurrence", "linspace", "log",
    "log10", "log1p", "log2", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logsumexp", "matmul", "matrix_transpose", "max", "maximum", "mean", "meshgrid", "min", "minimum", "moveaxis",
    "multiply", "nan", "negative", "newaxis", "nextafter", "no_grad", "nonzero", "not_equal", "one_hot", "ones",
    "ones_like", "op", "outer", "pad", "permute_dims", "pi", "positive", "pow", "power", "prod", "random", "real",
    "reciprocal", "relu", "remainder", "repeat", "reshape", "result_type", "roll", "round", "scatter_add",
    "scatter_along_axis", "scatter_take", "scope", "searchsorted", "set_grad_enabled", "setitem", "sigmoid", "sign",
    "signbit", "sin", "sinh", "softmax", "softplus", "sort", "split", "sqrt", "square", "squared_error", "squeeze",
    "stack",
    "standardize", "std", "subtract", "sum", "take", "take_along_axis", "tan", "tanh", "tensordot", "testing", "tile",
    "to_device", "tril", "triu", "trunc", "uint16", "uint32", "uint64", "uint8", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "unstack", "value_and_grad", "var", "vecdot", "vjp", "walk", "where", "zeros",
    "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    """``autograd.testing``, imported when it is first asked for: a training run doesn't. And operations of one's own,
    which a rule may name where Tensors run through it, too.
    """
    if name == "testing":
        return _import_module("autograd.testing")
    if name in ("compile", "trace", "Program"):
        return getattr(_import_module("autograd.compiler"), name)
    if name in OPS:
        return OPS[name]
    from autograd.interop.hints import FUNCTIONS, hint

    raise AttributeError(f"autograd has no function {name!r}{hint(name, FUNCTIONS)}.")
