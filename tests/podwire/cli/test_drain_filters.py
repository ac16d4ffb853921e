"""What a drain takes away, leaves and is stopped by: kubectl's table, one row a case."""

from __future__ import annotations

import pytest

from componentbase.clock import parse_rfc3339
from podwire.cli.drain_filters import Allowed, daemon_set_of, errors, judge, warnings

LOCAL = "cannot delete Pods with local storage (use --delete-emptydir-data to override)"
BARE = "cannot delete Pods that declare no controller (use --force to override)"
DAEMON = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
DELETED_AT = "2026-01-01T00:00:00Z"
NOW = parse_rfc3339(DELETED_AT) + 60
ALL = Allowed(force=True, ignore_daemonsets=True, delete_emptydir_data=True)


def pod(name="p", *, owner="ReplicaSet", phase="Running", empty_dir=False, **metadata):
    owners = [{"kind": owner, "name": "owner", "uid": "u", "controller": True}] if owner else []
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "c"}}]
    return {
        "metadata": {"name": name, "namespace": "ns", "ownerReferences": owners, **metadata},
        "spec": {"volumes": volumes if empty_dir else volumes[1:]},
        "status": {"phase": phase},
    }


@pytest.mark.parametrize(
    ("one", "allowed", "goes", "says"),
    [
        (pod(), Allowed(), True, ""),
        (pod(owner=""), Allowed(), False, BARE),
        (pod(owner=""), Allowed(delete_emptydir_data=True), False, BARE),
        (pod(owner=""), Allowed(force=True), True, "deleting Pods that declare no controller"),
        (pod(owner="", phase="Succeeded"), Allowed(), True, ""),
        (pod(owner="", phase="Failed"), Allowed(), True, ""),
        (pod(empty_dir=True), Allowed(force=True), False, LOCAL),
        (pod(empty_dir=True, phase="Failed"), Allowed(), True, ""),
        (
            pod(empty_dir=True),
            Allowed(delete_emptydir_data=True),
            True,
            "deleting Pods with local storage",
        ),
        (pod(empty_dir=True, owner=""), Allowed(delete_emptydir_data=True), False, BARE),
        (pod(owner="DaemonSet"), Allowed(force=True), False, DAEMON),
        (pod(owner="DaemonSet"), ALL, False, "ignoring DaemonSet-managed Pods"),
        (pod(owner="DaemonSet", phase="Failed"), Allowed(), True, ""),
        (pod(annotations={"kubernetes.io/config.mirror": "x"}), Allowed(), False, ""),
        (pod(owner="", annotations={"kubernetes.io/config.mirror": "x"}), Allowed(), False, ""),
        (pod(deletionTimestamp=DELETED_AT), Allowed(), True, ""),
        (pod(deletionTimestamp=DELETED_AT), Allowed(skip_deleted_after_s=59), False, ""),
        (pod(deletionTimestamp=DELETED_AT), Allowed(skip_deleted_after_s=61), True, ""),
    ],
)
def test_what_becomes_of_a_pod(one, allowed, goes, says):
    (judged,) = found = judge([one], allowed, ["ns/owner"], NOW)
    assert judged.goes is goes
    assert (errors(found) or warnings(found)) == (f"{says}: ns/p" if says else "")


def test_pods_of_a_daemonset_that_is_gone_go_only_by_force():
    gone = 'daemonsets.apps "owner" not found'
    one = pod(owner="DaemonSet")
    assert daemon_set_of(one) == "ns/owner"
    assert errors(judge([one], Allowed(ignore_daemonsets=True), [], NOW)) == (
        f"cannot delete {gone}: ns/p"
    )
    (judged,) = judge([one], ALL, [], NOW)
    assert judged.goes
    assert judged.warning == gone


def test_pods_are_named_by_what_is_said_of_them():
    pods = [pod("a", owner=""), pod("b", empty_dir=True), pod("c", owner=""), pod("d")]
    assert errors(judge(pods, Allowed(), [], NOW)) == f"{BARE}: ns/a, ns/c; {LOCAL}: ns/b"
    assert errors(judge(pods, ALL, [], NOW)) == ""
