"""Devices, on a strict stand-in for CuPy: every operation, and nothing that a GPU would be waited for by."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, backends
from glassgrad.autograd.errors import DeviceError, TraceError
from tests import standin
from tests.autograd.ops.test_table import OPS, backward, tensors
from tests.operations import TABLE
from tests.sampling import sampled

ASKED = {
    "pad": "the positions that a mode repeats are copied to the device",
    "to_device": "is for that",
    "getitem": "how many elements a mask names is not known here",
    "setitem": "likewise",
    "scatter_add": "likewise",
    "last_written": "likewise",
    **dict.fromkeys((name for name in OPS if "unique" in name or "nonzero" in name), "how many there are is not known"),
}
"""The operations that may have a GPU be waited for, or something copied to it, and why."""


def on(cupy: Any, device: int) -> Any:
    """What puts arrays there, in nested tuples and lists, too."""

    def put(x: Any) -> Any:
        if isinstance(x, tuple | list):
            return cupy.asarray(x) if isinstance(x, list) else tuple(map(put, x))
        if isinstance(x, np.ndarray | np.generic):
            with cupy.cuda.Device(device):
                return cupy.asarray(x)
        return x

    return put


def numbers(x: Any) -> Any:
    return x.held if isinstance(x, standin.Array) else x


@pytest.mark.parametrize("name", sampled(sorted(OPS), 3))
def test_every_operation_runs_on_the_device_alone(name, gpu):
    """Forward and rules, against the CPU, on the second GPU, while the first is the one that CuPy would use."""

    @settings(max_examples=max(2, settings.default.max_examples // 3))
    @given(data=st.data())
    def check(data):
        row = TABLE[name]
        arrays, params = data.draw(row.cases)
        if params.get("device"):
            return
        plain, there = tensors(name, arrays), tensors(name, arrays, convert=on(gpu, 1))
        y = OPS[name](*plain, **params)
        params = {k: on(gpu, 1)(v) if k == "index" else v for k, v in params.items()}
        gpu.machine.current = 0
        gpu.counts.reset()
        z = OPS[name](*there, **params)
        assert z.device == "cuda:1"
        asked = [(gpu.counts.transfers, gpu.counts.synchronisations)]
        np.testing.assert_allclose(numbers(z.data), y.data, rtol=1e-12, atol=1e-12)
        assert z.dtype == y.dtype
        if y.requires_grad:
            found = backward(y, plain)
            weights = on(gpu, 1)(np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype))
            gpu.machine.current = 0
            gpu.counts.reset()
            gradients = iter(ag.gradients([z], [x for x in there if x.requires_grad], seeds=[ag.asarray(weights)]))
            asked.append((gpu.counts.transfers, gpu.counts.synchronisations))
            for g in found:
                if g is not None:
                    h = next(gradients)
                    assert h.device == "cuda:1"
                    np.testing.assert_allclose(numbers(h.data), g.data, rtol=1e-12, atol=1e-12)
        assert name in ASKED or set(asked) == {(0, 0)}

    check()


UNTRACED = frozenset(("nonzero_indices", "unique_parts"))
"""What no program can hold: the shape of the result depends on values."""


@pytest.mark.parametrize("name", sampled(sorted(set(OPS) - UNTRACED), 5))
def test_every_operation_runs_there_compiled(name, gpu):
    """Value and gradients in one program, against the CPU."""

    @settings(max_examples=max(2, settings.default.max_examples // 8))
    @given(data=st.data())
    def check(data):
        arrays, params = data.draw(TABLE[name].cases)
        if params.get("device") or any(masks(value) for value in params.values()):
            return
        plain, there = tensors(name, arrays), tensors(name, arrays, convert=on(gpu, 1))
        y = OPS[name](*plain, **params)
        weights = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype)
        params = {k: on(gpu, 1)(v) if k == "index" else v for k, v in params.items()}

        wanted = [x.requires_grad for x in there]  # by whom the function itself would be called, and recorded

        @ag.compile
        def both(inputs, seed):
            inputs = [x.detach().requires_grad_(wants) for x, wants in zip(inputs, wanted, strict=True)]
            z = OPS[name](*inputs, **params)
            return z, ag.gradients([z], [x for x in inputs if x.requires_grad], seeds=[seed]) if z.requires_grad else ()

        given = tuple(x.detach() for x in there), ag.asarray(on(gpu, 1)(weights))
        both(*given)
        assert len(both.programs) == 1
        gpu.machine.current = 0
        gpu.counts.reset()
        z, gradients = both(*given)
        assert name in ASKED or (gpu.counts.transfers, gpu.counts.synchronisations) == (0, 0)
        np.testing.assert_allclose(numbers(z.data), y.data, rtol=1e-12, atol=1e-12)
        assert (z.device, z.dtype) == ("cuda:1", y.dtype)
        if y.requires_grad:
            for g, h in zip([g for g in backward(y, plain) if g is not None], gradients, strict=True):
                assert h.device == "cuda:1"
                np.testing.assert_allclose(numbers(h.data), g.data, rtol=1e-12, atol=1e-12)

    check()


def masks(index: Any) -> bool:
    """Whether an index picks by a condition, so that how many it picks depends on values."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if isinstance(part, list | np.ndarray | np.bool_ | bool)]
    return any(np.asarray(part).dtype == bool for part in arrays)


@pytest.mark.parametrize("later", [False, True])
def test_states_that_share_memory_there_are_refused(gpu, later):
    memory = on(gpu, 1)(np.arange(6.0))
    w, s, apart = (Tensor(np.zeros(3), name=name).to("cuda:1") for name in ("w", "s", "apart"))
    w.data, apart.data = memory[:3], memory[3:]

    @ag.compile
    def step():
        array = w.data
        array *= 2.0
        w.data = array
        return s + apart

    if later:
        step()
    s.data = memory[1:4]
    with pytest.raises(TraceError, match="share memory"):
        step()


def test_numbers_that_vary_make_one_program_there(gpu):
    compiled = ag.compile(lambda x, s, n: ag.where(x > s, x * s, 1.0 - s * 2) + 0.5**n)
    x = Tensor(np.arange(6.0), dtype="float32", device="cuda:1")
    for s, n in ((1.5, 1.0), (2.5, 2.0), (-0.5, 3.0), (4.0, 4.0)):
        y, z = compiled(x, s, n), compiled.function(x, s, n)
        assert (y.dtype, y.device) == (z.dtype, z.device)
        np.testing.assert_allclose(numbers(y.data), numbers(z.data), rtol=1e-6)
    assert len(compiled.programs) == 1


def test_an_array_without_elements_is_in_range(gpu):
    for array in (np.zeros((0, 2), int), on(gpu, 0)(np.zeros((0, 2), int))):
        backends.namespace(array).check_range(array, 3, lambda low, high: pytest.fail("it was refused"))


class TestWhere:
    def test_importing_the_package_does_not_import_cupy(self):
        code = (
            "import sys; from glassgrad import autograd, nn\n"
            "nn.MLP([2, 1])(autograd.zeros((1, 2))); assert 'cupy' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    @pytest.mark.parametrize(("device", "name"), [("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")])
    def test_to_the_device_and_back(self, gpu, device, name):
        x = Tensor([[1.0, 2.0]], device=device)
        assert x.device == name
        assert x.to(device) is x
        assert Tensor([[1.0, 2.0]]).to(device).device == name
        back = x.to("cpu")
        assert (back.device, back.tolist()) == ("cpu", [[1.0, 2.0]])
        assert type(Tensor(1.0, device=device).to("cpu").data) is np.float64

    def test_the_gradient_returns_to_the_original_device(self, gpu):
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = x.to("cuda:1") * 3.0
        (y.to("cuda:0") * y.to("cuda:0")).sum().to("cpu").backward()
        assert x.grad.device == "cpu"
        assert x.grad.tolist() == [18.0, 36.0]

    @pytest.mark.parametrize(
        "make",
        [
            lambda d: ag.zeros((2, 2), device=d),
            lambda d: ag.ones(2, dtype="float32", device=d),
            lambda d: ag.full((2,), 7.0, device=d),
            lambda d: ag.arange(1, 7, 2, device=d),
            lambda d: ag.linspace(0.0, 1.0, 5, device=d),
            lambda d: ag.eye(2, 3, k=1, device=d),
            *(lambda d, f=f: f(ag.zeros(2, device=d, dtype="float32")) for f in (ag.zeros_like, ag.ones_like)),
            lambda d: ag.full_like(ag.zeros(2, device=d, dtype="float32"), 2),
        ],
    )
    def test_creation_happens_there(self, gpu, make):
        ag.zeros(1, device="cuda:0")
        made, plain = make("cuda:1"), make(None)
        assert (made.device, made.dtype) == ("cuda:1", plain.dtype)
        np.testing.assert_array_equal(made.data.held, plain.data)
        assert gpu.counts.transfers == 0

    def test_draws_are_made_there(self, gpu):
        rng = np.random.default_rng(0)
        first, second = (ag.random.uniform((3,), generator=rng, device="cuda") for _ in range(2))
        assert first.device == "cuda:0"
        assert gpu.counts.transfers == 0
        assert (first.data.held != second.data.held).all()
        again = ag.random.uniform((3,), generator=np.random.default_rng(0), device="cuda")
        np.testing.assert_array_equal(again.data.held, first.data.held)
        with gpu.cuda.Device(1):
            there = gpu.random.default_rng(0)
        for generator in (rng, there):  # CuPy's refuse to draw while another device than theirs is the current one
            ag.ones(2, device="cuda:0").sum()
            assert ag.random.uniform((3,), generator=generator, device="cuda:1").device == "cuda:1"


class TestRefused:
    @pytest.mark.parametrize(
        ("mix", "said"),
        [
            (lambda x: x * ag.ones(2), r"arrays of cupy \(cuda:0\) and numpy \(cpu\) can't be mixed: move "),
            (lambda x: ag.concat([ag.ones((2, 2)), x]), r"numpy \(cpu\) and cupy \(cuda:0\)"),
            (lambda x: x + ag.ones(2, device="cuda:1"), r"cupy \(cuda:1\) can't.* \.to\('cuda:0'\) or \.to\('cuda:1'"),
            (lambda x: x @ np.ones((2, 2)), r"cupy \(cuda:0\) and numpy \(cpu\)"),
            (lambda x: x[np.array([0, 1])], r"cupy \(cuda:0\) and numpy \(cpu\)"),
            (lambda x: x.__setitem__((0, Tensor([0, 1])), 0.0), r"cupy \(cuda:0\) and numpy \(cpu\)"),
            (lambda x: x.requires_grad_().sum(axis=0).backward(np.ones(2)), r"cupy \(cuda:0\) and numpy \(cpu\)"),
        ],
    )
    def test_mixed_devices_by_both_names(self, gpu, mix, said):
        with pytest.raises(DeviceError, match=said):
            mix(ag.ones((2, 2), device="cuda"))

    def test_gpu_arrays_are_not_copied_to_numpy_in_silence(self, gpu):
        x = ag.ones((2, 2), device="cuda")
        with pytest.raises(DeviceError, match=r"is on cuda:0: copy it to the CPU with \.numpy\(\) first"):
            np.asarray(x)
        with pytest.raises(DeviceError, match=r"is on cuda:0: copy it"):
            np.histogram(x)
        assert gpu.counts.transfers == 0
        assert x.numpy().tolist() == [[1.0, 1.0], [1.0, 1.0]]

    @pytest.mark.parametrize(
        ("count", "device", "there"), [(2, "cuda:2", "'cpu' or 'cuda:0' or 'cuda:1'"), (0, "cuda:0", "'cpu'")]
    )
    def test_a_device_too_many(self, gpu, count, device, there):
        gpu.cuda.runtime.getDeviceCount = lambda: count
        with pytest.raises(DeviceError, match=rf"device '{device}' is not available: choose {there}\."):
            Tensor([1.0]).to(device)

    def test_no_cupy(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "cupy", None)
        assert ag.devices() == ("cpu",)
        said = r": pip install \"glassgrad\[gpu\]\" for CUDA 13, or \"glassgrad\[gpu12\]\" for CUDA 12\.$"
        with pytest.raises(DeviceError, match=r"^device 'cuda' is not available here .*" + said):
            Tensor([1.0], device="cuda")

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            ("ImportError('\\n====\\nFailed to import CuPy.\\n\\nlibcuda is not there')", "Failed to import CuPy"),
            ("RuntimeError('Failure finding libnvrtc.so.13: No such file\\n  listdir')", "Failure .*: No such file"),
        ],
    )
    def test_a_cupy_that_does_not_work(self, monkeypatch, tmp_path, error, why):
        (tmp_path / "cupy.py").write_text(f"raise {error}")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "cupy", raising=False)
        said = rf"^device 'cuda' is not available here \({why}\): use device 'cpu', or install .* pip install "
        with pytest.raises(DeviceError, match=said):
            Tensor([1.0], device="cuda")


class TestDifferences:
    """Where CuPy leaves open, or does otherwise, what NumPy promises."""

    @pytest.mark.parametrize("index", [[0, 2, 0], [1, 1, 1]])
    def test_the_last_value_wins_for_repeated_indices(self, gpu, index):
        values = np.array([1.0, 2.0, 3.0])
        plain = ag.setitem(np.zeros(4), values, index=np.array(index))
        there = ag.setitem(*map(on(gpu, 0), (np.zeros(4), values)), index=on(gpu, 0)(np.array(index)))
        np.testing.assert_array_equal(there.data.held, plain.data)
        x = gpu.zeros(4)  # the stand-in itself keeps another
        x[gpu.asarray(index)] = gpu.asarray([1.0, 2.0, 3.0])
        assert x.held.tolist() != plain.tolist()

    @pytest.mark.parametrize(
        "f",
        [
            ag.clip,
            lambda x: ag.where(True, x, 0.0),  # a condition that is no array
            lambda x: x[Tensor([2, 3], device="cuda")],  # noticing it would be waiting: it wraps, as the docs say
        ],
    )
    def test_what_cupy_takes_otherwise(self, gpu, f):
        assert f(ag.ones(2, device="cuda")).data.held.tolist() == [1.0, 1.0]

    def test_a_label_that_is_no_class_is_nan_and_not_another_class(self, gpu):
        logits = Tensor([[1.0, 2.0], [3.0, 1.0]], requires_grad=True, device="cuda")
        labels = [Tensor(label, device="cuda") for label in ([0, 1], [0, 2], [-1, 0])]
        gpu.counts.reset()
        losses = [ag.cross_entropy(logits, y, reduction="none") for y in labels]
        assert (gpu.counts.transfers, gpu.counts.synchronisations) == (0, 0)
        assert [np.isnan(loss.data.held).tolist() for loss in losses] == [[False, False], [False, True], [True, False]]

    def test_leaves_of_shape_zero_own_their_gradients(self, gpu):
        """NumPy's numbers can't be changed, and arrays of shape () on a GPU can."""
        a, b = (Tensor(x, requires_grad=True, device="cuda") for x in (1.0, 2.0))
        (a + b).backward()
        a.grad.data[...] = 7.0
        assert b.grad.item() == 1.0

    def test_a_tensor_is_shown_and_read_only_when_asked(self, gpu):
        x = Tensor([1.5], device="cuda")
        gpu.counts.reset()
        assert repr(x) == "Tensor([1.5], device='cuda:0')"
        assert (float(x), x.item(), x.tolist(), bool(x[0] > 1)) == (1.5, 1.5, [1.5], True)
        assert gpu.counts.synchronisations == 5
