"""Parts shared by networks for images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def of_depth(network: Callable[..., Any], depth: int, parameters: str, options: str) -> Callable[..., Any]:
    """A function that builds ``network`` with ``depth`` layers; ``options`` are for its docstring."""

    def build(classes: int = 1000, **options: Any) -> Any:
        return network(depth, classes, **options)

    build.__name__ = build.__qualname__ = f"{network.__name__.lower()}{depth}"
    build.__doc__ = (
        f"`{network.__name__}` with {depth} layers: {parameters} parameters for 1000 classes.\n\n    ``options``: "
        f"{options}.\n    "
    )
    return build
