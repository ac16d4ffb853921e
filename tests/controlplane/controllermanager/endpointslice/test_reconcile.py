"""Few writes: which slices change when endpoints change."""

from __future__ import annotations

import itertools

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
