from __future__ import annotations


def test_row(kind_of, made):
    assert kind_of("LimitRange").cells(made("LimitRange"), 0) == ("web", "2026-01-02T03:04:05Z")
