"""The lesson's notebooks, executed once by a Jupyter kernel for all tests."""

import pytest

from glassgrad.viz.lesson import notebook
from glassgrad.viz.lesson.exercises import LANGUAGES
from glassgrad.viz.lesson.text import stems


@pytest.fixture(scope="session")
def executed(both):
    """The outputs of every page's code, by page; that of the English page."""
    return both["en"]


@pytest.fixture(scope="session")
def both():
    """The outputs by language and page."""
    return {language: _executed(language) for language in LANGUAGES}


def _executed(language):
    """The outputs of every page's code, by page. One kernel runs all pages, and forgets its names between them."""
    nbformat, client = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel", reason="the extra `lesson` is not installed")
    outputs = {}
    kernel = client.NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3", timeout=120)
    with kernel.setup_kernel():
        for name in stems():
            book = nbformat.from_dict(notebook(name, language))
            nbformat.validate(book)
            book.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
            kernel.nb = book
            kernel.reset_execution_trackers()
            for index, cell in enumerate(book.cells):
                if cell.cell_type == "code":
                    kernel.execute_cell(cell, index)
            outputs[name] = [
                [dict(output) for output in cell.outputs] for cell in book.cells[1:] if cell.cell_type == "code"
            ]
    return outputs
