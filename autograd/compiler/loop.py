"""`loop`: many steps of a compiled function, each on its own rows of the data, in one call if it runs as C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy

from glassgrad.autograd import backends, trees
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.compiler.compiled import Compiled, compile
from glassgrad.autograd.compiler.trace import is_array
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DTypeError, IndexingError, ShapeError

SECONDS = 0.05
"""About how long one call may run: Ctrl-C and progress wait for its end."""


def loop(step: Callable[..., Any], data: Any, rows: Any) -> Any:
    """Call ``step`` once for each row of a table of row numbers, with those rows of ``data``; return all results,
    stacked.

    It is equivalent to this loop, but needs only a few calls of C if ``step`` is compiled to C (see `compile`)::

        for row in rows:
            results.append(step(*(array[row] for array in data)))

    Args:
        step: a compiled function, or one that is compiled for ``target="auto"``. It takes a batch of each array.
        data: arrays or Tensors, with a row per sample.
        rows: integers (steps, batch): the rows of the data that each step is given.

    Returns:
        The result of ``step``, each array with one more axis in front, that of the steps.

    Raises:
        ShapeError: data of different lengths, rows that are not a table.
        IndexingError: a row that the data do not have. Errors of ``step`` are raised after the steps before.

    >>> import numpy as np
    >>> from glassgrad import autograd as ag
    >>> w = ag.Tensor(0.0, dtype="float64")
    >>> @ag.compile
    ... def step(x):
    ...     w.data = (w + x.mean()).data
    ...     return w * 1
    >>> ag.loop(step, [np.arange(4.0)], [[0, 1], [2, 3]])
    Tensor([0.5, 3.0])
    """
    steps = Steps(step, data, rows)
    if not steps.total:
        raise ShapeError(f"rows {steps.rows.shape} has no steps: give a table with a row for each.")
    stacks = zip(*steps, strict=True)
    return steps.filled([parts[0] if len(parts) == 1 else numpy.concatenate(parts) for parts in stacks])


class Steps:
    """The steps of a `loop`: iterate over it for the results of a few steps at a time, each array with an axis of
    steps.

    ``done``: the number of steps taken so far; ``total``: the number of all steps.
    """

    def __init__(self, step: Callable[..., Any], data: Any, rows: Any) -> None:
        self.step = step if isinstance(step, Compiled) else compile(step, target="auto")
        if not isinstance(data, tuple | list) or not data:
            raise DTypeError(f"data is {of_type(data)}: give a tuple of arrays with a row for each sample.")
        arrays = (backends.to_numpy(x.data if isinstance(x, Tensor) else numpy.asarray(x)) for x in data)
        self.data = [numpy.asarray(x, order="C") for x in arrays]
        lengths = {len(x) if x.ndim else -1 for x in self.data}
        if len(lengths) != 1 or -1 in lengths:
            shapes = ", ".join(str(x.shape) for x in self.data)
            raise ShapeError(f"the arrays of data have the shapes {shapes}: give arrays with one row for each sample.")
        self.rows = numpy.ascontiguousarray(rows)
        if self.rows.ndim != 2 or self.rows.dtype.kind not in "iu":
            raise ShapeError(
                f"rows is {self.rows.dtype} {self.rows.shape}: give integers (steps, batch), the rows of each step."
            )
        self.rows = self.rows.astype(numpy.int64, copy=False)
        (count,) = lengths
        if self.rows.size and not 0 <= self.rows.min() <= self.rows.max() < count:
            raise IndexingError(
                f"rows has numbers from {self.rows.min()} to {self.rows.max()}: the data have rows 0 to {count - 1}."
            )
        self._kinds = [((self.rows.shape[1], *x.shape[1:]), x.dtype, "cpu") for x in self.data]
        self.total = len(self.rows)
        self.done = 0
        self._tree: tuple[list[Any], Any] | None = None

    def __iter__(self) -> Iterator[list[Any]]:
        while self.done < self.total:
            part = self.several()
            yield self._one() if part is None else part

    def several(self) -> list[Any] | None:
        """The results of the next few steps, in one short call of C; ``None`` if Python has to make the next call."""
        native = self.step.executable_of(self._kinds)
        if native is None or not native.can_loop():
            return None
        start, full = perf_counter(), self.total - self.done >= native.together
        part = self._several(native, self.rows[self.done : self.done + native.together])
        if full and perf_counter() - start < SECONDS:
            native.together *= 2
        return part

    def batch(self) -> list[Any]:
        """The arrays that the next step is given."""
        return [x[self.rows[self.done]] for x in self.data]

    def filled(self, arrays: Sequence[Any]) -> Any:
        """The result of ``step`` with its arrays replaced by these."""
        assert self._tree is not None
        leaves, structure = self._tree
        given = iter(arrays)
        found = [
            (Tensor(next(given)) if isinstance(leaf, Tensor) else next(given)) if is_array(leaf) else leaf
            for leaf in leaves
        ]
        return trees.unflatten(structure, found)

    def _one(self) -> list[Any]:
        """Run one step in Python. Returns its results, each with a new first axis."""
        self._tree = trees.flatten(self.step(*map(Tensor, self.batch())))
        self.done += 1
        found = [x.data if isinstance(x, Tensor) else x for x in self._tree[0] if is_array(x)]
        return [numpy.asarray(backends.to_numpy(x))[None] for x in found]

    def _several(self, native: Any, rows: Any) -> list[Any] | None:
        """The results of some steps, in one call of C; ``None`` where something was changed outside."""
        returned = len(native.trace.result.values)
        with self.step.lock:
            if not native.is_settled():
                return None
            ran = numpy.zeros(1, numpy.int64)
            try:
                stacks, refuse = native.loop(self.data, rows, ran)
            finally:  # Ctrl-C is raised after the steps have run
                done = int(ran[0])
                self.done += done
            if done:
                last = [stack[done - 1 if n < returned else 0] for n, stack in enumerate(stacks)]
                self._tree = trees.flatten(native.finish(last))
            if refuse is not None:
                refuse(*self.batch())
        found: list[Any] = stacks[:returned]
        return found
