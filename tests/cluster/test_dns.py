"""Names in a running cluster: from pods, from the host, and beyond the cluster."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset
import pytest
from clusters import Home, Lab, eventually
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("dns")]

OBJECTS = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: tcp, port: 5432}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: www.example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec:
  hostname: db-0
  subdomain: db
  nodeName: node-1
  containers: [{name: main, image: busybox, command: [sleep, "600"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: asker}
spec:
  nodeName: node-2
  containers:
  - {name: main, image: "python://dns_apps:serve"}
  - {name: tools, image: busybox, command: [sleep, "600"]}
  - {name: curl, image: curlimages/curl, command: [sleep, "600"]}
"""


class Resolver(threading.Thread):
    """A resolver of the world outside, on the loopback: it knows one name."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def run(self) -> None:
        while True:
            octets, sender = self.socket.recvfrom(4096)
            if not octets:
                return
            question = dns.message.from_wire(octets)
            answer = dns.message.make_response(question, recursion_available=True)
            name = question.question[0].name
            if str(name) == "www.example.com.":
                if question.question[0].rdtype == dns.rdatatype.A:
                    answer.answer = [dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.80")]
            else:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            self.socket.sendto(answer.to_wire(), sender)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.join()
        self.socket.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    resolver = Resolver()
    resolver.start()
    home = Home(tmp_path_factory.mktemp("dns"))
    upstream = f"127.0.0.1:{resolver.port}"
    home.podwire("up", "--name", "dns", "--nodes", "2", "--dns-replicas", "1",
                 "--dns-upstream", upstream)  # fmt: skip
    made = Lab(home, "dns")
    made.apply(OBJECTS)
    made.kubectl("-n", "kube-system", "rollout", "status", "deploy/coredns", "--timeout=60s")
    made.kubectl("wait", "pod", "db-0", "asker", "--for=condition=Ready", "--timeout=60s")
    yield made
    home.stop_all()
    resolver.stop()


def ask(lab: Lab, what: str) -> Any:
    """Let the pod look something up, and return what it found."""
    url = f"http://127.0.0.1:8080/{what}"
    done = Pod(lab, "asker").run("wget", "-q", "-O", "-", url, container="tools")
    assert done.status == 0, done.complaints
    return json.loads(done.output)


def test_pods_find_services_pods_and_the_world(lab: Lab) -> None:
    address = Pod(lab, "db-0").address
    for name, found in (
        ("kubernetes", ["10.96.0.1"]),
        ("kube-dns.kube-system", ["10.96.0.10"]),
        ("db", [address]),
        ("db-0.db.default.svc.cluster.local", [address]),
        ("www.example.com", ["192.0.2.80"]),
        ("elsewhere", ["192.0.2.80"]),
        ("nope.example.com", "Name or service not known"),
        ("nope", "Name or service not known"),
    ):
        assert ask(lab, f"resolve/{name}") == found, name


def test_pods_reach_the_api_server_as_their_account(lab: Lab) -> None:
    assert ask(lab, "whoami") == "system:serviceaccount:default:default"
    assert ask(lab, "list/services") == 403
    lab.kubectl("create", "clusterrolebinding", "viewers", "--clusterrole=view",
                "--serviceaccount=default:default")  # fmt: skip
    assert ask(lab, "list/services") == 200
    assert ask(lab, "list/secrets") == 403
    lab.kubectl("delete", "clusterrolebinding", "viewers")
    assert ask(lab, "list/services") == 403


#: As the documentation says it: "Accessing the API from within a Pod, without using a proxy".
CURL = """
SERVICEACCOUNT=/var/run/secrets/kubernetes.io/serviceaccount
TOKEN=$(cat ${SERVICEACCOUNT}/token)
curl -sS --cacert ${SERVICEACCOUNT}/ca.crt --header "Authorization: Bearer ${TOKEN}" \\
  -X GET https://kubernetes.default.svc/$1
"""


def test_curl_reaches_the_api_server_with_what_is_mounted(lab: Lab) -> None:
    pod = Pod(lab, "asker")

    def curl(script: str, path: str) -> dict[str, Any]:
        done = pod.run("sh", "-c", script, "sh", path, container="curl")
        assert done.status == 0, done.complaints
        answer: dict[str, Any] = json.loads(done.output)
        return answer

    assert curl(CURL, "api")["versions"] == ["v1"]
    assert curl(CURL, "api/v1/namespaces/default/pods")["code"] == 403
    assert curl(CURL.replace("Bearer ", "Bearer x"), "api")["code"] == 401
    done = pod.run("curl", "-sS", "https://kubernetes.default.svc/api", container="curl")
    assert done.status == 60, "the cluster's authority is not the system's"


def test_the_host_asks_at_a_node_port(lab: Lab) -> None:
    lab.kubectl("-n", "kube-system", "patch", "service", "kube-dns", "--type", "merge",
                "-p", '{"spec": {"type": "NodePort"}}')  # fmt: skip
    (service,) = lab.objects("-n", "kube-system", "service", "kube-dns")
    ports = {each["name"]: each["nodePort"] for each in service["spec"]["ports"]}
    question = dns.message.make_query("kubernetes.default.svc.cluster.local.", "A")
    where = lab.cluster.transport_address(1)

    def by_udp() -> dns.message.Message:
        return dns.query.udp(question, where, timeout=5, port=ports["dns"])

    answer: dns.message.Message = eventually(by_udp)
    assert [str(each) for each in answer.answer[0]] == ["10.96.0.1"]
    assert answer.answer[0].ttl == 5
    by_tcp = dns.query.tcp(question, where, timeout=5, port=ports["dns-tcp"])
    assert by_tcp.answer == answer.answer
    assert "coredns_dns_requests_total" in lab.fetch(1, ports["metrics"], "/metrics")


def test_a_new_service_has_a_name_at_once_and_a_restart_brings_it_back(lab: Lab) -> None:
    lab.apply("apiVersion: v1\nkind: Service\nmetadata: {name: late}\nspec: {ports: [{port: 1}]}\n")
    (service,) = lab.objects("service", "late")
    expected = [service["spec"]["clusterIP"]]
    eventually(lambda: ask(lab, "resolve/late") == expected, within_s=5)
    lab.kubectl("-n", "kube-system", "delete", "pod", "-l", "k8s-app=kube-dns", "--now")
    eventually(lambda: ask(lab, "resolve/late") == expected, within_s=30)
