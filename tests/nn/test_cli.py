"""The command line: what a run leaves, that it can be repeated, how pictures are read, and every way to be refused."""

import base64
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nn
import viz
from nn.__main__ import main, parser
from nn.commands import digits as job
from nn.commands.images import read_image
from nn.commands.results import Run
from nn.commands.settings import Settings
from nn.data import digits
from nn.data.ink import to_ink

ROOT = Path(__file__).parents[2]
SMALL = ["--hidden", "20", "--epochs", "1"]
LEFT = {
    "model.npz", "history.json", "settings.json", "graph.svg", "graph.png", "neurons.svg", "neurons.png", "curves.png",
    "digits.png", "mistakes.png", "report.html",
}  # fmt: skip


def run(*words):
    return main([str(word) for word in words])


def refused(capsys, *words):
    """The sentence of a refusal, after a look at what every refusal must be."""
    try:
        status = run(*words)
    except SystemExit as error:
        status = error.code
    said = capsys.readouterr()
    assert status == 2
    assert said.err.count("\n") == 1
    assert said.err.startswith("python -m nn")
    assert said.out == ""
    return said.err.strip()


@pytest.fixture(scope="module")
def data():
    return digits()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert run("digits", *SMALL, "--out", folder) == 0
    return folder


# ---------------------------------------------------------------- a run


def test_default_run_reads_97_of_100_and_leaves_everything(tmp_path, capsys):
    assert run("digits", "--out", tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert "256-100-10 sigmoid network, 26,710 parameters" in said
    assert "55,000 digits to learn from, 5,000 to choose the weights by, 10,000 held out, 16×16" in said
    assert len(re.findall(r"^epoch +\d+/12  loss", said, re.MULTILINE)) == 12
    rows = re.findall(r"^ +(\d) +(\d+) +([\d.]+) % +(\d+)  (█*)", said, re.MULTILINE)
    assert [row[0] for row in rows] == list("0123456789")
    assert sum(int(row[1]) for row in rows) == 10_000
    accuracy, wrong = re.search(r"test accuracy ([\d.]+) %, (\d+) of 10,000 wrong", said).groups()
    assert float(accuracy) >= 97.0
    assert int(wrong) == sum(int(row[3]) for row in rows) == round(10_000 - 100 * float(accuracy))
    most = max(rows, key=lambda row: int(row[3]))
    assert max(len(row[4]) for row in rows) == len(most[4]) == 20
    assert {path.name for path in (tmp_path / "run").iterdir()} == LEFT
    assert all(name in said for name in LEFT)


def test_pictures_show_what_they_are_to_show(small):
    graph = (small / "graph.svg").read_text(encoding="utf-8")
    for words in ("Linear", "Sigmoid", "Cross-entropy", "batch of 100", "∂L/∂W1"):
        assert words in graph
    neurons = (small / "neurons.svg").read_text(encoding="utf-8")
    assert "TARGET" in neurons
    assert "class probability" in neurons
    for name in LEFT:
        if name.endswith(".png"):
            with Image.open(small / name) as image:
                assert min(image.size) > 300
                assert len(np.unique(np.asarray(image.convert("L")))) > 10


def report_data(folder):
    """What the page's script is given."""
    page = (folder / "report.html").read_text(encoding="utf-8")
    return json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_report_has_the_network_of_the_run_and_two_digits_of_each_class(small, data):
    given = report_data(small)
    assert [layer["f"] for layer in given["layers"]] == ["sigmoid", "softmax"]
    embedded = np.frombuffer(base64.b64decode(given["layers"][0]["w"]), "<f4")
    np.testing.assert_array_equal(embedded, nn.load_model(small / "model.npz").layers[0].weight.data.ravel())
    labels = [sample["t"].split()[0] for sample in given["samples"][:20]]
    assert labels == [name for name in data.classes for _ in range(2)]
    page = (small / "report.html").read_text(encoding="utf-8")
    assert page.count('<figure class="neurons"') == 20
    assert len(page) < 5e6


def test_history_and_weights_load(small, data):
    history = nn.History.load(small / "history.json")
    assert history.epochs == history.best_epoch == 1
    model = nn.load_model(small / "model.npz")
    assert model.sizes == (256, 20, 10)
    accuracy = nn.evaluate(model, nn.functional.cross_entropy, (data.x_test, data.y_test)).accuracy
    assert accuracy > 0.85


def test_settings_file_reproduces_the_run(small, tmp_path):
    assert run("digits", "--settings", small / "settings.json", "--out", tmp_path / "again") == 0
    first, again = nn.load(small / "model.npz"), nn.load(tmp_path / "again/model.npz")
    for name, weights in first.items():
        np.testing.assert_array_equal(weights.numpy(), again[name].numpy())
    assert (tmp_path / "again/settings.json").read_text() == (small / "settings.json").read_text()


def test_options_go_before_the_settings_file(tmp_path):
    (tmp_path / "settings.json").write_bytes(Settings(hidden=(7, 5), loss="mse", lr=0.25, seed=3).json())
    options = vars(parser().parse_args(["digits", "--seed", "4", "--hidden"]))
    loaded = Settings.load(tmp_path / "settings.json")
    assert loaded == Settings(hidden=(7, 5), loss="mse", lr=0.25, seed=3)
    changed = loaded.with_options({name: options[name] for name in ("seed", "hidden", "lr", "loss")})
    assert changed == Settings(hidden=(), loss="mse", lr=0.25, seed=4)


def test_another_seed_is_another_run(small, tmp_path):
    assert run("digits", *SMALL, "--seed", "1", "--out", tmp_path / "run") == 0
    first, other = nn.load(small / "model.npz"), nn.load(tmp_path / "run/model.npz")
    assert all((weights.numpy() != other[name].numpy()).any() for name, weights in first.items())


@pytest.mark.parametrize(
    ("options", "least"),
    [
        (["--loss", "mse"], 85.0),
        (["--loss", "mse", "--optimizer", "sgd"], 50.0),
        (["--optimizer", "sgd"], 88.0),
        (["--optimizer", "adam"], 88.0),
        (["--optimizer", "rmsprop"], 85.0),
        (["--hidden"], 85.0),
        (["--hidden", "30", "20", "--batch", "50"], 85.0),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_every_choice_learns(options, least, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Run, "pictures", lambda _: iter(()))
    assert run("digits", *SMALL, "--out", tmp_path, *options) == 0
    assert float(re.search(r"test accuracy ([\d.]+) %", capsys.readouterr().out)[1]) >= least


def test_mean_squared_error_has_pictures_too(tmp_path):
    assert run("digits", *SMALL, "--loss", "mse", "--out", tmp_path) == 0
    assert {path.name for path in tmp_path.iterdir()} == LEFT
    assert [layer["f"] for layer in report_data(tmp_path)["layers"]] == ["sigmoid", "sigmoid"]


def test_untold_folder_is_the_first_free_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(job, "_fit", lambda *_: nn.History(loss=[1.0], seconds=[0.1]))
    monkeypatch.setattr(Run, "pictures", lambda _: iter(()))
    for name in ("digits", "digits-2", "digits-3"):
        assert run("digits") == 0
        assert f"in {Path('runs') / name}:" in capsys.readouterr().out
        assert (tmp_path / "runs" / name / "model.npz").is_file()


def test_overwrite_replaces_the_run_and_nothing_else(small, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "pictures", lambda _: iter(()))
    assert run("digits", *SMALL, "--out", tmp_path) == 0
    (tmp_path / "notes.txt").write_text("mine")
    assert run("digits", *SMALL, "--seed", "5", "--out", tmp_path, "--overwrite") == 0
    assert json.loads((tmp_path / "settings.json").read_text())["seed"] == 5
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_without_an_engine_the_source_of_the_picture_is_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("viz.drawing.render.engines", list)
    assert run("digits", *SMALL, "--out", tmp_path) == 0
    said = capsys.readouterr().out
    assert "graph.gv        not drawn: no layout engine was found: install one with `pip install graphviz-pure`" in said
    assert {path.name for path in tmp_path.iterdir()} >= {"graph.gv", "neurons.gv", "curves.png", "model.npz"}


def test_an_engine_that_fails_costs_only_its_pictures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("viz.drawing.render.engines", lambda: [viz.drawing.render.Engine(sys.executable, "setting")])
    assert run("digits", *SMALL, "--out", tmp_path) == 0
    assert re.search(r"graph.gv +not drawn: the layout engine \S+ could not draw", capsys.readouterr().out)
    assert (tmp_path / "mistakes.png").is_file()


def test_ctrl_c_keeps_what_was_learned(tmp_path, monkeypatch, capsys):
    fit = job.fit

    def interrupted(*given, **options):
        def callback(history):
            if history.epochs == 2:
                raise KeyboardInterrupt

        return fit(*given, **options | {"callback": callback})

    monkeypatch.setattr(job, "fit", interrupted)
    monkeypatch.setattr(Run, "pictures", lambda _: iter(()))
    assert run("digits", "--hidden", "20", "--epochs", "9", "--out", tmp_path) == 130
    said = capsys.readouterr().out
    assert re.search("Interrupted (in|after) epoch .*: the weights are those of epoch 2", said)
    assert "test accuracy 9" in said
    assert nn.History.load(tmp_path / "history.json").interrupted


def test_ctrl_c_before_there_is_anything_to_keep(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(job, "_fit", lambda *_: nn.History(interrupted=True))
    assert run("digits", "--out", tmp_path) == 130
    assert capsys.readouterr().err == "python -m nn: interrupted\n"
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("digits --hiden 3", "digits: unknown arguments: --hiden 3 (see `python -m nn digits --help`)"),
        ("digits --lr x", "argument --lr: invalid float value: 'x'"),
        ("digits --lr 0", "lr is 0.0: give a learning rate above 0"),
        ("digits --lr nan", "lr is nan: give a learning rate above 0"),
        ("digits --lr inf", "lr is inf: give a learning rate above 0"),
        ("digits --hidden 10 -3", "hidden is -3: give a whole number from 1 on"),
        ("digits --hidden 2.5", "argument --hidden: invalid int value: '2.5'"),
        ("digits --epochs 0", "epochs is 0: give a whole number from 1 on"),
        ("digits --batch -1", "batch is -1: give a whole number from 1 on"),
        ("digits --seed -1", "seed is -1: give a whole number from 0 on"),
        ("digits --loss l1", "argument --loss: invalid choice: 'l1' (choose from"),
        ("digits --optimizer newton", "argument --optimizer: invalid choice: 'newton' (choose from"),
        ("digits --data letters", "argument --data: invalid choice: 'letters' (choose from"),
        ("digits --device abacus", "unknown device 'abacus'"),
        ("digits --settings nowhere.json", "nowhere.json cannot be read: no such file or directory"),
        ("predict", "the following arguments are required: MODEL, IMAGE"),
        ("predict nowhere.npz x.png", "nowhere.npz cannot be read: no such file or directory"),
        ("learn", "invalid choice: 'learn' (choose from"),
        ("", "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_words_are_refused_in_a_sentence(words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(capsys, *words.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("not json", "is not a settings file: give the settings.json of a run"),
        ("[1, 2]", "is not a settings file"),
        ('{"hiden": [3]}', "sets hiden, which is not a setting"),
        ('{"hidden": 3}', "hidden is 3: give a list with the number of neurons of each hidden layer"),
        ('{"epochs": true}', "epochs is True: give a whole number from 1 on"),
        ('{"epochs": "many"}', "epochs is 'many': give a whole number from 1 on"),
        ('{"lr": "fast"}', "lr is 'fast': give a learning rate above 0"),
        ('{"loss": "l1"}', "loss is 'l1': give cross-entropy or mse"),
        ('{"loss": ["mse"]}', "loss is ['mse']: give cross-entropy or mse"),
        ('{"device": 1}', "device is 1: give cpu or cuda"),
    ],
)
def test_settings_that_make_no_sense_are_refused(content, sentence, capsys, tmp_path):
    (tmp_path / "settings.json").write_text(content)
    assert sentence in refused(capsys, "digits", "--settings", tmp_path / "settings.json", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_folder_of_an_earlier_run_is_left_alone(small, capsys):
    before = contents(small)
    sentence = refused(capsys, "digits", "--out", small)
    assert sentence.endswith(f"{small} is not empty: name another folder, or replace the run in it with --overwrite")
    assert contents(small) == before


def test_folder_with_other_things_is_never_overwritten(tmp_path, capsys):
    (tmp_path / "model.npz").write_text("mine")
    sentence = refused(capsys, "digits", "--out", tmp_path, "--overwrite")
    assert "holds other files than those of a run: name another folder" in sentence
    assert contents(tmp_path) == {"model.npz": b"mine"}


def test_unwritable_folder_is_found_before_training(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    sentence = refused(capsys, "digits", "--out", tmp_path / "file/run")
    assert f"{tmp_path / 'file/run'} cannot be written to (not a directory): name another folder with --out" in sentence
    assert "is not empty" not in refused(capsys, "digits", "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_read_only_folder_is_found_before_training(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert "cannot be written to (permission denied)" in refused(capsys, "digits", "--out", tmp_path)


def test_missing_libraries_are_named_before_anything_is_done(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    sentence = refused(capsys, "digits", "--out", tmp_path / "run")
    assert sentence.endswith("the learning curves need matplotlib: pip install 'glassgrad[demo]'")
    sentence = refused(capsys, "predict", small / "model.npz", "x.png")
    assert sentence.endswith("reading pictures needs Pillow: pip install 'glassgrad[demo]'")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("rank", "said"), [("0", "mpirun has started 2 processes: add --parallel"), ("1", "")])
def test_processes_of_a_launcher_do_not_train_side_by_side(rank, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", rank)
    assert run("digits", "--out", tmp_path / "run") == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == (rank == "0")
    assert not (tmp_path / "run").exists()


def test_data_that_cannot_be_had_is_refused(tmp_path, capsys, monkeypatch):
    def missing():
        raise nn.data.DownloadError("the file could not be downloaded: check the network and try again.")

    monkeypatch.setattr(job, "DATASETS", {"digits": missing})
    assert refused(capsys, "digits", "--out", tmp_path / "run").endswith("check the network and try again")
    assert not (tmp_path / "run").exists()


def test_a_training_that_blows_up_says_so(tmp_path, capsys, monkeypatch):
    def fit(*_, **__):
        raise nn.errors.TrainingError("The loss became nan in batch 3 of an epoch: try a smaller one, and so on.")

    monkeypatch.setattr(job, "fit", fit)
    assert run("digits", "--out", tmp_path) == 2
    assert capsys.readouterr().err.endswith(
        "The loss became nan in batch 3 of an epoch: give a smaller --lr. No results were written\n"
    )
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- pictures


def grey(data, number, side=224):
    """A held-out digit drawn large: uint8, 0 = paper, 255 = ink."""
    picture = Image.fromarray((data.x_test[number].reshape(16, 16) * 255).astype(np.uint8))
    return np.pad(np.asarray(picture.resize((side, side), Image.Resampling.NEAREST)), 40)


DRAWN = {
    "light on dark": lambda ink, _: Image.fromarray(ink),
    "dark on light": lambda ink, _: Image.fromarray(255 - ink),
    "noise": lambda ink, rng: Image.fromarray((225 - 0.7 * ink + rng.normal(0, 6, ink.shape)).astype(np.uint8)),
    "low contrast": lambda ink, _: Image.fromarray((150 - ink // 4).astype(np.uint8)),
    "a shadow": lambda ink, _: Image.fromarray(((255 - ink) * np.linspace(1, 0.75, ink.shape[1])).astype(np.uint8)),
    "colours": lambda ink, _: Image.merge("RGB", [Image.fromarray(255 - ink // n) for n in (1, 2, 3)]),
    "dark on nothing": lambda ink, _: Image.merge("LA", [Image.fromarray(np.zeros_like(ink)), Image.fromarray(ink)]),
    "light on nothing": lambda ink, _: Image.merge("LA", [Image.new("L", ink.shape, 255), Image.fromarray(ink)]),
    "a palette": lambda ink, _: Image.fromarray(255 - ink).convert("P"),
    "one bit": lambda ink, _: Image.fromarray(255 - ink).convert("1"),
    "16 bits": lambda ink, _: Image.fromarray(ink.astype(np.uint16) * 200),
    "wide": lambda ink, _: Image.fromarray(np.pad(255 - ink, ((0, 0), (0, 900)), constant_values=255)),
    "small": lambda ink, _: Image.fromarray(ink).resize((24, 24), Image.Resampling.LANCZOS),
    "large": lambda ink, _: Image.fromarray(255 - ink).resize((3000, 3000)),
}


@pytest.mark.parametrize("look", DRAWN)
def test_a_picture_is_read_as_the_digit_it_shows(look, data, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / f"{number}.png"
        DRAWN[look](grey(data, number), rng).save(path)
        seen = data.x_test[number].reshape(16, 16) > 0
        assert (read_image(path) == seen).mean() > (0.9 if look == "small" else 0.97)


def test_a_picture_of_the_training_kind_is_prepared_as_in_training(data, tmp_path):
    rng = np.random.default_rng(0)
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 6:20] = rng.choice([20, 120, 255], (10, 7)).repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(picture).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), to_ink(picture))


def test_a_thin_pen_is_read(small, data, tmp_path, capsys):
    """Scaled down to 16 pixels, a line of 4 in 900 would vanish."""
    line = np.zeros((900, 900), np.uint8)
    line[200:700, 448:452] = 255
    Image.fromarray(255 - line).save(tmp_path / "one.png")
    ink = read_image(tmp_path / "one.png")
    assert (ink.sum(axis=0) > 0).sum() in (1, 2, 3)
    assert ink.any(axis=1).all()


def test_a_turned_photo_is_turned_back(data, tmp_path):
    image = Image.fromarray(255 - grey(data, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it"
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert (read_image(tmp_path / "turned.jpg") == (data.x_test[0].reshape(16, 16) > 0)).mean() > 0.97


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


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no picture", "is not a picture"),
        (b"", "is not a picture"),
        (None, "cannot be read: no such file or directory"),
    ],
)
def test_what_is_no_picture_is_refused(content, sentence, small, tmp_path, capsys):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    assert f"{path} {sentence}" in refused(capsys, "predict", small / "model.npz", path)


def test_a_picture_cut_short_is_refused(small, data, tmp_path, capsys):
    path = tmp_path / "x.png"
    Image.fromarray(grey(data, 0)).save(path)
    path.write_bytes(path.read_bytes()[:-60])
    assert f"{path} " in refused(capsys, "predict", small / "model.npz", path)


def test_a_blank_picture_is_refused(small, tmp_path, capsys):
    Image.new("L", (50, 50), 200).save(tmp_path / "x.png")
    sentence = refused(capsys, "predict", small / "model.npz", tmp_path / "x.png")
    assert sentence.endswith("x.png shows no digit: there is nothing darker or lighter than its background")


def test_a_folder_is_no_picture(small, tmp_path, capsys):
    assert f"{tmp_path} cannot be read" in refused(capsys, "predict", small / "model.npz", tmp_path)


def damaged(small, tmp_path):
    content = bytearray((small / "model.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "bad.npz").write_bytes(content)


def cut(small, tmp_path):
    (tmp_path / "bad.npz").write_bytes((small / "model.npz").read_bytes()[:-100])


def other(small, tmp_path):
    nn.save(nn.MLP([4, 2], seed=0), tmp_path / "bad.npz")


def trained_on_mnist(small, tmp_path):
    facts = nn.load_metadata(small / "model.npz") | {"data": "mnist"}
    nn.save(nn.MLP([784, 10], seed=0), tmp_path / "bad.npz", metadata=facts)


def facts(**others):
    return {"data": "digits", "loss": "cross-entropy", "classes": list("0123456789"), **others}


def of_other_size(small, tmp_path):
    nn.save(nn.MLP([784, 10], seed=0), tmp_path / "bad.npz", metadata=facts())


def of_other_classes(small, tmp_path):
    nn.save(nn.MLP([256, 9], seed=0), tmp_path / "bad.npz", metadata=facts())


def without_classes(small, tmp_path):
    nn.save(nn.MLP([256, 9], seed=0), tmp_path / "bad.npz", metadata=facts(classes=5))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (of_other_size, "bad.npz is not for pictures of 16 × 16: linear can't take"),
        (of_other_classes, "bad.npz gives 9 numbers for 10 classes"),
        (without_classes, "bad.npz names no classes: 5"),
        (damaged, "was not written by nn.save, or is damaged"),
        (cut, "was not written by nn.save, or is damaged"),
        (other, "does not come from `python -m nn digits`, so its inputs are not known"),
        (trained_on_mnist, "was trained on 'mnist', and pictures are prepared like the digits in the package"),
    ],
)
def test_a_model_that_will_not_do_is_refused(spoil, sentence, small, data, tmp_path, capsys):
    spoil(small, tmp_path)
    Image.fromarray(grey(data, 0)).save(tmp_path / "x.png")
    assert sentence in refused(capsys, "predict", tmp_path / "bad.npz", tmp_path / "x.png")


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"norm": "batch"}], ids=str)
def test_predict_does_not_train(options, data, tmp_path, capsys):
    nn.save(nn.MLP([256, 30, 10], seed=0, **options), tmp_path / "m.npz", metadata=facts())
    Image.fromarray(grey(data, 0)).save(tmp_path / "x.png")
    told = set()
    for _ in range(3):
        assert main(["predict", str(tmp_path / "m.npz"), str(tmp_path / "x.png")]) == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_blank_picture_with_a_little_noise_is_refused_at_any_depth(bits, small, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(-3, 4, (60, 60))
    kind = np.uint8 if bits == 8 else np.uint16
    Image.fromarray(((2**bits - 10) + noise).astype(kind)).save(tmp_path / "x.png")
    assert "x.png shows no digit" in refused(capsys, "predict", small / "model.npz", tmp_path / "x.png")


@pytest.mark.parametrize("scale", [257, 16, 1 / 255], ids=["16 bit", "12 bit", "float"])
def test_deep_pictures_are_read(scale, data, tmp_path):
    deep = grey(data, 0).astype(float) * scale
    path = tmp_path / ("x.tif" if scale < 1 else "x.png")
    Image.fromarray(deep.astype(np.float32 if scale < 1 else np.uint16)).save(path)
    Image.fromarray(grey(data, 0)).save(tmp_path / "plain.png")
    assert (read_image(path) == read_image(tmp_path / "plain.png")).mean() > 0.99


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("words", [["digits", "--epochs", "1", "--out", "x"], ["predict", "m.npz", "x.png"]], ids=str)
def test_output_that_cannot_be_written_ends_in_a_sentence(words, small, data, tmp_path):
    (tmp_path / "m.npz").write_bytes((small / "model.npz").read_bytes())
    Image.fromarray(grey(data, 0)).save(tmp_path / "x.png")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "nn", *words]
        environment = {**os.environ, "PYTHONPATH": str(Path(nn.__file__).parents[1])}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the output cannot be written: no space left on device" in done.stderr
    assert not (tmp_path / "x").exists()


# ---------------------------------------------------------------- help, and the program as a whole


def help_of(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        run(*words, "--help")
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_option_and_its_default(capsys):
    said = " ".join(help_of(capsys, "digits").split())
    for option in (*vars(Settings()), "out", "settings", "overwrite"):
        assert f"--{option}" in said
    for name in ("loss", "optimizer", "epochs", "batch", "seed", "device", "data"):
        assert f"(default: {getattr(Settings(), name)}" in said
    assert "predict" in help_of(capsys)


@pytest.mark.parametrize("command", ["digits", "predict"])
def test_examples_in_the_help_are_understood(command, capsys):
    lines = [line.strip() for line in help_of(capsys, command).splitlines() if line.startswith("  python -m nn")]
    assert lines
    for line in lines:
        assert parser().parse_args(shlex.split(line)[3:]).command == command


def test_the_program_runs(small, tmp_path):
    Image.new("L", (9, 9)).save(tmp_path / "blank.png")
    words = [sys.executable, "-m", "nn", "predict", small / "model.npz", tmp_path / "blank.png"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "shows no digit" in done.stderr


def test_bars_survive_a_terminal_that_cannot_write_them(small, tmp_path):
    words = [sys.executable, "-m", "nn", "digits", *SMALL, "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "16?16" in done.stdout


def test_a_foreign_autograd_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "autograd").mkdir()
    (tmp_path / "autograd/__init__.py").write_text("def grad(f): return f\n")
    (tmp_path / "nn").symlink_to(ROOT / "nn")
    done = subprocess.run(
        [sys.executable, "-m", "nn", "digits"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("python -m nn: nn needs the autograd of glassgrad")


@pytest.mark.parametrize("words", [["nn", "digits", "--epochs", "1", "--out", "run"], ["viz", "L = w*w + w", "w=2"]])
def test_output_that_is_read_no_further_ends_it_without_a_traceback(words, tmp_path):
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", *words]
    done = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, env=environment, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
