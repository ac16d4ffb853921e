"""What a pod gets from its account (upstream: plugin/pkg/admission/serviceaccount).

A volume with a token, the cluster's authority and the namespace's name, mounted where clients in
pods look for it; and the account's imagePullSecrets. An account may limit its pods to the Secrets
that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.serviceaccount.claims import MOUNTED_S
from kubeapi.objects import Object, annotations_of, name_of
from kubeapi.resources import PODS
from kubeapi.status import StatusError, forbidden

MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX: Final = "kube-api-access-"
ROOT_CA: Final = "kube-root-ca.crt"
DEFAULT: Final = "default"
_MODE: Final = 0o644
_ENFORCE: Final = "kubernetes.io/enforce-mountable-secrets"
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
#: Lists of containers, and how a refusal calls one of them.
_CONTAINERS: Final = (
    ("initContainers", "init container"),
    ("containers", "container"),
    ("ephemeralContainers", "ephemeral container"),
)


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


def check_secrets(pod: Object, account: Object, *, is_new: bool) -> None:
    """Raise StatusError 403 for a Secret that an account does not let its pods have.

    A pod that is not new has nothing new but containers for debugging.
    """
    if annotations_of(account).get(_ENFORCE) not in _TRUE:
        return
    spec = pod["spec"]
    if not is_new:
        spec = {"ephemeralContainers": spec.get("ephemeralContainers")}
    if foreign := next(_foreign(spec, account), None):
        where, what = foreign
        why = (
            f"{where} is not allowed because service account {name_of(account)} does not "
            f"reference that {what}"
        )
        raise forbidden(PODS, name_of(pod), why)


def _foreign(spec: Object, account: Object) -> Iterator[tuple[str, str]]:
    """Yield where a pod names a Secret that its account does not, and what that is called."""
    mountable = {each.get("name") for each in account.get("secrets") or ()}
    for volume in spec.get("volumes") or ():
        name = (volume.get("secret") or {}).get("secretName")
        if name and name not in mountable:
            yield f'volume with secret.secretName="{name}"', "secret"
    for where, name in _referred(spec):
        if name not in mountable:
            yield f'{where} referencing secret.secretName="{name}"', "secret"
    pulling = {each.get("name") for each in account.get("imagePullSecrets") or ()}
    for index, each in enumerate(spec.get("imagePullSecrets") or ()):
        if each.get("name") not in pulling:
            yield f'imagePullSecrets[{index}].name="{each.get("name", "")}"', "imagePullSecret"


def _referred(spec: Object) -> Iterator[tuple[str, str]]:
    for field, called in _CONTAINERS:
        for container in spec.get(field) or ():
            for how, name in _secrets_of(container):
                yield f"{called} {container['name']} with {how}", name


def _secrets_of(container: Object) -> Iterator[tuple[str, str]]:
    """Yield how and by which name a container's environment refers to Secrets."""
    for each in container.get("env") or ():
        source = (each.get("valueFrom") or {}).get("secretKeyRef")
        if source is not None:
            yield f"envVar {each['name']}", source.get("name", "")
    for each in container.get("envFrom") or ():
        if each.get("secretRef") is not None:
            yield "envFrom", each["secretRef"].get("name", "")


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
