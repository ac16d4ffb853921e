"""A container's environment, command and arguments (upstream: makeEnvironmentVariables, envvars).

Order is upstream's: services first, then envFrom, then env; later ones win. `$(NAME)` refers to
what was defined before, `$$` is a dollar, and a reference to nothing stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kubeapi import quantity
from kubeapi.objects import (
    Object,
    annotations_of,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from nodeagent.kubelet.references import ConfigError, Configuration, Reference

_REFERENCE: Final = re.compile(r"\$(\$|\(([^()]*)\))")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
#: Services of this namespace are seen from everywhere, as the API's own is.
_MASTER: Final = ("default", "kubernetes")


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by what *known* says (upstream: third_party/forked/golang/expansion)."""

    def one(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return known.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def missing_references(text: str, known: Mapping[str, str]) -> list[str]:
    """Return the names that *text* refers to and *known* has not."""
    found = (match[2] for match in _REFERENCE.finditer(text) if match[1] != "$")
    return [name for name in found if name not in known]


def service_environment(services: Iterable[Object], namespace: str) -> dict[str, str]:
    """Return Docker-link style variables of the Services that a pod of *namespace* sees."""
    found: dict[str, str] = {}
    ordered = sorted(services, key=lambda s: (namespace_of(s) == namespace, name_of(s)))
    for service in ordered:
        place = (namespace_of(service), name_of(service))
        if place[0] == namespace or place == _MASTER:
            found |= _of_service(service)
    return found


def _of_service(service: Object) -> dict[str, str]:
    spec = service.get("spec", {})
    address, ports = spec.get("clusterIP"), spec.get("ports") or []
    if address in (None, "", "None") or not ports:
        return {}
    prefix = name_of(service).upper().replace("-", "_")
    found = {
        f"{prefix}_SERVICE_HOST": address,
        f"{prefix}_SERVICE_PORT": str(ports[0]["port"]),
    }
    for port in ports:
        if port.get("name"):
            name = port["name"].upper().replace("-", "_")
            found[f"{prefix}_SERVICE_PORT_{name}"] = str(port["port"])
    first = ports[0]
    protocol = (first.get("protocol") or "TCP").lower()
    found[f"{prefix}_PORT"] = f"{protocol}://{address}:{first['port']}"
    for port in ports:
        protocol = (port.get("protocol") or "TCP").lower()
        stem = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        found |= {
            stem: f"{protocol}://{address}:{port['port']}",
            f"{stem}_PROTO": protocol,
            f"{stem}_PORT": str(port["port"]),
            f"{stem}_ADDR": address,
        }
    return found


@dataclass(frozen=True, slots=True)
class NodeFields:
    """What the downward API says that the pod's object does not."""

    #: `status.podIP`, `status.hostIP` and their plurals.
    addresses: Mapping[str, str]
    #: What stands for limits that a container has not.
    allocatable: Mapping[str, str] = field(default_factory=dict)


def environment(
    pod: Object,
    container: Object,
    configuration: Configuration,
    services: Mapping[str, str],
    node: NodeFields,
) -> dict[str, str]:
    """Return the variables of *container*.

    Raises ConfigError when something that the pod needs is missing.
    """
    enabled = pod["spec"].get("enableServiceLinks") is not False
    found = {n: v for n, v in services.items() if enabled or n.startswith("KUBERNETES_")}
    for source in container.get("envFrom") or ():
        kind, reference = ("configmap", source.get("configMapRef"))
        if reference is None:
            kind, reference = ("secret", source.get("secretRef") or {})
        named = Reference(kind, reference.get("name") or "")
        texts = configuration.texts(named, optional=bool(reference.get("optional")))
        found |= {f"{source.get('prefix') or ''}{key}": text for key, text in texts.items()}
    for variable in container.get("env") or ():
        value = _value(pod, container, variable, configuration, node)
        if value is not None:
            literal = "valueFrom" not in variable
            found[variable["name"]] = expand(value, found) if literal else value
    return found


def _value(
    pod: Object,
    container: Object,
    variable: Object,
    configuration: Configuration,
    node: NodeFields,
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return variable.get("value") or ""
    for kind, field_name in (("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")):
        reference = source.get(field_name)
        if reference:
            named = Reference(kind, reference.get("name") or "")
            optional = bool(reference.get("optional"))
            return configuration.value(named, reference["key"], optional=optional)
    if source.get("fieldRef"):
        return field_value(pod, source["fieldRef"]["fieldPath"], node.addresses)
    if source.get("resourceFieldRef"):
        return resource_value(pod, container, source["resourceFieldRef"], node.allocatable)
    return ""


def field_value(pod: Object, path: str, addresses: Mapping[str, str]) -> str:
    """Return what a downward API *path* of the pod says; raises ConfigError for others."""
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        of = labels_of if subscript[1] == "labels" else annotations_of
        return of(pod).get(subscript[2], "")
    spec = pod["spec"]
    fields = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod),
        "metadata.uid": uid_of(pod),
        "metadata.labels": _as_file(labels_of(pod)),
        "metadata.annotations": _as_file(annotations_of(pod)),
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.podIP": addresses.get("status.podIP", ""),
        "status.podIPs": addresses.get("status.podIPs", ""),
        "status.hostIP": addresses.get("status.hostIP", ""),
        "status.hostIPs": addresses.get("status.hostIPs", ""),
    }
    if path not in fields:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return fields[path]


def _as_file(texts: Mapping[str, str]) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    return "\n".join(f"{key}={quoted(text)}" for key, text in sorted(texts.items()))


def resource_value(
    pod: Object, container: Object, reference: Object, allocatable: Mapping[str, str]
) -> str:
    """Return a request or limit in units of its divisor, rounded up.

    A limit that is not set is what the node can give (MergeContainerResourceLimits), a request 0.
    """
    name, spec = reference.get("containerName"), pod["spec"]
    if name:
        both = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
        named = [each for each in both if each["name"] == name]
        if not named:
            raise ConfigError(f"container {name} not found")
        container = named[0]
    where, _, resource = reference["resource"].partition(".")
    absent = allocatable.get(resource, "0") if where == "limits" else "0"
    text = ((container.get("resources") or {}).get(where) or {}).get(resource, absent)
    divisor = quantity.parse_quantity(reference.get("divisor") or "1") or 1
    return str(-(-quantity.parse_quantity(text) // divisor))
