"""`make check` runs all of its steps and names those that failed, and a family is parted without losing a case."""

import sys
from pathlib import Path

import pytest

from tests import check
from tests.sampling import sampled, waiting

ROOT = Path(__file__).parents[1]


def test_all_steps_run_and_those_that_failed_are_named(monkeypatch, capsys):
    ends = {"first": 0, "second": 3, "third": 0}
    steps = {name: check.Step(name, [sys.executable, "-c", f"raise SystemExit({end})"]) for name, end in ends.items()}
    monkeypatch.setattr(check, "STEPS", steps)
    assert check.main([]) == 1
    said = capsys.readouterr().out.partition("=== passed")[2]
    assert [line.split()[-1] for line in said.splitlines()] == ["first", "second", "third"]
    assert said.count("FAILED") == 1
    assert check.main(["third", "first"]) == 0
    with pytest.raises(SystemExit):
        check.main(["fourth"])


def test_the_tests_of_the_slice_exist():
    for path in (*check.SAMPLES, *check.LOWEST):
        file, *names = path.split("::")
        assert (ROOT / file).exists(), path
        text = (ROOT / file).read_text(encoding="utf-8") if names else ""
        assert all(f"{name}(" in text or f"class {name}" in text for name in names), path


def test_the_other_kernel_is_one_that_this_processor_has():
    assert check.other_kernel() in ("Haswell", "Nehalem")


def test_a_family_is_parted_without_losing_a_case():
    given = ["a", ("b", 1), pytest.param("c", id="third", marks=pytest.mark.filterwarnings("error")), "d"]
    first, second, third, fourth = sampled(given, 3)
    assert (first, fourth) == ("a", "d")
    assert (second.values, [mark.name for mark in second.marks]) == ((("b", 1),), ["check"])
    assert (third.values, third.id, [mark.name for mark in third.marks]) == (
        ("c",), "third", ["filterwarnings", "check"],
    )  # fmt: skip
    assert waiting("e", 2).values == ("e", 2)
