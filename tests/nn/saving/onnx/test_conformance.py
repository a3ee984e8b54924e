"""The test cases of the package ``onnx``: how many pass must not fall."""

import re

import pytest

onnx = pytest.importorskip("onnx")
from tests import onnx_conformance as conformance  # noqa: E402

LEAST = 1225
"""How many of the cases of single operators pass, of 1404 in onnx 1.23."""


@pytest.fixture(scope="module")
def outcomes():
    if len(conformance.node_cases()) < 1404:
        pytest.skip(f"onnx {onnx.__version__} has fewer cases, some of them with results that it mended later")
    return conformance.run_all()


@pytest.mark.check
def test_as_many_cases_pass_as_before(outcomes):
    nodes = [o for o in outcomes if not o.name.startswith(("test_operator_",)) and not _is_converted(o)]
    passed = sum(o.status == "passes" for o in nodes)
    assert passed >= LEAST, f"{passed} of {len(nodes)}"


def _is_converted(outcome):
    return outcome.name in {path.name for path in conformance.converted_cases()}


@pytest.mark.check
def test_all_networks_converted_from_pytorch_pass(outcomes):
    converted = [o for o in outcomes if _is_converted(o)]
    assert len(converted) >= 117
    assert not [o for o in converted if o.status != "passes"]


@pytest.mark.check
def test_every_case_passes_or_is_refused_or_is_a_known_failure(outcomes):
    failing = {o.name for o in outcomes if o.status == "fails"}
    assert failing <= conformance.KNOWN.keys(), failing - conformance.KNOWN.keys()
    for each in outcomes:
        if each.status == "refused":
            assert re.match(r"^the file |^the network's input |^\w+ \(node \d+\), given ", each.message), each


@pytest.mark.check
def test_the_page_has_the_present_lists(outcomes):
    text = conformance.PAGE.read_text()
    if f"onnx {onnx.__version__}" not in text:
        pytest.skip(f"the lists of docs/onnx.md are of another version than onnx {onnx.__version__}")
    assert conformance.page_lists(outcomes) in text, "run python -m tests.onnx_conformance"
