"""The soak in short, and whether it would see what it looks for."""

import gc
import mmap
import random
import re
import subprocess
import sys

import pytest

from benchmarks import soak
from glassgrad import nn

WAYS = ("forward", "backward")


@pytest.mark.check
def test_a_short_soak_is_flat_and_leaves_whole_checkpoints():
    words = ["--steps", "3000", "--graphs", "1500", "--interrupts", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    trained, broken, fits, runs = done.stdout.splitlines()
    assert trained.startswith("3,000 training steps in ")
    forward, backward = (int(re.search(rf"([\d,]+) broken off {way}", broken)[1].replace(",", "")) for way in WAYS)
    assert min(forward, backward) > 100, "faults come in both directions"
    assert "Ctrl-C in 3 runs of nn.fit; 3 " in fits
    assert "Ctrl-C in 1 runs of python -m glassgrad.nn digits; " in runs


def test_a_growing_memory_is_noticed():
    kept = []

    def keep():
        kept.append(mmap.mmap(-1, 1 << 17))  # pages of their own: an allocator may have free ones in hand
        kept[-1].write(bytes(1 << 17))

    leaking = soak.repeated(100, keep, collect=True)
    assert leaking.growth()[0] > soak.GROWTH
    assert not leaking.is_flat()
    few = soak.repeated(200, lambda: kept.append([]), collect=True)
    assert few.growth()[1] > soak.FEW
    assert not few.is_flat()
    assert soak.repeated(100, lambda: None, collect=True).growth()[1] <= 0


def test_a_cycle_is_seen_while_steps_are_taken():
    def cycle():
        a = []
        a.append(a)

    assert not soak.repeated(100, cycle, collect=False).is_flat()
    assert gc.isenabled()


def test_half_a_checkpoint_is_seen(tmp_path):
    rng = random.Random(0)
    path = tmp_path / "model.npz"
    assert soak._checked(tmp_path, [path]) == "no checkpoint yet"
    nn.save(nn.Linear(2, 2, seed=0), path)
    assert soak._checked(tmp_path, [path]) == "a checkpoint"
    path.write_bytes(path.read_bytes()[: rng.randrange(10, 200)])
    with pytest.raises(nn.errors.FileError):
        soak._checked(tmp_path, [path])
    path.unlink()
    (tmp_path / ".model.npz.part").write_bytes(b"")
    with pytest.raises(AssertionError, match="left half written"):
        soak._checked(tmp_path, [path])
