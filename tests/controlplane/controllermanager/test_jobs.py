"""Jobs and CronJobs against a real API server and controller manager.

The kubelets are the test's: it ends pods as it likes, and waits, with a bound, for what the API
must show.
"""

from __future__ import annotations

import pytest
from test_control_loops import until, world

from componentbase import clock
from kubeapi.client import PatchType
from kubeapi.objects import is_condition_true, name_of
from kubeapi.resources import JOBS, PODS


def job(name="work", **spec):
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "c", "image": "busybox"}],
                }
            },
            **spec,
        },
    }


async def end(client, pod, phase, exit_code=0):
    """End *pod* as its kubelet would."""
    at = clock.rfc3339(clock.wall())
    ended = {"exitCode": exit_code, "finishedAt": at}
    container = {"name": "c", "image": "busybox", "imageID": "", "restartCount": 0, "ready": False}
    status = {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": at}],
        "containerStatuses": [container | {"state": {"terminated": ended}}],
    }
    await client.patch(
        PODS,
        name_of(pod),
        {"status": status},
        pod["metadata"]["namespace"],
        kind=PatchType.STRATEGIC,
        subresource="status",
    )


async def active_pods(client, namespace, count):
    def are_there(pods):
        return len(active(pods)) == count

    return active(await until(client, PODS, namespace, are_there))


def active(pods):
    return [
        pod
        for pod in pods
        if (pod.get("status") or {}).get("phase") == "Running"
        and not pod["metadata"].get("deletionTimestamp")
    ]


async def job_until(client, namespace, holds, name="work"):
    def check(items):
        return any(name_of(one) == name and holds(one) for one in items)

    await until(client, JOBS, namespace, check)
    return await client.get(JOBS, name, namespace)


@pytest.mark.asyncio
async def test_a_job_completes(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        await client.create(JOBS, job(completions=3, parallelism=2), ns)
        for pod in await active_pods(client, ns, 2):
            await end(client, pod, "Succeeded")
        (last,) = await active_pods(client, ns, 1)
        await end(client, last, "Succeeded")
        done = await job_until(client, ns, lambda one: is_condition_true(one, "Complete"))
        status = done["status"]
        assert (status["succeeded"], status["ready"], status["terminating"]) == (3, 0, 0)
        assert status["uncountedTerminatedPods"] == {}
        assert "active" not in status
        pods = (await client.list(PODS, ns))["items"]
        assert len(pods) == 3
        assert not any(pod["metadata"].get("finalizers") for pod in pods)
