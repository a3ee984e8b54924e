"""Files of ``torch.save``: state dicts are read without running their pickle; all else is refused."""

import io
import pickle
import random
import zipfile
from contextlib import suppress
from typing import ClassVar

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.errors import FileError
from tests.measured import memory_below


class Call:
    """Pickles as a call of ``function``, a name, with arguments."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Name:
    """Pickles as a name of another module, without importing it."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Storage:
    def __init__(self, kind, key, length):
        self.reference = ("storage", Name("torch", kind), key, "cpu", length)


class Pickler(pickle._Pickler):  # the one in Python, which can be extended
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value):
        return value.reference if isinstance(value, Storage) else None

    def save_name(self, value):
        self.write(f"c{value.module}\n{value.name}\n".encode())

    def save_call(self, value):
        self.save(value.function)
        self.save(value.arguments)
        self.write(b"R")

    dispatch[Name] = save_name
    dispatch[Call] = save_call


def tensor(kind, key, length, shape, strides, offset=0):
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, Storage(kind, key, length), offset, shape, strides, False, {})


def write(path, content, storages, extra=()):
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(content)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", stream.getvalue())
        for key, raw in storages.items():
            file.writestr(f"archive/data/{key}", raw)
        for name in extra:
            file.writestr(name, b"x")
    return path


F32 = np.arange(6, dtype="<f4").tobytes()


def test_tensors_are_read_by_their_strides(tmp_path):
    content = {
        "weight": tensor("FloatStorage", "0", 6, (2, 3), (3, 1)),
        "turned": tensor("FloatStorage", "0", 6, (3, 2), (1, 3)),
        "part": tensor("FloatStorage", "0", 6, (2,), (2,), offset=1),
        "scalar": tensor("FloatStorage", "0", 6, (), (), offset=5),
        "empty": tensor("FloatStorage", "0", 6, (0, 3), (3, 1)),
        "half": tensor("BFloat16Storage", "1", 2, (2,), (1,)),
        "epoch": 3,
        "sizes": [(1, 2), None, 0.5, "a"],
    }
    path = write(tmp_path / "m.pt", content, {"0": F32, "1": np.array([0x3FC0, 0xC000], "<u2").tobytes()})
    state = nn.load(path)
    assert state["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert state["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert (state["part"].tolist(), state["scalar"].item(), state["empty"].shape) == ([1, 3], 5, (0, 3))
    assert state["half"].tolist() == [1.5, -2.0]
    assert (state["epoch"], state["sizes"]) == (3, [[1, 2], None, 0.5, "a"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (Call(Name("os", "mkdir"), "exploded"), "it names os.mkdir"),
        ({"a": Name("torch", "Size")}, "it holds a function"),
        ({"a": Name("os", "\x1b[31mred")}, r"it names os\.\\x1b\[31mred"),
        ([1], "it holds a list, not a state dict"),
        ({"a": tensor("FloatStorage", "0", 6, (7,), (1,))}, "exceeds its storage of 6 entries"),
        ({"a": tensor("FloatStorage", "0", 60, (7,), (1,))}, "its storage '0' is cut short"),
        ({"a": tensor("FloatStorage", "0", 6, (2,), (-1,), 5)}, "a tensor has an impossible shape"),
        ({"a": tensor("FloatStorage", "0", 6, (2,), (1, 1))}, "a tensor has an impossible shape"),
        ({"a": tensor("FloatStorage", "0", 6, (10**12,), (0,))}, "many times larger than the file"),
        ({"a": tensor("FloatStorage", "../0", 6, (2,), (1,))}, "no entry"),
        ({"a": tensor("QInt8Storage", "0", 6, (2,), (1,))}, "it names torch.QInt8Storage, and nn.load reads"),
        ({1.5: 1}, "unexpected structure"),
        ({"a": {1}}, "it names __builtin__.set"),
    ],
)
def test_anything_but_tensors_and_plain_values_is_refused(content, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=why):
        nn.load(write(tmp_path / "m.pt", content, {"0": F32}))
    assert not (tmp_path / "exploded").exists()


def test_a_list_that_refers_to_itself_many_times_takes_no_memory(tmp_path):
    laughs = ["ha"]
    for _ in range(200):
        laughs = [laughs] * 10
    assert len(nn.load(write(tmp_path / "m.pt", {"a": laughs}, {}))["a"]) == 10


def doubled(item, times):
    for _ in range(times):
        item = type(item)([item, item])
    return item


class Referring(Storage):
    def __init__(self, *reference):
        self.reference = reference


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"a": Referring("x", doubled([0], 24), "0", "cpu", 6)}, "it refers to something else than a storage"),
        ({"a": Call(Name("torch", "device"), doubled([0], 24))}, "unexpected structure"),
        ({"a": Call(doubled((0,), 40), 1)}, "unexpected structure"),
        (Call(Name("collections", "OrderedDict"), [(doubled((0,), 40), 1)]), "unexpected structure"),
    ],
)
def test_a_few_bytes_take_neither_memory_nor_time(content, why, tmp_path):
    """They took gigabytes for a sentence, or hashed tuples for ever."""
    path = write(tmp_path / "m.pt", content, {"0": F32})
    with memory_below(2**22), pytest.raises(FileError, match=why):
        nn.load(path)


def test_a_key_is_not_hashed_before_it_is_checked(tmp_path):
    keyed = b"\x80\x02}" + b"K\x00\x85" + b"q\x00h\x00\x86" * 40 + b"K\x01s."  # {(...((0,), (0,))...): 1}
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as file:
        file.writestr("archive/data.pkl", keyed)
    with pytest.raises(FileError, match="unexpected structure"):
        nn.load(tmp_path / "m.pt")


def test_a_member_that_unpacks_to_much_more_is_not_read(tmp_path):
    path = write(tmp_path / "m.pt", {"a": 1}, {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/byteorder", bytes(2**24))
    with pytest.raises(FileError, match="its members take more than 100 times the size of the file"):
        nn.load(path)


def test_a_torchscript_program_is_named(tmp_path):
    with pytest.raises(FileError, match="it is a TorchScript program, not a state dict"):
        nn.load(write(tmp_path / "m.pt", {}, {}, ["archive/constants.pkl"]))


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_changed_files_are_read_or_refused(tmp_path):
    content = {"w": tensor("FloatStorage", "0", 6, (2, 3), (3, 1)), "n": [1, (2.5, "x")]}
    path = write(tmp_path / "m.pt", content, {"0": F32})
    whole = path.read_bytes()
    assert nn.load(path)["w"].shape == (2, 3)
    draw = random.Random(0)
    for _ in range(800):
        changed = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        path.write_bytes(changed[: draw.randrange(len(changed))] if draw.random() < 0.2 else changed)
        with suppress(FileError):
            nn.load(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError):
            nn.load(path)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_a_length_beyond_the_file_takes_no_memory(tmp_path):
    content = {"w": tensor("FloatStorage", "0", 6, (2, 3), (3, 1)), "n": [1, "x" * 300]}
    path = write(tmp_path / "m.pt", content, {"0": F32})
    whole = path.read_bytes()
    with memory_below(2**24):
        for place in range(len(whole) - 4):
            path.write_bytes(whole[:place] + b"\xff\xff\xff\x7f" + whole[place + 4 :])
            with suppress(FileError):
                nn.load(path)


def test_pytorchs_own_files(tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)).eval()
    optimizer = torch.optim.Adam(theirs.parameters())
    theirs(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    content = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "shared": theirs[0].weight.T}
    torch.save(content, tmp_path / "m.pt")
    checkpoint = nn.load(tmp_path / "m.pt")
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    ours.load_state_dict(checkpoint["model"])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(ours(x).data, theirs(torch.tensor(x)).detach().numpy(), atol=1e-6)
    np.testing.assert_array_equal(checkpoint["shared"].data, theirs[0].weight.detach().numpy().T)
    assert checkpoint["optimizer"]["param_groups"][0]["lr"] == 0.001
    torch.save(content, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(FileError, match=r"PyTorch before 1\.6, .*: open it with PyTorch and save it again\."):
        nn.load(tmp_path / "old.pt")
    torch.save(theirs, tmp_path / "m.pt")
    with pytest.raises(FileError, match=r"it names torch\.nn.* only: save model.state_dict"):
        nn.load(tmp_path / "m.pt")
