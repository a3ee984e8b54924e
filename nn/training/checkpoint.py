"""What `fit` goes back to, and a training in a file, from which it goes on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from glassgrad.autograd import Tensor
from glassgrad.autograd.common.validation import as_path
from glassgrad.nn.errors import FileError, StateError
from glassgrad.nn.modules.module import Module, generators_of
from glassgrad.nn.optim import Optimizer
from glassgrad.nn.optim.lr_scheduler import LRScheduler
from glassgrad.nn.saving import load, save
from glassgrad.nn.saving.architecture import _layers
from glassgrad.nn.training.history import History


class Checkpoint:
    """What changes during a training: kept in memory after an epoch to be restored, and in a file to go on from.

    ``path``: of the file; ``None`` for none. ``draws``: a generator, or an object with one, besides those of the
    modules.
    """

    def __init__(
        self, path: Any, model: Module, optimizer: Optimizer, schedule: LRScheduler | None, *draws: Any
    ) -> None:
        self.path: Path | None = None if path is None else as_path(path, "resume")
        self.model, self.optimizer = model, optimizer
        parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
        self.parts: dict[str, Any] = {name: part for name, part in parts.items() if part is not None}
        self.generators = generators_of(*draws, *model.modules())
        self.layers = _layers(model)  # as it is given; a training may change options of layers
        self.best: dict[str, Tensor] = {}  # the weights that would be kept now

    def take(self, *, weights: bool) -> None:
        """Keep the state of the optimizer, with ``weights`` also those."""
        if weights or not self.best:
            self.best = self.model.state_dict()
        self.state = [(t, Tensor(t)) for tensors in self.optimizer.state.values() for t in tensors.values()]

    def restore(self, *, weights: bool, state: bool) -> None:
        """Go back to what was kept."""
        if weights:
            self.model.load_state_dict(self.best)
        for tensor, before in self.state if state else ():
            tensor.data = before.data

    def save(self, history: History, best: bool) -> None:
        """Write the state after an epoch, with the ``best`` weights if they would be kept now."""
        if self.path is not None:
            content: dict[str, Any] = self._states()
            content["generators"] = [generator.bit_generator.state for generator in self.generators]
            kept = {"best": self.best if best else {}, "layers": self.layers}
            save({"fit": content, "history": vars(history), **kept}, self.path)

    def load(self) -> History:
        """Restore what the file holds, if there is one; return its history.

        Raises `nn.errors.FileError` for another file, and `nn.errors.StateError` for that of another training.
        """
        if self.path is None or not self.path.is_file():
            return History()
        saved, before = load(self.path), self._states()
        try:
            states, history = saved["fit"], History(**saved["history"])
            draws = zip(self.generators, states.pop("generators"), strict=True)
            if states.keys() != self.parts.keys():
                raise ValueError(f"it has {', '.join(states)}")
            self._restore(states)
            if saved.get("layers", self.layers) != self.layers:
                raise StateError(f"{self.path} is of a model with other layers: give resume= another file.")
            for generator, state in draws:
                generator.bit_generator.state = _arrays(state)
        except Exception as error:  # of many classes
            self._restore(before)
            if isinstance(error, StateError):
                raise
            raise FileError(
                f"{self.path} is not a file of this training, which nn.fit wrote with the same arguments ({error}): "
                "give resume= another file, or remove it."
            ) from None
        history.interrupted = False
        self.best = saved["best"]
        return history

    def _states(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def _restore(self, states: dict[str, Any]) -> None:
        for name, part in reversed(self.parts.items()):  # a schedule sets rates; the optimizer has those that were used
            part.load_state_dict(states[name])


def _arrays(state: Any) -> Any:
    """The state of a generator, with an array for each Tensor."""
    if isinstance(state, dict):
        return {name: _arrays(value) for name, value in state.items()}
    return state.data if isinstance(state, Tensor) else state
