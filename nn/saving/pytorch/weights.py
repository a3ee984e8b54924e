"""Read PyTorch's ``.pt`` and ``.pth`` files: tensors, numbers, strings, lists and dicts, without running their pickle.

A file of ``torch.save`` is a pickle, a program for a stack machine that can call any function, and the bytes of its
tensors. This module interprets the program itself and knows only the few calls that build tensors. All else is refused
by name.
"""

from __future__ import annotations

import io
import mmap
import os
import pickletools
import struct
import zipfile
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

from glassgrad.autograd import Tensor
from glassgrad.autograd.common.messages import of_type
from glassgrad.nn.errors import FileError
from glassgrad.nn.saving.npz import opened

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""First bytes of a file of PyTorch before 1.6: a pickle of its magic number."""

PROGRAM_LIMIT = 2**26  # bytes of pickle, without the tensors: 64 MiB
SIZE_FACTOR = 8  # tensors may share storages, but all together take at most this many times the file's size

DTYPES = {
    "DoubleStorage": "<f8", "float64": "<f8", "FloatStorage": "<f4", "float32": "<f4", "HalfStorage": "<f2",
    "float16": "<f2", "BFloat16Storage": "bfloat16", "bfloat16": "bfloat16", "LongStorage": "<i8", "int64": "<i8",
    "IntStorage": "<i4", "int32": "<i4", "ShortStorage": "<i2", "int16": "<i2", "CharStorage": "i1", "int8": "i1",
    "ByteStorage": "u1", "uint8": "u1", "BoolStorage": "?", "bool": "?", "ComplexFloatStorage": "<c8",
    "complex64": "<c8", "ComplexDoubleStorage": "<c16", "complex128": "<c16", "UntypedStorage": "u1",
    "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
}  # fmt: skip
"""NumPy's dtypes by the names of PyTorch's storages and dtypes."""


class Global(NamedTuple):
    """A name that the pickle mentions, such as ``torch.FloatStorage``. Never imported."""

    module: str
    name: str


class Storage(NamedTuple):
    """Memory of tensors: its key in the file, the type of its entries, and their number."""

    key: str
    dtype: str
    length: int


class Stored(NamedTuple):
    """A tensor: a part of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Mark:
    """The beginning of a list of items on the stack."""


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an empty header, and the content of a file of ``torch.save`` with a Tensor for each tensor.

    Raises one of `nn.saving.npz.INVALID` for a file that is damaged or holds anything but tensors, numbers, strings,
    lists and dicts.
    """
    legacy = file.read(len(LEGACY)) == LEGACY
    file.seek(0)
    content, storages = (_read_legacy if legacy else _read_archive)(file)
    tensors = Tensors(storages, SIZE_FACTOR * os.fstat(file.fileno()).st_size)
    content = tensors.put_into(content)
    if not isinstance(content, dict):
        kind = "a tensor" if isinstance(content, Tensor) else of_type(content)
        raise FileError(f"it holds {kind}, not a state dict")
    return {"class": "a state dict of PyTorch"}, content


def _read_archive(file: IO[bytes]) -> tuple[Any, Callable[[Storage], bytes]]:
    """The content, with a `Stored` for each tensor, and a function that returns the bytes of a storage."""
    archive = opened(file)
    (program,) = [m for m in archive.infolist() if m.filename.endswith("/data.pkl") and m.filename.count("/") == 1]
    folder = program.filename.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.namelist():
        raise FileError("it is a TorchScript program, not a state dict: save model.state_dict() from PyTorch")
    if program.file_size > PROGRAM_LIMIT or program.compress_type != zipfile.ZIP_STORED:
        raise ValueError("its pickle is compressed or too long")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise FileError("it was written on a big-endian machine")

    def storage(wanted: Storage) -> bytes:
        member = archive.getinfo(f"{folder}data/{wanted.key}")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"its storage {wanted.key!r} is compressed")
        return archive.read(member)

    return follow(io.BytesIO(archive.read(program))), storage


def _read_legacy(file: IO[bytes]) -> tuple[Any, Callable[[Storage], bytes]]:
    """`_read_archive` for the old format: four pickles, then the storages."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:  # reads end at the end of the file
        follow(content)  # magic number
        if follow(content) != 1001:
            raise FileError("it has an unknown version of PyTorch's format")
        system = follow(content)
        if not system["little_endian"]:
            raise FileError("it was written on a big-endian machine")
        known: dict[str, Storage] = {}
        found, keys = follow(content, known), follow(content)
        storages: dict[str, bytes] = {}
        for key in keys:
            (length,) = struct.unpack("<q", content.read(8))
            count = length * itemsize(known[key].dtype)
            if not 0 <= count <= len(content):
                raise ValueError(f"its storage {key!r} is cut short")
            storages[key] = content.read(count)
    return found, lambda wanted: storages[wanted.key]


def itemsize(dtype: str) -> int:
    """Bytes of an entry."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


# ----------------------------------------------------------------------------------------------------------- the pickle


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Stored:
    """``torch._utils._rebuild_tensor_v2`` and ``_v3``, whose last argument but one is a dtype."""
    dtype = next((DTYPES[g.name] for g in rest if isinstance(g, Global) and g.module == "torch"), storage.dtype)
    if dtype != storage.dtype:
        storage = Storage(storage.key, dtype, storage.length * itemsize(storage.dtype) // itemsize(dtype))
    numbers = (offset, *shape, *strides)
    if not all(isinstance(n, int) and n >= 0 for n in numbers) or len(shape) != len(strides):
        raise ValueError("a tensor has an impossible shape")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.length:
        raise ValueError(f"a tensor of shape {tuple(shape)} exceeds its storage of {storage.length} entries")
    return Stored(storage, offset, tuple(shape), tuple(strides))


CALLS: dict[Global, Callable[..., Any]] = {
    Global("collections", "OrderedDict"): lambda pairs=(): {_key(key): value for key, value in pairs},
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v3"): _tensor,
    Global("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
    Global("torch._utils", "_rebuild_parameter_with_state"): lambda data, *rest: data,
    Global("torch", "Size"): lambda sizes=(): list(sizes),
    Global("torch", "device"): lambda *where: ":".join(str(part) for part in map(_key, where)),
}
"""The only calls that are followed, and the values they give."""


def _storage(reference: tuple[Any, ...]) -> Storage:
    if reference[0] == "module":  # in older files, the class of an object and its source
        raise FileError(f"it holds an object, {_named(reference[1])}: save model.state_dict() from PyTorch")
    kind, named, key, _, length, *view = reference
    if any(part is not None for part in view):
        raise FileError("its storages are views, as PyTorch before 0.4 wrote them: save it with a newer PyTorch")
    if kind != "storage" or not isinstance(named, Global) or named.module not in ("torch", "torch.storage"):
        raise ValueError("it refers to something else than a storage")
    if named.name not in DTYPES:
        raise FileError(f"it has a tensor of type {named.name!r}, which NumPy lacks")
    if not isinstance(key, str) or not isinstance(length, int):
        raise TypeError
    return Storage(key, DTYPES[named.name], length)


def follow(file: Any, storages: dict[str, Storage] | None = None) -> Any:
    """Interpret the pickle at the current position of ``file``; return its value, with `Stored` for each tensor.

    ``storages`` receives each storage by its key.
    """
    machine = Machine({} if storages is None else storages)
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.step(opcode.name, argument)
    raise EOFError("its pickle has no end")


class Machine:
    """The stack and the memo of a pickle."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages = storages

    def items(self) -> list[Any]:
        """Take the items above the last mark."""
        taken: list[Any] = []
        while not isinstance(item := self.stack.pop(), Mark):
            taken.append(item)
        return taken[::-1]

    def step(self, name: str, argument: Any) -> None:
        """Execute one instruction."""
        stack = self.stack
        if name in LITERALS:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name.startswith("TUPLE"):
            items = self.items() if name == "TUPLE" else [stack.pop() for _ in range(int(name[5:]))][::-1]
            stack.append(tuple(items))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self.items()
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self.items()
            stack[-1].update(zip(map(_key, items[::2]), items[1::2], strict=True))
        elif name == "GLOBAL":
            stack.append(Global(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            of = stack.pop()
            stack.append(Global(stack.pop(), of))
        elif name == "BINPERSID":
            storage = _storage(stack.pop())
            self.storages[storage.key] = storage
            stack.append(storage)
        elif name == "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            if not isinstance(called, Global) or called not in CALLS:
                raise FileError(f"it calls {_named(called)}: nn.load reads tensors, numbers, strings, lists and dicts")
            stack.append(CALLS[called](*arguments))
        elif name == "BUILD":  # the attribute `_metadata` of a state dict: versions of PyTorch's layers
            state = stack.pop()
            if not isinstance(stack[-1], dict) or not isinstance(state, dict) or set(state) - {"_metadata"}:
                raise FileError("it holds an object with attributes, not a state dict")
        elif name == "NEWOBJ":
            raise FileError(f"it holds an object, {_named(stack[-2])}: save model.state_dict() from PyTorch")
        elif name not in ("PROTO", "FRAME"):
            raise FileError(f"its pickle has the instruction {name}: nn.load reads state dicts only")


LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING",
    "SHORT_BINSTRING",
}  # fmt: skip
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple, "MARK": Mark,
}  # fmt: skip


def _named(value: Any) -> str:
    return f"{value.module}.{value.name}" if isinstance(value, Global) else of_type(value)


# ---------------------------------------------------------------------------------------------------------- the tensors


class Tensors:
    """Makes the Tensors of a file; all together take at most ``limit`` bytes."""

    def __init__(self, read: Callable[[Storage], bytes], limit: int) -> None:
        self.read, self.left = read, limit
        self.raw: dict[str, bytes] = {}
        self.made: dict[int, Any] = {}  # a list that the pickle refers to many times is made once

    def put_into(self, value: Any) -> Any:
        """``value`` with a Tensor for each `Stored`. Tuples become lists, as in `nn.load`'s own format."""
        if id(value) not in self.made:
            self.made[id(value)] = self._made(value)
        return self.made[id(value)]

    def _made(self, value: Any) -> Any:
        if isinstance(value, Stored):
            return self.tensor(value)
        if isinstance(value, Global):
            if value.module != "torch" or value.name not in DTYPES:
                raise FileError(f"it names {_named(value)}: nn.load reads tensors, numbers, strings, lists and dicts")
            return value.name
        if isinstance(value, dict):
            return {_key(key): self.put_into(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.put_into(item) for item in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise FileError(f"it holds {of_type(value)}, which nn.load can't read")

    def tensor(self, stored: Stored) -> Tensor:
        """The Tensor of a part of a storage."""
        storage, offset, shape, strides = stored
        size = itemsize(storage.dtype)
        self.left -= size * int(np.prod(shape, dtype=object))
        if self.left < 0:
            raise ValueError("its tensors are many times larger than the file")
        if storage.key not in self.raw:
            self.raw[storage.key] = self.read(storage)
        flat = as_array(self.raw[storage.key], storage.dtype)
        if len(flat) < storage.length:
            raise ValueError(f"its storage {storage.key!r} is cut short")
        steps = [n * flat.itemsize for n in strides]
        part = flat[offset:] if 0 not in shape else flat[:0]
        return Tensor(np.lib.stride_tricks.as_strided(part, shape, steps, writeable=False))


def _key(key: Any) -> Any:
    """A key of a dict, checked before it is hashed: the hash of tuples within tuples may take for ever."""
    if not isinstance(key, str | int):
        raise TypeError
    return key


def as_array(raw: bytes | bytearray | memoryview, dtype: str) -> Any:
    """Bytes as a flat array; ``"bfloat16"``, which NumPy lacks, is widened to float32."""
    if dtype == "bfloat16":
        return (np.frombuffer(raw, "<u2", count=len(raw) // 2).astype("<u4") << 16).view("<f4")
    size = np.dtype(dtype).itemsize
    return np.frombuffer(raw, dtype, count=len(raw) // size)
