"""Long families of tests, of which `make test` runs a part and `make check` all."""

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(cases: Iterable[Any], every: int) -> list[Any]:
    """The cases of a parametrized test: each ``every``-th as it is, the others marked ``check``."""
    return [case if i % every == 0 else waiting(case) for i, case in enumerate(cases)]


def waiting(*case: Any) -> Any:
    """A case that waits for `make check`."""
    values, options = (case[0].values, case[0]._asdict()) if hasattr(case[0], "marks") else (case, {})
    marks = (*options.get("marks", ()), pytest.mark.check)
    return pytest.param(*values, marks=marks, id=options.get("id"))
