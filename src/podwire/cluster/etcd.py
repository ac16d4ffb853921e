"""A real etcd member for each control plane: where its program is and what it is told.

The arguments are those of a kubeadm cluster's etcd: TLS with client certificates for clients
and for peers, from an authority of etcd's own, so that no other certificate of the cluster
opens the store. Heartbeat and election time-outs are etcd's defaults, 100 ms and 1 s: on one
machine members lose no heartbeat, and a dead leader is replaced before a Lease runs out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any, Final

from podwire.cluster import wiring
from podwire.cluster.layout import (
    ETCD_CLIENT_PORT,
    ETCD_PEER_PORT,
    Cluster,
    Layout,
    UsageError,
    control_plane_host,
)
from podwire.cluster.plan import master_name

#: Where packages and people put it when PATH does not say.
PLACES: Final = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/local/etcd", "/opt/etcd")
SERVER_NAME: Final = "etcd"  # A name in every member's certificate.
CA: Final = "etcd-ca"
CLIENT: Final = "apiserver-etcd-client"

_HEARTBEAT_MS: Final = 100
_ELECTION_MS: Final = 1000
_OLDEST: Final = (3, 4)
_VERSION_S: Final = 10.0
_SAID_MAX: Final = 200
_INSTEAD: Final = "put a working etcd first on PATH"
_INSTALL: Final = {
    "etcd": "Debian, Ubuntu: apt install etcd-server",
    "etcdctl": "Debian, Ubuntu: apt install etcd-client",
}


def find(program: str) -> str:
    """Return the path of `etcd` or `etcdctl`; raises UsageError that says how to install it."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *PLACES])
    found = shutil.which(program, path=path)
    if found is None:
        raise UsageError(
            f"{program} is not installed. {_INSTALL[program]}; macOS: brew install etcd; "
            "others: https://github.com/etcd-io/etcd/releases, unpacked into a folder of PATH"
        )
    return os.path.abspath(found)


def check() -> None:
    """Raise UsageError unless etcd is installed, runs, and speaks what API servers speak."""
    path = find("etcd")
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{path} --version does not end: that is no etcd; {_INSTEAD}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be run: {error.strerror}; {_INSTEAD}") from None
    found = re.search(r"etcd Version: ([0-9]+)\.([0-9]+)", done.stdout)
    if done.returncode != 0 or found is None:
        said = " ".join((done.stderr or done.stdout).split())[:_SAID_MAX] or "nothing"
        raise UsageError(f"{path} --version failed (it said: {said}); {_INSTEAD}")
    if (int(found[1]), int(found[2])) < _OLDEST:
        oldest = ".".join(str(part) for part in _OLDEST)
        raise UsageError(f"{path} is etcd {found[1]}.{found[2]}, older than {oldest}; {_INSTEAD}")


def config(cluster: Cluster, paths: Layout, number: int) -> dict[str, Any]:
    """Return the configuration of member *number*'s process."""
    name = master_name(cluster, "etcd", number)
    return {
        "name": name,
        "executable": find("etcd"),
        "arguments": _arguments(cluster, paths, number),
    }


def _arguments(cluster: Cluster, paths: Layout, number: int) -> list[str]:
    name = master_name(cluster, "etcd", number)
    peer, client = _url(cluster, number, ETCD_PEER_PORT), _url(cluster, number, ETCD_CLIENT_PORT)
    members = ",".join(
        f"{master_name(cluster, 'etcd', member)}={_url(cluster, member, ETCD_PEER_PORT)}"
        for member in cluster.masters
    )
    options = {
        "name": name,
        "data-dir": str(paths.etcd_data(name)),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": members,
        "initial-cluster-state": "new",
        "initial-cluster-token": cluster.uid,
        "heartbeat-interval": str(_HEARTBEAT_MS),
        "election-timeout": str(_ELECTION_MS),
        "logger": "zap",
        "log-level": "warn",
        "log-outputs": "stderr",
    }
    for prefix in ("", "peer-"):
        options |= {
            f"{prefix}cert-file": str(paths.certificate(name)),
            f"{prefix}key-file": str(paths.private_key(name)),
            f"{prefix}trusted-ca-file": str(paths.certificate(CA)),
            f"{prefix}client-cert-auth": "true",
        }
    return [f"--{option}={value}" for option, value in options.items()]


def _url(cluster: Cluster, number: int, port: int) -> str:
    return f"https://{cluster.transport_address(control_plane_host(number))}:{port}"


def client_urls(cluster: Cluster) -> list[str]:
    """Return where a person reaches the members."""
    return [_url(cluster, number, ETCD_CLIENT_PORT) for number in cluster.masters]


def client(cluster: Cluster, paths: Layout, number: int) -> dict[str, Any]:
    """Return what the API server of control plane *number* is told about its store."""
    return {
        "store_path": "",
        "etcd_endpoints": wiring.etcd_endpoints(cluster, number),
        "etcd_ca": str(paths.certificate(CA)),
        "etcd_certificate": str(paths.certificate(CLIENT)),
        "etcd_private_key": str(paths.private_key(CLIENT)),
        "etcd_server_name": SERVER_NAME,
    }
