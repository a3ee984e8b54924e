"""Every rule that is wrong on purpose is found, and the page that tells by what is that of these."""

import pytest

from glassgrad import autograd as ag
from tests.autograd.testing.own_operations import OWN, WRONG
from tests.mutants import MUTANTS, OWN_END, RIGHT, TABLE, catchers, own_row, planted, row, verdict
from tests.sampling import sampled, waiting

FIRST = list({mutant.kind: mutant for mutant in reversed(MUTANTS)}.values())
"""One of each kind."""
NAMES = [f"{mutant.kind}: {mutant.name}" for mutant in MUTANTS]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("mutant", [m if m in FIRST else waiting(m) for m in MUTANTS], ids=NAMES)
def test_is_found(mutant):
    assert next(catchers(mutant, count=25), None), f"{mutant.name} is found by no property"


def test_a_fault_is_removed_after_the_context():
    mutant = next(m for m in MUTANTS if m.name == "square by x: × 0.5")
    before = ag.grad(ag.square)(3.0).item()
    with planted(mutant):
        assert ag.grad(ag.square)(3.0).item() == 3.0
    assert ag.grad(ag.square)(3.0).item() == before == 6.0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_correct_rules_are_not_reported():
    """The search says nothing of rules that were not changed."""
    for mutant in MUTANTS[::15]:
        right = ag.OPS[mutant.op].rules[mutant.arg][0]
        assert not list(catchers(type(mutant)(mutant.kind, mutant.op, mutant.arg, "as it is", right), count=4))


def test_the_page_tells_of_each():
    told = [line.split(" | ")[0].removeprefix("| ") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    assert [row(mutant) for mutant in MUTANTS if row(mutant) not in told] == []
    assert f"**of {len(MUTANTS)}**" in told
    for line in TABLE.read_text(encoding="utf-8").partition(OWN_END)[2].splitlines():
        if " by " in line and line.startswith("| "):
            assert "×" in line.replace(line.split(" | ")[0], "", 1), f"found by nothing: {line}"


class TestOnesOwn:
    """Operations as a user would write them: every fault is found, and no right rule is refused."""

    @pytest.mark.parametrize("name", sampled(OWN, 5))
    def test_correct_rules_pass(self, name):
        assert verdict(OWN[name], max_examples=10) == RIGHT

    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    @pytest.mark.parametrize("wrong", sampled(WRONG[::7], 8), ids=[wrong.name for wrong in WRONG[::7]])
    def test_some_faults_are_found(self, wrong):
        assert verdict(OWN[wrong.op], wrong) != RIGHT

    def test_the_page_tells_of_each(self):
        text = TABLE.read_text(encoding="utf-8")
        told = {row.split(" | ")[1]: row.split(" | ")[2] for row in text.splitlines() if row.count(" | ") == 2}
        assert [wrong.name for wrong in WRONG if own_row(wrong) not in told] == []
        assert f"**{len(WRONG)} of {len(WRONG)} are found, and 0 of {len(OWN)} right operations are refused.**" in text
