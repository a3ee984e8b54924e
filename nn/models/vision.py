"""Parts shared by networks for images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def stem(small: bool) -> dict[str, Any]:
    """The window of the first convolution: 7×7 with stride 2, or 3×3 for ``small`` images."""
    return {"kernel_size": 3, "padding": 1} if small else {"kernel_size": 7, "stride": 2, "padding": 3}


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
