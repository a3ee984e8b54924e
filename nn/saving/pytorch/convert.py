"""`from_torch`: a module of PyTorch as a Module of ``nn``, through the graph that ``torch.export`` gives."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from glassgrad.autograd import Tensor, asarray, no_grad
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError, ShapeError
from glassgrad.autograd.functions.transforms import gradients_at
from glassgrad.nn.errors import ConversionError
from glassgrad.nn.init import generator
from glassgrad.nn.modules.module import KEPT, Module, Parameter, _found
from glassgrad.nn.saving.onnx.model import taken
from glassgrad.nn.saving.onnx.read import Input
from glassgrad.nn.saving.onnx.steps import within
from glassgrad.nn.saving.onnx.table import cast
from glassgrad.nn.saving.pytorch import operators as aten

if TYPE_CHECKING:
    import torch


FIXED = (
    " Another length takes an axis that is named in dynamic_axes of from_torch (by default the batch), that the module "
    "does not fix, and that is longer than 1 in the example."
)


class Part(Module):
    """A module inside a converted one: parameters, buffers and further parts under PyTorch's names."""

    def arguments(self) -> None:
        """``None``: `from_torch` makes it, and no constructor."""


class Converted(Part):
    """A module of PyTorch as a Module of ``nn``, made by `from_torch`.

    Parameters and buffers have PyTorch's names, and pictures show PyTorch's modules. ``train()`` turns dropout and the
    statistics of batches on, ``eval()`` off, for the whole network.
    """

    _computed: Callable[..., Sequence[Any]]  # the outputs: a function of the module and of the values of the graph
    _inputs: tuple[Input, ...]
    _state: Mapping[str, str]  # the paths of parameters and buffers
    _constants: Mapping[str, Any]
    _lost: tuple[str, ...] = ()  # operations of training mode that PyTorch's decompositions left out

    def forward(self, *inputs: Any) -> Any:
        """Compute the outputs of the PyTorch module, for inputs of the shapes of the examples.

        The batch, or the axes named in ``dynamic_axes``, may have another length, unless the module fixed them. Raises
        `autograd.errors.ShapeError` and `autograd.errors.DTypeError` for inputs that do not fit.
        """
        if self.training and self._lost:
            raise DomainError(
                f"{type(self).__name__} was followed in evaluation mode, in which PyTorch leaves out its "
                f"{', '.join(self._lost)} where it writes other operations as simpler ones: call eval() first."
            )
        if len(inputs) != len(self._inputs):
            names = ", ".join(declared.name for declared in self._inputs)
            raise ShapeError(
                f"{type(self).__name__} takes {len(self._inputs)} inputs ({names}); it was given {len(inputs)}."
            )
        values = {i.name: taken(i, asarray(x), FIXED) for i, x in zip(self._inputs, inputs, strict=True)}
        values |= {name: _found(self, path) for name, path in self._state.items()}
        out = self._computed(None, self, **values, **self._constants)
        return out[0] if len(out) == 1 else tuple(out)


def _typed(out: Any, dtypes: Any) -> Any:
    """The result of a row in PyTorch's dtype."""
    if isinstance(dtypes, tuple):
        return tuple(map(_typed, out, dtypes))
    return cast(out, dtypes) if dtypes and isinstance(out, Tensor) else out


# ----------------------------------------------------------------------------------------------------------- conversion


def from_torch(module: torch.nn.Module, *examples: Any, dynamic_axes: Iterable[int] = (0,), seed: int = 0) -> Converted:
    """Return a module of PyTorch as a Module of ``nn``, with its weights, names and nested modules.

    The result supports all that a network of ``nn`` does: gradients of any order, pictures, step-through pages,
    ``ag.compile``, training, `nn.save`. Values and gradients equal PyTorch's up to rounding.

    Args:
        module: a ``torch.nn.Module`` that ``torch.export`` can follow: its graph may not depend on values.
        examples: inputs, tensors of PyTorch or arrays. Axes of length 1 become fixed, apart from a batch of 1, axis 0
            of every input: the module is then followed with each example twice, if it allows that.
        dynamic_axes: axes of the inputs whose lengths may differ from the examples', by default the batch alone:
            following a module for other axes takes PyTorch longer, up to minutes, and not every module allows it.
        seed: of the masks of dropout, in training mode.

    The result is in the mode, training or evaluation, in which ``module`` is. Weights are copied. Raises
    `nn.errors.ConversionError` if PyTorch can't export the module, for operations without a row in
    ``nn/saving/pytorch/operators.py``, all of which it names, if the outputs are not PyTorch's, and if hooks or a
    backward of one's own change gradients; `autograd.errors.DTypeError` for anything but a module of PyTorch.

        >>> import torch                                                                            # doctest: +SKIP
        >>> from glassgrad import nn                                                                # doctest: +SKIP
        >>> net = nn.from_torch(torchvision.models.resnet18(), torch.zeros(2, 3, 64, 64))           # doctest: +SKIP
        >>> viz.draw_graph(net(x).sum())                                                            # doctest: +SKIP
    """
    torch = sys.modules.get("torch")  # a caller who has a module has imported torch
    if torch is None or not isinstance(module, torch.nn.Module):
        raise DTypeError(f"from_torch takes a torch.nn.Module; it was given {of_type(module)}.")
    arrays = (x.data if isinstance(x, Tensor) else x for x in examples)
    inputs = tuple(torch.as_tensor(x).clone() for x in arrays)  # apart
    axes, log = tuple(dynamic_axes), logging.getLogger("torch._subclasses.fake_tensor")
    ways = [(inputs, axes), (inputs, ())]  # where PyTorch can't follow it for any lengths, those of the inputs alone
    if 0 in axes and inputs and all(x.shape[:1] == (1,) for x in inputs):  # PyTorch fixes a batch of 1
        ways.insert(0, (tuple(torch.cat([x, x]) for x in inputs), axes))
    with warnings.catch_warnings(), _set("disabled", True, log):  # what it says of modules that it can't follow
        warnings.simplefilter("ignore")  # PyTorch's warnings about itself
        for given, variable in ways:
            try:
                return _followed(torch, module, given, inputs, variable, seed)
            except Exception as error:  # of any class, as the module may be anyone's
                refused = error
    if isinstance(refused, AutogradError):
        raise refused
    why = f"{type(refused).__name__}: {refused}".partition("\n")[0].rstrip(".")
    raise ConversionError(
        f"PyTorch can't export {type(module).__name__}: {why}. The graph of the module may not depend on values, and "
        "the examples must be the positional arguments of its forward."
    ) from refused


@contextmanager
def _set(attribute: str, value: Any, *things: Any) -> Iterator[None]:
    """Give things an attribute, and then their own values of it again."""
    before = [getattr(thing, attribute) for thing in things]
    try:
        for thing in things:
            setattr(thing, attribute, value)
        yield
    finally:
        for thing, own in zip(things, before, strict=True):
            setattr(thing, attribute, own)


def _followed(torch: Any, module: Any, examples: Any, inputs: Any, axes: tuple[int, ...], seed: int) -> Converted:
    """The module followed with ``examples``, and compared with PyTorch for random inputs like ``inputs``, or for these.

    Where something is changed in place, the change may also be seen through a view: then PyTorch writes the graph
    without such changes.
    """
    draw = torch.Generator().manual_seed(0)
    others = [torch.randn(x.shape, generator=draw).to(x) if x.is_floating_point() else x for x in inputs]
    for functional in (False, True):
        net = _converted(*_program(torch, module, examples, axes, functional), module, seed)
        try:
            why = _difference(torch, module, net, others)
        except Exception:  # of any class, as the module may refuse random inputs
            why = _difference(torch, module, net, inputs)
        if not why:
            return net
    raise ConversionError(f"{type(module).__name__} {why}")


def _difference(torch: Any, module: Any, net: Converted, inputs: Iterable[Any]) -> str:
    """How results of ``net`` differ from PyTorch's in evaluation mode, ``""`` where they are equal up to rounding.

    Gradients are compared where something changes them on their way back, such as a ``torch.autograd.Function``, whose
    backward may be right and only save memory.
    """
    given = [x.detach().clone().requires_grad_(x.is_floating_point()) for x in inputs]
    x = [Tensor(_numpy(x), requires_grad=x.requires_grad) for x in given]
    parts, tree, names = (*module.modules(), *net.modules()), torch.utils._pytree, dict[str, None]()
    with _set("training", False, *parts), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        with _watch(torch, names):
            wanted = tree.tree_leaves(tree.tree_map_only(torch.Tensor, torch.clone, module(*map(torch.clone, given))))
        with nullcontext() if names else no_grad():
            found = tree.tree_leaves(net(*x))
    pairs = [(a, b) for a, b in zip(wanted, found, strict=False) if isinstance(a, torch.Tensor)]
    if len(wanted) != len(found) or not all(a.shape == b.shape and _close(a, b) for a, b in pairs):
        return "has other outputs here than in PyTorch: its graph depends on values, or changes them in an unusual way."
    if not names:
        return ""
    draw = torch.Generator().manual_seed(0)
    outputs = [(a, b, torch.randn(a.shape, generator=draw).to(a)) for a, b in pairs if a.requires_grad]
    of, to = ([t for t in (*i, *m.parameters()) if t.requires_grad] for i, m in ((given, module), (x, net)))
    theirs = torch.autograd.grad([a for a, _, _ in outputs], of, [seed for _, _, seed in outputs], allow_unused=True)
    mine = gradients_at([b for _, b, _ in outputs], to, [_numpy(seed) for _, _, seed in outputs], False)
    if all(_close(a, b) for a, b in zip(theirs, mine, strict=True)):
        return ""
    return (
        f"has gradients of its own, which its graph loses: those of {', '.join(names)} are not the derivatives of what "
        "is computed. Write it as a module of nn, with your own operation."
    )


def _watch(torch: Any, names: dict[str, None]) -> Any:
    """A mode of PyTorch in which ``names`` gets what changes gradients on their way back: classes of
    ``torch.autograd.Function`` whose results are used, hooks, and writes under ``no_grad`` to what has a gradient.
    """

    class Watch(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any, kwargs: Any = None) -> Any:
            before = [
                (x, x.grad_fn, x.is_inference() or x._version)
                for x in torch.utils._pytree.tree_leaves((args, kwargs))
                if isinstance(x, torch.Tensor)
            ]
            out = function(*args, **kwargs or {})
            for x, node, version in before:
                if isinstance(node, torch.autograd.function.BackwardCFunction):
                    names[type(node).__name__.removesuffix("Backward")] = None
                if x._backward_hooks:
                    names["a hook"] = None
                if x.is_inference() or (x._version > version and not torch.is_grad_enabled()):
                    names[f"{function.__name__} under no_grad"] = None
            return out

    return Watch()


def _close(theirs: Any, ours: Tensor | None) -> bool:
    """Whether two arrays are equal up to rounding, which is anything in half precision; ``None`` is a gradient of 0."""
    a, b = (0.0 if g is None else _numpy(g) if g is theirs else g.data for g in (theirs, ours))
    is_half = theirs is not None and theirs.is_floating_point() and theirs.element_size() < 4
    most = 1e-3 * float(NUMPY.abs(NUMPY.nan_to_num(a, posinf=0.0, neginf=0.0)).max(initial=0.0))
    return is_half or bool(NUMPY.allclose(a, b, rtol=1e-3, atol=most, equal_nan=True))


def _program(
    torch: Any, module: Any, inputs: tuple[Any, ...], axes: tuple[int, ...], functional: bool
) -> tuple[Any, tuple[str, ...]]:
    """The exported program of ``module`` in evaluation mode, with only operations that have a row.

    It is for any length of the ``axes``. Also the names of operations that do something in training mode, and were lost
    when others were decomposed. ``functional``: nothing is changed in place.
    """
    # PyTorch fixes sides of length 0 or 1 in any case, and would warn of each that is declared as variable.
    variable = [{a: torch.export.Dim.AUTO for a in axes if a < x.ndim and x.shape[a] > 1} for x in inputs]
    by_argument = inspect.signature(module.forward).bind(*variable).arguments  # those of *xs are one tuple
    rules, unknown = torch.export.default_decompositions(), set[str]()
    with _set("training", False, *module.modules()):
        program = torch.export.export(module, inputs, dynamic_shapes=tuple(by_argument.values()) or None)
        names = [str(_name(node.target)) for node in _calls(program)]
        _detach(torch, program.graph)
        if functional:
            program = program.run_decompositions({})
        while (left := _unknown(program)) and left != unknown:
            unknown = left
            program = program.run_decompositions({op: rule for op, rule in rules.items() if _name(op) in unknown})
    if any(getattr(x, "requires_grad", False) for x in program.constants.values()):
        raise ConversionError(
            f"{type(module).__name__} computes with a tensor that requires grad and is none of its parameters, such as "
            "one kept from an earlier call: its gradient would be lost. Clear what it keeps (its train() may do so), "
            "or make it a parameter."
        )
    if left:
        raise ConversionError(
            f"{type(module).__name__} uses operations that nn does not convert: {', '.join(sorted(left))}. Replace "
            "them in the module, or add a row for each to nn/saving/pytorch/operators.py."
        )
    # Decomposed in evaluation mode, dropouts are gone.
    return program, tuple(dict.fromkeys(n for n in names if "drop" in n)) if functional or unknown else ()


def _detach(torch: Any, graph: Any) -> None:
    """Detach what the module computes under ``no_grad``, which is lost when the graph is decomposed. Each ``detach`` is
    a copy: PyTorch would also detach what is written into a view.
    """
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.detach.default):
        node.target = torch.ops.aten.detach_copy.default
    for node in graph.find_nodes(op="call_function", target=torch.ops.higher_order.wrap_with_set_grad_enabled):
        for out in () if node.args[0] else [*node.users]:
            with graph.inserting_after(out):
                detached = graph.call_function(torch.ops.aten.detach_copy.default, (out,))
            detached.meta = dict(out.meta)
            out.replace_all_uses_with(detached, lambda user, new=detached: user is not new)


def _name(target: Any) -> str | None:
    """``add`` for ``aten.add.Tensor`` and ``aten.add_.Tensor``; ``None`` for functions of Python."""
    schema = getattr(target, "_schema", None)
    if schema is None:
        return None
    space, _, name = schema.name.partition("::")
    name = name.rstrip("_") if name != "_" else name
    if schema.overload_name == "dtype" and name != "to":  # a result of another dtype, or other bits
        name += ".dtype"
    return str(name) if space == "aten" else f"{space}.{name}"


IDLE = re.compile(r"_assert|sym_constrain|_assert_tensor_metadata")


def _calls(program: Any) -> Iterator[Any]:
    """The calls of the graph that compute something."""
    for node in program.graph.nodes:
        if node.op == "call_function" and not IDLE.search(str(_name(node.target) or "")):
            yield node


def _row(node: Any) -> Any:
    """The function that computes a call, ``None`` where there is none."""
    name = _name(node.target)
    if name is None:
        return node.target if node.target.__module__ in aten.PYTHON else None
    return aten.STATEFUL.get(name) or aten.ROWS.get(name)


def _unknown(program: Any) -> set[str]:
    targets = [node.target for node in _calls(program) if _row(node) is None]
    return {str(_name(target) or getattr(target, "__name__", target)) for target in targets}


def _is_inplace(node: Any) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.name.endswith("_") and not schema.name.endswith("__")


def _converted(program: Any, lost: tuple[str, ...], module: Any, seed: int) -> Converted:
    """The Module that runs an exported program."""
    signature = program.graph_signature
    parameters, buffers = signature.inputs_to_parameters, signature.inputs_to_buffers
    constants = signature.inputs_to_lifted_tensor_constants
    net: Converted = type(type(module).__name__, (Converted,), {"__doc__": Converted.__doc__})()
    _add_parts(net, module)
    state, values, inputs = {}, {}, []
    for node in program.graph.find_nodes(op="placeholder"):
        if node.name in parameters | buffers:
            path = (parameters | buffers)[node.name]
            if path not in program.state_dict:
                values[node.target] = Tensor(_numpy(program.constants[path]))
            else:
                state[node.target] = path
        elif node.name in constants:
            values[node.target] = Tensor(_numpy(program.constants[constants[node.name]]))
        else:
            shape = tuple(int(str(n)) if str(n).isdigit() else "any" for n in node.meta["val"].shape)  # else a symbol
            inputs.append(Input(node.target, _dtype(node.meta["val"].dtype), shape))
    written = [node.args[0].target for node in _calls(program) if _is_inplace(node)]
    if changed := [*signature.buffers_to_mutate.values(), *(path for name, path in state.items() if name in written)]:
        raise ConversionError(
            f"{type(module).__name__} changes its buffers {', '.join(changed)} in evaluation mode, which is not "
            "converted: change them in training mode only."
        )
    net._state, net._constants, net._inputs, net._lost = state, values, tuple(inputs), lost
    net._computed = _function(program)
    net.generator = generator(seed)
    return net


def _add_parts(net: Module, module: Any) -> None:
    """Add the parameters, buffers, modules and modes of ``module`` to ``net``; what is there twice stays one."""
    made: dict[int, Any] = {id(module): net}
    parts = {"": net}
    for path, inner in module.named_modules(remove_duplicate=False):
        if path:
            owner, _, name = path.rpartition(".")
            parts[path] = made.setdefault(id(inner), type(type(inner).__name__, (Part,), {})())
            setattr(parts[owner], name, parts[path])
        part = parts[path]
        part.training = inner.training
        for name, p in inner.named_parameters(recurse=False, remove_duplicate=False):
            if id(p) not in made:
                made[id(p)] = Parameter(_numpy(p), p.requires_grad, dtype=_dtype(p.dtype))
            setattr(part, name, made[id(p)])
        for name, b in inner.named_buffers(recurse=False, remove_duplicate=False):
            if name != "num_batches_tracked" and name not in inner._non_persistent_buffers_set:
                part.register_buffer(name, Tensor(_numpy(b)))


def _dtype(dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.")
    return "float32" if name == "bfloat16" else name


def _numpy(x: Any) -> Any:
    x = x.detach().cpu()
    return (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy().copy()


def _function(program: Any) -> Callable[..., Sequence[Any]]:
    """The function of the graph, each of whose calls is a row, as Python that PyTorch writes."""
    from torch.fx.graph import CodeGen

    graph, calls = program.graph, dict.fromkeys(_calls(program))
    graph.set_codegen(CodeGen())
    with graph.inserting_before():
        network = graph.placeholder("_network")
    order = {node: i for i, node in enumerate(graph.nodes)}
    for node in reversed(graph.nodes):
        if node.op == "call_function" and node not in calls:  # an assertion
            graph.erase_node(node)
    for node in calls:
        name, before = _name(node.target), node.args[:1] if _is_inplace(node) else ()
        scopes = tuple(_scopes(node.meta.get("nn_module_stack") or {}))
        where = f"{name or node.target}{f' of {scopes[-1][0]}' if scopes else ''}"
        args, kwargs = _arguments(node)
        node.target = _step(_row(node), name in aten.STATEFUL, _dtypes(node.meta.get("val")), scopes, where)
        node.args, node.kwargs = (network, *args), kwargs
        for changed in before:
            changed.replace_all_uses_with(node, lambda user, now=order[node]: order[user] > now)
    code = graph.python_code("self")
    values = dict(code.globals)
    exec(code.src, values)
    return values["forward"]  # type: ignore[no-any-return]


def _step(row: Any, is_stateful: bool, dtypes: Any, scopes: tuple[tuple[str, str], ...], where: str) -> Any:
    """A call of a row inside its modules, each a path and a class, outermost first. ``where`` is for errors.

    ``dtypes``: that of the result, a tuple of these for several, ``None`` for what is no array.
    """

    def step(network: Converted, *args: Any, **kwargs: Any) -> Any:
        try:
            with within(scopes):
                out = _typed(row(*((network,) if is_stateful else ()), *args, **kwargs), dtypes)
        except AutogradError as error:
            error.add_note(f"in {where}")
            raise
        if (keep := KEPT.get()) is not None:  # for `nn.activations`: the last result inside of a module is its output
            for path, _ in reversed(scopes):
                keep(network, out, path)
        return out

    return step


def _arguments(node: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call as its row takes them, by ATen's names of them; see `operators.NAMES`."""
    schema = getattr(node.target, "_schema", None)
    names = [a.name for a in schema.arguments] if schema is not None else [""] * len(node.args)
    args, named = [], {}
    for name, value in (*zip(names, node.args, strict=False), *node.kwargs.items()):
        value = _tuples(value)
        if name == "reduction":
            value = aten.REDUCTIONS[value]
        if name in aten.NAMES and value not in (None, ()):
            named[aten.NAMES[name]] = value
        elif name not in aten.NAMES and name not in aten.IGNORED:
            if name in node.kwargs:
                named[name] = value
            else:
                args.append(value)
    return tuple(args), named


def _dtypes(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_dtypes, value))
    return _dtype(value.dtype) if hasattr(value, "dtype") else None


def _scopes(stack: Mapping[str, tuple[str, Any]]) -> Iterable[tuple[str, str]]:
    """Path and class of the modules around a call, without the outermost, which calls itself."""
    for path, kind in stack.values():
        path = re.sub(r"@\d+", "", path)
        if path and not path.startswith("_empty"):
            yield path, str(kind).rsplit(".", 1)[-1].rstrip("'>")


def _tuples(value: Any) -> Any:
    """An argument of a call, with tuples for lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
