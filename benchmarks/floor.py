"""How much of a training step is its matrix products, which no engine on NumPy can take less for.

    python -m benchmarks.floor          # B, D and E on one core, a minute

Interleaved in one process, by CPU time, as medians of the ratios within a round: the products alone in the orders that
the compiled step has them in, those of the hand-written step, and the two steps whole.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterable
from functools import partial
from statistics import median

import numpy as np

from benchmarks.contestants import glassgrad_compiled, numpy_out
from benchmarks.works import NETS, Array, Net

SECONDS = 0.05  # of every turn, about


def products(net: Net, by_feature: bool) -> list[tuple[Array, Array, Array]]:
    """The three products of every layer, two for the first, as ``(a, b, out)``: out is made ahead.

    ``by_feature``: samples along the columns and the bias as one more row of the weights, as the compiled step of a
    deep net has it; else as one writes it by hand, with samples along the rows.
    """
    draw = np.random.default_rng(0)

    def array(*shape: int) -> Array:
        return draw.random(shape).astype(net.dtype)

    found = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(net.sizes)):
        if by_feature:
            h, weight, d = array(inputs + 1, net.batch), array(inputs + 1, outputs), array(outputs, net.batch)
            layer = (weight.T, h), (h, d.T), (weight[:-1], d)
        else:
            h, weight, d = array(net.batch, inputs), array(outputs, inputs), array(net.batch, outputs)
            layer = (h, weight.T), (d.T, h), (d, weight)
        for a, b in layer if i else layer[:2]:
            found.append((a, b, np.empty((len(a), b.shape[1]), net.dtype)))
    return found


def multiply(given: Iterable[tuple[Array, Array, Array]]) -> None:
    """Every product."""
    for a, b, out in given:
        a.dot(b, out)


def measured(net: Net, rounds: int) -> dict[str, float]:
    """The time of each as a ratio to the hand-written step."""
    given = net, net.layers(), *net.samples()
    turns = {
        "hand-written": numpy_out.Net(*given).step,
        "compiled": glassgrad_compiled.Net(*given).step,
        "products by hand": partial(multiply, products(net, by_feature=False)),
        "products compiled": partial(multiply, products(net, by_feature=True)),
    }
    count = 0
    for turn in turns.values():
        turn()
        start = time.process_time()
        turn()
        count = count or max(1, int(SECONDS / max(1e-9, time.process_time() - start)))
    ratios: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        taken = {}
        for name, turn in turns.items():
            start = time.process_time()
            for _ in range(count):
                turn()
            taken[name] = time.process_time() - start
        for name, seconds in taken.items():
            ratios[name].append(seconds / taken["hand-written"])
    return {name: median(found) for name, found in ratios.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.floor", description="The share of products in a step.")
    parser.add_argument("--works", nargs="+", default=["B", "D", "E"], choices=list(NETS))
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    for key in given.works:
        found = measured(NETS[key], given.rounds)
        print(f"{key}: ÷ NumPy by hand, out=  " + "  ".join(f"{name} {ratio:.3f}" for name, ratio in found.items()))


if __name__ == "__main__":
    main()
