"""Faults on links and on API calls: what people set is what packets and clients feel."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from clusters import Lab

from netdev.impaired_link import ImpairedLink
from netdev.impairment import Impairment

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("faults"),
    pytest.mark.timeout(240),
]


def ping_ms(lab: Lab, source: str, target: str, count: int = 5) -> list[float]:
    said = lab.podwire("ping", source, target, "-c", str(count), check=False)
    return [float(time_ms) for time_ms in re.findall(r"time=([0-9.]+) ms", said)]


def ready(lab: Lab, node: str) -> bool:
    (found,) = lab.objects("node", node)
    conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    return conditions["Ready"] == "True"


def rules(lab: Lab) -> dict[tuple[str, str], dict[str, float]]:
    found = json.loads(lab.podwire("fault list -o json"))
    return {(rule["from"], rule["to"]): rule for rule in found}


def test_a_delay_between_nodes_is_felt_and_healed(lab: Lab) -> None:
    assert max(ping_ms(lab, "node-1", "node-2")) < 90
    lab.podwire("fault link node-1 node-2 --delay 100ms --one-way")
    felt = ping_ms(lab, "node-1", "node-2")
    assert len(felt) == 5
    assert 100 <= min(felt) < 190
    assert max(ping_ms(lab, "node-1", "node-3")) < 90, "no other link"
    assert rules(lab)["node-1", "node-2"]["packets"] >= 5
    lab.podwire("fault heal node-2")
    assert max(ping_ms(lab, "node-1", "node-2")) < 90
    assert rules(lab) == {}


def test_loss_loses_about_its_share(lab: Lab) -> None:
    lab.podwire("fault link node-1 node-2 --loss 50% --one-way")
    said = lab.podwire("ping", "node-1", "node-2", "-c", "40", "--timeout", "0.02", check=False)
    rule = rules(lab)["node-1", "node-2"]
    lab.podwire("fault heal")
    assert re.search(r"40 packets transmitted, [0-9]+ received", said)
    assert 4 <= rule["lost"] <= 36, "beyond five standard deviations"


POD = """
apiVersion: v1
kind: Pod
metadata: {name: felt, labels: {link: felt}}
spec:
  nodeName: node-2
  containers:
    - {name: pause, image: registry.k8s.io/pause:3.10}
"""


@pytest.fixture
def felt(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """A pod on node-2, and what faults call it."""
    manifest = tmp_path / "pod.yaml"
    manifest.write_text(POD)
    lab.podwire("apply", "-f", str(manifest))
    lab.eventually(lambda: "Running" in lab.podwire("get pods"))
    yield "pod/default/felt"
    lab.podwire("delete pod felt", check=False)
    lab.podwire("fault heal")


def test_a_pods_link_is_as_it_was_set_and_as_its_seed_says(lab: Lab, felt: str) -> None:
    lab.podwire(f"fault link {felt} --delay 80ms")
    assert 160 <= min(ping_ms(lab, "node-1", "felt")) < 260
    # An echo is 98 octets on an Ethernet: 49 ms at this rate, there and back.
    lab.podwire(f"fault link {felt} --rate 16kbit")
    assert 98 <= min(ping_ms(lab, "node-1", "felt")) < 190
    lab.podwire("fault heal")
    lab.podwire("fault link pod/default/link=felt --loss 30% --seed 7 --one-way")
    said = lab.podwire("ping", "node-1", "felt", "-c", "60", "--timeout", "0.05", check=False)
    rule = rules(lab)[felt, "node-2"]
    twin = ImpairedLink(Impairment(loss=0.3, seed=7), Random(1), way="from-pod")
    for _ in range(int(rule["packets"])):
        twin.offer(b"", 0.0)
    assert rule["lost"] == twin.counters.lost, "a seed is a history, whatever the clock does"
    assert 4 <= rule["lost"] <= 32, "beyond four standard deviations"
    answered = int(re.search(r"([0-9]+) received", said)[1])
    assert answered <= rule["packets"] - rule["lost"], "the pod answers ARP requests, too"
    assert answered < 60


def test_a_pods_faults_follow_it_and_end_with_it(lab: Lab, felt: str) -> None:
    lab.podwire(f"fault link {felt} --delay 60ms")
    for process in ("node-2/pod/default/felt", "node-2/datapath"):
        before = lab.pid(process)
        lab.podwire(f"process kill {process}")
        if "/pod/" not in process:
            lab.podwire(f"process start {process}")
        lab.eventually(lambda p=process, old=before: lab.pid(p) not in (None, old))
        lab.eventually(lambda: min(ping_ms(lab, "node-1", "felt", 1), default=0) >= 120)
    lab.podwire("delete pod felt")
    lab.eventually(lambda: rules(lab) == {})


def test_bursts_on_the_way_to_the_control_plane_are_repaired_by_tcp(lab: Lab) -> None:
    lab.podwire("fault link node-1 control-plane --loss 20% --burst 2 --delay 5ms")
    way = ("node-1", "control-plane-1")
    lab.eventually(lambda: rules(lab)[way].get("lost"))
    assert rules(lab)[way]["loss_gemodel"] == pytest.approx([0.125, 0.5])
    assert ready(lab, "node-1")
    lab.podwire("fault heal --link node-1 control-plane")
    assert rules(lab) == {}


def test_a_node_cut_off_from_the_control_plane_is_not_ready_until_healed(lab: Lab) -> None:
    lab.podwire("fault partition node-3 control-plane")
    lab.eventually(lambda: not ready(lab, "node-3"), within_s=20)
    assert ping_ms(lab, "node-1", "node-3"), "nodes still reach each other"
    assert "faults on links: 2" in lab.podwire("status")
    lab.podwire("fault heal")
    lab.eventually(lambda: ready(lab, "node-3"), within_s=20)


def test_a_restarted_fabric_and_datapath_are_told_again(lab: Lab) -> None:
    lab.podwire("fault link node-1 node-2,control-plane --delay 30ms")
    for process in ("fabric", "node-1/datapath"):
        lab.podwire(f"process kill {process}")
        lab.podwire(f"process start {process}")
    lab.eventually(lambda: min(ping_ms(lab, "node-1", "node-2", 1), default=0) >= 55)
    lab.eventually(lambda: rules(lab)["node-1", "control-plane-1"].get("packets"))
    lab.podwire("fault heal")
    lab.eventually(lambda: ready(lab, "node-1"))


def test_a_paused_target_holds_nothing_up_and_is_told_when_it_lives(lab: Lab) -> None:
    lab.podwire("process pause node-1/datapath")
    began = time.monotonic()
    lab.podwire("fault link node-1 node-2 --delay 60ms --one-way")
    assert time.monotonic() - began < 10
    lab.podwire("process resume node-1/datapath")
    lab.eventually(lambda: min(ping_ms(lab, "node-1", "node-2", 1), default=0) >= 55)
    lab.podwire("fault heal")


def test_chosen_calls_of_the_api_fail_and_others_do_not(lab: Lab) -> None:
    lab.podwire("fault api --client kubernetes-admin --verb list --resource configmaps --error 500")
    assert "injected" in lab.kubectl("get", "configmaps", check=False)
    lab.kubectl("get", "nodes")
    assert re.search(r"configmaps +error 500", lab.podwire("fault api --list"))
    lab.podwire("fault api --heal")
    lab.kubectl("get", "configmaps")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("link node-1 node-1 --delay 1ms", "no link with itself"),
        ("link node-1 etcd-1 --delay 1ms", "no host"),
        ("link node-1 node-9 --delay 1ms", "no host"),
        ("link node-1 node-2", "say what is wrong"),
        ("link node-1 node-2 --loss 120%", "0% to 100%"),
        ("link node-1 node-2 --delay 50", "write 50ms"),
        ("link node-1 node-2 --reorder 5%", "delay"),
        ("link node-1 node-2 --delay 5m", "0 to 60 seconds"),
        ("link node-1 node-2 --loss 5% --loss-gemodel 5%", "one model of loss"),
        ("link pod/default/nobody --delay 5ms", "no pod default/nobody runs"),
        ("heal node-9", "no host"),
        ("api", "say what happens"),
        ("api --heal --id 77", "no API fault 77"),
        ("api --latency 2m", "not between 0 and 60"),
        ("api --error 500 --verb frobnicate", "is none of *, get, list"),
        ("api --error 500 --resource cats", "no resource 'cats'; there are "),
        ("api --error 500 --client system:node:node-9", "there is no client"),
        ("api --list --heal", "come alone"),
        ("api --id 3 --error 500", "goes with --heal"),
        ("api --list --error 500", "come alone"),
    ],
)
def test_impossible_faults_are_refused_and_nothing_is_done(words: str, says: str, lab: Lab) -> None:
    before = rules(lab)
    said = lab.home.run_podwire("fault", *words.split(), "--name", lab.name)
    assert said.returncode == 2
    assert says in said.stderr
    assert rules(lab) == before


def test_nodes_join_drain_and_leave(lab: Lab) -> None:
    lab.podwire("node add")
    assert ready(lab, "node-4")
    [request] = [
        each
        for each in lab.objects("certificatesigningrequests")
        if each["spec"]["username"].startswith("system:bootstrap:")
    ]  # It has joined by a token, which is gone, and has a certificate of its own.
    assert request["status"]["certificate"]
    assert not lab.objects("secrets", "-n", "kube-system")
    lab.kubectl("run", "lonely", "--image=registry.k8s.io/pause:3.10", "--overrides",
                json.dumps({"spec": {"nodeName": "node-4"}}))  # fmt: skip
    refused = lab.home.refused("node", "drain", "node-4", "--name", lab.name)
    assert "--force" in refused
    assert "evicting pod default/lonely" in lab.podwire("node drain node-4 --force")
    assert lab.objects("node", "node-4")[0]["spec"]["unschedulable"]
    lab.podwire("node uncordon node-4")
    lab.podwire("node rm node-4")
    assert len(lab.objects("nodes")) == 3
    assert not lab.paths.node("node-4").exists()
    assert "there is no node-4" in lab.home.refused("node", "rm", "node-4", "--name", lab.name)


def test_a_pod_is_a_process_that_can_be_killed_and_frozen(lab: Lab) -> None:
    lab.kubectl("run", "victim", "--image=registry.k8s.io/pause:3.10")
    lab.kubectl("wait", "pod/victim", "--for=condition=Ready", "--timeout=30s")
    (pod,) = lab.objects("pod", "victim")
    name = f"{pod['spec']['nodeName']}/pod/default/victim"
    before = lab.pid(name)
    lab.podwire(f"process pause {name}")
    assert "paused already" in lab.home.refused("process", "pause", name, "--name", lab.name)
    lab.podwire(f"process resume {name}")
    assert "not paused" in lab.home.refused("process", "resume", name, "--name", lab.name)
    lab.podwire(f"process kill {name}")
    lab.eventually(lambda: lab.pid(name) not in (None, before), what="the kubelet makes it again")
