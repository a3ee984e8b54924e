"""``python -m glassgrad.viz follow``."""

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.viz.__main__ import main


def test_names_and_a_saved_network(tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["follow", "names", "ada", "--epochs", "1", "--no-open", "-o", str(out)]) == 0
    assert "<title>A Transformer and the gradient of its loss</title>" in out.read_text(encoding="utf-8")
    model = nn.models.char_transformer(5, d_model=8, nhead=2, num_layers=1, dim_feedforward=8, max_len=4, seed=0)
    nn.save(model, tmp_path / "model.npz")
    np.save(tmp_path / "x.npy", np.array([0, 1, 2, 3]))
    given = [str(tmp_path / "model.npz"), str(tmp_path / "x.npy")]
    assert main(["follow", *given, "--no-open", "-o", str(out), "--language", "zh"]) == 0
    assert "CharTransformer 的反向传播" in out.read_text(encoding="utf-8")
    assert capsys.readouterr().out.count("written: ") == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["model.npz"], "needs an example"),
        (["missing.npz", "missing.npy"], "missing.npy"),
        (["names", "a1"], "the character '1'"),
    ],
)
def test_refusals(given, said, tmp_path, capsys):
    assert main(["follow", *given, "--no-open", "-o", str(tmp_path / "page.html")]) == 2
    assert said in capsys.readouterr().err
