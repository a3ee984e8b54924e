"""`fit(resume=...)`: a training that was stopped and goes on ends as one that was never stopped, bit for bit."""

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.errors import FileError, StateError
from tests.nn.training.helpers import HELD, LOSS, X, Y, interrupting, weights


def network():
    return nn.MLP([2, 6, 2], "tanh", norm="batch", dropout=0.2, seed=0)


def setting(kind):
    """What changes from epoch to epoch besides the weights: an optimizer's state, rates, orders, masks, noise."""
    model = network()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.05)
    options = {"validation": HELD, "patience": 5, "batch_size": 10, "data": (X[:40], Y[:40])}
    schedule = nn.optim.lr_scheduler
    if kind == "plateau":
        options |= {"schedule": schedule.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)}
    elif kind == "augmented":
        noisy = nn.data.Batches(X[:40], Y[:40], 10, 3, augment=[lambda x, draw: x + draw.normal(size=x.shape)])
        options |= {"data": noisy, "schedule": schedule.CosineAnnealingLR(optimizer, 9)}
    elif kind == "plain":
        draw = np.random.Generator(np.random.MT19937(1))  # whose state holds an array
        options |= {"validation": None, "patience": None, "max_norm": 0.1, "seed": draw}
    else:
        options |= {"compile": True}
    return model, optimizer, options


def run(kind, path=None, epochs=9, loss=LOSS, **more):
    model, optimizer, options = setting(kind)
    options |= {"epochs": epochs, "progress": False, "resume": path, **more}
    history = nn.fit(model, loss, optimizer, options.pop("data"), **options)
    return history, weights(model), {**vars(history), "seconds": None}


@pytest.mark.parametrize("kind", ["plain", "plateau", "augmented", "compiled"])
@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_resumed_training_equals_one_that_was_never_stopped(kind, ending, tmp_path):
    path = tmp_path / f"training.{ending}"
    _, wanted, told = run(kind)
    stop = (
        {"callback": interrupting(lambda history: None, 2)} if kind == "compiled" else {"loss": interrupting(LOSS, 7)}
    )
    assert run(kind, path, **stop)[0].interrupted
    with pytest.raises(ZeroDivisionError):
        run(kind, path, callback=lambda history: history.epochs == 3 and 1 / 0)
    assert nn.load(path)["history"]["loss"] == told["loss"][:2]
    _, found, history = run(kind, path)
    assert (found, history) == (wanted, told)
    _, found, history = run(kind, path)  # all is done
    assert (found, history) == (wanted, told)


def test_patience_and_the_best_epoch_count_from_the_first(tmp_path):
    path = tmp_path / "training.npz"
    wanted = run("plateau", epochs=40, patience=3)
    assert wanted[0].stopped_early
    for epochs in (*range(1, wanted[0].epochs + 1), 40):
        found = run("plateau", path, epochs=epochs, patience=3)
    assert found[1:] == wanted[1:]


def test_the_first_epoch_begins_from_the_same_weights(tmp_path):
    path = tmp_path / "training.npz"
    finals = []
    for after in (2, 10**9):
        model = nn.MLP([2, 6, 2], seed=after)
        begun = weights(model)
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        nn.fit(model, interrupting(LOSS, after), optimizer, (X, Y), epochs=1, progress=False, resume=path)
        finals.append((begun, weights(model)))
    assert nn.load(path)["history"]["loss"]
    model = nn.MLP([2, 6, 2], seed=2)
    nn.fit(model, LOSS, nn.optim.SGD(model.parameters(), lr=0.1), (X, Y), epochs=1, progress=False)
    assert weights(model) == finals[1][1] != finals[1][0]


def test_a_file_that_cannot_be_written_is_refused_before_the_training(tmp_path):
    calls = []
    with pytest.raises(DomainError, match=r"ends in '\.pt'"):
        run("plain", tmp_path / "training.pt", loss=calls.append)
    with pytest.raises(OSError, match="nowhere"):
        run("plain", tmp_path / "nowhere" / "training.npz", loss=calls.append)
    assert not calls


def test_a_file_of_something_else_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "training.npz"
    model, optimizer, _ = setting("plateau")
    before = weights(model), str(optimizer.state_dict())

    def resumed(**options):
        return nn.fit(model, LOSS, optimizer, (X, Y), epochs=3, progress=False, resume=path, **options)

    nn.save(network(), path)
    with pytest.raises(FileError, match=r"training\.npz is not a file of this training"):
        resumed()
    for content in ({"fit": 1}, {"fit": {}, "history": {"x": 1}, "best": {}}, {"fit": [], "history": 3}):
        nn.save(content, path)
        with pytest.raises(FileError, match="is not a file of this training"):
            resumed()
    path.unlink()
    run("plateau", path, epochs=1)
    with pytest.raises(FileError, match="it has model, optimizer, schedule"):
        resumed()
    path.unlink()
    other = nn.MLP([2, 7, 2], norm="batch", dropout=0.2)
    nn.fit(other, LOSS, nn.optim.Adam(other.parameters()), (X, Y), epochs=1, progress=False, resume=path)
    with pytest.raises(StateError, match="instead of"):
        resumed()
    path.unlink()
    other = nn.MLP([2, 6, 2], "relu", norm="batch", dropout=0.2)
    nn.fit(other, LOSS, nn.optim.Adam(other.parameters()), (X, Y), epochs=1, progress=False, resume=path)
    with pytest.raises(StateError, match=r"training\.npz is of a model with other layers"):
        resumed()
    assert (weights(model), str(optimizer.state_dict())) == before
