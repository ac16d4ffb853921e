"""Too few open files are told of before anything is made."""

from __future__ import annotations

import resource

import pytest

from podwire.cluster import open_files
from podwire.cluster.layout import Cluster, UsageError

MANY = Cluster(name="lab", nodes=200)
FEW = Cluster(name="lab", nodes=3)


def limited(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (min(hard, 1024), hard))


def test_a_limit_that_is_too_small_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited(monkeypatch, 1024)
    with pytest.raises(UsageError, match=r"200 nodes need about 6528 .* is 1024") as told:
        open_files.check(MANY)
    assert "limits.conf" in str(told.value)
    assert str(told.value).endswith("or ask for --nodes 28")
    open_files.check(FEW)


def test_what_is_advised_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 1024)
    open_files.check(Cluster(name="lab", nodes=28))
    with pytest.raises(UsageError):
        open_files.check(Cluster(name="lab", nodes=29))


def test_a_limit_for_nothing_advises_no_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 128)
    with pytest.raises(UsageError, match=r"--ulimit\)$"):
        open_files.check(FEW)


@pytest.mark.parametrize("hard", [resource.RLIM_INFINITY, open_files.wanted(MANY)])
def test_enough_is_enough(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    limited(monkeypatch, hard)
    open_files.check(MANY)
