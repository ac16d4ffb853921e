"""YAML nests only so deep, whichever way it does."""

from __future__ import annotations

import pytest
import yaml

from kubeapi.bounded_yaml import DEPTH_MAX, BoundedLoader


@pytest.mark.parametrize("text", ["[", "{a: ", "- ", "[{a: "])
def test_a_bottomless_document_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="nests deeper than 200 levels"):
        yaml.load(text * 60_000, BoundedLoader)


def test_depth_is_counted_and_length_is_not() -> None:
    deep = "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)
    document = f"a: {deep}\n"
    assert yaml.load(document, BoundedLoader) == yaml.load(document, yaml.CSafeLoader)
    long = "[" + "[[], {a: []}], " * 1000 + "]"
    assert len(yaml.load(long, BoundedLoader)) == 1000
