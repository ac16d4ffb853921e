from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.configmap import DATA_MAX


@pytest.mark.parametrize(
    ("body", "causes"),
    [
        ({"data": {"a.conf": "x"}, "binaryData": {"b": "eA=="}}, []),
        ({"data": {"a": "x" * (DATA_MAX + 1)}}, ["Too long: may not be more than 1048576 bytes"]),
        (
            {"data": {"a": "x"}, "binaryData": {"a": "eA=="}},
            [
                'data[a]: Invalid value: "a": duplicate of key present in binaryData',
                'binaryData[a]: Invalid value: "a": duplicate of key present in data',
            ],
        ),
    ],
)
def test_validation(wrong, body, causes):
    assert wrong("ConfigMap", body) == causes


def test_keys_are_file_names(wrong):
    [cause] = wrong("ConfigMap", {"data": {"a/b": "x"}})
    assert cause.startswith('data[a/b]: Invalid value: "a/b": a valid config key must consist of')


def test_an_immutable_one_keeps_its_data_but_not_its_labels(made, update):
    old = made("ConfigMap", {"data": {"a": "1"}, "immutable": True})
    new = made("ConfigMap", {"data": {"a": "1"}, "immutable": True})
    new["metadata"]["labels"] = {"x": "y"}
    assert update("ConfigMap", new, old) == []
    assert update("ConfigMap", made("ConfigMap", {"data": {"a": "2"}}), old) == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def test_row_counts_both_bags(kind_of, made):
    config_map = made("ConfigMap", {"data": {"a": "1"}, "binaryData": {"b": "eA=="}})
    assert kind_of("ConfigMap").cells(config_map, 1767323045) == ("web", 2, "0s")


def test_an_immutable_one_stays_immutable(made, update):
    old = made("ConfigMap", {"immutable": True})
    assert update("ConfigMap", made("ConfigMap", {"immutable": False}), old) == [
        "immutable: Forbidden: field is immutable when `immutable` is set"
    ]
