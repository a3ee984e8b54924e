"""Data-parallel training by several processes over MPI, on one machine or many (extra ``mpi``).

Every process, a *rank*, runs the same program and holds the whole model. It computes its shard, its part of the rows of
every batch; gradients are averaged, and all ranks take the same step::

    from glassgrad import nn

    with nn.parallel.Parallel() as parallel:  # mpirun -n 4 python this_file.py
        nn.fit(model, loss, optimizer, data, epochs=10, parallel=parallel)
        if parallel.rank == 0:
            nn.save(model, "model.npz")

**Guarantees.** The gradient of a mean over a batch is the mean of the ranks' gradients, weighted by their numbers of
rows. So with the same seed, training equals that of one process with whole batches, up to rounding, for every
optimizer, weight decay, clipping and schedule, whether or not the number of ranks divides the batch size. The weights
are bitwise equal on all ranks, because MPI gives all the same sum (MPI 4.1, section 6.9.6). `nn.BatchNorm1d` takes mean
and variance over the rows of all ranks. `nn.Dropout` draws the mask of the whole batch from rank 0's generator and uses
its rows. A batch with fewer rows than ranks is computed by every rank.

**Limits.** A module of yours that combines rows sees those of its rank alone, and one that draws random numbers draws
on each rank, unless it reads `nn.parallel.SHARD`: the training repeats with the same seed and number of ranks, but
differs from that of one process. Such a module's buffers are rank 0's after every epoch. On GPUs random numbers differ
from those on the CPU. A loss must be a mean over rows, as for `nn.fit`.

**Lost ranks.** An error that leaves the ``with`` on one rank, Ctrl-C included, is printed there and ends all processes.
So does a rank that does not arrive within ``timeout`` seconds; only at the end, when rank 0 may still be writing files,
the ranks wait without limit. If one is killed, the launchers of MPICH, Open MPI and Intel MPI kill all others, too:
save the weights after every epoch, or give `nn.fit` ``resume``.

On several GPUs of one machine each rank moves its model to its own, ``f"cuda:{parallel.rank}"``; gradients are copied
to the CPU and summed there.
"""

from __future__ import annotations

import math
import os
import pickle
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

from glassgrad.autograd import Tensor, asarray, concat, zeros_like
from glassgrad.autograd.backends import NUMPY, namespace, to_numpy
from glassgrad.autograd.common.contexts import holding
from glassgrad.nn.errors import ParallelError
from glassgrad.nn.functional.sharding import SHARD, Shard
from glassgrad.nn.modules.module import Module, generators_of
from glassgrad.nn.optim import Optimizer

END = "the end"
"""The last point at which ranks meet. At each point they exchange one message, so that none goes on alone."""
SPIN = 0.0003  # seconds of busy waiting; then a rank sleeps between polls, as others may need the core


# A sleep of 0 seconds takes fifty times as long as most messages.
_yield_core: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))


def launched() -> int:
    """Number of processes that a launcher started together, 1 without one."""
    return max(int(os.environ.get(name, "1")) for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"))


class Parallel:
    """The ranks that train together: a context manager, given to ``nn.fit(…, parallel=parallel)`` on every rank.

    Args:
        timeout: seconds for which a rank waits for the others during a training; ``None`` for no limit.

    Attributes:
        rank: index of this process. Rank 0 prints and writes files.
        size: number of processes.
        counts: whether this rank counts the rows of the current batch; False if it repeats the computation of rank 0.

    Raises:
        nn.errors.ParallelError: mpi4py or a matching MPI is missing; later, where ranks differ.

    >>> with Parallel() as parallel:  # without a launcher there is one rank
    ...     parallel.rank, parallel.size
    (0, 1)
    """

    def __init__(self, *, timeout: float | None = 60.0) -> None:
        self._mpi = _mpi()
        self._comm = self._mpi.COMM_WORLD.Dup()
        self.rank, self.size, self.timeout = self._comm.rank, self._comm.size, timeout
        if self.size == 1 < launched():
            raise ParallelError(
                f"{launched()} processes were started, but each is alone: the launcher belongs to another MPI than the "
                f"{self._mpi.get_vendor()[0]} that mpi4py uses. Use the mpirun installed beside it."
            )
        self.counts = True
        self._shard: Shard | None = None

    # ----------------------------------------------------------------------------------------------------- the context

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Wait for all ranks; after an error end them."""
        if error is None:
            self._meet(END)
        elif self.size > 1:  # MPI would wait for the others at the end of this process
            traceback.print_exception(error)
            self._abort(f"rank {self.rank} of {self.size} failed")

    # --------------------------------------------------------------------------------------------- called by `nn.fit`

    def start(self, model: Module, optimizer: Optimizer, rng: Any, settings: Any, arrays: Iterable[Any]) -> Any:
        """Copy rank 0's weights, optimizer state and random generators to all ranks; return its ``rng``.

        Raises `nn.errors.ParallelError` unless ``settings``, ``arrays`` and layers are equal on all ranks.
        """
        generators = generators_of(*model.modules())
        states = [generator.bit_generator.state for generator in generators]
        layers = [(name, t.shape, str(t.dtype)) for name, t in model.state_dict().items()]
        checksums = [zlib.crc32(NUMPY.ascontiguousarray(array)) for array in arrays]
        given = settings, repr(optimizer), layers, checksums, [state["bit_generator"] for state in states]
        self._meet("the start of a training", given=repr(given))
        weights, state, first_rng, states = self.broadcast((model.state_dict(), optimizer.state_dict(), rng, states))
        for generator, generator_state in zip(generators, states, strict=True):
            generator.bit_generator.state = generator_state
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        return rng if self.rank == 0 else first_rng

    def shard(self, x: Any, y: Any) -> tuple[Any, Any]:
        """This rank's rows of a batch; ranks differ by at most one row. All rows if there are fewer than ranks."""
        rows = len(x)
        if self.size == 1 or rows < self.size:
            self._shard, self.counts = None, self.rank == 0
            return x, y
        start, stop = (-(-rank * rows // self.size) for rank in (self.rank, self.rank + 1))
        self._shard, self.counts = Shard(start, stop, rows, self._sum_in_layer), True
        return x[start:stop], y[start:stop]

    def sharded(self) -> AbstractContextManager[None]:
        """A context in which layers know the current shard."""
        return holding(SHARD, self._shard)

    def _sum_in_layer(self, array: Any) -> Any:
        self._meet("a layer", given=array.shape)
        return self._sum(array)

    def average_gradients(self, parameters: Sequence[Tensor], loss: float, rows: int) -> float:
        """Replace gradients by those of the mean loss over the whole batch; return that loss.

        On entry the gradients are those of the sum over this rank's ``rows``, and ``loss`` is their mean. A parameter
        without gradient on every rank has none afterwards. If the loss is not finite, nothing changes.
        """
        parameters = [p for p in parameters if p.requires_grad]
        results = self._meet(
            "a batch", loss, rows, [p.grad is not None for p in parameters], given=[p.shape for p in parameters]
        )
        total = sum(n for _, n, _ in results)
        loss = sum(mean * n for mean, n, _ in results) / total if total else math.nan
        if not math.isfinite(loss):
            return loss
        known = [p for p, *by_rank in zip(parameters, *(has for *_, has in results), strict=True) if any(by_rank)]
        own = [zeros_like(p) if p.grad is None else p.grad for p in known]
        flat = concat([g.detach().reshape((-1,)) for g in own]).data  # one sum for all, as each is a message
        flat, start = self._sum(flat), 0
        for p in known:
            start, part = start + p.size, flat[start : start + p.size]
            p.grad = asarray((part / total).reshape(p.shape), dtype=p.dtype)
        return loss

    def sum(self, *numbers: float) -> list[float]:
        """Each number summed over all ranks, in float64."""
        ranks = self._meet("a sum", *map(float, numbers))
        return [sum(of_ranks) for of_ranks in zip(*ranks, strict=True)]

    def broadcast(self, value: Any) -> Any:
        """Rank 0's ``value``, any object that can be pickled, on every rank."""
        return self._meet("a broadcast", value if self.rank == 0 else None)[0][0]

    # ------------------------------------------------------------------------------------------------------- messages

    def _meet(self, point: str, *values: Any, given: Any = None) -> list[tuple[Any, ...]]:
        """Wait until every rank is at the same point, and was ``given`` the same; return the ``values`` of each rank.

        Raises `nn.errors.ParallelError` if one is not or was not.
        """
        mine = pickle.dumps((point, given, values))  # first, as it may fail
        self._wait(self._comm.Ibarrier(), None if point == END else self.timeout)
        rows = [pickle.loads(of_rank) for of_rank in self._comm.allgather(mine)]
        if others := [str(rank) for rank, row in enumerate(rows) if row[:2] != rows[0][:2]]:
            raise ParallelError(
                f"program, data, settings or layers of rank {', '.join(others)} of {self.size} differ from those of "
                f"rank 0, which is at {rows[0][0]}: run the same program on every rank, and give each all the data: it "
                "takes its part itself."
            )
        return [values for _, _, values in rows]

    def _sum(self, array: Any) -> Any:
        """The sum of all ranks' arrays, which have one shape."""
        total = to_numpy(array).copy()
        self._wait(self._comm.Iallreduce(self._mpi.IN_PLACE, total), self.timeout)
        return namespace(array).asarray(total)

    def _wait(self, request: Any, limit: float | None) -> None:
        """Wait for an answer of all ranks. If there is none, end all processes."""
        start = time.monotonic()
        while not request.Test():
            waited = time.monotonic() - start
            if limit is not None and waited > limit:
                self._abort(
                    f"a rank of {self.size} has not answered rank {self.rank} for {limit:g} s: see whether it failed, "
                    "or give Parallel a longer timeout"
                )
            _yield_core() if waited < SPIN else time.sleep(min(waited / 20, 0.05))

    def _abort(self, message: str) -> None:
        print(f"ParallelError: {message}", file=sys.stderr, flush=True)
        self._comm.Abort(1)


def _mpi() -> Any:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = "is not installed" if missing else f"finds no MPI ({str(error).partition(chr(10))[0]})"
        raise ParallelError(
            f'training in parallel needs mpi4py, which {why}: pip install "glassgrad[mpi]", and start with mpirun.'
        ) from None
    return MPI
