"""The array namespaces that are passed as ``xp``, and their devices. No other folder names ``cupy``."""

from numpy.linalg import LinAlgError

from glassgrad.autograd.backends.arrays import (
    array_text,
    asarray,
    check_mask,
    copy_if_array,
    copy_of,
    device_or_dtype,
    from_dlpack,
    ignore_warnings,
    owns_memory,
    read_only,
    to_dlpack,
    to_numpy,
)
from glassgrad.autograd.backends.cupy import all_reduce
from glassgrad.autograd.backends.dtypes import (
    ANYWHERE,
    FLAT,
    PLAIN,
    PYTHON_REALS,
    PYTHON_SCALARS,
    add_scalar,
    as_dtype,
    can_cast,
    epsilon,
    is_complex,
    is_inexact,
    is_integral,
    is_real,
)
from glassgrad.autograd.backends.lookup import (
    assign,
    device_of,
    devices,
    generator_on,
    is_host,
    namespace,
    space_on,
    to_device,
)
from glassgrad.autograd.backends.numpy import NUMPY
from glassgrad.autograd.backends.spaces import FORWARDS, OWN, PLACES, SPACES, Namespace, register

__all__ = [
    "ANYWHERE", "FLAT", "FORWARDS", "LinAlgError", "NUMPY", "Namespace", "OWN", "PLACES", "PLAIN",
    "PYTHON_REALS", "PYTHON_SCALARS", "SPACES", "add_scalar", "all_reduce", "array_text", "as_dtype", "asarray",
    "assign", "can_cast", "check_mask", "copy_if_array", "copy_of", "device_of", "device_or_dtype", "devices",
    "epsilon", "from_dlpack", "generator_on", "ignore_warnings", "is_complex", "is_host", "is_inexact", "is_integral",
    "is_real", "namespace", "owns_memory", "read_only", "register", "space_on", "to_device", "to_dlpack", "to_numpy",
]  # fmt: skip
