"""Upstream's TestValidateAPIService… as rows."""

from __future__ import annotations

import pytest

SPEC = {"group": "example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
SERVICE = {"namespace": "default", "name": "api"}


@pytest.mark.parametrize(
    ("name", "changes", "begins"),
    [
        ("v1.example.com", {}, None),
        ("v1.example.com", {"service": SERVICE, "insecureSkipTLSVerify": True}, None),
        ("v1.other.com", {},
         'metadata.name: Invalid value: "v1.other.com": must be `spec.version+"."+spec.group`: '
         '"v1.example.com"'),
        ("v2.", {"group": "", "version": "v2"},
         "spec.group: Required value: only v1 may have an empty group and it better be legacy"),
        ("v1.example.com", {"groupPriorityMinimum": 0},
         "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000"),
        ("v1.example.com", {"versionPriority": 1001},
         "spec.versionPriority: Invalid value: 1001: must be positive and less than 1000"),
        ("v1.example.com", {"caBundle": "eA=="},
         'spec.caBundle: Invalid value: "4 bytes": local APIServices may not have a caBundle'),
        ("v1.example.com", {"insecureSkipTLSVerify": True},
         "spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have"),
        ("v1.example.com", {"service": {"name": "api"}},
         "spec.service.namespace: Required value"),
        ("v1.example.com", {"service": {**SERVICE, "port": 70000}},
         "spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and"),
        ("v1.example.com", {"service": SERVICE, "caBundle": "eA==",
                            "insecureSkipTLSVerify": True},
         "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is pres"),
    ],
)  # fmt: skip
def test_validation(wrong, name, changes, begins):
    found = wrong("APIService", {"spec": {**SPEC, **changes}}, name)
    assert not found if begins is None else found[0].startswith(begins)


def test_rows(kind_of, made):
    row = kind_of("APIService").cells
    local = made("APIService", {"spec": SPEC}, "v1.example.com")
    assert row(local, 1767323045) == ("v1.example.com", "Local", "True", "0s")
    remote = made("APIService", {"spec": {**SPEC, "service": SERVICE}}, "v1.example.com")
    assert remote["spec"]["service"]["port"] == 443
    assert row(remote, 1767323045)[1:3] == ("default/api", "Unknown")
    condition = {"type": "Available", "status": "False", "reason": "MissingEndpoints"}
    remote["status"] = {"conditions": [condition]}
    assert row(remote, 1767323045)[2] == "False (MissingEndpoints)"
