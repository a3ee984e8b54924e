"""Files that are damaged, lie about themselves, or want to be more than data: refused, nothing executed or written."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glassgrad import nn
from glassgrad.nn.commands.images import read_image
from glassgrad.nn.commands.terminal import Refused
from glassgrad.nn.data import loaders
from glassgrad.nn.errors import DataError, FileError
from tests.bad_input.corpus import agree, on_one_line, rows

FILES = Path(__file__).with_name("files.txt")

# --------------------------------------------------------------------------------------------------------- the watchman

ACTS = (
    "exec", "os.exec", "os.fork", "os.forkpty", "os.link", "os.mkdir", "os.posix_spawn", "os.remove", "os.rename",
    "os.rmdir", "os.spawn", "os.symlink", "os.system", "os.truncate", "pickle.find_class", "shutil.copyfile",
    "shutil.move", "shutil.rmtree", "socket.connect", "subprocess.Popen", "tempfile.mkdtemp", "tempfile.mkstemp",
)  # fmt: skip
"""What Python tells an audit hook of, where code is run, a file is made or the network is asked."""

_told: list[str] | None = None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _told is None:
        return
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _told.append(f"open {args[0]!r} to write")
    elif event in ACTS:
        _told.append(f"{event} {args!r:.100}")


sys.addaudithook(_hook)  # for good, as all of them are: it looks away outside of `watched`


@contextmanager
def watched() -> Iterator[None]:
    """Within it nothing is executed and nothing is written."""
    global _told  # noqa: PLW0603
    _told = []
    try:
        yield
    finally:
        told, _told = _told, None
    assert not told


def test_the_watch_itself_detects_forbidden_calls(tmp_path):
    for act in (
        lambda: (tmp_path / "a").write_bytes(b""),
        lambda: exec("1"),
        lambda: os.system("true"),
        lambda: pickle.loads(pickle.dumps(os.getcwd)),
    ):
        with pytest.raises(AssertionError), watched():
            act()


# --------------------------------------------------------------------------------------------------- what nn.save wrote


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploded",)


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), **options)
    return stream.getvalue()


def npy_header(text: str) -> bytes:
    """An ``.npy`` file with no values whose header is that text."""
    content = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(content)) + content


def archive(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, compression)
    return stream.getvalue()


def described(header: Any, **arrays: Any) -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return archive([("__glassgrad__.npy", npy(text)), *((f"{k}.npy", npy(v)) for k, v in arrays.items())])


def objects() -> np.ndarray:
    array = np.empty(1, object)
    array[0] = Bomb()
    return array


GOOD_HEADER = {"format": 1, "metadata": {}, "content": {"dict": {"a": {"array": "a"}}}}
LINEAR = {"class": "Linear", "arguments": {"in_features": 1, "out_features": 1, "bias": False}}
MLP = {"class": "MLP", "arguments": {"sizes": [1, 1], "activation": "sigmoid", "output": None}}


def lying_about_sizes() -> bytes:
    """A member whose size in the directory is larger than the file."""
    content = bytearray(described(GOOD_HEADER, a=np.zeros(2)))
    at = content.rindex(b"PK\x01\x02")
    content[at + 20 : at + 28] = struct.pack("<II", 2**31, 2**31)
    return bytes(content)


def another_name_inside() -> bytes:
    """A member that is called otherwise in the directory than before its content."""
    content = described(GOOD_HEADER, a=np.zeros(2))
    at = content.rindex(b"PK\x01\x02")
    return content[:at] + content[at:].replace(b"a.npy", b"b.npy", 1)


def overlapping() -> bytes:
    """Two entries of the directory with one content: what makes kilobytes unpack to gigabytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a.npy", npy(np.zeros(1000)))
        first = file.infolist()[0]
        for k in range(50):
            other = zipfile.ZipInfo(f"{k}.npy")
            other.header_offset, other.CRC = first.header_offset, first.CRC
            other.compress_size, other.file_size = first.compress_size, first.file_size
            file.filelist.append(other)
            file.NameToInfo[other.filename] = other
        file._didModify = True
    return stream.getvalue()


ATTACKS: dict[str, Callable[[], bytes]] = {
    "a pickle": lambda: pickle.dumps(Bomb()),
    "a pickle as the description": lambda: archive([("__glassgrad__.npy", npy(objects(), allow_pickle=True))]),
    "a pickle as an array": lambda: archive(
        [("__glassgrad__.npy", npy("{}")), ("a.npy", npy(objects(), allow_pickle=True))]
    ),
    "a pickle in a field": lambda: archive([("a.npy", npy(np.zeros(1, [("f", object)]), allow_pickle=True))]),
    "a pickle called as such": lambda: archive([("__glassgrad__.pkl", pickle.dumps(Bomb()))]),
    "code in the header": lambda: archive([("a.npy", npy_header("__import__('os').system('touch exploded')"))]),
    "a call in the header": lambda: archive(
        [("a.npy", npy_header("{'descr': open('exploded', 'w'), 'fortran_order': 0, 'shape': ()}"))]
    ),
    "a header without end": lambda: archive([("a.npy", npy_header("(" * 60_000))]),
    "more values than there are": lambda: archive(
        [("a.npy", npy_header(str({"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**9)})))]
    ),
    "fewer values than none": lambda: archive(
        [("a.npy", npy_header(str({"descr": "<f8", "fortran_order": False, "shape": (-1, -8)})))]
    ),
    "a text where numbers belong": lambda: described(GOOD_HEADER, a=np.array(["x"])),
    "compressed without end": lambda: archive([("a.npy", npy(np.zeros(10**6)))], zipfile.ZIP_DEFLATED),
    "contents that overlap": overlapping,
    "a size that is a lie": lying_about_sizes,
    "another name inside": another_name_inside,
    "a path out of here": lambda: archive([("../../exploded.npy", b"")]),
    "a path from the root": lambda: archive([("/tmp/exploded", b"")]),
    "a folder": lambda: archive([("exploded/", b"")]),
    "a description of another form": lambda: described("[" * 10**5),
    "a description without a format": lambda: described({}),
    "a description of another format": lambda: described({"format": 2}),
    "a description without content": lambda: described({"format": 1}),
    "a description of a number": lambda: described({"format": 1, "content": 3}),
    "a description of a tuple": lambda: described({"format": 1, "content": {"tuple": []}}),
    "a description of two things": lambda: described({"format": 1, "content": {"dict": {}, "list": []}}),
    "a description that is no text": lambda: archive(
        [("__glassgrad__.npy", npy('{"format": "?"}').replace("?".encode("utf-32-le"), b"\x00\x00\x11\x00"))]
    ),
    "a description of numbers": lambda: archive([("__glassgrad__.npy", npy(np.zeros(3)))]),
    "a number without end": lambda: described("9" * 10_000),
    "an array that is not there": lambda: described(GOOD_HEADER),
    "nothing": lambda: b"",
    "an archive of nothing": lambda: archive([]),
}


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(described(GOOD_HEADER, a=np.zeros(2)))
    nn.load(path)  # whatever is imported for it
    return path


READERS = (nn.load, nn.load_metadata, nn.load_model)


def image_of(path: Path) -> np.ndarray:
    """A picture, as the command line reads it; a refusal as the error that caused it."""
    try:
        return read_image(path)
    except Refused as refusal:
        raise OSError(str(refusal)) from None


def refusal(attack: str, file: Path) -> tuple[str, str]:
    """The error that all readers raise for a file, and its sentence."""
    file.write_bytes(ATTACKS[attack]())
    found = set()
    for read in READERS:
        with watched(), pytest.raises(FileError) as refused:
            read(file)
        found.add(on_one_line(str(refused.value), file.parent))
    (said,) = found
    return "FileError", said


SENTENCES = {attack: says for attack, _, says in rows(FILES)}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_an_archive_is_trusted(attack, file):
    content = ATTACKS[attack]()
    _, said = refusal(attack, file)
    agree(said, SENTENCES[attack])
    assert said.startswith(("FOLDER/file can't be read as ", "FOLDER/file is a pickle"))
    assert [path.name for path in file.parent.iterdir()] == ["file"]
    assert file.read_bytes() == content


def test_every_attack_has_a_sentence():
    assert [*SENTENCES] == [*ATTACKS]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes among the files here")
def test_devices_and_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (*READERS, nn.History.load, image_of):
            with pytest.raises(OSError, match="it is a device or a pipe"):
                read(path)


NASTY = st.sampled_from(
    [None, True, -1, 0, 10**30, 1e400, float("nan"), "", "x", [], {}, [1], {"array": "a"}, {"dict": {}}, {"list": 3}]
)


def _damaged(tree: Any, draw: Callable[[Any], Any]) -> Any:
    """A JSON value with one of its parts replaced, somewhere down in it."""
    if isinstance(tree, dict) and tree and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(tree)))
        return {**tree, key: _damaged(tree[key], draw)}
    if isinstance(tree, list) and tree and draw(st.booleans()):
        i = draw(st.integers(0, len(tree) - 1))
        return [*tree[:i], _damaged(tree[i], draw), *tree[i + 1 :]]
    return draw(NASTY)


@given(data=st.data())
def test_descriptions_that_are_nearly_right(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "nearly"
    header = {**GOOD_HEADER, "class": "x", "architecture": data.draw(st.sampled_from([LINEAR, MLP]))}
    path.write_bytes(described(_damaged(header, data.draw), a=np.zeros((1, 1))))
    for read in READERS:
        with watched():
            try:
                read(path)
            except FileError as refusal:
                assert "can't be read as " in str(refusal) or "which nn can't build" in str(refusal)  # noqa: PT017


def mutated(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with some bytes changed, a piece cut out, doubled or put elsewhere, or the end cut off."""
    places = st.integers(0, len(content))

    def changed(changes: list[tuple[int, int]]) -> bytes:
        new = bytearray(content)
        for place, value in changes:
            new[place % len(new)] = value
        return bytes(new)

    return (
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8).map(changed)
        | places.map(lambda n: content[:n])
        | st.tuples(places, places).map(lambda p: content[: min(p)] + content[max(p) :])
        | st.tuples(places, places, places).map(lambda p: content[: p[0]] + content[p[1] : p[2]] + content[p[0] :])
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model.npz"
    nn.save(nn.MLP([2, 3, 1], seed=0), path, metadata={"classes": ["a"]})
    return path


@given(data=st.data())
def test_a_damaged_file_gives_a_whole_model_or_none(data, saved):
    content = saved.read_bytes()
    damaged = saved.with_name("damaged.npz")
    damaged.write_bytes(data.draw(mutated(content)))
    expected = nn.load_model(saved).state_dict()
    with watched():
        try:
            state = nn.load_model(damaged).state_dict()
        except FileError:
            return
    assert {name: t.shape for name, t in state.items()} == {name: t.shape for name, t in expected.items()}


# -------------------------------------------------------------------------------------------------------- histories


def whole_json(draw: Callable[[Any], Any], content: dict[str, Any]) -> bytes:
    text = json.dumps(_damaged(content, draw)).encode()
    return draw(st.just(text) | mutated(text))


HISTORY = {
    "loss": [1.0, 0.5], "accuracy": [None, 0.5], "validation_loss": [1.0, 1.0], "validation_accuracy": [0.5, 0.5],
    "lr": [0.1, 0.1], "seconds": [1.0, 1.0], "best_epoch": 1, "interrupted": False, "stopped_early": False, "note": "x",
}  # fmt: skip


@given(data=st.data())
@example(data=None)
def test_a_history_is_one_or_is_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "history.json"
    path.write_bytes(json.dumps(HISTORY).encode() if data is None else whole_json(data.draw, HISTORY))
    with watched():
        try:
            assert isinstance(nn.History.load(path), nn.History)
        except FileError as refusal:
            assert data is not None
            assert f"{path} is not a training history: " in str(refusal)  # noqa: PT017
            return


# --------------------------------------------------------------------------------------------------------- data sets

IDX = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 28, 28) + bytes(2 * 28 * 28)


@given(data=st.data())
def test_a_data_file_is_right_or_is_refused(data):
    loaders.parse_idx(IDX, 3, "the file")
    with watched():
        try:
            found = loaders.parse_idx(data.draw(mutated(IDX) | st.binary(max_size=300)), 3, "the file")
        except DataError as refusal:
            assert str(refusal).startswith("the file ")  # noqa: PT017
            return
    assert found.ndim == 3
