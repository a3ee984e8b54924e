"""Random training steps of nn's layers and optimizers, compared in all their readings.

``python -m tests.steps --count 1000`` draws steps, compares each (`tests.steps.readings.compare`), and tells how many
differ, with a small step for every culprit. The results are in docs/testing.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from tests.steps.random_steps import Vocabulary, random_step
from tests.steps.readings import Verdict, compare, smallest_fault
from tests.steps.step import TrainingStep

NETWORKS = Vocabulary(
    imports=("from glassgrad import nn",),
    layers=(
        "nn.Linear({n}, {m}, seed={seed}, dtype={dtype!r})",
        "nn.Linear({n}, {m}, seed={seed}, dtype={dtype!r})",
        "nn.Linear({n}, {n}, seed={seed}, dtype={dtype!r})",
        "nn.Linear({n}, {m}, bias=False, seed={seed}, dtype={dtype!r})",
        "nn.LayerNorm({n}, dtype={dtype!r})",
        "nn.BatchNorm1d({n}, dtype={dtype!r})",
        "nn.BatchNorm1d({n}, affine=False, momentum=0.5, dtype={dtype!r})",
        "nn.Dropout(0.4, seed={seed})",
        "nn.Sequential(nn.Linear({n}, {m}, seed={seed}, dtype={dtype!r}), nn.Tanh())",
        "nn.MLP([{n}, {k}, {m}], seed={seed}, dtype={dtype!r})",
        "nn.MLP([{n}, {k}, {m}], 'relu', norm='batch', seed={seed}, dtype={dtype!r})",
        "nn.MLP([{n}, {k}, {m}], 'tanh', norm='layer', dropout=0.3, seed={seed}, dtype={dtype!r})",
    ),
    functions=("nn.functional.dropout({a}, 0.4, generator=generator)", "nn.functional.softmax({a}, axis=-1)"),
    losses=(
        "nn.functional.cross_entropy({a}, labels)",
        "nn.functional.cross_entropy({a}, labels)",
        "nn.functional.cross_entropy({a}, ag.softmax({alike}, axis=-1))",
        "nn.functional.cross_entropy({a}, ag.argmax(ag.random.normal({a}.shape, generator=generator), axis=-1))",
        "nn.functional.mse_loss({a}, {alike})",
        "nn.functional.mse_loss({a}, {alike}.detach())",
        "nn.functional.binary_cross_entropy_with_logits({a}, ag.sigmoid({alike}))",
    ),
    optimizers=(
        "nn.optim.SGD({params}, lr={lr})",
        "nn.optim.SGD({params}, lr={lr})",
        "nn.optim.SGD({params}, lr={lr}, momentum=0.9)",
        "nn.optim.SGD({params}, lr={lr}, momentum=0.9, nesterov=True)",
        "nn.optim.SGD({params}, lr={lr}, weight_decay=0.1)",
        "nn.optim.Adam({params}, lr={lr})",
        "nn.optim.Adam({params}, lr={lr}, betas=(0.8, 0.95), weight_decay=0.01)",
        "nn.optim.AdamW({params}, lr={lr})",
        "nn.optim.RMSprop({params}, lr={lr})",
        "nn.optim.RMSprop({params}, lr={lr}, momentum=0.5, centered=True)",
    ),
    clips=("nn.optim.clip_grad_norm_({params}, 1.0)", "nn.optim.clip_grad_norm_({params}, 0.01)"),
    schedules=(
        ("nn.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)", "schedule.step()"),
        ("nn.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)", "schedule.step()"),
    ),
    modes=(
        ("{layer}.eval()", "{layer}.train()"),
        ("[*{layer}.parameters()][0].requires_grad_(False)", "[*{layer}.parameters()][0].requires_grad_(True)"),
    ),
    ties=("{layer}.weight = {other}.weight",),
    states=(
        "[*{layer}.buffers()][0]",
        "[*{layer}.parameters()][-1]",
        "[*[*optimizer.state.values()][0].values()][0]",
        "[*[*optimizer.state.values()][-1].values()][-1]",
    ),
    loads=(
        "{layer}.load_state_dict({layer}.state_dict())",
        "{layer}.load_state_dict({{name: array * 0.5 for name, array in {layer}.state_dict().items()}})",
        "optimizer.load_state_dict(optimizer.state_dict())",
        "optimizer.param_groups[0]['weight_decay'] = 0.25",
        "optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))",
        "saved = {layer}.state_dict()\n[*{layer}.parameters()][0].data *= 0.5\n{layer}.load_state_dict(saved)",
    ),
)
"""The layers, losses and optimizers of nn."""


def step_of(seed: int) -> TrainingStep:
    """The random step of a seed."""
    return random_step(Random(seed), NETWORKS)


def search(
    seeds: Sequence[int], every: int = 0, target: str = "numpy"
) -> tuple[Counter[str], list[tuple[int, Verdict]]]:
    """How often each kind of verdict was found, and the seeds whose verdict is none of "same", with it.

    ``every``: after how many steps a line tells how far it is. ``target``: that of `compare`.
    """
    kinds: Counter[str] = Counter()
    found: list[tuple[int, Verdict]] = []
    began = time.perf_counter()
    for i, seed in enumerate(seeds):
        verdict = compare(step_of(seed), target)
        kinds[verdict.kind] += 1
        if verdict.kind != "same":
            found.append((seed, verdict))
        if verdict.is_fault:
            print(f"seed {seed}, {verdict.kind}, {verdict.culprit}: {verdict.what}", flush=True)
        if every and (i + 1) % every == 0:
            rate = (i + 1) / (time.perf_counter() - began)
            print(f"{i + 1} steps, {rate:.0f} a second: {_told(kinds)}", flush=True)
    return kinds, found


def _told(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def main(args: Sequence[str] | None = None) -> int:
    """Search, and print; 1 where a step differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.steps", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many steps (1000)")
    parser.add_argument("--start", type=int, default=0, help="the seed of the first (0); the others count up from it")
    parser.add_argument("--every", type=int, default=1000, help="a line of progress after so many (1000)")
    parser.add_argument("--smallest", type=int, default=1, help="how many steps to make small for each culprit (1)")
    parser.add_argument("--target", choices=["numpy", "c"], default="numpy", help="what runs (numpy); c is compiled")
    chosen = parser.parse_args(args)
    began = time.perf_counter()
    kinds, found = search(range(chosen.start, chosen.start + chosen.count), chosen.every, chosen.target)
    seconds = time.perf_counter() - began
    print(f"{chosen.count} steps from seed {chosen.start} on in {seconds:.0f} s: {_told(kinds)}")
    for kind in ("refused", "not finite", "ill-conditioned"):
        seeds = [seed for seed, verdict in found if verdict.kind == kind]
        if seeds:
            print(f"{kind}: seeds {', '.join(map(str, seeds[:20]))}{', …' if len(seeds) > 20 else ''}")
    faults = [(seed, verdict) for seed, verdict in found if verdict.is_fault]
    for culprit, count in Counter(verdict.culprit for _, verdict in faults).most_common():
        of_culprit = [(seed, verdict) for seed, verdict in faults if verdict.culprit == culprit]
        print(f"\n{culprit}: {count} steps, seeds {', '.join(str(seed) for seed, _ in of_culprit[:20])}")
        for seed, verdict in of_culprit[: chosen.smallest]:
            smallest = smallest_fault(step_of(seed), verdict, target=chosen.target)
            print(f"\nseed {seed}, {verdict.kind}: {verdict.what}\n\n{smallest.source}")
    return bool(faults)
