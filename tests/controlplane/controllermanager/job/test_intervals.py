"""Sets of indexes as text: TestCalculateSucceededIndexes' and TestIntervalsHaveIndex's cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllermanager.job.intervals import Intervals

INDEXES = st.frozensets(st.integers(0, 40))


@pytest.mark.parametrize(
    ("name", "before", "new", "completions", "expected"),
    [
        ("one index", "", [1], 2, "1"),
        ("two separate", "", [5, 5, 10], 11, "5,10"),
        ("two intervals", "", [2, 3, 5, 6, 7], 8, "2,3,5-7"),
        ("one index and one interval", "", [0, 2, 3, 4, 5], 6, "0,2-5"),
        ("prev interval out of range", "0-5,8-10", [], 8, "0-5"),
        ("prev interval partially out of range", "0-5,8-10", [], 10, "0-5,8,9"),
        ("prev and new separate", "0,4,5,10-12", [2, 7, 8], 13, "0,2,4,5,7,8,10-12"),
        ("prev between new", "3,4,6", [2, 7, 8], 9, "2-4,6-8"),
        ("new between prev", "2,7,8", [3, 4, 6], 9, "2-4,6-8"),
        ("new within prev", "2-7", [0, 3, 5, 9], 10, "0,2-7,9"),
        ("corrupted interval", "0,1-foo,bar", [3], 4, "0,3"),
    ],
)
def test_calculate_succeeded_indexes(name, before, new, completions, expected):
    found = Intervals.parse(before, completions).union(Intervals.of(new))
    assert str(found) == expected, name


@given(INDEXES)
def test_what_is_written_is_read(indexes):
    made = Intervals.of(indexes)
    assert Intervals.parse(str(made), 41) == made
    assert len(made) == len(indexes)
    assert [index for index in range(41) if index in made] == sorted(indexes)


@given(INDEXES, INDEXES, st.integers(0, 45))
def test_they_are_sets(one, other, completions):
    mine, theirs = Intervals.of(one), Intervals.of(other)
    assert mine.union(theirs) == Intervals.of(one | other)
    assert mine.overlap(theirs) == len(one & other)
    assert list(mine.gaps(completions)) == [n for n in range(completions) if n not in one]


@given(st.text(alphabet="0123456789,-x ", max_size=20))
def test_any_text_is_read(text):
    assert all(index < 30 for index in range(100) if index in Intervals.parse(text, 30))


def test_a_hundred_thousand_are_few():
    assert str(Intervals.of(range(100_000))) == "0-99999"
