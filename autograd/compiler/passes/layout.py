"""The choice of the matrices that are kept transposed, and of biases that are one more row of the weights.

The memory order of a matrix is not part of a program: operands of elementwise instructions share it, products take any,
and one of a layer's three products is always in BLAS' slow form. `arrange` picks the cheapest choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes.packing import HOMES, Match, can_share_buffer, packed
from glassgrad.autograd.compiler.passes.rewrite import Rewriter, common_subexpressions, without_unread
from glassgrad.autograd.engine.memory import owner

# Costs in units of one multiplication of a matrix product, measured on one machine (AVX-512, one thread) and rounded.
# They only decide which of two ways is faster, which is mostly the same on other machines.
CALL = 30_000
"""A call of a NumPy function."""
ENTRY = 10
"""One entry of an elementwise call."""
TURNED = 6 * ENTRY
"""One entry that is copied into, or read in, the other memory order."""
ROW = 700
"""One row of an elementwise call that broadcasts a row or a column."""
REDUCED_ROW = 6_000
"""One row of a reduction along rows."""
ACROSS = 2, 17
"""One entry of the first, or of the second, operand of a product, if BLAS reads it across rows and copies it in blocks:
a large part of the cost of a product with few rows, a negligible part of a large one."""


def is_matrix(value: Value) -> bool:
    """Whether the value has two axes longer than 1, so that its memory order matters."""
    return len(value.shape) == 2 and min(value.shape) > 1


ENTRY_BY_ENTRY = frozenset((*ELEMENTWISE, "where", "astype", "copy"))


class Orders:
    """Groups of matrices with equal or opposite memory orders, and the orders that are fixed (union-find).

    An order may be fixed (of an argument, or of a state that has an array already) or preferred (by a reshape, which is
    a view of row-major memory and a copy of any other). Fixed orders come first. Tied values share an order unless
    fixed ones differ; then an instruction on both reads one of them across its rows. Preferences come last; each one
    not met costs a copy (`cost_of`).
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.parents: dict[Value, tuple[Value, bool]] = {}
        self.pinned: dict[Value, bool] = {}
        for value in program.values():
            if is_matrix(value):
                self._pin_existing(value)
        for instruction in program.instructions:
            self._pin_result(instruction)
        for instruction in program.instructions:
            self._tie(instruction)
        for state, value in program.updates.items():
            self.tie(state, value)
        for instruction in program.instructions:
            self._prefer(instruction)

    def find(self, value: Value) -> tuple[Value, bool]:
        """The group of a value, and whether its order is the opposite of the group's."""
        path = []
        while value in self.parents:
            path.append(value)
            value = self.parents[value][0]
        turned = False
        for member in reversed(path):
            turned ^= self.parents[member][1]
            self.parents[member] = value, turned
        return value, turned

    def tie(self, a: Value, b: Value, turned: bool = False) -> None:
        """Give two values the same order, or opposite ones (``turned``), if neither is fixed otherwise."""
        if not (is_matrix(a) and is_matrix(b)):
            return
        (p, s), (q, t) = self.find(a), self.find(b)
        other = s ^ t ^ turned
        if p is q or (p in self.pinned and q in self.pinned and self.pinned[p] ^ self.pinned[q] ^ other):
            return
        self.parents[p] = q, other
        if p in self.pinned:
            self.pinned[q] = self.pinned.pop(p) ^ other

    def pin(self, value: Value, turned: bool) -> None:
        """Fix the order of a value, unless it is fixed already."""
        if is_matrix(value):
            group, by = self.find(value)
            self.pinned.setdefault(group, turned ^ by)

    def _pin_existing(self, value: Value) -> None:
        """Fix the orders of arrays that exist before the call."""
        if value.kind == "input":
            self.pin(value, False)
        elif value.kind == "state":
            array = value.origin._data
            flags = getattr(array, "flags", None)
            transposed = flags is not None and flags.f_contiguous and not flags.c_contiguous
            stays = value in self.program.pinned or value not in self.program.updates
            if stays or transposed or id(owner(array)) in HOMES:
                self.pin(value, transposed)

    def _pin_result(self, instruction: Instruction) -> None:
        """Fix the orders of results that an operation returns in one order only."""
        if instruction.op == "piece":
            self.pin(instruction.out, instruction.params["flip"])
        elif instruction.op == "with_ones":
            self.pin(instruction.out, True)
        elif instruction.op == "draw":  # another memory order would draw other numbers
            self.pin(instruction.out, False)

    def _tie(self, instruction: Instruction) -> None:
        """Give operands and results of elementwise operations the same order."""
        op, out, args = instruction.op, instruction.out, instruction.args
        if op in ENTRY_BY_ENTRY:
            for arg in args:
                if arg.shape == out.shape:
                    self.tie(out, arg)
        elif op == "permute_dims" and len(out.shape) == 2:
            self.tie(out, args[0], turned=instruction.params["axes"] == (1, 0))

    def _prefer(self, instruction: Instruction) -> None:
        """Prefer the orders in which nothing has to be copied."""
        op, out, args = instruction.op, instruction.out, instruction.args
        if op in ENTRY_BY_ENTRY:
            for arg in args:
                if arg.shape != out.shape:
                    self.pin(arg, False)
        elif op == "pack":
            for arg, flip in zip(args, instruction.params["flips"], strict=True):
                self.pin(arg, flip)
        elif op == "with_ones":
            if args[0].kind == "temporary":
                self.pin(args[0], True)
        elif not (
            (op == "matmul" and all(len(arg.shape) <= 2 for arg in args))
            or (op == "permute_dims" and len(out.shape) == 2)
            or op in ("take_sure", "piece", "draw")
            or op in REDUCTIONS
        ):
            for value in (out, *args):
                self.pin(value, False)

    def places(self) -> dict[Value, tuple[Value, bool]]:
        """For each matrix its group, and whether its order is the opposite of the group's."""
        return {v: self.find(v) for v in self.program.values() if is_matrix(v)}


Cost = Callable[[Instruction, Callable[[Value], bool]], float]


def cost_of(instruction: Instruction, flipped: Callable[[Value], bool]) -> float:
    """The cost of an instruction, given the matrices that are stored transposed, ``flipped``."""
    op, out, args = instruction.op, instruction.out, instruction.args
    copied = _copied(instruction, flipped)
    if op in ("permute_dims", "reshape", "piece", "with_ones", "pack") or not out.shape:
        return CALL * len(copied) + TURNED * sum(shapes.size(arg.shape) for arg in copied)
    if op == "matmul" and all(len(a.shape) == 2 for a in args):
        first, second = args[::-1] if flipped(out) else args
        across = sum(
            entry * shapes.size(operand.shape)
            for entry, operand in zip(ACROSS, (first, second), strict=True)
            if is_matrix(operand) and flipped(operand) ^ flipped(out)
        )
        return CALL + shapes.size(args[0].shape) * args[1].shape[1] + across
    if op in REDUCTIONS and len(args[0].shape) == 2 and is_matrix(args[0]):
        axes = shapes.normalize_axes(instruction.params["axis"], 2)
        turned = flipped(args[0])
        along = axes == ((0,) if turned else (1,))
        return CALL * 3 + args[0].shape[turned] * (REDUCED_ROW if along else ROW)
    cost = CALL + ENTRY * shapes.size(out.shape) + (TURNED - ENTRY) * sum(shapes.size(arg.shape) for arg in copied)
    if op in ELEMENTWISE and is_matrix(out) and any(a.shape not in (out.shape, ()) for a in args):
        cost += ROW * out.shape[flipped(out)]
    return cost


def _copied(instruction: Instruction, flipped: Callable[[Value], bool]) -> list[Value]:
    """The arguments that are copied, or read across rows, because their order differs."""
    op, out, args = instruction.op, instruction.out, instruction.args
    if op == "with_ones":
        return [arg for arg in args if arg.kind != "temporary" or (is_matrix(arg) and not flipped(arg))]
    if op == "pack":
        flips = zip(args, instruction.params["flips"], strict=True)
        return [arg for arg, flip in flips if is_matrix(arg) and flipped(arg) != flip]
    if op == "reshape":
        return [arg for arg in args if is_matrix(arg) and flipped(arg)]
    if op in ENTRY_BY_ENTRY and is_matrix(out):
        return [arg for arg in args if arg.shape == out.shape and flipped(arg) != flipped(out)]
    return []


def arranged(program: Program, cost_of: Cost = cost_of, *, only_states: bool = False) -> tuple[float, Program]:
    """The program with the orders that cost least, and this cost; ``cost_of``: that of an instruction.

    With ``only_states`` all matrices are row-major except states and elementwise results computed from them.

    The search starts once with all groups row-major and once with all column-major. It flips a group if that is cheaper
    for the instructions that use it, until no flip helps.
    """
    orders = Orders(program)
    places = orders.places()
    of_states = {group for value, (group, _) in places.items() if value.kind == "state"}
    for value, (group, _) in places.items():
        if only_states and group not in of_states:
            orders.pin(value, False)
    ways: dict[Value, bool] = dict(orders.pinned)

    def flipped(value: Value) -> bool:
        if value not in places:
            return False
        group, by = places[value]
        return ways.get(group, False) ^ by

    free = [_free_groups(instruction, places, orders) for instruction in program.instructions]
    touched: dict[Value, list[int]] = {}
    for i, groups in enumerate(free):
        for group in groups:
            touched.setdefault(group, []).append(i)
    known: dict[tuple[Any, ...], float] = {}

    def price(i: int) -> float:
        key = i, *[ways[group] for group in free[i]]
        if key not in known:
            known[key] = cost_of(program.instructions[i], flipped)
        return known[key]

    best: tuple[float, frozenset[Value]] | None = None
    for start in (False, True):
        ways.update(dict.fromkeys(touched, start))
        prices = list(map(price, range(len(free))))
        waiting = dict.fromkeys(touched)  # a queue without duplicates
        while waiting:
            del waiting[group := next(iter(waiting))]
            here = touched[group]
            ways[group] ^= True
            turned = list(map(price, here))
            if sum(turned) < sum([prices[i] for i in here]):
                for i, cost in zip(here, turned, strict=True):
                    prices[i] = cost
                    waiting.update(dict.fromkeys(free[i]))
            else:
                ways[group] ^= True
        cost = sum(prices)
        if best is None or cost < best[0]:
            best = cost, frozenset(filter(flipped, places))
    assert best is not None
    members = {member for whole in program.packed.values() for member, _ in whole}
    return best[0], program.changed(flipped=best[1] | (program.flipped & members))


def _free_groups(
    instruction: Instruction, places: dict[Value, tuple[Value, bool]], orders: Orders
) -> tuple[Value, ...]:
    """The groups of an instruction's operands whose order is not fixed."""
    groups = {places[v][0]: None for v in (instruction.out, *instruction.args) if v in places}
    return tuple([group for group in groups if group not in orders.pinned])


def arrange(program: Program) -> Program:
    """Choose the memory order of every matrix, with or without biases appended to the weights."""
    best, others = arranged(program), augment(program)
    if others is not program and (found := arranged(others))[0] < best[0]:
        best = found
    return best[1]


# ------------------------------------------------------------------------------------------ the bias as one more weight


def _layers(program: Program) -> Iterator[tuple[Value, Value, Value, Value]]:
    """``(sum, h, W, b)`` for each ``h @ W.T + b`` with states W and b that are updated, and h from an elementwise
    instruction or a small argument."""
    producers, uses = program.producers(), program.uses()
    for added in program.instructions:
        if added.op != "add" or len(added.out.shape) != 2:
            continue
        product, bias = added.args
        made = producers.get(product)
        if made is None or made.op != "matmul" or bias not in program.updates or len(bias.shape) != 1:
            continue
        h, transposed = made.args
        turn = producers.get(transposed)
        if turn is None or turn.op != "permute_dims" or turn.args[0] not in program.updates:
            continue
        weight, source = turn.args[0], producers.get(h)
        if weight in program.pinned or bias in program.pinned:
            continue
        plain = source is not None and source.op in ELEMENTWISE and h.shape == source.out.shape
        given = source is None and h.kind in ("input", "state") and h not in program.updates and _pays(h, added.out)
        if not (plain or given) or len(h.shape) != 2 or len(uses[product]) != 1:
            continue
        if weight.dtype == bias.dtype == h.dtype == added.out.dtype and weight.shape[0] == bias.shape[0]:
            yield added.out, h, weight, bias


def _pays(h: Value, added: Value) -> bool:
    """Whether copying an argument beside a column of ones is faster than adding the bias and summing its gradient."""
    size = shapes.size(added.shape)
    return CALL + TURNED * shapes.size(h.shape) < 2 * CALL + (ENTRY + 1) * size + ROW * min(added.shape)


def augment(program: Program) -> Program:
    """Keep a layer's bias as one more column of its weights, and a column of ones beside its input: the sum, and the
    bias's gradient, are then part of the products."""
    producers = program.producers()
    layers = []
    taken: set[Value] = set()
    sources: set[Value] = set()
    for added, source, weight, bias in _layers(program):
        match = Match(program, producers)
        if not match.alike(weight, bias, weight.shape, bias.shape) or len(match.leaves) != 1:
            continue
        ((of_weight, of_bias),) = match.leaves.items()
        g, s = producers[of_weight], producers[of_bias]
        if g.op != "matmul" or s.op != "matmul" or len(s.args[0].shape) != 1 or s.args[0].kind != "constant":
            continue
        turn = producers.get(g.args[0])
        if turn is None or turn.op != "permute_dims" or turn.args[0] is not s.args[1] or g.args[1] is not source:
            continue
        computed = match.computed | (match.pairs.keys() - match.leaves.keys())
        flipped = program.flipped | {*match.states}
        kept = all(can_share_buffer(program, pair, flipped) for pair in match.states.items())
        free = not taken & {*computed, source} and not sources & computed  # a packed value can't be packed again
        if kept and bool((s.args[0].data == 1).all()) and free:
            taken |= computed
            sources.add(source)
            layers.append((added, source, weight, bias, of_weight, of_bias))
    return _augmented(program, layers) if layers else program


def _augmented(program: Program, layers: Sequence[tuple[Value, ...]]) -> Program:
    producers = program.producers()
    groups, flipped = [], set(program.flipped)
    for _, _, weight, bias, of_weight, _ in layers:
        first, second = Match(program, producers), Match(program, producers)
        first.alike(weight, weight, weight.shape, weight.shape)
        second.alike(weight, bias, weight.shape, bias.shape)
        flipped |= {*first.states, of_weight}
        groups.append([(weight, first), (bias, second)])
    together = packed(program.changed(flipped=frozenset(flipped)), groups)
    if together is None:
        return program
    makers, writer = together.producers(), Rewriter(together)
    wholes = {members[0][0]: whole for whole, members in together.packed.items()}
    sums = {layer[0]: layer for layer in layers}
    gradients = {leaf: layer for layer in layers for leaf in layer[4:]}
    both_of: dict[Value, Value] = {}
    sources = {layer[1] for layer in layers}
    wide = {
        source: writer.emit("with_ones", (source,), {}, f"{source.name}_with_1")
        for source in sources
        if source not in makers
    }
    for instruction in writer:
        out = instruction.out
        if out in sums:
            _, source, weight, *_ = sums[out]
            shape = weight.shape[0], weight.shape[1] + 1
            piece = {"start": 0, "shape": shape, "flip": True}
            both = writer.emit("piece", (wholes[weight],), piece, f"{weight.name}_with_bias")
            turned = writer.emit("permute_dims", (both,), {"axes": (1, 0)})
            writer.now[out] = writer.emit("matmul", (wide[source], turned), {}, out.name)
        elif out in gradients:  # one product gives both, when the first of them is needed
            _, source, weight, _, of_weight, of_bias = gradients[out]
            if of_weight not in both_of:
                turned = writer.emit("permute_dims", (writer.of(makers[of_bias].args[1]),), {"axes": (1, 0)})
                name = f"{of_weight.name}_with_bias"
                both = both_of[of_weight] = writer.emit("matmul", (turned, wide[source]), {}, name)
                columns = weight.shape[1]
                for leaf, index in ((of_weight, slice(columns)), (of_bias, columns)):
                    writer.now[leaf] = writer.emit("getitem", (both,), {"index": (slice(None), index)}, leaf.name)
        elif instruction.op == "pack" and instruction.args[0] in both_of and len(instruction.args) == 2:
            whole = both_of[instruction.args[0]]
            writer.now[out] = writer.emit("pack", (whole,), {"flips": (True,)}, out.name)
        else:
            writer.keep(instruction)
        if out in sources:
            wide[out] = writer.emit("with_ones", (writer.of(out),), {}, f"{out.name}_with_1")
    return without_unread(common_subexpressions(writer.finish()))
