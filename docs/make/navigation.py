"""The order of the site, with the title and description of each page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docs.make import gallery, lesson, outside, reference, speed
from docs.make.pages import Page

DOCS = Path(__file__).parents[1]
PAGES: dict[str, tuple[Page, ...]] = {
    "": (
        Page(
            "index.md",
            "glassgrad",
            "Automatic differentiation on NumPy that shows its work: modules as in PyTorch, functions as in NumPy.",
        ),
    ),
    "Tutorial": lesson.PAGES,
    "Gallery": (gallery.PAGE,),
    "How to": (
        Page(
            "start.md",
            "Install and first steps",
            "Installation with pip or uv on Linux, macOS and Windows, and first steps.",
        ),
        Page(
            "howto/gradient.md", "Look at a gradient", "Draw the gradient of your own loss, and find where it vanishes."
        ),
        Page("howto/operation.md", "Add an operation", "An operation of your own, and the proof of its derivative."),
        Page("howto/train.md", "Train a network", "Validation, early stopping, schedules; a loop of your own; digits."),
        Page(
            "howto/layer.md",
            "Write a layer",
            "A layer or a network of your own, its gradient checked, trained and drawn.",
        ),
        Page(
            "howto/elsewhere.md",
            "Look into a network from elsewhere",
            "Networks of PyTorch, ONNX and Keras, opened and drawn.",
        ),
        Page("howto/nan.md", "Find a NaN", "Which operation and which line made the first NaN, and what helps."),
        Page(
            "howto/nan_gradients.md",
            "NaN gradients",
            "Ten causes of NaN gradients, what happens here, and what to write instead.",
        ),
        Page(
            "howto/sparse_and_series.md",
            "Sparse matrices and high orders",
            "Sparse Jacobians and Hessians as SciPy's arrays; Taylor series, and derivatives of order ten.",
        ),
        Page(
            "howto/complex_and_fft.md",
            "Complex numbers and Fourier transforms",
            "Gradients of complex numbers in PyTorch's convention, and of Fourier transforms.",
        ),
        Page("howto/files.md", "Save and load", "Models, weights and checkpoints, and which formats are read."),
        Page(
            "compile.md",
            "Compile a training step",
            "A training step as a flat program: fast, and readable line by line.",
        ),
        Page("javascript.md", "Programs in JavaScript", "A program as JavaScript, for a page that computes offline."),
        Page("native.md", "Steps as C", "A training step as one compiled function: what runs where, how to see it."),
        Page(
            "testing.md", "Test a derivative", "Check a derivative of your own by finite differences and drawn inputs."
        ),
        Page(
            "pictures.md",
            "Draw a network",
            "Pictures of architectures, loops over time, windows, filters and decisions.",
        ),
        Page(
            "sequences.md",
            "Learn from sequences",
            "Recurrent layers, loops over time as one operation, text as integers.",
        ),
        Page(
            "search.md",
            "Search for depth and widths",
            "How many layers and how many neurons a network needs, on Optuna.",
        ),
        Page("onnx.md", "Open or write ONNX", "Networks in the ONNX format: read, written, drawn and trained."),
        Page(
            "parallel.md",
            "Train on several processes",
            "One network trained by several processes, on one machine or many.",
        ),
        Page("gpu.md", "Use a GPU", "Tensors on a GPU by CuPy: what runs there, what waits, and how it was checked."),
    ),
    "Coming from": (
        Page("pytorch.md", "PyTorch", "What carries over from PyTorch, what differs, and why."),
        Page("howto/jax.md", "JAX", "JAX's transforms and their names here."),
        Page("howto/micrograd.md", "micrograd", "From a scalar engine to arrays, pictures and compiled steps."),
    ),
    "Examples": outside.EXAMPLES,
    "How it works": (
        Page("engine.md", "The engine in an hour", "From ag.sin(x) to x.grad in the code's own lines."),
        Page("readings.md", "One rule, seven readings", "Tangents and batches, read from the rule of each operation."),
        Page("why.md", "Why it is made this way", "One source for each derivative, read in four ways."),
        Page(
            "publishing.md",
            "Publish a release",
            "What a release does, what the owner sets once, and the dry run that comes before it.",
        ),
        Page("conventions.md", "Conventions", "Derivatives at kinks, memory shared with NumPy, threads, dtypes."),
        outside.CONTRIBUTING,
    ),
    "Evidence": (
        Page("mutants.md", "Which test finds which fault", "Wrong rules planted on purpose, and what finds them."),
        Page(
            "faults.md",
            "Faults of the compiler",
            "Faults planted in the compiler, and how soon a random step shows them.",
        ),
        Page("soak.md", "Long runs", "What shows only after hours: memory, interrupts, numbers."),
        Page("newcomer.md", "Tasks of a newcomer", "Tasks done from this site alone in a new environment, with times."),
    ),
    "Reference": reference.PAGES,
    "Speed": (speed.PAGE, outside.RESULTS, outside.MEASURING),
    "About": (outside.CHANGELOG, outside.SECURITY),
}
"""The pages of each section, in order; those of the first are at the top. Files that are not named here come last."""
BOOST = {"How to": 4, "Coming from": 4, "Evidence": 0.5, "Speed": 0.2, "About": 0.1}
"""How much more than others a search puts pages of a section first."""


def unlisted() -> list[Page]:
    """The files of ``docs/`` that the table does not name, with their first heading and paragraph."""
    listed = {page.path for pages in PAGES.values() for page in pages}
    found = []
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS).as_posix()
        if name not in listed:
            text = path.read_text(encoding="utf-8")
            title = re.search(r"^# (.+)$", text, re.MULTILINE)
            paragraph = re.search(r"^(?![#>\s`!<|-]).+(?:\n.+)*", text, re.MULTILINE)
            described = " ".join(paragraph[0].split()) if paragraph else path.stem
            sentence = re.match(r".{10,180}?[.:](?= |$)", described)
            found.append(Page(name, title[1] if title else path.stem, sentence[0] if sentence else described[:180]))
    return found


PAGES["How it works"] += tuple(unlisted())


def every_page() -> list[Page]:
    """All pages."""
    return [page for pages in PAGES.values() for page in pages]


def nav() -> list[Any]:
    """The navigation as MkDocs takes it."""
    shown: list[Any] = []
    for section, pages in PAGES.items():
        entries = lesson.nav() if pages is lesson.PAGES else [{page.title: page.path} for page in pages]
        shown += [{section: entries}] if len(entries) > 1 else entries
    return shown
