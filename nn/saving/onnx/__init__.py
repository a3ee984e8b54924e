"""Networks in the ONNX format: `load_onnx` reads one, `save_onnx` writes one."""

from glassgrad.nn.saving.onnx.model import load_onnx
from glassgrad.nn.saving.onnx.save import save_onnx

__all__ = ["load_onnx", "save_onnx"]
