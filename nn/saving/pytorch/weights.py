"""Read PyTorch's ``.pt`` and ``.pth`` files: tensors, numbers, strings, lists and dicts, without running their pickle.

A file of ``torch.save`` is an archive of a pickle, a program for a stack machine that can call any function, and the
bytes of its tensors. This module interprets the program itself and knows only the few calls that build tensors. All
else is refused by name.
"""

from __future__ import annotations

import os
import pickletools
import zipfile
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

from glassgrad.autograd import Tensor
from glassgrad.autograd.common.messages import of_type
from glassgrad.nn.errors import FileError
from glassgrad.nn.saving.npz import opened

PROGRAM_LIMIT = 2**26  # bytes of pickle, without the tensors: 64 MiB
SIZE_FACTOR = 8  # tensors may share storages, but all together take at most this many times the file's size

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
"""The dtypes of PyTorch's storages. NumPy has the same names, and lacks ``bfloat16``."""

DTYPES = {*STORAGES.values(), "uint16", "uint32", "uint64"}


class Global(NamedTuple):
    """A name that the pickle mentions, such as ``torch.FloatStorage``. Never imported."""

    module: str
    name: str


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an empty header, and the content of a file of ``torch.save`` with a Tensor for each tensor.

    Raises one of `nn.saving.npz.INVALID` for a file that is damaged or holds anything but tensors, numbers, strings,
    lists and dicts. Tuples become lists, as in `nn.load`'s own format.
    """
    archive = opened(file)
    (program,) = [m for m in archive.infolist() if m.filename.endswith("/data.pkl") and m.filename.count("/") == 1]
    folder = program.filename.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.namelist():
        raise FileError("it is a TorchScript program, not a state dict: save model.state_dict() from PyTorch")
    if program.file_size > PROGRAM_LIMIT or program.compress_type != zipfile.ZIP_STORED:
        raise ValueError("its pickle is compressed or too long")
    if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
        raise FileError("it was written on a big-endian machine")
    machine = Machine(archive, f"{folder}data/", SIZE_FACTOR * os.fstat(file.fileno()).st_size)
    content = machine.run(archive.read(program))
    if not isinstance(content, dict):
        kind = "a tensor" if isinstance(content, Tensor) else of_type(content)
        raise FileError(f"it holds {kind}, not a state dict")
    _check(content)
    return {"class": "a state dict of PyTorch"}, content


def _check(content: dict[Any, Any]) -> None:
    """Refuse content of other types. A list that the pickle refers to many times is looked at once."""
    seen: set[int] = set()
    left: list[Any] = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            left += value.values() if isinstance(value, dict) else value
        elif not isinstance(value, dict | list | Tensor | bool | int | float | str | None):
            what = f"names {_named(value)}" if isinstance(value, Global) else f"holds {of_type(value)}"
            raise FileError(f"it {what}: nn.load reads tensors, numbers, strings, lists and dicts")


# ----------------------------------------------------------------------------------------------------------- the pickle


def _tensor(machine: Machine, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    """``torch._utils._rebuild_tensor_v2`` and ``_v3``, whose last argument but one is a dtype."""
    dtype = next((d for d in rest if isinstance(d, str) and d in DTYPES), None)
    flat = storage if dtype is None else as_array(storage.view("u1"), dtype)
    numbers = (offset, *shape, *strides)
    if not all(isinstance(n, int) and n >= 0 for n in numbers) or len(shape) != len(strides):
        raise ValueError("a tensor has an impossible shape")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= len(flat):
        raise ValueError(f"a tensor of shape {tuple(shape)} exceeds its storage of {len(flat)} entries")
    machine.left -= flat.itemsize * int(np.prod(shape, dtype=object))
    if machine.left < 0:
        raise ValueError("its tensors are many times larger than the file")
    part = flat[offset:] if 0 not in shape else flat[:0]
    steps = [n * flat.itemsize for n in strides]
    return Tensor(np.lib.stride_tricks.as_strided(part, shape, steps, writeable=False))


CALLS: dict[Global, Callable[..., Any]] = {
    Global("collections", "OrderedDict"): lambda machine, pairs=(): {_key(key): value for key, value in pairs},
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v3"): _tensor,
    Global("torch._utils", "_rebuild_parameter"): lambda machine, data, *rest: data,
    Global("torch._utils", "_rebuild_parameter_with_state"): lambda machine, data, *rest: data,
    Global("torch", "Size"): lambda machine, sizes=(): [*sizes],
    Global("torch", "device"): lambda machine, *where: ":".join(str(_key(part)) for part in where),
}
"""The only calls that are followed, and the values they give."""

MARK = object()
"""The beginning of a list of items on the stack."""

LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING",
    "SHORT_BINSTRING",
}  # fmt: skip
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list,
    "EMPTY_TUPLE": list, "MARK": lambda: MARK,
}  # fmt: skip


class Machine:
    """The stack and the memo of a pickle, and the storages of its archive. Tuples are lists, which are never hashed."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, limit: int) -> None:
        self.archive, self.folder, self.left = archive, folder, limit
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[tuple[str, Global], Any] = {}

    def run(self, program: bytes) -> Any:
        """The value of a pickle."""
        for opcode, argument, _ in pickletools.genops(program):
            if opcode.name == "STOP":
                return self.stack.pop()
            self.step(opcode.name, argument)
        raise EOFError("its pickle has no end")

    def storage(self, reference: Any) -> Any:
        """The memory of tensors, a flat array, to which the pickle refers."""
        kind, named, key, _, length = reference
        if kind != "storage" or not isinstance(named, Global) or named.module not in ("torch", "torch.storage"):
            raise ValueError("it refers to something else than a storage")
        if named.name not in STORAGES:
            raise FileError(f"it has a tensor of type {named.name!r}, which NumPy lacks")
        if (_key(key), named) not in self.storages:
            member = self.archive.getinfo(f"{self.folder}{key}")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its storage {key!r} is compressed")
            self.storages[key, named] = as_array(self.archive.read(member), STORAGES[named.name])
        if len(self.storages[key, named]) < length:
            raise ValueError(f"its storage {key!r} is cut short")
        return self.storages[key, named]

    def items(self) -> list[Any]:
        """Take the items above the last mark."""
        taken: list[Any] = []
        while (item := self.stack.pop()) is not MARK:
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
            stack.append(self.items() if name == "TUPLE" else [stack.pop() for _ in range(int(name[5:]))][::-1])
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self.items()
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self.items()
            stack[-1].update(zip(map(_key, items[::2]), items[1::2], strict=True))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            named = Global(*argument.split(" ", 1) if name == "GLOBAL" else [stack.pop(), stack.pop()][::-1])
            stack.append(named.name if named.module == "torch" and named.name in DTYPES else named)
        elif name == "BINPERSID":
            stack.append(self.storage(stack.pop()))
        elif name == "REDUCE":
            arguments, called = stack.pop(), stack.pop()
            if not isinstance(called, Global) or called not in CALLS:
                raise FileError(f"it calls {_named(called)}: nn.load reads tensors, numbers, strings, lists and dicts")
            stack.append(CALLS[called](self, *arguments))
        elif name == "BUILD":  # the attribute `_metadata` of a state dict: versions of PyTorch's layers
            state = stack.pop()
            if not isinstance(stack[-1], dict) or not isinstance(state, dict) or set(state) - {"_metadata"}:
                raise FileError("it holds an object with attributes, not a state dict")
        elif name == "NEWOBJ":
            raise FileError(f"it holds an object, {_named(stack[-2])}: save model.state_dict() from PyTorch")
        elif name not in ("PROTO", "FRAME"):
            raise FileError(f"its pickle has the instruction {name}: nn.load reads state dicts only")


def _named(value: Any) -> str:
    return f"{value.module}.{value.name}" if isinstance(value, Global) else of_type(value)


def _key(key: Any) -> Any:
    """A key of a dict or of a storage."""
    if not isinstance(key, str | int):
        raise TypeError
    return key


def as_array(raw: Any, dtype: str) -> Any:
    """Bytes as a flat array; ``"bfloat16"``, which NumPy lacks, is widened to float32."""
    if dtype == "bfloat16":
        return (np.frombuffer(raw, "<u2", count=len(raw) // 2).astype("<u4") << 16).view("<f4")
    of = np.dtype(dtype).newbyteorder("<")
    return np.frombuffer(raw, of, count=len(raw) // of.itemsize)
