"""Claims and volumes against a real API server: bound, provisioned, protected, released."""

from __future__ import annotations

import pytest
from test_control_loops import until, world

from kubeapi.objects import name_of
from kubeapi.resources import (
    EVENTS,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODS,
    STORAGECLASSES,
)

PROVISIONER = "podwire.io/local-path"


def claim(name="data", storage_class="", size="1Mi", **spec):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
            **spec,
        },
    }


def volume(name, storage_class, size="1Mi", policy="Retain"):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "hostPath": {"path": f"/srv/{name}"},
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": storage_class,
        },
    }


def storage_class(name, mode="Immediate"):
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": PROVISIONER,
        "volumeBindingMode": mode,
    }


async def claim_until(client, ns, phase, name="data"):
    def holds(items):
        return any(name_of(one) == name and one["status"]["phase"] == phase for one in items)

    await until(client, PERSISTENTVOLUMECLAIMS, ns, holds)
    return await client.get(PERSISTENTVOLUMECLAIMS, name, ns)


async def volume_until(client, name, phase):
    def holds(items):
        return any(name_of(one) == name and one["status"]["phase"] == phase for one in items)

    await until(client, PERSISTENTVOLUMES, None, holds)
    return await client.get(PERSISTENTVOLUMES, name)


@pytest.mark.asyncio
async def test_a_claim_takes_the_smallest_volume_and_gives_it_back(
    control_plane, namespace_of_test
):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(PERSISTENTVOLUMECLAIMS, claim(storage_class=ns), ns)
        await claim_until(client, ns, "Pending")
        for name, size in (("large", "4Mi"), ("fits", "2Mi"), ("small", "1Ki")):
            await client.create(PERSISTENTVOLUMES, volume(f"{ns}-{name}", ns, size))
        bound = await claim_until(client, ns, "Bound")
        taken = bound["spec"]["volumeName"]
        assert taken != f"{ns}-small"
        assert bound["status"]["capacity"]["storage"] in ("2Mi", "4Mi")
        found = await volume_until(client, taken, "Bound")
        assert found["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]
        assert found["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]

        # A volume that is bound stays until its claim goes.
        await client.delete(PERSISTENTVOLUMES, taken)
        await client.delete(PERSISTENTVOLUMECLAIMS, "data", ns)
        await until(client, PERSISTENTVOLUMECLAIMS, ns, lambda items: not items)
        left = await until(
            client,
            PERSISTENTVOLUMES,
            None,
            lambda items: taken not in {name_of(one) for one in items},
        )
        for one in left:
            if name_of(one).startswith(ns):
                await client.delete(PERSISTENTVOLUMES, name_of(one))


@pytest.mark.asyncio
async def test_a_claim_is_provisioned_for_and_its_volume_goes_with_it(
    control_plane, namespace_of_test
):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, hollow):
        await client.create(STORAGECLASSES, storage_class(ns))
        await client.create(PERSISTENTVOLUMECLAIMS, claim(storage_class=ns), ns)
        bound = await claim_until(client, ns, "Bound")
        name = f"pvc-{bound['metadata']['uid']}"
        assert bound["spec"]["volumeName"] == name
        made = await volume_until(client, name, "Bound")
        (term,) = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert term["matchExpressions"][0]["key"] == "kubernetes.io/hostname"

        # A pod that uses it holds it; when that is gone, all of it goes, its own claim, too.
        template = {"volumeClaimTemplate": {"spec": claim(storage_class=ns)["spec"]}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "user"},
            "spec": {
                "nodeName": hollow.names[0],
                "containers": [{"name": "c", "image": "i"}],
                "volumes": [
                    {"name": "v", "persistentVolumeClaim": {"claimName": "data"}},
                    {"name": "own", "ephemeral": template},
                ],
            },
        }
        await client.create(PODS, pod, ns)
        await until(client, PODS, ns, lambda items: items[0]["status"].get("podIP"))
        await claim_until(client, ns, "Bound", "user-own")
        await client.delete(PERSISTENTVOLUMECLAIMS, "data", ns)
        held = await client.get(PERSISTENTVOLUMECLAIMS, "data", ns)
        assert held["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        await client.delete(PODS, "user", ns)
        await until(client, PERSISTENTVOLUMECLAIMS, ns, lambda items: not items)
        gone = name
        await until(
            client,
            PERSISTENTVOLUMES,
            None,
            lambda items: gone not in {name_of(one) for one in items},
        )
        await client.delete(STORAGECLASSES, ns)


@pytest.mark.asyncio
async def test_who_waits_is_told_what_for(control_plane, namespace_of_test):
    ns = namespace_of_test
    async with world(control_plane, ns) as (client, _):
        await client.create(STORAGECLASSES, storage_class(ns, "WaitForFirstConsumer"))
        await client.create(PERSISTENTVOLUMECLAIMS, claim("late", ns), ns)
        await client.create(PERSISTENTVOLUMECLAIMS, claim("nothing"), ns)
        await client.create(PERSISTENTVOLUMECLAIMS, claim("unknown", "no-such-class"), ns)
        many = claim("many", ns, accessModes=["ReadWriteMany"])
        many["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "x"}
        await client.create(PERSISTENTVOLUMECLAIMS, many, ns)
        lost = claim("lost", ns, volumeName="gone")
        lost["metadata"]["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
        await client.create(PERSISTENTVOLUMECLAIMS, lost, ns)
        wanted = {
            ("late", "WaitForFirstConsumer"),
            ("nothing", "FailedBinding"),
            ("unknown", "ProvisioningFailed"),
            ("many", "ProvisioningFailed"),
            ("lost", "ClaimLost"),
        }

        def all_told(events):
            return wanted <= {(one["involvedObject"]["name"], one["reason"]) for one in events}

        await until(client, EVENTS, ns, all_told)
        await claim_until(client, ns, "Lost", "lost")
        await client.delete(STORAGECLASSES, ns)
