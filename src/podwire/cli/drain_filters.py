"""Which pods of a node a drain takes away, and why not the others (kubectl: pkg/drain/filters).

Each filter may let a pod pass, leave it on the node, or forbid the whole drain. They are asked in
kubectl's order, and the first that does not let a pod pass decides. Messages are kubectl's, but a
pod that several filters warn of is named by the last that does, not by the last of all, and the
words "cannot delete" stand once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339
from kubeapi.objects import Object, annotations_of, controller_of, key_of, make_key, namespace_of

_MIRROR: Final = "kubernetes.io/config.mirror"
_ENDED: Final = ("Succeeded", "Failed")
_DAEMON_SET: Final = "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)"
_IGNORED: Final = "ignoring DaemonSet-managed Pods"
_LOCAL: Final = "Pods with local storage (use --delete-emptydir-data to override)"
_LOCAL_DELETED: Final = "deleting Pods with local storage"
_UNMANAGED: Final = "Pods that declare no controller (use --force to override)"
_UNMANAGED_DELETED: Final = "deleting Pods that declare no controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the user has said yes to."""

    force: bool = False
    ignore_daemonsets: bool = False
    delete_emptydir_data: bool = False
    #: Pods that have been ending for longer are not waited for; 0: all are.
    skip_deleted_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a pod goes, and what there is to say about it."""

    pod: Object
    goes: bool
    warning: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What filters know besides the pod."""

    allowed: Allowed
    #: Keys of the DaemonSets that there are.
    daemon_sets: Collection[str]
    now: float


_Filter = Callable[[Object, _Facts], Judged]


def _being_deleted(pod: Object, facts: _Facts) -> Judged:
    after_s = facts.allowed.skip_deleted_after_s
    deleted_at = pod["metadata"].get("deletionTimestamp")
    late = bool(after_s and deleted_at) and facts.now - parse_rfc3339(deleted_at) > after_s
    return Judged(pod, not late)


def _daemon_set(pod: Object, facts: _Facts) -> Judged:
    """One of a DaemonSet would be back at once: it ignores that a node is cordoned."""
    key = daemon_set_of(pod)
    if not key or _is_over(pod):
        return Judged(pod, True)
    if key not in facts.daemon_sets:
        gone = f'daemonsets.apps "{key.rpartition("/")[2]}" not found'
        forced = facts.allowed.force
        return Judged(pod, True, warning=gone) if forced else Judged(pod, False, error=gone)
    if not facts.allowed.ignore_daemonsets:
        return Judged(pod, False, error=_DAEMON_SET)
    return Judged(pod, False, warning=_IGNORED)


def daemon_set_of(pod: Object) -> str:
    """Return the key of the DaemonSet that controls *pod*, or ""."""
    controller = controller_of(pod) or {}
    if controller.get("kind") != "DaemonSet":
        return ""
    return make_key(namespace_of(pod), controller["name"])


def _mirror(pod: Object, _facts: _Facts) -> Judged:
    """A static pod's image in the API: deleting that does not end the pod."""
    return Judged(pod, _MIRROR not in annotations_of(pod))


def _local_storage(pod: Object, facts: _Facts) -> Judged:
    volumes = pod["spec"].get("volumes") or ()
    if _is_over(pod) or not any("emptyDir" in volume for volume in volumes):
        return Judged(pod, True)
    if not facts.allowed.delete_emptydir_data:
        return Judged(pod, False, error=_LOCAL)
    return Judged(pod, True, warning=_LOCAL_DELETED)


def _unmanaged(pod: Object, facts: _Facts) -> Judged:
    if _is_over(pod) or controller_of(pod) is not None:
        return Judged(pod, True)
    if not facts.allowed.force:
        return Judged(pod, False, error=_UNMANAGED)
    return Judged(pod, True, warning=_UNMANAGED_DELETED)


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in _ENDED


_FILTERS: Final[Sequence[_Filter]] = (
    _being_deleted,
    _daemon_set,
    _mirror,
    _local_storage,
    _unmanaged,
)


def judge(
    pods: Iterable[Object], allowed: Allowed, daemon_sets: Collection[str], now: float
) -> list[Judged]:
    """Return what becomes of each of *pods*."""
    facts = _Facts(allowed, daemon_sets, now)
    return [_judge_one(pod, facts) for pod in pods]


def _judge_one(pod: Object, facts: _Facts) -> Judged:
    warning = ""
    for decide in _FILTERS:
        found = decide(pod, facts)
        if not found.goes:
            return found
        warning = found.warning or warning
    return Judged(pod, True, warning=warning)


def errors(judged: Iterable[Judged]) -> str:
    """Return what forbids the drain, in one line, or ""."""
    return _grouped((one.error and f"cannot delete {one.error}", one.pod) for one in judged)


def warnings(judged: Iterable[Judged]) -> str:
    """Return what the user should know, in one line, or ""."""
    return _grouped((one.warning, one.pod) for one in judged)


def _grouped(said: Iterable[tuple[str, Object]]) -> str:
    groups: dict[str, list[str]] = {}
    for text, pod in said:
        if text:
            groups.setdefault(text, []).append(key_of(pod))
    return "; ".join(f"{text}: {', '.join(keys)}" for text, keys in groups.items())
