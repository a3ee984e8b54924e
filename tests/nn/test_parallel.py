"""Ranks under a real launcher: as one process, and what happens when one fails, is lost, or was given other things."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn import parallel
from glassgrad.nn.errors import ParallelError
from tests.nn import ranks
from tests.sampling import sampled, waiting

ROOT = Path(__file__).parents[2]
MPIRUN = shutil.which("mpirun", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
ENVIRONMENT = {
    **dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"),
    "PYTHONPATH": str(ROOT),
    # MPICH needs none of these; Open MPI wants to be told that root may, and that there may be more ranks than cores.
    **{f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")},
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}

pytest.importorskip("mpi4py", reason='pip install "glassgrad[mpi]"')
mpi = pytest.mark.skipif(MPIRUN is None, reason='there is no mpirun: pip install "glassgrad[mpi]"')


def launch(count, *command, cwd=ROOT):
    return subprocess.run(
        [MPIRUN, "-n", str(count), sys.executable, *map(str, command)],
        env={**os.environ, **ENVIRONMENT},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def launched(count, program, folder):
    return launch(count, ROOT / "tests/nn/ranks.py", program, folder)


def texts(folder):
    return {path.stem: path.read_text() for path in folder.glob("*.txt")}


@mpi
@pytest.mark.parametrize("count", sampled([2, 4], 2))
def test_a_run_is_that_of_one_process(count, tmp_path):
    done = launched(count, "same", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ranks.RUNS:
        model, history = ranks.trained(name)
        weights, theirs = nn.load(tmp_path / f"{name}.npz"), nn.History.load(tmp_path / f"{name}.json")
        close = {"rtol": 1e-3, "atol": 1e-4} if name == "float32" else {"rtol": 1e-9, "atol": 1e-11}
        for key, value in model.state_dict().items():
            np.testing.assert_allclose(weights[key].numpy(), value.numpy(), **close, err_msg=f"{name}: {key}")
        np.testing.assert_allclose(theirs.loss, history.loss, rtol=close["rtol"], err_msg=name)
        assert theirs.validation_accuracy == history.validation_accuracy, name
        if name != "float32":
            assert theirs.accuracy == history.accuracy, name
        assert (theirs.lr, theirs.note) == (pytest.approx(history.lr), history.note), name
        assert len({(tmp_path / f"{name} {rank}.digest").read_text() for rank in range(count)}) == 1, name
    assert nn.History.load(tmp_path / "stopped.json").epochs == 3
    assert nn.History.load(tmp_path / "validated.json").stopped_early


@mpi
def test_gradients_are_weighted_by_rows(tmp_path):
    done = launched(3, "averaged", tmp_path)
    assert done.returncode == 0, done.stderr
    buffers = []
    for rank in range(3):
        seen, untouched, said, total, rows, buffer = json.loads((tmp_path / f"{rank}.json").read_text())
        # Rows 1, 2, 2; gradients 1, 2, 3 and 10; losses 0.5, 1.5, 2.5.
        assert seen == [pytest.approx(1.7), pytest.approx([2.2, 10.0]), pytest.approx([1.2, 2.4]), None, None]
        assert untouched == [float("inf"), seen[1]]
        assert (said, total) == ({"from": 0}, [3.0, 3.0])
        assert rows == [[0, 1, 2, 1, 2, 2], [0, 1, 2, 1, 1, 2], [0, 1, 2, 1, 1, 1]][rank]
        buffers.append(buffer)
    assert buffers[0] == buffers[1] == buffers[2] != [0.0] * 6


@mpi
@pytest.mark.parametrize(
    ("program", "own"),
    [
        ("raises", r"(?s)ValueError: the disk is full\..*rank 1 of 3 failed"),
        ("interrupted", "rank 1 of 3 failed"),
        waiting("rank_0_raises", r"(?s)ValueError: the disk is full\..*rank 0 of 3 failed"),
        waiting("last_raises", "rank 0 of 3 failed"),
        waiting("diverges", "TrainingError: The loss became nan in epoch 3, batch 1,"),
        waiting("killed", ""),
        waiting(
            "sleeps",
            r"ParallelError: a rank of 3 has not answered rank [02] for 1 s: see whether it failed, or give Parallel a "
            "longer timeout",
        ),
    ],
)
def test_a_rank_that_fails_ends_all_and_the_weights_remain(program, own, tmp_path):
    start = perf_counter()
    done = launched(3, program, tmp_path)
    assert done.returncode != 0
    assert re.search(own, done.stderr)
    assert perf_counter() - start < 20
    assert texts(tmp_path) == {}
    if program != "last_raises":
        assert nn.load_model(tmp_path / "model.npz").sizes == (6, 8, 3)


@mpi
def test_ranks_that_were_given_other_things_are_refused(tmp_path):
    done = launched(3, "unlike", tmp_path)
    assert done.returncode == 0, done.stderr
    said = texts(tmp_path)
    assert len(said) == 9
    for rank in range(3):
        for case in "data", "layers", "batches":
            where = "which is at the start of a training" if case != "batches" else "which is at a broadcast"
            assert f"layers of rank 1 of 3 differ from those of rank 0, {where}: run" in said[f"{case} {rank}"]


@mpi
def test_what_can_not_be_pickled_is_told_to_all_ranks(tmp_path):
    (tmp_path / "send.py").write_text(
        "from glassgrad.nn.parallel import Parallel\n"
        "with Parallel(timeout=20) as parallel:\n"
        "    parallel.broadcast(None if parallel.rank else lambda: 1)\n"
    )
    done = launch(2, "send.py", cwd=tmp_path)
    assert done.returncode != 0
    assert "ParallelError: rank 0 of 2 failed" in done.stderr


def test_without_mpi4py_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ParallelError, match=r"needs mpi4py, which is not installed: pip install \"glassgrad\[mpi\]\""):
        parallel.Parallel()


def test_without_an_mpi_a_sentence_says_what_to_install(monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "mpi4py.MPI":
                raise RuntimeError("cannot load MPI library\nlibmpi.so: no such file")

    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    monkeypatch.delattr(sys.modules["mpi4py"], "MPI", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(ParallelError, match=r"finds no MPI \(cannot load MPI library\): pip install"):
        parallel.Parallel()


def test_a_launcher_of_another_mpi_is_detected(monkeypatch):
    alone = SimpleNamespace(Dup=lambda: SimpleNamespace(rank=0, size=1))
    library = SimpleNamespace(COMM_WORLD=alone, get_vendor=lambda: ("MPICH", (5, 0, 2)))
    monkeypatch.setattr(parallel, "_mpi", lambda: library)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(
        ParallelError, match=r"4 processes were started, but each is alone: .* than the MPICH that mpi4py"
    ):
        parallel.Parallel()


def test_gradients_on_a_gpu_are_summed_on_the_cpu(gpu):
    weight = ag.Tensor([1.0, 2.0], requires_grad=True, device="cuda")
    weight.grad = ag.Tensor([3.0, 4.0], device="cuda")
    assert parallel.Parallel().average_gradients([weight], loss=0.5, rows=2) == 0.5
    assert (weight.grad.device, weight.grad.to("cpu").tolist()) == ("cuda:0", [1.5, 2.0])
