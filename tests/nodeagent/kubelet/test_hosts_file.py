"""What a pod is called, and whom its /etc/hosts knows."""

from __future__ import annotations

import pytest

from nodeagent.kubelet.hosts_file import HostName, host_name, hosts_file, kernel_name
from nodeagent.kubelet.references import ConfigError

DOMAIN = "cluster.local"


def pod(**spec):
    return {"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "name", "domain"),
    [
        ({}, "web-0", ""),
        ({"hostname": "db"}, "db", ""),
        ({"hostNetwork": True, "nodeName": "node-1", "hostname": "db"}, "node-1", ""),
        ({"subdomain": "web"}, "web-0", "web.shop.svc.cluster.local"),
        ({"hostname": "db", "subdomain": "web"}, "db", "web.shop.svc.cluster.local"),
    ],
)
def test_names(spec, name, domain):
    assert host_name(pod(**spec), DOMAIN) == HostName(name, domain)


def test_a_long_name_is_cut_to_a_label():
    long = pod()
    long["metadata"]["name"] = "a" * 62 + "-" + "b" * 20
    assert host_name(long, DOMAIN).name == "a" * 62


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"subdomain": "web"}, "web-0"),
        ({"setHostnameAsFQDN": True}, "web-0"),
        ({"subdomain": "web", "setHostnameAsFQDN": True}, "web-0.web.shop.svc.cluster.local"),
    ],
)
def test_what_the_kernel_says(spec, name):
    one = pod(**spec)
    assert kernel_name(one, host_name(one, DOMAIN)) == name


def test_a_qualified_name_that_is_too_long_is_refused():
    one = pod(subdomain="s" * 40, setHostnameAsFQDN=True)
    with pytest.raises(ConfigError, match=r"is too long \(64 characters is the max, 69 "):
        kernel_name(one, host_name(one, DOMAIN))


@pytest.mark.parametrize(
    ("spec", "addresses", "lines"),
    [
        ({}, ["10.244.1.5"], ["10.244.1.5\tweb-0"]),
        (
            {"subdomain": "web"},
            ["10.244.1.5"],
            ["10.244.1.5\tweb-0.web.shop.svc.cluster.local\tweb-0"],
        ),
        (
            {"hostAliases": [{"ip": "10.1.2.3", "hostnames": ["foo.local", "bar.local"]}]},
            ["10.244.1.5"],
            [
                "10.244.1.5\tweb-0",
                "",
                "# Entries added by HostAliases.",
                "10.1.2.3\tfoo.local\tbar.local",
            ],
        ),
        (
            {},
            ["10.244.1.5", "fd00::5"],
            [
                "::1\tlocalhost ip6-localhost ip6-loopback",
                "fe00::0\tip6-localnet",
                "fe00::0\tip6-mcastprefix",
                "fe00::1\tip6-allnodes",
                "fe00::2\tip6-allrouters",
                "10.244.1.5\tweb-0",
                "fd00::5\tweb-0",
            ],
        ),
    ],
)
def test_hosts(spec, addresses, lines):
    one = pod(**spec)
    head = ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost"]
    text = hosts_file(one, host_name(one, DOMAIN), addresses)
    assert text.splitlines() == head + lines
    assert text.endswith("\n")
