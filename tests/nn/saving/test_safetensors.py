"""Files of safetensors: what `nn.save` writes comes back, others read it, and damaged ones are refused."""

import json
import sys

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.errors import FileError

safetensors = pytest.importorskip("safetensors.numpy")


def test_the_library_reads_our_files_and_we_read_its(tmp_path):
    model = nn.Linear(2, 3, seed=0)
    nn.save(model, tmp_path / "m.safetensors", metadata={"format": "pt"})
    arrays = safetensors.load_file(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(arrays["weight"], model.weight.data)
    safetensors.save_file(arrays, tmp_path / "n.safetensors", metadata={"made": "elsewhere"})
    twin = nn.Linear(2, 3)
    twin.load_state_dict(nn.load(tmp_path / "n.safetensors"))
    np.testing.assert_array_equal(twin.weight.data, model.weight.data)
    assert nn.load_metadata(tmp_path / "n.safetensors") == {"made": "elsewhere"}


def raw(tmp_path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_bfloat16_becomes_float32(tmp_path):
    data = np.array([0x3FC0, 0xC000], "<u2").tobytes()
    path = raw(tmp_path, {"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, data)
    assert nn.load(path)["w"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    ("header", "data", "why"),
    [
        ({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, b"ab", "F8_E4M3, which NumPy lacks"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"abcd", "deserializing"),
        ({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4]}}, b"abcd", "deserializing"),
        ({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"abcd", "deserializing"),
        (b'{"w": ', b"", "deserializing"),
    ],
)
def test_a_damaged_file_is_refused(header, data, why, tmp_path):
    with pytest.raises(FileError, match=why):
        nn.load(raw(tmp_path, header, data))


def test_cut_files_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    nn.save(nn.Linear(2, 3, seed=0), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError):
            nn.load_model(path)


def test_without_the_library_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(FileError, match="pip install safetensors"):
        nn.save(nn.Linear(2, 3), tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []
