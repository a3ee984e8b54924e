"""The functions of the operators, by kind. Importing this package fills the table."""

from glassgrad.nn.saving.onnx.operators import (  # noqa: F401
    control,
    elementwise,
    quantized,
    recurrent,
    reductions,
    shaping,
    windows,
)
