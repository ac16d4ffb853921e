"""Few writes: which slices change when endpoints change."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllermanager.endpointslice.endpoints import Group, Port
from controlplane.controllermanager.endpointslice.reconcile import ENDPOINTS_MAX, plan

HTTP = Group("IPv4", (Port("http", "TCP", 8080),))
OTHER = Group("IPv4", (Port("http", "TCP", 9090),))


def service(**spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "ns", "uid": "svc", "labels": {"team": "a"}},
        "spec": {"clusterIP": "10.96.0.5", **spec},
    }


def endpoint(number, *, ready=True):
    return {
        "addresses": [f"10.0.{number // 250}.{number % 250 + 1}"],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "targetRef": {"kind": "Pod", "uid": f"uid-{number}"},
    }


class Cluster:
    """Holds slices as the API would, and applies plans to them."""

    def __init__(self):
        self.slices = {}
        self._names = itertools.count()

    def apply(self, todo):
        for one in todo.create:
            name = f"web-{next(self._names)}"
            self.slices[name] = {**one, "metadata": {**one["metadata"], "name": name}}
        for one in todo.update:
            assert one["metadata"]["name"] in self.slices
            self.slices[one["metadata"]["name"]] = one
        for one in todo.delete:
            del self.slices[one["metadata"]["name"]]

    def reconcile(self, wanted, one=None):
        todo = plan(one or service(), wanted, list(self.slices.values()))
        self.apply(todo)
        return len(todo.create), len(todo.update), len(todo.delete)

    def addresses(self):
        return sorted(
            end["addresses"][0] for one in self.slices.values() for end in one["endpoints"]
        )


def test_a_service_without_endpoints_has_one_empty_slice():
    cluster = Cluster()
    assert cluster.reconcile({}) == (1, 0, 0)
    (one,) = cluster.slices.values()
    assert one["endpoints"] == []
    assert cluster.reconcile({}) == (0, 0, 0)


def test_a_slice_says_whose_it_is():
    cluster = Cluster()
    cluster.reconcile({HTTP: [endpoint(1)]})
    (one,) = cluster.slices.values()
    assert one["metadata"]["generateName"] == "web-"
    assert one["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert one["metadata"]["ownerReferences"][0]["uid"] == "svc"
    assert one["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]


def test_a_headless_service_says_so():
    cluster = Cluster()
    cluster.reconcile({}, service(clusterIP="None"))
    (one,) = cluster.slices.values()
    assert one["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert cluster.reconcile({}, service(clusterIP="None")) == (0, 0, 0)


def test_the_empty_slice_is_filled_not_replaced():
    cluster = Cluster()
    cluster.reconcile({})
    assert cluster.reconcile({HTTP: [endpoint(1)]}) == (0, 1, 0)
    assert cluster.reconcile({HTTP: [endpoint(1)]}) == (0, 0, 0)
    assert cluster.reconcile({}) == (0, 1, 0)


def test_a_change_of_readiness_rewrites_one_slice():
    cluster = Cluster()
    ends = [endpoint(number) for number in range(250)]
    assert cluster.reconcile({HTTP: ends}) == (3, 0, 0)
    ends[120] = endpoint(120, ready=False)
    assert cluster.reconcile({HTTP: ends}) == (0, 1, 0)


def test_a_new_endpoint_goes_where_there_is_room():
    cluster = Cluster()
    ends = [endpoint(number) for number in range(150)]
    cluster.reconcile({HTTP: ends})
    assert cluster.reconcile({HTTP: [*ends, endpoint(150)]}) == (0, 1, 0)


def test_one_that_goes_and_one_that_comes_share_a_write():
    cluster = Cluster()
    ends = [endpoint(number) for number in range(250)]
    cluster.reconcile({HTTP: ends})
    assert cluster.reconcile({HTTP: [*ends[1:], endpoint(250)]}) == (0, 1, 0)


@pytest.mark.parametrize(
    ("existing", "pods", "writes", "lengths"),
    [
        # ReconcileManyPods
        ([], 250, (3, 0, 0), [50, 100, 100]),
        # ReconcileEndpointSlicesSomePreexisting: whole hundreds are new, the rest fills the fuller.
        ([62, 61], 250, (1, 1, 0), [61, 89, 100]),
        # ReconcileEndpointSlicesSomePreexistingWorseAllocation: the rest fits nowhere.
        ([74, 74], 300, (2, 0, 0), [52, 74, 74, 100]),
        # ReconcileEndpointSlicesUpdating
        ([100, 100, 50], 250, (0, 0, 0), [50, 100, 100]),
        ([100, 40], 141, (0, 1, 0), [41, 100]),
        ([100, 40], 200, (0, 1, 0), [100, 100]),
        ([100, 40], 201, (1, 0, 0), [40, 61, 100]),
    ],
)
def test_how_endpoints_are_packed(existing, pods, writes, lengths):
    """Upstream: endpointslice/reconciler_test.go, by the names of its cases."""
    endpoints, cluster, at = [endpoint(n) for n in range(pods)], Cluster(), 0
    for number in existing:
        other = Cluster()
        other.reconcile({HTTP: endpoints[at : at + number]})
        (one,) = other.slices.values()
        name = f"known-{at}"
        cluster.slices[name] = {**one, "metadata": {**one["metadata"], "name": name}}
        at += number
    assert cluster.reconcile({HTTP: endpoints}) == writes
    assert sorted(len(one["endpoints"]) for one in cluster.slices.values()) == lengths


def test_a_service_of_the_same_name_takes_no_slices_over():
    """Upstream: TestReconcileEndpointSlicesRecreation. The collector is about to take those."""
    cluster = Cluster()
    cluster.reconcile({HTTP: [endpoint(1)]})
    again = service()
    again["metadata"]["uid"] = "another"
    assert cluster.reconcile({HTTP: [endpoint(1)]}, again) == (1, 0, 1)
    (one,) = cluster.slices.values()
    assert one["metadata"]["ownerReferences"][0]["uid"] == "another"


def test_a_service_that_is_deleted_gets_no_new_slices():
    """Upstream: TestReconcilerFinalizeSvcDeletionTimestamp."""
    cluster, going = Cluster(), service()
    cluster.reconcile({HTTP: [endpoint(1)]})
    going["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert cluster.reconcile({HTTP: [endpoint(2)], OTHER: [endpoint(3)]}, going) == (0, 1, 0)
    assert cluster.reconcile({}, going) == (0, 1, 0)


def test_each_family_without_endpoints_has_an_empty_slice():
    dual, cluster = service(ipFamilies=["IPv6", "IPv4"]), Cluster()
    assert cluster.reconcile({}, dual) == (2, 0, 0)
    assert {one["addressType"] for one in cluster.slices.values()} == {"IPv4", "IPv6"}
    assert cluster.reconcile({HTTP: [endpoint(1)]}, dual) == (0, 1, 0)
    found = {one["addressType"]: len(one["endpoints"]) for one in cluster.slices.values()}
    assert found == {"IPv4": 1, "IPv6": 0}
    assert cluster.reconcile({HTTP: [endpoint(1)]}, service(ipFamilies=["IPv4"])) == (0, 0, 1)


def test_a_slice_that_empties_is_deleted():
    cluster = Cluster()
    ends = [endpoint(number) for number in range(150)]
    cluster.reconcile({HTTP: ends})
    assert cluster.reconcile({HTTP: ends[:100]}) == (0, 0, 1)


def test_other_ports_other_slice():
    cluster = Cluster()
    assert cluster.reconcile({HTTP: [endpoint(1)], OTHER: [endpoint(2)]}) == (2, 0, 0)
    assert cluster.reconcile({OTHER: [endpoint(1), endpoint(2)]}) == (0, 1, 1)


def test_labels_of_the_service_are_followed():
    cluster = Cluster()
    cluster.reconcile({HTTP: [endpoint(1)]})
    one = service()
    one["metadata"]["labels"] = {"team": "b"}
    assert cluster.reconcile({HTTP: [endpoint(1)]}, one) == (0, 1, 0)
    assert cluster.reconcile({HTTP: [endpoint(1)]}, one) == (0, 0, 0)


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([HTTP, OTHER]), st.integers(0, 260), st.booleans())),
        max_size=5,
    )
)
def test_whatever_happens_every_endpoint_is_in_one_slice_once(rounds):
    cluster = Cluster()
    for changes in rounds:
        wanted = {}
        for number, (group, ready) in {n: (g, r) for g, n, r in changes}.items():
            wanted.setdefault(group, []).append(endpoint(number, ready=ready))
        cluster.reconcile(wanted)
        everything = sorted(end["addresses"][0] for ends in wanted.values() for end in ends)
        assert cluster.addresses() == everything
        assert all(len(one["endpoints"]) <= ENDPOINTS_MAX for one in cluster.slices.values())
        assert cluster.slices
        assert cluster.reconcile(wanted) == (0, 0, 0)
