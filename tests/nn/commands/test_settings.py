"""Settings: files, options, and values that make no sense."""

import pytest

from glassgrad.nn.__main__ import parser
from glassgrad.nn.commands.settings import Settings
from tests.nn.commands.helpers import refused


def test_options_override_the_settings_file(tmp_path):
    (tmp_path / "settings.json").write_bytes(Settings(hidden=(7, 5), loss="mse", lr=0.25, seed=3).json())
    options = vars(parser().parse_args(["digits", "--seed", "4", "--hidden"]))
    loaded = Settings.load(tmp_path / "settings.json")
    assert loaded == Settings(hidden=(7, 5), loss="mse", lr=0.25, seed=3).completed()
    changed = loaded.with_options({name: options[name] for name in ("seed", "hidden", "lr", "loss")})
    assert changed == Settings(hidden=(), loss="mse", lr=0.25, seed=4).completed()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", "is not a settings file: give the settings.json of a run"),
        ("[1, 2]", "is not a settings file"),
        ('{"hiden": [3]}', "sets hiden, which is not a setting"),
        ('{"hidden": 3}', "hidden is 3: give a list with the number of neurons of each hidden layer"),
        ('{"epochs": true}', "epochs is True: give a whole number of at least 1"),
        ('{"epochs": "many"}', "epochs is 'many': give a whole number of at least 1"),
        ('{"lr": "fast"}', "lr is 'fast': give a learning rate above 0"),
        ('{"loss": "l1"}', "loss is 'l1': give cross-entropy or mse"),
        ('{"loss": ["mse"]}', "loss is ['mse']: give cross-entropy or mse"),
        ('{"device": 1}', "device is 1: give cpu or cuda"),
    ],
)
def test_invalid_settings_are_refused(content, sentence, capsys, tmp_path):
    (tmp_path / "settings.json").write_text(content)
    assert sentence in refused(capsys, "digits", "--settings", tmp_path / "settings.json", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
