"""What the ranks of test_parallel.py run: ``python ranks.py PROGRAM FOLDER``. Each leaves what it saw in FOLDER."""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.parallel import Parallel

X = np.random.default_rng(5).standard_normal((100, 6))
Y = np.random.default_rng(6).integers(0, 3, 100)
TRAIN, HELD = (X[:85], Y[:85]), (X[85:], Y[85:])
BATCHES = [slice(0, 40), slice(40, 41), slice(41, 85)]
WEIGHED = {
    "sgd": lambda p: nn.optim.SGD(p, lr=0.3, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: nn.optim.Adam(p, lr=0.05, weight_decay=0.01),
    "adamw": lambda p: nn.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    "rmsprop": lambda p: nn.optim.RMSprop(p, lr=0.02, weight_decay=0.01),
}
RUNS = {
    **{f"{name} {size}": (name, {"data": TRAIN, "batch_size": size}) for name in WEIGHED for size in (16, 84)},
    "clipped": ("sgd", {"data": TRAIN, "batch_size": 13, "max_norm": 0.1}),
    "batches": ("adam", {"data": [(X[rows].tolist(), Y[rows].tolist()) for rows in BATCHES]}),
    "regression": (
        "adam",
        {"data": (X[:, :5], X[:, 5:]), "batch_size": 30, "loss": nn.functional.mse_loss, "seed": None},
    ),
    "validated": ("adamw", {"data": TRAIN, "batch_size": 10, "validation": HELD, "patience": 2, "epochs": 30}),
    "plateau": ("sgd", {"data": TRAIN, "batch_size": 10, "validation": HELD, "reduce": True, "epochs": 8}),
    "stopped": ("sgd", {"data": TRAIN, "batch_size": 50, "callback": lambda history: history.epochs == 3}),
    "resumed": ("adam", {"data": TRAIN, "batch_size": 16, "before": True}),
    # The last batch has fewer rows than there are ranks.
    "norm": ("sgd", {"data": TRAIN, "batch_size": 82, "norm": "batch", "validation": HELD}),
    "dropout": ("adam", {"data": TRAIN, "batch_size": 21, "dropout": 0.4}),
    "both": ("sgd", {"data": TRAIN, "batch_size": 9, "norm": "batch", "dropout": 0.4, "max_norm": 1.0}),
    "not compiled": ("adamw", {"data": TRAIN, "batch_size": 19, "max_norm": 0.5, "validation": HELD, "compile": True}),
    "float32": ("adamw", {"data": TRAIN, "batch_size": 16, "dtype": "float32"}),
}


def model_of(seed, inputs=6, outputs=3, **options):
    return nn.MLP([inputs, 8, outputs], seed=seed, **{"dtype": "float64", **options})


def trained(name, parallel=None):
    """The run's model and history. Each rank draws other weights and another order: rank 0's must win."""
    optimizer, given = RUNS[name]
    given = {"epochs": 4, "seed": 7, "loss": nn.functional.cross_entropy, **given}
    rank = parallel.rank if parallel else 0
    regression = name == "regression"
    options = {name: given.pop(name) for name in ("dtype", "norm", "dropout") if name in given}
    model = model_of(rank, 5 if regression else 6, 1 if regression else 3, **options)
    optimizer = WEIGHED[optimizer](model.parameters())
    if given.pop("reduce", False):
        given["schedule"] = nn.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.2)
    if given["seed"] is not None:
        given["seed"] += rank
    if rank and "callback" in given:
        given["callback"] = not_here
    if given.pop("before", False) and not rank:
        for p in model.parameters():
            p.grad = ag.ones_like(p)
        optimizer.step()
    history = nn.fit(model, optimizer=optimizer, progress=False, parallel=parallel, **given)
    return model, history


def not_here(history):
    raise AssertionError("rank 0 alone is called back")


def same(folder):
    with Parallel() as parallel:
        for name in RUNS:
            model, history = trained(name, parallel)
            weights = {key: value.numpy() for key, value in model.state_dict().items()}
            digest = hashlib.sha256(b"".join(array.tobytes() for array in weights.values())).hexdigest()
            (folder / f"{name} {parallel.rank}.digest").write_text(digest)
            if parallel.rank == 0:
                nn.save({**weights}, folder / f"{name}.npz")
                history.save(folder / f"{name}.json")


class Sees(nn.Module):
    """Keeps what is its rank's alone, until the epoch ends."""

    def __init__(self):
        self.register_buffer("seen", ag.zeros(6))

    def forward(self, x):
        self.seen.data = x[0].data
        return x


def averaged(folder):
    with Parallel() as parallel:
        rank = parallel.rank
        w, of_one, of_none, frozen = (ag.Tensor([1.0, 2.0], requires_grad=True) for _ in range(4))
        frozen.requires_grad_(False)
        count = 2 if rank else 1
        w.grad = ag.Tensor([rank + 1.0, 10.0]) * count
        of_one.grad = ag.Tensor([3.0, 6.0]) * count if rank == 1 else None
        loss = parallel.average_gradients([w, of_one, frozen, of_none], loss=rank + 0.5, rows=count)
        seen = [loss, w.grad.tolist(), of_one.grad.tolist(), of_none.grad, frozen.grad]
        untouched = parallel.average_gradients([w], loss=float("inf") if rank else 0.0, rows=1), w.grad.tolist()
        said = parallel.broadcast({"from": rank})
        model = nn.Sequential(Sees(), nn.Linear(6, 3, seed=0))
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        options = {"resume": folder / "training.npz", "parallel": parallel, "progress": False}
        for epochs in (1, 2):  # the second call goes on from the file of the first
            nn.fit(model, nn.functional.cross_entropy, optimizer, TRAIN, epochs=epochs, **options)
        rows = [len(parallel.shard(range(n), range(n))[0]) for n in range(6)]
        content = [seen, untouched, said, parallel.sum(rank, 1), rows, model[0].seen.tolist()]
        (folder / f"{rank}.json").write_text(json.dumps(content))


class Fault:
    """A loss that does something in the third epoch, on one rank."""

    def __init__(self, parallel, rank, action):
        self.parallel, self.rank, self.action, self.calls = parallel, rank, action, 0

    def __call__(self, output, y):
        self.calls += 1
        lost = nn.functional.cross_entropy(output, y)
        if self.parallel.rank == self.rank and self.calls == 11:  # of 5 in an epoch
            return self.action(lost)
        return lost


def faulty(folder, rank, action, timeout=20.0):
    """Train with a `Fault`; leave the end of each rank, and of rank 0 the weights."""
    with Parallel(timeout=timeout) as parallel:
        model = model_of(0, norm="batch")  # ranks meet in the midst of a step, too

        def keep(history):
            nn.save(model, folder / "model.npz")

        history = nn.fit(
            model,
            Fault(parallel, rank, action),
            nn.optim.SGD(model.parameters(), lr=0.1),
            TRAIN,
            epochs=6,
            batch_size=17,
            callback=keep,
            progress=False,
            parallel=parallel,
        )
    if parallel.rank == 0:
        time.sleep(0.5)  # the others are to wait until all is written
    (folder / f"{parallel.rank}.txt").write_text(history.note)


def full(lost):
    raise ValueError("the disk is full.")


def interrupt(lost):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores the signal
    raise KeyboardInterrupt


FAULTS = {
    "raises": (1, full),
    "rank_0_raises": (0, full),
    "diverges": (1, lambda lost: lost * float("nan")),
    "interrupted": (1, interrupt),
    "killed": (1, lambda lost: os.kill(os.getpid(), signal.SIGKILL)),
    "sleeps": (1, lambda lost: time.sleep(100), 1.0),
}


def last_raises(folder):
    """Rank 0 fails when all others are through."""
    with Parallel(timeout=20.0) as parallel:
        if parallel.rank == 0:
            time.sleep(0.3)
            raise OSError("no space left")
    (folder / f"{parallel.rank}.txt").write_text("ended")


def unlike(folder):
    """Ranks that were given different data, and then batches of different number."""
    rank = Parallel().rank
    for case, given in (
        ("data", {"data": (X + (rank == 1), Y)}),
        ("layers", {"data": TRAIN}),
        ("batches", {"data": Endless(2 + (rank == 1))}),
    ):
        model = model_of(0, outputs=4 if case == "layers" and rank == 1 else 3)
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        given |= {"epochs": 1, "progress": False, "parallel": Parallel(timeout=20.0)}
        try:
            nn.fit(model, nn.functional.cross_entropy, optimizer, **given)
        except nn.errors.ParallelError as error:
            (folder / f"{case} {rank}.txt").write_text(str(error))


class Endless:
    """Batches that do not tell their number."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        return iter([TRAIN] * self.count)


if __name__ == "__main__":
    program, folder = sys.argv[1], Path(sys.argv[2])
    faulty(folder, *FAULTS[program]) if program in FAULTS else globals()[program](folder)
