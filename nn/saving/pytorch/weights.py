"""Read PyTorch's ``.pt`` and ``.pth`` files: tensors, numbers, strings, lists and dicts, without running their pickle.

A file of ``torch.save`` is an archive of a pickle, a program for a stack machine that can call any function, and the
bytes of its tensors. Python's own interpreter of such programs is given the instructions of plain values only, and
names stand for the few calls here that build tensors. All else is refused by name.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from typing import IO, Any, ClassVar

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

KINDS = "nn.load reads tensors of NumPy's dtypes, numbers, strings, lists and dicts"


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an empty header, and the content of a file of ``torch.save`` with a Tensor for each tensor.

    Raises an error of any class for a file that is damaged or holds anything but tensors, numbers, strings,
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
    limit = SIZE_FACTOR * os.fstat(file.fileno()).st_size
    content = Unpickler(archive.read(program), archive, f"{folder}data/", limit).load()
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
            raise FileError(f"it holds {of_type(value)}: {KINDS}")


# ----------------------------------------------------------------------------------------------------------- the pickle


NAMES: dict[str, Any] = {
    **{f"{module}.{name}": dtype for module in ("torch", "torch.storage") for name, dtype in STORAGES.items()},
    **{f"torch.{dtype}": dtype for dtype in DTYPES},
    "collections.OrderedDict": lambda pairs=(): {_key(key): value for key, value in pairs},
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *rest: data,
    "torch.Size": lambda sizes=(): [*sizes],
    "torch.device": lambda *where: ":".join(str(_key(part)) for part in where),
}
"""What a pickle may name: dtypes, and calls with the values that they give. `Unpickler` adds tensors."""

PLAIN = (
    "PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1",
    "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING", "EMPTY_DICT", "EMPTY_LIST", "APPEND",
    "APPENDS", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID",
    "REDUCE",
)  # fmt: skip
"""The instructions that do here what they always do."""


class Unpickler(pickle._Unpickler):
    """The interpreter of a pickle beside the storages of its archive. Tuples are lists, which are never hashed."""

    stack: list[Any]

    def __init__(self, program: bytes, archive: zipfile.ZipFile, folder: str, limit: int) -> None:
        super().__init__(io.BytesIO(program))
        self.archive, self.folder, self.left = archive, folder, limit
        self.storages: dict[tuple[Any, str], Any] = {}
        self.names = NAMES | dict.fromkeys([f"torch._utils._rebuild_tensor_{v}" for v in ("v2", "v3")], self.tensor)

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for. Nothing is imported."""
        if f"{module}.{name}" not in self.names:
            raise FileError(f"it names {module}.{name}, and {KINDS} only: save model.state_dict() from PyTorch")
        return self.names[f"{module}.{name}"]

    def persistent_load(self, reference: Any) -> Any:
        """The memory of tensors, a flat array, to which the pickle refers."""
        kind, dtype, key, _, length = reference
        if kind != "storage" or _key(dtype) not in DTYPES:
            raise ValueError("it refers to something else than a storage")
        if (_key(key), dtype) not in self.storages:
            member = self.archive.getinfo(f"{self.folder}{key}")
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its storage {key!r} is compressed")
            self.storages[key, dtype] = as_array(self.archive.read(member), dtype)
        if len(self.storages[key, dtype]) < length:
            raise ValueError(f"its storage {key!r} is cut short")
        return self.storages[key, dtype]

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
        """``torch._utils._rebuild_tensor_v2`` and ``_v3``, whose last argument but one is a dtype."""
        dtype = next((d for d in rest if isinstance(d, str) and d in DTYPES), None)
        flat = storage if dtype is None else as_array(storage.view("u1"), dtype)
        if not all(isinstance(n, int) and n >= 0 for n in (offset, *shape, *strides)) or len(shape) != len(strides):
            raise ValueError("a tensor has an impossible shape")
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if 0 not in shape and last >= len(flat):
            raise ValueError(f"a tensor of shape {tuple(shape)} exceeds its storage of {len(flat)} entries")
        self.left -= flat.itemsize * int(np.prod(shape, dtype=object))
        if self.left < 0:
            raise ValueError("its tensors are many times larger than the file")
        part = flat[offset:] if 0 not in shape else flat[:0]
        steps = [n * flat.itemsize for n in strides]
        return Tensor(np.lib.stride_tricks.as_strided(part, shape, steps, writeable=False))

    def _into(self, items: list[Any]) -> None:
        """Put keys and values into the dict on the stack."""
        self.stack[-1].update(zip(map(_key, items[::2]), items[1::2], strict=True))

    def _taken(self, count: int) -> list[Any]:
        """Take the last values from the stack."""
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _refused(self) -> None:
        raise FileError(f"its pickle makes something else than plain values: {KINDS}")

    dispatch: ClassVar[dict[int, Any]] = {
        **dict.fromkeys(range(256), _refused),
        **{code: pickle._Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in PLAIN)},
        pickle.EMPTY_TUPLE[0]: pickle._Unpickler.dispatch[pickle.EMPTY_LIST[0]],
        pickle.TUPLE[0]: pickle._Unpickler.dispatch[pickle.LIST[0]],
        pickle.TUPLE1[0]: lambda self: self.append(self._taken(1)),
        pickle.TUPLE2[0]: lambda self: self.append(self._taken(2)),
        pickle.TUPLE3[0]: lambda self: self.append(self._taken(3)),
        pickle.SETITEM[0]: lambda self: self._into(self._taken(2)),
        pickle.SETITEMS[0]: lambda self: self._into(self.pop_mark()),
        pickle.BUILD[0]: lambda self: self.stack.pop(),  # versions of PyTorch's layers, of a state dict
    }


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
