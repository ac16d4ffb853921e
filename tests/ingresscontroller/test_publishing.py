"""Where Ingresses are reached follows from the controller's Service."""

from __future__ import annotations

import pytest

from ingresscontroller.publishing import addresses_of, outdated


@pytest.mark.parametrize(
    ("spec", "given", "shown"),
    [
        ({"type": "LoadBalancer"}, [{"ip": "192.168.65.2", "ipMode": "VIP"},
                                    {"ip": "127.0.64.2", "ipMode": "Proxy"}],
         [{"ip": "127.0.64.2"}, {"ip": "192.168.65.2"}]),
        ({"type": "LoadBalancer", "externalIPs": ["203.0.113.9"]}, [], [{"ip": "203.0.113.9"}]),
        ({"type": "LoadBalancer"}, [], []),
        ({"type": "LoadBalancer"}, [{"hostname": "lb.example.com"}],
         [{"hostname": "lb.example.com"}]),
        ({"type": "NodePort", "clusterIP": "10.96.0.9"}, [], [{"ip": "10.96.0.9"}]),
        ({"type": "NodePort", "clusterIP": "10.96.0.9", "externalIPs": ["203.0.113.9"]}, [],
         [{"ip": "203.0.113.9"}]),
        ({"type": "ClusterIP", "clusterIP": "10.96.0.9"}, [], [{"ip": "10.96.0.9"}]),
        ({"type": "ClusterIP", "clusterIP": "None"}, [], []),
        ({"type": "ExternalName", "externalName": "x.example"}, [], [{"hostname": "x.example"}]),
    ],
)  # fmt: skip
def test_addresses_are_those_of_the_service(spec, given, shown):
    service = {"spec": spec, "status": {"loadBalancer": {"ingress": given}}}
    assert addresses_of(service) == shown


def test_only_what_differs_is_written():
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    assert not outdated(ingress, [{"ip": "192.0.2.1"}])
    assert outdated(ingress, [])
    assert not outdated({}, [])
