"""Kinds come and go while the server runs."""

from __future__ import annotations

from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.served import ServedKinds
from kubeapi.resources import PODS, Resource

CRONTABS = Resource("stable.example.com", "v1", "crontabs", "CronTab", True, custom=True)
CRONTAB = Kind(resource=CRONTABS, singular="crontab")


def test_what_is_added_is_found_until_it_is_removed():
    table = ServedKinds(KINDS)
    generations, told = [table.generation], []
    table.on_change(lambda: told.append(table.generation))
    table.add([CRONTAB])
    assert table.find("stable.example.com", "v1", "crontabs") is CRONTAB
    assert table.of(CRONTABS) is CRONTAB
    assert table.all() == (*KINDS, CRONTAB)
    table.remove([CRONTABS, CRONTABS])
    assert table.find("stable.example.com", "v1", "crontabs") is None
    assert table.all() == KINDS
    assert told == [generations[0] + 1, generations[0] + 2]


def test_built_in_kinds_are_found_by_url():
    table = ServedKinds(KINDS)
    found = table.find("", "v1", "pods")
    assert found is not None
    assert found.resource is PODS
    assert table.find("", "v2", "pods") is None
