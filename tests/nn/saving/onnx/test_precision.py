"""Real networks in float32 are as near to float64 as onnxruntime's float32."""

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from tests import onnx_precision

LARGE = "GoogLeNet", "ResNet-50", "VGG-19", "AlexNet"


@pytest.mark.parametrize("name", [name for name in onnx_precision.NETWORKS if name not in LARGE])
def test_float32_is_as_near_to_float64_as_that_of_onnxruntime(name):
    """Outputs, and gradients beside those of weights that are moved by half a unit of their last place.

    The factors are for chance: 16 pages agree to 10 %. The program that writes docs/onnx.md runs the large networks.
    """
    found = onnx_precision.distances(name, 2)
    assert found.ours < 3 * found.theirs + 2e-7
    assert found.gradients < 5 * found.moved + 2e-5
