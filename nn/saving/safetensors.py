"""Read and write ``.safetensors``, the format of Hugging Face: named arrays and a dict of strings.

A file of `nn.save` keeps the structure of a checkpoint and the architecture of a module in that dict, so that it
comes back as from an ``.npz``; other programs read its arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from glassgrad.autograd import Tensor
from glassgrad.nn.errors import FileError
from glassgrad.nn.saving.npz import parse
from glassgrad.nn.saving.pytorch.weights import as_array

HEADER = "glassgrad"

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
"""NumPy's dtypes by the names of the format; ``bfloat16`` is widened to float32."""


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise FileError("the format takes the package safetensors: pip install safetensors") from None
    return safetensors


def write(file: IO[bytes], text: str, arrays: Mapping[str, Any]) -> None:
    """Write ``arrays``, and ``text``, the JSON header of `nn.save`. String values of its metadata stay readable."""
    metadata = {key: value for key, value in json.loads(text)["metadata"].items() if isinstance(value, str)}
    stored = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    file.write(_library().numpy.save(stored, {**metadata, HEADER: text}))


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and content. Raises an error of any class, `nn.errors.FileError` for float8 and the
    like, which NumPy lacks.
    """
    library = _library()
    raw = file.read()
    try:
        entries = library.deserialize(raw)
    except library.SafetensorError as error:
        raise ValueError(str(error)) from None
    arrays = {}
    for name, entry in entries:
        if entry["dtype"] not in DTYPES:
            raise FileError(f"its tensor {name!r} has dtype {entry['dtype']}, which NumPy lacks")
        arrays[name] = as_array(entry["data"], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    length = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + length]).get("__metadata__", {})
    if HEADER not in metadata:
        header = {"class": "a safetensors file", "metadata": metadata}
        return header, {name: Tensor(array) for name, array in arrays.items()}
    header, content = parse(metadata[HEADER], arrays)
    others = {key: value for key, value in metadata.items() if key != HEADER}
    return header | {"metadata": others | header["metadata"]}, content
