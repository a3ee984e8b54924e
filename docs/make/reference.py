"""The pages of the reference: which public name stands on which page, and each page as Markdown for mkdocstrings."""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any, TypeVar

from docs.make.pages import Page
from glassgrad import autograd


@dataclass(frozen=True)
class Chapter:
    """A page of the reference: the names of ``module`` that are defined in one of the modules ``places``.

    A place that ends in a name, such as ``autograd.engine.tensor:Tensor``, takes that name alone.
    """

    path: str
    title: str
    description: str
    module: str
    places: tuple[str, ...]


CHAPTERS = (
    Chapter(
        "tensor",
        "Tensor",
        "The Tensor: an array that remembers how it was computed, with its attributes, operators and methods.",
        "glassgrad.autograd",
        ("autograd.engine.tensor:Tensor",),
    ),
    Chapter(
        "derivatives",
        "Derivatives and the graph",
        "grad, vjp, jvp, jacobian, hessian, hvp, gradients, no_grad, detect_anomaly, profile, Graph and Node.",
        "glassgrad.autograd",
        (
            "glassgrad.autograd.functions.transforms",
            "glassgrad.autograd.functions.gradients",
            "glassgrad.autograd.engine.backward",
            "glassgrad.autograd.engine.modes",
            "glassgrad.autograd.engine.anomaly",
            "glassgrad.autograd.engine.graph",
            "autograd.engine.declare.profile:profile",
            "autograd.functions.elementwise:stop_gradient",
        ),
    ),
    Chapter(
        "operation",
        "Declaring an operation",
        "op, Op and OPS: how an operation states its value and its derivative once.",
        "glassgrad.autograd",
        ("glassgrad.autograd.engine.declare.operation", ":OPS"),
    ),
    Chapter(
        "elementwise",
        "Elementwise functions",
        "Arithmetic, powers, exponentials, trigonometry, activations, comparisons, special functions.",
        "glassgrad.autograd",
        (
            "glassgrad.autograd.ops.elementwise",
            "glassgrad.autograd.ops.special",
            "glassgrad.autograd.functions.elementwise",
        ),
    ),
    Chapter(
        "reductions",
        "Reductions, sorting and searching",
        "sum, mean, max, cumulative_sum, sort, argmax, unique and the like, along axes.",
        "glassgrad.autograd",
        (
            "glassgrad.autograd.ops.reductions",
            "glassgrad.autograd.ops.searching",
            "glassgrad.autograd.functions.sorting",
            "autograd.ops.indexing:argsort",
        ),
    ),
    Chapter(
        "arrays",
        "Creation, shapes and indices",
        "zeros, arange, asarray, reshape, concat, pad, take, broadcasting and indexing.",
        "glassgrad.autograd",
        (
            "glassgrad.autograd.functions.creation",
            "glassgrad.autograd.functions.conversion",
            "glassgrad.autograd.engine.tensor",
            "glassgrad.autograd.ops.shaping",
            *("glassgrad.autograd.functions.shaping", "glassgrad.autograd.ops.indexing", ":newaxis"),
        ),
    ),
    Chapter(
        "products",
        "Products of matrices and tensors",
        "matmul, einsum, tensordot, vecdot, outer and the linear map of a layer.",
        "glassgrad.autograd",
        ("glassgrad.autograd.ops.linalg", "glassgrad.autograd.functions.products"),
    ),
    Chapter(
        "networks",
        "Softmax, losses, convolution, pooling",
        "The operations behind layers: softmax, cross_entropy, conv, max_pool, unfold, one_hot, scan_packed.",
        "glassgrad.autograd",
        ("glassgrad.autograd.ops.nnet", "glassgrad.autograd.ops.windows", "glassgrad.autograd.ops.loops.scan"),
    ),
    Chapter(
        "dtypes",
        "Dtypes, devices, constants",
        "float32, float64, integers, finfo, result_type, devices, pi, e, inf, nan.",
        "glassgrad.autograd",
        (
            *("glassgrad.autograd.functions.dtypes", "glassgrad.autograd.backends.lookup"),
            *(f":{name}" for name in ("bool", "complex64", "complex128", "float32", "float64")),
            *(f":{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
            *(f":{name}" for name in ("e", "inf", "nan", "pi", "__array_api_version__", "__array_namespace_info__")),
        ),
    ),
    Chapter(
        "linalg",
        "glassgrad.autograd.linalg",
        "Determinants, inverses, factorizations and norms.",
        "glassgrad.autograd.linalg",
        ("",),
    ),
    Chapter(
        "random", "glassgrad.autograd.random", "Random draws that a graph records.", "glassgrad.autograd.random", ("",)
    ),
    Chapter(
        "trees",
        "glassgrad.autograd.trees",
        "Nested dicts, lists and dataclasses of Tensors.",
        "glassgrad.autograd.trees",
        ("",),
    ),
    Chapter(
        "compile",
        "Compiling",
        "compile, loop, trace, Program and scan: a training step as a flat program that can be read.",
        "glassgrad.autograd",
        ("glassgrad.autograd.compiler",),
    ),
    Chapter(
        "compiler",
        "glassgrad.autograd.compiler",
        "Compiled functions, and programs from JSON: read, checked, interpreted.",
        "glassgrad.autograd.compiler",
        ("",),
    ),
    Chapter(
        "testing",
        "glassgrad.autograd.testing",
        "gradcheck, assert_rule, check_grad and the tools that find a wrong derivative.",
        "glassgrad.autograd.testing",
        ("",),
    ),
    Chapter(
        "errors",
        "glassgrad.autograd.errors",
        "Every exception, and the builtin that it is.",
        "glassgrad.autograd.errors",
        ("",),
    ),
    Chapter(
        "modules",
        "Modules and containers",
        "Module, Parameter, Sequential, ModuleList, ModuleDict, Residual, MLP.",
        "glassgrad.nn",
        ("glassgrad.nn.modules.module", "glassgrad.nn.modules.containers", "glassgrad.nn.models.mlp"),
    ),
    Chapter(
        "layers",
        "Layers and losses",
        "Linear, convolutions, pooling, normalization, recurrent, attention, dropout, activations, losses.",
        "glassgrad.nn",
        ("glassgrad.nn.modules",),
    ),
    Chapter(
        "functional", "glassgrad.nn.functional", "Layers and losses as functions.", "glassgrad.nn.functional", ("",)
    ),
    Chapter("init", "glassgrad.nn.init", "Weight initialisers under PyTorch's names.", "glassgrad.nn.init", ("",)),
    Chapter(
        "optim", "glassgrad.nn.optim", "SGD, Adam, AdamW, RMSprop and gradient clipping.", "glassgrad.nn.optim", ("",)
    ),
    Chapter(
        "schedules",
        "glassgrad.nn.optim.lr_scheduler",
        "Schedules of the learning rate.",
        "glassgrad.nn.optim.lr_scheduler",
        ("",),
    ),
    Chapter(
        "training",
        "Training",
        "fit, evaluate, History: training with validation and early stopping.",
        "glassgrad.nn",
        ("glassgrad.nn.training",),
    ),
    Chapter(
        "data",
        "glassgrad.nn.data",
        "Digits, text, minibatches and random changes of images.",
        "glassgrad.nn.data",
        ("",),
    ),
    Chapter(
        "models",
        "glassgrad.nn.models",
        "LeNet-5, AlexNet, VGG, GoogLeNet, ResNet, Transformers.",
        "glassgrad.nn.models",
        ("",),
    ),
    Chapter(
        "saving",
        "Files and other frameworks",
        "save, load, load_onnx, save_onnx, from_torch: networks in and out.",
        "glassgrad.nn",
        ("glassgrad.nn.saving", "glassgrad.nn.saving.onnx", "glassgrad.nn.saving.pytorch"),
    ),
    Chapter(
        "search",
        "glassgrad.nn.tuning",
        "Search for depth, widths and rates of a network.",
        "glassgrad.nn.tuning",
        ("",),
    ),
    Chapter(
        "parallel", "glassgrad.nn.parallel", "Training by several processes over MPI.", "glassgrad.nn.parallel", ("",)
    ),
    Chapter(
        "glassgrad.viz",
        "glassgrad.viz",
        "draw_graph, draw_network, draw_model, explain, step_through, saliency: what a graph shows.",
        "glassgrad.viz",
        ("",),
    ),
)
"""In the order of the site. The first that takes a name has it."""


def names(module: ModuleType) -> list[str]:
    """The public names of a module: ``__all__``, else the functions and classes that it defines.

    Those of `autograd` that are imported when they are first used, as ``compile``, are not in its ``__all__``.
    """
    listed = getattr(module, "__all__", None)
    if listed is None:
        return [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
            and not isinstance(value, TypeVar)
        ]
    if module is not autograd:
        return list(listed)
    compiler = vars(importlib.import_module("glassgrad.autograd.compiler"))
    return [*listed, *(name for name in compiler["__all__"] if getattr(autograd, name, None) is compiler[name])]


def place(value: Any) -> str:
    """The module that defines a value; '' for a constant."""
    found = getattr(value, "__module__", None)
    return found if isinstance(found, str) else ""


def takes(page: Chapter, name: str, value: Any) -> bool:
    """Whether a page has a place for a name of its module."""
    if f"{place(value)}:{name}" in page.places:
        return True
    inside = [f"{module}." for module in page.places if module and ":" not in module]
    return not inspect.ismodule(value) and ("" in page.places or f"{place(value)}.".startswith(tuple(inside)))


@cache
def members() -> dict[Chapter, list[str]]:
    """The public names on each page."""
    found: dict[Chapter, list[str]] = {page: [] for page in CHAPTERS}
    elsewhere: list[tuple[Chapter, str, Any]] = []
    for module_name in dict.fromkeys(page.module for page in CHAPTERS):
        module = importlib.import_module(module_name)
        for name in names(module):
            value = getattr(module, name)
            page = next((p for p in CHAPTERS if p.module == module_name and takes(p, name, value)), None)
            if page is not None:
                found[page].append(name)
            elif not inspect.ismodule(value):
                last = [chapter for chapter in CHAPTERS if chapter.module == module_name][-1]
                elsewhere.append((last, name, value))
    documented = {id(getattr(sys.modules[page.module], name)) for page, its in found.items() for name in its}
    for last, name, value in elsewhere:  # what has no place yet stands on the last page of its module
        if id(value) not in documented:
            found[last].append(name)
    return found


def markdown(chapter: Chapter) -> str:
    """The source of a page."""
    its_names = members()[chapter]
    module = sys.modules[chapter.module]
    whole = chapter.places == ("",)
    summary = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ") if whole else chapter.description
    links = " · ".join(f"[`{name}`][{chapter.module}.{name}]" for name in sorted(its_names, key=str.lower))
    return "\n".join(
        [
            f"# {chapter.title}\n",
            f"{summary}\n",
            f"{links}\n",
            *(f"::: {chapter.module}.{name}\n" for name in its_names),
        ]
    )


PAGES = tuple(Page(f"reference/{c.path}.md", c.title, c.description, partial(markdown, c)) for c in CHAPTERS)
