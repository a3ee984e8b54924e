"""Settings: files, options, and values that make no sense."""

import pytest

from glassgrad.nn.__main__ import parser
from glassgrad.nn.commands.settings import Settings, read_settings
from tests.nn.commands.helpers import refused


def test_options_override_the_settings_file(tmp_path):
    written = {"hidden": (7, 5), "loss": "mse", "lr": 0.25, "seed": 3}
    (tmp_path / "settings.json").write_bytes(Settings.of(written).json())
    read = read_settings(tmp_path / "settings.json")
    assert Settings.of(read) == Settings.of(written)
    options = vars(parser().parse_args(["digits", "--seed", "4", "--hidden"]))
    given = {name: value for name, value in options.items() if value is not None}
    assert Settings.of(read | given) == Settings.of({"hidden": (), "loss": "mse", "lr": 0.25, "seed": 4})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", "is not a settings file: give the settings.json of a run"),
        ("[1, 2]", "is not a settings file"),
        ('{"hiden": [3]}', "settings.json: unrecognized arguments: --hiden 3"),
        ('{"hidden": [3.5]}', "settings.json: argument --hidden: '3.5' is not a whole number of at least 1"),
        ('{"epochs": true}', "argument --epochs: 'True' is not a whole number of at least 1"),
        ('{"lr": "fast"}', "argument --lr: 'fast' is not a learning rate above 0"),
        ('{"loss": "l1"}', "argument --loss: invalid choice: 'l1' (choose from"),
    ],
)
def test_invalid_settings_are_refused(content, sentence, capsys, tmp_path):
    (tmp_path / "settings.json").write_text(content)
    assert sentence in refused(capsys, "digits", "--settings", tmp_path / "settings.json", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()
