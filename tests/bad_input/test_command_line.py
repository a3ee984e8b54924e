"""What is typed by mistake: exit status 2, one sentence on stderr, and no file where there was none."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn import __main__ as nn_command
from glassgrad.nn.commands import digits
from glassgrad.nn.data import Dataset
from glassgrad.viz import __main__ as viz_command

COMMANDS: dict[str, ModuleType] = {"nn": nn_command, "viz": viz_command}


def tiny() -> Dataset:
    """Two hundred digits to train with, so that a run is soon over."""
    rng = np.random.default_rng(0)
    x, y = rng.random((260, 256)).astype("float32"), rng.integers(0, 10, 260)
    return Dataset("digits", x[:200], y[:200], x[200:], y[200:], (16, 16), tuple("0123456789"))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with files that are not what they should be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(digits, "DATASETS", {**nn.data.DATASETS, "digits": tiny})
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "huge.json").write_text('{"batch": 1' + "0" * 5000 + "}")
    (tmp_path / "deep.json").write_text("[" * 10**5)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    nn.save(nn.MLP([3, 2], seed=0), "other.npz")
    nn.save({"a": 1}, "dict.npz")
    nn.save(
        nn.MLP([256, 10], seed=0),
        "digits.npz",
        metadata={"data": "digits", "loss": "mse", "classes": list("0123456789")},
    )
    return tmp_path


def files(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


ROWS = """
nn                                                  ⇒ the following arguments are required: COMMAND
nn digit                                            ⇒ invalid choice: 'digit'
nn digits --lr 1e30                                 ⇒ The loss became
nn digits --lr 1e300 --epochs 1 --batch 184         ⇒ The loss became nan in the last step of epoch 1, which left
nn digits --lr 1e30 --out a/b/c                     ⇒ The loss became
nn digits --lr -1                                   ⇒ lr is -1.0: give a learning rate above 0
nn digits --lr 1e400                                ⇒ lr is inf: give a learning rate above 0
nn digits --lr fast                                 ⇒ argument --lr: invalid float value: 'fast'
nn digits --lr ''                                   ⇒ argument --lr: invalid float value: ''
nn digits --batch 1000000000                        ⇒ batch is 1000000000: give at most 184, the number of digits
nn digits --batch 185                               ⇒ batch is 185: give at most 184, the number of digits
nn digits --batch 0                                 ⇒ batch is 0: give a whole number of at least 1
nn digits --batch 1e3                               ⇒ argument --batch: invalid int value: '1e3'
nn digits --hidden 1000000000000                    ⇒ has 267,000,000,000,010 parameters; training it with batches
nn digits --hidden 3000000 3000000                  ⇒ GB of memory, and
nn digits --hidden 0                                ⇒ hidden is 0: give a whole number of at least 1
nn digits --hidden ten                              ⇒ argument --hidden: invalid int value: 'ten'
nn digits --epochs -5                               ⇒ epochs is -5: give a whole number of at least 1
nn digits --epochs 2.0                              ⇒ argument --epochs: invalid int value: '2.0'
nn digits --seed -1                                 ⇒ seed is -1: give a whole number of at least 0
nn digits --device moon                             ⇒ unknown device 'moon'
nn digits --device ''                               ⇒ unknown device ''
nn digits --loss hinge                              ⇒ argument --loss: invalid choice: 'hinge'
nn digits --optimizer lbfgs                         ⇒ argument --optimizer: invalid choice: 'lbfgs'
nn digits --data cifar                              ⇒ argument --data: invalid choice: 'cifar'
nn digits --out text.npz                            ⇒ text.npz cannot be written to
nn digits --out text.npz/run                        ⇒ text.npz/run cannot be written to
nn digits --out .                                   ⇒ . is not empty: name another folder
nn digits --out . --overwrite                       ⇒ . holds other files than those of a run: name another folder
nn digits --out /proc/nothing                       ⇒ /proc/nothing cannot be written to
nn digits --settings nowhere.json                   ⇒ nowhere.json cannot be read: no such file or directory
nn digits --settings text.json                      ⇒ text.json is not a settings file
nn digits --settings huge.json                      ⇒ huge.json is not a settings file
nn digits --settings deep.json                      ⇒ deep.json is not a settings file
nn digits --settings bytes.json                     ⇒ bytes.json is not a settings file
nn digits --settings empty                          ⇒ empty cannot be read: is a directory
nn digits surplus                                   ⇒ unknown arguments: surplus
nn search                                           ⇒ the following arguments are required: DATA
nn search nowhere                                   ⇒ argument DATA: invalid choice: 'nowhere'
nn search digits --layers 3:1                       ⇒ argument --layers: '3:1' is not a range: give one as 1:4
nn predict                                          ⇒ the following arguments are required: MODEL, IMAGE
nn predict nowhere.npz text.png                     ⇒ nowhere.npz cannot be read: no such file or directory
nn predict text.npz text.png                        ⇒ text.npz can't be read as an archive of arrays
nn predict other.npz text.png                       ⇒ other.npz does not come from `python -m glassgrad.nn digits`
nn predict dict.npz text.png                        ⇒ dict.npz holds 'a dict', which nn can't build
nn predict digits.npz text.png                      ⇒ text.png is not a picture
nn predict digits.npz nowhere.png                   ⇒ nowhere.png cannot be read: no such file or directory
nn predict digits.npz empty                         ⇒ empty cannot be read: is a directory
viz                                                 ⇒ the following arguments are required: EXPRESSION
viz 'L = w*'                                        ⇒ this can't be read: invalid syntax
viz 'L = w*x' w=1                                   ⇒ x has no value
viz 'L = w*x' w=1 x=                                ⇒ x= has no value
viz 'L = w*x' w=1 x=two                             ⇒ the value of x: a value is a number, a vector or a matrix
viz 'L = w@x' 'w=[[1,2]]' 'x=[[1,2]]'               ⇒ matmul can't take
viz 'L = w*x' w=1 w=2 x=1                           ⇒ w is given twice
viz 'L = w*x' w=1 x=1 z=1                           ⇒ z does not occur in the expression
viz 'L = w*x' w=1 x=1 --wrt z                       ⇒ --wrt names 'z', which is not in the expression
viz 'L = w*x' w=1 'x=[1, 2]'                        ⇒ the result has shape
viz 'L = w*x' w=1 'x=[[1], [1, 2]]'                 ⇒ the value of x
viz 'L = w*x' w=1 x=1 -o a.xyz                      ⇒ 'a.xyz' has no known suffix
viz 'L = w*x' w=1 x=1 -o nowhere/a.svg              ⇒ nowhere/a.svg can't be written: No such file or directory
viz 'L = w*x' w=1 x=1 -o text.npz/a.svg             ⇒ text.npz/a.svg can't be written
viz "L = __import__('os')"                          ⇒ there is no
viz 'L = exec(w)' w=1                               ⇒ there is no operation exec
viz 'L = w.__class__' w=1                           ⇒ __class__
viz 'L = 9**9**9**9'                                ⇒ this number is larger than a float64 can hold
viz 'L = w[5]' 'w=[1, 2]'                           ⇒ getitem can't take
viz 'L = cross_entropy(z, y)' 'z=[[1, 2]]' 'y=[7]'  ⇒ cross_entropy was given the label 7 for logits of 2 classes
"""

CASES = [line.split(" ⇒ ") for line in ROWS.strip().splitlines()]


@pytest.mark.parametrize(("words", "says"), [pytest.param(w, s, id=w.strip()) for w, s in CASES])
@pytest.mark.filterwarnings("error")
def test_bad_options_are_refused_in_one_sentence(words, says, folder, capsys):
    before = files(folder)
    command, *arguments = shlex.split(words)
    try:
        status = COMMANDS[command].main(arguments)
    except SystemExit as stopped:  # argparse's own way
        status = stopped.code
    said = capsys.readouterr().err
    assert status == 2, said
    assert says.strip() in said
    assert said.startswith(f"python -m glassgrad.{command}")
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 4, "a sentence, and at most the place in an expression"
    assert files(folder) == before
