"""The format of `nn.save`: an ``.npz`` archive of arrays and one JSON header, without pickle.

NumPy alone can read the arrays: ``numpy.load(path)["layers.0.weight"]``.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from glassgrad.autograd import Tensor, backends
from glassgrad.autograd.backends import to_numpy
from glassgrad.autograd.common.messages import of_type, shown
from glassgrad.autograd.errors import AutogradError, DTypeError
from glassgrad.nn.errors import FileError

FORMAT = 1
COMPRESSION = 100  # a compressed archive holds at most this many times its own size
HEADER = "__glassgrad__"


def header_text(header: dict[str, Any]) -> str:
    """``header`` as JSON, with the version of the format. NumPy scalars become numbers."""
    return json.dumps({"format": FORMAT, **header}, default=_as_python)


def _as_python(value: Any) -> Any:
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def flatten(value: Any, key: str, arrays: dict[str, Any]) -> Any:
    """Return ``value`` as JSON with ``{"array": name}`` for each Tensor and array, which are put into ``arrays``."""
    if value is None or isinstance(value, bool | int | float | str):  # np.float64 is a float
        return value
    if isinstance(value, Tensor) or hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        try:
            array = to_numpy(value.data if isinstance(value, Tensor) else backends.asarray(value))
        except AutogradError as error:
            raise type(error)(f"{key!r} can't be saved: {error}") from None
        key = key or "array"
        while key in arrays or key == HEADER:
            key += "_"
        if not key.isprintable() or len(key) > 10_000:
            raise DTypeError(f"{shown(key)} can't be saved: a name has at most 10,000 characters, all printable.")
        arrays[key] = array
        return {"array": key}
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise DTypeError(f"the key {name!r} in {key or 'the dict'} can't be saved: keys are strings.")
        return {"dict": {name: flatten(item, f"{key}/{name}" if key else name, arrays) for name, item in value.items()}}
    if isinstance(value, list | tuple):
        return {"list": [flatten(item, f"{key}/{i}" if key else str(i), arrays) for i, item in enumerate(value)]}
    raise DTypeError(f"{key!r} is {of_type(value)}, and can't be saved: give Tensors, numbers, strings, lists, dicts.")


def _unflatten(value: Any, arrays: Mapping[str, Any]) -> Any:
    """The inverse of `flatten`."""
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "array":
        return Tensor(arrays[inside])
    if kind == "list":
        return [_unflatten(item, arrays) for item in inside]
    if kind == "dict":
        return {name: _unflatten(item, arrays) for name, item in inside.items()}
    raise TypeError


def write(file: IO[bytes], text: str, arrays: Mapping[str, Any]) -> None:
    """Write an ``.npz`` archive. Its members have no time stamps, so equal content gives equal bytes."""
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
    try:
        for name, array in {HEADER: np.array(text), **arrays}.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        archive.close()
    finally:
        archive.fp = None  # an archive that was interrupted can't be closed, and would say so when it is deleted


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and content of a file that may be damaged or malicious.

    An archive that `write` did not write has no header; its content is a Tensor for each array.
    """
    arrays = _read_arrays(file)
    if arrays and HEADER not in arrays:
        return {"class": "a NumPy archive"}, {name: Tensor(array) for name, array in arrays.items()}
    return parse(str(arrays[HEADER]), arrays)


def parse(text: str, arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header that `header_text` wrote, and the content with its arrays."""
    header = json.loads(text)
    if header["format"] != FORMAT:
        raise FileError(f"it has format {header['format']!r}; this version reads {FORMAT}: use the one that wrote it")
    content = _unflatten(header["content"], arrays)
    if not isinstance(content, dict):
        raise FileError("it holds no dict")
    return header, content


def opened(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive in a file, whose members are not larger than the file can hold. No more is read than they claim."""
    archive, size = zipfile.ZipFile(file), os.fstat(file.fileno()).st_size
    if sum(m.compress_size for m in archive.infolist()) > size:
        raise ValueError("its members overlap")
    if sum(m.file_size for m in archive.infolist()) > COMPRESSION * size:
        raise ValueError(f"its members take more than {COMPRESSION} times the size of the file")
    return archive


def _read_arrays(file: IO[bytes]) -> dict[str, Any]:
    """Read the arrays of an archive. Memory that a member claims and does not fill is never touched."""
    arrays: dict[str, Any] = {}
    with opened(file) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename or name in arrays:
                raise ValueError(f"its member {member.filename!r} is not an array, or occurs twice")
            with archive.open(member) as stream:
                try:
                    arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
                except Exception:  # of many classes
                    raise ValueError(f"its array {name!r} is damaged, cut short, or of objects") from None
            if arrays[name].dtype.kind not in ("U" if name == HEADER else "fciub"):
                raise ValueError(f"its array {name!r} has dtype {arrays[name].dtype}")
    return arrays
