"""`python -m benchmarks.against` compares this tree's steps with those of a commit."""

import subprocess

import pytest

from benchmarks import against

in_git = pytest.mark.skipif(
    subprocess.run(["git", "rev-parse", "HEAD"], cwd=against.ROOT, capture_output=True, check=False).returncode != 0,
    reason="there is no git repository",
)


def test_a_ratio_is_the_median_of_the_ratios():
    then, now, middle, spread = against.ratio([[1.0, 2.0], [10.0, 10.0], [4.0, 12.0]])
    assert (then, now, middle, spread) == (4.0, 10.0, 2.0, 1.0)


def test_values_have_to_agree():
    assert against.agree([1.0, 1.0001, None])
    assert against.agree([None, None])
    assert not against.agree([1.0, 1.01])
    assert not against.agree([1.0, float("nan")])


@in_git
def test_the_packages_of_a_commit_are_taken_from_git():
    name, folder = against.checkout("HEAD")
    assert folder.name.endswith(name)
    assert (folder / "autograd/__init__.py").exists()
    assert not (folder / "benchmarks").exists()
    with pytest.raises(SystemExit, match="git rev-parse"):
        against.checkout("no such commit")


@in_git
@pytest.mark.check
def test_both_sides_run(monkeypatch, capsys):
    monkeypatch.setitem(against.MODES, "F mlp", ("eager", "compiled"))
    arguments = ["HEAD", "--works", "F mlp", "--starts", "1", "--rounds", "2", "--limit"]
    assert against.main([*arguments, "1000"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[1:]] == [["| F mlp", "eager"], ["| F mlp", "compiled"], ["| import", "fresh"]]
    assert all(float(row[4]) > 0 for row in rows[1:])
    assert against.main([*arguments, "0"]) == 1
    assert "Slower than 0.0 times: F mlp, eager; F mlp, compiled." in capsys.readouterr().err


@in_git
def test_a_side_imports_its_own_packages():
    _, folder = against.checkout("HEAD")
    script = (
        against.START.partition("from benchmarks")[0] + "print(autograd.__file__, sys.modules['glassgrad'].nn is nn)"
    )
    command = [against.sys.executable, "-P", "-c", script, str(folder), "then", "1"]
    told = subprocess.run(command, cwd=against.ROOT, capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(folder / "autograd/__init__.py"), "True"]
