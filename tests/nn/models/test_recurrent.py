"""Language models: the state goes on, they are saved, they write."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from tests.training import updating


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_pieces_with_their_state_are_the_whole(kind):
    model = nn.models.char_rnn(7, kind, hidden=5, num_layers=2, seed=0)
    tokens = np.random.default_rng(0).integers(0, 7, (3, 8))
    whole, _ = model(tokens)
    first, state = model(tokens[:, :3])
    second, _ = model(tokens[:, 3:], state)
    np.testing.assert_allclose(np.concat([first.data, second.data], axis=1), whole.data, rtol=1e-5, atol=1e-6)


def test_a_char_rnn_learns_and_writes_a_word():
    vocabulary = nn.data.CharVocabulary("abn")
    inputs, targets, lengths = nn.data.text_sequences(["banana"], vocabulary)
    model = nn.models.char_rnn(len(vocabulary), hidden=16, seed=0)
    loss = lambda: nn.functional.cross_entropy(model(inputs, lengths=lengths)[0], targets)  # noqa: E731
    step = ag.compile(updating(nn.optim.Adam(model.parameters(), lr=0.02), loss))
    assert [step() for _ in range(120)][-1].item() < 0.05  # converged: 0.001
    assert {vocabulary.decode(text) for text in model.sample(5, temperature=0.1, seed=0)} == {"banana"}
    assert vocabulary.decode(model.sample(start=[0, *vocabulary.encode("ban")], temperature=0.1, seed=0)[0]) == "ana"


def test_sampling_restores_the_mode():
    model = nn.models.char_rnn(4, hidden=3, seed=0)
    model.sample(length=2, seed=0)
    assert model.training
    model.eval().sample(length=2, seed=0)
    assert not model.training
