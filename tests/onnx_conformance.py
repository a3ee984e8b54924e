"""The test cases of the package ``onnx``, run by `nn.load_onnx`.

``python -m tests.onnx_conformance`` rewrites the lists of docs/onnx.md.

``--failures`` lists each case that does not pass, with the sentence that it ends in.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import textwrap
import warnings
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import AutogradError

PAGE = Path(__file__).parents[1] / "docs/onnx.md"
BEGIN, END = "<!-- conformance: begin -->", "<!-- conformance: end -->"

KNOWN = {
    "test_attention_4d_causal_bf16": "computed in float32, without rounding to bfloat16",
    "test_attention_4d_causal_padded_kv_bf16": "computed in float32, without rounding to bfloat16",
    "test_resize_downsample_scales_linear_align_corners": "the length is rounded first, as the specification and "
    "onnxruntime have it",
    "test_resize_downsample_scales_cubic_align_corners": "the length is rounded first, as the specification and "
    "onnxruntime have it",
}
"""The cases whose result is another one, and why."""


class Outcome(NamedTuple):
    name: str
    operators: tuple[str, ...]
    status: str  # "passes", "refused" (in a sentence of ours), or "fails"
    message: str


def node_cases():
    """The cases of single operators, without those whose operators are written out as others."""
    import onnx.backend.test.case.node

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = onnx.backend.test.case.node.collect_testcases(None)
    return [case for case in cases if "_expanded" not in case.name]


def converted_cases():
    """The cases that were converted from PyTorch: their names and folders."""
    import onnx.backend.test

    data = Path(onnx.backend.test.__file__).parent / "data"
    return sorted(p for kind in ("pytorch-converted", "pytorch-operator") for p in (data / kind).iterdir())


def run_case(case, folder):
    """The outcome of one case of an operator."""
    path = Path(folder) / "case.onnx"
    path.write_bytes(case.model.SerializeToString())
    operators = tuple(dict.fromkeys(n.op_type for n in case.model.graph.node if n.op_type != "Constant"))
    return outcome(case.name, operators, path, case.data_sets, case.rtol, case.atol)


def run_folder(folder):
    """The outcome of one case in a folder."""
    import onnx
    from onnx import numpy_helper

    def arrays(where, kind):
        count = len([*where.glob(f"{kind}_*.pb")])
        return [numpy_helper.to_array(onnx.load_tensor(where / f"{kind}_{i}.pb")) for i in range(count)]

    sets = [(arrays(where, "input"), arrays(where, "output")) for where in sorted(folder.glob("test_data_set_*"))]
    model = onnx.load(folder / "model.onnx")
    operators = tuple(dict.fromkeys(n.op_type for n in model.graph.node))
    return outcome(folder.name, operators, folder / "model.onnx", sets, 1e-3, 1e-5)


def outcome(name, operators, path, data_sets, rtol, atol):
    try:
        model = nn.load_onnx(path)
        for inputs, outputs in data_sets:
            given = inputs.values() if isinstance(inputs, dict) else inputs
            wanted = outputs.values() if isinstance(outputs, dict) else outputs
            with np.errstate(all="ignore"):  # roots of negative numbers, on purpose
                found = model(*(_given(x) for x in given))
            found = found if isinstance(found, tuple) else (found,)
            assert len(found) == len(wanted), f"{len(found)} outputs instead of {len(wanted)}"
            for got, want in zip(found, wanted, strict=True):
                _compare(got, want, rtol, atol)
    except AutogradError as error:
        return Outcome(name, operators, "refused", str(error).replace(str(path), "the file"))
    except Exception as error:
        return Outcome(name, operators, "fails", f"{type(error).__name__}: {error}")
    return Outcome(name, operators, "passes", "")


def _given(x):
    if isinstance(x, list):
        return [_given(item) for item in x]
    if hasattr(x, "data_type"):  # a tensor of the file format
        x = _array(x)
    return x.astype("float32") if getattr(x, "dtype", None) == "bfloat16" else x


def _array(tensor):
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)


def _compare(got, want, rtol, atol):
    want = _array(want) if hasattr(want, "data_type") else want
    if isinstance(want, list):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            _compare(g, w, rtol, atol)
        return
    if want is None:
        assert got is None
        return
    got = np.asarray(got.data if isinstance(got, ag.Tensor) else got)
    want = np.asarray(want)
    if want.dtype == "bfloat16":  # ours are float32: not rounded
        want, rtol = want.astype("float32"), max(rtol, 2**-7)
    assert got.dtype == want.dtype, f"{got.dtype} instead of {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape} instead of {want.shape}"
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def run_all(names=None):
    with tempfile.TemporaryDirectory() as folder:
        found = [run_case(case, folder) for case in node_cases() if names is None or re.search(names, case.name)]
        found += [run_folder(path) for path in converted_cases() if names is None or re.search(names, path.name)]
    return found


def page_lists(outcomes):
    """The text of the page: how many cases pass, of which operators all, some and none."""
    cases = defaultdict(list)
    for each in outcomes:
        cases[each.operators[-1] if each.operators else "Constant"].append(each.status == "passes")
    converted = {path.name for path in converted_cases()}
    counts = [sum(o.status == s and o.name not in converted for o in outcomes) for s in ("passes", "refused", "fails")]
    passed = sum(o.status == "passes" for o in outcomes if o.name in converted)
    some = [f"{name} ({sum(of)} of {len(of)})" for name, of in sorted(cases.items()) if not all(of)]
    refused = f"{counts[1]:,} are refused in a sentence, and {counts[2]} give another result"
    lines = [
        f"{counts[0]:,} of {sum(counts):,} cases of single operators pass, {refused}.",
        f"Of {len(converted)} networks that were converted from PyTorch {passed} pass.",
        f"All cases pass of {', '.join(name for name, of in sorted(cases.items()) if all(of))}.",
        f"Not all pass, mostly for a dtype that NumPy lacks, of {', '.join(some)}.",
    ]
    return "\n\n".join(textwrap.fill(line, 130, break_on_hyphens=False) for line in lines)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.onnx_conformance", description=__doc__)
    parser.add_argument("--failures", action="store_true", help="list the cases that do not pass; write nothing")
    parser.add_argument("--only", help="a regular expression of names of cases; write nothing")
    options = parser.parse_args()
    outcomes = run_all(options.only)
    counts = {s: sum(o.status == s for o in outcomes) for s in ("passes", "refused", "fails")}
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    if options.failures or options.only:
        for each in outcomes:
            if each.status != "passes":
                print(f"{each.status} {each.name}: {each.message.splitlines()[0] if each.message else ''}")
        return
    import onnx

    text = re.sub(r"onnx \d+\.\d+\.\d+", f"onnx {onnx.__version__}", PAGE.read_text())
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{page_lists(outcomes)}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    sys.exit(main())
