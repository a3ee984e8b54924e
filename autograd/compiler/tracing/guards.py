"""What a trace relied on besides its arguments: options of modules and optimizers, modes, what is frozen.

A guard looks at whose dict an option is in, and compares by identity: it runs nobody's code, and nothing that an
equality might say (``1 == 1.0 == True``, NaN, an array) decides about a program.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy

MISSING = object()
"""What stands for the value of an attribute that is not there."""

UNWATCHED = ("_mode", "_path", "_training", "_buffers", "_listed")
"""What a module keeps for itself."""

PLAIN = (bool, int, float, complex, str, bytes, numpy.generic)


class Guard(NamedTuple):
    """The program holds while ``holder`` has ``value`` under ``key``: a dict, or an object that has the attribute.

    ``whose``: the class of what the option is of, for messages.
    """

    holder: Any
    key: str
    value: Any
    whose: str

    def now(self) -> Any:
        """What is there now."""
        if isinstance(self.holder, dict):
            return self.holder.get(self.key, MISSING)
        return getattr(self.holder, self.key, MISSING)

    def source(self, number: int) -> str:
        """An expression that tells whether it holds, of ``holder_…``, ``value_…`` and ``MISSING``."""
        holder, value = f"holder_{number}", f"value_{number}"
        if self.key in ("requires_grad", "_training", "edits"):  # which are always there
            return f"{holder}.{self.key} is {value}"
        if type(self.holder) is dict:
            return f"{holder}.get({self.key!r}, MISSING) is {value}"
        if isinstance(self.holder, dict):  # a group of an optimizer, which keeps its options
            return f"{holder}[{self.key!r}] is {value}"
        return f"getattr({holder}, {self.key!r}, MISSING) is {value}"


def alike(x: Any, y: Any) -> bool:
    """Whether two objects are one plain value, to the sign of a zero: another object of it changes nothing."""
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(alike, x, y))
    return x is y or ((type(x) in PLAIN or isinstance(x, numpy.generic)) and repr(x) == repr(y))


def of_option(holder: Any, name: str) -> list[Guard]:
    """The guards of an attribute that was read: of the object's own, or of its class's where it has none. Properties
    and methods read others, and have none themselves.
    """
    own, whose = object.__getattribute__(holder, "__dict__"), type(holder).__name__
    found = own.get(name, MISSING)
    if found is not MISSING:
        return [Guard(own, name, found, whose)]
    home = next((cls for cls in type(holder).__mro__ if name in vars(cls)), None)
    if home is None:
        return [Guard(own, name, MISSING, whose)]
    if hasattr(type(vars(home)[name]), "__get__"):
        return []
    return [Guard(own, name, MISSING, whose), Guard(home, name, vars(home)[name], whose)]
