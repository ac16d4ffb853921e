"""The add-on's objects are such as the API server takes, in every family."""

from __future__ import annotations

import msgspec
import pytest

from controlplane.apiserver.decoding import admit_shape
from controlplane.apiserver.kinds import KINDS
from podwire.cluster import addons
from podwire.cluster.families import NETWORKS
from podwire.cluster.layout import Cluster


def cluster(**more):
    return Cluster(name="c", nodes=1, **more)


@pytest.mark.parametrize("family", NETWORKS)
def test_every_object_is_one_that_is_served(family):
    kinds = {(kind.resource.api_version, kind.resource.kind): kind for kind in KINDS}
    made = addons.objects(cluster(ingress=True, **NETWORKS[family]))
    assert [obj["kind"] for obj in made] == [
        "ClusterRole",
        "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "Deployment", "Service",
        "Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
        "IngressClass", "Service", "Deployment", "StorageClass",
    ]  # fmt: skip
    for obj in msgspec.json.decode(msgspec.json.encode(made)):
        kind = kinds[obj["apiVersion"], obj["kind"]]
        admitted = admit_shape(kind, obj, "Strict")
        kind.default(admitted.obj)
        assert not admitted.warnings
    assert made[6]["spec"]["clusterIP"] == NETWORKS[family]["cluster_dns"]


def test_a_cluster_may_have_none_or_several():
    without = addons.objects(cluster(dns_replicas=0))
    assert [obj["kind"] for obj in without] == ["ClusterRole", "StorageClass"]
    deployment = addons.objects(cluster(dns_replicas=3))[5]
    assert deployment["spec"]["replicas"] == 3


def test_it_forwards_only_where_there_is_a_resolver():
    assert "forward" not in addons.corefile(cluster())
    assert "forward . /etc/resolv.conf" in addons.corefile(cluster(dns_upstream="127.0.0.1:5353"))


@pytest.mark.parametrize("place", ["192.0.2.1:53", "127.0.0.1", "127.0.0.1:0", "localhost:53"])
def test_only_the_loopbacks_resolver_will_do(place):
    with pytest.raises(ValueError, match="loopback"):
        cluster(dns_upstream=place)
