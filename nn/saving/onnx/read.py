"""An ONNX file as a checked `Graph`. Files are untrusted: nothing is executed, and no size is taken on trust."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from glassgrad.autograd.common.files import open_file
from glassgrad.autograd.common.validation import as_path
from glassgrad.autograd.errors import DependencyError, DTypeError
from glassgrad.nn.errors import FileError
from glassgrad.nn.saving.onnx import operators  # noqa: F401  (fills the table)
from glassgrad.nn.saving.onnx.rare import reference_row
from glassgrad.nn.saving.onnx.table import TABLE, Row, dtype_of, row_of

OPSET = 28
"""The newest opset whose operators the table knows."""

LARGEST = 2**31
"""How many bytes a file may have: the limit of the format itself."""

NODES = 200_000
"""How many nodes a graph may have once its functions are inlined."""

DEEPEST = 64
"""How deep functions may call each other, and how many parts of a node's name count."""

DTYPE_ATTRIBUTES = ("to", "dtype", "output_datatype", "softmax_precision", "stash_type")
"""Attributes that are a dtype."""


class Input(NamedTuple):
    """An input of a graph. ``shape`` has numbers and names; it is ``None`` where the file says nothing. ``dtype`` is
    ``None`` for a sequence.
    """

    name: str
    dtype: str | None
    shape: tuple[int | str, ...] | None


class Step(NamedTuple):
    """One node: the row of its operator, the names of its inputs and outputs (``""`` for one that is left out).

    ``title`` names it in errors, ``scope`` is its path in the model, ``frees`` are values not needed after it.
    """

    row: Row
    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    scope: tuple[tuple[str, str], ...]
    frees: tuple[str, ...] = ()

    def bodies(self) -> Iterator[Graph]:
        """Iterate over the graphs among its attributes."""
        return (value for value in self.attributes.values() if isinstance(value, Graph))

    def needs(self) -> Iterator[str]:
        """Iterate over the names of all values that it uses, its bodies included."""
        yield from filter(None, self.inputs)
        for body in self.bodies():
            yield from body.outputs
            for step in body.steps:
                yield from step.needs()


class Graph:
    """A graph: ``inputs``, ``outputs`` (names), ``steps`` in order, and ``values`` that the file gives."""

    def __init__(self, inputs: list[Input], outputs: list[str], steps: list[Step], values: dict[str, Any]) -> None:
        self.inputs, self.outputs, self.steps, self.values = inputs, outputs, steps, values
        self.parameters: dict[str, str] = {}  # values that are parameters of the model, and their names there

    def all_graphs(self) -> Iterator[Graph]:
        """Iterate over this graph and those within it."""
        yield self
        for step in self.steps:
            for body in step.bodies():
                yield from body.all_graphs()

    def without_dead(self) -> None:
        """Drop steps with unused results, and note when values are no longer needed."""
        live, kept = set(self.outputs), []
        for step in reversed(self.steps):
            if not live.isdisjoint(step.outputs):
                needs = {*step.needs()}
                kept.append(step._replace(frees=tuple(needs - live)))
                live |= needs
        self.steps = kept[::-1]
        self.values = {name: value for name, value in self.values.items() if name in live}
        for graph in self.all_graphs():
            if graph is not self:
                graph.without_dead()


def onnx_package() -> Any:
    """The package ``onnx``. Raises `DependencyError` where it is missing."""
    try:
        import onnx
        import onnx.checker
        import onnx.external_data_helper
        import onnx.inliner
        import onnx.numpy_helper
    except ImportError:
        raise DependencyError(
            'ONNX files need the package onnx, which is not installed: pip install "glassgrad[onnx]". '
            "A file of yours that is named onnx.py hides it."
        ) from None
    return onnx


def read(path: str | os.PathLike[str]) -> Graph:
    """The graph of an ONNX file.

    Raises `FileError` for a file that is damaged or needs unsupported features, `DependencyError` without the
    package ``onnx``, and `OSError` for a file that can't be read.
    """
    path = as_path(path)
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > LARGEST:
            raise FileError(f"{path} has {size:,} bytes; an ONNX file has at most {LARGEST:,}.")
        content = file.read(size)
    onnx = onnx_package()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # of the package protobuf, which has several implementations
        raise FileError(f"{path} is not an ONNX file, or is damaged.") from error
    if not model.graph.node and not model.graph.output:
        raise FileError(f"{path} is not an ONNX file, or is damaged: it has no nodes and no outputs.")
    try:
        return _Reader(onnx, path.parent).read(model)
    except FileError as error:
        raise FileError(f"{path} can't be loaded: {str(error).rstrip('.')}.") from error
    except Exception as error:  # such as names that are not text, which the package gives as bytes
        raise FileError(f"{path} is damaged ({_first_line(error)}).") from error


@contextmanager
def _part(name: str) -> Iterator[None]:
    """Errors in a part of the file get its name."""
    try:
        yield
    except (DTypeError, FileError) as error:
        raise FileError(f"{name} {error}") from error
    except Exception as error:  # of many classes
        raise FileError(f"{name} can't be read ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return plain((str(error).splitlines() or [type(error).__name__])[0].rstrip("."), 300)


class _Reader:
    """The context of reading a file: its folder for external data, its opsets, and its unknown operators."""

    def __init__(self, onnx: Any, folder: Path) -> None:
        self.onnx, self.folder = onnx, folder
        self.opsets: dict[str, int] = {}
        self.unknown: Counter[str] = Counter()
        self.external: Counter[Path] = Counter()  # bytes read from each other file

    def read(self, model: Any) -> Graph:
        self.opsets = {("" if o.domain == "ai.onnx" else o.domain): o.version for o in model.opset_import}
        version = self.opsets.setdefault("", 1 if model.ir_version < 3 else OPSET)
        if not 1 <= version <= OPSET:
            raise FileError(f"it uses opset {version}, and opsets 1 to {OPSET} are supported")
        if model.functions:
            model = self._inlined(model)
        graph = self._graph(model.graph)
        if self.unknown:
            counts = self.unknown.most_common()
            names = ", ".join(plain(name) + (f" ({count} nodes)" if count > 1 else "") for name, count in counts)
            advice = " Open the file that onnxruntime optimized." if "com.microsoft::" in names else ""
            raise FileError(
                f"it uses operators that are not supported: {plain(names, 800)}. docs/onnx.md has the list.{advice}"
            )
        for declared in (*model.graph.input, *model.graph.output):  # their shapes, for which it asks, may be left out
            if declared.type.HasField("tensor_type"):
                declared.type.tensor_type.shape.SetInParent()
        try:
            self.onnx.checker.check_model(model)
        except self.onnx.checker.ValidationError as error:
            raise FileError(plain(" ".join(str(error).split()), 300)) from error
        return graph

    def _inlined(self, model: Any) -> Any:
        """The model with its functions inlined. Raises `FileError` if they are recursive or too large."""
        sizes: dict[tuple[str, str], int] = {}
        bodies = {(f.domain, f.name): f for f in model.functions}

        def size(nodes: Any, depth: int = 0) -> int:
            if depth > DEEPEST:
                raise FileError(f"a function calls itself, or they are nested more than {DEEPEST} deep")
            total = 0
            for node in nodes:
                key = node.domain, node.op_type
                if key in bodies and key not in sizes:
                    sizes[key] = size(bodies[key].node, depth + 1)
                total += sizes.get(key, 1)
                total += sum(size(graph.node, depth) for a in node.attribute for graph in (a.g, *a.graphs))
            return total

        if size(model.graph.node) > NODES:
            raise FileError(f"with its functions inlined it has more than {NODES:,} nodes, the limit")
        with _part("a function"):
            return self.onnx.inliner.inline_local_functions(model)

    # ------------------------------------------------------------------------------------------------------- the parts

    def _graph(self, graph: Any) -> Graph:
        """A graph, or a body within one. The package ``onnx`` checks that names are defined, once each."""
        if len(graph.node) > NODES:
            raise FileError(f"it has {len(graph.node):,} nodes, and the limit is {NODES:,}")
        if graph.sparse_initializer:
            raise FileError("it has sparse initializers, which are not supported")
        values = {}
        for tensor in graph.initializer:
            with _part(f"the initializer {tensor.name!r}"):
                values[tensor.name] = self._array(tensor)
        inputs = [self._input(i) for i in graph.input if i.name not in values]
        heads: dict[str, str] = {}  # the first operator in each module
        for node in graph.node:
            heads.setdefault(modules_of(node.name)[-1], node.op_type)
        steps = [self._step(i, node, heads) for i, node in enumerate(graph.node)]
        return Graph(inputs, [o.name for o in graph.output], [step for step in steps if step is not None], values)

    def _input(self, info: Any) -> Input:
        kind = info.type.WhichOneof("value")
        if kind in ("sequence_type", "optional_type"):
            return Input(info.name, None, None)
        if kind not in ("tensor_type", None):
            raise FileError(f"the input {info.name!r} is a {kind}, and only tensors are supported")
        tensor, shape = info.type.tensor_type, None
        with _part(f"the input {info.name!r}"):
            dtype = dtype_of(tensor.elem_type) if tensor.elem_type else None
        if tensor.HasField("shape"):
            dims = (d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim)
            shape = tuple("" if isinstance(n, int) and n < 0 else n for n in dims)  # some exporters write -1 for any
        return Input(info.name, dtype, shape)

    def _step(self, i: int, node: Any, heads: Mapping[str, str]) -> Step | None:
        """A node as a step; ``None``, and the operator noted, where it is not supported."""
        title = f"{node.op_type} {node.name!r}" if node.name else f"{node.op_type} (node {i})"
        domain = "" if node.domain == "ai.onnx" else node.domain
        name = f"{domain}::{node.op_type}" if domain not in ("", "ai.onnx.ml") else node.op_type
        opset = self.opsets.get(domain, 1 if domain else OPSET)
        row = reference_row(self.onnx, node, opset) or row_of(name, opset)
        if row is None:
            self.unknown[name if name not in TABLE else f"{name} of opset {opset}"] += 1
            return None
        attributes = {}
        for attribute in node.attribute:
            with _part(f"{title}: its attribute {attribute.name!r}"):
                if attribute.name not in (*row.attributes, *row.inputs):
                    raise FileError("is not supported")
                attributes[attribute.name] = self._attribute(attribute)
        inputs = tuple(node.input)
        while inputs and not inputs[-1]:
            inputs = inputs[:-1]
        paths = modules_of(node.name)[1:]
        scope = tuple((p, p.rpartition(".")[2].rstrip(NUMBERING) or heads.get(p, "block")) for p in paths)
        return Step(row, title, inputs, tuple(node.output), attributes, scope)

    def _attribute(self, attribute: Any) -> Any:
        value, onnx = self.onnx.helper.get_attribute_value(attribute), self.onnx
        if isinstance(value, onnx.GraphProto):
            return self._graph(value)
        if isinstance(value, onnx.TensorProto):
            return self._array(value)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if attribute.type == onnx.AttributeProto.STRINGS:
            return [part.decode("utf-8", "replace") for part in attribute.strings]
        if attribute.name in DTYPE_ATTRIBUTES and isinstance(value, int):
            dtype_of(value)  # raises for one that is not supported
        return value

    # ------------------------------------------------------------------------------------------------------ the arrays

    def _array(self, tensor: Any) -> Any:
        """A tensor of the file as an array."""
        dtype = dtype_of(tensor.data_type)
        if min(tensor.dims, default=0) < 0:
            raise FileError(f"has the shape {tuple(tensor.dims)}, with a negative axis")
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            self._read_external(tensor)
        return self.onnx.numpy_helper.to_array(tensor).astype(dtype, copy=False)  # bfloat16, too

    def _read_external(self, tensor: Any) -> None:
        """Read the bytes of a tensor from another file in the model's folder into the tensor."""
        (location,) = [entry.value for entry in tensor.external_data if entry.key == "location"]
        file = (self.folder / location).resolve()
        if not file.is_relative_to(self.folder.resolve()):
            raise FileError(f"lies in {location!r}, which is not a file in the model's folder")
        self.onnx.external_data_helper.load_external_data_for_tensor(tensor, str(self.folder))
        self.external[file] += len(tensor.raw_data)
        if self.external[file] > file.stat().st_size:
            raise FileError(f"needs more bytes of {location!r} than earlier tensors left")
        tensor.data_location = self.onnx.TensorProto.DEFAULT


def plain(name: str, most: int = 100) -> str:
    """A name from a file made safe to print: short, and without control characters."""
    text = str(name)  # one that is not text is given as bytes
    return (text if text.isprintable() else repr(text)[1:-1])[:most]


NUMBERING = "0123456789._-: "
"""Characters at the end of a module's name that number similar blocks."""


def modules_of(name: str) -> list[str]:
    """The modules around a node, the network first, by the name that an exporter gives it. A module whose name is a
    number, such as a part of a Sequential, is labelled by its first operator.

    >>> modules_of("/layer1/layer1.0/conv1/Conv")
    ['', 'layer1', 'layer1.0', 'layer1.0.conv1']
    """
    paths = [""]
    for part in [part for part in name[:1000].split("/") if part][:-1][:DEEPEST]:
        before = paths[-1]
        paths.append(part if not before or part.startswith(f"{before}.") else f"{before}.{part}")
    return paths


def shape_text(shape: tuple[int | str, ...]) -> str:
    """A declared shape as text.

    >>> shape_text(("batch", 3, ""))
    '(batch, 3, ?)'
    """
    return f"({', '.join(plain(str(n)) if n != '' else '?' for n in shape)}{',' * (len(shape) == 1)})"
