"""Names and roles of a graph's nodes and leaves: one naming for cards, rows, derivations and pages.

A name given by the user comes first, then the Tensor's own, then one by role and order: `z1` for a matrix product plus
bias, `a1` for its activation, `W1` and `b1` for their parameters. A number without a name is called by its value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import size as size_of
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.autograd.engine.memory import written_at
from glassgrad.autograd.engine.tensor import wrap
from glassgrad.viz.drawing.texts import clipped, identifier, one_line
from glassgrad.viz.recorded.validation import members, named

TAKEN = (
    *("__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString"),
    *("toString", "valueOf", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
)
"""Names that may not be keys: a page looks keys up in JavaScript objects, which have these properties."""

LONGEST = 200
"""Characters of a name; a longer one is shortened in the middle, so that no name makes a page large."""

PARAM, INPUT, TARGET, OP, LOSS = "param", "input", "target", "op", "loss"
ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "gelu", "softplus")
LAYERS = ("linear", "conv")  # operations of an input, a weight and a bias
LOOP = "scan_packed"
LONGEST_GATE = 12  # values among whose sums and products the part of a gate is searched
LOSSES = {
    "cross_entropy": "softmax + log loss",
    "binary_cross_entropy_with_logits": "sigmoid + log loss",
    "squared_error": "squared difference",
}


@dataclass(frozen=True)
class Name:
    """The name of a node or leaf: in DOT and in ids, and as shown."""

    key: str
    shown: str
    path: str | None = None  # of a parameter in its module, where that is not the name shown


class Names:
    """The names and roles of a graph's nodes and leaves.

    ``names``: names for Tensors and arrays (other entries are ignored). ``inputs``, ``targets``: Tensors that have that
    role. A Tensor that holds one number, without a gradient, name or role, counts as that number.
    """

    def __init__(
        self, graph: ag.Graph, names: Mapping[str, Any] | None = None, inputs: Any = (), targets: Any = ()
    ) -> None:
        self.graph = graph
        self._constants: dict[int, ag.Tensor] = {}  # by the id of an array that is an input of a node
        self._ends: dict[Any, None] = dict.fromkeys(graph.outputs)
        given = {word: x for word, x in named(names).items() if isinstance(x, ag.Tensor) or is_array(x)}
        self._said = {id(vertex_of(x)): word for word, x in reversed(given.items())}
        self._roles = dict.fromkeys(_identities(members(targets, "targets")), TARGET)
        self.inputs = _identities(members(inputs, "inputs"))
        self._roles |= dict.fromkeys(self.inputs, INPUT)
        self._asked = self._said.keys() | self._roles.keys()  # for a name or a role
        self.origins = origins(graph)
        self.loops, self.results = loop_names(graph)
        self.views: dict[Any, tuple[Any, str, dict[str, Any]]] = {}
        """Constants that are another one of the graph, transposed, reshaped or standardized: which, and how."""
        self._derived = self._derivations(graph)
        self.places = [place for place in self._ordered(graph) if not self._is_number(place)]
        """The nodes and leaves in topological order; an array given as a constant comes before its first use."""
        self._users: dict[Any, list[tuple[Node, int]]] = {}
        for node in self.places:
            for i, x in enumerate(node.inputs):
                if hasattr(source := self._constants.get(id(x), x), "op"):
                    self._users.setdefault(source, []).append((node, i))
        self.roles = {place: self._role(place) for place in self.places}
        made = [node for node in self.places if node.op is not None and node.op.name in (*LAYERS, "matmul")]
        self._layers = {self._with_bias(node): i for i, node in enumerate(made, 1)}
        """The outputs of layers, numbered: the matrix product, or its sum with the bias."""
        own = {place: None if self._short(place) else place.name for place in self.places}
        wished = {place: self._said.get(id(place)) or name for place, name in own.items()}
        self.given = {place: clipped(one_line(str(wish)), LONGEST) for place, wish in wished.items() if wish}
        """The names that the user gave to nodes and leaves."""
        # Names given by the user are kept; generated ones avoid them, and those of which they are the tangents.
        self._taken = {*self.given.values(), *self._said.values(), *(x.name for x in self.origins.values() if x.name)}
        self._taken |= set(map(undotted, self._taken))
        self._counts: dict[str, int] = {}  # the last number used after each letter
        self._names = dict[Any, Name]()
        used, keys = set[str](), set(TAKEN)
        for place in sorted(self.places, key=lambda place: (place in self._derived, id(place) in self.origins)):
            shown, path = self._shown(place, used)
            self._names[place] = Name(fresh(identifier(shown), keys), shown, path)

    def __getitem__(self, given: Any) -> Name:
        return self._names[self.place(given)]

    def place(self, given: Any) -> Any:
        """The node or leaf behind an entry of a node's inputs, a Tensor for an array; None for a number."""
        if is_array(given):
            return self._constants[id(given)]
        if self._is_number(given):
            return None
        return given if hasattr(given, "requires_grad") else None

    def of(self, leaf: Any) -> str | None:
        """The name of a leaf; of one that is not in the graph, the one that the user gave it."""
        place = self._constants.get(id(leaf), leaf)
        return self._names[place].shown if place in self._names else self._said.get(id(leaf)) or leaf.name

    def _is_number(self, place: Any) -> bool:
        """Whether a leaf is written as its number: a constant without a name."""
        if not isinstance(place, ag.Tensor) or place.shape != () or place.requires_grad or place.name is not None:
            return False
        return not (place in self._ends or place in self._derived or id(place) in self._asked)

    def _derivations(self, graph: ag.Graph) -> dict[Any, tuple[str, Any]]:
        """The constants that were computed from another one: as 1 - y from a leaf y, as in
        y·log(p) + (1 - y)·log(1 - p), or transposed; how they are named, and the other.
        """
        places, found = {id(place) for place in graph.nodes}, dict[Any, tuple[str, Any]]()
        for place in graph.nodes:
            if (other := self.origins.get(id(place))) is None:
                continue
            own, array = array_of(place), array_of(other)
            if own is None or array is None or not min(own.size, array.size):
                continue
            is_here, made = id(other) in places, view_of(array, own)
            if is_here and made:
                self.views[place] = other, *made
            if id(other) in self.origins or id(place) in self._asked:
                continue
            if is_here and np.array_equal(own, 1 - array):
                found[place] = "1 - {}", other
            elif is_here or other.name or id(other) in self._said:
                forms = {"standardize": "standardize({})", "permute_dims": "{}ᵀ" * (own.ndim == 2)}
                form = forms.get(made[0]) if made else _normed(array, own) if array.ndim > 1 else None
                found |= {place: (form, other)} if form else {}
        return found

    def _ordered(self, graph: ag.Graph) -> Iterator[Any]:
        for place in graph.nodes:
            for given in place.inputs:
                if is_array(given) and id(given) not in self._constants:
                    self._constants[id(given)] = made = wrap(given)
                    for known in (self._said, self._roles):
                        known |= {id(made): known[id(given)]} if id(given) in known else {}
                    yield made
            yield place

    # ------------------------------------------------------------ roles

    def _role(self, place: Any) -> str:
        if place.op is not None:
            return LOSS if place in self._ends and len(self._ends) == 1 and size_of(place.shape) == 1 else OP
        if role := self._roles.get(id(place)):
            return role
        if place.requires_grad:
            return PARAM
        users = self._users.get(place, [])
        return TARGET if users and all(i == 1 and node.op.name in LOSSES for node, i in users) else INPUT

    def _with_bias(self, node: Node) -> Node:
        users = self._users.get(node, [])
        if node.op.name == "matmul" and len(users) == 1 and users[0][0].op.name == "add":
            (user, i) = users[0]
            other = user.inputs[1 - i]
            if isinstance(other, ag.Tensor) and other.requires_grad:
                return user
        return node

    # ------------------------------------------------------------ names

    def _short(self, place: Any) -> str | None:
        """The short name of a parameter that its module has named by its path: W1, b1, or the path's last part."""
        if not isinstance(place, ag.Tensor) or place.name is None or not (users := self._users.get(place)):
            return None
        node, i = users[0]
        path, _, last = str(place.name).rpartition(".")
        if not node.scope or (node.scope[-1][0] != path and last != node.op.args[i]):
            return None
        letter = {"weight": "W", "bias": "b"}.get(node.op.args[i]) if node.op.name in LAYERS else None
        return f"{letter}{self._layers[node]}" if letter else last if path else None

    def _shown(self, place: Any, used: set[str]) -> tuple[str, str | None]:
        """The name of a node or leaf, and the path of a parameter that is not called by it."""
        if place in self._derived:
            form, other = self._derived[place]
            return form.format(self.of(other)), None
        if place in self.given:
            return fresh(self.given[place], used), None
        short = self._short(place)
        name = fresh(short or self._made(place), self._taken)
        used.add(name)
        return name, place.name if short else None

    def _made(self, place: Any) -> str:
        """A name by role and order."""
        role, users = self.roles[place], self._users.get(place, [])
        node, i = users[0] if users else (place, 0)
        name = node.op.name if users else ""
        if role == LOSS:
            # Of a leaf, as `backward(create_graph=True)` leaves it.
            made = (leaf for leaf in self._names if getattr(getattr(leaf, "grad", None), "node", None) is place)
            return next((f"∂L/∂{self._names[leaf].shown}" for leaf in made), "L")
        if role == TARGET:
            return self._counted("y", first="y")
        if role == INPUT:
            if name == LOOP and i < node.params["loop"].body.carries:
                return f"{carries(node.params['loop'].body)[i]}0"
            word = _letter(place, all(user.op.broadcasts for user, _ in users))
            if word == "x" and ("x" in self.given.values() or (name == "matmul" and i)):
                word = "A" if len(place.data.shape) > 1 else "c"  # not a second input: a constant
            return self._counted(word, first=word)
        if role == PARAM:
            if name in LAYERS and i:
                return f"{'Wb'[i - 1]}{self._layers[node]}"
            is_weight = name == "matmul" and len(place.shape) > 1
            return f"W{self._layers[self._with_bias(node)]}" if is_weight else self._counted("θ")
        if place in self._layers:
            return f"z{self._layers[place]}"
        if place in self.loops:
            return self.loops[place]
        if place in self._ends and len(self._ends) > 1:
            return self._counted("L" if size_of(place.shape) == 1 else "out")
        is_activation = place.op.name in ACTIVATIONS
        if is_activation and place.inputs[0] in self._layers:
            return f"a{self._layers[place.inputs[0]]}"
        letter = gate(place) or projected(place)
        return self._counted(letter, first=letter) if letter else self._counted("a" if is_activation else "t")

    def _counted(self, letter: str, first: str = "") -> str:
        n = self._counts.get(letter, 1)
        while (name := first if n == 1 and first else f"{letter}{n}") in self._taken:
            n += 1
        self._counts[letter] = n
        return name


def origins(graph: ag.Graph) -> dict[int, Any]:
    """For each constant that was computed from one other constant, by its id: the other, if it is there as it was.

    A constant with a name of its own stays what it is.
    """
    found: dict[int, Any] = {}
    for leaf in graph.nodes:
        root = leaf._root if isinstance(leaf, ag.Tensor) and not leaf.requires_grad else None
        given = root() if root else None
        if given is None or given.requires_grad or leaf.name not in (None, given.name):
            continue
        changed = given._root is False or written_at(given.data) or written_at(leaf.data)
        if not changed:
            found[id(leaf)] = given
    return found


def view_of(x: Any, y: Any) -> tuple[str, dict[str, Any]] | None:
    """The operation that makes ``y`` of ``x``, in the same memory or as a norm does, with its parameters."""
    if x.ctypes.data != y.ctypes.data:
        return _standardized(x, y)
    for axes in permutations(range(x.ndim)):
        turned = x.transpose(axes)
        if (turned.shape, turned.strides) == (y.shape, y.strides):
            return "permute_dims", {"axes": axes}
    is_dense = x.size == y.size and x.flags.c_contiguous and y.flags.c_contiguous
    return ("reshape", {"shape": y.shape}) if is_dense else None


def _standardized(x: Any, y: Any) -> tuple[str, dict[str, Any]] | None:
    if x.shape != y.shape or not y.ndim or not y.size or y.dtype.kind != "f":
        return None
    batch: Any = tuple(axis for axis in range(y.ndim) if axis != 1)
    tried = (-1, *(tuple(range(-last, 0)) for last in range(2, y.ndim + 1)), batch)
    axes = [axis for axis in tried if np.abs(y.mean(axis)).max() < 0.01]
    options: Any = ({"axis": axis, "eps": eps} for axis in axes for eps in (1e-5, 1e-6, 1e-12, 1e-3))
    return next((("standardize", o) for o in options if np.array_equal(ag.standardize(x, **o).data, y)), None)


def _normed(x: Any, y: Any) -> str:
    """The form of what the norms of channels, and of groups of them, compute of x; empty for anything else."""
    batch, is_even = (0, *range(2, x.ndim)), y.shape == x.shape and abs(y[0].mean()) < 0.01
    parts = (x.reshape(len(x), n, -1) for n in range(1, x.shape[1] + 1) if is_even and x.shape[1] % n == 0)
    made = [("standardize({})", (r - r.mean(-1, keepdims=True)) / (r.std(-1, keepdims=True) + 1e-30)) for r in parts]
    made += [("centred({})", x - x.mean(batch, keepdims=True)), ("std({})", x.std(batch))]
    return next((f for f, z in made if z.size == y.size and np.allclose(z.reshape(y.shape), y, 1e-3, 1e-3)), "")


def _letter(place: Any, is_factor: bool) -> str:
    """The name of a constant array: `mask`, `I` for the unit matrix, `1` for ones that are used elementwise, as a seed
    is, else `x`.
    """
    if getattr(getattr(place.data, "dtype", None), "kind", "") == "b":
        return "mask"
    array = array_of(place)
    if array is None or array.size < 2:
        return "x"
    if is_factor and bool((array == 1).all()):
        return "1"
    return "I" if array.ndim == 2 and np.array_equal(array, np.eye(len(array))) else "x"


def gate(node: Node) -> str:
    """The letter of a gate of an LSTM (i, f, g, o) or a GRU (r, z, n): an activation of one of four or three equal
    parts of a product, tanh in the third; empty for anything else.
    """
    parts = [node.inputs[0]] if node.op.name in ("sigmoid", "tanh") else []
    for part in parts:
        if isinstance(part, Node) and part.op.name in ("add", "multiply") and len(parts) < LONGEST_GATE:
            parts += part.inputs
    letter = next(filter(None, (_letter_of_part(part, node.shape) for part in parts)), "")
    return letter if (node.op.name == "tanh") == (letter in "gn") else ""


def _letter_of_part(part: Any, shape: tuple[int, ...]) -> str:
    if not isinstance(part, Node) or part.op.name != "getitem" or part.shape != shape or not shape:
        return ""
    index, whole, size = part.params["index"], part.inputs[0], shape[-1]
    made = whole.inputs[1] if isinstance(whole, Node) and whole.op.name == "add" else whole
    letters = {4 * size: "ifgo", 3 * size: "rzn"}.get(whole.shape[-1], "")
    if not letters or not isinstance(made, Node) or made.op.name != "linear" or not isinstance(index, tuple):
        return ""
    last = index[-1]
    start = (last.start or 0) if isinstance(last, slice) and last.step is None else -1
    return letters[start // size] if start >= 0 and start % size == 0 else ""


def projected(node: Node) -> str:
    """q, k or v for a part of one product, as in self-attention: an entry of its first axis, which has three; empty for
    anything else.
    """
    whole, index = node.inputs[0], node.params.get("index") if node.op.name == "getitem" else None
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 3 or whole.shape[0] != 3:
        return ""
    while isinstance(whole, Node) and whole.op.name in ("reshape", "permute_dims"):
        whole = whole.inputs[0]
    return "qkv"[index] if isinstance(whole, Node) and whole.op.name == "linear" else ""


def states_of(node: Any) -> Node | None:
    """The loop of which this is a result: a part of the one array that it fills, in the shape of the result."""
    part = node.inputs[0] if node.op is not None and node.op.name == "reshape" else None
    loop = part.inputs[0] if isinstance(part, Node) and part.op.name == "getitem" else None
    return loop if isinstance(loop, Node) and loop.op.name == LOOP else None


def loop_names(graph: ag.Graph) -> tuple[dict[Node, str], dict[Node, tuple[Node, int]]]:
    """The names of loops, by their modules or functions, and of their results: `h` for the states of all steps, `h[5]`
    for the last; numbered where there are several loops. A part that is only reshaped then has the name of its loop.
    And of each result its loop, and which of the outputs of that it is.
    """
    loops = [node for node in graph.nodes if node.op is not None and node.op.name == LOOP]
    found, results = dict[Node, str](), dict[Node, tuple[Node, int]]()
    for number, node in enumerate(loops, 1):
        of, loop, body = str(number) if loops[1:] else "", node.params["loop"], node.params["loop"].body
        found[node] = f"{node.scope[-1][1] if node.scope else body.name} {of}".strip()
        many = len(body.outputs) - body.carries
        called = [*carries(body), *([f"y{i}" for i in range(1, many + 1)] if many > 1 else ["y"])]
        for taken in (place for place in graph.nodes if states_of(place) is node):
            part = taken.inputs[0]
            which = next(i for i, at, _ in body.parts(loop.length, loop.dtype) if at == part.params["index"])
            name, found[part] = called[body.outputs.index(body.outputs[which])], found[node]
            name += f"{'_' * (bool(of) and name[-1].isdigit())}{of}"
            found[taken] = f"{name}[{1 if loop.reverse else loop.length}]" if which < body.carries else name
            results[taken] = node, which
    return found, results


def carries(body: Any) -> list[str]:
    """The names of the carries of a loop: h, and c if there are two."""
    given = list(body.names[: body.carries])
    usual = ["h", "c"] if len(given) <= 2 else [f"h{i + 1}" for i in range(len(given))]
    return usual[: len(given)] if all(name.startswith("carry") for name in given) else given


def dotted(name: str) -> str:
    """The name of a value's tangent.

    >>> dotted("x"), dotted("t12"), dotted("∂y/∂x")
    ('ẋ', 'ṫ12', 'd(∂y/∂x)')
    """
    return unicodedata.normalize("NFC", f"{name[0]}\u0307{name[1:]}") if name[:1].isalpha() else f"d({name})"


def undotted(name: str) -> str:
    """The name of the value whose tangent has this name; any other name as it is."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).replace("\u0307", ""))


_ORDERS = "²³⁴⁵⁶⁷⁸⁹"


def derivative(of: str, by: str, called: Callable[[str], str] = str, *, tex: bool = False) -> str:
    r"""The name of the derivative of one value with respect to another; for a derivative, that of the next order.

    >>> derivative("L", "w"), derivative("∂y/∂x", "x"), derivative("∂²y/∂x²", "w"), derivative("∂y/∂x", "∂y/∂x")
    ('∂L/∂w', '∂²y/∂x²', '∂³y/∂x²∂w', '∂(∂y/∂x)/∂(∂y/∂x)')
    >>> derivative("∂y/∂x", "x", tex=True)
    '\\frac{\\partial^{2} y}{\\partial x^{2}}'
    """
    of, factors = _differentiated(of) if of != by else (of, [])
    again = bool(factors) and factors[-1][0] == by
    return _fraction(of, [*factors[:-1], (by, factors[-1][1] + 1)] if again else [*factors, (by, 1)], called, tex)


def tex_named_derivative(name: str, called: Callable[[str], str]) -> str | None:
    r"""A name such as ``∂y/∂x`` in LaTeX; None for any other name.

    >>> tex_named_derivative("∂y/∂x", str), tex_named_derivative("y", str)
    ('\\frac{\\partial y}{\\partial x}', None)
    """
    of, factors = _differentiated(name)
    return _fraction(of, factors, called, True) if factors else None


def _differentiated(name: str) -> tuple[str, list[tuple[str, int]]]:
    """The differentiated name, and the order with respect to each name; no orders for a name that is no derivative."""
    if not (match := re.fullmatch(rf"∂[{_ORDERS}]?([^∂/]+)/((?:∂[^∂/]+)+)", name)):
        return name, []
    found = (re.fullmatch(rf"(.+?)([{_ORDERS}]?)", part) for part in match[2].split("∂")[1:])
    return match[1], [(part[1], _ORDERS.index(part[2]) + 2 if part[2] else 1) for part in found if part]


def _fraction(of: str, factors: Sequence[tuple[str, int]], called: Callable[[str], str], tex: bool) -> str:
    def named(name: str) -> str:
        return f"({called(name)})" if name.startswith("∂") else called(name)

    def raised(order: int) -> str:
        digits = str(order) if order > 1 else ""
        return f"^{{{digits}}}" * bool(digits) if tex else digits.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))

    order = raised(sum(n for _, n in factors))
    if not tex:
        return f"∂{order}{named(of)}/{''.join(f'∂{named(name)}{raised(n)}' for name, n in factors)}"
    below = r" \, ".join(rf"\partial {named(name)}{raised(n)}" for name, n in factors)
    return rf"\frac{{\partial{order} {named(of)}}}{{{below}}}"


def fresh(name: str, taken: set[str]) -> str:
    """The first of `name`, `name_2`, `name_3`, ... that is not in ``taken``, to which it is added."""
    n, tried = 1, name
    while tried in taken:
        n += 1
        tried = f"{name}_{n}"
    taken.add(tried)
    return tried


def array_of(leaf: ag.Tensor) -> np.ndarray | None:
    """The numbers of a leaf; None where no value is known."""
    space = backends.SPACES.get(type(leaf.data))
    if space is not None and space.absorbs:  # while a function is traced
        return None
    array = backends.to_numpy(leaf.data)
    return array if array.dtype.kind in "fiub" else None


def is_array(given: Any) -> bool:
    """Whether an input of a node is a constant array with axes."""
    return not hasattr(given, "requires_grad") and bool(getattr(given, "shape", ()))


def _identities(tensors: Iterable[Any]) -> set[int]:
    given = list(tensors)
    return {id(t) for t in given} | {id(vertex_of(t)) for t in given}
