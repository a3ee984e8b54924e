"""Numbers as VISUAL, section 5, has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassgrad.viz.drawing import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0723295, "0.07233"),
        (2.0, "2"),
        (-1.0, "-1"),
        (0.5, "0.5000"),
        (0.9820138, "0.9820"),
        (1234.56, "1235"),
        (4.1411e-5, "4.14e-5"),
        (0.000999999, "1.00e-3"),
        (0.001, "0.001000"),
        (9999.6, "1.00e4"),
        (12345.0, "1.23e4"),
        (-3.2e-12, "-3.20e-12"),
        (0.0, "0"),
        (-0.0, "0"),
        (2.0000001, "2.000"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (np.float32(0.1), "0.1000"),
        (np.int64(70000), "70000"),
        (np.bool_(True), "True"),
    ],
)
def test_a_scalar_has_four_digits(value, text):
    assert numbers.scalar(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_scalar_reads_back_to_three_digits_and_is_zero_only_for_zero(x):
    text = numbers.scalar(x)
    assert "e-0" not in text
    assert "e+" not in text
    assert float(text) == pytest.approx(x, rel=6e-3)
    assert (text == "0") == (x == 0)


@pytest.mark.parametrize(
    ("array", "rows", "factor"),
    [
        ([[0.9820, 0.1192]], [["0.9820", "0.1192"]], ""),
        ([4.0, -2.0], [["4", "-2"]], ""),
        ([12.5, -1.25], [["12.500", "-1.250"]], ""),
        ([123.456, 1.0], [["123.46", "1.00"]], ""),
        ([1234.5, 0.0], [["1234.5", "0"]], ""),
        ([[-0.00713033, 0.00197339]], [["-7.1303", "1.9734"]], "×1e-3"),
        ([5e-5, 0.0], [["50.000", "0"]], "×1e-6"),
        ([12345.6], [["12.346"]], "×1e3"),
        ([0.5, 1e-7], [["0.5000", "1e-7"]], ""),
        ([0.5, -1e-7], [["0.5000", "-1e-7"]], ""),
        ([np.nan, 1.0, np.inf], [["nan", "1", "inf"]], ""),
        ([True, False], [["True", "False"]], ""),
        ([2e-308], [["0.0200"]], "×1e-306"),
        (3.0, [["3"]], ""),
        (np.array([[1], [20000]]), [["1"], ["20000"]], ""),
    ],
)
def test_a_table_has_one_decimal_count_and_perhaps_a_factor(array, rows, factor):
    table = numbers.table(array)
    assert [list(row) for row in table.rows] == rows
    assert table.factor == factor


@given(st.lists(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-290), min_size=1, max_size=6))
def test_a_table_never_turns_a_number_into_zero(values):
    table = numbers.table(values)
    for text, value in zip(table.rows[0], values, strict=True):
        assert (float(text) == 0) == (value == 0)
        assert float(text) * 10.0**table.exponent == pytest.approx(value, rel=0.5, abs=max(map(abs, values)) / 1e4)


def test_of_a_long_axis_the_first_entries_are_shown():
    table = numbers.table(np.arange(100.0).reshape(10, 10), 6, 8)
    assert table.rows[0] == ("0", "1", "2", "3", "4", "5", "6", "...")
    assert [row[0] for row in table.rows] == ["0", "10", "20", "30", "40", "..."]
    assert numbers.table(np.arange(48.0).reshape(6, 8), 6, 8).rows[5][7] == "47"


def test_more_axes_are_stacked():
    assert len(numbers.table(np.zeros((2, 3, 4))).rows) == 6


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.93e-4, "1.9e-4"), (0.021, "2.1e-2"), (0.25, "0.25"), (3.0, "3.0"), (42.0, "42"), (123.0, "1.2e2"), (0.0, "0")],
)
def test_rms_has_two_digits(value, text):
    assert numbers.rms(value) == text


def test_rms_neither_overflows_nor_underflows():
    assert numbers.root_mean_square([3e300, 4e300]) == pytest.approx(math.sqrt(12.5) * 1e300)
    assert numbers.root_mean_square([3e-300, 4e-300]) == pytest.approx(math.sqrt(12.5) * 1e-300)
    assert numbers.root_mean_square(np.zeros((0, 3))) == 0
    assert math.isnan(numbers.root_mean_square([1.0, math.nan]))


def test_full_precision_for_a_few_and_a_line_for_many():
    assert numbers.full(np.array([[1.0, -0.0071303257074128495]])) == "[[1.0, -0.0071303257074128495]]"
    assert numbers.full(np.float32(0.1)) == "0.1"
    assert numbers.full(np.arange(100.0)) == "(100,) float64, 0 to 99, mean 49.5, sd 28.9"
    assert numbers.full(np.zeros((0,))) == "[]"


def test_a_summary_counts_what_is_not_finite():
    assert numbers.summary([1.0, math.nan, math.inf]) == "1 to 1, mean 1, sd 0, 2 not finite"
    assert numbers.summary([math.nan]) == "none of 1 finite"


def test_blocks_are_means_of_absolute_values_over_everything():
    array = np.random.default_rng(0).normal(size=(37, 101))
    blocks = numbers.blocks(array)
    assert blocks.shape == (10, 26)
    assert blocks[0, 0] == pytest.approx(np.abs(array[:4, :4]).mean())
    assert numbers.blocks(np.ones((3, 5))).shape == (3, 5)
    assert numbers.blocks(np.ones(7)).shape == (1, 7)
    assert np.isnan(numbers.blocks([[np.nan, 1.0]])[0, 0])


def test_bins_count_every_finite_entry():
    counts = numbers.bins([0.0, 1.0, 1.0, np.nan])
    assert counts.sum() == 3
    assert (counts[0], counts[-1]) == (1, 2)
    assert numbers.bins([]).sum() == 0
