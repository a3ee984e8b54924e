"""A trained network and picture files."""

import re

import numpy as np
import pytest
from PIL import Image

from glassgrad import nn
from glassgrad.nn.__main__ import main
from glassgrad.nn.commands.images import read_image
from tests.nn.commands.helpers import facts, grey, refused, run


def test_predict_prints_the_digit_and_ten_probabilities(small, data, tmp_path, capsys):
    model = nn.load_model(small / "model.npz")
    paths = []
    for number in range(20):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(255 - grey(data, number)).save(paths[-1])
    assert run("predict", small / "model.npz", *paths) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["picture", "digit", *"0123456789"]
    assert len(lines) == 20
    right = 0
    for number, line in enumerate(lines):
        name, digit, *shares = line.replace(" %", "").split()
        assert name == str(paths[number])
        assert len(shares) == 10
        assert sum(map(float, shares)) == pytest.approx(100, abs=0.6)
        assert np.argmax([float(share) for share in shares]) == int(digit)
        inks = read_image(paths[number]).reshape(1, -1).astype(np.float32)
        assert int(digit) == int(model(inks).argmax(axis=-1).item())
        right += int(digit) == data.y_test[number]
    assert right >= 17


def test_show_writes_what_the_network_saw(small, data, tmp_path, capsys):
    for number in range(2):
        Image.fromarray(255 - grey(data, number)).save(tmp_path / f"{number}.png")
    pictures = [tmp_path / "0.png", tmp_path / "1.png"]
    assert run("predict", small / "model.npz", *pictures, "--show", tmp_path / "seen.png") == 0
    assert capsys.readouterr().out.endswith("seen.png shows what the network saw\n")
    seen = ~np.asarray(Image.open(tmp_path / "seen.png"))[4::8, 4::8]
    for number, path in enumerate(pictures):
        np.testing.assert_array_equal(seen[1:17, 18 * number + 1 : 18 * number + 17], read_image(path))
    assert run("predict", small / "model.npz", *pictures, "--show", tmp_path / "nowhere" / "seen.png") == 2


def photographed(picture, draw):
    """A digit written with a blue pen, a little askew, on paper with light from one side."""
    side, turned = 160, Image.new("L", (160, 160))
    turned.paste(Image.fromarray(picture).resize((110, 110), Image.Resampling.BICUBIC), tuple(draw.integers(15, 35, 2)))
    turned = turned.rotate(draw.uniform(-8, 8), Image.Resampling.BICUBIC)
    ink = np.clip(np.asarray(turned, float) / 255 * 1.2, 0, 1)[..., None]
    y, x = np.indices((side, side)) / (side / 2) - 1
    angle = draw.uniform(0, 2 * np.pi)
    light = (205 + draw.uniform(40, 60) * (np.cos(angle) * x + np.sin(angle) * y))[..., None]
    seen = light * (1 - ink) + light / 205 * np.array([30, 40, 130]) * ink + draw.normal(0, 4, (side, side, 3))
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))


def test_photographs_in_uneven_light_show_the_same_digits(small, data, tmp_path):
    model, same = nn.load_model(small / "model.npz"), 0
    for number in range(20):
        found = []
        drawn = grey(data, number)
        for picture in (Image.fromarray(255 - drawn), photographed(drawn, np.random.default_rng(number))):
            picture.save(tmp_path / "x.png")
            found.append(model(read_image(tmp_path / "x.png").reshape(1, -1).astype("float32")).data.argmax())
        same += found[0] == found[1]
    assert same >= 18


def test_an_empty_picture_does_not_discard_the_others(small, data, tmp_path, capsys):
    Image.fromarray(255 - grey(data, 0)).save(tmp_path / "digit.png")
    Image.new("L", (40, 40), 255).save(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "digit.png").read_bytes()[:-60])
    names = [tmp_path / f"{name}.png" for name in ("empty", "digit", "text", "cut")]
    assert run("predict", small / "model.npz", *names) == 2
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["picture", str(tmp_path / "digit.png")]
    assert re.fullmatch(r".*empty\.png shows no digit: .*; .*text\.png is not a picture: .*; .*cut\.png .+\n", said.err)


@pytest.mark.parametrize(
    ("sizes", "metadata", "sentence"),
    [
        ((784, 10), facts(), "linear can't take"),
        ((256, 9), facts(), "bad.npz gives 9 numbers for 10 classes: train it again"),
        ((256, 9), facts(classes=5), "does not come from `python -m glassgrad.nn digits --data digits`"),
        ((4, 2), None, "does not come from `python -m glassgrad.nn digits --data digits`"),
        ((784, 10), facts(data="mnist"), "does not come from `python -m glassgrad.nn digits --data digits`"),
    ],
)
def test_an_unsuitable_model_is_refused(sizes, metadata, sentence, data, tmp_path, capsys):
    nn.save(nn.MLP(sizes, seed=0), tmp_path / "bad.npz", metadata=metadata)
    Image.fromarray(grey(data, 0)).save(tmp_path / "x.png")
    assert sentence in refused(capsys, "predict", tmp_path / "bad.npz", tmp_path / "x.png")


def test_a_model_of_nan_and_a_damaged_one_are_refused(data, tmp_path, capsys):
    model, path = nn.MLP([256, 10], seed=0), tmp_path / "bad.npz"
    model[0].weight.data = model[0].weight.data * np.float32("nan")
    nn.save(model, path, metadata=facts())
    Image.fromarray(grey(data, 0)).save(tmp_path / "x.png")
    assert "bad.npz gives numbers that are not finite" in refused(capsys, "predict", path, tmp_path / "x.png")
    path.write_bytes(path.read_bytes()[:-60])
    assert "bad.npz can't be read as a file of nn.save" in refused(capsys, "predict", path, tmp_path / "x.png")


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"norm": "batch"}], ids=str)
def test_predict_uses_evaluation_mode(options, data, tmp_path, capsys):
    nn.save(nn.MLP([256, 30, 10], seed=0, **options), tmp_path / "m.npz", metadata=facts())
    Image.fromarray(grey(data, 0)).save(tmp_path / "x.png")
    told = set()
    for _ in range(3):
        assert main(["predict", str(tmp_path / "m.npz"), str(tmp_path / "x.png")]) == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1


ESCAPE = "\x1b]0;title\x07\x1b[31m"


def test_escape_sequences_are_not_printed(small, data, tmp_path, capsys):
    path = tmp_path / f"{ESCAPE}.png"
    Image.fromarray(grey(data, 0)).save(path)
    classes = [f"{ESCAPE}{n}" for n in range(10)]
    nn.save(nn.MLP([256, 10], seed=0), tmp_path / "m.npz", metadata=facts(classes=classes))
    assert run("predict", tmp_path / "m.npz", path) == 0
    said = capsys.readouterr().out
    assert r"\x1b]0;title\x07\x1b[31m.png" in said
    assert "\x1b" not in said + refused(capsys, "predict", path, path)
    nn.save(nn.MLP([256, 10], seed=0), tmp_path / "m.npz", metadata=facts(data=ESCAPE))
    assert "\x1b" not in refused(capsys, "predict", tmp_path / "m.npz", path)
    assert r"arguments: --\x1b]0;title" in refused(capsys, "digits", f"--{ESCAPE}")
