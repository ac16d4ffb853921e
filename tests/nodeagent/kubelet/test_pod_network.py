"""What plugins may be told of a pod."""

import pytest

from nodeagent.cni.errors import CniError
from nodeagent.kubelet.pod_network import wanted_attachment


def pod(*ports, **annotations):
    names = {f"kubernetes.io/{key}-bandwidth": text for key, text in annotations.items()}
    metadata = {"name": "web", "namespace": "shop", "uid": "u", "annotations": names}
    return {"metadata": metadata, "spec": {"containers": [{"name": "m", "ports": list(ports)}]}}


def test_a_pod_is_named_in_cni_args():
    wanted = wanted_attachment(pod({"containerPort": 80}))
    assert wanted.capabilities == {}
    assert wanted.arguments() == (
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", "shop"),
        ("K8S_POD_NAME", "web"),
        ("K8S_POD_UID", "u"),
    )


def test_host_ports_are_port_mappings():
    udp = {"containerPort": 53, "hostPort": 5353, "protocol": "UDP", "hostIP": "192.168.64.1"}
    wanted = wanted_attachment(pod({"containerPort": 80, "hostPort": 8080}, udp))
    assert wanted.capabilities == {
        "portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""},
            {"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "192.168.64.1"},
        ]
    }


def test_annotations_are_bandwidth():
    wanted = wanted_attachment(pod(ingress="10M", egress="1500"))
    assert wanted.capabilities["bandwidth"] == {
        "ingressRate": 10_000_000,
        "ingressBurst": 2**31 - 1,
        "egressRate": 1500,
        "egressBurst": 2**31 - 1,
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [("fast", ""), ("1", "unreasonably small"), ("2P", "unreasonably large"), ("-5M", "small")],
)
def test_no_bandwidth_is_refused(text, why):
    with pytest.raises(CniError, match="failed to get network bandwidth info") as refused:
        wanted_attachment(pod(egress=text))
    assert why in str(refused.value)
