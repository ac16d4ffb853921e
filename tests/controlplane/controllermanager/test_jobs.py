"""Jobs and CronJobs against a real API server and controller manager.

The kubelets are the test's: it ends pods as it likes, and waits, with a bound, for what the API
must show.
"""

from __future__ import annotations

import pytest
from test_control_loops import until, world

from componentbase import clock
from kubeapi.client import PatchType
from kubeapi.objects import annotations_of, condition, is_condition_true, labels_of, name_of
from kubeapi.resources import CRONJOBS, EVENTS, JOBS, NODES, PODS


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


@pytest.mark.asyncio
async def test_an_indexed_job_fails_at_its_limit(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        indexed = job(
            completions=4,
            parallelism=2,
            completionMode="Indexed",
            backoffLimitPerIndex=0,
            maxFailedIndexes=0,
        )
        await client.create(JOBS, indexed, ns)
        first, second = sorted(await active_pods(client, ns, 2), key=name_of)
        assert [pod["spec"]["hostname"] for pod in (first, second)] == ["work-0", "work-1"]
        index = "batch.kubernetes.io/job-completion-index"
        assert (annotations_of(second)[index], labels_of(second)[index]) == ("1", "1")
        (variable,) = first["spec"]["containers"][0]["env"]
        assert variable["name"] == "JOB_COMPLETION_INDEX"
        await end(client, first, "Failed", 3)
        failed = await job_until(client, ns, lambda one: is_condition_true(one, "Failed"))
        assert condition(failed, "Failed")["reason"] == "MaxFailedIndexesExceeded"
        assert condition(failed, "FailureTarget")["status"] == "True"
        assert (failed["status"]["failedIndexes"], failed["status"]["failed"]) == ("0", 2)
        left = (await client.list(PODS, ns))["items"]
        assert [name_of(pod) for pod in left] == [name_of(first)]


@pytest.mark.asyncio
async def test_pods_that_fail_are_replaced_later_and_later(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        await client.create(JOBS, job(backoffLimit=1), ns)
        (first,) = await active_pods(client, ns, 1)
        await end(client, first, "Failed", 1)
        (second,) = await active_pods(client, ns, 1)  # A second later, at ten times the pace.
        created = [pod["metadata"]["creationTimestamp"] for pod in (first, second)]
        assert created[0] < created[1]
        await end(client, second, "Failed", 1)
        failed = await job_until(client, ns, lambda one: is_condition_true(one, "Failed"))
        assert condition(failed, "Failed")["reason"] == "BackoffLimitExceeded"
        events = await until(client, EVENTS, ns, lambda items: len(items) >= 3)
        reasons = {event["reason"] for event in events}
        assert {"SuccessfulCreate", "BackoffLimitExceeded"} <= reasons


@pytest.mark.asyncio
async def test_a_job_is_suspended_and_goes_on(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        await client.create(JOBS, job(parallelism=2, completions=2), ns)
        await active_pods(client, ns, 2)
        await client.patch(JOBS, "work", {"spec": {"suspend": True}}, ns)
        await until(client, PODS, ns, lambda pods: not pods)
        await job_until(client, ns, lambda one: is_condition_true(one, "Suspended"))
        await client.patch(JOBS, "work", {"spec": {"suspend": False}}, ns)
        for pod in await active_pods(client, ns, 2):
            await end(client, pod, "Succeeded")
        done = await job_until(client, ns, lambda one: is_condition_true(one, "Complete"))
        assert condition(done, "Suspended")["status"] == "False"
        assert "failed" not in done["status"]


@pytest.mark.asyncio
async def test_what_a_job_leaves_goes_with_it(control_plane, namespace_of_test):
    """Deleted in the middle: the garbage collector has the pods, and nothing holds them."""
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        await client.create(JOBS, job(parallelism=3, completions=3), ns)
        pods = await active_pods(client, ns, 3)
        await end(client, pods[0], "Succeeded")
        await client.delete(JOBS, "work", ns, propagation="Background")
        await until(client, PODS, ns, lambda left: not left)


@pytest.mark.asyncio
async def test_an_ended_job_goes_when_its_time_is_up(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        await client.create(JOBS, job(ttlSecondsAfterFinished=1), ns)
        (pod,) = await active_pods(client, ns, 1)
        await end(client, pod, "Succeeded")
        await until(client, PODS, ns, lambda left: not left)
        await until(client, JOBS, ns, lambda left: not left)


@pytest.mark.asyncio
async def test_a_cron_job_makes_up_for_the_last_time_it_missed(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test) as (client, _):
        ns = namespace_of_test
        template = {"metadata": {"labels": {"made-by": "cron"}}, "spec": job()["spec"]}
        made = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "tick"},
            "spec": {"schedule": "@hourly", "suspend": True, "jobTemplate": template},
        }
        made = await client.create(CRONJOBS, made, ns)
        last = clock.rfc3339(clock.wall() - 3 * 3600)
        made = await client.update(
            CRONJOBS, {**made, "status": {"lastScheduleTime": last}}, subresource="status"
        )
        await client.patch(CRONJOBS, "tick", {"spec": {"suspend": False}}, ns)
        (one,) = await until(client, JOBS, ns, lambda jobs: len(jobs) == 1)
        assert labels_of(one)["made-by"] == "cron"
        (pod,) = await active_pods(client, ns, 1)
        await end(client, pod, "Succeeded")

        def has_ended(items):
            return items[0]["status"].get("lastSuccessfulTime") and not items[0]["status"].get(
                "active"
            )

        (live,) = await until(client, CRONJOBS, ns, has_ended)
        minutes = int(name_of(one).removeprefix("tick-"))
        assert live["status"]["lastScheduleTime"] == clock.rfc3339(minutes * 60)


@pytest.mark.asyncio
async def test_nodes_are_told_how_long_things_keep(control_plane, namespace_of_test):
    async with world(control_plane, namespace_of_test, nodes=1) as (client, hollow):
        key = "node.alpha.kubernetes.io/ttl"

        def is_told(nodes):
            return any(
                name_of(node) == hollow.names[0] and annotations_of(node).get(key) == "0"
                for node in nodes
            )

        await until(client, NODES, None, is_told)
