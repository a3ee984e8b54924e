"""The pages of the reference: which public name stands on which page, and each page as Markdown for mkdocstrings."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any, TypeVar

from docs.make.pages import Page
from glassgrad import autograd


@dataclass(frozen=True)
class Chapter:
    """A page of the reference: the public names of the module ``inside`` that are defined in one of ``places``.

    Both are written without ``glassgrad.``. A place that ends in a name, such as ``autograd.engine.tensor:Tensor``,
    takes that name alone; the place "" takes all.
    """

    path: str
    title: str
    description: str
    inside: str
    places: tuple[str, ...]

    @property
    def module(self) -> ModuleType:
        """The module whose names are shown."""
        return importlib.import_module(f"glassgrad.{self.inside}")

    @property
    def heading(self) -> str:
        """The title; the full name where the page is that of one module."""
        return self.module.__name__ if self.title == self.inside else self.title


CHAPTERS = (
    Chapter(
        "tensor",
        "Tensor",
        "The Tensor: an array that remembers how it was computed, with its attributes, operators and methods.",
        "autograd",
        ("autograd.engine.tensor:Tensor",),
    ),
    Chapter(
        "derivatives",
        "Derivatives and the graph",
        "grad, vjp, jvp, vmap, jacobian, hessian, jet, gradients, no_grad, detect_anomaly, profile, Graph and Node.",
        "autograd",
        (
            *("autograd.functions.transforms", "autograd.engine.backward"),
            *("autograd.engine.modes", "autograd.engine.observers.anomaly", "autograd.engine.graph"),
            "autograd.engine.observers.profile:profile",
            "autograd.functions.elementwise:stop_gradient",
            *("autograd.readings.forward:jvp", "autograd.readings.batches:vmap", "autograd.readings.jacobians"),
            *("autograd.readings.patterns:sparse_jacobian", "autograd.readings.patterns:sparse_hessian"),
            "autograd.readings.series:jet",
        ),
    ),
    Chapter(
        "operation",
        "Declaring an operation",
        "op, Op and OPS: how an operation states its value and its derivative once.",
        "autograd",
        ("autograd.engine.operation", ":OPS"),
    ),
    Chapter(
        "elementwise",
        "Elementwise functions",
        "Arithmetic, powers, exponentials, trigonometry, activations, comparisons, special functions.",
        "autograd",
        ("autograd.ops.elementwise", "autograd.ops.special", "autograd.functions.elementwise"),
    ),
    Chapter(
        "reductions",
        "Reductions, sorting and searching",
        "sum, mean, max, cumulative_sum, sort, argmax, unique and the like, along axes.",
        "autograd",
        (
            *("autograd.ops.reductions", "autograd.ops.searching", "autograd.functions.sorting"),
            "autograd.ops.indexing:argsort",
        ),
    ),
    Chapter(
        "arrays",
        "Creation, shapes and indices",
        "zeros, arange, asarray, reshape, concat, pad, take, broadcasting and indexing.",
        "autograd",
        (
            *(
                "autograd.functions.creation",
                "autograd.functions.conversion",
                "autograd.engine.tensor",
                "autograd.ops.shaping",
            ),
            *("autograd.functions.shaping", "autograd.ops.indexing", ":newaxis"),
        ),
    ),
    Chapter(
        "products",
        "Products of matrices and tensors",
        "matmul, einsum, tensordot, vecdot, outer and the linear map of a layer.",
        "autograd",
        ("autograd.ops.linalg", "autograd.functions.products"),
    ),
    Chapter(
        "networks",
        "Softmax, losses, convolution, pooling",
        "The operations behind layers: softmax, cross_entropy, conv, max_pool, unfold, one_hot, scan_packed.",
        "autograd",
        ("autograd.ops.nnet", "autograd.ops.windows", "autograd.ops.loops.scan"),
    ),
    Chapter(
        "dtypes",
        "Dtypes, devices, constants",
        "float32, float64, integers, finfo, result_type, devices, pi, e, inf, nan.",
        "autograd",
        (
            *("autograd.functions.dtypes", "autograd.backends"),
            *(f":{name}" for name in ("bool", "complex64", "complex128", "float32", "float64")),
            *(f":{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
            *(f":{name}" for name in ("e", "inf", "nan", "pi", "__array_api_version__")),
        ),
    ),
    Chapter("fft", "autograd.fft", "Fourier transforms.", "autograd.fft", ("",)),
    Chapter("linalg", "autograd.linalg", "Determinants, inverses, factorizations and norms.", "autograd.linalg", ("",)),
    Chapter("random", "autograd.random", "Random draws that a graph records.", "autograd.random", ("",)),
    Chapter("trees", "autograd.trees", "Nested dicts, lists and dataclasses of Tensors.", "autograd.trees", ("",)),
    Chapter(
        "compile",
        "Compiling",
        "compile, loop, trace, Program and scan: a training step as a flat program that can be read.",
        "autograd",
        ("autograd.compiler",),
    ),
    Chapter(
        "compiler",
        "autograd.compiler",
        "Compiled functions, and programs from JSON: read, checked, interpreted.",
        "autograd.compiler",
        ("",),
    ),
    Chapter(
        "testing",
        "autograd.testing",
        "gradcheck, assert_rule, check_grad and the tools that find a wrong derivative.",
        "autograd.testing",
        ("",),
    ),
    Chapter("errors", "autograd.errors", "Every exception, and the builtin that it is.", "autograd.errors", ("",)),
    Chapter(
        "modules",
        "Modules and containers",
        "Module, Parameter, Sequential, ModuleList, ModuleDict, Residual, MLP.",
        "nn",
        ("nn.modules.module", "nn.modules.containers", "nn.models.mlp"),
    ),
    Chapter(
        "layers",
        "Layers and losses",
        "Linear, convolutions, pooling, normalization, recurrent, attention, dropout, activations, losses.",
        "nn",
        ("nn.modules",),
    ),
    Chapter("functional", "nn.functional", "Layers and losses as functions.", "nn.functional", ("",)),
    Chapter("init", "nn.init", "Weight initialisers under PyTorch's names.", "nn.init", ("",)),
    Chapter("optim", "nn.optim", "SGD, Adam, AdamW, RMSprop and gradient clipping.", "nn.optim", ("",)),
    Chapter("schedules", "nn.optim.lr_scheduler", "Schedules of the learning rate.", "nn.optim.lr_scheduler", ("",)),
    Chapter(
        "training",
        "Training",
        "fit, evaluate, History: training with validation and early stopping.",
        "nn",
        ("nn.training",),
    ),
    Chapter("data", "nn.data", "Digits, text, minibatches and random changes of images.", "nn.data", ("",)),
    Chapter("models", "nn.models", "LeNet-5, AlexNet, VGG, GoogLeNet, ResNet, Transformers.", "nn.models", ("",)),
    Chapter(
        "saving",
        "Files and other frameworks",
        "save, load, load_onnx, save_onnx, from_torch: networks in and out.",
        "nn",
        ("nn.saving", "nn.saving.onnx", "nn.saving.pytorch"),
    ),
    Chapter("search", "nn.tuning", "Search for depth, widths and rates of a network.", "nn.tuning", ("",)),
    Chapter("parallel", "nn.parallel", "Training by several processes over MPI.", "nn.parallel", ("",)),
    Chapter(
        "viz",
        "viz",
        "draw_graph, draw_network, draw_model, explain, step_through, saliency: what a graph shows.",
        "viz",
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
    """The module that defines a value, without ``glassgrad.``; '' for a constant."""
    found = getattr(value, "__module__", None)
    return found.removeprefix("glassgrad.") if isinstance(found, str) else ""


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
    for module in dict.fromkeys(page.module for page in CHAPTERS):
        pages = [page for page in CHAPTERS if page.module is module]
        for name in names(module):
            value = getattr(module, name)
            page = next((page for page in pages if takes(page, name, value)), None)
            if page is not None:
                found[page].append(name)
            elif not inspect.ismodule(value):
                elsewhere.append((pages[-1], name, value))
    documented = {id(getattr(page.module, name)) for page, its in found.items() for name in its}
    for last, name, value in elsewhere:  # what has no place yet stands on the last page of its module
        if id(value) not in documented:
            found[last].append(name)
    return found


def markdown(chapter: Chapter) -> str:
    """The source of a page."""
    its_names = members()[chapter]
    module = chapter.module
    whole = chapter.places == ("",)
    summary = (inspect.getdoc(module) or "").split("\n\n")[0].replace("\n", " ") if whole else chapter.description
    links = " · ".join(f"[`{name}`][{module.__name__}.{name}]" for name in sorted(its_names, key=str.lower))
    return "\n".join(
        [
            f"# {chapter.heading}\n",
            f"{summary}\n",
            f"{links}\n",
            *(f"::: {module.__name__}.{name}\n" for name in its_names),
        ]
    )


PAGES = tuple(Page(f"reference/{c.path}.md", c.heading, c.description, partial(markdown, c)) for c in CHAPTERS)
