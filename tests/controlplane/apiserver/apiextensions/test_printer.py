"""Cells of custom kinds' columns, by the type of the column and of what its path finds."""

from __future__ import annotations

import pytest

from componentbase.clock import rfc3339
from controlplane.apiserver.apiextensions.printer import columns_of, row_of

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("string", "text", "text"),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", ["reviews", "b&c"], '["reviews","b\\u0026c"]'),
        ("string", {"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
        ("string", None, None),
        ("integer", 5, 5),
        ("integer", "5", None),
        ("integer", [5], None),
        ("number", 1, 1.0),
        ("boolean", False, False),
        ("boolean", "false", None),
        ("date", rfc3339(NOW - 90), "90s"),
        ("date", "yesterday", "<invalid>"),
        ("date", [], None),
    ],
)
def test_a_value_in_a_column(kind, value, cell):
    version = {"additionalPrinterColumns": [{"name": "C", "type": kind, "jsonPath": ".v"}]}
    assert [column.name for column in columns_of(version)] == ["Name", "C"]
    assert row_of(version)({"metadata": {"name": "n"}, "v": value}, NOW) == ("n", cell)
