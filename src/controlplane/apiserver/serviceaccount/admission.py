"""What a pod gets from its account (upstream: plugin/pkg/admission/serviceaccount).

A volume with a token, the cluster's authority and the namespace's name, mounted where clients in
pods look for it; and the account's imagePullSecrets. Absent: the annotation that limits which
Secrets a pod may mount.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.serviceaccount.claims import MOUNTED_S
from kubeapi.objects import Object, name_of
from kubeapi.resources import PODS
from kubeapi.status import StatusError, forbidden

MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX: Final = "kube-api-access-"
ROOT_CA: Final = "kube-root-ca.crt"
DEFAULT: Final = "default"
_MODE: Final = 0o644


def unknown_account(pod: Object, namespace: str) -> StatusError:
    """Return the refusal of a pod whose account does not exist."""
    name = pod["spec"]["serviceAccountName"]
    why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
    return forbidden(PODS, name_of(pod), why)


def admit(pod: Object, account: Object, volume_name: str) -> None:
    """Complete *pod* with what *account* gives; a new volume is called *volume_name*."""
    spec = pod["spec"]
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(each) for each in account["imagePullSecrets"]]
    if _automounts(spec, account):
        _mount(spec, volume_name)


def _automounts(spec: Object, account: Object) -> bool:
    own = spec.get("automountServiceAccountToken")
    return bool(account.get("automountServiceAccountToken", True) if own is None else own)


def _mount(spec: Object, volume_name: str) -> None:
    volumes: list[Object] = spec.get("volumes") or []
    known = [each["name"] for each in volumes if each["name"].startswith(VOLUME_PREFIX)]
    name = known[0] if known else volume_name
    needed = False
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        mounts: list[Object] = container.get("volumeMounts") or []
        if all(mount.get("mountPath") != MOUNT_PATH for mount in mounts):
            own = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
            container["volumeMounts"] = [*mounts, own]
            needed = True
    if needed and not known:
        spec["volumes"] = [*volumes, {"name": name, "projected": _projection()}]


def _projection() -> Object:
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": MOUNTED_S, "path": "token"}},
            {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
        ],
        "defaultMode": _MODE,
    }
