"""How a row of the corpus is run: in a world made for it alone, of which nothing may have changed when it was refused.

The rows stand in the ``.txt`` files here, one a line: ``call ⇒ Error: sentence`` is a call that is refused in an error
of that class, whose message is that sentence, with ``…`` where it depends on the machine; ``call ⇒ = expression`` one
whose value must be that of the expression. Both are Python, read in the names that `World` has.
``python -m tests.bad_input`` writes anew each sentence that has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd, nn, viz
from glassgrad import autograd as ag
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import render
from glassgrad.viz.pages.report import Held

CALLS = ("autograd", "nn", "tensor", "viz")
"""The tables whose rows are calls. Those of `test_command_line` and `test_files` have rows of their own."""

Row = tuple[str, str, str]
"""A call, the name of an error or ``"="``, and a sentence or an expression."""


def rows(file: Path) -> list[Row]:
    """What a table has, comments left out."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            call, then = line.split(" ⇒ ")
            kind, said = ("=", then[2:]) if then.startswith("= ") else then.split(": ", 1)
            found.append((call.strip(), kind, said.strip()))
    return found


def on_one_line(text: str, folder: Path) -> str:
    """A message as a table has it: without addresses and the place of the folder, lines joined."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0x…", text.replace(str(folder), "FOLDER"))
    return " ⏎ ".join(line.strip() for line in text.strip().splitlines())


def rewrite(file: Path, refusal: Callable[[str], tuple[str, str]]) -> None:
    """Write a table anew with what ``refusal`` gives for each call: the kind of the error, and its sentence."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        if " ⇒ " in line and " ⇒ = " not in line and not line.startswith("#"):
            call, before = line.split(" ⇒ ")
            now = ": ".join(refusal(call.strip()))
            lines[i] = f"{call} ⇒ {before if matches(now, before) else now}"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


SYSTEMS = (FileNotFoundError, IsADirectoryError, NotImplementedError, AttributeError)
"""What is raised as itself: the system's word about a file that is to be read, named as the user did; a method that a
subclass has to write; and a name that a package does not have. All the rest is this package's own errors.
"""


class Sparse:
    """What SciPy's sparse arrays look like to whoever does not import them."""

    shape, ndim, dtype = (2, 2), 2, np.dtype(float)

    def toarray(self) -> np.ndarray:
        raise AssertionError("made dense behind the user's back")


class Explodes:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("the object's own fault")


class Nameless:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class World:
    """The names that a row may use, and what of them it may not change."""

    def __init__(self, folder: Path) -> None:
        self.x = ag.Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], name="x")
        self.v = ag.Tensor([1.0, 2.0, 3.0])
        self.w = ag.Tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], requires_grad=True, name="w")
        self.loss = (self.w * self.w).sum()
        self.w.grad = ag.ones((2, 3))
        self.model = nn.MLP([3, 2], seed=0)
        self.deep = nn.MLP([3, 2, 2], seed=0)
        self.optimizer = nn.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.schedule = nn.optim.lr_scheduler.StepLR(self.optimizer, 1)
        self.plateau = nn.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer)
        self.held = Held(np.zeros((2, 3, 3)), [0, 1], [[1.0, 0.0]] * 2, ["a", "b"])
        self.rng = np.random.default_rng(0)
        self.raw = np.array([1.0, 2.0])
        self.names = {
            "ag": ag,
            "nn": nn,
            "viz": viz,
            "np": np,
            "F": nn.functional,
            "Tensor": ag.Tensor,
            "lr": nn.optim.lr_scheduler,
            "inf": inf,
            "nan": nan,
            "folder": folder,
            "Held": Held,
            "masked": np.ma.masked_array([1.0, 2.0], [False, True]),
            "unmasked": np.ma.masked_array([1.0, 2.0]),
            "objects": np.array([1.0, 2.0], object),
            "strings": np.array(["1.0", "2.0"]),
            "dates": np.array(["2020-01-01"], "datetime64[D]"),
            "fields": np.zeros(2, [("a", float)]),
            "big_endian": np.array([1.0, 2.0], ">f8"),
            "read_only": _read_only([1.0, 2.0]),
            "strided": np.arange(4.0)[::2],
            "fortran": np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
            "sparse": Sparse(),
            "explodes": Explodes(),
            "nameless": Nameless(),
            **{name: value for name, value in vars(self).items() if name != "names"},
        }
        self.folder = folder
        self.before = self.seen()

    def seen(self) -> dict[str, Any]:
        """Everything that a call which is refused must leave as it is."""
        tensors = {"x": self.x, "v": self.v, "w": self.w, "loss": self.loss}
        tensors |= {f"model.{name}": p for name, p in self.model.named_parameters()}
        tensors |= {f"deep.{name}": p for name, p in self.deep.named_parameters()}
        for i, slots in enumerate(self.optimizer.state.values()):
            tensors |= {f"optimizer.{i}.{name}": t for name, t in slots.items()}
        found: dict[str, Any] = {
            name: (t.dtype, t.shape, t.name, t.requires_grad, np.asarray(t.data).tobytes())
            for name, t in tensors.items()
        }
        found["w.grad"] = self.w.grad.tolist() if self.w.grad is not None else None
        found["raw"] = self.raw.tolist()
        found["saved"] = self.loss.node.saved is not None
        found["training"] = [module.training for module in self.model.modules()]
        found["options"] = [{k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups]
        found["files"] = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        found["mode"], found["operations"], found["engine"] = MODE.get(), list(ag.OPS), list(render._setting)
        found["errors"] = np.geterr()
        return found

    def value(self, call: str) -> Any:
        with np.errstate(all="ignore"):  # that a logarithm of 0 is -inf, NumPy says in a warning
            return eval(call, self.names)

    def changed(self) -> list[str]:
        now = self.seen()
        return [name for name in {**now, **self.before} if repr(now.get(name)) != repr(self.before.get(name))]


def _read_only(values: list[float]) -> np.ndarray:
    array = np.array(values)
    array.flags.writeable = False
    return array


def run(row: Row, folder: Path) -> None:
    """Fail unless the call ends as the row says."""
    call, error, says = row
    world = World(folder)
    if error == "=":
        same(world.value(call), world.value(says))
        assert not world.changed(), f"{call} changed {world.changed()}"
        return
    try:
        value = world.value(call)
    except Exception as raised:
        told(raised, ERRORS[error], says, folder)
    else:
        raise AssertionError(f"{call} was not refused: it gave {value!r:.200}")
    assert not world.changed(), f"{call} was refused and yet changed {world.changed()}"


ERRORS: dict[str, type[Exception]] = {
    cls.__name__: cls
    for home in (autograd.errors, nn.errors, viz)
    for cls in (getattr(home, name) for name in dir(home))
    if isinstance(cls, type) and issubclass(cls, Exception)
} | {cls.__name__: cls for cls in SYSTEMS}


def told(raised: Exception, error: type[Exception], says: str, folder: Path) -> None:
    """Whether the error is of this package, and of the kind that the row names, and says what the row says."""
    if not isinstance(raised, (AutogradError, *SYSTEMS)) or type(raised) is not error:
        raise AssertionError(f"{type(raised).__name__} instead of {error.__name__}: {raised}") from raised
    text = str(raised)
    agree(on_one_line(text, folder), says)
    assert re.search(r"[a-z]", text), text
    assert len(text) < 2000, "a sentence, not a page"


def matches(said: str, recorded: str) -> bool:
    """Whether a sentence is the recorded one, in which ``…`` stands for what another version or machine says."""
    return re.fullmatch(".*".join(map(re.escape, recorded.split("…"))), said) is not None


def agree(said: str, recorded: str) -> None:
    """Fail, with both sentences one below the other, unless they match."""
    if not matches(said, recorded):
        raise AssertionError(f"\nit says  {said}\nit said  {recorded}\nIf that is meant: python -m tests.bad_input")


def same(found: Any, expected: Any) -> None:
    """Whether two values are equal to the last bit, dtype and shape included; NaN is NaN."""
    if isinstance(expected, tuple | list):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    elif isinstance(expected, ag.Tensor):
        assert isinstance(found, ag.Tensor)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found.data, expected.data)
    elif isinstance(expected, float):
        np.testing.assert_equal(float(found), expected)
    else:
        assert found == expected, f"{found!r} instead of {expected!r}"
