"""What a function finds in Python and somebody changes between two calls is followed, however it is reached."""

from __future__ import annotations

import cProfile
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag

BEGIN = """
import collections, copy, dataclasses, enum, functools, operator, sys, types
import numpy as np
from glassgrad import autograd as ag, nn

class Plain:
    def __init__(self, **options): self.__dict__.update(options)
def optimizer(**options):
    return nn.optim.SGD([ag.Tensor([1.0], requires_grad=True)], lr=0.1, momentum=0.9)
def cell():
    s = 2.0
    def read(): return s
    def write(value):
        nonlocal s
        s = value
    return read, write
"""

CASES = """
# optimizers and schedules
opt = optimizer() | x * opt.param_groups[0]["lr"] | opt.param_groups[0]["lr"] = 0.5
opt = optimizer() | x * sum(g["lr"] for g in opt.param_groups) | opt.param_groups.append({"lr": 0.3})
opt = optimizer() | x * len(opt.param_groups[0].get("params")) | opt.param_groups[0]["params"] = []
opt = optimizer() | x * len(opt.param_groups[0]) * len({**opt.param_groups[0]}) | opt.param_groups[0]["note"] = 1
opt = optimizer() | x * {**opt.param_groups[0]}["momentum"] | opt.param_groups[0]["momentum"] = 0.5
opt = optimizer() | x * opt.state_dict()["param_groups"][0]["lr"] | opt.param_groups[0]["lr"] = 0.5
opt = optimizer() | x + [*opt.state.values()][0]["momentum_buffer"] | [*opt.state.values()][0]["momentum_buffer"] = -x
s = nn.optim.lr_scheduler.StepLR(optimizer(), 1, 0.5) | x * s.epoch | s.step()
# modules
m = nn.Sequential(nn.Dropout(0.5)) | x * m[0].p | m[0].p = 0.25
m = nn.BatchNorm1d(2).eval() | m(x[None]).detach() | m.eps = 0.7
m = nn.Linear(2, 2) | x * (1.0 if m.training else 2.0) | m.eval()
class M(nn.Module): forward = lambda self, x: x * self.scale; scale = 2.0
m = M() | m(x) | M.scale = 3.0
class M(nn.Module): forward = lambda self, x: x * self.options["scale"]
m = M(); m.options = {"scale": 2.0} | m(x) | m.options["scale"] = 3.0
class M(nn.Module): forward = ag.compile(lambda self, x: x * self.options["scale"])
m = M(); m.options = {"scale": 2.0} | m(x) | m.options["scale"] = 3.0
class M(nn.Module): forward = lambda self, x: x * vars(self)["scale"]
m = M(); m.scale = 2.0 | m(x) | m.scale = 3.0
class M(nn.Module): forward = lambda self, x: x * 2.0
m = M() | m(x) | M.forward = lambda self, x: x * 3.0
class M(nn.Module): forward = lambda self, x: x * 2.0
m = M() | m(x) | m.forward = lambda x: x * 3.0
class M(nn.Module): forward = lambda self, x: self.act(x)
m = M(); m.act = ag.tanh | m(x) | m.act = ag.sigmoid
class M(nn.Module): forward = lambda self, x: x * getattr(self, "scale", 1.0)
m = M() | m(x) | m.scale = 3.0
class M(nn.Module): forward = lambda self, x: self.skip(x) if hasattr(self, "skip") else x
m = M() | m(-x) | m.skip = nn.LeakyReLU()
class M(nn.Module):
    act = None
    def forward(self, x):
        self.act = self.act or nn.LeakyReLU(0.1)
        return self.act(-x)
m = M() | m(x) | m.act.slope = 0.5
class T:
    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        return value * 10 if name == "scale" else value
class M(nn.Module): forward = lambda self, x: x * self.scale
class N(M, T): pass
m = N(); m.scale = 2.0 | m(x) | m.scale = 3.0
m = nn.Tanh(); setattr(m, "lambda", 2.0) | x * getattr(m, "lambda") | setattr(m, "lambda", 3.0)
t = [ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])] | x * t[0] + t[1] | t[1] = ag.Tensor([5.0, 6.0])
# variables, defaults and other parts of functions
s = 2.0 | x * s | s = 3.0
s = Plain(v=2.0) | x * eval("s.v", {"s": s}) | s.v = 3.0
s = 2.0 | x * sys.modules[__name__].s | s = 3.0
read, write = cell() | x * read() | write(3.0)
h = lambda s=2.0: s | x * h() | h.__defaults__ = (3.0,)
h = lambda *, s=2.0: s | x * h() | h.__kwdefaults__ = {"s": 3.0}
h = lambda: 2.0 | x * h() | h.__code__ = (lambda: 3.0).__code__
h = functools.partial(lambda x, s: x * s, s=2.0) | h(x) | h.keywords["s"] = 3.0
k = [2.0]; h = functools.lru_cache(lambda: k[0]) | x * h() | k[0] = 3.0; h.cache_clear()
k = [2.0]; h = ag.compile(lambda x: x * k[0]) | h(x) | k[0] = 3.0
k = [2.0]; h = functools.singledispatch(lambda x: x * k[0]) | h(x) | k[0] = 3.0
sys.modules["settings_of_mine"] = s = types.ModuleType("settings_of_mine"); s.__file__ = "/mine/s.py"; s.v = 2.0
import settings_of_mine | x * settings_of_mine.v | settings_of_mine.v = 3.0
def h():
    from settings_of_mine import v
    return v
sys.modules["settings_of_mine"] = s = types.ModuleType("settings_of_mine"); s.__file__ = "/mine/s.py"; s.v = 2.0
pass | x * h() | s.v = 3.0
sys.modules["settings_of_mine"] = s = types.ModuleType("settings_of_mine")
exec("class A: v = 2.0\\na = A()", vars(s)) | x * s.a.v | s.a.v = 3.0
sys.modules["settings_of_mine"] = s = types.ModuleType("settings_of_mine")
exec("class A: v = 2.0\\nclass B: f = lambda self: A.v\\nb = B()", vars(s)) | x * s.b.f() | s.A.v = 3.0
# containers
d = {"s": 2.0} | x * d["s"] | d["s"] = 3.0
d = [1.0] * 5000 | x * d[4000] | d[4000] = 3.0
d = collections.namedtuple("d", "o")([2.0]) | x * d.o[0] | d.o[0] = 3.0
d = [2.0]; h = d.__getitem__ | x * h(0) | d[0] = 3.0
d = collections.UserDict(s=2.0) | x * d["s"] | d["s"] = 3.0
b = {"s": 2.0}; d = types.MappingProxyType(b) | x * d["s"] | b["s"] = 3.0
d = collections.deque([2.0], maxlen=3) | x * d[0] | d[0] = 3.0
d = dict.fromkeys(range(70), 2.0) | x * (3.0 if 69 in d else 4.0) | d["other"] = d.pop(69)
class D(dict): __getattr__ = dict.__getitem__
d = D(s=2.0) | x * d.s | d["s"] = 3.0
class D(dict): pass
d = D(); d.s = 2.0 | x * d.s | d.s = 3.0
a = np.array([2.0]) | x * float(a[0]) | a[0] = 3.0
a = np.ones(1_000_000) | x * float(a[0]) | a[0] = 3.0
a = np.array([1.0, 2.0]) | x * len(str(a[0])) * len(f"{a}") * len(repr(a.sum())) | a[0] += 99.25
a = np.array([1.0, 2.0]); d = [a, a] | x * d[0] * (2.0 if d[0] is d[1] else 3.0) | d[1] = a.copy()
a = np.arange(4.0).reshape(2, 2) | x * a[1] + a.T[0] | a[...] = -a
a = np.array([0, 1]) | x[a] * 2 | a[0] = 1
a = np.array(["2020-01-01"], "M8[D]") | x * a[0].astype("int64") | a[0] = "2021-01-01"
a = np.array([2.0, None], dtype=object) | x * a[0] | a[0] = 3.0
# objects
c = Plain(s=2.0) | x * c.s | c.s = 3.0
c = Plain(s=2.0); k = 1 | x * getattr(c, f"{'s' * k}") | c.s = 3.0
c = Plain(s=2.0); h = operator.attrgetter("s") | x * h(c) | c.s = 3.0
c = Plain(s=2.0) | x * sum(vars(c).values()) | c.t = 3.0
c = Plain(s=2.0) | x * (2.0 if hasattr(c, "t") else 1.0) | c.t = 5.0
c = Plain(s=2.0) | x * float("{0.s}".format(c)) | c.s = 3.0
c = Plain(s=2.0) | x * copy.deepcopy(c).s | c.s = 3.0
c = types.SimpleNamespace(s=2.0) | x * c.s | c.s = 3.0
c = dataclasses.make_dataclass("C", [("s", float)], slots=True)(2.0) | x * c.s | c.s = 3.0
C = dataclasses.make_dataclass("C", [("s", float)]); c = C(2.0) | x * (c == C(2.0)) | c.s = 3.0
class C: s = 2.0
pass | x * C.s | C.s = 3.0
class B: s = 2.0
class C(B): pass
c = C() | x * c.s | C.s = 3.0
class C: pass
c = C() | x * getattr(c, "t", 1.0) | C.t = 5.0
class C: get = lambda self: 2.0
c = C() | x * c.get() | c.get = lambda: 3.0
class C: get = lambda self: 2.0
class D: get = lambda self: 3.0
c = C() | x * c.get() | c.__class__ = D
class C: get = staticmethod(lambda: 2.0)
class D(C): pass
c = D() | x * c.get() | C.get = staticmethod(lambda: 3.0)
class C: s = property(lambda self: 2.0)
class D(C): pass
c = D() | x * c.s | C.s = property(lambda self: 3.0)
class C: __call__ = lambda self: 2.0
class D(C): pass
c = D() | x * c() | C.__call__ = lambda self: 3.0
class C:
    scaled = lambda self, by: 2.0 * by
    get = functools.partialmethod(scaled, 2.0)
class D(C): pass
c = D() | x * c.get() | C.scaled = lambda self, by: 3.0; C.get = functools.partialmethod(C.scaled, 1.5)
class B: get = lambda self: 2.0
class C(B): get = lambda self: super(C, self).get() + 1.0
c = C() | x * c.get() | B.get = lambda self: 7.0
class C: s = property(lambda self: self._s)
c = C(); c._s = 2.0 | x * c.s | c._s = 3.0
class D: __get__ = lambda self, thing, kind=None: thing._s
class C: s = D()
c = C(); c._s = 2.0 | x * c.s | c._s = 3.0
class C: __getattr__ = lambda self, name: self.__dict__["d"][name]
c = C(); c.d = {"s": 2.0} | x * c.s | c.d["s"] = 3.0
class C: __slots__ = ("s",)
c = C(); c.s = 2.0 | x * c.s | c.s = 3.0
class C: __iter__ = lambda self: iter(self.s)
c = C(); c.s = [2.0] | x * sum(c) | c.s.append(3.0)
class T(type): s = property(lambda cls: cls._s)
class C(metaclass=T): _s = 2.0
pass | x * C.s | C._s = 3.0
class T(type): s = 2.0
class C(metaclass=T): pass
pass | x * C.s | T.s = 3.0
class E(enum.Enum): A = [2.0]
pass | x * E.A.value[0] | E.A.value[0] = 3.0
"""


def rows() -> list[tuple[str, str, str]]:
    """What is there, the expression that reads it, and the statement that changes it."""
    found, begun = [], ""
    for line in CASES.strip().splitlines():
        if " | " not in line:
            begun += f"{line}\n" if not line.startswith("#") else ""
            continue
        last, expression, change = line.split(" | ")
        found.append((f"{begun}{last}", expression, change))
        begun = ""
    return found


def numbers(setup: str, expression: str, change: str, wrap: Callable[[Any], Any]) -> list[Any]:
    module = sys.modules["plain_state_of_a_user"] = types.ModuleType("plain_state_of_a_user")
    module.__file__ = "/mine/plain_state.py"
    names = vars(module)
    names["x"] = x = ag.Tensor([1.0, 2.0])
    exec(compile(f"{BEGIN}\n{setup}\ndef f(x): return {expression}", module.__file__, "exec"), names)
    function = wrap(names["f"])
    before = [function(x), function(x)]
    exec(change, names)
    return [y.numpy() for y in (*before, function(x))]


def marked(row: tuple[str, str, str]) -> Any:
    """A case; that which captures all modules, those of the tests included, waits for `make check`."""
    return pytest.param(row, id=row[1], marks=[pytest.mark.check] * ("sys.modules[__name__]" in row[1]))


@pytest.mark.parametrize("row", [*map(marked, rows())])
def test_plain_state_that_changes_between_calls(row: tuple[str, str, str]) -> None:
    expected = numbers(*row, lambda function: function)
    np.testing.assert_array_equal(numbers(*row, ag.compile), expected)
    assert not np.array_equal(expected[0], expected[2])  # or the row would show nothing


@pytest.mark.parametrize("module", ["__main__", "a_module_that_is_gone"])
def test_a_class_of_a_script_that_runs_under_a_profiler(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Under `python -m cProfile train.py` the file of __main__ is the profiler's, and runpy removes a script's module.
    monkeypatch.setitem(sys.modules, "__main__", cProfile)
    settings: Any = type("Settings", (), {"__module__": module, "scale": 2})
    f = ag.compile(lambda x: x * abs(settings.scale))
    assert f(ag.Tensor([1.0])).item() == 2
    settings.scale = 3.0
    assert f(ag.Tensor([1.0])).item() == 3
