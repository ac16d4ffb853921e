from __future__ import annotations

import re

import pytest

from controlplane.apiserver.kinds.batch.job_policies import count_indexes


@pytest.mark.parametrize(("text", "count"), [("", 0), ("0", 1), ("0,2-4", 4), ("1-2,4,6-9", 7)])
def test_indexes_are_counted(text, count):
    assert count_indexes(text, 10) == count


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", 'cannot convert string to integer for index: "a"'),
        ("1-", 'cannot convert string to integer for index: ""'),
        ("10", 'too large index: "10"'),
        ("3,2", "non-increasing order, previous: 3, current: 2"),
        ("3-3", "non-increasing order, previous: 3, current: 3"),
        ("1-2-3", "the fragment \"1-2-3\" violates the requirement that an index interval can "
         "have at most two parts separated by '-'"),
    ],
)  # fmt: skip
def test_what_are_no_indexes(text, why):
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        count_indexes(text, 10)
