from __future__ import annotations


def test_row_counts_secrets(kind_of, made, wrong):
    account = made("ServiceAccount", {"secrets": [{"name": "a"}]}, "default")
    assert kind_of("ServiceAccount").cells(account, 1767323045) == ("default", 1, "0s")
    assert wrong("ServiceAccount", {}, "Default")[0].startswith("metadata.name: Invalid value")
