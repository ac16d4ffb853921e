from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("spec", "cells"),
    [
        (
            {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]},
            ("ClusterIP", "10.96.0.1", "<none>", "443/TCP"),
        ),
        (
            {"type": "NodePort", "clusterIP": "10.96.0.2", "ports": [{"port": 80, "nodePort": 1}]},
            ("NodePort", "10.96.0.2", "<none>", "80:1/TCP"),
        ),
        (
            {"type": "LoadBalancer", "clusterIP": "10.96.0.3", "ports": [{"port": 80}]},
            ("LoadBalancer", "10.96.0.3", "<pending>", "80/TCP"),
        ),
        (
            {"type": "ExternalName", "externalName": "example.com"},
            ("ExternalName", "<none>", "example.com", "<none>"),
        ),
        (
            {"clusterIP": "None", "externalIPs": ["10.1.1.1", "10.1.1.2"]},
            ("ClusterIP", "None", "10.1.1.1,10.1.1.2", "<none>"),
        ),
    ],
)
def test_row(kind_of, made, spec, cells):
    service = made("Service", {"spec": {**spec, "selector": {"b": "2", "a": "1"}}})
    row = kind_of("Service").cells(service, 1767323045)
    assert row == ("web", *cells, "0s", "a=1,b=2")


def test_a_balanced_service_shows_its_addresses(kind_of, made):
    service = made("Service", {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    service["status"]["loadBalancer"] = {"ingress": [{"ip": "10.1.1.2"}, {"hostname": "a.b"}]}
    assert kind_of("Service").cells(service, 0)[3] == "10.1.1.2,a.b"
