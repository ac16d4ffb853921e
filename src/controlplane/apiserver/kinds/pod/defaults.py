"""Defaults of a pod's spec, also inside templates (upstream: SetDefaults_PodSpec and below).

Go cannot tell 0 from absent in most of these fields, so 0 and "" are absent here, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controlplane.apiserver.kinds import quantities
from kubeapi.objects import Object
from kubeapi.pod_containers import every_container

GRACE_S: Final = 30

_SPEC: Final[Mapping[str, str]] = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_CONTAINER: Final[Mapping[str, str]] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Final[Mapping[str, int]] = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_FILE_MODE: Final = 0o644


def default_spec(spec: Object) -> None:
    """Fill in what a pod's spec leaves open."""
    _fill(spec, _SPEC)
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = GRACE_S
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    # The older of the two names is kept in step, as upstream's conversion does.
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in every_container(spec):
        _default_container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or []:
        _default_volume(volume)
    for constraint in spec.get("topologySpreadConstraints") or []:
        _fill(constraint, {"nodeAffinityPolicy": "Honor", "nodeTaintsPolicy": "Ignore"})


def default_pod(spec: Object) -> None:
    """Fill in what only pods have, not templates."""
    if spec.get("enableServiceLinks") is None:
        spec["enableServiceLinks"] = True
    for key in ("initContainers", "containers"):
        for container in spec.get(key) or []:
            resources = container["resources"]
            if limits := resources.get("limits"):
                resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _default_container(container: Object, *, host_network: bool) -> None:
    _fill(container, _CONTAINER)
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    for port in container.get("ports") or []:
        port["protocol"] = port.get("protocol") or "TCP"
        if host_network and not port.get("hostPort"):
            port["hostPort"] = port.get("containerPort")
    resources = container["resources"] = container.get("resources") or {}
    for key in ("limits", "requests"):
        if resources.get(key):
            resources[key] = quantities.canonicalized(resources[key])
    for variable in container.get("env") or []:
        field_ref = (variable.get("valueFrom") or {}).get("fieldRef")
        if field_ref is not None:
            _fill(field_ref, {"apiVersion": "v1"})
    for key in PROBES:
        if probe := container.get(key):
            _default_probe(probe)
    for hook in (container.get("lifecycle") or {}).values():
        _default_http(hook)


def pull_policy(image: str) -> str:
    """Return Always for a tag that moves (`latest`, or none), else IfNotPresent."""
    reference, _, digest = image.partition("@")
    tag = reference.rpartition("/")[2].partition(":")[2]
    moves = tag == "latest" or not (tag or digest)
    return "Always" if moves else "IfNotPresent"


def _default_probe(probe: Object) -> None:
    for key, value in _PROBE.items():
        probe[key] = probe.get(key) or value
    _default_http(probe)
    if (grpc := probe.get("grpc")) is not None and grpc.get("service") is None:
        grpc["service"] = ""


def _default_http(handler: Object) -> None:
    if http := (handler or {}).get("httpGet"):
        _fill(http, {"path": "/", "scheme": "HTTP"})


def _default_volume(volume: Object) -> None:
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    if not sources:
        volume["emptyDir"] = {}
    for key in ("configMap", "secret", "downwardAPI", "projected"):
        source = volume.get(key)
        if source is not None and source.get("defaultMode") is None:
            source["defaultMode"] = _FILE_MODE
    if (template := (volume.get("ephemeral") or {}).get("volumeClaimTemplate")) is not None:
        template.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    if (host_path := volume.get("hostPath")) is not None:
        host_path.setdefault("type", "")


def _fill(target: Object, defaults: Mapping[str, str]) -> None:
    for key, value in defaults.items():
        target[key] = target.get(key) or value
