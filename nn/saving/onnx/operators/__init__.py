"""The functions of the operators, by kind. Importing this package fills the table."""

# `quantized` imports `reductions` and `windows`.
from glassgrad.nn.saving.onnx.operators import control, elementwise, quantized, recurrent, shaping  # noqa: F401
