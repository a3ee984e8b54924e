"""`Namespace`, the ``xp`` of forwards and rules: a backend's functions on one device, and registered operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import mul
from typing import Any

import numpy

from glassgrad.autograd.errors import DependencyError

FORWARDS: dict[str, Callable[..., Any]] = {}
"""Every registered operation's forward by its name. A namespace uses it where its backend has no such function."""


def scipy_special() -> Any:
    """The module ``scipy.special``. Raises `DependencyError` where SciPy is not installed."""
    try:
        from scipy import special
    except ModuleNotFoundError:
        raise DependencyError('this needs SciPy, which is not installed: pip install "glassgrad[special]".') from None
    return special


class Namespace:
    """A backend's functions on one of its devices, plus every registered operation's own forward where the backend has
    none of that name.

    ``enter``: a function that makes the device current (CuPy), or ``None``.
    """

    absorbs = 0
    """Arrays of a namespace that absorbs less are accepted among its own, as constants."""

    in_place = True
    """Whether its arrays can be added to in place, also at an index."""

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """Call ``refuse(low, high, **options)``, which raises, unless all elements are from 0 to ``stop - 1``."""
        if array.size:  # of few elements `argmax` takes a third of the time of `max`
            low, high = array.item(array.argmin()), array.item(array.argmax())
            if not 0 <= low <= high < stop:
                refuse(low, high, **options)

    def opaque(self, shape: tuple[int, ...], dtype: Any) -> None:
        """A forward that a program keeps as one instruction calls this first, with the shape and dtype of its result.
        With arrays there is nothing to do."""

    def followed(self, name: str, args: Any, params: Any) -> Any:
        """The result of a registered operation's own forward."""
        return FORWARDS[name](self, *args, **params)

    def special(self, name: str, *arrays: Any) -> Any:
        """The values of SciPy's special function ``name`` at ``arrays``, in the dtype of the last array. Raises
        `DependencyError` without SciPy.
        """
        found = getattr(scipy_special(), name)(*map(numpy.asarray, arrays))
        return self.asarray(found, dtype=arrays[-1].dtype)

    def sliding_windows(self, x: Any, size: Any, stride: Any, dilation: Any, counts: Any) -> Any:
        """Windows of ``x`` (n, *space, channels) as (n, *counts, *size, channels): a view, to be read alone."""
        for length, taps, step, gap, count in zip(x.shape[1:-1], size, stride, dilation, counts, strict=True):
            if count and (count - 1) * step + (taps - 1) * gap >= length:  # would read past the end of the array
                raise ValueError(f"{count} windows of size {taps} reach beyond an axis of length {length}")
        n, *space, channels = x.strides
        steps = (*map(mul, space, stride), *map(mul, space, dilation))
        shape = (x.shape[0], *counts, *size, x.shape[-1])
        return self.module.lib.stride_tricks.as_strided(x, shape, (n, *steps, channels))

    def contiguous(self, x: Any) -> Any:
        """``x`` in row-major order: itself if it is already."""
        return self.reshape(self.reshape(x, (-1,)), x.shape)

    def matmul_into(self, x: Any, y: Any, out: Any) -> None:
        """Write ``x @ y``, a matrix for each group, into ``out``."""
        out[...] = self.matmul(x, y)

    def may_hold(self, mask: Any) -> bool:
        """Whether an element of ``mask`` is true. On a GPU always ``True``, to avoid waiting for the values."""
        return self.device != "cpu" or bool(self.any(mask))

    def masked(self, x: Any, mask: Any) -> Any:
        """``x`` where ``mask`` is true, 0 elsewhere, also where ``x`` is infinite or NaN."""
        return self.where(mask, x, self.zeros_like(x))

    def __init__(self, module: Any, enter: Callable[[], Any] | None = None, device: str = "cpu") -> None:
        self.module, self.enter, self.device = module, enter, device

    def __getattr__(self, name: str) -> Any:
        # NumPy's `diagonal` takes the first two axes, that of the array API's ``linalg`` the last two.
        found = None if name == "diagonal" else getattr(self.module, name, None)
        if found is None:
            if name not in FORWARDS:
                raise AttributeError(f"{self.module.__name__} has no function {name!r}, nor is it an operation.")
            found = partial(FORWARDS[name], self)
        setattr(self, name, found)
        return found


SPACES: dict[type, Namespace] = {}
"""The namespace of each array type that exists on one device only."""

PLACES: dict[tuple[Any, int], Namespace] = {}
"""The namespace of each GPU met so far, by the module CuPy and its number."""


def register(name: str, forward: Callable[..., Any]) -> None:
    """Add ``forward`` to every namespace under ``name``."""
    FORWARDS[name] = forward
    for space in {*SPACES.values(), *PLACES.values()}:
        if isinstance(vars(space).get(name), partial):  # of an earlier operation of that name
            vars(space).pop(name)
        getattr(space, name)
