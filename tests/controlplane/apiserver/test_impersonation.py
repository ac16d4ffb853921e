"""Acting as somebody else (upstream: impersonation_test.go), and what a server makes of it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from tests.controlplane.apiserver.test_rbac import RBAC, binding, made, role, rule

from controlplane.apiserver.impersonation import PARTS_MAX, impersonation
from kubeapi.status import StatusError


def asked(**headers):
    pairs = []
    for name, values in headers.items():
        key = f"Impersonate-{name.replace('_', '-')}".encode()
        pairs += [(key, value.encode()) for value in values]
    return [(b"Host", b"x"), *pairs]


def test_nobody_else():
    assert impersonation([(b"Host", b"x"), (b"Authorization", b"y")]) is None


def test_a_user():
    found = impersonation(asked(User=["bob"]))
    assert (found.user.name, found.user.groups) == ("bob", ("system:authenticated",))
    assert [(each.resource, each.name) for each in found.needed] == [("users", "bob")]


def test_groups_extra_and_uid():
    headers = asked(User=["bob"], Group=["a", "b"], Uid=["u"], Extra_Acme_2ecom=["1", "2"])
    headers.append((b"impersonate-extra-acme.com%2fproject", b"p"))
    found = impersonation(headers)
    assert found.user.groups == ("a", "b", "system:authenticated")
    assert found.user.uid == "u"
    assert found.user.extra == (
        ("acme-2ecom", "1"),
        ("acme-2ecom", "2"),
        ("acme.com/project", "p"),
    )
    needed = [(each.group, each.resource, each.subresource, each.name) for each in found.needed]
    own = "authentication.k8s.io"
    assert needed == [
        ("", "users", "", "bob"),
        ("", "groups", "", "a"),
        ("", "groups", "", "b"),
        (own, "userextras", "acme-2ecom", "1"),
        (own, "userextras", "acme-2ecom", "2"),
        (own, "userextras", "acme.com/project", "p"),
        (own, "uids", "", "u"),
    ]


def test_a_service_account_has_its_groups():
    found = impersonation(asked(User=["system:serviceaccount:a:x"]))
    assert found.user.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:a",
        "system:authenticated",
    )
    needed = found.needed[0]
    assert (needed.resource, needed.namespace, needed.name) == ("serviceaccounts", "a", "x")
    found = impersonation(asked(User=["system:serviceaccount:a:x"], Group=["g"]))
    assert found.user.groups == ("g", "system:authenticated")


def test_anonymous_is_not_authenticated():
    found = impersonation(asked(User=["system:anonymous"]))
    assert found.user.groups == ("system:unauthenticated",)
    found = impersonation(asked(User=["system:anonymous"], Group=["system:unauthenticated"]))
    assert found.user.groups == ("system:unauthenticated",)


@pytest.mark.parametrize("headers", [{"Group": ["g"]}, {"Uid": ["u"]}, {"Extra_a": ["b"]}])
def test_parts_without_a_user_are_refused(headers):
    with pytest.raises(StatusError, match="without impersonating a user") as refused:
        impersonation(asked(**headers))
    assert refused.value.code == 400


def test_there_is_an_end_to_parts():
    with pytest.raises(StatusError, match="more than"):
        impersonation(asked(User=["bob"], Group=["g"] * PARTS_MAX))


def test_who_may_impersonate(server, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    as_bob = {"Impersonate-User": "bob"}
    assert server.request("GET", path, headers=as_bob).code == 403
    assert server.request("GET", path, headers={"Impersonate-Group": "g"}).code == 400
    refused = server.request("GET", path, user="alice", headers=as_bob)
    assert refused.json["message"] == (
        'users "bob" is forbidden: User "alice" cannot impersonate resource "users" '
        'in API group "" at the cluster scope'
    )
    made(
        server,
        f"{RBAC}/clusterroles",
        role("as-bob", rule("impersonate", "users", resourceNames=["bob"])),
    )
    made(server, f"{RBAC}/clusterrolebindings", binding("as-bob", "as-bob", "alice", "ClusterRole"))
    refused = server.request("GET", path, user="alice", headers=as_bob)
    assert refused.json["message"].startswith('configmaps is forbidden: User "bob" cannot list')
    in_group = {**as_bob, "Impersonate-Group": "system:masters"}
    refused = server.request("GET", path, user="alice", headers=in_group)
    assert refused.json["message"].startswith('groups "system:masters" is forbidden: User "alice"')
    assert server.request("GET", path, headers=in_group).code == 200
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    extra = {**as_bob, "Impersonate-Uid": "u", "Impersonate-Extra-Reason": "a test"}
    assert server.request("POST", review, {}, headers=extra).json["status"]["userInfo"] == {
        "username": "bob",
        "groups": ["system:authenticated"],
        "uid": "u",
        "extra": {"reason": ["a test"]},
    }


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_asks_for_others(server, kubectl):
    def can(*words):
        return kubectl("auth", "can-i", *words, check=False).stdout.strip()

    assert can("list", "nodes") == "yes"
    assert can("list", "nodes", "--as=bob") == "no"
    assert can("list", "nodes", "--as=bob", "--as-group=system:masters") == "yes"
    assert can("get", "/healthz", "--as=bob") == "yes"
    node = ("--as=system:node:n1", "--as-group=system:nodes")
    assert can("update", "nodes/n1", "--subresource=status", *node) == "yes"
    assert can("list", "secrets", *node) == "no - No Object name found"
    shown = kubectl("auth", "whoami", "--as=bob", "--as-group=g").stdout
    assert "bob" in shown
    assert "[g system:authenticated]" in shown
    listed = kubectl("auth", "can-i", "--list", "--as=bob").stdout
    assert "selfsubjectreviews.authentication.k8s.io" in listed
    assert "*.*" not in listed


@pytest.fixture
def kubectl(server):
    config = server.kubeconfig()

    def run(*words, check=True):
        command = ["kubectl", f"--kubeconfig={config}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=30)

    return run
