"""A whole node against a small API server: real podruntime, real datapath, real nodeagent."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from node_processes import agnhost, is_true, running_node
from pod_api_server import pod_path

from componentbase.clock import monotonic
from kubeapi.objects import condition

NODE = "/api/v1/nodes/node-1"


def container_state(api, name: str):
    statuses = (api.pod(name).get("status") or {}).get("containerStatuses") or [{}]
    return statuses[0]


def waiting_reason(api, name: str) -> str:
    return container_state(api, name).get("state", {}).get("waiting", {}).get("reason", "")


@pytest.mark.asyncio
async def test_node_becomes_ready_and_publishes_flannel(tmp_path):
    async with running_node(tmp_path) as (api, node):
        made = api.objects[NODE]
        assert made["status"]["addresses"][0]["address"] == "192.168.64.1"
        assert made["metadata"]["annotations"]["flannel.alpha.coreos.com/public-ip"]
        await api.until(
            lambda: (
                "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1"
                in api.objects
            )
        )
        addresses = {entry["address"] for entry in await node.table("address")}
        assert {"10.244.1.1/24", "10.244.1.0/32"} <= addresses
        begun = {"Starting", "NodeAllocatableEnforced", "NodeHasSufficientMemory"}
        await api.until(lambda: begun <= {*api.reasons()})
        assert "Starting kubelet." in api.messages()


@pytest.mark.asyncio
async def test_pod_runs_survives_the_agent_and_ends(tmp_path):
    async with running_node(tmp_path) as (api, node):
        probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
        api.put_pod("web", agnhost("netexec", "--http-port=8080", readinessProbe=probe))
        await api.until(lambda: is_true(api.pod("web"), "Ready"))
        status = api.pod("web")["status"]
        assert status["phase"] == "Running"
        assert status["podIP"].startswith("10.244.1.")
        container = status["containerStatuses"][0]
        pids = await node.pod_pids()

        await node.kill("nodeagent")
        await node.start("nodeagent")
        renewed = api.revision
        await api.until(lambda: api.revision > renewed + 1)
        assert await node.pod_pids() == pids
        assert api.pod("web")["status"]["containerStatuses"][0] == container

        os.kill(pids[0], signal.SIGKILL)
        await api.until(
            lambda: (
                api.pod("web")["status"]["containerStatuses"][0]["restartCount"] == 1
                and is_true(api.pod("web"), "Ready")
            )
        )
        again = api.pod("web")["status"]["containerStatuses"][0]
        assert again["lastState"]["terminated"]["exitCode"] == 137
        await api.until(lambda: "SandboxChanged" in api.reasons())

        api.delete_pod("web", 1)
        await api.until(lambda: pod_path("web") not in api.objects)
        links = [link for link in await node.table("link") if link.get("kind") == "veth"]
        assert links == []


@pytest.mark.asyncio
async def test_unknown_image_ends_in_image_pull_backoff(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        spec = {"containers": [{"name": "main", "image": "no.such.registry/nothing:1"}]}
        api.put_pod("bad", spec)
        await api.until(lambda: waiting_reason(api, "bad") == "ImagePullBackOff")
        assert api.pod("bad")["status"]["phase"] == "Pending"
        await api.until(lambda: {"Pulling", "Failed", "BackOff"} <= {*api.reasons()})
        await api.until(lambda: "Error: ErrImagePull" in api.messages())
        await api.until(lambda: "Error: ImagePullBackOff" in api.messages())


@pytest.mark.asyncio
async def test_failing_container_backs_off_and_keeps_its_last_state(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        spec = {"containers": [{"name": "main", "image": "busybox", "command": ["false"]}]}
        api.put_pod("crash", spec)
        await api.until(lambda: waiting_reason(api, "crash") == "CrashLoopBackOff")
        status = container_state(api, "crash")
        assert status["lastState"]["terminated"]["exitCode"] == 1
        assert status["lastState"]["terminated"]["reason"] == "Error"
        await api.until(lambda: container_state(api, "crash")["restartCount"] >= 2)
        assert api.pod("crash")["status"]["phase"] == "Running"


@pytest.mark.asyncio
async def test_hooks_that_fail_and_hooks_that_hang(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        hook = {"exec": {"command": ["sh", "-c", "echo secret; exit 3"]}}
        bad = agnhost("pause", lifecycle={"postStart": hook})
        api.put_pod("bad", {**bad, "terminationGracePeriodSeconds": 1})
        endless = {"exec": {"command": ["sleep", "1000"]}}
        api.put_pod("slow", agnhost("pause", lifecycle={"postStart": endless}))
        failed: list[str] = []

        def has_failed() -> bool:
            waiting = container_state(api, "bad").get("state", {}).get("waiting") or {}
            if waiting.get("reason") == "PostStartHookError":
                failed.append(waiting["message"])
            return bool(failed)

        await api.until(has_failed)
        uid = api.pod("bad")["metadata"]["uid"]
        assert failed[0] == (
            'Exec lifecycle hook ([sh -c echo secret; exit 3]) for Container "main" in Pod '
            f"\"bad_default({uid})\" failed - error: command 'sh -c echo secret; exit 3' exited "
            'with 3: secret\n, message: "secret\n"'
        )
        await api.until(
            lambda: {"PostStartHook failed", "FailedPostStartHook"} <= {*api.messages()}
        )
        assert {"FailedPostStartHook", "Killing"} <= {*api.reasons()}
        await api.until(lambda: waiting_reason(api, "bad") == "CrashLoopBackOff")
        await api.until(lambda: api.messages().count("Started container main") >= 2)
        api.delete_pod("slow", 1)
        await api.until(lambda: pod_path("slow") not in api.objects)


@pytest.mark.asyncio
async def test_job_like_pod_succeeds_after_its_init_containers(tmp_path):
    async with running_node(tmp_path) as (api, node):
        main = {"name": "main", "image": "busybox", "command": ["echo", "$(GREETING) $(WHO)"]}
        main["env"] = [
            {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "hi"}}},
        ]
        init = {"name": "first", "image": "busybox", "command": ["true"]}
        spec = {"restartPolicy": "Never", "initContainers": [init], "containers": [main]}
        api.put_pod("job", spec)
        await api.until(lambda: waiting_reason(api, "job") == "CreateContainerConfigError")
        api.put(
            "/api/v1/namespaces/default/configmaps/c",
            {"metadata": {"name": "c", "namespace": "default"}, "data": {"hi": "hello"}},
        )
        await api.until(lambda: api.pod("job")["status"]["phase"] == "Succeeded")
        status = api.pod("job")["status"]
        assert status["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
        assert is_true(api.pod("job"), "Initialized")
        uid = api.pod("job")["metadata"]["uid"]
        logs = node.node / "pods" / f"default_job_{uid}" / "main" / "0.log"
        assert logs.read_text().rstrip().endswith("stdout F hello job")


@pytest.mark.asyncio
async def test_liveness_failure_restarts_the_container(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        probe = {"tcpSocket": {"port": 9}, "periodSeconds": 1, "failureThreshold": 1}
        exec_probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
        args = agnhost("netexec", "--http-port=8080", livenessProbe=probe)
        args["containers"][0]["startupProbe"] = exec_probe
        api.put_pod("sick", {**args, "terminationGracePeriodSeconds": 1})
        await api.until(lambda: container_state(api, "sick").get("restartCount", 0) >= 1)
        await api.until(lambda: "Unhealthy" in api.reasons())
        await api.until(lambda: any("connection refused" in m for m in api.messages()))
        text = "Container main failed liveness probe, will be restarted"
        await api.until(lambda: text in api.messages())
        grpc = {"grpc": {"port": 5000, "service": "x"}, "periodSeconds": 1}
        served = agnhost("grpc-health-checking", "--service=x", readinessProbe=grpc)
        api.put_pod("rpc", served)
        api.put_pod("deaf", agnhost("grpc-health-checking", "--service=y", readinessProbe=grpc))
        await api.until(lambda: is_true(api.pod("rpc"), "Ready"))
        unknown = "rpc error: code = NotFound desc = unknown service"
        text = f"Readiness probe failed: error: health rpc probe failed: {unknown}"
        await api.until(lambda: text in api.messages())
        assert not is_true(api.pod("deaf"), "Ready")


@pytest.mark.asyncio
async def test_datapath_that_restarts_gets_every_table_again(tmp_path):
    async with running_node(tmp_path) as (api, node):
        api.put_pod("web", agnhost("netexec", "--http-port=8080"))
        api.put("/api/v1/namespaces/default/services/web", service("10.96.0.77", 80))
        await api.until(lambda: is_true(api.pod("web"), "Ready"))
        address = api.pod("web")["status"]["podIP"]
        put_slice(api, address)
        await until(lambda: backends(node, "10.96.0.77", [address]))
        await node.kill("nodeagent.datapath")
        await node.start("nodeagent.datapath")
        await until(lambda: backends(node, "10.96.0.77", [address]))
        links = {link["name"]: link for link in await node.table("link")}
        assert f"{address}/24" in {link.get("address") for link in links.values()}
        put_slice(api)
        await until(lambda: backends(node, "10.96.0.77", []))
        assert container_state(api, "web")["restartCount"] == 0


def service(cluster_ip: str, port: int):
    ports = [{"port": port, "protocol": "TCP"}]
    return {
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIP": cluster_ip, "ports": ports},
    }


def put_slice(api, *addresses: str) -> None:
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1"
    labels = {"kubernetes.io/service-name": "web"}
    api.put(
        path,
        {
            "metadata": {"name": "web-1", "namespace": "default", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
        },
    )


async def backends(node, cluster_ip: str, wanted: list[str]) -> bool:
    for entry in await node.table("frontend"):
        if entry["address"] == cluster_ip:
            return [b["address"] for b in entry["backends"]] == wanted
    return False


async def until(holds) -> None:
    async with asyncio.timeout(60):
        while not await holds():
            await asyncio.sleep(0.02)


@pytest.mark.asyncio
async def test_pod_deleted_while_the_agent_was_away_is_removed(tmp_path):
    async with running_node(tmp_path) as (api, node):
        api.put_pod("left", agnhost("pause"))
        await api.until(lambda: is_true(api.pod("left"), "Ready"))
        await node.kill("nodeagent")
        api.remove(pod_path("left"))
        await node.start("nodeagent")

        async def gone() -> bool:
            links = [e for e in await node.table("link") if e.get("kind") == "veth"]
            return not links and not await node.pod_pids()

        await until(gone)


@pytest.mark.asyncio
async def test_pods_in_the_nodes_network_share_its_address_and_its_ports(tmp_path):
    async with running_node(tmp_path) as (api, node):
        serving = agnhost("netexec")
        probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}
        serving["containers"][0]["readinessProbe"] = probe
        api.put_pod("host", {**serving, "hostNetwork": True})
        await api.until(lambda: is_true(api.pod("host"), "Ready"))
        status = api.pod("host")["status"]
        assert status["podIP"] == status["hostIP"]
        api.put_pod("second", {**agnhost("netexec"), "hostNetwork": True})
        await api.until(lambda: container_state(api, "second").get("restartCount", 0) >= 1)
        await node.kill("nodeagent")
        await node.start("nodeagent")
        api.delete_pod("host", 0)
        # Its port is free: the second one comes up when it is tried again.
        await api.until(lambda: pod_path("host") not in api.objects)
        await api.until(lambda: is_true(api.pod("second"), "Ready"))
        links = [each for each in await node.table("link") if each["kind"] == "host"]
        assert len(links) == 1


STUBBORN = {"name": "main", "image": "busybox", "command": ["sh", "-c", "trap '' TERM; sleep 99"]}


@pytest.mark.asyncio
async def test_pod_deleted_again_with_less_grace_ends_sooner(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        hook = {"preStop": {"sleep": {"seconds": 60}}}
        api.put_pod("slow", {"containers": [{**STUBBORN, "lifecycle": hook}]})
        await api.until(lambda: is_true(api.pod("slow"), "Ready"))
        api.delete_pod("slow", 90)
        await api.until(lambda: "Killing" in api.reasons())
        api.delete_pod("slow", 0)
        await api.until(lambda: pod_path("slow") not in api.objects)


@pytest.mark.asyncio
async def test_pod_removed_by_force_ends_at_once(tmp_path):
    async with running_node(tmp_path) as (api, node):
        api.put_pod("slow", {"containers": [STUBBORN], "terminationGracePeriodSeconds": 90})
        await api.until(lambda: is_true(api.pod("slow"), "Ready"))
        api.remove(pod_path("slow"))

        async def gone() -> bool:
            return not await node.pod_pids()

        await until(gone)


def noting(name: str, **fields) -> dict:
    """A container that writes its name when it is told to end."""
    script = f"trap 'echo {name} >> /h/order; exit 0' TERM; while true; do sleep 0.1; done"
    command = ["sh", "-c", script]
    mounts = [{"name": "h", "mountPath": "/h"}]
    return {
        "name": name,
        "image": "busybox",
        "command": command,
        "volumeMounts": mounts,
        **fields,
    }


def pre_stop(script: str) -> dict:
    return {"preStop": {"exec": {"command": ["sh", "-c", script]}}}


@pytest.mark.asyncio
async def test_a_pod_ends_in_order_and_its_readiness_is_still_asked(tmp_path):
    async with running_node(tmp_path) as (api, node):
        always = {"restartPolicy": "Always"}
        probe = {"exec": {"command": ["cat", "/h/ready"]}, "periodSeconds": 1}
        alive = {**probe, "failureThreshold": 1}
        hook = pre_stop("rm /h/ready; echo pre-main >> /h/order; sleep 2.5")
        api.put_pod(
            "ordered",
            {
                "volumes": [{"name": "h", "hostPath": {"path": "/h"}}],
                "initContainers": [
                    noting("one", **always, lifecycle=pre_stop("echo pre-one >> /h/order")),
                    noting("two", **always),
                    noting("once") | {"command": ["sh", "-c", "echo yes > /h/ready"]},
                ],
                "containers": [
                    noting("main", readinessProbe=probe, livenessProbe=alive, lifecycle=hook)
                ],
            },
        )
        await api.until(lambda: is_true(api.pod("ordered"), "Ready"))
        api.delete_pod("ordered", 30)
        await api.until(lambda: not is_true(api.pod("ordered"), "Ready"))
        assert is_true(api.pod("ordered"), "PodScheduled"), "it is still there"
        await api.until(lambda: pod_path("ordered") not in api.objects)
        order = (node.node / "hostfs" / "h" / "order").read_text().split()
        assert order[2:] == ["main", "two", "one"]
        assert sorted(order[:2]) == ["pre-main", "pre-one"], "hooks run at once"
        assert not any("liveness" in message for message in api.messages())


@pytest.mark.asyncio
async def test_an_empty_dir_outlives_its_pods_process(tmp_path):
    async with running_node(tmp_path) as (api, node):
        script = (
            "cat /scratch/file > /h/found; echo kept >> /scratch/file; echo > /h/done; sleep 99"
        )
        mounts = [{"name": "work", "mountPath": "/scratch"}, {"name": "h", "mountPath": "/h"}]
        main = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
        volumes = [
            {"name": "work", "emptyDir": {}},
            {"name": "h", "hostPath": {"path": "/h"}},
        ]
        spec = {"containers": [{**main, "volumeMounts": mounts}], "volumes": volumes}
        api.put_pod("kept", {**spec, "terminationGracePeriodSeconds": 0})
        host = node.node / "hostfs" / "h"

        async def done() -> bool:
            return (host / "done").exists()

        async def found() -> bool:
            return (host / "found").read_text() == "kept\n"

        await until(done)
        (pid,) = await node.pod_pids()
        os.kill(pid, signal.SIGKILL)
        await api.until(lambda: container_state(api, "kept").get("restartCount") == 1)
        await until(found)
        uid = api.pod("kept")["metadata"]["uid"]
        assert (node.node / "kubelet" / "pods" / uid).is_dir()
        api.delete_pod("kept", 0)
        await api.until(lambda: pod_path("kept") not in api.objects)
        assert not (node.node / "kubelet" / "pods" / uid).exists()
        roots = list((node.node / "pods").glob("*/rootfs/*"))
        assert roots == [], "nothing of a pod is left"


SETTINGS = "/api/v1/namespaces/default/configmaps/settings"


def put_settings(api) -> None:
    metadata = {"name": "settings", "namespace": "default"}
    api.put(SETTINGS, {"metadata": metadata, "data": {"key": "value"}})


@pytest.mark.asyncio
async def test_waiting_for_a_volume_is_no_crash(tmp_path):
    async with running_node(tmp_path) as (api, node):
        put_settings(api)
        main = {"name": "main", "image": "busybox", "command": ["sleep", "99"]}
        mounts = [{"name": "config", "mountPath": "/config"}]
        volumes = [{"name": "config", "configMap": {"name": "settings"}}]
        spec = {"containers": [{**main, "volumeMounts": mounts}], "volumes": volumes}
        api.put_pod("wait", {**spec, "terminationGracePeriodSeconds": 0})
        await api.until(lambda: is_true(api.pod("wait"), "Ready"))
        await node.kill("nodeagent")
        api.remove(SETTINGS)
        (pid,) = await node.pod_pids()
        os.kill(pid, signal.SIGKILL)
        await node.start("nodeagent")
        await api.until(lambda: api.reasons().count("FailedMount") > 0)
        put_settings(api)
        await api.until(lambda: container_state(api, "wait").get("restartCount") == 1)
        assert "BackOff" not in api.reasons()


@pytest.mark.asyncio
async def test_an_ephemeral_container_runs_beside_the_others_once(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        api.put_pod("web", agnhost("pause", terminationGracePeriodSeconds=0))
        await api.until(lambda: is_true(api.pod("web"), "Ready"))
        pod = api.pod("web")
        debugger = {"name": "debugger", "image": "busybox", "command": ["sh", "-c", "exit 3"]}
        pod = {**pod, "spec": {**pod["spec"], "ephemeralContainers": [debugger]}}
        api.put(pod_path("web"), pod)

        def ended() -> dict:
            statuses = api.pod("web")["status"].get("ephemeralContainerStatuses") or [{}]
            return statuses[0].get("state", {}).get("terminated") or {}

        await api.until(lambda: ended().get("exitCode") == 3)

        def started() -> list[dict]:
            events = [o for path, o in api.objects.items() if "/events/" in path]
            return [o for o in events if "debugger" in o["message"] and o["reason"] == "Started"]

        await api.until(lambda: len(started()) == 1)
        field = started()[0]["involvedObject"]["fieldPath"]
        assert field == "spec.ephemeralContainers{debugger}"
        assert is_true(api.pod("web"), "Ready")
        assert container_state(api, "web")["restartCount"] == 0


@pytest.mark.asyncio
async def test_a_container_says_why_it_ended(tmp_path):
    async with running_node(tmp_path) as (api, _node):
        main = {"image": "busybox", "terminationMessagePath": "/dev/termination-log"}
        script = "echo logged; echo because > /dev/termination-log; exit 3"
        file = {**main, "name": "file", "command": ["sh", "-c", script]}
        log = {**main, "name": "log", "command": ["sh", "-c", "echo logged; exit 4"]}
        log["terminationMessagePolicy"] = "FallbackToLogsOnError"
        api.put_pod("ends", {"containers": [file, log], "restartPolicy": "Never"})
        await api.until(lambda: api.pod("ends")["status"]["phase"] == "Failed")
        statuses = api.pod("ends")["status"]["containerStatuses"]
        ended = [status["state"]["terminated"] for status in statuses]
        assert [(each["exitCode"], each["message"]) for each in ended] == [
            (3, "because\n"),
            (4, "logged\n"),
        ]


MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: own}
spec:
  containers:
  - {name: main, image: "registry.k8s.io/e2e-test-images/agnhost:2.53", args: [pause]}
"""


@pytest.mark.asyncio
async def test_manifests_run_without_the_api_and_a_shutdown_ends_everything(tmp_path):
    async with running_node(tmp_path) as (api, node):
        manifests = node.node / "kubelet" / "manifests"
        manifests.mkdir(parents=True)
        (manifests / "own.yaml").write_text(MANIFEST)
        (manifests / "wrong.yaml").write_text("kind: Nonsense")
        await api.until(lambda: is_true(api.pod("own-node-1"), "Ready"))
        made = api.pod("own-node-1")
        assert made["metadata"]["annotations"]["kubernetes.io/config.mirror"]
        pids = await node.pod_pids()
        api.remove(pod_path("own-node-1"))
        gone_at = monotonic()
        await api.until(lambda: pod_path("own-node-1") in api.objects)
        assert monotonic() - gone_at > 0.9, "who waits for the end has time to see it"
        await api.until(lambda: is_true(api.pod("own-node-1"), "Ready"))
        assert api.pod("own-node-1")["metadata"]["uid"] != made["metadata"]["uid"]
        assert await node.pod_pids() == pids, "the pod went on without its mirror"
        (manifests / "own.yaml").unlink()
        await api.until(lambda: pod_path("own-node-1") not in api.objects)

        api.put_pod("web", agnhost("pause"))
        await api.until(lambda: is_true(api.pod("web"), "Ready"))
        (pid,) = [each for each in await node.pod_pids() if each not in pids]
        agent = node.processes["nodeagent"]
        agent.terminate()
        assert await asyncio.wait_for(agent.wait(), 30) == 0
        status = api.pod("web")["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "Terminated")
        assert condition(api.pod("web"), "DisruptionTarget")["reason"] == "TerminationByKubelet"
        ready = condition(api.objects[NODE], "Ready")
        assert (ready["status"], ready["message"]) == ("False", "node is shutting down")
        assert not os.path.exists(f"/proc/{pid}")
