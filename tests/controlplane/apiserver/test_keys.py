"""Where things lie in the store."""

from __future__ import annotations

from controlplane.apiserver import keys
from controlplane.apiserver.kinds import KINDS
from kubeapi.resources import DEPLOYMENTS, NODES, SERVICES


def test_the_tree_looks_familiar_to_etcdctl():
    assert keys.key(DEPLOYMENTS, "default", "web") == "/registry/deployments/default/web"
    assert keys.key(SERVICES, "default", "web") == "/registry/services/default/web"
    assert keys.key(NODES, "ignored", "node-1") == "/registry/nodes/node-1"
    assert keys.prefix(DEPLOYMENTS) == "/registry/deployments/"


def test_every_kind_has_a_place_of_its_own():
    places = [keys.prefix(kind.resource) for kind in KINDS]
    assert len({*places, keys.RANGES, keys.MASTER_LEASES}) == len(KINDS) + 2


def test_a_key_tells_its_bucket():
    assert keys.bucket("/registry/deployments/default/web") == keys.prefix(DEPLOYMENTS)
    assert keys.bucket("/registry/ranges/serviceips/10.96.0.1") == keys.RANGES
    assert keys.bucket("/registry/stray") == ""
