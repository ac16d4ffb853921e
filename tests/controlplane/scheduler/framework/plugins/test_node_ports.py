import pytest
from cluster_facts import node_info, pod_info, reasons

from controlplane.scheduler.framework.plugins.node_ports import NodePorts


def port(number, protocol="TCP", address=""):
    return {"containerPort": 1, "hostPort": number, "protocol": protocol, "hostIP": address}


@pytest.mark.parametrize(
    ("taken", "wanted", "refused"),
    [
        (port(80), port(80), True),
        (port(80), port(81), False),
        (port(80), port(80, "UDP"), False),
        (port(80, address="10.0.0.1"), port(80), True),
        (port(80), port(80, address="10.0.0.1"), True),
        (port(80, address="10.0.0.1"), port(80, address="10.0.0.2"), False),
        (port(80, address="10.0.0.1"), port(80, address="10.0.0.1"), True),
        (port(80), {"containerPort": 80}, False),
    ],
)
def test_filter(taken, wanted, refused):
    node = node_info(running=[pod_info("there", ports=[taken])])
    found = reasons(NodePorts(), pod_info(ports=[wanted]), node)
    assert found == (
        ("node(s) didn't have free ports for the requested pod ports",) if refused else ()
    )


def test_a_port_is_free_when_its_pod_is_gone():
    node = node_info(running=[pod_info("there", ports=[port(80)])])
    node.remove_pod("ns/there")
    assert reasons(NodePorts(), pod_info(ports=[port(80)]), node) == ()


def test_a_port_is_taken_until_the_last_of_its_pods_is_gone():
    node = node_info(running=[pod_info(name, ports=[port(80)]) for name in ("a", "b")])
    node.remove_pod("ns/a")
    assert reasons(NodePorts(), pod_info(ports=[port(80)]), node)


def test_sidecars_have_ports_and_other_init_containers_have_none_to_keep():
    sidecar = {"name": "s", "restartPolicy": "Always", "ports": [port(80)]}
    once = {"name": "i", "ports": [port(81)]}
    node = node_info(running=[pod_info("there", initContainers=[sidecar, once])])
    assert reasons(NodePorts(), pod_info(ports=[port(80)]), node)
    assert not reasons(NodePorts(), pod_info(ports=[port(81)]), node)
