"""`Parallel`: one training by several processes, on one machine or many, over MPI (extra ``mpi``).

Every process, a *rank*, runs the same program, holds the whole model, computes its share of the rows of every batch,
and takes the step that all have computed together::

    import nn

    with nn.parallel.Parallel() as parallel:  # mpirun -n 4 python this_file.py
        nn.fit(model, loss, optimizer, data, epochs=10, parallel=parallel)
        if parallel.rank == 0:
            nn.save(model, "model.npz")

**What holds.** The gradient of a mean over a batch is the mean of the ranks' gradients, weighted by how many rows each
had. So the same seed gives the same training as one process has with whole batches, to rounding, whatever the
optimizer, the weight decay, the clipping and the schedule, and whether or not the ranks divide the batch. On every rank
the weights are the same to the bit, for MPI gives all the same sum (MPI 4.1, section 6.9.6).

`nn.BatchNorm1d` takes mean and variance over the rows of all ranks, and `nn.Dropout` draws for the whole batch, with
rank 0's generator, and takes its rows. A batch of fewer rows than ranks is computed by every one.

**What does not.** A module of yours that looks at more than one row at a time sees its rank's rows alone, and one that
draws random numbers draws them on each rank, if it does not go by `SHARE`: it trains, and repeats with the same seed
and number of ranks, but not as one process would. Its buffers are rank 0's after every epoch. On GPUs random numbers
are others than on the CPU. A loss must be a mean over rows, as `fit` says.

**When a rank is lost.** Ranks never wait in MPI itself but look in from time to time, for ``timeout`` seconds at most,
and without limit only once all is done, for rank 0 may have files to write. A rank that raises tells the others, at
their next meeting, and all raise `nn.errors.ParallelError`; one that does not come to a meeting is named after the
timeout. One that is killed has the launchers of MPICH, Open MPI and Intel MPI kill all others: then ``last_words`` are
printed by a process that is there for nothing else. So save weights after every epoch, and say where in these words::

    def keep(history):
        nn.save(model, "model.npz")
        parallel.last_words = f"a rank was lost; the weights of epoch {history.epochs} are in model.npz"

On GPUs (a card for each rank, ``parallel.device``) gradients are added by NCCL, through CuPy. This part is written
after their documentation and has not been run.
"""

from __future__ import annotations

import atexit
import hashlib
import math
import os
import pickle
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from autograd import Tensor, asarray
from autograd.backends import NUMPY, all_reduce, namespace, space_on, to_numpy
from autograd.errors import ShapeError, TraceError
from nn.errors import ParallelError

if TYPE_CHECKING:
    from nn.modules.module import Module
    from nn.optim import Optimizer

KINDS = ("an error", "the start of a training", "rank 0's values", "a batch", "the sums of all", "a layer", "the end")
"""What ranks meet for. Every meeting begins with one small message of the same size, so that a rank which raises can
join whichever is next."""
ERROR, START, VALUES, BATCH, SUMS, LAYER, END = map(float, range(len(KINDS)))
SENTENCE = 1000  # bytes of an error that are passed on
BUSY = 0.0003  # seconds for which who waits looks in all the time; then now and then, for others want the core
LAST_WORDS = "import sys; sys.stderr.buffer.write(sys.stdin.buffer.read().rpartition(b'\\0')[2])"
"""The program that speaks them: what came last, once rank 0 sends no more."""


class Share(NamedTuple):
    """The rows of a batch that this rank computes, from ``first`` to before ``end``, of ``rows`` on all.

    ``add`` makes of an array the sum of all ranks' arrays.
    """

    first: int
    end: int
    rows: int
    add: Callable[[Any], Any]


SHARE: ContextVar[Share | None] = ContextVar("nn_share", default=None)
"""What a layer that draws, or looks at more than one row, has to know while several ranks compute its batch."""


class _Apart:
    """What stands for a `Share` while a program is made, which is the same whatever the others have."""

    def __getattr__(self, name: str) -> Any:
        raise TraceError("a layer looks at the rows of the other ranks, which a program of one rank can't do.")


# A sleep of 0 seconds takes fifty times as long as most messages.
_make_way: Callable[[], None] = getattr(os, "sched_yield", lambda: time.sleep(0))


def started(of: str = "SIZE") -> int:
    """How many processes a launcher has started together, 1 without one; with ``"RANK"`` which of them this is."""
    names = f"PMI_{of}", f"OMPI_COMM_WORLD_{of}"
    return max(int(os.environ.get(name, of == "SIZE")) for name in names)


class Parallel:
    """The ranks that train together: a context, given to ``nn.fit(…, parallel=parallel)`` on every one of them.

    Args:
        timeout: seconds that a rank waits for the others in the midst of a training; ``None`` for ever.

    Attributes:
        rank: this process's number, from 0. Rank 0 is the one to print and to write files.
        size: how many there are.
        local_rank: its number among those of the same machine.

    Raises:
        nn.errors.ParallelError: there is no mpi4py, or no MPI that fits the launcher; and in the course of the work
            whenever a rank fails or is lost.

    >>> with Parallel() as parallel:  # without a launcher there is one rank
    ...     parallel.rank, parallel.size, parallel.device("cpu")
    (0, 1, 'cpu')
    """

    def __init__(self, *, timeout: float | None = 60.0) -> None:
        self._mpi = _mpi()
        world = self._mpi.COMM_WORLD
        here = world.Split_type(self._mpi.COMM_TYPE_SHARED)
        self.rank, self.size, self.local_rank, self.timeout = world.rank, world.size, here.rank, timeout
        here.Free()
        if self.size == 1 < started():
            raise ParallelError(
                f"{started()} processes were started, but each is alone: the launcher belongs to another MPI than the "
                f"{self._mpi.get_vendor()[0]} that mpi4py uses. Take the mpirun that was installed beside it."
            )
        self.interrupted = False
        """Set by whoever was asked to stop: at the next meeting all ranks raise `KeyboardInterrupt`."""
        self.counts = True
        """Whether the rows of the present batch are to be counted here: of what all compute, on rank 0 alone."""
        self._share: Share | None = None
        self._comm = world.Dup()
        self._parted = self._broken = False  # all know of an error; a message is under way that nobody will receive
        self._add: Any = None
        self._speaker: subprocess.Popen[bytes] | None = None
        self._words = ""
        atexit.register(self._leave)

    def device(self, name: str) -> str:
        """Where this rank computes: the card of its own where ``name`` is ``"cuda"``, else ``name``."""
        return f"cuda:{self.local_rank}" if name == "cuda" else name

    @property
    def last_words(self) -> str:
        """A sentence for stderr in case that rank 0 ends within the context without being able to speak."""
        return self._words

    @last_words.setter
    def last_words(self, words: str) -> None:
        self._words = words
        if self._speaker is not None and self._speaker.stdin is not None:
            with suppress(OSError):  # without a speaker the training goes on
                self._speaker.stdin.write(f"\0{words}\n".encode() if words else b"\0")
                self._speaker.stdin.flush()

    # ----------------------------------------------------------------------------------------------------- the context

    def __enter__(self) -> Self:
        if self.rank == 0 and self.size > 1:
            # In a session of its own, so that whatever ends the rank does not end it.
            command = [sys.executable, "-I", "-S", "-c", LAST_WORDS]
            self._speaker = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            self.last_words = f"one of {self.size} ranks was lost, or the run was stopped from outside"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Tell the others how it ended here, unless all know."""
        try:
            if not self._parted:
                self._tell(error)
        finally:
            if self._speaker is not None:
                self.last_words = ""
                self._speaker.communicate()
                self._speaker = None

    def _tell(self, error: BaseException | None) -> None:
        if error is None:
            self.interrupted = False
            self._meet(END, for_ever=True)
        else:
            self._parted = True
            self._gather(NUMPY.asarray([ERROR, 0.0, 0.0, 0.0, 0.0]), self.timeout)
            self._sentences(": ".join(filter(None, (type(error).__name__, str(error)))))

    def _leave(self) -> None:
        """At the end of the process: together, for a launcher kills the others when one ends with an error."""
        if self._mpi.Is_finalized():
            return
        if self._broken:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            if self.rank != 0:  # which may still be writing
                time.sleep(self.timeout or 60.0)
            self._comm.Abort(1)
        self._wait(self._comm.Ibarrier().Test, None)
        self._comm.Free()

    # ------------------------------------------------------------------------------------------------- what `fit` calls

    def start(self, model: Module, optimizer: Optimizer, rng: Any, facts: Any, arrays: Iterable[Any]) -> Any:
        """Begin alike: refuse other ``facts`` or ``arrays`` than rank 0's, and take its weights, its optimizer's state,
        its modules' generators and its ``rng``, which is returned.
        """
        self.interrupted = False
        drawing = [g for m in model.modules() if isinstance(g := getattr(m, "generator", None), NUMPY.random.Generator)]
        drawn = [generator.bit_generator.state for generator in drawing]
        layers = [(name, t.shape, str(t.dtype)) for name, t in model.state_dict().items()]
        facts = facts, repr(optimizer), layers, [state["bit_generator"] for state in drawn]
        sums = [zlib.crc32(NUMPY.ascontiguousarray(array)) for array in arrays]
        digest = NUMPY.frombuffer(hashlib.sha256(repr((facts, sums)).encode()).digest(), "uint8")
        self._meet(START)
        digests = self._gather(digest, self.timeout)
        if others := [rank for rank in range(self.size) if (digests[rank] != digests[0]).any()]:
            raise self._known(
                f"{_named(others)} of {self.size} was given other data, settings or layers than rank 0: every rank is "
                "to make the same, the whole data included, of which it then takes its share."
            )
        accumulated = optimizer.state_dict()
        accumulated["state"] = [_arrays(state) for state in accumulated["state"]]
        weights, accumulated, theirs, drawn = self.broadcast((_arrays(model.state_dict()), accumulated, rng, drawn))
        for generator, state in zip(drawing, drawn, strict=True):
            generator.bit_generator.state = state
        model.load_state_dict(weights)
        optimizer.load_state_dict(accumulated)
        return rng if self.rank == 0 else theirs

    def share(self, x: Any, y: Any) -> tuple[Any, Any]:
        """This rank's rows of a batch: as many as the others', give or take one; all of fewer rows than ranks."""
        try:
            rows, labels = len(x), len(y)
        except TypeError:
            rows, labels = 0, 1
        if rows != labels:
            raise ShapeError("a batch (x, y) is shared among ranks by rows: x and y need one for each sample.")
        if self.size == 1 or rows < self.size:
            self._share, self.counts = None, self.rank == 0
            return x, y
        first, end = (-(-rank * rows // self.size) for rank in (self.rank, self.rank + 1))
        self._share, self.counts = Share(first, end, rows, self._added), True
        return x[first:end], y[first:end]

    @contextmanager
    def together(self) -> Iterator[None]:
        """While the model is called with what `share` gave last, its layers know of the others' rows."""
        token = SHARE.set(self._share)
        try:
            yield
        finally:
            SHARE.reset(token)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """As `together`, for a program: layers can't know of the others, and one that asks raises `TraceError`."""
        token = SHARE.set(None if self._share is None else _Apart())  # type: ignore[arg-type]
        try:
            yield
        finally:
            SHARE.reset(token)

    def _added(self, array: Any) -> Any:
        self._meet(LAYER, array.size)
        total = namespace(array).empty(array.shape, dtype=array.dtype)
        total[...] = array
        self._sum(total)
        return total

    def average(self, parameters: Sequence[Tensor], loss: float, count: int) -> float:
        """Give ``parameters``, which have the gradients of the sum over this rank's ``count`` rows, those of the mean
        over the whole batch, and return its loss, of which ``loss`` is the mean over this rank's rows.

        A parameter without gradient on any rank has none afterwards. Where the loss is not finite, nothing changes.
        """
        parameters = [p for p in parameters if p.requires_grad]
        dtypes = {p.dtype for p in parameters}
        ends = list(accumulate([len(parameters), *(p.size for p in parameters)]))
        places = [(p, slice(start, end)) for p, (start, end) in zip(parameters, pairwise(ends), strict=True)]
        # All is ready before the meeting, for whoever fails after it can tell nobody. In front: who has a gradient.
        space = space_on(parameters[0].device)
        flat = space.empty(ends[-1], dtype=dtypes.pop() if len(dtypes) == 1 else "float64")
        for i, (p, place) in enumerate(places):
            flat[i] = p.grad is not None
            flat[place] = 0 if p.grad is None else p.grad.data.reshape(-1)
        told = self._meet(BATCH, ends[-1], loss, count)
        rows = sum(n for _, n in told)
        loss = sum(mean * n for mean, n in told) / rows if rows else math.nan
        if not math.isfinite(loss):
            return loss
        self._sum(flat)
        flat[ends[0] :] /= rows
        anywhere = to_numpy(flat[: ends[0]]).tolist()
        for ranks, (p, place) in zip(anywhere, places, strict=True):
            p.grad = asarray(flat[place].reshape(p.shape), dtype=p.dtype) if ranks else None
        return loss

    def match(self, buffers: Iterable[Tensor]) -> None:
        """Give ``buffers`` rank 0's values."""
        if buffers := list(buffers):
            for buffer, values in zip(buffers, self.broadcast([to_numpy(b.data) for b in buffers]), strict=True):
                buffer._set(asarray(values, device=buffer.device).data)

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over all ranks, in float64."""
        self._meet(SUMS, len(numbers))
        sums = NUMPY.asarray(numbers, dtype="float64")
        self._sum(sums)
        return [float(number) for number in sums]

    def broadcast(self, value: Any) -> Any:
        """Rank 0's ``value``, anything that can be pickled, on every rank."""
        data = pickle.dumps(value) if self.rank == 0 else b""
        size = int(self._meet(VALUES, 0.0, len(data))[0][0])
        buffer = bytearray(data or size)
        self._wait(self._comm.Ibcast([buffer, self._mpi.BYTE], root=0).Test, self.timeout)
        return pickle.loads(buffer)

    # ------------------------------------------------------------------------------------------------------- messages

    def _meet(self, kind: float, length: float = 0.0, *values: float, for_ever: bool = False) -> list[list[float]]:
        """Have every rank come for the same, and give what each brought: two numbers."""
        if self._parted:
            raise ParallelError("the ranks have parted over an error: start anew.")
        mine = [kind, length, *values, *[0.0] * (2 - len(values)), self.interrupted]
        told = self._gather(NUMPY.asarray(mine, dtype="float64"), None if for_ever else self.timeout).tolist()
        if failed := [rank for rank, row in enumerate(told) if row[0] == ERROR]:
            said = self._sentences("")
            raise self._known("; ".join(f"rank {rank} of {self.size} failed: {said[rank]}" for rank in failed))
        if others := [rank for rank, row in enumerate(told) if row[:2] != told[0][:2]]:
            first, theirs = (KINDS[int(told[rank][0])] for rank in (0, others[0]))
            raise self._known(
                f"{_named(others)} of {self.size} came to another meeting ({theirs}) than rank 0 ({first}): every rank "
                "is to run the same program on the same data."
            )
        if kind != END and any(row[4] for row in told):
            self.interrupted = False
            raise KeyboardInterrupt
        return [row[2:4] for row in told]

    def _sentences(self, mine: str) -> list[str]:
        text = mine.encode()[:SENTENCE].ljust(SENTENCE)
        texts = self._gather(NUMPY.frombuffer(text, "uint8"), self.timeout)
        return [row.tobytes().decode(errors="ignore").strip().rstrip(".") for row in texts]

    def _gather(self, mine: Any, limit: float | None) -> Any:
        """What each rank gave, a row each."""
        table = NUMPY.empty((self.size, mine.size), dtype=mine.dtype)
        self._wait(self._comm.Iallgather(mine, table).Test, limit)
        return table

    def _sum(self, array: Any) -> None:
        """``array`` becomes the sum of all ranks' arrays."""
        if isinstance(array, NUMPY.ndarray):
            done = self._comm.Iallreduce(self._mpi.IN_PLACE, array).Test
        else:
            with array.device:
                self._add = self._add or all_reduce(self.size, self.rank, self.broadcast)
                done = self._add(array)
        self._wait(done, self.timeout)

    def _wait(self, done: Callable[[], bool], limit: float | None) -> None:
        start = time.monotonic()
        try:
            while not done():
                waited = time.monotonic() - start
                if limit is not None and waited > limit:
                    raise self._known(f"{self._missing()} has not answered for {limit:g} s")
                if waited < BUSY:
                    _make_way()
                else:
                    time.sleep(min(waited / 20, 0.05))
        except self._mpi.Exception as error:
            self._broken = True
            raise self._known(f"a rank of {self.size} can't be reached any more ({error})") from None
        except BaseException:
            self._parted = self._broken = True
            raise

    def _missing(self) -> str:
        """Who does not come: MPI does not tell, but all who wait get here within the same time once more."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        for rank in others:
            self._comm.Isend([b"", self._mpi.BYTE], dest=rank)
        heard = {rank: self._comm.Irecv([bytearray(), self._mpi.BYTE], source=rank) for rank in others}
        until = time.monotonic() + (self.timeout or 0.0)
        while heard and time.monotonic() < until:
            heard = {rank: request for rank, request in heard.items() if not request.Test()}
            time.sleep(0.01)
        return f"{_named(list(heard)) if heard else 'a rank'} of {self.size}"

    def _known(self, sentence: str) -> ParallelError:
        """An error that every rank raises by itself."""
        self._parted = True
        return ParallelError(sentence)


def _mpi() -> Any:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = "is not installed" if missing else f"finds no MPI ({str(error).partition(chr(10))[0]})"
        raise ParallelError(
            f"training in parallel needs mpi4py, which {why}: pip install 'glassgrad[mpi]', and start with mpirun."
        ) from None
    return MPI


def _named(ranks: Sequence[int]) -> str:
    return ("rank " if len(ranks) == 1 else "each of ranks ") + ", ".join(map(str, ranks))


def _arrays(state: dict[str, Tensor]) -> dict[str, Any]:
    return {name: to_numpy(tensor.data) for name, tensor in state.items()}
