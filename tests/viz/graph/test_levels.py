"""Levels of a wide graph: operands above their uses, no level much wider than asked, columns without gaps."""

from __future__ import annotations

import pytest

from glassgrad.viz.graph.levels import levels

# Two chains of four that join, and a value that both read.
JOINED = {"x": []} | {f"{c}{i}": [f"{c}{i - 1}" if i else "x"] for c in "ab" for i in range(4)} | {"end": ["a3", "b3"]}


@pytest.mark.parametrize("most", [50, 100, 160, 1000])
def test_operands_stand_above_their_uses(most):
    found = levels(JOINED, dict.fromkeys(JOINED, 60.0), most)
    assert found.keys() == JOINED.keys()
    assert all(found[tail] > found[key] for key, tails in JOINED.items() for tail in tails)


def test_two_columns_where_there_is_room_and_else_one_after_the_other():
    width = dict.fromkeys(JOINED, 60.0)
    beside, after = levels(JOINED, width, 160), levels(JOINED, width, 100)
    assert [beside[f"b{i}"] for i in range(4)] == [4, 3, 2, 1] == [beside[f"a{i}"] for i in range(4)]
    assert [after[f"a{i}"] for i in range(4)] == [4, 3, 2, 1]
    assert [after[f"b{i}"] for i in range(4)] == [8, 7, 6, 5]


def test_an_operation_below_what_stands_above_it_takes_two_levels():
    assert levels({"a": [], "b": ["a"]}, {"a": 1.0, "b": 1.0}, 100, tall={"b"}) == {"b": 0, "a": 2}
