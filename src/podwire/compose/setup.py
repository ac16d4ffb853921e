"""Makes a cluster of containers: keys and configurations, one volume a host.

Runs before everything else at every `docker compose up`, and keeps what is there: a second `up` is
the same cluster. A volume of another cluster is refused, and so is a change that etcd's members
could not follow (the network, the number of masters): nothing is written then.

It is the one container that acts as root, since volumes begin as root's and the kubeconfig goes
to a person; it has no network, and of root's capabilities only CHOWN and DAC_OVERRIDE.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Final

import msgspec

from componentbase.decoding import UNREADABLE
from podwire.cluster import addons
from podwire.cluster.families import IpFamily
from podwire.cluster.layout import Layout, UsageError
from podwire.compose import configs, hosts
from podwire.compose.configs import Config, Parameters
from podwire.compose.credentials import Credentials
from podwire.compose.hosts import Files
from podwire.compose.settings import CONTROL_PLANES_MAX, Settings

#: Whom the services run as (the image's user).
USER: Final = 10001
#: Left in the authorities' volume by the service `ha`, which only `--profile ha` runs.
_HA_WANTED: Final = "ha-wanted"
_RECORD: Final = "cluster.json"
_REMOVE: Final = "docker compose --profile ha down -v removes"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster cannot change about itself any more."""

    uid: str
    network: str
    control_planes: int
    ip_family: IpFamily = "ipv4"


def run(volumes: Path, settings: Settings, *, user: int = USER) -> None:
    """Fill what is mounted below *volumes*; raises UsageError when that must not be."""
    os.umask(0o077)
    authorities = Files(volumes / hosts.AUTHORITIES)
    ha_wanted = authorities.folder / _HA_WANTED
    wanted = CONTROL_PLANES_MAX if ha_wanted.exists() else 1
    ha_wanted.unlink(missing_ok=True)
    record = _known(authorities.folder / _RECORD)
    if record is not None:
        _check_unchanged(record, settings, wanted)
    record = record or _Record(
        uid=str(uuid.uuid4()),
        network=settings.network,
        control_planes=wanted,
        ip_family=settings.ip_family,
    )
    everybody = [*hosts.control_plane_names(), *hosts.etcd_names(), *hosts.node_names()]
    for host in everybody:
        _check_not_foreign(Files(volumes / host), host, record.uid)
    (authorities.folder / _RECORD).write_bytes(msgspec.json.encode(record))
    given = Parameters(uid=record.uid, control_planes=record.control_planes, settings=settings)
    credentials = Credentials(given, authorities)
    _fill(volumes, given, credentials)
    for folder in (*everybody, hosts.BALANCER, hosts.CLUSTER.directory.name):
        _hand_over(volumes / folder, user)
    _write_kubeconfig(volumes / "kubeconfig", credentials)


def _known(path: Path) -> _Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record)
    except FileNotFoundError:
        return None
    except UNREADABLE:
        raise UsageError(
            f"the volume of the certificate authorities is damaged; {_REMOVE} the cluster"
        ) from None


def _check_unchanged(record: _Record, settings: Settings, control_planes: int) -> None:
    """Refuse what an existing cluster cannot become.

    One of three masters stays one when nobody names the profile: `docker compose start node-2` runs
    this, too, and cannot be told from an `up` that forgot it. That one gets a hint.
    """
    if record.control_planes < control_planes:
        raise UsageError(
            "this cluster has one master, and etcd does not grow by itself: docker compose up "
            f"starts it as it is, {_REMOVE} it"
        )
    if record.control_planes > control_planes:
        print("this cluster has three masters: docker compose --profile ha up starts them all")
    if record.ip_family != settings.ip_family:
        raise UsageError(
            f"this cluster was made with the addresses of {record.ip_family}: "
            f"set PODWIRE_IP_FAMILY={record.ip_family}, or {_REMOVE} it"
        )
    if record.network != settings.network:
        raise UsageError(
            f"this cluster was made in {record.network}.0/24: "
            f"set PODWIRE_NETWORK={record.network}, or {_REMOVE} it"
        )


def _check_not_foreign(files: Files, host: str, uid: str) -> None:
    """Refuse a volume with somebody else's data: etcd's would be taken for this cluster's."""
    try:
        theirs = files.cluster_uid.read_text()
    except FileNotFoundError:
        theirs = "" if any(files.folder.iterdir()) else uid
    if theirs != uid:
        raise UsageError(
            f"the volume {host} holds the data of another cluster; {_REMOVE} all volumes "
            "of this project, docker volume rm a single one"
        )


def _fill(volumes: Path, given: Parameters, credentials: Credentials) -> None:
    for number in given.masters():
        files = _begin(volumes, f"control-plane-{number}", given)
        credentials.control_plane(files, number)
        files.addons.write_bytes(msgspec.json.encode(addons.objects(given.cluster)))
        for name, config in configs.control_plane(given, number):
            _write(files.config(name), config)
        files = _begin(volumes, f"etcd-{number}", given)
        files.etcd_data.mkdir(mode=0o700, exist_ok=True)
        credentials.etcd(files, number)
        _write(files.config("etcd"), configs.etcd(given, number))
    for number, name in enumerate(hosts.node_names(), 1):
        files = _begin(volumes, name, given)
        credentials.node(files, number)
        for role, config in configs.node(given, number):
            _write(files.config(role), config)
    shared = Layout(volumes / hosts.CLUSTER.directory.name)
    shared.write_cluster(given.cluster)
    for folder in ("journal", "nodes", *(f"nodes/{name}" for name in hosts.node_names())):
        (shared.directory / folder).mkdir(exist_ok=True)  # A node mounts its state on its own.
    files = _begin(volumes, hosts.BALANCER, given)
    credentials.balancer(files)
    _write(files.config("balancer"), configs.balancer(given, hosts.BALANCER, "0.0.0.0"))


def _begin(volumes: Path, host: str, given: Parameters) -> Files:
    files = Files(volumes / host)
    files.cluster_uid.write_text(given.uid)
    return files


def _write(path: Path, config: Config) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(config)) + b"\n")
    draft.replace(path)


def _hand_over(folder: Path, user: int) -> None:
    """Make *folder* and all below the services' own, and theirs alone."""
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        if status.st_uid == user:
            continue
        if path == folder:
            path.chmod(0o700)  # While it is ours: FOWNER is not among our capabilities.
        os.chown(path, user, user, follow_symlinks=False)


def _write_kubeconfig(folder: Path, credentials: Credentials) -> None:
    """Write the person's kubeconfig; it belongs to whoever the folder belongs to."""
    owner = folder.stat()
    kubeconfig = folder / "kubeconfig"
    credentials.admin(kubeconfig)
    os.chown(kubeconfig, owner.st_uid, owner.st_gid)
