"""Where things lie in the store."""

from __future__ import annotations

from controlplane.apiserver import keys
from controlplane.apiserver.kinds import KINDS
from kubeapi.resources import DEPLOYMENTS, NODES, SERVICES, Resource


def test_the_tree_looks_familiar_to_etcdctl():
    assert keys.key(DEPLOYMENTS, "default", "web") == "/registry/deployments/default/web"
    assert keys.key(SERVICES, "default", "web") == "/registry/services/default/web"
    assert keys.key(NODES, "ignored", "node-1") == "/registry/nodes/node-1"
    assert keys.prefix(DEPLOYMENTS) == "/registry/deployments/"


def test_every_kind_has_a_place_of_its_own():
    hubs = [kind for kind in KINDS if kind.hub is None and not kind.virtual]
    places = [keys.prefix(kind.resource) for kind in hubs]
    assert len({*places, keys.RANGES, keys.MASTER_LEASES}) == len(hubs) + 2


def test_a_key_tells_its_bucket():
    assert keys.bucket("/registry/deployments/default/web") == keys.prefix(DEPLOYMENTS)
    assert keys.bucket("/registry/ranges/serviceips/10.96.0.1") == keys.RANGES
    assert keys.bucket("/registry/stray") == ""


def test_custom_resources_lie_below_their_group():
    crontabs = Resource("stable.example.com", "v1", "crontabs", "CronTab", True, custom=True)
    key = keys.key(crontabs, "default", "mine")
    assert key == "/registry/stable.example.com/crontabs/default/mine"
    assert keys.bucket(key) == keys.prefix(crontabs)
    assert keys.bucket("/registry/stable.example.com/stray") == ""
