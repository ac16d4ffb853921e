"""Kubeconfig files: where a cluster is and who we are there (upstream: client-go `clientcmd`).

Reads what kubectl writes, as far as it concerns X.509: server, certificate authority, client
certificate and key, as data or as files, or a file with a token. No tokens themselves, exec
plug-ins or proxies in such files. A pod finds the same in its environment and in the files of its
service account (`in_cluster_config`).
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from kubeapi.bounded_yaml import BoundedLoader
from kubeapi.objects import Object

#: Where every container of a pod has its service account's files.
_SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"


class KubeconfigError(Exception):
    """The file is no kubeconfig that we can use; says which file and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """The current context of a kubeconfig."""

    server: str
    ca_pem: str = ""
    certificate_pem: str = ""
    key_pem: str = ""
    user_name: str = ""
    #: A file with a bearer token that is read again now and then: the kubelet renews it.
    token_file: str = ""

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return how to speak TLS with the server; None when it speaks none."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca_pem or None)
        if self.certificate_pem:
            # The ssl module takes certificates from files only.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(f"{self.certificate_pem}\n{self.key_pem}")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def in_cluster_config(environment: Mapping[str, str]) -> ClientConfig:
    """Return how a pod reaches the API server (client-go: rest.InClusterConfig).

    Raises KubeconfigError where this is no pod, or one without a service account's token.
    """
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise KubeconfigError(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and "
            "KUBERNETES_SERVICE_PORT must be defined"
        )
    try:
        # By `open`: in a pod that finds the container's files.
        with open(f"{_SERVICE_ACCOUNT}/ca.crt") as file:
            ca_pem = file.read()
        with open(f"{_SERVICE_ACCOUNT}/token"):
            pass
    except OSError as error:
        raise KubeconfigError(f"{error.filename}: {error.strerror}") from None
    shown = f"[{host}]" if ":" in host else host
    return ClientConfig(
        server=f"https://{shown}:{port}", ca_pem=ca_pem, token_file=f"{_SERVICE_ACCOUNT}/token"
    )


def read_kubeconfig(path: Path) -> ClientConfig:
    """Read the current context of *path*; raises KubeconfigError."""
    try:
        config = yaml.load(path.read_text(), BoundedLoader)
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # A date that is none, say.
        raise KubeconfigError(f"{path}: {error}") from None
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path}: this is no kubeconfig: {'a list' if config else 'empty'}")
    try:
        return _client_config(config, path.parent)
    except (LookupError, TypeError, AttributeError) as error:
        raise KubeconfigError(f"{path}: no usable current context ({error})") from None
    except (binascii.Error, UnicodeDecodeError, OSError) as error:
        raise KubeconfigError(f"{path}: {error}") from None


def _client_config(config: Object, folder: Path) -> ClientConfig:
    current = config.get("current-context") or config["contexts"][0]["name"]
    context = _named(config["contexts"], current)["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config.get("users") or [], context["user"])["user"]
    return ClientConfig(
        server=str(cluster["server"]).rstrip("/"),
        ca_pem=_pem(cluster, "certificate-authority", folder),
        certificate_pem=_pem(user, "client-certificate", folder),
        key_pem=_pem(user, "client-key", folder),
        user_name=context["user"],
        token_file=str(user.get("tokenFile") or ""),
    )


def _named(items: list[Object], name: str) -> Object:
    for item in items:
        if item["name"] == name:
            return item
    raise KeyError(name)


def _pem(entry: Object, field: str, folder: Path) -> str:
    data = entry.get(f"{field}-data")
    if data:
        return base64.b64decode(data, validate=True).decode()
    file = entry.get(field)
    return (folder / file).read_text() if file else ""


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    ca_pem: str = "",
    ca_file: Path | None = None,
    certificate_pem: str = "",
    key_pem: str = "",
    token_file: str = "",
    cluster_name: str,
    user_name: str,
) -> None:
    """Write a kubeconfig with everything in it (mode 0600), replacing *path* in one step.

    Who has no certificate has a file with a token.
    """
    ca = ca_pem or (ca_file.read_text() if ca_file is not None else "")
    context = f"{user_name}@{cluster_name}"
    user: Object = {"tokenFile": token_file}
    if not token_file:
        user = {
            "client-certificate-data": _data(certificate_pem),
            "client-key-data": _data(key_pem),
        }
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster_name,
                "cluster": {"server": server, "certificate-authority-data": _data(ca)},
            }
        ],
        "users": [{"name": user_name, "user": user}],
        "contexts": [
            {"name": context, "context": {"cluster": cluster_name, "user": user_name}},
        ],
        "current-context": context,
    }
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(config, file, sort_keys=False)
    draft.replace(path)


def _data(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
