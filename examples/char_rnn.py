"""An LSTM learns how first names are spelled, character by character, and writes new ones.

    python examples/char_rnn.py [FOLDER]
"""

import argparse
import math
import time
from collections import Counter
from itertools import count
from pathlib import Path

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.data import CharVocabulary, first_names, text_sequences

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples", help="where the network is saved")
folder = parser.parse_args().folder
folder.mkdir(parents=True, exist_ok=True)

SECONDS, BATCH = 15, 64

names = first_names()
vocabulary = CharVocabulary.of(names)
inputs, targets, lengths = text_sequences(names, vocabulary)
held_out = np.arange(len(names)) % 10 == 0
train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)

counts = Counter(int(symbol) for row, n in zip(targets, lengths, strict=True) for symbol in row[:n])
shares = np.array([*counts.values()]) / sum(counts.values())
entropy = -float((shares * np.log(shares)).sum())
print(f"{len(names)} names, {len(vocabulary)} symbols; who knows how frequent each is: {entropy:.2f} nats a symbol")

model = nn.models.char_rnn(len(vocabulary), "lstm", hidden=128, seed=0)
optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)


def loss_of(x, y, n):
    """The mean cross-entropy of all symbols that there are."""
    logits, _ = model(x, lengths=n)
    there = ag.permute_dims(ag.sequence_mask(n, length=x.shape[1]), (1, 0))
    losses = nn.functional.cross_entropy(logits, y, reduction="none")
    return ag.where(there, losses, 0.0).sum() / n.sum().to(losses.dtype)


@ag.compile
def step(x, y, n):
    optimizer.zero_grad()
    loss = loss_of(x, y, n)
    loss.backward()
    nn.optim.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss


def batch(rows):
    return [ag.Tensor(part[rows]) for part in (inputs, targets, lengths)]


def held_out_loss():
    with ag.no_grad():
        return loss_of(*batch(test)).item()


rng, start, best = np.random.default_rng(0), time.process_time(), math.inf
for epoch in count(1):
    order = rng.permutation(train)
    batches = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)
    losses = [step(*batch(rows)).item() for rows in batches]
    loss = held_out_loss()
    if loss < best:
        best, best_state = loss, model.state_dict()
    if epoch % 5 == 0:
        print(f"epoch {epoch}: {np.mean(losses):.2f} nats a symbol, {loss:.2f} on names that it has not seen")
    if loss > best + 0.03 or time.process_time() - start > SECONDS:
        break
model.load_state_dict(best_state)
print(f"best: {best:.2f} nats on unseen names, {math.exp(entropy - best):.1f} times as good as by frequency")
assert best < entropy - 0.5

written = [vocabulary.decode(text) for text in model.sample(40, length=20, temperature=0.8, seed=1)]
known = set(names)
new = list(dict.fromkeys(name for name in written if name and name not in known))
print("writes:", ", ".join(name.capitalize() for name in new[:20]))
assert len(new) >= 5

nn.save(model, folder / "char_rnn.npz")
