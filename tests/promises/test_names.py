"""Whether the public names and their signatures are those of the list, and the changelog tells every difference."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from tests.promises import names

TEXT = names.FILE.read_text(encoding="utf-8")
CHANGELOG = Path(names.__file__).parents[2] / "CHANGELOG.md"


def test_public_names_are_those_of_the_list():
    difference = difflib.unified_diff(
        TEXT.splitlines(), names.written(TEXT).splitlines(), "names.txt", "today", lineterm="", n=0
    )
    if shown := "\n".join(difference):
        pytest.fail(
            f"{shown}\n\neach difference is a line of CHANGELOG.md: describe it there, then run "
            "python -m tests.promises.names",
            pytrace=False,
        )


def test_changelog_names_every_difference():
    unreleased = re.split(r"^## ", CHANGELOG.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    assert unreleased.startswith("[Unreleased]")
    assert not names.undescribed(TEXT, unreleased), "name each in CHANGELOG.md, between backticks"


FIRST = f"""autograd.cos(x)
nn.Net(width)
nn.Net.save(path)

{names.SINCE}
"""


def test_list_keeps_what_changed_since_the_first(monkeypatch):
    monkeypatch.setattr(names, "listed", lambda: ["autograd.cos(x, y)", "autograd.tan(x)"])
    text = names.written(FIRST)
    assert text.splitlines()[4:] == [
        "- autograd.cos(x)", "+ autograd.cos(x, y)", "+ autograd.tan(x)", "- nn.Net(width)", "- nn.Net.save(path)"
    ]  # fmt: skip
    assert names.written(text) == text
    assert names.undescribed(text, "a cos without backticks") == [
        "autograd.cos", "autograd.tan", "nn.Net", "nn.Net.save"
    ]  # fmt: skip
    assert names.undescribed(text, "`ag.cos` takes `y`, and `Net` is gone") == ["autograd.tan"]
    monkeypatch.setattr(names, "listed", lambda: FIRST.splitlines()[:3])
    assert names.written(text) == FIRST


class Inner:
    """Its repr has an address."""


def called(a: nn.Module, b=Inner(), *, c: ag.Tensor | None = None, d=len, e=(1,)) -> np.ndarray:  # noqa: B008
    """Annotations are text here."""


def test_signatures_do_not_depend_on_run_or_spelling():
    expected = "(a: Module, b=<Inner>, *, c: Tensor | None = None, d=len, e=(1,)) -> ndarray"
    assert names.signature_of(called) == expected
    assert names.annotation("glassgrad.autograd.Tensor | Callable[..., nn.Module]") == "Tensor | Callable[..., Module]"
    assert names.annotation(ag.Tensor) == "Tensor"
    before = names.signature_of(ag.Tensor.dot)
    ag.Tensor([1.0]).dot(ag.Tensor([1.0]))
    assert names.signature_of(ag.Tensor.dot) == before
    assert " at 0x" not in TEXT
    assert "glassgrad." not in TEXT
