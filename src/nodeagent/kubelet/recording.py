"""Events about pods, about single containers of pods, and about the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from kubeapi.client import EventRecorder
from kubeapi.objects import Object, name_of, namespace_of, uid_of
from kubeapi.pod_containers import container_path

#: Tells an event: (type, reason, message).
EventType = Literal["Normal", "Warning"]
Tell = Callable[[EventType, str, str], None]


def teller(recorder: EventRecorder, pod: Object, container: str = "") -> Tell:
    """Return the function that tells events of *pod*, or of one of its containers."""
    subject: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": namespace_of(pod),
        "name": name_of(pod),
        "uid": uid_of(pod),
    }
    if container:
        subject["fieldPath"] = container_path(pod["spec"], container)

    def tell(kind: EventType, reason: str, message: str) -> None:
        recorder.event(subject, kind, reason, message)

    return tell


def node_teller(recorder: EventRecorder, name: str) -> Tell:
    """Return the function that tells events of a Node, which upstream's kubelet gives no uid."""
    subject: Object = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": name}

    def tell(kind: EventType, reason: str, message: str) -> None:
        recorder.event(subject, kind, reason, message)

    return tell
